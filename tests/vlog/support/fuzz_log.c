#include "tests/vlog/support/fuzz_log.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"

const uint8_t fuzz_log_store[VLOG_UUID] = "0123456789abcdef";

enum { CACHE_BYTES = 256 * 1024, SEGMENT_BYTES = 32 * 1024 };

void fuzz_log_init(struct fuzz_log *f)
{
    struct cache_options cache = { .size_bytes = CACHE_BYTES };

    *f = (struct fuzz_log) { .sim = io_sim_create(NULL, NULL), .next_id = 100 };
    budget_init(&f->budget, 0);
    f->env = (struct env) {
        .alloc = alloc_heap(),
        .clock = io_sim_clock(f->sim),
        .io = io_sim_io(f->sim),
        .budget = &f->budget,
        .log = log_none(),
    };
    CHECK(succeeded(io_ring_create(f->env.io, NULL, &f->ring)));
    CHECK(succeeded(cache_create(&f->env, &cache, &f->cache)));
}

void fuzz_log_deinit(struct fuzz_log *f)
{
    vlog_close(f->log, f->ring);
    cache_destroy(f->cache);
    io_ring_destroy(f->ring);
    CHECK(atomic_load(&f->budget.total_bytes) == 0);
    io_sim_destroy(f->sim);
}

void fuzz_log_put(struct fuzz_log *f, uint64_t id, enum vlog_kind kind, const uint8_t *data,
                  size_t size)
{
    char name[VLOG_NAME_MAX];
    struct io_file *file;

    vlog_name(id, kind, name);
    CHECK(succeeded(io_open(f->env.io, name, IO_WRITE | IO_CREATE, &file)));
    if (size > 0)
        CHECK(succeeded(io_write(f->ring, file, data, size, 0)));
    io_close(file);
}

static struct status take_id(void *context, uint64_t *out_id)
{
    struct fuzz_log *f = context;
    *out_id = f->next_id++;
    return status_ok();
}

struct status fuzz_log_open(struct fuzz_log *f, const struct vlog_file *files, size_t count,
                            vlog_visit_entry *visit, void *context)
{
    struct errbuf err;
    struct vlog_config config = {
        .env = &f->env,
        .cache = f->cache,
        .dir = ".",
        .options = { .mode = VLOG_RELAXED, .segment_size = SEGMENT_BYTES },
        .files = files,
        .file_count = count,
        .take_file_id = take_id,
        .id_context = f,
        .err = &err,
    };

    memcpy(config.store_uuid, fuzz_log_store, VLOG_UUID);
    struct status s = vlog_open(&config, f->ring, visit, context, &f->log);
    /* Whoever refuses says why. */
    CHECK(succeeded(s) || err.text[0] != '\0');
    return s;
}

void fuzz_log_mend_batches(uint8_t *data, size_t size, uint64_t id)
{
    uint32_t seed = vlog_seed(fuzz_log_store, id);

    for (size_t at = VLOG_BLOCK; at + VLOG_BATCH_HEADER <= size;) {
        struct vlog_batch b = {
            .length = get_u32(data + at + 8),
            .count = get_u32(data + at + 12),
            .lsn = vlog_batch_lsn(data + at),
            .durable_lsn = get_u64(data + at + 24),
            .first_ordinal = get_u32(data + at + 32),
            .flags = get_u16(data + at + 36),
        };
        if (b.length > size - at - VLOG_BATCH_HEADER)
            return;
        vlog_batch_write(&b, seed, data + at);
        at = vlog_batch_start(at + VLOG_BATCH_HEADER + b.length, b.flags);
    }
}
