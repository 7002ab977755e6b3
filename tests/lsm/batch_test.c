#include "base/alloc.h"
#include "base/rand.h"

#include "lsm/batch.h"

#include <criterion/criterion.h>

#include "tests/support/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { APART = 512 };

static void must(struct status s)
{
    cr_assert(succeeded(s), "%s from %s:%u", status_name(s.code), s.file, s.line);
}

static void put(struct lsm_batch *b, const char *key, struct bytes value)
{
    const struct lsm_put p = { .key = bytes_str(key), .value = value };
    must(lsm_batch_put(b, &p));
}

static void delete_range(struct lsm_batch *b, const char *begin, const char *end)
{
    must(lsm_batch_delete_range(b, 0, bytes_str(begin), bytes_str(end)));
}

/* The operations of a sealed batch as words: "put a=xy, del b, range c-d". Values apart are shown
 * by their size and first byte, from the spans. */
static void describe(const struct lsm_batch *b, char *out, size_t size)
{
    struct lsm_op_reader r;
    struct lsm_op op;
    struct status s;
    size_t n = 0;

    out[0] = '\0';
    must(lsm_op_reader_init(&r, lsm_batch_body(b)));
    cr_assert_eq(r.version, lsm_batch_version(b));
    while (succeeded(s = lsm_op_next(&r, &op))) {
        const char *separator = n == 0 ? "" : ", ";
        int key_size = (int)op.key.size - 1; /* Without keyspace 0. */
        const uint8_t *key = op.key.data + 1;
        if (op.kind == LSM_PUT)
            n += (size_t)snprintf(out + n, size - n, "%sput %.*s=%.*s", separator, key_size, key,
                                  (int)op.value.size, op.value.data);
        else if (op.kind == LSM_DELETE)
            n += (size_t)snprintf(out + n, size - n, "%sdel %.*s", separator, key_size, key);
        else if (op.kind == LSM_RANGE_DELETE)
            n += (size_t)snprintf(out + n, size - n, "%srange %.*s-%.*s", separator, key_size, key,
                                  (int)op.value.size - 1, op.value.data + 1);
        else if (op.kind == LSM_OP_SIDE)
            n += (size_t)snprintf(out + n, size - n, "%sside %.*s", separator, (int)op.key.size,
                                  op.key.data);
        else {
            struct bytes value = lsm_batch_values(b)[op.value_ordinal];
            cr_assert_eq(value.size, op.value_size);
            n += (size_t)snprintf(out + n, size - n, "%sput %.*s@%zu%c", separator, key_size, key,
                                  value.size, value.data[0]);
        }
    }
    cr_assert_eq(s.code, ST_NOT_FOUND);
}

static void expect(struct lsm_batch *b, const char *want)
{
    char got[400];
    must(lsm_batch_seal(b, 7));
    describe(b, got, sizeof got);
    cr_assert_str_eq(got, want);
    lsm_batch_deinit(b);
}

static void init(struct lsm_batch *b)
{
    lsm_batch_init(b, alloc_heap(), APART, 1 << 20);
}

/* docs/format/batch.md */
Test(lsm_batch, example_of_the_format)
{
    static const uint8_t want[] = { 7, 0, 0, 0, 0, 0, 0, 0, 1,   0, 0,   0,  0,
                                    0, 0, 0, 1, 0, 0, 2, 0, 'a', 2, 'x', 'y' };
    struct lsm_batch b;
    init(&b);
    put(&b, "a", bytes_str("xy"));
    must(lsm_batch_seal(&b, 7));
    cr_assert(bytes_equal(lsm_batch_body(&b), bytes_of(want, sizeof want)));
    lsm_batch_deinit(&b);
}

Test(lsm_batch, the_last_write_to_a_key_wins)
{
    struct lsm_batch b;
    init(&b);
    put(&b, "a", bytes_str("1"));
    put(&b, "b", bytes_str("2"));
    put(&b, "a", bytes_str("3"));
    must(lsm_batch_delete(&b, 0, bytes_str("b")));
    put(&b, "c", bytes_str("4"));
    put(&b, "a", bytes_str("5"));
    expect(&b, "del b, put c=4, put a=5");
}

