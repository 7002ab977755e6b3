#include "tests/crash/support/enumerate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/rand.h"

enum { WORDS_SIZE = 160 };

/* ---- States seen -------------------------------------------------------------------------- */

struct crash_seen {
    uint64_t *keys; /* Open addressing; 0 is free. */
    size_t slots;
    size_t count;
};

struct crash_seen *crash_seen_create(void)
{
    struct crash_seen *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    return s;
}

void crash_seen_destroy(struct crash_seen *s)
{
    if (s != NULL)
        free(s->keys);
    free(s);
}

static bool seen_insert(struct crash_seen *s, uint64_t key)
{
    size_t slot = key & (s->slots - 1);

    while (s->keys[slot] != 0 && s->keys[slot] != key)
        slot = (slot + 1) & (s->slots - 1);
    if (s->keys[slot] == key)
        return false;
    s->keys[slot] = key;
    s->count++;
    return true;
}

/* True if key is news. */
static bool seen_add(struct crash_seen *s, uint64_t key)
{
    if (s->count * 2 >= s->slots) {
        struct crash_seen larger = { .slots = s->slots == 0 ? 1024 : s->slots * 2 };
        larger.keys = calloc(larger.slots, sizeof *larger.keys);
        CHECK(larger.keys != NULL);
        for (size_t i = 0; i < s->slots; i++)
            if (s->keys[i] != 0)
                seen_insert(&larger, s->keys[i]);
        free(s->keys);
        *s = larger;
    }
    return seen_insert(s, key | 1);
}

/* ---- One enumeration ------------------------------------------------------------------------ */

struct enumeration {
    struct crash_options options;
    crash_verify *verify;
    void *context;
    struct crash_report *report;
    struct crash_seen *seen;
    struct rand rand;

    /* Of the trace in hand, and of the one around it if that is a recovery. */
    const struct io_sim_trace *trace;
    struct io_sim_replay *replay;
    size_t position;   /* Events lived through. */
    uint64_t newest;   /* WRITING event of the newest write, */
    bool is_under_way; /* which has not ended. */
    unsigned cuts;
    struct io_sim_mark *marks;
    size_t mark_count;
    size_t outer_marks; /* Those of the workload, when this is its recovery, */
    bool was_power_cut; /* and it recovers from more than a kill. */
    uint64_t marks_hash;
    struct io_sim_units units;
};

static void set_marks(struct enumeration *e)
{
    size_t count;
    const struct io_sim_mark *marks = io_sim_replay_marks(e->replay, &count);

    e->mark_count = e->outer_marks + count;
    e->marks = realloc(e->marks, (e->mark_count + 1) * sizeof *e->marks);
    CHECK(e->marks != NULL);
    for (size_t i = 0; i < count; i++)
        e->marks[e->outer_marks + i] = marks[i];
    e->marks_hash = 0;
    for (size_t i = 0; i < e->mark_count; i++)
        e->marks_hash =
            hash_u64(hash_bytes(bytes_str(e->marks[i].word), e->marks_hash) + e->marks[i].number);
}

/* Live through the next event. False at the end. */
static bool next_moment(struct enumeration *e)
{
    if (!io_sim_replay_next(e->replay))
        return false;
    const struct io_sim_event *event = io_sim_trace_event(e->trace, e->position++);
    if (event->kind == IO_SIM_WRITING) {
        e->newest = event->sequence;
        e->is_under_way = true;
    } else if (event->kind == IO_SIM_WRITTEN && event->start == e->newest) {
        e->is_under_way = false;
    }
    return true;
}

/* Is the newest write under way, and has nothing happened behind it? */
static bool can_lose_newest(const struct enumeration *e)
{
    return e->is_under_way && e->units.last_write_count > 0 &&
           e->units.last_write + e->units.last_write_count == e->units.count;
}

/* The kept units as "0-3,7". Cut short by an ellipsis. */
static void format_mask(const uint64_t *mask, size_t count, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t first = i;
        if ((mask[i / 64] >> i % 64 & 1) == 0)
            continue;
        while (i + 1 < count && (mask[(i + 1) / 64] >> (i + 1) % 64 & 1) != 0)
            i++;
        if (at + 24 > size) {
            snprintf(text + at, size - at, "...");
            return;
        }
        at += (size_t)snprintf(text + at, size - at, first == i ? "%s%zu" : "%s%zu-%zu",
                               at == 0 ? "" : ",", first, i);
    }
}

