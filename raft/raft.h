/*
 * raft -- one replica of one Raft group, as a pure step: an event in, effects out.
 *
 *     raft_step(r, now_us, &event, &effects)
 *
 * The step allocates nothing, calls nobody back, reads no clock and does no I/O. The driver (the
 * reactor, or a simulator) carries out the effects under the law below and reports what happened as
 * further events. Equal seeds and equal events give equal effects, to the bit.
 *
 * Threads: one at a time for each struct raft. Nothing is shared between two of them.
 * Format:  messages, entries and hard states are spelled out in raft/codec.h.
 *
 *
 * THE LAW. What the driver must do (and what the core relies on); tests name these rules.
 *
 * Persisting
 *   L1  A PERSIST effect is one atomic write: snapshot record, truncation, entries and hard state
 *       become durable together or not at all. Writes become durable in the order of their seq.
 *   L2  PERSISTED echoes the stamp (seq and mark) of a write once it and all writes before it are
 *       durable. It may skip stamps: the newest speaks for the older ones. A write or sync that
 *       failed is DISK(failed), is never retried and never reported as persisted.
 *   L3  After a crash the replica is restored from what is durable: a prefix of the writes.
 *
 * Sending
 *   L4  A SEND with after == 0 may leave at once, before the writes of its own step. One with
 *       after == s leaves once write s is durable, and not at all if the process dies before.
 *   L5  Messages may be lost, duplicated, delayed, reordered and replayed; not altered.
 *
 * Applying
 *   L6  APPLY ranges follow one another without gap or repetition, and only a snapshot jumps. A
 *       range is committed and durable here when it is announced; it is applied in order.
 *   L7  APPLIED(i) reports progress. The state machine may persist what it has applied once the
 *       write asked for last before that APPLY is durable (it may hold the conf). A restored
 *       replica begins at that index.
 *
 * Proposals
 *   L8  A proposal is answered in its own step: effects.verdict is RAFT_OK and its entries are
 *       (accepted_term, accepted_first ...), or it names the reason and nothing was or will be
 *       appended for it, ever.
 *   L9  An accepted entry (term, index) is *done* when an APPLY range covers index and the entry
 *       there has that term, *lost* when it has another term. Until then, or when a snapshot jumps
 *       over index, its outcome is unknown: it is never failed by a change of leader or by being
 *       truncated here, as another replica may still commit it.
 *
 * Reads
 *   L10 READ_READY(ctx, index, term) allows the read ctx to be served from any state that has
 *       applied index. Each accepted READ ends in exactly one READ_READY or READ_FAILED.
 *   L11 A lease is checked inside the step of the READ event, with its now: a request is served
 *       after a READ that was made after it arrived, never on the answer to an earlier one.
 *
 * Snapshots
 *   L12 INSTALL asks for the data of a snapshot and ends in STAGED or INSTALL_DROPPED. STAGED
 *       reports that all of it is durable and verified, with the old state still in place. The
 *       PERSIST that follows holds the snapshot record: the state machine switches when that write
 *       is durable and before any later APPLY.
 *   L13 SNAPSHOT_WANTED asks for a pinned snapshot at an applied index and the conf as of it: the
 *       state machine keeps that one, by raft_conf_apply() for each CONF entry it applies. OFFERED
 *       hands its descriptor over; the bytes travel outside of Raft. SENT reports the end of that
 *       journey, either way.
 *
 * Payloads
 *   L14 Payloads are the driver's, immutable and counted by it. The core owns one reference for
 *       each entry in its window; effects.taken_first and _count name the entries of this event
 *       whose reference it took. All others stay with the caller. effects.released lists those it
 *       gives back; drop them after the other effects of this step have been carried out.
 *   L15 The entries that effects point to are the effects' own copies; their payloads live until
 *       references released by this or a later step are dropped. Who needs one longer takes a
 *       reference of its own first.
 *
 * Time
 *   L16 now_us is monotonic, never goes back, and was read after the event had come: promises are
 *       counted from it, and whether a lease is over. TIMER is due at effects.deadline_us,
 *       absolute; early or spurious ones are harmless. Every step renews the deadline. A replica
 *       that is quiescent has none: the driver says UNREACHABLE when it sees the leader's machine
 *       gone. CLOCK_JUMP comes first of all events after one.
 *
 * Draining
 *   L17 While effects.more is set there is more to tell: step with DRAIN (or any other event).
 *
 * Stopping
 *   L18 After the role became HALTED the group is silent for good: restore it from disk, or never
 *       again when the reason says that its data cannot be trusted. Reads that are still open then
 *       have failed: the step that broke an invariant does not tell what it would have told.
 */
