#include "server/reactor.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    ACCEPT_TAG = 0x41434350,
    TURN_COMMANDS_MAX = 1024,
    VISIT_COMMANDS_MAX = 128, /* Of one connection, before the next has its turn. */
    ACCEPT_RETRY_NS = 100 * 1000 * 1000,
    ACCEPTS_IN_TURN_MAX = 64,
    LOOK_AHEAD = 3, /* Requests: the first brings a bucket near, the next its rows. */
    REFUSED_NS = 1000 * 1000 * 1000, /* So long accepting must go well to be said to. */
    STALL_NS = 100 * 1000 * 1000, /* So long nothing leaves, and its client is taken not to read. */
    SAMPLE_NS = 100 * 1000 * 1000,
    PATROL_MIN = 16,
    FED_IN_TURN_MAX = 16,         /* Of those that wait for memory; more would only wait again. */
    TRIM_NS = 1000 * 1000 * 1000, /* After so much silence buffers are given back. */
    NAME_SIZE = 128,
};

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;
/* So long a command waits for memory that others' replies take; then its client is told. */
static const uint64_t STARVED_NS = 5ull * 1000 * 1000 * 1000;

static const char TOO_MANY[] = "-ERR max number of clients reached\r\n";
static const char PROTECTED[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the protected mode by editing the Redis configuration file, and setting the protected mode "
    "option to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication "
    "password for the default user. NOTE: You only need to do one of the above things in order for "
    "the server to start accepting connections from the outside.\r\n";

/* ---- Lists ------------------------------------------------------------------------------------
 */

static void make_ready(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_ready)
        return;
    c->is_ready = true;
    c->next_ready = NULL;
    if (r->ready_last == NULL)
        r->ready_first = c;
    else
        r->ready_last->next_ready = c;
    r->ready_last = c;
}

static struct server_connection *take_ready(struct server_reactor *r)
{
    struct server_connection *c = r->ready_first;

    r->ready_first = c->next_ready;
    if (r->ready_first == NULL)
        r->ready_last = NULL;
    c->is_ready = false;
    return c;
}

static void hold(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_held)
        return;
    c->is_held = true;
    c->next_held = r->held;
    r->held = c;
}

static void starve(struct server_reactor *r, struct server_connection *c)
{
    if (c->starving_ns == 0)
        c->starving_ns = r->now_ns;
    r->starved_bytes = server_client_memory_left(r->memory);
    c->is_starving = true;
    c->next_starving = NULL;
    *(r->starving_last != NULL ? &r->starving_last->next_starving : &r->starving_first) = c;
    r->starving_last = c;
}

/* No command of it runs until output has left. */
static void wait_for_reader(struct server_reactor *r, struct server_connection *c)
{
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

static void postpone(struct server_reactor *r, struct server_connection *c)
{
    c->is_postponed = true;
    c->next_postponed = NULL;
    c->previous_postponed = r->postponed_last;
    *(r->postponed_last != NULL ? &r->postponed_last->next_postponed : &r->postponed_first) = c;
    r->postponed_last = c;
    r->postponed_count++;
}

static void take_postponed(struct server_reactor *r, struct server_connection *c)
{
    *(c->previous_postponed != NULL ? &c->previous_postponed->next_postponed
                                    : &r->postponed_first) = c->next_postponed;
    *(c->next_postponed != NULL ? &c->next_postponed->previous_postponed : &r->postponed_last) =
        c->previous_postponed;
    c->is_postponed = false;
    r->postponed_count--;
}

static struct server_connection *take_starving(struct server_reactor *r)
{
    struct server_connection *c = r->starving_first;

    r->starving_first = c->next_starving;
    if (r->starving_first == NULL)
        r->starving_last = NULL;
    c->is_starving = false;
    return c;
}

static void list(struct server_reactor *r, struct server_connection *c)
{
    c->previous = r->newest;
    *(r->newest != NULL ? &r->newest->next : &r->oldest) = c;
    r->newest = c;
    r->connection_count++;
}

static void unlist(struct server_reactor *r, struct server_connection *c)
{
    *(c->previous != NULL ? &c->previous->next : &r->oldest) = c->next;
    *(c->next != NULL ? &c->next->previous : &r->newest) = c->previous;
    if (r->patrol == c)
        r->patrol = c->next;
    r->connection_count--;
}

/* ---- Closing ----------------------------------------------------------------------------------
 */

/* Nothing of it is with the ring or in a list any more: it can go. */
static void bury(struct server_reactor *r, struct server_connection *c)
{
    if (!c->is_closed || c->recv.is_pending || c->send.is_pending || c->is_ready || c->is_held ||
        c->is_starving)
        return;
    unlist(r, c);
    server_connection_destroy(c);
}

static void drop_command(struct server_reactor *r, struct server_connection *c)
{
    if (c->command == NULL)
        return;
    server_command_give(c->command);
    c->command = NULL;
    r->waiting_count--;
}

/* It serves nobody any more. What it evaluated stays. */
static void close_connection(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_closed)
        return;
    c->is_closed = true;
    if (c->is_postponed)
        take_postponed(r, c);
    if (c->session != NULL) {
        if (c->is_watching)
            server_store_note_watcher(r->store, false);
        resp_session_destroy(c->session);
        c->session = NULL;
        r->client_count--;
    }
    drop_command(r, c); /* After the session, which may hold cursors of it. */
    /* Its ops end soon. */
    io_socket_shutdown(c->socket);
}

