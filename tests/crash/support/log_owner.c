#include "tests/crash/support/log_owner.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"

enum {
    CACHE_BYTES = 256 * 1024,
    BODY_SIZE = 48, /* index, run, shape, then bytes that follow from them */
    BIG_VALUE = 1500,
    VALUE_SIZE_MAX = BIG_VALUE,
    GROUP = 1,
    TERM = 5,
    SEGMENTS_MAX = 64,
};
static const uint8_t STORE[16] = "a simulated log";

/* ---- Entries ------------------------------------------------------------------------------ */

static uint32_t value_count(enum owner_shape shape)
{
    return shape == OWNER_BIG ? OWNER_VALUES_MAX : 0;
}

/* The second value is short and of an odd length. */
static size_t value_size(uint32_t which)
{
    return which == 0 ? BIG_VALUE : 517;
}

static void fill(uint8_t *to, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_u64(seed + i);
        memcpy(to + i, &word, size - i < 8 ? size - i : 8);
    }
}

static uint64_t seed_of(uint64_t index, uint32_t run, uint32_t which)
{
    return hash_u64(index * 1024 + run * 8 + which + 1);
}

static void make_body(uint8_t *body, uint64_t index, uint32_t run, enum owner_shape shape)
{
    put_u64(body, index);
    put_u32(body + 8, run);
    put_u32(body + 12, (uint32_t)shape);
    fill(body + 16, BODY_SIZE - 16, seed_of(index, run, 7));
}

static bool is_value(struct bytes value, uint64_t index, uint32_t run, uint32_t which)
{
    uint8_t expected[VALUE_SIZE_MAX];

    if (value.size != value_size(which))
        return false;
    fill(expected, value.size, seed_of(index, run, which));
    return memcmp(expected, value.data, value.size) == 0;
}

/* ---- Marks and versions -----------------------------------------------------------------------
 */

void owner_history_deinit(struct owner_history *h)
{
    free(h->versions);
}

void owner_marks_add(struct owner_marks *m, const struct io_sim_mark *mark)
{
    struct {
        const char *word;
        uint64_t *number;
    } const numbers[] = { { "manifest", &m->version }, { "id", &m->id },
                          { "staged", &m->staged },    { "ack", &m->acked },
                          { "durable", &m->durable },  { "term", &m->term } };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(mark->word, numbers[i].word) == 0)
            *numbers[i].number = mark->number;
    if (strcmp(mark->word, "opened") == 0) {
        CHECK(m->run_count < OWNER_RUNS_MAX);
        m->run_ends[m->run_count++] = mark->number;
        m->staged = mark->number; /* What else was staged before is void, */
        if (m->acked > mark->number)
            m->acked = mark->number; /* and what was acknowledged and not durable may be lost. */
    }
}

static void mark(struct log_owner *o, const char *word, uint64_t number)
{
    struct io_sim_mark m = { .word = word, .number = number };

    owner_marks_add(&o->marks, &m);
    io_sim_mark(o->sim, word, number);
}

/* The version in o->now becomes durable. */
static void commit(struct log_owner *o)
{
    struct owner_history *h = o->history;

    if (h->count == h->capacity) {
        h->capacity = h->capacity == 0 ? 8 : 2 * h->capacity;
        h->versions = realloc(h->versions, h->capacity * sizeof *h->versions);
        CHECK(h->versions != NULL);
    }
    h->versions[h->count++] = o->now;
    mark(o, "manifest", h->count - 1);
}

/* ---- Opening ------------------------------------------------------------------------------ */

static struct status take_id(void *context, uint64_t *out_id)
{
    struct log_owner *o = context;

    *out_id = o->marks.id + 1;
    mark(o, "id", *out_id);
    return status_ok();
}

/* The run that wrote an entry, if the marks are right. */
static uint32_t run_of(const struct owner_marks *m, uint64_t index)
{
    uint32_t run = 1;

    /* The first mark of all is that of an empty log. */
    while (run < m->run_count && index > m->run_ends[run])
        run++;
    return run;
}

