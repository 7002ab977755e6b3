/*
 * resp's door to the store: cursors.
 *
 * A cursor belongs to the command that opened it until the command ends: one that was closed is
 * kept, with the blocks it has, for the same command's next run, which opens it again.
 */
#include "server/store.h"

#include "base/check.h"

/* The move to make before the next row can be shown. */
enum cursor_due { DUE_NOTHING, DUE_SEEK, DUE_NEXT };

struct store_cursor {
    struct server_command *command;
    struct lsm_cursor *cursor;
    struct store_cursor *next;
    uint8_t *bounds; /* Lower, upper. */
    size_t lower_size;
    size_t upper_size;
    struct buf target; /* Of the seek that is due. */
    unsigned flags;    /* enum store_cursor_flags */
    bool is_closed;
    enum cursor_due due;
    bool is_interrupted; /* The due move has begun. */
};

static struct bytes lower_of(const struct store_cursor *c)
{
    return bytes_of(c->bounds, c->lower_size);
}

static struct bytes upper_of(const struct store_cursor *c)
{
    return bytes_of(c->bounds + c->lower_size, c->upper_size);
}

static void destroy(struct store_cursor *c)
{
    struct alloc *a = c->command->store->env->alloc;

    lsm_cursor_close(c->cursor);
    buf_deinit(&c->target);
    alloc_free(a, c->bounds, c->lower_size + c->upper_size);
    alloc_free(a, c, sizeof *c);
}

void server_cursors_destroy(struct server_command *c)
{
    while (c->cursors != NULL) {
        struct store_cursor *next = c->cursors->next;
        destroy(c->cursors);
        c->cursors = next;
    }
}

/* A seek that had to stop can only be made again, to the same place. */
static bool can_begin(const struct store_cursor *c)
{
    return !c->is_interrupted || c->due != DUE_SEEK ||
           bytes_equal(buf_bytes(&c->target), lower_of(c));
}

static struct store_cursor *find_closed(struct server_command *command, struct bytes lower,
                                        struct bytes upper, unsigned flags)
{
    for (struct store_cursor *c = command->cursors; c != NULL; c = c->next) {
        if (c->is_closed && c->flags == flags && bytes_equal(lower_of(c), lower) &&
            bytes_equal(upper_of(c), upper) && can_begin(c))
            return c;
    }
    return NULL;
}

static struct status create(struct server_command *command, struct bytes lower, struct bytes upper,
                            unsigned flags, struct store_cursor **out)
{
    struct server_store *s = command->store;
    const struct lsm_cursor_options options = {
        .lower = lower, .upper = upper, .at = UINT64_MAX, .keys_only = flags & STORE_CURSOR_KEYS
    };
    struct store_cursor *c = alloc_zeroed(s->env->alloc, sizeof *c);

    if (c == NULL)
        return status_of(ST_NO_MEMORY);
    c->command = command;
    c->flags = flags;
    buf_init(&c->target, s->env->alloc, LSM_USER_KEY_MAX);
    c->bounds = alloc_bytes(s->env->alloc, lower.size + upper.size);
    c->lower_size = lower.size;
    c->upper_size = upper.size;
    struct status st = status_of(ST_NO_MEMORY);
    if (c->bounds != NULL) {
        memcpy(c->bounds, lower.data, lower.size);
        memcpy(c->bounds + lower.size, upper.data, upper.size);
        st = lsm_cursor_open(s->lsm, &options, &c->cursor);
    }
    if (failed(st)) {
        destroy(c);
        return st;
    }
    c->next = command->cursors;
    command->cursors = c;
    *out = c;
    return st;
}

/* Others' writes wait until the running command has ended: what it has read so far, what its cursor
 * will show and what it reads when it runs again are of one moment. */
static struct status hold_writes(struct server_store *s)
{
    if (s->holder == NULL)
        s->holder = s->running;
    if (s->holder == s->running)
        return status_ok();
    s->running->waits |= COMMAND_GATE;
    return status_of(ST_AGAIN);
}

