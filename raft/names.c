/*
 * What transcripts, logs and reports call things. The names are part of the golden transcripts.
 */
#include "raft/raft.h"

/* Rows of characters, not pointers: nothing here needs to be relocated or could be written to. */
#define NAME_OF(names, value)                                                                      \
    ((size_t)(value) < sizeof(names) / sizeof((names)[0]) && (names)[value][0] != '\0'             \
         ? (names)[value]                                                                          \
         : "unknown")

static const char reason_names[][19] = {
    [RAFT_OK] = "ok",
    [RAFT_NOT_LEADER] = "not leader",
    [RAFT_NO_LEADER] = "no leader",
    [RAFT_LEADER_CHANGED] = "leader changed",
    [RAFT_TRANSFERRING] = "transferring",
    [RAFT_BUSY] = "busy",
    [RAFT_TOO_LARGE] = "too large",
    [RAFT_DISK_LOW] = "disk low",
    [RAFT_DISK_FULL] = "disk full",
    [RAFT_TIMED_OUT] = "timed out",
    [RAFT_HALTED_GROUP] = "halted",
    [RAFT_TERM_NOT_COMMITTED] = "term not committed",
    [RAFT_CHANGE_PENDING] = "change pending",
    [RAFT_CHANGE_MALFORMED] = "change malformed",
    [RAFT_CHANGE_EMPTY] = "change empty",
    [RAFT_CHANGE_JOINT] = "change joint",
    [RAFT_CHANGE_NOT_JOINT] = "change not joint",
    [RAFT_CHANGE_DEMOTE] = "change demote",
    [RAFT_CHANGE_NO_VOTER] = "change no voter",
    [RAFT_CHANGE_MEMBERS] = "change members",
    [RAFT_CHANGE_BEHIND] = "change behind",
    [RAFT_TRANSFER_SELF] = "transfer self",
    [RAFT_TRANSFER_NOT_VOTER] = "transfer not voter",
    [RAFT_TRANSFER_REFUSED] = "transfer refused",
    [RAFT_WRONG_GROUP] = "wrong group",
    [RAFT_WRONG_REPLICA] = "wrong replica",
    [RAFT_MALFORMED] = "malformed",
    [RAFT_STALE_TERM] = "stale term",
    [RAFT_STALE_REPLY] = "stale reply",
    [RAFT_NOT_MEMBER] = "not member",
    [RAFT_LEADER_ALIVE] = "leader alive",
    [RAFT_RESTART_GRACE] = "restart grace",
    [RAFT_VOTED] = "voted",
    [RAFT_LOG_BEHIND] = "log behind",
    [RAFT_LOG_MISMATCH] = "log mismatch",
    [RAFT_WINDOW_FULL] = "window full",
    [RAFT_INSTALLING] = "installing",
    [RAFT_NO_CONF] = "no conf",
    [RAFT_SNAPSHOT_FAILED] = "snapshot failed",
    [RAFT_SNAPSHOT_OLD] = "snapshot old",
    [RAFT_NOT_PROMOTABLE] = "not promotable",
    [RAFT_DISK_STALLED] = "disk stalled",
    [RAFT_NOTHING_TO_DO] = "nothing to do",
    [RAFT_HALT_DISK] = "halt disk",
    [RAFT_HALT_INVARIANT] = "halt invariant",
    [RAFT_HALT_CONFLICT] = "halt conflict",
    [RAFT_HALT_CHANGE] = "halt change",
    [RAFT_HALT_REMOVED] = "halt removed",
};

const char *raft_reason_name(enum raft_reason reason)
{
    return NAME_OF(reason_names, reason);
}

static const char member_role_names[][9] = {
    [RAFT_MEMBER_NONE] = "none",         [RAFT_MEMBER_VOTER] = "voter",
    [RAFT_MEMBER_LEARNER] = "learner",   [RAFT_MEMBER_INCOMING] = "incoming",
    [RAFT_MEMBER_DEMOTING] = "demoting",
};

const char *raft_member_role_name(enum raft_member_role role)
{
    return NAME_OF(member_role_names, role);
}

static const char change_op_names[][12] = {
    [RAFT_CHANGE_ADD_VOTER] = "add voter",
    [RAFT_CHANGE_ADD_LEARNER] = "add learner",
    [RAFT_CHANGE_REMOVE] = "remove",
};

const char *raft_change_op_name(enum raft_change_op op)
{
    return NAME_OF(change_op_names, op);
}

static const char entry_kind_names[][5] = {
    [RAFT_ENTRY_DATA] = "data",
    [RAFT_ENTRY_CONF] = "conf",
    [RAFT_ENTRY_NOOP] = "noop",
};

const char *raft_entry_kind_name(enum raft_entry_kind kind)
{
    return NAME_OF(entry_kind_names, kind);
}

static const char message_kind_names[][17] = {
    [RAFT_PREVOTE] = "prevote",
    [RAFT_PREVOTE_RESP] = "prevote resp",
    [RAFT_VOTE] = "vote",
    [RAFT_VOTE_RESP] = "vote resp",
    [RAFT_APPEND] = "append",
    [RAFT_APPEND_RESP] = "append resp",
    [RAFT_HEARTBEAT] = "heartbeat",
    [RAFT_HEARTBEAT_RESP] = "heartbeat resp",
    [RAFT_SNAPSHOT] = "snapshot",
    [RAFT_SNAPSHOT_RESP] = "snapshot resp",
    [RAFT_READ] = "read",
    [RAFT_READ_RESP] = "read resp",
    [RAFT_TIMEOUT_NOW] = "timeout now",
    [RAFT_TIMEOUT_NOW_RESP] = "timeout now resp",
    [RAFT_REMOVED] = "removed",
    [RAFT_WAKE] = "wake",
};

