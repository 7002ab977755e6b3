/* The serialized form; what Redis wrote in it is read by the transcripts (generic.txt). */
#include "resp/dump.h"
#include "resp/lzf.h"

#include "base/crc64.h"

#include <criterion/criterion.h>

#include <stdio.h>

enum { ROOM = 80 << 10 };

struct payload {
    uint8_t bytes[ROOM];
    size_t size;
};

static void write_string(struct payload *p, struct bytes content)
{
    size_t head = resp_dump_number(content, p->bytes);

    if (head == 0) {
        head = resp_dump_head(content.size, p->bytes);
        memcpy(p->bytes + head, content.data, content.size);
        head += content.size;
    }
    p->size = head + RESP_DUMP_FOOT;
    resp_dump_foot(p->bytes, p->size);
}

/* This body with a right foot. */
static void seal(struct payload *p, struct bytes body, uint16_t version)
{
    memcpy(p->bytes, body.data, body.size);
    put_u16(p->bytes + body.size, version);
    put_u64(p->bytes + body.size + 2, crc64(0, p->bytes, body.size + 2));
    p->size = body.size + RESP_DUMP_FOOT;
}

static enum status_code read_payload(const struct payload *p, uint64_t size_max, struct bytes *out)
{
    static uint8_t copy[ROOM];
    struct arena arena;

    arena_init(&arena, alloc_heap(), 4096, 1 << 20);
    struct status s = resp_dump_read(bytes_of(p->bytes, p->size), size_max, &arena, out);
    if (succeeded(s)) {
        memcpy(copy, out->data, out->size);
        *out = bytes_of(copy, out->size);
    }
    arena_deinit(&arena);
    return s.code;
}

static void expect_back(struct bytes content, size_t payload_size)
{
    static struct payload p;
    struct bytes back;

    write_string(&p, content);
    cr_assert_eq(p.size, payload_size, "%zu bytes", p.size);
    cr_assert_eq(read_payload(&p, ROOM, &back), ST_OK);
    cr_assert(bytes_equal(back, content));
}

/* Sizes around each place where a head grows, numbers around each place where they do. */
Test(resp_dump, what_is_written_reads_back)
{
    static uint8_t content[70000];
    static const struct {
        const char *text;
        size_t size;
    } numbers[] = {
        { "0", 13 },          { "-1", 13 },          { "127", 13 },        { "128", 14 },
        { "-128", 13 },       { "-129", 14 },        { "32767", 14 },      { "32768", 16 },
        { "2147483647", 16 }, { "-2147483648", 16 }, { "2147483648", 22 }, { "-2147483649", 23 },
        { "01", 14 },         { "+1", 14 },          { "-0", 14 },         { "", 12 },
    };

    memset(content, 'x', sizeof content);
    expect_back(bytes_of(content, 63), 63 + 12);
    expect_back(bytes_of(content, 64), 64 + 13);
    expect_back(bytes_of(content, 16383), 16383 + 13);
    expect_back(bytes_of(content, 16384), 16384 + 16);
    expect_back(bytes_of(content, sizeof content), sizeof content + 16);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        expect_back(bytes_str(numbers[i].text), numbers[i].size);
}

Test(resp_dump, any_flipped_bit_is_noticed)
{
    static struct payload p;
    struct bytes out;

    write_string(&p, bytes_str("hello"));
    for (size_t bit = 0; bit < p.size * 8; bit++) {
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(read_payload(&p, ROOM, &out), ST_INVALID, "bit %zu", bit);
        p.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < p.size; size++) {
        struct payload cut = p;
        cut.size = size;
        cr_assert_eq(read_payload(&cut, ROOM, &out), ST_INVALID, "%zu bytes", size);
    }
}

