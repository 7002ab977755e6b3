#include "resp/string.h"

#include "base/check.h"

#include "resp/bits.h"

struct bytes resp_string_inline(const struct resp_entry *e)
{
    CHECK(e->is_live && e->type == RESP_ROW_STRING);
    CHECK(e->value.size == e->size_bytes);
    return e->value;
}

struct status resp_string_chunk(struct resp_call *call, const struct resp_entry *e, uint32_t index,
                                struct bytes *out_content)
{
    uint8_t key[RESP_CHUNK_KEY_BYTES];
    struct store_row row;

    resp_place_chunk(&e->place, e->object, index, key);
    struct status s = call->store->ops->get(call->store, bytes_of(key, sizeof key), 0, &row);
    if (s.code == ST_NOT_FOUND) {
        *out_content = bytes_of(NULL, 0);
        return status_ok();
    }
    if (failed(s))
        return s;
    if (row.type != RESP_ROW_CHUNK || row.value.size > RESP_CHUNK_BYTES)
        return status_of(ST_CORRUPT);
    *out_content = row.value;
    return status_ok();
}

void resp_string_prefetch(struct resp_call *call, const struct resp_entry *e, uint64_t offset,
                          uint64_t size)
{
    enum { AT_ONCE = 64 };
    uint8_t keys[AT_ONCE][RESP_CHUNK_KEY_BYTES];
    struct bytes rows[AT_ONCE];

    if (e->type != RESP_ROW_STRING_CHUNKED || size == 0)
        return;
    uint64_t last = (offset + size - 1) / RESP_CHUNK_BYTES;
    for (uint64_t i = offset / RESP_CHUNK_BYTES; i <= last;) {
        size_t n = 0;
        for (; n < AT_ONCE && i <= last; n++, i++) {
            resp_place_chunk(&e->place, e->object, (uint32_t)i, keys[n]);
            rows[n] = bytes_of(keys[n], RESP_CHUNK_KEY_BYTES);
        }
        call->store->ops->prefetch(call->store, rows, n, 0);
    }
}

struct status resp_string_read(struct resp_call *call, const struct resp_entry *e, uint64_t offset,
                               size_t size, uint8_t *out)
{
    CHECK(offset + size <= e->size_bytes);
    if (size == 0)
        return status_ok();
    if (e->type == RESP_ROW_STRING) {
        memcpy(out, resp_string_inline(e).data + offset, size);
        return status_ok();
    }
    uint64_t end = offset + size;
    if (offset / RESP_CHUNK_BYTES != (end - 1) / RESP_CHUNK_BYTES)
        resp_string_prefetch(call, e, offset, size);
    while (offset < end) {
        struct bytes content;
        size_t skip = offset % RESP_CHUNK_BYTES;
        size_t wanted = RESP_CHUNK_BYTES - skip;
        if (wanted > end - offset)
            wanted = (size_t)(end - offset);
        TRY(resp_string_chunk(call, e, (uint32_t)(offset / RESP_CHUNK_BYTES), &content));
        size_t there = content.size > skip ? content.size - skip : 0;
        if (there > wanted)
            there = wanted;
        if (there > 0)
            memcpy(out, content.data + skip, there);
        memset(out + there, 0, wanted - there);
        out += wanted;
        offset += wanted;
    }
    return status_ok();
}

struct status resp_string_gather(struct resp_call *call, const struct resp_entry *e,
                                 struct bytes *out_content)
{
    if (e->type == RESP_ROW_STRING) {
        *out_content = resp_string_inline(e);
        return status_ok();
    }
    uint8_t *content = arena_take(call->arena, (size_t)e->size_bytes);
    if (content == NULL)
        return status_of(ST_NO_MEMORY);
    *out_content = bytes_of(content, (size_t)e->size_bytes);
    return resp_string_read(call, e, 0, (size_t)e->size_bytes, content);
}

/* Is this what a chunk holds, of which stored is stored? */
static bool is_content(struct bytes stored, struct bytes bytes)
{
    if (stored.size > bytes.size)
        return false;
    struct bytes rest = bytes_skip(bytes, stored.size);
    uint64_t bits = 8 * (uint64_t)rest.size;
    return bytes_has_prefix(bytes, stored) && resp_bits_find(rest, 0, bits, true) == bits;
}

