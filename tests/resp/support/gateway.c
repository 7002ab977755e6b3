#include "gateway.h"

#include "row_check.h"

#include "base/check.h"
#include "resp/call.h"

#include <stdio.h>
#include <stdlib.h>

/* Of the store's clock: no transcript pauses its clients for longer than that. */
enum { PAUSE_MAX_MS = 1000 };

static struct gateway *of(struct resp_host *h)
{
    return (struct gateway *)h;
}

static bool has_password(struct resp_host *h)
{
    return of(h)->password != NULL;
}

static bool check_password(struct resp_host *h, struct bytes password)
{
    return bytes_equal(password, bytes_str(of(h)->password));
}

static void info(struct resp_host *h, const char *title, struct buf *out)
{
    (void)h;
    buf_append_format(out, "of:%s\r\n", title);
}

static const char *info_section(struct resp_host *h, size_t index)
{
    (void)h;
    return index == 0 ? "Engine" : NULL;
}

static const char *config_get(struct resp_host *h, size_t index, unsigned *out_flags,
                              struct buf *out_value)
{
    static const char *const NAMES[] = { "maxmemory", "hz", "save", "notify-keyspace-events" };
    const char *values[] = { of(h)->maxmemory, of(h)->hz, "", of(h)->events };

    if (index >= sizeof NAMES / sizeof NAMES[0])
        return NULL;
    if (out_value != NULL)
        buf_append(out_value, bytes_str(values[index]));
    *out_flags = 0;
    return NAMES[index];
}

static struct status set_events(struct gateway *g, struct bytes text, struct errbuf *why)
{
    unsigned classes;

    if (!resp_events_parse(text, &classes)) {
        errbuf_set(why, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        return status_of(ST_INVALID);
    }
    resp_set_events(g->resp, classes);
    resp_events_format(classes, g->events);
    return status_ok();
}

static struct status config_set(struct resp_host *h, const struct resp_session *who,
                                const struct resp_config_pair *pairs, size_t count, size_t *out_bad,
                                struct errbuf *why)
{
    (void)who;
    *out_bad = 0;
    if (count == 1 && bytes_equal(pairs[0].name, bytes_str("notify-keyspace-events")))
        return set_events(of(h), pairs[0].value, why);
    for (size_t i = 0; i < count; i++) {
        bool is_number = pairs[i].value.size > 0 && pairs[i].value.size < sizeof of(h)->hz &&
                         pairs[i].value.data[0] <= '9';
        *out_bad = i;
        if (!resp_text_is(pairs[i].name, "maxmemory") && !resp_text_is(pairs[i].name, "hz"))
            return status_of(ST_NOT_FOUND);
        if (i > 0 && resp_text_equal(pairs[i - 1].name, pairs[i].name)) {
            errbuf_set(why, "duplicate parameter");
            return status_of(ST_INVALID);
        }
        if (!is_number) {
            errbuf_set(why, "argument must be a memory value");
            return status_of(ST_INVALID);
        }
    }
    for (size_t i = 0; i < count; i++) {
        char *to = pairs[i].name.size == 2 ? of(h)->hz : of(h)->maxmemory;
        memcpy(to, pairs[i].value.data, pairs[i].value.size);
        to[pairs[i].value.size] = '\0';
    }
    return status_ok();
}

static struct status config_rewrite(struct resp_host *h, struct errbuf *why)
{
    (void)h;
    (void)why;
    return status_of(ST_NOT_FOUND);
}

static uint64_t now_ns(struct resp_host *h)
{
    return of(h)->now_ns += of(h)->step_ns;
}

static void reset_stats(struct resp_host *h)
{
    of(h)->stat_resets++;
}

static struct resp_session *next_session(struct resp_host *h, struct resp_session *previous)
{
    bool is_next = previous == NULL;

