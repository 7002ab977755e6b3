#include "tests/crash/powercut/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The same number and flag in ext4, XFS and F2FS: go down now, do not write the journal. */
#define FS_SHUTDOWN _IOR('X', 125, uint32_t)
enum { SHUTDOWN_NO_LOG_FLUSH = 2 };

enum { UNMOUNT_TRIES = 1500, PAUSE_NS = 20 * 1000 * 1000, MOUNT_TRIES = 20 };
enum { ROOM_IMAGES = 3 }; /* The image, what is set aside of it, and some for others. */

_Noreturn void machine_die(const char *format, ...)
{
    va_list arguments;

    fputs("powercut: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

/* Run a tool of the system quietly. Its exit status. */
static int run_tool(const char *const argv[])
{
    int status = 0;
    pid_t child = fork();

    if (child < 0)
        machine_die("fork: %m");
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child)
        machine_die("waitpid: %m");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void rest(void)
{
    nanosleep(&(struct timespec) { .tv_nsec = PAUSE_NS }, NULL);
}

static int mount_image(const struct machine *m)
{
    return run_tool((const char *const[]) { "mount", "-t", m->type, "-o", "loop", m->image,
                                            m->mountpoint, NULL });
}

static int make_filesystem(const struct machine *m)
{
    bool is_xfs = strcmp(m->type, "xfs") == 0;
    const char *const xfs[] = { "mkfs.xfs", "-q", "-f", m->image, NULL };
    const char *const ext4[] = { "mkfs.ext4", "-q", "-F", m->image, NULL };
    int fd = open(m->image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)m->size_mib << 20) != 0)
        machine_die("cannot make \"%s\": %m", m->image);
    close(fd);
    return run_tool(is_xfs ? xfs : ext4);
}

/* "mnt" in the work directory, and so on. */
static void place(const struct machine *m, char *out, size_t size, const char *name)
{
    if (snprintf(out, size, "%s/%s", m->work, name) >= (int)size)
        machine_die("TMPDIR is too long");
}

/* In memory it is faster, where there is enough: a container may have 64 MiB of it. */
static bool has_room(const char *dir, unsigned size_mib)
{
    struct statvfs s;

    return access(dir, W_OK) == 0 && statvfs(dir, &s) == 0 &&
           (uint64_t)s.f_bavail * s.f_frsize / ROOM_IMAGES >= (uint64_t)size_mib << 20;
}

const char *machine_init(struct machine *m, const char *type, unsigned size_mib)
{
    const char *tmp = getenv("TMPDIR");

    if (tmp == NULL)
        tmp = has_room("/dev/shm", size_mib) ? "/dev/shm" : "/tmp";
    memset(m, 0, sizeof *m);
    m->type = type;
    m->size_mib = size_mib;
    if (geteuid() != 0)
        return "mounting needs root";
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return "no mount namespace";
    if (snprintf(m->work, sizeof m->work, "%s/varve-powercut-XXXXXX", tmp) >= (int)sizeof m->work ||
        mkdtemp(m->work) == NULL)
        return "no temporary directory";
    place(m, m->image, sizeof m->image, "image");
    place(m, m->aside, sizeof m->aside, "image.cut");
    place(m, m->mountpoint, sizeof m->mountpoint, "mnt");
    place(m, m->store, sizeof m->store, "mnt/store");
    if (mkdir(m->mountpoint, 0700) != 0)
        machine_die("cannot make \"%s\": %m", m->mountpoint);
    const char *why = NULL;
    if (make_filesystem(m) != 0)
        why = "no mkfs for this file system";
    else if (mount_image(m) != 0)
        why = "no loop devices";
    else
        machine_unmount(m);
    if (why != NULL)
        machine_deinit(m, false);
    return why;
}

void machine_deinit(struct machine *m, bool keeps_aside)
{
    rmdir(m->mountpoint);
    unlink(m->image);
    if (keeps_aside)
        return;
    unlink(m->aside);
    rmdir(m->work);
}

void machine_format(struct machine *m)
{
    if (make_filesystem(m) != 0)
        machine_die("mkfs.%s failed on \"%s\"", m->type, m->image);
    machine_mount(m);
    if (mkdir(m->store, 0700) != 0)
        machine_die("cannot make \"%s\": %m", m->store);
    sync();
    machine_unmount(m);
}

void machine_mount(struct machine *m)
{
    /* Others may take the loop device that was free a moment ago. */
    for (int i = 0; i < MOUNT_TRIES; i++) {
        if (mount_image(m) == 0)
            return;
        rest();
    }
    machine_die("cannot mount \"%s\"", m->image);
}

void machine_cut(struct machine *m)
{
    uint32_t flags = SHUTDOWN_NO_LOG_FLUSH;
    int fd = open(m->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, FS_SHUTDOWN, &flags) != 0)
        machine_die("cannot cut \"%s\": %m", m->mountpoint);
    close(fd);
}

void machine_unmount(struct machine *m)
{
    /* What the kernel does for a process that has just ended may hold the mount a little longer. */
    for (int i = 0; i < UNMOUNT_TRIES; i++) {
        if (umount(m->mountpoint) == 0)
            return;
        if (errno != EBUSY)
            break;
        rest();
    }
    machine_die("cannot unmount \"%s\": %m", m->mountpoint);
}

void machine_set_aside(struct machine *m)
{
    if (run_tool((const char *const[]) { "cp", "--sparse=always", m->image, m->aside, NULL }) != 0)
        machine_die("cannot copy \"%s\"", m->image);
}
