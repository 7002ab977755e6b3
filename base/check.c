#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *fact, const char *file, int line)
{
    fprintf(stderr, "varve: internal error: %s does not hold (%s:%d)\n", fact, file, line);
    abort();
}
