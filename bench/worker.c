#include "bench/worker.h"

#include "base/check.h"

#include "bench/adapter.h"

#include <math.h>

/* ---- Life --------------------------------------------------------------------------------- */

static struct status allocate(struct worker *w)
{
    struct run *r = w->run;
    struct alloc *a = r->env->alloc;
    size_t value_size = (size_t)r->value_size_max + 1;

    buf_init(&w->value, a, ADAPTER_COPY_MAX);
    buf_init(&w->scan, a, ADAPTER_COPY_MAX);
    w->writes = alloc_array(a, r->batch_size, sizeof *w->writes);
    w->batch_keys = alloc_array(a, r->batch_size, sizeof *w->batch_keys);
    w->batch_values = alloc_array(a, r->batch_size, sizeof *w->batch_values);
    w->batch_key_bytes = alloc_array(a, r->batch_size, r->keys.size);
    w->batch_value_bytes = alloc_array(a, r->batch_size, value_size);
    if (!buf_reserve(&w->value, value_size) || w->writes == NULL || w->batch_keys == NULL ||
        w->batch_values == NULL || w->batch_key_bytes == NULL || w->batch_value_bytes == NULL)
        return status_of(ST_NO_MEMORY);
    return status_ok();
}

/* Operations of this worker: db_bench's flags are each thread's, YCSB's counts are of all. */
static uint64_t operation_count(const struct worker *w)
{
    const struct run *r = w->run;
    const struct flags *f = r->flags;
    unsigned traits = r->benchmark->traits;
    int64_t given = f->writes;

    if (traits & TRAIT_OF_READS)
        given = f->reads;
    if (traits & TRAIT_OF_DELETES)
        given = f->deletes;
    if (traits & TRAIT_OF_BOTH)
        given = f->reads > f->writes ? f->reads : f->writes;
    uint64_t count = given < 0 ? r->num : (uint64_t)given;
    if (traits & TRAIT_READS_1000TH)
        count /= 1000;
    if (traits & TRAIT_YCSB)
        count = count * (w->index + 1) / r->thread_count - count * w->index / r->thread_count;
    return count;
}

struct status worker_create(struct run *r, unsigned index, struct worker **out_worker)
{
    struct worker *w = alloc_aligned(r->env->alloc, _Alignof(struct worker), sizeof *w);

    if (w == NULL)
        return status_of(ST_NO_MEMORY);
    memset(w, 0, sizeof *w);
    w->run = r;
    w->index = index;
    /* What was written must not be asked for in the order it was written in. */
    rand_seed(&w->rand, r->seed + 1000 * r->worker_serial);
    w->generation = (uint32_t)(r->worker_serial << 22);
    r->worker_serial++;
    w->limit = operation_count(w);
    tally_init(&w->tally);
    struct status s = allocate(w);
    if (failed(s))
        worker_destroy(w);
    else
        *out_worker = w;
    return s;
}

void worker_destroy(struct worker *w)
{
    if (w == NULL)
        return;
    struct run *r = w->run;
    struct alloc *a = r->env->alloc;
    size_t value_size = (size_t)r->value_size_max + 1;

    thread_join(w->thread);
    buf_deinit(&w->value);
    buf_deinit(&w->scan);
    alloc_free(a, w->writes, r->batch_size * sizeof *w->writes);
    alloc_free(a, w->batch_keys, r->batch_size * sizeof *w->batch_keys);
    alloc_free(a, w->batch_values, r->batch_size * sizeof *w->batch_values);
    alloc_free(a, w->batch_key_bytes, r->batch_size * r->keys.size);
    alloc_free(a, w->batch_value_bytes, r->batch_size * value_size);
    alloc_free(a, w, sizeof *w);
}

static void start(struct worker *w)
{
    struct run *r = w->run;
    uint64_t now = clock_ns(r->env->clock);

    if (r->flags->duration > 0 && !(r->benchmark->traits & TRAIT_WHOLE))
        w->deadline_ns = now + (uint64_t)r->flags->duration * 1000000000;
    w->last_ns = now;
    w->tally.start_ns = now;
}

