#include "base/budget.h"
#include "base/env.h"
#include "base/io_sim.h"
#include "base/log.h"
#include "base/rand.h"

#include "cache/cache.h"
#include "cache/fetch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { FILE_SIZE = 1 << 20, FILE_ID = 9 };

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        struct status must_ = (expr);                                                              \
        cr_assert(succeeded(must_), "%s from %s:%u", status_name(must_.code), must_.file,          \
                  must_.line);                                                                     \
    } while (0)

/* A file of known bytes on a simulated disk; verify counts, checks, and may be told to refuse. */
struct fixture {
    struct io_sim *sim;
    struct alloc_test alloc;
    struct budget budget;
    struct env env;
    struct io_ring *ring;
    struct cache *cache;
    struct io_file *file;
    unsigned verified;
    bool refuses;
    int held;
};

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 8) * 13);
}

static void init(struct fixture *x, bool is_direct)
{
    uint8_t *bytes = malloc(FILE_SIZE);
    struct cache_options options = { .size_bytes = 256 << 10, .seed = 1 };

    *x = (struct fixture) { .verified = 0 };
    x->sim = io_sim_create(&(struct io_sim_options) { .seed = 5, .latency_max_ns = 1000 }, NULL);
    alloc_test_init(&x->alloc);
    budget_init(&x->budget, 0);
    x->env = (struct env) { .alloc = &x->alloc.alloc,
                            .clock = io_sim_clock(x->sim),
                            .io = io_sim_io(x->sim),
                            .budget = &x->budget,
                            .log = log_none() };
    MUST(io_ring_create(x->env.io, NULL, &x->ring));
    MUST(cache_create(&x->env, &options, &x->cache));
    MUST(io_open(x->env.io, "f", IO_WRITE | IO_CREATE, &x->file));
    for (uint64_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = byte_at(i);
    MUST(io_write(x->ring, x->file, bytes, FILE_SIZE, 0));
    io_close(x->file);
    MUST(io_open(x->env.io, "f", IO_READ | (is_direct ? IO_DIRECT : 0), &x->file));
    free(bytes);
}

static void deinit(struct fixture *x)
{
    cr_assert_eq(x->held, 0, "a hold without a drop");
    cache_destroy(x->cache);
    io_close(x->file);
    io_ring_destroy(x->ring);
    io_sim_destroy(x->sim);
    cr_assert_eq(x->alloc.live_bytes, 0);
    cr_assert_eq(x->budget.total_bytes, 0);
}

static struct status verify(void *context, const struct fetch_request *q, struct bytes block,
                            uint8_t *out_header, struct errbuf *err)
{
    struct fixture *x = context;

    x->verified++;
    cr_assert_eq(block.size, q->size);
    for (size_t i = 0; i < block.size; i++)
        cr_assert_eq(block.data[i], byte_at(q->offset + i));
    put_u64(out_header, q->offset ^ q->cookie);
    if (x->refuses) {
        errbuf_set(err, "refused at %llu", (unsigned long long)q->offset);
        return status_of(ST_CORRUPT);
    }
    return status_ok();
}

static void hold(void *context)
{
    ((struct fixture *)context)->held++;
}

static void drop(void *context)
{
    ((struct fixture *)context)->held--;
}

static struct fetch_request ask(struct fixture *x, uint64_t offset, uint32_t size)
{
    return (struct fetch_request) { .file = x->file,
                                    .file_id = FILE_ID,
                                    .offset = offset,
                                    .size = size,
                                    .kind = FETCH_DATA,
                                    .verify = verify,
                                    .context = x,
                                    .cookie = 77,
                                    .hold = hold,
                                    .drop = drop };
}

static struct status get(struct fixture *x, struct fetch *f, uint64_t offset, uint32_t size)
{
    struct fetch_request q = ask(x, offset, size);
    struct fetch_block block;
    struct status s = fetch_get(f, &q, &block);

    if (succeeded(s)) {
        cr_assert_eq(block.data.size, size);
        cr_assert(size == 0 || block.data.data[size - 1] == byte_at(offset + size - 1));
        cr_assert_eq(get_u64(block.header), offset ^ 77);
    }
    return s;
}

static void begin(struct fixture *x, struct fetch *f, bool is_blocking, enum fetch_fill fill)
{
    fetch_init(f, &(struct fetch_options) {
                      .cache = x->cache, .ring = is_blocking ? x->ring : NULL, .fill = fill });
}

static uint64_t device_reads(struct fixture *x)
{
    return io_sim_calls(x->sim, IO_SIM_READ);
}

/* Take what is done off the ring; note the fetches that become ready, in order. */
static size_t collect(struct fixture *x, struct fetch **out_ready, size_t room)
{
    size_t n = 0;

    io_ring_wait(x->ring, UINT64_MAX);
    for (struct io_op *op = io_ring_done(x->ring); op != NULL; op = io_ring_done(x->ring)) {
        for (struct fetch *f = fetch_complete(x->cache, op); f != NULL;
             f = fetch_complete(x->cache, op)) {
            cr_assert_lt(n, room);
            cr_assert(fetch_is_ready(f));
            out_ready[n++] = f;
        }
    }
    return n;
}

/* Blocks of any place and size arrive verified, once, whether the file is read around the page
 * cache or not; then they are hits. */
Test(cache_fetch, blocking_reads_bring_any_block_once)
{
    static const uint64_t offsets[] = { 0, 1, 4095, 4096, 5000, 8192, 100000, FILE_SIZE - 8192 };
    static const uint32_t sizes[] = { 1, 100, 4096, 4097, 8192 };

    for (unsigned direct = 0; direct < 2; direct++) {
        struct fixture x;
        struct fetch f;
        unsigned want = 0;
        init(&x, direct);
        begin(&x, &f, true, FETCH_FILL_NORMAL);
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            uint32_t size = sizes[i % (sizeof sizes / sizeof *sizes)];
            MUST(get(&x, &f, offsets[i], size));
            cr_assert_eq(x.verified, ++want);
            MUST(get(&x, &f, offsets[i], size));
            cr_assert_eq(x.verified, want);
            fetch_reset(&f);
            MUST(get(&x, &f, offsets[i], size));
            cr_assert_eq(x.verified, want);
        }
        cr_assert_eq(f.device_reads, want);
        fetch_deinit(&f);
        deinit(&x);
    }
}

