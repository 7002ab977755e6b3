/*
 * Tables from any bytes: opening, reading, walking and verifying them answers or refuses, within
 * bounded memory. The first byte of the input picks one of two ways:
 *
 *   even  the rest is the file;
 *   odd   the rest changes a good table: {place u16, byte} each, after which every block's checksum
 *         is made good again, so that what lies behind the checksums is reached. Its second byte
 *         picks the table.
 */
#include "tests/lsm/support/table_fixture.h"

#include "base/check.h"
#include "base/io_sim.h"

#include "lsm/filter.h"
#include "lsm/table_format.h"

#include <stdlib.h>

enum { TABLE_ID = 5, PLACES_MAX = 512, MEMORY_MAX = 64 << 20 };

/* ---- Using a table --------------------------------------------------------------------------- */

static void ignore_run(void *context, uint32_t first, uint32_t count)
{
    (void)context;
    (void)first;
    (void)count;
}

static void use_key(struct lsm_table *t, struct fetch *f, struct bytes key, uint64_t version)
{
    struct lsm_entry e;

    status_ignore(lsm_table_get(t, f, key, lsm_table_key_hash(key), version, NULL, &e),
                  "any answer");
}

static void walk(struct lsm_table *t, struct fetch *f, bool is_back)
{
    struct lsm_iter *it;

    if (failed(lsm_table_iter(t, f, NULL, &it)))
        return;
    struct status s = is_back ? lsm_iter_last(it) : lsm_iter_first(it);
    /* Damaged indexes may send it round, but each step is within the file. */
    for (unsigned n = 0; succeeded(s) && it->is_valid && n < 5000; n++) {
        if (n % 16 == 0)
            use_key(t, f, it->entry.key, it->entry.version);
        s = is_back ? lsm_iter_prev(it) : lsm_iter_next(it);
    }
    status_ignore(lsm_iter_seek(it, bytes_str("user:5"), 1000), "any answer");
    status_ignore(lsm_iter_seek_before(it, bytes_str("user:5"), 1000), "any answer");
    lsm_iter_destroy(it);
}

static void use_table(struct table_fixture *x, const struct lsm_table_meta *meta)
{
    const struct lsm_rangedel_set *set;
    struct lsm_table *t;
    struct errbuf err;

    if (failed(lsm_table_open(&x->env, "d", meta, &t)))
        return;
    use_key(t, &x->fetch, bytes_str("user:7"), UINT64_MAX);
    use_key(t, &x->fetch, bytes_of(NULL, 0), 0);
    walk(t, &x->fetch, false);
    walk(t, &x->fetch, true);
    if (succeeded(lsm_table_range_deletes(t, &x->fetch, &set)))
        (void)lsm_rangedel_cover(set, bytes_str("user:7"), 1000);
    for (uint32_t ref = 0; ref < meta->ref_count && ref < 10; ref++)
        status_ignore(lsm_table_liveness(t, &x->fetch, ref, ignore_run, NULL), "any answer");
    status_ignore(lsm_table_verify(t, x->ring, x->cache, &err), "any answer");
    fetch_reset(&x->fetch);
    lsm_table_close(t);
}

static void use_file(const uint8_t *data, size_t size, const struct lsm_table_meta *written)
{
    struct table_fixture x;
    struct lsm_table_meta meta;
    struct errbuf err;

    table_fixture_init(&x, CACHE_SIZE_MIN);
    x.budget.cap_bytes = MEMORY_MAX;
    table_fixture_store(&x, TABLE_ID, data, size);
    if (succeeded(lsm_table_meta_read(&x.env, x.ring, "d", TABLE_ID, &meta, &err))) {
        use_table(&x, &meta);
        lsm_table_meta_deinit(&meta, x.env.alloc);
    }
    if (written != NULL)
        use_table(&x, written);
    table_fixture_deinit(&x);
}

/* ---- A good table, and where its blocks are ------------------------------------------------- */

struct good {
    uint8_t *data;
    size_t size;
    struct lsm_table_meta meta;
    struct table_place places[PLACES_MAX];
    uint8_t types[PLACES_MAX];
    size_t place_count;
};

static void note(struct good *g, uint64_t offset, uint32_t size, enum table_block_type type)
{
    CHECK(g->place_count < PLACES_MAX);
    g->places[g->place_count] = (struct table_place) { offset, size };
    g->types[g->place_count++] = (uint8_t)type;
}

