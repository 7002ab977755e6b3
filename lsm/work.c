/*
 * work -- what the background does next.
 *
 * Priorities: the log's own preparation, flush, L0, rewriting if garbage is far beyond the target,
 * levels, rewriting down to the target. One compaction or rewriting at a time, in quanta, standing
 * still while a flush runs. A user's request comes before what the picker finds. After NO_SPACE the
 * reserve file goes, half of it when the log is in want, the rest when work is: so that deletes can
 * be logged and compaction can free some. Work is tried again after a pause.
 */
#include "lsm/internal.h"

#include "base/check.h"

enum { RETRY_NS = 200 * 1000 * 1000 };

static const char reserve_name[] = "RESERVE";

/* ---- Reaping ------------------------------------------------------------------------------ */

static struct lsm_source *find_source(struct lsm *l, uint64_t logical) REQUIRES(l->lock)
{
    for (struct lsm_source *s = l->sources; s != NULL; s = s->next) {
        if (s->logical == logical)
            return s;
    }
    return NULL;
}

static bool is_pinned(struct lsm *l, uint64_t logical)
{
    mutex_lock(&l->lock);
    const struct lsm_source *s = find_source(l, logical);
    bool pinned = s != NULL && atomic_load_explicit(&s->pins, memory_order_acquire) > 0;
    mutex_unlock(&l->lock);
    return pinned;
}

/* The segment or value file is gone for good: so is its entry. */
static void forget_source(struct lsm *l, uint64_t logical)
{
    mutex_lock(&l->lock);
    for (struct lsm_source **p = &l->sources; *p != NULL; p = &(*p)->next) {
        if ((*p)->logical == logical) {
            struct lsm_source *s = *p;
            *p = s->next;
            alloc_free(l->env->alloc, s, sizeof *s);
            break;
        }
    }
    mutex_unlock(&l->lock);
}

static void reap_files(struct lsm *l)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    struct lsm_file *f =
        atomic_exchange_explicit(&l->reaper.dead_files, NULL, memory_order_acquire);

    while (f != NULL) {
        struct lsm_file *next = f->next_dead;
        uint64_t id = f->meta.id;
        lsm_table_close(f->table);
        if (f->is_obsolete) {
            lsm_table_name(id, name, sizeof name);
            if (succeeded(lsm_file_path(l, name, path)))
                status_ignore(io_unlink(l->env->io, path), "orphans go at the next open");
            cache_erase_files(l->cache, &id, 1);
        }
        lsm_table_meta_deinit(&f->meta, l->env->alloc);
        alloc_free(l->env->alloc, f, sizeof *f);
        f = next;
    }
}

static void reap_values(struct lsm *l)
{
    struct lsm_value_hold *dead =
        atomic_exchange_explicit(&l->reaper.dead_values, NULL, memory_order_acquire);
    while (dead != NULL) {
        struct lsm_value_hold *next = dead->next_dead;
        if (dead->was_current) {
            dead->next_dead = l->dying;
            l->dying = dead;
        } else {
            alloc_free(l->env->alloc, dead, sizeof *dead);
        }
        dead = next;
    }
    for (struct lsm_value_hold **p = &l->dying; *p != NULL;) {
        struct lsm_value_hold *h = *p;
        if (is_pinned(l, h->logical)) {
            p = &h->next_dead;
            continue;
        }
        *p = h->next_dead;
        vlog_drop(l->log, h->logical);
        forget_source(l, h->logical);
        alloc_free(l->env->alloc, h, sizeof *h);
    }
}

/* Segments whose entries are all flushed, and that no memtable leads to. */
static void release_segments(struct lsm *l, struct io_ring *ring)
{
    struct vlog_segment_info infos[16];

    mutex_lock(&l->lock);
    uint64_t flushed_lsn = l->flushed.lsn;
    mutex_unlock(&l->lock);
    for (;;) {
        size_t count = vlog_segments(l->log, infos, 16);
        bool is_any = false;
        for (size_t i = 0; i < count && i < 16; i++) {
            if (infos[i].is_active || infos[i].last_lsn > flushed_lsn || is_pinned(l, infos[i].id))
                continue;
            vlog_release(l->log, ring, infos[i].id);
            forget_source(l, infos[i].id);
            is_any = true;
        }
        if (!is_any)
            return;
    }
}

void lsm_reap(struct lsm *l, struct io_ring *ring)
{
    mutex_lock(&l->lock);
    (void)epoch_collect(&l->epoch);
    mutex_unlock(&l->lock);
    reap_files(l);
    reap_values(l);
    if (l->log != NULL && lsm_failure(l) == NULL)
        release_segments(l, ring);
}

