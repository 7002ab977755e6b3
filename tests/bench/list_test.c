#include "bench/list.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bench_list, gives_names_and_their_times_in_order)
{
    const char *at = "fillseq,readrandom[X3],,readseq[W2],seekrandom[X5-W1]";
    static const struct {
        const char *name;
        unsigned repeats;
        unsigned warmups;
    } EXPECTED[] = { { "fillseq", 1, 0 },
                     { "readrandom", 3, 0 },
                     { NULL, 1, 0 },
                     { "readseq", 1, 2 },
                     { "seekrandom", 5, 1 } };
    struct errbuf err;
    struct list_item item;

    for (size_t i = 0; i < 5; i++) {
        cr_assert(succeeded(list_next(&at, &err, &item)), "%zu", i);
        if (EXPECTED[i].name == NULL)
            cr_assert(item.benchmark == NULL);
        else
            cr_assert_str_eq(item.benchmark->name, EXPECTED[i].name);
        cr_assert_eq(item.repeats, EXPECTED[i].repeats);
        cr_assert_eq(item.warmups, EXPECTED[i].warmups);
    }
    cr_assert_str_eq(at, "");
}

Test(bench_list, refuses_what_it_does_not_understand)
{
    static const char *const BAD[] = { "readrandom[Y3]",   "readrandom[X0]", "readrandom[X3",
                                       "readrandom[X3W1]", "readrandom[X]",  "readrandon" };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *at = BAD[i];
        struct errbuf err = { .text = "" };
        struct list_item item;
        cr_assert_eq(list_next(&at, &err, &item).code, ST_INVALID, "%s was taken", BAD[i]);
        cr_assert(err.text[0] != '\0');
    }
}

Test(bench_list, an_unknown_benchmark_is_answered_with_those_meant_or_all)
{
    struct errbuf err;

    cr_assert(benchmark_find("fillrandm", &err) == NULL);
    cr_assert(strstr(err.text, "did you mean fillrandom") != NULL, "%s", err.text);
    cr_assert(benchmark_find("zzz", &err) == NULL);
    cr_assert(strstr(err.text, "there are fillseq fillbatch") != NULL, "%s", err.text);
}
