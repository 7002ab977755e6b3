/*
 * disk -- what one simulated replica has stored: what is durable, and the writes under way to it.
 *
 * A write is atomic and writes become durable in order (L1, L2 of raft/raft.h): the durable state
 * is always what a prefix of the writes made of it. Whoever owns the disk says when the next one
 * has finished, and on a crash how many of them still have: a torn write is one that has not.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_RAFT_DISK_H
#define VARVE_TESTS_RAFT_DISK_H

#include "tests/raft/support/blob.h"
#include "tests/raft/support/fsm.h"

struct disk_write {
    struct disk_write *next;
    uint64_t seq;
    struct raft_mark mark;
    struct raft_snapshot *snapshot; /* NULL: none. */
    struct fsm *state;              /* Of the snapshot. */
    raft_index truncate_from;
    struct raft_hard hard;
    uint32_t entry_count;
    struct raft_entry entries[];
};

/* A bug of a driver, for the mutants. */
enum disk_bug {
    DISK_HONEST = 0,
    DISK_FORGETS_VOTE,     /* Term and vote are two writes: a crash comes between them. */
    DISK_FORGETS_COMMIT,   /* The commit index is written lazily, not with the entries. */
    DISK_FORGETS_ACC_TERM, /* The term of the accepting leader is not stored. */
};

struct disk {
    struct raft_hard hard;
    raft_index base_index;
    raft_term base_term;
    struct raft_entry *log; /* Entries (base_index, base_index + count], at log[start ...]. */
    uint32_t start;
    uint32_t count;
    uint32_t capacity;
    struct fsm saved;         /* The state machine's own durable state. */
    struct disk_write *first; /* Under way, oldest first; NULL: none. */
    struct disk_write *newest;
    uint32_t writes;
    bool is_poisoned;
    enum disk_bug bug;
};

void disk_init(struct disk *d);
void disk_deinit(struct disk *d);

static inline raft_index disk_last(const struct disk *d)
{
    return d->base_index + d->count;
}

/* NULL: not there. */
static inline const struct raft_entry *disk_entry(const struct disk *d, raft_index index)
{
    if (index <= d->base_index || index > disk_last(d))
        return NULL;
    return &d->log[d->start + (index - d->base_index - 1)];
}

/* What the record says once all writes are done. */
static inline const struct raft_hard *disk_newest_hard(const struct disk *d)
{
    return d->newest != NULL ? &d->newest->hard : &d->hard;
}

/* 0: not known. */
raft_term disk_term_at(const struct disk *d, raft_index index);

/* Copied, payloads shared. state: of the snapshot, if there is one. */
void disk_write(struct disk *d, const struct raft_persist *p, const struct fsm *state);
/* The oldest write becomes durable; its snapshot's state becomes the saved one. Requires: one. */
void disk_finish_one(struct disk *d, uint64_t *out_seq, struct raft_mark *out_mark);
/* All that has not finished is lost. */
void disk_lose_writes(struct disk *d);

/* Put an entry there, as if it had always been. */
void disk_append(struct disk *d, const struct raft_entry *e);
/* Forget entries up to index. Requires: base_index <= index <= last. */
void disk_compact(struct disk *d, raft_index index);
/* An exact copy, payloads shared. Requires: no write under way. */
void disk_copy(struct disk *to, const struct disk *from);

#endif
