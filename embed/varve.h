/*
 * varve -- the embedded key-value store: one directory, one process, any number of threads.
 *
 * A store holds keyspaces; a keyspace holds keys in memcmp order, each with a value of up to 60
 * MiB. Writes are atomic batches; in the default, durable mode a call that returned VARVE_OK is on
 * the device. Reads see the newest committed state, or that of a snapshot.
 *
 * Conventions, for every function below:
 *   - It returns a code; VARVE_OK is 0. What is said in `out` parameters is set on VARVE_OK only.
 *   - `error` may be NULL. Else it gets any code other than VARVE_OK, and the words that go with
 *     it: what failed, where, and why. That a key is not there has no words.
 *   - `options` may be NULL: the defaults.
 *   - Bytes passed in are copied or done with when the call returns. Bytes handed out say how long
 *     they stay.
 *   - A handle may be used by any number of threads at once, except batches, iterators and pinned
 *     values: one thread at a time each.
 *   - A NULL handle, a closed store, a snapshot or batch of another store, an unknown option is
 *     VARVE_INVALID, and an oversize key VARVE_LIMIT; never a crash. A handle that was freed is the
 *     caller's error, as with free().
 *   - A child process after fork() must not use the stores of its parent.
 *
 * This header stands alone: C99 and C++.
 */
#ifndef VARVE_H
#define VARVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#else
#define VARVE_API
#endif

#define VARVE_VERSION_MAJOR 0
#define VARVE_VERSION_MINOR 1
#define VARVE_VERSION_PATCH 0

/* "0.1.0", of the library in use. Static storage. */
VARVE_API const char *varve_version(void);

/* ---- Codes -------------------------------------------------------------------------------- */

enum varve_code {
    VARVE_OK = 0,
    VARVE_NOT_FOUND, /* No such key, keyspace, or (create_if_missing off) store. */
    VARVE_INVALID,   /* A wrong argument, option or order of calls. Nothing happened. */
    VARVE_BUSY,      /* Held by somebody else: the directory, a name, the store by iterators. */
    VARVE_LIMIT,     /* Key (65000 bytes), value (60 MiB) or batch (63 MiB) too large, or too many
                        files open for another iterator. Nothing happened. */
    VARVE_NO_SPACE,  /* The disk is full: nothing happened, reads go on. Deletes are taken while the
                        log has room for them, other writes when there is space again. */
    VARVE_NO_MEMORY, /* memory_limit, or the machine's. Nothing happened. */
    VARVE_CORRUPT,   /* Bytes on disk are not what was written. The error says file and offset. */
    VARVE_IO,        /* The machine refused. */
    VARVE_UNSUPPORTED, /* The store was written by a newer varve. */
    VARVE_FAILED, /* A write or sync failed earlier: the store only reads until reopened. A write
                     that gets this answer may or may not be there after reopening. */
};

struct varve_error {
    enum varve_code code;
    char text[500]; /* Terminated. */
};

/* "not found", "corrupt" ... Static storage. */
VARVE_API const char *varve_code_name(enum varve_code code);

/* ---- Options ------------------------------------------------------------------------------ */

enum varve_durability {
    VARVE_DURABLE = 0, /* A returned write is on the device (survives power loss). */
    VARVE_RELAXED =
        1, /* A returned write is in the kernel (survives the process, not power loss). */
};

enum varve_io {
    VARVE_IO_AUTO = 0,  /* io_uring where the kernel allows it, POSIX calls else. */
    VARVE_IO_POSIX = 1, /* POSIX calls. */
};

struct varve_options {
    bool create_if_missing;           /* true; false: VARVE_NOT_FOUND if it is not there. */
    bool error_if_exists;             /* false; true: VARVE_INVALID if it is there. */
    enum varve_durability durability; /* VARVE_DURABLE */
    enum varve_io io;                 /* VARVE_IO_AUTO */
    uint64_t cache_size;              /* Block and value cache, bytes; 256 MiB. */
    uint64_t memory_limit;         /* All of the store's memory; 0: cache + memtables + 256 MiB. */
    uint64_t write_buffer_size;    /* A memtable; 64 MiB. */
    uint32_t write_buffer_count;   /* Memtables at most; 3. */
    uint64_t log_segment_size;     /* 64 MiB. From 16 KiB. */
    uint64_t log_size_max;         /* Log kept before a flush is forced; 512 MiB. */
    uint32_t value_separation_min; /* Values from this size live apart; 2048. UINT32_MAX: none. */
    uint32_t block_size;           /* 4096 */
    uint32_t filter_bits;          /* Bloom bits a key; 10. */
    uint64_t table_size;           /* 64 MiB */
    uint64_t level_base_size;      /* 256 MiB */
    uint32_t level_fanout;         /* 10 */
    uint32_t level0_compact;       /* Files in level 0 that start a compaction; 4. */
    double space_amp_target; /* Value files may take this many times their live bytes; 1.25. */
};

