#include "lsm/table_reader.h"

#include "base/budget.h"
#include "base/check.h"

#include "lsm/table_stream.h"

/*
 * A cursor stands on an entry of a data block of an index partition. A move first looks where it
 * would stand (struct stand), reading what that needs, and only then goes there: a move that has to
 * wait has changed nothing but what it has already found on its way (ahead).
 *
 * What is held: the partition and the data block of the stand, and those of the way ahead while a
 * move waits.
 *
 * A cursor that finds one block after the other missing reads ahead: if it may block, in pieces
 * that grow, from which blocks go into the cache as it gets to them, and until it meets blocks that
 * are there already; if it may not, by naming the next few blocks when it has to wait for one.
 */
enum {
    MISSES_TO_STREAM = 2, /* Blocks missing in a row. */
    HITS_TO_STOP = 4,
    AHEAD_READ_FIRST = 16 << 10,
    AHEAD_READ_MAX = 128 << 10,
    JOB_READ = 256 << 10,
    NAMED_AHEAD = 8,
};

/* An index partition, pinned in the fetch. */
struct held_part {
    bool is_held;
    uint32_t i; /* In the top index. */
    struct fetch_block pinned;
    struct lsm_block block;
};

/* A data block: pinned in the fetch, or borrowed from the stream. */
struct held_data {
    bool is_pinned;
    struct fetch_block pinned;
    struct lsm_block block;
};

struct table_iter {
    struct lsm_iter iter;
    struct lsm_table *table;
    struct fetch *fetch;
    struct status status; /* The first failure; repeated. */
    struct held_part part;
    struct held_part ahead;
    uint32_t data_i; /* In the partition. */
    struct held_data data;
    uint32_t i;   /* In the data block. */
    uint8_t *key; /* The entry's; the block's prefix is in its place. */
    size_t key_room;
    struct table_stream *stream; /* NULL: none yet. */
    bool is_streamed;            /* All data comes by the stream, around the cache. */
    uint64_t data_end;           /* Of the block that was asked for last. */
    unsigned misses;             /* In a row, of blocks that followed one another. */
    unsigned hits;               /* In a row, while reading ahead. */
    bool is_waiting;             /* The last move answered AGAIN. */
};

/* ---- Holding blocks ----------------------------------------------------------------------- */

static void release_part(struct table_iter *it, struct held_part *p)
{
    if (p->is_held)
        fetch_release(it->fetch, &p->pinned);
    p->is_held = false;
}

static void release_data(struct table_iter *it, struct held_data *d)
{
    if (d->is_pinned)
        fetch_release(it->fetch, &d->pinned);
    d->is_pinned = false;
}

/* Partition i: the one of the stand, or ahead. */
static struct status hold_part(struct table_iter *it, uint32_t i, const struct held_part **out_part)
{
    struct table_place place;
    struct held_part *p = &it->ahead;

    if (it->part.is_held && it->part.i == i) {
        *out_part = &it->part;
        return status_ok();
    }
    if (!p->is_held || p->i != i) {
        release_part(it, p);
        TRY(table_part_place(it->table, i, &place, &it->fetch->err));
        TRY(table_fetch_part(it->table, it->fetch, place, TABLE_INDEX, i, &p->pinned));
        p->block = lsm_block_of(p->pinned.data.data, p->pinned.header);
        p->i = i;
        p->is_held = true;
    }
    *out_part = p;
    return status_ok();
}

static struct status stream_data(struct table_iter *it, struct table_place place,
                                 struct held_data *out_data)
{
    uint8_t header[FETCH_HEADER_SIZE];
    struct bytes block;

    TRY(table_stream_get(it->stream, place, &block, &it->fetch->err));
    TRY(table_verify_block(it->table, block, TABLE_DATA, place.offset, header, &it->fetch->err));
    out_data->is_pinned = false;
    out_data->block = lsm_block_of(block.data, header);
    return status_ok();
}

static struct status open_stream(struct table_iter *it, const struct table_stream_options *options)
{
    const struct env *env = it->table->env;

