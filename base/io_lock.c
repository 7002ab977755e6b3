/*
 * The lock that says "this directory is mine".
 *
 * flock belongs to the open file: it goes with the process however it dies, and two opens exclude
 * each other within one process too. Not everywhere: some network file systems emulate it by
 * record locks, which a process holds as a whole. So the machine also keeps a list of what it
 * holds, by device and inode. The text in the file is for people only.
 */
#include "base/io_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { HOLDER_MAX = 256, HOST_NAME_SIZE = 128, LOCK_MODE = 0640 };

struct host_lock {
    struct io_lock lock;
    struct host_lock *next;
    dev_t device;
    ino_t inode;
    int fd;
};

/* True if this machine holds the file already. Requires: h->lock is held. */
static bool is_held(const struct host *h, const struct stat *st)
{
    for (const struct host_lock *l = h->held; l != NULL; l = l->next) {
        if (l->device == st->st_dev && l->inode == st->st_ino)
            return true;
    }
    return false;
}

static struct status refused(struct errbuf *err, const char *path, const char *what, int error)
{
    errno = error; /* For %m. */
    errbuf_set(err, "\"%s\" cannot be %s: %m", path, what);
    return status_of(error == ENOLCK ? ST_UNSUPPORTED : io_code_of_errno(error));
}

static struct status busy(int fd, const char *path, struct errbuf *err)
{
    char holder[HOLDER_MAX + 1];
    ssize_t n = pread(fd, holder, HOLDER_MAX, 0);

    while (n > 0 && holder[n - 1] == '\n')
        n--;
    holder[n > 0 ? n : 0] = '\0';
    errbuf_set(err, "\"%s\" is held by %s", path, n > 0 ? holder : "somebody who left no name");
    return status_of(ST_BUSY);
}

/* Write who holds the lock. The errno value of a failure, or 0. */
static int write_holder(int fd)
{
    char host[HOST_NAME_SIZE] = "";
    char when[sizeof "2000-01-01T00:00:00Z"] = "";
    char text[HOLDER_MAX];
    time_t now = (time_t)(clock_wall_ms(clock_system()) / 1000);
    struct tm utc;

    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        (void)snprintf(host, sizeof host, "unknown");
    if (gmtime_r(&now, &utc) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    int n = snprintf(text, sizeof text, "process %ld on %s since %s\n", (long)getpid(), host, when);
    if (ftruncate(fd, 0) != 0)
        return errno;
    ssize_t written = pwrite(fd, text, (size_t)n, 0);
    if (written < 0)
        return errno;
    return written == n ? 0 : ENOSPC;
}

/* Requires: h->lock is held. */
static struct status lock_file(struct host *h, struct host_lock *l, const char *path,
                               struct errbuf *err)
{
    struct stat st;

    if (fstat(l->fd, &st) != 0)
        return refused(err, path, "examined", errno);
    if (is_held(h, &st))
        return busy(l->fd, path, err);
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return busy(l->fd, path, err);
        return refused(err, path, "locked", errno);
    }
    int error = write_holder(l->fd);
    if (error != 0)
        return refused(err, path, "written to", error);
    l->device = st.st_dev;
    l->inode = st.st_ino;
    l->next = h->held;
    h->held = l;
    return status_ok();
}

struct status io_host_lock_take(struct io *io, const char *path, struct errbuf *err,
                                struct io_lock **out)
{
    struct host *h = (struct host *)io;
    struct host_lock *l = alloc_zeroed(io->alloc, sizeof *l);
    struct status s;

    if (l == NULL)
        return status_of(ST_NO_MEMORY);
    l->lock.io = io;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
    if (l->fd < 0) {
        s = refused(err, path, "opened", errno);
    } else {
        mutex_lock(&h->lock);
        s = lock_file(h, l, path, err);
        mutex_unlock(&h->lock);
    }
    if (failed(s)) {
        if (l->fd >= 0)
            (void)close(l->fd);
        alloc_free(io->alloc, l, sizeof *l);
        return s;
    }
    *out = &l->lock;
    return status_ok();
}

void io_host_lock_drop(struct io_lock *lock)
{
    struct host *h = (struct host *)lock->io;
    struct host_lock *l = (struct host_lock *)lock;

    mutex_lock(&h->lock);
    struct host_lock **at = &h->held;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    mutex_unlock(&h->lock);
    /* The text says who holds, and nobody does now. If it cannot be emptied, the next holder
     * replaces it: the flock alone decides. */
    int ignored = ftruncate(l->fd, 0);
    (void)ignored;
    (void)close(l->fd); /* Drops the flock. */
    alloc_free(lock->io->alloc, l, sizeof *l);
}
