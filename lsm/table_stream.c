#include "lsm/table_stream.h"

#include "base/check.h"

struct status table_stream_init(struct table_stream *s, struct lsm_table *t,
                                const struct table_stream_options *o)
{
    uint64_t end = align_up(t->tail.index_offset, IO_ALIGN);

    *s = (struct table_stream) { .table = t, .ring = o->ring, .tag = o->tag, .end = end };
    s->piece_max = end < o->read_max ? end : o->read_max;
    s->read_size = o->read_first;
    TRY(budget_charge(t->env->budget, s->tag, 2 * s->piece_max));
    uint8_t *data = alloc_aligned(t->env->alloc, IO_ALIGN, 2 * s->piece_max);
    if (data == NULL) {
        budget_refund(t->env->budget, s->tag, 2 * s->piece_max);
        return status_of(ST_NO_MEMORY);
    }
    s->pieces[0].data = data;
    s->pieces[1].data = data + s->piece_max;
    return status_ok();
}

/* Wait for what is under way into the piece; a failed read leaves it empty. */
static struct status settle(struct table_stream *s, struct stream_piece *p)
{
    if (p->op.file == NULL)
        return status_ok();
    struct status status = io_wait(s->ring, &p->op);
    p->op.file = NULL;
    p->size = succeeded(status) ? p->op.done_size : 0;
    return status;
}

void table_stream_deinit(struct table_stream *s)
{
    if (s->table == NULL)
        return;
    const struct env *env = s->table->env;
    for (unsigned i = 0; i < 2; i++)
        status_ignore(settle(s, &s->pieces[i]), "nobody looks at it any more");
    if (s->pieces[0].data != NULL) {
        alloc_free(env->alloc, s->pieces[0].data, 2 * s->piece_max);
        budget_refund(env->budget, s->tag, 2 * s->piece_max);
    }
    alloc_free(env->alloc, s->joint, s->joint_capacity);
    budget_refund(env->budget, s->tag, s->joint_capacity);
    s->table = NULL;
}

static void begin_read(struct table_stream *s, struct stream_piece *p, uint64_t offset)
{
    size_t size = s->read_size < s->piece_max ? s->read_size : s->piece_max;

    s->read_size = 2 * size;
    p->offset = offset;
    p->size = s->end - offset < size ? s->end - offset : size;
    p->op = (struct io_op) { .opcode = IO_OP_READ,
                             .file = s->table->file,
                             .data = p->data,
                             .size = p->size,
                             .offset = offset };
    io_submit(s->ring, &p->op);
    /* Under way at once, not at the next wait. */
    io_ring_wait(s->ring, 0);
}

static bool has(const struct stream_piece *p, uint64_t offset)
{
    return offset >= p->offset && offset - p->offset < p->size;
}

void table_stream_begin(struct table_stream *s, uint64_t offset)
{
    for (unsigned i = 0; i < 2; i++) {
        status_ignore(settle(s, &s->pieces[i]), "it was read for nothing");
        s->pieces[i].size = 0;
    }
    offset = align_down(offset, IO_ALIGN);
    if (offset < s->end)
        begin_read(s, &s->pieces[0], offset);
}

bool table_stream_covers(const struct table_stream *s, struct table_place place)
{
    return has(&s->pieces[0], place.offset) || has(&s->pieces[1], place.offset);
}

/* The piece that has offset, there, and the one after it under way. */
static struct status find_piece(struct table_stream *s, uint64_t offset,
                                struct stream_piece **out_piece, struct stream_piece **out_next)
{
    struct stream_piece *p = has(&s->pieces[1], offset) ? &s->pieces[1] : &s->pieces[0];
    struct stream_piece *next = p == &s->pieces[0] ? &s->pieces[1] : &s->pieces[0];

    if (!has(p, offset)) {
        TRY(settle(s, p));
        begin_read(s, p, align_down(offset, IO_ALIGN));
    }
    TRY(settle(s, p));
    uint64_t next_offset = p->offset + p->size;
    if (p->size > 0 && next_offset < s->end && !has(next, next_offset)) {
        TRY(settle(s, next));
        begin_read(s, next, next_offset);
    }
    *out_piece = p;
    *out_next = next;
    return status_ok();
}

static struct status reserve_joint(struct table_stream *s, size_t size)
{
    const struct env *env = s->table->env;
    size_t capacity = align_up(size, IO_ALIGN) + IO_ALIGN;

    if (size <= s->joint_capacity)
        return status_ok();
    TRY(budget_charge(env->budget, s->tag, capacity));
    uint8_t *joint = alloc_aligned(env->alloc, IO_ALIGN, capacity);
    if (joint == NULL) {
        budget_refund(env->budget, s->tag, capacity);
        return status_of(ST_NO_MEMORY);
    }
    alloc_free(env->alloc, s->joint, s->joint_capacity);
    budget_refund(env->budget, s->tag, s->joint_capacity);
    s->joint = joint;
    s->joint_capacity = capacity;
    return status_ok();
}

/* Copy a block together from the pieces it lies in. */
static struct status join(struct table_stream *s, struct table_place place, struct bytes *out_block)
{
    size_t have = 0;

    TRY(reserve_joint(s, place.size));
    while (have < place.size) {
        struct stream_piece *p;
        struct stream_piece *next;
        uint64_t offset = place.offset + have;
        TRY(find_piece(s, offset, &p, &next));
        if (!has(p, offset))
            break;
        size_t skip = offset - p->offset;
        size_t n = p->size - skip < place.size - have ? p->size - skip : place.size - have;
        memcpy(s->joint + have, p->data + skip, n);
        have += n;
    }
    *out_block = bytes_of(s->joint, have);
    return status_ok();
}

struct status table_stream_get(struct table_stream *s, struct table_place place,
                               struct bytes *out_block, struct errbuf *err)
{
    struct stream_piece *p;
    struct stream_piece *next;

    struct status status = find_piece(s, place.offset, &p, &next);
    if (succeeded(status)) {
        if (has(p, place.offset) && p->size - (place.offset - p->offset) >= place.size)
            *out_block = bytes_of(p->data + (place.offset - p->offset), place.size);
        else
            status = join(s, place, out_block);
    }
    if (succeeded(status) && out_block->size < place.size)
        return table_corrupt(s->table, err, "the file is shorter than it should be");
    if (failed(status))
        errbuf_set(err, "table %llu at %llu: read failed", (unsigned long long)s->table->id,
                   (unsigned long long)place.offset);
    return status;
}
