#include "lsm/rangedel.h"

#include "base/check.h"

#include <stdlib.h>

/*
 * The begins and ends of n deletes cut the keys into m <= 2n - 1 intervals between neighbouring
 * bounds. Listing the covering versions of every interval would take n^2 for nested deletes, which
 * bytes from a disk could make us do; so a segment tree over the intervals holds each delete in at
 * most 2 log m nodes (Bentley's interval decomposition). The nodes from an interval's leaf to the
 * root list all that covers it; every list is newest first, as deletes are put in by falling
 * version.
 *
 * Nodes are numbered as in a heap: node p has children 2p and 2p + 1, interval i is node m + i, the
 * root is 1. This holds for any m, not for powers of two only: the walk upward never needs the
 * left-to-right order of nodes on one level.
 *
 * One allocation holds everything but the lists, in the order of the fields below. The lists are
 * counted before they are taken: ranges that do not overlap have one entry each, not twice log m.
 */
struct lsm_rangedel_set {
    struct alloc *alloc;
    size_t size; /* Of the whole allocation. */
    size_t count;
    size_t bound_count;
    size_t interval_count;            /* m; 0 if no delete covers anything. */
    struct lsm_range_delete *deletes; /* count, by begin, then version falling. */
    struct bytes *bounds;             /* bound_count, rising, distinct. */
    uint32_t *node_begin;             /* 2m + 1; node p's list is [begin[p], begin[p + 1]). */
    uint8_t *bytes;
    uint64_t *versions; /* The lists: */
    size_t version_count;
};

static int compare_by_begin(const void *x, const void *y)
{
    const struct lsm_range_delete *a = x;
    const struct lsm_range_delete *b = y;
    int c = bytes_compare(a->begin, b->begin);

    if (c == 0)
        c = bytes_compare(a->end, b->end);
    return c != 0 ? c : a->version > b->version ? -1 : a->version < b->version;
}

static int compare_by_version_falling(const void *x, const void *y)
{
    const struct lsm_range_delete *a = *(const struct lsm_range_delete *const *)x;
    const struct lsm_range_delete *b = *(const struct lsm_range_delete *const *)y;
    return a->version > b->version ? -1 : a->version < b->version;
}

static int compare_bytes(const void *x, const void *y)
{
    return bytes_compare(*(const struct bytes *)x, *(const struct bytes *)y);
}

/* An empty or inverted range covers nothing. */
static bool covers_anything(const struct lsm_range_delete *d)
{
    return bytes_compare(d->begin, d->end) < 0;
}

