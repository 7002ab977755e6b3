/*
 * Mutexes and conditions under ThreadSanitizer: threads add to plain counters under two ranked
 * mutexes; a bounded queue of one hands numbers over with conditions.
 */
#include "base/check.h"
#include "base/thread.h"

#include <stdio.h>

enum { THREADS = 4, ROUNDS = 20000, HANDED = 5000 };

struct shared {
    struct mutex outer;
    struct mutex inner;
    uint64_t outer_count; /* outer */
    uint64_t inner_count; /* inner */
    struct condition changed;
    uint64_t cell; /* outer; 0: empty */
};

static void count(void *context)
{
    struct shared *s = context;

    for (int i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0) {
            while (!mutex_try_lock(&s->outer))
                thread_relax();
        } else {
            mutex_lock(&s->outer);
        }
        s->outer_count++;
        mutex_lock(&s->inner);
        s->inner_count++;
        mutex_unlock(&s->outer);
        mutex_unlock(&s->inner);
    }
}

static void hand_over(void *context)
{
    struct shared *s = context;

    for (uint64_t i = 1; i <= HANDED; i++) {
        mutex_lock(&s->outer);
        while (s->cell != 0)
            condition_wait(&s->changed, &s->outer);
        s->cell = i;
        condition_broadcast(&s->changed);
        mutex_unlock(&s->outer);
    }
}

int main(void)
{
    struct shared s = { 0 };
    struct thread *threads[THREADS];
    uint64_t sum = 0;

    mutex_init(&s.outer, RANK_LSM);
    mutex_init(&s.inner, RANK_CACHE);
    condition_init(&s.changed);
    for (int i = 0; i < THREADS; i++)
        CHECK(succeeded(thread_start("count", count, &s, &threads[i])));
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    CHECK(s.outer_count == THREADS * ROUNDS);
    CHECK(s.inner_count == THREADS * ROUNDS);

    CHECK(succeeded(thread_start("hand_over", hand_over, &s, &threads[0])));
    for (uint64_t i = 1; i <= HANDED; i++) {
        mutex_lock(&s.outer);
        while (s.cell == 0)
            (void)condition_wait_for(&s.changed, &s.outer, 1000 * 1000);
        CHECK(s.cell == i);
        sum += s.cell;
        s.cell = 0;
        condition_signal(&s.changed);
        mutex_unlock(&s.outer);
    }
    thread_join(threads[0]);
    CHECK(sum == (uint64_t)HANDED * (HANDED + 1) / 2);
    condition_deinit(&s.changed);
    mutex_deinit(&s.inner);
    mutex_deinit(&s.outer);
    printf("mutex: %d checks\n", 2 * THREADS * ROUNDS + HANDED);
    return 0;
}
