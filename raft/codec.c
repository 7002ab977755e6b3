#include "raft/codec.h"

#include "base/check.h"

#include "raft/conf.h"

enum { FLAG_REJECT = 1, FLAG_FORCE = 2, FLAG_QUIESCE = 4, FLAG_INSTALLING = 8, FLAG_FULL = 16 };
enum { FLAGS_KNOWN = 31 };
enum { CONF_AUTO_LEAVE = 1 };

/* ---- Confs, snapshots, hard states, changes ---------------------------------------------------
 */

static size_t conf_size(const struct raft_conf *conf)
{
    return 2 + 9 * (size_t)conf->count;
}

static size_t put_conf(const struct raft_conf *conf, uint8_t *out)
{
    CHECK(conf->count <= RAFT_MEMBERS_MAX);
    out[0] = (uint8_t)conf->count;
    out[1] = conf->auto_leave ? CONF_AUTO_LEAVE : 0;
    for (uint32_t i = 0; i < conf->count; i++) {
        put_u64(out + 2 + 9 * i, conf->members[i].id);
        out[2 + 9 * i + 8] = (uint8_t)conf->members[i].role;
    }
    return conf_size(conf);
}

static bool take_conf(struct bytes *in, struct raft_conf *out)
{
    uint8_t count, flags, role;

    *out = (struct raft_conf) { .count = 0 };
    if (!take_u8(in, &count) || !take_u8(in, &flags))
        return false;
    if (count > RAFT_MEMBERS_MAX || flags > CONF_AUTO_LEAVE)
        return false;
    out->count = count;
    out->auto_leave = flags != 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!take_u64(in, &out->members[i].id) || !take_u8(in, &role))
            return false;
        if (role >= RAFT_MEMBER_ROLE_COUNT)
            return false;
        out->members[i].role = (enum raft_member_role)role;
    }
    return raft_conf_is_valid(out);
}

size_t raft_snapshot_put(const struct raft_snapshot *s, uint8_t *out)
{
    put_u64(out, s->id);
    put_u64(out + 8, s->index);
    put_u64(out + 16, s->term);
    put_u64(out + 24, s->conf_index);
    return 32 + put_conf(&s->conf, out + 32);
}

struct status raft_snapshot_take(struct bytes *in, struct raft_snapshot *out_s)
{
    struct raft_snapshot s = { .id = 0 };
    struct bytes rest = *in;

    if (!take_u64(&rest, &s.id) || !take_u64(&rest, &s.index) || !take_u64(&rest, &s.term) ||
        !take_u64(&rest, &s.conf_index) || !take_conf(&rest, &s.conf))
        return status_of(ST_CORRUPT);
    if (s.conf_index > s.index)
        return status_of(ST_CORRUPT);
    *in = rest;
    *out_s = s;
    return status_ok();
}

size_t raft_hard_put(const struct raft_hard *h, uint8_t *out)
{
    put_u64(out, RAFT_CODEC_VERSION);
    put_u64(out + 8, h->term);
    put_u64(out + 16, h->vote);
    put_u64(out + 24, h->acc_term);
    put_u64(out + 32, h->commit);
    put_u64(out + 40, h->conf_index);
    return 48 + put_conf(&h->conf, out + 48);
}

struct status raft_hard_take(struct bytes *in, struct raft_hard *out_h)
{
    struct raft_hard h = { .term = 0 };
    struct bytes rest = *in;
    uint64_t version;

    if (!take_u64(&rest, &version))
        return status_of(ST_CORRUPT);
    if (version != RAFT_CODEC_VERSION)
        return status_of(version > RAFT_CODEC_VERSION && version < 256 ? ST_UNSUPPORTED
                                                                       : ST_CORRUPT);
    if (!take_u64(&rest, &h.term) || !take_u64(&rest, &h.vote) || !take_u64(&rest, &h.acc_term) ||
        !take_u64(&rest, &h.commit) || !take_u64(&rest, &h.conf_index) ||
        !take_conf(&rest, &h.conf))
        return status_of(ST_CORRUPT);
    if (h.acc_term > h.term || h.conf_index > h.commit)
        return status_of(ST_CORRUPT);
    *in = rest;
    *out_h = h;
    return status_ok();
}

size_t raft_change_put(const struct raft_change *c, uint8_t *out)
{
    CHECK(c->count <= RAFT_CHANGES_MAX);
    if (c->count == 0)
        return 0;
    out[0] = RAFT_CODEC_VERSION;
    out[1] = (uint8_t)c->count;
    out[2] = c->auto_leave ? CONF_AUTO_LEAVE : 0;
    for (uint32_t i = 0; i < c->count; i++) {
        put_u64(out + 3 + 9 * i, c->ops[i].id);
        out[3 + 9 * i + 8] = (uint8_t)c->ops[i].op;
    }
    return 3 + 9 * (size_t)c->count;
}

