/*
 * compact -- files of one level merged with those they overlap in the next.
 *
 * Reads around the cache in large pieces, writes tables of the target size, drops what no reader
 * can ask for (lsm/drop.h). A file that overlaps nothing just changes level.
 */
#include "lsm/internal.h"

#include "base/check.h"

#include "lsm/level_iter.h"
#include "lsm/merge.h"

struct compact {
    struct lsm_job job;
    struct lsm_compaction what;
    struct lsm_state *state; /* As of the start; a count is held. */
    struct lsm_edit edit;
    struct lsm_output output;
    struct fetch fetch;
    struct lsm_iter *iter;
    struct lsm_fence *lower_fences;
    struct lsm_rangedel_set *range_deletes;
    bool is_prepared;
    bool is_committed;
};

static struct lsm_file *input_at(const struct lsm_compaction *c, uint32_t i)
{
    return i < c->upper_count ? c->upper[i] : c->lower[i - c->upper_count];
}

static uint32_t input_count(const struct lsm_compaction *c)
{
    return c->upper_count + c->lower_count;
}

static void set_busy(const struct lsm_compaction *c, bool is_busy)
{
    for (uint32_t i = 0; i < input_count(c); i++)
        input_at(c, i)->is_busy = is_busy;
}

/* Older data than the inputs: below the output level. Levels between input and output are empty
 * (L0 over unused levels) or do not exist. */
static bool may_lie_below(void *context, struct bytes begin, struct bytes end)
{
    const struct compact *c = context;
    return lsm_version_may_lie_below(c->state->version, c->what.output_level, begin, end);
}

static void compact_destroy(struct lsm_job *job)
{
    struct compact *c = (struct compact *)job;
    struct alloc *a = job->lsm->env->alloc;

    set_busy(&c->what, false);
    lsm_iter_destroy(c->iter);
    lsm_output_deinit(&c->output);
    if (!c->is_committed)
        lsm_edit_discard(job->lsm, &c->edit);
    lsm_edit_deinit(&c->edit);
    lsm_rangedel_destroy(c->range_deletes);
    alloc_free(a, c->lower_fences, c->what.lower_count * sizeof *c->lower_fences);
    lsm_compaction_deinit(&c->what, a);
    fetch_deinit(&c->fetch);
    lsm_state_unref(c->state);
    alloc_free(a, c, sizeof *c);
}

/* One set of all the inputs' range deletes. */
static struct status gather_range_deletes(struct compact *c)
{
    struct alloc *a = c->job.lsm->env->alloc;
    struct lsm_range_delete *all;
    uint64_t count = 0;
    size_t at = 0;

    for (uint32_t i = 0; i < input_count(&c->what); i++)
        count += input_at(&c->what, i)->meta.range_delete_count;
    if (count == 0)
        return status_ok();
    all = alloc_array(a, count, sizeof *all);
    if (all == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = status_ok();
    for (uint32_t i = 0; i < input_count(&c->what) && succeeded(s); i++) {
        const struct lsm_rangedel_set *set = NULL;
        if (input_at(&c->what, i)->meta.range_delete_count == 0)
            continue;
        s = lsm_table_range_deletes(input_at(&c->what, i)->table, &c->fetch, &set);
        for (size_t j = 0; succeeded(s) && set != NULL && j < lsm_rangedel_count(set); j++) {
            if (at < count)
                lsm_rangedel_at(set, j, &all[at++]);
            else
                s = status_of(ST_CORRUPT);
        }
    }
    if (succeeded(s))
        s = lsm_rangedel_build(a, all, at, &c->range_deletes);
    alloc_free(a, all, count * sizeof *all);
    return s;
}

static struct status open_inputs(struct compact *c)
{
    struct alloc *a = c->job.lsm->env->alloc;
    const struct lsm_table_iter_options options = { .read_ahead = true };
    struct lsm_iter **children;
    uint32_t room = c->what.upper_count + 1;
    uint32_t count = 0;
    struct status s = status_ok();

    children = alloc_array(a, room, sizeof(struct lsm_iter *));
    if (children == NULL)
        return status_of(ST_NO_MEMORY);
    for (; count < c->what.upper_count && succeeded(s); count += succeeded(s))
        s = lsm_table_iter(c->what.upper[count]->table, &c->fetch, &options, &children[count]);
    if (succeeded(s) && c->what.lower_count > 0) {
        const struct lsm_level_iter_options level = { .fences = c->lower_fences,
                                                      .count = c->what.lower_count,
                                                      .fetch = &c->fetch,
                                                      .table = options };
        s = lsm_level_iter_create(a, &level, &children[count]);
        count += succeeded(s);
    }
    if (succeeded(s)) {
        s = lsm_merge_create(a, children, count, &c->iter);
    } else {
        while (count > 0)
            lsm_iter_destroy(children[--count]);
    }
    alloc_free(a, children, room * sizeof(struct lsm_iter *));
    return s;
}

static struct status prepare(struct compact *c, struct io_ring *ring)
{
    struct lsm *l = c->job.lsm;
    uint32_t beyond = c->what.output_level + 1;

