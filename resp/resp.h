/*
 * resp -- the Redis protocol and its commands: bytes in, evaluations, bytes out.
 *
 * A gateway (struct resp) is what the sessions of one reactor share: the command index, limits,
 * counters. A session is one client: what it has said so far that later commands depend on. It is
 * handed the bytes received, says when they hold a request, and runs it against a store
 * (resp/store.h), appending the reply to a buf. Sockets, files, clocks, threads and configuration
 * are the host's, reached through struct resp_host.
 *
 * What a driver does with the bytes of a connection, again and again:
 *
 *     resp_session_parse   MORE: receive more behind what is there.
 *                          BAD: send what was answered, and close.
 *                          REQUEST: begin a command of the store, and
 *     resp_session_run     OK: keep what the command wrote; send the reply when that is durable.
 *                          AGAIN: drop it; run again when the reads that were wanted are there,
 *                          or (out->is_short) when what waits in front of the reply has left.
 *                          Anything else: drop it; the reply says what failed.
 *     resp_settle          At once after each run, and after what the store said to it: what the
 *                          command has for other clients is sent to them, or dropped.
 *     then drop resp_session_request_size bytes, and close if resp_session_is_closing.
 *
 * and, before a request of it is run, resp_session_catch_up; with each turn resp_begin_turn.
 *
 *   1. The bytes of a request stay where they are, unchanged, until it has run.
 *   2. A run that answers AGAIN has appended nothing and changed nothing in the session.
 *   3. Nothing grows without a limit: resp_options has them all.
 *
 * Threads: one reactor's; nothing is shared between gateways.
 */
#ifndef VARVE_RESP_RESP_H
#define VARVE_RESP_RESP_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/errbuf.h"
#include "base/status.h"

#include "resp/parse.h"
#include "resp/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Redis whose behaviour and INFO fields clients may count on. */
#define RESP_REDIS_VERSION "7.2.4"

/* A key's bytes; the rows that carry it have a little more. */
enum { RESP_KEY_MAX_BYTES = 64000 };

struct resp;
struct resp_session;

/* ---- The host ------------------------------------------------------------------------------ */

/* How a connection stands, for CLIENT LIST. */
struct resp_connection {
    uint64_t age_s;
    uint64_t idle_s;
    size_t input_bytes;      /* Received, not yet consumed. */
    size_t input_room_bytes; /* Left in the receive buffer. */
    size_t output_bytes;     /* Waiting to be sent. */
    size_t output_buffer_bytes;
    bool wants_write;
};

enum resp_shutdown_flag {
    RESP_SHUTDOWN_NOSAVE = 1 << 0, /* All are accepted; data is durable already. */
    RESP_SHUTDOWN_SAVE = 1 << 1,
    RESP_SHUTDOWN_NOW = 1 << 2,
    RESP_SHUTDOWN_FORCE = 1 << 3,
};

enum resp_config_flag {
    RESP_CONFIG_HIDDEN = 1 << 0, /* Told to those only who name it. */
    RESP_CONFIG_SECRET = 1 << 1, /* In no log. */
};

struct resp_config_pair {
    struct bytes name;
    struct bytes value;
};

/* What one client is sent because of another: `first` and the rest. */
struct resp_push {
    char first;
    struct bytes rest;
    uint64_t ticket; /* It may leave when this is applied. */
};

/* What the program around the gateway does for it. Calls return at once. */
struct resp_host {
    const struct resp_host_ops *ops;
};
struct resp_host_ops {
    /* Is there a password at all (requirepass)? */
    bool (*has_password)(struct resp_host *h);
    /* Is it this one? Takes as long for any wrong one. */
    bool (*check_password)(struct resp_host *h, struct bytes password);

