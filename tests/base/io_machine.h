/*
 * io_machine -- a real machine for an io_contract case: a temporary directory, the system clock.
 */
#ifndef VARVE_TESTS_BASE_IO_MACHINE_H
#define VARVE_TESTS_BASE_IO_MACHINE_H

#include "tests/base/io_contract.h"

/* Run one case on a fresh machine of kind. Skips the test, with the reason, where there is none. */
void io_machine_run(enum io_kind kind, bool binds_rings,
                    void (*run)(struct io_contract_machine *m));

#endif