    c->lower_fences = alloc_array(l->env->alloc, c->what.lower_count, sizeof *c->lower_fences);
    if (c->lower_fences == NULL && c->what.lower_count > 0)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = 0; i < c->what.lower_count; i++) {
        c->lower_fences[i].file = c->what.lower[i];
        c->lower_fences[i].head = lsm_key_head(c->what.lower[i]->meta.largest);
    }
    TRY(gather_range_deletes(c));
    TRY(lsm_output_init(&c->output, l, ring, &c->edit, c->what.output_level));
    c->output.drop.floor = lsm_floor(l);
    c->output.drop.range_deletes = c->range_deletes;
    c->output.drop.may_lie_below = may_lie_below;
    c->output.drop.context = c;
    if (beyond < LSM_LEVELS)
        c->output.grandparents = &c->state->version->levels[beyond];
    TRY(open_inputs(c));
    TRY(lsm_iter_first(c->iter));
    c->is_prepared = true;
    return status_ok();
}

static struct status merge_some(struct compact *c)
{
    for (uint32_t n = c->job.lsm->options.job_quantum_entries; n > 0 && c->iter->is_valid; n--) {
        if (lsm_output_wants(&c->output, &c->iter->entry))
            TRY(lsm_output_add(&c->output, &c->iter->entry));
        TRY(lsm_iter_next(c->iter));
    }
    return status_ok();
}

static void count_work(struct lsm *l, const struct compact *c)
{
    uint64_t read = 0;
    for (uint32_t i = 0; i < input_count(&c->what); i++)
        read += input_at(&c->what, i)->meta.file_size;
    if (c->what.is_move) {
        atomic_fetch_add_explicit(&l->counters.trivial_moves, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&l->counters.compactions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->counters.compact_read_bytes, read, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->counters.compact_written_bytes, c->output.written_bytes,
                              memory_order_relaxed);
}

static struct status commit(struct compact *c, struct io_ring *ring)
{
    if (!c->what.is_move)
        TRY(lsm_output_finish(&c->output));
    for (uint32_t i = 0; i < input_count(&c->what); i++) {
        struct lsm_file *f = input_at(&c->what, i);
        uint32_t level = i < c->what.upper_count ? c->what.level : c->what.output_level;
        TRY(lsm_edit_drop(&c->edit, level, f->meta.id));
        if (c->what.is_move) {
            atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
            TRY(lsm_edit_add(&c->edit, c->what.output_level, f));
        }
    }
    TRY(lsm_edit_commit(c->job.lsm, ring, &c->edit, NULL));
    c->is_committed = true;
    count_work(c->job.lsm, c);
    return status_ok();
}

static enum lsm_job_step compact_step(struct lsm_job *job, struct io_ring *ring,
                                      struct status *out_status)
{
    struct compact *c = (struct compact *)job;
    struct status s = status_ok();

    if (!c->what.is_move) {
        s = c->is_prepared ? merge_some(c) : prepare(c, ring);
        if (succeeded(s) && c->iter->is_valid)
            return LSM_JOB_AGAIN;
    }
    if (succeeded(s))
        s = commit(c, ring);
    if (succeeded(s))
        return LSM_JOB_DONE;
    *out_status = s;
    return LSM_JOB_FAILED;
}

struct status lsm_compact_create(struct lsm *l, struct io_ring *ring, struct lsm_compaction *what,
                                 struct lsm_job **out_job)
{
    struct compact *c = alloc_zeroed(l->env->alloc, sizeof *c);
    if (c == NULL) {
        lsm_compaction_deinit(what, l->env->alloc);
        return status_of(ST_NO_MEMORY);
    }
    c->job = (struct lsm_job) { .step = compact_step,
                                .destroy = compact_destroy,
                                .lsm = l,
                                .name = "compaction",
                                .err = &c->fetch.err };
    c->what = *what;
    c->state = lsm_state_hold(l);
    lsm_edit_init(&c->edit, l->env->alloc);
    const struct fetch_options options = { .cache = l->cache,
                                           .ring = ring,
                                           .fill = FETCH_FILL_NONE };
    fetch_init(&c->fetch, &options);
    set_busy(&c->what, true);
    *out_job = &c->job;
    return status_ok();
}
