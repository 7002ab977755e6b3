/*
 * The algebra of changes and the one quorum function.
 */
#include <criterion/criterion.h>

#include "base/rand.h"
#include "raft/conf.h"

static struct raft_conf conf_of(const char *roles)
{
    struct raft_conf c = { .count = 0 };
    for (raft_id id = 1; roles[id - 1] != '\0'; id++) {
        static const char letters[] = " vlid";
        char letter = roles[id - 1];
        if (letter == '.')
            continue;
        enum raft_member_role role = (enum raft_member_role)(strchr(letters, letter) - letters);
        c.members[c.count++] = (struct raft_member) { .id = id, .role = role };
    }
    return c;
}

static void cr_conf_is(const struct raft_conf *c, const char *roles)
{
    struct raft_conf want = conf_of(roles);
    cr_assert_eq(c->count, want.count, "%u members, not %s", c->count, roles);
    for (uint32_t i = 0; i < c->count; i++) {
        cr_assert_eq(c->members[i].id, want.members[i].id);
        cr_assert_eq(c->members[i].role, want.members[i].role, "member %u is %s", i,
                     raft_member_role_name(c->members[i].role));
    }
}

static enum raft_reason change(struct raft_conf *c, raft_id id, enum raft_change_op op)
{
    struct raft_change ch = { .count = 1, .ops = { { .id = id, .op = op } } };
    return raft_conf_apply(c, &ch);
}

/* The table of raft.h, cell by cell: replica 9 has the role of the row, 1 and 2 vote. */
Test(raft_conf, changes_are_total_over_roles)
{
    static const struct {
        const char *before;
        enum raft_change_op op;
        enum raft_reason why;
        const char *after;
    } cells[] = {
        { "vv", RAFT_CHANGE_ADD_VOTER, RAFT_OK, "vv......i" },
        { "vv", RAFT_CHANGE_ADD_LEARNER, RAFT_OK, "vv......l" },
        { "vv", RAFT_CHANGE_REMOVE, RAFT_CHANGE_EMPTY, "vv" },
        { "vv......v", RAFT_CHANGE_ADD_VOTER, RAFT_CHANGE_EMPTY, "vv......v" },
        { "vv......v", RAFT_CHANGE_ADD_LEARNER, RAFT_OK, "vv......d" },
        { "vv......v", RAFT_CHANGE_REMOVE, RAFT_CHANGE_DEMOTE, "vv......v" },
        { "vv......l", RAFT_CHANGE_ADD_VOTER, RAFT_OK, "vv......i" },
        { "vv......l", RAFT_CHANGE_ADD_LEARNER, RAFT_CHANGE_EMPTY, "vv......l" },
        { "vv......l", RAFT_CHANGE_REMOVE, RAFT_OK, "vv" },
        { "vv......i", RAFT_CHANGE_ADD_VOTER, RAFT_CHANGE_JOINT, "vv......i" },
        { "vv......i", RAFT_CHANGE_ADD_LEARNER, RAFT_CHANGE_JOINT, "vv......i" },
        { "vv......i", RAFT_CHANGE_REMOVE, RAFT_CHANGE_JOINT, "vv......i" },
        { "vv......d", RAFT_CHANGE_ADD_VOTER, RAFT_CHANGE_JOINT, "vv......d" },
        { "vv......d", RAFT_CHANGE_ADD_LEARNER, RAFT_CHANGE_JOINT, "vv......d" },
        { "vv......d", RAFT_CHANGE_REMOVE, RAFT_CHANGE_JOINT, "vv......d" },
    };
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct raft_conf c = conf_of(cells[i].before);
        cr_assert_eq(change(&c, 9, cells[i].op), cells[i].why, "cell %zu", i);
        cr_conf_is(&c, cells[i].after);
    }
}

Test(raft_conf, leaving_makes_voters_of_incoming_and_learners_of_demoting)
{
    struct raft_conf c = conf_of("vdil");
    struct raft_change leave = { .count = 0 };

    c.auto_leave = true;
    cr_assert(raft_conf_is_joint(&c));
    cr_assert_eq(raft_conf_apply(&c, &leave), RAFT_OK);
    cr_conf_is(&c, "vlvl");
    cr_assert(!c.auto_leave);
    cr_assert_eq(raft_conf_apply(&c, &leave), RAFT_CHANGE_NOT_JOINT);
}

