/*
 * row_check -- the rows of a map_store are what docs/format/keys.md says, and say the same.
 */
#ifndef VARVE_TESTS_RESP_ROW_CHECK_H
#define VARVE_TESTS_RESP_ROW_CHECK_H

#include "map_store.h"

/*
 * Aborts unless: every row is where its key belongs; a meta row has its expiry row, with the same
 * time, and an expiry row its meta row; every chunk belongs to a string that has it; the counts of
 * every named database are those of its rows. Requires: no command is running. Rows of databases
 * that no number names any more wait for their purge and are passed over.
 */
void row_check(struct map_store *m);

#endif
