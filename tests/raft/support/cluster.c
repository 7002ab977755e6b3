#include "tests/raft/support/cluster.h"

#include <stdlib.h>

#include "base/check.h"
#include "raft/codec.h"

enum { WINDOW_DEFAULT = 1024 };

#define HOOK(c, name, ...)                                                                         \
    do {                                                                                           \
        if ((c)->hooks->name != NULL)                                                              \
            (c)->hooks->name((c)->hooks_ctx, __VA_ARGS__);                                         \
    } while (0)

/* ---- Clocks ------------------------------------------------------------------------------- */

uint64_t node_clock(const struct node *n, uint64_t now)
{
    int64_t drift = 0;
    if (n->rate_ppm != 0)
        drift = (int64_t)(now / 1000000) * n->rate_ppm +
                (int64_t)(now % 1000000) * n->rate_ppm / 1000000;
    return now + (uint64_t)(drift + n->clock_offset_us);
}

void node_set_rate(struct node *n, uint64_t now, int32_t rate_ppm)
{
    uint64_t before = node_clock(n, now);
    n->rate_ppm = rate_ppm;
    n->clock_offset_us = 0;
    n->clock_offset_us = (int64_t)(before - node_clock(n, now));
}

/* The owner's time at which n's clock shows at least local_us. */
static uint64_t owner_time(const struct node *n, uint64_t now, uint64_t local_us)
{
    if (local_us == RAFT_NEVER)
        return RAFT_NEVER;
    uint64_t clock = node_clock(n, now);
    if (local_us <= clock)
        return now;
    uint64_t wait = local_us - clock;
    if (n->rate_ppm == 0)
        return now + wait;
    int64_t less = (int64_t)wait * n->rate_ppm / (1000000 + n->rate_ppm);
    uint64_t at = now + (uint64_t)((int64_t)wait - less);
    while (node_clock(n, at) < local_us)
        at++;
    return at;
}

uint64_t cluster_next_deadline(struct cluster *c, struct node **out_node)
{
    uint64_t best = RAFT_NEVER;
    for (raft_id id = 1; id <= c->id_max; id++) {
        if (c->deadlines[id] < best) {
            best = c->deadlines[id];
            *out_node = &c->nodes[id];
        }
    }
    return best;
}

/* ---- Life --------------------------------------------------------------------------------- */

void cluster_init(struct cluster *c, const struct raft_config *config,
                  const struct cluster_hooks *hooks, void *hooks_ctx)
{
    memset(c, 0, sizeof *c);
    c->config = *config;
    c->config.id = 1;
    c->hooks = hooks;
    c->hooks_ctx = hooks_ctx;
    size_t size = raft_effects_size(&c->config);
    CHECK(size > 0);
    c->fx_memory = malloc(size);
    CHECK(c->fx_memory != NULL);
    raft_effects_init(&c->fx, &c->config, c->fx_memory);
    c->effects_most = c->fx.capacity;
}

void cluster_limit_effects(struct cluster *c, int32_t room)
{
    c->effects_room = room;
    if (room != 0)
        c->fx.entries_capacity = 2 * c->config.batch_entries + 8;
}

void cluster_deinit(struct cluster *c)
{
    for (raft_id id = 1; id < CLUSTER_IDS; id++) {
        struct node *n = &c->nodes[id];
        if (n->state == NODE_NONE)
            continue;
        cluster_remove(c, n);
        free(n->memory);
        free(n->sends);
        free(n->reads);
    }
    free(c->fx_memory);
    CHECK(c->blobs.live == 0);
}

struct node *cluster_add(struct cluster *c, raft_id id, const struct raft_conf *conf)
{
    struct node *n = cluster_node(c, id);
    CHECK(n != NULL && n->state == NODE_NONE);
    n->id = id;
    n->state = NODE_DOWN;
    c->deadlines[id] = RAFT_NEVER;
    c->id_max = id > c->id_max ? id : c->id_max;
    disk_init(&n->disk);
    if (conf != NULL) {
        n->disk.hard.conf = *conf;
        n->disk.saved.conf = *conf;
    }
    return n;
}

