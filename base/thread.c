#include "base/thread.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- Mutexes ------------------------------------------------------------------------------ */

/*
 * The rank check: each thread remembers the ranks it holds, in rising order. Taking a mutex whose
 * rank is not above the last one is a cycle waiting for its second thread, and ends the process at
 * the first single-threaded test that walks there. Thread-local, the one writable storage that is
 * allowed outside of objects.
 */
#ifndef NDEBUG
enum { HELD_MAX = 16 };

struct held_ranks {
    int count;
    enum mutex_rank ranks[HELD_MAX];
};
static _Thread_local struct held_ranks held;

static void note_locked(enum mutex_rank rank)
{
    CHECK(held.count < HELD_MAX);
    CHECK(held.count == 0 || held.ranks[held.count - 1] < rank);
    held.ranks[held.count++] = rank;
}

static void note_unlocked(enum mutex_rank rank)
{
    int i = held.count - 1;

    /* Usually the last; mutexes may be given back in any order. */
    while (i >= 0 && held.ranks[i] != rank)
        i--;
    CHECK(i >= 0);
    held.count--;
    memmove(&held.ranks[i], &held.ranks[i + 1], (size_t)(held.count - i) * sizeof held.ranks[0]);
}
#else
static void note_locked(enum mutex_rank rank)
{
    (void)rank;
}
static void note_unlocked(enum mutex_rank rank)
{
    (void)rank;
}
#endif

void mutex_init(struct mutex *m, enum mutex_rank rank)
{
    CHECK(pthread_mutex_init(&m->native, NULL) == 0);
    m->rank = rank;
}

void mutex_deinit(struct mutex *m)
{
    CHECK(pthread_mutex_destroy(&m->native) == 0);
}

void mutex_lock(struct mutex *m) UNCHECKED
{
    note_locked(m->rank);
    CHECK(pthread_mutex_lock(&m->native) == 0);
}

bool mutex_try_lock(struct mutex *m) UNCHECKED
{
    int error = pthread_mutex_trylock(&m->native);

    CHECK(error == 0 || error == EBUSY);
    if (error == 0)
        note_locked(m->rank);
    return error == 0;
}

void mutex_unlock(struct mutex *m) UNCHECKED
{
    note_unlocked(m->rank);
    CHECK(pthread_mutex_unlock(&m->native) == 0);
}

/* ---- Conditions --------------------------------------------------------------------------- */

void condition_init(struct condition *c)
{
    pthread_condattr_t attributes;

    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&c->native, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
}

void condition_deinit(struct condition *c)
{
    CHECK(pthread_cond_destroy(&c->native) == 0);
}

/* A waiter's held ranks stay as they are: it takes no other mutex while it waits. */
void condition_wait(struct condition *c, struct mutex *m)
{
    CHECK(pthread_cond_wait(&c->native, &m->native) == 0);
}

bool condition_wait_for(struct condition *c, struct mutex *m, uint64_t timeout_ns)
{
    const uint64_t ns_per_s = 1000 * 1000 * 1000;
    struct timespec t;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    uint64_t ns = (uint64_t)t.tv_nsec + timeout_ns % ns_per_s;
    uint64_t seconds = timeout_ns / ns_per_s + ns / ns_per_s;
    t.tv_sec += (time_t)seconds;
    t.tv_nsec = (long)(ns % ns_per_s);
    int error = pthread_cond_timedwait(&c->native, &m->native, &t);
    CHECK(error == 0 || error == ETIMEDOUT);
    return error == 0;
}

void condition_signal(struct condition *c)
{
    CHECK(pthread_cond_signal(&c->native) == 0);
}

void condition_broadcast(struct condition *c)
{
    CHECK(pthread_cond_broadcast(&c->native) == 0);
}

/* ---- Futex words -------------------------------------------------------------------------- */

void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    /* Woken, changed before we slept, or interrupted: the caller looks at the word again. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void futex_wake(_Atomic uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* ---- Threads ------------------------------------------------------------------------------ */

enum { NAME_SIZE = 16 }; /* The kernel's. */

struct thread {
    pthread_t native;
    void (*run)(void *context);
    void *context;
    char name[NAME_SIZE];
};

static void *enter_thread(void *argument)
{
    struct thread *t = argument;

    (void)pthread_setname_np(pthread_self(), t->name);
    t->run(t->context);
    return NULL;
}

/* What is sent to the process (SIGTERM, SIGHUP ...) is the first thread's business; faults stay
 * with who made them. */
static void background_signals(sigset_t *out_blocked)
{
    sigfillset(out_blocked);
    sigdelset(out_blocked, SIGSEGV);
    sigdelset(out_blocked, SIGBUS);
    sigdelset(out_blocked, SIGFPE);
    sigdelset(out_blocked, SIGILL);
    sigdelset(out_blocked, SIGABRT);
    sigdelset(out_blocked, SIGTRAP);
    sigdelset(out_blocked, SIGPROF);
}

struct status thread_start(const char *name, void (*run)(void *context), void *context,
                           struct thread **out_thread)
{
    struct thread *t = alloc_zeroed(alloc_heap(), sizeof *t);
    sigset_t blocked;
    sigset_t before;

    if (t == NULL)
        return status_of(ST_NO_MEMORY);
    t->run = run;
    t->context = context;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    background_signals(&blocked);
    CHECK(pthread_sigmask(SIG_SETMASK, &blocked, &before) == 0);
    int error = pthread_create(&t->native, NULL, enter_thread, t);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (error != 0) {
        alloc_free(alloc_heap(), t, sizeof *t);
        return status_of(error == EAGAIN ? ST_NO_MEMORY : ST_IO);
    }
    *out_thread = t;
    return status_ok();
}

void thread_join(struct thread *thread)
{
    if (thread == NULL)
        return;
    CHECK(pthread_join(thread->native, NULL) == 0);
    alloc_free(alloc_heap(), thread, sizeof *thread);
}

uint32_t thread_hint(void)
{
    /* Of the thread's control block, which no other living thread has. */
    return (uint32_t)hash_u64((uintptr_t)pthread_self());
}

void thread_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void thread_yield(void)
{
    (void)sched_yield();
}
