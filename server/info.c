/*
 * The sections of INFO. Fields that tools read are there under Redis' names even where they cannot
 * be anything but zero; what is varve's own is in its own section.
 */
#include "server/server.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"

#include "cache/cache.h"

#include <inttypes.h>
#include <string.h>

enum { US_PER_S = 1000000, S_PER_DAY = 86400, TEXT_SIZE = 4096 };

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

static void field_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_append_format(out, "%s:%" PRIu64 "\r\n", name, value);
}

static void field_text(struct buf *out, const char *name, const char *value)
{
    buf_append_format(out, "%s:%s\r\n", name, value);
}

/* "1.50M", as Redis writes sizes for people. */
static void field_human(struct buf *out, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGTP";
    double value = (double)bytes;
    int unit = 0;

    while (value >= 1024 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        buf_append_format(out, "%s:%" PRIu64 "B\r\n", name, bytes);
    else
        buf_append_format(out, "%s:%.2f%c\r\n", name, value, units[unit]);
}

static uint64_t uptime_s(const struct server *s)
{
    return (s->reactor.now_ns - s->reactor.started_ns) / NS_PER_S;
}

static void info_server(struct server *s, struct buf *out)
{
    char text[TEXT_SIZE];

    field_text(out, "redis_version", RESP_REDIS_VERSION);
    field_text(out, "server_name", "varve");
    field_text(out, "varve_version", SERVER_VERSION);
    field_text(out, "redis_git_sha1", "00000000");
    field_text(out, "redis_git_dirty", "0");
    field_text(out, "redis_build_id", "0");
    field_text(out, "redis_mode", "standalone");
    process_system_name(text, sizeof text);
    field_text(out, "os", text);
    field_u64(out, "arch_bits", 8 * sizeof(void *));
    field_text(out, "monotonic_clock", "POSIX clock_gettime");
    field_text(out, "multiplexing_api", io_kind_name(io_kind(s->env.io)));
    field_text(out, "gcc_version", __VERSION__);
    field_u64(out, "process_id", process_id());
    field_text(out, "process_supervised",
               s->config.supervised == CONFIG_SUPERVISED_SYSTEMD ? "systemd" : "no");
    field_text(out, "run_id", s->run_id);
    field_u64(out, "tcp_port", s->config.port);
    field_u64(out, "server_time_usec", clock_wall_ms(s->env.clock) * 1000);
    field_u64(out, "uptime_in_seconds", uptime_s(s));
    field_u64(out, "uptime_in_days", uptime_s(s) / S_PER_DAY);
    field_u64(out, "hz", s->config.hz);
    field_u64(out, "configured_hz", s->config.hz);
    field_u64(out, "lru_clock", clock_wall_ms(s->env.clock) / 1000 & 0xffffff);
    process_executable(text, sizeof text);
    field_text(out, "executable", text);
    field_text(out, "config_file", s->config.file);
    field_u64(out, "io_threads_active", 0);
}

static void info_clients(struct server *s, struct buf *out)
{
    field_u64(out, "connected_clients", s->reactor.client_count);
    field_u64(out, "cluster_connections", 0);
    field_u64(out, "maxclients", s->config.maxclients);
    field_u64(out, "client_recent_max_input_buffer", s->reactor.input_high);
    field_u64(out, "client_recent_max_output_buffer", s->reactor.output_high);
    field_u64(out, "blocked_clients", s->reactor.postponed_count);
    field_u64(out, "tracking_clients", 0);
    field_u64(out, "clients_in_timeout_table", 0);
    field_u64(out, "total_blocking_keys", 0);
}

static uint64_t held(const struct server *s, enum budget_tag tag)
{
    return atomic_load_explicit(&s->budget.held_bytes[tag], memory_order_relaxed);
}

static void info_memory(struct server *s, struct buf *out)
{
    uint64_t used = atomic_load_explicit(&s->budget.total_bytes, memory_order_relaxed);
    uint64_t peak = atomic_load_explicit(&s->budget.peak_bytes, memory_order_relaxed);
    uint64_t total = process_memory_limit();
    struct process_usage usage;

    process_usage(&usage);
    field_u64(out, "used_memory", used);
    field_human(out, "used_memory_human", used);
    field_u64(out, "used_memory_rss", usage.resident_bytes);
    field_human(out, "used_memory_rss_human", usage.resident_bytes);
    field_u64(out, "used_memory_peak", peak);
    field_human(out, "used_memory_peak_human", peak);
    buf_append_format(out, "used_memory_peak_perc:%.2f%%\r\n",
                      peak == 0 ? 0 : 100 * (double)used / (double)peak);
    uint64_t overhead = used - held(s, BUDGET_CACHE) - held(s, BUDGET_MEMTABLE);
    field_u64(out, "used_memory_overhead", overhead);
    field_u64(out, "used_memory_startup", 0);
    field_u64(out, "used_memory_dataset", used - overhead);
    buf_append_format(out, "used_memory_dataset_perc:%.2f%%\r\n",
                      used == 0 ? 0 : 100 * (double)(used - overhead) / (double)used);
    field_u64(out, "total_system_memory", total);
    field_human(out, "total_system_memory_human", total);
    field_u64(out, "used_memory_lua", 0);
    field_text(out, "used_memory_lua_human", "0B");
    field_u64(out, "used_memory_scripts", 0);
    field_text(out, "used_memory_scripts_human", "0B");
    field_u64(out, "number_of_cached_scripts", 0);
    field_u64(out, "number_of_functions", 0);
    field_u64(out, "maxmemory", s->budget.cap_bytes);
    field_human(out, "maxmemory_human", s->budget.cap_bytes);
    field_text(out, "maxmemory_policy", "noeviction");
    buf_append_format(out, "mem_fragmentation_ratio:%.2f\r\n",
                      used == 0 ? 0 : (double)usage.resident_bytes / (double)used);
    field_u64(out, "mem_clients_normal", held(s, BUDGET_CONNECTION) + held(s, BUDGET_REPLY));
    field_u64(out, "mem_clients_slaves", 0);
    field_text(out, "mem_allocator", "jemalloc");
    field_u64(out, "active_defrag_running", 0);
    field_u64(out, "lazyfree_pending_objects", s->store->applied.purge_count);
    field_u64(out, "lazyfreed_objects", 0);
}

static void info_persistence(struct server *s, struct buf *out)
{
    bool is_healthy = succeeded(server_store_health(s->store));

    field_u64(out, "loading", 0);
    field_u64(out, "async_loading", 0);
    field_u64(out, "rdb_changes_since_last_save", resp_changes(s->resp));
    field_u64(out, "rdb_bgsave_in_progress", 0);
    field_u64(out, "rdb_last_save_time", s->started_wall_ms / 1000);
    field_text(out, "rdb_last_bgsave_status", is_healthy ? "ok" : "err");
    field_text(out, "rdb_last_bgsave_time_sec", "-1");
    field_text(out, "rdb_current_bgsave_time_sec", "-1");
    field_u64(out, "rdb_saves", 0);
    field_u64(out, "aof_enabled", 1);
    field_u64(out, "aof_rewrite_in_progress", 0);
    field_u64(out, "aof_rewrite_scheduled", 0);
    field_text(out, "aof_last_rewrite_time_sec", "-1");
    field_text(out, "aof_last_bgrewrite_status", "ok");
    field_text(out, "aof_last_write_status", is_healthy ? "ok" : "err");
    field_u64(out, "aof_current_size", vlog_log_bytes(lsm_log(s->store->lsm)));
    field_u64(out, "aof_base_size", 0);
}

static void info_stats(struct server *s, struct buf *out)
{
    const struct reactor_stats *r = &s->reactor.stats;
    const struct resp_stats *c = resp_stats(s->resp);
    struct resp_pubsub_counts pubsub;

    resp_pubsub_counts(s->resp, &pubsub);
    field_u64(out, "total_connections_received", r->connections_received);
    field_u64(out, "total_commands_processed", c->commands);
    field_u64(out, "instantaneous_ops_per_sec", server_rate_per_s(&s->reactor.commands));
    field_u64(out, "total_net_input_bytes", r->input_bytes);
    field_u64(out, "total_net_output_bytes", r->output_bytes);
    field_u64(out, "total_net_repl_input_bytes", 0);
    field_u64(out, "total_net_repl_output_bytes", 0);
    buf_append_format(out, "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
                      (double)server_rate_per_s(&s->reactor.input) / 1024,
                      (double)server_rate_per_s(&s->reactor.output) / 1024);
    field_u64(out, "rejected_connections", r->connections_rejected);
    field_u64(out, "sync_full", 0);
    field_u64(out, "sync_partial_ok", 0);
    field_u64(out, "sync_partial_err", 0);
    field_u64(out, "expired_keys", c->expired_keys);
    field_text(out, "expired_stale_perc", "0.00");
    field_u64(out, "expired_time_cap_reached_count", 0);
    field_u64(out, "evicted_keys", 0);
    field_u64(out, "evicted_clients", 0);
    field_u64(out, "keyspace_hits", c->keyspace_hits);
    field_u64(out, "keyspace_misses", c->keyspace_misses);
    field_u64(out, "pubsub_channels", pubsub.channels);
    field_u64(out, "pubsub_patterns", pubsub.patterns);
    field_u64(out, "pubsubshard_channels", pubsub.shard_channels);
    field_u64(out, "latest_fork_usec", 0);
    field_u64(out, "total_forks", 0);
    field_u64(out, "total_error_replies", c->errors);
    field_u64(out, "client_query_buffer_limit_disconnections", r->inputs_exceeded);
    field_u64(out, "client_output_buffer_limit_disconnections", r->outputs_exceeded);
}

static void info_replication(struct server *s, struct buf *out)
{
    field_text(out, "role", "master");
    field_u64(out, "connected_slaves", 0);
    field_text(out, "master_failover_state", "no-failover");
    field_text(out, "master_replid", s->run_id);
    field_text(out, "master_replid2", "0000000000000000000000000000000000000000");
    field_u64(out, "master_repl_offset", 0);
    field_text(out, "second_repl_offset", "-1");
    field_u64(out, "repl_backlog_active", 0);
    field_u64(out, "repl_backlog_size", 0);
    field_u64(out, "repl_backlog_first_byte_offset", 0);
    field_u64(out, "repl_backlog_histlen", 0);
}

static void info_cpu(struct buf *out)
{
    struct process_usage u;

    process_usage(&u);
    buf_append_format(out,
                      "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\nused_cpu_sys_children:%.6f\r\n"
                      "used_cpu_user_children:%.6f\r\n",
                      (double)u.system_us / US_PER_S, (double)u.user_us / US_PER_S,
                      (double)u.children_system_us / US_PER_S,
                      (double)u.children_user_us / US_PER_S);
}

/* ---- varve's own --------------------------------------------------------------------------------
 */

static void varve_log(struct server *s, struct buf *out)
{
    struct vlog *log = lsm_log(s->store->lsm);
    struct vlog_stats v;

    vlog_stats(log, &v);
    field_text(out, "durability", v.mode == VLOG_DURABLE ? "durable" : "relaxed");
    field_text(out, "io_backend", io_kind_name(io_kind(s->env.io)));
    field_text(out, "io_backend_reason", s->io_reason == NULL ? "" : s->io_reason);
    field_u64(out, "log_direct_io", v.is_direct);
    field_text(out, "log_direct_io_reason", v.mode_reason == NULL ? "" : v.mode_reason);
    field_u64(out, "log_bytes", vlog_log_bytes(log));
    field_u64(out, "log_batches", v.batches);
    field_u64(out, "log_entries", v.entries);
    field_u64(out, "log_payload_bytes", v.payload_bytes);
    field_u64(out, "log_written_bytes", v.written_bytes);
    field_u64(out, "log_segments_created", v.segments_created);
    field_u64(out, "log_segments_recycled", v.segments_recycled);
    field_u64(out, "log_segments_adopted", v.segments_adopted);
    field_u64(out, "log_torn_batches", v.torn_batches);
    field_u64(out, "log_written_lsn", vlog_written_lsn(log));
}

static void varve_tree(struct server *s, struct buf *out)
{
    struct lsm_stats t;

    lsm_stats(s->store->lsm, &t);
    for (int i = 0; i < LSM_LEVELS; i++)
        buf_append_format(out, "level%d:files=%" PRIu64 ",bytes=%" PRIu64 "\r\n", i,
                          t.levels[i].files, t.levels[i].bytes);
    field_u64(out, "memtables", t.memtables);
    field_u64(out, "memtable_bytes", t.memtable_bytes);
    field_u64(out, "entries_applied", t.entries_applied);
    field_u64(out, "user_bytes", t.user_bytes);
    field_u64(out, "flushes", t.flushes);
    field_u64(out, "flush_bytes", t.flush_bytes);
    field_u64(out, "compactions", t.compactions);
    field_u64(out, "trivial_moves", t.trivial_moves);
    field_u64(out, "compaction_read_bytes", t.compact_read_bytes);
    field_u64(out, "compaction_written_bytes", t.compact_written_bytes);
    field_u64(out, "value_files", t.value_files);
    field_u64(out, "value_file_bytes", t.value_file_bytes);
    field_u64(out, "value_live_bytes", t.value_live_bytes);
    field_u64(out, "value_rewrites", t.rewrites);
    field_u64(out, "value_rewritten_bytes", t.rewrite_written_bytes);
    field_u64(out, "manifest_edits", t.manifest_edits);
    field_u64(out, "snapshots", t.snapshots);
    field_u64(out, "disk_bytes", t.disk_bytes);
    field_u64(out, "live_bytes", t.live_data_bytes);
    field_u64(out, "stall_us", t.stalled_ns / 1000);
    field_text(out, "stall_reason", t.stall_reason == NULL ? "" : t.stall_reason);
    field_u64(out, "databases_to_purge", s->store->applied.purge_count);
}

static void varve_cache(struct server *s, struct buf *out)
{
    struct cache_stats c;
    uint64_t hits = 0;
    uint64_t misses = 0;

    cache_stats(s->cache, &c);
    for (int i = 0; i < FETCH_KINDS; i++) {
        hits += c.hits[i];
        misses += c.misses[i];
    }
    field_u64(out, "cache_size", c.size_bytes);
    field_u64(out, "cache_bytes", c.held_bytes);
    field_u64(out, "cache_hits", hits);
    field_u64(out, "cache_misses", misses);
    field_u64(out, "cache_evictions", c.evictions);
    field_u64(out, "commands_that_waited", s->reactor.stats.commands_blocked);
    field_u64(out, "read_failures", s->store->read_failures);
}

static void info_varve(struct server *s, struct buf *out)
{
    const char *failure = server_store_failure(s->store);
    struct status health = server_store_health(s->store);

    field_text(out, "varve_version", SERVER_VERSION);
    field_text(out, "store_state",
               succeeded(health)            ? "healthy"
               : health.code == ST_NO_SPACE ? "full"
               : failure == NULL            ? "refusing"
                                            : "failed");
    field_text(out, "store_failure",
               failure != NULL     ? failure
               : succeeded(health) ? ""
                                   : status_name(health.code));
    varve_log(s, out);
    varve_tree(s, out);
    varve_cache(s, out);
    field_u64(out, "reactor_turns", s->reactor.stats.turns);
    field_u64(out, "budget_cap", s->budget.cap_bytes);
    for (int i = 0; i < BUDGET_TAGS; i++)
        buf_append_format(out, "budget_%s:%" PRIu64 "\r\n", budget_tag_name((enum budget_tag)i),
                          held(s, (enum budget_tag)i));
}

const char *server_info_section(struct resp_host *h, size_t index)
{
    static const char *const OWN[] = { "Varve" };

    (void)h;
    return index < sizeof OWN / sizeof OWN[0] ? OWN[index] : NULL;
}

void server_info(struct resp_host *h, const char *title, struct buf *out)
{
    struct server *s = (struct server *)h;

    if (strcmp(title, "Server") == 0)
        info_server(s, out);
    else if (strcmp(title, "Clients") == 0)
        info_clients(s, out);
    else if (strcmp(title, "Memory") == 0)
        info_memory(s, out);
    else if (strcmp(title, "Persistence") == 0)
        info_persistence(s, out);
    else if (strcmp(title, "Stats") == 0)
        info_stats(s, out);
    else if (strcmp(title, "Replication") == 0)
        info_replication(s, out);
    else if (strcmp(title, "CPU") == 0)
        info_cpu(out);
    else if (strcmp(title, "Cluster") == 0)
        field_u64(out, "cluster_enabled", 0);
    else
        info_varve(s, out);
}
