/*
 * engine -- what the runner asks of a store: the same few operations of every engine.
 *
 * An engine is a class (a table of functions) and an open store. Each worker thread has a session
 * of its own; what is read is borrowed from the session. A function that an engine cannot offer is
 * NULL in its table, and a benchmark that needs it says so before anything is run.
 *
 *   1. get and multi_get give a private copy of the value: what it costs to have the bytes in hand
 *      is paid by every engine alike. An iterator's key and value are the engine's own memory.
 *   2. Opened with sync, a write is durable when it returns; without, it is in the kernel.
 *   3. settle returns when nothing is left to flush, to compact or to rewrite.
 *
 * Threads: put, delete, get, multi_get, write, iterators: a session by one thread at a time, any
 * number of sessions at once. Everything else: one thread, no session open.
 */
#ifndef VARVE_BENCH_ENGINE_H
#define VARVE_BENCH_ENGINE_H

#include "base/bytes.h"
#include "base/env.h"
#include "base/errbuf.h"
#include "base/status.h"

#include "bench/flags.h"

#include <stdio.h>

struct engine_class;

struct engine {
    const struct engine_class *class;
    struct errbuf err; /* The words of the last failed call that has no session. */
};

struct session {
    struct engine *engine;
    struct errbuf err; /* The words of its last failed call. */
};

struct engine_open {
    const struct env *env;     /* Borrowed for life. */
    const struct flags *flags; /* Borrowed for life. */
    const char *path;          /* A directory that exists. Copied if kept. */
    bool sync;
};

struct engine_write {
    struct bytes key;
    struct bytes value;
    bool is_delete;
};

/* Valid, at an end, or failed: see status when not valid. */
struct engine_iter {
    struct session *session;
    bool is_valid;
    struct bytes key;   /* While valid, borrowed until the next call. */
    struct bytes value; /* As key. */
    struct status status;
};

enum engine_text { ENGINE_STATS, ENGINE_LEVELSTATS, ENGINE_SSTABLES };

struct engine_class {
    const char *name;
    const char *summary;
    const char *version;
    const enum flag_id *flags; /* What it honours of FLAG_OF_ENGINE. */
    size_t flag_count;

    struct status (*open)(const struct engine_open *open, struct errbuf *err,
                          struct engine **out_engine);
    void (*close)(struct engine *e); /* Requires: no session. */
    struct status (*session_open)(struct engine *e, struct session **out_session);
    void (*session_close)(struct session *s); /* Takes NULL. */

    struct status (*put)(struct session *s, struct bytes key, struct bytes value);
    struct status (*delete)(struct session *s, struct bytes key);
    /* Atomically. */
    struct status (*write)(struct session *s, const struct engine_write *writes, size_t count);
    /* ST_NOT_FOUND if there is none. Borrowed until the session's next call. */
    struct status (*get)(struct session *s, struct bytes key, struct bytes *out_value);
    /* out_values[i].data is NULL if there is none. Borrowed as with get. */
    struct status (*multi_get)(struct session *s, const struct bytes *keys, size_t count,
                               struct bytes *out_values);

    /* A view of the store as of now. */
    struct status (*iter_open)(struct session *s, struct engine_iter **out_iter);
    void (*iter_close)(struct engine_iter *it);
    void (*iter_first)(struct engine_iter *it);
    void (*iter_last)(struct engine_iter *it);
    void (*iter_seek)(struct engine_iter *it, struct bytes key); /* The first at or after key. */
    void (*iter_next)(struct engine_iter *it);                   /* Requires: valid. */
    void (*iter_prev)(struct engine_iter *it);                   /* Requires: valid. */

    struct status (*flush)(struct engine *e);
    struct status (*compact)(struct engine *e);
    struct status (*settle)(struct engine *e);
    /* What the engine says of itself. ST_NOT_FOUND if nothing. */
    struct status (*text)(struct engine *e, enum engine_text what, FILE *out);
};

/* The class of that name, or ST_INVALID with what there is (or how to build it) in err. */
MUST_CHECK struct status engine_find(const char *name, struct errbuf *err,
                                     const struct engine_class **out_class);
void engine_print_list(FILE *out);

#endif
