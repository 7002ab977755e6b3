/* CONFIG, as the gateway asks for it. */
#include "server/config_source.h"
#include "server/file_limit.h"
#include "server/server.h"

static struct server *server_of(struct resp_host *h)
{
    return (struct server *)h;
}

const char *server_host_config_get(struct resp_host *h, size_t index, unsigned *out_flags,
                                   struct buf *out_value)
{
    const struct server *s = server_of(h);
    const struct config_parameter *p = &server_config_table()[index];

    if (p->name == NULL)
        return NULL;
    if (out_value != NULL)
        server_config_get(&s->config, p, out_value);
    unsigned flags = server_config_target(p)->flags;
    *out_flags = (flags & CONFIG_HIDDEN ? RESP_CONFIG_HIDDEN : 0u) |
                 (flags & CONFIG_SECRET ? RESP_CONFIG_SECRET : 0u);
    return p->name;
}

/* What other parts keep a copy of. */
void server_config_take_over(struct server *s)
{
    struct resp_limits *limits = resp_limits(s->resp);
    struct resp_slow *slow = resp_slow(s->resp);
    const struct config_percentiles *percentiles = &s->config.latency_percentiles;

    static_assert(sizeof slow->percentiles == sizeof percentiles->values, "they are copied");
    *slow = (struct resp_slow) { .slowlog_us = s->config.slowlog_log_slower_than,
                                 .slowlog_max = s->config.slowlog_max_len,
                                 .latency_threshold_ms = s->config.latency_monitor_threshold,
                                 .tracks_times = s->config.latency_tracking,
                                 .percentile_count = percentiles->count };
    memcpy(slow->percentiles, percentiles->values, sizeof slow->percentiles);

    limits->bulk_max_bytes = s->config.proto_max_bulk_len;
    limits->request_max_bytes = s->config.client_query_buffer_limit;
    resp_set_events(s->resp, (unsigned)s->config.notify_events);
    s->log.log.level = (enum log_level)s->config.loglevel;
}

static bool is_value(const struct server *s, const struct config_parameter *p,
                     const struct buf *value)
{
    struct buf now;

    buf_init(&now, s->env.alloc, SIZE_MAX / 2);
    server_config_get(&s->config, p, &now);
    bool is_same = bytes_equal(buf_bytes(&now), buf_bytes(value));
    buf_deinit(&now);
    return is_same;
}

static struct status refuse(struct errbuf *why, const char *words)
{
    errbuf_set(why, "%s", words);
    return status_of(ST_INVALID);
}

/* May this one be set, whatever its value is? */
static struct status admit_one(const struct server *s, const struct resp_session *who,
                               const struct config_parameter *p, struct errbuf *why)
{
    unsigned flags = server_config_target(p)->flags;
    if (flags & CONFIG_PROTECTED && !server_host_allows(who, s->config.enable_protected_configs))
        return refuse(why, "can't set protected config");
    if (!(flags & (CONFIG_MUTABLE | CONFIG_REPEAT)))
        return refuse(why, "can't set immutable config");
    return status_ok();
}

/* All names, as Redis does, before the first value. As what is unknown or comes twice ends it, it
 * sees as many pairs as there are parameters, however many a client sends. */
static struct status admit(const struct server *s, const struct resp_session *who,
                           const struct resp_config_pair *pairs, size_t count, size_t *out_bad,
                           struct errbuf *why)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_parameter *p = server_config_find(pairs[i].name);
        *out_bad = i;
        if (p == NULL)
            return status_of(ST_NOT_FOUND);
        TRY(admit_one(s, who, p, why));
        for (size_t j = 0; j < i; j++) {
            if (server_config_is_called(p, pairs[j].name))
                return refuse(why, "duplicate parameter");
        }
    }
    return status_ok();
}

static struct status set_one(struct server *s, const struct resp_config_pair *pair,
                             const struct buf *before, struct errbuf *why)
{
    const struct config_parameter *p = server_config_find(pair->name);

    TRY(server_config_set_text(&s->config, p, pair->value, why));
    if (server_config_target(p)->flags & CONFIG_MUTABLE || is_value(s, p, before))
        return status_ok();
    return refuse(why, "can't set immutable config");
}

/* The values before, to go back to. */
static bool save_value(struct server *s, const struct resp_config_pair *pair, struct buf *out)
{
    buf_init(out, s->env.alloc, SIZE_MAX / 2);
    server_config_get(&s->config, server_config_find(pair->name), out);
    return !out->is_failed;
}

