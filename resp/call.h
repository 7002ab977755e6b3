/*
 * call -- one run of one command: what its implementation is handed.
 *
 * An implementation validates its arguments, reads rows, writes rows and replies, in this order
 * where it can. It returns OK when it has replied, errors for the client included; any other
 * status means that nothing it wrote may stay, and the dispatcher takes the reply back.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_CALL_H
#define VARVE_RESP_CALL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

#include "resp/reply.h"
#include "resp/resp.h"
#include "resp/store.h"

struct resp_overlay;
struct resp_run;

/* What has become of a request. */
enum resp_fate { RESP_REJECTED, RESP_QUEUED, RESP_RUN };

struct resp_call {
    struct resp *resp;
    struct resp_session *session;
    struct store *store;
    const struct resp_command *command;
    const struct bytes *argv;
    size_t argc;
    struct resp_reply *reply;
    struct buf *out;     /* What the client is sent; reply's, unless it wants no replies. */
    struct arena *arena; /* Scratch; everything in it is dropped when the request has run. */
    /* Within EXEC: the keys its commands wrote, which cursors do not show. Else NULL. */
    struct resp_overlay *overlay;

    uint32_t database;    /* The number of the selected one, at the start of the command. */
    uint32_t database_id; /* Its id. */
    uint64_t hash_seed;
    uint64_t now_ms;
    uint64_t hits; /* Counted when the request has run to its end. */
    uint64_t misses;
    uint64_t expired;  /* Keys whose time was over and that it removed; likewise. */
    uint64_t changes;  /* Keys it wrote or removed; likewise. */
    uint64_t redacted; /* Bit i: see resp_call_redact. */
    enum resp_fate fate;
    bool ends_transaction; /* Its queue is borrowed from until it has been accounted for. */
    struct resp_run *runs; /* Of EXEC's commands, the last one first. */
};

typedef struct status resp_command_fn(struct resp_call *call);

/* A command that EXEC has run: counted when EXEC has come to its end. */
struct resp_run {
    struct resp_run *next;
    const struct resp_command *command;
    const struct bytes *argv;
    size_t argc;
    uint64_t redacted;
    uint64_t ns;
    bool is_failed;
};

/* Argument i, below 64, is to be shown to nobody. */
static inline void resp_call_redact(struct resp_call *call, size_t i)
{
    if (i < 64)
        call->redacted |= UINT64_C(1) << i;
}

/* Reply an error. They return OK, so that a command ends with "return resp_fail_syntax(call);". */
struct status resp_fail(struct resp_call *call, const char *text);
struct status resp_fail_syntax(struct resp_call *call);
struct status resp_fail_type(struct resp_call *call);
struct status resp_fail_integer(struct resp_call *call);
struct status resp_fail_no_key(struct resp_call *call);
/* A container's subcommand with too few or too many arguments. */
struct status resp_fail_subcommand(struct resp_call *call);

/* The argument as an integer, or false and the error has been replied. */
bool resp_call_int(struct resp_call *call, size_t arg, int64_t *out_value);
/* Likewise, one of 32 bits. */
bool resp_call_int32(struct resp_call *call, size_t arg, int32_t *out_value);
/* Likewise, the number of a database. */
bool resp_call_database(struct resp_call *call, size_t arg, uint32_t *out_number);

/* Are two texts the same, but for the case of ASCII letters? */
bool resp_text_equal(struct bytes a, struct bytes b);
static inline bool resp_text_is(struct bytes text, const char *word)
{
    return resp_text_equal(text, bytes_str(word));
}

/* Is the argument this word, in any case? */
static inline bool resp_call_is(const struct resp_call *call, size_t arg, const char *word)
{
    return resp_text_is(call->argv[arg], word);
}

#endif
