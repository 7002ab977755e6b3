/*
 * checkpoint -- the copy of the store that SAVE and BGSAVE make: dir/NAME, which opens as a store
 * (`varve server --dir dir/NAME`).
 *
 * It is made beside its place, as NAME.new, and moves there when it is whole and synced; the one
 * before steps aside as NAME.old, and goes when its successor is in place. Tables and value files
 * are links, so a copy takes no space until the store lets go of what it has.
 *
 *   1. At every moment, after a crash too, NAME or NAME.old is a whole checkpoint, if one ever was;
 *      checkpoint_recover makes it NAME again.
 *
 * Threads: one at a time; blocking.
 */
#ifndef VARVE_SERVER_CHECKPOINT_H
#define VARVE_SERVER_CHECKPOINT_H

#include "base/errbuf.h"
#include "base/io.h"
#include "base/status.h"

struct lsm;

/* Requires: what is to be in it is flushed. Background thread. As lsm_checkpoint. */
MUST_CHECK struct status server_checkpoint_make(struct io *io, struct lsm *l, struct io_ring *ring,
                                                const char *dir, const char *name,
                                                struct errbuf *err);
/* After a crash in between. */
MUST_CHECK struct status server_checkpoint_recover(struct io *io, const char *dir,
                                                   const char *name);

#endif
