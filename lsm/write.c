/*
 * write -- entries into the memtable: apply, replay, freeze, admission.
 */
#include "lsm/internal.h"

#include "base/check.h"

/* ---- Applying ----------------------------------------------------------------------------- */

static struct lsm_edit_group *group_of(struct lsm *l, uint32_t group)
{
    for (uint32_t i = 0; i < l->applied_count; i++) {
        if (l->applied[i].group == group)
            return &l->applied[i];
    }
    return NULL;
}

struct lsm_applied lsm_applied(const struct lsm *l, uint32_t group)
{
    const struct lsm_edit_group *g = group_of((struct lsm *)l, group);
    return g == NULL ? (struct lsm_applied) { 0 }
                     : (struct lsm_applied) { .index = g->index, .term = g->term };
}

/* Entries on their way into the memtable. */
struct entering {
    struct lsm_entry entries[LSM_MEMTABLE_WINDOW];
    size_t count;
};

static struct status enter(struct lsm_mem *m, struct entering *in)
{
    size_t count = in->count;

    in->count = 0;
    return lsm_memtable_add(m->table, in->entries, count);
}

static struct status apply_op(struct lsm *l, const struct lsm_op *op, uint64_t version,
                              const struct vlog_handle *handles, struct entering *in)
{
    if (op->kind == LSM_OP_SIDE) {
        if (l->has_sidecar)
            l->sidecar.on_side(l->sidecar.context, version, op->key);
        return status_ok();
    }
    if (op->kind == LSM_RANGE_DELETE) {
        const struct lsm_range_delete r = { op->key, op->value, version };
        buf_append(&l->range_deletes, bytes_of(&r, sizeof r));
        return l->range_deletes.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
    }
    struct lsm_entry *e = &in->entries[in->count++];
    *e = (struct lsm_entry) {
        .key = op->key,
        .version = version,
        .kind = op->kind,
        .type = op->type,
        .expire_ms = op->expire_ms,
    };
    if (op->kind == LSM_PUT)
        e->value = op->value;
    if (op->kind == LSM_PUT_HANDLE) {
        e->handle = handles[op->value_ordinal];
        if (e->handle.length != op->value_size)
            return status_of(ST_CORRUPT);
    }
    return status_ok();
}

/* All operations of a body into the open memtable. */
static struct status apply_body(struct lsm *l, struct lsm_mem *m, const struct lsm_apply *a)
{
    struct lsm_op_reader r;
    struct lsm_op op;
    struct entering in;

    in.count = 0;
    buf_reset(&l->range_deletes);
    TRY(lsm_op_reader_init(&r, a->body));
    TRY(lsm_memtable_reserve(m->table, a->body.size, r.op_count));
    if (r.version <= l->last_version)
        return status_of(ST_CORRUPT);
    for (;;) {
        struct status s = lsm_op_next(&r, &op);
        if (s.code == ST_NOT_FOUND)
            break;
        TRY(s);
        TRY(apply_op(l, &op, r.version, a->handles, &in));
        if (in.count == LSM_MEMTABLE_WINDOW)
            TRY(enter(m, &in));
    }
    TRY(enter(m, &in));
    if (l->range_deletes.size > 0)
        TRY(lsm_memtable_add_range_deletes(
            m->table, (const struct lsm_range_delete *)l->range_deletes.data,
            l->range_deletes.size / sizeof(struct lsm_range_delete)));
    l->last_version = r.version;
    m->version_max = r.version;
    atomic_fetch_add_explicit(&l->counters.entries_applied, r.op_count, memory_order_relaxed);
    return status_ok();
}

static struct status note_applied(struct lsm *l, const struct lsm_apply *a)
{
    struct lsm_edit_group *g = group_of(l, a->group);
    if (g == NULL) {
        if (l->applied_count == LSM_GROUPS_MAX)
            return status_of(ST_LIMIT);
        g = &l->applied[l->applied_count++];
        *g = (struct lsm_edit_group) { .group = a->group };
    }
    if (a->index <= g->index)
        return status_of(ST_CORRUPT);
    g->index = a->index;
    g->term = a->term;
    return status_ok();
}

static bool is_full(const struct lsm *l, const struct lsm_mem *m)
{
    return lsm_memtable_bytes(m->table) >= l->options.write_buffer_size ||
           lsm_memtable_range_delete_count(m->table) >= LSM_BATCH_RANGES_MAX ||
           atomic_load_explicit(&m->log_bytes, memory_order_relaxed) >= l->options.log_size_max;
}

static bool may_freeze(struct lsm *l)
{
    uint32_t frozen = atomic_load_explicit(&l->frozen_count, memory_order_acquire);
    return l->is_replaying ? frozen < LSM_MEMTABLES_MAX - 1
                           : frozen + 1 < l->options.write_buffer_count;
}

