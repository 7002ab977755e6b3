#include "bench/value.h"

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/rand.h"

enum { HEADER_SIZE = 8, PIECE_SIZE = 100, FILLER_SIZE = 1 << 20, FILLER_SEED = 301 };

static void fill_piece(struct rand *r, uint8_t *piece, size_t size, size_t random_size)
{
    for (size_t i = 0; i < size; i++)
        piece[i] = i < random_size ? (uint8_t)(' ' + rand_below(r, 95)) : piece[i - random_size];
}

struct status value_source_init(struct value_source *v, struct alloc *alloc,
                                double compression_ratio, size_t size_max)
{
    size_t size = FILLER_SIZE > size_max ? FILLER_SIZE : size_max;
    size_t random_size = (size_t)(PIECE_SIZE * compression_ratio);
    struct rand r;
    uint8_t *filler = alloc_bytes(alloc, size);

    if (filler == NULL)
        return status_of(ST_NO_MEMORY);
    rand_seed(&r, FILLER_SEED);
    if (random_size < 1)
        random_size = 1;
    for (size_t i = 0; i < size; i += PIECE_SIZE)
        fill_piece(&r, filler + i, size - i < PIECE_SIZE ? size - i : PIECE_SIZE, random_size);
    *v = (struct value_source) { .alloc = alloc, .filler = filler, .filler_size = size };
    return status_ok();
}

void value_source_deinit(struct value_source *v)
{
    alloc_free(v->alloc, v->filler, v->filler_size);
    v->filler = NULL;
}

static uint32_t checksum(uint64_t key_hash, const uint8_t *value, size_t size)
{
    return crc32c_salted(key_hash, value + 4, size - 4);
}

void value_make(const struct value_source *v, struct bytes key, uint32_t generation, size_t size,
                uint8_t *out_value)
{
    uint64_t key_hash = hash_bytes(key, 0);

    if (size < HEADER_SIZE) {
        memcpy(out_value, &key_hash, size);
        return;
    }
    size_t filler = size - HEADER_SIZE;
    uint64_t place = hash_u64(key_hash + generation) % (v->filler_size - filler + 1);
    memcpy(out_value + HEADER_SIZE, v->filler + place, filler);
    put_u32(out_value + 4, generation);
    put_u32(out_value, checksum(key_hash, out_value, size));
}

bool value_check(struct bytes key, struct bytes value)
{
    uint64_t key_hash = hash_bytes(key, 0);

    if (value.size < HEADER_SIZE)
        return memcmp(value.data, &key_hash, value.size) == 0;
    return get_u32(value.data) == checksum(key_hash, value.data, value.size);
}
