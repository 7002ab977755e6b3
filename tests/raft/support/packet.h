/*
 * packet -- a message on its way: a copy that outlives the step that sent it, payloads shared.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_PACKET_H
#define VARVE_TESTS_RAFT_PACKET_H

#include "tests/raft/support/blob.h"

struct packet {
    struct packet *next; /* Of whoever queues it. */
    uint64_t number;     /* Of the sender's choice. */
    uint32_t refs;
    struct raft_message m; /* Points into what follows. */
    struct raft_snapshot *snapshot;
    struct raft_entry entries[];
};

struct packet *packet_copy(const struct raft_message *m);
void packet_ref(struct packet *p);
void packet_unref(struct packet *p); /* NULL: nothing. */

/* The same message after a journey as bytes (raft/codec.h): all of its entries point into one blob,
 * the received frame. Aborts if that changes anything: the codec's own tests come first. */
struct packet *packet_through_codec(const struct packet *p, struct blob_pool *pool);

#endif
