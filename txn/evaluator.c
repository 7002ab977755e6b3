#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"

#include "txn/overlay.h"
#include "txn/txn.h"

/* The open proposal is closed before it grows past this, so that a turn's batch stays a fraction of
 * what the log takes; one command alone may be larger. */
enum { OPEN_SIZE_MAX = 8 << 20, SIDES_MAX = 64 << 20 };

struct txn_evaluator {
    struct txn_pipeline *pipeline;
    const struct env *env;
    uint32_t keyspace;
    uint64_t hash_seed;         /* Of rows' keys: nobody outside can tell which meet in a bucket. */
    struct txn_overlay pending; /* Evaluated, not applied yet; and what is known of the tree. */
    struct txn_proposal *open;  /* Being filled; NULL when there is none. */
    struct txn_proposal *spare; /* Finished proposals, to be used again. */
    uint32_t spare_count;

    /* The running command. */
    struct lsm_reader *reader;
    struct txn_overlay command;
    struct buf sides; /* Sized runs. */
    uint64_t now_ms;
    uint64_t seen_ticket;   /* The newest pending write it has looked at. */
    uint64_t expected_hash; /* Of the last key that was announced. */
    bool is_running;
    bool has_doubts; /* It deleted a range in which somebody may look again. */

    struct status
        failure; /* A proposal was dropped: what was evaluated over it is worth nothing. */
};

enum {
    SPARES_MAX = 64,
    SPARE_SIZE_MAX = 256 << 10, /* So that all of them are little beside a turn's writes. */
    SPARE_ROWS_MAX = 64,
    LARGE_ROWS = 4096, /* Fewer are near by themselves. */
};

struct status txn_evaluator_create(struct txn_pipeline *p, uint32_t keyspace, size_t rows_bytes,
                                   uint64_t hash_seed, struct txn_evaluator **out_evaluator)
{
    struct txn_evaluator *e = alloc_zeroed(p->env->alloc, sizeof *e);
    if (e == NULL)
        return status_of(ST_NO_MEMORY);
    e->pipeline = p;
    e->env = p->env;
    e->keyspace = keyspace;
    e->hash_seed = hash_seed;
    txn_overlay_init(&e->pending, p->env, rows_bytes, 0);
    txn_overlay_init(&e->command, p->env, 0, SPARE_ROWS_MAX);
    buf_init(&e->sides, p->env->alloc, SIDES_MAX);
    *out_evaluator = e;
    return status_ok();
}

static void destroy_proposal(struct txn_evaluator *e, struct txn_proposal *proposal)
{
    if (proposal == NULL)
        return;
    txn_proposal_deinit(e->pipeline, proposal);
    alloc_free(e->env->alloc, proposal, sizeof *proposal);
}

void txn_evaluator_destroy(struct txn_evaluator *e)
{
    if (e == NULL)
        return;
    struct alloc *a = e->env->alloc;
    destroy_proposal(e, e->open);
    while (e->spare != NULL) {
        struct txn_proposal *next = e->spare->next;
        destroy_proposal(e, e->spare);
        e->spare = next;
    }
    txn_overlay_deinit(&e->pending);
    txn_overlay_deinit(&e->command);
    buf_deinit(&e->sides);
    alloc_free(a, e, sizeof *e);
}

/* ---- The running command ------------------------------------------------------------------ */

void txn_begin(struct txn_evaluator *e, struct lsm_reader *r)
{
    CHECK(!e->is_running);
    e->is_running = true;
    e->reader = r;
    e->seen_ticket = 0;
    e->now_ms = clock_wall_ms(e->env->clock);
}

uint64_t txn_now_ms(const struct txn_evaluator *e)
{
    return e->now_ms;
}

static void note_seen(struct txn_evaluator *e, uint64_t ticket)
{
    if (ticket > e->seen_ticket)
        e->seen_ticket = ticket;
}

static uint64_t open_ticket(const struct txn_evaluator *e)
{
    return e->pipeline->next_ticket;
}

