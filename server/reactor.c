#include "server/reactor.h"

#include "base/check.h"
#include "base/clock.h"

#include "server/client.h"
#include "server/outlook.h"

enum {
    TURN_COMMANDS_MAX = 1024,
    ACCEPTS_IN_TURN_MAX = 64,
    STALL_NS = 100 * 1000 * 1000, /* So long nothing leaves, and its client is taken not to read. */
    SAMPLE_NS = 100 * 1000 * 1000,
    PATROL_MIN = 16,
    FED_IN_TURN_MAX = 16, /* Of those that wait for memory; more would only wait again. */
};

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

/* The connection after the next is about to be visited, too. */
static void look_at_queue(struct server_reactor *r)
{
    const struct server_connection *first = roster_first(&r->roster, ROSTER_READY);

    if (first != NULL && first->places[ROSTER_READY].next != NULL)
        server_outlook_glance(r->store, first->places[ROSTER_READY].next);
}

static void run_ready(struct server_reactor *r)
{
    unsigned count = 0;

    if (roster_first(&r->roster, ROSTER_READY) != NULL)
        resp_mark_time(r->resp, stopwatch_ns(&r->watch));
    while (roster_first(&r->roster, ROSTER_READY) != NULL && count < TURN_COMMANDS_MAX &&
           !server_store_is_full(r->store) && !resp_is_behind(r->resp)) {
        struct server_connection *c = server_roster_take(&r->roster, ROSTER_READY);
        if (server_store_is_large(r->store))
            look_at_queue(r);
        if (!c->is_closed)
            count += server_client_visit(r, c);
        server_client_bury(r, c);
    }
}

/* A pause is over: the commands that waited for that run. */
static void end_pause(struct server_reactor *r)
{
    if (roster_first(&r->roster, ROSTER_POSTPONED) == NULL ||
        clock_wall_ms(r->env->clock) < resp_paused_until_ms(r->resp))
        return;
    while (roster_first(&r->roster, ROSTER_POSTPONED) != NULL)
        server_roster_join(&r->roster, ROSTER_READY,
                           server_roster_take(&r->roster, ROSTER_POSTPONED));
}

/* Replies have left, or it has been long enough: commands that found no memory run again. */
static void feed_starving(struct server_reactor *r)
{
    struct server_connection *c;

    for (unsigned count = 0; (c = roster_first(&r->roster, ROSTER_STARVING)) != NULL; count++) {
        bool is_fed =
            count < FED_IN_TURN_MAX && server_client_memory_left(r->memory) > r->starved_bytes;
        if (!server_client_is_starved(r, c) && !is_fed && !c->is_closed && !r->is_stopping)
            return;
        server_roster_leave(&r->roster, ROSTER_STARVING, c);
        if (!c->is_closed && !r->is_stopping)
            server_roster_join(&r->roster, ROSTER_READY, c);
        server_client_bury(r, c);
    }
}

/* Send what may leave. */
static void release(struct server_reactor *r)
{
    uint64_t applied = server_store_applied(r->store);
    bool has_failed = server_store_has_failed(r->store);

    /* Who joins meanwhile waits for the next turn. */
    for (uint32_t count = roster_count(&r->roster, ROSTER_HELD); count > 0; count--)
        server_client_release(r, server_roster_take(&r->roster, ROSTER_HELD), applied, has_failed);
}

/* ---- Turns ------------------------------------------------------------------------------------
 */

static void wake(struct server_reactor *r, struct server_command *command)
{
    if (command == NULL || server_chores_wake(&r->chores, command))
        return;
    server_roster_join(&r->roster, ROSTER_READY, command->owner);
}

static void on_accepted(struct server_reactor *r, struct server_listener *l)
{
    struct io_socket *socket;
    struct status st = server_listeners_accepted(&r->listeners, l, r->now_ns, &socket);

    if (failed(st)) {
        r->stats.accept_failures += st.code != ST_CANCELLED;
        return;
    }
    r->has_accepted = true;
    if (r->is_stopping)
        io_socket_close(socket);
    else
        server_client_welcome(r, socket);
}

