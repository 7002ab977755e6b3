#include "bench/ycsb.h"

#include "base/check.h"

#include "bench/worker.h"

const struct ycsb_mix YCSB_A = { .read = 0.5, .update = 0.5 };
const struct ycsb_mix YCSB_B = { .read = 0.95, .update = 0.05 };
const struct ycsb_mix YCSB_C = { .read = 1 };
const struct ycsb_mix YCSB_D = { .read = 0.95, .insert = 0.05, .is_latest = true };
const struct ycsb_mix YCSB_E = { .scan = 0.95, .insert = 0.05 };
const struct ycsb_mix YCSB_F = { .read = 0.5 };

void ycsb_init(struct ycsb *y)
{
    memset(y, 0, sizeof *y);
    mutex_init(&y->mutex, RANK_LOG);
    zipf_init_scrambled(&y->scrambled);
}

void ycsb_deinit(struct ycsb *y)
{
    mutex_deinit(&y->mutex);
}

void ycsb_start(struct ycsb *y, const struct ycsb_mix *mix, uint64_t records, uint64_t operations)
{
    double to_come = (double)operations * mix->insert * 2;

    atomic_store_explicit(&y->inserted, records, memory_order_relaxed);
    atomic_store_explicit(&y->available, records, memory_order_relaxed);
    memset(y->ended, 0, sizeof y->ended);
    y->drawn_records = records + (uint64_t)to_come;
    if (!mix->is_latest)
        return;
    if (y->latest.items == 0)
        zipf_init(&y->latest, records, 0.99);
    zipf_grow(&y->latest, records);
}

void ycsb_acknowledge(struct ycsb *y, uint64_t record)
{
    mutex_lock(&y->mutex);
    uint64_t next = atomic_load_explicit(&y->available, memory_order_relaxed);
    CHECK(record >= next && record - next < YCSB_WINDOW);
    y->ended[record % YCSB_WINDOW] = true;
    while (y->ended[next % YCSB_WINDOW])
        y->ended[next++ % YCSB_WINDOW] = false;
    /* Pairs with the load in draw_record: who draws a record reads it after its insert ended. */
    atomic_store_explicit(&y->available, next, memory_order_release);
    mutex_unlock(&y->mutex);
}

/* ---- Operations --------------------------------------------------------------------------- */

static uint64_t draw_record(struct worker *w, const struct ycsb_mix *mix, struct zipf *latest)
{
    struct ycsb *y = &w->run->ycsb;
    uint64_t available = atomic_load_explicit(&y->available, memory_order_acquire);
    uint64_t record;

    if (mix->is_latest)
        return zipf_latest(latest, &w->rand, available);
    do
        record = zipf_scrambled(&y->scrambled, &w->rand, y->drawn_records);
    while (record >= available);
    return record;
}

static bool read_record(struct worker *w, uint64_t record)
{
    struct bytes value;
    bool found;

    if (!worker_get(w, worker_key(w, record), &found, &value))
        return false;
    if (!found)
        w->tally.failed[OP_READ]++;
    return true;
}

static bool read_one(struct worker *w, uint64_t record)
{
    if (!read_record(w, record))
        return false;
    worker_done(w, OP_READ, 1);
    return true;
}

static bool update_one(struct worker *w, uint64_t record)
{
    if (!worker_put(w, worker_key(w, record)))
        return false;
    worker_done(w, OP_UPDATE, 1);
    return true;
}

static bool insert_one(struct worker *w)
{
    struct ycsb *y = &w->run->ycsb;
    uint64_t record = atomic_fetch_add_explicit(&y->inserted, 1, memory_order_relaxed);

    if (!worker_put(w, worker_key(w, record)))
        return false;
    ycsb_acknowledge(y, record);
    worker_done(w, OP_INSERT, 1);
    return true;
}

static bool modify_one(struct worker *w, uint64_t record)
{
    if (!read_record(w, record))
        return false;
    uint64_t took = worker_lap(w, OP_READ);
    if (!worker_put(w, worker_key(w, record)))
        return false;
    uint64_t before = w->last_ns;
    worker_done(w, OP_UPDATE, 1);
    histogram_add(&w->tally.kinds[OP_READ_MODIFY_WRITE], took + w->last_ns - before);
    return true;
}

static bool scan_one(struct worker *w, uint64_t record)
{
    const struct engine_class *class = w->run->class;
    uint64_t length = 1 + rand_below(&w->rand, (uint64_t)w->run->flags->maxscanlength);
    struct engine_iter *it;

    struct status s = class->iter_open(w->session, &it);
    if (failed(s))
        return worker_fail(w, s, "iterator");
    class->iter_seek(it, worker_key(w, record));
    w->tally.reads++;
    if (it->is_valid)
        w->tally.found++;
    else
        w->tally.failed[OP_SCAN]++; /* At least the record itself is there. */
    bool good = true;
    for (; good && length > 0 && it->is_valid; length--) {
        good = worker_take(w, it);
        class->iter_next(it);
    }
    if (good && failed(it->status))
        good = worker_fail(w, it->status, "scan");
    class->iter_close(it);
    if (good)
        worker_done(w, OP_SCAN, 1);
    return good;
}

/* ---- Workloads ---------------------------------------------------------------------------- */

static bool do_one(struct worker *w, const struct ycsb_mix *mix, struct zipf *latest)
{
    double dice = rand_double(&w->rand);

    if (dice < mix->insert)
        return insert_one(w);
    dice -= mix->insert;
    uint64_t record = draw_record(w, mix, latest);
    if (dice < mix->read)
        return read_one(w, record);
    if (dice < mix->read + mix->update)
        return update_one(w, record);
    if (dice < mix->read + mix->update + mix->scan)
        return scan_one(w, record);
    return modify_one(w, record);
}

void ycsb_run(struct worker *w)
{
    const struct ycsb_mix *mix = w->run->benchmark->mix;
    struct zipf latest = w->run->ycsb.latest; /* Grows with the records this thread sees. */

    while (worker_more(w, 1) && do_one(w, mix, &latest))
        continue;
}

void ycsb_load(struct worker *w)
{
    /* Each thread its share, so that together they insert each record once. */
    const struct run *r = w->run;
    uint64_t record = r->num * w->index / r->thread_count;
    uint64_t end = r->num * (w->index + 1) / r->thread_count;

    for (; record < end && worker_more(w, 1); record++) {
        if (!worker_put(w, worker_key(w, record)))
            return;
        worker_done(w, OP_INSERT, 1);
    }
}
