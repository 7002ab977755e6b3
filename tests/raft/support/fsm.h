/*
 * fsm -- the state machine of a simulated replica: a digest of everything applied, registers for
 * clients to read, and the conf, worked out from the entries alone.
 *
 * Two replicas that applied the same entries have equal digests, and others do not: it chains
 * index, term, kind and payload. A payload of the simulator begins with a serial number (8 bytes);
 * register serial % FSM_REGISTERS then holds that serial.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_FSM_H
#define VARVE_TESTS_RAFT_FSM_H

#include "raft/raft.h"

enum { FSM_REGISTERS = 8, FSM_SERIAL_SIZE = 8 };

struct fsm {
    raft_index index; /* Applied up to here. */
    raft_term term;   /* Of that entry. */
    uint64_t digest;
    uint64_t registers[FSM_REGISTERS];
    raft_index conf_index;
    struct raft_conf conf; /* As of conf_index, the last CONF entry applied. */
};

bool conf_equal(const struct raft_conf *a, const struct raft_conf *b);
/* NULL: id is none of them. */
const struct raft_member *conf_member(const struct raft_conf *conf, raft_id id);

/* The serial that a payload carries; 0: none. */
uint64_t fsm_serial_of(const struct raft_entry *e);
uint64_t fsm_entry_hash(const struct raft_entry *e);

/* Requires: e->index == f->index + 1. False: a committed change that cannot be carried out. */
bool fsm_apply(struct fsm *f, const struct raft_entry *e);

#endif