/* The version of what was evaluated under ticket; 0 if it is not proposed yet. Few are under way.
 */
static uint64_t version_of_ticket(const struct txn_evaluator *e, uint64_t ticket)
{
    const struct txn_proposal *lists[2] = { e->pipeline->oldest, e->pipeline->refused };

    for (int i = 0; i < 2; i++) {
        for (const struct txn_proposal *p = lists[i]; p != NULL; p = p->next) {
            if (p->ticket == ticket)
                return p->version;
        }
    }
    return 0;
}

static uint64_t version_of(const struct txn_evaluator *e, const struct txn_row *r)
{
    return r->is_clean ? r->version : version_of_ticket(e, r->ticket);
}

static struct status answer(const struct txn_evaluator *e, const struct txn_row *r,
                            struct lsm_value *out)
{
    if (r->is_delete)
        return status_of(ST_NOT_FOUND);
    *out = (struct lsm_value) { .value = txn_row_value(r),
                                .size = r->value_size,
                                .version = version_of(e, r),
                                .expire_ms = r->expire_ms,
                                .type = r->type };
    return status_ok();
}

static void note_row(struct txn_evaluator *e, const struct txn_row *r)
{
    if (!r->is_clean)
        note_seen(e, r->ticket);
}

/* What overlays say of a key: true if they decide, with the row (NULL: hidden by a range). */
static bool look_at_overlays(struct txn_evaluator *e, struct bytes key, uint64_t hash,
                             const struct txn_row **out)
{
    *out = txn_overlay_find(&e->command, key, hash);
    if (*out != NULL || txn_overlay_range(&e->command, key) != NULL)
        return true;
    *out = txn_overlay_find(&e->pending, key, hash);
    if (*out != NULL) {
        note_row(e, *out);
        return true;
    }
    const struct txn_range *range = txn_overlay_range(&e->pending, key);
    if (range != NULL)
        note_seen(e, range->ticket);
    return range != NULL;
}

struct status txn_get(struct txn_evaluator *e, struct bytes key, unsigned flags,
                      struct lsm_value *out)
{
    const struct txn_row *r;
    uint64_t hash = hash_bytes(key, e->hash_seed);

    CHECK(e->is_running);
    if (look_at_overlays(e, key, hash, &r))
        return r == NULL ? status_of(ST_NOT_FOUND) : answer(e, r, out);
    TRY(lsm_get(e->reader, e->keyspace, key, UINT64_MAX, flags, out));
    txn_overlay_remember(&e->pending, key, hash, out);
    return status_ok();
}

void txn_expect(struct txn_evaluator *e, struct bytes key)
{
    uint64_t hash = hash_bytes(key, e->hash_seed);

    /* The one before has its bucket by now. */
    txn_overlay_prefetch_row(&e->pending, e->expected_hash);
    txn_overlay_prefetch(&e->pending, hash);
    e->expected_hash = hash;
}

bool txn_is_large(const struct txn_evaluator *e)
{
    return e->pending.row_count >= LARGE_ROWS;
}

bool txn_knows(const struct txn_evaluator *e, struct bytes key)
{
    uint64_t hash = hash_bytes(key, e->hash_seed);

    return txn_overlay_find(&e->command, key, hash) != NULL ||
           txn_overlay_find(&e->pending, key, hash) != NULL;
}

/* Tickets order the command's own writes among themselves only: all are one that no proposal has.
 */
static const uint64_t OWN_TICKET = UINT64_MAX;

struct status txn_put(struct txn_evaluator *e, const struct lsm_put *put)
{
    CHECK(e->is_running);
    if (put->key.size > LSM_USER_KEY_MAX || put->value.size > TXN_BATCH_MAX)
        return status_of(ST_LIMIT);
    const struct txn_write w = { .key = put->key,
                                 .hash = hash_bytes(put->key, e->hash_seed),
                                 .value = put->value,
                                 .expire_ms = put->expire_ms,
                                 .ticket = OWN_TICKET,
                                 .type = put->type };
    return txn_overlay_write(&e->command, &w);
}

