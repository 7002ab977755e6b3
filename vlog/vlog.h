/*
 * vlog -- the log of a store: write-ahead log, Raft log, and the first home of every large value.
 *
 * A store has one log: a sequence of segment files, written in batches, one write under way at a
 * time. An entry is what a group (a Raft group; on one node always group 1) appended: term, index,
 * a body that the log does not look into, and separated values, each of which gets an ordinal in
 * its segment. (segment, ordinal) names a value for ever: a *handle*. A sealed segment can be
 * *adopted*: it stops being log and becomes a value file in place, nothing copied. Later a value
 * file may be *rewritten*: its live values are copied, ordinals kept, into a new physical file
 * behind the same logical id. Handles never change (design.md, "Handles never change").
 *
 *   1. An entry is acknowledged (vlog_written_lsn reaches its batch) only when it is durable
 *      (durable mode) or in the kernel (relaxed mode); never after a failed write or sync.
 *   2. LSNs number batches without a gap. The log replays to a prefix of what was staged, and to
 *      all that was acknowledged in durable mode.
 *   3. A batch lies in one segment; what a handle names never moves within a generation.
 *   4. Recovery drops a bad batch only as a torn tail: its LSN is above every durable LSN recorded
 *      anywhere (each batch records what was durable when it was built, in durable mode all before
 *      it: so any later batch of that mode proves it was whole). All else is ST_CORRUPT, file kept.
 *   5. A failed write or sync poisons the log: every later stage or write says ST_FAILED and why.
 *   6. What was ever adopted or linked is unlinked at the end of its life, never recycled.
 *   7. File ids come from the caller (who persists them ahead), rise, and are never reused. A
 *      recycled segment gets a new id; its checksums are salted with (store, id), so old bytes in
 *      it are no batches.
 *
 * Who decides: the tree (lsm/) owns the manifest and says which segment is adopted, released,
 * rewritten, dropped; the log does what it is told and remembers it in memory only.
 *
 * Threads: stage, roll and write: one thread at a time (the commit leader or the reactor).
 * Background calls (work, barrier, writers, adopt, release, install, drop, scan): one background
 * thread at a time, beside the writer. Reads and numbers: any thread.
 * Format: docs/format/log.md; constants in vlog/format.h.
 */
#ifndef VARVE_VLOG_VLOG_H
#define VARVE_VLOG_VLOG_H

#include "base/bytes.h"
#include "base/env.h"
#include "base/errbuf.h"
#include "base/io.h"
#include "base/status.h"

#include "cache/fetch.h"

struct vlog;

/* ---- Values ------------------------------------------------------------------------------- */

/* Where a separated value is. file is a logical id. offset is that of the value's header in the
 * first generation of the file: a hint, exact until the file is rewritten. */
struct vlog_handle {
    uint64_t file;
    uint32_t ordinal;
    uint32_t offset;
    uint32_t length; /* Of the value itself. */
};

/* Stored before each value, everywhere: {crc u32, length u32}; see vlog/format.h. */
enum { VLOG_VALUE_HEADER = 8 };

enum { VLOG_POOL_MAX = 64 }; /* Free segments that may be kept. */

/* ---- Life --------------------------------------------------------------------------------- */

enum vlog_mode {
    VLOG_DURABLE, /* Acknowledged = on the device: O_DIRECT | O_DSYNC into zero-filled, recycled
                     segments; where O_DIRECT is refused, O_DSYNC alone. */
    VLOG_RELAXED, /* Acknowledged = in the kernel: survives kill -9, not power loss. */
};

struct vlog_options {
    enum vlog_mode mode;
    uint64_t segment_size;   /* 0: 64 MiB. From 16 KiB; a multiple of IO_ALIGN. */
    uint32_t batch_size_max; /* Payload of one batch. 0: 64 MiB. Larger entries are refused. */
    uint32_t pool_max;       /* Free segments kept for reuse. 0: 4. */
    uint64_t seal_idle_ns;   /* Idle time before a seal batch. 0: 10 ms. */
    bool is_direct_value_io; /* Value files are read and written around the page cache. */
};

/* A value file, as the manifest records it: reads of `logical` go to `physical`. */
struct vlog_file {
    uint64_t logical;
    uint64_t physical;    /* == logical in the first generation. */
    bool is_segment;      /* An adopted segment (*.log); else a value file (*.val). */
    uint64_t size_bytes;  /* Of the physical file. */
    uint64_t value_count; /* Values the physical file holds. */
    uint64_t value_bytes; /* Their bytes, headers included. */
    uint32_t ordinal_end; /* All ordinals are below it. Says where the directory is. */
};

