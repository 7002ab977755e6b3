/*
 * txn -- from what a command wants to what the tree holds: the clock, evaluation over pending
 * writes, and the one commit pipeline.
 *
 * evaluate -> propose -> durable (with peers: committed) -> apply -> publish -> release. The server
 * and the embedded store use the same pipeline; who makes a proposal durable is handed in: a
 * txn_proposer. On one node that is the store's own log (txn_log_proposer), later Raft.
 *
 *   1. A version is given out once, rising, and lies under a persisted mark before it is used.
 *   2. Proposals are applied in the order they were proposed; publication never skips one.
 *   3. A proposal that was not made durable is never applied and never released as OK.
 *   4. An evaluation sees every write evaluated before it, applied or pending; what it answers
 *      (errors included) may leave only when all it saw is applied (its ticket).
 *   5. A batch has one version; of N writes to one key in an open batch the last one stays, and a
 *      create followed by a delete still writes the delete (WATCH must see it).
 *
 * Threads: a pipeline one at a time (the reactor, or the embedded leader under its lock).
 */
#ifndef VARVE_TXN_TXN_H
#define VARVE_TXN_TXN_H

#include "base/clock.h"
#include "base/env.h"
#include "base/status.h"

#include "lsm/lsm.h"

/* ---- The hybrid clock --------------------------------------------------------------------- */

/* A version: 46 bits of wall milliseconds, 18 bits logical. */
enum { TXN_LOGICAL_BITS = 18 };

static inline uint64_t txn_physical_ms(uint64_t version)
{
    return version >> TXN_LOGICAL_BITS;
}

/*
 * now() = max(last + 1, wall ms << 18), never back, and always below the persisted mark: see
 * clock.c for what happens where the wall is not.
 *
 * Versions order writes; they are not what a command calls now. That is the wall's time, see
 * txn_now_ms: after a restart the clock may stand ahead of the wall by as much as the mark did.
 */
struct txn_clock {
    struct clock *wall;
    struct lsm *lsm; /* Keeps the mark. */
    uint64_t last;   /* Greatest version given out. */
    /* shared: raised (release) once it is persisted; nothing at or above it is given out */
    _Atomic uint64_t mark;
    _Atomic uint64_t wanted; /* shared: what the mark should run ahead of; relaxed, a hint */
};
/* Starts above everything the store has seen. Persists a first mark. */
MUST_CHECK struct status txn_clock_init(struct txn_clock *c, struct clock *wall, struct lsm *l,
                                        struct io_ring *ring);
/* The next version. Waits for nothing. AGAIN: all below the mark are used up; it must be raised. */
MUST_CHECK struct status txn_clock_now(struct txn_clock *c, uint64_t *out_version);
/* The version a read at this moment has: >= all given out; every later one is greater. */
uint64_t txn_clock_read(const struct txn_clock *c);
/* Raise the mark if that is near: a manifest edit, blocking, every ~10 s of writing. For a
 * background to call now and then; any thread. IO, NO_SPACE, FAILED: the mark is as it was. */
MUST_CHECK struct status txn_clock_keep_ahead(struct txn_clock *c, struct io_ring *ring);

/* ---- The commit pipeline ------------------------------------------------------------------ */

/* Where an entry stands. Its group's log is numbered by index, without gaps; who leads it, by term.
 * The store's log, which holds all groups', is numbered by LSN. */
struct txn_place {
    uint32_t group;
    uint64_t term;
    uint64_t index;
    uint64_t lsn;
};

enum txn_proposal_state {
    TXN_BUILDING,
    TXN_PROPOSED, /* With the proposer; may become durable. */
    TXN_APPLIED,  /* Durable, in the tree, visible. */
    TXN_DROPPED,  /* Refused or lost: status says why. The outcome is unknown if it was proposed. */
};

struct txn_proposal {
    struct lsm_batch batch;
    struct vlog_handle *handles; /* Of the batch's values, once proposed. */
    uint32_t handle_capacity;
    uint64_t value_bytes;
    enum txn_proposal_state state;
    struct status status;
    uint64_t version;
    struct txn_place place; /* Once proposed. */
    uint64_t ticket;        /* Counts proposals of the pipeline from 1. */
    struct txn_proposal *next;
    void *owner;
};

