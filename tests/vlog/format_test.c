/*
 * The bytes of the log: each piece reads back as it was written, and a flipped bit anywhere in it
 * is noticed.
 */
#include "vlog/format.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/must.h"

static const uint8_t store[VLOG_UUID] = "0123456789abcdef";

Test(vlog_format, a_name_is_read_back_and_has_one_spelling)
{
    static const struct {
        const char *name;
        uint64_t id; /* 0: not a name of the log. */
        enum vlog_kind kind;
    } rows[] = {
        { "00000001.log", 1, VLOG_SEGMENT },
        { "00000012.free", 12, VLOG_FREE },
        { "99999999.val", 99999999, VLOG_VALUES },
        { "100000000.val", 100000000, VLOG_VALUES },
        { "18446744073709551615.log", UINT64_MAX, VLOG_SEGMENT },
        { "18446744073709551616.log", 0, VLOG_SEGMENT },
        { "00000000.log", 0, VLOG_SEGMENT },
        { "1.log", 0, VLOG_SEGMENT },
        { "0100000000.log", 0, VLOG_SEGMENT },
        { "00000001.logs", 0, VLOG_SEGMENT },
        { "00000001", 0, VLOG_SEGMENT },
        { "x0000001.log", 0, VLOG_SEGMENT },
        { "00000001.sst", 0, VLOG_SEGMENT },
        { ".log", 0, VLOG_SEGMENT },
        { "", 0, VLOG_SEGMENT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum vlog_kind kind;
        uint64_t id;
        bool is_ours = vlog_name_parse(rows[i].name, &id, &kind);
        cr_assert_eq(is_ours, rows[i].id != 0, "%s", rows[i].name);
        if (!is_ours)
            continue;
        char written[VLOG_NAME_MAX];
        cr_assert_eq(id, rows[i].id, "%s", rows[i].name);
        cr_assert_eq((int)kind, (int)rows[i].kind, "%s", rows[i].name);
        vlog_name(id, kind, written);
        cr_assert_str_eq(written, rows[i].name);
    }
}

static struct vlog_header sample_header(void)
{
    struct vlog_header h = {
        .kind = VLOG_SEGMENT,
        .physical = 12,
        .logical = 12,
        .size = 65536,
        .first_lsn = 7,
        .resume_lsn = 5,
    };
    memcpy(h.store, store, VLOG_UUID);
    return h;
}

Test(vlog_format, any_flipped_bit_of_a_header_block_is_noticed)
{
    struct vlog_header h = sample_header();
    struct vlog_header read;
    uint8_t block[VLOG_BLOCK] = { 0 };

    vlog_header_write(&h, block);
    MUST(vlog_header_read(block, NULL, &read));
    cr_assert_eq(read.physical, 12);
    cr_assert_eq(read.logical, 12);
    cr_assert_eq(read.size, 65536);
    cr_assert_eq(read.first_lsn, 7);
    cr_assert_eq(read.resume_lsn, 5);
    cr_assert_eq((int)read.kind, (int)VLOG_SEGMENT);
    cr_assert(memcmp(read.store, store, VLOG_UUID) == 0);
    for (size_t bit = 0; bit < VLOG_BLOCK * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        MUST_BE(vlog_header_read(block, NULL, &read), ST_CORRUPT);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Write a field of a block and repair its checksum. */
static void put_field(uint8_t *block, size_t offset, uint64_t v, size_t size)
{
    memcpy(block + offset, &v, size);
    put_u32(block + 8, crc32c(0, block + 12, VLOG_BLOCK - 12));
}

Test(vlog_format, what_a_newer_program_wrote_is_unsupported)
{
    struct vlog_header h = sample_header();
    struct vlog_header read;
    struct errbuf err = { { 0 } };
    uint8_t block[VLOG_BLOCK] = { 0 };

    vlog_header_write(&h, block);
    put_field(block, 12, 2, 4);
    MUST_BE(vlog_header_read(block, &err, &read), ST_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "format version 2"));
    vlog_header_write(&h, block);
    put_field(block, 48, 4, 8);
    MUST_BE(vlog_header_read(block, &err, &read), ST_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "features 0x4"));
}

Test(vlog_format, a_header_that_contradicts_itself_is_corrupt)
{
    struct vlog_header h = sample_header();
    struct vlog_header read;
    uint8_t block[VLOG_BLOCK] = { 0 };

    h.logical = 13;
    vlog_header_write(&h, block);
    MUST_BE(vlog_header_read(block, NULL, &read), ST_CORRUPT);
    h = sample_header();
    h.resume_lsn = h.first_lsn;
    vlog_header_write(&h, block);
    MUST_BE(vlog_header_read(block, NULL, &read), ST_CORRUPT);
}

Test(vlog_format, any_flipped_bit_of_a_batch_is_noticed)
{
    enum { LENGTH = 64 };
    struct vlog_batch b = {
        .lsn = 9,
        .durable_lsn = 8,
        .length = LENGTH,
        .count = 2,
        .first_ordinal = 3,
        .flags = VLOG_BATCH_BLOCKS,
    };
    struct vlog_batch read;
    uint8_t data[VLOG_BATCH_HEADER + LENGTH] = { 0 };
    struct bytes bytes = bytes_of(data, sizeof data);
    uint32_t seed = vlog_seed(store, 12);

    for (size_t i = 0; i < LENGTH; i++)
        data[VLOG_BATCH_HEADER + i] = (uint8_t)(i * 7);
    vlog_batch_write(&b, seed, data);
    cr_assert(vlog_batch_read(bytes, seed, &read));
    cr_assert_eq(read.lsn, 9);
    cr_assert_eq(read.durable_lsn, 8);
    cr_assert_eq(read.length, LENGTH);
    cr_assert_eq(read.count, 2);
    cr_assert_eq(read.first_ordinal, 3);
    cr_assert_eq(read.flags, VLOG_BATCH_BLOCKS);
    cr_assert_eq(vlog_batch_lsn(data), 9);
    for (size_t bit = 0; bit < sizeof data * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_not(vlog_batch_read(bytes, seed, &read), "bit %zu was not noticed", bit);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* Whole, but of another segment, or another store. */
    cr_assert_not(vlog_batch_read(bytes, vlog_seed(store, 13), &read));
    cr_assert_not(
        vlog_batch_read(bytes, vlog_seed((const uint8_t *)"0123456789abcdeF", 12), &read));
    for (size_t size = 0; size < sizeof data; size++)
        cr_assert_not(vlog_batch_read(bytes_of(data, size), seed, &read), "cut at %zu", size);
}

Test(vlog_format, a_record_is_taken_or_left)
{
    struct vlog_record r = {
        .type = VLOG_ENTRY, .group = 1, .term = 2, .index = 3, .body_length = 5, .value_count = 4
    };
    struct vlog_record read;
    uint8_t data[VLOG_RECORD_HEADER + 8] = { 0 };
    struct bytes payload = bytes_of(data, sizeof data);
    struct bytes body;

    vlog_record_write(&r, data);
    memcpy(data + VLOG_RECORD_HEADER, "hello", 5);
    cr_assert(vlog_record_take(&payload, &read, &body));
    cr_assert_eq(payload.size, 0);
    cr_assert_eq(read.type, r.type);
    cr_assert_eq(read.group, r.group);
    cr_assert_eq(read.term, r.term);
    cr_assert_eq(read.index, r.index);
    cr_assert_eq(read.value_count, r.value_count);
    cr_assert(bytes_equal(body, bytes_str("hello")));
    for (size_t size = 0; size < sizeof data; size++) {
        payload = bytes_of(data, size);
        cr_assert_not(vlog_record_take(&payload, &read, &body));
        cr_assert_eq(payload.size, size);
    }
}

Test(vlog_format, any_flipped_bit_of_a_value_is_noticed)
{
    uint8_t data[64] = { 0 };
    size_t size = vlog_value_size(21);
    struct bytes bytes;
    struct bytes value;

    cr_assert_eq(size, 32);
    vlog_value_write(12, 3, bytes_str("twenty-one bytes long"), data);
    bytes = bytes_of(data, size);
    cr_assert_null(vlog_value_take(&bytes, 12, 3, &value));
    cr_assert_eq(bytes.size, 0);
    cr_assert(bytes_equal(value, bytes_str("twenty-one bytes long")));
    for (size_t bit = 0; bit < (VLOG_VALUE_HEADER + 21) * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bytes = bytes_of(data, size);
        cr_assert_not_null(vlog_value_take(&bytes, 12, 3, &value), "bit %zu", bit);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* The right bytes in the wrong place. */
    bytes = bytes_of(data, size);
    cr_assert_not_null(vlog_value_take(&bytes, 13, 3, &value));
    cr_assert_not_null(vlog_value_take(&bytes, 12, 4, &value));
    for (size_t cut = 0; cut < size; cut++) {
        bytes = bytes_of(data, cut);
        cr_assert_not_null(vlog_value_take(&bytes, 12, 3, &value), "cut at %zu", cut);
    }
    /* Zeros are no value, not even an empty one. */
    memset(data, 0, sizeof data);
    bytes = bytes_of(data, sizeof data);
    cr_assert_not_null(vlog_value_take(&bytes, 12, 3, &value));
}

Test(vlog_format, any_flipped_bit_of_a_directory_page_is_noticed)
{
    static const uint32_t offsets[] = { 4096, 0, 8192 };
    uint8_t block[VLOG_BLOCK] = { 0 };
    struct bytes bytes = bytes_of(block, sizeof block);

    vlog_page_write(12, 2, offsets, 3, block);
    cr_assert_null(vlog_page_check(12, 2, bytes));
    cr_assert_eq(vlog_page_offset(block, 0), 4096);
    cr_assert_eq(vlog_page_offset(block, 1), 0);
    cr_assert_eq(vlog_page_offset(block, 2), 8192);
    cr_assert_eq(vlog_page_offset(block, VLOG_PAGE_ORDINALS - 1), 0);
    cr_assert_not_null(vlog_page_check(12, 1, bytes));
    cr_assert_not_null(vlog_page_check(13, 2, bytes));
    for (size_t bit = 0; bit < VLOG_BLOCK * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_not_null(vlog_page_check(12, 2, bytes), "bit %zu", bit);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(vlog_format, any_flipped_bit_of_a_footer_is_noticed)
{
    struct vlog_footer f = {
        .physical = 12,
        .logical = 11,
        .value_count = 2,
        .value_bytes = 300,
        .end = 5000,
        .directory = 8192,
        .ordinal_end = 3,
        .first_lsn = 4,
        .last_lsn = 6,
    };
    struct vlog_footer read;
    uint8_t block[VLOG_BLOCK] = { 0 };

    memcpy(f.store, store, VLOG_UUID);
    vlog_footer_write(&f, block);
    MUST(vlog_footer_read(block, NULL, &read));
    cr_assert_eq(read.logical, 11);
    cr_assert_eq(read.value_bytes, 300);
    cr_assert_eq(read.end, 5000);
    cr_assert_eq(read.directory, 8192);
    cr_assert_eq(read.ordinal_end, 3);
    cr_assert_eq(read.last_lsn, 6);
    for (size_t bit = 0; bit < VLOG_BLOCK * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        MUST_BE(vlog_footer_read(block, NULL, &read), ST_CORRUPT);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    f.value_count = 4; /* More values than ordinals. */
    vlog_footer_write(&f, block);
    MUST_BE(vlog_footer_read(block, NULL, &read), ST_CORRUPT);
}