static const char *judge_entry(struct log_owner *o, const struct vlog_replayed *e)
{
    uint8_t body[BODY_SIZE];
    uint32_t run = run_of(&o->marks, e->index);

    if (e->group != GROUP || e->term != TERM || e->body.size != BODY_SIZE)
        return "is none of ours";
    if (e->index == 0 || e->index > o->marks.staged || e->index >= OWNER_ENTRIES_MAX)
        return "was never staged";
    if (e->index <= o->replayed)
        return "is out of order";
    if (e->index > o->replayed + 1 && e->index > o->now.flushed + 1)
        return "comes after a gap"; /* What was flushed may be gone. */
    if (get_u64(e->body.data) != e->index)
        return "has another's body";
    if (get_u32(e->body.data + 8) != run)
        return "is of another run";
    uint32_t shape = get_u32(e->body.data + 12);
    if (shape >= OWNER_SHAPES || e->value_count != value_count((enum owner_shape)shape))
        return "has another number of values";
    make_body(body, e->index, run, (enum owner_shape)shape);
    if (memcmp(body, e->body.data, BODY_SIZE) != 0)
        return "has another body";
    for (uint32_t i = 0; i < e->value_count; i++)
        if (!is_value(e->values[i], e->index, run, i))
            return "has another value";
    return NULL;
}

static struct status on_entry(void *context, const struct vlog_replayed *e)
{
    struct log_owner *o = context;
    const char *wrong = judge_entry(o, e);

    if (wrong != NULL) {
        errbuf_set(&o->err, "replayed entry %llu (LSN %llu) %s", (unsigned long long)e->index,
                   (unsigned long long)e->lsn, wrong);
        return status_of(ST_INVALID);
    }
    o->replayed = e->index;
    o->last_lsn = e->lsn;
    if (e->index > o->now.flushed) {
        struct owner_entry *entry = &o->now.entries[e->index];
        *entry = (struct owner_entry) { .run = run_of(&o->marks, e->index),
                                        .shape = (enum owner_shape)get_u32(e->body.data + 12) };
        for (uint32_t i = 0; i < e->value_count; i++)
            entry->handles[i] = e->handles[i];
    }
    return status_ok();
}

/* Does the log, just opened, hold what it must? */
static const char *judge_log(const struct log_owner *o)
{
    const struct owner_marks *m = &o->marks;
    bool is_durable = o->options.mode == VLOG_DURABLE;
    struct vlog_hard_state h = { 0 };

    if (o->last < m->durable || (is_durable && o->last < m->acked))
        return "was promised";
    if (m->run_count > 0 && o->last < m->run_ends[m->run_count - 1])
        return "was there at an earlier open";
    if (m->term > 0 && is_durable &&
        (!vlog_hard_state(o->log, GROUP, &h) || h.term < m->term || h.vote != h.term + 1))
        return "had a later hard state";
    return NULL;
}

