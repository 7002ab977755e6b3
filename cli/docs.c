#include "cli/docs.h"

#include <stdlib.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Does text begin with prefix, but for the case of letters? */
static bool begins_with(struct bytes text, struct bytes prefix)
{
    if (text.size < prefix.size)
        return false;
    for (size_t i = 0; i < prefix.size; i++) {
        if (lower(text.data[i]) != lower(prefix.data[i]))
            return false;
    }
    return true;
}

/* ---- Arguments as they are written ------------------------------------------------------------
 */

static bool has_flag(const struct cli_value *argument, const char *flag)
{
    const struct cli_value *flags = cli_value_find(argument, "flags");

    for (size_t i = 0; flags != NULL && i < flags->count; i++) {
        if (bytes_equal(flags->items[i].text, bytes_str(flag)))
            return true;
    }
    return false;
}

static void write_argument(const struct cli_value *argument, struct buf *out);

/* The arguments of a block or a choice. */
static void write_parts(const struct cli_value *parts, char between, struct buf *out)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (i > 0)
            buf_append_u8(out, (uint8_t)between);
        write_argument(&parts->items[i], out);
    }
}

/* "EX seconds", without brackets and dots. */
static void write_bare(const struct cli_value *argument, struct buf *out)
{
    const struct cli_value *token = cli_value_find(argument, "token");
    const struct cli_value *name = cli_value_find(argument, "name");
    const struct cli_value *type = cli_value_find(argument, "type");
    const struct cli_value *parts = cli_value_find(argument, "arguments");
    bool is_choice = type != NULL && bytes_equal(type->text, bytes_str("oneof"));
    bool is_token = type != NULL && bytes_equal(type->text, bytes_str("pure-token"));

    if (token != NULL) {
        buf_append(out, token->text.size > 0 ? token->text : bytes_str("\"\""));
        if (is_token)
            return;
        buf_append_u8(out, ' ');
    }
    if (parts != NULL && is_choice && token != NULL)
        buf_append_u8(out, '<');
    if (parts != NULL)
        write_parts(parts, is_choice ? '|' : ' ', out);
    else if (name != NULL)
        buf_append(out, name->text);
    if (parts != NULL && is_choice && token != NULL)
        buf_append_u8(out, '>');
}

