#include "bench/flags.h"

#include <criterion/criterion.h>
#include <string.h>

static struct flags flags;
static struct errbuf err;

static void set_up(void)
{
    flags_init(&flags);
    err.text[0] = '\0';
}

TestSuite(bench_flags, .init = set_up);

static struct status parse(const char *argument)
{
    char *argv[] = { "bench", (char *)argument };

    return flags_parse(&flags, 2, argv, &err);
}

static void assert_refused(const char *argument, const char *words)
{
    cr_assert_eq(parse(argument).code, ST_INVALID, "%s was taken", argument);
    cr_assert(strstr(err.text, words) != NULL, "%s: \"%s\" does not say \"%s\"", argument, err.text,
              words);
}

Test(bench_flags, have_db_benchs_defaults)
{
    cr_assert_eq(flags.num, 1000000);
    cr_assert_eq(flags.key_size, 16);
    cr_assert_eq(flags.value_size, 100);
    cr_assert_eq(flags.cache_size, 33554432);
    cr_assert_eq(flags.reads, -1);
    cr_assert_eq(flags.threads, 1);
    cr_assert(flags.verify);
    cr_assert(!flags.is_given[FLAG_num]);
}

Test(bench_flags, are_parsed_as_gflags_does)
{
    cr_assert(succeeded(parse("--num=5")));
    cr_assert(succeeded(parse("-value_size=7")));
    cr_assert(succeeded(parse("--compression_ratio=0.25")));
    cr_assert(succeeded(parse("--db=/a=b")));
    cr_assert(succeeded(parse("--histogram")));
    cr_assert(succeeded(parse("--noverify")));
    cr_assert(succeeded(parse("--sync=1")));
    cr_assert(succeeded(parse("--cache_index_and_filter_blocks=false")));
    cr_assert_eq(flags.num, 5);
    cr_assert_eq(flags.value_size, 7);
    cr_assert_float_eq(flags.compression_ratio, 0.25, 1e-12);
    cr_assert_str_eq(flags.db, "/a=b");
    cr_assert(flags.histogram && !flags.verify && flags.sync);
    cr_assert(flags.is_given[FLAG_num] && flags.is_given[FLAG_verify]);
    cr_assert(flags.is_given[FLAG_cache_index_and_filter_blocks]);
}

Test(bench_flags, a_misspelt_name_is_refused_with_those_meant)
{
    assert_refused("--nun=3", "did you mean --num?");
    assert_refused("--value_sise=3", "--value_size");
    assert_refused("--histgram", "--histogram");
    assert_refused("--compaction_style=1", "unknown flag --compaction_style");
    assert_refused("--novalue_size", "unknown flag");
    assert_refused("num=3", "is not a flag");
    assert_refused("--", "unknown flag");
}

Test(bench_flags, a_bad_value_is_refused_with_the_range)
{
    assert_refused("--num=x", "expected a number from 1 to");
    assert_refused("--num=0", "expected a number");
    assert_refused("--num=5k", "expected a number");
    assert_refused("--num=", "expected a number");
    assert_refused("--num", "needs a value");
    assert_refused("--key_size=2000", "from 4 to 1024");
    assert_refused("--num=99999999999999999999", "expected a number");
    assert_refused("--compression_ratio=1.5", "from 0 to 1");
    assert_refused("--sync=maybe", "expected true or false");
    cr_assert_eq(flags.num, 1000000, "a refused value was kept");
}

/* A flag an engine does not honour is an error, not a wish. */
Test(bench_flags, of_another_engine_are_refused)
{
    static const enum flag_id HONOURED[] = { FLAG_sync, FLAG_cache_size };

    cr_assert(succeeded(parse("--cache_size=1000")));
    cr_assert(succeeded(parse("--num=3")));
    cr_assert(succeeded(flags_check_engine(&flags, "e", HONOURED, 2, &err)));
    cr_assert(succeeded(parse("--bloom_bits=5")));
    cr_assert_eq(flags_check_engine(&flags, "e", HONOURED, 2, &err).code, ST_INVALID);
    cr_assert(strstr(err.text, "no --bloom_bits") != NULL, "%s", err.text);
    cr_assert(strstr(err.text, "--sync --cache_size") != NULL, "%s", err.text);
}
