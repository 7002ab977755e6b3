/*
 * lsm -- the tree of a store: what every key's value is, at every version still asked for.
 *
 * A store is one directory: a log (vlog/), a tree (memtables in memory, tables on disk in levels
 * L0-L6), a manifest that names what is live, a lock. The tree never writes the log: somebody else
 * makes a batch durable and then hands it to lsm_apply with the handles of its separated values
 * (txn/commit). Opening replays what the log holds beyond the manifest.
 *
 *   1. The version is the commit timestamp. Versions are applied in rising order. A read at X sees,
 *      of each key, the newest version <= X, and nothing newer.
 *   2. A batch is visible entirely or not at all: readers without a version of their own read at
 *      lsm_visible(), which lsm_publish moves past whole batches only.
 *   3. What a manifest edit names is durable before the edit is; what it drops is unlinked after.
 *   4. Handles never change. A value file's live bytes are exactly those its tables' liveness
 *      blocks say; a file is dropped when no version and no memtable can lead to it.
 *   5. Compaction keeps, of each key, the newest version at or below the floor and all above it,
 *      and drops a tombstone only when nothing older can lie below (lsm/drop.h has the proof).
 *      The floor is the least of: visible, every snapshot, every iterator, every pin.
 *   6. A log entry leaves the log only when its memtable is flushed, named by a durable manifest
 *      edit together with the applied index, and no reader holds the memtable.
 *   7. After a failed write or sync of log or manifest the store is poisoned: it reads, and
 *      refuses to write, flush or edit until reopened.
 *
 * Threads: apply, freeze, publish: one thread at a time, the one that drives the log's writer.
 * lsm_work_step: one thread at a time, any. Everything else: any thread. Nothing here starts a
 * thread, sleeps or reads a clock.
 * Formats: docs/format/manifest.md, docs/format/sst.md, docs/format/batch.md.
 */
#ifndef VARVE_LSM_LSM_H
#define VARVE_LSM_LSM_H

#include "base/buf.h"
#include "base/env.h"
#include "base/errbuf.h"
#include "base/io.h"

#include "cache/fetch.h"

#include "lsm/entry.h"

#include "vlog/vlog.h"

struct cache;
struct lsm;
struct lsm_file;

enum {
    LSM_LEVELS = 7,
    LSM_GROUP_DATA = 1,
    LSM_KEYSPACE_NAME_MAX = 255,
    LSM_BATCH_RANGES_MAX = 1 << 16, /* Range deletes in a batch. */
};

/* ---- Batches: what is applied together ---------------------------------------------------- */

/*
 * A batch being built, and the body of a log entry once sealed. Operations are encoded as they are
 * added; values from separation_min up are kept apart for the log to place. Sealing normalises:
 * the last operation on a key wins, points under a later range delete of the batch go.
 * Threads: one owner.
 */
struct lsm_batch {
    struct buf body;
    struct buf values; /* Separated values, one after another (copies). */
    struct buf spans;  /* struct bytes-sized spans into values, for vlog_entry.values. */
    uint32_t separation_min;
    uint32_t op_count;
    uint32_t value_count;
    uint32_t range_count;
    uint32_t put_count;
    size_t key_value_bytes; /* What a memtable will need. */
    bool is_distinct;       /* No operation overwrites another: its owner says so. */
    bool is_sealed;
};

/* size_max bounds body and values together; operations that would pass it answer ST_LIMIT. */
void lsm_batch_init(struct lsm_batch *b, struct alloc *a, uint32_t separation_min, size_t size_max);
void lsm_batch_deinit(struct lsm_batch *b);
void lsm_batch_reset(struct lsm_batch *b);

struct lsm_put {
    uint32_t keyspace;
    struct bytes key;
    struct bytes value;
    uint8_t type;
    uint64_t expire_ms;
};
/* All bytes are copied. ST_LIMIT: key longer than LSM_USER_KEY_MAX, keyspace out of range, batch
 * full, too many range deletes; ST_NO_MEMORY. Nothing is added then. */
