/*
 * Any bytes as log entries, a hard state, a snapshot, a change: refused, or a value that has but
 * this spelling.
 */
#include "base/check.h"
#include "raft/codec.h"

static void entries(struct bytes in)
{
    struct raft_entry e;
    uint8_t head[RAFT_ENTRY_HEAD];

    while (succeeded(raft_entry_take(&in, &e))) {
        CHECK(raft_entry_put_head(&e, head) == RAFT_ENTRY_HEAD);
        CHECK(memcmp(head, e.data.data - RAFT_ENTRY_HEAD, RAFT_ENTRY_HEAD) == 0);
    }
}

static void hard_state(struct bytes in)
{
    struct raft_hard h;
    struct bytes before = in;
    uint8_t out[RAFT_HARD_MAX];

    if (succeeded(raft_hard_take(&in, &h)))
        CHECK(bytes_equal(bytes_of(out, raft_hard_put(&h, out)),
                          bytes_of(before.data, before.size - in.size)));
}

static void snapshot(struct bytes in)
{
    struct raft_snapshot s;
    struct bytes before = in;
    uint8_t out[RAFT_SNAPSHOT_MAX];

    if (succeeded(raft_snapshot_take(&in, &s)))
        CHECK(bytes_equal(bytes_of(out, raft_snapshot_put(&s, out)),
                          bytes_of(before.data, before.size - in.size)));
}

static void change(struct bytes in)
{
    struct raft_change c;
    uint8_t out[RAFT_CHANGE_MAX];

    if (succeeded(raft_change_read(in, &c)))
        CHECK(bytes_equal(bytes_of(out, raft_change_put(&c, out)), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);

    entries(in);
    hard_state(in);
    snapshot(in);
    change(in);
    return 0;
}
