/*
 * parse_stream -- run a parser over a stream that arrives in pieces, and tell what it found, as
 * text: "[GET][key]\n" a request, "!Protocol error: ...\n" at the end of a bad stream, "...\n" at
 * the end of an unfinished one. Used by the parser's tests and its fuzz target.
 *
 * Every piece is moved to a fresh allocation of exactly its size, as a connection's buffer may
 * move, and so that a sanitizer sees a read beyond it.
 */
#ifndef VARVE_TESTS_RESP_PARSE_STREAM_H
#define VARVE_TESTS_RESP_PARSE_STREAM_H

#include "base/buf.h"

#include "resp/parse.h"

#include <stdbool.h>

struct parse_stream {
    const struct resp_limits *limits;
    bool is_trusted;
    size_t first_piece; /* Bytes that arrive first; 0: all. */
    size_t piece;       /* Bytes that arrive each time after; 0: the rest. */
};

/* Append what is found in stream to out. */
void parse_stream_run(const struct parse_stream *s, struct bytes stream, struct buf *out);

#endif
