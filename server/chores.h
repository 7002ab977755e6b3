/*
 * chores -- background work that runs as commands, between the clients' ones: removing keys whose
 * time is over, and the rows of databases that were flushed.
 *
 * Each does a little, as a command of its own that may have to wait for reads, and comes again.
 * What is to be done is in the store: expiry's times and the catalog's purges.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_CHORES_H
#define VARVE_SERVER_CHORES_H

#include "resp/resp.h"

#include "server/store.h"

struct server_chores {
    struct server_store *store;
    struct resp *resp;
    /* Expiry: the slot that is being looked at. */
    struct server_command *expiring; /* NULL: none. */
    uint32_t slot;
    uint64_t expire_ns; /* Not before: after a failure. */
    bool is_expiry_off; /* DEBUG SET-ACTIVE-EXPIRE 0: keys are hidden, not removed. */
    /* Purge: what the one under way must see applied before the next. */
    struct server_command *purging;
    uint64_t purge_ticket;
    uint64_t purge_ns;
};

void server_chores_init(struct server_chores *c, struct server_store *store, struct resp *resp);
/* Requires: the reactor runs no more turns. */
void server_chores_deinit(struct server_chores *c);
/* Do what is due, a bounded amount. */
void server_chores_run(struct server_chores *c, uint64_t now_ns, uint64_t now_ms);
/* When there is something to do (monotonic ns). */
uint64_t server_chores_deadline(const struct server_chores *c, uint64_t now_ns, uint64_t now_ms);
/* A command of theirs waits no more. False: it is somebody else's. */
bool server_chores_wake(struct server_chores *c, struct server_command *command);

#endif
