#include "tests/raft/support/text.h"

#include "raft/codec.h"

#define ID(x) ((unsigned long long)(x))

void text_change(FILE *out, const struct raft_change *change)
{
    static const char *const words[] = { "?", "add", "learner", "remove" };
    if (change->count == 0)
        (void)fputs("leave", out);
    for (uint32_t i = 0; i < change->count; i++)
        (void)fprintf(out, "%s%s %llu", i > 0 ? " " : "", words[change->ops[i].op],
                      ID(change->ops[i].id));
    if (change->auto_leave)
        (void)fputs(" auto", out);
}

void text_conf(FILE *out, const struct raft_conf *conf)
{
    static const char letters[] = "?vlid";
    for (uint32_t i = 0; i < conf->count && i < RAFT_MEMBERS_MAX; i++) {
        enum raft_member_role role = conf->members[i].role;
        (void)fprintf(out, "%s%llu%c", i > 0 ? " " : "", ID(conf->members[i].id),
                      role < RAFT_MEMBER_ROLE_COUNT ? letters[role] : '!');
    }
    if (conf->count == 0)
        (void)fputs("nobody", out);
    if (conf->auto_leave)
        (void)fputs(" auto", out);
}

static void text_payload(FILE *out, struct bytes data)
{
    enum { SHOWN = 20 };
    if (data.size > SHOWN)
        (void)fprintf(out, "\"%.*s...\"(%zu)", 4, (const char *)data.data, data.size);
    else
        (void)fprintf(out, "\"%.*s\"", (int)data.size, (const char *)data.data);
}

void text_entry(FILE *out, const struct raft_entry *e)
{
    struct raft_change change;
    (void)fprintf(out, "%llu/%llu ", ID(e->index), ID(e->term));
    if (e->kind == RAFT_ENTRY_NOOP)
        (void)fputs("noop", out);
    else if (e->kind == RAFT_ENTRY_DATA)
        text_payload(out, e->data);
    else if (failed(raft_change_read(e->data, &change)))
        (void)fputs("bad change", out);
    else
        text_change(out, &change);
}

static void text_entries(FILE *out, const struct raft_entry *entries, uint32_t count)
{
    enum { SHOWN = 12 };
    for (uint32_t i = 0; i < count; i++) {
        if (count > SHOWN && i == 2) {
            (void)fprintf(out, ", ... (%u)", count);
            i = count - 1;
        }
        (void)fputs(i > 0 ? ", " : " ", out);
        text_entry(out, &entries[i]);
    }
}

static void text_answer(FILE *out, const struct raft_message *m, const char *yes)
{
    if (m->reject)
        (void)fprintf(out, " refused: %s", raft_reason_name(m->reason));
    else
        (void)fputs(yes, out);
}

static void text_append_resp(FILE *out, const struct raft_message *m)
{
    if (!m->reject) {
        (void)fprintf(out, " matched %llu", ID(m->index));
        return;
    }
    (void)fprintf(out, " refused %llu: %s", ID(m->index), raft_reason_name(m->reason));
    if (m->hint_index > 0 || m->hint_term > 0)
        (void)fprintf(out, ", try %llu/%llu", ID(m->hint_index), ID(m->hint_term));
}

static void text_flags(FILE *out, const struct raft_message *m)
{
    if (m->force)
        (void)fputs(" force", out);
    if (m->quiesce)
        (void)fputs(" quiesce", out);
    if (m->installing)
        (void)fputs(" installing", out);
    if (m->disk_full)
        (void)fputs(" disk-full", out);
}

void text_message(FILE *out, const struct raft_message *m)
{
    (void)fprintf(out, "%llu->%llu %s term %llu", ID(m->from), ID(m->to),
                  raft_message_kind_name(m->kind), ID(m->term));
    switch (m->kind) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        (void)fprintf(out, " last %llu/%llu", ID(m->index), ID(m->log_term));
        break;
    case RAFT_PREVOTE_RESP:
    case RAFT_VOTE_RESP:
        text_answer(out, m, " granted");
        break;
    case RAFT_APPEND:
        (void)fprintf(out, " after %llu/%llu commit %llu:", ID(m->index), ID(m->log_term),
                      ID(m->commit));
        text_entries(out, m->entries, m->entry_count);
        break;
    case RAFT_APPEND_RESP:
        text_append_resp(out, m);
        break;
    case RAFT_HEARTBEAT:
        (void)fprintf(out, " commit %llu/%llu", ID(m->commit), ID(m->log_term));
        break;
    case RAFT_HEARTBEAT_RESP:
        (void)fprintf(out, " last %llu", ID(m->index));
        break;
    case RAFT_SNAPSHOT:
        if (m->snapshot == NULL)
            break;
        (void)fprintf(out, " offer %llu/%llu conf ", ID(m->snapshot->index), ID(m->snapshot->term));
        text_conf(out, &m->snapshot->conf);
        break;
    case RAFT_SNAPSHOT_RESP:
        (void)fprintf(out, " of %llu", ID(m->index));
        text_answer(out, m, " taken");
        break;
    case RAFT_READ_RESP:
        if (!m->reject)
            (void)fprintf(out, " index %llu", ID(m->index));
        text_answer(out, m, "");
        break;
    case RAFT_TIMEOUT_NOW:
        (void)fprintf(out, " last %llu commit %llu", ID(m->index), ID(m->commit));
        break;
    case RAFT_TIMEOUT_NOW_RESP:
        text_answer(out, m, " taken up");
        break;
    case RAFT_REMOVED:
        (void)fprintf(out, " by %llu", ID(m->index));
        break;
    case RAFT_READ:
    case RAFT_WAKE:
    case RAFT_MESSAGE_KIND_END:
        break;
    }
    text_flags(out, m);
}

