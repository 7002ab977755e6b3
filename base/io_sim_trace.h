/*
 * io_sim_trace -- events kept. Private to base/io_sim*; what tests may do with a trace is in
 * io_sim.h.
 */
#ifndef VARVE_BASE_IO_SIM_TRACE_H
#define VARVE_BASE_IO_SIM_TRACE_H

#include "base/io_sim_disk.h"

/* Begins with the disk as it is: copied. */
struct io_sim_trace *sim_trace_create(const struct sim_disk *d);
/* e is copied; its blob is shared. */
void sim_trace_add(struct io_sim_trace *t, const struct io_sim_event *e);

/* An image is a disk that nobody changes. disk is taken. */
struct io_sim_image *sim_image_create(struct sim_disk *disk);
const struct sim_disk *sim_image_disk(const struct io_sim_image *image);

#endif