    /* Append the "field:value\r\n" lines of an INFO section: "Server", "Clients", "Memory",
     * "Persistence", "Stats", "Replication", "CPU", "Cluster", or one of the host's own, whose
     * titles, in order, come from info_section; NULL ends them. */
    void (*info)(struct resp_host *h, const char *title, struct buf *out);
    const char *(*info_section)(struct resp_host *h, size_t index);

    /* Configuration, by place: the name, and the value appended to out_value; NULL at the end.
     * out_value may be NULL. */
    const char *(*config_get)(struct resp_host *h, size_t index, unsigned *out_flags,
                              struct buf *out_value);
    /* Set all pairs or none, for who. On failure *out_bad is the place of the pair to blame and why
     * says what is wrong ("argument must be a memory value"); NOT_FOUND: no such parameter. */
    struct status (*config_set)(struct resp_host *h, const struct resp_session *who,
                                const struct resp_config_pair *pairs, size_t count, size_t *out_bad,
                                struct errbuf *why);
    /* Write it to the file it came from. NOT_FOUND: from none; else why says what failed. */
    struct status (*config_rewrite)(struct resp_host *h, struct errbuf *why);
    void (*reset_stats)(struct resp_host *h);
    /* The monotonic clock, asked once a command. */
    uint64_t (*now_ns)(struct resp_host *h);

    /* The sessions, in order of ids; after NULL comes the first, after the last NULL. */
    struct resp_session *(*next_session)(struct resp_host *h, struct resp_session *previous);
    void (*connection)(struct resp_host *h, const struct resp_session *s,
                       struct resp_connection *out);
    /* Append to what the session is sent. False: it could not take it, and is no more. */
    bool (*push)(struct resp_host *h, struct resp_session *s, const struct resp_push *push);
    /* End its connection and the session; what it was to be sent is lost. */
    void (*close)(struct resp_host *h, struct resp_session *s);

    /* Can what is written be kept? FAILED: never again; NO_SPACE: not for now. */
    struct status (*health)(struct resp_host *h);
    /* Make a checkpoint; is_waited: the command that asks waits for it (AGAIN, as for a row; the
     * answer is for the run that comes then). BUSY: one is being made; else why says what failed.
     */
    struct status (*save)(struct resp_host *h, bool is_waited, struct errbuf *why);
    /* When the last one was made, as Unix time; if there was none, when the server started. */
    uint64_t (*last_save_s)(struct resp_host *h);
    /* Write what the log holds to tables, so that it becomes short. *out_is_scheduled: after the
     * checkpoint that is being made. */
    struct status (*shorten_log)(struct resp_host *h, bool *out_is_scheduled);

    /* Stop serving soon. OK: it will; the session that asked gets no reply. AGAIN: it is being
     * saved first; ask again, as for a row. BUSY: why not, in why. */
    struct status (*shutdown)(struct resp_host *h, unsigned flags, struct errbuf *why);
    /* Take an earlier shutdown back; false if none is under way. */
    bool (*shutdown_abort)(struct resp_host *h);

    /* For DEBUG: may this client use it; do nothing at all, for nobody, for so long; expire keys by
     * themselves or not; a line for the log. */
    bool (*may_debug)(struct resp_host *h, const struct resp_session *who);
    void (*debug_sleep)(struct resp_host *h, uint64_t duration_us);
    void (*debug_expire)(struct resp_host *h, bool is_active);
    void (*debug_log)(struct resp_host *h, struct bytes text);
};

/* ---- The gateway --------------------------------------------------------------------------- */

struct resp_options {
    struct alloc *alloc;
    struct resp_host *host;
    struct resp_limits limits;      /* See RESP_LIMITS_DEFAULT. */
    size_t queue_max_bytes;         /* A transaction's queued commands; 0: 64 MiB. */
    size_t queue_max_count;         /* 0: 65,536. */
    size_t iteration_max_bytes;     /* What KEYS may collect; 0: 512 MiB. */
    size_t subscriptions_max_bytes; /* Of all sessions; 0: 64 MiB. */
    uint64_t hash_seed;             /* Of tables in memory: not to be guessed. */
};

