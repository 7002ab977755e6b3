/*
 * packages_app -- Debian's package index through varve.h, byte for byte, also under kill -9.
 *
 *     packages_app [PART]     1 record in PART of the index; default: all
 *
 * An application: it sees varve.h and the library, and nothing else of varve.
 *
 *   1. The whole index is written, and read back by get, multi_get and the iterator both ways: from
 *      memory, after flush and compaction, and after the store was closed and opened.
 *   2. A child writes it again and again, a generation a round, and notes in shared memory what it
 *      begins and what was acknowledged; it is killed with SIGKILL ten times a mode. What was
 *      acknowledged is there; what was under way is there as a whole batch or not at all.
 *
 * Some of the kills must have come inside of a flush, and some inside of a compaction. Which of the
 * two is under way follows from the options of the round: buffers so small and levels so patient
 * that tables come from flushes only; or tables in level 0 that wait to be compacted, and buffers
 * so large that nothing is flushed. The kill follows the appearance of a table in the directory. It
 * was inside if the table is gone when the store is opened again, without any work done: then no
 * edit had named it, and it was removed as what an unfinished job leaves.
 */
#include <varve.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77 };
enum {
    RECORDS_MIN = 50000,
    PATH_SIZE = 512,
    KEY_MAX = 256,
    BATCH_LOAD = 100,
    BATCH_KILLED = 8,
    READ_TOGETHER = 100,
    KILLS = 10,
    KILLS_MAX = 400, /* On a busy machine most of them come late. */
    LEVEL0_MAX = 12, /* More tables, and the check compacts: 20 is the most the options allow. */
    WAIT_MS = 60 * 1000,
    TAG_SIZE = 8, /* A value begins with its generation: "0000012:". */
};

struct record {
    const char *text;
    size_t size;
    char *key;
    size_t key_size;
};

/* What the child tells: it lives on when the child is killed. */
struct account {
    _Atomic uint32_t begun;     /* The generation that is being written, */
    _Atomic size_t begin;       /* and the batch of it that is under way: records [begin, end) */
    _Atomic size_t end;         /* of the round's order. */
    _Atomic uint32_t written[]; /* The last acknowledged generation, by record; 0: none. */
};

struct index {
    char *text;
    struct record *records; /* By key. */
    size_t count;
    size_t *order; /* Of the round that writes. */
    struct account *account;
    char dir[PATH_SIZE];
    uint64_t checks;
    uint64_t seed;
};

