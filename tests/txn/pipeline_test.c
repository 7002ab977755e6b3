/*
 * The pipeline over a proposer that is not the log alone: entries get their places in the log at
 * once and are decided later, as with peers, with numbers and terms the pipeline did not choose.
 */
#include "tests/support/must.h"
#include "tests/support/sim_store.h"

#include <criterion/criterion.h>

#include <stdio.h>

struct peers {
    struct txn_log_proposer log;
    uint64_t committed; /* Index. */
    uint64_t term;
    bool refuses;
    const char *why;
};

static struct status propose(void *context, struct txn_proposal *p)
{
    struct peers *peers = context;
    struct txn_proposer log = txn_log_proposer_ops(&peers->log);

    if (peers->refuses)
        return status_of(ST_AGAIN);
    TRY(log.propose(log.context, p));
    p->place.term = peers->term;
    return status_ok();
}

static bool is_durable(void *context, const struct txn_proposal *p)
{
    const struct peers *peers = context;
    return p->place.index <= peers->committed;
}

static const char *failure(void *context)
{
    return ((struct peers *)context)->why;
}

enum { PROPOSALS = 4 };

struct fixture {
    struct io_sim *sim;
    struct sim_store store;
    struct peers peers;
    struct txn_pipeline pipeline;
    struct txn_proposal proposals[PROPOSALS];
};

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture) { .sim = io_sim_create(NULL, NULL) };
    MUST(sim_store_open(&f->store, f->sim, &(struct sim_store_options) { .dir = "/store" }));
    txn_log_proposer_init(&f->peers.log, f->store.lsm, f->store.env.clock, 0);
    f->peers.log.next_index += 5; /* Others' entries are in the group's log. */
    f->peers.term = 3;
    const struct txn_proposer proposer = {
        .context = &f->peers, .propose = propose, .is_durable = is_durable, .failure = failure
    };
    MUST(txn_pipeline_init(&f->pipeline, &f->store.env, f->store.lsm, &proposer, f->store.ring));
    for (int i = 0; i < PROPOSALS; i++)
        txn_proposal_init(&f->pipeline, &f->proposals[i]);
}

static void close_fixture(struct fixture *f)
{
    for (int i = 0; i < PROPOSALS; i++)
        txn_proposal_deinit(&f->pipeline, &f->proposals[i]);
    txn_pipeline_deinit(&f->pipeline);
    sim_store_close(&f->store);
    io_sim_destroy(f->sim);
}

/* Proposal i writes key "i". */
static void offer(struct fixture *f, int i)
{
    char key[] = { (char)('0' + i), '\0' };
    const struct lsm_put put = { .key = bytes_str(key), .value = bytes_str("v") };

    MUST(lsm_batch_put(&f->proposals[i].batch, &put));
    MUST(txn_propose(&f->pipeline, &f->proposals[i]));
}

static void drive_log(struct fixture *f)
{
    while (vlog_write_wait(lsm_log(f->store.lsm), f->store.ring, 0) == VLOG_AGAIN)
        ;
}

/* Which of the keys "0" ... are there, as digits. */
static const char *present(struct fixture *f, char *room)
{
    size_t n = 0;

    for (char c = '0'; c < '0' + PROPOSALS; c++) {
        struct lsm_value v;
        struct status s = lsm_get(&f->store.reader, 0, bytes_of(&c, 1), UINT64_MAX, 0, &v);
        if (succeeded(s))
            room[n++] = c;
        lsm_reader_reset(&f->store.reader);
    }
    room[n] = '\0';
    return room;
}

Test(txn_pipeline, what_is_on_the_disk_and_not_committed_is_not_applied)
{
    struct fixture f;
    char room[PROPOSALS + 1];

    open_fixture(&f);
    offer(&f, 0);
    offer(&f, 1);
    f.peers.term = 4;
    offer(&f, 2);
    drive_log(&f);
    cr_assert_null(txn_pipeline_step(&f.pipeline));
    cr_assert_str_eq(present(&f, room), "");

    f.peers.committed = f.proposals[1].place.index;
    struct txn_proposal *done = txn_pipeline_step(&f.pipeline);
    cr_assert_eq(done, &f.proposals[0]);
    cr_assert_eq(done->next, &f.proposals[1]);
    cr_assert_null(done->next->next);
    cr_assert_str_eq(present(&f, room), "01");

    f.peers.committed = f.proposals[2].place.index;
    done = txn_pipeline_step(&f.pipeline);
    cr_assert_eq(done->state, TXN_APPLIED);
    cr_assert_str_eq(present(&f, room), "012");
    struct lsm_applied applied = lsm_applied(f.store.lsm, LSM_GROUP_DATA);
    cr_assert_eq(applied.term, 4);
    cr_assert_eq(applied.index, f.proposals[2].place.index);
    close_fixture(&f);
}

Test(txn_pipeline, what_is_refused_waits_and_those_behind_it)
{
    struct fixture f;
    char room[PROPOSALS + 1];

    open_fixture(&f);
    f.peers.refuses = true;
    offer(&f, 0);
    offer(&f, 1);
    cr_assert_null(txn_pipeline_step(&f.pipeline));
    f.peers.refuses = false;
    offer(&f, 2);
    cr_assert_eq(f.proposals[2].state, TXN_BUILDING, "behind those that wait");
    cr_assert_null(txn_pipeline_step(&f.pipeline));
    cr_assert_lt(f.proposals[0].place.index, f.proposals[1].place.index);
    cr_assert_lt(f.proposals[1].place.index, f.proposals[2].place.index);
    cr_assert_lt(f.proposals[1].version, f.proposals[2].version);
    drive_log(&f);
    f.peers.committed = UINT64_MAX;
    cr_assert_eq(txn_pipeline_step(&f.pipeline), &f.proposals[0]);
    cr_assert_str_eq(present(&f, room), "012");
    close_fixture(&f);
}

/* Committed before the end: applied. Everything else: dropped, in order, and not in the tree. */
Test(txn_pipeline, what_is_lost_is_dropped_and_never_applied)
{
    struct fixture f;
    char room[PROPOSALS + 1];

    open_fixture(&f);
    for (int i = 0; i < 3; i++)
        offer(&f, i);
    f.peers.refuses = true;
    offer(&f, 3);
    drive_log(&f);
    f.peers.committed = f.proposals[0].place.index;
    f.peers.why = "no majority";
    struct txn_proposal *done = txn_pipeline_step(&f.pipeline);
    for (int i = 0; i < PROPOSALS; i++, done = done->next) {
        cr_assert_eq(done, &f.proposals[i]);
        cr_assert_eq(done->state, i == 0 ? TXN_APPLIED : TXN_DROPPED);
        cr_assert_eq(done->status.code, i == 0 ? ST_OK : ST_FAILED);
    }
    cr_assert_null(done);
    cr_assert_str_eq(present(&f, room), "0");
    close_fixture(&f);
}
