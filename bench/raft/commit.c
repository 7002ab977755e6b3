/*
 * bench_raft_commit -- what the core of Raft costs: propose to applied everywhere, five replicas in
 * one process, disks and network that answer at once.
 *
 *     bench_raft_commit [BURSTS]         of 256 batches of 1 and of 64 entries, 128 bytes each
 *
 * The driver here is the least there can be: it carries messages from one replica to the next by
 * copying their structs, and says PERSISTED and APPLIED to what it is told. So what is measured is
 * the core and a queue. A burst is shorter than a slice of the scheduler's, so that the best of
 * many is what an undisturbed processor takes; the median tells what this one took. It fails if the
 * core has copied a byte of payload (what a replica holds is not what was proposed, by address) or
 * anything was allocated while it ran. The payload is where no memory is: a core that only looked
 * at a byte of it would end here and then.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "raft/raft.h"

enum {
    NODES = 5,
    BATCH_MAX = 64,
    PAYLOAD = 128,
    POSTS = 256, /* A power of two; of messages and completions on their way. */
    BURST = 256, /* Batches. */
    BURSTS = 1000,
    BURSTS_MAX = 100000,
    NOWHERE = 4096, /* The first pages are never mapped. */
};

struct post {
    uint32_t to;
    struct raft_event event;
    struct raft_message message;
    struct raft_entry entries[BATCH_MAX];
};

struct node {
    struct raft *raft;
    struct raft_effects fx;
    raft_index applied;
};

struct rig {
    struct node nodes[NODES];
    struct post posts[POSTS];
    uint32_t first;
    uint32_t count;
    uint64_t now_us;
    uint64_t steps;
    uint64_t effects;
    uint64_t messages;
    uint64_t copied;      /* Bytes of payload held elsewhere than they were proposed. */
    uint64_t allocations; /* While counting; see the wrappers below. */
    bool is_counting;
};

/* ---- Allocations: the program is linked so that each malloc comes here first ----------------- */

static struct rig *counted;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (counted != NULL && counted->is_counting)
        counted->allocations++;
    return __real_malloc(size);
}

/* ---- The driver ----------------------------------------------------------------------------- */

static struct post *post(struct rig *g, uint32_t to, enum raft_event_kind kind)
{
    CHECK(g->count < POSTS);
    struct post *p = &g->posts[(g->first + g->count++) % POSTS];
    p->to = to;
    p->event.kind = kind;
    return p;
}

static void carry(struct rig *g, const struct raft_message *m)
{
    struct post *p = post(g, (uint32_t)m->to - 1, RAFT_EVENT_RECV);
    p->message = *m;
    for (uint32_t i = 0; i < m->entry_count; i++)
        p->entries[i] = m->entries[i];
    p->message.entries = p->entries;
    p->event.u.message = &p->message;
    g->messages++;
}

/* The payload of the i-th entry of a batch. */
static struct bytes payload_of(uint32_t i)
{
    return bytes_of((const void *)(uintptr_t)(NOWHERE + i * PAYLOAD), PAYLOAD);
}

static void apply(struct rig *g, uint32_t at, raft_index first, raft_index last)
{
    struct node *n = &g->nodes[at];
    for (raft_index i = first; i <= last; i++) {
        const struct raft_entry *e = raft_entry_at(n->raft, i);
        CHECK(e != NULL);
        uintptr_t place = (uintptr_t)e->data.data;
        bool is_ours = place >= NOWHERE && place < NOWHERE + BATCH_MAX * PAYLOAD;
        g->copied += is_ours ? 0 : e->data.size;
    }
    n->applied = last;
    post(g, at, RAFT_EVENT_APPLIED)->event.u.index = last;
}

static void carry_out(struct rig *g, uint32_t at, const struct raft_effect *e)
{
    if (e->kind == RAFT_EFFECT_SEND) {
        carry(g, &e->u.send.message); /* After its write: that is posted before it. */
    } else if (e->kind == RAFT_EFFECT_PERSIST) {
        struct post *p = post(g, at, RAFT_EVENT_PERSISTED);
        p->event.u.persisted.seq = e->u.persist.seq;
        p->event.u.persisted.mark = e->u.persist.mark;
    } else if (e->kind == RAFT_EFFECT_APPLY) {
        apply(g, at, e->u.apply.first, e->u.apply.last);
    }
}

static void step(struct rig *g, uint32_t at, const struct raft_event *event)
{
    static const struct raft_event drain = { .kind = RAFT_EVENT_DRAIN };
    struct node *n = &g->nodes[at];
    do {
        raft_step(n->raft, g->now_us, event, &n->fx);
        g->steps++;
        g->effects += n->fx.count;
        for (uint32_t i = 0; i < n->fx.count; i++)
            carry_out(g, at, &n->fx.list[i]);
        event = &drain;
    } while (n->fx.more);
}

