/*
 * store -- the database under the gateway: resp's door (resp/store.h) over txn, lsm and the log.
 *
 * It owns the tree with its log, the pipeline, the evaluator, the catalog of databases, and the
 * times at which slots have something to expire. It starts no thread and never waits for a read:
 * the reactor runs commands, ends turns, and drives it.
 *
 * A command is what one client's command, or one piece of background work, stands on from its first
 * run to its end: its reader with the blocks it has, its cursors, and what it waits for.
 *
 *     server_command_take
 *       server_store_begin; run it
 *         OK      server_store_keep: its writes join the turn's proposal
 *         AGAIN   server_store_drop; server_store_wait; later begin again
 *         else    server_store_drop
 *     server_command_give; or, if server_command_go_on says so, the next request from the top
 *
 *   1. What the tree's readers and this process' memory know of a lost write is forgotten: when
 *      writing has failed for good, reads go on over what is applied alone.
 *   2. A reply's ticket: it may leave when server_store_applied has reached it. What a command saw
 *      of the catalog (a database that was flushed or swapped, its size) counts as what it saw of
 *      rows.
 *   3. A command with an exact cursor (resp/store.h) holds back other commands' writes until it
 * ends; reads go on.
 *   4. While anybody watches keys, a snapshot not newer than any watch of the last minute is held.
 *   5. What was read ahead of a request stays with its client's command until the request has run,
 *      whatever the cache admits; all clients together hold so a small part of the cache.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_STORE_H
#define VARVE_SERVER_STORE_H

#include "base/env.h"
#include "base/errbuf.h"
#include "base/rand.h"

#include "lsm/lsm.h"

#include "resp/store.h"

#include "server/catalog.h"
#include "server/expiry.h"

#include "txn/txn.h"

struct cache;

/* ---- Commands ---------------------------------------------------------------------------------
 */

/* What a command waits for, all of it. */
enum command_wait {
    COMMAND_READS = 1 << 0,  /* Blocks from the device. */
    COMMAND_TICKET = 1 << 1, /* Writes to be applied. */
    COMMAND_SETTLE = 1 << 2, /* The turn to end, so that what is pending has a version. */
    COMMAND_GATE = 1 << 3,   /* Writes to be let through: by the tree, by who holds them back. */
    COMMAND_SAVE = 1 << 4,   /* A checkpoint to be over. */
};

struct server_command {
    struct server_store *store;
    struct lsm_reader reader;
    struct lsm_trail trails[LSM_TRAILS]; /* The reader's: its second run is short. */
    struct store_cursor *cursors;
    unsigned waits; /* enum command_wait */
    uint64_t ticket;
    bool has_cursor_ticket;
    uint64_t cursor_ticket;
    uint64_t catalog_ticket; /* Of the newest change of the catalog that it has seen. */
    size_t write_bytes;
    uint64_t random_seed; /* For all its runs; 0: not drawn yet. */
    struct rand rand;
    bool has_rand;                  /* Seeded in this run. */
    uint64_t save;                  /* The checkpoint it began; 0: none. */
    bool uses_objects;              /* It was given object ids. */
    struct catalog_record *records; /* Its changes to the catalog. */
    uint32_t record_count;
    uint32_t record_capacity;
    void *owner;                     /* Who runs it. */
    uint32_t ahead;                  /* Requests behind its own whose rows it reads, or holds. */
    struct server_command *next;     /* Of the pool, or of those that wait. */
    struct server_command *previous; /* Of those that wait. */
    bool is_listed;                  /* Among those that wait. */
};

/* ---- The store --------------------------------------------------------------------------------
 */

/* A token is good for so long; the snapshots that keep what it is compared with are so far apart.
 */
#define STORE_WATCH_MAX_NS (TXN_WATCH_MAX_MS * UINT64_C(1000000))
#define STORE_PIN_EVERY_NS UINT64_C(1000000000)
enum { STORE_KEYSPACE = 0, STORE_PINS_MAX = 64, STORE_CHANGES_KEPT = 256 };

struct store_pin {
    struct lsm_snapshot *snapshot;
    uint64_t taken_ns;
};

/* A database's number got another id. */
struct store_change {
    uint32_t number;
    uint32_t id;
};

