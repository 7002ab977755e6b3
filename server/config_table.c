/* The table of parameters. */
#include "server/config.h"

#define AT(field) offsetof(struct server_config, field)
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static const char *const LEVELS[] = { "debug", "verbose", "notice", "warning", NULL };
static const char *const ONLY_NO[] = { "no", NULL };
static const char *const SUPERVISORS[] = { "no", "systemd", "auto", NULL };
static const char *const DURABILITIES[] = { "durable", "relaxed", NULL };
static const char *const BACKENDS[] = { "auto", "posix", NULL };
static const char *const POLICIES[] = { "noeviction", NULL };

#define YES_NO(n, field, init, f, what)                                                            \
    {                                                                                              \
        .name = (n), .type = CONFIG_YES_NO, .flags = (f), .offset = AT(field), .initial = (init),  \
        .help = (what)                                                                             \
    }
#define NUMBER(n, field, init, least, most, f, what)                                               \
    {                                                                                              \
        .name = (n), .type = CONFIG_NUMBER, .flags = (f), .offset = AT(field), .initial = (init),  \
        .min = (least), .max = (most), .help = (what)                                              \
    }
#define MEMORY(n, field, init, least, most, f, what)                                               \
    {                                                                                              \
        .name = (n), .type = CONFIG_MEMORY, .flags = (f), .offset = AT(field), .initial = (init),  \
        .min = (least), .max = (most), .help = (what)                                              \
    }
#define CHOICE(n, field, init, list, f, what)                                                      \
    {                                                                                              \
        .name = (n), .type = CONFIG_CHOICE, .flags = (f), .offset = AT(field), .initial = (init),  \
        .choices = (list), .help = (what)                                                          \
    }
#define TEXT(n, kind, field, init, f, what)                                                        \
    {                                                                                              \
        .name = (n), .type = (kind), .flags = (f), .offset = AT(field), .initial = (init),         \
        .help = (what)                                                                             \
    }
/* A parameter of Redis that does nothing here. */
#define REDIS(n, kind, init)                                                                       \
    {                                                                                              \
        .name = (n), .type = (kind), .flags = CONFIG_NOTHING | CONFIG_MUTABLE, .initial = (init),  \
        .max = INT64_MAX, .help = "Accepted as Redis has it; does nothing."                        \
    }

