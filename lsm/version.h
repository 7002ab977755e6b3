/*
 * version -- which tables and value files make up the tree, and how one set becomes the next.
 * Private to lsm/.
 *
 * A version is immutable: levels of files, and the value files their handles lead to with what is
 * live in each. An edit, durable in the manifest, makes the next version out of one.
 *
 *   1. Files of L1 and below are sorted by smallest key and do not overlap. L0 is newest first.
 *   2. A value file's live numbers are the sums over all tables' references to it.
 *   3. A value file without live values is not in a version, unless it is a segment that is still
 *      log (logical >= log_start): an unflushed memtable may lead to it.
 *   4. A file is held by every version that names it; the last one out hands it to the reaper.
 *
 * Threads: a built version any; counts are atomic. Building under the tree's mutex.
 */
#ifndef VARVE_LSM_VERSION_H
#define VARVE_LSM_VERSION_H

#include "lsm/lsm.h"
#include "lsm/table.h"

#include <stdatomic.h>

/* A table as versions hold it. */
struct lsm_file {
    struct lsm_table_meta meta; /* Owned. */
    struct lsm_table *table;    /* Open while the file lives. */
    _Atomic uint32_t refs;
    struct lsm_reaper *reaper;
    struct lsm_file *next_dead;
    _Atomic bool is_busy; /* Input of a running job. */
    bool is_obsolete;     /* Dropped by a durable edit: unlink when the last version lets go. */
};

/* A value file as versions hold it, whatever its generation. */
struct lsm_value_hold {
    uint64_t logical;
    _Atomic uint32_t refs;
    struct lsm_reaper *reaper;
    struct lsm_value_hold *next_dead;
    bool was_current; /* A version with it was in force: when nobody holds the file any more, it
                         goes. The end of a version that never was says nothing about the file. */
};

/* What nobody holds any more, waiting for the background to close, unlink and free it. */
struct lsm_reaper {
    struct alloc *alloc;
    _Atomic(struct lsm_file *) dead_files;
    _Atomic(struct lsm_value_hold *) dead_values;
};
void lsm_file_unref(struct lsm_file *f);

struct lsm_value_file {
    struct vlog_file file;
    struct lsm_value_hold *hold;
    uint64_t live_values;
    uint64_t live_bytes;
};

/* What a search of a level touches, side by side: files[i] is fences[i].file. */
struct lsm_fence {
    uint64_t head; /* First 8 bytes of the file's largest key, big-endian value, zero-padded. */
    struct lsm_file *file;
};

struct lsm_level {
    struct lsm_fence *fences; /* L0: newest first; others: by smallest key. */
    uint32_t count;
    uint64_t bytes;
    uint64_t range_deletes; /* In all its files. */
};

struct lsm_version {
    _Atomic uint32_t refs;
    struct lsm_reaper *reaper;
    struct alloc *alloc;
    struct lsm_level levels[LSM_LEVELS];
    struct lsm_value_file *value_files; /* By logical id. */
    uint32_t value_file_count;
    uint64_t log_start; /* Segments from this one on may hold entries that are not flushed. */
    bool is_log_fresh;  /* A copy that nothing was flushed into yet: its log may not exist. */
};

/* ---- Edits -------------------------------------------------------------------------------- */

enum { LSM_GROUPS_MAX = 64 };

struct lsm_edit_table {
    uint32_t level;
    struct lsm_file *file; /* Added: a reference is held by the edit. */
    uint64_t id;
};
struct lsm_edit_group {
    uint32_t group;
    uint64_t index;
    uint64_t term;
};
struct lsm_edit_keyspace {
    uint32_t id;
    bool is_drop;
    struct bytes name; /* Borrowed from the maker, beyond the edit's life. */
};

/* What changes. Arrays are growable, owned by the edit. */
struct lsm_edit {
    struct alloc *alloc;
    struct lsm_edit_table *added;
    uint32_t added_count;
    struct lsm_edit_table *dropped;
    uint32_t dropped_count;
    struct vlog_file *value_files; /* Added, or replaced by a next generation. */
    uint32_t value_file_count;
    uint64_t *dropped_values; /* Logical ids. */
    uint32_t dropped_value_count;
    struct lsm_edit_group groups[LSM_GROUPS_MAX];
    uint32_t group_count;
    struct lsm_edit_keyspace *keyspaces;
    uint32_t keyspace_count;
    bool has_sidecar;
    struct bytes sidecar; /* Borrowed from the maker. */
    uint64_t next_id;     /* 0: unchanged; here and below. */
    uint64_t clock_mark;
    uint32_t next_keyspace;
    uint64_t log_start;
    uint64_t flushed_lsn;
    bool is_log_fresh; /* With log_start. */
};
void lsm_edit_init(struct lsm_edit *e, struct alloc *a);
void lsm_edit_deinit(struct lsm_edit *e); /* Lets go of added files. */
/* The edit was not committed: its new tables are to be unlinked when let go. */
void lsm_edit_mark_obsolete(struct lsm_edit *e);
/* Takes over the caller's reference to file, also on failure. */
MUST_CHECK struct status lsm_edit_add(struct lsm_edit *e, uint32_t level, struct lsm_file *file);
MUST_CHECK struct status lsm_edit_drop(struct lsm_edit *e, uint32_t level, uint64_t id);
MUST_CHECK struct status lsm_edit_value_file(struct lsm_edit *e, const struct vlog_file *file);
MUST_CHECK struct status lsm_edit_drop_value(struct lsm_edit *e, uint64_t logical);
MUST_CHECK struct status lsm_edit_keyspace(struct lsm_edit *e, uint32_t id, struct bytes name,
                                           bool is_drop);
/* Is this table among the added ones (it changes level)? */
bool lsm_edit_adds(const struct lsm_edit *e, uint64_t id);

/* ---- Versions ----------------------------------------------------------------------------- */

MUST_CHECK struct status lsm_version_create_empty(struct lsm_reaper *reaper,
                                                  struct lsm_version **out_version);
/* base + edit, with live numbers counted anew. Value files that came to have nothing live are left
 * out and added to edit's dropped ones, so that the manifest says the same. CORRUPT if the edit
 * drops what is not there, or files of a level overlap. */
MUST_CHECK struct status lsm_version_apply(const struct lsm_version *base, struct lsm_edit *edit,
                                           struct lsm_version **out_version);
/* v is in force from now on: see lsm_value_hold.was_current. */
void lsm_version_note_current(struct lsm_version *v);
void lsm_version_ref(struct lsm_version *v);
void lsm_version_unref(struct lsm_version *v);

/* The value file with this logical id, or NULL. */
const struct lsm_value_file *lsm_version_value_file(const struct lsm_version *v, uint64_t logical);

/* Index of the first file of level (>= 1) whose range reaches key or beyond; level count if none.
 */
uint32_t lsm_level_find(const struct lsm_level *level, struct bytes key);

/* Does the file's range meet [begin, end]? A size-0 begin or end is unbounded. */
bool lsm_file_overlaps(const struct lsm_file *f, struct bytes begin, struct bytes end);
/* Does key lie within the file's range? */
bool lsm_file_contains(const struct lsm_file *f, struct bytes key);
/* Prove 1-3. For tests and after edits in debug builds. */
void lsm_version_check_invariants(const struct lsm_version *v);

/* First 8 bytes of a key as a number that compares as they do. */
static inline uint64_t lsm_key_head(struct bytes key)
{
    uint8_t h[8] = { 0 };
    if (key.size > 0)
        memcpy(h, key.data, key.size < 8 ? key.size : 8);
    return get_u64_be(h);
}

#endif