struct status owner_open(struct log_owner *o, struct io_sim *sim, struct alloc *alloc,
                         const struct vlog_options *options, struct owner_history *history,
                         const struct owner_marks *marks)
{
    struct cache_options cache = { .size_bytes = CACHE_BYTES };

    memset(o, 0, sizeof *o);
    o->sim = sim;
    o->history = history;
    o->options = *options;
    budget_init(&o->budget, 0);
    o->env = (struct env) { .alloc = alloc,
                            .clock = io_sim_clock(sim),
                            .io = io_sim_io(sim),
                            .budget = &o->budget,
                            .log = log_none() };
    o->marks = *marks;
    if (o->marks.version < history->count)
        o->now = history->versions[o->marks.version];
    else
        commit(o); /* An empty one: the store is new. */
    o->last = o->now.flushed;
    o->last_lsn = o->now.flushed_lsn;
    TRY(io_ring_create(o->env.io, NULL, &o->ring));
    TRY(cache_create(&o->env, &cache, &o->cache));

    struct vlog_config config = { .env = &o->env,
                                  .cache = o->cache,
                                  .dir = "db",
                                  .options = *options,
                                  .files = o->now.files,
                                  .file_count = o->now.file_count,
                                  .replay_from = o->now.replay_from,
                                  .flushed_lsn = o->now.flushed_lsn,
                                  .take_file_id = take_id,
                                  .id_context = o,
                                  .err = &o->err };
    memcpy(config.store_uuid, STORE, sizeof STORE);
    TRY(vlog_open(&config, o->ring, on_entry, o, &o->log));
    if (o->last < o->replayed)
        o->last = o->replayed;
    const char *wrong = judge_log(o);
    if (wrong != NULL) {
        errbuf_set(&o->err, "the log ends at entry %llu; more %s", (unsigned long long)o->last,
                   wrong);
        return status_of(ST_INVALID);
    }
    mark(o, "opened", o->last);
    return status_ok();
}

void owner_close(struct log_owner *o)
{
    vlog_close(o->log, o->ring);
    o->log = NULL;
    cache_destroy(o->cache);
    o->cache = NULL;
    io_ring_destroy(o->ring);
    o->ring = NULL;
}

/* Close o, and open it again as it was. */
static struct status open_again(struct log_owner *o, bool is_killed)
{
    const struct io_sim_fault gone = {
        .classes = IO_SIM_ALL, .at = 1, .is_for_ever = true, .is_clean = true
    };
    struct log_owner before = *o;

    if (is_killed)
        io_sim_set_fault(o->sim, &gone);
    owner_close(o);
    if (is_killed)
        io_sim_set_fault(o->sim, NULL);
    return owner_open(o, before.sim, before.env.alloc, &before.options, before.history,
                      &before.marks);
}

struct status owner_reopen(struct log_owner *o)
{
    return open_again(o, false);
}

struct status owner_kill(struct log_owner *o)
{
    return open_again(o, true);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static uint64_t now_ns(const struct log_owner *o)
{
    return clock_ns(o->env.clock);
}

/* Step the writer, waiting for what it waits for. */
static enum vlog_step step(struct log_owner *o)
{
    enum vlog_step s = vlog_write_step(o->log, o->ring, now_ns(o));

    if (s == VLOG_WANTS) {
        io_ring_wait(o->ring, UINT64_MAX);
        while (io_ring_done(o->ring) != NULL)
            ;
    }
    return s;
}

struct status owner_stage(struct log_owner *o, enum owner_shape shape)
{
    uint64_t index = o->last + 1;
    uint32_t run = o->marks.run_count;
    uint8_t body[BODY_SIZE];
    uint8_t bytes[OWNER_VALUES_MAX][VALUE_SIZE_MAX];
    struct bytes values[OWNER_VALUES_MAX];
    struct owner_entry entry = { .run = run, .shape = shape };
    struct status s;

    CHECK(index < OWNER_ENTRIES_MAX);
    make_body(body, index, run, shape);
    for (uint32_t i = 0; i < value_count(shape); i++) {
        fill(bytes[i], value_size(i), seed_of(index, run, i));
        values[i] = bytes_of(bytes[i], value_size(i));
    }
    struct vlog_entry e = { .group = GROUP,
                            .term = TERM,
                            .index = index,
                            .body = bytes_of(body, sizeof body),
                            .values = values,
                            .value_count = value_count(shape),
                            .out_handles = entry.handles };
    mark(o, "staged", index);
    while ((s = vlog_stage(o->log, &e, &o->last_lsn)).code == ST_AGAIN)
        if (step(o) == VLOG_BROKEN)
            return status_of(ST_FAILED);
    if (succeeded(s)) {
        o->last = index;
        o->now.entries[index] = entry;
    }
    return s;
}

struct status owner_write(struct log_owner *o)
{
    enum vlog_step s;

