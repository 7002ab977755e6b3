#include "tests/support/sim_store.h"

#include "base/log.h"

#include "vlog/vlog.h"

/* A store's name: the same in every run, so that a run can be made again byte for byte. */
static const uint8_t uuid[16] = "varve in a test";

/* Rounds of 50 ms in which the background had nothing it could do, after which it is stuck. */
enum { IDLE_ROUNDS_MAX = 200 };

static struct status open_parts(struct sim_store *s, const struct sim_store_options *o)
{
    const struct cache_options cache = { .size_bytes =
                                             o->cache_size == 0 ? 256 << 10 : o->cache_size,
                                         .seed = 1 };
    const struct lsm_config config = {
        .env = &s->env,
        .dir = o->dir,
        .options = o->lsm,
        .sidecar = o->sidecar,
        .create_if_missing = !o->must_exist,
        .uuid = uuid,
        .err = &s->err,
    };
    struct lsm_config c = config;

    TRY(cache_create(&s->env, &cache, &s->cache));
    TRY(io_ring_create(s->env.io, &(struct io_ring_options) { .entries = 64 }, &s->ring));
    c.cache = s->cache;
    TRY(lsm_open(&c, s->ring, &s->lsm));
    txn_log_proposer_init(&s->log, s->lsm, s->env.clock, 0);
    const struct txn_proposer proposer = txn_log_proposer_ops(&s->log);
    TRY(txn_pipeline_init(&s->pipeline, &s->env, s->lsm, &proposer, s->ring));
    txn_proposal_init(&s->pipeline, &s->proposal);
    s->has_proposal = true;
    lsm_reader_init(&s->reader, s->lsm, s->ring, 0);
    s->has_reader = true;
    return status_ok();
}

struct status sim_store_open(struct sim_store *s, struct io_sim *sim,
                             const struct sim_store_options *o)
{
    *s = (struct sim_store) { .sim = sim };
    budget_init(&s->budget, 0);
    s->env = (struct env) { .alloc = o->alloc == NULL ? alloc_heap() : o->alloc,
                            .clock = io_sim_clock(sim),
                            .io = io_sim_io(sim),
                            .budget = &s->budget,
                            .log = log_none() };
    struct status st = open_parts(s, o);
    if (failed(st)) {
        if (s->err.text[0] == '\0')
            errbuf_set(&s->err, "%s (%s:%u)", status_name(st.code), st.file, st.line);
        sim_store_close(s);
    }
    return st;
}

void sim_store_close(struct sim_store *s)
{
    if (s->has_reader)
        lsm_reader_deinit(&s->reader);
    if (s->has_proposal)
        txn_proposal_deinit(&s->pipeline, &s->proposal);
    lsm_close(s->lsm, s->ring);
    io_ring_destroy(s->ring);
    cache_destroy(s->cache);
    s->has_reader = false;
    s->has_proposal = false;
    s->lsm = NULL;
    s->ring = NULL;
    s->cache = NULL;
}

struct lsm_batch *sim_store_batch(struct sim_store *s)
{
    lsm_batch_reset(&s->proposal.batch);
    return &s->proposal.batch;
}

/* Let the log write until it has nothing under way. */
static void drive_log(struct sim_store *s)
{
    enum vlog_step step;
    do {
        step = vlog_write_step(lsm_log(s->lsm), s->ring, clock_ns(s->env.clock));
        if (step == VLOG_WANTS) {
            io_ring_wait(s->ring, UINT64_MAX);
            while (io_ring_done(s->ring) != NULL)
                ;
        }
    } while (step == VLOG_WANTS || step == VLOG_AGAIN);
}

static struct status admit(struct sim_store *s)
{
    for (int idle = 0; idle < 1000;) {
        uint64_t delay_ns;
        struct status st = lsm_admit(s->lsm, lsm_batch_size(&s->proposal.batch),
                                     lsm_batch_is_delete_only(&s->proposal.batch), &delay_ns);
        if (st.code != ST_AGAIN)
            return st;
        io_sim_advance(s->sim, 1000 * 1000);
        idle += sim_store_work(s, 1);
    }
    return status_of(ST_BUSY);
}

struct status sim_store_commit(struct sim_store *s)
{
    s->proposal.place.index = 0;
    TRY(admit(s));
    status_ignore(txn_clock_keep_ahead(&s->pipeline.clock, s->ring),
                  "the mark runs far ahead; the proposal is refused when it no longer does");
    TRY(txn_propose(&s->pipeline, &s->proposal));
    struct txn_proposal *done = NULL;
    while (done == NULL) {
        drive_log(s);
        done = txn_pipeline_step(&s->pipeline);
    }
    /* A memtable that was frozen has ended the log's segment: see it through. */
    drive_log(s);
    return done->status;
}

bool sim_store_is_unknown(const struct sim_store *s)
{
    return s->proposal.state == TXN_DROPPED && s->proposal.place.index != 0;
}

struct status sim_store_put(struct sim_store *s, struct bytes key, struct bytes value)
{
    const struct lsm_put put = { .key = key, .value = value };
    TRY(lsm_batch_put(sim_store_batch(s), &put));
    return sim_store_commit(s);
}

bool sim_store_work(struct sim_store *s, unsigned steps)
{
    while (steps-- > 0) {
        if (lsm_work_step(s->lsm, s->ring, clock_ns(s->env.clock)) != LSM_AGAIN)
            return true;
    }
    return false;
}

/* Work until is_done says so. */
static struct status work_until(struct sim_store *s,
                                bool (*is_done)(const struct sim_store *s, uint64_t ticket),
                                uint64_t ticket)
{
    for (int idle = 0; !is_done(s, ticket);) {
        if (lsm_failure(s->lsm) != NULL)
            return status_of(ST_FAILED);
        if (idle == IDLE_ROUNDS_MAX) {
            uint64_t delay_ns;
            struct status st = lsm_admit(s->lsm, 0, false, &delay_ns);
            return st.code == ST_NO_SPACE ? st : status_of(ST_BUSY);
        }
        if (sim_store_work(s, 1)) {
            io_sim_advance(s->sim, 50 * 1000 * 1000);
            idle++;
        }
    }
    return status_ok();
}

static bool is_flushed(const struct sim_store *s, uint64_t ticket)
{
    return lsm_flushed(s->lsm) >= ticket;
}

static bool is_settled(const struct sim_store *s, uint64_t ticket)
{
    return is_flushed(s, ticket) && lsm_is_settled(s->lsm);
}

static bool is_compacted(const struct sim_store *s, uint64_t ticket)
{
    return lsm_compacted(s->lsm) >= ticket;
}

struct status sim_store_flush(struct sim_store *s, bool settles)
{
    uint64_t ticket;
    TRY(lsm_freeze(s->lsm, &ticket));
    drive_log(s);
    return work_until(s, settles ? is_settled : is_flushed, ticket);
}

struct status sim_store_compact(struct sim_store *s)
{
    static const struct bytes all;
    uint64_t ticket;
    TRY(lsm_compact(s->lsm, 0, all, all, &ticket));
    return work_until(s, is_compacted, ticket);
}

void sim_store_seal(struct sim_store *s)
{
    io_sim_advance(s->sim, 1000 * 1000 * 1000);
    drive_log(s);
}
