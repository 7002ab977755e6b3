/*
 * lsm -- opening and closing, the current state, ids, failure, numbers.
 */
#include "lsm/internal.h"

#include "base/check.h"
#include "base/rand.h"

#include "lsm/filter.h"

#include <stdarg.h>
#include <stdio.h>

enum { ID_BLOCK = 1024, PAGE_SIZE = 2 << 20 };

/* ---- Options ------------------------------------------------------------------------------ */

static void set_default(uint64_t *value, uint64_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void set_default_u32(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static struct status check_options(const struct lsm_options *o, struct errbuf *err)
{
    if (o->separation_min < 512) {
        errbuf_set(err, "separation_min is %u; at least 512 is expected", o->separation_min);
        return status_of(ST_INVALID);
    }
    if (o->write_buffer_count < 2 || o->write_buffer_count > LSM_MEMTABLES_MAX) {
        errbuf_set(err, "write_buffer_count is %u; 2 to %d is expected", o->write_buffer_count,
                   LSM_MEMTABLES_MAX);
        return status_of(ST_INVALID);
    }
    if (o->level_fanout < 2 || o->l0_slow < o->l0_compact || o->l0_stop <= o->l0_slow) {
        errbuf_set(err, "level_fanout must be 2 or more, and l0_compact <= l0_slow < l0_stop");
        return status_of(ST_INVALID);
    }
    if (o->block_size < LSM_BLOCK_SIZE_MIN || o->block_size > LSM_BLOCK_SIZE_MAX ||
        o->filter_bits > LSM_FILTER_BITS_MAX) {
        errbuf_set(err, "block_size is %u and filter_bits %u; %d to %d and at most %d are expected",
                   o->block_size, o->filter_bits, LSM_BLOCK_SIZE_MIN, LSM_BLOCK_SIZE_MAX,
                   LSM_FILTER_BITS_MAX);
        return status_of(ST_INVALID);
    }
    if (o->table_size > LSM_TABLE_SIZE_MAX) {
        errbuf_set(err, "table_size is %llu; at most %llu is expected",
                   (unsigned long long)o->table_size, (unsigned long long)LSM_TABLE_SIZE_MAX);
        return status_of(ST_INVALID);
    }
    if (o->space_amp_target < 1.05) {
        errbuf_set(err, "space_amp_target is %g; at least 1.05 is expected", o->space_amp_target);
        return status_of(ST_INVALID);
    }
    return status_ok();
}

/* A flush frees all segments of its memtable at once: a pool that holds as many as the log may have
 * never fills a segment twice. */
static uint32_t pool_for(uint64_t log_size, uint64_t segment_size)
{
    uint64_t count = log_size / segment_size;

    return (uint32_t)(count < 4 ? 4 : count > VLOG_POOL_MAX ? VLOG_POOL_MAX : count);
}

static struct status fill_options(struct lsm_options *o, struct errbuf *err)
{
    set_default(&o->log.segment_size, UINT64_C(64) << 20);
    set_default(&o->write_buffer_size, UINT64_C(64) << 20);
    set_default_u32(&o->write_buffer_count, 3);
    set_default(&o->log_size_max, UINT64_C(512) << 20);
    set_default_u32(&o->log.pool_max, pool_for(o->log_size_max, o->log.segment_size));
    set_default_u32(&o->separation_min, 2048);
    set_default_u32(&o->block_size, 4096);
    set_default_u32(&o->filter_bits, 10);
    set_default(&o->table_size, UINT64_C(64) << 20);
    set_default(&o->level_base_size, UINT64_C(256) << 20);
    set_default_u32(&o->level_fanout, 10);
    set_default(&o->manifest_slack, 1 << 20);
    set_default_u32(&o->l0_compact, 4);
    set_default_u32(&o->l0_slow, 20);
    set_default_u32(&o->l0_stop, 36);
    if (o->space_amp_target == 0)
        o->space_amp_target = 1.25;
    set_default(&o->reserve_size, 4 << 20);
    set_default_u32(&o->job_quantum_entries, 2048);
    return check_options(o, err);
}

const struct lsm_options *lsm_options(const struct lsm *l)
{
    return &l->options;
}

/* ---- State and failure -------------------------------------------------------------------- */

void lsm_poison(struct lsm *l, const char *format, ...)
{
    char text[ERRBUF_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mutex_lock(&l->lock);
    if (atomic_load_explicit(&l->failure, memory_order_relaxed) == NULL) {
        errbuf_set(&l->failure_text, "%s", text);
        atomic_store_explicit(&l->failure, l->failure_text.text, memory_order_release);
    }
    mutex_unlock(&l->lock);
}

const char *lsm_failure(const struct lsm *l)
{
    const char *own = atomic_load_explicit(&l->failure, memory_order_acquire);
    if (own != NULL || l->log == NULL)
        return own;
    return vlog_failure(l->log);
}

struct lsm_state *lsm_state_hold(struct lsm *l)
{
    mutex_lock(&l->lock);
    struct lsm_state *s = atomic_load_explicit(&l->state, memory_order_relaxed);
    lsm_state_ref(s);
    mutex_unlock(&l->lock);
    return s;
}

void lsm_state_swap(struct lsm *l, struct lsm_state *next)
{
    struct lsm_state *old = atomic_load_explicit(&l->state, memory_order_relaxed);

    next->number = old == NULL ? 1 : old->number + 1;
    /* Pairs with the readers' acquire: a state is complete before it can be met. */
    atomic_store_explicit(&l->state, next, memory_order_release);
    atomic_store_explicit(&l->frozen_count, next->frozen_count, memory_order_release);
    if (old != NULL)
        epoch_retire(&l->epoch, &old->garbage);
}

uint64_t lsm_floor(struct lsm *l)
{
    mutex_lock(&l->lock);
    uint64_t floor = lsm_visible(l);
    for (const struct lsm_snapshot *s = l->snapshots.next; s != &l->snapshots; s = s->next) {
        if (s->version < floor)
            floor = s->version;
    }
    mutex_unlock(&l->lock);
    return floor;
}

void lsm_notify_work(struct lsm *l)
{
    mutex_lock(&l->lock);
    void (*wake)(void *) = l->wake;
    void *context = l->wake_context;
    mutex_unlock(&l->lock);
    if (wake != NULL)
        wake(context);
}

void lsm_on_work(struct lsm *l, void (*wake)(void *context), void *context)
{
    mutex_lock(&l->lock);
    l->wake = wake;
    l->wake_context = context;
    mutex_unlock(&l->lock);
    vlog_on_work(l->log, wake, context);
}

struct vlog *lsm_log(struct lsm *l)
{
    return l->log;
}

struct status lsm_file_path(const struct lsm *l, const char *name, char *out_path)
{
    return lsm_path(l->dir, name, out_path);
}

struct status lsm_file_create(struct lsm *l, struct lsm_table_meta *meta,
                              struct lsm_file **out_file)
{
    struct lsm_file *f = alloc_zeroed(l->env->alloc, sizeof *f);
    if (f == NULL) {
        lsm_table_meta_deinit(meta, l->env->alloc);
        return status_of(ST_NO_MEMORY);
    }
    f->meta = *meta;
    f->reaper = &l->reaper;
    atomic_init(&f->refs, 1);
    struct status s = lsm_table_open(l->env, l->dir, &f->meta, &f->table);
    if (failed(s)) {
        f->is_obsolete = true;
        lsm_file_unref(f);
        return s;
    }
    *out_file = f;
    return s;
}

/* ---- Ids ---------------------------------------------------------------------------------- */

/*
 * An id is used only when the manifest says that it may have been: marks are persisted a block
 * ahead. A block is asked for while half of the last one is left, by whoever takes an id with a
 * ring of the background; the writer's thread never has to.
 */
struct status lsm_take_id(struct lsm *l, uint64_t *out_id)
{
    struct status s = status_ok();
    mutex_lock(&l->lock);
    if (l->next_id < l->id_mark)
        *out_id = l->next_id++;
    else
        s = status_of(ST_NO_SPACE);
    mutex_unlock(&l->lock);
    return s;
}

static struct status take_log_id(void *context, uint64_t *out_id)
{
    return lsm_take_id(context, out_id);
}

struct status lsm_raise_id_mark(struct lsm *l, struct io_ring *ring)
{
    struct lsm_edit edit;

    mutex_lock(&l->lock);
    bool is_due = l->id_mark - l->next_id < ID_BLOCK / 2;
    uint64_t mark = l->id_mark + ID_BLOCK;
    mutex_unlock(&l->lock);
    if (!is_due)
        return status_ok();
    lsm_edit_init(&edit, l->env->alloc);
    edit.next_id = mark;
    struct status s = lsm_edit_commit(l, ring, &edit, NULL);
    lsm_edit_deinit(&edit);
    return s;
}

uint64_t lsm_clock_mark(struct lsm *l)
{
    mutex_lock(&l->lock);
    uint64_t mark = l->clock_mark;
    mutex_unlock(&l->lock);
    return mark;
}

struct status lsm_raise_clock_mark(struct lsm *l, struct io_ring *ring, uint64_t mark)
{
    struct lsm_edit edit;
    lsm_edit_init(&edit, l->env->alloc);
    edit.clock_mark = mark;
    struct status s = lsm_edit_commit(l, ring, &edit, NULL);
    lsm_edit_deinit(&edit);
    return s;
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* What the manifest adds up to, while it is read. */
struct recovery {
    struct lsm *lsm;
    struct io_ring *ring;
    struct lsm_version *version;
    struct errbuf *err;
    uint64_t manifest_id; /* Of the one that was read; 0: none. */
    bool has_sidecar;
    struct buf sidecar;
};

static struct status recover_edit(void *context, struct lsm_edit *edit)
{
    struct recovery *r = context;
    struct lsm *l = r->lsm;
    struct lsm_version *next;

    for (uint32_t i = 0; i < edit->added_count; i++)
        edit->added[i].file->reaper = &l->reaper;
    TRY(lsm_version_apply(r->version, edit, &next));
    lsm_version_unref(r->version);
    r->version = next;
    if (edit->next_id > l->id_mark)
        l->id_mark = edit->next_id;
    if (edit->clock_mark > l->clock_mark)
        l->clock_mark = edit->clock_mark;
    if (edit->log_start != 0)
        l->flushed.lsn = edit->flushed_lsn;
    if (edit->group_count > 0) {
        memcpy(l->applied, edit->groups, sizeof edit->groups);
        l->applied_count = edit->group_count;
    }
    if (edit->has_sidecar) {
        buf_reset(&r->sidecar);
        buf_append(&r->sidecar, edit->sidecar);
        r->has_sidecar = true;
    }
    mutex_lock(&l->lock);
    struct status s = lsm_keyspaces_admit(l, edit);
    if (s.code != ST_NO_MEMORY)
        lsm_keyspaces_install(l, edit);
    mutex_unlock(&l->lock);
    return s.code == ST_NO_MEMORY || r->sidecar.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

/* Tables named by the final version are opened (which reads nothing). */
static struct status open_tables(struct lsm *l, const struct lsm_version *v, struct errbuf *err)
{
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            struct lsm_file *f = v->levels[i].fences[j].file;
            struct status s = lsm_table_open(l->env, l->dir, &f->meta, &f->table);
            if (failed(s)) {
                errbuf_set(err, "table %08llu.sst, which the manifest names: %s",
                           (unsigned long long)f->meta.id, status_text(s));
                return s.code == ST_NOT_FOUND ? status_of(ST_CORRUPT) : s;
            }
            if (f->meta.version_max > l->last_version)
                l->last_version = f->meta.version_max;
        }
    }
    return status_ok();
}

static struct status begin_manifest(void *recovery);

static struct status open_log(struct lsm *l, struct recovery *r)
{
    const struct lsm_version *v = r->version;
    struct vlog_file *files = alloc_array(l->env->alloc, v->value_file_count + 1, sizeof *files);
    if (files == NULL)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = 0; i < v->value_file_count; i++)
        files[i] = v->value_files[i].file;
    struct vlog_config config = {
        .env = l->env,
        .cache = l->cache,
        .dir = l->dir,
        .options = l->options.log,
        .files = files,
        .file_count = v->value_file_count,
        .replay_from = v->log_start,
        .may_be_missing = v->is_log_fresh,
        .flushed_lsn = l->flushed.lsn,
        .take_file_id = take_log_id,
        .id_context = l,
        .on_read = begin_manifest,
        .read_context = r,
        .err = r->err,
    };
    memcpy(config.store_uuid, l->uuid, sizeof l->uuid);
    l->is_replaying = true;
    struct status s = vlog_open(&config, r->ring, lsm_replay_visit, l, &l->log);
    l->is_replaying = false;
    if (failed(s) && l->failure_text.text[0] != '\0')
        errbuf_set(r->err, "%s", l->failure_text.text);
    alloc_free(l->env->alloc, files, (v->value_file_count + 1) * sizeof *files);
    return s;
}

struct directory {
    const struct lsm *lsm;
    const struct lsm_version *version;
    uint64_t manifest_id;
    bool is_foreign; /* Something that no store has. */
    bool is_empty;   /* Nothing but what a failed creation leaves. */
    char foreign[LSM_NAME_MAX];
};

static bool is_creation_debris(const char *name)
{
    uint64_t id;
    return strcmp(name, "LOCK") == 0 || strcmp(name, "CURRENT.tmp") == 0 ||
           strcmp(name, "RESERVE") == 0 || lsm_name_parse(name, "MANIFEST-", "", &id);
}

static bool look_at_name(void *context, const char *name)
{
    struct directory *d = context;
    uint64_t id;

    if (is_creation_debris(name))
        return true;
    d->is_empty = false;
    if (strcmp(name, "CURRENT") != 0 && !lsm_name_parse(name, "", ".sst", &id) &&
        !vlog_owns_name(name, &id)) {
        d->is_foreign = true;
        (void)snprintf(d->foreign, sizeof d->foreign, "%s", name);
    }
    return true;
}

/* Nothing is written into a directory that is not ours. */
static struct status check_directory(const struct lsm_config *config, bool *out_is_new)
{
    char path[IO_PATH_MAX];
    bool has_current;
    struct directory d = { .is_empty = true };

    TRY(lsm_path(config->dir, "CURRENT", path));
    TRY(io_exists(config->env->io, path, &has_current));
    *out_is_new = !has_current;
    if (has_current && config->error_if_exists) {
        errbuf_set(config->err, "there is one already");
        return status_of(ST_INVALID);
    }
    if (has_current)
        return status_ok();
    struct status s = io_list(config->env->io, config->dir, look_at_name, &d);
    if (s.code == ST_NOT_FOUND && config->create_if_missing) {
        s = io_make_dir(config->env->io, config->dir);
        if (s.code == ST_NOT_FOUND)
            errbuf_set(config->err, "the directory to make it in does not exist");
        return s;
    }
    TRY(s);
    if (d.is_foreign || !d.is_empty) {
        errbuf_set(config->err, "the directory has no CURRENT, but %s: it is no store",
                   d.is_foreign ? d.foreign : "data files");
        return status_of(ST_INVALID);
    }
    if (!config->create_if_missing) {
        errbuf_set(config->err, "the directory is empty");
        return status_of(ST_NOT_FOUND);
    }
    return status_ok();
}

static bool names_table(const struct lsm_version *v, uint64_t id)
{
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            if (v->levels[i].fences[j].file->meta.id == id)
                return true;
        }
    }
    return false;
}