struct status txn_delete(struct txn_evaluator *e, struct bytes key)
{
    CHECK(e->is_running);
    if (key.size > LSM_USER_KEY_MAX)
        return status_of(ST_LIMIT);
    const struct txn_write w = {
        .key = key, .hash = hash_bytes(key, e->hash_seed), .ticket = OWN_TICKET, .is_delete = true
    };
    return txn_overlay_write(&e->command, &w);
}

struct status txn_delete_range(struct txn_evaluator *e, struct bytes begin, struct bytes end,
                               bool is_final)
{
    CHECK(e->is_running);
    e->has_doubts |= !is_final;
    return txn_overlay_write_range(&e->command, begin, end, OWN_TICKET, is_final);
}

struct status txn_side(struct txn_evaluator *e, struct bytes side)
{
    CHECK(e->is_running);
    size_t before = e->sides.size;
    buf_append_u32(&e->sides, (uint32_t)side.size);
    buf_append(&e->sides, side);
    if (!e->sides.is_failed)
        return status_ok();
    e->sides.size = before;
    e->sides.is_failed = false;
    return status_of(ST_NO_MEMORY);
}

static void end_command(struct txn_evaluator *e, uint64_t *out_ticket)
{
    txn_overlay_clear(&e->command);
    buf_reset(&e->sides);
    e->has_doubts = false;
    e->is_running = false;
    e->reader = NULL;
    *out_ticket = e->seen_ticket > e->pipeline->applied_ticket ? e->seen_ticket : 0;
}

void txn_drop(struct txn_evaluator *e, uint64_t *out_ticket)
{
    CHECK(e->is_running);
    end_command(e, out_ticket);
}

/* ---- Keeping: the command's writes join the open proposal --------------------------------- */

static struct status ensure_open(struct txn_evaluator *e)
{
    if (e->open != NULL)
        return status_ok();
    if (e->spare != NULL) {
        e->open = e->spare;
        e->spare = e->open->next;
        e->spare_count--;
        lsm_batch_reset(&e->open->batch);
        e->open->state = TXN_BUILDING;
        return status_ok();
    }
    e->open = alloc_bytes(e->env->alloc, sizeof *e->open);
    if (e->open == NULL)
        return status_of(ST_NO_MEMORY);
    txn_proposal_init(e->pipeline, e->open);
    return status_ok();
}

static bool has_writes(const struct txn_evaluator *e)
{
    return e->command.dirty.oldest != NULL || e->command.ranges != NULL || e->sides.size > 0;
}

static struct status batch_row(struct txn_evaluator *e, const struct txn_row *r)
{
    if (r->is_delete)
        return lsm_batch_delete(&e->open->batch, e->keyspace, txn_row_key(r));
    const struct lsm_put put = { .keyspace = e->keyspace,
                                 .key = txn_row_key(r),
                                 .value = txn_row_value(r),
                                 .type = r->type,
                                 .expire_ms = r->expire_ms };
    return lsm_batch_put(&e->open->batch, &put);
}

static struct status batch_sides(struct txn_evaluator *e)
{
    struct bytes rest = buf_bytes(&e->sides);
    uint32_t size;
    struct bytes side;
    while (take_u32(&rest, &size) && take_bytes(&rest, size, &side))
        TRY(lsm_batch_side(&e->open->batch, side));
    return status_ok();
}

/* A range of the command hides what was written before it; its rows came after. So ranges first;
 * among themselves, at one version, their order means nothing. */
static struct status fill_batch(struct txn_evaluator *e)
{
    struct lsm_batch *b = &e->open->batch;
    struct lsm_batch_mark mark = lsm_batch_mark(b);
    struct status s = status_ok();

