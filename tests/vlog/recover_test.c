/*
 * Reading back a log that something happened to: torn tails are dropped, damage is reported and
 * never repaired by forgetting, and leftovers of one crash do not disturb the next recovery.
 */
#include "tests/support/must.h"
#include "tests/vlog/support/log_house.h"

#include "base/hash.h"

static const struct vlog_options durable = { .mode = VLOG_DURABLE, .segment_size = 64 * 1024 };
static const struct vlog_options relaxed = { .mode = VLOG_RELAXED, .segment_size = 64 * 1024 };
static const struct log_shape shape = { 200, 1, 700 };
enum { BATCH_SIZE = VLOG_BATCH_HEADER + VLOG_RECORD_HEADER + 200 + 712 }; /* Of one entry. */
static const struct io_sim_choice keep_none = { .keep = IO_SIM_KEEP_NONE };
static const struct io_sim_choice keep_all = { .keep = IO_SIM_KEEP_ALL };

static void append(struct log_house *h, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        MUST(log_fixture_append(&h->log, shape));
}

static void segment_path(uint64_t id, char path[static VLOG_NAME_MAX])
{
    vlog_name(id, VLOG_SEGMENT, path);
}

/* Where batch `lsn` begins: its segment's path, and the offset. */
static uint64_t find_batch(struct log_house *h, uint64_t lsn, char path[static VLOG_NAME_MAX])
{
    uint8_t header[VLOG_BATCH_HEADER];

    for (uint64_t id = 1; id < h->log.next_id; id++) {
        uint32_t seed = vlog_seed((const uint8_t *)"0123456789abcdef", id);
        segment_path(id, path);
        for (uint64_t at = VLOG_BLOCK; io_sim_peek(h->sim, path, at, header, sizeof header);
             at += VLOG_UNIT) {
            struct vlog_batch b;
            if (vlog_batch_read_header(bytes_of(header, sizeof header), seed, &b) && b.lsn == lsn)
                return at;
        }
    }
    cr_assert_fail("batch %lu is nowhere", (unsigned long)lsn);
    return 0;
}

/* Opening says CORRUPT, with words that name the file, and leaves every byte as it was. */
static void expect_corrupt(struct log_house *h, const char *words)
{
    struct io_sim_image *before = io_sim_crash_image(h->sim, &keep_all);
    struct status s = log_fixture_open(&h->log);

    cr_assert_eq(s.code, ST_CORRUPT, "%s: %s: %s", words, status_name(s.code), h->log.err.text);
    cr_assert_not_null(strstr(h->log.err.text, words), "\"%s\" is not in \"%s\"", words,
                       h->log.err.text);
    struct io_sim_image *after = io_sim_crash_image(h->sim, &keep_all);
    cr_assert_eq(io_sim_image_hash(before), io_sim_image_hash(after), "the disk was changed");
    io_sim_image_destroy(before);
    io_sim_image_destroy(after);
}

/* ---- Torn or corrupt --------------------------------------------------------------------------
 */

/* A durable batch that is damaged with a whole one behind it is corruption; so is one that a seal
 * knows. Damage to the last one, unsealed, is a torn tail. */
Test(vlog_recover, damage_is_corruption_unless_it_may_be_a_torn_tail)
{
    for (uint64_t lsn = 1; lsn <= 5; lsn++) {
        for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
            struct log_house h;
            char path[VLOG_NAME_MAX];
            log_house_init(&h, &durable, NULL);
            log_house_open(&h);
            append(&h, 5);
            if (is_sealed) {
                h.log.now_ns = UINT64_C(1000000000);
                log_fixture_settle(&h.log);
            }
            log_house_cut_power(&h, &keep_none);
            uint64_t at = find_batch(&h, lsn, path);
            cr_assert(io_sim_flip(h.sim, path, (at + VLOG_BATCH_HEADER + 50) * 8));
            if (lsn < 5 || is_sealed) {
                expect_corrupt(&h, path);
            } else {
                log_house_open(&h);
                cr_assert_eq(h.log.replayed_last, 4);
                struct vlog_stats stats;
                vlog_stats(h.log.log, &stats);
                cr_assert_eq(stats.torn_batches, 1);
            }
            log_house_deinit(&h);
        }
    }
}

