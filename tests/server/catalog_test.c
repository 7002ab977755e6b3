#include "server/catalog.h"

#include <criterion/criterion.h>

static struct server_catalog make(uint32_t numbers)
{
    struct server_catalog c;
    cr_assert(succeeded(server_catalog_init(&c, alloc_heap(), numbers)));
    return c;
}

static const struct catalog_record RECORDS[] = {
    { .kind = CATALOG_SEED, .value = 0x1234567890abcdef },
    { .kind = CATALOG_COUNT, .id = 3, .keys = 5, .expires = 2 },
    { .kind = CATALOG_CLEAR, .number = 3, .id = 16384 },
    { .kind = CATALOG_COUNT, .id = 16384, .keys = 9, .expires = -0 },
    { .kind = CATALOG_CLEAR, .number = 4, .id = 16385 },
    { .kind = CATALOG_PURGED, .id = 3, .number = 77 },
    { .kind = CATALOG_OBJECTS, .value = 1000 },
    { .kind = CATALOG_SWAP, .number = 3, .other = 20 },
    { .kind = CATALOG_COUNT, .id = 16384, .keys = -4, .expires = 1 },
};

/* Method: each record goes through its encoding on the way. */
static void apply_all(struct server_catalog *c)
{
    for (size_t i = 0; i < sizeof RECORDS / sizeof RECORDS[0]; i++) {
        uint8_t room[CATALOG_RECORD_MAX];
        struct catalog_record r;
        size_t size = catalog_record_encode(&RECORDS[i], room);
        cr_assert(succeeded(catalog_record_decode(bytes_of(room, size), &r)), "record %zu", i);
        for (size_t cut = 0; cut < size; cut++)
            cr_assert_eq(catalog_record_decode(bytes_of(room, cut), &r).code, ST_CORRUPT);
        cr_assert(succeeded(catalog_record_decode(bytes_of(room, size), &r)));
        server_catalog_apply(c, &r);
    }
}

static void check_all(struct server_catalog *c)
{
    cr_assert_eq(c->hash_seed, 0x1234567890abcdef);
    cr_assert_eq(server_catalog_id(c, 3), 20);
    cr_assert_eq(server_catalog_id(c, 20), 16384);
    cr_assert_eq(server_catalog_find(c, 16384)->keys, 5);
    cr_assert_eq(server_catalog_find(c, 16384)->expires, 1);
    cr_assert_eq(server_catalog_find(c, 3), NULL);
    cr_assert_eq(c->purge_count, 2);
    cr_assert_eq(c->purges[0].id, 3);
    cr_assert_eq(c->purges[0].next_slot, 77);
    cr_assert_eq(c->next_object, 1000);
    cr_assert_eq(c->next_database, 16386);
}

Test(server_catalog, what_is_saved_reads_back)
{
    struct server_catalog c = make(16);
    struct server_catalog loaded = make(1);
    struct buf saved;

    buf_init(&saved, alloc_heap(), 1 << 20);
    apply_all(&c);
    check_all(&c);
    cr_assert(succeeded(server_catalog_save(&c, &saved)));
    cr_assert(succeeded(server_catalog_load(&loaded, buf_bytes(&saved))));
    check_all(&loaded);
    server_catalog_deinit(&c);
    server_catalog_deinit(&loaded);
    buf_deinit(&saved);
}

Test(server_catalog, a_cut_or_newer_form_is_refused)
{
    struct server_catalog c = make(16);
    struct buf saved;

    buf_init(&saved, alloc_heap(), 1 << 20);
    apply_all(&c);
    cr_assert(succeeded(server_catalog_save(&c, &saved)));
    for (size_t cut = 1; cut < saved.size; cut++) {
        struct server_catalog other = make(1);
        struct status s = server_catalog_load(&other, bytes_of(saved.data, cut));
        cr_assert_eq(s.code, ST_CORRUPT, "cut at %zu", cut);
        server_catalog_deinit(&other);
    }
    saved.data[0]++;
    struct server_catalog other = make(1);
    cr_assert_eq(server_catalog_load(&other, buf_bytes(&saved)).code, ST_UNSUPPORTED);
    server_catalog_deinit(&other);
    server_catalog_deinit(&c);
    buf_deinit(&saved);
}