    for (const struct txn_range *r = e->command.ranges; r != NULL && succeeded(s); r = r->next)
        s = lsm_batch_delete_range(b, e->keyspace, bytes_of(r->bytes, r->begin_size),
                                   bytes_of(r->bytes + r->begin_size, r->end_size));
    for (const struct txn_row *r = e->command.dirty.oldest; r != NULL && succeeded(s); r = r->newer)
        s = batch_row(e, r);
    if (succeeded(s))
        s = batch_sides(e);
    if (failed(s))
        lsm_batch_take_back(b, mark);
    return s;
}

/* Later evaluations see the writes. Without memory for copies the command's own rows and ranges go
 * over: the batch holds the writes and will be applied, so an overlay that lacked them would answer
 * wrongly. Requires: pending is prepared. */
static void fill_pending(struct txn_evaluator *e, uint64_t ticket)
{
    struct txn_range *older;
    struct txn_row *newer;

    for (struct txn_range *r = e->command.ranges; r != NULL; r = older) {
        older = r->next;
        if (failed(txn_overlay_write_range(&e->pending, bytes_of(r->bytes, r->begin_size),
                                           bytes_of(r->bytes + r->begin_size, r->end_size), ticket,
                                           !e->has_doubts)))
            txn_overlay_adopt_range(&e->pending, &e->command, r, ticket, !e->has_doubts);
    }
    for (struct txn_row *r = e->command.dirty.oldest; r != NULL; r = newer) {
        const struct txn_write w = { .key = txn_row_key(r),
                                     .hash = r->hash,
                                     .value = txn_row_value(r),
                                     .expire_ms = r->expire_ms,
                                     .ticket = ticket,
                                     .type = r->type,
                                     .is_delete = r->is_delete };
        newer = r->newer;
        if (failed(txn_overlay_write(&e->pending, &w)))
            txn_overlay_adopt(&e->pending, &e->command, r, ticket);
    }
}

struct status txn_keep(struct txn_evaluator *e, uint64_t *out_ticket)
{
    CHECK(e->is_running);
    if (!has_writes(e)) {
        end_command(e, out_ticket);
        return status_ok();
    }
    struct status s = ensure_open(e);
    if (succeeded(s))
        s = txn_overlay_prepare(&e->pending);
    if (succeeded(s))
        s = fill_batch(e);
    if (succeeded(s)) {
        note_seen(e, open_ticket(e));
        fill_pending(e, open_ticket(e));
    }
    end_command(e, out_ticket);
    return s;
}

/* ---- Turns -------------------------------------------------------------------------------- */

size_t txn_open_size(const struct txn_evaluator *e)
{
    return e->open == NULL ? 0 : lsm_batch_size(&e->open->batch);
}

bool txn_open_is_full(const struct txn_evaluator *e)
{
    return txn_open_size(e) >= OPEN_SIZE_MAX;
}

struct status txn_end_turn(struct txn_evaluator *e)
{
    struct txn_proposal *p = e->open;

    if (p == NULL || lsm_batch_is_empty(&p->batch))
        return status_ok();
    if (!e->pending.has_repeats)
        lsm_batch_declare_distinct(&p->batch);
    struct status s = txn_propose(e->pipeline, p);
    if (failed(s)) {
        if (s.code != ST_AGAIN)
            e->failure = s;
        return s;
    }
    e->open = NULL;
    e->pending.has_repeats = false;
    return s;
}

/* Is it small enough to be kept for a later turn, with the memory it has? */
static bool is_spare(const struct txn_evaluator *e, const struct txn_proposal *p)
{
    const struct lsm_batch *b = &p->batch;
    size_t size = b->body.capacity + b->values.capacity + b->spans.capacity +
                  p->handle_capacity * sizeof *p->handles;

    return e->spare_count < SPARES_MAX && size < SPARE_SIZE_MAX;
}

void txn_advance(struct txn_evaluator *e)
{
    struct txn_proposal *done = txn_pipeline_step(e->pipeline);

    while (done != NULL) {
        struct txn_proposal *next = done->next;
        if (done->state == TXN_DROPPED)
            e->failure = done->status;
        if (succeeded(e->failure))
            txn_overlay_retire(&e->pending, done->ticket, done->version);
        if (is_spare(e, done)) {
            done->next = e->spare;
            e->spare = done;
            e->spare_count++;
        } else {
            destroy_proposal(e, done);
        }
        done = next;
    }
    txn_overlay_evict(&e->pending);
}

