#include "raft/log.h"

#include "base/check.h"

#include "raft/mutant.h"

static struct raft_entry *slot(const struct raft_log *l, raft_index index)
{
    return &l->ring[index & (l->ring_size - 1)];
}

/* ---- Terms ---------------------------------------------------------------------------------- */

/* The start at or before index, or start_count. */
static uint32_t find_start(const struct raft_log *l, raft_index index)
{
    uint32_t low = 0;
    uint32_t high = l->start_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->starts[middle].first <= index)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? l->start_count : low - 1;
}

raft_term raft_log_term_at(const struct raft_log *l, raft_index index)
{
    if (index == l->base_index)
        return l->base_term;
    if (index < l->base_index || index > l->last)
        return 0;
    uint32_t at = find_start(l, index);
    return at < l->start_count ? l->starts[at].term : 0;
}

raft_term raft_log_last_term(const struct raft_log *l)
{
    return raft_log_term_at(l, l->last);
}

bool raft_log_matches(const struct raft_log *l, raft_index index, raft_term term)
{
    return index >= l->base_index && index <= l->last && raft_log_term_at(l, index) == term &&
           (term != 0 || index == 0);
}

bool raft_log_is_up_to_date(const struct raft_log *l, raft_index index, raft_term term)
{
    raft_term ours = raft_log_last_term(l);
    return RAFT_MUTANT(M_votes_for_shorter_logs) || term > ours ||
           (term == ours && index >= l->last);
}

raft_index raft_log_hint(const struct raft_log *l, raft_index index, raft_term term,
                         raft_index floor)
{
    if (index > l->last)
        index = l->last;
    while (index > floor && index > l->base_index) {
        uint32_t at = find_start(l, index);
        if (at == l->start_count || l->starts[at].term <= term)
            break;
        index = l->starts[at].first - 1;
    }
    return index > floor ? index : floor;
}

static void forget_first_start(struct raft_log *l)
{
    l->start_count--;
    for (uint32_t i = 0; i < l->start_count; i++)
        l->starts[i] = l->starts[i + 1];
}

bool raft_log_has_term_room(const struct raft_log *l, raft_term term)
{
    if (l->start_count < l->start_max || term == raft_log_last_term(l))
        return true;
    return l->starts[1].first <= l->commit;
}

static void note_term(struct raft_log *l, raft_index index, raft_term term)
{
    if (l->start_count > 0 && l->starts[l->start_count - 1].term == term)
        return;
    CHECK(l->start_count == 0 || l->starts[l->start_count - 1].term < term);
    if (l->start_count == l->start_max) {
        CHECK(l->starts[1].first <= l->commit);
        forget_first_start(l);
    }
    l->starts[l->start_count++] = (struct raft_term_start) { .term = term, .first = index };
}

/* ---- The window ----------------------------------------------------------------------------- */

const struct raft_entry *raft_log_entry(const struct raft_log *l, raft_index index)
{
    if (index >= l->first && index <= l->last)
        return slot(l, index);
    return index != 0 && index == l->held.index ? &l->held : NULL;
}

static void release(struct raft_log *l, struct raft_entry *e, struct raft_effects *fx)
{
    l->window_bytes -= e->data.size;
    if (e->blob != NULL && !(RAFT_MUTANT(M_payload_leaks) && e->index % 64 == 0)) {
        CHECK(fx->released_count < fx->released_capacity);
        fx->released[fx->released_count++] = e->blob;
    }
    *e = (struct raft_entry) { .index = 0 };
}

void raft_log_release_held(struct raft_log *l, struct raft_effects *fx)
{
    release(l, &l->held, fx);
}

static uint32_t room_above(const struct raft_log *l, raft_index settled)
{
    raft_index kept_from = settled < l->first ? l->first : settled + 1;
    return l->ring_size - (uint32_t)(l->last + 1 - kept_from);
}

uint32_t raft_log_room(const struct raft_log *l)
{
    return room_above(l, l->marks.durable);
}

uint32_t raft_log_room_to_propose(const struct raft_log *l)
{
    return room_above(l, l->commit < l->marks.durable ? l->commit : l->marks.durable);
}

static void drop_first(struct raft_log *l, struct raft_effects *fx)
{
    struct raft_entry *e = slot(l, l->first);

    CHECK(l->first <= l->marks.durable);
    if (e->kind == RAFT_ENTRY_CONF && e->index > l->commit) {
        CHECK(l->held.index == 0);
        l->held = *e;
        *e = (struct raft_entry) { .index = 0 };
    } else {
        release(l, e, fx);
    }
    l->first++;
}

void raft_log_evict(struct raft_log *l, struct raft_effects *fx)
{
    raft_index settled = l->applied < l->marks.durable ? l->applied : l->marks.durable;

    while (l->first <= settled && l->window_bytes > l->cache_bytes)
        drop_first(l, fx);
}

void raft_log_append(struct raft_log *l, const struct raft_entry *e, struct raft_effects *fx)
{
    CHECK(e->index == l->last + 1);
    CHECK(e->term >= raft_log_last_term(l));
    CHECK(raft_log_room(l) > 0);
    if (l->last + 1 - l->first == l->ring_size)
        drop_first(l, fx);
    note_term(l, e->index, e->term);
    l->last = e->index;
    *slot(l, e->index) = *e;
    l->window_bytes += e->data.size;
    l->changes += e->kind == RAFT_ENTRY_CONF;
}

/* Drop all entries in memory from index on. */
static void drop_from(struct raft_log *l, raft_index index, struct raft_effects *fx)
{
    for (; l->last >= index && l->last >= l->first; l->last--) {
        if (l->last > l->commit && slot(l, l->last)->kind == RAFT_ENTRY_CONF)
            l->changes--;
        release(l, slot(l, l->last), fx);
    }
    if (l->held.index >= index) {
        raft_log_release_held(l, fx);
        l->changes--;
    }
    l->last = index - 1;
    if (l->first > index)
        l->first = index;
}

void raft_log_cut(struct raft_log *l, raft_index from, raft_term acc_term, struct raft_effects *fx)
{
    CHECK(from > l->commit);
    CHECK(acc_term > l->acc_term);
    drop_from(l, from, fx);
    while (l->start_count > 0 && l->starts[l->start_count - 1].first >= from)
        l->start_count--;
    l->acc_term = acc_term;
    raft_marks_cut(&l->marks, acc_term, from);
}

void raft_log_reset(struct raft_log *l, raft_index index, raft_term term, raft_term acc_term,
                    struct raft_effects *fx)
{
    CHECK(index > l->commit);
    /* The snapshot's data are durable, but the record that says so is not yet: until it is, we have
     * no more than what is committed of the old log, and must not say otherwise. */
    raft_marks_cut(&l->marks, acc_term, l->commit + 1);
    drop_from(l, 1, fx);
    l->first = index + 1;
    l->last = index;
    l->base_index = index;
    l->base_term = term;
    l->commit = index;
    l->announced = index;
    l->applied = index;
    l->start_count = 0;
    l->changes = 0;
    l->acc_term = acc_term;
}

void raft_log_compact(struct raft_log *l, raft_index index, struct raft_effects *fx)
{
    raft_term term = raft_log_term_at(l, index);

    CHECK(index <= l->applied);
    CHECK(index <= l->marks.durable);
    while (l->first <= index)
        drop_first(l, fx);
    while (l->start_count > 1 && l->starts[1].first <= index + 1)
        forget_first_start(l);
    if (l->starts[0].first <= index) {
        if (index == l->last)
            l->start_count = 0;
        else
            l->starts[0].first = index + 1;
    }
    l->base_index = index;
    l->base_term = term;
}