/* What an entry takes in the log. In durable mode each batch begins on a block of its own. */
static uint64_t log_bytes_of(const struct lsm *l, const struct lsm_mem *m,
                             const struct lsm_apply *a)
{
    uint64_t payload = a->body.size + a->value_bytes;
    bool begins_batch = a->lsn != m->last_lsn;
    return payload + (begins_batch && l->options.log.mode == VLOG_DURABLE ? IO_ALIGN : 0);
}

/* Durable, and not in the tree: nothing can be put upon it. */
static struct status stop_at(struct lsm *l, const struct lsm_apply *a, struct status s)
{
    lsm_poison(l, "entry %llu of group %u could not be applied: %s (%s:%u)",
               (unsigned long long)a->index, a->group, status_name(s.code), s.file, s.line);
    return s;
}

struct status lsm_apply(struct lsm *l, const struct lsm_apply *a)
{
    struct lsm_mem *m = l->open;
    uint64_t ticket;

    if (lsm_failure(l) != NULL)
        return status_of(ST_FAILED);
    /* Only between log batches: LSNs say what is flushed, so a batch lies in one memtable. */
    if (a->lsn != m->last_lsn && is_full(l, m) && may_freeze(l)) {
        struct status s = lsm_freeze(l, &ticket);
        if (failed(s) && s.code != ST_NO_MEMORY)
            return stop_at(l, a, s);
        m = l->open; /* Without memory for another one, this one goes on growing. */
    }
    struct status s = apply_body(l, m, a);
    if (succeeded(s))
        s = note_applied(l, a);
    if (failed(s))
        return stop_at(l, a, s);
    if (m->first_lsn == 0)
        m->first_lsn = a->lsn;
    atomic_fetch_add_explicit(&m->log_bytes, log_bytes_of(l, m, a), memory_order_relaxed);
    m->last_lsn = a->lsn;
    atomic_fetch_add_explicit(&l->counters.user_bytes, a->body.size + a->value_bytes,
                              memory_order_relaxed);
    return s;
}

void lsm_publish(struct lsm *l, uint64_t version)
{
    DCHECK(version >= atomic_load_explicit(&l->visible, memory_order_relaxed));
    /* Pairs with the readers' load: who sees the version sees the memtable's entries. */
    atomic_store_explicit(&l->visible, version, memory_order_release);
}

uint64_t lsm_visible(const struct lsm *l)
{
    return atomic_load_explicit(&l->visible, memory_order_acquire);
}

/* ---- Replay ------------------------------------------------------------------------------- */

struct status lsm_replay_visit(void *context, const struct vlog_replayed *entry)
{
    struct lsm *l = context;
    const struct lsm_edit_group *g = group_of(l, entry->group);
    uint64_t applied = g == NULL ? 0 : g->index;

    if (entry->index <= applied)
        return status_ok(); /* Flushed before. */
    if (entry->index != applied + 1) {
        errbuf_set(&l->failure_text,
                   "the log goes on with entry %llu of group %u, the manifest ends at %llu",
                   (unsigned long long)entry->index, entry->group, (unsigned long long)applied);
        return status_of(ST_CORRUPT);
    }
    uint64_t value_bytes = 0;
    for (uint32_t i = 0; i < entry->value_count; i++)
        value_bytes += entry->values[i].size;
    struct lsm_mem *before = l->open;
    const struct lsm_apply a = {
        .group = entry->group,
        .term = entry->term,
        .index = entry->index,
        .lsn = entry->lsn,
        .body = entry->body,
        .handles = entry->handles,
        .value_bytes = value_bytes,
    };
    TRY(lsm_apply(l, &a));
    if (l->open != before)
        before->is_cut_in_replay = true; /* Alive: it is among the frozen. */
    return status_ok();
}

/* ---- Freezing ----------------------------------------------------------------------------- */

/* A new pin on the segment's entry, made if need be. */
static struct lsm_source *pin_source(struct lsm *l, uint64_t logical) REQUIRES(l->lock)
{
    struct lsm_source *s;
    for (s = l->sources; s != NULL; s = s->next) {
        if (s->logical == logical)
            break;
    }
    if (s == NULL) {
        s = alloc_zeroed(l->env->alloc, sizeof *s);
        if (s == NULL)
            return NULL;
        s->logical = logical;
        s->next = l->sources;
        l->sources = s;
    }
    atomic_fetch_add_explicit(&s->pins, 1, memory_order_relaxed);
    return s;
}