static void leave(struct run *r)
{
    mutex_lock(&r->mutex);
    r->running--;
    condition_signal(&r->left);
    mutex_unlock(&r->mutex);
}

void worker_main(void *context)
{
    struct worker *w = context;
    struct run *r = w->run;

    if (r->engine != NULL) {
        struct status s = r->class->session_open(r->engine, &w->session);
        if (failed(s)) {
            w->status = s;
            w->err = r->engine->err;
            errbuf_prefix(&w->err, "session");
            atomic_store_explicit(&r->is_stopped, true, memory_order_relaxed);
        }
    }
    atomic_fetch_add_explicit(&r->ready, 1, memory_order_release);
    futex_wake(&r->ready, INT32_MAX);
    while (atomic_load_explicit(&r->is_open, memory_order_acquire) == 0)
        futex_wait(&r->is_open, 0);
    start(w);
    if (succeeded(w->status))
        r->benchmark->work(w);
    w->tally.finish_ns = clock_ns(r->env->clock);
    if (!w->is_background)
        atomic_fetch_sub_explicit(&r->readers, 1, memory_order_release);
    if (w->session != NULL)
        r->class->session_close(w->session);
    leave(r);
}

/* ---- Operations --------------------------------------------------------------------------- */

bool worker_more(struct worker *w, uint64_t count)
{
    if (atomic_load_explicit(&w->run->is_stopped, memory_order_relaxed))
        return false;
    if (w->deadline_ns != 0)
        return w->last_ns < w->deadline_ns;
    if (w->begun + count > w->limit)
        return false;
    w->begun += count;
    return true;
}

uint64_t worker_lap(struct worker *w, enum op_kind kind)
{
    uint64_t now = clock_ns(w->run->env->clock);
    uint64_t took = now - w->last_ns;

    histogram_add(&w->tally.kinds[kind], took);
    if (took > STALL_NS)
        w->tally.stall_ns += took;
    w->last_ns = now;
    return took;
}

void worker_done(struct worker *w, enum op_kind kind, uint64_t count)
{
    (void)worker_lap(w, kind);
    w->tally.done += count;
    /* Its only writer is here. */
    atomic_store_explicit(&w->progress, w->tally.done, memory_order_relaxed);
}

struct bytes worker_key(struct worker *w, uint64_t n)
{
    const struct run *r = w->run;

    if (r->benchmark->traits & TRAIT_YCSB)
        return bytes_of(w->key, key_encode_ycsb(n, w->key));
    key_encode(&r->keys, n, w->key);
    return bytes_of(w->key, r->keys.size);
}

struct bytes worker_random_key(struct worker *w)
{
    return worker_key(w, rand_below(&w->rand, w->run->num));
}

/* A draw of the normal distribution around the middle, three deviations from it to each end
 * (Box and Muller), cut off there. */
static uint64_t draw_normal(struct rand *rand, double least, double most)
{
    double u = 1 - rand_double(rand); /* Not 0. */
    double v = rand_double(rand);
    double z = sqrt(-2 * log(u)) * cos(2 * M_PI * v);
    double size = (least + most) / 2 + z * (most - least) / 6;

    return (uint64_t)fmin(fmax(size, least), most);
}

static size_t draw_value_size(struct worker *w)
{
    const struct run *r = w->run;
    uint64_t least = r->value_size_min;
    uint64_t most = r->value_size_max;

    if (least == most)
        return (size_t)most;
    if (r->flags->value_size_distribution_type[0] == 'n')
        return (size_t)draw_normal(&w->rand, (double)least, (double)most);
    return (size_t)(least + rand_below(&w->rand, most - least + 1));
}

struct bytes worker_value_sized(struct worker *w, struct bytes key, size_t size)
{
    buf_reset(&w->value);
    uint8_t *data = buf_extend(&w->value, size);
    if (data != NULL)
        value_make(&w->run->values, key, w->generation++, size, data);
    return bytes_of(data, size);
}

