/*
 * bare -- durable appends and nothing else: what fillsync could be at most on this machine.
 *
 * One file, written with zeros beforehand so that an append changes data only, opened
 * O_DIRECT | O_DSYNC, and written round and round as a recycled log is. Waiting callers share a
 * write: one leads, writes what all have brought, wakes them and hands the lead to one of those
 * who came meanwhile. No checksum, no tree, nothing to read back.
 */
#include "base/io.h"
#include "base/thread.h"

#include "bench/engines.h"

enum {
    LOG_SIZE = 64 << 20,
    GROUP_SIZE = 1 << 20, /* Of one write, at most. */
};

struct bare_engine {
    struct engine engine;
    const struct env *env;
    struct io_file *file;
    struct io_ring *ring; /* The leader's. */
    uint64_t offset;      /* The leader's: where the next group goes. */
    struct mutex mutex;
    uint8_t *buffers[2];         /* mutex: that of the filling group; the leader: the other. */
    size_t used;                 /* mutex */
    uint64_t filling;            /* mutex: number of the group being filled. */
    uint64_t written;            /* mutex: all groups up to this one are durable. */
    bool is_led;                 /* mutex */
    struct status status;        /* mutex: of the first failed write; final. */
    _Atomic uint32_t changes[2]; /* Waited on by the callers of even and odd groups. */
};

struct bare_session {
    struct session session;
};

static struct status fill_with_zeros(struct bare_engine *e)
{
    for (uint64_t at = 0; at < LOG_SIZE; at += GROUP_SIZE)
        TRY(io_write(e->ring, e->file, e->buffers[0], GROUP_SIZE, at));
    return status_ok();
}

static struct status open_log(struct bare_engine *e, const char *path, struct errbuf *err)
{
    char name[IO_PATH_MAX];
    const struct io_ring_options options = { .entries = 4 };
    const unsigned flags = IO_READ | IO_WRITE | IO_CREATE | IO_DIRECT | IO_DSYNC;

    (void)snprintf(name, sizeof name, "%s/log", path);
    struct status s = io_open(e->env->io, name, flags, &e->file);
    if (failed(s)) {
        errbuf_set(err, "could not open \"%s\" around the page cache: %s", name, status_text(s));
        return s;
    }
    TRY(io_ring_create(e->env->io, &options, &e->ring));
    return fill_with_zeros(e);
}

static void bare_close(struct engine *engine)
{
    struct bare_engine *e = (struct bare_engine *)engine;
    struct alloc *a = e->env->alloc;

    io_ring_destroy(e->ring);
    io_close(e->file);
    alloc_free(a, e->buffers[0], GROUP_SIZE);
    alloc_free(a, e->buffers[1], GROUP_SIZE);
    mutex_deinit(&e->mutex);
    alloc_free(a, e, sizeof *e);
}

static struct status bare_open(const struct engine_open *open, struct errbuf *err,
                               struct engine **out_engine)
{
    struct alloc *a = open->env->alloc;
    struct status s = status_of(ST_NO_MEMORY);
    struct bare_engine *e = alloc_zeroed(a, sizeof *e);

    if (e == NULL)
        return s;
    e->engine.class = &ENGINE_BARE;
    e->env = open->env;
    e->filling = 1;
    mutex_init(&e->mutex, RANK_LOG);
    for (int i = 0; i < 2; i++) {
        e->buffers[i] = alloc_aligned(a, IO_ALIGN, GROUP_SIZE);
        if (e->buffers[i] == NULL)
            goto out;
        memset(e->buffers[i], 0, GROUP_SIZE);
    }
    s = open_log(e, open->path, err);
out:
    if (failed(s))
        bare_close(&e->engine);
    else
        *out_engine = &e->engine;
    return s;
}

static struct status bare_session_open(struct engine *engine, struct session **out_session)
{
    struct bare_engine *e = (struct bare_engine *)engine;
    struct bare_session *s = alloc_zeroed(e->env->alloc, sizeof *s);

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->session.engine = engine;
    *out_session = &s->session;
    return status_ok();
}

static void bare_session_close(struct session *session)
{
    if (session == NULL)
        return;
    struct bare_engine *e = (struct bare_engine *)session->engine;
    alloc_free(e->env->alloc, session, sizeof(struct bare_session));
}

/* Wait for something to change for the callers of group. Gives up the mutex meanwhile. */
static void wait_for_change(struct bare_engine *e, uint64_t group) REQUIRES(e->mutex)
{
    _Atomic uint32_t *word = &e->changes[group % 2];
    uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);

    mutex_unlock(&e->mutex);
    futex_wait(word, seen);
    mutex_lock(&e->mutex);
}

/* Write the group that is being filled. Gives up the mutex meanwhile. */
static void lead(struct bare_engine *e) REQUIRES(e->mutex)
{
    uint64_t group = e->filling++;
    size_t size = (size_t)align_up(e->used, IO_ALIGN);

    e->is_led = true;
    e->used = 0;
    if (e->offset + size > LOG_SIZE)
        e->offset = 0;
    mutex_unlock(&e->mutex);
    struct status s = io_write(e->ring, e->file, e->buffers[group % 2], size, e->offset);
    mutex_lock(&e->mutex);
    e->offset += size;
    e->written = group;
    e->is_led = false;
    if (failed(s) && succeeded(e->status))
        e->status = s;
    /* Under the mutex, so that a caller that read the old number is asleep or will not sleep. */
    atomic_fetch_add_explicit(&e->changes[0], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->changes[1], 1, memory_order_relaxed);
    mutex_unlock(&e->mutex);
    futex_wake(&e->changes[group % 2], INT32_MAX);
    futex_wake(&e->changes[(group + 1) % 2], 1); /* The next leader. */
    mutex_lock(&e->mutex);
}

static struct status bare_put(struct session *session, struct bytes key, struct bytes value)
{
    struct bare_engine *e = (struct bare_engine *)session->engine;
    size_t size = key.size + value.size;

    if (size > GROUP_SIZE) {
        errbuf_set(&session->err, "the bare writer takes at most %d bytes at once", GROUP_SIZE);
        return status_of(ST_LIMIT);
    }
    mutex_lock(&e->mutex);
    while (e->used + size > GROUP_SIZE && succeeded(e->status))
        wait_for_change(e, e->filling);
    uint64_t group = e->filling;
    uint8_t *at = e->buffers[group % 2] + e->used;
    memcpy(at, key.data, key.size);
    memcpy(at + key.size, value.data, value.size);
    e->used += size;
    while (e->written < group && succeeded(e->status)) {
        if (e->is_led)
            wait_for_change(e, group);
        else
            lead(e);
    }
    struct status s = e->status;
    mutex_unlock(&e->mutex);
    return s;
}

static struct status bare_wait(struct engine *engine)
{
    (void)engine;
    return status_ok(); /* Every put waited for its write. */
}

static const enum flag_id FLAGS[] = { FLAG_sync };

const struct engine_class ENGINE_BARE = {
    .name = "bare",
    .summary = "no store: O_DIRECT|O_DSYNC appends to a recycled file, group-committed",
    .version = "this build",
    .flags = FLAGS,
    .flag_count = sizeof FLAGS / sizeof FLAGS[0],
    .open = bare_open,
    .close = bare_close,
    .session_open = bare_session_open,
    .session_close = bare_session_close,
    .put = bare_put,
    .flush = bare_wait,
    .settle = bare_wait,
};
