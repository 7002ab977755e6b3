#include "support/entry_set.h"

#include "lsm/block_builder.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A block of as many entries of a set, from first on, as fit into size_max (one at least). */
struct built {
    uint8_t *data;
    size_t size;
    size_t first;
    size_t count;
    struct lsm_block block;
};

static struct built build(const struct entry_set *set, size_t first, size_t size_max)
{
    struct lsm_block_builder b;
    struct built out = { .first = first };
    struct errbuf err;

    lsm_block_builder_init(&b, alloc_heap());
    for (size_t i = first; i < set->count; i++) {
        const struct lsm_entry *e = &set->entries[i];
        struct status s = lsm_block_builder_add(&b, e, out.count > 0 ? size_max : LSM_BLOCK_MAX);
        if (s.code == ST_LIMIT)
            break;
        cr_assert(succeeded(s));
        out.count++;
    }
    size_t bound = lsm_block_builder_size(&b);
    cr_assert(out.count == 1 || bound <= size_max);
    /* Exactly as much memory as promised: the sanitizer sees what is written or read beyond. */
    out.data = malloc(bound + LSM_BLOCK_TRAILER);
    out.size = lsm_block_builder_finish(&b, out.data);
    cr_assert(out.size <= bound);
    memset(out.data + out.size, 0xee, LSM_BLOCK_TRAILER);
    lsm_block_builder_deinit(&b);

    struct lsm_block_hint hint;
    struct status status = lsm_block_check(bytes_of(out.data, out.size), 8, &hint, &err);
    cr_assert(succeeded(status), "%s", err.text);
    out.block = lsm_block_of(out.data, &hint);
    cr_assert_eq(lsm_block_used(&out.block), out.size);
    return out;
}

static void check_entries(const struct built *b, const struct entry_set *s)
{
    uint8_t *key = malloc(lsm_block_key_room(&b->block));

    cr_assert_eq(b->block.hint.count, b->count);
    lsm_block_prefix(&b->block, key);
    for (uint32_t i = 0; i < b->count; i++) {
        struct lsm_entry e;
        lsm_block_entry(&b->block, i, &e);
        e.key = bytes_of(key, lsm_block_key(&b->block, i, key));
        cr_assert(entry_equal(&e, &s->entries[b->first + i]), "entry %u of %zu differs", i,
                  b->count);
    }
    free(key);
}

static void check_seek(const struct built *b, const struct entry_set *s, struct bytes key,
                       uint64_t version)
{
    size_t want = entry_set_seek(s, key, version);
    want = want < b->first ? 0 : want - b->first;
    if (want > b->count)
        want = b->count;
    bool is_key;
    uint32_t got = lsm_block_seek(&b->block, key, version, &is_key);
    cr_assert_eq(got, want, "seek found %u, not %zu of %zu", got, want, b->count);
    bool want_key = want < b->count && bytes_equal(s->entries[b->first + want].key, key);
    cr_assert_eq(is_key, want_key);
}

static void check_seeks(const struct built *b, struct entry_set *s, struct rand *r)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct lsm_entry *e = &s->entries[b->first + i];
        check_seek(b, s, e->key, e->version);
        check_seek(b, s, e->key, e->version + 1);
        check_seek(b, s, e->key, e->version - 1);
        check_seek(b, s, e->key, UINT64_MAX);
        check_seek(b, s, e->key, 0);
    }
    for (size_t i = 0; i < b->count; i++)
        check_seek(b, s, entry_set_probe(s, r), rand_u64(r) >> rand_below(r, 64));
}

/*
 * Whatever the keys look like, a block gives back its entries, and seeks land where a search of
 * the sorted entries lands. Method: blocks of random sets of every style against the set.
 */
Test(lsm_block, holds_and_finds_adversarial_entries)
{
    struct rand r;
    rand_seed(&r, 1);

    for (unsigned round = 0; round < 300; round++) {
        struct entry_set s;
        struct entry_set_options o = {
            .style = (enum entry_style)(round % STYLES),
            .key_count = 1 + rand_below(&r, round % STYLES == STYLE_LONG ? 12 : 300),
            .versions_max = rand_below(&r, 3) == 0 ? 20 : 1,
            .value_size_max = rand_below(&r, 2) == 0 ? 0 : 200,
            .handle_percent = (uint32_t)rand_below(&r, 3) * 50,
            .ref_count = 8,
            .is_plain = rand_below(&r, 2) == 0,
        };
        o.delete_percent = o.handle_percent < 100 ? 10 : 0;
        entry_set_make(&s, &r, &o);
        for (size_t first = 0; first < s.count;) {
            struct built b = build(&s, first, 256 + rand_below(&r, 8192));
            check_entries(&b, &s);
            check_seeks(&b, &s, &r);
            first += b.count;
            free(b.data);
        }
        entry_set_free(&s);
    }
}

