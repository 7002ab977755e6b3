#include "server/catalog.h"

#include "base/check.h"

#include "resp/resp.h"

enum { FORMAT_VERSION = 1, ID_MAX = 1 << 30 };

static_assert((int)CATALOG_SLOTS == (int)RESP_SLOTS, "a purge goes through all slots");

/* ---- Records ----------------------------------------------------------------------------------
 */

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

size_t catalog_record_encode(const struct catalog_record *r, uint8_t room[CATALOG_RECORD_MAX])
{
    size_t n = 0;

    room[n++] = (uint8_t)r->kind;
    switch (r->kind) {
    case CATALOG_SEED:
    case CATALOG_OBJECTS:
        put_u64(room + n, r->value);
        n += 8;
        break;
    case CATALOG_COUNT:
        n += put_varint(room + n, r->id);
        n += put_varint(room + n, zigzag(r->keys));
        n += put_varint(room + n, zigzag(r->expires));
        break;
    case CATALOG_CLEAR:
    case CATALOG_PURGED:
        put_u32(room + n, r->number);
        put_u32(room + n + 4, r->id);
        n += 8;
        break;
    case CATALOG_SWAP:
        put_u32(room + n, r->number);
        put_u32(room + n + 4, r->other);
        n += 8;
        break;
    }
    CHECK(n <= CATALOG_RECORD_MAX);
    return n;
}

static bool take_count(struct bytes *side, struct catalog_record *r)
{
    uint64_t id;
    uint64_t keys;
    uint64_t expires;

    if (!take_varint(side, &id) || id > UINT32_MAX || !take_varint(side, &keys) ||
        !take_varint(side, &expires))
        return false;
    r->id = (uint32_t)id;
    r->keys = unzigzag(keys);
    r->expires = unzigzag(expires);
    return true;
}

struct status catalog_record_decode(struct bytes side, struct catalog_record *out)
{
    struct catalog_record r = { 0 };
    uint8_t kind;
    bool is_whole = take_u8(&side, &kind);

    if (is_whole)
        r.kind = kind;
    switch (is_whole ? kind : 0) {
    case CATALOG_SEED:
    case CATALOG_OBJECTS:
        is_whole = take_u64(&side, &r.value);
        break;
    case CATALOG_COUNT:
        is_whole = take_count(&side, &r);
        break;
    case CATALOG_CLEAR:
        is_whole = take_u32(&side, &r.number) && take_u32(&side, &r.id) &&
                   r.number < CATALOG_NUMBERS_MAX && r.id < ID_MAX;
        break;
    case CATALOG_PURGED:
        is_whole = take_u32(&side, &r.number) && take_u32(&side, &r.id);
        break;
    case CATALOG_SWAP:
        is_whole = take_u32(&side, &r.number) && take_u32(&side, &r.other) &&
                   r.number < CATALOG_NUMBERS_MAX && r.other < CATALOG_NUMBERS_MAX;
        break;
    default:
        is_whole = false;
        break;
    }
    if (!is_whole || side.size > 0)
        return status_of(ST_CORRUPT);
    *out = r;
    return status_ok();
}

/* ---- Life -------------------------------------------------------------------------------------
 */

/* Have at least count numbers; new ones have their first ids. */
static struct status reserve_numbers(struct server_catalog *c, uint32_t count)
{
    if (count <= c->number_count)
        return status_ok();
    struct catalog_database *grown =
        alloc_resize(c->alloc, c->numbers, c->number_count * sizeof *grown, count * sizeof *grown);
    if (grown == NULL)
        return status_of(ST_NO_MEMORY);
    for (uint32_t i = c->number_count; i < count; i++)
        grown[i] = (struct catalog_database) { .id = i };
    c->numbers = grown;
    c->number_count = count;
    return status_ok();
}

struct status server_catalog_init(struct server_catalog *c, struct alloc *alloc,
                                  uint32_t number_count)
{
    *c = (struct server_catalog) { .alloc = alloc,
                                   .next_object = 1,
                                   .next_database = CATALOG_NUMBERS_MAX };
    CHECK(number_count > 0 && number_count <= CATALOG_NUMBERS_MAX);
    return reserve_numbers(c, number_count);
}

void server_catalog_deinit(struct server_catalog *c)
{
    alloc_free(c->alloc, c->numbers, c->number_count * sizeof *c->numbers);
    alloc_free(c->alloc, c->purges, c->purge_capacity * sizeof *c->purges);
    c->numbers = NULL;
    c->purges = NULL;
    c->number_count = 0;
    c->purge_count = 0;
    c->purge_capacity = 0;
}

struct status server_catalog_copy(struct server_catalog *to, const struct server_catalog *from)
{
    struct server_catalog copy = *from;

    copy.numbers = alloc_array(from->alloc, from->number_count, sizeof *copy.numbers);
    copy.purges = alloc_array(from->alloc, from->purge_capacity, sizeof *copy.purges);
    if (copy.numbers == NULL || (copy.purges == NULL && from->purge_capacity > 0)) {
        server_catalog_deinit(&copy);
        return status_of(ST_NO_MEMORY);
    }
    memcpy(copy.numbers, from->numbers, from->number_count * sizeof *copy.numbers);
    if (from->purge_count > 0)
        memcpy(copy.purges, from->purges, from->purge_count * sizeof *copy.purges);
    server_catalog_deinit(to);
    *to = copy;
    return status_ok();
}

struct catalog_database *server_catalog_find(struct server_catalog *c, uint32_t id)
{
    if (c->numbers[c->last].id == id)
        return &c->numbers[c->last];
    for (uint32_t i = 0; i < c->number_count; i++) {
        if (c->numbers[i].id == id) {
            c->last = i;
            return &c->numbers[i];
        }
    }
    return NULL;
}

