/*
 * cutrun -- cut the power under a program that acknowledges, and see what it kept.
 *
 *   cutrun [--backend uring|posix] [--cuts N] [--rounds N] [--within-ms N] [--fs ext4|xfs]
 *          [--size-mib N] [--seed N] [--write-back] [--expect-loss] -- PROGRAM [ARGUMENT...]
 *
 * The program is any that knows two calls, with its own arguments first:
 *
 *   PROGRAM ARGUMENT... write DIR BACKEND
 *       Go on with what DIR holds. For whatever is durable, write a line to stdout: an
 *       acknowledgement, in words of its own. End with status 0 when a write fails.
 *   PROGRAM ARGUMENT... verify DIR BACKEND
 *       All lines acknowledged since DIR was empty are on stdin, in order. Status 0 if DIR keeps
 *       them all; 1, and a line on stderr, if not.
 *
 * What the program acknowledges after the cut does not count: there is nobody left to see it, and
 * the kernel's shutdown is not atomic (an fsync that meets it half way may say OK on ext4).
 *
 * With --write-back, some files are written back at random moments before the cut, as the kernel
 * may do at any time, so that what came later may be there without what came before. (Left alone it
 * writes nothing back in so short a life.)
 *
 * A cut comes at a random moment after the first line of a run; then the file system is mounted
 * again, verified, and written to again, --rounds times before it is made anew. A run ends with its
 * first loss. The exit status is 0 if nothing was lost, 1 if not, 2 if the run itself failed, 77 if
 * it cannot be done here. With --expect-loss 0 and 1 change places, and --cuts is a limit: whether
 * one cut meets an acknowledgement that it can take back is chance.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "tests/crash/powercut/machine.h"

enum { EXIT_SKIPPED = 77, ARGUMENTS_MAX = 32, READ_SIZE = 1 << 16 };
enum { WRITE_BACK_MS = 8 }; /* The longest pause between two files. */
enum { START_MS = 100 * 1000, END_MS = 100 * 1000 };
static const uint64_t NS_PER_MS = 1000 * 1000;

struct options {
    const char *backend;
    const char *type;
    unsigned cuts;
    unsigned rounds;
    unsigned within_ms;
    unsigned size_mib;
    uint64_t seed;
    bool expects_loss;
    bool writes_back;
    char **program;
    int program_count;
};

/* The acknowledgements of one file system's life. */
struct acks {
    char *text;
    size_t size; /* Of whole lines, before the last cut. */
    size_t tail; /* Bytes of an unfinished line after them. */
    size_t capacity;
};

struct totals {
    uint64_t acknowledged;
    unsigned losses;
};

/* ---- The program under test -------------------------------------------------------------- */

struct child {
    pid_t pid;
    int fd; /* Its stdout, or stdin if it verifies. */
};

static struct child start(const struct options *o, const struct machine *m, bool is_writer)
{
    const char *argv[ARGUMENTS_MAX + 4];
    int ends[2];
    int n = 0;

    for (; n < o->program_count; n++)
        argv[n] = o->program[n];
    argv[n++] = is_writer ? "write" : "verify";
    argv[n++] = m->store;
    argv[n++] = o->backend;
    argv[n] = NULL;
    if (pipe(ends) != 0)
        machine_die("pipe: %m");
    int ours = is_writer ? ends[0] : ends[1];
    int its = is_writer ? ends[1] : ends[0];
    pid_t pid = fork();
    if (pid < 0)
        machine_die("fork: %m");
    if (pid == 0) {
        dup2(its, is_writer ? STDOUT_FILENO : STDIN_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "powercut: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(its);
    return (struct child) { .pid = pid, .fd = ours };
}

static int finish(struct child *c)
{
    int status = 0;

    close(c->fd);
    if (waitpid(c->pid, &status, 0) != c->pid)
        machine_die("waitpid: %m");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- Acknowledgements -------------------------------------------------------------------- */

/* Read what there is, up to deadline_ns. False at the end of the stream. */
static bool read_acks(struct acks *a, int fd, uint64_t deadline_ns)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t now_ns = clock_ns(clock_system());
    int wait_ms = deadline_ns > now_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) : 0;

    if (a->capacity - a->size - a->tail < READ_SIZE) {
        a->capacity = a->capacity * 2 + 2 * READ_SIZE;
        a->text = realloc(a->text, a->capacity);
        if (a->text == NULL)
            machine_die("no memory");
    }
    if (poll(&p, 1, wait_ms) <= 0)
        return true;
    ssize_t n = read(fd, a->text + a->size + a->tail, READ_SIZE);
    if (n < 0)
        machine_die("reading acknowledgements: %m");
    a->tail += (size_t)n;
    const char *newline = memrchr(a->text + a->size, '\n', a->tail);
    if (newline != NULL) {
        size_t whole = (size_t)(newline + 1 - (a->text + a->size));
        a->size += whole;
        a->tail -= whole;
    }
    return n > 0;
}

static uint64_t count_lines(const struct acks *a)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < a->size; i++)
        lines += a->text[i] == '\n';
    return lines;
}

