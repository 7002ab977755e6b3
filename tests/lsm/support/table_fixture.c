#include "table_fixture.h"

#include "base/check.h"
#include "base/io_sim.h"
#include "base/log.h"

#include "lsm/manifest.h"

#include <stdio.h>
#include <stdlib.h>

static void must(struct status s)
{
    if (failed(s))
        fprintf(stderr, "%s from %s:%u\n", status_name(s.code), s.file, s.line);
    CHECK(succeeded(s));
}

void table_fixture_init(struct table_fixture *x, uint64_t cache_size)
{
    struct cache_options options = { .size_bytes = cache_size, .seed = 1 };
    struct fetch_options fetch = { .fill = FETCH_FILL_NORMAL };

    x->sim = io_sim_create(NULL, NULL);
    budget_init(&x->budget, 0);
    x->env = (struct env) { .alloc = alloc_heap(),
                            .clock = io_sim_clock(x->sim),
                            .io = io_sim_io(x->sim),
                            .budget = &x->budget,
                            .log = log_none() };
    must(io_ring_create(x->env.io, NULL, &x->ring));
    must(io_mkdir(x->env.io, "d"));
    must(cache_create(&x->env, &options, &x->cache));
    fetch.cache = x->cache;
    fetch.ring = x->ring;
    fetch_init(&x->fetch, &fetch);
}

void table_fixture_deinit(struct table_fixture *x)
{
    fetch_deinit(&x->fetch);
    cache_destroy(x->cache);
    for (unsigned tag = 0; tag < BUDGET_TAGS; tag++) {
        if (x->budget.held_bytes[tag] != 0)
            fprintf(stderr, "still charged: %s\n", budget_tag_name((enum budget_tag)tag));
        CHECK(x->budget.held_bytes[tag] == 0);
    }
    io_ring_destroy(x->ring);
    io_sim_destroy(x->sim);
}

void table_fixture_build(struct table_fixture *x, const struct table_input *in,
                         struct lsm_table_meta *out_meta)
{
    struct lsm_table_builder *b;

    must(lsm_table_builder_create(&x->env, x->ring, "d", in->id, &in->options, &b));
    for (size_t i = 0; i < in->range_delete_count; i++)
        must(lsm_table_builder_add_range_delete(b, &in->range_deletes[i]));
    for (size_t i = 0; i < in->set->count; i++)
        must(lsm_table_builder_add(b, &in->set->entries[i]));
    must(lsm_table_builder_finish(b, out_meta));
}

struct lsm_table *table_fixture_open(struct table_fixture *x, const struct lsm_table_meta *meta)
{
    struct lsm_table *t;

    must(lsm_table_open(&x->env, "d", meta, &t));
    return t;
}

void table_fixture_drive(struct table_fixture *x, struct fetch *f)
{
    while (fetch_submit(f, x->ring)) {
        io_ring_wait(x->ring, UINT64_MAX);
        for (struct io_op *op = io_ring_done(x->ring); op != NULL; op = io_ring_done(x->ring)) {
            while (fetch_complete(x->cache, op) != NULL)
                continue;
        }
    }
    CHECK(fetch_is_ready(f));
}

static struct io_file *open_table(struct table_fixture *x, uint64_t id, unsigned flags)
{
    char name[LSM_NAME_MAX];
    char path[IO_PATH_MAX];
    struct io_file *file;

    lsm_table_name(id, name, sizeof name);
    must(lsm_path("d", name, path));
    must(io_open(x->env.io, path, flags, &file));
    return file;
}

uint8_t *table_fixture_load(struct table_fixture *x, uint64_t id, size_t *out_size)
{
    struct io_file *file = open_table(x, id, IO_READ);
    uint64_t size;

    must(io_size(file, &size));
    uint8_t *data = malloc(size);
    must(io_read(x->ring, file, data, size, 0, out_size));
    CHECK(*out_size == size);
    io_close(file);
    return data;
}

void table_fixture_store(struct table_fixture *x, uint64_t id, const uint8_t *data, size_t size)
{
    struct io_file *file = open_table(x, id, IO_WRITE | IO_CREATE | IO_TRUNCATE);

    must(io_write(x->ring, file, data, size, 0));
    io_close(file);
}
