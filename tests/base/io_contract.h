/*
 * io_contract -- what io.h promises, as test cases that every back end runs.
 *
 * A case gets a fresh machine with an empty directory. It knows nothing of the back end behind it;
 * what only a real kernel can show is in io_host_test.c.
 */
#ifndef VARVE_TESTS_BASE_IO_CONTRACT_H
#define VARVE_TESTS_BASE_IO_CONTRACT_H

#include "base/clock.h"
#include "base/io.h"

struct io_contract_machine {
    struct io *io;
    struct clock *clock; /* The one that the machine's deadlines are on. */
    char dir[128];       /* Exists, empty. */
    bool binds_rings;    /* Make rings thread-bound. */
    void *context;       /* The back end's test's. */
};

#define IO_CONTRACT_CASES(X)                                                                       \
    /* Files */                                                                                    \
    X(a_missing_file_is_not_found)                                                                 \
    X(an_exclusive_create_of_what_is_there_is_busy)                                                \
    X(contradictory_flags_are_invalid)                                                             \
    X(what_was_written_is_read)                                                                    \
    X(truncation_on_open_empties)                                                                  \
    X(a_read_at_the_end_is_short)                                                                  \
    X(a_direct_read_at_the_end_is_short)                                                           \
    X(a_big_transfer_is_whole)                                                                     \
    X(ops_beyond_the_ring_complete_once_each)                                                      \
    X(an_op_against_the_direction_is_invalid)                                                      \
    X(an_unaligned_direct_op_is_invalid)                                                           \
    X(an_offset_beyond_the_signed_range_is_invalid)                                                \
    X(registered_memory_moves_the_same_bytes)                                                      \
    X(direct_durable_writes_are_read_back)                                                         \
    X(a_sync_after_writes_is_ok)                                                                   \
    X(size_truncate_allocate)                                                                      \
    X(a_file_serves_two_rings)                                                                     \
    X(an_unlinked_file_lives_while_open)                                                           \
    /* Names */                                                                                    \
    X(directories_are_made_once)                                                                   \
    X(rename_replaces)                                                                             \
    X(link_gives_a_second_name)                                                                    \
    X(unlink_of_nothing_is_not_found)                                                              \
    X(unlink_takes_an_empty_directory)                                                             \
    X(a_list_is_sorted_and_stops)                                                                  \
    X(a_lock_is_exclusive_and_names_its_holder)                                                    \
    /* Waiting */                                                                                  \
    X(a_wait_without_deadline_returns_at_once)                                                     \
    X(a_wait_ends_at_its_deadline)                                                                 \
    X(timers_fire_in_order_and_not_early)                                                          \
    X(a_wake_ends_the_next_wait)                                                                   \
    X(what_is_not_collected_stays)                                                                 \
    X(blocking_calls_leave_other_ops_alone)                                                        \
    X(waiting_for_one_op_leaves_the_others)                                                        \
    X(a_blocking_call_swallows_no_wake)                                                            \
    X(destroy_cancels_what_is_pending)                                                             \
    /* Sockets */                                                                                  \
    X(bytes_travel_both_ways)                                                                      \
    X(a_pending_accept_ends_with_shutdown)                                                         \
    X(a_pending_recv_ends_with_shutdown)                                                           \
    X(a_closed_peer_is_the_end_of_the_stream)                                                      \
    X(a_send_to_a_closed_peer_fails)                                                               \
    X(a_refused_connection_fails_its_first_op)                                                     \
    X(a_slow_reader_gets_every_byte)                                                               \
    X(a_socket_sends_while_it_receives)                                                            \
    X(many_connections_are_served)                                                                 \
    X(names_and_ports_of_sockets)                                                                  \
    X(a_taken_port_is_busy)                                                                        \
    X(a_word_is_no_address)                                                                        \
    X(a_recv_of_nothing_is_invalid)

#define IO_CONTRACT_DECLARE(name) void io_contract_##name(struct io_contract_machine *m);
IO_CONTRACT_CASES(IO_CONTRACT_DECLARE)
#undef IO_CONTRACT_DECLARE

/* ---- For cases and their kin ----------------------------------------------------------------- */

/* dir/name, in one of a few static buffers. */
const char *io_contract_path(const struct io_contract_machine *m, const char *name);
struct io_ring *io_contract_ring(struct io_contract_machine *m, unsigned entries);
struct io_file *io_contract_open(struct io_contract_machine *m, const char *name, unsigned flags);
/* Wait until op is handed out, dropping others that are; fails the test when it takes too long. */
void io_contract_wait(struct io_contract_machine *m, struct io_ring *ring, struct io_op *op);
/* Submit op, and that. */
void io_contract_run(struct io_contract_machine *m, struct io_ring *ring, struct io_op *op);
/* Wait until count ops were handed out. */
void io_contract_wait_all(struct io_contract_machine *m, struct io_ring *ring, size_t count);
/* A pattern that tells every 8 bytes from all others. Requires: size is a multiple of 8. */
void io_contract_fill(void *data, size_t size, uint64_t seed);

/* A connection over listen, connect and accept, all on ring. */
struct io_contract_pair {
    struct io_socket *listener;
    struct io_socket *client;
    struct io_socket *server;
};
struct io_contract_pair io_contract_connect(struct io_contract_machine *m, struct io_ring *ring);
void io_contract_disconnect(struct io_contract_pair *p);

#endif
