/*
 * checkpoint -- a consistent copy by hard links.
 *
 * Tables and value files never change, so a link is a copy. The checkpoint's manifest is written
 * last, into a directory of that name that did not exist; it says that everything it names is
 * flushed and no log follows. A linked segment is a value file: never recycled (vlog.h, 6).
 */
#include "lsm/internal.h"

static struct status link_file(struct lsm *l, const char *target, const char *name)
{
    char from[IO_PATH_MAX];
    char to[IO_PATH_MAX];
    TRY(lsm_path(l->dir, name, from));
    TRY(lsm_path(target, name, to));
    return io_link(l->env->io, from, to);
}

static struct status link_all(struct lsm *l, const struct lsm_version *v, const char *target)
{
    char name[LSM_NAME_MAX];
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            lsm_table_name(v->levels[i].fences[j].file->meta.id, name, sizeof name);
            TRY(link_file(l, target, name));
        }
    }
    for (uint32_t i = 0; i < v->value_file_count; i++) {
        vlog_file_name(&v->value_files[i].file, name, sizeof name);
        TRY(link_file(l, target, name));
    }
    return io_sync_dir(l->env->io, target);
}

/* Segments in the copy are value files and nothing else: the log begins behind every id in use. */
static void end_log(struct lsm_edit *snapshot)
{
    snapshot->log_start = snapshot->next_id;
    snapshot->is_log_fresh = true;
}

static struct status write_manifest(struct lsm *l, struct io_ring *ring, const char *target)
    REQUIRES(l->edit_lock)
{
    struct lsm_edit snapshot;
    struct lsm_manifest *m = NULL;
    struct buf sidecar;
    uint64_t id;

    TRY(lsm_take_id(l, &id));
    buf_init(&sidecar, l->env->alloc, SIZE_MAX / 2);
    struct status s = lsm_edit_snapshot(l, &snapshot, &sidecar);
    if (succeeded(s)) {
        end_log(&snapshot);
        s = lsm_manifest_create(l->env, ring, target, id, l->uuid, &snapshot, &m);
        lsm_edit_deinit(&snapshot);
    }
    lsm_manifest_close(m, ring);
    buf_deinit(&sidecar);
    return s;
}

struct status lsm_checkpoint(struct lsm *l, struct io_ring *ring, const char *target,
                             struct errbuf *err)
{
    bool exists;
    struct lsm_state *state;

    if (strlen(target) + LSM_NAME_MAX >= IO_PATH_MAX)
        return status_of(ST_INVALID);
    TRY(io_exists(l->env->io, target, &exists));
    if (exists) {
        errbuf_set(err, "\"%s\" exists already", target);
        return status_of(ST_BUSY);
    }
    /* No edit while it is made: what is linked is what the manifest will say. */
    mutex_lock(&l->edit_lock);
    state = lsm_state_hold(l);
    struct status s = status_ok();
    if (lsm_failure(l) != NULL) {
        s = status_of(ST_FAILED);
        errbuf_set(err, "%s", lsm_failure(l));
    }
    if (succeeded(s))
        s = io_make_dir(l->env->io, target);
    if (succeeded(s))
        s = link_all(l, state->version, target);
    if (succeeded(s))
        s = write_manifest(l, ring, target);
    lsm_state_unref(state);
    mutex_unlock(&l->edit_lock);
    if (s.code == ST_FAILED && lsm_failure(l) == NULL)
        s = status_of(ST_IO); /* The copy is lost, not the store. */
    if (failed(s) && err != NULL && err->text[0] == '\0')
        errbuf_set(err, "\"%s\": %s", target, status_text(s));
    return s;
}
