/*
 * What bench/engine.h demands of an adapter, of varve's own: who judges the figures must be able
 * to trust that varve does what the peers beside it do.
 */
#include "bench/engines.h"
#include "bench/run.h"

#include "base/budget.h"
#include "base/io.h"
#include "base/log.h"
#include "base/rand.h"

#include "embed/varve.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 2000, KEY_SIZE = 16, VALUE_SIZE = 100 };

static struct env env;
static struct budget budget;
static struct flags flags;
static struct errbuf err;
static char dir[64];
static char store_dir[128]; /* What the runner hands to the engine. */

static void set_up(void)
{
    budget_init(&budget, 0);
    env = (struct env) {
        .alloc = alloc_heap(), .clock = clock_system(), .budget = &budget, .log = log_none()
    };
    cr_assert(succeeded(io_open_machine(env.alloc, IO_KIND_POSIX, &env.io, NULL)));
    (void)snprintf(dir, sizeof dir, "/tmp/bench_varve_XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    (void)snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    flags_init(&flags);
    flags.db = dir;
    flags.seed = 1;
    flags.num = RECORDS;
    flags.progress = false;
    err.text[0] = '\0';
}

static void tear_down(void)
{
    char command[128];

    io_close_machine(env.io);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(bench_engine_varve, .init = set_up, .fini = tear_down);

/* ---- Running ------------------------------------------------------------------------------ */

static struct status run_list(const char *benchmarks)
{
    struct run *run = calloc(1, sizeof *run);
    char *text = NULL;
    size_t text_size;
    FILE *out = open_memstream(&text, &text_size);

    flags.benchmarks = benchmarks;
    struct status s = run_init(run, &env, &flags, &ENGINE_VARVE, out, &err);
    if (succeeded(s)) {
        s = run_check(run);
        if (succeeded(s))
            s = run_all(run);
        run_deinit(run);
    }
    fclose(out);
    free(text);
    free(run);
    return s;
}

static struct engine *open_engine(bool sync)
{
    const struct engine_open open = {
        .env = &env, .flags = &flags, .path = store_dir, .sync = sync
    };
    struct engine *e = NULL;

    cr_assert(succeeded(io_mkdir(env.io, store_dir)));
    cr_assert(succeeded(ENGINE_VARVE.open(&open, &err, &e)), "%s", err.text);
    return e;
}

static struct session *open_session(struct engine *e)
{
    struct session *s = NULL;

    cr_assert(succeeded(ENGINE_VARVE.session_open(e, &s)), "%s", e->err.text);
    return s;
}

static void put(struct session *s, struct bytes key, struct bytes value)
{
    cr_assert(succeeded(ENGINE_VARVE.put(s, key, value)), "%s", s->err.text);
}

/* ---- Values are checked ------------------------------------------------------------------- */

static size_t read_keys(struct session *s, uint8_t (*keys)[KEY_SIZE], uint8_t *value)
{
    struct engine_iter *it = NULL;
    size_t count = 0;

    cr_assert(succeeded(ENGINE_VARVE.iter_open(s, &it)));
    for (ENGINE_VARVE.iter_first(it); it->is_valid; ENGINE_VARVE.iter_next(it)) {
        cr_assert(count < RECORDS && it->key.size == KEY_SIZE && it->value.size == VALUE_SIZE);
        memcpy(keys[count++], it->key.data, KEY_SIZE);
        memcpy(value, it->value.data, VALUE_SIZE);
    }
    ENGINE_VARVE.iter_close(it);
    return count;
}

/* Every key gets the value of the last. */
static void mix_up_values(void)
{
    static uint8_t keys[RECORDS][KEY_SIZE];
    uint8_t value[VALUE_SIZE];
    struct engine *e = open_engine(false);
    struct session *s = open_session(e);

    size_t count = read_keys(s, keys, value);
    cr_assert_eq(count, RECORDS);
    for (size_t i = 0; i < count; i++)
        put(s, bytes_of(keys[i], KEY_SIZE), bytes_of(value, VALUE_SIZE));
    ENGINE_VARVE.session_close(s);
    ENGINE_VARVE.close(e);
}

Test(bench_engine_varve, a_wrong_value_stops_the_run)
{
    static const char *const READS[] = { "readrandom",      "readseq",         "readreverse",
                                         "seekrandom",      "multireadrandom", "updaterandom",
                                         "readwhilewriting" };

    flags.value_size = VALUE_SIZE;
    cr_assert(succeeded(run_list("filluniquerandom")), "%s", err.text);
    flags.use_existing_db = true;
    flags.seek_nexts = 3;
    mix_up_values();
    for (size_t i = 0; i < sizeof READS / sizeof READS[0]; i++) {
        cr_assert_eq(run_list(READS[i]).code, ST_CORRUPT, "%s did not notice", READS[i]);
        cr_assert(strstr(err.text, "nobody wrote") != NULL, "%s", err.text);
    }
}

/* ---- Settled is settled ------------------------------------------------------------------- */

/* Puts values of a few KiB and of less, over and over: levels and value files have work to do. */
static void fill(struct session *s)
{
    static uint8_t value[3000];
    struct rand r;

    rand_seed(&r, 1);
    for (int i = 0; i < 6000; i++) {
        uint64_t n = rand_below(&r, 1500);
        rand_fill(&r, value, sizeof value);
        put(s, bytes_of(&n, sizeof n), bytes_of(value, i % 2 == 0 ? sizeof value : 300));
    }
}

/* What a store that is opened again, with the same options, still finds to do. */
static uint64_t work_left(void)
{
    char path[160];
    struct varve_options options;
    struct varve_error error;
    struct varve_statistics s;
    struct varve *store = NULL;

    (void)snprintf(path, sizeof path, "%s/varve", store_dir);
    varve_options_init(&options);
    options.durability = VARVE_RELAXED;
    options.write_buffer_size = (uint64_t)flags.write_buffer_size;
    cr_assert_eq(varve_options_parse(&options, flags.varve_options, &error), VARVE_OK);
    cr_assert_eq(varve_open(path, &options, &store, &error), VARVE_OK, "%s", error.text);
    cr_assert_eq(varve_settle(store, &error), VARVE_OK, "%s", error.text);
    cr_assert_eq(varve_statistics(store, &s, &error), VARVE_OK);
    varve_free(store);
    return s.flushes + s.compactions + s.trivial_moves + s.rewrites;
}

Test(bench_engine_varve, settled_means_that_nothing_is_left_to_do)
{
    flags.write_buffer_size = 256 << 10;
    flags.varve_options = "table_size=64k; level_base_size=128k; level0_compact=2; "
                          "log_segment_size=256k; log_size_max=1m";
    struct engine *e = open_engine(false);
    struct session *s = open_session(e);
    fill(s);
    ENGINE_VARVE.session_close(s);
    cr_assert(succeeded(ENGINE_VARVE.settle(e)), "%s", e->err.text);
    ENGINE_VARVE.close(e);
    uint64_t left = work_left();
    cr_assert_eq(left, 0, "%d jobs were left to do", (int)left);
}

/* ---- Synced is synced --------------------------------------------------------------------- */

/* Is word among the first bytes of the file? */
static bool file_holds(const char *path, const char *word)
{
    static char head[64 << 10];
    FILE *f = fopen(path, "rb");

    cr_assert(f != NULL, "%s", path);
    size_t size = fread(head, 1, sizeof head, f);
    (void)fclose(f);
    return memmem(head, size, word, strlen(word)) != NULL;
}

/*
 * Does this process write through O_DSYNC to the logs that hold word? *out_logs: how many those
 * are. Segments that are only being made ready are filled without, and synced once.
 */
static int count_synced_logs(const char *word, int *out_logs)
{
    DIR *fds = opendir("/proc/self/fd");
    struct dirent *d;
    int synced = 0;

    cr_assert(fds != NULL);
    *out_logs = 0;
    while ((d = readdir(fds)) != NULL) {
        char target[512] = "";
        int fd = (int)strtol(d->d_name, NULL, 10);
        int how = fcntl(fd, F_GETFL);
        ssize_t size = readlinkat(dirfd(fds), d->d_name, target, sizeof target - 1);
        if (size < 4 || strcmp(target + size - 4, ".log") != 0 || (how & O_ACCMODE) == O_RDONLY ||
            !file_holds(target, word))
            continue;
        ++*out_logs;
        synced += (how & O_DSYNC) != 0;
    }
    closedir(fds);
    return synced;
}

static void assert_log_is_synced(bool sync)
{
    struct engine *e = open_engine(sync);
    struct session *s = open_session(e);
    int logs;

    put(s, bytes_str("key"), bytes_str("a word of its own"));
    int synced = count_synced_logs("a word of its own", &logs);
    ENGINE_VARVE.session_close(s);
    ENGINE_VARVE.close(e);
    cr_assert_gt(logs, 0);
    cr_assert_eq(synced, sync ? logs : 0, "%d of %d logs are synced", synced, logs);
}

Test(bench_engine_varve, a_synced_put_is_written_through)
{
    assert_log_is_synced(true);
}

Test(bench_engine_varve, an_unsynced_put_is_not)
{
    assert_log_is_synced(false);
}
