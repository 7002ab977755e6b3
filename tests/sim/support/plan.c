#include "tests/sim/support/plan.h"

#include <stdlib.h>

static const struct {
    const char *name;
    uint32_t weight;
} faults[FAULT_KINDS] = {
    [FAULT_CRASH] = { "crash", 14 },
    [FAULT_CRASH_IN_EFFECTS] = { "crash-in-effects", 10 },
    [FAULT_PAUSE] = { "pause", 8 },
    [FAULT_CUT_NODE] = { "cut-node", 10 },
    [FAULT_CUT_LINK] = { "cut-link", 6 },
    [FAULT_PARTITION] = { "partition", 8 },
    [FAULT_BRIDGE] = { "bridge", 3 },
    [FAULT_STORM] = { "storm", 6 },
    [FAULT_DISK_SLOW] = { "disk-slow", 5 },
    [FAULT_DISK_HANGS] = { "disk-hangs", 5 },
    [FAULT_DISK_FAILS] = { "disk-fails", 3 },
    [FAULT_DISK_LOW] = { "disk-low", 1 },
    [FAULT_DISK_FULL] = { "disk-full", 2 },
    [FAULT_RATE] = { "rate", 2 },
    [FAULT_TRANSFER] = { "transfer", 8 },
    [FAULT_STEP_DOWN] = { "step-down", 2 },
    [FAULT_CAMPAIGN] = { "campaign", 4 },
    [FAULT_CHANGE] = { "change", 16 },
    [FAULT_WIPE] = { "wipe", 1 },
    [FAULT_OLD_COPY] = { "old-copy", 1 },
    [FAULT_COMPACT] = { "compact", 6 },
    [FAULT_QUIET] = { "quiet", 3 },
    [FAULT_UNREACHABLE] = { "unreachable", 3 },
    [FAULT_LEASE_HOLD] = { "lease-hold", 2 },
    [FAULT_CLOCK_JUMP] = { "clock-jump", 1 },
    [FAULT_REPLAY] = { "replay", 5 },
    [FAULT_SLOW_APPLY] = { "slow-apply", 3 },
    [FAULT_WAKE] = { "wake", 2 },
    [FAULT_USURP] = { "usurp", 6 },
};

const char *fault_name(enum fault fault)
{
    return faults[fault].name;
}

static enum fault draw_fault(struct rand *r, const uint32_t *weights, uint32_t total)
{
    uint64_t at = rand_below(r, total);
    int kind = 0;
    while (at >= weights[kind])
        at -= weights[kind++];
    return (enum fault)kind;
}

/* Short ones mostly, up to max. */
static uint64_t draw_duration(struct rand *r, uint64_t max)
{
    return 1000 + rand_below(r, rand_below(r, max) + 1);
}

static uint64_t one_of(struct rand *r, const uint64_t *values, uint32_t count)
{
    return values[rand_below(r, count)];
}
#define ONE_OF(r, ...)                                                                             \
    one_of((r), (const uint64_t[]) { __VA_ARGS__ },                                                \
           sizeof((const uint64_t[]) { __VA_ARGS__ }) / sizeof(uint64_t))

static void draw_config(struct plan *p, struct rand *r)
{
    p->config = (struct raft_config) {
        .group = 1,
        .election_us = (uint32_t)ONE_OF(r, 150000, 300000, 300000, 500000, 1000000),
        .has_leases = rand_below(r, 10) < 4,
        .quiesce_after = rand_below(r, 10) < 3 ? 3 + (uint32_t)rand_below(r, 5) : 0,
        .window_entries = (uint32_t)ONE_OF(r, 64, 128, 256, 1024),
        .cache_bytes = ONE_OF(r, 64, 1024, 1 << 20),
        .batch_entries = (uint32_t)ONE_OF(r, 8, 16, 32),
        .message_bytes = (uint32_t)ONE_OF(r, 100, 1000, 1 << 20),
        .inflight_messages = (uint32_t)ONE_OF(r, 1, 4, 64),
        .inflight_bytes = ONE_OF(r, 200, 4000, 8 << 20),
        .uncommitted_bytes = ONE_OF(r, 2000, 8 << 20),
        .reads = (uint32_t)ONE_OF(r, 8, 256),
    };
}

