/*
 * What the server listens on: the addresses of bind at port, and the unix socket. At the start, and
 * again when CONFIG SET has changed one of them: what is listened to already stays, the others are
 * opened first, and only then those go that are not wanted any more.
 */
#include "server/server.h"

#include "base/io.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 17, ADDRESS_SIZE = 128 };

static_assert(LISTENERS_MAX >= 2 * ADDRESSES_MAX, "old ones and new ones have a place");

struct wanted {
    char names[ADDRESSES_MAX][LISTENER_NAME_SIZE];
    struct io_socket *fresh[ADDRESSES_MAX]; /* NULL: it is listened to already. */
    uint32_t count;
};

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/*
 * Addresses that others can reach are opened to those who know a password, or to everybody if that
 * was said in so many words (protected-mode no).
 */
static struct status check_address(struct server *s, const char *address, struct errbuf *err)
{
    if (is_loopback(address))
        return status_ok();
    if (s->config.requirepass[0] == '\0' && s->config.protected_mode) {
        errbuf_set(err,
                   "bind %s: others than this machine could reach it, and there is no password; "
                   "expected requirepass, or protected-mode no",
                   address);
        return status_of(ST_INVALID);
    }
    log_warning(s->env.log,
                "Listening on %s: there is no TLS, so passwords and data can be read "
                "on the way.",
                address);
    return status_ok();
}

static struct status want(struct server *s, struct wanted *w, const char *address, bool is_unix,
                          struct errbuf *err)
{
    const struct io_listen_options options = {
        .address = address,
        .port = is_unix ? 0 : (uint16_t)s->config.port,
        .is_unix = is_unix,
        .unix_mode = (unsigned)s->config.unixsocketperm,
        .backlog = (int)s->config.tcp_backlog,
        .keepalive_s = (unsigned)s->config.tcp_keepalive,
    };

    if (w->count == ADDRESSES_MAX) {
        errbuf_set(err, "bind: at most %d addresses", ADDRESSES_MAX - 1);
        return status_of(ST_LIMIT);
    }
    char *name = w->names[w->count];
    (void)snprintf(name, LISTENER_NAME_SIZE, "%s %u", address, (unsigned)options.port);
    struct io_socket **fresh = &w->fresh[w->count];
    *fresh = NULL;
    struct status st = status_ok();
    if (!server_listeners_have(&s->reactor.listeners, name))
        st = io_listen(s->env.io, &options, err, fresh);
    if (st.code == ST_BUSY && !is_unix)
        errbuf_set(err, "%s; another server has it, and --port chooses another port", err->text);
    w->count += succeeded(st);
    return st;
}

static struct status want_word(struct server *s, struct wanted *w, struct bytes word,
                               struct errbuf *err)
{
    char address[ADDRESS_SIZE];
    bool may_be_missing = word.size > 0 && word.data[0] == '-';

    if (may_be_missing)
        word = bytes_skip(word, 1);
    (void)snprintf(address, sizeof address, "%.*s", (int)word.size, (const char *)word.data);
    if (strcmp(address, "*") == 0)
        (void)snprintf(address, sizeof address, "0.0.0.0");
    else if (strcmp(address, "::*") == 0)
        (void)snprintf(address, sizeof address, "::");
    TRY(check_address(s, address, err));
    struct status st = want(s, w, address, false, err);
    if (failed(st) && may_be_missing) {
        log_verbose(s->env.log, "Not listening on %s: %s", address, err->text);
        err->text[0] = '\0';
        return status_ok();
    }
    return st;
}

static struct status want_words(struct server *s, struct wanted *w, struct errbuf *err)
{
    struct bytes words[CONFIG_WORDS_MAX];
    size_t count = 0;
    size_t size = strlen(s->config.bind) + 1;
    uint8_t *room = alloc_bytes(s->env.alloc, size);
    struct status st = status_ok();

    if (room == NULL)
        return status_of(ST_NO_MEMORY);
    if (!server_config_split(bytes_str(s->config.bind), room, words, &count)) {
        errbuf_set(err, "bind: a quote is not closed");
        st = status_of(ST_INVALID);
    }
    for (size_t i = 0; i < count && succeeded(st) && s->config.port != 0; i++)
        st = want_word(s, w, words[i], err);
    alloc_free(s->env.alloc, room, size);
    return st;
}

static bool is_wanted(const struct wanted *w, const char *name)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (strcmp(w->names[i], name) == 0)
            return true;
    }
    return false;
}

static void take_over(struct server *s, struct wanted *w)
{
    for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
        struct server_listener *l = &s->reactor.listeners.places[i];
        if (l->socket != NULL && !is_wanted(w, l->name))
            server_listeners_retire(l);
    }
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->fresh[i] != NULL)
            server_listeners_add(&s->reactor.listeners, w->fresh[i], w->names[i]);
    }
}

struct status server_listen(struct server *s, struct errbuf *err)
{
    struct wanted w = { .count = 0 };

    struct status st = want_words(s, &w, err);
    if (succeeded(st) && s->config.unixsocket[0] != '\0')
        st = want(s, &w, s->config.unixsocket, true, err);
    if (succeeded(st) && w.count == 0) {
        errbuf_set(err, "no address of 'bind %s' can be listened on", s->config.bind);
        st = status_of(ST_INVALID);
    }
    if (succeeded(st)) {
        take_over(s, &w);
        return st;
    }
    for (uint32_t i = 0; i < w.count; i++)
        io_socket_close(w.fresh[i]);
    return st;
}
