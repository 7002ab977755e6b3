/*
 * log -- the operator's lines, as Redis writes them, to stdout or a file.
 *
 *     1234:M 21 Nov 2025 04:11:52.123 * Ready to accept connections tcp
 *
 * Threads: any; a line is one write.
 */
#ifndef VARVE_SERVER_LOG_H
#define VARVE_SERVER_LOG_H

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"

struct server_log {
    struct log log; /* What is handed down in the env. */
    struct clock *clock;
    struct process_log_file *file; /* NULL: stdout. */
};

/* Lines go to stdout. */
void server_log_init(struct server_log *l, struct clock *clock, enum log_level level);
void server_log_deinit(struct server_log *l);
/* To this file from now on; false, and *out_error the errno, if it cannot be opened. */
bool server_log_to_file(struct server_log *l, const char *path, int *out_error);
/* The file was moved away: begin a new one. */
void server_log_reopen(struct server_log *l);

#endif
