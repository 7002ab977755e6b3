#include "bench/dir.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char MARKER[] = "BENCH";

static bool note_name(void *context, const char *name)
{
    (void)name;
    *(bool *)context = true;
    return false;
}

/* The name of the engine that made the store, from the marker. False if there is none. */
static bool read_marker(const char *marker, char *out_engine, size_t size)
{
    FILE *f = fopen(marker, "r");

    if (f == NULL)
        return false;
    bool good = fgets(out_engine, (int)size, f) != NULL;
    (void)fclose(f);
    if (good)
        out_engine[strcspn(out_engine, "\n")] = '\0';
    return good;
}

static struct status write_marker(const char *marker, const char *engine, struct errbuf *err)
{
    FILE *f = fopen(marker, "w");

    bool good = f != NULL && fprintf(f, "%s\n", engine) > 0;
    if (f != NULL && fclose(f) != 0)
        good = false;
    if (good)
        return status_ok();
    errbuf_set(err, "could not write \"%s\": %s", marker, strerror(errno));
    return status_of(ST_IO);
}

/* A directory without a marker may be taken only if there is nothing in it. */
static struct status check_unused(const struct env *env, const char *path, struct errbuf *err)
{
    bool has_entries = false;
    struct status s = io_list(env->io, path, note_name, &has_entries);

    if (failed(s)) {
        errbuf_set(err, "could not list \"%s\": %s", path, status_text(s));
        return s;
    }
    if (!has_entries)
        return s;
    errbuf_set(err, "\"%s\" holds something that no benchmark made; name an empty directory", path);
    return status_of(ST_INVALID);
}

struct status dir_prepare(const struct env *env, const char *path, const char *engine, bool keep,
                          struct errbuf *err, char *out_store, size_t size)
{
    char marker[IO_PATH_MAX];
    char maker[64] = "";

    if (snprintf(out_store, size, "%s/store", path) >= (int)size ||
        snprintf(marker, sizeof marker, "%s/%s", path, MARKER) >= (int)sizeof marker) {
        errbuf_set(err, "--db is too long");
        return status_of(ST_INVALID);
    }
    bool is_ours = read_marker(marker, maker, sizeof maker);
    if (keep && (!is_ours || strcmp(maker, engine) != 0)) {
        if (is_ours)
            errbuf_set(err, "--use_existing_db: \"%s\" holds a store of %s, not of %s", path, maker,
                       engine);
        else
            errbuf_set(err, "--use_existing_db: \"%s\" holds no store that a benchmark made", path);
        return status_of(ST_NOT_FOUND);
    }
    if (is_ours && strcmp(maker, engine) != 0)
        TRY(dir_clear(env, out_store, err));
    struct status s = io_mkdir(env->io, path);
    if (succeeded(s) && !is_ours)
        TRY(check_unused(env, path, err));
    if (succeeded(s))
        s = io_mkdir(env->io, out_store);
    if (failed(s)) {
        errbuf_set(err, "could not make \"%s\": %s", out_store, status_text(s));
        return s;
    }
    return write_marker(marker, engine, err);
}

/* Walk the files below path, links not followed. */
static FTS *walk(const char *path)
{
    char *const paths[] = { (char *)path, NULL };

    return fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

struct status dir_clear(const struct env *env, const char *store, struct errbuf *err)
{
    FTS *fts = walk(store);
    FTSENT *entry;
    struct status s = status_ok();

    if (fts == NULL)
        return status_of(ST_NO_MEMORY);
    while (succeeded(s) && (entry = fts_read(fts)) != NULL) {
        /* Directories after their contents (FTS_DP); what is not there need not go. */
        if (entry->fts_info == FTS_D || entry->fts_info == FTS_NS)
            continue;
        if (remove(entry->fts_accpath) != 0) {
            errbuf_set(err, "could not remove \"%s\": %s", entry->fts_accpath, strerror(errno));
            s = status_of(ST_IO);
        }
    }
    (void)fts_close(fts);
    return succeeded(s) ? io_mkdir(env->io, store) : s;
}

uint64_t dir_size(const char *path)
{
    FTS *fts = walk(path);
    FTSENT *entry;
    uint64_t size = 0;

    if (fts == NULL)
        return 0;
    while ((entry = fts_read(fts)) != NULL) {
        if (entry->fts_info == FTS_F)
            size += (uint64_t)entry->fts_statp->st_blocks * 512;
    }
    (void)fts_close(fts);
    return size;
}
