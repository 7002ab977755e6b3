#include "tests/crash/support/store_work.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

enum { SIZE_SMALL = 24, SIZE_BIG = 700, KEY_MAX = 8, PATH_SIZE = 32 };
enum value_class { SMALL, BIG, LARGE, CLASSES };
static const size_t sizes[CLASSES] = { SIZE_SMALL, SIZE_BIG, STORE_VALUE_MAX };

/* ---- What a write writes ------------------------------------------------------------------ */

struct change {
    unsigned key;
    enum value_class value;
    bool is_delete;
};

/* The points of a write; returns how many there are. */
static unsigned changes_of(char op, unsigned n, struct change out[STORE_KEYS])
{
    switch (op) {
    case 'p':
        out[0] = (struct change) { .key = n % STORE_KEYS, .value = SMALL };
        return 1;
    case 'P':
        out[0] = (struct change) { .key = (n + 1) % STORE_KEYS, .value = BIG };
        return 1;
    case 'd':
        out[0] = (struct change) { .key = 0, .is_delete = true };
        return 1;
    case 'b':
        out[0] = (struct change) { .key = 0, .value = SMALL };
        out[1] = (struct change) { .key = 1, .value = LARGE };
        out[2] = (struct change) { .key = 2, .value = LARGE };
        out[3] = (struct change) { .key = 3, .value = BIG };
        return 4;
    case 'w':
        out[0] = (struct change) { .key = 0, .value = SMALL };
        out[1] = (struct change) { .key = 1, .value = BIG };
        return 2;
    default:
        return 0;
    }
}

/* Of a range delete: keys in [begin, end). */
enum { RANGE_BEGIN = 1, RANGE_END = 3 };

static unsigned number_of(unsigned n, enum value_class value)
{
    return (n + 1) * CLASSES + value;
}

bool store_writes(char op)
{
    return strchr("pPdbwrk", op) != NULL;
}

bool store_contents_equal(const struct store_contents *a, const struct store_contents *b)
{
    return memcmp(a->values, b->values, sizeof a->values) == 0 && a->side == b->side &&
           a->keyspaces == b->keyspaces;
}

void store_contents_apply(struct store_contents *c, char op, unsigned n)
{
    struct change changes[STORE_KEYS];
    unsigned count = changes_of(op, n, changes);

    for (unsigned i = 0; i < count; i++)
        c->values[changes[i].key] = changes[i].is_delete ? 0 : number_of(n, changes[i].value);
    if (op == 'r') {
        for (unsigned i = RANGE_BEGIN; i < RANGE_END; i++)
            c->values[i] = 0;
    }
    if (op == 'k')
        c->keyspaces |= UINT64_C(1) << n;
    else if (store_writes(op))
        c->side = n + 1;
}

static struct bytes key_of(unsigned i, char out[KEY_MAX])
{
    return bytes_of(out, (size_t)snprintf(out, KEY_MAX, "k%u", i));
}

static size_t size_of(unsigned number)
{
    return sizes[number % CLASSES];
}

static void make_value(unsigned number, uint8_t *out)
{
    memset(out, (int)('a' + number % 26), size_of(number));
    put_u32(out, number);
}

static bool is_value(struct bytes value, unsigned number)
{
    const uint8_t *p = value.data;
    if (value.size != size_of(number) || get_u32(p) != number || p[4] != 'a' + number % 26)
        return false;
    return memcmp(p + 4, p + 5, value.size - 5) == 0; /* All bytes from the fourth on are equal. */
}

/* ---- Life --------------------------------------------------------------------------------- */

static struct status load_side(void *context, struct bytes saved)
{
    struct store_work *w = context;
    if (saved.size != 0 && saved.size != 4)
        return status_of(ST_CORRUPT);
    w->side = saved.size == 0 ? 0 : get_u32(saved.data);
    return status_ok();
}

static void on_side(void *context, uint64_t version, struct bytes side)
{
    struct store_work *w = context;
    (void)version;
    w->side = side.size == 4 ? get_u32(side.data) : UINT32_MAX;
}

static struct status save_side(void *context, struct buf *out)
{
    const struct store_work *w = context;
    buf_append_u32(out, w->side);
    return status_ok();
}

