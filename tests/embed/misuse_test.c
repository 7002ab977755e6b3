#include "embed/varve.h"

#include <criterion/criterion.h>

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    char path[80];
    struct varve_options options;
    struct varve *store;
    struct varve_error error;
};

static void must(struct fixture *f, enum varve_code code)
{
    cr_assert_eq(code, VARVE_OK, "%s: %s", varve_code_name(code), f->error.text);
}

static void init(struct fixture *f)
{
    *f = (struct fixture) { .store = NULL };
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/varve-misuse-XXXXXX");
    cr_assert_not_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/s", f->dir);
    varve_options_init(&f->options);
    must(f, varve_options_parse(&f->options,
                                "durability=relaxed; cache_size=1m; write_buffer_size=256k; "
                                "log_segment_size=256k",
                                &f->error));
    must(f, varve_open(f->path, &f->options, &f->store, &f->error));
}

static void deinit(struct fixture *f)
{
    char command[128];
    varve_free(f->store);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    cr_assert_eq(system(command), 0);
}

static void put(struct fixture *f, const char *key, const char *value)
{
    must(f, varve_put(f->store, 0, key, strlen(key), value, strlen(value), &f->error));
}

/* Every call of a store that is NULL or closed. */
static void expect_refused(struct varve *store)
{
    struct varve_error error;
    struct varve_pinned value;
    struct varve_snapshot *snapshot;
    struct varve_iterator *iterator;
    struct varve_batch *batch;
    struct varve_statistics statistics;
    varve_keyspace keyspace;

    cr_assert_eq(varve_put(store, 0, "k", 1, "v", 1, &error), VARVE_INVALID);
    cr_assert_eq(error.code, VARVE_INVALID);
    cr_assert_eq(varve_delete(store, 0, "k", 1, NULL), VARVE_INVALID);
    cr_assert_eq(varve_delete_range(store, 0, "a", 1, "b", 1, NULL), VARVE_INVALID);
    cr_assert_eq(varve_get(store, NULL, "k", 1, &value, NULL), VARVE_INVALID);
    cr_assert_eq(varve_snapshot_take(store, &snapshot, NULL), VARVE_INVALID);
    cr_assert_eq(varve_iterator_create(store, NULL, &iterator, NULL), VARVE_INVALID);
    cr_assert_eq(varve_batch_create(store, &batch, NULL), VARVE_INVALID);
    cr_assert_eq(varve_keyspace_create(store, "n", &keyspace, NULL), VARVE_INVALID);
    cr_assert_eq(varve_flush(store, NULL), VARVE_INVALID);
    cr_assert_eq(varve_settle(store, NULL), VARVE_INVALID);
    cr_assert_eq(varve_verify(store, NULL), VARVE_INVALID);
    cr_assert_eq(varve_statistics(store, &statistics, NULL), VARVE_INVALID);
    cr_assert_eq(varve_close(store, NULL), VARVE_INVALID);
}

Test(embed_misuse, a_null_or_closed_store_is_refused)
{
    struct fixture f;
    init(&f);
    expect_refused(NULL);
    must(&f, varve_close(f.store, &f.error));
    expect_refused(f.store);
    varve_free(NULL);
    deinit(&f);
}

Test(embed_misuse, a_bad_option_is_named_with_its_range)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        { "cache_size=12x", "cache_size" },     { "level_fanout=1", "2 to 100" },
        { "level_fanout=101", "level_fanout" }, { "durability=maybe", "durable or relaxed" },
        { "create_if_missing=2", "yes or no" }, { "space_amp_target=1", "1.05 to 100" },
        { "nonsense=1", "nonsense" },           { "cache_size", "name=value" },
        { "filter_bits=-1", "1 to 32" },        { "block_size=99999999999999999999", "block_size" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct varve_options options;
        struct varve_options before;
        struct varve_error error;
        char text[100];
        varve_options_init(&options);
        before = options;
        (void)snprintf(text, sizeof text, "level_fanout=7; %s", bad[i].text);
        cr_assert_eq(varve_options_parse(&options, text, &error), VARVE_INVALID, "%s", text);
        cr_assert_not_null(strstr(error.text, bad[i].says), "%s: %s", text, error.text);
        cr_assert_eq(options.level_fanout, before.level_fanout);
    }
}

