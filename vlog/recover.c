#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Reading the log back.
 *
 * A *run* is what one open wrote: segments in the order of their ids, the first of which says in
 * its header where the run before it had ended (resume_lsn) and with which LSN it begins itself
 * (first_lsn, above every LSN that was ever seen). Within a run LSNs have no gap.
 *
 * A run that another one follows was judged by that one's open: it is good up to resume_lsn, and
 * was synced to there before the header that says so was written. So its batches must all be there
 * (else CORRUPT), and whatever it holds above resume_lsn is void: leftovers of a torn tail can
 * neither come back nor collide with a later batch, whether or not their LSNs are used again.
 *
 * The last run is judged here. Its good batches end at the first place where no batch with the next
 * LSN n is found. All that lies behind that place, at any multiple of 8 and in any later segment,
 * is searched for whole batches: the greatest durable LSN D that one of them records decides.
 *
 *   n <= D: batch n was durable once, and is bad now: CORRUPT, nothing is changed.
 *   n > D:  nobody was ever told that n is on the device: it is a torn tail, dropped with what
 *           lies behind it. In durable mode nothing whole can lie behind it (a batch records all
 *           before it as durable, so D would be n or more). In relaxed mode a power cut may keep a
 *           later batch and lose an earlier one.
 *
 * What the caller has flushed (flushed_lsn) is not needed from the log: batches up to there may be
 * missing, with whole segments in the middle of the run, too, that were let go.
 *
 * Memory: one segment at a time.
 */

/* A segment file to be read. */
struct found {
    uint64_t id;
    struct vlog_header header;
    bool is_value_file; /* Adopted: not on the list of segments that are log. */
    bool is_recycled;   /* Became another segment; its old name came back. */
    uint64_t last_lsn;  /* The last good batch in it; 0: none. */
    uint64_t end;       /* Where that ends. */
};

struct id_list {
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

/* Whole batches found behind the place where the run ended so far. */
struct evidence {
    uint64_t batches;
    uint64_t durable_lsn; /* The greatest recorded in them, */
    uint64_t witness;     /* by this one. */
    uint64_t segment;     /* In which the first of them lies; 0: none. */
    bool is_begun;        /* At that very place the next batch was begun. */
};

struct recovery {
    struct vlog *v;
    const struct vlog_config *config;
    struct io_ring *ring;
    vlog_visit_entry *visit;
    void *context;
    struct vlog_recovered *out;

    struct id_list listed[VLOG_VALUES]; /* Segments and pool files. */
    struct found *found;                /* Segments to be read, in order. */
    size_t found_count;
    size_t found_size; /* Allocated bytes. */

    uint8_t *data;   /* The segment in memory: an image's, */
    size_t own_size; /* or if this is not 0, of our own. */
    struct bytes bytes;

    uint64_t expected;    /* LSN of the next batch; 0: any the flush allows. */
    uint64_t seen_lsn;    /* The greatest anywhere, good or not. */
    uint64_t durable_lsn; /* The greatest that a good batch records. */
    size_t run;           /* First segment of the run. */
    size_t break_at;      /* The segment in which the run ended so far, */
    uint64_t break_from;  /* and where in it. */
    struct evidence evidence;

    struct bytes *values; /* Of the entry being visited. */
    struct vlog_handle *handles;
    size_t value_capacity;
};

__attribute__((format(printf, 4, 5))) static struct status
corrupt(const struct recovery *r, uint64_t id, uint64_t offset, const char *format, ...);

/* ---- What is there --------------------------------------------------------------------------- */

static bool id_add(struct alloc *a, struct id_list *l, uint64_t id)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
        uint64_t *grown = alloc_resize(a, l->ids, l->capacity * sizeof id, capacity * sizeof id);
        if (grown == NULL)
            return false;
        l->ids = grown;
        l->capacity = capacity;
    }
    l->ids[l->count++] = id;
    return true;
}