const char *raft_message_kind_name(enum raft_message_kind kind)
{
    return NAME_OF(message_kind_names, kind);
}

static const char event_kind_names[][12] = {
    [RAFT_EVENT_DRAIN] = "drain",
    [RAFT_EVENT_TIMER] = "timer",
    [RAFT_EVENT_RECV] = "recv",
    [RAFT_EVENT_PROPOSE] = "propose",
    [RAFT_EVENT_CHANGE] = "change",
    [RAFT_EVENT_READ] = "read",
    [RAFT_EVENT_PERSISTED] = "persisted",
    [RAFT_EVENT_APPLIED] = "applied",
    [RAFT_EVENT_COMPACTED] = "compacted",
    [RAFT_EVENT_FETCHED] = "fetched",
    [RAFT_EVENT_OFFERED] = "offered",
    [RAFT_EVENT_SENT] = "sent",
    [RAFT_EVENT_STAGED] = "staged",
    [RAFT_EVENT_UNREACHABLE] = "unreachable",
    [RAFT_EVENT_REACHABLE] = "reachable",
    [RAFT_EVENT_TRANSFER] = "transfer",
    [RAFT_EVENT_CAMPAIGN] = "campaign",
    [RAFT_EVENT_STEP_DOWN] = "step down",
    [RAFT_EVENT_DISK] = "disk",
    [RAFT_EVENT_LEASE] = "lease",
    [RAFT_EVENT_CLOCK_JUMP] = "clock jump",
    [RAFT_EVENT_WAKE] = "wake",
};

const char *raft_event_kind_name(enum raft_event_kind kind)
{
    return NAME_OF(event_kind_names, kind);
}

static const char role_names[][13] = {
    [RAFT_FOLLOWER] = "follower",   [RAFT_PRECANDIDATE] = "precandidate",
    [RAFT_CANDIDATE] = "candidate", [RAFT_LEADER] = "leader",
    [RAFT_HALTED] = "halted",
};

const char *raft_role_name(enum raft_role role)
{
    return NAME_OF(role_names, role);
}

static const char alarm_names[][18] = {
    [RAFT_ALARM_PEER_LOST_ENTRIES] = "peer lost entries",
    [RAFT_ALARM_SENDER_CONFLICT] = "sender conflict",
    [RAFT_ALARM_INVARIANT] = "invariant",
    [RAFT_ALARM_DISK_STALLED] = "disk stalled",
};

const char *raft_alarm_name(enum raft_alarm alarm)
{
    return NAME_OF(alarm_names, alarm);
}

static const char effect_kind_names[][16] = {
    [RAFT_EFFECT_PERSIST] = "persist",
    [RAFT_EFFECT_SEND] = "send",
    [RAFT_EFFECT_COMMIT] = "commit",
    [RAFT_EFFECT_APPLY] = "apply",
    [RAFT_EFFECT_READ_READY] = "read ready",
    [RAFT_EFFECT_READ_FAILED] = "read failed",
    [RAFT_EFFECT_TRANSFER_ENDED] = "transfer ended",
    [RAFT_EFFECT_ROLE] = "role",
    [RAFT_EFFECT_CONF] = "conf",
    [RAFT_EFFECT_FETCH] = "fetch",
    [RAFT_EFFECT_SNAPSHOT_WANTED] = "snapshot wanted",
    [RAFT_EFFECT_INSTALL] = "install",
    [RAFT_EFFECT_INSTALL_DROPPED] = "install dropped",
    [RAFT_EFFECT_ALARM] = "alarm",
};

const char *raft_effect_kind_name(enum raft_effect_kind kind)
{
    return NAME_OF(effect_kind_names, kind);
}

static const char progress_names[][10] = {
    [RAFT_PROBE] = "probe",
    [RAFT_REPLICATE] = "replicate",
    [RAFT_SENDING] = "sending",
    [RAFT_DOWN] = "down",
};

const char *raft_progress_name(enum raft_progress progress)
{
    return NAME_OF(progress_names, progress);
}

static const char invariant_names[][18] = {
    [RAFT_INVARIANT_NONE] = "none",
    [RAFT_I2_TERM_GROWS] = "I2 term grows",
    [RAFT_I3_VOTE_STAYS] = "I3 vote stays",
    [RAFT_I5_LEADER_APPENDS] = "I5 leader appends",
    [RAFT_I6_COMMIT_GROWS] = "I6 commit grows",
    [RAFT_I10_CURSORS] = "I10 cursors",
    [RAFT_I11_OWN_TERM] = "I11 own term",
    [RAFT_I12_DURABLE] = "I12 durable",
    [RAFT_I14_QUORUM] = "I14 quorum",
    [RAFT_I15_CONF_CHAIN] = "I15 conf chain",
    [RAFT_I16_ONE_CHANGE] = "I16 one change",
    [RAFT_I17_JOINT_LEAVES] = "I17 joint leaves",
    [RAFT_I18_LEADER_VOTES] = "I18 leader votes",
    [RAFT_I19_PROGRESS] = "I19 progress",
    [RAFT_I20_READS] = "I20 reads",
    [RAFT_I22_TRANSFER] = "I22 transfer",
    [RAFT_I24_APPLY_ONCE] = "I24 apply once",
    [RAFT_I26_TRUNCATE] = "I26 truncate",
    [RAFT_I28_BYTES] = "I28 bytes",
};

const char *raft_invariant_name(enum raft_invariant invariant)
{
    return NAME_OF(invariant_names, invariant);
}