struct resp_stats {
    uint64_t commands;      /* Run to an end. */
    uint64_t errors;        /* Error replies. */
    uint64_t keyspace_hits; /* Lookups of reading commands. */
    uint64_t keyspace_misses;
    uint64_t expired_keys; /* Removed because their time was over. */
    uint64_t denied_auths; /* Wrong passwords. */
};

/* What is remembered of commands that took long; may be changed at any time. */
enum { RESP_PERCENTILES_MAX = 16 };
struct resp_slow {
    int64_t slowlog_us; /* From there on; negative: none. */
    uint64_t slowlog_max;
    uint64_t latency_threshold_ms;            /* From there on; 0: none. */
    bool tracks_times;                        /* A histogram a command. */
    double percentiles[RESP_PERCENTILES_MAX]; /* Those that INFO latencystats tells. */
    size_t percentile_count;
};

/* limits are copied and may be changed later through resp_limits. */
MUST_CHECK struct status resp_create(const struct resp_options *options, struct resp **out_resp);
void resp_destroy(struct resp *resp); /* Takes NULL. Requires: no sessions left. */

struct resp_slow *resp_slow(struct resp *resp);
/* Commands are timed from the end of the one before. What runs next begins now. */
void resp_mark_time(struct resp *resp, uint64_t now_ns);
/* Removing keys whose time is over has kept others waiting for so long. */
void resp_note_expire_cycle(struct resp *resp, uint64_t wall_ms, uint64_t duration_ns);

/* For CONFIG SET proto-max-bulk-len and client-query-buffer-limit. */
struct resp_limits *resp_limits(struct resp *resp);
const struct resp_stats *resp_stats(const struct resp *resp);
void resp_reset_stats(struct resp *resp);
/* Keys that commands have written or removed; goes on for ever. */
uint64_t resp_changes(const struct resp *resp);

/* What is subscribed to. */
struct resp_pubsub_counts {
    uint32_t channels;
    uint32_t patterns;
    uint32_t shard_channels;
};
void resp_pubsub_counts(const struct resp *resp, struct resp_pubsub_counts *out);

/* notify-keyspace-events: "KEA" to classes and back. False: an unknown letter. */
enum { RESP_EVENTS_MAX_CHARS = 16 };
bool resp_events_parse(struct bytes text, unsigned *out_classes);
void resp_events_format(unsigned classes, char out[RESP_EVENTS_MAX_CHARS + 1]);
void resp_set_events(struct resp *resp, unsigned classes);

/*
 * After every resp_session_run and resp_expire_slot, before the next. is_kept: it answered OK and
 * the store has kept what it wrote: then what it has for other clients is pushed to them, under
 * the ticket at which its own reply may leave. Sessions may be closed by that, this one too.
 */
void resp_settle(struct resp *resp, bool is_kept, uint64_t ticket);

/* A new turn: it may push so much again; what waits goes first. */
void resp_begin_turn(struct resp *resp);
/* Messages wait for turns to come. */
bool resp_is_delivering(const struct resp *resp);
/* The wall clock's time when commands that wait for the end of a pause may run, and keys may be
 * removed because their time is over, again. */
uint64_t resp_paused_until_ms(const struct resp *resp);
/* So many that no more commands should run in this turn. */
bool resp_is_behind(const struct resp *resp);

/* ---- Sessions ------------------------------------------------------------------------------ */

struct resp_session_options {
    uint64_t id;         /* Never given out before. */
    const char *address; /* "127.0.0.1:40000". Copied, as the next. */
    const char *local_address;
    int fd;      /* For CLIENT LIST only. */
    void *owner; /* The host's. */
};

MUST_CHECK struct status resp_session_create(struct resp *resp,
                                             const struct resp_session_options *options,
                                             struct resp_session **out_session);
/* Takes NULL. Closes what a blocked command left open. */
void resp_session_destroy(struct resp_session *s);

