#include "base/hash.h"

/* Compiled in: keys are short, and a call through the shared library costs as much as the hash. */
#define XXH_INLINE_ALL
/* Bytes are read as packed words: the other way, memcpy, may stay a call a word. */
#define XXH_FORCE_MEMORY_ACCESS 1
#include <xxhash.h>

uint64_t hash_bytes(struct bytes b, uint64_t seed)
{
    return XXH3_64bits_withSeed(b.data, b.size, seed);
}
