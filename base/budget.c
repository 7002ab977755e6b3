#include "base/budget.h"

#include "base/check.h"

#include <stdint.h>

void budget_init(struct budget *b, size_t cap_bytes)
{
    b->cap_bytes = cap_bytes;
    for (int i = 0; i < BUDGET_TAGS; i++)
        atomic_init(&b->held_bytes[i], 0);
    atomic_init(&b->total_bytes, 0);
    atomic_init(&b->peak_bytes, 0);
}

static void raise_peak(struct budget *b, size_t total)
{
    size_t peak = atomic_load_explicit(&b->peak_bytes, memory_order_relaxed);

    while (peak < total &&
           !atomic_compare_exchange_weak_explicit(&b->peak_bytes, &peak, total,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

struct status budget_charge(struct budget *b, enum budget_tag tag, size_t size)
{
    size_t total = atomic_load_explicit(&b->total_bytes, memory_order_relaxed);
    size_t wanted;

    do {
        if (__builtin_add_overflow(total, size, &wanted))
            return status_of(ST_NO_MEMORY);
        if (b->cap_bytes != 0 && wanted > b->cap_bytes)
            return status_of(ST_NO_MEMORY);
    } while (!atomic_compare_exchange_weak_explicit(&b->total_bytes, &total, wanted,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_fetch_add_explicit(&b->held_bytes[tag], size, memory_order_relaxed);
    raise_peak(b, wanted);
    return status_ok();
}

void budget_force(struct budget *b, enum budget_tag tag, size_t size)
{
    size_t before = atomic_fetch_add_explicit(&b->total_bytes, size, memory_order_relaxed);

    atomic_fetch_add_explicit(&b->held_bytes[tag], size, memory_order_relaxed);
    raise_peak(b, before + size);
}

void budget_refund(struct budget *b, enum budget_tag tag, size_t size)
{
    size_t held = atomic_fetch_sub_explicit(&b->held_bytes[tag], size, memory_order_relaxed);

    CHECK(held >= size);
    atomic_fetch_sub_explicit(&b->total_bytes, size, memory_order_relaxed);
}

size_t budget_left(const struct budget *b)
{
    size_t total = atomic_load_explicit(&b->total_bytes, memory_order_relaxed);

    if (b->cap_bytes == 0)
        return SIZE_MAX;
    return total < b->cap_bytes ? b->cap_bytes - total : 0;
}

const char *budget_tag_name(enum budget_tag tag)
{
    static const char NAMES[BUDGET_TAGS][12] = {
        [BUDGET_MEMTABLE] = "memtable",     [BUDGET_LOG_TAIL] = "log_tail",
        [BUDGET_CACHE] = "cache",           [BUDGET_TABLE_META] = "table_meta",
        [BUDGET_ITERATOR] = "iterator",     [BUDGET_JOB] = "job",
        [BUDGET_CONNECTION] = "connection", [BUDGET_REPLY] = "reply",
        [BUDGET_PENDING] = "pending",       [BUDGET_ROWS] = "rows",
        [BUDGET_OTHER] = "other",
    };
    CHECK(tag < BUDGET_TAGS);
    return NAMES[tag];
}
