#include "server/client.h"

#include "base/log.h"

#include "server/outlook.h"

#include <string.h>

enum {
    VISIT_COMMANDS_MAX = 128,     /* Of one client, before the next has its turn. */
    TRIM_NS = 1000 * 1000 * 1000, /* After so much silence buffers are given back. */
};

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;
/* So long a command waits for memory that others' replies take; then its client is told. */
static const uint64_t STARVED_NS = 5ull * 1000 * 1000 * 1000;

/* ---- Going -------------------------------------------------------------------------------------
 */

/* The next request will not run soon. */
static void forget_ahead(struct server_connection *c)
{
    server_command_give(c->ahead);
    c->ahead = NULL;
}

void server_client_bury(struct server_reactor *r, struct server_connection *c)
{
    if (!c->is_closed || c->recv.is_pending || c->send.is_pending || connection_is_queued(c))
        return;
    server_roster_leave(&r->roster, ROSTER_ALL, c);
    server_connection_destroy(c);
}

void server_client_drop_command(struct server_reactor *r, struct server_connection *c)
{
    forget_ahead(c);
    if (c->command == NULL)
        return;
    server_command_give(c->command);
    c->command = NULL;
    r->waiting_count--;
}

void server_client_close(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_closed)
        return;
    c->is_closed = true;
    server_roster_leave(&r->roster, ROSTER_POSTPONED, c);
    if (c->session != NULL) {
        if (c->is_watching)
            server_store_note_watcher(r->store, false);
        resp_session_destroy(c->session);
        c->session = NULL;
        r->client_count--;
    }
    server_client_drop_command(r, c); /* After the session, which may hold cursors of it. */
    /* Its ops end soon. */
    io_socket_shutdown(c->socket);
}

/* ---- Commands ----------------------------------------------------------------------------------
 */

static void starve(struct server_reactor *r, struct server_connection *c)
{
    if (c->starving_ns == 0)
        c->starving_ns = r->now_ns;
    r->starved_bytes = server_client_memory_left(r->memory);
    server_roster_join(&r->roster, ROSTER_STARVING, c);
}

bool server_client_is_starved(const struct server_reactor *r, const struct server_connection *c)
{
    return c->starving_ns != 0 && r->now_ns - c->starving_ns >= STARVED_NS;
}

/* No command of it runs until output has left. */
static void wait_for_reader(struct server_reactor *r, struct server_connection *c)
{
    forget_ahead(c);
    if (!c->is_paused)
        c->moved_ns = r->now_ns;
    c->is_paused = true;
    r->may_stall = true;
}

/* Its own replies make room when they leave, or else others' do. */
static void wait_for_memory(struct server_reactor *r, struct server_connection *c)
{
    if (connection_output(c) > 0)
        wait_for_reader(r, c);
    else
        starve(r, c);
}

static void note_watching(struct server_reactor *r, struct server_connection *c)
{
    bool is_watching = resp_session_is_watching(c->session);

    if (is_watching == c->is_watching)
        return;
    c->is_watching = is_watching;
    server_store_note_watcher(r->store, is_watching);
}

/* What a command wrote could not be kept: its answer is this instead. */
static void replace_reply(struct server_connection *c, size_t from, struct status why)
{
    c->out.size = from;
    c->out.is_failed = false;
    buf_append(&c->out, bytes_str(why.code == ST_LIMIT
                                      ? "-ERR command is too large: its writes exceed their limit"
                                        "\r\n"
                                      : "-OOM command not allowed: no memory for its writes\r\n"));
}

static void stop_waiting(struct server_reactor *r, struct server_connection *c)
{
    if (c->command != NULL)
        r->waiting_count--;
    c->command = NULL;
}

static void end_command(struct server_reactor *r, struct server_connection *c,
                        struct server_command *command)
{
    stop_waiting(r, c);
    server_command_give(command);
}

/* Its request has run: the next one runs as the same command, if that holds what was read for it.
 */
static void go_on(struct server_reactor *r, struct server_connection *c,
                  struct server_command *command)
{
    stop_waiting(r, c);
    if (!c->is_closed && server_command_go_on(r->store, command))
        c->ahead = command;
    else
        server_command_give(command);
}

static void begin_to_wait(struct server_reactor *r, struct server_connection *c,
                          struct server_command *command)
{
    r->stats.commands_blocked++;
    if (c->command == NULL)
        r->waiting_count++;
    c->command = command;
    if ((command->waits & COMMAND_READS) != 0)
        server_outlook_read(r->store, c, command);
    if (!server_store_wait(r->store, command))
        server_roster_join(&r->roster, ROSTER_READY, c);
}

