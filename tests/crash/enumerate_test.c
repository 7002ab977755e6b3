/*
 * The enumerator of crash states and the sweeps, shown on a toy: a log of records and a config
 * file replaced by rename. Done right it survives every state; each of the classic mistakes is
 * caught.
 */
#include "tests/crash/support/enumerate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "tests/crash/support/sweep.h"
#include "tests/support/must.h"

enum { RECORD_SIZE = 708, RECORDS = 4 };

/* What the toy forgets to do. */
enum mistake {
    NONE = 0,
    NO_SYNC = 1 << 0,             /* of the log, before the acknowledgement */
    NO_DIR_SYNC = 1 << 1,         /* after creating the log */
    NO_CHECKSUM = 1 << 2,         /* of a record, when reading it back */
    RENAME_BEFORE_SYNC = 1 << 3,  /* of the new config */
    ACK_BEFORE_DIR_SYNC = 1 << 4, /* of the config's rename */
    IGNORES_FAILURE = 1 << 5,     /* of a sync: tries again */
    WITH_DSYNC = 1 << 6,          /* No mistake: durable writes instead of syncs. */
};

/* A record: its number, and a payload made of it. */
static void make_record(uint8_t *record, uint32_t number)
{
    for (size_t i = 4; i < RECORD_SIZE; i += 8)
        put_u64(record + i, hash_u64(number + 1) + i);
    put_u32(record, number);
}

struct toy {
    struct io_sim *sim;
    struct io *io;
    struct io_ring *ring;
    unsigned mistakes;
};

static struct status toy_append(struct toy *t, struct io_file *log, uint32_t number)
{
    uint8_t record[RECORD_SIZE];

    make_record(record, number);
    TRY(io_write(t->ring, log, record, sizeof record, (number - 1) * (uint64_t)RECORD_SIZE));
    if ((t->mistakes & (NO_SYNC | WITH_DSYNC)) == 0) {
        struct status s = io_sync(t->ring, log);
        if (failed(s) && (t->mistakes & IGNORES_FAILURE) != 0)
            s = io_sync(t->ring, log);
        TRY(s);
    }
    io_sim_mark(t->sim, "ack", number);
    return status_ok();
}

static unsigned log_flags(const struct toy *t)
{
    return IO_READ | IO_WRITE | IO_CREATE | ((t->mistakes & WITH_DSYNC) != 0 ? IO_DSYNC : 0);
}

static struct status toy_write_log(struct toy *t)
{
    struct io_file *log;
    struct status s;

    TRY(io_open(t->io, "log", log_flags(t), &log));
    s = (t->mistakes & NO_DIR_SYNC) != 0 ? status_ok() : io_sync_dir(t->io, ".");
    for (uint32_t i = 1; i <= RECORDS && succeeded(s); i++)
        s = toy_append(t, log, i);
    io_close(log);
    return s;
}

static struct status toy_set_config(struct toy *t, uint32_t number)
{
    uint8_t record[RECORD_SIZE];
    struct io_file *f;
    struct status s;

    make_record(record, number);
    TRY(io_open(t->io, "tmp", IO_WRITE | IO_CREATE | IO_TRUNCATE, &f));
    s = io_write(t->ring, f, record, sizeof record, 0);
    if (succeeded(s) && (t->mistakes & RENAME_BEFORE_SYNC) == 0)
        s = io_sync(t->ring, f);
    io_close(f);
    TRY(s);
    TRY(io_rename(t->io, "tmp", "config"));
    if ((t->mistakes & ACK_BEFORE_DIR_SYNC) == 0)
        TRY(io_sync_dir(t->io, "."));
    io_sim_mark(t->sim, "config", number);
    return status_ok();
}

static struct status toy_run(struct toy *t)
{
    TRY(toy_write_log(t));
    TRY(toy_set_config(t, 1));
    return toy_set_config(t, 2);
}

/* The records of the file at path that are right, from the first on; 0 if there is no file. */
static struct status toy_read(struct toy *t, const char *path, uint32_t first, uint32_t *out_last)
{
    uint8_t record[RECORD_SIZE];
    uint8_t expected[RECORD_SIZE];
    uint32_t last = 0;
    size_t got = 0;
    struct io_file *f;
    struct status s = io_open(t->io, path, IO_READ, &f);

