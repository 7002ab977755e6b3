/*
 * escape -- foreign bytes made safe for a terminal, a log line or a message. Private to base/.
 */
#ifndef VARVE_BASE_ESCAPE_H
#define VARVE_BASE_ESCAPE_H

#include <stddef.h>

/*
 * Copy text to out, cut to size with its terminator, bytes outside printable ASCII as \xNN. An
 * escape is never cut in two. Returns the length written. Requires: size > 0, no overlap.
 */
size_t escape_text(char *out, size_t size, const char *text);

#endif
