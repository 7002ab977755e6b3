#include "base/io_pace.h"

#include "base/check.h"

/*
 * What the share says: above, lockstep is worth a try; below, a limit has nothing to stand on.
 * Disks of independent reads give 1 / under way; or, with a thread slower than they are, about a
 * half: what came back during its turn is worked on while the other half is under way.
 */
enum { TRIES_ABOVE = IO_PACE_ALL * 7 / 10, FREES_BELOW = IO_PACE_ALL / 2 };

/* The mean is one of reads, not of bunches: a straggler before a bunch of fifty weighs little. It
 * forgets within some MEMORY reads, but no bunch decides alone. */
enum { MEMORY = 64, WEIGHT_MAX = 16 };

/* Each bunch the peak loses so much of it. */
enum { PEAK_DECAY = 16 };

/*
 * A window is so many peaks long, a limit so many windows before it is compared anew: 3 % of the
 * reads are asked for without one. It has failed if a read takes LOSS % more time than without. A
 * wrong one costs half the reads, and noise a tenth.
 */
enum { WINDOW_PEAKS = 8, TERM_MAX = 32, REST_MAX = 512, LOSS = 20 };

/* A gap that counts is so many peaks long: in lockstep it is a part of one. And nobody pauses for
 * less than GAP_MIN_NS. */
enum { GAP_PEAKS = 2, GAP_MIN_NS = 1000 * 1000 };

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t io_pace_room(const struct io_pace *p)
{
    if (!p->is_limited)
        return p->held;
    uint32_t limit = greater((p->wanted_peak + 1) / 2, IO_PACE_LIMIT_MIN);
    return p->under_way < limit ? lesser(p->held, limit - p->under_way) : 0;
}

static void begin_window(struct io_pace *p, uint64_t now_ns)
{
    p->window_reads = 0;
    p->window_ns = now_ns;
}

/* The longest gap that counts is twice as long from then on: one that comes with every bunch will
 * soon count. */
static void end_gap(struct io_pace *p, uint64_t now_ns)
{
    uint64_t max_ns = p->gap_max_ns > GAP_MIN_NS ? p->gap_max_ns : GAP_MIN_NS;

    if (now_ns - p->returned_ns <= max_ns)
        return;
    p->gap_max_ns = 2 * max_ns;
    begin_window(p, now_ns);
}

void io_pace_start(struct io_pace *p, uint64_t now_ns)
{
    DCHECK(io_pace_room(p) > 0);
    if (io_pace_is_idle(p))
        end_gap(p, now_ns);
    p->held--;
    p->under_way++;
}

static void set_free(struct io_pace *p, uint32_t rest)
{
    p->is_limited = false;
    p->rest = rest;
}

/* The next window is one without a limit, or with one. */
static void decide(struct io_pace *p, uint64_t cost_ns)
{
    if (!p->is_limited) {
        p->free_cost_ns = cost_ns;
        if (p->rest > 0)
            p->rest--;
        else if (p->share > TRIES_ABOVE)
            p->is_limited = true;
        p->term = 0;
        return;
    }
    bool is_loss = p->term == 0 && cost_ns > p->free_cost_ns * (100 + LOSS) / 100;
    p->term++;
    if (is_loss) {
        p->rest_next = lesser(2 * p->rest_next + 1, REST_MAX);
        set_free(p, p->rest_next);
    } else {
        p->rest_next = 0;
        if (p->share < FREES_BELOW || p->term == TERM_MAX)
            set_free(p, 0);
    }
}

static void judge(struct io_pace *p, uint32_t count)
{
    int64_t share = (int64_t)count * IO_PACE_ALL / p->under_way;
    int64_t weight = lesser(count, WEIGHT_MAX);

    p->share = (uint32_t)(p->share + (share - p->share) * weight / MEMORY);
}

void io_pace_return(struct io_pace *p, uint32_t count, uint64_t now_ns)
{
    CHECK(count > 0 && count <= p->under_way);
    p->wanted_peak -= (p->wanted_peak + PEAK_DECAY - 1) / PEAK_DECAY;
    p->wanted_peak = greater(p->wanted_peak, p->held + p->under_way);
    if (p->under_way >= IO_PACE_LIMIT_MIN)
        judge(p, count);
    p->under_way -= count;
    p->window_reads += count;
    p->returned_ns = now_ns;
    if (p->window_reads >= WINDOW_PEAKS * greater(p->wanted_peak, IO_PACE_LIMIT_MIN)) {
        decide(p, (now_ns - p->window_ns) / p->window_reads);
        p->gap_max_ns = GAP_PEAKS * (now_ns - p->window_ns) / WINDOW_PEAKS;
        begin_window(p, now_ns);
    }
}