/* Run the request that was parsed. False: it waits, and the connection with it. */
static bool run_request(struct server_reactor *r, struct server_connection *c)
{
    struct server_store *s = r->store;
    struct server_command *command = c->command != NULL ? c->command : c->ahead;
    uint64_t ticket;

    c->ahead = NULL;
    if (command == NULL && failed(server_command_take(s, c, &command))) {
        server_client_close(r, c);
        return false;
    }
    size_t before = c->out.size;
    server_store_begin(s, command);
    bool may_wait = connection_output(c) > 0 || !server_client_is_starved(r, c);
    struct status st = resp_session_run(c->session, &s->door, may_wait, &c->out);
    struct status kept = st;
    if (succeeded(st)) {
        kept = server_store_keep(s, &ticket);
        if (failed(kept))
            replace_reply(c, before, kept);
    } else {
        server_store_drop(s, &ticket);
    }
    if (failed(kept))
        resp_settle(r->resp, false, 0);
    if (st.code == ST_AGAIN && resp_session_is_postponed(c->session)) {
        end_command(r, c, command);
        server_roster_join(&r->roster, ROSTER_POSTPONED, c);
        return false;
    }
    if (st.code == ST_AGAIN && c->out.is_short) {
        end_command(r, c, command);
        wait_for_memory(r, c);
        return false;
    }
    c->starving_ns = 0;
    if (st.code == ST_AGAIN) {
        begin_to_wait(r, c, command);
        return false;
    }
    go_on(r, c, command);
    if (c->out.is_failed) {
        server_client_close(r, c); /* Not even the error had room. */
        return false;
    }
    server_connection_close_output(c, ticket);
    server_roster_join(&r->roster, ROSTER_HELD, c);
    server_connection_consume(c, resp_session_request_size(c->session));
    c->has_request = false;
    note_watching(r, c);
    /* What it has for others leaves when its reply may, not before. */
    if (succeeded(kept))
        resp_settle(r->resp, true, connection_ticket(c));
    return !c->is_closed;
}

/* No more will come and nothing can be run: leave when the output is gone. */
static void end_input(struct server_reactor *r, struct server_connection *c)
{
    c->is_closing = true;
    forget_ahead(c);
    if (connection_output(c) == 0)
        server_client_close(r, c);
}

static void note_exceeded_input(struct server_reactor *r, const struct server_connection *c,
                                const char *why)
{
    r->stats.inputs_exceeded++;
    log_warning(r->env->log,
                "Closing client that reached max query buffer length: id=%llu addr=%s, %zu bytes: "
                "%s",
                (unsigned long long)c->id, resp_session_address(c->session), connection_input(c),
                why);
}

void server_client_receive(struct server_reactor *r, struct server_connection *c)
{
    size_t missing = resp_session_missing(c->session, connection_input(c));

    if (c->recv.is_pending)
        return;
    if (c->is_at_end) {
        end_input(r, c);
        return;
    }
    if (failed(server_connection_receive(c, r->ring, missing))) {
        note_exceeded_input(r, c, "no memory for more");
        buf_append(&c->out,
                   bytes_str("-OOM command not allowed: no memory for a request this large\r\n"));
        server_connection_close_output(c, 0);
        server_roster_join(&r->roster, ROSTER_HELD, c);
        end_input(r, c);
    }
}

static void parse_failed(struct server_reactor *r, struct server_connection *c)
{
    const char *error = resp_session_parse_error(c->session);

    if (resp_session_is_too_big(c->session))
        note_exceeded_input(r, c, error);
    else
        log_verbose(r->env->log, "%s, from client: id=%llu addr=%s", error,
                    (unsigned long long)c->id, resp_session_address(c->session));
    server_connection_close_output(c, 0);
    server_roster_join(&r->roster, ROSTER_HELD, c);
    end_input(r, c);
}

unsigned server_client_visit(struct server_reactor *r, struct server_connection *c)
{
    bool looks_ahead = server_store_is_large(r->store);
    struct server_outlook outlook = { 0 };
    unsigned count = 0;

    while (!c->is_closed && !c->is_closing && !connection_is_in(c, ROSTER_STARVING) &&
           !connection_is_in(c, ROSTER_POSTPONED)) {
        if (server_connection_is_full(c)) {
            wait_for_reader(r, c);
            break;
        }
        c->is_paused = false;
        if (count == VISIT_COMMANDS_MAX || server_store_is_full(r->store)) {
            server_roster_join(&r->roster, ROSTER_READY, c);
            break;
        }
        if (!c->has_request) {
            enum resp_parse_result result =
                resp_session_parse(c->session, c->in + c->in_begin, connection_input(c), &c->out);
            if (result == RESP_PARSE_MORE) {
                server_client_receive(r, c);
                break;
            }
            if (result == RESP_PARSE_BAD) {
                parse_failed(r, c);
                break;
            }
            c->has_request = true;
        }
        if (looks_ahead)
            server_outlook_look(&outlook, r->store, c);
        resp_session_catch_up(c->session);
        if (c->is_closed || !run_request(r, c))
            break;
        server_outlook_step(&outlook, resp_session_request_size(c->session));
        count++;
        if (resp_session_is_closing(c->session))
            end_input(r, c);
    }
    return count;
}

