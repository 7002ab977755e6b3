#include "bench/bench.h"

#include "base/budget.h"
#include "base/io.h"
#include "base/log.h"

#include "bench/run.h"

#include <string.h>
#include <time.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_help(void)
{
    printf("varve bench --benchmarks=LIST --engine=NAME --db=DIR ...\n\n");
    engine_print_list(stdout);
    printf("\n");
    benchmark_print_list(stdout);
    printf("\n");
    flags_print_help(stdout);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            strcmp(argv[i], "-help") == 0)
            return true;
    }
    return false;
}

/* What comes after a name at the start of a line of /proc/cpuinfo, the first time. */
static void print_processor(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    unsigned count = 0;
    char model[200] = "unknown";

    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, "model name", strlen("model name")) != 0)
            continue;
        if (count++ == 0)
            (void)snprintf(model, sizeof model, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    (void)fclose(f);
    printf("CPU:        %u * %s\n", count, model);
}

static void print_sizes(const struct flags *f)
{
    bool is_fixed = strcmp(f->value_size_distribution_type, "fixed") == 0;
    int64_t value = is_fixed ? f->value_size : (f->value_size_min + f->value_size_max) / 2;
    double squeezed = (double)value * f->compression_ratio;
    const double mib = 1048576.0;

    printf("Keys:       %d bytes each (+ 0 bytes user-defined timestamp)\n", (int)f->key_size);
    printf("Values:     %d %sbytes each (%d bytes after compression)\n", (int)value,
           is_fixed ? "" : "avg ", (int)(squeezed + 0.5));
    if (!is_fixed)
        printf("Values Distribution: %s (min: %d, max: %d)\n", f->value_size_distribution_type,
               (int)f->value_size_min, (int)f->value_size_max);
    printf("Entries:    %lld\n", (long long)f->num);
    printf("Prefix:    %d bytes\n", (int)f->prefix_size);
    printf("Keys per prefix:    %lld\n", (long long)f->keys_per_prefix);
    printf("RawSize:    %.1f MB (estimated)\n",
           (double)(f->key_size + value) * (double)f->num / mib);
    printf("FileSize:   %.1f MB (estimated)\n",
           ((double)f->key_size + squeezed) * (double)f->num / mib);
    printf("Write rate: %lld bytes/second\n", (long long)f->benchmark_write_rate_limit);
    printf("Read rate: %lld ops/second\n", (long long)f->benchmark_read_rate_limit);
    printf("Compression: %s\n", f->compression_type);
}

static void print_warnings(void)
{
#if defined(__GNUC__) && !defined(__OPTIMIZE__)
    printf("WARNING: Optimization is disabled: benchmarks unnecessarily slow\n");
#endif
#ifndef NDEBUG
    printf("WARNING: Assertions are enabled; benchmarks unnecessarily slow\n");
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("WARNING: A sanitizer is on; the figures mean nothing\n");
#endif
}

static void print_header(const struct flags *f, const struct engine_class *class,
                         const struct env *env)
{
    time_t now = (time_t)(clock_wall_ms(env->clock) / 1000);
    struct tm parts;
    char text[32] = "";

    if (gmtime_r(&now, &parts) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts);
    printf("Engine:     %s %s\n", class->name, class->version);
    printf("Date:       %s\n", text);
    print_processor();
    print_sizes(f);
    print_warnings();
    printf("------------------------------------------------\n");
    (void)fflush(stdout);
}

static struct status run_with(const struct env *env, const struct flags *flags, struct errbuf *err,
                              int *out_exit)
{
    const struct engine_class *class;
    struct run *r = alloc_zeroed(env->alloc, sizeof *r);

    if (r == NULL)
        return status_of(ST_NO_MEMORY);
    *out_exit = EXIT_USAGE;
    struct status s = engine_find(flags->engine, err, &class);
    if (succeeded(s))
        s = flags_check_engine(flags, class->name, class->flags, class->flag_count, err);
    if (succeeded(s))
        s = run_init(r, env, flags, class, stdout, err);
    if (failed(s)) {
        alloc_free(env->alloc, r, sizeof *r);
        return s;
    }
    s = run_check(r);
    if (succeeded(s)) {
        print_header(flags, class, env);
        *out_exit = EXIT_FAILED;
        s = run_all(r);
    }
    run_deinit(r);
    alloc_free(env->alloc, r, sizeof *r);
    return s;
}

int bench_main(int argc, char **argv)
{
    struct flags flags;
    struct budget budget;
    struct errbuf err = { .text = "" };
    struct env env = {
        .alloc = alloc_heap(),
        .clock = clock_system(),
        .budget = &budget,
        .log = log_none(),
    };
    int exit_status = EXIT_USAGE;

    if (asks_for_help(argc, argv)) {
        print_help();
        return 0;
    }
    budget_init(&budget, 0);
    flags_init(&flags);
    struct status s = flags_parse(&flags, argc, argv, &err);
    if (succeeded(s))
        s = io_open_machine(env.alloc, IO_KIND_URING, &env.io, NULL);
    if (succeeded(s)) {
        s = run_with(&env, &flags, &err, &exit_status);
        io_close_machine(env.io);
    }
    if (succeeded(s))
        return 0;
    (void)fflush(stdout);
    fprintf(stderr, "varve bench: %s\n", err.text[0] != '\0' ? err.text : status_text(s));
    return exit_status;
}
