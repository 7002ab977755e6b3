/*
 * What the kernel back ends owe beyond the contract: its errors reach the caller as the right
 * status, other processes are kept out, interrupted calls go on, and nothing leaks when memory or
 * descriptors run out. Each case runs on io_uring and on POSIX.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errbuf.h"
#include "base/io_host.h"
#include "tests/base/io_contract.h"
#include "tests/base/io_machine.h"
#include "tests/support/must.h"

/* A case on both kinds. */
#define ON_BOTH(name)                                                                              \
    static void name(struct io_contract_machine *m);                                               \
    Test(base_io_host, name##_on_uring, .timeout = 300)                                            \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, false, name);                                                \
    }                                                                                              \
    Test(base_io_host, name##_on_posix, .timeout = 300)                                            \
    {                                                                                              \
        io_machine_run(IO_KIND_POSIX, false, name);                                                \
    }                                                                                              \
    static void name(struct io_contract_machine *m)

/* Mount a small file system over m->dir, in a namespace of this test process alone. */
static void mount_here(struct io_contract_machine *m, const char *type, const char *options)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(type, m->dir, type, 0, options) != 0)
        cr_skip_test("mounting %s is not allowed here", type);
}

static void unmount_here(struct io_contract_machine *m)
{
    cr_assert_eq(umount(m->dir), 0);
}

/* ---- Locks ------------------------------------------------------------------------------- */

/* The child takes the lock, says so, and waits to be killed. */
ON_BOTH(a_lock_excludes_other_processes_and_dies_with_its_holder)
{
    const char *path = io_contract_path(m, "LOCK");
    struct io_lock *lock = NULL;
    struct errbuf err = { "" };
    char want[64];
    char word;
    int said[2];

    cr_assert_eq(pipe(said), 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* If the test fails before it kills. */
        bool is_taken = succeeded(io_lock_take(m->io, path, NULL, &lock));
        if (write(said[1], is_taken ? "y" : "n", 1) == 1)
            pause();
        _exit(0);
    }
    cr_assert_eq(read(said[0], &word, 1), 1);
    cr_assert_eq(word, 'y');
    MUST_BE(io_lock_take(m->io, path, &err, &lock), ST_BUSY);
    snprintf(want, sizeof want, "process %ld on ", (long)child);
    cr_assert_not_null(strstr(err.text, want), "%s", err.text);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    MUST(io_lock_take(m->io, path, &err, &lock));
    io_lock_drop(lock);
    close(said[0]);
    close(said[1]);
}

/* The descriptor of this process through which path is open. */
static int descriptor_of(const char *path)
{
    struct stat want;
    struct stat st;

    cr_assert_eq(stat(path, &want), 0);
    for (int fd = 3; fd < 1024; fd++) {
        if (fstat(fd, &st) == 0 && st.st_ino == want.st_ino && st.st_dev == want.st_dev)
            return fd;
    }
    return -1;
}

/* Where flock is emulated, a process does not exclude itself. Made so by taking it away behind the
 * machine's back. */
ON_BOTH(a_lock_excludes_its_own_process_without_the_kernel)
{
    const char *path = io_contract_path(m, "LOCK");
    struct io_lock *lock = NULL;
    struct io_lock *second = NULL;
    struct errbuf err = { "" };

    MUST(io_lock_take(m->io, path, &err, &lock));
    cr_assert_eq(flock(descriptor_of(path), LOCK_UN), 0);
    MUST_BE(io_lock_take(m->io, path, &err, &second), ST_BUSY);
    cr_assert_not_null(strstr(err.text, "process "), "%s", err.text);
    io_lock_drop(lock);
    MUST(io_lock_take(m->io, path, &err, &lock));
    io_lock_drop(lock);
}

ON_BOTH(a_lock_excludes_a_second_machine_of_this_process)
{
    struct io *other = NULL;
    struct io_lock *lock = NULL;
    struct io_lock *second = NULL;
    struct errbuf err = { "" };

    MUST(io_open_machine(alloc_heap(), io_kind(m->io), &other, NULL));
    MUST(io_lock_take(m->io, io_contract_path(m, "LOCK"), &err, &lock));
    MUST_BE(io_lock_take(other, io_contract_path(m, "LOCK"), &err, &second), ST_BUSY);
    io_lock_drop(lock);
    MUST(io_lock_take(other, io_contract_path(m, "LOCK"), &err, &second));
    io_lock_drop(second);
    io_close_machine(other);
}

