/* Names of hosts, as far as they are the same everywhere. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/resolve.h"
#include "tests/support/must.h"

Test(base_resolve, a_numeric_address_is_its_own)
{
    static const char *const TEXTS[] = { "127.0.0.1", "10.1.2.3", "255.255.255.255", "::1",
                                         "2001:db8::7" };
    struct resolve_addresses a;

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        MUST(resolve_host(TEXTS[i], NULL, &a));
        cr_assert_eq(a.count, 1);
        cr_assert_str_eq(a.text[0], TEXTS[i]);
    }
}

Test(base_resolve, this_machine_has_a_name)
{
    struct resolve_addresses a;

    MUST(resolve_host("localhost", NULL, &a));
    cr_assert(strcmp(a.text[0], "127.0.0.1") == 0 || strcmp(a.text[0], "::1") == 0, "%s",
              a.text[0]);
}

/* No label of a name is so long: no name server is asked. */
Test(base_resolve, what_is_no_name_has_no_address)
{
    char name[300];
    struct errbuf err = { "" };
    struct resolve_addresses a = { .count = 7 };

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    MUST_BE(resolve_host(name, &err, &a), ST_NOT_FOUND);
    cr_assert_neq(err.text[0], '\0');
    MUST_BE(resolve_host("", &err, &a), ST_NOT_FOUND);
    cr_assert_eq(a.count, 7);
}