static bool names_value_file(const struct lsm_version *v, uint64_t physical)
{
    for (uint32_t i = 0; i < v->value_file_count; i++) {
        if (v->value_files[i].file.physical == physical)
            return true;
    }
    return false;
}

/* Remove what no manifest names: tables and value files of jobs that a crash cut short, older
 * manifests. Log segments are the log's own. */
static bool remove_orphan(void *context, const char *name)
{
    const struct directory *d = context;
    char path[IO_PATH_MAX];
    uint64_t id;
    bool is_orphan = false;

    if (lsm_name_parse(name, "", ".sst", &id))
        is_orphan = !names_table(d->version, id);
    else if (lsm_name_parse(name, "", ".val", &id))
        is_orphan = !names_value_file(d->version, id);
    else if (lsm_name_parse(name, "MANIFEST-", "", &id))
        is_orphan = id != d->manifest_id;
    else
        is_orphan = strcmp(name, "CURRENT.tmp") == 0;
    if (is_orphan && succeeded(lsm_file_path(d->lsm, name, path)))
        status_ignore(io_unlink(d->lsm->env->io, path), "it is tried again at the next open");
    return true;
}

/* The new manifest is in force: the one that was read is not needed, whatever becomes of this open.
 */
static void remove_manifest(struct lsm *l, uint64_t id)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];

    lsm_manifest_name(id, name, sizeof name);
    if (id != 0 && succeeded(lsm_file_path(l, name, path)))
        status_ignore(io_unlink(l->env->io, path), "an orphan is removed at the next open");
}

