/*
 * When a reply leaves: the server itself over the simulated machine, and clients with pipelines,
 * MULTI and WATCH, one that reads what they write, one that is told of keyspace events, and one
 * that monitors. It is cut after every event of their work; that bytes are handed to a socket is
 * such an event (io_sim_set_tap), so no reply can leave between two cuts.
 *
 * Whatever anybody was sent by then is there afterwards: in durable mode after a power cut, in
 * relaxed mode after a kill, which what the kernel was given survives and a write under way need
 * not. In every state, of a power cut in relaxed mode too, what a connection did is there up to a
 * place and not beyond, a MULTI wholly or not at all, and a count under WATCH with all its claims;
 * no number of it was given to two.
 */
#include "base/check.h"

#include "tests/crash/support/enumerate.h"
#include "tests/server/support/sim_server.h"
#include "tests/support/sanitized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASTY = 2, /* It writes on without looking at replies. */
    WRITERS,
    READER = WRITERS,
    COUNTER, /* And one more. */
    SUBSCRIBER = COUNTER + 2,
    MONITOR,
    CLIENTS,
    UNITS = IS_SANITIZED ? 12 : 50, /* Of a writer, at least. */
    COUNTED = UNITS / 12,
    SEEDS = IS_SANITIZED ? 1 : 2,
    AHEAD_MAX = 200,  /* Replies that the hasty one is ahead of. */
    QUICK_TURNS = 50, /* One write of the log takes many turns, which find other things to do. */
    TURNS_MAX = 20000,
};
static_assert((int)QUICK_TURNS > (int)CONNECTION_SEGMENTS,
              "each with a ticket, they are more than fit");

/* What may be known of the store: that a number has been reached. */
enum fact { PLAIN, MULTI = PLAIN + WRITERS, COUNT = MULTI + WRITERS, FACTS };
static const char *const FACT_WORDS[FACTS] = { "plain 0", "plain 1", "plain 2", "multi 0",
                                               "multi 1", "multi 2", "count" };

struct client {
    struct buf told;       /* All that it was sent, */
    size_t read;           /* and how much of that was read, */
    uint64_t replies;      /* as so many replies. */
    uint64_t expected;     /* When these are there it goes on. */
    uint64_t units;        /* Of a writer. */
    uint64_t seen[FACTS];  /* Events, lines: by their number. */
    uint64_t before_watch; /* The count, by a counter. */
};

struct workload {
    struct sim_server server;
    struct client clients[CLIENTS];
    enum vlog_mode mode;
    uint64_t told[FACTS]; /* To anybody. */
    uint64_t claimed;     /* The greatest number that EXEC gave to somebody. */
    bool is_wrong;        /* It gave one twice. */
};

/* ---- What is done ------------------------------------------------------------------------------
 */

/* Every third unit of a writer is a MULTI, which counts one key up and says so in another; the
 * others count a third key up. */
static bool is_multi(uint64_t unit)
{
    return unit % 3 == 0;
}

static void do_unit(struct workload *w, unsigned writer)
{
    struct client *c = &w->clients[writer];
    char text[2048];

    c->units++;
    if (!is_multi(c->units)) {
        (void)snprintf(text, sizeof text, "INCR p%u", writer);
        c->expected++;
    } else {
        (void)snprintf(text, sizeof text, "MULTI\r\nINCR m%u\r\nSET b%u %llu:%01500d\r\nEXEC",
                       writer, writer, (unsigned long long)c->units / 3, 0);
        c->expected += 4;
    }
    sim_client_say(&w->server, writer, text);
}

static void write_on(struct workload *w, unsigned writer)
{
    static const unsigned DEPTHS[] = { 1, 4, 9 };
    unsigned depth = DEPTHS[w->clients[writer].units % 3];

    for (unsigned i = 0; i < depth; i++)
        do_unit(w, writer);
}

static void read_on(struct workload *w)
{
    char line[16];

    for (unsigned fact = 0; fact < COUNT; fact++) {
        (void)snprintf(line, sizeof line, "GET %c%u", fact < MULTI ? 'p' : 'm', fact % WRITERS);
        sim_client_say(&w->server, READER, line);
        w->clients[READER].expected++;
    }
}