    if (it->stream != NULL)
        return status_ok();
    struct table_stream *stream = alloc_zeroed(env->alloc, sizeof *stream);
    if (stream == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = table_stream_init(stream, it->table, options);
    if (failed(s)) {
        table_stream_deinit(stream);
        alloc_free(env->alloc, stream, sizeof *stream);
        return s;
    }
    it->stream = stream;
    return status_ok();
}

/* The block at place was missing, or not: is it time to read ahead? */
static void note_read(struct table_iter *it, struct table_place place, bool is_miss)
{
    struct table_stream_options options = { .ring = it->fetch->options.ring,
                                            .tag = BUDGET_ITERATOR,
                                            .read_first = AHEAD_READ_FIRST,
                                            .read_max = AHEAD_READ_MAX };

    it->misses = !is_miss ? 0 : place.offset == it->data_end ? it->misses + 1 : 1;
    it->data_end = place.offset + place.size;
    it->hits = 0;
    if (it->misses < MISSES_TO_STREAM || options.ring == NULL)
        return;
    if (succeeded(open_stream(it, &options))) /* Else it goes on block by block. */
        table_stream_begin(it->stream, it->data_end);
}

/* A block that was read ahead, perhaps: false, it was not. */
static bool take_ahead(struct table_iter *it, struct table_place place,
                       struct fetch_block *out_pinned, struct status *out_status)
{
    struct bytes given;

    if (it->stream == NULL || !table_stream_covers(it->stream, place))
        return false;
    it->data_end = place.offset + place.size;
    *out_status = status_ok();
    if (table_find(it->table, it->fetch, place, TABLE_DATA, out_pinned)) {
        if (++it->hits == HITS_TO_STOP)
            table_stream_begin(it->stream, UINT64_MAX);
        return true;
    }
    it->hits = 0;
    *out_status = table_stream_get(it->stream, place, &given, &it->fetch->err);
    if (succeeded(*out_status))
        *out_status = table_fetch_given(it->table, it->fetch, place, TABLE_DATA, given, out_pinned);
    return true;
}

/* Who has to wait for block i of part, in a row of missing ones, names those behind it. */
static void name_ahead(struct table_iter *it, const struct held_part *part, uint32_t i)
{
    struct table_place place;
    struct fetch_block block;

    for (uint32_t n = i + 1; n <= i + NAMED_AHEAD && n < part->block.hint.count; n++) {
        if (failed(table_data_place(it->table, &part->block, n, &place, &it->fetch->err)))
            return;
        struct status s = table_fetch(it->table, it->fetch, place, TABLE_DATA, &block);
        if (succeeded(s))
            fetch_release(it->fetch, &block);
        if (s.code != ST_AGAIN)
            return;
    }
}

static struct status hold_data(struct table_iter *it, const struct held_part *part, uint32_t i,
                               struct held_data *out_data)
{
    struct table_place place;
    struct status s;

    TRY(table_data_place(it->table, &part->block, i, &place, &it->fetch->err));
    if (it->is_streamed)
        return stream_data(it, place, out_data);
    if (!take_ahead(it, place, &out_data->pinned, &s)) {
        uint64_t reads = it->fetch->device_reads;
        s = table_fetch(it->table, it->fetch, place, TABLE_DATA, &out_data->pinned);
        if (s.code == ST_AGAIN && it->data_end == place.offset && place.offset > 0)
            name_ahead(it, part, i);
        if (succeeded(s))
            note_read(it, place, it->fetch->device_reads != reads);
    }
    TRY(s);
    out_data->is_pinned = true;
    out_data->block = lsm_block_of(out_data->pinned.data.data, out_data->pinned.header);
    return status_ok();
}

/* ---- Standing ----------------------------------------------------------------------------- */

static void show(struct table_iter *it)
{
    struct lsm_entry *e = &it->iter.entry;

    table_entry(it->table, &it->data.block, it->i, e);
    e->key = bytes_of(it->key, lsm_block_key(&it->data.block, it->i, it->key));
    it->iter.is_valid = true;
}

static struct status reserve_key(struct table_iter *it, size_t room)
{
    struct alloc *a = it->table->env->alloc;

