#include "server/config_source.h"

#include "base/process.h"

#include <stdio.h>
#include <string.h>

/* ---- Reading ----------------------------------------------------------------------------------
 */

struct machine {
    struct alloc *alloc;
    struct io *io;
    struct io_ring *ring;
};

static struct status read_all(struct io *io, struct io_ring *ring, const char *path,
                              struct buf *out)
{
    struct io_file *file = NULL;
    uint64_t size = 0;
    size_t done = 0;

    TRY(io_open(io, path, IO_READ, &file));
    struct status s = io_size(file, &size);
    if (succeeded(s) && size > CONFIG_FILE_MAX)
        s = status_of(ST_LIMIT);
    uint8_t *room = succeeded(s) ? buf_extend(out, size) : NULL;
    if (succeeded(s))
        s = room == NULL ? status_of(ST_NO_MEMORY) : io_read(ring, file, room, size, 0, &done);
    if (succeeded(s))
        out->size -= size - done;
    io_close(file);
    return s;
}

static struct status read_path(void *context, const char *path, struct buf *out, struct errbuf *err)
{
    struct machine *m = context;
    struct status s = read_all(m->io, m->ring, path, out);

    if (failed(s))
        errbuf_set(err, "'%s' cannot be read: %s (varve server --help says what is expected)", path,
                   status_text(s));
    return s;
}

/* ---- Patterns ---------------------------------------------------------------------------------
 */

/* '*' for any letters, '?' for one. */
static bool matches(const char *pattern, const char *name)
{
    for (; *pattern != '\0' && *pattern != '*'; pattern++, name++) {
        if (*name == '\0' || (*pattern != '?' && *pattern != *name))
            return false;
    }
    if (*pattern == '\0')
        return *name == '\0';
    do {
        if (matches(pattern + 1, name))
            return true;
    } while (*name++ != '\0');
    return false;
}

struct listing {
    const char *directory;
    const char *pattern;
    struct status (*visit)(void *context, const char *path, struct errbuf *err);
    void *context;
    struct errbuf *err;
    struct status status;
};

static bool visit_name(void *context, const char *name)
{
    struct listing *l = context;
    char path[IO_PATH_MAX];

    if (!matches(l->pattern, name) || (name[0] == '.' && l->pattern[0] != '.'))
        return true;
    (void)snprintf(path, sizeof path, "%s/%s", l->directory, name);
    l->status = l->visit(l->context, path, l->err);
    return succeeded(l->status);
}

/* The pattern is in the last part of the path; a directory that is not there has no files. */
static struct status list_paths(void *context, const char *pattern,
                                struct status (*visit)(void *context, const char *path,
                                                       struct errbuf *err),
                                void *visit_context, struct errbuf *err)
{
    struct machine *m = context;
    char directory[IO_PATH_MAX] = ".";
    const char *slash = strrchr(pattern, '/');
    struct listing l = { .directory = directory,
                         .pattern = slash == NULL ? pattern : slash + 1,
                         .visit = visit,
                         .context = visit_context,
                         .err = err };

    if (slash != NULL)
        (void)snprintf(directory, sizeof directory, "%.*s",
                       (int)(slash - pattern) + (slash == pattern), pattern);
    if (strpbrk(directory, "*?") != NULL) {
        errbuf_set(err, "'%s': expected '*' and '?' in the name of the file only", pattern);
        return status_of(ST_INVALID);
    }
    struct status s = io_list(m->io, directory, visit_name, &l);
    if (s.code == ST_NOT_FOUND)
        return status_ok();
    if (failed(s)) {
        errbuf_set(err, "'%s' cannot be listed: %s", directory, status_text(s));
        return s;
    }
    return l.status;
}

static struct status note_file(struct server_config *c, const char *path)
{
    char absolute[IO_PATH_MAX];

    process_absolute_path(path, absolute, sizeof absolute);
    size_t size = strlen(absolute) + 1;
    char *copy = alloc_bytes(c->alloc, size);
    if (copy == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(copy, absolute, size);
    alloc_free(c->alloc, c->file, strlen(c->file) + 1);
    c->file = copy;
    return status_ok();
}

static struct status open_machine(struct machine *m)
{
    const struct io_ring_options options = { .entries = 1 };

    TRY(io_open_machine(m->alloc, IO_KIND_POSIX, &m->io, NULL));
    struct status s = io_ring_create(m->io, &options, &m->ring);
    if (failed(s))
        io_close_machine(m->io);
    return s;
}

static void close_machine(struct machine *m)
{
    io_ring_destroy(m->ring);
    io_close_machine(m->io);
}

struct status config_source_read_file(struct server_config *c, const char *path, struct errbuf *err)
{
    struct machine m = { .alloc = c->alloc };
    const struct config_source source = { .context = &m, .read = read_path, .list = list_paths };
    struct buf text;

    TRY(open_machine(&m));
    buf_init(&text, c->alloc, CONFIG_FILE_MAX);
    struct status s = read_path(&m, path, &text, err);
    if (succeeded(s))
        s = server_config_read_text(c, &source, path, buf_bytes(&text), err);
    if (succeeded(s))
        s = note_file(c, path);
    buf_deinit(&text);
    close_machine(&m);
    return s;
}

struct status config_source_read_flags(struct server_config *c, int argc, const char *const *argv,
                                       struct errbuf *err)
{
    struct machine m = { .alloc = c->alloc };
    const struct config_source source = { .context = &m, .read = read_path, .list = list_paths };

    TRY(open_machine(&m));
    struct status s = server_config_read_flags(c, &source, argc, argv, err);
    close_machine(&m);
    return s;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static struct status write_all(struct io *io, struct io_ring *ring, const char *path,
                               struct bytes text)
{
    struct io_file *file;

    TRY(io_open(io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file));
    struct status s = io_write(ring, file, text.data, text.size, 0);
    if (succeeded(s))
        s = io_sync(ring, file);
    io_close(file);
    return s;
}

/* The text is whole under another name before it takes the old one's. */
static struct status replace(const char *path, struct io *io, struct io_ring *ring,
                             struct bytes text)
{
    char fresh[IO_PATH_MAX];
    char directory[IO_PATH_MAX];
    const char *slash = strrchr(path, '/');

    int size = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (size < 0 || (size_t)size >= sizeof fresh || slash == NULL)
        return status_of(ST_LIMIT);
    (void)snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + (slash == path),
                   path);
    struct status s = write_all(io, ring, fresh, text);
    if (succeeded(s))
        s = io_rename(io, fresh, path);
    if (failed(s)) {
        status_ignore(io_unlink(io, fresh), "it may not be there");
        return s;
    }
    return io_sync_dir(io, directory);
}

struct status config_source_rewrite(const struct server_config *c, struct io *io,
                                    struct io_ring *ring, struct errbuf *err)
{
    struct buf text;
    struct buf fresh;

    buf_init(&text, c->alloc, CONFIG_FILE_MAX);
    buf_init(&fresh, c->alloc, SIZE_MAX);
    struct status s = read_all(io, ring, c->file, &text);
    if (s.code == ST_NOT_FOUND)
        s = status_ok(); /* It is written anew. */
    if (succeeded(s))
        s = server_config_rewrite(c, buf_bytes(&text), &fresh);
    if (succeeded(s))
        s = replace(c->file, io, ring, buf_bytes(&fresh));
    if (failed(s))
        errbuf_set(err, "%s", status_text(s));
    buf_deinit(&fresh);
    buf_deinit(&text);
    return s;
}
