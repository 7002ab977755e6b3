/* resp's door to the store: databases, counts, ids. */
#include "server/store.h"

enum { DATABASE_ID_END = 1 << 30 };

uint32_t server_database_count(struct store *door)
{
    return server_store_of(door)->database_count;
}

struct status server_store_record(struct server_store *s, const struct catalog_record *r)
{
    struct server_command *c = s->running;

    if (c->record_count == c->record_capacity) {
        uint32_t capacity = c->record_capacity == 0 ? 4 : 2 * c->record_capacity;
        struct catalog_record *grown =
            alloc_resize(s->env->alloc, c->records, c->record_capacity * sizeof *grown,
                         capacity * sizeof *grown);
        if (grown == NULL)
            return status_of(ST_NO_MEMORY);
        c->records = grown;
        c->record_capacity = capacity;
    }
    c->records[c->record_count++] = *r;
    return status_ok();
}

/* The running command's own changes come first: the last of them, then what was there before. */
uint32_t server_database_id(struct store *door, uint32_t number)
{
    const struct server_store *s = server_store_of(door);
    const struct server_command *c = s->running;

    for (uint32_t i = c == NULL ? 0 : c->record_count; i > 0; i--) {
        const struct catalog_record *r = &c->records[i - 1];
        if (r->kind == CATALOG_CLEAR && r->number == number)
            return r->id;
        if (r->kind == CATALOG_SWAP && (r->number == number || r->other == number))
            number = r->number == number ? r->other : r->number;
    }
    return server_catalog_id(&s->evaluated, number);
}

struct status server_database_change(struct store *door, uint32_t number, uint64_t *change,
                                     uint32_t *out_id)
{
    const struct server_store *s = server_store_of(door);

    server_store_note_ids(server_store_of(door));
    if (s->change_count - *change > STORE_CHANGES_KEPT)
        return status_of(ST_CONFLICT);
    while (*change < s->change_count) {
        const struct store_change *c = &s->changes[(*change)++ % STORE_CHANGES_KEPT];
        if (c->number == number) {
            *out_id = c->id;
            return status_ok();
        }
    }
    return status_of(ST_NOT_FOUND);
}

/* The id after those that are taken, by the running command too. */
static uint32_t next_database(const struct server_store *s)
{
    const struct server_command *c = s->running;
    uint32_t id = s->evaluated.next_database;

    for (uint32_t i = 0; i < c->record_count; i++)
        id += c->records[i].kind == CATALOG_CLEAR;
    return id;
}

struct status server_database_clear(struct store *door, uint32_t number)
{
    struct server_store *s = server_store_of(door);

    TRY(server_store_admit(s, true));
    const struct catalog_record r = { .kind = CATALOG_CLEAR,
                                      .number = number,
                                      .id = next_database(s) };
    if (r.id >= DATABASE_ID_END)
        return status_of(ST_LIMIT);
    return server_store_record(s, &r);
}

struct status server_database_swap(struct store *door, uint32_t a, uint32_t b)
{
    struct server_store *s = server_store_of(door);

    TRY(server_store_admit(s, true));
    return server_store_record(
        s, &(struct catalog_record) { .kind = CATALOG_SWAP, .number = a, .other = b });
}

/* The change of a database's counts that the running command makes; NULL: none yet. */
static struct catalog_record *find_count(struct server_store *s, uint32_t database_id)
{
    struct server_command *c = s->running;

    for (uint32_t i = c == NULL ? 0 : c->record_count; i > 0; i--) {
        if (c->records[i - 1].kind == CATALOG_COUNT && c->records[i - 1].id == database_id)
            return &c->records[i - 1];
    }
    return NULL;
}

void server_counts(struct store *door, uint32_t database_id, uint64_t *out_keys,
                   uint64_t *out_expires)
{
    struct server_store *s = server_store_of(door);
    const struct catalog_database *d = server_catalog_find(&s->evaluated, database_id);
    const struct catalog_record *r = find_count(s, database_id);

    *out_keys = (d == NULL ? 0 : d->keys) + (r == NULL ? 0 : (uint64_t)r->keys);
    *out_expires = (d == NULL ? 0 : d->expires) + (r == NULL ? 0 : (uint64_t)r->expires);
}

uint64_t server_size(struct store *door, uint32_t database_id)
{
    uint64_t keys;
    uint64_t expires;

    server_store_note_ids(server_store_of(door));
    server_store_note_counts(server_store_of(door));
    server_counts(door, database_id, &keys, &expires);
    return keys;
}

struct status server_count(struct store *door, uint32_t database_id, int64_t keys, int64_t expires)
{
    struct server_store *s = server_store_of(door);
    struct catalog_record *r = find_count(s, database_id);

    if (r == NULL)
        return server_store_record(
            s, &(struct catalog_record) {
                   .kind = CATALOG_COUNT, .id = database_id, .keys = keys, .expires = expires });
    r->keys += keys;
    r->expires += expires;
    return status_ok();
}

uint64_t server_fresh_id(struct store *door)
{
    struct server_store *s = server_store_of(door);

    s->running->uses_objects = true;
    return s->evaluated.next_object++;
}