/* Pins being gathered: each source once. */
struct pin_list {
    struct lsm_source **pins;
    uint32_t count;
    uint32_t room;
};

static struct status pin_once(struct lsm *l, struct pin_list *list, uint64_t logical)
    REQUIRES(l->lock)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->pins[i]->logical == logical)
            return status_ok();
    }
    if (list->count == list->room)
        return status_of(ST_LIMIT);
    struct lsm_source *s = pin_source(l, logical);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    list->pins[list->count++] = s;
    return status_ok();
}

/*
 * The segments its handles may lead to: those of the log that hold its batches; those that became
 * value files while they still held some (named by the version, or about to be: then a memtable
 * that is being flushed pins them). One too many does no harm, one too few would.
 */
static struct status gather_pins(struct lsm *l, const struct lsm_mem *m,
                                 const struct vlog_segment_info *infos, size_t count,
                                 struct pin_list *list) REQUIRES(l->lock)
{
    const struct lsm_state *state = atomic_load_explicit(&l->state, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (infos[i].first_lsn != 0 && infos[i].first_lsn <= m->last_lsn &&
            infos[i].last_lsn >= m->first_lsn)
            TRY(pin_once(l, list, infos[i].id));
    }
    for (uint32_t i = 0; i < state->version->value_file_count; i++) {
        const struct vlog_file *f = &state->version->value_files[i].file;
        if (f->is_segment && f->logical >= state->version->log_start)
            TRY(pin_once(l, list, f->logical));
    }
    for (uint32_t i = 0; i < state->frozen_count; i++) {
        for (uint32_t j = 0; j < state->frozen[i]->pinned_count; j++)
            TRY(pin_once(l, list, state->frozen[i]->pinned[j]->logical));
    }
    return status_ok();
}

struct status lsm_mem_pin_segments(struct lsm *l, struct lsm_mem *m)
{
    struct alloc *a = l->env->alloc;
    size_t count = vlog_segments(l->log, NULL, 0);
    struct vlog_segment_info *infos = alloc_array(a, count + 1, sizeof *infos);
    struct pin_list list = { .room = (uint32_t)count + 4096 };
    struct status s = status_of(ST_NO_MEMORY);

    list.pins = alloc_array(a, list.room, sizeof(struct lsm_source *));
    if (infos == NULL || list.pins == NULL)
        goto out;
    size_t listed = vlog_segments(l->log, infos, count);
    mutex_lock(&l->lock);
    s = gather_pins(l, m, infos, listed < count ? listed : count, &list);
    if (succeeded(s))
        s = lsm_mem_keep_pins(m, list.pins, list.count);
    else
        lsm_pins_drop(list.pins, list.count);
    mutex_unlock(&l->lock);
out:
    alloc_free(a, infos, (count + 1) * sizeof *infos);
    alloc_free(a, list.pins, list.room * sizeof(struct lsm_source *));
    return s;
}

static struct status save_sidecar(struct lsm *l, struct lsm_mem *m)
{
    if (!l->has_sidecar)
        return status_ok();
    TRY(l->sidecar.save(l->sidecar.context, &m->sidecar));
    return m->sidecar.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

/* The state with a fresh open memtable before the one that is frozen. */
static struct status push_mem(struct lsm *l, struct lsm_mem *fresh)
{
    struct lsm_mem *frozen[LSM_MEMTABLES_MAX];
    struct lsm_state *next;

    mutex_lock(&l->lock);
    struct lsm_state *now = atomic_load_explicit(&l->state, memory_order_relaxed);
    CHECK(now->frozen_count < LSM_MEMTABLES_MAX);
    frozen[0] = now->mem;
    memcpy(frozen + 1, now->frozen, now->frozen_count * sizeof(struct lsm_mem *));
    struct status s =
        lsm_state_create(l->env->alloc, fresh, frozen, now->frozen_count + 1, now->version, &next);
    if (succeeded(s)) {
        frozen[0]->ticket = atomic_load(&l->frozen_ticket) + 1;
        atomic_store_explicit(&l->frozen_ticket, frozen[0]->ticket, memory_order_release);
        lsm_state_swap(l, next);
        l->open = fresh;
    }
    mutex_unlock(&l->lock);
    return s;
}

struct status lsm_freeze(struct lsm *l, uint64_t *out_ticket)
{
    struct lsm_mem *m = l->open;
    struct lsm_mem *fresh;

