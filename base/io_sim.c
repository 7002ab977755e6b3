#include "base/io_sim_machine.h"

#include <errno.h>

#include "base/check.h"

/* 2024-01-01T00:00:00Z */
#define WALL_START_MS UINT64_C(1704067200000)
enum { SWEEP_FIRST = 64, FIRST_PORT = 40000, SOCKET_BUFFER_DEFAULT = 64 << 10 };

static struct status status_of_errno(int error)
{
    return error == 0 ? status_ok() : status_of(io_code_of_errno(error));
}

/* ---- Faults and events -------------------------------------------------------------------------
 */

int sim_fault(struct io_sim *sim, enum io_sim_class class)
{
    const struct io_sim_fault *f = &sim->fault;

    sim->calls[__builtin_ctz(class)]++;
    if ((f->classes & class) == 0 || sim->is_fault_paused)
        return 0;
    uint64_t call = ++sim->fault_calls;
    if (f->at == 0 || call < f->at || (call > f->at && !f->is_for_ever))
        return 0;
    sim->fault_fired++;
    return f->error != 0 ? f->error : EIO;
}

void io_sim_set_fault(struct io_sim *sim, const struct io_sim_fault *fault)
{
    sim->fault = fault != NULL ? *fault : (struct io_sim_fault) { 0 };
    sim->fault_calls = 0;
    sim->fault_fired = 0;
}

void io_sim_pause_fault(struct io_sim *sim, bool is_paused)
{
    sim->is_fault_paused = is_paused;
}

void io_sim_set_capacity(struct io_sim *sim, uint64_t capacity_bytes)
{
    sim->options.capacity_bytes = capacity_bytes;
}

uint64_t io_sim_faults_fired(const struct io_sim *sim)
{
    return sim->fault_fired;
}

uint64_t io_sim_calls(const struct io_sim *sim, unsigned classes)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SIM_CLASSES; i++)
        if ((classes >> i & 1) != 0)
            sum += sim->calls[i];
    return sum;
}

void sim_fail(struct io_sim *sim, struct io_sim_event *e)
{
    e->outcome = IO_SIM_FAILED;
    e->seed = rand_u64(&sim->fates);
    if (sim->fault.is_clean && e->kind != IO_SIM_WRITTEN)
        e->outcome = IO_SIM_LIED;
}

int sim_emit(struct io_sim *sim, struct io_sim_event *e)
{
    int error = sim_disk_apply(sim->disk, e);

    if (error != 0)
        return error;
    if (sim->trace != NULL)
        sim_trace_add(sim->trace, e);
    if (sim->watch != NULL)
        sim->watch(sim->watch_context, e);
    if (sim->disk->node_count > sim->sweep_at) {
        sim_disk_sweep(sim->disk);
        sim->sweep_at = 2 * sim->disk->node_count + SWEEP_FIRST;
    }
    return 0;
}

void io_sim_set_monitor(struct io_sim *sim, io_sim_watch *watch, void *context)
{
    sim->watch = watch;
    sim->watch_context = context;
}

void io_sim_set_tap(struct io_sim *sim, io_sim_tap *tap, void *context)
{
    sim->tap = tap;
    sim->tap_context = context;
}

void io_sim_mark(struct io_sim *sim, const char *word, uint64_t number)
{
    struct io_sim_event e = { .kind = IO_SIM_MARKED, .word = word, .number = number };

    CHECK(sim_emit(sim, &e) == 0);
}

void io_sim_trace_start(struct io_sim *sim)
{
    io_sim_trace_destroy(sim->trace);
    sim->trace = sim_trace_create(sim->disk);
}

struct io_sim_trace *io_sim_trace_stop(struct io_sim *sim)
{
    struct io_sim_trace *trace = sim->trace;

    CHECK(trace != NULL);
    sim->trace = NULL;
    return trace;
}

/* ---- Files -------------------------------------------------------------------------------- */

/* Make or empty the file at path as flags say. An errno value, or 0 and the node. */
static int prepare_file(struct io_sim *sim, const char *path, unsigned flags,
                        struct sim_node **out_node)
{
    int error = sim_disk_find(sim->disk, path, out_node);

