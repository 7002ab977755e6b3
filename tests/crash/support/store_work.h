/*
 * store_work -- a whole store at work, for the tests that cut its power, fail its calls, or damage
 * its files: operations on a few keys, what the store must then hold, and whether it does.
 *
 * An operation is a letter. Those that write are numbered, from 0, and what each writes follows
 * from its number, so that equal contents mean equal histories as far as anybody can see.
 *
 *   p  put a small value            f  flush
 *   P  put one that lives apart     s  flush and settle: compaction, rewriting
 *   d  delete                       o  close and open again
 *   b  a batch, with large values   m  compact everything to the bottom
 *   r  range delete                 c  checkpoint
 *   w  a small batch                k  create a keyspace
 *
 * Every write also tells the sidecar its number.
 *
 * Threads: one.
 */
#ifndef VARVE_TESTS_CRASH_STORE_WORK_H
#define VARVE_TESTS_CRASH_STORE_WORK_H

#include "tests/support/sim_store.h"

enum { STORE_KEYS = 5, STORE_VALUE_MAX = 16000 };

/* Of each key the number of its value, or 0; and the rest of what a store keeps. */
struct store_contents {
    unsigned values[STORE_KEYS];
    unsigned side;      /* What the sidecar was last told. */
    uint64_t keyspaces; /* Bit n: the one that write n created. */
};
bool store_contents_equal(const struct store_contents *a, const struct store_contents *b);
/* Does this letter write (and take a number)? */
bool store_writes(char op);
/* What write n, if it is op, makes of them. */
void store_contents_apply(struct store_contents *c, char op, unsigned n);

struct store_work_options {
    enum vlog_mode mode;
    const char *dir;     /* NULL: "/s" */
    struct alloc *alloc; /* NULL: the heap. */
    bool must_exist;     /* Do not create one. */
};

struct store_work {
    struct store_work_options options;
    struct sim_store store;
    struct io_sim *sim;
    unsigned side;
    bool is_open;
    bool is_unknown; /* The last write failed when it was under way already. */
};

/* On failure it is closed, and store.err says why. */
MUST_CHECK struct status store_work_open(struct store_work *w, struct io_sim *sim,
                                         const struct store_work_options *options);
/* Takes one that is not open. */
void store_work_close(struct store_work *w);
/* Do op; n is its number if it writes. A failed o leaves it closed. */
MUST_CHECK struct status store_work_do(struct store_work *w, char op, unsigned n);
/* Where checkpoint n is. */
void store_work_copy_dir(unsigned n, char *out_path, size_t size);

enum store_answer {
    STORE_RIGHT,
    STORE_REFUSED, /* Some reads failed, with words; the others were right. */
    STORE_WRONG,
};
/* Read everything, by gets, by a multi_get, by a cursor forwards and backwards, and compare. why
 * says what was wrong or refused. */
enum store_answer store_work_look(struct store_work *w, const struct store_contents *c,
                                  struct errbuf *why);
/* A store that was just opened, and holds this: does it prove its own disk, show all of it, take a
 * write (w, number n, marked "work" once acknowledged), and show that after reopening? */
enum { STORE_WRITE_AFTERWARDS = 40 };
bool store_work_proves(struct store_work *w, const struct store_contents *c, struct errbuf *why);
bool store_work_goes_on(struct store_work *w, const struct store_contents *c, struct errbuf *why);
/* Is it exactly this? By gets: to tell one of several contents from another. */
bool store_work_holds(struct store_work *w, const struct store_contents *c);

#endif