/* What is found in the file is foreign text, and is shown as such. */
ON_BOTH(a_strange_holder_text_is_escaped)
{
    const char *path = io_contract_path(m, "LOCK");
    struct io_lock *lock = NULL;
    struct errbuf err = { "" };

    MUST(io_lock_take(m->io, path, &err, &lock));
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs("\033[2Jevil\n", f);
    fclose(f);
    struct io_lock *second = NULL;
    MUST_BE(io_lock_take(m->io, path, &err, &second), ST_BUSY);
    cr_assert_null(strchr(err.text, '\033'));
    cr_assert_not_null(strstr(err.text, "evil"));
    io_lock_drop(lock);
}

/* ---- Errors of files --------------------------------------------------------------------- */

/* A write that runs out of space says so and how far it came; when there is space again, so do
 * later writes. */
ON_BOTH(a_full_disk_is_no_space)
{
    enum { SIZE = 1 << 20 };
    struct io_file *f;
    struct io_ring *ring = io_contract_ring(m, 0);
    uint8_t *data = calloc(1, SIZE);

    mount_here(m, "tmpfs", "size=256k");
    f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE);
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = SIZE };
    io_contract_run(m, ring, &w);
    MUST_BE(w.status, ST_NO_SPACE);
    cr_assert_eq(w.error, ENOSPC);
    cr_assert_gt(w.done_size, 0);
    cr_assert_leq(w.done_size, 256 << 10);
    MUST_BE(io_write(ring, f, data, SIZE, 0), ST_NO_SPACE);
    MUST_BE(io_allocate(f, 0, SIZE), ST_NO_SPACE);
    MUST(io_truncate(f, 0));
    MUST(io_write(ring, f, data, 128 << 10, 0));
    io_close(f);
    unmount_here(m);
    io_ring_destroy(ring);
    free(data);
}

ON_BOTH(a_disk_without_inodes_is_no_space)
{
    struct io_file *f = NULL;
    struct status s = status_ok();
    char name[16];

    mount_here(m, "tmpfs", "size=1m,nr_inodes=8");
    for (int i = 0; i < 10 && succeeded(s); i++) {
        snprintf(name, sizeof name, "%d", i);
        s = io_open(m->io, io_contract_path(m, name), IO_WRITE | IO_CREATE, &f);
        if (succeeded(s))
            io_close(f);
    }
    MUST_BE(s, ST_NO_SPACE);
    MUST_BE(io_mkdir(m->io, io_contract_path(m, "d")), ST_NO_SPACE);
    unmount_here(m);
}

/* The limit cuts the write short first; the rest, asked for, fails. */
ON_BOTH(a_short_write_goes_on_and_then_fails)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE);
    struct rlimit limit = { .rlim_cur = 5000, .rlim_max = RLIM_INFINITY };
    char data[8192] = { 0 };
    struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = data, .size = sizeof data };
    uint64_t size = 0;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    io_contract_run(m, ring, &w);
    MUST_BE(w.status, ST_NO_SPACE);
    cr_assert_eq(w.error, EFBIG);
    cr_assert_eq(w.done_size, 5000);
    MUST(io_size(f, &size));
    cr_assert_eq(size, 5000);
    MUST_BE(io_write(ring, f, data, sizeof data, 0), ST_NO_SPACE);
    io_close(f);
    io_ring_destroy(ring);
}

