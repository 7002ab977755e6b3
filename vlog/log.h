/*
 * log -- the log's state, shared by the files of this folder. Private to vlog/.
 *
 * Who may touch what is said at each field: *writer* (the thread that stages and writes),
 * *background*, *lock* (v->sources.lock), *prepare* (v->pool.lock), *shared* (atomic; the pairing
 * is named), nothing (constant after open).
 *
 *   1. Bytes of an image before batch.end are immutable while the image is its segment's, but for
 *      the header and padding of the open batch. A handle is published to readers by whoever
 *      publishes the entry, and its bytes were written before that.
 *   2. written_lsn >= n: batch n completed. durable_lsn >= n: all batches up to n are on the
 * device. durable_lsn <= written_lsn.
 *   3. Segments are used in the order of their ids; the list is in that order, the active last.
 *   4. At most one write is under way.
 */
#ifndef VARVE_VLOG_LOG_H
#define VARVE_VLOG_LOG_H

#include "base/env.h"
#include "base/thread.h"

#include "vlog/format.h"
#include "vlog/offsets.h"
#include "vlog/pool.h"
#include "vlog/source.h"

/* ---- The memory tail ---------------------------------------------------------------------- */

enum { VLOG_IMAGES = 2 };

/*
 * A segment as it will be on disk: staged into, written from, and read by whoever wants a recent
 * value. The two take turns. A reader announces itself (readers), looks again whose bytes these
 * are, copies, leaves; the writer disowns the image (segment = 0) before it asks for readers. Both
 * sides use one total order (seq_cst), so either the reader sees the image disowned or the writer
 * sees the reader.
 */
struct vlog_image {
    _Alignas(64) _Atomic uint64_t segment; /* shared: whose bytes; 0: nobody's. */
    _Atomic uint32_t readers;              /* shared */
    _Atomic uint64_t hits;                 /* shared: statistics. */
    uint8_t *data;                         /* writer; readers after a successful announcement */
    size_t capacity;                       /* likewise. Both change under the pool's lock only. */
    size_t prefaulted;                     /* pool.lock: so many bytes have pages. */
};

/* ---- Segments ----------------------------------------------------------------------------- */

/* A segment that is still log. */
struct vlog_segment {
    uint64_t id;
    uint64_t size;  /* Bytes it may use, directory and footer included. */
    uint32_t seed;  /* Of its batches' checksums. */
    bool is_native; /* Made by this run: its file was never linked or adopted, may be recycled. */
    struct io_file *file; /* To write to. NULL in those found at open until they are adopted. */
    struct vlog_offsets offsets; /* writer; background once rolled */

    /* shared, stored by the writer when a batch is submitted: numbers of what is submitted. */
    _Atomic uint64_t end;
    _Atomic uint64_t first_lsn; /* 0: no batch yet. */
    _Atomic uint64_t last_lsn;
    _Atomic uint64_t value_count;
    _Atomic uint64_t value_bytes;

    bool is_rolled;            /* lock */
    bool is_released;          /* lock */
    struct vlog_segment *next; /* lock: newer. */
};

/* NULL: no memory. */
struct vlog_segment *vlog_segment_create(const struct env *env, uint64_t id, const uint8_t *store);
/* Closes its file. Takes NULL. */
void vlog_segment_destroy(struct vlog_segment *s);

/* Add to a counter that only the calling thread adds to. */
static inline void vlog_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- The log ------------------------------------------------------------------------------ */

/* The batch being built; open while count > 0. */
struct vlog_open_batch {
    uint64_t start; /* Offsets in the segment. */
    uint64_t end;
    uint32_t count;
    uint32_t first_ordinal;
    bool is_seal; /* Holds nothing but a seal. */
};

/* A batch on its way to the device. */
struct vlog_write {
    struct io_op op;
    struct vlog_segment *segment;
    uint64_t lsn;
    bool is_under_way;
    bool is_seal;
};

/* The segment in use cannot take what is to be staged next, or vlog_roll was called. */
struct vlog_roll {
    bool is_wanted;
    uint64_t payload;     /* What the next segment must take; 0: nobody waits for it. */
    uint32_t value_count; /* In that payload. */
    bool has_failed;
    struct status status; /* Why, while has_failed. */
    uint64_t retry_ns;    /* When a roll nobody waits for is tried again. */
};

struct vlog {
    const struct env *env;
    const char *dir; /* Owned. */
    size_t dir_size; /* Allocated. */
    uint8_t store[VLOG_UUID];
    struct vlog_options options; /* Defaults filled in. */
    bool is_direct;
    const char *mode_reason; /* Static, or NULL. */
    struct status (*take_file_id)(void *context, uint64_t *out_id);
    void *id_context;
    void (*wake_work)(void *context); /* Set before there are threads. */
    void *wake_context;

    struct vlog_sources sources;
    struct vlog_pool pool;

    /* The writer's. */
    _Alignas(64) struct vlog_segment *active;
    struct vlog_image *image; /* Of the active segment. */
    struct vlog_open_batch batch;
    uint64_t next_start; /* Where the next batch of the active segment begins. */
    uint64_t next_lsn;   /* Of the batch being built. */
    struct vlog_write write;
    struct vlog_roll roll;
    struct vlog_hard_state *hard_states; /* By group. */
    size_t hard_state_count;
    size_t hard_state_capacity;
    uint64_t content_lsn;   /* The last batch submitted that was not a seal. */
    uint64_t recorded_lsn;  /* The greatest durable LSN written in a batch header. */
    uint64_t idle_since_ns; /* When the last write completed. */
    uint64_t resume_lsn;    /* What this run found at open. */
    bool has_batch;         /* This run has submitted one. */
    bool has_asked_next;    /* The background was woken for the segment after the active one. */

