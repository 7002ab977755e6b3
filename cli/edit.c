#include "cli/edit.h"

#define CTRL(c) ((c)-64)
enum { KEY_ESCAPE = 27, KEY_BACKSPACE = 127 };

void cli_edit_init(struct cli_edit *e, struct alloc *alloc, const struct cli_helper *helper)
{
    *e = (struct cli_edit) { .helper = helper };
    buf_init(&e->line, alloc, CLI_LINE_MAX_BYTES);
    buf_init(&e->history, alloc, 16 * CLI_LINE_MAX_BYTES);
    buf_init(&e->draft, alloc, CLI_LINE_MAX_BYTES);
    buf_init(&e->completed, alloc, CLI_LINE_MAX_BYTES);
    buf_init(&e->hint, alloc, CLI_LINE_MAX_BYTES);
}

void cli_edit_deinit(struct cli_edit *e)
{
    buf_deinit(&e->line);
    buf_deinit(&e->history);
    buf_deinit(&e->draft);
    buf_deinit(&e->completed);
    buf_deinit(&e->hint);
}

/* ---- Characters ------------------------------------------------------------------------------ */

/* A byte in the middle of a character (UTF-8). */
static bool is_middle(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

static size_t width_of(struct bytes text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++)
        width += !is_middle(text.data[i]);
    return width;
}

static size_t behind(const struct cli_edit *e, size_t at)
{
    if (at < e->line.size)
        at++;
    while (at < e->line.size && is_middle(e->line.data[at]))
        at++;
    return at;
}

static size_t before(const struct cli_edit *e, size_t at)
{
    if (at > 0)
        at--;
    while (at > 0 && is_middle(e->line.data[at]))
        at--;
    return at;
}

/* ---- Showing --------------------------------------------------------------------------------- */

static void show_hint(struct cli_edit *e, size_t room, struct buf *out)
{
    buf_reset(&e->hint);
    if (e->helper == NULL || e->cursor != e->line.size || e->line.size == 0)
        return;
    e->helper->hint(e->helper, buf_bytes(&e->line), &e->hint);
    size_t size = e->hint.size < room ? e->hint.size : room;
    if (size == 0)
        return;
    buf_append(out, bytes_str("\033[90m"));
    buf_append(out, bytes_of(e->hint.data, size));
    buf_append(out, bytes_str("\033[0m"));
}

/* The line anew, and the cursor where it belongs. */
static void show(struct cli_edit *e, struct buf *out)
{
    size_t prompt = strlen(e->prompt);
    size_t room = e->columns > prompt + 1 ? e->columns - prompt - 1 : 1;
    size_t begin = 0;
    size_t end = e->cursor;

    while (width_of(bytes_of(e->line.data + begin, e->cursor - begin)) > room)
        begin = behind(e, begin);
    while (end < e->line.size &&
           width_of(bytes_of(e->line.data + begin, behind(e, end) - begin)) <= room)
        end = behind(e, end);
    struct bytes shown = bytes_of(e->line.data + begin, end - begin);
    size_t at = prompt + width_of(bytes_of(shown.data, e->cursor - begin));
    buf_append_format(out, "\r%s", e->prompt);
    buf_append(out, shown);
    show_hint(e, room - width_of(shown), out);
    buf_append(out, bytes_str("\033[0K\r"));
    if (at > 0)
        buf_append_format(out, "\033[%zuC", at);
}

/* ---- Changing -------------------------------------------------------------------------------- */

static void set_line(struct cli_edit *e, struct bytes text)
{
    buf_reset(&e->line);
    buf_append(&e->line, text);
    e->cursor = e->line.size;
}

static void insert(struct cli_edit *e, uint8_t c)
{
    size_t behind_cursor = e->line.size - e->cursor;

    if (buf_extend(&e->line, 1) == NULL)
        return;
    memmove(e->line.data + e->cursor + 1, e->line.data + e->cursor, behind_cursor);
    e->line.data[e->cursor++] = c;
}

/* Delete from a place up to another; the cursor is at one of them. */
static void delete_range(struct cli_edit *e, size_t from, size_t to)
{
    memmove(e->line.data + from, e->line.data + to, e->line.size - to);
    e->line.size -= to - from;
    e->cursor = from;
}

static void delete_word(struct cli_edit *e)
{
    size_t from = e->cursor;

    while (from > 0 && e->line.data[from - 1] == ' ')
        from--;
    while (from > 0 && e->line.data[from - 1] != ' ')
        from--;
    delete_range(e, from, e->cursor);
}

/* ---- The history ------------------------------------------------------------------------------
 */

/* The n-th line of it. Requires: n < count. */
static struct bytes history_line(const struct cli_edit *e, size_t n)
{
    struct bytes rest = buf_bytes(&e->history);

    for (;;) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = (size_t)(end - rest.data);
        if (n-- == 0)
            return bytes_of(rest.data, size);
        rest = bytes_skip(rest, size + 1);
    }
}

void cli_edit_remember(struct cli_edit *e, struct bytes line)
{
    if (line.size == 0 || memchr(line.data, '\n', line.size) != NULL ||
        memchr(line.data, '\0', line.size) != NULL)
        return;
    if (e->history_count > 0 && bytes_equal(history_line(e, e->history_count - 1), line))
        return;
    if (e->history_count == CLI_HISTORY_MAX) {
        buf_consume(&e->history, history_line(e, 0).size + 1);
        e->history_count--;
    }
    size_t size = e->history.size;
    buf_append(&e->history, line);
    buf_append_u8(&e->history, '\n');
    if (e->history.is_failed) {
        e->history.size = size;
        e->history.is_failed = false;
        return;
    }
    e->history_count++;
}