void lsm_reap_at_close(struct lsm *l)
{
    reap_files(l);
    struct lsm_value_hold *dead = atomic_exchange(&l->reaper.dead_values, NULL);
    for (int i = 0; i < 2; i++) {
        while (dead != NULL) {
            struct lsm_value_hold *next = dead->next_dead;
            alloc_free(l->env->alloc, dead, sizeof *dead);
            dead = next;
        }
        dead = l->dying;
        l->dying = NULL;
    }
    while (l->sources != NULL) {
        struct lsm_source *next = l->sources->next;
        alloc_free(l->env->alloc, l->sources, sizeof *l->sources);
        l->sources = next;
    }
}

/* ---- Space -------------------------------------------------------------------------------- */

/* All of it, or what is left of it when the log has had its share. */
static struct status reserve_resize(struct lsm *l, bool is_whole)
{
    char path[IO_PATH_MAX];
    struct io_file *file;

    TRY(lsm_file_path(l, reserve_name, path));
    TRY(io_open(l->env->io, path, IO_READ | IO_WRITE | IO_CREATE, &file));
    struct status s = is_whole ? io_allocate(file, 0, l->options.reserve_size) : status_ok();
    if (failed(s) || !is_whole)
        status_ignore(io_truncate(file, l->has_reserve ? l->options.reserve_size / 2 : 0),
                      "then less is spared");
    io_close(file);
    return s;
}

void lsm_reserve_give(struct lsm *l)
{
    char path[IO_PATH_MAX];

    if (succeeded(lsm_file_path(l, reserve_name, path)))
        status_ignore(io_unlink(l->env->io, path), "then there is nothing to give");
    l->has_reserve = false;
    l->has_lent = false;
}

struct status lsm_reserve_create(struct lsm *l)
{
    if (l->options.reserve_size == UINT64_MAX || (l->has_reserve && !l->has_lent))
        return status_ok();
    struct status s = reserve_resize(l, true);
    if (failed(s) && !l->has_reserve)
        lsm_reserve_give(l);
    if (failed(s))
        return s;
    l->has_reserve = true;
    l->has_lent = false;
    return s;
}

void lsm_note_full(struct lsm *l)
{
    atomic_store_explicit(&l->is_out_of_space, true, memory_order_relaxed);
    atomic_store_explicit(&l->is_log_full, true, memory_order_relaxed);
    lsm_notify_work(l);
}

/* Half of the reserve is for the log's deletes, once it has come to take it; the other half is for
 * flushing them. */
static void lend_to_log(struct lsm *l, uint64_t now_ns)
{
    if (!atomic_exchange_explicit(&l->is_log_full, false, memory_order_relaxed) ||
        !l->has_reserve || l->has_lent)
        return;
    status_ignore(reserve_resize(l, false), "then the log waits");
    l->has_lent = true;
    l->space_retry_ns = now_ns + RETRY_NS;
}

/* A job failed. Want of space or memory passes; the rest is for good. */
static void note_failure(struct lsm *l, const char *what, struct status s, const char *words,
                         uint64_t now_ns)
{
    if (s.code == ST_NO_SPACE) {
        atomic_store_explicit(&l->is_out_of_space, true, memory_order_relaxed);
        if (l->has_reserve)
            lsm_reserve_give(l);
        l->space_retry_ns = now_ns + RETRY_NS;
    } else if (s.code == ST_NO_MEMORY) {
        l->space_retry_ns = now_ns + RETRY_NS;
    } else {
        lsm_poison(l, "%s failed: %s%s%s (%s:%u)", what, status_name(s.code),
                   words[0] != '\0' ? ": " : "", words, s.file, s.line);
    }
}

static void note_success(struct lsm *l)
{
    if (!atomic_load_explicit(&l->is_out_of_space, memory_order_relaxed))
        return;
    /* Space is back when the reserve fits again. */
    if (succeeded(lsm_reserve_create(l)))
        atomic_store_explicit(&l->is_out_of_space, false, memory_order_relaxed);
}

/* ---- Choosing ----------------------------------------------------------------------------- */

static struct lsm_mem *oldest_frozen(struct lsm *l)
{
    struct lsm_state *state = lsm_state_hold(l);
    struct lsm_mem *m = state->frozen_count == 0 ? NULL : state->frozen[state->frozen_count - 1];
    if (m != NULL)
        lsm_mem_ref(m);
    lsm_state_unref(state);
    return m;
}

static struct status start_flush(struct lsm *l, struct io_ring *ring)
{
    struct lsm_mem *m = oldest_frozen(l);
    if (m == NULL)
        return status_of(ST_NOT_FOUND);
    struct status s = lsm_flush_create(l, ring, m, &l->flush);
    lsm_mem_unref(m);
    return s;
}