/*
 * Who makes proposals durable. It gives them their places, in the order they are offered.
 * Somebody drives it beside the pipeline (the log's writer; with peers, what they answer too).
 */
struct txn_proposer {
    void *context;
    /* Take the proposal's sealed batch (copied): fill its handles and its place. ST_AGAIN: offer it
     * again after the driver has run; other failures drop it. */
    struct status (*propose)(void *context, struct txn_proposal *p);
    /* Is it durable (with peers: committed), and all before it? */
    bool (*is_durable)(void *context, const struct txn_proposal *p);
    /* Why nothing more will become durable; or NULL. */
    const char *(*failure)(void *context);
};

/* The proposer of a store without peers: its own log, a group of one in one term. */
struct txn_log_proposer {
    struct lsm *lsm;
    struct clock *clock;
    uint64_t retry_ns;     /* What the log has no room or memory for: 0: fails; else it waits, and
                              is offered again so often. */
    struct status refusal; /* Why the log did not take the last one offered; OK: it did. */
    uint64_t offer_ns;     /* After a refusal: when to offer again. */
    uint64_t next_index;
};
void txn_log_proposer_init(struct txn_log_proposer *p, struct lsm *l, struct clock *clock,
                           uint64_t retry_ns);
/* p is its context. */
struct txn_proposer txn_log_proposer_ops(struct txn_log_proposer *p);

struct txn_pipeline {
    const struct env *env;
    struct lsm *lsm;
    struct txn_clock clock;
    struct txn_proposer proposer;
    uint64_t next_ticket;
    uint64_t applied_ticket;     /* All proposals up to this one are applied. */
    struct txn_proposal *oldest; /* Proposed, not applied yet. */
    struct txn_proposal *newest;
    struct txn_proposal *refused; /* Could not be proposed yet (ST_AGAIN), in order. */
    struct txn_proposal *refused_last;
};

MUST_CHECK struct status txn_pipeline_init(struct txn_pipeline *p, const struct env *env,
                                           struct lsm *l, const struct txn_proposer *proposer,
                                           struct io_ring *ring);
void txn_pipeline_deinit(struct txn_pipeline *p); /* Requires: nothing under way. */

void txn_proposal_init(struct txn_pipeline *p, struct txn_proposal *proposal);
void txn_proposal_deinit(struct txn_pipeline *p, struct txn_proposal *proposal);

/* Seal proposal->batch at a fresh version and propose it. The proposal stays the caller's but must
 * not move until it is applied or dropped. AGAIN: the clock's mark must be raised first; nothing
 * has changed. Any other failure leaves it dropped. */
MUST_CHECK struct status txn_propose(struct txn_pipeline *p, struct txn_proposal *proposal);

/* Propose what was refused, apply and publish what has become durable; drop everything if the
 * proposer failed. Returns the finished proposals (applied or dropped), oldest first, linked by
 * next; NULL if none. Call after the proposer's driver made progress. */
struct txn_proposal *txn_pipeline_step(struct txn_pipeline *p);

/* ---- Evaluation over pending writes (one evaluator a pipeline) ---------------------------- */

/*
 * An evaluator runs commands one after another against tree + pending writes. Every write of its
 * keyspace passes through it, so it can also keep rows that are applied, or were read: rows_bytes
 * of them (0: none), asked before the tree. hash_seed is best a random number: keys are clients'. A
 * command is begun, reads and writes through it, and is kept (its writes join the open proposal) or
 * dropped (it blocked on a read, or failed: nothing happened). At the end of a turn the open
 * proposal is proposed; many commands share it.
 */
struct txn_evaluator;
MUST_CHECK struct status txn_evaluator_create(struct txn_pipeline *p, uint32_t keyspace,
                                              size_t rows_bytes, uint64_t hash_seed,
                                              struct txn_evaluator **out_evaluator);
void txn_evaluator_destroy(struct txn_evaluator *e); /* Takes NULL. */

/* The most a batch may hold, body and values together: what the log takes. */
enum { TXN_BATCH_MAX = (64 << 20) - (1 << 20) };

/* Begin a command. Its reads of the tree go through r (non-blocking or not). */
void txn_begin(struct txn_evaluator *e, struct lsm_reader *r);
/* The wall's milliseconds when the command began: what it compares expiries with. */
uint64_t txn_now_ms(const struct txn_evaluator *e);