    if (error == ENOENT && (flags & IO_CREATE) != 0) {
        struct io_sim_event e = { .kind = IO_SIM_CREATE, .path = path };
        error = sim_emit(sim, &e);
        if (error == 0)
            *out_node = sim_disk_node(sim->disk, e.file);
        return error;
    }
    if (error != 0)
        return error;
    if ((flags & IO_EXCLUSIVE) != 0)
        return EEXIST;
    if ((*out_node)->is_dir)
        return EISDIR;
    if ((flags & IO_TRUNCATE) != 0 && (*out_node)->live->size > 0) {
        struct io_sim_event e = { .kind = IO_SIM_TRUNCATED, .file = (*out_node)->number };
        error = sim_emit(sim, &e);
    }
    return error;
}

static struct status sim_open(struct io *io, const char *path, unsigned flags, struct io_file **out)
{
    struct io_sim *sim = sim_of(io);
    struct sim_node *n = NULL;
    int error = sim_fault(sim, IO_SIM_OPEN);

    if (error == 0 && (flags & IO_DIRECT) != 0 && sim->options.refuses_direct)
        return status_of(ST_UNSUPPORTED);
    if (error == 0)
        error = prepare_file(sim, path, flags, &n);
    if (error != 0)
        return status_of_errno(error);
    struct sim_file *f = sim_take(sizeof *f);
    f->file = (struct io_file) { .io = io, .flags = flags };
    f->number = n->number;
    n->opens++;
    sim->open_files++;
    *out = &f->file;
    return status_ok();
}

static struct sim_node *node_of(const struct io_file *file)
{
    return sim_disk_node(sim_of(file->io)->disk, ((const struct sim_file *)file)->number);
}

static void sim_close(struct io_file *file)
{
    struct io_sim *sim = sim_of(file->io);
    struct sim_node *n = node_of(file);

    CHECK(((struct sim_file *)file)->pending_ops == 0);
    n->opens--;
    sim_node_released(sim->disk, n);
    sim->open_files--;
    sim_give(file, sizeof(struct sim_file));
}

static struct status sim_size(struct io_file *file, uint64_t *out_size)
{
    *out_size = node_of(file)->live->size;
    return status_ok();
}

static struct status sim_truncate(struct io_file *file, uint64_t size)
{
    struct io_sim *sim = sim_of(file->io);
    int error = sim_fault(sim, IO_SIM_SPACE);

    if (error == 0 && size > SIM_FILE_MAX)
        error = EFBIG;
    if (error == 0) {
        struct io_sim_event e = { .kind = IO_SIM_TRUNCATED,
                                  .file = node_of(file)->number,
                                  .offset = size };
        error = sim_emit(sim, &e);
    }
    return status_of_errno(error);
}

static struct status sim_allocate(struct io_file *file, uint64_t offset, uint64_t size)
{
    struct io_sim *sim = sim_of(file->io);
    const struct sim_node *n = node_of(file);
    uint64_t capacity = sim->options.capacity_bytes;
    int error = sim_fault(sim, IO_SIM_SPACE);

    if (error == 0 && offset + size > SIM_FILE_MAX)
        error = EFBIG;
    if (error == 0 && capacity != 0 &&
        sim->disk->used_bytes + sim_node_charge(n, offset + size) > capacity)
        error = ENOSPC;
    if (error == 0) {
        struct io_sim_event e = {
            .kind = IO_SIM_ALLOCATED, .file = n->number, .offset = offset, .size = size
        };
        error = sim_emit(sim, &e);
    }
    return status_of_errno(error);
}

/* ---- Names -------------------------------------------------------------------------------- */

static struct status change_name(struct io *io, enum io_sim_event_kind kind, const char *path,
                                 const char *path_to)
{
    struct io_sim *sim = sim_of(io);
    int error = sim_fault(sim, IO_SIM_NAME);

    if (error == 0) {
        struct io_sim_event e = { .kind = kind, .path = path, .path_to = path_to };
        error = sim_emit(sim, &e);
    }
    return status_of_errno(error);
}

