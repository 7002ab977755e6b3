/*
 * Commands through an evaluator beside a plain model of what they wrote.
 *
 * Rows over the tree are kept, read again, doubted and evicted; proposals are on their way, refused
 * and lost; memtables are flushed and compacted under them; commands wait for reads and run again.
 * Each read must answer what the model has, with its version, and each command must wait for the
 * newest pending write that it saw, no more and no less.
 */
#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include "base/clock.h"
#include "base/rand.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum {
    KEYS = 150,      /* Of which ranges are deleted, and that are asked for again. */
    GROUP_KEYS = 20, /* Of a group that is deleted as a whole, for good. */
    ALL_KEYS = KEYS + GROUP_KEYS,
    COMMANDS = 3000,
    OPS_MAX = 6,
    WAITERS = 4,
    WATCHES = 4,
    HISTORY = 64, /* Tickets under way at most. */
    KEY_SIZE = 16,
    VALUE_MAX = 20000,
};

static const size_t SIZES[] = { 0, 1, 8, 40, 200, 1000, 1024, 1025, 3000, VALUE_MAX };

struct cell {
    bool is_there;
    uint32_t value;
    uint64_t expire_ms;
    uint64_t ticket;  /* Of its last write. */
    uint64_t version; /* 0: not proposed yet. */
    uint64_t writes;  /* Counts all writes: tells one from another. */
};

struct model {
    struct cell cells[ALL_KEYS];
    uint32_t group;
};

/* The log's proposer, that refuses when it is told to: until it is told otherwise, or for ever. */
struct picky {
    struct txn_log_proposer log;
    bool refuses;
    bool rejects;
};

struct waiter {
    struct lsm_reader reader;
    uint64_t seed; /* Of what the command does; 0: there is none. */
};

struct watched {
    struct lsm_snapshot *pin; /* NULL: none. */
    struct txn_watch token;
    unsigned key;
    uint64_t writes;
    uint64_t expire_ms; /* 0: it was not there, or has none. */
};

struct fixture {
    struct io_sim *sim;
    struct sim_store store;
    struct io_ring *work_ring;
    struct picky picky;
    struct txn_pipeline pipeline;
    struct txn_evaluator *evaluator;
    size_t rows_bytes;
    struct model now;
    struct model history[HISTORY]; /* After each ticket. */
    struct waiter waiters[WAITERS];
    struct watched watches[WATCHES];
    uint64_t writes;
    bool lacks_version;
    bool is_losing;
    struct rand rand;
    uint64_t checks;
};

/* A command that runs: what it wrote, over the model. */
struct run {
    struct fixture *f;
    struct rand rand;
    struct cell cells[ALL_KEYS];
    bool is_written[ALL_KEYS];
    bool has_writes;
    bool ends_group;
    uint64_t seen; /* Newest pending write. */
};

/* ---- The store ------------------------------------------------------------------------------ */

static struct status propose(void *context, struct txn_proposal *p)
{
    struct picky *picky = context;
    struct txn_proposer log = txn_log_proposer_ops(&picky->log);

    if (picky->rejects)
        return status_of(ST_LIMIT);
    return picky->refuses ? status_of(ST_AGAIN) : log.propose(log.context, p);
}

static bool is_durable(void *context, const struct txn_proposal *p)
{
    struct txn_proposer log = txn_log_proposer_ops(&((struct picky *)context)->log);
    return log.is_durable(log.context, p);
}

static const char *failure(void *context)
{
    struct txn_proposer log = txn_log_proposer_ops(&((struct picky *)context)->log);
    return log.failure(log.context);
}

static void open_store(struct fixture *f)
{
    const struct sim_store_options options = { .dir = "/store",
                                               .cache_size = CACHE_SIZE_MIN,
                                               .lsm = { .log.segment_size = 256 << 10,
                                                        .write_buffer_size = 64 << 10,
                                                        .separation_min = 512,
                                                        .table_size = 16 << 10,
                                                        .level_base_size = 32 << 10 } };

    MUST(sim_store_open(&f->store, f->sim, &options));
    MUST(io_ring_create(f->store.env.io, &(struct io_ring_options) { .entries = 64 },
                        &f->work_ring));
    txn_log_proposer_init(&f->picky.log, f->store.lsm, f->store.env.clock, 0);
    f->picky.refuses = false;
    f->picky.rejects = false;
    const struct txn_proposer proposer = {
        .context = &f->picky, .propose = propose, .is_durable = is_durable, .failure = failure
    };
    MUST(txn_pipeline_init(&f->pipeline, &f->store.env, f->store.lsm, &proposer, f->store.ring));
    MUST(txn_evaluator_create(&f->pipeline, 0, f->rows_bytes, 7, &f->evaluator));
    for (int i = 0; i < WAITERS; i++)
        lsm_reader_init(&f->waiters[i].reader, f->store.lsm, NULL, 0);
}

