#include "resp/cmd.h"

#include "resp/entry.h"
#include "resp/session.h"

struct status resp_cmd_multi(struct resp_call *call)
{
    if (call->session->is_in_multi)
        return resp_fail(call, "ERR MULTI calls can not be nested");
    call->session->is_in_multi = true;
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_discard(struct resp_call *call)
{
    if (!call->session->is_in_multi)
        return resp_fail(call, "ERR DISCARD without MULTI");
    resp_session_discard(call->session);
    resp_reply_ok(call->reply);
    return status_ok();
}

/* ---- WATCH ---------------------------------------------------------------------------------- */

static struct status watch_key(struct resp_call *call, struct resp_entry *e, size_t arg,
                               void *context)
{
    struct resp_watched watched = { .database = call->session->identity.database,
                                    .key = call->argv[arg] };

    (void)context;
    TRY(call->store->ops->watch(call->store, watched.database, e->row_key, &watched.token));
    return resp_watches_push(&call->session->watches, &watched);
}

struct status resp_cmd_watch(struct resp_call *call)
{
    struct resp_watches *w = &call->session->watches;
    size_t size = w->bytes.size;
    size_t count = w->count;

    if (call->session->is_in_multi)
        return resp_fail(call, "ERR WATCH inside MULTI is not allowed");
    struct status s = resp_entry_visit(call, RESP_ENTRY_FACTS, watch_key, NULL);
    if (failed(s)) {
        resp_watches_rewind(w, size, count);
        return s;
    }
    resp_reply_ok(call->reply);
    return status_ok();
}

struct status resp_cmd_unwatch(struct resp_call *call)
{
    resp_watches_reset(&call->session->watches);
    resp_reply_ok(call->reply);
    return status_ok();
}

/* Has the key's row in a database been written since it was watched? */
static struct status check_row(struct resp_call *call, const struct resp_watched *watched,
                               uint32_t database_id, struct bytes *out_row_key)
{
    struct store *store = call->store;
    struct resp_entry e;

    call->database_id = database_id;
    TRY(resp_entry_init(call, watched->key, &e));
    *out_row_key = e.row_key;
    return store->ops->watch_check(store, watched->database, e.row_key, &watched->token);
}

/* Is there nothing in the key's place in another database? */
static struct status check_absent(struct resp_call *call, struct bytes row_key)
{
    struct store_row row;
    struct status s = call->store->ops->get(call->store, row_key, STORE_META, &row);

    if (s.code == ST_NOT_FOUND)
        return status_ok();
    return failed(s) ? s : status_of(ST_CONFLICT);
}

/*
 * OK: the key is as it was. CONFLICT: it is not, or cannot be shown to be. Its number may have been
 * given another id since, by a flush or by a swap. That changed the key if it was there before,
 * when it was watched or later, or is there after; so its rows under all ids that the number has
 * had must be as they were, and there must be none but under the first one.
 */
static struct status check_watched(struct resp_call *call, const struct resp_watched *watched)
{
    const struct store_ops *ops = call->store->ops;
    uint64_t change = watched->token.changes;
    uint32_t id = watched->token.database;
    struct bytes row_key;

    TRY(check_row(call, watched, id, &row_key));
    for (;;) {
        struct status s = ops->database_change(call->store, watched->database, &change, &id);
        if (s.code == ST_NOT_FOUND)
            return status_ok();
        TRY(s);
        if (watched->token.was_live)
            return status_of(ST_CONFLICT);
        TRY(check_row(call, watched, id, &row_key));
        TRY(check_absent(call, row_key));
    }
}

/* Positions of EXEC's steps: those of the watches, then the queue's. */
static struct status check_watches(struct resp_call *call, struct resp_steps *steps)
{
    const struct resp_watches *w = &call->session->watches;
    struct resp_watched watched;
    size_t offset = (size_t)steps->from;

    if (steps->is_scouting && offset >= w->bytes.size)
        return status_ok(); /* It scouts the queue. */
    for (size_t here = offset; resp_watches_next(w, &offset, &watched); here = offset) {
        struct status s = check_watched(call, &watched);
        if (s.code == ST_CONFLICT)
            return s;
        TRY(resp_steps_note(steps, s, here, offset));
    }
    return resp_steps_end(steps);
}

/* ---- EXEC ----------------------------------------------------------------------------------- */

/* A command of the queue has run so: what it found is forgotten, unless it is needed by the next
 * run, to go on or to reply. */
static struct status settle_found(struct resp_session *s, size_t place, struct status st)
{
    const struct resp_walk *w = &s->walk;

