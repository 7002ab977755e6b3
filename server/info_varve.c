/* INFO varve: the log, the tree, the cache, the budget. */
#include "server/info.h"

#include "base/io.h"

#include "cache/cache.h"

#include <inttypes.h>

static void varve_log(struct server *s, struct buf *out)
{
    struct vlog *log = lsm_log(s->store->lsm);
    struct vlog_stats v;

    vlog_stats(log, &v);
    info_text(out, "durability", v.mode == VLOG_DURABLE ? "durable" : "relaxed");
    info_text(out, "io_backend", io_kind_name(io_kind(s->env.io)));
    info_text(out, "io_backend_reason", s->io_reason == NULL ? "" : s->io_reason);
    info_u64(out, "log_direct_io", v.is_direct);
    info_text(out, "log_direct_io_reason", v.mode_reason == NULL ? "" : v.mode_reason);
    info_u64(out, "log_bytes", vlog_log_bytes(log));
    info_u64(out, "log_batches", v.batches);
    info_u64(out, "log_entries", v.entries);
    info_u64(out, "log_payload_bytes", v.payload_bytes);
    info_u64(out, "log_written_bytes", v.written_bytes);
    info_u64(out, "log_segments_created", v.segments_created);
    info_u64(out, "log_segments_recycled", v.segments_recycled);
    info_u64(out, "log_segments_adopted", v.segments_adopted);
    info_u64(out, "log_torn_batches", v.torn_batches);
    info_u64(out, "log_written_lsn", vlog_written_lsn(log));
}

static void varve_tree(struct server *s, struct buf *out)
{
    struct lsm_stats t;

    lsm_stats(s->store->lsm, &t);
    for (int i = 0; i < LSM_LEVELS; i++)
        buf_append_format(out, "level%d:files=%" PRIu64 ",bytes=%" PRIu64 "\r\n", i,
                          t.levels[i].files, t.levels[i].bytes);
    info_u64(out, "memtables", t.memtables);
    info_u64(out, "memtable_bytes", t.memtable_bytes);
    info_u64(out, "entries_applied", t.entries_applied);
    info_u64(out, "user_bytes", t.user_bytes);
    info_u64(out, "flushes", t.flushes);
    info_u64(out, "flush_bytes", t.flush_bytes);
    info_u64(out, "compactions", t.compactions);
    info_u64(out, "trivial_moves", t.trivial_moves);
    info_u64(out, "compaction_read_bytes", t.compact_read_bytes);
    info_u64(out, "compaction_written_bytes", t.compact_written_bytes);
    info_u64(out, "value_files", t.value_files);
    info_u64(out, "value_file_bytes", t.value_file_bytes);
    info_u64(out, "value_live_bytes", t.value_live_bytes);
    info_u64(out, "value_rewrites", t.rewrites);
    info_u64(out, "value_rewritten_bytes", t.rewrite_written_bytes);
    info_u64(out, "manifest_edits", t.manifest_edits);
    info_u64(out, "snapshots", t.snapshots);
    info_u64(out, "disk_bytes", t.disk_bytes);
    info_u64(out, "live_bytes", t.live_data_bytes);
    info_u64(out, "stall_us", t.stalled_ns / 1000);
    info_text(out, "stall_reason", t.stall_reason == NULL ? "" : t.stall_reason);
    info_u64(out, "databases_to_purge", s->store->applied.purge_count);
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
    info_u64(out, "cache_size", c.size_bytes);
    info_u64(out, "cache_bytes", c.held_bytes);
    info_u64(out, "cache_hits", hits);
    info_u64(out, "cache_misses", misses);
    info_u64(out, "cache_evictions", c.evictions);
    info_u64(out, "commands_that_waited", s->reactor.stats.commands_blocked);
    info_u64(out, "device_reads", s->store->device_reads);
    info_u64(out, "device_read_bytes", s->store->device_read_bytes);
    info_u64(out, "read_failures", s->store->read_failures);
}

void server_info_varve(struct server *s, struct buf *out)
{
    const char *failure = server_store_failure(s->store);
    struct status health = server_store_health(s->store);

    info_text(out, "varve_version", SERVER_VERSION);
    info_text(out, "store_state",
              succeeded(health)            ? "healthy"
              : health.code == ST_NO_SPACE ? "full"
              : failure == NULL            ? "refusing"
                                           : "failed");
    info_text(out, "store_failure",
              failure != NULL     ? failure
              : succeeded(health) ? ""
                                  : status_name(health.code));
    varve_log(s, out);
    varve_tree(s, out);
    varve_cache(s, out);
    info_u64(out, "reactor_turns", s->reactor.stats.turns);
    info_u64(out, "budget_cap", s->budget.cap_bytes);
    for (int i = 0; i < BUDGET_TAGS; i++)
        buf_append_format(out, "budget_%s:%" PRIu64 "\r\n", budget_tag_name((enum budget_tag)i),
                          info_held(s, (enum budget_tag)i));
}
