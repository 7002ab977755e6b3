/*
 * batch -- the body of a log entry, as the tree writes and reads it. Private to lsm/.
 *
 *   offset  size  field
 *        0     8  version of every operation in the batch
 *        8     4  op_count
 *       12     4  value_count: operations whose value is apart, in order
 *       16     *  operations
 *
 * An operation: {kind u8, flags u8, type u8}, [expire_ms varint if flags & 1], key length varint,
 * key (keyspace included), then by kind:
 *   PUT            value length varint, value
 *   PUT_HANDLE     value length varint; the value is the batch's next separated one
 *   DELETE         nothing
 *   RANGE_DELETE   end length varint, end (keyspace included); hides [key, end)
 *   SIDE (0x40)    the key is the sidecar's bytes
 * Example, keyspace 0, key "a", value "xy", version 7:
 *   07 00 00 00 00 00 00 00  01 00 00 00  00 00 00 00  01 00 00  02 00 61  02 78 79
 */
#ifndef VARVE_LSM_BATCH_H
#define VARVE_LSM_BATCH_H

#include "lsm/lsm.h"

enum { LSM_BODY_HEADER = 16, LSM_OP_SIDE = 0x40, LSM_OP_HAS_EXPIRY = 1 };

struct lsm_op {
    uint8_t kind; /* enum lsm_kind, or LSM_OP_SIDE. */
    uint8_t type;
    uint64_t expire_ms;
    struct bytes key;
    struct bytes value;     /* PUT; the end of a RANGE_DELETE. */
    uint64_t value_size;    /* PUT_HANDLE */
    uint32_t value_ordinal; /* PUT_HANDLE: which of the batch's separated values. */
};

/* Walks the operations of a body. The body is borrowed. */
struct lsm_op_reader {
    struct bytes rest;
    uint64_t version;
    uint32_t op_count;
    uint32_t value_count;
    uint32_t ops_read;
    uint32_t values_read;
};

/* CORRUPT if the header is cut short. */
MUST_CHECK struct status lsm_op_reader_init(struct lsm_op_reader *r, struct bytes body);
/* OK and *out; NOT_FOUND after the last; CORRUPT for bytes that are no operation, or counts that do
 * not fit. */
MUST_CHECK struct status lsm_op_next(struct lsm_op_reader *r, struct lsm_op *out);

/* The least bytes above every key of the keyspace: its varint, plus one. The last byte of a varint
 * is below 0x80, and all before it compare first, so adding one to it passes all that begin with
 * it. out has room for VARINT_MAX. */
static inline struct bytes lsm_keyspace_end(uint8_t *out, uint32_t keyspace)
{
    size_t n = put_varint(out, keyspace);
    out[n - 1]++;
    return bytes_of(out, n);
}

/* Compose `keyspace | key` at out (room for LSM_KEY_MAX). */
static inline struct bytes lsm_key_compose(uint8_t *out, uint32_t keyspace, struct bytes key)
{
    size_t n = put_varint(out, keyspace);
    if (key.size > 0)
        memcpy(out + n, key.data, key.size);
    return bytes_of(out, n + key.size);
}

#endif
