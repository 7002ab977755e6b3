#include "server/chores.h"

#include "base/check.h"
#include "base/log.h"

enum {
    NS_PER_MS = 1000 * 1000,
    RETRY_NS = 1000 * NS_PER_MS,
    EXPIRE_KEYS_MAX = 32,     /* In one command. */
    EXPIRE_COMMANDS_MAX = 8,  /* In one turn. */
    PURGE_ROWS_MAX = 512,     /* In one command, removed one by one. */
    PURGE_SLOT_ROWS_MAX = 64, /* A slot with more is removed as a range. */
    PURGE_SEEKS_MAX = 128,
};

void server_chores_init(struct server_chores *c, struct server_store *store, struct resp *resp)
{
    *c = (struct server_chores) { .store = store, .resp = resp };
}

void server_chores_deinit(struct server_chores *c)
{
    server_command_give(c->expiring);
    server_command_give(c->purging);
    c->expiring = NULL;
    c->purging = NULL;
}

/* After a run: keep or drop it. AGAIN: it waits. Otherwise the command is over. */
static struct status settle(struct server_chores *c, struct server_command **command,
                            struct status st, uint64_t *out_ticket)
{
    if (succeeded(st))
        st = server_store_keep(c->store, out_ticket);
    else
        server_store_drop(c->store, out_ticket);
    resp_settle(c->resp, succeeded(st), *out_ticket);
    if (st.code == ST_AGAIN)
        return st;
    server_command_give(*command);
    *command = NULL;
    return st;
}

/* ---- Expiry -----------------------------------------------------------------------------------
 */

/* One command. OK: done; AGAIN: it waits; else it will be tried later. */
static struct status expire_some(struct server_chores *c, uint64_t now_ns, uint64_t now_ms)
{
    struct server_store *s = c->store;
    size_t removed = 0;
    uint64_t next_ms = 0;
    uint64_t ticket;

    server_store_begin(s, c->expiring);
    struct status st =
        resp_expire_slot(c->resp, &s->door, c->slot, EXPIRE_KEYS_MAX, &removed, &next_ms);
    st = settle(c, &c->expiring, st, &ticket);
    if (st.code == ST_AGAIN)
        return st;
    if (failed(st)) {
        server_expiry_hint(&s->expiry, c->slot, now_ms);
        c->expire_ns = now_ns + RETRY_NS;
    } else if (next_ms != 0) {
        server_expiry_hint(&s->expiry, c->slot, next_ms);
    }
    return st;
}

/* Take the slot that is due first, if one is. */
static bool begin_expiry(struct server_chores *c, uint64_t now_ns, uint64_t now_ms)
{
    uint64_t at_ms;

    if (c->is_expiry_off || now_ns < c->expire_ns || now_ms < resp_paused_until_ms(c->resp) ||
        !server_expiry_next(&c->store->expiry, &c->slot, &at_ms) || at_ms > now_ms)
        return false;
    if (failed(server_command_take(c->store, c, &c->expiring))) {
        c->expire_ns = now_ns + RETRY_NS;
        return false;
    }
    server_expiry_take(&c->store->expiry);
    return true;
}

static void expire(struct server_chores *c, uint64_t now_ns, uint64_t now_ms)
{
    for (int i = 0; i < EXPIRE_COMMANDS_MAX; i++) {
        if (c->expiring == NULL && !begin_expiry(c, now_ns, now_ms))
            return;
        if (c->expiring->waits != 0)
            return;
        struct status st = expire_some(c, now_ns, now_ms);
        if (st.code == ST_AGAIN && server_store_wait(c->store, c->expiring))
            return;
    }
}

/* ---- Purge ------------------------------------------------------------------------------------
 */

static bool is_row_of(struct bytes row, struct bytes begin)
{
    return bytes_has_prefix(row, begin);
}

/* Remove the rows of one slot, from the one in hand. *out_row is the first that is not of it. */
static struct status purge_slot(struct server_store *s, struct store_cursor *cursor,
                                struct bytes begin, struct bytes end, struct bytes *row,
                                size_t *removed)
{
    struct store_row value;
    struct status st = status_ok();
    size_t count = 0;

    for (; succeeded(st) && is_row_of(*row, begin); count++) {
        if (count == PURGE_SLOT_ROWS_MAX) {
            *removed += count;
            TRY(s->door.ops->remove_range(&s->door, begin, end));
            s->door.ops->cursor_seek(cursor, end);
        } else if (count < PURGE_SLOT_ROWS_MAX) {
            TRY(s->door.ops->remove(&s->door, *row));
        }
        st = s->door.ops->cursor_next(cursor, row, &value);
    }
    *removed += count;
    return st;
}

/*
 * From slot on: in each slot that has rows of the database, remove them. Rows of one database lie
 * apart, slot by slot; what lies between is skipped by seeking. *out_slot is where to go on.
 */
