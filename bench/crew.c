#include "bench/crew.h"

#include "bench/worker.h"

#include <inttypes.h>
#include <unistd.h>

/* ---- Watching ----------------------------------------------------------------------------- */

/* What is shown while the workers run. */
struct watch {
    uint64_t tick_ns; /* 0: nothing is shown. */
    bool is_shown;    /* On the terminal. */
    FILE *csv;        /* --report_file, or NULL. */
    uint64_t next_line_ns;
    uint64_t next_row_ns;
    uint64_t line_done; /* Operations when the last line was printed. */
    uint64_t row_done;
};

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

static uint64_t count_done(struct worker *const *workers, unsigned count)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!workers[i]->is_background)
            done += atomic_load_explicit(&workers[i]->progress, memory_order_relaxed);
    }
    return done;
}

static uint64_t count_planned(struct worker *const *workers, unsigned count)
{
    uint64_t planned = 0;

    for (unsigned i = 0; i < count; i++)
        planned += workers[i]->is_background ? 0 : workers[i]->limit;
    return planned;
}

static void open_watch(const struct run *r, struct watch *w)
{
    const struct flags *f = r->flags;

    *w = (struct watch) { .is_shown = f->progress && isatty(STDERR_FILENO) };
    if (f->report_interval_seconds > 0) {
        w->csv = fopen(f->report_file, r->repeat == 0 ? "w" : "a");
        if (w->csv != NULL && r->repeat == 0)
            fprintf(w->csv, "secs_elapsed,interval_qps\n");
    }
    if (w->is_shown || w->csv != NULL || f->stats_interval_seconds > 0)
        w->tick_ns = NS_PER_S / 5;
    w->next_line_ns = (uint64_t)f->stats_interval_seconds * NS_PER_S;
    w->next_row_ns = (uint64_t)f->report_interval_seconds * NS_PER_S;
}

static void close_watch(struct watch *w)
{
    if (w->is_shown)
        fprintf(stderr, "\r%79s\r", "");
    if (w->csv != NULL)
        (void)fclose(w->csv);
}

static void show_progress(const struct run *r, uint64_t done, uint64_t planned, double seconds)
{
    double rate = seconds > 0 ? (double)done / seconds : 0;

    if (r->flags->duration > 0)
        fprintf(stderr, "\r%-20s %.0f of %" PRId64 " s  %" PRIu64 " ops  %.0f ops/s    ",
                r->benchmark->name, seconds, r->flags->duration, done, rate);
    else if (planned > 0)
        fprintf(stderr, "\r%-20s %5.1f %%  %" PRIu64 " ops  %.0f ops/s  %.0f s left    ",
                r->benchmark->name, 100.0 * (double)done / (double)planned, done, rate,
                rate > 0 ? (double)(planned - done) / rate : 0);
    (void)fflush(stderr);
}

static void tick(const struct run *r, struct watch *w, uint64_t done, uint64_t planned)
{
    const struct flags *f = r->flags;
    uint64_t elapsed = clock_ns(r->env->clock) - r->start_ns;
    double seconds = (double)elapsed / (double)NS_PER_S;

    if (f->stats_interval_seconds > 0 && elapsed >= w->next_line_ns) {
        double interval = (double)f->stats_interval_seconds;
        fprintf(stderr,
                "... (%" PRIu64 ",%" PRIu64 ") ops and (%.1f,%.1f) ops/second in (%.6f,%.6f) "
                "seconds\n",
                done - w->line_done, done, (double)(done - w->line_done) / interval,
                (double)done / seconds, interval, seconds);
        w->line_done = done;
        w->next_line_ns += (uint64_t)f->stats_interval_seconds * NS_PER_S;
    }
    if (w->csv != NULL && elapsed >= w->next_row_ns) {
        fprintf(w->csv, "%" PRIu64 ",%" PRIu64 "\n", w->next_row_ns / NS_PER_S,
                (done - w->row_done) / (uint64_t)f->report_interval_seconds);
        (void)fflush(w->csv);
        w->row_done = done;
        w->next_row_ns += (uint64_t)f->report_interval_seconds * NS_PER_S;
    }
    if (w->is_shown)
        show_progress(r, done, planned, seconds);
}