enum { COUNTER_READS = 3, COUNTER_REPLIES = 7 };

/* First it looks how far the count is, then it claims the next number. */
static void count_on(struct workload *w, unsigned counter)
{
    struct client *c = &w->clients[counter];
    unsigned long long next = c->seen[COUNT] + 1;
    char text[128] = "GET count\r\nWATCH count\r\nGET count";

    if (c->replies % COUNTER_REPLIES == COUNTER_READS)
        (void)snprintf(text, sizeof text, "MULTI\r\nSET count %llu\r\nSET claim:%llu %u\r\nEXEC",
                       next, next, counter);
    c->expected +=
        c->replies % COUNTER_REPLIES == 0 ? COUNTER_READS : COUNTER_REPLIES - COUNTER_READS;
    sim_client_say(&w->server, counter, text);
}

static void go_on(struct workload *w)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        uint64_t waits_for = w->clients[i].expected - w->clients[i].replies;
        if (i == HASTY && waits_for < AHEAD_MAX)
            do_unit(w, i);
        if (i == HASTY || waits_for > 0)
            continue;
        if (i < WRITERS)
            write_on(w, i);
        else if (i == READER)
            read_on(w);
        else if (i < SUBSCRIBER)
            count_on(w, i);
    }
}

/* ---- What is told ------------------------------------------------------------------------------
 */

/* The number behind the mark that begins a reply. Its line ends within b. */
static long long count_at(struct bytes b, size_t at)
{
    char digits[24] = "";

    for (size_t i = 0; i + 1 < sizeof digits && b.data[at + 1 + i] != '\r'; i++)
        digits[i] = (char)b.data[at + 1 + i];
    return strtoll(digits, NULL, 10);
}

/* Behind the reply that begins at at; 0: there is only a part of it. */
static size_t reply_end(struct bytes b, size_t at)
{
    const uint8_t *line_end = at < b.size ? memchr(b.data + at, '\n', b.size - at) : NULL;

    if (line_end == NULL)
        return 0;
    size_t end = (size_t)(line_end - b.data) + 1;
    long long count = count_at(b, at);
    if (b.data[at] == '$' && count >= 0)
        end += (size_t)count + 2;
    for (long long i = 0; b.data[at] == '*' && i < count && end != 0; i++)
        end = reply_end(b, end);
    return end <= b.size ? end : 0;
}

static void learn(struct workload *w, unsigned fact, uint64_t number)
{
    if (number <= w->told[fact])
        return;
    w->told[fact] = number;
    io_sim_mark(w->server.sim, FACT_WORDS[fact], number);
}

/* In a bulk string; 0: it is null. */
static uint64_t number_in(const char *reply)
{
    return reply[1] == '-' ? 0 : strtoull(strchr(reply, '\n') + 1, NULL, 10);
}

/* Each event, and each line of the monitor, tells that its key was counted up once more. */
static void learn_of_key(struct workload *w, struct client *c, const char *text, const char *format)
{
    for (unsigned fact = 0; fact < COUNT; fact++) {
        char words[32];
        (void)snprintf(words, sizeof words, format, fact < MULTI ? 'p' : 'm', fact % WRITERS);
        if (strstr(text, words) != NULL)
            learn(w, fact, ++c->seen[fact]);
    }
    const char *claim = strstr(text, "\"claim:");
    if (claim != NULL)
        learn(w, COUNT, strtoull(claim + strlen("\"claim:"), NULL, 10));
}

static void hear_count(struct workload *w, struct client *c, const char *reply)
{
    uint64_t place = c->replies % COUNTER_REPLIES;

    if (place == 0)
        c->before_watch = number_in(reply);
    if (place == COUNTER_READS - 1)
        c->seen[COUNT] = number_in(reply);
    bool was_refused = place == COUNTER_REPLIES - 1 && reply[1] == '-';
    if (was_refused && c->before_watch == c->seen[COUNT])
        c->seen[COUNT]++; /* Since it looked another has. */
    if (place == COUNTER_REPLIES - 1 && !was_refused) {
        c->seen[COUNT]++;
        w->is_wrong |= c->seen[COUNT] <= w->claimed;
        w->claimed = c->seen[COUNT];
    }
    learn(w, COUNT, c->seen[COUNT]);
}

