#include "cli/cli.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/process.h"
#include "base/terminal.h"
#include "base/words.h"

#include "cli/docs.h"
#include "cli/edit.h"
#include "cli/flags.h"
#include "cli/link.h"
#include "cli/print.h"
#include "cli/table.h"

#include <stdio.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    ARENA_CHUNK = 64 << 10,
    ARENA_MAX = 1 << 30,
    WORDS_MAX = 1 << 20,
    INPUT_AT_ONCE = 64 << 10,
};

struct cli {
    struct cli_flags flags;
    enum cli_format format;
    bool is_for_people; /* Somebody types. */
    struct cli_link link;
    struct arena arena; /* Of a command and its reply. */
    struct buf out;
    struct cli_docs docs;
    struct cli_edit edit;
    uint32_t database; /* As the server knows it. */
    bool is_in_multi;
    bool has_failed; /* An answer was an error. */
};

static void flush(struct cli *c)
{
    process_print(PROCESS_STDOUT, (const char *)c->out.data, c->out.size);
    buf_reset(&c->out);
}

static bool is_word(struct bytes text, const char *word)
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t a = text.data[i];
        if ((a >= 'A' && a <= 'Z' ? a + 32 : a) != (uint8_t)word[i])
            return false;
    }
    return true;
}

/* ---- The connection -------------------------------------------------------------------------- */

static struct status ask(struct cli *c, const struct bytes *argv, size_t argc,
                         struct cli_value *out)
{
    TRY(cli_link_send(&c->link, argv, argc));
    return cli_link_read(&c->link, &c->arena, out);
}

/* One of the commands that begin a session. What it is told is printed, if it is an error. */
static struct status greet(struct cli *c, const struct bytes *argv, size_t argc, bool *out_is_done)
{
    struct cli_value reply;

