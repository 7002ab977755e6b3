/*
 * Bugs on purpose: does the simulator see them?
 *
 *     sim_raft_mutants                     those that few seeds find; what CI runs
 *     sim_raft_mutants --all [--seeds N]   the whole table, as docs/raft-mutants.md
 *     sim_raft_mutants [--median] --only NAME ...
 *     sim_raft_mutants [--only NAME] --seed S [--trace FROM_MS]    one seed, with it or without any
 *
 * Each runs in a process of its own, since some end in a failed assertion: that is caught, too. A
 * hunt that ends as it should not is told as one line that replays it.
 */
#include "tests/sim/mutants/mutants.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/sim/support/campaign.h"

enum raft_mutant raft_mutant;

enum {
    SEEDS_MAX = 20000,
    SEEDS_FEW = 200,
    SEEDS_HEALTHY = 20,
    SECONDS = 20,
    MEDIAN_OF = 5,
    MEDIANS = 10,
    MEDIAN_AT = 5,
    NAMES_MAX = 64
};

struct mutant {
    const char *name;
    const char *what;
    enum raft_mutant core;
    struct world_bugs bugs;
};

static const struct mutant mutants[] = {
#define CORE(id, words) { .name = #id, .what = words, .core = RAFT_MUTANT_##id },
    CORE_MUTANTS(CORE)
#define DRIVER(id, bug, words) { .name = #id, .what = words, .bugs.cluster = bug },
        DRIVER_MUTANTS(DRIVER)
#define DISK(id, bug, words) { .name = #id, .what = words, .bugs.disk = bug },
            DISK_MUTANTS(DISK)
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0], MEDIAN_EVERY = MUTANTS / MEDIANS };

/* Found by hundreds of seeds or thousands, that is, in minutes: only in the whole table. */
static const char *const RARE[] = {
    "B02_change_before_own_commit", "B04_read_numbers_start_over", "B12_stale_leader_not_told",
    "B12_prevote_term_ignored",     "B40_cut_off_is_failed",       "B41_ids_not_compared",
    "B43_appends_while_installing", "B44_leads_with_a_hung_disk",  "B50_learner_cannot_wake",
    "B50_sleeps_with_work_left",    "M_votes_not_withheld",        "M_votes_tell_nothing",
    "RR28_removed_are_not_told",
};
enum { RARE_COUNT = sizeof RARE / sizeof RARE[0] };

struct catch
{
    uint64_t seeds; /* Until caught; 0: it was not. */
    uint64_t tried; /* Seeds begun, by a process that may have died. */
    bool has_died;
    struct verdict v;
};

/* In a child; *shared is what the parent sees of it. */
static void hunt(const struct mutant *m, uint64_t first_seed, uint64_t seeds, struct catch *shared)
{
    struct campaign one = { .seeds = 1, .seconds = SECONDS, .bugs = m->bugs };
    raft_mutant = m->core;
    for (uint64_t i = 0; i < seeds && shared->seeds == 0; i++) {
        shared->tried = i + 1;
        one.first_seed = first_seed + i;
        if (campaign_catch(&one, &shared->v) != 0)
            shared->seeds = i + 1;
    }
}

static void catch_one(const struct mutant *m, uint64_t first_seed, uint64_t seeds,
                      struct catch *out_caught)
{
    struct catch *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    (void)fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        hunt(m, first_seed, seeds, shared);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    *out_caught = *shared;
    out_caught->has_died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (out_caught->has_died)
        out_caught->seeds = shared->tried;
    (void)munmap(shared, sizeof *shared);
}

