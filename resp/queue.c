#include "resp/queue.h"

#include "base/check.h"

/*
 * A queued command is its struct resp_command's address, its argc, the sizes of its arguments, and
 * the arguments, without padding; a watched key is its database, token, size and bytes.
 */

void resp_queue_init(struct resp_queue *q, struct alloc *alloc, size_t size_max, size_t count_max)
{
    *q = (struct resp_queue) { .count_max = count_max };
    buf_init(&q->bytes, alloc, size_max);
}

void resp_queue_deinit(struct resp_queue *q)
{
    buf_deinit(&q->bytes);
}

/* Drop what a buf holds, its memory too. */
static void empty(struct buf *b)
{
    struct alloc *alloc = b->alloc;
    size_t size_max = b->size_max;

    buf_deinit(b);
    buf_init(b, alloc, size_max);
}

void resp_queue_reset(struct resp_queue *q)
{
    empty(&q->bytes);
    q->count = 0;
}

/* After appends: keep them, or take all since size back. */
static struct status keep_or_rewind(struct buf *b, size_t size, size_t *count, size_t count_max)
{
    if (!b->is_failed && *count < count_max) {
        *count += 1;
        return status_ok();
    }
    b->size = size;
    b->is_failed = false;
    return status_of(ST_LIMIT);
}

struct status resp_queue_push(struct resp_queue *q, const struct resp_command *command,
                              const struct bytes *argv, size_t argc)
{
    size_t start = q->bytes.size;

    buf_append(&q->bytes, bytes_of(&command, sizeof(struct resp_command *)));
    buf_append_u64(&q->bytes, argc);
    for (size_t i = 0; i < argc; i++)
        buf_append_u64(&q->bytes, argv[i].size);
    for (size_t i = 0; i < argc; i++)
        buf_append(&q->bytes, argv[i]);
    return keep_or_rewind(&q->bytes, start, &q->count, q->count_max);
}

struct status resp_queue_next(const struct resp_queue *q, struct resp_queue_place *place,
                              struct arena *arena, struct resp_queued *out)
{
    struct bytes rest = bytes_skip(buf_bytes(&q->bytes), place->offset);
    struct bytes address;
    uint64_t argc;

    if (rest.size == 0)
        return status_of(ST_NOT_FOUND);
    bool is_whole = take_bytes(&rest, sizeof out->command, &address) && take_u64(&rest, &argc);
    CHECK(is_whole);
    struct bytes *argv = arena_take(arena, argc * sizeof *argv);
    if (argv == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < argc; i++) {
        uint64_t size;
        is_whole = take_u64(&rest, &size);
        CHECK(is_whole);
        argv[i].size = size;
    }
    for (size_t i = 0; i < argc; i++) {
        is_whole = take_bytes(&rest, argv[i].size, &argv[i]);
        CHECK(is_whole);
    }
    memcpy(&out->command, address.data, sizeof out->command);
    out->argv = argv;
    out->argc = argc;
    place->offset = q->bytes.size - rest.size;
    return status_ok();
}

void resp_watches_init(struct resp_watches *w, struct alloc *alloc, size_t size_max,
                       size_t count_max)
{
    *w = (struct resp_watches) { .count_max = count_max };
    buf_init(&w->bytes, alloc, size_max);
}

void resp_watches_deinit(struct resp_watches *w)
{
    buf_deinit(&w->bytes);
}

void resp_watches_reset(struct resp_watches *w)
{
    empty(&w->bytes);
    w->count = 0;
}

struct status resp_watches_push(struct resp_watches *w, const struct resp_watched *watched)
{
    size_t start = w->bytes.size;

    buf_append_u32(&w->bytes, watched->database);
    buf_append(&w->bytes, bytes_of(&watched->token, sizeof watched->token));
    buf_append_u64(&w->bytes, watched->key.size);
    buf_append(&w->bytes, watched->key);
    return keep_or_rewind(&w->bytes, start, &w->count, w->count_max);
}

void resp_watches_rewind(struct resp_watches *w, size_t size, size_t count)
{
    w->bytes.size = size;
    w->count = count;
}

bool resp_watches_next(const struct resp_watches *w, size_t *offset, struct resp_watched *out)
{
    struct bytes rest = bytes_skip(buf_bytes(&w->bytes), *offset);
    struct bytes token;
    uint64_t size;

    if (rest.size == 0)
        return false;
    bool is_whole = take_u32(&rest, &out->database) &&
                    take_bytes(&rest, sizeof out->token, &token) && take_u64(&rest, &size) &&
                    take_bytes(&rest, size, &out->key);
    CHECK(is_whole);
    memcpy(&out->token, token.data, sizeof out->token);
    *offset = w->bytes.size - rest.size;
    return true;
}
