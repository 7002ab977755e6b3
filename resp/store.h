/*
 * store -- all that the gateway knows of the database under it.
 *
 * Commands are evaluations: they read rows, write rows, and answer. A row is a physical key
 * (resp/keys.h lays them out) with value, type byte, expiry and version. The server implements this
 * table over txn/; tests over a map in memory.
 *
 *   1. A command sees every write evaluated before it and its own.
 *   2. ST_AGAIN from a call: the row is being read. Return it up at once; the whole command is
 *      dropped and run again from its first line when the row is there. So a command writes only
 *      what a second run would write again, and keeps no state between calls of its own.
 *   3. Name all rows you will need before you block: store_prefetch, or a scout (resp/scout.h).
 *   4. Writes take effect together, if the command returns OK; replies (errors too) leave when all
 *      that the command saw is durable. The caller of the command does both.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_STORE_H
#define VARVE_RESP_STORE_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

struct store_row {
    struct bytes value; /* Borrowed until the command ends, or writes the row. Empty with STORE_META
                           when apart. */
    uint64_t size;
    uint64_t version;    /* 0: it has none yet. */
    uint64_t written_ms; /* When that was given, in wall time or a little ahead; 0: not yet. */
    uint64_t expire_ms;  /* 0: never. The store does not hide expired rows; commands do. */
    uint8_t type;
};
enum store_flags { STORE_META = 1 };

struct store_put {
    struct bytes key;
    struct bytes value;
    uint8_t type;
    uint64_t expire_ms;
};

/* What a client saw of a row when it said WATCH; opaque. */
struct store_watch {
    uint64_t version;   /* Of the moment: what is written later has a greater one. */
    uint64_t expire_ms; /* Of what was there; 0: none. */
    uint64_t taken_ns;  /* Monotonic. */
    uint64_t changes;   /* Of databases' ids until then: see database_change. */
    uint32_t database;
    bool was_live;
};

/* A cursor over rows on a pinned version: for SCAN, KEYS, RANDOMKEY. */
struct store_cursor;
enum store_cursor_flags {
    STORE_CURSOR_KEYS = 1, /* No values. */
    /* The command reads rows besides, and all that it reads must be of one moment: from here to
     * its end, whatever it waits for, nobody else writes. */
    STORE_CURSOR_EXACT = 2,
};

struct store_ops {
    /* OK, NOT_FOUND, AGAIN, CORRUPT, IO. */
    struct status (*get)(struct store *s, struct bytes key, unsigned flags, struct store_row *out);
    /* Start the reads of rows that are not in memory; never fails, never waits. */
    void (*prefetch)(struct store *s, const struct bytes *keys, size_t count, unsigned flags);
    struct status (*put)(struct store *s,
                         const struct store_put *put); /* Copies. LIMIT, NO_MEMORY */
    struct status (*remove)(struct store *s, struct bytes key);
    /* Of rows that nobody will ask for again: their object, or their database, is gone. */
    struct status (*remove_range)(struct store *s, struct bytes begin, struct bytes end);
    /* More than these bytes of keys and values no command can write: LIMIT. */
    size_t (*write_max)(struct store *s);

    /* Time of the command: wall milliseconds when it began; the same through a command. */
    uint64_t (*now_ms)(struct store *s);
    /* Is what was answered on the disk? Otherwise it is with the kernel. */
    bool (*is_durable)(struct store *s);
    /* Wall clock in microseconds, for TIME. */
    uint64_t (*wall_us)(struct store *s);
    /* A command that runs again is given the same numbers again. */
    uint64_t (*random)(struct store *s);
    /* Seed of hash32 in keys: the store's, for ever. */
    uint64_t (*hash_seed)(struct store *s);
    /* An id never given out before: object ids, database ids. */
    uint64_t (*fresh_id)(struct store *s);

    /* Databases. A number (SELECT) names an id; keys carry the id. */
    uint32_t (*database_count)(struct store *s);
    uint32_t (*database_id)(struct store *s, uint32_t number);
    /* The id that number was given by the next change after *change of them, which moves on.
     * NOT_FOUND: it has kept its id since; CONFLICT: there were too many changes to tell. */
    struct status (*database_change)(struct store *s, uint32_t number, uint64_t *change,
                                     uint32_t *out_id);
    /* Give number a fresh id; the old id's rows are purged in the background. Part of the command.
     */
    struct status (*database_clear)(struct store *s, uint32_t number);
    /* Give each of two numbers the other's id. Part of the command. */
    struct status (*database_swap)(struct store *s, uint32_t a, uint32_t b);
    /* Exact counts of live (not yet expired-and-removed) keys; include pending writes. A report: no
     * reply waits for what they show. */
    void (*counts)(struct store *s, uint32_t database_id, uint64_t *out_keys,
                   uint64_t *out_expires);
    /* How many keys, as an answer: it leaves when the writes that made them so many are durable. */
    uint64_t (*size)(struct store *s, uint32_t database_id);
    /* The command adds or removes keys; part of the command. */
    struct status (*count)(struct store *s, uint32_t database_id, int64_t keys, int64_t expires);
    /* A row of the expiry index of this slot was written: may be the slot's earliest. */
    void (*expiry_hint)(struct store *s, uint32_t slot, uint64_t expire_ms);

    /* WATCH: settle what is pending, look at the row, remember; out->database is the id that
     * database (a number, as SELECT takes) has now. AGAIN as get. */
    struct status (*watch)(struct store *s, uint32_t database, struct bytes key,
                           struct store_watch *out);
    /* OK; CONFLICT: the row was written (created and deleted too) since the token was taken, or
     * what the token saw has expired. AGAIN as get. Of this row alone: whether the number has got
     * another id since, the gateway sees to. */
    struct status (*watch_check)(struct store *s, uint32_t database, struct bytes key,
                                 const struct store_watch *w);

    /*
     * Rows in [lower, upper), in key order, on a version that holds everything evaluated before
     * this command. AGAIN: not there yet or a block is being read; the cursor survives: it belongs
     * to the session's running command (kept by the store between runs, closed when it ends).
     * flags: enum store_cursor_flags.
     */
    struct status (*cursor_open)(struct store *s, struct bytes lower, struct bytes upper,
                                 unsigned flags, struct store_cursor **out);
    /* OK and a row, NOT_FOUND at the end, AGAIN: call again with nothing lost. Borrowed until the
     * next call. */
    struct status (*cursor_next)(struct store_cursor *c, struct bytes *out_key,
                                 struct store_row *out_row);
    /* The next row will be the first at or after key, within the bounds, back or forth on the same
     * version. Reads nothing yet. */
    void (*cursor_seek)(struct store_cursor *c, struct bytes key);
    void (*cursor_close)(struct store_cursor *c);
};

struct store {
    const struct store_ops *ops;
};

#endif