static uint32_t list_terms(const struct disk *d, struct raft_term_start *starts)
{
    uint32_t count = 0;
    for (raft_index i = d->base_index + 1; i <= disk_last(d); i++) {
        raft_term term = disk_term_at(d, i);
        if (count == 0 || starts[count - 1].term != term)
            starts[count++] = (struct raft_term_start) { .term = term, .first = i };
    }
    return count;
}

static struct raft_hard hard_through_codec(const struct raft_hard *hard)
{
    uint8_t bytes[RAFT_HARD_MAX];
    struct bytes in = bytes_of(bytes, raft_hard_put(hard, bytes));
    struct raft_hard out;
    CHECK(succeeded(raft_hard_take(&in, &out)) && in.size == 0);
    return out;
}

bool cluster_start(struct cluster *c, struct node *n, uint64_t seed, struct errbuf *err)
{
    CHECK(n->state == NODE_DOWN);
    struct disk *d = &n->disk;
    n->config = c->config;
    n->config.id = n->id;
    n->config.seed = seed;
    n->config.rank = n->rank;
    n->space = RAFT_DISK_IS_OK;
    struct raft_term_start *starts = malloc((d->count + 1) * sizeof starts[0]);
    CHECK(starts != NULL);
    raft_index last = disk_last(d);
    raft_index from = d->hard.commit > d->base_index ? d->hard.commit : d->base_index;
    if (from > last)
        from = last;
    const struct raft_entry *change = NULL;
    uint32_t window = c->config.window_entries != 0 ? c->config.window_entries : WINDOW_DEFAULT;
    for (; last - from > window; from++) {
        if (disk_entry(d, from + 1)->kind == RAFT_ENTRY_CONF)
            change = disk_entry(d, from + 1);
    }
    if (c->bug == CLUSTER_DOUBLE_APPLY && d->saved.index > d->base_index && d->saved.index > 1)
        d->saved.index--;
    struct raft_restore restore = {
        .hard = c->through_codec ? hard_through_codec(&d->hard) : d->hard,
        .base_index = d->base_index,
        .base_term = d->base_term,
        .last = last,
        .applied = d->saved.index,
        .starts = starts,
        .start_count = list_terms(d, starts),
        .entries = from < last ? disk_entry(d, from + 1) : NULL,
        .entry_count = (uint32_t)(last - from),
        .change = change,
    };
    if (c->config.terms == 0)
        n->config.terms = raft_terms_wanted(&restore);
    size_t size = raft_size(&n->config);
    CHECK(size > 0);
    if (n->memory_size < size) {
        free(n->memory);
        n->memory = malloc(size);
        n->memory_size = size;
        CHECK(n->memory != NULL);
    }
    uint64_t clock = node_clock(n, c->now);
    n->clock_us = clock > n->clock_us ? clock : n->clock_us;
    struct status s = raft_init(&n->config, &restore, n->clock_us, n->memory, err, &n->raft);
    free(starts);
    if (failed(s))
        return false;
    entries_ref(restore.entries, restore.entry_count);
    if (change != NULL)
        blob_ref(change->blob);
    n->held_bytes = change != NULL ? change->data.size : 0;
    for (uint32_t i = 0; i < restore.entry_count; i++)
        n->held_bytes += restore.entries[i].data.size;
    n->state = NODE_UP;
    n->incarnation++;
    n->fsm = d->saved;
    n->role = RAFT_FOLLOWER;
    n->halt_reason = RAFT_OK;
    n->term = d->hard.term;
    n->leader = 0;
    n->commit = d->hard.commit;
    n->conf = d->hard.conf;
    n->announced = d->saved.index;
    n->written_last = last;
    n->seq = n->durable_seq = n->announced_seq = 0;
    n->is_installing = n->is_staged = false;
    n->effects_until_crash = 0;
    HOOK(c, started, n);
    (void)cluster_event(c, n, RAFT_EVENT_DRAIN, 0);
    return true;
}

static void drop_sends(struct node *n)
{
    for (uint32_t i = 0; i < n->sends_count; i++)
        packet_unref(n->sends[(n->sends_first + i) % n->sends_capacity].packet);
    n->sends_count = 0;
}

