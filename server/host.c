/* What the gateway asks of the program around it. */
#include "server/server.h"

#include "base/clock.h"
#include "base/process.h"

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

static struct server *server_of(struct resp_host *h)
{
    return (struct server *)h;
}

static bool has_password(struct resp_host *h)
{
    return server_of(h)->config.requirepass[0] != '\0';
}

/* Looks at every byte that was sent, whatever it finds. */
static bool check_password(struct resp_host *h, struct bytes password)
{
    const char *right = server_of(h)->config.requirepass;
    size_t size = strlen(right);
    unsigned difference = size != password.size;

    for (size_t i = 0; i < password.size; i++)
        difference |= (unsigned)(password.data[i] ^ (uint8_t)right[size == 0 ? 0 : i % size]);
    return difference == 0;
}

/* ---- Configuration ----------------------------------------------------------------------------
 */

static const char *config_get(struct resp_host *h, size_t index, struct buf *out_value)
{
    const struct server *s = server_of(h);
    const struct config_parameter *p = &server_config_table()[index];

    if (p->name != NULL)
        server_config_get(&s->config, p, out_value);
    return p->name;
}

/* What other parts keep a copy of. */
static void take_over(struct server *s)
{
    struct resp_limits *limits = resp_limits(s->resp);

    limits->bulk_max_bytes = s->config.proto_max_bulk_len;
    limits->request_max_bytes = s->config.client_query_buffer_limit;
    resp_set_events(s->resp, (unsigned)s->config.notify_events);
    s->log.log.level = (enum log_level)s->config.loglevel;
}

static struct status set_one(struct server *s, const struct resp_config_pair *pair,
                             struct errbuf *why)
{
    const struct config_parameter *p = server_config_find(pair->name);

    if (p == NULL)
        return status_of(ST_NOT_FOUND);
    if (!(p->flags & CONFIG_MUTABLE)) {
        errbuf_set(why, "can't set immutable config");
        return status_of(ST_INVALID);
    }
    return server_config_set_text(&s->config, p, pair->value, why);
}

/* The values before, to go back to. */
static bool save_value(struct server *s, const struct resp_config_pair *pair, struct buf *out)
{
    const struct config_parameter *p = server_config_find(pair->name);

    buf_init(out, s->env.alloc, SIZE_MAX / 2);
    if (p != NULL)
        server_config_get(&s->config, p, out);
    return !out->is_failed;
}

static void go_back(struct server *s, const struct resp_config_pair *pair, const struct buf *value)
{
    const struct config_parameter *p = server_config_find(pair->name);
    struct errbuf why = { "" };

    status_ignore(server_config_set_text(&s->config, p, buf_bytes(value), &why),
                  "it was the value before");
}

static struct status config_set(struct resp_host *h, const struct resp_config_pair *pairs,
                                size_t count, size_t *out_bad, struct errbuf *why)
{
    struct server *s = server_of(h);
    struct buf *before = alloc_array(s->env.alloc, count, sizeof *before);
    struct status st = before == NULL && count > 0 ? status_of(ST_NO_MEMORY) : status_ok();
    size_t done = 0;

    for (; done < count && succeeded(st); done++) {
        if (!save_value(s, &pairs[done], &before[done]))
            st = status_of(ST_NO_MEMORY);
        else
            st = set_one(s, &pairs[done], why);
    }
    if (succeeded(st) && failed(server_config_check(&s->config, why)))
        st = status_of(ST_INVALID);
    if (failed(st)) {
        *out_bad = done == 0 ? 0 : done - 1;
        /* The last one was refused, unless all are fit and do not fit together. */
        for (size_t i = done; i > 0; i--) {
            if (server_config_find(pairs[i - 1].name) != NULL)
                go_back(s, &pairs[i - 1], &before[i - 1]);
        }
    }
    for (size_t i = 0; i < done; i++)
        buf_deinit(&before[i]);
    alloc_free(s->env.alloc, before, count * sizeof *before);
    take_over(s);
    return st;
}

static void reset_stats(struct resp_host *h)
{
    server_reactor_reset_stats(&server_of(h)->reactor);
}

/* ---- Sessions ---------------------------------------------------------------------------------
 */

static struct resp_session *next_session(struct resp_host *h, struct resp_session *previous)
{
    struct server_connection *c;

    if (previous == NULL)
        c = server_of(h)->reactor.oldest;
    else
        c = ((struct server_connection *)resp_session_owner(previous))->next;
    while (c != NULL && c->session == NULL)
        c = c->next;
    return c == NULL ? NULL : c->session;
}

static void connection(struct resp_host *h, const struct resp_session *session,
                       struct resp_connection *out)
{
    const struct server_connection *c = resp_session_owner(session);
    uint64_t now_ns = server_of(h)->reactor.now_ns;

    *out = (struct resp_connection) {
        .age_s = (now_ns - c->made_ns) / NS_PER_S,
        .idle_s = (now_ns - c->active_ns) / NS_PER_S,
        .input_bytes = connection_input(c),
        .input_room_bytes = c->in_capacity - c->in_end,
        .output_bytes = connection_output(c),
        .output_buffer_bytes = c->sending.capacity + c->out.capacity,
        .wants_write = c->send.is_pending,
    };
}

static bool push(struct resp_host *h, struct resp_session *session, const struct resp_push *push)
{
    return server_reactor_push(&server_of(h)->reactor, resp_session_owner(session), push);
}

static void close_session(struct resp_host *h, struct resp_session *session)
{
    server_reactor_close(&server_of(h)->reactor, resp_session_owner(session));
}

/* ---- Stopping ---------------------------------------------------------------------------------
 */

static struct status shut_down(struct resp_host *h, unsigned flags, struct errbuf *why)
{
    struct server *s = server_of(h);

    (void)why;
    (void)flags; /* There is nothing to save: what was acknowledged is in the log. */
    log_notice(s->env.log, "User requested shutdown...");
    server_reactor_stop(&s->reactor);
    return status_ok();
}

static bool shutdown_abort(struct resp_host *h)
{
    return server_reactor_go_on(&server_of(h)->reactor);
}

const struct resp_host_ops server_host_ops = {
    .has_password = has_password,
    .check_password = check_password,
    .info = server_info,
    .info_section = server_info_section,
    .config_get = config_get,
    .config_set = config_set,
    .reset_stats = reset_stats,
    .next_session = next_session,
    .connection = connection,
    .push = push,
    .close = close_session,
    .shutdown = shut_down,
    .shutdown_abort = shutdown_abort,
};