    if (room <= it->key_room)
        return status_ok();
    TRY(budget_charge(it->table->env->budget, BUDGET_ITERATOR, room - it->key_room));
    uint8_t *key = alloc_bytes(a, room);
    if (key == NULL) {
        budget_refund(it->table->env->budget, BUDGET_ITERATOR, room - it->key_room);
        return status_of(ST_NO_MEMORY);
    }
    alloc_free(a, it->key, it->key_room);
    it->key = key;
    it->key_room = room;
    return status_ok();
}

/* Go to entry i of data, which is block data_i of part (held or ahead). Takes data. */
static struct status stand(struct table_iter *it, const struct held_part *part, uint32_t data_i,
                           const struct held_data *data, uint32_t i)
{
    struct held_data taken = *data;
    struct status s = reserve_key(it, lsm_block_key_room(&taken.block));

    if (failed(s)) {
        release_data(it, &taken);
        return s;
    }
    release_data(it, &it->data);
    if (part == &it->ahead) {
        release_part(it, &it->part);
        it->part = it->ahead;
        it->ahead.is_held = false;
    }
    it->data = taken;
    it->data_i = data_i;
    it->i = i;
    lsm_block_prefix(&it->data.block, it->key);
    show(it);
    return status_ok();
}

static struct status at_end(struct table_iter *it)
{
    it->iter.is_valid = false;
    return status_ok();
}

/* To the first entry of the data block after block data_i of part; UINT32_MAX is before the first.
 */
static struct status stand_after(struct table_iter *it, const struct held_part *part,
                                 uint32_t data_i)
{
    struct held_data data;

    data_i++;
    if (data_i == part->block.hint.count) {
        if (part->i + 1 == it->table->top.hint.count)
            return at_end(it);
        TRY(hold_part(it, part->i + 1, &part));
        data_i = 0;
    }
    TRY(hold_data(it, part, data_i, &data));
    return stand(it, part, data_i, &data, 0);
}

/* To the last entry of the data block before block data_i of part. */
static struct status stand_before(struct table_iter *it, const struct held_part *part,
                                  uint32_t data_i)
{
    struct held_data data;

    if (data_i == 0) {
        if (part->i == 0)
            return at_end(it);
        TRY(hold_part(it, part->i - 1, &part));
        data_i = part->block.hint.count;
    }
    data_i--;
    TRY(hold_data(it, part, data_i, &data));
    return stand(it, part, data_i, &data, data.block.hint.count - 1u);
}

/* ---- Moves -------------------------------------------------------------------------------- */

static struct status seek_first(struct table_iter *it)
{
    const struct held_part *part;

    TRY(hold_part(it, 0, &part));
    return stand_after(it, part, UINT32_MAX);
}

static struct status seek_last(struct table_iter *it)
{
    const struct held_part *part;

    TRY(hold_part(it, it->table->top.hint.count - 1u, &part));
    return stand_before(it, part, part->block.hint.count);
}

/* The block with the first entry at or after (key, version), if any has one; false: none has. */
static struct status find(struct table_iter *it, struct bytes key, uint64_t version,
                          const struct held_part **out_part, uint32_t *out_data_i, bool *out_found)
{
    bool is_key;
    uint32_t i = lsm_block_seek(&it->table->top, key, version, &is_key);

    *out_found = i < it->table->top.hint.count;
    if (!*out_found)
        return status_ok();
    TRY(hold_part(it, i, out_part));
    *out_data_i = lsm_block_seek(&(*out_part)->block, key, version, &is_key);
    if (*out_data_i == (*out_part)->block.hint.count)
        return table_corrupt(it->table, &it->fetch->err,
                             "an index partition ends before its separator");
    return status_ok();
}

static struct status seek(struct table_iter *it, struct bytes key, uint64_t version)
{
    const struct held_part *part;
    struct held_data data;
    uint32_t data_i;
    bool is_found;
    bool is_key;

    TRY(find(it, key, version, &part, &data_i, &is_found));
    if (!is_found)
        return at_end(it);
    TRY(hold_data(it, part, data_i, &data));
    uint32_t i = lsm_block_seek(&data.block, key, version, &is_key);
    if (i < data.block.hint.count)
        return stand(it, part, data_i, &data, i);
    release_data(it, &data);
    return stand_after(it, part, data_i);
}

static struct status seek_before(struct table_iter *it, struct bytes key, uint64_t version)
{
    const struct held_part *part;
    struct held_data data;
    uint32_t data_i;
    bool is_found;
    bool is_key;

