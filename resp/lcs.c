#include "resp/lcs.h"

#include "base/check.h"

#include "resp/bits.h"

enum { WORD_BITS = 64, BYTE_VALUES = 256 };

/* Where each byte value stands in the shorter string, as rows of bits. */
struct places {
    uint64_t *rows[BYTE_VALUES];
    size_t words;
};

static uint64_t *take_words(struct arena *arena, size_t words, uint64_t value)
{
    uint64_t *row = arena_take(arena, words * sizeof *row);

    for (size_t i = 0; row != NULL && i < words; i++)
        row[i] = value;
    return row;
}

static struct status find_places(struct places *p, struct arena *arena, struct bytes s)
{
    p->words = (s.size + WORD_BITS - 1) / WORD_BITS;
    uint64_t *none = take_words(arena, p->words, 0);

    if (none == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t value = 0; value < BYTE_VALUES; value++)
        p->rows[value] = none;
    for (size_t i = 0; i < s.size; i++) {
        uint64_t **row = &p->rows[s.data[i]];
        if (*row == none)
            *row = take_words(arena, p->words, 0);
        if (*row == NULL)
            return status_of(ST_NO_MEMORY);
        (*row)[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
    }
    return status_ok();
}

/*
 * From one row to the next. places has a 1 where the shorter string has the byte that the longer
 * one goes on with. In each run of 1s of row that ends with a 0 (and so holds one growth), the
 * lowest of places' bits becomes the 0: the growth moves to the first byte that matches. Adding
 * places' bits to row does that for all runs at once; the other bits are put back.
 */
static void next_row(uint64_t *row, const uint64_t *places, size_t words)
{
    uint64_t carry = 0;

    for (size_t i = 0; i < words; i++) {
        uint64_t match = row[i] & places[i];
        uint64_t sum;
        uint64_t carries = __builtin_add_overflow(row[i], match, &sum);
        carries |= __builtin_add_overflow(sum, carry, &sum);
        row[i] = sum | (row[i] & ~match);
        carry = carries;
    }
}

/* How many of the first count bits are 0. */
static size_t count_growth(const uint8_t *row, size_t count)
{
    size_t whole = count / 8;
    size_t ones = (size_t)resp_bits_count(bytes_of(row, whole), 0, 8 * (uint64_t)whole);

    if (count % 8 != 0)
        ones += (size_t)__builtin_popcount(row[whole] & ((1u << count % 8) - 1));
    return count - ones;
}

struct status resp_lcs_init(struct resp_lcs *l, struct arena *arena, struct bytes a, struct bytes b,
                            bool has_runs)
{
    struct bytes shorter = a.size < b.size ? a : b;
    struct bytes longer = a.size < b.size ? b : a;
    struct places places;

    *l = (struct resp_lcs) { .a = a, .b = b, .i = a.size, .j = b.size };
    if (shorter.size == 0)
        return status_ok();
    l->row_bytes = (shorter.size + 7) / 8;
    TRY(find_places(&places, arena, shorter));
    uint64_t *row = take_words(arena, places.words, UINT64_MAX);
    if (has_runs)
        l->rows = arena_take(arena, (longer.size + 1) * l->row_bytes);
    if (row == NULL || (has_runs && l->rows == NULL))
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < longer.size; i++) {
        if (has_runs)
            memcpy(l->rows + i * l->row_bytes, row, l->row_bytes);
        next_row(row, places.rows[longer.data[i]], places.words);
    }
    if (has_runs)
        memcpy(l->rows + longer.size * l->row_bytes, row, l->row_bytes);
    l->length = count_growth((const uint8_t *)row, shorter.size);
    l->left = l->length;
    return status_ok();
}

/* Bytes differ: leave one out. */
static void step_back(struct resp_lcs *l)
{
    bool is_a_shorter = l->a.size < l->b.size;
    size_t s = is_a_shorter ? l->i : l->j;
    size_t t = is_a_shorter ? l->j : l->i;
    const uint8_t *row = l->rows + t * l->row_bytes;
    bool grows = !(row[(s - 1) / 8] >> (s - 1) % 8 & 1);
    size_t without_s = l->left - grows;
    size_t without_t = count_growth(row - l->row_bytes, s);
    bool leaves_a = is_a_shorter ? without_s > without_t : without_t > without_s;

    if (leaves_a)
        l->i--;
    else
        l->j--;
    l->left = leaves_a == is_a_shorter ? without_s : without_t;
}

bool resp_lcs_next(struct resp_lcs *l, struct resp_lcs_run *out)
{
    size_t size = 0;

    while (l->left > 0 && l->a.data[l->i - 1] != l->b.data[l->j - 1])
        step_back(l);
    while (l->i > 0 && l->j > 0 && l->a.data[l->i - 1] == l->b.data[l->j - 1]) {
        l->i--;
        l->j--;
        size++;
    }
    if (size == 0)
        return false;
    CHECK(size <= l->left);
    l->left -= size;
    *out = (struct resp_lcs_run) { .a = l->i, .b = l->j, .size = size };
    return true;
}