    if (w->is_begun && (st.code == ST_AGAIN || (succeeded(st) && w->is_finished))) {
        struct status kept = resp_kept_walks_keep(&s->kept_walks, place, &s->walk);
        st = failed(kept) ? kept : st;
    }
    resp_session_forget_step(s);
    return st;
}

static struct status run_command(struct resp_call *call, const struct resp_queued *queued,
                                 struct resp_overlay *overlay, size_t place)
{
    struct resp_call inner = *call;
    uint64_t errors = call->reply->errors;

    inner.command = queued->command;
    inner.argv = queued->argv;
    inner.argc = queued->argc;
    inner.overlay = overlay;
    inner.redacted = 0;
    resp_kept_walks_resume(&call->session->kept_walks, place, &call->session->walk);
    struct status s = settle_found(call->session, place, resp_call_run(&inner));
    TRY(s);
    TRY(resp_call_note_run(call, &inner, errors));
    call->hits = inner.hits;
    call->misses = inner.misses;
    call->expired = inner.expired;
    call->changes = inner.changes;
    return s;
}

/* Is there anything to be learned of a command's reads, and no harm done if it is taken back? What
 * the others do is no row's business, or all rows'. */
static bool may_scout(const struct resp_command *c)
{
    return c->run == resp_cmd_select ||
           (c->keys != NULL && c->flags & (RESP_CMD_READONLY | RESP_CMD_WRITE));
}

/* What a scouted command replies is for nobody. */
static struct status scout_command(struct resp_call *call, const struct resp_queued *queued,
                                   struct resp_overlay *overlay, size_t place)
{
    size_t replied = call->reply->out->size;

    if (!may_scout(queued->command))
        return status_ok();
    struct status s = run_command(call, queued, overlay, place);
    call->reply->out->size = replied;
    return s;
}

/* Run the queue; what its commands do to the session is taken back by the caller on failure. */
static struct status run_queue(struct resp_call *call, struct resp_steps *steps)
{
    const struct resp_queue *q = &call->session->queue;
    const size_t watched = call->session->watches.bytes.size;
    struct resp_overlay overlay = { 0 };
    struct resp_queue_place place = { 0 };
    struct resp_queued queued;

    if (steps->is_scouting) {
        place.offset = (size_t)steps->from - watched;
        call->session->identity.database = steps->scout->database;
    }
    resp_kept_walks_rewind(&call->session->kept_walks);
    resp_reply_array(call->reply, q->count);
    for (;;) {
        size_t here = place.offset;
        struct status s = resp_queue_next(q, &place, call->arena, &queued);
        if (s.code == ST_NOT_FOUND)
            return resp_steps_end(steps);
        TRY(s);
        s = steps->is_scouting ? scout_command(call, &queued, &overlay, here)
                               : run_command(call, &queued, &overlay, here);
        steps->scout->database = call->session->identity.database;
        /* A walk waits block by block: no run between is for what others wait for. */
        if (s.code == ST_AGAIN && resp_kept_walks_has(&call->session->kept_walks, here))
            return s;
        TRY(resp_steps_note(steps, s, watched + here, watched + place.offset));
    }
}

struct status resp_cmd_exec(struct resp_call *call)
{
    struct resp_session *s = call->session;
    struct resp_identity before = s->identity;
    struct resp_steps steps;
    struct buf names[RESP_NAMES];
    bool was_closing = s->is_closing;

    if (!s->is_in_multi)
        return resp_fail(call, "ERR EXEC without MULTI");
    if (s->is_multi_broken) {
        resp_session_discard(s);
        return resp_fail(call, "EXECABORT Transaction discarded because of previous errors.");
    }
    resp_steps_begin(call, &steps);
    struct status st = check_watches(call, &steps);
    if (st.code == ST_CONFLICT) {
        resp_session_discard(s);
        resp_reply_null_array(call->reply);
        return status_ok();
    }
    resp_session_keep_names(s, names);
    if (succeeded(st))
        st = run_queue(call, &steps);
    resp_session_settle_names(s, names, succeeded(st));
    if (failed(st)) {
        s->identity = before;
        s->is_closing = was_closing;
        call->reply->version = before.version;
        return st;
    }
    call->ends_transaction = true;
    return status_ok();
}
