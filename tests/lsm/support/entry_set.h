/*
 * entry_set -- entries in tree order to build blocks and tables from, and to compare them with.
 *
 * Made from a seed: keys of one of several adversarial styles, several versions of some, all kinds.
 */
#ifndef VARVE_TESTS_LSM_ENTRY_SET_H
#define VARVE_TESTS_LSM_ENTRY_SET_H

#include "base/rand.h"

#include "lsm/entry.h"

enum entry_style {
    STYLE_TINY,    /* 0 to 6 bytes of { 0x00, 0x01, 'a', 0xff }: empty keys, keys of zeros. */
    STYLE_PREFIX,  /* A long shared prefix, tails of 0 to 64 random bytes. */
    STYLE_COUNTER, /* 8 bytes, counting. */
    STYLE_DECIMAL, /* "user:" and a number of varying length. */
    STYLE_MIXED,   /* 0 to 64 bytes, anything. */
    STYLE_LONG,    /* Some keys up to the limit, sharing most of it. */
    STYLES,
};

struct entry_set_options {
    enum entry_style style;
    size_t key_count;
    uint32_t versions_max;   /* Of one key. 0: 1. */
    uint32_t value_size_max; /* Of an inline value. */
    uint32_t handle_percent; /* Of the entries. */
    uint32_t delete_percent;
    uint32_t ref_count;   /* Handles' files are 0 .. ref_count - 1. */
    uint64_t logical_add; /* Added to a handle's file. */
    bool is_plain;        /* No expiry, one type. */
};

struct entry_set {
    struct lsm_entry *entries;
    size_t count;
    uint8_t **blobs; /* What the entries' bytes point into. */
    size_t blob_count;
};

void entry_set_make(struct entry_set *s, struct rand *r, const struct entry_set_options *options);
void entry_set_free(struct entry_set *s);

/* The index of the first entry at or after (key, version); count if none. */
size_t entry_set_seek(const struct entry_set *s, struct bytes key, uint64_t version);

bool entry_equal(const struct lsm_entry *a, const struct lsm_entry *b);

/* A probe near the set: one of its keys, or one bent a little. The bytes are the set's. */
struct bytes entry_set_probe(struct entry_set *s, struct rand *r);

#endif
