#include "support/entry_set.h"

#include "base/alloc.h"
#include "base/budget.h"

#include "lsm/memtable.h"

#include <criterion/criterion.h>

#include <stdlib.h>

/* ---- A memtable and the entries it should hold ---------------------------------------------- */

struct fixture {
    struct alloc_test alloc;
    struct budget budget;
    struct env env;
    struct lsm_page_pool *pool;
    struct lsm_memtable *memtable;
};

static void must(struct status s)
{
    cr_assert(succeeded(s), "%s from %s:%u", status_name(s.code), s.file, s.line);
}

static void init(struct fixture *f)
{
    *f = (struct fixture) { .memtable = NULL };
    alloc_test_init(&f->alloc);
    budget_init(&f->budget, 0);
    f->env = (struct env) { .alloc = &f->alloc.alloc, .budget = &f->budget };
    must(lsm_page_pool_create(&f->env, 64 << 10, 2, &f->pool));
    must(lsm_memtable_create(&f->env, f->pool, &f->memtable));
}

static void deinit(struct fixture *f)
{
    lsm_memtable_check_invariants(f->memtable);
    lsm_memtable_unref(f->memtable);
    lsm_page_pool_destroy(f->pool);
    cr_assert_eq(f->budget.total_bytes, 0);
    cr_assert_eq(f->alloc.live_bytes, 0);
}

enum order { RISING, FALLING, RANDOM, ORDERS };

/* Positions of the set in which its entries are added: versions of a key rise in any order. */
static size_t *adding_order(const struct entry_set *s, enum order order, struct rand *r)
{
    size_t *at = calloc(s->count, sizeof *at);
    size_t *keys = calloc(s->count + 1, sizeof *keys); /* Where each key begins. */
    size_t key_count = 0;
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || !bytes_equal(s->entries[i].key, s->entries[i - 1].key))
            keys[key_count++] = i;
    }
    for (size_t i = key_count; order == RANDOM && i > 1; i--) {
        size_t j = rand_below(r, i);
        size_t swap = keys[i - 1];
        keys[i - 1] = keys[j];
        keys[j] = swap;
    }
    for (size_t i = 0; i < key_count; i++) {
        size_t begin = keys[order == FALLING ? key_count - 1 - i : i];
        size_t end = begin + 1;
        while (end < s->count && bytes_equal(s->entries[end].key, s->entries[begin].key))
            end++;
        while (end > begin)
            at[n++] = --end;
    }
    free(keys);
    cr_assert_eq(n, s->count);
    return at;
}

static void add_set(struct fixture *f, const struct entry_set *s, enum order order, struct rand *r)
{
    size_t *at = adding_order(s, order, r);
    for (size_t i = 0; i < s->count; i++)
        must(lsm_memtable_add(f->memtable, &s->entries[at[i]], 1));
    free(at);
}

static void expect_at(const struct lsm_iter *it, const struct entry_set *s, size_t i)
{
    cr_assert_eq(it->is_valid, i < s->count, "at %zu of %zu", i, s->count);
    if (it->is_valid)
        cr_assert(entry_equal(&it->entry, &s->entries[i]), "at %zu of %zu", i, s->count);
}

static void check_walks(const struct entry_set *s, struct lsm_iter *it)
{
    size_t i = 0;
    for (must(lsm_iter_first(it)); it->is_valid; must(lsm_iter_next(it)))
        expect_at(it, s, i++);
    cr_assert_eq(i, s->count);
    for (must(lsm_iter_last(it)); it->is_valid; must(lsm_iter_prev(it)))
        expect_at(it, s, --i);
    cr_assert_eq(i, 0);
}

/* Both seeks and a get at every key, beside each of its versions. */
static void check_boundaries(const struct fixture *f, const struct entry_set *s,
                             struct lsm_iter *it)
{
    for (size_t i = 0; i < s->count; i++) {
        for (int beside = -1; beside <= 1; beside++) {
            struct bytes key = s->entries[i].key;
            uint64_t version = s->entries[i].version + (uint64_t)beside;
            size_t want = entry_set_seek(s, key, version);
            bool is_there = want < s->count && bytes_equal(s->entries[want].key, key);
            struct lsm_entry e;

            must(lsm_iter_seek(it, key, version));
            expect_at(it, s, want);
            must(lsm_iter_seek_before(it, key, version));
            expect_at(it, s, want == 0 ? s->count : want - 1);
            cr_assert_eq(lsm_memtable_get(f->memtable, key, version, &e), is_there);
            if (is_there)
                cr_assert(entry_equal(&e, &s->entries[want]));
        }
    }
}