/* A right checksum over a wrong body: sizes that lie, types that are not ours. */
Test(resp_dump, no_size_is_believed)
{
    static const struct {
        const char *body;
        size_t size;
        enum status_code code;
    } rows[] = {
#define ROW(text, code) { text, sizeof(text) - 1, code }
        ROW("", ST_CORRUPT),
        ROW("\x00", ST_CORRUPT),
        ROW("\x01\x01"
            "a",
            ST_CORRUPT),
        ROW("\x00\x10hello", ST_CORRUPT),
        ROW("\x00\x40", ST_CORRUPT),
        ROW("\x00\x80\xff\xff\xff\xffhello", ST_CORRUPT),
        ROW("\x00\x80\x00\x00", ST_CORRUPT),
        ROW("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffhello", ST_CORRUPT),
        ROW("\x00\x82hello", ST_CORRUPT),
        ROW("\x00\xc4\x01", ST_CORRUPT),
        ROW("\x00\xc3", ST_CORRUPT),
        ROW("\x00\xc3\x04\x05\x00"
            "a\x40\x00",
            ST_OK),
        ROW("\x00\xc3\x04\x06\x00"
            "a\x40\x00",
            ST_CORRUPT),
        ROW("\x00\xc3\x04\x04\x00"
            "a\x40\x00",
            ST_CORRUPT),
        ROW("\x00\xc3\x04\x05\x00"
            "a\x40\x01",
            ST_CORRUPT),
        ROW("\x00\xc3\x05\x05\x00"
            "a\x40\x00",
            ST_CORRUPT),
        ROW("\x00\xc3\x0f\x05\x00"
            "a\x40\x00",
            ST_CORRUPT),
        ROW("\x00\xc3\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00"
            "a\x40\x00",
            ST_CORRUPT),
        ROW("\x00\xc3\x04\x80\x00\x00\x10\x00\x00"
            "a\x40\x00",
            ST_CORRUPT),
#undef ROW
    };
    static struct payload p;
    struct bytes out;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        seal(&p, bytes_of(rows[i].body, rows[i].size), 10);
        cr_assert_eq(read_payload(&p, ROOM, &out), rows[i].code, "row %zu", i);
    }
    cr_assert_eq(read_payload(&p, ROOM, &out), ST_CORRUPT);
    for (uint16_t version = 0; version < 20; version++) {
        seal(&p,
             bytes_of("\x00\x01"
                      "a",
                      3),
             version);
        cr_assert_eq(read_payload(&p, ROOM, &out),
                     version <= RESP_DUMP_VERSION_MAX ? ST_OK : ST_INVALID, "version %u", version);
    }
}

/* Under a right checksum the first bytes say what is read, be there more than that or, for as long
 * as the foot lasts, less: redis-server 7.0 gave these answers. */
Test(resp_dump, what_follows_a_string_is_passed_over)
{
    static const struct {
        const char *body;
        size_t size;
        const char *string;
        size_t string_size;
    } rows[] = {
#define ROW(text, string) { text, sizeof(text) - 1, string, sizeof(string) - 1 }
        ROW("\x00\x05hellox", "hello"),
        ROW("\x00\x04hello", "hell"),
        ROW("\x00\x06hello", "hello\x0a"),
        ROW("\x00\x0fhello", "hello\x0a\x00\xa0K\xec\xf7\xb3\x12\xab\x91"),
        ROW("\x00\xc0", "10"),
        ROW("\x00\xc0\x01\x02", "1"),
        ROW("\x00\xc1", "10"),
        ROW("\x00\xc1\x01", "2561"),
        ROW("\x00\xc2\x01\x02", "655873"),
        ROW("\x00\xc3\x04\x05\x00"
            "a\x40\x00x",
            "aaaaa"),
        ROW("\x00\xc3\xc4\xc5\x00"
            "a\x40\x00x",
            "aaaaa"),
        ROW("\x00\xc3\x01\x00\x08", ""),
#undef ROW
    };
    static struct payload p;
    struct bytes out;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        seal(&p, bytes_of(rows[i].body, rows[i].size), 10);
        cr_assert_eq(read_payload(&p, ROOM, &out), ST_OK, "row %zu", i);
        cr_assert(bytes_equal(out, bytes_of(rows[i].string, rows[i].string_size)), "row %zu", i);
    }
    /* The foot alone is behind a number's kind, or its version would have to be such a kind. */
    for (uint8_t kind = 0xc0; kind <= 0xc2; kind++) {
        seal(&p, bytes_of("\x00", 1), kind);
        cr_assert_eq(read_payload(&p, ROOM, &out), ST_INVALID, "kind %x", kind);
        seal(&p, bytes_str(""), (uint16_t)(kind << 8));
        cr_assert_eq(read_payload(&p, ROOM, &out), ST_INVALID, "kind %x", kind);
    }
    memset(p.bytes, 0, RESP_DUMP_FOOT); /* All foot, and its checksum is right. */
    p.size = RESP_DUMP_FOOT;
    cr_assert_eq(read_payload(&p, ROOM, &out), ST_OK);
    cr_assert_eq(out.size, 0);
}