/* Options that were set in the struct are checked by open, before it touches the disk. */
Test(embed_misuse, open_refuses_options_that_cannot_be)
{
    static const struct varve_options nothing;
    struct fixture f;
    struct varve *second = NULL;
    char path[100];
    struct varve_options bad[5];
    static const char *const says[] = { "durability", "io", "memory_limit", "varve_options_init",
                                        "4096" };

    init(&f);
    (void)snprintf(path, sizeof path, "%s/t", f.dir);
    for (int i = 0; i < 5; i++)
        bad[i] = f.options;
    bad[0].durability = (enum varve_durability)7;
    bad[1].io = (enum varve_io)7;
    bad[2].memory_limit = bad[2].cache_size;
    bad[3] = nothing;
    bad[4].log_segment_size = 20000;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(varve_open(path, &bad[i], &second, &f.error), VARVE_INVALID, "option %d", i);
        cr_assert_not_null(strstr(f.error.text, says[i]), "%s", f.error.text);
        cr_assert_neq(access(path, F_OK), 0);
    }
    deinit(&f);
}

/* What is wrong with a path is said in the machine's words. */
Test(embed_misuse, a_path_that_is_no_store_is_refused_with_the_reason)
{
    struct fixture f;
    struct varve *second = NULL;
    char path[100];

    init(&f);
    (void)snprintf(path, sizeof path, "%s/no/s", f.dir);
    cr_assert_eq(varve_open(path, &f.options, &second, &f.error), VARVE_NOT_FOUND);
    cr_assert_not_null(strstr(f.error.text, "the directory to make it in"), "%s", f.error.text);
    cr_assert_eq(varve_open("/etc/passwd", &f.options, &second, &f.error), VARVE_INVALID);
    cr_assert_not_null(strstr(f.error.text, "Not a directory"), "%s", f.error.text);
    cr_assert_eq(varve_open("/etc", &f.options, &second, &f.error), VARVE_INVALID);
    cr_assert_not_null(strstr(f.error.text, "no store"), "%s", f.error.text);
    deinit(&f);
}

Test(embed_misuse, a_key_too_large_is_refused)
{
    struct fixture f;
    char *key = calloc(1, 65001);
    init(&f);
    must(&f, varve_put(f.store, 0, key, 65000, "v", 1, &f.error));
    cr_assert_eq(varve_put(f.store, 0, key, 65001, "v", 1, &f.error), VARVE_LIMIT);
    cr_assert_not_null(strstr(f.error.text, "65000"));
    cr_assert_eq(varve_delete(f.store, 0, key, 65001, &f.error), VARVE_LIMIT);
    cr_assert_neq(varve_put(f.store, 70000, "k", 1, "v", 1, &f.error), VARVE_OK);
    cr_assert_eq(varve_put(f.store, 0, NULL, 3, "v", 1, &f.error), VARVE_INVALID);
    put(&f, "after", "is fine");
    free(key);
    deinit(&f);
}

Test(embed_misuse, an_iterator_moves_from_an_entry_only)
{
    struct fixture f;
    struct varve_iterator *it;
    struct varve_slice value;
    init(&f);
    put(&f, "k", "v");
    must(&f, varve_iterator_create(f.store, NULL, &it, &f.error));
    cr_assert_not(varve_iterator_valid(it));
    cr_assert_eq(varve_iterator_next(it, &f.error), VARVE_INVALID);
    cr_assert_eq(varve_iterator_prev(it, &f.error), VARVE_INVALID);
    cr_assert_eq(varve_iterator_value(it, &value, &f.error), VARVE_INVALID);
    cr_assert_null(varve_iterator_key(it).data);
    must(&f, varve_iterator_first(it, &f.error));
    must(&f, varve_iterator_next(it, &f.error));
    cr_assert_not(varve_iterator_valid(it));
    cr_assert_eq(varve_iterator_next(it, &f.error), VARVE_INVALID);
    cr_assert_eq(varve_iterator_first(NULL, &f.error), VARVE_INVALID);
    varve_iterator_destroy(it);
    varve_iterator_destroy(NULL);
    deinit(&f);
}

