#include "support/table_fixture.h"

#include "base/io_sim.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { CACHE_SIZE = 1 << 20 };

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        struct status must_ = (expr);                                                              \
        cr_assert(succeeded(must_), "%s from %s:%u", status_name(must_.code), must_.file,          \
                  must_.line);                                                                     \
    } while (0)

/* Repeat a call on a non-blocking fetch until it need not wait. */
#define UNTIL_THERE(x, f, status, expr)                                                            \
    do {                                                                                           \
        status = (expr);                                                                           \
        if (status.code == ST_AGAIN)                                                               \
            table_fixture_drive(x, f);                                                             \
    } while (status.code == ST_AGAIN)

static struct entry_set_options random_options(struct rand *r, unsigned round)
{
    struct entry_set_options o = {
        .style = (enum entry_style)(round % STYLES),
        .key_count = 1 + rand_below(r, round % STYLES == STYLE_LONG ? 60 : 3000),
        .versions_max = rand_below(r, 3) == 0 ? 200 : 2,
        .value_size_max = rand_below(r, 2) == 0 ? 20 : 2000,
        .handle_percent = (uint32_t)rand_below(r, 3) * 40,
        .delete_percent = 10,
        .ref_count = 1 + (uint32_t)rand_below(r, 40),
        .logical_add = 1000,
    };
    if (o.versions_max > 2)
        o.key_count = 1 + o.key_count / 100;
    return o;
}

struct random_table {
    struct table_fixture x;
    struct entry_set set;
    struct lsm_table_meta meta;
    struct lsm_table *table;
};

static void make(struct random_table *t, struct rand *r, unsigned round)
{
    struct entry_set_options o = random_options(r, round);

    table_fixture_init(&t->x, CACHE_SIZE);
    entry_set_make(&t->set, r, &o);
    struct table_input in = { .id = 7, .set = &t->set };
    in.options.block_size = rand_below(r, 3) == 0 ? 512 : 0;
    table_fixture_build(&t->x, &in, &t->meta);
    t->table = table_fixture_open(&t->x, &t->meta);
}

static void unmake(struct random_table *t)
{
    fetch_reset(&t->x.fetch);
    lsm_table_close(t->table);
    lsm_table_meta_deinit(&t->meta, t->x.env.alloc);
    entry_set_free(&t->set);
    table_fixture_deinit(&t->x);
}

/* ---- Point reads ---------------------------------------------------------------------------- */

static void check_get(struct random_table *t, struct fetch *f, struct bytes key, uint64_t at)
{
    struct lsm_entry e;
    struct status s;
    size_t want = entry_set_seek(&t->set, key, at);
    bool is_there = want < t->set.count && bytes_equal(t->set.entries[want].key, key);

    UNTIL_THERE(&t->x, f, s,
                lsm_table_get(t->table, f, key, lsm_table_key_hash(key), at, NULL, &e));
    cr_assert_eq(s.code, is_there ? ST_OK : ST_NOT_FOUND, "%s: %s", status_name(s.code),
                 f->err.text);
    if (is_there)
        cr_assert(entry_equal(&e, &t->set.entries[want]));
    fetch_reset(f);
}

static void check_gets(struct random_table *t, struct fetch *f, struct rand *r)
{
    for (size_t n = 0; n < 400; n++) {
        const struct lsm_entry *e = &t->set.entries[rand_below(r, t->set.count)];
        check_get(t, f, e->key, UINT64_MAX);
        check_get(t, f, e->key, e->version);
        check_get(t, f, e->key, e->version - 1);
        check_get(t, f, e->key, rand_u64(r) >> rand_below(r, 64));
        check_get(t, f, entry_set_probe(&t->set, r), UINT64_MAX);
    }
}

/* A get at any version answers as a search of the sorted entries does, whether it blocks or waits
 * outside; also where one key's versions fill many blocks. */
Test(lsm_table, get_agrees_with_the_model)
{
    struct rand r;
    rand_seed(&r, 11);

    for (unsigned round = 0; round < 36; round++) {
        struct random_table t;
        struct fetch waiting;
        make(&t, &r, round);
        fetch_init(&waiting, &(struct fetch_options) { .cache = t.x.cache });
        check_gets(&t, round % 2 == 0 ? &t.x.fetch : &waiting, &r);
        fetch_deinit(&waiting);
        unmake(&t);
    }
}

/* ---- Cursors -------------------------------------------------------------------------------- */

struct walk {
    struct random_table *t;
    struct fetch *f;
    struct lsm_iter *it;
};

