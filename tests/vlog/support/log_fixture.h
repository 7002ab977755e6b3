/*
 * log_fixture -- a log on a machine, usually simulated: written to, remembered, reopened, compared.
 *
 * The bytes of an entry follow from its index, so what is replayed can be judged without keeping
 * it: entries come without a gap, in order, unharmed, with the handles they were given. Threads:
 * one.
 */
#ifndef VARVE_TESTS_VLOG_LOG_FIXTURE_H
#define VARVE_TESTS_VLOG_LOG_FIXTURE_H

#include "base/alloc.h"
#include "base/budget.h"
#include "base/env.h"
#include "base/io_sim.h"

#include "cache/cache.h"
#include "vlog/format.h"

enum { LOG_VALUES_MAX = 8, LOG_FILES_MAX = 64 };

/* What an entry is made of: a body, and so many values of one size. */
struct log_shape {
    uint32_t body_size;
    uint32_t value_count;
    uint32_t value_size;
};

struct log_entry {
    struct log_shape shape;
    uint64_t lsn;
    struct vlog_handle handles[LOG_VALUES_MAX];
};

struct log_fixture {
    struct alloc_test memory;
    struct budget budget;
    struct env env;       /* The log's. */
    struct env cache_env; /* The cache's: memory of its own, so that leaks are the log's. */
    struct budget cache_budget;
    struct io_ring *ring;
    struct cache *cache;
    struct vlog *log; /* NULL: closed. */
    struct errbuf err;
    struct vlog_options options;
    const char *dir;
    uint64_t now_ns;

    /* What a manifest would say. */
    uint64_t next_id;
    uint64_t replay_from;
    uint64_t flushed_lsn;
    struct vlog_file files[LOG_FILES_MAX];
    size_t file_count;

    struct log_entry *entries; /* By index, from 1. */
    size_t entry_capacity;
    uint64_t last_index; /* Staged last, or replayed last. */
    uint64_t strangers;  /* So many entries more may be replayed: another run wrote them. */

    /* By the last open. */
    uint64_t replayed_first; /* 0: nothing. */
    uint64_t replayed_last;
    uint64_t replayed_lsn;
    struct errbuf wrong; /* What was replayed that was never staged; empty: nothing. */
};

/* clock and io are the machine's: borrowed for life. The log's memory comes from f->memory; set
 * f->env.alloc for another. */
void log_fixture_init(struct log_fixture *f, const struct vlog_options *options, struct io *io,
                      struct clock *clock, const char *dir);
/* Closes the log if it is open. */
void log_fixture_deinit(struct log_fixture *f);
/* Close the log and leave the machine; what was staged stays known. */
void log_fixture_leave(struct log_fixture *f);
/* Know all that another one staged. */
void log_fixture_know(struct log_fixture *f, const struct log_fixture *other);
/* Leave the machine for another one with the same directory: the log is closed on the old one. */
void log_fixture_move(struct log_fixture *f, struct io *io, struct clock *clock);

/* Open, replay, compare: CORRUPT with the words in wrong if it is not what was staged. */
struct status log_fixture_open(struct log_fixture *f);
void log_fixture_close(struct log_fixture *f);

/* Stage the next entry, stepping as the log asks for it. */
struct status log_fixture_stage(struct log_fixture *f, struct log_shape shape);
/* Stage it and wait until it is acknowledged. */
struct status log_fixture_append(struct log_fixture *f, struct log_shape shape);
/* Step, waiting for writes, until there is nothing to do. */
enum vlog_step log_fixture_settle(struct log_fixture *f);
/* Let the background do all it wants to. */
void log_fixture_work(struct log_fixture *f);

/* The bytes of an entry's body (which == UINT32_MAX) or of one of its values. */
void log_fixture_fill(uint64_t index, uint32_t which, uint8_t *out, size_t size);
/* Read one value of an entry and compare. NULL, or what is wrong. */
const char *log_fixture_read(struct log_fixture *f, uint64_t index, uint32_t which);
/* Read all values of all entries that were staged or replayed; as above. */
const char *log_fixture_read_all(struct log_fixture *f);
/* The manifest names a value file from now on, instead of one with the same logical id. */
void log_fixture_record(struct log_fixture *f, const struct vlog_file *file);
/* The manifest forgets it. */
void log_fixture_forget(struct log_fixture *f, uint64_t logical);

#endif
