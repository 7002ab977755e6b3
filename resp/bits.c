#include "resp/bits.h"

#include "base/check.h"

enum { WORD_BYTES = 8, WORD_BITS = 64 };

/* ---- Counting ------------------------------------------------------------------------------- */

/* Four sums, so that an addition need not wait for the one before. */
__attribute__((always_inline)) static inline uint64_t sum_words(const uint8_t *p, size_t words)
{
    uint64_t sums[4] = { 0 };
    size_t i = 0;

    for (; i + 4 <= words; i += 4) {
        for (size_t lane = 0; lane < 4; lane++)
            sums[lane] += (uint64_t)__builtin_popcountll(get_u64(p + WORD_BYTES * (i + lane)));
    }
    for (; i < words; i++)
        sums[0] += (uint64_t)__builtin_popcountll(get_u64(p + WORD_BYTES * i));
    return sums[0] + sums[1] + sums[2] + sums[3];
}

#if defined(__x86_64__)
/* With the processor's instruction: a word a cycle. */
__attribute__((target("popcnt"))) static uint64_t sum_words_popcnt(const uint8_t *p, size_t words)
{
    return sum_words(p, words);
}
#endif

static uint64_t count_words(const uint8_t *p, size_t words)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("popcnt"))
        return sum_words_popcnt(p, words);
#endif
    return sum_words(p, words);
}

/* The bits [begin, end) of one byte, the others cleared. */
static unsigned part_of_byte(uint8_t byte, unsigned begin, unsigned end)
{
    return byte & (0xffu >> begin) & (0xff00u >> end);
}

uint64_t resp_bits_count(struct bytes b, uint64_t begin, uint64_t end)
{
    CHECK(begin <= end && end <= 8 * (uint64_t)b.size);
    size_t first = (size_t)(begin / 8);
    size_t last = (size_t)(end / 8); /* The byte that is counted in part, or the one behind. */
    uint64_t count = 0;

    if (begin == end)
        return 0;
    if (first == last)
        return (uint64_t)__builtin_popcount(part_of_byte(b.data[first], begin % 8, end % 8));
    if (begin % 8 != 0)
        count += (uint64_t)__builtin_popcount(part_of_byte(b.data[first++], begin % 8, 8));
    if (end % 8 != 0)
        count += (uint64_t)__builtin_popcount(part_of_byte(b.data[last], 0, end % 8));
    size_t words = (last - first) / WORD_BYTES;
    count += count_words(b.data + first, words);
    for (size_t i = first + words * WORD_BYTES; i < last; i++)
        count += (uint64_t)__builtin_popcount(b.data[i]);
    return count;
}

/* ---- Finding -------------------------------------------------------------------------------- */

/* Eight bytes from place on, the first one highest; zeros behind the end. */
static uint64_t word_at(struct bytes b, size_t place)
{
    uint8_t bytes[WORD_BYTES] = { 0 };

    if (b.size - place >= WORD_BYTES)
        return get_u64_be(b.data + place);
    memcpy(bytes, b.data + place, b.size - place);
    return get_u64_be(bytes);
}

uint64_t resp_bits_find(struct bytes b, uint64_t begin, uint64_t end, bool value)
{
    CHECK(begin <= end && end <= 8 * (uint64_t)b.size);
    uint64_t flip = value ? 0 : UINT64_MAX;

    for (uint64_t i = begin; i < end;) {
        unsigned skip = i % 8;
        uint64_t wanted = (word_at(b, (size_t)(i / 8)) ^ flip) << skip;
        if (wanted != 0) {
            uint64_t found = i + (uint64_t)__builtin_clzll(wanted);
            return found < end ? found : end;
        }
        i += WORD_BITS - skip;
    }
    return end;
}

/* ---- Combining ------------------------------------------------------------------------------ */

static uint64_t combine_word(enum resp_bits_op op, uint64_t a, uint64_t b)
{
    switch (op) {
    case RESP_BITS_AND:
        return a & b;
    case RESP_BITS_OR:
        return a | b;
    case RESP_BITS_XOR:
        return a ^ b;
    default:
        return ~b;
    }
}

void resp_bits_combine(enum resp_bits_op op, uint8_t *to, const uint8_t *from, size_t size)
{
    size_t i = 0;

    for (; i + WORD_BYTES <= size; i += WORD_BYTES)
        put_u64(to + i, combine_word(op, get_u64(to + i), get_u64(from + i)));
    for (; i < size; i++)
        to[i] = (uint8_t)combine_word(op, to[i], from[i]);
}

/* ---- Fields --------------------------------------------------------------------------------- */

typedef unsigned __int128 bits_run;

/* The bytes as one number, and how far above its end the field ends. */
static bits_run run_of(const uint8_t *bytes)
{
    return (bits_run)get_u64_be(bytes) << 8 | bytes[WORD_BYTES];
}

static unsigned shift_of(struct resp_field f, unsigned skip)
{
    CHECK(skip < 8 && f.width >= 1 && f.width <= (f.is_signed ? 64u : 63u));
    return RESP_FIELD_BYTES * 8 - skip - f.width;
}

static uint64_t mask_of(struct resp_field f)
{
    return UINT64_MAX >> (WORD_BITS - f.width);
}

/* The low bits of a number, as the field's kind of number. */
static int64_t fold(struct resp_field f, uint64_t bits)
{
    uint64_t sign = UINT64_C(1) << (f.width - 1);

    bits &= mask_of(f);
    return (int64_t)(f.is_signed ? (bits ^ sign) - sign : bits);
}

int64_t resp_field_get(struct resp_field f, const uint8_t bytes[RESP_FIELD_BYTES], unsigned skip)
{
    return fold(f, (uint64_t)(run_of(bytes) >> shift_of(f, skip)));
}

void resp_field_set(struct resp_field f, uint8_t bytes[RESP_FIELD_BYTES], unsigned skip,
                    int64_t value)
{
    unsigned shift = shift_of(f, skip);
    bits_run mask = (bits_run)mask_of(f) << shift;
    bits_run run = (run_of(bytes) & ~mask) | ((bits_run)(uint64_t)value << shift & mask);

    put_u64_be(bytes, (uint64_t)(run >> 8));
    bytes[WORD_BYTES] = (uint8_t)run;
}

bool resp_field_add(struct resp_field f, enum resp_field_overflow overflow, int64_t base,
                    int64_t amount, int64_t *out_value)
{
    __int128 sum = (f.is_signed ? (__int128)base : (__int128)(uint64_t)base) + amount;
    __int128 max = f.is_signed ? mask_of(f) >> 1 : mask_of(f);
    __int128 min = f.is_signed ? -max - 1 : 0;

    if (sum >= min && sum <= max) {
        *out_value = (int64_t)sum;
        return true;
    }
    if (overflow == RESP_FIELD_FAIL)
        return false;
    if (overflow == RESP_FIELD_SATURATE)
        *out_value = (int64_t)(sum < min ? min : max);
    else
        *out_value = fold(f, (uint64_t)sum);
    return true;
}