struct vlog_config {
    const struct env *env; /* Borrowed for life. */
    struct cache *cache;   /* Borrowed for life; values and directories are read through it. */
    const char *dir;       /* Copied. Exists. */
    uint8_t store_uuid[16];
    struct vlog_options options;
    const struct vlog_file *files; /* What the manifest knows. Copied. */
    size_t file_count;
    /* Segments with this id or a later one are replayed, adopted or not: a segment may be a value
     * file for one memtable and still be log for the next. Older ones are not read at open. */
    uint64_t replay_from;
    /* The store was copied without a log: that there is none yet is no loss. */
    bool may_be_missing;
    /* Entries up to this LSN are not needed from the log any more (flushed, as the manifest says):
     * later ones must all be there, and new LSNs go on above it. */
    uint64_t flushed_lsn;
    /* Ids for new files, persisted ahead by the caller. Called by writer and background threads. */
    struct status (*take_file_id)(void *context, uint64_t *out_id);
    void *id_context;
    /* NULL, or called once the log was read and is good, before a file is made or removed. A
     * failure ends the open. */
    struct status (*on_read)(void *context);
    void *read_context;
    struct errbuf *err; /* Words for a failed open. */
};

/* One entry read back at open. All bytes are borrowed for the call. */
struct vlog_replayed {
    uint32_t group;
    uint64_t term;
    uint64_t index;
    uint64_t lsn;
    struct bytes body;
    const struct bytes *values; /* Verified. */
    const struct vlog_handle *handles;
    uint32_t value_count;
};
typedef struct status vlog_visit_entry(void *context, const struct vlog_replayed *entry);

/*
 * Open the log in dir: read the segments from replay_from on, in order, tell torn from corrupt,
 * and hand every surviving entry to visit, oldest first; a failure of visit ends the open with it.
 * Old segments stay until vlog_release; staging goes on in a fresh one. Files of other kinds are
 * left alone (the manifest's owner removes orphans). Returns OK; CORRUPT (file and offset in err);
 * UNSUPPORTED (newer format); IO; NO_MEMORY.
 */
MUST_CHECK struct status vlog_open(const struct vlog_config *config, struct io_ring *ring,
                                   vlog_visit_entry *visit, void *context, struct vlog **out_vlog);

/* Write a seal batch if the log is healthy, then close. Takes NULL. Cannot fail: what was
 * acknowledged needs no close. Requires: no write under way, no reader, no background call. */
void vlog_close(struct vlog *v, struct io_ring *ring);

/* Why the log is poisoned; NULL while it is healthy. Borrowed for the log's life. Any thread. */
const char *vlog_failure(const struct vlog *v);

/* ---- Staging and writing: the writer's thread --------------------------------------------- */

struct vlog_entry {
    uint32_t group;
    uint64_t term;
    uint64_t index;
    struct bytes body;          /* Copied into the batch. */
    const struct bytes *values; /* Copied into the batch. */
    uint32_t value_count;
    struct vlog_handle *out_handles; /* Room for value_count; filled on OK. */
};

/* Bytes of batch payload an entry takes: to compare with batch_size_max before evaluating. */
size_t vlog_entry_size(const struct vlog_entry *e);

/*
 * Encode an entry into the batch being built, straight into the segment's memory image (the one
 * copy). *out_lsn is the batch's LSN: the entry is acknowledged once vlog_written_lsn >= it.
 * ST_AGAIN: batch or segment is full, or a roll is under way: run vlog_write_step, come back.
 * ST_LIMIT: larger than batch_size_max. ST_FAILED: poisoned.
 * ST_NO_SPACE, ST_NO_MEMORY, ST_IO: the next segment could not be made; nothing was lost, and the
 * next vlog_write_step tries again.
 */
MUST_CHECK struct status vlog_stage(struct vlog *v, const struct vlog_entry *e, uint64_t *out_lsn);

/* The hard state (term, vote, commit) of a group: logged now, kept, and repeated at the head of
 * each new segment. */
struct vlog_hard_state {
    uint32_t group;
    uint64_t term;
    uint64_t vote;
    uint64_t commit;
};
MUST_CHECK struct status vlog_stage_hard_state(struct vlog *v, const struct vlog_hard_state *h);
/* The last one logged or replayed; false if there is none. */
bool vlog_hard_state(const struct vlog *v, uint32_t group, struct vlog_hard_state *out);

