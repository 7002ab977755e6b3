#include "cache/policy.h"

#include "base/check.h"

#include "cache/internal.h"

#include <math.h>

enum {
    TOUCHES_MAX = 64,   /* Touched slots let live on in one search, to bound it, */
    PINNED_MAX = 64,    /* and pinned ones passed over: a command may hold thousands. */
    VICTIMS_MAX = 64,   /* Entries one candidate may displace. */
    WARM_ESTIMATE = 6,  /* From here on a loser is let in by chance, one time in CHANCE, so that */
    CHANCE = 128,       /* nobody can lock a name out by making others look hot. */
    AGE_ENTRIES = 10,   /* The sketch is halved after so many accesses an entry, */
    SAMPLE_ENTRIES = 4, /* and the window's share moves after so many. */
    SAMPLE_MIN = 256,
    FREE_MOVES = 2,
    STAMPS_IN_WINDOW = 6, /* Less than SLOT_STAMPS, so that an old slot is not taken for a new, */
    STAMPS_OLD = 3,       /* and half of which is the window's edge. */
};

#define PROTECTED_SHARE 0.8 /* Of main. */
#define WINDOW_SHARE_MIN 0.02
#define WINDOW_SHARE_MAX 0.80
#define STEP_MAX 0.30
#define STEP_PER_LOG 0.10
#define PRIOR_HITS 16 /* As if so many had been seen, spread evenly: few hits tell little. */

void policy_init(struct policy *p, uint64_t seed)
{
    *p = (struct policy) { .window_share = WINDOW_SHARE_MIN };
    rand_seed(&p->rand, seed);
}

/* ---- Lists: prev is the newer neighbour, next the older ----------------------------------- */

/* To the front; the slot's word says so too. */
static void list_push(struct cache *c, enum segment segment, uint32_t id)
{
    struct policy *p = &c->policy;
    struct policy_list *l = &p->lists[segment];
    struct slot_node *n = slot_node_at(&c->slots, id);
    uint32_t stamp = atomic_load_explicit(&p->stamp, memory_order_relaxed);

    n->prev = 0;
    n->next = l->newest;
    if (l->newest != 0)
        slot_node_at(&c->slots, l->newest)->prev = id;
    else
        l->oldest = id;
    l->newest = id;
    l->count++;
    l->bytes += n->bytes;
    slot_set_segment(slot_at(&c->slots, id), segment, stamp);
    if (segment != SEGMENT_WINDOW)
        return;
    p->stamped_bytes += n->bytes;
    if (p->stamped_bytes > l->bytes / STAMPS_IN_WINDOW) {
        p->stamped_bytes = 0;
        atomic_store_explicit(&p->stamp, (stamp + 1) % SLOT_STAMPS, memory_order_relaxed);
    }
}

static void list_take(struct cache *c, enum segment segment, uint32_t id)
{
    struct policy_list *l = &c->policy.lists[segment];
    struct slot_node *n = slot_node_at(&c->slots, id);

    if (n->prev != 0)
        slot_node_at(&c->slots, n->prev)->next = n->next;
    else
        l->newest = n->next;
    if (n->next != 0)
        slot_node_at(&c->slots, n->next)->prev = n->prev;
    else
        l->oldest = n->prev;
    l->count--;
    l->bytes -= n->bytes;
}

static void change_segment(struct cache *c, uint32_t id, enum segment to)
{
    list_take(c, word_segment(slot_word(slot_at(&c->slots, id))), id);
    list_push(c, to, id);
}

/* The oldest unpinned slot of a list that was not touched lately, 0 if none is met. Pinned ones
 * go to the front, so that the next search begins behind them; touched ones live on. */
static uint32_t find_oldest(struct cache *c, enum segment segment)
{
    struct policy_list *l = &c->policy.lists[segment];
    int touches = 0;
    int pinned = 0;

    for (uint32_t n = l->count; n > 0 && pinned < PINNED_MAX; n--) {
        uint32_t id = l->oldest;
        struct slot *s = slot_at(&c->slots, id);
        uint64_t word = slot_word(s);
        bool is_touched = (word & SLOT_TOUCHED) != 0 && touches < TOUCHES_MAX;
        if (word_pins(word) == 0 && !is_touched)
            return id;
        pinned += word_pins(word) != 0;
        if (is_touched) {
            touches++;
            slot_clear_touched(s);
        }
        change_segment(c, id,
                       is_touched && segment == SEGMENT_PROBATION ? SEGMENT_PROTECTED : segment);
    }
    return 0;
}

