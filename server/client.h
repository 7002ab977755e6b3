/*
 * client -- what is done for one client: it is taken in, its requests run, its replies leave, it
 * goes.
 *
 * A client is a connection, its session, and the command it waits for. Who has its turn when is the
 * reactor's business (reactor.h).
 *
 *   1. Its commands run in order, one at a time; one that waits stops this client only.
 *   2. A command whose client is gone is not run; what it evaluated before is kept.
 *   3. A client that goes is closed at once. Its connection is buried when no op and no list has it
 *      any more: whoever took it from one of them tries.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_CLIENT_H
#define VARVE_SERVER_CLIENT_H

#include "server/reactor.h"

/* Somebody has come: give it a session, or say why it cannot stay. Takes socket. */
void server_client_welcome(struct server_reactor *r, struct io_socket *socket);
/* Receive more of what it sends, unless that is under way. */
void server_client_receive(struct server_reactor *r, struct server_connection *c);
/* Its RECV is done; its SEND is. */
void server_client_received(struct server_reactor *r, struct server_connection *c);
void server_client_sent(struct server_reactor *r, struct server_connection *c);

/* Run what it has sent, a bounded number of commands. Returns how many. */
unsigned server_client_visit(struct server_reactor *r, struct server_connection *c);
/* Has it waited so long for memory that its next run is the last one, and answers? */
bool server_client_is_starved(const struct server_reactor *r, const struct server_connection *c);

/* Append to what it is sent, and let that leave when it may. False: there is no room for it, or
 * more waits than its class may have; the client is let go. */
bool server_client_push(struct server_reactor *r, struct server_connection *c,
                        const struct resp_push *push);
/* Send what may leave, now that applied is applied; has_failed: nothing will be any more. */
void server_client_release(struct server_reactor *r, struct server_connection *c, uint64_t applied,
                           bool has_failed);
/* Now and then: is it silent for too long, does it have too much? */
void server_client_look(struct server_reactor *r, struct server_connection *c);

/* The command it waits for is not run again. */
void server_client_drop_command(struct server_reactor *r, struct server_connection *c);
/* It serves nobody any more. What it evaluated stays. */
void server_client_close(struct server_reactor *r, struct server_connection *c);
/* Close it though somebody may be looking at it: it is buried at the end of the turn. */
void server_client_kick(struct server_reactor *r, struct server_connection *c);
void server_client_bury(struct server_reactor *r, struct server_connection *c);

#endif
