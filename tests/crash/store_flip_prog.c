/*
 * One damage to one file of a whole store: a flipped bit, a sector of zeros, a file cut short, a
 * file that is not there. For each of them the store either opens or says which file is damaged;
 * open, each read gives the right answer or an error with words; what seems unharmed proves its own
 * disk and works on. No answer is wrong, and nothing crashes.
 *
 * The store has every kind of file: log segments in use and sealed, adopted ones, pool files, value
 * files of a first and a second generation, tables, manifest, CURRENT, lock, reserve, and a
 * checkpoint with its own. It was closed, or killed after the log's idle seal (before that a bad
 * last batch counts as torn; docs/promises/vlog.md).
 *
 * Every bit at the ends of each file, where headers and footers are, and one bit in each byte or
 * every few bytes between them.
 */
#include "base/check.h"
#include "base/hash.h"

#include "tests/crash/support/store_work.h"
#include "tests/crash/support/sweep.h"
#include "tests/support/sanitized.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { EDGE = 128, FLIPS_MAX = IS_SANITIZED ? 80 : 6000, WORK_EVERY = 16, FILES_MAX = 64 };

/* ---- Kinds of files ------------------------------------------------------------------------- */

enum kind { CURRENT, MANIFEST, TABLE, SEGMENT, POOL, VALUES, LOCK, RESERVE, KINDS };
static const char *const kind_names[KINDS] = { "CURRENT",   "manifest",   "table", "segment",
                                               "pool file", "value file", "lock",  "reserve" };
static const char *const kind_marks[KINDS] = { "CURRENT", "MANIFEST-", ".sst", ".log",
                                               ".free",   ".val",      "LOCK", "RESERVE" };

static enum kind kind_of(const char *path)
{
    unsigned kind = 0;
    while (kind < KINDS && strstr(path, kind_marks[kind]) == NULL)
        kind++;
    CHECK(kind < KINDS);
    return (enum kind)kind;
}

struct tally {
    uint64_t files;
    uint64_t damages;
    uint64_t refused; /* The store did not open. */
    uint64_t found;   /* A read or the proof said so. */
};

/* ---- A store ----------------------------------------------------------------------------------
 */

struct subject {
    const char *ops;
    enum vlog_mode mode;
    bool is_killed;
    struct store_contents contents;
    struct store_contents copied;
    struct io_sim_image *image;
};

static void make_subject(struct subject *s)
{
    struct store_work_options options = { .mode = s->mode };
    struct io_sim_choice all = { .keep = IO_SIM_KEEP_ALL };
    struct io_sim *sim = io_sim_create(NULL, NULL);
    struct store_work w;
    unsigned writes = 0;

    s->contents = (struct store_contents) { .side = 0 };
    CHECK(succeeded(store_work_open(&w, sim, &options)));
    for (const char *op = s->ops; *op != '\0'; op++) {
        /* One checkpoint; it is number 0. */
        CHECK(succeeded(store_work_do(&w, *op, *op == 'c' ? 0 : writes)));
        if (*op == 'c')
            s->copied = s->contents;
        if (store_writes(*op))
            store_contents_apply(&s->contents, *op, writes++);
    }
    sim_store_seal(&w.store);
    if (s->is_killed)
        s->image = io_sim_crash_image(sim, &all);
    store_work_close(&w);
    if (!s->is_killed)
        s->image = io_sim_crash_image(sim, &all);
    io_sim_destroy(sim);
}

/* ---- One damage ----------------------------------------------------------------------------- */

/* Do the words name the file, or the one that leads to it? Of log segments they may name a range
 * (which of them should hold a batch that is missing?). Of a manifest whose end is lost they name
 * what is missing or too much then. */
static bool names_file(const char *words, const struct sweep_damage *d)
{
    const char *name = strrchr(d->path, '/') + 1;
    unsigned long id = strtoul(name, NULL, 10);
    unsigned long least = ULONG_MAX;
    unsigned long most = 0;

    if (strstr(words, name) != NULL)
        return true;
    if (kind_of(name) == CURRENT)
        return strstr(words, "MANIFEST-") != NULL;
    if (kind_of(name) == MANIFEST)
        return d->kind != SWEEP_FLIP && words[0] != '\0';
    if (kind_of(name) == SEGMENT && d->kind == SWEEP_GONE && strstr(words, "segment") != NULL)
        return true; /* It is named by the next: ids have gaps. */
    for (const char *p = words; *p != '\0'; p++) {
        bool is_number = *p >= '0' && *p <= '9' && (p == words || p[-1] < '0' || p[-1] > '9');
        unsigned long number = is_number ? strtoul(p, NULL, 10) : 0;
        if (is_number && number == id)
            return true;
        if (is_number && strspn(p, "0123456789") == 8) {
            least = number < least ? number : least;
            most = number > most ? number : most;
        }
    }
    return kind_of(name) == SEGMENT && least <= id && id <= most;
}

