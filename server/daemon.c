/* `varve server`: parameters, the machine, signals, the supervisor; then the server. */
#include "server/server.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "base/signal.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, FILE_MAX = 1 << 20, TEXT_MAX = 1 << 20 };

struct daemon {
    struct server server;
    _Atomic unsigned signals;         /* How often it was asked to stop. */
    _Atomic(struct server *) serving; /* NULL: not yet, or not any more. */
};

static void print(enum process_stream stream, struct buf *text)
{
    process_print(stream, (const char *)text->data, text->size);
}

static void complain(const char *what, const struct errbuf *err)
{
    struct buf text;

    buf_init(&text, alloc_heap(), TEXT_MAX);
    buf_append_format(&text, "varve: %s: %s\n", what, err->text);
    print(PROCESS_STDERR, &text);
    buf_deinit(&text);
}

/* ---- Help -------------------------------------------------------------------------------------
 */

static void append_parameter(const struct config_parameter *p, struct buf *out)
{
    struct buf expected;

    buf_init(&expected, alloc_heap(), TEXT_MAX);
    server_config_expected(p, &expected);
    buf_append_format(out, "  --%s %s\n", p->name, p->initial[0] == '\0' ? "\"\"" : p->initial);
    buf_append_format(out, "        %s\n        Expects %.*s.%s\n", p->help, (int)expected.size,
                      (const char *)expected.data,
                      p->flags & CONFIG_MUTABLE ? " CONFIG SET can change it." : "");
    buf_deinit(&expected);
}

static void help(void)
{
    struct buf out;

    buf_init(&out, alloc_heap(), TEXT_MAX);
    buf_append(&out, bytes_str("varve server [FILE] [--name value ...]\n\n"
                               "FILE has the syntax of redis.conf; flags win over it. Parameters, "
                               "with their initial values:\n\n"));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (!(p->flags & CONFIG_NOTHING))
            append_parameter(p, &out);
    }
    buf_append(&out, bytes_str("\nParameters of Redis that do nothing here are accepted and "
                               "remembered:\n "));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (p->flags & CONFIG_NOTHING)
            buf_append_format(&out, " %s", p->name);
    }
    buf_append_u8(&out, '\n');
    print(PROCESS_STDOUT, &out);
    buf_deinit(&out);
}

/* ---- Parameters -------------------------------------------------------------------------------
 */

/* The whole file as text. The machine is not open yet: its parameters are in there. */
static struct status read_config_file(struct server_config *config, struct io *io,
                                      struct io_ring *ring, const char *path, struct errbuf *err)
{
    struct io_file *file = NULL;
    uint8_t *text = NULL;
    uint64_t size = 0;
    size_t read = 0;

    struct status s = io_open(io, path, IO_READ, &file);
    if (succeeded(s))
        s = io_size(file, &size);
    if (succeeded(s) && size > FILE_MAX)
        s = status_of(ST_LIMIT);
    if (succeeded(s)) {
        text = alloc_bytes(config->alloc, size + 1);
        s = text == NULL ? status_of(ST_NO_MEMORY) : io_read(ring, file, text, size, 0, &read);
    }
    if (failed(s))
        errbuf_set(err, "'%s' cannot be read: %s (varve server --help says what is expected)", path,
                   status_text(s));
    else
        s = server_config_read_text(config, path, bytes_of(text, read), err);
    alloc_free(config->alloc, text, size + 1);
    io_close(file);
    return s;
}

static struct status note_file(struct server_config *config, const char *path)
{
    char absolute[4096];

    process_absolute_path(path, absolute, sizeof absolute);
    size_t size = strlen(absolute) + 1;
    char *copy = alloc_bytes(config->alloc, size);
    if (copy == NULL)
        return status_of(ST_NO_MEMORY);
    memcpy(copy, absolute, size);
    alloc_free(config->alloc, config->file, strlen(config->file) + 1);
    config->file = copy;
    return status_ok();
}

/* A file is read through a machine of its own, the plainest. */
static struct status read_file(struct server_config *config, const char *path, struct errbuf *err)
{
    const struct io_ring_options options = { .entries = 1 };
    struct io_ring *ring = NULL;
    struct io *io;

    TRY(io_open_machine(config->alloc, IO_KIND_POSIX, &io, NULL));
    struct status s = io_ring_create(io, &options, &ring);
    if (succeeded(s))
        s = read_config_file(config, io, ring, path, err);
    if (succeeded(s))
        s = note_file(config, path);
    io_ring_destroy(ring);
    io_close_machine(io);
    return s;
}

