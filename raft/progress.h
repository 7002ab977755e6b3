/*
 * progress -- what a leader knows about one peer's log, and what is under way to it.
 *
 *     PROBE      one append at a time, until one is accepted: next may be wrong
 *     REPLICATE  appends follow one another as long as messages and bytes in flight allow
 *     SENDING    the peer needs a snapshot: wanted -> offered -> on its way
 *     DOWN       the transport cannot reach it: nothing but heartbeats
 *
 * 1. match < next. match is durable at the peer in the leader's term, and only grows -- but for a
 *    peer that has shown that it lost what it had.
 * 2. A refusal counts only if it answers a message sent since the last change of state (epoch), so
 *    that one that was late or came twice does not move next.
 * 3. inflight_bytes is the sum over the ring.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RAFT_PROGRESS_H
#define VARVE_RAFT_PROGRESS_H

#include "raft/raft.h"

struct raft_inflight {
    raft_index last; /* Of the entries of one message. */
    uint64_t bytes;
    uint64_t seq;
};

enum raft_sending {
    RAFT_SENDING_DUE,     /* Ask the driver for a snapshot. */
    RAFT_SENDING_WANTED,  /* The driver has been asked. */
    RAFT_SENDING_LATER,   /* It had none; ask again with the next heartbeat. */
    RAFT_SENDING_OFFER,   /* Offer it to the peer. */
    RAFT_SENDING_OFFERED, /* Offered; the data travel. */
};

struct raft_peer {
    raft_id id;

    enum raft_progress progress;
    raft_index match;
    raft_index next;
    uint64_t epoch_seq; /* Messages numbered above it belong to the present state. */
    uint64_t match_seq; /* The newest message when match grew: answers to later ones know of it. */
    uint64_t probe_seq; /* PROBE: the newest one, if it is unanswered. */
    uint64_t lost_seq;  /* Answers to messages up to here speak of a disk that is no more. */
    bool is_fetching;   /* FETCH is unanswered. */
    bool is_disk_full;
    bool is_quiet; /* Has taken up quiescence. */
    raft_index commit_sent;

    struct raft_inflight *inflight; /* Ring of the configured size. */
    uint32_t inflight_head;
    uint32_t inflight_count;
    uint64_t inflight_bytes;

    enum raft_sending sending;
    uint64_t offer_seq;
    struct raft_snapshot offer;

    uint64_t acked_us; /* Newest time at which it was asked something it answered; 0: none. */
    uint64_t read_sent;
    uint64_t read_acked;

    bool has_voted;
    bool granted;
    enum raft_reason refusal;

    /* What is still to be sent to it. */
    bool vote_due;
    bool heartbeat_due;
    bool nudge_due; /* An empty append, to find out whether appends were lost. */
    bool timeout_now_due;
};

/* A new leader knows nothing about the peer (5.3): next is behind its own log. */
void raft_peer_reset(struct raft_peer *p, raft_index last);
/* seq is the newest message's number. */
void raft_peer_probe(struct raft_peer *p, raft_index next, uint64_t seq);
void raft_peer_replicate(struct raft_peer *p);
void raft_peer_send_snapshot(struct raft_peer *p, uint64_t seq);
/* It has the snapshot that it was offered, or more. */
bool raft_peer_has_taken_offer(const struct raft_peer *p);
void raft_peer_down(struct raft_peer *p, uint64_t seq);

/* An append with entries up to last, or none (bytes 0, last == next - 1), has been sent. */
void raft_peer_sent(struct raft_peer *p, raft_index last, uint64_t bytes, uint64_t seq,
                    uint32_t inflight_max);
/* Everything up to index is durable there. */
void raft_peer_acked(struct raft_peer *p, raft_index index, uint64_t seq, uint32_t inflight_max);
bool raft_peer_is_full(const struct raft_peer *p, const struct raft_config *c);
/* Some append sent before message seq has not been answered. */
bool raft_peer_waits(const struct raft_peer *p, uint64_t seq);

#endif
