/*
 * config -- every parameter of the server, declared once.
 *
 * The table (config_table.c) says of each parameter its name, type, range, initial value, whether
 * it can be set while the server runs, and what it does. The file, the flags, CONFIG GET, SET and
 * REWRITE, `varve server --help` and docs/configuration.md all read it there. Every parameter of
 * Redis 7.2 is in it. Those that mean nothing here are checked, remembered and told back, and the
 * log says that they do nothing; those that ask for what is not here are refused, with the reason.
 *
 * A file has a parameter a line, its name and its values, as redis.conf has:
 *
 *     # a comment
 *     port 6380
 *     bind 127.0.0.1 ::1
 *     requirepass "two words"
 *     include /etc/varve/more-*.conf
 *
 *   1. What is not understood stops the start, with file, line and what was expected.
 *   2. A value that was refused leaves the old one.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_CONFIG_H
#define VARVE_SERVER_CONFIG_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/errbuf.h"
#include "base/log.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Values -----------------------------------------------------------------------------------
 */

enum config_durability { CONFIG_DURABLE, CONFIG_RELAXED };
enum config_backend { CONFIG_BACKEND_AUTO, CONFIG_BACKEND_POSIX };
enum config_supervised { CONFIG_SUPERVISED_NO, CONFIG_SUPERVISED_SYSTEMD, CONFIG_SUPERVISED_AUTO };
/* Who may use what can harm. */
enum config_access { CONFIG_NOBODY, CONFIG_EVERYBODY, CONFIG_LOCAL };

/* More output than this waits for a client: it is let go. 0: no limit. */
struct config_output_limit {
    uint64_t hard_bytes;
    uint64_t soft_bytes; /* ... for soft_s in a row. */
    uint64_t soft_s;
};
/* As Redis: ordinary clients, replicas (there are none), subscribers. */
enum { CONFIG_OUTPUT_NORMAL, CONFIG_OUTPUT_REPLICA, CONFIG_OUTPUT_PUBSUB, CONFIG_OUTPUT_CLASSES };

/* Which percentiles INFO latencystats tells. */
enum { CONFIG_PERCENTILES_MAX = 16 };
struct config_percentiles {
    double values[CONFIG_PERCENTILES_MAX];
    uint32_t count;
};

enum { CONFIG_REMEMBERED_MAX = 320, CONFIG_SCORES_COUNT = 3 };

struct server_config {
    struct alloc *alloc;

    char *bind; /* Addresses, a blank between. */
    uint64_t port;
    char *unixsocket;        /* Empty: none. */
    uint64_t unixsocketperm; /* 0: as the umask has it. */
    uint64_t tcp_backlog;
    uint64_t tcp_keepalive;
    uint64_t timeout;
    uint64_t maxclients;
    bool protected_mode;
    char *requirepass;                 /* Empty: none. */
    uint64_t enable_debug_command;     /* enum config_access */
    uint64_t enable_protected_configs; /* enum config_access */

    char *dir;
    char *dbfilename;
    uint64_t databases;
    uint64_t loglevel; /* enum log_level */
    char *logfile;     /* Empty: stdout. */
    char *pidfile;     /* Empty: none. */
    uint64_t daemonize;
    uint64_t supervised; /* enum config_supervised */
    uint64_t hz;
    uint64_t shutdown_timeout;

    int64_t slowlog_log_slower_than; /* Microseconds; negative: nothing is logged. */
    uint64_t slowlog_max_len;
    uint64_t latency_monitor_threshold; /* Milliseconds; 0: nothing is watched. */
    bool latency_tracking;
    struct config_percentiles latency_percentiles;

    uint64_t durability; /* enum config_durability */
    uint64_t io_backend; /* enum config_backend */
    uint64_t busy_poll;

    uint64_t maxmemory;
    uint64_t maxmemory_policy;
    uint64_t cache_size;
    uint64_t row_cache_size;
    uint64_t proto_max_bulk_len;
    uint64_t client_query_buffer_limit;
    struct config_output_limit output_limits[CONFIG_OUTPUT_CLASSES];

    uint64_t write_buffer_size;
    uint64_t write_buffer_count;
    uint64_t log_segment_size;
    uint64_t log_size_max;
    uint64_t value_separation_min;
    uint64_t block_size;
    uint64_t filter_bits;
    uint64_t table_size;
    uint64_t level_base_size;
    uint64_t level_fanout;
    uint64_t level0_compact;
    uint64_t level0_slow;
    uint64_t level0_stop;
    double space_amp_target;

    uint64_t notify_events; /* enum resp_event_class */

    char *remembered[CONFIG_REMEMBERED_MAX]; /* Of parameters that do nothing, by place. */
    char *file;                              /* Absolute path of the file; empty: none. */
};

/* ---- Parameters -------------------------------------------------------------------------------
 */

enum config_type {
    CONFIG_YES_NO,
    CONFIG_NUMBER,
    CONFIG_OCTAL,
    CONFIG_MEMORY, /* Bytes; k, kb, m, mb, g, gb follow the number. */
    CONFIG_SHARE,  /* Bytes, or a number with "%". */
    CONFIG_RATIO,
    CONFIG_CHOICE,  /* Its place in choices is the value. */
    CONFIG_CHOICES, /* Several of them. */
    CONFIG_TEXT,    /* One word. */
    CONFIG_WORDS,   /* Several, joined by blanks. */
    CONFIG_SCORES,  /* CONFIG_SCORES_COUNT numbers. */
    CONFIG_SAVE,    /* Pairs of seconds and changes; lines of a file add up. */
    CONFIG_PERCENTILES,
    CONFIG_OUTPUT_LIMIT,
    CONFIG_EVENTS, /* Letters of keyspace events. */
};