static void show_history(struct cli_edit *e, bool is_older)
{
    if (is_older ? e->history_at == 0 : e->history_at == e->history_count)
        return;
    if (e->history_at == e->history_count) {
        buf_reset(&e->draft);
        buf_append(&e->draft, buf_bytes(&e->line));
    }
    e->history_at += is_older ? (size_t)-1 : 1;
    set_line(e, e->history_at == e->history_count ? buf_bytes(&e->draft)
                                                  : history_line(e, e->history_at));
}

/* ---- Completion -------------------------------------------------------------------------------
 */

/* The next of the lines that could be meant; after the last one, what was typed. */
static void complete(struct cli_edit *e)
{
    if (e->helper == NULL)
        return;
    if (e->completions == 0) {
        buf_reset(&e->completed);
        buf_append(&e->completed, buf_bytes(&e->line));
    }
    buf_reset(&e->line);
    if (e->helper->complete(e->helper, buf_bytes(&e->completed), e->completions, &e->line)) {
        e->completions++;
    } else {
        buf_append(&e->line, buf_bytes(&e->completed));
        e->completions = 0;
    }
    e->cursor = e->line.size;
}

/* ---- Keys -------------------------------------------------------------------------------------
 */

/* The end of an escape sequence: arrows and their kin. */
static void end_sequence(struct cli_edit *e, uint8_t key)
{
    e->state = CLI_EDIT_TEXT;
    if (key == 'A' || key == 'B')
        show_history(e, key == 'A');
    else if (key == 'C')
        e->cursor = behind(e, e->cursor);
    else if (key == 'D')
        e->cursor = before(e, e->cursor);
    else if (key == 'H' || (key == '~' && (e->sequence == 1 || e->sequence == 7)))
        e->cursor = 0;
    else if (key == 'F' || (key == '~' && (e->sequence == 4 || e->sequence == 8)))
        e->cursor = e->line.size;
    else if (key == '~' && e->sequence == 3)
        delete_range(e, e->cursor, behind(e, e->cursor));
}

static void step_sequence(struct cli_edit *e, uint8_t key)
{
    if (e->state == CLI_EDIT_ESCAPE) {
        e->state = key == '[' || key == 'O' ? CLI_EDIT_SEQUENCE : CLI_EDIT_TEXT;
        e->sequence = 0;
    } else if (key >= '0' && key <= '9') {
        e->sequence = (e->sequence * 10 + (key - '0')) % 1000;
    } else if (key != ';') {
        end_sequence(e, key);
    }
}

static void step_control(struct cli_edit *e, uint8_t key, struct buf *out)
{
    switch (key) {
    case CTRL('A'):
        e->cursor = 0;
        break;
    case CTRL('B'):
        e->cursor = before(e, e->cursor);
        break;
    case CTRL('D'):
        delete_range(e, e->cursor, behind(e, e->cursor));
        break;
    case CTRL('E'):
        e->cursor = e->line.size;
        break;
    case CTRL('F'):
        e->cursor = behind(e, e->cursor);
        break;
    case CTRL('H'):
    case KEY_BACKSPACE:
        delete_range(e, before(e, e->cursor), e->cursor);
        break;
    case CTRL('I'):
        complete(e);
        break;
    case CTRL('K'):
        e->line.size = e->cursor;
        break;
    case CTRL('L'):
        buf_append(out, bytes_str("\033[H\033[2J"));
        break;
    case CTRL('N'):
    case CTRL('P'):
        show_history(e, key == CTRL('P'));
        break;
    case CTRL('U'):
        delete_range(e, 0, e->cursor);
        break;
    case CTRL('W'):
        delete_word(e);
        break;
    case KEY_ESCAPE:
        e->state = CLI_EDIT_ESCAPE;
        break;
    default:
        break;
    }
}

void cli_edit_begin(struct cli_edit *e, const char *prompt, size_t columns, struct buf *out)
{
    buf_reset(&e->line);
    e->cursor = 0;
    e->prompt = prompt;
    e->columns = columns;
    e->history_at = e->history_count;
    e->completions = 0;
    e->state = CLI_EDIT_TEXT;
    show(e, out);
}

/* The line stays on the screen, without its hint. */
static enum cli_edit_result finish(struct cli_edit *e, enum cli_edit_result result, struct buf *out)
{
    const struct cli_helper *helper = e->helper;

    e->helper = NULL;
    e->cursor = e->line.size;
    show(e, out);
    e->helper = helper;
    buf_append(out, bytes_str("\n"));
    return result;
}

enum cli_edit_result cli_edit_key(struct cli_edit *e, uint8_t key, struct buf *out)
{
    if (key != CTRL('I'))
        e->completions = 0;
    if (e->state != CLI_EDIT_TEXT)
        step_sequence(e, key);
    else if (key == '\r' || key == '\n')
        return finish(e, CLI_EDIT_DONE, out);
    else if (key == CTRL('C'))
        return finish(e, CLI_EDIT_DROPPED, out);
    else if (key == CTRL('D') && e->line.size == 0)
        return finish(e, CLI_EDIT_END, out);
    else if (key < ' ' || key == KEY_BACKSPACE)
        step_control(e, key, out);
    else
        insert(e, key);
    show(e, out);
    return CLI_EDIT_MORE;
}
