#include "tests/crash/support/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rand.h"

/* ---- Marks that a run makes -------------------------------------------------------------------
 */

struct marks {
    struct io_sim_mark *list;
    size_t count;
};

static void note_mark(void *context, const struct io_sim_event *e)
{
    struct marks *m = context;

    if (e->kind != IO_SIM_MARKED)
        return;
    m->list = realloc(m->list, (m->count + 1) * sizeof *m->list);
    CHECK(m->list != NULL);
    m->list[m->count++] = (struct io_sim_mark) { .word = e->word, .number = e->number };
}

/* ---- The n-th call ------------------------------------------------------------------------ */

static void note_failure(struct sweep_report *report, const char *what, uint64_t n,
                         bool is_for_ever, const char *when, const struct errbuf *why)
{
    report->failures++;
    errbuf_set(&report->failure, "%s %llu failed%s; %s: %s", what, (unsigned long long)n,
               is_for_ever ? ", and all later ones" : "", when, why->text);
}

/* Verify what a restart finds after a run, and what power cuts leave. */
static bool verify_run(const struct sweep_scenario *scenario, struct io_sim *sim,
                       const struct marks *marks, uint64_t seed, const char **out_when,
                       struct errbuf *why)
{
    const struct io_sim_choice choices[] = { { .keep = IO_SIM_KEEP_NONE },
                                             { .keep = IO_SIM_KEEP_RANDOM, .seed = seed } };
    const char *const when[] = { "power lost, nothing pending kept",
                                 "power lost, half of what was pending kept" };
    struct crash_state state = { .marks = marks->list, .mark_count = marks->count, .cuts = 1 };
    bool is_right = true;

    for (size_t i = 0; i < 2 && is_right; i++) {
        state.sim = io_sim_crash(sim, &choices[i], &scenario->machine);
        *out_when = when[i];
        is_right = scenario->verify(scenario->context, &state, why);
        io_sim_destroy(state.sim);
    }
    if (is_right) {
        state.sim = sim;
        state.cuts = 0;
        state.is_kill = true;
        *out_when = "restarted";
        is_right = scenario->verify(scenario->context, &state, why);
    }
    return is_right;
}

/* One run with one fault, which one of the two carries. *out_fired: did it happen? */
static bool run_once(const struct sweep_scenario *scenario, const struct io_sim_fault *fault,
                     uint64_t allocation, bool is_for_ever, struct sweep_report *report,
                     bool *out_fired)
{
    struct io_sim *sim = io_sim_create(&scenario->machine, scenario->start);
    uint64_t n = fault != NULL ? fault->at : allocation;
    struct marks marks = { 0 };
    struct alloc_test alloc;
    struct errbuf why = { "" };
    const char *what = fault != NULL ? "call" : "allocation";
    const char *when = "afterwards";
    bool is_right;

    alloc_test_init(&alloc);
    alloc.fail_at = allocation;
    alloc.fail_for_ever = is_for_ever;
    io_sim_set_monitor(sim, note_mark, &marks);
    io_sim_set_fault(sim, fault);
    scenario->run(scenario->context, sim, &alloc.alloc);
    *out_fired = fault != NULL ? io_sim_faults_fired(sim) > 0 : alloc.calls >= allocation;
    report->runs++;
    report->faults += *out_fired;

    io_sim_set_fault(sim, NULL);
    io_sim_set_monitor(sim, NULL, NULL);
    if (alloc.live_bytes > 0) {
        errbuf_set(&why, "%zu bytes are leaked", alloc.live_bytes);
        is_right = false;
    } else {
        report->verified++;
        is_right = verify_run(scenario, sim, &marks, n, &when, &why);
    }
    if (!is_right)
        note_failure(report, what, n, is_for_ever, when, &why);
    io_sim_destroy(sim);
    free(marks.list);
    return is_right;
}

void sweep_pause(struct io_sim *sim, struct alloc *alloc, bool is_paused)
{
    ((struct alloc_test *)alloc)->is_paused = is_paused;
    io_sim_pause_fault(sim, is_paused);
}

static bool is_wanted(const struct sweep_scenario *scenario, bool is_for_ever)
{
    return scenario->times == SWEEP_BOTH || (scenario->times == SWEEP_FOR_EVER) == is_for_ever;
}

bool sweep_calls(const struct sweep_scenario *scenario, unsigned classes, int error,
                 struct sweep_report *report)
{
    for (int is_for_ever = 0; is_for_ever < 2; is_for_ever++) {
        if (!is_wanted(scenario, is_for_ever))
            continue;
        struct io_sim_fault fault = { .classes = classes,
                                      .is_for_ever = is_for_ever,
                                      .error = error };
        bool has_fired;
        do {
            fault.at++;
            if (!run_once(scenario, &fault, 0, is_for_ever, report, &has_fired))
                return false;
        } while (has_fired);
    }
    return true;
}

