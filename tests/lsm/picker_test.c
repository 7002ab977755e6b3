/*
 * What the picker picks, from versions made by hand: files with ranges of keys and sizes, no
 * tables.
 */
#include "lsm/picker.h"

#include "tests/support/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

static const struct lsm_options options = {
    .l0_compact = 4,
    .level_base_size = 4 * MIB,
    .level_fanout = 10,
    .space_amp_target = 1.25,
};

/* ---- Versions ----------------------------------------------------------------------------- */

/* Keys are single letters: "am" is a file with keys from a to m. */
struct given {
    uint32_t level;
    const char *range;
    uint64_t id;
    uint64_t size;
    uint64_t deletes;
};

struct made {
    struct lsm_reaper reaper;
    struct lsm_version *version;
};

static struct lsm_file *make_file(struct made *m, const struct given *g)
{
    struct lsm_file *f = calloc(1, sizeof *f);
    const struct lsm_table_meta meta = { .id = g->id,
                                         .file_size = g->size,
                                         .smallest = bytes_of(g->range, 1),
                                         .largest = bytes_of(g->range + 1, 1),
                                         .version_max = g->id,
                                         .delete_count = g->deletes };

    cr_assert_not_null(f);
    MUST(lsm_table_meta_copy(&meta, m->reaper.alloc, &f->meta));
    atomic_init(&f->refs, 1);
    f->reaper = &m->reaper;
    return f;
}

static void make(struct made *m, const struct given *files, size_t count)
{
    struct lsm_version *empty;
    struct lsm_edit edit;

    *m = (struct made) { .reaper = { .alloc = alloc_heap() } };
    MUST(lsm_version_create_empty(&m->reaper, &empty));
    lsm_edit_init(&edit, m->reaper.alloc);
    for (size_t i = 0; i < count; i++)
        MUST(lsm_edit_add(&edit, files[i].level, make_file(m, &files[i])));
    MUST(lsm_version_apply(empty, &edit, &m->version));
    lsm_edit_deinit(&edit);
    lsm_version_unref(empty);
}
#define MAKE(m, files) make((m), (files), sizeof(files) / sizeof *(files))

static void unmake(struct made *m)
{
    lsm_version_unref(m->version);
    struct lsm_file *f = atomic_load(&m->reaper.dead_files);
    while (f != NULL) {
        struct lsm_file *next = f->next_dead;
        lsm_table_meta_deinit(&f->meta, m->reaper.alloc);
        free(f);
        f = next;
    }
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t x = (*(struct lsm_file *const *)a)->meta.id;
    const uint64_t y = (*(struct lsm_file *const *)b)->meta.id;
    return x < y ? -1 : x > y;
}

static void append_ids(struct lsm_file **files, uint32_t count, char *text)
{
    if (count > 0)
        qsort(files, count, sizeof(struct lsm_file *), compare_ids);
    for (uint32_t i = 0; i < count; i++)
        (void)snprintf(text + strlen(text), 16, " %d", (int)files[i]->meta.id);
}

/* "0: 1 2 > 6: 7 8": the upper inputs and the lower ones, by id; "move ..." if it is one. */
static void describe(struct lsm_compaction *c, char *text)
{
    (void)snprintf(text, 64, "%s%u:", c->is_move ? "move " : "", c->level);
    append_ids(c->upper, c->upper_count, text);
    (void)snprintf(text + strlen(text), 16, " > %u:", c->output_level);
    append_ids(c->lower, c->lower_count, text);
    lsm_compaction_deinit(c, alloc_heap());
}

static void check_pick(const struct made *m, const char *expected)
{
    struct lsm_compaction c;
    char text[512] = "nothing";
    struct status s = lsm_pick(m->version, &options, alloc_heap(), &c);

    if (s.code != ST_NOT_FOUND) {
        MUST(s);
        describe(&c, text);
    }
    cr_assert_str_eq(text, expected);
}

/* ---- L0 ----------------------------------------------------------------------------------- */

