/*
 * map_store -- resp/store.h over a sorted array in memory, as small as it can be and still show a
 * command everything a real store would: its own writes and nothing of them to its cursors, reads
 * that are not there at first, writes that fail, versions, databases, counts, WATCH.
 */
#ifndef VARVE_TESTS_RESP_MAP_STORE_H
#define VARVE_TESTS_RESP_MAP_STORE_H

#include "resp/store.h"

#include <stddef.h>

enum { MAP_DATABASES = 16, MAP_CHANGES = 64 };

struct map_row {
    struct bytes key; /* Both owned. */
    struct bytes value;
    uint64_t version;
    uint64_t written_ms;
    uint64_t expire_ms;
    uint8_t type;
    bool is_deleted;
};

struct map_rows {
    struct map_row *rows; /* By key. */
    size_t count;
    size_t capacity;
};

struct map_range {
    struct bytes begin;
    struct bytes end;
};

struct map_change {
    uint32_t number;
    uint32_t id;
};

struct map_store {
    struct store store;
    struct map_rows committed; /* With tombstones. */
    struct map_rows own;       /* Of the running command. */
    struct map_range ranges[64];
    size_t range_count;
    uint64_t version;
    uint64_t now_ms;
    bool is_relaxed;
    uint64_t next_id;
    uint64_t next_id_before; /* At the beginning of the command, as all below. */
    uint64_t random_state;
    uint64_t random_state_before;
    uint32_t databases[MAP_DATABASES];
    uint32_t databases_before[MAP_DATABASES];
    struct map_change changes[MAP_CHANGES]; /* The last ones of databases' ids, in a ring. */
    size_t change_count;
    size_t change_count_before;
    int64_t keys[1024]; /* By database id, as the next. */
    int64_t expires[1024];
    int64_t keys_before[1024];
    int64_t expires_before[1024];

    /* Reads that are not there: with is_cold every row is read from afar once a request. */
    bool is_cold;
    struct map_rows wanted;
    struct map_rows loaded;

    /* What was read, at least a chunk's work a row; once that is more than read_max_bytes, reads
     * fail (IO). 0: they never do. */
    uint64_t read_bytes;
    uint64_t read_max_bytes;

    /* The write numbered fail_at (1 is the next) of those to come answers fail_with. */
    size_t fail_at;
    enum status_code fail_with;

    size_t gets;
    size_t puts;
    size_t put_bytes; /* Keys and values. */
    size_t removes;
    size_t open_cursors;
    uint32_t hinted_slot;
    uint64_t hinted_ms;
};

void map_store_init(struct map_store *m);
void map_store_deinit(struct map_store *m);

/* Around every command. */
void map_store_begin(struct map_store *m);
void map_store_keep(struct map_store *m);
void map_store_drop(struct map_store *m);
/* The request has run to its end: what it read is cold again. */
void map_store_forget(struct map_store *m);

/* Rows that are not deleted. */
size_t map_store_count(const struct map_store *m);
/* The n-th of them, by key. */
const struct map_row *map_store_at(const struct map_store *m, size_t n);

#endif
