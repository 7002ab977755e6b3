/*
 * read -- the newest version of a key that a reader may see.
 *
 * Memtables, newest first; L0 tables, newest first; one table a level below. The first hit wins: of
 * one key, versions only grow from the bottom up (lsm.h, invariant 1). A range delete met on the
 * way hides what lies below it: its version is greater than that of anything it was applied after.
 *
 * A reader loads the state first and the visible version second. A state that lacks versions
 * (because a merge dropped them below floor F <= visible) is therefore met only by readers whose
 * version is >= F; who loaded an older state reads on in it, kept by the epoch.
 */
#include "lsm/internal.h"

#include "base/check.h"
#include "base/clock.h"

#include "lsm/table_format.h"

/* ---- Readers ------------------------------------------------------------------------------ */

void lsm_reader_init(struct lsm_reader *r, struct lsm *l, struct io_ring *ring, uint32_t hint)
{
    *r = (struct lsm_reader) { .lsm = l, .hint = hint };
    const struct fetch_options options = { .cache = l->cache,
                                           .ring = ring,
                                           .fill = FETCH_FILL_NORMAL };
    fetch_init(&r->fetch, &options);
}

void lsm_reader_leave(struct lsm_reader *r)
{
    if (r->slot != NULL)
        epoch_leave(r->slot);
    r->slot = NULL;
    r->state = NULL;
}

void lsm_reader_reset(struct lsm_reader *r)
{
    fetch_reset(&r->fetch);
    lsm_reader_leave(r);
    r->trail_count = 0;
}

void lsm_reader_deinit(struct lsm_reader *r)
{
    lsm_reader_reset(r);
    fetch_deinit(&r->fetch);
}

const struct lsm_state *lsm_reader_enter(struct lsm_reader *r)
{
    if (r->slot == NULL) {
        r->slot = epoch_enter(&r->lsm->epoch, r->hint);
        if (r->slot == NULL)
            return NULL;
        r->state = atomic_load_explicit(&r->lsm->state, memory_order_acquire);
    }
    return r->state;
}

/* ---- One key ------------------------------------------------------------------------------ */

struct search {
    struct lsm_reader *reader;
    struct fetch *fetch;
    struct bytes key;
    uint64_t hash;
    uint64_t at;
    uint64_t cover;    /* Newest range delete <= at met so far that covers key. */
    bool leaves_trail; /* If it finds a data block missing. */
    bool is_in_memtable;
    struct lsm_entry entry;
};

static void note_cover(struct search *s, uint64_t version)
{
    if (version > s->cover)
        s->cover = version;
}

/* NOT_FOUND: not here; look further down. */
static struct status search_mem(struct search *s, const struct lsm_mem *m)
{
    note_cover(s, lsm_memtable_range_cover(m->table, s->key, s->at));
    return lsm_memtable_get(m->table, s->key, s->at, &s->entry) ? status_ok()
                                                                : status_of(ST_NOT_FOUND);
}

/*
 * A trail leads past memtables and tables that lack the key to the block that may have it. In the
 * same state the tables still do for a get of the newest version, as they had nothing that became
 * visible since and no range delete was met. Memtables grow: they are searched anew, unless the get
 * sees what the first run saw. Then they lack the key as before, for all at or below a version that
 * is visible was applied before it became so.
 */
static void leave_trail(const struct search *s, struct lsm_file *f, struct table_place place)
{
    struct lsm_reader *r = s->reader;

    if (!s->leaves_trail || s->cover != 0 || r->trail_count == LSM_TRAILS)
        return;
    struct lsm_trail *t = &r->trails[r->trail_count++];
    *t = (struct lsm_trail) { .state = r->state->number,
                              .at = s->at,
                              .hash = s->hash,
                              .file = f,
                              .offset = place.offset,
                              .size = place.size,
                              .key_size = (uint32_t)s->key.size };
    memcpy(t->key, s->key.data, s->key.size);
}

