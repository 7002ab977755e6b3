/* Lists of connections, against an array; and the rate beside it, against its definition. */
#include "base/rand.h"

#include "server/connection.h"
#include "server/rate.h"
#include "server/roster.h"

#include <criterion/criterion.h>

#include <string.h>

enum { CONNECTIONS = 12, STEPS = 20000 };

/* A list as it should be: who is in it, in order. */
struct line {
    unsigned members[CONNECTIONS];
    unsigned count;
};

static bool has(const struct line *l, unsigned n, unsigned *out_at)
{
    for (*out_at = 0; *out_at < l->count; ++*out_at) {
        if (l->members[*out_at] == n)
            return true;
    }
    return false;
}

static void drop(struct line *l, unsigned n)
{
    unsigned at;

    if (!has(l, n, &at))
        return;
    l->count--;
    memmove(&l->members[at], &l->members[at + 1], (l->count - at) * sizeof l->members[0]);
}

static void expect_same(const struct server_roster *r, const struct server_connection *all,
                        const struct line *lines)
{
    for (enum roster_list list = 0; list < ROSTER_LISTS; list++) {
        const struct server_connection *c = roster_first(r, list);
        const struct server_connection *last = NULL;
        cr_assert_eq(roster_count(r, list), lines[list].count);
        for (unsigned i = 0; i < lines[list].count; i++, c = c->places[list].next) {
            cr_assert_eq(c, &all[lines[list].members[i]]);
            cr_assert_eq(c->places[list].previous, last);
            cr_assert(connection_is_in(c, list));
            last = c;
        }
        cr_assert_null(c);
        cr_assert_eq(r->lines[list].last, last);
    }
}

/* Method: random joins, leaves and takes in all lists, and in an array each. */
Test(server_roster, lists_keep_their_order_whoever_leaves)
{
    static struct server_connection all[CONNECTIONS];
    struct server_roster r = { .patrol = NULL };
    struct line lines[ROSTER_LISTS] = { { .count = 0 } };
    struct rand random;
    unsigned at;

    rand_seed(&random, 11);
    for (int i = 0; i < STEPS; i++) {
        unsigned n = (unsigned)rand_below(&random, CONNECTIONS);
        enum roster_list list = (enum roster_list)rand_below(&random, ROSTER_LISTS);
        struct line *l = &lines[list];
        switch (rand_below(&random, 4)) {
        case 0:
            if (list == ROSTER_ALL && connection_is_queued(&all[n]))
                continue;
            server_roster_leave(&r, list, &all[n]);
            drop(l, n);
            break;
        case 1:
            if (list == ROSTER_ALL || l->count == 0)
                continue;
            cr_assert_eq(server_roster_take(&r, list), &all[l->members[0]]);
            drop(l, l->members[0]);
            break;
        default:
            if (list != ROSTER_ALL && !connection_is_in(&all[n], ROSTER_ALL))
                continue;
            server_roster_join(&r, list, &all[n]);
            if (!has(l, n, &at))
                l->members[l->count++] = n;
            break;
        }
        expect_same(&r, all, lines);
    }
}

/* Everybody who stays is met once a round, whoever goes meanwhile. */
Test(server_roster, a_patrol_goes_on_though_connections_go)
{
    static struct server_connection all[CONNECTIONS];
    struct server_roster r = { .patrol = NULL };

    cr_assert_null(server_roster_patrol(&r));
    for (unsigned i = 0; i < CONNECTIONS; i++)
        server_roster_join(&r, ROSTER_ALL, &all[i]);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        cr_assert_eq(server_roster_patrol(&r), &all[i]);
        if (i % 3 == 0)
            server_roster_leave(&r, ROSTER_ALL, &all[i]); /* The one that was met. */
        if (i % 3 == 1 && i + 1 < CONNECTIONS)
            server_roster_leave(&r, ROSTER_ALL, &all[++i]); /* The one that is next. */
    }
    for (unsigned i = 1; i < CONNECTIONS; i += 3)
        cr_assert_eq(server_roster_patrol(&r), &all[i]);
    cr_assert_eq(server_roster_patrol(&r), &all[1], "and round again");
}

Test(server_roster, a_rate_is_the_mean_of_its_last_samples)
{
    const uint64_t half_ns = 500 * 1000 * 1000;
    struct server_rate rate = { .last = 0 };
    uint64_t total = 0;

    cr_assert_eq(server_rate_per_s(&rate), 0);
    for (int i = 0; i < 2 * RATE_SAMPLES; i++) {
        total += 100;
        server_rate_sample(&rate, total, half_ns);
    }
    cr_assert_eq(server_rate_per_s(&rate), 200);
    server_rate_sample(&rate, 0, half_ns); /* The total began anew (CONFIG RESETSTAT). */
    cr_assert_eq(server_rate_per_s(&rate), 200 * (RATE_SAMPLES - 1) / RATE_SAMPLES);
    server_rate_reset(&rate);
    cr_assert_eq(server_rate_per_s(&rate), 0);
}