#ifndef VARVE_RAFT_RAFT_H
#define VARVE_RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/errbuf.h"
#include "base/status.h"

typedef uint64_t raft_term;  /* 0: before any election. */
typedef uint64_t raft_index; /* Entries count from 1; 0 is before the first. */
typedef uint64_t raft_id;    /* A replica; never used again for another. 0: none. */

enum {
    RAFT_MEMBERS_MAX = 18, /* Voters, learners and both halves of a joint conf. */
    RAFT_CHANGES_MAX = 18, /* Operations in one conf change. */
};
#define RAFT_NEVER UINT64_MAX

/* ---- Why not -------------------------------------------------------------------------------- */

/* Why an event was refused, a message dropped or rejected, or a group halted. */
enum raft_reason {
    RAFT_OK = 0,
    /* Proposals, changes, reads, transfers. Nothing happened and nothing will. */
    RAFT_NOT_LEADER,     /* Ask the leader: raft_view.leader, if known. */
    RAFT_NO_LEADER,      /* A follower's read, and nobody to ask. */
    RAFT_LEADER_CHANGED, /* A read that was waiting when its leader was lost. */
    RAFT_TRANSFERRING,   /* Leadership is on its way to another replica. */
    RAFT_BUSY,           /* Too many uncommitted bytes or entries, or too many waiting reads. */
    RAFT_TOO_LARGE,      /* More entries or bytes than one batch may ever have. */
    RAFT_DISK_LOW,       /* Only what frees space is accepted. */
    RAFT_DISK_FULL,      /* Nothing is appended. */
    RAFT_TIMED_OUT,      /* A transfer or a follower's read took an election timeout. */
    RAFT_HALTED_GROUP,   /* This replica has stopped. */
    /* Changes of the configuration. */
    RAFT_TERM_NOT_COMMITTED, /* The leader has not committed an entry of its own term yet. */
    RAFT_CHANGE_PENDING,     /* One change at a time. */
    RAFT_CHANGE_MALFORMED,   /* Not a change, or one replica twice. */
    RAFT_CHANGE_EMPTY,       /* All of it is so already. */
    RAFT_CHANGE_JOINT,       /* Leave the joint configuration first. */
    RAFT_CHANGE_NOT_JOINT,   /* There is no joint configuration to leave. */
    RAFT_CHANGE_DEMOTE,      /* A voter is demoted before it is removed. */
    RAFT_CHANGE_NO_VOTER,    /* Nobody could vote. */
    RAFT_CHANGE_MEMBERS,     /* More than RAFT_MEMBERS_MAX. */
    RAFT_CHANGE_BEHIND,      /* The replica to be promoted is being sent a snapshot. */
    /* Transfers. */
    RAFT_TRANSFER_SELF,      /* It leads already. */
    RAFT_TRANSFER_NOT_VOTER, /* The target cannot be elected. */
    RAFT_TRANSFER_REFUSED,   /* The target was asked and did not want to or could not. */
    /* Messages and campaigns. */
    RAFT_WRONG_GROUP,
    RAFT_WRONG_REPLICA, /* Not for us, or from us. */
    RAFT_MALFORMED,     /* Fields that no replica of this version sends. */
    RAFT_STALE_TERM,    /* From a term that is over. */
    RAFT_STALE_REPLY,   /* An answer to a question that is not open any more. */
    RAFT_NOT_MEMBER,    /* The sender is in no configuration that we know. */
    RAFT_LEADER_ALIVE,  /* Vote withheld: a leader was heard of within the election timeout. */
    RAFT_RESTART_GRACE, /* Vote withheld: restarted or with a clock that jumped, and may have
                           promised a lease. */
    RAFT_VOTED,         /* The vote of this term is given. */
    RAFT_LOG_BEHIND,    /* The candidate's log lacks entries that ours has. */
    RAFT_LOG_MISMATCH,  /* The entry before the appended ones is not in the log. */
    RAFT_WINDOW_FULL,   /* No room for more entries that are not applied and durable. */
    RAFT_INSTALLING,    /* A snapshot is being installed. */
    RAFT_NO_CONF,       /* A new replica: it takes a snapshot before any entry. */
    RAFT_SNAPSHOT_FAILED,
    RAFT_SNAPSHOT_OLD,   /* Its index is committed here already. */
    RAFT_NOT_PROMOTABLE, /* No voter in the configuration that we know. */
    RAFT_DISK_STALLED,   /* A write has been under way for too long. */
    RAFT_NOTHING_TO_DO,  /* The event asks for what is so already, or for what was never wanted. */
    /* Why a group has halted. */
    RAFT_HALT_DISK,      /* A write or sync failed. */
    RAFT_HALT_INVARIANT, /* raft_check() found one broken; nothing of that step was told. */
    RAFT_HALT_CONFLICT,  /* A leader contradicts what is committed here. */
    RAFT_HALT_CHANGE,    /* A committed change does not apply. */
    RAFT_HALT_REMOVED,   /* The group goes on without this replica. */
    RAFT_REASON_COUNT,
};