static const struct lsm_trail *find_trail(const struct search *s)
{
    const struct lsm_reader *r = s->reader;

    for (uint32_t i = 0; i < r->trail_count && s->leaves_trail; i++) {
        const struct lsm_trail *t = &r->trails[i];
        if (t->hash == s->hash && t->state == r->state->number &&
            bytes_equal(bytes_of(t->key, t->key_size), s->key))
            return t;
    }
    return NULL;
}

/* NOT_FOUND: there is none, or it ends at a block that lacks the key. */
static struct status follow_trail(struct search *s, const struct lsm_trail *t)
{
    if (t == NULL)
        return status_of(ST_NOT_FOUND);
    struct table_place place = { .offset = t->offset, .size = t->size };
    return lsm_table_get(t->file->table, s->fetch, s->key, s->hash, s->at, &place, &s->entry);
}

static struct status search_file(struct search *s, struct lsm_file *f)
{
    struct table_place place = { .size = 0 };

    s->leaves_trail = s->leaves_trail && f->meta.version_max <= s->at;
    if (f->meta.range_delete_count > 0) {
        const struct lsm_rangedel_set *set;
        TRY(lsm_table_range_deletes(f->table, s->fetch, &set));
        note_cover(s, lsm_rangedel_cover(set, s->key, s->at));
    }
    struct status st = lsm_table_get(f->table, s->fetch, s->key, s->hash, s->at, &place, &s->entry);
    if (st.code == ST_AGAIN && place.size > 0)
        leave_trail(s, f, place);
    return st;
}

/* The files a key may be in, in the order they are searched. */
struct candidates {
    struct lsm_file *files[64 + LSM_LEVELS];
    uint32_t count;
    bool is_cut; /* More L0 files than fit: search the rest without looking ahead. */
};

static void find_candidates(const struct lsm_version *v, struct bytes key, struct candidates *c)
{
    c->count = 0;
    c->is_cut = false;
    for (uint32_t i = 0; i < v->levels[0].count; i++) {
        struct lsm_file *f = v->levels[0].fences[i].file;
        if (!lsm_file_contains(f, key))
            continue;
        if (c->count == 64) {
            c->is_cut = true;
            return;
        }
        c->files[c->count++] = f;
    }
    for (uint32_t i = 1; i < LSM_LEVELS; i++) {
        const struct lsm_level *l = &v->levels[i];
        if (l->count == 0)
            continue;
        uint32_t at = lsm_level_find(l, key);
        if (at < l->count && lsm_file_contains(l->fences[at].file, key))
            c->files[c->count++] = l->fences[at].file;
    }
}

/* Every file of L0, then the levels: for trees with more L0 files than candidates hold. */
static struct status search_all(struct search *s, const struct lsm_version *v)
{
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        const struct lsm_level *l = &v->levels[i];
        uint32_t begin = i == 0 || l->count == 0 ? 0 : lsm_level_find(l, s->key);
        uint32_t end = i == 0 ? l->count : begin + 1;
        for (uint32_t j = begin; j < end && j < l->count; j++) {
            if (!lsm_file_contains(l->fences[j].file, s->key))
                continue;
            struct status st = search_file(s, l->fences[j].file);
            if (st.code != ST_NOT_FOUND)
                return st;
        }
    }
    return status_of(ST_NOT_FOUND);
}

static struct status search_files(struct search *s, const struct lsm_version *v)
{
    struct candidates c;

    find_candidates(v, s->key, &c);
    if (c.is_cut)
        return search_all(s, v);
    /* All candidates' filter lines are asked for before the first is needed: misses overlap. */
    for (unsigned step = 0; step < LSM_TABLE_PREFETCH_STEPS && c.count > 1; step++) {
        for (uint32_t i = 0; i < c.count; i++)
            lsm_table_prefetch(c.files[i]->table, s->hash, step);
    }
    for (uint32_t i = 0; i < c.count; i++) {
        struct status st = search_file(s, c.files[i]);
        if (st.code != ST_NOT_FOUND)
            return st;
    }
    return status_of(ST_NOT_FOUND);
}

static struct status search_memtables(struct search *s, const struct lsm_state *state)
{
    struct status st = search_mem(s, state->mem);

