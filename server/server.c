#include "server/server.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "base/rand.h"

#include "cache/cache.h"

#include "server/checkpoint.h"
#include "server/file_limit.h"

#include <stdio.h>
#include <string.h>

enum {
    RING_ENTRIES = 4096,
    ADDRESS_SIZE = 128,
    PATIENCE_SHARE = 32, /* Of all, what clients that send and do not read may take in replies. */
    ROWS_SHARE = 8,      /* Of what is for caches, rows get so small a part. */
};

#define MIB(n) ((uint64_t)(n) << 20)

/* ---- How memory is shared out --------------------------------------------------------------- */

static uint64_t clamp(uint64_t n, uint64_t least, uint64_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* Sizes that were not given follow from what there is. */
static struct status choose_sizes(struct server *s, struct errbuf *err)
{
    const struct server_config *c = &s->config;
    struct lsm_options *o = &s->lsm_options;
    uint64_t total = c->maxmemory != 0 ? c->maxmemory : process_memory_limit() / 2;

    if (total < MIB(32))
        total = MIB(32);
    *o = (struct lsm_options) {
        .log = { .mode = c->durability == CONFIG_RELAXED ? VLOG_RELAXED : VLOG_DURABLE,
                 .segment_size = c->log_segment_size },
        .write_buffer_size = c->write_buffer_size,
        .write_buffer_count = (uint32_t)c->write_buffer_count,
        .log_size_max = c->log_size_max,
        .separation_min = (uint32_t)c->value_separation_min,
        .block_size = (uint32_t)c->block_size,
        .filter_bits = (uint32_t)c->filter_bits,
        .table_size = c->table_size,
        .level_base_size = c->level_base_size,
        .level_fanout = (uint32_t)c->level_fanout,
        .l0_compact = (uint32_t)c->level0_compact,
        .l0_slow = (uint32_t)c->level0_slow,
        .l0_stop = (uint32_t)c->level0_stop,
        .space_amp_target = c->space_amp_target,
    };
    if (o->write_buffer_size == 0)
        o->write_buffer_size = clamp(total / 16, MIB(2), MIB(64));
    if (o->log.segment_size == 0)
        o->log.segment_size = align_down(clamp(total / 32, MIB(1), MIB(64)), IO_ALIGN);
    uint64_t clients = clamp(total / 8, MIB(4), MIB(256));
    uint64_t work = clients; /* Flush, compaction, evaluation. */
    uint64_t reserve =
        o->write_buffer_size * o->write_buffer_count + 2 * o->log.segment_size + work;
    uint64_t least = total / 16; /* For all but the cache. */
    uint64_t others = reserve + clients > least ? reserve + clients : least;
    s->cache_bytes = c->cache_size;
    if (s->cache_bytes == 0)
        s->cache_bytes = total > others + MIB(1) ? total - others : MIB(1);
    s->rows_bytes = c->row_cache_size != 0 ? c->row_cache_size : s->cache_bytes / ROWS_SHARE;
    if (c->cache_size == 0)
        s->cache_bytes -= s->rows_bytes < s->cache_bytes ? s->rows_bytes : s->cache_bytes;
    if (s->cache_bytes < CACHE_SIZE_MIN)
        s->cache_bytes = CACHE_SIZE_MIN;
    budget_init(&s->budget, total);
    server_client_memory_init(&s->client_memory, &s->env, reserve, clients / 2,
                              total / PATIENCE_SHARE);
    if (s->cache_bytes + s->rows_bytes <= total - least)
        return status_ok();
    errbuf_set(
        err,
        "cache-size and row-cache-size: %llu MB of the %llu MB of maxmemory leave too little "
        "for the rest",
        (unsigned long long)((s->cache_bytes + s->rows_bytes) >> 20),
        (unsigned long long)(total >> 20));
    return status_of(ST_INVALID);
}

/* ---- The directory -------------------------------------------------------------------------- */

struct listing {
    bool has_store;
    char other[64]; /* A name that is not the store's. */
};

static bool note_name(void *context, const char *name)
{
    struct listing *l = context;

    if (strcmp(name, "0") == 0)
        l->has_store = true;
    else if (strcmp(name, "lost+found") != 0)
        (void)snprintf(l->other, sizeof l->other, "%s", name);
    return !l->has_store;
}

/* The directory is empty, new, or holds a store already: nothing else is touched. */
static struct status check_dir(struct server *s, struct errbuf *err)
{
    struct listing l = { .has_store = false };
    const char *dir = s->config.dir;
    bool is_there;

    struct status st = io_exists(s->env.io, dir, &is_there);
    if (succeeded(st) && !is_there)
        st = io_make_dir(s->env.io, dir);
    if (succeeded(st))
        st = io_list(s->env.io, dir, note_name, &l);
    if (failed(st)) {
        errbuf_set(err, "dir '%s' cannot be used: %s", dir, status_text(st));
        return st;
    }
    if (!l.has_store && l.other[0] != '\0') {
        errbuf_set(
            err,
            "dir '%s' holds no varve store but other files (such as '%s'); expected a store, "
            "or an empty or missing directory",
            dir, l.other);
        return status_of(ST_INVALID);
    }
    process_absolute_path(dir, s->dir, sizeof s->dir);
    st = server_checkpoint_recover(s->env.io, s->dir, s->config.dbfilename);
    if (failed(st)) {
        errbuf_set(err, "the checkpoint '%s' in '%s' cannot be looked at: %s", s->config.dbfilename,
                   s->dir, status_text(st));
        return st;
    }
    /* What CONFIG GET tells has to mean the same everywhere. */
    return server_config_set_text(&s->config, server_config_find(bytes_str("dir")),
                                  bytes_str(s->dir), err);
}

static struct status open_store(struct server *s, struct errbuf *err)
{
    char dir[sizeof s->dir + 2];
    struct cache_options cache = { .size_bytes = s->cache_bytes };
    const struct io_ring_options ring = { .entries = RING_ENTRIES,
                                          .is_thread_bound = true,
                                          .paces_reads = true,
                                          .polls_busily = s->config.busy_poll != 0 };

    (void)snprintf(dir, sizeof dir, "%s/0", s->dir);
    rand_entropy(&cache.seed, sizeof cache.seed);
    TRY(cache_create(&s->env, &cache, &s->cache));
    TRY(io_ring_create(s->env.io, &ring, &s->ring));
    const struct server_store_config config = { .env = &s->env,
                                                .cache = s->cache,
                                                .dir = dir,
                                                .options = s->lsm_options,
                                                .database_count = (uint32_t)s->config.databases,
                                                .rows_bytes = s->rows_bytes,
                                                .err = err };
    struct status st = server_store_open(&config, s->ring, &s->store);
    if (failed(st) && err->text[0] == '\0')
        errbuf_set(err, "could not open the store in \"%s\": %s", dir, status_text(st));
    return st;
}

/* ---- Starting -------------------------------------------------------------------------------- */

static struct status open_log(struct server *s, struct errbuf *err)
{
    char why[128];
    int error;

    if (s->config.logfile[0] == '\0' || server_log_to_file(&s->log, s->config.logfile, &error))
        return status_ok();
    errbuf_set(err, "logfile '%s' cannot be opened: %s", s->config.logfile,
               process_error_text(error, why, sizeof why));
    return status_of(ST_IO);
}

/* As many clients as files can be open for. */
static void limit_clients(struct server *s)
{
    uint64_t files;
    uint64_t possible = file_limit_raise(s->config.maxclients, &files);

    if (possible == s->config.maxclients)
        return;
    s->config.maxclients = possible;
    log_warning(s->env.log,
                "maxclients has been reduced to %llu: only %llu files may be open (ulimit -n).",
                (unsigned long long)possible, (unsigned long long)files);
}

static bool is_initial(const struct server *s, const struct config_parameter *p)
{
    struct buf initial;

    buf_init(&initial, s->env.alloc, SIZE_MAX);
    server_config_initial(p, &initial);
    bool is_same = bytes_equal(buf_bytes(&initial),
                               bytes_str(s->config.remembered[p - server_config_table()]));
    buf_deinit(&initial);
    return is_same;
}

static void say_hello(struct server *s)
{
    char system[128];

    process_system_name(system, sizeof system);
    log_notice(s->env.log, "varve %s is starting, pid=%llu, on %s", SERVER_VERSION,
               (unsigned long long)process_id(), system);
    if (s->config.file[0] != '\0')
        log_notice(s->env.log, "Configuration from %s", s->config.file);
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        const char *value = s->config.remembered[p - server_config_table()];
        if (value == NULL || is_initial(s, p))
            continue;
        log_notice(s->env.log, "'%s %s' is remembered but does nothing here", p->name,
                   p->flags & CONFIG_SECRET ? "..." : value);
    }
}

