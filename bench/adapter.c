#include "bench/adapter.h"

#include "bench/meter.h"

#include "base/thread.h"

struct status adapter_copy(struct buf *copy, struct bytes value, struct bytes *out_value)
{
    buf_reset(copy);
    uint8_t *data = buf_extend(copy, value.size);
    if (data == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(data, value.data, value.size);
    *out_value = bytes_of(data, value.size);
    return status_ok();
}

void adapter_pause(uint64_t ns)
{
    struct mutex m;
    struct condition c;

    mutex_init(&m, RANK_LOG);
    condition_init(&c);
    mutex_lock(&m);
    (void)condition_wait_for(&c, &m, ns); /* Nobody signals it. */
    mutex_unlock(&m);
    condition_deinit(&c);
    mutex_deinit(&m);
}

void adapter_wait_idle(struct clock *clock)
{
    enum { WINDOWS = 5 };
    const uint64_t window_ns = 20 * 1000 * 1000;
    int quiet = 0;

    while (quiet < WINDOWS) {
        uint64_t cpu = meter_cpu_ns();
        uint64_t start = clock_ns(clock);
        adapter_pause(window_ns);
        uint64_t elapsed = clock_ns(clock) - start;
        quiet = meter_cpu_ns() - cpu < elapsed / 50 ? quiet + 1 : 0;
    }
}
