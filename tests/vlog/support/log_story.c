#include "tests/vlog/support/log_story.h"

#include <stdlib.h>

enum { HARD_STATE_GROUP = 1, MANIFEST_MAX = 8192, IDS_A_RUN = 1000, AFTERWARDS = 3 };

/* ---- The manifest -----------------------------------------------------------------------------
 */

struct manifest {
    uint64_t replay_from;
    uint64_t flushed_lsn;
    uint64_t flushed_index;
    uint64_t file_count;
    struct vlog_file files[LOG_FILES_MAX];
    uint32_t kept_every[LOG_FILES_MAX];
};
static_assert(sizeof(struct manifest) <= MANIFEST_MAX, "read at once");

/* Replace it, durably. */
static struct status manifest_write(struct log_story *s)
{
    struct io *io = s->log.env.io;
    struct io_file *file;
    struct manifest m = {
        .replay_from = s->log.replay_from,
        .flushed_lsn = s->log.flushed_lsn,
        .flushed_index = s->flushed_index,
        .file_count = s->log.file_count,
    };

    memcpy(m.files, s->log.files, sizeof m.files);
    memcpy(m.kept_every, s->kept_every, sizeof m.kept_every);
    TRY(io_open(io, "manifest.new", IO_WRITE | IO_CREATE | IO_TRUNCATE, &file));
    struct status status = io_write(s->log.ring, file, &m, sizeof m, 0);
    if (succeeded(status))
        status = io_sync(s->log.ring, file);
    io_close(file);
    TRY(status);
    TRY(io_rename(io, "manifest.new", "manifest"));
    return io_sync_dir(io, ".");
}

static struct status manifest_read(struct log_story *s)
{
    struct io_file *file;
    struct manifest m;
    size_t size;

    struct status status = io_open(s->log.env.io, "manifest", IO_READ, &file);
    if (status.code == ST_NOT_FOUND)
        return status_ok();
    TRY(status);
    status = io_read(s->log.ring, file, &m, sizeof m, 0, &size);
    io_close(file);
    TRY(status);
    if (size != sizeof m)
        return status_of(ST_CORRUPT);
    s->log.replay_from = m.replay_from;
    s->log.flushed_lsn = m.flushed_lsn;
    s->flushed_index = m.flushed_index;
    s->log.file_count = (size_t)m.file_count;
    memcpy(s->log.files, m.files, sizeof m.files);
    memcpy(s->kept_every, m.kept_every, sizeof m.kept_every);
    return status_ok();
}

static size_t file_position(const struct log_story *s, uint64_t logical)
{
    size_t i = 0;
    while (i < s->log.file_count && s->log.files[i].logical != logical)
        i++;
    return i;
}

/* ---- Letters ----------------------------------------------------------------------------------
 */

/* Everything staged was written: say so. */
static void acknowledge(struct log_story *s)
{
    while (s->acked_index < s->log.last_index) {
        s->acked_index++;
        io_sim_mark(s->sim, "ack", s->acked_index);
    }
}

static struct status settle(struct log_story *s)
{
    if (log_fixture_settle(&s->log) == VLOG_BROKEN)
        return status_of(ST_FAILED);
    acknowledge(s);
    return status_ok();
}

/* Stage an entry. A full disk is an answer; what comes later may still go well. */
static struct status stage(struct log_story *s, struct log_shape shape)
{
    struct status status = log_fixture_stage(&s->log, shape);
    bool is_refused = status.code == ST_NO_SPACE || status.code == ST_NO_MEMORY;
    return is_refused ? status_ok() : status;
}

static struct status append(struct log_story *s, struct log_shape shape)
{
    TRY(stage(s, shape));
    return settle(s);
}

static struct status append_group(struct log_story *s)
{
    for (uint32_t i = 0; i < 3; i++)
        TRY(stage(s, (struct log_shape) { 100, i, 300 }));
    return settle(s);
}

static struct status barrier(struct log_story *s)
{
    TRY(settle(s));
    TRY(vlog_barrier(s->log.log, s->log.ring, vlog_written_lsn(s->log.log)));
    io_sim_mark(s->sim, "durable", s->acked_index);
    return status_ok();
}

static struct status set_term(struct log_story *s)
{
    struct vlog_hard_state h = { .group = HARD_STATE_GROUP, .term = s->term + 1, .vote = 3 };

    struct status status = vlog_stage_hard_state(s->log.log, &h);
    if (failed(status))
        return status.code == ST_FAILED ? status : settle(s);
    TRY(settle(s));
    s->term++;
    io_sim_mark(s->sim, "term", s->term);
    return status_ok();
}

static struct status flush(struct log_story *s)
{
    struct vlog_segment_info info[LOG_FILES_MAX];
    uint64_t released[LOG_FILES_MAX];
    size_t released_count = 0;

