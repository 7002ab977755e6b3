#include "bench/run.h"

#include "bench/crew.h"
#include "bench/dir.h"
#include "bench/list.h"
#include "bench/report.h"
#include "bench/store.h"

#include <inttypes.h>
#include <string.h>

enum { VALUE_100K = 100000, BATCH_1000 = 1000, RECORD_MAX = 64 << 20 };

/* ---- Life --------------------------------------------------------------------------------- */

static uint64_t record_size(const struct flags *f)
{
    return (uint64_t)f->fieldcount * (uint64_t)f->fieldlength;
}

static struct status check_flags(const struct flags *f, struct errbuf *err)
{
    static const char *const SHAPES[] = { "fixed", "uniform", "normal" };
    bool is_shape = false;

    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++)
        is_shape = is_shape || strcmp(f->value_size_distribution_type, SHAPES[i]) == 0;
    if (!is_shape)
        errbuf_set(err, "--value_size_distribution_type=%s: expected fixed, uniform or normal",
                   f->value_size_distribution_type);
    else if (f->value_size_min > f->value_size_max)
        errbuf_set(err, "--value_size_min is above --value_size_max");
    else if (record_size(f) > RECORD_MAX)
        errbuf_set(err, "--fieldcount times --fieldlength is above %d bytes", RECORD_MAX);
    else if (f->keys_per_prefix > 0 && f->prefix_size >= f->key_size)
        errbuf_set(err, "--prefix_size leaves no room for a number in --key_size");
    else
        return status_ok();
    return status_of(ST_INVALID);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct status run_init(struct run *r, const struct env *env, const struct flags *flags,
                       const struct engine_class *class, FILE *out, struct errbuf *err)
{
    TRY(check_flags(flags, err));
    memset(r, 0, sizeof *r);
    r->env = env;
    r->flags = flags;
    r->class = class;
    r->out = out;
    r->err = err;
    r->seed = flags->seed != 0 ? (uint64_t)flags->seed : clock_wall_ms(env->clock);
    r->tally = alloc_zeroed(env->alloc, sizeof *r->tally);
    if (r->tally == NULL)
        return status_of(ST_NO_MEMORY);
    uint64_t most = greater(VALUE_100K, record_size(flags));
    most = greater(most,
                   (uint64_t)greater((uint64_t)flags->value_size, (uint64_t)flags->value_size_max));
    struct status s =
        value_source_init(&r->values, env->alloc, flags->compression_ratio, (size_t)most);
    if (failed(s)) {
        alloc_free(env->alloc, r->tally, sizeof *r->tally);
        return s;
    }
    mutex_init(&r->mutex, RANK_LOG);
    condition_init(&r->left);
    ycsb_init(&r->ycsb);
    return s;
}

void run_deinit(struct run *r)
{
    store_close(r);
    ycsb_deinit(&r->ycsb);
    condition_deinit(&r->left);
    mutex_deinit(&r->mutex);
    value_source_deinit(&r->values);
    alloc_free(r->env->alloc, r->tally, sizeof *r->tally);
}

/* ---- Preparation -------------------------------------------------------------------------- */

static bool has_function(const struct engine_class *c, enum benchmark_need need)
{
    switch (need) {
    case NEED_PUT:
        return c->put != NULL;
    case NEED_DELETE:
        return c->delete != NULL;
    case NEED_WRITE:
        return c->write != NULL;
    case NEED_GET:
        return c->get != NULL;
    case NEED_MULTI_GET:
        return c->multi_get != NULL;
    case NEED_ITER:
        return c->iter_open != NULL;
    case NEED_FLUSH:
        return c->flush != NULL;
    case NEED_COMPACT:
        return c->compact != NULL;
    case NEED_SETTLE:
        return c->settle != NULL;
    case NEED_TEXT:
        return c->text != NULL;
    }
    return false;
}

static size_t batch_size(const struct run *r, const struct benchmark *b)
{
    if (b->traits & TRAIT_BATCH_1000)
        return BATCH_1000;
    return b->traits & TRAIT_YCSB ? 1 : (size_t)r->flags->batch_size;
}

static struct status check_needs(const struct run *r, const struct benchmark *b)
{
    unsigned needs = b->needs;

    /* Who can do both writes one by one, or in batches, as the batch size is. */
    if (needs & NEED_WRITE)
        needs &=
            batch_size(r, b) == 1 ? ~(unsigned)NEED_WRITE : ~(unsigned)(NEED_PUT | NEED_DELETE);
    for (unsigned need = NEED_PUT; need <= NEED_TEXT; need <<= 1) {
        if ((needs & need) != 0 && !has_function(r->class, (enum benchmark_need)need)) {
            errbuf_set(r->err, "the engine %s cannot do what %s asks for", r->class->name, b->name);
            return status_of(ST_UNSUPPORTED);
        }
    }
    if (r->flags->settle && (b->traits & TRAIT_WRITES) && r->class->settle == NULL) {
        errbuf_set(r->err, "the engine %s cannot --settle", r->class->name);
        return status_of(ST_UNSUPPORTED);
    }
    return status_ok();
}