static struct status read_parameters(struct server_config *config, int argc,
                                     const char *const *argv, struct errbuf *err)
{
    TRY(server_config_init(config, alloc_heap()));
    if (argc > 0 && argv[0][0] != '-') {
        TRY(read_file(config, argv[0], err));
        argc--;
        argv++;
    }
    TRY(server_config_read_flags(config, argc, argv, err));
    return server_config_check(config, err);
}

/* ---- Signals ----------------------------------------------------------------------------------
 */

static void on_signal(void *context, const char *name)
{
    struct daemon *d = context;
    struct server *s = atomic_load(&d->serving);

    if (strcmp(name, "SIGHUP") == 0) {
        if (s != NULL)
            server_log_reopen(&s->log);
        return;
    }
    atomic_fetch_add(&d->signals, 1);
    s = atomic_load(&d->serving);
    if (s == NULL)
        return;
    log_warning(s->env.log, "Received %s, shutting down", name);
    server_reactor_stop(&s->reactor);
}

static bool is_supervised(const struct server_config *c)
{
    return c->supervised != CONFIG_SUPERVISED_NO;
}

static int serve(struct daemon *d)
{
    struct server *s = &d->server;
    bool is_supervisor_told = is_supervised(&s->config) && process_notify("READY=1");

    log_notice(s->env.log, "Ready to accept connections %s", s->config.port == 0 ? "unix" : "tcp");
    atomic_store(&d->serving, s);
    if (atomic_load(&d->signals) > 0)
        server_reactor_stop(&s->reactor);
    bool is_healthy = server_run(s);
    atomic_store(&d->serving, NULL);
    if (is_supervisor_told)
        (void)process_notify("STOPPING=1");
    return is_healthy ? EXIT_OK : EXIT_FAILED;
}

static int run(struct daemon *d, struct io *io, const char *io_reason, struct server_config *config)
{
    const struct env machine = { .alloc = alloc_heap(), .clock = clock_system(), .io = io };
    struct signal_watch *watch = NULL;
    struct errbuf err = { "" };
    int result = EXIT_FAILED;

    struct status s = signal_watch_start(on_signal, d, &watch);
    if (failed(s)) {
        errbuf_set(&err, "cannot wait for signals: %s", status_text(s));
        complain("start", &err);
        server_config_deinit(config);
        return EXIT_FAILED;
    }
    s = server_start(&d->server, &machine, io_reason, config, &err);
    if (succeeded(s)) {
        result = serve(d);
    } else {
        if (err.text[0] == '\0')
            errbuf_set(&err, "%s", status_text(s));
        if (d->server.log.file != NULL) /* Else it would be said twice. */
            log_warning(d->server.env.log, "Fatal error, can't start: %s", err.text);
        complain("cannot start", &err);
        result = s.code == ST_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    /* No signal may look at a server that is being taken apart. */
    signal_watch_stop(watch);
    bool was_started = succeeded(s);
    if (was_started)
        log_notice(d->server.env.log, "Closing the store");
    struct log *log = d->server.env.log;
    if (was_started)
        log_warning(log, "varve is now ready to exit, bye bye...");
    server_stop(&d->server);
    return result;
}

int server_main(int argc, char **argv)
{
    const char *const *words = (const char *const *)argv + 1;
    int count = argc - 1;
    struct server_config config;
    struct errbuf err = { "" };
    const char *io_reason = NULL;
    struct io *io;

    if (count > 0 && (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0)) {
        help();
        return EXIT_OK;
    }
    struct status s = read_parameters(&config, count, words, &err);
    if (failed(s)) {
        if (err.text[0] == '\0')
            errbuf_set(&err, "%s", status_text(s));
        complain("bad configuration", &err);
        server_config_deinit(&config);
        return EXIT_USAGE;
    }
    s = io_open_machine(alloc_heap(),
                        config.io_backend == CONFIG_BACKEND_POSIX ? IO_KIND_POSIX : IO_KIND_URING,
                        &io, &io_reason);
    struct daemon *d = failed(s) ? NULL : alloc_zeroed(alloc_heap(), sizeof *d);
    if (d == NULL) {
        errbuf_set(&err, "%s", status_name(failed(s) ? s.code : ST_NO_MEMORY));
        complain("cannot reach the machine", &err);
        server_config_deinit(&config);
        return EXIT_FAILED;
    }
    int result = run(d, io, io_reason, &config);
    alloc_free(alloc_heap(), d, sizeof *d);
    io_close_machine(io);
    return result;
}
