#include "base/io_sim_disk.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/rand.h"

/* ---- Which nodes a cut can leave a name to ------------------------------------------------------
 */

static void add_node(struct sim_units *u, struct sim_node *n)
{
    u->nodes = sim_room(u->nodes, &u->node_capacity, u->node_count, sizeof(struct sim_node *));
    u->nodes[u->node_count++] = n;
}

static void collect_nodes(struct sim_units *u, const struct sim_disk *d)
{
    size_t count = 0;

    u->node_count = 0;
    for (size_t i = 0; i < d->node_count; i++) {
        const struct sim_node *n = d->nodes[i];
        if (!n->is_dir)
            continue;
        for (size_t k = 0; k < n->durable_names->count; k++)
            add_node(u, sim_disk_node(d, n->durable_names->list[k].number));
        for (size_t k = 0; k < n->pending_count; k++)
            if (n->pending[k].number != 0)
                add_node(u, sim_disk_node(d, n->pending[k].number));
    }
    add_node(u, sim_disk_node(d, SIM_ROOT));

    /* Sorted by number, each once. Nearly sorted to begin with. */
    for (size_t i = 1; i < u->node_count; i++) {
        struct sim_node *n = u->nodes[i];
        size_t k = i;
        for (; k > 0 && u->nodes[k - 1]->number > n->number; k--)
            u->nodes[k] = u->nodes[k - 1];
        u->nodes[k] = n;
    }
    for (size_t i = 0; i < u->node_count; i++)
        if (count == 0 || u->nodes[count - 1] != u->nodes[i])
            u->nodes[count++] = u->nodes[i];
    u->node_count = count;
}

/* ---- Collecting units --------------------------------------------------------------------------
 */

static struct sim_unit *add_unit(struct sim_units *u, struct sim_node *n, size_t ordinal)
{
    u->list = sim_room(u->list, &u->capacity, u->count, sizeof *u->list);
    struct sim_unit *unit = &u->list[u->count++];
    *unit = (struct sim_unit) { .node = n, .record = &n->pending[ordinal], .ordinal = ordinal };
    return unit;
}

static void add_record(struct sim_units *u, struct sim_node *n, size_t ordinal)
{
    const struct sim_record *r = &n->pending[ordinal];
    uint64_t end = r->offset + r->size;

    if (r->kind != SIM_DATA) {
        add_unit(u, n, ordinal);
        u->has_sizes |= r->kind == SIM_SIZE;
        return;
    }
    for (uint64_t at = r->offset; at < end;) {
        uint64_t next = align_down(at, SIM_SECTOR) + SIM_SECTOR;
        struct sim_unit *unit = add_unit(u, n, ordinal);
        unit->offset = at;
        unit->size = (size_t)((next < end ? next : end) - at);
        at = next;
    }
}

#define ORDER(a, b)                                                                                \
    do {                                                                                           \
        if ((a) != (b))                                                                            \
            return (a) < (b) ? -1 : 1;                                                             \
    } while (0)

/* Oldest first. Of one event: sizes before data, new names before the old ones they replace. */
static int compare_units(const void *a, const void *b)
{
    const struct sim_unit *x = a;
    const struct sim_unit *y = b;

    ORDER(x->record->sequence, y->record->sequence);
    ORDER(x->record->kind, y->record->kind);
    ORDER(x->node->number, y->node->number);
    ORDER(x->ordinal, y->ordinal);
    ORDER(x->offset, y->offset);
    return 0;
}

static void find_last_write(struct sim_units *u)
{
    size_t last = u->count;

    while (last > 0 && u->list[last - 1].record->kind != SIM_DATA)
        last--;
    u->last_write = last;
    u->last_write_count = 0;
    while (last > 0 && u->list[last - 1].record->kind == SIM_DATA &&
           u->list[last - 1].record->sequence == u->list[u->last_write - 1].record->sequence)
        last--;
    u->last_write_count = u->last_write - last;
    u->last_write = last;
}

/* ---- What a unit cannot be kept without
 * ---------------------------------------------------------- */

/* The latest unit at each place: a sector, a name, a file's length. */
struct places {
    uint64_t *keys;
    uint32_t *units; /* Index + 1; 0: a free slot. */
    size_t mask;
};

/* The latest unit at the place (index + 1, or 0), which from now on is unit. */
static uint32_t replace(struct places *p, uint64_t key, uint32_t unit)
{
    size_t slot = hash_u64(key) & p->mask;

    while (p->units[slot] != 0 && p->keys[slot] != key)
        slot = (slot + 1) & p->mask;
    uint32_t before = p->units[slot];
    p->keys[slot] = key;
    p->units[slot] = unit;
    return before;
}