static void expect(const struct walk *w, size_t want)
{
    if (want >= w->t->set.count) {
        cr_assert_not(w->it->is_valid, "valid, wanted the end");
    } else {
        cr_assert(w->it->is_valid, "at the end, wanted %zu", want);
        cr_assert(entry_equal(&w->it->entry, &w->t->set.entries[want]), "not entry %zu", want);
    }
}

static void check_walks(const struct walk *w)
{
    size_t n = w->t->set.count;
    struct status s;

    UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_first(w->it));
    for (size_t i = 0; i < n; i++) {
        MUST(s);
        expect(w, i);
        UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_next(w->it));
    }
    expect(w, n);
    UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_last(w->it));
    for (size_t i = n; i-- > 0;) {
        MUST(s);
        expect(w, i);
        UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_prev(w->it));
    }
    expect(w, n);
}

static void check_seek(const struct walk *w, struct bytes key, uint64_t version)
{
    size_t want = entry_set_seek(&w->t->set, key, version);
    struct status s;

    UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_seek(w->it, key, version));
    MUST(s);
    expect(w, want);
    UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_seek_before(w->it, key, version));
    MUST(s);
    expect(w, want == 0 ? SIZE_MAX : want - 1);
}

static void check_turns(const struct walk *w, struct rand *r)
{
    size_t at = rand_below(r, w->t->set.count);
    const struct lsm_entry *e = &w->t->set.entries[at];
    struct status s;

    UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_seek(w->it, e->key, e->version));
    for (unsigned i = 0; i < 60 && at < w->t->set.count; i++) {
        MUST(s);
        expect(w, at);
        if (rand_below(r, 2) == 0) {
            at++;
            UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_next(w->it));
        } else {
            at--;
            UNTIL_THERE(&w->t->x, w->f, s, lsm_iter_prev(w->it));
        }
    }
    expect(w, at);
}

/* A cursor walks both ways, turns, and seeks to and before every boundary, as the sorted entries
 * say: through the cache blocking and waiting, and by large reads around it. */
Test(lsm_table, cursor_agrees_with_the_model)
{
    struct rand r;
    rand_seed(&r, 12);

    for (unsigned round = 0; round < 36; round++) {
        struct random_table t;
        struct fetch waiting;
        make(&t, &r, round);
        fetch_init(&waiting, &(struct fetch_options) { .cache = t.x.cache });
        struct walk w = { .t = &t, .f = round % 3 == 0 ? &waiting : &t.x.fetch };
        struct lsm_table_iter_options o = { .read_ahead = round % 3 == 1 };
        MUST(lsm_table_iter(t.table, w.f, &o, &w.it));
        cr_assert_not(w.it->is_valid);
        check_walks(&w);
        for (size_t i = 0; i < t.set.count; i += 1 + t.set.count / 500) {
            const struct lsm_entry *e = &t.set.entries[i];
            check_seek(&w, e->key, e->version);
            check_seek(&w, e->key, e->version - 1);
            check_seek(&w, e->key, UINT64_MAX);
            check_seek(&w, entry_set_probe(&t.set, &r), rand_u64(&r));
            check_turns(&w, &r);
        }
        cr_assert_leq(w.f->pin_count, 3, "a cursor holds its blocks only");
        lsm_iter_destroy(w.it);
        fetch_deinit(&waiting);
        unmake(&t);
    }
}

/* ---- Meta ----------------------------------------------------------------------------------- */

static void check_meta(const struct lsm_table_meta *m, const struct entry_set *s)
{
    uint64_t digest = 0;
    uint64_t deletes = 0;
    uint64_t live_values = 0;
    uint64_t live_bytes = 0;

    for (size_t i = 0; i < s->count; i++) {
        const struct lsm_entry *e = &s->entries[i];
        digest += lsm_table_digest(lsm_table_key_hash(e->key), e->version);
        deletes += e->kind == LSM_DELETE;
        live_values += e->kind == LSM_PUT_HANDLE;
        live_bytes += e->kind == LSM_PUT_HANDLE ? e->handle.length + VLOG_VALUE_HEADER : 0;
        cr_assert_leq(m->version_min, e->version);
        cr_assert_geq(m->version_max, e->version);
    }
    for (uint32_t i = 0; i < m->ref_count; i++) {
        live_values -= m->refs[i].live_values;
        live_bytes -= m->refs[i].live_bytes;
    }
    cr_assert_eq(live_values, 0);
    cr_assert_eq(live_bytes, 0);
    cr_assert_eq(m->entry_count, s->count);
    cr_assert_eq(m->delete_count, deletes);
    cr_assert_eq(m->digest, digest);
    cr_assert(bytes_equal(m->smallest, s->entries[0].key));
    cr_assert(bytes_equal(m->largest, s->entries[s->count - 1].key));
    cr_assert_not(m->largest_exclusive);
}

