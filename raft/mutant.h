/*
 * mutant -- places where a known bug can be switched on, to show that the tests would see it.
 *
 *     if (RAFT_MUTANT(B01_commit_old_term) || log_term_at(l, index) == r->term)
 *
 * In every build that ships RAFT_MUTANT() is the constant false and its name is not even looked at.
 * VARVE_RAFT_MUTANTS names the header of a test that defines enum raft_mutant, one
 * RAFT_MUTANT_<name> each, and declares raft_mutant, the one that is on.
 */
#ifndef VARVE_RAFT_MUTANT_H
#define VARVE_RAFT_MUTANT_H

#ifdef VARVE_RAFT_MUTANTS
#include VARVE_RAFT_MUTANTS
#define RAFT_MUTANT(name) (raft_mutant == RAFT_MUTANT_##name)
#else
#define RAFT_MUTANT(name) false
#endif

#endif
