/*
 * codec -- messages, entries, hard states, changes and snapshot descriptors as bytes.
 *
 * Little endian, fixed width. Whoever sends or stores these bytes puts a checksum around them; the
 * decoders nevertheless believe nothing: no length, count or kind is used before it was compared
 * with what is there, and there is one spelling of each value (what is decoded encodes to the same
 * bytes).
 *
 * Format: docs/format/raft.md. Version 1.
 *
 * A message: a head, one field of 8 bytes for each bit set in mask, then its body.
 *
 *   offset  size  field
 *        0     1  version      1
 *        1     1  kind         enum raft_message_kind
 *        2     1  flags        1 reject, 2 force, 4 quiesce, 8 installing, 16 disk_full
 *        3     1  reason       enum raft_reason
 *        4     4  size         of the whole message
 *        8     8  group
 *       16     8  from
 *       24     8  to
 *       32     8  term
 *       40     2  mask         bit 0 seq, 1 read_seq, 2 sent_us, 3 index, 4 log_term, 5 commit,
 *                              6 hint_index, 7 hint_term; a field that is zero is left out. Bits
 *                              that a later version of varve sets are skipped with their field.
 *       42     2  reserved     zero
 *       44     4  entry_count  APPEND only
 *       48   8*n  fields
 *                 body         APPEND: entries. SNAPSHOT: a snapshot.
 *
 * An entry:                                     A hard state:
 *
 *   offset  size  field                           offset  size  field
 *        0     8  index                                0     1  version  1
 *        8     8  term                                 1     7  reserved zero
 *       16     4  size of data                         8     8  term
 *       20     1  kind                                16     8  vote
 *       21     1  reserved  zero                      24     8  acc_term
 *       22     2  feature                             32     8  commit
 *       24     *  data                                40     8  conf_index
 *                                                     48     *  conf
 *
 * A conf:                                       A snapshot:
 *
 *        0     1  count, at most 18                    0     8  id
 *        1     1  flags: 1 auto_leave                  8     8  index
 *        2   9*n  {id 8, role 1}, ids ascending       16     8  term
 *                                                     24     8  conf_index
 *                                                     32     *  conf
 *
 * A change (payload of a CONF entry; no byte at all: leave the joint conf):
 *
 *        0     1  version 1
 *        1     1  count, 1 .. 18
 *        2     1  flags: 1 auto_leave
 *        3   9*n  {id 8, op 1}
 *
 * Threads: any; values only.
 */
#ifndef VARVE_RAFT_CODEC_H
#define VARVE_RAFT_CODEC_H

#include "raft/raft.h"

enum {
    RAFT_CODEC_VERSION = 1,
    RAFT_MESSAGE_HEAD = 48,
    RAFT_MESSAGE_FIELDS = 8,
    RAFT_MESSAGE_HEAD_MAX = RAFT_MESSAGE_HEAD + 8 * RAFT_MESSAGE_FIELDS,
    RAFT_ENTRY_HEAD = 24,
    RAFT_CONF_MAX = 2 + 9 * RAFT_MEMBERS_MAX,
    RAFT_HARD_MAX = 48 + RAFT_CONF_MAX,
    RAFT_SNAPSHOT_MAX = 32 + RAFT_CONF_MAX,
    RAFT_CHANGE_MAX = 3 + 9 * RAFT_CHANGES_MAX,
};

/* Bytes of the whole message. */
size_t raft_message_size(const struct raft_message *m);

/* The head and fields alone, at out (RAFT_MESSAGE_HEAD_MAX); returns their bytes. Behind them go a
 * head and the data of each entry, or the snapshot: a driver gathers the payload without copying.
 */
size_t raft_message_put_head(const struct raft_message *m, uint8_t *out);
size_t raft_entry_put_head(const struct raft_entry *e, uint8_t *out);

/* The whole message at out. Requires: room for raft_message_size(m). Returns its bytes. */
size_t raft_message_put(const struct raft_message *m, uint8_t *out);

/*
 * Take a message off the front of *in. Entries go to entries[0 .. entries_max), a snapshot to
 * *snapshot; both are *borrowed* by *out_m, and data of entries by *in's bytes. Blobs are NULL.
 *
 * Returns: OK; CORRUPT: cut short, or no message of this version; UNSUPPORTED: of a later version
 * or an unknown kind (*in is behind it, as its size is known); LIMIT: more than entries_max
 * entries.
 */
MUST_CHECK struct status raft_message_take(struct bytes *in, struct raft_entry *entries,
                                           uint32_t entries_max, struct raft_snapshot *snapshot,
                                           struct raft_message *out_m);

/* Take an entry off the front of *in; data is borrowed, blob NULL. Returns: OK, CORRUPT. */
MUST_CHECK struct status raft_entry_take(struct bytes *in, struct raft_entry *out_e);

size_t raft_hard_put(const struct raft_hard *h, uint8_t *out); /* RAFT_HARD_MAX */
MUST_CHECK struct status raft_hard_take(struct bytes *in, struct raft_hard *out_h);

size_t raft_snapshot_put(const struct raft_snapshot *s, uint8_t *out); /* RAFT_SNAPSHOT_MAX */
MUST_CHECK struct status raft_snapshot_take(struct bytes *in, struct raft_snapshot *out_s);

/* The payload of a CONF entry. Requires: out has room for RAFT_CHANGE_MAX; count in limits. */
size_t raft_change_put(const struct raft_change *c, uint8_t *out);
/* The whole payload, not a front. Returns: OK, CORRUPT. */
MUST_CHECK struct status raft_change_read(struct bytes payload, struct raft_change *out_c);

#endif
