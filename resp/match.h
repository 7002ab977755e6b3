/*
 * match -- conditions on the string at a key: IFEQ value, IFNE value, IFDEQ digest, IFDNE digest.
 *
 * They compare and change in one command what would take WATCH or a script: Redis 8.4 has them with
 * SET and DELEX. A digest is what DIGEST answers, XXH3-64 of the string in 16 hexadecimal digits.
 */
#ifndef VARVE_RESP_MATCH_H
#define VARVE_RESP_MATCH_H

#include "resp/entry.h"

enum resp_match_kind {
    RESP_MATCH_NONE, /* It is not one of the words. */
    RESP_MATCH_EQUAL,
    RESP_MATCH_UNEQUAL,
    RESP_MATCH_DIGEST_EQUAL,
    RESP_MATCH_DIGEST_UNEQUAL,
};

struct resp_match {
    enum resp_match_kind kind;
    struct bytes with; /* Borrowed. */
};

/* The kind that a word names, in any case of letters. */
enum resp_match_kind resp_match_kind_of(struct bytes word);

enum resp_match_answer {
    RESP_MATCH_NO,
    RESP_MATCH_YES,
    RESP_MATCH_REPLIED, /* The condition cannot be asked; the error has been replied. */
};

/* Does the condition hold? An absent key is unequal to everything. Requires: m->kind is not NONE,
 * e is loaded with its value. AGAIN, CORRUPT, IO, NO_MEMORY. */
MUST_CHECK struct status resp_match(struct resp_call *call, const struct resp_entry *e,
                                    const struct resp_match *m, enum resp_match_answer *out_answer);

#endif
