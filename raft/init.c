/*
 * Building a replica: options, sizes, and what the disk held -- which is data, checked before it is
 * believed.
 */
#include "raft/codec.h"
#include "raft/core.h"

enum {
    ALIGNMENT = 16,
    EFFECTS = 64 + 2 * RAFT_MEMBERS_MAX,
    POOL_BATCHES = 4,
    POOL_SPARE = 8, /* A leader's own entries, beside a batch. */
    COUNT_MAX = 1 << 20,
    TERMS = 128,
};

/* ---- Options -------------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static struct raft_config with_defaults(const struct raft_config *config)
{
    struct raft_config c = *config;

    c.election_us = or_default(c.election_us, 1000000);
    c.heartbeat_us = or_default(c.heartbeat_us, c.election_us / 10);
    c.commit_delay_us = or_default(c.commit_delay_us, 1000);
    c.disk_stall_us = or_default(c.disk_stall_us, c.election_us);
    c.lease_drift_ppm = or_default(c.lease_drift_ppm, 500);
    c.lease_slack_us = or_default(c.lease_slack_us, c.election_us / 10);
    c.window_entries = or_default(c.window_entries, 1024);
    c.batch_entries = or_default(c.batch_entries, 256);
    c.message_bytes = or_default(c.message_bytes, 1 << 20);
    c.inflight_messages = or_default(c.inflight_messages, 64);
    c.reads = or_default(c.reads, 256);
    c.terms = or_default(c.terms, TERMS);
    if (c.cache_bytes == 0)
        c.cache_bytes = 1 << 20;
    if (c.inflight_bytes == 0)
        c.inflight_bytes = 8 << 20;
    if (c.uncommitted_bytes == 0)
        c.uncommitted_bytes = 8 << 20;
    return c;
}

static bool config_makes_sense(const struct raft_config *c)
{
    uint64_t lost = (uint64_t)c->election_us * c->lease_drift_ppm / 1000000 + c->lease_slack_us;

    return c->id != 0 && c->heartbeat_us > 0 && c->heartbeat_us < c->election_us &&
           lost < c->election_us && c->rank <= RAFT_MEMBERS_MAX && c->window_entries >= 4 &&
           c->window_entries <= COUNT_MAX && (c->window_entries & (c->window_entries - 1)) == 0 &&
           c->batch_entries <= c->window_entries && c->inflight_messages <= COUNT_MAX &&
           c->reads <= COUNT_MAX && c->terms >= 2 && c->terms <= COUNT_MAX;
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

/* Memory is handed out from the front; without any, it is only measured. */
struct carver {
    uint8_t *memory;
    size_t used;
};

static void *carve(struct carver *c, size_t count, size_t size)
{
    void *at = c->memory != NULL ? c->memory + c->used : NULL;
    c->used += (size_t)align_up(count * size, ALIGNMENT);
    return at;
}

static struct raft *carve_raft(struct carver *c, const struct raft_config *config)
{
    struct raft *r = carve(c, 1, sizeof *r);
    void *ring = carve(c, config->window_entries, sizeof(struct raft_entry));
    void *starts = carve(c, config->terms, sizeof(struct raft_term_start));
    void *lanes = carve(c, (size_t)config->inflight_messages * RAFT_MEMBERS_MAX,
                        sizeof(struct raft_inflight));
    void *reads = carve(c, config->reads, sizeof(struct raft_read));

    if (r != NULL) {
        memset(r, 0, c->used);
        r->log.ring = ring;
        r->log.starts = starts;
        r->lanes = lanes;
        r->reads = reads;
    }
    return r;
}

static void carve_effects(struct carver *c, const struct raft_config *config,
                          struct raft_effects *fx)
{
    /* At most the window and the change held beside it are released at once. */
    *fx = (struct raft_effects) { .capacity = EFFECTS,
                                  .released_capacity = config->window_entries + 1,
                                  .entries_capacity =
                                      POOL_BATCHES * config->batch_entries + POOL_SPARE };
    fx->list = carve(c, fx->capacity, sizeof *fx->list);
    fx->entries = carve(c, fx->entries_capacity, sizeof *fx->entries);
    fx->released = carve(c, fx->released_capacity, sizeof *fx->released);
}

size_t raft_size(const struct raft_config *config)
{
    struct raft_config c = with_defaults(config);
    struct carver carver = { .memory = NULL };

    if (!config_makes_sense(&c))
        return 0;
    (void)carve_raft(&carver, &c);
    return carver.used;
}

