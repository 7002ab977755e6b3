#include "server/store.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"

#include "cache/cache.h"

enum {
    GATE_POLL_NS = 1000 * 1000,
    OFFER_AGAIN_NS = 20 * 1000 * 1000,
    RELIEVE_EVERY_NS = 1000 * 1000 * 1000,
    AHEAD_MAX = 1024,        /* Requests: more reads at a time make no device faster. */
    AHEAD_BYTES = 256 << 10, /* Of the cache to each; mostly a row's blocks are far smaller. */
};

struct server_store *server_store_of(struct store *s)
{
    return (struct server_store *)s;
}

/* ---- The sidecar: the applied catalog -----------------------------------------------------------
 */

static struct status load_catalog(void *context, struct bytes saved)
{
    struct server_store *s = context;
    return server_catalog_load(&s->applied, saved);
}

/* A record that cannot be read is none that was written here: the next save says so. */
static void apply_side(void *context, uint64_t version, struct bytes side)
{
    struct server_store *s = context;
    struct catalog_record r;

    (void)version;
    if (failed(catalog_record_decode(side, &r)))
        s->applied.is_incomplete = true;
    else
        server_catalog_apply(&s->applied, &r);
}

static struct status save_catalog(void *context, struct buf *out)
{
    struct server_store *s = context;
    return server_catalog_save(&s->applied, out);
}

/* ---- Life ---------------------------------------------------------------------------------------
 */

/* Nobody serves now: account for what the ring has done, wait for more until deadline_ns. */
static void wait_alone(struct server_store *s, uint64_t deadline_ns)
{
    struct server_command *command;
    struct io_op *op;

    io_ring_wait(s->ring, deadline_ns);
    while ((op = io_ring_done(s->ring)) != NULL) {
        while (op->tag == FETCH_OP_TAG && server_store_read_done(s, op, &command))
            ;
    }
}

/* The seed of a new store is its first write, durable before anything depends on it. */
static struct status choose_seed(struct server_store *s)
{
    struct catalog_record r = { .kind = CATALOG_SEED };
    struct server_command *c;
    uint64_t ticket;

    if (s->applied.hash_seed != 0)
        return status_ok();
    while (r.value == 0)
        rand_entropy(&r.value, sizeof r.value);
    TRY(server_command_take(s, NULL, &c));
    server_store_begin(s, c);
    struct status st = server_store_record(s, &r);
    if (succeeded(st))
        st = server_store_keep(s, &ticket);
    else
        server_store_drop(s, &ticket);
    server_command_give(c);
    while (succeeded(st) && server_store_is_busy(s)) {
        server_store_end_turn(s, clock_ns(s->env->clock));
        if (server_store_failure(s) != NULL)
            st = status_of(ST_FAILED);
        else if (failed(s->log.refusal))
            st = s->log.refusal;
        else if (server_store_is_busy(s))
            wait_alone(s, clock_ns(s->env->clock) + GATE_POLL_NS);
    }
    return st;
}

static struct status open_tree(struct server_store *s, const struct server_store_config *config)
{
    const struct lsm_sidecar sidecar = {
        .context = s, .load = load_catalog, .on_side = apply_side, .save = save_catalog
    };
    const struct lsm_config lsm = {
        .env = config->env,
        .cache = config->cache,
        .dir = config->dir,
        .options = config->options,
        .sidecar = &sidecar,
        .create_if_missing = true,
        .err = config->err,
    };

    TRY(lsm_open(&lsm, s->ring, &s->lsm));
    if (s->applied.is_incomplete) {
        errbuf_set(config->err, "the log holds a change of the catalog that cannot be read");
        return status_of(ST_CORRUPT);
    }
    /* What the log has no room for it takes later: the proposal waits, and those behind it. */
    txn_log_proposer_init(&s->log, s->lsm, s->env->clock, OFFER_AGAIN_NS);
    const struct txn_proposer proposer = txn_log_proposer_ops(&s->log);
    TRY(txn_pipeline_init(&s->pipeline, s->env, s->lsm, &proposer, s->ring));
    return txn_evaluator_create(&s->pipeline, STORE_KEYSPACE, config->rows_bytes,
                                rand_u64(&s->rand), &s->evaluator);
}

static bool has_expiries(const struct server_store *s)
{
    for (uint32_t i = 0; i < s->applied.number_count; i++) {
        if (s->applied.numbers[i].expires > 0)
            return true;
    }
    return false;
}

/* So many requests may have rows read ahead of them. */
static uint32_t ahead_max(struct cache *cache)
{
    struct cache_stats c;

    cache_stats(cache, &c);
    uint64_t n = c.size_bytes / AHEAD_BYTES;
    return n > AHEAD_MAX ? AHEAD_MAX : (uint32_t)n;
}

struct status server_store_open(const struct server_store_config *config, struct io_ring *ring,
                                struct server_store **out_store)
{
    struct server_store *s = alloc_zeroed(config->env->alloc, sizeof *s);
    uint64_t seed;

