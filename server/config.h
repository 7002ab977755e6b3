/*
 * config -- every parameter of the server, declared once.
 *
 * The table (config_table.c) says of each parameter its name, type, range, initial value, whether
 * it can be set while the server runs, and what it does. The file, the flags, CONFIG GET, CONFIG
 * SET and `varve server --help` all read it there. Parameters of Redis that mean nothing here are
 * in it too: they are checked, remembered and told back, and the log says that they do nothing.
 *
 * A file has a parameter a line, its name and its values, as redis.conf has:
 *
 *     # a comment
 *     port 6380
 *     bind 127.0.0.1 ::1
 *     requirepass "two words"
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

/* More output than this waits for a client: it is let go. 0: no limit. */
struct config_output_limit {
    uint64_t hard_bytes;
    uint64_t soft_bytes; /* ... for soft_s in a row. */
    uint64_t soft_s;
};
/* As Redis: ordinary clients, replicas, subscribers. Only the first class exists here. */
enum { CONFIG_OUTPUT_NORMAL, CONFIG_OUTPUT_REPLICA, CONFIG_OUTPUT_PUBSUB, CONFIG_OUTPUT_CLASSES };

enum { CONFIG_REMEMBERED_MAX = 128 };

struct server_config {
    struct alloc *alloc;

    char *bind; /* Addresses, a blank between. */
    uint64_t port;
    char *unixsocket; /* Empty: none. */
    uint64_t tcp_backlog;
    uint64_t tcp_keepalive;
    uint64_t timeout;
    uint64_t maxclients;
    bool protected_mode;
    char *requirepass; /* Empty: none. */

    char *dir;
    uint64_t databases;
    uint64_t loglevel; /* enum log_level */
    char *logfile;     /* Empty: stdout. */
    uint64_t daemonize;
    uint64_t supervised; /* enum config_supervised */
    uint64_t hz;
    uint64_t shutdown_timeout;

    uint64_t durability; /* enum config_durability */
    uint64_t io_backend; /* enum config_backend */

    uint64_t maxmemory;
    uint64_t maxmemory_policy;
    uint64_t cache_size;
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

    char *remembered[CONFIG_REMEMBERED_MAX]; /* Of parameters that do nothing. */
    char *file;                              /* Absolute path of the file; empty: none. */
};

/* ---- Parameters -------------------------------------------------------------------------------
 */

enum config_type {
    CONFIG_YES_NO,
    CONFIG_NUMBER,
    CONFIG_MEMORY, /* Bytes; k, kb, m, mb, g, gb follow the number. */
    CONFIG_RATIO,
    CONFIG_CHOICE, /* Its place in choices is the value. */
    CONFIG_TEXT,   /* One word. */
    CONFIG_WORDS,  /* Several, joined by blanks. */
    CONFIG_OUTPUT_LIMIT,
    CONFIG_EVENTS, /* Letters of keyspace events. */
};

enum config_flag {
    CONFIG_MUTABLE = 1 << 0, /* CONFIG SET may. */
    CONFIG_NOTHING = 1 << 1, /* A parameter of Redis that does nothing here. */
};

struct config_parameter {
    const char *name;
    enum config_type type;
    unsigned flags;
    size_t offset; /* In struct server_config. */
    const char *initial;
    uint64_t min;
    uint64_t max;
    const char *const *choices; /* Ended by NULL. */
    const char *help;
};

/* The table; a parameter without a name ends it. */
const struct config_parameter *server_config_table(void);
/* In any case of letters; NULL if there is none. */
const struct config_parameter *server_config_find(struct bytes name);

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

/* ---- Text -------------------------------------------------------------------------------------
 */

/* A whole file's text. name is for messages. INVALID: err has file, line and what was expected. */
MUST_CHECK struct status server_config_read_text(struct server_config *c, const char *name,
                                                 struct bytes text, struct errbuf *err);
/* "--name value ..." up to the next "--". INVALID as above. */
MUST_CHECK struct status server_config_read_flags(struct server_config *c, int argc,
                                                  const char *const *argv, struct errbuf *err);
/* What the parameters must be to each other. INVALID. */
MUST_CHECK struct status server_config_check(const struct server_config *c, struct errbuf *err);

/* Split a line into its words, quotes and escapes as redis.conf has them, writing them to room
 * (as large as the line). False: a quote is not closed. */
enum { CONFIG_WORDS_MAX = 64 };
bool server_config_split(struct bytes line, uint8_t *room, struct bytes words[CONFIG_WORDS_MAX],
                         size_t *out_count);

#endif