/* The log has been read. Before it takes ids for new segments, a durable manifest must say so; and
 * before that was certain to be good, nothing was to be changed. */
static struct status begin_manifest(void *recovery)
{
    const struct recovery *r = recovery;
    struct lsm *l = r->lsm;
    struct lsm_edit snapshot;
    struct buf sidecar;
    uint64_t id;

    l->id_mark += ID_BLOCK;
    TRY(lsm_take_id(l, &id));
    lsm_reserve_give(l); /* A full disk has this much for being opened. */
    buf_init(&sidecar, l->env->alloc, SIZE_MAX / 2);
    mutex_lock(&l->edit_lock);
    struct status s = lsm_edit_snapshot(l, &snapshot, &sidecar);
    if (succeeded(s)) {
        s = lsm_manifest_create(l->env, r->ring, l->dir, id, l->uuid, &snapshot, &l->manifest);
        lsm_edit_deinit(&snapshot);
    }
    mutex_unlock(&l->edit_lock);
    buf_deinit(&sidecar);
    if (succeeded(s))
        remove_manifest(l, r->manifest_id);
    return s;
}

static struct status recover_manifest(struct lsm *l, struct recovery *r)
{
    struct lsm_manifest_head head;
    TRY(lsm_manifest_read(l->env, r->ring, l->dir, r->err, recover_edit, r, &head));
    r->manifest_id = head.id;
    memcpy(l->uuid, head.uuid, sizeof l->uuid);
    l->next_id = l->id_mark;
    memcpy(l->flushed.groups, l->applied, sizeof l->applied);
    l->flushed.group_count = l->applied_count;
    l->flushed.has_sidecar = r->has_sidecar;
    buf_append(&l->flushed.sidecar, buf_bytes(&r->sidecar));
    return l->flushed.sidecar.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

static struct status load_sidecar(struct lsm *l, const struct recovery *r)
{
    if (!l->has_sidecar)
        return status_ok();
    return l->sidecar.load(l->sidecar.context, buf_bytes(&r->sidecar));
}

static struct status set_first_state(struct lsm *l, struct lsm_version *v)
{
    struct lsm_mem *m;
    struct lsm_state *state;

