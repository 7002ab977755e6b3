#include "resp/stats.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SLOT_BITS = 10 };

static const double NS_PER_US = 1000;

/* ---- Rows -------------------------------------------------------------------------------------
 */

static size_t slot_of(const struct resp_command *c)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

    static_assert(1 << SLOT_BITS == RESP_STATS_SLOTS, "the top bits are the slot");
    return ((uintptr_t)c / sizeof(void *) * golden) >> (64 - SLOT_BITS);
}

/* The rows of a command and its subcommands; counts them alone if there are no rows yet. */
static void add_rows(struct resp_command_figures *f, const struct resp_command *c)
{
    if (f->commands != NULL) {
        size_t slot = slot_of(c);
        while (f->slots[slot] != 0)
            slot = (slot + 1) % RESP_STATS_SLOTS;
        f->slots[slot] = (uint16_t)(f->count + 1);
        f->commands[f->count].command = c;
    }
    f->count++;
    for (const struct resp_command *s = c->subcommands; s != NULL && s->name != NULL; s++)
        add_rows(f, s);
}

static void add_all(struct resp_command_figures *f)
{
    const struct resp_command *c;

    f->count = 0;
    for (size_t i = 0; (c = resp_command_at(i)) != NULL; i++)
        add_rows(f, c);
    CHECK(f->count < RESP_STATS_SLOTS / 2);
}

struct status resp_figures_init(struct resp_command_figures *f, struct alloc *alloc)
{
    *f = (struct resp_command_figures) { .alloc = alloc };
    add_all(f);
    f->commands = alloc_zeroed(alloc, f->count * sizeof *f->commands);
    if (f->commands == NULL)
        return status_of(ST_NO_MEMORY);
    add_all(f);
    f->last = f->commands;
    return status_ok();
}

void resp_figures_deinit(struct resp_command_figures *f)
{
    if (f->commands == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        alloc_free(f->alloc, f->commands[i].times, sizeof *f->commands[i].times);
    alloc_free(f->alloc, f->commands, f->count * sizeof *f->commands);
}

void resp_figures_reset(struct resp_command_figures *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct resp_command_stats *s = &f->commands[i];
        alloc_free(f->alloc, s->times, sizeof *s->times);
        *s = (struct resp_command_stats) { .command = s->command };
    }
    f->error_count = 0;
}

struct resp_command_stats *resp_figures_find(struct resp_command_figures *f,
                                             const struct resp_command *c)
{
    for (size_t slot = slot_of(c);; slot = (slot + 1) % RESP_STATS_SLOTS) {
        CHECK(f->slots[slot] != 0); /* Every command of the table has a row. */
        struct resp_command_stats *s = &f->commands[f->slots[slot] - 1];
        if (s->command == c) {
            f->last = s;
            return s;
        }
    }
}

void resp_figures_add(struct resp_command_figures *f, const struct resp_command *c, uint64_t ns,
                      bool is_failed, bool with_times)
{
    struct resp_command_stats *s = resp_figures_of(f, c);

    s->calls++;
    s->ns += ns;
    s->failed += is_failed;
    if (!with_times)
        return;
    if (s->times == NULL) {
        s->times = alloc_bytes(f->alloc, sizeof *s->times);
        if (s->times == NULL)
            return;
        histogram_init(s->times);
    }
    histogram_add(s->times, ns);
}

/* ---- Errors -----------------------------------------------------------------------------------
 */

static void count_error(struct resp_command_figures *f, struct bytes code)
{
    for (size_t i = 0; i < f->error_count; i++) {
        if (bytes_equal(bytes_str(f->errors[i].code), code)) {
            f->errors[i].count++;
            return;
        }
    }
    if (f->error_count == RESP_ERRORS_MAX) {
        f->errors[RESP_ERRORS_MAX - 1].count++;
        return;
    }
    if (f->error_count == RESP_ERRORS_MAX - 1)
        code = bytes_str("OTHERS");
    struct resp_error_stats *e = &f->errors[f->error_count++];
    *e = (struct resp_error_stats) { .count = 1 };
    memcpy(e->code, code.data, code.size);
}

/* The first word of an error's line; ERR, if it is none that could be a code. */
static struct bytes error_code(struct bytes line)
{
    size_t most = line.size < RESP_ERROR_MAX_CHARS + 1 ? line.size : RESP_ERROR_MAX_CHARS + 1;
    const uint8_t *blank = memchr(line.data, ' ', most);

    return blank == NULL || blank == line.data ? bytes_str("ERR")
                                               : bytes_of(line.data, (size_t)(blank - line.data));
}

/* Elements are lines, but for strings, whose size comes before them. */
void resp_figures_add_errors(struct resp_command_figures *f, struct bytes replies)
{
    while (replies.size > 0) {
        const uint8_t *end = memchr(replies.data, '\r', replies.size);
        if (end == NULL)
            return;
        struct bytes line = bytes_of(replies.data + 1, (size_t)(end - replies.data) - 1);
        char marker = (char)replies.data[0];
        size_t size = line.size + 3;
        if (marker == '-')
            count_error(f, error_code(line));
        if ((marker == '$' || marker == '=') && line.size > 0 && line.data[0] != '-') {
            size_t length = 0;
            for (size_t i = 0; i < line.size; i++)
                length = 10 * length + (size_t)(line.data[i] - '0');
            size += length + 2;
        }
        replies = bytes_skip(replies, size < replies.size ? size : replies.size);
    }
}

/* ---- INFO -------------------------------------------------------------------------------------
 */

void resp_figures_tell_commands(const struct resp_command_figures *f, struct buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct resp_command_stats *s = &f->commands[i];
        double us = (double)s->ns / NS_PER_US;
        if (s->calls == 0 && s->rejected == 0 && s->failed == 0)
            continue;
        buf_append_format(out,
                          "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64
                          ",usec_per_call=%.2f,rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64
                          "\r\n",
                          s->command->name, s->calls, s->ns / (uint64_t)NS_PER_US,
                          s->calls == 0 ? 0 : us / (double)s->calls, s->rejected, s->failed);
    }
}

void resp_figures_tell_errors(const struct resp_command_figures *f, struct buf *out)
{
    for (size_t i = 0; i < f->error_count; i++)
        buf_append_format(out, "errorstat_%s:count=%" PRIu64 "\r\n", f->errors[i].code,
                          f->errors[i].count);
}

void resp_figures_tell_times(const struct resp_command_figures *f, const double *percentiles,
                             size_t count, struct buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct resp_command_stats *s = &f->commands[i];
        if (s->times == NULL)
            continue;
        buf_append_format(out, "latency_percentiles_usec_%s:", s->command->name);
        for (size_t j = 0; j < count; j++)
            buf_append_format(out, "%sp%.10g=%.3f", j > 0 ? "," : "", percentiles[j],
                              histogram_percentile(s->times, percentiles[j]) / NS_PER_US);
        buf_append(out, bytes_str("\r\n"));
    }
}