struct listing {
    struct recovery *r;
    bool is_out_of_memory;
};

static bool on_name(void *context, const char *name)
{
    struct listing *l = context;
    enum vlog_kind kind;
    uint64_t id;

    if (vlog_name_parse(name, &id, &kind) && kind != VLOG_VALUES)
        l->is_out_of_memory = !id_add(l->r->v->env->alloc, &l->r->listed[kind], id);
    return !l->is_out_of_memory;
}

static bool is_value_file(const struct vlog_config *config, uint64_t id)
{
    for (size_t i = 0; i < config->file_count; i++) {
        if (config->files[i].is_segment && config->files[i].physical == id)
            return true;
    }
    return false;
}

static void leave_over(struct recovery *r, uint64_t id, enum vlog_kind kind)
{
    r->out->leftovers[r->out->leftover_count++] = (struct vlog_leftover) { .id = id, .kind = kind };
}

/* List the directory: which segments are to be read, and which are left over. */
static struct status find_files(struct recovery *r)
{
    struct listing l = { .r = r };
    struct id_list *logs = &r->listed[VLOG_SEGMENT];

    TRY(io_list(r->v->env->io, r->v->dir, on_name, &l));
    if (l.is_out_of_memory)
        return status_of(ST_NO_MEMORY);
    if (logs->count > 0)
        qsort(logs->ids, logs->count, sizeof *logs->ids, vlog_compare_ids);
    size_t count = logs->count + r->listed[VLOG_FREE].count + 1;
    r->found_size = count * sizeof *r->found;
    r->out->leftovers_size = count * sizeof *r->out->leftovers;
    r->found = alloc_zeroed(r->v->env->alloc, r->found_size);
    r->out->leftovers = alloc_zeroed(r->v->env->alloc, r->out->leftovers_size);
    if (r->found == NULL || r->out->leftovers == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < logs->count; i++) {
        bool is_value = is_value_file(r->config, logs->ids[i]);
        if (logs->ids[i] >= r->config->replay_from)
            r->found[r->found_count++] =
                (struct found) { .id = logs->ids[i], .is_value_file = is_value };
        else if (!is_value)
            leave_over(r, logs->ids[i], VLOG_SEGMENT);
    }
    if (r->found_count == 0 && r->config->replay_from > 0 && !r->config->may_be_missing) {
        errbuf_set(r->config->err, "the log is missing: it begins with segment %08llu",
                   (unsigned long long)r->config->replay_from);
        return status_of(ST_CORRUPT);
    }
    return status_ok();
}

/* ---- Files ----------------------------------------------------------------------------------- */

