#include "embed/crowd.h"

void embed_crowd_note_round(struct embed_crowd *c, uint32_t released, uint32_t waiting,
                            uint64_t round_ns)
{
    uint64_t patience = round_ns / 2;

    c->expected = released + waiting;
    c->patience_ns = patience < EMBED_PATIENCE_NS_MAX ? patience : EMBED_PATIENCE_NS_MAX;
    if (c->rest > 0)
        c->rest--;
}

void embed_crowd_note_wait(struct embed_crowd *c, bool all_came)
{
    if (all_came) {
        c->next_rest = 0;
        return;
    }
    c->next_rest = c->next_rest == 0 ? 1 : 2 * c->next_rest;
    if (c->next_rest > EMBED_CROWD_REST_MAX)
        c->next_rest = EMBED_CROWD_REST_MAX;
    c->rest = c->next_rest;
}
