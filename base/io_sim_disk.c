#include "base/io_sim_disk.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

/* ---- Nodes -------------------------------------------------------------------------------- */

struct sim_disk *sim_disk_create_bare(void)
{
    struct sim_disk *d = sim_take(sizeof *d);

    d->next_number = SIM_ROOT;
    return d;
}

struct sim_disk *sim_disk_create(void)
{
    struct sim_disk *d = sim_disk_create_bare();

    sim_node_add(d, SIM_ROOT, true)->links = 1;
    return d;
}

struct sim_node *sim_node_add_bare(struct sim_disk *d, uint64_t number, bool is_dir)
{
    struct sim_node *n = sim_take(sizeof *n);
    size_t place = d->node_count;

    n->number = number;
    n->is_dir = is_dir;
    d->nodes = sim_room(d->nodes, &d->node_capacity, d->node_count, sizeof(struct sim_node *));
    while (place > 0 && d->nodes[place - 1]->number > number) {
        d->nodes[place] = d->nodes[place - 1];
        place--;
    }
    d->nodes[place] = n;
    d->node_count++;
    if (d->next_number <= number)
        d->next_number = number + 1;
    return n;
}

struct sim_node *sim_node_add(struct sim_disk *d, uint64_t number, bool is_dir)
{
    struct sim_node *n = sim_node_add_bare(d, number, is_dir);

    if (is_dir) {
        n->names = sim_names_create();
        n->durable_names = sim_names_create();
    } else {
        n->live = sim_content_create();
        n->durable = sim_content_create();
    }
    return n;
}

static void node_destroy(struct sim_node *n)
{
    sim_content_unref(n->live);
    sim_content_unref(n->durable);
    sim_names_unref(n->names);
    sim_names_unref(n->durable_names);
    for (size_t i = 0; i < n->pending_count; i++)
        sim_record_deinit(&n->pending[i]);
    sim_give(n->pending, n->pending_capacity * sizeof *n->pending);
    sim_give(n, sizeof *n);
}

static struct sim_node *node_clone(const struct sim_node *n)
{
    struct sim_node *copy = sim_take(sizeof *copy);

    *copy = *n;
    copy->opens = 0;
    if (n->is_dir) {
        sim_names_ref(n->names);
        sim_names_ref(n->durable_names);
    } else {
        sim_content_ref(n->live);
        sim_content_ref(n->durable);
    }
    copy->pending = NULL;
    copy->pending_capacity = n->pending_count;
    if (n->pending_count > 0) {
        copy->pending = sim_take(n->pending_count * sizeof *n->pending);
        memcpy(copy->pending, n->pending, n->pending_count * sizeof *n->pending);
    }
    for (size_t i = 0; i < copy->pending_count; i++) {
        struct sim_record *r = &copy->pending[i];
        if (r->blob != NULL)
            sim_blob_ref(r->blob);
        if (r->name != NULL)
            sim_name_ref(r->name);
        if (r->name_to != NULL)
            sim_name_ref(r->name_to);
    }
    return copy;
}

void sim_disk_destroy(struct sim_disk *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->node_count; i++)
        node_destroy(d->nodes[i]);
    sim_give(d->nodes, d->node_capacity * sizeof *d->nodes);
    sim_give(d, sizeof *d);
}

struct sim_disk *sim_disk_clone(const struct sim_disk *d)
{
    struct sim_disk *copy = sim_take(sizeof *copy);

    *copy = *d;
    copy->nodes = sim_take(d->node_count * sizeof *d->nodes);
    copy->node_capacity = d->node_count;
    for (size_t i = 0; i < d->node_count; i++)
        copy->nodes[i] = node_clone(d->nodes[i]);
    return copy;
}

