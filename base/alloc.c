#include "base/alloc.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

static void *heap_resize(struct alloc *a, void *p, size_t old_size, size_t new_size)
{
    (void)a;
    (void)old_size;
    if (new_size == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, new_size);
}

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static void *heap_aligned(struct alloc *a, size_t alignment, size_t size)
{
    void *p = NULL;

    (void)a;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (size >= HUGE_PAGE && alignment < HUGE_PAGE)
        alignment = HUGE_PAGE;
    if (posix_memalign(&p, alignment, size) != 0)
        return NULL;
    /* A hint: fewer faults and address translations where the kernel has such pages. */
    if (size >= HUGE_PAGE)
        (void)madvise(p, size - size % HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

struct alloc *alloc_heap(void)
{
    static const struct alloc HEAP = { .resize = heap_resize, .aligned = heap_aligned };
    /* Callers see one mutable type for all allocators; this one is never written to. */
    return (struct alloc *)&HEAP;
}

/* jemalloc's, where it is linked. */
int mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
    __attribute__((weak));

static bool set_decay(const char *name)
{
    ssize_t at_once_ms = 0;

    return mallctl(name, NULL, NULL, &at_once_ms, sizeof at_once_ms) == 0;
}

/* Otherwise pages decay over ten seconds, as long as their arena is used: a thread that has nothing
 * more to do keeps what it freed last for ever. */
bool alloc_heap_keep_nothing(void)
{
    /* Of arenas to come, and of the one that this thread has begun. */
    return mallctl != NULL && set_decay("arenas.dirty_decay_ms") &&
           set_decay("arena.0.dirty_decay_ms") && set_decay("arenas.muzzy_decay_ms") &&
           set_decay("arena.0.muzzy_decay_ms");
}

void *alloc_zeroed(struct alloc *a, size_t size)
{
    void *p = alloc_bytes(a, size);

    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *alloc_array(struct alloc *a, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return alloc_zeroed(a, total);
}

void alloc_prefault(void *p, size_t size)
{
#if defined(MADV_POPULATE_WRITE)
    (void)madvise(p, size, MADV_POPULATE_WRITE);
#else
    (void)p;
    (void)size;
#endif
}

void alloc_vacate(void *p, size_t size)
{
    (void)madvise(p, size, MADV_DONTNEED);
}

/* Counts one call; true if it is to fail. */
static bool test_fails(struct alloc_test *t)
{
    if (t->is_paused)
        return false;
    t->calls++;
    if (t->fail_at == 0)
        return false;
    if (t->fail_at > 1) {
        t->fail_at--;
        return false;
    }
    if (!t->fail_for_ever)
        t->fail_at = 0;
    return true;
}

static void *test_resize(struct alloc *a, void *p, size_t old_size, size_t new_size)
{
    struct alloc_test *t = (struct alloc_test *)a;

    CHECK(p != NULL || old_size == 0);
    CHECK(t->live_bytes >= old_size);
    if (new_size == 0) {
        free(p);
        t->live_bytes -= old_size;
        return NULL;
    }
    if (test_fails(t))
        return NULL;
    void *q = realloc(p, new_size);
    if (q != NULL)
        t->live_bytes += new_size - old_size;
    return q;
}

static void *test_aligned(struct alloc *a, size_t alignment, size_t size)
{
    struct alloc_test *t = (struct alloc_test *)a;

    if (test_fails(t))
        return NULL;
    void *p = heap_aligned(a, alignment, size);
    if (p != NULL)
        t->live_bytes += size;
    return p;
}

void alloc_test_init(struct alloc_test *t)
{
    *t = (struct alloc_test) {
        .alloc = { .resize = test_resize, .aligned = test_aligned },
    };
}
