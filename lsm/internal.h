/*
 * internal -- the tree itself, for the files that make it up. Private to lsm/.
 *
 *   lsm.c         open and close, state swaps, failure, numbers
 *   write.c       apply, freeze, publish, admit, replay
 *   read.c        get, multi_get, snapshots
 *   cursor.c      the user's view, both ways
 *   edit.c        making an edit durable and installing it
 *   job.h         flush.c, compact.c, rewrite.c: work in steps; work.c: which is next
 *   picker.h      which compaction, as a pure function of the version
 *   checkpoint.c  consistent copies; verify.c: proof of what is on disk
 *
 * Locks: edit_lock (RANK_LSM) makes edits one at a time, held over the manifest's I/O; lock
 * (RANK_MANIFEST, the inner one) guards what is said below and is never held over I/O.
 */
#ifndef VARVE_LSM_INTERNAL_H
#define VARVE_LSM_INTERNAL_H

#include "base/epoch.h"
#include "base/thread.h"

#include "cache/cache.h"

#include "lsm/batch.h"
#include "lsm/job.h"
#include "lsm/manifest.h"
#include "lsm/picker.h"
#include "lsm/state.h"

struct lsm_snapshot {
    uint64_t version;
    struct lsm_snapshot *next; /* lock */
    struct lsm_snapshot *previous;
};

struct lsm_keyspace {
    char name[LSM_KEYSPACE_NAME_MAX + 1];
    uint32_t id;
};

struct lsm {
    const struct env *env;
    struct cache *cache;
    char dir[IO_PATH_MAX];
    struct lsm_options options; /* Defaults filled in. */
    struct lsm_sidecar sidecar;
    bool has_sidecar;
    uint8_t uuid[16];
    struct io_lock *lock_file;
    struct vlog *log;
    struct lsm_page_pool *pages;

    struct epoch epoch;
    _Atomic(struct lsm_state *) state; /* Swapped under lock; readers load it inside the epoch. */
    _Atomic uint64_t visible;
    _Atomic(const char *) failure; /* Set once; points into failure_text. */
    struct errbuf failure_text;

    /* Writer's thread. */
    struct lsm_edit_group applied[LSM_GROUPS_MAX];
    uint32_t applied_count;
    uint64_t last_version;
    uint64_t last_lsn;
    bool is_replaying;
    struct lsm_mem *open;     /* The open memtable: every current state holds it. */
    struct buf range_deletes; /* Of the batch being applied: struct lsm_range_delete each. */

    struct mutex edit_lock;
    struct lsm_manifest *manifest; /* edit_lock */

    struct mutex lock;
    struct lsm_snapshot snapshots;  /* lock; ring, rising versions not needed */
    uint64_t snapshot_count;        /* lock */
    struct lsm_source *sources;     /* lock; entries live as long as the tree */
    uint64_t next_id;               /* lock */
    uint64_t id_mark;               /* lock; ids below are persisted as used */
    struct lsm_keyspace *keyspaces; /* lock */
    uint32_t keyspace_count;
    uint32_t keyspace_capacity;
    uint32_t next_keyspace;
    uint64_t clock_mark;                                   /* lock */
    struct lsm_compact_request requests[LSM_REQUESTS_MAX]; /* lock; ring by ticket */
    uint64_t requested_ticket;
    uint64_t
        version_since; /* lock; who entered this epoch or a later one sees the current version */
    struct {           /* lock; what the manifest says of the log, for its next snapshot */
        uint64_t lsn;
        struct lsm_edit_group groups[LSM_GROUPS_MAX];
        uint32_t group_count;
        struct buf sidecar;
        bool has_sidecar;
    } flushed;
    void (*wake)(void *context); /* lock */
    void *wake_context;

    /* Background thread. */
    struct lsm_job *flush;                 /* Under way, or NULL; here and below. */
    struct lsm_job *compaction;            /* A compaction or a rewrite. */
    bool is_requested;                     /* The compaction serves a request. */
    struct vlog_segment_info adopted_tail; /* The adopted segment that reaches furthest. */
    struct lsm_value_hold *dying;          /* Dead, but a memtable may still lead to them. */
    struct lsm_reaper reaper;
    uint64_t space_retry_ns; /* After NO_SPACE: when to try again. */

    _Atomic uint32_t frozen_count; /* Of the current state. */
    _Atomic uint64_t frozen_ticket;
    _Atomic uint64_t flushed_ticket;
    _Atomic uint64_t compacted_ticket;
    _Atomic bool is_job_running;
    _Atomic bool is_out_of_space;
    _Atomic bool is_log_full;           /* The log asks for its share of the reserve. */
    bool has_reserve;                   /* The background's, as the next. */
    bool has_lent;                      /* The log has had its share. */
    _Atomic(const char *) stall_reason; /* Static text; NULL: none now. */