Test(lsm_picker, l0_rests_until_it_has_enough_files)
{
    const struct given files[] = { { 0, "az", 1, MIB, 0 },
                                   { 0, "az", 2, MIB, 0 },
                                   { 0, "az", 3, MIB, 0 },
                                   { 6, "az", 9, MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "nothing");
    unmake(&m);
}

Test(lsm_picker, l0_files_that_overlap_go_together_with_what_lies_below)
{
    const struct given files[] = { { 0, "az", 1, MIB, 0 }, { 0, "bz", 2, MIB, 0 },
                                   { 0, "am", 3, MIB, 0 }, { 0, "cd", 4, MIB, 0 },
                                   { 6, "ab", 7, MIB, 0 }, { 6, "xz", 8, MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "0: 1 2 3 4 > 6: 7 8");
    unmake(&m);
}

/* The next one is picked when this one has moved. */
Test(lsm_picker, l0_files_with_keys_of_their_own_move)
{
    const struct given files[] = { { 0, "ac", 1, MIB, 0 },
                                   { 0, "df", 2, MIB, 0 },
                                   { 0, "gi", 3, MIB, 0 },
                                   { 0, "jl", 4, MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "move 0: 1 > 6:");
    unmake(&m);
}

/* 1 meets 3, and 3 meets 4; 2 meets none of them. */
Test(lsm_picker, a_group_of_l0_is_closed)
{
    const struct given files[] = { { 0, "ac", 1, MIB, 0 },
                                   { 0, "xz", 2, MIB, 0 },
                                   { 0, "be", 3, MIB, 0 },
                                   { 0, "eg", 4, MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "0: 1 3 4 > 6:");
    unmake(&m);
}

/* Never an older one above a newer one with its keys: what is left are the newest. */
Test(lsm_picker, a_long_group_is_worked_off_from_the_oldest)
{
    struct given files[20];
    struct made m;

    for (unsigned i = 0; i < 20; i++)
        files[i] = (struct given) { 0, "az", i + 1, 2 * MIB, 0 };
    MAKE(&m, files);
    check_pick(&m, "0: 1 2 3 4 5 6 7 8 > 6:");
    unmake(&m);
}

/* ---- Levels ------------------------------------------------------------------------------- */

Test(lsm_picker, the_base_rises_with_the_data)
{
    const struct given files[] = { { 6, "az", 1, 100 * (uint64_t)MIB, 0 } };
    struct lsm_level_targets t;
    struct made m;

    MAKE(&m, files);
    lsm_level_targets(m.version, &options, &t);
    cr_assert_eq(t.base, 4);
    cr_assert_eq(t.bytes[6], 100 * (uint64_t)MIB);
    cr_assert_eq(t.bytes[5], 10 * (uint64_t)MIB);
    cr_assert_eq(t.bytes[4], options.level_base_size, "no level is less than the base size");
    unmake(&m);
}

/* Newer versions never lie below older ones: L0 stops at a level that holds something, however low
 * the base. */
Test(lsm_picker, l0_does_not_pass_a_level)
{
    const struct given files[] = {
        { 0, "az", 1, 1, 0 }, { 0, "az", 2, 1, 0 }, { 0, "az", 3, 1, 0 },
        { 0, "az", 4, 1, 0 }, { 0, "az", 5, 1, 0 }, { 0, "az", 6, 1, 0 },
        { 0, "az", 8, 1, 0 }, { 0, "az", 9, 1, 0 }, { 3, "mn", 7, 1, 0 }
    };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "0: 1 2 3 4 5 6 8 9 > 3: 7");
    unmake(&m);
}

Test(lsm_picker, a_level_gives_the_file_that_costs_least)
{
    const struct given files[] = { { 5, "ac", 1, 10 * MIB, 0 },
                                   { 5, "df", 2, 10 * MIB, 0 },
                                   { 6, "ab", 3, 40 * MIB, 0 },
                                   { 6, "ce", 4, 40 * MIB, 0 },
                                   { 6, "gz", 5, 20 * MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "5: 2 > 6: 4");
    unmake(&m);
}

Test(lsm_picker, a_file_that_overlaps_nothing_moves)
{
    const struct given files[] = { { 5, "ac", 1, 10 * MIB, 0 },
                                   { 5, "xz", 2, 10 * MIB, 0 },
                                   { 6, "ab", 3, 40 * MIB, 0 },
                                   { 6, "ce", 4, 40 * MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    check_pick(&m, "move 5: 2 > 6:");
    unmake(&m);
}

Test(lsm_picker, busy_files_are_left_alone)
{
    const struct given files[] = { { 5, "ac", 1, 10 * MIB, 0 },
                                   { 5, "df", 2, 10 * MIB, 0 },
                                   { 6, "ab", 3, 40 * MIB, 0 },
                                   { 6, "ef", 4, 40 * MIB, 0 } };
    struct made m;
    MAKE(&m, files);
    m.version->levels[6].fences[1].file->is_busy = true;
    check_pick(&m, "5: 1 > 6: 3");
    m.version->levels[5].fences[0].file->is_busy = true;
    check_pick(&m, "nothing");
    unmake(&m);
}

/* ---- Requests ----------------------------------------------------------------------------- */

/* A request goes down level by level; the bottom is merged with itself once, if that can help. */
Test(lsm_picker, a_request_ends_at_the_bottom)
{
    const struct given files[] = { { 5, "ac", 1, MIB, 0 },
                                   { 5, "xz", 2, MIB, 0 },
                                   { 6, "bd", 3, MIB, 0 },
                                   { 6, "ef", 4, MIB, 5 } };
    struct lsm_compact_request r = {
        .begin = (uint8_t *)"a", .begin_size = 1, .end = (uint8_t *)"g", .end_size = 1
    };
    struct lsm_compaction c;
    char text[512];
    struct made m;

    MAKE(&m, files);
    MUST(lsm_pick_range(m.version, &options, alloc_heap(), &r, &c));
    describe(&c, text);
    cr_assert_str_eq(text, "5: 1 > 6: 3");
    r.level = 6; /* As if that were done. */
    MUST(lsm_pick_range(m.version, &options, alloc_heap(), &r, &c));
    describe(&c, text);
    cr_assert_str_eq(text, "6: 3 4 > 6:");
    MUST_BE(lsm_pick_range(m.version, &options, alloc_heap(), &r, &c), ST_NOT_FOUND);
    unmake(&m);
}

/* ---- What lies below ---------------------------------------------------------------------- */

Test(lsm_picker, knows_what_may_lie_below)
{
    const struct given files[] = { { 4, "ac", 1, MIB, 0 }, { 6, "fh", 2, MIB, 0 } };
    struct bytes none = bytes_of(NULL, 0);
    struct made m;

    MAKE(&m, files);
    const struct lsm_version *v = m.version;
    cr_assert(lsm_version_may_lie_below(v, 0, bytes_str("b"), none));
    cr_assert_not(lsm_version_may_lie_below(v, 4, bytes_str("b"), none));
    cr_assert_not(lsm_version_may_lie_below(v, 0, bytes_str("d"), bytes_str("e")));
    cr_assert(lsm_version_may_lie_below(v, 4, bytes_str("d"), bytes_str("f")));
    cr_assert(lsm_version_may_lie_below(v, 5, bytes_str("h"), none));
    cr_assert_not(lsm_version_may_lie_below(v, 5, bytes_str("i"), bytes_str("z")));
    unmake(&m);
}