static struct status sim_mkdir(struct io *io, const char *path)
{
    struct sim_node *n;

    if (sim_disk_find(sim_of(io)->disk, path, &n) == 0)
        return n->is_dir ? status_ok() : status_of(ST_INVALID);
    return change_name(io, IO_SIM_MKDIR, path, NULL);
}

static struct status sim_rename(struct io *io, const char *from, const char *to)
{
    return change_name(io, IO_SIM_RENAME, from, to);
}

static struct status sim_unlink(struct io *io, const char *path)
{
    return change_name(io, IO_SIM_UNLINK, path, NULL);
}

static struct status sim_link(struct io *io, const char *from, const char *to)
{
    return change_name(io, IO_SIM_LINK, from, to);
}

static struct status sim_exists(struct io *io, const char *path, bool *out_exists)
{
    struct io_sim *sim = sim_of(io);
    struct sim_node *n;
    int error = sim_fault(sim, IO_SIM_OPEN);

    if (error == 0)
        error = sim_disk_find(sim->disk, path, &n);
    if (error != 0 && error != ENOENT)
        return status_of_errno(error);
    *out_exists = error == 0;
    return status_ok();
}

static struct status sim_sync_dir(struct io *io, const char *path)
{
    struct io_sim *sim = sim_of(io);
    int fault = sim_fault(sim, IO_SIM_SYNC_DIR);
    struct io_sim_event e = { .kind = IO_SIM_DIR_SYNCED,
                              .outcome = sim->options.has_lying_sync ? IO_SIM_LIED : IO_SIM_DONE,
                              .path = path };

    if (fault != 0)
        sim_fail(sim, &e);
    int error = sim_emit(sim, &e);
    return status_of_errno(fault != 0 ? fault : error);
}

static struct status sim_list(struct io *io, const char *path,
                              bool (*visit)(void *context, const char *name), void *context)
{
    struct io_sim *sim = sim_of(io);
    struct sim_node *n;
    int error = sim_fault(sim, IO_SIM_OPEN);

    if (error == 0)
        error = sim_disk_find(sim->disk, path, &n);
    if (error == 0 && !n->is_dir)
        error = ENOTDIR;
    if (error != 0)
        return status_of_errno(error);
    struct sim_names *names = sim_names_ref(n->names); /* visit may change the directory. */
    for (size_t i = 0; i < names->count && visit(context, names->list[i].name->text); i++)
        ;
    sim_names_unref(names);
    return status_ok();
}

static struct status sim_lock_take(struct io *io, const char *path, struct errbuf *err,
                                   struct io_lock **out)
{
    struct io_sim *sim = sim_of(io);
    struct sim_node *n = NULL;
    int error = sim_fault(sim, IO_SIM_OPEN);

    if (error == 0)
        error = prepare_file(sim, path, IO_WRITE | IO_CREATE, &n);
    if (error != 0) {
        errbuf_set(err, "\"%s\" cannot be opened", path);
        return status_of_errno(error);
    }
    for (const struct sim_lock *l = sim->locks; l != NULL; l = l->next) {
        if (l->number == n->number) {
            errbuf_set(err, "\"%s\" is held by process 1 of the simulated machine", path);
            return status_of(ST_BUSY);
        }
    }
    struct sim_lock *l = sim_take(sizeof *l);
    l->lock.io = io;
    l->number = n->number;
    l->next = sim->locks;
    sim->locks = l;
    n->opens++;
    *out = &l->lock;
    return status_ok();
}

static void sim_lock_drop(struct io_lock *lock)
{
    struct io_sim *sim = sim_of(lock->io);
    struct sim_lock **at = &sim->locks;

    while (&(*at)->lock != lock)
        at = &(*at)->next;
    struct sim_lock *l = *at;
    struct sim_node *n = sim_disk_node(sim->disk, l->number);
    n->opens--;
    sim_node_released(sim->disk, n);
    *at = l->next;
    sim_give(l, sizeof *l);
}

/* ---- Life --------------------------------------------------------------------------------- */

