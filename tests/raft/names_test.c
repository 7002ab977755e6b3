/*
 * What things are called: each has a word of its own, and what does not exist has none.
 */
#include <criterion/criterion.h>

#include "raft/raft.h"

typedef const char *(*namer)(int);

#define NAMER(type, function)                                                                      \
    static const char *call_##function(int value)                                                  \
    {                                                                                              \
        return function((type)value);                                                              \
    }
NAMER(enum raft_reason, raft_reason_name)
NAMER(enum raft_member_role, raft_member_role_name)
NAMER(enum raft_change_op, raft_change_op_name)
NAMER(enum raft_entry_kind, raft_entry_kind_name)
NAMER(enum raft_message_kind, raft_message_kind_name)
NAMER(enum raft_event_kind, raft_event_kind_name)
NAMER(enum raft_role, raft_role_name)
NAMER(enum raft_alarm, raft_alarm_name)
NAMER(enum raft_effect_kind, raft_effect_kind_name)
NAMER(enum raft_progress, raft_progress_name)
NAMER(enum raft_invariant, raft_invariant_name)

static void cr_names_are_distinct(namer name, int first, int end)
{
    for (int i = first; i < end; i++) {
        cr_assert_str_neq(name(i), "unknown", "%d", i);
        for (int j = first; j < i; j++)
            cr_assert_str_neq(name(i), name(j));
    }
    cr_assert_str_eq(name(end), "unknown");
    cr_assert_str_eq(name(-1), "unknown");
}

Test(raft_names, each_has_a_word_of_its_own)
{
    cr_names_are_distinct(call_raft_reason_name, 0, RAFT_REASON_COUNT);
    cr_names_are_distinct(call_raft_member_role_name, 0, RAFT_MEMBER_ROLE_COUNT);
    cr_names_are_distinct(call_raft_change_op_name, RAFT_CHANGE_ADD_VOTER, RAFT_CHANGE_REMOVE + 1);
    cr_names_are_distinct(call_raft_entry_kind_name, 1, RAFT_ENTRY_KIND_END);
    cr_names_are_distinct(call_raft_message_kind_name, 1, RAFT_MESSAGE_KIND_END);
    cr_names_are_distinct(call_raft_event_kind_name, 0, RAFT_EVENT_KIND_END);
    cr_names_are_distinct(call_raft_role_name, 0, RAFT_ROLE_COUNT);
    cr_names_are_distinct(call_raft_alarm_name, 1, RAFT_ALARM_END);
    cr_names_are_distinct(call_raft_effect_kind_name, 1, RAFT_EFFECT_KIND_END);
    cr_names_are_distinct(call_raft_progress_name, 0, RAFT_PROGRESS_COUNT);
    cr_assert_str_eq(raft_invariant_name(RAFT_I2_TERM_GROWS), "I2 term grows");
    cr_assert_str_eq(call_raft_invariant_name(1), "unknown", "it needs more than one replica");
}
