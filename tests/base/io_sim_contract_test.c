/*
 * The contract of the I/O seam on the simulated machine: in order, and with everything drawn from
 * a seed.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/io_sim.h"
#include "tests/base/io_contract.h"

static void run_case(const struct io_sim_options *options,
                     void (*run)(struct io_contract_machine *))
{
    struct io_sim *sim = io_sim_create(options, NULL);
    struct io_contract_machine m = { .io = io_sim_io(sim), .clock = io_sim_clock(sim) };

    snprintf(m.dir, sizeof m.dir, "dir");
    cr_assert_eq(io_mkdir(m.io, m.dir).code, ST_OK);
    run(&m);
    io_sim_destroy(sim);
}

#define IN_ORDER(name)                                                                             \
    Test(base_io_sim, name)                                                                        \
    {                                                                                              \
        run_case(NULL, io_contract_##name);                                                        \
    }
#define SEEDED(name)                                                                               \
    Test(base_io_sim_seeded, name)                                                                 \
    {                                                                                              \
        for (uint64_t seed = 1; seed <= 20; seed++) {                                              \
            struct io_sim_options o = { .seed = seed,                                              \
                                        .latency_min_ns = seed % 2 * 1000,                         \
                                        .latency_max_ns = seed % 2 * 50000,                        \
                                        .has_short_recv = seed % 3 == 0 };                         \
            run_case(&o, io_contract_##name);                                                      \
        }                                                                                          \
    }

IO_CONTRACT_CASES(IN_ORDER)
IO_CONTRACT_CASES(SEEDED)
