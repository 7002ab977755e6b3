/*
 * The bare writer under threads: what put returned OK for is in the file, whole.
 */
#include "bench/engines.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/thread.h"

#include <stdlib.h>

enum { THREADS = 8, PUTS = 150, VALUE = 700 };

struct caller {
    struct engine *engine;
    unsigned index;
    struct thread *thread;
    bool is_good;
};

static void make(unsigned caller, unsigned i, uint8_t key[8], uint8_t value[VALUE])
{
    put_u32(key, 0xfeed0000 + caller);
    put_u32(key + 4, 0xbeef0000 + i);
    for (unsigned j = 0; j < VALUE; j++)
        value[j] = (uint8_t)(1 + (caller * 31 + i * 7 + j) % 255);
}

static void call(void *context)
{
    struct caller *c = context;
    struct session *session;
    uint8_t key[8];
    uint8_t value[VALUE];

    c->is_good = succeeded(ENGINE_BARE.session_open(c->engine, &session));
    for (unsigned i = 0; c->is_good && i < PUTS; i++) {
        make(c->index, i, key, value);
        c->is_good = succeeded(ENGINE_BARE.put(session, bytes_of(key, 8), bytes_of(value, VALUE)));
    }
    ENGINE_BARE.session_close(session);
}

static int check_file(const char *dir)
{
    char path[128];
    size_t size = 2 * THREADS * PUTS * 4096; /* All of it, had nobody shared a write. */
    uint8_t *log = malloc(size);
    uint8_t record[8 + VALUE];
    int missing = 0;

    snprintf(path, sizeof path, "%s/log", dir);
    FILE *f = fopen(path, "r");
    if (log == NULL || f == NULL || fread(log, 1, size, f) != size)
        return 1;
    fclose(f);
    for (unsigned c = 0; c < THREADS; c++) {
        for (unsigned i = 0; i < PUTS; i++) {
            make(c, i, record, record + 8);
            if (memmem(log, size, record, sizeof record) == NULL) {
                printf("bare: put %u of caller %u is not there\n", i, c);
                missing++;
            }
        }
    }
    free(log);
    return missing;
}

static int run(const struct env *env, const char *dir)
{
    struct flags flags;
    struct errbuf err;
    struct engine *engine;
    struct caller callers[THREADS];
    bool is_good = true;

    flags_init(&flags);
    const struct engine_open open = { .env = env, .flags = &flags, .path = dir, .sync = true };
    struct status s = ENGINE_BARE.open(&open, &err, &engine);
    if (s.code == ST_UNSUPPORTED) {
        printf("bare: 0 checks: %s\n", err.text);
        return 0;
    }
    if (failed(s))
        return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (struct caller) { .engine = engine, .index = i };
        if (failed(thread_start("caller", call, &callers[i], &callers[i].thread)))
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(callers[i].thread);
        is_good = is_good && callers[i].is_good;
    }
    ENGINE_BARE.close(engine);
    if (!is_good || check_file(dir) != 0)
        return 1;
    printf("bare: %d checks\n", THREADS * PUTS);
    return 0;
}

int main(void)
{
    char dir[] = "/tmp/bare_prog_XXXXXX";
    char path[128];
    struct env env = { .alloc = alloc_heap(), .clock = clock_system() };

    if (mkdtemp(dir) == NULL || failed(io_open_machine(env.alloc, IO_KIND_POSIX, &env.io, NULL)))
        return 1;
    int result = run(&env, dir);
    io_close_machine(env.io);
    snprintf(path, sizeof path, "%s/log", dir);
    remove(path);
    remove(dir);
    return result;
}
