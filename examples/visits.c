/*
 * visits -- the smallest use of varve.h: a number that outlives the process.
 *
 *     cc visits.c -o visits $(pkg-config --cflags --libs varve)
 *     ./visits [DIRECTORY]
 *
 * Each run adds one. When it has printed, the number is on the disk.
 */
#include <varve.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int fail(const struct varve_error *error)
{
    fprintf(stderr, "visits: %s: %s\n", varve_code_name(error->code), error->text);
    return 1;
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "visits.varve";
    static const char KEY[] = "visits";
    struct varve *store;
    struct varve_error error;
    uint64_t visits = 0;
    size_t size;

    if (varve_open(directory, NULL, &store, &error) != VARVE_OK)
        return fail(&error);

    enum varve_code code =
        varve_get_copy(store, NULL, KEY, strlen(KEY), &visits, sizeof visits, &size, &error);
    if (code != VARVE_OK && code != VARVE_NOT_FOUND)
        return fail(&error);

    visits++;
    if (varve_put(store, VARVE_DEFAULT_KEYSPACE, KEY, strlen(KEY), &visits, sizeof visits,
                  &error) != VARVE_OK)
        return fail(&error);
    printf("visit %" PRIu64 " of %s\n", visits, directory);

    if (varve_close(store, &error) != VARVE_OK)
        return fail(&error);
    varve_free(store);
    return 0;
}
