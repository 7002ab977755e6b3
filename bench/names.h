/*
 * names -- looking a word up in a list, and what to say when it is not there.
 *
 * A flag, a benchmark or an engine that does not exist is answered with those that are spelled
 * alike, or with all there are. Threads: any; no state.
 */
#ifndef VARVE_BENCH_NAMES_H
#define VARVE_BENCH_NAMES_H

#include <stddef.h>

/* The index-th name of a list, NULL past the end. */
typedef const char *(*names_at)(size_t index);

/* What two names differ by: insertions, deletions, replacements and swaps of neighbours. */
size_t names_distance(const char *a, const char *b);

/*
 * Up to three names of the list that name may have meant (a few edits away, or one contains the
 * other), nearest first, as "--one, --two" with prefix before each. Empty text when there is none.
 */
void names_close(const char *name, names_at at, const char *prefix, char *out_text, size_t size);

#endif