MUST_CHECK struct status lsm_batch_put(struct lsm_batch *b, const struct lsm_put *p);
MUST_CHECK struct status lsm_batch_delete(struct lsm_batch *b, uint32_t keyspace, struct bytes key);
/* Hides [begin, end) of the keyspace. An empty or inverted range is nothing. */
MUST_CHECK struct status lsm_batch_delete_range(struct lsm_batch *b, uint32_t keyspace,
                                                struct bytes begin, struct bytes end);
/* Hides all of the keyspace. */
MUST_CHECK struct status lsm_batch_delete_keyspace(struct lsm_batch *b, uint32_t keyspace);
/* Opaque bytes for the owner of the sidecar, given to on_side when the batch is applied or
 * replayed, in order. */
MUST_CHECK struct status lsm_batch_side(struct lsm_batch *b, struct bytes side);

/* Bytes of body and values so far. */
size_t lsm_batch_size(const struct lsm_batch *b);
/* Where the batch is now, to come back to when a later operation fails. Unsealed batches. */
struct lsm_batch_mark {
    size_t body_size;
    size_t values_size;
    size_t spans_size;
    size_t key_value_bytes;
    uint32_t op_count;
    uint32_t value_count;
    uint32_t range_count;
    uint32_t put_count;
};
struct lsm_batch_mark lsm_batch_mark(const struct lsm_batch *b);
void lsm_batch_take_back(struct lsm_batch *b, struct lsm_batch_mark m);

/* The caller has seen to it that no key occurs twice and no point lies in a range delete after it:
 * sealing need not look. Until the next operation. */
void lsm_batch_declare_distinct(struct lsm_batch *b);
/* Normalise; give the batch its one version. The batch is read-only afterwards, but may be given a
 * later version by another call. */
MUST_CHECK struct status lsm_batch_seal(struct lsm_batch *b, uint64_t version);
uint64_t lsm_batch_version(const struct lsm_batch *b);
/* Undo the seal of a batch that was not proposed: operations may be added again. */
void lsm_batch_unseal(struct lsm_batch *b);
bool lsm_batch_is_empty(const struct lsm_batch *b);
/* Nothing but deletes: what a full disk still takes. */
bool lsm_batch_is_delete_only(const struct lsm_batch *b);
/* The log entry of a sealed batch. Borrowed from it. */
struct bytes lsm_batch_body(const struct lsm_batch *b);
const struct bytes *lsm_batch_values(const struct lsm_batch *b);

/* ---- Life --------------------------------------------------------------------------------- */

struct lsm_options {
    struct vlog_options log;
    uint64_t write_buffer_size;   /* A memtable is frozen at this many bytes. 0: 64 MiB. */
    uint32_t write_buffer_count;  /* Memtables at most, the open one included. 0: 3. */
    uint64_t log_size_max;        /* ... or when the log it pins reaches this. 0: 512 MiB. */
    uint32_t separation_min;      /* Values from this size live apart. 0: 2048. UINT32_MAX: never.
                                     512 at least. */
    uint32_t block_size;          /* 0: 4096. */
    uint32_t filter_bits;         /* Bloom bits a key. 0: 10. */
    uint64_t table_size;          /* Target of a table in L1 and below. 0: 64 MiB. 2 GiB at most. */
    uint64_t level_base_size;     /* Target of the first level below L0. 0: 256 MiB. */
    uint32_t level_fanout;        /* 0: 10. */
    uint32_t l0_compact;          /* Files in L0 that start a compaction. 0: 4. */
    uint32_t l0_slow;             /* ... that begin to delay writers. 0: 20. */
    uint32_t l0_stop;             /* ... beyond which writers wait. 0: 36. */
    double space_amp_target;      /* The one knob of value rewriting. 0: 1.25. */
    uint64_t manifest_slack;      /* Bytes beyond four times what its edits add up to at which a
                                     manifest is begun anew. 0: 1 MiB. */
    uint64_t reserve_size;        /* Reserve file for ENOSPC. 0: 4 MiB. UINT64_MAX: none. */
    uint32_t job_quantum_entries; /* Entries a lsm_work_step merges at most. 0: 2048. */
};