static void write_argument(const struct cli_value *argument, struct buf *out)
{
    bool is_optional = has_flag(argument, "optional");

    if (is_optional)
        buf_append_u8(out, '[');
    write_bare(argument, out);
    if (has_flag(argument, "multiple")) {
        buf_append(out, bytes_str(" ["));
        write_bare(argument, out);
        buf_append(out, bytes_str(" ...]"));
    }
    if (is_optional)
        buf_append_u8(out, ']');
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

static struct bytes copy_of(struct cli_docs *d, const struct cli_value *v)
{
    return v == NULL ? bytes_of("", 0) : arena_copy(&d->arena, v->text);
}

static struct status load_arguments(struct cli_docs *d, const struct cli_value *arguments,
                                    struct cli_doc *doc)
{
    struct buf text;
    struct status s = status_ok();

    doc->arguments = arena_take(&d->arena, arguments->count * sizeof *doc->arguments);
    if (doc->arguments == NULL)
        return status_of(ST_NO_MEMORY);
    buf_init(&text, d->arena.alloc, CLI_LINE_MAX_BYTES);
    for (size_t i = 0; i < arguments->count && succeeded(s); i++) {
        buf_reset(&text);
        write_argument(&arguments->items[i], &text);
        doc->arguments[i] = arena_copy(&d->arena, buf_bytes(&text));
        if (text.is_failed || doc->arguments[i].data == NULL)
            s = status_of(ST_NO_MEMORY);
        doc->argument_count++;
    }
    buf_deinit(&text);
    return s;
}

/* "config|get" is typed "config get". */
static struct bytes typed_name(struct cli_docs *d, struct bytes name)
{
    uint8_t *typed = arena_take(&d->arena, name.size + 1);

    for (size_t i = 0; typed != NULL && i < name.size; i++)
        typed[i] = name.data[i] == '|' ? ' ' : lower(name.data[i]);
    return bytes_of(typed, name.size);
}

/* How many commands a reply tells of, subcommands of subcommands, too. */
static size_t count_docs(const struct cli_value *reply)
{
    size_t count = 0;

    for (size_t i = 0; i + 1 < reply->count; i += 2) {
        const struct cli_value *subs = cli_value_find(&reply->items[i + 1], "subcommands");
        count += 1 + (subs == NULL ? 0 : count_docs(subs));
    }
    return count;
}

static struct status load(struct cli_docs *d, const struct cli_value *reply)
{
    for (size_t i = 0; i + 1 < reply->count; i += 2) {
        const struct cli_value *facts = &reply->items[i + 1];
        const struct cli_value *arguments = cli_value_find(facts, "arguments");
        const struct cli_value *subs = cli_value_find(facts, "subcommands");
        struct cli_doc *doc = &d->all[d->count++];
        *doc = (struct cli_doc) { .name = typed_name(d, reply->items[i].text),
                                  .summary = copy_of(d, cli_value_find(facts, "summary")),
                                  .since = copy_of(d, cli_value_find(facts, "since")),
                                  .group = copy_of(d, cli_value_find(facts, "group")) };
        if (doc->name.data == NULL || doc->summary.data == NULL || doc->since.data == NULL ||
            doc->group.data == NULL)
            return status_of(ST_NO_MEMORY);
        if (arguments != NULL)
            TRY(load_arguments(d, arguments, doc));
        if (subs != NULL)
            TRY(load(d, subs));
    }
    return status_ok();
}

static int compare_docs(const void *a, const void *b)
{
    return bytes_compare(((const struct cli_doc *)a)->name, ((const struct cli_doc *)b)->name);
}

struct status cli_docs_load(struct cli_docs *d, const struct cli_value *reply)
{
    d->count = 0;
    d->all = arena_take(&d->arena, count_docs(reply) * sizeof *d->all);
    struct status s = d->all == NULL ? status_of(ST_NO_MEMORY) : load(d, reply);
    if (failed(s))
        d->count = 0;
    if (d->count > 0)
        qsort(d->all, d->count, sizeof *d->all, compare_docs);
    return s;
}

void cli_docs_deinit(struct cli_docs *d)
{
    arena_deinit(&d->arena);
}

/* ---- Looking up -------------------------------------------------------------------------------
 */

/* The command that line names with its first words, the longest such name, and then a blank. */
static const struct cli_doc *find(const struct cli_docs *d, struct bytes line)
{
    const struct cli_doc *found = NULL;

    for (size_t i = 0; i < d->count; i++) {
        struct bytes name = d->all[i].name;
        if (line.size > name.size && line.data[name.size] == ' ' && begins_with(line, name) &&
            (found == NULL || name.size > found->name.size))
            found = &d->all[i];
    }
    return found;
}

static bool complete(const struct cli_helper *h, struct bytes line, size_t n, struct buf *out)
{
    const struct cli_docs *d = (const struct cli_docs *)h;
    bool is_upper = line.size > 0 && line.data[0] >= 'A' && line.data[0] <= 'Z';
    size_t words = 1;

    for (size_t i = 0; i < line.size; i++)
        words += line.data[i] == ' ';
    for (size_t i = 0; i < d->count; i++) {
        struct bytes name = d->all[i].name;
        size_t name_words = 1 + (memchr(name.data, ' ', name.size) != NULL);
        if (name_words != words || !begins_with(name, line) || n-- > 0)
            continue;
        for (size_t k = 0; k < name.size; k++) {
            bool is_letter = name.data[k] >= 'a' && name.data[k] <= 'z';
            buf_append_u8(out, (uint8_t)(is_upper && is_letter ? name.data[k] - 32 : name.data[k]));
        }
        return true;
    }
    return false;
}

/* The arguments that have not been begun. */
static void hint(const struct cli_helper *h, struct bytes line, struct buf *out)
{
    const struct cli_doc *doc = find((const struct cli_docs *)h, line);
    size_t begun = 0;

    if (doc == NULL)
        return;
    struct bytes rest = bytes_skip(line, doc->name.size);
    for (size_t i = 0; i < rest.size; i++)
        begun += rest.data[i] != ' ' && rest.data[i - 1] == ' ';
    bool is_blank_last = rest.data[rest.size - 1] == ' ';
    for (size_t i = begun; i < doc->argument_count; i++) {
        if (i > begun || !is_blank_last)
            buf_append_u8(out, ' ');
        buf_append(out, doc->arguments[i]);
    }
}

void cli_docs_init(struct cli_docs *d, struct alloc *alloc)
{
    enum { CHUNK = 16 << 10, MAX = 64 << 20 };

    *d = (struct cli_docs) { .helper = { .complete = complete, .hint = hint } };
    arena_init(&d->arena, alloc, CHUNK, MAX);
}

/* Do the words name the command, one that it belongs to, or with "@" its group? */
static bool is_meant(const struct cli_doc *doc, struct bytes words)
{
    if (words.size > 0 && words.data[0] == '@')
        return words.size == doc->group.size + 1 && begins_with(doc->group, bytes_skip(words, 1));
    return begins_with(doc->name, words) &&
           (doc->name.size == words.size || doc->name.data[words.size] == ' ');
}

void cli_docs_explain(const struct cli_docs *d, struct bytes words, struct buf *out)
{
    size_t found = 0;

    for (size_t i = 0; i < d->count; i++) {
        const struct cli_doc *doc = &d->all[i];
        if (!is_meant(doc, words))
            continue;
        buf_append_format(out, "%s  ", found++ > 0 ? "\n" : "");
        buf_append(out, doc->name);
        for (size_t k = 0; k < doc->argument_count; k++) {
            buf_append_u8(out, ' ');
            buf_append(out, doc->arguments[k]);
        }
        buf_append(out, bytes_str("\n  "));
        buf_append(out, doc->summary);
        buf_append_format(out, "\n  group: %.*s, since: %.*s\n", (int)doc->group.size,
                          (const char *)doc->group.data, (int)doc->since.size,
                          (const char *)doc->since.data);
    }
    if (found == 0)
        buf_append_format(out, "No %s is called that.\n",
                          words.size > 0 && words.data[0] == '@' ? "group" : "command");
}
