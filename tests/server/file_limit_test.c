/* The limit of open files: what it leaves the clients, at the start and by CONFIG SET. */
#include "support/sim_server.h"

#include <criterion/criterion.h>

#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/file_limit.h"

Test(server_file_limit, clients_and_store_share_what_there_is)
{
    static const uint64_t ROWS[][2] = { { 0, 1 },       { 1, 1 },        { 2, 1 },
                                        { 64, 32 },     { 1024, 512 },   { 1025, 513 },
                                        { 2047, 1024 }, { 2048, 1024 },  { 2049, 1025 },
                                        { 4096, 3072 }, { 11024, 10000 } };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        cr_assert_eq(file_limit_clients(ROWS[i][0]), ROWS[i][1], "of %llu",
                     (unsigned long long)ROWS[i][0]);
    for (uint64_t files = 2; files < 5000; files++)
        cr_assert_geq(file_limit_clients(files), file_limit_clients(files - 1));
}

/* A limit that this process can lower only, though it be root's. */
static void set_hard_limit(rlim_t files)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 } };

    cr_assert_eq(syscall(SYS_capset, &head, none), 0);
    cr_assert_eq(
        setrlimit(RLIMIT_NOFILE, &(struct rlimit) { .rlim_cur = files, .rlim_max = files }), 0);
}

Test(server_file_limit, maxclients_is_what_files_can_be_open_for)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct sim_server s;
    uint64_t files;

    set_hard_limit(1024);
    sim_server_open(&s, sim, NULL);
    cr_assert_eq(file_limit_raise(10000, &files), 512);
    cr_assert_eq(files, 1024);
    cr_assert_eq(file_limit_raise(511, &files), 511);
    cr_assert_str_eq(sim_client_ask(&s, 0, "CONFIG SET maxclients 9"), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "CONFIG SET timeout 3 maxclients 513"),
                     "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The "
                     "operating system is not able to handle the specified number of clients, try "
                     "with 512\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "CONFIG GET maxclients"),
                     "*2\r\n$10\r\nmaxclients\r\n$1\r\n9\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "CONFIG SET timeout 7 maxclients 5"), "+OK\r\n");
    cr_assert_str_eq(sim_client_ask(&s, 0, "CONFIG SET maxclients 512"), "+OK\r\n");
    sim_server_close(&s);
    io_sim_destroy(sim);
}