static void close_store(struct fixture *f)
{
    for (int i = 0; i < WATCHES; i++) {
        lsm_snapshot_release(f->store.lsm, f->watches[i].pin);
        f->watches[i].pin = NULL;
    }
    for (int i = 0; i < WAITERS; i++) {
        lsm_reader_deinit(&f->waiters[i].reader);
        f->waiters[i].seed = 0;
    }
    txn_evaluator_destroy(f->evaluator);
    cr_assert_eq(f->store.budget.held_bytes[BUDGET_ROWS], 0);
    cr_assert_eq(f->store.budget.held_bytes[BUDGET_PENDING], 0);
    txn_pipeline_deinit(&f->pipeline);
    io_ring_destroy(f->work_ring);
    sim_store_close(&f->store);
}

/* Take what the ring has done, having waited for at most so long. */
static void pump(struct fixture *f, uint64_t wait_ns)
{
    struct io_op *op;

    io_ring_wait(f->store.ring, wait_ns == 0 ? 0 : clock_ns(f->store.env.clock) + wait_ns);
    while ((op = io_ring_done(f->store.ring)) != NULL) {
        while (op->tag == FETCH_OP_TAG && fetch_complete(f->store.cache, op) != NULL)
            ;
    }
}

static void advance(struct fixture *f)
{
    uint64_t before;

    do {
        before = txn_applied_ticket(f->evaluator);
        (void)vlog_write_step(lsm_log(f->store.lsm), f->store.ring, clock_ns(f->store.env.clock));
        txn_advance(f->evaluator);
    } while (before != txn_applied_ticket(f->evaluator));
    cr_assert_leq(f->store.budget.held_bytes[BUDGET_ROWS], f->rows_bytes);
}

static void work(struct fixture *f, unsigned steps)
{
    while (steps-- > 0 &&
           lsm_work_step(f->store.lsm, f->work_ring, clock_ns(f->store.env.clock)) == LSM_AGAIN)
        ;
}

/* ---- What is written ------------------------------------------------------------------------ */

static struct bytes key_of(const struct fixture *f, unsigned i, char room[KEY_SIZE])
{
    int n = i < KEYS ? snprintf(room, KEY_SIZE, "k%04u", i)
                     : snprintf(room, KEY_SIZE, "z%06u:%04u", f->now.group, i - KEYS);
    return bytes_of(room, (size_t)n);
}

/* The value of a number: its size and bytes. */
static struct bytes value_of(uint32_t value, uint8_t room[VALUE_MAX])
{
    size_t size = SIZES[value % (sizeof SIZES / sizeof SIZES[0])];

    for (size_t i = 0; i < size; i++)
        room[i] = (uint8_t)(value >> 8 * (i % 4));
    return bytes_of(room, size);
}

static struct cell *write_cell(struct run *r, unsigned i)
{
    r->is_written[i] = true;
    r->has_writes = true;
    r->cells[i] = (struct cell) { .is_there = false };
    return &r->cells[i];
}

static struct status put(struct run *r, unsigned i)
{
    static uint8_t value_room[VALUE_MAX];
    char room[KEY_SIZE];
    struct cell *c = write_cell(r, i);
    uint64_t lifetime_ms = rand_below(&r->rand, 3) == 0 ? 1 + rand_below(&r->rand, 100) : 0;

    c->is_there = true;
    c->value = (uint32_t)rand_u64(&r->rand);
    c->expire_ms = lifetime_ms == 0 ? 0 : txn_now_ms(r->f->evaluator) + lifetime_ms;
    const struct lsm_put p = { .key = key_of(r->f, i, room),
                               .value = value_of(c->value, value_room),
                               .type = (uint8_t)(c->value % 7),
                               .expire_ms = c->expire_ms };
    return txn_put(r->f->evaluator, &p);
}

