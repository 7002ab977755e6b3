/*
 * scout -- how a command of many steps finds out what all of them have to wait for.
 *
 * A step that needs a row which is not in memory ends the run (resp/store.h, rule 2), and the
 * command begins again. One run for each such step would be work that grows with the square of
 * their number. So the run goes on as a scout: it takes the steps behind, for nothing but the reads
 * that they begin, until so many wait that more at a time make no device faster. Then it answers
 * AGAIN, and the next run scouts on from there. When all steps have been looked at, the command is
 * run from its first one again. Each step is taken about twice in all, three times if its row says
 * what else it needs; however many there are.
 *
 *   1. A run that has scouted answers AGAIN: nothing that it wrote or replied stays.
 *   2. A step may be scouted though one before it was not taken, or not to its end. What it does is
 *      wrong then, and what it reads most likely right.
 *   3. A scout that meets a failure leaves it to the run that comes to the step by right.
 *
 * Positions of steps rise from 0, which is the first. The steps of one of EXEC's commands lie
 * within a step of EXEC's and have positions of their own.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_SCOUT_H
#define VARVE_RESP_SCOUT_H

#include "resp/call.h"

enum { RESP_SCOUT_WAITS = 1024 }; /* Steps that wait, in one run. */

/* The session's: kept while its command waits. */
struct resp_scout {
    /* Where the next run goes on scouting: the outer step, and the step within that one. Both 0:
     * nowhere, it runs the command. */
    uint64_t outer;
    uint64_t inner;
    uint32_t database; /* EXEC's at the outer step: the number. */
    uint64_t
        from_inner; /* Of this run: inner, until a step within the first one has begun there. */
    size_t waits;   /* Of this run. */
};

/* The run has answered AGAIN. */
static inline void resp_scout_end_run(struct resp_scout *s)
{
    s->waits = 0;
}

/* The steps of a call. */
struct resp_steps {
    struct resp_scout *scout;
    uint64_t from; /* The position to begin at. */
    bool is_inner;
    bool is_scouting;
};

void resp_steps_begin(struct resp_call *call, struct resp_steps *out);

/* The step at here has ended so; the next one is at next. OK: go on with that. */
MUST_CHECK struct status resp_steps_note_failure(struct resp_steps *t, struct status s,
                                                 uint64_t here, uint64_t next);
static inline struct status resp_steps_note(struct resp_steps *t, struct status s, uint64_t here,
                                            uint64_t next)
{
    return succeeded(s) ? s : resp_steps_note_failure(t, s, here, next);
}

/* There are no more. AGAIN: they were scouted. */
static inline struct status resp_steps_end(const struct resp_steps *t)
{
    return t->is_scouting ? status_of(ST_AGAIN) : status_ok();
}

#endif
