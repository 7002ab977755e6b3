/* resp's door to the store: rows, time, watches. Cursors and databases have files of their own. */
#include "server/store.h"

#include "base/budget.h"
#include "base/clock.h"

enum {
    /* A command's writes: with a turn's proposal before them they must fit a batch. */
    WRITES_MAX = 52 << 20,
    ROW_OVERHEAD = 64,
    PREFETCH_WINDOW = 64,
    US_PER_MS = 1000,
};

static unsigned read_flags(unsigned flags)
{
    return flags & STORE_META ? LSM_READ_META : 0;
}

static struct status get(struct store *door, struct bytes key, unsigned flags,
                         struct store_row *out)
{
    struct server_store *s = server_store_of(door);
    struct lsm_value v;
    struct status st = txn_get(s->evaluator, key, read_flags(flags), &v);

    server_store_note_ids(s); /* The key says what its database was when it was made. */
    if (failed(st))
        return server_store_note_read(s, &s->running->reader.fetch, st);
    *out = (struct store_row) { .value = v.value,
                                .size = v.size,
                                .version = v.version,
                                .written_ms = txn_physical_ms(v.version),
                                .expire_ms = v.expire_ms,
                                .type = v.type };
    return st;
}

/* Whatever is found is found again, in memory, when it is asked for; so are errors. */
static void prefetch(struct store *door, const struct bytes *keys, size_t count, unsigned flags)
{
    struct server_store *s = server_store_of(door);
    struct bytes unknown[PREFETCH_WINDOW];
    struct status statuses[PREFETCH_WINDOW];
    struct lsm_value values[PREFETCH_WINDOW];
    struct lsm_multi_get m = { .keys = unknown, .at = UINT64_MAX, .flags = read_flags(flags) };

    while (count > 0) {
        for (m.count = 0; count > 0 && m.count < PREFETCH_WINDOW; keys++, count--) {
            if (!txn_knows(s->evaluator, *keys))
                unknown[m.count++] = *keys;
        }
        if (m.count == 0)
            return;
        struct status st = lsm_multi_get(&s->running->reader, &m, statuses, values);
        if (st.code == ST_AGAIN)
            st = server_store_note_read(s, &s->running->reader.fetch, st);
        status_ignore(st, "the row's own get says so");
    }
}

/* What fits one batch, and the memory that its copies on the way to the disk need. */
static size_t write_max(struct store *door)
{
    size_t cap = server_store_of(door)->env->budget->cap_bytes;

    return cap == 0 || cap / 8 > WRITES_MAX ? WRITES_MAX : cap / 8;
}

/* Count what the running command writes. LIMIT: it is too much. */
static struct status weigh(struct server_store *s, size_t size)
{
    s->running->write_bytes += size + ROW_OVERHEAD;
    return s->running->write_bytes > write_max(&s->door) ? status_of(ST_LIMIT) : status_ok();
}

static struct status put(struct store *door, const struct store_put *put)
{
    struct server_store *s = server_store_of(door);
    const struct lsm_put p = {
        .key = put->key, .value = put->value, .type = put->type, .expire_ms = put->expire_ms
    };

    TRY(server_store_admit(s, false));
    TRY(weigh(s, put->key.size + put->value.size));
    return txn_put(s->evaluator, &p);
}

static struct status remove_row(struct store *door, struct bytes key)
{
    struct server_store *s = server_store_of(door);

    TRY(server_store_admit(s, true));
    TRY(weigh(s, key.size));
    return txn_delete(s->evaluator, key);
}

static struct status remove_range(struct store *door, struct bytes begin, struct bytes end)
{
    struct server_store *s = server_store_of(door);

    TRY(server_store_admit(s, true));
    TRY(weigh(s, begin.size + end.size));
    return txn_delete_range(s->evaluator, begin, end, true);
}

/* ---- Time and chance ----------------------------------------------------------------------------
 */

static uint64_t now_ms(struct store *door)
{
    return txn_now_ms(server_store_of(door)->evaluator);
}

static bool is_durable(struct store *door)
{
    struct vlog_stats v;

    vlog_stats(lsm_log(server_store_of(door)->lsm), &v);
    return v.mode == VLOG_DURABLE;
}

/* The wall clock tells milliseconds; in between the other clock does. */
static uint64_t wall_us(struct store *door)
{
    struct server_store *s = server_store_of(door);
    uint64_t ms_us = clock_wall_ms(s->env->clock) * US_PER_MS;
    uint64_t ns = clock_ns(s->env->clock);
    uint64_t us = s->wall_base_us + (ns - s->wall_base_ns) / 1000;

    if (us < ms_us || us >= ms_us + US_PER_MS) {
        s->wall_base_us = us = ms_us;
        s->wall_base_ns = ns;
    }
    return us;
}

