/*
 * cursor -- the user's view of the tree, both ways.
 *
 * Under it lies a merge of everything that may hold entries: memtables, L0 tables, levels. Going
 * forward, the first entry of a key with version <= at decides about the key. Going back, a key's
 * versions come oldest first, so the newest <= at is known only when the key has been passed: it is
 * copied, and the merge stands before the key while the copy is shown. Every move can be made again
 * after ST_AGAIN: what it has found out so far is kept in the cursor (phase, pending).
 */
#include "lsm/internal.h"

#include "base/check.h"

#include "lsm/level_iter.h"
#include "lsm/merge.h"

enum cursor_move { MOVE_NONE, MOVE_SEEK, MOVE_SEEK_BACK, MOVE_NEXT, MOVE_PREV };

/* Versions of one key that are passed step by step; those left over are jumped. */
enum { STEPS_MAX = 8 };
enum cursor_jump {
    JUMP_NONE,
    JUMP_TO_AT,  /* Forward: over versions newer than the cursor's. */
    JUMP_PAST,   /* Forward: over the versions of a key that is decided. */
    JUMP_NEWEST, /* Back: to the version that decides about the key, and on before it. */
    JUMP_BEFORE, /* Back: over versions newer than the cursor's. */
};

struct lsm_cursor {
    struct lsm *lsm;
    struct lsm_state *state; /* A count is held. */
    struct lsm_snapshot *snapshot;
    struct lsm_iter *merge;
    struct fetch fetch;       /* Of the tables' blocks. */
    struct fetch value_fetch; /* Of the shown separated value. */
    struct fetch *waiting;    /* The one that answered AGAIN last. */
    uint64_t at;
    bool keys_only;
    size_t keyspace_size; /* Bytes of the keyspace before each key. */
    uint8_t *lower;       /* Composed. */
    size_t lower_size;
    size_t lower_room;
    uint8_t *upper; /* Composed; always a bound. */
    size_t upper_size;
    size_t upper_room;
    const struct lsm_rangedel_set **sets; /* Of every source that has range deletes. */
    uint32_t set_count;
    uint32_t set_room;
    bool has_sets;

    bool is_valid;
    bool is_backward; /* The shown entry is the copy; the merge stands before its key. */
    struct lsm_entry shown;
    struct buf target; /* Composed key of a seek. */
    struct buf key;    /* Copy of the shown or decided key. */
    struct buf value;  /* Copy of an inline value, going back. */

    /* A move cut short by AGAIN, to be made again. */
    enum cursor_move move;
    bool is_positioned; /* Its seek is done. */
    bool has_found;     /* Going back: `shown` holds the newest version <= at so far. */
    uint32_t steps;     /* In a row, on versions of one key: */
    struct buf passed;  /* this one. */
    enum cursor_jump jump;
    struct status failure;
};

/* ---- Making ------------------------------------------------------------------------------- */

static uint32_t count_children(const struct lsm_state *s)
{
    uint32_t n = 1 + s->frozen_count + s->version->levels[0].count;
    for (uint32_t i = 1; i < LSM_LEVELS; i++)
        n += s->version->levels[i].count > 0;
    return n;
}

static struct status add_children(struct lsm_cursor *c, struct lsm_iter **children,
                                  uint32_t *in_out_count)
{
    const struct lsm_state *s = c->state;
    const struct lsm_table_iter_options options = { .read_ahead = false };
    uint32_t *n = in_out_count;

    TRY(lsm_memtable_iter(s->mem->table, &children[*n]));
    (*n)++;
    for (uint32_t i = 0; i < s->frozen_count; i++, (*n)++)
        TRY(lsm_memtable_iter(s->frozen[i]->table, &children[*n]));
    for (uint32_t i = 0; i < s->version->levels[0].count; i++, (*n)++)
        TRY(lsm_table_iter(s->version->levels[0].fences[i].file->table, &c->fetch, &options,
                           &children[*n]));
    for (uint32_t i = 1; i < LSM_LEVELS; i++) {
        const struct lsm_level *l = &s->version->levels[i];
        if (l->count == 0)
            continue;
        const struct lsm_level_iter_options level = {
            .fences = l->fences, .count = l->count, .fetch = &c->fetch, .table = options
        };
        TRY(lsm_level_iter_create(c->lsm->env->alloc, &level, &children[*n]));
        (*n)++;
    }
    return status_ok();
}