static const struct config_parameter TABLE[] = {
    /* ---- Network ---- */
    TEXT("bind", CONFIG_WORDS, bind, "127.0.0.1 -::1", 0,
         "Addresses to listen on; one with '-' before it may be missing. Others than loopback need "
         "requirepass, or protected-mode no."),
    NUMBER("port", port, "6379", 0, 65535, 0, "TCP port; 0 listens on no address."),
    TEXT("unixsocket", CONFIG_TEXT, unixsocket, "", 0, "Path of a unix socket to listen on too."),
    NUMBER("tcp-backlog", tcp_backlog, "511", 1, 65535, 0,
           "Connections that may wait to be accepted."),
    NUMBER("tcp-keepalive", tcp_keepalive, "300", 0, 32767, 0,
           "Seconds of silence before a peer is asked whether it lives; 0 never asks."),
    NUMBER("timeout", timeout, "0", 0, INT32_MAX, CONFIG_MUTABLE,
           "Close a connection after so many seconds without a command; 0 never."),
    NUMBER("maxclients", maxclients, "10000", 1, 1000000, CONFIG_MUTABLE,
           "Connections at a time; further ones get an error."),
    YES_NO("protected-mode", protected_mode, "yes", CONFIG_MUTABLE,
           "Without a password, serve this machine's clients only."),
    TEXT("requirepass", CONFIG_TEXT, requirepass, "", CONFIG_MUTABLE,
         "The password that AUTH wants; empty for none."),

    /* ---- The process ---- */
    TEXT("dir", CONFIG_TEXT, dir, ".", 0, "Where the data is; created if missing."),
    NUMBER("databases", databases, "16", 1, 16384, 0, "How many SELECT can choose from."),
    CHOICE("loglevel", loglevel, "notice", LEVELS, CONFIG_MUTABLE, "Which lines are logged."),
    TEXT("logfile", CONFIG_TEXT, logfile, "", 0, "Where lines are logged; empty for stdout."),
    CHOICE("daemonize", daemonize, "no", ONLY_NO, 0,
           "Always in the foreground: a supervisor puts it into the background."),
    CHOICE("supervised", supervised, "auto", SUPERVISORS, 0,
           "Tell systemd when the server is ready and when it stops; auto: if it asks for it."),
    NUMBER("hz", hz, "10", 1, 500, CONFIG_MUTABLE, "How often a second routine work is done."),
    NUMBER("shutdown-timeout", shutdown_timeout, "10", 0, INT32_MAX, CONFIG_MUTABLE,
           "Seconds that a stop waits for clients to take their replies."),

    /* ---- Data ---- */
    CHOICE("durability", durability, "durable", DURABILITIES, 0,
           "durable: a write that was answered is on the disk. relaxed: it is with the kernel, and "
           "survives kill -9 but not a power cut."),
    CHOICE("io-backend", io_backend, "auto", BACKENDS, 0,
           "auto: io_uring where the kernel allows it. posix: plain calls."),

    /* ---- Memory ---- */
    MEMORY("maxmemory", maxmemory, "0", 0, UINT64_MAX >> 1, 0,
           "What all parts together may hold, 32mb at least; 0: half of what the process may use."),
    CHOICE("maxmemory-policy", maxmemory_policy, "noeviction", POLICIES, 0,
           "Keys are never evicted: data lives on the disk."),
    MEMORY("cache-size", cache_size, "0", 0, UINT64_MAX >> 1, 0,
           "What of it is for blocks read from the disk; 0: what the other parts leave."),
    MEMORY("proto-max-bulk-len", proto_max_bulk_len, "48mb", MIB(1), MIB(48), CONFIG_MUTABLE,
           "The longest argument a client may send."),
    MEMORY("client-query-buffer-limit", client_query_buffer_limit, "64mb", MIB(1), GIB(1),
           CONFIG_MUTABLE, "The longest command a client may send."),
    TEXT("client-output-buffer-limit", CONFIG_OUTPUT_LIMIT, output_limits,
         "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", CONFIG_MUTABLE,
         "A class (normal), and how many bytes may wait for a client before it is let go: at once, "
         "and for so many seconds. Only normal clients exist."),

    /* ---- Events ---- */
    { .name = "notify-keyspace-events",
      .type = CONFIG_EVENTS,
      .flags = CONFIG_MUTABLE,
      .offset = AT(notify_events),
      .initial = "",
      .help = "What happens to keys is published: K under the key's name, E under the event's; of "
              "the classes g$xn and so on, A for all." },

    /* ---- The tree and the log ---- */
    MEMORY(
        "write-buffer-size", write_buffer_size, "0", 0, GIB(4), 0,
        "Memory of recent writes before they are sorted to disk; 0: by maxmemory, at most 64mb."),
    NUMBER("write-buffer-count", write_buffer_count, "3", 2, 16, 0, "How many of them at most."),
    MEMORY("log-segment-size", log_segment_size, "0", 0, GIB(1), 0,
           "Size of a file of the log; 0: by maxmemory, at most 64mb."),
    MEMORY("log-size-max", log_size_max, "512mb", KIB(64), UINT64_MAX >> 1, 0,
           "How much log a memory of recent writes may hold on to."),
    MEMORY("value-separation-min", value_separation_min, "2kb", 512, UINT32_MAX, 0,
           "Values from this size stay in the log's files instead of the tree."),
    MEMORY("block-size", block_size, "4kb", 512, KIB(256), 0, "Size of a block of a table."),
    NUMBER("filter-bits", filter_bits, "10", 1, 32, 0, "Bits a key in the filters of tables."),
    MEMORY("table-size", table_size, "64mb", KIB(4), GIB(4), 0, "Size of a table below level 0."),
    MEMORY("level-base-size", level_base_size, "256mb", KIB(4), UINT64_MAX >> 1, 0,
           "Size of the first level below level 0."),
    NUMBER("level-fanout", level_fanout, "10", 2, 100, 0, "How much larger the next level is."),
    NUMBER("level0-compact", level0_compact, "4", 1, 100, 0,
           "Tables in level 0 that start a compaction."),
    NUMBER("level0-slow", level0_slow, "20", 1, 1000, 0,
           "Tables in level 0 that begin to slow writers."),
    NUMBER("level0-stop", level0_stop, "36", 2, 1000, 0, "Tables in level 0 that stop writers."),
    { .name = "space-amp-target",
      .type = CONFIG_RATIO,
      .offset = AT(space_amp_target),
      .initial = "1.25",
      .min = 1,
      .max = 100,
      .help = "Disk space over live data that rewriting of values aims at." },

    /* ---- Redis' own ---- */
    REDIS("activedefrag", CONFIG_YES_NO, "no"),
    REDIS("activerehashing", CONFIG_YES_NO, "yes"),
    REDIS("always-show-logo", CONFIG_YES_NO, "no"),
    REDIS("aof-load-truncated", CONFIG_YES_NO, "yes"),
    REDIS("aof-rewrite-incremental-fsync", CONFIG_YES_NO, "yes"),
    REDIS("aof-timestamp-enabled", CONFIG_YES_NO, "no"),
    REDIS("aof-use-rdb-preamble", CONFIG_YES_NO, "yes"),
    REDIS("appenddirname", CONFIG_TEXT, "appendonlydir"),
    REDIS("appendfilename", CONFIG_TEXT, "appendonly.aof"),
    REDIS("appendfsync", CONFIG_TEXT, "always"),
    REDIS("appendonly", CONFIG_YES_NO, "yes"),
    REDIS("auto-aof-rewrite-min-size", CONFIG_MEMORY, "64mb"),
    REDIS("auto-aof-rewrite-percentage", CONFIG_NUMBER, "100"),
    REDIS("busy-reply-threshold", CONFIG_NUMBER, "5000"),
    REDIS("dbfilename", CONFIG_TEXT, "dump.rdb"),
    REDIS("disable-thp", CONFIG_YES_NO, "yes"),
    REDIS("dynamic-hz", CONFIG_YES_NO, "yes"),
    REDIS("hash-max-listpack-entries", CONFIG_NUMBER, "128"),
    REDIS("hash-max-listpack-value", CONFIG_NUMBER, "64"),
    REDIS("hash-max-ziplist-entries", CONFIG_NUMBER, "128"),
    REDIS("hash-max-ziplist-value", CONFIG_NUMBER, "64"),
    REDIS("hll-sparse-max-bytes", CONFIG_NUMBER, "3000"),
    REDIS("io-threads", CONFIG_NUMBER, "1"),
    REDIS("io-threads-do-reads", CONFIG_YES_NO, "no"),
    REDIS("jemalloc-bg-thread", CONFIG_YES_NO, "yes"),
    REDIS("latency-monitor-threshold", CONFIG_NUMBER, "0"),
    REDIS("latency-tracking", CONFIG_YES_NO, "yes"),
    REDIS("lazyfree-lazy-eviction", CONFIG_YES_NO, "no"),
    REDIS("lazyfree-lazy-expire", CONFIG_YES_NO, "no"),
    REDIS("lazyfree-lazy-server-del", CONFIG_YES_NO, "no"),
    REDIS("lazyfree-lazy-user-del", CONFIG_YES_NO, "no"),
    REDIS("lazyfree-lazy-user-flush", CONFIG_YES_NO, "no"),
    REDIS("lfu-decay-time", CONFIG_NUMBER, "1"),
    REDIS("lfu-log-factor", CONFIG_NUMBER, "10"),
    REDIS("list-compress-depth", CONFIG_NUMBER, "0"),
    REDIS("list-max-listpack-size", CONFIG_TEXT, "-2"),
    REDIS("list-max-ziplist-size", CONFIG_TEXT, "-2"),
    REDIS("lua-time-limit", CONFIG_NUMBER, "5000"),
    REDIS("maxmemory-clients", CONFIG_MEMORY, "0"),
    REDIS("maxmemory-samples", CONFIG_NUMBER, "5"),
    REDIS("min-replicas-max-lag", CONFIG_NUMBER, "10"),
    REDIS("min-replicas-to-write", CONFIG_NUMBER, "0"),
    REDIS("no-appendfsync-on-rewrite", CONFIG_YES_NO, "no"),
    REDIS("oom-score-adj", CONFIG_TEXT, "no"),
    REDIS("oom-score-adj-values", CONFIG_WORDS, "0 200 800"),
    REDIS("pidfile", CONFIG_TEXT, ""),
    REDIS("proc-title-template", CONFIG_TEXT, "{title} {listen-addr} {server-mode}"),
    REDIS("rdb-del-sync-files", CONFIG_YES_NO, "no"),
    REDIS("rdb-save-incremental-fsync", CONFIG_YES_NO, "yes"),
    REDIS("rdbchecksum", CONFIG_YES_NO, "yes"),
    REDIS("rdbcompression", CONFIG_YES_NO, "yes"),
    REDIS("repl-backlog-size", CONFIG_MEMORY, "1mb"),
    REDIS("repl-backlog-ttl", CONFIG_NUMBER, "3600"),
    REDIS("repl-disable-tcp-nodelay", CONFIG_YES_NO, "no"),
    REDIS("repl-diskless-load", CONFIG_TEXT, "disabled"),
    REDIS("repl-diskless-sync", CONFIG_YES_NO, "yes"),
    REDIS("repl-diskless-sync-delay", CONFIG_NUMBER, "5"),
    REDIS("repl-diskless-sync-max-replicas", CONFIG_NUMBER, "0"),
    REDIS("repl-ping-replica-period", CONFIG_NUMBER, "10"),
    REDIS("repl-timeout", CONFIG_NUMBER, "60"),
    REDIS("replica-announced", CONFIG_YES_NO, "yes"),
    REDIS("replica-ignore-maxmemory", CONFIG_YES_NO, "yes"),
    REDIS("replica-lazy-flush", CONFIG_YES_NO, "no"),
    REDIS("replica-priority", CONFIG_NUMBER, "100"),
    REDIS("replica-read-only", CONFIG_YES_NO, "yes"),
    REDIS("replica-serve-stale-data", CONFIG_YES_NO, "yes"),
    REDIS("save", CONFIG_WORDS, ""),
    REDIS("set-max-intset-entries", CONFIG_NUMBER, "512"),
    REDIS("set-max-listpack-entries", CONFIG_NUMBER, "128"),
    REDIS("set-max-listpack-value", CONFIG_NUMBER, "64"),
    REDIS("set-proc-title", CONFIG_YES_NO, "yes"),
    REDIS("slave-read-only", CONFIG_YES_NO, "yes"),
    REDIS("slave-serve-stale-data", CONFIG_YES_NO, "yes"),
    REDIS("slowlog-log-slower-than", CONFIG_TEXT, "10000"),
    REDIS("slowlog-max-len", CONFIG_NUMBER, "128"),
    REDIS("stop-writes-on-bgsave-error", CONFIG_YES_NO, "yes"),
    REDIS("stream-node-max-bytes", CONFIG_MEMORY, "4096"),
    REDIS("stream-node-max-entries", CONFIG_NUMBER, "100"),
    REDIS("syslog-enabled", CONFIG_YES_NO, "no"),
    REDIS("syslog-ident", CONFIG_TEXT, "redis"),
    REDIS("tracking-table-max-keys", CONFIG_NUMBER, "1000000"),
    REDIS("unixsocketperm", CONFIG_TEXT, "0"),
    REDIS("zset-max-listpack-entries", CONFIG_NUMBER, "128"),
    REDIS("zset-max-listpack-value", CONFIG_NUMBER, "64"),
    REDIS("zset-max-ziplist-entries", CONFIG_NUMBER, "128"),
    REDIS("zset-max-ziplist-value", CONFIG_NUMBER, "64"),
    { .name = NULL },
};

static_assert(sizeof TABLE / sizeof TABLE[0] <= CONFIG_REMEMBERED_MAX,
              "each parameter has a place to remember a value");

const struct config_parameter *server_config_table(void)
{
    return TABLE;
}