/* ---- Replies -----------------------------------------------------------------------------------
 */

static bool is_output_exceeded(struct server_reactor *r, struct server_connection *c)
{
    bool is_subscriber = c->session != NULL && resp_session_is_subscriber(c->session);
    const struct config_output_limit *l =
        &r->config->output_limits[is_subscriber ? CONFIG_OUTPUT_PUBSUB : CONFIG_OUTPUT_NORMAL];
    uint64_t waiting = connection_output(c);

    if (l->hard_bytes != 0 && waiting >= l->hard_bytes)
        return true;
    if (l->soft_bytes == 0 || waiting < l->soft_bytes) {
        c->soft_since_ns = 0;
        return false;
    }
    if (c->soft_since_ns == 0)
        c->soft_since_ns = r->now_ns;
    return r->now_ns - c->soft_since_ns > l->soft_s * NS_PER_S;
}

static void let_go_of_output(struct server_reactor *r, struct server_connection *c)
{
    r->stats.outputs_exceeded++;
    log_warning(r->env->log, "Client id=%llu closed for overcoming of output buffer limits.",
                (unsigned long long)c->id);
    server_client_close(r, c);
}

void server_client_kick(struct server_reactor *r, struct server_connection *c)
{
    server_client_close(r, c);
    server_roster_join(&r->roster, ROSTER_HELD, c);
}

bool server_client_push(struct server_reactor *r, struct server_connection *c,
                        const struct resp_push *push)
{
    if (c->is_closing)
        return true; /* It has been sent its last. */
    uint8_t *room = buf_extend(&c->out, 1 + push->rest.size);
    if (room != NULL) {
        room[0] = (uint8_t)push->first;
        memcpy(room + 1, push->rest.data, push->rest.size);
        server_connection_close_output(c, push->ticket);
    }
    server_roster_join(&r->roster, ROSTER_HELD, c);
    if (room == NULL || is_output_exceeded(r, c))
        let_go_of_output(r, c);
    return !c->is_closed;
}

void server_client_release(struct server_reactor *r, struct server_connection *c, uint64_t applied,
                           bool has_failed)
{
    if (has_failed && server_connection_has_lost(c, applied)) {
        r->stats.lost_replies++;
        server_client_close(r, c);
    }
    if (!c->is_closed && is_output_exceeded(r, c))
        let_go_of_output(r, c);
    if (c->is_closed)
        server_client_bury(r, c);
    else if (server_connection_release(c, r->ring, applied))
        server_roster_join(&r->roster, ROSTER_HELD, c);
}

/* ---- Ops ---------------------------------------------------------------------------------------
 */

void server_client_received(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_closed) {
        server_client_bury(r, c);
        return;
    }
    if (failed(c->recv.status) || (c->recv.done_size == 0 && c->session == NULL)) {
        server_client_close(r, c);
        server_client_bury(r, c);
        return;
    }
    c->in_end += c->recv.done_size;
    c->is_at_end = c->recv.done_size == 0;
    c->active_ns = r->now_ns;
    r->stats.input_bytes += c->recv.done_size;
    r->stats.reads++;
    if (!r->is_stopping)
        server_roster_join(&r->roster, ROSTER_READY, c);
}

void server_client_sent(struct server_reactor *r, struct server_connection *c)
{
    r->stats.output_bytes += c->send.done_size;
    c->moved_ns = r->now_ns;
    r->stats.writes++;
    if (!server_connection_sent(c))
        server_client_close(r, c);
    if (!c->is_closed && connection_output(c) > 0)
        server_roster_join(&r->roster, ROSTER_HELD, c); /* There may be more that can leave. */
    else if (c->is_closing)
        server_client_close(r, c);
    if (c->is_closed)
        server_client_bury(r, c);
    else if (c->is_paused && !server_connection_is_full(c) && !r->is_stopping)
        server_roster_join(&r->roster, ROSTER_READY, c);
}

/* ---- Now and then ------------------------------------------------------------------------------
 */

void server_client_look(struct server_reactor *r, struct server_connection *c)
{
    uint64_t idle_ns = r->now_ns - c->active_ns;

    if (connection_input(c) > r->input_high)
        r->input_high = c->in_capacity;
    if (connection_output(c) > r->output_high)
        r->output_high = connection_output(c);
    if (idle_ns > TRIM_NS)
        server_connection_trim(c);
    if (!c->is_closed && is_output_exceeded(r, c)) {
        let_go_of_output(r, c);
        server_client_bury(r, c);
        return;
    }
    bool may_idle = c->session != NULL && resp_session_is_subscriber(c->session);
    if (r->config->timeout == 0 || c->command != NULL || c->is_closed || may_idle ||
        idle_ns < r->config->timeout * NS_PER_S)
        return;
    r->stats.timeouts++;
    log_verbose(r->env->log, "Closing idle client");
    server_client_close(r, c);
    server_client_bury(r, c);
}
