/*
 * log -- lines for the operator.
 *
 * Libraries return statuses; only those who decide log (server, background drivers). A sink is
 * handed down in the env; tests use one that counts or drops.
 *
 * Threads: any; a sink serialises.
 */
#ifndef VARVE_BASE_LOG_H
#define VARVE_BASE_LOG_H

#include <stdarg.h>

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

struct log {
    enum log_level level; /* Lines below are dropped before formatting. */
    /* line is borrowed for the call. */
    void (*write)(struct log *l, enum log_level level, const char *line);
};

/* One line, without a newline: cut at 1023 bytes, bytes outside printable ASCII as \xNN, so that
 * foreign data can neither forge a line nor steer a terminal. */
__attribute__((format(printf, 3, 4))) void log_line(struct log *l, enum log_level level,
                                                    const char *format, ...);

/* Drops everything. Stateless constant. */
struct log *log_none(void);

#define log_debug(l, ...) log_line((l), LOG_DEBUG, __VA_ARGS__)
#define log_verbose(l, ...) log_line((l), LOG_VERBOSE, __VA_ARGS__)
#define log_notice(l, ...) log_line((l), LOG_NOTICE, __VA_ARGS__)
#define log_warning(l, ...) log_line((l), LOG_WARNING, __VA_ARGS__)

#endif