uint64_t txn_applied_ticket(const struct txn_evaluator *e)
{
    return e->pipeline->applied_ticket;
}

uint64_t txn_newest_ticket(const struct txn_evaluator *e)
{
    bool has_open = e->open != NULL && !lsm_batch_is_empty(&e->open->batch);
    uint64_t newest = has_open ? open_ticket(e) : open_ticket(e) - 1;
    return newest > e->pipeline->applied_ticket ? newest : 0;
}

const char *txn_failure(const struct txn_evaluator *e)
{
    const char *why = e->pipeline->proposer.failure(e->pipeline->proposer.context);
    if (why == NULL)
        why = lsm_failure(e->pipeline->lsm);
    if (why == NULL && failed(e->failure))
        why = status_name(e->failure.code);
    return why;
}

void txn_forget(struct txn_evaluator *e)
{
    CHECK(txn_failure(e) != NULL && !e->is_running);
    CHECK(e->pipeline->oldest == NULL && e->pipeline->refused == NULL);
    txn_overlay_clear(&e->pending);
    destroy_proposal(e, e->open);
    e->open = NULL;
}

/* ---- WATCH -------------------------------------------------------------------------------- */

static bool is_dead(const struct lsm_value *v, uint64_t now_ms)
{
    return v->is_delete || (v->expire_ms != 0 && v->expire_ms <= now_ms);
}

/* The newest write of key, deletes too: OK and *out, or NOT_FOUND if it was never written. */
static struct status newest_write(struct txn_evaluator *e, struct bytes key, struct lsm_value *out)
{
    const struct txn_row *r = txn_overlay_find(&e->pending, key, hash_bytes(key, e->hash_seed));
    if (r != NULL) {
        uint64_t version = version_of(e, r);
        note_row(e, r);
        *out = (struct lsm_value) { .version = version == 0 ? UINT64_MAX : version,
                                    .expire_ms = r->expire_ms,
                                    .is_delete = r->is_delete };
        return status_ok();
    }
    const struct txn_range *range = txn_overlay_range(&e->pending, key);
    if (range != NULL) {
        uint64_t version = version_of_ticket(e, range->ticket);
        note_seen(e, range->ticket);
        *out = (struct lsm_value) { .version = version == 0 ? UINT64_MAX : version,
                                    .is_delete = true };
        return status_ok();
    }
    return lsm_get(e->reader, e->keyspace, key, UINT64_MAX, LSM_READ_META | LSM_READ_DELETES, out);
}

struct status txn_watch(struct txn_evaluator *e, struct bytes key, struct txn_watch *out_watch)
{
    struct lsm_value v = { .is_delete = true };

    CHECK(e->is_running && txn_open_size(e) == 0);
    struct status s = newest_write(e, key, &v);
    if (failed(s) && s.code != ST_NOT_FOUND)
        return s;
    out_watch->version = txn_clock_read(&e->pipeline->clock);
    out_watch->expire_ms = is_dead(&v, e->now_ms) ? 0 : v.expire_ms;
    return status_ok();
}

struct status txn_watch_check(struct txn_evaluator *e, struct bytes key, const struct txn_watch *w)
{
    struct lsm_value v = { 0 };

    CHECK(e->is_running);
    struct status s = newest_write(e, key, &v);
    if (s.code == ST_NOT_FOUND)
        return status_ok(); /* Never written, or only before the floor: before the watch. */
    TRY(s);
    if (v.version > w->version)
        return status_of(ST_CONFLICT);
    if (w->expire_ms != 0 && w->expire_ms <= e->now_ms)
        return status_of(ST_CONFLICT); /* It was there, and has expired since. */
    return status_ok();
}