void cluster_crash(struct cluster *c, struct node *n, uint32_t kept)
{
    if (!node_is_up(n))
        return;
    struct raft_view v;
    raft_view(n->raft, &v);
    for (raft_index i = v.base_index + 1; i <= v.last; i++) {
        const struct raft_entry *e = raft_entry_at(n->raft, i);
        if (e != NULL)
            blob_unref(e->blob);
    }
    uint64_t seq;
    struct raft_mark mark;
    if (n->disk.is_poisoned)
        kept = 0;
    while (kept-- > 0 && n->disk.first != NULL)
        disk_finish_one(&n->disk, &seq, &mark);
    disk_lose_writes(&n->disk);
    n->disk.is_poisoned = false;
    drop_sends(n);
    n->reads_count = 0;
    n->state = NODE_DOWN;
    c->deadlines[n->id] = RAFT_NEVER;
    n->role = RAFT_FOLLOWER;
}

void cluster_remove(struct cluster *c, struct node *n)
{
    cluster_crash(c, n, 0);
    if (n->state != NODE_GONE)
        disk_deinit(&n->disk);
    n->state = NODE_GONE;
}

/* ---- Carrying out effects ----------------------------------------------------------------- */

static void leave(struct cluster *c, struct node *n, struct packet *p)
{
    if (c->hooks->sent != NULL)
        c->hooks->sent(c->hooks_ctx, n, p);
    else
        packet_unref(p);
}

static void hold_send(struct node *n, uint64_t after, struct packet *p)
{
    if (n->sends_count == n->sends_capacity) {
        uint32_t capacity = n->sends_capacity == 0 ? 64 : 2 * n->sends_capacity;
        struct held_send *sends = malloc(capacity * sizeof sends[0]);
        CHECK(sends != NULL);
        for (uint32_t i = 0; i < n->sends_count; i++)
            sends[i] = n->sends[(n->sends_first + i) % n->sends_capacity];
        free(n->sends);
        n->sends = sends;
        n->sends_first = 0;
        n->sends_capacity = capacity;
    }
    n->sends[(n->sends_first + n->sends_count++) % n->sends_capacity] =
        (struct held_send) { .after = after, .packet = p };
}

static void release_sends(struct cluster *c, struct node *n)
{
    uint32_t count = n->sends_count;
    for (uint32_t i = 0; i < count; i++) {
        struct held_send s = n->sends[n->sends_first];
        n->sends_first = (n->sends_first + 1) % n->sends_capacity;
        n->sends_count--;
        if (s.after <= n->durable_seq)
            leave(c, n, s.packet);
        else
            hold_send(n, s.after, s.packet);
    }
}

static void serve_reads(struct cluster *c, struct node *n)
{
    for (uint32_t i = 0; i < n->reads_count;) {
        struct held_read read = n->reads[i];
        if (read.index > n->fsm.index && c->bug != CLUSTER_READS_AT_ONCE) {
            i++;
            continue;
        }
        n->reads[i] = n->reads[--n->reads_count];
        HOOK(c, read_served, n, &read);
    }
}

static void hold_read(struct cluster *c, struct node *n, const struct raft_effect *e)
{
    if (n->reads_count == n->reads_capacity) {
        n->reads_capacity = n->reads_capacity == 0 ? 16 : 2 * n->reads_capacity;
        n->reads = realloc(n->reads, n->reads_capacity * sizeof n->reads[0]);
        CHECK(n->reads != NULL);
    }
    n->reads[n->reads_count++] = (struct held_read) { .ctx = e->u.read.ctx,
                                                      .index = e->u.read.index,
                                                      .term = e->u.read.term,
                                                      .by_lease = e->u.read.by_lease };
    serve_reads(c, n);
}

static void persist(struct cluster *c, struct node *n, const struct raft_persist *p)
{
    if (p->snapshot != NULL)
        n->written_last = p->snapshot->index;
    if (p->truncate_from > 0)
        n->written_last = p->truncate_from - 1;
    n->written_last += p->entry_count;
    n->seq = p->seq;
    disk_write(&n->disk, p, p->snapshot != NULL ? &n->staged : NULL);
    if (p->snapshot != NULL)
        n->is_installing = n->is_staged = false;
    HOOK(c, write_queued, n);
}