Test(embed_misuse, a_store_that_lends_something_does_not_close)
{
    struct fixture f;
    struct varve_iterator *it;
    struct varve_snapshot *snapshot;
    struct varve_pinned value;
    init(&f);
    put(&f, "k", "v");
    must(&f, varve_iterator_create(f.store, NULL, &it, &f.error));
    cr_assert_eq(varve_close(f.store, &f.error), VARVE_BUSY);
    varve_iterator_destroy(it);
    must(&f, varve_snapshot_take(f.store, &snapshot, &f.error));
    cr_assert_eq(varve_close(f.store, &f.error), VARVE_BUSY);
    varve_snapshot_release(f.store, snapshot);
    must(&f, varve_get(f.store, NULL, "k", 1, &value, &f.error));
    cr_assert_eq(varve_close(f.store, &f.error), VARVE_BUSY);
    varve_unpin(f.store, &value);
    must(&f, varve_close(f.store, &f.error));
    deinit(&f);
}

Test(embed_misuse, a_snapshot_of_another_store_is_refused)
{
    struct fixture f;
    struct fixture g;
    struct varve_snapshot *snapshot;
    struct varve_iterator *it;
    struct varve_pinned value;
    enum varve_code code;
    size_t size;

    init(&f);
    init(&g);
    put(&g, "k", "v");
    must(&f, varve_snapshot_take(f.store, &snapshot, &f.error));
    const struct varve_read_options read = { .snapshot = snapshot };
    const struct varve_iterator_options iterate = { .snapshot = snapshot };
    const struct varve_slice key = { "k", 1 };
    cr_assert_eq(varve_get(g.store, &read, "k", 1, &value, &g.error), VARVE_INVALID);
    cr_assert_not_null(strstr(g.error.text, "another store"));
    cr_assert_eq(varve_get_copy(g.store, &read, "k", 1, NULL, 0, &size, NULL), VARVE_INVALID);
    cr_assert_eq(varve_multi_get(g.store, &read, &key, 1, &value, &code, NULL), VARVE_INVALID);
    cr_assert_eq(varve_iterator_create(g.store, &iterate, &it, NULL), VARVE_INVALID);
    varve_snapshot_release(f.store, snapshot);
    deinit(&g);
    deinit(&f);
}

/* Many values may be pinned at a time, though a process has few files. */
Test(embed_misuse, pinned_values_use_up_no_files)
{
    enum { PINS = 500 };
    const struct rlimit few = { .rlim_cur = 200, .rlim_max = 200 };
    struct fixture f;
    struct varve_pinned *pinned = calloc(PINS, sizeof *pinned);

    init(&f);
    put(&f, "k", "value");
    must(&f, varve_flush(f.store, &f.error));
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < PINS; i++)
        must(&f, varve_get(f.store, NULL, "k", 1, &pinned[i], &f.error));
    for (int i = 0; i < PINS; i++) {
        cr_assert(pinned[i].size == 5 && memcmp(pinned[i].data, "value", 5) == 0);
        varve_unpin(f.store, &pinned[i]);
    }
    free(pinned);
    deinit(&f);
}

/* A key that is not there is no failure: there are no words for it, but old ones are gone. */
Test(embed_misuse, not_found_has_no_words)
{
    struct fixture f;
    struct varve_pinned value;

    init(&f);
    (void)snprintf(f.error.text, sizeof f.error.text, "something else");
    cr_assert_eq(varve_get(f.store, NULL, "k", 1, &value, &f.error), VARVE_NOT_FOUND);
    cr_assert_eq(f.error.code, VARVE_NOT_FOUND);
    cr_assert_str_empty(f.error.text);
    must(&f, varve_multi_get(f.store, NULL, NULL, 0, NULL, NULL, &f.error));
    deinit(&f);
}

/* The buffers that one large value went through are not kept for the next small one. */
Test(embed_misuse, a_large_value_leaves_no_large_buffers)
{
    enum { SIZE = 40 << 20 };
    struct fixture f;
    struct varve_statistics statistics;
    char *large = malloc(SIZE);

    init(&f);
    memset(large, 'x', SIZE);
    const struct mallinfo2 before = mallinfo2();
    must(&f, varve_put(f.store, 0, "k", 1, large, SIZE, &f.error));
    const struct mallinfo2 after = mallinfo2();
    must(&f, varve_statistics(f.store, &statistics, &f.error));
    size_t more = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    cr_assert(more < statistics.memory_bytes + SIZE / 4, "%zu bytes more, %llu accounted for", more,
              (unsigned long long)statistics.memory_bytes);
    free(large);
    deinit(&f);
}

/* The disk is full: whoever waits for the background is told so, and it goes on when there is
 * space. Method: no file may be larger than half a megabyte, and a table of one has to be. */
