#include "bench/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* What a call prints. */
#define PRINTED(call)                                                                              \
    do {                                                                                           \
        FILE *out = open_memstream(&text, &text_size);                                             \
        call;                                                                                      \
        fclose(out);                                                                               \
    } while (0)

static char *text;
static size_t text_size;
static struct tally tally;

static void set_up(void)
{
    tally_init(&tally);
    tally.start_ns = 1000;
    tally.finish_ns = 1000 + UINT64_C(9052000000);
    tally.busy_seconds = 9.052;
    tally.done = 2000000;
    tally.thread_count = 1;
}

static void tear_down(void)
{
    free(text);
    text = NULL;
}

TestSuite(bench_report, .init = set_up, .fini = tear_down);

static void assert_text(const char *expected)
{
    cr_assert_str_eq(text, expected, "printed:\n%s\nexpected:\n%s", text, expected);
}

Test(bench_report, line_is_db_benchs)
{
    tally.bytes = 2000000 * UINT64_C(1040);
    PRINTED(report_line(out, "fillrandom", &tally, ""));
    assert_text("fillrandom   :       4.526 micros/op 220945 ops/sec 9.052 seconds 2000000 "
                "operations;  219.1 MB/s\n");
}

Test(bench_report, line_has_the_message_last)
{
    tally.bytes = 1 << 20;
    PRINTED(report_line(out, "readrandom", &tally, "(1 of 2 found)"));
    assert_text("readrandom   :       4.526 micros/op 220945 ops/sec 9.052 seconds 2000000 "
                "operations;    0.1 MB/s (1 of 2 found)\n");
    tear_down();
    tally.bytes = 0;
    PRINTED(report_line(out, "readrandom", &tally, "(0 of 2 found)"));
    assert_text("readrandom   :       4.526 micros/op 220945 ops/sec 9.052 seconds 2000000 "
                "operations; (0 of 2 found)\n");
}

/* Four threads for the same nine seconds: micros/op is each caller's, ops/sec is of all. */
Test(bench_report, line_of_threads_divides_their_time)
{
    tally.busy_seconds = 4 * 9.052;
    PRINTED(report_line(out, "overwrite", &tally, ""));
    assert_text("overwrite    :      18.104 micros/op 220945 ops/sec 9.052 seconds 2000000 "
                "operations;\n");
}

Test(bench_report, a_run_of_nothing_prints_as_one_operation)
{
    tally.done = 0;
    PRINTED(report_line(out, "compact", &tally, ""));
    assert_text("compact      : 9052000.000 micros/op 0 ops/sec 9.052 seconds 1 operations;\n");
}

/* Values at both sides of limits: 1 us is in [0, 1], 2 in (1, 2], 3 in (2, 3], 11 in (10, 15]. */
Test(bench_report, histogram_is_db_benchs)
{
    struct histogram h;
    static const uint64_t MICROS[] = { 1, 2, 2, 3, 11, 11, 11, 11, 11, 200 };

    histogram_init(&h);
    for (size_t i = 0; i < 10; i++)
        histogram_add(&h, MICROS[i] * 1000 + 500);
    PRINTED(report_histogram(out, OP_READ, &h));
    /* Down to the percentiles the text is exact; they are within a bucket of base/histogram. */
    const char *head = "Microseconds per read:\n"
                       "Count: 10 Average: 26.8000  StdDev: 58.06\n"
                       "Min: 1  Median: ";
    const char *tail = "------------------------------------------------------\n"
                       "[       0,       1 ]        1  10.000%  10.000% ##\n"
                       "(       1,       2 ]        2  20.000%  30.000% ####\n"
                       "(       2,       3 ]        1  10.000%  40.000% ##\n"
                       "(      10,      15 ]        5  50.000%  90.000% ##########\n"
                       "(     170,     250 ]        1  10.000% 100.000% ##\n"
                       "\n";
    cr_assert(strncmp(text, head, strlen(head)) == 0, "%s", text);
    const char *rest = strstr(text, "-----");
    cr_assert(rest != NULL);
    cr_assert_str_eq(rest, tail, "%s", text);
    cr_assert(strstr(text, "  Max: 200\nPercentiles: P50: ") != NULL, "%s", text);
    cr_assert(strstr(text, " P99.99: 200.50\n") != NULL, "%s", text);
}

