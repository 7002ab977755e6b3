/*
 * print -- replies as text, in the forms of redis-cli.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_CLI_PRINT_H
#define VARVE_CLI_PRINT_H

#include "base/buf.h"

#include "cli/value.h"

enum cli_format {
    CLI_PEOPLE, /* Types are told, text is quoted, containers are numbered and indented. */
    CLI_RAW,    /* Bare values, a line each. */
    CLI_CSV,
    CLI_JSON,
};

/* Append a reply and the end of its line. */
void cli_print(enum cli_format format, const struct cli_value *v, struct buf *out);

/* Append text in quotes, what is not printable ASCII escaped. */
void cli_print_quoted(struct bytes text, struct buf *out);

#endif
