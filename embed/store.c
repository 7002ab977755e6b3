#include "embed/internal.h"

#include "base/check.h"
#include "base/rand.h"

#include "embed/options.h"

#include <limits.h>
#include <stdio.h>

enum {
    OTHER_MEMORY = 64 << 20,
    LARGEST_IMAGE = 64 << 20, /* Of a batch, in the log's tail. */
    FULL_WAIT_NS = 1000 * 1000 * 1000,
    IDLE_WAIT_NS = 1000 * 1000 * 1000,
    BROKEN_WAIT_NS = 100 * 1000 * 1000
};

const char *varve_version(void)
{
    return "0.1.0";
}

/* ---- Errors ------------------------------------------------------------------------------- */

const char *varve_code_name(enum varve_code code)
{
    static const char *const names[] = { "ok",        "not found",   "invalid",   "busy",
                                         "limit",     "no space",    "no memory", "corrupt",
                                         "I/O error", "unsupported", "failed" };
    return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "unknown code";
}

static enum varve_code code_of(enum status_code code)
{
    switch (code) {
    case ST_OK:
        return VARVE_OK;
    case ST_NOT_FOUND:
        return VARVE_NOT_FOUND;
    case ST_BUSY:
        return VARVE_BUSY;
    case ST_LIMIT:
        return VARVE_LIMIT;
    case ST_NO_SPACE:
        return VARVE_NO_SPACE;
    case ST_NO_MEMORY:
        return VARVE_NO_MEMORY;
    case ST_CORRUPT:
        return VARVE_CORRUPT;
    case ST_UNSUPPORTED:
        return VARVE_UNSUPPORTED;
    case ST_FAILED:
    case ST_CANCELLED:
        return VARVE_FAILED;
    case ST_INVALID:
    case ST_CONFLICT:
    case ST_NOT_LEADER:
    case ST_AGAIN:
        return VARVE_INVALID;
    case ST_IO:
        break;
    }
    return VARVE_IO;
}

enum varve_code embed_error(struct varve_error *error, struct status s, const char *what,
                            const char *detail)
{
    enum varve_code code = code_of(s.code);
    if (error == NULL || code == VARVE_OK)
        return code;
    error->code = code;
    if (s.code == ST_NO_MEMORY)
        detail = "no memory: what memory_limit allows, or what the machine has, is in use";
    else if (s.code == ST_NO_SPACE && detail == NULL)
        detail = "the disk is full";
    if (what == NULL)
        (void)snprintf(error->text, sizeof error->text, "%s", detail);
    else if (detail != NULL && detail[0] != '\0')
        (void)snprintf(error->text, sizeof error->text, "%s: %s", what, detail);
    else
        (void)snprintf(error->text, sizeof error->text, "%s: %s", what, status_text(s));
    return code;
}

void embed_not_found(struct varve_error *error)
{
    if (error != NULL) {
        error->code = VARVE_NOT_FOUND;
        error->text[0] = '\0';
    }
}

enum varve_code embed_invalid(struct varve_error *error, const char *text)
{
    if (error != NULL) {
        error->code = VARVE_INVALID;
        (void)snprintf(error->text, sizeof error->text, "%s", text);
    }
    return VARVE_INVALID;
}

enum varve_code embed_check(const struct varve *store, struct varve_error *error)
{
    if (store == NULL)
        return embed_invalid(error, "the store is NULL");
    if (!atomic_load_explicit(&store->is_open, memory_order_acquire))
        return embed_invalid(error, "the store is closed");
    return VARVE_OK;
}

enum varve_code embed_check_key(const void *key, size_t size, struct varve_error *error)
{
    if (key == NULL && size > 0)
        return embed_invalid(error, "the key is NULL");
    if (size > LSM_USER_KEY_MAX) {
        if (error != NULL) {
            error->code = VARVE_LIMIT;
            (void)snprintf(error->text, sizeof error->text,
                           "the key has %zu bytes; at most %d are allowed", size,
                           (int)LSM_USER_KEY_MAX);
        }
        return VARVE_LIMIT;
    }
    return VARVE_OK;
}

