/*
 * table -- the text of INFO, for people: names and values in columns, and lists of facts
 * ("keys=3,expires=1") that several lines share as tables.
 */
#ifndef VARVE_CLI_TABLE_H
#define VARVE_CLI_TABLE_H

#include "base/buf.h"

/* Append text of INFO so. What does not look like it stays as it is. */
void cli_table_info(struct bytes text, struct buf *out);

#endif