/* "not leader", "disk full" ...: lower case. Static storage. */
const char *raft_reason_name(enum raft_reason reason);

/* ---- Configuration of the group ---------------------------------------------------------------
 */

/*
 * Joint consensus only (thesis 4.3). A joint conf has incoming or demoting members; until it is
 * left, elections and commitment need a majority of each half:
 *
 *     old half: voters and demoting      new half: voters and incoming
 *
 * Leaving it makes incoming ones voters and demoting ones learners.
 */
enum raft_member_role {
    RAFT_MEMBER_NONE = 0,
    RAFT_MEMBER_VOTER,
    RAFT_MEMBER_LEARNER,
    RAFT_MEMBER_INCOMING,
    RAFT_MEMBER_DEMOTING,
    RAFT_MEMBER_ROLE_COUNT,
};

struct raft_member {
    raft_id id;
    enum raft_member_role role;
};

struct raft_conf {
    uint32_t count;
    bool auto_leave; /* The leader leaves the joint conf as soon as that is safe. */
    struct raft_member members[RAFT_MEMBERS_MAX]; /* Ascending by id. */
};

enum raft_change_op {
    RAFT_CHANGE_ADD_VOTER = 1,
    RAFT_CHANGE_ADD_LEARNER, /* Or demote a voter. */
    RAFT_CHANGE_REMOVE,
};

/* What a CONF entry asks for: its payload is raft_change_put() of this (raft/codec.h). No
 * operation at all means: leave the joint conf; that payload is empty. */
struct raft_change {
    uint32_t count;
    bool auto_leave;
    struct {
        raft_id id;
        enum raft_change_op op;
    } ops[RAFT_CHANGES_MAX];
};

/*
 * The conf after change, which is total: RAFT_OK, or why it cannot be (conf is unchanged then).
 *
 *     is now               add voter       add learner (demote)   remove
 *     none                 incoming        learner                nothing
 *     voter                nothing         demoting               refused: demote first
 *     learner              incoming        nothing                none
 *     incoming, demoting   refused: leave the joint conf first
 */
enum raft_reason raft_conf_apply(struct raft_conf *conf, const struct raft_change *change);

const char *raft_member_role_name(enum raft_member_role role);
const char *raft_change_op_name(enum raft_change_op op);

/* ---- Entries and what is persisted ------------------------------------------------------------
 */

enum raft_entry_kind {
    RAFT_ENTRY_DATA = 1,
    RAFT_ENTRY_CONF, /* A change of the configuration; active once committed. */
    RAFT_ENTRY_NOOP, /* The first entry of a leader (8); no payload. */
    RAFT_ENTRY_KIND_END,
};

struct raft_entry {
    raft_index index;
    raft_term term;
    enum raft_entry_kind kind;
    uint16_t feature;  /* Of the driver: what must be supported to apply it. */
    struct bytes data; /* Inside blob, or empty. */
    void *blob;        /* The driver's counted reference; NULL if there is no payload. */
};

const char *raft_entry_kind_name(enum raft_entry_kind kind);

/* The log under the leader of acc_term reached index. Ordered by term, then by index: under one
 * leader a log only grows. */