enum vlog_step {
    VLOG_IDLE,   /* Nothing to do. */
    VLOG_WANTS,  /* An op is under way on the ring: call again when it is done. */
    VLOG_AGAIN,  /* Progress was made and there is more to do without waiting. */
    VLOG_BROKEN, /* Poisoned: vlog_failure says why. */
};

/*
 * Drive the writer: if a write completed, account for it (vlog_written_lsn moves); if none is
 * under way and something is staged, close the batch and submit it; roll when needed. In relaxed
 * mode the write completes inside the call. What is staged while a write is under way goes with
 * the next: group commit without timers.
 * now_ns serves the idle seal: seal_idle_ns after the last write, with nothing staged, a seal
 * batch that records the durable LSN is written; nobody waits for it.
 */
enum vlog_step vlog_write_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns);

/* The same for a driver that would only wait for the write: it is done on return, and the answer
 * never VLOG_WANTS. For one thread that waits, a plain call costs less than a ring.
 * Requires: no write of vlog_write_step's is under way. */
enum vlog_step vlog_write_wait(struct vlog *v, struct io_ring *ring, uint64_t now_ns);

/* The tag of the ops that vlog_write_step submits; the driver need only hand them out of the ring.
 */
enum { VLOG_OP_TAG = 0x564c4f47 };

/* When the idle seal is due (monotonic ns); UINT64_MAX if it is not. For the driver's wait. */
uint64_t vlog_seal_deadline(const struct vlog *v);

/* All batches up to this LSN are acknowledged. Any thread. */
uint64_t vlog_written_lsn(const struct vlog *v);
/* The LSN of the newest staged entry; 0 when none ever was. Any thread. */
uint64_t vlog_staged_lsn(const struct vlog *v);

/* End the segment in use after what is staged, so that it can be sealed and adopted (a memtable
 * that refers to values in it was frozen). Nothing happens if it is empty. Writer's thread. */
void vlog_roll(struct vlog *v);

/* ---- Reading values: any thread ----------------------------------------------------------- */

/*
 * The value that h names: from the log's memory tail, the cache, or one device read (two the first
 * time after a rewrite: the directory page too). out_value is borrowed from f until fetch_reset.
 * Its checksum has been verified.
 * ST_AGAIN: f is non-blocking and has recorded the reads it wants. ST_CORRUPT: f->err says where.
 */
MUST_CHECK struct status vlog_read(struct vlog *v, struct fetch *f, const struct vlog_handle *h,
                                   struct bytes *out_value);

/* ---- Background: one thread at a time ----------------------------------------------------- */

/* Make the next segment ready (recycle or zero-fill), make rolled segments durable, recycle or
 * unlink what was let go. In steps of about a millisecond, blocking. VLOG_IDLE when there is
 * nothing to do. */
enum vlog_step vlog_work_step(struct vlog *v, struct io_ring *ring, uint64_t now_ns);
/* wake is called, from the writer's and the background thread, when vlog_work_step has something to
 * do. Before there are other threads. */
void vlog_on_work(struct vlog *v, void (*wake)(void *context), void *context);

/* The flush barrier: on OK every entry up to and including lsn is on the device, in every mode.
 * Blocking. Requires: lsn <= vlog_written_lsn. On failure the log is poisoned. */
MUST_CHECK struct status vlog_barrier(struct vlog *v, struct io_ring *ring, uint64_t lsn);

/* A segment that is still log: neither adopted nor released. */
struct vlog_segment_info {
    uint64_t id;
    uint64_t size_bytes; /* In use. */
    uint64_t first_lsn;  /* 0 when it holds no batch. */
    uint64_t last_lsn;
    uint64_t value_count;
    uint64_t value_bytes; /* Separated values in it, headers included. */
    bool is_active;       /* Being written. */
    bool is_sealed;       /* Rolled, and all of it durable: may be adopted. */
};
/* Oldest first. Returns how many there are; fills at most max. Any thread. */
size_t vlog_segments(struct vlog *v, struct vlog_segment_info *out, size_t max);
/* Bytes in use of segments that are still log. Any thread. */
uint64_t vlog_log_bytes(const struct vlog *v);

/* The segment becomes a value file under its own id: directory and footer are written behind its
 * last batch, unused space is cut off, all of it is durable on OK. Call before the manifest edit
 * that says so: from here on it is never recycled. Requires: sealed, and it has values (INVALID).
 * *out_file is what the manifest records; reads go on as before. On failure it stays log. */
MUST_CHECK struct status vlog_adopt(struct vlog *v, struct io_ring *ring, uint64_t segment,
                                    struct vlog_file *out_file);

