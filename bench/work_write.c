#include "bench/work.h"

enum order { SEQUENTIAL, RANDOM, PERMUTED };

/* The number of the key that operation i of this worker is about. */
static uint64_t draw_number(struct worker *w, enum order order, uint64_t i)
{
    const struct run *r = w->run;

    switch (order) {
    case SEQUENTIAL:
        return i % r->num;
    case PERMUTED:
        /* Threads take turns through one permutation. */
        return permutation_at(&r->permutation, (i * r->thread_count + w->index) % r->num);
    case RANDOM:
        break;
    }
    return rand_below(&w->rand, r->num);
}

/* Put key number n, and for deletes nothing, into slot j of the batch. Returns its bytes. */
static size_t fill_slot(struct worker *w, size_t j, uint64_t n, bool is_delete)
{
    const struct run *r = w->run;
    uint8_t *key = w->batch_key_bytes + j * r->keys.size;
    uint8_t *value = w->batch_value_bytes + j * (size_t)(r->value_size_max + 1);
    struct bytes v = bytes_of(value, 0);

    key_encode(&r->keys, n, key);
    if (!is_delete) {
        v = worker_value(w, bytes_of(key, r->keys.size));
        memcpy(value, v.data, v.size);
    }
    w->writes[j] = (struct engine_write) {
        .key = bytes_of(key, r->keys.size),
        .value = bytes_of(value, v.size),
        .is_delete = is_delete,
    };
    return r->keys.size + v.size;
}

static bool write_batch(struct worker *w, enum order order, uint64_t first, bool is_delete)
{
    const struct run *r = w->run;
    size_t size = 0;

    for (size_t j = 0; j < r->batch_size; j++)
        size += fill_slot(w, j, draw_number(w, order, first + j), is_delete);
    struct status s = r->class->write(w->session, w->writes, r->batch_size);
    if (failed(s))
        return worker_fail(w, s, "write");
    w->tally.writes += r->batch_size;
    w->tally.written_bytes += size;
    if (!is_delete)
        w->tally.bytes += size;
    return true;
}

static bool write_one(struct worker *w, enum order order, uint64_t i, bool is_delete)
{
    struct bytes key = worker_key(w, draw_number(w, order, i));

    return is_delete ? worker_delete(w, key) : worker_put(w, key);
}

static void write_all(struct worker *w, enum order order, bool is_delete)
{
    size_t batch = w->run->batch_size;
    uint64_t before = 0;

    for (uint64_t i = 0; worker_more(w, batch); i += batch) {
        bool good =
            batch == 1 ? write_one(w, order, i, is_delete) : write_batch(w, order, i, is_delete);
        if (!good)
            return;
        worker_done(w, is_delete ? OP_DELETE : OP_WRITE, batch);
        worker_pace_write(w, w->tally.written_bytes - before);
        before = w->tally.written_bytes;
    }
}

void work_fill_sequential(struct worker *w)
{
    write_all(w, SEQUENTIAL, false);
}

void work_fill_random(struct worker *w)
{
    write_all(w, w->run->flags->permutation ? PERMUTED : RANDOM, false);
}

void work_fill_unique(struct worker *w)
{
    write_all(w, PERMUTED, false);
}

void work_delete_sequential(struct worker *w)
{
    write_all(w, SEQUENTIAL, true);
}

void work_delete_random(struct worker *w)
{
    write_all(w, RANDOM, true);
}
