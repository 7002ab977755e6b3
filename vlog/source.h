/*
 * source -- a file that values are read from, and the table that finds it. Private to vlog/.
 *
 * One source for each physical file with values: segments (log or adopted) and value files. The
 * table maps a handle's logical id to the source in force. Readers look it up inside an epoch and
 * take no lock; a read that outlives the lookup holds a counted reference (fetch_request.hold).
 *
 *   1. A source found inside an epoch is not freed before that epoch is left.
 *   2. Its file is open while a reference is held that saw it open.
 *   3. A doomed source's file is unlinked when the last reference has gone, not before.
 *
 * Threads: find, hold, drop, open: any. Put, take and reap: the table's lock is taken inside; reap
 * by the background thread.
 */
#ifndef VARVE_VLOG_SOURCE_H
#define VARVE_VLOG_SOURCE_H

#include "base/env.h"
#include "base/epoch.h"
#include "base/thread.h"

#include "vlog/format.h"

struct cache;
struct vlog_map;
struct vlog_sources;

struct vlog_source {
    struct vlog_sources *table; /* Constant, and so to the blank line. */
    uint64_t logical;
    uint64_t physical;
    bool is_segment;
    uint64_t end;         /* No value reaches beyond it: bounds what a bad handle can ask for. */
    uint32_t ordinal_end; /* Likewise; UINT32_MAX while it grows. */

    struct vlog_file info; /* Of a value file; of a segment, background, once it is adopted. */

    _Atomic uint32_t refs;          /* shared: the table's, and one for each read under way. */
    _Atomic bool is_doomed;         /* shared: set before the table's reference goes. */
    _Atomic bool was_read;          /* shared: blocks of it may be in the cache. */
    _Atomic(struct io_file *) file; /* shared: NULL until the first read; published by release. */
    struct epoch_garbage garbage;   /* lock */
    struct vlog_source *next_dead;  /* Of the list it is pushed on with its last reference. */
};

struct vlog_sources {
    const struct env *env;
    struct cache *cache;                /* Entries of unlinked files are dropped from it. */
    const char *dir;                    /* Borrowed for life. */
    unsigned read_flags;                /* To open files with. */
    struct mutex lock;                  /* RANK_VLOG: serialises changes of the map, and opens. */
    struct epoch *epoch;                /* Entered by readers; retire and collect under the lock. */
    _Atomic(struct vlog_map *) map;     /* shared: published by release; changed under the lock. */
    _Atomic(struct vlog_source *) dead; /* shared: stack of sources without references. */
    _Atomic uint64_t device_reads;      /* shared */
    void (*wake)(void *context); /* Called when there is something to reap. Set before threads. */
    void *wake_context;
};

MUST_CHECK struct status vlog_sources_init(struct vlog_sources *t, const struct env *env,
                                           struct cache *cache, const char *dir, bool is_direct);
/* Requires: no reader. Closes all files; unlinks the doomed ones. */
void vlog_sources_deinit(struct vlog_sources *t);

/* Put a source for info->logical, reading up to end; the one it replaces, if any, is doomed. */
MUST_CHECK struct status vlog_sources_put(struct vlog_sources *t, const struct vlog_file *info,
                                          uint64_t end);
/* The same for a file that the manifest describes. INVALID: it cannot be as described. */
MUST_CHECK struct status vlog_sources_put_file(struct vlog_sources *t, const struct vlog_file *f);
/* Forget logical; unlink its file when nobody reads it any more if is_doomed. Nothing happens if
 * it is not there. */
void vlog_sources_take(struct vlog_sources *t, uint64_t logical, bool is_doomed);
/* The source in force, or NULL. Borrowed: from the caller's epoch, or from its being the one
 * thread that takes and replaces. */
struct vlog_source *vlog_sources_find(struct vlog_sources *t, uint64_t logical);
/* Close, and unlink if doomed, some files that nobody refers to any more. False if there are none.
 */
bool vlog_sources_reap(struct vlog_sources *t);

/* hold and drop of fetch_request; context is the source. hold counts a device read. A drop wakes
 * nobody (it may come from inside the cache): what became dead by it is reaped with the next work.
 */
void vlog_source_hold(void *source);
void vlog_source_drop(void *source);
/* The file, opened by the first who asks. Borrowed from the source. */
MUST_CHECK struct status vlog_source_open(struct vlog_source *s, struct errbuf *err,
                                          struct io_file **out_file);

/* Where the directory of a value file or adopted segment begins. */
static inline uint64_t vlog_source_directory(const struct vlog_source *s)
{
    return s->info.size_bytes - vlog_end_size(s->info.ordinal_end);
}

/* For qsort of ids. */
int vlog_compare_ids(const void *a, const void *b);

/* dir/name. LIMIT if it is too long. */
MUST_CHECK struct status vlog_path(const char *dir, uint64_t id, enum vlog_kind kind,
                                   char out_path[static IO_PATH_MAX]);

#endif
