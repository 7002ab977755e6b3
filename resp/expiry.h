/*
 * expiry -- the ways in which commands say when a key's time is over.
 */
#ifndef VARVE_RESP_EXPIRY_H
#define VARVE_RESP_EXPIRY_H

#include "resp/call.h"

#include <stdint.h>

enum resp_expiry_unit { RESP_EXPIRY_SECONDS, RESP_EXPIRY_MILLISECONDS };

/* The time an argument names, in wall milliseconds; may lie in the past, also before 1970. */
struct resp_expiry {
    enum resp_expiry_unit unit;
    bool is_relative; /* Counted from the time of the command. */
};

/* False if it cannot be said in 64 bits. */
bool resp_expiry_of(const struct resp_call *call, struct resp_expiry form, int64_t value,
                    int64_t *out_ms);

/* "invalid expire time in 'set' command". */
struct status resp_fail_expiry(struct resp_call *call);

#endif