/* What the operator must know of this run, in a few lines. */
static void say_how(struct server *s)
{
    struct vlog_stats v;

    vlog_stats(lsm_log(s->store->lsm), &v);
    log_notice(s->env.log, "Data in %s", s->dir);
    if (v.mode == VLOG_DURABLE)
        log_notice(s->env.log, "Durability: durable. A write that was answered is on the disk.");
    else
        log_warning(s->env.log, "Durability: relaxed. A write that was answered survives kill -9, "
                                "but a power cut may take the last ones.");
    if (v.mode == VLOG_DURABLE && !v.is_direct)
        log_notice(s->env.log, "The log is written through the page cache: %s",
                   v.mode_reason == NULL ? "no direct I/O" : v.mode_reason);
    if (s->io_reason == NULL)
        log_notice(s->env.log, "I/O by %s", io_kind_name(io_kind(s->env.io)));
    else
        log_notice(s->env.log, "I/O by %s: %s", io_kind_name(io_kind(s->env.io)), s->io_reason);
    log_notice(s->env.log, "Memory: %llu MB in all, of it %llu MB cache",
               (unsigned long long)(s->budget.cap_bytes >> 20),
               (unsigned long long)(s->cache_bytes >> 20));
    if (v.torn_batches > 0)
        log_warning(s->env.log,
                    "%llu writes at the end of the log were torn by the last stop and "
                    "had not been acknowledged; they are dropped.",
                    (unsigned long long)v.torn_batches);
}