/* What is not to be inserted, and what is larger than the cache takes, is held outside of it. */
Test(cache_fetch, loose_blocks_live_with_their_fetch)
{
    struct fixture x;
    struct fetch f;
    init(&x, true);

    begin(&x, &f, true, FETCH_FILL_NONE);
    MUST(get(&x, &f, 4096, 4096));
    MUST(get(&x, &f, 4096, 4096));
    cr_assert_eq(x.verified, 2);
    cr_assert_gt(x.budget.held_bytes[BUDGET_OTHER], 8192);
    fetch_deinit(&f);
    cr_assert_eq(x.budget.held_bytes[BUDGET_OTHER], 0);

    begin(&x, &f, true, FETCH_FILL_NORMAL);
    uint32_t large = (uint32_t)cache_entry_max(x.cache) + 1;
    MUST(get(&x, &f, 10, large));
    fetch_deinit(&f);
    cr_assert_eq(x.budget.held_bytes[BUDGET_OTHER], 0);
    deinit(&x);
}

/* Bytes that do not verify are never handed out nor kept; the words tell; a later get asks again.
 */
Test(cache_fetch, refused_blocks_are_not_kept)
{
    struct fixture x;
    struct fetch f;
    init(&x, true);
    begin(&x, &f, true, FETCH_FILL_NORMAL);

    x.refuses = true;
    cr_assert_eq(get(&x, &f, 4096, 4096).code, ST_CORRUPT);
    cr_assert_str_eq(f.err.text, "refused at 4096");
    x.refuses = false;
    MUST(get(&x, &f, 4096, 4096));
    cr_assert_eq(x.verified, 2);
    cr_assert_eq(get(&x, &f, FILE_SIZE - 10, 11).code, ST_CORRUPT);
    cr_assert_neq(f.err.text[0], '\0');
    fetch_deinit(&f);
    deinit(&x);
}

/* A non-blocking fetch records, is driven, and finds its block pinned; nothing else changes. */
Test(cache_fetch, waiting_operations_find_their_blocks)
{
    struct fixture x;
    struct fetch f;
    struct fetch *ready[4];
    init(&x, true);
    begin(&x, &f, false, FETCH_FILL_NORMAL);

    cr_assert(fetch_is_ready(&f));
    cr_assert_eq(get(&x, &f, 4096, 4096).code, ST_AGAIN);
    cr_assert_eq(get(&x, &f, 4096, 4096).code, ST_AGAIN);
    cr_assert_eq(get(&x, &f, 20000, 300).code, ST_AGAIN);
    cr_assert_not(fetch_is_ready(&f));
    cr_assert(fetch_submit(&f, x.ring));
    cr_assert_eq(get(&x, &f, 4096, 4096).code, ST_AGAIN);
    size_t n = 0;
    while (n == 0)
        n = collect(&x, ready, 4);
    cr_assert_eq(n, 1, "ready once, when the last of its reads is done");
    cr_assert_eq(ready[0], &f);
    MUST(get(&x, &f, 4096, 4096));
    MUST(get(&x, &f, 20000, 300));
    MUST(get(&x, &f, 4096, 4096));
    cr_assert_eq(x.verified, 2);
    cr_assert_eq(f.pin_count, 2);
    cr_assert_not(fetch_submit(&f, x.ring));
    fetch_deinit(&f);
    deinit(&x);
}