Test(embed_misuse, a_full_disk_is_said_to_who_waits_for_it)
{
    struct rlimit normal;
    struct fixture f;
    struct varve_pinned value;
    char large[1000];

    init(&f);
    must(&f, varve_close(f.store, &f.error));
    varve_free(f.store);
    f.options.write_buffer_size = 4 << 20;
    must(&f, varve_open(f.path, &f.options, &f.store, &f.error));
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%08d", i);
        must(&f, varve_put(f.store, 0, key, strlen(key), large, sizeof large, &f.error));
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &normal), 0);
    const struct rlimit half = { .rlim_cur = 512 << 10, .rlim_max = normal.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &half), 0);
    cr_assert_eq(varve_flush(f.store, &f.error), VARVE_NO_SPACE, "%s", f.error.text);
    cr_assert_not_null(strstr(f.error.text, "full"), "%s", f.error.text);
    cr_assert_eq(varve_settle(f.store, &f.error), VARVE_NO_SPACE);
    must(&f, varve_get(f.store, NULL, "00000007", 8, &value, &f.error));
    varve_unpin(f.store, &value);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &normal), 0);
    must(&f, varve_flush(f.store, &f.error));
    put(&f, "after", "is fine");
    must(&f, varve_settle(f.store, &f.error));
    deinit(&f);
}

