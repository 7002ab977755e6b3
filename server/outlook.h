/*
 * outlook -- looking ahead in what clients have sent.
 *
 * Rows of a million keys lie all over the memory, and a command waits for two or three misses, one
 * after the other. Requests that have come already say which rows are next, so that these come near
 * while others run. An outlook is how far a visit of a connection has looked. Where a row comes
 * from the disk, those that the client will ask for next come with it: a pipeline waits once.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_OUTLOOK_H
#define VARVE_SERVER_OUTLOOK_H

#include <stddef.h>

struct server_command;
struct server_connection;
struct server_store;

/* So many bytes, in so many requests, behind where the connection's input begins. Zero: not yet. */
struct server_outlook {
    size_t size;
    unsigned count;
};

/* The request in front is parsed: announce some of those behind it to the store. */
void server_outlook_look(struct server_outlook *o, struct server_store *s,
                         const struct server_connection *c);
/* The request in front, of so many bytes, has gone. */
void server_outlook_step(struct server_outlook *o, size_t request_size);
/* The connection is about to be visited: announce its first request. */
void server_outlook_glance(struct server_store *s, const struct server_connection *c);
/* The connection's command waits for reads: have it read for the requests behind it, too. */
void server_outlook_read(struct server_store *s, const struct server_connection *c,
                         struct server_command *command);

#endif
