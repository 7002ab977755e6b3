/* Conditions on the string at a key; DELEX and DIGEST. */
#include "resp/match.h"

#include "base/hash.h"

#include "resp/cmd.h"
#include "resp/command.h"
#include "resp/session.h"
#include "resp/string.h"

enum { DIGEST_DIGITS = 16 };

enum resp_match_kind resp_match_kind_of(struct bytes word)
{
    static const char *const WORDS[] = { "ifeq", "ifne", "ifdeq", "ifdne" };

    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (resp_text_is(word, WORDS[i]))
            return (enum resp_match_kind)(RESP_MATCH_EQUAL + i);
    }
    return RESP_MATCH_NONE;
}

static struct status digest(struct resp_call *call, const struct resp_entry *e,
                            char out[DIGEST_DIGITS])
{
    struct bytes content;

    TRY(resp_string_gather(call, e, &content));
    uint64_t hash = hash_bytes(content, 0);
    for (size_t i = 0; i < DIGEST_DIGITS; i++)
        out[i] = "0123456789abcdef"[hash >> 4 * (DIGEST_DIGITS - 1 - i) & 0xf];
    return status_ok();
}

struct status resp_match(struct resp_call *call, const struct resp_entry *e,
                         const struct resp_match *m, enum resp_match_answer *out_answer)
{
    bool is_negated = m->kind == RESP_MATCH_UNEQUAL || m->kind == RESP_MATCH_DIGEST_UNEQUAL;
    bool is_of_digest = m->kind >= RESP_MATCH_DIGEST_EQUAL;
    bool is_equal = false;
    char digits[DIGEST_DIGITS];

    if (e->is_live) {
        *out_answer = RESP_MATCH_REPLIED;
        if (!resp_entry_is_string(e))
            return resp_fail_type(call);
        if (is_of_digest && m->with.size != DIGEST_DIGITS)
            return resp_fail(call, "ERR must be exactly 16 hexadecimal characters");
        if (is_of_digest) {
            TRY(digest(call, e, digits));
            is_equal = resp_text_equal(m->with, bytes_of(digits, sizeof digits));
        } else {
            TRY(resp_string_equals(call, e, m->with, &is_equal));
        }
    }
    *out_answer = is_equal != is_negated ? RESP_MATCH_YES : RESP_MATCH_NO;
    return status_ok();
}

struct status resp_cmd_delex(struct resp_call *call)
{
    struct resp_entry e;
    enum resp_match_answer answer = RESP_MATCH_YES;
    bool is_conditional = call->argc != 2;

    if (is_conditional && call->argc != 4) {
        resp_command_reply_arity_error(call->command, call->reply);
        return status_ok();
    }
    TRY(resp_entry_open(call, call->argv[1], is_conditional ? RESP_ENTRY_VALUE : RESP_ENTRY_FACTS,
                        &e));
    if (is_conditional && e.is_live) {
        struct resp_match m = { resp_match_kind_of(call->argv[2]), call->argv[3] };
        if (!resp_entry_is_string(&e))
            return resp_fail(call, "ERR Key should be of string type if conditions are specified");
        if (m.kind == RESP_MATCH_NONE)
            return resp_fail(call, "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
        TRY(resp_match(call, &e, &m, &answer));
        if (answer == RESP_MATCH_REPLIED)
            return status_ok();
    }
    bool goes = e.is_live && answer == RESP_MATCH_YES;
    if (goes)
        TRY(resp_entry_delete(call, &e));
    resp_reply_int(call->reply, goes);
    return status_ok();
}

struct status resp_cmd_digest(struct resp_call *call)
{
    struct resp_entry e;
    char digits[DIGEST_DIGITS];

    TRY(resp_entry_lookup(call, call->argv[1], RESP_ENTRY_VALUE, &e));
    if (!resp_entry_is_string(&e))
        return resp_fail_type(call);
    if (!e.is_live) {
        resp_reply_null(call->reply);
        return status_ok();
    }
    TRY(digest(call, &e, digits));
    resp_reply_bulk(call->reply, bytes_of(digits, sizeof digits));
    return status_ok();
}