    struct lsm_counters {
        _Atomic uint64_t entries_applied;
        _Atomic uint64_t user_bytes;
        _Atomic uint64_t flushes;
        _Atomic uint64_t flush_bytes;
        _Atomic uint64_t compactions;
        _Atomic uint64_t trivial_moves;
        _Atomic uint64_t compact_read_bytes;
        _Atomic uint64_t compact_written_bytes;
        _Atomic uint64_t rewrites;
        _Atomic uint64_t rewrite_written_bytes;
        _Atomic uint64_t segments_adopted;
        _Atomic uint64_t manifest_edits;
        _Atomic uint64_t stalled_ns;
    } counters;
};

/* lsm.c */
/* Refuse all writing from now on. The first reason stays. */
__attribute__((format(printf, 2, 3))) void lsm_poison(struct lsm *l, const char *format, ...);
/* The current state with a count; lsm_state_unref. */
struct lsm_state *lsm_state_hold(struct lsm *l);
/* Put `next` in the place of the current state, which is retired. Takes over next. Under lock. */
void lsm_state_swap(struct lsm *l, struct lsm_state *next) REQUIRES(l->lock);
/* The least version any reader may still ask for. */
uint64_t lsm_floor(struct lsm *l);
struct status lsm_take_id(struct lsm *l, uint64_t *out_id);
void lsm_notify_work(struct lsm *l);
/* dir/name into out_path. */
struct status lsm_file_path(const struct lsm *l, const char *name, char *out_path);
/* A file object for a finished table: opens it. Takes over meta, also on failure. */
MUST_CHECK struct status lsm_file_create(struct lsm *l, struct lsm_table_meta *meta,
                                         struct lsm_file **out_file);

/* Persist a further block of ids when half of the last one is used. Background. */
MUST_CHECK struct status lsm_raise_id_mark(struct lsm *l, struct io_ring *ring);

/* keyspace.c */
/* May the edit's keyspaces be installed? BUSY: a name is taken, and would stay its holder's. Makes
 * room for them in both cases. */
MUST_CHECK struct status lsm_keyspaces_admit(struct lsm *l, const struct lsm_edit *edit)
    REQUIRES(l->lock);
/* The manifest says so now. Requires: admitted. */
void lsm_keyspaces_install(struct lsm *l, const struct lsm_edit *edit) REQUIRES(l->lock);

/* work.c */
/* Free what nobody holds any more; let go of log segments. Background, and close. */
void lsm_reap(struct lsm *l, struct io_ring *ring);
/* The same with nobody left: files stay, memory goes. */
void lsm_reap_at_close(struct lsm *l);
/* The reserve file, if it is wanted and not there. */
MUST_CHECK struct status lsm_reserve_create(struct lsm *l);
/* Give it up, if it is there. */
void lsm_reserve_give(struct lsm *l);
void lsm_request_deinit(struct lsm *l, struct lsm_compact_request *r);

/* write.c */
MUST_CHECK struct status lsm_replay_visit(void *context, const struct vlog_replayed *entry);
/* Note which log segments the memtable's handles lead to. */
MUST_CHECK struct status lsm_mem_pin_segments(struct lsm *l, struct lsm_mem *m);

/* read.c */
/* Enter the epoch and load the state, if r has not yet; NULL when all epoch slots are taken. */
const struct lsm_state *lsm_reader_enter(struct lsm_reader *r);
/* What the user gets of a put: *out, with the bytes of a separated value unless LSM_READ_META. */
MUST_CHECK struct status lsm_resolve(struct lsm *l, struct fetch *f, const struct lsm_entry *e,
                                     unsigned flags, struct lsm_value *out);

/* edit.c */
/*
 * Make the edit durable and install what it makes: the next version, and a state without the
 * `flushed` memtable (NULL: none). The directory is synced first if files were added. On NO_SPACE
 * and NO_MEMORY nothing happened; other failures have poisoned the tree.
 */
MUST_CHECK struct status lsm_edit_commit(struct lsm *l, struct io_ring *ring, struct lsm_edit *edit,
                                         struct lsm_mem *flushed);
/* The edit was not committed: its new files are unlinked, unless the tree is poisoned (then it may
 * be in force after all). lsm_edit_deinit is still due. */
void lsm_edit_discard(struct lsm *l, struct lsm_edit *edit);
/* Everything the manifest says now, as one edit. */
MUST_CHECK struct status lsm_edit_snapshot(struct lsm *l, struct lsm_edit *out_edit,
                                           struct buf *sidecar) REQUIRES(l->edit_lock);

#endif
