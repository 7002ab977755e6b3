/*
 * state -- the inside of a world, for its three parts: weather and clock (world.c), faults
 * (faults.c), clients and operator (clients.c).
 */
#ifndef VARVE_TESTS_SIM_STATE_H
#define VARVE_TESTS_SIM_STATE_H

#include "tests/sim/support/world.h"

enum happening {
    HAPPENS_ARRIVAL,
    HAPPENS_WRITTEN,
    HAPPENS_APPLYING,
    HAPPENS_FETCHING,
    HAPPENS_OFFERING,
    HAPPENS_STAGING,
    HAPPENS_SENT,
    HAPPENS_RESTART,
    HAPPENS_REACHABLE,
    HAPPENS_DISK_OK,
    HAPPENS_LEASE_FREE,
    HAPPENS_CAMPAIGN,
    HAPPENS_HEAL,
    HAPPENS_WRITES,
    HAPPENS_READ,
    HAPPENS_OPERATOR,
    HAPPENS_CHECK, /* Of progress, in the liveness phase. */
};

enum { PAST_PACKETS = 256, CUTS_MAX = 8 };

struct claim { /* An accepted write. */
    raft_term term;
    raft_index index;
    uint64_t serial;
};

struct asked { /* An accepted read. */
    uint64_t ctx;
    raft_index floor;
    uint64_t at_us;
};

/* What one replica's driver is at. */
struct driver {
    bool is_flushing;
    bool is_applying;
    bool has_crashed; /* In the midst of its effects; to be buried after the step. */
    bool was_member;
    bool wants_copy; /* Restart it with an older disk. */
    uint32_t since_flush;
    uint64_t paused_until;
    uint64_t flush_began;    /* By its own clock, as is: */
    uint64_t no_lease_until; /* The driver suspended it, or its clock jumped. */
    uint64_t disk_hangs_until;
    uint64_t disk_slow_until;
    uint64_t apply_slow_until;
    struct claim *claims;
    uint32_t claim_count;
    uint32_t claim_capacity;
    struct asked *asked;
    uint32_t asked_count;
    uint32_t asked_capacity;
    bool has_copy;
    struct disk copy; /* An older disk of this replica. */
};

struct cut {
    uint64_t until;
    bool links[CLUSTER_IDS][CLUSTER_IDS];
};

struct world {
    const struct plan *plan;
    struct verdict *v;
    struct cluster c;
    struct checker checker;
    struct timeline timeline;
    struct rand rand; /* For weather and clients; the plan has its own. */
    struct driver drivers[CLUSTER_IDS];
    struct cut cuts[CUTS_MAX];
    uint32_t blocked[CLUSTER_IDS][CLUSTER_IDS]; /* By so many cuts. */
    uint64_t storm_until;
    uint64_t quiet_until;
    struct packet *past[PAST_PACKETS];
    uint64_t past_count;
    uint32_t next_fault;
    bool is_live;          /* The liveness phase. */
    uint64_t live_since;   /* When something was applied last, in it. */
    uint64_t live_applied; /* By all. */
    uint64_t live_from;    /* Serials above were written in it. */
    uint64_t live_serial;  /* One of those that is done. */
    raft_index live_index; /* What all have to apply. */
    uint64_t reads_made;
    raft_id next_id;
    raft_id last_leader;
    raft_id leader_before;
    bool has_crashed; /* Some driver has. */
    uint64_t hash;
    FILE *trace;
    uint64_t trace_from_us;
};

static inline void mix(struct world *w, uint64_t x)
{
    w->hash = (w->hash ^ x) * 0x9e3779b97f4a7c15;
    w->hash ^= w->hash >> 29;
}

static inline bool is_traced(const struct world *w)
{
    return w->trace != NULL && w->c.now >= w->trace_from_us;
}

/* Exponential, of this mean. */
uint64_t draw_delay(struct world *w, uint64_t mean);
bool draw_ppm(struct world *w, uint64_t ppm);
void post(struct world *w, enum happening what, struct node *n, uint64_t delay, struct moment more);
struct node *draw_up_node(struct world *w, uint32_t number);
/* The node that leads the latest term, or NULL. */
struct node *find_leader(struct world *w);
void crash_node(struct world *w, struct node *n, uint32_t kept, uint64_t down_us);
void start_node(struct world *w, struct node *n);
void send_through(struct world *w, struct packet *p); /* p is taken. */

/* faults.c */
void faults_happen(struct world *w, const struct planned *f);
void faults_heal(struct world *w, uint32_t cut);
void faults_end(struct world *w);

/* clients.c */
void clients_begin(struct world *w);
void clients_write(struct world *w);
void clients_read(struct world *w);
void clients_applied(struct world *w, struct node *n, const struct raft_entry *e);
void clients_jumped(struct world *w, struct node *n);  /* Over entries, by a snapshot. */
void clients_crashed(struct world *w, struct node *n); /* What it was asked is unknown now. */
void clients_truncated(struct world *w, struct node *n, raft_index from); /* A driver's bug. */
void clients_served(struct world *w, struct node *n, uint64_t ctx);
void clients_refused(struct world *w, struct node *n, uint64_t ctx);
void operator_change(struct world *w, uint32_t number);
/* A replica that is in no conf and may be thrown away, has been told so. */
void operator_tidy(struct world *w);

#endif