enum varve_code embed_check_snapshot(const struct varve *store,
                                     const struct varve_snapshot *snapshot,
                                     struct varve_error *error)
{
    if (snapshot != NULL && snapshot->store != store)
        return embed_invalid(error, "the snapshot is of another store");
    return VARVE_OK;
}

const char *embed_failure(const struct varve *v)
{
    return lsm_failure(v->lsm);
}

/* ---- The background ----------------------------------------------------------------------- */

static void wake_background(void *context)
{
    struct varve *v = context;
    io_ring_wake(v->background_ring);
}

static void note_progress(struct varve *v)
{
    atomic_fetch_add_explicit(&v->progress, 1, memory_order_release);
    futex_wake(&v->progress, INT_MAX);
}

/* Work while there is some; then write the idle seal; then sleep until woken or the seal is due. */
static void run_background(void *context)
{
    struct varve *v = context;
    while (!atomic_load_explicit(&v->is_stopping, memory_order_acquire)) {
        uint64_t now = clock_ns(v->env.clock);
        status_ignore(txn_clock_keep_ahead(&v->commit.pipeline.clock, v->background_ring),
                      "a leader who needs it says so");
        enum lsm_step step = lsm_work_step(v->lsm, v->background_ring, now);
        if (step == LSM_AGAIN) {
            note_progress(v);
            continue;
        }
        uint64_t until = now + (step == LSM_BROKEN ? BROKEN_WAIT_NS : IDLE_WAIT_NS);
        uint64_t idle = embed_commit_idle(v, now);
        note_progress(v);
        io_ring_wait(v->background_ring, idle < until ? idle : until);
    }
}

/* The disk is full: the background tries again by itself, now and then. */
static bool is_out_of_space(struct varve *v)
{
    uint64_t delay_ns;
    return lsm_admit(v->lsm, 0, false, &delay_ns).code == ST_NO_SPACE;
}

static void wait_progress(struct varve *v)
{
    uint32_t seen = atomic_load_explicit(&v->progress, memory_order_acquire);
    if (!is_out_of_space(v))
        wake_background(v);
    futex_wait(&v->progress, seen);
}

/* ---- Open --------------------------------------------------------------------------------- */

static void init_env(struct varve *v)
{
    const struct varve_options *o = &v->options;
    uint64_t memory = o->memory_limit;
    if (memory == 0) {
        /* The log's tail is two images, and a third while one grows. */
        uint64_t image = o->log_segment_size > LARGEST_IMAGE ? o->log_segment_size : LARGEST_IMAGE;
        memory =
            o->cache_size + o->write_buffer_size * o->write_buffer_count + 3 * image + OTHER_MEMORY;
    }
    budget_init(&v->budget, memory);
    v->env = (struct env) { .alloc = alloc_heap(),
                            .clock = clock_system(),
                            .io = v->io,
                            .budget = &v->budget,
                            .log = log_none() };
}

static struct lsm_options lsm_options_of(const struct varve_options *o)
{
    return (struct lsm_options) {
        .log = { .mode = o->durability == VARVE_RELAXED ? VLOG_RELAXED : VLOG_DURABLE,
                 .segment_size = o->log_segment_size },
        .write_buffer_size = o->write_buffer_size,
        .write_buffer_count = o->write_buffer_count,
        .log_size_max = o->log_size_max,
        .separation_min = o->value_separation_min,
        .block_size = o->block_size,
        .filter_bits = o->filter_bits,
        .table_size = o->table_size,
        .level_base_size = o->level_base_size,
        .level_fanout = o->level_fanout,
        .l0_compact = o->level0_compact,
        .space_amp_target = o->space_amp_target,
    };
}