static void carry_out(struct cluster *c, struct node *n, const struct raft_effect *e)
{
    switch (e->kind) {
    case RAFT_EFFECT_PERSIST:
        persist(c, n, &e->u.persist);
        break;
    case RAFT_EFFECT_SEND: {
        struct packet *p = packet_copy(&e->u.send.message);
        if (e->u.send.after <= n->durable_seq || c->bug == CLUSTER_SENDS_EARLY)
            leave(c, n, p);
        else
            hold_send(n, e->u.send.after, p);
        break;
    }
    case RAFT_EFFECT_COMMIT:
        n->commit = e->u.index;
        break;
    case RAFT_EFFECT_APPLY:
        n->announced = e->u.apply.last;
        n->announced_seq = n->seq;
        HOOK(c, apply_queued, n);
        break;
    case RAFT_EFFECT_READ_READY:
        hold_read(c, n, e);
        break;
    case RAFT_EFFECT_READ_FAILED:
        HOOK(c, read_failed, n, e->u.read.ctx, e->u.read.reason);
        break;
    case RAFT_EFFECT_ROLE:
        n->role = e->u.role.role;
        n->term = e->u.role.term;
        n->leader = e->u.role.leader;
        n->halt_reason = e->u.role.reason;
        break;
    case RAFT_EFFECT_FETCH:
        HOOK(c, fetch_wanted, n, e->u.fetch.peer, e->u.fetch.first, e->u.fetch.last,
             e->u.fetch.bytes_max);
        break;
    case RAFT_EFFECT_SNAPSHOT_WANTED:
        HOOK(c, snapshot_wanted, n, e->u.peer);
        break;
    case RAFT_EFFECT_INSTALL:
        n->is_installing = true;
        n->is_staged = false;
        n->install_from = e->u.install.from;
        n->install = *e->u.install.snapshot;
        HOOK(c, install_wanted, n);
        break;
    case RAFT_EFFECT_INSTALL_DROPPED:
        n->is_installing = n->is_staged = false;
        break;
    case RAFT_EFFECT_CONF:
        n->conf = *e->u.conf.conf;
        break;
    case RAFT_EFFECT_TRANSFER_ENDED:
    case RAFT_EFFECT_ALARM:
    case RAFT_EFFECT_KIND_END:
        break;
    }
}

/* What the core took of this event, and what it gave back, in references and in bytes. */
static void count_taken(struct node *n, const struct raft_event *event,
                        const struct raft_effects *fx)
{
    if (fx->taken_count == 0)
        return;
    bool is_message = event->kind == RAFT_EVENT_RECV;
    const struct raft_entry *entries =
        is_message ? event->u.message->entries : event->u.propose.entries;
    uint32_t count = is_message ? event->u.message->entry_count : event->u.propose.entry_count;
    CHECK(fx->taken_first + fx->taken_count <= count);
    for (uint32_t i = 0; i < fx->taken_count; i++) {
        const struct raft_entry *e = &entries[fx->taken_first + i];
        blob_ref(e->blob);
        n->held_bytes += e->data.size;
    }
}

/* False: it crashed on the way. */
static bool carry_out_all(struct cluster *c, struct node *n)
{
    for (uint32_t i = 0; i < c->fx.count && !c->is_stopped; i++) {
        if (n->effects_until_crash > 0 && --n->effects_until_crash == 0)
            return false;
        HOOK(c, effect, n, &c->fx.list[i]);
        if (!c->is_stopped)
            carry_out(c, n, &c->fx.list[i]);
    }
    return true;
}

static uint32_t effects_capacity(const struct cluster *c, const struct node *n)
{
    enum { LEAST = 4 }; /* An alarm, role, write and answer are told in their own step. */
    if (c->effects_exact != 0)
        return c->effects_exact;
    if (c->effects_room == 0)
        return c->effects_most;
    int32_t capacity = c->effects_room + (int32_t)n->conf.count;
    return capacity < LEAST ? LEAST : (uint32_t)capacity;
}

