/*
 * cut_writer -- the simplest program that acknowledges durable records, for cutrun.
 *
 *   cut_writer MODE write|verify DIR uring|posix
 *
 * Record n has a content that follows from n alone and a place of its own. It is written, made
 * durable in the way of the mode, and acknowledged as the line "n". Modes, one for each way to be
 * durable that io.h offers:
 *
 *   append   512 bytes through IO_DSYNC
 *   direct   4 KiB blocks through IO_DIRECT | IO_DSYNC, the file growing
 *   sync     512 bytes, then IO_OP_SYNC
 *   rename   a file a record: written, synced, renamed, directory synced
 *   recycle  4 KiB blocks over a zero-filled file through IO_DIRECT | IO_DSYNC, as the log does
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/io.h"
#include "base/rand.h"

enum { RECORDS_PER_FILE = 64, RECORDS_MAX = 8192, PATH_SIZE = 256 };
enum exit_code { IS_FINE = 0, IS_LOST = 1, IS_BROKEN = 3 };

struct mode {
    const char *name;
    size_t record_bytes;
    unsigned flags;
    bool is_synced;  /* An IO_OP_SYNC after each write. */
    bool is_renamed; /* Each file is made under another name. */
    bool is_zeroed;  /* Each file is filled with zeros first. */
    unsigned per_file;
};

static const struct mode MODES[] = {
    { "append", 512, IO_DSYNC, false, false, false, RECORDS_PER_FILE },
    { "direct", IO_ALIGN, IO_DIRECT | IO_DSYNC, false, false, false, RECORDS_PER_FILE },
    { "sync", 512, 0, true, false, false, RECORDS_PER_FILE },
    { "rename", 512, 0, true, true, false, 1 },
    { "recycle", IO_ALIGN, IO_DIRECT | IO_DSYNC, false, false, true, RECORDS_PER_FILE },
};

struct writer {
    const struct mode *mode;
    const char *dir;
    struct io *io;
    struct io_ring *ring;
    uint8_t *record;
    uint8_t *read;
};

/* ---- Records ----------------------------------------------------------------------------- */

static void make_record(const struct writer *w, uint64_t n)
{
    struct rand r;

    rand_seed(&r, n);
    rand_fill(&r, w->record, w->mode->record_bytes);
}

static void file_path(const struct writer *w, uint64_t n, const char *suffix, char *out)
{
    int size =
        snprintf(out, PATH_SIZE, "%s/%06" PRIu64 "%s", w->dir, n / w->mode->per_file, suffix);

    CHECK(size < PATH_SIZE);
}

static uint64_t offset_of(const struct writer *w, uint64_t n)
{
    return n % w->mode->per_file * w->mode->record_bytes;
}

/* True if record n is where it belongs, as it was. */
static bool is_there(struct writer *w, uint64_t n)
{
    char path[PATH_SIZE];
    struct io_file *file = NULL;
    size_t got = 0;

    file_path(w, n, "", path);
    if (failed(io_open(w->io, path, IO_READ, &file)))
        return false;
    make_record(w, n);
    struct status s = io_read(w->ring, file, w->read, w->mode->record_bytes, offset_of(w, n), &got);
    io_close(file);
    return succeeded(s) && got == w->mode->record_bytes && memcmp(w->read, w->record, got) == 0;
}

/* ---- Writing ----------------------------------------------------------------------------- */

/* Through the ring, as that is what a back end is. */
static struct status run(struct writer *w, struct io_op *op)
{
    io_submit(w->ring, op);
    while (op->is_pending) {
        io_ring_wait(w->ring, UINT64_MAX);
        while (io_ring_done(w->ring) != NULL)
            ;
    }
    return op->status;
}

static struct status sync_file(struct writer *w, struct io_file *file)
{
    return run(w, &(struct io_op) { .opcode = IO_OP_SYNC, .file = file });
}

static struct status fill_with_zeros(struct writer *w, struct io_file *file)
{
    memset(w->record, 0, w->mode->record_bytes);
    for (uint64_t n = 0; n < w->mode->per_file; n++)
        TRY(run(w, &(struct io_op) { .opcode = IO_OP_WRITE,
                                     .file = file,
                                     .data = w->record,
                                     .size = w->mode->record_bytes,
                                     .offset = offset_of(w, n) }));
    return sync_file(w, file);
}

/* Open the file of record n, made durable as a name if it is new. */
static struct status open_file(struct writer *w, uint64_t n, struct io_file **out_file)
{
    char path[PATH_SIZE];
    struct io_file *file = NULL;
    bool exists = false;
    struct status s;

