/* varve: one binary, a command each for what can be done with it. */
#include "base/bytes.h"
#include "base/process.h"

#include "bench/bench.h"

#include "cli/cli.h"

#include "server/server.h"

#include <string.h>

static const char HELP[] =
    "varve " SERVER_VERSION ", a durable key-value database that speaks the Redis protocol\n"
    "\n"
    "  varve server [FILE] [--name value ...]   serve; varve server --help lists parameters\n"
    "  varve cli [COMMAND ...]                  speak to a server; varve cli --help lists flags\n"
    "  varve bench --benchmarks=NAME,...        measure; varve bench --help lists flags\n"
    "  varve version                            say which version this is\n"
    "  varve help                               say this\n";
static const char VERSION[] = "varve " SERVER_VERSION "\n";

static void print(enum process_stream stream, const char *text)
{
    process_print(stream, text, strlen(text));
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "help";

    if (strcmp(command, "server") == 0)
        return server_main(argc - 1, argv + 1);
    if (strcmp(command, "cli") == 0)
        return cli_main(argc - 1, argv + 1);
    if (strcmp(command, "bench") == 0)
        return bench_main(argc - 1, argv + 1);
    if (is_one_of(command, "version", "--version", "-v")) {
        print(PROCESS_STDOUT, VERSION);
        return 0;
    }
    if (is_one_of(command, "help", "--help", "-h")) {
        print(PROCESS_STDOUT, HELP);
        return 0;
    }
    print(PROCESS_STDERR, "varve: there is no such command; there are:\n\n");
    print(PROCESS_STDERR, HELP);
    return 2;
}
