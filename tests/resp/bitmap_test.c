/* Bitmaps of every size against plain arrays of bytes; what they cost. */
#include "support/gateway.h"

#include <criterion/criterion.h>

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 3, MODEL_MAX = 3 << 20 };

static const char *const NAMES[KEYS] = { "a", "b", "c" };

struct model {
    uint8_t bytes[KEYS][MODEL_MAX]; /* Zeros behind the size. */
    size_t size[KEYS];
};

__attribute__((format(printf, 3, 4))) static void ask(struct gateway *g, int64_t expected,
                                                      const char *format, ...)
{
    char line[256];
    char answer[32];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)snprintf(answer, sizeof answer, ":%lld\r\n", (long long)expected);
    const char *got = gateway_ask(g, 0, line);
    cr_assert_str_eq(got, answer, "%s: %s, not %s", line, got, answer);
}

static bool bit_of(const struct model *m, size_t key, uint64_t i)
{
    return m->bytes[key][i / 8] >> (7 - i % 8) & 1;
}

/* Near the ends of chunks, of what is stored in one row, and anywhere. */
static uint64_t some_bit(uint64_t r)
{
    static const uint64_t edges[] = { 0, 16384, 65536, 65536 + 16384, 1 << 20, MODEL_MAX - 8 };
    uint64_t near = 8 * edges[r % 6] + (r >> 8) % 40;

    return r >> 16 & 1 ? near : (r >> 20) % (8 * (uint64_t)MODEL_MAX);
}

static void set_bit(struct gateway *g, struct model *m, size_t key, uint64_t i, bool value)
{
    ask(g, bit_of(m, key, i), "SETBIT %s %llu %d", NAMES[key], (unsigned long long)i, value);
    uint8_t bit = (uint8_t)(0x80 >> i % 8);
    m->bytes[key][i / 8] = (uint8_t)((m->bytes[key][i / 8] & ~bit) | (value ? bit : 0));
    if (m->size[key] < i / 8 + 1)
        m->size[key] = i / 8 + 1;
}

/* Bytes of both values, a few of them or many chunks. */
static void set_range(struct gateway *g, struct model *m, size_t key, uint64_t r)
{
    static uint8_t content[300000];
    char place[32];
    size_t size = 1 + (r >> 8) % (r % 3 == 0 ? sizeof content : 20);
    size_t offset = (size_t)(some_bit(r >> 16) / 8);

    if (offset + size > MODEL_MAX)
        offset = MODEL_MAX - size;
    for (size_t i = 0; i < size; i++)
        content[i] = (uint8_t)(i / 5000 % 2 == 0 ? 0xff : r >> i % 50);
    (void)snprintf(place, sizeof place, "%zu", offset);
    struct bytes argv[] = { bytes_str("SETRANGE"), bytes_str(NAMES[key]), bytes_str(place),
                            bytes_of(content, size) };
    (void)gateway_command(g, 0, argv, 4);
    memcpy(m->bytes[key] + offset, content, size);
    if (m->size[key] < offset + size)
        m->size[key] = offset + size;
}

static void count(struct gateway *g, const struct model *m, size_t key, uint64_t begin,
                  uint64_t end)
{
    uint64_t bits = 8 * (uint64_t)m->size[key];
    uint64_t set = 0;

    for (uint64_t i = begin; i <= end && i < bits; i++)
        set += bit_of(m, key, i);
    ask(g, (int64_t)set, "BITCOUNT %s %llu %llu BIT", NAMES[key], (unsigned long long)begin,
        (unsigned long long)end);
}

static void find(struct gateway *g, const struct model *m, size_t key, uint64_t begin, uint64_t end,
                 bool value)
{
    uint64_t bits = 8 * (uint64_t)m->size[key];
    uint64_t i = begin;

    while (i <= end && i < bits && bit_of(m, key, i) != value)
        i++;
    bool is_found = i <= end && i < bits;
    ask(g,
        is_found                      ? (int64_t)i
        : m->size[key] == 0 && !value ? 0
                                      : -1,
        "BITPOS %s %d %llu %llu BIT", NAMES[key], value, (unsigned long long)begin,
        (unsigned long long)end);
}