    do {
        s = step(o);
    } while (s == VLOG_WANTS || s == VLOG_AGAIN);
    if (s == VLOG_BROKEN)
        return status_of(ST_FAILED);
    if (vlog_written_lsn(o->log) < o->last_lsn)
        return status_of(ST_INVALID);
    mark(o, "ack", o->last);
    if (o->options.mode == VLOG_DURABLE)
        mark(o, "durable", o->last);
    return status_ok();
}

struct status owner_hard_state(struct log_owner *o)
{
    struct vlog_hard_state h = {
        .group = GROUP, .term = o->marks.term + 1, .vote = o->marks.term + 2, .commit = o->last
    };
    struct status s;

    while ((s = vlog_stage_hard_state(o->log, &h)).code == ST_AGAIN)
        if (step(o) == VLOG_BROKEN)
            return status_of(ST_FAILED);
    TRY(s);
    TRY(owner_write(o));
    mark(o, "term", h.term);
    return status_ok();
}

/* Let the background do all it wants to. */
static struct status work(struct log_owner *o)
{
    enum vlog_step s;

    do {
        s = vlog_work_step(o->log, o->ring, now_ns(o));
    } while (s == VLOG_AGAIN);
    return s == VLOG_BROKEN ? status_of(ST_FAILED) : status_ok();
}

struct status owner_roll(struct log_owner *o)
{
    vlog_roll(o->log);
    TRY(owner_write(o));
    return work(o);
}

struct status owner_seal(struct log_owner *o)
{
    uint64_t deadline_ns = vlog_seal_deadline(o->log);

    if (deadline_ns != UINT64_MAX && deadline_ns > now_ns(o))
        io_sim_advance(o->sim, deadline_ns - now_ns(o));
    return owner_write(o);
}

/* ---- Flushing ----------------------------------------------------------------------------- */

static struct status read_value(struct log_owner *o, const struct vlog_handle *handle,
                                struct fetch *f, struct bytes *out_value)
{
    struct fetch_options options = { .cache = o->cache, .ring = o->ring };

    fetch_init(f, &options);
    struct status s = vlog_read(o->log, f, handle, out_value);
    if (failed(s))
        o->err = f->err;
    return s;
}

/* Copy the live values of a segment to w; their handles change. */
static struct status copy_segment(struct log_owner *o, struct vlog_writer *w, uint64_t segment,
                                  uint32_t *ordinal)
{
    for (uint64_t i = 1; i <= o->now.flushed; i++) {
        struct owner_entry *entry = &o->now.entries[i];
        for (uint32_t k = 0; k < value_count(entry->shape); k++) {
            struct bytes value;
            struct fetch f;
            if (entry->is_dead || entry->handles[k].file != segment)
                continue;
            struct status s = read_value(o, &entry->handles[k], &f, &value);
            if (succeeded(s))
                s = vlog_writer_add(w, (*ordinal)++, value, &entry->handles[k]);
            fetch_deinit(&f);
            TRY(s);
        }
    }
    return status_ok();
}

static void record_file(struct log_owner *o, const struct vlog_file *file)
{
    size_t i = 0;

    while (i < o->now.file_count && o->now.files[i].logical != file->logical)
        i++;
    CHECK(i < OWNER_FILES_MAX);
    if (i == o->now.file_count)
        o->now.file_count++;
    o->now.files[i] = *file;
}

/* The segments that a flush lets go. */
struct flush {
    struct vlog_writer *writer; /* Of the copies, if there are any. */
    uint32_t ordinal;
    uint64_t released[SEGMENTS_MAX];
    size_t released_count;
};

static struct status flush_segment(struct log_owner *o, struct flush *f,
                                   const struct vlog_segment_info *info, enum owner_flush_kind kind)
{
    struct vlog_file file;

    if (info->value_count > 0 && kind != OWNER_COPY) {
        TRY(vlog_adopt(o->log, o->ring, info->id, &file));
        record_file(o, &file);
        return status_ok();
    }
    if (info->value_count > 0) {
        if (f->writer == NULL)
            TRY(vlog_writer_create(o->log, o->ring, 0, &f->writer));
        TRY(copy_segment(o, f->writer, info->id, &f->ordinal));
    }
    f->released[f->released_count++] = info->id;
    return status_ok();
}

static struct status flush_segments(struct log_owner *o, struct flush *f,
                                    enum owner_flush_kind kind)
{
    struct vlog_segment_info infos[SEGMENTS_MAX];
    size_t count = vlog_segments(o->log, infos, SEGMENTS_MAX);