Test(raft_conf, a_change_that_is_refused_changes_nothing)
{
    struct raft_conf c = conf_of("v");
    struct raft_change twice = {
        .count = 2, .ops = { { 2, RAFT_CHANGE_ADD_VOTER }, { 2, RAFT_CHANGE_ADD_LEARNER } }
    };
    struct raft_change none = { .count = 1, .ops = { { 0, RAFT_CHANGE_ADD_VOTER } } };
    struct raft_change alone = {
        .count = 2, .ops = { { 2, RAFT_CHANGE_ADD_LEARNER }, { 1, RAFT_CHANGE_ADD_LEARNER } }
    };
    struct raft_change odd = { .count = 1, .ops = { { 2, (enum raft_change_op)9 } } };

    cr_assert_eq(raft_conf_apply(&c, &twice), RAFT_CHANGE_MALFORMED);
    cr_assert_eq(raft_conf_apply(&c, &none), RAFT_CHANGE_MALFORMED);
    cr_assert_eq(raft_conf_apply(&c, &odd), RAFT_CHANGE_MALFORMED);
    cr_assert_eq(raft_conf_apply(&c, &alone), RAFT_CHANGE_NO_VOTER);
    cr_conf_is(&c, "v");
    for (raft_id id = 2; id <= RAFT_MEMBERS_MAX; id++)
        cr_assert_eq(change(&c, id, RAFT_CHANGE_ADD_LEARNER), RAFT_OK);
    cr_assert_eq(change(&c, 99, RAFT_CHANGE_ADD_LEARNER), RAFT_CHANGE_MEMBERS);
    cr_assert_eq(c.count, RAFT_MEMBERS_MAX);
}

/* The sorted quorum against the definition, on random confs and values. */
Test(raft_conf, a_quorum_is_what_majorities_of_both_halves_have_reached)
{
    struct rand rand;
    rand_seed(&rand, 5);
    for (int round = 0; round < 20000; round++) {
        char roles[RAFT_MEMBERS_MAX + 1] = { 0 };
        uint64_t values[RAFT_MEMBERS_MAX];
        size_t count = 1 + rand_below(&rand, RAFT_MEMBERS_MAX);
        for (size_t i = 0; i < count; i++) {
            roles[i] = i == 0 ? 'v' : "vlid"[rand_below(&rand, 4)];
            values[i] = rand_below(&rand, 6);
        }
        struct raft_conf c = conf_of(roles);
        uint64_t q = raft_conf_quorum(&c, values);
        cr_assert(raft_conf_reached(&c, values, q), "round %d: %s", round, roles);
        cr_assert(!raft_conf_reached(&c, values, q + 1), "round %d: %s", round, roles);
    }
}

Test(raft_conf, a_joint_vote_is_won_in_both_halves_and_lost_in_one)
{
    struct raft_conf c = conf_of("vddii"); /* Old half 1 2 3, new half 1 4 5. */
    bool voted[5] = { true, true, false, false, false };
    bool granted[5] = { true, true, false, false, false };

    cr_assert_eq(raft_conf_votes(&c, voted, granted), RAFT_VOTE_OPEN);
    voted[3] = granted[3] = true;
    cr_assert_eq(raft_conf_votes(&c, voted, granted), RAFT_VOTE_WON);
    granted[3] = false;
    voted[4] = true;
    cr_assert_eq(raft_conf_votes(&c, voted, granted), RAFT_VOTE_LOST);
}

Test(raft_conf, nobody_is_no_quorum)
{
    struct raft_conf c = { .count = 0 };
    uint64_t none[1] = { 7 };
    cr_assert_eq(raft_conf_quorum(&c, none), 0);
    cr_assert(raft_conf_is_valid(&c));
}

Test(raft_conf, disorder_is_not_valid)
{
    struct raft_conf good = conf_of("vvl");
    struct raft_conf bad = good;
    bad.members[1].id = 1;
    cr_assert(!raft_conf_is_valid(&bad));
    bad = good;
    bad.members[2].role = RAFT_MEMBER_NONE;
    cr_assert(!raft_conf_is_valid(&bad));
    bad = good;
    bad.auto_leave = true;
    cr_assert(!raft_conf_is_valid(&bad));
    bad = conf_of("ll");
    cr_assert(!raft_conf_is_valid(&bad));
    cr_assert(raft_conf_is_valid(&good));
}

Test(raft_conf, newcomers_find_their_place)
{
    struct raft_conf c = conf_of(".v.v");
    struct raft_change three = { .count = 3,
                                 .ops = { { 3, RAFT_CHANGE_ADD_LEARNER },
                                          { 5, RAFT_CHANGE_ADD_LEARNER },
                                          { 1, RAFT_CHANGE_ADD_LEARNER } } };
    cr_assert_eq(raft_conf_apply(&c, &three), RAFT_OK);
    cr_conf_is(&c, "lvlvl");
}

Test(raft_conf, nobody_comes_from_nowhere)
{
    struct raft_conf nobody = { .count = 0 };
    struct raft_change many = { .count = RAFT_CHANGES_MAX + 1 };
    cr_assert_eq(change(&nobody, 1, RAFT_CHANGE_ADD_VOTER), RAFT_CHANGE_NO_VOTER);
    cr_assert_eq(raft_conf_apply(&nobody, &many), RAFT_CHANGE_MALFORMED);
    cr_assert_eq(nobody.count, 0);
}
