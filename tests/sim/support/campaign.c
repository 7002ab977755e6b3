#include "tests/sim/support/campaign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { JOBS_MAX = 64, SHRINK_RUNS = 300, TWICE_EVERY = 100, FAILURES_TOLD = 3 };

struct totals {
    uint64_t runs;
    uint64_t failures;
    uint64_t twice;
    uint64_t seed; /* Under way: of a process that died, the one that it died of. */
    struct verdict sum;
};

static void add_verdict(struct verdict *to, const struct verdict *v)
{
    to->steps += v->steps;
    to->simulated_us += v->simulated_us;
    to->messages += v->messages;
    to->elections += v->elections;
    to->writes_done += v->writes_done;
    to->writes_unknown += v->writes_unknown;
    to->writes_refused += v->writes_refused;
    to->reads_served += v->reads_served;
    to->crashes += v->crashes;
    to->changes += v->changes;
    to->snapshots += v->snapshots;
    to->checks += v->checks;
    for (int i = 0; i < FAULT_KINDS; i++)
        to->fault_seen[i] += v->fault_seen[i];
    sights_add(&to->seen, &v->seen);
}

/* ---- Shrinking ---------------------------------------------------------------------------- */

static bool fails_alike(const struct plan *p, const struct world_bugs *bugs,
                        const struct verdict *first)
{
    struct verdict v;
    world_run(p, bugs, NULL, 0, &v);
    return v.has_failed && v.invariant == first->invariant;
}

/* Leave out ever smaller runs of faults, as long as the same invariant breaks. */
static void shrink(struct plan *p, const struct world_bugs *bugs, const struct verdict *first)
{
    uint32_t runs = 0;
    while (p->fault_count > 0 && p->faults[p->fault_count - 1].at_us > first->at_us)
        p->fault_count--;
    for (uint32_t size = p->fault_count; size > 0 && runs < SHRINK_RUNS; size /= 2) {
        for (uint32_t from = 0; from < p->fault_count && runs < SHRINK_RUNS; from += size) {
            bool was[PLAN_FAULTS_MAX];
            bool has_any = false;
            for (uint32_t i = from; i < from + size && i < p->fault_count; i++) {
                was[i] = p->faults[i].is_left_out;
                has_any |= !was[i];
                p->faults[i].is_left_out = true;
            }
            if (!has_any)
                continue;
            runs++;
            if (fails_alike(p, bugs, first))
                continue;
            for (uint32_t i = from; i < from + size && i < p->fault_count; i++)
                p->faults[i].is_left_out = was[i];
        }
    }
}

static void tell_failure(const struct campaign *c, uint64_t seed, const struct verdict *v)
{
    struct plan *p = malloc(sizeof *p);
    CHECK(p != NULL);
    plan_draw(p, seed, c->seconds * 1000000, c->off);
    shrink(p, &c->bugs, v);
    char only[PLAN_FAULTS_MAX * 5 + 16] = "-";
    size_t size = 0;
    uint32_t left = 0;
    for (uint32_t i = 0; i < p->fault_count && size + 16 < sizeof only; i++) {
        if (p->faults[i].is_left_out)
            continue;
        left++;
        size += (size_t)snprintf(only + size, sizeof only - size, "%s%u", size > 0 ? "," : "", i);
    }
    struct verdict shrunk;
    world_run(p, &c->bugs, NULL, 0, &shrunk);
    v = &shrunk;
    printf("seed %" PRIu64 " at %.3f s: I%d: %s\n  replay, with %u faults left: "
           "sim_raft_sim_prog --seed %" PRIu64 " --seconds %" PRIu64 " --off %u --only %s\n",
           seed, (double)v->at_us / 1e6, v->invariant, v->text, left, seed, c->seconds, c->off,
           only);
    (void)fflush(stdout);
    free(p);
}

bool campaign_replay(const struct campaign *c, const char *only, uint64_t trace_from_us)
{
    struct plan *p = malloc(sizeof *p);
    struct verdict v;
    CHECK(p != NULL);
    plan_draw(p, c->first_seed, c->seconds * 1000000, c->off);
    for (uint32_t i = 0; i < p->fault_count && only != NULL; i++)
        p->faults[i].is_left_out = true;
    while (only != NULL && *only >= '0' && *only <= '9') {
        char *end;
        uint64_t i = strtoull(only, &end, 10);
        if (i < p->fault_count)
            p->faults[i].is_left_out = false;
        only = *end == ',' ? end + 1 : end;
    }
    world_run(p, &c->bugs, trace_from_us != UINT64_MAX ? stdout : NULL, trace_from_us, &v);
    free(p);
    if (v.has_failed)
        printf("seed %" PRIu64 " at %.3f s: I%d: %s\n", c->first_seed, (double)v.at_us / 1e6,
               v.invariant, v.text);
    else
        printf("seed %" PRIu64 ": %" PRIu64 " steps, hash %016" PRIx64 "\n", c->first_seed, v.steps,
               v.hash);
    return !v.has_failed;
}

/* ---- Many seeds --------------------------------------------------------------------------- */

