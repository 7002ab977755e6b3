/* SCAN, KEYS and RANDOMKEY over databases of known keys. */
#include "support/gateway.h"
#include "support/reply_reader.h"

#include <criterion/criterion.h>

#include "base/hash.h"

#include "resp/keys.h"
#include "resp/number.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEYS_MAX = 4000 };

/* How often each "key:N" was seen. */
struct seen {
    unsigned times[KEYS_MAX];
    size_t pages;
    size_t largest_page;
    uint64_t largest_cursor;
};

/* Ask for one page; returns the next cursor. */
static uint64_t scan_page(struct gateway *g, uint64_t cursor, const char *options,
                          struct seen *seen)
{
    char line[128];
    uint64_t next;

    (void)snprintf(line, sizeof line, "SCAN %llu %s", (unsigned long long)cursor, options);
    const char *text = gateway_ask(g, 0, line);
    struct bytes reply = bytes_of(text, g->out[0].size - 1);
    reply_take_container(&reply, '*', 2);
    struct reply_element e = reply_take(&reply);
    cr_assert(resp_int_parse(e.bytes, (int64_t *)&next));
    e = reply_take(&reply);
    cr_assert_eq(e.marker, '*');
    seen->pages++;
    if ((size_t)e.number > seen->largest_page)
        seen->largest_page = (size_t)e.number;
    if (next > seen->largest_cursor)
        seen->largest_cursor = next;
    for (int64_t i = e.number; i > 0; i--) {
        struct reply_element key = reply_take(&reply);
        int64_t number;
        cr_assert(bytes_has_prefix(key.bytes, bytes_str("key:")));
        cr_assert(resp_int_parse(bytes_skip(key.bytes, 4), &number) && number < KEYS_MAX);
        seen->times[number]++;
    }
    cr_assert_eq(reply.size, 0);
    return next;
}

static void scan_all(struct gateway *g, const char *options, struct seen *seen)
{
    uint64_t cursor = 0;

    memset(seen, 0, sizeof *seen);
    do {
        cursor = scan_page(g, cursor, options, seen);
        cr_assert_lt(seen->pages, 100000);
    } while (cursor != 0);
}

static void set_keys(struct gateway *g, size_t first, size_t end, const char *options)
{
    char line[128];

    for (size_t i = first; i < end; i++) {
        (void)snprintf(line, sizeof line, "SET key:%zu value %s", i, options);
        cr_assert_str_eq(gateway_ask(g, 0, line), "+OK\r\n");
    }
}

Test(resp_scan, finds_every_key_once)
{
    static const char *const options[] = { "",          "COUNT 1",   "COUNT 7",
                                           "COUNT 100", "MATCH *:*", "TYPE string COUNT 1000" };
    struct gateway g;
    struct seen seen;

    gateway_open(&g);
    set_keys(&g, 0, 500, "");
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        scan_all(&g, options[i], &seen);
        for (size_t k = 0; k < 500; k++)
            cr_assert_eq(seen.times[k], 1, "'%s': key:%zu was seen %u times", options[i], k,
                         seen.times[k]);
        cr_assert_lt(seen.largest_cursor, UINT64_C(1) << 53);
    }
    scan_all(&g, "COUNT 7", &seen);
    cr_assert_leq(seen.largest_page, 7);
    g.store.is_cold = true;
    scan_all(&g, "COUNT 20", &seen);
    for (size_t k = 0; k < 500; k++)
        cr_assert_eq(seen.times[k], 1);
    gateway_close(&g);
}

/* What is there from the first page to the last is seen once, whatever comes and goes between. */
Test(resp_scan, keys_that_stay_are_seen_while_others_come_and_go)
{
    struct gateway g;
    struct seen seen = { 0 };
    uint64_t cursor = 0;
    uint64_t random = 3;
    char line[64];

    gateway_open(&g);
    set_keys(&g, 0, 300, "");
    set_keys(&g, 1000, 1300, "");
    do {
        cursor = scan_page(&g, cursor, "COUNT 5", &seen);
        for (int i = 0; i < 10; i++) {
            random = hash_u64(random + 1);
            (void)snprintf(line, sizeof line, random & 1 ? "SET key:%u x" : "DEL key:%u",
                           (unsigned)(1000 + random / 2 % 1000));
            (void)gateway_ask(&g, 0, line);
        }
    } while (cursor != 0);
    for (size_t k = 0; k < 300; k++)
        cr_assert_eq(seen.times[k], 1, "key:%zu was seen %u times", k, seen.times[k]);
    gateway_close(&g);
}

