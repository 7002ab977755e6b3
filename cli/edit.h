/*
 * edit -- a line that is edited key by key, with history, completion and hints.
 *
 * It is handed the bytes of the keyboard and appends what the terminal is to show: it knows no
 * terminal itself. A line longer than the terminal is wide is shown in part, around the cursor.
 *
 *     arrows, HOME, END, ^A ^E ^B ^F    move             ^P ^N, up and down    through the history
 *     BACKSPACE, DELETE, ^H ^D          delete           TAB                   complete, and again
 *     ^W ^U ^K                          delete a word, to the beginning, to the end
 *     ^L                                clear the screen ^C  drop the line     ^D  leave
 *
 * Threads: one owner.
 */
#ifndef VARVE_CLI_EDIT_H
#define VARVE_CLI_EDIT_H

#include "base/buf.h"
#include "base/status.h"

enum { CLI_LINE_MAX_BYTES = 1 << 20, CLI_HISTORY_MAX = 1000 };

/* What may be typed, for completion and hints. */
struct cli_helper {
    /* The n-th line that line could become, appended to out; false: there is no such one. */
    bool (*complete)(const struct cli_helper *h, struct bytes line, size_t n, struct buf *out);
    /* What could follow line, appended to out. */
    void (*hint)(const struct cli_helper *h, struct bytes line, struct buf *out);
};

struct cli_edit {
    const struct cli_helper *helper; /* May be NULL. */
    struct buf line;
    size_t cursor; /* Within the line, at the beginning of a character. */
    const char *prompt;
    size_t columns;
    struct buf history; /* Lines, each with its line end. */
    size_t history_count;
    size_t history_at;    /* Which line is shown; history_count: the one that is being written. */
    struct buf draft;     /* That one, while others are shown. */
    struct buf completed; /* What TAB was pressed on. */
    size_t completions;   /* How often it was, in a row. */
    struct buf hint;
    enum cli_edit_state { CLI_EDIT_TEXT, CLI_EDIT_ESCAPE, CLI_EDIT_SEQUENCE } state;
    unsigned sequence; /* The number in an escape sequence. */
};

void cli_edit_init(struct cli_edit *e, struct alloc *alloc, const struct cli_helper *helper);
void cli_edit_deinit(struct cli_edit *e);

/* Begin a line. prompt is borrowed until its end. */
void cli_edit_begin(struct cli_edit *e, const char *prompt, size_t columns, struct buf *out);

enum cli_edit_result {
    CLI_EDIT_MORE,
    CLI_EDIT_DONE,    /* e->line is what was written. */
    CLI_EDIT_DROPPED, /* ^C. */
    CLI_EDIT_END,     /* ^D. */
};
enum cli_edit_result cli_edit_key(struct cli_edit *e, uint8_t key, struct buf *out);

/* Add a line to the history, unless it is the last one already. The oldest goes for it. */
void cli_edit_remember(struct cli_edit *e, struct bytes line);

#endif
