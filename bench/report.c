#include "bench/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MIB = 1024.0 * 1024.0;

static double mb_per_second(const struct tally *t)
{
    return (double)t->bytes / MIB / tally_elapsed_seconds(t);
}

static double per_op(double amount, uint64_t ops)
{
    return ops == 0 ? 0 : amount / (double)ops;
}

/* ---- db_bench's lines --------------------------------------------------------------------- */

void report_line(FILE *out, const char *name, const struct tally *t, const char *message)
{
    /* db_bench pretends that one operation was done if none was. */
    uint64_t done = t->done < 1 ? 1 : t->done;
    double elapsed = tally_elapsed_seconds(t);
    char extra[256] = "";

    if (t->bytes > 0)
        (void)snprintf(extra, sizeof extra, " %6.1f MB/s", mb_per_second(t));
    if (message[0] != '\0') {
        size_t used = strlen(extra);
        (void)snprintf(extra + used, sizeof extra - used, " %s", message);
    }
    fprintf(out, "%-12s : %11.3f micros/op %ld ops/sec %.3f seconds %" PRIu64 " operations;%s\n",
            name, t->busy_seconds * 1e6 / (double)done, (long)((double)done / elapsed), elapsed,
            done, extra);
}

/* The limits of db_bench's buckets in microseconds: 1, 2, then half as much again, kept to two
 * digits. Returns the next after limit. */
static uint64_t next_limit(double *exact, uint64_t limit)
{
    uint64_t digits;
    uint64_t power = 1;

    if (limit == 1) {
        *exact = 2;
        return 2;
    }
    *exact *= 1.5;
    digits = (uint64_t)*exact;
    while (digits / 10 > 10) {
        digits /= 10;
        power *= 10;
    }
    return digits * power;
}

static void print_bucket(FILE *out, uint64_t left, uint64_t right, uint64_t count, uint64_t sum,
                         uint64_t total)
{
    double percent = 100.0 * (double)count / (double)total;

    fprintf(out, "%c %7" PRIu64 ", %7" PRIu64 " ] %8" PRIu64 " %7.3f%% %7.3f%% ",
            left == 0 ? '[' : '(', left, right, count, percent,
            100.0 * (double)sum / (double)total);
    for (int marks = (int)(percent / 5 + 0.5); marks > 0; marks--)
        fputc('#', out);
    fputc('\n', out);
}

static void print_buckets(FILE *out, const struct histogram *h)
{
    double exact = 1;
    uint64_t left = 0;
    uint64_t right = 1;
    uint64_t sum = 0;

    while (sum < h->count) {
        /* db_bench sees whole microseconds: what is below right + 1 of them is in (left, right]. */
        uint64_t below = histogram_count_below(h, (right + 1) * 1000);
        if (below > sum)
            print_bucket(out, left, right, below - sum, below, h->count);
        sum = below;
        left = right;
        right = next_limit(&exact, right);
    }
}

void report_histogram(FILE *out, enum op_kind kind, const struct histogram *h)
{
    static const double PERCENTS[] = { 50, 75, 99, 99.9, 99.99 };
    static const char *const NAMES[] = { "P50", "P75", "P99", "P99.9", "P99.99" };

    fprintf(out, "Microseconds per %s:\n", op_kind_name(kind));
    fprintf(out, "Count: %" PRIu64 " Average: %.4f  StdDev: %.2f\n", h->count,
            histogram_mean(h) / 1000, histogram_deviation(h) / 1000);
    fprintf(out, "Min: %" PRIu64 "  Median: %.4f  Max: %" PRIu64 "\n",
            h->count == 0 ? 0 : h->min / 1000, histogram_percentile(h, 50) / 1000, h->max / 1000);
    fprintf(out, "Percentiles:");
    for (size_t i = 0; i < sizeof PERCENTS / sizeof PERCENTS[0]; i++)
        fprintf(out, " %s: %.2f", NAMES[i], histogram_percentile(h, PERCENTS[i]) / 1000);
    fprintf(out, "\n------------------------------------------------------\n");
    print_buckets(out, h);
    fputc('\n', out);
}

/* ---- Repeats ------------------------------------------------------------------------------ */

static double average(const double *v, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += v[i];
    return sum / (double)count;
}

