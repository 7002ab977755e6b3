/*
 * sim_box -- a simulated machine and a ring on it, with what tests of it say in a word.
 *
 * Every call asserts that it succeeds. Threads: one.
 */
#ifndef VARVE_TESTS_BASE_SIM_BOX_H
#define VARVE_TESTS_BASE_SIM_BOX_H

#include "base/io_sim.h"

struct sim_box {
    struct io_sim *sim;
    struct io *io;
    struct io_ring *ring;
};

/* sim is taken. */
struct sim_box sim_box_of(struct io_sim *sim);
struct sim_box sim_box_open(const struct io_sim_options *options);
void sim_box_close(struct sim_box *b);
/* The machine after a power cut; b runs on. */
struct sim_box sim_box_cut(struct sim_box *b, enum io_sim_keep keep);
/* ... that keeps the units named by the bits of mask. */
struct sim_box sim_box_cut_mask(struct sim_box *b, uint64_t mask, bool grows, bool has_garbage);

struct io_file *sim_box_file(struct sim_box *b, const char *path, unsigned flags);
/* Create path with text in it; not synced. */
void sim_box_write(struct sim_box *b, const char *path, const char *text);
void sim_box_sync(struct sim_box *b, const char *path);
/* Create path with text in it, and make both durable. */
void sim_box_write_durably(struct sim_box *b, const char *path, const char *text);
bool sim_box_has(struct sim_box *b, const char *path);
uint64_t sim_box_size(struct sim_box *b, const char *path);
/* The file's content, as text; "(none)" if there is no file. In one of a few static buffers. */
const char *sim_box_text(struct sim_box *b, const char *path);

#endif