Test(lsm_batch, points_under_a_later_range_delete_go)
{
    struct lsm_batch b;
    init(&b);
    put(&b, "a", bytes_str("1"));
    put(&b, "b", bytes_str("2"));
    put(&b, "d", bytes_str("3"));
    delete_range(&b, "b", "d");
    put(&b, "c", bytes_str("4"));
    delete_range(&b, "x", "x"); /* Nothing. */
    delete_range(&b, "z", "y");
    expect(&b, "put a=1, put d=3, range b-d, put c=4");
}

/* A write that a range delete hides and a later one brings back: the later one only. */
Test(lsm_batch, a_put_after_a_range_delete_stays)
{
    struct lsm_batch b;
    init(&b);
    put(&b, "b", bytes_str("old"));
    delete_range(&b, "a", "c");
    put(&b, "b", bytes_str("new"));
    expect(&b, "range a-c, put b=new");
}

Test(lsm_batch, values_apart_stay_with_their_keys)
{
    static uint8_t values[4][2000];
    struct lsm_batch b;
    init(&b);
    for (int i = 0; i < 4; i++)
        memset(values[i], 'p' + i, sizeof values[i]);
    put(&b, "a", bytes_of(values[0], 600));
    put(&b, "b", bytes_of(values[1], 700));
    put(&b, "c", bytes_str("here"));
    put(&b, "d", bytes_of(values[2], 800));
    put(&b, "a", bytes_of(values[3], 900));
    delete_range(&b, "b", "c");
    expect(&b, "put c=here, put d@800r, put a@900s, range b-c");
}

Test(lsm_batch, values_part_at_the_limit)
{
    static uint8_t value[APART];
    struct lsm_batch b;
    memset(value, 'v', sizeof value);
    init(&b);
    put(&b, "a", bytes_of(value, APART - 1));
    put(&b, "b", bytes_of(value, APART));
    must(lsm_batch_side(&b, bytes_str("s")));
    must(lsm_batch_seal(&b, 1));
    cr_assert_eq(b.value_count, 1);
    cr_assert_eq(b.op_count, 3);
    lsm_batch_deinit(&b);
}

Test(lsm_batch, may_be_unsealed_and_grow)
{
    struct lsm_batch b;
    init(&b);
    put(&b, "a", bytes_str("1"));
    put(&b, "a", bytes_str("2"));
    must(lsm_batch_seal(&b, 3));
    lsm_batch_unseal(&b);
    put(&b, "b", bytes_str("3"));
    struct lsm_batch_mark mark = lsm_batch_mark(&b);
    put(&b, "c", bytes_str("4"));
    lsm_batch_take_back(&b, mark);
    expect(&b, "put a=2, put b=3");
}

Test(lsm_batch, what_passes_a_limit_adds_nothing)
{
    static uint8_t big[70000];
    struct lsm_batch b;
    lsm_batch_init(&b, alloc_heap(), APART, 80000);
    struct lsm_put p = { .key = bytes_of(big, LSM_USER_KEY_MAX + 1) };
    cr_assert_eq(lsm_batch_put(&b, &p).code, ST_LIMIT);
    cr_assert_eq(lsm_batch_delete(&b, 0, p.key).code, ST_LIMIT);
    cr_assert_eq(lsm_batch_delete_range(&b, 0, bytes_str(""), p.key).code, ST_LIMIT);
    p = (struct lsm_put) { .keyspace = LSM_KEYSPACE_MAX + 1, .key = bytes_str("k") };
    cr_assert_eq(lsm_batch_put(&b, &p).code, ST_LIMIT);
    p = (struct lsm_put) { .key = bytes_str("k"), .value = bytes_of(big, sizeof big) };
    must(lsm_batch_put(&b, &p));
    size_t size = lsm_batch_size(&b);
    cr_assert_eq(lsm_batch_put(&b, &p).code, ST_LIMIT);
    cr_assert_eq(lsm_batch_side(&b, p.value).code, ST_LIMIT);
    cr_assert_eq(lsm_batch_size(&b), size);
    cr_assert_eq(b.op_count, 1);
    lsm_batch_deinit(&b);
}

