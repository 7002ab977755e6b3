/*
 * touch -- when keys were last used, for OBJECT IDLETIME.
 *
 * A key's row knows when it was last written. That a command looked at it, to read it or to write
 * it, is told here, and that RESTORE brought it with an idle time; for the last RESP_TOUCHES keys
 * or so: each has one place, which the next one that falls there takes. Nothing is stored, and
 * nothing is sent anywhere.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_TOUCH_H
#define VARVE_RESP_TOUCH_H

#include "base/alloc.h"

#include "resp/keys.h"

enum { RESP_TOUCHES = 4096 };

struct resp_touches {
    struct alloc *alloc;
    struct resp_touched *places; /* NULL: nothing was touched yet. */
};

void resp_touches_init(struct resp_touches *t, struct alloc *alloc);
void resp_touches_deinit(struct resp_touches *t);

/* The key is used now; forgotten where there is no memory. */
void resp_touches_note(struct resp_touches *t, const struct resp_place *p, uint64_t now_ms);
/* Until it is used again, it counts as used at at_ms last, whenever it was written. */
void resp_touches_restore(struct resp_touches *t, const struct resp_place *p, uint64_t at_ms);
/* When a key that was written at written_ms was used last, as far as is known. */
uint64_t resp_touches_time(const struct resp_touches *t, const struct resp_place *p,
                           uint64_t written_ms);

#endif