    TRY(ask(c, argv, argc, &reply));
    *out_is_done = reply.type != CLI_ERROR;
    if (*out_is_done)
        return status_ok();
    c->has_failed = true;
    char text[512];
    int size =
        snprintf(text, sizeof text, "%.*s failed: %.*s\n", (int)argv[0].size,
                 (const char *)argv[0].data, (int)reply.text.size, (const char *)reply.text.data);
    process_print(PROCESS_STDERR, text,
                  (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    return status_ok();
}

/* Connect, and say who it is, in which version, and to which database. */
static struct status connect_to(struct cli *c)
{
    const struct cli_flags *f = &c->flags;
    char number[16];
    bool is_done;

    TRY(cli_link_connect(&c->link, f->address, f->port));
    c->is_in_multi = false;
    c->database = 0;
    if (f->password != NULL) {
        struct bytes auth[3] = { bytes_str("AUTH"), bytes_str(f->user != NULL ? f->user : ""),
                                 bytes_str(f->password) };
        if (f->user == NULL)
            auth[1] = auth[2];
        TRY(greet(c, auth, f->user != NULL ? 3 : 2, &is_done));
    }
    if (f->is_version_3)
        TRY(greet(c, (struct bytes[]) { bytes_str("HELLO"), bytes_str("3") }, 2, &is_done));
    if (f->database != 0) {
        (void)snprintf(number, sizeof number, "%u", (unsigned)f->database);
        TRY(greet(c, (struct bytes[]) { bytes_str("SELECT"), bytes_str(number) }, 2, &is_done));
        c->database = is_done ? f->database : 0;
    }
    return status_ok();
}

static void complain(struct cli *c)
{
    char text[ERRBUF_SIZE + 300];

    int size = snprintf(text, sizeof text, "Could not speak to the server at %s:%u: %s\n",
                        c->flags.address, (unsigned)c->flags.port, c->link.err.text);
    process_print(PROCESS_STDERR, text,
                  (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

/* ---- One command ------------------------------------------------------------------------------
 */

/* What the reply changes about the session. */
static void note_reply(struct cli *c, const struct bytes *argv, size_t argc,
                       const struct cli_value *reply)
{
    uint32_t number = 0;

    if (reply->type == CLI_ERROR)
        return;
    if (is_word(argv[0], "multi"))
        c->is_in_multi = true;
    else if (is_word(argv[0], "exec") || is_word(argv[0], "discard") || is_word(argv[0], "reset"))
        c->is_in_multi = false;
    if (is_word(argv[0], "reset"))
        c->database = 0;
    if (!is_word(argv[0], "select") || argc != 2 || c->is_in_multi)
        return;
    for (size_t i = 0; i < argv[1].size; i++)
        number = number * 10 + (uint32_t)(argv[1].data[i] - '0');
    c->database = number;
}

static void print(struct cli *c, const struct bytes *argv, const struct cli_value *reply)
{
    bool is_text = reply->type == CLI_BULK || reply->type == CLI_VERBATIM;

    if (is_text && c->format == CLI_PEOPLE && is_word(argv[0], "info"))
        cli_table_info(reply->text, &c->out);
    else
        cli_print(c->format, reply, &c->out);
    if (reply->type == CLI_ERROR && c->format == CLI_RAW)
        buf_append_u8(&c->out, '\n');
    if (reply->type == CLI_ERROR && c->flags.fails_on_error) {
        process_print(PROCESS_STDERR, (const char *)c->out.data, c->out.size);
        buf_reset(&c->out);
    }
    flush(c);
}

/* After these, what comes is not asked for, and comes until somebody ends it. */
static bool is_endless(struct bytes name)
{
    return is_word(name, "subscribe") || is_word(name, "psubscribe") ||
           is_word(name, "ssubscribe") || is_word(name, "monitor");
}

/* Send a command, and print its reply. */
static struct status run(struct cli *c, const struct bytes *argv, size_t argc)
{
    struct cli_value reply;
    struct status s = c->link.socket == NULL ? connect_to(c) : status_ok();

    if (succeeded(s))
        s = ask(c, argv, argc, &reply);
    while (succeeded(s)) {
        note_reply(c, argv, argc, &reply);
        c->has_failed |= reply.type == CLI_ERROR;
        print(c, argv, &reply);
        arena_reset(&c->arena);
        if (!is_endless(argv[0]) || reply.type == CLI_ERROR)
            return s;
        s = cli_link_read(&c->link, &c->arena, &reply);
    }
    arena_reset(&c->arena);
    if (is_word(argv[0], "quit") || is_word(argv[0], "shutdown"))
        return status_ok();
    complain(c);
    return s;
}

/* ---- Help ------------------------------------------------------------------------------------ */

static struct status load_docs(struct cli *c)
{
    struct bytes words[2] = { bytes_str("COMMAND"), bytes_str("DOCS") };
    struct cli_value reply;
    struct status s = c->link.socket == NULL ? connect_to(c) : status_ok();

    if (succeeded(s))
        s = ask(c, words, 2, &reply);
    if (succeeded(s))
        status_ignore(cli_docs_load(&c->docs, &reply), "then there are no hints");
    else
        complain(c);
    arena_reset(&c->arena);
    return s;
}

/* What the server says of this command, or of these. Within a transaction it would be queued. */
static struct status explain_name(struct cli *c, struct bytes name)
{
    if (c->docs.count == 0 && !c->is_in_multi)
        TRY(load_docs(c));
    if (c->docs.count > 0)
        cli_docs_explain(&c->docs, name, &c->out);
    else if (c->is_in_multi)
        buf_append(&c->out, bytes_str("The server tells what help says, after the transaction.\n"));
    else
        buf_append(&c->out, bytes_str("The server does not tell what its commands do.\n"));
    return status_ok();
}

/* "help", or "help config get". */
static struct status explain(struct cli *c, const struct bytes *words, size_t count)
{
    struct status s = status_ok();
    struct buf name;

    buf_init(&name, alloc_heap(), CLI_LINE_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_u8(&name, ' ');
        buf_append(&name, words[i]);
    }
    if (count == 0)
        buf_append(&c->out,
                   bytes_str("help COMMAND tells what it does; TAB completes its name.\n"
                             "help @GROUP tells that of its commands: @string, @generic, ...\n"));
    else
        s = explain_name(c, buf_bytes(&name));
    buf_deinit(&name);
    flush(c);
    return s;
}

/* A command, or a question about commands. */
static struct status run_or_explain(struct cli *c, const struct bytes *argv, size_t argc)
{
    if (argc == 0 || !(is_word(argv[0], "help") || is_word(argv[0], "?")))
        return run(c, argv, argc);
    return explain(c, argv + 1, argc - 1);
}

/* A line's words; *out_leaves: nothing is to come after it. */
static struct status run_line(struct cli *c, const struct bytes *argv, size_t argc,
                              bool *out_leaves)
{
    *out_leaves = is_word(argv[0], "exit") || is_word(argv[0], "quit");
    if (*out_leaves)
        return status_ok();
    if (!is_word(argv[0], "clear"))
        return run_or_explain(c, argv, argc);
    buf_append(&c->out, bytes_str("\033[H\033[2J"));
    flush(c);
    return status_ok();
}

/* ---- Lines ------------------------------------------------------------------------------------
 */

/* Split a line into words, in place; *out_argc 0: there are none, or a quote is not closed. */
static struct status split(struct cli *c, uint8_t *line, size_t size, struct bytes **out_argv,
                           size_t *out_argc)
{
    size_t most = size / 2 + 1;
    struct bytes *argv = arena_take(&c->arena, most * sizeof *argv);
    enum words_result result = WORDS_TAKEN;
    size_t argc = 0;
    size_t at = 0;

    if (argv == NULL)
        return status_of(ST_NO_MEMORY);
    while (argc < most && (result = words_take(line, size, &at, &argv[argc])) == WORDS_TAKEN)
        argc++;
    if (result == WORDS_UNBALANCED) {
        buf_append(&c->out, bytes_str("Invalid argument(s)\n"));
        flush(c);
        argc = 0;
    }
    *out_argv = argv;
    *out_argc = argc;
    return status_ok();
}

/* Standard input, all of it. */
static struct status read_all(struct buf *in)
{
    uint8_t *room;

    while ((room = buf_extend(in, INPUT_AT_ONCE)) != NULL) {
        size_t got = terminal_read(room, INPUT_AT_ONCE);
        in->size -= INPUT_AT_ONCE - got;
        if (got == 0)
            return status_ok();
    }
    return status_of(ST_NO_MEMORY);
}

/* A command that stands in the program's arguments. */
static struct status run_words(struct cli *c, int argc, char **argv)
{
    size_t count = (size_t)(argc - c->flags.first_word);
    struct bytes *words = arena_take(&c->arena, (count + 1) * sizeof *words);
    struct buf last;

    if (words == NULL)
        return status_of(ST_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        words[i] = bytes_str(argv[(size_t)c->flags.first_word + i]);
    buf_init(&last, alloc_heap(), ARENA_MAX);
    struct status s = c->flags.takes_last ? read_all(&last) : status_ok();
    if (c->flags.takes_last)
        words[count++] = buf_bytes(&last);
    if (succeeded(s))
        s = run_or_explain(c, words, count);
    buf_deinit(&last);
    return s;
}

/* Commands a line each, as they come; one that fails for want of a connection ends it. */
static struct status run_lines(struct cli *c)
{
    struct buf in;
    struct status s = status_ok();
    bool is_end = false;
    bool leaves = false;

    buf_init(&in, alloc_heap(), ARENA_MAX);
    while (succeeded(s) && !leaves && !(is_end && in.size == 0)) {
        uint8_t *end = in.size == 0 ? NULL : memchr(in.data, '\n', in.size);
        if (end == NULL && !is_end) {
            uint8_t *room = buf_extend(&in, INPUT_AT_ONCE);
            if (room == NULL) {
                s = status_of(ST_NO_MEMORY);
                break;
            }
            size_t got = terminal_read(room, INPUT_AT_ONCE);
            in.size -= INPUT_AT_ONCE - got;
            is_end = got == 0;
            continue;
        }
        size_t size = end == NULL ? in.size : (size_t)(end - in.data);
        struct bytes *argv;
        size_t argc;
        s = split(c, in.data, size, &argv, &argc);
        if (succeeded(s) && argc > 0)
            s = run_line(c, argv, argc, &leaves);
        arena_reset(&c->arena);
        buf_consume(&in, end == NULL ? size : size + 1);
    }
    buf_deinit(&in);
    return s;
}

/* ---- Somebody types ---------------------------------------------------------------------------
 */

static bool history_path(char *room, size_t size)
{
    const char *home = process_variable("HOME");

    return home != NULL && (size_t)snprintf(room, size, "%s/.varve_history", home) < size;
}

static void load_history(struct cli *c)
{
    char path[512];
    struct io_file *file = NULL;
    uint64_t size = 0;
    size_t got = 0;

    if (!history_path(path, sizeof path) || failed(io_open(c->link.io, path, IO_READ, &file)))
        return;
    if (succeeded(io_size(file, &size))) {
        uint64_t from = size > CLI_LINE_MAX_BYTES ? size - CLI_LINE_MAX_BYTES : 0;
        uint8_t *text = arena_take(&c->arena, (size_t)(size - from) + 1);
        if (text != NULL &&
            succeeded(io_read(c->link.ring, file, text, (size_t)(size - from), from, &got))) {
            for (size_t at = 0; at < got;) {
                const uint8_t *end = memchr(text + at, '\n', got - at);
                size_t length = end == NULL ? got - at : (size_t)(end - text) - at;
                cli_edit_remember(&c->edit, bytes_of(text + at, length));
                at += length + 1;
            }
        }
    }
    io_close(file);
    arena_reset(&c->arena);
}

/* Lines with passwords are not written down. */
static bool is_secret(struct bytes line)
{
    static const char *const WORDS[] = { "auth", "requirepass", "masterauth", "hello", "migrate" };

    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        size_t size = strlen(WORDS[i]);
        for (size_t at = 0; at + size <= line.size; at++) {
            if (is_word(bytes_of(line.data + at, size), WORDS[i]))
                return true;
        }
    }
    return false;
}

static void remember(struct cli *c, struct bytes line)
{
    char path[512];
    int error;

    if (is_secret(line))
        return;
    cli_edit_remember(&c->edit, line);
    if (!history_path(path, sizeof path))
        return;
    struct process_log_file *f = process_log_open(path, &error);
    if (f == NULL)
        return;
    struct buf text;
    buf_init(&text, alloc_heap(), CLI_LINE_MAX_BYTES + 1);
    buf_append(&text, line);
    buf_append_u8(&text, '\n');
    process_log_write(f, (const char *)text.data, text.size);
    buf_deinit(&text);
    process_log_close(f);
}

static void make_prompt(const struct cli *c, char *room, size_t size)
{
    char database[16] = "";

    if (c->link.socket == NULL) {
        (void)snprintf(room, size, "not connected> ");
        return;
    }
    if (c->database != 0)
        (void)snprintf(database, sizeof database, "[%u]", (unsigned)c->database);
    if (strchr(c->flags.address, '/') != NULL)
        (void)snprintf(room, size, "%s%s%s> ", c->flags.address, database,
                       c->is_in_multi ? "(TX)" : "");
    else
        (void)snprintf(room, size, "%s:%u%s%s> ", c->flags.address, (unsigned)c->flags.port,
                       database, c->is_in_multi ? "(TX)" : "");
}

/* Have a line typed. */
static enum cli_edit_result type_line(struct cli *c)
{
    char prompt[300];
    enum cli_edit_result result = CLI_EDIT_MORE;
    uint8_t key;

    make_prompt(c, prompt, sizeof prompt);
    if (!terminal_begin_keys())
        return CLI_EDIT_END;
    cli_edit_begin(&c->edit, prompt, terminal_columns(), &c->out);
    while (result == CLI_EDIT_MORE) {
        flush(c);
        result = terminal_read(&key, 1) == 1 ? cli_edit_key(&c->edit, key, &c->out) : CLI_EDIT_END;
    }
    terminal_end_keys();
    flush(c);
    return result;
}

/* Run what was typed; false if it was to leave. */
static bool run_typed(struct cli *c, struct buf *line)
{
    struct bytes *argv;
    size_t argc = 0;
    bool leaves;

    remember(c, buf_bytes(line));
    if (failed(split(c, line->data, line->size, &argv, &argc)) || argc == 0)
        return true;
    status_ignore(run_line(c, argv, argc, &leaves), "it is said; the next command connects again");
    return !leaves;
}

static void run_person(struct cli *c)
{
    enum cli_edit_result result = CLI_EDIT_MORE;

    status_ignore(load_docs(c), "it is said; then there are no hints");
    load_history(c);
    while (result != CLI_EDIT_END) {
        result = type_line(c);
        if (result == CLI_EDIT_DONE && !run_typed(c, &c->edit.line))
            break;
        arena_reset(&c->arena);
    }
}

/* ---- The program ------------------------------------------------------------------------------
 */

static struct status start(struct cli *c)
{
    struct alloc *alloc = alloc_heap();

    arena_init(&c->arena, alloc, ARENA_CHUNK, ARENA_MAX);
    buf_init(&c->out, alloc, ARENA_MAX);
    cli_docs_init(&c->docs, alloc);
    cli_edit_init(&c->edit, alloc, &c->docs.helper);
    return cli_link_init(&c->link, alloc);
}

static void stop(struct cli *c)
{
    cli_link_deinit(&c->link);
    cli_edit_deinit(&c->edit);
    cli_docs_deinit(&c->docs);
    buf_deinit(&c->out);
    arena_deinit(&c->arena);
}

static struct status run_all(struct cli *c, int argc, char **argv)
{
    bool has_words = c->flags.first_word < argc;

    if (has_words || c->flags.takes_last)
        return run_words(c, argc, argv);
    if (!terminal_is_input())
        return run_lines(c);
    run_person(c);
    return status_ok();
}

int cli_main(int argc, char **argv)
{
    struct cli c = { .has_failed = false };
    struct errbuf err = { .text = "" };

    if (failed(cli_flags_parse(&c.flags, argc, argv, &err))) {
        char text[ERRBUF_SIZE + 64];
        int size =
            snprintf(text, sizeof text, "varve cli: %s; varve cli --help lists flags\n", err.text);
        process_print(PROCESS_STDERR, text, (size_t)size);
        return EXIT_USAGE;
    }
    if (c.flags.wants_help) {
        process_print(PROCESS_STDOUT, cli_flags_help, strlen(cli_flags_help));
        return 0;
    }
    c.format = c.flags.has_format ? c.flags.format : terminal_is_output() ? CLI_PEOPLE : CLI_RAW;
    struct status s = start(&c);
    if (succeeded(s))
        s = run_all(&c, argc, argv);
    stop(&c);
    return failed(s) || (c.has_failed && c.flags.fails_on_error) ? EXIT_FAILED : 0;
}
