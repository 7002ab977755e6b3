#include "resp/cmd.h"

#include "resp/client_filter.h"
#include "resp/monitor.h"
#include "resp/number.h"
#include "resp/session.h"

struct status resp_cmd_client_id(struct resp_call *call)
{
    resp_reply_int(call->reply, (int64_t)call->session->id);
    return status_ok();
}

/* No blanks, line ends or bytes beyond ASCII: names stand in the lines of CLIENT LIST. */
static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    }
    return true;
}

/* Copy text to the session; one that does not fit is refused. */
static bool set_text(struct resp_call *call, enum resp_name name, struct bytes text)
{
    const struct buf *to = &call->session->names[name];
    struct buf copy;

    buf_init(&copy, to->alloc, to->size_max);
    buf_append(&copy, text);
    if (copy.is_failed) {
        buf_deinit(&copy);
        resp_reply_error(call->reply, "ERR name is longer than %zu bytes", to->size_max);
        return false;
    }
    resp_session_set_text(call->session, name, &copy);
    return true;
}

bool resp_session_set_name(struct resp_call *call, struct bytes name)
{
    if (!is_printable(name)) {
        resp_reply_error(call->reply,
                         "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return set_text(call, RESP_NAME_CLIENT, name);
}

struct status resp_cmd_client_setname(struct resp_call *call)
{
    if (resp_session_set_name(call, call->argv[2]))
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_client_getname(struct resp_call *call)
{
    const struct buf *name = &call->session->names[RESP_NAME_CLIENT];

    if (name->size == 0)
        resp_reply_null(call->reply);
    else
        resp_reply_bulk(call->reply, buf_bytes(name));
    return status_ok();
}

struct status resp_cmd_client_setinfo(struct resp_call *call)
{
    struct bytes option = call->argv[2];
    enum resp_name name;

    if (resp_text_is(option, "lib-name")) {
        name = RESP_NAME_LIBRARY;
    } else if (resp_text_is(option, "lib-ver")) {
        name = RESP_NAME_VERSION;
    } else {
        resp_reply_error(call->reply, "ERR Unrecognized option '%.*s'", (int)option.size,
                         (const char *)option.data);
        return status_ok();
    }
    if (!is_printable(call->argv[3])) {
        resp_reply_error(call->reply,
                         "ERR %.*s cannot contain spaces, newlines or special characters.",
                         (int)option.size, (const char *)option.data);
        return status_ok();
    }
    if (set_text(call, name, call->argv[3]))
        resp_reply_ok(call->reply);
    return status_ok();
}

/* ---- CLIENT LIST ---------------------------------------------------------------------------- */

/* A letter for each thing that is special about it; N for none. */
static void append_flags(const struct resp_session *s, struct buf *out)
{
    const struct {
        char letter;
        bool is_set;
    } flags[] = {
        { 'O', resp_session_is_monitor(s) },
        { 'P', resp_session_is_subscriber(s) },
        { 'x', s->is_in_multi },
        { 'b', s->is_postponed },
        { 'c', s->is_closing },
        { 'U', strncmp(s->address, "unix:", 5) == 0 },
        { 'e', s->identity.is_kept },
        { 'T', s->identity.leaves_no_trace },
    };
    size_t before = out->size;

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].is_set)
            buf_append_u8(out, (uint8_t)flags[i].letter);
    }
    if (out->size == before)
        buf_append_u8(out, 'N');
}

void resp_session_describe(struct resp_session *s, struct buf *out)
{
    struct resp_host *host = s->resp->options.host;
    struct resp_connection c = { 0 };
    size_t held = resp_session_held(s);
    const uint32_t *counts = s->subscriptions.counts;

    host->ops->connection(host, s, &c);
    buf_append_format(out, "id=%llu addr=%s laddr=%s fd=%d name=", (unsigned long long)s->id,
                      s->address, s->local_address, s->fd);
    buf_append(out, buf_bytes(&s->names[RESP_NAME_CLIENT]));
    buf_append_format(out, " age=%llu idle=%llu flags=", (unsigned long long)c.age_s,
                      (unsigned long long)c.idle_s);
    append_flags(s, out);
    buf_append_format(out, " db=%u sub=%u psub=%u ssub=%u multi=%lld",
                      (unsigned)s->identity.database, counts[RESP_TOPIC_CHANNEL],
                      counts[RESP_TOPIC_PATTERN], counts[RESP_TOPIC_SHARD],
                      s->is_in_multi ? (long long)s->queue.count : -1LL);
    buf_append_format(
        out,
        " qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu rbp=%zu obl=0 "
        "oll=0 omem=%zu tot-mem=%zu events=%s cmd=%s user=default redir=-1 resp=%d",
        c.input_bytes, c.input_room_bytes, resp_parser_held(&s->parser), s->queue.bytes.capacity,
        c.output_buffer_bytes, c.output_buffer_bytes, c.output_bytes,
        held + c.input_bytes + c.input_room_bytes + c.output_buffer_bytes,
        c.wants_write ? "rw" : "r", s->last_command == NULL ? "NULL" : s->last_command->name,
        s->identity.version);
    buf_append(out, bytes_str(" lib-name="));
    buf_append(out, buf_bytes(&s->names[RESP_NAME_LIBRARY]));
    buf_append(out, bytes_str(" lib-ver="));
    buf_append(out, buf_bytes(&s->names[RESP_NAME_VERSION]));
    buf_append_u8(out, '\n');
}

