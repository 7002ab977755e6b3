#include "base/io_sim_disk.h"

#include <errno.h>

#include "base/check.h"

/* ---- What a name becomes -----------------------------------------------------------------------
 */

void sim_names_apply(struct sim_names **names, const struct sim_record *r)
{
    switch (r->kind) {
    case SIM_SET:
        sim_names_set(names, r->name, r->number);
        break;
    case SIM_REMOVE:
        sim_names_remove(names, r->name);
        break;
    case SIM_MOVE:
        sim_names_remove(names, r->name);
        sim_names_set(names, r->name_to, r->number);
        break;
    default:
        CHECK(r->kind >= SIM_SET);
    }
}

/* ---- Making names durable ------------------------------------------------------------------- */

static bool same_name(const struct sim_name *a, const struct sim_name *b)
{
    return a != NULL && b != NULL &&
           bytes_equal(bytes_of(a->text, a->size), bytes_of(b->text, b->size));
}

static bool share_name(const struct sim_record *a, const struct sim_record *b)
{
    return same_name(a->name, b->name) || same_name(a->name, b->name_to) ||
           same_name(a->name_to, b->name) || same_name(a->name_to, b->name_to);
}

/* Mark the SET in another directory that the REMOVE numbered sequence waits for. True if that is
 * news. */
static bool mark_set(struct sim_disk *d, uint64_t sequence)
{
    for (size_t i = 0; i < d->node_count; i++) {
        struct sim_node *n = d->nodes[i];
        for (size_t k = 0; n->is_dir && k < n->pending_count; k++) {
            struct sim_record *r = &n->pending[k];
            if (r->sequence == sequence && r->kind == SIM_SET) {
                bool is_news = !r->is_marked;
                r->is_marked = true;
                return is_news;
            }
        }
    }
    return false;
}

/* Mark what the marked records of dir need. True if a record of another directory was newly
 * marked. */
static bool mark_needs(struct sim_disk *d, struct sim_node *dir)
{
    bool is_wider = false;

    for (size_t i = dir->pending_count; i-- > 0;) {
        const struct sim_record *r = &dir->pending[i];
        if (!r->is_marked)
            continue;
        for (size_t k = 0; k < i; k++)
            if (share_name(r, &dir->pending[k]))
                dir->pending[k].is_marked = true;
        if (r->needs != 0 && mark_set(d, r->needs))
            is_wider = true;
    }
    return is_wider;
}

static bool is_marked(const struct sim_record *r, uint64_t unused)
{
    (void)unused;
    return r->is_marked;
}

/* Make the marked records, and all that they need, durable, in whatever directory they are. */
static void settle_marked(struct sim_disk *d)
{
    bool is_wider;

    do {
        is_wider = false;
        for (size_t i = 0; i < d->node_count; i++)
            if (d->nodes[i]->is_dir && mark_needs(d, d->nodes[i]))
                is_wider = true;
    } while (is_wider);
    for (size_t i = 0; i < d->node_count; i++) {
        struct sim_node *n = d->nodes[i];
        if (!n->is_dir || n->pending_count == 0)
            continue;
        for (size_t k = 0; k < n->pending_count; k++)
            if (n->pending[k].is_marked)
                sim_names_apply(&n->durable_names, &n->pending[k]);
        sim_records_filter(n, is_marked, 0);
    }
}

static bool is_older(const struct sim_record *r, uint64_t sequence)
{
    return r->sequence < sequence;
}

static int sync_dir(struct sim_disk *d, const struct io_sim_event *e)
{
    struct sim_node *dir;
    int error = sim_disk_find(d, e->path, &dir);

    if (error != 0)
        return error;
    if (!dir->is_dir)
        return ENOTDIR;
    if (e->outcome == IO_SIM_LIED || dir->pending_count == 0)
        return 0;
    for (size_t i = 0; i < dir->pending_count; i++)
        dir->pending[i].is_marked =
            e->outcome != IO_SIM_FAILED || sim_coin(e->seed, dir->pending[i].sequence);
    settle_marked(d);
    sim_records_filter(dir, is_older, e->sequence); /* Forgotten, if it failed. */
    return 0;
}

/* ---- Changing names -------------------------------------------------------------------------- */

static struct sim_record *add_record(struct sim_node *dir, enum sim_record_kind kind,
                                     struct bytes name, const struct io_sim_event *e)
{
    struct sim_record *r = sim_record_add(dir, kind, e->sequence);

    r->done = e->sequence;
    r->name = sim_name_create(name);
    return r;
}

static void add_name(struct sim_node *dir, struct bytes name, struct sim_node *to,
                     const struct io_sim_event *e)
{
    struct sim_record *r = add_record(dir, SIM_SET, name, e);

    r->number = to->number;
    sim_names_apply(&dir->names, r);
    to->links++;
}