static size_t node_place(const struct sim_disk *d, uint64_t number)
{
    size_t low = 0;
    size_t high = d->node_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (d->nodes[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sim_node *sim_disk_node(const struct sim_disk *d, uint64_t number)
{
    size_t place = node_place(d, number);

    if (place == d->node_count || d->nodes[place]->number != number)
        return NULL;
    return d->nodes[place];
}

/* ---- Space -------------------------------------------------------------------------------- */

uint64_t sim_node_charge(const struct sim_node *n, uint64_t end)
{
    uint64_t blocks_end = align_up(end, SIM_PAGE);

    return blocks_end > n->charged_end ? blocks_end - n->charged_end : 0;
}

void sim_node_uncharge(struct sim_disk *d, struct sim_node *n, uint64_t end)
{
    uint64_t blocks_end = align_up(end, SIM_PAGE);

    if (blocks_end < n->charged_end) {
        d->used_bytes -= n->charged_end - blocks_end;
        n->charged_end = blocks_end;
    }
    if (n->allocated_end > blocks_end)
        n->allocated_end = blocks_end;
}

void sim_node_released(struct sim_disk *d, struct sim_node *n)
{
    if (n->links == 0 && n->opens == 0)
        sim_node_uncharge(d, n, 0);
}

/* ---- Paths -------------------------------------------------------------------------------- */

/* Take the next name off the front of *rest; empty at the end. "." is skipped. */
static struct bytes take_name(const char **rest)
{
    for (;;) {
        const char *p = *rest + strspn(*rest, "/");
        size_t size = strcspn(p, "/");
        *rest = p + size;
        if (size != 1 || p[0] != '.')
            return bytes_of(p, size);
    }
}

int sim_disk_find_parent(const struct sim_disk *d, const char *path, struct sim_node **out_dir,
                         struct bytes *out_name)
{
    struct sim_node *dir = sim_disk_node(d, SIM_ROOT);
    const char *rest = path;
    struct bytes name = take_name(&rest);

    if (strnlen(path, IO_PATH_MAX) == IO_PATH_MAX)
        return ENAMETOOLONG;
    for (;;) {
        if (name.size > SIM_NAME_MAX)
            return ENAMETOOLONG;
        if (bytes_equal(name, bytes_str("..")))
            return EINVAL;
        struct bytes next = take_name(&rest);
        if (next.size == 0)
            break;
        uint64_t number = sim_names_find(dir->names, name);
        if (number == 0)
            return ENOENT;
        dir = sim_disk_node(d, number);
        if (!dir->is_dir)
            return ENOTDIR;
        name = next;
    }
    *out_dir = dir;
    *out_name = name;
    return 0;
}

int sim_disk_find(const struct sim_disk *d, const char *path, struct sim_node **out_node)
{
    struct sim_node *dir;
    struct bytes name;
    int error = sim_disk_find_parent(d, path, &dir, &name);

    if (error != 0)
        return error;
    uint64_t number = name.size == 0 ? dir->number : sim_names_find(dir->names, name);
    if (number == 0)
        return ENOENT;
    *out_node = sim_disk_node(d, number);
    return 0;
}

/* ---- Pending records ------------------------------------------------------------------------ */

struct sim_record *sim_record_insert(struct sim_node *n, size_t index)
{
    n->pending = sim_room(n->pending, &n->pending_capacity, n->pending_count, sizeof *n->pending);
    memmove(n->pending + index + 1, n->pending + index,
            (n->pending_count - index) * sizeof *n->pending);
    n->pending_count++;
    n->pending[index] = (struct sim_record) { 0 };
    return &n->pending[index];
}

struct sim_record *sim_record_add(struct sim_node *n, enum sim_record_kind kind, uint64_t sequence)
{
    struct sim_record *r = sim_record_insert(n, n->pending_count);

    r->kind = kind;
    r->sequence = sequence;
    return r;
}

void sim_record_deinit(struct sim_record *r)
{
    sim_blob_unref(r->blob);
    sim_name_unref(r->name);
    sim_name_unref(r->name_to);
}

void sim_records_filter(struct sim_node *n, bool (*drop)(const struct sim_record *r, uint64_t at),
                        uint64_t at)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->pending_count; i++) {
        if (drop(&n->pending[i], at))
            sim_record_deinit(&n->pending[i]);
        else
            n->pending[kept++] = n->pending[i];
    }
    n->pending_count = kept;
}

/* ---- Events ------------------------------------------------------------------------------- */

int sim_disk_apply(struct sim_disk *d, struct io_sim_event *e)
{
    int error = 0;

    e->sequence = d->sequence + 1;
    switch (e->kind) {
    case IO_SIM_CREATE:
    case IO_SIM_MKDIR:
    case IO_SIM_LINK:
    case IO_SIM_RENAME:
    case IO_SIM_UNLINK:
    case IO_SIM_DIR_SYNCED:
        error = sim_dir_apply(d, e);
        break;
    case IO_SIM_TRUNCATED:
    case IO_SIM_ALLOCATED:
    case IO_SIM_WRITING:
    case IO_SIM_WRITTEN:
    case IO_SIM_SYNCED:
        error = sim_file_apply(d, e);
        break;
    case IO_SIM_MARKED:
        break;
    }
    if (error == 0)
        d->sequence = e->sequence;
    return error;
}

bool sim_coin(uint64_t seed, uint64_t thing)
{
    return (hash_u64(seed + hash_u64(thing + 1)) & 1) != 0;
}

/* ---- Sweeping ------------------------------------------------------------------------------- */

static void mark_node(const struct sim_disk *d, bool *is_needed, uint64_t number)
{
    size_t place = node_place(d, number);

    if (place < d->node_count && d->nodes[place]->number == number)
        is_needed[place] = true;
}

/* Destroy the nodes that is_needed does not mark. */
static void keep_needed(struct sim_disk *d, const bool *is_needed)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->node_count; i++) {
        if (is_needed[i])
            d->nodes[kept++] = d->nodes[i];
        else
            node_destroy(d->nodes[i]);
    }
    d->node_count = kept;
}

