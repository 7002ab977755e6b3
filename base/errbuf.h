/*
 * errbuf -- the words that go with a status: "vlog segment 00000012 at 81920: bad checksum".
 *
 * Owned by a handle (or on the caller's stack), bounded, overwritten by the next failure. Each
 * layer that knows a name prefixes it on the way up.
 */
#ifndef VARVE_BASE_ERRBUF_H
#define VARVE_BASE_ERRBUF_H

enum { ERRBUF_SIZE = 512 };

struct errbuf {
    char text[ERRBUF_SIZE]; /* Always terminated; control bytes of foreign data are escaped. */
};

/* Replace the text. e may be NULL (then nothing happens), here and below. */
__attribute__((format(printf, 2, 3))) void errbuf_set(struct errbuf *e, const char *format, ...);

/* Put "prefix: " before the text. */
__attribute__((format(printf, 2, 3))) void errbuf_prefix(struct errbuf *e, const char *format, ...);

#endif
