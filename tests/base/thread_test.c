#include "base/thread.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>

Test(mutex, any_order_of_unlocking)
{
    struct mutex a;
    struct mutex b;

    mutex_init(&a, RANK_LSM);
    mutex_init(&b, RANK_CACHE);
    mutex_lock(&a);
    mutex_lock(&b);
    mutex_unlock(&a);
    mutex_unlock(&b);
    cr_assert(mutex_try_lock(&b));
    mutex_unlock(&b);
    mutex_deinit(&a);
    mutex_deinit(&b);
}

#ifndef NDEBUG
/* Falling or equal ranks end the process at once, without a second thread to deadlock with. */
Test(mutex, falling_rank_is_caught, .signal = SIGABRT)
{
    struct mutex a;
    struct mutex b;

    mutex_init(&a, RANK_LSM);
    mutex_init(&b, RANK_CACHE);
    mutex_lock(&b);
    mutex_lock(&a);
}

Test(mutex, equal_rank_is_caught, .signal = SIGABRT)
{
    struct mutex a;
    struct mutex b;

    mutex_init(&a, RANK_LSM);
    mutex_init(&b, RANK_LSM);
    mutex_lock(&b);
    mutex_lock(&a);
}
#endif

Test(condition, a_wait_ends_by_time)
{
    struct mutex m;
    struct condition c;

    mutex_init(&m, RANK_EMBED);
    condition_init(&c);
    mutex_lock(&m);
    cr_assert_not(condition_wait_for(&c, &m, 2 * 1000 * 1000));
    mutex_unlock(&m);
    condition_deinit(&c);
    mutex_deinit(&m);
}

struct relay {
    _Atomic uint32_t turn;
};

static void answer(void *context)
{
    struct relay *r = context;

    for (uint32_t i = 0; i < 1000; i++) {
        while (atomic_load(&r->turn) != 2 * i + 1)
            futex_wait(&r->turn, 2 * i);
        atomic_store(&r->turn, 2 * i + 2);
        futex_wake(&r->turn, INT_MAX);
    }
}

Test(thread, futex_relay)
{
    struct relay r = { 0 };
    struct thread *t;

    cr_assert(succeeded(thread_start("a name that is too long", answer, &r, &t)));
    for (uint32_t i = 0; i < 1000; i++) {
        atomic_store(&r.turn, 2 * i + 1);
        futex_wake(&r.turn, 1);
        while (atomic_load(&r.turn) != 2 * i + 2)
            futex_wait(&r.turn, 2 * i + 1);
    }
    thread_join(t);
    thread_join(NULL);
    cr_assert_eq(r.turn, 2000);
}
