/*
 * Any bytes as what two clients send, to a gateway over a store in memory: whatever they say, every
 * reply is well-formed and the rows of the store agree with each other afterwards. The first byte
 * of the input says whether rows must be read from afar, whether a write fails and which, and how
 * fast time goes; a byte 0xff in the rest is the end of what one client says.
 */
#include "base/check.h"

#include "resp/keys.h"
#include "resp/session.h"

#include "tests/resp/support/gateway.h"
#include "tests/resp/support/reply_reader.h"

/* A few bytes may ask for hours of work (LCS of long strings, DEBUG DIGEST-VALUE k k k ..., EXEC of
 * commands that each read everything), and only time tells a hang. So values have room for some
 * chunks and no more, what KEYS collects and LOLWUT draws is little, and after so many bytes reads
 * fail. No input of 10 KB was found that takes two seconds of an idle core. */
enum {
    VALUE_MAX_BYTES = RESP_INLINE_MAX_BYTES + 2 * RESP_CHUNK_BYTES,
    READ_MAX_BYTES = 64 << 20,
    ITERATION_MAX_BYTES = 16 << 10,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gateway g;
    size_t client = 0;

    if (size < 1)
        return 0;
    gateway_open(&g);
    g.reply_max = 16 << 20;
    resp_limits(g.resp)->bulk_max_bytes = VALUE_MAX_BYTES;
    resp_limits(g.resp)->string_max_bytes = VALUE_MAX_BYTES;
    g.store.read_max_bytes = READ_MAX_BYTES;
    g.resp->options.iteration_max_bytes = ITERATION_MAX_BYTES;
    g.store.is_cold = data[0] & 1;
    g.store.fail_at = data[0] >> 2 & 7;
    g.store.fail_with = data[0] & 32 ? ST_LIMIT : ST_NO_SPACE;

    struct bytes rest = bytes_of(data + 1, size - 1);
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, 0xff, rest.size);
        size_t said = end == NULL ? rest.size : (size_t)(end - rest.data);
        struct bytes reply = gateway_send(&g, client, bytes_of(rest.data, said));
        while (reply.size > 0)
            reply_skip(&reply);
        rest = bytes_skip(rest, end == NULL ? said : said + 1);
        client = 1 - client;
        g.store.now_ms += data[0] & 2 ? 1000 : 1;
    }
    gateway_close(&g);
    return 0;
}