struct raft_mark {
    raft_term acc_term;
    raft_index index;
};

/* One record, written whole. */
struct raft_hard {
    raft_term term;
    raft_id vote;
    raft_term acc_term; /* Of the leader whose entries were accepted last. */
    raft_index commit;  /* Known committed, among the entries persisted so far. */
    raft_index conf_index;
    struct raft_conf conf; /* As of conf_index <= commit. */
};

/* What a snapshot says to Raft. id is the driver's name of the data. */
struct raft_snapshot {
    uint64_t id;
    raft_index index;
    raft_term term;
    raft_index conf_index;
    struct raft_conf conf; /* As of index, which need not be the newest one. */
};

struct raft_persist {
    uint64_t seq;
    struct raft_mark mark;
    const struct raft_snapshot *snapshot; /* NULL: none. Else the log becomes empty behind it. */
    raft_index truncate_from;             /* 0: nothing. Else drop this entry and all behind it. */
    const struct raft_entry *entries;     /* Then append these, in order. */
    uint32_t entry_count;
    const struct raft_hard *hard; /* Always. Borrowed until the next step, as snapshot. */
};

/* ---- Messages ---------------------------------------------------------------------------------
 */

enum raft_message_kind {
    /* Votes, asked for and answered, carry what their sender knows to be committed: commit, and in
     * hint_term that entry's term. */
    RAFT_PREVOTE = 1,  /* index, log_term: last entry. term: the one it would campaign in. */
    RAFT_PREVOTE_RESP, /* reject, reason. term: the candidate's if granted, else our own. */
    RAFT_VOTE,         /* index, log_term: last entry. force: a transfer, overrides withholding. */
    RAFT_VOTE_RESP,    /* reject, reason. */
    RAFT_APPEND,       /* index, log_term: the entry before entries. commit. */
    RAFT_APPEND_RESP,  /* index: matched up to here, or (reject, reason) the refused one, and
                          hint_index, hint_term: where to try next. */
    RAFT_HEARTBEAT,    /* commit, log_term: an entry that the receiver matched, and its term.
                          quiesce: index is the last. */
    RAFT_HEARTBEAT_RESP,   /* index: last entry. installing, disk_full, quiesce (taken up). */
    RAFT_SNAPSHOT,         /* snapshot: an offer. */
    RAFT_SNAPSHOT_RESP,    /* reject, reason; index: of the snapshot. Success is an APPEND_RESP. */
    RAFT_READ,             /* A follower's read; read_seq names it. */
    RAFT_READ_RESP,        /* read_seq, index; or reject, reason. */
    RAFT_TIMEOUT_NOW,      /* Campaign at once. commit, index: last entry. */
    RAFT_TIMEOUT_NOW_RESP, /* reject, reason: it will not. */
    RAFT_REMOVED,          /* index: of the conf that has the receiver no more. In any term. */
    RAFT_WAKE,             /* Somebody needs the leader to speak. In any term. */
    RAFT_MESSAGE_KIND_END,
};

/* Fields that a kind does not name above are zero, but these four: */
struct raft_message {
    enum raft_message_kind kind;
    enum raft_reason reason;
    bool reject;
    bool force;
    bool quiesce;
    bool installing;
    bool disk_full;
    uint64_t group;
    raft_id from;
    raft_id to;
    raft_term term;
    uint64_t seq;      /* A request's number; the answer repeats it. */
    uint64_t read_seq; /* APPEND, HEARTBEAT: newest read waiting; answers repeat it. */
    uint64_t sent_us;  /* The asker's clock when it asked; answers repeat it. */
    raft_index index;
    raft_term log_term;
    raft_index commit;
    raft_index hint_index;
    raft_term hint_term;
    uint32_t entry_count;
    const struct raft_entry *entries;     /* APPEND. */
    const struct raft_snapshot *snapshot; /* SNAPSHOT. */
};

const char *raft_message_kind_name(enum raft_message_kind kind);

/* ---- Events -----------------------------------------------------------------------------------
 */