/* Look for the next request in the bytes received. BAD: the error is appended to out. */
enum resp_parse_result resp_session_parse(struct resp_session *s, uint8_t *data, size_t size,
                                          struct buf *out);
/* After BAD: what is wrong, as it was answered, behind "ERR ". */
const char *resp_session_parse_error(const struct resp_session *s);
/* After BAD: the request is longer than limits.request_max_bytes. */
bool resp_session_is_too_big(const struct resp_session *s);
/* Where it is connected from, as CLIENT LIST has it. */
const char *resp_session_address(const struct resp_session *s);
/* After REQUEST: its bytes. */
size_t resp_session_request_size(const struct resp_session *s);
/* After MORE: see resp_parser_missing. */
size_t resp_session_missing(const struct resp_session *s, size_t size);

/*
 * Run the request that was parsed last, within a command of the store. LIMIT or NO_MEMORY with
 * out->is_failed: there was no room even for the error; close. may_wait: where memory is short for
 * a reply alone, it is not an error but AGAIN (but for EXEC, which has been taken apart by then).
 */
MUST_CHECK struct status resp_session_run(struct resp_session *s, struct store *store,
                                          bool may_wait, struct buf *out);

/* Before a request is run: push what waits for the session, as it was said before. */
void resp_session_catch_up(struct resp_session *s);

/* Is it subscribed to channels, patterns or shard channels? */
bool resp_session_is_subscriber(const struct resp_session *s);
/* After AGAIN: it waits for the end of a pause (CLIENT PAUSE), for nothing else. */
bool resp_session_is_postponed(const struct resp_session *s);
/* The client asked to leave, or lost the right to stay: send what there is, then close. */
bool resp_session_is_closing(const struct resp_session *s);
/* It watches keys: keep their versions' tombstones (TXN_WATCH_MAX_MS). */
bool resp_session_is_watching(const struct resp_session *s);
uint64_t resp_session_id(const struct resp_session *s);
void *resp_session_owner(const struct resp_session *s);
/* The size of the request at the front of data, which will be run later, and the row of its first
 * key (empty if that is long), in room; 0 if it is not whole, or not of the plain kind. A hint for
 * fetching memory ahead. */
enum { RESP_GLANCE_MAX = 256 };
size_t resp_session_glance(const struct resp_session *s, struct store *store, struct bytes data,
                           uint8_t room[RESP_GLANCE_MAX], struct bytes *out_row_key);
/* Does that request only read? Then it takes the row whole; else, mostly, it wants to know what is
 * there, not its value. */
bool resp_session_glance_reads(const struct resp_session *s, struct bytes data);
/* Bytes of memory it holds. */
size_t resp_session_held(const struct resp_session *s);
/* Give back memory that only busy sessions need. Requires: no request is parsed and waits. */
void resp_session_trim(struct resp_session *s);

/* ---- Work that no client asks for ----------------------------------------------------------- */

/*
 * Remove keys of a slot whose time is over, as one command of the store (begin, run, keep or drop,
 * as above), looking at rows_max expiry rows at most. *out_removed: how many. *out_next_ms: when
 * the slot is to be looked at again; 0: not before a hint (store.h), a time that is over: at once.
 */
MUST_CHECK struct status resp_expire_slot(struct resp *resp, struct store *store, uint32_t slot,
                                          size_t rows_max, size_t *out_removed,
                                          uint64_t *out_next_ms);

/* The rows of a database in a slot, for its purge: [*out_begin, *out_end), each of
 * RESP_DATABASE_PREFIX bytes in room. */
enum { RESP_SLOTS = 16384, RESP_DATABASE_PREFIX = 6 };
void resp_database_range(uint32_t slot, uint32_t database_id,
                         uint8_t room[2 * RESP_DATABASE_PREFIX], struct bytes *out_begin,
                         struct bytes *out_end);

#endif