/* After a clean close no bit may change unnoticed in anything that holds an entry. Method: flip
 * one in each byte near a block's front, and in every 61st behind it; open; compare. */
Test(vlog_recover, any_flipped_bit_is_reported_or_harmless)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        struct vlog_options options = mode == 0 ? durable : relaxed;
        options.segment_size = 32 * 1024;
        log_house_init(&h, &options, NULL);
        log_house_open(&h);
        append(&h, 3);
        log_house_reopen(&h); /* Two runs. */
        append(&h, 2);
        log_fixture_close(&h.log);
        struct io_sim_image *image = io_sim_crash_image(h.sim, &keep_all);
        uint64_t ids = h.log.next_id;
        uint64_t reported = 0;
        uint64_t harmless = 0;
        for (uint64_t id = 1; id < ids; id++) {
            char path[VLOG_NAME_MAX];
            uint8_t byte;
            segment_path(id, path);
            for (uint64_t at = 0; io_sim_peek(h.sim, path, at, &byte, 1);
                 at += at % VLOG_BLOCK < 1100 ? 1 : 61) {
                struct io_sim *damaged = io_sim_create(NULL, image);
                cr_assert(io_sim_flip(damaged, path, at * 8 + hash_u64(at) % 8));
                log_fixture_move(&h.log, io_sim_io(damaged), io_sim_clock(damaged));
                h.log.last_index = 5;
                struct status s = log_fixture_open(&h.log);
                if (failed(s)) {
                    cr_assert_eq(s.code, ST_CORRUPT, "%s at %lu: %s", path, (unsigned long)at,
                                 h.log.wrong.text);
                    cr_assert_not_null(strstr(h.log.err.text, "0000000"), "%s", h.log.err.text);
                    reported++;
                } else {
                    cr_assert_eq(h.log.replayed_first, 1);
                    cr_assert_eq(h.log.replayed_last, 5, "%s at %lu lost something", path,
                                 (unsigned long)at);
                    harmless++;
                }
                log_fixture_move(&h.log, io_sim_io(h.sim), io_sim_clock(h.sim));
                io_sim_destroy(damaged);
            }
        }
        cr_assert_gt(reported, 1500);
        cr_assert_gt(harmless, 0);
        io_sim_image_destroy(image);
        log_house_deinit(&h);
    }
}

/* The write of the last batch torn after every 8th byte: what was acknowledged before it is there,
 * it is there only whole, and the log goes on. */
Test(vlog_recover, a_torn_write_is_dropped_whole)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        log_house_init(&h, mode == 0 ? &durable : &relaxed, NULL);
        log_house_open(&h);
        append(&h, 4);
        log_fixture_close(&h.log); /* Durable in both modes; sealed. */
        log_house_open(&h);
        append(&h, 1);
        char path[VLOG_NAME_MAX];
        uint64_t at = find_batch(&h, vlog_written_lsn(h.log.log), path);
        struct io_sim_image *image = io_sim_crash_image(h.sim, &keep_all);
        for (uint64_t kept = 0; kept < BATCH_SIZE; kept += 8) {
            struct io_sim *torn = io_sim_create(NULL, image);
            uint8_t garbage[BATCH_SIZE];
            memset(garbage, 0xa5, sizeof garbage);
            cr_assert(io_sim_poke(torn, path, at + kept, bytes_of(garbage, BATCH_SIZE - kept)));
            log_fixture_move(&h.log, io_sim_io(torn), io_sim_clock(torn));
            h.log.last_index = 5;
            for (uint64_t again = 0; again < 2; again++) {
                log_house_open(&h);
                cr_assert_eq(h.log.replayed_last, 4 + again);
                append(&h, 1);
                log_fixture_close(&h.log);
            }
            log_fixture_move(&h.log, io_sim_io(h.sim), io_sim_clock(h.sim));
            io_sim_destroy(torn);
        }
        io_sim_image_destroy(image);
        log_house_deinit(&h);
    }
}

