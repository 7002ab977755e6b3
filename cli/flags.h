/*
 * flags -- how varve cli was called: redis-cli's flags, as far as they mean something here.
 */
#ifndef VARVE_CLI_FLAGS_H
#define VARVE_CLI_FLAGS_H

#include "base/errbuf.h"
#include "base/status.h"

#include "cli/print.h"

#include <stdint.h>

struct cli_flags {
    const char *address; /* Of a machine, or the path of a socket. */
    uint16_t port;
    const char *user; /* NULL: the default one. */
    const char *password;
    uint32_t database;
    bool is_version_3;
    bool has_format;
    enum cli_format format; /* If it was said. */
    bool takes_last;        /* -x: the last argument is what stands on standard input. */
    bool fails_on_error;    /* -e */
    bool wants_help;
    int first_word; /* Of the command; argc: there is none. */
};

/* INVALID with words in err. */
MUST_CHECK struct status cli_flags_parse(struct cli_flags *f, int argc, char **argv,
                                         struct errbuf *err);
extern const char *const cli_flags_help;

#endif
