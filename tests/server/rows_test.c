/*
 * Rows kept over the tree, as clients see them: commands of all kinds beside a plain model, while
 * rows come and go, keys expire, databases change places and are flushed, memtables become tables
 * and tables are merged, and the server starts anew.
 */
#include "support/sim_server.h"

#include "tests/support/must.h"

#include "base/rand.h"

#include "cache/cache.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum {
    DATABASES = 3,
    KEYS = 12,
    BATCHES = 150,
    BATCH_MAX = 40,
    LATENCY_NS = 500 * 1000,
    FAR_OFFSET = 1100000, /* A string with its last byte here is deleted as a range. */
    VALUE_MAX = 70000,
    MARGIN_MS = 2000, /* No key expires while a batch runs. */
};

/* ---- What is not durable is not told -------------------------------------------------------- */

static struct io_sim *make_machine(void)
{
    return io_sim_create(
        &(struct io_sim_options) { .latency_min_ns = LATENCY_NS, .latency_max_ns = LATENCY_NS },
        NULL);
}

static void let_run(struct sim_server *s)
{
    for (int i = 0; i < 5; i++)
        sim_server_turn(s, 0);
}

static void check_silent(struct sim_server *s, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        const char *reply = sim_client_take(s, i);
        cr_assert_str_eq(reply, "", "client %u: %s", i, reply);
    }
}

/* Whoever saw that a database was flushed, or swapped, or has another size, waits for that, as who
 * saw a row does; who saw nothing of it does not. */
