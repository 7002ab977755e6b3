/*
 * cluster -- replicas of one group, each with a disk and a state machine, and the carrying out of
 * their effects under the law of raft/raft.h. When a message arrives, a write finishes or an entry
 * is applied is decided by the owner, which learns through hooks what there is to decide about:
 * the transcript runner follows a script, the simulator a seed.
 *
 * Time is the owner's, in microseconds. Each replica has a clock of its own that runs at its own
 * rate and never goes back.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_CLUSTER_H
#define VARVE_TESTS_RAFT_CLUSTER_H

#include "tests/raft/support/disk.h"
#include "tests/raft/support/packet.h"

enum {
    CLUSTER_IDS = 40,       /* Ids are 1 .. CLUSTER_IDS - 1. */
    CLUSTER_SNAPSHOTS = 64, /* Pinned at once; older ones are gone. */
};

enum node_state {
    NODE_NONE = 0, /* Never was. */
    NODE_UP,
    NODE_DOWN, /* Its disk waits for a restart. */
    NODE_GONE, /* For good. */
};

/* A bug of a driver, for the mutants: what it does wrong. */
enum cluster_bug {
    CLUSTER_HONEST = 0,
    CLUSTER_SENDS_EARLY,     /* Messages do not wait for their write (B24). */
    CLUSTER_ACKS_GAPS,       /* A stamp is reported though an older write is under way (B17). */
    CLUSTER_RETRIES_SYNC,    /* A failed write is reported as persisted (B21). */
    CLUSTER_APPLIED_AHEAD,   /* The applied index is durable before the data (B19). */
    CLUSTER_SNAPSHOT_CONF,   /* A snapshot carries the newest conf, not the one as of it (B26). */
    CLUSTER_SNAPSHOT_LATER,  /* The data of a snapshot is newer than its index. */
    CLUSTER_STAGED_EARLY,    /* A snapshot that never arrived is reported as staged. */
    CLUSTER_DOUBLE_APPLY,    /* A restart repeats the last entry on the saved state (B13 of RR). */
    CLUSTER_READS_AT_ONCE,   /* A read does not wait for its index to be applied. */
    CLUSTER_SAVES_EARLY,     /* The state is saved ahead of the hard state (L7). */
    CLUSTER_FAILS_TRUNCATED, /* An entry cut off here is reported as failed (B40). */
    CLUSTER_BUG_COUNT,
};

struct held_send {
    uint64_t after;
    struct packet *packet;
};

/* A read that waits for its index to be applied. */
struct held_read {
    uint64_t ctx;
    raft_index index;
    raft_term term;
    bool by_lease;
};

struct node {
    raft_id id;
    uint32_t rank;
    enum node_state state;
    uint32_t incarnation; /* Starts so far. */
    struct raft_config config;
    struct raft *raft;
    void *memory;
    size_t memory_size;

    /* As told by effects. */
    enum raft_role role;
    enum raft_reason halt_reason;
    raft_term term;
    raft_id leader;
    raft_index commit;
    struct raft_conf conf;
    raft_index announced;   /* APPLY ranges told so far. */
    uint64_t announced_seq; /* The newest write when the last of them was told (L7). */
    uint64_t seq;           /* Of the newest write asked for. */
    uint64_t durable_seq;

    struct disk disk;
    enum raft_disk space; /* As its driver told it. */
    struct fsm fsm;
    raft_index written_last; /* The log's end once all writes are done. */
    struct held_send *sends; /* A ring. */
    uint32_t sends_first;
    uint32_t sends_count;
    uint32_t sends_capacity;
    struct held_read *reads;
    uint32_t reads_count;
    uint32_t reads_capacity;

    bool is_installing;
    raft_id install_from;
    struct raft_snapshot install;
    bool is_staged;
    struct fsm staged;

    int32_t rate_ppm;        /* Of its clock. */
    int64_t clock_offset_us; /* So that the clock is offset + time * rate. */
    uint64_t clock_us;       /* The last it showed. */

    uint64_t effects_until_crash; /* 0: none is planned. */
    uint64_t held_bytes;          /* Payload the core owns: taken and not released. */
};

struct pinned_snapshot {
    struct raft_snapshot s;
    struct fsm state;
    raft_id owner;
    uint32_t incarnation;
};

struct cluster;

/* All may be NULL. None may step a node. */
struct cluster_hooks {
    /* A message leaves now. *taken* */
    void (*sent)(void *ctx, struct node *n, struct packet *p);
    void (*write_queued)(void *ctx, struct node *n);
    void (*apply_queued)(void *ctx, struct node *n);
    void (*snapshot_wanted)(void *ctx, struct node *n, raft_id peer);
    void (*install_wanted)(void *ctx, struct node *n);
    void (*fetch_wanted)(void *ctx, struct node *n, raft_id peer, raft_index first, raft_index last,
                         uint64_t bytes_max);
    /* A read is served now from n's state, or has failed with reason. */
    void (*read_served)(void *ctx, struct node *n, const struct held_read *read);
    void (*read_failed)(void *ctx, struct node *n, uint64_t read_ctx, enum raft_reason reason);
    void (*applied)(void *ctx, struct node *n, const struct raft_entry *e);
    void (*saved)(void *ctx, struct node *n);
    /* Each effect, before it is carried out; then the whole step. */
    void (*effect)(void *ctx, struct node *n, const struct raft_effect *e);
    void (*stepped)(void *ctx, struct node *n, const struct raft_event *event,
                    const struct raft_effects *fx);
    /* After the writes up to seq became durable. */
    void (*persisted)(void *ctx, struct node *n);
    void (*started)(void *ctx, struct node *n);
    void (*switched)(void *ctx, struct node *n); /* To a snapshot's state. */
    void (*crashed)(void *ctx, struct node *n);  /* In the midst of its effects, as planned. */
};

