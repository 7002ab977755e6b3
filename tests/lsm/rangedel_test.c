#include "base/rand.h"

#include "lsm/rangedel.h"

#include <criterion/criterion.h>

enum { DELETES_MAX = 40, KEY_SIZE = 2 };

struct fixture {
    uint8_t bytes[DELETES_MAX][2][KEY_SIZE];
    struct lsm_range_delete deletes[DELETES_MAX];
    size_t count;
};

static struct bytes random_key(struct rand *r, uint8_t *p)
{
    size_t size = rand_below(r, KEY_SIZE + 1);
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)rand_below(r, 6);
    return bytes_of(p, size);
}

static void fill(struct fixture *f, struct rand *r)
{
    f->count = rand_below(r, DELETES_MAX + 1);
    for (size_t i = 0; i < f->count; i++) {
        f->deletes[i].begin = random_key(r, f->bytes[i][0]);
        f->deletes[i].end = random_key(r, f->bytes[i][1]);
        f->deletes[i].version = 1 + rand_below(r, 50);
    }
}

static uint64_t brute_force(const struct fixture *f, struct bytes key, uint64_t at)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct lsm_range_delete *d = &f->deletes[i];
        if (d->version <= at && d->version > newest && bytes_compare(d->begin, key) <= 0 &&
            bytes_compare(key, d->end) < 0)
            newest = d->version;
    }
    return newest;
}

static void check_until(const struct fixture *f, const struct lsm_rangedel_set *s, struct bytes key,
                        uint64_t at)
{
    struct bytes until;
    uint64_t cover = lsm_rangedel_cover_until(s, key, at, &until);

    cr_assert_eq(cover, brute_force(f, key, at));
    /* Every key from here to until has the same answer. */
    uint8_t p[KEY_SIZE];
    for (unsigned i = 0; i < 49; i++) {
        size_t size = i < 36 ? 2 : i < 48 ? 1 : 0;
        p[0] = (uint8_t)(i % 6);
        p[1] = (uint8_t)(i / 6);
        struct bytes other = bytes_of(p, size);
        if (bytes_compare(other, key) >= 0 && (until.size == 0 || bytes_compare(other, until) < 0))
            cr_assert_eq(brute_force(f, other, at), cover);
    }
    cr_assert(until.size == 0 || bytes_compare(until, key) > 0);
}

/* Cover and reach agree with trying all deletes, for random overlapping, empty, inverted ones. */
Test(lsm_rangedel, cover_agrees_with_brute_force)
{
    struct rand r;
    rand_seed(&r, 7);

    for (unsigned round = 0; round < 500; round++) {
        struct fixture f;
        struct lsm_rangedel_set *s;
        fill(&f, &r);
        cr_assert(succeeded(lsm_rangedel_build(alloc_heap(), f.deletes, f.count, &s)));
        for (unsigned probe = 0; probe < 200; probe++) {
            uint8_t p[KEY_SIZE];
            struct bytes key = random_key(&r, p);
            uint64_t at = rand_below(&r, 55);
            cr_assert_eq(lsm_rangedel_cover(s, key, at), brute_force(&f, key, at));
            if (probe < 10)
                check_until(&f, s, key, at);
        }
        lsm_rangedel_destroy(s);
    }
}

/* What went in comes out, in begin order, also what covers nothing. */
Test(lsm_rangedel, gives_back_what_it_was_built_from)
{
    struct rand r;
    struct fixture f;
    struct lsm_rangedel_set *s;
    rand_seed(&r, 8);

    for (unsigned round = 0; round < 100; round++) {
        fill(&f, &r);
        cr_assert(succeeded(lsm_rangedel_build(alloc_heap(), f.deletes, f.count, &s)));
        cr_assert_eq(lsm_rangedel_count(s), f.count);
        uint64_t in = 0;
        uint64_t out = 0;
        struct lsm_range_delete before = { .version = 0 };
        for (size_t i = 0; i < f.count; i++) {
            struct lsm_range_delete d;
            lsm_rangedel_at(s, i, &d);
            cr_assert(i == 0 || bytes_compare(before.begin, d.begin) <= 0);
            before = d;
            in += f.deletes[i].version * (1 + f.deletes[i].end.size);
            out += d.version * (1 + d.end.size);
        }
        cr_assert_eq(in, out);
        lsm_rangedel_destroy(s);
    }
}

/* Nested deletes, the worst case of listing versions an interval, take n log n memory. */
Test(lsm_rangedel, nested_deletes_take_little_memory)
{
    enum { N = 20000 };
    struct lsm_range_delete *deletes = calloc(N, sizeof *deletes);
    uint8_t(*keys)[4] = calloc(2 * N, 4);
    struct lsm_rangedel_set *s;

    for (uint32_t i = 0; i < N; i++) {
        put_u32_be(keys[2 * i], i);
        put_u32_be(keys[2 * i + 1], 2 * N - i);
        deletes[i] = (struct lsm_range_delete) { .begin = bytes_of(keys[2 * i], 4),
                                                 .end = bytes_of(keys[2 * i + 1], 4),
                                                 .version = 1 + i };
    }
    cr_assert(succeeded(lsm_rangedel_build(alloc_heap(), deletes, N, &s)));
    cr_assert(lsm_rangedel_bytes(s) < 2000 * N, "%zu bytes", lsm_rangedel_bytes(s));
    uint8_t key[4];
    put_u32_be(key, 100);
    cr_assert_eq(lsm_rangedel_cover(s, bytes_of(key, 4), UINT64_MAX), 101);
    cr_assert_eq(lsm_rangedel_cover(s, bytes_of(key, 4), 50), 50);
    put_u32_be(key, N);
    cr_assert_eq(lsm_rangedel_cover(s, bytes_of(key, 4), UINT64_MAX), N);
    lsm_rangedel_destroy(s);
    free(keys);
    free(deletes);
}

/* Every allocation that fails is answered, and nothing is left behind. */
Test(lsm_rangedel, out_of_memory_is_clean)
{
    struct rand r;
    struct fixture f;
    rand_seed(&r, 9);
    do
        fill(&f, &r);
    while (f.count < 5);

    for (uint64_t n = 1;; n++) {
        struct alloc_test a;
        struct lsm_rangedel_set *s = NULL;
        alloc_test_init(&a);
        a.fail_at = n;
        struct status status = lsm_rangedel_build(&a.alloc, f.deletes, f.count, &s);
        if (succeeded(status)) {
            lsm_rangedel_destroy(s);
            cr_assert_eq(a.live_bytes, 0);
            break;
        }
        cr_assert_eq(status.code, ST_NO_MEMORY);
        cr_assert_eq(a.live_bytes, 0);
    }
}
