#include "bench/store.h"

#include "bench/dir.h"

struct status store_prepare(struct run *r)
{
    bool keep = r->flags->use_existing_db;

    TRY(dir_prepare(r->env, r->flags->db, r->class->name, keep, r->err, r->store, sizeof r->store));
    return keep ? status_ok() : dir_clear(r->env, r->store, r->err);
}

void store_close(struct run *r)
{
    if (r->engine != NULL)
        r->class->close(r->engine);
    r->engine = NULL;
}

struct status store_open(struct run *r, bool sync)
{
    const struct engine_open open = {
        .env = r->env,
        .flags = r->flags,
        .path = r->store,
        .sync = sync,
    };

    if (r->engine != NULL && r->is_open_with_sync == sync)
        return status_ok();
    store_close(r);
    struct status s = r->class->open(&open, r->err, &r->engine);
    if (failed(s))
        errbuf_prefix(r->err, "open \"%s\"", r->store);
    r->is_open_with_sync = sync;
    return s;
}

struct status store_open_empty(struct run *r, bool sync)
{
    store_close(r);
    TRY(dir_clear(r->env, r->store, r->err));
    return store_open(r, sync);
}

struct status store_reopen(struct run *r, uint64_t *out_open_ns)
{
    store_close(r);
    uint64_t start = clock_ns(r->env->clock);
    TRY(store_open(r, r->is_open_with_sync));
    if (out_open_ns != NULL)
        *out_open_ns = clock_ns(r->env->clock) - start;
    return status_ok();
}

struct status store_settle(struct run *r)
{
    struct status s = r->class->settle(r->engine);

    if (failed(s))
        errbuf_set(r->err, "settle: %s", r->engine->err.text);
    return s;
}