static struct status corrupt(const struct recovery *r, uint64_t id, uint64_t offset,
                             const char *format, ...)
{
    char text[ERRBUF_SIZE];
    char name[VLOG_NAME_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vlog_name(id, VLOG_SEGMENT, name);
    errbuf_set(r->config->err, "segment %s at %llu: %s", name, (unsigned long long)offset, text);
    return status_of(ST_CORRUPT);
}

static struct status open_segment(const struct recovery *r, uint64_t id, struct io_file **out_file)
{
    char path[IO_PATH_MAX];
    TRY(vlog_path(r->v->dir, id, VLOG_SEGMENT, path));
    return io_open(r->v->env->io, path, IO_READ, out_file);
}

/* Words for a machine's refusal. */
static struct status refused(const struct recovery *r, const struct found *f, struct status s)
{
    if (failed(s) && r->config->err != NULL && r->config->err->text[0] == '\0')
        errbuf_set(r->config->err, "reading segment %08llu failed: %s", (unsigned long long)f->id,
                   status_text(s));
    return s;
}

static struct status check_header(const struct recovery *r, const struct found *f)
{
    const struct vlog_header *h = &f->header;

    if (h->kind != VLOG_SEGMENT)
        return corrupt(r, f->id, 0, "not a segment");
    if (memcmp(h->store, r->v->store, VLOG_UUID) != 0)
        return corrupt(r, f->id, 0, "belongs to another store");
    if (h->physical != f->id && !f->is_recycled)
        return corrupt(r, f->id, 0, "says it is segment %08llu", (unsigned long long)h->physical);
    if (h->size < VLOG_BLOCK || h->size > UINT32_MAX)
        return corrupt(r, f->id, 0, "has the impossible size %llu", (unsigned long long)h->size);
    return status_ok();
}

static struct status read_header(struct recovery *r, struct found *f)
{
    struct io_file *file = NULL;
    size_t size;

    TRY(open_segment(r, f->id, &file));
    struct status s = io_read(r->ring, file, r->v->pool.block, VLOG_BLOCK, 0, &size);
    io_close(file);
    if (failed(s))
        return s;
    if (size < VLOG_BLOCK)
        return corrupt(r, f->id, 0, "is cut short: %zu bytes", size);
    s = vlog_header_read(r->v->pool.block, r->config->err, &f->header);
    if (failed(s)) {
        errbuf_prefix(r->config->err, "header of segment %08llu", (unsigned long long)f->id);
        return s;
    }
    f->is_recycled = f->header.physical > f->id && f->header.recycled_from == f->id;
    return check_header(r, f);
}

static void drop_data(struct recovery *r)
{
    if (r->own_size > 0) {
        alloc_free(r->v->env->alloc, r->data, r->own_size);
        budget_refund(r->v->env->budget, BUDGET_JOB, r->own_size);
    }
    r->own_size = 0;
}

/* Memory for a segment: an image's, as nobody uses it yet; more for one larger than others. Not
 * refused by the budget: what was written must be readable. */
static struct status reserve_data(struct recovery *r, size_t size)
{
    struct vlog_image *image = &r->v->images[0];

    if (size <= image->capacity) {
        drop_data(r);
        r->data = image->data;
        return status_ok();
    }
    if (size <= r->own_size)
        return status_ok();
    drop_data(r);
    r->data = alloc_bytes(r->v->env->alloc, size);
    if (r->data == NULL)
        return status_of(ST_NO_MEMORY);
    budget_force(r->v->env->budget, BUDGET_JOB, size);
    r->own_size = size;
    return status_ok();
}

/* Read a whole segment into memory. */
static struct status load(struct recovery *r, const struct found *f)
{
    struct io_file *file = NULL;
    uint64_t size;
    size_t read_size = 0;

    TRY(open_segment(r, f->id, &file));
    struct status s = io_size(file, &size);
    if (failed(s))
        goto out;
    if (size > f->header.size)
        size = f->header.size;
    s = reserve_data(r, (size_t)size);
    if (failed(s))
        goto out;
    s = io_read(r->ring, file, r->data, (size_t)size, 0, &read_size);
    r->bytes = bytes_of(r->data, read_size);
out:
    io_close(file);
    return s;
}

/* ---- Entries --------------------------------------------------------------------------------- */

/* A batch in the middle of being visited. */
struct visited {
    const struct found *f;
    uint64_t at; /* Where the batch begins. */
    struct vlog_batch batch;
    struct bytes payload; /* What is left of it. */
    uint32_t ordinal;
    struct vlog_offsets *offsets; /* NULL: not wanted. */
};

static struct status malformed(const struct recovery *r, const struct visited *b, const char *what)
{
    return corrupt(r, b->f->id, b->at, "batch %llu has a good checksum, but %s",
                   (unsigned long long)b->batch.lsn, what);
}

static struct status reserve_values(struct recovery *r, size_t count)
{
    struct alloc *a = r->v->env->alloc;
    size_t old = r->value_capacity;

    if (count <= old)
        return status_ok();
    struct bytes *values = alloc_resize(a, r->values, old * sizeof *values, count * sizeof *values);
    if (values == NULL)
        return status_of(ST_NO_MEMORY);
    r->values = values;
    struct vlog_handle *handles =
        alloc_resize(a, r->handles, old * sizeof *handles, count * sizeof *handles);
    if (handles == NULL) {
        /* Both have one capacity. */
        alloc_free(a, values, count * sizeof *values);
        r->values = NULL;
        alloc_free(a, r->handles, old * sizeof *handles);
        r->handles = NULL;
        r->value_capacity = 0;
        return status_of(ST_NO_MEMORY);
    }
    r->handles = handles;
    r->value_capacity = count;
    return status_ok();
}

static struct status take_values(struct recovery *r, struct visited *b, uint32_t count)
{
    if (count > b->payload.size / VLOG_VALUE_HEADER)
        return malformed(r, b, "has more values than bytes");
    TRY(reserve_values(r, count));
    if (b->offsets != NULL && count > 0)
        TRY(vlog_offsets_reserve(b->offsets, (uint64_t)b->ordinal + count));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = (uint32_t)(b->payload.data - r->bytes.data);
        const char *wrong = vlog_value_take(&b->payload, b->f->id, b->ordinal, &r->values[i]);
        if (wrong != NULL)
            return corrupt(r, b->f->id, offset, "value %u %s", b->ordinal, wrong);
        r->handles[i] = (struct vlog_handle) {
            .file = b->f->id,
            .ordinal = b->ordinal,
            .offset = offset,
            .length = (uint32_t)r->values[i].size,
        };
        if (b->offsets != NULL)
            vlog_offsets_add(b->offsets, b->ordinal, offset, (uint32_t)r->values[i].size);
        b->ordinal++;
    }
    return status_ok();
}

