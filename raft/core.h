/*
 * core -- the state of a replica, and what its files ask of one another.
 *
 * A step is: one handler changes the state; timers that are due do, too; then emit.c reads off the
 * state what there is to tell, as far as the effects have room. Nothing but a reply to the message
 * at hand is queued, so a step can stop telling anywhere and go on with the next one.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RAFT_CORE_H
#define VARVE_RAFT_CORE_H

#include "base/check.h"
#include "base/rand.h"

#include "raft/conf.h"
#include "raft/log.h"
#include "raft/mutant.h"
#include "raft/progress.h"
#include "raft/raft.h"

enum raft_read_state { RAFT_READ_WAITING, RAFT_READ_CONFIRMED, RAFT_READ_LOST };

struct raft_read {
    enum raft_read_state state;
    enum raft_reason reason; /* LOST. */
    bool by_lease;
    raft_id from;        /* Whose it is: ours, or of a follower that asked us, the leader. */
    uint64_t ctx;        /* Ours: the driver's name of it. */
    uint64_t remote_seq; /* A follower's name of it. */
    uint64_t seq;        /* Ours; 0: no number yet, the leader has committed nothing. */
    raft_index index;
    raft_term term;
    uint64_t since_us;
};

struct raft_farewell {
    raft_id id;
    uint32_t left; /* Notices to be sent. */
    bool is_due;
};

struct raft_slice {
    raft_index first;
    uint32_t count;
    uint32_t at; /* In fx->entries. */
};
enum { RAFT_SLICES_MAX = 8 };

/* No log is that long and no group that old: indexes and terms from wire or disk are below it, so
 * that sums of such numbers do not overflow. */
#define RAFT_NUMBER_MAX ((uint64_t)1 << 62)

struct raft {
    struct raft_config config;
    struct rand rand;
    uint64_t now_us;
    struct raft_effects *fx; /* Of the step at hand. */

    /* What is durable once it is written (Figure 2). */
    raft_term term;
    raft_id vote;
    struct raft_log log;
    raft_index conf_index;
    struct raft_conf conf;

    enum raft_role role;
    raft_id leader;
    enum raft_reason halt_reason;

    /* Writes: persist.c. */
    bool is_dirty;
    bool is_term_dirty;
    uint64_t persist_seq;
    uint64_t persisted_seq;
    uint64_t term_seq; /* The write that has the present term. */
    uint64_t write_since_us;
    raft_index unwritten; /* First entry that is in no write yet. */
    raft_index truncate_from;
    raft_index cut_from; /* Where the log was cut in this step; RAFT_NEVER: it was not. */
    bool has_restored;   /* The next write has a snapshot record. */
    struct raft_snapshot restored;
    struct raft_hard hard;
    enum raft_disk disk;

    /* The answer to the message at hand. */
    bool has_reply;
    bool reply_waits; /* For what is durable. */
    struct raft_message reply;

    /* Followers and candidates: election.c. */
    uint64_t election_due_us;
    uint64_t promise_until_us; /* No vote before: a leader was heard of. */
    uint64_t grace_until_us;   /* No vote before: promises of a clock that is no more. */
    uint64_t campaign_seq;
    uint64_t vote_seq; /* The write of our own vote. */
    bool is_forced;    /* The campaign is a transfer. */

    /* Leaders: replicate.c. */
    uint64_t message_seq;
    raft_index own_first; /* The first entry of our term. */
    uint64_t heartbeat_due_us;
    uint64_t commit_due_us;
    uint64_t quorum_grace_us;
    uint64_t uncommitted_bytes;
    bool is_leaving;       /* No voter any more: hand over and stop. */
    uint64_t leave_due_us; /* At the latest. */
    raft_index counted;    /* Last commit index that was counted, */
    bool is_miscounted;    /* and not when counted again, the naive way. */

    /* quiesce.c */
    bool is_quiescent;
    uint32_t idle_beats;
    uint64_t quiet_seq; /* Answers to messages up to here agree to an earlier offer. */

    /* transfer.c */
    raft_id transferee;
    uint64_t transfer_due_us;
    raft_id was_asked;         /* Whoever is to take over, once it was sent TIMEOUT_NOW, */
    uint64_t asked_seq;        /* by messages numbered above this. */
    bool has_sent_timeout_now; /* In this term, to anybody. */
    bool has_transfer_ended;
    raft_id transfer_to;
    enum raft_reason transfer_reason;

    /* lease.c */
    enum raft_lease_hold lease_hold;
    uint64_t lease_frozen_us;
    uint64_t lease_barred_until_us;

