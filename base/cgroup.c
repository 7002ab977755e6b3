#include "base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/small_file.h"

enum { PATH_SIZE = 3 * SMALL_FILE_SIZE, MILLI = 1000 };

/* The directory of one group, and what is kept of its limits and of those read before. */
struct level {
    char dir[PATH_SIZE - 64];
    struct cgroup_limits *limits;
};

static bool read_limit(const struct level *l, const char *name, char text[SMALL_FILE_SIZE])
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", l->dir, name);
    return small_file_read(path, text);
}

/* "max" and "-1" are none. */
static bool take_number(const char *text, uint64_t *out)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoull(text, NULL, 10);
    return *out > 0;
}

static void lower(uint64_t *limit, uint64_t value)
{
    if (value < *limit)
        *limit = value;
}

static void lower_memory(const struct level *l, const char *name)
{
    char text[SMALL_FILE_SIZE];
    uint64_t value;

    if (read_limit(l, name, text) && take_number(text, &value))
        lower(&l->limits->memory_bytes, value);
}

/* So many microseconds of processor time in each period of so many. */
static void lower_processors(const struct level *l, const char *quota, const char *period)
{
    uint64_t quota_us;
    uint64_t period_us;

    if (take_number(quota, &quota_us) && take_number(period, &period_us) &&
        quota_us <= UINT64_MAX / MILLI)
        lower(&l->limits->processors_milli, quota_us * MILLI / period_us);
}

/* ---- Versions ------------------------------------------------------------------------------- */

static void lower_unified(const struct level *l)
{
    char text[SMALL_FILE_SIZE];

    lower_memory(l, "memory.max");
    if (!read_limit(l, "cpu.max", text))
        return;
    const char *space = strchr(text, ' ');
    if (space != NULL)
        lower_processors(l, text, space + 1);
}

static void lower_to_memory(const struct level *l)
{
    lower_memory(l, "memory.limit_in_bytes");
}

static void lower_to_cpu(const struct level *l)
{
    char quota[SMALL_FILE_SIZE];
    char period[SMALL_FILE_SIZE];

    if (read_limit(l, "cpu.cfs_quota_us", quota) && read_limit(l, "cpu.cfs_period_us", period))
        lower_processors(l, quota, period);
}

/* A group and all above it, in the tree that is mounted at sys/fs/cgroup + mount. */
static void lower_to_group(const char *root, const char *mount, const char *group,
                           void (*lower_level)(const struct level *l), struct cgroup_limits *limits)
{
    struct level l = { .limits = limits };

    for (size_t size = strlen(group);; size--) {
        if (size == 0 || group[size] == '/' || group[size] == '\0') {
            (void)snprintf(l.dir, sizeof l.dir, "%s/sys/fs/cgroup%s%.*s", root, mount, (int)size,
                           group);
            lower_level(&l);
        }
        if (size == 0)
            return;
    }
}

/* Is name one of the words between commas? */
static bool has_word(const char *words, const char *name)
{
    size_t size = strlen(name);

    for (const char *word = words; word != NULL; word = strchr(word, ',')) {
        word += *word == ',';
        if (strncmp(word, name, size) == 0 && (word[size] == ',' || word[size] == '\0'))
            return true;
    }
    return false;
}

/*
 * A line of /proc/self/cgroup is "id:controllers:group". Version 1 has a tree for each set of
 * controllers; version 2 has one tree for all, without a name, which may be mounted beside those of
 * version 1.
 */
static void lower_to_line(const char *root, char *line, struct cgroup_limits *limits)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');

    if (group == NULL)
        return;
    *group++ = '\0';
    if (*++controllers == '\0') {
        lower_to_group(root, "", group, lower_unified, limits);
        lower_to_group(root, "/unified", group, lower_unified, limits);
    }
    if (has_word(controllers, "memory"))
        lower_to_group(root, "/memory", group, lower_to_memory, limits);
    if (has_word(controllers, "cpu"))
        lower_to_group(root, "/cpu", group, lower_to_cpu, limits);
}

void cgroup_limits(const char *root, struct cgroup_limits *out)
{
    char path[PATH_SIZE];
    char text[SMALL_FILE_SIZE];
    char *rest;

    *out = (struct cgroup_limits) { .memory_bytes = UINT64_MAX, .processors_milli = UINT64_MAX };
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!small_file_read(path, text))
        return;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        lower_to_line(root, line, out);
}
