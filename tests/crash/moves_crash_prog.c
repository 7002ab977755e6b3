/*
 * Commands that change more than one key, or a whole database, under power cuts: the server itself
 * over the simulated machine, cut after every event of one command, in every state the disk allows
 * (enumerate.h).
 *
 * Each state must open and hold all that the command did, or nothing of it; all, if its client had
 * been answered. What it holds is told by DEBUG DIGEST (contents, expiries, in which database) and
 * by the counts. Where it holds nothing, the command is sent once more and must do all.
 */
#include "base/check.h"

#include "tests/crash/support/enumerate.h"
#include "tests/server/support/sim_server.h"
#include "tests/support/sanitized.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const COMMANDS[] = {
    "RENAME {s}long {s}other", /* The object changes hands, another's is removed. */
    "RENAME {s}long elsewhere",
    "RENAMENX {s}short free",
    "MOVE {s}long 1",
    "MOVE {s}short 2",
    "COPY {s}long {s}other REPLACE",
    "COPY {s}other {s}other DB 1 REPLACE",
    "SWAPDB 0 1",
    "SWAPDB 1 9",
    "MULTI\r\nSWAPDB 0 1\r\nRENAME {s}other {s}again\r\nMOVE {s}again 2\r\nFLUSHDB\r\nEXEC",
    "FLUSHALL",
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0], COMMAND_STEP = IS_SANITIZED ? 4 : 1 };

enum { FACTS_MAX = 256 };

/* What a server holds, in a line. */
struct facts {
    char text[FACTS_MAX];
};

struct workload {
    const char *command;
    struct facts before;
    struct facts after;
};

static void open_server(struct sim_server *s, struct io_sim *sim)
{
    const struct sim_server_options options = { .lsm = { .log = { .segment_size = 256 << 10 },
                                                         .write_buffer_size = 1 << 20 } };

    sim_server_open(s, sim, &options);
    s->server.config.enable_debug_command = CONFIG_EVERYBODY;
}

static struct facts facts_of(struct sim_server *s)
{
    struct facts f;
    size_t size =
        (size_t)snprintf(f.text, sizeof f.text, "%s", sim_client_ask(s, 1, "DEBUG DIGEST"));

    CHECK(f.text[0] == '+');
    for (int number = 0; number < 3; number++) {
        char line[64];
        (void)snprintf(line, sizeof line, "SELECT %d\r\nDBSIZE", number);
        size +=
            (size_t)snprintf(f.text + size, sizeof f.text - size, "%s", sim_client_ask(s, 1, line));
        CHECK(size < sizeof f.text);
    }
    return f;
}

/* Two long strings and a short one with their expiries, and others in the next database. */
static void fill(struct sim_server *s)
{
    char *line = malloc(128 << 10);

    CHECK(line != NULL);
    for (int i = 0; i < 3; i++) {
        static const char *const KEYS[] = { "{s}long", "{s}other", "{s}other" };
        int head = snprintf(line, 128 << 10, "%sSETRANGE %s 66000 ", i == 2 ? "SELECT 1\r\n" : "",
                            KEYS[i]);
        memset(line + head, 'a' + i, 20000);
        line[head + 20000] = '\0';
        (void)sim_client_ask(s, 0, line);
    }
    free(line);
    (void)sim_client_ask(s, 0, "SET {s}here 1\r\nSELECT 0\r\nPEXPIREAT {s}long 9999999999999");
    (void)sim_client_ask(s, 0, "SET {s}short 1 PXAT 9999999999998\r\nSET stays 1");
}

static size_t count_lines(struct bytes text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.size; i++)
        n += text.data[i] == '\n';
    return n;
}

/* Send the command, wait for its answer and mark that it has come. */
static void run(struct sim_server *s, const char *command)
{
    /* Of a transaction: a line for each of its own, the array's, and one for each that was queued.
     */
    size_t own = count_lines(bytes_str(command));
    size_t lines = own == 0 ? 1 : 2 * own;

    (void)sim_client_ask(s, 0, "PING");
    sim_client_say(s, 0, command);
    for (int i = 0; count_lines(buf_bytes(&s->clients[0].received)) < lines; i++) {
        CHECK(i < 1000);
        sim_server_turn(s, 1000 * 1000);
    }
    io_sim_mark(s->sim, "ack", 1);
}

static bool verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    const struct workload *w = context;
    struct sim_server s;
    bool is_right = false;

    open_server(&s, state->sim);
    struct facts found = facts_of(&s);
    bool is_after = strcmp(found.text, w->after.text) == 0;
    if (!is_after && strcmp(found.text, w->before.text) != 0) {
        errbuf_set(why, "neither before nor after: %s", found.text);
    } else if (!is_after && state->mark_count > 0) {
        errbuf_set(why, "it was answered, and is not there");
    } else {
        if (!is_after)
            run(&s, w->command);
        found = facts_of(&s);
        is_right = strcmp(found.text, w->after.text) == 0;
        if (!is_right)
            errbuf_set(why, "it did not do all when it was sent again: %s", found.text);
    }
    sim_server_close(&s);
    return is_right;
}

/* What the command should leave, from a server that nobody cuts. */
static struct facts facts_after(const char *command)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    open_server(&s, sim);
    fill(&s);
    run(&s, command);
    struct facts f = facts_of(&s);
    sim_server_close(&s);
    io_sim_destroy(sim);
    return f;
}

static bool run_workload(const char *command, struct crash_report *report)
{
    const struct crash_options options = {
        .seed = 1, .exhaustive_max = 5, .random_count = 6, .structured_max = 10, .tear_step = 4096
    };
    struct workload w = { .command = command, .after = facts_after(command) };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;

    open_server(&s, sim);
    fill(&s);
    w.before = facts_of(&s);
    CHECK(strcmp(w.before.text, w.after.text) != 0);
    io_sim_trace_start(sim);
    run(&s, command);
    struct io_sim_trace *trace = io_sim_trace_stop(sim);
    sim_server_close(&s);
    io_sim_destroy(sim);
    bool is_right = crash_enumerate(trace, &options, verify, &w, report);
    if (!is_right)
        printf("moves_crash: \"%s\": %s\n", command, report->failure.text);
    io_sim_trace_destroy(trace);
    return is_right;
}

int main(void)
{
    struct crash_report report = { 0 };
    bool is_right = true;

    for (size_t i = 0; i < COMMAND_COUNT && is_right; i += COMMAND_STEP)
        is_right = run_workload(COMMANDS[i], &report);
    printf("moves_crash: %llu checks (%d commands cut at %llu moments, %llu states made)\n",
           (unsigned long long)report.distinct, COMMAND_COUNT, (unsigned long long)report.points,
           (unsigned long long)report.states);
    return is_right ? 0 : 1;
}