/* Relaxed mode, power cut: the kernel may have kept a later batch and lost an earlier one. What is
 * left is a prefix, and the later one never comes back. */
Test(vlog_recover, a_hole_in_a_relaxed_tail_ends_the_log)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct log_house h;
        log_house_init(&h, &relaxed, NULL);
        log_house_open(&h);
        append(&h, 20);
        MUST(vlog_barrier(h.log.log, h.log.ring, 10));
        append(&h, 150); /* Into the next segments. */
        for (uint64_t cut = 0; cut < 3; cut++) {
            struct io_sim_choice choice = { .keep = IO_SIM_KEEP_RANDOM,
                                            .seed = seed * 3 + cut,
                                            .grows = cut == 1,
                                            .has_garbage = cut == 2 };
            log_house_cut_power(&h, &choice);
            log_house_open(&h);
            cr_assert_geq(h.log.replayed_last, 10, "synced entries are lost");
            append(&h, 30);
        }
        log_house_reopen(&h);
        cr_assert_eq(h.log.replayed_last, h.log.last_index);
        log_house_deinit(&h);
    }
}

/* A barrier, or a clean close, makes relaxed batches durable, and says so: damage is corruption. */
Test(vlog_recover, damage_below_a_barrier_is_corruption)
{
    struct log_house h;
    char path[VLOG_NAME_MAX];
    log_house_init(&h, &relaxed, NULL);
    log_house_open(&h);
    append(&h, 10);
    MUST(vlog_barrier(h.log.log, h.log.ring, 10));
    append(&h, 1); /* Records it. */
    log_house_cut_power(&h, &keep_all);
    uint64_t at = find_batch(&h, 4, path);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    expect_corrupt(&h, path);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    log_house_open(&h);
    log_fixture_close(&h.log);
    at = find_batch(&h, 10, path);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    expect_corrupt(&h, path);
    log_house_deinit(&h);
}

/* ---- Runs -------------------------------------------------------------------------------------
 */

/* What an earlier open found good must be good for ever: damage to the last batch of an old run is
 * no torn tail any more. */
Test(vlog_recover, an_old_run_is_held_to_what_was_read_of_it)
{
    struct log_house h;
    char path[VLOG_NAME_MAX];
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    append(&h, 3);
    log_house_cut_power(&h, &keep_none);
    log_house_open(&h); /* Three are good; nothing is written. */
    log_house_cut_power(&h, &keep_none);
    uint64_t at = find_batch(&h, 3, path);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    expect_corrupt(&h, path);
    log_house_deinit(&h);
}

/* Batches above what an open found good are void, whole or not. Method: the last batch is hidden
 * from one open and shown again to the next. */
Test(vlog_recover, what_was_dropped_never_comes_back)
{
    struct log_house h;
    char path[VLOG_NAME_MAX];
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    append(&h, 5);
    log_house_cut_power(&h, &keep_none);
    uint64_t at = find_batch(&h, 5, path);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    log_house_open(&h);
    cr_assert_eq(h.log.replayed_last, 4);
    append(&h, 2); /* Entries 5 and 6, the new ones. */
    log_house_cut_power(&h, &keep_none);
    cr_assert(io_sim_flip(h.sim, path, (at + 60) * 8));
    log_house_open(&h);
    cr_assert_eq(h.log.replayed_last, 6);
    log_house_deinit(&h);
}

/* Opening again and again, with nothing written, with torn tails, leaves no files behind. */
Test(vlog_recover, opens_leave_nothing_behind)
{
    for (int mode = 0; mode < 2; mode++) {
        struct log_house h;
        log_house_init(&h, mode == 0 ? &durable : &relaxed, NULL);
        log_house_open(&h);
        append(&h, 1);
        log_house_reopen(&h);
        uint64_t used = io_sim_used_bytes(h.sim);
        for (int i = 0; i < 20; i++)
            log_house_reopen(&h);
        cr_assert_leq(io_sim_used_bytes(h.sim), used);
        log_house_deinit(&h);
    }
}

