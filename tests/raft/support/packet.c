#include "tests/raft/support/packet.h"

#include <stdlib.h>

#include "base/check.h"
#include "raft/codec.h"

struct packet *packet_copy(const struct raft_message *m)
{
    size_t entries_size = m->entry_count * sizeof m->entries[0];
    struct packet *p = malloc(sizeof *p + entries_size);
    CHECK(p != NULL);
    *p = (struct packet) { .refs = 1, .m = *m };
    if (m->entry_count > 0) {
        memcpy(p->entries, m->entries, entries_size);
        p->m.entries = p->entries;
        entries_ref(p->entries, m->entry_count);
    }
    if (m->snapshot != NULL) {
        p->snapshot = malloc(sizeof *p->snapshot);
        CHECK(p->snapshot != NULL);
        *p->snapshot = *m->snapshot;
        p->m.snapshot = p->snapshot;
    }
    return p;
}

void packet_ref(struct packet *p)
{
    CHECK(p->refs > 0);
    p->refs++;
}

void packet_unref(struct packet *p)
{
    if (p == NULL)
        return;
    CHECK(p->refs > 0);
    if (--p->refs > 0)
        return;
    entries_unref(p->entries, p->m.entry_count);
    free(p->snapshot);
    free(p);
}

struct packet *packet_through_codec(const struct packet *p, struct blob_pool *pool)
{
    size_t size = raft_message_size(&p->m);
    struct blob *frame = blob_new(pool, size);
    CHECK(raft_message_put(&p->m, frame->data) == size);

    struct raft_entry *entries = malloc((p->m.entry_count + 1) * sizeof entries[0]);
    struct raft_snapshot snapshot;
    struct raft_message m;
    struct bytes in = bytes_of(frame->data, size);
    CHECK(entries != NULL);
    CHECK(succeeded(raft_message_take(&in, entries, p->m.entry_count, &snapshot, &m)));
    CHECK(in.size == 0);
    CHECK(m.entry_count == p->m.entry_count);
    for (uint32_t i = 0; i < m.entry_count; i++)
        entries[i].blob = entries[i].data.size > 0 ? frame : NULL;
    struct packet *copy = packet_copy(&m);
    copy->number = p->number;
    blob_unref(frame);
    free(entries);
    return copy;
}
