/*
 * options -- checking what varve_open is given. Private to embed/.
 */
#ifndef VARVE_EMBED_OPTIONS_H
#define VARVE_EMBED_OPTIONS_H

#include "embed/varve.h"

/* VARVE_INVALID with the name and the range of the first field that is out of it. */
enum varve_code embed_options_check(const struct varve_options *options, struct varve_error *error);

#endif
