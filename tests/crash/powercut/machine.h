/*
 * machine -- a file system of our own that can lose its power.
 *
 * An image file, mounted through a loop device in a mount namespace of this process, so that
 * nothing is left behind however the process ends. The cut is the file system's own shutdown ioctl
 * without a log flush: from then on every write fails, and what was not on the device is gone.
 *
 * What it cannot show: the device's own cache (blocks reach the image file whether flushed or not),
 * and torn sectors. The simulator shows those (base/io_sim.h).
 */
#ifndef VARVE_TESTS_CRASH_POWERCUT_MACHINE_H
#define VARVE_TESTS_CRASH_POWERCUT_MACHINE_H

#include <stdbool.h>

enum { MACHINE_PATH_MAX = 128 };

struct machine {
    char work[MACHINE_PATH_MAX];       /* A temporary directory. */
    char image[MACHINE_PATH_MAX + 16]; /* In it. */
    char aside[MACHINE_PATH_MAX + 16];
    char mountpoint[MACHINE_PATH_MAX + 16];
    char store[MACHINE_PATH_MAX + 32]; /* The directory under test, in the file system. */
    const char *type;                  /* "ext4" or "xfs" */
    unsigned size_mib;
};

/* NULL, or why there can be no such machine here. */
const char *machine_init(struct machine *m, const char *type, unsigned size_mib);
/* Remove everything, or all but the image that was set aside. */
void machine_deinit(struct machine *m, bool keeps_aside);

/* The steps. Each ends the process, with a message, if it fails. */
void machine_format(struct machine *m); /* A new file system with an empty store directory. */
void machine_mount(struct machine *m);
void machine_cut(struct machine *m);
void machine_unmount(struct machine *m);
/* Copy the image before whoever verifies it repairs what it finds. */
void machine_set_aside(struct machine *m);

_Noreturn __attribute__((format(printf, 1, 2))) void machine_die(const char *format, ...);

#endif