static struct status make_merge(struct lsm_cursor *c)
{
    struct alloc *a = c->lsm->env->alloc;
    uint32_t room = count_children(c->state);
    uint32_t count = 0;
    struct lsm_iter **children = alloc_array(a, room, sizeof(struct lsm_iter *));

    if (children == NULL)
        return status_of(ST_NO_MEMORY);
    struct status s = add_children(c, children, &count);
    if (succeeded(s)) {
        s = lsm_merge_create(a, children, count, &c->merge);
    } else {
        while (count > 0)
            lsm_iter_destroy(children[--count]);
    }
    alloc_free(a, children, room * sizeof(struct lsm_iter *));
    return s;
}

/* Files with range deletes: how many sets there are at most. */
static uint32_t count_sets(const struct lsm_state *s)
{
    uint32_t n = 1 + s->frozen_count;
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < s->version->levels[i].count; j++)
            n += s->version->levels[i].fences[j].file->meta.range_delete_count > 0;
    }
    return n;
}

/* The tables' sets are read from the device once in a table's life; then this is memory. May answer
 * AGAIN; the first move of the cursor calls it. */
static struct status gather_sets(struct lsm_cursor *c)
{
    const struct lsm_state *s = c->state;
    uint32_t n = 0;

    c->sets[n++] = lsm_memtable_range_deletes(s->mem->table);
    for (uint32_t i = 0; i < s->frozen_count; i++)
        c->sets[n++] = lsm_memtable_range_deletes(s->frozen[i]->table);
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < s->version->levels[i].count; j++) {
            struct lsm_file *f = s->version->levels[i].fences[j].file;
            if (f->meta.range_delete_count > 0)
                TRY(lsm_table_range_deletes(f->table, &c->fetch, &c->sets[n++]));
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (c->sets[i] != NULL)
            c->sets[kept++] = c->sets[i];
    }
    c->set_count = kept;
    c->has_sets = true;
    return status_ok();
}

static struct status copy_bounds(struct lsm_cursor *c, const struct lsm_cursor_options *o)
{
    struct alloc *a = c->lsm->env->alloc;
    c->lower_room = VARINT_MAX + o->lower.size;
    c->upper_room = VARINT_MAX + o->upper.size;
    c->lower = alloc_bytes(a, c->lower_room);
    c->upper = alloc_bytes(a, c->upper_room);
    if (c->lower == NULL || c->upper == NULL)
        return status_of(ST_NO_MEMORY);
    c->lower_size = lsm_key_compose(c->lower, o->keyspace, o->lower).size;
    c->upper_size = o->upper.size > 0 ? lsm_key_compose(c->upper, o->keyspace, o->upper).size
                                      : lsm_keyspace_end(c->upper, o->keyspace).size;
    c->keyspace_size = varint_size(o->keyspace);
    return status_ok();
}

static struct status prepare(struct lsm_cursor *c, const struct lsm_cursor_options *o)
{
    struct alloc *a = c->lsm->env->alloc;

    /* A snapshot first, so that the floor stays below; then the state: what it lacks was dropped
     * below a floor that this snapshot was already part of, or not newer than. */
    if (o->at == UINT64_MAX)
        TRY(lsm_snapshot_take(c->lsm, &c->snapshot));
    else
        TRY(lsm_snapshot_take_at(c->lsm, o->at, &c->snapshot));
    c->at = lsm_snapshot_version(c->snapshot);
    c->state = lsm_state_hold(c->lsm);
    TRY(copy_bounds(c, o));
    c->set_room = count_sets(c->state);
    c->sets = alloc_array(a, c->set_room, sizeof(struct lsm_rangedel_set *));
    if (c->sets == NULL)
        return status_of(ST_NO_MEMORY);
    return make_merge(c);
}

struct status lsm_cursor_open(struct lsm *l, const struct lsm_cursor_options *options,
                              struct lsm_cursor **out_cursor)
{
    if (options->keyspace > LSM_KEYSPACE_MAX || options->lower.size > LSM_USER_KEY_MAX ||
        options->upper.size > LSM_USER_KEY_MAX)
        return status_of(ST_INVALID);
    struct lsm_cursor *c = alloc_zeroed(l->env->alloc, sizeof *c);
    if (c == NULL)
        return status_of(ST_NO_MEMORY);
    c->lsm = l;
    c->keys_only = options->keys_only;
    const struct fetch_options fetch = { .cache = l->cache,
                                         .ring = options->ring,
                                         .fill = FETCH_FILL_SCAN };
    fetch_init(&c->fetch, &fetch);
    fetch_init(&c->value_fetch, &fetch);
    c->waiting = &c->fetch;
    buf_init(&c->target, l->env->alloc, LSM_KEY_MAX);
    buf_init(&c->key, l->env->alloc, LSM_KEY_MAX);
    buf_init(&c->passed, l->env->alloc, LSM_KEY_MAX);
    buf_init(&c->value, l->env->alloc, SIZE_MAX / 2);
    struct status s = prepare(c, options);
    if (failed(s))
        lsm_cursor_close(c);
    else
        *out_cursor = c;
    return s;
}

