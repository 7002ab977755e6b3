/*
 * reply_reader -- replies read back, to see that they are well-formed and what is in them.
 *
 * A reader walks over elements of either protocol version; what is not one aborts the test.
 */
#ifndef VARVE_TESTS_RESP_REPLY_READER_H
#define VARVE_TESTS_RESP_REPLY_READER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct reply_element {
    char marker;        /* The first byte: '+', '$', '*' ... */
    bool is_null;       /* "$-1", "*-1", "_". */
    int64_t number;     /* Of ':', and how many elements a container has (a map: twice its size). */
    struct bytes bytes; /* Of '+', '-', '$', '=' (with its format), ',', '('. Borrowed. */
};

/* Take the next element off the front of *reply: of a container, its header alone. */
struct reply_element reply_take(struct bytes *reply);

/* Take an element with everything in it. */
void reply_skip(struct bytes *reply);

/* Take a container's header, which must have this many elements. */
void reply_take_container(struct bytes *reply, char marker, int64_t count);

/* Take a string, which must be this. */
void reply_take_string(struct bytes *reply, const char *text);

/* Is it exactly count elements? */
bool reply_is_well_formed(struct bytes reply, size_t count);

#endif