static uint32_t latest(const struct places *p, uint64_t key)
{
    size_t slot = hash_u64(key) & p->mask;

    while (p->units[slot] != 0 && p->keys[slot] != key)
        slot = (slot + 1) & p->mask;
    return p->units[slot];
}

static uint64_t length_key(const struct sim_node *n)
{
    return hash_u64(~n->number);
}

static uint64_t sector_key(const struct sim_unit *unit)
{
    return hash_u64(unit->node->number) + unit->offset / SIM_SECTOR;
}

static uint64_t name_key(const struct sim_node *dir, const struct sim_name *name)
{
    return hash_bytes(bytes_of(name->text, name->size), dir->number);
}

/* Where a REMOVE looks for the SET of the same rename. */
static uint64_t rename_key(uint64_t sequence)
{
    return hash_u64(sequence) ^ UINT64_C(0x72656e616d65);
}

static void find_needs(struct sim_units *u, struct places *p, uint32_t number)
{
    struct sim_unit *unit = &u->list[number - 1];
    const struct sim_record *r = unit->record;

    switch (r->kind) {
    case SIM_DATA: {
        uint32_t cut = latest(p, length_key(unit->node));
        unit->needs[0] = replace(p, sector_key(unit), number);
        if (cut != 0 && u->list[cut - 1].record->offset < unit->offset + unit->size)
            unit->needs[1] = cut;
        break;
    }
    case SIM_SIZE:
        unit->needs[0] = latest(p, length_key(unit->node));
        break;
    case SIM_CUT:
        unit->needs[0] = replace(p, length_key(unit->node), number);
        break;
    case SIM_SET:
        unit->needs[0] = replace(p, name_key(unit->node, r->name), number);
        replace(p, rename_key(r->sequence), number);
        break;
    case SIM_REMOVE:
        unit->needs[0] = replace(p, name_key(unit->node, r->name), number);
        if (r->needs != 0)
            unit->needs[1] = latest(p, rename_key(r->needs));
        break;
    case SIM_MOVE:
        unit->needs[0] = replace(p, name_key(unit->node, r->name), number);
        unit->needs[1] = replace(p, name_key(unit->node, r->name_to), number);
        break;
    }
}

void sim_units_collect(struct sim_units *u, const struct sim_disk *d)
{
    struct places p = { 0 };
    size_t slots = 16;

    u->count = 0;
    u->has_sizes = false;
    collect_nodes(u, d);
    for (size_t i = 0; i < u->node_count; i++)
        for (size_t k = 0; k < u->nodes[i]->pending_count; k++)
            add_record(u, u->nodes[i], k);
    if (u->count > 1)
        qsort(u->list, u->count, sizeof *u->list, compare_units);
    CHECK(u->count < UINT32_MAX);
    find_last_write(u);

    /* At most two places a unit: a quarter full. */
    while (slots < u->count * 8)
        slots *= 2;
    p.mask = slots - 1;
    p.keys = sim_take(slots * sizeof *p.keys);
    p.units = sim_take(slots * sizeof *p.units);
    for (size_t i = 0; i < u->count; i++)
        find_needs(u, &p, (uint32_t)i + 1);
    sim_give(p.keys, slots * sizeof *p.keys);
    sim_give(p.units, slots * sizeof *p.units);
}

void sim_units_deinit(struct sim_units *u)
{
    sim_give(u->list, u->capacity * sizeof *u->list);
    sim_give(u->nodes, u->node_capacity * sizeof(struct sim_node *));
}

/* ---- Choosing ------------------------------------------------------------------------------- */

/* Which units stay, closed over what they need: a zero or one for each. */
static void choose(const struct sim_units *u, const struct io_sim_choice *choice, uint8_t *is_kept)
{
    struct rand r;

    rand_seed(&r, choice->seed);
    for (size_t i = 0; i < u->count; i++) {
        switch (choice->keep) {
        case IO_SIM_KEEP_NONE:
            is_kept[i] = 0;
            break;
        case IO_SIM_KEEP_ALL:
            is_kept[i] = 1;
            break;
        case IO_SIM_KEEP_PREFIX:
            is_kept[i] = i < choice->count;
            break;
        case IO_SIM_KEEP_RANDOM:
            is_kept[i] = rand_u64(&r) >> 63 != 0;
            break;
        case IO_SIM_KEEP_MASK:
            is_kept[i] = (choice->mask[i / 64] >> i % 64 & 1) != 0;
            break;
        }
    }
    for (size_t i = u->count; i-- > 0;)
        for (size_t k = 0; k < 2; k++)
            if (is_kept[i] && u->list[i].needs[k] != 0)
                is_kept[u->list[i].needs[k] - 1] = 1;
}