static int create(struct sim_disk *d, struct io_sim_event *e)
{
    struct sim_node *dir;
    struct bytes name;
    int error = sim_disk_find_parent(d, e->path, &dir, &name);

    if (error != 0)
        return error;
    if (name.size == 0 || sim_names_find(dir->names, name) != 0)
        return EEXIST;
    struct sim_node *n = sim_node_add(d, d->next_number, e->kind == IO_SIM_MKDIR);
    e->file = n->number;
    add_name(dir, name, n, e);
    return 0;
}

static int hard_link(struct sim_disk *d, const struct io_sim_event *e)
{
    struct sim_node *n;
    struct sim_node *dir;
    struct bytes name;
    int error = sim_disk_find(d, e->path, &n);

    if (error == 0)
        error = sim_disk_find_parent(d, e->path_to, &dir, &name);
    if (error != 0)
        return error;
    if (n->is_dir)
        return EPERM;
    if (name.size == 0 || sim_names_find(dir->names, name) != 0)
        return EEXIST;
    add_name(dir, name, n, e);
    return 0;
}

static int unlink_name(struct sim_disk *d, const struct io_sim_event *e)
{
    struct sim_node *dir;
    struct bytes name;
    int error = sim_disk_find_parent(d, e->path, &dir, &name);

    if (error != 0)
        return error;
    uint64_t number = name.size == 0 ? SIM_ROOT : sim_names_find(dir->names, name);
    if (number == 0)
        return ENOENT;
    struct sim_node *n = sim_disk_node(d, number);
    if (n->is_dir && n->names->count > 0)
        return ENOTEMPTY;
    sim_names_apply(&dir->names, add_record(dir, SIM_REMOVE, name, e));
    n->links--;
    sim_node_released(d, n);
    return 0;
}

/* Does the directory inner lie in outer, or is it outer itself? */
static bool lies_within(const struct sim_disk *d, const struct sim_node *inner,
                        const struct sim_node *outer)
{
    if (inner == outer)
        return true;
    for (size_t i = 0; outer->is_dir && i < outer->names->count; i++) {
        const struct sim_node *child = sim_disk_node(d, outer->names->list[i].number);
        if (child->is_dir && lies_within(d, inner, child))
            return true;
    }
    return false;
}

/* May moved be put in the place of replaced? 0 or an errno value. */
static int may_replace(const struct sim_node *moved, const struct sim_node *replaced)
{
    if (moved->is_dir && !replaced->is_dir)
        return ENOTDIR;
    if (!moved->is_dir && replaced->is_dir)
        return EISDIR;
    return replaced->is_dir && replaced->names->count > 0 ? ENOTEMPTY : 0;
}

static int rename_name(struct sim_disk *d, const struct io_sim_event *e)
{
    struct sim_node *from_dir;
    struct sim_node *to_dir;
    struct bytes from;
    struct bytes to;
    int error = sim_disk_find_parent(d, e->path, &from_dir, &from);

    if (error == 0)
        error = sim_disk_find_parent(d, e->path_to, &to_dir, &to);
    if (error != 0)
        return error;
    if (from.size == 0 || to.size == 0)
        return EBUSY;
    struct sim_node *moved = sim_disk_node(d, sim_names_find(from_dir->names, from));
    struct sim_node *replaced = sim_disk_node(d, sim_names_find(to_dir->names, to));
    if (moved == NULL)
        return ENOENT;
    if (moved == replaced)
        return 0; /* Two names of one file: POSIX says that nothing happens. */
    if (lies_within(d, to_dir, moved))
        return EINVAL;
    error = replaced == NULL ? 0 : may_replace(moved, replaced);
    if (error != 0)
        return error;

    if (from_dir == to_dir) {
        struct sim_record *r = add_record(from_dir, SIM_MOVE, from, e);
        r->name_to = sim_name_create(to);
        r->number = moved->number;
        sim_names_apply(&from_dir->names, r);
    } else {
        add_name(to_dir, to, moved, e);
        struct sim_record *r = add_record(from_dir, SIM_REMOVE, from, e);
        r->needs = e->sequence;
        sim_names_apply(&from_dir->names, r);
        moved->links--;
    }
    if (replaced != NULL) {
        replaced->links--;
        sim_node_released(d, replaced);
    }
    return 0;
}

int sim_dir_apply(struct sim_disk *d, struct io_sim_event *e)
{
    switch (e->kind) {
    case IO_SIM_CREATE:
    case IO_SIM_MKDIR:
        return create(d, e);
    case IO_SIM_LINK:
        return hard_link(d, e);
    case IO_SIM_RENAME:
        return rename_name(d, e);
    case IO_SIM_UNLINK:
        return unlink_name(d, e);
    case IO_SIM_DIR_SYNCED:
        return sync_dir(d, e);
    default:
        CHECK(e->kind <= IO_SIM_DIR_SYNCED);
        return EINVAL;
    }
}
