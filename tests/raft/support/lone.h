/*
 * lone -- one replica for unit cases, which are themselves the rest of its group and its driver.
 *
 * Each event is told twice from the same state: with room for everything, and again in pieces, for
 * every number of effects that a step may be given room for. What is told must be the same.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_LONE_H
#define VARVE_TESTS_RAFT_LONE_H

#include "raft/core.h"

enum { LONE_MEMORY = 1 << 18, LONE_TOLD = 64, LONE_SELF = 1 };

struct lone {
    struct raft_config config;
    struct raft *r;
    struct raft_effects fx;
    uint64_t now_us;
    uint32_t room_least; /* Pieces of so many effects at least: an alarm, a role, a write and an
                            answer are told together, if the event calls for them. */
    enum raft_reason verdict;
    struct raft_effect told[LONE_TOLD]; /* Of the last event; what they point to is gone. */
    uint32_t told_count;
    uint64_t seq; /* The newest write. */
    struct raft_mark mark;
    _Alignas(16) uint8_t memory[LONE_MEMORY];
    _Alignas(16) uint8_t copy[LONE_MEMORY];
    _Alignas(16) uint8_t fx_memory[LONE_MEMORY];
};

/* Replica 1 of a group whose entries have no payload: all of `restore`, its configuration being
 * voters 1 .. `voters`. */
void lone_start(struct lone *l, const struct raft_config *config, uint32_t voters,
                struct raft_restore restore);
/* It wins an election: all others vote for it. */
void lone_lead(struct lone *l);

void lone_step(struct lone *l, const struct raft_event *ev);
void lone_event(struct lone *l, enum raft_event_kind kind);
void lone_peer_event(struct lone *l, enum raft_event_kind kind, raft_id peer);
/* m comes from `from`, in the present term unless it names one. */
void lone_receive(struct lone *l, raft_id from, struct raft_message m);
/* An answer to the newest message. */
void lone_answer(struct lone *l, raft_id from, struct raft_message m);
/* All that was written is durable; then all that was announced is applied. */
void lone_persist(struct lone *l);
void lone_apply(struct lone *l);

/* Of what the last event told: */
uint32_t lone_told(const struct lone *l, enum raft_effect_kind kind);
/* The last message of this kind, or NULL. */
const struct raft_message *lone_sent(const struct lone *l, enum raft_message_kind kind, raft_id to);

#endif
