/*
 * The I/O seam between threads: wakes are never lost and publish what was written before them, a
 * file serves rings of several threads, a ring outlives the threads that pass it around, and an
 * accepted connection may live on another thread's ring. Meant for TSan; a lost wake is a hang.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/thread.h"

enum { WAKERS = 3, WAKES = 4000, ROUNDS = 4000, BLOCKS = 64, FILE_THREADS = 3 };

static unsigned checks;

#define EXPECT(fact)                                                                               \
    do {                                                                                           \
        CHECK(fact);                                                                               \
        checks++;                                                                                  \
    } while (0)

static struct thread *start(void (*run)(void *), void *context)
{
    struct thread *t = NULL;

    CHECK(succeeded(thread_start("io_prog", run, context, &t)));
    return t;
}

static struct io_ring *make_ring(struct io *io, bool is_bound)
{
    struct io_ring *ring = NULL;
    struct io_ring_options o = { .entries = 8, .is_thread_bound = is_bound, .polls_busily = true };

    CHECK(succeeded(io_ring_create(io, &o, &ring)));
    return ring;
}

static void wait_for(struct io_ring *ring, struct io_op *op)
{
    while (op->is_pending) {
        io_ring_wait(ring, UINT64_MAX);
        while (io_ring_done(ring) != NULL)
            ;
    }
}

/* ---- Many wakers, one sleeper ------------------------------------------------------------ */

struct bell {
    struct io_ring *ring;
    _Atomic unsigned posted;
};

static void ring_bell(void *context)
{
    struct bell *b = context;

    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add_explicit(&b->posted, 1, memory_order_relaxed);
        io_ring_wake(b->ring);
        if (i % 16 == 0)
            thread_yield();
    }
}

static void no_wake_is_lost(struct io *io, bool is_bound)
{
    struct bell b = { .ring = make_ring(io, is_bound) };
    struct thread *threads[WAKERS];
    unsigned seen = 0;

    for (int i = 0; i < WAKERS; i++)
        threads[i] = start(ring_bell, &b);
    while (seen < WAKERS * WAKES) {
        seen += atomic_exchange_explicit(&b.posted, 0, memory_order_relaxed);
        if (seen < WAKERS * WAKES)
            io_ring_wait(b.ring, UINT64_MAX);
    }
    EXPECT(seen == WAKERS * WAKES);
    for (int i = 0; i < WAKERS; i++)
        thread_join(threads[i]);
    io_ring_destroy(b.ring);
}

/* ---- Two threads that pass a plain number by waking each other ------------------------------ */

struct table_tennis {
    struct io *io;
    struct io_ring *rings[2];
    _Atomic uint32_t whose; /* Relaxed: only tells a wake from an early return. */
    unsigned ball;          /* Guarded by the wakes alone. */
};

static void play(struct table_tennis *t, unsigned me)
{
    for (int i = 0; i < ROUNDS; i++) {
        do
            io_ring_wait(t->rings[me], UINT64_MAX);
        while (atomic_load_explicit(&t->whose, memory_order_relaxed) != me);
        t->ball++;
        atomic_store_explicit(&t->whose, 1 - me, memory_order_relaxed);
        io_ring_wake(t->rings[1 - me]);
    }
}

static void play_second(void *context)
{
    play(context, 1);
}

static void a_wake_publishes(struct io *io)
{
    struct table_tennis t = { .io = io, .rings = { make_ring(io, false), make_ring(io, false) } };
    struct thread *other = start(play_second, &t);

    io_ring_wake(t.rings[0]);
    play(&t, 0);
    thread_join(other);
    EXPECT(t.ball == 2 * ROUNDS);
    io_ring_destroy(t.rings[0]);
    io_ring_destroy(t.rings[1]);
}

/* ---- One file, several threads ------------------------------------------------------------ */

struct worker {
    struct io *io;
    struct io_file *file;
    unsigned index;
};

