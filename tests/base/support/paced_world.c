#include "tests/base/support/paced_world.h"

#include "base/check.h"

void paced_world_init(struct paced_world *w, uint64_t seed)
{
    CHECK(w->clients <= PACED_CLIENTS_MAX);
    rand_seed(&w->rand, seed);
    for (uint32_t i = 0; i < PACED_CLIENTS_MAX; i++)
        w->all[i] = (struct paced_client) { .done_ns = UINT64_MAX };
}

/* ---- The disk -------------------------------------------------------------------------------- */

/* Read for client, from start_ns on. */
static void lockstep_take(struct paced_world *w, uint32_t client, uint64_t start_ns)
{
    uint64_t old_ns = w->busy_until_ns;

    w->all[client].done_ns = old_ns;
    if (old_ns > start_ns) {
        /* It has not told of the others yet, and will not before this one is done. */
        w->busy_until_ns += w->read_ns;
        for (uint32_t i = 0; i < w->clients; i++) {
            if (w->all[i].done_ns == old_ns)
                w->all[i].done_ns = w->busy_until_ns;
        }
    } else {
        w->busy_until_ns = start_ns + w->latency_ns + w->read_ns;
        w->all[client].done_ns = w->busy_until_ns;
    }
}

static void parallel_take(struct paced_world *w, uint32_t client, uint64_t start_ns)
{
    if (w->busy_until_ns < start_ns)
        w->busy_until_ns = start_ns;
    w->busy_until_ns += w->read_ns;
    uint64_t done_ns = w->busy_until_ns + w->latency_ns + rand_below(&w->rand, w->jitter_ns + 1);
    if (w->period_ns > 0)
        done_ns = (done_ns + w->period_ns - 1) / w->period_ns * w->period_ns;
    w->all[client].done_ns = done_ns;
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* Start what may start. It reaches the disk when the last one is prepared. */
static void start_held(struct paced_world *w)
{
    struct io_pace *p = &w->pace;
    uint32_t count = w->ignores_pace ? p->held : io_pace_room(p);

    CHECK(w->ignores_pace || p->held == 0 || p->under_way > 0 || count > 0);
    w->now_ns += count * w->start_ns;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t client = w->held[w->held_first];
        w->held_first = (w->held_first + 1) % PACED_CLIENTS_MAX;
        if (w->ignores_pace) {
            p->held--;
            p->under_way++;
        } else {
            io_pace_start(p, w->now_ns);
        }
        if (w->disk == PACED_LOCKSTEP)
            lockstep_take(w, client, w->now_ns);
        else
            parallel_take(w, client, w->now_ns);
    }
}

/* True if anything came back. */
static bool take_answers(struct paced_world *w)
{
    uint32_t back[PACED_CLIENTS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < w->clients; i++) {
        if (w->all[i].done_ns <= w->now_ns) {
            w->all[i].done_ns = UINT64_MAX;
            back[count++] = i;
        }
    }
    if (count == 0)
        return false;
    io_pace_return(&w->pace, count, w->now_ns);
    start_held(w);
    for (uint32_t i = 0; i < count; i++) {
        w->now_ns += w->answer_ns;
        w->answers++;
        w->all[back[i]].asks_ns = w->now_ns + w->client_ns;
    }
    return true;
}

/* True if anything was asked. */
static bool take_requests(struct paced_world *w, uint64_t until_ns)
{
    bool is_any = false;

    for (uint32_t i = 0; i < w->clients; i++) {
        if (w->all[i].asks_ns > until_ns)
            continue;
        is_any = true;
        w->all[i].asks_ns = UINT64_MAX;
        w->now_ns += w->ask_ns;
        w->held[(w->held_first + w->pace.held) % PACED_CLIENTS_MAX] = i;
        io_pace_want(&w->pace);
    }
    if (is_any)
        start_held(w);
    w->reads_held += w->pace.held;
    return is_any;
}

static void sleep_on(struct paced_world *w)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < w->clients; i++) {
        if (w->all[i].done_ns < next_ns)
            next_ns = w->all[i].done_ns;
        if (w->all[i].asks_ns < next_ns)
            next_ns = w->all[i].asks_ns;
    }
    CHECK(next_ns != UINT64_MAX); /* Or everybody waits for ever. */
    w->now_ns = (next_ns > w->now_ns ? next_ns : w->now_ns) + w->wake_ns;
}

void paced_world_run(struct paced_world *w, uint64_t for_ns)
{
    uint64_t until_ns = w->now_ns + for_ns;

    while (w->now_ns < until_ns) {
        uint64_t begin_ns = w->now_ns;
        bool is_any = take_answers(w);
        is_any = take_requests(w, begin_ns) || is_any;
        if (!is_any)
            sleep_on(w);
    }
}

double paced_world_rate(struct paced_world *w, uint64_t for_ns)
{
    uint64_t answers = w->answers;
    uint64_t begin_ns = w->now_ns;

    paced_world_run(w, for_ns);
    return (double)(w->answers - answers) * 1e9 / (double)(w->now_ns - begin_ns);
}
