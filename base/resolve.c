#include "base/resolve.h"

#include <netdb.h>
#include <stddef.h>
#include <strings.h>
#include <sys/socket.h>

/* What localhost is, though no file says so (RFC 6761). */
static const char HERE[] = "127.0.0.1";

/* Add those of one family. Returns what getaddrinfo did. */
static int add_family(const char *name, int family, struct resolve_addresses *out)
{
    const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list;

    int result = getaddrinfo(name, NULL, &hints, &list);
    if (result != 0)
        return result;
    for (struct addrinfo *a = list; a != NULL && out->count < RESOLVE_ADDRESSES_MAX; a = a->ai_next)
        out->count += getnameinfo(a->ai_addr, a->ai_addrlen, out->text[out->count],
                                  RESOLVE_TEXT_SIZE, NULL, 0, NI_NUMERICHOST) == 0;
    freeaddrinfo(list);
    return 0;
}

struct status resolve_host(const char *name, struct errbuf *err,
                           struct resolve_addresses *out_addresses)
{
    struct resolve_addresses found = { .count = 0 };
    int first = add_family(name, AF_INET, &found);
    int second = add_family(name, AF_INET6, &found);

    if (found.count == 0 && strcasecmp(name, "localhost") == 0)
        (void)add_family(HERE, AF_INET, &found);
    if (found.count == 0) {
        errbuf_set(err, "%s", gai_strerror(first != 0 ? first : second));
        return status_of(ST_NOT_FOUND);
    }
    *out_addresses = found;
    return status_ok();
}
