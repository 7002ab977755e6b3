/*
 * resolve -- the door to names of hosts: their addresses, as the machine knows them.
 *
 * Asks files and name servers, and waits for them: for a program that has nothing else to do.
 *
 * Threads: any.
 */
#ifndef VARVE_BASE_RESOLVE_H
#define VARVE_BASE_RESOLVE_H

#include <stdint.h>

#include "base/errbuf.h"
#include "base/status.h"

enum { RESOLVE_ADDRESSES_MAX = 16, RESOLVE_TEXT_SIZE = 64 };

/* In the order in which they are to be tried: those of IPv4 first. */
struct resolve_addresses {
    char text[RESOLVE_ADDRESSES_MAX][RESOLVE_TEXT_SIZE]; /* Numeric, as io_connect takes them. */
    uint32_t count;
};

/* The addresses of a host, at least one; a numeric address is its own. ST_NOT_FOUND with the
 * machine's words in err if there are none. */
MUST_CHECK struct status resolve_host(const char *name, struct errbuf *err,
                                      struct resolve_addresses *out_addresses);

#endif
