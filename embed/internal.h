/*
 * internal -- an open embedded store. Private to embed/.
 *
 *   options.c   defaults, text
 *   store.c     open, close, the background thread, care, numbers
 *   commit.c    writing: one of the waiting callers leads
 *   crowd.h     how many the leader waits for
 *   keyspace.c  which numbers are in use
 *   batch.c     batches and single writes
 *   read.c      slots, get, multi_get, snapshots
 *   iterator.c  iterators
 */
#ifndef VARVE_EMBED_INTERNAL_H
#define VARVE_EMBED_INTERNAL_H

#include "base/budget.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "base/thread.h"

#include "cache/cache.h"

#include "lsm/lsm.h"

#include "txn/txn.h"

#include "embed/crowd.h"
#include "embed/varve.h"

enum { EMBED_SLOTS = 64, EMBED_VALUE_MAX = 60 << 20 };

/*
 * What a call that reads or writes works with: a reader and its ring, a proposal. Taken for a call,
 * or for the life of a pinned value, by any thread; a thread finds the same one again by its hint,
 * so that its memory is warm.
 */
struct embed_slot {
    _Alignas(64) _Atomic bool is_taken;
    bool is_ready; /* Made with the first use. */
    bool is_extra; /* Beyond the fixed ones. */
    struct lsm_reader reader;
    struct io_ring *ring;
    struct txn_proposal proposal;
    struct txn_pipeline *pipeline; /* Of proposal. */
    struct embed_slot *next;       /* lock; of slots beyond the fixed ones */
};

/* A caller that waits for its proposal. */
struct embed_waiter {
    struct txn_proposal *proposal;
    struct embed_waiter *next;
    size_t size;
    bool is_delete_only;
    uint32_t parity; /* Of its group: which bell it hears. */
    _Atomic bool is_done;
    struct status status;
};

/* What the callers of a group sleep on. */
struct embed_bell {
    _Atomic uint32_t rings; /* Futex. */
    _Atomic uint32_t sleepers;
};

/*
 * Writers queue; who finds no leader leads: takes the queue (the group), proposes, drives the log
 * until all of it is durable, applies, publishes, wakes the group with one futex and, if others
 * queue by then, one of them to lead. There is no log thread: a hand-off costs more than the write.
 */
struct embed_commit {
    struct mutex lock;
    struct embed_waiter *first; /* lock; waiting for a leader */
    struct embed_waiter *last;  /* lock */
    _Atomic uint32_t waiting;   /* Stored under lock: how many wait for a leader. */
    bool has_leader;            /* lock */
    bool is_watched;            /* lock: the background will look when the log may be idle. */
    uint32_t round;             /* lock: groups taken; the parity of who queues. */
    struct embed_bell bells[2]; /* Of even and odd groups. */
    bool is_durable;            /* Constant. */
    /* The leader's. */
    struct embed_crowd crowd;
    struct io_ring *ring;
    struct txn_log_proposer log;
    struct txn_pipeline pipeline;
};

/*
 * The numbers that may be used, a bit each: set when a keyspace is there, cleared before it goes.
 * Numbers are given in rising order and only once.
 */
struct embed_keyspaces {
    _Atomic uint64_t words[LSM_KEYSPACE_MAX / 64 + 1];
    _Atomic uint32_t end; /* Above every number that was given. */
};

struct varve {
    struct env env;
    struct budget budget;
    struct io *io;
    const char *io_why;
    struct cache *cache;
    struct lsm *lsm;
    struct varve_options options;
    struct embed_commit commit;
    struct embed_keyspaces keyspaces;
    struct mutex lock; /* RANK_EMBED */
    struct embed_slot slots[EMBED_SLOTS];
    struct embed_slot *more_slots; /* lock */
    _Atomic uint32_t held;         /* Iterators, snapshots, pinned values. */
    _Atomic bool is_open;
    struct thread *background;
    struct io_ring *background_ring;
    _Atomic bool is_stopping;
    _Atomic uint32_t progress; /* Futex: changes when the background has done something. */
};

struct varve_snapshot {
    struct varve *store; /* It is of. */
    struct lsm_snapshot *snapshot;
};

struct varve_batch {
    struct varve *store;
    struct txn_proposal proposal;
    struct buf keyspaces; /* varve_keyspace: those it writes to, no two neighbours alike. */
};

/* ---- Errors ------------------------------------------------------------------------------- */

/* The code for a status, with words: those in detail if there are any, else the status' text; what
 * was tried before them (NULL: detail says it). */
enum varve_code embed_error(struct varve_error *error, struct status s, const char *what,
                            const char *detail);
/* For keys: it is no failure, and many ask for many that are not there. */
void embed_not_found(struct varve_error *error);
enum varve_code embed_invalid(struct varve_error *error, const char *text);
/* VARVE_OK if store is a handle of an open store. */
enum varve_code embed_check(const struct varve *store, struct varve_error *error);
enum varve_code embed_check_key(const void *key, size_t size, struct varve_error *error);
/* VARVE_OK if snapshot is NULL or of this store. */
enum varve_code embed_check_snapshot(const struct varve *store,
                                     const struct varve_snapshot *snapshot,
                                     struct varve_error *error);
/* VARVE_OK if the keyspace is there; with a snapshot, if it was there once: the snapshot may be
 * older than the drop. */
enum varve_code embed_check_keyspace(const struct varve *store, varve_keyspace keyspace,
                                     const struct varve_snapshot *snapshot,
                                     struct varve_error *error);
/* Why the store does not write: for the error of a write that was refused. */
const char *embed_failure(const struct varve *v);

/* ---- Keyspaces ---------------------------------------------------------------------------- */

/* Those the open store has. */
void embed_keyspaces_init(struct varve *v);

/* ---- Slots -------------------------------------------------------------------------------- */

MUST_CHECK struct status embed_slot_take(struct varve *v, struct embed_slot **out_slot);
void embed_slot_give(struct embed_slot *slot);
/* Frees all slots. Requires: none is taken. */
void embed_slots_deinit(struct varve *v);

/* ---- Committing --------------------------------------------------------------------------- */

MUST_CHECK struct status embed_commit_init(struct varve *v);
void embed_commit_deinit(struct varve *v);
/* Make the proposal's batch durable, applied and visible. */
MUST_CHECK struct status embed_commit(struct varve *v, struct txn_proposal *p, bool is_delete_only);
/* Freeze the memtable, with the log's segment ended. */
MUST_CHECK struct status embed_freeze(struct varve *v, uint64_t *out_ticket);
/* For the background: write the idle seal if it is due and nobody leads. Returns when to look again
 * (monotonic ns); UINT64_MAX: a leader wakes it when there is something to look for. */
uint64_t embed_commit_idle(struct varve *v, uint64_t now_ns);

#endif
