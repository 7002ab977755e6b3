/*
 * What a command cost and how it ended, taken down when it is over.
 *
 * Time is read once a command: it has taken what has passed since the one before was over, which
 * the driver's mark bounds at the beginning of a turn. A command that had to wait for the disk has
 * taken all the time from its first run on. What EXEC runs is counted when EXEC is over, as EXEC
 * may have to run again.
 */
#include "resp/session.h"

enum { NS_PER_US = 1000, US_PER_S = 1000000 };

static const uint64_t NS_PER_MS = 1000 * 1000;

struct resp_slow *resp_slow(struct resp *resp)
{
    return &resp->slow;
}

void resp_mark_time(struct resp *resp, uint64_t now_ns)
{
    resp->mark_ns = now_ns;
}

void resp_note_expire_cycle(struct resp *resp, uint64_t wall_ms, uint64_t duration_ns)
{
    uint64_t threshold_ms = resp->slow.latency_threshold_ms;
    uint64_t ms = duration_ns / NS_PER_MS;

    if (threshold_ms != 0 && ms >= threshold_ms)
        resp_latency_note(&resp->latency, RESP_LATENCY_EXPIRE_CYCLE, wall_ms / 1000, ms);
}

/* Read the clock; what follows begins now. */
static uint64_t move_mark(struct resp *r)
{
    struct resp_host *host = r->options.host;
    uint64_t before_ns = r->mark_ns;

    r->mark_ns = host->ops->now_ns(host);
    return r->mark_ns > before_ns ? r->mark_ns - before_ns : 0;
}

struct status resp_call_note_run(struct resp_call *call, const struct resp_call *inner,
                                 uint64_t errors)
{
    struct resp_run *run = arena_take(call->arena, sizeof *run);

    if (run == NULL)
        return status_of(ST_NO_MEMORY);
    *run = (struct resp_run) { .next = call->runs,
                               .command = inner->command,
                               .argv = inner->argv,
                               .argc = inner->argc,
                               .redacted = inner->redacted,
                               .ns = move_mark(call->resp),
                               .is_failed = call->reply->errors > errors };
    call->runs = run;
    return status_ok();
}

/* ---- What took long ---------------------------------------------------------------------------
 */

static void log_slow(struct resp_call *call, const struct resp_run *run)
{
    struct resp *r = call->resp;
    const struct resp_session *s = call->session;
    const struct resp_slow_command slow = {
        .argv = run->argv,
        .argc = run->argc,
        .redacted = run->redacted,
        .time_s = call->store->ops->wall_us(call->store) / US_PER_S,
        .duration_us = run->ns / NS_PER_US,
        .address = bytes_str(s->address),
        .name = buf_bytes(&s->names[RESP_NAME_CLIENT]),
    };

    resp_slowlog_add(&r->slowlog, &slow);
    resp_slowlog_trim(&r->slowlog, r->slow.slowlog_max);
}

static void look_if_slow(struct resp_call *call, const struct resp_run *run)
{
    struct resp *r = call->resp;
    uint64_t us = run->ns / NS_PER_US;
    uint64_t ms = run->ns / NS_PER_MS;

    if (r->slow.slowlog_us >= 0 && us >= (uint64_t)r->slow.slowlog_us && r->slow.slowlog_max > 0 &&
        !(run->command->flags & RESP_CMD_SKIP_SLOWLOG))
        log_slow(call, run);
    if (r->slow.latency_threshold_ms != 0 && ms >= r->slow.latency_threshold_ms)
        resp_latency_note(&r->latency,
                          run->command->flags & RESP_CMD_FAST ? RESP_LATENCY_FAST_COMMAND
                                                              : RESP_LATENCY_COMMAND,
                          call->store->ops->wall_us(call->store) / US_PER_S, ms);
}

/* ---- Counting ---------------------------------------------------------------------------------
 */

static void count_run(struct resp_call *call, const struct resp_run *run)
{
    struct resp *r = call->resp;

    r->stats.commands++;
    resp_figures_add(&r->figures, run->command, run->ns, run->is_failed, r->slow.tracks_times);
    look_if_slow(call, run);
}

/* The commands of EXEC, in the order they ran; returns how many of them failed. */
static uint64_t count_inner(struct resp_call *call)
{
    struct resp_run *first = NULL;
    uint64_t count = 0;

    while (call->runs != NULL) {
        struct resp_run *run = call->runs;
        call->runs = run->next;
        run->next = first;
        first = run;
    }
    for (; first != NULL; first = first->next) {
        count_run(call, first);
        count += first->is_failed;
    }
    return count;
}

/* The command that was not run; NULL if there is none of that name. */
static const struct resp_command *rejected_command(const struct resp_call *call)
{
    const struct resp_command *c = resp_command_find(&call->resp->commands, call->argv[0]);

    if (c == NULL || c->subcommands == NULL || call->argc < 2)
        return c;
    return resp_command_find_sub(c, call->argv[1]);
}

static void count_command(struct resp_call *call)
{
    struct resp *r = call->resp;
    struct resp_run run = { .command = call->command,
                            .argv = call->argv,
                            .argc = call->argc,
                            .redacted = call->redacted,
                            .ns = r->mark_ns - call->session->began_ns };
    uint64_t inner_failures = call->runs == NULL ? 0 : count_inner(call);

    if (call->fate == RESP_RUN) {
        run.is_failed = call->reply->errors > 0 && inner_failures == 0;
        count_run(call, &run);
    } else if (call->fate == RESP_REJECTED) {
        const struct resp_command *c = rejected_command(call);
        if (c != NULL)
            resp_figures_of(&r->figures, c)->rejected++;
    }
}

void resp_account_begin(struct resp_session *s)
{
    if (s->began_ns == 0)
        s->began_ns = s->resp->mark_ns;
}

void resp_account_wait(struct resp *r)
{
    (void)move_mark(r);
}

void resp_account_end(struct resp_call *call, struct resp_mark start)
{
    struct resp_stats *stats = &call->resp->stats;
    const struct buf *out = call->reply->out;

    (void)move_mark(call->resp);
    stats->errors += call->reply->errors;
    stats->keyspace_hits += call->hits;
    stats->keyspace_misses += call->misses;
    stats->expired_keys += call->expired;
    call->resp->changes += call->changes;
    if (call->reply->errors > 0)
        resp_figures_add_errors(&call->resp->figures,
                                bytes_of(out->data + start.offset, out->size - start.offset));
    count_command(call);
    call->session->began_ns = 0;
}