ON_BOTH(errors_of_reads_writes_and_syncs_are_told)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *full = NULL;
    struct io_file *memory = NULL;
    char data[8] = "";
    size_t got;

    MUST(io_open(m->io, "/dev/full", IO_WRITE, &full));
    struct io_op w = { .opcode = IO_OP_WRITE, .file = full, .data = data, .size = 8 };
    io_contract_run(m, ring, &w);
    MUST_BE(w.status, ST_NO_SPACE);
    cr_assert_eq(w.done_size, 0);
    MUST_BE(io_write(ring, full, data, 8, 0), ST_NO_SPACE);
    /* A device without fdatasync. */
    struct io_op s = { .opcode = IO_OP_SYNC, .file = full };
    io_contract_run(m, ring, &s);
    MUST_BE(s.status, ST_INVALID);
    MUST_BE(io_sync(ring, full), ST_INVALID);
    /* Page zero of this process is not mapped. */
    MUST(io_open(m->io, "/proc/self/mem", IO_READ, &memory));
    struct io_op r = { .opcode = IO_OP_READ, .file = memory, .data = data, .size = 8 };
    io_contract_run(m, ring, &r);
    MUST_BE(r.status, ST_IO);
    cr_assert_eq(r.error, EIO);
    MUST_BE(io_read(ring, memory, data, 8, 0, &got), ST_IO);
    io_close(full);
    io_close(memory);
    io_ring_destroy(ring);
}

/* ramfs has no direct I/O. The file that the refused open made must be gone, or the next try at
 * an exclusive create would find it. */
ON_BOTH(refused_direct_io_is_unsupported_and_leaves_nothing)
{
    struct io_file *f = NULL;
    bool exists = true;
    unsigned flags = IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE;

    mount_here(m, "ramfs", NULL);
    MUST_BE(io_open(m->io, io_contract_path(m, "f"), flags | IO_DIRECT, &f), ST_UNSUPPORTED);
    MUST(io_exists(m->io, io_contract_path(m, "f"), &exists));
    cr_assert_not(exists);
    io_close(io_contract_open(m, "f", flags | IO_DSYNC));
    MUST_BE(io_open(m->io, io_contract_path(m, "f"), IO_READ | IO_DIRECT, &f), ST_UNSUPPORTED);
    MUST(io_exists(m->io, io_contract_path(m, "f"), &exists));
    cr_assert(exists);
    unmount_here(m);
}