static struct status visit_record(struct recovery *r, struct visited *b)
{
    struct vlog_record record;
    struct vlog_hard_state hard_state;
    struct bytes body;

    if (!vlog_record_take(&b->payload, &record, &body))
        return malformed(r, b, "a record in it is cut short");
    switch (record.type) {
    case VLOG_ENTRY:
        TRY(take_values(r, b, record.value_count));
        struct vlog_replayed entry = {
            .group = record.group,
            .term = record.term,
            .index = record.index,
            .lsn = b->batch.lsn,
            .body = body,
            .values = r->values,
            .handles = r->handles,
            .value_count = record.value_count,
        };
        return r->visit(r->context, &entry);
    case VLOG_HARD_STATE:
        if (!vlog_hard_state_read(&record, body, &hard_state))
            return malformed(r, b, "a hard state in it is not one");
        return vlog_hard_state_keep(r->v, &hard_state);
    case VLOG_SEAL:
        return status_ok();
    default:
        errbuf_set(r->config->err, "segment %08llu at %llu: record type %u is not known",
                   (unsigned long long)b->f->id, (unsigned long long)b->at, record.type);
        return status_of(ST_UNSUPPORTED);
    }
}

static struct status visit_batch(struct recovery *r, struct visited *b)
{
    if (b->batch.first_ordinal != b->ordinal)
        return malformed(r, b, "its values are not numbered as they should be");
    for (uint32_t i = 0; i < b->batch.count; i++)
        TRY(visit_record(r, b));
    if (b->payload.size > 0)
        return malformed(r, b, "there are bytes behind its last record");
    return status_ok();
}

/* ---- Runs ------------------------------------------------------------------------------------ */

/* The greatest LSN of the run that is not void. */
static uint64_t run_limit(const struct recovery *r)
{
    for (size_t i = r->run + 1; i < r->found_count; i++) {
        if (r->found[i].header.first_lsn != 0)
            return r->found[i].header.resume_lsn;
    }
    return UINT64_MAX;
}

/* May a batch with this LSN come now? Missing ones before it are missed by nobody if flushed. */
static bool is_next(const struct recovery *r, uint64_t lsn, bool is_first_of_segment)
{
    if (lsn == r->expected)
        return true;
    if (lsn < r->expected || (r->expected != 0 && !is_first_of_segment))
        return false;
    return lsn - 1 <= r->config->flushed_lsn;
}