    if (s.code == ST_NOT_FOUND) {
        *out_last = 0;
        return status_ok();
    }
    TRY(s);
    for (uint32_t i = 0;; i++) {
        s = io_read(t->ring, f, record, sizeof record, i * (uint64_t)RECORD_SIZE, &got);
        if (failed(s) || got < sizeof record)
            break;
        make_record(expected, get_u32(record));
        bool is_whole = memcmp(record, expected, sizeof record) == 0;
        if ((t->mistakes & NO_CHECKSUM) == 0 && !is_whole)
            break; /* A checksum that is as good as it can be. */
        if (!is_whole || (first == 1 && get_u32(record) != i + 1)) {
            s = status_of(ST_CORRUPT);
            break;
        }
        last = get_u32(record);
    }
    io_close(f);
    if (succeeded(s))
        *out_last = last;
    return s;
}

static uint32_t last_mark(const struct crash_state *state, const char *word)
{
    for (size_t i = state->mark_count; i-- > 0;)
        if (strcmp(state->marks[i].word, word) == 0)
            return (uint32_t)state->marks[i].number;
    return 0;
}

static bool verify_toy(struct toy *t, const struct crash_state *state, struct errbuf *why)
{
    uint32_t records = 0;
    uint32_t config = 0;

    if (failed(toy_read(t, "log", 1, &records)) || failed(toy_read(t, "config", 0, &config))) {
        errbuf_set(why, "what was read was never written");
        return false;
    }
    if (records < last_mark(state, "ack")) {
        errbuf_set(why, "%u records of %u acknowledged", records, last_mark(state, "ack"));
        return false;
    }
    if (config < last_mark(state, "config")) {
        errbuf_set(why, "config %u of %u", config, last_mark(state, "config"));
        return false;
    }
    /* It works on: the log takes another record. */
    struct io_file *log;
    bool is_right = succeeded(io_open(t->io, "log", log_flags(t), &log));
    if (is_right) {
        is_right = succeeded(io_sync_dir(t->io, ".")) && succeeded(toy_append(t, log, records + 1));
        io_close(log);
    }
    if (!is_right)
        errbuf_set(why, "it does not work on");
    return is_right;
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    struct toy t = { .sim = state->sim,
                     .io = io_sim_io(state->sim),
                     .mistakes = *(const unsigned *)context };

    MUST(io_ring_create(t.io, NULL, &t.ring));
    bool is_right = verify_toy(&t, state, why);
    io_ring_destroy(t.ring);
    return is_right;
}

static struct crash_report enumerate_toy(unsigned mistakes, const struct crash_options *options)
{
    struct crash_report report = { 0 };
    struct toy t = { .sim = io_sim_create(NULL, NULL), .mistakes = mistakes };

    t.io = io_sim_io(t.sim);
    MUST(io_ring_create(t.io, NULL, &t.ring));
    io_sim_trace_start(t.sim);
    MUST(toy_run(&t));
    struct io_sim_trace *trace = io_sim_trace_stop(t.sim);
    io_ring_destroy(t.ring);
    io_sim_destroy(t.sim);
    (void)crash_enumerate(trace, options, verify, &mistakes, &report);
    io_sim_trace_destroy(trace);
    return report;
}

Test(crash_enumerate, a_log_that_syncs_survives_every_state)
{
    for (int i = 0; i < 2; i++) {
        struct crash_options o = { .seed = 1, .second_cut_every = 2 };
        struct crash_report r = enumerate_toy(i == 0 ? NONE : WITH_DSYNC, &o);
        cr_assert_eq(r.failures, 0, "%s", r.failure.text);
        cr_assert_gt(r.points, 20);
        cr_assert_gt(r.distinct, 100);
        cr_assert_gt(r.second_distinct, 100);
        cr_assert_gt(r.states, r.distinct);
    }
}

/* The oracle can fail. */
Test(crash_enumerate, every_mistake_is_caught)
{
    const unsigned mistakes[] = { NO_SYNC, NO_DIR_SYNC, NO_CHECKSUM, RENAME_BEFORE_SYNC,
                                  ACK_BEFORE_DIR_SYNC };
    const char *const words[] = { "acknowledged", "acknowledged", "never written", "config",
                                  "config" };

    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct crash_report r = enumerate_toy(mistakes[i], NULL);
        cr_assert_eq(r.failures, 1, "mistake %#x was not caught in %d states", mistakes[i],
                     (int)r.distinct);
        cr_assert_not_null(strstr(r.failure.text, words[i]), "%s", r.failure.text);
    }
}

