/*
 * dump -- a value as DUMP writes it and RESTORE reads it: the form Redis' RDB files have.
 *
 *   offset    size  field
 *        0       1  type: 0, a string
 *        1       *  the string
 *   end - 10     2  version of the form
 *   end -  8     8  CRC-64 (base/crc64.h) of all before it; 0: it was not taken
 *
 * A string is its size and its bytes; or one of the packed kinds. Multi-byte sizes are big-endian,
 * all other numbers little-endian:
 *
 *   00ssssss                 a size below 64
 *   01ssssss s               below 16384
 *   10000000 s(4)            below 2^32
 *   10000001 s(8)
 *   11000000 n(1)            the number n in decimal, with a sign; (2), (4) bytes likewise
 *   11000001 n(2)
 *   11000010 n(4)
 *   11000011 size size ...   LZF: packed size, size, and the packed bytes (lzf.h)
 *
 * The two sizes of the last kind may also be 11ssssss, which is 00ssssss there.
 *
 * Written are version 9, which every Redis since 5 reads, numbers as numbers, and all else plain.
 * Read is what the first bytes say, as Redis does once the checksum is right: what follows the
 * string is passed over, and a string may reach into the last ten bytes.
 *
 * Threads: any; values only. Format: docs/format/dump.md.
 */
#ifndef VARVE_RESP_DUMP_H
#define VARVE_RESP_DUMP_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/status.h"

enum {
    RESP_DUMP_VERSION = 9,
    RESP_DUMP_VERSION_MAX = 12, /* Read; strings are the same in all. */
    RESP_DUMP_HEAD_MAX = 1 + 9,
    RESP_DUMP_FOOT = 2 + 8,
};

/* Write what comes before the content of a string of this size. Returns its bytes. */
size_t resp_dump_head(uint64_t size, uint8_t out[RESP_DUMP_HEAD_MAX]);
/* Where content spells a number of 32 bits: write that, which stands for head and content. Returns
 * its bytes; 0: it does not. */
size_t resp_dump_number(struct bytes content, uint8_t out[RESP_DUMP_HEAD_MAX]);
/* Write the last RESP_DUMP_FOOT bytes of a payload of size bytes, those included. */
void resp_dump_foot(uint8_t *payload, size_t size);

/*
 * The string in a payload: borrowed from it, or in the arena. INVALID: version or checksum are
 * wrong. CORRUPT: they are right, but it is no string. LIMIT: it is longer than size_max.
 * NO_MEMORY. No size in it is believed further than the bytes that are there allow.
 */
MUST_CHECK struct status resp_dump_read(struct bytes payload, uint64_t size_max,
                                        struct arena *arena, struct bytes *out_string);

#endif
