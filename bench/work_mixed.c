#include "bench/work.h"

/* Put random keys until all others are done. Not part of the result. */
static void write_in_background(struct worker *w)
{
    while (atomic_load_explicit(&w->run->readers, memory_order_acquire) > 0 &&
           !atomic_load_explicit(&w->run->is_stopped, memory_order_relaxed)) {
        uint64_t before = w->tally.written_bytes;
        if (!worker_put(w, worker_random_key(w)))
            return;
        worker_done(w, OP_WRITE, 1);
        worker_pace_write(w, w->tally.written_bytes - before);
    }
}

static void beside_writer(struct worker *w, void (*work)(struct worker *w))
{
    if (w->is_background)
        write_in_background(w);
    else
        work(w);
}

void work_read_while_writing(struct worker *w)
{
    beside_writer(w, work_read_random);
}

void work_seek_while_writing(struct worker *w)
{
    beside_writer(w, work_seek_random);
}

void work_iterate_while_writing(struct worker *w)
{
    beside_writer(w, work_new_iterator);
}

/* Of 100 operations, first all reads, then all writes. */
void work_read_or_write(struct worker *w)
{
    uint64_t reads = (uint64_t)w->run->flags->readwritepercent;
    struct bytes value;
    bool found;

    for (uint64_t i = 0; worker_more(w, 1); i++) {
        struct bytes key = worker_random_key(w);
        bool is_read = i % 100 < reads;
        if (is_read ? !worker_get(w, key, &found, &value) : !worker_put(w, key))
            return;
        worker_done(w, is_read ? OP_READ : OP_WRITE, 1);
    }
}

void work_update(struct worker *w)
{
    struct bytes value;
    bool found;

    while (worker_more(w, 1)) {
        struct bytes key = worker_random_key(w);
        if (!worker_get(w, key, &found, &value) || !worker_put(w, key))
            return;
        worker_done(w, OP_UPDATE, 1);
    }
}

/* What is there grows by a value; up to what the source of values can make. */
static bool append_one(struct worker *w)
{
    struct bytes key = worker_random_key(w);
    struct bytes old;
    bool found;

    if (!worker_get(w, key, &found, &old))
        return false;
    size_t size = (found ? old.size : 0) + (size_t)w->run->value_size_max;
    if (size > w->run->values.filler_size)
        size = w->run->values.filler_size;
    struct bytes value = worker_value_sized(w, key, size);
    if (value.data == NULL)
        return worker_fail(w, status_of(ST_NO_MEMORY), "append");
    return worker_put_value(w, key, value);
}

void work_append(struct worker *w)
{
    while (worker_more(w, 1) && append_one(w))
        worker_done(w, OP_UPDATE, 1);
}