Test(server_rows, what_was_seen_of_databases_is_durable_before_it_is_told)
{
    const struct io_sim_choice nothing = { .keep = IO_SIM_KEEP_NONE };
    struct io_sim *sim = make_machine();
    struct sim_server s;

    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET a 1"), "+OK\r\n");
    for (unsigned i = 1; i < 8; i++)
        cr_assert_str_eq(sim_client_ask(&s, i, "PING"), "+PONG\r\n");
    static const char *const CHANGES[] = { "SWAPDB 0 1", "SWAPDB 1 0", "FLUSHALL" };
    for (int i = 0; i < 3; i++) {
        bool is_there = i == 1;
        sim_client_say(&s, 0, CHANGES[i]);
        let_run(&s);
        sim_client_say(&s, 1, "GET a");
        sim_client_say(&s, 2, "DBSIZE");
        sim_client_say(&s, 3, "KEYS *");
        sim_client_say(&s, 4, "EXISTS a");
        sim_client_say(&s, 5, "MULTI\r\nSTRLEN a\r\nEXEC");
        sim_client_say(&s, 6, "PING");
        sim_client_say(&s, 7, "INFO keyspace");
        let_run(&s);
        check_silent(&s, 0, 5);
        cr_assert_str_eq(sim_client_take(&s, 5), "+OK\r\n+QUEUED\r\n");
        cr_assert_str_eq(sim_client_take(&s, 6), "+PONG\r\n");
        cr_assert_eq(sim_client_take(&s, 7)[0], '$');
        if (i == 2) {
            struct io_sim *other = io_sim_crash(sim, &nothing, NULL);
            static struct sim_server after;
            sim_server_open(&after, other, NULL);
            cr_assert_str_eq(sim_client_ask(&after, 0, "GET a"), "$1\r\n1\r\n");
            sim_server_close(&after);
            io_sim_destroy(other);
        }
        sim_server_settle(&s);
        cr_assert_str_eq(sim_client_take(&s, 0), "+OK\r\n");
        cr_assert_str_eq(sim_client_take(&s, 1), is_there ? "$1\r\n1\r\n" : "$-1\r\n");
        cr_assert_str_eq(sim_client_take(&s, 2), is_there ? ":1\r\n" : ":0\r\n");
        cr_assert_str_eq(sim_client_take(&s, 3), is_there ? "*1\r\n$1\r\na\r\n" : "*0\r\n");
        cr_assert_str_eq(sim_client_take(&s, 4), is_there ? ":1\r\n" : ":0\r\n");
        cr_assert_str_eq(sim_client_take(&s, 5), is_there ? "*1\r\n:1\r\n" : "*1\r\n:0\r\n");
    }
    sim_client_say(&s, 0, "SET b 1");
    let_run(&s);
    sim_client_say(&s, 1, "DBSIZE");
    sim_client_say(&s, 2, "GET a");
    let_run(&s);
    check_silent(&s, 0, 2);
    cr_assert_str_eq(sim_client_take(&s, 2), "$-1\r\n", "another key");
    sim_server_settle(&s);
    cr_assert_str_eq(sim_client_take(&s, 1), ":1\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- A command that waits ------------------------------------------------------------------- */

/* A transaction that waits many times: for commands that no scout takes. */
static void begin_long_wait(struct sim_server *s, unsigned client)
{
    s->server.config.enable_debug_command = CONFIG_EVERYBODY;
    sim_client_send(s, client, bytes_str("MULTI"));
    for (int i = 0; i < 400; i += 20) {
        char line[32];
        (void)snprintf(line, sizeof line, "\r\nDEBUG OBJECT key:%d", i);
        sim_client_send(s, client, bytes_str(line));
    }
    sim_client_send(s, client, bytes_str("\r\nGET k\r\nEXEC\r\n"));
    for (int i = 0; s->server.reactor.stats.commands_blocked == 0; i++) {
        cr_assert_lt(i, 10, "it did not have to wait");
        sim_server_turn(s, 0);
    }
    let_run(s);
    (void)sim_client_take(s, client);
}

/*
 * While it waits for a read, another's value that is too large to be kept comes to another
 * memtable: what the command reads when it runs again, and leaves over the tree, is that value.
 */
Test(server_rows, a_command_that_waited_reads_the_newest)
{
    static char line[4096];
    struct io_sim *sim = make_machine();
    struct sim_server s;
    uint64_t ticket;

    sim_server_open(&s, sim, NULL);
    for (int i = 0; i < 400; i++) {
        (void)snprintf(line, sizeof line, "SET key:%d %0500d", i, i);
        sim_client_say(&s, 0, line);
    }
    sim_server_flush(&s);
    sim_server_close(&s);
    sim_server_open(&s, sim, NULL);
    cr_assert_str_eq(sim_client_ask(&s, 0, "SET k small"), "+OK\r\n");
    sim_server_work(&s); /* The log's next segment is ready. */

    begin_long_wait(&s, 1);
    MUST(lsm_freeze(s.server.store->lsm, &ticket));
    (void)snprintf(line, sizeof line, "SET k %03000d", 7);
    sim_client_say(&s, 0, line);
    const char *written = "";
    for (int i = 0; i < 100 && written[0] == '\0'; i++) {
        sim_server_turn(&s, LATENCY_NS / 10);
        written = sim_client_take(&s, 0);
    }
    cr_assert_str_eq(written, "+OK\r\n");
    check_silent(&s, 1, 1);
    sim_server_settle(&s);
    (void)sim_client_take(&s, 1);
    cr_assert_str_eq(sim_client_ask(&s, 2, "STRLEN k"), ":3000\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 2, "GETRANGE k -2 -1"), "$2\r\n07\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}

/* ---- Beside a model ------------------------------------------------------------------------- */

struct cell {
    uint32_t value; /* 0: there is none. */
    bool is_far;    /* Its last byte says it, behind a hole. */
    uint64_t expire_ms;
};

struct fixture {
    struct io_sim *sim;
    struct sim_server s;
    struct sim_server_options options;
    struct cell cells[DATABASES][KEYS];
    unsigned database; /* Selected. */
    struct rand rand;
    struct buf said;
    struct buf expected;
};

static uint64_t now_ms(struct fixture *f)
{
    return clock_wall_ms(io_sim_clock(f->sim));
}

static bool is_live(struct fixture *f, const struct cell *c)
{
    return c->value != 0 && (c->expire_ms == 0 || c->expire_ms > now_ms(f));
}

static size_t size_of(uint32_t value)
{
    static const size_t SIZES[] = { 1, 10, 300, 1024, 1025, 3000, VALUE_MAX };
    return SIZES[value % (sizeof SIZES / sizeof SIZES[0])];
}

static void append_value(struct buf *b, uint32_t value)
{
    size_t size = size_of(value);
    uint8_t *room = buf_extend(b, size);
    for (size_t i = 0; i < size; i++)
        room[i] = (uint8_t)('a' + (value >> 4 * (i % 4)) % 16);
}

static void say(struct fixture *f, const char *text)
{
    buf_append(&f->said, bytes_str(text));
}

static void expect(struct fixture *f, const char *text)
{
    buf_append(&f->expected, bytes_str(text));
}

static void expect_value(struct fixture *f, const struct cell *c)
{
    if (!is_live(f, c)) {
        expect(f, c->is_far ? "$0\r\n\r\n" : "$-1\r\n");
    } else if (c->is_far) {
        buf_append_format(&f->expected, "$1\r\n%c\r\n", (char)('a' + c->value % 16));
    } else {
        buf_append_format(&f->expected, "$%zu\r\n", size_of(c->value));
        append_value(&f->expected, c->value);
        expect(f, "\r\n");
    }
}

static struct cell *any_cell(struct fixture *f, unsigned *out_key)
{
    *out_key = (unsigned)rand_below(&f->rand, KEYS);
    return &f->cells[f->database][*out_key];
}

static uint32_t any_value(struct fixture *f)
{
    return 1 + (uint32_t)rand_below(&f->rand, 1 << 30);
}

static void do_set(struct fixture *f)
{
    unsigned key;
    struct cell *c = any_cell(f, &key);
    bool keeps_ttl = rand_below(&f->rand, 4) == 0 && is_live(f, c);

    *c = (struct cell) { .value = any_value(f), .expire_ms = keeps_ttl ? c->expire_ms : 0 };
    while (size_of(c->value) == VALUE_MAX && rand_below(&f->rand, 8) != 0)
        c->value = any_value(f);
    buf_append_format(&f->said, "*%d\r\n$3\r\nSET\r\n$%d\r\nk%u\r\n$%zu\r\n", keeps_ttl ? 4 : 3,
                      key < 10 ? 2 : 3, key, size_of(c->value));
    append_value(&f->said, c->value);
    say(f, keeps_ttl ? "\r\n$7\r\nKEEPTTL\r\n" : "\r\n");
    expect(f, "+OK\r\n");
}

/* A string with a hole. */
static void do_set_far(struct fixture *f)
{
    unsigned key;
    struct cell *c = any_cell(f, &key);
    bool was_live = is_live(f, c);

    *c = (struct cell) { .value = any_value(f), .is_far = true };
    buf_append_format(&f->said, "DEL k%u\r\nSETRANGE k%u %d %c\r\n", key, key, FAR_OFFSET,
                      (char)('a' + c->value % 16));
    buf_append_format(&f->expected, ":%d\r\n:%d\r\n", was_live, FAR_OFFSET + 1);
}

static void do_get(struct fixture *f)
{
    unsigned key;
    const struct cell *c = any_cell(f, &key);

    buf_append_format(&f->said, c->is_far ? "GETRANGE k%u -1 -1\r\n" : "GET k%u\r\n", key);
    expect_value(f, c);
}

static void do_exists(struct fixture *f)
{
    unsigned a;
    unsigned b;
    const struct cell *first = any_cell(f, &a);
    const struct cell *second = any_cell(f, &b);

    buf_append_format(&f->said, "EXISTS k%u k%u\r\n", a, b);
    buf_append_format(&f->expected, ":%d\r\n", is_live(f, first) + is_live(f, second));
}

static void do_delete(struct fixture *f)
{
    unsigned key;
    struct cell *c = any_cell(f, &key);

    buf_append_format(&f->said, "DEL k%u\r\n", key);
    buf_append_format(&f->expected, ":%d\r\n", is_live(f, c));
    *c = (struct cell) { .value = 0 };
}

/* The clock goes on while it runs, so what is left cannot be foretold; when it ends can. */
static void do_expire(struct fixture *f)
{
    unsigned key;
    struct cell *c = any_cell(f, &key);
    uint64_t at_ms = now_ms(f) + MARGIN_MS + rand_below(&f->rand, 20) * 1000;

    buf_append_format(&f->said, "PEXPIREAT k%u %llu\r\n", key, (unsigned long long)at_ms);
    buf_append_format(&f->expected, ":%d\r\n", is_live(f, c));
    if (is_live(f, c))
        c->expire_ms = at_ms;
}

static void do_persist(struct fixture *f)
{
    unsigned key;
    struct cell *c = any_cell(f, &key);

    buf_append_format(&f->said, "PERSIST k%u\r\n", key);
    buf_append_format(&f->expected, ":%d\r\n", is_live(f, c) && c->expire_ms != 0);
    if (is_live(f, c))
        c->expire_ms = 0;
}

static void do_move(struct fixture *f)
{
    unsigned key;
    struct cell *from = any_cell(f, &key);
    unsigned number = (f->database + 1 + (unsigned)rand_below(&f->rand, DATABASES - 1)) % DATABASES;
    struct cell *to = &f->cells[number][key];
    bool moves = is_live(f, from) && !is_live(f, to);

    buf_append_format(&f->said, "MOVE k%u %u\r\n", key, number);
    buf_append_format(&f->expected, ":%d\r\n", moves);
    if (!moves)
        return;
    *to = *from;
    *from = (struct cell) { .value = 0 };
}

static void do_copy(struct fixture *f)
{
    unsigned a;
    unsigned b = (unsigned)rand_below(&f->rand, KEYS);
    const struct cell *from = any_cell(f, &a);
    unsigned number = (f->database + 1) % DATABASES;
    struct cell *to = &f->cells[number][b];
    bool replaces = rand_below(&f->rand, 2) == 0;
    bool copies = is_live(f, from) && (replaces || !is_live(f, to));

    buf_append_format(&f->said, "COPY k%u k%u DB %u%s\r\n", a, b, number,
                      replaces ? " REPLACE" : "");
    buf_append_format(&f->expected, ":%d\r\n", copies);
    if (copies)
        *to = *from;
}

static void do_rename(struct fixture *f)
{
    unsigned a;
    unsigned b;
    struct cell *from = any_cell(f, &a);
    struct cell *to = any_cell(f, &b);

    buf_append_format(&f->said, "RENAME k%u k%u\r\n", a, b);
    expect(f, is_live(f, from) ? "+OK\r\n" : "-ERR no such key\r\n");
    if (!is_live(f, from) || a == b)
        return;
    *to = *from;
    *from = (struct cell) { .value = 0 };
}

static void do_swap(struct fixture *f)
{
    unsigned a = (unsigned)rand_below(&f->rand, DATABASES);
    unsigned b = (unsigned)rand_below(&f->rand, DATABASES);
    struct cell kept[KEYS];

    buf_append_format(&f->said, "SWAPDB %u %u\r\n", a, b);
    expect(f, "+OK\r\n");
    memcpy(kept, f->cells[a], sizeof kept);
    memmove(f->cells[a], f->cells[b], sizeof kept);
    memcpy(f->cells[b], kept, sizeof kept);
}

static void do_flush(struct fixture *f)
{
    bool is_all = rand_below(&f->rand, 3) == 0;

    say(f, is_all ? "FLUSHALL\r\n" : "FLUSHDB\r\n");
    expect(f, "+OK\r\n");
    memset(is_all ? f->cells : f->cells + f->database, 0,
           is_all ? sizeof f->cells : sizeof f->cells[0]);
}

static unsigned count_live(struct fixture *f, unsigned database)
{
    unsigned count = 0;

    for (unsigned i = 0; i < KEYS; i++)
        count += is_live(f, &f->cells[database][i]);
    return count;
}

static void do_dbsize(struct fixture *f)
{
    say(f, "DBSIZE\r\n");
    buf_append_format(&f->expected, ":%u\r\n", count_live(f, f->database));
}

static void do_select(struct fixture *f)
{
    f->database = (unsigned)rand_below(&f->rand, DATABASES);
    buf_append_format(&f->said, "SELECT %u\r\n", f->database);
    expect(f, "+OK\r\n");
}

static void do_any(struct fixture *f)
{
    static void (*const COMMANDS[])(struct fixture * f) = {
        do_set,  do_set,    do_set,     do_set,    do_set,    do_get,    do_get,
        do_get,  do_get,    do_get,     do_get,    do_get,    do_get,    do_exists,
        do_move, do_copy,   do_copy,    do_delete, do_delete, do_move,   do_rename,
        do_swap, do_select, do_persist, do_dbsize, do_expire, do_expire,
    };
    uint64_t i = rand_below(&f->rand, 200);

    if (i == 0)
        do_flush(f);
    else if (i <= 4)
        do_set_far(f);
    else
        COMMANDS[i % (sizeof COMMANDS / sizeof COMMANDS[0])](f);
}

/* A transaction: its commands' replies come in an array, after what says that they wait. A pair of
 * commands of one operation is two. */
static void do_exec(struct fixture *f)
{
    struct buf outside = f->expected;
    unsigned count = 0;

    say(f, "MULTI\r\n");
    buf_init(&f->expected, alloc_heap(), 64 << 20);
    for (uint64_t n = 1 + rand_below(&f->rand, 8); n > 0; n--, count++)
        (rand_below(&f->rand, 2) == 0   ? do_get
         : rand_below(&f->rand, 8) == 0 ? do_flush
                                        : do_set)(f);
    say(f, "EXEC\r\n");
    buf_append(&outside, bytes_str("+OK\r\n"));
    for (unsigned i = 0; i < count; i++)
        buf_append(&outside, bytes_str("+QUEUED\r\n"));
    buf_append_format(&outside, "*%u\r\n", count);
    buf_append(&outside, buf_bytes(&f->expected));
    buf_deinit(&f->expected);
    f->expected = outside;
}

/* A pipeline, and what it is answered. */
static void run_batch(struct fixture *f)
{
    uint64_t count = 1 + rand_below(&f->rand, BATCH_MAX);

    buf_reset(&f->said);
    buf_reset(&f->expected);
    for (uint64_t i = 0; i < count; i++) {
        if (rand_below(&f->rand, 12) == 0)
            do_exec(f);
        else
            do_any(f);
    }
    buf_append_u8(&f->expected, 0);
    cr_assert(!f->said.is_failed && !f->expected.is_failed);
    sim_client_send(&f->s, 0, buf_bytes(&f->said));
    sim_server_settle(&f->s);
    const char *reply = sim_client_take(&f->s, 0);
    const char *expected = (const char *)f->expected.data;
    size_t same = 0;
    while (reply[same] == expected[same] && reply[same] != '\0')
        same++;
    cr_assert_eq(reply[same], expected[same], "'%.60s', not '%.60s'", reply + same,
                 expected + same);
}

/* What expires soon does so before. */
static void pass_time(struct fixture *f)
{
    io_sim_advance(f->sim, rand_below(&f->rand, 3000) * 1000 * 1000);
    for (unsigned i = 0; i < DATABASES * KEYS; i++) {
        struct cell *c = &f->cells[i / KEYS][i % KEYS];
        if (c->value == 0 || c->expire_ms == 0 || c->expire_ms > now_ms(f) + MARGIN_MS)
            continue;
        if (c->expire_ms > now_ms(f))
            io_sim_advance(f->sim, (c->expire_ms - now_ms(f)) * 1000 * 1000);
        *c = (struct cell) { .value = 0 };
        i = 0;
    }
    sim_server_settle(&f->s);
}

/* What iterates sees what is asked for by name. */
static void check_keys(struct fixture *f)
{
    char text[64];

    for (unsigned database = 0; database < DATABASES; database++) {
        (void)snprintf(text, sizeof text, "SELECT %u", database);
        cr_assert_str_eq(sim_client_ask(&f->s, 1, text), "+OK\r\n");
        const char *keys = sim_client_ask(&f->s, 1, "KEYS *");
        (void)snprintf(text, sizeof text, "*%u\r\n", count_live(f, database));
        cr_assert_eq(strncmp(keys, text, strlen(text)), 0, "%s, not %s", keys, text);
        for (unsigned i = 0; i < KEYS; i++) {
            (void)snprintf(text, sizeof text, "\r\nk%u\r\n", i);
            cr_assert_eq(strstr(keys, text) != NULL, is_live(f, &f->cells[database][i]));
        }
    }
}

static void compact(struct fixture *f)
{
    static const struct bytes all;
    uint64_t ticket;

    sim_server_flush(&f->s);
    MUST(lsm_compact(f->s.server.store->lsm, 0, all, all, &ticket));
    sim_server_work(&f->s);
}

static void play(struct fixture *f)
{
    switch (rand_below(&f->rand, 20)) {
    case 0:
        sim_client_leave(&f->s, 0);
        sim_server_close(&f->s);
        sim_server_open(&f->s, f->sim, &f->options);
        f->database = 0;
        break;
    case 1:
        compact(f);
        break;
    case 2:
    case 3:
        sim_server_flush(&f->s);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        pass_time(f);
        break;
    default:
        break;
    }
    sim_server_work(&f->s);
}

static void run(uint64_t seed, uint64_t rows_size)
{
    static struct fixture f;

    f = (struct fixture) { .sim = make_machine(),
                           .options = { .rows_size = rows_size,
                                        .cache_size = CACHE_SIZE_MIN,
                                        .lsm.write_buffer_size = 256 << 10 } };
    buf_init(&f.said, alloc_heap(), 64 << 20);
    buf_init(&f.expected, alloc_heap(), 64 << 20);
    rand_seed(&f.rand, seed);
    sim_server_open(&f.s, f.sim, &f.options);
    for (int i = 0; i < BATCHES; i++) {
        play(&f);
        run_batch(&f);
        if (i % 8 == 0)
            check_keys(&f);
    }
    sim_server_close(&f.s);
    io_sim_destroy(f.sim);
    buf_deinit(&f.said);
    buf_deinit(&f.expected);
}

Test(server_rows, with_room_for_all_rows_clients_see_what_a_model_says)
{
    run(1, 4 << 20);
}

Test(server_rows, with_room_for_few_rows_clients_see_what_a_model_says)
{
    run(2, 8 << 10);
}
