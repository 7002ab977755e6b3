/* INFO memory: from the budget, and from what the kernel says of the process. */
#include "server/info.h"

#include "base/process.h"

#include <inttypes.h>

/* What is resident and not in the budget: the allocator's room, code, stacks. */
static void tell_allocator(uint64_t used, uint64_t resident, struct buf *out)
{
    double ratio = used == 0 ? 0 : (double)resident / (double)used;
    int64_t beside = (int64_t)resident - (int64_t)used;

    info_u64(out, "allocator_allocated", used);
    info_u64(out, "allocator_active", resident);
    info_u64(out, "allocator_resident", resident);
    buf_append_format(out, "allocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%" PRId64 "\r\n",
                      ratio, beside);
    buf_append_format(out, "allocator_rss_ratio:1.00\r\nallocator_rss_bytes:0\r\n"
                           "rss_overhead_ratio:1.00\r\nrss_overhead_bytes:0\r\n");
    buf_append_format(out,
                      "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%" PRId64 "\r\n",
                      ratio, beside);
}

void server_info_memory(struct server *s, struct buf *out)
{
    uint64_t used = atomic_load_explicit(&s->budget.total_bytes, memory_order_relaxed);
    uint64_t peak = atomic_load_explicit(&s->budget.peak_bytes, memory_order_relaxed);
    uint64_t total = process_memory_limit();
    struct process_usage usage;

    process_usage(&usage);
    info_u64(out, "used_memory", used);
    info_human(out, "used_memory_human", used);
    info_u64(out, "used_memory_rss", usage.resident_bytes);
    info_human(out, "used_memory_rss_human", usage.resident_bytes);
    info_u64(out, "used_memory_peak", peak);
    info_human(out, "used_memory_peak_human", peak);
    buf_append_format(out, "used_memory_peak_perc:%.2f%%\r\n",
                      peak == 0 ? 0 : 100 * (double)used / (double)peak);
    uint64_t overhead = used - info_held(s, BUDGET_CACHE) - info_held(s, BUDGET_MEMTABLE);
    info_u64(out, "used_memory_overhead", overhead);
    info_u64(out, "used_memory_startup", 0);
    info_u64(out, "used_memory_dataset", used - overhead);
    buf_append_format(out, "used_memory_dataset_perc:%.2f%%\r\n",
                      used == 0 ? 0 : 100 * (double)(used - overhead) / (double)used);
    info_u64(out, "total_system_memory", total);
    info_human(out, "total_system_memory_human", total);
    info_u64(out, "used_memory_lua", 0);
    info_text(out, "used_memory_lua_human", "0B");
    info_u64(out, "used_memory_scripts", 0);
    info_text(out, "used_memory_scripts_human", "0B");
    info_u64(out, "used_memory_scripts_eval", 0);
    info_u64(out, "used_memory_functions", 0);
    info_u64(out, "used_memory_vm_eval", 0);
    info_u64(out, "used_memory_vm_functions", 0);
    info_u64(out, "used_memory_vm_total", 0);
    info_text(out, "used_memory_vm_total_human", "0B");
    info_u64(out, "number_of_cached_scripts", 0);
    info_u64(out, "number_of_functions", 0);
    info_u64(out, "number_of_libraries", 0);
    info_u64(out, "maxmemory", s->budget.cap_bytes);
    info_human(out, "maxmemory_human", s->budget.cap_bytes);
    info_text(out, "maxmemory_policy", "noeviction");
    tell_allocator(used, usage.resident_bytes, out);
    info_u64(out, "mem_clients_normal",
             info_held(s, BUDGET_CONNECTION) + info_held(s, BUDGET_REPLY));
    info_u64(out, "mem_clients_slaves", 0);
    info_u64(out, "mem_not_counted_for_evict", 0);
    info_u64(out, "mem_replication_backlog", 0);
    info_u64(out, "mem_total_replication_buffers", 0);
    info_u64(out, "mem_cluster_links", 0);
    info_u64(out, "mem_aof_buffer", info_held(s, BUDGET_LOG_TAIL));
    info_text(out, "mem_allocator", "jemalloc");
    info_u64(out, "active_defrag_running", 0);
    info_u64(out, "lazyfree_pending_objects", s->store->applied.purge_count);
    info_u64(out, "lazyfreed_objects", 0);
}