/* A memtable could not take more, and by then the batch would be durable. */
Test(lsm_batch, so_many_range_deletes_and_no_more)
{
    struct lsm_batch b;
    char begin[16];
    char end[16];

    lsm_batch_init(&b, alloc_heap(), APART, 64 << 20);
    for (unsigned i = 0; i < LSM_BATCH_RANGES_MAX; i++) {
        (void)snprintf(begin, sizeof begin, "k%06u", i);
        (void)snprintf(end, sizeof end, "k%06u~", i);
        delete_range(&b, begin, end);
    }
    struct lsm_batch_mark full = lsm_batch_mark(&b);
    MUST_BE(lsm_batch_delete_range(&b, 0, bytes_str("a"), bytes_str("b")), ST_LIMIT);
    MUST_BE(lsm_batch_delete_keyspace(&b, 1), ST_LIMIT);
    cr_assert_eq(lsm_batch_mark(&b).body_size, full.body_size);
    put(&b, "a", bytes_str("v"));
    must(lsm_batch_seal(&b, 7));
    lsm_batch_deinit(&b);
}

/* Whatever the order of points and ranges: what a straightforward reading of the rule keeps. */
Test(lsm_batch, normalising_is_what_the_rule_says)
{
    enum { ROUNDS = 200, OPS = 60, KEYS = 12 };
    struct op {
        bool is_range;
        unsigned first;
        unsigned beyond;
    } ops[OPS];
    struct lsm_batch b;
    struct rand rand;
    char text[4096];
    char expected[4096];
    char k[8];
    char e[8];

    rand_seed(&rand, 11);
    lsm_batch_init(&b, alloc_heap(), APART, 1 << 20);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = 0;
        lsm_batch_reset(&b);
        expected[0] = '\0';
        for (unsigned i = 0; i < OPS; i++) {
            ops[i].is_range = rand_below(&rand, 4) == 0;
            ops[i].first = (unsigned)rand_below(&rand, KEYS);
            ops[i].beyond = ops[i].first + 1 + (unsigned)rand_below(&rand, 4);
            (void)snprintf(k, sizeof k, "k%02u", ops[i].first);
            (void)snprintf(e, sizeof e, "k%02u", ops[i].beyond);
            if (ops[i].is_range)
                delete_range(&b, k, e);
            else
                must(lsm_batch_delete(&b, 0, bytes_str(k)));
        }
        for (unsigned i = 0; i < OPS; i++) {
            bool is_dropped = false;
            for (unsigned j = i + 1; j < OPS && !ops[i].is_range; j++)
                is_dropped |= ops[j].is_range
                                  ? ops[j].first <= ops[i].first && ops[i].first < ops[j].beyond
                                  : ops[j].first == ops[i].first;
            if (is_dropped)
                continue;
            const char *comma = n == 0 ? "" : ", ";
            if (ops[i].is_range)
                n += (size_t)snprintf(expected + n, sizeof expected - n, "%srange k%02u-k%02u",
                                      comma, ops[i].first, ops[i].beyond);
            else
                n += (size_t)snprintf(expected + n, sizeof expected - n, "%sdel k%02u", comma,
                                      ops[i].first);
        }
        must(lsm_batch_seal(&b, round + 1));
        describe(&b, text, sizeof text);
        cr_assert_str_eq(text, expected);
    }
    lsm_batch_deinit(&b);
}

/* Who knows that nothing is overwritten says so, and gets the same bytes. */
Test(lsm_batch, a_distinct_batch_is_sealed_as_it_is)
{
    struct lsm_batch looked_at;
    struct lsm_batch declared;
    init(&looked_at);
    init(&declared);
    for (int round = 0; round < 2; round++) {
        struct lsm_batch *b = round == 0 ? &looked_at : &declared;
        put(b, "b", bytes_str("1"));
        put(b, "a", bytes_str("2"));
        must(lsm_batch_side(b, bytes_str("side")));
        must(lsm_batch_delete(b, 0, bytes_str("c")));
        if (b == &declared)
            lsm_batch_declare_distinct(b);
        must(lsm_batch_seal(b, 7));
    }
    cr_assert(bytes_equal(lsm_batch_body(&looked_at), lsm_batch_body(&declared)));
    lsm_batch_deinit(&looked_at);
    lsm_batch_reset(&declared);
    put(&declared, "a", bytes_str("1"));
    put(&declared, "a", bytes_str("2"));
    expect(&declared, "put a=2");
}

/* What was said of the operations so far is not said of those that join them. */
Test(lsm_batch, a_distinct_batch_that_goes_on_is_looked_at)
{
    struct lsm_batch b;
    init(&b);
    put(&b, "a", bytes_str("1"));
    lsm_batch_declare_distinct(&b);
    put(&b, "a", bytes_str("2"));
    expect(&b, "put a=2");
}