struct cluster {
    struct node nodes[CLUSTER_IDS];
    uint64_t deadlines[CLUSTER_IDS]; /* Of each, in the owner's time; RAFT_NEVER: none. */
    raft_id id_max;                  /* Of those that were ever added. */
    uint64_t now;
    uint64_t steps;
    struct blob_pool blobs;
    struct raft_effects fx;
    void *fx_memory;
    uint32_t effects_most;     /* What raft_effects_init() gives. */
    int32_t effects_room;      /* cluster_limit_effects(). */
    uint32_t effects_exact;    /* Room in each step whatever it tells; 0: as above. */
    struct raft_config config; /* Of all nodes, but for id and seed. */
    const struct cluster_hooks *hooks;
    void *hooks_ctx;
    enum cluster_bug bug;
    bool through_codec;      /* Messages travel as bytes. */
    bool is_stopped;         /* Something is wrong: nothing moves any more. */
    const char *fault;       /* What, if the cluster itself noticed. */
    raft_term accepted_term; /* Of the last step's verdict, as in struct raft_effects. */
    raft_index accepted_first;
    uint64_t snapshots_made;
    struct pinned_snapshot snapshots[CLUSTER_SNAPSHOTS];
};

void cluster_init(struct cluster *c, const struct raft_config *config,
                  const struct cluster_hooks *hooks, void *hooks_ctx);
void cluster_deinit(struct cluster *c);
/* Room for no more than `room` effects in a step beside one for each member, and for two batches of
 * entries: telling stops in the midst of everything. 0: what raft_effects_init() gives. */
void cluster_limit_effects(struct cluster *c, int32_t room);

static inline struct node *cluster_node(struct cluster *c, raft_id id)
{
    return id > 0 && id < CLUSTER_IDS ? &c->nodes[id] : NULL;
}
static inline bool node_is_up(const struct node *n)
{
    return n->state == NODE_UP;
}

/* A node with an empty disk, not started. conf: of a new group; NULL: it is to be added to one. */
struct node *cluster_add(struct cluster *c, raft_id id, const struct raft_conf *conf);
/* Start it from its disk. false: raft_init() refused, err says why. */
bool cluster_start(struct cluster *c, struct node *n, uint64_t seed, struct errbuf *err);
/* The process ends; of the writes under way the first `kept` have become durable. */
void cluster_crash(struct cluster *c, struct node *n, uint32_t kept);
/* The process and its disk are no more. */
void cluster_remove(struct cluster *c, struct node *n);

/* Hand an event to a node that is up and carry out the effects. Returns the verdict. */
enum raft_reason cluster_step(struct cluster *c, struct node *n, const struct raft_event *event);
/* The same for what is common. */
enum raft_reason cluster_event(struct cluster *c, struct node *n, enum raft_event_kind kind,
                               uint64_t number);
/* The message arrives, if n is up: at its receiver, or by mistake at another. p stays the
 * caller's. */
void cluster_deliver(struct cluster *c, struct node *n, const struct packet *p);
/* One entry. out_term, out_index: where it was accepted. */
enum raft_reason cluster_propose(struct cluster *c, struct node *n, struct bytes payload,
                                 bool frees_space, raft_term *out_term, raft_index *out_index);
enum raft_reason cluster_change(struct cluster *c, struct node *n, const struct raft_change *change,
                                raft_term *out_term, raft_index *out_index);
/* The oldest `count` writes become durable, and the core is told (of the newest only). */
void cluster_disk_finish(struct cluster *c, struct node *n, uint32_t count);
void cluster_disk_fail(struct cluster *c, struct node *n);
/* Apply up to `count` of the entries announced, and report it. */
void cluster_apply(struct cluster *c, struct node *n, uint32_t count);
/* The saved state machine is the present one (a flush), if that may be yet (L7). */
void cluster_flush(struct cluster *c, struct node *n);
/* Drop log entries up to index, at most to the saved state; the core is told. */
void cluster_compact(struct cluster *c, struct node *n, raft_index index);
void cluster_fetch(struct cluster *c, struct node *n, raft_id peer, raft_index first,
                   raft_index last, uint64_t bytes_max);
/* Pin a snapshot of what n applied, or of what it has saved, and offer it. Returns its id. */
uint64_t cluster_offer(struct cluster *c, struct node *n, raft_id peer, bool of_saved);
/* The data that n->install asks for arrives, if its sender still has it, or does not. */
void cluster_stage(struct cluster *c, struct node *n, bool has_failed);
/* The journey of a snapshot from n to peer is over, if n is still up. */
void cluster_sent(struct cluster *c, struct node *n, raft_id peer, uint64_t id, bool has_failed);
struct pinned_snapshot *cluster_snapshot(struct cluster *c, uint64_t id);

/* Up nodes only: who has the earliest deadline; RAFT_NEVER if none has any. */
uint64_t cluster_next_deadline(struct cluster *c, struct node **out_node);
uint64_t node_clock(const struct node *n, uint64_t now);
/* Change the rate from now on, without a jump. */
void node_set_rate(struct node *n, uint64_t now, int32_t rate_ppm);

#endif
