/*
 * doorkeeper -- lets a key in when it comes for the second time. Private to txn/.
 *
 * It notes hashes of keys that came and were not let in, some thousands of the last ones: enough
 * to tell a key that is asked for again from one of very many that are each asked for about never.
 * (The queue of names beside a cache of values is 2Q's; Johnson and Shasha, 1994.)
 *
 * A word is a queue of four marks, 16 bits of a hash each; other bits choose the word. A note is
 * pushed in at its low end, and the oldest falls out. So a look touches one word, nothing is ever
 * cleared or halved, and a key is remembered until four others came to its word: for about as many
 * others as there are marks. One key in 16,384 is taken for another that came.
 *
 * Threads: one.
 */
#ifndef VARVE_TXN_DOORKEEPER_H
#define VARVE_TXN_DOORKEEPER_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct txn_doorkeeper {
    uint64_t *words; /* NULL before init. */
    uint32_t word_count;
};

enum { TXN_DOORKEEPER_MARKS = 4 }; /* In a word. */

/* For as many keys as key_count, at least a few. False: no memory. */
bool txn_doorkeeper_init(struct txn_doorkeeper *d, struct alloc *a, size_t key_count);
void txn_doorkeeper_deinit(struct txn_doorkeeper *d, struct alloc *a);

static inline size_t txn_doorkeeper_size(const struct txn_doorkeeper *d)
{
    return d->word_count * sizeof d->words[0];
}

/* Did the key with this hash come a while ago? If not, it is noted. */
bool txn_doorkeeper_admits(struct txn_doorkeeper *d, uint64_t hash);

#endif
