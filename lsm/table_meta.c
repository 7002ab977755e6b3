#include "lsm/table.h"

#include "base/alloc.h"

#include "lsm/manifest.h"
#include "lsm/table_format.h"

void lsm_table_meta_deinit(struct lsm_table_meta *m, struct alloc *a)
{
    alloc_free(a, (void *)(uintptr_t)m->smallest.data, m->smallest.size);
    alloc_free(a, (void *)(uintptr_t)m->largest.data, m->largest.size);
    alloc_free(a, m->refs, m->ref_count * sizeof *m->refs);
    *m = (struct lsm_table_meta) { .id = 0 };
}

static bool copy_bytes(struct alloc *a, struct bytes from, struct bytes *to)
{
    *to = bytes_of(NULL, 0);
    if (from.size == 0)
        return true;
    uint8_t *p = alloc_bytes(a, from.size);
    if (p == NULL)
        return false;
    memcpy(p, from.data, from.size);
    *to = bytes_of(p, from.size);
    return true;
}

struct status lsm_table_meta_copy(const struct lsm_table_meta *m, struct alloc *a,
                                  struct lsm_table_meta *out)
{
    struct lsm_table_meta copy = *m;

    copy.refs = NULL;
    copy.largest = bytes_of(NULL, 0);
    if (!copy_bytes(a, m->smallest, &copy.smallest) || !copy_bytes(a, m->largest, &copy.largest))
        goto no_memory;
    if (m->ref_count > 0) {
        copy.refs = alloc_array(a, m->ref_count, sizeof *m->refs);
        if (copy.refs == NULL)
            goto no_memory;
        memcpy(copy.refs, m->refs, m->ref_count * sizeof *m->refs);
    }
    *out = copy;
    return status_ok();
no_memory:
    lsm_table_meta_deinit(&copy, a);
    return status_of(ST_NO_MEMORY);
}

/* ---- From the file ------------------------------------------------------------------------ */

