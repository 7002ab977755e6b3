#include "bench/meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t timeval_ns(struct timeval t)
{
    return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec) * 1000;
}

uint64_t meter_cpu_ns(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

/* The number after "name: " in a file of such lines. */
static uint64_t read_field(const char *path, const char *name)
{
    char line[256];
    uint64_t value = 0;
    size_t size = strlen(name);
    FILE *f = fopen(path, "r");

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, size) == 0 && sscanf(line + size, "%" SCNu64, &value) == 1)
            break;
    }
    (void)fclose(f);
    return value;
}

/* What all processors did other than idle, since boot. */
static uint64_t machine_cpu_ns(void)
{
    uint64_t t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "r");

    if (f == NULL)
        return 0;
    /* user nice system idle iowait irq softirq steal, in clock ticks */
    int n = fscanf(f,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
    (void)fclose(f);
    if (n != 8)
        return 0;
    uint64_t ticks = t[0] + t[1] + t[2] + t[5] + t[6];
    return ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

void meter_read(struct meter *m, uint64_t now_ns)
{
    uint64_t machine = machine_cpu_ns();
    uint64_t own = meter_cpu_ns();

    *m = (struct meter) {
        .time_ns = now_ns,
        .cpu_ns = own,
        .others_cpu_ns = machine > own ? machine - own : 0,
        .written_bytes = read_field("/proc/self/io", "write_bytes: "),
        .read_bytes = read_field("/proc/self/io", "read_bytes: "),
        .resident_bytes = read_field("/proc/self/status", "VmRSS:") * 1024,
    };
}

static uint64_t rise(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0;
}

struct meter meter_between(const struct meter *start, const struct meter *end)
{
    return (struct meter) {
        .time_ns = rise(start->time_ns, end->time_ns),
        .cpu_ns = rise(start->cpu_ns, end->cpu_ns),
        .others_cpu_ns = rise(start->others_cpu_ns, end->others_cpu_ns),
        .written_bytes = rise(start->written_bytes, end->written_bytes),
        .read_bytes = rise(start->read_bytes, end->read_bytes),
        .resident_bytes = end->resident_bytes,
    };
}
