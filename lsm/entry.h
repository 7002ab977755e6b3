/*
 * entry -- what a tree holds: one version of one key.
 *
 * The internal key is (key, version): key is `keyspace (varint) | user key`, compared by memcmp
 * and then length; of one key the newer version comes first. (key, version) is unique in a tree.
 * version is the commit timestamp of the batch that wrote it (design.md, "The version is the
 * commit timestamp"). kind and type are one byte each on disk.
 */
#ifndef VARVE_LSM_ENTRY_H
#define VARVE_LSM_ENTRY_H

#include "base/bytes.h"

#include "vlog/vlog.h"

enum lsm_kind {
    LSM_PUT = 1,          /* The value is here. */
    LSM_PUT_HANDLE = 2,   /* The value is in the log or a value file. */
    LSM_DELETE = 3,       /* Hides older versions of the key. */
    LSM_RANGE_DELETE = 4, /* Hides versions < its own of keys in [key, value). Never in the point
                             order of a tree: kept beside it (lsm/rangedel.h). */
    LSM_MERGE = 5,        /* Reserved. */
};

enum {
    LSM_KEYSPACE_MAX = 0xffff,
    LSM_USER_KEY_MAX = 65000,                    /* Bytes of a key as users see it. */
    LSM_KEY_MAX = LSM_USER_KEY_MAX + VARINT_MAX, /* With its keyspace. */
};

struct lsm_entry {
    struct bytes key; /* Keyspace included. */
    uint64_t version;
    enum lsm_kind kind;
    uint8_t type;              /* The user's type byte: stored, never interpreted. */
    uint64_t expire_ms;        /* Wall milliseconds from which readers see it as absent; 0: never.
                                  Stored, never interpreted by the tree. */
    struct bytes value;        /* LSM_PUT. */
    struct vlog_handle handle; /* LSM_PUT_HANDLE. */
};

/* The order of a tree: key rising, version falling. */
static inline int lsm_entry_compare(struct bytes a_key, uint64_t a_version, struct bytes b_key,
                                    uint64_t b_version)
{
    int c = bytes_compare(a_key, b_key);
    if (c != 0)
        return c;
    return a_version > b_version ? -1 : a_version < b_version;
}

/* Bytes of the value as the user sees it, wherever it is. */
static inline uint64_t lsm_entry_value_size(const struct lsm_entry *e)
{
    return e->kind == LSM_PUT ? e->value.size : e->kind == LSM_PUT_HANDLE ? e->handle.length : 0;
}

#endif
