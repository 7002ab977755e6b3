/*
 * alloc -- the door to memory for everything that is not sized at open.
 *
 * An allocator is a value handed down, never a global: tests hand down one that fails the n-th
 * call, the server one that is jemalloc. Every allocation may fail and every caller answers it.
 * Sizes are given back at free, so that accounting costs nothing.
 *
 * Threads: the heap allocator any; a test allocator as its maker says.
 */
#ifndef VARVE_BASE_ALLOC_H
#define VARVE_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alloc {
    /* Resize p (NULL: allocate) from old_size to new_size (0: free, returns NULL). On failure NULL
     * and p is untouched. Alignment is that of malloc, also where p was aligned to more. Asking for
     * nothing (p NULL, new_size 0) gives nothing: NULL. */
    void *(*resize)(struct alloc *a, void *p, size_t old_size, size_t new_size);
    /* As above for a fresh block aligned to a power of two; freed with alloc_free. Blocks of 2 MiB
     * and up come in huge pages where the machine has them. */
    void *(*aligned)(struct alloc *a, size_t alignment, size_t size);
};

/* malloc and free behind the interface. Stateless: one constant object, shared by all. */
struct alloc *alloc_heap(void);

static inline void *alloc_bytes(struct alloc *a, size_t size)
{
    return a->resize(a, NULL, 0, size);
}

/* From now on the heap keeps no freed pages for later: what is resident stays near what is in use.
 * For all of the process; before there are other threads. False: this heap cannot be told. */
bool alloc_heap_keep_nothing(void);

/* Zeroed memory, or NULL. */
void *alloc_zeroed(struct alloc *a, size_t size);

/* count * size, overflow answered with NULL. Zeroed. */
void *alloc_array(struct alloc *a, size_t count, size_t size);

static inline void *alloc_resize(struct alloc *a, void *p, size_t old_size, size_t new_size)
{
    return a->resize(a, p, old_size, new_size);
}

static inline void *alloc_aligned(struct alloc *a, size_t alignment, size_t size)
{
    return a->aligned(a, alignment, size);
}

/* p may be NULL. size is what it was allocated with. */
static inline void alloc_free(struct alloc *a, void *p, size_t size)
{
    if (p != NULL)
        (void)a->resize(a, p, size, 0);
}

/* Have pages put behind fresh memory now, by a thread that can wait, in place of a fault each when
 * they are first written. Contents stay. Only a hint. Requires: p aligned to 4 KiB. Any thread,
 * beside others that read and write the block. */
void alloc_prefault(void *p, size_t size);
/* Give the pages behind a block back until it is written again; its contents are lost. Only a hint.
 * Requires: p and size aligned to 4 KiB. */
void alloc_vacate(void *p, size_t size);

/*
 * An allocator that fails on command, for tests: the call numbered fail_at (1 is the next one)
 * and, if fail_for_ever, all later ones. fail_at counts down as calls are made; 0 never fails.
 * Freeing is no call. Counts live bytes and calls, so that a test can see leaks and can fail each
 * call of an operation in turn. Threads: one at a time.
 */
struct alloc_test {
    struct alloc alloc;
    uint64_t calls;
    uint64_t fail_at;
    bool fail_for_ever;
    bool is_paused; /* Calls neither fail nor count. */
    size_t live_bytes;
};
void alloc_test_init(struct alloc_test *t);

#endif
