/*
 * reactor -- the one thread that serves: its ring, its connections, its turns.
 *
 * A turn: take what the ring has done; run the commands that are ready, of all connections, a
 * bounded number; propose their writes as one; let the log write; apply what is durable; send the
 * replies that may leave. Then wait. No command is handed to another thread.
 *
 *   1. Commands of a connection run in order, one at a time; one that waits stops its own
 *      connection only.
 *   2. A command whose client is gone is not run; what it evaluated before is kept.
 *   3. A stop lets evaluated writes become durable and their replies leave, for as long as
 *      shutdown-timeout says.
 *
 * Threads: the thread that runs it; server_reactor_stop any.
 */
#ifndef VARVE_SERVER_REACTOR_H
#define VARVE_SERVER_REACTOR_H

#include "base/env.h"
#include "base/io.h"
#include "base/stopwatch.h"

#include "resp/resp.h"

#include "server/chores.h"
#include "server/config.h"
#include "server/connection.h"
#include "server/saver.h"
#include "server/store.h"

#include <stdatomic.h>

enum { REACTOR_LISTENERS_MAX = 34, REACTOR_NAME_SIZE = 160, REACTOR_SAMPLES = 16 };

struct reactor_listener {
    struct io_socket *socket; /* NULL: the place is free. */
    char name[REACTOR_NAME_SIZE];
    bool is_retiring; /* It goes when its ACCEPT has ended. */
    struct io_op accept;
    uint64_t retry_ns; /* Accepting failed: when to try again; 0: it did not. */
    bool is_refused;   /* And it was said; until there was none for a while. */
    uint64_t refused_ns;
};

/* Figures since the start, or the last CONFIG RESETSTAT. */
struct reactor_stats {
    uint64_t connections_received;
    uint64_t connections_rejected;
    uint64_t input_bytes;
    uint64_t output_bytes;
    uint64_t reads; /* From sockets, to sockets. */
    uint64_t writes;
    uint64_t turns;
    uint64_t commands_blocked; /* Runs that ended with AGAIN. */
    uint64_t outputs_exceeded; /* Clients let go because of their output. */
    uint64_t inputs_exceeded;
    uint64_t accept_failures;
    uint64_t timeouts;
    uint64_t lost_replies; /* Clients let go when writing failed. */
    uint64_t clients_peak;
};

/* A rate, as the mean of the last samples. */
struct reactor_rate {
    uint64_t samples[REACTOR_SAMPLES];
    uint64_t last;
    uint32_t next;
};

struct server_reactor {
    const struct env *env;
    struct server_config *config;
    struct io_ring *ring;
    struct server_store *store;
    struct resp *resp;
    struct server_client_memory *memory;
    struct server_chores chores;
    struct server_saver saver;

    struct reactor_listener listeners[REACTOR_LISTENERS_MAX];

    struct server_connection *oldest; /* By id. */
    struct server_connection *newest;
    uint32_t connection_count;
    uint32_t client_count;  /* Those with a session. */
    uint32_t waiting_count; /* Those with a command that waits. */
    uint64_t next_id;
    struct server_connection *ready_first;
    struct server_connection *ready_last;
    struct server_connection *held;
    struct server_connection *starving_first; /* Who waits longest. */
    struct server_connection *starving_last;
    struct server_connection *postponed_first; /* Until a pause is over (CLIENT PAUSE). */
    struct server_connection *postponed_last;
    uint32_t postponed_count;
    size_t starved_bytes; /* What was left when the last one was refused. */
    uint64_t input_high;  /* Largest buffers seen in the last tick, for INFO. */
    uint64_t output_high;

    uint64_t now_ns;
    struct stopwatch watch; /* For what is timed by itself. */
    uint64_t started_ns;
    uint64_t tick_ns; /* When routine work is due. */
    uint64_t sampled_ns;
    struct server_connection *patrol; /* Where the look for idle clients goes on. */

    struct reactor_stats stats;
    struct reactor_rate commands;
    struct reactor_rate input;
    struct reactor_rate output;

    _Atomic bool stop_asked; /* shared: set by any thread, then the ring is woken */
    bool has_accepted;       /* Since this was last looked at. */
    bool may_stall;          /* Somebody is paused. */
    bool is_stopping;
    bool is_hasty; /* A stop does not wait for clients to take their replies. */
    uint64_t stop_deadline_ns;
    bool has_let_go; /* Of clients with lost replies. */
};

struct server_reactor_config {
    const struct env *env;
    struct server_config *config;
    struct io_ring *ring;
    struct server_store *store;
    struct resp *resp;
    struct server_client_memory *memory;
};

void server_reactor_init(struct server_reactor *r, const struct server_reactor_config *config);
/* Takes socket; name is copied. Requires: fewer than REACTOR_LISTENERS_MAX yet. */
void server_reactor_listen(struct server_reactor *r, struct io_socket *socket, const char *name);
bool server_reactor_is_listening(const struct server_reactor *r, const char *name);
/* Take no more connections there; those there are stay. */
void server_reactor_retire(struct server_reactor *r, struct reactor_listener *l);
/* Serve until stopped. Afterwards no connection is left. */
void server_reactor_run(struct server_reactor *r);
/* One turn; deadline_ns bounds its wait (0: does not wait). False: stopped, all is done. */
bool server_reactor_turn(struct server_reactor *r, uint64_t deadline_ns);
/* Append to what a client is sent, and let it leave when it may. False: there is no room for it, or
 * more waits than its class may have; the client is let go. */
bool server_reactor_push(struct server_reactor *r, struct server_connection *c,
                         const struct resp_push *push);
/* Let a client go at once. */
void server_reactor_close(struct server_reactor *r, struct server_connection *c);
/* Ask it to stop. Any thread. */
void server_reactor_stop(struct server_reactor *r);
/* Take that back; false if it is not stopping, or too late. The reactor's thread. */
bool server_reactor_go_on(struct server_reactor *r);
void server_reactor_deinit(struct server_reactor *r);

void server_reactor_reset_stats(struct server_reactor *r);
/* Mean per second. */
uint64_t server_rate_per_s(const struct reactor_rate *rate);

#endif
