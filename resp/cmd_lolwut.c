/*
 * LOLWUT: a lake bed. Each line is the layer of a year, thick or thin as the year was; the oldest
 * lie below. The same year is the same layer in every picture of a seed.
 */
#include "resp/cmd.h"

#include "resp/number.h"
#include "resp/session.h"

enum { YEARS = 12, COLUMNS = 48, COLUMNS_MAX = 512, YEARS_MAX = 512 };

/* Steps of a few bits at random; never 0. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A layer's grains: what a summer brings is coarse, what a winter brings is fine. */
static void append_layer(uint64_t *state, size_t columns, struct buf *out)
{
    static const char GRAINS[] = " .:-=+*#";
    size_t grain = next(state) % (sizeof GRAINS - 1);

    for (size_t i = 0; i < columns; i++) {
        uint64_t drift = next(state) % 16;
        if (drift == 0 && grain > 0)
            grain--;
        else if (drift == 1 && grain + 2 < sizeof GRAINS)
            grain++;
        buf_append_u8(out, (uint8_t)GRAINS[grain]);
    }
    buf_append_u8(out, '\n');
}

/* What is no number leaves the size as it is. */
static void take_size(const struct resp_call *call, size_t arg, int64_t most, size_t *out)
{
    int64_t n;

    if (call->argc > arg && resp_int_parse(call->argv[arg], &n))
        *out = (size_t)(n < 1 ? 1 : n > most ? most : n);
}

/* Redis' pictures of versions 5 and 6 insist on numbers, three and two of them; others take what
 * comes. False, and the error is replied. */
static bool check_numbers(struct resp_call *call, size_t first, int64_t version)
{
    size_t count = version == 5 ? 3 : version == 6 ? 2 : 0;
    int64_t n;

    for (size_t i = first; i < call->argc && i < first + count; i++) {
        if (!resp_call_int(call, i, &n))
            return false;
    }
    return true;
}

/* "LOLWUT [VERSION n] [years] [columns]"; every version is this one. */
struct status resp_cmd_lolwut(struct resp_call *call)
{
    size_t first = call->argc > 2 && resp_call_is(call, 1, "version") ? 3 : 1;
    uint64_t state = call->store->ops->random(call->store) | 1;
    size_t years = YEARS;
    size_t columns = COLUMNS;
    int64_t version = 0;
    struct buf text;

    if ((first == 3 && !resp_call_int(call, 2, &version)) || !check_numbers(call, first, version))
        return status_ok();
    take_size(call, first, YEARS_MAX, &years);
    take_size(call, first + 1, COLUMNS_MAX, &columns);
    buf_init(&text, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    for (size_t i = 0; i < years && !text.is_failed; i++)
        append_layer(&state, columns, &text);
    buf_append_format(&text, "\n%zu years of mud. varve, as Redis ver. %s\n", years,
                      RESP_REDIS_VERSION);
    struct status s = text.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
    if (succeeded(s))
        resp_reply_verbatim(call->reply, "txt", buf_bytes(&text));
    buf_deinit(&text);
    return s;
}