static void choose_value_sizes(struct run *r)
{
    const struct flags *f = r->flags;
    bool is_fixed = f->value_size_distribution_type[0] == 'f';

    r->value_size_min = (uint64_t)(is_fixed ? f->value_size : f->value_size_min);
    r->value_size_max = (uint64_t)(is_fixed ? f->value_size : f->value_size_max);
    if (r->benchmark->traits & TRAIT_VALUE_100K)
        r->value_size_min = r->value_size_max = VALUE_100K;
    if (r->benchmark->traits & TRAIT_YCSB)
        r->value_size_min = r->value_size_max = record_size(f);
}

/* What the threads will read of struct run. */
static void choose_shape(struct run *r, const struct benchmark *b)
{
    const struct flags *f = r->flags;

    r->benchmark = b;
    r->num = (uint64_t)f->num;
    if (b->traits & TRAIT_NUM_1000TH)
        r->num = greater(r->num / 1000, 1);
    choose_value_sizes(r);
    r->batch_size = batch_size(r, b);
    r->thread_count = b->traits & TRAIT_ONE_THREAD ? 1 : (unsigned)f->threads;
    if (b->traits & TRAIT_EXTRA_THREAD)
        r->thread_count++;
    r->keys = (struct key_shape) {
        .size = (size_t)f->key_size + (b->traits & TRAIT_LONG_KEY ? 1 : 0),
        .prefix_size = (size_t)f->prefix_size,
        .keys_per_prefix = (uint64_t)f->keys_per_prefix,
        .key_count = r->num,
    };
    permutation_init(&r->permutation, r->num, r->seed + r->worker_serial);
    r->repeat = 0;
}

static void start_ycsb(struct run *r)
{
    const struct benchmark *b = r->benchmark;
    uint64_t records = r->num;

    if (b->mix == NULL) {
        atomic_store_explicit(&r->ycsb.available, records, memory_order_relaxed);
        return;
    }
    records = greater(records, atomic_load_explicit(&r->ycsb.available, memory_order_relaxed));
    ycsb_start(&r->ycsb, b->mix, records, r->flags->reads < 0 ? r->num : (uint64_t)r->flags->reads);
}

/* ---- Execution ---------------------------------------------------------------------------- */

static void write_message(const struct run *r, char *out_text, size_t size)
{
    const struct tally *t = r->tally;

    out_text[0] = '\0';
    switch (r->benchmark->message) {
    case MESSAGE_NONE:
        break;
    case MESSAGE_FOUND:
        (void)snprintf(out_text, size, "(%" PRIu64 " of %" PRIu64 " found)", t->found, t->reads);
        break;
    case MESSAGE_READ_WRITE:
        (void)snprintf(out_text, size,
                       "( reads:%" PRIu64 " writes:%" PRIu64 " total:%" PRIu64 " found:%" PRIu64
                       ")",
                       t->reads, t->writes, t->done, t->found);
        break;
    case MESSAGE_UPDATES:
        (void)snprintf(out_text, size, "( updates:%" PRIu64 " found:%" PRIu64 ")", t->done,
                       t->found);
        break;
    case MESSAGE_4K:
        (void)snprintf(out_text, size, "(4K per op)");
        break;
    }
}

static void report(struct run *r)
{
    const struct tally *t = r->tally;
    const char *name = r->benchmark->name;
    char message[128];

    write_message(r, message, sizeof message);
    if (!r->flags->confidence_interval_only)
        report_line(r->out, name, t, message);
    for (int i = 0; r->flags->histogram && i < OP_KINDS; i++) {
        if (t->kinds[i].count > 0)
            report_histogram(r->out, (enum op_kind)i, &t->kinds[i]);
    }
    report_costs(r->out, name, t);
    if (r->benchmark->traits & TRAIT_YCSB)
        report_ycsb(r->out, t);
    (void)fflush(r->out);
}

static struct status append_row(struct run *r)
{
    const char *path = r->flags->results;
    const struct report_row row = {
        .name = r->benchmark->name,
        .engine = r->class->name,
        .key_size = (int64_t)r->keys.size,
        .value_size = (int64_t)r->value_size_max,
    };

