/*
 * picker -- which files to compact next: a pure function of the version. Private to lsm/.
 *
 * Leveled with dynamic level bytes (Dong et al., "Optimizing Space Amplification in RocksDB", CIDR
 * 2017): the last level has what data there is, each level above a fanout less, the first of them
 * the base size at least; there is none above one that is less than twice the base size, and L0
 * goes to the first there is. So nine tenths of the data lie in the last level, whatever its size,
 * once that is ten base sizes.
 *
 *   score(L0) = files / l0_compact, and bytes / base size if that is more
 *   score(Ln) = bytes / target
 *
 * The level with the greatest score >= 1 is worked on. L0: its oldest file and those whose keys
 * meet (all of it, if keys come at random; one that moves as it is, if they rise), with what they
 * overlap. Ln: the file with the least overlap for its size (ties: the one with the least keys).
 *
 * Threads: any; nothing is changed.
 */
#ifndef VARVE_LSM_PICKER_H
#define VARVE_LSM_PICKER_H

#include "lsm/job.h"

struct lsm_level_targets {
    uint32_t base; /* Where L0 goes. */
    uint64_t bytes[LSM_LEVELS];
};
void lsm_level_targets(const struct lsm_version *v, const struct lsm_options *o,
                       struct lsm_level_targets *out);

/* OK and a compaction (its arrays are the caller's); NOT_FOUND when nothing is due; NO_MEMORY. */
MUST_CHECK struct status lsm_pick(const struct lsm_version *v, const struct lsm_options *o,
                                  struct alloc *a, struct lsm_compaction *out);

/* The next step of a user's request: the files of [begin, end] in the uppermost level that has any,
 * to the next; the bottom level, once, onto itself if it holds what could go (deletes, old
 * versions). NOT_FOUND when it is done. */
MUST_CHECK struct status lsm_pick_range(const struct lsm_version *v, const struct lsm_options *o,
                                        struct alloc *a, struct lsm_compact_request *r,
                                        struct lsm_compaction *out);

/* The value file to rewrite: under half live, the one with most garbage, when value files take more
 * than space_amp times what is live in them. false: none. pinned says what must not be touched. */
bool lsm_pick_rewrite(const struct lsm_version *v, double space_amp,
                      bool (*is_pinned)(void *context, uint64_t logical), void *context,
                      uint64_t *out_logical);

/* May [begin, end] (end size 0: begin alone) have versions in levels below `level`? */
bool lsm_version_may_lie_below(const struct lsm_version *v, uint32_t level, struct bytes begin,
                               struct bytes end);

#endif