    CHECK(count > 0 && count <= SEGMENTS_MAX);
    o->now.replay_from = 0;
    for (size_t i = 0; i < count; i++) {
        bool may_go = !infos[i].is_active && infos[i].last_lsn <= o->now.flushed_lsn &&
                      (infos[i].is_sealed || infos[i].last_lsn == 0) &&
                      !(kind == OWNER_PIN && i == 0);
        if (may_go)
            TRY(flush_segment(o, f, &infos[i], kind));
        else if (o->now.replay_from == 0)
            o->now.replay_from = infos[i].id;
    }
    return status_ok();
}

struct status owner_flush(struct log_owner *o, enum owner_flush_kind kind)
{
    struct flush f = { 0 };
    struct vlog_file file = { 0 };
    struct owner_version before = o->now;
    bool has_copies;

    TRY(vlog_barrier(o->log, o->ring, vlog_written_lsn(o->log)));
    mark(o, "durable", o->marks.acked);
    o->now.flushed = o->marks.acked;
    o->now.flushed_lsn = vlog_written_lsn(o->log);
    struct status s = flush_segments(o, &f, kind);
    has_copies = f.writer != NULL && f.ordinal > 0;
    if (succeeded(s) && has_copies) {
        s = vlog_writer_finish(f.writer, &file);
        f.writer = NULL;
    }
    vlog_writer_abandon(f.writer);
    if (failed(s)) {
        o->now = before;
        return s;
    }
    if (has_copies)
        record_file(o, &file);
    commit(o);
    if (has_copies)
        TRY(vlog_install(o->log, &file));
    for (size_t i = 0; i < f.released_count; i++)
        vlog_release(o->log, o->ring, f.released[i]);
    return work(o);
}

/* ---- Value files -------------------------------------------------------------------------- */

/* The live values of a file, while it is rewritten. */
struct rewrite {
    struct log_owner *o;
    uint64_t logical;
    struct vlog_writer *writer;
};

static bool is_live(const struct log_owner *o, uint64_t logical, uint32_t ordinal)
{
    for (uint64_t i = 1; i <= o->now.flushed; i++) {
        const struct owner_entry *entry = &o->now.entries[i];
        for (uint32_t k = 0; k < value_count(entry->shape); k++)
            if (!entry->is_dead && entry->handles[k].file == logical &&
                entry->handles[k].ordinal == ordinal)
                return true;
    }
    return false;
}

static bool is_wanted(void *context, uint32_t ordinal)
{
    const struct rewrite *r = context;

    return is_live(r->o, r->logical, ordinal);
}

static struct status on_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct rewrite *r = context;
    struct vlog_handle handle;

    return vlog_writer_add(r->writer, ordinal, value, &handle);
}

/* Overwrite every step-th entry that has values in the file. Returns how many live ones stay. */
static uint64_t overwrite(struct log_owner *o, uint64_t logical, uint64_t step_size)
{
    uint64_t met = 0;
    uint64_t live = 0;

    for (uint64_t i = 1; i <= o->now.flushed; i++) {
        struct owner_entry *entry = &o->now.entries[i];
        if (value_count(entry->shape) == 0 || entry->is_dead || entry->handles[0].file != logical)
            continue;
        entry->is_dead = met++ % step_size == 0;
        live += !entry->is_dead;
    }
    return live;
}

