#include "resp/latency.h"

#include "resp/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const NAMES[RESP_LATENCY_EVENTS] = {
    [RESP_LATENCY_COMMAND] = "command",
    [RESP_LATENCY_FAST_COMMAND] = "fast-command",
    [RESP_LATENCY_EXPIRE_CYCLE] = "expire-cycle",
};

const char *resp_latency_name(enum resp_latency_event event)
{
    return NAMES[event];
}

const struct resp_latency_series *resp_latency_find(const struct resp_latency *l, struct bytes name)
{
    for (int i = 0; i < RESP_LATENCY_EVENTS; i++) {
        const struct resp_latency_series *s = &l->events[i];
        if (resp_text_is(name, NAMES[i]) && resp_latency_latest(s).time_s != 0)
            return s;
    }
    return NULL;
}

struct resp_latency_sample resp_latency_latest(const struct resp_latency_series *s)
{
    return s->samples[(s->next + RESP_LATENCY_SAMPLES - 1) % RESP_LATENCY_SAMPLES];
}

void resp_latency_note(struct resp_latency *l, enum resp_latency_event event, uint64_t time_s,
                       uint64_t duration_ms)
{
    struct resp_latency_series *s = &l->events[event];
    uint32_t last = (s->next + RESP_LATENCY_SAMPLES - 1) % RESP_LATENCY_SAMPLES;

    if (duration_ms > s->max_ms)
        s->max_ms = duration_ms;
    if (s->samples[last].time_s == time_s) {
        if (duration_ms > s->samples[last].duration_ms)
            s->samples[last].duration_ms = duration_ms;
        return;
    }
    s->samples[s->next] =
        (struct resp_latency_sample) { .time_s = time_s, .duration_ms = duration_ms };
    s->next = (s->next + 1) % RESP_LATENCY_SAMPLES;
}

static size_t count_samples(const struct resp_latency_series *s)
{
    return s->samples[s->next].time_s != 0 ? RESP_LATENCY_SAMPLES : s->next;
}

bool resp_latency_sample(const struct resp_latency_series *s, size_t i,
                         struct resp_latency_sample *out)
{
    size_t count = count_samples(s);
    size_t first = count == RESP_LATENCY_SAMPLES ? s->next : 0;

    if (i >= count)
        return false;
    *out = s->samples[(first + i) % RESP_LATENCY_SAMPLES];
    return true;
}

/* ---- A picture --------------------------------------------------------------------------------
 */

enum { ROWS = 4, STEPS = 3 /* In a row: "_", "o", "#". */, LABEL_CHARS = 8 };

struct picture {
    char cells[ROWS][RESP_LATENCY_GRAPH_COLUMNS + 1];
    char labels[RESP_LATENCY_GRAPH_COLUMNS][LABEL_CHARS];
    size_t columns;
};

static void format_age(uint64_t age_s, char out[LABEL_CHARS])
{
    static const struct {
        uint64_t seconds;
        char unit;
    } UNITS[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };

    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (age_s >= UNITS[i].seconds || UNITS[i].seconds == 1) {
            uint64_t n = age_s / UNITS[i].seconds;
            (void)snprintf(out, LABEL_CHARS, "%u%c", (unsigned)(n > 9999 ? 9999 : n),
                           UNITS[i].unit);
            return;
        }
    }
}

/* A column as high as the sample stands between low and high. */
static void fill_column(struct picture *p, size_t column, uint64_t value, uint64_t low,
                        uint64_t high)
{
    static const char TOPS[STEPS] = { '_', 'o', '#' };
    uint64_t steps = high == low ? 0 : (value - low) * (ROWS * STEPS - 1) / (high - low);
    size_t top = (size_t)steps / STEPS;

    for (size_t row = 0; row < ROWS; row++)
        p->cells[row][column] = row < top ? '|' : row == top ? TOPS[steps % STEPS] : ' ';
}