/* All limits, by giving each bucket one value: those of RocksDB's histogram. */
Test(bench_report, histogram_limits_are_rocksdbs)
{
    static const uint64_t LIMITS[] = { 1,  2,   3,   4,   6,   10,  15,  22,   34,  51,
                                       76, 110, 170, 250, 380, 580, 870, 1300, 1900 };
    struct histogram h;
    uint64_t left;
    uint64_t right;

    histogram_init(&h);
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++)
        histogram_add(&h, LIMITS[i] * 1000 + 500);
    PRINTED(report_histogram(out, OP_WRITE, &h));
    const char *line = strstr(text, "\n[");
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        cr_assert(line != NULL, "row %zu", i);
        cr_assert_eq(sscanf(line + 2, " %lu, %lu ]", &left, &right), 2);
        cr_assert_eq(right, LIMITS[i], "row %zu: %lu", i, right);
        line = strstr(line + 1, "\n(");
    }
}

Test(bench_report, averages_are_db_benchs)
{
    static const double OPS[] = { 100, 200, 400 };
    static const double MB[] = { 1, 2, 4 };
    double scratch[3];
    const struct report_runs runs = { .count = 3, .ops_per_second = OPS, .mb_per_second = MB };

    PRINTED(report_average(out, "fillseq", runs));
    assert_text(
        "fillseq [AVG 3 runs] : 233 (\xC2\xB1 172) ops/sec;    2.3 (\xC2\xB1 1.7) MB/sec\n");
    tear_down();
    PRINTED(report_final(out, "fillseq", runs, scratch));
    assert_text(
        "fillseq [AVG    3 runs] : 233 (\xC2\xB1 172) ops/sec;    2.3 (\xC2\xB1 1.7) MB/sec\n"
        "fillseq [MEDIAN 3 runs] : 200 ops/sec;    2.0 MB/sec\n");
    tear_down();
    PRINTED(report_interval(out, "fillseq", runs));
    assert_text("fillseq [CI95 3 runs] : (61, 405) ops/sec; (0.6, 4.1) MB/sec\n");
}

Test(bench_report, one_run_has_no_average)
{
    static const double ONE[] = { 100 };
    double scratch[1];
    const struct report_runs runs = { .count = 1, .ops_per_second = ONE, .mb_per_second = ONE };

    PRINTED((report_average(out, "x", runs), report_final(out, "x", runs, scratch),
             report_interval(out, "x", runs)));
    assert_text("");
}

Test(bench_report, costs_begin_with_a_hash)
{
    tally.written_bytes = 1000000;
    tally.cost = (struct meter) { .time_ns = 9052000000,
                                  .cpu_ns = 18000000000,
                                  .others_cpu_ns = 905200000,
                                  .written_bytes = 3500000,
                                  .read_bytes = 0,
                                  .resident_bytes = 148 << 20 };
    tally.stall_ns = 30000000;
    histogram_add(&tally.kinds[OP_WRITE], 38800000);
    PRINTED(report_costs(out, "fillrandom", &tally));
    assert_text("# fillrandom : cpu 9.000 us/op; write amp 3.50; read 0.00 KB/op; rss 148 MB; "
                "stall 0.030 s; us p50 38800.00 p99 38800.00 p99.9 38800.00 max 38800; "
                "others 10 % cpu\n");
}

Test(bench_report, ycsb_lines_are_ycsbs)
{
    tally.finish_ns = tally.start_ns + 2000000000;
    for (int i = 0; i < 4; i++)
        histogram_add(&tally.kinds[OP_READ], 5000);
    tally.failed[OP_READ] = 1;
    PRINTED(report_ycsb(out, &tally));
    assert_text("[OVERALL], RunTime(ms), 2000\n"
                "[OVERALL], Throughput(ops/sec), 1000000.0000\n"
                "[READ], Operations, 4\n"
                "[READ], AverageLatency(us), 5.0000\n"
                "[READ], MinLatency(us), 5\n"
                "[READ], MaxLatency(us), 5\n"
                "[READ], 95thPercentileLatency(us), 5\n"
                "[READ], 99thPercentileLatency(us), 5\n"
                "[READ], Return=OK, 3\n"
                "[READ], Return=NOT_FOUND, 1\n"
                "[READ-FAILED], Operations, 1\n");
}

static size_t count_tabs(const char *line)
{
    size_t tabs = 0;

    for (; *line != '\n' && *line != '\0'; line++)
        tabs += *line == '\t';
    return tabs;
}

Test(bench_report, a_row_has_a_column_for_each_name)
{
    const struct report_row row = { .name = "x", .engine = "null", .key_size = 16 };

    PRINTED((report_row_header(out), report_row(out, &row, &tally)));
    const char *second = strchr(text, '\n') + 1;
    cr_assert(count_tabs(text) > 20);
    cr_assert_eq(count_tabs(text), count_tabs(second), "%s", text);
}
