#include "base/io_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

enum { FILE_MODE = 0640, DIRECTORY_MODE = 0750 };

/* What a directory listing may take in memory: some 100,000 names, far above any store. */
enum { LISTING_MAX = 4 << 20 };

/* ---- Machine ----------------------------------------------------------------------------- */

struct status io_host_create(struct alloc *a, const struct io_table *table, enum io_kind kind,
                             struct host **out_host)
{
    struct host *h = alloc_zeroed(a, sizeof *h);

    if (h == NULL)
        return status_of(ST_NO_MEMORY);
    h->io = (struct io) { .table = table, .kind = kind, .alloc = a };
    mutex_init(&h->lock, RANK_IO);
    *out_host = h;
    return status_ok();
}

void io_host_close_machine(struct io *io)
{
    struct host *h = (struct host *)io;

    CHECK(h->held == NULL);
    mutex_deinit(&h->lock);
    alloc_free(io->alloc, h, sizeof *h);
}

/* ---- Files ------------------------------------------------------------------------------- */

static int native_flags(unsigned flags)
{
    int f = O_CLOEXEC;

    if ((flags & IO_WRITE) == 0)
        f |= O_RDONLY;
    else
        f |= (flags & IO_READ) != 0 ? O_RDWR : O_WRONLY;
    if ((flags & IO_CREATE) != 0)
        f |= O_CREAT;
    if ((flags & IO_EXCLUSIVE) != 0)
        f |= O_EXCL;
    if ((flags & IO_TRUNCATE) != 0)
        f |= O_TRUNC;
    if ((flags & IO_DSYNC) != 0 && IO_HOST_SYNCS)
        f |= O_DSYNC;
    return f;
}

/*
 * O_DIRECT is switched on after the open: a file system that refuses it at open has created the
 * file all the same, and only an open that succeeded tells whether the file was ours to remove.
 */
static int make_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0)
        return errno;
    return 0;
}

struct status io_host_open(struct io *io, const char *path, unsigned flags, struct io_file **out)
{
    struct host_file *f = alloc_zeroed(io->alloc, sizeof *f);
    int error;

    if (f == NULL)
        return status_of(ST_NO_MEMORY);
    f->file = (struct io_file) { .io = io, .flags = flags };
    do {
        f->fd = open(path, native_flags(flags), FILE_MODE);
    } while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0) {
        error = errno;
        alloc_free(io->alloc, f, sizeof *f);
        return io_status_of_errno(error);
    }
    error = (flags & IO_DIRECT) != 0 ? make_direct(f->fd) : 0;
    if (error != 0) {
        io_host_close(&f->file);
        if ((flags & IO_EXCLUSIVE) != 0)
            (void)unlink(path);
        return error == EINVAL ? status_of(ST_UNSUPPORTED) : io_status_of_errno(error);
    }
    *out = &f->file;
    return status_ok();
}

void io_host_close(struct io_file *file)
{
    struct host_file *f = (struct host_file *)file;

    /* An error of close says nothing that a sync has not said; what was not synced was not
     * promised. */
    (void)close(f->fd);
    alloc_free(file->io->alloc, f, sizeof *f);
}

struct status io_host_size(struct io_file *file, uint64_t *out_size)
{
    struct stat st;

    if (fstat(io_host_fd(file), &st) != 0)
        return io_status_of_errno(errno);
    *out_size = (uint64_t)st.st_size;
    return status_ok();
}

struct status io_host_truncate(struct io_file *file, uint64_t size)
{
    int r;

    do {
        r = ftruncate(io_host_fd(file), (off_t)size);
    } while (r != 0 && errno == EINTR);
    return r == 0 ? status_ok() : io_status_of_errno(errno);
}

struct status io_host_allocate(struct io_file *file, uint64_t offset, uint64_t size)
{
    int r;