enum config_flag {
    CONFIG_MUTABLE = 1 << 0,   /* CONFIG SET may. */
    CONFIG_NOTHING = 1 << 1,   /* A parameter of Redis that does nothing here; help says why. */
    CONFIG_REFUSED = 1 << 2,   /* One that must stay as it is; help says why. */
    CONFIG_HIDDEN = 1 << 3,    /* CONFIG GET tells it to who names it only. */
    CONFIG_PROTECTED = 1 << 4, /* CONFIG SET may if enable-protected-configs says so. */
    CONFIG_REPEAT = 1 << 6,    /* CONFIG SET may say again what is so, and nothing else. */
    CONFIG_SECRET = 1 << 5,    /* Its value is shown to nobody but CONFIG GET. */
};

struct config_parameter {
    const char *name;
    enum config_type type;
    unsigned flags;
    size_t offset; /* In struct server_config. */
    const char *initial;
    int64_t min;
    int64_t max;
    const char *const *choices; /* Ended by NULL. */
    const char *help;
    const char *same_as; /* Another name of this parameter, which has all the rest; NULL: none. */
};

/* The table; a parameter without a name ends it. */
const struct config_parameter *server_config_table(void);
/* NULL if there is none. Letters may be of either case, here and in the next. */
const struct config_parameter *server_config_find(struct bytes name);
bool server_config_is_called(const struct config_parameter *p, struct bytes text);
/* The parameter that this one is another name of; itself, if it is none. */
const struct config_parameter *server_config_target(const struct config_parameter *p);

/* ---- Life -------------------------------------------------------------------------------------
 */

/* All at their initial values. */
MUST_CHECK struct status server_config_init(struct server_config *c, struct alloc *alloc);
void server_config_deinit(struct server_config *c);

/* Set a parameter from its values. INVALID: err says why, in Redis' words. */
MUST_CHECK struct status server_config_set(struct server_config *c,
                                           const struct config_parameter *p,
                                           const struct bytes *values, size_t count,
                                           struct errbuf *err);
/* From one text that holds all values, as CONFIG SET is given them. */
MUST_CHECK struct status server_config_set_text(struct server_config *c,
                                                const struct config_parameter *p, struct bytes text,
                                                struct errbuf *err);
/* Append its value as CONFIG GET tells it. */
void server_config_get(const struct server_config *c, const struct config_parameter *p,
                       struct buf *out);
/* Append "a number from 0 to 65535". */
void server_config_expected(const struct config_parameter *p, struct buf *out);
/* Append what it is when nothing is said, as CONFIG GET would tell it. */
void server_config_initial(const struct config_parameter *p, struct buf *out);
/* Do two configurations have the same value? */
bool server_config_is_same(const struct server_config *a, const struct server_config *b,
                           const struct config_parameter *p);

/* ---- Values as text (config_value.c)
 * -------------------------------------------------------------
 */

union config_value {
    bool is_yes;
    int64_t number; /* Also a choice's place. */
    double ratio;
    struct config_percentiles percentiles;
    struct config_output_limit limits[CONFIG_OUTPUT_CLASSES];
};

/* Is its value kept as text? */
bool config_is_text(const struct config_parameter *p);
/* Check words that are kept as text, and append them as they are kept. INVALID. */
MUST_CHECK struct status config_text_take(const struct config_parameter *p,
                                          const struct bytes *words, size_t count, struct buf *out,
                                          struct errbuf *err);
/* The others. *value holds the value before, of which OUTPUT_LIMIT changes a part. INVALID. */
MUST_CHECK struct status config_value_take(const struct config_parameter *p,
                                           const struct bytes *words, size_t count,
                                           union config_value *value, struct errbuf *err);
void config_value_tell(const struct config_parameter *p, const union config_value *value,
                       struct buf *out);
/* "normal 0 0 0". */
void config_output_limit_tell(const struct config_output_limit *l, int class, struct buf *out);

/* ---- Text -------------------------------------------------------------------------------------
 */

/* Files that a file includes. */
struct config_source {
    void *context;
    /* Append a file's text. path is borrowed. On failure err says why. */
    struct status (*read)(void *context, const char *path, struct buf *out, struct errbuf *err);
    /* Call visit for each file that a pattern names, in order of names. */
    struct status (*list)(void *context, const char *pattern,
                          struct status (*visit)(void *context, const char *path,
                                                 struct errbuf *err),
                          void *visit_context, struct errbuf *err);
};

/* A whole file's text. name is for messages. source may be NULL: nothing can be included. INVALID:
 * err has file, line and what was expected. */
MUST_CHECK struct status server_config_read_text(struct server_config *c,
                                                 const struct config_source *source,
                                                 const char *name, struct bytes text,
                                                 struct errbuf *err);
/* Is the line of this name one that includes others? */
bool server_config_is_include(struct bytes name);
/* "--name value ..." up to the next "--". INVALID as above. */
MUST_CHECK struct status server_config_read_flags(struct server_config *c,
                                                  const struct config_source *source, int argc,
                                                  const char *const *argv, struct errbuf *err);
/* The file's text as it should be to give c: comments, order and what is included stay, lines
 * change where the value has, new ones come at the end (config_rewrite.c). NO_MEMORY */
MUST_CHECK struct status server_config_rewrite(const struct server_config *c, struct bytes text,
                                               struct buf *out);
/* What the parameters must be to each other. INVALID. */
MUST_CHECK struct status server_config_check(const struct server_config *c, struct errbuf *err);

/* Split a line into its words, quotes and escapes as redis.conf has them, writing them to room
 * (as large as the line). False: a quote is not closed. */
enum { CONFIG_WORDS_MAX = 64 };
bool server_config_split(struct bytes line, uint8_t *room, struct bytes words[CONFIG_WORDS_MAX],
                         size_t *out_count);

#endif