enum { MANY = 600, MANY_BYTES = 1024 };

/* Ask for all of them in an order of its own; how many have to wait. */
static unsigned ask_all(struct fixture *x, struct fetch *f, uint64_t order)
{
    unsigned waiting = 0;

    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t block = (i * 7 + order) % MANY;
        struct status s = get(x, f, block * MANY_BYTES, MANY_BYTES);
        cr_assert(succeeded(s) || s.code == ST_AGAIN, "%s", status_name(s.code));
        waiting += s.code == ST_AGAIN;
    }
    return waiting;
}

static void read_all(struct fixture *x, struct fetch *f)
{
    struct fetch *ready[1];

    cr_assert(fetch_submit(f, x->ring));
    while (collect(x, ready, 1) == 0)
        ;
    cr_assert(fetch_is_ready(f));
}

/* Give a third of the blocks back, each as often as it was asked for. */
static void release_some(struct fixture *x, struct fetch *f, unsigned gets)
{
    for (uint64_t block = 0; block < MANY; block += 3) {
        struct fetch_request q = ask(x, block * MANY_BYTES, MANY_BYTES);
        struct fetch_block b;
        MUST(fetch_get(f, &q, &b));
        for (unsigned i = 0; i <= gets; i++)
            fetch_release(f, &b);
    }
}

/*
 * More blocks than the cache holds: each is read once and found again, in any order, also when
 * others were given back. With an index, and (has_index false: its memory is refused) without.
 */
static void find_many(bool has_index)
{
    struct fixture x;
    struct fetch f;
    init(&x, true);
    begin(&x, &f, false, FETCH_FILL_NORMAL);

    cr_assert_eq(get(&x, &f, 0, MANY_BYTES).code, ST_AGAIN);
    f.index.is_refused = !has_index;
    cr_assert_eq(ask_all(&x, &f, 0), MANY);
    cr_assert_eq(ask_all(&x, &f, 5), MANY);
    cr_assert_eq(f.want_count, MANY);
    cr_assert_eq(f.index.capacity > 0, has_index);
    read_all(&x, &f);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(ask_all(&x, &f, i), 0);
    cr_assert_eq(x.verified, MANY);
    cr_assert_eq(f.pin_count, MANY);
    cr_assert_eq(f.want_count, 0);

    release_some(&x, &f, 3);
    cr_assert_eq(f.pin_count, MANY - MANY / 3);
    unsigned waiting = ask_all(&x, &f, 1);
    cr_assert_leq(waiting, MANY / 3, "what was kept is found");
    if (waiting > 0)
        read_all(&x, &f);
    cr_assert_eq(ask_all(&x, &f, 2), 0);
    cr_assert_eq(f.pin_count, MANY);

    fetch_reset(&f);
    cr_assert_eq(f.index.capacity, 0);
    (void)ask_all(&x, &f, 3);
    fetch_forget(&f, FILE_ID);
    cr_assert_eq(f.want_count, 0);
    fetch_deinit(&f);
    deinit(&x);
}

Test(cache_fetch, many_blocks_are_found_again)
{
    find_many(true);
    find_many(false);
}

/* What has come for a fetch that asked for much becomes pins, before it is taken. */
Test(cache_fetch, reads_that_are_done_are_settled)
{
    struct fixture x;
    struct fetch f;
    init(&x, true);
    begin(&x, &f, false, FETCH_FILL_NORMAL);

    cr_assert_eq(get(&x, &f, 0, MANY_BYTES).code, ST_AGAIN);
    fetch_settle(&f);
    cr_assert_eq(f.want_count, 1, "nothing is done yet");
    cr_assert_eq(ask_all(&x, &f, 0), MANY);
    read_all(&x, &f);
    fetch_settle(&f);
    cr_assert_eq(f.want_count, 0);
    cr_assert_eq(f.pin_count, MANY);
    cr_assert_eq(ask_all(&x, &f, 1), 0);
    cr_assert_eq(x.verified, MANY);
    release_some(&x, &f, 1);
    cr_assert_eq(f.pin_count, MANY - MANY / 3, "one that was never taken counts for nothing");
    fetch_deinit(&f);
    deinit(&x);
}