struct status raft_change_read(struct bytes payload, struct raft_change *out_c)
{
    struct raft_change c = { .count = 0 };
    uint8_t version, count, flags, op;

    if (payload.size == 0) {
        *out_c = c;
        return status_ok();
    }
    if (!take_u8(&payload, &version) || !take_u8(&payload, &count) || !take_u8(&payload, &flags))
        return status_of(ST_CORRUPT);
    if (version != RAFT_CODEC_VERSION || count == 0 || count > RAFT_CHANGES_MAX ||
        flags > CONF_AUTO_LEAVE)
        return status_of(ST_CORRUPT);
    c.count = count;
    c.auto_leave = flags != 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!take_u64(&payload, &c.ops[i].id) || !take_u8(&payload, &op))
            return status_of(ST_CORRUPT);
        if (c.ops[i].id == 0 || op < RAFT_CHANGE_ADD_VOTER || op > RAFT_CHANGE_REMOVE)
            return status_of(ST_CORRUPT);
        c.ops[i].op = (enum raft_change_op)op;
    }
    if (payload.size != 0)
        return status_of(ST_CORRUPT);
    *out_c = c;
    return status_ok();
}

/* ---- Entries -------------------------------------------------------------------------------- */

size_t raft_entry_put_head(const struct raft_entry *e, uint8_t *out)
{
    CHECK(e->data.size <= UINT32_MAX);
    put_u64(out, e->index);
    put_u64(out + 8, e->term);
    put_u32(out + 16, (uint32_t)e->data.size);
    out[20] = (uint8_t)e->kind;
    out[21] = 0;
    put_u16(out + 22, e->feature);
    return RAFT_ENTRY_HEAD;
}

struct status raft_entry_take(struct bytes *in, struct raft_entry *out_e)
{
    struct bytes rest = *in;
    struct bytes head;

    if (!take_bytes(&rest, RAFT_ENTRY_HEAD, &head))
        return status_of(ST_CORRUPT);
    struct raft_entry e = { .index = get_u64(head.data),
                            .term = get_u64(head.data + 8),
                            .kind = (enum raft_entry_kind)head.data[20],
                            .feature = get_u16(head.data + 22) };
    if (e.index == 0 || e.term == 0 || head.data[21] != 0)
        return status_of(ST_CORRUPT);
    if (head.data[20] == 0 || head.data[20] >= RAFT_ENTRY_KIND_END)
        return status_of(ST_CORRUPT);
    if (!take_bytes(&rest, get_u32(head.data + 16), &e.data))
        return status_of(ST_CORRUPT);
    *in = rest;
    *out_e = e;
    return status_ok();
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* In the order of the bits of mask. */
static void get_fields(const struct raft_message *m, uint64_t fields[RAFT_MESSAGE_FIELDS])
{
    fields[0] = m->seq;
    fields[1] = m->read_seq;
    fields[2] = m->sent_us;
    fields[3] = m->index;
    fields[4] = m->log_term;
    fields[5] = m->commit;
    fields[6] = m->hint_index;
    fields[7] = m->hint_term;
}

static void set_fields(struct raft_message *m, const uint64_t fields[RAFT_MESSAGE_FIELDS])
{
    m->seq = fields[0];
    m->read_seq = fields[1];
    m->sent_us = fields[2];
    m->index = fields[3];
    m->log_term = fields[4];
    m->commit = fields[5];
    m->hint_index = fields[6];
    m->hint_term = fields[7];
}

size_t raft_message_size(const struct raft_message *m)
{
    uint64_t fields[RAFT_MESSAGE_FIELDS];
    size_t size = RAFT_MESSAGE_HEAD;

    get_fields(m, fields);
    for (int i = 0; i < RAFT_MESSAGE_FIELDS; i++)
        size += fields[i] != 0 ? 8 : 0;
    for (uint32_t i = 0; i < m->entry_count; i++)
        size += RAFT_ENTRY_HEAD + m->entries[i].data.size;
    if (m->snapshot != NULL)
        size += 32 + conf_size(&m->snapshot->conf);
    return size;
}

static uint8_t flags_of(const struct raft_message *m)
{
    return (uint8_t)((m->reject ? FLAG_REJECT : 0) | (m->force ? FLAG_FORCE : 0) |
                     (m->quiesce ? FLAG_QUIESCE : 0) | (m->installing ? FLAG_INSTALLING : 0) |
                     (m->disk_full ? FLAG_FULL : 0));
}

size_t raft_message_put_head(const struct raft_message *m, uint8_t *out)
{
    uint64_t fields[RAFT_MESSAGE_FIELDS];
    uint16_t mask = 0;
    size_t size = raft_message_size(m);
    uint8_t *p = out + RAFT_MESSAGE_HEAD;

    CHECK(size <= UINT32_MAX);
    out[0] = RAFT_CODEC_VERSION;
    out[1] = (uint8_t)m->kind;
    out[2] = flags_of(m);
    out[3] = (uint8_t)m->reason;
    put_u32(out + 4, (uint32_t)size);
    put_u64(out + 8, m->group);
    put_u64(out + 16, m->from);
    put_u64(out + 24, m->to);
    put_u64(out + 32, m->term);
    get_fields(m, fields);
    for (int i = 0; i < RAFT_MESSAGE_FIELDS; i++) {
        if (fields[i] == 0)
            continue;
        mask = (uint16_t)(mask | 1 << i);
        put_u64(p, fields[i]);
        p += 8;
    }
    put_u16(out + 40, mask);
    put_u16(out + 42, 0);
    put_u32(out + 44, m->entry_count);
    return (size_t)(p - out);
}

size_t raft_message_put(const struct raft_message *m, uint8_t *out)
{
    uint8_t *p = out + raft_message_put_head(m, out);

    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry *e = &m->entries[i];
        p += raft_entry_put_head(e, p);
        if (e->data.size > 0)
            memcpy(p, e->data.data, e->data.size);
        p += e->data.size;
    }
    if (m->snapshot != NULL)
        p += raft_snapshot_put(m->snapshot, p);
    return (size_t)(p - out);
}