/* ---- One cut ----------------------------------------------------------------------------- */

/* Half of the cuts come early: the first steps of a program are its most delicate. */
static uint64_t draw_delay_ns(const struct options *o, struct rand *r)
{
    uint64_t within_ns = o->within_ms * NS_PER_MS;

    return rand_below(r, rand_below(r, 2) == 0 ? within_ns / 10 + 1 : within_ns + 1);
}

/* Read until deadline_ns, for pause_ns at most. */
static bool read_until(struct acks *acks, int fd, uint64_t deadline_ns, uint64_t pause_ns)
{
    uint64_t now_ns = clock_ns(clock_system());

    if (deadline_ns > now_ns && deadline_ns - now_ns > pause_ns)
        deadline_ns = now_ns + pause_ns;
    return read_acks(acks, fd, deadline_ns);
}

/* One file at random goes to the disk: its bytes alone, or all that the file system knows of it. */
static void write_back_some(const struct machine *m, struct rand *r)
{
    char path[2 * PATH_MAX];
    DIR *dir = opendir(m->store);
    unsigned count = 0;

    path[0] = '\0';
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_type == DT_REG && rand_below(r, ++count) == 0)
            snprintf(path, sizeof path, "%s/%s", m->store, e->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* It is gone by now. */
    if (rand_below(r, 2) == 0)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    else
        (void)fsync(fd);
    close(fd);
}

static void write_and_cut(const struct options *o, struct machine *m, struct rand *r,
                          struct acks *acks)
{
    struct child c = start(o, m, true);
    size_t before = acks->size;
    uint64_t limit_ns = clock_ns(clock_system()) + START_MS * NS_PER_MS;
    bool is_open = true;

    acks->tail = 0;
    while (is_open && acks->size == before) {
        is_open = read_acks(acks, c.fd, limit_ns);
        if (clock_ns(clock_system()) >= limit_ns) {
            kill(c.pid, SIGKILL);
            machine_die("the writer acknowledged nothing within %d s", START_MS / 1000);
        }
    }
    uint64_t cut_ns = clock_ns(clock_system()) + draw_delay_ns(o, r);
    while (is_open && clock_ns(clock_system()) < cut_ns) {
        uint64_t pause_ns = o->writes_back ? rand_below(r, WRITE_BACK_MS) * NS_PER_MS : UINT64_MAX;
        is_open = read_until(acks, c.fd, cut_ns, pause_ns);
        if (o->writes_back)
            write_back_some(m, r);
    }
    if (!is_open)
        machine_die("the writer ended before the cut, status %d", finish(&c));

    machine_cut(m);
    size_t at_cut = acks->size;
    limit_ns = clock_ns(clock_system()) + END_MS * NS_PER_MS;
    while (read_acks(acks, c.fd, limit_ns)) {
        if (clock_ns(clock_system()) >= limit_ns) {
            kill(c.pid, SIGKILL);
            machine_die("the writer did not end within %d s of the cut", END_MS / 1000);
        }
    }
    acks->size = at_cut;
    int status = finish(&c);
    if (status != 0)
        machine_die("the writer ended with status %d", status);
}

