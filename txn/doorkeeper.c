#include "txn/doorkeeper.h"

#include <assert.h>

enum { MARK_BITS = 16, WORDS_MAX = 1 << 30 };

static_assert(TXN_DOORKEEPER_MARKS * MARK_BITS == 64, "a word is full of marks");

bool txn_doorkeeper_init(struct txn_doorkeeper *d, struct alloc *a, size_t key_count)
{
    size_t count = key_count / TXN_DOORKEEPER_MARKS + 1;

    if (count > WORDS_MAX)
        count = WORDS_MAX;
    d->words = alloc_array(a, count, sizeof d->words[0]);
    d->word_count = d->words != NULL ? (uint32_t)count : 0;
    return d->words != NULL;
}

void txn_doorkeeper_deinit(struct txn_doorkeeper *d, struct alloc *a)
{
    alloc_free(a, d->words, txn_doorkeeper_size(d));
    *d = (struct txn_doorkeeper) { .words = NULL };
}

bool txn_doorkeeper_admits(struct txn_doorkeeper *d, uint64_t hash)
{
    uint64_t *word = &d->words[(hash & UINT32_MAX) * d->word_count >> 32];
    uint64_t mark = hash >> (64 - MARK_BITS);
    uint64_t marks = *word;

    for (unsigned i = 0; i < TXN_DOORKEEPER_MARKS; i++) {
        if ((uint16_t)(marks >> (i * MARK_BITS)) == (uint16_t)mark)
            return true;
    }
    *word = marks << MARK_BITS | mark;
    return false;
}
