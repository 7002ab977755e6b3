#include "tests/base/support/sim_box.h"

#include "tests/support/must.h"

struct sim_box sim_box_of(struct io_sim *sim)
{
    struct sim_box b = { .sim = sim, .io = io_sim_io(sim) };

    MUST(io_ring_create(b.io, NULL, &b.ring));
    return b;
}

struct sim_box sim_box_open(const struct io_sim_options *options)
{
    return sim_box_of(io_sim_create(options, NULL));
}

void sim_box_close(struct sim_box *b)
{
    io_ring_destroy(b->ring);
    io_sim_destroy(b->sim);
}

struct sim_box sim_box_cut(struct sim_box *b, enum io_sim_keep keep)
{
    return sim_box_of(io_sim_crash(b->sim, &(struct io_sim_choice) { .keep = keep }, NULL));
}

struct sim_box sim_box_cut_mask(struct sim_box *b, uint64_t mask, bool grows, bool has_garbage)
{
    struct io_sim_choice choice = {
        .keep = IO_SIM_KEEP_MASK, .mask = &mask, .grows = grows, .has_garbage = has_garbage
    };
    return sim_box_of(io_sim_crash(b->sim, &choice, NULL));
}

struct io_file *sim_box_file(struct sim_box *b, const char *path, unsigned flags)
{
    struct io_file *f = NULL;

    MUST(io_open(b->io, path, flags, &f));
    return f;
}

void sim_box_write(struct sim_box *b, const char *path, const char *text)
{
    struct io_file *f = sim_box_file(b, path, IO_WRITE | IO_CREATE);

    MUST(io_write(b->ring, f, text, strlen(text), 0));
    io_close(f);
}

void sim_box_sync(struct sim_box *b, const char *path)
{
    struct io_file *f = sim_box_file(b, path, IO_WRITE);

    MUST(io_sync(b->ring, f));
    io_close(f);
}

void sim_box_write_durably(struct sim_box *b, const char *path, const char *text)
{
    sim_box_write(b, path, text);
    sim_box_sync(b, path);
    MUST(io_sync_dir(b->io, "."));
}

bool sim_box_has(struct sim_box *b, const char *path)
{
    bool exists = false;

    MUST(io_exists(b->io, path, &exists));
    return exists;
}

uint64_t sim_box_size(struct sim_box *b, const char *path)
{
    struct io_file *f = sim_box_file(b, path, IO_READ);
    uint64_t size = 0;

    MUST(io_size(f, &size));
    io_close(f);
    return size;
}

const char *sim_box_text(struct sim_box *b, const char *path)
{
    static char texts[4][8192];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    size_t size = 0;

    if (!sim_box_has(b, path))
        return "(none)";
    struct io_file *f = sim_box_file(b, path, IO_READ);
    MUST(io_read(b->ring, f, text, sizeof texts[0] - 1, 0, &size));
    text[size] = '\0';
    io_close(f);
    return text;
}
