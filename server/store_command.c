/* Commands: what each stands on from its first run to its end, and what it waits for. */
#include "server/store.h"

#include "base/check.h"

enum { POOL_MAX = 64, RECORDS_KEPT = 64 };

static void destroy_command(struct server_command *c)
{
    struct server_store *s = c->store;

    lsm_reader_deinit(&c->reader);
    alloc_free(s->env->alloc, c->records, c->record_capacity * sizeof *c->records);
    alloc_free(s->env->alloc, c, sizeof *c);
}

void server_commands_drain(struct server_store *s)
{
    while (s->pool != NULL) {
        struct server_command *c = s->pool;
        s->pool = c->next;
        destroy_command(c);
    }
    s->pool_count = 0;
}

struct status server_command_take(struct server_store *s, void *owner,
                                  struct server_command **out_command)
{
    struct server_command *c = s->pool;

    if (c != NULL) {
        s->pool = c->next;
        s->pool_count--;
    } else {
        c = alloc_zeroed(s->env->alloc, sizeof *c);
        if (c == NULL)
            return status_of(ST_NO_MEMORY);
        c->store = s;
        lsm_reader_init(&c->reader, s->lsm, NULL, 0);
        c->reader.fetch.owner = c;
        c->reader.trails = c->trails;
    }
    c->owner = owner;
    *out_command = c;
    return status_ok();
}

static void unlist(struct server_command *c)
{
    if (!c->is_listed)
        return;
    *(c->previous != NULL ? &c->previous->next : &c->store->waiting) = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    c->is_listed = false;
}

static void list(struct server_command *c)
{
    struct server_store *s = c->store;

    if (c->is_listed)
        return;
    c->previous = NULL;
    c->next = s->waiting;
    if (c->next != NULL)
        c->next->previous = c;
    s->waiting = c;
    c->is_listed = true;
}

/* Its request is over; what it has read stays. */
static void leave_request(struct server_command *c)
{
    struct server_store *s = c->store;

    CHECK(s->running != c);
    unlist(c);
    if (s->holder == c)
        s->holder = NULL;
    server_cursors_destroy(c);
    lsm_reader_leave(&c->reader);
    c->waits = 0;
    c->has_cursor_ticket = false;
    c->random_seed = 0;
    c->save = 0;
}

void server_command_give(struct server_command *c)
{
    if (c == NULL)
        return;
    struct server_store *s = c->store;
    leave_request(c);
    server_command_forget_ahead(s, c);
    lsm_reader_reset(&c->reader);
    if (s->pool_count >= POOL_MAX || c->record_capacity > RECORDS_KEPT) {
        destroy_command(c);
        return;
    }
    c->next = s->pool;
    s->pool = c;
    s->pool_count++;
}

/* ---- Reading ahead -----------------------------------------------------------------------------
 */

bool server_command_read_ahead(struct server_store *s, struct server_command *c,
                               struct bytes row_key, unsigned flags)
{
    struct lsm_value ignored;
    unsigned how = flags & STORE_META ? LSM_READ_META : 0;

    if (s->ahead >= s->ahead_max)
        return false;
    s->ahead++;
    c->ahead++;
    if (row_key.size > 0 && !txn_knows(s->evaluator, row_key))
        status_ignore(lsm_get(&c->reader, STORE_KEYSPACE, row_key, UINT64_MAX, how, &ignored),
                      "the request's own get says so");
    return true;
}

void server_command_forget_ahead(struct server_store *s, struct server_command *c)
{
    s->ahead -= c->ahead;
    c->ahead = 0;
}

bool server_command_go_on(struct server_store *s, struct server_command *c)
{
    if (c->ahead == 0)
        return false;
    s->ahead--;
    c->ahead--;
    leave_request(c);
    return true;
}

/* ---- Runs --------------------------------------------------------------------------------------
 */

void server_store_begin(struct server_store *s, struct server_command *c)
{
    CHECK(s->running == NULL && !c->is_listed);
    s->running = c;
    c->waits = 0;
    c->ticket = 0;
    c->catalog_ticket = 0;
    c->write_bytes = 0;
    c->uses_objects = false;
    c->record_count = 0;
    c->has_rand = false;
    fetch_settle(&c->reader.fetch);
    txn_begin(s->evaluator, &c->reader);
}

/* Who watches keys of a database will ask which ids it has had. */
static void note_change(struct server_store *s, uint32_t number, uint32_t id)
{
    s->changes[s->change_count++ % STORE_CHANGES_KEPT] =
        (struct store_change) { .number = number, .id = id };
}

static void note_catalog(struct server_store *s, uint64_t ticket)
{
    if (ticket > s->running->catalog_ticket)
        s->running->catalog_ticket = ticket;
}

void server_store_note_ids(struct server_store *s)
{
    note_catalog(s, s->ids_ticket);
}

void server_store_note_counts(struct server_store *s)
{
    note_catalog(s, s->counts_ticket);
}

/* What the running command waits for before its reply may leave, the catalog included. */
static void add_catalog_ticket(const struct server_store *s, uint64_t *ticket)
{
    uint64_t seen = s->running->catalog_ticket;

    if (seen > *ticket && seen > server_store_applied(s))
        *ticket = seen;
}

