/*
 * cgroup -- what the control groups of this process leave it. Private to base/.
 *
 * The least limit of a group and of all above it counts, in version 2 of the kernel's interface, in
 * version 1, and where both are mounted. A limit that cannot be read is none.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_CGROUP_H
#define VARVE_BASE_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
    uint64_t memory_bytes;     /* UINT64_MAX: no limit. */
    uint64_t processors_milli; /* 1000: one, all the time; UINT64_MAX: no limit. */
};

/* root is where proc/ and sys/ are: "" is the machine. */
void cgroup_limits(const char *root, struct cgroup_limits *out);

#endif
