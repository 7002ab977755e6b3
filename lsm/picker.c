#include "lsm/picker.h"

#include "base/check.h"

enum {
    BOTTOM = LSM_LEVELS - 1,
    L0_PIECE =
        4, /* Base sizes that one compaction takes of L0: enough to be worth the base level. */
};

void lsm_level_targets(const struct lsm_version *v, const struct lsm_options *o,
                       struct lsm_level_targets *out)
{
    uint64_t data = 0;
    for (uint32_t i = 1; i < LSM_LEVELS; i++)
        data += v->levels[i].bytes;
    *out = (struct lsm_level_targets) { .base = BOTTOM };
    uint64_t target = data > o->level_base_size ? data : o->level_base_size;
    out->bytes[BOTTOM] = target;
    /* Levels above get a fanout less each, but never less than the base size: a level that holds
     * less than what L0 brings at once would only be copied through. */
    while (out->base > 1 && target >= 2 * o->level_base_size) {
        target /= o->level_fanout;
        if (target < o->level_base_size)
            target = o->level_base_size;
        out->bytes[--out->base] = target;
    }
}

/* L0 goes to the base, but never past a level that holds something: that would put newer versions
 * below older ones. */
static uint32_t l0_output(const struct lsm_version *v, const struct lsm_level_targets *t)
{
    for (uint32_t i = 1; i < t->base; i++) {
        if (v->levels[i].count > 0)
            return i;
    }
    return t->base;
}

bool lsm_version_may_lie_below(const struct lsm_version *v, uint32_t level, struct bytes begin,
                               struct bytes end)
{
    for (uint32_t i = level + 1; i < LSM_LEVELS; i++) {
        const struct lsm_level *l = &v->levels[i];
        uint32_t at = lsm_level_find(l, begin);
        if (at < l->count &&
            lsm_file_overlaps(l->fences[at].file, begin, end.size > 0 ? end : begin))
            return true;
    }
    return false;
}

/* ---- Gathering inputs --------------------------------------------------------------------- */

struct gather {
    struct lsm_file **files;
    uint32_t count;
    uint32_t capacity;
    struct alloc *alloc;
    uint64_t bytes;
    bool is_any_busy;
};

static struct status gather_file(struct gather *g, struct lsm_file *f)
{
    if (g->count == g->capacity) {
        uint32_t capacity = g->capacity == 0 ? 8 : g->capacity * 2;
        struct lsm_file **files =
            alloc_resize(g->alloc, g->files, g->capacity * sizeof *files, capacity * sizeof *files);
        if (files == NULL)
            return status_of(ST_NO_MEMORY);
        g->files = files;
        g->capacity = capacity;
    }
    g->files[g->count++] = f;
    g->bytes += f->meta.file_size;
    g->is_any_busy |= f->is_busy;
    return status_ok();
}

static void gather_deinit(struct gather *g)
{
    alloc_free(g->alloc, g->files, g->capacity * sizeof *g->files);
    g->files = NULL;
    g->count = 0;
    g->capacity = 0;
}

/* The key range of gathered files. */
static void range_of(const struct gather *g, struct bytes *out_begin, struct bytes *out_end)
{
    *out_begin = g->files[0]->meta.smallest;
    *out_end = g->files[0]->meta.largest;
    for (uint32_t i = 1; i < g->count; i++) {
        if (bytes_compare(g->files[i]->meta.smallest, *out_begin) < 0)
            *out_begin = g->files[i]->meta.smallest;
        if (bytes_compare(g->files[i]->meta.largest, *out_end) > 0)
            *out_end = g->files[i]->meta.largest;
    }
}

static struct status gather_overlapping(struct gather *g, const struct lsm_level *l,
                                        struct bytes begin, struct bytes end)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (lsm_file_overlaps(l->fences[i].file, begin, end))
            TRY(gather_file(g, l->fences[i].file));
    }
    return status_ok();
}