/* Everybody who misses a block that is coming waits for the one read, and is told once. */
Test(cache_fetch, misses_of_one_block_share_one_read)
{
    enum { N = 5 };
    struct fixture x;
    struct fetch f[N];
    struct fetch *ready[N];
    init(&x, true);

    uint64_t before = device_reads(&x);
    for (unsigned i = 0; i < N; i++) {
        begin(&x, &f[i], false, FETCH_FILL_NORMAL);
        cr_assert_eq(get(&x, &f[i], 8192, 4096).code, ST_AGAIN);
        if (i == 2)
            cr_assert(fetch_submit(&f[i], x.ring));
    }
    cr_assert(fetch_submit(&f[0], x.ring), "somebody's read is under way for it");
    cr_assert_eq(collect(&x, ready, N), N);
    for (unsigned i = 0; i < N; i++) {
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(ready[i], ready[k]);
        MUST(get(&x, &f[i], 8192, 4096));
    }
    cr_assert_eq(device_reads(&x) - before, 1);
    cr_assert_eq(x.verified, 1);
    for (unsigned i = 0; i < N; i++)
        fetch_deinit(&f[i]);
    deinit(&x);
}

/* Giving up: a read nobody has begun is forgotten; one under way ends in the cache; one that others
 * wait for is theirs. */
Test(cache_fetch, reset_forgets_wants)
{
    struct fixture x;
    struct fetch a;
    struct fetch b;
    struct fetch *ready[4];
    init(&x, true);
    begin(&x, &a, false, FETCH_FILL_NORMAL);
    begin(&x, &b, false, FETCH_FILL_NORMAL);

    uint64_t before = device_reads(&x);
    cr_assert_eq(get(&x, &a, 0, 4096).code, ST_AGAIN);
    cr_assert_eq(x.held, 1);
    fetch_reset(&a);
    cr_assert_eq(x.held, 0);
    cr_assert(fetch_is_ready(&a));
    cr_assert_not(fetch_submit(&a, x.ring));

    cr_assert_eq(get(&x, &a, 0, 4096).code, ST_AGAIN);
    cr_assert_eq(get(&x, &b, 0, 4096).code, ST_AGAIN);
    fetch_reset(&a);
    cr_assert(fetch_submit(&b, x.ring));
    cr_assert_eq(collect(&x, ready, 4), 1);
    cr_assert_eq(ready[0], &b);

    cr_assert_eq(get(&x, &a, 4096, 4096).code, ST_AGAIN);
    cr_assert(fetch_submit(&a, x.ring));
    fetch_reset(&a);
    cr_assert_eq(x.held, 1, "the read under way holds its context");
    cr_assert_eq(collect(&x, ready, 4), 0);
    cr_assert_eq(x.held, 0);
    MUST(get(&x, &a, 4096, 4096));
    cr_assert_eq(device_reads(&x) - before, 2);
    fetch_deinit(&a);
    fetch_deinit(&b);
    deinit(&x);
}

/* A fetch that is ready and was not told yet may go away. */
Test(cache_fetch, reset_between_completion_and_its_report)
{
    struct fixture x;
    struct fetch a;
    struct fetch b;
    init(&x, true);
    begin(&x, &a, false, FETCH_FILL_NORMAL);
    begin(&x, &b, false, FETCH_FILL_NORMAL);

    cr_assert_eq(get(&x, &a, 0, 100).code, ST_AGAIN);
    cr_assert_eq(get(&x, &b, 0, 100).code, ST_AGAIN);
    cr_assert(fetch_submit(&a, x.ring));
    io_ring_wait(x.ring, UINT64_MAX);
    struct io_op *op = io_ring_done(x.ring);
    struct fetch *first = fetch_complete(x.cache, op);
    cr_assert(first == &a || first == &b);
    fetch_deinit(first == &a ? &b : &a);
    cr_assert_null(fetch_complete(x.cache, op));
    MUST(get(&x, first, 0, 100));
    fetch_deinit(first);
    deinit(&x);
}

