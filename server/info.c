/*
 * The sections of INFO. Fields that tools read are there under Redis' names even where they cannot
 * be anything but zero; what is varve's own is in its own section.
 */
#include "server/info.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"

#include <inttypes.h>
#include <string.h>

enum { US_PER_S = 1000000, S_PER_DAY = 86400, TEXT_SIZE = 4096 };

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

void info_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_append_format(out, "%s:%" PRIu64 "\r\n", name, value);
}

void info_text(struct buf *out, const char *name, const char *value)
{
    buf_append_format(out, "%s:%s\r\n", name, value);
}

void info_human(struct buf *out, const char *name, uint64_t bytes)
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

/* By kind: 0 listens to addresses, 1 to the unix socket. */
static void info_listeners(const struct server *s, struct buf *out)
{
    struct bytes rest = bytes_str(s->config.bind);

    if (s->config.port != 0) {
        buf_append(out, bytes_str("listener0:name=tcp"));
        while (rest.size > 0) {
            size_t size = 0;
            while (size < rest.size && rest.data[size] != ' ')
                size++;
            buf_append_format(out, ",bind=%.*s", (int)size, (const char *)rest.data);
            rest = bytes_skip(rest, size < rest.size ? size + 1 : size);
        }
        buf_append_format(out, ",port=%" PRIu64 "\r\n", (uint64_t)s->config.port);
    }
    if (s->config.unixsocket[0] != '\0')
        buf_append_format(out, "listener1:name=unix,bind=%s\r\n", s->config.unixsocket);
}

static void info_server(struct server *s, struct buf *out)
{
    char text[TEXT_SIZE];

    info_text(out, "redis_version", RESP_REDIS_VERSION);
    info_text(out, "server_name", "varve");
    info_text(out, "varve_version", SERVER_VERSION);
    info_text(out, "redis_git_sha1", "00000000");
    info_text(out, "redis_git_dirty", "0");
    info_text(out, "redis_build_id", "0");
    info_text(out, "redis_mode", "standalone");
    process_system_name(text, sizeof text);
    info_text(out, "os", text);
    info_u64(out, "arch_bits", 8 * sizeof(void *));
    info_text(out, "atomicvar_api", "c11-builtin");
    info_text(out, "monotonic_clock", "POSIX clock_gettime");
    info_text(out, "multiplexing_api", io_kind_name(io_kind(s->env.io)));
    info_text(out, "gcc_version", __VERSION__);
    info_u64(out, "process_id", process_id());
    info_text(out, "process_supervised",
              s->config.supervised == CONFIG_SUPERVISED_SYSTEMD ? "systemd" : "no");
    info_text(out, "run_id", s->run_id);
    info_u64(out, "tcp_port", s->config.port);
    info_u64(out, "server_time_usec", clock_wall_ms(s->env.clock) * 1000);
    info_u64(out, "uptime_in_seconds", uptime_s(s));
    info_u64(out, "uptime_in_days", uptime_s(s) / S_PER_DAY);
    info_u64(out, "hz", s->config.hz);
    info_u64(out, "configured_hz", s->config.hz);
    info_u64(out, "lru_clock", clock_wall_ms(s->env.clock) / 1000 & 0xffffff);
    process_executable(text, sizeof text);
    info_text(out, "executable", text);
    info_text(out, "config_file", s->config.file);
    info_u64(out, "io_threads_active", 0);
    info_listeners(s, out);
}

static void info_clients(struct server *s, struct buf *out)
{
    info_u64(out, "connected_clients", s->reactor.client_count);
    info_u64(out, "cluster_connections", 0);
    info_u64(out, "maxclients", s->config.maxclients);
    info_u64(out, "client_recent_max_input_buffer", s->reactor.input_high);
    info_u64(out, "client_recent_max_output_buffer", s->reactor.output_high);
    info_u64(out, "blocked_clients", roster_count(&s->reactor.roster, ROSTER_POSTPONED));
    info_u64(out, "tracking_clients", 0);
    info_u64(out, "clients_in_timeout_table", 0);
    info_u64(out, "total_blocking_keys", 0);
    info_u64(out, "total_blocking_keys_on_nokey", 0);
}

static void info_replication(struct server *s, struct buf *out)
{
    info_text(out, "role", "master");
    info_u64(out, "connected_slaves", 0);
    info_text(out, "master_failover_state", "no-failover");
    info_text(out, "master_replid", s->run_id);
    info_text(out, "master_replid2", "0000000000000000000000000000000000000000");
    info_u64(out, "master_repl_offset", 0);
    info_text(out, "second_repl_offset", "-1");
    info_u64(out, "repl_backlog_active", 0);
    info_u64(out, "repl_backlog_size", 0);
    info_u64(out, "repl_backlog_first_byte_offset", 0);
    info_u64(out, "repl_backlog_histlen", 0);
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
    buf_append_format(out, "used_cpu_sys_main_thread:%.6f\r\nused_cpu_user_main_thread:%.6f\r\n",
                      (double)u.thread_system_us / US_PER_S, (double)u.thread_user_us / US_PER_S);
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
        server_info_memory(s, out);
    else if (strcmp(title, "Persistence") == 0)
        server_info_persistence(s, out);
    else if (strcmp(title, "Stats") == 0)
        server_info_stats(s, out);
    else if (strcmp(title, "Replication") == 0)
        info_replication(s, out);
    else if (strcmp(title, "CPU") == 0)
        info_cpu(out);
    else if (strcmp(title, "Cluster") == 0)
        info_u64(out, "cluster_enabled", 0);
    else
        server_info_varve(s, out);
}
