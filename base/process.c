#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/small_file.h"

enum { US_PER_S = 1000000, MS_PER_S = 1000, KIB = 1024 };

uint64_t process_id(void)
{
    return (uint64_t)getpid();
}

const char *process_variable(const char *name)
{
    return getenv(name);
}

static uint64_t us_of(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * US_PER_S + (uint64_t)t->tv_usec;
}

void process_usage(struct process_usage *out)
{
    char text[SMALL_FILE_SIZE];
    struct rusage own;
    struct rusage children;
    struct rusage thread;
    unsigned long long pages;
    unsigned long long resident;

    *out = (struct process_usage) { 0 };
    if (getrusage(RUSAGE_SELF, &own) == 0) {
        out->user_us = us_of(&own.ru_utime);
        out->system_us = us_of(&own.ru_stime);
        out->resident_peak_bytes = (uint64_t)own.ru_maxrss * KIB;
    }
    if (getrusage(RUSAGE_CHILDREN, &children) == 0) {
        out->children_user_us = us_of(&children.ru_utime);
        out->children_system_us = us_of(&children.ru_stime);
    }
    if (getrusage(RUSAGE_THREAD, &thread) == 0) {
        out->thread_user_us = us_of(&thread.ru_utime);
        out->thread_system_us = us_of(&thread.ru_stime);
    }
    if (small_file_read("/proc/self/statm", text) &&
        sscanf(text, "%llu %llu", &pages, &resident) == 2)
        out->resident_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

uint64_t process_memory_limit(void)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    struct cgroup_limits limits;

    cgroup_limits("", &limits);
    return limits.memory_bytes < all ? limits.memory_bytes : all;
}

uint64_t process_processors_milli(void)
{
    uint64_t all = UINT64_MAX;
    struct cgroup_limits limits;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        all = (uint64_t)CPU_COUNT(&set) * PROCESS_ONE_PROCESSOR;
    cgroup_limits("", &limits);
    return limits.processors_milli < all ? limits.processors_milli : all;
}

uint64_t process_raise_file_limit(uint64_t want)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return want;
    if (limit.rlim_cur >= want)
        return limit.rlim_cur;
    struct rlimit raised = { .rlim_cur = want, .rlim_max = limit.rlim_max };
    if (raised.rlim_max < want)
        raised.rlim_max = want; /* For root. */
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return want;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : want;
}

/* ---- Names ----------------------------------------------------------------------------------- */

void process_system_name(char *out_text, size_t size)
{
    struct utsname u;

    if (uname(&u) != 0)
        (void)snprintf(out_text, size, "unknown");
    else
        (void)snprintf(out_text, size, "%s %s %s", u.sysname, u.release, u.machine);
}

void process_executable(char *out_text, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out_text, size - 1);

    out_text[n > 0 ? n : 0] = '\0';
}

void process_absolute_path(const char *path, char *out_text, size_t size)
{
    char *absolute = realpath(path, NULL);

    (void)snprintf(out_text, size, "%s", absolute != NULL ? absolute : path);
    free(absolute);
}

void process_local_time(uint64_t wall_ms, char *out_text, size_t size)
{
    time_t seconds = (time_t)(wall_ms / MS_PER_S);
    struct tm local;
    char text[sizeof "00 Jan 0000 00:00:00 and some"] = "";

    if (localtime_r(&seconds, &local) != NULL)
        (void)strftime(text, sizeof text, "%d %b %Y %H:%M:%S", &local);
    (void)snprintf(out_text, size, "%s.%03u", text, (unsigned)(wall_ms % MS_PER_S));
}

/* ---- Supervision ----------------------------------------------------------------------------- */

bool process_notify(const char *state)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");

    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return false;
    size_t length = strlen(path);
    if (length >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, length);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* A name without a file. */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    (void)close(fd);
    return n == (ssize_t)strlen(state);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

void process_print(enum process_stream stream, const char *text, size_t size)
{
    write_all(stream == PROCESS_STDOUT ? STDOUT_FILENO : STDERR_FILENO, text, size);
}

enum { LOG_FILE_MODE = 0640 };

struct process_log_file {
    char *path;
    size_t path_size;
    int fd;
};

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, LOG_FILE_MODE);
}

struct process_log_file *process_log_open(const char *path, int *out_error)
{
    struct alloc *a = alloc_heap();
    struct process_log_file *f = alloc_zeroed(a, sizeof *f);
    size_t size = strlen(path) + 1;

    *out_error = ENOMEM;
    if (f == NULL)
        return NULL;
    f->fd = -1;
    f->path = alloc_bytes(a, size);
    if (f->path != NULL) {
        f->path_size = size;
        memcpy(f->path, path, size);
        f->fd = open_log(path);
        *out_error = errno;
    }
    if (f->fd < 0) {
        process_log_close(f);
        return NULL;
    }
    return f;
}

void process_log_write(struct process_log_file *f, const char *text, size_t size)
{
    write_all(f->fd, text, size);
}

void process_log_reopen(struct process_log_file *f)
{
    int fd = open_log(f->path);

    if (fd < 0)
        return;
    /* The number stays, so that a writer at this moment has one of the two files. */
    (void)dup3(fd, f->fd, O_CLOEXEC);
    (void)close(fd);
}

void process_log_close(struct process_log_file *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        (void)close(f->fd);
    alloc_free(alloc_heap(), f->path, f->path_size);
    alloc_free(alloc_heap(), f, sizeof *f);
}

const char *process_error_text(int error, char *room, size_t size)
{
    return strerror_r(error, room, size);
}