Test(embed_misuse, a_second_open_is_busy_and_names_the_holder)
{
    struct fixture f;
    struct varve *second;
    char holder[32];
    int status;

    init(&f);
    (void)snprintf(holder, sizeof holder, "%d", (int)getpid());
    cr_assert_eq(varve_open(f.path, &f.options, &second, &f.error), VARVE_BUSY);
    cr_assert_not_null(strstr(f.error.text, holder), "%s", f.error.text);
    pid_t child = fork();
    if (child == 0) {
        enum varve_code code = varve_open(f.path, &f.options, &second, &f.error);
        _exit(code == VARVE_BUSY && strstr(f.error.text, holder) != NULL ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    deinit(&f);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* The keys an iterator shows, forward; the same backward. */
static void expect_keys(struct fixture *f, const struct varve_iterator_options *o, const char *want)
{
    struct varve_iterator *it;
    char forward[100] = "";
    char backward[100] = "";
    must(f, varve_iterator_create(f->store, o, &it, &f->error));
    for (must(f, varve_iterator_first(it, &f->error)); varve_iterator_valid(it);
         must(f, varve_iterator_next(it, &f->error))) {
        struct varve_slice k = varve_iterator_key(it);
        (void)snprintf(forward + strlen(forward), sizeof forward - strlen(forward), "%.*s ",
                       (int)k.size, (const char *)k.data);
    }
    for (must(f, varve_iterator_last(it, &f->error)); varve_iterator_valid(it);
         must(f, varve_iterator_prev(it, &f->error))) {
        struct varve_slice k = varve_iterator_key(it);
        char before[100];
        memcpy(before, backward, sizeof before);
        (void)snprintf(backward, sizeof backward, "%.*s %.80s", (int)k.size, (const char *)k.data,
                       before);
    }
    cr_assert_str_eq(forward, want);
    cr_assert_str_eq(backward, want);
    varve_iterator_destroy(it);
}

Test(embed_reads, iterators_keep_to_their_bounds_both_ways)
{
    struct fixture f;
    init(&f);
    for (int flushed = 0; flushed < 2; flushed++) {
        put(&f, "a", "1");
        put(&f, "ba", "2");
        put(&f, "bb", "3");
        put(&f, "c", "4");
        put(&f, "\xff\xff", "5");
        expect_keys(&f, NULL, "a ba bb c \xff\xff ");
        expect_keys(&f, &(struct varve_iterator_options) { .prefix = "b", .prefix_size = 1 },
                    "ba bb ");
        expect_keys(&f, &(struct varve_iterator_options) { .prefix = "\xff", .prefix_size = 1 },
                    "\xff\xff ");
        expect_keys(&f,
                    &(struct varve_iterator_options) {
                        .lower = "ba", .lower_size = 2, .upper = "c", .upper_size = 1 },
                    "ba bb ");
        expect_keys(&f,
                    &(struct varve_iterator_options) {
                        .lower = "bb", .lower_size = 2, .prefix = "b", .prefix_size = 1 },
                    "bb ");
        must(&f, varve_flush(f.store, &f.error));
    }
    deinit(&f);
}

Test(embed_reads, a_snapshot_does_not_see_what_came_after)
{
    struct fixture f;
    struct varve_snapshot *snapshot;
    init(&f);
    put(&f, "a", "1");
    put(&f, "b", "1");
    must(&f, varve_snapshot_take(f.store, &snapshot, &f.error));
    put(&f, "c", "1");
    must(&f, varve_delete_range(f.store, 0, "a", 1, "b", 1, &f.error));
    must(&f, varve_flush(f.store, &f.error));
    expect_keys(&f, NULL, "b c ");
    expect_keys(&f, &(struct varve_iterator_options) { .snapshot = snapshot }, "a b ");
    varve_snapshot_release(f.store, snapshot);
    deinit(&f);
}

Test(embed_reads, keyspaces_are_apart_and_a_batch_spans_them)
{
    struct fixture f;
    struct varve_batch *batch;
    varve_keyspace one;
    varve_keyspace again;
    struct varve_slice keys[] = { { "k", 1 }, { "no", 2 } };
    struct varve_pinned values[2];
    enum varve_code codes[2];
    init(&f);
    must(&f, varve_keyspace_create(f.store, "one", &one, &f.error));
    cr_assert_eq(varve_keyspace_create(f.store, "one", &again, &f.error), VARVE_BUSY);
    must(&f, varve_batch_create(f.store, &batch, &f.error));
    must(&f, varve_batch_put(batch, one, "k", 1, "in one", 6, &f.error));
    must(&f, varve_batch_put(batch, 0, "d", 1, "default", 7, &f.error));
    must(&f, varve_write(f.store, batch, &f.error));
    varve_batch_destroy(batch);
    const struct varve_read_options in_one = { .keyspace = one };
    must(&f, varve_multi_get(f.store, &in_one, keys, 2, values, codes, &f.error));
    cr_assert_eq(codes[0], VARVE_OK);
    cr_assert(values[0].size == 6 && memcmp(values[0].data, "in one", 6) == 0);
    varve_unpin(f.store, &values[0]);
    cr_assert_eq(codes[1], VARVE_NOT_FOUND);
    expect_keys(&f, NULL, "d ");
    must(&f, varve_keyspace_drop(f.store, "one", &f.error));
    cr_assert_eq(varve_keyspace_find(f.store, "one", &again, &f.error), VARVE_NOT_FOUND);
    deinit(&f);
}

/* Every call with a number that no keyspace has. */
static void expect_no_keyspace(struct fixture *f, varve_keyspace keyspace)
{
    const struct varve_read_options read = { .keyspace = keyspace };
    const struct varve_iterator_options iterate = { .keyspace = keyspace };
    struct varve_slice key = { "k", 1 };
    struct varve_pinned value;
    struct varve_iterator *iterator;
    struct varve_batch *batch;
    enum varve_code code;
    char room[8];
    size_t size;
    must(f, varve_batch_create(f->store, &batch, &f->error));
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        f->error.text[0] = '\0';                                                                   \
        cr_assert_eq(call, VARVE_INVALID, #call);                                                  \
        cr_assert_not_null(strstr(f->error.text, "no such keyspace"), #call);                      \
    } while (0)
    REFUSED(varve_put(f->store, keyspace, "k", 1, "v", 1, &f->error));
    REFUSED(varve_delete(f->store, keyspace, "k", 1, &f->error));
    REFUSED(varve_delete_range(f->store, keyspace, "a", 1, "z", 1, &f->error));
    REFUSED(varve_batch_put(batch, keyspace, "k", 1, "v", 1, &f->error));
    REFUSED(varve_batch_delete(batch, keyspace, "k", 1, &f->error));
    REFUSED(varve_batch_delete_range(batch, keyspace, "a", 1, "z", 1, &f->error));
    REFUSED(varve_get(f->store, &read, "k", 1, &value, &f->error));
    REFUSED(varve_get_copy(f->store, &read, "k", 1, room, sizeof room, &size, &f->error));
    REFUSED(varve_multi_get(f->store, &read, &key, 1, &value, &code, &f->error));
    REFUSED(varve_iterator_create(f->store, &iterate, &iterator, &f->error));
    REFUSED(varve_compact(f->store, keyspace, NULL, 0, NULL, 0, &f->error));
#undef REFUSED
    varve_batch_destroy(batch);
}

Test(embed_reads, a_number_that_no_keyspace_has_is_refused)
{
    struct fixture f;
    varve_keyspace one;
    varve_keyspace two;
    init(&f);
    must(&f, varve_keyspace_create(f.store, "one", &one, &f.error));
    const varve_keyspace wrong[] = { one + 1, one + 63, 0xffff, 0x10000, UINT32_MAX };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_no_keyspace(&f, wrong[i]);
    must(&f, varve_put(f.store, one, "k", 1, "v", 1, &f.error));
    must(&f, varve_keyspace_drop(f.store, "one", &f.error));
    expect_no_keyspace(&f, one);
    must(&f, varve_keyspace_create(f.store, "two", &two, &f.error));
    cr_assert_neq(one, two);
    expect_keys(&f, &(struct varve_iterator_options) { .keyspace = two }, "");
    must(&f, varve_put(f.store, two, "t", 1, "v", 1, &f.error));

    must(&f, varve_close(f.store, &f.error));
    varve_free(f.store);
    f.store = NULL;
    must(&f, varve_open(f.path, &f.options, &f.store, &f.error));
    expect_no_keyspace(&f, one);
    expect_no_keyspace(&f, two + 1);
    expect_keys(&f, &(struct varve_iterator_options) { .keyspace = two }, "t ");

    must(&f, varve_keyspace_drop(f.store, "two", &f.error));
    for (int i = 0; i < 2; i++) { /* The second begins with a manifest that has no "two". */
        must(&f, varve_close(f.store, &f.error));
        varve_free(f.store);
        f.store = NULL;
        must(&f, varve_open(f.path, &f.options, &f.store, &f.error));
    }
    must(&f, varve_keyspace_create(f.store, "three", &one, &f.error));
    cr_assert_gt(one, two);
    deinit(&f);
}

Test(embed_reads, a_dropped_keyspace_is_in_older_snapshots_only)
{
    struct fixture f;
    struct varve_snapshot *snapshot;
    varve_keyspace one;
    init(&f);
    must(&f, varve_keyspace_create(f.store, "one", &one, &f.error));
    must(&f, varve_put(f.store, one, "k", 1, "v", 1, &f.error));
    must(&f, varve_snapshot_take(f.store, &snapshot, &f.error));
    must(&f, varve_keyspace_drop(f.store, "one", &f.error));
    const struct varve_iterator_options before = { .snapshot = snapshot, .keyspace = one };
    expect_keys(&f, &before, "k ");
    varve_snapshot_release(f.store, snapshot);
    must(&f, varve_snapshot_take(f.store, &snapshot, &f.error));
    const struct varve_iterator_options after = { .snapshot = snapshot, .keyspace = one };
    expect_keys(&f, &after, "");
    varve_snapshot_release(f.store, snapshot);
    expect_no_keyspace(&f, one);
    deinit(&f);
}

Test(embed_reads, a_batch_for_a_keyspace_dropped_since_is_refused)
{
    struct fixture f;
    struct varve_batch *batch;
    varve_keyspace one;
    init(&f);
    must(&f, varve_keyspace_create(f.store, "one", &one, &f.error));
    must(&f, varve_batch_create(f.store, &batch, &f.error));
    must(&f, varve_batch_put(batch, one, "k", 1, "v", 1, &f.error));
    must(&f, varve_batch_put(batch, 0, "d", 1, "v", 1, &f.error));
    must(&f, varve_keyspace_drop(f.store, "one", &f.error));
    cr_assert_eq(varve_write(f.store, batch, &f.error), VARVE_INVALID);
    cr_assert_not_null(strstr(f.error.text, "no such keyspace"));
    expect_keys(&f, NULL, "");
    varve_batch_clear(batch);
    must(&f, varve_batch_put(batch, 0, "d", 1, "v", 1, &f.error));
    must(&f, varve_write(f.store, batch, &f.error));
    expect_keys(&f, NULL, "d ");
    varve_batch_destroy(batch);
    deinit(&f);
}

Test(embed_reads, a_checkpoint_is_a_store_of_its_own)
{
    struct fixture f;
    char target[100];
    init(&f);
    put(&f, "a", "1");
    (void)snprintf(target, sizeof target, "%s/copy", f.dir);
    must(&f, varve_checkpoint(f.store, target, &f.error));
    put(&f, "b", "1");
    must(&f, varve_close(f.store, &f.error));
    varve_free(f.store);
    must(&f, varve_open(target, &f.options, &f.store, &f.error));
    expect_keys(&f, NULL, "a ");
    must(&f, varve_verify(f.store, &f.error));
    deinit(&f);
}
