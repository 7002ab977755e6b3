/*
 * The budget's cap under concurrency: threads charge and refund at random; no granted set of
 * charges ever passes the cap, and all is zero at the end.
 */
#include "base/budget.h"
#include "base/check.h"
#include "base/rand.h"
#include "base/thread.h"

#include <stdio.h>

/* One thread alone asks for more than the cap now and then, whatever the machine makes of four. */
enum { THREADS = 4, ROUNDS = 50000, HELD = 8, CAP = 3000 };

struct worker {
    struct budget *budget;
    _Atomic int64_t *granted; /* What all hold by their own count. */
    uint64_t seed;
    uint64_t refused;
};

static void charge(void *context)
{
    struct worker *w = context;
    struct rand r;
    size_t held[HELD] = { 0 };

    rand_seed(&r, w->seed);
    for (int i = 0; i < ROUNDS; i++) {
        size_t *h = &held[rand_below(&r, HELD)];
        if (*h == 0) {
            size_t size = 1 + rand_below(&r, 1000);
            if (failed(budget_charge(w->budget, BUDGET_JOB, size))) {
                w->refused++;
                continue;
            }
            CHECK(atomic_fetch_add(w->granted, (int64_t)size) + (int64_t)size <= CAP);
            *h = size;
        } else {
            atomic_fetch_sub(w->granted, (int64_t)*h);
            budget_refund(w->budget, BUDGET_JOB, *h);
            *h = 0;
        }
    }
    for (int i = 0; i < HELD; i++) {
        atomic_fetch_sub(w->granted, (int64_t)held[i]);
        budget_refund(w->budget, BUDGET_JOB, held[i]);
    }
}

int main(void)
{
    struct budget budget;
    struct worker workers[THREADS];
    struct thread *threads[THREADS];
    _Atomic int64_t granted = 0;
    uint64_t refused = 0;

    budget_init(&budget, CAP);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker) { .budget = &budget, .granted = &granted, .seed = i };
        CHECK(succeeded(thread_start("charge", charge, &workers[i], &threads[i])));
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        refused += workers[i].refused;
    }
    CHECK(refused > 0);
    CHECK(budget.total_bytes == 0 && budget.held_bytes[BUDGET_JOB] == 0);
    CHECK(budget.peak_bytes <= CAP);
    printf("budget: %d checks\n", THREADS * ROUNDS);
    return 0;
}