/* Who keeps state beside the tree (database table, counters ...): fed by apply and replay, saved
 * with each flush, given back at open before the replay. */
struct lsm_sidecar {
    void *context;
    /* Saved bytes of the last flush; size 0 for a new store. Before any on_side. */
    struct status (*load)(void *context, struct bytes saved);
    /* One lsm_batch_side of a batch being applied at version. Cannot fail: it was evaluated. */
    void (*on_side)(void *context, uint64_t version, struct bytes side);
    /* The state as of what is applied now (a memtable is being frozen). */
    struct status (*save)(void *context, struct buf *out);
};

struct lsm_config {
    const struct env *env; /* Borrowed for life. */
    struct cache *cache;   /* Borrowed for life. */
    const char *dir;       /* Copied. The store's directory. */
    struct lsm_options options;
    const struct lsm_sidecar *sidecar; /* Copied; NULL: none. */
    bool create_if_missing;
    bool error_if_exists;
    const uint8_t *uuid; /* 16 bytes, of a store that is created; NULL: random. Borrowed. */
    struct errbuf *err;  /* Words for a failed open. */
};

/*
 * Open or create the store in dir: take its lock, read the manifest, open the log and replay it.
 * Reads no table. Removes files that no manifest names.
 * Returns OK; BUSY (err names the holder); NOT_FOUND (no store and not create_if_missing); INVALID
 * (not a store, a bad option); UNSUPPORTED (newer format); CORRUPT; IO; NO_SPACE; NO_MEMORY.
 * Nothing in dir is changed unless it answers OK or dir was an empty directory.
 */
MUST_CHECK struct status lsm_open(const struct lsm_config *config, struct io_ring *ring,
                                  struct lsm **out_lsm);
/* Unflushed memtables stay in the log. Takes NULL. Requires: no reader, iterator, snapshot or
 * work step under way. */
void lsm_close(struct lsm *l, struct io_ring *ring);

struct vlog *lsm_log(struct lsm *l);
const struct lsm_options *lsm_options(const struct lsm *l); /* With the defaults filled in. */
/* Why the store refuses to write; NULL while it is healthy. Any thread; borrowed for its life. */
const char *lsm_failure(const struct lsm *l);

/* ---- Writing: the log writer's thread ----------------------------------------------------- */

/* Index and term of the last entry applied (or replayed) for a group. */
struct lsm_applied {
    uint64_t index;
    uint64_t term;
};
struct lsm_applied lsm_applied(const struct lsm *l, uint32_t group);

/*
 * May a batch of this size be proposed now? OK; NO_SPACE (disk full: only deletes are admitted,
 * is_delete_only); FAILED (poisoned); AGAIN: too many memtables, L0 files or log bytes wait for the
 * background, ask again later. *out_delay_ns (always set) is how long the writer should be slowed
 * for this batch: proportional to a smooth debt, 0 in the normal case. Any thread.
 */
MUST_CHECK struct status lsm_admit(struct lsm *l, size_t batch_bytes, bool is_delete_only,
                                   uint64_t *out_delay_ns);

/* The log found no space for an entry: only deletes are admitted from now on, and the background
 * gives up the reserve, half for them and half for its own work, until it fits again. Any thread.
 */
void lsm_note_full(struct lsm *l);

/*
 * Apply a committed entry: insert into the memtable, feed the sidecar, and freeze the memtable
 * when it is full. body is a sealed batch's; handles are those the log gave its values.
 * Total: after durability there is no way back, so memory is taken past the budget if it must be.
 * A failure to allocate at all poisons the store and is the only failure.
 */
struct lsm_apply {
    uint32_t group;
    uint64_t term;
    uint64_t index;
    uint64_t lsn;
    struct bytes body;
    const struct vlog_handle *handles;
    uint64_t value_bytes; /* Of the separated values. */
};
MUST_CHECK struct status lsm_apply(struct lsm *l, const struct lsm_apply *a);