    TRY(find(it, key, version, &part, &data_i, &is_found));
    if (!is_found)
        return seek_last(it);
    TRY(hold_data(it, part, data_i, &data));
    uint32_t i = lsm_block_seek(&data.block, key, version, &is_key);
    if (i > 0)
        return stand(it, part, data_i, &data, i - 1);
    release_data(it, &data);
    return stand_before(it, part, data_i);
}

/* How moves from anywhere begin. *out_is_empty: there is nowhere to go. */
static struct status begin_move(struct table_iter *it, bool *out_is_empty)
{
    TRY(it->status);
    if (!it->is_waiting && it->fetch->wants != NULL)
        fetch_forget(it->fetch, it->table->id); /* Named ahead, on another way. */
    TRY(table_pin(it->table, it->fetch));
    *out_is_empty = it->table->tail.top_size == 0;
    if (*out_is_empty || !it->is_streamed)
        return status_ok();
    struct table_stream_options options = { .ring = it->fetch->options.ring,
                                            .tag = BUDGET_JOB,
                                            .read_first = JOB_READ,
                                            .read_max = JOB_READ };
    return open_stream(it, &options);
}

/* How all moves end: a failure other than having to wait is final. */
static struct status end_move(struct table_iter *it, struct status s)
{
    it->is_waiting = s.code == ST_AGAIN;
    if (failed(s) && !it->is_waiting) {
        it->iter.is_valid = false;
        it->status = s;
    }
    return s;
}

/* The moves that may be made from anywhere; key and version are the seeks'. */
enum goal { GOAL_SEEK, GOAL_SEEK_BEFORE, GOAL_FIRST, GOAL_LAST };

static struct status reach(struct table_iter *it, enum goal goal, struct bytes key,
                           uint64_t version)
{
    switch (goal) {
    case GOAL_SEEK:
        return seek(it, key, version);
    case GOAL_SEEK_BEFORE:
        return seek_before(it, key, version);
    case GOAL_FIRST:
        return seek_first(it);
    default:
        return seek_last(it);
    }
}

static struct status move(struct lsm_iter *base, enum goal goal, struct bytes key, uint64_t version)
{
    struct table_iter *it = (struct table_iter *)base;
    bool is_empty;
    struct status s = begin_move(it, &is_empty);

    if (succeeded(s))
        s = is_empty ? at_end(it) : reach(it, goal, key, version);
    return end_move(it, s);
}

static struct status iter_seek(struct lsm_iter *base, struct bytes key, uint64_t version)
{
    return move(base, GOAL_SEEK, key, version);
}

static struct status iter_seek_before(struct lsm_iter *base, struct bytes key, uint64_t version)
{
    return move(base, GOAL_SEEK_BEFORE, key, version);
}

static struct status iter_first(struct lsm_iter *base)
{
    return move(base, GOAL_FIRST, bytes_of(NULL, 0), 0);
}

static struct status iter_last(struct lsm_iter *base)
{
    return move(base, GOAL_LAST, bytes_of(NULL, 0), 0);
}

static struct status iter_next(struct lsm_iter *base)
{
    struct table_iter *it = (struct table_iter *)base;

    TRY(it->status);
    CHECK(it->iter.is_valid);
    if (it->i + 1 < it->data.block.hint.count) {
        it->i++;
        show(it);
        return status_ok();
    }
    return end_move(it, stand_after(it, &it->part, it->data_i));
}

static struct status iter_prev(struct lsm_iter *base)
{
    struct table_iter *it = (struct table_iter *)base;

    TRY(it->status);
    CHECK(it->iter.is_valid);
    if (it->i > 0) {
        it->i--;
        show(it);
        return status_ok();
    }
    return end_move(it, stand_before(it, &it->part, it->data_i));
}

/* ---- Life --------------------------------------------------------------------------------- */

static void iter_destroy(struct lsm_iter *base)
{
    struct table_iter *it = (struct table_iter *)base;
    const struct env *env = it->table->env;

    release_data(it, &it->data);
    release_part(it, &it->part);
    release_part(it, &it->ahead);
    if (it->fetch->wants != NULL)
        fetch_forget(it->fetch, it->table->id);
    if (it->stream != NULL) {
        table_stream_deinit(it->stream);
        alloc_free(env->alloc, it->stream, sizeof *it->stream);
    }
    alloc_free(env->alloc, it->key, it->key_room);
    budget_refund(env->budget, BUDGET_ITERATOR, sizeof *it + it->key_room);
    alloc_free(env->alloc, it, sizeof *it);
}

static const struct lsm_iter_ops table_iter_ops = {
    .seek = iter_seek,
    .seek_before = iter_seek_before,
    .first = iter_first,
    .last = iter_last,
    .next = iter_next,
    .prev = iter_prev,
    .destroy = iter_destroy,
};

struct status lsm_table_iter(struct lsm_table *t, struct fetch *f,
                             const struct lsm_table_iter_options *options,
                             struct lsm_iter **out_iter)
{
    struct table_iter *it;

    TRY(budget_charge(t->env->budget, BUDGET_ITERATOR, sizeof *it));
    it = alloc_zeroed(t->env->alloc, sizeof *it);
    if (it == NULL) {
        budget_refund(t->env->budget, BUDGET_ITERATOR, sizeof *it);
        return status_of(ST_NO_MEMORY);
    }
    it->iter.ops = &table_iter_ops;
    it->table = t;
    it->fetch = f;
    /* Large reads are waited for, which only a blocking fetch may. */
    it->is_streamed = options != NULL && options->read_ahead && f->options.ring != NULL;
    *out_iter = &it->iter;
    return status_ok();
}
