#include "lsm/version.h"

#include "base/check.h"

#include <stdlib.h>

/* ---- Files -------------------------------------------------------------------------------- */

void lsm_file_unref(struct lsm_file *f)
{
    if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    /* Closing and unlinking is I/O: the background does it (lsm_reap). */
    struct lsm_file *head = atomic_load_explicit(&f->reaper->dead_files, memory_order_relaxed);
    do {
        f->next_dead = head;
    } while (!atomic_compare_exchange_weak_explicit(&f->reaper->dead_files, &head, f,
                                                    memory_order_release, memory_order_relaxed));
}

static void hold_unref(struct lsm_value_hold *h)
{
    if (h == NULL || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct lsm_value_hold *head =
        atomic_load_explicit(&h->reaper->dead_values, memory_order_relaxed);
    do {
        h->next_dead = head;
    } while (!atomic_compare_exchange_weak_explicit(&h->reaper->dead_values, &head, h,
                                                    memory_order_release, memory_order_relaxed));
}

static void file_ref(struct lsm_file *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

/* Does the file end before key? */
static bool ends_before(const struct lsm_file *f, struct bytes key)
{
    int c = bytes_compare(f->meta.largest, key);
    return c < 0 || (c == 0 && f->meta.largest_exclusive);
}

bool lsm_file_contains(const struct lsm_file *f, struct bytes key)
{
    return bytes_compare(f->meta.smallest, key) <= 0 && !ends_before(f, key);
}

bool lsm_file_overlaps(const struct lsm_file *f, struct bytes begin, struct bytes end)
{
    if (begin.size > 0 && ends_before(f, begin))
        return false;
    return end.size == 0 || bytes_compare(f->meta.smallest, end) <= 0;
}

/* ---- Edits -------------------------------------------------------------------------------- */

void lsm_edit_init(struct lsm_edit *e, struct alloc *a)
{
    *e = (struct lsm_edit) { .alloc = a };
}

/* Let go of an edit's file. One just decoded is no tree's yet: nothing was opened, it goes at once.
 */
static void let_go(const struct lsm_edit *e, struct lsm_file *f)
{
    if (f->reaper != NULL) {
        lsm_file_unref(f);
        return;
    }
    lsm_table_meta_deinit(&f->meta, e->alloc);
    alloc_free(e->alloc, f, sizeof *f);
}

void lsm_edit_deinit(struct lsm_edit *e)
{
    for (uint32_t i = 0; i < e->added_count; i++)
        let_go(e, e->added[i].file);
    alloc_free(e->alloc, e->added, e->added_count * sizeof *e->added);
    alloc_free(e->alloc, e->dropped, e->dropped_count * sizeof *e->dropped);
    alloc_free(e->alloc, e->value_files, e->value_file_count * sizeof *e->value_files);
    alloc_free(e->alloc, e->dropped_values, e->dropped_value_count * sizeof *e->dropped_values);
    alloc_free(e->alloc, e->keyspaces, e->keyspace_count * sizeof *e->keyspaces);
    lsm_edit_init(e, e->alloc);
}

void lsm_edit_mark_obsolete(struct lsm_edit *e)
{
    for (uint32_t i = 0; i < e->added_count; i++) {
        bool is_moved = false;
        for (uint32_t j = 0; j < e->dropped_count; j++)
            is_moved |= e->dropped[j].id == e->added[i].id;
        if (!is_moved)
            e->added[i].file->is_obsolete = true;
    }
}

/* Edits are short: an array grows by one. */
static void *grow(struct lsm_edit *e, void *array, uint32_t count, size_t size)
{
    return alloc_resize(e->alloc, array, count * size, (count + 1) * size);
}

struct status lsm_edit_add(struct lsm_edit *e, uint32_t level, struct lsm_file *file)
{
    struct lsm_edit_table *t = grow(e, e->added, e->added_count, sizeof *t);
    if (t == NULL) {
        let_go(e, file);
        return status_of(ST_NO_MEMORY);
    }
    e->added = t;
    t[e->added_count++] =
        (struct lsm_edit_table) { .level = level, .file = file, .id = file->meta.id };
    return status_ok();
}

struct status lsm_edit_drop(struct lsm_edit *e, uint32_t level, uint64_t id)
{
    struct lsm_edit_table *t = grow(e, e->dropped, e->dropped_count, sizeof *t);
    if (t == NULL)
        return status_of(ST_NO_MEMORY);
    e->dropped = t;
    t[e->dropped_count++] = (struct lsm_edit_table) { .level = level, .id = id };
    return status_ok();
}

struct status lsm_edit_value_file(struct lsm_edit *e, const struct vlog_file *file)
{
    struct vlog_file *f = grow(e, e->value_files, e->value_file_count, sizeof *f);
    if (f == NULL)
        return status_of(ST_NO_MEMORY);
    e->value_files = f;
    f[e->value_file_count++] = *file;
    return status_ok();
}

struct status lsm_edit_drop_value(struct lsm_edit *e, uint64_t logical)
{
    uint64_t *v = grow(e, e->dropped_values, e->dropped_value_count, sizeof *v);
    if (v == NULL)
        return status_of(ST_NO_MEMORY);
    e->dropped_values = v;
    v[e->dropped_value_count++] = logical;
    return status_ok();
}

struct status lsm_edit_keyspace(struct lsm_edit *e, uint32_t id, struct bytes name, bool is_drop)
{
    struct lsm_edit_keyspace *k = grow(e, e->keyspaces, e->keyspace_count, sizeof *k);
    if (k == NULL)
        return status_of(ST_NO_MEMORY);
    e->keyspaces = k;
    k[e->keyspace_count++] =
        (struct lsm_edit_keyspace) { .id = id, .is_drop = is_drop, .name = name };
    return status_ok();
}

bool lsm_edit_adds(const struct lsm_edit *e, uint64_t id)
{
    for (uint32_t i = 0; i < e->added_count; i++) {
        if (e->added[i].id == id)
            return true;
    }
    return false;
}

/* ---- Versions ----------------------------------------------------------------------------- */

struct status lsm_version_create_empty(struct lsm_reaper *reaper, struct lsm_version **out_version)
{
    struct lsm_version *v = alloc_zeroed(reaper->alloc, sizeof *v);
    if (v == NULL)
        return status_of(ST_NO_MEMORY);
    v->alloc = reaper->alloc;
    v->reaper = reaper;
    atomic_init(&v->refs, 1);
    *out_version = v;
    return status_ok();
}

void lsm_version_ref(struct lsm_version *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

void lsm_version_unref(struct lsm_version *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < LSM_LEVELS; i++) {
        struct lsm_level *level = &v->levels[i];
        for (uint32_t j = 0; j < level->count; j++)
            lsm_file_unref(level->fences[j].file);
        alloc_free(v->alloc, level->fences, level->count * sizeof *level->fences);
    }
    for (uint32_t i = 0; i < v->value_file_count; i++)
        hold_unref(v->value_files[i].hold);
    alloc_free(v->alloc, v->value_files, v->value_file_count * sizeof *v->value_files);
    alloc_free(v->alloc, v, sizeof *v);
}

static bool is_dropped(const struct lsm_edit *e, uint32_t level, uint64_t id)
{
    for (uint32_t i = 0; i < e->dropped_count; i++) {
        if (e->dropped[i].level == level && e->dropped[i].id == id)
            return true;
    }
    return false;
}

static int compare_smallest(const void *a, const void *b)
{
    const struct lsm_fence *x = a;
    const struct lsm_fence *y = b;
    return bytes_compare(x->file->meta.smallest, y->file->meta.smallest);
}

/* L0 is searched newest first. Its tables hold disjoint ranges of versions, or, those of one
 * memtable, of keys; so the newest version orders them. Ids break ties of empty ones. */
static int compare_newest(const void *a, const void *b)
{
    const struct lsm_table_meta *x = &((const struct lsm_fence *)a)->file->meta;
    const struct lsm_table_meta *y = &((const struct lsm_fence *)b)->file->meta;
    if (x->version_max != y->version_max)
        return x->version_max > y->version_max ? -1 : 1;
    return x->id > y->id ? -1 : x->id < y->id;
}

static struct status build_level(const struct lsm_level *base, const struct lsm_edit *e,
                                 uint32_t number, struct alloc *a, struct lsm_level *out)
{
    uint32_t count = base->count;
    uint32_t at = 0;

    for (uint32_t i = 0; i < e->added_count; i++)
        count += e->added[i].level == number;
    for (uint32_t i = 0; i < e->dropped_count; i++) {
        if (e->dropped[i].level != number)
            continue;
        if (count == 0)
            return status_of(ST_CORRUPT);
        count--;
    }
    if (count == 0)
        return status_ok();
    struct lsm_fence *fences = alloc_array(a, count, sizeof *fences);
    if (fences == NULL)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = 0; i < base->count && at <= count; i++) {
        if (is_dropped(e, number, base->fences[i].file->meta.id))
            continue;
        if (at < count)
            fences[at] = base->fences[i];
        at++;
    }
    for (uint32_t i = 0; i < e->added_count && at <= count; i++) {
        if (e->added[i].level != number)
            continue;
        if (at < count)
            fences[at].file = e->added[i].file;
        at++;
    }
    if (at != count) { /* The edit drops what is not there. */
        alloc_free(a, fences, count * sizeof *fences);
        return status_of(ST_CORRUPT);
    }
    qsort(fences, count, sizeof *fences, number == 0 ? compare_newest : compare_smallest);
    for (uint32_t i = 0; i < count; i++) {
        struct lsm_file *f = fences[i].file;
        fences[i].head = lsm_key_head(f->meta.largest);
        file_ref(f);
        out->bytes += f->meta.file_size;
        out->range_deletes += f->meta.range_delete_count;
    }
    out->fences = fences;
    out->count = count;
    for (uint32_t i = 1; number > 0 && i < count; i++) {
        if (!ends_before(fences[i - 1].file, fences[i].file->meta.smallest))
            return status_of(ST_CORRUPT);
    }
    return status_ok();
}

static int compare_logical(const void *a, const void *b)
{
    const struct lsm_value_file *x = a;
    const struct lsm_value_file *y = b;
    return x->file.logical < y->file.logical ? -1 : x->file.logical > y->file.logical;
}

static struct lsm_value_file *find_value_file(struct lsm_value_file *files, uint32_t count,
                                              uint64_t logical)
{
    struct lsm_value_file key = { .file.logical = logical };
    return count == 0 ? NULL : bsearch(&key, files, count, sizeof *files, compare_logical);
}

const struct lsm_value_file *lsm_version_value_file(const struct lsm_version *v, uint64_t logical)
{
    return find_value_file(v->value_files, v->value_file_count, logical);
}

/* All value files of base and edit, sorted, replaced ones once. Returns the count. */
static uint32_t gather_value_files(const struct lsm_version *base, const struct lsm_edit *e,
                                   struct lsm_value_file *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < base->value_file_count; i++)
        out[count++] = (struct lsm_value_file) { .file = base->value_files[i].file,
                                                 .hold = base->value_files[i].hold };
    uint32_t old_count = count;
    for (uint32_t i = 0; i < e->value_file_count; i++) {
        struct lsm_value_file *old = find_value_file(out, old_count, e->value_files[i].logical);
        if (old != NULL)
            old->file = e->value_files[i];
        else
            out[count++] = (struct lsm_value_file) { .file = e->value_files[i] };
    }
    qsort(out, count, sizeof *out, compare_logical);
    return count;
}

