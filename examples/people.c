/*
 * people -- a table with an index: two keyspaces that change together.
 *
 *     cc people.c -o people $(pkg-config --cflags --libs varve)
 *     ./people [DIRECTORY]
 *
 * A person lies under a name; the index has "city/name" and no value. Both are written by one
 * batch, so no reader, and no crash, sees one without the other. A snapshot still answers for the
 * state before a move.
 */
#include <varve.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct book {
    struct varve *store;
    varve_keyspace people; /* name -> city */
    varve_keyspace cities; /* city/name -> nothing */
    struct varve_error error;
};

static void must(struct book *b, enum varve_code code)
{
    if (code == VARVE_OK)
        return;
    fprintf(stderr, "people: %s: %s\n", varve_code_name(code), b->error.text);
    exit(1);
}

/* The keyspace of that name, made the first time. */
static varve_keyspace keyspace(struct book *b, const char *name)
{
    varve_keyspace found;
    enum varve_code code = varve_keyspace_find(b->store, name, &found, &b->error);

    if (code == VARVE_NOT_FOUND)
        code = varve_keyspace_create(b->store, name, &found, &b->error);
    must(b, code);
    return found;
}

static size_t index_key(char *key, size_t room, const char *city, const char *name)
{
    size_t size = (size_t)snprintf(key, room, "%s/%s", city, name);

    if (size < room)
        return size;
    fprintf(stderr, "people: \"%s\" in \"%s\" is too long\n", name, city);
    exit(1);
}

/* name lives in city from now on, wherever it lived before. */
static void move(struct book *b, const char *name, const char *city)
{
    struct varve_read_options read = { .keyspace = b->people };
    struct varve_pinned old = { .size = 0 };
    struct varve_batch *batch;
    char key[128];

    must(b, varve_batch_create(b->store, &batch, &b->error));
    enum varve_code code = varve_get(b->store, &read, name, strlen(name), &old, &b->error);
    if (code == VARVE_OK) {
        int size =
            snprintf(key, sizeof key, "%.*s/%s", (int)old.size, (const char *)old.data, name);
        must(b, varve_batch_delete(batch, b->cities, key, (size_t)size, &b->error));
        varve_unpin(b->store, &old);
    } else if (code != VARVE_NOT_FOUND) {
        must(b, code);
    }
    must(b, varve_batch_put(batch, b->people, name, strlen(name), city, strlen(city), &b->error));
    size_t size = index_key(key, sizeof key, city, name);
    must(b, varve_batch_put(batch, b->cities, key, size, "", 0, &b->error));
    must(b, varve_write(b->store, batch, &b->error));
    varve_batch_destroy(batch);
}

/* Print and count who lives in city, in the state of snapshot (NULL: now). */
static int list(struct book *b, const char *city, const struct varve_snapshot *snapshot)
{
    char prefix[128];
    struct varve_iterator_options options = {
        .snapshot = snapshot, .keyspace = b->cities, .prefix = prefix, .keys_only = true
    };
    struct varve_iterator *i;
    int count = 0;

    options.prefix_size = index_key(prefix, sizeof prefix, city, "");
    must(b, varve_iterator_create(b->store, &options, &i, &b->error));
    printf("%s:", city);
    must(b, varve_iterator_first(i, &b->error));
    while (varve_iterator_valid(i)) {
        struct varve_slice key = varve_iterator_key(i);
        printf(" %.*s", (int)(key.size - options.prefix_size),
               (const char *)key.data + options.prefix_size);
        count++;
        must(b, varve_iterator_next(i, &b->error));
    }
    printf("\n");
    varve_iterator_destroy(i);
    return count;
}

int main(int argc, char **argv)
{
    struct book b;
    struct varve_snapshot *before;
    struct varve_options options;

    varve_options_init(&options);
    must(&b, varve_options_parse(&options, "cache_size=16m; write_buffer_size=4m", &b.error));
    must(&b, varve_open(argc > 1 ? argv[1] : "people.varve", &options, &b.store, &b.error));
    b.people = keyspace(&b, "people");
    b.cities = keyspace(&b, "cities");

    move(&b, "ada", "london");
    move(&b, "emmy", "erlangen");
    move(&b, "maryam", "tehran");
    move(&b, "sofia", "stockholm");
    must(&b, varve_snapshot_take(b.store, &before, &b.error));
    move(&b, "sofia", "london");

    bool is_right = list(&b, "london", NULL) == 2 && list(&b, "stockholm", NULL) == 0;
    printf("before the move, ");
    is_right = list(&b, "stockholm", before) == 1 && is_right;

    varve_snapshot_release(b.store, before);
    must(&b, varve_close(b.store, &b.error));
    varve_free(b.store);
    return is_right ? 0 : 1;
}
