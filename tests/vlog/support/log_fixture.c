#include "tests/vlog/support/log_fixture.h"

#include "base/hash.h"
#include "base/log.h"

#include <stdlib.h>

enum { CACHE_BYTES = 1 << 20, BODY = -1 };

/* Remember an entry; its slot. */
static struct log_entry *entry_slot(struct log_fixture *f, uint64_t index)
{
    if (index >= f->entry_capacity) {
        size_t capacity = 2 * (size_t)index + 64;
        f->entries = realloc(f->entries, capacity * sizeof *f->entries);
        if (f->entries == NULL)
            abort();
        memset(f->entries + f->entry_capacity, 0,
               (capacity - f->entry_capacity) * sizeof *f->entries);
        f->entry_capacity = capacity;
    }
    return &f->entries[index];
}

static void enter(struct log_fixture *f, struct io *io, struct clock *clock)
{
    struct cache_options cache = { .size_bytes = CACHE_BYTES };

    alloc_test_init(&f->memory);
    budget_init(&f->budget, 0);
    budget_init(&f->cache_budget, 0);
    f->env = (struct env) {
        .alloc = &f->memory.alloc,
        .clock = clock,
        .io = io,
        .budget = &f->budget,
        .log = log_none(),
    };
    f->cache_env = f->env;
    f->cache_env.alloc = alloc_heap();
    f->cache_env.budget = &f->cache_budget;
    if (failed(io_ring_create(io, NULL, &f->ring)) ||
        failed(cache_create(&f->cache_env, &cache, &f->cache)))
        abort();
}

void log_fixture_leave(struct log_fixture *f)
{
    if (f->log != NULL)
        log_fixture_settle(f);
    log_fixture_close(f);
    cache_destroy(f->cache);
    io_ring_destroy(f->ring);
}

void log_fixture_init(struct log_fixture *f, const struct vlog_options *options, struct io *io,
                      struct clock *clock, const char *dir)
{
    *f = (struct log_fixture) { .options = *options, .dir = dir, .next_id = 1 };
    enter(f, io, clock);
}

void log_fixture_deinit(struct log_fixture *f)
{
    log_fixture_leave(f);
    free(f->entries);
}

void log_fixture_know(struct log_fixture *f, const struct log_fixture *other)
{
    for (uint64_t i = 1; i <= other->last_index; i++)
        *entry_slot(f, i) = other->entries[i];
    f->last_index = other->last_index;
}

void log_fixture_move(struct log_fixture *f, struct io *io, struct clock *clock)
{
    log_fixture_leave(f);
    enter(f, io, clock);
}

void log_fixture_fill(uint64_t index, uint32_t which, uint8_t *out, size_t size)
{
    uint64_t state = hash_u64(index * 64 + which + 1);

    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_u64(state + i);
        memcpy(out + i, &word, size - i < 8 ? size - i : 8);
    }
}