static bool judge_refusal(const struct store_work *w, const struct sweep_damage *d, struct status s,
                          struct errbuf *why)
{
    if (s.code == ST_IO || s.code == ST_NO_MEMORY || s.code == ST_BUSY) {
        errbuf_set(why, "the open says %s: %s", status_name(s.code), w->store.err.text);
        return false;
    }
    if (!names_file(w->store.err.text, d)) {
        errbuf_set(why, "the open does not say where: %s: %s", status_name(s.code),
                   w->store.err.text);
        return false;
    }
    return true;
}

/* Let it read its files in the background; answers may become errors, never wrong. */
static bool judge_work(struct store_work *w, const struct store_contents *c, bool is_harmless,
                       struct errbuf *why)
{
    struct store_contents now = *c;
    struct errbuf ignored;

    if (is_harmless)
        return store_work_goes_on(w, c, why);
    struct status s = store_work_do(w, 'w', STORE_WRITE_AFTERWARDS);
    if (succeeded(s)) {
        store_contents_apply(&now, 'w', STORE_WRITE_AFTERWARDS);
        s = store_work_do(w, 'm', 0);
    }
    status_ignore(s, "it may well fail");
    if (store_work_look(w, &now, why) == STORE_WRONG)
        return false;
    s = store_work_do(w, 'o', 0);
    return failed(s) || store_work_look(w, &now, &ignored) != STORE_WRONG;
}

struct trial {
    const struct subject *subject;
    char last_segment[64]; /* Its path. */
    struct tally tallies[KINDS];
    uint64_t count;
    uint64_t beyond; /* Damages that nothing could tell of. */
};

/* The last segment of the log is all that knows of its own batches. One that is not there any more,
 * or cut off, is as one that was never written; so is, in relaxed mode, one that lost the sector in
 * which the last batch and the seal lie together. docs/promises/vlog.md says so. */
static bool is_beyond_evidence(const struct trial *t, const struct sweep_damage *d)
{
    return d->kind != SWEEP_FLIP && strcmp(d->path, t->last_segment) == 0 &&
           (d->kind != SWEEP_ZERO || t->subject->mode == VLOG_RELAXED);
}

static bool verify(void *context, struct io_sim *sim, const struct sweep_damage *d,
                   struct errbuf *why)
{
    struct trial *t = context;
    struct tally *tally = &t->tallies[kind_of(d->path)];
    bool is_copy = strstr(d->path, "copy0/") != NULL;
    const struct store_contents *c = is_copy ? &t->subject->copied : &t->subject->contents;
    struct store_work_options options = { .mode = t->subject->mode,
                                          .dir = is_copy ? "/copy0" : "/s",
                                          .must_exist = true };
    struct store_work w;

    tally->damages++;
    t->count++;
    struct status s = store_work_open(&w, sim, &options);
    if (failed(s)) {
        tally->refused++;
        return judge_refusal(&w, d, s, why);
    }
    enum store_answer answer = store_work_look(&w, c, why);
    bool is_right = answer != STORE_WRONG;
    if (!is_right && is_beyond_evidence(t, d)) {
        t->beyond++;
        is_right = true;
    } else if (is_right) {
        struct errbuf proof = { "" };
        s = lsm_verify(w.store.lsm, w.store.ring, &proof);
        bool is_harmless = answer == STORE_RIGHT && succeeded(s);
        tally->found += !is_harmless;
        if (failed(s) && proof.text[0] == '\0')
            errbuf_set(&proof, "the proof failed without a word");
        is_right = failed(s) ? names_file(proof.text, d) : answer == STORE_RIGHT;
        if (!is_right)
            errbuf_set(why, "the proof says \"%s\"", proof.text);
        if (is_right && (is_harmless || t->count % WORK_EVERY == 0))
            is_right = judge_work(&w, c, is_harmless, why);
    }
    store_work_close(&w);
    return is_right;
}

/* ---- All damages ---------------------------------------------------------------------------- */

struct files {
    char paths[FILES_MAX][64];
    uint64_t sizes[FILES_MAX];
    size_t count;
};

