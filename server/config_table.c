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
static const char *const ACCESS[] = { "no", "yes", "local", NULL };
static const char *const FSYNCS[] = { "everysec", "always", "no", NULL };
static const char *const SYNC_LOADS[] = { "disabled", "on-empty-db", "swapdb", NULL };
static const char *const SANITIZE[] = { "no", "yes", "clients", NULL };
static const char *const CHANNELS[] = { "allchannels", "resetchannels", NULL };
static const char *const OOM_ADJUST[] = { "no", "yes", "relative", "absolute", NULL };
static const char *const ENDPOINTS[] = { "ip", "hostname", "unknown-endpoint", NULL };
static const char *const PROPAGATION[] = { "ignore", "panic", "panic-on-replicas", NULL };
static const char *const TLS_CLIENTS[] = { "no", "yes", "optional", NULL };
static const char *const STOPS[] = { "default", "save", "nosave", "now", "force", NULL };
static const char *const FACILITIES[] = { "user",   "local0", "local1", "local2", "local3",
                                          "local4", "local5", "local6", "local7", NULL };

/* Why parameters of Redis do nothing here, or must stay as they are. */
#define TYPES                                                                                      \
    "How collections are kept in memory; here they are rows on the disk, which have one form."
#define APPEND_FILE                                                                                \
    "There is no append-only file to rewrite: the log is always written, and durability says how."
#define SNAPSHOT_FILE "Checkpoints are links to files with checksums; no RDB file is written."
#define SAVE_POINTS                                                                                \
    "Every write is in the log before it is answered; checkpoints are made by SAVE and BGSAVE."
#define REPLICATION "There is no replication yet."
#define CLUSTER "There is no cluster yet."
#define ACLS "There are no access control lists yet: requirepass is the default user's password."
#define TLS "There is no TLS yet; put stunnel or a service mesh in front."
#define SCRIPTS "There are no scripts yet."
#define MODULES "There are no modules."
#define EVICTION "Keys are never evicted: data lives on the disk."
#define LAZY "Removed data is given back in the background, whatever this says."
#define TABLES "There are no tables of keys in memory to rehash or to defragment."
#define THREADS "One thread serves and one works in the background."
#define PLACEMENT "Left to the supervisor (systemd: CPUAffinity, OOMScoreAdjust)."
#define SYSLOG "Lines go to logfile or stdout, where journald takes them."
#define CRASHES "A crash ends the process; the supervisor has the core, and the log has the data."
#define TRACKING "There is no client-side caching yet."
#define SUITE "For Redis' own tests."
#define TITLE "The process keeps its name."

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
/* A parameter of Redis: what it is here, its reason. */
#define REDIS(n, kind, init, f, ...)                                                               \
    {                                                                                              \
        .name = (n), .type = CONFIG_##kind, .flags = (f), .initial = (init), __VA_ARGS__           \
    }
#define NOTHING(n, kind, init, least, most, why)                                                   \
    REDIS(n, kind, init, CONFIG_NOTHING | CONFIG_MUTABLE, .min = (least), .max = (most),           \
          .help = (why))
#define NOTHING_YN(n, init, why)                                                                   \
    REDIS(n, YES_NO, init, CONFIG_NOTHING | CONFIG_MUTABLE, .help = (why))
#define NOTHING_TEXT(n, init, why)                                                                 \
    REDIS(n, TEXT, init, CONFIG_NOTHING | CONFIG_MUTABLE, .help = (why))
#define NOTHING_CHOICE(n, init, list, why)                                                         \
    REDIS(n, CHOICE, init, CONFIG_NOTHING | CONFIG_MUTABLE, .choices = (list), .help = (why))
/* The same, for what cannot be set while Redis runs. */
#define FIXED_YN(n, init, why) REDIS(n, YES_NO, init, CONFIG_NOTHING, .help = (why))
#define FIXED_TEXT(n, init, why) REDIS(n, TEXT, init, CONFIG_NOTHING, .help = (why))
#define FIXED_NUMBER(n, init, least, most, why)                                                    \
    REDIS(n, NUMBER, init, CONFIG_NOTHING, .min = (least), .max = (most), .help = (why))
