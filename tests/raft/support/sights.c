#include "tests/raft/support/sights.h"

#include <stdio.h>

static void add(uint64_t *to, const uint64_t *from, int count)
{
    for (int i = 0; i < count; i++)
        to[i] += from[i];
}

void sights_add(struct sights *to, const struct sights *from)
{
    add(to->effects, from->effects, RAFT_EFFECT_KIND_END);
    add(to->messages, from->messages, RAFT_MESSAGE_KIND_END);
    add(to->reasons, from->reasons, RAFT_REASON_COUNT);
    add(to->alarms, from->alarms, RAFT_ALARM_END);
}

static int tell(uint64_t count, const char *what, const char *name)
{
    if (count == 0)
        printf("never seen: %s %s\n", what, name);
    return count == 0;
}

int sights_tell_missing(const struct sights *s, bool is_lawful)
{
    int missing = 0;
    for (int i = 1; i < RAFT_EFFECT_KIND_END; i++)
        missing += tell(s->effects[i], "effect", raft_effect_kind_name((enum raft_effect_kind)i));
    for (int i = 1; i < RAFT_MESSAGE_KIND_END; i++)
        missing +=
            tell(s->messages[i], "message", raft_message_kind_name((enum raft_message_kind)i));
    for (int i = 1; i < RAFT_REASON_COUNT; i++) {
        bool is_foul = i == RAFT_HALT_INVARIANT || i == RAFT_HALT_CONFLICT ||
                       i == RAFT_HALT_CHANGE || i == RAFT_MALFORMED;
        if (!is_lawful || !is_foul)
            missing += tell(s->reasons[i], "reason", raft_reason_name((enum raft_reason)i));
    }
    for (int i = 1; i < RAFT_ALARM_END; i++) {
        bool is_foul = i == RAFT_ALARM_INVARIANT || i == RAFT_ALARM_SENDER_CONFLICT;
        if (!is_lawful || !is_foul)
            missing += tell(s->alarms[i], "alarm", raft_alarm_name((enum raft_alarm)i));
    }
    return missing;
}
