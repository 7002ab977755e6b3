#include "embed/internal.h"

/* ---- Batches ------------------------------------------------------------------------------ */

enum varve_code varve_batch_create(struct varve *store, struct varve_batch **out_batch,
                                   struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (out_batch == NULL)
        return embed_invalid(error, "out_batch is NULL");
    struct varve_batch *b = alloc_zeroed(store->env.alloc, sizeof *b);
    if (b == NULL)
        return embed_error(error, status_of(ST_NO_MEMORY), "batch", NULL);
    b->store = store;
    txn_proposal_init(&store->commit.pipeline, &b->proposal);
    buf_init(&b->keyspaces, store->env.alloc, SIZE_MAX);
    atomic_fetch_add_explicit(&store->held, 1, memory_order_relaxed);
    *out_batch = b;
    return VARVE_OK;
}

void varve_batch_destroy(struct varve_batch *batch)
{
    if (batch == NULL)
        return;
    struct varve *v = batch->store;
    txn_proposal_deinit(&v->commit.pipeline, &batch->proposal);
    buf_deinit(&batch->keyspaces);
    alloc_free(v->env.alloc, batch, sizeof *batch);
    atomic_fetch_sub_explicit(&v->held, 1, memory_order_release);
}

static void clear(struct varve_batch *b)
{
    lsm_batch_reset(&b->proposal.batch);
    buf_reset(&b->keyspaces);
}

void varve_batch_clear(struct varve_batch *batch)
{
    if (batch != NULL)
        clear(batch);
}

size_t varve_batch_size(const struct varve_batch *batch)
{
    return batch == NULL ? 0 : lsm_batch_size(&batch->proposal.batch);
}

/* ---- One operation into a batch ----------------------------------------------------------- */

static enum varve_code add_put(struct lsm_batch *b, varve_keyspace keyspace, const void *key,
                               size_t key_size, const void *value, size_t value_size,
                               struct varve_error *error)
{
    if (value == NULL && value_size > 0)
        return embed_invalid(error, "value is NULL");
    if (value_size > EMBED_VALUE_MAX)
        return embed_error(error, status_of(ST_LIMIT), "put", "a value has at most 60 MiB");
    const struct lsm_put put = { .keyspace = keyspace,
                                 .key = bytes_of(key, key_size),
                                 .value = bytes_of(value, value_size) };
    return embed_error(error, lsm_batch_put(b, &put), "put",
                       "the batch is full: at most 63 MiB of keys and values");
}

static enum varve_code add_delete(struct lsm_batch *b, varve_keyspace keyspace, const void *key,
                                  size_t key_size, struct varve_error *error)
{
    return embed_error(error, lsm_batch_delete(b, keyspace, bytes_of(key, key_size)), "delete",
                       NULL);
}

static enum varve_code add_range(struct lsm_batch *b, varve_keyspace keyspace, const void *begin,
                                 size_t begin_size, const void *end, size_t end_size,
                                 struct varve_error *error)
{
    return embed_error(
        error,
        lsm_batch_delete_range(b, keyspace, bytes_of(begin, begin_size), bytes_of(end, end_size)),
        "delete_range", NULL);
}

/* For the look at them when the batch is written. */
static enum varve_code note_keyspace(struct varve_batch *b, varve_keyspace keyspace,
                                     struct varve_error *error)
{
    const varve_keyspace *noted = (const varve_keyspace *)b->keyspaces.data;
    size_t count = b->keyspaces.size / sizeof *noted;

    if (count > 0 && noted[count - 1] == keyspace)
        return VARVE_OK;
    buf_append(&b->keyspaces, bytes_of(&keyspace, sizeof keyspace));
    if (!b->keyspaces.is_failed)
        return VARVE_OK;
    b->keyspaces.is_failed = false; /* What is in it stays. */
    return embed_error(error, status_of(ST_NO_MEMORY), "batch", NULL);
}

static enum varve_code check_keyspaces(const struct varve_batch *b, struct varve_error *error)
{
    const varve_keyspace *noted = (const varve_keyspace *)b->keyspaces.data;
    enum varve_code code = VARVE_OK;

    for (size_t i = 0; i < b->keyspaces.size / sizeof *noted && code == VARVE_OK; i++)
        code = embed_check_keyspace(b->store, noted[i], NULL, error);
    return code;
}

static enum varve_code check_batch(struct varve_batch *batch, varve_keyspace keyspace,
                                   const void *key, size_t key_size, struct varve_error *error)
{
    if (batch == NULL)
        return embed_invalid(error, "the batch is NULL");
    enum varve_code code = embed_check(batch->store, error);
    if (code == VARVE_OK)
        code = embed_check_keyspace(batch->store, keyspace, NULL, error);
    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    return code != VARVE_OK ? code : note_keyspace(batch, keyspace, error);
}

enum varve_code varve_batch_put(struct varve_batch *batch, varve_keyspace keyspace, const void *key,
                                size_t key_size, const void *value, size_t value_size,
                                struct varve_error *error)
{
    enum varve_code code = check_batch(batch, keyspace, key, key_size, error);
    return code != VARVE_OK
               ? code
               : add_put(&batch->proposal.batch, keyspace, key, key_size, value, value_size, error);
}

