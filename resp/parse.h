/*
 * parse -- requests out of a byte stream, in place.
 *
 * A parser is handed the bytes a connection has received and not yet consumed. It finds the next
 * request and hands it back as views into those very bytes: nothing is copied, and nothing is
 * allocated for a command once the argument array has grown to its size. It stops at any byte and
 * goes on when there are more, wherever the bytes have moved meanwhile; each byte is looked at
 * once.
 *
 * Two forms are understood. An array of bulk strings, and a line of words ("inline", what people
 * type into telnet), whose quotes and escapes are resolved over the line itself:
 *
 *     *2\r\n $3\r\nGET\r\n $3\r\nkey\r\n              GET "key"\r\n
 *
 * Invariants:
 *   1. A length is compared with its limit before it is believed, and memory is taken for what
 *      has arrived, never for what is announced.
 *   2. The requests found do not depend on where the stream was cut.
 *   3. Until a client is trusted (has authenticated, or need not), its requests are small.
 *
 * Threads: one owner. Format: https://redis.io/docs/reference/protocol-spec.
 */
#ifndef VARVE_RESP_PARSE_H
#define VARVE_RESP_PARSE_H

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp_limits {
    size_t args_max;          /* Arguments of a request. */
    size_t bulk_max_bytes;    /* One argument (proto-max-bulk-len). */
    size_t line_max_bytes;    /* An inline request, or the line that announces a length. */
    size_t request_max_bytes; /* A request with all its framing (client-query-buffer-limit). */
    /* What a string may grow to, with commands that each write a part of it. */
    uint64_t string_max_bytes;
};

/* What Redis allows. */
#define RESP_LIMITS_DEFAULT                                                                        \
    ((struct resp_limits) { .args_max = 1024 * 1024,                                               \
                            .bulk_max_bytes = (size_t)512 << 20,                                   \
                            .line_max_bytes = 64 << 10,                                            \
                            .request_max_bytes = (size_t)1 << 30,                                  \
                            .string_max_bytes = UINT64_C(512) << 20 })

/* What a client may send before it is trusted. */
enum { RESP_UNTRUSTED_ARGS_MAX = 10, RESP_UNTRUSTED_BULK_MAX_BYTES = 16 << 10 };

struct resp_request {
    const struct bytes *argv; /* Borrowed, as the bytes they view, until the next resp_parse. */
    size_t argc;              /* 0: an empty line or array, which is not answered. */
    size_t size_bytes;        /* Of the stream; the next request begins behind them. */
};

enum resp_parse_result {
    RESP_PARSE_REQUEST, /* *out_request is set. */
    RESP_PARSE_MORE,    /* All bytes are looked at; call again with more behind them. */
    RESP_PARSE_BAD,     /* Not the protocol. Answer parser->error and close; the state is final. */
};

struct resp_parser {
    struct alloc *alloc;
    const struct resp_limits *limits; /* Borrowed; may change between requests. */
    bool is_trusted;
    bool is_done;    /* The last call returned a request; the next begins a new one. */
    bool has_bulk;   /* bulk_bytes is known, its bytes are awaited. */
    bool has_count;  /* The array's header is behind us. */
    size_t position; /* Bytes of this request that are parsed. */
    size_t searched; /* Bytes of this request in which the current line is known not to end. */
    size_t args_left;
    size_t bulk_bytes;
    struct bytes *argv; /* While the request is incomplete, data is an offset, see parse.c. */
    size_t argc;
    size_t argv_capacity;
    bool is_too_big; /* After RESP_PARSE_BAD: beyond limits->request_max_bytes. */
    char error[56];  /* What went wrong, after RESP_PARSE_BAD: "Protocol error: ...". */
};

void resp_parser_init(struct resp_parser *p, struct alloc *alloc, const struct resp_limits *limits,
                      bool is_trusted);
void resp_parser_deinit(struct resp_parser *p);

/*
 * Parse the request that begins at data[0]. While the result is MORE, the next call must bring the
 * same bytes, at the same or another address, with more behind them. An inline request is
 * rewritten over its own bytes.
 */
enum resp_parse_result resp_parse(struct resp_parser *p, uint8_t *data, size_t size,
                                  struct resp_request *out_request);

/* After MORE with size bytes at hand: how many are missing at least. A hint for the size of the
 * next read; announced by the client, so to be believed only as far as memory is to spare. */
size_t resp_parser_missing(const struct resp_parser *p, size_t size);

/* Give the arguments' array back, unless a request has begun. The last one's are gone then. */
void resp_parser_trim(struct resp_parser *p);

/* Bytes of memory the parser holds. */
size_t resp_parser_held(const struct resp_parser *p);

#endif
