/*
 * status -- how a function says that it did not do what it was asked.
 *
 * A status is a code and the place that made it, by value, in two registers. The codes are few:
 * one for each thing a caller can *do* differently. Text is added upward by the layer that knows
 * the name of what failed (base/errbuf.h), and logged once, by whoever decides.
 *
 * Threads: any; values only.
 */
#ifndef VARVE_BASE_STATUS_H
#define VARVE_BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum status_code {
    ST_OK = 0,
    ST_NOT_FOUND,   /* The thing asked for is not there. */
    ST_AGAIN,       /* Would block: the answer needs I/O that has been asked for (see lsm/lsm.h). */
    ST_CORRUPT,     /* Bytes from disk or wire are not what was written there. */
    ST_IO,          /* The machine refused; the owner of the file is poisoned if it was a write. */
    ST_NO_SPACE,    /* ENOSPC or EDQUOT: deletes may still work, writes will again later. */
    ST_NO_MEMORY,   /* An allocation failed or the budget is spent. */
    ST_INVALID,     /* The caller's argument, option or call order is wrong. */
    ST_BUSY,        /* Somebody else holds it (a lock, a directory). */
    ST_CONFLICT,    /* A condition of a transaction does not hold any more. */
    ST_NOT_LEADER,  /* Ask another node. */
    ST_LIMIT,       /* A documented limit is exceeded (key size, batch size ...). */
    ST_CANCELLED,   /* Shut down or abandoned before it was done. */
    ST_UNSUPPORTED, /* A newer format, a feature bit or a machine facility that is not there. */
    ST_FAILED,      /* The object was poisoned by an earlier failure; reopen it. */
};

struct status {
    enum status_code code;
    uint16_t line;
    uint16_t error;   /* The errno value behind it, for messages only; 0: none. */
    const char *file; /* Static storage; NULL for OK. */
};

#define status_ok() ((struct status) { .code = ST_OK, .line = 0, .file = 0 })
#define status_of(c) ((struct status) { .code = (c), .line = __LINE__, .file = __FILE__ })

static inline bool failed(struct status s)
{
    return s.code != ST_OK;
}

static inline bool succeeded(struct status s)
{
    return s.code == ST_OK;
}

/* The one flow macro. Only for functions that own nothing at the point of use. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        struct status try_status_ = (expr);                                                        \
        if (failed(try_status_))                                                                   \
            return try_status_;                                                                    \
    } while (0)

/* Drop a status on purpose. why is for the reader. */
static inline void status_ignore(struct status s, const char *why)
{
    (void)s;
    (void)why;
}

/* "corrupt", "no space" ...: lower case, for messages. Static storage. */
const char *status_name(enum status_code code);

/* What to say of s in a message: the machine's words if it was the machine that refused
 * ("Permission denied"), else the code's name. Static storage. */
const char *status_text(struct status s);

/* The code for an errno value (ENOSPC -> ST_NO_SPACE, ENOENT -> ST_NOT_FOUND, others ST_IO). */
enum status_code status_code_of_errno(int err);

#endif
