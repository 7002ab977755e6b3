#include "server/checkpoint.h"

#include "lsm/lsm.h"

#include <stdio.h>
#include <string.h>

struct place {
    char path[IO_PATH_MAX]; /* dir/NAME */
    char fresh[IO_PATH_MAX];
    char old[IO_PATH_MAX];
};

static struct status find_place(const char *dir, const char *name, struct place *out)
{
    const int room = IO_PATH_MAX;

    if (snprintf(out->path, sizeof out->path, "%s/%s", dir, name) >= room ||
        snprintf(out->fresh, sizeof out->fresh, "%s/%s.new", dir, name) >= room ||
        snprintf(out->old, sizeof out->old, "%s/%s.old", dir, name) >= room)
        return status_of(ST_LIMIT);
    return status_ok();
}

/* ---- Removing ---------------------------------------------------------------------------------
 */

struct removal {
    struct io *io;
    const char *dir;
    struct status status;
};

static bool remove_file(void *context, const char *name)
{
    struct removal *r = context;
    char path[IO_PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", r->dir, name) >= (int)sizeof path)
        r->status = status_of(ST_LIMIT);
    else
        r->status = io_unlink(r->io, path);
    return succeeded(r->status);
}

/* The files of a directory, and itself. OK if it is not there. */
static struct status remove_dir(struct io *io, const char *dir)
{
    struct removal r = { .io = io, .dir = dir, .status = status_ok() };
    bool is_there;

    TRY(io_exists(io, dir, &is_there));
    if (!is_there)
        return status_ok();
    TRY(io_list(io, dir, remove_file, &r));
    TRY(r.status);
    return io_unlink(io, dir);
}

/* A directory with a store's directory "0" in it. */
static struct status remove_copy(struct io *io, const char *path)
{
    char store[IO_PATH_MAX];

    if (snprintf(store, sizeof store, "%s/0", path) >= (int)sizeof store)
        return status_of(ST_LIMIT);
    TRY(remove_dir(io, store));
    return remove_dir(io, path);
}

/* ---- Making -----------------------------------------------------------------------------------
 */

/* Whole and durable under its name-to-be. */
static struct status make_fresh(struct io *io, struct lsm *l, struct io_ring *ring,
                                const char *fresh, struct errbuf *err)
{
    char store[IO_PATH_MAX];

    if (snprintf(store, sizeof store, "%s/0", fresh) >= (int)sizeof store)
        return status_of(ST_LIMIT);
    TRY(remove_copy(io, fresh));
    TRY(io_mkdir(io, fresh));
    TRY(lsm_checkpoint(l, ring, store, err));
    return io_sync_dir(io, fresh);
}

static struct status put_in_place(struct io *io, const char *dir, const struct place *p)
{
    bool is_there;

    TRY(io_exists(io, p->path, &is_there));
    if (is_there) {
        TRY(remove_copy(io, p->old));
        TRY(io_rename(io, p->path, p->old));
        TRY(io_sync_dir(io, dir));
    }
    TRY(io_rename(io, p->fresh, p->path));
    TRY(io_sync_dir(io, dir));
    return remove_copy(io, p->old);
}

struct status server_checkpoint_make(struct io *io, struct lsm *l, struct io_ring *ring,
                                     const char *dir, const char *name, struct errbuf *err)
{
    struct place p;

    TRY(find_place(dir, name, &p));
    struct status s = make_fresh(io, l, ring, p.fresh, err);
    if (succeeded(s))
        s = put_in_place(io, dir, &p);
    if (succeeded(s))
        return s;
    if (err->text[0] == '\0')
        errbuf_set(err, "\"%s\": %s", p.path, status_text(s));
    status_ignore(remove_copy(io, p.fresh), "the next one removes it");
    status_ignore(server_checkpoint_recover(io, dir, name), "the next start does it");
    return s;
}

struct status server_checkpoint_recover(struct io *io, const char *dir, const char *name)
{
    struct place p;
    bool is_there;
    bool has_old;

    TRY(find_place(dir, name, &p));
    TRY(io_exists(io, p.path, &is_there));
    TRY(io_exists(io, p.old, &has_old));
    if (is_there || !has_old)
        return status_ok();
    TRY(io_rename(io, p.old, p.path));
    return io_sync_dir(io, dir);
}