static struct status delete (struct run *r, unsigned i)
{
    char room[KEY_SIZE];

    (void)write_cell(r, i);
    return txn_delete(r->f->evaluator, key_of(r->f, i, room));
}

static struct status delete_range(struct run *r)
{
    char begin[KEY_SIZE];
    char end[KEY_SIZE];
    unsigned a = (unsigned)rand_below(&r->rand, KEYS);
    unsigned b = a + (unsigned)rand_below(&r->rand, KEYS - a);

    for (unsigned i = a; i < b; i++)
        (void)write_cell(r, i);
    r->has_writes = true;
    return txn_delete_range(r->f->evaluator, key_of(r->f, a, begin), key_of(r->f, b, end), false);
}

/* Nobody asks for a key of this group any more. */
static struct status end_group(struct run *r)
{
    char begin[KEY_SIZE];
    char end[KEY_SIZE];

    r->has_writes = true;
    r->ends_group = true;
    return txn_delete_range(r->f->evaluator, key_of(r->f, KEYS, begin), key_of(r->f, ALL_KEYS, end),
                            true);
}

/* ---- What is read --------------------------------------------------------------------------- */

static void check_value(const struct cell *c, unsigned flags, const struct lsm_value *v)
{
    static uint8_t value_room[VALUE_MAX];
    struct bytes value = value_of(c->value, value_room);

    cr_assert_eq(v->size, value.size);
    cr_assert(bytes_equal(v->value, value) || (flags & LSM_READ_META && v->value.size == 0));
    cr_assert_eq(v->type, (uint8_t)(c->value % 7));
    cr_assert_eq(v->expire_ms, c->expire_ms);
    cr_assert_eq(v->version, c->version, "%llu, not %llu", (unsigned long long)v->version,
                 (unsigned long long)c->version);
}

static struct status get(struct run *r, unsigned i)
{
    struct fixture *f = r->f;
    const struct cell *c = r->is_written[i] ? &r->cells[i] : &f->now.cells[i];
    unsigned flags = rand_below(&r->rand, 4) == 0 ? LSM_READ_META : 0;
    char room[KEY_SIZE];
    struct lsm_value v;
    struct bytes key = key_of(f, i, room);

    if (rand_below(&r->rand, 4) == 0)
        txn_expect(f->evaluator, key);
    struct status s = txn_get(f->evaluator, key, flags, &v);
    if (s.code == ST_AGAIN)
        return s;
    cr_assert(succeeded(s) || s.code == ST_NOT_FOUND, "%s", status_name(s.code));
    cr_assert_eq(succeeded(s), c->is_there, "%.*s", (int)key.size, (const char *)key.data);
    if (succeeded(s))
        check_value(c, flags, &v);
    if (!r->is_written[i] && c->ticket > r->seen)
        r->seen = c->ticket;
    f->checks++;
    return status_ok();
}

/* ---- Commands ------------------------------------------------------------------------------- */

static struct status run_op(struct run *r)
{
    unsigned i = (unsigned)rand_below(&r->rand, ALL_KEYS);

    switch (rand_below(&r->rand, 40)) {
    case 0:
        return delete_range(r);
    case 1:
    case 2:
    case 3:
        return delete (r, i);
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        return put(r, i);
    default:
        return get(r, i);
    }
}

static struct status run_ops(struct run *r)
{
    uint64_t count = 1 + rand_below(&r->rand, OPS_MAX);

    for (uint64_t n = 0; n < count; n++)
        TRY(run_op(r));
    return rand_below(&r->rand, 100) == 0 ? end_group(r) : status_ok();
}

/* What it wrote holds. */
static void take_writes(struct run *r)
{
    struct fixture *f = r->f;

    for (unsigned i = 0; i < ALL_KEYS; i++) {
        if (!r->is_written[i])
            continue;
        f->now.cells[i] = r->cells[i];
        f->now.cells[i].ticket = f->pipeline.next_ticket;
        f->now.cells[i].writes = ++f->writes;
    }
    if (!r->ends_group)
        return;
    f->now.group++;
    for (unsigned i = KEYS; i < ALL_KEYS; i++)
        f->now.cells[i] = (struct cell) { .writes = ++f->writes };
}

