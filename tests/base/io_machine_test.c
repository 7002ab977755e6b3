/*
 * The contract on the machine's own back ends.
 */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/base/io_machine.h"

static void open_machine(struct io_contract_machine *m, enum io_kind kind)
{
    const char *why = NULL;

    snprintf(m->dir, sizeof m->dir, "/tmp/varve-io-XXXXXX");
    cr_assert_not_null(mkdtemp(m->dir));
    m->clock = clock_system();
    cr_assert_eq(io_open_machine(alloc_heap(), kind, &m->io, &why).code, ST_OK);
    if (io_kind(m->io) != kind)
        cr_skip_test("%s", why);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void close_machine(struct io_contract_machine *m)
{
    io_close_machine(m->io);
    cr_assert_eq(nftw(m->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void io_machine_run(enum io_kind kind, bool binds_rings, void (*run)(struct io_contract_machine *m))
{
    struct io_contract_machine m = { .binds_rings = binds_rings };

    open_machine(&m, kind);
    run(&m);
    close_machine(&m);
}

#define ON_URING(name)                                                                             \
    Test(base_io_uring, name, .timeout = 300)                                                      \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, false, io_contract_##name);                                  \
    }
#define ON_BOUND_URING(name)                                                                       \
    Test(base_io_uring_bound, name, .timeout = 300)                                                \
    {                                                                                              \
        io_machine_run(IO_KIND_URING, true, io_contract_##name);                                   \
    }
#define ON_POSIX(name)                                                                             \
    Test(base_io_posix, name, .timeout = 300)                                                      \
    {                                                                                              \
        io_machine_run(IO_KIND_POSIX, false, io_contract_##name);                                  \
    }

IO_CONTRACT_CASES(ON_URING)
IO_CONTRACT_CASES(ON_BOUND_URING)
IO_CONTRACT_CASES(ON_POSIX)