static struct status open_store(struct varve *v, const char *path, struct errbuf *err)
{
    const struct io_ring_options ring = { .entries = 64 };
    struct cache_options cache = { .size_bytes = v->options.cache_size };

    rand_entropy(&cache.seed, sizeof cache.seed);
    TRY(cache_create(&v->env, &cache, &v->cache));
    TRY(io_ring_create(v->io, &ring, &v->background_ring));
    const struct lsm_config config = {
        .env = &v->env,
        .cache = v->cache,
        .dir = path,
        .options = lsm_options_of(&v->options),
        .create_if_missing = v->options.create_if_missing,
        .error_if_exists = v->options.error_if_exists,
        .err = err,
    };
    TRY(lsm_open(&config, v->background_ring, &v->lsm));
    TRY(embed_commit_init(v));
    lsm_on_work(v->lsm, wake_background, v);
    embed_keyspaces_init(v);
    return thread_start("varve-work", run_background, v, &v->background);
}

static void stop_background(struct varve *v)
{
    if (v->background == NULL)
        return;
    atomic_store_explicit(&v->is_stopping, true, memory_order_release);
    wake_background(v);
    thread_join(v->background);
    v->background = NULL;
}

/* Takes a half-open store. */
static void close_store(struct varve *v)
{
    stop_background(v);
    if (v->lsm != NULL) {
        embed_slots_deinit(v);
        lsm_close(v->lsm, v->background_ring);
        embed_commit_deinit(v);
        v->lsm = NULL;
    }
    io_ring_destroy(v->background_ring);
    v->background_ring = NULL;
    cache_destroy(v->cache);
    v->cache = NULL;
    io_close_machine(v->io);
    v->io = NULL;
    mutex_deinit(&v->lock);
}

enum varve_code varve_open(const char *path, const struct varve_options *options,
                           struct varve **out_store, struct varve_error *error)
{
    struct varve_options defaults;
    struct errbuf err = { "" };

    if (path == NULL || path[0] == '\0' || out_store == NULL)
        return embed_invalid(error, "path is NULL or empty, or out_store is NULL");
    varve_options_init(&defaults);
    if (options != NULL)
        defaults = *options;
    enum varve_code code = embed_options_check(&defaults, error);
    if (code != VARVE_OK)
        return code;
    struct alloc *a = alloc_heap();
    struct varve *v = alloc_aligned(a, 64, sizeof *v);
    if (v == NULL)
        return embed_error(error, status_of(ST_NO_MEMORY), "open", NULL);
    memset(v, 0, sizeof *v);
    v->options = defaults;
    struct status s = io_open_machine(
        a, defaults.io == VARVE_IO_POSIX ? IO_KIND_POSIX : IO_KIND_URING, &v->io, &v->io_why);
    if (failed(s)) {
        alloc_free(a, v, sizeof *v);
        return embed_error(error, s, "open", NULL);
    }
    mutex_init(&v->lock, RANK_EMBED);
    init_env(v);
    s = open_store(v, path, &err);
    if (failed(s)) {
        close_store(v);
        alloc_free(a, v, sizeof *v);
        return embed_error(error, s, err.text[0] == '\0' ? "open" : NULL, err.text);
    }
    atomic_store_explicit(&v->is_open, true, memory_order_release);
    *out_store = v;
    return VARVE_OK;
}

enum varve_code varve_close(struct varve *store, struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (atomic_load_explicit(&store->held, memory_order_acquire) > 0)
        return embed_error(error, status_of(ST_BUSY), "close",
                           "iterators, snapshots, batches or pinned values are still held");
    atomic_store_explicit(&store->is_open, false, memory_order_release);
    close_store(store);
    return VARVE_OK;
}

void varve_free(struct varve *store)
{
    if (store == NULL)
        return;
    if (atomic_load_explicit(&store->is_open, memory_order_acquire)) {
        CHECK(atomic_load_explicit(&store->held, memory_order_acquire) == 0);
        atomic_store_explicit(&store->is_open, false, memory_order_release);
        close_store(store);
    }
    alloc_free(alloc_heap(), store, sizeof *store);
}

