/*
 * keyspace -- names of keyspaces, kept in the manifest.
 */
#include "lsm/internal.h"

static struct lsm_keyspace *find(struct lsm *l, struct bytes name) REQUIRES(l->lock)
{
    for (uint32_t i = 0; i < l->keyspace_count; i++) {
        if (bytes_equal(bytes_str(l->keyspaces[i].name), name))
            return &l->keyspaces[i];
    }
    return NULL;
}

/* Room for as many more. */
static struct status reserve(struct lsm *l, uint32_t more) REQUIRES(l->lock)
{
    uint32_t capacity = l->keyspace_capacity == 0 ? 8 : l->keyspace_capacity;

    while (capacity < l->keyspace_count + more)
        capacity *= 2;
    if (capacity == l->keyspace_capacity)
        return status_ok();
    struct lsm_keyspace *k = alloc_resize(l->env->alloc, l->keyspaces,
                                          l->keyspace_capacity * sizeof *k, capacity * sizeof *k);
    if (k == NULL)
        return status_of(ST_NO_MEMORY);
    l->keyspaces = k;
    l->keyspace_capacity = capacity;
    return status_ok();
}

struct status lsm_keyspaces_admit(struct lsm *l, const struct lsm_edit *edit)
{
    TRY(reserve(l, edit->keyspace_count));
    for (uint32_t i = 0; i < edit->keyspace_count; i++) {
        if (!edit->keyspaces[i].is_drop && find(l, edit->keyspaces[i].name) != NULL)
            return status_of(ST_BUSY);
    }
    return status_ok();
}

void lsm_keyspaces_install(struct lsm *l, const struct lsm_edit *edit)
{
    for (uint32_t i = 0; i < edit->keyspace_count; i++) {
        const struct lsm_edit_keyspace *e = &edit->keyspaces[i];
        struct lsm_keyspace *k = find(l, e->name);
        if (e->is_drop && k != NULL) {
            *k = l->keyspaces[--l->keyspace_count];
        } else if (!e->is_drop && k == NULL) {
            k = &l->keyspaces[l->keyspace_count++];
            memset(k, 0, sizeof *k);
            memcpy(k->name, e->name.data, e->name.size);
            k->id = e->id;
        }
        if (e->id >= l->next_keyspace)
            l->next_keyspace = e->id + 1;
    }
    if (edit->next_keyspace > l->next_keyspace)
        l->next_keyspace = edit->next_keyspace;
}

/* One edit that adds or drops the name. */
static struct status commit(struct lsm *l, struct io_ring *ring, const char *name, uint32_t id,
                            bool is_drop)
{
    struct lsm_edit edit;
    lsm_edit_init(&edit, l->env->alloc);
    struct status s = lsm_edit_keyspace(&edit, id, bytes_str(name), is_drop);
    if (succeeded(s))
        s = lsm_edit_commit(l, ring, &edit, NULL);
    lsm_edit_deinit(&edit);
    return s;
}

static bool is_default(const char *name)
{
    return strcmp(name, "default") == 0;
}

struct status lsm_keyspace_create(struct lsm *l, struct io_ring *ring, const char *name,
                                  uint32_t *out_id)
{
    struct status s = status_ok();
    size_t size = strlen(name);
    uint32_t id = 0;

    if (size == 0 || size > LSM_KEYSPACE_NAME_MAX)
        return status_of(ST_INVALID);
    mutex_lock(&l->lock);
    if (is_default(name) || find(l, bytes_str(name)) != NULL)
        s = status_of(ST_BUSY);
    else if (l->next_keyspace > LSM_KEYSPACE_MAX)
        s = status_of(ST_LIMIT);
    else
        id = l->next_keyspace++; /* Ids are never reused, not even those of a failed edit. */
    mutex_unlock(&l->lock);
    if (succeeded(s))
        s = commit(l, ring, name, id, false);
    if (succeeded(s))
        *out_id = id;
    return s;
}

struct status lsm_keyspace_find(struct lsm *l, const char *name, uint32_t *out_id)
{
    struct status s = status_of(ST_NOT_FOUND);
    if (is_default(name)) {
        *out_id = 0;
        return status_ok();
    }
    mutex_lock(&l->lock);
    const struct lsm_keyspace *k = find(l, bytes_str(name));
    if (k != NULL) {
        *out_id = k->id;
        s = status_ok();
    }
    mutex_unlock(&l->lock);
    return s;
}

struct status lsm_keyspace_drop(struct lsm *l, struct io_ring *ring, const char *name)
{
    uint32_t id;
    if (is_default(name))
        return status_of(ST_INVALID);
    TRY(lsm_keyspace_find(l, name, &id));
    return commit(l, ring, name, id, true);
}

void lsm_keyspace_list(struct lsm *l, void (*visit)(void *context, const char *name, uint32_t id),
                       void *context)
{
    visit(context, "default", 0);
    mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->keyspace_count; i++)
        visit(context, l->keyspaces[i].name, l->keyspaces[i].id);
    mutex_unlock(&l->lock);
}