ON_BOTH(a_read_only_file_system_is_an_error)
{
    struct io_file *f = NULL;

    mount_here(m, "tmpfs", "size=1m");
    cr_assert_eq(mount(NULL, m->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    MUST_BE(io_open(m->io, io_contract_path(m, "f"), IO_WRITE | IO_CREATE, &f), ST_IO);
    MUST_BE(io_mkdir(m->io, io_contract_path(m, "d")), ST_IO);
    unmount_here(m);
}

/* The flags reach the kernel: without them nothing else here would notice. */
ON_BOTH(direct_and_durable_are_what_the_kernel_sees)
{
    struct io_file *f = NULL;
    struct status s = io_open(m->io, io_contract_path(m, "f"),
                              IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT | IO_DSYNC, &f);

    if (s.code == ST_UNSUPPORTED)
        cr_skip_test("no direct I/O in %s", m->dir);
    MUST(s);
    int flags = fcntl(io_host_fd(f), F_GETFL);
    cr_assert(flags & O_DIRECT);
    cr_assert(flags & O_DSYNC);
    cr_assert(fcntl(io_host_fd(f), F_GETFD) & FD_CLOEXEC);
    io_close(f);
}

/*
 * What follows a kernel call that moved less than it was asked to: hardly any file system does so
 * on demand, so the accounting is tested by itself. Each row is one call for the rest of an op.
 */
Test(base_io_host, a_short_transfer_goes_on_from_the_right_place)
{
    enum { KEEP, OVER, FAILS };
    const struct {
        enum io_opcode opcode;
        unsigned flags;
        size_t before;
        size_t moved;
        int verdict;
        size_t after;
    } rows[] = {
        { IO_OP_READ, 0, 0, 12288, OVER, 12288 },
        { IO_OP_READ, 0, 0, 100, KEEP, 100 }, /* Perhaps a signal; ask on. */
        { IO_OP_READ, 0, 100, 0, OVER, 100 }, /* The end of the file. */
        { IO_OP_READ, IO_DIRECT, 0, 4096, KEEP, 4096 },
        { IO_OP_READ, IO_DIRECT, 0, 5000, OVER, 5000 }, /* Nothing else cuts a block. */
        { IO_OP_READ, IO_DIRECT, 4096, 0, OVER, 4096 },
        { IO_OP_WRITE, 0, 0, 100, KEEP, 100 },
        { IO_OP_WRITE, 0, 100, 12188, OVER, 12288 },
        { IO_OP_WRITE, 0, 100, 0, FAILS, 100 },
        { IO_OP_WRITE, IO_DIRECT, 0, 4608, KEEP, 4096 },    /* The cut block again. */
        { IO_OP_WRITE, IO_DIRECT, 4096, 512, FAILS, 4096 }, /* No way to get ahead. */
        { IO_OP_WRITE, IO_DIRECT, 4096, 8192, OVER, 12288 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host_file f = { .file.flags = rows[i].flags };
        struct io_op op = {
            .opcode = rows[i].opcode, .file = &f.file, .size = 12288, .done_size = rows[i].before
        };
        bool is_over = io_host_advance(&op, rows[i].moved);
        cr_assert_eq(is_over, rows[i].verdict != KEEP, "row %zu", i);
        cr_assert_eq(op.done_size, rows[i].after, "row %zu", i);
        if (is_over)
            MUST_BE(op.status, rows[i].verdict == OVER ? ST_OK : ST_IO);
    }
}

/* ---- Sockets ----------------------------------------------------------------------------- */

static int raw_connect(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static struct io_socket *listen_on(struct io_contract_machine *m,
                                   const struct io_listen_options *options)
{
    struct io_socket *s = NULL;
    struct errbuf err = { "" };

    cr_assert_eq(io_listen(m->io, options, &err, &s).code, ST_OK, "%s", err.text);
    return s;
}

/* A client that has said all it wants to still gets its answer. */
ON_BOTH(a_half_closed_client_is_answered)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener =
        listen_on(m, &(struct io_listen_options) { .address = "127.0.0.1" });
    int client = raw_connect(io_socket_port(listener));
    char in[8] = "";
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };

    io_contract_run(m, ring, &a);
    cr_assert_eq(write(client, "ask", 3), 3);
    cr_assert_eq(shutdown(client, SHUT_WR), 0);
    struct io_op r = { .opcode = IO_OP_RECV, .socket = a.accepted, .data = in, .size = 8 };
    io_contract_run(m, ring, &r);
    cr_assert_eq(r.done_size, 3);
    io_contract_run(m, ring, &r);
    MUST(r.status);
    cr_assert_eq(r.done_size, 0);
    struct io_op s = { .opcode = IO_OP_SEND, .socket = a.accepted, .data = "told", .size = 4 };
    io_contract_run(m, ring, &s);
    MUST(s.status);
    cr_assert_eq(read(client, in, 8), 4);
    cr_assert_eq(memcmp(in, "told", 4), 0);
    io_socket_close(a.accepted);
    io_socket_close(listener);
    io_ring_destroy(ring);
    close(client);
}

ON_BOTH(a_reset_connection_is_an_error)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener =
        listen_on(m, &(struct io_listen_options) { .address = "127.0.0.1" });
    int client = raw_connect(io_socket_port(listener));
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    char in[8];
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };

    io_contract_run(m, ring, &a);
    struct io_op r = { .opcode = IO_OP_RECV, .socket = a.accepted, .data = in, .size = 8 };
    io_submit(ring, &r);
    io_ring_wait(ring, 0);
    cr_assert_eq(setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(client);
    io_contract_wait(m, ring, &r);
    MUST_BE(r.status, ST_IO);
    cr_assert_eq(r.error, ECONNRESET);
    io_socket_close(a.accepted);
    io_socket_close(listener);
    io_ring_destroy(ring);
}

ON_BOTH(accepted_connections_do_not_delay_and_are_kept_alive)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_listen_options o = { .address = "127.0.0.1", .keepalive_s = 77 };
    struct io_socket *listener = listen_on(m, &o);
    int client = raw_connect(io_socket_port(listener));
    int value = 0;
    socklen_t size = sizeof value;
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };

    io_contract_run(m, ring, &a);
    int fd = ((struct host_socket *)a.accepted)->fd;
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    cr_assert_eq(value, 1);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    cr_assert_eq(value, 1);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
    cr_assert_eq(value, 77);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    io_socket_close(a.accepted);
    io_socket_close(listener);
    io_ring_destroy(ring);
    close(client);
}

