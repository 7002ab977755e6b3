/*
 * info -- the sections of INFO. Private to server/.
 *
 * Fields that tools read are there under Redis' names even where they cannot be anything but zero;
 * what is varve's own is in its own section.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_INFO_H
#define VARVE_SERVER_INFO_H

#include "server/server.h"

/* "name:value\r\n" */
void info_u64(struct buf *out, const char *name, uint64_t value);
void info_text(struct buf *out, const char *name, const char *value);
/* "1.50M", as Redis writes sizes for people. */
void info_human(struct buf *out, const char *name, uint64_t bytes);
/* Bytes that the budget has under the tag. */
static inline uint64_t info_held(const struct server *s, enum budget_tag tag)
{
    return atomic_load_explicit(&s->budget.held_bytes[tag], memory_order_relaxed);
}

void server_info_memory(struct server *s, struct buf *out);
void server_info_persistence(struct server *s, struct buf *out);
void server_info_stats(struct server *s, struct buf *out);
void server_info_varve(struct server *s, struct buf *out);

#endif