/* Half the width of the interval that holds the average with 95 %, were the runs normal. */
static double confidence(const double *v, size_t count)
{
    double mean = average(v, count);
    double squares = 0;

    for (size_t i = 0; i < count; i++)
        squares += (v[i] - mean) * (v[i] - mean);
    return 1.959964 * sqrt(squares / (double)(count - 1)) / sqrt((double)count);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(const double *v, size_t count, double *scratch)
{
    size_t middle = count / 2;

    memcpy(scratch, v, count * sizeof *v);
    qsort(scratch, count, sizeof *scratch, compare_doubles);
    return count % 2 == 1 ? scratch[middle] : (scratch[middle] + scratch[middle - 1]) / 2;
}

static bool has_mb(struct report_runs runs)
{
    for (size_t i = 0; i < runs.count; i++) {
        if (runs.mb_per_second[i] <= 0)
            return false;
    }
    return true;
}

static void print_average(FILE *out, const char *name, const char *title, struct report_runs runs)
{
    fprintf(out, "%s [%s %zu runs] : %d (\xC2\xB1 %d) ops/sec", name, title, runs.count,
            (int)average(runs.ops_per_second, runs.count),
            (int)confidence(runs.ops_per_second, runs.count));
    if (has_mb(runs))
        fprintf(out, "; %6.1f (\xC2\xB1 %.1f) MB/sec", average(runs.mb_per_second, runs.count),
                confidence(runs.mb_per_second, runs.count));
    fputc('\n', out);
}

void report_average(FILE *out, const char *name, struct report_runs runs)
{
    if (runs.count >= 2)
        print_average(out, name, "AVG", runs);
}

void report_final(FILE *out, const char *name, struct report_runs runs, double *scratch)
{
    if (runs.count < 2)
        return;
    print_average(out, name, "AVG   ", runs);
    fprintf(out, "%s [MEDIAN %zu runs] : %d ops/sec", name, runs.count,
            (int)median(runs.ops_per_second, runs.count, scratch));
    if (has_mb(runs))
        fprintf(out, "; %6.1f MB/sec", median(runs.mb_per_second, runs.count, scratch));
    fputc('\n', out);
}

void report_interval(FILE *out, const char *name, struct report_runs runs)
{
    if (runs.count < 2)
        return;
    int ops = (int)average(runs.ops_per_second, runs.count);
    int half = (int)confidence(runs.ops_per_second, runs.count);
    fprintf(out, "%s [CI95 %zu runs] : (%d, %d) ops/sec", name, runs.count, ops - half, ops + half);
    if (has_mb(runs)) {
        double mb = average(runs.mb_per_second, runs.count);
        double mb_half = confidence(runs.mb_per_second, runs.count);
        fprintf(out, "; (%.1f, %.1f) MB/sec", mb - mb_half, mb + mb_half);
    }
    fputc('\n', out);
}

/* ---- Ours --------------------------------------------------------------------------------- */

static double write_amp(const struct meter *m, uint64_t written_bytes)
{
    return written_bytes == 0 ? 0 : (double)m->written_bytes / (double)written_bytes;
}

static double cpu_us_per_op(const struct meter *m, uint64_t ops)
{
    return per_op((double)m->cpu_ns / 1000, ops);
}

/* Of one processor. */
static double others_percent(const struct meter *m)
{
    return m->time_ns == 0 ? 0 : 100.0 * (double)m->others_cpu_ns / (double)m->time_ns;
}

void report_costs(FILE *out, const char *name, const struct tally *t)
{
    struct histogram calls;

    tally_calls(t, &calls);
    fprintf(out, "# %-10s : cpu %.3f us/op", name, cpu_us_per_op(&t->cost, t->done));
    if (t->written_bytes > 0)
        fprintf(out, "; write amp %.2f", write_amp(&t->cost, t->written_bytes));
    fprintf(out,
            "; read %.2f KB/op; rss %.0f MB; stall %.3f s; us p50 %.2f p99 %.2f p99.9 %.2f "
            "max %.0f; others %.0f %% cpu\n",
            per_op((double)t->cost.read_bytes / 1024, t->done),
            (double)t->cost.resident_bytes / MIB, (double)t->stall_ns * 1e-9,
            histogram_percentile(&calls, 50) / 1000, histogram_percentile(&calls, 99) / 1000,
            histogram_percentile(&calls, 99.9) / 1000, (double)calls.max / 1000,
            others_percent(&t->cost));
    if (!t->is_settled)
        return;
    double seconds = (double)t->settled.time_ns * 1e-9;
    fprintf(out,
            "# %-10s : settled after %.3f s: %ld ops/sec; cpu %.3f us/op; write amp %.2f; "
            "on disk %.1f MB; others %.0f %% cpu\n",
            name, seconds, (long)((double)t->done / seconds), cpu_us_per_op(&t->settled, t->done),
            write_amp(&t->settled, t->written_bytes), (double)t->on_disk_bytes / MIB,
            others_percent(&t->settled));
}

/* ---- YCSB's lines ------------------------------------------------------------------------- */

static void print_ycsb_kind(FILE *out, const char *name, const struct histogram *h,
                            uint64_t failed_ops)
{
    uint64_t good = h->count - failed_ops;

    fprintf(out, "[%s], Operations, %" PRIu64 "\n", name, h->count);
    fprintf(out, "[%s], AverageLatency(us), %.4f\n", name, histogram_mean(h) / 1000);
    fprintf(out, "[%s], MinLatency(us), %" PRIu64 "\n", name, h->min / 1000);
    fprintf(out, "[%s], MaxLatency(us), %" PRIu64 "\n", name, h->max / 1000);
    fprintf(out, "[%s], 95thPercentileLatency(us), %.0f\n", name,
            histogram_percentile(h, 95) / 1000);
    fprintf(out, "[%s], 99thPercentileLatency(us), %.0f\n", name,
            histogram_percentile(h, 99) / 1000);
    fprintf(out, "[%s], Return=OK, %" PRIu64 "\n", name, good);
    if (failed_ops > 0) {
        fprintf(out, "[%s], Return=NOT_FOUND, %" PRIu64 "\n", name, failed_ops);
        fprintf(out, "[%s-FAILED], Operations, %" PRIu64 "\n", name, failed_ops);
    }
}

void report_ycsb(FILE *out, const struct tally *t)
{
    fprintf(out, "[OVERALL], RunTime(ms), %.0f\n", tally_elapsed_seconds(t) * 1000);
    fprintf(out, "[OVERALL], Throughput(ops/sec), %.4f\n", tally_ops_per_second(t));
    for (int i = 0; i < OP_KINDS; i++) {
        if (t->kinds[i].count > 0)
            print_ycsb_kind(out, op_kind_ycsb_name((enum op_kind)i), &t->kinds[i], t->failed[i]);
    }
}

/* ---- Rows --------------------------------------------------------------------------------- */

void report_row_header(FILE *out)
{
    fprintf(out,
            "benchmark\tengine\tthreads\tkey_size\tvalue_size\tops\tseconds\tops_per_s\tmb_per_s\t"
            "cpu_us_per_op\twrite_amp\tread_kb_per_op\trss_mb\tstall_s\tp50_us\tp99_us\tp999_us\t"
            "max_us\treads\tfound\tothers_cpu_percent\tsettled_s\tsettled_ops_per_s\t"
            "settled_cpu_us_per_op\tsettled_write_amp\ton_disk_bytes\n");
}

void report_row(FILE *out, const struct report_row *row, const struct tally *t)
{
    struct histogram calls;

    tally_calls(t, &calls);
    fprintf(out, "%s\t%s\t%u\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 "\t%.6f\t%.1f\t%.2f\t", row->name,
            row->engine, t->thread_count, row->key_size, row->value_size, t->done,
            tally_elapsed_seconds(t), tally_ops_per_second(t), mb_per_second(t));
    fprintf(
        out,
        "%.4f\t%.4f\t%.4f\t%.1f\t%.6f\t%.3f\t%.3f\t%.3f\t%.3f\t%" PRIu64 "\t%" PRIu64 "\t%.1f\t",
        cpu_us_per_op(&t->cost, t->done), write_amp(&t->cost, t->written_bytes),
        per_op((double)t->cost.read_bytes / 1024, t->done), (double)t->cost.resident_bytes / MIB,
        (double)t->stall_ns * 1e-9, histogram_percentile(&calls, 50) / 1000,
        histogram_percentile(&calls, 99) / 1000, histogram_percentile(&calls, 99.9) / 1000,
        (double)calls.max / 1000, t->reads, t->found, others_percent(&t->cost));
    double seconds = t->is_settled ? (double)t->settled.time_ns * 1e-9 : 0;
    fprintf(out, "%.6f\t%.1f\t%.4f\t%.4f\t%" PRIu64 "\n", seconds,
            t->is_settled ? (double)t->done / seconds : 0,
            t->is_settled ? cpu_us_per_op(&t->settled, t->done) : 0,
            t->is_settled ? write_amp(&t->settled, t->written_bytes) : 0, t->on_disk_bytes);
}
