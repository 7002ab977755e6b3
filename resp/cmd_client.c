#include "resp/cmd.h"

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

/* Copy text to a session's buf; one that does not fit is refused. */
static bool set_text(struct resp_call *call, struct buf *to, struct bytes text)
{
    struct buf copy;

    buf_init(&copy, to->alloc, to->size_max);
    buf_append(&copy, text);
    if (copy.is_failed) {
        buf_deinit(&copy);
        resp_reply_error(call->reply, "ERR name is longer than %zu bytes", to->size_max);
        return false;
    }
    buf_deinit(to);
    *to = copy;
    return true;
}

bool resp_session_set_name(struct resp_call *call, struct bytes name)
{
    if (!is_printable(name)) {
        resp_reply_error(call->reply,
                         "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return set_text(call, &call->session->name, name);
}

struct status resp_cmd_client_setname(struct resp_call *call)
{
    if (resp_session_set_name(call, call->argv[2]))
        resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_client_getname(struct resp_call *call)
{
    if (call->session->name.size == 0)
        resp_reply_null(call->reply);
    else
        resp_reply_bulk(call->reply, buf_bytes(&call->session->name));
    return status_ok();
}

struct status resp_cmd_client_setinfo(struct resp_call *call)
{
    struct bytes option = call->argv[2];
    struct buf *to;

    if (resp_text_is(option, "lib-name")) {
        to = &call->session->library_name;
    } else if (resp_text_is(option, "lib-ver")) {
        to = &call->session->library_version;
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
    if (set_text(call, to, call->argv[3]))
        resp_reply_ok(call->reply);
    return status_ok();
}

/* ---- CLIENT LIST ---------------------------------------------------------------------------- */

void resp_session_describe(struct resp_session *s, struct buf *out)
{
    struct resp_host *host = s->resp->options.host;
    struct resp_connection c = { 0 };
    size_t held = resp_session_held(s);

    host->ops->connection(host, s, &c);
    buf_append_format(out, "id=%llu addr=%s laddr=%s fd=%d name=", (unsigned long long)s->id,
                      s->address, s->local_address, s->fd);
    buf_append(out, buf_bytes(&s->name));
    buf_append_format(out, " age=%llu idle=%llu flags=%s db=%u sub=0 psub=0 ssub=0 multi=%lld",
                      (unsigned long long)c.age_s, (unsigned long long)c.idle_s,
                      s->is_in_multi ? "x" : "N", (unsigned)s->identity.database,
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
    buf_append(out, buf_bytes(&s->library_name));
    buf_append(out, bytes_str(" lib-ver="));
    buf_append(out, buf_bytes(&s->library_version));
    buf_append_u8(out, '\n');
}

/* Reply what describe() appends for the sessions that the filter lets through. */
struct filter {
    bool is_nobody;          /* A type of client that there is none of. */
    const struct bytes *ids; /* NULL: all. */
    size_t id_count;
};

static bool is_let_through(const struct filter *f, const struct resp_session *s)
{
    int64_t id;

    if (f->is_nobody)
        return false;
    for (size_t i = 0; i < f->id_count; i++) {
        if (resp_int_parse(f->ids[i], &id) && id == (int64_t)s->id)
            return true;
    }
    return f->ids == NULL;
}

static void reply_sessions(struct resp_call *call, const struct filter *f)
{
    struct resp_host *host = call->resp->options.host;
    struct buf lines;

    buf_init(&lines, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    call->session->last_command = call->command;
    for (struct resp_session *s = host->ops->next_session(host, NULL); s != NULL;
         s = host->ops->next_session(host, s)) {
        if (is_let_through(f, s))
            resp_session_describe(s, &lines);
    }
    resp_reply_verbatim(call->reply, "txt", buf_bytes(&lines));
    buf_deinit(&lines);
}

/* Of the types there are, all clients are normal ones. */
static struct status list_type(struct resp_call *call, struct bytes type)
{
    static const char *const OTHERS[] = { "master", "replica", "slave", "pubsub" };
    struct filter f = { .is_nobody = !resp_text_is(type, "normal") };
    bool is_known = !f.is_nobody;

    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        is_known |= resp_text_is(type, OTHERS[i]);
    if (is_known)
        reply_sessions(call, &f);
    else
        resp_reply_error(call->reply, "ERR Unknown client type '%.*s'", (int)type.size,
                         (const char *)type.data);
    return status_ok();
}

struct status resp_cmd_client_list(struct resp_call *call)
{
    struct filter f = { 0 };

    if (call->argc == 4 && resp_call_is(call, 2, "type"))
        return list_type(call, call->argv[3]);
    if (call->argc > 3 && resp_call_is(call, 2, "id")) {
        int64_t id;
        f.ids = call->argv + 3;
        f.id_count = call->argc - 3;
        for (size_t i = 0; i < f.id_count; i++) {
            if (!resp_int_parse(f.ids[i], &id))
                return resp_fail(call, "ERR Invalid client ID");
        }
    } else if (call->argc != 2) {
        return resp_fail_syntax(call);
    }
    reply_sessions(call, &f);
    return status_ok();
}

struct status resp_cmd_client_info(struct resp_call *call)
{
    struct buf line;

    buf_init(&line, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    call->session->last_command = call->command;
    resp_session_describe(call->session, &line);
    resp_reply_verbatim(call->reply, "txt", buf_bytes(&line));
    buf_deinit(&line);
    return status_ok();
}

struct status resp_cmd_client_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "GETNAME",
        "    The name of this connection.",
        "ID",
        "    The id of this connection.",
        "INFO",
        "    What CLIENT LIST says of this connection.",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> [<id> ...]]",
        "    The connections, one a line; all, or those of a type, or those with these ids.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Say which client library this connection uses.",
        "SETNAME <name>",
        "    Name this connection.",
        NULL,
    };

    return resp_reply_help(call, "CLIENT", LINES);
}