static void check_ticket(const struct run *r, bool is_kept, uint64_t ticket)
{
    uint64_t expected = is_kept && r->has_writes ? r->f->pipeline.next_ticket : r->seen;

    if (expected <= txn_applied_ticket(r->f->evaluator))
        expected = 0;
    cr_assert_eq(ticket, expected, "%llu, not %llu", (unsigned long long)ticket,
                 (unsigned long long)expected);
}

/* Run the command from its first line. False: it waits. */
static bool run_command(struct fixture *f, struct waiter *w)
{
    static struct run r;
    uint64_t ticket;

    r = (struct run) { .f = f };
    rand_seed(&r.rand, w->seed);
    txn_begin(f->evaluator, &w->reader);
    struct status s = run_ops(&r);
    if (s.code == ST_AGAIN) {
        txn_drop(f->evaluator, &ticket);
        lsm_reader_leave(&w->reader);
        (void)fetch_submit(&w->reader.fetch, f->store.ring);
        return false;
    }
    MUST(s);
    bool is_kept = rand_below(&r.rand, 5) != 0;
    if (is_kept)
        MUST(txn_keep(f->evaluator, &ticket));
    else
        txn_drop(f->evaluator, &ticket);
    check_ticket(&r, is_kept, ticket);
    if (is_kept)
        take_writes(&r);
    lsm_reader_reset(&w->reader);
    w->seed = 0;
    return true;
}

static void run_one(struct fixture *f)
{
    struct waiter *w = &f->waiters[rand_below(&f->rand, WAITERS)];

    if (w->seed != 0 && !fetch_is_ready(&w->reader.fetch))
        return;
    if (w->seed == 0)
        w->seed = 1 + rand_below(&f->rand, UINT64_MAX - 1);
    (void)run_command(f, w);
}

/* ---- Turns ---------------------------------------------------------------------------------- */

/* The clock's mark is used up, or is raised again. */
static void play_with_mark(struct fixture *f)
{
    if (f->lacks_version) {
        MUST(txn_clock_keep_ahead(&f->pipeline.clock, f->work_ring));
        return;
    }
    if (!f->is_losing && rand_below(&f->rand, 20) == 0)
        atomic_store(&f->pipeline.clock.mark, f->pipeline.clock.last + 1);
}

static void end_turn(struct fixture *f)
{
    uint64_t ticket = f->pipeline.next_ticket;

    play_with_mark(f);
    struct status s = txn_end_turn(f->evaluator);
    f->lacks_version = s.code == ST_AGAIN;
    if (f->lacks_version || (f->is_losing && failed(s)))
        return;
    MUST(s);
    if (f->pipeline.next_ticket == ticket)
        return;
    const struct txn_proposal *p =
        f->pipeline.refused != NULL ? f->pipeline.refused_last : f->pipeline.newest;
    cr_assert_eq(p->ticket, ticket);
    for (unsigned i = 0; i < ALL_KEYS; i++) {
        if (f->now.cells[i].ticket == ticket)
            f->now.cells[i].version = p->version;
    }
    f->history[ticket % HISTORY] = f->now;
}

static uint64_t under_way(const struct fixture *f)
{
    return f->pipeline.next_ticket - 1 - txn_applied_ticket(f->evaluator);
}

static void settle(struct fixture *f)
{
    f->picky.refuses = false;
    do {
        end_turn(f);
        advance(f);
        pump(f, 1000 * 1000);
    } while (f->lacks_version || under_way(f) > 0);
}

static void finish_waiters(struct fixture *f)
{
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *w = &f->waiters[i];
        while (w->seed != 0) {
            while (!fetch_is_ready(&w->reader.fetch))
                pump(f, 1000 * 1000);
            (void)run_command(f, w);
        }
    }
}

/* Every key, as it is. */
static void check_all(struct fixture *f)
{
    static struct run r;
    struct waiter *w = &f->waiters[0];
    uint64_t ticket;

    finish_waiters(f);
    for (unsigned i = 0; i < ALL_KEYS;) {
        r = (struct run) { .f = f };
        rand_seed(&r.rand, i + 1);
        txn_begin(f->evaluator, &w->reader);
        struct status s = get(&r, i);
        txn_drop(f->evaluator, &ticket);
        if (succeeded(s)) {
            check_ticket(&r, false, ticket);
            lsm_reader_reset(&w->reader);
            i++;
            continue;
        }
        lsm_reader_leave(&w->reader);
        (void)fetch_submit(&w->reader.fetch, f->store.ring);
        while (!fetch_is_ready(&w->reader.fetch))
            pump(f, 1000 * 1000);
    }
}