/* ---- Cutting -------------------------------------------------------------------------------- */

/* What was there before, in a sector that the file got but no write reached. Extents that were
 * allocated ahead read as zeros. A unit with an earlier one in its sector says nothing new: if that
 * one was kept, the sector was written. */
static void fill_with_garbage(struct sim_content **content, const struct sim_unit *unit,
                              uint64_t seed)
{
    uint8_t garbage[SIM_SECTOR];
    uint64_t sector = align_down(unit->offset, SIM_SECTOR);
    struct rand r;

    if (unit->needs[0] != 0 || sector < unit->node->durable->size ||
        sector < unit->node->allocated_end)
        return;
    rand_seed(&r, seed + hash_u64(unit->node->number) + sector);
    rand_fill(&r, garbage, sizeof garbage);
    sim_content_write(content, sector, garbage, sizeof garbage);
}

static void keep_data(struct sim_content **content, const struct sim_unit *unit, size_t size,
                      bool grows)
{
    const struct sim_record *r = unit->record;
    size_t at = r->blob_at + (size_t)(unit->offset - r->offset);

    sim_content_write(content, unit->offset, r->blob->data + at, size);
    if (grows)
        sim_content_grow(content, unit->offset + size);
}

static void cut_unit(struct sim_disk *after, const struct sim_units *u, size_t index, bool is_kept,
                     const struct io_sim_choice *choice)
{
    const struct sim_unit *unit = &u->list[index];
    struct sim_node *n = sim_disk_node(after, unit->node->number);

    if (unit->record->kind != SIM_DATA) {
        if (!is_kept)
            return;
        if (n->is_dir)
            sim_names_apply(&n->names, unit->record);
        else
            sim_content_apply(&n->live, unit->record);
    } else if (is_kept) {
        bool is_torn = index + 1 == choice->torn && choice->torn_bytes < unit->size;
        keep_data(&n->live, unit, is_torn ? choice->torn_bytes : unit->size, choice->grows);
    } else if (choice->has_garbage) {
        fill_with_garbage(&n->live, unit, choice->seed);
    }
}

/* Count the names that lead to what lies below dir. */
static void count_links(struct sim_disk *d, const struct sim_node *dir)
{
    for (size_t i = 0; i < dir->names->count; i++) {
        struct sim_node *n = sim_disk_node(d, dir->names->list[i].number);
        n->links++;
        if (n->is_dir && n->links == 1)
            count_links(d, n);
    }
}

struct sim_disk *sim_disk_crash(const struct sim_disk *d, const struct sim_units *u,
                                const struct io_sim_choice *choice)
{
    struct sim_disk *after = sim_disk_create_bare();
    uint8_t *is_kept = sim_take(u->count + 1);

    for (size_t i = 0; i < u->node_count; i++) {
        const struct sim_node *from = u->nodes[i];
        struct sim_node *n = sim_node_add_bare(after, from->number, from->is_dir);
        if (n->is_dir)
            n->names = sim_names_ref(from->durable_names);
        else
            n->live = sim_content_ref(from->durable);
    }
    choose(u, choice, is_kept);
    for (size_t i = 0; i < u->count; i++)
        cut_unit(after, u, i, is_kept[i], choice);
    sim_give(is_kept, u->count + 1);

    after->next_number = d->next_number;
    after->sequence = d->sequence;
    after->nodes[0]->links = 1; /* The root. */
    count_links(after, after->nodes[0]);
    for (size_t i = 0; i < after->node_count; i++) {
        struct sim_node *n = after->nodes[i];
        if (n->is_dir) {
            n->durable_names = sim_names_ref(n->names);
            continue;
        }
        if (n->live->is_ragged)
            sim_content_cut(&n->live, n->live->size);
        n->durable = sim_content_ref(n->live);
        if (n->links > 0) {
            n->charged_end = align_up(n->live->size, SIM_PAGE);
            after->used_bytes += n->charged_end;
        }
    }
    sim_disk_drop_unlinked(after);
    return after;
}
