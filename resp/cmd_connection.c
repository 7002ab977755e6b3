#include "resp/cmd.h"

#include "resp/number.h"
#include "resp/session.h"

struct status resp_cmd_ping(struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;
    bool is_message = call->reply->version == 2 && resp_session_is_subscriber(call->session);

    if (call->argc > 2) {
        resp_command_reply_arity_error(call->command, call->reply);
        return status_ok();
    }
    /* Who asks whether the server is well is told when it cannot write, as Redis tells them. */
    TRY(host->ops->health(host));
    if (is_message) {
        resp_reply_array(call->reply, 2);
        resp_reply_bulk_str(call->reply, "pong");
        resp_reply_bulk(call->reply, call->argc == 2 ? call->argv[1] : bytes_str(""));
    } else if (call->argc == 2) {
        resp_reply_bulk(call->reply, call->argv[1]);
    } else {
        resp_reply_status(call->reply, "PONG");
    }
    return status_ok();
}

struct status resp_cmd_echo(struct resp_call *call)
{
    resp_reply_bulk(call->reply, call->argv[1]);
    return status_ok();
}

struct status resp_cmd_quit(struct resp_call *call)
{
    call->session->is_closing = true;
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_select(struct resp_call *call)
{
    if (resp_call_database(call, 1, &call->session->identity.database))
        resp_reply_ok(call->reply);
    return status_ok();
}

static bool has_password(const struct resp_call *call)
{
    struct resp_host *host = call->resp->options.host;

    return host->ops->has_password(host);
}

/* There is one user, "default"; without a password it takes any. False, and the error is replied,
 * for a wrong one. */
static bool authenticate(struct resp_call *call, struct bytes user, struct bytes password)
{
    struct resp_host *host = call->resp->options.host;

    if (bytes_equal(user, bytes_str("default")) &&
        (!has_password(call) || host->ops->check_password(host, password))) {
        call->session->identity.is_authenticated = true;
        return true;
    }
    call->resp->stats.denied_auths++;
    resp_reply_error(call->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

struct status resp_cmd_auth(struct resp_call *call)
{
    for (size_t i = 1; i < call->argc; i++)
        resp_call_redact(call, i);
    if (call->argc > 3)
        return resp_fail_syntax(call);
    if (call->argc == 2 && !has_password(call))
        return resp_fail(call, "ERR AUTH <password> called without any password configured for the "
                               "default user. Are you sure your configuration is correct?");
    struct bytes user = call->argc == 3 ? call->argv[1] : bytes_str("default");
    if (authenticate(call, user, call->argv[call->argc - 1]))
        resp_reply_ok(call->reply);
    return status_ok();
}

static void reply_hello(struct resp_call *call)
{
    struct resp_reply *r = call->reply;

    resp_reply_map(r, 7);
    resp_reply_bulk_str(r, "server");
    resp_reply_bulk_str(r, "redis");
    resp_reply_bulk_str(r, "version");
    resp_reply_bulk_str(r, RESP_REDIS_VERSION);
    resp_reply_bulk_str(r, "proto");
    resp_reply_int(r, r->version);
    resp_reply_bulk_str(r, "id");
    resp_reply_int(r, (int64_t)call->session->id);
    resp_reply_bulk_str(r, "mode");
    resp_reply_bulk_str(r, "standalone");
    resp_reply_bulk_str(r, "role");
    resp_reply_bulk_str(r, "master");
    resp_reply_bulk_str(r, "modules");
    resp_reply_array(r, 0);
}

/* What HELLO's arguments ask for; data NULL: not given. */
struct hello {
    int version; /* 0: not given. */
    struct bytes user;
    struct bytes password;
    struct bytes name;
};

/* Parse "[version [AUTH user password] [SETNAME name]]"; false, and the error is replied. */
static bool parse_hello(struct resp_call *call, struct hello *out)
{
    int64_t version;

    *out = (struct hello) { 0 };
    if (call->argc == 1)
        return true;
    if (!resp_int_parse(call->argv[1], &version)) {
        resp_reply_error(call->reply, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (version != 2 && version != 3) {
        resp_reply_error(call->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    out->version = (int)version;
    for (size_t i = 2; i < call->argc; i++) {
        if (resp_call_is(call, i, "auth") && i + 2 < call->argc) {
            resp_call_redact(call, i + 1);
            resp_call_redact(call, i + 2);
            out->user = call->argv[++i];
            out->password = call->argv[++i];
        } else if (resp_call_is(call, i, "setname") && i + 1 < call->argc) {
            out->name = call->argv[++i];
        } else {
            resp_reply_error(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                             (int)call->argv[i].size, (const char *)call->argv[i].data);
            return false;
        }
    }
    return true;
}

struct status resp_cmd_hello(struct resp_call *call)
{
    struct hello hello;

    if (!parse_hello(call, &hello))
        return status_ok();
    if (hello.user.data != NULL && !authenticate(call, hello.user, hello.password))
        return status_ok();
    if (!call->session->identity.is_authenticated)
        return resp_fail(call, "NOAUTH HELLO must be called with the client already authenticated, "
                               "otherwise the HELLO AUTH <user> <pass> option can be used to "
                               "authenticate the client and select the RESP protocol version at "
                               "the same time");
    if (hello.name.data != NULL && !resp_session_set_name(call, hello.name))
        return status_ok();
    if (hello.version != 0) {
        call->session->identity.version = hello.version;
        call->reply->version = hello.version;
    }
    reply_hello(call);
    return status_ok();
}

static void end_subscriptions(struct resp_call *call)
{
    struct resp_session *s = call->session;

    for (int kind = 0; kind < RESP_TOPIC_KINDS; kind++) {
        struct resp_subscription *at = resp_subscription_live(s->subscriptions.first[kind]);
        for (; at != NULL; at = resp_subscription_live(at->next_own))
            resp_topics_leave(&call->resp->topics, at, call->resp->post.number);
    }
}

struct status resp_cmd_reset(struct resp_call *call)
{
    struct resp_session *s = call->session;

    resp_session_discard(s);
    end_subscriptions(call);
    buf_reset(&s->names[RESP_NAME_CLIENT]);
    s->identity = (struct resp_identity) { .version = 2,
                                           .is_authenticated = !has_password(call),
                                           .skips_reply = s->identity.skips_reply,
                                           .is_kept = s->identity.is_kept };
    call->reply->version = 2;
    if (!resp_session_is_muted(s))
        call->reply->out = call->out;
    resp_reply_status(call->reply, "RESET");
    return status_ok();
}