static const char *checker_of(const struct catch *c, char *text, size_t size)
{
    if (c->seeds == 0)
        return "not caught";
    if (c->has_died)
        return "an assertion of the core";
    bool is_own = strstr(c->v.text, "halts itself") != NULL;
    if (c->v.invariant == 0)
        (void)snprintf(text, size, "liveness");
    else if (c->v.invariant < 0)
        (void)snprintf(text, size, "the contract");
    else
        (void)snprintf(text, size, "%sI%d", is_own ? "the core's own " : "", c->v.invariant);
    return text;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Five hunts over other seeds. */
static uint64_t median_of(const struct mutant *m, uint64_t seeds)
{
    uint64_t found[MEDIAN_OF];
    for (uint64_t i = 0; i < MEDIAN_OF; i++) {
        struct catch c;
        catch_one(m, 1 + (i + 1) * 1000000, seeds, &c);
        found[i] = c.seeds == 0 ? UINT64_MAX : c.seeds;
    }
    qsort(found, MEDIAN_OF, sizeof found[0], compare);
    return found[MEDIAN_OF / 2];
}

static void tell_replay(const char *name, const char *option, uint64_t number)
{
    printf("  replay: sim_raft_mutants --only %s --%s %llu\n", name, option,
           (unsigned long long)number);
}

/* A row of the table; behind it, if the mutant got away, how to hunt it again. Returns the seeds
 * that it took, or 0. */
static uint64_t run_one(const struct mutant *m, uint64_t seeds, bool with_median)
{
    struct catch c;
    char checker[64];
    catch_one(m, 1, seeds, &c);
    printf("| %s | %s | ", m->name, m->what);
    if (c.seeds == 0)
        printf("> %llu | ", (unsigned long long)seeds);
    else
        printf("%llu | ", (unsigned long long)c.seeds);
    if (with_median)
        printf("%llu ", (unsigned long long)median_of(m, seeds));
    printf("| %s |\n", checker_of(&c, checker, sizeof checker));
    (void)fflush(stdout);
    if (c.seeds == 0)
        tell_replay(m->name, "seeds", seeds);
    return c.seeds;
}

static bool is_rare(const struct mutant *m)
{
    for (int i = 0; i < RARE_COUNT; i++) {
        if (strcmp(RARE[i], m->name) == 0)
            return true;
    }
    return false;
}

/* The same hunt for no bug must come back with nothing. */
static bool is_healthy(void)
{
    static const struct mutant none = { .core = RAFT_MUTANT_NONE };
    struct catch c;
    char checker[64];
    catch_one(&none, 1, SEEDS_HEALTHY, &c);
    if (c.seeds == 0 && !c.has_died && c.tried == SEEDS_HEALTHY)
        return true;
    printf("without a mutant seed %llu is caught, by %s\n  replay: sim_raft_mutants --seed %llu\n",
           (unsigned long long)c.tried, checker_of(&c, checker, sizeof checker),
           (unsigned long long)c.tried);
    return false;
}

static int run_frequent(uint64_t seeds)
{
    int hunted = 0;
    int missed = 0;
    for (int i = 0; i < MUTANTS; i++) {
        if (is_rare(&mutants[i]))
            continue;
        hunted++;
        missed += 0 == run_one(&mutants[i], seeds, false);
    }
    CHECK(hunted + RARE_COUNT == MUTANTS);
    printf("raft_mutants: %d of %d caught, %d rare ones not hunted\n", hunted - missed, hunted,
           RARE_COUNT);
    return missed > 0 || !is_healthy();
}

static int run_all(uint64_t seeds)
{
    int missed = 0;
    printf(
        "# Mutants of the core\n\n"
        "Known bugs, switched on one at a time (`raft/mutant.h`), and what the simulator needs to "
        "see them: seeds of %d\nsimulated seconds until the first violation, the median of five "
        "such hunts for ten of them, and who saw it.\nMade by `sim_raft_mutants --all > "
        "docs/raft-mutants.md`; those found soon run with the tests.\n\n"
        "| mutant | what it does | seeds | median of 5 | caught by |\n|---|---|---:|---:|---|\n",
        SECONDS);
    for (int i = 0; i < MUTANTS; i++)
        missed += 0 == run_one(&mutants[i], seeds,
                               i % MEDIAN_EVERY == MEDIAN_AT && i / MEDIAN_EVERY < MEDIANS);
    printf("\n%d of %d are caught.\n", MUTANTS - missed, MUTANTS);
    return missed > 0;
}

static const struct mutant *find_mutant(const char *name)
{
    for (int i = 0; i < MUTANTS; i++) {
        if (strcmp(name, mutants[i].name) == 0)
            return &mutants[i];
    }
    return NULL;
}

/* The seed alone, in this process: what it ends with is seen. */
static int replay(const struct mutant *m, uint64_t seed, uint64_t trace_from_us)
{
    struct campaign one = { .first_seed = seed, .seconds = SECONDS };

    if (m != NULL) {
        one.bugs = m->bugs;
        raft_mutant = m->core;
    }
    return campaign_replay(&one, NULL, trace_from_us) ? 0 : 1;
}

struct request {
    uint64_t seeds;
    uint64_t seed;
    uint64_t trace_from_us;
    bool is_all;
    bool with_median;
    const struct mutant *named[NAMES_MAX];
    int name_count;
};

/* What is not given is zero. False after telling what is no option. */
static bool read_request(int argc, char **argv, struct request *r)
{
    *r = (struct request) { .trace_from_us = UINT64_MAX };
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        uint64_t number = strtoull(value, NULL, 10);
        const struct mutant *m = find_mutant(argv[i]);
        if (strcmp(argv[i], "--all") == 0) {
            r->is_all = true;
        } else if (strcmp(argv[i], "--median") == 0) {
            r->with_median = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            r->seeds = number;
            i++;
        } else if (strcmp(argv[i], "--seed") == 0) {
            r->seed = number;
            i++;
        } else if (strcmp(argv[i], "--trace") == 0) {
            r->trace_from_us = number * 1000;
            i++;
        } else if (m != NULL && r->name_count < NAMES_MAX) {
            r->named[r->name_count++] = m;
        } else if (strcmp(argv[i], "--only") != 0) {
            printf("no such mutant or option: %s\n", argv[i]);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct request r;
    int missed = 0;

    if (!read_request(argc, argv, &r))
        return 2;
    if (r.seed != 0)
        return replay(r.named[0], r.seed, r.trace_from_us);
    if (r.name_count == 0 && !r.is_all)
        return run_frequent(r.seeds == 0 ? SEEDS_FEW : r.seeds);
    uint64_t seeds = r.seeds == 0 ? SEEDS_MAX : r.seeds;
    if (r.is_all)
        return run_all(seeds);
    for (int i = 0; i < r.name_count; i++) {
        uint64_t caught_by = run_one(r.named[i], seeds, r.with_median);
        missed += caught_by == 0;
        if (caught_by != 0)
            tell_replay(r.named[i]->name, "seed", caught_by);
    }
    return missed > 0;
}
