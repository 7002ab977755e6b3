/*
 * string -- the content of a string, wherever it lies.
 *
 * Reading and writing a part of a chunked string touches the chunks that hold the part, and no
 * others: APPEND and SETRANGE on a long string cost a chunk, not the string.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_STRING_H
#define VARVE_RESP_STRING_H

#include "resp/entry.h"

/* Copy size bytes from offset on to out. Requires: is_live, loaded with its value, and the range
 * lies within size_bytes. AGAIN, CORRUPT, IO. */
MUST_CHECK struct status resp_string_read(struct resp_call *call, const struct resp_entry *e,
                                          uint64_t offset, size_t size, uint8_t *out);

/* Start the reads of a part of a long string: of what will be asked for piece by piece. Requires:
 * is_live. */
void resp_string_prefetch(struct resp_call *call, const struct resp_entry *e, uint64_t offset,
                          uint64_t size);

/* What is stored of one chunk of a long string, borrowed until the command ends: no more than
 * RESP_CHUNK_BYTES; what is missing is zeros. Requires: is_live, chunked. AGAIN, CORRUPT, IO. */
MUST_CHECK struct status resp_string_chunk(struct resp_call *call, const struct resp_entry *e,
                                           uint32_t index, struct bytes *out_content);

/*
 * The whole content, borrowed until the command ends. Requires: is_live, loaded with its value,
 * not chunked.
 */
struct bytes resp_string_inline(const struct resp_entry *e);

/* The whole content in one piece, borrowed until the command ends; a long string is copied to the
 * arena. Requires: is_live, loaded with its value. AGAIN, CORRUPT, IO, NO_MEMORY. */
MUST_CHECK struct status resp_string_gather(struct resp_call *call, const struct resp_entry *e,
                                            struct bytes *out_content);

/* Is this the content? Requires: is_live, loaded with its value. AGAIN, CORRUPT, IO. */
MUST_CHECK struct status resp_string_equals(struct resp_call *call, const struct resp_entry *e,
                                            struct bytes bytes, bool *out_is_equal);

/* Reply the whole content as a bulk string. */
MUST_CHECK struct status resp_string_reply(struct resp_call *call, const struct resp_entry *e);
/* Reply the part of size bytes from offset on. Requires: as resp_string_read. */
MUST_CHECK struct status resp_string_reply_part(struct resp_call *call, const struct resp_entry *e,
                                                uint64_t offset, size_t size);

/*
 * Make to, whatever is stored there, what from is: content and expiry. A chunked string gets chunks
 * of its own; one that is missing stays missing. Requires: from is_live, loaded with its value,
 * both strings of different keys. AGAIN, and as entry: LIMIT when it is too much for one batch.
 */
MUST_CHECK struct status resp_string_copy(struct resp_call *call, const struct resp_entry *from,
                                          struct resp_entry *to);

/*
 * Write bytes at offset; what lies between the old end and offset becomes zeros. An absent key is
 * the empty string. Keeps the expiry of a live key. Requires: loaded with its value, a string,
 * bytes is not empty. AGAIN, and as entry.
 */
MUST_CHECK struct status resp_string_write(struct resp_call *call, struct resp_entry *e,
                                           uint64_t offset, struct bytes bytes);

#endif
