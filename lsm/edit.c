#include "lsm/internal.h"

#include "base/check.h"

enum { MANIFEST_RATIO_MAX = 4 };

/* ---- The manifest anew -------------------------------------------------------------------- */

static struct status add_version(const struct lsm_version *v, struct lsm_edit *e)
{
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            struct lsm_file *f = v->levels[i].fences[j].file;
            atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
            TRY(lsm_edit_add(e, i, f));
        }
    }
    for (uint32_t i = 0; i < v->value_file_count; i++)
        TRY(lsm_edit_value_file(e, &v->value_files[i].file));
    return status_ok();
}

struct status lsm_edit_snapshot(struct lsm *l, struct lsm_edit *out_edit, struct buf *sidecar)
{
    struct lsm_state *state = lsm_state_hold(l);

    lsm_edit_init(out_edit, l->env->alloc);
    struct status s = add_version(state->version, out_edit);
    out_edit->log_start = state->version->log_start;
    out_edit->is_log_fresh = state->version->is_log_fresh;
    lsm_state_unref(state);

    mutex_lock(&l->lock);
    out_edit->next_id = l->id_mark;
    out_edit->clock_mark = l->clock_mark;
    out_edit->next_keyspace = l->next_keyspace;
    out_edit->flushed_lsn = l->flushed.lsn;
    memcpy(out_edit->groups, l->flushed.groups, sizeof l->flushed.groups);
    out_edit->group_count = l->flushed.group_count;
    buf_append(sidecar, buf_bytes(&l->flushed.sidecar));
    out_edit->has_sidecar = l->flushed.has_sidecar;
    for (uint32_t i = 0; i < l->keyspace_count && succeeded(s); i++)
        s = lsm_edit_keyspace(out_edit, l->keyspaces[i].id, bytes_str(l->keyspaces[i].name), false);
    mutex_unlock(&l->lock);

    if (sidecar->is_failed)
        s = status_of(ST_NO_MEMORY);
    out_edit->sidecar = buf_bytes(sidecar);
    if (failed(s))
        lsm_edit_deinit(out_edit);
    return s;
}

/* When edits outweigh what they add up to, begin a new manifest. The old one stays in force if this
 * fails for want of space or memory; it is tried again with the next edit. Any other failure leaves
 * open which one the next open will read. */
static void rewrite_if_long(struct lsm *l, struct io_ring *ring) REQUIRES(l->edit_lock)
{
    struct lsm_edit snapshot;
    struct lsm_manifest *next = NULL;
    struct buf sidecar;
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    uint64_t id;

    if (lsm_manifest_size(l->manifest) <
        MANIFEST_RATIO_MAX * lsm_manifest_snapshot_size(l->manifest) + l->options.manifest_slack)
        return;
    if (failed(lsm_take_id(l, &id)))
        return;
    buf_init(&sidecar, l->env->alloc, SIZE_MAX / 2);
    if (succeeded(lsm_edit_snapshot(l, &snapshot, &sidecar))) {
        struct status s = lsm_manifest_create(l->env, ring, l->dir, id, l->uuid, &snapshot, &next);
        if (succeeded(s)) {
            lsm_manifest_name(lsm_manifest_id(l->manifest), name, sizeof name);
            lsm_manifest_close(l->manifest, ring);
            l->manifest = next;
            if (succeeded(lsm_file_path(l, name, path)))
                status_ignore(io_unlink(l->env->io, path), "orphans go at the next open");
        } else if (s.code != ST_NO_SPACE && s.code != ST_NO_MEMORY) {
            lsm_poison(l, "change of manifests failed: %s", status_name(s.code));
        }
        lsm_edit_deinit(&snapshot);
    }
    buf_deinit(&sidecar);
}

void lsm_edit_discard(struct lsm *l, struct lsm_edit *edit)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];

    /* A manifest that could not be written may say this edit all the same. The next open knows, and
     * removes the files if it does not. */
    if (lsm_failure(l) != NULL)
        return;
    lsm_edit_mark_obsolete(edit);
    for (uint32_t i = 0; i < edit->value_file_count; i++) {
        if (edit->value_files[i].is_segment)
            continue;
        vlog_file_name(&edit->value_files[i], name, sizeof name);
        if (succeeded(lsm_file_path(l, name, path)))
            status_ignore(io_unlink(l->env->io, path), "an orphan is removed at the next open");
    }
}

/* ---- Committing --------------------------------------------------------------------------- */

/* The state with the new version and without the flushed memtable. */
static struct status next_state(struct lsm *l, struct lsm_version *version,
                                const struct lsm_mem *flushed, struct lsm_state **out_state)
    REQUIRES(l->lock)
{
    const struct lsm_state *now = atomic_load_explicit(&l->state, memory_order_relaxed);
    struct lsm_mem *frozen[LSM_MEMTABLES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < now->frozen_count; i++) {
        if (now->frozen[i] != flushed)
            frozen[count++] = now->frozen[i];
    }
    return lsm_state_create(l->env->alloc, now->mem, frozen, count, version, out_state);
}

