/*
 * reply -- answers, in either version of the protocol.
 *
 * One call an element; the caller says a container's size first, or opens one and says it at the
 * end. What version 2 cannot say it says as it always has: a map as an array of twice the size, a
 * set or push as an array, a double as its text, a boolean as 1 or 0.
 *
 * Output goes to a buf with a maximum. What does not fit sets its is_failed; look once, after the
 * reply. A reply can be taken back with resp_reply_rewind.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RESP_REPLY_H
#define VARVE_RESP_REPLY_H

#include "base/buf.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp_reply {
    struct buf *out; /* Borrowed. */
    int version;     /* 2 or 3. */
    uint64_t errors; /* Error replies written, those taken back included. */
};

void resp_reply_init(struct resp_reply *r, struct buf *out, int version);

/* Text that goes out as it is: constant replies such as "+OK\r\n". */
void resp_reply_raw(struct resp_reply *r, struct bytes bytes);

void resp_reply_ok(struct resp_reply *r);
/* "+text". Requires: no line end in text. */
void resp_reply_status(struct resp_reply *r, const char *text);
/* "-text". Line ends in what is formatted become blanks; at its end they are dropped. */
__attribute__((format(printf, 2, 3))) void resp_reply_error(struct resp_reply *r,
                                                            const char *format, ...);
void resp_reply_int(struct resp_reply *r, int64_t value);
void resp_reply_bool(struct resp_reply *r, bool value);
void resp_reply_double(struct resp_reply *r, double value);
void resp_reply_big_number(struct resp_reply *r, const char *digits);
void resp_reply_bulk(struct resp_reply *r, struct bytes bytes);
void resp_reply_bulk_str(struct resp_reply *r, const char *text);
/* A bulk string of size bytes, which the caller writes where it is told; NULL if there is no
 * room. Borrowed until the next call. */
uint8_t *resp_reply_bulk_room(struct resp_reply *r, size_t size);
/* Text for people; format is three letters, "txt" or "mkd". A bulk string in version 2. */
void resp_reply_verbatim(struct resp_reply *r, const char *format, struct bytes text);
void resp_reply_null(struct resp_reply *r);
/* Where version 2 says that an array is missing, not a string. */
void resp_reply_null_array(struct resp_reply *r);

/* Containers: so many elements (of a map: pairs) follow. */
void resp_reply_array(struct resp_reply *r, size_t count);
void resp_reply_map(struct resp_reply *r, size_t pairs);
void resp_reply_set(struct resp_reply *r, size_t count);
void resp_reply_push(struct resp_reply *r, size_t count);
/* Facts about the reply that follows the pairs. Requires: version 3. */
void resp_reply_attribute(struct resp_reply *r, size_t pairs);

/* Where a reply, or a container whose size is not known yet, begins. */
struct resp_mark {
    size_t offset;
};
struct resp_mark resp_reply_mark(const struct resp_reply *r);

/* Put the header of a container of count elements (pairs) before what was written since its mark.
 * Moves those bytes. Nested containers are closed innermost first. */
void resp_reply_array_at(struct resp_reply *r, struct resp_mark mark, size_t count);
void resp_reply_map_at(struct resp_reply *r, struct resp_mark mark, size_t pairs);

/* Drop what was written since mark, and forget that it did not fit. */
void resp_reply_rewind(struct resp_reply *r, struct resp_mark mark);

#endif