    for (uint32_t i = 0; i < state->frozen_count && st.code == ST_NOT_FOUND; i++)
        st = search_mem(s, state->frozen[i]);
    s->is_in_memtable = succeeded(st) && s->entry.kind == LSM_PUT;
    return st;
}

/* A delete, or a range delete that hides what there is, is an answer of kind LSM_DELETE. */
static struct status search_state(struct search *s, const struct lsm_state *state)
{
    const struct lsm_trail *trail = find_trail(s);
    struct status st = status_of(ST_NOT_FOUND);

    if (trail == NULL || trail->at != s->at)
        st = search_memtables(s, state);
    if (st.code == ST_NOT_FOUND)
        st = follow_trail(s, trail);
    if (st.code == ST_NOT_FOUND)
        st = search_files(s, state->version);
    bool is_hidden = succeeded(st) && s->entry.version < s->cover;
    if (s->cover != 0 && (is_hidden || st.code == ST_NOT_FOUND)) {
        s->entry = (struct lsm_entry) { .version = s->cover, .kind = LSM_DELETE };
        return status_ok();
    }
    return st;
}

/* What the user gets of an entry. */
struct status lsm_resolve(struct lsm *l, struct fetch *f, const struct lsm_entry *e, unsigned flags,
                          struct lsm_value *out)
{
    struct lsm_value v = {
        .value = e->value,
        .size = lsm_entry_value_size(e),
        .version = e->version,
        .expire_ms = e->expire_ms,
        .type = e->type,
        .is_delete = e->kind == LSM_DELETE,
    };
    if (e->kind == LSM_PUT_HANDLE && (flags & LSM_READ_META) == 0)
        TRY(vlog_read(l->log, f, &e->handle, &v.value));
    *out = v;
    return status_ok();
}

struct status lsm_get(struct lsm_reader *r, uint32_t keyspace, struct bytes key, uint64_t at,
                      unsigned flags, struct lsm_value *out)
{
    uint8_t composed[256];
    uint8_t *long_key = NULL;
    struct status st;

    if (key.size > LSM_USER_KEY_MAX || keyspace > LSM_KEYSPACE_MAX)
        return status_of(ST_INVALID);
    const struct lsm_state *state = lsm_reader_enter(r);
    if (state == NULL)
        return status_of(ST_BUSY);
    if (key.size + VARINT_MAX > sizeof composed) {
        long_key = alloc_bytes(r->lsm->env->alloc, LSM_KEY_MAX);
        if (long_key == NULL)
            return status_of(ST_NO_MEMORY);
    }
    struct search s = {
        .fetch = &r->fetch,
        .reader = r,
        .key = lsm_key_compose(long_key != NULL ? long_key : composed, keyspace, key),
        .at = at == UINT64_MAX ? lsm_visible(r->lsm) : at,
    };
    s.hash = lsm_table_key_hash(s.key);
    s.leaves_trail = r->trails != NULL && at == UINT64_MAX && s.key.size <= LSM_TRAIL_KEY_MAX;
    st = search_state(&s, state);
    if (succeeded(st) && s.entry.kind == LSM_DELETE && (flags & LSM_READ_DELETES) == 0)
        st = status_of(ST_NOT_FOUND);
    if (succeeded(st))
        st = lsm_resolve(r->lsm, &r->fetch, &s.entry, flags, out);
    if (succeeded(st))
        out->is_in_memtable = s.is_in_memtable;
    alloc_free(r->lsm->env->alloc, long_key, LSM_KEY_MAX);
    return st;
}

/* ---- Many keys ---------------------------------------------------------------------------- */

/* One pass over what has no answer yet. True if any still waits for a read. */
static bool get_pending(struct lsm_reader *r, const struct lsm_multi_get *m, uint64_t at,
                        struct status *statuses, struct lsm_value *values)
{
    bool is_waiting = false;
    for (size_t i = 0; i < m->count; i++) {
        if (statuses[i].code != ST_AGAIN)
            continue;
        statuses[i] = lsm_get(r, m->keyspace, m->keys[i], at, m->flags, &values[i]);
        is_waiting |= statuses[i].code == ST_AGAIN;
    }
    return is_waiting;
}

