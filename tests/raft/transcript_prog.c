/*
 * The transcripts of tests/data/raft: each is run, and its traces must be those that it shows.
 *
 * raft_transcript_prog                     all of them, from the top folder
 * raft_transcript_prog --update            write the traces of today into the files
 * raft_transcript_prog [--update] FILE ...
 *
 * All of them together must show each kind of effect and message, each reason and each alarm.
 */
#include "tests/raft/support/script.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FOLDER "tests/data/raft"

enum { FILES_MAX = 512, PATH_SIZE = 512 };

struct files {
    char paths[FILES_MAX][PATH_SIZE];
    int count;
};

static char *read_whole(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    CHECK(copy != NULL);
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
        (void)fwrite(buffer, 1, n, copy);
    (void)fclose(copy);
    (void)fclose(f);
    return text;
}

static bool write_whole(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return false;
    bool is_written = fputs(text, f) >= 0;
    return fclose(f) == 0 && is_written;
}

/* The first line that differs, of both. */
static void tell_difference(const char *path, const char *expected, const char *got)
{
    int line = 1;
    while (*expected != '\0' || *got != '\0') {
        size_t a = strcspn(expected, "\n");
        size_t b = strcspn(got, "\n");
        if (a != b || memcmp(expected, got, a) != 0) {
            printf("%s:%d\n  expected: %.*s\n  got:      %.*s\n", path, line, (int)a, expected,
                   (int)b, got);
            return;
        }
        expected += a + (expected[a] == '\n');
        got += b + (got[b] == '\n');
        line++;
    }
}

static bool run_file(const char *path, bool is_update, struct sights *seen)
{
    char *text = read_whole(path);
    if (text == NULL) {
        printf("%s: cannot be read\n", path);
        return false;
    }
    char *page;
    char *fault;
    script_run(text, seen, &page, &fault);
    bool is_right = fault == NULL && strcmp(page, text) == 0;
    if (fault != NULL)
        printf("%s: %s\n", path, fault);
    if (is_update && strcmp(page, text) != 0)
        is_right = write_whole(path, page) && fault == NULL;
    else if (!is_right)
        tell_difference(path, text, page);
    free(fault);
    free(page);
    free(text);
    return is_right;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_folder(struct files *files)
{
    DIR *folder = opendir(FOLDER);
    CHECK(folder != NULL);
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        size_t size = strlen(e->d_name);
        if (size > 4 && strcmp(e->d_name + size - 4, ".txt") == 0 && files->count < FILES_MAX)
            (void)snprintf(files->paths[files->count++], PATH_SIZE, FOLDER "/%s", e->d_name);
    }
    (void)closedir(folder);
    qsort(files->paths, (size_t)files->count, PATH_SIZE, by_name);
}

int main(int argc, char **argv)
{
    static struct files files;
    bool is_update = false;
    int wrong = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--update") == 0)
            is_update = true;
        else if (files.count < FILES_MAX)
            (void)snprintf(files.paths[files.count++], PATH_SIZE, "%s", argv[i]);
    }
    bool is_all = files.count == 0;
    if (is_all)
        list_folder(&files);
    struct sights seen = { .effects = { 0 } };
    for (int i = 0; i < files.count; i++)
        wrong += !run_file(files.paths[i], is_update, &seen);
    if (is_all)
        wrong += sights_tell_missing(&seen, false);
    printf("transcript: %d checks\n", files.count);
    return wrong > 0 || files.count == 0;
}