/* Set the defaults. Always call it first: later versions have more fields. */
VARVE_API void varve_options_init(struct varve_options *options);

/*
 * Set options from text: "cache_size=1g; durability=relaxed". Names as above, sizes with k, m, g
 * (powers of 1024), booleans yes and no. VARVE_INVALID, with the name and what was expected in
 * error, and options untouched.
 */
VARVE_API enum varve_code varve_options_parse(struct varve_options *options, const char *text,
                                              struct varve_error *error);

/* ---- Stores ------------------------------------------------------------------------------- */

struct varve;

/*
 * Open the store in directory path (made if it is missing; its parent must exist). One process at a
 * time has a store open: VARVE_BUSY names the holder. Starts one background thread.
 * VARVE_INVALID if path holds something that is not a store; nothing is changed then.
 */
VARVE_API enum varve_code varve_open(const char *path, const struct varve_options *options,
                                     struct varve **out_store, struct varve_error *error);

/*
 * Close: what was written stays. VARVE_BUSY while iterators, snapshots, batches or pinned values
 * are held.
 * Requires: no other call on the store is under way. The handle stays (every call on it then
 * answers VARVE_INVALID) until varve_free.
 */
VARVE_API enum varve_code varve_close(struct varve *store, struct varve_error *error);

/* Give back the handle of a closed store. Takes NULL. A store that is still open is closed first;
 * what it hands out must have been given back. */
VARVE_API void varve_free(struct varve *store);

/* ---- Keyspaces ---------------------------------------------------------------------------- */

typedef uint32_t varve_keyspace;
#define VARVE_DEFAULT_KEYSPACE 0u

/*
 * A keyspace is used by its number, which stays the same for its life and is never given again. Any
 * call with a number that was not given yet, or whose keyspace was dropped, is VARVE_INVALID; reads
 * of a snapshot may name a keyspace dropped since. VARVE_BUSY if the name (1..255 bytes) is taken,
 * VARVE_LIMIT after 65535 of them. Durable on return.
 */
VARVE_API enum varve_code varve_keyspace_create(struct varve *store, const char *name,
                                                varve_keyspace *out_keyspace,
                                                struct varve_error *error);
/* VARVE_NOT_FOUND if there is none of that name. */
VARVE_API enum varve_code varve_keyspace_find(struct varve *store, const char *name,
                                              varve_keyspace *out_keyspace,
                                              struct varve_error *error);
/* The keys go, then the name. Not the default one. Snapshots taken before still see the keys. If it
 * fails, or the process does meanwhile, the keyspace may be there and empty: drop it again. Calls
 * that write to it at the same time may return VARVE_OK: what they wrote is gone, too. */
VARVE_API enum varve_code varve_keyspace_drop(struct varve *store, const char *name,
                                              struct varve_error *error);
/* Calls visit for each, the default one ("default") first. name is borrowed for the call; visit
 * must not call the store. */
VARVE_API enum varve_code varve_keyspace_list(struct varve *store,
                                              void (*visit)(void *context, const char *name,
                                                            varve_keyspace keyspace),
                                              void *context, struct varve_error *error);

/* ---- Writing ------------------------------------------------------------------------------ */

/* Key and value are copied; both may be empty. */
VARVE_API enum varve_code varve_put(struct varve *store, varve_keyspace keyspace, const void *key,
                                    size_t key_size, const void *value, size_t value_size,
                                    struct varve_error *error);
/* VARVE_OK whether the key was there or not. */
VARVE_API enum varve_code varve_delete(struct varve *store, varve_keyspace keyspace,
                                       const void *key, size_t key_size, struct varve_error *error);
/* Delete all keys in [begin, end); none if end is not above begin. Costs the same for one as for a
 * billion. */
VARVE_API enum varve_code varve_delete_range(struct varve *store, varve_keyspace keyspace,
                                             const void *begin, size_t begin_size, const void *end,
                                             size_t end_size, struct varve_error *error);

/* A batch: writes to any keyspaces that become visible, and durable, together or not at all. Of
 * several writes to one key the last counts; a range delete does not touch what is put after it. */