static void hear(struct workload *w, unsigned i, const char *reply)
{
    struct client *c = &w->clients[i];

    CHECK(reply[0] != '-');
    if (i < WRITERS && reply[0] == ':')
        learn(w, PLAIN + i, strtoull(reply + 1, NULL, 10));
    else if (i < WRITERS && reply[0] == '*')
        learn(w, MULTI + i, strtoull(strchr(reply, ':') + 1, NULL, 10));
    else if (i == READER)
        learn(w, c->replies % COUNT, number_in(reply));
    else if (i == COUNTER || i == COUNTER + 1)
        hear_count(w, c, reply);
    else if (i == SUBSCRIBER)
        learn_of_key(w, c, reply, "@0__:%c%u\r\n");
    else if (i == MONITOR)
        learn_of_key(w, c, reply, "\"INCR\" \"%c%u\"");
}

static void tap(void *context, const struct io_socket *to, struct bytes sent)
{
    struct workload *w = context;
    unsigned i = 0;
    size_t end;

    while (i < CLIENTS && w->server.clients[i].socket != to)
        i++;
    if (i == CLIENTS)
        return; /* To the server. */
    struct client *c = &w->clients[i];
    buf_append(&c->told, sent);
    while ((end = reply_end(buf_bytes(&c->told), c->read)) != 0) {
        size_t size = end - c->read;
        char *reply = malloc(size + 1);
        CHECK(reply != NULL);
        memcpy(reply, c->told.data + c->read, size);
        reply[size] = '\0';
        hear(w, i, reply);
        free(reply);
        c->read = end;
        c->replies++;
    }
}

/* ---- What is there afterwards ------------------------------------------------------------------
 */

static void open_server(struct sim_server *s, struct io_sim *sim, enum vlog_mode mode)
{
    const struct sim_server_options options = { .lsm = { .log = { .mode = mode,
                                                                  .segment_size = 64 << 10 },
                                                         .write_buffer_size = 1 << 20,
                                                         .separation_min = 512 } };

    sim_server_open(s, sim, &options);
}

static uint64_t get(struct sim_server *s, const char *format, unsigned number)
{
    char line[32];

    (void)snprintf(line, sizeof line, format, number);
    return number_in(sim_client_ask(s, 0, line));
}

/* A connection's units are there up to one of them. */
static bool is_prefix(uint64_t plain, uint64_t multi)
{
    uint64_t last = plain + multi;

    return plain == last - last / 3 && multi == last / 3;
}

static bool holds_whole_units(struct sim_server *s, uint64_t *found, struct errbuf *why)
{
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        uint64_t plain = found[PLAIN + writer] = get(s, "GET p%u", writer);
        uint64_t multi = found[MULTI + writer] = get(s, "GET m%u", writer);
        uint64_t said = get(s, "GET b%u", writer);
        if (said != multi || !is_prefix(plain, multi)) {
            errbuf_set(why,
                       "writer %u: %llu plain units, %llu in MULTI, whose other half says "
                       "%llu",
                       writer, (unsigned long long)plain, (unsigned long long)multi,
                       (unsigned long long)said);
            return false;
        }
    }
    uint64_t count = found[COUNT] = get(s, "GET count", 0);
    for (uint64_t n = 1; n <= count + 1; n++) {
        if ((get(s, "GET claim:%u", (unsigned)n) != 0) != (n <= count)) {
            errbuf_set(why, "%llu were counted; of claim %llu that is not so",
                       (unsigned long long)count, (unsigned long long)n);
            return false;
        }
    }
    return true;
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    const struct workload *w = context;
    bool owes_all = w->mode == VLOG_DURABLE || state->is_kill;
    uint64_t found[FACTS];
    struct sim_server s;

    open_server(&s, state->sim, w->mode);
    bool is_right = holds_whole_units(&s, found, why);
    for (size_t i = 0; i < state->mark_count && is_right && owes_all; i++) {
        unsigned fact = 0;
        while (strcmp(state->marks[i].word, FACT_WORDS[fact]) != 0)
            fact++;
        is_right = found[fact] >= state->marks[i].number;
        if (!is_right)
            errbuf_set(why, "somebody was told of %s up to %llu; it is there up to %llu",
                       FACT_WORDS[fact], (unsigned long long)state->marks[i].number,
                       (unsigned long long)found[fact]);
    }
    sim_server_close(&s);
    return is_right;
}