/* ---- Commands ---------------------------------------------------------------------------------
 */

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

static void end_command(struct server_reactor *r, struct server_connection *c,
                        struct server_command *command)
{
    if (c->command != NULL)
        r->waiting_count--;
    c->command = NULL;
    server_command_give(command);
}

/* Run the request that was parsed. False: it waits, and the connection with it. */
static bool run_request(struct server_reactor *r, struct server_connection *c)
{
    struct server_store *s = r->store;
    struct server_command *command = c->command;
    uint64_t ticket;

    if (command == NULL && failed(server_command_take(s, c, &command))) {
        close_connection(r, c);
        return false;
    }
    size_t before = c->out.size;
    server_store_begin(s, command);
    bool may_wait =
        connection_output(c) > 0 || c->starving_ns == 0 || r->now_ns - c->starving_ns < STARVED_NS;
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
        postpone(r, c);
        return false;
    }
    if (st.code == ST_AGAIN && c->out.is_short) {
        end_command(r, c, command);
        wait_for_memory(r, c);
        return false;
    }
    c->starving_ns = 0;
    if (st.code == ST_AGAIN) {
        r->stats.commands_blocked++;
        if (c->command == NULL)
            r->waiting_count++;
        c->command = command;
        if (!server_store_wait(s, command))
            make_ready(r, c);
        return false;
    }
    end_command(r, c, command);
    if (c->out.is_failed) {
        close_connection(r, c); /* Not even the error had room. */
        return false;
    }
    server_connection_close_output(c, ticket);
    hold(r, c);
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
    if (connection_output(c) == 0)
        close_connection(r, c);
}

static void receive(struct server_reactor *r, struct server_connection *c)
{
    size_t missing = resp_session_missing(c->session, connection_input(c));

    if (c->recv.is_pending)
        return;
    if (c->is_at_end) {
        end_input(r, c);
        return;
    }
    if (failed(server_connection_receive(c, r->ring, missing))) {
        r->stats.inputs_exceeded++;
        buf_append(&c->out,
                   bytes_str("-OOM command not allowed: no memory for a request this large\r\n"));
        server_connection_close_output(c, 0);
        hold(r, c);
        end_input(r, c);
    }
}

static void parse_failed(struct server_reactor *r, struct server_connection *c)
{
    server_connection_close_output(c, 0);
    hold(r, c);
    end_input(r, c);
}

/* ---- Looking ahead ----
 *
 * Rows of a million keys lie all over the memory, and a command waits for two or three misses, one
 * after the other. Commands that have come already say which rows are next, so that these come near
 * while others run.
 */

/* How far a visit has looked: so many bytes, in so many requests, from where it is. */
struct outlook {
    size_t size;
    unsigned count;
};

/* The request that begins so far into the connection's input will be run. Its size; 0: unknown. */
static size_t announce(struct server_reactor *r, const struct server_connection *c, size_t offset)
{
    uint8_t room[RESP_GLANCE_MAX];
    struct bytes row_key;
    struct bytes rest = bytes_of(c->in + c->in_begin + offset, connection_input(c) - offset);
    size_t size = resp_session_glance(c->session, &r->store->door, rest, room, &row_key);

    if (row_key.size > 0)
        server_store_expect(r->store, row_key);
    return size;
}