void lsm_cursor_close(struct lsm_cursor *c)
{
    if (c == NULL)
        return;
    struct alloc *a = c->lsm->env->alloc;
    lsm_iter_destroy(c->merge);
    fetch_deinit(&c->fetch);
    fetch_deinit(&c->value_fetch);
    lsm_state_unref(c->state);
    lsm_snapshot_release(c->lsm, c->snapshot);
    alloc_free(a, c->sets, c->set_room * sizeof(struct lsm_rangedel_set *));
    alloc_free(a, c->lower, c->lower_room);
    alloc_free(a, c->upper, c->upper_room);
    buf_deinit(&c->target);
    buf_deinit(&c->key);
    buf_deinit(&c->passed);
    buf_deinit(&c->value);
    alloc_free(a, c, sizeof *c);
}

struct fetch *lsm_cursor_fetch(struct lsm_cursor *c)
{
    return c->waiting;
}

/* ---- Deciding about a key ----------------------------------------------------------------- */

static uint64_t cover_of(const struct lsm_cursor *c, struct bytes key)
{
    uint64_t cover = 0;
    for (uint32_t i = 0; i < c->set_count; i++) {
        uint64_t v = lsm_rangedel_cover(c->sets[i], key, c->at);
        cover = v > cover ? v : cover;
    }
    return cover;
}

/* Is this entry, the newest <= at of its key, a value the user sees? */
static bool is_seen(const struct lsm_cursor *c, const struct lsm_entry *e)
{
    return e->kind != LSM_DELETE && (c->set_count == 0 || e->version >= cover_of(c, e->key));
}

static bool is_past_upper(const struct lsm_cursor *c, struct bytes key)
{
    return bytes_compare(key, bytes_of(c->upper, c->upper_size)) >= 0;
}

static bool is_before_lower(const struct lsm_cursor *c, struct bytes key)
{
    return bytes_compare(key, bytes_of(c->lower, c->lower_size)) < 0;
}

static struct status remember_key(struct lsm_cursor *c, struct bytes key)
{
    buf_reset(&c->key);
    buf_append(&c->key, key);
    return c->key.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

static bool is_remembered(const struct lsm_cursor *c, struct bytes key)
{
    return bytes_equal(key, buf_bytes(&c->key));
}

/* Keep a copy of the entry under the merge: a newer version of its key may follow going back. */
static struct status keep_copy(struct lsm_cursor *c, const struct lsm_entry *e)
{
    TRY(remember_key(c, e->key));
    buf_reset(&c->value);
    buf_append(&c->value, e->value);
    if (c->value.is_failed)
        return status_of(ST_NO_MEMORY);
    c->shown = *e;
    c->shown.key = buf_bytes(&c->key);
    c->shown.value = buf_bytes(&c->value);
    c->has_found = true;
    return status_ok();
}

static struct status set_passed(struct lsm_cursor *c, struct bytes key)
{
    buf_reset(&c->passed);
    buf_append(&c->passed, key);
    return c->passed.is_failed ? status_of(ST_NO_MEMORY) : status_ok();
}

/* One more version of key is passed over. After some in a row the rest is to be jumped. */
static struct status pass(struct lsm_cursor *c, struct bytes key, enum cursor_jump jump)
{
    if (c->steps == 0 || !bytes_equal(key, buf_bytes(&c->passed))) {
        TRY(set_passed(c, key));
        c->steps = 0;
    }
    if (++c->steps > STEPS_MAX)
        c->jump = jump;
    return status_ok();
}

/* The same for the remembered key, which need not be copied for a step or two. */
static struct status pass_decided(struct lsm_cursor *c)
{
    if (++c->steps <= STEPS_MAX)
        return status_ok();
    c->jump = JUMP_PAST;
    return set_passed(c, buf_bytes(&c->key));
}

/* Make the jump that is due. May answer AGAIN, at either of its seeks: it is still due then. */
static struct status jump(struct lsm_cursor *c)
{
    struct bytes key = buf_bytes(&c->passed);

