#include "server/log.h"

#include <stdio.h>

enum { TIME_SIZE = 48, LINE_SIZE = 1024 + 128 };

static char mark_of(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return '.';
    case LOG_VERBOSE:
        return '-';
    case LOG_NOTICE:
        return '*';
    case LOG_WARNING:
        break;
    }
    return '#';
}

static void write_line(struct log *log, enum log_level level, const char *line)
{
    struct server_log *l = (struct server_log *)log;
    char time[TIME_SIZE];
    char text[LINE_SIZE];

    process_local_time(clock_wall_ms(l->clock), time, sizeof time);
    int n = snprintf(text, sizeof text, "%llu:M %s %c %s\n", (unsigned long long)process_id(), time,
                     mark_of(level), line);
    size_t size = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    if (l->file != NULL)
        process_log_write(l->file, text, size);
    else
        process_print(PROCESS_STDOUT, text, size);
}

void server_log_init(struct server_log *l, struct clock *clock, enum log_level level)
{
    *l = (struct server_log) { .log = { .level = level, .write = write_line }, .clock = clock };
}

void server_log_deinit(struct server_log *l)
{
    process_log_close(l->file);
    l->file = NULL;
}

bool server_log_to_file(struct server_log *l, const char *path, int *out_error)
{
    struct process_log_file *file = process_log_open(path, out_error);

    if (file == NULL)
        return false;
    process_log_close(l->file);
    l->file = file;
    return true;
}

void server_log_reopen(struct server_log *l)
{
    if (l->file != NULL)
        process_log_reopen(l->file);
}
