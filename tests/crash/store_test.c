/*
 * What the sweeps of a whole store have found (store_fault_prog.c, store_crash_prog.c), each by
 * itself.
 */
#include "tests/crash/support/store_work.h"
#include "tests/support/must.h"

#include <errno.h>
#include <stdio.h>

static const struct store_work_options durable = { .mode = VLOG_DURABLE };

static void expect(struct store_work *w, const struct store_contents *c)
{
    struct errbuf why = { "" };
    cr_assert_eq(store_work_look(w, c, &why), STORE_RIGHT, "%s", why.text);
}

/* The edit of the flush reaches the disk, and its sync fails: the next open may find it. */
Test(crash_store, an_edit_of_unknown_outcome_keeps_its_files)
{
    for (uint64_t n = 1;; n++) {
        struct io_sim *sim = io_sim_create(NULL, NULL);
        const struct io_sim_fault fault = { .classes = IO_SIM_SYNC, .at = n, .error = EIO };
        struct store_contents c = { .side = 0 };
        struct store_work w;

        MUST(store_work_open(&w, sim, &durable));
        MUST(store_work_do(&w, 'P', 0));
        store_contents_apply(&c, 'P', 0);
        io_sim_set_fault(sim, &fault);
        struct status s = store_work_do(&w, 'f', 1);
        bool has_fired = io_sim_faults_fired(sim) > 0;
        cr_assert_eq(failed(s), has_fired);
        io_sim_set_fault(sim, NULL);
        store_work_close(&w);
        MUST(store_work_open(&w, sim, &durable));
        expect(&w, &c);
        store_work_close(&w);
        io_sim_destroy(sim);
        if (!has_fired)
            break;
        cr_assert_lt(n, 100);
    }
}

/* Each allocation of a flush fails: before the edit is durable nothing happened, after it its files
 * are named. */
Test(crash_store, a_durable_edit_that_finds_no_memory_keeps_its_files)
{
    for (uint64_t n = 1;; n++) {
        struct io_sim *sim = io_sim_create(NULL, NULL);
        struct io_sim_choice none = { .keep = IO_SIM_KEEP_ALL };
        struct store_contents c = { .side = 0 };
        struct alloc_test alloc;
        struct store_work w;

        alloc_test_init(&alloc);
        MUST(store_work_open(&w, sim, &(struct store_work_options) { .alloc = &alloc.alloc }));
        MUST(store_work_do(&w, 'P', 0));
        store_contents_apply(&c, 'P', 0);
        alloc.calls = 0;
        alloc.fail_at = n;
        alloc.fail_for_ever = true;
        struct status s = store_work_do(&w, 'f', 1);
        bool has_fired = alloc.calls >= n;
        alloc.fail_at = 0;
        if (succeeded(s) || lsm_failure(w.store.lsm) == NULL)
            MUST(store_work_do(&w, 'f', 1)); /* A freeze that failed leaves nothing behind. */
        store_work_close(&w);
        cr_assert_eq(alloc.live_bytes, 0);
        struct io_sim *after = io_sim_crash(sim, &none, NULL);
        MUST(store_work_open(&w, after, &durable));
        expect(&w, &c);
        store_work_close(&w);
        io_sim_destroy(after);
        io_sim_destroy(sim);
        if (!has_fired)
            break;
        cr_assert_lt(n, 1000);
    }
}

/* Whichever edit it is at which the manifest is begun anew. */
Test(crash_store, a_manifest_begun_anew_has_all_names)
{
    for (unsigned names = 1; names < 40; names++) {
        struct io_sim *sim = io_sim_create(NULL, NULL);
        struct store_contents c = { .side = 0 };
        struct store_work w;

        MUST(store_work_open(&w, sim, &durable));
        for (unsigned n = 0; n < names; n++) {
            MUST(store_work_do(&w, 'k', n));
            store_contents_apply(&c, 'k', n);
        }
        MUST(store_work_do(&w, 'o', names));
        expect(&w, &c);
        store_work_close(&w);
        io_sim_destroy(sim);
    }
}

/* A name that is being created is taken; one whose creation failed is free, and stays so. */
Test(crash_store, a_keyspace_that_was_refused_is_not_there)
{
    for (uint64_t n = 1;; n++) {
        struct io_sim *sim = io_sim_create(NULL, NULL);
        struct alloc_test alloc;
        struct store_work w;
        uint32_t id;

        alloc_test_init(&alloc);
        MUST(store_work_open(&w, sim, &(struct store_work_options) { .alloc = &alloc.alloc }));
        alloc.calls = 0;
        alloc.fail_at = n;
        struct status s = store_work_do(&w, 'k', 0);
        bool has_fired = alloc.calls >= n;
        alloc.fail_at = 0;
        bool is_poisoned = lsm_failure(w.store.lsm) != NULL;
        cr_assert_eq(succeeded(lsm_keyspace_find(w.store.lsm, "ks0", &id)), succeeded(s));
        if (!is_poisoned) {
            MUST(store_work_do(&w, 'o', 1));
            cr_assert_eq(succeeded(lsm_keyspace_find(w.store.lsm, "ks0", &id)), succeeded(s));
            MUST_BE(store_work_do(&w, 'k', 0), succeeded(s) ? ST_BUSY : ST_OK);
        }
        store_work_close(&w);
        io_sim_destroy(sim);
        if (!has_fired)
            break;
        cr_assert_lt(n, 100);
    }
}

/* It refuses at once, and leaves the disk as it is. */
Test(crash_store, a_poisoned_store_does_not_freeze)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    const struct io_sim_fault fault = { .classes = IO_SIM_SYNC_DIR, .at = 1, .error = EIO };
    struct store_work w;
    uint64_t ticket;

    MUST(store_work_open(&w, sim, &durable));
    MUST(store_work_do(&w, 'P', 0));
    io_sim_set_fault(sim, &fault);
    cr_assert(failed(store_work_do(&w, 'f', 1)));
    io_sim_set_fault(sim, NULL);
    cr_assert_not_null(lsm_failure(w.store.lsm));
    uint64_t calls = io_sim_calls(sim, IO_SIM_ALL);
    MUST_BE(lsm_freeze(w.store.lsm, &ticket), ST_FAILED);
    cr_assert_eq(lsm_work_step(w.store.lsm, w.store.ring, 0), LSM_BROKEN);
    cr_assert_eq(io_sim_calls(sim, IO_SIM_ALL), calls);
    store_work_close(&w);
    io_sim_destroy(sim);
}

static void find_value_file(void *context, const char *path, uint64_t size)
{
    (void)size;
    if (strstr(path, ".val") != NULL)
        (void)snprintf(context, 64, "%s", path);
}

/* It is opened by the first read; what is not there is no answer about the key. */
Test(crash_store, a_missing_value_file_is_damage)
{
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct store_contents c = { .side = 0 };
    struct errbuf why = { "" };
    struct store_work w;
    char path[64] = "";

    MUST(store_work_open(&w, sim, &durable));
    MUST(store_work_do(&w, 'P', 0));
    store_contents_apply(&c, 'P', 0);
    MUST(store_work_do(&w, 's', 1));
    store_work_close(&w);
    io_sim_walk(sim, find_value_file, path);
    cr_assert(io_sim_remove(sim, path));
    MUST(store_work_open(&w, sim, &durable));
    cr_assert_eq(store_work_look(&w, &c, &why), STORE_REFUSED);
    cr_assert_not_null(strstr(why.text, ".val"), "%s", why.text);
    store_work_close(&w);
    io_sim_destroy(sim);
}
