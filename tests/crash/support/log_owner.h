/*
 * log_owner -- the least that can own a log: what the tree is to it, for crash tests.
 *
 * It appends entries, lets the log roll, flushes (barrier, adoption or copying, release), rewrites
 * and drops value files, as lsm/ does, and tells what it did by marks (base/io_sim.h). Its manifest
 * lies outside the simulated disk: version k is durable from its mark on, so that the states of the
 * disk are those of the log alone.
 *
 * The bytes of an entry follow from its index, the run that wrote it (1, and one more after each
 * open) and its shape, all of which its body tells. So an open can judge what it is given: entries
 * come without gap, unharmed, from the run that must have written them, as far as was promised at
 * least and as was staged at most.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_LOG_OWNER_H
#define VARVE_TESTS_CRASH_LOG_OWNER_H

#include "base/budget.h"
#include "base/env.h"
#include "base/io_sim.h"
#include "cache/cache.h"
#include "vlog/vlog.h"

enum {
    OWNER_ENTRIES_MAX = 128,
    OWNER_FILES_MAX = 16,
    OWNER_RUNS_MAX = 16,
    OWNER_VALUES_MAX = 2,
};

enum owner_shape { OWNER_SMALL, OWNER_BIG, OWNER_SHAPES };

struct owner_entry {
    uint32_t run;
    enum owner_shape shape;
    bool is_dead; /* Overwritten: its values are garbage. */
    struct vlog_handle handles[OWNER_VALUES_MAX];
};

/* What a manifest says. */
struct owner_version {
    struct vlog_file files[OWNER_FILES_MAX];
    size_t file_count;
    uint64_t replay_from;
    uint64_t flushed_lsn;
    uint64_t flushed; /* Entries up to here are in the tree; by index. */
    struct owner_entry entries[OWNER_ENTRIES_MAX];
};

/* All versions there ever were; version k is versions[k]. Zero is empty. */
struct owner_history {
    struct owner_version *versions;
    size_t count;
    size_t capacity;
};
void owner_history_deinit(struct owner_history *h);

/* What marks say. */
struct owner_marks {
    uint64_t version;
    uint64_t id;     /* The last one taken. */
    uint64_t staged; /* Entries, by index, the last of ... */
    uint64_t acked;
    uint64_t durable;
    uint64_t term; /* Of the last acknowledged hard state. */
    uint32_t run_count;
    uint64_t run_ends[OWNER_RUNS_MAX]; /* The last entry that the open after a run found. */
};

struct log_owner {
    struct io_sim *sim;
    struct owner_history *history; /* Borrowed for life. */
    struct env env;
    struct budget budget;
    struct vlog_options options;
    struct io_ring *ring;
    struct cache *cache;
    struct vlog *log; /* NULL: closed. */
    struct owner_version now;
    struct owner_marks marks;
    uint64_t last;     /* Entry staged or replayed last. */
    uint64_t last_lsn; /* Its LSN. */
    uint64_t replayed; /* During an open: the last one visited. */
    struct errbuf err; /* Why an open failed. */
};

/* Take in one more mark. */
void owner_marks_add(struct owner_marks *m, const struct io_sim_mark *mark);

/*
 * Open the log in "db" on sim and judge what it replays by marks (of all runs before; copied).
 * Returns OK; CORRUPT or another failure of the log; INVALID: what was replayed is wrong. In all
 * cases err says what. alloc, history: borrowed for life.
 */
MUST_CHECK struct status owner_open(struct log_owner *o, struct io_sim *sim, struct alloc *alloc,
                                    const struct vlog_options *options,
                                    struct owner_history *history, const struct owner_marks *marks);
/* Close it and open it again. */
MUST_CHECK struct status owner_reopen(struct log_owner *o);
/* The same, but it is killed: what was not written yet never is. */
MUST_CHECK struct status owner_kill(struct log_owner *o);
/* Also after a failed open. */
void owner_close(struct log_owner *o);

MUST_CHECK struct status owner_stage(struct log_owner *o, enum owner_shape shape);
/* Write what is staged, and acknowledge it. */
MUST_CHECK struct status owner_write(struct log_owner *o);
MUST_CHECK struct status owner_hard_state(struct log_owner *o);
MUST_CHECK struct status owner_roll(struct log_owner *o);
/* Let the idle seal fall due. */
MUST_CHECK struct status owner_seal(struct log_owner *o);
/* What a flush does with segments that hold values; the others are released. */
enum owner_flush_kind {
    OWNER_ADOPT, /* They become value files in place. */
    OWNER_COPY,  /* Their values are copied to a new file. */
    OWNER_PIN,   /* As ADOPT, but the oldest segment is still needed, and stays log. */
};
/* Flush what is acknowledged. */
MUST_CHECK struct status owner_flush(struct log_owner *o, enum owner_flush_kind kind);
/* Overwrite half of what lies in the oldest value file, and rewrite it. */
MUST_CHECK struct status owner_rewrite(struct log_owner *o);
/* Overwrite all of what lies in the oldest value file, and drop it. */
MUST_CHECK struct status owner_drop(struct log_owner *o);
/* Read all values that are alive, by handle and in order of their files, and compare. False: err
 * says which is wrong. */
bool owner_check(struct log_owner *o);

#endif
