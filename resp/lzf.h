/*
 * lzf -- reading what LibLZF has compressed, which is how Redis packs strings.
 *
 * A run of items, each led by a control byte c:
 *
 *   c < 32    c + 1 bytes follow, as they are
 *   c >= 32   a copy of what is already there: size (c >> 5) + 2, or if c >> 5 is 7, 9 + the next
 *             byte; then a byte b: it begins (c & 31) * 256 + b + 1 bytes back, and may overlap
 * itself
 *
 * Threads: any; values only.
 */
#ifndef VARVE_RESP_LZF_H
#define VARVE_RESP_LZF_H

#include "base/bytes.h"

/* So many times its size may compressed data become: three bytes can say 264. */
enum { RESP_LZF_RATIO_MAX = 88 };

/* Expand packed to exactly size bytes at out. False: it is damaged, or of another size. */
bool resp_lzf_expand(struct bytes packed, uint8_t *out, size_t size);

#endif