/* Shrink the arrays to what they hold, as their owner frees by count. */
static struct status take_arrays(struct gather *upper, struct gather *lower,
                                 struct lsm_compaction *c)
{
    struct alloc *a = upper->alloc;
    c->upper = alloc_array(a, upper->count, sizeof(struct lsm_file *));
    c->lower = lower->count == 0 ? NULL : alloc_array(a, lower->count, sizeof(struct lsm_file *));
    if (c->upper == NULL || (c->lower == NULL && lower->count > 0)) {
        alloc_free(a, c->upper, upper->count * sizeof(struct lsm_file *));
        alloc_free(a, c->lower, lower->count * sizeof(struct lsm_file *));
        return status_of(ST_NO_MEMORY);
    }
    memcpy(c->upper, upper->files, upper->count * sizeof(struct lsm_file *));
    c->upper_count = upper->count;
    if (lower->count > 0)
        memcpy(c->lower, lower->files, lower->count * sizeof(struct lsm_file *));
    c->lower_count = lower->count;
    return status_ok();
}

void lsm_compaction_deinit(struct lsm_compaction *c, struct alloc *a)
{
    alloc_free(a, c->upper, c->upper_count * sizeof(struct lsm_file *));
    alloc_free(a, c->lower, c->lower_count * sizeof(struct lsm_file *));
    *c = (struct lsm_compaction) { 0 };
}

/* Add what `upper` overlaps in the output level; NOT_FOUND if a file of either side is busy. */
static struct status complete(const struct lsm_version *v, struct gather *upper, uint32_t level,
                              uint32_t output_level, struct lsm_compaction *out)
{
    struct gather lower = { .alloc = upper->alloc };
    struct bytes begin;
    struct bytes end;
    struct status s = status_ok();

    if (upper->count == 0 || upper->is_any_busy)
        return status_of(ST_NOT_FOUND);
    range_of(upper, &begin, &end);
    if (output_level != level)
        s = gather_overlapping(&lower, &v->levels[output_level], begin, end);
    if (succeeded(s) && lower.is_any_busy)
        s = status_of(ST_NOT_FOUND);
    if (succeeded(s)) {
        *out = (struct lsm_compaction) { .level = level, .output_level = output_level };
        s = take_arrays(upper, &lower, out);
    }
    gather_deinit(&lower);
    return s;
}

/* ---- Levels ------------------------------------------------------------------------------- */

/* Mark the oldest file of L0 and all that its keys lead to: files that overlap what is marked. What
 * is not marked has no key in common with them. is_marked: of each fence, false at first. */
static void mark_group(const struct lsm_level *l0, bool *is_marked)
{
    const struct lsm_file *oldest = l0->fences[l0->count - 1].file;
    struct bytes begin = oldest->meta.smallest;
    struct bytes end = oldest->meta.largest;
    bool has_grown = true;

    is_marked[l0->count - 1] = true;
    while (has_grown) {
        has_grown = false;
        for (uint32_t i = 0; i < l0->count; i++) {
            const struct lsm_table_meta *m = &l0->fences[i].file->meta;
            if (is_marked[i] || !lsm_file_overlaps(l0->fences[i].file, begin, end))
                continue;
            is_marked[i] = true;
            has_grown = true;
            begin = bytes_compare(m->smallest, begin) < 0 ? m->smallest : begin;
            end = bytes_compare(m->largest, end) > 0 ? m->largest : end;
        }
    }
}

/* A group of files of L0, from the oldest on. None may stay above a newer one that goes down and
 * has keys of it; newer ones may stay. So a long group is worked off in pieces, and files with keys
 * of their own move as they are. */
static struct status gather_group(const struct lsm_level *l0, const struct lsm_options *o,
                                  struct gather *g)
{
    struct status s = status_ok();
    bool *is_marked = alloc_array(g->alloc, l0->count, sizeof *is_marked);

    if (is_marked == NULL)
        return status_of(ST_NO_MEMORY);
    mark_group(l0, is_marked);
    for (uint32_t i = l0->count; i-- > 0 && succeeded(s);) {
        bool is_enough = g->count >= o->l0_compact && g->bytes >= L0_PIECE * o->level_base_size;
        if (is_marked[i] && !is_enough)
            s = gather_file(g, l0->fences[i].file);
    }
    alloc_free(g->alloc, is_marked, l0->count * sizeof *is_marked);
    return s;
}

