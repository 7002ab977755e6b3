/*
 * conf -- questions to a configuration: who votes, what a majority of each half agrees on.
 *
 * Values are given one for each member, in the order of conf->members. There is one quorum function
 * for everything that is counted: matched entries, confirmed reads, leases, signs of life.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_RAFT_CONF_H
#define VARVE_RAFT_CONF_H

#include "raft/raft.h"

enum raft_vote_count { RAFT_VOTE_OPEN, RAFT_VOTE_WON, RAFT_VOTE_LOST };

/* The place of id among the members, or conf->count. */
uint32_t raft_conf_find(const struct raft_conf *conf, raft_id id);
enum raft_member_role raft_conf_role(const struct raft_conf *conf, raft_id id);
/* In either half. */
bool raft_conf_is_voter(const struct raft_conf *conf, raft_id id);
bool raft_conf_is_joint(const struct raft_conf *conf);
/* Ascending ids, known roles, a voter in each half; or no member at all. */
bool raft_conf_is_valid(const struct raft_conf *conf);

/* The greatest value that a majority of each half has reached; 0 without voters. */
uint64_t raft_conf_quorum(const struct raft_conf *conf, const uint64_t *values);
/* The same question asked naively: have majorities of both halves reached value? */
bool raft_conf_reached(const struct raft_conf *conf, const uint64_t *values, uint64_t value);
enum raft_vote_count raft_conf_votes(const struct raft_conf *conf, const bool *has_voted,
                                     const bool *granted);

#endif