/*
 * The tree must hold what was evaluated before the command first came here. What the log cannot
 * take for now (the disk is full) is left out: whoever wrote it has no answer yet. Not where it
 * would contradict what the command reads besides.
 */
static struct status await_writes(struct server_store *s, struct server_command *c, unsigned flags)
{
    if (!c->has_cursor_ticket) {
        c->has_cursor_ticket = true;
        c->cursor_ticket = txn_newest_ticket(s->evaluator);
    }
    if (c->cursor_ticket <= server_store_applied(s) || s->has_failed ||
        (failed(s->log.refusal) && !(flags & STORE_CURSOR_EXACT)))
        return status_ok();
    c->ticket = c->cursor_ticket;
    c->waits |= COMMAND_TICKET;
    return status_of(ST_AGAIN);
}

struct status server_cursor_open(struct store *door, struct bytes lower, struct bytes upper,
                                 unsigned flags, struct store_cursor **out)
{
    struct server_store *s = server_store_of(door);
    struct store_cursor *c = find_closed(s->running, lower, upper, flags);

    server_store_note_ids(s); /* The bounds are a database's. */
    if (c == NULL) {
        if (flags & STORE_CURSOR_EXACT)
            TRY(hold_writes(s));
        TRY(await_writes(s, s->running, flags));
        TRY(create(s->running, lower, upper, flags, &c));
    }
    c->is_closed = false;
    server_cursor_seek(c, lower_of(c));
    *out = c;
    return status_ok();
}

void server_cursor_close(struct store_cursor *c)
{
    c->is_closed = true;
}

void server_cursor_seek(struct store_cursor *c, struct bytes key)
{
    buf_reset(&c->target);
    buf_append(&c->target, key);
    c->due = DUE_SEEK;
}

/* Make the move that is due; one that had to stop is made again. */
static struct status move(struct store_cursor *c)
{
    if (c->target.is_failed)
        return status_of(ST_NO_MEMORY);
    c->is_interrupted = true;
    if (c->due == DUE_SEEK)
        TRY(lsm_cursor_seek(c->cursor, buf_bytes(&c->target)));
    else if (c->due == DUE_NEXT)
        TRY(lsm_cursor_next(c->cursor));
    c->due = DUE_NOTHING;
    c->is_interrupted = false;
    return status_ok();
}

struct status server_cursor_next(struct store_cursor *c, struct bytes *out_key,
                                 struct store_row *out_row)
{
    struct server_store *s = c->command->store;
    struct lsm_value v;
    struct status st = move(c);

    if (succeeded(st) && !lsm_cursor_is_valid(c->cursor))
        return status_of(ST_NOT_FOUND);
    if (succeeded(st)) {
        if (c->flags & STORE_CURSOR_KEYS)
            lsm_cursor_meta(c->cursor, &v);
        else
            st = lsm_cursor_value(c->cursor, &v);
    }
    if (failed(st))
        return server_store_note_read(s, lsm_cursor_fetch(c->cursor), st);
    c->due = DUE_NEXT;
    *out_key = lsm_cursor_key(c->cursor);
    *out_row = (struct store_row) { .value = v.value,
                                    .size = v.size,
                                    .version = v.version,
                                    .expire_ms = v.expire_ms,
                                    .type = v.type };
    return st;
}

bool server_cursors_submit(struct server_command *command)
{
    bool is_any = false;

    for (struct store_cursor *c = command->cursors; c != NULL; c = c->next) {
        if (server_store_submit(command->store, lsm_cursor_fetch(c->cursor)))
            is_any = true;
    }
    return is_any;
}

bool server_cursors_are_ready(const struct server_command *command)
{
    for (const struct store_cursor *c = command->cursors; c != NULL; c = c->next) {
        if (!fetch_is_ready(lsm_cursor_fetch(c->cursor)))
            return false;
    }
    return true;
}