/* 0 says that no checksum was taken; what is under it is believed no more than before. */
Test(resp_dump, a_checksum_may_be_left_out)
{
    static struct payload p;
    struct bytes out;

    write_string(&p, bytes_str("hello"));
    memset(p.bytes + p.size - 8, 0, 8);
    cr_assert_eq(read_payload(&p, ROOM, &out), ST_OK);
    cr_assert(bytes_equal(out, bytes_str("hello")));
    p.bytes[1] += RESP_DUMP_FOOT + 1;
    cr_assert_eq(read_payload(&p, ROOM, &out), ST_CORRUPT);
    p.bytes[p.size - 8] = 1;
    cr_assert_eq(read_payload(&p, ROOM, &out), ST_INVALID);
}

Test(resp_dump, a_string_has_a_size)
{
    static struct payload p;
    struct bytes out;

    write_string(&p, bytes_str("hello"));
    cr_assert_eq(read_payload(&p, 5, &out), ST_OK);
    cr_assert_eq(read_payload(&p, 4, &out), ST_LIMIT);
    seal(&p,
         bytes_of("\x00\xc3\x04\x05\x00"
                  "a\x40\x00",
                  8),
         9);
    cr_assert_eq(read_payload(&p, 5, &out), ST_OK);
    cr_assert(bytes_equal(out, bytes_str("aaaaa")));
    cr_assert_eq(read_payload(&p, 4, &out), ST_LIMIT);
}

/* Copies that overlap themselves by every distance, of every size a control byte can say. */
Test(resp_lzf, copies_repeat_what_is_there)
{
    for (size_t back = 1; back <= 40; back++) {
        for (size_t size = 3; size <= 264; size++) {
            uint8_t whole[64] = { 31 }; /* 32 bytes follow, as they are; then 8. */
            uint8_t out[320];
            size_t at = 1;

            for (size_t i = 0; i < 40; i++) {
                if (i == 32)
                    whole[at++] = 7;
                whole[at++] = (uint8_t)('a' + i);
            }
            if (size - 2 < 7) {
                whole[at++] = (uint8_t)((size - 2) << 5);
            } else {
                whole[at++] = 7 << 5;
                whole[at++] = (uint8_t)(size - 9);
            }
            whole[at++] = (uint8_t)(back - 1);
            cr_assert(resp_lzf_expand(bytes_of(whole, at), out, 40 + size));
            for (size_t i = 0; i < 40; i++)
                cr_assert_eq(out[i], 'a' + i);
            for (size_t i = 40; i < 40 + size; i++)
                cr_assert_eq(out[i], out[i - back], "back %zu, size %zu", back, size);
            cr_assert_not(resp_lzf_expand(bytes_of(whole, at), out, 40 + size - 1));
            cr_assert_not(resp_lzf_expand(bytes_of(whole, at), out, 40 + size + 1));
            cr_assert_not(resp_lzf_expand(bytes_of(whole, at - 1), out, 40 + size));
        }
    }
}