/* The first batch that the log must still hold, or get. */
static uint64_t first_needed(const struct recovery *r)
{
    uint64_t unflushed = r->config->flushed_lsn + 1;
    return unflushed < r->expected ? r->expected : unflushed;
}

/* The segment in memory holds no good batch from `from` on: look at every place where one may
 * begin all the same. */
static void search(struct recovery *r, const struct found *f, uint64_t from)
{
    struct evidence *e = &r->evidence;
    uint32_t seed = vlog_seed(r->v->store, f->id);
    struct vlog_batch b;

    if (from + VLOG_BATCH_HEADER <= r->bytes.size)
        e->is_begun |= vlog_batch_lsn(r->bytes.data + from) == first_needed(r);
    for (uint64_t at = from; at + VLOG_BATCH_HEADER <= r->bytes.size;) {
        struct bytes rest = bytes_skip(r->bytes, at);
        at += VLOG_UNIT;
        /* A header that is whole is a witness, whatever became of its payload. */
        if (!vlog_batch_read_header(rest, seed, &b))
            continue;
        if (b.durable_lsn > e->durable_lsn) {
            e->durable_lsn = b.durable_lsn;
            e->witness = b.lsn;
        }
        if (e->segment == 0)
            e->segment = f->id;
        if (b.lsn > r->seen_lsn)
            r->seen_lsn = b.lsn;
        if (vlog_batch_read(rest, seed, &b)) {
            e->batches++;
            at += VLOG_BATCH_HEADER - VLOG_UNIT + b.length;
        }
    }
}

/* Put what a good segment holds on the list. */
static struct status keep_segment(struct recovery *r, struct vlog_segment *s, uint64_t end)
{
    struct vlog_file info = { .logical = s->id, .physical = s->id, .is_segment = true };

    TRY(vlog_sources_put(&r->v->sources, &info, s->size));
    atomic_store_explicit(&s->end, end, memory_order_relaxed);
    atomic_store_explicit(&s->value_count, s->offsets.value_count, memory_order_relaxed);
    atomic_store_explicit(&s->value_bytes, s->offsets.value_bytes, memory_order_relaxed);
    vlog_list_append(r->v, s);
    return status_ok();
}

/* Visit the good batches of a segment, from the front. */
static struct status walk(struct recovery *r, struct found *f)
{
    struct vlog *v = r->v;
    struct vlog_segment *segment = NULL;
    uint64_t limit = run_limit(r);
    uint64_t first_lsn = 0;
    uint64_t last_lsn = 0;
    struct visited b = { .f = f, .at = VLOG_BLOCK };
    uint32_t seed = vlog_seed(v->store, f->id);

    TRY(load(r, f));
    if (!f->is_value_file) {
        segment = vlog_segment_create(v->env, f->id, v->store);
        if (segment == NULL)
            return status_of(ST_NO_MEMORY);
        segment->size = f->header.size;
        b.offsets = &segment->offsets;
    }
    struct status s = status_ok();
    while (b.at < r->bytes.size && vlog_batch_read(bytes_skip(r->bytes, b.at), seed, &b.batch) &&
           b.batch.lsn <= limit && is_next(r, b.batch.lsn, b.at == VLOG_BLOCK)) {
        b.payload = bytes_of(r->bytes.data + b.at + VLOG_BATCH_HEADER, b.batch.length);
        s = visit_batch(r, &b);
        if (failed(s))
            goto out;
        first_lsn = first_lsn == 0 ? b.batch.lsn : first_lsn;
        last_lsn = b.batch.lsn;
        r->expected = last_lsn + 1;
        if (r->durable_lsn < b.batch.durable_lsn)
            r->durable_lsn = b.batch.durable_lsn;
        b.at = vlog_batch_start(b.at + VLOG_BATCH_HEADER + b.batch.length, b.batch.flags);
    }
    if (last_lsn != 0) {
        f->last_lsn = last_lsn;
        f->end = b.at;
        r->out->good_lsn = last_lsn;
        r->break_at = (size_t)(f - r->found);
        r->break_from = b.at;
        r->evidence = (struct evidence) { .batches = 0 };
    }
    search(r, f, b.at);
    if (segment != NULL && last_lsn != 0) {
        atomic_store_explicit(&segment->first_lsn, first_lsn, memory_order_relaxed);
        atomic_store_explicit(&segment->last_lsn, last_lsn, memory_order_relaxed);
        s = keep_segment(r, segment, b.at);
        if (succeeded(s))
            segment = NULL;
    }
out:
    vlog_segment_destroy(segment);
    return s;
}

