#include "base/check.h"

#include "vlog/log.h"

/*
 * Reading a value: from the memory tail if its segment is still there, else through the cache, at
 * the offset the handle hints (first generation) or the directory tells (later ones).
 */

/* ---- Verification, once when a block enters the cache --------------------------------------- */

static struct status report(const struct fetch_request *request, const struct vlog_source *s,
                            const char *what, const char *wrong, struct errbuf *err)
{
    char name[VLOG_NAME_MAX];

    vlog_name(s->physical, s->is_segment ? VLOG_SEGMENT : VLOG_VALUES, name);
    errbuf_set(err, "%s at %llu: %s %llu %s", name, (unsigned long long)request->offset, what,
               (unsigned long long)request->cookie, wrong);
    return status_of(ST_CORRUPT);
}

static struct status verify_value(void *context, const struct fetch_request *request,
                                  struct bytes block, uint8_t *out_header, struct errbuf *err)
{
    const struct vlog_source *s = context;
    const char *wrong = vlog_value_check(block, s->logical, (uint32_t)request->cookie);

    (void)out_header;
    return wrong == NULL ? status_ok() : report(request, s, "value", wrong, err);
}

static struct status verify_page(void *context, const struct fetch_request *request,
                                 struct bytes block, uint8_t *out_header, struct errbuf *err)
{
    const struct vlog_source *s = context;
    const char *wrong = vlog_page_check(s->physical, (uint32_t)request->cookie, block);

    (void)out_header;
    return wrong == NULL ? status_ok() : report(request, s, "directory page", wrong, err);
}

/* ---- Reads ----------------------------------------------------------------------------------- */

/* A read of size bytes at offset of s, from the device if they are not in the cache. */
static struct fetch_request request_of(struct vlog_source *s, uint64_t offset, uint32_t size)
{
    return (struct fetch_request) {
        .file_id = s->physical,
        .offset = offset,
        .size = size,
        .kind = FETCH_VALUE,
        .verify = verify_value,
        .context = s,
        .hold = vlog_source_hold,
        .drop = vlog_source_drop,
    };
}

/* Where ordinal is in a later generation of its file. */
static struct status look_up(struct fetch *f, struct vlog_source *s, struct io_file *file,
                             uint32_t ordinal, uint32_t *out_offset)
{
    uint32_t page = ordinal / VLOG_PAGE_ORDINALS;
    struct fetch_request r =
        request_of(s, vlog_source_directory(s) + (uint64_t)page * VLOG_BLOCK, VLOG_BLOCK);
    struct fetch_block block;

    r.file = file;
    r.kind = FETCH_DIRECTORY;
    r.verify = verify_page;
    r.cookie = page;
    TRY(fetch_get(f, &r, &block));
    *out_offset = vlog_page_offset(block.data.data, ordinal % VLOG_PAGE_ORDINALS);
    return status_ok();
}

static struct status read_source(struct fetch *f, struct vlog_source *s,
                                 const struct vlog_handle *h, struct bytes *out_value)
{
    uint64_t size = VLOG_VALUE_HEADER + (uint64_t)h->length;
    uint32_t offset = h->offset;
    struct io_file *file;
    struct fetch_block block;

    if (h->ordinal >= s->ordinal_end)
        goto nowhere;
    TRY(vlog_source_open(s, &f->err, &file));
    if (s->physical != s->logical)
        TRY(look_up(f, s, file, h->ordinal, &offset));
    if (offset < VLOG_BLOCK || offset + size > s->end)
        goto nowhere;
    struct fetch_request r = request_of(s, offset, (uint32_t)size);
    r.file = file;
    r.cookie = h->ordinal;
    TRY(fetch_get(f, &r, &block));
    *out_value = bytes_skip(block.data, VLOG_VALUE_HEADER);
    return status_ok();

nowhere:
    errbuf_set(&f->err, "value %u of file %08llu: the handle leads nowhere", h->ordinal,
               (unsigned long long)h->file);
    return status_of(ST_CORRUPT);
}

/* Announce a reader of the image that holds segment; NULL if none does. */
static struct vlog_image *image_enter(struct vlog *v, uint64_t segment)
{
    for (int i = 0; i < VLOG_IMAGES; i++) {
        struct vlog_image *image = &v->images[i];
        if (atomic_load_explicit(&image->segment, memory_order_relaxed) != segment)
            continue;
        atomic_fetch_add_explicit(&image->readers, 1, memory_order_seq_cst);
        if (atomic_load_explicit(&image->segment, memory_order_seq_cst) == segment)
            return image;
        atomic_fetch_sub_explicit(&image->readers, 1, memory_order_release);
    }
    return NULL;
}

static struct status read_image(struct fetch *f, struct vlog_image *image, struct vlog_source *s,
                                const struct vlog_handle *h, struct bytes *out_value)
{
    uint64_t size = VLOG_VALUE_HEADER + (uint64_t)h->length;
    struct fetch_request r = request_of(s, h->offset, (uint32_t)size);
    struct fetch_block block;

    if (h->offset < VLOG_BLOCK || h->offset + size > image->capacity) {
        errbuf_set(&f->err, "value %u of segment %08llu: the handle leads nowhere", h->ordinal,
                   (unsigned long long)h->file);
        return status_of(ST_CORRUPT);
    }
    r.file_id = h->file; /* The image is of the first generation, whatever is in force now. */
    r.cookie = h->ordinal;
    TRY(fetch_get_given(f, &r, bytes_of(image->data + h->offset, size), &block));
    atomic_fetch_add_explicit(&image->hits, 1, memory_order_relaxed);
    *out_value = bytes_skip(block.data, VLOG_VALUE_HEADER);
    return status_ok();
}

struct status vlog_read(struct vlog *v, struct fetch *f, const struct vlog_handle *h,
                        struct bytes *out_value)
{
    struct epoch_slot *slot;
    struct status status;

    while ((slot = epoch_enter(v->sources.epoch, thread_hint())) == NULL)
        thread_yield();
    struct vlog_source *s = vlog_sources_find(&v->sources, h->file);
    struct vlog_image *image = s != NULL ? image_enter(v, h->file) : NULL;
    if (s != NULL && !atomic_load_explicit(&s->was_read, memory_order_relaxed))
        atomic_store_explicit(&s->was_read, true, memory_order_relaxed);
    if (image != NULL) {
        status = read_image(f, image, s, h, out_value);
        atomic_fetch_sub_explicit(&image->readers, 1, memory_order_release);
    } else if (s != NULL) {
        status = read_source(f, s, h, out_value);
    } else {
        errbuf_set(&f->err, "value %u: there is no file %08llu", h->ordinal,
                   (unsigned long long)h->file);
        status = status_of(ST_CORRUPT);
    }
    epoch_leave(slot);
    return status;
}
