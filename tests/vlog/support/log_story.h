/*
 * log_story -- what a tree does to its log, as a string of letters, with a manifest that survives
 * power cuts; and the judgement of what is left of it.
 *
 *   a  append an entry without values        v  ... with two values
 *   g  stage three entries, write them at once
 *   h  append one that needs a segment of its own
 *   b  barrier: all that is written is durable ("durable" is marked)
 *   s  log a group's hard state ("term" is marked when it is acknowledged)
 *   r  roll                                  k  let the background work
 *   i  idle until the seal                   o  close and open again
 *   f  flush: barrier, adopt segments with values, edit the manifest, release the others
 *   w  rewrite every value file, keeping the even ordinals of what is left
 *   d  drop the first value file
 *
 * "ack" is marked with the index of an entry that is acknowledged. Threads: one.
 */
#ifndef VARVE_TESTS_VLOG_LOG_STORY_H
#define VARVE_TESTS_VLOG_LOG_STORY_H

#include "tests/crash/support/enumerate.h"
#include "tests/vlog/support/log_fixture.h"

struct log_story {
    struct log_fixture log;
    struct io_sim *sim;

    /* In the manifest beside what the fixture keeps. */
    uint64_t flushed_index;
    uint32_t kept_every[LOG_FILES_MAX]; /* By position in log.files: ordinals that are live. */

    uint64_t acked_index;
    uint64_t term;
};

/* Tell the story on sim, from an empty disk, until the end or a failure that ends it. Memory comes
 * from alloc (NULL: the fixture's own). */
void log_story_tell(struct log_story *s, struct io_sim *sim, struct alloc *alloc,
                    const struct vlog_options *options, const char *script);
/* Forget what was told. */
void log_story_deinit(struct log_story *s);

/* Is what the machine holds what may be left of the story that was told last? Opens the log there,
 * reads everything, writes on, and opens it once more. */
bool log_story_verify(const struct log_story *told, const struct crash_state *state,
                      struct errbuf *why);

#endif