    TRY(lsm_mem_create(l->env, l->pages, &m));
    struct status s = lsm_state_create(l->env->alloc, m, NULL, 0, v, &state);
    lsm_mem_unref(m);
    if (succeeded(s)) {
        mutex_lock(&l->lock);
        lsm_version_note_current(v);
        lsm_state_swap(l, state);
        l->open = m;
        mutex_unlock(&l->lock);
    }
    return s;
}

/* Memtables frozen by the replay get their pins now that the log has segments to show. */
static struct status pin_replayed(struct lsm *l)
{
    struct lsm_state *state = lsm_state_hold(l);
    struct status s = status_ok();
    for (uint32_t i = 0; i < state->frozen_count && succeeded(s); i++)
        s = lsm_mem_pin_segments(l, state->frozen[i]);
    lsm_state_unref(state);
    return s;
}

static void make_uuid(struct lsm *l, const uint8_t *given)
{
    if (given != NULL)
        memcpy(l->uuid, given, sizeof l->uuid);
    else
        rand_entropy(l->uuid, sizeof l->uuid);
}

static struct status recover(struct lsm *l, struct io_ring *ring, struct errbuf *err, bool is_new)
{
    struct recovery r = { .lsm = l, .ring = ring, .err = err };
    struct status s;

    buf_init(&r.sidecar, l->env->alloc, SIZE_MAX / 2);
    s = lsm_version_create_empty(&l->reaper, &r.version);
    if (failed(s))
        goto out;
    if (is_new) {
        l->next_id = 1;
        l->id_mark = 1;
    } else {
        s = recover_manifest(l, &r);
    }
    if (succeeded(s))
        s = open_tables(l, r.version, err);
    if (succeeded(s))
        s = load_sidecar(l, &r);
    if (succeeded(s))
        s = set_first_state(l, r.version);
    if (succeeded(s))
        s = open_log(l, &r);
    if (succeeded(s))
        s = pin_replayed(l);
    if (failed(s))
        goto out;
    struct directory d = { .lsm = l,
                           .version = r.version,
                           .manifest_id = lsm_manifest_id(l->manifest) };
    status_ignore(io_list(l->env->io, l->dir, remove_orphan, &d), "orphans only take space");
    atomic_store(&l->visible, l->last_version);
out:
    lsm_version_unref(r.version);
    buf_deinit(&r.sidecar);
    return s;
}

static struct status open_parts(struct lsm *l, const struct lsm_config *config,
                                struct io_ring *ring)
{
    bool is_new;
    char path[IO_PATH_MAX];

