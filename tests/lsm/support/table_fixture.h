/*
 * table_fixture -- a machine with a directory, a cache and a ring, to build and read tables on.
 */
#ifndef VARVE_TESTS_LSM_TABLE_FIXTURE_H
#define VARVE_TESTS_LSM_TABLE_FIXTURE_H

#include "base/budget.h"
#include "base/env.h"

#include "cache/cache.h"

#include "lsm/table.h"

#include "entry_set.h"

struct io_sim;

struct table_fixture {
    struct io_sim *sim;
    struct budget budget;
    struct env env;
    struct io_ring *ring;
    struct cache *cache;
    struct fetch fetch; /* Blocking. */
};

/* A simulated machine, with an empty directory "d". */
void table_fixture_init(struct table_fixture *x, uint64_t cache_size);
/* Checks that nothing is charged any more. */
void table_fixture_deinit(struct table_fixture *x);

/* Write a table of a set, and range deletes, and open it. The meta is the caller's. */
struct table_input {
    uint64_t id;
    const struct entry_set *set;
    const struct lsm_range_delete *range_deletes;
    size_t range_delete_count;
    struct lsm_table_options options;
};
void table_fixture_build(struct table_fixture *x, const struct table_input *in,
                         struct lsm_table_meta *out_meta);
struct lsm_table *table_fixture_open(struct table_fixture *x, const struct lsm_table_meta *meta);

/* Drive a non-blocking fetch until it is ready. */
void table_fixture_drive(struct table_fixture *x, struct fetch *f);

/* The bytes of table id, in memory of malloc. And put them back. */
uint8_t *table_fixture_load(struct table_fixture *x, uint64_t id, size_t *out_size);
void table_fixture_store(struct table_fixture *x, uint64_t id, const uint8_t *data, size_t size);

#endif