static struct status count_live(const struct lsm_version *v, struct lsm_value_file *files,
                                uint32_t count)
{
    for (int i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            const struct lsm_table_meta *m = &v->levels[i].fences[j].file->meta;
            for (uint32_t k = 0; k < m->ref_count; k++) {
                struct lsm_value_file *f = find_value_file(files, count, m->refs[k].logical);
                if (f == NULL)
                    return status_of(ST_CORRUPT);
                f->live_values += m->refs[k].live_values;
                f->live_bytes += m->refs[k].live_bytes;
            }
        }
    }
    return status_ok();
}

/* Take a count on each file's hold; new files get one. */
static struct status hold_all(struct lsm_reaper *reaper, struct lsm_value_file *files,
                              uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (files[i].hold == NULL) {
            files[i].hold = alloc_zeroed(reaper->alloc, sizeof *files[i].hold);
            if (files[i].hold == NULL) {
                while (i > 0)
                    hold_unref(files[--i].hold);
                return status_of(ST_NO_MEMORY);
            }
            files[i].hold->logical = files[i].file.logical;
            files[i].hold->reaper = reaper;
        }
        atomic_fetch_add_explicit(&files[i].hold->refs, 1, memory_order_relaxed);
    }
    return status_ok();
}

static struct status build_value_files(const struct lsm_version *base, struct lsm_edit *e,
                                       struct lsm_version *v)
{
    uint32_t room = base->value_file_count + e->value_file_count;
    if (room == 0)
        return count_live(v, NULL, 0);
    struct lsm_value_file *files = alloc_array(v->alloc, room, sizeof *files);
    struct lsm_value_file *kept = NULL;
    uint32_t kept_count = 0;
    struct status s = status_of(ST_NO_MEMORY);