/* Hand what is too much for protected back to probation. */
static void demote(struct cache *c)
{
    struct policy_list *probation = &c->policy.lists[SEGMENT_PROBATION];
    struct policy_list *protected = &c->policy.lists[SEGMENT_PROTECTED];
    int touches = 0;

    while ((double)protected->bytes >
           PROTECTED_SHARE * (double)(probation->bytes + protected->bytes)) {
        uint32_t id = protected->oldest;
        struct slot *s = slot_at(&c->slots, id);
        if ((slot_word(s) & SLOT_TOUCHED) != 0 && touches++ < TOUCHES_MAX) {
            slot_clear_touched(s);
            change_segment(c, id, SEGMENT_PROTECTED);
        } else {
            change_segment(c, id, SEGMENT_PROBATION);
        }
    }
}

/* Whom main would give up first, 0 if nobody can be. */
static uint32_t main_victim(struct cache *c)
{
    demote(c);
    uint32_t id = find_oldest(c, SEGMENT_PROBATION);
    return id != 0 ? id : find_oldest(c, SEGMENT_PROTECTED);
}

/* ---- Admission ---------------------------------------------------------------------------- */

struct victims {
    uint32_t ids[VICTIMS_MAX];
    uint32_t count;
    uint64_t bytes;
    unsigned estimate; /* Sum. */
};

static unsigned estimate(const struct cache *c, uint32_t id)
{
    return sketch_estimate(&c->sketch, index_hash(&c->index, slot_key(slot_at(&c->slots, id))));
}

/* Those that a newcomer of so many bytes displaces: main's victim and the unpinned slots that come
 * after it. */
static void gather_victims(struct cache *c, uint64_t bytes, struct victims *out)
{
    uint32_t id = main_victim(c);

    *out = (struct victims) { 0 };
    while (id != 0 && out->bytes < bytes && out->count < VICTIMS_MAX) {
        const struct slot_node *n = slot_node_at(&c->slots, id);
        if (word_pins(slot_word(slot_at(&c->slots, id))) == 0) {
            out->ids[out->count++] = id;
            out->bytes += n->bytes;
            out->estimate += estimate(c, id);
        }
        id = n->prev;
    }
}

static bool is_over_share(const struct policy *p)
{
    return (double)p->lists[SEGMENT_WINDOW].bytes > p->window_share * (double)policy_bytes(p);
}

/* The window's oldest against those it would displace in main; the losing side is evicted. False
 * if nothing was: the window is all pinned. */
static bool contest(struct cache *c)
{
    struct policy *p = &c->policy;
    uint32_t candidate = find_oldest(c, SEGMENT_WINDOW);
    struct victims victims;
    bool is_evicted = false;

    if (candidate == 0)
        return false;
    if ((slot_word(slot_at(&c->slots, candidate)) & SLOT_SCAN) != 0)
        return cache_evict_slot(c, candidate);
    gather_victims(c, slot_node_at(&c->slots, candidate)->bytes, &victims);
    unsigned asked = estimate(c, candidate);
    bool is_admitted = victims.count > 0 && asked > victims.estimate;
    if (!is_admitted && victims.count > 0 && asked >= WARM_ESTIMATE)
        is_admitted = rand_below(&p->rand, CHANCE) == 0;
    if (!is_admitted) {
        p->refusals++;
        return cache_evict_slot(c, candidate);
    }
    p->admissions++;
    change_segment(c, candidate, SEGMENT_PROBATION);
    for (uint32_t i = 0; i < victims.count; i++)
        is_evicted |= cache_evict_slot(c, victims.ids[i]);
    return is_evicted;
}

/* The window's oldest goes to main without a contest; what only scans wanted goes away instead
 * when memory is short. */
static void move_over(struct cache *c, bool is_short)
{
    uint32_t id = find_oldest(c, SEGMENT_WINDOW);

    if (id == 0)
        return;
    if (is_short && (slot_word(slot_at(&c->slots, id)) & SLOT_SCAN) != 0) {
        (void)cache_evict_slot(c, id);
        return;
    }
    c->policy.admissions++;
    change_segment(c, id, SEGMENT_PROBATION);
}

enum segment policy_entrance(enum fetch_kind kind, enum fetch_fill fill)
{
    bool is_metadata = kind == FETCH_INDEX || kind == FETCH_FILTER || kind == FETCH_DIRECTORY;

    return is_metadata && fill == FETCH_FILL_NORMAL ? SEGMENT_PROTECTED : SEGMENT_WINDOW;
}

void policy_insert(struct cache *c, uint32_t id, enum segment segment)
{
    struct policy *p = &c->policy;
    const struct policy_list *window = &p->lists[SEGMENT_WINDOW];
    uint64_t before = window->bytes;
    bool is_short = !memory_has_slab(&c->memory);

    list_push(c, segment, id);
    if (is_short) {
        /* As many bytes out by contest as came in. */
        while (window->bytes > before && is_over_share(p) && contest(c))
            ;
    }
    /* A window that is still too large (its share sank, or memory was free for a while) gives a
     * little away unseen with each insert. */
    for (int i = 0; i < (is_short ? 1 : FREE_MOVES) && is_over_share(p); i++)
        move_over(c, is_short);
}