/* Above the limit of exhaustive enumeration the structured choices find the mistakes too. */
Test(crash_enumerate, structured_choices_catch_them_too)
{
    struct crash_options o = { .exhaustive_max = 1, .random_count = 8 };

    cr_assert_eq(enumerate_toy(NONE, &o).failures, 0);
    cr_assert_eq(enumerate_toy(NO_SYNC, &o).failures, 1);
    cr_assert_eq(enumerate_toy(NO_DIR_SYNC, &o).failures, 1);
    cr_assert_eq(enumerate_toy(NO_CHECKSUM, &o).failures, 1);
    cr_assert_eq(enumerate_toy(RENAME_BEFORE_SYNC, &o).failures, 1);
    cr_assert_eq(enumerate_toy(ACK_BEFORE_DIR_SYNC, &o).failures, 1);
}

Test(crash_enumerate, one_seed_one_enumeration)
{
    struct crash_options o = { .seed = 3, .exhaustive_max = 4, .second_cut_every = 7 };
    struct crash_report a = enumerate_toy(NONE, &o);
    struct crash_report b = enumerate_toy(NONE, &o);

    cr_assert_eq(a.states, b.states);
    cr_assert_eq(a.distinct, b.distinct);
    cr_assert_eq(a.second_distinct, b.second_distinct);
}

static bool count_state(void *context, const struct crash_state *state, struct errbuf *why)
{
    (void)state;
    (void)why;
    ++*(uint64_t *)context;
    return true;
}

/* One write of three sectors: eight states while it is under way, and the same eight after. What a
 * kill may leave is tried first: all of it; while it is under way also none. */
Test(crash_enumerate, exhaustive_means_all)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct io *io = io_sim_io(sim);
    struct io_ring *ring = NULL;
    struct io_file *f = NULL;
    struct crash_report report = { 0 };
    uint64_t verified = 0;
    uint8_t data[1536];

    memset(data, 'x', sizeof data);
    MUST(io_ring_create(io, NULL, &ring));
    MUST(io_open(io, "f", IO_WRITE | IO_CREATE, &f));
    MUST(io_write(ring, f, data, sizeof data, 0));
    MUST(io_sync(ring, f));
    MUST(io_sync_dir(io, "."));
    memset(data, 'y', sizeof data);
    io_sim_trace_start(sim);
    MUST(io_write(ring, f, data, sizeof data, 0));
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    struct crash_options o = { .tear_step = 512 };
    cr_assert(crash_enumerate(trace, &o, count_state, &verified, &report));
    cr_assert_eq(report.points, 3, "before, during, after");
    cr_assert_eq(report.states, 2 + (2 + 8) + (1 + 8));
    cr_assert_eq(report.distinct, 8);
    cr_assert_eq(verified, 8);
    io_sim_trace_destroy(trace);
    io_close(f);
    io_ring_destroy(ring);
    io_sim_destroy(sim);
}

/* ---- Sweeps ------------------------------------------------------------------------------- */

static void run_toy(void *context, struct io_sim *sim, struct alloc *alloc)
{
    struct toy t = { .sim = sim, .io = io_sim_io(sim), .mistakes = *(const unsigned *)context };
    void *memory = alloc_bytes(alloc, 100);

    if (memory == NULL)
        return;
    MUST(io_ring_create(t.io, NULL, &t.ring));
    status_ignore(toy_run(&t), "what was acknowledged is marked");
    io_ring_destroy(t.ring);
    alloc_free(alloc, memory, 100);
}