static void settle(struct rig *g)
{
    while (g->count > 0) {
        struct post *p = &g->posts[g->first];
        step(g, p->to, &p->event);
        g->first = (g->first + 1) % POSTS;
        g->count--;
    }
}

/* ---- The run -------------------------------------------------------------------------------- */

static void build(struct rig *g, struct alloc *a)
{
    struct raft_restore restore = { .hard.conf.count = NODES };
    for (uint32_t i = 0; i < NODES; i++)
        restore.hard.conf.members[i] = (struct raft_member) { i + 1, RAFT_MEMBER_VOTER };
    for (uint32_t i = 0; i < NODES; i++) {
        struct raft_config config = { .id = i + 1, .seed = i + 1, .cache_bytes = 1 << 16 };
        struct errbuf err = { "" };
        void *memory = alloc_bytes(a, raft_size(&config));
        void *fx_memory = alloc_bytes(a, raft_effects_size(&config));
        CHECK(memory != NULL && fx_memory != NULL);
        struct status made =
            raft_init(&config, &restore, g->now_us, memory, &err, &g->nodes[i].raft);
        CHECK(succeeded(made));
        raft_effects_init(&g->nodes[i].fx, &config, fx_memory);
    }
}

static void propose(struct rig *g, uint32_t count)
{
    struct raft_entry entries[BATCH_MAX];
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE };
    for (uint32_t i = 0; i < count; i++)
        entries[i] =
            (struct raft_entry) { .kind = RAFT_ENTRY_DATA, .data = payload_of(i), .blob = g };
    event.u.propose.entries = entries;
    event.u.propose.entry_count = count;
    step(g, 0, &event);
    CHECK(g->nodes[0].fx.verdict == RAFT_OK);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* One that has nothing to do: what any step costs. */
static void burst_of_drains(struct rig *g, uint32_t batch)
{
    static const struct raft_event drain = { .kind = RAFT_EVENT_DRAIN };
    (void)batch;
    for (int i = 0; i < BURST; i++)
        raft_step(g->nodes[0].raft, g->now_us, &drain, &g->nodes[0].fx);
}

static void burst_of_batches(struct rig *g, uint32_t batch)
{
    for (int i = 0; i < BURST; i++) {
        g->now_us += 10;
        propose(g, batch);
        settle(g);
    }
}

/* Nanoseconds of each burst, ascending. */
static void time_bursts(struct rig *g, void (*burst)(struct rig *g, uint32_t batch), uint32_t batch,
                        uint64_t *out_ns, uint64_t count)
{
    struct clock *c = clock_system();
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = clock_ns(c);
        burst(g, batch);
        out_ns[i] = clock_ns(c) - start;
    }
    qsort(out_ns, count, sizeof out_ns[0], by_size);
}

static void measure(struct rig *g, uint32_t batch, uint64_t *ns, uint64_t bursts)
{
    double batches = (double)bursts * BURST;
    raft_index from = g->nodes[0].applied;
    uint64_t middle = bursts / 2;
    g->steps = g->effects = g->messages = 0;
    time_bursts(g, burst_of_batches, batch, ns, bursts);
    CHECK(g->nodes[0].applied == from + bursts * BURST * batch);
    printf("batch %2u: %.1f ns an entry, median %.1f; a batch is %.1f steps of %.0f ns, %.1f "
           "messages, %.1f effects\n",
           batch, (double)ns[0] / BURST / batch, (double)ns[middle] / BURST / batch,
           (double)g->steps / batches, (double)ns[0] / BURST / ((double)g->steps / batches),
           (double)g->messages / batches, (double)g->effects / batches);
}

int main(int argc, char **argv)
{
    static const struct raft_event campaign = { .kind = RAFT_EVENT_CAMPAIGN };
    uint64_t bursts = argc > 1 ? strtoull(argv[1], NULL, 10) : BURSTS;
    struct alloc *a = alloc_heap();
    struct rig *g = alloc_zeroed(a, sizeof *g);
    uint64_t *ns = alloc_array(a, BURSTS_MAX, sizeof ns[0]);

    CHECK(g != NULL && ns != NULL && bursts > 0 && bursts <= BURSTS_MAX);
    counted = g;
    g->now_us = 1000000;
    build(g, a);
    step(g, 0, &campaign);
    settle(g);
    CHECK(g->nodes[0].applied == 1);
    g->is_counting = true;
    burst_of_batches(g, 1);
    time_bursts(g, burst_of_drains, 0, ns, bursts);
    uint64_t middle = bursts / 2;
    printf("an empty step: %.1f ns, median %.1f\n", (double)ns[0] / BURST,
           (double)ns[middle] / BURST);
    measure(g, 1, ns, bursts);
    measure(g, BATCH_MAX, ns, bursts);
    g->is_counting = false;
    printf("payload bytes copied: %llu; allocations: %llu\n", (unsigned long long)g->copied,
           (unsigned long long)g->allocations);
    return g->copied != 0 || g->allocations != 0;
}
