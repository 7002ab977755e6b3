#include "entry_set.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t *new_blob(struct entry_set *s, size_t size)
{
    if ((s->blob_count & (s->blob_count + 1)) == 0) {
        s->blobs = realloc(s->blobs, (2 * s->blob_count + 2) * sizeof *s->blobs);
        CHECK(s->blobs != NULL);
    }
    uint8_t *blob = malloc(size + 1);
    CHECK(blob != NULL);
    s->blobs[s->blob_count++] = blob;
    return blob;
}

static size_t make_key(struct rand *r, enum entry_style style, uint64_t i, uint8_t *key)
{
    static const uint8_t alphabet[] = { 0x00, 0x01, 'a', 0xff };
    size_t size = 0;

    switch (style) {
    case STYLE_TINY:
        size = rand_below(r, 7);
        for (size_t k = 0; k < size; k++)
            key[k] = alphabet[rand_below(r, sizeof alphabet)];
        return size;
    case STYLE_PREFIX:
        memset(key, 'p', 40);
        size = rand_below(r, 65);
        rand_fill(r, key + 40, size);
        return 40 + size;
    case STYLE_COUNTER:
        put_u64_be(key, 1000 + i * (1 + rand_below(r, 3)));
        return 8;
    case STYLE_DECIMAL:
        return (size_t)snprintf((char *)key, 64, "user:%llu",
                                (unsigned long long)rand_below(r, 100000));
    case STYLE_LONG:
        size = rand_below(r, 8) == 0 ? LSM_KEY_MAX - rand_below(r, 3) : rand_below(r, 3000);
        memset(key, 'k', size);
        for (unsigned n = 0; n < 3 && size > 0; n++)
            key[size - 1 - rand_below(r, size < 2900 ? size : 2900)] = (uint8_t)rand_u64(r);
        return size;
    default:
        size = rand_below(r, 65);
        rand_fill(r, key, size);
        return size;
    }
}

static void make_value(struct entry_set *s, struct rand *r, const struct entry_set_options *o,
                       struct lsm_entry *e)
{
    uint64_t dice = rand_below(r, 100);

    if (dice < o->handle_percent) {
        e->kind = LSM_PUT_HANDLE;
        e->handle.file = o->logical_add + rand_below(r, o->ref_count);
        e->handle.ordinal = (uint32_t)s->count; /* Unique. */
        e->handle.offset = (uint32_t)rand_u64(r) >> rand_below(r, 32);
        e->handle.length = (uint32_t)rand_below(r, 100000);
    } else if (dice < o->handle_percent + o->delete_percent) {
        e->kind = LSM_DELETE;
    } else {
        size_t size = rand_below(r, o->value_size_max + 1);
        uint8_t *value = new_blob(s, size);
        rand_fill(r, value, size);
        e->kind = LSM_PUT;
        e->value = bytes_of(value, size);
    }
}

static int compare_entries(const void *x, const void *y)
{
    const struct lsm_entry *a = x;
    const struct lsm_entry *b = y;
    return lsm_entry_compare(a->key, a->version, b->key, b->version);
}

void entry_set_make(struct entry_set *s, struct rand *r, const struct entry_set_options *o)
{
    uint32_t versions_max = o->versions_max == 0 ? 1 : o->versions_max;
    uint8_t *scratch = malloc(LSM_KEY_MAX + 64);
    uint64_t version_span = UINT64_C(1) << rand_below(r, 64);

    CHECK(scratch != NULL);
    *s = (struct entry_set) { .count = 0 };
    s->entries = calloc(o->key_count * versions_max + 1, sizeof *s->entries);
    CHECK(s->entries != NULL);
    for (size_t i = 0; i < o->key_count; i++) {
        size_t size = make_key(r, o->style, i, scratch);
        uint8_t *key = new_blob(s, size);
        memcpy(key, scratch, size);
        size_t versions = 1 + rand_below(r, versions_max);
        for (size_t v = 0; v < versions; v++) {
            struct lsm_entry e = { .key = bytes_of(key, size),
                                   .version = 1 + rand_below(r, version_span) + v };
            make_value(s, r, o, &e);
            if (!o->is_plain) {
                e.type = (uint8_t)rand_below(r, 4);
                e.expire_ms = rand_below(r, 4) == 0 ? rand_u64(r) >> 20 : 0;
            }
            s->entries[s->count++] = e;
        }
    }
    free(scratch);
    if (s->count == 0)
        return;
    qsort(s->entries, s->count, sizeof *s->entries, compare_entries);
    size_t kept = 1;
    for (size_t i = 1; i < s->count; i++) {
        if (compare_entries(&s->entries[i], &s->entries[kept - 1]) != 0)
            s->entries[kept++] = s->entries[i];
    }
    s->count = kept;
}

void entry_set_free(struct entry_set *s)
{
    for (size_t i = 0; i < s->blob_count; i++)
        free(s->blobs[i]);
    free(s->blobs);
    free(s->entries);
    *s = (struct entry_set) { .count = 0 };
}

size_t entry_set_seek(const struct entry_set *s, struct bytes key, uint64_t version)
{
    size_t low = 0;
    size_t high = s->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct lsm_entry *e = &s->entries[middle];
        if (lsm_entry_compare(e->key, e->version, key, version) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool entry_equal(const struct lsm_entry *a, const struct lsm_entry *b)
{
    if (!bytes_equal(a->key, b->key) || a->version != b->version || a->kind != b->kind ||
        a->type != b->type || a->expire_ms != b->expire_ms)
        return false;
    if (a->kind == LSM_PUT)
        return bytes_equal(a->value, b->value);
    if (a->kind == LSM_PUT_HANDLE)
        return a->handle.file == b->handle.file && a->handle.ordinal == b->handle.ordinal &&
               a->handle.offset == b->handle.offset && a->handle.length == b->handle.length;
    return true;
}

struct bytes entry_set_probe(struct entry_set *s, struct rand *r)
{
    struct bytes key = s->entries[rand_below(r, s->count)].key;
    uint8_t *probe = new_blob(s, key.size + 2);

    if (key.size > 0)
        memcpy(probe, key.data, key.size);
    switch (rand_below(r, 5)) {
    case 0: /* A little more. */
        probe[key.size] = rand_below(r, 2) == 0 ? 0 : (uint8_t)rand_u64(r);
        return bytes_of(probe, key.size < LSM_KEY_MAX ? key.size + 1 : key.size);
    case 1: /* A little less. */
        return bytes_of(probe, key.size == 0 ? 0 : rand_below(r, key.size));
    case 2: /* Another byte somewhere. */
        if (key.size > 0)
            probe[rand_below(r, key.size)] += (uint8_t)(1 + rand_below(r, 2) * 254);
        return bytes_of(probe, key.size);
    default:
        return bytes_of(probe, key.size);
    }
}