/* Bits above the known ones belong to fields of later versions: skipped. */
static bool take_fields(struct bytes *in, uint16_t mask, struct raft_message *m)
{
    uint64_t fields[RAFT_MESSAGE_FIELDS] = { 0 };

    for (int i = 0; i < 16; i++) {
        uint64_t value;
        if ((mask & 1 << i) == 0)
            continue;
        if (!take_u64(in, &value) || value == 0)
            return false;
        if (i < RAFT_MESSAGE_FIELDS)
            fields[i] = value;
    }
    set_fields(m, fields);
    return true;
}

static struct status take_entries(struct bytes *in, struct raft_entry *entries,
                                  uint32_t entries_max, uint32_t count)
{
    if (count > in->size / RAFT_ENTRY_HEAD)
        return status_of(ST_CORRUPT);
    if (count > entries_max)
        return status_of(ST_LIMIT);
    for (uint32_t i = 0; i < count; i++)
        TRY(raft_entry_take(in, &entries[i]));
    return status_ok();
}

static struct status take_body(struct bytes *body, struct raft_entry *entries, uint32_t entries_max,
                               uint32_t entry_count, struct raft_snapshot *snapshot,
                               struct raft_message *m)
{
    if (m->kind == RAFT_APPEND) {
        TRY(take_entries(body, entries, entries_max, entry_count));
        m->entries = entry_count > 0 ? entries : NULL;
        m->entry_count = entry_count;
    } else if (entry_count != 0) {
        return status_of(ST_CORRUPT);
    }
    if (m->kind == RAFT_SNAPSHOT) {
        TRY(raft_snapshot_take(body, snapshot));
        m->snapshot = snapshot;
    }
    return body->size == 0 ? status_ok() : status_of(ST_CORRUPT);
}

struct status raft_message_take(struct bytes *in, struct raft_entry *entries, uint32_t entries_max,
                                struct raft_snapshot *snapshot, struct raft_message *out_m)
{
    const uint8_t *h = in->data;
    struct bytes body;

    if (in->size < RAFT_MESSAGE_HEAD || get_u32(h + 4) < RAFT_MESSAGE_HEAD)
        return status_of(ST_CORRUPT);
    struct bytes rest = *in;
    if (!take_bytes(&rest, get_u32(h + 4), &body))
        return status_of(ST_CORRUPT);
    body = bytes_skip(body, RAFT_MESSAGE_HEAD);
    if (h[0] > RAFT_CODEC_VERSION || h[1] >= RAFT_MESSAGE_KIND_END) {
        *in = rest;
        return status_of(ST_UNSUPPORTED);
    }
    if (h[0] == 0 || h[1] == 0 || h[2] > FLAGS_KNOWN || h[3] >= RAFT_REASON_COUNT ||
        get_u16(h + 42) != 0)
        return status_of(ST_CORRUPT);
    struct raft_message m = { .kind = (enum raft_message_kind)h[1],
                              .reason = (enum raft_reason)h[3],
                              .reject = (h[2] & FLAG_REJECT) != 0,
                              .force = (h[2] & FLAG_FORCE) != 0,
                              .quiesce = (h[2] & FLAG_QUIESCE) != 0,
                              .installing = (h[2] & FLAG_INSTALLING) != 0,
                              .disk_full = (h[2] & FLAG_FULL) != 0,
                              .group = get_u64(h + 8),
                              .from = get_u64(h + 16),
                              .to = get_u64(h + 24),
                              .term = get_u64(h + 32) };
    if (!take_fields(&body, get_u16(h + 40), &m))
        return status_of(ST_CORRUPT);
    TRY(take_body(&body, entries, entries_max, get_u32(h + 44), snapshot, &m));
    *in = rest;
    *out_m = m;
    return status_ok();
}
