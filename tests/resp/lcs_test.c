/* Longest common subsequences against the table of numbers. */
#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/hash.h"

#include "resp/lcs.h"

enum { MAX = 300 };

/* L(i, j), and the way back from its end, written down as pairs of places. */
struct model {
    uint32_t length[MAX + 1][MAX + 1];
    size_t a[MAX];
    size_t b[MAX];
    size_t pairs;
};

static void solve(struct model *m, struct bytes a, struct bytes b)
{
    for (size_t i = 1; i <= a.size; i++) {
        for (size_t j = 1; j <= b.size; j++) {
            uint32_t up = m->length[i - 1][j];
            uint32_t left = m->length[i][j - 1];
            m->length[i][j] = a.data[i - 1] == b.data[j - 1] ? m->length[i - 1][j - 1] + 1
                              : up > left                    ? up
                                                             : left;
        }
    }
    m->pairs = 0;
    for (size_t i = a.size, j = b.size; i > 0 && j > 0;) {
        if (a.data[i - 1] == b.data[j - 1]) {
            m->a[m->pairs] = --i;
            m->b[m->pairs++] = --j;
        } else if (m->length[i - 1][j] > m->length[i][j - 1]) {
            i--;
        } else {
            j--;
        }
    }
}

/* letters: how many different ones there are. */
static struct bytes some_string(uint8_t *room, uint64_t seed, unsigned letters)
{
    size_t size = hash_u64(seed) % (seed % 5 == 0 ? 5 : MAX + 1);

    for (size_t i = 0; i < size; i++)
        room[i] = (uint8_t)(hash_u64(seed << 20 | i) % letters);
    return bytes_of(room, size);
}

static void check(struct model *m, struct bytes a, struct bytes b)
{
    struct arena arena;
    struct resp_lcs l;
    struct resp_lcs_run run;
    size_t pair = 0;
    size_t end_a = a.size + 1;
    size_t end_b = b.size + 1;

    solve(m, a, b);
    arena_init(&arena, alloc_heap(), 1 << 16, 1 << 24);
    cr_assert(succeeded(resp_lcs_init(&l, &arena, a, b, false)));
    cr_assert_eq(l.length, m->length[a.size][b.size]);
    cr_assert(succeeded(resp_lcs_init(&l, &arena, a, b, true)));
    cr_assert_eq(l.length, m->length[a.size][b.size]);
    while (resp_lcs_next(&l, &run)) {
        cr_assert(run.size > 0);
        cr_assert_not(run.a + run.size == end_a && run.b + run.size == end_b, "one run in two");
        for (size_t i = run.size; i > 0; i--, pair++) {
            cr_assert_lt(pair, m->pairs);
            cr_assert_eq(run.a + i - 1, m->a[pair]);
            cr_assert_eq(run.b + i - 1, m->b[pair]);
        }
        end_a = run.a;
        end_b = run.b;
    }
    cr_assert_eq(pair, m->pairs);
    arena_deinit(&arena);
}

Test(resp_lcs, is_the_one_of_the_plain_table, .timeout = 60)
{
    static struct model m;
    static uint8_t a[MAX];
    static uint8_t b[MAX];

    for (uint64_t seed = 1; seed < 400; seed++) {
        unsigned letters = 1 + (unsigned)(hash_u64(seed) >> 8) % (seed % 3 == 0 ? 250 : 4);
        memset(&m, 0, sizeof m);
        check(&m, some_string(a, 2 * seed, letters), some_string(b, 2 * seed + 1, letters));
    }
}

/* A long string against a short one takes a byte a row, not a word. */
Test(resp_lcs, a_short_string_costs_little_memory)
{
    enum { LONG = 1 << 20 };
    static uint8_t content[LONG];
    struct arena arena;
    struct resp_lcs l;
    struct resp_lcs_run run;

    content[LONG / 2] = 1;
    arena_init(&arena, alloc_heap(), 1 << 16, 2 * LONG);
    cr_assert(
        succeeded(resp_lcs_init(&l, &arena, bytes_of(content, LONG), bytes_of("\1", 1), true)));
    cr_assert_eq(l.length, 1);
    cr_assert(resp_lcs_next(&l, &run));
    cr_assert(run.a == LONG / 2 && run.b == 0 && run.size == 1);
    cr_assert_not(resp_lcs_next(&l, &run));
    arena_deinit(&arena);
}
