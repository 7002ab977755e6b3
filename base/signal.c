#include "base/signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/thread.h"

struct signal_watch {
    void (*on_signal)(void *context, const char *name);
    void *context;
    struct thread *thread;
    sigset_t before; /* What the first thread blocked. */
    _Atomic bool is_stopping;
};

static void watched_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
}

static const char *name_of(int number)
{
    switch (number) {
    case SIGTERM:
        return "SIGTERM";
    case SIGINT:
        return "SIGINT";
    default:
        return "SIGHUP";
    }
}

static void watch(void *context)
{
    struct signal_watch *w = context;
    sigset_t watched;
    int number;

    watched_signals(&watched);
    while (sigwait(&watched, &number) == 0) {
        if (atomic_load_explicit(&w->is_stopping, memory_order_acquire))
            return;
        w->on_signal(w->context, name_of(number));
    }
}

struct status signal_watch_start(void (*on_signal)(void *context, const char *name), void *context,
                                 struct signal_watch **out_watch)
{
    struct signal_watch *w = alloc_zeroed(alloc_heap(), sizeof *w);
    sigset_t watched;

    if (w == NULL)
        return status_of(ST_NO_MEMORY);
    w->on_signal = on_signal;
    w->context = context;
    watched_signals(&watched);
    CHECK(pthread_sigmask(SIG_BLOCK, &watched, &w->before) == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    struct status s = thread_start("varve-signals", watch, w, &w->thread);
    if (failed(s)) {
        CHECK(pthread_sigmask(SIG_SETMASK, &w->before, NULL) == 0);
        alloc_free(alloc_heap(), w, sizeof *w);
        return s;
    }
    *out_watch = w;
    return s;
}

void signal_watch_stop(struct signal_watch *w)
{
    if (w == NULL)
        return;
    atomic_store_explicit(&w->is_stopping, true, memory_order_release);
    /* All threads block it, so the waiting one gets it. */
    CHECK(kill(getpid(), SIGTERM) == 0);
    thread_join(w->thread);
    CHECK(pthread_sigmask(SIG_SETMASK, &w->before, NULL) == 0);
    alloc_free(alloc_heap(), w, sizeof *w);
}