/* The batch that is missed follows the last good one, or lies before those found later. */
static struct status missed(const struct recovery *r, uint64_t lsn, const char *evidence)
{
    char next[VLOG_NAME_MAX + 32] = "";

    if (r->evidence.segment != 0 && r->evidence.segment != r->found[r->break_at].id)
        (void)snprintf(next, sizeof next, ", here or in a segment up to %08llu",
                       (unsigned long long)r->evidence.segment);
    return corrupt(r, r->found[r->break_at].id, r->break_from, "batch %llu is bad or missing%s%s",
                   (unsigned long long)lsn, next, evidence);
}

/* A run begins with segment i: the one before it must be there as far as it was good then. */
static struct status begin_run(struct recovery *r, size_t i)
{
    const struct vlog_header *h = &r->found[i].header;
    uint64_t flushed = r->config->flushed_lsn;
    uint64_t known = r->out->good_lsn > flushed ? r->out->good_lsn : flushed;
    char evidence[64];

    if (known < h->resume_lsn) {
        if (i == 0)
            return corrupt(r, r->found[i].id, 0,
                           "goes on after batch %llu, but the log before it is missing",
                           (unsigned long long)h->resume_lsn);
        (void)snprintf(evidence, sizeof evidence, "; an earlier open had read up to %llu",
                       (unsigned long long)h->resume_lsn);
        return missed(r, known + 1, evidence);
    }
    if (r->out->good_lsn < h->resume_lsn)
        r->out->good_lsn = h->resume_lsn;
    if (r->seen_lsn < h->first_lsn - 1)
        r->seen_lsn = h->first_lsn - 1;
    r->expected = h->first_lsn;
    r->run = i;
    r->break_at = i;
    r->break_from = VLOG_BLOCK;
    r->evidence = (struct evidence) { .batches = 0 };
    return status_ok();
}

/* ---- The end of the last run ----------------------------------------------------------------- */

/* Torn or corrupt? See the top of this file. */
static struct status judge_end(struct recovery *r)
{
    const struct evidence *e = &r->evidence;
    uint64_t needed = first_needed(r);

    if (e->durable_lsn >= needed) {
        char evidence[128];
        (void)snprintf(
            evidence, sizeof evidence,
            ", but batch %llu says that it was durable; %llu whole batches lie behind it",
            (unsigned long long)e->witness, (unsigned long long)e->batches);
        return missed(r, needed, evidence);
    }
    r->out->torn_batches = e->batches > 0 ? e->batches : e->is_begun;
    return status_ok();
}

/*
 * The next header will say that the last run is good: that must be durable first. What no batch
 * records as durable may be in the kernel only, and a sync alone would not do: if an earlier one
 * failed, the kernel takes the pages for clean (fsyncgate). So it is written again, then synced.
 */
static struct status write_again(struct recovery *r, const struct found *f)
{
    uint32_t seed = vlog_seed(r->v->store, f->id);
    uint64_t at = VLOG_BLOCK;
    struct io_file *file = NULL;
    struct vlog_batch b;
    char path[IO_PATH_MAX];