    for (size_t i = 0; i < GATEWAY_CLIENTS; i++) {
        struct resp_session *s = of(h)->clients[i];
        if (is_next && s != NULL)
            return s;
        is_next |= s == previous;
    }
    return NULL;
}

static void connection(struct resp_host *h, const struct resp_session *s,
                       struct resp_connection *out)
{
    (void)h;
    (void)s;
    *out = (struct resp_connection) { .age_s = 5, .idle_s = 1, .input_bytes = 26 };
}

static size_t place_of(const struct gateway *g, const struct resp_session *s)
{
    size_t i = 0;

    while (g->clients[i] != s)
        i++;
    return i;
}

static bool push(struct resp_host *h, struct resp_session *s, const struct resp_push *push)
{
    struct buf *out = &of(h)->out[place_of(of(h), s)];

    buf_append_u8(out, (uint8_t)push->first);
    buf_append(out, push->rest);
    return true;
}

static void close_session(struct resp_host *h, struct resp_session *s)
{
    size_t client = place_of(of(h), s);

    resp_session_destroy(s);
    of(h)->clients[client] = NULL;
}

static struct status health(struct resp_host *h)
{
    return of(h)->health;
}

static struct status save(struct resp_host *h, bool is_waited, struct errbuf *why)
{
    (void)is_waited;
    (void)why;
    of(h)->saves++;
    return status_ok();
}

static uint64_t last_save_s(struct resp_host *h)
{
    (void)h;
    return 1700000000;
}

static struct status shorten_log(struct resp_host *h, bool *out_is_scheduled)
{
    (void)h;
    *out_is_scheduled = false;
    return status_ok();
}

static struct status shut_down(struct resp_host *h, unsigned flags, struct errbuf *why)
{
    if (flags & RESP_SHUTDOWN_SAVE) {
        errbuf_set(why, "Errors trying to SHUTDOWN. Check logs.");
        return status_of(ST_BUSY);
    }
    of(h)->is_shut_down = true;
    of(h)->shutdown_flags = flags;
    return status_ok();
}

static bool shutdown_abort(struct resp_host *h)
{
    bool was = of(h)->is_shut_down;

    of(h)->is_shut_down = false;
    return was;
}

static bool may_debug(struct resp_host *h, const struct resp_session *who)
{
    (void)who;
    return of(h)->may_debug;
}

static void debug_sleep(struct resp_host *h, uint64_t duration_us)
{
    of(h)->now_ns += duration_us * 1000;
    of(h)->slept_us += duration_us;
}

static void debug_expire(struct resp_host *h, bool is_active)
{
    of(h)->is_expiry_off = !is_active;
}

static void debug_log(struct resp_host *h, struct bytes text)
{
    (void)h;
    (void)text;
}

static const struct resp_host_ops HOST = {
    .has_password = has_password,
    .check_password = check_password,
    .info = info,
    .info_section = info_section,
    .config_get = config_get,
    .config_set = config_set,
    .config_rewrite = config_rewrite,
    .reset_stats = reset_stats,
    .now_ns = now_ns,
    .next_session = next_session,
    .connection = connection,
    .push = push,
    .close = close_session,
    .health = health,
    .save = save,
    .last_save_s = last_save_s,
    .shorten_log = shorten_log,
    .shutdown = shut_down,
    .shutdown_abort = shutdown_abort,
    .may_debug = may_debug,
    .debug_sleep = debug_sleep,
    .debug_expire = debug_expire,
    .debug_log = debug_log,
};

void gateway_open(struct gateway *g)
{
    struct resp_options options = { .host = &g->host, .limits = RESP_LIMITS_DEFAULT };

    *g = (struct gateway) {
        .host = { .ops = &HOST },
        .maxmemory = "0",
        .hz = "10",
        .reply_max = (size_t)1 << 30,
        .deliver_at_once = true,
        .may_debug = true,
    };
    alloc_test_init(&g->alloc);
    map_store_init(&g->store);
    options.alloc = &g->alloc.alloc;
    struct status s = resp_create(&options, &g->resp);
    CHECK(succeeded(s));
}

void gateway_close(struct gateway *g)
{
    for (size_t i = 0; i < GATEWAY_CLIENTS; i++) {
        resp_session_destroy(g->clients[i]);
        if (g->out[i].alloc != NULL)
            buf_deinit(&g->out[i]);
    }
    resp_destroy(g->resp);
    CHECK(g->alloc.live_bytes == 0);
    row_check(&g->store);
    map_store_deinit(&g->store);
}

static struct resp_session *client_of(struct gateway *g, size_t client)
{
    char address[32];

