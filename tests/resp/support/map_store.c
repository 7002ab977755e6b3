#include "map_store.h"

#include "base/check.h"
#include "base/hash.h"
#include "resp/keys.h"

#include <stdlib.h>

enum { ROW_BYTES = 256 }; /* What it costs to go over a row. */

static struct map_store *of(struct store *s)
{
    return (struct map_store *)s;
}

/* ---- Sorted rows ---------------------------------------------------------------------------- */

static struct bytes copy(struct bytes b)
{
    uint8_t *p = malloc(b.size + 1);
    CHECK(p != NULL);
    if (b.size > 0)
        memcpy(p, b.data, b.size);
    return bytes_of(p, b.size);
}

static void free_row(struct map_row *r)
{
    free((void *)r->key.data);
    free((void *)r->value.data);
}

/* Place of the first row at or after key. */
static size_t lower_bound(const struct map_rows *rows, struct bytes key)
{
    size_t low = 0;
    size_t high = rows->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(rows->rows[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct map_row *find(const struct map_rows *rows, struct bytes key)
{
    size_t i = lower_bound(rows, key);
    return i < rows->count && bytes_equal(rows->rows[i].key, key) ? &rows->rows[i] : NULL;
}

/* Put a row, whose bytes are copied, in place of one with its key. */
static void insert(struct map_rows *rows, struct map_row row)
{
    size_t i = lower_bound(rows, row.key);

    row.key = copy(row.key);
    row.value = copy(row.value);
    if (i < rows->count && bytes_equal(rows->rows[i].key, row.key)) {
        free_row(&rows->rows[i]);
        rows->rows[i] = row;
        return;
    }
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 64 : 2 * rows->capacity;
        rows->rows = realloc(rows->rows, rows->capacity * sizeof *rows->rows);
        CHECK(rows->rows != NULL);
    }
    memmove(rows->rows + i + 1, rows->rows + i, (rows->count - i) * sizeof *rows->rows);
    rows->rows[i] = row;
    rows->count++;
}

static void clear(struct map_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free_row(&rows->rows[i]);
    free(rows->rows);
    *rows = (struct map_rows) { 0 };
}

/* ---- Reads ---------------------------------------------------------------------------------- */

static bool is_in_ranges(const struct map_store *m, struct bytes key)
{
    for (size_t i = 0; i < m->range_count; i++) {
        if (bytes_compare(m->ranges[i].begin, key) <= 0 && bytes_compare(key, m->ranges[i].end) < 0)
            return true;
    }
    return false;
}

/* The row as the running command sees it; NULL: none, or deleted. */
static struct map_row *see(struct map_store *m, struct bytes key)
{
    struct map_row *row = find(&m->own, key);

    if (row == NULL && !is_in_ranges(m, key))
        row = find(&m->committed, key);
    return row == NULL || row->is_deleted ? NULL : row;
}

/* True: the row has been read. False: it is being read now. */
static bool load(struct map_store *m, struct bytes key)
{
    if (!m->is_cold || find(&m->own, key) != NULL || find(&m->loaded, key) != NULL)
        return true;
    insert(&m->wanted, (struct map_row) { .key = key });
    return false;
}

/* Reads of so many bytes more. */
static struct status account(struct map_store *m, uint64_t bytes)
{
    m->read_bytes += bytes;
    return status_of(m->read_max_bytes == 0 || m->read_bytes <= m->read_max_bytes ? ST_OK : ST_IO);
}

static struct status get(struct store *s, struct bytes key, unsigned flags, struct store_row *out)
{
    struct map_store *m = of(s);

    m->gets++;
    TRY(account(m, RESP_CHUNK_BYTES));
    if (!load(m, key))
        return status_of(ST_AGAIN);
    struct map_row *row = see(m, key);
    if (row == NULL)
        return status_of(ST_NOT_FOUND);
    TRY(account(m, row->value.size));
    bool is_apart = flags & STORE_META && row->value.size >= 2048;
    *out = (struct store_row) { .value = is_apart ? bytes_of(NULL, 0) : row->value,
                                .size = row->value.size,
                                .version = row->version,
                                .written_ms = row->written_ms,
                                .expire_ms = row->expire_ms,
                                .type = row->type };
    return status_ok();
}

static void prefetch(struct store *s, const struct bytes *keys, size_t count, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < count; i++)
        (void)load(of(s), keys[i]);
}

/* ---- Writes --------------------------------------------------------------------------------- */

static struct status fail_as_told(struct map_store *m)
{
    if (m->fail_at == 0 || --m->fail_at > 0)
        return status_ok();
    return status_of(m->fail_with);
}

static struct status put(struct store *s, const struct store_put *p)
{
    struct map_store *m = of(s);

    TRY(fail_as_told(m));
    m->puts++;
    m->put_bytes += p->key.size + p->value.size;
    insert(&m->own,
           (struct map_row) {
               .key = p->key, .value = p->value, .type = p->type, .expire_ms = p->expire_ms });
    return status_ok();
}

static struct status remove_row(struct store *s, struct bytes key)
{
    struct map_store *m = of(s);

    TRY(fail_as_told(m));
    m->removes++;
    insert(&m->own, (struct map_row) { .key = key, .is_deleted = true });
    return status_ok();
}

static size_t write_max(struct store *s)
{
    (void)s;
    return 48 << 20;
}

static struct status remove_range(struct store *s, struct bytes begin, struct bytes end)
{
    struct map_store *m = of(s);

    TRY(fail_as_told(m));
    CHECK(m->range_count < sizeof m->ranges / sizeof m->ranges[0]);
    m->removes++;
    m->ranges[m->range_count++] = (struct map_range) { copy(begin), copy(end) };
    for (size_t i = 0; i < m->own.count; i++) {
        struct map_row *row = &m->own.rows[i];
        if (bytes_compare(begin, row->key) <= 0 && bytes_compare(row->key, end) < 0)
            row->is_deleted = true;
    }
    return status_ok();
}

/* ---- Facts ---------------------------------------------------------------------------------- */

static uint64_t now_ms(struct store *s)
{
    return of(s)->now_ms;
}

static bool is_durable(struct store *s)
{
    return !of(s)->is_relaxed;
}

static uint64_t wall_us(struct store *s)
{
    return of(s)->now_ms * 1000 + 42;
}

static uint64_t next_random(struct store *s)
{
    return of(s)->random_state = hash_u64(of(s)->random_state + 1);
}

static uint64_t hash_seed(struct store *s)
{
    (void)s;
    return 7;
}

static uint64_t fresh_id(struct store *s)
{
    return of(s)->next_id++;
}

static uint32_t database_count(struct store *s)
{
    (void)s;
    return MAP_DATABASES;
}

static uint32_t database_id(struct store *s, uint32_t number)
{
    CHECK(number < MAP_DATABASES);
    return of(s)->databases[number];
}

static void change_database(struct map_store *m, uint32_t number, uint32_t id)
{
    m->changes[m->change_count++ % MAP_CHANGES] =
        (struct map_change) { .number = number, .id = id };
    m->databases[number] = id;
}

static struct status database_clear(struct store *s, uint32_t number)
{
    TRY(fail_as_told(of(s)));
    change_database(of(s), number, (uint32_t)of(s)->next_id++);
    return status_ok();
}

static struct status database_swap(struct store *s, uint32_t a, uint32_t b)
{
    uint32_t id = of(s)->databases[a];

    TRY(fail_as_told(of(s)));
    change_database(of(s), a, of(s)->databases[b]);
    change_database(of(s), b, id);
    return status_ok();
}

static struct status database_change(struct store *s, uint32_t number, uint64_t *change,
                                     uint32_t *out_id)
{
    struct map_store *m = of(s);

    if (m->change_count - *change > MAP_CHANGES)
        return status_of(ST_CONFLICT);
    while (*change < m->change_count) {
        const struct map_change *c = &m->changes[(*change)++ % MAP_CHANGES];
        if (c->number == number) {
            *out_id = c->id;
            return status_ok();
        }
    }
    return status_of(ST_NOT_FOUND);
}

static void counts(struct store *s, uint32_t id, uint64_t *out_keys, uint64_t *out_expires)
{
    CHECK(id < 1024);
    *out_keys = (uint64_t)of(s)->keys[id];
    *out_expires = (uint64_t)of(s)->expires[id];
}

static uint64_t size(struct store *s, uint32_t id)
{
    CHECK(id < 1024);
    return (uint64_t)of(s)->keys[id];
}

static struct status count(struct store *s, uint32_t id, int64_t keys, int64_t expires)
{
    CHECK(id < 1024);
    of(s)->keys[id] += keys;
    of(s)->expires[id] += expires;
    CHECK(of(s)->keys[id] >= 0);
    CHECK(of(s)->expires[id] >= 0);
    return status_ok();
}

static void expiry_hint(struct store *s, uint32_t slot, uint64_t expire_ms)
{
    of(s)->hinted_slot = slot;
    of(s)->hinted_ms = expire_ms;
}

/* ---- WATCH ---------------------------------------------------------------------------------- */

static bool is_live(const struct map_store *m, const struct map_row *row)
{
    return row != NULL && !row->is_deleted && (row->expire_ms == 0 || row->expire_ms > m->now_ms);
}

static struct status watch(struct store *s, uint32_t database, struct bytes key,
                           struct store_watch *out)
{
    struct map_store *m = of(s);

    if (!load(m, key))
        return status_of(ST_AGAIN);
    struct map_row *row = find(&m->committed, key);
    bool live = is_live(m, row);
    *out = (struct store_watch) { .was_live = live,
                                  .version = m->version,
                                  .expire_ms = live ? row->expire_ms : 0,
                                  .changes = m->change_count,
                                  .database = m->databases[database] };
    return status_ok();
}

static struct status watch_check(struct store *s, uint32_t database, struct bytes key,
                                 const struct store_watch *w)
{
    struct map_store *m = of(s);

    (void)database;
    if (!load(m, key))
        return status_of(ST_AGAIN);
    struct map_row *row = find(&m->committed, key);
    bool is_written = row != NULL && row->version > w->version;
    bool is_over = w->expire_ms != 0 && w->expire_ms <= m->now_ms;
    return is_written || is_over ? status_of(ST_CONFLICT) : status_ok();
}

/* ---- Cursors -------------------------------------------------------------------------------- */

struct store_cursor {
    struct map_store *map;
    unsigned flags;
    struct map_rows rows; /* What was committed at the opening. */
    struct bytes upper;
    size_t next;
};

static struct status cursor_open(struct store *s, struct bytes lower, struct bytes upper,
                                 unsigned flags, struct store_cursor **out)
{
    struct map_store *m = of(s);
    struct bytes ticket = bytes_str("cursor");

    if (!load(m, ticket))
        return status_of(ST_AGAIN);
    TRY(account(m, RESP_CHUNK_BYTES));
    struct store_cursor *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->map = m;
    c->flags = flags;
    c->upper = copy(upper);
    for (size_t i = 0; i < m->committed.count; i++) {
        if (!m->committed.rows[i].is_deleted)
            insert(&c->rows, m->committed.rows[i]);
        m->read_bytes += ROW_BYTES + m->committed.rows[i].value.size;
    }
    c->next = lower_bound(&c->rows, lower);
    m->open_cursors++;
    *out = c;
    return status_ok();
}

static struct status cursor_next(struct store_cursor *c, struct bytes *out_key,
                                 struct store_row *out_row)
{
    if (c->next == c->rows.count || bytes_compare(c->rows.rows[c->next].key, c->upper) >= 0)
        return status_of(ST_NOT_FOUND);
    struct map_row *row = &c->rows.rows[c->next];
    if (!load(c->map, row->key))
        return status_of(ST_AGAIN);
    TRY(account(c->map, ROW_BYTES + row->value.size));
    c->next++;
    *out_key = row->key;
    *out_row =
        (struct store_row) { .value = c->flags & STORE_CURSOR_KEYS ? bytes_of(NULL, 0) : row->value,
                             .size = row->value.size,
                             .version = row->version,
                             .expire_ms = row->expire_ms,
                             .type = row->type };
    return status_ok();
}

static void cursor_seek(struct store_cursor *c, struct bytes key)
{
    c->next = lower_bound(&c->rows, key);
}

static void cursor_close(struct store_cursor *c)
{
    c->map->open_cursors--;
    clear(&c->rows);
    free((void *)c->upper.data);
    free(c);
}

/* ---- The store ------------------------------------------------------------------------------ */

static const struct store_ops OPS = {
    .get = get,
    .prefetch = prefetch,
    .put = put,
    .remove = remove_row,
    .remove_range = remove_range,
    .write_max = write_max,
    .now_ms = now_ms,
    .is_durable = is_durable,
    .wall_us = wall_us,
    .random = next_random,
    .hash_seed = hash_seed,
    .fresh_id = fresh_id,
    .database_count = database_count,
    .database_id = database_id,
    .database_change = database_change,
    .database_clear = database_clear,
    .database_swap = database_swap,
    .counts = counts,
    .size = size,
    .count = count,
    .expiry_hint = expiry_hint,
    .watch = watch,
    .watch_check = watch_check,
    .cursor_open = cursor_open,
    .cursor_next = cursor_next,
    .cursor_seek = cursor_seek,
    .cursor_close = cursor_close,
};

void map_store_init(struct map_store *m)
{
    *m = (struct map_store) { .store = { .ops = &OPS },
                              .now_ms = 1700000000000,
                              .next_id = MAP_DATABASES + 1 };
    for (uint32_t i = 0; i < MAP_DATABASES; i++)
        m->databases[i] = i + 1;
}

void map_store_deinit(struct map_store *m)
{
    CHECK(m->open_cursors == 0);
    map_store_drop(m);
    map_store_forget(m);
    clear(&m->committed);
}

void map_store_begin(struct map_store *m)
{
    CHECK(m->own.count == 0 && m->range_count == 0);
    m->next_id_before = m->next_id;
    m->random_state_before = m->random_state;
    memcpy(m->databases_before, m->databases, sizeof m->databases);
    m->change_count_before = m->change_count;
    memcpy(m->keys_before, m->keys, sizeof m->keys);
    memcpy(m->expires_before, m->expires, sizeof m->expires);
}

static void drop_own(struct map_store *m)
{
    clear(&m->own);
    for (size_t i = 0; i < m->range_count; i++) {
        free((void *)m->ranges[i].begin.data);
        free((void *)m->ranges[i].end.data);
    }
    m->range_count = 0;
}

void map_store_keep(struct map_store *m)
{
    m->version++;
    for (size_t i = 0; i < m->committed.count; i++) {
        struct map_row *row = &m->committed.rows[i];
        if (!row->is_deleted && is_in_ranges(m, row->key)) {
            row->is_deleted = true;
            row->version = m->version;
        }
    }
    for (size_t i = 0; i < m->own.count; i++) {
        struct map_row row = m->own.rows[i];
        row.version = m->version;
        row.written_ms = m->now_ms;
        insert(&m->committed, row);
    }
    drop_own(m);
}

void map_store_drop(struct map_store *m)
{
    drop_own(m);
    if (m->version == 0 && m->databases_before[0] == 0)
        return;
    m->next_id = m->next_id_before; /* Nobody saw those ids. */
    m->random_state = m->random_state_before;
    memcpy(m->databases, m->databases_before, sizeof m->databases);
    m->change_count = m->change_count_before;
    memcpy(m->keys, m->keys_before, sizeof m->keys);
    memcpy(m->expires, m->expires_before, sizeof m->expires);
    /* What was asked for arrives before the next run. */
    for (size_t i = 0; i < m->wanted.count; i++)
        insert(&m->loaded, m->wanted.rows[i]);
    clear(&m->wanted);
}

void map_store_forget(struct map_store *m)
{
    clear(&m->wanted);
    clear(&m->loaded);
}

size_t map_store_count(const struct map_store *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->committed.count; i++)
        n += !m->committed.rows[i].is_deleted;
    return n;
}

const struct map_row *map_store_at(const struct map_store *m, size_t n)
{
    for (size_t i = 0; i < m->committed.count; i++) {
        if (!m->committed.rows[i].is_deleted && n-- == 0)
            return &m->committed.rows[i];
    }
    return NULL;
}
