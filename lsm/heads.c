#include "lsm/block.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * Finding a place among sorted 8-byte heads.
 *
 * Keys spread evenly more often than not, so the place is first guessed by interpolation between
 * the ends, which are known without touching the array; a window of four cache lines around the
 * guess, loaded at once, usually settles it. Where it does not, a binary search narrows the side
 * that is left down to one window: the worst case is that of a binary search.
 *
 * A window is counted by comparing vectors: no branch depends on the data. The processor is asked
 * at each call; that is one load and a predictable branch.
 */
enum { LINE = 8, WINDOW = 4 * LINE };

static uint32_t count_below_scalar(const uint8_t *heads, uint32_t n, uint64_t head)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++)
        count += get_u64(heads + 8 * (size_t)i) < head;
    return count;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint32_t count_below_avx512(const uint8_t *heads,
                                                                      uint32_t n, uint64_t head)
{
    __m512i wanted = _mm512_set1_epi64((long long)head);
    uint32_t count = 0;
    uint32_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m512i v = _mm512_loadu_si512(heads + 8 * (size_t)i);
        count += (uint32_t)__builtin_popcount(_mm512_cmplt_epu64_mask(v, wanted));
    }
    if (i < n) {
        __mmask8 rest = (__mmask8)((1u << (n - i)) - 1);
        __m512i v = _mm512_maskz_loadu_epi64(rest, heads + 8 * (size_t)i);
        count += (uint32_t)__builtin_popcount(_mm512_mask_cmplt_epu64_mask(rest, v, wanted));
    }
    return count;
}

__attribute__((target("avx2"))) static uint32_t count_below_avx2(const uint8_t *heads, uint32_t n,
                                                                 uint64_t head)
{
    /* AVX2 compares signed numbers only: flipping the top bit of both sides keeps the order. */
    __m256i flip = _mm256_set1_epi64x((long long)(UINT64_C(1) << 63));
    __m256i wanted = _mm256_xor_si256(_mm256_set1_epi64x((long long)head), flip);
    __m256i sum = _mm256_setzero_si256();
    uint32_t i = 0;

    for (; i + 4 <= n; i += 4) {
        __m256i v = _mm256_loadu_si256((const __m256i_u *)(const void *)(heads + 8 * (size_t)i));
        sum = _mm256_sub_epi64(sum, _mm256_cmpgt_epi64(wanted, _mm256_xor_si256(v, flip)));
    }
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i_u *)(void *)lanes, sum);
    return (uint32_t)(lanes[0] + lanes[1] + lanes[2] + lanes[3]) +
           count_below_scalar(heads + 8 * (size_t)i, n - i, head);
}
#endif

static uint32_t count_below(const uint8_t *heads, uint32_t n, uint64_t head)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return count_below_avx512(heads, n, head);
    if (__builtin_cpu_supports("avx2"))
        return count_below_avx2(heads, n, head);
#endif
    return count_below_scalar(heads, n, head);
}

/* The answer lies in [low, high]. */
static uint32_t narrow(const uint8_t *heads, uint32_t low, uint32_t high, uint64_t head)
{
    while (high - low > WINDOW) {
        uint32_t middle = low + (high - low) / 2;
        if (get_u64(heads + 8 * (size_t)middle) < head)
            low = middle + 1;
        else
            high = middle;
    }
    return low + count_below(heads + 8 * (size_t)low, high - low, head);
}

uint32_t lsm_heads_guess(uint32_t n, uint64_t first, uint64_t last, uint64_t head)
{
    if (head <= first)
        return 0;
    if (head >= last)
        return n - 1;
    /* The quotient lies in (0, 1). */
    return (uint32_t)((double)(head - first) / (double)(last - first) * (double)(n - 1));
}

uint32_t lsm_heads_below(const uint8_t *heads, uint32_t n, uint64_t first, uint64_t last,
                         uint64_t head)
{
    if (head <= first)
        return 0;
    if (head > last)
        return n;
    if (n <= WINDOW)
        return count_below(heads, n, head);
    uint32_t guess = lsm_heads_guess(n, first, last, head);
    uint32_t begin = guess < WINDOW / 2 ? 0 : (guess - WINDOW / 2) / LINE * LINE;
    if (begin > n - WINDOW)
        begin = n - WINDOW;
    uint32_t below = count_below(heads + 8 * (size_t)begin, WINDOW, head);
    if (below == 0)
        return narrow(heads, 0, begin, head);
    if (below == WINDOW)
        return narrow(heads, begin + WINDOW, n, head);
    return begin + below;
}