enum raft_event_kind {
    RAFT_EVENT_DRAIN = 0,   /* Tell more. */
    RAFT_EVENT_TIMER,       /* A deadline may have come. */
    RAFT_EVENT_RECV,        /* message. */
    RAFT_EVENT_PROPOSE,     /* propose: all of the batch or nothing. */
    RAFT_EVENT_CHANGE,      /* propose: one CONF entry. */
    RAFT_EVENT_READ,        /* ctx: of one batch of reads; never used again while it waits. */
    RAFT_EVENT_PERSISTED,   /* persisted. */
    RAFT_EVENT_APPLIED,     /* index. */
    RAFT_EVENT_COMPACTED,   /* index: entries up to here cannot be fetched any more. */
    RAFT_EVENT_FETCHED,     /* fetched: answers FETCH. */
    RAFT_EVENT_OFFERED,     /* offered: answers SNAPSHOT_WANTED. */
    RAFT_EVENT_SENT,        /* sent: the data of an offered snapshot has arrived, or will not. */
    RAFT_EVENT_STAGED,      /* staged: answers INSTALL. */
    RAFT_EVENT_UNREACHABLE, /* peer: the transport cannot reach it. */
    RAFT_EVENT_REACHABLE,   /* peer. */
    RAFT_EVENT_TRANSFER,    /* peer: hand leadership over to it. */
    RAFT_EVENT_CAMPAIGN,    /* Try to lead now, by pre-vote. */
    RAFT_EVENT_STEP_DOWN,   /* Stop leading. */
    RAFT_EVENT_DISK,        /* disk. */
    RAFT_EVENT_LEASE,       /* lease. */
    RAFT_EVENT_CLOCK_JUMP, /* The clock went ahead by itself: no lease for ten election timeouts. */
    RAFT_EVENT_WAKE,       /* End quiescence. */
    RAFT_EVENT_KIND_END,
};

enum raft_disk { RAFT_DISK_IS_OK = 0, RAFT_DISK_IS_LOW, RAFT_DISK_IS_FULL, RAFT_DISK_IS_FAILED };

/* What a split or a merge under way allows (regions are the driver's). */
enum raft_lease_hold {
    RAFT_LEASE_FREE = 0,
    RAFT_LEASE_NO_RENEWAL, /* Use what is left of it. */
    RAFT_LEASE_SUSPENDED,
};

/* Everything an event points to is borrowed for the call; entries' references as L14 says. */
struct raft_event {
    enum raft_event_kind kind;
    union {
        const struct raft_message *message;
        struct {
            const struct raft_entry
                *entries; /* kind, feature, data, blob; the rest is filled in. */
            uint32_t entry_count;
            bool frees_space; /* Accepted when the disk is low. */
        } propose;
        uint64_t ctx;
        struct {
            uint64_t seq;
            struct raft_mark mark;
        } persisted;
        raft_index index;
        raft_id peer;
        struct {
            raft_id peer;
            const struct raft_entry *entries; /* Consecutive, the first as asked for. The blobs stay
                                                 the driver's, alive until it has sent them. */
            uint32_t entry_count;             /* 0: they are not there any more. */
        } fetched;
        struct {
            raft_id peer;
            const struct raft_snapshot *snapshot; /* Copied. NULL: there is none to be had now. */
        } offered;
        struct {
            raft_id peer;
            uint64_t id;
            bool has_failed;
        } sent;
        struct {
            uint64_t id;
            raft_index index;
            bool has_failed;
        } staged;
        enum raft_disk disk;
        enum raft_lease_hold lease;
    } u;
};

const char *raft_event_kind_name(enum raft_event_kind kind);

/* ---- Effects ----------------------------------------------------------------------------------
 */

enum raft_role {
    RAFT_FOLLOWER = 0, /* Learners are followers, too. */
    RAFT_PRECANDIDATE,
    RAFT_CANDIDATE,
    RAFT_LEADER,
    RAFT_HALTED,
    RAFT_ROLE_COUNT,
};

enum raft_alarm {
    RAFT_ALARM_PEER_LOST_ENTRIES = 1, /* peer: it has no longer what it said was durable. */
    RAFT_ALARM_SENDER_CONFLICT,       /* peer: it contradicts what is committed; we halted. */
    RAFT_ALARM_INVARIANT,             /* detail: the enum raft_invariant; we halted. */
    RAFT_ALARM_DISK_STALLED,          /* We led and stopped leading. */
    RAFT_ALARM_END,
};