/* The active request, or NULL. */
static struct lsm_compact_request *active_request(struct lsm *l) REQUIRES(l->lock)
{
    struct lsm_compact_request *oldest = NULL;
    for (int i = 0; i < LSM_REQUESTS_MAX; i++) {
        struct lsm_compact_request *r = &l->requests[i];
        if (r->is_active && (oldest == NULL || r->ticket < oldest->ticket))
            oldest = r;
    }
    return oldest;
}

static struct status pick_request(struct lsm *l, const struct lsm_version *v,
                                  struct lsm_compaction *out)
{
    struct status s = status_of(ST_NOT_FOUND);

    mutex_lock(&l->lock);
    for (;;) {
        struct lsm_compact_request *r = active_request(l);
        if (r == NULL)
            break;
        s = lsm_pick_range(v, &l->options, l->env->alloc, r, out);
        if (s.code != ST_NOT_FOUND)
            break;
        r->is_active = false;
        atomic_store_explicit(&l->compacted_ticket, r->ticket, memory_order_release);
        lsm_request_deinit(l, r);
    }
    mutex_unlock(&l->lock);
    return s;
}

static bool is_value_pinned(void *context, uint64_t logical)
{
    return is_pinned(context, logical);
}

/* A rewriting copies what the current version refers to. A reader that loaded an older one may be
 * on its way to a value that is not among them, and no snapshot says so: wait until it has left. */
static bool have_old_readers_left(struct lsm *l)
{
    mutex_lock(&l->lock);
    uint64_t since = l->version_since;
    mutex_unlock(&l->lock);
    return epoch_oldest(&l->epoch) >= since;
}

/* OK with l->compaction set to a rewriting; NOT_FOUND if none is due at this amplification. */
static struct status start_rewrite(struct lsm *l, struct io_ring *ring, const struct lsm_version *v,
                                   double space_amp)
{
    uint64_t logical;

    if (!lsm_pick_rewrite(v, space_amp, is_value_pinned, l, &logical) || !have_old_readers_left(l))
        return status_of(ST_NOT_FOUND);
    return lsm_rewrite_create(l, ring, logical, &l->compaction);
}

/* From here on rewriting comes before the levels: twice the garbage that the target allows. Without
 * it, levels that never come to rest would keep all of it. */
static double critical_amp(const struct lsm *l)
{
    return 2 * l->options.space_amp_target - 1;
}

/* OK with l->compaction set, or NOT_FOUND. */
static struct status start_compaction(struct lsm *l, struct io_ring *ring)
{
    struct lsm_compaction what;
    struct lsm_state *state = lsm_state_hold(l);
    struct lsm_options o = l->options;
    struct status s = pick_request(l, state->version, &what);

    if (atomic_load_explicit(&l->is_out_of_space, memory_order_relaxed))
        o.l0_compact = 1; /* The newest table has the deletes that free the most. */
    if (s.code == ST_NOT_FOUND)
        s = lsm_pick(state->version, &o, l->env->alloc, &what);
    bool is_due = succeeded(s);
    if (s.code == ST_NOT_FOUND)
        s = start_rewrite(l, ring, state->version, l->options.space_amp_target);
    else if (is_due && what.level > 0)
        s = start_rewrite(l, ring, state->version, critical_amp(l));
    if (is_due && (what.level == 0 || s.code == ST_NOT_FOUND))
        s = lsm_compact_create(l, ring, &what, &l->compaction);
    else if (is_due)
        lsm_compaction_deinit(&what, l->env->alloc);
    lsm_state_unref(state);
    return s;
}

static void run_job(struct lsm *l, struct lsm_job **job, struct io_ring *ring, uint64_t now_ns)
{
    struct status s = status_ok();
    enum lsm_job_step step = lsm_job_step(*job, ring, &s);

    if (step == LSM_JOB_AGAIN)
        return;
    const char *name = (*job)->name;
    struct errbuf words = *(*job)->err;
    lsm_job_abandon(*job);
    *job = NULL;
    if (step == LSM_JOB_FAILED)
        note_failure(l, name, s, words.text, now_ns);
    else
        note_success(l);
    lsm_reap(l, ring);
}

