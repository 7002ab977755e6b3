#include "bench/action.h"

#include "bench/report.h"
#include "bench/store.h"

/* Time a call on the whole store and print it as a benchmark of one operation. */
static struct status timed(struct run *r, struct status (*call)(struct engine *e))
{
    struct meter begin;
    struct meter end;

    tally_init(r->tally);
    meter_read(&begin, clock_ns(r->env->clock));
    struct status s = call(r->engine);
    if (failed(s)) {
        errbuf_set(r->err, "%s", r->engine->err.text);
        return s;
    }
    meter_read(&end, clock_ns(r->env->clock));
    r->tally->cost = meter_between(&begin, &end);
    r->tally->start_ns = begin.time_ns;
    r->tally->finish_ns = end.time_ns;
    r->tally->busy_seconds = tally_elapsed_seconds(r->tally);
    r->tally->done = 1;
    report_line(r->out, r->benchmark->name, r->tally, "");
    report_costs(r->out, r->benchmark->name, r->tally);
    (void)fflush(r->out);
    return s;
}

struct status action_flush(struct run *r)
{
    return timed(r, r->class->flush);
}

struct status action_settle(struct run *r)
{
    return timed(r, r->class->settle);
}

struct status action_compact(struct run *r)
{
    return timed(r, r->class->compact);
}

struct status action_reopen(struct run *r)
{
    uint64_t open_ns;

    TRY(store_reopen(r, &open_ns));
    tally_init(r->tally);
    r->tally->start_ns = 0;
    r->tally->finish_ns = open_ns;
    r->tally->busy_seconds = (double)open_ns * 1e-9;
    r->tally->done = 1;
    report_line(r->out, r->benchmark->name, r->tally, "");
    return status_ok();
}

static struct status print_text(struct run *r, enum engine_text what)
{
    struct status s = r->class->text(r->engine, what, r->out);

    if (s.code == ST_NOT_FOUND) {
        fprintf(r->out, "%s : the engine %s says nothing of it\n", r->benchmark->name,
                r->class->name);
        return status_ok();
    }
    if (failed(s))
        errbuf_set(r->err, "%s", r->engine->err.text);
    return s;
}

struct status action_stats(struct run *r)
{
    return print_text(r, ENGINE_STATS);
}

struct status action_level_stats(struct run *r)
{
    return print_text(r, ENGINE_LEVELSTATS);
}

struct status action_tables(struct run *r)
{
    return print_text(r, ENGINE_SSTABLES);
}
