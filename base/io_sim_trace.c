#include "base/io_sim_trace.h"

#include <stdio.h>

#include "base/check.h"

/* ---- Images ------------------------------------------------------------------------------- */

struct io_sim_image {
    struct sim_disk *disk;
};

struct io_sim_image *sim_image_create(struct sim_disk *disk)
{
    struct io_sim_image *image = sim_take(sizeof *image);

    image->disk = disk;
    return image;
}

const struct sim_disk *sim_image_disk(const struct io_sim_image *image)
{
    return image->disk;
}

uint64_t io_sim_image_hash(const struct io_sim_image *image)
{
    return sim_disk_hash(image->disk);
}

void io_sim_image_destroy(struct io_sim_image *image)
{
    if (image == NULL)
        return;
    sim_disk_destroy(image->disk);
    sim_give(image, sizeof *image);
}

/* ---- Traces ------------------------------------------------------------------------------- */

/* An event and the strings it borrows. */
struct kept_event {
    struct io_sim_event event;
    struct sim_name *path;
    struct sim_name *path_to;
};

struct io_sim_trace {
    struct sim_disk *start;
    struct kept_event *events;
    size_t count;
    size_t capacity;
};

struct io_sim_trace *sim_trace_create(const struct sim_disk *d)
{
    struct io_sim_trace *t = sim_take(sizeof *t);

    t->start = sim_disk_clone(d);
    return t;
}

void io_sim_trace_destroy(struct io_sim_trace *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++) {
        sim_name_unref(t->events[i].path);
        sim_name_unref(t->events[i].path_to);
        sim_blob_unref(t->events[i].event.blob);
    }
    sim_give(t->events, t->capacity * sizeof *t->events);
    sim_disk_destroy(t->start);
    sim_give(t, sizeof *t);
}

static const char *keep_text(const char *text, struct sim_name **out_kept)
{
    if (text == NULL)
        return NULL;
    *out_kept = sim_name_create(bytes_str(text));
    return (*out_kept)->text;
}

void sim_trace_add(struct io_sim_trace *t, const struct io_sim_event *e)
{
    t->events = sim_room(t->events, &t->capacity, t->count, sizeof *t->events);
    struct kept_event *kept = &t->events[t->count++];
    *kept = (struct kept_event) { .event = *e };
    kept->event.path = keep_text(e->path, &kept->path);
    kept->event.path_to = keep_text(e->path_to, &kept->path_to);
    if (e->blob != NULL)
        sim_blob_ref(e->blob);
}

size_t io_sim_trace_count(const struct io_sim_trace *t)
{
    return t->count;
}

const struct io_sim_event *io_sim_trace_event(const struct io_sim_trace *t, size_t index)
{
    CHECK(index < t->count);
    return &t->events[index].event;
}

static const char *outcome_name(enum io_sim_outcome outcome)
{
    switch (outcome) {
    case IO_SIM_DONE:
        return "";
    case IO_SIM_DURABLE:
        return ", durable";
    case IO_SIM_FAILED:
        return ", FAILED";
    case IO_SIM_LIED:
        return ", in vain";
    }
    return "";
}

void io_sim_event_format(const struct io_sim_event *e, char *out_text, size_t size)
{
    unsigned long long file = e->file;
    unsigned long long offset = e->offset;
    const char *outcome = outcome_name(e->outcome);

    switch (e->kind) {
    case IO_SIM_CREATE:
        snprintf(out_text, size, "create %s, file %llu", e->path, file);
        break;
    case IO_SIM_MKDIR:
        snprintf(out_text, size, "mkdir %s", e->path);
        break;
    case IO_SIM_LINK:
        snprintf(out_text, size, "link %s to %s", e->path, e->path_to);
        break;
    case IO_SIM_RENAME:
        snprintf(out_text, size, "rename %s to %s", e->path, e->path_to);
        break;
    case IO_SIM_UNLINK:
        snprintf(out_text, size, "unlink %s", e->path);
        break;
    case IO_SIM_DIR_SYNCED:
        snprintf(out_text, size, "sync directory %s%s", e->path, outcome);
        break;
    case IO_SIM_TRUNCATED:
        snprintf(out_text, size, "truncate file %llu to %llu", file, offset);
        break;
    case IO_SIM_ALLOCATED:
        snprintf(out_text, size, "allocate in file %llu at %llu, %llu bytes", file, offset,
                 (unsigned long long)e->size);
        break;
    case IO_SIM_WRITING:
        snprintf(out_text, size, "write %llu to file %llu at %llu, %zu bytes",
                 (unsigned long long)e->sequence, file, offset, e->data.size);
        break;
    case IO_SIM_WRITTEN:
        snprintf(out_text, size, "write %llu to file %llu is done%s", (unsigned long long)e->start,
                 file, outcome);
        break;
    case IO_SIM_SYNCED:
        snprintf(out_text, size, "file %llu is synced%s", file, outcome);
        break;
    case IO_SIM_MARKED:
        snprintf(out_text, size, "%s %llu", e->word, (unsigned long long)e->number);
        break;
    }
}

/* ---- Replays ------------------------------------------------------------------------------- */

struct io_sim_replay {
    const struct io_sim_trace *trace;
    size_t position; /* Events lived through. */
    struct sim_disk *disk;
    struct sim_units units;
    bool has_units; /* Collected since the last event. */
    struct io_sim_mark *marks;
    size_t mark_count;
    size_t mark_capacity;
};

struct io_sim_replay *io_sim_replay_create(const struct io_sim_trace *trace)
{
    struct io_sim_replay *r = sim_take(sizeof *r);

    r->trace = trace;
    r->disk = sim_disk_clone(trace->start);
    return r;
}

void io_sim_replay_destroy(struct io_sim_replay *r)
{
    if (r == NULL)
        return;
    sim_units_deinit(&r->units);
    sim_disk_destroy(r->disk);
    sim_give(r->marks, r->mark_capacity * sizeof *r->marks);
    sim_give(r, sizeof *r);
}

bool io_sim_replay_next(struct io_sim_replay *r)
{
    if (r->position == r->trace->count)
        return false;
    struct io_sim_event e = r->trace->events[r->position++].event;
    uint64_t sequence = e.sequence;
    int error = sim_disk_apply(r->disk, &e);
    CHECK(error == 0);
    CHECK(e.sequence == sequence);
    r->has_units = false;
    if (e.kind == IO_SIM_MARKED) {
        r->marks = sim_room(r->marks, &r->mark_capacity, r->mark_count, sizeof *r->marks);
        r->marks[r->mark_count++] = (struct io_sim_mark) { .word = e.word, .number = e.number };
    }
    return true;
}

const struct io_sim_mark *io_sim_replay_marks(const struct io_sim_replay *r, size_t *out_count)
{
    *out_count = r->mark_count;
    return r->marks;
}

static const struct sim_units *replay_units(struct io_sim_replay *r)
{
    if (!r->has_units)
        sim_units_collect(&r->units, r->disk);
    r->has_units = true;
    return &r->units;
}

struct io_sim_units io_sim_replay_units(struct io_sim_replay *r)
{
    const struct sim_units *u = replay_units(r);

    return (struct io_sim_units) { .count = u->count,
                                   .last_write = u->last_write,
                                   .last_write_count = u->last_write_count,
                                   .has_sizes = u->has_sizes };
}

struct io_sim_image *io_sim_replay_crash(struct io_sim_replay *r,
                                         const struct io_sim_choice *choice)
{
    return sim_image_create(sim_disk_crash(r->disk, replay_units(r), choice));
}
