/*
 * checker -- what must hold between replicas, checked after every event (notes: invariants I1 ..).
 *
 * It sees all replicas, disks and messages at once, and remembers what no replica does: who led
 * which term, what was written at each (index, term), what was committed at each index and what
 * state that gave, and who answered what to which client. Each check costs O(1) or O(members).
 *
 * The oracle of the clients. All writes carry serial numbers; the log gives their one order. With
 * that order known, a history is linearizable if each operation takes effect at an index behind
 * those of all operations that had finished before it began. So the oracle keeps one number, the
 * greatest index at which a finished operation took effect; an operation remembers it when it
 * begins (floor) and must take effect behind it.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_CHECKER_H
#define VARVE_TESTS_RAFT_CHECKER_H

#include "tests/raft/support/cluster.h"
#include "tests/raft/support/sights.h"

enum outcome {
    OUTCOME_NONE = 0, /* The serial was not given out. */
    OUTCOME_WAITING,
    OUTCOME_DONE,
    OUTCOME_LOST,    /* Definitely not applied: another entry is at its index. */
    OUTCOME_REFUSED, /* Definitely not applied: it was not accepted. */
    OUTCOME_UNKNOWN, /* The node that accepted it cannot tell. */
};

struct committed {
    raft_term term;
    raft_term known_in; /* In this term at the latest it was known to be committed. */
    uint64_t digest;    /* Of the state after it; 0: nobody has applied it. */
    uint64_t serial;
    struct raft_conf *conf; /* Active from here on, if it is a CONF entry that was applied. */
};

struct written {
    raft_index index; /* 0: a free place. */
    raft_term term;
    raft_term term_before;
    uint64_t hash;
};

struct vote {
    raft_term term; /* Durable. */
    raft_id vote;
};

struct checker {
    struct cluster *c;
    char text[512]; /* What is wrong; empty: nothing. */
    int invariant;  /* Its number; 0: none, -1: one of the clients' or of the contract. */
    bool goes_on;   /* A transcript shows what happens then; else the cluster stops. */

    raft_id *leaders; /* By term. */
    uint64_t leaders_capacity;
    struct committed *history; /* By index. */
    uint64_t history_capacity;
    raft_index committed; /* The greatest index that anybody announced. */
    raft_index applied;
    struct written *entries; /* A hash table of (index, term). */
    uint64_t entries_count;
    uint64_t entries_capacity; /* A power of two. */
    struct vote votes[CLUSTER_IDS];
    raft_index matched_commit[CLUSTER_IDS]; /* Announced by each, in this life. */
    bool may_forget[CLUSTER_IDS];           /* It got an old disk: that it is noticed is right. */

    uint8_t *outcomes; /* By serial. */
    uint64_t *floors;
    raft_index *places; /* Where it was accepted. */
    uint64_t serials;
    uint64_t serials_capacity;
    raft_index floor;

    uint64_t checks;
    struct sights seen;
};

void checker_init(struct checker *k, struct cluster *c);
void checker_deinit(struct checker *k);

/* The first thing that is wrong stays; it stops the cluster. */
__attribute__((format(printf, 3, 4))) void checker_fail(struct checker *k, int invariant,
                                                        const char *format, ...);

/* From the cluster's hooks. */
void checker_started(struct checker *k, struct node *n);
void checker_effect(struct checker *k, struct node *n, const struct raft_effect *e);
void checker_stepped(struct checker *k, struct node *n, const struct raft_event *event,
                     const struct raft_effects *fx);
void checker_sent(struct checker *k, struct node *n, const struct packet *p);
void checker_persisted(struct checker *k, struct node *n);
void checker_applied(struct checker *k, struct node *n, const struct raft_entry *e);
void checker_saved(struct checker *k, struct node *n);
void checker_switched(struct checker *k, struct node *n);
void checker_restart(struct checker *k, struct node *n); /* Before cluster_start(). */

/* The clients. */
uint64_t checker_begin_write(struct checker *k);
void checker_accepted(struct checker *k, uint64_t serial, raft_index index);
void checker_end_write(struct checker *k, uint64_t serial, enum outcome outcome);
/* What the read of a client that began at floor was given from n's state. */
void checker_read(struct checker *k, struct node *n, raft_index floor);

#endif
