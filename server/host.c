/* What the gateway asks of the program around it. */
#include "server/server.h"

#include "base/clock.h"
#include "base/io.h"

#include "server/client.h"

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

/* ---- Figures -----------------------------------------------------------------------------------
 */

static uint64_t now_ns(struct resp_host *h)
{
    return stopwatch_ns(&server_of(h)->reactor.watch);
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
        c = roster_first(&server_of(h)->reactor.roster, ROSTER_ALL);
    else
        c = connection_next(resp_session_owner(previous));
    while (c != NULL && c->session == NULL)
        c = connection_next(c);
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
    return server_client_push(&server_of(h)->reactor, resp_session_owner(session), push);
}

static void close_session(struct resp_host *h, struct resp_session *session)
{
    server_client_kick(&server_of(h)->reactor, resp_session_owner(session));
}

/* ---- Stopping ---------------------------------------------------------------------------------
 */

static struct status health(struct resp_host *h)
{
    struct status s = server_store_health(server_of(h)->store);

    return s.code == ST_FAILED || s.code == ST_IO || s.code == ST_NO_SPACE ? s : status_ok();
}

static struct status save(struct resp_host *h, bool is_waited, struct errbuf *why)
{
    struct server *s = server_of(h);
    struct server_saver *saver = &s->reactor.saver;
    struct server_command *c = s->store->running;
    bool has_begun = is_waited && c->save != 0;
    struct status st = has_begun ? saver->last : server_saver_begin(saver, s->config.dbfilename);

    if (is_waited && succeeded(st) && !has_begun)
        c->save = saver->saved + 1;
    if (is_waited && c->save > saver->saved) {
        c->waits |= COMMAND_SAVE;
        return status_of(ST_AGAIN);
    }
    if (failed(st) && st.code != ST_BUSY)
        errbuf_set(why, "%s", has_begun ? saver->err.text : status_text(st));
    return has_begun && failed(st) ? status_of(ST_IO) : st;
}

static uint64_t last_save_s(struct resp_host *h)
{
    return server_of(h)->reactor.saver.last_wall_ms / 1000;
}

static struct status shorten_log(struct resp_host *h, bool *out_is_scheduled)
{
    struct server_saver *saver = &server_of(h)->reactor.saver;

    *out_is_scheduled = server_saver_is_busy(saver);
    return server_saver_flush(saver);
}

/* What was acknowledged is in the log: SAVE makes a checkpoint besides. */
static struct status shut_down(struct resp_host *h, unsigned flags, struct errbuf *why)
{
    struct server *s = server_of(h);
    struct status st = flags & RESP_SHUTDOWN_SAVE ? save(h, true, why) : status_ok();

    if (st.code == ST_AGAIN)
        return st;
    if (failed(st) && !(flags & RESP_SHUTDOWN_FORCE)) {
        log_warning(s->env.log, "The checkpoint failed: not shutting down");
        errbuf_set(why, "Errors trying to SHUTDOWN. Check logs.");
        return status_of(ST_BUSY);
    }
    log_notice(s->env.log, "User requested shutdown...");
    s->reactor.is_hasty = (flags & RESP_SHUTDOWN_NOW) != 0;
    server_reactor_stop(&s->reactor);
    return status_ok();
}

static bool shutdown_abort(struct resp_host *h)
{
    return server_reactor_go_on(&server_of(h)->reactor);
}

/* ---- DEBUG ------------------------------------------------------------------------------------
 */

bool server_host_allows(const struct resp_session *who, uint64_t access)
{
    const struct server_connection *c = resp_session_owner(who);

    return access == CONFIG_EVERYBODY || (access == CONFIG_LOCAL && c->is_local);
}

static bool may_debug(struct resp_host *h, const struct resp_session *who)
{
    return server_host_allows(who, server_of(h)->config.enable_debug_command);
}

/* The whole thread sleeps: that is what it is for. */
static void debug_sleep(struct resp_host *h, uint64_t duration_us)
{
    const struct io_ring_options options = { .entries = 1 };
    struct server *s = server_of(h);
    uint64_t end_ns = clock_ns(s->env.clock) + duration_us * 1000;
    struct io_ring *ring;

    if (failed(io_ring_create(s->env.io, &options, &ring)))
        return;
    while (clock_ns(s->env.clock) < end_ns)
        io_ring_wait(ring, end_ns);
    io_ring_destroy(ring);
}

static void debug_expire(struct resp_host *h, bool is_active)
{
    server_of(h)->reactor.chores.is_expiry_off = !is_active;
}

static void debug_log(struct resp_host *h, struct bytes text)
{
    log_warning(server_of(h)->env.log, "DEBUG LOG: %.*s", (int)text.size, (const char *)text.data);
}

const struct resp_host_ops server_host_ops = {
    .has_password = has_password,
    .check_password = check_password,
    .info = server_info,
    .info_section = server_info_section,
    .config_get = server_host_config_get,
    .config_set = server_host_config_set,
    .config_rewrite = server_host_config_rewrite,
    .reset_stats = reset_stats,
    .now_ns = now_ns,
    .next_session = next_session,
    .connection = connection,
    .push = push,
    .close = close_session,
    .health = health,
    .save = save,
    .last_save_s = last_save_s,
    .shorten_log = shorten_log,
    .shutdown = shut_down,
    .shutdown_abort = shutdown_abort,
    .may_debug = may_debug,
    .debug_sleep = debug_sleep,
    .debug_expire = debug_expire,
    .debug_log = debug_log,
};