static bool same_meta(const struct lsm_table_meta *a, const struct lsm_table_meta *b)
{
    return a->id == b->id && a->file_size == b->file_size &&
           bytes_equal(a->smallest, b->smallest) && bytes_equal(a->largest, b->largest) &&
           a->largest_exclusive == b->largest_exclusive && a->version_min == b->version_min &&
           a->version_max == b->version_max && a->entry_count == b->entry_count &&
           a->delete_count == b->delete_count && a->range_delete_count == b->range_delete_count &&
           a->key_bytes == b->key_bytes && a->value_bytes == b->value_bytes &&
           a->digest == b->digest && a->footer_offset == b->footer_offset &&
           a->ref_count == b->ref_count &&
           (a->ref_count == 0 || memcmp(a->refs, b->refs, a->ref_count * sizeof *a->refs) == 0);
}

/* The meta that a builder gives counts exactly what went in, and can be rebuilt from the file. */
Test(lsm_table, meta_is_exact_and_can_be_read_back)
{
    struct rand r;
    rand_seed(&r, 13);

    for (unsigned round = 0; round < 12; round++) {
        struct random_table t;
        struct lsm_table_meta again;
        struct errbuf err;
        make(&t, &r, round);
        check_meta(&t.meta, &t.set);
        MUST(lsm_table_meta_read(&t.x.env, t.x.ring, "d", 7, &again, &err));
        cr_assert(same_meta(&t.meta, &again));
        lsm_table_meta_deinit(&again, t.x.env.alloc);
        unmake(&t);
    }
}

/* ---- Range deletes, liveness, verification -------------------------------------------------- */

static void add_range_deletes(struct lsm_range_delete *deletes, size_t count,
                              const struct entry_set *s, struct rand *r)
{
    for (size_t i = 0; i < count; i++) {
        deletes[i].begin = s->entries[rand_below(r, s->count)].key;
        deletes[i].end = s->entries[rand_below(r, s->count)].key;
        deletes[i].version = 1 + rand_u64(r) / 2;
    }
}

/* Range deletes come back as they went in, widen the table's bounds, and may be all there is. */
Test(lsm_table, range_deletes_are_kept)
{
    struct rand r;
    rand_seed(&r, 14);

    for (unsigned round = 0; round < 20; round++) {
        struct table_fixture x;
        struct entry_set s;
        struct lsm_range_delete deletes[30];
        struct lsm_rangedel_set *want;
        const struct lsm_rangedel_set *got;
        struct lsm_table_meta meta;
        struct entry_set_options o = { .key_count = 50, .style = STYLE_MIXED };
        table_fixture_init(&x, CACHE_SIZE);
        entry_set_make(&s, &r, &o);
        add_range_deletes(deletes, 30, &s, &r);
        struct entry_set used = s;
        used.count = round % 2 == 0 ? 0 : s.count / 2;
        struct table_input in = {
            .id = 3, .set = &used, .range_deletes = deletes, .range_delete_count = 30
        };
        table_fixture_build(&x, &in, &meta);
        struct lsm_table *t = table_fixture_open(&x, &meta);
        MUST(lsm_rangedel_build(alloc_heap(), deletes, 30, &want));
        MUST(lsm_table_range_deletes(t, &x.fetch, &got));
        cr_assert_eq(lsm_rangedel_count(got), meta.range_delete_count);
        for (unsigned probe = 0; probe < 200; probe++) {
            struct bytes key = entry_set_probe(&s, &r);
            uint64_t at = rand_u64(&r) / 2;
            uint64_t cover = lsm_rangedel_cover(want, key, at);
            cr_assert_eq(lsm_rangedel_cover(got, key, at), cover);
            cr_assert(cover == 0 ||
                      (bytes_compare(meta.smallest, key) <= 0 &&
                               bytes_compare(key, meta.largest) < meta.largest_exclusive
                           ? 1
                           : bytes_compare(key, meta.largest) <= 0));
        }
        struct errbuf err;
        struct status v = lsm_table_verify(t, x.ring, x.cache, &err);
        cr_assert(succeeded(v), "%s", err.text);
        lsm_rangedel_destroy(want);
        lsm_table_close(t);
        lsm_table_meta_deinit(&meta, x.env.alloc);
        entry_set_free(&s);
        table_fixture_deinit(&x);
    }
}

struct live_values {
    uint64_t *seen; /* By ordinal: 1 + ref. */
    uint32_t ref;
    uint64_t count;
};

static void see_run(void *context, uint32_t first, uint32_t count)
{
    struct live_values *l = context;
    for (uint32_t i = 0; i < count; i++)
        l->seen[first + i] = 1 + l->ref;
    l->count += count;
}

