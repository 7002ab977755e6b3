/*
 * The log on a good day: what is appended is there after a reopen, in both modes; segments grow,
 * fill, roll, are recycled and let go; batches gather while a write is under way.
 */
#include "tests/support/must.h"
#include "tests/vlog/support/log_house.h"

static const struct vlog_options small[] = {
    { .mode = VLOG_DURABLE, .segment_size = 64 * 1024 },
    { .mode = VLOG_RELAXED, .segment_size = 64 * 1024 },
};

static struct vlog_stats stats(const struct log_house *h)
{
    struct vlog_stats s;
    vlog_stats(h->log.log, &s);
    return s;
}

/* Entries of many shapes survive any number of reopens, and their values can be read before and
 * after. */
Test(vlog_log, what_is_appended_is_replayed)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        log_house_init(&h, &small[mode], NULL);
        log_house_open(&h);
        cr_assert_eq(h.log.replayed_first, 0);
        for (uint32_t i = 0; i < 300; i++) {
            struct log_shape shape = { i * 37 % 700, i % 4, i * 101 % 5000 };
            MUST(log_fixture_append(&h.log, shape));
            cr_assert_eq(vlog_written_lsn(h.log.log), vlog_staged_lsn(h.log.log));
        }
        const char *wrong = log_fixture_read_all(&h.log);
        cr_assert_null(wrong, "%s", wrong);
        for (uint32_t i = 0; i < 3; i++) {
            log_house_reopen(&h);
            cr_assert_eq(h.log.replayed_first, 1);
            cr_assert_eq(h.log.replayed_last, 300 + i);
            wrong = log_fixture_read_all(&h.log);
            cr_assert_null(wrong, "%s", wrong);
            MUST(log_fixture_append(&h.log, (struct log_shape) { 10, 1, 10 }));
        }
        log_house_deinit(&h);
    }
}

/* A store may be durable today and relaxed tomorrow. */
Test(vlog_log, the_mode_may_change_between_opens)
{
    struct log_house h;
    log_house_init(&h, &small[0], NULL);
    for (uint64_t i = 0; i < 6; i++) {
        h.log.options.mode = i % 2 == 0 ? VLOG_DURABLE : VLOG_RELAXED;
        log_house_open(&h);
        cr_assert_eq(h.log.replayed_last, i * 40);
        for (int j = 0; j < 40; j++)
            MUST(log_fixture_append(&h.log, (struct log_shape) { 500, 1, 3000 }));
        const char *wrong = log_fixture_read_all(&h.log);
        cr_assert_null(wrong, "%s", wrong);
        log_fixture_close(&h.log);
    }
    log_house_deinit(&h);
}

/* What is staged while a write is under way goes with the next: one write for all of it. */
Test(vlog_log, what_gathers_during_a_write_is_one_batch)
{
    static const struct io_sim_options slow = { .seed = 1,
                                                .latency_min_ns = 1000,
                                                .latency_max_ns = 1000 };
    struct log_house h;
    log_house_init(&h, &small[0], &slow);
    log_house_open(&h);
    struct log_shape shape = { 100, 0, 0 };

    MUST(log_fixture_stage(&h.log, shape));
    cr_assert_eq(vlog_write_step(h.log.log, h.log.ring, 0), VLOG_WANTS);
    for (int i = 0; i < 20; i++)
        MUST(log_fixture_stage(&h.log, shape));
    cr_assert_eq(vlog_write_step(h.log.log, h.log.ring, 0), VLOG_WANTS);
    cr_assert_eq(vlog_written_lsn(h.log.log), 0);
    cr_assert_eq(vlog_staged_lsn(h.log.log), 2);
    cr_assert_eq(log_fixture_settle(&h.log), VLOG_IDLE);
    cr_assert_eq(vlog_written_lsn(h.log.log), 2);
    cr_assert_eq(stats(&h).batches, 2);
    cr_assert_eq(stats(&h).entries, 21);
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_last, 21);
    log_house_deinit(&h);
}

