/*
 * gateway -- a gateway over a map_store, with a host of a few parameters, and clients that send
 * text and get text back.
 */
#ifndef VARVE_TESTS_RESP_GATEWAY_H
#define VARVE_TESTS_RESP_GATEWAY_H

#include "base/buf.h"

#include "map_store.h"

#include "resp/resp.h"

enum { GATEWAY_CLIENTS = 4 };

struct gateway {
    struct resp_host host;
    struct resp *resp;
    struct map_store store;
    struct alloc_test alloc;
    const char *password; /* NULL: none. */
    char maxmemory[32];
    char hz[32];
    char events[RESP_EVENTS_MAX_CHARS + 1];
    bool is_shut_down;
    unsigned shutdown_flags;
    size_t stat_resets;
    bool may_debug;
    bool is_expiry_off;
    uint64_t slept_us;
    size_t saves;
    struct status health;
    uint64_t now_ns;  /* Of the clock, which DEBUG SLEEP moves, */
    uint64_t step_ns; /* and each look at it. */
    struct resp_session *clients[GATEWAY_CLIENTS];
    struct buf out[GATEWAY_CLIENTS];
    size_t returned[GATEWAY_CLIENTS]; /* How much of it, from its front. */
    size_t reply_max;                 /* Bytes a client's replies may have. */
    size_t runs;                      /* Calls of resp_session_run. */
    /* NULL, or what happens whenever a command waits; it may be other clients' commands. */
    void (*between)(struct gateway *g, void *context);
    void *between_context;
    bool deliver_at_once; /* As many turns as messages need, after each command. */
};

void gateway_open(struct gateway *g);
/* Also checks that nothing is leaked and that the rows agree (row_check.h). */
void gateway_close(struct gateway *g);

/* Send bytes as a client; they are parsed and run as far as they go. What is answered is returned,
 * borrowed until the next call. */
struct bytes gateway_send(struct gateway *g, size_t client, struct bytes request);

/* The same for inline commands: text is a line without its end, or several. Returns the answer,
 * terminated. */
const char *gateway_ask(struct gateway *g, size_t client, const char *line);

/* What the client was pushed since then. */
struct bytes gateway_take(struct gateway *g, size_t client);

/* One command of these words, as an array. */
struct bytes gateway_command(struct gateway *g, size_t client, const struct bytes *argv,
                             size_t argc);

#endif
