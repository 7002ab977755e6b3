/*
 * DEBUG DIGEST, DEBUG DIGEST-VALUE: Redis' digests of data, bit by bit, so that the same data under
 * either server has the same digest.
 *
 * To add bytes to a digest is to xor it with their SHA-1; to mix them in, to take its own SHA-1
 * then. To a value's digest its type and content are mixed, and a constant is added if it has an
 * expiry (whichever); to a key's its name before that. To that of all data the number of each
 * database that is not empty is mixed, and the digests of its keys are added: their order does not
 * matter.
 */
#include "resp/cmd.h"

#include "resp/command.h"
#include "resp/entry.h"
#include "resp/scan.h"
#include "resp/session.h"
#include "resp/sha1.h"
#include "resp/string.h"

enum { HEX_CHARS = 2 * RESP_SHA1_BYTES };

static void xor_in(uint8_t digest[RESP_SHA1_BYTES], const uint8_t other[RESP_SHA1_BYTES])
{
    for (size_t i = 0; i < RESP_SHA1_BYTES; i++)
        digest[i] ^= other[i];
}

static void add_bytes(uint8_t digest[RESP_SHA1_BYTES], struct bytes bytes)
{
    uint8_t hash[RESP_SHA1_BYTES];

    resp_sha1_of(bytes, hash);
    xor_in(digest, hash);
}

static void mix_bytes(uint8_t digest[RESP_SHA1_BYTES], struct bytes bytes)
{
    add_bytes(digest, bytes);
    resp_sha1_of(bytes_of(digest, RESP_SHA1_BYTES), digest);
}

static void mix_number(uint8_t digest[RESP_SHA1_BYTES], uint32_t number)
{
    uint8_t bytes[4];

    put_u32_be(bytes, number);
    mix_bytes(digest, bytes_of(bytes, sizeof bytes));
}

static struct status mix_content(struct resp_call *call, const struct resp_entry *e,
                                 uint8_t digest[RESP_SHA1_BYTES])
{
    uint8_t piece[RESP_CHUNK_BYTES];
    uint8_t hash[RESP_SHA1_BYTES];
    struct resp_sha1 sha1;

    resp_string_prefetch(call, e, 0, e->size_bytes);
    resp_sha1_init(&sha1);
    for (uint64_t offset = 0; offset < e->size_bytes; offset += sizeof piece) {
        uint64_t left = e->size_bytes - offset;
        size_t size = left < sizeof piece ? (size_t)left : sizeof piece;
        TRY(resp_string_read(call, e, offset, size, piece));
        resp_sha1_add(&sha1, bytes_of(piece, size));
    }
    resp_sha1_end(&sha1, hash);
    xor_in(digest, hash);
    resp_sha1_of(bytes_of(digest, RESP_SHA1_BYTES), digest);
    return status_ok();
}

/* Mix the value of a live entry, loaded with it. */
static struct status mix_value(struct resp_call *call, const struct resp_entry *e,
                               uint8_t digest[RESP_SHA1_BYTES])
{
    enum { REDIS_TYPE_STRING = 0 };

    mix_number(digest, REDIS_TYPE_STRING);
    TRY(mix_content(call, e, digest));
    if (e->expire_ms != 0)
        add_bytes(digest, bytes_str("!!expire!!"));
    return status_ok();
}

static void reply_digest(struct resp_call *call, const uint8_t digest[RESP_SHA1_BYTES])
{
    static const char DIGITS[] = "0123456789abcdef";
    char hex[HEX_CHARS + 1];

    for (size_t i = 0; i < HEX_CHARS; i++)
        hex[i] = DIGITS[i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 0xf];
    hex[HEX_CHARS] = '\0';
    resp_reply_status(call->reply, hex);
}

static struct status reply_value_digest(struct resp_call *call, struct resp_entry *e, size_t arg,
                                        void *context)
{
    uint8_t digest[RESP_SHA1_BYTES] = { 0 };

    (void)arg;
    (void)context;
    if (e->is_live)
        TRY(mix_value(call, e, digest));
    reply_digest(call, digest);
    return status_ok();
}