/* The liveness blocks name the value of each handle in the table, and nothing else. */
Test(lsm_table, liveness_is_exact)
{
    struct rand r;
    rand_seed(&r, 15);

    for (unsigned round = 0; round < 12; round++) {
        struct random_table t;
        make(&t, &r, round);
        struct live_values l = { .seen = calloc(20000, sizeof *l.seen) };
        uint64_t handles = 0;
        for (l.ref = 0; l.ref < t.meta.ref_count; l.ref++) {
            l.count = 0;
            MUST(lsm_table_liveness(t.table, &t.x.fetch, l.ref, see_run, &l));
            cr_assert_eq(l.count, t.meta.refs[l.ref].live_values);
            handles += l.count;
        }
        for (size_t i = 0; i < t.set.count; i++) {
            const struct lsm_entry *e = &t.set.entries[i];
            if (e->kind != LSM_PUT_HANDLE)
                continue;
            handles--;
            cr_assert(l.seen[e->handle.ordinal] > 0);
            cr_assert_eq(t.meta.refs[l.seen[e->handle.ordinal] - 1].logical, e->handle.file);
        }
        cr_assert_eq(handles, 0);
        cr_assert_eq(lsm_table_liveness(t.table, &t.x.fetch, t.meta.ref_count, see_run, &l).code,
                     ST_INVALID);
        free(l.seen);
        unmake(&t);
    }
}

/* A good table verifies, whatever is in it; nothing is left charged or pinned. */
Test(lsm_table, good_tables_verify)
{
    struct rand r;
    rand_seed(&r, 16);

    for (unsigned round = 0; round < 18; round++) {
        struct random_table t;
        struct errbuf err;
        make(&t, &r, round);
        struct status s = lsm_table_verify(t.table, t.x.ring, t.x.cache, &err);
        cr_assert(succeeded(s), "%s: %s", status_name(s.code), err.text);
        unmake(&t);
    }
}

/* ---- Damage --------------------------------------------------------------------------------- */

/* One table, damaged in place, asked without a cache. */
struct damaged {
    struct table_fixture x;
    struct entry_set set;
    struct lsm_range_delete deletes[3];
    struct lsm_table_meta meta;
    struct fetch fetch;
};

static void damaged_init(struct damaged *d, struct rand *r, size_t key_count)
{
    struct entry_set_options o = { .style = STYLE_DECIMAL,
                                   .key_count = key_count,
                                   .versions_max = 2,
                                   .value_size_max = 10,
                                   .handle_percent = 30,
                                   .delete_percent = 10,
                                   .ref_count = 2 };

    table_fixture_init(&d->x, CACHE_SIZE);
    entry_set_make(&d->set, r, &o);
    add_range_deletes(d->deletes, 3, &d->set, r);
    struct table_input in = {
        .id = 5, .set = &d->set, .range_deletes = d->deletes, .range_delete_count = 3
    };
    in.options.block_size = 512;
    table_fixture_build(&d->x, &in, &d->meta);
    fetch_init(&d->fetch, &(struct fetch_options) {
                              .cache = d->x.cache, .ring = d->x.ring, .fill = FETCH_FILL_NONE });
}

static void damaged_deinit(struct damaged *d)
{
    fetch_deinit(&d->fetch);
    lsm_table_meta_deinit(&d->meta, d->x.env.alloc);
    entry_set_free(&d->set);
    table_fixture_deinit(&d->x);
}

static bool is_refusal(struct status s)
{
    return s.code == ST_CORRUPT || s.code == ST_UNSUPPORTED;
}

static void answers_or_refuses(struct damaged *d, struct lsm_table *t)
{
    struct lsm_iter *it;
    struct lsm_entry e;
    size_t i = 0;

    for (size_t n = 0; n < d->set.count; n += 5) {
        const struct lsm_entry *want = &d->set.entries[n];
        struct status s = lsm_table_get(t, &d->fetch, want->key, lsm_table_key_hash(want->key),
                                        want->version, NULL, &e);
        cr_assert(is_refusal(s) || (succeeded(s) && entry_equal(&e, want)));
        fetch_reset(&d->fetch);
    }
    MUST(lsm_table_iter(t, &d->fetch, NULL, &it));
    struct status s = lsm_iter_first(it);
    while (succeeded(s) && it->is_valid) {
        cr_assert(i < d->set.count && entry_equal(&it->entry, &d->set.entries[i]));
        i++;
        s = lsm_iter_next(it);
    }
    cr_assert(is_refusal(s) || (succeeded(s) && i == d->set.count));
    lsm_iter_destroy(it);
    fetch_reset(&d->fetch);
}