static void note_file(void *context, const char *path, uint64_t size)
{
    struct files *f = context;

    CHECK(f->count < FILES_MAX && strlen(path) < sizeof f->paths[0]);
    memcpy(f->paths[f->count], path, strlen(path) + 1);
    f->sizes[f->count++] = size;
}

/* Every bit of both ends, and one of each step-th byte between them. */
static bool flip_bits(struct trial *t, const char *path, uint64_t size, struct sweep_report *report)
{
    uint64_t step = 1 + size / FLIPS_MAX;
    bool is_right = true;

    for (uint64_t at = 0; at < size && is_right;) {
        bool is_edge = at < EDGE || at + EDGE >= size;
        unsigned first = is_edge ? 0 : (unsigned)(hash_u64(at) % 8);
        unsigned count = is_edge ? (IS_SANITIZED ? 1 : 8) : 1;
        for (unsigned bit = first; bit < first + count && is_right; bit++) {
            struct sweep_damage d = { .kind = SWEEP_FLIP, .path = path, .place = at * 8 + bit };
            is_right = sweep_damage(t->subject->image, &d, verify, t, report);
        }
        at += is_edge || at + step + EDGE >= size ? 1 : step;
    }
    return is_right;
}

static bool damage_file(struct trial *t, const char *path, uint64_t size,
                        struct sweep_report *report)
{
    const struct sweep_damage gone = { .kind = SWEEP_GONE, .path = path };
    bool is_right = flip_bits(t, path, size, report) &&
                    sweep_damage(t->subject->image, &gone, verify, t, report);

    for (uint64_t sector = 0; sector * 512 < size && is_right; sector++) {
        struct sweep_damage d = { .kind = SWEEP_ZERO, .path = path, .place = sector };
        is_right = sweep_damage(t->subject->image, &d, verify, t, report);
    }
    for (uint64_t end = 0; end < size && is_right; end += 512) {
        struct sweep_damage d = { .kind = SWEEP_CUT, .path = path, .place = end };
        is_right = sweep_damage(t->subject->image, &d, verify, t, report);
    }
    return is_right;
}

static bool damage_all(struct trial *t, struct sweep_report *report)
{
    struct io_sim *sim = io_sim_create(NULL, t->subject->image);
    struct files files = { .count = 0 };
    bool is_right = true;

    io_sim_walk(sim, note_file, &files);
    io_sim_destroy(sim);
    for (size_t i = 0; i < files.count; i++) {
        if (kind_of(files.paths[i]) == SEGMENT)
            memcpy(t->last_segment, files.paths[i], sizeof t->last_segment); /* In order of path. */
    }
    for (size_t i = 0; i < files.count && is_right; i++) {
        t->tallies[kind_of(files.paths[i])].files++;
        is_right = damage_file(t, files.paths[i], files.sizes[i], report);
    }
    return is_right;
}

static bool has_all_kinds(const struct trial *t)
{
    bool is_all = true;

    for (int i = 0; i < KINDS; i++) {
        const struct tally *k = &t->tallies[i];
        printf("store_flip: %-10s %3llu files, %6llu damages: %6llu refused at open, %6llu found "
               "later, %6llu harmless\n",
               kind_names[i], (unsigned long long)k->files, (unsigned long long)k->damages,
               (unsigned long long)k->refused, (unsigned long long)k->found,
               (unsigned long long)(k->damages - k->refused - k->found));
        is_all &= k->damages > 0;
    }
    if (!is_all)
        printf("store_flip: a kind of file was not there to be damaged\n");
    return is_all;
}

int main(void)
{
    struct subject subjects[] = {
        { .ops = "bsrskPspfpfPfbscdPpbfpP", .mode = VLOG_DURABLE },
        { .ops = "PsbspfpfpfckrPpfPfPd", .mode = VLOG_DURABLE, .is_killed = true },
        { .ops = "bsrsPfbfckdpP", .mode = VLOG_RELAXED },
    };
    struct sweep_report report = { 0 };
    struct trial t = { .count = 0 };
    bool is_right = true;

    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects && is_right; i++) {
        make_subject(&subjects[i]);
        t.subject = &subjects[i];
        is_right = damage_all(&t, &report);
        if (!is_right)
            printf("store_flip: \"%s\": %s\n", subjects[i].ops, report.failure.text);
        io_sim_image_destroy(subjects[i].image);
    }
    is_right = is_right && has_all_kinds(&t);
    printf("store_flip: %llu checks (%llu lost the end of the log, which nothing can tell)\n",
           (unsigned long long)report.verified, (unsigned long long)t.beyond);
    return is_right ? 0 : 1;
}
