/*
 * replay -- runs a fuzz target over the files of its corpus, without a fuzzer.
 *
 * Linked with one tests/fuzz/<target>_fuzz.c, so that every input that ever mattered is tried by
 * each build, with each compiler and sanitizer. Arguments are directories (every regular file in
 * them) or files. A directory that is not there holds nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_SIZE = 4096 };

static unsigned inputs;

static void replay_file(const char *path, size_t size)
{
    /* Exactly as large as the input, so that a sanitizer sees a read past its end. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");

    if (data == NULL || file == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static void replay_path(const char *path)
{
    char inner[PATH_SIZE];
    struct stat st;
    struct dirent *entry;
    DIR *dir;

    if (stat(path, &st) != 0)
        return;
    if (S_ISREG(st.st_mode)) {
        replay_file(path, (size_t)st.st_size);
        return;
    }
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner)
            replay_path(inner);
    }
    (void)closedir(dir);
}

int main(int argc, char **argv)
{
    /* The empty input needs no file. */
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    inputs = 1;
    for (int i = 1; i < argc; i++)
        replay_path(argv[i]);
    printf("replay: %u checks\n", inputs);
    return 0;
}
