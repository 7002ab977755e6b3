/*
 * liveness -- which values of a value file a table refers to: rising runs of ordinals.
 *
 * Body, after which comes the trailer (lsm/table_format.h):
 *
 *   offset  size  field
 *        0     4  reference   index into the table's reference table
 *        4     4  count       ordinals in all, >= 1
 *        8     *  runs        varint gap << 1 | is_long; if is_long, varint length - 2
 *
 * gap is the distance from the end of the run before (from 0 for the first, else at least 1): a
 * value here and there takes a byte or two, a run of any length three or so.
 * Example, ordinals 5, 7, 8, 9 of reference 1:
 *
 *   01 00 00 00  04 00 00 00  0a  03 01        gap 5, one; gap 1, long: 3
 *
 * Threads: any; values only.
 */
#ifndef VARVE_LSM_LIVENESS_H
#define VARVE_LSM_LIVENESS_H

#include "base/buf.h"

enum { LSM_LIVENESS_HEADER = 8 };

/* Append the body for count distinct, rising ordinals. Failure shows in out. */
void lsm_liveness_encode(uint32_t ref, const uint32_t *ordinals, size_t count, struct buf *out);

/* Sort count numbers, with room for as many in scratch. Returns the one of the two that has them.
 */
uint64_t *lsm_liveness_sort(uint64_t *numbers, uint64_t *scratch, size_t count);

typedef void lsm_liveness_visit(void *context, uint32_t first, uint32_t count);
/* CORRUPT if body is not exactly what lsm_liveness_encode writes for ref; visit may have seen runs
 * before that shows. */
MUST_CHECK struct status lsm_liveness_decode(struct bytes body, uint32_t ref,
                                             lsm_liveness_visit *visit, void *context);

#endif