/* Versions up to this one are visible from now on. Rising. */
void lsm_publish(struct lsm *l, uint64_t version);
uint64_t lsm_visible(const struct lsm *l); /* Any thread. */

/* Freeze the open memtable if it holds anything; *out_ticket is what lsm_flushed must reach. The
 * caller goes on driving the log's writer until it is idle (its segment ends here). BUSY: too many
 * wait for their flush; FAILED: poisoned. Requires: all entries of the last log batch are
 * applied. */
MUST_CHECK struct status lsm_freeze(struct lsm *l, uint64_t *out_ticket);

/* Now and then, where lsm_freeze may be called: while the disk is full, freeze the open memtable
 * when no other waits, as only a flush lets go of the log it pins. True: it did, and the log's
 * writer is to be driven as after lsm_freeze. */
bool lsm_relieve(struct lsm *l);

/* Clock high-water mark and ids: numbers below the mark may have been used. Persisted (a manifest
 * edit, blocking) when it grows. Background or writer thread; internally serialised. */
uint64_t lsm_clock_mark(struct lsm *l);
MUST_CHECK struct status lsm_raise_clock_mark(struct lsm *l, struct io_ring *ring, uint64_t mark);

/* ---- Reading: any thread ------------------------------------------------------------------ */

/*
 * A trail: where a get that found its data block missing had come to (read.c). Runs of a command
 * are a thousand others apart, and what the first looked at on the way to the block is far again.
 * While nothing more has become visible it leads past the memtables, too.
 */
enum { LSM_TRAILS = 16, LSM_TRAIL_KEY_MAX = 40 };
struct lsm_trail {
    uint64_t state; /* The number of the state it leads through. */
    uint64_t at;    /* What was visible. */
    uint64_t hash;  /* Of the key. */
    struct lsm_file *file;
    uint64_t offset; /* Of the block. */
    uint32_t size;
    uint32_t key_size;
    uint8_t key[LSM_TRAIL_KEY_MAX];
};

/*
 * A reader: one thread's (or command's) place to stand while it looks at the tree. Values it
 * returns are borrowed until lsm_reader_reset. Holds an epoch between its first read and the
 * reset: keep that short; what must live longer takes an iterator, a snapshot, or a copy.
 */
struct lsm_reader {
    struct lsm *lsm;
    struct fetch fetch;
    struct epoch_slot *slot;
    const struct lsm_state *state;
    struct lsm_trail *trails; /* NULL, or LSM_TRAILS of them: its owner sets it. */
    uint32_t trail_count;     /* Since the reset. */
    uint32_t hint;
};
/* ring NULL: non-blocking, answers ST_AGAIN with wants in r->fetch. hint: a small number that is
 * the thread's own. */
void lsm_reader_init(struct lsm_reader *r, struct lsm *l, struct io_ring *ring, uint32_t hint);
void lsm_reader_reset(struct lsm_reader *r);
/* Leave the epoch, keep what the fetch has pinned: values that are not is_in_memtable stay good. */
void lsm_reader_leave(struct lsm_reader *r);
void lsm_reader_deinit(struct lsm_reader *r);

struct lsm_value {
    struct bytes value; /* Borrowed; empty with LSM_READ_META for separated values. */
    uint64_t size;      /* Of the value, also when it was not read. */
    uint64_t version;
    uint64_t expire_ms;
    uint8_t type;
    bool is_delete;      /* With LSM_READ_DELETES only. */
    bool is_in_memtable; /* value lies in a memtable: kept by the reader's epoch, not by its fetch.
                          */
};
enum lsm_read_flags {
    LSM_READ_META = 1,    /* Everything but the bytes of a separated value. */
    LSM_READ_DELETES = 2, /* A delete is an answer, with its version, not NOT_FOUND. */
};
/* The newest version <= at (UINT64_MAX: the visible one) of a key. OK; NOT_FOUND; AGAIN; CORRUPT
 * and IO with words in r->fetch.err. A version of its own must be held by a snapshot. */