static void make_run_id(struct server *s)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SERVER_RUN_ID / 2];

    rand_entropy(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        s->run_id[2 * i] = digits[bytes[i] >> 4];
        s->run_id[2 * i + 1] = digits[bytes[i] & 15];
    }
}

static struct status open_gateway(struct server *s)
{
    struct resp_options options = { .alloc = &s->client_memory.requests.alloc,
                                    .host = &s->host,
                                    .limits = RESP_LIMITS_DEFAULT };

    options.subscriptions_max_bytes = clamp(s->budget.cap_bytes / 32, MIB(1), MIB(64));
    rand_entropy(&options.hash_seed, sizeof options.hash_seed);
    options.limits.bulk_max_bytes = s->config.proto_max_bulk_len;
    options.limits.request_max_bytes = s->config.client_query_buffer_limit;
    TRY(resp_create(&options, &s->resp));
    server_config_take_over(s);
    return status_ok();
}

struct status server_start(struct server *s, const struct env *machine, const char *io_reason,
                           struct server_config *config, struct errbuf *err)
{
    *s = (struct server) { .host = { .ops = &server_host_ops },
                           .env = *machine,
                           .config = *config,
                           .io_reason = io_reason,
                           .started_wall_ms = clock_wall_ms(machine->clock) };
    server_log_init(&s->log, s->env.clock, (enum log_level)s->config.loglevel);
    s->env.budget = &s->budget;
    s->env.log = &s->log.log;
    make_run_id(s);
    TRY(server_config_check(&s->config, err));
    TRY(choose_sizes(s, err));
    TRY(check_dir(s, err));
    TRY(open_log(s, err));
    say_hello(s);
    limit_clients(s);
    TRY(open_store(s, err));
    TRY(open_gateway(s));
    const struct server_reactor_config reactor = { .env = &s->env,
                                                   .config = &s->config,
                                                   .ring = s->ring,
                                                   .store = s->store,
                                                   .resp = s->resp,
                                                   .memory = &s->client_memory };
    server_reactor_init(&s->reactor, &reactor);
    s->has_reactor = true;
    TRY(server_listen(s, err));
    TRY(server_background_start(&s->env, &s->store->pipeline.clock, &s->background));
    server_saver_init(&s->reactor.saver, &s->env, s->store, s->resp, s->background, s->ring,
                      s->dir);
    say_how(s);
    return status_ok();
}

bool server_run(struct server *s)
{
    server_reactor_run(&s->reactor);
    return server_store_failure(s->store) == NULL;
}

void server_stop(struct server *s)
{
    if (s->has_reactor) {
        /* Where it never ran, it has listeners to close. */
        server_reactor_stop(&s->reactor);
        server_reactor_run(&s->reactor);
        server_reactor_deinit(&s->reactor);
        s->has_reactor = false;
    }
    server_background_stop(s->background);
    s->background = NULL;
    server_store_close(s->store);
    s->store = NULL;
    resp_destroy(s->resp);
    io_ring_destroy(s->ring);
    cache_destroy(s->cache);
    server_config_deinit(&s->config);
    server_log_deinit(&s->log);
}
