/* text_source -- replies out of a string. */
#ifndef VARVE_TESTS_CLI_TEXT_SOURCE_H
#define VARVE_TESTS_CLI_TEXT_SOURCE_H

#include "cli/value.h"

struct text_source {
    struct cli_source source;
    struct bytes rest; /* IO behind its end. */
};
void text_source_init(struct text_source *t, struct bytes text);

#endif
