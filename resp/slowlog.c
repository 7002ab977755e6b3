#include "resp/slowlog.h"

#include <stdio.h>
#include <string.h>

enum { MORE_MAX_CHARS = 64 };

void resp_slowlog_init(struct resp_slowlog *l, struct alloc *alloc)
{
    *l = (struct resp_slowlog) { .alloc = alloc };
}

void resp_slowlog_trim(struct resp_slowlog *l, uint64_t count_max)
{
    while (l->count > count_max) {
        struct resp_slow_entry *e = l->oldest;
        l->oldest = e->newer;
        *(e->newer != NULL ? &e->newer->older : &l->newest) = NULL;
        alloc_free(l->alloc, e, e->size);
        l->count--;
    }
}

void resp_slowlog_reset(struct resp_slowlog *l)
{
    resp_slowlog_trim(l, 0);
}

/* What an entry has of an argument, written to room if that is not NULL. Returns its size. */
static size_t shorten(const struct resp_slow_command *c, size_t i, size_t kept, uint8_t *room)
{
    char more[MORE_MAX_CHARS];
    struct bytes text = c->argv[i];
    int size = 0;

    if (i < 64 && c->redacted >> i & 1) {
        text = bytes_str("(redacted)");
    } else if (kept == RESP_SLOWLOG_ARGS && i == kept - 1 && c->argc > kept) {
        size = snprintf(more, sizeof more, "... (%zu more arguments)", c->argc - kept + 1);
        text.size = 0;
    } else if (text.size > RESP_SLOWLOG_ARG_BYTES) {
        size =
            snprintf(more, sizeof more, "... (%zu more bytes)", text.size - RESP_SLOWLOG_ARG_BYTES);
        text.size = RESP_SLOWLOG_ARG_BYTES;
    }
    if (room != NULL && text.size > 0)
        memcpy(room, text.data, text.size);
    if (room != NULL && size > 0)
        memcpy(room + text.size, more, (size_t)size);
    return text.size + (size_t)size;
}

/* Copy bytes to *room, which moves behind them. */
static struct bytes take_copy(struct bytes from, uint8_t **room)
{
    struct bytes copy = bytes_of(*room, from.size);

    if (from.size > 0)
        memcpy(*room, from.data, from.size);
    *room += from.size;
    return copy;
}

static void list(struct resp_slowlog *l, struct resp_slow_entry *e)
{
    e->older = l->newest;
    *(l->newest != NULL ? &l->newest->newer : &l->oldest) = e;
    l->newest = e;
    l->count++;
}

void resp_slowlog_add(struct resp_slowlog *l, const struct resp_slow_command *c)
{
    size_t argc = c->argc < RESP_SLOWLOG_ARGS ? c->argc : RESP_SLOWLOG_ARGS;
    size_t size = sizeof(struct resp_slow_entry) + c->address.size + c->name.size;
    uint64_t id = l->next_id++;

    for (size_t i = 0; i < argc; i++)
        size += shorten(c, i, argc, NULL);
    struct resp_slow_entry *e = alloc_bytes(l->alloc, size);
    if (e == NULL)
        return;
    *e = (struct resp_slow_entry) {
        .size = size, .id = id, .time_s = c->time_s, .duration_us = c->duration_us, .argc = argc
    };
    uint8_t *room = (uint8_t *)(e + 1);
    e->address = take_copy(c->address, &room);
    e->name = take_copy(c->name, &room);
    for (size_t i = 0; i < argc; i++) {
        size_t arg_size = shorten(c, i, argc, room);
        e->argv[i] = bytes_of(room, arg_size);
        room += arg_size;
    }
    list(l, e);
}