struct status resp_string_equals(struct resp_call *call, const struct resp_entry *e,
                                 struct bytes bytes, bool *out_is_equal)
{
    *out_is_equal = e->size_bytes == bytes.size;
    if (!*out_is_equal)
        return status_ok();
    if (e->type == RESP_ROW_STRING) {
        *out_is_equal = bytes_equal(resp_string_inline(e), bytes);
        return status_ok();
    }
    resp_string_prefetch(call, e, 0, e->size_bytes);
    for (uint32_t i = 0; bytes.size > 0 && *out_is_equal; i++) {
        struct bytes stored;
        size_t size = bytes.size < RESP_CHUNK_BYTES ? bytes.size : RESP_CHUNK_BYTES;
        TRY(resp_string_chunk(call, e, i, &stored));
        *out_is_equal = is_content(stored, bytes_of(bytes.data, size));
        bytes = bytes_skip(bytes, size);
    }
    return status_ok();
}

struct status resp_string_reply_part(struct resp_call *call, const struct resp_entry *e,
                                     uint64_t offset, size_t size)
{
    uint8_t *room = resp_reply_bulk_room(call->reply, size);

    if (room == NULL)
        return status_of(ST_LIMIT);
    return resp_string_read(call, e, offset, size, room);
}

struct status resp_string_reply(struct resp_call *call, const struct resp_entry *e)
{
    return resp_string_reply_part(call, e, 0, (size_t)e->size_bytes);
}

/* The part of content that chunk index holds. */
static struct bytes chunk_of(struct bytes content, uint32_t index)
{
    size_t start = (size_t)index * RESP_CHUNK_BYTES;

    if (start >= content.size)
        return bytes_of(NULL, 0);
    struct bytes rest = bytes_skip(content, start);
    return bytes_of(rest.data, rest.size < RESP_CHUNK_BYTES ? rest.size : RESP_CHUNK_BYTES);
}

/*
 * Put one chunk: what it held (of the stored object, or of an inline string that becomes one)
 * under the part of bytes, which begin at offset, that falls into it.
 */
static struct status write_chunk(struct resp_call *call, const struct resp_entry *e,
                                 struct bytes inlined, uint64_t object, uint32_t index,
                                 uint64_t offset, struct bytes bytes)
{
    uint8_t content[RESP_CHUNK_BYTES];
    uint8_t key[RESP_CHUNK_KEY_BYTES];
    uint64_t start = (uint64_t)index * RESP_CHUNK_BYTES;
    uint64_t from = offset > start ? offset : start;
    uint64_t to = offset + bytes.size < start + RESP_CHUNK_BYTES ? offset + bytes.size
                                                                 : start + RESP_CHUNK_BYTES;
    bool is_covered = from == start && to == start + RESP_CHUNK_BYTES;
    struct bytes old = chunk_of(inlined, index);

    if (object == e->object && !is_covered)
        TRY(resp_string_chunk(call, e, index, &old));
    if (old.size > 0)
        memcpy(content, old.data, old.size);
    size_t size = old.size;
    if (from < to) {
        if (from - start > size)
            memset(content + size, 0, from - start - size);
        memcpy(content + (from - start), bytes.data + (from - offset), to - from);
        if (to - start > size)
            size = to - start;
    }
    resp_place_chunk(&e->place, object, index, key);
    return call->store->ops->put(call->store,
                                 &(struct store_put) { .key = bytes_of(key, sizeof key),
                                                       .value = bytes_of(content, size),
                                                       .type = RESP_ROW_CHUNK });
}

/* Write into a string that has chunks, or is to have them; inlined is its content if it has none
 * yet. */
