/*
 * scene -- a cluster whose surroundings do what a transcript says, and a trace of what happens.
 *
 * Left alone, a message takes 1 ms, a write 500 us, applying 100 us, a snapshot 10 ms. A link can
 * be cut (messages are lost) or held (they wait to be delivered, copied or dropped by hand); a
 * disk, the applying and the snapshots of a node can be held as well.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_SCENE_H
#define VARVE_TESTS_RAFT_SCENE_H

#include "tests/raft/support/checker.h"
#include "tests/raft/support/timeline.h"

#include <stdio.h>

struct claim { /* A proposal that was accepted. */
    raft_id node;
    uint32_t incarnation;
    raft_term term;
    raft_index index;
    char words[32];
    bool is_over;
};

struct scene {
    struct cluster c;
    struct checker checker;
    struct timeline timeline;
    FILE *out;
    bool cut[CLUSTER_IDS][CLUSTER_IDS];
    bool held[CLUSTER_IDS][CLUSTER_IDS];
    struct packet *first_held;
    struct packet **last_held;
    bool disk_held[CLUSTER_IDS];
    bool apply_held[CLUSTER_IDS];
    bool snapshots_held[CLUSTER_IDS];
    raft_id wanted_by[CLUSTER_IDS]; /* Who wanted a snapshot for this peer, while held. */
    bool show_heartbeats;
    bool show_writes;
    bool is_silent;
    bool may_break; /* A violation is what the transcript shows. */
    struct claim claims[256];
    uint32_t claim_count;
};

void scene_init(struct scene *s, const struct raft_config *config, FILE *out);
void scene_deinit(struct scene *s);

/* Everything up to time happens. */
void scene_run(struct scene *s, uint64_t until);
/* Everything under way happens, and what follows within a moment; heartbeats do not. */
void scene_settle(struct scene *s);
/* Take those packets off the held ones that match; 0 and kind 0 match all. next: links them. */
struct packet *scene_take_held(struct scene *s, raft_id from, raft_id to, uint32_t kind,
                               uint32_t count, bool newest);
void scene_deliver(struct scene *s, struct packet *p);
/* By mistake, at a node that it is not for. */
void scene_misdeliver(struct scene *s, struct packet *p, raft_id at);
/* Remember a proposal, to tell its end. */
void scene_claim(struct scene *s, struct node *n, const char *words, raft_term term,
                 raft_index index);
/* Start or restart. */
bool scene_start(struct scene *s, struct node *n);
/* The data of the snapshot that n installs arrives, or never will; its sender is told. */
void scene_stage(struct scene *s, struct node *n, bool has_failed);
void scene_apply(struct scene *s, struct node *n);

#endif
