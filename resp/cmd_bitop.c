/* BITOP. */
#include "resp/cmd.h"

#include "resp/bitop.h"
#include "resp/command.h"
#include "resp/notify.h"
#include "resp/session.h"
#include "resp/stream.h"

#include "base/check.h"

enum {
    FIRST_SOURCE = 3,
    /* What all sources have together, if they are read as rows, and again in every run. */
    SOURCES_SHORT_BYTES = 4 << 20,
};

void resp_bitop_reset(struct resp_bitop *b)
{
    if (b->result.chunks == NULL)
        return;
    resp_sparse_deinit(&b->result);
    *b = (struct resp_bitop) { 0 };
}

static bool parse_op(struct bytes word, enum resp_bits_op *out)
{
    static const char *const WORDS[] = { "and", "or", "xor", "not" };

    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (resp_text_is(word, WORDS[i])) {
            *out = (enum resp_bits_op)i;
            return true;
        }
    }
    return false;
}

/* ---- Looking at the sources ------------------------------------------------------------------ */

struct sources {
    bool has_other_type;
    uint64_t longest;
    uint64_t shortest;
    uint64_t total;
    size_t shortest_arg;
};

static struct status look_at(struct resp_call *call, struct resp_entry *e, size_t arg,
                             void *context)
{
    struct sources *s = context;
    uint64_t size = e->is_live ? e->size_bytes : 0;

    resp_entry_use(call, e);
    s->has_other_type |= !resp_entry_is_string(e);
    s->total += size;
    if (size > s->longest)
        s->longest = size;
    if (arg == FIRST_SOURCE || size < s->shortest) {
        s->shortest = size;
        s->shortest_arg = arg;
    }
    return status_ok();
}

static struct status score(struct resp_call *call, struct resp_entry *e, size_t arg, void *context)
{
    (void)arg;
    (void)context;
    resp_entry_use(call, e);
    return status_ok();
}

static struct status visit_sources(struct resp_call *call, resp_entry_visitor *visit, void *context)
{
    struct resp_key_range range = { .first = FIRST_SOURCE, .end = call->argc, .step = 1 };

    return resp_entry_visit_keys(call, range, RESP_ENTRY_FACTS, visit, context);
}

/* ---- Taking them into the result ------------------------------------------------------------- */

/* A source has nothing in the chunks from next_chunk up to this one. */
static void pass_over(struct resp_bitop *b, enum resp_bits_op op, size_t chunk)
{
    for (size_t i = b->next_chunk; op == RESP_BITS_AND && b->taken > 0 && i < chunk; i++)
        resp_sparse_drop(&b->result, i);
    b->next_chunk = chunk;
}

/* Take what a source has in one chunk of the result, from the chunk's beginning on. */
static struct status take_chunk(struct resp_bitop *b, enum resp_bits_op op, size_t index,
                                struct bytes content)
{
    uint8_t *chunk;

    pass_over(b, op, index);
    b->next_chunk = index + 1;
    if (op == RESP_BITS_AND && b->taken > 0) {
        chunk = b->result.chunks[index];
        if (chunk == NULL)
            return status_ok();
        resp_bits_combine(op, chunk, content.data, content.size);
        memset(chunk + content.size, 0, RESP_CHUNK_BYTES - content.size);
        return status_ok();
    }
    TRY(resp_sparse_take(&b->result, index, &chunk));
    resp_bits_combine(b->taken == 0 ? RESP_BITS_OR : op, chunk, content.data, content.size);
    return status_ok();
}

/* A piece of a short string may fill several chunks. */
static struct status take_piece(struct resp_bitop *b, enum resp_bits_op op,
                                const struct resp_piece *piece)
{
    struct bytes rest = piece->bytes;

    CHECK(piece->offset % RESP_CHUNK_BYTES == 0);
    for (size_t i = (size_t)(piece->offset / RESP_CHUNK_BYTES); rest.size > 0; i++) {
        size_t size = rest.size < RESP_CHUNK_BYTES ? rest.size : RESP_CHUNK_BYTES;
        TRY(take_chunk(b, op, i, bytes_of(rest.data, size)));
        rest = bytes_skip(rest, size);
    }
    return status_ok();
}

static struct status open_source(struct resp_call *call, size_t arg, bool is_exact)
{
    const struct resp_stream_options options = { .most_bytes = UINT64_MAX,
                                                 .is_exact = is_exact,
                                                 .is_scored = true };

    return resp_stream_open(&call->session->stream, call, call->argv[arg], &options);
}

static struct status take_source(struct resp_call *call, struct resp_bitop *b, enum resp_bits_op op,
                                 size_t arg)
{
    struct resp_stream *s = &call->session->stream;
    struct resp_piece piece;
    struct status st = status_of(ST_NOT_FOUND);

    TRY(open_source(call, arg, b->is_held));
    if (s->entry.is_live) {
        resp_stream_want(s, call, 0, s->entry.size_bytes);
        while (succeeded(st = resp_stream_next(s, call, &piece)))
            TRY(take_piece(b, op, &piece));
    }
    if (st.code != ST_NOT_FOUND)
        return st;
    pass_over(b, op, b->result.count);
    b->next_chunk = 0;
    b->taken++;
    resp_stream_reset(s);
    return status_ok();
}

/* The argument of the source to be taken as number n: the first one, then the others in order. */
static size_t source_at(const struct resp_bitop *b, size_t n)
{
    if (n == 0)
        return b->first;
    size_t arg = FIRST_SOURCE + n - 1;
    return arg < b->first ? arg : arg + 1;
}