#define HIDDEN_NUMBER(n, init, least, most)                                                        \
    REDIS(n, NUMBER, init, CONFIG_NOTHING | CONFIG_MUTABLE | CONFIG_HIDDEN, .min = (least),        \
          .max = (most), .help = SUITE)
/* What must stay as it is. */
#define REFUSED(n, kind, init, why) REDIS(n, kind, init, CONFIG_REFUSED, .help = (why))
#define REFUSED_LATER(n, kind, init, why)                                                          \
    REDIS(n, kind, init, CONFIG_REFUSED | CONFIG_MUTABLE, .help = (why))
#define REFUSED_SECRET(n, why)                                                                     \
    REDIS(n, TEXT, "", CONFIG_REFUSED | CONFIG_MUTABLE | CONFIG_SECRET, .help = (why))
/* Another name. */
#define ALIAS(n, of)                                                                               \
    {                                                                                              \
        .name = (n), .same_as = (of)                                                               \
    }

static const struct config_parameter TABLE[] = {
    /* ---- Network ---- */
    TEXT("bind", CONFIG_WORDS, bind, "127.0.0.1 -::1", CONFIG_MUTABLE,
         "Addresses to listen on; one with '-' before it may be missing. Others than loopback need "
         "requirepass, or protected-mode no."),
    NUMBER("port", port, "6379", 0, 65535, CONFIG_MUTABLE, "TCP port; 0 listens on no address."),
    TEXT("unixsocket", CONFIG_TEXT, unixsocket, "", 0, "Path of a unix socket to listen on too."),
    { .name = "unixsocketperm",
      .type = CONFIG_OCTAL,
      .offset = AT(unixsocketperm),
      .initial = "0",
      .max = 0777,
      .help = "Who may connect to it, as chmod has it; 0: as the umask leaves it." },
    NUMBER("tcp-backlog", tcp_backlog, "511", 1, 65535, 0,
           "Connections that may wait to be accepted."),
    NUMBER("tcp-keepalive", tcp_keepalive, "300", 0, 32767, CONFIG_REPEAT,
           "Seconds of silence before a peer is asked whether it lives; 0 never asks."),
    NUMBER("timeout", timeout, "0", 0, INT32_MAX, CONFIG_MUTABLE,
           "Close a connection after so many seconds without a command; 0 never."),
    NUMBER("maxclients", maxclients, "10000", 1, 1000000, CONFIG_MUTABLE,
           "Connections at a time; further ones get an error. Where fewer files may be open "
           "(ulimit -n), fewer."),
    YES_NO("protected-mode", protected_mode, "yes", CONFIG_MUTABLE,
           "Without a password, serve this machine's clients only."),
    TEXT("requirepass", CONFIG_TEXT, requirepass, "", CONFIG_MUTABLE | CONFIG_SECRET,
         "The password that AUTH wants; empty for none."),
    CHOICE("enable-debug-command", enable_debug_command, "no", ACCESS, 0,
           "Who may use DEBUG; local: clients of this machine."),
    CHOICE("enable-protected-configs", enable_protected_configs, "no", ACCESS, 0,
           "Who may CONFIG SET what says where files go (dbfilename)."),

    /* ---- The process ---- */
    TEXT("dir", CONFIG_TEXT, dir, ".", CONFIG_PROTECTED,
         "Where the data is, and checkpoints; created if missing."),
    TEXT("dbfilename", CONFIG_TEXT, dbfilename, "checkpoint", CONFIG_MUTABLE | CONFIG_PROTECTED,
         "What the checkpoint of SAVE and BGSAVE is called in dir: a directory that opens as a "
         "store."),
    NUMBER("databases", databases, "16", 1, 16384, 0, "How many SELECT can choose from."),
    CHOICE("loglevel", loglevel, "notice", LEVELS, CONFIG_MUTABLE, "Which lines are logged."),
    TEXT("logfile", CONFIG_TEXT, logfile, "", 0, "Where lines are logged; empty for stdout."),
    TEXT("pidfile", CONFIG_TEXT, pidfile, "", 0,
         "A file that holds the process' number while it runs; empty for none."),
    CHOICE("daemonize", daemonize, "no", ONLY_NO, 0,
           "Always in the foreground: a supervisor puts it into the background."),
    CHOICE("supervised", supervised, "auto", SUPERVISORS, 0,
           "Tell systemd when the server is ready and when it stops; auto: if it asks for it."),
    NUMBER("hz", hz, "10", 1, 500, CONFIG_MUTABLE, "How often a second routine work is done."),
    NUMBER("shutdown-timeout", shutdown_timeout, "10", 0, INT32_MAX, CONFIG_MUTABLE,
           "Seconds that a stop waits for clients to take their replies."),

    /* ---- What is slow ---- */
    NUMBER("slowlog-log-slower-than", slowlog_log_slower_than, "10000", -1, INT64_MAX,
           CONFIG_MUTABLE,
           "Microseconds from which a command is in SLOWLOG; 0 all, -1 none. Reading from the disk "
           "counts, waiting for the log does not."),
    NUMBER("slowlog-max-len", slowlog_max_len, "128", 0, INT64_MAX, CONFIG_MUTABLE,
           "How many commands SLOWLOG remembers."),
    NUMBER("latency-monitor-threshold", latency_monitor_threshold, "0", 0, INT64_MAX,
           CONFIG_MUTABLE, "Milliseconds from which LATENCY remembers an event; 0: none."),
    YES_NO(
        "latency-tracking", latency_tracking, "yes", CONFIG_MUTABLE,
        "Keep a histogram of each command's times, for LATENCY HISTOGRAM and INFO latencystats."),
    TEXT("latency-tracking-info-percentiles", CONFIG_PERCENTILES, latency_percentiles, "50 99 99.9",
         CONFIG_MUTABLE, "Which percentiles INFO latencystats tells."),

    /* ---- Data ---- */
    CHOICE("durability", durability, "durable", DURABILITIES, CONFIG_REPEAT,
           "durable: a write that was answered is on the disk. relaxed: it is with the kernel, and "
           "survives kill -9 but not a power cut."),
    CHOICE("io-backend", io_backend, "auto", BACKENDS, CONFIG_REPEAT,
           "auto: io_uring where the kernel allows it. posix: plain calls."),
    YES_NO(
        "busy-poll", busy_poll, "yes", CONFIG_REPEAT,
        "With io_uring and more than one processor: while waits for clients are shorter than "
        "100 us (and those for a device than 250 us), look for news and yield instead of sleeping; "
        "not where control groups leave the process one processor or less when it starts. no: "
        "spend no "
        "processor time on waiting, as where it is shared."),

    /* ---- Memory ---- */
    MEMORY("maxmemory", maxmemory, "0", 0, INT64_MAX, CONFIG_MUTABLE,
           "What all parts together may hold, less than 32mb counts as 32mb; 0: half of what the "
           "process may use. What CONFIG SET says is so from the next start on."),
    CHOICE("maxmemory-policy", maxmemory_policy, "noeviction", POLICIES, CONFIG_REPEAT,
           "Keys are never evicted: data lives on the disk."),
    MEMORY("cache-size", cache_size, "0", 0, INT64_MAX, CONFIG_REPEAT,
           "What of it is for blocks read from the disk; 0: what the other parts leave."),
    MEMORY("row-cache-size", row_cache_size, "0", 0, UINT64_MAX >> 1, CONFIG_REPEAT,
           "What of it is for single rows, read or written lately; 0: an eighth of the cache."),
    MEMORY("proto-max-bulk-len", proto_max_bulk_len, "48mb", MIB(1), MIB(48), CONFIG_MUTABLE,
           "The longest argument a client may send. A string may grow to 512mb, by its parts."),
    MEMORY("client-query-buffer-limit", client_query_buffer_limit, "64mb", MIB(1), GIB(1),
           CONFIG_MUTABLE, "The longest command a client may send."),
    TEXT("client-output-buffer-limit", CONFIG_OUTPUT_LIMIT, output_limits,
         "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", CONFIG_MUTABLE,
         "A class (normal; pubsub: subscribers), and how many bytes may wait for a client before "
         "it is let go: at once, and after so many seconds. There are no replicas."),

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
        "write-buffer-size", write_buffer_size, "0", 0, GIB(4), CONFIG_REPEAT,
        "Memory of recent writes before they are sorted to disk; 0: by maxmemory, at most 64mb."),
    NUMBER("write-buffer-count", write_buffer_count, "3", 2, 16, CONFIG_REPEAT,
           "How many of them at most."),
    MEMORY("log-segment-size", log_segment_size, "0", 0, GIB(1), CONFIG_REPEAT,
           "Size of a file of the log; 0: by maxmemory, at most 64mb."),
    MEMORY("log-size-max", log_size_max, "512mb", KIB(64), INT64_MAX, CONFIG_REPEAT,
           "How much log a memory of recent writes may hold on to."),
    MEMORY("value-separation-min", value_separation_min, "2kb", 512, UINT32_MAX, CONFIG_REPEAT,
           "Values from this size stay in the log's files instead of the tree."),
    MEMORY("block-size", block_size, "4kb", 512, KIB(256), CONFIG_REPEAT,
           "Size of a block of a table."),
    NUMBER("filter-bits", filter_bits, "10", 1, 32, CONFIG_REPEAT,
           "Bits a key in the filters of tables."),
    MEMORY("table-size", table_size, "64mb", KIB(4), GIB(4), CONFIG_REPEAT,
           "Size of a table below level 0."),
    MEMORY("level-base-size", level_base_size, "256mb", KIB(4), INT64_MAX, CONFIG_REPEAT,
           "Size of the first level below level 0."),
    NUMBER("level-fanout", level_fanout, "10", 2, 100, CONFIG_REPEAT,
           "How much larger the next level is."),
    NUMBER("level0-compact", level0_compact, "4", 1, 100, CONFIG_REPEAT,
           "Tables in level 0 that start a compaction."),
    NUMBER("level0-slow", level0_slow, "20", 1, 1000, CONFIG_REPEAT,
           "Tables in level 0 that begin to slow writers."),
    NUMBER("level0-stop", level0_stop, "36", 2, 1000, CONFIG_REPEAT,
           "Tables in level 0 that stop writers."),
    { .name = "space-amp-target",
      .type = CONFIG_RATIO,
      .flags = CONFIG_REPEAT,
      .offset = AT(space_amp_target),
      .initial = "1.25",
      .min = 1,
      .max = 100,
      .help = "Disk space over live data that rewriting of values aims at." },

    /* ---- Redis' own: remembered ---- */
    NOTHING_YN("appendonly", "yes", APPEND_FILE),
    NOTHING_CHOICE("appendfsync", "always", FSYNCS, APPEND_FILE),
    FIXED_TEXT("appendfilename", "appendonly.aof", APPEND_FILE),
    FIXED_TEXT("appenddirname", "appendonlydir", APPEND_FILE),
    NOTHING("auto-aof-rewrite-min-size", MEMORY, "64mb", 0, INT64_MAX, APPEND_FILE),
    NOTHING("auto-aof-rewrite-percentage", NUMBER, "100", 0, INT32_MAX, APPEND_FILE),
    NOTHING_YN("aof-load-truncated", "yes", APPEND_FILE),
    NOTHING_YN("aof-rewrite-incremental-fsync", "yes", APPEND_FILE),
    NOTHING_YN("aof-timestamp-enabled", "no", APPEND_FILE),
    NOTHING_YN("aof-use-rdb-preamble", "yes", APPEND_FILE),
    NOTHING_YN("no-appendfsync-on-rewrite", "no", APPEND_FILE),
    REDIS("save", SAVE, "", CONFIG_NOTHING | CONFIG_MUTABLE, .help = SAVE_POINTS),
    NOTHING_YN("stop-writes-on-bgsave-error", "yes", SAVE_POINTS),
    NOTHING_YN("rdb-del-sync-files", "no", SNAPSHOT_FILE),
    NOTHING_YN("rdb-save-incremental-fsync", "yes", SNAPSHOT_FILE),
    FIXED_YN("rdbchecksum", "yes", SNAPSHOT_FILE),
    NOTHING_YN("rdbcompression", "yes", SNAPSHOT_FILE),
    NOTHING_CHOICE("sanitize-dump-payload", "no", SANITIZE,
                   "RESTORE checks what it is given, whatever this says."),
    NOTHING("hash-max-listpack-entries", NUMBER, "512", 0, INT64_MAX, TYPES),
    ALIAS("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    NOTHING("hash-max-listpack-value", MEMORY, "64", 0, INT64_MAX, TYPES),
    ALIAS("hash-max-ziplist-value", "hash-max-listpack-value"),
    NOTHING("hll-sparse-max-bytes", MEMORY, "3000", 0, INT64_MAX, TYPES),
    NOTHING("list-compress-depth", NUMBER, "0", 0, INT32_MAX, TYPES),
    NOTHING("list-max-listpack-size", NUMBER, "-2", INT32_MIN, INT32_MAX, TYPES),
    ALIAS("list-max-ziplist-size", "list-max-listpack-size"),
    NOTHING("set-max-intset-entries", NUMBER, "512", 0, INT64_MAX, TYPES),
    NOTHING("set-max-listpack-entries", NUMBER, "128", 0, INT64_MAX, TYPES),
    NOTHING("set-max-listpack-value", NUMBER, "64", 0, INT64_MAX, TYPES),
    NOTHING("stream-node-max-bytes", MEMORY, "4096", 0, INT64_MAX, TYPES),
    NOTHING("stream-node-max-entries", NUMBER, "100", 0, INT64_MAX, TYPES),
    NOTHING("zset-max-listpack-entries", NUMBER, "128", 0, INT64_MAX, TYPES),
    ALIAS("zset-max-ziplist-entries", "zset-max-listpack-entries"),
    NOTHING("zset-max-listpack-value", MEMORY, "64", 0, INT64_MAX, TYPES),
    ALIAS("zset-max-ziplist-value", "zset-max-listpack-value"),
    NOTHING_YN("activerehashing", "yes", TABLES),
    NOTHING_YN("activedefrag", "no", TABLES),
    NOTHING("active-defrag-cycle-max", NUMBER, "25", 1, 99, TABLES),
    NOTHING("active-defrag-cycle-min", NUMBER, "1", 1, 99, TABLES),
    NOTHING("active-defrag-ignore-bytes", MEMORY, "100mb", 1, INT64_MAX, TABLES),
    NOTHING("active-defrag-max-scan-fields", NUMBER, "1000", 1, INT64_MAX, TABLES),
    NOTHING("active-defrag-threshold-lower", NUMBER, "10", 0, 1000, TABLES),
    NOTHING("active-defrag-threshold-upper", NUMBER, "100", 0, 1000, TABLES),
    NOTHING_YN("jemalloc-bg-thread", "yes", TABLES),
    NOTHING("active-expire-effort", NUMBER, "1", 1, 10,
            "Keys are removed when their time is over, not by looking for them."),
    NOTHING_YN("lazyfree-lazy-eviction", "no", LAZY),
    NOTHING_YN("lazyfree-lazy-expire", "no", LAZY),
    NOTHING_YN("lazyfree-lazy-server-del", "no", LAZY),
    NOTHING_YN("lazyfree-lazy-user-del", "no", LAZY),
    NOTHING_YN("lazyfree-lazy-user-flush", "no", LAZY),
    NOTHING("lfu-decay-time", NUMBER, "1", 0, INT32_MAX, EVICTION),
    NOTHING("lfu-log-factor", NUMBER, "10", 0, INT32_MAX, EVICTION),
    NOTHING("maxmemory-samples", NUMBER, "5", 1, INT32_MAX, EVICTION),
    NOTHING("maxmemory-eviction-tenacity", NUMBER, "10", 0, 100, EVICTION),
    NOTHING("maxmemory-clients", SHARE, "0", 0, INT64_MAX,
            "Clients have a share of maxmemory, which no client can pass; none is disconnected "
            "for others."),
    NOTHING_YN("dynamic-hz", "yes", "Clients are looked at once a second, however many there are."),
    FIXED_NUMBER("io-threads", "1", 1, 128, THREADS),
    FIXED_YN("io-threads-do-reads", "no", THREADS),
    REDIS("server-cpulist", TEXT, "", CONFIG_NOTHING | CONFIG_REPEAT, .help = PLACEMENT),
    ALIAS("server_cpulist", "server-cpulist"),
    REDIS("bio-cpulist", TEXT, "", CONFIG_NOTHING | CONFIG_REPEAT, .help = PLACEMENT),
    ALIAS("bio_cpulist", "bio-cpulist"),
    REDIS("aof-rewrite-cpulist", TEXT, "", CONFIG_NOTHING | CONFIG_REPEAT, .help = PLACEMENT),
    ALIAS("aof_rewrite_cpulist", "aof-rewrite-cpulist"),
    REDIS("bgsave-cpulist", TEXT, "", CONFIG_NOTHING | CONFIG_REPEAT, .help = PLACEMENT),
    ALIAS("bgsave_cpulist", "bgsave-cpulist"),
    NOTHING_CHOICE("oom-score-adj", "no", OOM_ADJUST, PLACEMENT),
    REDIS("oom-score-adj-values", SCORES, "0 200 800", CONFIG_NOTHING | CONFIG_MUTABLE,
          .min = -2000, .max = 2000, .help = PLACEMENT),
    FIXED_YN("disable-thp", "yes", "Memory is mapped as it suits the allocator."),
    FIXED_YN("syslog-enabled", "no", SYSLOG),
    FIXED_TEXT("syslog-ident", "redis", SYSLOG),
    REDIS("syslog-facility", CHOICE, "local0", CONFIG_NOTHING, .choices = FACILITIES,
          .help = SYSLOG),
    FIXED_YN("always-show-logo", "no", "There is no logo; LOLWUT has one."),
    FIXED_YN("set-proc-title", "yes", TITLE),
    NOTHING_TEXT("proc-title-template", "{title} {listen-addr} {server-mode}", TITLE),
    NOTHING_TEXT("locale-collate", "", "Nothing here sorts by a locale."),
    NOTHING_TEXT("ignore-warnings", "", "No start is refused for a warning."),
    NOTHING_YN("crash-log-enabled", "yes", CRASHES),
    NOTHING_YN("crash-memcheck-enabled", "yes", CRASHES),
    REDIS("use-exit-on-panic", YES_NO, "no", CONFIG_NOTHING | CONFIG_HIDDEN, .help = CRASHES),
    REDIS("shutdown-on-sigint", CHOICES, "default", CONFIG_NOTHING | CONFIG_MUTABLE,
          .choices = STOPS, .help = "A signal stops as SHUTDOWN does; there is nothing to save."),
    REDIS("shutdown-on-sigterm", CHOICES, "default", CONFIG_NOTHING | CONFIG_MUTABLE,
          .choices = STOPS, .help = "A signal stops as SHUTDOWN does; there is nothing to save."),
    NOTHING_TEXT("bind-source-addr", "", REPLICATION),
    FIXED_NUMBER("socket-mark-id", "0", 0, UINT32_MAX, "Sockets carry no mark."),
    NOTHING("busy-reply-threshold", NUMBER, "5000", 0, INT64_MAX, SCRIPTS),
    ALIAS("lua-time-limit", "busy-reply-threshold"),
    REDIS("enable-module-command", CHOICE, "no", CONFIG_NOTHING, .choices = ACCESS,
          .help = MODULES),
    NOTHING("tracking-table-max-keys", NUMBER, "1000000", 0, INT64_MAX, TRACKING),
    NOTHING_CHOICE("acl-pubsub-default", "resetchannels", CHANNELS, ACLS),
    NOTHING("acllog-max-len", NUMBER, "128", 0, INT64_MAX, ACLS),
    NOTHING("repl-backlog-size", MEMORY, "1mb", 1, INT64_MAX, REPLICATION),
    NOTHING("repl-backlog-ttl", NUMBER, "3600", 0, INT64_MAX, REPLICATION),
    NOTHING_YN("repl-disable-tcp-nodelay", "no", REPLICATION),
    NOTHING_CHOICE("repl-diskless-load", "disabled", SYNC_LOADS, REPLICATION),
    NOTHING_YN("repl-diskless-sync", "yes", REPLICATION),
    NOTHING("repl-diskless-sync-delay", NUMBER, "5", 0, INT32_MAX, REPLICATION),
    NOTHING("repl-diskless-sync-max-replicas", NUMBER, "0", 0, INT32_MAX, REPLICATION),
    NOTHING("repl-ping-replica-period", NUMBER, "10", 1, INT32_MAX, REPLICATION),
    ALIAS("repl-ping-slave-period", "repl-ping-replica-period"),
    NOTHING("repl-timeout", NUMBER, "60", 1, INT32_MAX, REPLICATION),
    NOTHING("min-replicas-to-write", NUMBER, "0", 0, INT32_MAX, REPLICATION),
    ALIAS("min-slaves-to-write", "min-replicas-to-write"),
    NOTHING("min-replicas-max-lag", NUMBER, "10", 0, INT32_MAX, REPLICATION),
    ALIAS("min-slaves-max-lag", "min-replicas-max-lag"),
    NOTHING_TEXT("replica-announce-ip", "", REPLICATION),
    ALIAS("slave-announce-ip", "replica-announce-ip"),
    NOTHING("replica-announce-port", NUMBER, "0", 0, 65535, REPLICATION),
    ALIAS("slave-announce-port", "replica-announce-port"),
    NOTHING_YN("replica-announced", "yes", REPLICATION),
    NOTHING_YN("replica-ignore-disk-write-errors", "no", REPLICATION),
    NOTHING_YN("replica-ignore-maxmemory", "yes", REPLICATION),
    ALIAS("slave-ignore-maxmemory", "replica-ignore-maxmemory"),
    NOTHING_YN("replica-lazy-flush", "no", REPLICATION),
    ALIAS("slave-lazy-flush", "replica-lazy-flush"),
    NOTHING("replica-priority", NUMBER, "100", 0, INT32_MAX, REPLICATION),
    ALIAS("slave-priority", "replica-priority"),
    NOTHING_YN("replica-read-only", "yes", REPLICATION),
    ALIAS("slave-read-only", "replica-read-only"),
    NOTHING_YN("replica-serve-stale-data", "yes", REPLICATION),
    ALIAS("slave-serve-stale-data", "replica-serve-stale-data"),
    NOTHING_CHOICE("propagation-error-behavior", "ignore", PROPAGATION, REPLICATION),
    NOTHING_YN("cluster-allow-pubsubshard-when-down", "yes", CLUSTER),
    NOTHING_YN("cluster-allow-reads-when-down", "no", CLUSTER),
    NOTHING_YN("cluster-allow-replica-migration", "yes", CLUSTER),
    NOTHING("cluster-announce-bus-port", NUMBER, "0", 0, 65535, CLUSTER),
    NOTHING_TEXT("cluster-announce-hostname", "", CLUSTER),
    NOTHING_TEXT("cluster-announce-human-nodename", "", CLUSTER),
    NOTHING_TEXT("cluster-announce-ip", "", CLUSTER),
    NOTHING("cluster-announce-port", NUMBER, "0", 0, 65535, CLUSTER),
    NOTHING("cluster-announce-tls-port", NUMBER, "0", 0, 65535, CLUSTER),
    FIXED_TEXT("cluster-config-file", "nodes.conf", CLUSTER),
    NOTHING("cluster-link-sendbuf-limit", MEMORY, "0", 0, INT64_MAX, CLUSTER),
    NOTHING("cluster-migration-barrier", NUMBER, "1", 0, INT32_MAX, CLUSTER),
    NOTHING("cluster-node-timeout", NUMBER, "15000", 0, INT64_MAX, CLUSTER),
    FIXED_NUMBER("cluster-port", "0", 0, 65535, CLUSTER),
    NOTHING_CHOICE("cluster-preferred-endpoint-type", "ip", ENDPOINTS, CLUSTER),
    NOTHING_YN("cluster-replica-no-failover", "no", CLUSTER),
    ALIAS("cluster-slave-no-failover", "cluster-replica-no-failover"),
    NOTHING("cluster-replica-validity-factor", NUMBER, "10", 0, INT32_MAX, CLUSTER),
    ALIAS("cluster-slave-validity-factor", "cluster-replica-validity-factor"),
    NOTHING_YN("cluster-require-full-coverage", "yes", CLUSTER),
    NOTHING_YN("aof-disable-auto-gc", "no", SUITE),
    HIDDEN_NUMBER("cluster-ping-interval", "1000", 0, INT64_MAX),
    HIDDEN_NUMBER("key-load-delay", "0", INT32_MIN, INT32_MAX),
    HIDDEN_NUMBER("loading-process-events-interval-bytes", "2097152", 1024, INT32_MAX),
    HIDDEN_NUMBER("rdb-key-save-delay", "0", INT32_MIN, INT32_MAX),
    HIDDEN_NUMBER("watchdog-period", "0", 0, INT32_MAX),

    /* ---- Redis' own: refused ---- */
    REFUSED("cluster-enabled", YES_NO, "no", CLUSTER),
    REFUSED("replicaof", WORDS, "", REPLICATION),
    ALIAS("slaveof", "replicaof"),
    REFUSED_SECRET("masterauth", REPLICATION),
    REFUSED_SECRET("masteruser", REPLICATION),
    REFUSED("aclfile", TEXT, "", ACLS),
    REDIS("user", WORDS, "", CONFIG_REFUSED | CONFIG_HIDDEN, .help = ACLS),
    REDIS("loadmodule", WORDS, "", CONFIG_REFUSED | CONFIG_HIDDEN, .help = MODULES),
    REDIS("sentinel", WORDS, "", CONFIG_REFUSED | CONFIG_HIDDEN,
          .help = "A sentinel is no server of data."),
    REDIS("rename-command", WORDS, "", CONFIG_REFUSED | CONFIG_HIDDEN, .help = ACLS),
    REDIS("tls-port", NUMBER, "0", CONFIG_REFUSED | CONFIG_MUTABLE, .max = 65535, .help = TLS),
    REFUSED_LATER("tls-cluster", YES_NO, "no", TLS),
    REFUSED_LATER("tls-replication", YES_NO, "no", TLS),
    NOTHING_CHOICE("tls-auth-clients", "yes", TLS_CLIENTS, TLS),
    NOTHING_YN("tls-prefer-server-ciphers", "no", TLS),
    NOTHING_YN("tls-session-caching", "yes", TLS),
    NOTHING("tls-session-cache-size", NUMBER, "20480", 0, INT32_MAX, TLS),
    NOTHING("tls-session-cache-timeout", NUMBER, "300", 0, INT32_MAX, TLS),
    NOTHING_TEXT("tls-ca-cert-dir", "", TLS),
    NOTHING_TEXT("tls-ca-cert-file", "", TLS),
    NOTHING_TEXT("tls-cert-file", "", TLS),
    NOTHING_TEXT("tls-ciphers", "", TLS),
    NOTHING_TEXT("tls-ciphersuites", "", TLS),
    NOTHING_TEXT("tls-client-cert-file", "", TLS),
    NOTHING_TEXT("tls-client-key-file", "", TLS),
    REDIS("tls-client-key-file-pass", TEXT, "", CONFIG_NOTHING | CONFIG_MUTABLE | CONFIG_SECRET,
          .help = TLS),
    NOTHING_TEXT("tls-dh-params-file", "", TLS),
    NOTHING_TEXT("tls-key-file", "", TLS),
    REDIS("tls-key-file-pass", TEXT, "", CONFIG_NOTHING | CONFIG_MUTABLE | CONFIG_SECRET,
          .help = TLS),
    NOTHING_TEXT("tls-protocols", "", TLS),
    { .name = NULL },
};

static_assert(sizeof TABLE / sizeof TABLE[0] <= CONFIG_REMEMBERED_MAX,
              "each parameter has a place to remember a value");

const struct config_parameter *server_config_table(void)
{
    return TABLE;
}
