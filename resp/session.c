#include "resp/session.h"

#include "resp/monitor.h"
#include "resp/number.h"

#include <stdio.h>

enum {
    ARENA_CHUNK = 16 << 10,
    ARENA_MAX = 256 << 20,
    ARENA_KEPT = 1 << 20, /* More is given back when the request has run. */
    NAME_MAX_BYTES = 64 << 10,
    QUEUE_MAX_BYTES = 64 << 20,
    QUEUE_MAX_COUNT = 1 << 16,
    ITERATION_MAX_BYTES = 512 << 20,
    SUBSCRIPTIONS_MAX_BYTES = 64 << 20,
    POST_MAX_BYTES = 256 << 20,
    MUTED_MAX_BYTES = 1 << 30,
    MUTED_KEPT = 64 << 10,
};

static const char PROTECTED[] =
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you "
    "can "
    "run it from a local connection, otherwise you need to set this option in the configuration "
    "file, and then restart the server.";

struct status resp_create(const struct resp_options *options, struct resp **out_resp)
{
    struct resp *r = alloc_zeroed(options->alloc, sizeof *r);

    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    r->options = *options;
    if (r->options.queue_max_bytes == 0)
        r->options.queue_max_bytes = QUEUE_MAX_BYTES;
    if (r->options.queue_max_count == 0)
        r->options.queue_max_count = QUEUE_MAX_COUNT;
    if (r->options.iteration_max_bytes == 0)
        r->options.iteration_max_bytes = ITERATION_MAX_BYTES;
    if (r->options.subscriptions_max_bytes == 0)
        r->options.subscriptions_max_bytes = SUBSCRIPTIONS_MAX_BYTES;
    resp_command_index_init(&r->commands);
    resp_topics_init(&r->topics, options->alloc, r->options.subscriptions_max_bytes,
                     options->hash_seed);
    resp_post_init(&r->post, options->alloc, options->host, &r->topics, POST_MAX_BYTES);
    arena_init(&r->arena, options->alloc, ARENA_CHUNK, ARENA_MAX);
    buf_init(&r->muted, options->alloc, MUTED_MAX_BYTES);
    resp_slowlog_init(&r->slowlog, options->alloc);
    resp_touches_init(&r->touches, options->alloc);
    r->slow.slowlog_us = -1;
    struct status s = resp_figures_init(&r->figures, options->alloc);
    if (failed(s)) {
        resp_destroy(r);
        return s;
    }
    *out_resp = r;
    return status_ok();
}

void resp_destroy(struct resp *resp)
{
    if (resp == NULL)
        return;
    resp_figures_deinit(&resp->figures);
    resp_touches_deinit(&resp->touches);
    resp_slowlog_reset(&resp->slowlog);
    resp_post_deinit(&resp->post);
    resp_topics_deinit(&resp->topics);
    buf_deinit(&resp->muted);
    arena_deinit(&resp->arena);
    alloc_free(resp->options.alloc, resp, sizeof *resp);
}

void resp_settle(struct resp *resp, bool is_kept, uint64_t ticket)
{
    if (is_kept)
        resp_post_deliver(&resp->post, ticket);
    else
        resp_post_drop(&resp->post);
}

void resp_begin_turn(struct resp *resp)
{
    resp_post_begin_turn(&resp->post);
}

bool resp_is_delivering(const struct resp *resp)
{
    return resp_post_is_waiting(&resp->post);
}

bool resp_is_behind(const struct resp *resp)
{
    return resp_post_is_behind(&resp->post);
}

uint64_t resp_paused_until_ms(const struct resp *resp)
{
    return resp->pause.until_ms;
}

void resp_set_events(struct resp *resp, unsigned classes)
{
    resp->events = classes;
}

void resp_pubsub_counts(const struct resp *resp, struct resp_pubsub_counts *out)
{
    const uint32_t *counts = resp->topics.counts;

    *out = (struct resp_pubsub_counts) { .channels = counts[RESP_TOPIC_CHANNEL],
                                         .patterns = counts[RESP_TOPIC_PATTERN],
                                         .shard_channels = counts[RESP_TOPIC_SHARD] };
}