/* LSNs rise for ever, whatever is let go and however often the log is opened. */
Test(vlog_recover, lsns_never_go_back)
{
    struct log_house h;
    uint64_t last = 0;
    log_house_init(&h, &durable, NULL);
    for (int i = 0; i < 20; i++) {
        struct vlog_segment_info info[8];
        log_house_open(&h);
        append(&h, i % 3);
        cr_assert_geq(vlog_written_lsn(h.log.log), last);
        last = vlog_written_lsn(h.log.log);
        vlog_roll(h.log.log);
        log_fixture_settle(&h.log);
        size_t count = vlog_segments(h.log.log, info, 8);
        for (size_t j = 0; j + 1 < count; j++)
            vlog_release(h.log.log, h.log.ring, info[j].id);
        h.log.flushed_lsn = last;
        h.log.replay_from = info[count - 1].id;
        log_house_cut_power(&h, &keep_none);
    }
    log_house_deinit(&h);
}

/* ---- Files that are not as they should be -----------------------------------------------------
 */

/* A log of several segments, closed, and their ids. */
static size_t several_segments(struct log_house *h, uint64_t *ids, size_t max)
{
    struct vlog_segment_info info[16];

    log_house_init(h, &durable, NULL);
    log_house_open(h);
    append(h, 100);
    size_t count = vlog_segments(h->log.log, info, 16);
    cr_assert(count > 3 && count <= max);
    for (size_t i = 0; i < count; i++)
        ids[i] = info[i].id;
    log_fixture_close(&h->log);
    return count;
}

Test(vlog_recover, a_missing_segment_is_missed)
{
    struct log_house h;
    uint64_t ids[16];
    size_t count = several_segments(&h, ids, 16);

    for (size_t i = 0; i < count; i++) {
        char path[VLOG_NAME_MAX];
        struct io_sim_image *image = io_sim_crash_image(h.sim, &keep_all);
        segment_path(ids[i], path);
        cr_assert(io_sim_remove(h.sim, path));
        if (i + 1 < count) {
            expect_corrupt(&h, i == 0 ? "bad or missing" : "bad or missing");
        } else {
            /* The last one: only the manifest can know. */
            h.log.flushed_lsn = 0;
            log_house_open(&h);
            log_fixture_close(&h.log);
        }
        struct io_sim *again = io_sim_create(NULL, image);
        log_fixture_move(&h.log, io_sim_io(again), io_sim_clock(again));
        h.log.last_index = 100;
        io_sim_destroy(h.sim);
        h.sim = again;
        io_sim_image_destroy(image);
    }
    log_house_deinit(&h);
}

/* Segments that the manifest does not need may be gone, in the middle, too; the others may not. */
Test(vlog_recover, what_was_flushed_may_be_gone)
{
    struct log_house h;
    uint64_t ids[16];
    struct vlog_segment_info info[16];
    char path[VLOG_NAME_MAX];

    size_t count = several_segments(&h, ids, 16);
    log_house_open(&h);
    cr_assert_eq(vlog_segments(h.log.log, info, 16), count + 1);
    log_fixture_close(&h.log);
    h.log.last_index = 100;
    segment_path(ids[1], path);
    cr_assert(io_sim_remove(h.sim, path));
    h.log.flushed_lsn = info[1].last_lsn - 1;
    expect_corrupt(&h, "bad or missing");
    h.log.flushed_lsn = info[1].last_lsn;
    /* The fixture would miss the entries; from the manifest's first segment on there is no gap. */
    h.log.replay_from = ids[2];
    log_house_open(&h);
    cr_assert_eq(h.log.replayed_last, 100);
    segment_path(ids[0], path);
    uint8_t byte;
    cr_assert_not(io_sim_peek(h.sim, path, 0, &byte, 1), "a leftover is still there");
    log_house_deinit(&h);
}