/* ---- Care --------------------------------------------------------------------------------- */

/* A call that waits for the background. */
struct patience {
    uint64_t full_since_ns; /* The disk; 0: it is not. */
};

/* Wait for some progress. Fails when there will be none: the store has failed, or the disk is full
 * and stays so. */
static struct status wait_some(struct varve *v, struct patience *p)
{
    uint64_t now = clock_ns(v->env.clock);

    if (embed_failure(v) != NULL)
        return status_of(ST_FAILED);
    if (!is_out_of_space(v))
        p->full_since_ns = 0;
    else if (p->full_since_ns == 0)
        p->full_since_ns = now;
    else if (now - p->full_since_ns > FULL_WAIT_NS)
        return status_of(ST_NO_SPACE);
    wait_progress(v);
    return status_ok();
}

static enum varve_code care_error(struct varve *v, struct status s, const char *what,
                                  struct varve_error *error)
{
    const char *why = s.code == ST_FAILED     ? embed_failure(v)
                      : s.code == ST_NO_SPACE ? "the disk is full; it goes on when there is space"
                                              : NULL;
    return embed_error(error, s, what, why);
}

static enum varve_code wait_until(struct varve *v,
                                  bool (*is_done)(struct varve *v, uint64_t ticket),
                                  uint64_t ticket, const char *what, struct varve_error *error)
{
    struct patience p = { .full_since_ns = 0 };
    struct status s = status_ok();

    while (succeeded(s) && !is_done(v, ticket))
        s = wait_some(v, &p);
    return care_error(v, s, what, error);
}

static bool is_flushed(struct varve *v, uint64_t ticket)
{
    return lsm_flushed(v->lsm) >= ticket;
}

static bool is_compacted(struct varve *v, uint64_t ticket)
{
    return lsm_compacted(v->lsm) >= ticket;
}

static bool is_settled(struct varve *v, uint64_t ticket)
{
    (void)ticket;
    return lsm_is_settled(v->lsm);
}

enum varve_code varve_flush(struct varve *store, struct varve_error *error)
{
    uint64_t ticket;
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    struct patience p = { .full_since_ns = 0 };
    struct status s = embed_freeze(store, &ticket);
    while (s.code == ST_BUSY) { /* Too many wait for their flush. */
        s = wait_some(store, &p);
        if (succeeded(s))
            s = embed_freeze(store, &ticket);
    }
    if (failed(s))
        return care_error(store, s, "flush", error);
    return wait_until(store, is_flushed, ticket, "flush", error);
}

enum varve_code varve_compact(struct varve *store, varve_keyspace keyspace, const void *begin,
                              size_t begin_size, const void *end, size_t end_size,
                              struct varve_error *error)
{
    uint64_t ticket;
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK)
        code = embed_check_keyspace(store, keyspace, NULL, error);
    if (code == VARVE_OK)
        code = embed_check_key(begin, begin_size, error);
    if (code == VARVE_OK)
        code = embed_check_key(end, end_size, error);
    if (code == VARVE_OK)
        code = varve_flush(store, error);
    if (code != VARVE_OK)
        return code;
    const struct bytes from = bytes_of(begin, begin_size);
    const struct bytes to = bytes_of(end, end_size);
    struct patience p = { .full_since_ns = 0 };
    struct status s = lsm_compact(store->lsm, keyspace, from, to, &ticket);
    while (s.code == ST_BUSY) { /* Too many requests at a time. */
        s = wait_some(store, &p);
        if (succeeded(s))
            s = lsm_compact(store->lsm, keyspace, from, to, &ticket);
    }
    if (failed(s))
        return care_error(store, s, "compact", error);
    return wait_until(store, is_compacted, ticket, "compact", error);
}

enum varve_code varve_settle(struct varve *store, struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    return code != VARVE_OK ? code : wait_until(store, is_settled, 0, "settle", error);
}

