#include "server/saver.h"

#include "base/clock.h"
#include "base/log.h"

#include "server/checkpoint.h"

#include <stdio.h>

static const uint64_t NS_PER_S = 1000 * 1000 * 1000;
static const uint64_t POLL_NS = 1000 * 1000;

void server_saver_init(struct server_saver *s, const struct env *env, struct server_store *store,
                       const struct resp *resp, struct server_background *background,
                       struct io_ring *ring, const char *dir)
{
    *s = (struct server_saver) { .env = env,
                                 .store = store,
                                 .resp = resp,
                                 .background = background,
                                 .ring = ring,
                                 .dir = dir,
                                 .last = status_ok(),
                                 .last_wall_ms = clock_wall_ms(env->clock),
                                 .last_s = -1 };
}

static struct status begin(struct server_saver *s, bool is_copying)
{
    if (s->state != SAVER_IDLE)
        return status_of(ST_BUSY);
    if (s->background == NULL || server_store_failure(s->store) != NULL)
        return status_of(ST_FAILED);
    s->state = SAVER_FREEZING;
    s->is_copying = is_copying;
    s->began_ns = clock_ns(s->env->clock);
    s->err.text[0] = '\0';
    return status_ok();
}

struct status server_saver_begin(struct server_saver *s, const char *name)
{
    TRY(begin(s, true));
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    log_notice(s->env->log, "Saving a checkpoint to %s/%s", s->dir, s->name);
    return status_ok();
}

struct status server_saver_flush(struct server_saver *s)
{
    struct status st = begin(s, false);

    if (st.code != ST_BUSY)
        return st;
    s->is_flush_wanted = true;
    return status_ok();
}

/* ---- Steps ------------------------------------------------------------------------------------
 */

static void end(struct server_saver *s, struct status st, uint64_t now_ns)
{
    s->state = SAVER_IDLE;
    server_store_hold_writes(s->store, false);
    if (s->is_copying) {
        s->saved++;
        s->store->saved = s->saved;
        s->last = st;
        s->last_s = (int64_t)((now_ns - s->began_ns) / NS_PER_S);
    }
    if (failed(st)) {
        log_warning(s->env->log, "%s failed: %s", s->is_copying ? "The checkpoint" : "Flushing",
                    s->err.text[0] != '\0' ? s->err.text : status_text(st));
    } else if (s->is_copying) {
        s->last_wall_ms = clock_wall_ms(s->env->clock);
        s->last_changes = s->changes;
        s->successes++;
        log_notice(s->env->log, "The checkpoint is in %s/%s", s->dir, s->name);
    }
    if (s->is_flush_wanted) {
        s->is_flush_wanted = false;
        status_ignore(begin(s, false), "the store has failed: nothing is flushed any more");
    }
}

static void copy(struct background_job *job, struct io_ring *ring)
{
    struct server_saver *s = job->context;

    job->status = server_checkpoint_make(s->env->io, s->store->lsm, ring, s->dir, s->name, &s->err);
}

static void wake(struct background_job *job)
{
    struct server_saver *s = job->context;

    io_ring_wake(s->ring);
}

/* At the end of a turn in which nothing was written. */
static void freeze(struct server_saver *s, uint64_t now_ns)
{
    struct status st = server_store_freeze(s->store, &s->flush_ticket);

    server_store_hold_writes(s->store, st.code == ST_AGAIN);
    if (st.code == ST_AGAIN || st.code == ST_BUSY)
        return;
    if (failed(st)) {
        end(s, st, now_ns);
        return;
    }
    s->changes = resp_changes(s->resp);
    s->state = SAVER_FLUSHING;
}

static void look_at_flush(struct server_saver *s, uint64_t now_ns)
{
    if (lsm_flushed(s->store->lsm) < s->flush_ticket)
        return;
    if (!s->is_copying) {
        end(s, status_ok(), now_ns);
        return;
    }
    s->job = (struct background_job) { .run = copy, .done = wake, .context = s };
    s->state = SAVER_COPYING;
    server_background_give(s->background, &s->job);
}

void server_saver_step(struct server_saver *s, uint64_t now_ns)
{
    if (s->state == SAVER_IDLE)
        return;
    if (s->state != SAVER_COPYING && server_store_failure(s->store) != NULL) {
        end(s, status_of(ST_FAILED), now_ns);
        return;
    }
    if (s->state == SAVER_FREEZING)
        freeze(s, now_ns);
    if (s->state == SAVER_FLUSHING)
        look_at_flush(s, now_ns);
    else if (s->state == SAVER_COPYING && background_job_is_done(&s->job))
        end(s, s->job.status, now_ns);
}

uint64_t server_saver_deadline(const struct server_saver *s, uint64_t now_ns)
{
    return s->state == SAVER_FREEZING || s->state == SAVER_FLUSHING ? now_ns + POLL_NS : UINT64_MAX;
}