/* Keys of one length, one version and one kind take eight bytes each beside what differs. */
Test(lsm_block, what_entries_share_takes_no_room)
{
    struct lsm_block_builder b;
    uint8_t out[4096];
    uint8_t key[16] = "prefix--";

    lsm_block_builder_init(&b, alloc_heap());
    for (uint64_t i = 0; i < 100; i++) {
        put_u64_be(key + 8, i);
        struct lsm_entry e = { .key = bytes_of(key, 16), .version = 7, .kind = LSM_DELETE };
        cr_assert(succeeded(lsm_block_builder_add(&b, &e, LSM_BLOCK_MAX)));
    }
    cr_assert_eq(lsm_block_builder_size(&b), LSM_BLOCK_HEADER + 15 + 100 * 8);
    cr_assert_eq(lsm_block_builder_finish(&b, out), LSM_BLOCK_HEADER + 15 + 100 * 8);
    lsm_block_builder_deinit(&b);
}

/* An inline value far beyond the block size makes a block of its own; offsets grow with it. */
Test(lsm_block, large_values_fit)
{
    struct rand r;
    struct entry_set s;
    rand_seed(&r, 2);
    struct entry_set_options o = { .style = STYLE_MIXED, .key_count = 5, .value_size_max = 300000 };

    entry_set_make(&s, &r, &o);
    struct built b = build(&s, 0, LSM_BLOCK_MAX);
    cr_assert_eq(b.count, s.count);
    check_entries(&b, &s);
    check_seeks(&b, &s, &r);
    free(b.data);
    entry_set_free(&s);
}

Test(lsm_block, refuses_what_no_block_can_hold)
{
    struct lsm_block_builder b;
    uint8_t *key = calloc(1, LSM_KEY_MAX + 1);
    struct lsm_entry e = { .key = bytes_of(key, LSM_KEY_MAX + 1), .version = 1, .kind = LSM_PUT };

    lsm_block_builder_init(&b, alloc_heap());
    cr_assert_eq(lsm_block_builder_add(&b, &e, LSM_BLOCK_MAX).code, ST_LIMIT);
    e.key.size = LSM_KEY_MAX;
    e.value = bytes_of(key, (size_t)LSM_BLOCK_MAX);
    cr_assert_eq(lsm_block_builder_add(&b, &e, LSM_BLOCK_MAX).code, ST_LIMIT);
    e.value.size = 0;
    cr_assert(succeeded(lsm_block_builder_add(&b, &e, LSM_BLOCK_MAX)));
    lsm_block_builder_deinit(&b);
    free(key);
}

/* Decode everything a checked block holds; the sanitizer is the judge. */
static void read_all(const struct lsm_block *b)
{
    uint8_t *key = malloc(lsm_block_key_room(b));
    bool is_key;

    lsm_block_prefix(b, key);
    for (uint32_t i = 0; i < b->hint.count; i++) {
        struct lsm_entry e;
        lsm_block_entry(b, i, &e);
        e.key = bytes_of(key, lsm_block_key(b, i, key));
        uint8_t sum = 0;
        for (size_t k = 0; k < e.value.size; k++)
            sum ^= e.value.data[k];
        cr_assert(sum == sum);
        (void)lsm_block_seek(b, e.key, e.version, &is_key);
    }
    free(key);
}

/*
 * A block whose bytes were changed is refused or harmless: never a read outside of it. Method: the
 * check and a whole decode under the sanitizer, for every flipped bit of the header and rows of
 * small blocks, and for random bytes put anywhere.
 */
Test(lsm_block, damaged_blocks_never_reach_outside)
{
    struct rand r;
    rand_seed(&r, 3);

    for (unsigned round = 0; round < 60; round++) {
        struct entry_set s;
        struct entry_set_options o = { .style = (enum entry_style)(round % STYLE_LONG),
                                       .key_count = 1 + rand_below(&r, 12),
                                       .versions_max = 2,
                                       .value_size_max = 20,
                                       .handle_percent = 30,
                                       .delete_percent = 20,
                                       .ref_count = 8 };
        entry_set_make(&s, &r, &o);
        struct built b = build(&s, 0, 4096);
        for (size_t bit = 0; bit < b.size * 8 + 2000; bit++) {
            size_t at = bit < b.size * 8 ? bit / 8 : rand_below(&r, b.size);
            uint8_t old = b.data[at];
            b.data[at] = bit < b.size * 8 ? old ^ (uint8_t)(1u << bit % 8) : (uint8_t)rand_u64(&r);
            struct lsm_block_hint hint;
            if (succeeded(lsm_block_check(bytes_of(b.data, b.size), 8, &hint, NULL))) {
                struct lsm_block damaged = lsm_block_of(b.data, &hint);
                read_all(&damaged);
            }
            b.data[at] = old;
        }
        free(b.data);
        entry_set_free(&s);
    }
}

