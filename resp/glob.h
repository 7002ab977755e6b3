/*
 * glob -- Redis' patterns: KEYS, SCAN MATCH, CONFIG GET, COMMAND LIST FILTERBY PATTERN.
 *
 *   *        any run of bytes           [abc]    one of these bytes
 *   ?        any one byte               [^abc]   one other byte
 *   \x       x itself                   [a-c]    one byte of this range, ends in either order
 *
 * An unclosed bracket is closed by the end of the pattern. Ranges compare bytes as signed, and in
 * a bracket a backslash also quotes; a pattern of more than 1000 runs of stars, one at its end
 * not counted, matches nothing; an empty text is matched by the empty pattern alone, not by stars.
 * All four as Redis has them. KEYS and SCAN take "*" for no pattern, so that it shows every key.
 *
 * Matching takes no memory and never more than pattern size times text size steps: a '*' that
 * comes later makes the choices of every earlier one final, so only the last is ever retried.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_RESP_GLOB_H
#define VARVE_RESP_GLOB_H

#include "base/bytes.h"

#include <stdbool.h>

/* Does the whole text match the pattern? With ignore_case, ASCII letters match either case. */
bool resp_glob_match(struct bytes pattern, struct bytes text, bool ignore_case);

#endif