size_t raft_effects_size(const struct raft_config *config)
{
    struct raft_config c = with_defaults(config);
    struct carver carver = { .memory = NULL };
    struct raft_effects fx;

    if (!config_makes_sense(&c))
        return 0;
    carve_effects(&carver, &c, &fx);
    return carver.used;
}

void raft_effects_init(struct raft_effects *fx, const struct raft_config *config, void *memory)
{
    struct raft_config c = with_defaults(config);
    struct carver carver = { .memory = memory };

    CHECK(config_makes_sense(&c));
    carve_effects(&carver, &c, fx);
}

/* ---- What the disk held --------------------------------------------------------------------- */

static struct status contradicts(struct errbuf *err, const char *what)
{
    errbuf_set(err, "raft state: %s", what);
    return status_of(ST_CORRUPT);
}

static struct status check_cursors(const struct raft_restore *s, struct errbuf *err)
{
    const struct raft_hard *h = &s->hard;

    if (s->last >= RAFT_NUMBER_MAX || h->term >= RAFT_NUMBER_MAX)
        return contradicts(err, "an index or a term that no group reaches");
    if (!raft_conf_is_valid(&h->conf))
        return contradicts(err, "the configuration makes no sense");
    if (h->conf_index > h->commit)
        return contradicts(err, "the configuration is newer than what is committed");
    if (h->acc_term > h->term || s->base_term > h->term)
        return contradicts(err, "entries of a later term than the replica's");
    if (s->base_index > s->applied || s->applied > s->last || h->commit > s->last)
        return contradicts(err, "the log does not reach what was applied or committed");
    if ((s->base_index == 0) != (s->base_term == 0))
        return contradicts(err, "the entry before the log has no term");
    return status_ok();
}

static struct status check_starts(const struct raft_restore *s, struct errbuf *err)
{
    raft_term term = s->base_term;
    raft_index at = s->base_index;

    if ((s->start_count == 0) != (s->last == s->base_index) ||
        (s->start_count > 0 && s->starts[0].first != s->base_index + 1))
        return contradicts(err, "terms do not cover the log");
    for (uint32_t i = 0; i < s->start_count; i++) {
        const struct raft_term_start *t = &s->starts[i];
        bool is_new = i == 0 ? t->term >= term : t->term > term;
        if (!is_new || t->term == 0 || t->first <= at || t->first > s->last)
            return contradicts(err, "terms go down along the log");
        term = t->term;
        at = t->first;
    }
    if (term > s->hard.term || (s->start_count > 0 && term > s->hard.acc_term))
        return contradicts(err, "entries of a later term than the replica's");
    return status_ok();
}

static struct status check_entries(const struct raft_restore *s, uint32_t window_entries,
                                   struct errbuf *err)
{
    raft_index settled = s->hard.commit > s->base_index ? s->hard.commit : s->base_index;
    raft_index commit = s->hard.commit > s->applied ? s->hard.commit : s->applied;
    uint32_t changes = s->change != NULL;
    struct raft_change change;

    if (s->entry_count > s->last - s->base_index ||
        (s->last - s->entry_count > settled && s->entry_count < window_entries))
        return contradicts(err, "entries behind the commit index are missing");
    if (s->change != NULL && (s->change->kind != RAFT_ENTRY_CONF || s->change->index <= commit ||
                              s->change->index > s->last - s->entry_count ||
                              failed(raft_change_read(s->change->data, &change))))
        return contradicts(err, "a change of the configuration cannot be read");
    for (uint32_t i = 0; i < s->entry_count; i++) {
        const struct raft_entry *e = &s->entries[i];
        if (e->index != s->last - s->entry_count + 1 + i)
            return contradicts(err, "entries do not follow one another");
        if (e->kind != RAFT_ENTRY_CONF)
            continue;
        if (failed(raft_change_read(e->data, &change)))
            return contradicts(err, "a change of the configuration cannot be read");
        changes += e->index > commit;
    }
    if (changes > 1)
        return contradicts(err, "two changes of the configuration are not committed");
    return status_ok();
}

/* Of what is committed only the last term, which may go on. */
static uint32_t terms_needed(const struct raft_restore *s)
{
    uint32_t needed = 0;

    for (uint32_t i = 0; i < s->start_count; i++)
        needed += i + 1 == s->start_count || s->starts[i + 1].first > s->hard.commit;
    return needed;
}

uint32_t raft_terms_wanted(const struct raft_restore *restore)
{
    uint32_t needed = terms_needed(restore);

    return needed < COUNT_MAX - TERMS ? needed + TERMS : COUNT_MAX;
}