Test(crash_sweep, a_log_that_stops_at_a_failure_keeps_what_it_acknowledged)
{
    const int errors[] = { EIO, ENOSPC };
    const unsigned mistakes = NONE;
    struct sweep_report r = { 0 };

    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sweep_scenario s = { .run = run_toy,
                                    .verify = verify,
                                    .context = (void *)(uintptr_t)&mistakes,
                                    .machine = { .seed = seed } };
        for (unsigned class = 1; class < IO_SIM_ALL; class *= 2)
            for (size_t i = 0; i < 2; i++)
                cr_assert(sweep_calls(&s, class, errors[i], &r), "%s", r.failure.text);
        cr_assert(sweep_allocations(&s, &r), "%s", r.failure.text);
    }
    cr_assert_gt(r.faults, 8 * 2 * 2 * (RECORDS + 2 + RECORDS + 2), "writes and syncs at least");
    cr_assert_eq(r.verified, r.runs);
}

Test(crash_sweep, syncing_again_after_a_failure_is_caught)
{
    const unsigned mistakes = IGNORES_FAILURE;
    uint64_t caught = 0;

    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sweep_report r = { 0 };
        struct sweep_scenario s = { .run = run_toy,
                                    .verify = verify,
                                    .context = (void *)(uintptr_t)&mistakes,
                                    .machine = { .seed = seed } };
        caught += !sweep_calls(&s, IO_SIM_SYNC, EIO, &r);
    }
    cr_assert_gt(caught, 0);
}

static bool accept(void *context, const struct crash_state *state, struct errbuf *why)
{
    (void)context;
    (void)state;
    (void)why;
    return true;
}

/* Forgets its first block if there is no second; the test finds it in *context. */
static void run_leak(void *context, struct io_sim *sim, struct alloc *alloc)
{
    void *first = alloc_bytes(alloc, 8);
    void *second = alloc_bytes(alloc, 8);

    (void)sim;
    alloc_free(alloc, second, 8);
    if (second != NULL)
        alloc_free(alloc, first, 8);
    else
        *(void **)context = first;
}

Test(crash_sweep, a_leak_on_the_way_out_is_caught)
{
    void *lost = NULL;
    struct sweep_report r = { 0 };
    struct sweep_scenario s = { .run = run_leak, .verify = accept, .context = &lost };

    cr_assert_not(sweep_allocations(&s, &r));
    cr_assert_not_null(strstr(r.failure.text, "leaked"), "%s", r.failure.text);
    cr_assert_not_null(lost);
    alloc_free(alloc_heap(), lost, 8);
}

/* Is a damaged record noticed? The toy's log ends early then, and says nothing wrong. */
static bool verify_damage(void *context, struct io_sim *sim, const struct sweep_damage *damage,
                          struct errbuf *why)
{
    struct toy t = { .sim = sim, .io = io_sim_io(sim), .mistakes = *(const unsigned *)context };
    uint32_t records = 0;

    MUST(io_ring_create(t.io, NULL, &t.ring));
    bool is_right = succeeded(toy_read(&t, "log", 1, &records));
    if (strcmp(damage->path, "log") == 0 && records == RECORDS)
        is_right = false;
    if (!is_right)
        errbuf_set(why, "%u records", records);
    io_ring_destroy(t.ring);
    return is_right;
}

Test(crash_sweep, every_byte_can_be_damaged)
{
    const enum sweep_damage_kind kinds[] = { SWEEP_FLIP, SWEEP_ZERO, SWEEP_CUT, SWEEP_GONE };
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    unsigned mistakes = NONE;
    struct sweep_report r = { 0 };
    struct toy t = { .sim = io_sim_create(NULL, NULL) };

    t.io = io_sim_io(t.sim);
    MUST(io_ring_create(t.io, NULL, &t.ring));
    MUST(toy_run(&t));
    struct io_sim_image *image = io_sim_crash_image(t.sim, &all);
    for (size_t i = 0; i < 4; i++)
        cr_assert(sweep_damages(image, kinds[i], kinds[i] == SWEEP_FLIP ? 7 : 1, 1, verify_damage,
                                &mistakes, &r),
                  "%s", r.failure.text);
    /* Two files, log and config. */
    uint64_t bytes = (RECORDS + 1) * RECORD_SIZE;
    cr_assert_geq(r.runs, bytes * 8 / 7 - 2 + bytes + 6 + 2 + 2);
    mistakes = NO_CHECKSUM;
    cr_assert_not(sweep_damages(image, SWEEP_FLIP, 1, 1, verify_damage, &mistakes, &r));
    io_sim_image_destroy(image);
    io_ring_destroy(t.ring);
    io_sim_destroy(t.sim);
}