/* Other databases, long strings and expiry rows lie between; a page ends after so many seeks. */
Test(resp_scan, steps_over_what_lies_between)
{
    struct gateway g;
    struct seen seen;

    gateway_open(&g);
    set_keys(&g, 0, 20, "EX 1000");
    (void)gateway_ask(&g, 0, "SETRANGE key:20 200000 x");
    (void)gateway_ask(&g, 0, "SELECT 1");
    set_keys(&g, 0, 2000, "EX 1000");
    (void)gateway_ask(&g, 0, "SELECT 2");
    set_keys(&g, 100, 103, "");
    (void)gateway_ask(&g, 0, "SELECT 0");
    scan_all(&g, "", &seen);
    for (size_t k = 0; k < KEYS_MAX; k++)
        cr_assert_eq(seen.times[k], k <= 20);
    (void)gateway_ask(&g, 0, "SELECT 2");
    scan_all(&g, "", &seen);
    for (size_t k = 0; k < KEYS_MAX; k++)
        cr_assert_eq(seen.times[k], k >= 100 && k < 103);
    cr_assert_gt(seen.pages, 10, "a page may be empty, but not long in coming");
    cr_assert_str_eq(gateway_ask(&g, 0, "KEYS *:101"), "*1\r\n$7\r\nkey:101\r\n");
    gateway_close(&g);
}

Test(resp_scan, dead_keys_are_not_shown)
{
    struct gateway g;
    struct seen seen;

    gateway_open(&g);
    set_keys(&g, 0, 10, "PX 5");
    set_keys(&g, 10, 20, "PX 50");
    g.store.now_ms += 6;
    scan_all(&g, "", &seen);
    for (size_t k = 0; k < 20; k++)
        cr_assert_eq(seen.times[k], k >= 10);
    cr_assert_str_eq(gateway_ask(&g, 0, "KEYS key:?"), "*0\r\n");
    g.store.now_ms += 50;
    cr_assert_str_eq(gateway_ask(&g, 0, "RANDOMKEY"), "$-1\r\n");
    gateway_close(&g);
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : 1;
}

/* Two keys of one slot whose hashes are the same: a page that ends with one has the other too. */
Test(resp_scan, keys_at_one_position_come_together)
{
    enum { TRIED = 400000 };
    static uint64_t hashes[TRIED]; /* Hash, and the number of the key below it. */
    struct gateway g;
    char key[32];
    char line[128];

    gateway_open(&g);
    for (uint64_t i = 0; i < TRIED; i++) {
        (void)snprintf(key, sizeof key, "{t}%llu", (unsigned long long)i);
        uint64_t seed = g.store.store.ops->hash_seed(&g.store.store);
        hashes[i] = (uint64_t)resp_place_of(bytes_str(key), 1, seed).hash << 32 | i;
    }
    qsort(hashes, TRIED, sizeof hashes[0], compare_numbers);
    size_t twin = 0;
    while (twin + 1 < TRIED && hashes[twin] >> 32 != hashes[twin + 1] >> 32)
        twin++;
    cr_assert_lt(twin + 1, TRIED, "no two keys share a hash");
    for (size_t i = twin; i <= twin + 1; i++) {
        (void)snprintf(line, sizeof line, "SET {t}%u x", (unsigned)hashes[i]);
        cr_assert_str_eq(gateway_ask(&g, 0, line), "+OK\r\n");
    }
    const char *text = gateway_ask(&g, 0, "SCAN 0 COUNT 1");
    struct bytes reply = bytes_of(text, g.out[0].size - 1);
    reply_take_container(&reply, '*', 2);
    reply_take_string(&reply, "0");
    reply_take_container(&reply, '*', 2);
    gateway_close(&g);
}

Test(resp_scan, random_keys_are_keys_and_all_of_them_in_time)
{
    struct gateway g;
    unsigned seen = 0;

    gateway_open(&g);
    set_keys(&g, 0, 8, "");
    for (int i = 0; i < 2000; i++) {
        const char *text = gateway_ask(&g, 0, "RANDOMKEY");
        cr_assert_eq(strlen(text), strlen("$5\r\nkey:0\r\n"));
        seen |= 1u << (text[8] - '0');
    }
    cr_assert_eq(seen, 0xff);
    g.store.is_cold = true;
    for (int i = 0; i < 50; i++)
        cr_assert_eq(gateway_ask(&g, 0, "RANDOMKEY")[0], '$');
    gateway_close(&g);
}

/* A KEYS that waits for a read when its client goes leaves nothing open: the gateway's close sees
 * to that. */
Test(resp_scan, a_client_that_leaves_while_it_waits)
{
    struct gateway g;
    char request[] = "KEYS *\r\n";
    struct buf *out = &g.out[0];

    gateway_open(&g);
    set_keys(&g, 0, 5, "");
    g.store.is_cold = true;
    cr_assert_eq(resp_session_parse(g.clients[0], (uint8_t *)request, sizeof request - 1, out),
                 RESP_PARSE_REQUEST);
    for (int i = 0; i < 3; i++) {
        map_store_begin(&g.store);
        cr_assert_eq(resp_session_run(g.clients[0], &g.store.store, false, out).code, ST_AGAIN);
        map_store_drop(&g.store);
    }
    cr_assert_eq(g.store.open_cursors, 1);
    gateway_close(&g);
}
