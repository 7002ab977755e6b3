/*
 * budget -- who holds how much memory, and the cap that is a promise.
 *
 * One budget a node. Everything that grows charges what it holds under a tag before it grows and
 * refunds when it gives back. The cap counts all tags together; INFO shows each.
 *
 *   1. total_bytes is the sum of held_bytes once no call is under way.
 *   2. A charge that was granted kept total_bytes at or under the cap at that moment, whatever
 *      other threads did. Only budget_force goes past it.
 *   3. Nobody refunds what was not charged under that tag (checked).
 *
 * Threads: any, relaxed atomics; a figure read by another thread is one of the recent ones.
 */
#ifndef VARVE_BASE_BUDGET_H
#define VARVE_BASE_BUDGET_H

#include "base/status.h"

#include <stdatomic.h>
#include <stddef.h>

enum budget_tag {
    BUDGET_MEMTABLE,
    BUDGET_LOG_TAIL,
    BUDGET_CACHE,
    BUDGET_TABLE_META, /* Versions, fences, tables' top metadata. */
    BUDGET_ITERATOR,
    BUDGET_JOB, /* Flush, compaction and rewrite buffers. */
    BUDGET_CONNECTION,
    BUDGET_REPLY,
    BUDGET_PENDING, /* Evaluated, not yet applied writes. */
    BUDGET_ROWS,    /* Applied or read ones that are kept. */
    BUDGET_OTHER,
    BUDGET_TAGS,
};

struct budget {
    size_t cap_bytes; /* 0: no cap. Set at init. */
    _Atomic size_t held_bytes[BUDGET_TAGS];
    _Atomic size_t total_bytes;
    _Atomic size_t peak_bytes; /* The greatest total_bytes ever. */
};

void budget_init(struct budget *b, size_t cap_bytes);

/* Charge size under tag, or ST_NO_MEMORY and nothing charged if it would pass the cap. */
MUST_CHECK struct status budget_charge(struct budget *b, enum budget_tag tag, size_t size);

/* Charge what cannot be refused (already durable, or bounded by its owner). May pass the cap. */
void budget_force(struct budget *b, enum budget_tag tag, size_t size);

void budget_refund(struct budget *b, enum budget_tag tag, size_t size);

/* Bytes left under the cap; SIZE_MAX without one. */
size_t budget_left(const struct budget *b);

/* "memtable", "log_tail" ...: for INFO. */
const char *budget_tag_name(enum budget_tag tag);

#endif
