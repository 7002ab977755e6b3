#include "lsm/filter.h"

enum { LINE_BITS = LSM_FILTER_LINE * 8, AHEAD = 16 };

struct lsm_filter_shape lsm_filter_shape_of(uint64_t key_count, uint32_t bits)
{
    if (key_count == 0)
        return (struct lsm_filter_shape) { .parts = 0 };
    uint64_t lines = (key_count * bits + LINE_BITS - 1) / LINE_BITS;
    uint64_t parts = (lines + LSM_FILTER_LINES_MAX - 1) / LSM_FILTER_LINES_MAX;
    /* ln 2 times the bits would be best in one big filter; in lines some are fuller than others,
     * which favours fewer probes. */
    uint32_t probes = bits * 6 / 10;

    return (struct lsm_filter_shape) {
        .parts = (uint32_t)parts,
        .lines = (uint32_t)((lines + parts - 1) / parts),
        .probes = probes < 1                       ? 1
                  : probes > LSM_FILTER_PROBES_MAX ? LSM_FILTER_PROBES_MAX
                                                   : probes,
    };
}

bool lsm_filter_is_sane(struct lsm_filter_shape s)
{
    return s.parts >= 1 && s.lines >= 1 && s.lines <= LSM_FILTER_LINES_MAX && s.probes >= 1 &&
           s.probes <= LSM_FILTER_PROBES_MAX;
}

static uint8_t *line_of(struct lsm_filter_shape s, uint8_t *parts, uint64_t hash)
{
    return parts + lsm_filter_part_size(s) * lsm_filter_part(s, hash) +
           (size_t)LSM_FILTER_LINE * lsm_filter_line(s, hash);
}

void lsm_filter_add(struct lsm_filter_shape s, uint8_t *parts, const uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* Lines come in random order and a table's filter is larger than the near caches. */
        if (i + AHEAD < count)
            __builtin_prefetch(line_of(s, parts, hashes[i + AHEAD]), 1);
        uint8_t *line = line_of(s, parts, hashes[i]);
        uint64_t bits = hash_u64(hashes[i]);
        for (uint32_t n = 0; n < s.probes; n++, bits >>= 9) {
            uint8_t *word = line + (bits >> 6 & 7) * 8;
            put_u64(word, get_u64(word) | UINT64_C(1) << (bits & 63));
        }
    }
}