    CHECK(client < GATEWAY_CLIENTS);
    if (g->clients[client] == NULL) {
        (void)snprintf(address, sizeof address, "127.0.0.1:%zu", 40000 + client);
        struct status s = resp_session_create(
            g->resp,
            &(struct resp_session_options) {
                .id = client + 1, .address = address, .local_address = "127.0.0.1:6379", .fd = 8 },
            &g->clients[client]);
        CHECK(succeeded(s));
        if (g->out[client].alloc == NULL)
            buf_init(&g->out[client], alloc_heap(), g->reply_max);
    }
    return g->clients[client];
}

/* Run the request that was parsed until it does not wait any more. */
static void run(struct gateway *g, size_t client)
{
    struct buf *out = &g->out[client];
    uint64_t began_ms = g->store.now_ms;
    struct status st;

    do {
        struct resp_session *s = g->clients[client];
        resp_session_catch_up(s);
        size_t before = out->size;
        map_store_begin(&g->store);
        st = resp_session_run(s, &g->store.store, false, out);
        g->runs++;
        if (succeeded(st)) {
            map_store_keep(&g->store);
        } else {
            map_store_drop(&g->store);
            CHECK(st.code != ST_AGAIN || out->size == before);
        }
        if (st.code == ST_AGAIN && resp_session_is_postponed(s)) {
            g->store.now_ms++;
            CHECK(g->store.now_ms - began_ms <= PAUSE_MAX_MS);
        }
        resp_settle(g->resp, succeeded(st), 0);
        if (st.code == ST_AGAIN && g->between != NULL)
            g->between(g, g->between_context);
    } while (st.code == ST_AGAIN);
    map_store_forget(&g->store);
    while (g->deliver_at_once && resp_is_delivering(g->resp))
        resp_begin_turn(g->resp);
}

/* What was returned before is forgotten; what was pushed since stays. */
static void forget_returned(struct gateway *g, size_t client)
{
    buf_consume(&g->out[client], g->returned[client]);
    g->returned[client] = 0;
    g->out[client].is_failed = false;
}

struct bytes gateway_take(struct gateway *g, size_t client)
{
    forget_returned(g, client);
    g->returned[client] = g->out[client].size;
    return buf_bytes(&g->out[client]);
}

struct bytes gateway_send(struct gateway *g, size_t client, struct bytes request)
{
    struct resp_session *s = client_of(g, client);
    struct buf *out = &g->out[client];
    uint8_t *data = malloc(request.size + 1);
    size_t done = 0;

    CHECK(data != NULL);
    memcpy(data, request.data, request.size);
    forget_returned(g, client);
    while (s != NULL && !resp_session_is_closing(s) && !out->is_failed &&
           resp_session_parse(s, data + done, request.size - done, out) == RESP_PARSE_REQUEST) {
        done += resp_session_request_size(s);
        run(g, client);
        s = g->clients[client];
    }
    free(data);
    if (s != NULL && (out->is_failed || resp_session_is_closing(s))) {
        resp_session_destroy(s);
        g->clients[client] = NULL; /* The next request opens a new connection. */
    }
    if (out->is_failed)
        out->size = 0; /* There was no room for a reply: the connection is cut. */
    g->returned[client] = out->size;
    return buf_bytes(out);
}

const char *gateway_ask(struct gateway *g, size_t client, const char *line)
{
    struct buf request;

    buf_init(&request, alloc_heap(), SIZE_MAX / 2);
    buf_append_format(&request, "%s\r\n", line);
    (void)gateway_send(g, client, buf_bytes(&request));
    buf_deinit(&request);
    buf_append_u8(&g->out[client], '\0');
    g->returned[client] = g->out[client].size;
    return (const char *)g->out[client].data;
}

struct bytes gateway_command(struct gateway *g, size_t client, const struct bytes *argv,
                             size_t argc)
{
    struct buf request;

    buf_init(&request, alloc_heap(), SIZE_MAX / 2);
    buf_append_format(&request, "*%zu\r\n", argc);
    for (size_t i = 0; i < argc; i++) {
        buf_append_format(&request, "$%zu\r\n", argv[i].size);
        buf_append(&request, argv[i]);
        buf_append(&request, bytes_str("\r\n"));
    }
    struct bytes answer = gateway_send(g, client, buf_bytes(&request));
    buf_deinit(&request);
    return answer;
}