struct status store_work_open(struct store_work *w, struct io_sim *sim,
                              const struct store_work_options *options)
{
    const struct lsm_sidecar sidecar = {
        .context = w, .load = load_side, .on_side = on_side, .save = save_side
    };
    const struct sim_store_options o = {
        .dir = options->dir == NULL ? "/s" : options->dir,
        .cache_size = 128 << 10,
        .alloc = options->alloc,
        .sidecar = &sidecar,
        .must_exist = options->must_exist,
        .lsm = { .log = { .mode = options->mode, .segment_size = 16 << 10 },
                 .write_buffer_size = 64 << 10,
                 .log_size_max = 64 << 10,
                 .separation_min = 512,
                 .block_size = 512,
                 .table_size = 16 << 10,
                 .level_base_size = 16 << 10,
                 .l0_compact = 1,
                 .manifest_slack = 64,
                 .reserve_size = 16 << 10 },
    };
    w->options = *options;
    w->sim = sim;
    w->is_unknown = false;
    struct status s = sim_store_open(&w->store, sim, &o);
    w->is_open = succeeded(s);
    return s;
}

void store_work_close(struct store_work *w)
{
    if (w->is_open)
        sim_store_close(&w->store);
    w->is_open = false;
}

/* ---- Operations --------------------------------------------------------------------------- */

static struct status add_change(struct lsm_batch *b, const struct change *c, unsigned n)
{
    char text[KEY_MAX];
    struct bytes key = key_of(c->key, text);
    uint8_t value[STORE_VALUE_MAX];
    unsigned number = number_of(n, c->value);

    if (c->is_delete)
        return lsm_batch_delete(b, 0, key);
    make_value(number, value);
    return lsm_batch_put(
        b, &(struct lsm_put) { .key = key, .value = bytes_of(value, size_of(number)) });
}

static struct status write_batch(struct store_work *w, char op, unsigned n)
{
    struct lsm_batch *b = sim_store_batch(&w->store);
    struct change changes[STORE_KEYS];
    unsigned count = changes_of(op, n, changes);
    char begin[KEY_MAX];
    char end[KEY_MAX];
    uint8_t side[4];

    for (unsigned i = 0; i < count; i++)
        TRY(add_change(b, &changes[i], n));
    if (op == 'r')
        TRY(lsm_batch_delete_range(b, 0, key_of(RANGE_BEGIN, begin), key_of(RANGE_END, end)));
    put_u32(side, n + 1);
    TRY(lsm_batch_side(b, bytes_of(side, sizeof side)));
    struct status s = sim_store_commit(&w->store);
    w->is_unknown = failed(s) && sim_store_is_unknown(&w->store);
    return s;
}

static struct status create_keyspace(struct store_work *w, unsigned n)
{
    char name[KEY_MAX];
    uint32_t id;

    (void)snprintf(name, sizeof name, "ks%u", n);
    struct status s = lsm_keyspace_create(w->store.lsm, w->store.ring, name, &id);
    /* A manifest edit: whether one that poisoned the store is there, the next open decides. */
    w->is_unknown = failed(s) && lsm_failure(w->store.lsm) != NULL;
    return s;
}

void store_work_copy_dir(unsigned n, char *out_path, size_t size)
{
    (void)snprintf(out_path, size, "/copy%u", n);
}

static struct status take_copy(struct store_work *w, unsigned n)
{
    char path[PATH_SIZE];

    store_work_copy_dir(n, path, sizeof path);
    TRY(sim_store_flush(&w->store, false));
    return lsm_checkpoint(w->store.lsm, w->store.ring, path, &w->store.err);
}

static struct status reopen(struct store_work *w)
{
    struct store_work_options options = w->options;
    store_work_close(w);
    return store_work_open(w, w->sim, &options);
}

struct status store_work_do(struct store_work *w, char op, unsigned n)
{
    w->is_unknown = false;
    switch (op) {
    case 'f':
        return sim_store_flush(&w->store, false);
    case 's':
        return sim_store_flush(&w->store, true);
    case 'm':
        TRY(sim_store_flush(&w->store, false));
        return sim_store_compact(&w->store);
    case 'o':
        return reopen(w);
    case 'c':
        return take_copy(w, n);
    case 'k':
        return create_keyspace(w, n);
    default:
        CHECK(store_writes(op));
        return write_batch(w, op, n);
    }
}

