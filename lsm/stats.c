/*
 * stats -- the tree's numbers.
 */
#include "lsm/internal.h"

#define COUNTER(name) out->name = atomic_load_explicit(&l->counters.name, memory_order_relaxed)

static void count_counters(struct lsm *l, struct lsm_stats *out)
{
    COUNTER(entries_applied);
    COUNTER(user_bytes);
    COUNTER(flushes);
    COUNTER(flush_bytes);
    COUNTER(compactions);
    COUNTER(trivial_moves);
    COUNTER(compact_read_bytes);
    COUNTER(compact_written_bytes);
    COUNTER(rewrites);
    COUNTER(rewrite_written_bytes);
    COUNTER(segments_adopted);
    COUNTER(manifest_edits);
    COUNTER(stalled_ns);
}

static void count_version(const struct lsm_version *v, struct lsm_stats *out)
{
    for (int i = 0; i < LSM_LEVELS; i++) {
        out->levels[i].files = v->levels[i].count;
        out->levels[i].bytes = v->levels[i].bytes;
        out->live_data_bytes += v->levels[i].bytes;
        out->disk_bytes += v->levels[i].bytes;
    }
    out->value_files = v->value_file_count;
    for (uint32_t i = 0; i < v->value_file_count; i++) {
        out->value_file_bytes += v->value_files[i].file.size_bytes;
        out->value_live_bytes += v->value_files[i].live_bytes;
    }
    out->live_data_bytes += out->value_live_bytes;
    out->disk_bytes += out->value_file_bytes;
}

void lsm_stats(struct lsm *l, struct lsm_stats *out)
{
    struct lsm_state *state = lsm_state_hold(l);

    *out = (struct lsm_stats) { 0 };
    count_counters(l, out);
    count_version(state->version, out);
    out->memtables = 1 + state->frozen_count;
    out->memtable_bytes = lsm_memtable_bytes(state->mem->table);
    for (uint32_t i = 0; i < state->frozen_count; i++)
        out->memtable_bytes += lsm_memtable_bytes(state->frozen[i]->table);
    lsm_state_unref(state);

    out->disk_bytes += vlog_log_bytes(l->log);
    out->floor = lsm_floor(l);
    out->stall_reason = atomic_load_explicit(&l->stall_reason, memory_order_relaxed);
    mutex_lock(&l->edit_lock);
    out->manifest_bytes = lsm_manifest_size(l->manifest);
    mutex_unlock(&l->edit_lock);
    mutex_lock(&l->lock);
    out->snapshots = l->snapshot_count;
    mutex_unlock(&l->lock);
}