static struct status purge_rows(struct server_store *s, struct store_cursor *cursor, uint32_t id,
                                uint32_t slot, uint32_t *out_slot)
{
    uint8_t room[2 * RESP_DATABASE_PREFIX];
    struct store_row value;
    struct bytes begin;
    struct bytes end;
    struct bytes row;
    size_t removed = 0;

    struct status st = s->door.ops->cursor_next(cursor, &row, &value);
    for (int seeks = 0; succeeded(st) && removed < PURGE_ROWS_MAX && seeks < PURGE_SEEKS_MAX;) {
        slot = get_u16_be(row.data);
        resp_database_range(slot, id, room, &begin, &end);
        if (bytes_compare(row, begin) < 0) {
            s->door.ops->cursor_seek(cursor, begin);
            seeks++;
            st = s->door.ops->cursor_next(cursor, &row, &value);
            continue;
        }
        if (is_row_of(row, begin))
            st = purge_slot(s, cursor, begin, end, &row, &removed);
        slot++;
        if (succeeded(st) && get_u16_be(row.data) < slot) {
            resp_database_range(slot, id, room, &begin, &end);
            s->door.ops->cursor_seek(cursor, begin);
            seeks++;
            st = s->door.ops->cursor_next(cursor, &row, &value);
        }
    }
    *out_slot = st.code == ST_NOT_FOUND ? CATALOG_SLOTS : slot;
    return st.code == ST_NOT_FOUND ? status_ok() : st;
}

static struct status purge_some(struct server_store *s, const struct catalog_purge *p)
{
    uint8_t room[2 * RESP_DATABASE_PREFIX];
    uint8_t upper[2];
    struct store_cursor *cursor;
    struct bytes begin;
    struct bytes end;
    uint32_t next_slot;

    resp_database_range(p->next_slot, p->id, room, &begin, &end);
    put_u16_be(upper, CATALOG_SLOTS);
    TRY(s->door.ops->cursor_open(&s->door, begin, bytes_of(upper, sizeof upper), STORE_CURSOR_KEYS,
                                 &cursor));
    struct status st = purge_rows(s, cursor, p->id, p->next_slot, &next_slot);
    s->door.ops->cursor_close(cursor);
    TRY(st);
    const struct catalog_record r = { .kind = CATALOG_PURGED, .id = p->id, .number = next_slot };
    TRY(server_store_admit(s, true));
    return server_store_record(s, &r);
}

/* Only what the applied catalog names: all that was written to the database is in the tree then. */
static void purge(struct server_chores *c, uint64_t now_ns)
{
    struct server_store *s = c->store;

    if (s->applied.purge_count == 0 || now_ns < c->purge_ns ||
        server_store_applied(s) < c->purge_ticket)
        return;
    if (c->purging == NULL && failed(server_command_take(s, c, &c->purging))) {
        c->purge_ns = now_ns + RETRY_NS;
        return;
    }
    if (c->purging->waits != 0)
        return;
    const struct catalog_purge p = s->applied.purges[0];
    server_store_begin(s, c->purging);
    struct status st = settle(c, &c->purging, purge_some(s, &p), &c->purge_ticket);
    if (st.code == ST_AGAIN)
        (void)server_store_wait(s, c->purging);
    else if (failed(st))
        c->purge_ns = now_ns + RETRY_NS;
}

/* ---- Both -------------------------------------------------------------------------------------
 */

void server_chores_run(struct server_chores *c, uint64_t now_ns, uint64_t now_ms)
{
    if (server_store_failure(c->store) != NULL)
        return;
    expire(c, now_ns, now_ms);
    purge(c, now_ns);
}

uint64_t server_chores_deadline(const struct server_chores *c, uint64_t now_ns, uint64_t now_ms)
{
    uint64_t deadline = UINT64_MAX;
    uint32_t slot;
    uint64_t at_ms;

    if (server_store_failure(c->store) != NULL)
        return deadline;
    if (c->expiring == NULL && !c->is_expiry_off &&
        server_expiry_next(&c->store->expiry, &slot, &at_ms)) {
        if (at_ms < resp_paused_until_ms(c->resp))
            at_ms = resp_paused_until_ms(c->resp);
        uint64_t in_ms = at_ms > now_ms ? at_ms - now_ms : 0;
        const uint64_t far_ms = 60 * 1000;
        deadline = now_ns + (in_ms < far_ms ? in_ms : far_ms) * NS_PER_MS;
        if (deadline < c->expire_ns)
            deadline = c->expire_ns;
    }
    if (c->expiring != NULL && c->expiring->waits == 0)
        return now_ns;
    bool can_purge = c->store->applied.purge_count > 0 &&
                     (c->purging == NULL || c->purging->waits == 0) &&
                     server_store_applied(c->store) >= c->purge_ticket;
    if (can_purge && c->purge_ns < deadline)
        deadline = c->purge_ns > now_ns ? c->purge_ns : now_ns;
    return deadline;
}

bool server_chores_wake(struct server_chores *c, struct server_command *command)
{
    return command == c->expiring || command == c->purging;
}