MUST_CHECK struct status lsm_get(struct lsm_reader *r, uint32_t keyspace, struct bytes key,
                                 uint64_t at, unsigned flags, struct lsm_value *out);

/* Several keys at once: their device reads are submitted together. out_status[i] is as lsm_get's;
 * the call's own status is AGAIN while any is, else OK. */
struct lsm_multi_get {
    const struct bytes *keys;
    size_t count;
    uint32_t keyspace;
    uint64_t at;
    unsigned flags;
};
MUST_CHECK struct status lsm_multi_get(struct lsm_reader *r, const struct lsm_multi_get *m,
                                       struct status *out_status, struct lsm_value *out_values);

/* A version that compaction will keep. Freed with lsm_snapshot_release. */
struct lsm_snapshot;
MUST_CHECK struct status lsm_snapshot_take(struct lsm *l, struct lsm_snapshot **out_snapshot);
/* At a version not newer than visible and not older than the floor. ST_INVALID otherwise. */
MUST_CHECK struct status lsm_snapshot_take_at(struct lsm *l, uint64_t version,
                                              struct lsm_snapshot **out_snapshot);
uint64_t lsm_snapshot_version(const struct lsm_snapshot *s);
void lsm_snapshot_release(struct lsm *l, struct lsm_snapshot *s); /* Takes NULL. */

/*
 * A cursor over the user's view: of each key the newest version <= at, deletes and range deletes
 * applied; both directions; within [lower, upper). Holds counted references on what it reads.
 * ST_AGAIN (non-blocking): see lsm_cursor_fetch; call the same move again.
 * After a move that answered OK: valid, or at the end.
 */
struct lsm_cursor;
struct lsm_cursor_options {
    uint32_t keyspace;
    struct bytes lower;   /* Copied. Size 0: from the keyspace's begin. */
    struct bytes upper;   /* Copied. Size 0: to its end. Not included. */
    uint64_t at;          /* UINT64_MAX: visible now. */
    bool keys_only;       /* Separated values are not read. */
    struct io_ring *ring; /* NULL: non-blocking. */
};
MUST_CHECK struct status lsm_cursor_open(struct lsm *l, const struct lsm_cursor_options *options,
                                         struct lsm_cursor **out_cursor);
void lsm_cursor_close(struct lsm_cursor *c); /* Takes NULL. */
MUST_CHECK struct status lsm_cursor_seek(struct lsm_cursor *c, struct bytes key);
/* To the last key <= key. */
MUST_CHECK struct status lsm_cursor_seek_for_prev(struct lsm_cursor *c, struct bytes key);
MUST_CHECK struct status lsm_cursor_first(struct lsm_cursor *c);
MUST_CHECK struct status lsm_cursor_last(struct lsm_cursor *c);
MUST_CHECK struct status lsm_cursor_next(struct lsm_cursor *c); /* Requires: valid. */
MUST_CHECK struct status lsm_cursor_prev(struct lsm_cursor *c); /* Requires: valid. */
bool lsm_cursor_is_valid(const struct lsm_cursor *c);
/* Requires: valid. Borrowed until the next move. The key is without its keyspace. */
struct bytes lsm_cursor_key(const struct lsm_cursor *c);
/* Without the bytes of a separated value. */
void lsm_cursor_meta(const struct lsm_cursor *c, struct lsm_value *out);
/* With them; may read the device: OK, AGAIN, CORRUPT, IO. */
MUST_CHECK struct status lsm_cursor_value(struct lsm_cursor *c, struct lsm_value *out);
struct fetch *lsm_cursor_fetch(struct lsm_cursor *c);

/* ---- Background --------------------------------------------------------------------------- */