enum { LOOK_AGAIN_NS = 200 * 1000 };

/*
 * Submit what the fetch wants and wait for all of it, on the blocking reader's own ring. A block
 * that another reader is reading already completes on that one's ring and wakes nobody here: so the
 * wait ends now and then to look.
 */
static void wait_for_reads(struct lsm_reader *r, struct io_ring *ring)
{
    (void)fetch_submit(&r->fetch, ring);
    while (!fetch_is_ready(&r->fetch)) {
        struct io_op *op;
        io_ring_wait(ring, clock_ns(r->lsm->env->clock) + LOOK_AGAIN_NS);
        while ((op = io_ring_done(ring)) != NULL) {
            if (op->tag == FETCH_OP_TAG) {
                while (fetch_complete(r->lsm->cache, op) != NULL)
                    ;
            }
        }
    }
}

struct status lsm_multi_get(struct lsm_reader *r, const struct lsm_multi_get *m,
                            struct status *out_status, struct lsm_value *out_values)
{
    struct io_ring *ring = r->fetch.options.ring;

    if (lsm_reader_enter(r) == NULL) /* State first, visible version second. */
        return status_of(ST_BUSY);
    uint64_t at = m->at == UINT64_MAX ? lsm_visible(r->lsm) : m->at;
    bool is_waiting = true;

    for (size_t i = 0; i < m->count; i++)
        out_status[i] = status_of(ST_AGAIN);
    r->fetch.options.ring = NULL; /* Collect wants instead of reading one by one. */
    while (is_waiting) {
        is_waiting = get_pending(r, m, at, out_status, out_values);
        if (is_waiting && ring == NULL)
            return status_of(ST_AGAIN);
        if (is_waiting)
            wait_for_reads(r, ring);
    }
    r->fetch.options.ring = ring;
    return status_ok();
}

/* ---- Snapshots ---------------------------------------------------------------------------- */

static void link_snapshot(struct lsm *l, struct lsm_snapshot *s, uint64_t version) REQUIRES(l->lock)
{
    s->version = version;
    s->previous = l->snapshots.previous;
    s->next = &l->snapshots;
    s->previous->next = s;
    s->next->previous = s;
    l->snapshot_count++;
}

struct status lsm_snapshot_take(struct lsm *l, struct lsm_snapshot **out_snapshot)
{
    struct lsm_snapshot *s = alloc_zeroed(l->env->alloc, sizeof *s);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    /* Under the lock the floor is computed under: a floor is either seen to hold this version, or
     * was computed from a visible version that is not newer. */
    mutex_lock(&l->lock);
    link_snapshot(l, s, lsm_visible(l));
    mutex_unlock(&l->lock);
    *out_snapshot = s;
    return status_ok();
}

struct status lsm_snapshot_take_at(struct lsm *l, uint64_t version,
                                   struct lsm_snapshot **out_snapshot)
{
    struct status st = status_of(ST_INVALID);
    struct lsm_snapshot *s = alloc_zeroed(l->env->alloc, sizeof *s);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    mutex_lock(&l->lock);
    /* Only a version that another snapshot holds, or the newest, is sure to be whole. */
    bool is_held = version == lsm_visible(l);
    for (const struct lsm_snapshot *o = l->snapshots.next; o != &l->snapshots; o = o->next)
        is_held |= o->version <= version && version <= lsm_visible(l);
    if (is_held) {
        link_snapshot(l, s, version);
        st = status_ok();
    }
    mutex_unlock(&l->lock);
    if (failed(st))
        alloc_free(l->env->alloc, s, sizeof *s);
    else
        *out_snapshot = s;
    return st;
}

uint64_t lsm_snapshot_version(const struct lsm_snapshot *s)
{
    return s->version;
}

void lsm_snapshot_release(struct lsm *l, struct lsm_snapshot *s)
{
    if (s == NULL)
        return;
    mutex_lock(&l->lock);
    s->previous->next = s->next;
    s->next->previous = s->previous;
    l->snapshot_count--;
    mutex_unlock(&l->lock);
    alloc_free(l->env->alloc, s, sizeof *s);
}