/* A request was parsed: announce some of those behind it. */
static void look_ahead(struct server_reactor *r, const struct server_connection *c,
                       struct outlook *o)
{
    if (o->count == 0)
        o->size = resp_session_request_size(c->session);
    while (o->count < LOOK_AHEAD && o->size < connection_input(c)) {
        size_t size = announce(r, c, o->size);
        if (size == 0)
            return;
        o->size += size;
        o->count++;
    }
}

/* The request before which it stood has gone. */
static void step_ahead(struct outlook *o, size_t request_size)
{
    if (o->count == 0)
        return;
    o->size -= request_size;
    o->count--;
}

/* The connection after the next is about to be visited, too. */
static void look_at_queue(struct server_reactor *r)
{
    const struct server_connection *c = r->ready_first != NULL ? r->ready_first->next_ready : NULL;

    if (c != NULL && c->session != NULL && !c->has_request && connection_input(c) > 0)
        (void)announce(r, c, 0);
}

/* Run what the connection has sent, a bounded number of commands. Returns how many. */
static unsigned visit(struct server_reactor *r, struct server_connection *c)
{
    bool looks_ahead = server_store_is_large(r->store);
    struct outlook outlook = { 0 };
    unsigned count = 0;

    while (!c->is_closed && !c->is_closing && !c->is_starving && !c->is_postponed) {
        if (server_connection_is_full(c)) {
            wait_for_reader(r, c);
            break;
        }
        c->is_paused = false;
        if (count == VISIT_COMMANDS_MAX || server_store_is_full(r->store)) {
            make_ready(r, c);
            break;
        }
        if (!c->has_request) {
            enum resp_parse_result result =
                resp_session_parse(c->session, c->in + c->in_begin, connection_input(c), &c->out);
            if (result == RESP_PARSE_MORE) {
                receive(r, c);
                break;
            }
            if (result == RESP_PARSE_BAD) {
                parse_failed(r, c);
                break;
            }
            c->has_request = true;
        }
        if (looks_ahead)
            look_ahead(r, c, &outlook);
        resp_session_catch_up(c->session);
        if (c->is_closed || !run_request(r, c))
            break;
        step_ahead(&outlook, resp_session_request_size(c->session));
        count++;
        if (resp_session_is_closing(c->session))
            end_input(r, c);
    }
    return count;
}

static void run_ready(struct server_reactor *r)
{
    unsigned count = 0;

    if (r->ready_first != NULL)
        resp_mark_time(r->resp, stopwatch_ns(&r->watch));
    while (r->ready_first != NULL && count < TURN_COMMANDS_MAX && !server_store_is_full(r->store) &&
           !resp_is_behind(r->resp)) {
        struct server_connection *c = take_ready(r);
        if (server_store_is_large(r->store))
            look_at_queue(r);
        if (!c->is_closed)
            count += visit(r, c);
        bury(r, c);
    }
}

/* A pause is over: the commands that waited for that run. */
static void end_pause(struct server_reactor *r)
{
    if (r->postponed_first == NULL || clock_wall_ms(r->env->clock) < resp_paused_until_ms(r->resp))
        return;
    while (r->postponed_first != NULL) {
        struct server_connection *c = r->postponed_first;
        take_postponed(r, c);
        make_ready(r, c);
    }
}

/* Replies have left, or it has been long enough: commands that found no memory run again. */
static void feed_starving(struct server_reactor *r)
{
    for (unsigned count = 0; r->starving_first != NULL; count++) {
        const struct server_connection *first = r->starving_first;
        bool is_late = r->now_ns - first->starving_ns >= STARVED_NS;
        bool is_fed =
            count < FED_IN_TURN_MAX && server_client_memory_left(r->memory) > r->starved_bytes;
        if (!is_late && !is_fed && !first->is_closed && !r->is_stopping)
            return;
        struct server_connection *c = take_starving(r);
        if (!c->is_closed && !r->is_stopping)
            make_ready(r, c);
        bury(r, c);
    }
}

/* ---- Replies ----------------------------------------------------------------------------------
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
    close_connection(r, c);
}

void server_reactor_close(struct server_reactor *r, struct server_connection *c)
{
    close_connection(r, c);
    hold(r, c); /* Buried at the end of the turn: somebody may be looking at it. */
}

bool server_reactor_push(struct server_reactor *r, struct server_connection *c,
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
    hold(r, c);
    if (room == NULL || is_output_exceeded(r, c))
        let_go_of_output(r, c);
    return !c->is_closed;
}

