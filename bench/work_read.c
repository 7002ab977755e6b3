#include "bench/work.h"

#include "base/crc32c.h"
#include "base/hash.h"

void work_read_random(struct worker *w)
{
    struct bytes value;
    bool found;

    while (worker_more(w, 1)) {
        if (!worker_get(w, worker_random_key(w), &found, &value))
            return;
        worker_done(w, OP_READ, 1);
        worker_pace_read(w, 1);
    }
}

static bool multi_read(struct worker *w)
{
    const struct run *r = w->run;

    for (size_t i = 0; i < r->batch_size; i++) {
        uint8_t *key = w->batch_key_bytes + i * r->keys.size;
        key_encode(&r->keys, rand_below(&w->rand, r->num), key);
        w->batch_keys[i] = bytes_of(key, r->keys.size);
    }
    struct status s =
        r->class->multi_get(w->session, w->batch_keys, r->batch_size, w->batch_values);
    if (failed(s))
        return worker_fail(w, s, "multi_get");
    w->tally.reads += r->batch_size;
    for (size_t i = 0; i < r->batch_size; i++) {
        if (w->batch_values[i].data == NULL)
            continue;
        w->tally.found++;
        w->tally.bytes += r->keys.size + w->batch_values[i].size;
        if (!worker_verify(w, w->batch_keys[i], w->batch_values[i]))
            return false;
    }
    return true;
}

void work_multi_read_random(struct worker *w)
{
    while (worker_more(w, w->run->batch_size) && multi_read(w)) {
        worker_done(w, OP_READ, w->run->batch_size);
        worker_pace_read(w, w->run->batch_size);
    }
}

/* ---- Iterators ---------------------------------------------------------------------------- */

static struct engine_iter *open_iter(struct worker *w)
{
    struct engine_iter *it;
    struct status s = w->run->class->iter_open(w->session, &it);

    if (succeeded(s))
        return it;
    (void)worker_fail(w, s, "iterator");
    return NULL;
}

static void read_in_order(struct worker *w, bool is_backward)
{
    const struct engine_class *class = w->run->class;
    struct engine_iter *it = open_iter(w);

    if (it == NULL)
        return;
    if (is_backward)
        class->iter_last(it);
    else
        class->iter_first(it);
    while (it->is_valid && worker_more(w, 1) && worker_take(w, it)) {
        worker_done(w, OP_READ, 1);
        worker_pace_read(w, 1);
        if (is_backward)
            class->iter_prev(it);
        else
            class->iter_next(it);
    }
    if (failed(it->status))
        (void)worker_fail(w, it->status, "iterator");
    class->iter_close(it);
}

void work_read_forward(struct worker *w)
{
    read_in_order(w, false);
}

void work_read_backward(struct worker *w)
{
    read_in_order(w, true);
}

void work_new_iterator(struct worker *w)
{
    while (worker_more(w, 1)) {
        struct engine_iter *it = open_iter(w);
        if (it == NULL)
            return;
        w->run->class->iter_close(it);
        worker_done(w, OP_OTHER, 1);
    }
}

/* Seek, and read --seek_nexts entries from there. */
static bool seek(struct worker *w, struct engine_iter *it)
{
    const struct engine_class *class = w->run->class;
    struct bytes key = worker_random_key(w);

    class->iter_seek(it, key);
    w->tally.reads++;
    if (it->is_valid && bytes_equal(it->key, key))
        w->tally.found++;
    for (int64_t i = 0; i < w->run->flags->seek_nexts && it->is_valid; i++) {
        if (!worker_take(w, it))
            return false;
        if (w->run->flags->reverse_iterator)
            class->iter_prev(it);
        else
            class->iter_next(it);
    }
    return succeeded(it->status) || worker_fail(w, it->status, "seek");
}

/* A new iterator for each seek, as a caller with one request has it. */
void work_seek_random(struct worker *w)
{
    while (worker_more(w, 1)) {
        struct engine_iter *it = open_iter(w);
        if (it == NULL)
            return;
        bool good = seek(w, it);
        w->run->class->iter_close(it);
        if (!good)
            return;
        worker_done(w, OP_SEEK, 1);
        worker_pace_read(w, 1);
    }
}

/* ---- Checksums ---------------------------------------------------------------------------- */

enum { BLOCK_SIZE = 4096, CHECKSUM_BYTES = 500 << 20 };

static uint64_t hash_block(const uint8_t *data)
{
    return hash_bytes(bytes_of(data, BLOCK_SIZE), 0);
}

static uint64_t crc_block(const uint8_t *data)
{
    return crc32c(0, data, BLOCK_SIZE);
}

/* The same block, over and over, up to 500 MB. */
static void checksum(struct worker *w, uint64_t (*sum)(const uint8_t *data), enum op_kind kind)
{
    volatile uint64_t sink = 0; /* So that nobody proves the work to be needless. */

    while (w->tally.bytes < CHECKSUM_BYTES) {
        sink = sink ^ sum(w->run->values.filler);
        w->tally.bytes += BLOCK_SIZE;
        worker_done(w, kind, 1);
    }
}

void work_crc32c(struct worker *w)
{
    checksum(w, crc_block, OP_CRC);
}

void work_xxh3(struct worker *w)
{
    checksum(w, hash_block, OP_HASH);
}
