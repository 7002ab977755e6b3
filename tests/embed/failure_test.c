/*
 * A write that the kernel refuses is not acknowledged, nor is anything after it: whoever led the
 * write, the device was asked before the caller was told. The log meets a limit on the size of
 * files; what was acknowledged until then, and nothing less, is there when the store is opened
 * again.
 */
#include "base/check.h"
#include "base/thread.h"

#include "embed/varve.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREADS = 4, PUTS_MAX = 2000, VALUE_SIZE = 1000, LIMIT = 128 << 10 };

struct writer {
    struct varve *store;
    unsigned number;
    unsigned acknowledged; /* So many of its puts, from the first on. */
};

static char dir[64];

static struct varve *open_store(enum varve_durability durability)
{
    struct varve_options options;
    struct varve_error error;
    struct varve *store = NULL;

    varve_options_init(&options);
    options.durability = durability;
    options.log_segment_size = 1 << 20;
    cr_assert_eq(varve_open(dir, &options, &store, &error), VARVE_OK, "%s", error.text);
    return store;
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static uint64_t key_of(unsigned writer, unsigned put)
{
    return (uint64_t)writer << 32 | put;
}

static void put_until_refused(void *context)
{
    struct writer *w = context;
    uint8_t value[VALUE_SIZE];
    enum varve_code code = VARVE_OK;

    while (code == VARVE_OK && w->acknowledged < PUTS_MAX) {
        uint64_t key = key_of(w->number, w->acknowledged);
        memset(value, (int)(key % 251), sizeof value);
        code = varve_put(w->store, VARVE_DEFAULT_KEYSPACE, &key, sizeof key, value, sizeof value,
                         NULL);
        w->acknowledged += code == VARVE_OK;
    }
}

static void assert_all_there(struct varve *store, const struct writer *w)
{
    uint8_t value[VALUE_SIZE];
    size_t size = 0;

    for (unsigned i = 0; i < w->acknowledged; i++) {
        uint64_t key = key_of(w->number, i);
        cr_assert_eq(
            varve_get_copy(store, NULL, &key, sizeof key, value, sizeof value, &size, NULL),
            VARVE_OK, "put %u of %u that writer %u was told of is lost", i, w->acknowledged,
            w->number);
        cr_assert(size == VALUE_SIZE && value[0] == key % 251 && value[size - 1] == key % 251);
    }
}

static void write_to_the_limit(enum varve_durability durability, unsigned count)
{
    struct writer writers[THREADS];
    struct thread *threads[THREADS];
    char command[128];

    (void)snprintf(dir, sizeof dir, "/tmp/varve_failure_XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct varve *store = open_store(durability);
    limit_files(LIMIT);
    for (unsigned i = 0; i < count; i++) {
        writers[i] = (struct writer) { .store = store, .number = i };
        CHECK(succeeded(thread_start("writer", put_until_refused, &writers[i], &threads[i])));
    }
    for (unsigned i = 0; i < count; i++)
        thread_join(threads[i]);
    varve_free(store);
    limit_files(RLIM_INFINITY);
    store = open_store(durability);
    for (unsigned i = 0; i < count; i++) {
        cr_assert(writers[i].acknowledged < PUTS_MAX, "no write was refused");
        assert_all_there(store, &writers[i]);
    }
    varve_free(store);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

Test(embed_failure, a_refused_durable_write_is_not_acknowledged)
{
    write_to_the_limit(VARVE_DURABLE, 1);
}

Test(embed_failure, a_refused_relaxed_write_is_not_acknowledged)
{
    write_to_the_limit(VARVE_RELAXED, 1);
}

Test(embed_failure, a_refused_write_is_not_acknowledged_to_any_of_a_group)
{
    write_to_the_limit(VARVE_DURABLE, THREADS);
}
