#include "resp/scout.h"

#include "resp/session.h"

void resp_steps_begin(struct resp_call *call, struct resp_steps *out)
{
    struct resp_scout *scout = &call->session->scout;
    bool is_inner = call->overlay != NULL;
    uint64_t *from = is_inner ? &scout->from_inner : &scout->outer;

    *out = (struct resp_steps) {
        .scout = scout,
        .from = *from,
        .is_inner = is_inner,
        .is_scouting = *from != 0 || (!is_inner && scout->inner != 0),
    };
    *from = 0;
    if (is_inner)
        return;
    scout->from_inner = scout->inner;
    scout->inner = 0;
}

struct status resp_steps_note_failure(struct resp_steps *t, struct status s, uint64_t here,
                                      uint64_t next)
{
    struct resp_scout *scout = t->scout;

    if (s.code == ST_AGAIN) {
        t->is_scouting = true;
        if (++scout->waits < RESP_SCOUT_WAITS)
            return status_ok();
    } else if (!t->is_scouting) {
        return s;
    }
    if (t->is_inner)
        scout->inner = next;
    else
        scout->outer = scout->inner != 0 ? here : next;
    return status_of(ST_AGAIN);
}
