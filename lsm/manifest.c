#include "lsm/manifest.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stdio.h>

enum {
    HEADER_SIZE = 64,
    RECORD_HEADER = 24,
    FORMAT_VERSION = 1,
    RECORD_EDIT = 1,
    RECORD_SEAL = 2,
    PAYLOAD_MAX = 256 << 20,
    ALLOCATE_AHEAD = 1 << 20,
};
static const char magic[8] = { 'V', 'R', 'V', 'M', 'A', 'N', 'I', '1' };

struct lsm_manifest {
    const struct env *env;
    char dir[IO_PATH_MAX];
    struct io_file *file;
    uint64_t id;
    uint64_t size;         /* Where the next record goes. */
    uint64_t durable_size; /* Known to be on the device. */
    uint64_t allocated;    /* Room on disk. */
    uint64_t snapshot_size;
    struct buf buffer;
    bool is_poisoned;
};

/* ---- Names -------------------------------------------------------------------------------- */

void lsm_manifest_name(uint64_t id, char *out_name, size_t size)
{
    (void)snprintf(out_name, size, "MANIFEST-%08llu", (unsigned long long)id);
}

void lsm_table_name(uint64_t id, char *out_name, size_t size)
{
    (void)snprintf(out_name, size, "%08llu.sst", (unsigned long long)id);
}

struct status lsm_path(const char *dir, const char *name, char *out_path)
{
    int n = snprintf(out_path, IO_PATH_MAX, "%s/%s", dir, name);
    return n < 0 || n >= IO_PATH_MAX ? status_of(ST_INVALID) : status_ok();
}

bool lsm_name_parse(const char *name, const char *prefix, const char *suffix, uint64_t *out_id)
{
    size_t prefix_size = strlen(prefix);
    uint64_t id = 0;
    size_t digits = 0;

    if (strncmp(name, prefix, prefix_size) != 0)
        return false;
    for (const char *p = name + prefix_size; *p >= '0' && *p <= '9'; p++, digits++) {
        if (id > (UINT64_MAX - 9) / 10)
            return false;
        id = id * 10 + (uint64_t)(*p - '0');
    }
    if (digits < 8 || strcmp(name + prefix_size + digits, suffix) != 0)
        return false;
    *out_id = id;
    return true;
}

/* ---- Edits as bytes ----------------------------------------------------------------------- */

/*
 * Fields: tag varint, then varints and sized bytes as below. Order is free but for GROUPs' sidecar.
 * Tags are never reused.
 */
enum edit_tag {
    TAG_ADD_TABLE = 1,      /* level, meta */
    TAG_DROP_TABLE = 2,     /* level, id */
    TAG_VALUE_FILE = 3,     /* logical, physical, is_segment, size, count, bytes, ordinal end */
    TAG_DROP_VALUE = 4,     /* logical */
    TAG_NEXT_ID = 5,        /* id */
    TAG_CLOCK_MARK = 6,     /* version */
    TAG_GROUP = 7,          /* group, index, term */
    TAG_SIDECAR = 8,        /* group, sized bytes */
    TAG_KEYSPACE = 9,       /* id, sized name */
    TAG_DROP_KEYSPACE = 10, /* id, sized name */
    TAG_LOG_START = 11,     /* segment id, flushed lsn, is fresh */
    TAG_NEXT_KEYSPACE = 12, /* id */
};

static void append_sized(struct buf *out, struct bytes b)
{
    buf_append_varint(out, b.size);
    buf_append(out, b);
}

static void encode_meta(const struct lsm_table_meta *m, struct buf *out)
{
    buf_append_varint(out, m->id);
    buf_append_varint(out, m->file_size);
    buf_append_varint(out, m->footer_offset);
    append_sized(out, m->smallest);
    append_sized(out, m->largest);
    buf_append_u8(out, m->largest_exclusive);
    buf_append_varint(out, m->version_min);
    buf_append_varint(out, m->version_max);
    buf_append_varint(out, m->entry_count);
    buf_append_varint(out, m->delete_count);
    buf_append_varint(out, m->range_delete_count);
    buf_append_varint(out, m->key_bytes);
    buf_append_varint(out, m->value_bytes);
    buf_append_varint(out, m->digest);
    buf_append_varint(out, m->ref_count);
    for (uint32_t i = 0; i < m->ref_count; i++) {
        buf_append_varint(out, m->refs[i].logical);
        buf_append_varint(out, m->refs[i].live_values);
        buf_append_varint(out, m->refs[i].live_bytes);
    }
}