/* ---- Looking ------------------------------------------------------------------------------ */

struct look {
    struct store_work *work;
    const struct store_contents *contents;
    enum store_answer answer;
    struct errbuf *why;
};

static void refuse(struct look *l, const char *what, struct status s, const struct errbuf *err)
{
    if (l->answer != STORE_RIGHT)
        return;
    l->answer = STORE_REFUSED;
    errbuf_set(l->why, "%s: %s: %s", what, status_name(s.code), err == NULL ? "" : err->text);
}

__attribute__((format(printf, 2, 3))) static void wrong(struct look *l, const char *format, ...)
{
    char text[ERRBUF_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    l->answer = STORE_WRONG;
    errbuf_set(l->why, "%s", text);
}

/* What a read of key i says, against what it must. */
static void judge(struct look *l, const char *what, unsigned i, struct status s,
                  const struct lsm_value *got, const struct errbuf *err)
{
    unsigned number = l->contents->values[i];

    if (failed(s) && s.code != ST_NOT_FOUND)
        refuse(l, what, s, err);
    else if (s.code == ST_NOT_FOUND && number != 0)
        wrong(l, "%s does not find key %u", what, i);
    else if (succeeded(s) && number == 0)
        wrong(l, "%s finds key %u, which is not there", what, i);
    else if (succeeded(s) && !is_value(got->value, number))
        wrong(l, "%s gives key %u %zu wrong bytes (value %u was expected)", what, i,
              got->value.size, number);
}

static void look_by_gets(struct look *l)
{
    struct lsm_reader *r = &l->work->store.reader;

    for (unsigned i = 0; i < STORE_KEYS && l->answer != STORE_WRONG; i++) {
        char text[KEY_MAX];
        struct lsm_value got;
        struct status s = lsm_get(r, 0, key_of(i, text), UINT64_MAX, 0, &got);
        judge(l, "get", i, s, &got, &r->fetch.err);
        lsm_reader_reset(r);
    }
}

static void look_at_many(struct look *l)
{
    struct lsm_reader *r = &l->work->store.reader;
    char text[STORE_KEYS][KEY_MAX];
    struct bytes keys[STORE_KEYS];
    struct status each[STORE_KEYS];
    struct lsm_value got[STORE_KEYS];

    for (unsigned i = 0; i < STORE_KEYS; i++)
        keys[i] = key_of(i, text[i]);
    const struct lsm_multi_get all = { .keys = keys, .count = STORE_KEYS, .at = UINT64_MAX };
    struct status s = lsm_multi_get(r, &all, each, got);
    if (failed(s))
        refuse(l, "multi_get", s, &r->fetch.err);
    for (unsigned i = 0; i < STORE_KEYS && succeeded(s) && l->answer != STORE_WRONG; i++)
        judge(l, "multi_get", i, each[i], &got[i], &r->fetch.err);
    lsm_reader_reset(r);
}

/* The next key in this direction that holds something; STORE_KEYS if there is none. */
static unsigned next_key(const struct look *l, unsigned after, bool is_forward)
{
    unsigned i = after;
    do {
        if (is_forward ? ++i == STORE_KEYS : i-- == 0)
            return STORE_KEYS;
    } while (l->contents->values[i] == 0);
    return i;
}

/* At the key that must come next, with its value? */
static bool judge_place(struct look *l, struct lsm_cursor *c, unsigned expected)
{
    char text[KEY_MAX];
    struct lsm_value got;

    if (lsm_cursor_is_valid(c) != (expected < STORE_KEYS)) {
        wrong(l, "a cursor ends at the wrong place (key %u was expected)", expected);
        return false;
    }
    if (expected == STORE_KEYS)
        return false;
    if (!bytes_equal(lsm_cursor_key(c), key_of(expected, text))) {
        wrong(l, "a cursor is at another key than %u", expected);
        return false;
    }
    struct status s = lsm_cursor_value(c, &got);
    judge(l, "cursor", expected, s.code == ST_NOT_FOUND ? status_of(ST_CORRUPT) : s, &got,
          &lsm_cursor_fetch(c)->err);
    return l->answer != STORE_WRONG;
}

static void walk(struct look *l, struct lsm_cursor *c, bool is_forward)
{
    unsigned expected = next_key(l, is_forward ? UINT32_MAX : STORE_KEYS, is_forward);
    struct status s = is_forward ? lsm_cursor_first(c) : lsm_cursor_last(c);

    while (succeeded(s) && judge_place(l, c, expected)) {
        expected = next_key(l, expected, is_forward);
        s = is_forward ? lsm_cursor_next(c) : lsm_cursor_prev(c);
    }
    if (failed(s))
        refuse(l, "cursor", s, &lsm_cursor_fetch(c)->err);
}

static void look_by_cursor(struct look *l)
{
    struct sim_store *store = &l->work->store;
    const struct lsm_cursor_options options = { .at = UINT64_MAX, .ring = store->ring };
    struct lsm_cursor *c = NULL;
    struct status s = lsm_cursor_open(store->lsm, &options, &c);

    if (failed(s))
        refuse(l, "cursor", s, NULL);
    else
        walk(l, c, true);
    if (succeeded(s) && l->answer != STORE_WRONG)
        walk(l, c, false);
    lsm_cursor_close(c);
}

static void note_keyspace(void *context, const char *name, uint32_t id)
{
    uint64_t *found = context;
    unsigned n;
    if (id != 0)
        *found |= sscanf(name, "ks%u", &n) == 1 && n < 64 ? UINT64_C(1) << n : UINT64_MAX;
}

static bool holds_the_rest(const struct store_work *w, const struct store_contents *c)
{
    uint64_t keyspaces = 0;
    lsm_keyspace_list(w->store.lsm, note_keyspace, &keyspaces);
    return w->side == c->side && keyspaces == c->keyspaces;
}

enum store_answer store_work_look(struct store_work *w, const struct store_contents *c,
                                  struct errbuf *why)
{
    struct look l = { .work = w, .contents = c, .why = why };

    if (!holds_the_rest(w, c))
        wrong(&l, "the sidecar was told %u, not %u, or a keyspace differs", w->side, c->side);
    if (l.answer != STORE_WRONG)
        look_by_gets(&l);
    if (l.answer != STORE_WRONG)
        look_at_many(&l);
    if (l.answer != STORE_WRONG)
        look_by_cursor(&l);
    return l.answer;
}

bool store_work_holds(struct store_work *w, const struct store_contents *c)
{
    struct errbuf why;
    struct look l = { .work = w, .contents = c, .why = &why };

    if (!holds_the_rest(w, c))
        return false;
    look_by_gets(&l);
    return l.answer == STORE_RIGHT;
}

/* ---- Going on ----------------------------------------------------------------------------- */

bool store_work_proves(struct store_work *w, const struct store_contents *c, struct errbuf *why)
{
    struct errbuf err = { "" };
    struct status s = lsm_verify(w->store.lsm, w->store.ring, &err);

    if (failed(s))
        errbuf_set(why, "its disk: %s: %s", status_name(s.code), err.text);
    return succeeded(s) && store_work_look(w, c, why) == STORE_RIGHT;
}

bool store_work_goes_on(struct store_work *w, const struct store_contents *c, struct errbuf *why)
{
    struct store_contents now = *c;

    store_contents_apply(&now, 'w', STORE_WRITE_AFTERWARDS);
    struct status s = store_work_do(w, 'w', STORE_WRITE_AFTERWARDS);
    if (succeeded(s)) {
        io_sim_mark(w->sim, "work", STORE_WRITE_AFTERWARDS);
        s = store_work_do(w, 's', 0);
    }
    if (failed(s)) {
        errbuf_set(why, "it does not take writes: %s", status_name(s.code));
        return false;
    }
    s = store_work_do(w, 'o', 0);
    if (failed(s)) {
        errbuf_set(why, "after more writes and a reopening: %s", w->store.err.text);
        return false;
    }
    return store_work_look(w, &now, why) == STORE_RIGHT;
}