static struct status check_limits(const struct raft_config *c, const struct raft_restore *s,
                                  struct errbuf *err)
{
    if (s->entry_count > c->window_entries || terms_needed(s) > c->terms) {
        errbuf_set(err, "raft state: more entries or terms than there is room for");
        return status_of(ST_LIMIT);
    }
    return status_ok();
}

static struct status check_restore(const struct raft_config *c, const struct raft_restore *s,
                                   struct errbuf *err)
{
    TRY(check_cursors(s, err));
    TRY(check_starts(s, err));
    TRY(check_entries(s, c->window_entries, err));
    return check_limits(c, s, err);
}

static void restore_starts(struct raft_log *l, const struct raft_restore *s)
{
    uint32_t skipped = s->start_count > l->start_max ? s->start_count - l->start_max : 0;

    l->start_count = s->start_count - skipped;
    for (uint32_t i = 0; i < l->start_count; i++)
        l->starts[i] = s->starts[skipped + i];
}

static void restore_log(struct raft *r, const struct raft_restore *s)
{
    struct raft_log *l = &r->log;

    l->base_index = s->base_index;
    l->base_term = s->base_term;
    l->last = s->last;
    l->commit = s->hard.commit > s->base_index ? s->hard.commit : s->base_index;
    l->announced = s->applied;
    l->applied = s->applied;
    l->acc_term = s->hard.acc_term > s->base_term ? s->hard.acc_term : s->base_term;
    l->marks.durable = s->last;
    l->first = s->last + 1 - s->entry_count;
    restore_starts(l, s);
    for (uint32_t i = 0; i < s->entry_count; i++) {
        const struct raft_entry *e = &s->entries[i];
        struct raft_entry *at = &l->ring[e->index & (l->ring_size - 1)];
        *at = *e;
        at->term = raft_log_term_at(l, e->index);
        l->window_bytes += e->data.size;
        l->changes += e->index > l->commit && e->kind == RAFT_ENTRY_CONF;
    }
    if (s->change != NULL) {
        l->held = *s->change;
        l->window_bytes += l->held.data.size;
        l->changes++;
    }
}

static void restore_conf(struct raft *r, const struct raft_restore *s)
{
    r->conf = s->hard.conf;
    r->conf_index = s->hard.conf_index;
    for (uint32_t i = 0; i < r->conf.count; i++) {
        r->peers[i].id = r->conf.members[i].id;
        r->peers[i].inflight = r->lanes + (size_t)i * r->config.inflight_messages;
        raft_peer_reset(&r->peers[i], r->log.last);
    }
    r->told_conf = r->conf_index;
    /* What was applied is committed, whatever the last write knew. */
    if (s->applied > r->log.commit)
        raft_commit_to(r, s->applied);
    r->told_commit = r->log.commit;
}

static void init_state(struct raft *r, const struct raft_restore *s, uint64_t now_us)
{
    rand_seed(&r->rand, r->config.seed);
    r->now_us = now_us;
    r->term = s->hard.term;
    r->vote = s->hard.vote;
    r->log.ring_size = r->config.window_entries;
    r->log.cache_bytes = r->config.cache_bytes;
    r->log.start_max = r->config.terms;
    restore_log(r, s);
    restore_conf(r, s);
    r->is_dirty = false;
    r->unwritten = r->log.last + 1;
    r->told_term = r->term;
    r->commit_due_us = RAFT_NEVER;
    /* No answer to an earlier life's question is taken for one to ours. */
    r->read_seq = RAFT_MUTANT(B04_read_numbers_start_over) ? 0 : rand_u64(&r->rand) >> 2;
    if (r->config.has_leases)
        r->grace_until_us = RAFT_MUTANT(B09_no_grace) ? 0 : now_us + r->config.election_us;
    raft_draw_election(r);
    r->was_term = r->term;
    r->was_vote = r->vote;
    r->was_commit = r->log.commit;
    r->was_announced = r->log.announced;
    r->was_last = r->log.last;
    r->cut_from = RAFT_NEVER;
}

struct status raft_init(const struct raft_config *config, const struct raft_restore *restore,
                        uint64_t now_us, void *memory, struct errbuf *err, struct raft **out_raft)
{
    struct raft_config c = with_defaults(config);
    struct carver carver = { .memory = memory };

    if (!config_makes_sense(&c)) {
        errbuf_set(err, "raft options make no sense together");
        return status_of(ST_INVALID);
    }
    TRY(check_restore(&c, restore, err));
    struct raft *r = carve_raft(&carver, &c);
    r->config = c;
    init_state(r, restore, now_us);
    *out_raft = r;
    return status_ok();
}
