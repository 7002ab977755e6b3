#include "embed/varve.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A store in a directory of its own, with small sizes, gone at the end. */
struct fixture {
    char dir[64];
    char path[80];
    struct varve_options options;
    struct varve *store;
};

static void must(enum varve_code code, const struct varve_error *error)
{
    cr_assert_eq(code, VARVE_OK, "%s: %s", varve_code_name(code), error->text);
}

static void reopen(struct fixture *f)
{
    struct varve_error error = { .text = "" };
    if (f->store != NULL) {
        must(varve_close(f->store, &error), &error);
        varve_free(f->store);
    }
    must(varve_open(f->path, &f->options, &f->store, &error), &error);
}

static struct fixture open_small(enum varve_durability durability)
{
    struct fixture f = { .store = NULL };
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/varve-embed-XXXXXX");
    cr_assert_not_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof f.path, "%s/s", f.dir);
    varve_options_init(&f.options);
    f.options.durability = durability;
    f.options.cache_size = 1 << 20;
    f.options.write_buffer_size = 256 << 10;
    f.options.log_segment_size = 256 << 10;
    f.options.log_size_max = 1 << 20;
    f.options.table_size = 64 << 10;
    f.options.level_base_size = 256 << 10;
    f.options.value_separation_min = 512;
    reopen(&f);
    return f;
}

static void close_small(struct fixture *f)
{
    char command[128];
    varve_free(f->store);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    cr_assert_eq(system(command), 0);
}

static size_t value_of(unsigned i, char *out)
{
    size_t size = 20 + i * 37 % 1500;
    for (size_t j = 0; j < size; j++)
        out[j] = (char)('a' + (i + j) % 26);
    return size;
}

static void put(struct fixture *f, unsigned i)
{
    char key[32];
    char value[2000];
    struct varve_error error;
    int n = snprintf(key, sizeof key, "key%08u", i);
    must(varve_put(f->store, 0, key, (size_t)n, value, value_of(i, value), &error), &error);
}

static void expect(struct fixture *f, unsigned i)
{
    char key[32];
    char value[2000];
    struct varve_pinned got;
    struct varve_error error = { .text = "" };
    int n = snprintf(key, sizeof key, "key%08u", i);
    size_t size = value_of(i, value);
    enum varve_code code = varve_get(f->store, NULL, key, (size_t)n, &got, &error);
    cr_assert_eq(code, VARVE_OK, "key %u: %s %s", i, varve_code_name(code), error.text);
    cr_assert_eq(got.size, size, "key %u", i);
    cr_assert_eq(memcmp(got.data, value, size), 0, "key %u", i);
    varve_unpin(f->store, &got);
}

static void load_and_check(enum varve_durability durability, unsigned count)
{
    struct fixture f = open_small(durability);
    struct varve_error error;
    struct varve_statistics s;

    for (unsigned i = 0; i < count; i++)
        put(&f, i * 7919 % count);
    for (unsigned i = 0; i < count; i++)
        expect(&f, i);
    must(varve_flush(f.store, &error), &error);
    must(varve_settle(f.store, &error), &error);
    for (unsigned i = 0; i < count; i++)
        expect(&f, i);
    must(varve_statistics(f.store, &s, &error), &error);
    cr_assert_gt(s.flushes, 0);
    if (durability == VARVE_RELAXED) /* More of them. */
        cr_assert_gt(s.compactions, 0);
    must(varve_verify(f.store, &error), &error);
    reopen(&f);
    for (unsigned i = 0; i < count; i++)
        expect(&f, i);
    close_small(&f);
}

/* What is written is there: from the memtable, from tables after compaction, after reopening. */
Test(embed_store, keeps_what_it_is_given_relaxed)
{
    load_and_check(VARVE_RELAXED, 8009);
}

Test(embed_store, keeps_what_it_is_given_durable)
{
    load_and_check(VARVE_DURABLE, 401);
}

/* What a drop deletes is on the disk before the name is forgotten: with the log that is synced, or
 * with tables (keyspace_crash_prog shows why). */
static void drop_and_count(enum varve_durability durability, uint64_t flushes)
{
    struct fixture f = open_small(durability);
    struct varve_statistics before;
    struct varve_statistics after;
    struct varve_error error;
    varve_keyspace keyspace;

    must(varve_keyspace_create(f.store, "passing", &keyspace, &error), &error);
    must(varve_put(f.store, keyspace, "k", 1, "v", 1, &error), &error);
    must(varve_statistics(f.store, &before, &error), &error);
    must(varve_keyspace_drop(f.store, "passing", &error), &error);
    must(varve_statistics(f.store, &after, &error), &error);
    cr_assert_eq(after.flushes - before.flushes, flushes);
    reopen(&f);
    cr_assert_eq(varve_keyspace_find(f.store, "passing", &keyspace, &error), VARVE_NOT_FOUND);
    close_small(&f);
}

Test(embed_store, a_dropped_keyspace_leaves_nothing_before_its_name)
{
    drop_and_count(VARVE_DURABLE, 0);
    drop_and_count(VARVE_RELAXED, 1);
}