    if (s == NULL)
        return status_of(ST_NO_MEMORY);
    s->door.ops = &server_store_door;
    s->env = config->env;
    s->ring = ring;
    s->cache = config->cache;
    s->database_count = config->database_count;
    rand_entropy(&seed, sizeof seed);
    rand_seed(&s->rand, seed);
    struct status st = server_catalog_init(&s->applied, s->env->alloc, s->database_count);
    if (succeeded(st))
        st = open_tree(s, config);
    if (succeeded(st))
        st = server_catalog_copy(&s->evaluated, &s->applied);
    if (succeeded(st))
        st = choose_seed(s);
    if (failed(st)) {
        server_store_close(s);
        return st;
    }
    s->ahead_max = ahead_max(s->cache);
    server_expiry_init(&s->expiry, has_expiries(s));
    *out_store = s;
    return st;
}

/* What the last turn left: the log writes it, and nobody waits for an answer any more. */
static void finish_writes(struct server_store *s)
{
    while (s->evaluator != NULL && server_store_is_busy(s) && server_store_failure(s) == NULL) {
        server_store_end_turn(s, clock_ns(s->env->clock));
        if (failed(s->log.refusal))
            break;
        if (s->lacks_version && failed(txn_clock_keep_ahead(&s->pipeline.clock, s->ring)))
            break;
        if (server_store_is_busy(s))
            wait_alone(s, clock_ns(s->env->clock) + GATE_POLL_NS);
    }
}

/* What is with the ring belongs to the log and the cache: see it through before they go. */
static void quiet_ring(struct server_store *s)
{
    while (s->reads_pending > 0)
        wait_alone(s, UINT64_MAX);
    while (vlog_write_step(lsm_log(s->lsm), s->ring, 0) == VLOG_WANTS)
        wait_alone(s, UINT64_MAX);
}

void server_store_close(struct server_store *s)
{
    if (s == NULL)
        return;
    CHECK(s->running == NULL && s->waiting == NULL);
    finish_writes(s);
    server_commands_drain(s);
    for (uint32_t i = 0; i < s->pin_count; i++)
        lsm_snapshot_release(s->lsm, s->pins[i].snapshot);
    if (s->lsm != NULL)
        quiet_ring(s);
    txn_evaluator_destroy(s->evaluator);
    if (s->lsm != NULL)
        lsm_close(s->lsm, s->ring);
    server_catalog_deinit(&s->applied);
    server_catalog_deinit(&s->evaluated);
    alloc_free(s->env->alloc, s, sizeof *s);
}

/* ---- Admission ----------------------------------------------------------------------------------
 */

static struct status ask_gate(struct server_store *s)
{
    uint64_t delay_ns;

    if (server_store_failure(s) != NULL)
        return status_of(ST_FAILED);
    if (failed(s->log.refusal))
        return s->log.refusal;
    if (s->is_holding_writes || s->lacks_version || s->gate_resume_ns > clock_ns(s->env->clock))
        return status_of(ST_AGAIN);
    return lsm_admit(s->lsm, 0, false, &delay_ns);
}

static struct status know_gate(struct server_store *s)
{
    if (!s->is_gate_known) {
        s->gate = ask_gate(s);
        s->is_gate_known = true;
    }
    return s->gate;
}

struct status server_store_gate(struct server_store *s, const struct server_command *c)
{
    struct status gate = know_gate(s);

    if (succeeded(gate) && s->holder != NULL && s->holder != c)
        return status_of(ST_AGAIN);
    return gate;
}

struct status server_store_admit(struct server_store *s, bool is_delete)
{
    struct status gate = server_store_gate(s, s->running);
    uint64_t delay_ns;

    if (gate.code == ST_AGAIN)
        s->running->waits |= COMMAND_GATE;
    if (gate.code == ST_NO_SPACE && is_delete && succeeded(s->log.refusal))
        return lsm_admit(s->lsm, 0, true, &delay_ns);
    return gate;
}

struct status server_store_note_read(struct server_store *s, struct fetch *f, struct status st)
{
    if (st.code == ST_AGAIN) {
        f->owner = s->running;
        s->running->waits |= COMMAND_READS;
    } else if (st.code == ST_CORRUPT || st.code == ST_IO) {
        s->read_failures++;
        log_warning(s->env->log, "A read failed (%s): %s", status_name(st.code), f->err.text);
    } else if (st.code == ST_BUSY) {
        st = status_of(ST_AGAIN); /* No place among the readers: later. */
    }
    return st;
}

/* ---- Turns --------------------------------------------------------------------------------------
 */

void server_store_expect(struct server_store *s, struct bytes row_key)
{
    txn_expect(s->evaluator, row_key);
}

bool server_store_is_large(const struct server_store *s)
{
    return txn_is_large(s->evaluator);
}