enum varve_code varve_batch_delete(struct varve_batch *batch, varve_keyspace keyspace,
                                   const void *key, size_t key_size, struct varve_error *error)
{
    enum varve_code code = check_batch(batch, keyspace, key, key_size, error);
    return code != VARVE_OK ? code
                            : add_delete(&batch->proposal.batch, keyspace, key, key_size, error);
}

enum varve_code varve_batch_delete_range(struct varve_batch *batch, varve_keyspace keyspace,
                                         const void *begin, size_t begin_size, const void *end,
                                         size_t end_size, struct varve_error *error)
{
    enum varve_code code = check_batch(batch, keyspace, begin, begin_size, error);
    if (code == VARVE_OK)
        code = embed_check_key(end, end_size, error);
    return code != VARVE_OK ? code
                            : add_range(&batch->proposal.batch, keyspace, begin, begin_size, end,
                                        end_size, error);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static enum varve_code write_error(struct varve *v, struct status s, const char *what,
                                   struct varve_error *error)
{
    const char *why = s.code == ST_FAILED ? embed_failure(v) : NULL;
    return embed_error(error, s, what, why);
}

enum varve_code varve_write(struct varve *store, struct varve_batch *batch,
                            struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);
    if (code != VARVE_OK)
        return code;
    if (batch == NULL || batch->store != store)
        return embed_invalid(error, "the batch is NULL or of another store");
    if (lsm_batch_is_empty(&batch->proposal.batch))
        return VARVE_OK;
    code = check_keyspaces(batch, error);
    if (code != VARVE_OK)
        return code;
    struct status s =
        embed_commit(store, &batch->proposal, lsm_batch_is_delete_only(&batch->proposal.batch));
    if (succeeded(s))
        clear(batch);
    else
        lsm_batch_unseal(&batch->proposal.batch);
    return write_error(store, s, "write", error);
}

/* ---- Single operations -------------------------------------------------------------------- */

/* A single operation goes through a slot's own batch: take one with an empty batch, add to it, then
 * write_one. */
static enum varve_code begin_one(struct varve *store, varve_keyspace keyspace, const void *key,
                                 size_t key_size, const char *what, struct embed_slot **out_slot,
                                 struct varve_error *error)
{
    enum varve_code code = embed_check(store, error);

    if (code == VARVE_OK)
        code = embed_check_keyspace(store, keyspace, NULL, error);
    if (code == VARVE_OK)
        code = embed_check_key(key, key_size, error);
    if (code == VARVE_OK)
        code = embed_error(error, embed_slot_take(store, out_slot), what, NULL);
    if (code == VARVE_OK)
        lsm_batch_reset(&(*out_slot)->proposal.batch);
    return code;
}

/* added is how adding went. Gives the slot back. */
static enum varve_code write_one(struct varve *store, struct embed_slot *slot,
                                 enum varve_code added, const char *what, struct varve_error *error)
{
    const struct lsm_batch *b = &slot->proposal.batch;

    if (added == VARVE_OK && !lsm_batch_is_empty(b)) {
        struct status s = embed_commit(store, &slot->proposal, lsm_batch_is_delete_only(b));
        added = write_error(store, s, what, error);
    }
    embed_slot_give(slot);
    return added;
}

enum varve_code varve_put(struct varve *store, varve_keyspace keyspace, const void *key,
                          size_t key_size, const void *value, size_t value_size,
                          struct varve_error *error)
{
    struct embed_slot *slot;
    enum varve_code code = begin_one(store, keyspace, key, key_size, "put", &slot, error);

    if (code != VARVE_OK)
        return code;
    code = add_put(&slot->proposal.batch, keyspace, key, key_size, value, value_size, error);
    return write_one(store, slot, code, "put", error);
}

enum varve_code varve_delete(struct varve *store, varve_keyspace keyspace, const void *key,
                             size_t key_size, struct varve_error *error)
{
    struct embed_slot *slot;
    enum varve_code code = begin_one(store, keyspace, key, key_size, "delete", &slot, error);

    if (code != VARVE_OK)
        return code;
    code = add_delete(&slot->proposal.batch, keyspace, key, key_size, error);
    return write_one(store, slot, code, "delete", error);
}

enum varve_code varve_delete_range(struct varve *store, varve_keyspace keyspace, const void *begin,
                                   size_t begin_size, const void *end, size_t end_size,
                                   struct varve_error *error)
{
    static const char what[] = "delete_range";
    struct embed_slot *slot;
    enum varve_code code = begin_one(store, keyspace, begin, begin_size, what, &slot, error);

    if (code != VARVE_OK)
        return code;
    code = embed_check_key(end, end_size, error);
    if (code == VARVE_OK)
        code = add_range(&slot->proposal.batch, keyspace, begin, begin_size, end, end_size, error);
    return write_one(store, slot, code, what, error);
}