static void check_probes(struct entry_set *s, struct lsm_iter *it, struct rand *r)
{
    for (int i = 0; i < 300; i++) {
        struct bytes key = entry_set_probe(s, r);
        uint64_t version = rand_below(r, 4) == 0 ? UINT64_MAX : rand_below(r, 1000);
        size_t want = entry_set_seek(s, key, version);
        must(lsm_iter_seek(it, key, version));
        expect_at(it, s, want);
        must(lsm_iter_seek_before(it, key, version));
        expect_at(it, s, want == 0 ? s->count : want - 1);
    }
}

static void check_style(enum entry_style style, size_t key_count)
{
    struct rand r;
    for (int order = RISING; order < ORDERS; order++) {
        struct fixture f;
        struct entry_set s;
        struct lsm_iter *it;
        const struct entry_set_options o = { .style = style,
                                             .key_count = key_count,
                                             .versions_max = 4,
                                             .value_size_max = 40,
                                             .handle_percent = 20,
                                             .delete_percent = 20,
                                             .ref_count = 3 };
        rand_seed(&r, 7 + (uint64_t)style);
        entry_set_make(&s, &r, &o);
        init(&f);
        add_set(&f, &s, (enum order)order, &r);
        cr_assert_eq(lsm_memtable_count(f.memtable), s.count);
        must(lsm_memtable_iter(f.memtable, &it));
        check_walks(&s, it);
        check_boundaries(&f, &s, it);
        check_probes(&s, it, &r);
        lsm_iter_destroy(it);
        deinit(&f);
        entry_set_free(&s);
    }
}

Test(lsm_memtable, is_a_sorted_array_tiny_keys)
{
    check_style(STYLE_TINY, 800);
}

Test(lsm_memtable, is_a_sorted_array_shared_prefixes)
{
    check_style(STYLE_PREFIX, 2000);
}

Test(lsm_memtable, is_a_sorted_array_counters)
{
    check_style(STYLE_COUNTER, 6000);
}

Test(lsm_memtable, is_a_sorted_array_mixed_keys)
{
    check_style(STYLE_MIXED, 2000);
}

Test(lsm_memtable, is_a_sorted_array_long_keys)
{
    check_style(STYLE_LONG, 60);
}

/* ---- Room and memory ------------------------------------------------------------------------ */

static struct lsm_entry numbered(uint64_t i, uint8_t *key)
{
    put_u64_be(key, i);
    return (struct lsm_entry) {
        .key = bytes_of(key, 8), .version = i + 1, .kind = LSM_PUT, .value = bytes_of(key, 8)
    };
}

/* What was reserved can be added when there is no memory any more. */
Test(lsm_memtable, what_is_reserved_can_be_added)
{
    for (size_t before = 0; before < 900; before += 37) {
        struct fixture f;
        uint8_t key[8];
        init(&f);
        for (uint64_t i = 0; i < before; i++) {
            struct lsm_entry e = numbered(i, key);
            must(lsm_memtable_add(f.memtable, &e, 1));
        }
        must(lsm_memtable_reserve(f.memtable, 500 * 16, 500));
        f.alloc.fail_at = 1;
        f.alloc.fail_for_ever = true;
        for (uint64_t i = before; i < before + 500; i++) {
            struct lsm_entry e = numbered(i, key);
            must(lsm_memtable_add(f.memtable, &e, 1));
        }
        f.alloc.fail_at = 0;
        f.alloc.fail_for_ever = false;
        deinit(&f);
    }
}

/* Rising keys leave full leaves behind; keys that come between them split each. */
Test(lsm_memtable, what_is_reserved_can_be_added_anywhere)
{
    enum { BEFORE = 20000, PER_LEAF = 63, ADDED = 2 * (BEFORE / PER_LEAF) };
    struct fixture f;
    uint8_t key[8];

    init(&f);
    for (uint64_t i = 0; i < BEFORE; i++) {
        struct lsm_entry e = numbered(i * 1000, key);
        must(lsm_memtable_add(f.memtable, &e, 1));
    }
    must(lsm_memtable_reserve(f.memtable, ADDED * 16, ADDED));
    f.alloc.fail_at = 1;
    f.alloc.fail_for_ever = true;
    for (uint64_t i = 0; i < ADDED; i++) {
        struct lsm_entry e = numbered((i / 2 * PER_LEAF + 30) * 1000 + 1 + i % 2, key);
        must(lsm_memtable_add(f.memtable, &e, 1));
    }
    f.alloc.fail_at = 0;
    f.alloc.fail_for_ever = false;
    lsm_memtable_check_invariants(f.memtable);
    deinit(&f);
}