    file_path(w, n, w->mode->is_renamed ? ".new" : "", path);
    TRY(io_exists(w->io, path, &exists));
    TRY(io_open(w->io, path, IO_WRITE | IO_CREATE | w->mode->flags, &file));
    s = w->mode->is_zeroed && !exists ? fill_with_zeros(w, file) : status_ok();
    /* Also if it was there: a cut may have come before this, the last time. */
    if (succeeded(s))
        s = io_sync_dir(w->io, w->dir);
    if (failed(s))
        io_close(file);
    else
        *out_file = file;
    return s;
}

static struct status write_record(struct writer *w, struct io_file *file, uint64_t n)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];

    make_record(w, n);
    TRY(run(w, &(struct io_op) { .opcode = IO_OP_WRITE,
                                 .file = file,
                                 .data = w->record,
                                 .size = w->mode->record_bytes,
                                 .offset = offset_of(w, n) }));
    if (w->mode->is_synced)
        TRY(sync_file(w, file));
    if (w->mode->is_renamed) {
        file_path(w, n, ".new", from);
        file_path(w, n, "", to);
        TRY(io_rename(w->io, from, to));
        TRY(io_sync_dir(w->io, w->dir));
    }
    return status_ok();
}

static void acknowledge(uint64_t n)
{
    char line[32];
    int size = snprintf(line, sizeof line, "%" PRIu64 "\n", n);

    CHECK(write(STDOUT_FILENO, line, (size_t)size) == size);
}

/* From the first record that is missing, until something fails. */
static struct status write_all(struct writer *w)
{
    struct io_file *file = NULL;
    struct status s = status_ok();
    uint64_t n = 0;

    while (is_there(w, n))
        n++;
    for (; succeeded(s) && n < RECORDS_MAX; n++) {
        if (file != NULL && n % w->mode->per_file == 0) {
            io_close(file);
            file = NULL;
        }
        if (file == NULL)
            s = open_file(w, n, &file);
        if (succeeded(s))
            s = write_record(w, file, n);
        if (succeeded(s))
            acknowledge(n);
    }
    /* Full before the cut: wait for it, a write now and then, so that it is noticed. */
    while (succeeded(s)) {
        usleep(1000);
        s = io_sync_dir(w->io, w->dir);
        if (succeeded(s))
            s = write_record(w, file, RECORDS_MAX - 1);
    }
    io_close(file);
    return s;
}

/* ---- Verifying --------------------------------------------------------------------------- */

static enum exit_code verify(struct writer *w)
{
    uint64_t n;
    uint64_t lost = 0;
    uint64_t first = 0;

    while (scanf("%" SCNu64, &n) == 1) {
        if (!is_there(w, n)) {
            first = lost == 0 ? n : first;
            lost++;
        }
    }
    if (lost > 0)
        fprintf(stderr,
                "cut_writer: %" PRIu64 " acknowledged records are lost, %" PRIu64 " is the first\n",
                lost, first);
    return lost == 0 ? IS_FINE : IS_LOST;
}

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
        if (strcmp(MODES[i].name, name) == 0)
            return &MODES[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct writer w = { 0 };
    enum exit_code code = IS_FINE;

    if (argc != 5 || (w.mode = find_mode(argv[1])) == NULL) {
        fputs("usage: cut_writer append|direct|sync|rename|recycle write|verify dir backend\n",
              stderr);
        return IS_BROKEN;
    }
    enum io_kind kind = strcmp(argv[4], "posix") == 0 ? IO_KIND_POSIX : IO_KIND_URING;
    w.dir = argv[3];
    w.record = alloc_aligned(alloc_heap(), IO_ALIGN, IO_ALIGN);
    w.read = alloc_aligned(alloc_heap(), IO_ALIGN, IO_ALIGN);
    CHECK(w.record != NULL);
    CHECK(w.read != NULL);
    CHECK(succeeded(io_open_machine(alloc_heap(), kind, &w.io, NULL)));
    CHECK(succeeded(io_ring_create(w.io, NULL, &w.ring)));
    if (strcmp(argv[2], "verify") == 0) {
        code = verify(&w);
    } else {
        struct status s = write_all(&w);
        if (s.code != ST_IO) {
            fprintf(stderr, "cut_writer: %s (%s:%u)\n", status_name(s.code), s.file, s.line);
            code = IS_BROKEN;
        }
    }
    io_ring_destroy(w.ring);
    io_close_machine(w.io);
    alloc_free(alloc_heap(), w.record, IO_ALIGN);
    alloc_free(alloc_heap(), w.read, IO_ALIGN);
    return code;
}
