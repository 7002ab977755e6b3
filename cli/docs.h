/*
 * docs -- what the server says of its commands (COMMAND DOCS), for completion, hints and help.
 *
 * Threads: one owner.
 */
#ifndef VARVE_CLI_DOCS_H
#define VARVE_CLI_DOCS_H

#include "base/arena.h"
#include "base/buf.h"

#include "cli/edit.h"
#include "cli/value.h"

struct cli_doc {
    struct bytes name; /* "config get". */
    struct bytes summary;
    struct bytes since;
    struct bytes group;
    struct bytes *arguments; /* As they are written: "key", "[EX seconds|PX milliseconds]". */
    size_t argument_count;
};

struct cli_docs {
    struct cli_helper helper; /* Of an editor. */
    struct arena arena;
    struct cli_doc *all; /* By name. */
    size_t count;
};

void cli_docs_init(struct cli_docs *d, struct alloc *alloc);
void cli_docs_deinit(struct cli_docs *d);

/* Take the reply of COMMAND DOCS; what is no such reply leaves them empty. NO_MEMORY. */
MUST_CHECK struct status cli_docs_load(struct cli_docs *d, const struct cli_value *reply);

/* Append what there is to know of the command that words name (of a container, of all its commands;
 * of "@group", of the group's), or that none is known. */
void cli_docs_explain(const struct cli_docs *d, struct bytes words, struct buf *out);

#endif
