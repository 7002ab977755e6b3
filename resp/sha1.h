/*
 * sha1 -- SHA-1 (FIPS 180-4), for what Redis names by it: digests of data sets. Not for secrets.
 *
 * Threads: one owner.
 */
#ifndef VARVE_RESP_SHA1_H
#define VARVE_RESP_SHA1_H

#include "base/bytes.h"

enum { RESP_SHA1_BYTES = 20, RESP_SHA1_BLOCK = 64 };

struct resp_sha1 {
    uint32_t state[RESP_SHA1_BYTES / 4];
    uint64_t size_bytes;
    uint8_t block[RESP_SHA1_BLOCK]; /* The last size_bytes % RESP_SHA1_BLOCK bytes. */
};

void resp_sha1_init(struct resp_sha1 *s);
void resp_sha1_add(struct resp_sha1 *s, struct bytes bytes);
/* The digest of all that was added; s is used up. */
void resp_sha1_end(struct resp_sha1 *s, uint8_t out[RESP_SHA1_BYTES]);

/* All three. */
void resp_sha1_of(struct bytes bytes, uint8_t out[RESP_SHA1_BYTES]);

#endif