    switch (c->jump) {
    case JUMP_NONE:
        return status_ok();
    case JUMP_TO_AT:
        TRY(lsm_iter_seek(c->merge, key, c->at));
        break;
    case JUMP_PAST: /* No version is 0. */
        TRY(lsm_iter_seek(c->merge, key, 0));
        break;
    case JUMP_NEWEST:
        TRY(lsm_iter_seek(c->merge, key, c->at));
        CHECK(c->merge->is_valid && bytes_equal(c->merge->entry.key, key));
        TRY(keep_copy(c, &c->merge->entry));
        c->jump = JUMP_BEFORE;
        /* fall through */
    case JUMP_BEFORE:
        TRY(lsm_iter_seek_before(c->merge, key, UINT64_MAX));
        break;
    }
    c->jump = JUMP_NONE;
    c->steps = 0;
    return status_ok();
}

/*
 * Forward from where the merge stands to the next key the user sees. The remembered key is decided:
 * its further versions are passed over.
 */
static struct status find_forward(struct lsm_cursor *c)
{
    for (;;) {
        TRY(jump(c));
        const struct lsm_entry *e = &c->merge->entry;
        if (!c->merge->is_valid || is_past_upper(c, e->key))
            return status_ok();
        bool is_decided = c->has_found && is_remembered(c, e->key);
        if (e->version <= c->at && !is_decided) {
            TRY(remember_key(c, e->key));
            c->has_found = true; /* Whatever the answer. */
            c->steps = 0;
            if (is_seen(c, e)) {
                c->shown = *e;
                c->is_valid = true;
                return status_ok();
            }
        } else {
            TRY(is_decided ? pass_decided(c) : pass(c, e->key, JUMP_TO_AT));
        }
        if (c->jump == JUMP_NONE)
            TRY(lsm_iter_next(c->merge));
    }
}

/* Back from where the merge stands to the next key the user sees. Versions come oldest first: those
 * newer than the cursor's are the last of their key. */
static struct status find_backward(struct lsm_cursor *c)
{
    for (;;) {
        TRY(jump(c));
        const struct lsm_entry *e = &c->merge->entry;
        bool is_out = !c->merge->is_valid || is_before_lower(c, e->key);
        if (c->has_found && (is_out || !is_remembered(c, e->key))) {
            if (is_seen(c, &c->shown)) {
                c->is_valid = true;
                return status_ok();
            }
            c->has_found = false;
        }
        if (is_out)
            return status_ok();
        if (c->has_found || e->version > c->at)
            TRY(pass(c, e->key, e->version <= c->at ? JUMP_NEWEST : JUMP_BEFORE));
        if (e->version <= c->at)
            TRY(keep_copy(c, e));
        if (c->jump == JUMP_NONE)
            TRY(lsm_iter_prev(c->merge));
    }
}

/* ---- Moves -------------------------------------------------------------------------------- */

/* Begin the move, or go on with it after AGAIN. */
static struct status begin(struct lsm_cursor *c, enum cursor_move move)
{
    if (failed(c->failure))
        return c->failure;
    if (c->move != move) {
        c->move = move;
        c->is_positioned = false;
        c->jump = JUMP_NONE;
        c->steps = 0;
        fetch_reset(&c->value_fetch);
    }
    c->waiting = &c->fetch;
    c->is_valid = false;
    return c->has_sets ? status_ok() : gather_sets(c);
}

/* The move answered s: it is over unless that is AGAIN. */
static struct status finish(struct lsm_cursor *c, struct status s)
{
    if (s.code == ST_AGAIN)
        return s;
    c->move = MOVE_NONE;
    if (failed(s)) {
        c->failure = s;
        c->is_valid = false;
    }
    return s;
}

static struct status run_forward(struct lsm_cursor *c, struct bytes from)
{
    if (!c->is_positioned) {
        TRY(lsm_iter_seek(c->merge, from, UINT64_MAX));
        c->is_positioned = true;
        c->is_backward = false;
        c->has_found = false;
    }
    return find_forward(c);
}

/* To the last key before (from, version). */
static struct status run_backward(struct lsm_cursor *c, struct bytes from, uint64_t version)
{
    if (!c->is_positioned) {
        TRY(lsm_iter_seek_before(c->merge, from, version));
        c->is_positioned = true;
        c->is_backward = true;
        c->has_found = false;
    }
    return find_backward(c);
}

/* keyspace | key, in storage of the cursor's that lasts until the move is over. */
static struct status compose(struct lsm_cursor *c, struct bytes key, struct bytes *out)
{
    if (key.size > LSM_USER_KEY_MAX)
        return status_of(ST_INVALID);
    buf_reset(&c->target);
    buf_append(&c->target, bytes_of(c->lower, c->keyspace_size));
    buf_append(&c->target, key);
    if (c->target.is_failed)
        return status_of(ST_NO_MEMORY);
    *out = buf_bytes(&c->target);
    return status_ok();
}

struct status lsm_cursor_seek(struct lsm_cursor *c, struct bytes key)
{
    struct bytes from;
    struct status s = begin(c, MOVE_SEEK);
    if (succeeded(s))
        s = compose(c, key, &from);
    if (succeeded(s))
        s = run_forward(c, is_before_lower(c, from) ? bytes_of(c->lower, c->lower_size) : from);
    return finish(c, s);
}

struct status lsm_cursor_seek_for_prev(struct lsm_cursor *c, struct bytes key)
{
    struct bytes from;
    struct status s = begin(c, MOVE_SEEK_BACK);
    if (succeeded(s))
        s = compose(c, key, &from);
    /* Version 0 is after every version of key, so "before it" ends with key itself. */
    if (succeeded(s))
        s = is_past_upper(c, from) ? run_backward(c, bytes_of(c->upper, c->upper_size), UINT64_MAX)
                                   : run_backward(c, from, 0);
    return finish(c, s);
}

struct status lsm_cursor_first(struct lsm_cursor *c)
{
    struct status s = begin(c, MOVE_SEEK);
    if (succeeded(s))
        s = run_forward(c, bytes_of(c->lower, c->lower_size));
    return finish(c, s);
}

struct status lsm_cursor_last(struct lsm_cursor *c)
{
    struct status s = begin(c, MOVE_SEEK_BACK);
    if (succeeded(s))
        s = run_backward(c, bytes_of(c->upper, c->upper_size), UINT64_MAX);
    return finish(c, s);
}

struct status lsm_cursor_next(struct lsm_cursor *c)
{
    CHECK(c->is_valid || c->move == MOVE_NEXT);
    bool was_backward = c->is_backward;
    struct status s = begin(c, MOVE_NEXT);