/* Its changes hold, from this ticket on. */
static void take_record(struct server_store *s, const struct catalog_record *r, uint64_t ticket)
{
    bool is_of_ids = r->kind == CATALOG_CLEAR || r->kind == CATALOG_SWAP;

    if (is_of_ids && ticket > s->ids_ticket)
        s->ids_ticket = ticket;
    if ((is_of_ids || r->kind == CATALOG_COUNT) && ticket > s->counts_ticket)
        s->counts_ticket = ticket;
    if (r->kind == CATALOG_CLEAR) {
        note_change(s, r->number, r->id);
    } else if (r->kind == CATALOG_SWAP) {
        note_change(s, r->number, server_catalog_id(&s->evaluated, r->other));
        note_change(s, r->other, server_catalog_id(&s->evaluated, r->number));
    }
    server_catalog_apply(&s->evaluated, r);
}

/* The changes of the catalog become records of the batch. */
static struct status write_records(struct server_store *s, struct server_command *c)
{
    uint8_t room[CATALOG_RECORD_MAX];

    if (c->uses_objects) {
        const struct catalog_record r = { .kind = CATALOG_OBJECTS,
                                          .value = s->evaluated.next_object };
        TRY(txn_side(s->evaluator, bytes_of(room, catalog_record_encode(&r, room))));
    }
    for (uint32_t i = 0; i < c->record_count; i++) {
        const struct catalog_record *r = &c->records[i];
        if (r->kind == CATALOG_COUNT && r->keys == 0 && r->expires == 0)
            continue;
        TRY(txn_side(s->evaluator, bytes_of(room, catalog_record_encode(r, room))));
    }
    return status_ok();
}

struct status server_store_keep(struct server_store *s, uint64_t *out_ticket)
{
    struct server_command *c = s->running;
    struct status st = write_records(s, c);

    if (failed(st)) {
        server_store_drop(s, out_ticket);
        return st;
    }
    st = txn_keep(s->evaluator, out_ticket);
    for (uint32_t i = 0; i < c->record_count && succeeded(st); i++)
        take_record(s, &c->records[i], *out_ticket);
    add_catalog_ticket(s, out_ticket);
    s->running = NULL;
    return st;
}

void server_store_drop(struct server_store *s, uint64_t *out_ticket)
{
    txn_drop(s->evaluator, out_ticket);
    add_catalog_ticket(s, out_ticket);
    s->running = NULL;
}

/* ---- Waiting -----------------------------------------------------------------------------------
 */

static bool has_reads_done(const struct server_command *c)
{
    return fetch_is_ready(&c->reader.fetch) && server_cursors_are_ready(c);
}

static bool is_ready(const struct server_command *c)
{
    struct server_store *s = c->store;

    if (c->waits & COMMAND_READS && !has_reads_done(c))
        return false;
    if (c->waits & COMMAND_TICKET && server_store_applied(s) < c->ticket &&
        server_store_failure(s) == NULL)
        return false;
    if (c->waits & COMMAND_SAVE && s->saved < c->save)
        return false;
    if (c->waits & COMMAND_SETTLE && txn_open_size(s->evaluator) > 0)
        return false;
    return !(c->waits & COMMAND_GATE) || server_store_gate(s, c).code != ST_AGAIN;
}

bool server_store_submit(struct server_store *s, struct fetch *f)
{
    uint64_t reads = f->device_reads;
    uint64_t bytes = f->device_read_bytes;
    bool is_any = fetch_submit(f, s->ring);

    s->reads_pending += f->device_reads - reads;
    s->device_reads += f->device_reads - reads;
    s->device_read_bytes += f->device_read_bytes - bytes;
    return is_any;
}

bool server_store_wait(struct server_store *s, struct server_command *c)
{
    bool has_reads = false;

    /* What it stands on may change while it waits; what it has read stays with it. */
    lsm_reader_leave(&c->reader);
    if (c->waits & COMMAND_READS) {
        has_reads = server_store_submit(s, &c->reader.fetch);
        has_reads = server_cursors_submit(c) || has_reads;
        if (!has_reads)
            c->waits &= ~(unsigned)COMMAND_READS;
    }
    if (c->waits & ~(unsigned)COMMAND_READS)
        list(c);
    return c->waits != 0;
}

/* It waits for nothing any more. */
static struct server_command *release(struct server_command *c)
{
    unlist(c);
    c->waits = 0;
    return c;
}

bool server_store_read_done(struct server_store *s, struct io_op *op,
                            struct server_command **out_command)
{
    struct fetch *f = fetch_complete(s->cache, op);

    if (f == NULL) {
        s->reads_pending--;
        return false;
    }
    *out_command = is_ready(f->owner) ? release(f->owner) : NULL;
    return true;
}

struct server_command *server_store_next_ready(struct server_store *s)
{
    for (struct server_command *c = s->waiting; c != NULL; c = c->next) {
        if (is_ready(c))
            return release(c);
    }
    return NULL;
}