static void go_back(struct server *s, const struct resp_config_pair *pair, const struct buf *value)
{
    const struct config_parameter *p = server_config_find(pair->name);
    struct errbuf why = { "" };

    status_ignore(server_config_set_text(&s->config, p, buf_bytes(value), &why),
                  "it was the value before");
}

/* Addresses may have changed. Whoever is connected stays so. */
static struct status listen_anew(struct server *s, const struct resp_config_pair *pairs,
                                 size_t count, size_t *out_bad, struct errbuf *why)
{
    bool is_bind = false;
    size_t found = count;
    struct errbuf err = { "" };

    for (size_t i = 0; i < count; i++) {
        const struct config_parameter *p = server_config_find(pairs[i].name);
        bool is_this_bind = strcmp(p->name, "bind") == 0;
        if (!is_this_bind && strcmp(p->name, "port") != 0)
            continue;
        found = i;
        is_bind = is_this_bind;
    }
    struct status st = found == count ? status_ok() : server_listen(s, &err);
    if (succeeded(st))
        return st;
    log_warning(s->env.log, "CONFIG SET %s: %s", is_bind ? "bind" : "port", err.text);
    *out_bad = found;
    errbuf_set(why, is_bind ? "Failed to bind to specified addresses."
                            : "Unable to listen on this port. Check server logs.");
    return status_of(ST_INVALID);
}

/* More clients need more open files. */
static struct status allow_clients(const struct server *s, const struct resp_config_pair *pairs,
                                   size_t count, size_t *out_bad, struct errbuf *why)
{
    uint64_t files;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(server_config_find(pairs[i].name)->name, "maxclients") != 0)
            continue;
        uint64_t possible = file_limit_raise(s->config.maxclients, &files);
        if (possible == s->config.maxclients)
            break;
        *out_bad = i;
        errbuf_set(why,
                   "The operating system is not able to handle the specified number of clients, "
                   "try with %llu",
                   (unsigned long long)possible);
        return status_of(ST_INVALID);
    }
    return status_ok();
}

/* What was sized at the start is not sized anew. */
static void say_later(const struct server *s, const struct resp_config_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(server_config_find(pairs[i].name)->name, "maxmemory") == 0 &&
            s->config.maxmemory != s->budget.cap_bytes)
            log_notice(s->env.log, "maxmemory stays at %zu bytes until the next start",
                       s->budget.cap_bytes);
    }
}

struct status server_host_config_set(struct resp_host *h, const struct resp_session *who,
                                     const struct resp_config_pair *pairs, size_t count,
                                     size_t *out_bad, struct errbuf *why)
{
    struct server *s = server_of(h);

    TRY(admit(s, who, pairs, count, out_bad, why));
    struct buf *before = alloc_array(s->env.alloc, count, sizeof *before);
    struct status st = before == NULL && count > 0 ? status_of(ST_NO_MEMORY) : status_ok();
    size_t done = 0;

    for (; done < count && succeeded(st); done++) {
        if (!save_value(s, &pairs[done], &before[done]))
            st = status_of(ST_NO_MEMORY);
        else
            st = set_one(s, &pairs[done], &before[done], why);
    }
    if (succeeded(st) && failed(server_config_check(&s->config, why)))
        st = status_of(ST_INVALID);
    if (done > 0)
        *out_bad = done - 1;
    if (succeeded(st))
        st = allow_clients(s, pairs, count, out_bad, why);
    if (succeeded(st))
        st = listen_anew(s, pairs, count, out_bad, why);
    if (failed(st)) {
        /* The last one was refused, unless all are fit and do not fit together. */
        for (size_t i = done; i > 0; i--)
            go_back(s, &pairs[i - 1], &before[i - 1]);
    }
    for (size_t i = 0; i < done; i++)
        buf_deinit(&before[i]);
    alloc_free(s->env.alloc, before, count * sizeof *before);
    if (succeeded(st))
        say_later(s, pairs, count);
    server_config_take_over(s);
    return st;
}

struct status server_host_config_rewrite(struct resp_host *h, struct errbuf *why)
{
    struct server *s = server_of(h);

    if (s->config.file[0] == '\0')
        return status_of(ST_NOT_FOUND);
    struct status st = config_source_rewrite(&s->config, s->env.io, s->ring, why);
    if (failed(st))
        log_warning(s->env.log, "CONFIG REWRITE failed: %s", why->text);
    else
        log_notice(s->env.log, "CONFIG REWRITE executed with success.");
    return failed(st) && st.code == ST_NOT_FOUND ? status_of(ST_IO) : st;
}
