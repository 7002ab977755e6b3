/*
 * roster -- who is connected, and who waits for what: lists of connections.
 *
 * All are in one list, by id. Beside that a connection stands in any of four queues, in the order
 * in which it joined them. The links lie in the connection, so nothing here can fail.
 *
 *   1. A connection is in a list once at most: joining again leaves it where it is.
 *   2. Who leaves ROSTER_ALL is in no other list.
 *   3. A patrol goes on where it was though connections go.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_ROSTER_H
#define VARVE_SERVER_ROSTER_H

#include <stdint.h>

struct server_connection;

enum roster_list {
    ROSTER_ALL,
    ROSTER_READY,     /* A command may be run. */
    ROSTER_HELD,      /* There is output to look at: some may leave, or it is too much. */
    ROSTER_STARVING,  /* There was no memory for a reply. */
    ROSTER_POSTPONED, /* A command waits for the end of a pause (CLIENT PAUSE). */
    ROSTER_LISTS,
};

/* A connection's place in a list. */
struct roster_place {
    struct server_connection *next;
    struct server_connection *previous;
};

struct roster_line {
    struct server_connection *first;
    struct server_connection *last;
    uint32_t count;
};

struct server_roster {
    struct roster_line lines[ROSTER_LISTS];
    struct server_connection *patrol; /* Who is next; NULL: the first. */
};

/* At the end of the list. */
void server_roster_join(struct server_roster *r, enum roster_list list,
                        struct server_connection *c);
/* If it is there. */
void server_roster_leave(struct server_roster *r, enum roster_list list,
                         struct server_connection *c);
/* The first leaves. Requires: there is one. */
struct server_connection *server_roster_take(struct server_roster *r, enum roster_list list);
/* One after the other, again and again; NULL: nobody is connected. */
struct server_connection *server_roster_patrol(struct server_roster *r);

static inline struct server_connection *roster_first(const struct server_roster *r,
                                                     enum roster_list list)
{
    return r->lines[list].first;
}

static inline uint32_t roster_count(const struct server_roster *r, enum roster_list list)
{
    return r->lines[list].count;
}

#endif