static uint64_t random_number(struct store *door)
{
    struct server_store *s = server_store_of(door);
    struct server_command *c = s->running;

    while (c->random_seed == 0)
        c->random_seed = rand_u64(&s->rand);
    if (!c->has_rand)
        rand_seed(&c->rand, c->random_seed);
    c->has_rand = true;
    return rand_u64(&c->rand);
}

static uint64_t hash_seed(struct store *door)
{
    return server_store_of(door)->evaluated.hash_seed;
}

static void expiry_hint(struct store *door, uint32_t slot, uint64_t expire_ms)
{
    server_expiry_hint(&server_store_of(door)->expiry, slot, expire_ms);
}

/* ---- Watches ------------------------------------------------------------------------------------
 */

/* A snapshot not newer than what is watched from now on. */
static struct status pin(struct server_store *s, uint64_t at_ns)
{
    bool has_recent =
        s->pin_count > 0 && at_ns < s->pins[s->pin_count - 1].taken_ns + STORE_PIN_EVERY_NS;

    if (has_recent)
        return status_ok();
    server_store_tidy(s);
    if (s->pin_count == STORE_PINS_MAX)
        return status_of(ST_LIMIT);
    struct store_pin *p = &s->pins[s->pin_count];
    TRY(lsm_snapshot_take(s->lsm, &p->snapshot));
    p->taken_ns = at_ns;
    s->pin_count++;
    return status_ok();
}

/* Is there a live row? */
static struct status is_live(struct store *door, struct bytes key, bool *out)
{
    struct store_row row = { 0 };
    struct status st = get(door, key, STORE_META, &row);

    *out = succeeded(st) && (row.expire_ms == 0 || row.expire_ms > now_ms(door));
    return st.code == ST_NOT_FOUND ? status_ok() : st;
}

static struct status watch(struct store *door, uint32_t database, struct bytes key,
                           struct store_watch *out)
{
    struct server_store *s = server_store_of(door);
    uint64_t now_ns = clock_ns(s->env->clock);
    struct txn_watch w;
    bool live;

    if (txn_open_size(s->evaluator) > 0) {
        s->running->waits |= COMMAND_SETTLE;
        return status_of(ST_AGAIN);
    }
    TRY(is_live(door, key, &live));
    TRY(pin(s, now_ns));
    struct status st = txn_watch(s->evaluator, key, &w);
    if (failed(st))
        return server_store_note_read(s, &s->running->reader.fetch, st);
    *out = (struct store_watch) { .was_live = live,
                                  .version = w.version,
                                  .expire_ms = w.expire_ms,
                                  .changes = s->change_count,
                                  .database = server_database_id(door, database),
                                  .taken_ns = now_ns };
    return st;
}

static struct status watch_check(struct store *door, uint32_t database, struct bytes key,
                                 const struct store_watch *w)
{
    struct server_store *s = server_store_of(door);
    const struct txn_watch watched = { .version = w->version, .expire_ms = w->expire_ms };

    (void)database;
    if (clock_ns(s->env->clock) > w->taken_ns + STORE_WATCH_MAX_NS)
        return status_of(ST_CONFLICT); /* What it would be compared with may be gone. */
    struct status st = txn_watch_check(s->evaluator, key, &watched);
    return st.code == ST_CONFLICT ? st : server_store_note_read(s, &s->running->reader.fetch, st);
}

const struct store_ops server_store_door = {
    .get = get,
    .prefetch = prefetch,
    .put = put,
    .remove = remove_row,
    .remove_range = remove_range,
    .write_max = write_max,
    .now_ms = now_ms,
    .is_durable = is_durable,
    .wall_us = wall_us,
    .random = random_number,
    .hash_seed = hash_seed,
    .fresh_id = server_fresh_id,
    .database_count = server_database_count,
    .database_id = server_database_id,
    .database_change = server_database_change,
    .database_clear = server_database_clear,
    .database_swap = server_database_swap,
    .counts = server_counts,
    .size = server_size,
    .count = server_count,
    .expiry_hint = expiry_hint,
    .watch = watch,
    .watch_check = watch_check,
    .cursor_open = server_cursor_open,
    .cursor_next = server_cursor_next,
    .cursor_seek = server_cursor_seek,
    .cursor_close = server_cursor_close,
};
