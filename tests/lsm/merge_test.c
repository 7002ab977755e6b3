/*
 * The merge of many iters against a sorted array of all they hold, under any sequence of moves,
 * with children that now and then have to wait.
 */
#include "lsm/merge.h"

#include "base/rand.h"

#include "tests/support/must.h"

#include <stdlib.h>

enum { ENTRIES = 60, CHILDREN = 5, KEYS = 12, MOVES = 400, ROUNDS = 100, NOWHERE = -1 };

static const char *const keys[KEYS] = { "",         "a",          "aa", "ab",
                                        "abcdefgh", "abcdefgh\1", "b",  "ba",
                                        "bbbbbbbb", "bbbbbbbba",  "c",  "z" };

/* ---- A child: some of the entries --------------------------------------------------------- */

struct shared {
    struct rand rand;
    unsigned wait_one_in; /* 0: never. */
    uint64_t fail_in;     /* Moves until one fails for good; 0: none does. */
};

struct child {
    struct lsm_iter iter;
    struct shared *shared;
    struct lsm_entry entries[ENTRIES];
    int count;
    int at;
    struct status failure;
};

/* Stand at index `to`, or answer that this has to wait, or fail. */
static struct status stand(struct child *c, int to)
{
    struct shared *s = c->shared;

    if (failed(c->failure))
        return c->failure;
    if (s->wait_one_in > 0 && rand_below(&s->rand, s->wait_one_in) == 0)
        return status_of(ST_AGAIN);
    c->iter.is_valid = false;
    if (s->fail_in > 0 && --s->fail_in == 0) {
        c->failure = status_of(ST_IO);
        return c->failure;
    }
    c->at = to;
    if (to >= 0 && to < c->count) {
        c->iter.is_valid = true;
        c->iter.entry = c->entries[to];
    }
    return status_ok();
}

/* The first entry of a sorted array at or after (key, version). */
static int lower_bound(const struct lsm_entry *entries, int count, struct bytes key,
                       uint64_t version)
{
    int i = 0;
    while (i < count && lsm_entry_compare(entries[i].key, entries[i].version, key, version) < 0)
        i++;
    return i;
}

static struct status child_seek(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    struct child *c = (struct child *)it;
    return stand(c, lower_bound(c->entries, c->count, key, version));
}

static struct status child_seek_before(struct lsm_iter *it, struct bytes key, uint64_t version)
{
    struct child *c = (struct child *)it;
    return stand(c, lower_bound(c->entries, c->count, key, version) - 1);
}

static struct status child_first(struct lsm_iter *it)
{
    return stand((struct child *)it, 0);
}

static struct status child_last(struct lsm_iter *it)
{
    struct child *c = (struct child *)it;
    return stand(c, c->count - 1);
}

static struct status child_next(struct lsm_iter *it)
{
    struct child *c = (struct child *)it;
    cr_assert(it->is_valid || failed(c->failure));
    return stand(c, c->at + 1);
}

static struct status child_prev(struct lsm_iter *it)
{
    struct child *c = (struct child *)it;
    cr_assert(it->is_valid || failed(c->failure));
    return stand(c, c->at - 1);
}

static void child_destroy(struct lsm_iter *it)
{
    free(it);
}

static const struct lsm_iter_ops child_ops = {
    .seek = child_seek,
    .seek_before = child_seek_before,
    .first = child_first,
    .last = child_last,
    .next = child_next,
    .prev = child_prev,
    .destroy = child_destroy,
};

/* ---- All of them -------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    const struct lsm_entry *x = a;
    const struct lsm_entry *y = b;
    return lsm_entry_compare(x->key, x->version, y->key, y->version);
}

/* Versions of few keys, each for one child. */
static struct lsm_iter *make(struct shared *s, struct lsm_entry *all)
{
    struct child *children[CHILDREN];
    struct lsm_iter *iters[CHILDREN];
    struct lsm_iter *merge;

