/*
 * Tables written by released format versions, kept as files: they must be readable for ever, and
 * hold what the text beside them says. REWRITE=1 writes them anew, with the text: only for a new
 * version of the format, whose table goes beside the old ones.
 */
#include "support/table_fixture.h"

#include "base/buf.h"
#include "base/errbuf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { GOLDEN_ID = 1, KEYS = 60 };

static const char golden_table[] = "tests/data/sst/00000001.sst";
static const char golden_text[] = "tests/data/sst/00000001.txt";

#define MUST(expr) cr_assert(succeeded(expr))

static void append_hex(struct buf *out, struct bytes b)
{
    for (size_t i = 0; i < b.size; i++)
        buf_append_format(out, "%02x", b.data[i]);
    if (b.size == 0)
        buf_append_format(out, "-");
}

static void append_entry(struct buf *out, const struct lsm_entry *e)
{
    append_hex(out, e->key);
    buf_append_format(out, " @%llu type %u expire %llu ", (unsigned long long)e->version, e->type,
                      (unsigned long long)e->expire_ms);
    if (e->kind == LSM_DELETE) {
        buf_append_format(out, "delete");
    } else if (e->kind == LSM_PUT) {
        buf_append_format(out, "put ");
        append_hex(out, e->value);
    } else {
        buf_append_format(out, "handle %llu/%u at %u, %u bytes", (unsigned long long)e->handle.file,
                          e->handle.ordinal, e->handle.offset, e->handle.length);
    }
    buf_append_format(out, "\n");
}

static void append_meta(struct buf *out, const struct lsm_table_meta *m)
{
    buf_append_format(out, "entries %llu deletes %llu range deletes %llu versions %llu-%llu\n",
                      (unsigned long long)m->entry_count, (unsigned long long)m->delete_count,
                      (unsigned long long)m->range_delete_count, (unsigned long long)m->version_min,
                      (unsigned long long)m->version_max);
    for (uint32_t i = 0; i < m->ref_count; i++)
        buf_append_format(out, "reference %llu: %llu values, %llu bytes\n",
                          (unsigned long long)m->refs[i].logical,
                          (unsigned long long)m->refs[i].live_values,
                          (unsigned long long)m->refs[i].live_bytes);
    buf_append_format(out, "from ");
    append_hex(out, m->smallest);
    buf_append_format(out, " to ");
    append_hex(out, m->largest);
    buf_append_format(out, m->largest_exclusive ? ", not included\n" : "\n");
}

static void append_range_deletes(struct buf *out, const struct lsm_rangedel_set *set)
{
    for (size_t i = 0; i < lsm_rangedel_count(set); i++) {
        struct lsm_range_delete d;
        lsm_rangedel_at(set, i, &d);
        buf_append_format(out, "range delete @%llu ", (unsigned long long)d.version);
        append_hex(out, d.begin);
        buf_append_format(out, " ");
        append_hex(out, d.end);
        buf_append_format(out, "\n");
    }
}

/* All that the table says, as text. */
static void describe(struct table_fixture *x, struct buf *out)
{
    struct lsm_table_meta meta;
    const struct lsm_rangedel_set *set;
    struct lsm_iter *it;
    struct errbuf err = { .text = "" };

    MUST(lsm_table_meta_read(&x->env, x->ring, "d", GOLDEN_ID, &meta, &err));
    struct lsm_table *t = table_fixture_open(x, &meta);
    append_meta(out, &meta);
    MUST(lsm_table_range_deletes(t, &x->fetch, &set));
    append_range_deletes(out, set);
    MUST(lsm_table_iter(t, &x->fetch, NULL, &it));
    MUST(lsm_iter_first(it));
    while (it->is_valid) {
        append_entry(out, &it->entry);
        MUST(lsm_iter_next(it));
    }
    lsm_iter_destroy(it);
    struct status s = lsm_table_verify(t, x->ring, x->cache, &err);
    cr_assert(succeeded(s), "%s", err.text);
    fetch_reset(&x->fetch);
    lsm_table_close(t);
    lsm_table_meta_deinit(&meta, x->env.alloc);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static uint8_t *read_file(const char *path, size_t *out_size)
{
    enum { ROOM = 1 << 20 };
    uint8_t *data = malloc(ROOM);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s", path);
    *out_size = fread(data, 1, ROOM, f);
    (void)fclose(f);
    return data;
}

static void build(struct table_fixture *x)
{
    struct rand r;
    struct entry_set set;
    struct lsm_table_meta meta;
    struct lsm_range_delete deletes[] = {
        { .begin = bytes_str("user:2"), .end = bytes_str("user:5"), .version = 70 },
        { .begin = bytes_str("user:3"), .end = bytes_str("user:A"), .version = 90 },
    };
    struct entry_set_options o = { .style = STYLE_DECIMAL,
                                   .key_count = KEYS,
                                   .versions_max = 3,
                                   .value_size_max = 40,
                                   .handle_percent = 40,
                                   .delete_percent = 15,
                                   .ref_count = 3,
                                   .logical_add = 100 };
    struct table_input in = {
        .id = GOLDEN_ID, .set = &set, .range_deletes = deletes, .range_delete_count = 2
    };

    rand_seed(&r, 2026);
    entry_set_make(&set, &r, &o);
    in.options.block_size = 512;
    table_fixture_build(x, &in, &meta);
    lsm_table_meta_deinit(&meta, x->env.alloc);
    entry_set_free(&set);
}

Test(lsm_golden, version_1_is_read)
{
    struct table_fixture x;
    struct buf out;
    size_t size;
    table_fixture_init(&x, CACHE_SIZE_MIN);
    buf_init(&out, alloc_heap(), 1 << 20);

    if (getenv("REWRITE") != NULL) {
        build(&x);
        uint8_t *table = table_fixture_load(&x, GOLDEN_ID, &size);
        describe(&x, &out);
        write_file(golden_table, table, size);
        write_file(golden_text, out.data, out.size);
        free(table);
    } else {
        uint8_t *table = read_file(golden_table, &size);
        table_fixture_store(&x, GOLDEN_ID, table, size);
        free(table);
        uint8_t *want = read_file(golden_text, &size);
        describe(&x, &out);
        cr_assert(bytes_equal(buf_bytes(&out), bytes_of(want, size)), "%.*s", (int)out.size,
                  (const char *)out.data);
        free(want);
    }
    buf_deinit(&out);
    table_fixture_deinit(&x);
}