enum raft_reason cluster_step(struct cluster *c, struct node *n, const struct raft_event *event)
{
    CHECK(node_is_up(n));
    struct raft_event drain = { .kind = RAFT_EVENT_DRAIN };
    enum raft_reason verdict = RAFT_OK;
    uint64_t clock = node_clock(n, c->now);
    n->clock_us = clock > n->clock_us ? clock : n->clock_us;
    for (bool is_first = true; is_first || c->fx.more; is_first = false) {
        const struct raft_event *one = is_first ? event : &drain;
        if (c->is_stopped)
            return verdict;
        c->fx.capacity = effects_capacity(c, n);
        raft_step(n->raft, n->clock_us, one, &c->fx);
        c->steps++;
        if (is_first) {
            verdict = c->fx.verdict;
            c->accepted_term = c->fx.accepted_term;
            c->accepted_first = c->fx.accepted_first;
        }
        count_taken(n, one, &c->fx);
        bool lives = carry_out_all(c, n);
        HOOK(c, stepped, n, one, &c->fx);
        for (uint32_t i = 0; i < c->fx.released_count; i++)
            blob_unref(c->fx.released[i]);
        c->deadlines[n->id] = owner_time(n, c->now, c->fx.deadline_us);
        if (!lives) {
            HOOK(c, crashed, n);
            return verdict;
        }
    }
    return verdict;
}

enum raft_reason cluster_event(struct cluster *c, struct node *n, enum raft_event_kind kind,
                               uint64_t number)
{
    struct raft_event event = { .kind = kind };
    switch (kind) {
    case RAFT_EVENT_READ:
        event.u.ctx = number;
        break;
    case RAFT_EVENT_APPLIED:
    case RAFT_EVENT_COMPACTED:
        event.u.index = number;
        break;
    case RAFT_EVENT_UNREACHABLE:
    case RAFT_EVENT_REACHABLE:
    case RAFT_EVENT_TRANSFER:
        event.u.peer = number;
        break;
    case RAFT_EVENT_DISK:
        n->space = event.u.disk = (enum raft_disk)number;
        break;
    case RAFT_EVENT_LEASE:
        event.u.lease = (enum raft_lease_hold)number;
        break;
    default:
        break;
    }
    return cluster_step(c, n, &event);
}

/* ---- What the owner decides --------------------------------------------------------------- */

void cluster_deliver(struct cluster *c, struct node *n, const struct packet *p)
{
    if (!node_is_up(n))
        return;
    struct packet *copy = c->through_codec ? packet_through_codec(p, &c->blobs) : NULL;
    struct raft_event event = { .kind = RAFT_EVENT_RECV };
    event.u.message = copy != NULL ? &copy->m : &p->m;
    (void)cluster_step(c, n, &event);
    packet_unref(copy);
}

static enum raft_reason propose(struct cluster *c, struct node *n, enum raft_event_kind kind,
                                enum raft_entry_kind entry_kind, struct bytes payload,
                                bool frees_space, raft_term *out_term, raft_index *out_index)
{
    struct blob *b = payload.size > 0 ? blob_copy(&c->blobs, payload) : NULL;
    struct raft_entry entry = { .kind = entry_kind, .blob = b };
    if (b != NULL)
        entry.data = bytes_of(b->data, b->size);
    struct raft_event event = { .kind = kind };
    event.u.propose.entries = &entry;
    event.u.propose.entry_count = 1;
    event.u.propose.frees_space = frees_space;

    enum raft_reason verdict = cluster_step(c, n, &event);
    if (verdict == RAFT_OK) {
        *out_term = c->accepted_term;
        *out_index = c->accepted_first;
    }
    blob_unref(b);
    return verdict;
}

enum raft_reason cluster_propose(struct cluster *c, struct node *n, struct bytes payload,
                                 bool frees_space, raft_term *out_term, raft_index *out_index)
{
    return propose(c, n, RAFT_EVENT_PROPOSE, RAFT_ENTRY_DATA, payload, frees_space, out_term,
                   out_index);
}

