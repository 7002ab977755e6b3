/*
 * A pairing heap: a tree in which no child is earlier than its parent, kept as first child and
 * next sibling. Adding is one comparison; taking the root merges its children, pairwise first, so
 * that n takes cost O(n log n).
 */
#include "base/io_host.h"

/* Where the links lie in op->scratch. */
enum { CHILD, SIBLING };

static struct io_op *link_of(const struct io_op *op, int which)
{
    return (struct io_op *)(uintptr_t)op->scratch[which];
}

static void set_link(struct io_op *op, int which, struct io_op *to)
{
    op->scratch[which] = (uint64_t)(uintptr_t)to;
}

/* Merge two heaps; either may be NULL. */
static struct io_op *merge(struct io_op *a, struct io_op *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->deadline_ns < a->deadline_ns) {
        struct io_op *earlier = b;
        b = a;
        a = earlier;
    }
    set_link(b, SIBLING, link_of(a, CHILD));
    set_link(a, CHILD, b);
    return a;
}

/* Merge a list of siblings: pairs from the left into a stack, then the stack from its top. */
static struct io_op *merge_siblings(struct io_op *list)
{
    struct io_op *pairs = NULL;
    struct io_op *root = NULL;

    while (list != NULL) {
        struct io_op *a = list;
        struct io_op *b = link_of(a, SIBLING);
        list = b != NULL ? link_of(b, SIBLING) : NULL;
        set_link(a, SIBLING, NULL);
        if (b != NULL)
            set_link(b, SIBLING, NULL);
        struct io_op *pair = merge(a, b);
        set_link(pair, SIBLING, pairs);
        pairs = pair;
    }
    while (pairs != NULL) {
        struct io_op *next = link_of(pairs, SIBLING);
        set_link(pairs, SIBLING, NULL);
        root = merge(root, pairs);
        pairs = next;
    }
    return root;
}

void io_timers_add(struct io_timers *t, struct io_op *op)
{
    set_link(op, CHILD, NULL);
    set_link(op, SIBLING, NULL);
    t->root = merge(t->root, op);
}

uint64_t io_timers_next_ns(const struct io_timers *t)
{
    return t->root != NULL ? t->root->deadline_ns : UINT64_MAX;
}

struct io_op *io_timers_take(struct io_timers *t, uint64_t now_ns)
{
    struct io_op *op = t->root;

    if (op == NULL || op->deadline_ns > now_ns)
        return NULL;
    t->root = merge_siblings(link_of(op, CHILD));
    return op;
}
