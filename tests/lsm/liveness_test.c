#include "base/rand.h"

#include "lsm/liveness.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct seen {
    const uint32_t *want;
    size_t count;
    size_t at;
    bool is_same;
};

static void see(void *context, uint32_t first, uint32_t count)
{
    struct seen *s = context;
    for (uint32_t i = 0; i < count; i++) {
        s->is_same = s->is_same && s->at < s->count && s->want[s->at] == first + i;
        s->at++;
    }
}

static void ignore(void *context, uint32_t first, uint32_t count)
{
    uint64_t *end = context;
    cr_assert(count >= 1 && first >= *end && (uint64_t)first + count <= UINT64_C(1) << 32);
    *end = (uint64_t)first + count;
}

static size_t random_ordinals(struct rand *r, uint32_t *out, size_t room)
{
    uint64_t at = rand_below(r, 4) == 0 ? UINT32_MAX - rand_below(r, 1000) : rand_below(r, 100);
    uint64_t spread = 1 + rand_below(r, 300);
    size_t n = 0;

    while (n < room && at <= UINT32_MAX) {
        out[n++] = (uint32_t)at;
        at += rand_below(r, 3) == 0 ? 1 + rand_below(r, spread) : 1;
    }
    return n;
}

/* What is encoded is decoded, run by run, up to the greatest ordinal. */
Test(lsm_liveness, round_trip)
{
    uint32_t ordinals[2000];
    struct rand r;
    rand_seed(&r, 1);

    for (unsigned round = 0; round < 500; round++) {
        size_t n = random_ordinals(&r, ordinals, 1 + rand_below(&r, 2000));
        struct buf out;
        buf_init(&out, alloc_heap(), 1 << 20);
        lsm_liveness_encode(3, ordinals, n, &out);
        struct seen s = { .want = ordinals, .count = n, .is_same = true };
        cr_assert(succeeded(lsm_liveness_decode(buf_bytes(&out), 3, see, &s)));
        cr_assert(s.is_same && s.at == n);
        cr_assert_eq(lsm_liveness_decode(buf_bytes(&out), 4, see, &s).code, ST_CORRUPT);
        buf_deinit(&out);
    }
}

/* The example of the format's page, byte by byte. */
Test(lsm_liveness, the_example_is_right)
{
    static const uint8_t want[] = { 1, 0, 0, 0, 4, 0, 0, 0, 0x0a, 0x03, 0x01 };
    static const uint32_t ordinals[] = { 5, 7, 8, 9 };
    struct buf out;

    buf_init(&out, alloc_heap(), 100);
    lsm_liveness_encode(1, ordinals, 4, &out);
    cr_assert(bytes_equal(buf_bytes(&out), bytes_of(want, sizeof want)));
    buf_deinit(&out);
}

/* Damaged bytes are refused, or are runs that rise within 32 bits. */
Test(lsm_liveness, damaged_bytes_never_run_away)
{
    uint32_t ordinals[50];
    struct rand r;
    rand_seed(&r, 2);

    for (unsigned round = 0; round < 20000; round++) {
        struct buf out;
        buf_init(&out, alloc_heap(), 4096);
        lsm_liveness_encode(0, ordinals, random_ordinals(&r, ordinals, 1 + rand_below(&r, 50)),
                            &out);
        out.data[rand_below(&r, out.size)] = (uint8_t)rand_u64(&r);
        out.size -= rand_below(&r, 2) * rand_below(&r, out.size);
        uint64_t end = 0;
        struct status s = lsm_liveness_decode(buf_bytes(&out), 0, ignore, &end);
        cr_assert(succeeded(s) || s.code == ST_CORRUPT);
        buf_deinit(&out);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

Test(lsm_liveness, sort_sorts)
{
    enum { N = 3000 };
    static uint64_t numbers[N];
    static uint64_t scratch[N];
    static uint64_t want[N];
    struct rand r;
    rand_seed(&r, 3);

    for (unsigned round = 0; round < 60; round++) {
        for (size_t i = 0; i < N; i++)
            want[i] = numbers[i] = rand_u64(&r) >> (round % 64);
        qsort(want, N, sizeof *want, compare);
        uint64_t *sorted = lsm_liveness_sort(numbers, scratch, N);
        cr_assert_eq(memcmp(sorted, want, sizeof want), 0);
    }
}