/*
 * One flipped bit, anywhere in the file, is found by verification, and never changes an answer:
 * reads give what was written or refuse. Method: every bit of a small table with all kinds of
 * blocks.
 */
Test(lsm_table, any_flipped_bit_is_refused)
{
    struct rand r;
    struct damaged d;
    struct errbuf err;
    rand_seed(&r, 17);
    damaged_init(&d, &r, 40);

    for (uint64_t bit = 0; bit < d.meta.file_size * 8; bit++) {
        cr_assert(io_sim_flip(d.x.sim, "d/00000005.sst", bit));
        struct lsm_table *t = table_fixture_open(&d.x, &d.meta);
        if (bit % 7 == 0)
            answers_or_refuses(&d, t);
        struct status s = lsm_table_verify(t, d.x.ring, d.x.cache, &err);
        cr_assert_eq(s.code, ST_CORRUPT, "bit %zu: %s", (size_t)bit, status_name(s.code));
        lsm_table_close(t);
        cr_assert(io_sim_flip(d.x.sim, "d/00000005.sst", bit));
    }
    struct lsm_table *t = table_fixture_open(&d.x, &d.meta);
    MUST(lsm_table_verify(t, d.x.ring, d.x.cache, &err));
    lsm_table_close(t);
    damaged_deinit(&d);
}

/* Good blocks in the wrong place are bad blocks: no page can stand for another, of the same file or
 * of another one. Method: swap pages; give the file another table's number. */
Test(lsm_table, misplaced_bytes_are_refused)
{
    struct rand r;
    struct damaged d;
    struct errbuf err;
    size_t size;
    rand_seed(&r, 18);
    damaged_init(&d, &r, 600);
    uint8_t *bytes = table_fixture_load(&d.x, 5, &size);
    uint8_t *swapped = malloc(size);

    for (size_t from = 0; from < size; from += 4096) {
        for (size_t to = 0; to < size; to += 4096) {
            memcpy(swapped, bytes, size);
            memcpy(swapped + to, bytes + from, 4096);
            table_fixture_store(&d.x, 5, swapped, size);
            struct lsm_table *t = table_fixture_open(&d.x, &d.meta);
            struct status s = lsm_table_verify(t, d.x.ring, d.x.cache, &err);
            cr_assert_eq(s.code, from == to ? ST_OK : ST_CORRUPT);
            lsm_table_close(t);
        }
    }
    table_fixture_store(&d.x, 6, bytes, size);
    struct lsm_table_meta other = d.meta;
    other.id = 6;
    struct lsm_table *t = table_fixture_open(&d.x, &other);
    cr_assert_eq(lsm_table_verify(t, d.x.ring, d.x.cache, &err).code, ST_CORRUPT);
    lsm_table_close(t);
    free(swapped);
    free(bytes);
    damaged_deinit(&d);
}

/* A file cut short at any page is refused, with words. */
Test(lsm_table, truncated_files_are_refused)
{
    struct rand r;
    struct damaged d;
    struct errbuf err;
    size_t size;
    rand_seed(&r, 19);
    damaged_init(&d, &r, 600);
    uint8_t *bytes = table_fixture_load(&d.x, 5, &size);

    for (size_t cut = 0; cut < size; cut += 512) {
        struct lsm_table_meta meta;
        table_fixture_store(&d.x, 5, bytes, cut);
        struct lsm_table *t = table_fixture_open(&d.x, &d.meta);
        err.text[0] = '\0';
        cr_assert_eq(lsm_table_verify(t, d.x.ring, d.x.cache, &err).code, ST_CORRUPT);
        cr_assert_neq(err.text[0], '\0');
        lsm_table_close(t);
        struct status s = lsm_table_meta_read(&d.x.env, d.x.ring, "d", 5, &meta, &err);
        cr_assert_eq(s.code, ST_CORRUPT);
    }
    free(bytes);
    damaged_deinit(&d);
}

/* ---- Failures while building ---------------------------------------------------------------- */

struct build_job {
    struct table_fixture x;
    struct entry_set set;
};

static void build_job_init(struct build_job *j, size_t key_count)
{
    struct rand r;
    struct entry_set_options o = { .style = STYLE_COUNTER,
                                   .key_count = key_count,
                                   .value_size_max = 900,
                                   .handle_percent = 20,
                                   .ref_count = 3 };
    rand_seed(&r, 20);
    table_fixture_init(&j->x, CACHE_SIZE);
    entry_set_make(&j->set, &r, &o);
}

static void build_job_deinit(struct build_job *j)
{
    entry_set_free(&j->set);
    table_fixture_deinit(&j->x);
}