static struct status pick_l0(const struct lsm_version *v, const struct lsm_options *o,
                             const struct lsm_level_targets *t, struct alloc *a,
                             struct lsm_compaction *out)
{
    struct gather upper = { .alloc = a };
    struct status s = gather_group(&v->levels[0], o, &upper);

    if (succeeded(s))
        s = complete(v, &upper, 0, l0_output(v, t), out);
    if (succeeded(s)) {
        out->is_move = out->upper_count == 1 && out->lower_count == 0;
        out->reason = "L0 files";
    }
    gather_deinit(&upper);
    return s;
}

/* Bytes of the next level that file f would be merged with. */
static uint64_t overlap_bytes(const struct lsm_level *next, const struct lsm_file *f,
                              bool *out_is_busy)
{
    uint64_t bytes = 0;
    *out_is_busy = f->is_busy;
    for (uint32_t i = lsm_level_find(next, f->meta.smallest); i < next->count; i++) {
        if (!lsm_file_overlaps(next->fences[i].file, f->meta.smallest, f->meta.largest))
            break;
        bytes += next->fences[i].file->meta.file_size;
        *out_is_busy |= next->fences[i].file->is_busy;
    }
    return bytes;
}

static struct status pick_level(const struct lsm_version *v, uint32_t level, struct alloc *a,
                                struct lsm_compaction *out)
{
    const struct lsm_level *l = &v->levels[level];
    struct lsm_file *best = NULL;
    double best_ratio = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        bool is_busy;
        struct lsm_file *f = l->fences[i].file;
        double ratio = (double)overlap_bytes(&v->levels[level + 1], f, &is_busy) /
                       (double)(f->meta.file_size + 1);
        if (!is_busy && (best == NULL || ratio < best_ratio)) {
            best = f;
            best_ratio = ratio;
        }
    }
    if (best == NULL)
        return status_of(ST_NOT_FOUND);
    struct gather upper = { .alloc = a };
    struct status s = gather_file(&upper, best);
    if (succeeded(s))
        s = complete(v, &upper, level, level + 1, out);
    if (succeeded(s)) {
        out->is_move = out->lower_count == 0;
        out->reason = "level size";
    }
    gather_deinit(&upper);
    return s;
}

static double score(const struct lsm_version *v, const struct lsm_options *o,
                    const struct lsm_level_targets *t, uint32_t level)
{
    const struct lsm_level *l = &v->levels[level];
    if (level == 0) {
        double files = (double)l->count / o->l0_compact;
        double bytes = (double)l->bytes / (double)o->level_base_size;
        return l->count > 1 && bytes > files ? bytes : files;
    }
    if (l->count == 0)
        return 0;
    /* Data above the base level (the tree shrank, or the base moved) goes down. */
    if (level < t->base)
        return 1 + (double)l->bytes / (double)o->level_base_size;
    return (double)l->bytes / (double)t->bytes[level];
}

struct status lsm_pick(const struct lsm_version *v, const struct lsm_options *o, struct alloc *a,
                       struct lsm_compaction *out)
{
    struct lsm_level_targets t;
    bool is_tried[LSM_LEVELS] = { false };

    lsm_level_targets(v, o, &t);
    for (;;) {
        uint32_t best = BOTTOM;
        double best_score = 0;
        for (uint32_t i = 0; i < BOTTOM; i++) {
            double s = score(v, o, &t, i);
            if (!is_tried[i] && s >= 1 && s > best_score) {
                best = i;
                best_score = s;
            }
        }
        if (best == BOTTOM)
            return status_of(ST_NOT_FOUND);
        struct status s = best == 0 ? pick_l0(v, o, &t, a, out) : pick_level(v, best, a, out);
        if (s.code != ST_NOT_FOUND)
            return s;
        is_tried[best] = true;
    }
}

/* ---- Requests ----------------------------------------------------------------------------- */

