/*
 * entry -- one key of the database: its meta row, its expiry row, its place in the counts.
 *
 * Commands see keys through entries. An entry is loaded (is it there, and not expired?), then
 * perhaps replaced, given another expiry, or removed; each of these keeps meta row, expiry row,
 * the object's chunks and the exact counts in step, in the batch of the running command.
 *
 * A key whose time is over is absent (is_live is false) to everybody, but its rows and its counts
 * are there until it is removed, by the next write to the key or by resp_expire_slot.
 *
 * Threads: one reactor's; an entry lives within one call.
 */
#ifndef VARVE_RESP_ENTRY_H
#define VARVE_RESP_ENTRY_H

#include "resp/call.h"
#include "resp/keys.h"

struct resp_entry {
    struct resp_place place;
    uint32_t database;    /* The number. */
    struct bytes row_key; /* Of the meta row; in the call's arena. */
    bool is_stored;       /* There is a meta row. */
    bool is_live;         /* And its time is not over. */
    uint8_t type;         /* enum resp_row_type. */
    uint64_t expire_ms;   /* 0: never. */
    uint64_t written_ms;  /* 0: within this turn. */
    uint64_t size_bytes;  /* Of the string. */
    uint64_t object;      /* Of a chunked string. */
    struct bytes value;   /* Of an inline string, if loaded with its value. */
};

/* How much of an entry is wanted. */
enum resp_entry_part { RESP_ENTRY_FACTS, RESP_ENTRY_VALUE };

/* Compute where key lies. LIMIT: it is longer than keys may be. NO_MEMORY. */
MUST_CHECK struct status resp_entry_init(struct resp_call *call, struct bytes key,
                                         struct resp_entry *out);

/* The same in the database of a number. */
MUST_CHECK struct status resp_entry_init_in(struct resp_call *call, uint32_t database,
                                            struct bytes key, struct resp_entry *out);

/* Read the row. OK whether or not there is one. AGAIN, CORRUPT, IO. */
MUST_CHECK struct status resp_entry_load(struct resp_call *call, enum resp_entry_part part,
                                         struct resp_entry *e);

/* What this row of it says; NULL: there is none. For a row that was not read by the above; value is
 * borrowed from it. CORRUPT. */
MUST_CHECK struct status resp_entry_see(struct resp_call *call, const struct store_row *row,
                                        struct resp_entry *e);

/* resp_entry_init and resp_entry_load. */
MUST_CHECK struct status resp_entry_open(struct resp_call *call, struct bytes key,
                                         enum resp_entry_part part, struct resp_entry *out);

/* The same for a command that reads the value: it counts as use of the key. */
MUST_CHECK struct status resp_entry_lookup(struct resp_call *call, struct bytes key,
                                           enum resp_entry_part part, struct resp_entry *out);

/*
 * Load the entry of each key of the request's first key specification, in order, and hand it to
 * visit. What has to wait is scouted (resp/scout.h): AGAIN, and some of them were visited. A key
 * that is named twice is loaded again, and seen as the first visit left it.
 */
typedef struct status resp_entry_visitor(struct resp_call *call, struct resp_entry *e, size_t arg,
                                         void *context);
MUST_CHECK struct status resp_entry_visit(struct resp_call *call, enum resp_entry_part part,
                                          resp_entry_visitor *visit, void *context);
/* The same for some of its arguments. */
struct resp_key_range;
MUST_CHECK struct status resp_entry_visit_keys(struct resp_call *call, struct resp_key_range range,
                                               enum resp_entry_part part, resp_entry_visitor *visit,
                                               void *context);

/* Count a reading command's hit or miss. */
void resp_entry_score(struct resp_call *call, const struct resp_entry *e);
/* The same, and the key is used, for OBJECT IDLETIME, unless CLIENT NO-TOUCH said otherwise. */
void resp_entry_use(struct resp_call *call, const struct resp_entry *e);

/* Is it a string, or absent? */
static inline bool resp_entry_is_string(const struct resp_entry *e)
{
    return !e->is_live || e->type == RESP_ROW_STRING || e->type == RESP_ROW_STRING_CHUNKED;
}

/* All below: Requires: loaded. LIMIT, NO_MEMORY, IO: the command must end with it. */

/* Replace whatever is there by a string. */
MUST_CHECK struct status resp_entry_set_string(struct resp_call *call, struct resp_entry *e,
                                               struct bytes value, uint64_t expire_ms);

/* Put the meta row of a chunked string whose chunks the caller writes; chunks of another object go.
 */
MUST_CHECK struct status resp_entry_set_chunked(struct resp_call *call, struct resp_entry *e,
                                                uint64_t object, uint64_t size_bytes,
                                                uint64_t expire_ms);

/* Give it another expiry (0: none); one that is over removes it. Requires: is_live, loaded with
 * its value. */
MUST_CHECK struct status resp_entry_set_expire(struct resp_call *call, struct resp_entry *e,
                                               uint64_t expire_ms);

/* Remove what is stored, live or not. */
MUST_CHECK struct status resp_entry_remove(struct resp_call *call, struct resp_entry *e);
/* The same for a command that deletes: tells it of a live key. */
MUST_CHECK struct status resp_entry_delete(struct resp_call *call, struct resp_entry *e);

/* Can what from holds be another key's by naming its object there? Its chunks lie in its slot. */
static inline bool resp_entry_is_beside(const struct resp_entry *from, const struct resp_entry *to)
{
    return from->place.slot == to->place.slot && from->place.database_id == to->place.database_id;
}

/* Give the object of one key, and its expiry, to another, in place of what is stored there.
 * Requires: from is_live and chunked, to is beside it. */
MUST_CHECK struct status resp_entry_give_object(struct resp_call *call, struct resp_entry *from,
                                                struct resp_entry *to);

/* ---- Keys written within a transaction ------------------------------------------------------ */

/* The meta rows that the commands of an EXEC wrote or removed; cursors show what was before. */
struct resp_overlay {
    struct bytes *rows; /* In the arena. */
    size_t count;
    size_t capacity;
    bool is_sorted;
};

/* Put them in order, each once. */
void resp_overlay_sort(struct resp_overlay *o);
/* Requires: sorted. */
bool resp_overlay_has(const struct resp_overlay *o, struct bytes row_key);

#endif