/* ---- Watches -------------------------------------------------------------------------------- */

static void watch(struct fixture *f, struct watched *w)
{
    struct lsm_reader reader;
    char room[KEY_SIZE];
    uint64_t ticket;

    if (txn_open_size(f->evaluator) > 0)
        return;
    lsm_reader_init(&reader, f->store.lsm, NULL, 0);
    w->key = (unsigned)rand_below(&f->rand, KEYS);
    MUST(lsm_snapshot_take(f->store.lsm, &w->pin));
    txn_begin(f->evaluator, &reader);
    uint64_t now_ms = txn_now_ms(f->evaluator);
    struct status s = txn_watch(f->evaluator, key_of(f, w->key, room), &w->token);
    txn_drop(f->evaluator, &ticket);
    lsm_reader_deinit(&reader);
    if (failed(s)) {
        cr_assert_eq(s.code, ST_AGAIN);
        lsm_snapshot_release(f->store.lsm, w->pin);
        w->pin = NULL;
        return;
    }
    const struct cell *c = &f->now.cells[w->key];
    w->writes = c->writes;
    w->expire_ms = c->is_there && c->expire_ms > now_ms ? c->expire_ms : 0;
}

static void check_watch(struct fixture *f, struct watched *w)
{
    struct lsm_reader reader;
    char room[KEY_SIZE];
    uint64_t ticket;

    lsm_reader_init(&reader, f->store.lsm, NULL, 0);
    txn_begin(f->evaluator, &reader);
    bool is_over = w->expire_ms != 0 && w->expire_ms <= txn_now_ms(f->evaluator);
    bool is_same = w->writes == f->now.cells[w->key].writes && !is_over;
    struct status s = txn_watch_check(f->evaluator, key_of(f, w->key, room), &w->token);
    txn_drop(f->evaluator, &ticket);
    lsm_reader_deinit(&reader);
    if (s.code == ST_AGAIN)
        return;
    cr_assert_eq(s.code, is_same ? ST_OK : ST_CONFLICT, "%s of %u", status_name(s.code), w->key);
    f->checks++;
    lsm_snapshot_release(f->store.lsm, w->pin);
    w->pin = NULL;
}

