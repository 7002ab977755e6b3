#include "resp/client_filter.h"

#include "resp/number.h"
#include "resp/session.h"

bool resp_client_type_parse(struct resp_call *call, struct bytes word,
                            enum resp_client_type *out_type)
{
    static const struct {
        const char *word;
        enum resp_client_type type;
    } TYPES[] = { { "normal", RESP_CLIENT_NORMAL },
                  { "pubsub", RESP_CLIENT_PUBSUB },
                  { "master", RESP_CLIENT_MASTER },
                  { "replica", RESP_CLIENT_REPLICA },
                  { "slave", RESP_CLIENT_REPLICA } };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (resp_text_is(word, TYPES[i].word)) {
            *out_type = TYPES[i].type;
            return true;
        }
    }
    resp_reply_error(call->reply, "ERR Unknown client type '%.*s'", (int)word.size,
                     (const char *)word.data);
    return false;
}

static bool parse_id(struct resp_call *call, struct bytes text, uint64_t *out_id)
{
    int64_t id;

    if (resp_int_parse(text, &id) && id > 0) {
        *out_id = (uint64_t)id;
        return true;
    }
    status_ignore(resp_fail(call, "ERR client-id should be greater than 0"), "it is replied");
    return false;
}

/* There is one user. */
static bool parse_user(struct resp_call *call, struct bytes name)
{
    if (bytes_equal(name, bytes_str("default")))
        return true;
    resp_reply_error(call->reply, "ERR No such user '%.*s'", (int)name.size,
                     (const char *)name.data);
    return false;
}

static bool fail_syntax(struct resp_call *call)
{
    status_ignore(resp_fail_syntax(call), "it is replied");
    return false;
}

/* One word and its value. */
static bool parse_pair(struct resp_call *call, size_t arg, struct resp_client_filter *out)
{
    struct bytes value = call->argv[arg + 1];

    if (resp_call_is(call, arg, "id"))
        return parse_id(call, value, &out->id);
    if (resp_call_is(call, arg, "type"))
        return resp_client_type_parse(call, value, &out->type);
    if (resp_call_is(call, arg, "user"))
        return parse_user(call, value);
    if (resp_call_is(call, arg, "addr")) {
        out->address = value;
    } else if (resp_call_is(call, arg, "laddr")) {
        out->local_address = value;
    } else if (resp_call_is(call, arg, "skipme") && resp_text_is(value, "yes")) {
        out->skipped = call->session;
    } else if (resp_call_is(call, arg, "skipme") && resp_text_is(value, "no")) {
        out->skipped = NULL;
    } else {
        return fail_syntax(call);
    }
    return true;
}

bool resp_client_filter_parse(struct resp_call *call, struct resp_client_filter *out)
{
    *out = (struct resp_client_filter) { .skipped = call->session };
    for (size_t i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc)
            return fail_syntax(call);
        if (!parse_pair(call, i, out))
            return false;
    }
    return true;
}

bool resp_client_filter_passes(const struct resp_client_filter *f, const struct resp_session *s)
{
    enum resp_client_type type =
        resp_session_is_subscriber(s) ? RESP_CLIENT_PUBSUB : RESP_CLIENT_NORMAL;

    return (f->type == RESP_CLIENT_ANY || f->type == type) && (f->id == 0 || f->id == s->id) &&
           (f->address.data == NULL || bytes_equal(f->address, bytes_str(s->address))) &&
           (f->local_address.data == NULL ||
            bytes_equal(f->local_address, bytes_str(s->local_address))) &&
           f->skipped != s;
}
