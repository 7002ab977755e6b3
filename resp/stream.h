/*
 * stream -- a part of a string from its beginning to its end, piece by piece, as it was at one
 * moment.
 *
 * For commands that look at much of a string and keep nothing of it. What is short is read through
 * the command's own reads, like everything else. What is long is read through a cursor, which gives
 * back what it has shown: whatever the string has, a piece of it is in memory. Such a command may
 * have to wait many times; its stream is the session's, and goes on where it was when the command
 * is run again (as walks do, resp/scan.h).
 *
 * The moment is that of the cursor: everything that was evaluated before the command, and perhaps
 * something after it. So the key's own row is read again, through the cursor, and it is what holds.
 *
 * Within EXEC, cursors do not show what the transaction wrote; there all of it is read as rows.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_STREAM_H
#define VARVE_RESP_STREAM_H

#include "resp/entry.h"

struct resp_stream {
    struct resp_entry entry; /* What there is; is_live, type and size_bytes hold. */
    /* The command's own count; 0 at the beginning, kept with the stream. */
    uint64_t tally;

    struct store *store;
    struct store_cursor *cursor; /* NULL: rows are read. */
    bool is_open;
    bool is_settled;   /* The key's own row has been seen through the cursor. */
    bool is_begun;     /* It is known what is wanted. */
    uint64_t position; /* Nothing is wanted before. */
    uint64_t end;
};

/* How much of a string at most is read row by row. */
enum { RESP_STREAM_SHORT_BYTES = 1 << 20 };

void resp_stream_init(struct resp_stream *s);
/* Close the cursor, forget everything. For after the command, too. */
void resp_stream_reset(struct resp_stream *s);

struct resp_stream_options {
    uint64_t most_bytes; /* The command will not look at more. */
    /* Through a cursor, however short, and from here to the command's end nobody else writes
     * (STORE_CURSOR_EXACT). Not within EXEC. */
    bool is_exact;
    bool is_scored; /* The command has counted the hit or miss. */
};

/* Open the string at key, or go on where a run before this one had to stop. It may be absent, or no
 * string. AGAIN, CORRUPT, IO, LIMIT, NO_MEMORY. */
MUST_CHECK struct status resp_stream_open(struct resp_stream *s, struct resp_call *call,
                                          struct bytes key,
                                          const struct resp_stream_options *options);

/* What is wanted: bytes [begin, end). Has no effect on a stream that goes on. Requires: opened, a
 * string that is live, end <= size_bytes. */
void resp_stream_want(struct resp_stream *s, struct resp_call *call, uint64_t begin, uint64_t end);

/* The next piece that holds anything of what is wanted; what lies between pieces is zeros. */
struct resp_piece {
    uint64_t offset;
    struct bytes bytes; /* Borrowed until the next call. Not empty. */
};
/* NOT_FOUND: there are no more. AGAIN, CORRUPT, IO. */
MUST_CHECK struct status resp_stream_next(struct resp_stream *s, struct resp_call *call,
                                          struct resp_piece *out);

#endif