Test(lsm_batch, any_failed_allocation_adds_nothing)
{
    static uint8_t value[900];
    for (uint64_t fail_at = 1; fail_at < 30; fail_at++) {
        struct alloc_test alloc;
        struct lsm_batch b;
        alloc_test_init(&alloc);
        lsm_batch_init(&b, &alloc.alloc, APART, 1 << 20);
        alloc.fail_at = fail_at;
        for (int i = 0; i < 40; i++) {
            uint8_t key = (uint8_t)(i % 30);
            const struct lsm_put p = { .key = bytes_of(&key, 1),
                                       .value = bytes_of(value, i % 2 == 0 ? 900 : 90) };
            struct status s = lsm_batch_put(&b, &p);
            if (failed(s)) {
                cr_assert_eq(s.code, ST_NO_MEMORY);
                must(lsm_batch_put(&b, &p));
            }
        }
        struct status s = lsm_batch_seal(&b, 1);
        if (failed(s))
            must(lsm_batch_seal(&b, 1));
        cr_assert_eq(b.op_count, 30);
        cr_assert_eq(b.value_count, 15);
        lsm_batch_deinit(&b);
        cr_assert_eq(alloc.live_bytes, 0);
    }
}

/* ---- Bytes that are no batch ---------------------------------------------------------------- */

static struct status read_all(struct bytes body, uint32_t *out_ops)
{
    struct lsm_op_reader r;
    struct lsm_op op;
    struct status s = lsm_op_reader_init(&r, body);
    for (*out_ops = 0; succeeded(s); (*out_ops)++) {
        s = lsm_op_next(&r, &op);
        if (failed(s))
            break;
        cr_assert(op.key.size == 0 ||
                  (op.key.data >= body.data && op.key.data + op.key.size <= body.data + body.size));
    }
    return s;
}

static void make_body(struct lsm_batch *b)
{
    static uint8_t value[APART];
    const struct lsm_put expiring = {
        .keyspace = 300, .key = bytes_str("k"), .value = bytes_str("v"), .expire_ms = 1 << 20
    };
    init(b);
    put(b, "a", bytes_str("xy"));
    put(b, "b", bytes_of(value, sizeof value));
    must(lsm_batch_put(b, &expiring));
    must(lsm_batch_delete(b, 0, bytes_str("c")));
    delete_range(b, "m", "p");
    must(lsm_batch_delete_keyspace(b, 5));
    must(lsm_batch_side(b, bytes_str("side")));
    must(lsm_batch_seal(b, 9));
}

/* In memory of its own size, so that a read beyond it is seen. */
static struct status read_copy(const uint8_t *bytes, size_t size, uint32_t *out_ops)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    copy = realloc(copy, size == 0 ? 1 : size);
    struct status s = read_all(bytes_of(copy, size), out_ops);
    free(copy);
    return s;
}

Test(lsm_batch, any_cut_body_is_corrupt)
{
    struct lsm_batch b;
    uint32_t ops;
    make_body(&b);
    struct bytes body = lsm_batch_body(&b);
    for (size_t size = 0; size < body.size; size++)
        cr_assert_eq(read_copy(body.data, size, &ops).code, ST_CORRUPT, "%zu", size);
    cr_assert_eq(read_copy(body.data, body.size, &ops).code, ST_NOT_FOUND);
    cr_assert_eq(ops, 7);
    lsm_batch_deinit(&b);
}

/* The log's checksums find flips; here they end in words, never in a wild read. */
Test(lsm_batch, any_flipped_body_is_read_within_its_bounds)
{
    struct lsm_batch b;
    uint32_t ops;
    make_body(&b);
    struct bytes body = lsm_batch_body(&b);
    for (size_t bit = 0; bit < body.size * 8; bit++) {
        uint8_t bent[512];
        cr_assert_leq(body.size, sizeof bent);
        memcpy(bent, body.data, body.size);
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum status_code code = read_copy(bent, body.size, &ops).code;
        cr_assert(code == ST_CORRUPT || code == ST_NOT_FOUND);
        if (bit >= 64 && bit < 128)
            cr_assert_eq(code, ST_CORRUPT, "a count was changed: bit %zu", bit);
    }
    lsm_batch_deinit(&b);
}
