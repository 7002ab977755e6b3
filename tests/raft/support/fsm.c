#include "tests/raft/support/fsm.h"

#include "base/check.h"
#include "base/hash.h"
#include "raft/codec.h"

bool conf_equal(const struct raft_conf *a, const struct raft_conf *b)
{
    if (a->count != b->count || a->auto_leave != b->auto_leave)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->members[i].id != b->members[i].id || a->members[i].role != b->members[i].role)
            return false;
    }
    return true;
}

const struct raft_member *conf_member(const struct raft_conf *conf, raft_id id)
{
    for (uint32_t i = 0; i < conf->count; i++) {
        if (conf->members[i].id == id)
            return &conf->members[i];
    }
    return NULL;
}

uint64_t fsm_serial_of(const struct raft_entry *e)
{
    if (e->kind != RAFT_ENTRY_DATA || e->data.size < FSM_SERIAL_SIZE)
        return 0;
    return get_u64(e->data.data);
}

uint64_t fsm_entry_hash(const struct raft_entry *e)
{
    uint64_t h = hash_u64(e->index * 0x9e3779b97f4a7c15 + e->term * 4 + e->kind);
    if (e->data.size == 0)
        return h;
    if (e->data.size == FSM_SERIAL_SIZE)
        return hash_u64(h ^ get_u64(e->data.data));
    return hash_bytes(e->data, h);
}

bool fsm_apply(struct fsm *f, const struct raft_entry *e)
{
    CHECK(e->index == f->index + 1);
    f->index = e->index;
    f->term = e->term;
    f->digest = hash_u64(f->digest ^ fsm_entry_hash(e));
    uint64_t serial = fsm_serial_of(e);
    if (serial != 0)
        f->registers[serial % FSM_REGISTERS] = serial;
    if (e->kind != RAFT_ENTRY_CONF)
        return true;
    struct raft_change change;
    f->conf_index = e->index;
    return succeeded(raft_change_read(e->data, &change)) &&
           raft_conf_apply(&f->conf, &change) == RAFT_OK;
}