enum raft_reason cluster_change(struct cluster *c, struct node *n, const struct raft_change *change,
                                raft_term *out_term, raft_index *out_index)
{
    uint8_t bytes[RAFT_CHANGE_MAX];
    size_t size = change->count == 0 ? 0 : raft_change_put(change, bytes);
    return propose(c, n, RAFT_EVENT_CHANGE, RAFT_ENTRY_CONF, bytes_of(bytes, size), false, out_term,
                   out_index);
}

static void switch_state(struct cluster *c, struct node *n)
{
    n->fsm = n->disk.saved;
    if (n->announced < n->fsm.index)
        n->announced = n->fsm.index;
    HOOK(c, switched, n);
    serve_reads(c, n);
}

void cluster_disk_finish(struct cluster *c, struct node *n, uint32_t count)
{
    struct raft_event event = { .kind = RAFT_EVENT_PERSISTED };
    bool has_switched = false;
    if (!node_is_up(n) || n->disk.is_poisoned || c->is_stopped)
        return;
    if (n->disk.first == NULL || count == 0)
        return;
    if (c->bug == CLUSTER_ACKS_GAPS && n->disk.writes > 1) {
        struct disk_write *second = n->disk.first->next;
        event.u.persisted.seq = n->durable_seq = second->seq;
        event.u.persisted.mark = second->mark;
        release_sends(c, n);
        (void)cluster_step(c, n, &event);
        return;
    }
    while (count-- > 0 && n->disk.first != NULL) {
        has_switched |= n->disk.first->snapshot != NULL;
        disk_finish_one(&n->disk, &event.u.persisted.seq, &event.u.persisted.mark);
    }
    n->durable_seq = event.u.persisted.seq;
    if (has_switched)
        switch_state(c, n);
    HOOK(c, persisted, n);
    release_sends(c, n);
    if (!c->is_stopped)
        (void)cluster_step(c, n, &event);
}

void cluster_disk_fail(struct cluster *c, struct node *n)
{
    if (!node_is_up(n) || n->disk.is_poisoned)
        return;
    if (c->bug == CLUSTER_RETRIES_SYNC && n->disk.first != NULL) {
        /* The pages were dropped, and the second sync found nothing to do. */
        struct disk_write *last = n->disk.first;
        while (last->next != NULL)
            last = last->next;
        struct raft_event event = { .kind = RAFT_EVENT_PERSISTED };
        event.u.persisted.seq = n->durable_seq = last->seq;
        event.u.persisted.mark = last->mark;
        n->disk.is_poisoned = true;
        release_sends(c, n);
        (void)cluster_step(c, n, &event);
        return;
    }
    n->disk.is_poisoned = true;
    (void)cluster_event(c, n, RAFT_EVENT_DISK, RAFT_DISK_IS_FAILED);
}

void cluster_apply(struct cluster *c, struct node *n, uint32_t count)
{
    raft_index before = n->fsm.index;
    while (count-- > 0 && n->fsm.index < n->announced && !c->is_stopped) {
        const struct raft_entry *e = disk_entry(&n->disk, n->fsm.index + 1);
        if (e == NULL)
            break;
        if (!fsm_apply(&n->fsm, e)) {
            c->is_stopped = true;
            c->fault = "a committed change cannot be applied";
        }
        HOOK(c, applied, n, e);
    }
    if (n->fsm.index == before || c->is_stopped)
        return;
    serve_reads(c, n);
    (void)cluster_event(c, n, RAFT_EVENT_APPLIED, n->fsm.index);
}

void cluster_flush(struct cluster *c, struct node *n)
{
    if (n->durable_seq < n->announced_seq && c->bug != CLUSTER_SAVES_EARLY)
        return;
    if (c->bug == CLUSTER_APPLIED_AHEAD && n->disk.saved.index > 0) {
        n->disk.saved.index = n->fsm.index;
        n->disk.saved.term = n->fsm.term;
        return;
    }
    n->disk.saved = n->fsm;
    HOOK(c, saved, n);
}