static void play_with_watches(struct fixture *f)
{
    struct watched *w = &f->watches[rand_below(&f->rand, WATCHES)];

    if (w->pin == NULL)
        watch(f, w);
    else
        check_watch(f, w);
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static void step(struct fixture *f)
{
    uint64_t ticket;

    switch (rand_below(&f->rand, 12)) {
    case 0:
        io_sim_advance(f->sim, rand_below(&f->rand, 20) * 1000 * 1000);
        break;
    case 1:
        work(f, (unsigned)rand_below(&f->rand, 20));
        break;
    case 2:
        f->picky.refuses = rand_below(&f->rand, 8) == 0;
        break;
    case 3:
        if (f->pipeline.oldest == NULL && f->pipeline.refused == NULL &&
            rand_below(&f->rand, 8) == 0)
            status_ignore(lsm_freeze(f->store.lsm, &ticket), "there are many");
        break;
    case 4:
        play_with_watches(f);
        break;
    case 5:
    case 6:
        end_turn(f);
        break;
    case 7:
        advance(f);
        break;
    case 8:
        pump(f, rand_below(&f->rand, 2) * 1000 * 1000);
        break;
    default:
        run_one(f);
        break;
    }
    if (under_way(f) > HISTORY / 2)
        settle(f);
    uint64_t delay_ns;
    while (lsm_admit(f->store.lsm, 0, false, &delay_ns).code == ST_AGAIN) {
        settle(f);
        work(f, 100);
    }
}

static void compact(struct fixture *f)
{
    static const struct bytes all;
    uint64_t ticket;

    settle(f);
    while (lsm_freeze(f->store.lsm, &ticket).code == ST_BUSY)
        work(f, 100);
    settle(f);
    MUST(lsm_compact(f->store.lsm, 0, all, all, &ticket));
    for (int i = 0; i < 100000 && lsm_compacted(f->store.lsm) < ticket; i++) {
        work(f, 1);
        advance(f);
        pump(f, 1000 * 1000);
    }
    cr_assert_geq(lsm_compacted(f->store.lsm), ticket);
}

/* The store in another process: nothing is kept over it. */
static void restart(struct fixture *f)
{
    finish_waiters(f);
    settle(f);
    close_store(f);
    for (unsigned i = 0; i < ALL_KEYS; i++)
        f->now.cells[i].ticket = 0;
    open_store(f);
    f->history[0] = f->now;
    check_all(f);
}

/* The log fails: what is applied is what there was; the rest never was. */
static void lose(struct fixture *f)
{
    const struct io_sim_fault fault = { .classes = IO_SIM_WRITE, .at = 1, .is_for_ever = true };

    finish_waiters(f);
    settle(f);
    f->is_losing = true;
    io_sim_set_fault(f->sim, &fault);
    for (int i = 0; i < 100000 && (txn_failure(f->evaluator) == NULL ||
                                   f->pipeline.oldest != NULL || f->pipeline.refused != NULL);
         i++) {
        if (txn_failure(f->evaluator) == NULL) {
            run_one(f);
            end_turn(f);
        }
        advance(f);
        pump(f, rand_below(&f->rand, 2) * 1000 * 1000);
    }
    cr_assert_not_null(txn_failure(f->evaluator));
    for (int i = 0; i < WAITERS; i++) {
        lsm_reader_reset(&f->waiters[i].reader);
        f->waiters[i].seed = 0;
    }
    txn_forget(f->evaluator);
    f->now = f->history[txn_applied_ticket(f->evaluator) % HISTORY];
    check_all(f);
    check_all(f);
}

static void run(uint64_t seed, size_t rows_bytes, bool fails)
{
    static struct fixture f;
    const struct io_sim_options options = { .seed = seed,
                                            .latency_min_ns = 10 * 1000,
                                            .latency_max_ns = 2000 * 1000 };

    f = (struct fixture) { .sim = io_sim_create(&options, NULL), .rows_bytes = rows_bytes };
    rand_seed(&f.rand, seed);
    open_store(&f);
    for (int i = 1; i <= COMMANDS; i++) {
        step(&f);
        if (i % (COMMANDS / 4) == 0)
            compact(&f);
        if (i % (COMMANDS / 4) == COMMANDS / 8)
            check_all(&f);
    }
    check_all(&f);
    restart(&f);
    for (int i = 0; i < COMMANDS / 4; i++)
        step(&f);
    if (fails)
        lose(&f);
    else
        settle(&f);
    close_store(&f);
    cr_assert_gt(f.checks, COMMANDS / 4, "%llu", (unsigned long long)f.checks);
    io_sim_destroy(f.sim);
}

/* All rows that were ever asked for stay. */
Test(txn_evaluator, with_room_for_all_rows_commands_agree_with_a_model)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        run(seed, 4 << 20, seed == 2);
}

/* Rows come and go. */
Test(txn_evaluator, with_room_for_few_rows_commands_agree_with_a_model)
{
    for (uint64_t seed = 11; seed <= 13; seed++)
        run(seed, 4 << 10, seed == 12);
}

Test(txn_evaluator, without_kept_rows_commands_agree_with_a_model)
{
    run(21, 0, true);
}

/* What a turn of large values took is given back when it is applied. */
Test(txn_evaluator, large_turns_leave_no_memory_behind)
{
    enum { PUTS = 64, PUT_SIZE = 64 << 10 };
    static const uint8_t value[PUT_SIZE];
    static struct fixture f;
    struct alloc_test alloc;
    uint64_t ticket;

    alloc_test_init(&alloc);
    f = (struct fixture) { .sim = io_sim_create(NULL, NULL), .rows_bytes = 64 << 10 };
    open_store(&f);
    txn_evaluator_destroy(f.evaluator);
    struct env env = f.store.env;
    env.alloc = &alloc.alloc;
    f.pipeline.env = &env;
    MUST(txn_evaluator_create(&f.pipeline, 0, f.rows_bytes, 7, &f.evaluator));
    for (int turn = 0; turn < 8; turn++) {
        txn_begin(f.evaluator, &f.waiters[0].reader);
        for (int i = 0; i < PUTS; i++) {
            char room[KEY_SIZE];
            const struct lsm_put put = { .key = key_of(&f, (unsigned)i, room),
                                         .value = bytes_of(value, sizeof value) };
            MUST(txn_put(f.evaluator, &put));
        }
        MUST(txn_keep(f.evaluator, &ticket));
        MUST(txn_end_turn(f.evaluator));
    }
    cr_assert_gt(alloc.live_bytes, 8 * PUTS * PUT_SIZE);
    while (under_way(&f) > 0) {
        advance(&f);
        pump(&f, 1000 * 1000);
    }
    cr_assert_lt(alloc.live_bytes, PUTS * PUT_SIZE);
    txn_evaluator_destroy(f.evaluator);
    cr_assert_eq(alloc.live_bytes, 0);
    f.pipeline.env = &f.store.env;
    MUST(txn_evaluator_create(&f.pipeline, 0, f.rows_bytes, 7, &f.evaluator));
    close_store(&f);
    io_sim_destroy(f.sim);
}