/* ~ of what was taken. Bits behind the end stay zeros: nobody sees them, but they are not stored.
 */
static struct status invert(struct resp_bitop *b)
{
    for (size_t i = 0; i < b->result.count; i++) {
        uint64_t begin = (uint64_t)i * RESP_CHUNK_BYTES;
        uint64_t size = b->size_bytes - begin;
        uint8_t *chunk;
        TRY(resp_sparse_take(&b->result, i, &chunk));
        resp_bits_combine(RESP_BITS_NOT, chunk, chunk,
                          size < RESP_CHUNK_BYTES ? (size_t)size : RESP_CHUNK_BYTES);
    }
    b->is_inverted = true;
    return status_ok();
}

/* ---- The result ------------------------------------------------------------------------------ */

/* A result that is stored as one row. */
static struct status store_short(struct resp_call *call, const struct resp_bitop *b,
                                 struct resp_entry *e)
{
    uint8_t *content = arena_take(call->arena, b->result.count * RESP_CHUNK_BYTES);

    if (content == NULL)
        return status_of(ST_NO_MEMORY);
    memset(content, 0, b->result.count * RESP_CHUNK_BYTES);
    for (size_t i = 0; i < b->result.count; i++) {
        if (b->result.chunks[i] != NULL)
            memcpy(content + i * RESP_CHUNK_BYTES, b->result.chunks[i], RESP_CHUNK_BYTES);
    }
    return resp_entry_set_string(call, e, bytes_of(content, (size_t)b->size_bytes), 0);
}

/* Without the zeros at its end. */
static struct bytes trim(const uint8_t *chunk)
{
    size_t size = RESP_CHUNK_BYTES;

    while (size > 0 && chunk[size - 1] == 0)
        size--;
    return bytes_of(chunk, size);
}

static struct status store_long(struct resp_call *call, const struct resp_bitop *b,
                                struct resp_entry *e)
{
    struct store *s = call->store;
    uint64_t object = s->ops->fresh_id(s);
    uint8_t key[RESP_CHUNK_KEY_BYTES];

    for (size_t i = 0; i < b->result.count; i++) {
        struct bytes content =
            b->result.chunks[i] == NULL ? bytes_of(NULL, 0) : trim(b->result.chunks[i]);
        if (content.size == 0)
            continue;
        resp_place_chunk(&e->place, object, (uint32_t)i, key);
        TRY(s->ops->put(s, &(struct store_put) { .key = bytes_of(key, sizeof key),
                                                 .value = content,
                                                 .type = RESP_ROW_CHUNK }));
    }
    return resp_entry_set_chunked(call, e, object, b->size_bytes, 0);
}

static struct status store_result(struct resp_call *call, const struct resp_bitop *b)
{
    struct resp_entry e;

    TRY(resp_entry_open(call, call->argv[2], RESP_ENTRY_FACTS, &e));
    if (b->size_bytes == 0)
        TRY(resp_entry_delete(call, &e));
    else if (b->size_bytes <= RESP_INLINE_MAX_BYTES)
        TRY(store_short(call, b, &e));
    else
        TRY(store_long(call, b, &e));
    if (b->size_bytes > 0)
        resp_notify(call, RESP_EVENT_STRING, "set", e.place.key);
    resp_reply_int(call->reply, (int64_t)b->size_bytes);
    return status_ok();
}

/* ---- The command ----------------------------------------------------------------------------- */

/*
 * Find out what there is to do. Sources that are long together are read while nobody else writes,
 * so that all are of one moment, through cursors; it begins with the first of them.
 */
static struct status begin(struct resp_call *call, struct resp_bitop *b, enum resp_bits_op op,
                           bool *out_is_begun)
{
    struct sources sources = { 0 };

    *out_is_begun = false;
    resp_bitop_reset(b);
    resp_stream_reset(&call->session->stream);
    TRY(visit_sources(call, look_at, &sources));
    if (sources.has_other_type)
        return resp_fail_type(call);
    TRY(resp_sparse_init(&b->result, call->resp->options.alloc, sources.longest,
                         call->store->ops->write_max(call->store)));
    b->size_bytes = sources.longest;
    b->first = op == RESP_BITS_AND ? sources.shortest_arg : FIRST_SOURCE;
    if (op == RESP_BITS_AND && sources.shortest == 0)
        b->taken = call->argc - FIRST_SOURCE; /* Zeros, all of it. */
    if (sources.total > SOURCES_SHORT_BYTES && call->overlay == NULL) {
        TRY(open_source(call, b->first, true));
        b->is_held = true;
    }
    *out_is_begun = true;
    return status_ok();
}

struct status resp_cmd_bitop(struct resp_call *call)
{
    struct resp_bitop *b = &call->session->bitop;
    size_t count = call->argc - FIRST_SOURCE;
    enum resp_bits_op op;
    bool goes_on = b->is_held; /* A run before this one has begun, and counted its hits in vain. */
    bool is_begun = goes_on;

    if (!parse_op(call->argv[1], &op))
        return resp_fail_syntax(call);
    if (op == RESP_BITS_NOT && count != 1)
        return resp_fail(call, "ERR BITOP NOT must be called with a single source key.");
    if (!is_begun)
        TRY(begin(call, b, op, &is_begun));
    if (!is_begun)
        return status_ok();
    while (b->taken < count)
        TRY(take_source(call, b, op, source_at(b, b->taken)));
    if (op == RESP_BITS_NOT && !b->is_inverted)
        TRY(invert(b));
    if (goes_on)
        TRY(visit_sources(call, score, NULL));
    return store_result(call, b);
}