static struct status write_chunked(struct resp_call *call, struct resp_entry *e,
                                   struct bytes inlined, uint64_t offset, struct bytes bytes,
                                   uint64_t new_size)
{
    bool has_object = e->is_live && e->type == RESP_ROW_STRING_CHUNKED;
    uint64_t object = has_object ? e->object : call->store->ops->fresh_id(call->store);
    uint32_t first = (uint32_t)(offset / RESP_CHUNK_BYTES);
    uint32_t last = (uint32_t)((offset + bytes.size - 1) / RESP_CHUNK_BYTES);
    uint64_t expire_ms = e->is_live ? e->expire_ms : 0;

    if (has_object) {
        if (first != last)
            resp_string_prefetch(call, e, offset, bytes.size);
    } else {
        /* The chunks of the old content that the new bytes do not touch. */
        for (uint32_t i = 0; i < first && (uint64_t)i * RESP_CHUNK_BYTES < inlined.size; i++)
            TRY(write_chunk(call, e, inlined, object, i, offset, bytes_of(NULL, 0)));
        for (uint32_t i = last + 1; (uint64_t)i * RESP_CHUNK_BYTES < inlined.size; i++)
            TRY(write_chunk(call, e, inlined, object, i, offset, bytes_of(NULL, 0)));
    }
    for (uint32_t i = first; i <= last; i++)
        TRY(write_chunk(call, e, inlined, object, i, offset, bytes));
    return resp_entry_set_chunked(call, e, object, new_size, expire_ms);
}

struct status resp_string_write(struct resp_call *call, struct resp_entry *e, uint64_t offset,
                                struct bytes bytes)
{
    CHECK(resp_entry_is_string(e));
    CHECK(bytes.size > 0);
    uint64_t old_size = e->is_live ? e->size_bytes : 0;
    uint64_t end = offset + bytes.size;
    uint64_t new_size = end > old_size ? end : old_size;
    bool is_inline = e->is_live && e->type == RESP_ROW_STRING;
    struct bytes inlined = is_inline ? resp_string_inline(e) : bytes_of(NULL, 0);

    if (new_size > RESP_INLINE_MAX_BYTES)
        return write_chunked(call, e, inlined, offset, bytes, new_size);

    uint8_t *content = arena_take(call->arena, (size_t)new_size);
    if (content == NULL)
        return status_of(ST_NO_MEMORY);
    if (inlined.size > 0)
        memcpy(content, inlined.data, inlined.size);
    if (offset > old_size)
        memset(content + old_size, 0, (size_t)(offset - old_size));
    memcpy(content + offset, bytes.data, bytes.size);
    return resp_entry_set_string(call, e, bytes_of(content, (size_t)new_size),
                                 e->is_live ? e->expire_ms : 0);
}

/* Chunks whose reads are started before the first of them is waited for. */
enum { COPY_WINDOW = 1024 };

static void prefetch_window(struct resp_call *call, const struct resp_entry *e, uint32_t index)
{
    uint64_t offset = (uint64_t)index * RESP_CHUNK_BYTES;
    uint64_t size = (uint64_t)COPY_WINDOW * RESP_CHUNK_BYTES;

    if (size > e->size_bytes - offset)
        size = e->size_bytes - offset;
    resp_string_prefetch(call, e, offset, size);
}

struct status resp_string_copy(struct resp_call *call, const struct resp_entry *from,
                               struct resp_entry *to)
{
    struct store *s = call->store;
    uint8_t key[RESP_CHUNK_KEY_BYTES];
    struct bytes content;

    if (from->type == RESP_ROW_STRING)
        return resp_entry_set_string(call, to, resp_string_inline(from), from->expire_ms);
    uint64_t object = s->ops->fresh_id(s);
    uint32_t last = (uint32_t)((from->size_bytes - 1) / RESP_CHUNK_BYTES);
    for (uint32_t i = 0; i <= last; i++) {
        if (i % COPY_WINDOW == 0)
            prefetch_window(call, from, i);
        TRY(resp_string_chunk(call, from, i, &content));
        if (content.size == 0)
            continue;
        resp_place_chunk(&to->place, object, i, key);
        TRY(s->ops->put(s, &(struct store_put) { .key = bytes_of(key, sizeof key),
                                                 .value = content,
                                                 .type = RESP_ROW_CHUNK }));
    }
    return resp_entry_set_chunked(call, to, object, from->size_bytes, from->expire_ms);
}