static void release_one(struct server_reactor *r, struct server_connection *c, uint64_t applied,
                        bool has_failed)
{
    if (has_failed && server_connection_has_lost(c, applied)) {
        r->stats.lost_replies++;
        close_connection(r, c);
    }
    if (!c->is_closed && is_output_exceeded(r, c))
        let_go_of_output(r, c);
    if (c->is_closed)
        bury(r, c);
    else if (server_connection_release(c, r->ring, applied))
        hold(r, c);
}

/* Send what may leave. */
static void release(struct server_reactor *r)
{
    uint64_t applied = server_store_applied(r->store);
    bool has_failed = server_store_has_failed(r->store);
    struct server_connection *c = r->held;

    r->held = NULL;
    while (c != NULL) {
        struct server_connection *next = c->next_held;
        c->is_held = false;
        release_one(r, c, applied, has_failed);
        c = next;
    }
}

/* ---- Ops --------------------------------------------------------------------------------------
 */

static void on_received(struct server_reactor *r, struct server_connection *c)
{
    if (c->is_closed) {
        bury(r, c);
        return;
    }
    if (failed(c->recv.status) || (c->recv.done_size == 0 && c->session == NULL)) {
        close_connection(r, c);
        bury(r, c);
        return;
    }
    c->in_end += c->recv.done_size;
    c->is_at_end = c->recv.done_size == 0;
    c->active_ns = r->now_ns;
    r->stats.input_bytes += c->recv.done_size;
    r->stats.reads++;
    if (!r->is_stopping)
        make_ready(r, c);
}

static void on_sent(struct server_reactor *r, struct server_connection *c)
{
    r->stats.output_bytes += c->send.done_size;
    c->moved_ns = r->now_ns;
    r->stats.writes++;
    if (!server_connection_sent(c))
        close_connection(r, c);
    if (!c->is_closed && connection_output(c) > 0)
        hold(r, c); /* There may be more that can leave. */
    else if (c->is_closing)
        close_connection(r, c);
    if (c->is_closed)
        bury(r, c);
    else if (c->is_paused && !server_connection_is_full(c) && !r->is_stopping)
        make_ready(r, c);
}

/* ---- Accepting --------------------------------------------------------------------------------
 */

static void accept_next(struct server_reactor *r, struct reactor_listener *l)
{
    l->retry_ns = 0;
    l->accept = (struct io_op) {
        .opcode = IO_OP_ACCEPT, .socket = l->socket, .owner = l, .tag = ACCEPT_TAG
    };
    io_submit(r->ring, &l->accept);
}

static bool is_local_name(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strncmp(name, "[::1]", 5) == 0 ||
           strncmp(name, "[::ffff:127.", 12) == 0 || strncmp(name, "unix:", 5) == 0;
}

/* Say why it cannot stay, and let it go when that is sent. */
static void turn_away(struct server_reactor *r, struct server_connection *c, const char *why)
{
    r->stats.connections_rejected++;
    buf_append(&c->out, bytes_str(why));
    server_connection_close_output(c, 0);
    c->is_closing = true;
    hold(r, c);
}

static void begin_session(struct server_reactor *r, struct server_connection *c, const char *peer,
                          const char *own)
{
    const struct resp_session_options options = { .id = c->id,
                                                  .address = peer,
                                                  .local_address = own,
                                                  .fd = io_socket_number(c->socket),
                                                  .owner = c };

    if (failed(resp_session_create(r->resp, &options, &c->session))) {
        close_connection(r, c);
        bury(r, c);
        return;
    }
    r->client_count++;
    if (r->client_count > r->stats.clients_peak)
        r->stats.clients_peak = r->client_count;
    receive(r, c);
}

static void welcome(struct server_reactor *r, struct io_socket *socket)
{
    const struct server_config *config = r->config;
    struct server_connection *c;
    char peer[NAME_SIZE];
    char own[NAME_SIZE];

    r->stats.connections_received++;
    io_socket_name(socket, true, peer, sizeof peer);
    io_socket_name(socket, false, own, sizeof own);
    if (failed(server_connection_create(r->memory, socket, r->next_id, r->now_ns, &c)))
        return;
    r->next_id++;
    list(r, c);
    c->is_local = is_local_name(peer);
    log_debug(r->env->log, "Accepted %s", peer);
    if (r->client_count >= config->maxclients)
        turn_away(r, c, TOO_MANY);
    else if (config->protected_mode && config->requirepass[0] == '\0' && !c->is_local)
        turn_away(r, c, PROTECTED);
    else
        begin_session(r, c, peer, own);
}