/* ---- Applying ---------------------------------------------------------------------------------
 */

static bool reserve_purge(struct server_catalog *c)
{
    if (c->purge_count < c->purge_capacity)
        return true;
    uint32_t capacity = c->purge_capacity == 0 ? 16 : 2 * c->purge_capacity;
    struct catalog_purge *grown = alloc_resize(
        c->alloc, c->purges, c->purge_capacity * sizeof *grown, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    c->purges = grown;
    c->purge_capacity = capacity;
    return true;
}

static void apply_count(struct server_catalog *c, const struct catalog_record *r)
{
    struct catalog_database *d = server_catalog_find(c, r->id);

    if (d == NULL)
        return;
    d->keys += (uint64_t)r->keys;
    d->expires += (uint64_t)r->expires;
}

static void apply_clear(struct server_catalog *c, const struct catalog_record *r)
{
    if (failed(reserve_numbers(c, r->number + 1)) || !reserve_purge(c)) {
        c->is_incomplete = true;
        return;
    }
    struct catalog_database *d = &c->numbers[r->number];
    c->purges[c->purge_count++] = (struct catalog_purge) { .id = d->id };
    *d = (struct catalog_database) { .id = r->id };
    if (r->id >= c->next_database)
        c->next_database = r->id + 1;
}

static void apply_swap(struct server_catalog *c, const struct catalog_record *r)
{
    uint32_t last = r->number > r->other ? r->number : r->other;

    if (failed(reserve_numbers(c, last + 1))) {
        c->is_incomplete = true;
        return;
    }
    struct catalog_database d = c->numbers[r->number];
    c->numbers[r->number] = c->numbers[r->other];
    c->numbers[r->other] = d;
}

static void apply_purged(struct server_catalog *c, const struct catalog_record *r)
{
    for (uint32_t i = 0; i < c->purge_count; i++) {
        if (c->purges[i].id != r->id)
            continue;
        if (r->number < CATALOG_SLOTS) {
            c->purges[i].next_slot = r->number;
            return;
        }
        c->purge_count--;
        memmove(&c->purges[i], &c->purges[i + 1], (c->purge_count - i) * sizeof *c->purges);
        return;
    }
}

void server_catalog_apply(struct server_catalog *c, const struct catalog_record *r)
{
    switch (r->kind) {
    case CATALOG_SEED:
        c->hash_seed = r->value;
        break;
    case CATALOG_COUNT:
        apply_count(c, r);
        break;
    case CATALOG_CLEAR:
        apply_clear(c, r);
        break;
    case CATALOG_SWAP:
        apply_swap(c, r);
        break;
    case CATALOG_PURGED:
        apply_purged(c, r);
        break;
    case CATALOG_OBJECTS:
        if (r->value > c->next_object)
            c->next_object = r->value;
        break;
    }
}

/* ---- Saving -----------------------------------------------------------------------------------
 */

struct status server_catalog_save(const struct server_catalog *c, struct buf *out)
{
    if (c->is_incomplete)
        return status_of(ST_NO_MEMORY);
    buf_append_u32(out, FORMAT_VERSION);
    buf_append_u64(out, c->hash_seed);
    buf_append_u64(out, c->next_object);
    buf_append_u32(out, c->next_database);
    buf_append_u32(out, c->number_count);
    buf_append_u32(out, c->purge_count);
    for (uint32_t i = 0; i < c->number_count; i++) {
        buf_append_u32(out, c->numbers[i].id);
        buf_append_u64(out, c->numbers[i].keys);
        buf_append_u64(out, c->numbers[i].expires);
    }
    for (uint32_t i = 0; i < c->purge_count; i++) {
        buf_append_u32(out, c->purges[i].id);
        buf_append_u32(out, c->purges[i].next_slot);
    }
    return out->is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

static bool load_tables(struct server_catalog *c, struct bytes *rest, uint32_t numbers,
                        uint32_t purges)
{
    for (uint32_t i = 0; i < numbers; i++) {
        struct catalog_database *d = &c->numbers[i];
        if (!take_u32(rest, &d->id) || !take_u64(rest, &d->keys) || !take_u64(rest, &d->expires) ||
            d->id >= ID_MAX)
            return false;
    }
    for (uint32_t i = 0; i < purges; i++) {
        if (!reserve_purge(c)) {
            c->is_incomplete = true;
            return true;
        }
        struct catalog_purge *p = &c->purges[c->purge_count++];
        if (!take_u32(rest, &p->id) || !take_u32(rest, &p->next_slot) ||
            p->next_slot >= CATALOG_SLOTS)
            return false;
    }
    return rest->size == 0;
}

struct status server_catalog_load(struct server_catalog *c, struct bytes saved)
{
    uint32_t version;
    uint32_t numbers;
    uint32_t purges;

    if (saved.size == 0)
        return status_ok();
    if (!take_u32(&saved, &version))
        return status_of(ST_CORRUPT);
    if (version != FORMAT_VERSION)
        return status_of(version > FORMAT_VERSION ? ST_UNSUPPORTED : ST_CORRUPT);
    if (!take_u64(&saved, &c->hash_seed) || !take_u64(&saved, &c->next_object) ||
        !take_u32(&saved, &c->next_database) || !take_u32(&saved, &numbers) ||
        !take_u32(&saved, &purges) || numbers > CATALOG_NUMBERS_MAX)
        return status_of(ST_CORRUPT);
    TRY(reserve_numbers(c, numbers));
    if (!load_tables(c, &saved, numbers, purges))
        return status_of(ST_CORRUPT);
    return c->is_incomplete ? status_of(ST_NO_MEMORY) : status_ok();
}
