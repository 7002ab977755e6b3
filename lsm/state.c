#include "lsm/state.h"

#include "base/check.h"

enum { SIDECAR_MAX = 64 << 20 };

struct status lsm_mem_create(const struct env *env, struct lsm_page_pool *pool,
                             struct lsm_mem **out_mem)
{
    struct lsm_mem *m = alloc_zeroed(env->alloc, sizeof *m);
    if (m == NULL)
        return status_of(ST_NO_MEMORY);
    m->alloc = env->alloc;
    atomic_init(&m->refs, 1);
    buf_init(&m->sidecar, env->alloc, SIDECAR_MAX);
    struct status s = lsm_memtable_create(env, pool, &m->table);
    if (failed(s)) {
        alloc_free(env->alloc, m, sizeof *m);
        return s;
    }
    *out_mem = m;
    return s;
}

/* Release: whoever sees no pin left also sees the last read of the segment done. */
void lsm_pins_drop(struct lsm_source *const *pins, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        atomic_fetch_sub_explicit(&pins[i]->pins, 1, memory_order_release);
}

static void drop_pins(struct lsm_mem *m)
{
    lsm_pins_drop(m->pinned, m->pinned_count);
    alloc_free(m->alloc, m->pinned, m->pinned_count * sizeof(struct lsm_source *));
}

struct status lsm_mem_keep_pins(struct lsm_mem *m, struct lsm_source *const *pins, uint32_t count)
{
    struct lsm_source **kept = NULL;

    if (count > 0) {
        kept = alloc_array(m->alloc, count, sizeof(struct lsm_source *));
        if (kept == NULL) {
            lsm_pins_drop(pins, count);
            return status_of(ST_NO_MEMORY);
        }
        memcpy(kept, pins, count * sizeof(struct lsm_source *));
    }
    drop_pins(m);
    m->pinned = kept;
    m->pinned_count = count;
    return status_ok();
}

void lsm_mem_ref(struct lsm_mem *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

void lsm_mem_unref(struct lsm_mem *m)
{
    if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    drop_pins(m);
    alloc_free(m->alloc, m->adopted, m->adopted_count * sizeof *m->adopted);
    lsm_memtable_unref(m->table);
    buf_deinit(&m->sidecar);
    alloc_free(m->alloc, m, sizeof *m);
}

static void destroy_retired(struct epoch_garbage *g)
{
    lsm_state_unref((struct lsm_state *)g);
}

struct status lsm_state_create(struct alloc *a, struct lsm_mem *mem, struct lsm_mem *const *frozen,
                               uint32_t frozen_count, struct lsm_version *version,
                               struct lsm_state **out_state)
{
    CHECK(frozen_count <= LSM_MEMTABLES_MAX);
    struct lsm_state *s = alloc_zeroed(a, sizeof *s);
    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->alloc = a;
    s->garbage.destroy = destroy_retired;
    atomic_init(&s->refs, 1);
    s->mem = mem;
    lsm_mem_ref(mem);
    for (uint32_t i = 0; i < frozen_count; i++) {
        s->frozen[i] = frozen[i];
        lsm_mem_ref(frozen[i]);
    }
    s->frozen_count = frozen_count;
    s->version = version;
    lsm_version_ref(version);
    *out_state = s;
    return status_ok();
}

void lsm_state_ref(struct lsm_state *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void lsm_state_unref(struct lsm_state *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    lsm_mem_unref(s->mem);
    for (uint32_t i = 0; i < s->frozen_count; i++)
        lsm_mem_unref(s->frozen[i]);
    lsm_version_unref(s->version);
    alloc_free(s->alloc, s, sizeof *s);
}
