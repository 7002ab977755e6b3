/*
 * fetch -- one reader's blocks: from the cache, or by the device reads it asks for.
 *
 * A fetch belongs to one command, iterator or job. fetch_get pins a block to it and returns the
 * bytes; what was pinned stays until fetch_reset, whatever the cache admits. A blocking fetch has
 * a ring and reads at once; a non-blocking one records what it wants and answers ST_AGAIN: the
 * driver submits the wants, and runs the command again when they are there (design.md, "One SET,
 * followed through").
 *
 *   1. A block handed out has passed its verify function, once, when it was read.
 *   2. An operation that answered ST_AGAIN has changed nothing: call it again with the same
 *      arguments when fetch_is_ready. It finds its earlier blocks pinned to the fetch.
 *   3. Two fetches that miss the same block share one device read (within one cache), if both block
 *      or neither does: who blocks must not wait for what somebody else's ring has to hand out.
 *   4. A read that failed fails every operation that waited for it, once; asked again, it is read
 *      again.
 *
 * Threads: a fetch one at a time; different fetches of one cache any. fetch_complete may ready a
 * fetch of another thread; it touches nothing in it but what is atomic.
 */
#ifndef VARVE_CACHE_FETCH_H
#define VARVE_CACHE_FETCH_H

#include "base/bytes.h"
#include "base/errbuf.h"
#include "base/io.h"
#include "base/status.h"

#include "cache/kind.h"

#include <stdatomic.h>

struct cache;

struct fetch_request {
    struct io_file
        *file;        /* Stays open until the fetch is reset and its reads are done: see hold. */
    uint64_t file_id; /* Physical; with offset it names the block for ever. */
    uint64_t offset;  /* Where the block begins; any alignment. */
    uint32_t size;    /* Of the block. */
    enum fetch_kind kind;
    /* Called once after the read, before anybody sees the bytes: check the checksum, fill the
     * header. context is borrowed until the fetch is reset and its reads are done; err takes the
     * words of a failure. */
    struct status (*verify)(void *context, const struct fetch_request *request, struct bytes block,
                            uint8_t *out_header, struct errbuf *err);
    void *context;
    uint64_t cookie; /* verify's: what else it must know of this block. */
    /* NULL, or where the cache notes the block's slot for the next time (cache_lookup_hinted). */
    _Atomic uint32_t *hint;
    /* NULL, or how a read keeps file and context alive, so that nobody has to wait for reads that
     * nobody waits for: fetch_get calls hold(context) when it records or begins a device read for
     * this request, and drop(context) follows when that read is over or forgotten, from whichever
     * thread ends it. Then the caller's promise for both ends with the fetch_get. Neither blocks,
     * nor calls the cache. */
    void (*hold)(void *context);
    void (*drop)(void *context);
};

/* A pinned block. data is borrowed from the fetch until fetch_reset or fetch_release. */
struct fetch_block {
    struct bytes data;
    const uint8_t *header; /* FETCH_HEADER_SIZE bytes, as verify left them. */
};

struct fetch_options {
    struct cache *cache;
    struct io_ring *ring; /* NULL: non-blocking. */
    enum fetch_fill fill;
};

enum { FETCH_INLINE_PINS = 16 };

/* What a fetch holds on to: an entry of the cache, or a block outside of it. */
struct fetch_pin {
    uint64_t file_id;
    uint64_t offset;
    const uint8_t *data;
    const uint8_t *header;
    struct fetch_loose *loose; /* NULL: the cache's. */
    uint32_t slot;
    uint32_t size;
    uint32_t count; /* Gets, less releases; 0: not taken yet. */
};

/* See cache/fetch_index.h. */
struct fetch_index {
    struct fetch_index_entry *entries;
    uint32_t count;
    uint32_t capacity; /* A power of two; 0: there is none. */
    bool is_refused;   /* There was no memory for it. */
};

struct fetch {
    struct fetch_options options;
    struct errbuf err; /* Words for the last failure. */
    struct fetch_pin inline_pins[FETCH_INLINE_PINS];
    struct fetch_pin *pins; /* inline_pins, or from the cache's allocator. */
    uint32_t pin_count;
    uint32_t pin_capacity;
    struct fetch_want *wants; /* Blocks asked for and not handed out yet. */
    uint32_t want_count;
    struct fetch_index index;
    bool has_waited;                /* Since the reset: blocks may be asked for again. */
    uint32_t reads_wanted;          /* Since the last submit. */
    _Atomic uint32_t reads_pending; /* Wants whose read is not done. */
    void *owner;                    /* The driver's. */
    uint64_t device_reads;          /* For the caller's statistics. */
    uint64_t device_read_bytes;
};

void fetch_init(struct fetch *f, const struct fetch_options *options);
/* Unpin everything, forget the wants (reads under way finish into the cache). Keeps the options. */
void fetch_reset(struct fetch *f);
void fetch_deinit(struct fetch *f);

MUST_CHECK struct status fetch_get(struct fetch *f, const struct fetch_request *request,
                                   struct fetch_block *out_block);

/* As fetch_get, if that needs no device read; else false, and nothing is recorded. */
bool fetch_find(struct fetch *f, const struct fetch_request *request,
                struct fetch_block *out_block);

/*
 * Before an operation is called again, of which there may be many: what has been read for it and
 * will not be taken by this call is pinned all the same, as a pin is a twentieth of a read that is
 * kept. A read that failed stays, to be heard of. Does nothing for a few blocks.
 */
void fetch_settle(struct fetch *f);

/* Blocks of a file that were asked for and not taken since are not wanted any more. */
void fetch_forget(struct fetch *f, uint64_t file_id);

/*
 * As fetch_get for a block whose bytes the caller has in memory (the tail of the log): a miss is
 * filled with a copy of them, verified like what comes from the device. Never reads, never
 * ST_AGAIN; file, hold and drop are not used.
 */
MUST_CHECK struct status fetch_get_given(struct fetch *f, const struct fetch_request *request,
                                         struct bytes given, struct fetch_block *out_block);

/* Unpin one block before the reset: iterators give back blocks as they go. */
void fetch_release(struct fetch *f, const struct fetch_block *block);

/* Non-blocking drivers. Ops that fetches submit carry this tag. */
enum { FETCH_OP_TAG = 0x46544348 };
/* Submit the recorded wants on ring. True if any read is under way for f. */
bool fetch_submit(struct fetch *f, struct io_ring *ring);
/* An op with FETCH_OP_TAG came out of the ring: account for it. Returns a fetch that has just
 * become ready; call again with the same op until NULL (several may have waited for it). */
struct fetch *fetch_complete(struct cache *cache, struct io_op *op);
bool fetch_is_ready(const struct fetch *f);

#endif