/* Build, stopping at the first failure, which every later call must repeat. */
static struct status try_build(struct build_job *j, struct lsm_table_meta *out_meta)
{
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *b;
    struct lsm_range_delete d = { .begin = bytes_str("a"), .end = bytes_str("b"), .version = 5 };

    struct status s = lsm_table_builder_create(&j->x.env, j->x.ring, "d", 9, &options, &b);
    if (failed(s))
        return s;
    s = lsm_table_builder_add_range_delete(b, &d);
    for (size_t i = 0; i < j->set.count && succeeded(s); i++)
        s = lsm_table_builder_add(b, &j->set.entries[i]);
    if (failed(s))
        cr_assert_eq(lsm_table_builder_add(b, &j->set.entries[0]).code, s.code);
    struct status end = lsm_table_builder_finish(b, out_meta);
    cr_assert(succeeded(s) || end.code == s.code);
    return end;
}

static bool file_exists(struct table_fixture *x)
{
    bool is_there;
    MUST(io_exists(x->env.io, "d/00000009.sst", &is_there));
    return is_there;
}

/* Whichever write or sync fails, for want of space or of a disk: the builder says so, the file is
 * gone, nothing is charged. */
Test(lsm_table, failed_writes_leave_nothing)
{
    struct build_job j;
    build_job_init(&j, 6000); /* Some pieces' worth. */
    unsigned fired = 0;

    for (uint64_t n = 1; n < 20; n++) {
        struct lsm_table_meta meta;
        bool is_full = n % 2 == 0;
        struct io_sim_fault fault = { .classes = IO_SIM_WRITE | IO_SIM_SYNC,
                                      .at = n,
                                      .error = is_full ? 28 /* ENOSPC */ : 0 };
        io_sim_set_fault(j.x.sim, &fault);
        struct status s = try_build(&j, &meta);
        bool is_hit = io_sim_faults_fired(j.x.sim) > 0;
        io_sim_set_fault(j.x.sim, NULL);
        if (!is_hit) {
            MUST(s);
            lsm_table_meta_deinit(&meta, j.x.env.alloc);
            MUST(io_unlink(j.x.env.io, "d/00000009.sst"));
            continue;
        }
        fired++;
        cr_assert_eq(s.code, is_full ? ST_NO_SPACE : ST_IO);
        cr_assert_not(file_exists(&j.x));
        cr_assert_eq(j.x.budget.held_bytes[BUDGET_JOB], 0);
    }
    cr_assert_gt(fired, 4);
    build_job_deinit(&j);
}

/* Whichever allocation fails while a table is built, verified and read: clean, no leak. */
Test(lsm_table, out_of_memory_is_clean)
{
    struct build_job j;
    build_job_init(&j, 300);
    struct alloc_test a;
    bool is_done = false;

    for (uint64_t n = 1; !is_done; n++) {
        struct lsm_table_meta meta;
        struct lsm_table *t = NULL;
        struct errbuf err;
        struct alloc *heap = j.x.env.alloc;
        alloc_test_init(&a);
        a.fail_at = n;
        j.x.env.alloc = &a.alloc;
        struct status s = try_build(&j, &meta);
        if (succeeded(s)) {
            s = lsm_table_open(&j.x.env, "d", &meta, &t);
            if (succeeded(s))
                s = lsm_table_verify(t, j.x.ring, j.x.cache, &err);
            lsm_table_close(t);
            lsm_table_meta_deinit(&meta, &a.alloc);
        } else {
            cr_assert_not(file_exists(&j.x));
        }
        cr_assert(succeeded(s) || s.code == ST_NO_MEMORY, "%s", status_name(s.code));
        is_done = succeeded(s);
        cr_assert(!is_done || a.calls < n);
        cr_assert_eq(a.live_bytes, 0, "call %zu", (size_t)n);
        j.x.env.alloc = heap;
    }
    build_job_deinit(&j);
}

/* A budget that is spent stops the build cleanly. */
Test(lsm_table, the_budget_is_kept)
{
    struct build_job j;
    struct lsm_table_meta meta;
    build_job_init(&j, 6000);

    for (size_t left = 0; left < 3 << 20; left += 200000) {
        j.x.budget.cap_bytes = j.x.budget.total_bytes + left;
        struct status s = try_build(&j, &meta);
        cr_assert(succeeded(s) || s.code == ST_NO_MEMORY);
        cr_assert_leq(j.x.budget.peak_bytes, j.x.budget.cap_bytes + (1 << 20));
        cr_assert_eq(j.x.budget.held_bytes[BUDGET_JOB], 0);
        if (succeeded(s))
            lsm_table_meta_deinit(&meta, j.x.env.alloc);
    }
    build_job_deinit(&j);
}

