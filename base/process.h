/*
 * process -- the door to what the kernel knows of this process and of the machine under it.
 *
 * For banners, INFO and defaults; nothing on a request's path asks here.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_PROCESS_H
#define VARVE_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t process_id(void);

struct process_usage {
    uint64_t user_us;
    uint64_t system_us;
    uint64_t children_user_us;
    uint64_t children_system_us;
    uint64_t thread_user_us; /* Of the calling thread. */
    uint64_t thread_system_us;
    uint64_t resident_bytes; /* 0 where the kernel does not say. */
    uint64_t resident_peak_bytes;
};
void process_usage(struct process_usage *out);

/* Memory this process may use: the machine's, or the least limit of its control groups. */
uint64_t process_memory_limit(void);

/* Processors this process may keep busy, in thousandths: those it may run on, or the least quota of
 * its control groups. UINT64_MAX where the kernel does not say. */
enum { PROCESS_ONE_PROCESSOR = 1000 };
uint64_t process_processors_milli(void);

/* Allow at least want open files if that can be had; returns how many are allowed. */
uint64_t process_raise_file_limit(uint64_t want);

/* "Linux 6.1.0 x86_64", the path of the running program; truncated to size, terminated. */
void process_system_name(char *out_text, size_t size);
void process_executable(char *out_text, size_t size);
/* The absolute form of a path that exists; the path itself if there is none. */
void process_absolute_path(const char *path, char *out_text, size_t size);

/* Wall time as people read it where the process runs: "21 Nov 2025 04:11:52.123". */
void process_local_time(uint64_t wall_ms, char *out_text, size_t size);

/* A variable of the environment; NULL if it is not set. */
const char *process_variable(const char *name);

/*
 * Tell the supervisor (systemd: NOTIFY_SOCKET) how it goes: "READY=1", "STOPPING=1". False if
 * there is no supervisor, or it did not take it.
 */
bool process_notify(const char *state);

/* ---- Text in and out ------------------------------------------------------------------------- */

enum process_stream { PROCESS_STDOUT, PROCESS_STDERR };

/* Write all of it; what the other end refuses is lost. */
void process_print(enum process_stream stream, const char *text, size_t size);

/* A file that lines are appended to, by whole writes, so that several writers' lines do not mix.
 * NULL: it could not be opened; *out_error is the errno. */
struct process_log_file;
struct process_log_file *process_log_open(const char *path, int *out_error);
void process_log_write(struct process_log_file *f, const char *text, size_t size);
/* Open the path again: it was renamed, and a new file is to be begun. The old one is kept if that
 * fails. */
void process_log_reopen(struct process_log_file *f);
void process_log_close(struct process_log_file *f); /* Takes NULL. */

/* The words behind an errno, in room. */
const char *process_error_text(int error, char *room, size_t size);

#endif