struct status resp_cmd_debug_digest_value(struct resp_call *call)
{
    struct resp_key_range range = { .first = 2, .end = call->argc, .step = 1 };

    resp_reply_array(call->reply, call->argc - 2);
    return resp_entry_visit_keys(call, range, RESP_ENTRY_VALUE, reply_value_digest, NULL);
}

/* ---- All databases -------------------------------------------------------------------------- */

/* Add the key of a meta row, if it is there now and of the call's database. */
static struct status add_row(struct resp_call *call, struct bytes row_key,
                             uint8_t digest[RESP_SHA1_BYTES])
{
    uint8_t own[RESP_SHA1_BYTES] = { 0 };
    struct resp_row_key key;

    TRY(resp_row_key_decode(row_key, &key));
    struct resp_entry e = { .place = key.place, .database = call->database, .row_key = row_key };
    if (key.place.database_id != call->database_id)
        return status_ok();
    TRY(resp_entry_load(call, RESP_ENTRY_VALUE, &e));
    if (!e.is_live)
        return status_ok();
    mix_bytes(own, key.place.key);
    TRY(mix_value(call, &e, own));
    add_bytes(digest, bytes_of(own, sizeof own));
    return status_ok();
}

/* The walk may have to wait for the next row, and then for the row's value: its key is kept. */
static struct status add_walked(struct resp_call *call, struct resp_walk *w)
{
    for (;;) {
        if (w->found_count == 0) {
            struct resp_walked row;
            struct status s = resp_walk_next(w, call, SIZE_MAX, &row);
            if (s.code == ST_NOT_FOUND)
                return status_ok();
            TRY(s);
            buf_append(&w->found, row.row_key);
            if (w->found.is_failed)
                return status_of(ST_NO_MEMORY);
            w->found_count = 1;
        }
        if (!resp_walk_is_written(call, buf_bytes(&w->found)))
            TRY(add_row(call, buf_bytes(&w->found), w->digest));
        buf_reset(&w->found);
        w->found_count = 0;
    }
}

/* What is done of a database, in the walk's seen_count: a run that has to wait goes on behind it.
 */
enum { SEEN_NOTHING, SEEN_BEGINNING, SEEN_ROWS }; /* And the transaction's rows, one each. */

static struct status add_written(struct resp_call *call, struct resp_walk *w)
{
    size_t count = call->overlay == NULL ? 0 : call->overlay->count;

    for (; w->seen_count - SEEN_ROWS < count; w->seen_count++)
        TRY(add_row(call, call->overlay->rows[w->seen_count - SEEN_ROWS], w->digest));
    return status_ok();
}

/* Go on with the database of the walk's number. */
static struct status add_database(struct resp_call *call, struct resp_walk *w)
{
    call->database = w->number;
    call->database_id = call->store->ops->database_id(call->store, w->number);
    if (w->seen_count == SEEN_NOTHING) {
        if (call->store->ops->size(call->store, call->database_id) == 0)
            return status_ok();
        w->database_id = call->database_id;
        TRY(resp_walk_move(w, call, 0));
        mix_number(w->digest, w->number);
        w->seen_count = SEEN_BEGINNING;
    }
    if (w->seen_count == SEEN_BEGINNING) {
        TRY(resp_walk_open(w, call, w->position));
        TRY(add_walked(call, w));
        w->seen_count = SEEN_ROWS;
    }
    TRY(add_written(call, w));
    w->seen_count = SEEN_NOTHING;
    return status_ok();
}

struct status resp_cmd_debug_digest(struct resp_call *call)
{
    struct resp_walk *w = &call->session->walk;
    uint32_t count = call->store->ops->database_count(call->store);

    if (call->overlay != NULL)
        resp_overlay_sort(call->overlay);
    if (!w->is_begun)
        w->number = 0;
    for (; w->number < count; w->number++)
        TRY(add_database(call, w));
    w->is_finished = w->is_begun; /* If not, all databases were empty. */
    reply_digest(call, w->digest);
    return status_ok();
}