struct bytes worker_value(struct worker *w, struct bytes key)
{
    struct bytes value = worker_value_sized(w, key, draw_value_size(w));

    CHECK(value.data != NULL); /* Room for the greatest was made at the start. */
    return value;
}

bool worker_put_value(struct worker *w, struct bytes key, struct bytes value)
{
    struct status s = w->run->class->put(w->session, key, value);

    if (failed(s))
        return worker_fail(w, s, "put");
    w->tally.writes++;
    w->tally.written_bytes += key.size + value.size;
    w->tally.bytes += key.size + value.size;
    return true;
}

bool worker_put(struct worker *w, struct bytes key)
{
    return worker_put_value(w, key, worker_value(w, key));
}

bool worker_delete(struct worker *w, struct bytes key)
{
    struct status s = w->run->class->delete (w->session, key);

    if (failed(s))
        return worker_fail(w, s, "delete");
    w->tally.written_bytes += key.size;
    return true;
}

bool worker_get(struct worker *w, struct bytes key, bool *out_found, struct bytes *out_value)
{
    struct status s = w->run->class->get(w->session, key, out_value);

    w->tally.reads++;
    *out_found = succeeded(s);
    if (s.code == ST_NOT_FOUND)
        return true;
    if (failed(s))
        return worker_fail(w, s, "get");
    w->tally.found++;
    w->tally.bytes += key.size + out_value->size;
    return worker_verify(w, key, *out_value);
}

bool worker_verify(struct worker *w, struct bytes key, struct bytes value)
{
    if (!w->run->flags->verify || value_check(key, value))
        return true;
    errbuf_set(&w->session->err,
               "key %016llx of %zu bytes has a value of %zu bytes that nobody "
               "wrote for it",
               key.size >= 8 ? (unsigned long long)get_u64_be(key.data) : 0, key.size, value.size);
    return worker_fail(w, status_of(ST_CORRUPT), "verify");
}

bool worker_take(struct worker *w, const struct engine_iter *it)
{
    struct bytes copy;
    struct status s = adapter_copy(&w->scan, it->value, &copy);

    if (failed(s))
        return worker_fail(w, s, "copy");
    w->tally.bytes += it->key.size + copy.size;
    return worker_verify(w, it->key, copy);
}

bool worker_fail(struct worker *w, struct status s, const char *what)
{
    if (succeeded(w->status)) {
        w->status = s;
        w->err = w->session->err;
        if (w->err.text[0] == '\0')
            errbuf_set(&w->err, "%s", status_text(s));
        errbuf_prefix(&w->err, "%s", what);
    }
    atomic_store_explicit(&w->run->is_stopped, true, memory_order_relaxed);
    return false;
}

/* ---- Pace --------------------------------------------------------------------------------- */

/* Sleep until done units are due at a rate of units a second. */
static void pace(struct worker *w, uint64_t done, int64_t rate)
{
    double due_ns = (double)done / (double)rate * 1e9;
    uint64_t due = w->run->start_ns + (uint64_t)due_ns;
    uint64_t now = clock_ns(w->run->env->clock);

    if (due <= now)
        return;
    adapter_pause(due - now);
    w->last_ns = clock_ns(w->run->env->clock); /* The sleep is no operation's. */
}

void worker_pace_write(struct worker *w, uint64_t size)
{
    int64_t rate = w->run->flags->benchmark_write_rate_limit;

    if (rate > 0)
        pace(w, size + atomic_fetch_add_explicit(&w->run->paced_writes, size, memory_order_relaxed),
             rate);
}

void worker_pace_read(struct worker *w, uint64_t reads)
{
    int64_t rate = w->run->flags->benchmark_read_rate_limit;

    if (rate > 0)
        pace(w,
             reads + atomic_fetch_add_explicit(&w->run->paced_reads, reads, memory_order_relaxed),
             rate);
}