struct server_store {
    struct store door; /* First: what resp is handed. */
    const struct env *env;
    struct io_ring *ring;
    struct lsm *lsm;
    struct cache *cache;
    struct txn_log_proposer log;
    struct txn_pipeline pipeline;
    struct txn_evaluator *evaluator;
    uint32_t database_count;
    struct server_catalog applied;
    struct server_catalog evaluated;
    uint64_t ids_ticket;    /* The newest change of databases' ids among the evaluated. */
    uint64_t counts_ticket; /* Likewise of their counts. */
    struct server_expiry expiry;
    struct rand rand;

    struct server_command *running;
    struct server_command *holder; /* Nobody else writes until it ends; NULL: everybody may. */
    struct server_command *pool;
    uint32_t pool_count;
    struct server_command *waiting; /* For more than reads. */
    uint64_t reads_pending;         /* Ops under way; each must be accounted for. */
    uint32_t ahead;                 /* Of all commands. */
    uint32_t ahead_max;

    /* May writes be evaluated? Known for a turn. */
    bool is_gate_known;
    uint64_t relieve_ns;     /* When to ask the tree again to spare what it can. */
    struct status gate;      /* OK, AGAIN, NO_SPACE, FAILED ... */
    uint64_t gate_resume_ns; /* Writers are slowed until then. */

    bool is_holding_writes; /* Until all that was evaluated is applied. */
    uint64_t saved;         /* How many checkpoints are over. */

    /* Snapshots for those who watch, oldest first. */
    struct store_pin pins[STORE_PINS_MAX];
    uint32_t pin_count;
    uint32_t watchers;
    struct store_change changes[STORE_CHANGES_KEPT]; /* The last ones, in a ring. */
    uint64_t change_count;

    /* Microseconds of the wall clock, between its milliseconds. */
    uint64_t wall_base_us;
    uint64_t wall_base_ns;

    bool lacks_version; /* The turn could not be ended: the clock's mark must be raised first. */
    bool has_failed;    /* The end of writing has been dealt with. */
    uint64_t read_failures;
    uint64_t device_reads; /* For commands. */
    uint64_t device_read_bytes;
};

struct server_store_config {
    const struct env *env;
    struct cache *cache;
    const char *dir;
    struct lsm_options options;
    uint32_t database_count;
    size_t rows_bytes; /* Of rows kept over the tree; see txn_evaluator_create. */
    struct errbuf *err;
};

/* Open or create. ring is the reactor's, used to wait only here and at the end. As lsm_open. */
MUST_CHECK struct status server_store_open(const struct server_store_config *config,
                                           struct io_ring *ring, struct server_store **out_store);
/* Writes what is still in the turn's proposal, then closes. Requires: no commands are out, and the
 * background is stopped. Takes NULL. */
void server_store_close(struct server_store *s);

/* NO_MEMORY */
MUST_CHECK struct status server_command_take(struct server_store *s, void *owner,
                                             struct server_command **out_command);
/* Also while it waits. Takes NULL. */
void server_command_give(struct server_command *c);

/*
 * Reading ahead. c is about to wait for reads (server_store_wait is next), and a request that its
 * client has sent already will ask for this row (empty: for none that is known; flags as those of
 * the door's get): what that takes is read with the rest, and stays with c. To be called for the
 * requests behind c's in their order. False: enough is held by all; nothing was done.
 */
bool server_command_read_ahead(struct server_store *s, struct server_command *c,
                               struct bytes row_key, unsigned flags);
/* The requests behind it are not counted on any more. */
void server_command_forget_ahead(struct server_store *s, struct server_command *c);
/* c's request has run. True: c holds rows for the next one, which is to run as c; false: give it.
 */
bool server_command_go_on(struct server_store *s, struct server_command *c);

void server_store_begin(struct server_store *s, struct server_command *c);
/* *out_ticket is set on failure too: NO_MEMORY, LIMIT, then as if dropped. */
MUST_CHECK struct status server_store_keep(struct server_store *s, uint64_t *out_ticket);
void server_store_drop(struct server_store *s, uint64_t *out_ticket);

/* After a run that answered AGAIN and was dropped: start what it waits for. False: it waits for
 * nothing (any more); run it again. */
bool server_store_wait(struct server_store *s, struct server_command *c);
/* A read is done. True: somebody waited for it, *out_command does for nothing more (NULL: it does);
 * ask again with the same op. */
bool server_store_read_done(struct server_store *s, struct io_op *op,
                            struct server_command **out_command);
/* The next command that waited for more than reads, and does no more; NULL: no other is ready. */
struct server_command *server_store_next_ready(struct server_store *s);

/* ---- Turns ------------------------------------------------------------------------------------
 */