    if (files == NULL)
        return s;
    uint32_t count = gather_value_files(base, e, files);
    s = count_live(v, files, count);
    if (failed(s))
        goto out;
    for (uint32_t i = 0; i < count; i++) {
        bool is_log = files[i].file.is_segment && files[i].file.logical >= v->log_start;
        if (files[i].live_values > 0 || is_log) {
            files[kept_count++] = files[i];
            continue;
        }
        s = lsm_edit_drop_value(e, files[i].file.logical);
        if (failed(s))
            goto out;
    }
    if (kept_count > 0) {
        kept = alloc_array(v->alloc, kept_count, sizeof *kept);
        if (kept == NULL) {
            s = status_of(ST_NO_MEMORY);
            goto out;
        }
        memcpy(kept, files, kept_count * sizeof *kept);
        s = hold_all(v->reaper, kept, kept_count);
        if (failed(s)) {
            alloc_free(v->alloc, kept, kept_count * sizeof *kept);
            goto out;
        }
    }
    v->value_files = kept;
    v->value_file_count = kept_count;
out:
    alloc_free(v->alloc, files, room * sizeof *files);
    return s;
}

struct status lsm_version_apply(const struct lsm_version *base, struct lsm_edit *edit,
                                struct lsm_version **out_version)
{
    struct lsm_version *v;
    TRY(lsm_version_create_empty(base->reaper, &v));
    struct status s = status_ok();

