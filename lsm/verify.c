/*
 * verify -- prove what is on disk: every table's blocks, order and liveness; every value a table
 * refers to; live bytes recounted from the liveness blocks against what the version says.
 */
#include "lsm/internal.h"

struct recount {
    uint64_t *live; /* Bitmap of ordinals some table refers to. */
    uint32_t ordinal_end;
    uint64_t values;
    uint64_t bytes;
    bool is_twice;  /* An ordinal was referred to twice. */
    bool is_beyond; /* ... or lies beyond the file's. */
};

static size_t bitmap_words(uint32_t ordinal_end)
{
    return (size_t)ordinal_end / 64 + 1;
}

static void count_run(void *context, uint32_t first, uint32_t count)
{
    struct recount *r = context;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t o = first + i;
        if (o >= r->ordinal_end) {
            r->is_beyond = true;
            return;
        }
        uint64_t bit = UINT64_C(1) << o % 64;
        r->is_twice |= (r->live[o / 64] & bit) != 0;
        r->live[o / 64] |= bit;
        r->values++;
    }
}

static bool is_wanted(void *context, uint32_t ordinal)
{
    const struct recount *r = context;
    return ordinal < r->ordinal_end && (r->live[ordinal / 64] >> ordinal % 64 & 1) != 0;
}

static struct status count_value(void *context, uint32_t ordinal, struct bytes value)
{
    struct recount *r = context;
    (void)ordinal;
    r->bytes += value.size + VLOG_VALUE_HEADER;
    return status_ok();
}

static struct status mark_references(const struct lsm_version *v, uint64_t logical, struct fetch *f,
                                     struct recount *r)
{
    for (uint32_t i = 0; i < LSM_LEVELS; i++) {
        for (uint32_t j = 0; j < v->levels[i].count; j++) {
            struct lsm_file *file = v->levels[i].fences[j].file;
            for (uint32_t k = 0; k < file->meta.ref_count; k++) {
                if (file->meta.refs[k].logical == logical)
                    TRY(lsm_table_liveness(file->table, f, k, count_run, r));
            }
            fetch_reset(f);
        }
    }
    return status_ok();
}

static struct status verify_value_file(struct lsm *l, struct io_ring *ring,
                                       const struct lsm_version *v, const struct lsm_value_file *vf,
                                       struct errbuf *err)
{
    struct recount r = { .ordinal_end = vf->file.ordinal_end };
    struct fetch f;
    const struct fetch_options options = { .cache = l->cache,
                                           .ring = ring,
                                           .fill = FETCH_FILL_NONE };

    r.live = alloc_zeroed(l->env->alloc, bitmap_words(r.ordinal_end) * sizeof *r.live);
    if (r.live == NULL)
        return status_of(ST_NO_MEMORY);
    fetch_init(&f, &options);
    struct status s = mark_references(v, vf->file.logical, &f, &r);
    if (failed(s))
        errbuf_set(err, "%s", f.err.text);
    fetch_deinit(&f);
    if (succeeded(s))
        s = vlog_scan(l->log, ring, vf->file.logical, is_wanted, count_value, &r, err);
    if (succeeded(s) &&
        (r.is_twice || r.is_beyond || r.values != vf->live_values || r.bytes != vf->live_bytes)) {
        errbuf_set(err,
                   "value file %llu: tables refer to %llu values of %llu bytes%s, the version says "
                   "%llu of %llu",
                   (unsigned long long)vf->file.logical, (unsigned long long)r.values,
                   (unsigned long long)r.bytes,
                   r.is_twice    ? ", one twice"
                   : r.is_beyond ? ", one beyond the end"
                                 : "",
                   (unsigned long long)vf->live_values, (unsigned long long)vf->live_bytes);
        s = status_of(ST_CORRUPT);
    }
    alloc_free(l->env->alloc, r.live, bitmap_words(r.ordinal_end) * sizeof *r.live);
    return s;
}

static struct status verify_version(struct lsm *l, struct io_ring *ring,
                                    const struct lsm_version *v, struct errbuf *err)
{
    struct status s = status_ok();

    lsm_version_check_invariants(v);
    for (uint32_t i = 0; i < LSM_LEVELS && succeeded(s); i++) {
        for (uint32_t j = 0; j < v->levels[i].count && succeeded(s); j++)
            s = lsm_table_verify(v->levels[i].fences[j].file->table, ring, l->cache, err);
    }
    for (uint32_t i = 0; i < v->value_file_count && succeeded(s); i++) {
        if (v->value_files[i].live_values > 0)
            s = verify_value_file(l, ring, v, &v->value_files[i], err);
    }
    return s;
}

/*
 * A rewrite that is installed meanwhile leaves out values that only an older version refers to; so
 * a finding counts only if the version it was made of is still the current one.
 */
struct status lsm_verify(struct lsm *l, struct io_ring *ring, struct errbuf *err)
{
    for (;;) {
        struct lsm_state *state = lsm_state_hold(l);
        struct status s = verify_version(l, ring, state->version, err);
        struct lsm_state *now = lsm_state_hold(l);
        bool is_current = now->version == state->version;
        lsm_state_unref(now);
        lsm_state_unref(state);
        if (succeeded(s) || is_current)
            return s;
    }
}