static void sim_close_machine(struct io *io)
{
    struct io_sim *sim = sim_of(io);

    CHECK(sim->open_files == 0);
    CHECK(sim->open_rings == 0);
    CHECK(sim->sockets == NULL);
    CHECK(sim->locks == NULL);
    io_sim_trace_destroy(sim->trace);
    sim_disk_destroy(sim->disk);
    sim_give(sim->dues, sim->due_capacity * sizeof *sim->dues);
    sim_give(sim, sizeof *sim);
}

static const struct io_table TABLE = {
    .close_machine = sim_close_machine,
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .truncate = sim_truncate,
    .allocate = sim_allocate,
    .mkdir = sim_mkdir,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .link = sim_link,
    .exists = sim_exists,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .lock_take = sim_lock_take,
    .lock_drop = sim_lock_drop,
    .ring_create = sim_ring_create,
    .ring_destroy = sim_ring_destroy,
    .submit = sim_submit,
    .wait = sim_wait,
    .done = sim_done,
    .wake = sim_wake,
    .perform = sim_perform,
    .listen = sim_listen,
    .connect = sim_connect,
    .socket_port = sim_socket_port,
    .socket_number = sim_socket_number,
    .socket_name = sim_socket_name,
    .socket_shutdown = sim_socket_shutdown,
    .socket_close = sim_socket_close,
};

static struct io_sim *sim_of_clock(struct clock *c)
{
    return (struct io_sim *)((char *)c - offsetof(struct io_sim, clock));
}

static uint64_t now_ns(struct clock *c)
{
    return sim_of_clock(c)->now_ns;
}

static uint64_t wall_ms(struct clock *c)
{
    const struct io_sim *sim = sim_of_clock(c);

    return sim->wall_ms + sim->now_ns / 1000000;
}

struct io_sim *io_sim_create(const struct io_sim_options *options, const struct io_sim_image *image)
{
    struct io_sim *sim = sim_take(sizeof *sim);

    sim->io = (struct io) { .table = &TABLE, .kind = IO_KIND_SIM, .alloc = alloc_heap() };
    sim->clock = (struct clock) { .monotonic_ns = now_ns, .wall_ms = wall_ms };
    if (options != NULL)
        sim->options = *options;
    if (sim->options.socket_buffer_bytes == 0)
        sim->options.socket_buffer_bytes = SOCKET_BUFFER_DEFAULT;
    sim->wall_ms = sim->options.wall_ms != 0 ? sim->options.wall_ms : WALL_START_MS;
    sim->disk = image != NULL ? sim_disk_clone(sim_image_disk(image)) : sim_disk_create();
    sim->sweep_at = SWEEP_FIRST;
    sim->next_port = FIRST_PORT;
    rand_seed(&sim->order, sim->options.seed);
    rand_seed(&sim->latency, sim->options.seed + 1);
    rand_seed(&sim->fates, sim->options.seed + 2);
    rand_seed(&sim->network, sim->options.seed + 3);
    return sim;
}

void io_sim_destroy(struct io_sim *sim)
{
    if (sim != NULL)
        sim_close_machine(&sim->io);
}

struct io *io_sim_io(struct io_sim *sim)
{
    return &sim->io;
}

struct clock *io_sim_clock(struct io_sim *sim)
{
    return &sim->clock;
}

void io_sim_set_wall_ms(struct io_sim *sim, uint64_t wall)
{
    sim->wall_ms = wall - sim->now_ns / 1000000;
}

void io_sim_advance(struct io_sim *sim, uint64_t duration_ns)
{
    sim->now_ns += duration_ns;
}

uint64_t io_sim_used_bytes(const struct io_sim *sim)
{
    return sim->disk->used_bytes;
}

/* ---- Behind the machine's back ------------------------------------------------------------------
 */

/* The file at path, NULL if there is none. */
static struct sim_node *find_file(struct io_sim *sim, const char *path)
{
    struct sim_node *n = NULL;

    if (sim_disk_find(sim->disk, path, &n) != 0 || n->is_dir)
        return NULL;
    return n;
}

bool io_sim_peek(struct io_sim *sim, const char *path, uint64_t offset, void *data, size_t size)
{
    const struct sim_node *n = find_file(sim, path);

    if (n == NULL || offset > n->live->size || size > n->live->size - offset)
        return false;
    sim_content_read(n->live, offset, data, size);
    return true;
}