    /* Shared. */
    _Alignas(64) _Atomic uint64_t written_lsn; /* writer stores, release: see vlog_written_lsn. */
    _Atomic uint64_t staged_lsn;               /* writer stores */
    _Atomic uint64_t durable_lsn; /* release: writer in durable mode, else background. */
    _Atomic bool has_hard_states; /* writer stores */
    _Atomic bool is_failed;       /* release: after failure was set. */
    struct errbuf failure;        /* lock, until is_failed; then constant. */
    struct vlog_segment *oldest;  /* lock: the list. */
    struct vlog_segment *newest;  /* lock: == active. */
    struct vlog_image images[VLOG_IMAGES];

    /* Statistics: shared, each added to by one thread at a time. */
    _Atomic uint64_t batches;       /* writer */
    _Atomic uint64_t entries;       /* writer */
    _Atomic uint64_t payload_bytes; /* writer */
    _Atomic uint64_t batch_bytes;   /* writer: as written. */
    _Atomic uint64_t rolls;         /* writer */
    _Atomic uint64_t seal_batches;  /* writer */
    _Atomic uint64_t other_bytes;   /* background: directories, values. */
    _Atomic uint64_t adopted;       /* background */
    _Atomic uint64_t released;      /* background */
    _Atomic uint64_t values_copied; /* background */
    uint64_t torn_batches;
};

/* Say why the log is broken, for good. The first reason stays. Any thread. */
__attribute__((format(printf, 2, 3))) void vlog_poison(struct vlog *v, const char *format, ...);

static inline bool vlog_is_failed(const struct vlog *v)
{
    return atomic_load_explicit(&v->is_failed, memory_order_acquire);
}

static inline void vlog_wake_work(struct vlog *v)
{
    if (v->wake_work != NULL)
        v->wake_work(v->wake_context);
}

/* ---- segment.c: the list of segments that are log ----------------------------------------- */

void vlog_list_append(struct vlog *v, struct vlog_segment *s);
void vlog_list_remove(struct vlog *v, struct vlog_segment *s);
/* The segment with this id, or NULL. Borrowed from being the one thread that removes. */
struct vlog_segment *vlog_list_find(struct vlog *v, uint64_t id);
/* May it leave the log? Rolled, all of it written, and the hard states are repeated behind it. */
bool vlog_segment_is_sealed(const struct vlog *v, const struct vlog_segment *s)
    REQUIRES(v->sources.lock);

/* ---- stage.c: the writer's thread --------------------------------------------------------- */

enum { VLOG_SEAL_ROOM = VLOG_BLOCK };

/* Size of the smallest segment for one batch with this payload, and that many values in it. */
uint64_t vlog_segment_need(uint64_t payload, uint64_t ordinals);
/* Requires: no open batch. There is always room (VLOG_SEAL_ROOM). */
void vlog_stage_seal(struct vlog *v);
/* Stage all hard states at the head of a new segment, made large enough for them. */
void vlog_stage_hard_states(struct vlog *v);
uint64_t vlog_hard_states_size(const struct vlog *v);
/* Remember h as its group's. */
MUST_CHECK struct status vlog_hard_state_keep(struct vlog *v, const struct vlog_hard_state *h);
/* Decode a record of that type. False: malformed. */
bool vlog_hard_state_read(const struct vlog_record *r, struct bytes body,
                          struct vlog_hard_state *out);

/* ---- write.c: the writer's thread --------------------------------------------------------- */

/* Make s, whose bytes are going to be in image, the active segment. Takes s. */
void vlog_activate(struct vlog *v, struct vlog_segment *s, struct vlog_image *image);
/* An image with memory for a segment of size. AGAIN: a reader is just leaving the one there is. */
MUST_CHECK struct status vlog_image_take(struct vlog *v, uint64_t size,
                                         struct vlog_image **out_image);
/* Take the memory of both, now or never. */
MUST_CHECK struct status vlog_images_init(struct vlog *v);
void vlog_images_deinit(struct vlog *v);
/* Write what is staged, and a seal, before the log is closed. */
void vlog_write_last(struct vlog *v, struct io_ring *ring);

/* ---- background.c ------------------------------------------------------------------------- */

/* Make all batches up to lsn durable, in every mode. Blocking; poisons on failure.
 * Requires: lsn <= written_lsn. */
MUST_CHECK struct status vlog_make_durable(struct vlog *v, struct io_ring *ring, uint64_t lsn);

/* ---- recover.c ---------------------------------------------------------------------------- */

/* A file that holds nothing of use. */
struct vlog_leftover {
    uint64_t id;
    enum vlog_kind kind;
};

/* What recovery found out, for the log that goes on from there. */
struct vlog_recovered {
    uint64_t good_lsn;               /* The last good batch; 0: none. */
    uint64_t next_lsn;               /* Above every LSN ever seen. */
    uint64_t torn_batches;           /* Dropped. */
    struct vlog_leftover *leftovers; /* Of the log's allocator. */
    size_t leftover_count;
    size_t leftovers_size; /* Allocated bytes. */
};
/* Replay to visit; fill the list of segments and the hard states. Changes no file. */
MUST_CHECK struct status vlog_recover(struct vlog *v, const struct vlog_config *config,
                                      struct io_ring *ring, vlog_visit_entry *visit, void *context,
                                      struct vlog_recovered *out);

#endif
