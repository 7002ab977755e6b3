/*
 * Joint consensus (thesis 4.3) and the algebra of changes. A joint conf is two confs in one table:
 * the role of a member says in which halves it votes.
 */
#include "raft/conf.h"

#include "raft/mutant.h"

enum half { HALF_OLD, HALF_NEW };

static bool votes_in(enum raft_member_role role, enum half half)
{
    if (role == RAFT_MEMBER_VOTER)
        return true;
    return role == (half == HALF_OLD ? RAFT_MEMBER_DEMOTING : RAFT_MEMBER_INCOMING);
}

static uint32_t voters(const struct raft_conf *conf, enum half half)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < conf->count; i++)
        n += votes_in(conf->members[i].role, half);
    return n;
}

uint32_t raft_conf_find(const struct raft_conf *conf, raft_id id)
{
    uint32_t i = 0;
    while (i < conf->count && conf->members[i].id != id)
        i++;
    return i;
}

enum raft_member_role raft_conf_role(const struct raft_conf *conf, raft_id id)
{
    uint32_t i = raft_conf_find(conf, id);
    return i < conf->count ? conf->members[i].role : RAFT_MEMBER_NONE;
}

bool raft_conf_is_voter(const struct raft_conf *conf, raft_id id)
{
    enum raft_member_role role = raft_conf_role(conf, id);
    return votes_in(role, HALF_OLD) || votes_in(role, HALF_NEW);
}

bool raft_conf_is_joint(const struct raft_conf *conf)
{
    for (uint32_t i = 0; i < conf->count; i++) {
        enum raft_member_role role = conf->members[i].role;
        if (role == RAFT_MEMBER_INCOMING || role == RAFT_MEMBER_DEMOTING)
            return true;
    }
    return false;
}

bool raft_conf_is_valid(const struct raft_conf *conf)
{
    if (conf->count > RAFT_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < conf->count; i++) {
        const struct raft_member *m = &conf->members[i];
        if (m->role <= RAFT_MEMBER_NONE || m->role >= RAFT_MEMBER_ROLE_COUNT)
            return false;
        if (m->id <= (i == 0 ? 0 : conf->members[i - 1].id))
            return false;
    }
    if (conf->auto_leave && !raft_conf_is_joint(conf))
        return false;
    return conf->count == 0 || (voters(conf, HALF_OLD) > 0 && voters(conf, HALF_NEW) > 0);
}

/* ---- Counting ------------------------------------------------------------------------------- */