    TRY(load(r, f));
    /* The padding of the last one may never have been written. */
    uint64_t end = f->end < r->bytes.size ? f->end : r->bytes.size;
    while (at < end && vlog_batch_read_header(bytes_skip(r->bytes, at), seed, &b) &&
           b.lsn <= r->durable_lsn)
        at = vlog_batch_start(at + VLOG_BATCH_HEADER + b.length, b.flags);
    if (at >= end)
        return status_of(ST_IO); /* It was there a moment ago. */
    TRY(vlog_path(r->v->dir, f->id, VLOG_SEGMENT, path));
    TRY(io_open(r->v->env->io, path, IO_WRITE, &file));
    struct status s = io_write(r->ring, file, r->bytes.data + at, (size_t)(end - at), at);
    if (succeeded(s))
        s = io_sync(r->ring, file);
    io_close(file);
    return s;
}

static struct status make_run_durable(struct recovery *r)
{
    for (size_t i = r->run; i < r->found_count; i++) {
        const struct found *f = &r->found[i];
        if (f->last_lsn > r->durable_lsn)
            TRY(refused(r, f, write_again(r, f)));
    }
    return status_ok();
}

/* A file that was let go and made ready again, under its old name: the power failed before the new
 * name was durable. The old life is over. */
static void drop_recycled(struct recovery *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->found_count; i++) {
        if (r->found[i].is_recycled)
            leave_over(r, r->found[i].id, VLOG_SEGMENT);
        else
            r->found[kept++] = r->found[i];
    }
    r->found_count = kept;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static struct status replay(struct recovery *r)
{
    for (size_t i = 0; i < r->found_count; i++)
        TRY(refused(r, &r->found[i], read_header(r, &r->found[i])));
    drop_recycled(r);
    for (size_t i = 0; i < r->found_count; i++) {
        if (r->found[i].header.first_lsn != 0)
            TRY(begin_run(r, i));
        TRY(refused(r, &r->found[i], walk(r, &r->found[i])));
    }
    if (r->found_count > 0)
        TRY(judge_end(r));
    return make_run_durable(r);
}

static void conclude(struct recovery *r)
{
    const struct id_list *pool_files = &r->listed[VLOG_FREE];
    struct vlog_recovered *out = r->out;
    uint64_t seen = r->seen_lsn;

    for (size_t i = 0; i < r->found_count; i++) {
        if (r->found[i].last_lsn == 0 && !r->found[i].is_value_file)
            leave_over(r, r->found[i].id, VLOG_SEGMENT);
    }
    for (size_t i = 0; i < pool_files->count; i++) {
        if (!vlog_pool_found(r->v, pool_files->ids[i]))
            leave_over(r, pool_files->ids[i], VLOG_FREE);
    }
    if (seen < out->good_lsn)
        seen = out->good_lsn;
    if (seen < r->config->flushed_lsn)
        seen = r->config->flushed_lsn;
    out->next_lsn = seen + 1;
}

struct status vlog_recover(struct vlog *v, const struct vlog_config *config, struct io_ring *ring,
                           vlog_visit_entry *visit, void *context, struct vlog_recovered *out)
{
    struct alloc *a = v->env->alloc;
    struct recovery r = {
        .v = v,
        .config = config,
        .ring = ring,
        .visit = visit,
        .context = context,
        .out = out,
    };

    *out = (struct vlog_recovered) { .good_lsn = 0 };
    struct status s = find_files(&r);
    if (succeeded(s))
        s = replay(&r);
    if (succeeded(s))
        conclude(&r);
    for (int kind = 0; kind < VLOG_VALUES; kind++)
        alloc_free(a, r.listed[kind].ids, r.listed[kind].capacity * sizeof(uint64_t));
    alloc_free(a, r.found, r.found_size);
    alloc_free(a, r.values, r.value_capacity * sizeof *r.values);
    alloc_free(a, r.handles, r.value_capacity * sizeof *r.handles);
    drop_data(&r);
    return s;
}
