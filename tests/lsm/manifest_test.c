#include "support/table_fixture.h"

#include "base/crc32c.h"
#include "base/io_sim.h"

#include "lsm/manifest.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

enum { ID = 3 };
static const uint8_t uuid[16] = "manifest testing";
static const char path[] = "d/MANIFEST-00000003";

static void must(struct status s)
{
    cr_assert(succeeded(s), "%s from %s:%u", status_name(s.code), s.file, s.line);
}

/* ---- Edits ---------------------------------------------------------------------------------- */

static struct lsm_table_meta a_meta(uint64_t id, struct lsm_table_ref *refs)
{
    refs[0] = (struct lsm_table_ref) { .logical = 2, .live_values = 30, .live_bytes = 4000 };
    refs[1] = (struct lsm_table_ref) { .logical = 9, .live_values = 1, .live_bytes = 1u << 31 };
    return (struct lsm_table_meta) {
        .id = id,
        .file_size = 123456,
        .smallest = bytes_of("\0a\0b", 4),
        .largest = bytes_of("\0\xff\xff", 3),
        .largest_exclusive = true,
        .version_min = 5,
        .version_max = UINT64_MAX - 1,
        .entry_count = 1000,
        .delete_count = 20,
        .range_delete_count = 3,
        .key_bytes = 9999,
        .value_bytes = 77777,
        .digest = 0xfedcba9876543210,
        .footer_offset = 120000,
        .refs = refs,
        .ref_count = 2,
    };
}

static void add_table(struct lsm_edit *e, uint32_t level, uint64_t id)
{
    struct lsm_table_ref refs[2];
    const struct lsm_table_meta meta = a_meta(id, refs);
    struct lsm_file *f = alloc_zeroed(alloc_heap(), sizeof *f);
    atomic_init(&f->refs, 1);
    must(lsm_table_meta_copy(&meta, alloc_heap(), &f->meta));
    must(lsm_edit_add(e, level, f));
}

/* One of everything. */
static void make_full(struct lsm_edit *e)
{
    const struct vlog_file adopted = { .logical = 2,
                                       .physical = 2,
                                       .is_segment = true,
                                       .size_bytes = 65536,
                                       .value_count = 31,
                                       .value_bytes = 5000,
                                       .ordinal_end = 32 };
    const struct vlog_file rewritten = { .logical = 9,
                                         .physical = 14,
                                         .size_bytes = 8192,
                                         .value_count = 1,
                                         .value_bytes = 100,
                                         .ordinal_end = UINT32_MAX };
    lsm_edit_init(e, alloc_heap());
    add_table(e, 0, 12);
    add_table(e, 6, 13);
    must(lsm_edit_drop(e, 1, 7));
    must(lsm_edit_value_file(e, &adopted));
    must(lsm_edit_value_file(e, &rewritten));
    must(lsm_edit_drop_value(e, 8));
    must(lsm_edit_keyspace(e, 0, bytes_str("default"), false));
    must(lsm_edit_keyspace(e, LSM_KEYSPACE_MAX, bytes_str("gone"), true));
    e->groups[0] = (struct lsm_edit_group) { .group = 1, .index = 100, .term = 3 };
    e->groups[1] = (struct lsm_edit_group) { .group = 2, .index = UINT64_MAX, .term = 4 };
    e->group_count = 2;
    e->has_sidecar = true;
    e->sidecar = bytes_str("opaque");
    e->next_id = 15;
    e->clock_mark = UINT64_C(1) << 60;
    e->next_keyspace = 8;
    e->log_start = 11;
    e->flushed_lsn = 123456789;
    e->is_log_fresh = true;
}

static void encode(const struct lsm_edit *e, struct buf *out)
{
    buf_init(out, alloc_heap(), 1 << 20);
    lsm_edit_encode(e, out);
    cr_assert_not(out->is_failed);
}