/* Marks and names, as the manifest now has them: before it may be begun anew from these. */
static void note_marks(struct lsm *l, const struct lsm_edit *edit) REQUIRES(l->lock)
{
    if (edit->next_id > l->id_mark)
        l->id_mark = edit->next_id;
    if (edit->clock_mark > l->clock_mark)
        l->clock_mark = edit->clock_mark;
    lsm_keyspaces_install(l, edit);
}

/* What the manifest now says of the log and the groups, for the next snapshot. */
static struct status note_flushed(struct lsm *l, const struct lsm_edit *edit) REQUIRES(l->lock)
{
    if (edit->log_start != 0)
        l->flushed.lsn = edit->flushed_lsn;
    if (edit->group_count > 0) {
        memcpy(l->flushed.groups, edit->groups, sizeof edit->groups);
        l->flushed.group_count = edit->group_count;
    }
    if (edit->has_sidecar) {
        buf_reset(&l->flushed.sidecar);
        buf_append(&l->flushed.sidecar, edit->sidecar);
        l->flushed.has_sidecar = true;
    }
    return l->flushed.sidecar.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

/* After the manifest has it: nothing may fail here that could be undone, so a want of memory
 * poisons (the store reopens to exactly this edit). */
static struct status install(struct lsm *l, struct lsm_edit *edit, struct lsm_version *version,
                             struct lsm_mem *flushed)
{
    struct lsm_state *next;
    struct status s = status_ok();

    /* Readers of the new version must find its value files: before the state changes. */
    for (uint32_t i = 0; i < edit->value_file_count && succeeded(s); i++) {
        if (!edit->value_files[i].is_segment)
            s = vlog_install(l->log, &edit->value_files[i]);
    }
    mutex_lock(&l->lock);
    struct lsm_state *now = atomic_load_explicit(&l->state, memory_order_relaxed);
    for (uint32_t i = 0; i < edit->dropped_count; i++) {
        const struct lsm_level *level = &now->version->levels[edit->dropped[i].level];
        for (uint32_t j = 0; j < level->count; j++) {
            if (level->fences[j].file->meta.id == edit->dropped[i].id)
                level->fences[j].file->is_obsolete = !lsm_edit_adds(edit, edit->dropped[i].id);
        }
    }
    if (succeeded(s))
        s = note_flushed(l, edit);
    if (succeeded(s))
        s = next_state(l, version, flushed, &next);
    if (succeeded(s)) {
        note_marks(l, edit);
        lsm_version_note_current(version);
        lsm_state_swap(l, next);
        l->version_since = epoch_now(&l->epoch);
    }
    mutex_unlock(&l->lock);
    if (succeeded(s))
        return s;
    lsm_poison(l, "%s while installing a durable edit", status_name(s.code));
    return status_of(ST_FAILED);
}

struct status lsm_edit_commit(struct lsm *l, struct io_ring *ring, struct lsm_edit *edit,
                              struct lsm_mem *flushed)
{
    struct lsm_version *version = NULL;
    struct lsm_state *state = NULL;
    struct status s = status_ok();

    mutex_lock(&l->edit_lock);
    if (lsm_failure(l) != NULL) {
        s = status_of(ST_FAILED);
        goto out;
    }
    if (edit->added_count > 0 || edit->value_file_count > 0) {
        s = io_sync_dir(l->env->io, l->dir);
        if (failed(s)) {
            lsm_poison(l, "sync of directory %s failed", l->dir);
            goto out;
        }
    }
    mutex_lock(&l->lock);
    s = lsm_keyspaces_admit(l, edit);
    mutex_unlock(&l->lock);
    if (failed(s))
        goto out;
    state = lsm_state_hold(l);
    s = lsm_version_apply(state->version, edit, &version);
    if (failed(s)) {
        if (s.code == ST_CORRUPT)
            lsm_poison(l, "internal error: an edit does not fit the version (%s:%u)", s.file,
                       s.line);
        goto out;
    }
    s = lsm_manifest_append(l->manifest, ring, edit);
    if (failed(s)) {
        if (s.code != ST_NO_SPACE && s.code != ST_NO_MEMORY)
            lsm_poison(l, "write of the manifest failed: %s", status_name(s.code));
        goto out;
    }
    atomic_fetch_add_explicit(&l->counters.manifest_edits, 1, memory_order_relaxed);
    s = install(l, edit, version, flushed);
    if (succeeded(s))
        rewrite_if_long(l, ring);
out:
    lsm_version_unref(version);
    lsm_state_unref(state);
    mutex_unlock(&l->edit_lock);
    return s;
}