/* Does any of these hold what a merge onto its own level could drop? */
static bool has_droppable(const struct gather *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct lsm_table_meta *m = &g->files[i]->meta;
        if (m->delete_count > 0 || m->range_delete_count > 0)
            return true;
    }
    return false;
}

static uint32_t lowest_level_with(const struct lsm_version *v, struct bytes begin, struct bytes end)
{
    for (uint32_t i = BOTTOM; i > 0; i--) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            if (lsm_file_overlaps(v->levels[i].fences[j].file, begin, end))
                return i;
        }
    }
    return 0;
}

struct status lsm_pick_range(const struct lsm_version *v, const struct lsm_options *o,
                             struct alloc *a, struct lsm_compact_request *r,
                             struct lsm_compaction *out)
{
    struct lsm_level_targets t;
    struct bytes begin = bytes_of(r->begin, r->begin_size);
    struct bytes end = bytes_of(r->end, r->end_size);

    lsm_level_targets(v, o, &t);
    for (; r->level < LSM_LEVELS; r->level++) {
        struct gather upper = { .alloc = a };
        bool is_last = r->level == BOTTOM;
        struct status s = gather_overlapping(&upper, &v->levels[r->level], begin, end);
        if (r->level == 0 && upper.count > 0) {
            /* L0 goes down whole: no group of it may stay above what the range needs. */
            gather_deinit(&upper);
            s = gather_overlapping(&upper, &v->levels[0], bytes_of(NULL, 0), bytes_of(NULL, 0));
        }
        bool is_wanted = upper.count > 0 && (!is_last || has_droppable(&upper));
        if (succeeded(s) && is_wanted && upper.is_any_busy)
            s = status_of(ST_AGAIN);
        else if (succeeded(s) && is_wanted)
            s = complete(v, &upper, r->level,
                         is_last         ? BOTTOM
                         : r->level == 0 ? l0_output(v, &t)
                                         : r->level + 1,
                         out);
        else if (succeeded(s))
            s = status_of(ST_NOT_FOUND);
        gather_deinit(&upper);
        if (succeeded(s)) {
            out->reason = "request";
            out->is_move = !is_last && out->lower_count == 0 && out->upper_count == 1 &&
                           lowest_level_with(v, begin, end) <= r->level &&
                           out->upper[0]->meta.delete_count == 0 &&
                           out->upper[0]->meta.range_delete_count == 0;
            if (is_last)
                r->level = LSM_LEVELS; /* Once is enough: the floor may keep some. */
        }
        if (s.code != ST_NOT_FOUND)
            return s;
    }
    return status_of(ST_NOT_FOUND);
}

/* ---- Value files -------------------------------------------------------------------------- */

/* What the file's next generation would take: live values, header, directory, footer (about). A
 * file whose bytes are mostly those must not be picked again and again. */
static uint64_t rewritten_size(const struct lsm_value_file *f)
{
    enum { FRAME = 4 * IO_ALIGN, DIRECTORY_ENTRY = 8 };
    return FRAME + f->live_bytes + (uint64_t)f->file.ordinal_end * DIRECTORY_ENTRY;
}

bool lsm_pick_rewrite(const struct lsm_version *v, double space_amp,
                      bool (*is_pinned)(void *context, uint64_t logical), void *context,
                      uint64_t *out_logical)
{
    uint64_t held = 0;
    uint64_t live = 0;
    uint64_t most_garbage = 0;

    for (uint32_t i = 0; i < v->value_file_count; i++) {
        const struct lsm_value_file *f = &v->value_files[i];
        held += f->file.size_bytes;
        live += f->live_bytes;
        uint64_t after = rewritten_size(f);
        uint64_t garbage = f->file.size_bytes > after ? f->file.size_bytes - after : 0;
        bool is_log = f->file.is_segment && f->file.logical >= v->log_start;
        if (after * 2 < f->file.size_bytes && garbage > most_garbage && !is_log &&
            !is_pinned(context, f->file.logical)) {
            most_garbage = garbage;
            *out_logical = f->file.logical;
        }
    }
    return most_garbage > 0 && (double)held > space_amp * (double)live;
}
