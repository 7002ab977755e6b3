/*
 * client_filter -- which sessions CLIENT LIST and CLIENT KILL mean.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_CLIENT_FILTER_H
#define VARVE_RESP_CLIENT_FILTER_H

#include "resp/call.h"

#include <stdbool.h>

/* Links to peers are none of the gateway's: nobody is of the last two types. */
enum resp_client_type {
    RESP_CLIENT_ANY,
    RESP_CLIENT_NORMAL,
    RESP_CLIENT_PUBSUB,
    RESP_CLIENT_MASTER,
    RESP_CLIENT_REPLICA,
};

/* A session passes if it is all of what is given; zero passes all. */
struct resp_client_filter {
    enum resp_client_type type;
    uint64_t id;          /* 0: any. */
    struct bytes address; /* data NULL: any, as the next. */
    struct bytes local_address;
    const struct resp_session *skipped; /* NULL: nobody. */
};

/* "normal", "pubsub", ...; false, and the error is replied, for an unknown one. */
bool resp_client_type_parse(struct resp_call *call, struct bytes word,
                            enum resp_client_type *out_type);
/* The arguments of CLIENT KILL, from the third on; false, and the error is replied. */
bool resp_client_filter_parse(struct resp_call *call, struct resp_client_filter *out);
bool resp_client_filter_passes(const struct resp_client_filter *f, const struct resp_session *s);

#endif
