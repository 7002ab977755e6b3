/*
 * thread -- the door to threads: mutexes with ranks, conditions, futex words, thread start.
 *
 * A mutex has a rank; a thread takes mutexes in strictly rising rank only (checked unless NDEBUG),
 * so no cycle of waiting threads can form. Below server/ and embed/ nobody starts a thread or
 * waits on a condition; modules may own mutexes.
 *
 * Threads: any. Failures of the machine here are bugs (a mutex unlocked twice) and end the
 * process; only starting a thread can be refused.
 */
#ifndef VARVE_BASE_THREAD_H
#define VARVE_BASE_THREAD_H

#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>

/* Clang's thread-safety annotations on functions; fields say their guard in a comment. */
#if defined(__clang__)
#define REQUIRES(lock) __attribute__((requires_capability(lock)))
#define CAPABILITY(name) __attribute__((capability(name)))
#define ACQUIRES(lock) __attribute__((acquire_capability(lock)))
#define RELEASES(lock) __attribute__((release_capability(lock)))
#define TRIES(result, lock) __attribute__((try_acquire_capability(result, lock)))
#define UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define REQUIRES(lock)
#define CAPABILITY(name)
#define ACQUIRES(lock)
#define RELEASES(lock)
#define TRIES(result, lock)
#define UNCHECKED
#endif

/* Outer before inner. */
enum mutex_rank {
    RANK_EMBED = 10,
    RANK_COMMIT = 20,
    RANK_LSM = 30,
    RANK_LOG_PREPARE = 35, /* vlog, making a segment ready: takes file ids, the manifest's. */
    RANK_MANIFEST = 40,
    RANK_VLOG = 50,
    RANK_FETCH = 55, /* cache, reads under way. */
    RANK_CACHE = 60,
    RANK_IO = 70,
    RANK_LOG = 80,
};

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t native;
    enum mutex_rank rank;
};
void mutex_init(struct mutex *m, enum mutex_rank rank);
void mutex_deinit(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRES(*m);
/* False if another thread has it. */
bool mutex_try_lock(struct mutex *m) TRIES(true, *m);
void mutex_unlock(struct mutex *m) RELEASES(*m);

struct condition {
    pthread_cond_t native;
};
void condition_init(struct condition *c);
void condition_deinit(struct condition *c);
void condition_wait(struct condition *c, struct mutex *m) REQUIRES(*m);
/* False if timeout_ns passed first. */
bool condition_wait_for(struct condition *c, struct mutex *m, uint64_t timeout_ns) REQUIRES(*m);
void condition_signal(struct condition *c);
void condition_broadcast(struct condition *c);

/* Sleep while *word == expected; may return early, so call it in a loop that loads the word. */
void futex_wait(_Atomic uint32_t *word, uint32_t expected);
/* Wake up to count sleepers (INT_MAX: all). Change the word first. */
void futex_wake(_Atomic uint32_t *word, int count);

struct thread;
/* name is copied, cut to 15 bytes. The thread gets no signals but those of its own faults. */
MUST_CHECK struct status thread_start(const char *name, void (*run)(void *context), void *context,
                                      struct thread **out_thread);
/* Wait until run has returned; the thread is gone. Takes NULL. */
void thread_join(struct thread *thread);
/* A number that is the calling thread's for its life, well spread; two threads may share one. To
 * pick a ring or slot that others rarely touch. */
uint32_t thread_hint(void);
/* Let the other core have this one for a moment (spin loops). */
void thread_relax(void);
void thread_yield(void);

#endif
