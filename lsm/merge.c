#include "lsm/merge.h"

#include "base/buf.h"
#include "base/check.h"

#include "lsm/version.h"

/* A child with the head of its key beside it: most comparisons end there. */
struct merge_child {
    struct lsm_iter *iter;
    uint64_t head;
};

struct merge {
    struct lsm_iter iter;
    struct alloc *alloc;
    struct merge_child *heap; /* [0, size): valid children, a heap; then the others. */
    size_t size;
    size_t count;
    bool is_backward;
    bool is_turning;   /* A turn was cut short by ST_AGAIN; at_* is where it turns. */
    struct buf at_key; /* Copy of the entry turned at. */
    size_t turn_size;  /* Of its key. */
    uint64_t at_version;
    struct status failure; /* Sticky. */
};

static bool goes_before(const struct merge *m, const struct merge_child *a,
                        const struct merge_child *b)
{
    int c;
    if (a->head != b->head)
        c = a->head < b->head ? -1 : 1;
    else
        c = lsm_entry_compare(a->iter->entry.key, a->iter->entry.version, b->iter->entry.key,
                              b->iter->entry.version);
    return m->is_backward ? c > 0 : c < 0;
}

static void sift_down(struct merge *m, size_t i)
{
    struct merge_child moved = m->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->size)
            break;
        if (child + 1 < m->size && goes_before(m, &m->heap[child + 1], &m->heap[child]))
            child++;
        if (!goes_before(m, &m->heap[child], &moved))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = moved;
}

static void show_top(struct merge *m)
{
    m->iter.is_valid = m->size > 0;
    if (m->iter.is_valid)
        m->iter.entry = m->heap[0].iter->entry;
}

/* Put valid children first, order them, show the top. */
static void rebuild(struct merge *m)
{
    m->size = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (!m->heap[i].iter->is_valid)
            continue;
        m->heap[i].head = lsm_key_head(m->heap[i].iter->entry.key);
        struct merge_child c = m->heap[i];
        m->heap[i] = m->heap[m->size];
        m->heap[m->size++] = c;
    }
    for (size_t i = m->size / 2; i-- > 0;)
        sift_down(m, i);
    show_top(m);
}

/* A child answered s: remember what is final. */
static struct status note(struct merge *m, struct status s)
{
    if (failed(s) && s.code != ST_AGAIN) {
        m->failure = s;
        m->iter.is_valid = false;
    }
    return s;
}

enum merge_move { MOVE_SEEK, MOVE_SEEK_BEFORE, MOVE_FIRST, MOVE_LAST };

static struct status move_child(struct lsm_iter *it, enum merge_move move, struct bytes key,
                                uint64_t version)
{
    switch (move) {
    case MOVE_SEEK:
        return lsm_iter_seek(it, key, version);
    case MOVE_SEEK_BEFORE:
        return lsm_iter_seek_before(it, key, version);
    case MOVE_FIRST:
        return lsm_iter_first(it);
    default:
        return lsm_iter_last(it);
    }
}

/* All children make the move; all are asked before AGAIN is answered, so that their reads go out
 * together. */
static struct status move_all(struct merge *m, enum merge_move move, struct bytes key,
                              uint64_t version)
{
    struct status again = status_ok();

    if (failed(m->failure))
        return m->failure;
    for (size_t i = 0; i < m->count; i++) {
        struct status s = move_child(m->heap[i].iter, move, key, version);
        if (s.code == ST_AGAIN)
            again = s;
        else if (failed(s))
            return note(m, s);
    }
    if (failed(again))
        return again;
    m->is_turning = false;
    m->is_backward = move == MOVE_SEEK_BEFORE || move == MOVE_LAST;
    rebuild(m);
    return status_ok();
}

static struct status merge_seek(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    return move_all((struct merge *)it, MOVE_SEEK, key, version);
}

static struct status merge_seek_before(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    return move_all((struct merge *)it, MOVE_SEEK_BEFORE, key, version);
}

static struct status merge_first(struct lsm_iter *it)
{
    return move_all((struct merge *)it, MOVE_FIRST, bytes_of(NULL, 0), 0);
}