static void draw_weather(struct plan *p, struct rand *r)
{
    p->writes_per_s = ONE_OF(r, 20, 50, 50, 100, 200);
    p->reads_per_s = ONE_OF(r, 5, 20, 50);
    p->batch_max = (uint32_t)ONE_OF(r, 1, 1, 4, 8);
    p->payload_max = (uint32_t)ONE_OF(r, 8, 8, 64, 300);
    p->message_us = (uint32_t)ONE_OF(r, 200, 500, 1000, 5000);
    p->late_ppm = (uint32_t)ONE_OF(r, 0, 1000, 20000);
    p->drop_ppm = (uint32_t)ONE_OF(r, 0, 1000, 10000, 100000);
    p->duplicate_ppm = (uint32_t)ONE_OF(r, 0, 1000, 50000);
    p->write_us = (uint32_t)ONE_OF(r, 100, 500, 2000, 10000);
    p->apply_us = (uint32_t)ONE_OF(r, 50, 50, 2000);
    p->stage_us = (uint32_t)ONE_OF(r, 5000, 20000, 20000, 400000);
    p->flush_every = (uint32_t)ONE_OF(r, 10, 100, 1000);
    p->log_kept = (uint32_t)ONE_OF(r, 0, 20, 500);
    p->rate_max_ppm = (int32_t)ONE_OF(r, 0, 200, 200);
    if (!p->config.has_leases && rand_below(r, 4) == 0)
        p->rate_max_ppm = 50000;
    p->through_codec = rand_below(r, 8) == 0;
    p->follower_reads = rand_below(r, 2) == 0;
    p->rank_max = (uint32_t)ONE_OF(r, 0, 0, 3);
    p->is_silent_end = rand_below(r, 3) == 0;
    p->effects_room = (uint32_t)ONE_OF(r, 0, 0, 6, 12);
}

static void draw_faults(struct plan *p, struct rand *r)
{
    uint32_t weights[FAULT_KINDS];
    uint32_t total = 0;
    /* Each seed leaves some kinds out: what never happens does not hide what others do. */
    for (int i = 0; i < FAULT_KINDS; i++) {
        weights[i] = rand_below(r, 3) == 0 ? 0 : faults[i].weight;
        total += weights[i];
    }
    uint64_t gap = ONE_OF(r, 60000, 200000, 500000, 1500000);
    uint64_t longest = ONE_OF(r, 500000, 2000000, 5000000);
    uint64_t at = rand_below(r, 1000000);
    while (total > 0 && at < p->safety_us && p->fault_count < PLAN_FAULTS_MAX) {
        p->faults[p->fault_count++] = (struct planned) {
            .at_us = at,
            .fault = draw_fault(r, weights, total),
            .at_leader = rand_below(r, 5) < 2,
            .who = (uint32_t)rand_below(r, 1 << 20),
            .other = (uint32_t)rand_below(r, 1 << 20),
            .duration_us = draw_duration(r, longest),
        };
        at += 1 + rand_below(r, 2 * gap);
    }
}

void plan_draw(struct plan *p, uint64_t seed, uint64_t safety_us, uint32_t off)
{
    struct rand r;
    rand_seed(&r, seed);
    *p = (struct plan) { .seed = seed, .off = off, .safety_us = safety_us };
    p->voters = (uint32_t)ONE_OF(&r, 1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 7, 9);
    p->learners = (uint32_t)ONE_OF(&r, 0, 0, 1, 2);
    draw_config(p, &r);
    draw_weather(p, &r);
    draw_faults(p, &r);
    if (off & PLAN_NO_DROP)
        p->drop_ppm = 0;
    if (off & PLAN_NO_DUPLICATE)
        p->duplicate_ppm = 0;
    if (off & PLAN_NO_DELAY)
        p->late_ppm = 0;
    if (off & PLAN_NO_RATES)
        p->rate_max_ppm = 0;
    if (off & PLAN_NO_LEARNERS)
        p->learners = 0;
}

void plan_fair_weather(struct plan *p, uint64_t seed, uint64_t safety_us)
{
    *p = (struct plan) {
        .seed = seed,
        .safety_us = safety_us,
        .voters = 5,
        .config = { .group = 1, .election_us = 1000000 },
        .writes_per_s = 60,
        .reads_per_s = 10,
        .batch_max = 1,
        .payload_max = 8,
        .message_us = 500,
        .write_us = 500,
        .apply_us = 50,
        .stage_us = 20000,
        .flush_every = 100,
        .log_kept = 500,
    };
}
