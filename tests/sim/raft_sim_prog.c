/*
 * The simulator of the core: many seeds, each a whole run of a group under faults
 * (support/world.h).
 *
 *     sim_raft_sim_prog                           what CI runs
 *     sim_raft_sim_prog --seeds N --from S --seconds T --jobs J
 *     sim_raft_sim_prog --seed S [--seconds T] [--only 3,7,8] [--off BITS] [--trace FROM_MS]
 *     sim_raft_sim_prog --speed [--seconds T]     simulated seconds per second, fair weather
 *
 * A failure is shrunk, and told as one line that replays it.
 */
#include "tests/sim/support/campaign.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/sanitized.h"

enum {
    SEEDS = 2000,
    SECONDS = 60,
    SANITIZED_SEEDS = 24,
    SANITIZED_SECONDS = 15,
    SPEED_SECONDS = 600
};

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure_speed(uint64_t seconds)
{
    struct plan *p = calloc(1, sizeof *p);
    struct verdict v;
    plan_fair_weather(p, 1, seconds * 1000000);
    double start = cpu_s();
    world_run(p, NULL, NULL, 0, &v);
    double spent = cpu_s() - start;
    free(p);
    if (v.has_failed) {
        printf("speed: violation of I%d: %s\n", v.invariant, v.text);
        return 1;
    }
    printf("speed: %.0f simulated seconds per second and core; five nodes, %.1f writes and %.1f "
           "reads done a simulated second, %.0f steps, %.2f us each\n",
           (double)v.simulated_us / 1e6 / spent,
           (double)v.writes_done * 1e6 / (double)v.simulated_us,
           (double)v.reads_served * 1e6 / (double)v.simulated_us, (double)v.steps,
           spent * 1e6 / (double)v.steps);
    return 0;
}

int main(int argc, char **argv)
{
    struct campaign c = {
        .first_seed = 1,
        .seeds = IS_SANITIZED ? SANITIZED_SEEDS : SEEDS,
        .seconds = IS_SANITIZED ? SANITIZED_SECONDS : SECONDS,
        .jobs = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
        .must_see_all = !IS_SANITIZED && argc == 1,
    };
    bool is_speed = false;
    bool is_one = false;
    const char *only = NULL;
    uint64_t trace_from_us = UINT64_MAX;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--speed") == 0) {
            is_speed = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0) {
            c.seeds = number;
        } else if (strcmp(argv[i], "--from") == 0) {
            c.first_seed = number;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            c.seconds = number;
        } else if (strcmp(argv[i], "--jobs") == 0) {
            c.jobs = (uint32_t)number;
        } else if (strcmp(argv[i], "--off") == 0) {
            c.off = (uint32_t)number;
        } else if (strcmp(argv[i], "--only") == 0) {
            only = value;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace_from_us = number * 1000;
        } else if (strcmp(argv[i], "--seed") == 0) {
            is_one = true;
            c.first_seed = number;
        } else {
            printf("no such option: %s\n", argv[i]);
            return 2;
        }
        i++;
    }
    if (is_speed)
        return measure_speed(argc > 2 ? c.seconds : SPEED_SECONDS);
    if (is_one)
        return campaign_replay(&c, only, trace_from_us) ? 0 : 1;
    if (!IS_SANITIZED && measure_speed(60) != 0)
        return 1;
    return campaign_run(&c) ? 0 : 1;
}
