/* INFO persistence and stats. */
#include "server/info.h"

#include <inttypes.h>

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

static void info_i64(struct buf *out, const char *name, int64_t value)
{
    buf_append_format(out, "%s:%" PRId64 "\r\n", name, value);
}

/* Redis' words for files it writes, and what they are here: rdb_ is the checkpoint, aof_ the log.
 */
void server_info_persistence(struct server *s, struct buf *out)
{
    const struct server_saver *saver = &s->reactor.saver;
    bool is_healthy = succeeded(server_store_health(s->store));
    bool is_saving = server_saver_is_busy(saver) && saver->is_copying;
    bool is_flushing = server_saver_is_busy(saver) && !saver->is_copying;
    struct lsm_stats t;

    lsm_stats(s->store->lsm, &t);
    info_u64(out, "loading", 0);
    info_u64(out, "async_loading", 0);
    info_u64(out, "current_cow_peak", 0);
    info_u64(out, "current_cow_size", 0);
    info_u64(out, "current_cow_size_age", 0);
    info_text(out, "current_fork_perc", "0.00");
    info_u64(out, "current_save_keys_processed", 0);
    info_u64(out, "current_save_keys_total", 0);
    info_u64(out, "rdb_changes_since_last_save", resp_changes(s->resp) - saver->last_changes);
    info_u64(out, "rdb_bgsave_in_progress", is_saving);
    info_u64(out, "rdb_last_save_time", saver->last_wall_ms / 1000);
    info_text(out, "rdb_last_bgsave_status", succeeded(saver->last) ? "ok" : "err");
    info_i64(out, "rdb_last_bgsave_time_sec", saver->last_s);
    info_i64(out, "rdb_current_bgsave_time_sec",
             is_saving ? (int64_t)((s->reactor.now_ns - saver->began_ns) / NS_PER_S) : -1);
    info_u64(out, "rdb_saves", saver->successes);
    info_u64(out, "rdb_last_cow_size", 0);
    info_u64(out, "rdb_last_load_keys_expired", 0);
    info_u64(out, "rdb_last_load_keys_loaded", 0);
    info_u64(out, "aof_enabled", 1);
    info_u64(out, "aof_rewrite_in_progress", is_flushing);
    info_u64(out, "aof_rewrite_scheduled", saver->is_flush_wanted);
    info_i64(out, "aof_last_rewrite_time_sec", -1);
    info_i64(out, "aof_current_rewrite_time_sec", -1);
    info_text(out, "aof_last_bgrewrite_status", "ok");
    info_u64(out, "aof_rewrites", t.flushes);
    info_u64(out, "aof_rewrites_consecutive_failures", 0);
    info_text(out, "aof_last_write_status", is_healthy ? "ok" : "err");
    info_u64(out, "aof_last_cow_size", 0);
    info_u64(out, "module_fork_in_progress", 0);
    info_u64(out, "module_fork_last_cow_size", 0);
    info_u64(out, "aof_current_size", vlog_log_bytes(lsm_log(s->store->lsm)));
    info_u64(out, "aof_base_size", 0);
    info_u64(out, "aof_pending_rewrite", 0);
    info_u64(out, "aof_buffer_length", info_held(s, BUDGET_LOG_TAIL));
    info_u64(out, "aof_pending_bio_fsync", 0);
    info_u64(out, "aof_delayed_fsync", 0);
}

void server_info_stats(struct server *s, struct buf *out)
{
    const struct reactor_stats *r = &s->reactor.stats;
    const struct resp_stats *c = resp_stats(s->resp);
    struct resp_pubsub_counts pubsub;

    resp_pubsub_counts(s->resp, &pubsub);
    info_u64(out, "total_connections_received", r->connections_received);
    info_u64(out, "total_commands_processed", c->commands);
    info_u64(out, "instantaneous_ops_per_sec", server_rate_per_s(&s->reactor.commands));
    info_u64(out, "total_net_input_bytes", r->input_bytes);
    info_u64(out, "total_net_output_bytes", r->output_bytes);
    info_u64(out, "total_net_repl_input_bytes", 0);
    info_u64(out, "total_net_repl_output_bytes", 0);
    buf_append_format(out, "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
                      (double)server_rate_per_s(&s->reactor.input) / 1024,
                      (double)server_rate_per_s(&s->reactor.output) / 1024);
    info_text(out, "instantaneous_input_repl_kbps", "0.00");
    info_text(out, "instantaneous_output_repl_kbps", "0.00");
    info_u64(out, "rejected_connections", r->connections_rejected);
    info_u64(out, "sync_full", 0);
    info_u64(out, "sync_partial_ok", 0);
    info_u64(out, "sync_partial_err", 0);
    info_u64(out, "expired_keys", c->expired_keys);
    info_text(out, "expired_stale_perc", "0.00");
    info_u64(out, "expire_cycle_cpu_milliseconds", 0);
    info_u64(out, "expired_time_cap_reached_count", 0);
    info_u64(out, "evicted_keys", 0);
    info_u64(out, "evicted_clients", 0);
    info_u64(out, "total_eviction_exceeded_time", 0);
    info_u64(out, "current_eviction_exceeded_time", 0);
    info_u64(out, "keyspace_hits", c->keyspace_hits);
    info_u64(out, "keyspace_misses", c->keyspace_misses);
    info_u64(out, "pubsub_channels", pubsub.channels);
    info_u64(out, "pubsub_patterns", pubsub.patterns);
    info_u64(out, "pubsubshard_channels", pubsub.shard_channels);
    info_u64(out, "latest_fork_usec", 0);
    info_u64(out, "total_forks", 0);
    info_u64(out, "migrate_cached_sockets", 0);
    info_u64(out, "slave_expires_tracked_keys", 0);
    info_u64(out, "active_defrag_hits", 0);
    info_u64(out, "active_defrag_misses", 0);
    info_u64(out, "active_defrag_key_hits", 0);
    info_u64(out, "active_defrag_key_misses", 0);
    info_u64(out, "total_active_defrag_time", 0);
    info_u64(out, "current_active_defrag_time", 0);
    info_u64(out, "tracking_total_keys", 0);
    info_u64(out, "tracking_total_items", 0);
    info_u64(out, "tracking_total_prefixes", 0);
    info_u64(out, "unexpected_error_replies", 0);
    info_u64(out, "total_error_replies", c->errors);
    info_u64(out, "dump_payload_sanitizations", 0);
    info_u64(out, "total_reads_processed", r->reads);
    info_u64(out, "total_writes_processed", r->writes);
    info_u64(out, "io_threaded_reads_processed", 0);
    info_u64(out, "io_threaded_writes_processed", 0);
    info_u64(out, "reply_buffer_shrinks", 0);
    info_u64(out, "reply_buffer_expands", 0);
    info_u64(out, "client_query_buffer_limit_disconnections", r->inputs_exceeded);
    info_u64(out, "client_output_buffer_limit_disconnections", r->outputs_exceeded);
    info_u64(out, "acl_access_denied_auth", c->denied_auths);
    info_u64(out, "acl_access_denied_cmd", 0);
    info_u64(out, "acl_access_denied_key", 0);
    info_u64(out, "acl_access_denied_channel", 0);
}