    if (path[0] == '\0')
        return status_ok();
    FILE *f = fopen(path, "a");
    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        if (ftell(f) == 0)
            report_row_header(f);
        report_row(f, &row, r->tally);
    }
    if (f != NULL && fclose(f) == 0)
        return status_ok();
    errbuf_set(r->err, "could not write \"%s\"", path);
    return status_of(ST_IO);
}

/* Run it once: threads, then settling if asked for, then the lines. */
static struct status execute(struct run *r)
{
    struct meter begin;

    TRY(crew_work(r, &begin));
    if (r->engine != NULL && r->flags->settle && (r->benchmark->traits & TRAIT_WRITES)) {
        struct meter end;
        TRY(store_settle(r));
        meter_read(&end, clock_ns(r->env->clock));
        r->tally->settled = meter_between(&begin, &end);
        r->tally->is_settled = true;
    }
    if (r->engine != NULL)
        r->tally->on_disk_bytes = dir_size(r->store);
    report(r);
    r->repeat++;
    return status_ok();
}

static double megabytes_per_second(const struct tally *t)
{
    return (double)t->bytes / (1024 * 1024) / tally_elapsed_seconds(t);
}

/* Warm-ups, then repeats with their averages. numbers has room for three doubles a repeat. */
static struct status repeat(struct run *r, const struct list_item *item, double *numbers)
{
    const char *name = r->benchmark->name;
    double *ops = numbers;
    double *mb = numbers + item->repeats;

    if (item->warmups > 0)
        fprintf(r->out, "Warming up benchmark by running %u times\n", item->warmups);
    for (unsigned i = 0; i < item->warmups; i++)
        TRY(execute(r));
    if (item->repeats > 1)
        fprintf(r->out, "Running benchmark for %u times\n", item->repeats);
    struct report_runs runs = { .ops_per_second = ops, .mb_per_second = mb };
    for (unsigned i = 0; i < item->repeats; i++) {
        TRY(execute(r));
        TRY(append_row(r));
        ops[i] = tally_ops_per_second(r->tally);
        mb[i] = megabytes_per_second(r->tally);
        runs.count = i + 1;
        if (r->flags->confidence_interval_only)
            report_interval(r->out, name, runs);
        else
            report_average(r->out, name, runs);
    }
    report_final(r->out, name, runs, numbers + 2 * (size_t)item->repeats);
    return status_ok();
}

static struct status run_work(struct run *r, const struct list_item *item)
{
    const struct benchmark *b = item->benchmark;
    bool sync = r->flags->sync || (b->traits & TRAIT_SYNC) != 0;

    if ((b->traits & TRAIT_FRESH) && r->flags->use_existing_db) {
        fprintf(r->out, "%-12s : skipped (--use_existing_db is true)\n", b->name);
        return status_ok();
    }
    choose_shape(r, b);
    if (!(b->traits & TRAIT_NO_STORE)) {
        TRY(b->traits & TRAIT_FRESH ? store_open_empty(r, sync) : store_open(r, sync));
        fprintf(r->out, "DB path: [%s]\n", r->flags->db);
    }
    if (b->traits & TRAIT_YCSB)
        start_ycsb(r);
    size_t count = 3 * (size_t)item->repeats;
    double *numbers = alloc_array(r->env->alloc, count, sizeof *numbers);
    if (numbers == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = repeat(r, item, numbers);
    alloc_free(r->env->alloc, numbers, count * sizeof *numbers);
    if (succeeded(s) && r->flags->reopen && (b->traits & TRAIT_WRITES))
        s = store_reopen(r, NULL);
    return s;
}

static struct status run_item(struct run *r, const struct list_item *item)
{
    struct status s;

    if (item->benchmark->act != NULL) {
        s = store_open(r, r->engine != NULL ? r->is_open_with_sync : r->flags->sync);
        if (succeeded(s)) {
            choose_shape(r, item->benchmark);
            s = item->benchmark->act(r);
        }
    } else {
        s = run_work(r, item);
    }
    if (failed(s))
        errbuf_prefix(r->err, "%s", item->benchmark->name);
    return s;
}

/* ---- The list ----------------------------------------------------------------------------- */

struct status run_check(struct run *r)
{
    const char *at = r->flags->benchmarks;
    struct list_item item;

    while (*at != '\0') {
        TRY(list_next(&at, r->err, &item));
        if (item.benchmark != NULL)
            TRY(check_needs(r, item.benchmark));
    }
    return status_ok();
}

struct status run_all(struct run *r)
{
    const char *at = r->flags->benchmarks;
    struct list_item item;

    TRY(store_prepare(r));
    while (*at != '\0') {
        TRY(list_next(&at, r->err, &item));
        if (item.benchmark != NULL)
            TRY(run_item(r, &item));
    }
    return status_ok();
}
