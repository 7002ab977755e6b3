/*
 * manifest -- the durable list of what is live: edits, one after another. Private to lsm/.
 *
 *   file header, 64 bytes
 *   offset  size  field
 *        0     8  magic "VRVMANI1"
 *        8     4  format version, 1
 *       12     4  feature bits; unknown ones are refused
 *       16    16  store uuid
 *       32     8  id of this manifest (its file number)
 *       40    20  zero
 *       60     4  crc of bytes [0, 60), salted with the id
 *
 *   then records
 *        0     4  crc of bytes [4, 24 + length), salted with id * 2^32 xor the record's offset
 *        4     4  length of the payload
 *        8     4  type: 1 edit, 2 seal (no payload)
 *       12     4  zero
 *       16     8  size of the manifest known to be durable when the record was built
 *       24     *  payload, padded with zeros to a multiple of 8
 *
 * An edit's payload is tagged fields (lsm/manifest.c). A seal follows an edit once that edit is
 * durable, in a write of its own that nobody waits for. A bad record is a torn tail only if no
 * valid later record knows it to have been durable; else it is corruption, and reported. The window
 * between an edit's sync and its seal's way to the device is the one docs/promises.md names.
 *
 *   1. The first record is an edit that says everything (a snapshot); later ones say what changed.
 *   2. An edit is in force when its record is durable, not before.
 *   3. CURRENT names the manifest in force; it is replaced by rename, and the directory synced,
 *      only when the new manifest is durable.
 *   4. Room is allocated ahead, so that a full disk refuses an edit before anything is written.
 *   5. A failed write or sync poisons the manifest: no later edit is accepted.
 *
 * Threads: one at a time (under the tree's manifest lock). Blocking on the given ring.
 */
#ifndef VARVE_LSM_MANIFEST_H
#define VARVE_LSM_MANIFEST_H

#include "base/env.h"

#include "lsm/version.h"

struct lsm_manifest;

/* Begin manifest number id in dir: write its header and the snapshot edit, make them durable, point
 * CURRENT at it. On failure CURRENT is as it was; but FAILED: nobody knows which manifest CURRENT
 * names after a crash, so no edit may be added to the one before either. */
MUST_CHECK struct status lsm_manifest_create(const struct env *env, struct io_ring *ring,
                                             const char *dir, uint64_t id, const uint8_t uuid[16],
                                             const struct lsm_edit *snapshot,
                                             struct lsm_manifest **out_manifest);
/* Append an edit and make it durable. NO_SPACE: nothing was written. IO: poisoned. */
MUST_CHECK struct status lsm_manifest_append(struct lsm_manifest *m, struct io_ring *ring,
                                             const struct lsm_edit *edit);
uint64_t lsm_manifest_id(const struct lsm_manifest *m);
/* Bytes of the snapshot record, and of everything: rewrite when the ratio is large. */
uint64_t lsm_manifest_snapshot_size(const struct lsm_manifest *m);
uint64_t lsm_manifest_size(const struct lsm_manifest *m);
/* Makes the last seal durable. Takes NULL. */
void lsm_manifest_close(struct lsm_manifest *m, struct io_ring *ring);

/* What CURRENT names. NOT_FOUND without it. */
struct lsm_manifest_head {
    uint64_t id;
    uint8_t uuid[16];
};

/*
 * Read the manifest in force, edit by edit. visit gets each edit in order: added tables come as
 * metas (edit->added[i].file with meta filled and table NULL); all is borrowed for the call.
 * CORRUPT, UNSUPPORTED, IO with words in err.
 */
MUST_CHECK struct status
lsm_manifest_read(const struct env *env, struct io_ring *ring, const char *dir, struct errbuf *err,
                  struct status (*visit)(void *context, struct lsm_edit *edit), void *context,
                  struct lsm_manifest_head *out_head);

/* Decode one edit's payload. For the reader and the fuzz target. Sidecar and names are borrowed
 * from the payload; files have no reaper and go with the edit unless they are given one. To be
 * deinit'ed whatever the answer. */
MUST_CHECK struct status lsm_edit_decode(struct bytes payload, struct alloc *a,
                                         struct lsm_edit *out_edit);
void lsm_edit_encode(const struct lsm_edit *e, struct buf *out);

/* Names in the store's directory. */
enum { LSM_NAME_MAX = 64 };
void lsm_manifest_name(uint64_t id, char *out_name, size_t size);
void lsm_table_name(uint64_t id, char *out_name, size_t size);
/* dir/name. INVALID if it does not fit IO_PATH_MAX. */
MUST_CHECK struct status lsm_path(const char *dir, const char *name, char *out_path);
/* The number of a name like "00000012.sst" or "MANIFEST-00000003"; false if it is none. */
bool lsm_name_parse(const char *name, const char *prefix, const char *suffix, uint64_t *out_id);

#endif
