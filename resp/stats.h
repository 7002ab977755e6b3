/*
 * stats -- what commands did: how often, how long, which errors. For INFO commandstats, errorstats
 * and latencystats, and LATENCY HISTOGRAM.
 *
 * A command's row is found by its place in memory; the one used last is tried first.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_STATS_H
#define VARVE_RESP_STATS_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/histogram.h"
#include "base/status.h"

#include "resp/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESP_STATS_SLOTS = 1024,
    RESP_ERRORS_MAX = 128, /* Kinds; further ones are counted together. */
    RESP_ERROR_MAX_CHARS = 31,
};

struct resp_command_stats {
    const struct resp_command *command;
    uint64_t calls;
    uint64_t ns;
    uint64_t rejected;       /* Not run: wrong number of arguments, no permission ... */
    uint64_t failed;         /* Run, and answered an error. */
    struct histogram *times; /* Nanoseconds; NULL: none yet. */
};

struct resp_error_stats {
    char code[RESP_ERROR_MAX_CHARS + 1];
    uint64_t count;
};

struct resp_command_figures {
    struct alloc *alloc;
    struct resp_command_stats *commands; /* In order of the table, containers before their own. */
    size_t count;
    uint16_t slots[RESP_STATS_SLOTS]; /* 1 + place; 0 is free. */
    struct resp_command_stats *last;
    struct resp_error_stats errors[RESP_ERRORS_MAX];
    size_t error_count;
};

/* NO_MEMORY */
MUST_CHECK struct status resp_figures_init(struct resp_command_figures *f, struct alloc *alloc);
void resp_figures_deinit(struct resp_command_figures *f);
void resp_figures_reset(struct resp_command_figures *f);

struct resp_command_stats *resp_figures_find(struct resp_command_figures *f,
                                             const struct resp_command *c);
static inline struct resp_command_stats *resp_figures_of(struct resp_command_figures *f,
                                                         const struct resp_command *c)
{
    return f->last->command == c ? f->last : resp_figures_find(f, c);
}

/* A command has been run. with_times: also in its histogram, if there is memory for one. */
void resp_figures_add(struct resp_command_figures *f, const struct resp_command *c, uint64_t ns,
                      bool is_failed, bool with_times);
/* Count the errors in replies: "-CODE text". */
void resp_figures_add_errors(struct resp_command_figures *f, struct bytes replies);

/* The lines of INFO. */
void resp_figures_tell_commands(const struct resp_command_figures *f, struct buf *out);
void resp_figures_tell_errors(const struct resp_command_figures *f, struct buf *out);
void resp_figures_tell_times(const struct resp_command_figures *f, const double *percentiles,
                             size_t count, struct buf *out);

#endif
