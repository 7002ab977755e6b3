/*
 * saver -- SAVE, BGSAVE and BGREWRITEAOF: from the request to a checkpoint in its place.
 *
 * The reactor freezes the memtable at a moment when all that was evaluated is applied (writes wait
 * for that, about as long as a write of the log takes), sees it flushed, and hands the copying to
 * the background. Nobody else waits. BGREWRITEAOF is the same without a copy: what the log holds
 * goes to tables, and the log becomes short.
 *
 *   1. A checkpoint holds all that was answered before it was asked for.
 *
 * Threads: the reactor's.
 */
#ifndef VARVE_SERVER_SAVER_H
#define VARVE_SERVER_SAVER_H

#include "base/errbuf.h"

#include "resp/resp.h"

#include "server/background.h"
#include "server/store.h"

enum saver_state { SAVER_IDLE, SAVER_FREEZING, SAVER_FLUSHING, SAVER_COPYING };

struct server_saver {
    const struct env *env;
    struct server_store *store;
    const struct resp *resp;
    struct server_background *background; /* NULL: none, nothing can be saved. */
    struct io_ring *ring;                 /* The reactor's: woken when the copying is done. */
    const char *dir;
    char name[256];

    enum saver_state state;
    bool is_copying; /* Not BGREWRITEAOF. */
    bool is_flush_wanted;
    uint64_t flush_ticket;
    uint64_t began_ns;
    uint64_t changes; /* resp_changes when it was frozen. */
    struct background_job job;
    struct errbuf err;

    uint64_t saved;     /* How many are over; the number of the next is one more. */
    struct status last; /* How the last one ended. */
    uint64_t last_wall_ms;
    int64_t last_s;        /* How long it took; -1: there was none. */
    uint64_t last_changes; /* What it held, as above. */
    uint64_t successes;
};

void server_saver_init(struct server_saver *s, const struct env *env, struct server_store *store,
                       const struct resp *resp, struct server_background *background,
                       struct io_ring *ring, const char *dir);
static inline bool server_saver_is_busy(const struct server_saver *s)
{
    return s->state != SAVER_IDLE;
}
/* Begin; the checkpoint is to be called name. BUSY: one is under way. FAILED: the store has. */
MUST_CHECK struct status server_saver_begin(struct server_saver *s, const char *name);
/* The same without a copy; now, or after the one that is under way. */
MUST_CHECK struct status server_saver_flush(struct server_saver *s);
/* Go on, as far as it goes. With every turn, after its end. */
void server_saver_step(struct server_saver *s, uint64_t now_ns);
/* When to ask again though nothing happens. */
uint64_t server_saver_deadline(const struct server_saver *s, uint64_t now_ns);

#endif
