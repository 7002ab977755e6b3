/*
 * notify -- keyspace events: that something happened to a key, told to those who subscribe.
 *
 * A command that has changed a key says so (resp_notify). Events are collected with the command and
 * published, in order, when what it wrote is kept: they leave with its reply, when that is durable
 * and applied. A command that is dropped, or runs again, leaves none. Nothing is done for events
 * that are switched off, or that nobody listens to.
 *
 * An event of the key "k" in database 0 is published as
 *
 *     channel __keyspace@0__:k      message set     if class K is on
 *     channel __keyevent@0__:set    message k       if class E is on
 *
 * entry.c says what happens to any key whatever the command: "new", "expired", "keymiss".
 *
 * Threads: one reactor's.
 */
#ifndef VARVE_RESP_NOTIFY_H
#define VARVE_RESP_NOTIFY_H

#include "resp/call.h"

/* Each has the letter that notify-keyspace-events calls it by. */
enum resp_event_class {
    RESP_EVENT_KEYSPACE = 1 << 0, /* K: under the name of the key. */
    RESP_EVENT_KEYEVENT = 1 << 1, /* E: under the name of the event. */
    RESP_EVENT_GENERIC = 1 << 2,  /* g: DEL, EXPIRE, RENAME ... */
    RESP_EVENT_STRING = 1 << 3,   /* $ */
    RESP_EVENT_LIST = 1 << 4,     /* l */
    RESP_EVENT_SET = 1 << 5,      /* s */
    RESP_EVENT_HASH = 1 << 6,     /* h */
    RESP_EVENT_ZSET = 1 << 7,     /* z */
    RESP_EVENT_EXPIRED = 1 << 8,  /* x */
    RESP_EVENT_EVICTED = 1 << 9,  /* e: never happens. */
    RESP_EVENT_STREAM = 1 << 10,  /* t */
    RESP_EVENT_MISS = 1 << 11,    /* m: a read of a key that is not there. */
    RESP_EVENT_MODULE = 1 << 12,  /* d: never happens. */
    RESP_EVENT_NEW = 1 << 13,     /* n: a key that was not there before. */
};
/* A: all of these, but for misses and new keys. */
#define RESP_EVENT_ALL                                                                             \
    (RESP_EVENT_GENERIC | RESP_EVENT_STRING | RESP_EVENT_LIST | RESP_EVENT_SET | RESP_EVENT_HASH | \
     RESP_EVENT_ZSET | RESP_EVENT_EXPIRED | RESP_EVENT_EVICTED | RESP_EVENT_STREAM |               \
     RESP_EVENT_MODULE)

/* This event happened to key, in the call's database. */
void resp_notify(struct resp_call *call, enum resp_event_class class, const char *event,
                 struct bytes key);
/* In the database of this number. */
void resp_notify_in(struct resp_call *call, uint32_t database, enum resp_event_class class,
                    const char *event, struct bytes key);

#endif
