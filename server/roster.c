#include "server/roster.h"

#include "base/check.h"

#include "server/connection.h"

void server_roster_join(struct server_roster *r, enum roster_list list, struct server_connection *c)
{
    struct roster_line *line = &r->lines[list];

    if (connection_is_in(c, list))
        return;
    c->lists |= (uint8_t)(1u << list);
    c->places[list] = (struct roster_place) { .previous = line->last };
    *(line->last != NULL ? &line->last->places[list].next : &line->first) = c;
    line->last = c;
    line->count++;
}

void server_roster_leave(struct server_roster *r, enum roster_list list,
                         struct server_connection *c)
{
    struct roster_line *line = &r->lines[list];
    const struct roster_place *p = &c->places[list];

    if (!connection_is_in(c, list))
        return;
    *(p->previous != NULL ? &p->previous->places[list].next : &line->first) = p->next;
    *(p->next != NULL ? &p->next->places[list].previous : &line->last) = p->previous;
    c->lists &= (uint8_t) ~(1u << list);
    line->count--;
    if (list != ROSTER_ALL)
        return;
    CHECK(c->lists == 0);
    if (r->patrol == c)
        r->patrol = p->next;
}

struct server_connection *server_roster_take(struct server_roster *r, enum roster_list list)
{
    struct server_connection *c = r->lines[list].first;

    CHECK(c != NULL);
    server_roster_leave(r, list, c);
    return c;
}

struct server_connection *server_roster_patrol(struct server_roster *r)
{
    struct server_connection *c = r->patrol != NULL ? r->patrol : roster_first(r, ROSTER_ALL);

    if (c != NULL)
        r->patrol = connection_next(c);
    return c;
}
