/*
 * pool -- the next segment, ready before it is needed, and files waiting for another life. Private
 * to vlog/.
 *
 * A segment is written fast when its blocks were written before (docs/decisions/vlog.md has the
 * figures), so in durable mode files are zero-filled once, in the background, and recycled for
 * ever. In relaxed mode a plain append to a fresh file is faster, and the pool stays empty.
 *
 * A file's life: created as <id>.free and space reserved -> zero-filled -> header of its new life
 * written and synced -> renamed <id>.log, directory synced -> used -> released -> renamed
 * <id>.free. So a name *.log always has a whole header; a crash between any two of these leaves a
 * pool file, an empty segment, or a released one under its old name, whose header may say that it
 * lives on under another. A file that is short was not filled to the end.
 *
 * Segments of a new store grow: 1 MiB, 2, 4 ... up to segment_size, so that a small store stays
 * small. A batch that no segment of segment_size holds gets one of its own size, inline and not
 * zero-filled: writing it twice would cost more than its first-use penalty.
 *
 * Whoever prepares holds the pool's lock, for about a millisecond; the writer asks for it only
 * when it rolls.
 */
#ifndef VARVE_VLOG_POOL_H
#define VARVE_VLOG_POOL_H

#include "base/io.h"
#include "base/thread.h"

#include "vlog/format.h"

#include <stdatomic.h>

struct vlog;
struct vlog_segment;

enum { VLOG_FIRST_SIZE = 1 << 20 };

struct vlog_free_file {
    uint64_t id;
    uint64_t size;   /* Reserved. */
    uint64_t filled; /* Written up to here; == size: ready for use. */
    bool has_lived;  /* Was a segment before. */
};

struct vlog_pool {
    struct mutex lock;         /* RANK_LOG_PREPARE: guards all but the counters. */
    struct vlog_segment *next; /* Ready: named, not used yet. */
    struct vlog_free_file files[VLOG_POOL_MAX + 1];
    size_t file_count;
    struct io_file *filling; /* Of the file being zero-filled, between steps. */
    uint64_t filling_id;
    uint8_t *block;    /* One block, to write headers from. */
    uint8_t *zeros;    /* To fill from; taken when first needed. */
    uint64_t retry_ns; /* After a failure: not before. */

    _Atomic uint64_t created;  /* prepare */
    _Atomic uint64_t recycled; /* prepare */
    _Atomic uint64_t written;  /* prepare: bytes of headers and zeros. */
};

/* What a segment begun by an open says; all zero for others. */
struct vlog_resume {
    uint64_t first_lsn;
    uint64_t resume_lsn;
};

MUST_CHECK struct status vlog_pool_init(struct vlog_pool *p, struct vlog *v);
/* Takes one whose init failed. */
void vlog_pool_deinit(struct vlog_pool *p, struct vlog *v);

/* A file <id>.free was found at open. False: it is of no use. */
bool vlog_pool_found(struct vlog *v, uint64_t id);

/*
 * A segment of need bytes or more (vlog_segment_need), the run's first if resume is given: what is
 * ready, else made on the spot. NO_SPACE, NO_MEMORY, IO ...: none could be made, nothing changed.
 * Writer's thread.
 */
MUST_CHECK struct status vlog_pool_take(struct vlog *v, struct io_ring *ring, uint64_t need,
                                        const struct vlog_resume *resume,
                                        struct vlog_segment **out_segment);
/* Unlink a file of the log. What cannot be unlinked is harmless and found by the next open. */
void vlog_pool_unlink(struct vlog *v, uint64_t id, enum vlog_kind kind);
/* Make names durable. A failure breaks the log: it may have lost other names, too. */
MUST_CHECK struct status vlog_sync_dir(struct vlog *v);
/* Give up a segment that was never used. Takes NULL. */
void vlog_pool_discard(struct vlog *v, struct vlog_segment *s);

/* One step of preparing. True if there is more to do now. Background. */
bool vlog_pool_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns);

/* s is no log any more and its file may be used again: recycle it if that is of use, else unlink.
 * s is not destroyed. Background. */
void vlog_pool_give(struct vlog *v, struct vlog_segment *s);

/* Is an active segment so full that the next should be made? */
static inline bool vlog_pool_wants_next(uint64_t end, uint64_t size)
{
    return end >= size / 4;
}

#endif