/* With values sorted downwards, the one in the middle has a majority at or above it. */
static uint64_t half_quorum(const struct raft_conf *conf, enum half half, const uint64_t *values)
{
    uint64_t sorted[RAFT_MEMBERS_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i < conf->count; i++) {
        if (!votes_in(conf->members[i].role, half))
            continue;
        uint32_t at = n++;
        for (; at > 0 && sorted[at - 1] < values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = values[i];
    }
    return n == 0 ? 0 : sorted[n / 2];
}

uint64_t raft_conf_quorum(const struct raft_conf *conf, const uint64_t *values)
{
    uint64_t old_half = half_quorum(conf, HALF_OLD, values);
    if (!raft_conf_is_joint(conf))
        return old_half;
    uint64_t new_half = half_quorum(conf, HALF_NEW, values);
    if (RAFT_MUTANT(B48_one_half_is_enough))
        return old_half > new_half ? old_half : new_half;
    return old_half < new_half ? old_half : new_half;
}

bool raft_conf_reached(const struct raft_conf *conf, const uint64_t *values, uint64_t value)
{
    for (enum half half = HALF_OLD; half <= HALF_NEW; half++) {
        uint32_t reached = 0;
        for (uint32_t i = 0; i < conf->count; i++)
            reached += votes_in(conf->members[i].role, half) && values[i] >= value;
        if (reached * 2 <= voters(conf, half))
            return false;
    }
    return true;
}

enum raft_vote_count raft_conf_votes(const struct raft_conf *conf, const bool *has_voted,
                                     const bool *granted)
{
    uint64_t yes[RAFT_MEMBERS_MAX];
    uint64_t not_no[RAFT_MEMBERS_MAX];

    for (uint32_t i = 0; i < conf->count; i++) {
        yes[i] = has_voted[i] && granted[i];
        not_no[i] = !has_voted[i] || granted[i];
    }
    if (raft_conf_quorum(conf, yes) == 1)
        return RAFT_VOTE_WON;
    return raft_conf_quorum(conf, not_no) == 1 ? RAFT_VOTE_OPEN : RAFT_VOTE_LOST;
}

/* ---- Changing ------------------------------------------------------------------------------- */

static enum raft_reason leave(struct raft_conf *conf)
{
    if (!raft_conf_is_joint(conf))
        return RAFT_CHANGE_NOT_JOINT;
    for (uint32_t i = 0; i < conf->count; i++) {
        struct raft_member *m = &conf->members[i];
        if (m->role == RAFT_MEMBER_INCOMING)
            m->role = RAFT_MEMBER_VOTER;
        else if (m->role == RAFT_MEMBER_DEMOTING)
            m->role = RAFT_MEMBER_LEARNER;
    }
    conf->auto_leave = false;
    return RAFT_OK;
}

static bool insert(struct raft_conf *conf, raft_id id, enum raft_member_role role)
{
    if (conf->count == RAFT_MEMBERS_MAX)
        return false;
    uint32_t at = conf->count++;
    for (; at > 0 && conf->members[at - 1].id > id; at--)
        conf->members[at] = conf->members[at - 1];
    conf->members[at] = (struct raft_member) { .id = id, .role = role };
    return true;
}

static void take_out(struct raft_conf *conf, uint32_t at)
{
    conf->count--;
    for (; at < conf->count; at++)
        conf->members[at] = conf->members[at + 1];
    conf->members[conf->count] = (struct raft_member) { .id = 0 };
}

/* The role that op gives to a member that has role now; the row and column of the table. */
static enum raft_reason next_role(enum raft_member_role role, enum raft_change_op op,
                                  enum raft_member_role *out_next)
{
    switch (op) {
    case RAFT_CHANGE_ADD_VOTER:
        *out_next = role == RAFT_MEMBER_VOTER ? RAFT_MEMBER_VOTER : RAFT_MEMBER_INCOMING;
        return RAFT_OK;
    case RAFT_CHANGE_ADD_LEARNER:
        *out_next = role == RAFT_MEMBER_VOTER ? RAFT_MEMBER_DEMOTING : RAFT_MEMBER_LEARNER;
        return RAFT_OK;
    case RAFT_CHANGE_REMOVE:
        if (role == RAFT_MEMBER_VOTER)
            return RAFT_CHANGE_DEMOTE;
        *out_next = RAFT_MEMBER_NONE;
        return RAFT_OK;
    }
    return RAFT_CHANGE_MALFORMED;
}

static enum raft_reason apply_op(struct raft_conf *conf, raft_id id, enum raft_change_op op,
                                 bool *changed)
{
    uint32_t at = raft_conf_find(conf, id);
    enum raft_member_role role = at < conf->count ? conf->members[at].role : RAFT_MEMBER_NONE;
    enum raft_member_role next;
    enum raft_reason why = next_role(role, op, &next);

    if (why != RAFT_OK)
        return why;
    if (next == role)
        return RAFT_OK;
    *changed = true;
    if (next == RAFT_MEMBER_NONE)
        take_out(conf, at);
    else if (role == RAFT_MEMBER_NONE)
        return insert(conf, id, next) ? RAFT_OK : RAFT_CHANGE_MEMBERS;
    else
        conf->members[at].role = next;
    return RAFT_OK;
}

static bool names_each_once(const struct raft_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        if (change->ops[i].id == 0)
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (change->ops[j].id == change->ops[i].id)
                return false;
        }
    }
    return true;
}

enum raft_reason raft_conf_apply(struct raft_conf *conf, const struct raft_change *change)
{
    struct raft_conf next = *conf;
    bool changed = false;

    if (change->count == 0)
        return leave(conf);
    if (raft_conf_is_joint(conf))
        return RAFT_CHANGE_JOINT;
    if (change->count > RAFT_CHANGES_MAX || !names_each_once(change))
        return RAFT_CHANGE_MALFORMED;
    for (uint32_t i = 0; i < change->count; i++) {
        enum raft_reason why = apply_op(&next, change->ops[i].id, change->ops[i].op, &changed);
        if (why != RAFT_OK)
            return why;
    }
    if (!changed)
        return RAFT_CHANGE_EMPTY;
    if (voters(&next, HALF_OLD) == 0 || voters(&next, HALF_NEW) == 0)
        return RAFT_CHANGE_NO_VOTER;
    next.auto_leave = change->auto_leave && raft_conf_is_joint(&next);
    *conf = next;
    return RAFT_OK;
}