    TRY(barrier(s));
    size_t count = vlog_segments(s->log.log, info, LOG_FILES_MAX);
    for (size_t i = 0; i + 1 < count; i++) {
        struct vlog_file file;
        if (!info[i].is_sealed)
            return status_ok(); /* Its hard states are not repeated yet. */
        if (info[i].value_count == 0) {
            released[released_count++] = info[i].id;
            continue;
        }
        TRY(vlog_adopt(s->log.log, s->log.ring, info[i].id, &file));
        log_fixture_record(&s->log, &file);
        s->kept_every[s->log.file_count - 1] = 1;
    }
    /* All is flushed, also what is in the segment that goes on. */
    s->log.flushed_lsn = vlog_written_lsn(s->log.log);
    s->log.replay_from = info[count - 1].id;
    s->flushed_index = s->acked_index;
    TRY(manifest_write(s));
    for (size_t i = 0; i < released_count; i++)
        vlog_release(s->log.log, s->log.ring, released[i]);
    return status_ok();
}

struct rewriting {
    struct vlog_writer *writer;
    uint32_t every;
};

static bool is_kept(void *context, uint32_t ordinal)
{
    const struct rewriting *r = context;
    return ordinal % r->every == 0;
}

static struct status copy_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct rewriting *r = context;
    struct vlog_handle handle;
    return vlog_writer_add(r->writer, ordinal, value, &handle);
}

static struct status rewrite(struct log_story *s, uint64_t logical)
{
    size_t i = file_position(s, logical);
    struct rewriting r = { .every = 2 * s->kept_every[i] };
    struct vlog_file file;

    TRY(vlog_writer_create(s->log.log, s->log.ring, logical, &r.writer));
    struct status status =
        vlog_scan(s->log.log, s->log.ring, logical, is_kept, copy_value, &r, NULL);
    if (failed(status)) {
        vlog_writer_abandon(r.writer);
        return status;
    }
    TRY(vlog_writer_finish(r.writer, &file));
    s->log.files[i] = file;
    s->kept_every[i] = r.every;
    TRY(manifest_write(s));
    return vlog_install(s->log.log, &file);
}

static struct status rewrite_all(struct log_story *s)
{
    for (size_t i = 0; i < s->log.file_count; i++)
        TRY(rewrite(s, s->log.files[i].logical));
    return status_ok();
}

static struct status drop_first(struct log_story *s)
{
    /* Not while it may still be replayed. */
    if (s->log.file_count == 0 || s->log.files[0].logical >= s->log.replay_from)
        return status_ok();
    uint64_t logical = s->log.files[0].logical;
    for (size_t i = 1; i < s->log.file_count; i++) {
        s->log.files[i - 1] = s->log.files[i];
        s->kept_every[i - 1] = s->kept_every[i];
    }
    s->log.file_count--;
    TRY(manifest_write(s));
    vlog_drop(s->log.log, logical);
    return status_ok();
}

static struct status reopen(struct log_story *s)
{
    log_fixture_close(&s->log);
    return log_fixture_open(&s->log);
}

static struct status letter(struct log_story *s, char c)
{
    switch (c) {
    case 'a':
        return append(s, (struct log_shape) { 60, 0, 0 });
    case 'v':
        return append(s, (struct log_shape) { 40, 2, 500 });
    case 'g':
        return append_group(s);
    case 'h':
        return append(s, (struct log_shape) { 100, 1, 40000 });
    case 'b':
        return barrier(s);
    case 's':
        return set_term(s);
    case 'r':
        vlog_roll(s->log.log);
        return settle(s);
    case 'k':
        log_fixture_work(&s->log);
        return status_ok();
    case 'i':
        s->log.now_ns += UINT64_C(1000000000);
        return settle(s);
    case 'o':
        return reopen(s);
    case 'f':
        return flush(s);
    case 'w':
        return rewrite_all(s);
    case 'd':
        return drop_first(s);
    default:
        abort();
    }
}

/* ---- Telling ----------------------------------------------------------------------------------
 */

void log_story_tell(struct log_story *s, struct io_sim *sim, struct alloc *alloc,
                    const struct vlog_options *options, const char *script)
{
    memset(s, 0, sizeof *s);
    s->sim = sim;
    log_fixture_init(&s->log, options, io_sim_io(sim), io_sim_clock(sim), ".");
    if (alloc != NULL)
        s->log.env.alloc = alloc;
    struct status status = log_fixture_open(&s->log);
    for (const char *p = script; *p != '\0' && succeeded(status); p++)
        status = letter(s, *p);
    if (s->log.log != NULL && succeeded(status))
        (void)settle(s);
    log_fixture_leave(&s->log);
}

void log_story_deinit(struct log_story *s)
{
    free(s->log.entries);
    s->log.entries = NULL;
}

/* ---- Judging ----------------------------------------------------------------------------------
 */

static uint64_t greatest(const struct crash_state *state, const char *word)
{
    uint64_t number = 0;
    for (size_t i = 0; i < state->mark_count; i++) {
        if (strcmp(state->marks[i].word, word) == 0 && state->marks[i].number > number)
            number = state->marks[i].number;
    }
    return number;
}

