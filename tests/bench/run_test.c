#include "bench/run.h"

#include "support/recorder.h"

#include "base/budget.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static struct env env;
static struct budget budget;
static struct flags flags;
static struct errbuf err;
static struct run *run;
static char dir[64];
static char *text;
static size_t text_size;

static void set_up(void)
{
    budget_init(&budget, 0);
    env = (struct env) {
        .alloc = alloc_heap(), .clock = clock_system(), .budget = &budget, .log = log_none()
    };
    cr_assert(succeeded(io_open_machine(env.alloc, IO_KIND_POSIX, &env.io, NULL)));
    (void)snprintf(dir, sizeof dir, "/tmp/bench_test_XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
    flags_init(&flags);
    flags.db = dir;
    flags.seed = 1;
    flags.num = 2000;
    flags.progress = false;
    err.text[0] = '\0';
    recorder_reset();
    run = calloc(1, sizeof *run);
}

static void tear_down(void)
{
    char command[128];

    free(run);
    free(text);
    io_close_machine(env.io);
    snprintf(command, sizeof command, "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(bench_run, .init = set_up, .fini = tear_down);

/* Run the list on the recorder. run->tally is of the last benchmark. */
static struct status run_list(const char *benchmarks)
{
    static struct tally last;
    free(text);
    FILE *out = open_memstream(&text, &text_size);

    flags.benchmarks = benchmarks;
    struct status s = run_init(run, &env, &flags, &RECORDER, out, &err);
    if (succeeded(s)) {
        s = run_check(run);
        if (succeeded(s))
            s = run_all(run);
        last = *run->tally;
        run_deinit(run);
        run->tally = &last;
    }
    fclose(out);
    return s;
}

static void assert_runs(const char *benchmarks)
{
    struct status s = run_list(benchmarks);

    cr_assert(succeeded(s), "%s: %s", benchmarks, err.text);
}

/* ---- Writing ------------------------------------------------------------------------------ */

Test(bench_run, fillseq_puts_all_keys_in_order)
{
    assert_runs("fillseq");
    cr_assert_eq(recorder()->puts, 2000);
    cr_assert_eq(recorder()->entries, 2000);
    cr_assert_eq(recorder()->out_of_order, 0);
    cr_assert_eq(recorder()->value_size, 100);
    cr_assert_eq(run->tally->done, 2000);
    cr_assert_eq(run->tally->bytes, 2000 * 116);
}

Test(bench_run, filluniquerandom_puts_each_key_once_out_of_order)
{
    flags.threads = 4;
    assert_runs("filluniquerandom");
    cr_assert_eq(recorder()->puts, 2000);
    cr_assert_eq(recorder()->entries, 2000);
    cr_assert(recorder()->out_of_order > 800);
}

/* About a third of the keys are never drawn: 1/e. */
Test(bench_run, fillrandom_draws_with_replacement)
{
    assert_runs("fillrandom");
    cr_assert_eq(recorder()->puts, 2000);
    cr_assert(recorder()->entries > 1150 && recorder()->entries < 1380, "%d entries",
              (int)recorder()->entries);
}

Test(bench_run, fillrandom_of_a_permutation_puts_each_key_as_often)
{
    flags.permutation = true;
    flags.threads = 4;
    assert_runs("fillrandom");
    cr_assert_eq(recorder()->puts, 8000);
    cr_assert_eq(recorder()->entries, 2000);
    cr_assert_eq(recorder()->overwrites, 6000);
}

Test(bench_run, batches_are_as_large_as_asked)
{
    flags.batch_size = 20;
    assert_runs("fillseq");
    cr_assert_eq(recorder()->batches, 100);
    cr_assert_eq(recorder()->batch_writes, 2000);
    cr_assert_eq(recorder()->entries, 2000);
    recorder_reset();
    assert_runs("fillbatch");
    cr_assert_eq(recorder()->batches, 2);
    cr_assert_eq(run->tally->done, 2000);
}

Test(bench_run, fillsync_is_a_thousandth_and_durable)
{
    assert_runs("fillsync,overwrite");
    cr_assert_eq(recorder()->opens, 2);
    cr_assert_eq(recorder()->sync_opens, 1);
    cr_assert_eq(recorder()->puts, 2002);
}

Test(bench_run, fill100K_writes_100000_bytes)
{
    assert_runs("fill100K");
    cr_assert_eq(recorder()->puts, 2);
    cr_assert_eq(recorder()->value_size, 100000);
}

Test(bench_run, value_sizes_follow_their_distribution)
{
    static const char *const TYPES[] = { "uniform", "normal" };

    flags.value_size_min = 50;
    flags.value_size_max = 150;
    for (int i = 0; i < 2; i++) {
        flags.value_size_distribution_type = TYPES[i];
        assert_runs("fillseq");
        double mean = (double)run->tally->bytes / 2000 - 16;
        cr_assert(mean > 95 && mean < 105, "%s: %f", TYPES[i], mean);
    }
}

Test(bench_run, deleteseq_leaves_nothing)
{
    assert_runs("fillseq,deleteseq");
    cr_assert_eq(recorder()->deletes, 2000);
    cr_assert_eq(recorder()->entries, 0);
}

Test(bench_run, one_seed_writes_the_same)
{
    assert_runs("fillrandom,overwrite");
    uint64_t first = recorder()->puts_hash;
    recorder_reset();
    assert_runs("fillrandom,overwrite");
    cr_assert_eq(recorder()->puts_hash, first);
    recorder_reset();
    flags.seed = 2;
    assert_runs("fillrandom,overwrite");
    cr_assert_neq(recorder()->puts_hash, first);
}

/* ---- Reading ------------------------------------------------------------------------------ */

Test(bench_run, reads_find_what_is_there)
{
    assert_runs("filluniquerandom,readrandom");
    cr_assert_eq(run->tally->reads, 2000);
    cr_assert_eq(run->tally->found, 2000);
    cr_assert(strstr(text, "(2000 of 2000 found)") != NULL);
    assert_runs("filluniquerandom,readmissing");
    cr_assert_eq(run->tally->reads, 2000);
    cr_assert_eq(run->tally->found, 0);
    flags.batch_size = 10;
    assert_runs("filluniquerandom,multireadrandom");
    cr_assert_eq(run->tally->found, 2000);
    cr_assert_eq(run->tally->done, 2000);
}

/* Each benchmark draws anew: of keys drawn at random, others drawn at random find 1 - 1/e. */
Test(bench_run, reads_are_not_in_the_order_of_the_writes)
{
    assert_runs("fillrandom,readrandom");
    cr_assert(run->tally->found > 1150 && run->tally->found < 1380, "%d found",
              (int)run->tally->found);
}

Test(bench_run, scans_read_every_entry_both_ways)
{
    assert_runs("filluniquerandom,readseq");
    cr_assert_eq(run->tally->done, 2000);
    assert_runs("filluniquerandom,readreverse");
    cr_assert_eq(run->tally->done, 2000);
    flags.reads = 10;
    assert_runs("filluniquerandom,readseq");
    cr_assert_eq(run->tally->done, 10);
    assert_runs("filluniquerandom,readtocache");
    cr_assert_eq(run->tally->done, 2000);
}

Test(bench_run, seekrandom_reads_on_from_where_it_sought)
{
    flags.seek_nexts = 5;
    flags.reads = 100;
    assert_runs("filluniquerandom,seekrandom");
    cr_assert_eq(recorder()->seeks, 100);
    cr_assert_eq(run->tally->found, 100);
    cr_assert(run->tally->bytes > 480 * 116 && run->tally->bytes <= 500 * 116);
}

/* Each thread reads --reads; the writer beside them is not in the figures. */
Test(bench_run, readwhilewriting_counts_readers_only)
{
    flags.threads = 3;
    flags.reads = 500;
    assert_runs("filluniquerandom,readwhilewriting");
    cr_assert_eq(run->tally->done, 1500);
    cr_assert_eq(run->tally->thread_count, 3);
    cr_assert_eq(run->tally->writes, 0);
    cr_assert_eq(run->tally->kinds[OP_WRITE].count, 0);
}

Test(bench_run, mixes_keep_their_parts)
{
    flags.readwritepercent = 70;
    assert_runs("filluniquerandom,readrandomwriterandom");
    cr_assert_eq(run->tally->reads, 1400);
    cr_assert_eq(run->tally->writes, 600);
    assert_runs("filluniquerandom,updaterandom");
    cr_assert_eq(run->tally->reads, 2000);
    cr_assert_eq(run->tally->writes, 2000);
    assert_runs("filluniquerandom,appendrandom,readseq");
    cr_assert(run->tally->bytes > 3 * 2000 * 100 / 2, "values have grown");
}

Test(bench_run, repeats_and_warm_ups_are_run)
{
    flags.reads = 10;
    assert_runs("filluniquerandom,readrandom[X3-W2]");
    cr_assert_eq(recorder()->gets, 50);
    cr_assert(strstr(text, "readrandom [AVG    3 runs] : ") != NULL);
    cr_assert(strstr(text, "Warming up benchmark by running 2 times") != NULL);
}

Test(bench_run, an_existing_store_is_not_filled)
{
    assert_runs("fillseq");
    recorder_reset();
    flags.use_existing_db = true;
    assert_runs("fillseq,readrandom");
    cr_assert_eq(recorder()->puts, 0);
    cr_assert(strstr(text, "fillseq      : skipped (--use_existing_db is true)\n") != NULL);
}

Test(bench_run, settling_and_reopening_come_after_writes)
{
    flags.settle = true;
    flags.reopen = true;
    assert_runs("fillseq");
    cr_assert(run->tally->is_settled);
    cr_assert_eq(recorder()->opens, 2);
    cr_assert(strstr(text, "# fillseq    : settled after ") != NULL);
}

Test(bench_run, duration_ends_a_benchmark)
{
    flags.duration = 1;
    assert_runs("filluniquerandom,readrandom");
    double seconds = tally_elapsed_seconds(run->tally);
    cr_assert(seconds > 0.99 && seconds < 60, "%f", seconds);
}

/* 2000 bytes a put: 100 kB/s allow about 50 in a second. */
Test(bench_run, a_rate_limit_holds)
{
    flags.value_size = 1984;
    flags.writes = 60;
    flags.benchmark_write_rate_limit = 100000;
    assert_runs("fillseq");
    double seconds = tally_elapsed_seconds(run->tally);
    cr_assert(seconds > 1.1, "%f", seconds);
}

/* ---- YCSB --------------------------------------------------------------------------------- */

Test(bench_run, ycsb_finds_every_record_it_asks_for)
{
    static const char *const RUNS[] = { "ycsbload,ycsba", "ycsbload,ycsbb", "ycsbload,ycsbc",
                                        "ycsbload,ycsbd", "ycsbload,ycsbe", "ycsbload,ycsbf" };

    flags.threads = 4;
    for (int i = 0; i < 6; i++) {
        recorder_reset();
        assert_runs(RUNS[i]);
        cr_assert_eq(run->tally->done, 2000, "%s", RUNS[i]);
        cr_assert_eq(run->tally->failed[OP_READ] + run->tally->failed[OP_SCAN], 0, "%s", RUNS[i]);
        cr_assert_eq(recorder()->value_size, 1000);
    }
}

static void assert_part(enum op_kind kind, double part)
{
    double share = (double)run->tally->kinds[kind].count / (double)run->tally->done;

    cr_assert(share > part - 0.04 && share < part + 0.04, "%s: %f", op_kind_name(kind), share);
}

Test(bench_run, ycsb_mixes_are_ycsbs)
{
    assert_runs("ycsbload,ycsba");
    assert_part(OP_READ, 0.5);
    assert_part(OP_UPDATE, 0.5);
    assert_runs("ycsbload,ycsbb");
    assert_part(OP_READ, 0.95);
    assert_runs("ycsbload,ycsbd");
    assert_part(OP_INSERT, 0.05);
    cr_assert_eq(recorder()->entries, 2000 + run->tally->kinds[OP_INSERT].count);
    assert_runs("ycsbload,ycsbe");
    assert_part(OP_SCAN, 0.95);
    /* 50 records on average, 1000 bytes and a key each. */
    double scanned = (double)run->tally->bytes / (double)run->tally->kinds[OP_SCAN].count;
    cr_assert(scanned > 40000 && scanned < 60000, "%f", scanned);
    assert_runs("ycsbload,ycsbf");
    assert_part(OP_READ, 1);
    assert_part(OP_READ_MODIFY_WRITE, 0.5);
    cr_assert_eq(run->tally->kinds[OP_UPDATE].count, run->tally->kinds[OP_READ_MODIFY_WRITE].count);
}

/* D's inserts are there for the next run, which goes on after them. */
Test(bench_run, ycsb_inserts_go_on_after_those_before)
{
    assert_runs("ycsbload,ycsbd,ycsbd");
    cr_assert(recorder()->entries > 2100);
    cr_assert_eq(recorder()->overwrites, 0);
}

/* ---- Failures ----------------------------------------------------------------------------- */

Test(bench_run, a_wrong_value_stops_the_run)
{
    static const char *const RUNS[] = {
        "filluniquerandom,readrandom",   "filluniquerandom,readseq",
        "filluniquerandom,seekrandom",   "filluniquerandom,multireadrandom",
        "filluniquerandom,updaterandom", "ycsbload,ycsbe"
    };

    flags.seek_nexts = 3;
    for (size_t i = 0; i < sizeof RUNS / sizeof RUNS[0]; i++) {
        recorder_reset();
        recorder()->lie_at = 50;
        cr_assert_eq(run_list(RUNS[i]).code, ST_CORRUPT, "%s did not notice", RUNS[i]);
        cr_assert(strstr(err.text, "nobody wrote") != NULL, "%s", err.text);
    }
    recorder_reset();
    recorder()->lie_at = 50;
    flags.verify = false;
    assert_runs("filluniquerandom,readrandom");
}

Test(bench_run, a_failed_put_stops_all_threads)
{
    flags.threads = 4;
    recorder()->fail_at = 100;
    cr_assert_eq(run_list("fillrandom").code, ST_IO);
    cr_assert(strstr(err.text, "fillrandom: put: told to fail") != NULL, "%s", err.text);
    cr_assert(recorder()->puts < 8000);
}

Test(bench_run, what_an_engine_cannot_do_is_refused_before_anything_runs)
{
    cr_assert_eq(run_list("fillseq,compact").code, ST_UNSUPPORTED);
    cr_assert(strstr(err.text, "recorder cannot do what compact asks for") != NULL);
    cr_assert_eq(recorder()->opens, 0);
}

Test(bench_run, flags_that_contradict_are_refused)
{
    flags.value_size_distribution_type = "triangle";
    cr_assert_eq(run_list("fillseq").code, ST_INVALID);
    flags.value_size_distribution_type = "uniform";
    flags.value_size_min = 10;
    flags.value_size_max = 5;
    cr_assert_eq(run_list("fillseq").code, ST_INVALID);
}

/* ---- The directory ------------------------------------------------------------------------ */

Test(bench_run, a_directory_of_others_is_not_touched)
{
    char path[128];

    snprintf(path, sizeof path, "%s/precious", dir);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL && fclose(f) == 0);
    cr_assert_eq(run_list("fillseq").code, ST_INVALID);
    cr_assert(strstr(err.text, "no benchmark made") != NULL, "%s", err.text);
    cr_assert_eq(access(path, F_OK), 0);
}

Test(bench_run, a_store_of_another_engine_is_not_opened)
{
    char path[128];

    assert_runs("fillseq");
    snprintf(path, sizeof path, "%s/BENCH", dir);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL && fputs("other\n", f) > 0 && fclose(f) == 0);
    flags.use_existing_db = true;
    cr_assert_eq(run_list("readrandom").code, ST_NOT_FOUND);
    cr_assert(strstr(err.text, "a store of other") != NULL, "%s", err.text);
}

Test(bench_run, results_are_rows_under_one_header)
{
    char path[256];
    char line[1024];
    int lines = 0;

    snprintf(path, sizeof path, "%s.tsv", dir);
    flags.results = path;
    assert_runs("fillseq,readrandom[X2]");
    FILE *f = fopen(path, "r");
    cr_assert(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        cr_assert_eq(strncmp(line, "benchmark\t", 10) == 0, lines++ == 0);
    fclose(f);
    cr_assert_eq(lines, 4);
    cr_assert_eq(unlink(path), 0);
}