/* Relaxed mode: one write a step, and it has happened when the step returns. */
Test(vlog_log, a_relaxed_write_is_done_when_the_step_returns)
{
    struct log_house h;
    log_house_init(&h, &small[1], NULL);
    log_house_open(&h);
    for (int i = 0; i < 10; i++)
        MUST(log_fixture_stage(&h.log, (struct log_shape) { 100, 0, 0 }));
    uint64_t writes = io_sim_calls(h.sim, IO_SIM_WRITE);
    uint64_t syncs = io_sim_calls(h.sim, IO_SIM_SYNC);
    cr_assert_eq(vlog_write_step(h.log.log, h.log.ring, 0), VLOG_IDLE);
    cr_assert_eq(vlog_written_lsn(h.log.log), vlog_staged_lsn(h.log.log));
    cr_assert_eq(io_sim_calls(h.sim, IO_SIM_WRITE), writes + 1);
    cr_assert_eq(io_sim_calls(h.sim, IO_SIM_SYNC), syncs);
    log_house_deinit(&h);
}

/* Each segment begins with what a group's hard state is, so that the old ones can go. */
Test(vlog_log, hard_states_are_repeated_in_each_segment)
{
    struct log_house h;
    struct vlog_hard_state state;
    log_house_init(&h, &small[0], NULL);
    log_house_open(&h);
    cr_assert_not(vlog_hard_state(h.log.log, 1, &state));
    for (uint32_t group = 9; group > 0; group--) {
        state = (struct vlog_hard_state) { group, 10 + group, 20 + group, 30 + group };
        MUST(vlog_stage_hard_state(h.log.log, &state));
    }
    state = (struct vlog_hard_state) { 4, 100, 200, 300 };
    MUST(vlog_stage_hard_state(h.log.log, &state));
    for (int i = 0; i < 60; i++)
        MUST(log_fixture_append(&h.log, (struct log_shape) { 4000, 0, 0 }));
    cr_assert_gt(stats(&h).rolls, 3);

    /* Let all but the active segment go: flushed. */
    struct vlog_segment_info info[16];
    size_t count = vlog_segments(h.log.log, info, 16);
    for (size_t i = 0; i + 1 < count; i++)
        vlog_release(h.log.log, h.log.ring, info[i].id);
    h.log.replay_from = info[count - 1].id;
    h.log.flushed_lsn = info[count - 1].first_lsn;
    cr_assert_eq(vlog_segments(h.log.log, info, 16), 1);
    log_house_reopen(&h);
    for (uint32_t group = 1; group < 10; group++) {
        cr_assert(vlog_hard_state(h.log.log, group, &state));
        cr_assert_eq(state.term, group == 4 ? 100 : 10 + group);
        cr_assert_eq(state.vote, group == 4 ? 200 : 20 + group);
        cr_assert_eq(state.commit, group == 4 ? 300 : 30 + group);
    }
    log_house_deinit(&h);
}

/* A segment whose hard states are not yet repeated in a later one is not let go. */
Test(vlog_log, the_last_home_of_a_hard_state_stays)
{
    struct log_house h;
    struct vlog_segment_info info[4];
    log_house_init(&h, &small[0], NULL);
    log_house_open(&h);
    MUST(vlog_stage_hard_state(h.log.log, &(struct vlog_hard_state) { 1, 2, 3, 4 }));
    MUST(log_fixture_append(&h.log, (struct log_shape) { 10, 0, 0 }));
    vlog_roll(h.log.log);
    cr_assert_eq(vlog_write_step(h.log.log, h.log.ring, 0), VLOG_AGAIN);
    cr_assert_eq(vlog_segments(h.log.log, info, 4), 2);
    cr_assert_not(info[0].is_active);
    cr_assert_not(info[0].is_sealed);
    vlog_release(h.log.log, h.log.ring, info[0].id);

    char path[VLOG_NAME_MAX];
    bool is_there;
    vlog_name(info[0].id, VLOG_SEGMENT, path);
    MUST(io_exists(h.log.env.io, path, &is_there));
    cr_assert(is_there);
    cr_assert_eq(log_fixture_settle(&h.log), VLOG_IDLE); /* Writes the head of the new one. */
    log_fixture_work(&h.log);
    MUST(io_exists(h.log.env.io, path, &is_there));
    cr_assert_not(is_there);
    log_house_deinit(&h);
}

/* A new store is small on disk, and its segments grow with it. */
Test(vlog_log, a_new_store_is_small)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        struct vlog_segment_info info[16];
        log_house_init(&h, &(struct vlog_options) { .mode = small[mode].mode }, NULL);
        log_house_open(&h);
        MUST(log_fixture_append(&h.log, (struct log_shape) { 100, 0, 0 }));
        log_fixture_work(&h.log);
        cr_assert_lt(io_sim_used_bytes(h.sim), 5 << 20);
        for (int i = 0; i < 80; i++)
            MUST(log_fixture_append(&h.log, (struct log_shape) { 100000, 0, 0 }));
        size_t count = vlog_segments(h.log.log, info, 16);
        cr_assert_eq(count, 4, "%zu segments for 8 MB", count); /* 1, 2, 4, 8 MiB. */
        log_house_deinit(&h);
    }
}

