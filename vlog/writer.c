#include "base/alloc.h"
#include "base/budget.h"
#include "base/check.h"

#include "vlog/log.h"

/*
 * A value file being written: header block, values one after another, directory, footer. Gathers
 * what is added in a buffer and writes it in large aligned pieces. Nobody knows the file before the
 * manifest names it, so a failure costs the file and nothing else.
 */

enum { BUFFER_SIZE = 1 << 20 };

struct vlog_writer {
    struct vlog *v;
    struct io_ring *ring;
    struct io_file *file;
    uint64_t logical;
    uint64_t physical;
    uint8_t *buffer;
    size_t buffered;
    uint64_t written; /* Bytes of the file before the buffer. */
    struct vlog_offsets offsets;
};

static void writer_destroy(struct vlog_writer *w, bool keeps_file)
{
    struct alloc *a = w->v->env->alloc;

    io_close(w->file);
    if (w->file != NULL && !keeps_file)
        vlog_pool_unlink(w->v, w->physical, VLOG_VALUES);
    vlog_offsets_deinit(&w->offsets);
    if (w->buffer != NULL) {
        alloc_free(a, w->buffer, BUFFER_SIZE);
        budget_refund(w->v->env->budget, BUDGET_JOB, BUFFER_SIZE);
    }
    alloc_free(a, w, sizeof *w);
}

static struct status flush(struct vlog_writer *w)
{
    if (w->buffered == 0)
        return status_ok();
    TRY(io_write(w->ring, w->file, w->buffer, w->buffered, w->written));
    vlog_count(&w->v->other_bytes, w->buffered);
    w->written += w->buffered;
    w->buffered = 0;
    return status_ok();
}

/* Append size bytes of data, or zeros if it is NULL. */
static struct status put(struct vlog_writer *w, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t n = BUFFER_SIZE - w->buffered;
        if (n > size)
            n = size;
        if (data != NULL) {
            memcpy(w->buffer + w->buffered, data, n);
            data += n;
        } else {
            memset(w->buffer + w->buffered, 0, n);
        }
        w->buffered += n;
        size -= n;
        if (w->buffered == BUFFER_SIZE)
            TRY(flush(w));
    }
    return status_ok();
}

static struct status create_file(struct vlog_writer *w)
{
    struct vlog *v = w->v;
    unsigned flags = IO_WRITE | IO_CREATE;
    char path[IO_PATH_MAX];

    TRY(vlog_path(v->dir, w->physical, VLOG_VALUES, path));
    struct status s = status_of(ST_UNSUPPORTED);
    if (v->options.is_direct_value_io)
        s = io_open(v->env->io, path, flags | IO_DIRECT, &w->file);
    if (s.code == ST_UNSUPPORTED)
        s = io_open(v->env->io, path, flags, &w->file);
    return s;
}

static struct status put_header(struct vlog_writer *w)
{
    struct vlog_header h = {
        .kind = VLOG_VALUES,
        .physical = w->physical,
        .logical = w->logical,
    };

    memcpy(h.store, w->v->store, VLOG_UUID);
    vlog_header_write(&h, w->buffer);
    w->buffered = VLOG_BLOCK;
    return status_ok();
}

struct status vlog_writer_create(struct vlog *v, struct io_ring *ring, uint64_t logical,
                                 struct vlog_writer **out_writer)
{
    struct alloc *a = v->env->alloc;