enum raft_effect_kind {
    RAFT_EFFECT_PERSIST = 1,     /* persist */
    RAFT_EFFECT_SEND,            /* send */
    RAFT_EFFECT_COMMIT,          /* index: committed up to here, never back */
    RAFT_EFFECT_APPLY,           /* apply */
    RAFT_EFFECT_READ_READY,      /* read */
    RAFT_EFFECT_READ_FAILED,     /* read: ctx, reason */
    RAFT_EFFECT_TRANSFER_ENDED,  /* transfer: reason RAFT_OK when somebody else leads */
    RAFT_EFFECT_ROLE,            /* role */
    RAFT_EFFECT_CONF,            /* conf: the active one; in force before it is applied */
    RAFT_EFFECT_FETCH,           /* fetch: entries that are not in memory any more */
    RAFT_EFFECT_SNAPSHOT_WANTED, /* peer */
    RAFT_EFFECT_INSTALL,         /* install */
    RAFT_EFFECT_INSTALL_DROPPED, /* install: what is staged of it can go */
    RAFT_EFFECT_ALARM,           /* alarm */
    RAFT_EFFECT_KIND_END,
};

struct raft_effect {
    enum raft_effect_kind kind;
    union {
        struct raft_persist persist;
        struct {
            uint64_t after; /* 0: at once (L4). */
            struct raft_message message;
        } send;
        raft_index index;
        struct {
            raft_index first; /* raft_entry_at() has them, or the driver's log. */
            raft_index last;
        } apply;
        struct {
            uint64_t ctx;
            raft_index index;
            raft_term term;
            uint64_t seq;
            enum raft_reason reason;
            bool by_lease;
        } read;
        struct {
            raft_id to;
            enum raft_reason reason;
        } transfer;
        struct {
            enum raft_role role;
            raft_term term;
            raft_id leader;          /* 0: unknown. */
            enum raft_reason reason; /* HALTED: why. */
        } role;
        struct {
            const struct raft_conf *conf; /* Borrowed until the next step. */
            raft_index index;
        } conf;
        struct {
            raft_id peer;
            raft_index first;
            raft_index last;    /* At most; fewer are as good. */
            uint64_t bytes_max; /* Of payload, but for the first entry. */
        } fetch;
        raft_id peer;
        struct {
            raft_id from;
            const struct raft_snapshot *snapshot; /* Borrowed until the next step. */
        } install;
        struct {
            enum raft_alarm alarm;
            raft_id peer;
            uint64_t detail;
        } alarm;
    } u;
};

/* Owned by the caller, one for as many groups as it likes, emptied by every step. The rules say
 * when an effect may be carried out; but for them, in the order given. */
struct raft_effects {
    struct raft_effect *list;
    uint32_t count;
    uint32_t capacity;
    struct raft_entry *entries; /* What messages and persist point into. */
    uint32_t entries_used;
    uint32_t entries_capacity;
    void **released; /* References the core gives back (L14). */
    uint32_t released_count;
    uint32_t released_capacity;

    enum raft_reason verdict; /* RAFT_OK: the event was taken up. Else why not. */
    raft_term accepted_term;  /* PROPOSE and CHANGE with RAFT_OK: what L9 speaks of. */
    raft_index accepted_first;
    uint32_t taken_first; /* Entries [taken_first, + taken_count) of this event, by place. */
    uint32_t taken_count;
    uint64_t deadline_us; /* RAFT_NEVER: no TIMER is needed. */
    bool more;
};

const char *raft_role_name(enum raft_role role);
const char *raft_alarm_name(enum raft_alarm alarm);
const char *raft_effect_kind_name(enum raft_effect_kind kind);

/* ---- Life -------------------------------------------------------------------------------------
 */

/* Zero means the default. */
struct raft_config {
    uint64_t group;
    raft_id id;
    uint64_t seed; /* Another one for each replica and each start. */

    uint32_t election_us;     /* Minimum; drawn from [1, 2) of it. Default 1 s. */
    uint32_t heartbeat_us;    /* Default a tenth of election_us. */
    uint32_t commit_delay_us; /* How long a commit index waits for an append to ride on; 1 ms. */
    uint32_t disk_stall_us;   /* A leader whose write takes longer stops; default election_us. */
    uint32_t quiesce_after;   /* Idle heartbeats until quiescence; 0: never. */
    uint32_t rank;            /* 0 campaigns first; each rank waits half an election_us longer. */

