#include "base/rand.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static inline uint64_t rotate_left(uint64_t x, int count)
{
    return x << count | x >> (64 - count);
}

/* splitmix64 spreads the seed, so that seeds 1 and 2 give unrelated streams and no seed gives the
 * all-zero state, which xoshiro never leaves. */
void rand_seed(struct rand *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        r->state[i] = hash_u64(seed);
    }
}

/* xoshiro256** 1.0 (Blackman and Vigna, 2018). */
uint64_t rand_u64(struct rand *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* The high word of random * bound is uniform once the few low words that make the buckets uneven
 * are thrown away (Lemire, "Fast random integer generation in an interval", 2019). */
uint64_t rand_below(struct rand *r, uint64_t bound)
{
    DCHECK(bound > 0);
    unsigned __int128 product = (unsigned __int128)rand_u64(r) * bound;
    if ((uint64_t)product < bound) {
        uint64_t uneven = -bound % bound;
        while ((uint64_t)product < uneven)
            product = (unsigned __int128)rand_u64(r) * bound;
    }
    return (uint64_t)(product >> 64);
}

double rand_double(struct rand *r)
{
    return (double)(rand_u64(r) >> 11) * 0x1p-53;
}

void rand_fill(struct rand *r, void *data, size_t size)
{
    uint8_t *p = data;

    while (size > 0) {
        uint64_t v = rand_u64(r);
        size_t n = size < sizeof v ? size : sizeof v;
        memcpy(p, &v, n);
        p += n;
        size -= n;
    }
}

void rand_entropy(void *data, size_t size)
{
    uint8_t *p = data;

    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        CHECK(n > 0 || errno == EINTR);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
}