    if (vlog_is_failed(v))
        return status_of(ST_FAILED);
    struct vlog_writer *w = alloc_zeroed(a, sizeof *w);
    if (w == NULL)
        return status_of(ST_NO_MEMORY);
    w->v = v;
    w->ring = ring;
    vlog_offsets_init(&w->offsets, v->env);
    struct status s = budget_charge(v->env->budget, BUDGET_JOB, BUFFER_SIZE);
    if (failed(s))
        goto out;
    w->buffer = alloc_aligned(a, IO_ALIGN, BUFFER_SIZE);
    if (w->buffer == NULL) {
        budget_refund(v->env->budget, BUDGET_JOB, BUFFER_SIZE);
        s = status_of(ST_NO_MEMORY);
        goto out;
    }
    s = v->take_file_id(v->id_context, &w->physical);
    if (failed(s))
        goto out;
    w->logical = logical != 0 ? logical : w->physical;
    s = create_file(w);
    if (succeeded(s))
        s = put_header(w);
out:
    if (failed(s))
        writer_destroy(w, false);
    else
        *out_writer = w;
    return s;
}

uint64_t vlog_writer_logical(const struct vlog_writer *w)
{
    return w->logical;
}

uint64_t vlog_writer_size(const struct vlog_writer *w)
{
    return w->written + w->buffered;
}

struct status vlog_writer_add(struct vlog_writer *w, uint32_t ordinal, struct bytes value,
                              struct vlog_handle *out_handle)
{
    uint64_t offset = vlog_writer_size(w);
    uint64_t size = vlog_value_size(value.size);
    uint8_t header[VLOG_VALUE_HEADER];

    if (ordinal < w->offsets.end)
        return status_of(ST_INVALID);
    /* Reading bounds handles by 32 bits, directory and footer included. */
    if (value.size > UINT32_MAX || ordinal >= VLOG_ORDINAL_MAX ||
        align_up(offset + size, VLOG_BLOCK) + vlog_end_size(ordinal + 1) > UINT32_MAX)
        return status_of(ST_LIMIT);
    TRY(vlog_offsets_reserve(&w->offsets, (uint64_t)ordinal + 1));
    put_u32(header, vlog_value_crc(w->logical, ordinal, value));
    put_u32(header + 4, (uint32_t)value.size);
    TRY(put(w, header, sizeof header));
    TRY(put(w, value.data, value.size));
    TRY(put(w, NULL, (size_t)(size - sizeof header - value.size)));
    vlog_offsets_add(&w->offsets, ordinal, (uint32_t)offset, (uint32_t)value.size);
    vlog_count(&w->v->values_copied, 1);
    *out_handle = (struct vlog_handle) {
        .file = w->logical,
        .ordinal = ordinal,
        .offset = (uint32_t)offset,
        .length = (uint32_t)value.size,
    };
    return status_ok();
}

static struct status finish(struct vlog_writer *w, struct vlog_file *out_file)
{
    struct vlog *v = w->v;
    struct vlog_footer f = {
        .physical = w->physical,
        .logical = w->logical,
        .end = vlog_writer_size(w),
    };

    memcpy(f.store, v->store, VLOG_UUID);
    TRY(put(w, NULL, (size_t)(align_up(f.end, VLOG_BLOCK) - f.end)));
    TRY(flush(w));
    f.directory = w->written;
    TRY(vlog_offsets_write_end(&w->offsets, &f, w->ring, w->file));
    vlog_count(&v->other_bytes, vlog_end_size(f.ordinal_end));
    TRY(io_sync(w->ring, w->file));
    TRY(vlog_sync_dir(v));
    *out_file = (struct vlog_file) {
        .logical = w->logical,
        .physical = w->physical,
        .is_segment = false,
        .size_bytes = f.directory + vlog_end_size(f.ordinal_end),
        .value_count = f.value_count,
        .value_bytes = f.value_bytes,
        .ordinal_end = f.ordinal_end,
    };
    return status_ok();
}

struct status vlog_writer_finish(struct vlog_writer *w, struct vlog_file *out_file)
{
    struct status s = w->offsets.value_count > 0 ? finish(w, out_file) : status_of(ST_INVALID);

    writer_destroy(w, succeeded(s));
    return s;
}

void vlog_writer_abandon(struct vlog_writer *w)
{
    if (w != NULL)
        writer_destroy(w, false);
}