    bool has_leases;          /* The same on all replicas of a group; so is election_us. */
    uint32_t lease_drift_ppm; /* Between any two clocks; default 500. */
    uint32_t lease_slack_us;  /* Default a tenth of election_us. */

    uint32_t window_entries;    /* In memory at most; a power of two; default 1024. */
    uint64_t cache_bytes;       /* Payload kept once applied and durable; default 1 MiB. */
    uint32_t batch_entries;     /* In one proposal or message; default 256. */
    uint32_t message_bytes;     /* Payload in one message, but for one entry; default 1 MiB. */
    uint32_t inflight_messages; /* Unanswered appends to one peer; default 64. */
    uint64_t inflight_bytes;    /* The same in bytes of payload; default 8 MiB. */
    uint64_t uncommitted_bytes; /* Proposed and not committed; default 8 MiB. */
    uint32_t reads;             /* Waiting batches of reads; default 256. */
    uint32_t terms;             /* Of the log, remembered; default 128 (raft_terms_wanted). */
};

struct raft_term_start {
    raft_term term;
    raft_index first;
};

/* What the disk holds (L3). A new group: hard.conf, and the same base and applied index on all
 * replicas. A replica that is to be added to a group: all zero; a snapshot will tell it the conf.
 */
struct raft_restore {
    struct raft_hard hard;
    raft_index base_index; /* The log begins behind this entry: of a snapshot, or compacted. */
    raft_term base_term;
    raft_index last;
    raft_index applied;
    const struct raft_term_start *starts; /* Ascending, covering (base_index, last]. Copied. */
    uint32_t start_count;
    /* Entries (last - entry_count, last]: all above hard.commit and base_index, or the newest
     * config.window_entries of them. References are *taken* if raft_init() succeeds. */
    const struct raft_entry *entries;
    uint32_t entry_count;
    /* The CONF entry above hard.commit, if it is none of those; else NULL. *taken* likewise. */
    const struct raft_entry *change;
};

struct raft;

/*
 * How many terms to remember: those above the commit index and 128 more, which is the default for a
 * new replica. A replica that is restored with so many can campaign, however many elections before
 * led to nothing; one that has used them up while it ran (its campaigns are refused, WINDOW_FULL,
 * with nothing committed) can again once it is restored.
 */
uint32_t raft_terms_wanted(const struct raft_restore *restore);

/* Bytes that raft_init() needs, aligned as malloc's; 0 if config makes no sense. */
size_t raft_size(const struct raft_config *config);
size_t raft_effects_size(const struct raft_config *config);

/*
 * Build a replica in memory (*borrowed* until its end; there is nothing to deinit, but to drop the
 * references that raft_entry_at() shows for indexes above base_index). config and restore are
 * copied.
 *
 * Returns: OK; INVALID: config; CORRUPT: restore contradicts itself, err says how; LIMIT: more
 * entries or terms above the commit index than config has room for.
 */
MUST_CHECK struct status raft_init(const struct raft_config *config,
                                   const struct raft_restore *restore, uint64_t now_us,
                                   void *memory, struct errbuf *err, struct raft **out_raft);
/* Requires: memory of raft_effects_size(config); it serves every group of the same config. */
void raft_effects_init(struct raft_effects *fx, const struct raft_config *config, void *memory);

/* The one entry point. After raft_init(), step once with DRAIN. */
void raft_step(struct raft *r, uint64_t now_us, const struct raft_event *event,
               struct raft_effects *fx);

/* The entry, if it is in memory: what is not yet durable is, and what is not yet applied if there
 * is room; all else is in the driver's log. Borrowed until the next step. */
const struct raft_entry *raft_entry_at(const struct raft *r, raft_index index);
/* Of a log entry; 0 if it is not remembered. */
raft_term raft_term_at(const struct raft *r, raft_index index);

/* ---- Looking inside ---------------------------------------------------------------------------
 */

enum raft_progress {
    RAFT_PROBE = 0, /* Where the logs part is not known: one append at a time. */
    RAFT_REPLICATE, /* It is: appends follow one another, within limits. */
    RAFT_SENDING,   /* A snapshot is wanted, offered or on its way. */
    RAFT_DOWN,      /* The transport cannot reach it: heartbeats only. */
    RAFT_PROGRESS_COUNT,
};
const char *raft_progress_name(enum raft_progress progress);

