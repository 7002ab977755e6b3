/*
 * policy -- what stays: W-TinyLFU over three lists, weighed in bytes.
 *
 * What is inserted enters the window; metadata enters protected. Insertion pushes what is too much
 * for the window over to the main part: freely while there is memory for more slabs; after that by
 * a contest, in which it must have been asked for more often, by the sketch, than all of what it
 * would displace together. Main is probation and protected (4/5 at most). The lists are clocks,
 * not exact LRU orders: a lookup only sets the slot's touched bit, and the policy, when it meets
 * the slot at the old end, clears it and lets the slot live on: window and protected from the
 * front again, probation to protected. A hit so writes nothing but its own slot.
 *
 * The window's share of the bytes climbs towards the side whose *edge* earns more hits a byte: the
 * old half of the window, and probation. These are what a small change of the share adds or takes
 * away; the middle of either side stays whatever the share is and says nothing. A hit counts for
 * an edge if it is the first since the policy last looked at the slot: later ones would be hits
 * even if the slot had just been fetched again. Both sides are compared within one sample, as hit
 * ratios of two samples differ by what the workload did meanwhile far more than by what the move
 * did. How old a slot of the window is, its stamp says: the number, modulo 8, of sixths of the
 * window that had gone to the front when it did.
 *
 *   1. Every LIVE slot is in exactly one list, the one its word names; no other slot is in any.
 *   2. A pinned slot is passed over, never evicted.
 *
 * Private to cache/. Threads: under the cache's mutex, unless it says any.
 */
#ifndef VARVE_CACHE_POLICY_H
#define VARVE_CACHE_POLICY_H

#include "base/rand.h"

#include "cache/notes.h"
#include "cache/slot.h"

struct cache;

struct policy_list {
    uint32_t newest;
    uint32_t oldest;
    uint32_t count;
    uint64_t bytes;
};

struct policy {
    struct policy_list lists[SEGMENTS];
    double window_share;             /* Of the bytes of all lists. */
    uint64_t sampled[NOTE_OUTCOMES]; /* Totals when the sample began. */
    uint64_t stamped_bytes;          /* Gone to the window's front since the stamp changed. */
    _Atomic uint32_t stamp;          /* mutex to write. */
    struct rand rand;
    uint64_t evictions;
    uint64_t refusals;
    uint64_t admissions;
};

void policy_init(struct policy *p, uint64_t seed);

static inline uint64_t policy_bytes(const struct policy *p)
{
    return p->lists[SEGMENT_WINDOW].bytes + p->lists[SEGMENT_PROBATION].bytes +
           p->lists[SEGMENT_PROTECTED].bytes;
}
static inline uint32_t policy_count(const struct policy *p)
{
    return p->lists[SEGMENT_WINDOW].count + p->lists[SEGMENT_PROBATION].count +
           p->lists[SEGMENT_PROTECTED].count;
}

/* What a hit on a slot whose word was so tells. Any thread. */
enum note_outcome policy_outcome(const struct policy *p, uint64_t word);
/* Where such an entry enters. */
enum segment policy_entrance(enum fetch_kind kind, enum fetch_fill fill);
/* A slot has become LIVE: list it in segment, and push out what is too much for the window. */
void policy_insert(struct cache *c, uint32_t id, enum segment segment);
/* A slot is LIVE no more. */
void policy_remove(struct cache *c, uint32_t id, enum segment segment);
/* Evict at least one entry. False if all there are is pinned. */
bool policy_evict(struct cache *c);
/* Age the sketch and move the window's share if enough has happened. */
void policy_tick(struct cache *c);

void policy_check(const struct cache *c);

#endif
