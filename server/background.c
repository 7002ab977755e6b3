#include "server/background.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/thread.h"

enum { RING_ENTRIES = 64 };

static const uint64_t IDLE_NS = 1000 * 1000 * 1000;
static const uint64_t BROKEN_NS = 100 * 1000 * 1000;

struct server_background {
    const struct env *env;
    struct txn_clock *clock;
    struct lsm *lsm;
    struct io_ring *ring;
    struct thread *thread;
    _Atomic bool is_stopping;
    _Atomic(struct background_job *) job; /* shared: given with release */
    bool has_told;                        /* The log has a line about why there is no progress. */
};

static void wake(void *context)
{
    struct server_background *b = context;
    io_ring_wake(b->ring);
}

/* A store that cannot go on says so once; and once more when it can. */
static void tell(struct server_background *b, enum lsm_step step)
{
    const char *why = lsm_failure(b->lsm);
    bool is_broken = step == LSM_BROKEN;

    if (is_broken == b->has_told)
        return;
    b->has_told = is_broken;
    if (is_broken)
        log_warning(b->env->log, "Flushing and compacting cannot go on: %s",
                    why != NULL ? why : "no space left on the disk; it will be tried again");
    else
        log_notice(b->env->log, "Flushing and compacting go on");
}

static void do_job(struct server_background *b)
{
    struct background_job *job = atomic_exchange_explicit(&b->job, NULL, memory_order_acquire);

    if (job == NULL)
        return;
    void (*done)(struct background_job *) = job->done;
    job->run(job, b->ring);
    atomic_store_explicit(&job->is_done, true, memory_order_release);
    done(job);
}

void server_background_give(struct server_background *b, struct background_job *job)
{
    atomic_store_explicit(&b->job, job, memory_order_release);
    io_ring_wake(b->ring);
}

static void run(void *context)
{
    struct server_background *b = context;

    while (!atomic_load_explicit(&b->is_stopping, memory_order_acquire)) {
        do_job(b);
        uint64_t now_ns = clock_ns(b->env->clock);
        status_ignore(txn_clock_keep_ahead(b->clock, b->ring),
                      "it will be tried again; writes wait only when billions have been made");
        enum lsm_step step = lsm_work_step(b->lsm, b->ring, now_ns);
        tell(b, step);
        if (step != LSM_AGAIN)
            io_ring_wait(b->ring, now_ns + (step == LSM_BROKEN ? BROKEN_NS : IDLE_NS));
    }
}

struct status server_background_start(const struct env *env, struct txn_clock *clock,
                                      struct server_background **out_background)
{
    const struct io_ring_options ring = { .entries = RING_ENTRIES };
    struct server_background *b = alloc_zeroed(env->alloc, sizeof *b);

    if (b == NULL)
        return status_of(ST_NO_MEMORY);
    b->env = env;
    b->clock = clock;
    b->lsm = clock->lsm;
    struct status s = io_ring_create(env->io, &ring, &b->ring);
    if (succeeded(s)) {
        lsm_on_work(b->lsm, wake, b);
        s = thread_start("varve-work", run, b, &b->thread);
    }
    if (failed(s)) {
        server_background_stop(b);
        return s;
    }
    *out_background = b;
    return s;
}

void server_background_stop(struct server_background *b)
{
    if (b == NULL)
        return;
    if (b->thread != NULL) {
        atomic_store_explicit(&b->is_stopping, true, memory_order_release);
        io_ring_wake(b->ring);
        thread_join(b->thread);
    }
    lsm_on_work(b->lsm, NULL, NULL);
    io_ring_destroy(b->ring);
    alloc_free(b->env->alloc, b, sizeof *b);
}