static void encode_number(struct buf *out, enum edit_tag tag, uint64_t number)
{
    if (number != 0) {
        buf_append_varint(out, tag);
        buf_append_varint(out, number);
    }
}

void lsm_edit_encode(const struct lsm_edit *e, struct buf *out)
{
    for (uint32_t i = 0; i < e->added_count; i++) {
        buf_append_varint(out, TAG_ADD_TABLE);
        buf_append_varint(out, e->added[i].level);
        encode_meta(&e->added[i].file->meta, out);
    }
    for (uint32_t i = 0; i < e->dropped_count; i++) {
        buf_append_varint(out, TAG_DROP_TABLE);
        buf_append_varint(out, e->dropped[i].level);
        buf_append_varint(out, e->dropped[i].id);
    }
    for (uint32_t i = 0; i < e->value_file_count; i++) {
        const struct vlog_file *f = &e->value_files[i];
        buf_append_varint(out, TAG_VALUE_FILE);
        buf_append_varint(out, f->logical);
        buf_append_varint(out, f->physical);
        buf_append_varint(out, f->is_segment);
        buf_append_varint(out, f->size_bytes);
        buf_append_varint(out, f->value_count);
        buf_append_varint(out, f->value_bytes);
        buf_append_varint(out, f->ordinal_end);
    }
    for (uint32_t i = 0; i < e->dropped_value_count; i++)
        encode_number(out, TAG_DROP_VALUE, e->dropped_values[i]);
    for (uint32_t i = 0; i < e->group_count; i++) {
        buf_append_varint(out, TAG_GROUP);
        buf_append_varint(out, e->groups[i].group);
        buf_append_varint(out, e->groups[i].index);
        buf_append_varint(out, e->groups[i].term);
    }
    if (e->has_sidecar) {
        buf_append_varint(out, TAG_SIDECAR);
        buf_append_varint(out, LSM_GROUP_DATA);
        append_sized(out, e->sidecar);
    }
    for (uint32_t i = 0; i < e->keyspace_count; i++) {
        buf_append_varint(out, e->keyspaces[i].is_drop ? TAG_DROP_KEYSPACE : TAG_KEYSPACE);
        buf_append_varint(out, e->keyspaces[i].id);
        append_sized(out, e->keyspaces[i].name);
    }
    encode_number(out, TAG_NEXT_ID, e->next_id);
    encode_number(out, TAG_CLOCK_MARK, e->clock_mark);
    encode_number(out, TAG_NEXT_KEYSPACE, e->next_keyspace);
    if (e->log_start != 0) {
        buf_append_varint(out, TAG_LOG_START);
        buf_append_varint(out, e->log_start);
        buf_append_varint(out, e->flushed_lsn);
        buf_append_u8(out, e->is_log_fresh);
    }
}

static bool take_sized(struct bytes *p, size_t size_max, struct bytes *out)
{
    uint64_t size;
    return take_varint(p, &size) && size <= size_max && take_bytes(p, (size_t)size, out);
}