static bool is_filled(uint64_t index, uint32_t which, struct bytes b)
{
    uint8_t *want = malloc(b.size + 1);

    log_fixture_fill(index, which, want, b.size);
    bool is_equal = b.size == 0 || memcmp(want, b.data, b.size) == 0;
    free(want);
    return is_equal;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static struct status take_id(void *context, uint64_t *out_id)
{
    struct log_fixture *f = context;
    *out_id = f->next_id++;
    return status_ok();
}

static bool is_same_handle(const struct vlog_handle *a, const struct vlog_handle *b)
{
    return a->file == b->file && a->ordinal == b->ordinal && a->offset == b->offset &&
           a->length == b->length;
}

/* NULL, or why this was never staged. */
static const char *judge(const struct log_fixture *f, const struct vlog_replayed *e,
                         const struct log_entry *known)
{
    if (e->group != 1 || e->term != 7)
        return "another group or term";
    if (e->index == 0 || e->index > f->last_index + f->strangers)
        return "never staged";
    if (f->replayed_last != 0 && e->index != f->replayed_last + 1)
        return "out of order";
    if (e->lsn < f->replayed_lsn)
        return "its LSN goes back";
    if (!is_filled(e->index, (uint32_t)BODY, e->body) || e->value_count > LOG_VALUES_MAX)
        return "another body";
    for (uint32_t i = 0; i < e->value_count; i++) {
        if (!is_filled(e->index, i, e->values[i]))
            return "another value";
    }
    if (known->lsn != e->lsn || f->strangers > 0)
        return NULL; /* Staged again since, or by another run. */
    if (e->value_count != known->shape.value_count || e->body.size != known->shape.body_size)
        return "of another shape";
    for (uint32_t i = 0; i < e->value_count; i++) {
        if (!is_same_handle(&e->handles[i], &known->handles[i]))
            return "another handle";
    }
    return NULL;
}

static void learn(const struct vlog_replayed *e, struct log_entry *known)
{
    known->lsn = e->lsn;
    known->shape = (struct log_shape) {
        .body_size = (uint32_t)e->body.size,
        .value_count = e->value_count,
        .value_size = e->value_count > 0 ? (uint32_t)e->values[0].size : 0,
    };
    if (e->value_count > 0)
        memcpy(known->handles, e->handles, e->value_count * sizeof *e->handles);
}

static struct status on_entry(void *context, const struct vlog_replayed *e)
{
    struct log_fixture *f = context;
    struct log_entry *known = entry_slot(f, e->index);
    const char *wrong = judge(f, e, known);

    if (wrong != NULL) {
        errbuf_set(&f->wrong, "replayed entry %llu (LSN %llu): %s", (unsigned long long)e->index,
                   (unsigned long long)e->lsn, wrong);
        return status_of(ST_INVALID);
    }
    if (f->replayed_first == 0)
        f->replayed_first = e->index;
    f->replayed_last = e->index;
    f->replayed_lsn = e->lsn;
    learn(e, known);
    return status_ok();
}

struct status log_fixture_open(struct log_fixture *f)
{
    struct vlog_config config = {
        .env = &f->env,
        .cache = f->cache,
        .dir = f->dir,
        .store_uuid = "0123456789abcdef",
        .options = f->options,
        .files = f->files,
        .file_count = f->file_count,
        .replay_from = f->replay_from,
        .flushed_lsn = f->flushed_lsn,
        .take_file_id = take_id,
        .id_context = f,
        .err = &f->err,
    };

    f->replayed_first = 0;
    f->replayed_last = 0;
    f->replayed_lsn = 0;
    errbuf_set(&f->wrong, "%s", "");
    struct status s = vlog_open(&config, f->ring, on_entry, f, &f->log);
    if (succeeded(s) && f->replayed_last != 0)
        f->last_index = f->replayed_last;
    return s;
}

void log_fixture_close(struct log_fixture *f)
{
    vlog_close(f->log, f->ring);
    f->log = NULL;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Wait until the ring hands out what is under way. */
static void pump(struct log_fixture *f)
{
    io_ring_wait(f->ring, UINT64_MAX);
    while (io_ring_done(f->ring) != NULL)
        ;
}

enum vlog_step log_fixture_settle(struct log_fixture *f)
{
    for (;;) {
        enum vlog_step step = vlog_write_step(f->log, f->ring, f->now_ns);
        if (step == VLOG_WANTS)
            pump(f);
        else if (step != VLOG_AGAIN)
            return step;
    }
}

void log_fixture_work(struct log_fixture *f)
{
    while (vlog_work_step(f->log, f->ring, f->now_ns) == VLOG_AGAIN)
        ;
}

struct status log_fixture_stage(struct log_fixture *f, struct log_shape shape)
{
    uint64_t index = f->last_index + 1;
    struct log_entry *known = entry_slot(f, index);
    uint8_t *memory = malloc(shape.body_size + (size_t)shape.value_count * shape.value_size + 1);
    struct bytes values[LOG_VALUES_MAX];
    struct vlog_entry e = {
        .group = 1,
        .term = 7,
        .index = index,
        .body = bytes_of(memory, shape.body_size),
        .values = values,
        .value_count = shape.value_count,
        .out_handles = known->handles,
    };
    struct status s;

    log_fixture_fill(index, (uint32_t)BODY, memory, shape.body_size);
    for (uint32_t i = 0; i < shape.value_count; i++) {
        uint8_t *at = memory + shape.body_size + (size_t)i * shape.value_size;
        log_fixture_fill(index, i, at, shape.value_size);
        values[i] = bytes_of(at, shape.value_size);
    }
    while ((s = vlog_stage(f->log, &e, &known->lsn)).code == ST_AGAIN) {
        if (vlog_write_step(f->log, f->ring, f->now_ns) == VLOG_WANTS)
            pump(f);
    }
    free(memory);
    if (succeeded(s)) {
        known->shape = shape;
        f->last_index = index;
    }
    return s;
}

struct status log_fixture_append(struct log_fixture *f, struct log_shape shape)
{
    struct status s = log_fixture_stage(f, shape);

    if (failed(s))
        return s;
    if (log_fixture_settle(f) == VLOG_BROKEN)
        return status_of(ST_FAILED);
    return status_ok();
}

/* ---- Reading --------------------------------------------------------------------------------- */

const char *log_fixture_read(struct log_fixture *f, uint64_t index, uint32_t which)
{
    struct fetch_options options = { .cache = f->cache, .ring = f->ring };
    struct fetch fetch;
    struct bytes value;
    const char *wrong = NULL;

    fetch_init(&fetch, &options);
    struct status s = vlog_read(f->log, &fetch, &f->entries[index].handles[which], &value);
    if (failed(s)) {
        f->err = fetch.err;
        wrong = f->err.text[0] != '\0' ? f->err.text : status_name(s.code);
    } else if (value.size != f->entries[index].shape.value_size ||
               !is_filled(index, which, value)) {
        wrong = "another value";
    }
    fetch_deinit(&fetch);
    return wrong;
}

const char *log_fixture_read_all(struct log_fixture *f)
{
    const char *wrong = NULL;

    for (uint64_t i = 1; i <= f->last_index && wrong == NULL; i++) {
        for (uint32_t j = 0; j < f->entries[i].shape.value_count && wrong == NULL; j++)
            wrong = log_fixture_read(f, i, j);
    }
    return wrong;
}

/* ---- The manifest ---------------------------------------------------------------------------- */

void log_fixture_forget(struct log_fixture *f, uint64_t logical)
{
    for (size_t i = 0; i < f->file_count; i++) {
        if (f->files[i].logical == logical)
            f->files[i--] = f->files[--f->file_count];
    }
}

void log_fixture_record(struct log_fixture *f, const struct vlog_file *file)
{
    log_fixture_forget(f, file->logical);
    if (f->file_count == LOG_FILES_MAX)
        abort();
    f->files[f->file_count++] = *file;
}
