/* The removal of keys whose time is over. */
#include "resp/entry.h"
#include "resp/session.h"

/* The expiry rows of a slot, up to now and one beyond, which tells when to come again. */
static struct status open_rows(struct store *store, uint32_t slot, struct store_cursor **out_cursor)
{
    uint8_t begin[RESP_EXPIRY_PREFIX];
    uint8_t end[RESP_EXPIRY_PREFIX];

    resp_expiry_bounds(slot, UINT64_MAX, begin, end);
    return store->ops->cursor_open(store, bytes_of(begin, sizeof begin), bytes_of(end, sizeof end),
                                   STORE_CURSOR_KEYS, out_cursor);
}

/* The number that names this database; false if it is left to the purge. */
static bool find_number(struct store *store, uint32_t database_id, uint32_t *out_number)
{
    uint32_t count = store->ops->database_count(store);

    for (uint32_t number = 0; number < count; number++) {
        if (store->ops->database_id(store, number) == database_id) {
            *out_number = number;
            return true;
        }
    }
    return false;
}

/* Remove the key that an expiry row names, or the row alone if it is left over. */
static struct status expire_row(struct resp_call *call, struct bytes row,
                                const struct resp_row_key *key, size_t *removed)
{
    struct resp_entry e;

    if (!find_number(call->store, key->place.database_id, &call->database))
        return call->store->ops->remove(call->store, row);
    call->database_id = key->place.database_id;
    TRY(resp_entry_open(call, key->place.key, RESP_ENTRY_FACTS, &e));
    if (!e.is_stored || e.expire_ms != key->expire_ms)
        return call->store->ops->remove(call->store, row);
    *removed += 1;
    return resp_entry_remove(call, &e);
}

/* Of rows whose keys are not in memory all reads are begun before it answers AGAIN. */
static struct status expire_rows(struct resp_call *call, struct store_cursor *cursor,
                                 size_t rows_max, size_t *out_removed, uint64_t *out_next_ms)
{
    struct status waited = status_ok();
    uint64_t next_ms = call->now_ms;
    size_t removed = 0;

    for (size_t rows = 0; rows < rows_max; rows++) {
        struct bytes row;
        struct store_row value;
        struct resp_row_key key;
        struct status s = call->store->ops->cursor_next(cursor, &row, &value);
        if (s.code == ST_NOT_FOUND) {
            next_ms = 0;
            break;
        }
        TRY(s);
        TRY(resp_row_key_decode(row, &key));
        if (key.expire_ms > call->now_ms) {
            next_ms = key.expire_ms;
            break;
        }
        s = expire_row(call, row, &key, &removed);
        if (s.code == ST_AGAIN)
            waited = s;
        else
            TRY(s);
    }
    TRY(waited);
    *out_removed = removed;
    *out_next_ms = next_ms;
    return status_ok();
}

struct status resp_expire_slot(struct resp *resp, struct store *store, uint32_t slot,
                               size_t rows_max, size_t *out_removed, uint64_t *out_next_ms)
{
    struct store_cursor *cursor;
    struct resp_call call = { .resp = resp,
                              .store = store,
                              .arena = &resp->arena,
                              .hash_seed = store->ops->hash_seed(store),
                              .now_ms = store->ops->now_ms(store) };

    TRY(open_rows(store, slot, &cursor));
    struct status s = expire_rows(&call, cursor, rows_max, out_removed, out_next_ms);
    store->ops->cursor_close(cursor);
    if (succeeded(s) && resp->post.items.is_failed)
        s = status_of(resp->post.items.is_short ? ST_NO_MEMORY : ST_LIMIT);
    if (succeeded(s)) {
        resp->stats.expired_keys += call.expired;
        resp->changes += call.changes;
    }
    arena_reset(&resp->arena);
    return s;
}