static void expect_meta(const struct lsm_table_meta *got, const struct lsm_table_meta *want)
{
    cr_assert_eq(got->id, want->id);
    cr_assert_eq(got->file_size, want->file_size);
    cr_assert(bytes_equal(got->smallest, want->smallest));
    cr_assert(bytes_equal(got->largest, want->largest));
    cr_assert_eq(got->largest_exclusive, want->largest_exclusive);
    cr_assert_eq(got->version_min, want->version_min);
    cr_assert_eq(got->version_max, want->version_max);
    cr_assert_eq(got->entry_count, want->entry_count);
    cr_assert_eq(got->delete_count, want->delete_count);
    cr_assert_eq(got->range_delete_count, want->range_delete_count);
    cr_assert_eq(got->key_bytes, want->key_bytes);
    cr_assert_eq(got->value_bytes, want->value_bytes);
    cr_assert_eq(got->digest, want->digest);
    cr_assert_eq(got->footer_offset, want->footer_offset);
    cr_assert_eq(got->ref_count, want->ref_count);
    for (uint32_t i = 0; i < want->ref_count; i++) {
        cr_assert_eq(got->refs[i].logical, want->refs[i].logical);
        cr_assert_eq(got->refs[i].live_values, want->refs[i].live_values);
        cr_assert_eq(got->refs[i].live_bytes, want->refs[i].live_bytes);
    }
}

static void expect_full(const struct lsm_edit *e)
{
    struct lsm_table_ref refs[2];
    const struct lsm_table_meta meta = a_meta(13, refs);

    cr_assert_eq(e->added_count, 2);
    cr_assert_eq(e->added[1].level, 6);
    expect_meta(&e->added[1].file->meta, &meta);
    cr_assert(e->dropped_count == 1 && e->dropped[0].level == 1 && e->dropped[0].id == 7);
    cr_assert_eq(e->value_file_count, 2);
    cr_assert(e->value_files[0].is_segment && e->value_files[0].value_bytes == 5000);
    cr_assert(e->value_files[1].logical == 9 && e->value_files[1].physical == 14 &&
              !e->value_files[1].is_segment && e->value_files[1].size_bytes == 8192 &&
              e->value_files[1].value_count == 1 && e->value_files[1].ordinal_end == UINT32_MAX);
    cr_assert(e->dropped_value_count == 1 && e->dropped_values[0] == 8);
    cr_assert_eq(e->keyspace_count, 2);
    cr_assert(!e->keyspaces[0].is_drop && bytes_equal(e->keyspaces[0].name, bytes_str("default")));
    cr_assert(e->keyspaces[1].is_drop && e->keyspaces[1].id == LSM_KEYSPACE_MAX);
    cr_assert(e->group_count == 2 && e->groups[1].group == 2 && e->groups[1].index == UINT64_MAX &&
              e->groups[1].term == 4);
    cr_assert(e->has_sidecar && bytes_equal(e->sidecar, bytes_str("opaque")));
    cr_assert(e->next_id == 15 && e->clock_mark == UINT64_C(1) << 60 && e->next_keyspace == 8 &&
              e->log_start == 11 && e->flushed_lsn == 123456789 && e->is_log_fresh);
}

Test(lsm_manifest, every_field_makes_the_round_trip)
{
    struct lsm_edit e;
    struct lsm_edit back;
    struct buf bytes;

    make_full(&e);
    encode(&e, &bytes);
    must(lsm_edit_decode(buf_bytes(&bytes), alloc_heap(), &back));
    expect_full(&back);
    lsm_edit_deinit(&back);
    lsm_edit_deinit(&e);
    buf_deinit(&bytes);
}

/* docs/format/manifest.md */
Test(lsm_manifest, example_of_the_format)
{
    struct lsm_edit e;
    struct buf bytes;
    lsm_edit_init(&e, alloc_heap());
    must(lsm_edit_drop(&e, 1, 7));
    encode(&e, &bytes);
    cr_assert(bytes_equal(buf_bytes(&bytes), bytes_of("\x02\x01\x07", 3)));
    lsm_edit_deinit(&e);
    buf_deinit(&bytes);
}