bool io_sim_poke(struct io_sim *sim, const char *path, uint64_t offset, struct bytes bytes)
{
    struct sim_node *n = find_file(sim, path);

    if (n == NULL || offset > n->live->size || bytes.size > n->live->size - offset)
        return false;
    sim_content_write(&n->live, offset, bytes.data, bytes.size);
    sim_content_write(&n->durable, offset, bytes.data, bytes.size);
    return true;
}

bool io_sim_flip(struct io_sim *sim, const char *path, uint64_t bit)
{
    uint8_t byte;

    if (!io_sim_peek(sim, path, bit / 8, &byte, 1))
        return false;
    byte ^= (uint8_t)(1u << bit % 8);
    return io_sim_poke(sim, path, bit / 8, bytes_of(&byte, 1));
}

bool io_sim_resize(struct io_sim *sim, const char *path, uint64_t size)
{
    struct sim_node *n = find_file(sim, path);

    if (n == NULL)
        return false;
    sim_content_cut(&n->live, size);
    sim_content_cut(&n->durable, size);
    return true;
}

bool io_sim_remove(struct io_sim *sim, const char *path)
{
    struct sim_node *dir = NULL;
    struct bytes name;
    struct sim_node *n = find_file(sim, path);

    if (n == NULL || sim_disk_find_parent(sim->disk, path, &dir, &name) != 0)
        return false;
    struct sim_name *text = sim_name_create(name);
    sim_names_remove(&dir->names, text);
    sim_names_remove(&dir->durable_names, text);
    sim_name_unref(text);
    n->links--;
    sim_node_released(sim->disk, n);
    return true;
}

struct walk {
    struct io_sim *sim;
    void (*visit)(void *context, const char *path, uint64_t size);
    void *context;
    char path[IO_PATH_MAX];
};

/* Visit what lies below dir, whose path is the first size bytes of w->path. */
static void walk_dir(struct walk *w, const struct sim_node *dir, size_t size)
{
    struct sim_names *names = sim_names_ref(dir->names);

    for (size_t i = 0; i < names->count && dir->links == 1; i++) {
        const struct sim_name *name = names->list[i].name;
        const struct sim_node *n = sim_disk_node(w->sim->disk, names->list[i].number);
        size_t at = size;
        if (n == NULL || size + name->size + 2 > sizeof w->path)
            continue;
        if (at > 0)
            w->path[at++] = '/';
        memcpy(w->path + at, name->text, name->size + 1);
        if (n->is_dir)
            walk_dir(w, n, at + name->size);
        else
            w->visit(w->context, w->path, n->live->size);
    }
    sim_names_unref(names);
}

void io_sim_walk(struct io_sim *sim, void (*visit)(void *context, const char *path, uint64_t size),
                 void *context)
{
    struct walk *w = sim_take(sizeof *w);

    w->sim = sim;
    w->visit = visit;
    w->context = context;
    walk_dir(w, sim_disk_node(sim->disk, SIM_ROOT), 0);
    sim_give(w, sizeof *w);
}

/* ---- Power cuts --------------------------------------------------------------------------- */

size_t io_sim_pending(struct io_sim *sim)
{
    struct sim_units u = { 0 };

    sim_units_collect(&u, sim->disk);
    sim_units_deinit(&u);
    return u.count;
}

struct io_sim_image *io_sim_crash_image(struct io_sim *sim, const struct io_sim_choice *choice)
{
    struct sim_units u = { 0 };

    sim_units_collect(&u, sim->disk);
    struct sim_disk *after = sim_disk_crash(sim->disk, &u, choice);
    sim_units_deinit(&u);
    return sim_image_create(after);
}

struct io_sim *io_sim_crash(struct io_sim *sim, const struct io_sim_choice *choice,
                            const struct io_sim_options *options)
{
    struct io_sim_image *image = io_sim_crash_image(sim, choice);
    struct io_sim *after = io_sim_create(options, image);

    io_sim_image_destroy(image);
    return after;
}