/* True if nothing was lost. */
static bool verify(const struct options *o, const struct machine *m, const struct acks *acks)
{
    struct child c = start(o, m, false);
    size_t at = 0;

    while (at < acks->size) {
        ssize_t n = write(c.fd, acks->text + at, acks->size - at);
        if (n < 0)
            break; /* It has seen enough. */
        at += (size_t)n;
    }
    int status = finish(&c);
    if (status > 1)
        machine_die("the verifier ended with status %d", status);
    return status == 0;
}

/* The rounds of one file system, at most count. How many cuts there were. */
static unsigned live(const struct options *o, struct machine *m, struct rand *r, unsigned count,
                     struct totals *t)
{
    struct acks acks = { 0 };
    unsigned cuts = 0;
    bool is_whole = true;

    machine_format(m);
    while (cuts < count && cuts < o->rounds && is_whole) {
        machine_mount(m);
        write_and_cut(o, m, r, &acks);
        cuts++;
        machine_unmount(m);
        machine_set_aside(m);
        machine_mount(m);
        is_whole = verify(o, m, &acks);
        machine_unmount(m);
    }
    t->acknowledged += count_lines(&acks);
    t->losses += !is_whole;
    free(acks.text);
    return cuts;
}

/* ---- The whole run ----------------------------------------------------------------------- */

static uint64_t number_of(const char *text)
{
    char *end = NULL;
    uint64_t n = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0')
        machine_die("\"%s\" is no number", text);
    return n;
}

static void parse(struct options *o, int argc, char **argv)
{
    int i = 1;

    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--expect-loss") == 0) {
            o->expects_loss = true;
            continue;
        }
        if (strcmp(argv[i], "--write-back") == 0) {
            o->writes_back = true;
            continue;
        }
        if (i + 1 >= argc)
            machine_die("%s needs a value, or is unknown", argv[i]);
        const char *name = argv[i];
        const char *value = argv[++i];
        if (strcmp(name, "--backend") == 0)
            o->backend = value;
        else if (strcmp(name, "--fs") == 0)
            o->type = value;
        else if (strcmp(name, "--cuts") == 0)
            o->cuts = (unsigned)number_of(value);
        else if (strcmp(name, "--rounds") == 0)
            o->rounds = (unsigned)number_of(value);
        else if (strcmp(name, "--within-ms") == 0)
            o->within_ms = (unsigned)number_of(value);
        else if (strcmp(name, "--size-mib") == 0)
            o->size_mib = (unsigned)number_of(value);
        else if (strcmp(name, "--seed") == 0)
            o->seed = number_of(value);
        else
            machine_die("unknown option %s", name);
    }
    o->program = argv + i + 1;
    o->program_count = argc - i - 1;
    if (o->program_count < 1 || o->program_count > ARGUMENTS_MAX)
        machine_die("usage: cutrun [options] -- program [argument...]");
}

int main(int argc, char **argv)
{
    struct options o = {
        .backend = "uring", .type = "ext4", .cuts = 20, .rounds = 4, .within_ms = 60, .size_mib = 64
    };
    struct totals t = { 0 };
    struct machine m;
    struct rand r;

    rand_entropy(&o.seed, sizeof o.seed);
    parse(&o, argc, argv);
    rand_seed(&r, o.seed);
    signal(SIGPIPE, SIG_IGN); /* A verifier may end before it has read all. */
    const char *why = machine_init(&m, o.type, o.size_mib);
    if (why != NULL) {
        printf("powercut: SKIPPED: %s\n", why);
        return EXIT_SKIPPED;
    }
    unsigned cuts = 0;
    while (cuts < o.cuts && t.losses == 0)
        cuts += live(&o, &m, &r, o.cuts - cuts, &t);
    bool is_kept = t.losses > 0 && !o.expects_loss;
    machine_deinit(&m, is_kept);
    printf("powercut: %s, %s: %u cuts, %llu acknowledged, %s (seed %llu)\n", o.backend, o.type,
           cuts, (unsigned long long)t.acknowledged, t.losses > 0 ? "a loss" : "no loss",
           (unsigned long long)o.seed);
    if (is_kept)
        printf("powercut: the image as it was cut is kept in %s\n", m.aside);
    return (t.losses > 0) == o.expects_loss ? 0 : 1;
}
