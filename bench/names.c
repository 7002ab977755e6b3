#include "bench/names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 64, CLOSE_MAX = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment; three rows of the table are alive at a time. */
size_t names_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_SIZE + 1];
    size_t a_size = strnlen(a, NAME_MAX_SIZE);
    size_t b_size = strnlen(b, NAME_MAX_SIZE);

    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

/* How far name is from candidate; SIZE_MAX if nobody would take the one for the other. */
static size_t badness(const char *name, const char *candidate)
{
    size_t distance = names_distance(name, candidate);
    size_t size = strlen(name);

    if (distance <= 1 + size / 4)
        return distance;
    if (size >= 4 && (strstr(candidate, name) != NULL || strstr(name, candidate) != NULL))
        return 1 + size / 4 + distance;
    return SIZE_MAX;
}

struct close_name {
    const char *name;
    size_t badness;
};

/* Keep the nearest CLOSE_MAX, sorted. */
static void keep_nearest(struct close_name *nearest, size_t *count, struct close_name c)
{
    size_t i = *count;

    if (i == CLOSE_MAX && nearest[i - 1].badness <= c.badness)
        return;
    if (i == CLOSE_MAX)
        i--;
    else
        (*count)++;
    for (; i > 0 && nearest[i - 1].badness > c.badness; i--)
        nearest[i] = nearest[i - 1];
    nearest[i] = c;
}

void names_close(const char *name, names_at at, const char *prefix, char *out_text, size_t size)
{
    struct close_name nearest[CLOSE_MAX];
    size_t count = 0;
    size_t used = 0;

    for (size_t i = 0; at(i) != NULL; i++) {
        struct close_name c = { .name = at(i), .badness = badness(name, at(i)) };
        if (c.badness != SIZE_MAX)
            keep_nearest(nearest, &count, c);
    }
    out_text[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        int n = snprintf(out_text + used, size - used, "%s%s%s", i == 0 ? "" : ", ", prefix,
                         nearest[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
}
