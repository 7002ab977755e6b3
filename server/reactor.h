/*
 * reactor -- the one thread that serves: its ring, its connections, its turns.
 *
 * A turn: take what the ring has done; run the commands that are ready, of all connections, a
 * bounded number; propose their writes as one; let the log write; apply what is durable; send the
 * replies that may leave. Then wait. No command is handed to another thread.
 *
 *   1. Clients have their turns one after the other, each a bounded number of commands long. What
 *      happens in one is client.h.
 *   2. A reply leaves in the turn in which what its command saw is known to be applied.
 *   3. A stop lets evaluated writes become durable and their replies leave, for as long as
 *      shutdown-timeout says.
 *
 * Threads: the thread that runs it; server_reactor_stop any.
 */
#ifndef VARVE_SERVER_REACTOR_H
#define VARVE_SERVER_REACTOR_H

#include "base/env.h"
#include "base/io.h"
#include "base/stopwatch.h"

#include "resp/resp.h"

#include "server/chores.h"
#include "server/config.h"
#include "server/connection.h"
#include "server/listener.h"
#include "server/rate.h"
#include "server/roster.h"
#include "server/saver.h"
#include "server/store.h"

#include <stdatomic.h>

/* Figures since the start, or the last CONFIG RESETSTAT. */
struct reactor_stats {
    uint64_t connections_received;
    uint64_t connections_rejected;
    uint64_t input_bytes;
    uint64_t output_bytes;
    uint64_t reads; /* From sockets, to sockets. */
    uint64_t writes;
    uint64_t turns;
    uint64_t commands_blocked; /* Runs that ended with AGAIN. */
    uint64_t outputs_exceeded; /* Clients let go because of their output. */
    uint64_t inputs_exceeded;
    uint64_t accept_failures;
    uint64_t timeouts;
    uint64_t lost_replies; /* Clients let go when writing failed. */
    uint64_t clients_peak;
};

struct server_reactor {
    const struct env *env;
    struct server_config *config;
    struct io_ring *ring;
    struct server_store *store;
    struct resp *resp;
    struct server_client_memory *memory;
    struct server_chores chores;
    struct server_saver saver;

    struct server_listeners listeners;

    struct server_roster roster;
    uint32_t client_count;  /* Those with a session. */
    uint32_t waiting_count; /* Those with a command that waits. */
    uint64_t next_id;
    size_t starved_bytes; /* What was left when the last one was refused memory. */
    uint64_t input_high;  /* Largest buffers seen in the last tick, for INFO. */
    uint64_t output_high;

    uint64_t now_ns;
    struct stopwatch watch; /* For what is timed by itself. */
    uint64_t started_ns;
    uint64_t tick_ns; /* When routine work is due. */
    uint64_t sampled_ns;

    struct reactor_stats stats;
    struct server_rate commands;
    struct server_rate input;
    struct server_rate output;

    _Atomic bool stop_asked; /* shared: set by any thread, then the ring is woken */
    bool has_accepted;       /* Since this was last looked at. */
    bool may_stall;          /* Somebody is paused. */
    bool is_stopping;
    bool is_hasty; /* A stop does not wait for clients to take their replies. */
    uint64_t stop_deadline_ns;
};

struct server_reactor_config {
    const struct env *env;
    struct server_config *config;
    struct io_ring *ring;
    struct server_store *store;
    struct resp *resp;
    struct server_client_memory *memory;
};

void server_reactor_init(struct server_reactor *r, const struct server_reactor_config *config);
/* Serve until stopped. Afterwards no connection is left. */
void server_reactor_run(struct server_reactor *r);
/* One turn; deadline_ns bounds its wait (0: does not wait). False: stopped, all is done. */
bool server_reactor_turn(struct server_reactor *r, uint64_t deadline_ns);
/* Ask it to stop. Any thread. */
void server_reactor_stop(struct server_reactor *r);
/* Take that back; false if it is not stopping, or too late. The reactor's thread. */
bool server_reactor_go_on(struct server_reactor *r);
void server_reactor_deinit(struct server_reactor *r);

void server_reactor_reset_stats(struct server_reactor *r);

#endif