struct resp_limits *resp_limits(struct resp *resp)
{
    return &resp->options.limits;
}

const struct resp_stats *resp_stats(const struct resp *resp)
{
    return &resp->stats;
}

uint64_t resp_changes(const struct resp *resp)
{
    return resp->changes;
}

void resp_reset_stats(struct resp *resp)
{
    resp->stats = (struct resp_stats) { 0 };
    resp_figures_reset(&resp->figures);
}

/* A password that is taken away locks nobody out any more; who came while there was none stays. */
static bool is_locked_out(const struct resp_session *s)
{
    struct resp_host *host = s->resp->options.host;

    return !s->identity.is_authenticated && host->ops->has_password(host);
}

static bool copy_addresses(struct resp_session *s, const struct resp_session_options *options)
{
    size_t first = strlen(options->address) + 1;
    size_t second = strlen(options->local_address) + 1;

    s->addresses = alloc_bytes(s->resp->options.alloc, first + second);
    if (s->addresses == NULL)
        return false;
    s->addresses_size = first + second;
    memcpy(s->addresses, options->address, first);
    memcpy(s->addresses + first, options->local_address, second);
    s->address = s->addresses;
    s->local_address = s->addresses + first;
    return true;
}

struct status resp_session_create(struct resp *resp, const struct resp_session_options *options,
                                  struct resp_session **out_session)
{
    struct alloc *alloc = resp->options.alloc;
    struct resp_host *host = resp->options.host;
    struct resp_session *s = alloc_zeroed(alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->resp = resp;
    s->id = options->id;
    s->fd = options->fd;
    s->owner = options->owner;
    s->identity.version = 2;
    resp_parser_init(&s->parser, alloc, &resp->options.limits, false);
    s->identity.is_authenticated = !host->ops->has_password(host);
    for (size_t i = 0; i < RESP_NAMES; i++)
        buf_init(&s->names[i], alloc, NAME_MAX_BYTES);
    resp_queue_init(&s->queue, alloc, resp->options.queue_max_bytes, resp->options.queue_max_count);
    resp_watches_init(&s->watches, alloc, resp->options.queue_max_bytes,
                      resp->options.queue_max_count);
    resp_walk_init(&s->walk, alloc, resp->options.iteration_max_bytes);
    if (!copy_addresses(s, options)) {
        resp_session_destroy(s);
        return status_of(ST_NO_MEMORY);
    }
    *out_session = s;
    return status_ok();
}

void resp_session_destroy(struct resp_session *s)
{
    if (s == NULL)
        return;
    struct alloc *alloc = s->resp->options.alloc;
    resp_post_forget(&s->resp->post, s, &s->subscriptions);
    resp_session_forget_found(s);
    resp_walk_deinit(&s->walk);
    resp_watches_deinit(&s->watches);
    resp_queue_deinit(&s->queue);
    for (size_t i = 0; i < RESP_NAMES; i++)
        buf_deinit(&s->names[i]);
    resp_parser_deinit(&s->parser);
    alloc_free(alloc, s->addresses, s->addresses_size);
    alloc_free(alloc, s, sizeof *s);
}

/* Where the session's replies go. */
static struct buf *output_of(struct resp_session *s, struct buf *out)
{
    return resp_session_is_muted(s) ? &s->resp->muted : out;
}

enum resp_parse_result resp_session_parse(struct resp_session *s, uint8_t *data, size_t size,
                                          struct buf *out)
{
    s->parser.is_trusted = !is_locked_out(s);

