/* `varve server`: parameters, the machine, signals, the supervisor; then the server. */
#include "server/config_source.h"
#include "server/server.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "base/signal.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, TEXT_MAX = 1 << 20 };

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

static void append_names(unsigned flag, struct buf *out)
{
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (server_config_target(p)->flags & flag)
            buf_append_format(out, " %s", p->name);
    }
    buf_append_u8(out, '\n');
}

static void help(void)
{
    struct buf out;

    buf_init(&out, alloc_heap(), TEXT_MAX);
    buf_append(&out, bytes_str("varve server [FILE] [--name value ...]\n\n"
                               "FILE has the syntax of redis.conf; flags win over it. Parameters, "
                               "with their initial values:\n\n"));
    for (const struct config_parameter *p = server_config_table(); p->name != NULL; p++) {
        if (p->same_as == NULL && !(p->flags & (CONFIG_NOTHING | CONFIG_REFUSED)))
            append_parameter(p, &out);
    }
    buf_append(&out, bytes_str("\nParameters of Redis that do nothing here are accepted and "
                               "remembered (docs/configuration.md says why):\n "));
    append_names(CONFIG_NOTHING, &out);
    buf_append(&out, bytes_str("\nThose that ask for what is not here are refused:\n "));
    append_names(CONFIG_REFUSED, &out);
    print(PROCESS_STDOUT, &out);
    buf_deinit(&out);
}

/* ---- Parameters -------------------------------------------------------------------------------
 */

static struct status read_parameters(struct server_config *config, int argc,
                                     const char *const *argv, struct errbuf *err)
{
    TRY(server_config_init(config, alloc_heap()));
    if (argc > 0 && argv[0][0] != '-') {
        TRY(config_source_read_file(config, argv[0], err));
        argc--;
        argv++;
    }
    TRY(config_source_read_flags(config, argc, argv, err));
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

/* Tell who looks for the process where it is. Without the file it serves as well. */
static void write_pid(struct server *s)
{
    struct io_file *file;
    char text[32];

    if (s->config.pidfile[0] == '\0')
        return;
    int size = snprintf(text, sizeof text, "%llu\n", (unsigned long long)process_id());
    struct status st =
        io_open(s->env.io, s->config.pidfile, IO_WRITE | IO_CREATE | IO_TRUNCATE, &file);
    if (succeeded(st)) {
        st = io_write(s->ring, file, text, (size_t)size, 0);
        io_close(file);
    }
    if (failed(st))
        log_warning(s->env.log, "pidfile '%s' cannot be written: %s", s->config.pidfile,
                    status_text(st));
}

static void remove_pid(struct server *s)
{
    if (s->config.pidfile[0] != '\0')
        status_ignore(io_unlink(s->env.io, s->config.pidfile), "it may never have been there");
}

static int serve(struct daemon *d)
{
    struct server *s = &d->server;
    bool is_supervisor_told = is_supervised(&s->config) && process_notify("READY=1");

    log_notice(s->env.log, "Ready to accept connections %s", s->config.port == 0 ? "unix" : "tcp");
    atomic_store(&d->serving, s);
    if (atomic_load(&d->signals) > 0)
        server_reactor_stop(&s->reactor);
    write_pid(s);
    bool is_healthy = server_run(s);
    atomic_store(&d->serving, NULL);
    remove_pid(s);
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
    (void)alloc_heap_keep_nothing(); /* What may be resident is promised: maxmemory. */
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