bool server_store_is_full(const struct server_store *s)
{
    return txn_open_is_full(s->evaluator);
}

uint64_t server_store_applied(const struct server_store *s)
{
    return txn_applied_ticket(s->evaluator);
}

bool server_store_is_busy(const struct server_store *s)
{
    return txn_newest_ticket(s->evaluator) != 0;
}

bool server_store_has_failed(const struct server_store *s)
{
    return s->has_failed;
}

const char *server_store_failure(const struct server_store *s)
{
    return txn_failure(s->evaluator);
}

struct status server_store_health(const struct server_store *s)
{
    uint64_t delay_ns;

    if (server_store_failure(s) != NULL)
        return status_of(ST_FAILED);
    if (failed(s->log.refusal))
        return s->log.refusal;
    struct status st = lsm_admit(s->lsm, 0, false, &delay_ns);
    return st.code == ST_AGAIN ? status_ok() : st; /* Slowed is healthy. */
}

/* Writing has ended for good: what was evaluated and is not applied never was. */
static void note_failure(struct server_store *s)
{
    const char *why = server_store_failure(s);

    if (why == NULL || s->has_failed || s->pipeline.oldest != NULL || s->pipeline.refused != NULL)
        return; /* What is still under way may yet be applied. */
    s->has_failed = true;
    s->ids_ticket = 0;
    s->counts_ticket = 0;
    txn_forget(s->evaluator);
    log_warning(s->env->log,
                "Writing has failed: %s. Writes are refused from now on, reads go on; what was "
                "acknowledged is safe. Restart the server when the cause is gone.",
                why);
    if (failed(server_catalog_copy(&s->evaluated, &s->applied)))
        log_warning(s->env->log, "No memory to take pending changes of databases back.");
}

void server_store_end_turn(struct server_store *s, uint64_t now_ns)
{
    struct vlog *log = lsm_log(s->lsm);
    size_t size = txn_open_size(s->evaluator);
    enum vlog_step step;
    uint64_t before;

    if (size > 0) {
        uint64_t delay_ns;
        status_ignore(lsm_admit(s->lsm, size, false, &delay_ns), "it is evaluated: too late");
        if (delay_ns > 0)
            s->gate_resume_ns = now_ns + delay_ns;
        struct status ended = txn_end_turn(s->evaluator);
        s->lacks_version = ended.code == ST_AGAIN;
        status_ignore(ended, "server_store_failure says it");
    }
    do {
        before = server_store_applied(s);
        step = vlog_write_step(log, s->ring, now_ns);
        txn_advance(s->evaluator);
        /* Applying may have ended the log's segment; what was refused may be staged now. */
    } while (step == VLOG_AGAIN || before != server_store_applied(s) ||
             (step == VLOG_IDLE && vlog_staged_lsn(log) > vlog_written_lsn(log)));
    s->is_gate_known = false;
    note_failure(s);
}

uint64_t server_store_deadline(const struct server_store *s, uint64_t now_ns)
{
    uint64_t deadline = vlog_seal_deadline(lsm_log(s->lsm));

    uint64_t poll = now_ns + (failed(s->log.refusal) ? OFFER_AGAIN_NS : GATE_POLL_NS);

    if ((s->waiting != NULL || s->pipeline.refused != NULL || s->lacks_version) && poll < deadline)
        deadline = poll;
    return deadline;
}

/* ---- Watchers -----------------------------------------------------------------------------------
 */

void server_store_note_watcher(struct server_store *s, bool is_watching)
{
    s->watchers += is_watching ? 1 : UINT32_MAX;
}

struct status server_store_freeze(struct server_store *s, uint64_t *out_ticket)
{
    if (s->pipeline.oldest != NULL || txn_open_size(s->evaluator) > 0 ||
        s->pipeline.refused != NULL)
        return status_of(ST_AGAIN);
    return lsm_freeze(s->lsm, out_ticket);
}

void server_store_hold_writes(struct server_store *s, bool is_holding)
{
    s->is_holding_writes = is_holding;
    s->is_gate_known = false;
}

void server_store_tidy(struct server_store *s)
{
    uint64_t now_ns = clock_ns(s->env->clock);
    uint32_t gone = 0;

    if (s->pipeline.oldest == NULL && now_ns >= s->relieve_ns) {
        (void)lsm_relieve(s->lsm); /* The end of the turn drives the log. */
        s->relieve_ns = now_ns + RELIEVE_EVERY_NS;
    }
    /* A pin serves those who watched up to STORE_PIN_EVERY_NS after it was taken. */
    while (gone < s->pin_count &&
           (s->watchers == 0 ||
            now_ns > s->pins[gone].taken_ns + STORE_WATCH_MAX_NS + 2 * STORE_PIN_EVERY_NS))
        lsm_snapshot_release(s->lsm, s->pins[gone++].snapshot);
    s->pin_count -= gone;
    memmove(s->pins, s->pins + gone, s->pin_count * sizeof s->pins[0]);
}
