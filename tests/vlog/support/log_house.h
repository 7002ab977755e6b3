/*
 * log_house -- a simulated machine with a log fixture in it, for Criterion cases.
 */
#ifndef VARVE_TESTS_VLOG_LOG_HOUSE_H
#define VARVE_TESTS_VLOG_LOG_HOUSE_H

#include <criterion/criterion.h>

#include "tests/vlog/support/log_fixture.h"

struct log_house {
    struct io_sim *sim;
    struct log_fixture log;
};

static inline void log_house_init(struct log_house *h, const struct vlog_options *options,
                                  const struct io_sim_options *machine)
{
    h->sim = io_sim_create(machine, NULL);
    log_fixture_init(&h->log, options, io_sim_io(h->sim), io_sim_clock(h->sim), ".");
}

static inline void log_house_deinit(struct log_house *h)
{
    log_fixture_deinit(&h->log);
    cr_assert_eq(h->log.memory.live_bytes, 0, "%zu bytes leaked", h->log.memory.live_bytes);
    cr_assert_eq(atomic_load(&h->log.budget.total_bytes), 0, "%zu bytes still charged",
                 atomic_load(&h->log.budget.total_bytes));
    io_sim_destroy(h->sim);
}

static inline void log_house_open(struct log_house *h)
{
    struct status s = log_fixture_open(&h->log);
    cr_assert(succeeded(s), "open: %s: %s %s", status_name(s.code), h->log.err.text,
              h->log.wrong.text);
}

static inline void log_house_reopen(struct log_house *h)
{
    log_fixture_close(&h->log);
    log_house_open(h);
}

/* Power fails; what choice says is kept, and the machine is switched on again. The log is closed.
 */
static inline void log_house_cut_power(struct log_house *h, const struct io_sim_choice *choice)
{
    struct io_sim *after = io_sim_crash(h->sim, choice, NULL);

    log_fixture_move(&h->log, io_sim_io(after), io_sim_clock(after));
    io_sim_destroy(h->sim);
    h->sim = after;
}

#endif