/* Copy what is alive in the file to its next generation. */
static struct status copy_live(struct log_owner *o, uint64_t logical, struct vlog_file *out_file)
{
    struct rewrite r = { .o = o, .logical = logical };

    TRY(vlog_writer_create(o->log, o->ring, logical, &r.writer));
    struct status s = vlog_scan(o->log, o->ring, logical, is_wanted, on_value, &r, &o->err);
    if (succeeded(s))
        return vlog_writer_finish(r.writer, out_file);
    vlog_writer_abandon(r.writer);
    return s;
}

/* All values in the file are dead. */
static struct status drop(struct log_owner *o, uint64_t logical)
{
    o->now.files[0] = o->now.files[--o->now.file_count];
    commit(o);
    vlog_drop(o->log, logical);
    return work(o);
}

struct status owner_rewrite(struct log_owner *o)
{
    struct owner_version before = o->now;
    struct vlog_file file;

    if (o->now.file_count == 0)
        return status_ok();
    uint64_t logical = o->now.files[0].logical;
    if (overwrite(o, logical, 2) == 0)
        return drop(o, logical);
    struct status s = copy_live(o, logical, &file);
    if (failed(s)) {
        o->now = before;
        return s;
    }
    record_file(o, &file);
    commit(o);
    TRY(vlog_install(o->log, &file));
    return work(o);
}

struct status owner_drop(struct log_owner *o)
{
    if (o->now.file_count == 0)
        return status_ok();
    uint64_t logical = o->now.files[0].logical;
    (void)overwrite(o, logical, 1);
    return drop(o, logical);
}

/* ---- Checking ----------------------------------------------------------------------------- */

static struct status check_value(void *context, uint32_t ordinal, struct bytes value)
{
    const struct rewrite *r = context;

    for (uint64_t i = 1; i <= r->o->now.flushed; i++) {
        const struct owner_entry *entry = &r->o->now.entries[i];
        for (uint32_t k = 0; k < value_count(entry->shape); k++)
            if (!entry->is_dead && entry->handles[k].file == r->logical &&
                entry->handles[k].ordinal == ordinal)
                return is_value(value, i, entry->run, k) ? status_ok() : status_of(ST_CORRUPT);
    }
    return status_of(ST_CORRUPT);
}

/* Read the live values of all value files, through their directories. */
static bool scan_files(struct log_owner *o)
{
    for (size_t i = 0; i < o->now.file_count; i++) {
        struct rewrite r = { .o = o, .logical = o->now.files[i].logical };
        struct status s =
            vlog_scan(o->log, o->ring, r.logical, is_wanted, check_value, &r, &o->err);
        if (failed(s)) {
            errbuf_prefix(&o->err, "scan of file %llu: %s", (unsigned long long)r.logical,
                          status_name(s.code));
            return false;
        }
    }
    return true;
}

/* Read the value of an entry through its handle. */
static bool check_entry(struct log_owner *o, uint64_t index, uint32_t which)
{
    const struct owner_entry *entry = &o->now.entries[index];
    struct bytes value;
    struct fetch f;
    struct status s = read_value(o, &entry->handles[which], &f, &value);

    if (succeeded(s) && !is_value(value, index, entry->run, which)) {
        s = status_of(ST_CORRUPT);
        errbuf_set(&o->err, "another's");
    }
    fetch_deinit(&f);
    if (failed(s))
        errbuf_prefix(&o->err, "entry %llu, value %u: %s", (unsigned long long)index, which,
                      status_name(s.code));
    return succeeded(s);
}

bool owner_check(struct log_owner *o)
{
    for (uint64_t i = 1; i <= o->last; i++)
        for (uint32_t k = 0; k < value_count(o->now.entries[i].shape); k++)
            if (!o->now.entries[i].is_dead && !check_entry(o, i, k))
                return false;
    return scan_files(o);
}
