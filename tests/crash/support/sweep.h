/*
 * sweep -- the n-th call fails, for every n; every byte is damaged, one after another.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_SWEEP_H
#define VARVE_TESTS_CRASH_SWEEP_H

#include "tests/crash/support/enumerate.h"

/* ---- The n-th call ------------------------------------------------------------------------ */

/*
 * A scenario: run does something on a machine of which some call may fail, marks what it tells
 * the outside world, answers every failure, and gives back what it took. Memory it takes from
 * alloc. verify says whether what is there afterwards is right, given those marks.
 */
enum sweep_times { SWEEP_BOTH, SWEEP_ONCE, SWEEP_FOR_EVER };
struct sweep_scenario {
    void (*run)(void *context, struct io_sim *sim, struct alloc *alloc);
    crash_verify *verify;
    void *context;
    const struct io_sim_image *start; /* Borrowed; NULL: an empty disk. */
    struct io_sim_options machine;
    enum sweep_times times; /* How often a call fails: once, from then on, or in turn both. */
};

/* For a run that wants to look at what it has: from here on nothing fails or counts, or again. */
void sweep_pause(struct io_sim *sim, struct alloc *alloc, bool is_paused);

/* Sums over all sweeps it was passed to; zero it before the first. */
struct sweep_report {
    uint64_t runs;
    uint64_t faults; /* That fired. */
    uint64_t verified;
    uint64_t failures; /* 0 or 1: the first ends the sweep. */
    struct errbuf failure;
};

/*
 * For n = 1, 2 ... until no fault fires, once, then for ever: run with the n-th call of classes
 * failing with error; then, without faults, verify what a restart finds, what is left when the
 * power fails and nothing pending is kept, and when a random half is. False if one was wrong.
 */
bool sweep_calls(const struct sweep_scenario *scenario, unsigned classes, int error,
                 struct sweep_report *report);

/* Run it once without faults of ours, on a disk as small as its machine's, say; verify as above. */
bool sweep_run(const struct sweep_scenario *scenario, struct sweep_report *report);

/* The same for allocations; also fails if the scenario leaks. */
bool sweep_allocations(const struct sweep_scenario *scenario, struct sweep_report *report);

/* ---- Every byte --------------------------------------------------------------------------- */

enum sweep_damage_kind {
    SWEEP_FLIP, /* One bit. */
    SWEEP_ZERO, /* One 512-byte sector reads as zeros. */
    SWEEP_CUT,  /* The file ends at place. */
    SWEEP_GONE, /* The file is not there. */
};
struct sweep_damage {
    enum sweep_damage_kind kind;
    const char *path; /* Borrowed for the call. */
    uint64_t place;   /* FLIP: bit; ZERO: sector; CUT: size. */
};
typedef bool sweep_verify_damage(void *context, struct io_sim *sim,
                                 const struct sweep_damage *damage, struct errbuf *why);

/* Damage a copy of image. False if verify found it wrong. */
bool sweep_damage(const struct io_sim_image *image, const struct sweep_damage *damage,
                  sweep_verify_damage *verify, void *context, struct sweep_report *report);

/* Damage a copy of image at every step-th place of kind in every file, each by itself, beginning
 * at a random one. False if verify found one that is wrong. */
bool sweep_damages(const struct io_sim_image *image, enum sweep_damage_kind kind, uint64_t step,
                   uint64_t seed, sweep_verify_damage *verify, void *context,
                   struct sweep_report *report);

#endif