static void format_choice(const struct io_sim_choice *c, size_t count, char *text, size_t size)
{
    char kept[WORDS_SIZE] = "";

    switch (c->keep) {
    case IO_SIM_KEEP_NONE:
        snprintf(kept, sizeof kept, "none");
        break;
    case IO_SIM_KEEP_ALL:
        snprintf(kept, sizeof kept, "all");
        break;
    case IO_SIM_KEEP_PREFIX:
        snprintf(kept, sizeof kept, "the first %zu", c->count);
        break;
    case IO_SIM_KEEP_RANDOM:
        snprintf(kept, sizeof kept, "random %llx", (unsigned long long)c->seed);
        break;
    case IO_SIM_KEEP_MASK:
        format_mask(c->mask, count, kept, sizeof kept);
        break;
    }
    snprintf(text, size, "keeping %s of %zu units%s%s", kept, count,
             c->grows ? ", data decides the length" : "", c->has_garbage ? ", garbage" : "");
    size_t at = strlen(text);
    if (c->torn > 0)
        snprintf(text + at, size - at, ", unit %zu torn at %zu", c->torn - 1, c->torn_bytes);
}

static void note_failure(struct enumeration *e, const struct io_sim_choice *choice,
                         const struct errbuf *why)
{
    char event[WORDS_SIZE] = "the start";
    char kept[2 * WORDS_SIZE];

    if (e->report->failures++ > 0)
        return; /* The cut inside a recovery has been told of. */
    if (e->position > 0)
        io_sim_event_format(io_sim_trace_event(e->trace, e->position - 1), event, sizeof event);
    format_choice(choice, e->units.count, kept, sizeof kept);
    errbuf_set(&e->report->failure, "cut %u after event %zu (%s), %s: %s", e->cuts, e->position,
               event, kept, why->text);
}

static bool enumerate_recovery(const struct enumeration *outer, const struct io_sim_trace *trace,
                               uint64_t seed, bool was_power_cut);

/* The kernel has all that was asked of it, but perhaps for the write under way. */
static bool is_kill(const struct enumeration *e, const struct io_sim_choice *choice)
{
    if (choice->torn > 0 || choice->grows || choice->has_garbage)
        return false;
    return choice->keep == IO_SIM_KEEP_ALL ||
           (choice->keep == IO_SIM_KEEP_PREFIX && can_lose_newest(e) &&
            choice->count == e->units.last_write);
}

/* Run verify on a machine over image; and, if this one was chosen for it, cut its power again. */
static bool verify_image(struct enumeration *e, const struct io_sim_image *image, uint64_t key,
                         const struct io_sim_choice *choice)
{
    struct io_sim *sim = io_sim_create(&e->options.machine, image);
    struct crash_state state = { .sim = sim,
                                 .marks = e->marks,
                                 .mark_count = e->mark_count,
                                 .cuts = e->cuts,
                                 .is_kill = !e->was_power_cut && is_kill(e, choice) };
    struct errbuf why = { "" };
    bool is_traced = e->cuts == 1 && e->options.second_cut_every > 0 &&
                     (key >> 16) % e->options.second_cut_every == 0;

    if (is_traced)
        io_sim_trace_start(sim);
    bool is_right = e->verify(e->context, &state, &why);
    struct io_sim_trace *trace = is_traced ? io_sim_trace_stop(sim) : NULL;
    io_sim_destroy(sim);
    if (!is_right)
        note_failure(e, choice, &why);
    else if (trace != NULL)
        is_right = enumerate_recovery(e, trace, key, !is_kill(e, choice));
    io_sim_trace_destroy(trace);
    return is_right;
}

/* Make the state that choice leads to, and verify it if it is news. */
static bool try_choice(struct enumeration *e, const struct io_sim_choice *choice)
{
    struct io_sim_image *image = io_sim_replay_crash(e->replay, choice);
    uint64_t key = hash_u64(io_sim_image_hash(image) ^ e->marks_hash ^ e->options.salt);
    bool is_right = true;

    e->report->states++;
    if (seen_add(e->seen, key)) {
        if (e->cuts == 1)
            e->report->distinct++;
        else
            e->report->second_distinct++;
        is_right = verify_image(e, image, key, choice);
    }
    io_sim_image_destroy(image);
    return is_right;
}