    v->log_start = edit->log_start != 0 ? edit->log_start : base->log_start;
    v->is_log_fresh = edit->log_start != 0 ? edit->is_log_fresh : base->is_log_fresh;
    for (uint32_t i = 0; i < LSM_LEVELS && succeeded(s); i++)
        s = build_level(&base->levels[i], edit, i, v->alloc, &v->levels[i]);
    if (succeeded(s))
        s = build_value_files(base, edit, v);
    if (failed(s)) {
        lsm_version_unref(v);
        return s;
    }
    *out_version = v;
    return s;
}

void lsm_version_note_current(struct lsm_version *v)
{
    for (uint32_t i = 0; i < v->value_file_count; i++)
        v->value_files[i].hold->was_current = true;
}

uint32_t lsm_level_find(const struct lsm_level *level, struct bytes key)
{
    uint64_t head = lsm_key_head(key);
    uint32_t low = 0;
    uint32_t high = level->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct lsm_fence *f = &level->fences[mid];
        bool is_before = f->head != head ? f->head < head : ends_before(f->file, key);
        if (is_before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void lsm_version_check_invariants(const struct lsm_version *v)
{
    for (int i = 1; i < LSM_LEVELS; i++) {
        for (uint32_t j = 1; j < v->levels[i].count; j++) {
            CHECK(ends_before(v->levels[i].fences[j - 1].file,
                              v->levels[i].fences[j].file->meta.smallest));
        }
    }
    for (uint32_t i = 0; i < v->value_file_count; i++) {
        const struct lsm_value_file *f = &v->value_files[i];
        CHECK(f->live_values <= f->file.value_count);
        CHECK(f->live_bytes <= f->file.value_bytes);
        CHECK(f->live_values > 0 || (f->file.is_segment && f->file.logical >= v->log_start));
    }
}