    /* read.c */
    struct raft_read *reads;
    uint32_t read_count;
    uint64_t read_seq;

    /* snapshot.c: the receiving side. */
    bool is_installing;
    bool install_due;
    raft_id install_from;
    raft_term install_term;
    uint64_t install_seq;
    uint64_t install_sent_us;
    struct raft_snapshot install;
    bool has_dropped;
    struct raft_snapshot dropped;

    /* membership.c; peers[i] is conf.members[i], ourselves among them. */
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    struct raft_inflight *lanes;
    uint32_t farewell_count;
    struct raft_farewell farewells[RAFT_MEMBERS_MAX];

    /* What has been told: emit.c. */
    enum raft_role told_role;
    raft_term told_term;
    raft_id told_leader;
    raft_index told_commit;
    raft_index told_conf;
    uint32_t slice_count;
    struct raft_slice slices[RAFT_SLICES_MAX];

    /* As of the last step: check.c. */
    raft_term was_term;
    raft_id was_vote;
    raft_index was_commit;
    raft_index was_announced;
    raft_index was_last;
    enum raft_role was_role;
};

/* ---- election.c -------------------------------------------------------------------------------
 */

void raft_draw_election(struct raft *r);
/* Whether a vote is withheld, now: RAFT_OK, LEADER_ALIVE or RESTART_GRACE. */
enum raft_reason raft_withholds(const struct raft *r);
/* term is ours or a later one; leader may be 0. Something of it is new. */
void raft_become_follower(struct raft *r, raft_term term, raft_id leader);
/* A message that only the leader of our term sends has come. False: there are two; we halted. */
bool raft_hear_leader(struct raft *r, raft_id from);
/* RAFT_OK, or why this replica must not campaign. */
enum raft_reason raft_may_campaign(const struct raft *r);
void raft_campaign(struct raft *r);
/* Without a pre-vote, and overriding promises: the leader asked us to (thesis 3.10). */
void raft_campaign_forced(struct raft *r);
void raft_own_vote_is_durable(struct raft *r);
void raft_recv_prevote(struct raft *r, const struct raft_message *m);
void raft_recv_prevote_resp(struct raft *r, const struct raft_message *m);
void raft_recv_vote(struct raft *r, const struct raft_message *m);
void raft_recv_vote_resp(struct raft *r, const struct raft_message *m);
void raft_emit_votes(struct raft *r);

/* ---- follow.c -----------------------------------------------------------------------------------
 */

void raft_recv_append(struct raft *r, const struct raft_message *m);
void raft_recv_heartbeat(struct raft *r, const struct raft_message *m);

/* ---- replicate.c --------------------------------------------------------------------------------
 */

void raft_become_leader(struct raft *r);
/* Take e up as the next entry of our term. Its reference is taken. */
void raft_leader_append(struct raft *r, const struct raft_entry *e);
void raft_propose(struct raft *r, const struct raft_event *ev);
/* Commit what a quorum has (5.3, 5.4.2). */
void raft_leader_advance(struct raft *r);
void raft_recv_append_resp(struct raft *r, const struct raft_message *m);
void raft_recv_heartbeat_resp(struct raft *r, const struct raft_message *m);
void raft_heartbeat_all(struct raft *r);
void raft_leader_timers(struct raft *r);
uint64_t raft_leader_deadline(const struct raft *r);
/* The peer with this id, if we know it and it is not us. */
struct raft_peer *raft_find_peer(struct raft *r, raft_id id);
bool raft_has_own_commit(const struct raft *r);

/* ---- send.c -------------------------------------------------------------------------------------
 */

void raft_fetched(struct raft *r, const struct raft_event *ev);
void raft_emit_replication(struct raft *r);

/* ---- persist.c ----------------------------------------------------------------------------------
 */

void raft_emit_persist(struct raft *r);
void raft_persisted(struct raft *r, const struct raft_event *ev);
void raft_disk_changed(struct raft *r, enum raft_disk disk);
bool raft_is_stalled(const struct raft *r);
/* Whether "I have the log up to index, in this term" is true of the disk, too. */
bool raft_is_durable(const struct raft *r, raft_index index);

/* ---- membership.c -------------------------------------------------------------------------------
 */

/* Commit up to index and put the changes on the way into force. Requires: index <= last. */
void raft_commit_to(struct raft *r, raft_index index);
void raft_set_conf(struct raft *r, const struct raft_conf *conf, raft_index index);
void raft_propose_change(struct raft *r, const struct raft_event *ev);
void raft_leave_if_ready(struct raft *r);
void raft_recv_removed(struct raft *r, const struct raft_message *m);
/* Somebody has spoken up: a leader tells it if it is none of ours. */
void raft_tell_stranger(struct raft *r, raft_id id);
void raft_emit_farewells(struct raft *r);