/* As try_choice, in each way that a file can have grown. */
static bool try_lengths(struct enumeration *e, struct io_sim_choice choice)
{
    if (!try_choice(e, &choice))
        return false;
    if (!e->units.has_sizes)
        return true;
    choice.grows = true;
    if (!try_choice(e, &choice))
        return false;
    choice.grows = false;
    choice.has_garbage = true;
    choice.seed = rand_u64(&e->rand);
    return try_choice(e, &choice);
}

/* ---- Choices at one moment ---------------------------------------------------------------------
 */

static bool try_all_subsets(struct enumeration *e)
{
    uint64_t subsets = UINT64_C(1) << e->units.count;

    for (uint64_t mask = 0; mask < subsets; mask++)
        if (!try_lengths(e, (struct io_sim_choice) { .keep = IO_SIM_KEEP_MASK, .mask = &mask }))
            return false;
    return true;
}

static void set_all(uint64_t *mask, size_t count, bool is_kept)
{
    for (size_t i = 0; i <= count / 64; i++)
        mask[i] = is_kept ? UINT64_MAX : 0;
}

/* Every prefix; all but one; one alone. */
static bool try_structured(struct enumeration *e, uint64_t *mask)
{
    size_t count = e->units.count;
    size_t step = 1 + (count - 1) / e->options.structured_max;
    size_t first = rand_below(&e->rand, step);

    for (size_t i = first; i <= count; i += step)
        if (!try_lengths(e, (struct io_sim_choice) { .keep = IO_SIM_KEEP_PREFIX, .count = i }))
            return false;
    for (int rest = 0; rest < 2; rest++) {
        set_all(mask, count, rest == 1);
        for (size_t i = first; i < count; i += step) {
            mask[i / 64] ^= UINT64_C(1) << i % 64;
            if (!try_lengths(e, (struct io_sim_choice) { .keep = IO_SIM_KEEP_MASK, .mask = mask }))
                return false;
            mask[i / 64] ^= UINT64_C(1) << i % 64;
        }
    }
    return true;
}

static bool try_random(struct enumeration *e)
{
    for (size_t i = 0; i < e->options.random_count; i++) {
        struct io_sim_choice choice = { .keep = IO_SIM_KEEP_RANDOM, .seed = rand_u64(&e->rand) };
        if (!try_choice(e, &choice))
            return false;
        choice.grows = true;
        if (e->units.has_sizes && !try_choice(e, &choice))
            return false;
    }
    return true;
}

/* Tear the newest write: its data up to a byte, with all or none of the rest. */
static bool try_tears(struct enumeration *e, uint64_t *mask)
{
    size_t first = e->units.last_write;
    size_t step = 1 + e->units.last_write_count / e->options.structured_max;

    for (int rest = 0; rest < 2; rest++) {
        set_all(mask, e->units.count, rest == 1);
        for (size_t i = 0; i < e->units.last_write_count; i++)
            mask[(first + i) / 64] &= ~(UINT64_C(1) << (first + i) % 64);
        for (size_t i = 0; i < e->units.last_write_count; i++) {
            size_t unit = first + i;
            mask[unit / 64] |= UINT64_C(1) << unit % 64;
            if (i % step != 0)
                continue;
            struct io_sim_choice choice = { .keep = IO_SIM_KEEP_MASK, .mask = mask };
            choice.torn = unit + 1;
            for (size_t at = e->options.tear_step; at < 512; at += e->options.tear_step) {
                choice.torn_bytes = at;
                if (!try_lengths(e, choice))
                    return false;
            }
        }
    }
    return true;
}

/* Is a write under way, as of the last event? Later, its tears are old news. */
static bool is_writing(const struct enumeration *e)
{
    return e->position > 0 && io_sim_trace_event(e->trace, e->position - 1)->kind == IO_SIM_WRITING;
}

