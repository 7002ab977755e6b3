/*
 * plan -- what one seed draws: the group, its settings, the weather, and the list of faults.
 *
 * The list is drawn beforehand, so that a failure can be shrunk: faults are left out one after
 * another as long as it still fails. Whom a fault hits is decided when it happens, from the numbers
 * it carries.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_TESTS_SIM_PLAN_H
#define VARVE_TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "raft/raft.h"

enum fault {
    FAULT_CRASH,            /* Of the writes under way, some have finished. */
    FAULT_CRASH_IN_EFFECTS, /* Between two effects of a step. */
    FAULT_PAUSE,
    FAULT_CUT_NODE,
    FAULT_CUT_LINK, /* One way. */
    FAULT_PARTITION,
    FAULT_BRIDGE, /* Two halves that only one node can talk to. */
    FAULT_STORM,  /* Messages are lost, doubled and late, a lot. */
    FAULT_DISK_SLOW,
    FAULT_DISK_HANGS,
    FAULT_DISK_FAILS,
    FAULT_DISK_LOW,
    FAULT_DISK_FULL,
    FAULT_RATE,
    FAULT_TRANSFER,
    FAULT_STEP_DOWN,
    FAULT_CAMPAIGN,
    FAULT_CHANGE,
    FAULT_WIPE,        /* For good; a new replica may come. */
    FAULT_OLD_COPY,    /* A learner comes back with an older disk. */
    FAULT_COMPACT,     /* The log is cut as far as the state is saved: snapshots follow. */
    FAULT_QUIET,       /* No clients for a while. */
    FAULT_UNREACHABLE, /* The transport says so. */
    FAULT_LEASE_HOLD,
    FAULT_CLOCK_JUMP,
    FAULT_REPLAY, /* Old messages arrive again. */
    FAULT_SLOW_APPLY,
    FAULT_WAKE,
    FAULT_USURP, /* The leader is cut off, and the others try to replace it all the time. */
    FAULT_KINDS,
};

const char *fault_name(enum fault fault);

struct planned {
    uint64_t at_us;
    enum fault fault;
    bool at_leader; /* Whoever leads then; else a random node. */
    uint32_t who;
    uint32_t other;
    uint64_t duration_us;
    bool is_left_out;
};

enum { PLAN_FAULTS_MAX = 2000 };

/* What a shrinking run can switch off beside faults. */
enum plan_switch {
    PLAN_NO_DROP = 1,
    PLAN_NO_DUPLICATE = 2,
    PLAN_NO_DELAY = 4,
    PLAN_NO_RATES = 8,
    PLAN_NO_LEARNERS = 16,
    PLAN_SWITCHES = 32,
};

struct plan {
    uint64_t seed;
    uint32_t off; /* enum plan_switch. */
    uint32_t voters;
    uint32_t learners;
    struct raft_config config;
    uint64_t safety_us;
    uint64_t writes_per_s;
    uint64_t reads_per_s;
    uint32_t batch_max;
    uint32_t payload_max;
    uint32_t message_us; /* Mean; exponential. */
    uint32_t late_ppm;   /* Of messages that take a hundred times as long. */
    uint32_t drop_ppm;
    uint32_t duplicate_ppm;
    uint32_t write_us;
    uint32_t apply_us;
    uint32_t stage_us;    /* The journey of a snapshot's data. */
    uint32_t flush_every; /* Entries applied. */
    uint32_t log_kept;
    int32_t rate_max_ppm;
    bool through_codec;
    bool follower_reads;
    uint32_t rank_max;
    uint32_t effects_room; /* cluster_limit_effects(). */
    bool is_silent_end;    /* No client asks for anything in the liveness phase. */
    uint32_t fault_count;
    struct planned faults[PLAN_FAULTS_MAX];
};

void plan_draw(struct plan *p, uint64_t seed, uint64_t safety_us, uint32_t off);
/* Five nodes, 50 writes and 10 reads a second, quiet weather: what the speed is measured with. */
void plan_fair_weather(struct plan *p, uint64_t seed, uint64_t safety_us);

#endif