/* Every value of entries up to `last` that the log or the manifest still has. */
static bool check_values(struct log_story *s, uint64_t last, struct errbuf *why)
{
    for (uint64_t i = 1; i <= last; i++) {
        const struct log_entry *e = &s->log.entries[i];
        for (uint32_t j = 0; j < e->shape.value_count; j++) {
            size_t f = file_position(s, e->handles[j].file);
            bool is_live = f < s->log.file_count
                               ? e->handles[j].ordinal % s->kept_every[f] == 0
                               : s->log.replayed_first != 0 && i >= s->log.replayed_first;
            const char *wrong = is_live ? log_fixture_read(&s->log, i, j) : NULL;
            if (wrong != NULL) {
                errbuf_set(why, "value %u of entry %llu: %s", j, (unsigned long long)i, wrong);
                return false;
            }
        }
    }
    return true;
}

static struct status count_value(void *context, uint32_t ordinal, struct bytes value)
{
    uint64_t *count = context;
    (void)ordinal;
    (void)value;
    (*count)++;
    return status_ok();
}

/* Every value file is whole, directory and footer included. */
static bool check_files(struct log_story *s, struct errbuf *why)
{
    for (size_t i = 0; i < s->log.file_count; i++) {
        const struct vlog_file *f = &s->log.files[i];
        uint64_t count = 0;
        struct status status =
            vlog_scan(s->log.log, s->log.ring, f->logical, NULL, count_value, &count, &s->log.err);
        if (failed(status) || count != f->value_count) {
            errbuf_set(why, "scan: %s: %s; %llu values of %llu", status_name(status.code),
                       s->log.err.text, (unsigned long long)count,
                       (unsigned long long)f->value_count);
            return false;
        }
    }
    return true;
}

static bool open_and_check(struct log_story *s, uint64_t promised, uint64_t term,
                           struct errbuf *why)
{
    struct vlog_hard_state h = { .term = 0 };

    struct status status = log_fixture_open(&s->log);
    if (failed(status)) {
        errbuf_set(why, "open: %s: %s %s", status_name(status.code), s->log.err.text,
                   s->log.wrong.text);
        return false;
    }
    uint64_t last =
        s->log.replayed_last > s->flushed_index ? s->log.replayed_last : s->flushed_index;
    if (last < promised || (s->log.replayed_first > s->flushed_index + 1)) {
        errbuf_set(why, "entries %llu to %llu are there, flushed up to %llu, promised up to %llu",
                   (unsigned long long)s->log.replayed_first,
                   (unsigned long long)s->log.replayed_last, (unsigned long long)s->flushed_index,
                   (unsigned long long)promised);
        return false;
    }
    if (term > 0 && (!vlog_hard_state(s->log.log, HARD_STATE_GROUP, &h) || h.term < term)) {
        errbuf_set(why, "term %llu is there, %llu was promised", (unsigned long long)h.term,
                   (unsigned long long)term);
        return false;
    }
    s->log.last_index = last;
    return check_values(s, last, why) && check_files(s, why);
}

/* The log works on: a few more entries, over a roll, and they are there after a reopen. */
static bool work_on(struct log_story *s, uint64_t term, struct errbuf *why)
{
    static const struct log_shape shapes[AFTERWARDS] = { { 50, 1, 700 },
                                                         { 3000, 0, 0 },
                                                         { 10, 2, 2500 } };

    for (size_t i = 0; i < AFTERWARDS; i++) {
        struct status status = log_fixture_append(&s->log, shapes[i]);
        if (failed(status)) {
            errbuf_set(why, "append after recovery: %s: %s", status_name(status.code),
                       vlog_failure(s->log.log) != NULL ? vlog_failure(s->log.log) : "");
            return false;
        }
    }
    log_fixture_work(&s->log);
    uint64_t last = s->log.last_index;
    io_sim_mark(s->sim, "ack", last);
    log_fixture_close(&s->log);
    io_sim_mark(s->sim, "durable", last);
    return open_and_check(s, last, term, why);
}

bool log_story_verify(const struct log_story *told, const struct crash_state *state,
                      struct errbuf *why)
{
    struct log_story s = { .sim = state->sim };
    /* A process that only died loses nothing that the kernel had. */
    bool is_kept = told->log.options.mode == VLOG_DURABLE || state->cuts == 0;
    uint64_t promised = greatest(state, is_kept ? "ack" : "durable");
    uint64_t term = is_kept ? greatest(state, "term") : 0;

    log_fixture_init(&s.log, &told->log.options, io_sim_io(state->sim), io_sim_clock(state->sim),
                     ".");
    log_fixture_know(&s.log, &told->log);
    s.log.next_id = told->log.next_id + IDS_A_RUN * (state->cuts + 1);
    s.log.strangers = state->cuts > 1 ? AFTERWARDS : 0;
    struct status status = manifest_read(&s);
    bool is_right = succeeded(status);
    if (!is_right)
        errbuf_set(why, "manifest: %s", status_name(status.code));
    is_right = is_right && open_and_check(&s, promised, term, why) && work_on(&s, term, why);
    log_fixture_leave(&s.log);
    if (is_right && s.log.memory.live_bytes > 0) {
        errbuf_set(why, "recovery leaked %zu bytes", s.log.memory.live_bytes);
        is_right = false;
    }
    log_story_deinit(&s);
    return is_right;
}