/* Its entries are applied and durable elsewhere, the manifest says so, and nothing refers to its
 * values: back to the pool, or unlinked if the pool is full. Requires: not active. */
void vlog_release(struct vlog *v, struct io_ring *ring, uint64_t segment);

/*
 * A value file being written: copies of values, ordinals given by the caller, rising. Two uses:
 * live values of segments not worth adopting go to a fresh logical file (ordinals from 0), and
 * rewriting copies the live values of a file to its next generation (ordinals kept, gaps allowed).
 * One thread; blocking on its ring.
 */
struct vlog_writer;
/* logical 0: a fresh logical file, whose id is that of its first physical file. */
MUST_CHECK struct status vlog_writer_create(struct vlog *v, struct io_ring *ring, uint64_t logical,
                                            struct vlog_writer **out_writer);
uint64_t vlog_writer_logical(const struct vlog_writer *w);
uint64_t vlog_writer_size(const struct vlog_writer *w);
/* value is copied. */
MUST_CHECK struct status vlog_writer_add(struct vlog_writer *w, uint32_t ordinal,
                                         struct bytes value, struct vlog_handle *out_handle);
/* Directory, footer, sync of the file and of its name. After OK, *out_file goes into the manifest
 * edit, then into vlog_install. The writer is gone either way; a failed file is unlinked. */
MUST_CHECK struct status vlog_writer_finish(struct vlog_writer *w, struct vlog_file *out_file);
/* Give up: unlink what was written. Takes NULL. */
void vlog_writer_abandon(struct vlog_writer *w);

/* Reads of file->logical go to file->physical from now on; its manifest edit is durable. The
 * physical file it replaces, if any, is unlinked when the last reader has left it. */
MUST_CHECK struct status vlog_install(struct vlog *v, const struct vlog_file *file);

/* No version and no reader can reach this logical file any more: forget it, unlink it. */
void vlog_drop(struct vlog *v, uint64_t logical);

/* Read a file's values in ordinal order, sequentially and not through the cache (rewriting,
 * checking). wanted picks ordinals (NULL: all); visit gets verified values, borrowed for the call.
 * ST_CORRUPT: err says where. Of value files any thread may call it; of segments the background's.
 */
typedef bool vlog_wanted(void *context, uint32_t ordinal);
typedef struct status vlog_visit_value(void *context, uint32_t ordinal, struct bytes value);
MUST_CHECK struct status vlog_scan(struct vlog *v, struct io_ring *ring, uint64_t logical,
                                   vlog_wanted *wanted, vlog_visit_value *visit, void *context,
                                   struct errbuf *err);

/* The same in pieces. The scan holds the file open, whatever becomes of it meanwhile. */
struct vlog_scanner;
/* err is borrowed for the scan's life. */
MUST_CHECK struct status vlog_scanner_open(struct vlog *v, struct io_ring *ring, uint64_t logical,
                                           struct errbuf *err, struct vlog_scanner **out_scanner);
/* Go on through some bytes_max bytes of values; *out_is_done: those were the last. */
MUST_CHECK struct status vlog_scanner_step(struct vlog_scanner *s, vlog_wanted *wanted,
                                           vlog_visit_value *visit, void *context,
                                           uint64_t bytes_max, bool *out_is_done);
void vlog_scanner_close(struct vlog_scanner *s); /* Takes NULL. */

/* Name of a value file's physical file within the directory ("00000012.val"): for links, lists. */
void vlog_file_name(const struct vlog_file *file, char *out_name, size_t size);
/* Is this the name of a file that the log would own (segment, pool file, value file)? */
bool vlog_owns_name(const char *name, uint64_t *out_id);

/* ---- Numbers ------------------------------------------------------------------------------ */

struct vlog_stats {
    enum vlog_mode mode;
    bool is_direct;          /* O_DIRECT in use. */
    const char *mode_reason; /* Why not, where it was wanted; else NULL. */
    uint64_t batches;
    uint64_t entries;
    uint64_t payload_bytes;
    uint64_t written_bytes; /* Padding, seals, directories, zero-filling included. */
    uint64_t segments_created;
    uint64_t segments_recycled;
    uint64_t segments_adopted;
    uint64_t segments_released;
    uint64_t rolls;
    uint64_t seal_batches;
    uint64_t values_copied; /* By writers. */
    uint64_t torn_batches;  /* Dropped at open as a torn tail. */
    uint64_t tail_hits;
    uint64_t device_reads;
};
void vlog_stats(const struct vlog *v, struct vlog_stats *out);

#endif