/* There are no descriptors, or no memory: those who come wait in the kernel's queue for a while. */
static void accept_later(struct server_reactor *r, struct reactor_listener *l)
{
    if (!l->is_refused)
        log_warning(r->env->log, "Connections cannot be accepted for now: %s",
                    status_text(l->accept.status));
    l->is_refused = true;
    l->refused_ns = r->now_ns;
    l->retry_ns = r->now_ns + ACCEPT_RETRY_NS;
    r->stats.accept_failures++;
}

static void end_listener(struct reactor_listener *l)
{
    io_socket_close(l->socket);
    *l = (struct reactor_listener) { .socket = NULL };
}

static void on_accepted(struct server_reactor *r, struct reactor_listener *l)
{
    if (succeeded(l->accept.status)) {
        r->has_accepted = true;
        if (r->is_stopping)
            io_socket_close(l->accept.accepted);
        else
            welcome(r, l->accept.accepted);
    } else if (l->accept.status.code != ST_CANCELLED) {
        accept_later(r, l);
        return;
    }
    if (l->is_retiring)
        end_listener(l);
    else if (!r->is_stopping)
        accept_next(r, l);
}

/* ---- Turns ------------------------------------------------------------------------------------
 */

static void wake(struct server_reactor *r, struct server_command *command)
{
    if (command == NULL || server_chores_wake(&r->chores, command))
        return;
    make_ready(r, command->owner);
}

static void take_op(struct server_reactor *r, struct io_op *op)
{
    struct server_command *command;

    switch (op->tag) {
    case CONNECTION_RECV_TAG:
        on_received(r, op->owner);
        break;
    case CONNECTION_SEND_TAG:
        on_sent(r, op->owner);
        break;
    case ACCEPT_TAG:
        on_accepted(r, op->owner);
        break;
    case FETCH_OP_TAG:
        while (server_store_read_done(r->store, op, &command))
            wake(r, command);
        break;
    default:
        CHECK(op->tag == VLOG_OP_TAG); /* The end of the turn looks at it. */
        break;
    }
}

static void look_at_client(struct server_reactor *r, struct server_connection *c)
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
        bury(r, c);
        return;
    }
    bool may_idle = c->session != NULL && resp_session_is_subscriber(c->session);
    if (r->config->timeout == 0 || c->command != NULL || c->is_closed || may_idle ||
        idle_ns < r->config->timeout * NS_PER_S)
        return;
    r->stats.timeouts++;
    log_verbose(r->env->log, "Closing idle client");
    close_connection(r, c);
    bury(r, c);
}

/* Every client is looked at about once a second. */
static void patrol(struct server_reactor *r)
{
    uint64_t count = r->connection_count / r->config->hz + 1;

    if (count < PATROL_MIN)
        count = PATROL_MIN;
    if (count > r->connection_count)
        count = r->connection_count;
    for (; count > 0; count--) {
        struct server_connection *c = r->patrol != NULL ? r->patrol : r->oldest;
        if (c == NULL)
            return;
        r->patrol = c->next;
        look_at_client(r, c);
    }
}

/*
 * Who is paused and takes nothing may be a client that sends a whole pipeline before it reads: if
 * both wait, they wait for ever. While there is memory to spare it is served on.
 */
static void look_at_stalled(struct server_reactor *r)
{
    if (!r->may_stall || r->is_stopping)
        return;
    r->may_stall = false;
    for (struct server_connection *c = r->oldest; c != NULL; c = c->next) {
        if (!c->is_paused || c->is_closed)
            continue;
        r->may_stall = true;
        if (r->now_ns - c->moved_ns >= STALL_NS && server_connection_bear(c))
            make_ready(r, c);
    }
}

static void add_sample(struct reactor_rate *rate, uint64_t total, uint64_t elapsed_ns)
{
    uint64_t n = total >= rate->last ? total - rate->last : 0;

    rate->samples[rate->next] = n * NS_PER_S / elapsed_ns;
    rate->next = (rate->next + 1) % REACTOR_SAMPLES;
    rate->last = total;
}