struct raft_peer_view {
    raft_id id;
    enum raft_member_role role;
    /* Leaders: */
    enum raft_progress progress;
    raft_index match;
    raft_index next;
    uint32_t inflight_messages;
    uint64_t inflight_bytes;
    uint64_t acked_us; /* When it was last asked something that it answered. */
    bool is_disk_full;
    /* Candidates: */
    bool has_voted;
    bool granted;
    enum raft_reason refusal; /* The last one: why this replica does not lead. */
};

struct raft_view {
    uint64_t group;
    raft_id id;
    enum raft_role role;
    enum raft_reason halt_reason;
    raft_term term;
    raft_id vote;
    raft_id leader;
    raft_index base_index; /* The log begins behind it. */
    raft_term base_term;
    raft_index window_first; /* In memory from here to last. */
    raft_index last;
    raft_term last_term;
    raft_index commit;
    raft_index applied;
    raft_index durable; /* Released by marks; may be below commit. */
    raft_term acc_term;
    uint64_t persist_seq;   /* The last write asked for. */
    uint64_t persisted_seq; /* The last one known durable. */
    raft_index conf_index;
    struct raft_conf conf;
    bool has_pending_change;
    bool is_joint;
    raft_id transferee; /* 0: no transfer. */
    bool is_quiescent;
    bool is_installing;
    enum raft_disk disk;
    uint64_t lease_until_us; /* 0: none. */
    uint32_t reads_waiting;
    uint64_t uncommitted_bytes;
    uint64_t window_bytes;   /* Payload referenced: equals what was taken and not released (I28). */
    raft_index needed_index; /* Leaders: some reachable peer still wants entries from here on. */
    uint64_t deadline_us;
    uint32_t peer_count;
    struct raft_peer_view peers[RAFT_MEMBERS_MAX]; /* Members but for ourselves. */
};

void raft_view(const struct raft *r, struct raft_view *out_view);

/*
 * The invariants that one replica can see, numbered as in notes and tests. Cheap, O(members): run
 * at the end of every step, in every build. A replica that breaks one halts before it tells
 * anybody.
 */
enum raft_invariant {
    RAFT_INVARIANT_NONE = 0,
    RAFT_I2_TERM_GROWS = 2,     /* The term never goes back. */
    RAFT_I3_VOTE_STAYS = 3,     /* A vote, once given, stays for its term. */
    RAFT_I5_LEADER_APPENDS = 5, /* A leader's log only grows in its term. */
    RAFT_I6_COMMIT_GROWS = 6,   /* The commit index never goes back or past the last entry. */
    RAFT_I10_CURSORS = 10,      /* base <= applied <= commit <= last, durable <= last. */
    RAFT_I11_OWN_TERM = 11,     /* Only entries of its own term are committed by counting. */
    RAFT_I12_DURABLE = 12,      /* Nothing counts as durable here that was not persisted. */
    RAFT_I14_QUORUM = 14,       /* What was counted committed is on a majority of each half. */
    RAFT_I15_CONF_CHAIN = 15,   /* conf_index <= commit; the conf makes sense. */
    RAFT_I16_ONE_CHANGE = 16,   /* At most one change above the commit index. */
    RAFT_I17_JOINT_LEAVES = 17, /* A change behind a joint conf leaves it. */
    RAFT_I18_LEADER_VOTES = 18, /* A leader is a voter, or about to stop. */
    RAFT_I19_PROGRESS = 19,     /* match < next; bytes in flight are their sum. */
    RAFT_I20_READS = 20,        /* Waiting reads: numbered upwards, after an own-term commit. */
    RAFT_I22_TRANSFER = 22,     /* No lease once TIMEOUT_NOW was sent in this term. */
    RAFT_I24_APPLY_ONCE = 24,   /* Announced apply ranges are contiguous and committed. */
    RAFT_I26_TRUNCATE = 26,     /* Nothing committed is truncated. */
    RAFT_I28_BYTES = 28,        /* Payload accounted is payload held. */
};

enum raft_invariant raft_check(const struct raft *r);
const char *raft_invariant_name(enum raft_invariant invariant);

#endif