/* The number of bounds <= key. */
static size_t bounds_up_to(const struct lsm_rangedel_set *s, struct bytes key)
{
    size_t low = 0;
    size_t high = s->bound_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(s->bounds[middle], key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void copy_deletes(struct lsm_rangedel_set *s, const struct lsm_range_delete *deletes,
                         size_t count)
{
    uint8_t *p = s->bytes;

    for (size_t i = 0; i < count; i++) {
        struct lsm_range_delete d = deletes[i];
        if (d.begin.size > 0)
            memcpy(p, d.begin.data, d.begin.size);
        d.begin.data = p;
        p += d.begin.size;
        if (d.end.size > 0)
            memcpy(p, d.end.data, d.end.size);
        d.end.data = p;
        p += d.end.size;
        s->deletes[i] = d;
    }
    s->count = count;
    if (count > 0)
        qsort(s->deletes, count, sizeof *s->deletes, compare_by_begin);
}

static void collect_bounds(struct lsm_rangedel_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (covers_anything(&s->deletes[i])) {
            s->bounds[n++] = s->deletes[i].begin;
            s->bounds[n++] = s->deletes[i].end;
        }
    }
    if (n == 0)
        return;
    qsort(s->bounds, n, sizeof *s->bounds, compare_bytes);
    size_t distinct = 1;
    for (size_t i = 1; i < n; i++) {
        if (!bytes_equal(s->bounds[i], s->bounds[distinct - 1]))
            s->bounds[distinct++] = s->bounds[i];
    }
    s->bound_count = distinct;
    s->interval_count = distinct - 1;
}

/* Call visit with every node of the decomposition of d. */
static void each_node(const struct lsm_rangedel_set *s, const struct lsm_range_delete *d,
                      void (*visit)(struct lsm_rangedel_set *s, size_t node, uint64_t version),
                      struct lsm_rangedel_set *target)
{
    size_t low = bounds_up_to(s, d->begin) - 1 + s->interval_count;
    size_t high = bounds_up_to(s, d->end) - 1 + s->interval_count;

    for (; low < high; low /= 2, high /= 2) {
        if (low % 2 == 1)
            visit(target, low++, d->version);
        if (high % 2 == 1)
            visit(target, --high, d->version);
    }
}

static void count_node(struct lsm_rangedel_set *s, size_t node, uint64_t version)
{
    (void)version;
    s->node_begin[node + 1]++;
}

/* node_begin[node + 1] is where the list has got to while it is filled; fill_tree shifts it so. */
static void fill_node(struct lsm_rangedel_set *s, size_t node, uint64_t version)
{
    s->versions[s->node_begin[node + 1]++] = version;
}

/* newest_first: all deletes that cover anything. False: no memory. */
static bool fill_tree(struct lsm_rangedel_set *s, const struct lsm_range_delete **newest_first,
                      size_t n)
{
    size_t nodes = 2 * s->interval_count;

    for (size_t i = 0; i < n; i++)
        each_node(s, newest_first[i], count_node, s);
    /* Lengths become begins, one place up: begin[p + 1] is where p's list begins, and has moved to
     * where it ends, which is where it belongs, once the list is filled. */
    uint32_t sum = 0;
    for (size_t p = 0; p < nodes; p++) {
        uint32_t length = s->node_begin[p + 1];
        s->node_begin[p + 1] = sum;
        sum += length;
    }
    s->versions = alloc_array(s->alloc, sum, sizeof *s->versions);
    if (s->versions == NULL)
        return false;
    s->version_count = sum;
    for (size_t i = 0; i < n; i++)
        each_node(s, newest_first[i], fill_node, s);
    return true;
}

static struct lsm_rangedel_set *allocate(struct alloc *a, size_t count, size_t byte_count)
{
    size_t bounds = 2 * count;
    size_t at_deletes = align_up(sizeof(struct lsm_rangedel_set), 16);
    size_t at_bounds = at_deletes + count * sizeof(struct lsm_range_delete);
    size_t at_nodes = at_bounds + bounds * sizeof(struct bytes);
    size_t at_bytes = at_nodes + (2 * bounds + 1) * sizeof(uint32_t);
    size_t size = at_bytes + byte_count;
    uint8_t *p = alloc_zeroed(a, size);

    if (p == NULL)
        return NULL;
    struct lsm_rangedel_set *s = (struct lsm_rangedel_set *)(void *)p;
    s->alloc = a;
    s->size = size;
    s->deletes = (struct lsm_range_delete *)(void *)(p + at_deletes);
    s->bounds = (struct bytes *)(void *)(p + at_bounds);
    s->node_begin = (uint32_t *)(void *)(p + at_nodes);
    s->bytes = p + at_bytes;
    return s;
}

struct status lsm_rangedel_build(struct alloc *a, const struct lsm_range_delete *deletes,
                                 size_t count, struct lsm_rangedel_set **out_set)
{
    size_t byte_count = 0;

    if (count > LSM_RANGEDEL_MAX)
        return status_of(ST_LIMIT);
    for (size_t i = 0; i < count; i++)
        byte_count += deletes[i].begin.size + deletes[i].end.size;
    const struct lsm_range_delete **newest_first = alloc_array(a, count + 1, sizeof *newest_first);
    struct lsm_rangedel_set *s = allocate(a, count, byte_count);
    if (newest_first == NULL || s == NULL) {
        alloc_free(a, newest_first, (count + 1) * sizeof *newest_first);
        lsm_rangedel_destroy(s);
        return status_of(ST_NO_MEMORY);
    }
    copy_deletes(s, deletes, count);
    collect_bounds(s);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (covers_anything(&s->deletes[i]))
            newest_first[n++] = &s->deletes[i];
    }
    bool is_filled = true;
    if (n > 0) {
        qsort(newest_first, n, sizeof *newest_first, compare_by_version_falling);
        is_filled = fill_tree(s, newest_first, n);
    }
    alloc_free(a, newest_first, (count + 1) * sizeof *newest_first);
    if (!is_filled) {
        lsm_rangedel_destroy(s);
        return status_of(ST_NO_MEMORY);
    }
    *out_set = s;
    return status_ok();
}

void lsm_rangedel_destroy(struct lsm_rangedel_set *s)
{
    if (s == NULL)
        return;
    alloc_free(s->alloc, s->versions, s->version_count * sizeof *s->versions);
    alloc_free(s->alloc, s, s->size);
}

/* The first version <= at of node's list; 0 if there is none. */
static uint64_t node_cover(const struct lsm_rangedel_set *s, size_t node, uint64_t at)
{
    uint32_t low = s->node_begin[node];
    uint32_t end = s->node_begin[node + 1];
    uint32_t high = end;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->versions[middle] > at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end ? s->versions[low] : 0;
}

static uint64_t interval_cover(const struct lsm_rangedel_set *s, size_t interval, uint64_t at)
{
    uint64_t newest = 0;

    for (size_t node = s->interval_count + interval; node >= 1; node /= 2) {
        uint64_t version = node_cover(s, node, at);
        if (version > newest)
            newest = version;
    }
    return newest;
}

uint64_t lsm_rangedel_cover(const struct lsm_rangedel_set *s, struct bytes key, uint64_t at)
{
    if (s == NULL)
        return 0;
    size_t below = bounds_up_to(s, key);
    return below == 0 || below == s->bound_count ? 0 : interval_cover(s, below - 1, at);
}

uint64_t lsm_rangedel_cover_until(const struct lsm_rangedel_set *s, struct bytes key, uint64_t at,
                                  struct bytes *out_until)
{
    *out_until = bytes_of(NULL, 0);
    if (s == NULL)
        return 0;
    size_t below = bounds_up_to(s, key);
    if (below == s->bound_count)
        return 0;
    *out_until = s->bounds[below];
    return below == 0 ? 0 : interval_cover(s, below - 1, at);
}

size_t lsm_rangedel_count(const struct lsm_rangedel_set *s)
{
    return s->count;
}

void lsm_rangedel_at(const struct lsm_rangedel_set *s, size_t i, struct lsm_range_delete *out)
{
    CHECK(i < s->count);
    *out = s->deletes[i];
}

size_t lsm_rangedel_bytes(const struct lsm_rangedel_set *s)
{
    return s->size + s->version_count * sizeof *s->versions;
}