static uint64_t put_one(struct fixture *f, unsigned i)
{
    char room[KEY_SIZE];
    uint64_t ticket;
    const struct lsm_put put = { .key = key_of(f, i, room), .value = bytes_str("v") };

    txn_begin(f->evaluator, &f->waiters[0].reader);
    MUST(txn_put(f->evaluator, &put));
    MUST(txn_keep(f->evaluator, &ticket));
    MUST(txn_end_turn(f->evaluator));
    return ticket;
}

enum { KEPT_KEYS = 4 };

/* What the evaluator answers for each of the first keys, the first byte, 0 if there is none; and
 * the tickets that who reads them has to wait for. */
struct kept {
    char values[KEPT_KEYS];
    uint64_t tickets[KEPT_KEYS];
};

static void read_all(struct fixture *f, struct kept *out)
{
    char room[KEY_SIZE];
    struct lsm_value v;

    for (unsigned i = 0; i < KEPT_KEYS; i++) {
        txn_begin(f->evaluator, &f->waiters[0].reader);
        struct status s = txn_get(f->evaluator, key_of(f, i, room), 0, &v);
        cr_assert(succeeded(s) || s.code == ST_NOT_FOUND);
        out->values[i] = succeeded(s) ? (char)v.value.data[0] : 0;
        txn_drop(f->evaluator, &out->tickets[i]);
        lsm_reader_reset(&f->waiters[0].reader);
    }
}

/* Key 0 grows, 1 is new, 2 goes, and 3 by a range. */
static struct status change_all(struct fixture *f, uint64_t *out_ticket)
{
    static const uint8_t large[2000] = { 'b' };
    char rooms[2][KEY_SIZE];
    struct txn_evaluator *e = f->evaluator;
    struct lsm_put put = { .key = key_of(f, 0, rooms[0]), .value = bytes_of(large, sizeof large) };

    txn_begin(e, &f->waiters[0].reader);
    struct status s =
        txn_delete_range(e, key_of(f, 3, rooms[0]), key_of(f, KEPT_KEYS, rooms[1]), false);
    put.key = key_of(f, 0, rooms[0]);
    if (succeeded(s))
        s = txn_put(e, &put);
    put.key = key_of(f, 1, rooms[0]);
    if (succeeded(s))
        s = txn_put(e, &put);
    if (succeeded(s))
        s = txn_delete(e, key_of(f, 2, rooms[0]));
    if (succeeded(s))
        return txn_keep(e, out_ticket);
    txn_drop(e, out_ticket);
    return s;
}

static void apply_all(struct fixture *f)
{
    while (under_way(f) > 0) {
        advance(f);
        pump(f, 1000 * 1000);
    }
}

static void put_some(struct fixture *f)
{
    (void)put_one(f, 0);
    (void)put_one(f, 2);
    (void)put_one(f, 3);
}

/* Whichever allocation fails, alone or with all behind it: the command is refused and nothing
 * happened, or it is kept, seen by those after it, who wait for it, and applied. What it changes is
 * in the tree, and may be under way once more. */