uint64_t server_rate_per_s(const struct reactor_rate *rate)
{
    uint64_t sum = 0;

    for (int i = 0; i < REACTOR_SAMPLES; i++)
        sum += rate->samples[i];
    return sum / REACTOR_SAMPLES;
}

static void sample(struct server_reactor *r)
{
    uint64_t elapsed_ns = r->now_ns - r->sampled_ns;

    if (elapsed_ns < SAMPLE_NS)
        return;
    add_sample(&r->commands, resp_stats(r->resp)->commands, elapsed_ns);
    add_sample(&r->input, r->stats.input_bytes, elapsed_ns);
    add_sample(&r->output, r->stats.output_bytes, elapsed_ns);
    r->sampled_ns = r->now_ns;
}

static void look_at_listener(struct server_reactor *r, struct reactor_listener *l)
{
    if (l->retry_ns != 0 && r->now_ns >= l->retry_ns && !r->is_stopping)
        accept_next(r, l);
    if (!l->is_refused || r->now_ns - l->refused_ns < REFUSED_NS)
        return;
    log_notice(r->env->log, "Connections are accepted again");
    l->is_refused = false;
}

static void tick(struct server_reactor *r)
{
    if (r->now_ns < r->tick_ns)
        return;
    r->tick_ns = r->now_ns + NS_PER_S / r->config->hz;
    sample(r);
    patrol(r);
    look_at_stalled(r);
    server_store_tidy(r->store);
    for (uint32_t i = 0; i < REACTOR_LISTENERS_MAX; i++)
        look_at_listener(r, &r->listeners[i]);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t wait_until(const struct server_reactor *r, uint64_t now_ns)
{
    uint64_t deadline = r->tick_ns;

    if (r->ready_first != NULL || resp_is_delivering(r->resp))
        return 0;
    uint64_t now_ms = clock_wall_ms(r->env->clock);
    uint64_t paused_ms = resp_paused_until_ms(r->resp);
    if (r->postponed_first != NULL) {
        uint64_t in_ms = paused_ms > now_ms ? paused_ms - now_ms : 0;
        deadline = earlier(deadline, now_ns + earlier(in_ms, 1000) * (NS_PER_S / 1000));
    }
    deadline = earlier(deadline, server_store_deadline(r->store, now_ns));
    deadline = earlier(deadline, server_saver_deadline(&r->saver, now_ns));
    return earlier(deadline, server_chores_deadline(&r->chores, now_ns, now_ms));
}

/* ---- Stopping ---------------------------------------------------------------------------------
 */

static void begin_stop(struct server_reactor *r)
{
    r->is_stopping = true;
    r->stop_deadline_ns = r->now_ns + (r->is_hasty ? 0 : r->config->shutdown_timeout * NS_PER_S);
    for (uint32_t i = 0; i < REACTOR_LISTENERS_MAX; i++)
        if (r->listeners[i].socket != NULL)
            io_socket_shutdown(r->listeners[i].socket);
    for (struct server_connection *c = r->oldest; c != NULL; c = c->next)
        drop_command(r, c);
}

/* Let go of clients that have all their replies; of all when the time is over. */
static bool stop_some(struct server_reactor *r)
{
    bool is_late = r->now_ns >= r->stop_deadline_ns;
    bool is_busy = (server_store_is_busy(r->store) && !server_store_has_failed(r->store)) ||
                   resp_is_delivering(r->resp);

    for (struct server_connection *c = r->oldest, *next; c != NULL; c = next) {
        next = c->next;
        if (is_late || (!is_busy && connection_output(c) == 0))
            close_connection(r, c);
        bury(r, c);
    }
    for (uint32_t i = 0; i < REACTOR_LISTENERS_MAX; i++) {
        struct reactor_listener *l = &r->listeners[i];
        if (l->socket == NULL || l->accept.is_pending)
            continue;
        io_socket_close(l->socket);
        l->socket = NULL;
    }
    bool is_done = r->oldest == NULL && (!is_busy || is_late);
    for (uint32_t i = 0; i < REACTOR_LISTENERS_MAX; i++)
        is_done = is_done && r->listeners[i].socket == NULL;
    return is_done;
}

/* Somebody may want to know how long they keep commands waiting. */
static void run_chores(struct server_reactor *r)
{
    uint64_t wall_ms = clock_wall_ms(r->env->clock);
    bool is_timed = r->config->latency_monitor_threshold != 0;
    uint64_t began_ns = is_timed ? clock_ns(r->env->clock) : 0;

    server_chores_run(&r->chores, r->now_ns, wall_ms);
    if (is_timed)
        resp_note_expire_cycle(r->resp, wall_ms, clock_ns(r->env->clock) - began_ns);
}

/* What the ring has done. A listener has one ACCEPT at a time, so a storm of connections is taken
 * in by asking again at once: not one a turn, when turns are long. */
static void take_ops(struct server_reactor *r, uint64_t deadline_ns)
{
    struct io_op *op;

    io_ring_wait(r->ring, deadline_ns);
    r->now_ns = clock_ns(r->env->clock);
    stopwatch_sync(&r->watch, r->now_ns);
    for (int i = 0; i < ACCEPTS_IN_TURN_MAX; i++) {
        r->has_accepted = false;
        while ((op = io_ring_done(r->ring)) != NULL)
            take_op(r, op);
        if (!r->has_accepted)
            return;
        io_ring_wait(r->ring, 0);
    }
}

bool server_reactor_turn(struct server_reactor *r, uint64_t deadline_ns)
{
    struct server_command *command;

    take_ops(r, deadline_ns);
    resp_begin_turn(r->resp);
    if (!r->is_stopping) {
        end_pause(r);
        run_ready(r);
        run_chores(r);
    }
    server_store_end_turn(r->store, r->now_ns);
    server_saver_step(&r->saver, r->now_ns);
    while ((command = server_store_next_ready(r->store)) != NULL)
        wake(r, command);
    release(r);
    feed_starving(r);
    r->stats.turns++;
    tick(r);
    if (!r->is_stopping && atomic_load_explicit(&r->stop_asked, memory_order_acquire))
        begin_stop(r);
    return !r->is_stopping || !stop_some(r);
}

void server_reactor_run(struct server_reactor *r)
{
    while (server_reactor_turn(r, wait_until(r, clock_ns(r->env->clock))))
        ;
}

void server_reactor_stop(struct server_reactor *r)
{
    atomic_store_explicit(&r->stop_asked, true, memory_order_release);
    io_ring_wake(r->ring);
}

bool server_reactor_go_on(struct server_reactor *r)
{
    return !r->is_stopping && atomic_exchange_explicit(&r->stop_asked, false, memory_order_acq_rel);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

void server_reactor_init(struct server_reactor *r, const struct server_reactor_config *config)
{
    uint64_t now_ns = clock_ns(config->env->clock);

    *r = (struct server_reactor) { .env = config->env,
                                   .config = config->config,
                                   .ring = config->ring,
                                   .store = config->store,
                                   .resp = config->resp,
                                   .memory = config->memory,
                                   .next_id = 1,
                                   .now_ns = now_ns,
                                   .started_ns = now_ns,
                                   .tick_ns = now_ns,
                                   .sampled_ns = now_ns };
    stopwatch_init(&r->watch, config->env->clock);
    server_chores_init(&r->chores, config->store, config->resp);
}

void server_reactor_listen(struct server_reactor *r, struct io_socket *socket, const char *name)
{
    struct reactor_listener *l = r->listeners;

    while (l->socket != NULL)
        l++;
    CHECK(l < r->listeners + REACTOR_LISTENERS_MAX);
    *l = (struct reactor_listener) { .socket = socket };
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    accept_next(r, l);
}

bool server_reactor_is_listening(const struct server_reactor *r, const char *name)
{
    for (uint32_t i = 0; i < REACTOR_LISTENERS_MAX; i++) {
        const struct reactor_listener *l = &r->listeners[i];
        if (l->socket != NULL && !l->is_retiring && strcmp(l->name, name) == 0)
            return true;
    }
    return false;
}

void server_reactor_retire(struct server_reactor *r, struct reactor_listener *l)
{
    (void)r;
    l->is_retiring = true;
    if (l->accept.is_pending)
        io_socket_shutdown(l->socket);
    else
        end_listener(l);
}

void server_reactor_deinit(struct server_reactor *r)
{
    CHECK(r->oldest == NULL);
    server_chores_deinit(&r->chores);
}

void server_reactor_reset_stats(struct server_reactor *r)
{
    r->stats = (struct reactor_stats) { .clients_peak = r->client_count };
    r->commands = (struct reactor_rate) { .last = 0 };
    r->input = (struct reactor_rate) { .last = 0 };
    r->output = (struct reactor_rate) { .last = 0 };
}