enum aim { AIM_FLUSH, AIM_COMPACTION, AIM_ANYWHERE, AIMS };
static const char *const AIM_NAMES[AIMS] = { "a flush", "a compaction", "anything" };

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list arguments;

    fputs("packages_app: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void must(enum varve_code code, const struct varve_error *error, const char *what)
{
    if (code != VARVE_OK)
        die("%s: %s: %s", what, varve_code_name(code), error->text);
}

static uint64_t draw(struct index *x, uint64_t below)
{
    x->seed = x->seed * 6364136223846793005u + 1442695040888963407u;
    return (x->seed >> 33) % below;
}

/* ---- The index ----------------------------------------------------------------------------- */

static char *read_all(FILE *f, size_t *out_size)
{
    size_t size = 0;
    size_t room = 64u << 20;
    char *text = malloc(room);

    while (text != NULL) {
        size_t n = fread(text + size, 1, room - size, f);
        size += n;
        if (n == 0)
            break;
        if (size == room)
            text = realloc(text, room *= 2);
    }
    if (text == NULL)
        die("no memory for the index");
    *out_size = size;
    return text;
}

static int by_key(const void *a, const void *b)
{
    const struct record *p = a;
    const struct record *q = b;
    size_t size = p->key_size < q->key_size ? p->key_size : q->key_size;
    int order = memcmp(p->key, q->key, size);

    return order != 0 ? order : (p->key_size > q->key_size) - (p->key_size < q->key_size);
}

/* A package may be there in several versions: its place in the index makes the key its own. */
static void add_record(struct index *x, const char *text, size_t size, size_t place)
{
    static const char FIELD[] = "Package: ";
    struct record *r = &x->records[x->count++];
    const char *name = text + strlen(FIELD);
    const char *end = memchr(name, '\n', size - strlen(FIELD));

    *r = (struct record) { .text = text, .size = size, .key = malloc(KEY_MAX) };
    if (r->key == NULL || end == NULL)
        die("the index has a record that is only a name");
    int n = snprintf(r->key, KEY_MAX, "%.*s#%zu", (int)(end - name), name, place);
    if (n >= KEY_MAX)
        die("the index has a name of %d bytes", n);
    r->key_size = (size_t)n;
}

static void read_index(struct index *x, size_t part)
{
    FILE *f = popen("apt-cache dumpavail 2>/dev/null", "r");
    size_t size = 0;
    size_t count = 0;

    if (f != NULL) {
        x->text = read_all(f, &size);
        pclose(f);
    }
    for (size_t i = 0; i + 1 < size; i++)
        count += x->text[i] == '\n' && x->text[i + 1] == '\n';
    if (count < RECORDS_MIN) {
        printf("packages_app: SKIPPED: apt-cache dumpavail shows %zu packages; apt-get update?\n",
               count);
        exit(EXIT_SKIPPED);
    }
    x->records = calloc(count + 1, sizeof *x->records);
    x->order = calloc(count + 1, sizeof *x->order);
    if (x->records == NULL || x->order == NULL)
        die("no memory for the index");
    size_t place = 0;
    for (char *at = x->text; at < x->text + size; place++) {
        char *end = memmem(at, (size_t)(x->text + size - at), "\n\n", 2);
        if (end == NULL)
            break;
        if (place % part == 0)
            add_record(x, at, (size_t)(end - at), place);
        at = end + 2;
    }
    qsort(x->records, x->count, sizeof x->records[0], by_key);
    size_t shared = sizeof *x->account + x->count * sizeof x->account->written[0];
    x->account = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (x->account == MAP_FAILED)
        die("no shared memory");
}

/* ---- Values -------------------------------------------------------------------------------- */

static size_t make_value(const struct record *r, uint32_t generation, char *out)
{
    int n = snprintf(out, TAG_SIZE + 1, "%07" PRIu32 ":", generation);

    memcpy(out + n, r->text, r->size);
    return (size_t)n + r->size;
}

/* The generation of a value of r's; 0 if it is none. */
static uint32_t generation_of(const struct record *r, const void *data, size_t size)
{
    char tag[TAG_SIZE];

    if (size != TAG_SIZE + r->size || memcmp((const char *)data + TAG_SIZE, r->text, r->size) != 0)
        return 0;
    memcpy(tag, data, TAG_SIZE);
    if (tag[TAG_SIZE - 1] != ':')
        return 0;
    tag[TAG_SIZE - 1] = '\0';
    return (uint32_t)strtoul(tag, NULL, 10);
}

static void check_value(struct index *x, const struct record *r, uint32_t generation,
                        const void *data, size_t size, const char *by)
{
    x->checks++;
    if (generation_of(r, data, size) != generation)
        die("%s of %s: %zu bytes that are not generation %" PRIu32, by, r->key, size, generation);
}

/* ---- The store ----------------------------------------------------------------------------- */

static struct varve *open_store(const struct index *x, const struct varve_options *o)
{
    struct varve *store;
    struct varve_error error;

    must(varve_open(x->dir, o, &store, &error), &error, "open");
    return store;
}

static void close_store(struct varve *store)
{
    struct varve_error error;

    must(varve_close(store, &error), &error, "close");
    varve_free(store);
}

/* Write records order[begin..end) at once. False if the process may as well end. */
static enum varve_code write_some(const struct index *x, struct varve *store,
                                  struct varve_batch *batch, size_t begin, size_t end,
                                  uint32_t generation, char *room)
{
    struct varve_error error;

    for (size_t i = begin; i < end; i++) {
        const struct record *r = &x->records[x->order[i]];
        size_t size = make_value(r, generation, room);
        must(
            varve_batch_put(batch, VARVE_DEFAULT_KEYSPACE, r->key, r->key_size, room, size, &error),
            &error, "put");
    }
    return varve_write(store, batch, NULL);
}

static size_t value_max(const struct index *x)
{
    size_t most = 0;

    for (size_t i = 0; i < x->count; i++)
        most = x->records[i].size > most ? x->records[i].size : most;
    return most + TAG_SIZE + 1;
}

/* ---- Reading it back ----------------------------------------------------------------------- */

static void check_gets(struct index *x, struct varve *store, uint32_t generation)
{
    struct varve_error error;

    for (size_t i = 0; i < x->count; i++) {
        const struct record *r = &x->records[i];
        struct varve_pinned v;
        must(varve_get(store, NULL, r->key, r->key_size, &v, &error), &error, r->key);
        check_value(x, r, generation, v.data, v.size, "get");
        varve_unpin(store, &v);
    }
}

static void check_multi_gets(struct index *x, struct varve *store, uint32_t generation)
{
    struct varve_slice keys[READ_TOGETHER];
    struct varve_pinned values[READ_TOGETHER];
    enum varve_code codes[READ_TOGETHER];
    struct varve_error error;

    for (size_t i = 0; i < x->count; i += READ_TOGETHER) {
        size_t n = x->count - i < READ_TOGETHER ? x->count - i : READ_TOGETHER;
        for (size_t j = 0; j < n; j++)
            keys[j] = (struct varve_slice) { x->records[i + j].key, x->records[i + j].key_size };
        must(varve_multi_get(store, NULL, keys, n, values, codes, &error), &error, "multi_get");
        for (size_t j = 0; j < n; j++) {
            if (codes[j] != VARVE_OK)
                die("multi_get of %s: %s", x->records[i + j].key, varve_code_name(codes[j]));
            check_value(x, &x->records[i + j], generation, values[j].data, values[j].size,
                        "multi_get");
            varve_unpin(store, &values[j]);
        }
    }
}

/* The entry the iterator stands on is record i. */
static void check_entry(struct index *x, struct varve_iterator *it, size_t i, uint32_t generation)
{
    const struct record *r = &x->records[i];
    struct varve_slice key = varve_iterator_key(it);
    struct varve_slice value;
    struct varve_error error;

    if (key.size != r->key_size || memcmp(key.data, r->key, key.size) != 0)
        die("the iterator shows %.*s in the place of %s", (int)key.size, (const char *)key.data,
            r->key);
    must(varve_iterator_value(it, &value, &error), &error, r->key);
    check_value(x, r, generation, value.data, value.size, "iterator");
}

static void check_iterator(struct index *x, struct varve *store, uint32_t generation)
{
    struct varve_iterator *it;
    struct varve_error error;
    size_t i = 0;

    must(varve_iterator_create(store, NULL, &it, &error), &error, "iterator");
    must(varve_iterator_first(it, &error), &error, "first");
    for (; varve_iterator_valid(it); i++) {
        if (i == x->count)
            die("the iterator shows more than was written");
        check_entry(x, it, i, generation);
        must(varve_iterator_next(it, &error), &error, "next");
    }
    if (i != x->count)
        die("the iterator shows %zu records of %zu", i, x->count);
    must(varve_iterator_last(it, &error), &error, "last");
    for (; varve_iterator_valid(it); i--) {
        if (i == 0)
            die("the iterator shows more backwards than forwards");
        check_entry(x, it, i - 1, generation);
        must(varve_iterator_prev(it, &error), &error, "prev");
    }
    if (i != 0)
        die("backwards the iterator does not show the first %zu records", i);
    varve_iterator_destroy(it);
}

static void check_all(struct index *x, struct varve *store, uint32_t generation)
{
    check_gets(x, store, generation);
    check_multi_gets(x, store, generation);
    check_iterator(x, store, generation);
}

static void load_and_read_back(struct index *x)
{
    struct varve *store = open_store(x, NULL);
    struct varve_batch *batch;
    struct varve_error error;
    char *room = malloc(value_max(x));

    for (size_t i = 0; i < x->count; i++)
        x->order[i] = i;
    must(varve_batch_create(store, &batch, &error), &error, "batch");
    for (size_t i = 0; i < x->count; i += BATCH_LOAD) {
        size_t end = i + BATCH_LOAD < x->count ? i + BATCH_LOAD : x->count;
        must(write_some(x, store, batch, i, end, 1, room), &error, "write");
    }
    varve_batch_destroy(batch);
    free(room);
    check_all(x, store, 1);
    must(varve_flush(store, &error), &error, "flush");
    must(varve_compact(store, VARVE_DEFAULT_KEYSPACE, NULL, 0, NULL, 0, &error), &error, "compact");
    check_all(x, store, 1);
    close_store(store);
    store = open_store(x, NULL);
    check_all(x, store, 1);
    must(varve_verify(store, &error), &error, "verify");
    close_store(store);
    for (size_t i = 0; i < x->count; i++)
        atomic_store(&x->account->written[i], 1);
    atomic_store(&x->account->begun, 1);
}

/* ---- The child that is killed -------------------------------------------------------------- */

static struct varve_options options_for(enum aim aim, enum varve_durability durability)
{
    struct varve_options o;

    varve_options_init(&o);
    o.durability = durability;
    o.cache_size = 8 << 20;
    o.memory_limit = 1 << 30; /* The log of a large buffer is replayed into small ones. */
    o.log_segment_size = 1 << 20;
    o.table_size = 256 << 10;
    o.write_buffer_size = aim == AIM_COMPACTION ? 256 << 20 : 1 << 20;
    o.level0_compact = aim == AIM_COMPACTION ? 2 : aim == AIM_FLUSH ? 20 : 3;
    o.level_base_size = aim == AIM_FLUSH ? UINT64_C(1) << 40 : 2 << 20;
    return o;
}

/* Nothing to do but to read: no buffer fills, nothing is worth a compaction. */
static struct varve_options options_to_look(enum varve_durability durability)
{
    struct varve_options o = options_for(AIM_FLUSH, durability);

    o.write_buffer_size = 256 << 20;
    return o;
}

/* Generation after generation, until the end comes. */
static void write_for_ever(const struct index *x, const struct varve_options *o)
{
    struct varve *store = open_store(x, o);
    struct account *a = x->account;
    struct varve_batch *batch;
    struct varve_error error;
    char *room = malloc(value_max(x));

    must(varve_batch_create(store, &batch, &error), &error, "batch");
    for (uint32_t generation = atomic_load(&a->begun) + 1;; generation++) {
        atomic_store(&a->end, 0);
        atomic_store(&a->begin, 0);
        atomic_store(&a->begun, generation);
        for (size_t i = 0; i < x->count; i += BATCH_KILLED) {
            size_t end = i + BATCH_KILLED < x->count ? i + BATCH_KILLED : x->count;
            atomic_store(&a->begin, i);
            atomic_store(&a->end, end);
            must(write_some(x, store, batch, i, end, generation, room), &error, "write");
            for (size_t j = i; j < end; j++)
                atomic_store(&a->written[x->order[j]], generation);
        }
    }
}

/* ---- Killing it ---------------------------------------------------------------------------- */

static bool is_table(const char *name)
{
    size_t size = strlen(name);

    return size > 4 && strcmp(name + size - 4, ".sst") == 0;
}

/* Wait until count tables have appeared; *out_name is the last of them. */
static bool wait_for_tables(int watch, size_t count, char *out_name)
{
    _Alignas(struct inotify_event) char events[4096];
    struct pollfd p = { .fd = watch, .events = POLLIN };

    while (count > 0) {
        if (poll(&p, 1, WAIT_MS) <= 0)
            return false;
        ssize_t size = read(watch, events, sizeof events);
        for (ssize_t at = 0; at < size && count > 0;) {
            const struct inotify_event *e = (const struct inotify_event *)(events + at);
            if (e->len > 0 && is_table(e->name)) {
                snprintf(out_name, PATH_SIZE, "%s", e->name);
                count--;
            }
            at += (ssize_t)(sizeof *e + e->len);
        }
    }
    return true;
}

static bool exists(const struct index *x, const char *name)
{
    char path[2 * PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", x->dir, name);
    return access(path, F_OK) == 0;
}

static void shuffle(struct index *x)
{
    for (size_t i = x->count; i > 1; i--) {
        size_t j = draw(x, i);
        size_t swapped = x->order[i - 1];
        x->order[i - 1] = x->order[j];
        x->order[j] = swapped;
    }
}

/* Let a child write, and kill it where aim says; true if a table was being written then, as
 * *out_name says. Most kills come at once, some a little later: into the merge, or its end. */
static bool write_and_kill(struct index *x, enum aim aim, enum varve_durability durability,
                           char *out_name)
{
    struct varve_options o = options_for(aim, durability);
    int watch = inotify_init1(IN_CLOEXEC);
    int status;

    shuffle(x);
    atomic_store(&x->account->begin, 0);
    atomic_store(&x->account->end, 0);
    if (watch < 0 || inotify_add_watch(watch, x->dir, IN_CREATE) < 0)
        die("no inotify: %s", strerror(errno));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        write_for_ever(x, &o);
    /* Flushes leave a few whole tables, so that there is something to compact. */
    size_t tables = aim == AIM_FLUSH ? 3 + draw(x, 3) : 1 + draw(x, 4);
    bool is_seen = aim != AIM_ANYWHERE && wait_for_tables(watch, tables, out_name);
    usleep((useconds_t)(aim == AIM_ANYWHERE ? 20000 + draw(x, 300000)
                        : draw(x, 2) == 0   ? 0
                                            : draw(x, 3000)));
    kill(child, SIGKILL);
    if (child < 0 || waitpid(child, &status, 0) != child)
        die("no child: %s", strerror(errno));
    if (!WIFSIGNALED(status))
        die("the child ended by itself, status %d", WEXITSTATUS(status));
    close(watch);
    return is_seen && exists(x, out_name);
}

/* ---- What is left -------------------------------------------------------------------------- */

/* What was acknowledged, or the batch that was under way: all of it or nothing. */
static void check_after_kill(struct index *x, struct varve *store)
{
    struct account *a = x->account;
    uint32_t begun = atomic_load(&a->begun);
    size_t begin = atomic_load(&a->begin);
    size_t end = atomic_load(&a->end);
    size_t whole = 0; /* Of the batch under way. */

    for (size_t i = 0; i < x->count; i++) {
        const struct record *r = &x->records[x->order[i]];
        uint32_t acknowledged = atomic_load(&a->written[x->order[i]]);
        struct varve_error error;
        struct varve_pinned v;
        must(varve_get(store, NULL, r->key, r->key_size, &v, &error), &error, r->key);
        uint32_t got = generation_of(r, v.data, v.size);
        bool is_under_way = i >= begin && i < end && got == begun;
        if (got != acknowledged && !is_under_way)
            die("%s is generation %" PRIu32 " (%zu bytes); %" PRIu32 " was acknowledged", r->key,
                got, v.size, acknowledged);
        whole += is_under_way;
        x->checks++;
        atomic_store(&a->written[x->order[i]], got);
        varve_unpin(store, &v);
    }
    if (whole != 0 && whole != end - begin)
        die("%zu records of a batch of %zu are there", whole, end - begin);
}

/* Open without any work to do. True if the table that was being written is gone, so that nothing
 * had named it. */
static bool look_after_kill(struct index *x, const char *table, enum varve_durability durability)
{
    struct varve_options o = options_to_look(durability);
    struct varve *store = open_store(x, &o);
    struct varve_statistics s;
    struct varve_error error;

    check_after_kill(x, store);
    must(varve_statistics(store, &s, &error), &error, "statistics");
    bool is_inside =
        s.flushes == 0 && s.compactions == 0 && s.trivial_moves == 0 && !exists(x, table);
    if (s.table_files[0] > LEVEL0_MAX)
        must(varve_compact(store, VARVE_DEFAULT_KEYSPACE, NULL, 0, NULL, 0, &error), &error,
             "compact");
    close_store(store);
    return is_inside;
}

static void kill_and_look(struct index *x, enum varve_durability durability)
{
    static const enum aim TURNS[] = { AIM_FLUSH, AIM_COMPACTION, AIM_FLUSH, AIM_COMPACTION,
                                      AIM_ANYWHERE };
    const size_t turns = sizeof TURNS / sizeof TURNS[0];
    unsigned inside[AIMS] = { 0 };
    unsigned kills = 0;

    while (kills < KILLS || inside[AIM_FLUSH] == 0 || inside[AIM_COMPACTION] == 0) {
        enum aim aim = TURNS[kills % turns];
        char table[PATH_SIZE] = "";
        if (kills++ == KILLS_MAX)
            die("of %u kills %u came inside of a flush, %u of a compaction", KILLS_MAX,
                inside[AIM_FLUSH], inside[AIM_COMPACTION]);
        bool was_written = write_and_kill(x, aim, durability, table);
        bool is_gone = look_after_kill(x, table, durability);
        inside[aim] += was_written && is_gone;
    }
    printf("packages_app: %s: %u kills, %u inside of %s, %u inside of %s, generation %" PRIu32 "\n",
           durability == VARVE_DURABLE ? "durable" : "relaxed", kills, inside[AIM_FLUSH],
           AIM_NAMES[AIM_FLUSH], inside[AIM_COMPACTION], AIM_NAMES[AIM_COMPACTION],
           atomic_load(&x->account->begun));
}

static void remove_store(const struct index *x)
{
    DIR *d = opendir(x->dir);
    char path[2 * PATH_SIZE];

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", x->dir, e->d_name);
        unlink(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(x->dir);
}

int main(int argc, char **argv)
{
    struct index x = { .seed = (uint64_t)getpid() };
    long part = argc > 1 ? strtol(argv[1], NULL, 10) : 1;

    read_index(&x, part > 0 ? (size_t)part : 1);
    snprintf(x.dir, sizeof x.dir, "packages-%ld.varve", (long)getpid());
    load_and_read_back(&x);
    kill_and_look(&x, VARVE_DURABLE);
    kill_and_look(&x, VARVE_RELAXED);
    remove_store(&x);
    printf("packages_app: %zu records, %" PRIu64 " checks\n", x.count, x.checks);
    munmap(x.account, sizeof *x.account + x.count * sizeof x.account->written[0]);
    for (size_t i = 0; i < x.count; i++)
        free(x.records[i].key);
    free(x.order);
    free(x.records);
    free(x.text);
    return 0;
}