    if (lsm_failure(l) != NULL)
        return status_of(ST_FAILED);
    if (m->first_lsn == 0) {
        *out_ticket = atomic_load_explicit(&l->frozen_ticket, memory_order_relaxed);
        return status_ok();
    }
    if (atomic_load_explicit(&l->frozen_count, memory_order_acquire) == LSM_MEMTABLES_MAX - 1)
        return status_of(ST_BUSY);
    TRY(lsm_mem_create(l->env, l->pages, &fresh));
    memcpy(m->groups, l->applied, sizeof m->groups);
    m->group_count = l->applied_count;
    buf_reset(&m->sidecar);
    struct status s = save_sidecar(l, m);
    /* During the replay the log has no segments to show yet; lsm_open pins after it. */
    if (succeeded(s) && !l->is_replaying)
        s = lsm_mem_pin_segments(l, m);
    if (succeeded(s))
        s = push_mem(l, fresh);
    lsm_mem_unref(fresh);
    if (failed(s))
        return s;
    *out_ticket = m->ticket;
    if (!l->is_replaying) {
        vlog_roll(l->log);
        lsm_notify_work(l);
    }
    return s;
}

uint64_t lsm_flushed(const struct lsm *l)
{
    return atomic_load_explicit(&l->flushed_ticket, memory_order_acquire);
}

/* ---- Admission ---------------------------------------------------------------------------- */

/* How far value is on its way from `begin` to `end`: below 0 before, 1 at the end. */
static double progress(double value, double begin, double end)
{
    return (value - begin) / (end - begin);
}

/*
 * The debt is the furthest of three smooth measures: memtables waiting to be flushed, L0 files, log
 * bytes. Up to a debt of 0 a writer is not slowed; then each byte costs debt / (1 - debt) of what
 * it takes the background to move it; at 1 writers wait. No measure jumps, so neither does the
 * delay.
 */
static double debt_of(struct lsm *l, const char **out_reason)
{
    const struct lsm_options *o = &l->options;
    struct lsm_reader r;
    double memory = 0;

    lsm_reader_init(&r, l, NULL, 0);
    const struct lsm_state *state = lsm_reader_enter(&r);
    if (state == NULL) {
        lsm_reader_deinit(&r);
        return -1;
    }
    uint64_t log = atomic_load_explicit(&state->mem->log_bytes, memory_order_relaxed);
    memory += (double)lsm_memtable_bytes(state->mem->table) / (double)o->write_buffer_size;
    for (uint32_t i = 0; i < state->frozen_count; i++) {
        memory += 1;
        log += atomic_load_explicit(&state->frozen[i]->log_bytes, memory_order_relaxed);
    }
    double l0 = state->version->levels[0].count;
    lsm_reader_deinit(&r);

    double debt = progress(memory, o->write_buffer_count * 0.8, o->write_buffer_count);
    *out_reason = "memtables";
    double other = progress(l0, o->l0_slow, o->l0_stop);
    if (other > debt) {
        debt = other;
        *out_reason = "level 0 files";
    }
    other = progress((double)log, (double)o->log_size_max * 1.8, (double)o->log_size_max * 3.0);
    if (other > debt) {
        debt = other;
        *out_reason = "log size";
    }
    return debt;
}

bool lsm_relieve(struct lsm *l)
{
    uint64_t ticket;

    if (!atomic_load_explicit(&l->is_out_of_space, memory_order_relaxed) ||
        l->open->first_lsn == 0 ||
        atomic_load_explicit(&l->frozen_count, memory_order_acquire) > 0 || lsm_failure(l) != NULL)
        return false;
    return succeeded(lsm_freeze(l, &ticket)); /* Where it fails it is tried again. */
}

enum { BACKGROUND_BYTES_PER_US = 128, DELAY_NS_MAX = 100 * 1000 * 1000 };

struct status lsm_admit(struct lsm *l, size_t batch_bytes, bool is_delete_only,
                        uint64_t *out_delay_ns)
{
    const char *reason;

    *out_delay_ns = 0;
    if (lsm_failure(l) != NULL)
        return status_of(ST_FAILED);
    if (atomic_load_explicit(&l->is_out_of_space, memory_order_relaxed) && !is_delete_only)
        return status_of(ST_NO_SPACE);
    double debt = debt_of(l, &reason);
    if (debt <= 0) {
        atomic_store_explicit(&l->stall_reason, NULL, memory_order_relaxed);
        return status_ok();
    }
    atomic_store_explicit(&l->stall_reason, reason, memory_order_relaxed);
    if (debt >= 1)
        return status_of(ST_AGAIN);
    double ns = (double)batch_bytes * 1000 / BACKGROUND_BYTES_PER_US * debt / (1 - debt);
    *out_delay_ns = ns > DELAY_NS_MAX ? DELAY_NS_MAX : (uint64_t)ns;
    atomic_fetch_add_explicit(&l->counters.stalled_ns, *out_delay_ns, memory_order_relaxed);
    return status_ok();
}
