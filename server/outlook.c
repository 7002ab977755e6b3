#include "server/outlook.h"

#include "resp/resp.h"

#include "server/connection.h"
#include "server/store.h"

enum {
    LOOK_AHEAD = 3,  /* Requests: the first brings a bucket near, the next its rows. */
    READ_AHEAD = 32, /* Requests: as many as a pipeline has, mostly. */
};

/* What the connection has sent, from so far behind the beginning of the request in front. */
static struct bytes input_from(const struct server_connection *c, size_t offset)
{
    return bytes_of(c->in + c->in_begin + offset, connection_input(c) - offset);
}

/* The request that begins so far into the connection's input will be run. Its size; 0: unknown. */
static size_t announce(struct server_store *s, const struct server_connection *c, size_t offset)
{
    uint8_t room[RESP_GLANCE_MAX];
    struct bytes row_key;
    size_t size = resp_session_glance(c->session, &s->door, input_from(c, offset), room, &row_key);

    if (row_key.size > 0)
        server_store_expect(s, row_key);
    return size;
}

void server_outlook_look(struct server_outlook *o, struct server_store *s,
                         const struct server_connection *c)
{
    if (o->count == 0)
        o->size = resp_session_request_size(c->session);
    while (o->count < LOOK_AHEAD && o->size < connection_input(c)) {
        size_t size = announce(s, c, o->size);
        if (size == 0)
            return;
        o->size += size;
        o->count++;
    }
}

void server_outlook_step(struct server_outlook *o, size_t request_size)
{
    if (o->count == 0)
        return;
    o->size -= request_size;
    o->count--;
}

void server_outlook_glance(struct server_store *s, const struct server_connection *c)
{
    if (c->session != NULL && !c->has_request && connection_input(c) > 0)
        (void)announce(s, c, 0);
}

void server_outlook_read(struct server_store *s, const struct server_connection *c,
                         struct server_command *command)
{
    size_t offset = resp_session_request_size(c->session);

    server_command_forget_ahead(s, command);
    for (unsigned i = 0; i < READ_AHEAD && offset < connection_input(c); i++) {
        uint8_t room[RESP_GLANCE_MAX];
        struct bytes row_key;
        struct bytes rest = input_from(c, offset);
        size_t size = resp_session_glance(c->session, &s->door, rest, room, &row_key);
        if (size == 0)
            return;
        unsigned flags = resp_session_glance_reads(c->session, rest) ? 0 : STORE_META;
        if (!server_command_read_ahead(s, command, row_key, flags))
            return;
        offset += size;
    }
}