static bool try_moment(struct enumeration *e)
{
    bool is_right;
    uint64_t *mask;

    set_marks(e);
    e->units = io_sim_replay_units(e->replay);
    e->report->points++;
    mask = malloc((e->units.count / 64 + 1) * sizeof *mask);
    CHECK(mask != NULL);
    /* First, so that what it shares with other choices is judged as what it is. */
    is_right = try_choice(e, &(struct io_sim_choice) { .keep = IO_SIM_KEEP_ALL });
    if (is_right && can_lose_newest(e))
        is_right = try_choice(e, &(struct io_sim_choice) { .keep = IO_SIM_KEEP_PREFIX,
                                                           .count = e->units.last_write });
    if (is_right && e->units.count <= e->options.exhaustive_max)
        is_right = try_all_subsets(e);
    else if (is_right)
        is_right = try_structured(e, mask) && try_random(e);
    if (is_right && is_writing(e))
        is_right = try_tears(e, mask);
    free(mask);
    return is_right;
}

/* ---- Traces ------------------------------------------------------------------------------- */

/* A few choices of many kinds. */
static bool try_samples(struct enumeration *e, size_t count)
{
    set_marks(e);
    e->units = io_sim_replay_units(e->replay);
    for (size_t i = 0; i < count; i++) {
        struct io_sim_choice choice = { .seed = rand_u64(&e->rand) };
        choice.keep = (enum io_sim_keep)rand_below(&e->rand, IO_SIM_KEEP_RANDOM + 1);
        choice.count = rand_below(&e->rand, e->units.count + 1);
        choice.grows = rand_below(&e->rand, 2) == 0;
        choice.has_garbage = !choice.grows && rand_below(&e->rand, 2) == 0;
        if (e->units.last_write_count > 0 && rand_below(&e->rand, 4) == 0) {
            choice.torn = e->units.last_write + rand_below(&e->rand, e->units.last_write_count) + 1;
            choice.torn_bytes = rand_below(&e->rand, 512);
        }
        if (!try_choice(e, &choice))
            return false;
    }
    return true;
}

/* This moment's share of the samples of a recovery. */
static size_t share(struct enumeration *e, size_t moments)
{
    size_t wanted = e->options.second_cut_states;

    return wanted / moments + (rand_below(&e->rand, moments) < wanted % moments);
}

/* Sample the cuts of the recovery that outer has just seen go right. */
static bool enumerate_recovery(const struct enumeration *outer, const struct io_sim_trace *trace,
                               uint64_t seed, bool was_power_cut)
{
    struct enumeration e = *outer;
    size_t points = io_sim_trace_count(trace) + 1;
    bool is_right;

    e.trace = trace;
    e.replay = io_sim_replay_create(trace);
    e.position = 0;
    e.cuts = 2;
    e.was_power_cut = was_power_cut;
    e.outer_marks = outer->mark_count;
    e.marks = malloc((e.outer_marks + 1) * sizeof *e.marks);
    CHECK(e.marks != NULL);
    memcpy(e.marks, outer->marks, e.outer_marks * sizeof *e.marks);
    rand_seed(&e.rand, e.options.seed ^ seed);
    e.is_under_way = false;
    while ((is_right = try_samples(&e, share(&e, points))) && next_moment(&e))
        ;
    io_sim_replay_destroy(e.replay);
    free(e.marks);
    return is_right;
}

static struct crash_options with_defaults(const struct crash_options *options)
{
    struct crash_options o = options != NULL ? *options : (struct crash_options) { 0 };

    if (o.exhaustive_max == 0)
        o.exhaustive_max = 12;
    if (o.random_count == 0)
        o.random_count = 256;
    if (o.structured_max == 0)
        o.structured_max = 512;
    if (o.tear_step == 0)
        o.tear_step = 128;
    if (o.second_cut_states == 0)
        o.second_cut_states = 32;
    return o;
}

bool crash_enumerate(const struct io_sim_trace *trace, const struct crash_options *options,
                     crash_verify *verify, void *context, struct crash_report *report)
{
    struct enumeration e = { .options = with_defaults(options),
                             .verify = verify,
                             .context = context,
                             .report = report,
                             .trace = trace,
                             .replay = io_sim_replay_create(trace),
                             .seen = options != NULL ? options->seen : NULL,
                             .cuts = 1 };
    struct crash_seen *own = e.seen == NULL ? crash_seen_create() : NULL;
    bool is_right;

    if (own != NULL)
        e.seen = own;
    rand_seed(&e.rand, e.options.seed);
    while ((is_right = try_moment(&e)) && next_moment(&e))
        ;
    io_sim_replay_destroy(e.replay);
    free(e.marks);
    crash_seen_destroy(own);
    return is_right;
}