/* Close to each other, so that they share leaves that split between finding a place and taking it;
 * far apart; old keys among new ones. */
Test(lsm_memtable, what_is_added_together_is_as_if_one_by_one)
{
    enum { WINDOWS = 6000, SPAN = 20000 };
    struct fixture f;
    uint8_t keys[LSM_MEMTABLE_WINDOW][8];
    struct lsm_entry window[LSM_MEMTABLE_WINDOW];
    uint64_t *newest = calloc(SPAN, sizeof *newest);
    struct rand rand;

    rand_seed(&rand, 3);
    init(&f);
    for (uint64_t version = 1; version <= WINDOWS; version++) {
        uint64_t base = rand_below(&rand, SPAN);
        uint64_t step = rand_below(&rand, 2) == 0 ? 1 : 1 + rand_below(&rand, SPAN / 8 - 1);
        size_t count = 1 + rand_below(&rand, LSM_MEMTABLE_WINDOW);
        for (size_t i = 0; i < count; i++) {
            uint64_t k = (base + i * step) % SPAN;
            window[i] = numbered(k, keys[i]);
            window[i].version = newest[k] = version;
        }
        must(lsm_memtable_add(f.memtable, window, count));
    }
    lsm_memtable_check_invariants(f.memtable);
    for (uint64_t k = 0; k < SPAN; k++) {
        struct lsm_entry got;
        bool is_there = lsm_memtable_get(f.memtable, numbered(k, keys[0]).key, UINT64_MAX, &got);
        cr_assert_eq(is_there, newest[k] != 0);
        cr_assert(!is_there || got.version == newest[k]);
    }
    free(newest);
    deinit(&f);
}

/* Values too large for a page's eighth, too. */
Test(lsm_memtable, any_failed_allocation_leaves_it_usable)
{
    static uint8_t value[20000];
    for (uint64_t fail_at = 1;; fail_at++) {
        struct fixture f;
        uint8_t key[8];
        uint64_t added = 0;
        bool has_failed = false;

        init(&f);
        f.alloc.fail_at = fail_at;
        for (uint64_t i = 0; i < 3000; i++) {
            struct lsm_entry e = numbered(i * 7919 % 3001, key);
            e.version = 1;
            if (i % 100 == 0)
                e.value = bytes_of(value, sizeof value);
            struct status s = lsm_memtable_add(f.memtable, &e, 1);
            if (failed(s)) {
                struct lsm_entry got;
                cr_assert_eq(s.code, ST_NO_MEMORY);
                cr_assert_not(lsm_memtable_get(f.memtable, e.key, UINT64_MAX, &got));
                has_failed = true;
                s = lsm_memtable_add(f.memtable, &e, 1);
            }
            must(s);
            added++;
        }
        cr_assert_eq(lsm_memtable_count(f.memtable), added);
        deinit(&f);
        if (!has_failed)
            break;
    }
}

Test(lsm_memtable, a_failed_range_delete_leaves_the_others)
{
    for (uint64_t fail_at = 1; fail_at < 12; fail_at++) {
        struct fixture f;
        const struct lsm_range_delete first = { bytes_str("b"), bytes_str("d"), 5 };
        const struct lsm_range_delete second = { bytes_str("c"), bytes_str("f"), 9 };

        init(&f);
        must(lsm_memtable_add_range_deletes(f.memtable, &first, 1));
        f.alloc.fail_at = fail_at;
        struct status s = lsm_memtable_add_range_deletes(f.memtable, &second, 1);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("c"), 20),
                     succeeded(s) ? 9 : 5);
        f.alloc.fail_at = 0;
        if (failed(s))
            must(lsm_memtable_add_range_deletes(f.memtable, &second, 1));
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("a"), 20), 0);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("b"), 20), 5);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("c"), 20), 9);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("c"), 8), 5);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("c"), 4), 0);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("e"), 20), 9);
        cr_assert_eq(lsm_memtable_range_cover(f.memtable, bytes_str("f"), 20), 0);
        deinit(&f);
    }
}