void cluster_compact(struct cluster *c, struct node *n, raft_index index)
{
    if (index > n->disk.saved.index)
        index = n->disk.saved.index;
    if (index <= n->disk.base_index || index > disk_last(&n->disk))
        return;
    for (const struct disk_write *w = n->disk.first; w != NULL; w = w->next) {
        if (w->snapshot != NULL)
            return;
    }
    disk_compact(&n->disk, index);
    (void)cluster_event(c, n, RAFT_EVENT_COMPACTED, index);
}

void cluster_fetch(struct cluster *c, struct node *n, raft_id peer, raft_index first,
                   raft_index last, uint64_t bytes_max)
{
    struct raft_event event = { .kind = RAFT_EVENT_FETCHED };
    event.u.fetched.peer = peer;
    event.u.fetched.entries = disk_entry(&n->disk, first);
    if (event.u.fetched.entries != NULL) {
        uint64_t bytes = 0;
        raft_index i = first;
        while (i <= last && i <= disk_last(&n->disk)) {
            bytes += disk_entry(&n->disk, i)->data.size;
            if (i > first && bytes > bytes_max)
                break;
            i++;
        }
        event.u.fetched.entry_count = (uint32_t)(i - first);
    }
    (void)cluster_step(c, n, &event);
}

/* ---- Snapshots ---------------------------------------------------------------------------- */

struct pinned_snapshot *cluster_snapshot(struct cluster *c, uint64_t id)
{
    struct pinned_snapshot *p = &c->snapshots[id % CLUSTER_SNAPSHOTS];
    return id != 0 && p->s.id == id ? p : NULL;
}

uint64_t cluster_offer(struct cluster *c, struct node *n, raft_id peer, bool of_saved)
{
    const struct fsm *state = of_saved ? &n->disk.saved : &n->fsm;
    struct raft_event event = { .kind = RAFT_EVENT_OFFERED };
    event.u.offered.peer = peer;
    uint64_t id = 0;
    if (state->index > 0) {
        id = ++c->snapshots_made;
        struct pinned_snapshot *p = &c->snapshots[id % CLUSTER_SNAPSHOTS];
        *p = (struct pinned_snapshot) {
            .s = { .id = id,
                   .index = state->index,
                   .term = state->term,
                   .conf_index = state->conf_index,
                   .conf = state->conf },
            .state = *state,
            .owner = n->id,
            .incarnation = n->incarnation,
        };
        if (c->bug == CLUSTER_SNAPSHOT_CONF) {
            struct raft_view v;
            raft_view(n->raft, &v);
            p->s.conf = v.conf;
        }
        if (c->bug == CLUSTER_SNAPSHOT_LATER)
            p->state.digest++;
        event.u.offered.snapshot = &p->s;
    }
    (void)cluster_step(c, n, &event);
    return id;
}

void cluster_sent(struct cluster *c, struct node *n, raft_id peer, uint64_t id, bool has_failed)
{
    if (n == NULL || !node_is_up(n))
        return;
    struct raft_event event = { .kind = RAFT_EVENT_SENT };
    event.u.sent.peer = peer;
    event.u.sent.id = id;
    event.u.sent.has_failed = has_failed;
    (void)cluster_step(c, n, &event);
}

void cluster_stage(struct cluster *c, struct node *n, bool has_failed)
{
    if (!n->is_installing || n->is_staged)
        return;
    struct pinned_snapshot *p = cluster_snapshot(c, n->install.id);
    struct node *owner = cluster_node(c, n->install_from);
    bool is_there = p != NULL && owner != NULL && node_is_up(owner) && p->owner == owner->id &&
                    p->incarnation == owner->incarnation;
    has_failed |= !is_there;
    if (!has_failed) {
        n->staged = p->state;
        n->is_staged = true;
    }
    if (has_failed && c->bug == CLUSTER_STAGED_EARLY) {
        n->staged = n->fsm;
        n->staged.index = n->install.index;
        n->staged.term = n->install.term;
        n->is_staged = true;
        has_failed = false;
    }
    struct raft_event event = { .kind = RAFT_EVENT_STAGED };
    event.u.staged.id = n->install.id;
    event.u.staged.index = n->install.index;
    event.u.staged.has_failed = has_failed;
    if (has_failed)
        n->is_installing = false;
    (void)cluster_step(c, n, &event);
}