static bool take_u32_varint(struct bytes *p, uint32_t *out)
{
    uint64_t v;
    if (!take_varint(p, &v) || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

static bool take_bool(struct bytes *p, bool *out)
{
    uint8_t v;
    if (!take_u8(p, &v) || v > 1)
        return false;
    *out = v;
    return true;
}

/* Borrowed bytes and refs into payload and a's array; freed by the caller. */
static struct status decode_meta(struct bytes *p, struct alloc *a, struct lsm_table_meta *m)
{
    uint32_t ref_count;
    if (!take_varint(p, &m->id) || !take_varint(p, &m->file_size) ||
        !take_varint(p, &m->footer_offset) || !take_sized(p, LSM_KEY_MAX, &m->smallest) ||
        !take_sized(p, LSM_KEY_MAX, &m->largest) || !take_bool(p, &m->largest_exclusive) ||
        !take_varint(p, &m->version_min) || !take_varint(p, &m->version_max) ||
        !take_varint(p, &m->entry_count) || !take_varint(p, &m->delete_count) ||
        !take_varint(p, &m->range_delete_count) || !take_varint(p, &m->key_bytes) ||
        !take_varint(p, &m->value_bytes) || !take_varint(p, &m->digest) ||
        !take_u32_varint(p, &ref_count) || ref_count > p->size / 3 ||
        m->footer_offset > m->file_size || bytes_compare(m->smallest, m->largest) > 0)
        return status_of(ST_CORRUPT);
    if (ref_count > 0) {
        m->refs = alloc_array(a, ref_count, sizeof *m->refs);
        if (m->refs == NULL)
            return status_of(ST_NO_MEMORY);
        m->ref_count = ref_count;
    }
    for (uint32_t i = 0; i < ref_count; i++) {
        if (!take_varint(p, &m->refs[i].logical) || !take_varint(p, &m->refs[i].live_values) ||
            !take_varint(p, &m->refs[i].live_bytes))
            return status_of(ST_CORRUPT);
    }
    return status_ok();
}

static struct status decode_added(struct bytes *p, struct alloc *a, struct lsm_edit *e)
{
    struct lsm_table_meta borrowed = { 0 };
    struct lsm_file *f = NULL;
    uint32_t level;

    if (!take_u32_varint(p, &level) || level >= LSM_LEVELS)
        return status_of(ST_CORRUPT);
    struct status s = decode_meta(p, a, &borrowed);
    if (failed(s))
        goto out;
    f = alloc_zeroed(a, sizeof *f);
    if (f == NULL) {
        s = status_of(ST_NO_MEMORY);
        goto out;
    }
    atomic_init(&f->refs, 1);
    s = lsm_table_meta_copy(&borrowed, a, &f->meta);
    if (failed(s)) {
        alloc_free(a, f, sizeof *f);
        goto out;
    }
    s = lsm_edit_add(e, level, f);
out:
    alloc_free(a, borrowed.refs, borrowed.ref_count * sizeof *borrowed.refs);
    return s;
}

static struct status decode_value_file(struct bytes *p, struct lsm_edit *e)
{
    struct vlog_file f;
    uint64_t is_segment;
    if (!take_varint(p, &f.logical) || !take_varint(p, &f.physical) ||
        !take_varint(p, &is_segment) || is_segment > 1 || !take_varint(p, &f.size_bytes) ||
        !take_varint(p, &f.value_count) || !take_varint(p, &f.value_bytes) ||
        !take_u32_varint(p, &f.ordinal_end))
        return status_of(ST_CORRUPT);
    f.is_segment = is_segment;
    return lsm_edit_value_file(e, &f);
}

static struct status decode_group(struct bytes *p, struct lsm_edit *e)
{
    struct lsm_edit_group g;
    if (e->group_count == LSM_GROUPS_MAX || !take_u32_varint(p, &g.group) ||
        !take_varint(p, &g.index) || !take_varint(p, &g.term))
        return status_of(ST_CORRUPT);
    e->groups[e->group_count++] = g;
    return status_ok();
}

static struct status decode_keyspace(struct bytes *p, bool is_drop, struct lsm_edit *e)
{
    uint32_t id;
    struct bytes name;
    if (!take_u32_varint(p, &id) || id > LSM_KEYSPACE_MAX ||
        !take_sized(p, LSM_KEYSPACE_NAME_MAX, &name) || name.size == 0)
        return status_of(ST_CORRUPT);
    return lsm_edit_keyspace(e, id, name, is_drop);
}

static struct status decode_field(struct bytes *p, struct alloc *a, struct lsm_edit *e)
{
    uint64_t tag;
    uint64_t number;
    uint32_t small;

    if (!take_varint(p, &tag))
        return status_of(ST_CORRUPT);
    switch (tag) {
    case TAG_ADD_TABLE:
        return decode_added(p, a, e);
    case TAG_DROP_TABLE:
        if (!take_u32_varint(p, &small) || small >= LSM_LEVELS || !take_varint(p, &number))
            return status_of(ST_CORRUPT);
        return lsm_edit_drop(e, small, number);
    case TAG_VALUE_FILE:
        return decode_value_file(p, e);
    case TAG_DROP_VALUE:
        return take_varint(p, &number) ? lsm_edit_drop_value(e, number) : status_of(ST_CORRUPT);
    case TAG_GROUP:
        return decode_group(p, e);
    case TAG_SIDECAR:
        if (!take_u32_varint(p, &small) || small != LSM_GROUP_DATA ||
            !take_sized(p, PAYLOAD_MAX, &e->sidecar))
            return status_of(ST_CORRUPT);
        e->has_sidecar = true;
        return status_ok();
    case TAG_KEYSPACE:
    case TAG_DROP_KEYSPACE:
        return decode_keyspace(p, tag == TAG_DROP_KEYSPACE, e);
    case TAG_NEXT_ID:
        return take_varint(p, &e->next_id) ? status_ok() : status_of(ST_CORRUPT);
    case TAG_CLOCK_MARK:
        return take_varint(p, &e->clock_mark) ? status_ok() : status_of(ST_CORRUPT);
    case TAG_LOG_START:
        return take_varint(p, &e->log_start) && take_varint(p, &e->flushed_lsn) &&
                       take_bool(p, &e->is_log_fresh)
                   ? status_ok()
                   : status_of(ST_CORRUPT);
    case TAG_NEXT_KEYSPACE:
        return take_u32_varint(p, &e->next_keyspace) && e->next_keyspace <= LSM_KEYSPACE_MAX + 1
                   ? status_ok()
                   : status_of(ST_CORRUPT);
    default:
        return status_of(ST_UNSUPPORTED);
    }
}

struct status lsm_edit_decode(struct bytes payload, struct alloc *a, struct lsm_edit *out_edit)
{
    struct status s = status_ok();
    lsm_edit_init(out_edit, a);
    while (payload.size > 0 && succeeded(s))
        s = decode_field(&payload, a, out_edit);
    return s;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static uint64_t record_salt(uint64_t id, uint64_t offset)
{
    return id << 32 ^ offset;
}

static void begin_record(struct buf *b)
{
    (void)buf_extend(b, RECORD_HEADER);
}

/* Close the record that began at `at` in the manifest's buffer. */
static void end_record(struct lsm_manifest *m, size_t at, uint32_t type)
{
    struct buf *b = &m->buffer;
    static const uint8_t zeros[8] = { 0 };
    if (b->is_failed)
        return;
    size_t length = b->size - at - RECORD_HEADER;
    buf_append(b, bytes_of(zeros, align_up(length, 8) - length));
    if (b->is_failed)
        return;
    uint8_t *r = b->data + at;
    put_u32(r + 4, (uint32_t)length);
    put_u32(r + 8, type);
    put_u32(r + 12, 0);
    put_u64(r + 16, m->durable_size);
    put_u32(r, crc32c_salted(record_salt(m->id, m->size + at), r + 4, RECORD_HEADER - 4 + length));
}

static struct status allocate_room(struct lsm_manifest *m, uint64_t size)
{
    if (m->size + size + RECORD_HEADER * 2 <= m->allocated)
        return status_ok();
    uint64_t room = align_up(size + ALLOCATE_AHEAD, IO_ALIGN);
    TRY(io_allocate(m->file, m->size, room));
    m->allocated = m->size + room;
    return status_ok();
}

static struct status write_durably(struct lsm_manifest *m, struct io_ring *ring)
{
    struct status s = io_write(ring, m->file, m->buffer.data, m->buffer.size, m->size);
    if (succeeded(s))
        s = io_sync(ring, m->file);
    if (failed(s)) {
        m->is_poisoned = true;
        return s;
    }
    m->size += m->buffer.size;
    m->durable_size = m->size;
    return s;
}

/* The note that the last edit was durable. Nobody waits for it; a failure poisons, as a later edit
 * would then follow bytes of unknown state. */
static void write_seal(struct lsm_manifest *m, struct io_ring *ring)
{
    buf_reset(&m->buffer);
    begin_record(&m->buffer);
    end_record(m, 0, RECORD_SEAL);
    if (m->buffer.is_failed)
        return;
    if (failed(io_write(ring, m->file, m->buffer.data, m->buffer.size, m->size)))
        m->is_poisoned = true;
    else
        m->size += m->buffer.size;
}

static struct status encode_edit(struct lsm_manifest *m, const struct lsm_edit *edit)
{
    size_t at = m->buffer.size;
    begin_record(&m->buffer);
    lsm_edit_encode(edit, &m->buffer);
    end_record(m, at, RECORD_EDIT);
    return m->buffer.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

struct status lsm_manifest_append(struct lsm_manifest *m, struct io_ring *ring,
                                  const struct lsm_edit *edit)
{
    if (m->is_poisoned)
        return status_of(ST_FAILED);
    buf_reset(&m->buffer);
    TRY(encode_edit(m, edit));
    TRY(allocate_room(m, m->buffer.size));
    struct status s = write_durably(m, ring);
    /* Of a full disk, too: there was room, and nobody knows what was written. */
    if (failed(s))
        return status_of(ST_IO);
    write_seal(m, ring);
    return s;
}

static void encode_header(struct buf *b, uint64_t id, const uint8_t uuid[16])
{
    uint8_t *h = buf_extend(b, HEADER_SIZE);
    if (h == NULL)
        return;
    memset(h, 0, HEADER_SIZE);
    memcpy(h, magic, sizeof magic);
    put_u32(h + 8, FORMAT_VERSION);
    memcpy(h + 16, uuid, 16);
    put_u64(h + 32, id);
    put_u32(h + 60, crc32c_salted(id, h, 60));
}

/* CURRENT := the manifest's name, by way of a synced temporary file. FAILED: it may name either,
 * now or after a crash. */
static struct status point_current(struct lsm_manifest *m, struct io_ring *ring)
{
    char temporary[IO_PATH_MAX];
    char current[IO_PATH_MAX];
    char name[LSM_NAME_MAX];
    struct io_file *file;

    TRY(lsm_path(m->dir, "CURRENT.tmp", temporary));
    TRY(lsm_path(m->dir, "CURRENT", current));
    lsm_manifest_name(m->id, name, sizeof name);
    size_t size = strlen(name);
    name[size++] = '\n';
    TRY(io_open(m->env->io, temporary, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file));
    struct status s = io_write(ring, file, name, size, 0);
    if (succeeded(s))
        s = io_sync(ring, file);
    io_close(file);
    TRY(s);
    s = io_rename(m->env->io, temporary, current);
    if (succeeded(s))
        s = io_sync_dir(m->env->io, m->dir);
    return succeeded(s) ? s : status_of(ST_FAILED);
}

struct status lsm_manifest_create(const struct env *env, struct io_ring *ring, const char *dir,
                                  uint64_t id, const uint8_t uuid[16],
                                  const struct lsm_edit *snapshot,
                                  struct lsm_manifest **out_manifest)
{
    char path[IO_PATH_MAX];
    char name[LSM_NAME_MAX];
    struct lsm_manifest *m = alloc_zeroed(env->alloc, sizeof *m);

    if (m == NULL)
        return status_of(ST_NO_MEMORY);
    m->env = env;
    m->id = id;
    buf_init(&m->buffer, env->alloc, (size_t)PAYLOAD_MAX + HEADER_SIZE + RECORD_HEADER + 8);
    lsm_manifest_name(id, name, sizeof name);
    struct status s = lsm_path(dir, name, path);
    if (failed(s))
        goto out;
    (void)snprintf(m->dir, sizeof m->dir, "%s", dir);
    s = io_open(env->io, path, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &m->file);
    if (failed(s))
        goto out;
    encode_header(&m->buffer, id, uuid);
    s = encode_edit(m, snapshot);
    if (failed(s))
        goto out;
    m->snapshot_size = m->buffer.size;
    s = allocate_room(m, m->buffer.size);
    if (succeeded(s))
        s = write_durably(m, ring);
    if (succeeded(s))
        s = io_sync_dir(env->io, dir); /* The name must be there before CURRENT says it. */
    if (succeeded(s))
        s = point_current(m, ring);
    if (failed(s)) {
        if (s.code != ST_FAILED) /* Else CURRENT may name it. */
            status_ignore(io_unlink(env->io, path), "an orphan is removed at the next open");
        goto out;
    }
    write_seal(m, ring);
out:
    if (failed(s))
        lsm_manifest_close(m, NULL);
    else
        *out_manifest = m;
    return s;
}

uint64_t lsm_manifest_id(const struct lsm_manifest *m)
{
    return m->id;
}

uint64_t lsm_manifest_snapshot_size(const struct lsm_manifest *m)
{
    return m->snapshot_size;
}

uint64_t lsm_manifest_size(const struct lsm_manifest *m)
{
    return m->size;
}

void lsm_manifest_close(struct lsm_manifest *m, struct io_ring *ring)
{
    if (m == NULL)
        return;
    if (m->file != NULL && ring != NULL && !m->is_poisoned)
        status_ignore(io_sync(ring, m->file), "every edit is durable; this is for the last seal");
    io_close(m->file);
    buf_deinit(&m->buffer);
    alloc_free(m->env->alloc, m, sizeof *m);
}

/* ---- Reading ------------------------------------------------------------------------------ */

static struct status read_whole(const struct env *env, struct io_ring *ring, const char *path,
                                struct buf *out)
{
    struct io_file *file;
    uint64_t size;
    size_t got;

    TRY(io_open(env->io, path, IO_READ, &file));
    struct status s = io_size(file, &size);
    if (failed(s))
        goto out;
    if (size > out->size_max) {
        s = status_of(ST_LIMIT);
        goto out;
    }
    if (size > 0 && buf_extend(out, (size_t)size) == NULL) {
        s = status_of(ST_NO_MEMORY);
        goto out;
    }
    s = size == 0 ? status_ok() : io_read(ring, file, out->data, (size_t)size, 0, &got);
    if (succeeded(s) && size > 0)
        out->size = got;
out:
    io_close(file);
    return s;
}

static struct status read_current(const struct env *env, struct io_ring *ring, const char *dir,
                                  struct errbuf *err, char *out_name)
{
    char path[IO_PATH_MAX];
    uint64_t id;
    struct buf b;

    TRY(lsm_path(dir, "CURRENT", path));
    buf_init(&b, env->alloc, LSM_NAME_MAX);
    struct status s = read_whole(env, ring, path, &b);
    if (succeeded(s)) {
        if (b.size < 2 || b.size >= LSM_NAME_MAX || b.data[b.size - 1] != '\n') {
            s = status_of(ST_CORRUPT);
        } else {
            memcpy(out_name, b.data, b.size - 1);
            out_name[b.size - 1] = '\0';
            if (!lsm_name_parse(out_name, "MANIFEST-", "", &id))
                s = status_of(ST_CORRUPT);
        }
        if (failed(s))
            errbuf_set(err, "CURRENT does not name a manifest");
    }
    buf_deinit(&b);
    return s;
}

static struct status check_header(struct bytes file, uint64_t expected_id, const char *name,
                                  struct errbuf *err, struct lsm_manifest_head *out)
{
    const uint8_t *h = file.data;
    if (file.size < HEADER_SIZE || memcmp(h, magic, sizeof magic) != 0) {
        errbuf_set(err, "%s is not a manifest", name);
        return status_of(ST_CORRUPT);
    }
    if (get_u32(h + 60) != crc32c_salted(expected_id, h, 60) || get_u64(h + 32) != expected_id) {
        errbuf_set(err, "%s: header: bad checksum", name);
        return status_of(ST_CORRUPT);
    }
    if (get_u32(h + 8) != FORMAT_VERSION || get_u32(h + 12) != 0) {
        errbuf_set(err, "%s: format version %u with features %x; this varve reads version %u", name,
                   get_u32(h + 8), get_u32(h + 12), (unsigned)FORMAT_VERSION);
        return status_of(ST_UNSUPPORTED);
    }
    out->id = expected_id;
    memcpy(out->uuid, h + 16, 16);
    return status_ok();
}

struct record {
    uint32_t type;
    uint64_t durable_size;
    struct bytes payload;
};

/* The valid record at offset, if there is one. */
static bool record_at(struct bytes file, uint64_t id, size_t offset, struct record *out)
{
    if (offset + RECORD_HEADER > file.size)
        return false;
    const uint8_t *r = file.data + offset;
    uint32_t length = get_u32(r + 4);
    if (length > file.size - offset - RECORD_HEADER)
        return false;
    if (get_u32(r) != crc32c_salted(record_salt(id, offset), r + 4, RECORD_HEADER - 4 + length))
        return false;
    out->type = get_u32(r + 8);
    out->durable_size = get_u64(r + 16);
    out->payload = bytes_of(r + RECORD_HEADER, length);
    return true;
}

/* A bad record is a torn tail if nobody knew it to be durable: no valid later record says so. (A
 * later record may survive a crash that lost this one: neither was synced then.) */
static bool is_torn_tail(struct bytes file, uint64_t id, size_t offset)
{
    struct record r;
    for (size_t at = offset + 8; at + RECORD_HEADER <= file.size; at += 8) {
        if (record_at(file, id, at, &r) && r.durable_size > offset)
            return false;
    }
    return true;
}

static struct status read_records(struct bytes file, uint64_t id, const char *name, struct alloc *a,
                                  struct errbuf *err,
                                  struct status (*visit)(void *, struct lsm_edit *), void *context)
{
    size_t offset = HEADER_SIZE;
    uint64_t edits = 0;
    struct record r;

    while (record_at(file, id, offset, &r)) {
        struct lsm_edit edit;
        if (r.type == RECORD_EDIT) {
            struct status s = lsm_edit_decode(r.payload, a, &edit);
            if (succeeded(s))
                s = visit(context, &edit);
            lsm_edit_deinit(&edit);
            if (failed(s)) {
                errbuf_prefix(err, "%s: edit at %zu", name, offset);
                return s;
            }
            edits++;
        } else if (r.type != RECORD_SEAL) {
            errbuf_set(err, "%s: record at %zu has type %u, which this varve does not know", name,
                       offset, r.type);
            return status_of(ST_UNSUPPORTED);
        }
        offset += RECORD_HEADER + align_up(r.payload.size, 8);
    }
    if (edits == 0 || !is_torn_tail(file, id, offset)) {
        errbuf_set(err, "%s: record at %zu: bad checksum", name, offset);
        return status_of(ST_CORRUPT);
    }
    return status_ok();
}

struct status lsm_manifest_read(const struct env *env, struct io_ring *ring, const char *dir,
                                struct errbuf *err,
                                struct status (*visit)(void *context, struct lsm_edit *edit),
                                void *context, struct lsm_manifest_head *out_head)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    uint64_t id = 0;
    struct buf b;

    TRY(read_current(env, ring, dir, err, name));
    CHECK(lsm_name_parse(name, "MANIFEST-", "", &id));
    TRY(lsm_path(dir, name, path));
    buf_init(&b, env->alloc, SIZE_MAX / 2);
    struct status s = read_whole(env, ring, path, &b);
    if (failed(s)) {
        errbuf_set(err, "%s: %s", name, status_text(s));
        if (s.code == ST_NOT_FOUND)
            s = status_of(ST_CORRUPT); /* CURRENT names it. */
        goto out;
    }
    s = check_header(buf_bytes(&b), id, name, err, out_head);
    if (succeeded(s))
        s = read_records(buf_bytes(&b), id, name, env->alloc, err, visit, context);
out:
    buf_deinit(&b);
    return s;
}