    enum resp_parse_result result = resp_parse(&s->parser, data, size, &s->request);
    if (result == RESP_PARSE_BAD) {
        struct resp_reply reply;
        resp_reply_init(&reply, output_of(s, out), s->identity.version);
        resp_reply_error(&reply, "ERR %s", s->parser.error);
        buf_reset(&s->resp->muted);
        s->resp->stats.errors++;
        s->is_closing = true;
    }
    return result;
}

const char *resp_session_parse_error(const struct resp_session *s)
{
    return s->parser.error;
}

bool resp_session_is_too_big(const struct resp_session *s)
{
    return s->parser.is_too_big;
}

const char *resp_session_address(const struct resp_session *s)
{
    return s->address;
}

size_t resp_session_request_size(const struct resp_session *s)
{
    return s->request.size_bytes;
}

size_t resp_session_missing(const struct resp_session *s, size_t size)
{
    return resp_parser_missing(&s->parser, size);
}

void resp_session_catch_up(struct resp_session *s)
{
    resp_post_catch_up(&s->resp->post, s);
}

bool resp_session_is_subscriber(const struct resp_session *s)
{
    const uint32_t *counts = s->subscriptions.counts;

    return counts[RESP_TOPIC_CHANNEL] + counts[RESP_TOPIC_PATTERN] + counts[RESP_TOPIC_SHARD] > 0;
}

bool resp_session_is_postponed(const struct resp_session *s)
{
    return s->is_postponed;
}

bool resp_session_is_closing(const struct resp_session *s)
{
    return s->is_closing;
}

bool resp_session_is_watching(const struct resp_session *s)
{
    return s->watches.count > 0;
}

uint64_t resp_session_id(const struct resp_session *s)
{
    return s->id;
}

void *resp_session_owner(const struct resp_session *s)
{
    return s->owner;
}

static size_t names_held(const struct resp_session *s)
{
    size_t held = 0;

    for (size_t i = 0; i < RESP_NAMES; i++)
        held += s->names[i].capacity;
    return held;
}

size_t resp_session_held(const struct resp_session *s)
{
    return sizeof *s + s->addresses_size + resp_parser_held(&s->parser) + names_held(s) +
           s->queue.bytes.capacity + s->watches.bytes.capacity + s->walk.found.capacity +
           resp_kept_walks_held(&s->kept_walks) + resp_sparse_held(&s->bitop.result);
}

void resp_session_trim(struct resp_session *s)
{
    resp_parser_trim(&s->parser);
}

void resp_session_forget_step(struct resp_session *s)
{
    resp_walk_reset(&s->walk);
    resp_stream_reset(&s->stream);
    resp_bitop_reset(&s->bitop);
}

void resp_session_forget_found(struct resp_session *s)
{
    resp_session_forget_step(s);
    resp_kept_walks_reset(&s->kept_walks, s->resp->options.alloc);
}

void resp_session_keep_names(struct resp_session *s, struct buf before[RESP_NAMES])
{
    memcpy(before, s->names, sizeof s->names);
    s->names_before = before;
}

void resp_session_settle_names(struct resp_session *s, struct buf before[RESP_NAMES],
                               bool has_ended)
{
    s->names_before = NULL;
    for (size_t i = 0; i < RESP_NAMES; i++) {
        if (s->names[i].data == before[i].data)
            continue;
        buf_deinit(has_ended ? &before[i] : &s->names[i]);
        if (!has_ended)
            s->names[i] = before[i];
    }
}

void resp_session_set_text(struct resp_session *s, enum resp_name name, const struct buf *text)
{
    struct buf *to = &s->names[name];

    if (s->names_before == NULL || s->names_before[name].data != to->data)
        buf_deinit(to);
    *to = *text;
}

void resp_session_discard(struct resp_session *s)
{
    s->is_in_multi = false;
    s->is_multi_broken = false;
    s->queued_flags = 0;
    resp_queue_reset(&s->queue);
    resp_watches_reset(&s->watches);
}

/* ---- Running a request ---------------------------------------------------------------------- */

struct status resp_fail(struct resp_call *call, const char *text)
{
    resp_reply_error(call->reply, "%s", text);
    return status_ok();
}

struct status resp_fail_syntax(struct resp_call *call)
{
    return resp_fail(call, "ERR syntax error");
}

struct status resp_fail_type(struct resp_call *call)
{
    return resp_fail(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

struct status resp_fail_integer(struct resp_call *call)
{
    return resp_fail(call, "ERR value is not an integer or out of range");
}

struct status resp_fail_no_key(struct resp_call *call)
{
    return resp_fail(call, "ERR no such key");
}

struct status resp_fail_subcommand(struct resp_call *call)
{
    enum { SHOWN_MAX = 128 };
    struct bytes word = call->argv[1];
    char container[64];
    size_t size = strcspn(call->command->name, "|");

    for (size_t i = 0; i < size && i < sizeof container; i++) {
        char c = call->command->name[i];
        container[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
    resp_reply_error(call->reply,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %.*s "
                     "HELP.",
                     word.size < SHOWN_MAX ? (int)word.size : SHOWN_MAX, (const char *)word.data,
                     (int)size, container);
    return status_ok();
}

bool resp_call_int(struct resp_call *call, size_t arg, int64_t *out_value)
{
    if (resp_int_parse(call->argv[arg], out_value))
        return true;
    status_ignore(resp_fail_integer(call), "it is replied");
    return false;
}

bool resp_call_int32(struct resp_call *call, size_t arg, int32_t *out_value)
{
    int64_t value;

    if (!resp_call_int(call, arg, &value))
        return false;
    if (value < INT32_MIN || value > INT32_MAX) {
        resp_reply_error(call->reply, "ERR value is out of range, value must between %d and %d",
                         INT32_MIN, INT32_MAX);
        return false;
    }
    *out_value = (int32_t)value;
    return true;
}

bool resp_call_database(struct resp_call *call, size_t arg, uint32_t *out_number)
{
    int32_t number;

    if (!resp_call_int32(call, arg, &number))
        return false;
    if (number < 0 || (uint32_t)number >= call->store->ops->database_count(call->store)) {
        resp_reply_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    *out_number = (uint32_t)number;
    return true;
}

struct status resp_call_run(struct resp_call *call)
{
    struct store *store = call->store;

    call->database = call->session->identity.database;
    call->database_id = store->ops->database_id(store, call->database);
    call->now_ms = store->ops->now_ms(store);
    TRY(call->command->run(call));
    if (resp_has_monitors(call->resp))
        resp_monitor_show(call);
    return status_ok();
}

/* What a command that could not be carried out answers. */
static void reply_failure(struct resp_call *call, struct status why)
{
    const char *text;
    const char *prefix = "";

    switch (why.code) {
    case ST_LIMIT:
        text = "ERR command is too large: a key, the reply or the writes exceed their limit";
        break;
    case ST_NO_MEMORY:
        text = "OOM command not allowed: the memory budget is spent";
        break;
    case ST_NO_SPACE:
        text = "MISCONF the disk is full: writes are refused until there is space";
        break;
    case ST_CORRUPT:
        text = "ERR the stored data is damaged; the log says where";
        break;
    case ST_NOT_LEADER:
        text = "CLUSTERDOWN not the leader of this key's region";
        break;
    case ST_BUSY:
        text = "TRYAGAIN the store is busy; the command was not executed";
        break;
    default:
        text = "MISCONF the store has failed and refuses to go on; the log says why";
        break;
    }
    if (call->session->is_in_multi)
        prefix = "EXECABORT Transaction discarded because of: ";
    resp_reply_error(call->reply, "%s%s", prefix, text);
}

/* Put the command into the transaction's queue. */
static struct status queue_command(struct resp_call *call)
{
    struct resp_session *s = call->session;
    struct status st = resp_queue_push(&s->queue, call->command, call->argv, call->argc);

    if (failed(st)) {
        s->is_multi_broken = true;
        resp_reply_error(call->reply,
                         "ERR transaction is too large: at most %zu commands of %zu bytes together",
                         s->queue.count_max, s->queue.bytes.size_max);
        return status_ok();
    }
    call->fate = RESP_QUEUED;
    s->queued_flags |= call->command->flags;
    resp_reply_status(call->reply, "QUEUED");
    return status_ok();
}

/* The error is replied; a transaction cannot be executed any more. */
static struct status reject(struct resp_call *call)
{
    if (call->session->is_in_multi)
        call->session->is_multi_broken = true;
    return status_ok();
}

/* Commands of a browser that was talked into sending a request here. */
static bool is_http(struct bytes name)
{
    return resp_text_is(name, "post") || resp_text_is(name, "host:");
}

/* An EXEC that is refused ends the transaction. */
static struct status abort_exec(struct resp_call *call, const char *why)
{
    resp_session_discard(call->session);
    resp_reply_error(call->reply, "EXECABORT Transaction discarded because of: %s", why);
    return status_ok();
}

/* In version 2 messages and replies look alike: subscribers may only do what answers with messages.
 */
static bool is_kept_from_subscribers(const struct resp_call *call)
{
    const struct resp_session *s = call->session;

    return s->identity.version == 2 && !(call->command->flags & RESP_CMD_IN_PUBSUB) &&
           resp_session_is_subscriber(s);
}

static struct status refuse_to_subscriber(struct resp_call *call, bool is_exec)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                   "RESET are allowed in this context",
                   call->command->name);
    if (is_exec)
        return abort_exec(call, text);
    resp_reply_error(call->reply, "ERR %s", text);
    return reject(call);
}

/* What the command does, or those that EXEC would run. */
static uint32_t flags_of(const struct resp_call *call, bool is_exec)
{
    return call->command->flags | (is_exec ? call->session->queued_flags : 0);
}

static struct status refuse_to_monitor(struct resp_call *call, bool is_exec)
{
    if (is_exec)
        return abort_exec(call, "Replica can't interact with the keyspace");
    status_ignore(resp_fail(call, "ERR Replica can't interact with the keyspace"), "it is replied");
    return reject(call);
}

/* Does it have to wait for the end of a pause? */
static bool must_wait(const struct resp_call *call, uint32_t flags)
{
    const struct resp_pause *p = &call->resp->pause;

    if (p->mode == RESP_PAUSE_NONE || p->until_ms <= call->store->ops->now_ms(call->store))
        return false;
    return p->mode == RESP_PAUSE_ALL || flags & (RESP_CMD_WRITE | RESP_CMD_LIKE_WRITE);
}

static bool is_protected(const struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;

    return call->command->flags & RESP_CMD_PROTECTED && !host->ops->may_debug(host, call->session);
}

/* From the words of a request to the command that runs, or is queued. */
static struct status dispatch(struct resp_call *call)
{
    struct resp_session *s = call->session;

    if (is_http(call->argv[0])) {
        s->is_closing = true;
        return status_ok();
    }
    s->last_command = resp_command_lookup(&call->resp->commands, call->argv, call->argc);
    bool is_exec = resp_text_is(call->argv[0], "exec");
    if (is_exec && call->argc != 1)
        return abort_exec(call, "wrong number of arguments for 'exec' command");
    if (!resp_command_may_be_called(s->last_command, &call->resp->commands, call->argv, call->argc,
                                    call->reply))
        return reject(call);
    call->command = s->last_command;
    if (is_protected(call)) {
        status_ignore(resp_fail(call, PROTECTED), "it is replied");
        return reject(call);
    }
    if (!(call->command->flags & RESP_CMD_NO_AUTH) && is_locked_out(s)) {
        if (is_exec)
            return abort_exec(call, "NOAUTH Authentication required.");
        status_ignore(resp_fail(call, "NOAUTH Authentication required."), "it is replied");
        return reject(call);
    }
    if (s->is_in_multi && call->command->flags & RESP_CMD_NO_MULTI) {
        status_ignore(resp_fail(call, "ERR Command not allowed inside a transaction"),
                      "it is replied");
        return reject(call);
    }
    if (is_kept_from_subscribers(call))
        return refuse_to_subscriber(call, is_exec);
    uint32_t flags = flags_of(call, is_exec);
    if (resp_session_is_monitor(s)) {
        if (flags & (RESP_CMD_WRITE | RESP_CMD_READONLY | RESP_CMD_LIKE_WRITE))
            return refuse_to_monitor(call, is_exec);
    } else if (must_wait(call, flags)) {
        s->is_postponed = true;
        return status_of(ST_AGAIN);
    }
    if (s->is_in_multi && !(call->command->flags & RESP_CMD_IN_MULTI))
        return queue_command(call);
    call->fate = RESP_RUN;
    return resp_call_run(call);
}

/* CLIENT REPLY SKIP is about the request behind it, be it an empty one. */
static void end_skip(struct resp_session *s)
{
    s->identity.skips_reply = s->identity.skips_next;
    s->identity.skips_next = false;
}

/* The request has run to an end: count it, and give back what it used. */
static void settle(struct resp_call *call, struct resp_mark start)
{
    resp_account_end(call, start);
    if (call->ends_transaction)
        resp_session_discard(call->session);
    resp_session_forget_found(call->session);
    call->session->scout = (struct resp_scout) { 0 };
    end_skip(call->session);
}

static void reset_arena(struct arena *a)
{
    struct arena copy = *a;

    if (a->held_bytes <= ARENA_KEPT) {
        arena_reset(a);
        return;
    }
    arena_deinit(a);
    arena_init(a, copy.alloc, copy.chunk_size, copy.size_max);
}

static void reset_muted(struct buf *b)
{
    struct alloc *alloc = b->alloc;

    buf_reset(b);
    if (b->capacity <= MUTED_KEPT)
        return;
    buf_deinit(b);
    buf_init(b, alloc, MUTED_MAX_BYTES);
}

/* How a command really ended: it may be that what it said had no room. */
static struct status weigh(const struct resp *r, struct status st, bool may_wait,
                           const struct buf *out)
{
    if (out->is_failed && st.code != ST_AGAIN)
        return status_of(!out->is_short ? ST_LIMIT : may_wait ? ST_AGAIN : ST_NO_MEMORY);
    if (r->muted.is_failed && st.code != ST_AGAIN)
        return status_of(r->muted.is_short ? ST_NO_MEMORY : ST_LIMIT);
    if (r->post.items.is_failed && succeeded(st))
        return status_of(r->post.items.is_short ? ST_NO_MEMORY : ST_LIMIT);
    return st;
}

struct status resp_session_run(struct resp_session *s, struct store *store, bool may_wait,
                               struct buf *out)
{
    struct resp *r = s->resp;
    struct resp_reply reply;
    struct resp_call call = { .resp = r,
                              .session = s,
                              .store = store,
                              .argv = s->request.argv,
                              .argc = s->request.argc,
                              .reply = &reply,
                              .out = out,
                              .arena = &r->arena,
                              .hash_seed = store->ops->hash_seed(store) };

    if (call.argc == 0) {
        end_skip(s);
        return status_ok();
    }
    size_t start = out->size;
    out->is_short = false;
    s->is_postponed = false;
    may_wait &= !s->is_in_multi;
    resp_reply_init(&reply, output_of(s, out), s->identity.version);
    resp_account_begin(s);
    struct status st = weigh(r, dispatch(&call), may_wait, out);
    if (st.code == ST_AGAIN && out->is_short) {
        resp_session_forget_found(s);
        s->scout = (struct resp_scout) { 0 };
    }
    if (failed(st)) {
        out->size = start;
        out->is_failed = false;
        buf_reset(&r->muted);
        reply.out = output_of(s, out);
        reply.errors = 0;
        call.expired = 0;
        call.changes = 0;
        call.runs = NULL;
    }
    if (st.code != ST_AGAIN) {
        if (failed(st)) {
            reply_failure(&call, st);
            if (s->is_in_multi)
                resp_session_discard(s);
        }
        settle(&call, (struct resp_mark) { .offset = reply.out == out ? start : 0 });
    } else {
        resp_account_wait(r);
        resp_scout_end_run(&s->scout);
    }
    reset_arena(&r->arena);
    reset_muted(&r->muted);
    return st;
}
