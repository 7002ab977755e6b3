/*
 * keyspace -- made, found, dropped; and which numbers may be used.
 *
 * A number that no keyspace has is refused, so that nothing can lie under it when it is given, and
 * nothing comes to lie there when it was dropped. A drop clears the bit, deletes the keys, then
 * forgets the name: whatever comes between, no key is left that no name leads to. Names are in the
 * manifest, which is synced at once; so must be what the drop deleted (tests/crash, keyspace).
 */
#include "embed/internal.h"

/* ---- The numbers -------------------------------------------------------------------------- */

static _Atomic uint64_t *word_of(struct varve *v, varve_keyspace keyspace)
{
    return &v->keyspaces.words[keyspace / 64];
}

static uint64_t bit_of(varve_keyspace keyspace)
{
    return UINT64_C(1) << (keyspace % 64);
}

static void admit(struct varve *v, varve_keyspace keyspace)
{
    uint32_t end = atomic_load_explicit(&v->keyspaces.end, memory_order_relaxed);

    while (end <= keyspace &&
           !atomic_compare_exchange_weak_explicit(&v->keyspaces.end, &end, keyspace + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_fetch_or_explicit(word_of(v, keyspace), bit_of(keyspace), memory_order_relaxed);
}

/* False if it was refused before: somebody else drops it. */
static bool refuse(struct varve *v, varve_keyspace keyspace)
{
    uint64_t before =
        atomic_fetch_and_explicit(word_of(v, keyspace), ~bit_of(keyspace), memory_order_relaxed);
    return (before & bit_of(keyspace)) != 0;
}

static bool is_there(const struct varve *v, varve_keyspace keyspace)
{
    return keyspace <= LSM_KEYSPACE_MAX &&
           (atomic_load_explicit(&v->keyspaces.words[keyspace / 64], memory_order_relaxed) &
            bit_of(keyspace)) != 0;
}

static void admit_listed(void *context, const char *name, uint32_t keyspace)
{
    (void)name;
    admit(context, keyspace);
}

void embed_keyspaces_init(struct varve *v)
{
    lsm_keyspace_list(v->lsm, admit_listed, v);
}

enum varve_code embed_check_keyspace(const struct varve *store, varve_keyspace keyspace,
                                     const struct varve_snapshot *snapshot,
                                     struct varve_error *error)
{
    if (is_there(store, keyspace))
        return VARVE_OK;
    if (snapshot != NULL &&
        keyspace < atomic_load_explicit(&store->keyspaces.end, memory_order_relaxed))
        return VARVE_OK;
    return embed_invalid(error, "there is no such keyspace: it was dropped, or never created");
}

/* ---- Keyspaces ---------------------------------------------------------------------------- */

enum varve_code varve_keyspace_create(struct varve *store, const char *name,
                                      varve_keyspace *out_keyspace, struct varve_error *error)
{
    struct embed_slot *slot;
    varve_keyspace keyspace;
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (name == NULL || out_keyspace == NULL)
        return embed_invalid(error, "name or out_keyspace is NULL");
    struct status s = embed_slot_take(store, &slot);
    if (failed(s))
        return embed_error(error, s, "keyspace", NULL);
    s = lsm_keyspace_create(store->lsm, slot->ring, name, &keyspace);
    embed_slot_give(slot);
    if (succeeded(s)) {
        admit(store, keyspace);
        *out_keyspace = keyspace;
    }
    return embed_error(error, s, "keyspace",
                       s.code == ST_BUSY      ? "the name is taken"
                       : s.code == ST_INVALID ? "a name has 1 to 255 bytes"
                                              : NULL);
}

enum varve_code varve_keyspace_find(struct varve *store, const char *name,
                                    varve_keyspace *out_keyspace, struct varve_error *error)
{
    varve_keyspace keyspace;
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (name == NULL || out_keyspace == NULL)
        return embed_invalid(error, "name or out_keyspace is NULL");
    struct status s = lsm_keyspace_find(store->lsm, name, &keyspace);
    if (succeeded(s) && !is_there(store, keyspace))
        s = status_of(ST_NOT_FOUND); /* It comes, or goes, just now. */
    if (succeeded(s))
        *out_keyspace = keyspace;
    return embed_error(error, s, "keyspace", NULL);
}

/* What was deleted is on the disk before the name goes, also where writes reach the kernel only. */
static enum varve_code settle_deletes(struct varve *v, struct varve_error *error)
{
    return v->commit.is_durable ? VARVE_OK : varve_flush(v, error);
}

static struct status delete_keys(struct varve *v, struct embed_slot *slot, varve_keyspace keyspace)
{
    lsm_batch_reset(&slot->proposal.batch);
    TRY(lsm_batch_delete_keyspace(&slot->proposal.batch, keyspace));
    return embed_commit(v, &slot->proposal, true);
}

enum varve_code varve_keyspace_drop(struct varve *store, const char *name,
                                    struct varve_error *error)
{
    static const char what[] = "keyspace";
    varve_keyspace keyspace = VARVE_DEFAULT_KEYSPACE;
    struct embed_slot *slot;
    enum varve_code code = varve_keyspace_find(store, name, &keyspace, error);

    if (code != VARVE_OK)
        return code;
    if (keyspace == VARVE_DEFAULT_KEYSPACE)
        return embed_error(error, status_of(ST_INVALID), what, "the default keyspace stays");
    struct status s = embed_slot_take(store, &slot);
    if (failed(s))
        return embed_error(error, s, what, NULL);
    if (!refuse(store, keyspace)) {
        embed_slot_give(slot);
        return embed_error(error, status_of(ST_NOT_FOUND), what, NULL);
    }
    s = delete_keys(store, slot, keyspace);
    code = failed(s) ? VARVE_OK : settle_deletes(store, error);
    if (succeeded(s) && code == VARVE_OK)
        s = lsm_keyspace_drop(store->lsm, slot->ring, name);
    if (failed(s) || code != VARVE_OK)
        admit(store, keyspace);
    embed_slot_give(slot);
    if (code != VARVE_OK)
        return code;
    return embed_error(error, s, what, s.code == ST_FAILED ? embed_failure(store) : NULL);
}

enum varve_code varve_keyspace_list(struct varve *store,
                                    void (*visit)(void *context, const char *name,
                                                  varve_keyspace keyspace),
                                    void *context, struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (visit == NULL)
        return embed_invalid(error, "visit is NULL");
    lsm_keyspace_list(store->lsm, visit, context);
    return VARVE_OK;
}
