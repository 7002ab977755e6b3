/*
 * errbuf -- the words that go with a status: "vlog segment 00000012 at 81920: bad checksum".
 *
 * Owned by a handle (or on the caller's stack), bounded, overwritten by the next failure. Each
 * layer that knows a name prefixes it on the way up. An errbuf starts out zeroed: no text.
 *
 * Threads: one owner.
 */
#ifndef VARVE_BASE_ERRBUF_H
#define VARVE_BASE_ERRBUF_H

enum { ERRBUF_SIZE = 512 };

struct errbuf {
    char text[ERRBUF_SIZE]; /* Terminated, printable ASCII; other bytes as \xNN. */
};

/* Replace the text; arguments may point into e. e may be NULL (then nothing happens), here and
 * below. */
__attribute__((format(printf, 2, 3))) void errbuf_set(struct errbuf *e, const char *format, ...);

/* Put "prefix: " before the text (the prefix alone if there is none). What no longer fits is cut
 * off the end. */
__attribute__((format(printf, 2, 3))) void errbuf_prefix(struct errbuf *e, const char *format, ...);

#endif