/* Read size bytes at offset into memory of their own. */
static struct status read_at(const struct env *env, struct io_ring *ring, struct io_file *file,
                             uint64_t offset, size_t size, uint8_t **out_data)
{
    size_t done;
    uint8_t *data = alloc_bytes(env->alloc, size);

    if (data == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = io_read(ring, file, data, size, offset, &done);
    if (succeeded(s) && done != size)
        s = status_of(ST_CORRUPT);
    if (failed(s))
        alloc_free(env->alloc, data, size);
    else
        *out_data = data;
    return s;
}

/* Where the tail begins, from the end of the file. */
static struct status find_tail(const struct env *env, struct io_ring *ring, struct io_file *file,
                               struct lsm_table_meta *m, struct errbuf *err)
{
    uint8_t *end;

    TRY(io_size(file, &m->file_size));
    if (m->file_size < TABLE_END_SIZE || m->file_size > TABLE_SIZE_MAX) {
        errbuf_set(err, "table %llu: %llu bytes are not a table", (unsigned long long)m->id,
                   (unsigned long long)m->file_size);
        return status_of(ST_CORRUPT);
    }
    TRY(read_at(env, ring, file, m->file_size - TABLE_END_SIZE, TABLE_END_SIZE, &end));
    uint64_t size = get_u32(end);
    bool is_table = get_u64(end + 8) == TABLE_MAGIC && size >= TABLE_TAIL_HEADER + TABLE_END_SIZE &&
                    size <= m->file_size;
    alloc_free(env->alloc, end, TABLE_END_SIZE);
    if (!is_table) {
        errbuf_set(err, "table %llu: does not end as a table does", (unsigned long long)m->id);
        return status_of(ST_CORRUPT);
    }
    m->footer_offset = m->file_size - size;
    return status_ok();
}

/* Bytes and refs are borrowed from body and refs. */
static struct status decode_properties(struct bytes body, struct lsm_table_ref *refs,
                                       struct lsm_table_meta *m)
{
    const uint8_t *p = body.data;
    uint64_t smallest_size = get_u32(p + 72);
    uint64_t largest_size = get_u32(p + 76);

    m->version_min = get_u64(p + 8);
    m->version_max = get_u64(p + 16);
    m->entry_count = get_u64(p + 24);
    m->delete_count = get_u64(p + 32);
    m->range_delete_count = get_u64(p + 40);
    m->key_bytes = get_u64(p + 48);
    m->value_bytes = get_u64(p + 56);
    m->digest = get_u64(p + 64);
    m->largest_exclusive = get_u32(p + 80) == 1;
    size_t keys_at = TABLE_PROPERTIES_HEADER + (size_t)m->ref_count * TABLE_PROPERTIES_REF;
    if (get_u64(p) != m->id || get_u32(p + 80) > 1 || smallest_size > LSM_KEY_MAX ||
        largest_size > LSM_KEY_MAX || keys_at + smallest_size + largest_size != body.size)
        return status_of(ST_CORRUPT);
    for (uint32_t i = 0; i < m->ref_count; i++) {
        const uint8_t *q = p + TABLE_PROPERTIES_HEADER + (size_t)i * TABLE_PROPERTIES_REF;
        refs[i] = (struct lsm_table_ref) { get_u64(q), get_u64(q + 8), get_u64(q + 16) };
    }
    m->refs = refs;
    m->smallest = bytes_of(p + keys_at, smallest_size);
    m->largest = bytes_of(p + keys_at + smallest_size, largest_size);
    return status_ok();
}

static struct status take_properties(const struct env *env, struct bytes block, uint64_t offset,
                                     struct lsm_table_meta *m, struct lsm_table_meta *out_meta,
                                     struct errbuf *err)
{
    struct bytes body;

    TRY(table_block_check(block, TABLE_PROPERTIES, m->id, offset, &body, err));
    m->ref_count = body.size < TABLE_PROPERTIES_HEADER ? 0 : get_u32(body.data + 84);
    size_t refs_size = ((size_t)m->ref_count + 1) * sizeof(struct lsm_table_ref);
    if (body.size < TABLE_PROPERTIES_HEADER || m->ref_count > TABLE_REF_MAX ||
        body.size - TABLE_PROPERTIES_HEADER < (size_t)m->ref_count * TABLE_PROPERTIES_REF) {
        errbuf_set(err, "table %llu: impossible properties", (unsigned long long)m->id);
        return status_of(ST_CORRUPT);
    }
    struct lsm_table_ref *refs = alloc_bytes(env->alloc, refs_size);
    if (refs == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = decode_properties(body, refs, m);
    if (succeeded(s))
        s = lsm_table_meta_copy(m, env->alloc, out_meta);
    else
        errbuf_set(err, "table %llu: impossible properties", (unsigned long long)m->id);
    alloc_free(env->alloc, refs, refs_size);
    return s;
}

static struct status read_meta(const struct env *env, struct io_ring *ring, struct io_file *file,
                               struct lsm_table_meta *m, struct lsm_table_meta *out_meta,
                               struct errbuf *err)
{
    struct table_tail tail;
    struct bytes body;
    uint8_t *data;

    TRY(find_tail(env, ring, file, m, err));
    size_t size = m->file_size - m->footer_offset;
    TRY(read_at(env, ring, file, m->footer_offset, size, &data));
    struct status s =
        table_block_check(bytes_of(data, size), TABLE_TAIL, m->id, m->footer_offset, &body, err);
    if (succeeded(s))
        s = table_tail_decode(body, m->id, m->footer_offset, &tail, err);
    alloc_free(env->alloc, data, size);
    TRY(s);
    size = tail.properties.size;
    TRY(read_at(env, ring, file, tail.properties.offset, size, &data));
    s = take_properties(env, bytes_of(data, size), tail.properties.offset, m, out_meta, err);
    alloc_free(env->alloc, data, size);
    return s;
}

struct status lsm_table_meta_read(const struct env *env, struct io_ring *ring, const char *dir,
                                  uint64_t id, struct lsm_table_meta *out_meta, struct errbuf *err)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    struct lsm_table_meta m = { .id = id };
    struct io_file *file;

    lsm_table_name(id, name, sizeof name);
    TRY(lsm_path(dir, name, path));
    TRY(io_open(env->io, path, IO_READ, &file));
    struct status s = read_meta(env, ring, file, &m, out_meta, err);
    io_close(file);
    return s;
}