/* ---- read.c, lease.c ----------------------------------------------------------------------------
 */

void raft_read(struct raft *r, uint64_t ctx);
void raft_recv_read(struct raft *r, const struct raft_message *m);
void raft_recv_read_resp(struct raft *r, const struct raft_message *m);
void raft_number_reads(struct raft *r);
void raft_confirm_reads(struct raft *r);
void raft_lose_reads(struct raft *r, enum raft_reason reason);
void raft_expire_reads(struct raft *r);
uint64_t raft_reads_deadline(const struct raft *r);
/* Whether some read waits for a round that p has not been asked for, nor is being asked. */
bool raft_read_needs(const struct raft *r, const struct raft_peer *p);
void raft_emit_reads(struct raft *r);
uint64_t raft_lease_until(const struct raft *r);
bool raft_has_lease(const struct raft *r);
void raft_hold_lease(struct raft *r, enum raft_lease_hold hold);
void raft_bar_lease(struct raft *r);
/* When a majority was last asked something that it answered; 0: it has not been. */
uint64_t raft_quorum_acked(const struct raft *r, uint64_t self);

/* ---- transfer.c ---------------------------------------------------------------------------------
 */

void raft_transfer(struct raft *r, raft_id to);
void raft_transfer_if_ready(struct raft *r);
void raft_end_transfer(struct raft *r, enum raft_reason reason);
void raft_recv_timeout_now(struct raft *r, const struct raft_message *m);
void raft_recv_timeout_now_resp(struct raft *r, const struct raft_message *m);
/* We are leaving: ask a voter that has everything to take over. */
void raft_hand_over(struct raft *r);

/* ---- snapshot.c ---------------------------------------------------------------------------------
 */

void raft_offered(struct raft *r, const struct raft_event *ev);
void raft_sent(struct raft *r, const struct raft_event *ev);
void raft_staged(struct raft *r, const struct raft_event *ev);
void raft_recv_snapshot(struct raft *r, const struct raft_message *m);
void raft_recv_snapshot_resp(struct raft *r, const struct raft_message *m);
void raft_emit_sending(struct raft *r, struct raft_peer *p);
void raft_emit_install(struct raft *r);

/* ---- quiesce.c ----------------------------------------------------------------------------------
 */

/* There is something to do: nobody sleeps, and what peers agreed to is void. */
void raft_wake(struct raft *r);
/* No leader was heard for an election timeout by one that cannot campaign. */
void raft_seek_leader(struct raft *r);
void raft_quiesce_beat(struct raft *r);
bool raft_offers_quiet(const struct raft *r);
void raft_take_quiet(struct raft *r, const struct raft_message *m);

/* ---- emit.c -------------------------------------------------------------------------------------
 */

/* Room for one more effect, or NULL: then the step says that there is more. */
struct raft_effect *raft_emit(struct raft *r, enum raft_effect_kind kind);
/* A message to be sent at once, to be filled in; NULL as above. */
struct raft_message *raft_emit_message(struct raft *r, enum raft_message_kind kind, raft_id to,
                                       uint64_t after);
/* The answer to m, at most one a step. waits: until what it speaks of is durable. */
struct raft_message *raft_reply(struct raft *r, const struct raft_message *m,
                                enum raft_message_kind kind, bool waits);
struct raft_message *raft_refuse(struct raft *r, const struct raft_message *m,
                                 enum raft_message_kind kind, enum raft_reason reason);
/* Entries [first, first + count) for effects to point to, or NULL: no room in this step. */
const struct raft_entry *raft_pool_log(struct raft *r, raft_index first, uint32_t count);
/* The same of others. Requires: at most a batch, before anything is told. */
const struct raft_entry *raft_pool_copy(struct raft *r, const struct raft_entry *e, uint32_t count);
void raft_alarm(struct raft *r, enum raft_alarm alarm, raft_id peer, uint64_t detail);
void raft_emit_all(struct raft *r);
/* What a replica that has stopped still owes to its driver. */
void raft_emit_halted(struct raft *r);

/* ---- raft.c -------------------------------------------------------------------------------------
 */

/* Stop for good (L18). */
void raft_halt(struct raft *r, enum raft_reason reason);
uint64_t raft_deadline(const struct raft *r);

#endif