static void take_op(struct server_reactor *r, struct io_op *op)
{
    struct server_command *command;

    switch (op->tag) {
    case CONNECTION_RECV_TAG:
        server_client_received(r, op->owner);
        break;
    case CONNECTION_SEND_TAG:
        server_client_sent(r, op->owner);
        break;
    case LISTENER_ACCEPT_TAG:
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

/* Every client is looked at about once a second. */
static void patrol(struct server_reactor *r)
{
    uint32_t all = roster_count(&r->roster, ROSTER_ALL);
    uint64_t count = all / r->config->hz + 1;

    if (count < PATROL_MIN)
        count = PATROL_MIN;
    if (count > all)
        count = all;
    for (; count > 0; count--) {
        struct server_connection *c = server_roster_patrol(&r->roster);
        if (c == NULL)
            return;
        server_client_look(r, c);
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
    for (struct server_connection *c = roster_first(&r->roster, ROSTER_ALL); c != NULL;
         c = connection_next(c)) {
        if (!c->is_paused || c->is_closed)
            continue;
        r->may_stall = true;
        if (r->now_ns - c->moved_ns >= STALL_NS && server_connection_bear(c))
            server_roster_join(&r->roster, ROSTER_READY, c);
    }
}

static void sample(struct server_reactor *r)
{
    uint64_t elapsed_ns = r->now_ns - r->sampled_ns;

    if (elapsed_ns < SAMPLE_NS)
        return;
    server_rate_sample(&r->commands, resp_stats(r->resp)->commands, elapsed_ns);
    server_rate_sample(&r->input, r->stats.input_bytes, elapsed_ns);
    server_rate_sample(&r->output, r->stats.output_bytes, elapsed_ns);
    r->sampled_ns = r->now_ns;
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
    server_listeners_look(&r->listeners, r->now_ns);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t wait_until(const struct server_reactor *r, uint64_t now_ns)
{
    uint64_t deadline = r->tick_ns;

    if (roster_first(&r->roster, ROSTER_READY) != NULL || resp_is_delivering(r->resp))
        return 0;
    uint64_t now_ms = clock_wall_ms(r->env->clock);
    uint64_t paused_ms = resp_paused_until_ms(r->resp);
    if (roster_first(&r->roster, ROSTER_POSTPONED) != NULL) {
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
    server_listeners_retire_all(&r->listeners);
    while (roster_first(&r->roster, ROSTER_READY) != NULL) /* No command runs any more. */
        (void)server_roster_take(&r->roster, ROSTER_READY);
    for (struct server_connection *c = roster_first(&r->roster, ROSTER_ALL); c != NULL;
         c = connection_next(c))
        server_client_drop_command(r, c);
}

/* Let go of clients that have all their replies; of all when the time is over. */
static bool stop_some(struct server_reactor *r)
{
    bool is_late = r->now_ns >= r->stop_deadline_ns;
    bool is_busy = (server_store_is_busy(r->store) && !server_store_has_failed(r->store)) ||
                   resp_is_delivering(r->resp);

    for (struct server_connection *c = roster_first(&r->roster, ROSTER_ALL), *next; c != NULL;
         c = next) {
        next = connection_next(c);
        if (is_late || (!is_busy && connection_output(c) == 0))
            server_client_close(r, c);
        server_client_bury(r, c);
    }
    return roster_first(&r->roster, ROSTER_ALL) == NULL && (!is_busy || is_late) &&
           server_listeners_are_gone(&r->listeners);
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
    server_listeners_init(&r->listeners, config->ring, config->env->log);
    server_chores_init(&r->chores, config->store, config->resp);
}

void server_reactor_deinit(struct server_reactor *r)
{
    CHECK(roster_first(&r->roster, ROSTER_ALL) == NULL);
    server_chores_deinit(&r->chores);
}

void server_reactor_reset_stats(struct server_reactor *r)
{
    r->stats = (struct reactor_stats) { .clients_peak = r->client_count };
    server_rate_reset(&r->commands);
    server_rate_reset(&r->input);
    server_rate_reset(&r->output);
}