    do {
        r = fallocate(io_host_fd(file), FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
    } while (r != 0 && errno == EINTR);
    if (r != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return io_status_of_errno(errno);
    return status_ok();
}

/* ---- Names ------------------------------------------------------------------------------- */

struct status io_host_mkdir(struct io *io, const char *path)
{
    struct stat st;

    (void)io;
    if (mkdir(path, DIRECTORY_MODE) == 0)
        return status_ok();
    int error = errno;
    if (error == EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? status_ok() : status_of(ST_INVALID);
    return io_status_of_errno(error);
}

struct status io_host_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return rename(from, to) == 0 ? status_ok() : io_status_of_errno(errno);
}

struct status io_host_unlink(struct io *io, const char *path)
{
    (void)io;
    if (unlink(path) == 0 || (errno == EISDIR && rmdir(path) == 0))
        return status_ok();
    return io_status_of_errno(errno);
}

struct status io_host_link(struct io *io, const char *from, const char *to)
{
    (void)io;
    return link(from, to) == 0 ? status_ok() : io_status_of_errno(errno);
}

struct status io_host_exists(struct io *io, const char *path, bool *out_exists)
{
    struct stat st;

    (void)io;
    if (lstat(path, &st) == 0)
        *out_exists = true;
    else if (errno == ENOENT)
        *out_exists = false;
    else
        return io_status_of_errno(errno);
    return status_ok();
}

struct status io_host_sync_dir(struct io *io, const char *path)
{
    struct status s = status_ok();
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)io;
    if (fd < 0)
        return io_status_of_errno(errno);
    if (IO_HOST_SYNCS && fsync(fd) != 0)
        s = io_status_of_errno(errno);
    (void)close(fd);
    return s;
}

/* Append the names in dir to names, each with its terminator. *count is raised. */
static struct status collect_names(DIR *dir, struct buf *names, size_t *count)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno == 0 ? status_ok() : io_status_of_errno(errno);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buf_append(names, bytes_of(entry->d_name, strlen(entry->d_name) + 1));
        if (names->is_failed)
            return status_of(ST_NO_MEMORY);
        *count += 1;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct status io_host_list(struct io *io, const char *path,
                           bool (*visit)(void *context, const char *name), void *context)
{
    struct status s;
    struct buf names;
    const char **sorted = NULL;
    size_t count = 0;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return io_status_of_errno(errno);
    buf_init(&names, io->alloc, LISTING_MAX);
    s = collect_names(dir, &names, &count);
    if (failed(s) || count == 0)
        goto out;
    sorted = alloc_array(io->alloc, count, sizeof *sorted);
    if (sorted == NULL) {
        s = status_of(ST_NO_MEMORY);
        goto out;
    }
    const char *name = (const char *)names.data;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = name;
        name += strlen(name) + 1;
    }
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 0; i < count && visit(context, sorted[i]); i++)
        ;
out:
    alloc_free(io->alloc, sorted, count * sizeof *sorted);
    buf_deinit(&names);
    (void)closedir(dir);
    return s;
}

/* ---- File ops ---------------------------------------------------------------------------- */

bool io_host_advance(struct io_op *op, size_t res)
{
    bool is_direct = (op->file->flags & IO_DIRECT) != 0;
    size_t before = op->done_size;
    size_t now = before + res;

    CHECK(res <= op->size - before);
    op->done_size = now;
    if (now == op->size) {
        io_op_settle(op, 0);
        return true;
    }
    if (op->opcode == IO_OP_READ) {
        /* Around the page cache, only the end of the file cuts a block short; and asking on
         * from an odd offset would be refused. */
        bool is_end = res == 0 || (is_direct && now % IO_ALIGN != 0);
        if (is_end)
            io_op_settle(op, 0);
        return is_end;
    }
    /* The rest of a direct write starts at a block again: the cut block is written twice, with
     * the same bytes. */
    if (is_direct)
        op->done_size = align_down(now, IO_ALIGN);
    if (op->done_size == before) {
        io_op_settle(op, EIO);
        return true;
    }
    return false;
}

static ssize_t transfer(struct io_op *op)
{
    int fd = io_host_fd(op->file);
    off_t offset = (off_t)(op->offset + op->done_size);
    uint8_t *data = (uint8_t *)op->data + op->done_size;

    if (op->opcode == IO_OP_READ)
        return pread(fd, data, io_host_chunk(op), offset);
    return pwrite(fd, data, io_host_chunk(op), offset);
}

static void perform_transfer(struct io_op *op)
{
    bool is_over = false;

    while (!is_over) {
        ssize_t n = transfer(op);
        if (n >= 0) {
            is_over = io_host_advance(op, (size_t)n);
        } else if (errno != EINTR) {
            io_op_settle(op, errno);
            is_over = true;
        }
    }
}

static void perform_sync(struct io_op *op)
{
    int error = 0;

    if (IO_HOST_SYNCS) {
        while (fdatasync(io_host_fd(op->file)) != 0) {
            error = errno;
            if (error != EINTR)
                break;
            error = 0;
        }
    }
    io_op_settle(op, error);
}

void io_host_perform(struct io_ring *ring, struct io_op *op)
{
    (void)ring;
    if (op->opcode == IO_OP_SYNC)
        perform_sync(op);
    else
        perform_transfer(op);
}
