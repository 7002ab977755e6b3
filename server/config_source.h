/*
 * config_source -- files of parameters, read and replaced.
 *
 * Reading happens before the server has a machine: a source opens one of its own, the plainest.
 *
 * Threads: one.
 */
#ifndef VARVE_SERVER_CONFIG_SOURCE_H
#define VARVE_SERVER_CONFIG_SOURCE_H

#include "base/io.h"

#include "server/config.h"

enum { CONFIG_FILE_MAX = 1 << 20 };

/* Read a file and what it includes, and note its absolute path. INVALID, IO, NOT_FOUND ... */
MUST_CHECK struct status config_source_read_file(struct server_config *c, const char *path,
                                                 struct errbuf *err);
/* The flags, and what they include. */
MUST_CHECK struct status config_source_read_flags(struct server_config *c, int argc,
                                                  const char *const *argv, struct errbuf *err);
/* Write c to its file: a new one beside it, synced, takes its name. The old file stays on failure;
 * err says why. Requires: c has a file. */
MUST_CHECK struct status config_source_rewrite(const struct server_config *c, struct io *io,
                                               struct io_ring *ring, struct errbuf *err);

#endif