static void run_share(const struct campaign *c, uint32_t job, struct totals *t)
{
    struct plan *p = malloc(sizeof *p);
    uint64_t hash_before = 0;
    CHECK(p != NULL);
    for (uint64_t i = job; i < c->seeds; i += c->jobs) {
        uint64_t seed = c->first_seed + i;
        struct verdict v;
        struct verdict again;
        t->seed = seed;
        plan_draw(p, seed, c->seconds * 1000000, c->off);
        world_run(p, &c->bugs, NULL, 0, &v);
        t->runs++;
        add_verdict(&t->sum, &v);
        if (v.has_failed && t->failures++ < FAILURES_TOLD)
            tell_failure(c, seed, &v);
        /* Or equal hashes would say nothing. */
        if (v.hash == hash_before) {
            t->failures++;
            printf("seed %" PRIu64 ": the hash of another\n", seed);
        }
        hash_before = v.hash;
        if (i % TWICE_EVERY != 0)
            continue;
        world_run(p, &c->bugs, NULL, 0, &again);
        t->twice++;
        if (again.hash != v.hash) {
            t->failures++;
            printf("seed %" PRIu64 ": two runs, two hashes\n  replay, twice: sim_raft_sim_prog "
                   "--seed %" PRIu64 " --seconds %" PRIu64 " --off %u\n",
                   seed, seed, c->seconds, c->off);
        }
    }
    free(p);
}

/* Returns how much of what a run of this size should show it has not shown. */
static int tell_missing(const struct totals *t)
{
    int missing = sights_tell_missing(&t->sum.seen, true);
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (t->sum.fault_seen[i] > 0)
            continue;
        printf("never seen: fault %s\n", fault_name((enum fault)i));
        missing++;
    }
    return missing;
}

static void tell_totals(const struct totals *t)
{
    const struct verdict *s = &t->sum;
    printf("raft_sim: %" PRIu64 " seeds, %.1f simulated hours, %" PRIu64 " steps, %" PRIu64
           " messages, %" PRIu64 " elections, %" PRIu64 " crashes, %" PRIu64 " changes, %" PRIu64
           " snapshots\n",
           t->runs, (double)s->simulated_us / 3.6e9, s->steps, s->messages, s->elections,
           s->crashes, s->changes, s->snapshots);
    printf("raft_sim: writes %" PRIu64 " done, %" PRIu64 " refused or lost, %" PRIu64
           " unknown; %" PRIu64 " reads served; %" PRIu64 " seeds twice\n",
           s->writes_done, s->writes_refused, s->writes_unknown, s->reads_served, t->twice);
}

bool campaign_run(const struct campaign *c)
{
    struct campaign shared = *c;
    shared.jobs = c->jobs < 1 ? 1 : c->jobs > JOBS_MAX ? JOBS_MAX : c->jobs;
    struct totals *t = mmap(NULL, (JOBS_MAX + 1) * sizeof *t, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(t != MAP_FAILED);
    (void)fflush(stdout);
    pid_t pids[JOBS_MAX];
    for (uint32_t job = 0; job < shared.jobs; job++) {
        pids[job] = fork();
        CHECK(pids[job] >= 0);
        if (pids[job] == 0) {
            run_share(&shared, job, &t[job]);
            (void)fflush(stdout);
            exit(0);
        }
    }
    bool all_lived = true;
    for (uint32_t job = 0; job < shared.jobs; job++) {
        int status;
        CHECK(waitpid(pids[job], &status, 0) == pids[job]);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        all_lived = false;
        printf("seed %" PRIu64 ": its process died\n  replay: sim_raft_sim_prog --seed %" PRIu64
               " --seconds %" PRIu64 " --off %u\n",
               t[job].seed, t[job].seed, c->seconds, c->off);
    }
    struct totals *sum = &t[JOBS_MAX];
    for (uint32_t job = 0; job < shared.jobs; job++) {
        sum->runs += t[job].runs;
        sum->failures += t[job].failures;
        sum->twice += t[job].twice;
        add_verdict(&sum->sum, &t[job].sum);
    }
    int missing = tell_missing(sum);
    tell_totals(sum);
    bool is_clean = all_lived && sum->failures == 0 && sum->runs == c->seeds &&
                    (missing == 0 || !c->must_see_all);
    printf("raft_sim: %" PRIu64 " checks, %" PRIu64 " failures%s\n", sum->sum.checks, sum->failures,
           all_lived ? "" : ", and a process died");
    (void)munmap(t, (JOBS_MAX + 1) * sizeof *t);
    return is_clean;
}

uint64_t campaign_catch(const struct campaign *c, struct verdict *out_v)
{
    struct plan *p = malloc(sizeof *p);
    uint64_t caught = 0;
    CHECK(p != NULL);
    for (uint64_t i = 0; i < c->seeds && caught == 0; i++) {
        plan_draw(p, c->first_seed + i, c->seconds * 1000000, c->off);
        world_run(p, &c->bugs, NULL, 0, out_v);
        caught = out_v->has_failed ? i + 1 : 0;
    }
    free(p);
    return caught;
}