/* ---- Runs --------------------------------------------------------------------------------------
 */

static bool is_done(const struct workload *w)
{
    for (unsigned i = 0; i < WRITERS; i++)
        if (w->told[PLAIN + i] + w->told[MULTI + i] < UNITS)
            return false;
    return w->told[COUNT] >= COUNTED;
}

static struct io_sim_trace *run(struct workload *w, struct io_sim *sim)
{
    open_server(&w->server, sim, w->mode);
    (void)sim_client_ask(&w->server, SUBSCRIBER, "CONFIG SET notify-keyspace-events KA");
    (void)sim_client_ask(&w->server, SUBSCRIBER, "PSUBSCRIBE *");
    for (unsigned i = 0; i < MONITOR; i++)
        if (i != SUBSCRIBER)
            (void)sim_client_ask(&w->server, i, "PING");
    (void)sim_client_ask(&w->server, MONITOR, "MONITOR");
    for (unsigned i = 0; i < CLIENTS; i++)
        buf_init(&w->clients[i].told, alloc_heap(), SIZE_MAX);
    io_sim_set_tap(sim, tap, w);
    io_sim_trace_start(sim);
    for (unsigned turn = 0; !is_done(w); turn++) {
        CHECK(turn < TURNS_MAX);
        go_on(w);
        if (turn % QUICK_TURNS == 0)
            io_sim_advance(sim, 200 * 1000);
        sim_server_turn(&w->server, 0);
    }
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    io_sim_set_tap(sim, NULL, NULL);
    sim_server_close(&w->server);
    for (unsigned i = 0; i < CLIENTS; i++)
        buf_deinit(&w->clients[i].told);
    return trace;
}

static bool run_workload(enum vlog_mode mode, uint64_t seed, struct crash_report *report)
{
    const struct io_sim_options machine = { .seed = seed,
                                            .latency_min_ns = 20 * 1000,
                                            .latency_max_ns = 500 * 1000 };
    const struct crash_options options = {
        .seed = seed, .exhaustive_max = 2, .random_count = 1, .structured_max = 2, .tear_step = 512
    };
    struct workload *w = calloc(1, sizeof *w);

    CHECK(w != NULL);
    w->mode = mode;
    struct io_sim *sim = io_sim_create(&machine, NULL);
    struct io_sim_trace *trace = run(w, sim);
    io_sim_destroy(sim);
    bool is_right = crash_enumerate(trace, &options, verify, w, report);
    if (w->is_wrong)
        printf("reply_crash: two counted up to the same number under WATCH\n");
    if (!is_right)
        printf("reply_crash: %s, seed %llu: %s\n", mode == VLOG_DURABLE ? "durable" : "relaxed",
               (unsigned long long)seed, report->failure.text);
    io_sim_trace_destroy(trace);
    is_right &= !w->is_wrong;
    free(w);
    return is_right;
}

int main(void)
{
    struct crash_report report = { 0 };
    bool is_right = true;

    for (uint64_t seed = 1; seed <= SEEDS && is_right; seed++) {
        is_right &= run_workload(VLOG_DURABLE, seed, &report);
        is_right &= run_workload(VLOG_RELAXED, seed, &report);
    }
    printf("reply_crash: %llu checks (cut at %llu moments, %llu states made)\n",
           (unsigned long long)report.distinct, (unsigned long long)report.points,
           (unsigned long long)report.states);
    return is_right ? 0 : 1;
}
