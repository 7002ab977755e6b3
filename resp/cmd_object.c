/* OBJECT, MEMORY: what can be said of how a value is kept. */
#include "resp/cmd.h"

#include "resp/dump.h"
#include "resp/entry.h"
#include "resp/number.h"
#include "resp/session.h"
#include "resp/string.h"

#include <stdio.h>

/* Open the key of argument 2; *out_is_there is false, and null replied, without one. */
static struct status open_object(struct resp_call *call, enum resp_entry_part part,
                                 struct resp_entry *e, bool *out_is_there)
{
    TRY(resp_entry_open(call, call->argv[2], part, e));
    *out_is_there = e->is_live;
    if (e->is_live) {
        call->hits++;
    } else {
        call->misses++; /* Not an event: nobody wanted the value. */
        resp_reply_null(call->reply);
    }
    return status_ok();
}

static bool is_integer(const struct resp_entry *e, int64_t *out)
{
    return e->type == RESP_ROW_STRING && resp_int_parse(resp_string_inline(e), out);
}

static const char *encoding_of(const struct resp_entry *e)
{
    enum { EMBEDDED_MAX = 44 };
    int64_t n;

    if (is_integer(e, &n))
        return "int";
    return e->size_bytes <= EMBEDDED_MAX ? "embstr" : "raw";
}

static uint64_t idle_s(const struct resp_call *call, const struct resp_entry *e)
{
    uint64_t written_ms = e->written_ms != 0 ? e->written_ms : call->now_ms;
    uint64_t since_ms = resp_touches_time(&call->resp->touches, &e->place, written_ms);

    return since_ms < call->now_ms ? (call->now_ms - since_ms) / 1000 : 0;
}

struct status resp_cmd_object_encoding(struct resp_call *call)
{
    struct resp_entry e;
    bool is_there;

    TRY(open_object(call, RESP_ENTRY_VALUE, &e, &is_there));
    if (is_there)
        resp_reply_bulk_str(call->reply, encoding_of(&e));
    return status_ok();
}

/* Redis keeps the integers from 0 to 9999 once for all keys, and says so by this number. */
static int64_t refcount_of(const struct resp_entry *e)
{
    enum { SHARED_END = 10000 };
    int64_t n;

    return is_integer(e, &n) && n >= 0 && n < SHARED_END ? INT32_MAX : 1;
}

struct status resp_cmd_object_refcount(struct resp_call *call)
{
    struct resp_entry e;
    bool is_there;

    TRY(open_object(call, RESP_ENTRY_VALUE, &e, &is_there));
    if (is_there)
        resp_reply_int(call->reply, refcount_of(&e));
    return status_ok();
}

struct status resp_cmd_object_idletime(struct resp_call *call)
{
    struct resp_entry e;
    bool is_there;

    TRY(open_object(call, RESP_ENTRY_FACTS, &e, &is_there));
    if (is_there)
        resp_reply_int(call->reply, (int64_t)idle_s(call, &e));
    return status_ok();
}

/* Nothing is ever evicted, so no policy is one that would count accesses. */
struct status resp_cmd_object_freq(struct resp_call *call)
{
    struct resp_entry e;
    bool is_there;

    TRY(open_object(call, RESP_ENTRY_FACTS, &e, &is_there));
    if (is_there)
        return resp_fail(call, "ERR An LFU maxmemory policy is not selected, access frequency not "
                               "tracked. Please note that when switching between policies at "
                               "runtime LRU and LFU data will take some time to adjust.");
    return status_ok();
}

struct status resp_cmd_object_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "ENCODING <key>",
        "    The encoding that Redis would choose for the value.",
        "FREQ <key>",
        "    How often the key is accessed: not counted, as nothing is evicted.",
        "IDLETIME <key>",
        "    Seconds since the key was last written, read or touched.",
        "REFCOUNT <key>",
        "    How many keys share the value: 1.",
        NULL,
    };

    return resp_reply_help(call, "OBJECT", LINES);
}

/* The size of what DUMP writes of the value itself. */
static uint64_t serialized_size(const struct resp_entry *e)
{
    uint8_t head[RESP_DUMP_HEAD_MAX];
    const size_t type_size = 1;

    if (e->type == RESP_ROW_STRING) {
        size_t size = resp_dump_number(resp_string_inline(e), head);
        if (size > 0)
            return size - type_size;
    }
    return resp_dump_head(e->size_bytes, head) - type_size + e->size_bytes;
}

/* Redis' line; a value has no address here, and its clock is that of the last write. */
struct status resp_cmd_debug_object(struct resp_call *call)
{
    enum { CLOCK_MASK = (1 << 24) - 1, LINE_MAX_CHARS = 160 };
    char line[LINE_MAX_CHARS];
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[2], RESP_ENTRY_VALUE, &e));
    if (!e.is_live)
        return resp_fail_no_key(call);
    (void)snprintf(
        line, sizeof line,
        "Value at:0x0 refcount:%lld encoding:%s serializedlength:%llu lru:%u "
        "lru_seconds_idle:%llu",
        (long long)refcount_of(&e), encoding_of(&e), (unsigned long long)serialized_size(&e),
        (unsigned)(e.written_ms / 1000 & CLOCK_MASK), (unsigned long long)idle_s(call, &e));
    resp_reply_status(call->reply, line);
    return status_ok();
}

/* ---- MEMORY --------------------------------------------------------------------------------- */

/* The bytes of its rows, keys and values, before compression; a chunk that is missing counts. */
static uint64_t size_of_rows(const struct resp_entry *e)
{
    uint64_t chunks = (e->size_bytes + RESP_CHUNK_BYTES - 1) / RESP_CHUNK_BYTES;
    uint64_t size = e->row_key.size + e->size_bytes;

    if (e->type == RESP_ROW_STRING_CHUNKED)
        size += RESP_META_OBJECT_BYTES + chunks * RESP_CHUNK_KEY_BYTES;
    if (e->expire_ms != 0)
        size += RESP_EXPIRY_PREFIX + e->place.key.size;
    return size;
}

struct status resp_cmd_memory_usage(struct resp_call *call)
{
    struct resp_entry e;
    int64_t samples;

    for (size_t i = 3; i < call->argc; i += 2) {
        if (!resp_call_is(call, i, "samples") || i + 1 == call->argc)
            return resp_fail_syntax(call);
        if (!resp_call_int(call, i + 1, &samples))
            return status_ok();
        if (samples < 0)
            return resp_fail_syntax(call);
    }
    TRY(resp_entry_open(call, call->argv[2], RESP_ENTRY_FACTS, &e));
    if (e.is_live)
        resp_reply_int(call->reply, (int64_t)size_of_rows(&e));
    else
        resp_reply_null(call->reply);
    return status_ok();
}

struct status resp_cmd_memory_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "USAGE <key> [SAMPLES <count>]",
        "    The bytes of the key's rows in the store: name, value, expiry. A string needs no",
        "    samples.",
        NULL,
    };

    return resp_reply_help(call, "MEMORY", LINES);
}
