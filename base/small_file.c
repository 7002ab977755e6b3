#include "base/small_file.h"

#include <fcntl.h>
#include <unistd.h>

bool small_file_read(const char *path, char out_text[SMALL_FILE_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, out_text, SMALL_FILE_SIZE - 1);
    (void)close(fd);
    out_text[n > 0 ? n : 0] = '\0';
    return n > 0;
}