    if (succeeded(s) && was_backward && !c->is_positioned) {
        /* The merge stands before the shown key: back to it, and past it as decided. */
        s = lsm_iter_seek(c->merge, buf_bytes(&c->key), UINT64_MAX);
        if (succeeded(s)) {
            c->is_backward = false;
            c->has_found = true;
        }
    }
    if (succeeded(s)) {
        c->is_positioned = true;
        s = find_forward(c);
    }
    return finish(c, s);
}

struct status lsm_cursor_prev(struct lsm_cursor *c)
{
    CHECK(c->is_valid || c->move == MOVE_PREV);
    bool was_backward = c->is_backward;
    struct status s = begin(c, MOVE_PREV);

    if (succeeded(s) && !c->is_positioned && !was_backward) {
        s = lsm_iter_seek_before(c->merge, buf_bytes(&c->key), UINT64_MAX);
        c->is_backward = succeeded(s);
    }
    if (succeeded(s) && !c->is_positioned) {
        c->is_positioned = true;
        c->has_found = false;
    }
    if (succeeded(s))
        s = find_backward(c);
    return finish(c, s);
}

/* ---- What is shown ------------------------------------------------------------------------ */

bool lsm_cursor_is_valid(const struct lsm_cursor *c)
{
    return c->is_valid;
}

struct bytes lsm_cursor_key(const struct lsm_cursor *c)
{
    CHECK(c->is_valid);
    return bytes_skip(c->shown.key, c->keyspace_size);
}

void lsm_cursor_meta(const struct lsm_cursor *c, struct lsm_value *out)
{
    CHECK(c->is_valid);
    *out = (struct lsm_value) {
        .value = c->shown.kind == LSM_PUT ? c->shown.value : bytes_of(NULL, 0),
        .size = lsm_entry_value_size(&c->shown),
        .version = c->shown.version,
        .expire_ms = c->shown.expire_ms,
        .type = c->shown.type,
    };
}

struct status lsm_cursor_value(struct lsm_cursor *c, struct lsm_value *out)
{
    CHECK(c->is_valid);
    c->waiting = &c->value_fetch;
    return lsm_resolve(c->lsm, &c->value_fetch, &c->shown, c->keys_only ? LSM_READ_META : 0, out);
}
