#include "lsm/tree.h"

#include "base/check.h"

#include "lsm/block.h"

/* ---- Fields ------------------------------------------------------------------------------- */

#define LOAD(field) atomic_load_explicit(&(field), memory_order_acquire)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_release)

/* The version to read under; waits while the writer is inside (some tens of nanoseconds). */
static uint64_t read_begin(const struct lsm_node *n)
{
    uint64_t v;
    while (((v = LOAD(n->version)) & 1) != 0)
        ;
    return v;
}

static bool read_holds(const struct lsm_node *n, uint64_t version)
{
    return atomic_load_explicit(&n->version, memory_order_acquire) == version;
}

static void write_begin(struct lsm_node *n)
{
    uint64_t v = atomic_load_explicit(&n->version, memory_order_relaxed);
    atomic_store_explicit(&n->version, v + 1, memory_order_relaxed);
}

static void write_end(struct lsm_node *n)
{
    uint64_t v = atomic_load_explicit(&n->version, memory_order_relaxed);
    STORE(n->version, v + 1);
}

/* ---- Searching a node --------------------------------------------------------------------- */

/* The 8 bytes of key behind its first skip ones, as a number; zeros where it has ended. */
static uint64_t head_of(struct bytes key, uint32_t skip)
{
    uint8_t h[8] = { 0 };
    if (key.size >= (size_t)skip + 8)
        return get_u64_be(key.data + skip);
    if (key.size > skip)
        memcpy(h, key.data + skip, key.size - skip);
    return get_u64_be(h);
}

/* Where among [from, count) a key belongs: before, within or behind what shares the prefix. */
static int compare_prefix(const struct lsm_node *n, struct bytes key, uint32_t prefix_size)
{
    const struct lsm_record *r = LOAD(n->prefix_of);
    if (prefix_size == 0 || r == NULL)
        return 0;
    /* A reader about to fail its check may see a size and a record that do not belong together. */
    size_t size = prefix_size < r->key_size ? prefix_size : r->key_size;
    if (key.size < size) {
        int c = memcmp(key.data, r->key, key.size);
        return c != 0 ? c : -1;
    }
    return memcmp(key.data, r->key, size);
}

/*
 * The first index in [from, count) whose head is >= head. All lines that matter are loaded at once,
 * by vectors, which have no atomic form: under ThreadSanitizer one after the other. A torn head is
 * as harmless as a stale one, as the node's version says. Requires: from < count.
 */
static uint32_t search_heads(const struct lsm_node *n, uint32_t from, uint32_t count, uint64_t head)
{
#if defined(__SANITIZE_THREAD__)
    while (from < count) {
        uint32_t mid = from + (count - from) / 2;
        if (LOAD(n->heads[mid]) < head)
            from = mid + 1;
        else
            count = mid;
    }
    return from;
#else
    const uint8_t *heads = (const uint8_t *)(n->heads + from);
    uint64_t first = LOAD(n->heads[from]);
    uint64_t last = LOAD(n->heads[count - 1]);
    uint32_t below = lsm_heads_below(heads, count - from, first, last, head);
    atomic_signal_fence(memory_order_acquire);
    return from + below;
#endif
}

/* As search, for a key that shares the node's prefix; of others it answers anything in [from,
 * count]. */