static void append_picture(const struct picture *p, struct buf *out)
{
    for (size_t row = ROWS; row > 0; row--)
        buf_append_format(out, "%.*s\n", (int)p->columns, p->cells[row - 1]);
    buf_append_u8(out, '\n');
    for (size_t line = 0; line < LABEL_CHARS - 1; line++) {
        bool has_any = false;
        for (size_t i = 0; i < p->columns; i++)
            has_any |= strlen(p->labels[i]) > line;
        for (size_t i = 0; has_any && i < p->columns; i++)
            buf_append_u8(out, strlen(p->labels[i]) > line ? (uint8_t)p->labels[i][line] : ' ');
        if (has_any)
            buf_append_u8(out, '\n');
    }
}

void resp_latency_draw(const struct resp_latency_series *s, const char *name, uint64_t now_s,
                       struct buf *out)
{
    struct picture p = { .columns = 0 };
    struct resp_latency_sample sample;
    size_t count = count_samples(s);
    size_t first = count > RESP_LATENCY_GRAPH_COLUMNS ? count - RESP_LATENCY_GRAPH_COLUMNS : 0;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;

    for (size_t i = first; resp_latency_sample(s, i, &sample); i++) {
        low = sample.duration_ms < low ? sample.duration_ms : low;
        high = sample.duration_ms > high ? sample.duration_ms : high;
    }
    for (size_t i = first; resp_latency_sample(s, i, &sample); i++) {
        fill_column(&p, p.columns, sample.duration_ms, low, high);
        format_age(now_s > sample.time_s ? now_s - sample.time_s : 0, p.labels[p.columns]);
        p.columns++;
    }
    buf_append_format(
        out, "%s - high %" PRIu64 " ms, low %" PRIu64 " ms (all time high %" PRIu64 " ms)\n", name,
        high, low, s->max_ms);
    for (int i = 0; i < RESP_LATENCY_GRAPH_COLUMNS; i++)
        buf_append_u8(out, '-');
    buf_append_u8(out, '\n');
    append_picture(&p, out);
}

/* ---- Advice -----------------------------------------------------------------------------------
 */

static const char *const ADVICE[RESP_LATENCY_EVENTS] = {
    [RESP_LATENCY_COMMAND] =
        "Look into SLOWLOG for the commands. One that reads much from the disk, or walks through "
        "many keys, takes its time; a larger maxmemory keeps more in memory.",
    [RESP_LATENCY_FAST_COMMAND] =
        "Commands of constant time waited: for the disk (see read and stall figures in INFO "
        "varve), or for the processor.",
    [RESP_LATENCY_EXPIRE_CYCLE] =
        "Many keys expired at the same moment; spread their times if that hurts.",
};

static void append_event(const struct resp_latency_series *s, const char *name, uint64_t now_s,
                         struct buf *out)
{
    struct resp_latency_sample sample;
    uint64_t sum = 0;
    size_t count = 0;

    for (; resp_latency_sample(s, count, &sample); count++)
        sum += sample.duration_ms;
    sample = resp_latency_latest(s);
    buf_append_format(out,
                      "%s: %zu samples, %" PRIu64 " ms on average, %" PRIu64
                      " ms the worst, the last %" PRIu64 " s ago.\n",
                      name, count, count == 0 ? 0 : sum / count, s->max_ms,
                      now_s > sample.time_s ? now_s - sample.time_s : 0);
}

void resp_latency_advise(const struct resp_latency *l, uint64_t threshold_ms, uint64_t now_s,
                         struct buf *out)
{
    size_t found = 0;

    if (threshold_ms == 0) {
        buf_append(out, bytes_str("Latency is not watched. CONFIG SET latency-monitor-threshold "
                                  "<milliseconds> watches events that take longer.\n"));
        return;
    }
    for (int i = 0; i < RESP_LATENCY_EVENTS; i++) {
        if (resp_latency_latest(&l->events[i]).time_s == 0)
            continue;
        append_event(&l->events[i], NAMES[i], now_s, out);
        buf_append_format(out, "    %s\n", ADVICE[i]);
        found++;
    }
    if (found == 0)
        buf_append_format(out, "Nothing took longer than %" PRIu64 " ms.\n", threshold_ms);
}