Test(lsm_manifest, a_cut_edit_is_corrupt_or_a_shorter_one)
{
    struct lsm_edit e;
    struct lsm_edit back;
    struct buf bytes;
    int shorter = 0;

    make_full(&e);
    encode(&e, &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, bytes.data, size);
        copy = realloc(copy, size == 0 ? 1 : size);
        struct status s = lsm_edit_decode(bytes_of(copy, size), alloc_heap(), &back);
        cr_assert(succeeded(s) || s.code == ST_CORRUPT);
        shorter += succeeded(s);
        lsm_edit_deinit(&back);
        free(copy);
    }
    cr_assert_eq(shorter, 15); /* Between any two of its fields. */
    lsm_edit_deinit(&e);
    buf_deinit(&bytes);
}

Test(lsm_manifest, an_unknown_field_is_unsupported)
{
    for (uint8_t tag = 13; tag < 128; tag++) {
        struct lsm_edit e;
        const uint8_t bytes[] = { 2, 1, 7, tag, 1 };
        cr_assert_eq(lsm_edit_decode(bytes_of(bytes, sizeof bytes), alloc_heap(), &e).code,
                     ST_UNSUPPORTED);
        lsm_edit_deinit(&e);
    }
}

Test(lsm_manifest, any_failed_allocation_leaves_nothing)
{
    struct lsm_edit e;
    struct buf bytes;
    make_full(&e);
    encode(&e, &bytes);
    for (uint64_t fail_at = 1;; fail_at++) {
        struct alloc_test alloc;
        struct lsm_edit back;
        alloc_test_init(&alloc);
        alloc.fail_at = fail_at;
        struct status s = lsm_edit_decode(buf_bytes(&bytes), &alloc.alloc, &back);
        cr_assert(succeeded(s) || s.code == ST_NO_MEMORY);
        lsm_edit_deinit(&back);
        cr_assert_eq(alloc.live_bytes, 0);
        if (succeeded(s))
            break;
    }
    lsm_edit_deinit(&e);
    buf_deinit(&bytes);
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* A manifest of a full snapshot and two edits, and what reading it says. */
struct fixture {
    struct table_fixture x;
    struct lsm_manifest *manifest;
};

struct seen {
    uint32_t edits;
    uint64_t next_ids[8];
};

static struct status see(void *context, struct lsm_edit *e)
{
    struct seen *s = context;
    if (s->edits < 8)
        s->next_ids[s->edits] = e->next_id;
    s->edits++;
    return status_ok();
}

static void append(struct fixture *f, uint64_t next_id)
{
    struct lsm_edit e;
    lsm_edit_init(&e, alloc_heap());
    e.next_id = next_id;
    must(lsm_edit_drop(&e, 0, next_id));
    must(lsm_manifest_append(f->manifest, f->x.ring, &e));
    lsm_edit_deinit(&e);
}

static void init(struct fixture *f)
{
    struct lsm_edit e;
    table_fixture_init(&f->x, 1 << 20);
    must(io_sync_dir(f->x.env.io, "."));
    make_full(&e);
    must(lsm_manifest_create(&f->x.env, f->x.ring, "d", ID, uuid, &e, &f->manifest));
    lsm_edit_deinit(&e);
    append(f, 16);
    append(f, 17);
}

static void deinit(struct fixture *f)
{
    lsm_manifest_close(f->manifest, f->x.ring);
    table_fixture_deinit(&f->x);
}

static struct status read_all(struct table_fixture *x, struct seen *seen, struct errbuf *err)
{
    struct lsm_manifest_head head;
    *seen = (struct seen) { 0 };
    *err = (struct errbuf) { .text = "" };
    struct status s = lsm_manifest_read(&x->env, x->ring, "d", err, see, seen, &head);
    if (succeeded(s)) {
        cr_assert_eq(head.id, ID);
        cr_assert_eq(memcmp(head.uuid, uuid, 16), 0);
    }
    return s;
}

Test(lsm_manifest, what_was_appended_is_read_in_order)
{
    struct fixture f;
    struct seen seen;
    struct errbuf err;
    init(&f);
    must(read_all(&f.x, &seen, &err));
    cr_assert_eq(seen.edits, 3);
    cr_assert(seen.next_ids[0] == 15 && seen.next_ids[1] == 16 && seen.next_ids[2] == 17);
    deinit(&f);
}

/* The room ahead is zeros; without it the many readings below are quick. */
static uint64_t trim(struct fixture *f)
{
    uint64_t size = lsm_manifest_size(f->manifest);
    cr_assert(io_sim_resize(f->x.sim, path, size));
    return size;
}

/* Every edit was sealed, so no flip is taken for a torn tail: it is reported, with words, or it was
 * in padding or in the last seal and nothing is lost. */
Test(lsm_manifest, any_flipped_bit_is_reported_or_changes_nothing)
{
    struct fixture f;
    struct seen seen;
    struct errbuf err;
    uint64_t harmless = 0;

    init(&f);
    uint64_t size = trim(&f);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        cr_assert(io_sim_flip(f.x.sim, path, bit));
        struct status s = read_all(&f.x, &seen, &err);
        if (failed(s)) {
            cr_assert_eq(s.code, ST_CORRUPT, "bit %llu", (unsigned long long)bit);
            cr_assert_neq(err.text[0], '\0');
        } else {
            cr_assert_eq(seen.edits, 3, "bit %llu", (unsigned long long)bit);
            cr_assert_eq(seen.next_ids[2], 17);
            harmless++;
        }
        cr_assert(io_sim_flip(f.x.sim, path, bit));
    }
    cr_assert_leq(harmless, (24 + 3 * 7) * 8); /* The last seal, and padding. */
    deinit(&f);
}

