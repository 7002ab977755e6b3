#include "bench/tally.h"

#include <string.h>

void tally_init(struct tally *t)
{
    memset(t, 0, sizeof *t);
    t->start_ns = UINT64_MAX;
    for (int i = 0; i < OP_KINDS; i++)
        histogram_init(&t->kinds[i]);
}

void tally_merge(struct tally *t, const struct tally *other)
{
    if (other->start_ns < t->start_ns)
        t->start_ns = other->start_ns;
    if (other->finish_ns > t->finish_ns)
        t->finish_ns = other->finish_ns;
    t->busy_seconds += (double)(other->finish_ns - other->start_ns) * 1e-9;
    t->done += other->done;
    t->bytes += other->bytes;
    t->written_bytes += other->written_bytes;
    t->stall_ns += other->stall_ns;
    t->reads += other->reads;
    t->found += other->found;
    t->writes += other->writes;
    t->thread_count++;
    for (int i = 0; i < OP_KINDS; i++) {
        t->failed[i] += other->failed[i];
        histogram_merge(&t->kinds[i], &other->kinds[i]);
    }
}

double tally_elapsed_seconds(const struct tally *t)
{
    /* A run that did nothing took a nanosecond, so that nobody divides by zero. */
    return t->finish_ns > t->start_ns ? (double)(t->finish_ns - t->start_ns) * 1e-9 : 1e-9;
}

double tally_ops_per_second(const struct tally *t)
{
    return (double)t->done / tally_elapsed_seconds(t);
}

void tally_calls(const struct tally *t, struct histogram *out_all)
{
    histogram_init(out_all);
    for (int i = 0; i < OP_KINDS; i++) {
        if (i != OP_READ_MODIFY_WRITE)
            histogram_merge(out_all, &t->kinds[i]);
    }
}

const char *op_kind_name(enum op_kind kind)
{
    static const char *const NAMES[OP_KINDS] = {
        [OP_READ] = "read",
        [OP_WRITE] = "write",
        [OP_DELETE] = "delete",
        [OP_SEEK] = "seek",
        [OP_UPDATE] = "update",
        [OP_INSERT] = "insert",
        [OP_SCAN] = "scan",
        [OP_CRC] = "crc",
        [OP_HASH] = "hash",
        [OP_OTHER] = "op",
        [OP_READ_MODIFY_WRITE] = "read-modify-write",
    };
    return NAMES[kind];
}

const char *op_kind_ycsb_name(enum op_kind kind)
{
    static const char *const NAMES[OP_KINDS] = {
        [OP_READ] = "READ",
        [OP_WRITE] = "WRITE",
        [OP_DELETE] = "DELETE",
        [OP_SEEK] = "SEEK",
        [OP_UPDATE] = "UPDATE",
        [OP_INSERT] = "INSERT",
        [OP_SCAN] = "SCAN",
        [OP_CRC] = "CRC",
        [OP_HASH] = "HASH",
        [OP_OTHER] = "OTHER",
        [OP_READ_MODIFY_WRITE] = "READ-MODIFY-WRITE",
    };
    return NAMES[kind];
}