static void use_file(void *context)
{
    const struct worker *w = context;
    struct io_ring *ring = make_ring(w->io, true);
    struct io_op ops[BLOCKS];
    static const size_t SIZE = 512;
    uint8_t *data = malloc(BLOCKS * SIZE);
    uint8_t *in = malloc(SIZE);

    CHECK(data != NULL);
    CHECK(in != NULL);
    for (size_t i = 0; i < BLOCKS; i++) {
        memset(data + i * SIZE, (int)(w->index * BLOCKS + i) & 0xff, SIZE);
        ops[i] = (struct io_op) { .opcode = IO_OP_WRITE,
                                  .file = w->file,
                                  .data = data + i * SIZE,
                                  .size = SIZE,
                                  .offset = (i * FILE_THREADS + w->index) * SIZE };
        io_submit(ring, &ops[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t got = 0;
        wait_for(ring, &ops[i]);
        CHECK(succeeded(ops[i].status));
        CHECK(succeeded(io_read(ring, w->file, in, SIZE, ops[i].offset, &got)));
        CHECK(got == SIZE);
        CHECK(memcmp(in, data + i * SIZE, SIZE) == 0);
    }
    io_ring_destroy(ring);
    free(data);
    free(in);
}

static void a_file_serves_threads(struct io *io, const char *path)
{
    struct worker workers[FILE_THREADS];
    struct thread *threads[FILE_THREADS];
    struct io_file *file = NULL;
    uint64_t size = 0;

    CHECK(succeeded(io_open(io, path, IO_READ | IO_WRITE | IO_CREATE, &file)));
    for (unsigned i = 0; i < FILE_THREADS; i++) {
        workers[i] = (struct worker) { .io = io, .file = file, .index = i };
        threads[i] = start(use_file, &workers[i]);
    }
    for (unsigned i = 0; i < FILE_THREADS; i++)
        thread_join(threads[i]);
    CHECK(succeeded(io_size(file, &size)));
    EXPECT(size == 512ull * BLOCKS * FILE_THREADS);
    io_close(file);
    CHECK(succeeded(io_unlink(io, path)));
}

/* ---- A ring that outlives its submitters, connections that move ------------------------------ */

struct relay {
    struct io_ring *ring;
    struct io_op recv;
    struct io_op write;
    char in[8];
};

static void submit_and_leave(void *context)
{
    struct relay *r = context;

    io_submit(r->ring, &r->write);
    io_submit(r->ring, &r->recv);
    io_ring_wait(r->ring, 0);
}

/*
 * io_uring cancels what a thread has under way when that thread exits; who takes over the ring
 * must not see that. The receive is pending when its submitter ends, and completes later.
 */
static void a_ring_outlives_its_threads(struct io *io, const char *path)
{
    struct io_ring *accepting = make_ring(io, false);
    struct relay r = { .ring = make_ring(io, false) };
    struct io_socket *listener = NULL;
    struct io_socket *client = NULL;
    struct io_file *file = NULL;
    struct io_listen_options o = { .address = "127.0.0.1" };

    CHECK(succeeded(io_open(io, path, IO_WRITE | IO_CREATE | IO_DSYNC, &file)));
    CHECK(succeeded(io_listen(io, &o, NULL, &listener)));
    CHECK(succeeded(io_connect(io, "127.0.0.1", io_socket_port(listener), &client)));
    struct io_op a = { .opcode = IO_OP_ACCEPT, .socket = listener };
    io_submit(accepting, &a);
    wait_for(accepting, &a);

    for (int i = 0; i < 20; i++) {
        r.recv = (struct io_op) {
            .opcode = IO_OP_RECV, .socket = a.accepted, .data = r.in, .size = sizeof r.in
        };
        r.write = (struct io_op) { .opcode = IO_OP_WRITE, .file = file, .data = "abc", .size = 3 };
        thread_join(start(submit_and_leave, &r));
        EXPECT(r.recv.is_pending);
        struct io_op s = { .opcode = IO_OP_SEND, .socket = client, .data = "late", .size = 4 };
        io_submit(accepting, &s);
        wait_for(accepting, &s);
        wait_for(r.ring, &r.write);
        wait_for(r.ring, &r.recv);
        EXPECT(succeeded(r.write.status));
        EXPECT(succeeded(r.recv.status));
        EXPECT(r.recv.done_size == 4);
    }
    io_socket_close(a.accepted);
    io_socket_close(client);
    io_socket_close(listener);
    io_close(file);
    io_ring_destroy(r.ring);
    io_ring_destroy(accepting);
    CHECK(succeeded(io_unlink(io, path)));
}

/* ---- A doorbell whose first sleeper has ended ------------------------------------------------ */

static void sleep_once(void *context)
{
    io_ring_wait(context, clock_ns(clock_system()) + 1000 * 1000);
}

static void wake_later(void *context)
{
    uint64_t until_ns = clock_ns(clock_system()) + 2 * 1000 * 1000;

    while (clock_ns(clock_system()) < until_ns)
        thread_yield();
    io_ring_wake(context);
}

/* Whatever the kernel watched for the thread that slept first, it watches for the next one. */
static void a_bell_outlives_its_threads(struct io *io)
{
    struct io_ring *ring = make_ring(io, false);

    for (int i = 0; i < 20; i++) {
        thread_join(start(sleep_once, ring));
        struct thread *waker = start(wake_later, ring);
        io_ring_wait(ring, UINT64_MAX);
        thread_join(waker);
        checks++;
    }
    io_ring_destroy(ring);
}

int main(void)
{
    const enum io_kind kinds[] = { IO_KIND_URING, IO_KIND_POSIX };
    char path[64];

    (void)snprintf(path, sizeof path, "/tmp/varve-io-prog-%ld", (long)getpid());
    for (size_t i = 0; i < 2; i++) {
        struct io *io = NULL;
        CHECK(succeeded(io_open_machine(alloc_heap(), kinds[i], &io, NULL)));
        no_wake_is_lost(io, false);
        no_wake_is_lost(io, true);
        a_wake_publishes(io);
        a_file_serves_threads(io, path);
        a_ring_outlives_its_threads(io, path);
        a_bell_outlives_its_threads(io);
        io_close_machine(io);
    }
    printf("io: %u checks\n", checks);
    return 0;
}