bool sweep_run(const struct sweep_scenario *scenario, struct sweep_report *report)
{
    bool has_fired;
    return run_once(scenario, NULL, UINT64_MAX, false, report, &has_fired);
}

bool sweep_allocations(const struct sweep_scenario *scenario, struct sweep_report *report)
{
    for (int is_for_ever = 0; is_for_ever < 2; is_for_ever++) {
        uint64_t n = 0;
        bool has_fired;
        if (!is_wanted(scenario, is_for_ever))
            continue;
        do {
            if (!run_once(scenario, NULL, ++n, is_for_ever, report, &has_fired))
                return false;
        } while (has_fired);
    }
    return true;
}

/* ---- Every byte --------------------------------------------------------------------------- */

struct file {
    char *path;
    uint64_t size;
};
struct files {
    struct file *list;
    size_t count;
};

static void note_file(void *context, const char *path, uint64_t size)
{
    struct files *files = context;

    files->list = realloc(files->list, (files->count + 1) * sizeof *files->list);
    CHECK(files->list != NULL);
    files->list[files->count++] = (struct file) { .path = strdup(path), .size = size };
}

static void zero_sector(struct io_sim *sim, const char *path, uint64_t sector)
{
    static const uint8_t zeros[512];
    size_t size = sizeof zeros;

    /* The last one may be shorter. */
    while (size > 0 && !io_sim_poke(sim, path, sector * sizeof zeros, bytes_of(zeros, size)))
        size--;
    CHECK(size > 0);
}

static void damage_file(struct io_sim *sim, const struct sweep_damage *d)
{
    switch (d->kind) {
    case SWEEP_FLIP:
        CHECK(io_sim_flip(sim, d->path, d->place));
        break;
    case SWEEP_ZERO:
        zero_sector(sim, d->path, d->place);
        break;
    case SWEEP_CUT:
        CHECK(io_sim_resize(sim, d->path, d->place));
        break;
    case SWEEP_GONE:
        CHECK(io_sim_remove(sim, d->path));
        break;
    }
}

static uint64_t places_in(enum sweep_damage_kind kind, uint64_t size)
{
    switch (kind) {
    case SWEEP_FLIP:
        return size * 8;
    case SWEEP_ZERO:
        return (size + 511) / 512;
    case SWEEP_CUT:
        return size;
    case SWEEP_GONE:
        return 1;
    }
    return 0;
}

bool sweep_damage(const struct io_sim_image *image, const struct sweep_damage *damage,
                  sweep_verify_damage *verify, void *context, struct sweep_report *report)
{
    static const char *const names[] = { "bit", "sector", "size", "file" };
    struct io_sim *sim = io_sim_create(NULL, image);
    struct errbuf why = { "" };

    damage_file(sim, damage);
    report->runs++;
    report->faults++;
    report->verified++;
    bool is_right = verify(context, sim, damage, &why);
    io_sim_destroy(sim);
    if (!is_right) {
        report->failures++;
        errbuf_set(&report->failure, "%s, %s %llu: %s", damage->path, names[damage->kind],
                   (unsigned long long)damage->place, why.text);
    }
    return is_right;
}

static bool sweep_file(const struct io_sim_image *image, const struct file *file,
                       struct sweep_damage d, uint64_t step, sweep_verify_damage *verify,
                       void *context, struct sweep_report *report)
{
    uint64_t places = places_in(d.kind, file->size);
    bool is_right = true;

    for (; d.place < places && is_right; d.place += step)
        is_right = sweep_damage(image, &d, verify, context, report);
    return is_right;
}

bool sweep_damages(const struct io_sim_image *image, enum sweep_damage_kind kind, uint64_t step,
                   uint64_t seed, sweep_verify_damage *verify, void *context,
                   struct sweep_report *report)
{
    struct io_sim *sim = io_sim_create(NULL, image);
    struct files files = { 0 };
    struct rand r;
    bool is_right = true;

    CHECK(step > 0);
    rand_seed(&r, seed);
    io_sim_walk(sim, note_file, &files);
    io_sim_destroy(sim);
    for (size_t i = 0; i < files.count && is_right; i++) {
        struct sweep_damage d = { .kind = kind, .path = files.list[i].path };
        if (kind != SWEEP_GONE)
            d.place = rand_below(&r, step);
        is_right = sweep_file(image, &files.list[i], d, kind == SWEEP_GONE ? 1 : step, verify,
                              context, report);
    }
    for (size_t i = 0; i < files.count; i++)
        free(files.list[i].path);
    free(files.list);
    return is_right;
}