/* Entries out of order are refused: they come from a damaged table, perhaps. So is a table of
 * nothing. */
Test(lsm_table, disorder_is_refused)
{
    struct table_fixture x;
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *b;
    struct lsm_table_meta meta;
    struct lsm_entry e = { .key = bytes_str("m"), .version = 5, .kind = LSM_DELETE };
    struct lsm_entry same = e;
    struct lsm_entry before = { .key = bytes_str("a"), .version = 5, .kind = LSM_DELETE };
    const struct lsm_entry *wrong[] = { &same, &before };
    table_fixture_init(&x, CACHE_SIZE);

    for (unsigned i = 0; i < 2; i++) {
        MUST(lsm_table_builder_create(&x.env, x.ring, "d", 9, &options, &b));
        MUST(lsm_table_builder_add(b, &e));
        cr_assert_eq(lsm_table_builder_add(b, wrong[i]).code, ST_CORRUPT);
        cr_assert_eq(lsm_table_builder_finish(b, &meta).code, ST_CORRUPT);
        cr_assert_not(file_exists(&x));
    }
    MUST(lsm_table_builder_create(&x.env, x.ring, "d", 9, &options, &b));
    cr_assert_eq(lsm_table_builder_finish(b, &meta).code, ST_INVALID);
    MUST(lsm_table_builder_create(&x.env, x.ring, "d", 9, &options, &b));
    lsm_table_builder_abandon(b);
    cr_assert_not(file_exists(&x));
    table_fixture_deinit(&x);
}

/* Two entries with one value would be counted as two live values and die as one. */
Test(lsm_table, a_value_has_one_entry)
{
    struct table_fixture x;
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *b;
    struct lsm_table_meta meta;
    struct lsm_entry e = { .version = 5, .kind = LSM_PUT_HANDLE };
    table_fixture_init(&x, CACHE_SIZE);

    MUST(lsm_table_builder_create(&x.env, x.ring, "d", 9, &options, &b));
    e.handle = (struct vlog_handle) { .file = 3, .ordinal = 4, .offset = 5, .length = 6 };
    e.key = bytes_str("a");
    MUST(lsm_table_builder_add(b, &e));
    e.key = bytes_str("b");
    MUST(lsm_table_builder_add(b, &e));
    cr_assert_eq(lsm_table_builder_finish(b, &meta).code, ST_CORRUPT);
    table_fixture_deinit(&x);
}

/* Who writes entries of many value files ends the table in time: the format names 65,535. */
Test(lsm_table, is_full_before_it_can_take_no_more)
{
    enum { FILES = 50000 };
    struct table_fixture x;
    struct lsm_table_options options = { .block_size = 0 };
    struct lsm_table_builder *b;
    struct lsm_table_meta meta;
    struct lsm_entry e = { .version = 5, .kind = LSM_PUT_HANDLE };
    uint32_t full_at = 0;
    uint8_t key[4];
    table_fixture_init(&x, CACHE_SIZE);

    MUST(lsm_table_builder_create(&x.env, x.ring, "d", 9, &options, &b));
    for (uint32_t i = 1; i <= FILES; i++) {
        put_u32_be(key, i);
        e.key = bytes_of(key, sizeof key);
        e.handle = (struct vlog_handle) { .file = i, .ordinal = 4, .offset = 5, .length = 6 };
        MUST(lsm_table_builder_add(b, &e));
        if (full_at == 0 && lsm_table_builder_is_full(b))
            full_at = i;
    }
    cr_assert(full_at > 0 && full_at <= FILES - 10000, "full at %u", full_at);
    MUST(lsm_table_builder_finish(b, &meta));
    cr_assert_eq(meta.ref_count, FILES);
    lsm_table_meta_deinit(&meta, x.env.alloc);
    table_fixture_deinit(&x);
}

/* ---- What a read costs ---------------------------------------------------------------------- */

struct read_cost {
    size_t gets;
    size_t reads;
    size_t worst;
    size_t pages;
};

static struct read_cost cost_of_gets(struct random_table *t, size_t first, size_t step)
{
    struct read_cost c = { .gets = 0 };
    struct fetch *f = &t->x.fetch;

    for (size_t i = first; i < t->set.count; i += step) {
        struct bytes key = t->set.entries[i].key;
        struct lsm_entry e;
        f->device_reads = 0;
        f->device_read_bytes = 0;
        MUST(lsm_table_get(t->table, f, key, lsm_table_key_hash(key), UINT64_MAX, NULL, &e));
        c.gets++;
        c.reads += f->device_reads;
        c.worst = f->device_reads > c.worst ? f->device_reads : c.worst;
        c.pages += f->device_read_bytes / 4096;
        fetch_reset(f);
    }
    return c;
}