/* A path whose server died is taken over; one whose server lives is not. */
ON_BOTH(a_unix_path_is_taken_over_from_the_dead_only)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    char path[256];
    struct io_listen_options o = { .address = path, .is_unix = true };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct io_socket *second = NULL;
    struct io_socket *client = NULL;
    char in[8] = "";
    char name[128];

    snprintf(path, sizeof path, "%s/socket", m->dir);
    cr_assert(strlen(path) < sizeof a.sun_path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(dead, (struct sockaddr *)&a, sizeof a), 0);
    close(dead);

    struct io_socket *listener = listen_on(m, &o);
    cr_assert_eq(io_socket_port(listener), 0);
    MUST(io_connect(m->io, path, 0, &client));
    struct io_op accept = { .opcode = IO_OP_ACCEPT, .socket = listener };
    io_contract_run(m, ring, &accept);
    MUST(accept.status);
    struct io_op s = { .opcode = IO_OP_SEND, .socket = client, .data = "hi", .size = 2 };
    struct io_op r = { .opcode = IO_OP_RECV, .socket = accept.accepted, .data = in, .size = 8 };
    io_contract_run(m, ring, &s);
    io_contract_run(m, ring, &r);
    cr_assert_eq(r.done_size, 2);
    io_contract_run(m, ring, &s);
    io_contract_run(m, ring, &r);
    cr_assert_eq(r.done_size, 2);
    io_socket_name(client, true, name, sizeof name);
    cr_assert_eq(strncmp(name, "unix:", 5), 0);
    io_socket_close(client);
    io_socket_close(accept.accepted);

    /* Whether the listener lives was found out by calling it. */
    MUST_BE(io_listen(m->io, &o, NULL, &second), ST_BUSY);
    io_contract_run(m, ring, &accept);
    MUST(accept.status);
    io_socket_close(accept.accepted);

    io_submit(ring, &accept);
    io_ring_wait(ring, 0);
    io_socket_shutdown(listener);
    io_contract_wait(m, ring, &accept);
    MUST_BE(accept.status, ST_CANCELLED);
    io_contract_run(m, ring, &accept); /* And from then on. */
    MUST_BE(accept.status, ST_CANCELLED);
    io_socket_close(listener);
    o.address = "/a/path/that/is/too/long/for/a/socket/as/it/has/more/than/one/hundred/and/eight/"
                "bytes/in/it/and/then/some/more/of/them";
    MUST_BE(io_listen(m->io, &o, NULL, &second), ST_INVALID);
    io_ring_destroy(ring);
}

ON_BOTH(ipv6_addresses_work)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener = NULL;
    struct io_socket *client = NULL;
    char name[64];

    if (failed(io_listen(m->io, &(struct io_listen_options) { .address = "::1" }, NULL, &listener)))
        cr_skip_test("no IPv6 here");
    MUST(io_connect(m->io, "::1", io_socket_port(listener), &client));
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };
    io_contract_run(m, ring, &a);
    MUST(a.status);
    io_socket_name(a.accepted, false, name, sizeof name);
    cr_assert_eq(strncmp(name, "[::1]:", 6), 0);
    io_socket_close(client);
    io_socket_close(a.accepted);
    io_socket_close(listener);
    io_ring_destroy(ring);
}

/* Out of descriptors is a limit, not the end of the listener. */
ON_BOTH(accepting_goes_on_when_descriptors_are_free_again)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_socket *listener =
        listen_on(m, &(struct io_listen_options) { .address = "127.0.0.1" });
    int client = raw_connect(io_socket_port(listener));
    struct rlimit old;
    struct rlimit none = { 0 };
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };

    io_ring_wait(ring, 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit) { .rlim_cur = 3, .rlim_max = old.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    io_contract_run(m, ring, &a);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    MUST_BE(a.status, ST_LIMIT);
    io_contract_run(m, ring, &a);
    MUST(a.status);
    io_socket_close(a.accepted);
    io_socket_close(listener);
    io_ring_destroy(ring);
    close(client);
}