static struct status merge_last(struct lsm_iter *it)
{
    return move_all((struct merge *)it, MOVE_LAST, bytes_of(NULL, 0), 0);
}

/*
 * Turn round at the current entry: every child goes to the other side of it. Going forward, the
 * others stand after the entry; going back they must stand before it (and the other way round). The
 * entry is copied first: moving the child that owns it takes its bytes away.
 */
static struct status turn(struct merge *m, bool to_backward)
{
    if (!m->is_turning) {
        CHECK(m->iter.entry.key.size <= LSM_KEY_MAX);
        buf_reset(&m->at_key);
        buf_append(&m->at_key, m->iter.entry.key);
        if (m->at_key.is_failed)
            return note(m, status_of(ST_NO_MEMORY));
        m->turn_size = m->at_key.size;
        m->at_version = m->iter.entry.version;
        m->is_turning = true;
    }
    struct bytes key = buf_bytes(&m->at_key);
    /* Forward wants the first entry after (key, version): the versions of a key fall, so that is a
     * seek to version - 1, and to the next key's first version from version 0. */
    if (to_backward)
        return move_all(m, MOVE_SEEK_BEFORE, key, m->at_version);
    if (m->at_version > 0)
        return move_all(m, MOVE_SEEK, key, m->at_version - 1);
    /* The least key after key is one zero byte longer; a turn made again may have it already. */
    if (m->at_key.size == m->turn_size)
        buf_append_u8(&m->at_key, 0);
    if (m->at_key.is_failed)
        return note(m, status_of(ST_NO_MEMORY));
    return move_all(m, MOVE_SEEK, buf_bytes(&m->at_key), UINT64_MAX);
}

static struct status step(struct merge *m, bool is_back)
{
    if (failed(m->failure))
        return m->failure;
    if (m->is_turning || m->is_backward != is_back)
        return turn(m, is_back);
    CHECK(m->size > 0);
    struct lsm_iter *top = m->heap[0].iter;
    struct status s = is_back ? lsm_iter_prev(top) : lsm_iter_next(top);
    if (failed(s))
        return note(m, s);
    if (top->is_valid) {
        m->heap[0].head = lsm_key_head(top->entry.key);
    } else {
        struct merge_child ended = m->heap[0];
        m->heap[0] = m->heap[--m->size];
        m->heap[m->size] = ended;
    }
    if (m->size > 1)
        sift_down(m, 0);
    show_top(m);
    return s;
}

static struct status merge_next(struct lsm_iter *it)
{
    return step((struct merge *)it, false);
}

static struct status merge_prev(struct lsm_iter *it)
{
    return step((struct merge *)it, true);
}

static void merge_destroy(struct lsm_iter *it)
{
    struct merge *m = (struct merge *)it;
    for (size_t i = 0; i < m->count; i++)
        lsm_iter_destroy(m->heap[i].iter);
    alloc_free(m->alloc, m->heap, m->count * sizeof *m->heap);
    buf_deinit(&m->at_key);
    alloc_free(m->alloc, m, sizeof *m);
}

static const struct lsm_iter_ops merge_ops = {
    .seek = merge_seek,
    .seek_before = merge_seek_before,
    .first = merge_first,
    .last = merge_last,
    .next = merge_next,
    .prev = merge_prev,
    .destroy = merge_destroy,
};

struct status lsm_merge_create(struct alloc *a, struct lsm_iter **children, size_t count,
                               struct lsm_iter **out_iter)
{
    struct merge *m = alloc_zeroed(a, sizeof *m);
    struct merge_child *heap = alloc_array(a, count, sizeof *heap);

    if (m == NULL || (heap == NULL && count > 0)) {
        for (size_t i = 0; i < count; i++)
            lsm_iter_destroy(children[i]);
        alloc_free(a, m, sizeof *m);
        alloc_free(a, heap, count * sizeof *heap);
        return status_of(ST_NO_MEMORY);
    }
    for (size_t i = 0; i < count; i++)
        heap[i].iter = children[i];
    m->iter.ops = &merge_ops;
    m->alloc = a;
    buf_init(&m->at_key, a, LSM_KEY_MAX + 1);
    m->heap = heap;
    m->count = count;
    *out_iter = &m->iter;
    return status_ok();
}