/* Ask for keys that are not there. Returns how many data blocks were read for nothing. */
static size_t ask_for_absent(struct random_table *t, size_t count)
{
    struct fetch *f = &t->x.fetch;
    size_t reads = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t key[9];
        struct lsm_entry e;
        put_u64_be(key, 1000 + i);
        key[8] = 1;
        struct bytes absent = bytes_of(key, 9);
        f->device_reads = 0;
        cr_assert_eq(
            lsm_table_get(t->table, f, absent, lsm_table_key_hash(absent), UINT64_MAX, NULL, &e)
                .code,
            ST_NOT_FOUND);
        reads += f->device_reads;
        fetch_reset(f);
    }
    return reads;
}

/* Where filter and index are resident, a get reads one page, and an absent key almost never one;
 * where nothing is, a get reads three pages. */
Test(lsm_table, a_get_reads_one_page_when_metadata_is_resident)
{
    struct rand r;
    struct random_table t;
    struct entry_set_options o = {
        .style = STYLE_COUNTER, .key_count = 30000, .value_size_max = 40, .is_plain = true
    };
    rand_seed(&r, 21);
    table_fixture_init(&t.x, 16 << 20);
    entry_set_make(&t.set, &r, &o);
    struct table_input in = { .id = 5, .set = &t.set };
    table_fixture_build(&t.x, &in, &t.meta);
    t.table = table_fixture_open(&t.x, &t.meta);

    struct read_cost c = cost_of_gets(&t, 0, t.set.count);
    cr_assert_leq(c.worst, 4, "with the tail");
    c = cost_of_gets(&t, 10, 1500); /* Every index partition. */
    cr_assert_leq(c.worst, 3);
    cr_assert_leq(c.pages, 3 * c.gets + 1);
    (void)ask_for_absent(&t, 3000); /* Every filter partition. */
    cr_assert_lt(ask_for_absent(&t, 3000), 60);
    c = cost_of_gets(&t, 600, 1501);
    cr_assert_eq(c.worst, 1);
    cr_assert_geq(c.reads, c.gets - c.gets / 4, "the data was not there");
    cr_assert_eq(c.pages, c.reads, "a block is a page");
    unmake(&t);
}

/* A cursor that walks over a table that is not in memory reads or waits for many blocks at a time;
 * over one that is, it reads nothing. */
Test(lsm_table, cursors_read_ahead)
{
    struct rand r;
    struct random_table t;
    struct entry_set_options o = {
        .style = STYLE_COUNTER, .key_count = 30000, .value_size_max = 40, .is_plain = true
    };
    rand_seed(&r, 22);
    table_fixture_init(&t.x, 16 << 20);
    entry_set_make(&t.set, &r, &o);
    struct table_input in = { .id = 5, .set = &t.set };
    table_fixture_build(&t.x, &in, &t.meta);
    t.table = table_fixture_open(&t.x, &t.meta);
    uint64_t blocks = t.meta.file_size / 4096;

    for (unsigned way = 0; way < 2; way++) {
        struct cache *cache;
        struct fetch f;
        MUST(cache_create(&t.x.env, &(struct cache_options) { .size_bytes = 16 << 20 }, &cache));
        fetch_init(&f, &(struct fetch_options) { .cache = cache,
                                                 .ring = way == 0 ? NULL : t.x.ring,
                                                 .fill = FETCH_FILL_SCAN });
        struct cache *kept = t.x.cache;
        t.x.cache = cache;
        for (unsigned again = 0; again < 2; again++) {
            struct lsm_iter *it;
            struct status s;
            uint64_t waits = 0;
            uint64_t reads = io_sim_calls(t.x.sim, IO_SIM_READ);
            MUST(lsm_table_iter(t.table, &f, NULL, &it));
            for (s = lsm_iter_first(it); s.code == ST_AGAIN || it->is_valid;) {
                waits += s.code == ST_AGAIN;
                if (s.code == ST_AGAIN)
                    table_fixture_drive(&t.x, &f);
                s = it->is_valid ? lsm_iter_next(it) : lsm_iter_first(it);
            }
            MUST(s);
            reads = io_sim_calls(t.x.sim, IO_SIM_READ) - reads;
            lsm_iter_destroy(it);
            cr_assert_null(f.wants);
            if (again)
                cr_assert_eq(reads, 0, "all blocks are there");
            else if (way == 0)
                cr_assert_lt(waits, blocks / 6);
            else
                cr_assert_lt(reads, blocks / 6);
        }
        fetch_deinit(&f);
        cache_destroy(cache);
        t.x.cache = kept;
    }
    unmake(&t);
}
