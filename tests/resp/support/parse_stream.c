#include "parse_stream.h"

#include "base/check.h"

#include <stdlib.h>

/* Parse all requests in the received bytes; false when the stream went bad. *out_done: how many
 * bytes the complete ones took. */
static bool parse_received(struct resp_parser *parser, uint8_t *data, size_t size, struct buf *out,
                           size_t *out_done)
{
    size_t done = 0;

    for (;;) {
        struct resp_request request;
        switch (resp_parse(parser, data + done, size - done, &request)) {
        case RESP_PARSE_REQUEST:
            CHECK(request.size_bytes <= size - done);
            for (size_t i = 0; i < request.argc; i++) {
                buf_append_u8(out, '[');
                buf_append(out, request.argv[i]);
                buf_append_u8(out, ']');
            }
            buf_append_u8(out, '\n');
            done += request.size_bytes;
            continue;
        case RESP_PARSE_MORE:
            CHECK(resp_parser_missing(parser, size - done) > 0);
            *out_done = done;
            return true;
        case RESP_PARSE_BAD:
            buf_append_format(out, "!%s\n", parser->error);
            CHECK(resp_parse(parser, data + done, size - done, &request) == RESP_PARSE_BAD);
            return false;
        }
    }
}

void parse_stream_run(const struct parse_stream *s, struct bytes stream, struct buf *out)
{
    struct resp_parser parser;
    uint8_t *held = NULL; /* Received, not yet consumed. */
    size_t held_size = 0;
    size_t arrived = 0;
    bool is_good = true;

    resp_parser_init(&parser, alloc_heap(), s->limits, s->is_trusted);
    while (is_good && arrived < stream.size) {
        size_t piece = arrived == 0 ? s->first_piece : s->piece;
        size_t done;
        if (piece == 0 || piece > stream.size - arrived)
            piece = stream.size - arrived;
        uint8_t *moved = malloc(held_size + piece);
        CHECK(moved != NULL);
        if (held_size > 0)
            memcpy(moved, held, held_size);
        memcpy(moved + held_size, stream.data + arrived, piece);
        free(held);
        held = moved;
        held_size += piece;
        arrived += piece;
        is_good = parse_received(&parser, held, held_size, out, &done);
        if (is_good) {
            memmove(held, held + done, held_size - done);
            held_size -= done;
        }
    }
    if (is_good && held_size > 0)
        buf_append(out, bytes_str("...\n"));
    free(held);
    resp_parser_deinit(&parser);
}
