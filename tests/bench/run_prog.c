/*
 * The runner's threads, for the thread sanitizer: workloads of each kind on the engine that keeps
 * nothing, four callers and a background writer, with a reader of their progress.
 */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(const char *dir, const char *benchmarks)
{
    char db[128];
    char list[512];
    char *argv[] = { "bench",
                     "--engine=null",
                     db,
                     list,
                     "--num=5000",
                     "--threads=4",
                     "--stats_interval_seconds=1",
                     "--batch_size=3",
                     "--seek_nexts=2" };

    snprintf(db, sizeof db, "--db=%s", dir);
    snprintf(list, sizeof list, "--benchmarks=%s", benchmarks);
    return bench_main(sizeof argv / sizeof argv[0], argv);
}

int main(void)
{
    char dir[] = "/tmp/run_prog_XXXXXX";
    char path[128];

    if (mkdtemp(dir) == NULL)
        return 1;
    int result = run(dir, "fillrandom,overwrite,deleterandom,readrandom,multireadrandom,readseq,"
                          "seekrandom,readwhilewriting,seekrandomwhilewriting,updaterandom,"
                          "readrandomwriterandom,appendrandom,ycsbload,ycsba,ycsbd,ycsbe,ycsbf");
    snprintf(path, sizeof path, "%s/store", dir);
    remove(path);
    snprintf(path, sizeof path, "%s/BENCH", dir);
    remove(path);
    remove(dir);
    printf("run: %d checks\n", result == 0 ? 17 : 0);
    return result;
}