static void combine(struct gateway *g, struct model *m, uint64_t r)
{
    static const char *const ops[] = { "AND", "OR", "XOR", "NOT" };
    size_t to = (r >> 8) % KEYS;
    size_t x = (r >> 12) % KEYS;
    size_t y = (r >> 16) % KEYS;
    int op = r % 4;
    size_t size = op == 3 || m->size[x] > m->size[y] ? m->size[x] : m->size[y];

    ask(g, (int64_t)size, "BITOP %s %s %s %s", ops[op], NAMES[to], NAMES[x],
        op == 3 ? "" : NAMES[y]);
    for (size_t i = 0; i < MODEL_MAX; i++) {
        unsigned a = m->bytes[x][i];
        unsigned b = m->bytes[y][i];
        unsigned result = op == 0 ? a & b : op == 1 ? a | b : op == 2 ? a ^ b : ~a;
        m->bytes[to][i] = i < size ? (uint8_t)result : 0;
    }
    m->size[to] = size;
}

static void check_content(struct gateway *g, const struct model *m, size_t key)
{
    struct bytes argv[] = { bytes_str("GETRANGE"), bytes_str(NAMES[key]), bytes_str("0"),
                            bytes_str("-1") };
    struct bytes reply = gateway_command(g, 0, argv, 4);
    char header[32];
    int size = snprintf(header, sizeof header, "$%zu\r\n", m->size[key]);

    cr_assert_eq(reply.size, (size_t)size + m->size[key] + 2);
    cr_assert(bytes_has_prefix(reply, bytes_of(header, (size_t)size)));
    cr_assert(memcmp(reply.data + size, m->bytes[key], m->size[key]) == 0);
}

static void run_model(bool is_cold, size_t steps, uint64_t seed)
{
    struct gateway g;
    struct model *m = calloc(1, sizeof *m);

    gateway_open(&g);
    g.store.is_cold = is_cold;
    for (size_t i = 0; i < steps; i++) {
        uint64_t r = hash_u64(seed << 32 | i);
        uint64_t s = hash_u64(r);
        size_t key = r % KEYS;
        switch ((r >> 8) % 6) {
        case 0:
            set_bit(&g, m, key, some_bit(s), s >> 60 & 1);
            break;
        case 1:
            set_range(&g, m, key, s);
            break;
        case 2:
            count(&g, m, key, some_bit(s), some_bit(hash_u64(s)));
            break;
        case 3:
            count(&g, m, key, 0, 8 * MODEL_MAX);
            break;
        case 4:
            find(&g, m, key, s >> 40 & 1 ? 0 : some_bit(s), 8 * MODEL_MAX, s >> 41 & 1);
            break;
        default:
            combine(&g, m, s);
            break;
        }
        check_content(&g, m, key);
    }
    gateway_close(&g);
    free(m);
}

Test(resp_bitmap, is_what_was_written, .timeout = 120)
{
    run_model(false, 250, 1);
}

Test(resp_bitmap, is_what_was_written_when_rows_are_far, .timeout = 120)
{
    run_model(true, 60, 2);
}

/* The last bit that a string may have: two rows and a chunk, whatever lies before. */
Test(resp_bitmap, bits_that_are_not_set_cost_nothing)
{
    struct gateway g;

    gateway_open(&g);
    cr_assert_str_eq(gateway_ask(&g, 0, "SETBIT key 4294967296 1"),
                     "-ERR bit offset is not an integer or out of range\r\n");
    cr_assert_eq(map_store_count(&g.store), 0);
    g.store.put_bytes = 0;
    ask(&g, 0, "SETBIT key 4294967295 1");
    cr_assert_eq(map_store_count(&g.store), 2);
    cr_assert_leq(g.store.put_bytes, (16 << 10) + 256);
    ask(&g, 512 << 20, "STRLEN key");
    ask(&g, 1, "GETBIT key 4294967295");
    ask(&g, 0, "GETBIT key 4294967294");
    g.store.put_bytes = 0;
    ask(&g, 0, "SETBIT key 0 1");
    ask(&g, 0, "SETBIT key 2000000000 1");
    cr_assert_leq(g.store.put_bytes, 2 * (16 << 10) + 512);
    g.store.gets = 0;
    ask(&g, 3, "BITCOUNT key");
    ask(&g, 2, "BITCOUNT key 100 -1");
    ask(&g, 2000000000, "BITPOS key 1 1");
    ask(&g, 1, "BITPOS key 0");
    ask(&g, 4294967288, "BITPOS key 0 -1");
    ask(&g, 512 << 20, "BITOP OR to key key");
    ask(&g, 3, "BITCOUNT to");
    cr_assert_leq(g.store.gets, 24, "%zu", g.store.gets);
    cr_assert_leq(map_store_count(&g.store), 8);
    cr_assert_str_eq(gateway_ask(&g, 0, "BITOP NOT to key"),
                     "-ERR command is too large: a key, the reply or the writes exceed their limit"
                     "\r\n");
    ask(&g, 3, "BITCOUNT to");
    ask(&g, 2, "DEL key to");
    cr_assert_eq(map_store_count(&g.store), 0);
    gateway_close(&g);
}