/* ---- Rings ------------------------------------------------------------------------------- */

/* Who only ever looks, without a deadline, gets its completions too: a bound ring must notice that
 * the kernel holds some back. */
static void looking_is_enough(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_WRITE | IO_CREATE | IO_DSYNC);
    uint64_t limit_ns = clock_ns(m->clock) + 100 * 1000 * 1000000ull;

    for (int i = 0; i < 20; i++) {
        struct io_op w = { .opcode = IO_OP_WRITE, .file = f, .data = "abc", .size = 3 };
        io_submit(ring, &w);
        while (w.is_pending) {
            cr_assert_lt(clock_ns(m->clock), limit_ns);
            io_ring_wait(ring, 0);
            while (io_ring_done(ring) != NULL)
                ;
        }
        MUST(w.status);
    }
    io_close(f);
    io_ring_destroy(ring);
}

Test(base_io_host, looking_is_enough_on_a_bound_uring, .timeout = 300)
{
    io_machine_run(IO_KIND_URING, true, looking_is_enough);
}

Test(base_io_host, looking_is_enough_on_uring, .timeout = 300)
{
    io_machine_run(IO_KIND_URING, false, looking_is_enough);
}

Test(base_io_host, looking_is_enough_on_posix, .timeout = 300)
{
    io_machine_run(IO_KIND_POSIX, false, looking_is_enough);
}

/* What was started is done while its thread is elsewhere: only the news of it waits for a turn. */
static void a_started_write_is_done_without_a_wait(struct io_contract_machine *m)
{
    struct io_ring *ring = io_contract_ring(m, 0);
    struct io_file *f = io_contract_open(m, "f", IO_READ | IO_WRITE | IO_CREATE | IO_DSYNC);
    uint64_t limit_ns = clock_ns(m->clock) + 100 * 1000 * 1000000ull;

    for (int i = 0; i < 2; i++) {
        struct io_op w = { .opcode = IO_OP_WRITE,
                           .wants_worker = i == 1,
                           .file = f,
                           .data = "abc",
                           .size = 3,
                           .offset = 3 * (uint64_t)i };
        uint64_t size = 0;
        io_submit(ring, &w);
        io_ring_start(ring);
        while (size < w.offset + w.size) {
            cr_assert_lt(clock_ns(m->clock), limit_ns);
            MUST(io_size(f, &size));
        }
        io_contract_wait_all(m, ring, 1);
        MUST(w.status);
    }
    io_close(f);
    io_ring_destroy(ring);
}

Test(base_io_host, a_started_write_is_done_without_a_wait, .timeout = 300)
{
    io_machine_run(IO_KIND_URING, true, a_started_write_is_done_without_a_wait);
    io_machine_run(IO_KIND_URING, false, a_started_write_is_done_without_a_wait);
}

/* ---- Machines ---------------------------------------------------------------------------- */

/* Have the kernel answer error to io_uring_setup, as a container's sandbox would. */
static void forbid_io_uring(unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };

    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void expect_posix(unsigned error, const char *word)
{
    struct io *io = NULL;
    const char *why = NULL;

    forbid_io_uring(error);
    MUST(io_open_machine(alloc_heap(), IO_KIND_URING, &io, &why));
    cr_assert_eq(io_kind(io), IO_KIND_POSIX);
    cr_assert_not_null(why);
    cr_assert_not_null(strstr(why, word), "%s", why);
    io_close_machine(io);
}

Test(base_io_host, a_forbidden_io_uring_gives_posix_and_says_so)
{
    expect_posix(EPERM, "forbidden");
}

Test(base_io_host, an_absent_io_uring_gives_posix_and_says_so)
{
    expect_posix(ENOSYS, "no io_uring");
}

Test(base_io_host, an_io_uring_without_memory_gives_posix_and_says_so)
{
    expect_posix(ENOMEM, "memory");
}

