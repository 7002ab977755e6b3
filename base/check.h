/*
 * check -- assertions.
 *
 * CHECK stays in every build: state machines, durability order, index bounds near writes. DCHECK
 * is for hot loops and whole-structure checks and is gone under NDEBUG. One fact an assertion.
 * Never an assertion on bytes from disk, wire or a user: those are data, answered with a status.
 */
#ifndef VARVE_BASE_CHECK_H
#define VARVE_BASE_CHECK_H

/* Print the failed fact to stderr and abort. Defined in check.c. */
_Noreturn void check_failed(const char *fact, const char *file, int line);

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(fact), 0))                                                          \
            check_failed(#fact, __FILE__, __LINE__);                                               \
    } while (0)

#ifdef NDEBUG
#define DCHECK(fact)                                                                               \
    do {                                                                                           \
        (void)sizeof(fact);                                                                        \
    } while (0)
#else
#define DCHECK(fact) CHECK(fact)
#endif

#endif