void text_view(FILE *out, const struct raft_view *v)
{
    (void)fprintf(out, "%llu %s term %llu vote %llu leader %llu", ID(v->id),
                  raft_role_name(v->role), ID(v->term), ID(v->vote), ID(v->leader));
    (void)fprintf(out, " log %llu..%llu commit %llu applied %llu durable %llu%s%s%s",
                  ID(v->base_index + 1), ID(v->last), ID(v->commit), ID(v->applied), ID(v->durable),
                  v->is_joint ? " joint" : "", v->is_quiescent ? " quiescent" : "",
                  v->is_installing ? " installing" : "");
    if (v->role == RAFT_HALTED)
        (void)fprintf(out, ": %s", raft_reason_name(v->halt_reason));
}

static void text_role(FILE *out, const struct raft_effect *e)
{
    const char *role = raft_role_name(e->u.role.role);
    if (e->u.role.role == RAFT_FOLLOWER && e->u.role.leader != 0)
        (void)fprintf(out, "follows %llu, term %llu", ID(e->u.role.leader), ID(e->u.role.term));
    else
        (void)fprintf(out, "is %s, term %llu", role, ID(e->u.role.term));
    if (e->u.role.role == RAFT_HALTED)
        (void)fprintf(out, ": %s", raft_reason_name(e->u.role.reason));
}

static void text_persist(FILE *out, const struct raft_persist *p)
{
    (void)fprintf(out, "writes #%llu mark %llu/%llu: term %llu vote %llu commit %llu", ID(p->seq),
                  ID(p->mark.index), ID(p->mark.acc_term), ID(p->hard->term), ID(p->hard->vote),
                  ID(p->hard->commit));
    if (p->snapshot != NULL)
        (void)fprintf(out, ", snapshot %llu/%llu", ID(p->snapshot->index), ID(p->snapshot->term));
    if (p->truncate_from > 0)
        (void)fprintf(out, ", cut from %llu", ID(p->truncate_from));
    if (p->entry_count > 0)
        (void)fputs(",", out);
    text_entries(out, p->entries, p->entry_count);
}

void text_effect(FILE *out, raft_id node, const struct raft_effect *e, bool with_writes)
{
    bool is_quiet = e->kind == RAFT_EFFECT_SEND || e->kind == RAFT_EFFECT_APPLY ||
                    e->kind == RAFT_EFFECT_READ_READY || e->kind == RAFT_EFFECT_READ_FAILED ||
                    (e->kind == RAFT_EFFECT_PERSIST && !with_writes);
    if (is_quiet)
        return;
    (void)fprintf(out, "%llu ", ID(node));
    switch (e->kind) {
    case RAFT_EFFECT_PERSIST:
        text_persist(out, &e->u.persist);
        break;
    case RAFT_EFFECT_COMMIT:
        (void)fprintf(out, "commits %llu", ID(e->u.index));
        break;
    case RAFT_EFFECT_TRANSFER_ENDED:
        (void)fprintf(out, "transfer to %llu ended: %s", ID(e->u.transfer.to),
                      raft_reason_name(e->u.transfer.reason));
        break;
    case RAFT_EFFECT_ROLE:
        text_role(out, e);
        break;
    case RAFT_EFFECT_CONF:
        (void)fprintf(out, "conf of %llu: ", ID(e->u.conf.index));
        text_conf(out, e->u.conf.conf);
        break;
    case RAFT_EFFECT_FETCH:
        (void)fprintf(out, "fetches %llu..%llu for %llu", ID(e->u.fetch.first), ID(e->u.fetch.last),
                      ID(e->u.fetch.peer));
        break;
    case RAFT_EFFECT_SNAPSHOT_WANTED:
        (void)fprintf(out, "wants a snapshot for %llu", ID(e->u.peer));
        break;
    case RAFT_EFFECT_INSTALL:
        (void)fprintf(out, "pulls snapshot %llu/%llu from %llu", ID(e->u.install.snapshot->index),
                      ID(e->u.install.snapshot->term), ID(e->u.install.from));
        break;
    case RAFT_EFFECT_INSTALL_DROPPED:
        (void)fprintf(out, "drops snapshot %llu/%llu", ID(e->u.install.snapshot->index),
                      ID(e->u.install.snapshot->term));
        break;
    case RAFT_EFFECT_ALARM:
        (void)fprintf(out, "ALARM %s, peer %llu", raft_alarm_name(e->u.alarm.alarm),
                      ID(e->u.alarm.peer));
        break;
    default:
        break;
    }
    (void)fputc('\n', out);
}
