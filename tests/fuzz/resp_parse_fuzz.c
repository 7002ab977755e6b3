/*
 * The request parser on any bytes: what it finds does not depend on where the stream is cut. The
 * first byte of the input picks the limits and the trust, the second the size of the pieces.
 */
#include "tests/resp/support/parse_stream.h"

#include "base/check.h"

static void run(const struct parse_stream *s, struct bytes stream, struct buf *out)
{
    buf_init(out, alloc_heap(), SIZE_MAX / 2);
    parse_stream_run(s, stream, out);
    CHECK(!out->is_failed);
}

static void expect_same(const struct parse_stream *s, struct bytes stream, const struct buf *whole)
{
    struct buf cut;

    run(s, stream, &cut);
    CHECK(bytes_equal(buf_bytes(whole), buf_bytes(&cut)));
    buf_deinit(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct resp_limits limits[2] = {
        { .args_max = 1 << 20,
          .bulk_max_bytes = 512 << 20,
          .line_max_bytes = 64 << 10,
          .request_max_bytes = 1 << 30 },
        { .args_max = 5, .bulk_max_bytes = 20, .line_max_bytes = 24, .request_max_bytes = 64 },
    };
    struct parse_stream s = { 0 };
    struct buf whole;

    if (size < 2)
        return 0;
    struct bytes stream = bytes_of(data + 2, size - 2);
    s.limits = &limits[data[0] & 1];
    s.is_trusted = (data[0] & 2) != 0;
    run(&s, stream, &whole);

    s.piece = 1 + data[1] % 16;
    s.first_piece = 1 + data[1] / 16;
    expect_same(&s, stream, &whole);
    if (stream.size <= 64) {
        s.piece = 0;
        for (s.first_piece = 1; s.first_piece < stream.size; s.first_piece++)
            expect_same(&s, stream, &whole);
    }
    buf_deinit(&whole);
    return 0;
}