/* The blocks that an index block names, which begins at data. */
static void note_index(struct good *g, const uint8_t *data, size_t size, uint64_t base, bool is_top)
{
    struct lsm_block_hint hint;

    CHECK(succeeded(lsm_block_check(bytes_of(data, size), 1, &hint, NULL)));
    struct lsm_block b = lsm_block_of(data, &hint);
    for (uint32_t i = 0; i < hint.count; i++) {
        struct lsm_entry e;
        lsm_block_entry(&b, i, &e);
        uint64_t offset = base + e.handle.offset;
        note(g, offset, e.handle.length, is_top ? TABLE_INDEX : TABLE_DATA);
        if (is_top)
            note_index(g, g->data + offset, e.handle.length - TABLE_TRAILER, 0, false);
    }
}

static void note_places(struct good *g)
{
    struct table_tail tail;
    uint64_t at = g->meta.footer_offset;
    struct bytes body = bytes_of(g->data + at, g->size - at - TABLE_TRAILER);

    CHECK(succeeded(table_tail_decode(body, TABLE_ID, at, &tail, NULL)));
    note(g, at, (uint32_t)(g->size - at), TABLE_TAIL);
    note_index(g, body.data + TABLE_TAIL_HEADER, tail.top_size, tail.index_offset, true);
    struct lsm_filter_shape shape = { tail.filter_parts, tail.filter_lines, tail.filter_probes };
    uint32_t part_size = (uint32_t)lsm_filter_part_size(shape);
    for (uint32_t i = 0; i < shape.parts; i++)
        note(g, tail.filter_offset + (uint64_t)part_size * i, part_size, TABLE_FILTER);
    note(g, tail.properties.offset, tail.properties.size, TABLE_PROPERTIES);
    if (tail.range_delete_count > 0)
        note(g, tail.range_deletes.offset, tail.range_deletes.size, TABLE_RANGE_DELETES);
    for (uint32_t i = 0; i < tail.ref_count; i++) {
        const uint8_t *ref = g->data + tail.properties.offset + TABLE_PROPERTIES_HEADER +
                             (size_t)TABLE_PROPERTIES_REF * i;
        note(g, get_u64(ref + 24), get_u32(ref + 32), TABLE_LIVENESS);
    }
}

static void make_good(struct good *g, unsigned pick)
{
    struct table_fixture x;
    struct entry_set set;
    struct rand r;
    struct entry_set_options o = { .style = (enum entry_style)(pick % STYLE_LONG),
                                   .key_count = 1 + pick % 128,
                                   .versions_max = 1 + pick % 3,
                                   .value_size_max = 30,
                                   .handle_percent = 40,
                                   .delete_percent = 10,
                                   .ref_count = 1 + pick % 5 };

    rand_seed(&r, pick);
    table_fixture_init(&x, CACHE_SIZE_MIN);
    entry_set_make(&set, &r, &o);
    struct lsm_range_delete d = { .begin = bytes_str("user:2"),
                                  .end = bytes_str("user:3"),
                                  .version = 9 };
    struct table_input in = {
        .id = TABLE_ID, .set = &set, .range_deletes = &d, .range_delete_count = pick % 2
    };
    in.options.block_size = 512;
    g->place_count = 0;
    table_fixture_build(&x, &in, &g->meta);
    g->data = table_fixture_load(&x, TABLE_ID, &g->size);
    note_places(g);
    entry_set_free(&set);
    table_fixture_deinit(&x);
}

static void change(struct good *g, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3) {
        /* Small places are reached twice as often: the tail is at the end. */
        size_t at = get_u16(data);
        g->data[at % 2 == 0 ? at / 2 % g->size : g->size - 1 - at / 2 % g->size] = data[2];
    }
    for (size_t i = 0; i < g->place_count; i++)
        table_block_seal(g->data + g->places[i].offset, g->places[i].size - TABLE_TRAILER,
                         (enum table_block_type)g->types[i], TABLE_ID, g->places[i].offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct good g; /* Large; made anew each time. */

    if (size < 2)
        return 0;
    if (data[0] % 2 == 0) {
        use_file(data + 1, size - 1, NULL);
        return 0;
    }
    make_good(&g, data[1]);
    change(&g, data + 2, size - 2);
    use_file(g.data, g.size, &g.meta);
    lsm_table_meta_deinit(&g.meta, alloc_heap());
    free(g.data);
    return 0;
}
