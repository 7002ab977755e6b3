/*
 * sights -- which effects, messages, reasons and alarms of the core have been seen, and how often:
 * what no test has ever shown is not tested.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_TESTS_RAFT_SIGHTS_H
#define VARVE_TESTS_RAFT_SIGHTS_H

#include "raft/raft.h"

struct sights {
    uint64_t effects[RAFT_EFFECT_KIND_END];
    uint64_t messages[RAFT_MESSAGE_KIND_END];
    uint64_t reasons[RAFT_REASON_COUNT];
    uint64_t alarms[RAFT_ALARM_END];
};

void sights_add(struct sights *to, const struct sights *from);
/* Print what was not seen. Returns how much of it should have been: all, or if `is_lawful`, all but
 * what only a broken replica or driver shows. */
int sights_tell_missing(const struct sights *s, bool is_lawful);

#endif
