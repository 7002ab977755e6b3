#include "tests/crash/support/log_workload.h"

#include <stdlib.h>

#include "base/check.h"

const char LOG_OPS[] = "sbghriacpwdok";

void log_workload_deinit(struct log_workload *w)
{
    owner_history_deinit(&w->history);
}

struct io_sim *log_workload_machine(const struct log_workload *w)
{
    struct io_sim *sim = io_sim_create(&w->machine, NULL);

    CHECK(succeeded(io_mkdir(io_sim_io(sim), "db")));
    CHECK(succeeded(io_sync_dir(io_sim_io(sim), ".")));
    return sim;
}

struct status log_workload_begin(struct log_workload *w, struct log_owner *o, struct io_sim *sim,
                                 struct alloc *alloc)
{
    const struct owner_marks none = { 0 };

    w->history.count = 0;
    return owner_open(o, sim, alloc, &w->options, &w->history, &none);
}

static struct status do_op(struct log_owner *o, char op)
{
    switch (op) {
    case 's':
        TRY(owner_stage(o, OWNER_SMALL));
        return owner_write(o);
    case 'b':
        TRY(owner_stage(o, OWNER_BIG));
        return owner_write(o);
    case 'g':
        TRY(owner_stage(o, OWNER_SMALL));
        TRY(owner_stage(o, OWNER_BIG));
        TRY(owner_stage(o, OWNER_SMALL));
        return owner_write(o);
    case 'h':
        return owner_hard_state(o);
    case 'i':
        return owner_seal(o);
    case 'r':
        return owner_roll(o);
    case 'a':
        return owner_flush(o, OWNER_ADOPT);
    case 'c':
        return owner_flush(o, OWNER_COPY);
    case 'p':
        return owner_flush(o, OWNER_PIN);
    case 'w':
        return owner_rewrite(o);
    case 'd':
        return owner_drop(o);
    case 'o':
        return owner_reopen(o);
    case 'k':
        return owner_kill(o);
    default:
        return status_of(ST_INVALID);
    }
}

struct status log_workload_do(struct log_owner *o, const char *ops)
{
    for (const char *op = ops; *op != '\0'; op++)
        TRY(do_op(o, *op));
    return status_ok();
}

const char *log_workload_words(const struct log_owner *o)
{
    const char *failure = o->log != NULL ? vlog_failure(o->log) : NULL;

    return failure != NULL ? failure : o->err.text;
}

/* It goes on: more entries, a roll, a flush, and all of it there after another open. */
static const char WORK[] = "bhrsagos";

bool log_workload_verify(void *context, const struct crash_state *state, struct errbuf *why)
{
    struct log_workload *w = context;
    struct owner_marks marks = w->marks;
    struct log_owner *o = malloc(sizeof *o);
    const char *when = "open";

    CHECK(o != NULL);
    w->history.count = state->cuts == 2 ? w->first_cut_versions : w->versions;
    for (size_t i = 0; i < state->mark_count; i++)
        owner_marks_add(&marks, &state->marks[i]);
    if (state->is_kill)
        marks.durable = marks.acked; /* "In the kernel" is enough. */
    struct status s = owner_open(o, state->sim, alloc_heap(), &w->options, &w->history, &marks);
    bool is_right = succeeded(s) && owner_check(o);
    if (is_right) {
        when = "working on";
        s = log_workload_do(o, WORK);
        is_right = succeeded(s) && owner_check(o);
    }
    if (!is_right)
        errbuf_set(why, "%s: %s: %s", when, status_name(s.code), log_workload_words(o));
    owner_close(o);
    free(o);
    if (state->cuts == 1)
        w->first_cut_versions = w->history.count;
    return is_right;
}
