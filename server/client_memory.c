#include "server/client_memory.h"

enum { SHORT_BYTES = 1 << 20 };

static size_t held(const struct budget *b, enum budget_tag tag)
{
    return atomic_load_explicit(&b->held_bytes[tag], memory_order_relaxed);
}

static size_t left_for(const struct server_client_alloc *a)
{
    const struct budget *b = a->memory->budget;
    size_t left = budget_left(b);
    size_t others = 0;

    for (enum budget_tag tag = 0; tag < BUDGET_TAGS; tag++) {
        if (tag != BUDGET_CACHE && tag != BUDGET_ROWS && tag != BUDGET_CONNECTION &&
            tag != BUDGET_REPLY)
            others += held(b, tag);
    }
    size_t kept = a->reserve_bytes > others ? (size_t)a->reserve_bytes - others : 0;
    return left > kept ? left - kept : 0;
}

size_t server_client_memory_left(const struct server_client_memory *m)
{
    return left_for(&m->replies);
}

bool server_client_memory_is_short(const struct server_client_memory *m)
{
    return server_client_memory_left(m) < SHORT_BYTES;
}

bool server_client_memory_is_patient(const struct server_client_memory *m)
{
    return held(m->budget, BUDGET_REPLY) < m->patience_bytes && !server_client_memory_is_short(m);
}

static bool has_room(const struct server_client_alloc *a, size_t old_size, size_t new_size)
{
    return new_size <= CLIENT_BLOCK_FREE || new_size <= old_size ||
           new_size - old_size <= left_for(a);
}

/* Before it grows, and after it shrank. */
static void *resize(struct alloc *alloc, void *p, size_t old_size, size_t new_size)
{
    struct server_client_alloc *a = (struct server_client_alloc *)alloc;
    struct server_client_memory *m = a->memory;

    if (!has_room(a, old_size, new_size))
        return NULL;
    if (new_size > old_size)
        budget_force(m->budget, a->tag, new_size - old_size);
    void *block = m->below->resize(m->below, p, old_size, new_size);
    if (block == NULL && new_size > old_size)
        budget_refund(m->budget, a->tag, new_size - old_size);
    if (new_size < old_size && (block != NULL || new_size == 0))
        budget_refund(m->budget, a->tag, old_size - new_size);
    return block;
}

static void *take_aligned(struct alloc *alloc, size_t alignment, size_t size)
{
    struct server_client_alloc *a = (struct server_client_alloc *)alloc;
    struct server_client_memory *m = a->memory;

    if (!has_room(a, 0, size))
        return NULL;
    void *block = m->below->aligned(m->below, alignment, size);
    if (block != NULL)
        budget_force(m->budget, a->tag, size);
    return block;
}

static void init_alloc(struct server_client_alloc *a, struct server_client_memory *m,
                       enum budget_tag tag, uint64_t reserve_bytes)
{
    *a = (struct server_client_alloc) { .alloc = { .resize = resize, .aligned = take_aligned },
                                        .memory = m,
                                        .tag = tag,
                                        .reserve_bytes = reserve_bytes };
}

void server_client_memory_init(struct server_client_memory *m, const struct env *env,
                               uint64_t reserve_bytes, uint64_t requests_bytes,
                               uint64_t patience_bytes)
{
    *m = (struct server_client_memory) { .below = env->alloc,
                                         .budget = env->budget,
                                         .patience_bytes = patience_bytes };
    init_alloc(&m->requests, m, BUDGET_CONNECTION, reserve_bytes);
    init_alloc(&m->replies, m, BUDGET_REPLY, reserve_bytes + requests_bytes);
}