static uint32_t search_behind_prefix(const struct lsm_node *n, uint32_t from, struct bytes key,
                                     bool is_after)
{
    uint32_t count = LOAD(n->count);
    if (count > LSM_TREE_FANOUT || from >= count)
        return count > LSM_TREE_FANOUT ? from : count;
    uint64_t head = head_of(key, LOAD(n->prefix_size));
    uint32_t low = search_heads(n, from, count, head);
    uint32_t high = low;
    while (high < count && LOAD(n->heads[high]) == head)
        high++;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct lsm_record *r = LOAD(n->records[mid]);
        int d = r == NULL ? 0 : bytes_compare(lsm_record_key(r), key);
        if (d < 0 || (is_after && d == 0))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first index in [from, count) whose key is >= key (is_after: > key); count if none. What it
 * answers holds only if the node's version did. */
static uint32_t search(const struct lsm_node *n, uint32_t from, struct bytes key, bool is_after)
{
    uint32_t count = LOAD(n->count);
    int c = compare_prefix(n, key, LOAD(n->prefix_size));

    if (c != 0)
        return c < 0 || count > LSM_TREE_FANOUT ? from : count;
    return search_behind_prefix(n, from, key, is_after);
}

/* Which child of an inner node leads to key: the last whose least key is <= key (is_before: < key).
 * The first child has no least key. */
static uint32_t child_index(const struct lsm_node *n, struct bytes key, bool is_before)
{
    return search(n, 1, key, !is_before) - 1;
}

/* ---- Descending --------------------------------------------------------------------------- */

/*
 * The leaf that key belongs to, and the version it may be read under. is_before: the leaf that
 * holds the last key < key. A root that has been replaced meanwhile is only half of the tree: the
 * pointer is looked at again under its version.
 */
static const struct lsm_node *descend(const struct lsm_tree *t, struct bytes key, bool is_before,
                                      uint64_t *out_version)
{
restart:;
    const struct lsm_node *n = LOAD(t->root);
    uint64_t v = read_begin(n);
    if (LOAD(t->root) != n)
        goto restart;
    while (!n->is_leaf) {
        const struct lsm_node *child = LOAD(n->children[child_index(n, key, is_before)]);
        if (!read_holds(n, v))
            goto restart;
        uint64_t child_version = read_begin(child);
        if (!read_holds(n, v))
            goto restart;
        n = child;
        v = child_version;
    }
    *out_version = v;
    return n;
}

/* The record at index, which is the first with a key >= key, if that may be the key itself: its
 * head, which has been looked at, is the same. Records are far apart in memory, a miss each. */
static struct lsm_record *candidate(const struct lsm_node *leaf, uint32_t i, struct bytes key)
{
    if (i >= LOAD(leaf->count) || i >= LSM_TREE_FANOUT ||
        LOAD(leaf->heads[i]) != head_of(key, LOAD(leaf->prefix_size)))
        return NULL;
    return LOAD(leaf->records[i]);
}

static struct lsm_record *if_equal(struct lsm_record *r, struct bytes key)
{
    return r != NULL && bytes_equal(lsm_record_key(r), key) ? r : NULL;
}

/* The leaf's prefix lies in a record, a miss of its own, and is not looked at: a key that does not
 * share it is no record's there, wherever the search ends. */
struct lsm_record *lsm_tree_find(const struct lsm_tree *t, struct bytes key)
{
    for (;;) {
        uint64_t v;
        const struct lsm_node *leaf = descend(t, key, false, &v);
        struct lsm_record *r = candidate(leaf, search_behind_prefix(leaf, 0, key, false), key);
        if (read_holds(leaf, v))
            return if_equal(r, key);
    }
}

/* ---- Places ------------------------------------------------------------------------------- */

static const struct lsm_node *edge_leaf(const struct lsm_tree *t, bool is_last,
                                        uint64_t *out_version)
{
restart:;
    const struct lsm_node *n = LOAD(t->root);
    uint64_t v = read_begin(n);
    if (LOAD(t->root) != n)
        goto restart;
    while (!n->is_leaf) {
        uint32_t count = LOAD(n->count);
        const struct lsm_node *child =
            LOAD(n->children[is_last && count <= LSM_TREE_FANOUT ? count - 1 : 0]);
        if (!read_holds(n, v))
            goto restart;
        uint64_t child_version = read_begin(child);
        if (!read_holds(n, v))
            goto restart;
        n = child;
        v = child_version;
    }
    *out_version = v;
    return n;
}

/* The record at index of leaf, or the first of the leaves that follow. False: start again. */
static bool place_at(const struct lsm_node *leaf, uint64_t v, uint32_t i, struct lsm_tree_place *p)
{
    for (;;) {
        uint32_t count = LOAD(leaf->count);
        struct lsm_record *r = i < count && i < LSM_TREE_FANOUT ? LOAD(leaf->records[i]) : NULL;
        const struct lsm_node *next = LOAD(leaf->next);
        if (!read_holds(leaf, v))
            return false;
        if (r != NULL || next == NULL) {
            *p = (struct lsm_tree_place) { .record = r, .leaf = leaf, .version = v, .index = i };
            return true;
        }
        leaf = next;
        v = read_begin(leaf);
        i = 0;
    }
}

/* The record before index of leaf, or the last of the leaves before. */
static bool place_before(const struct lsm_node *leaf, uint64_t v, uint32_t i,
                         struct lsm_tree_place *p)
{
    for (;;) {
        struct lsm_record *r = i > 0 && i <= LSM_TREE_FANOUT ? LOAD(leaf->records[i - 1]) : NULL;
        const struct lsm_node *previous = LOAD(leaf->previous);
        if (!read_holds(leaf, v))
            return false;
        if (r != NULL || previous == NULL) {
            *p = (struct lsm_tree_place) {
                .record = r, .leaf = leaf, .version = v, .index = r == NULL ? 0 : i - 1
            };
            return true;
        }
        /* The leaf before may have been split since: then it is not the neighbour any more. */
        const struct lsm_node *here = leaf;
        leaf = previous;
        v = read_begin(leaf);
        if (LOAD(leaf->next) != here)
            return false;
        i = LOAD(leaf->count);
    }
}

void lsm_tree_seek(const struct lsm_tree *t, struct bytes key, bool is_after,
                   struct lsm_tree_place *out)
{
    uint64_t v;
    const struct lsm_node *leaf;
    do {
        leaf = descend(t, key, false, &v);
    } while (!place_at(leaf, v, search(leaf, 0, key, is_after), out));
}

void lsm_tree_seek_before(const struct lsm_tree *t, struct bytes key, struct lsm_tree_place *out)
{
    uint64_t v;
    const struct lsm_node *leaf;
    do {
        leaf = descend(t, key, true, &v);
    } while (!place_before(leaf, v, search(leaf, 0, key, false), out));
}

void lsm_tree_first(const struct lsm_tree *t, struct lsm_tree_place *out)
{
    uint64_t v;
    const struct lsm_node *leaf;
    do {
        leaf = edge_leaf(t, false, &v);
    } while (!place_at(leaf, v, 0, out));
}

void lsm_tree_last(const struct lsm_tree *t, struct lsm_tree_place *out)
{
    uint64_t v;
    const struct lsm_node *leaf;
    do {
        leaf = edge_leaf(t, true, &v);
    } while (!place_before(leaf, v, LOAD(leaf->count), out));
}

void lsm_tree_next(const struct lsm_tree *t, struct lsm_tree_place *p)
{
    struct lsm_record *r = p->record;
    if (!place_at(p->leaf, p->version, p->index + 1, p))
        lsm_tree_seek(t, lsm_record_key(r), true, p);
}

void lsm_tree_prev(const struct lsm_tree *t, struct lsm_tree_place *p)
{
    struct lsm_record *r = p->record;
    if (!place_before(p->leaf, p->version, p->index, p))
        lsm_tree_seek_before(t, lsm_record_key(r), p);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static size_t node_size(bool is_leaf)
{
    return sizeof(struct lsm_node) +
           (is_leaf ? 0 : LSM_TREE_FANOUT * sizeof(_Atomic(struct lsm_node *)));
}

static struct lsm_node *node_create(struct lsm_tree *t, bool is_leaf)
{
    struct lsm_node *n = t->take(t->context, node_size(is_leaf));
    if (n == NULL)
        return NULL;
    memset(n, 0, node_size(is_leaf));
    n->is_leaf = is_leaf;
    return n;
}

struct status lsm_tree_init(struct lsm_tree *t, void *(*take)(void *context, size_t size),
                            void *context)
{
    *t = (struct lsm_tree) { .take = take, .context = context };
    struct lsm_node *root = node_create(t, true);
    if (root == NULL)
        return status_of(ST_NO_MEMORY);
    t->leaf_count = 1;
    STORE(t->root, root);
    return status_ok();
}

/* Nodes that so many additions to `nodes` of them make at most: each of those there may be full and
 * is split once; a half is full again after FANOUT / 2 more. */
static size_t splits_of(size_t additions, size_t nodes)
{
    size_t full = additions < nodes ? additions : nodes;
    return full + additions / (LSM_TREE_FANOUT / 2);
}

size_t lsm_tree_insert_room(const struct lsm_tree *t, size_t count)
{
    /* And what is taken ahead of a split. */
    size_t leaves = splits_of(count, t->leaf_count) + 1;
    size_t inners = splits_of(leaves, t->inner_count) + LSM_TREE_DEPTH_MAX;
    return leaves * node_size(true) + inners * node_size(false);
}

static struct status take_spares(struct lsm_tree *t, uint32_t inner_count)
{
    if (t->spare_leaf == NULL)
        t->spare_leaf = node_create(t, true);
    if (t->spare_leaf == NULL)
        return status_of(ST_NO_MEMORY);
    while (t->spare_inner_count < inner_count) {
        struct lsm_node *n = node_create(t, false);
        if (n == NULL)
            return status_of(ST_NO_MEMORY);
        t->spare_inner[t->spare_inner_count++] = n;
    }
    return status_ok();
}

static struct lsm_node *use_spare(struct lsm_tree *t, bool is_leaf)
{
    struct lsm_node *n = t->spare_leaf;
    t->leaf_count += is_leaf;
    t->inner_count += !is_leaf;
    if (is_leaf) {
        CHECK(n != NULL);
        t->spare_leaf = NULL;
        return n;
    }
    CHECK(t->spare_inner_count > 0);
    return t->spare_inner[--t->spare_inner_count];
}

static uint32_t common_prefix(struct bytes a, struct bytes b, uint32_t size_max)
{
    uint32_t n = 0;
    while (n < size_max && n < a.size && n < b.size && a.data[n] == b.data[n])
        n++;
    return n;
}

/* Give the node the prefix its entries from `first` on share, and heads behind it. Writer, inside.
 */
static void set_prefix(struct lsm_node *n, uint32_t first)
{
    uint32_t count = LOAD(n->count);
    if (count <= first) {
        STORE(n->prefix_size, 0);
        return;
    }
    const struct lsm_record *least = LOAD(n->records[first]);
    const struct lsm_record *greatest = LOAD(n->records[count - 1]);
    uint32_t size = common_prefix(lsm_record_key(least), lsm_record_key(greatest), UINT32_MAX);
    STORE(n->prefix_of, least);
    STORE(n->prefix_size, size);
    for (uint32_t i = first; i < count; i++)
        STORE(n->heads[i], head_of(lsm_record_key(LOAD(n->records[i])), size));
}

/* Put an entry at index, the others move up. Inner nodes get a child too. Writer. */
static void put_entry(struct lsm_node *n, uint32_t at, struct lsm_record *r, struct lsm_node *child)
{
    uint32_t count = LOAD(n->count);
    uint32_t first = n->is_leaf ? 0 : 1;
    struct bytes key = lsm_record_key(r);
    const struct lsm_record *prefix_of = LOAD(n->prefix_of);
    uint32_t size = LOAD(n->prefix_size);

    CHECK(count < LSM_TREE_FANOUT);
    write_begin(n);
    for (uint32_t i = count; i > at; i--) {
        STORE(n->heads[i], LOAD(n->heads[i - 1]));
        STORE(n->records[i], LOAD(n->records[i - 1]));
        if (child != NULL)
            STORE(n->children[i], LOAD(n->children[i - 1]));
    }
    STORE(n->records[at], r);
    if (child != NULL)
        STORE(n->children[at], child);
    STORE(n->count, count + 1);
    /* One entry alone has no prefix: the second sets it. It only shrinks until a split. */
    if (prefix_of == NULL || count <= first + 1 ||
        common_prefix(key, lsm_record_key(prefix_of), size) < size)
        set_prefix(n, first);
    else
        STORE(n->heads[at], head_of(key, size));
    write_end(n);
}

/* Move the upper half into a fresh node. Returns it; the caller tells the parent. Writer. */
static struct lsm_node *split(struct lsm_tree *t, struct lsm_node *n, bool is_append)
{
    struct lsm_node *right = use_spare(t, n->is_leaf);
    uint32_t count = LOAD(n->count);
    /* Rising inserts leave full nodes behind. */
    uint32_t kept = is_append ? count - 1 : count / 2;
    for (uint32_t i = kept; i < count; i++) {
        STORE(right->records[i - kept], LOAD(n->records[i]));
        if (!n->is_leaf)
            STORE(right->children[i - kept], LOAD(n->children[i]));
    }
    STORE(right->count, count - kept);
    set_prefix(right, n->is_leaf ? 0 : 1);
    struct lsm_node *next = LOAD(n->next);
    STORE(right->next, next);
    STORE(right->previous, n);

    write_begin(n);
    if (next != NULL) {
        write_begin(next);
        STORE(next->previous, right);
    }
    STORE(n->count, kept);
    STORE(n->next, n->is_leaf ? right : NULL);
    set_prefix(n, n->is_leaf ? 0 : 1);
    /* The node stays closed until the parent leads to the right half: see lsm_tree_insert. */
    if (next != NULL)
        write_end(next);
    return right;
}

void lsm_tree_approach(const struct lsm_tree *t, struct bytes key, struct lsm_tree_path *p)
{
    struct lsm_node *n = LOAD(t->root);
    p->depth = 0;
    p->splits = t->splits;
    while (!n->is_leaf) {
        uint32_t i = child_index(n, key, false);
        CHECK(p->depth < LSM_TREE_DEPTH_MAX - 1);
        p->nodes[p->depth] = n;
        p->indexes[p->depth++] = i;
        n = LOAD(n->children[i]);
    }
    p->nodes[p->depth] = n;
    prefetch_for_write(n, offsetof(struct lsm_node, records));
}

void lsm_tree_arrive(struct bytes key, struct lsm_tree_path *p)
{
    struct lsm_node *leaf = p->nodes[p->depth];
    uint32_t i = search(leaf, 0, key, false);
    p->indexes[p->depth] = i;
    p->leaf_version = atomic_load_explicit(&leaf->version, memory_order_relaxed);
    if (i < LSM_TREE_FANOUT)
        prefetch_for_write(leaf->records + i, 128);
    p->candidate = candidate(leaf, i, key);
    if (p->candidate != NULL)
        __builtin_prefetch(p->candidate, 1);
}

static void find_path(const struct lsm_tree *t, struct bytes key, struct lsm_tree_path *p)
{
    lsm_tree_approach(t, key, p);
    lsm_tree_arrive(key, p);
}

struct lsm_record *lsm_tree_locate(const struct lsm_tree *t, struct bytes key,
                                   struct lsm_tree_path *path)
{
    const struct lsm_node *leaf = path->nodes[path->depth];
    if (atomic_load_explicit(&leaf->version, memory_order_relaxed) != path->leaf_version)
        find_path(t, key, path);
    return if_equal(path->candidate, key);
}

static void grow_root(struct lsm_tree *t, struct lsm_node *left, struct lsm_node *right)
{
    struct lsm_node *root = use_spare(t, false);
    STORE(root->records[0], LOAD(left->records[0]));
    STORE(root->records[1], LOAD(right->records[0]));
    STORE(root->children[0], left);
    STORE(root->children[1], right);
    STORE(root->count, 2);
    set_prefix(root, 1);
    STORE(t->root, root);
}

/* Split the full node at depth d of the path; its parent has room. A split node is open again only
 * when its parent knows both halves, so no reader meets a half without the way to the other. */
static void split_at(struct lsm_tree *t, struct lsm_tree_path *p, uint32_t d)
{
    struct lsm_node *n = p->nodes[d];
    bool is_append = p->indexes[d] + (n->is_leaf ? 0 : 1) == LSM_TREE_FANOUT;
    t->splits++;
    struct lsm_node *right = split(t, n, is_append);
    if (d == 0)
        grow_root(t, n, right);
    else
        put_entry(p->nodes[d - 1], p->indexes[d - 1] + 1, LOAD(right->records[0]), right);
    write_end(n);
}

/* If the leaf is full, make room in every full node above it that would have to take a half, from
 * the top down, then in the leaf. */
static struct status make_room(struct lsm_tree *t, struct bytes key, struct lsm_tree_path *p)
{
    if (LOAD(p->nodes[p->depth]->count) < LSM_TREE_FANOUT)
        return status_ok();
    if (p->splits != t->splits)
        find_path(t, key, p); /* The nodes above the leaf are not those it was found through. */
    TRY(take_spares(t, p->depth + 1));
    for (;;) {
        uint32_t d = p->depth;
        if (LOAD(p->nodes[d]->count) < LSM_TREE_FANOUT)
            return status_ok();
        while (d > 0 && LOAD(p->nodes[d - 1]->count) == LSM_TREE_FANOUT)
            d--;
        split_at(t, p, d);
        find_path(t, key, p);
    }
}

struct status lsm_tree_insert(struct lsm_tree *t, struct lsm_tree_path *path, struct lsm_record *r)
{
    TRY(make_room(t, lsm_record_key(r), path));
    put_entry(path->nodes[path->depth], path->indexes[path->depth], r, NULL);
    return status_ok();
}

/* ---- Proof -------------------------------------------------------------------------------- */

static uint64_t check_node(const struct lsm_node *n, const struct lsm_record *least,
                           const struct lsm_record *beyond)
{
    uint64_t records = 0;
    uint32_t count = LOAD(n->count);
    uint32_t first = n->is_leaf ? 0 : 1;
    uint32_t prefix = LOAD(n->prefix_size);

    CHECK(count <= LSM_TREE_FANOUT);
    CHECK((LOAD(n->version) & 1) == 0);
    for (uint32_t i = first; i < count; i++) {
        const struct lsm_record *r = LOAD(n->records[i]);
        CHECK(LOAD(n->heads[i]) == head_of(lsm_record_key(r), prefix));
        CHECK(compare_prefix(n, lsm_record_key(r), prefix) == 0);
        if (i > first)
            CHECK(bytes_compare(lsm_record_key(LOAD(n->records[i - 1])), lsm_record_key(r)) < 0);
        if (least != NULL)
            CHECK(bytes_compare(lsm_record_key(least), lsm_record_key(r)) <= 0);
        if (beyond != NULL)
            CHECK(bytes_compare(lsm_record_key(r), lsm_record_key(beyond)) < 0);
    }
    if (n->is_leaf)
        return count;
    for (uint32_t i = 0; i < count; i++)
        records += check_node(LOAD(n->children[i]), i == 0 ? least : LOAD(n->records[i]),
                              i + 1 < count ? LOAD(n->records[i + 1]) : beyond);
    return records;
}

uint64_t lsm_tree_check(const struct lsm_tree *t)
{
    uint64_t linked = 0;
    uint64_t v;
    const struct lsm_node *previous = NULL;
    uint64_t records = check_node(LOAD(t->root), NULL, NULL);

    for (const struct lsm_node *n = edge_leaf(t, false, &v); n != NULL; n = LOAD(n->next)) {
        CHECK(LOAD(n->previous) == previous);
        linked += LOAD(n->count);
        previous = n;
    }
    CHECK(linked == records);
    return records;
}
