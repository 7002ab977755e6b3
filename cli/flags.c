#include "cli/flags.h"

#include "base/process.h"

const char *const cli_flags_help =
    "varve cli [FLAG ...] [COMMAND [ARGUMENT ...]]\n"
    "\n"
    "With a command: sends it and prints the answer. Without: takes a command a line, from you or\n"
    "from standard input.\n"
    "\n"
    "  -h HOST        of the server, its name or address; 127.0.0.1\n"
    "  -p PORT        of it; 6379\n"
    "  -s PATH        its unix socket instead\n"
    "  -a PASSWORD    to say first; or in the variable REDISCLI_AUTH, where nobody sees it\n"
    "  --user NAME    whose password that is\n"
    "  -n NUMBER      database to select\n"
    "  -3             version 3 of the protocol\n"
    "  -x             what stands on standard input is the last argument\n"
    "  -e             exit with 1 if the answer is an error\n"
    "  --raw          print bare values: what is done where the output is no terminal\n"
    "  --no-raw       print for people, even there\n"
    "  --csv          print comma-separated values\n"
    "  --json         print JSON (and speak version 3)\n"
    "  --help         print this\n";

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        number = number * 10 + (uint64_t)(*p - '0');
        if (number > max)
            return false;
    }
    *out = number;
    return *text != '\0';
}

/* Flags that stand alone. */
static bool take_switch(struct cli_flags *f, const char *flag)
{
    static const struct {
        const char *flag;
        enum cli_format format;
    } FORMATS[] = { { "--raw", CLI_RAW },
                    { "--no-raw", CLI_PEOPLE },
                    { "--csv", CLI_CSV },
                    { "--json", CLI_JSON } };

    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        if (strcmp(flag, FORMATS[i].flag) != 0)
            continue;
        f->has_format = true;
        f->format = FORMATS[i].format;
        f->is_version_3 |= f->format == CLI_JSON;
        return true;
    }
    if (strcmp(flag, "-3") == 0)
        f->is_version_3 = true;
    else if (strcmp(flag, "-x") == 0)
        f->takes_last = true;
    else if (strcmp(flag, "-e") == 0)
        f->fails_on_error = true;
    else if (strcmp(flag, "--help") == 0)
        f->wants_help = true;
    else
        return false;
    return true;
}

/* Flags with a value. INVALID: it is no such flag; or what is wrong with the value is in err. */
static struct status take_value(struct cli_flags *f, const char *flag, const char *value,
                                struct errbuf *err)
{
    bool is_port = strcmp(flag, "-p") == 0;
    uint64_t number;

    if (is_port || strcmp(flag, "-n") == 0) {
        if (!parse_number(value, is_port ? UINT16_MAX : INT32_MAX, &number)) {
            errbuf_set(err, "%s expects a number, not '%s'", flag, value);
            return status_of(ST_INVALID);
        }
        if (is_port)
            f->port = (uint16_t)number;
        else
            f->database = (uint32_t)number;
        return status_ok();
    }
    if (strcmp(flag, "-h") == 0 || strcmp(flag, "-s") == 0)
        f->address = value;
    else if (strcmp(flag, "-a") == 0 || strcmp(flag, "--pass") == 0)
        f->password = value;
    else if (strcmp(flag, "--user") == 0)
        f->user = value;
    else {
        errbuf_set(err, "there is no flag %s", flag);
        return status_of(ST_INVALID);
    }
    return status_ok();
}

struct status cli_flags_parse(struct cli_flags *f, int argc, char **argv, struct errbuf *err)
{
    int i = 1;

    *f = (struct cli_flags) { .address = "127.0.0.1",
                              .port = 6379,
                              .password = process_variable("REDISCLI_AUTH") };
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (take_switch(f, argv[i]))
            continue;
        if (i + 1 == argc) {
            errbuf_set(err, "there is no flag %s, or it lacks its value", argv[i]);
            return status_of(ST_INVALID);
        }
        TRY(take_value(f, argv[i], argv[i + 1], err));
        i++;
    }
    f->first_word = i;
    return status_ok();
}