/* Durable mode: a released segment is the next one's file; in the long run nothing is created. */
Test(vlog_log, segments_are_recycled)
{
    struct log_house h;
    log_house_init(&h, &small[0], NULL);
    log_house_open(&h);
    for (int round = 0; round < 50; round++) {
        struct vlog_segment_info info[16];
        for (int i = 0; i < 16; i++) {
            MUST(log_fixture_append(&h.log, (struct log_shape) { 3000, 0, 0 }));
            log_fixture_work(&h.log);
        }
        size_t count = vlog_segments(h.log.log, info, 16);
        for (size_t i = 0; i + 1 < count; i++) {
            cr_assert(info[i].is_sealed);
            h.log.flushed_lsn = info[i].last_lsn;
            h.log.replay_from = info[i + 1].id;
            vlog_release(h.log.log, h.log.ring, info[i].id);
        }
    }
    cr_assert_leq(stats(&h).segments_created, 5);
    cr_assert_gt(stats(&h).segments_recycled, 30);
    cr_assert_gt(stats(&h).segments_released, 30);
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_last, h.log.last_index);
    /* The pool is found again. */
    for (int i = 0; i < 40; i++) {
        MUST(log_fixture_append(&h.log, (struct log_shape) { 3000, 0, 0 }));
        log_fixture_work(&h.log);
    }
    cr_assert_gt(stats(&h).segments_recycled, 2);
    log_house_deinit(&h);
}

/* Relaxed mode appends to fresh files and keeps no pool. */
Test(vlog_log, relaxed_segments_are_unlinked)
{
    struct log_house h;
    log_house_init(&h, &small[1], NULL);
    log_house_open(&h);
    for (int round = 0; round < 10; round++) {
        struct vlog_segment_info info[16];
        for (int i = 0; i < 40; i++)
            MUST(log_fixture_append(&h.log, (struct log_shape) { 3000, 0, 0 }));
        size_t count = vlog_segments(h.log.log, info, 16);
        for (size_t i = 0; i + 1 < count; i++)
            vlog_release(h.log.log, h.log.ring, info[i].id);
        log_fixture_work(&h.log);
    }
    cr_assert_eq(stats(&h).segments_recycled, 0);
    cr_assert_lt(io_sim_used_bytes(h.sim), 4 * small[1].segment_size);
    log_house_deinit(&h);
}

/* A batch that no segment holds gets one of its own size, and the log goes on as before. */
Test(vlog_log, a_huge_batch_has_a_segment_of_its_own)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        log_house_init(&h, &small[mode], NULL);
        log_house_open(&h);
        for (int i = 0; i < 5; i++) {
            MUST(log_fixture_append(&h.log, (struct log_shape) { 100, 2, 1000 }));
            MUST(log_fixture_append(&h.log, (struct log_shape) { 300000, 3, 100000 }));
            MUST(log_fixture_append(&h.log, (struct log_shape) { 70000, 0, 0 }));
            log_fixture_work(&h.log);
        }
        const char *wrong = log_fixture_read_all(&h.log);
        cr_assert_null(wrong, "%s", wrong);
        log_house_reopen(&h);
        cr_assert_eq(h.log.replayed_last, 15);
        wrong = log_fixture_read_all(&h.log);
        cr_assert_null(wrong, "%s", wrong);
        log_house_deinit(&h);
    }
}

Test(vlog_log, an_entry_beyond_the_limit_is_refused)
{
    struct log_house h;
    struct vlog_options options = small[0];
    options.batch_size_max = 10000;
    log_house_init(&h, &options, NULL);
    log_house_open(&h);
    struct vlog_entry e = { .body = bytes_of(NULL, 10000 - 32) };
    cr_assert_eq(vlog_entry_size(&e), 10000);
    MUST(log_fixture_append(&h.log, (struct log_shape) { 10000 - 32, 0, 0 }));
    MUST_BE(log_fixture_stage(&h.log, (struct log_shape) { 10000 - 31, 0, 0 }), ST_LIMIT);
    MUST_BE(log_fixture_stage(&h.log, (struct log_shape) { 0, 8, 2000 }), ST_LIMIT);
    MUST(log_fixture_append(&h.log, (struct log_shape) { 1, 0, 0 }));
    log_house_deinit(&h);
}

