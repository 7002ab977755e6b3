/* LATENCY: events that took long, and how long commands take. */
#include "resp/cmd.h"

#include "resp/session.h"

static uint64_t now_s(const struct resp_call *call)
{
    return call->store->ops->wall_us(call->store) / 1000000;
}

struct status resp_cmd_latency_latest(struct resp_call *call)
{
    struct resp_latency *l = &call->resp->latency;
    struct resp_mark start = resp_reply_mark(call->reply);
    size_t count = 0;

    for (int i = 0; i < RESP_LATENCY_EVENTS; i++) {
        struct resp_latency_sample latest = resp_latency_latest(&l->events[i]);
        if (latest.time_s == 0)
            continue;
        resp_reply_array(call->reply, 4);
        resp_reply_bulk_str(call->reply, resp_latency_name((enum resp_latency_event)i));
        resp_reply_int(call->reply, (int64_t)latest.time_s);
        resp_reply_int(call->reply, (int64_t)latest.duration_ms);
        resp_reply_int(call->reply, (int64_t)l->events[i].max_ms);
        count++;
    }
    resp_reply_array_at(call->reply, start, count);
    return status_ok();
}

struct status resp_cmd_latency_history(struct resp_call *call)
{
    const struct resp_latency_series *s = resp_latency_find(&call->resp->latency, call->argv[2]);
    struct resp_mark start = resp_reply_mark(call->reply);
    struct resp_latency_sample sample;
    size_t count = 0;

    while (s != NULL && resp_latency_sample(s, count, &sample)) {
        resp_reply_array(call->reply, 2);
        resp_reply_int(call->reply, (int64_t)sample.time_s);
        resp_reply_int(call->reply, (int64_t)sample.duration_ms);
        count++;
    }
    resp_reply_array_at(call->reply, start, count);
    return status_ok();
}

/* The named events, or all. */
static bool is_meant(const struct resp_call *call, const char *name)
{
    for (size_t i = 2; i < call->argc; i++) {
        if (resp_call_is(call, i, name))
            return true;
    }
    return call->argc == 2;
}

struct status resp_cmd_latency_reset(struct resp_call *call)
{
    struct resp_latency *l = &call->resp->latency;
    int64_t count = 0;

    for (int i = 0; i < RESP_LATENCY_EVENTS; i++) {
        if (resp_latency_latest(&l->events[i]).time_s == 0 ||
            !is_meant(call, resp_latency_name((enum resp_latency_event)i)))
            continue;
        l->events[i] = (struct resp_latency_series) { .next = 0 };
        count++;
    }
    resp_reply_int(call->reply, count);
    return status_ok();
}

/* Text for people, whole or not at all. */
static struct status reply_text(struct resp_call *call, struct buf *text)
{
    struct status s = text->is_failed ? status_of(ST_NO_MEMORY) : status_ok();

    if (succeeded(s))
        resp_reply_verbatim(call->reply, "txt", buf_bytes(text));
    buf_deinit(text);
    return s;
}

struct status resp_cmd_latency_graph(struct resp_call *call)
{
    const struct resp_latency_series *s = resp_latency_find(&call->resp->latency, call->argv[2]);
    struct buf text;

    if (s == NULL) {
        resp_reply_error(call->reply, "ERR No samples available for event '%.*s'",
                         (int)call->argv[2].size, (const char *)call->argv[2].data);
        return status_ok();
    }
    buf_init(&text, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    resp_latency_draw(s,
                      resp_latency_name((enum resp_latency_event)(s - call->resp->latency.events)),
                      now_s(call), &text);
    return reply_text(call, &text);
}

struct status resp_cmd_latency_doctor(struct resp_call *call)
{
    struct buf text;

    buf_init(&text, call->resp->options.alloc, call->resp->options.iteration_max_bytes);
    resp_latency_advise(&call->resp->latency, call->resp->slow.latency_threshold_ms, now_s(call),
                        &text);
    return reply_text(call, &text);
}

/* ---- HISTOGRAM ------------------------------------------------------------------------------ */

/* How many calls took at most so many microseconds, for steps that double; only those at which the
 * number grows. */
static void reply_histogram(struct resp_reply *r, const struct resp_command_stats *s)
{
    uint64_t counted = 0;
    size_t pairs = 0;

    resp_reply_bulk_str(r, s->command->name);
    resp_reply_map(r, 2);
    resp_reply_bulk_str(r, "calls");
    resp_reply_int(r, (int64_t)s->times->count);
    resp_reply_bulk_str(r, "histogram_usec");
    struct resp_mark start = resp_reply_mark(r);
    for (uint64_t limit_ns = 1024; counted < s->times->count; limit_ns *= 2) {
        bool is_last = limit_ns > UINT64_MAX / 4;
        uint64_t count = is_last ? s->times->count : histogram_count_below(s->times, limit_ns);
        if (count == counted)
            continue;
        resp_reply_int(r, (int64_t)(limit_ns / 1000));
        resp_reply_int(r, (int64_t)count);
        counted = count;
        pairs++;
    }
    resp_reply_map_at(r, start, pairs);
}

/* Returns how many pairs were replied: 1, or 0 if it was never called. */
static size_t reply_times(struct resp_reply *r, const struct resp_command_stats *s)
{
    if (s->times == NULL)
        return 0;
    reply_histogram(r, s);
    return 1;
}

/* Of a command and its subcommands; returns how many. */
static size_t reply_command(struct resp_call *call, const struct resp_command *c)
{
    struct resp_command_figures *f = &call->resp->figures;
    size_t pairs = reply_times(call->reply, resp_figures_find(f, c));

    for (const struct resp_command *s = c->subcommands; s != NULL && s->name != NULL; s++)
        pairs += reply_times(call->reply, resp_figures_find(f, s));
    return pairs;
}

/* All, or those that are named, in the order in which they are. */
struct status resp_cmd_latency_histogram(struct resp_call *call)
{
    const struct resp_command_figures *f = &call->resp->figures;
    struct resp_mark start = resp_reply_mark(call->reply);
    size_t pairs = 0;

    for (size_t i = 0; call->argc == 2 && i < f->count; i++)
        pairs += reply_times(call->reply, &f->commands[i]);
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_command *c = resp_command_find_full(&call->resp->commands, call->argv[i]);
        pairs += c == NULL ? 0 : reply_command(call, c);
    }
    resp_reply_map_at(call->reply, start, pairs);
    return status_ok();
}

struct status resp_cmd_latency_help(struct resp_call *call)
{
    static const char *const LINES[] = {
        "DOCTOR",
        "    What the samples say, and what may be done.",
        "GRAPH <event>",
        "    A picture of an event's samples.",
        "HISTORY <event>",
        "    The samples of an event: Unix time, milliseconds.",
        "LATEST",
        "    The last sample of each event: its name, Unix time, milliseconds, the worst ever.",
        "RESET [<event> ...]",
        "    Forget the samples of the events, or of all.",
        "HISTOGRAM [<command> ...]",
        "    How many calls of the commands took at most how many microseconds.",
        NULL,
    };

    return resp_reply_help(call, "LATENCY", LINES);
}