/* Is it one of these ids, or are there none? */
static bool is_among(const struct bytes *ids, size_t count, const struct resp_session *s)
{
    int64_t id;

    for (size_t i = 0; i < count; i++) {
        if (resp_int_parse(ids[i], &id) && id == (int64_t)s->id)
            return true;
    }
    return count == 0;
}

/* Describe the sessions that the filter lets through and that are among these. */
static void reply_sessions(struct resp_call *call, const struct resp_client_filter *f,
                           const struct bytes *ids, size_t id_count)
{
    struct resp_host *host = call->resp->options.host;
    struct buf lines;

    buf_init(&lines, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    for (struct resp_session *s = host->ops->next_session(host, NULL); s != NULL;
         s = host->ops->next_session(host, s)) {
        if (resp_client_filter_passes(f, s) && is_among(ids, id_count, s))
            resp_session_describe(s, &lines);
    }
    resp_reply_verbatim(call->reply, "txt", buf_bytes(&lines));
    buf_deinit(&lines);
}

struct status resp_cmd_client_list(struct resp_call *call)
{
    struct resp_client_filter f = { .id = 0 };
    const struct bytes *ids = call->argv + 3;
    size_t id_count = 0;
    int64_t id;

    if (call->argc == 4 && resp_call_is(call, 2, "type")) {
        if (!resp_client_type_parse(call, call->argv[3], &f.type))
            return status_ok();
    } else if (call->argc > 3 && resp_call_is(call, 2, "id")) {
        for (; id_count < call->argc - 3; id_count++) {
            if (!resp_int_parse(ids[id_count], &id))
                return resp_fail(call, "ERR Invalid client ID");
        }
    } else if (call->argc != 2) {
        return resp_fail_syntax(call);
    }
    reply_sessions(call, &f, ids, id_count);
    return status_ok();
}

struct status resp_cmd_client_info(struct resp_call *call)
{
    struct buf line;

    buf_init(&line, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    resp_session_describe(call->session, &line);
    resp_reply_verbatim(call->reply, "txt", buf_bytes(&line));
    buf_deinit(&line);
    return status_ok();
}

struct status resp_cmd_client_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "CACHING (YES|NO)",
        "    Refused, as there is no tracking yet.",
        "GETNAME",
        "    The name of this connection.",
        "GETREDIR",
        "    Where invalidations are redirected to: -1, nowhere.",
        "ID",
        "    The id of this connection.",
        "INFO",
        "    What CLIENT LIST says of this connection.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <option> <value> [<option> <value> ...]",
        "    Close the connections that are all of what is said:",
        "    * ADDR <ip:port>, LADDR <ip:port>",
        "      From this address; to this one of ours.",
        "    * ID <id>",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>",
        "    * SKIPME (YES|NO)",
        "      Not this connection; that is so unless it says no.",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> [<id> ...]]",
        "    The connections, one a line; all, or those of a type, or those with these ids.",
        "NO-EVICT (ON|OFF)",
        "    Not to be closed to save memory; nobody is.",
        "NO-TOUCH (ON|OFF)",
        "    Whether reading a key counts as using it.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Have commands wait: those that write, or all.",
        "REPLY (ON|OFF|SKIP)",
        "    Answer, answer no more, or not the next command.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Say which client library this connection uses.",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKINGINFO",
        "    What is tracked for this connection: nothing yet.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    Free a connection from a command that waits for others.",
        "UNPAUSE",
        "    End a pause.",
        NULL,
    };

    return resp_reply_help(call, "CLIENT", LINES);
}