Test(vlog_recover, no_log_where_the_manifest_knows_one_is_corrupt)
{
    struct log_house h;
    log_house_init(&h, &durable, NULL);
    h.log.replay_from = 12;
    expect_corrupt(&h, "00000012");
    log_house_deinit(&h);
}

/* Rewrite the header of the first segment. */
static void rewrite_header(struct log_house *h, void (*change)(struct vlog_header *header))
{
    uint8_t block[VLOG_BLOCK];
    struct vlog_header header;
    char path[VLOG_NAME_MAX];

    segment_path(1, path);
    cr_assert(io_sim_peek(h->sim, path, 0, block, sizeof block));
    MUST(vlog_header_read(block, NULL, &header));
    change(&header);
    vlog_header_write(&header, block);
    cr_assert(io_sim_poke(h->sim, path, 0, bytes_of(block, sizeof block)));
}

static void other_store(struct vlog_header *h)
{
    h->store[3] ^= 1;
}
static void other_id(struct vlog_header *h)
{
    h->physical = h->logical = 77;
}
static void other_kind(struct vlog_header *h)
{
    h->kind = VLOG_VALUES;
}
static void absurd_size(struct vlog_header *h)
{
    h->size = UINT64_C(1) << 60;
}

Test(vlog_recover, a_foreign_segment_is_refused_with_words)
{
    static const struct {
        void (*change)(struct vlog_header *h);
        const char *words;
    } rows[] = {
        { other_store, "belongs to another store" },
        { other_id, "says it is segment 00000077" },
        { other_kind, "not a segment" },
        { absurd_size, "impossible size" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_house h;
        log_house_init(&h, &durable, NULL);
        log_house_open(&h);
        append(&h, 3);
        log_fixture_close(&h.log);
        rewrite_header(&h, rows[i].change);
        expect_corrupt(&h, rows[i].words);
        log_house_deinit(&h);
    }
}

Test(vlog_recover, a_newer_format_is_refused_not_damaged)
{
    struct log_house h;
    uint8_t block[VLOG_BLOCK];
    char path[VLOG_NAME_MAX];
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    append(&h, 3);
    log_fixture_close(&h.log);
    segment_path(1, path);
    cr_assert(io_sim_peek(h.sim, path, 0, block, sizeof block));
    put_u32(block + 12, VLOG_FORMAT_VERSION + 1);
    put_u32(block + 8, crc32c(0, block + 12, VLOG_BLOCK - 12));
    cr_assert(io_sim_poke(h.sim, path, 0, bytes_of(block, sizeof block)));
    MUST_BE(log_fixture_open(&h.log), ST_UNSUPPORTED);
    cr_assert_not_null(strstr(h.log.err.text, "segment 00000001"), "%s", h.log.err.text);
    log_house_deinit(&h);
}

/* A batch with a good checksum that is not understood: another program's, or a bug. Never skipped.
 */
Test(vlog_recover, a_batch_that_is_not_understood_is_reported)
{
    static const struct {
        size_t offset; /* In the first record. */
        uint8_t byte;
        enum status_code code;
    } rows[] = {
        { 0, 9, ST_UNSUPPORTED },  /* Record type. */
        { 1, 1, ST_CORRUPT },      /* Reserved. */
        { 24, 0xff, ST_CORRUPT },  /* Body length. */
        { 27, 0xff, ST_CORRUPT },  /* ... far beyond the batch. */
        { 28, 7, ST_CORRUPT },     /* Value count. */
        { 31, 0x7f, ST_CORRUPT },  /* ... absurd. */
        { 240, 0x55, ST_CORRUPT }, /* A value's length. */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_house h;
        struct vlog_batch b;
        uint8_t data[VLOG_BLOCK];
        char path[VLOG_NAME_MAX];
        log_house_init(&h, &durable, NULL);
        log_house_open(&h);
        append(&h, 1);
        log_house_cut_power(&h, &keep_none);
        uint64_t at = find_batch(&h, 1, path);
        uint32_t seed = vlog_seed((const uint8_t *)"0123456789abcdef", 1);
        cr_assert(io_sim_peek(h.sim, path, at, data, sizeof data));
        cr_assert(vlog_batch_read(bytes_of(data, sizeof data), seed, &b));
        data[VLOG_BATCH_HEADER + rows[i].offset] = rows[i].byte;
        vlog_batch_write(&b, seed, data);
        cr_assert(io_sim_poke(h.sim, path, at, bytes_of(data, sizeof data)));
        MUST_BE(log_fixture_open(&h.log), rows[i].code);
        cr_assert_not_null(strstr(h.log.err.text, "segment 00000001"), "%s", h.log.err.text);
        log_house_deinit(&h);
    }
}

/* Segments cut short: at every length. Whole batches that were durable are missed. */
Test(vlog_recover, a_segment_cut_short_is_noticed)
{
    struct log_house h;
    char path[VLOG_NAME_MAX];
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    append(&h, 4);
    log_fixture_close(&h.log); /* Batch 5 is the seal. */
    struct io_sim_image *image = io_sim_crash_image(h.sim, &keep_all);
    segment_path(1, path);
    for (uint64_t size = 0; size < 7 * VLOG_BLOCK; size += 128) {
        struct io_sim *cut = io_sim_create(NULL, image);
        cr_assert(io_sim_resize(cut, path, size));
        log_fixture_move(&h.log, io_sim_io(cut), io_sim_clock(cut));
        h.log.last_index = 4;
        struct status s = log_fixture_open(&h.log);
        if (size < VLOG_BLOCK) {
            cr_assert_eq(s.code, ST_CORRUPT);
        } else if (succeeded(s)) {
            /* Nothing is left that knows better: as if nobody had ever written it. */
            cr_assert_leq(h.log.replayed_last, 4);
        }
        log_fixture_move(&h.log, io_sim_io(h.sim), io_sim_clock(h.sim));
        io_sim_destroy(cut);
    }
    io_sim_image_destroy(image);
    log_house_deinit(&h);
}

/* Other files in the directory are nobody's business. */
Test(vlog_recover, other_files_are_left_alone)
{
    static const char *const names[] = { "00000003.sst", "MANIFEST", "x.log", "1.log", "notes" };
    struct log_house h;
    log_house_init(&h, &durable, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct io_file *file;
        MUST(io_open(h.log.env.io, names[i], IO_WRITE | IO_CREATE, &file));
        io_close(file);
    }
    log_house_open(&h);
    append(&h, 3);
    log_house_reopen(&h);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool is_there;
        MUST(io_exists(h.log.env.io, names[i], &is_there));
        cr_assert(is_there, "%s", names[i]);
    }
    log_house_deinit(&h);
}