void policy_remove(struct cache *c, uint32_t id, enum segment segment)
{
    list_take(c, segment, id);
}

bool policy_evict(struct cache *c)
{
    for (;;) {
        if (is_over_share(&c->policy) && contest(c))
            return true;
        uint32_t id = main_victim(c);
        if (id == 0)
            id = find_oldest(c, SEGMENT_WINDOW);
        if (id == 0)
            return false;
        /* If it was pinned just now, the next search passes it over. */
        if (cache_evict_slot(c, id))
            return true;
    }
}

/* ---- Adapting ----------------------------------------------------------------------------- */

static void age(struct cache *c)
{
    uint64_t additions = atomic_load_explicit(&c->sketch.additions, memory_order_relaxed);
    uint64_t entries = policy_count(&c->policy);

    /* Not more often than touching every line is worth while few entries are there. */
    if (entries < c->sketch.line_count)
        entries = c->sketch.line_count;
    if (additions >= AGE_ENTRIES * entries)
        sketch_halve(&c->sketch);
}

enum note_outcome policy_outcome(const struct policy *p, uint64_t word)
{
    uint32_t stamp = atomic_load_explicit(&p->stamp, memory_order_relaxed);

    if ((word & SLOT_TOUCHED) != 0)
        return NOTE_HIT;
    if (word_segment(word) == SEGMENT_PROBATION)
        return NOTE_HIT_MAIN_EDGE;
    if (word_segment(word) == SEGMENT_WINDOW &&
        (stamp - word_stamp(word)) % SLOT_STAMPS >= STAMPS_OLD)
        return NOTE_HIT_WINDOW_EDGE;
    return NOTE_HIT;
}

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static void climb(struct policy *p, uint64_t window_hits, uint64_t main_hits)
{
    double window_bytes =
        (double)p->lists[SEGMENT_WINDOW].bytes * (STAMPS_IN_WINDOW - STAMPS_OLD) / STAMPS_IN_WINDOW;
    double main_bytes = (double)p->lists[SEGMENT_PROBATION].bytes;
    double prior = PRIOR_HITS / (window_bytes + main_bytes);

    if (window_bytes == 0 || main_bytes == 0)
        return;
    double window_density = (double)window_hits / window_bytes + prior;
    double main_density = (double)main_hits / main_bytes + prior;
    double step = STEP_PER_LOG * log(window_density / main_density);
    p->window_share = clamp(p->window_share + clamp(step, -STEP_MAX, STEP_MAX), WINDOW_SHARE_MIN,
                            WINDOW_SHARE_MAX);
}

void policy_tick(struct cache *c)
{
    struct policy *p = &c->policy;
    struct notes_sum sum;
    uint64_t in_sample[NOTE_OUTCOMES];
    uint64_t requests = 0;
    uint64_t wanted = (uint64_t)policy_count(p) * SAMPLE_ENTRIES;

    age(c);
    notes_sum(&c->notes, &sum);
    for (int i = 0; i < NOTE_OUTCOMES; i++) {
        in_sample[i] = sum.totals[i] - p->sampled[i];
        requests += in_sample[i];
    }
    if (requests < (wanted > SAMPLE_MIN ? wanted : SAMPLE_MIN))
        return;
    for (int i = 0; i < NOTE_OUTCOMES; i++)
        p->sampled[i] = sum.totals[i];
    /* While there is memory for all, the shares decide nothing. */
    if (!memory_has_slab(&c->memory))
        climb(p, in_sample[NOTE_HIT_WINDOW_EDGE], in_sample[NOTE_HIT_MAIN_EDGE]);
}

/* ---- Checking ----------------------------------------------------------------------------- */

void policy_check(const struct cache *c)
{
    for (int segment = 0; segment < SEGMENTS; segment++) {
        const struct policy_list *l = &c->policy.lists[segment];
        uint32_t count = 0;
        uint64_t bytes = 0;
        uint32_t newer = 0;
        for (uint32_t id = l->newest; id != 0; id = slot_node_at(&c->slots, id)->next) {
            uint64_t word = slot_word(slot_at(&c->slots, id));
            const struct slot_node *n = slot_node_at(&c->slots, id);
            CHECK(word_state(word) == SLOT_LIVE);
            CHECK(word_segment(word) == (enum segment)segment);
            CHECK(n->prev == newer);
            CHECK(n->bytes == memory_chunk_size(&c->memory, word_chunk(word)));
            count++;
            bytes += n->bytes;
            newer = id;
        }
        CHECK(l->oldest == newer);
        CHECK(l->count == count && l->bytes == bytes);
    }
}
