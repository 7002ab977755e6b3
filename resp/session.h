/*
 * session -- the insides of a gateway and of a client's session.
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_SESSION_H
#define VARVE_RESP_SESSION_H

#include "base/arena.h"

#include "resp/bitop.h"
#include "resp/call.h"
#include "resp/command.h"
#include "resp/latency.h"
#include "resp/parse.h"
#include "resp/post.h"
#include "resp/queue.h"
#include "resp/resp.h"
#include "resp/scan.h"
#include "resp/scout.h"
#include "resp/touch.h"
#include "resp/slowlog.h"
#include "resp/stats.h"
#include "resp/stream.h"
#include "resp/topic.h"

#include <stdbool.h>

/* CLIENT PAUSE: whose commands wait, until when. */
enum resp_pause_mode { RESP_PAUSE_NONE, RESP_PAUSE_WRITE, RESP_PAUSE_ALL };
struct resp_pause {
    enum resp_pause_mode mode;
    uint64_t until_ms; /* Of the wall clock. */
};

struct resp {
    struct resp_options options;
    struct resp_command_index commands;
    struct resp_stats stats;
    uint64_t changes;   /* Of keys. */
    struct arena arena; /* Of the request that is running. */
    struct resp_topics topics;
    struct resp_post post;
    unsigned events; /* enum resp_event_class: those that are published. */
    struct resp_slow slow;
    struct resp_command_figures figures;
    struct resp_slowlog slowlog;
    struct resp_latency latency;
    uint64_t mark_ns; /* What runs next has begun then. */
    struct resp_pause pause;
    struct resp_touches touches;
    struct buf muted; /* Where replies go that the client does not want. */
};

/* What commands change about a client, and a transaction that does not come to its end leaves as
 * it was. */
struct resp_identity {
    uint32_t database;     /* The number. */
    int version;           /* Of the protocol. */
    bool is_authenticated; /* It said the password, or came when there was none. */
    bool is_muted;         /* CLIENT REPLY OFF. */
    bool skips_reply;      /* Of this command, as the one before it asked. */
    bool skips_next;       /* CLIENT REPLY SKIP: the next command's reply. */
    bool is_kept;          /* CLIENT NO-EVICT. */
    bool leaves_no_trace;  /* CLIENT NO-TOUCH: its reads do not count as use of a key. */
};

/* What a client says it is called. */
enum resp_name { RESP_NAME_CLIENT, RESP_NAME_LIBRARY, RESP_NAME_VERSION, RESP_NAMES };

struct resp_session {
    struct resp *resp;
    uint64_t id;
    int fd;
    void *owner;
    char *addresses; /* Both, terminated. */
    size_t addresses_size;
    const char *address; /* In addresses, as the next. */
    const char *local_address;

    struct resp_parser parser;
    struct resp_request request;
    uint64_t began_ns; /* When it ran first; 0: it has not yet. */

    struct resp_identity identity;
    /* What its last request named, refused or not. NULL: no command; none yet. */
    const struct resp_command *last_command;
    struct buf names[RESP_NAMES];
    const struct buf *names_before; /* EXEC's, which may have to bring them back; else NULL. */

    bool is_in_multi;
    bool is_multi_broken;  /* A command could not be queued: EXEC will refuse. */
    uint32_t queued_flags; /* Of the commands that are queued, enum resp_command_flag. */
    bool is_closing;
    bool is_postponed; /* The request waits for the end of a pause. */
    struct resp_queue queue;
    struct resp_watches watches;
    /* What a command that waits has found so far: a walk, or the looking through of strings. */
    struct resp_walk walk;
    struct resp_kept_walks kept_walks; /* Of the commands of an EXEC that waits. */
    struct resp_stream stream;
    struct resp_bitop bitop;
    struct resp_scout scout; /* What it has to wait for. */

    struct resp_subscriptions subscriptions;
    uint64_t heard; /* The number of the last message it was given. */
    bool is_doomed; /* The command that runs ends its connection. */
    struct resp_session *next_doomed;
};

/* The command has ended: forget what it found so far. */
void resp_session_forget_found(struct resp_session *s);
/* One of EXEC's has ended, or waits: likewise, but for the walks that are kept. */
void resp_session_forget_step(struct resp_session *s);

/* Is nothing answered but messages? */
static inline bool resp_session_is_muted(const struct resp_session *s)
{
    return s->identity.is_muted || s->identity.skips_reply;
}

/* Leave the transaction and forget the watches. */
void resp_session_discard(struct resp_session *s);

/* Names that are replaced from here on are kept, in before, until it is settled whether the
 * transaction came to its end: then the old ones go, or else the new ones. */
void resp_session_keep_names(struct resp_session *s, struct buf before[RESP_NAMES]);
void resp_session_settle_names(struct resp_session *s, struct buf before[RESP_NAMES],
                               bool has_ended);
/* name is the new text, which is taken. */
void resp_session_set_text(struct resp_session *s, enum resp_name name, const struct buf *text);

/* Set the name; false, and the error is replied, if it has a byte it may not have. */
bool resp_session_set_name(struct resp_call *call, struct bytes name);

/* The line of CLIENT LIST and CLIENT INFO. */
void resp_session_describe(struct resp_session *s, struct buf *out);

/* account.c: a request is about to run; it waits; it is over, its reply begins at start. */
void resp_account_begin(struct resp_session *s);
void resp_account_wait(struct resp *r);
void resp_account_end(struct resp_call *call, struct resp_mark start);
/* EXEC has run a command, which wrote its reply behind so many errors. NO_MEMORY */
MUST_CHECK struct status resp_call_note_run(struct resp_call *call, const struct resp_call *inner,
                                            uint64_t errors);
/* Run a command, whatever the session's state. */
MUST_CHECK struct status resp_call_run(struct resp_call *call);

#endif
