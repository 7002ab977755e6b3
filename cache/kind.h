/*
 * kind -- what lies in the cache, and how it wants to get in: the words that a fetch and the cache
 * share.
 */
#ifndef VARVE_CACHE_KIND_H
#define VARVE_CACHE_KIND_H

enum fetch_kind {
    FETCH_DATA,      /* SST data block. */
    FETCH_INDEX,     /* Index partition: enters protected. */
    FETCH_FILTER,    /* Filter partition: enters protected. */
    FETCH_VALUE,     /* Separated value. */
    FETCH_DIRECTORY, /* Ordinal directory page of a value file: enters protected. */
};
enum { FETCH_KINDS = FETCH_DIRECTORY + 1 };

enum fetch_fill {
    FETCH_FILL_NORMAL,
    FETCH_FILL_SCAN, /* Admit to the window only. */
    FETCH_FILL_NONE, /* Never insert (compaction, rewriting, checks). */
};

/* What a verified block keeps beside it in its cache slot, so that a hit parses nothing again. */
enum { FETCH_HEADER_SIZE = 32 };

#endif