/* However many fields there are, a chunk that holds some is read once and written once. */
Test(resp_bitmap, many_fields_cost_the_chunks_they_lie_in)
{
    struct gateway g;
    static char line[1 << 16];
    int size = snprintf(line, sizeof line, "BITFIELD key");

    gateway_open(&g);
    ask(&g, 8000001, "SETRANGE key 8000000 x");
    for (int i = 0; i < 900; i++)
        size += snprintf(line + size, sizeof line - (size_t)size, " SET u13 %d %d",
                         (i % 3) * 16000000 + 17 * i, i);
    g.store.gets = 0;
    g.store.put_bytes = 0;
    g.store.puts = 0;
    (void)gateway_ask(&g, 0, line);
    cr_assert_leq(g.store.gets, 3 * 3 + 1, "%zu", g.store.gets);
    cr_assert_leq(g.store.put_bytes, 3 * (16 << 10) + 512);
    cr_assert_leq(g.store.puts, 6);
    cr_assert_str_eq(gateway_ask(&g, 0, "BITFIELD_RO key GET u13 17 GET u13 16000017"),
                     "*2\r\n:0\r\n:1\r\n");
    cr_assert_str_eq(gateway_ask(&g, 0, "BITFIELD_RO key GET u13 51 GET u13 16000068"),
                     "*2\r\n:3\r\n:4\r\n");
    gateway_close(&g);
}

/* ---- Others write while a long string is looked through ------------------------------------- */

struct meddler {
    const char *line;
    size_t at; /* The wait in which it writes. */
    size_t waits;
};

static void meddle(struct gateway *g, void *context)
{
    struct meddler *m = context;

    if (m->waits++ == m->at)
        (void)gateway_ask(g, 1, m->line);
}

/*
 * A count is one of a moment: the string before the other client's write or after it, whichever
 * wait that write fell into, and not some of both.
 */
Test(resp_bitmap, is_counted_as_of_one_moment, .timeout = 60)
{
    static const struct {
        const char *line;
        int64_t after;
    } writes[] = {
        { "BITFIELD key SET u8 0 0 SET u8 #2000000 0", 36 },
        { "DEL key", 0 },
        { "SET key abc", 10 },
        { "MULTI\r\nDEL key\r\nSETBIT key 9999999 1\r\nEXEC", 1 },
        { "SETRANGE key 2100000 \"\xff\"", 60 },
        { "PEXPIRE key 0", 0 },
    };

    for (size_t w = 0; w < sizeof writes / sizeof writes[0]; w++) {
        for (size_t at = 0; at < 12; at++) {
            struct gateway g;
            struct meddler m = { .line = writes[w].line, .at = at };
            char after[32];
            gateway_open(&g);
            for (int i = 0; i < 6; i++)
                (void)gateway_ask(
                    &g, 0,
                    (const char *[]) {
                        "SETRANGE key 0 \"\xff\"", "SETRANGE key 16384 \"\xff\x0f\"",
                        "SETRANGE key 500000 \"\xff\"", "SETRANGE key 1900000 \"\xff\"",
                        "SETRANGE key 2000000 \"\xff\"", "SETRANGE key 2090000 \"\xff\"" }[i]);
            ask(&g, 52, "BITCOUNT key");
            g.store.is_cold = true;
            g.between = meddle;
            g.between_context = &m;
            (void)snprintf(after, sizeof after, ":%lld\r\n", (long long)writes[w].after);
            const char *got = gateway_ask(&g, 0, "BITCOUNT key");
            cr_assert(strcmp(got, ":52\r\n") == 0 || strcmp(got, after) == 0, "%s at %zu: %s",
                      writes[w].line, at, got);
            g.between = NULL;
            gateway_close(&g);
        }
    }
}