/* A file cut short has a beginning of the edits, or is refused. */
Test(lsm_manifest, truncation_is_a_torn_tail_from_the_snapshot_on)
{
    struct fixture f;
    struct seen seen;
    struct errbuf err;
    uint32_t edits = 3;

    init(&f);
    for (uint64_t size = trim(&f); size > 0; size--) {
        cr_assert(io_sim_resize(f.x.sim, path, size - 1));
        struct status s = read_all(&f.x, &seen, &err);
        if (succeeded(s)) {
            cr_assert(seen.edits == edits || seen.edits + 1 == edits);
            edits = seen.edits;
            cr_assert_geq(edits, 1);
            cr_assert_geq(size - 1, 64 + 24);
        } else {
            cr_assert_eq(s.code, ST_CORRUPT);
            cr_assert_lt(size - 1, 64 + lsm_manifest_snapshot_size(f.manifest));
        }
    }
    cr_assert_eq(edits, 1);
    deinit(&f);
}

/* The window docs/promises.md names: an edit whose seal is not there, and its own bytes not. */
Test(lsm_manifest, an_unsealed_edit_may_be_torn)
{
    struct fixture f;
    struct seen seen;
    struct errbuf err;
    init(&f);
    uint64_t size = trim(&f);
    cr_assert(io_sim_resize(f.x.sim, path, size - 24));
    cr_assert(io_sim_flip(f.x.sim, path, (size - 24 - 8) * 8));
    must(read_all(&f.x, &seen, &err));
    cr_assert_eq(seen.edits, 2);
    deinit(&f);
}

/* Write a record, or the header, anew with a good checksum. */
static void poke_u32(struct fixture *f, uint64_t at, uint32_t value)
{
    uint8_t bytes[4];
    put_u32(bytes, value);
    cr_assert(io_sim_poke(f->x.sim, path, at, bytes_of(bytes, 4)));
}

Test(lsm_manifest, what_a_newer_varve_wrote_is_unsupported)
{
    static const uint64_t fields[] = { 8, 12 };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct seen seen;
        struct errbuf err;
        uint8_t header[64];
        init(&f);
        poke_u32(&f, fields[i], 2);
        cr_assert(io_sim_peek(f.x.sim, path, 0, header, sizeof header));
        poke_u32(&f, 60, crc32c_salted(ID, header, 60));
        cr_assert_eq(read_all(&f.x, &seen, &err).code, ST_UNSUPPORTED);
        cr_assert_not_null(strstr(err.text, "version"));
        deinit(&f);
    }
}