void sim_disk_drop_unlinked(struct sim_disk *d)
{
    size_t count = d->node_count;
    bool *is_needed = sim_take(count * sizeof *is_needed);

    for (size_t i = 0; i < count; i++)
        is_needed[i] = d->nodes[i]->links > 0 || d->nodes[i]->opens > 0;
    keep_needed(d, is_needed);
    sim_give(is_needed, count * sizeof *is_needed);
}

void sim_disk_sweep(struct sim_disk *d)
{
    size_t count = d->node_count;
    bool *is_needed = sim_take(count * sizeof *is_needed);

    for (size_t i = 0; i < count; i++) {
        const struct sim_node *n = d->nodes[i];
        is_needed[i] |= n->links > 0 || n->opens > 0;
        if (!n->is_dir)
            continue;
        for (size_t k = 0; k < n->durable_names->count; k++)
            mark_node(d, is_needed, n->durable_names->list[k].number);
        for (size_t k = 0; k < n->pending_count; k++)
            mark_node(d, is_needed, n->pending[k].number);
    }
    keep_needed(d, is_needed);
    sim_give(is_needed, count * sizeof *is_needed);
}

/* ---- Hashing ------------------------------------------------------------------------------- */

static uint64_t node_hash(const struct sim_disk *d, const struct sim_node *n)
{
    uint64_t hash = 0;

    if (!n->is_dir) {
        /* Two names of one file are not two files with the same bytes. */
        return sim_content_hash(n->live) + (n->links > 1 ? hash_u64(n->number) : 0);
    }
    if (n->links > 1)
        return hash_u64(n->number); /* Half moved: by two ways into it, it may lie in itself. */
    for (size_t i = 0; i < n->names->count; i++) {
        const struct sim_entry *entry = &n->names->list[i];
        hash = hash_bytes(bytes_of(entry->name->text, entry->name->size), hash);
        hash = hash_u64(hash + node_hash(d, sim_disk_node(d, entry->number)));
    }
    return hash_u64(hash + n->names->count + 1);
}

uint64_t sim_disk_hash(const struct sim_disk *d)
{
    return node_hash(d, sim_disk_node(d, SIM_ROOT));
}