enum varve_code varve_checkpoint(struct varve *store, const char *target, struct varve_error *error)
{
    struct errbuf err = { "" };
    struct embed_slot *slot;

    if (target == NULL || target[0] == '\0')
        return embed_invalid(error, "target is NULL or empty");
    enum varve_code code = varve_flush(store, error);
    if (code != VARVE_OK)
        return code;
    struct status s = embed_slot_take(store, &slot);
    if (succeeded(s)) {
        s = lsm_checkpoint(store->lsm, slot->ring, target, &err);
        embed_slot_give(slot);
    }
    return embed_error(error, s, "checkpoint", err.text);
}

enum varve_code varve_verify(struct varve *store, struct varve_error *error)
{
    struct errbuf err = { "" };
    struct embed_slot *slot;
    enum varve_code code = embed_check(store, error);

    if (code != VARVE_OK)
        return code;
    struct status s = embed_slot_take(store, &slot);
    if (succeeded(s)) {
        s = lsm_verify(store->lsm, slot->ring, &err);
        embed_slot_give(slot);
    }
    return embed_error(error, s, "verify", err.text);
}

/* ---- Numbers ------------------------------------------------------------------------------ */

static void add_cache(struct varve *v, struct varve_statistics *out)
{
    struct cache_stats c;
    cache_stats(v->cache, &c);
    for (int i = 0; i < FETCH_KINDS; i++) {
        out->cache_hits += c.hits[i];
        out->cache_misses += c.misses[i];
    }
    out->cache_bytes = c.held_bytes;
}

static void add_log(struct varve *v, struct varve_statistics *out)
{
    struct vlog_stats l;
    vlog_stats(lsm_log(v->lsm), &l);
    out->log_bytes_written = l.written_bytes;
    out->segments_recycled = l.segments_recycled;
    out->log_rolls = l.rolls;
    out->log_bytes = vlog_log_bytes(lsm_log(v->lsm));
}

static void add_tree(struct varve *v, struct varve_statistics *out)
{
    struct lsm_stats t;
    lsm_stats(v->lsm, &t);
    out->keys_written = t.entries_applied;
    out->user_bytes = t.user_bytes;
    out->flushes = t.flushes;
    out->flush_bytes = t.flush_bytes;
    out->compactions = t.compactions;
    out->trivial_moves = t.trivial_moves;
    out->compaction_bytes_read = t.compact_read_bytes;
    out->compaction_bytes_written = t.compact_written_bytes;
    out->rewrites = t.rewrites;
    out->rewrite_bytes = t.rewrite_written_bytes;
    out->segments_adopted = t.segments_adopted;
    out->stall_us = t.stalled_ns / 1000;
    out->memtable_bytes = t.memtable_bytes;
    for (int i = 0; i < LSM_LEVELS; i++) {
        out->table_files[i] = t.levels[i].files;
        out->table_bytes[i] = t.levels[i].bytes;
    }
    out->value_files = t.value_files;
    out->value_file_bytes = t.value_file_bytes;
    out->value_live_bytes = t.value_live_bytes;
    out->disk_bytes = t.disk_bytes;
    out->live_bytes = t.live_data_bytes;
    out->snapshots = t.snapshots;
    out->stall_reason = t.stall_reason;
}

enum varve_code varve_statistics(struct varve *store, struct varve_statistics *out,
                                 struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (out == NULL)
        return embed_invalid(error, "out is NULL");
    *out = (struct varve_statistics) { .io = io_kind_name(io_kind(store->io)) };
    add_tree(store, out);
    add_log(store, out);
    add_cache(store, out);
    out->memory_bytes = atomic_load_explicit(&store->budget.total_bytes, memory_order_relaxed);
    out->memory_peak_bytes = atomic_load_explicit(&store->budget.peak_bytes, memory_order_relaxed);
    out->failure = lsm_failure(store->lsm);
    return VARVE_OK;
}