Test(lsm_manifest, a_record_of_unknown_type_is_unsupported)
{
    struct fixture f;
    struct seen seen;
    struct errbuf err;
    uint8_t seal[24];
    init(&f);
    uint64_t at = lsm_manifest_size(f.manifest) - 24;
    poke_u32(&f, at + 8, 9);
    cr_assert(io_sim_peek(f.x.sim, path, at, seal, sizeof seal));
    poke_u32(&f, at, crc32c_salted((uint64_t)ID << 32 ^ at, seal + 4, 20));
    cr_assert_eq(read_all(&f.x, &seen, &err).code, ST_UNSUPPORTED);
    cr_assert_not_null(strstr(err.text, "type 9"));
    deinit(&f);
}

Test(lsm_manifest, a_failed_write_or_sync_is_never_followed_by_another)
{
    for (unsigned class = IO_SIM_WRITE; class <= IO_SIM_SYNC; class <<= 1) {
        struct fixture f;
        struct lsm_edit e;
        init(&f);
        lsm_edit_init(&e, alloc_heap());
        e.next_id = 20;
        io_sim_set_fault(f.x.sim, &(struct io_sim_fault) { .classes = class, .at = 1 });
        cr_assert_eq(lsm_manifest_append(f.manifest, f.x.ring, &e).code, ST_IO);
        io_sim_set_fault(f.x.sim, NULL);
        cr_assert_eq(lsm_manifest_append(f.manifest, f.x.ring, &e).code, ST_FAILED);
        lsm_edit_deinit(&e);
        deinit(&f);
    }
}

/* ---- The next manifest ---------------------------------------------------------------------- */

static struct status see_id(void *context, struct lsm_edit *e)
{
    *(uint64_t *)context = e->next_id;
    return status_ok();
}

/* Any call of a change of manifests fails, and power goes: one of the two is in force, whole. */
Test(lsm_manifest, whatever_fails_current_names_a_manifest)
{
    for (uint64_t at = 1;; at++) {
        struct fixture f;
        struct lsm_edit e;
        struct lsm_manifest *next = NULL;

        init(&f);
        make_full(&e);
        e.next_id = 99;
        io_sim_set_fault(f.x.sim,
                         &(struct io_sim_fault) { .classes = IO_SIM_ALL & ~IO_SIM_OPEN, .at = at });
        struct status s = lsm_manifest_create(&f.x.env, f.x.ring, "d", ID + 1, uuid, &e, &next);
        bool has_failed = io_sim_faults_fired(f.x.sim) > 0;
        io_sim_set_fault(f.x.sim, NULL);
        for (int keep = IO_SIM_KEEP_NONE; keep <= IO_SIM_KEEP_ALL; keep++) {
            const struct io_sim_choice choice = { .keep = (enum io_sim_keep)keep };
            struct table_fixture after = { .sim = io_sim_crash(f.x.sim, &choice, NULL) };
            struct lsm_manifest_head head;
            struct errbuf err = { .text = "" };
            uint64_t last = 0;
            after.env = f.x.env;
            after.env.io = io_sim_io(after.sim);
            after.env.clock = io_sim_clock(after.sim);
            must(io_ring_create(after.env.io, NULL, &after.ring));
            struct status r =
                lsm_manifest_read(&after.env, after.ring, "d", &err, see_id, &last, &head);
            cr_assert(succeeded(r), "call %llu, keep %d: %s", (unsigned long long)at, keep,
                      err.text);
            cr_assert_eq(last, head.id == ID ? 17 : 99);
            if (succeeded(s))
                cr_assert_eq(head.id, ID + 1);
            io_ring_destroy(after.ring);
            io_sim_destroy(after.sim);
        }
        lsm_manifest_close(next, f.x.ring);
        lsm_edit_deinit(&e);
        deinit(&f);
        if (!has_failed)
            break;
    }
}
