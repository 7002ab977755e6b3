/*
 * terminal -- the person at the other end of standard input and output, if there is one.
 *
 * Standard input is read as it comes: by lines of a terminal that edits them itself, or key by key
 * while the program does (terminal_begin_keys). Text goes out through process_print.
 *
 * Threads: one.
 */
#ifndef VARVE_BASE_TERMINAL_H
#define VARVE_BASE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

bool terminal_is_input(void);
bool terminal_is_output(void);

/* Characters in a line of the output; 80 where nobody says. */
size_t terminal_columns(void);

/* Have each key handed over as it is pressed, unseen; or have the terminal edit lines again, as it
 * does when the program begins. False: it cannot. */
bool terminal_begin_keys(void);
void terminal_end_keys(void);

/* Wait for input, up to size bytes of it; 0 at its end. */
size_t terminal_read(void *to, size_t size);

#endif