struct varve_batch;
/* For writes to this store; it must be destroyed before the store is closed. */
VARVE_API enum varve_code varve_batch_create(struct varve *store, struct varve_batch **out_batch,
                                             struct varve_error *error);
VARVE_API enum varve_code varve_batch_put(struct varve_batch *batch, varve_keyspace keyspace,
                                          const void *key, size_t key_size, const void *value,
                                          size_t value_size, struct varve_error *error);
VARVE_API enum varve_code varve_batch_delete(struct varve_batch *batch, varve_keyspace keyspace,
                                             const void *key, size_t key_size,
                                             struct varve_error *error);
VARVE_API enum varve_code varve_batch_delete_range(struct varve_batch *batch,
                                                   varve_keyspace keyspace, const void *begin,
                                                   size_t begin_size, const void *end,
                                                   size_t end_size, struct varve_error *error);
/* Write it. VARVE_INVALID if a keyspace in it was dropped. The batch is empty afterwards and may be
 * filled again; on failure it is as it was, unless the code is VARVE_FAILED. An empty batch is
 * VARVE_OK. */
VARVE_API enum varve_code varve_write(struct varve *store, struct varve_batch *batch,
                                      struct varve_error *error);
VARVE_API void varve_batch_clear(struct varve_batch *batch);
VARVE_API size_t varve_batch_size(const struct varve_batch *batch); /* Bytes so far. */
VARVE_API void varve_batch_destroy(struct varve_batch *batch);      /* Takes NULL. */

/* ---- Reading ------------------------------------------------------------------------------ */

struct varve_snapshot;

struct varve_read_options {
    const struct varve_snapshot *snapshot; /* NULL: the newest state. */
    varve_keyspace keyspace;
};

/* A value in the store's own memory: data stays until varve_unpin. Small; copy it as you like, but
 * unpin one copy once. */
struct varve_pinned {
    const void *data;
    size_t size;
    void *hold;
};
VARVE_API enum varve_code varve_get(struct varve *store, const struct varve_read_options *options,
                                    const void *key, size_t key_size,
                                    struct varve_pinned *out_value, struct varve_error *error);
/* To the store it came from. Takes a zeroed one. Afterwards it is zeroed. */
VARVE_API void varve_unpin(struct varve *store, struct varve_pinned *value);

/* Copy the value's first room bytes into buffer; *out_size is the whole value's size. */
VARVE_API enum varve_code varve_get_copy(struct varve *store,
                                         const struct varve_read_options *options, const void *key,
                                         size_t key_size, void *buffer, size_t room,
                                         size_t *out_size, struct varve_error *error);

struct varve_slice {
    const void *data;
    size_t size;
};
/*
 * Look up count keys at one state; their device reads go out together. out_codes[i] is VARVE_OK
 * with out_values[i] pinned (unpin each), or VARVE_NOT_FOUND, or what went wrong with that key.
 * VARVE_OK unless the call as a whole could not be made.
 */
VARVE_API enum varve_code varve_multi_get(struct varve *store,
                                          const struct varve_read_options *options,
                                          const struct varve_slice *keys, size_t count,
                                          struct varve_pinned *out_values,
                                          enum varve_code *out_codes, struct varve_error *error);

/* The state now, for reads until it is released. Costs nothing but the versions it keeps. */
VARVE_API enum varve_code varve_snapshot_take(struct varve *store,
                                              struct varve_snapshot **out_snapshot,
                                              struct varve_error *error);
/* What was made with it, iterators and pinned values, stays good. Takes NULL. */
VARVE_API void varve_snapshot_release(struct varve *store, struct varve_snapshot *snapshot);

/* ---- Iterators ---------------------------------------------------------------------------- */

struct varve_iterator;

struct varve_iterator_options {
    const struct varve_snapshot *snapshot; /* NULL: the state at creation. */
    varve_keyspace keyspace;
    const void *lower; /* First key of interest; NULL: none. Copied, and below. */
    size_t lower_size;
    const void *upper; /* First key not of interest; NULL: none. */
    size_t upper_size;
    const void *prefix; /* Only keys that begin with it; NULL: all. Narrows the bounds. */
    size_t prefix_size;
    bool keys_only; /* varve_iterator_value will not be asked for. */
};

/* Sees one state, within its bounds, in key order, both ways. Not positioned yet. Each
 * takes a file (a ring) of the process. */
VARVE_API enum varve_code varve_iterator_create(struct varve *store,
                                                const struct varve_iterator_options *options,
                                                struct varve_iterator **out_iterator,
                                                struct varve_error *error);
VARVE_API void varve_iterator_destroy(struct varve_iterator *iterator); /* Takes NULL. */