/* A failed read fails all that waited for it, with words, until they end; then it is tried anew. */
Test(cache_fetch, failures_reach_all_that_wait)
{
    struct fixture x;
    struct fetch f[3];
    struct fetch *ready[3];
    init(&x, true);

    for (unsigned i = 0; i < 3; i++) {
        begin(&x, &f[i], false, FETCH_FILL_NORMAL);
        cr_assert_eq(get(&x, &f[i], 4096, 4096).code, ST_AGAIN);
    }
    io_sim_set_fault(x.sim, &(struct io_sim_fault) { .classes = IO_SIM_READ, .at = 1 });
    cr_assert(fetch_submit(&f[0], x.ring));
    cr_assert_eq(collect(&x, ready, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(get(&x, &f[i], 4096, 4096).code, ST_IO);
        cr_assert_neq(f[i].err.text[0], '\0');
        cr_assert_eq(get(&x, &f[i], 4096, 4096).code, ST_IO);
        cr_assert_not(fetch_submit(&f[i], x.ring), "it is read again");
        fetch_reset(&f[i]);
        cr_assert_eq(get(&x, &f[i], 4096, 4096).code, ST_AGAIN);
    }
    cr_assert(fetch_submit(&f[0], x.ring));
    cr_assert_eq(collect(&x, ready, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        MUST(get(&x, &f[i], 4096, 4096));
        fetch_deinit(&f[i]);
    }
    deinit(&x);
}

/* Blocks given by the caller are verified and cached like those read. */
Test(cache_fetch, given_blocks_are_cached)
{
    struct fixture x;
    struct fetch f;
    uint8_t given[300];
    struct fetch_block block;
    init(&x, true);
    begin(&x, &f, false, FETCH_FILL_NORMAL);

    for (size_t i = 0; i < sizeof given; i++)
        given[i] = byte_at(500 + i);
    struct fetch_request q = ask(&x, 500, sizeof given);
    uint64_t before = device_reads(&x);
    MUST(fetch_get_given(&f, &q, bytes_of(given, sizeof given), &block));
    cr_assert(block.data.data != given);
    fetch_reset(&f);
    MUST(get(&x, &f, 500, sizeof given));
    cr_assert_eq(x.verified, 1);
    x.refuses = true;
    q = ask(&x, 700, 100);
    for (size_t i = 0; i < 100; i++)
        given[i] = byte_at(700 + i);
    cr_assert_eq(fetch_get_given(&f, &q, bytes_of(given, 100), &block).code, ST_CORRUPT);
    cr_assert_eq(device_reads(&x), before);
    fetch_deinit(&f);
    deinit(&x);
}

/* Releases give back one get each; many pins are held as well as few. */
Test(cache_fetch, pins_are_counted)
{
    enum { N = 3 * FETCH_INLINE_PINS };
    struct fixture x;
    struct fetch f;
    struct fetch_block blocks[N];
    init(&x, true);
    begin(&x, &f, true, FETCH_FILL_NORMAL);

    for (unsigned i = 0; i < N; i++) {
        struct fetch_request q = ask(&x, 64 * (uint64_t)(i / 2), 64);
        MUST(fetch_get(&f, &q, &blocks[i]));
    }
    cr_assert_eq(f.pin_count, N);
    for (unsigned i = 0; i < N; i += 3)
        fetch_release(&f, &blocks[i]);
    cr_assert_eq(f.pin_count, N - N / 3);
    for (unsigned i = 0; i < N; i++) {
        if (i % 3 != 0)
            fetch_release(&f, &blocks[i]);
    }
    cr_assert_eq(f.pin_count, 0);
    fetch_deinit(&f);
    deinit(&x);
}

static void use_all(struct fixture *x)
{
    struct fetch f;
    struct fetch *ready[4];

    begin(x, &f, true, FETCH_FILL_NORMAL);
    for (unsigned i = 0; i < FETCH_INLINE_PINS + 2; i++)
        status_ignore(get(x, &f, 3 + 5000 * (uint64_t)i, 100), "an allocation fails somewhere");
    fetch_deinit(&f);
    begin(x, &f, false, FETCH_FILL_NONE);
    status_ignore(get(x, &f, 3, 4000), "an allocation fails somewhere");
    if (fetch_submit(&f, x->ring))
        (void)collect(x, ready, 4);
    status_ignore(get(x, &f, 3, 4000), "an allocation fails somewhere");
    fetch_deinit(&f);
}

/* Whichever allocation fails, and all after it: no leak, no pin left, no hold left. */
Test(cache_fetch, out_of_memory_is_clean)
{
    for (uint64_t n = 1; n < 120; n++) {
        struct fixture x;
        init(&x, true);
        x.alloc.fail_at = n;
        x.alloc.fail_for_ever = n % 2 == 0;
        use_all(&x);
        x.alloc.fail_at = 0;
        deinit(&x);
    }
}
