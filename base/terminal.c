#include "base/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80 };

bool terminal_is_input(void)
{
    return isatty(STDIN_FILENO) == 1;
}

bool terminal_is_output(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

size_t terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

/*
 * The modes that make a terminal edit lines are four bits (lines, their echo, the keys for signals
 * and literals), so there is nothing to remember: they are cleared, and set again.
 */
static bool set_modes(bool edits_lines)
{
    const tcflag_t modes = ICANON | ECHO | ISIG | IEXTEN;
    struct termios t;

    if (tcgetattr(STDIN_FILENO, &t) != 0)
        return false;
    if (edits_lines) {
        t.c_lflag |= modes;
        t.c_iflag |= ICRNL;
    } else {
        t.c_lflag &= ~modes;
        t.c_iflag &= ~(tcflag_t)ICRNL;
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
    }
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

bool terminal_begin_keys(void)
{
    return set_modes(false);
}

void terminal_end_keys(void)
{
    (void)set_modes(true);
}

size_t terminal_read(void *to, size_t size)
{
    ssize_t got;

    do {
        got = read(STDIN_FILENO, to, size);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? (size_t)got : 0;
}