/* Moves. VARVE_OK whether they end on an entry or past the last one: ask varve_iterator_valid. */
VARVE_API enum varve_code varve_iterator_first(struct varve_iterator *iterator,
                                               struct varve_error *error);
VARVE_API enum varve_code varve_iterator_last(struct varve_iterator *iterator,
                                              struct varve_error *error);
/* To the first key >= key. */
VARVE_API enum varve_code varve_iterator_seek(struct varve_iterator *iterator, const void *key,
                                              size_t key_size, struct varve_error *error);
/* To the last key <= key. */
VARVE_API enum varve_code varve_iterator_seek_for_prev(struct varve_iterator *iterator,
                                                       const void *key, size_t key_size,
                                                       struct varve_error *error);
/* VARVE_INVALID unless it stands on an entry. */
VARVE_API enum varve_code varve_iterator_next(struct varve_iterator *iterator,
                                              struct varve_error *error);
VARVE_API enum varve_code varve_iterator_prev(struct varve_iterator *iterator,
                                              struct varve_error *error);
VARVE_API bool varve_iterator_valid(const struct varve_iterator *iterator);
/* The entry it stands on; data stays until the next move. Size 0 and NULL when it is not valid. */
VARVE_API struct varve_slice varve_iterator_key(const struct varve_iterator *iterator);
/* The size of the value, without reading it. */
VARVE_API uint64_t varve_iterator_value_size(const struct varve_iterator *iterator);
VARVE_API enum varve_code varve_iterator_value(struct varve_iterator *iterator,
                                               struct varve_slice *out_value,
                                               struct varve_error *error);

/* ---- Care --------------------------------------------------------------------------------- */

/* Those that wait answer VARVE_NO_SPACE when the disk is full and stays so for a second, and
 * VARVE_FAILED when the store fails. */

/* Write the memtables to tables now, and wait for it. */
VARVE_API enum varve_code varve_flush(struct varve *store, struct varve_error *error);
/* Compact [begin, end) (NULL: unbounded) to the bottom, and wait for it. */
VARVE_API enum varve_code varve_compact(struct varve *store, varve_keyspace keyspace,
                                        const void *begin, size_t begin_size, const void *end,
                                        size_t end_size, struct varve_error *error);
/* Wait until no flush, compaction or value rewriting is due. */
VARVE_API enum varve_code varve_settle(struct varve *store, struct varve_error *error);
/* A consistent copy in directory target (VARVE_BUSY if it exists; same file system), by hard links.
 * It opens as a store. */
VARVE_API enum varve_code varve_checkpoint(struct varve *store, const char *target,
                                           struct varve_error *error);
/* Read everything and prove it. VARVE_CORRUPT with file and place in error. */
VARVE_API enum varve_code varve_verify(struct varve *store, struct varve_error *error);

struct varve_statistics {
    uint64_t keys_written; /* Operations applied since open; here and below. */
    uint64_t user_bytes;   /* Keys and values in them. */
    uint64_t log_bytes_written;
    uint64_t flushes;
    uint64_t flush_bytes;
    uint64_t compactions;
    uint64_t trivial_moves;
    uint64_t compaction_bytes_read;
    uint64_t compaction_bytes_written;
    uint64_t rewrites; /* Value files copied to their next generation. */
    uint64_t rewrite_bytes;
    uint64_t segments_adopted; /* Log segments that became value files in place. */
    uint64_t segments_recycled;
    uint64_t log_rolls;
    uint64_t stall_us; /* Delay put on writers. */
    uint64_t cache_hits;
    uint64_t cache_misses;
    /* Now: */
    uint64_t cache_bytes;
    uint64_t memtable_bytes;
    uint64_t memory_bytes; /* All that is charged to the store's budget. */
    uint64_t memory_peak_bytes;
    uint64_t table_files[7]; /* By level. */
    uint64_t table_bytes[7];
    uint64_t value_files;
    uint64_t value_file_bytes;
    uint64_t value_live_bytes;
    uint64_t log_bytes;
    uint64_t disk_bytes;
    uint64_t live_bytes; /* Tables and live values: disk_bytes / live_bytes is space amp. */
    uint64_t snapshots;
    const char *stall_reason; /* NULL: none now. Static storage. */
    const char *io;           /* "io_uring", "posix". Static storage. */
    const char *failure;      /* Why the store refuses to write; NULL. Stays until varve_close. */
};
VARVE_API enum varve_code varve_statistics(struct varve *store, struct varve_statistics *out,
                                           struct varve_error *error);

#ifdef __cplusplus
}
#endif

#endif