/* Heads are counted as one by one, whatever their spread. */
Test(lsm_block, heads_below_counts)
{
    struct rand r;
    uint64_t heads[300];
    rand_seed(&r, 4);

    for (unsigned round = 0; round < 3000; round++) {
        uint32_t n = 1 + (uint32_t)rand_below(&r, 300);
        uint64_t at = rand_u64(&r) >> rand_below(&r, 64);
        unsigned spread = (unsigned)rand_below(&r, 56);
        for (uint32_t i = 0; i < n; i++) {
            heads[i] = at;
            uint64_t step = rand_below(&r, 10) == 0 ? rand_u64(&r) >> rand_below(&r, 64)
                                                    : rand_below(&r, (UINT64_C(1) << spread) + 1);
            at = at + step < at ? at : at + step;
        }
        for (unsigned probe = 0; probe < 30; probe++) {
            uint64_t head = heads[rand_below(&r, n)] + rand_below(&r, 3) - 1;
            if (rand_below(&r, 8) == 0)
                head = rand_u64(&r);
            uint32_t want = 0;
            while (want < n && heads[want] < head)
                want++;
            cr_assert_eq(lsm_heads_below((const uint8_t *)heads, n, heads[0], heads[n - 1], head),
                         want);
        }
    }
}

/* The worked example of docs/format/sst.md, byte by byte. */
Test(lsm_block, the_example_is_right)
{
    static const uint8_t want[] = {
        0x03, 0x00,             /* count 3 */
        0x05, 0x00,             /* prefix_size 5 */
        0x01, 0x01, 0x01, 0x01, /* widths: key_end, value_end, version, kind */
        0x00, 0x01,             /* expire, head_size */
        0x00, 0x00, 0x00, 0x00, /* ref, ordinal, offset, length */
        0x01, 0x00,             /* head_size_base 1 */
        0x00, 0x00, 0x00, 0x00, /* key_unit */
        0x00, 0x00, 0x00, 0x00, /* value_unit */
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* version_base 40 */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* expire_base */
        0x01, 0x00, 0x00, 0x00,                         /* kind_base: PUT */
        0x03, 0x00, 0x00, 0x00,                         /* ref_base 3 */
        0x11, 0x00, 0x00, 0x00,                         /* ordinal_base 17 */
        0x00, 0x10, 0x00, 0x00,                         /* offset_base 4096 */
        0x00, 0x08, 0x00, 0x00,                         /* length_base 2048 */
        0x02, 0x00, 0x00, 0x00,                         /* key_bytes 2 */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x37, /* heads: "7" */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x37, /* "7" again */
        0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x38, /* "81234567", and "89" remains */
        0x00, 0x02, 0x02, 0x00, 0x00,                   /* rows: 2 bytes of value, version 42 */
        0x00, 0x02, 0x00, 0x02, 0x00,                   /* none, version 40, DELETE */
        0x02, 0x02, 0x01, 0x01, 0x07,                   /* a handle of 0 bytes, version 41 */
        0x75, 0x73, 0x65, 0x72, 0x3a,                   /* prefix "user:" */
        0x38, 0x39,                                     /* remainder "89" */
        0x6f, 0x6b,                                     /* value "ok" */
    };
    struct lsm_block_builder b;
    uint8_t out[512];
    struct lsm_entry entries[] = {
        { .key = bytes_str("user:7"), .version = 42, .kind = LSM_PUT, .value = bytes_str("ok") },
        { .key = bytes_str("user:7"), .version = 40, .kind = LSM_DELETE },
        { .key = bytes_str("user:8123456789"),
          .version = 41,
          .kind = LSM_PUT_HANDLE,
          .handle = { .file = 3, .ordinal = 17, .offset = 4096, .length = 2048 } },
    };

    lsm_block_builder_init(&b, alloc_heap());
    for (unsigned i = 0; i < 3; i++)
        cr_assert(succeeded(lsm_block_builder_add(&b, &entries[i], LSM_BLOCK_MAX)));
    size_t size = lsm_block_builder_finish(&b, out);
    lsm_block_builder_deinit(&b);
    for (size_t i = 0; i < sizeof want && i < size; i++)
        cr_assert_eq(out[i], want[i], "byte %zu is %02x, not %02x", i, out[i], want[i]);
    cr_assert_eq(size, sizeof want);
}