/* A failure of the visitor ends the open with its status, and changes nothing. */
static struct status refuse(void *context, const struct vlog_replayed *e)
{
    (void)context;
    return e->index < 3 ? status_ok() : status_of(ST_CANCELLED);
}

static struct status no_id(void *context, uint64_t *out_id)
{
    (void)context;
    (void)out_id;
    return status_of(ST_NO_SPACE);
}

Test(vlog_recover, a_visitor_may_refuse)
{
    struct log_house h;
    struct vlog *log;
    log_house_init(&h, &durable, NULL);
    log_house_open(&h);
    append(&h, 5);
    log_fixture_close(&h.log);
    struct io_sim_image *before = io_sim_crash_image(h.sim, &keep_all);
    struct vlog_config config = {
        .env = &h.log.env,
        .cache = h.log.cache,
        .dir = ".",
        .store_uuid = "0123456789abcdef",
        .options = durable,
        .take_file_id = no_id,
        .err = &h.log.err,
    };
    MUST_BE(vlog_open(&config, h.log.ring, refuse, NULL, &log), ST_CANCELLED);
    struct io_sim_image *after = io_sim_crash_image(h.sim, &keep_all);
    cr_assert_eq(io_sim_image_hash(before), io_sim_image_hash(after));
    io_sim_image_destroy(before);
    io_sim_image_destroy(after);
    log_house_deinit(&h);
}