/* As lsm_get, but the command's own writes come first, then pending ones. *out's bytes are borrowed
 * until the command ends, or writes the key. A row that is pending in the open proposal has version
 * 0: end the turn before a version matters. */
MUST_CHECK struct status txn_get(struct txn_evaluator *e, struct bytes key, unsigned flags,
                                 struct lsm_value *out);
/* A command soon to come will ask for key: have the memory fetched. Keys come in the order in which
 * they will be asked for, a few commands before. */
void txn_expect(struct txn_evaluator *e, struct bytes key);
/* Are there so many rows that this is worth its while? */
bool txn_is_large(const struct txn_evaluator *e);
/* Would txn_get answer without the tree? */
bool txn_knows(const struct txn_evaluator *e, struct bytes key);
/* Bytes are copied. ST_LIMIT, ST_NO_MEMORY: the command must be dropped. */
MUST_CHECK struct status txn_put(struct txn_evaluator *e, const struct lsm_put *put);
MUST_CHECK struct status txn_delete(struct txn_evaluator *e, struct bytes key);
/* Waits for nothing: hides pending writes in the range too. is_final: nobody asks for any key of
 * the range again, as what it belonged to is gone; else all rows that are kept are doubted. */
MUST_CHECK struct status txn_delete_range(struct txn_evaluator *e, struct bytes begin,
                                          struct bytes end, bool is_final);
MUST_CHECK struct status txn_side(struct txn_evaluator *e, struct bytes side);

/* The command is done: its writes join the open proposal. *out_ticket: its reply may leave when
 * txn_applied_ticket >= it; 0 if it saw and wrote nothing pending. */
MUST_CHECK struct status txn_keep(struct txn_evaluator *e, uint64_t *out_ticket);
/* The command leaves nothing. *out_ticket as above, for what it saw. */
void txn_drop(struct txn_evaluator *e, uint64_t *out_ticket);

/* Bytes in the open proposal; the driver closes it before it passes the log's batch limit. */
size_t txn_open_size(const struct txn_evaluator *e);
/* It is time to end the turn, whatever is left of it. */
bool txn_open_is_full(const struct txn_evaluator *e);
/* End of the turn: propose the open proposal if it holds anything, so that every pending row has a
 * version. AGAIN: the clock's mark must be raised first, and the proposal stays open. */
MUST_CHECK struct status txn_end_turn(struct txn_evaluator *e);

/* Run the pipeline after the log made progress: applied writes leave the pending overlay. */
void txn_advance(struct txn_evaluator *e);
uint64_t txn_applied_ticket(const struct txn_evaluator *e);
/* The ticket of the newest proposal, the open one included: wait for it and the tree holds all that
 * was evaluated (SCAN, KEYS, RANDOMKEY). */
uint64_t txn_newest_ticket(const struct txn_evaluator *e);
/* Why no proposal will be applied any more; NULL while healthy. */
const char *txn_failure(const struct txn_evaluator *e);
/* It has failed: what is pending never was. Later evaluations see what is applied, and nothing is
 * kept any more. Requires: txn_failure, no command running, nothing proposed and under way. */
void txn_forget(struct txn_evaluator *e);

/* ---- WATCH -------------------------------------------------------------------------------- */

/* What a client saw of a key: compared at EXEC, kept by the client's session alone. */
struct txn_watch {
    uint64_t version;   /* Of the moment: what was written later has a greater one. */
    uint64_t expire_ms; /* Of what was there; 0: none, or nothing was. */
};
/* Look at key now. Requires: no proposal is open (txn_open_size is 0), so that whatever comes later
 * has a greater version. AGAIN: a read is wanted. */
MUST_CHECK struct status txn_watch(struct txn_evaluator *e, struct bytes key,
                                   struct txn_watch *out_watch);
/* Within EXEC's command: OK, or CONFLICT if the key was written or has expired since. A create and
 * delete in between of a key that was absent is seen by its tombstone's version. */
MUST_CHECK struct status txn_watch_check(struct txn_evaluator *e, struct bytes key,
                                         const struct txn_watch *w);
/* While any watch is open its owner holds a lsm_snapshot at or below its versions (so that
 * compaction keeps the tombstones it must see), for 60 s at most: then EXEC answers nil. */
enum { TXN_WATCH_MAX_MS = 60000 };

#endif