enum lsm_step lsm_work_step(struct lsm *l, struct io_ring *ring, uint64_t now_ns)
{
    if (lsm_failure(l) != NULL)
        return LSM_BROKEN;
    lend_to_log(l, now_ns);
    enum vlog_step log = vlog_work_step(l->log, ring, now_ns);
    if (log == VLOG_BROKEN)
        return LSM_BROKEN;
    if (now_ns < l->space_retry_ns)
        return LSM_BROKEN;
    struct status ids = lsm_raise_id_mark(l, ring);
    if (failed(ids)) {
        note_failure(l, "edit", ids, "", now_ns);
        return LSM_BROKEN;
    }
    /* Said before the inputs are marked busy, so that lsm_is_settled never sees neither. */
    atomic_store_explicit(&l->is_job_running, true, memory_order_release);
    if (l->flush == NULL) {
        struct status s = start_flush(l, ring);
        if (failed(s) && s.code != ST_NOT_FOUND)
            note_failure(l, "flush", s, "", now_ns);
    }
    if (l->flush == NULL && l->compaction == NULL) {
        struct status s = start_compaction(l, ring);
        if (failed(s) && s.code != ST_NOT_FOUND && s.code != ST_AGAIN)
            note_failure(l, "compaction", s, "", now_ns);
    }
    atomic_store_explicit(&l->is_job_running, l->flush != NULL || l->compaction != NULL,
                          memory_order_release);
    if (l->flush != NULL)
        run_job(l, &l->flush, ring, now_ns);
    else if (l->compaction != NULL)
        run_job(l, &l->compaction, ring, now_ns);
    else {
        lsm_reap(l, ring);
        note_success(l);
        return log == VLOG_IDLE ? LSM_IDLE : LSM_AGAIN;
    }
    return lsm_failure(l) != NULL ? LSM_BROKEN : LSM_AGAIN;
}

enum lsm_job_step lsm_job_step(struct lsm_job *job, struct io_ring *ring, struct status *out_status)
{
    return job->step(job, ring, out_status);
}

void lsm_job_abandon(struct lsm_job *job)
{
    if (job != NULL)
        job->destroy(job);
}

/* ---- Requests ----------------------------------------------------------------------------- */

void lsm_request_deinit(struct lsm *l, struct lsm_compact_request *r)
{
    alloc_free(l->env->alloc, r->begin, r->begin_size);
    alloc_free(l->env->alloc, r->end, r->end_size);
    *r = (struct lsm_compact_request) { 0 };
}

static struct status copy_bound(struct lsm *l, struct bytes b, uint8_t **out, size_t *out_size)
{
    uint8_t *p = alloc_bytes(l->env->alloc, b.size);
    if (p == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(p, b.data, b.size);
    *out = p;
    *out_size = b.size;
    return status_ok();
}

struct status lsm_compact(struct lsm *l, uint32_t keyspace, struct bytes begin, struct bytes end,
                          uint64_t *out_ticket)
{
    uint8_t first[VARINT_MAX + 1];
    uint8_t *key;
    struct lsm_compact_request r = { .is_active = true };
    struct lsm_compact_request *slot = NULL;

    if (keyspace > LSM_KEYSPACE_MAX || begin.size > LSM_USER_KEY_MAX || end.size > LSM_USER_KEY_MAX)
        return status_of(ST_INVALID);
    key = alloc_bytes(l->env->alloc, LSM_KEY_MAX);
    if (key == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = copy_bound(l, lsm_key_compose(key, keyspace, begin), &r.begin, &r.begin_size);
    if (succeeded(s))
        s = copy_bound(l,
                       end.size > 0 ? lsm_key_compose(key, keyspace, end)
                                    : lsm_keyspace_end(first, keyspace),
                       &r.end, &r.end_size);
    alloc_free(l->env->alloc, key, LSM_KEY_MAX);
    mutex_lock(&l->lock);
    for (int i = 0; i < LSM_REQUESTS_MAX && slot == NULL; i++)
        slot = l->requests[i].is_active ? NULL : &l->requests[i];
    if (succeeded(s) && slot == NULL)
        s = status_of(ST_BUSY);
    if (succeeded(s)) {
        r.ticket = ++l->requested_ticket;
        *slot = r;
        *out_ticket = r.ticket;
    }
    mutex_unlock(&l->lock);
    if (failed(s))
        lsm_request_deinit(l, &r);
    else
        lsm_notify_work(l);
    return s;
}

uint64_t lsm_compacted(const struct lsm *l)
{
    return atomic_load_explicit(&l->compacted_ticket, memory_order_acquire);
}

bool lsm_is_settled(struct lsm *l)
{
    struct lsm_compaction what;
    uint64_t logical;
    struct lsm_state *state = lsm_state_hold(l);
    bool is_due = state->frozen_count > 0;

    mutex_lock(&l->lock);
    is_due |= active_request(l) != NULL;
    mutex_unlock(&l->lock);
    if (!is_due) {
        struct status s = lsm_pick(state->version, &l->options, l->env->alloc, &what);
        if (succeeded(s))
            lsm_compaction_deinit(&what, l->env->alloc);
        is_due =
            s.code != ST_NOT_FOUND || lsm_pick_rewrite(state->version, l->options.space_amp_target,
                                                       is_value_pinned, l, &logical);
    }
    lsm_state_unref(state);
    return !is_due && !atomic_load_explicit(&l->is_job_running, memory_order_acquire);
}