enum lsm_step {
    LSM_IDLE,   /* Nothing to do. */
    LSM_AGAIN,  /* A quantum was done; there is more. */
    LSM_BROKEN, /* Poisoned or out of space: lsm_failure or lsm_stats say why; more comes when the
                   cause is gone (ask again later). */
};
/*
 * Do one quantum (1-2 ms) of the most urgent work: flush, L0, space-critical rewrite, levels,
 * ratio rewrite; the log's own preparation before all. Blocks on ring for its own I/O.
 */
enum lsm_step lsm_work_step(struct lsm *l, struct io_ring *ring, uint64_t now_ns);
/* Called, from any thread, when there is something new to do: wakes the background driver. */
void lsm_on_work(struct lsm *l, void (*wake)(void *context), void *context);

/* All memtables frozen at or before this ticket are flushed. Any thread. */
uint64_t lsm_flushed(const struct lsm *l);

/* Ask for a range to be compacted to the bottom (size 0: unbounded). Done when lsm_compacted
 * reaches the ticket. Any thread. */
MUST_CHECK struct status lsm_compact(struct lsm *l, uint32_t keyspace, struct bytes begin,
                                     struct bytes end, uint64_t *out_ticket);
uint64_t lsm_compacted(const struct lsm *l);
/* Is there no flush, compaction or rewrite due or under way? Any thread. */
bool lsm_is_settled(struct lsm *l);

/*
 * A consistent copy of the store in target (must not exist): hard links of tables and value files,
 * a manifest of its own, written last, directories synced. Requires: everything is flushed (freeze
 * and wait first); what is applied later is not in it. Background thread.
 */
MUST_CHECK struct status lsm_checkpoint(struct lsm *l, struct io_ring *ring, const char *target,
                                        struct errbuf *err);

/* Read every table and value file and prove formats, order, liveness and live bytes (invariant 4).
 * Background thread. */
MUST_CHECK struct status lsm_verify(struct lsm *l, struct io_ring *ring, struct errbuf *err);

/* ---- Keyspaces ---------------------------------------------------------------------------- */

/* Names of keyspaces, kept in the manifest; id 0 is "default" and always there. Ids are never
 * reused. Blocking (manifest edits). Any thread. BUSY: the name is taken. */
MUST_CHECK struct status lsm_keyspace_create(struct lsm *l, struct io_ring *ring, const char *name,
                                             uint32_t *out_id);
MUST_CHECK struct status lsm_keyspace_find(struct lsm *l, const char *name, uint32_t *out_id);
/* Forgets the name; the caller has deleted the keys, or nobody will find them. */
MUST_CHECK struct status lsm_keyspace_drop(struct lsm *l, struct io_ring *ring, const char *name);
void lsm_keyspace_list(struct lsm *l, void (*visit)(void *context, const char *name, uint32_t id),
                       void *context);

/* ---- Numbers ------------------------------------------------------------------------------ */

struct lsm_level_stats {
    uint64_t files;
    uint64_t bytes;
};
struct lsm_stats {
    struct lsm_level_stats levels[LSM_LEVELS];
    uint64_t memtable_bytes;
    uint64_t memtables;
    uint64_t entries_applied;
    uint64_t user_bytes; /* Keys and values applied. */
    uint64_t flushes;
    uint64_t flush_bytes;
    uint64_t compactions;
    uint64_t trivial_moves;
    uint64_t compact_read_bytes;
    uint64_t compact_written_bytes;
    uint64_t rewrites;
    uint64_t rewrite_written_bytes;
    uint64_t value_files;
    uint64_t value_file_bytes;
    uint64_t value_live_bytes;
    uint64_t segments_adopted;
    uint64_t manifest_edits;
    uint64_t manifest_bytes;
    uint64_t stalled_ns;      /* Delay asked of writers so far. */
    const char *stall_reason; /* NULL when there is none now. */
    uint64_t snapshots;
    uint64_t floor;
    uint64_t live_data_bytes; /* Tables and live values: the denominator of space amplification. */
    uint64_t disk_bytes;
};
void lsm_stats(struct lsm *l, struct lsm_stats *out);

#endif
