#include "tests/raft/support/disk.h"

#include <stdlib.h>

#include "base/check.h"

void disk_init(struct disk *d)
{
    *d = (struct disk) { .bug = DISK_HONEST };
}

void disk_deinit(struct disk *d)
{
    disk_lose_writes(d);
    entries_unref(d->log + d->start, d->count);
    free(d->log);
    d->log = NULL;
    d->count = d->capacity = d->start = 0;
}

raft_term disk_term_at(const struct disk *d, raft_index index)
{
    if (index == d->base_index)
        return d->base_term;
    const struct raft_entry *e = disk_entry(d, index);
    return e == NULL ? 0 : e->term;
}

void disk_append(struct disk *d, const struct raft_entry *e)
{
    CHECK(e->index == disk_last(d) + 1);
    if (d->start + d->count == d->capacity) {
        if (d->start > d->count) {
            memmove(d->log, d->log + d->start, d->count * sizeof d->log[0]);
            d->start = 0;
        } else {
            d->capacity = d->capacity == 0 ? 64 : 2 * d->capacity;
            d->log = realloc(d->log, d->capacity * sizeof d->log[0]);
            CHECK(d->log != NULL);
        }
    }
    d->log[d->start + d->count++] = *e;
    blob_ref(e->blob);
}

static void truncate_from(struct disk *d, raft_index index)
{
    while (d->count > 0 && disk_last(d) >= index) {
        d->count--;
        blob_unref(d->log[d->start + d->count].blob);
    }
}

void disk_compact(struct disk *d, raft_index index)
{
    CHECK(index >= d->base_index && index <= disk_last(d));
    d->base_term = disk_term_at(d, index);
    while (d->base_index < index) {
        blob_unref(d->log[d->start].blob);
        d->start++;
        d->count--;
        d->base_index++;
    }
}

/* ---- Writes ------------------------------------------------------------------------------- */

void disk_write(struct disk *d, const struct raft_persist *p, const struct fsm *state)
{
    struct disk_write *w = malloc(sizeof *w + p->entry_count * sizeof w->entries[0]);
    CHECK(w != NULL);
    w->next = NULL;
    w->seq = p->seq;
    w->mark = p->mark;
    w->snapshot = NULL;
    w->state = NULL;
    w->truncate_from = p->truncate_from;
    w->hard = *p->hard;
    w->entry_count = p->entry_count;
    if (p->entry_count > 0)
        memcpy(w->entries, p->entries, p->entry_count * sizeof w->entries[0]);
    entries_ref(w->entries, w->entry_count);
    if (p->snapshot != NULL) {
        w->snapshot = malloc(sizeof *w->snapshot);
        w->state = malloc(sizeof *w->state);
        CHECK(w->snapshot != NULL && w->state != NULL);
        *w->snapshot = *p->snapshot;
        *w->state = *state;
    }
    if (d->newest != NULL)
        d->newest->next = w;
    else
        d->first = w;
    d->newest = w;
    d->writes++;
}

static void write_free(struct disk_write *w)
{
    entries_unref(w->entries, w->entry_count);
    free(w->snapshot);
    free(w->state);
    free(w);
}

static struct disk_write *take_first(struct disk *d)
{
    struct disk_write *w = d->first;
    CHECK(w != NULL);
    d->first = w->next;
    if (d->first == NULL)
        d->newest = NULL;
    d->writes--;
    return w;
}

static void store_hard(struct disk *d, const struct raft_hard *hard)
{
    struct raft_hard old = d->hard;
    d->hard = *hard;
    if (d->bug == DISK_FORGETS_VOTE && hard->term > old.term)
        d->hard.vote = 0;
    if (d->bug == DISK_FORGETS_ACC_TERM)
        d->hard.acc_term = old.acc_term;
    if (d->bug == DISK_FORGETS_COMMIT) {
        d->hard.commit = old.commit;
        d->hard.conf_index = old.conf_index;
        d->hard.conf = old.conf;
    }
}

void disk_finish_one(struct disk *d, uint64_t *out_seq, struct raft_mark *out_mark)
{
    struct disk_write *w = take_first(d);
    if (w->snapshot != NULL) {
        truncate_from(d, 0);
        d->base_index = w->snapshot->index;
        d->base_term = w->snapshot->term;
        d->saved = *w->state;
    }
    if (w->truncate_from > 0)
        truncate_from(d, w->truncate_from);
    for (uint32_t i = 0; i < w->entry_count; i++)
        disk_append(d, &w->entries[i]);
    store_hard(d, &w->hard);
    *out_seq = w->seq;
    *out_mark = w->mark;
    write_free(w);
}

void disk_lose_writes(struct disk *d)
{
    while (d->first != NULL)
        write_free(take_first(d));
}

void disk_copy(struct disk *to, const struct disk *from)
{
    CHECK(from->first == NULL);
    disk_init(to);
    to->hard = from->hard;
    to->base_index = from->base_index;
    to->base_term = from->base_term;
    to->saved = from->saved;
    to->bug = from->bug;
    for (uint32_t i = 0; i < from->count; i++)
        disk_append(to, &from->log[from->start + i]);
}