/* 10 ms after the last write, a batch says that it was durable; once. */
Test(vlog_log, an_idle_log_is_sealed_once)
{
    struct log_house h;
    log_house_init(&h, &small[0], NULL);
    log_house_open(&h);
    cr_assert_eq(vlog_seal_deadline(h.log.log), UINT64_MAX);
    h.log.now_ns = 1000000;
    MUST(log_fixture_append(&h.log, (struct log_shape) { 100, 0, 0 }));
    cr_assert_eq(vlog_seal_deadline(h.log.log), 11000000);
    h.log.now_ns = 10999999;
    log_fixture_settle(&h.log);
    cr_assert_eq(stats(&h).seal_batches, 0);
    h.log.now_ns = 11000000;
    log_fixture_settle(&h.log);
    cr_assert_eq(stats(&h).seal_batches, 1);
    cr_assert_eq(vlog_seal_deadline(h.log.log), UINT64_MAX);
    h.log.now_ns = 100000000;
    log_fixture_settle(&h.log);
    cr_assert_eq(stats(&h).seal_batches, 1);
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_last, 1);
    log_house_deinit(&h);
}

/* vlog_roll ends a segment after what is staged; an empty one stays. */
Test(vlog_log, a_roll_ends_the_segment_in_use)
{
    struct log_house h;
    struct vlog_segment_info info[4];
    log_house_init(&h, &small[0], NULL);
    log_house_open(&h);
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    cr_assert_eq(vlog_segments(h.log.log, info, 4), 1);
    MUST(log_fixture_stage(&h.log, (struct log_shape) { 100, 1, 2000 }));
    vlog_roll(h.log.log);
    log_fixture_settle(&h.log);
    cr_assert_eq(vlog_segments(h.log.log, info, 4), 2);
    cr_assert_eq(info[0].first_lsn, 1);
    cr_assert_eq(info[0].value_count, 1);
    cr_assert_eq(info[0].value_bytes, 2008);
    cr_assert(info[0].is_sealed);
    cr_assert(info[1].is_active);
    cr_assert_eq(info[1].first_lsn, 0);
    cr_assert_eq(vlog_log_bytes(h.log.log), info[0].size_bytes + info[1].size_bytes);
    MUST(log_fixture_append(&h.log, (struct log_shape) { 100, 1, 2000 }));
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_last, 2);
    log_house_deinit(&h);
}

/* A file system without O_DIRECT: the log works as well, and says so. */
Test(vlog_log, a_refused_o_direct_is_said)
{
    struct log_house h;
    log_house_init(&h, &small[0], &(struct io_sim_options) { .refuses_direct = true });
    log_house_open(&h);
    cr_assert_not(stats(&h).is_direct);
    cr_assert_not_null(stats(&h).mode_reason);
    for (int i = 0; i < 100; i++) {
        MUST(log_fixture_append(&h.log, (struct log_shape) { 1000, 1, 1000 }));
        log_fixture_work(&h.log);
    }
    log_house_reopen(&h);
    cr_assert_eq(h.log.replayed_last, 100);
    log_house_deinit(&h);
}

Test(vlog_log, bad_options_are_refused_with_words)
{
    static const struct vlog_options rows[] = {
        { .segment_size = 8192 },
        { .segment_size = 65537 },
        { .segment_size = UINT64_C(1) << 40 },
        { .batch_size_max = 100 },
        { .batch_size_max = UINT32_MAX },
        { .pool_max = 1000 },
        { .mode = (enum vlog_mode)7 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_house h;
        log_house_init(&h, &rows[i], NULL);
        MUST_BE(log_fixture_open(&h.log), ST_INVALID);
        cr_assert_gt(strlen(h.log.err.text), 10);
        cr_assert_eq(io_sim_used_bytes(h.sim), 0);
        log_house_deinit(&h);
    }
}

/* The memory of the tail is charged at open, or the open is refused. */
Test(vlog_log, the_memory_tail_is_within_the_budget)
{
    struct log_house h;
    log_house_init(&h, &small[0], NULL);
    h.log.budget.cap_bytes = atomic_load(&h.log.budget.total_bytes) + 100 * 1024;
    MUST_BE(log_fixture_open(&h.log), ST_NO_MEMORY);
    h.log.budget.cap_bytes += 100 * 1024;
    log_house_open(&h);
    cr_assert_geq(atomic_load(&h.log.budget.held_bytes[BUDGET_LOG_TAIL]), 128 * 1024);
    log_house_deinit(&h);
}