    for (int i = 0; i < CHILDREN; i++) {
        children[i] = calloc(1, sizeof *children[i]);
        cr_assert_not_null(children[i]);
        children[i]->iter.ops = &child_ops;
        children[i]->shared = s;
        iters[i] = &children[i]->iter;
    }
    for (int i = 0; i < ENTRIES; i++)
        all[i] = (struct lsm_entry) { .key = bytes_str(keys[rand_below(&s->rand, KEYS)]),
                                      .version = (uint64_t)i,
                                      .kind = LSM_PUT };
    qsort(all, ENTRIES, sizeof *all, compare_entries);
    for (int i = 0; i < ENTRIES; i++) {
        /* The last child stays empty. */
        struct child *c = children[rand_below(&s->rand, CHILDREN - 1)];
        c->entries[c->count++] = all[i];
    }
    MUST(lsm_merge_create(alloc_heap(), iters, CHILDREN, &merge));
    return merge;
}

/* One move of the merge, made until it need not wait, and of the index into all. */
static struct status move(struct lsm_iter *m, const struct lsm_entry *all, struct shared *s,
                          int *in_out_at)
{
    enum { SEEK, SEEK_BEFORE, FIRST, LAST, STEP } what = (int)rand_below(&s->rand, 4);
    struct bytes key = bytes_str(keys[rand_below(&s->rand, KEYS)]);
    uint64_t version = rand_below(&s->rand, 3) == 0 ? UINT64_MAX : rand_below(&s->rand, ENTRIES);
    bool is_back = rand_below(&s->rand, 2) == 0;
    struct status st;

    if (m->is_valid && rand_below(&s->rand, 4) > 0)
        what = STEP;
    do {
        switch (what) {
        case SEEK:
            st = lsm_iter_seek(m, key, version);
            break;
        case SEEK_BEFORE:
            st = lsm_iter_seek_before(m, key, version);
            break;
        case FIRST:
            st = lsm_iter_first(m);
            break;
        case LAST:
            st = lsm_iter_last(m);
            break;
        default:
            st = is_back ? lsm_iter_prev(m) : lsm_iter_next(m);
            break;
        }
    } while (st.code == ST_AGAIN);
    *in_out_at = what == SEEK          ? lower_bound(all, ENTRIES, key, version)
                 : what == SEEK_BEFORE ? lower_bound(all, ENTRIES, key, version) - 1
                 : what == FIRST       ? 0
                 : what == LAST        ? ENTRIES - 1
                                       : *in_out_at + (is_back ? -1 : 1);
    return st;
}

static void check(const struct lsm_iter *m, const struct lsm_entry *all, int at)
{
    cr_assert_eq(m->is_valid, at >= 0 && at < ENTRIES);
    if (m->is_valid)
        cr_assert(compare_entries(&m->entry, &all[at]) == 0, "at %d: version %llu, not %llu", at,
                  (unsigned long long)m->entry.version, (unsigned long long)all[at].version);
}

static void run(unsigned wait_one_in)
{
    struct lsm_entry all[ENTRIES];

    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct shared s = { .wait_one_in = wait_one_in };
        rand_seed(&s.rand, seed);
        struct lsm_iter *m = make(&s, all);
        int at = NOWHERE;
        cr_assert_not(m->is_valid);
        for (int i = 0; i < MOVES; i++) {
            MUST(move(m, all, &s, &at));
            check(m, all, at);
        }
        lsm_iter_destroy(m);
    }
}

Test(lsm_merge, is_a_sorted_array)
{
    run(0);
}

/* A move that answers AGAIN is made again; a turn, too, which moves all children. */
Test(lsm_merge, is_a_sorted_array_whoever_has_to_wait)
{
    run(4);
}

Test(lsm_merge, a_failure_is_final)
{
    struct lsm_entry all[ENTRIES];

    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct shared s = { .fail_in = 1 + seed };
        struct status st;
        int at = NOWHERE;
        rand_seed(&s.rand, seed);
        struct lsm_iter *m = make(&s, all);
        do {
            st = move(m, all, &s, &at);
        } while (succeeded(st));
        cr_assert_eq(st.code, ST_IO);
        cr_assert_not(m->is_valid);
        MUST_BE(lsm_iter_first(m), ST_IO);
        MUST_BE(lsm_iter_seek(m, bytes_str("a"), 1), ST_IO);
        cr_assert_not(m->is_valid);
        lsm_iter_destroy(m);
    }
}

Test(lsm_merge, of_nothing_is_empty)
{
    struct lsm_iter *m;
    MUST(lsm_merge_create(alloc_heap(), NULL, 0, &m));
    MUST(lsm_iter_first(m));
    cr_assert_not(m->is_valid);
    MUST(lsm_iter_last(m));
    cr_assert_not(m->is_valid);
    lsm_iter_destroy(m);
}