/* A command that waits in some client's input will ask for this row: see txn_expect. */
void server_store_expect(struct server_store *s, struct bytes row_key);
bool server_store_is_large(const struct server_store *s);
/* Nothing more should be evaluated in this turn. */
bool server_store_is_full(const struct server_store *s);
/* Propose what the turn evaluated, let the log write, apply what is durable. */
void server_store_end_turn(struct server_store *s, uint64_t now_ns);
/* All proposals up to this ticket are applied. */
uint64_t server_store_applied(const struct server_store *s);
/* Is anything evaluated that is not applied? */
bool server_store_is_busy(const struct server_store *s);
/* When to end a turn at the latest though nothing happens (monotonic ns; UINT64_MAX: never). */
uint64_t server_store_deadline(const struct server_store *s, uint64_t now_ns);
/* Writing has ended for good. What was evaluated and is not applied is lost: replies that wait for
 * it must not be sent. */
bool server_store_has_failed(const struct server_store *s);
/* Why it has, or is about to; NULL while all is well. */
const char *server_store_failure(const struct server_store *s);
/* Are writes taken? FAILED: never again; NO_SPACE, NO_MEMORY, IO: not for now. */
MUST_CHECK struct status server_store_health(const struct server_store *s);
/* Freeze the memtable; lsm_flushed tells when it is flushed. AGAIN: something that was evaluated is
 * not applied yet, for which new writes can be held back. Else as lsm_freeze; the end of the next
 * turn drives the log. */
MUST_CHECK struct status server_store_freeze(struct server_store *s, uint64_t *out_ticket);
void server_store_hold_writes(struct server_store *s, bool is_holding);
/* Now and then: lets go of snapshots that nobody needs, and of what a full disk could spare. */
void server_store_tidy(struct server_store *s);
/* A session began or ceased to watch keys. */
void server_store_note_watcher(struct server_store *s, bool is_watching);

/* ---- The door's insides ------------------------------------------------------------------------
 */

/* store_door.c, store_cursor.c, store_databases.c: parts of the door. */
extern const struct store_ops server_store_door;

struct server_store *server_store_of(struct store *s);
/* Those in the pool go. */
void server_commands_drain(struct server_store *s);
/* What is said to a write of c now: AGAIN: it waits. */
MUST_CHECK struct status server_store_gate(struct server_store *s, const struct server_command *c);
/* May the running command write? AGAIN: it has been noted that it waits. */
MUST_CHECK struct status server_store_admit(struct server_store *s, bool is_delete);
/* The running command sees which ids databases have, or how many keys: its reply waits for that. */
void server_store_note_ids(struct server_store *s);
void server_store_note_counts(struct server_store *s);
/* The status of a read, noting what the running command waits for and what went wrong. */
struct status server_store_note_read(struct server_store *s, struct fetch *f, struct status st);

MUST_CHECK struct status server_cursor_open(struct store *s, struct bytes lower, struct bytes upper,
                                            unsigned flags, struct store_cursor **out);
MUST_CHECK struct status server_cursor_next(struct store_cursor *c, struct bytes *out_key,
                                            struct store_row *out_row);
void server_cursor_seek(struct store_cursor *c, struct bytes key);
void server_cursor_close(struct store_cursor *c);
/* Submit what the fetch wants; true if any read is under way for it. */
bool server_store_submit(struct server_store *s, struct fetch *f);
/* Submit the reads that the command's cursors wait for; likewise. */
bool server_cursors_submit(struct server_command *c);
bool server_cursors_are_ready(const struct server_command *c);
void server_cursors_destroy(struct server_command *c);

uint32_t server_database_count(struct store *s);
uint32_t server_database_id(struct store *s, uint32_t number);
MUST_CHECK struct status server_database_change(struct store *s, uint32_t number, uint64_t *change,
                                                uint32_t *out_id);
MUST_CHECK struct status server_database_clear(struct store *s, uint32_t number);
MUST_CHECK struct status server_database_swap(struct store *s, uint32_t a, uint32_t b);
void server_counts(struct store *s, uint32_t database_id, uint64_t *out_keys,
                   uint64_t *out_expires);
MUST_CHECK struct status server_count(struct store *s, uint32_t database_id, int64_t keys,
                                      int64_t expires);
uint64_t server_size(struct store *s, uint32_t database_id);
uint64_t server_fresh_id(struct store *s);
/* Add a change of the catalog to the running command. NO_MEMORY */
MUST_CHECK struct status server_store_record(struct server_store *s,
                                             const struct catalog_record *r);

#endif