Test(base_io_host, the_simulator_is_not_opened_as_a_machine)
{
    struct io *io = NULL;

    MUST_BE(io_open_machine(alloc_heap(), IO_KIND_SIM, &io, NULL), ST_INVALID);
    cr_assert_str_eq(io_kind_name(IO_KIND_POSIX), "posix");
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *d = opendir("/proc/self/fd");

    cr_assert_not_null(d);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

static bool visit_none(void *context, const char *name)
{
    (void)context;
    (void)name;
    return true;
}

/* Everything that allocates, until the first failure. */
static struct status use_everything(struct io *io, const struct io_contract_machine *m)
{
    struct io_ring *ring = NULL;
    struct io_file *f = NULL;
    struct io_lock *lock = NULL;
    struct io_socket *listener = NULL;
    struct io_socket *client = NULL;
    struct io_op a = { .opcode = IO_OP_ACCEPT };
    struct status s = io_ring_create(io, NULL, &ring);

    if (succeeded(s))
        s = io_open(io, io_contract_path(m, "f"), IO_WRITE | IO_CREATE, &f);
    if (succeeded(s))
        s = io_list(io, m->dir, visit_none, NULL);
    if (succeeded(s))
        s = io_lock_take(io, io_contract_path(m, "LOCK"), NULL, &lock);
    if (succeeded(s))
        s = io_listen(io, &(struct io_listen_options) { .address = "127.0.0.1" }, NULL, &listener);
    if (succeeded(s))
        s = io_connect(io, "127.0.0.1", io_socket_port(listener), &client);
    if (succeeded(s)) {
        a.socket = listener;
        io_submit(ring, &a);
        while (a.is_pending) {
            io_ring_wait(ring, UINT64_MAX);
            (void)io_ring_done(ring);
        }
        s = a.status;
    }
    io_socket_close(a.accepted);
    io_socket_close(client);
    io_socket_close(listener);
    io_lock_drop(lock);
    io_close(f);
    io_ring_destroy(ring);
    return s;
}

/* Fail each allocation in turn: the answer is always "no memory", and nothing is left behind. */
ON_BOTH(every_allocation_may_fail)
{
    size_t descriptors = open_descriptors();
    struct status s = status_of(ST_NO_MEMORY);
    uint64_t n = 0;

    while (failed(s)) {
        struct alloc_test t;
        struct io *io = NULL;
        cr_assert_lt(++n, 100);
        alloc_test_init(&t);
        t.fail_at = n;
        s = io_open_machine(&t.alloc, io_kind(m->io), &io, NULL);
        if (succeeded(s)) {
            s = use_everything(io, m);
            io_close_machine(io);
        }
        cr_assert(s.code == ST_OK || s.code == ST_NO_MEMORY, "%s", status_name(s.code));
        cr_assert_eq(t.live_bytes, 0, "failure %lu leaks", (unsigned long)n);
        cr_assert_eq(open_descriptors(), descriptors, "failure %lu leaks", (unsigned long)n);
    }
    cr_assert_gt(n, 7);
}

/* ---- Signals ----------------------------------------------------------------------------- */

static void note_signal(int number)
{
    (void)number;
}

/* The contract again, under a signal every 300 microseconds that interrupts system calls. */
static void start_signals(void)
{
    struct sigaction act = { .sa_handler = note_signal };
    struct itimerval often = { .it_interval.tv_usec = 300, .it_value.tv_usec = 300 };

    cr_assert_eq(sigaction(SIGALRM, &act, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void stop_signals(void)
{
    struct itimerval never = { 0 };

    cr_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
}

#define INTERRUPTED(name)                                                                          \
    static void interrupted_##name(struct io_contract_machine *m)                                  \
    {                                                                                              \
        start_signals();                                                                           \
        io_contract_##name(m);                                                                     \
        stop_signals();                                                                            \
    }                                                                                              \
    Test(base_io_interrupted, name##_on_uring, .timeout = 300)                                     \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, false, interrupted_##name);                                  \
    }                                                                                              \
    Test(base_io_interrupted, name##_on_posix, .timeout = 300)                                     \
    {                                                                                              \
        io_machine_run(IO_KIND_POSIX, false, interrupted_##name);                                  \
    }
IO_CONTRACT_CASES(INTERRUPTED)
