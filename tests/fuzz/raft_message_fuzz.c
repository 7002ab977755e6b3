/*
 * Any bytes as Raft messages: refused, or messages that have but this spelling. Then each is given
 * to a replica, which may refuse it, but keeps its invariants.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "raft/codec.h"

enum { ENTRIES = 64 };

static const struct raft_config config = {
    .group = 1, .id = 1, .window_entries = 64, .batch_entries = 32, .terms = 8
};

static struct raft *replica(void *memory)
{
    struct raft_restore restore = { .last = 0 };
    struct errbuf err = { "" };
    struct raft *r;

    restore.hard.conf =
        (struct raft_conf) { .count = 2,
                             .members = { { 1, RAFT_MEMBER_VOTER }, { 2, RAFT_MEMBER_VOTER } } };
    CHECK(succeeded(raft_init(&config, &restore, 1, memory, &err, &r)));
    return r;
}

static void spelled_alike(const struct raft_message *m, struct bytes spelling)
{
    size_t size = raft_message_size(m);
    uint8_t *again = malloc(size);

    CHECK(again != NULL);
    CHECK(raft_message_put(m, again) == size);
    /* Fields of later versions are skipped, so that the same message may have been longer. */
    CHECK(size < spelling.size || bytes_equal(spelling, bytes_of(again, size)));
    free(again);
}

static void keeps_invariants(const struct raft *r)
{
    enum raft_invariant broken = raft_check(r);

    if (broken != RAFT_INVARIANT_NONE)
        fprintf(stderr, "broken: %s\n", raft_invariant_name(broken));
    CHECK(broken == RAFT_INVARIANT_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct raft_entry entries[ENTRIES];
    struct raft_snapshot snapshot;
    struct raft_message m;
    struct raft_effects fx;
    void *memory = malloc(raft_size(&config));
    void *fx_memory = malloc(raft_effects_size(&config));
    uint64_t now_us = 1;

    CHECK(memory != NULL && fx_memory != NULL);
    struct raft *r = replica(memory);
    raft_effects_init(&fx, &config, fx_memory);
    for (;;) {
        struct bytes before = in;
        struct status s = raft_message_take(&in, entries, ENTRIES, &snapshot, &m);
        if (s.code == ST_UNSUPPORTED)
            continue;
        if (failed(s))
            break;
        spelled_alike(&m, bytes_of(before.data, before.size - in.size));
        struct raft_event ev = { .kind = RAFT_EVENT_RECV, .u.message = &m };
        raft_step(r, now_us += 10000, &ev, &fx);
        keeps_invariants(r);
    }
    free(memory);
    free(fx_memory);
    return 0;
}