static bool keep_without_memory(uint64_t fail_at, bool for_ever, bool is_under_way)
{
    static struct fixture f;
    static const char BEFORE[KEPT_KEYS] = { 'v', 0, 'v', 'v' };
    static const char AFTER[KEPT_KEYS] = { 'b', 'b', 0, 0 };
    struct alloc_test alloc;
    struct kept seen;
    uint64_t ticket;

    alloc_test_init(&alloc);
    f = (struct fixture) { .sim = io_sim_create(NULL, NULL), .rows_bytes = 64 << 10 };
    open_store(&f);
    put_some(&f);
    apply_all(&f);
    txn_evaluator_destroy(f.evaluator);
    struct env env = f.store.env;
    env.alloc = &alloc.alloc;
    f.pipeline.env = &env;
    MUST(txn_evaluator_create(&f.pipeline, 0, f.rows_bytes, 7, &f.evaluator));
    if (is_under_way)
        put_some(&f);
    alloc.calls = 0;
    alloc.fail_at = fail_at;
    alloc.fail_for_ever = for_ever;
    struct status s = change_all(&f, &ticket);
    bool has_failed = alloc.calls >= fail_at;
    alloc.is_paused = true;
    cr_assert(succeeded(s) || s.code == ST_NO_MEMORY, "call %llu", (unsigned long long)fail_at);
    read_all(&f, &seen);
    cr_assert_arr_eq(seen.values, succeeded(s) ? AFTER : BEFORE, KEPT_KEYS, "call %llu",
                     (unsigned long long)fail_at);
    for (int i = 0; i < KEPT_KEYS && succeeded(s); i++)
        cr_assert_eq(seen.tickets[i], ticket, "call %llu, key %d", (unsigned long long)fail_at, i);
    MUST(txn_end_turn(f.evaluator));
    apply_all(&f);
    read_all(&f, &seen);
    cr_assert_arr_eq(seen.values, succeeded(s) ? AFTER : BEFORE, KEPT_KEYS, "call %llu",
                     (unsigned long long)fail_at);
    txn_evaluator_destroy(f.evaluator);
    cr_assert_eq(alloc.live_bytes, 0);
    f.pipeline.env = &f.store.env;
    MUST(txn_evaluator_create(&f.pipeline, 0, f.rows_bytes, 7, &f.evaluator));
    close_store(&f);
    io_sim_destroy(f.sim);
    return has_failed;
}

Test(txn_evaluator, a_command_is_kept_whole_or_not_at_all_without_memory)
{
    for (unsigned form = 0; form < 4; form++) {
        uint64_t fail_at = 1;
        while (keep_without_memory(fail_at, (form & 1) != 0, (form & 2) != 0))
            fail_at++;
        cr_assert_gt(fail_at, 8);
    }
}

/* The ticket of a read, and whether something was there. */
static uint64_t read_one(struct fixture *f, unsigned i, bool *out_is_there)
{
    char room[KEY_SIZE];
    uint64_t ticket;
    struct lsm_value v;

    txn_begin(f->evaluator, &f->waiters[0].reader);
    *out_is_there = succeeded(txn_get(f->evaluator, key_of(f, i, room), 0, &v));
    txn_drop(f->evaluator, &ticket);
    lsm_reader_reset(&f->waiters[0].reader);
    return ticket;
}

/* One was refused, and then for good, while the one before it is under way: who reads what it wrote
 * waits for what never comes, until it is forgotten. */
Test(txn_evaluator, what_was_dropped_is_not_taken_for_applied)
{
    static struct fixture f;
    bool is_there;

    f = (struct fixture) { .sim = io_sim_create(NULL, NULL), .rows_bytes = 64 << 10 };
    open_store(&f);
    (void)put_one(&f, 1);
    f.picky.refuses = true;
    uint64_t refused = put_one(&f, 2);
    f.picky.rejects = true;
    txn_advance(f.evaluator);
    cr_assert_not_null(txn_failure(f.evaluator));
    cr_assert_not_null(f.pipeline.oldest);
    cr_assert_eq(read_one(&f, 2, &is_there), refused);
    cr_assert(is_there);
    while (f.pipeline.oldest != NULL) {
        advance(&f);
        pump(&f, 1000 * 1000);
    }
    cr_assert_eq(txn_applied_ticket(f.evaluator), 1);
    cr_assert_eq(read_one(&f, 2, &is_there), refused);
    txn_forget(f.evaluator);
    cr_assert_eq(read_one(&f, 2, &is_there), 0);
    cr_assert(!is_there);
    cr_assert_eq(read_one(&f, 1, &is_there), 0);
    cr_assert(is_there);
    close_store(&f);
    io_sim_destroy(f.sim);
}