    TRY(fill_options(&l->options, config->err));
    TRY(check_directory(config, &is_new));
    TRY(lsm_file_path(l, "LOCK", path));
    TRY(io_lock_take(l->env->io, path, config->err, &l->lock_file));
    TRY(check_directory(config, &is_new)); /* Somebody may have made it meanwhile. */
    size_t page = l->options.write_buffer_size / 8;
    page = page > PAGE_SIZE ? PAGE_SIZE : page;
    TRY(lsm_page_pool_create(l->env, page < 65536 ? 65536 : page,
                             l->options.write_buffer_size / (page < 65536 ? 65536 : page) *
                                 l->options.write_buffer_count,
                             &l->pages));
    make_uuid(l, config->uuid); /* An old store's is read over it. */
    TRY(recover(l, ring, config->err, is_new));
    status_ignore(lsm_reserve_create(l), "a full disk is no reason not to open");
    return status_ok();
}

struct status lsm_open(const struct lsm_config *config, struct io_ring *ring, struct lsm **out_lsm)
{
    struct alloc *a = config->env->alloc;
    struct lsm *l;
    struct errbuf ignored = { "" };
    struct lsm_config c = *config;

    if (c.err == NULL)
        c.err = &ignored;
    if (strlen(c.dir) + LSM_NAME_MAX >= IO_PATH_MAX)
        return status_of(ST_INVALID);
    l = alloc_aligned(a, 64, sizeof *l);
    if (l == NULL)
        return status_of(ST_NO_MEMORY);
    memset(l, 0, sizeof *l);
    l->env = c.env;
    l->cache = c.cache;
    l->options = c.options;
    (void)snprintf(l->dir, sizeof l->dir, "%s", c.dir);
    if (c.sidecar != NULL) {
        l->sidecar = *c.sidecar;
        l->has_sidecar = true;
    }
    epoch_init(&l->epoch);
    mutex_init(&l->edit_lock, RANK_LSM);
    mutex_init(&l->lock, RANK_MANIFEST);
    l->snapshots.next = &l->snapshots;
    l->snapshots.previous = &l->snapshots;
    l->reaper.alloc = a;
    l->next_keyspace = 1;
    buf_init(&l->flushed.sidecar, a, SIZE_MAX / 2);
    buf_init(&l->range_deletes, a, SIZE_MAX / 2);
    struct status s = open_parts(l, &c, ring);
    if (failed(s)) {
        if (c.err->text[0] == '\0')
            errbuf_set(c.err, "%s", status_text(s));
        errbuf_prefix(c.err, "could not open the store in \"%s\"", c.dir);
        lsm_close(l, ring);
        return s;
    }
    *out_lsm = l;
    return s;
}

void lsm_close(struct lsm *l, struct io_ring *ring)
{
    if (l == NULL)
        return;
    CHECK(l->snapshots.next == &l->snapshots);
    lsm_job_abandon(l->flush);
    lsm_job_abandon(l->compaction);
    l->flush = NULL;
    l->compaction = NULL;
    lsm_state_unref(atomic_exchange(&l->state, NULL));
    epoch_deinit(&l->epoch);
    lsm_reap_at_close(l);
    vlog_close(l->log, ring);
    lsm_manifest_close(l->manifest, ring);
    if (l->pages != NULL)
        lsm_page_pool_destroy(l->pages);
    for (int i = 0; i < LSM_REQUESTS_MAX; i++)
        lsm_request_deinit(l, &l->requests[i]);
    alloc_free(l->env->alloc, l->keyspaces, l->keyspace_capacity * sizeof *l->keyspaces);
    buf_deinit(&l->flushed.sidecar);
    buf_deinit(&l->range_deletes);
    if (l->lock_file != NULL)
        io_lock_drop(l->lock_file);
    mutex_deinit(&l->edit_lock);
    mutex_deinit(&l->lock);
    alloc_free(l->env->alloc, l, sizeof *l);
}
