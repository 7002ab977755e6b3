#include "resp/touch.h"

#include "base/hash.h"

struct resp_touched {
    uint64_t key; /* Database and hash: two keys of a database that share it are one here. */
    uint64_t at_ms;
    bool is_restored; /* RESTORE said at_ms, and nobody used the key since. */
};

void resp_touches_init(struct resp_touches *t, struct alloc *alloc)
{
    *t = (struct resp_touches) { .alloc = alloc };
}

void resp_touches_deinit(struct resp_touches *t)
{
    alloc_free(t->alloc, t->places, RESP_TOUCHES * sizeof *t->places);
    t->places = NULL;
}

static uint64_t key_of(const struct resp_place *p)
{
    return (uint64_t)p->database_id << 32 | p->hash;
}

static void take_note(struct resp_touches *t, const struct resp_place *p, uint64_t at_ms,
                      bool is_restored)
{
    uint64_t key = key_of(p);

    if (t->places == NULL)
        t->places = alloc_zeroed(t->alloc, RESP_TOUCHES * sizeof *t->places);
    if (t->places != NULL)
        t->places[hash_u64(key) % RESP_TOUCHES] =
            (struct resp_touched) { .key = key, .at_ms = at_ms, .is_restored = is_restored };
}

void resp_touches_note(struct resp_touches *t, const struct resp_place *p, uint64_t now_ms)
{
    take_note(t, p, now_ms, false);
}

void resp_touches_restore(struct resp_touches *t, const struct resp_place *p, uint64_t at_ms)
{
    take_note(t, p, at_ms, true);
}

uint64_t resp_touches_time(const struct resp_touches *t, const struct resp_place *p,
                           uint64_t written_ms)
{
    uint64_t key = key_of(p);

    if (t->places == NULL)
        return written_ms;
    const struct resp_touched *touched = &t->places[hash_u64(key) % RESP_TOUCHES];
    if (touched->key != key)
        return written_ms;
    return touched->is_restored || touched->at_ms > written_ms ? touched->at_ms : written_ms;
}