static void wait_for_all(struct run *r, struct worker *const *workers, unsigned count)
{
    struct watch watch;

    open_watch(r, &watch);
    mutex_lock(&r->mutex);
    while (r->running > 0) {
        if (watch.tick_ns == 0) {
            condition_wait(&r->left, &r->mutex);
            continue;
        }
        if (condition_wait_for(&r->left, &r->mutex, watch.tick_ns))
            continue;
        mutex_unlock(&r->mutex);
        tick(r, &watch, count_done(workers, count), count_planned(workers, count));
        mutex_lock(&r->mutex);
    }
    mutex_unlock(&r->mutex);
    close_watch(&watch);
}

/* ---- Work --------------------------------------------------------------------------------- */

/* Start them; they stop at the gate. Returns how many were started. */
static struct status start_threads(struct run *r, struct worker **workers, unsigned *out_count)
{
    struct status s = status_ok();
    unsigned count = 0;

    for (; count < r->thread_count && succeeded(s); count++) {
        s = worker_create(r, count, &workers[count]);
        if (failed(s))
            break;
        workers[count]->is_background =
            (r->benchmark->traits & TRAIT_EXTRA_THREAD) != 0 && count == 0;
        s = thread_start("bench", worker_main, workers[count], &workers[count]->thread);
        if (failed(s)) {
            worker_destroy(workers[count]);
            break;
        }
    }
    if (failed(s))
        errbuf_set(r->err, "could not start thread %u: %s", count + 1, status_text(s));
    *out_count = count;
    return s;
}

static void open_gate(struct run *r, unsigned count, struct meter *out_begin)
{
    uint32_t ready;

    while ((ready = atomic_load_explicit(&r->ready, memory_order_acquire)) < count)
        futex_wait(&r->ready, ready);
    meter_read(out_begin, clock_ns(r->env->clock));
    r->start_ns = clock_ns(r->env->clock);
    atomic_store_explicit(&r->is_open, 1, memory_order_release);
    futex_wake(&r->is_open, INT32_MAX);
}

static void merge(struct run *r, struct worker *const *workers, unsigned count)
{
    tally_init(r->tally);
    for (unsigned i = 0; i < count; i++) {
        if (workers[i]->is_background)
            r->tally->written_bytes += workers[i]->tally.written_bytes;
        else
            tally_merge(r->tally, &workers[i]->tally);
    }
}

static struct status first_failure(struct run *r, struct worker *const *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (failed(workers[i]->status)) {
            *r->err = workers[i]->err;
            return workers[i]->status;
        }
    }
    return status_ok();
}

struct status crew_work(struct run *r, struct meter *out_begin)
{
    struct alloc *a = r->env->alloc;
    bool has_background = (r->benchmark->traits & TRAIT_EXTRA_THREAD) != 0;
    unsigned planned = r->thread_count;
    unsigned count;
    struct meter end;
    struct worker **workers = alloc_array(a, planned, sizeof *workers);

    if (workers == NULL)
        return status_of(ST_NO_MEMORY);
    atomic_store(&r->ready, 0);
    atomic_store(&r->is_open, 0);
    atomic_store(&r->is_stopped, false);
    atomic_store(&r->paced_writes, 0);
    atomic_store(&r->paced_reads, 0);
    atomic_store(&r->readers, planned - (has_background ? 1 : 0));
    r->running = planned;
    struct status s = start_threads(r, workers, &count);
    if (failed(s)) {
        /* Those that were started leave at once. */
        atomic_store(&r->is_stopped, true);
        mutex_lock(&r->mutex);
        r->running -= planned - count;
        mutex_unlock(&r->mutex);
    }
    open_gate(r, count, out_begin);
    wait_for_all(r, workers, count);
    meter_read(&end, clock_ns(r->env->clock));
    merge(r, workers, count);
    r->tally->cost = meter_between(out_begin, &end);
    if (succeeded(s))
        s = first_failure(r, workers, count);
    for (unsigned i = 0; i < count; i++)
        worker_destroy(workers[i]);
    alloc_free(a, workers, planned * sizeof *workers);
    return s;
}
