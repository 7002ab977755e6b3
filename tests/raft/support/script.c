#include "tests/raft/support/script.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/check.h"
#include "raft/codec.h"
#include "tests/raft/support/scene.h"
#include "tests/raft/support/text.h"

#define ID(x) ((unsigned long long)(x))

enum { WORDS_MAX = 64, WORD_SIZE = 128, INJECTED_MAX = 16, GROUP = 1 };

struct script {
    struct scene scene;
    bool has_scene;
    FILE *out; /* The trace. */
    char *trace;
    size_t trace_size;
    bool has_told; /* A violation. */
    char words[WORDS_MAX][WORD_SIZE];
    int count;
    char fault[256];
};

__attribute__((format(printf, 2, 3))) static void complain(struct script *t, const char *format,
                                                           ...)
{
    va_list args;
    if (t->fault[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(t->fault, sizeof t->fault, format, args);
    va_end(args);
}

/* ---- Words -------------------------------------------------------------------------------- */

static void split(struct script *t, const char *line)
{
    t->count = 0;
    while (*line != '\0' && t->count < WORDS_MAX) {
        while (*line == ' ')
            line++;
        if (*line == '\0')
            break;
        char *word = t->words[t->count++];
        size_t size = 0;
        bool is_quoted = *line == '"';
        line += is_quoted;
        while (*line != '\0' && (is_quoted ? *line != '"' : *line != ' ')) {
            if (size + 1 < WORD_SIZE)
                word[size++] = *line;
            line++;
        }
        line += is_quoted && *line == '"';
        word[size] = '\0';
    }
}

static const char *word(const struct script *t, int i)
{
    return i < t->count ? t->words[i] : "";
}

static bool is_word(const struct script *t, int i, const char *expected)
{
    return strcmp(word(t, i), expected) == 0;
}

static uint64_t number(struct script *t, int i)
{
    char *end;
    uint64_t v = strtoull(word(t, i), &end, 10);
    if (end == word(t, i) || *end != '\0')
        complain(t, "%s: not a number: %s", word(t, 0), word(t, i));
    return v;
}

/* The value of key=value among the words, or NULL. */
static const char *option(const struct script *t, const char *key)
{
    size_t size = strlen(key);
    for (int i = 1; i < t->count; i++) {
        if (strncmp(t->words[i], key, size) == 0 && t->words[i][size] == '=')
            return t->words[i] + size + 1;
    }
    return NULL;
}

static uint64_t option_number(const struct script *t, const char *key, uint64_t otherwise)
{
    const char *value = option(t, key);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static bool has_word(const struct script *t, const char *expected)
{
    for (int i = 1; i < t->count; i++) {
        if (is_word(t, i, expected))
            return true;
    }
    return false;
}

/* "5s", "250ms", "40us". */
static uint64_t duration(struct script *t, int i)
{
    char *end;
    uint64_t v = strtoull(word(t, i), &end, 10);
    if (strcmp(end, "s") == 0)
        return v * 1000000;
    if (strcmp(end, "ms") == 0)
        return v * 1000;
    if (strcmp(end, "us") != 0)
        complain(t, "%s: not a time: %s", word(t, 0), word(t, i));
    return v;
}

static struct node *node_word(struct script *t, int i)
{
    struct node *n = cluster_node(&t->scene.c, number(t, i));
    if (n == NULL || n->state == NODE_NONE) {
        complain(t, "%s: no such node: %s", word(t, 0), word(t, i));
        return &t->scene.c.nodes[0];
    }
    return n;
}

static struct node *up_node(struct script *t, int i)
{
    struct node *n = node_word(t, i);
    if (!node_is_up(n))
        complain(t, "%s: node %s is not up", word(t, 0), word(t, i));
    return n;
}

/* "2", "2>3", "2-3", "all": calls set for each directed link. */
static void each_link(struct script *t, int i, bool (*table)[CLUSTER_IDS], bool value)
{
    const char *w = word(t, i);
    char *end;
    raft_id a = strtoull(w, &end, 10);
    raft_id b = *end == '>' || *end == '-' ? strtoull(end + 1, NULL, 10) : 0;
    if (a >= CLUSTER_IDS || b >= CLUSTER_IDS) {
        complain(t, "%s: no such link: %s", word(t, 0), w);
        return;
    }
    for (raft_id from = 1; from < CLUSTER_IDS; from++) {
        for (raft_id to = 1; to < CLUSTER_IDS; to++) {
            bool is_meant = a == 0        ? true
                            : b == 0      ? from == a || to == a
                            : *end == '>' ? from == a && to == b
                                          : (from == a && to == b) || (from == b && to == a);
            if (is_meant && from != to)
                table[from][to] = value;
        }
    }
}

/* The core's own names, with _ for a space. */
static bool is_name(const char *name, const char *w)
{
    size_t i = 0;
    while (name[i] != '\0' && (name[i] == w[i] || (name[i] == ' ' && w[i] == '_')))
        i++;
    return name[i] == '\0' && w[i] == '\0';
}

/* 0: none of them. */
static uint32_t message_kind(const char *w)
{
    uint32_t kind = RAFT_MESSAGE_KIND_END - 1;
    if (strcmp(w, "later_kind") == 0)
        return RAFT_MESSAGE_KIND_END;
    while (kind > 0 && !is_name(raft_message_kind_name((enum raft_message_kind)kind), w))
        kind--;
    return kind;
}

static enum raft_reason reason_option(struct script *t)
{
    const char *w = option(t, "reason");
    uint32_t reason = w == NULL ? RAFT_OK : RAFT_REASON_COUNT - 1;
    while (reason > 0 && !is_name(raft_reason_name((enum raft_reason)reason), w))
        reason--;
    if (w != NULL && reason == RAFT_OK)
        complain(t, "inject: no such reason: %s", w);
    return (enum raft_reason)reason;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

/* ranks=2,0,1: of nodes 1, 2 and 3. */
static uint32_t rank_of(const struct script *t, uint64_t place)
{
    const char *w = option(t, "ranks");
    while (w != NULL && place-- > 0)
        w = strchr(w, ',') != NULL ? strchr(w, ',') + 1 : NULL;
    return w == NULL ? 0 : (uint32_t)strtoul(w, NULL, 10);
}

/* nodes N [learners=L] [down] [election_ms= ...]: voters 1 .. N, then learners. */
static void do_nodes(struct script *t)
{
    struct raft_config config = {
        .group = GROUP,
        .election_us = (uint32_t)option_number(t, "election_ms", 1000) * 1000,
        .heartbeat_us = (uint32_t)option_number(t, "heartbeat_ms", 0) * 1000,
        .quiesce_after = (uint32_t)option_number(t, "quiesce", 0),
        .has_leases = has_word(t, "leases"),
        .window_entries = (uint32_t)option_number(t, "window", 0),
        .cache_bytes = option_number(t, "cache", 0),
        .batch_entries = (uint32_t)option_number(t, "batch", 0),
        .message_bytes = (uint32_t)option_number(t, "message", 0),
        .inflight_messages = (uint32_t)option_number(t, "inflight", 0),
        .inflight_bytes = option_number(t, "inflight_bytes", 0),
        .uncommitted_bytes = option_number(t, "uncommitted", 0),
        .reads = (uint32_t)option_number(t, "reads", 0),
        .terms = (uint32_t)option_number(t, "terms", 0),
    };
    uint64_t voters = number(t, 1);
    uint64_t members = voters + option_number(t, "learners", 0);
    if (t->has_scene || members == 0 || members > RAFT_MEMBERS_MAX) {
        complain(t, "nodes: once, and some");
        return;
    }
    scene_init(&t->scene, &config, t->out);
    cluster_limit_effects(&t->scene.c, (int32_t)option_number(t, "effects", 0));
    t->has_scene = true;
    struct raft_conf conf = { .count = (uint32_t)members };
    for (uint64_t i = 0; i < members; i++)
        conf.members[i] =
            (struct raft_member) { .id = i + 1,
                                   .role = i < voters ? RAFT_MEMBER_VOTER : RAFT_MEMBER_LEARNER };
    for (uint64_t i = 0; i < members; i++) {
        struct node *n = cluster_add(&t->scene.c, i + 1, &conf);
        n->rank = rank_of(t, i);
        if (!has_word(t, "down"))
            (void)scene_start(&t->scene, n);
    }
}

/* The caller has the one reference to its payload. */
static struct raft_entry named_entry(struct script *t, raft_index index, raft_term term)
{
    char payload[32];
    (void)snprintf(payload, sizeof payload, "e%llu.%llu", ID(index), ID(term));
    struct blob *b = blob_copy(&t->scene.c.blobs, bytes_str(payload));
    return (struct raft_entry) { .index = index,
                                 .term = term,
                                 .kind = RAFT_ENTRY_DATA,
                                 .data = bytes_of(b->data, b->size),
                                 .blob = b };
}

/* preset N terms=1,1,2 [term=] [vote=] [commit=] [acc=]: what its disk holds before the start. */
static void do_preset(struct script *t)
{
    struct node *n = node_word(t, 1);
    const char *terms = option(t, "terms");
    raft_index index = 0;
    struct disk *d = &n->disk;
    while (terms != NULL && *terms != '\0') {
        char *end;
        raft_term term = strtoull(terms, &end, 10);
        struct raft_entry e = named_entry(t, ++index, term);
        disk_append(d, &e);
        entries_unref(&e, 1);
        d->hard.acc_term = d->hard.term = term;
        terms = *end == ',' ? end + 1 : end;
    }
    d->hard.term = option_number(t, "term", d->hard.term);
    d->hard.vote = option_number(t, "vote", 0);
    d->hard.commit = option_number(t, "commit", 0);
    d->hard.acc_term = option_number(t, "acc", d->hard.acc_term);
}

static void do_start(struct script *t)
{
    for (raft_id id = 1; id < CLUSTER_IDS; id++) {
        struct node *n = &t->scene.c.nodes[id];
        bool is_meant = is_word(t, 1, "all") || number(t, 1) == id;
        if (is_meant && n->state == NODE_DOWN)
            (void)scene_start(&t->scene, n);
        if (is_word(t, 1, "all"))
            t->fault[0] = '\0';
    }
}

static void do_crash(struct script *t)
{
    struct node *n = up_node(t, 1);
    uint64_t kept = option_number(t, "keep", 0);
    (void)fprintf(t->out, "%llu crashes, %u writes lost\n", ID(n->id),
                  n->disk.writes > kept ? n->disk.writes - (uint32_t)kept : 0);
    cluster_crash(&t->scene.c, n, (uint32_t)kept);
}

static void do_join(struct script *t)
{
    (void)scene_start(&t->scene, cluster_add(&t->scene.c, number(t, 1), NULL));
}

static void do_destroy(struct script *t)
{
    cluster_remove(&t->scene.c, node_word(t, 1));
}

/* ---- Asking the core ---------------------------------------------------------------------- */

static void tell_verdict(struct script *t, const char *what, enum raft_reason verdict)
{
    (void)fprintf(t->out, "%s %s: %s\n", word(t, 1), what, raft_reason_name(verdict));
}

static void do_propose(struct script *t)
{
    struct node *n = up_node(t, 1);
    raft_term term = 0;
    raft_index index = 0;
    enum raft_reason verdict = cluster_propose(&t->scene.c, n, bytes_str(word(t, 2)),
                                               is_word(t, 3, "frees"), &term, &index);
    char words[160];
    (void)snprintf(words, sizeof words, "\"%s\"", word(t, 2));
    if (verdict != RAFT_OK) {
        tell_verdict(t, words, verdict);
        return;
    }
    (void)fprintf(t->out, "%s %s is %llu/%llu\n", word(t, 1), words, ID(index), ID(term));
    scene_claim(&t->scene, n, words, term, index);
}

/* fill N COUNT SIZE: that many proposals of so many bytes, told in one line. */
static void do_fill(struct script *t)
{
    struct node *n = up_node(t, 1);
    uint64_t count = number(t, 2);
    uint8_t payload[4096] = { 0 };
    uint64_t size = t->count > 3 ? number(t, 3) : 1;
    memset(payload, 'x', sizeof payload);
    enum raft_reason verdict = RAFT_OK;
    uint64_t accepted = 0;
    for (uint64_t i = 0; i < count && verdict == RAFT_OK; i++) {
        raft_term term;
        raft_index index;
        verdict = cluster_propose(&t->scene.c, n, bytes_of(payload, size), false, &term, &index);
        accepted += verdict == RAFT_OK;
    }
    (void)fprintf(t->out, "%s takes %llu of %llu: %s\n", word(t, 1), ID(accepted), ID(count),
                  raft_reason_name(verdict));
}

/* change N add 4 learner 5 remove 6 [auto]; leave N. */
static void do_change(struct script *t)
{
    struct node *n = up_node(t, 1);
    struct raft_change change = { .auto_leave = has_word(t, "auto") };
    for (int i = 2; i + 1 < t->count; i += 2) {
        enum raft_change_op op = is_word(t, i, "add")       ? RAFT_CHANGE_ADD_VOTER
                                 : is_word(t, i, "learner") ? RAFT_CHANGE_ADD_LEARNER
                                                            : RAFT_CHANGE_REMOVE;
        change.ops[change.count].id = number(t, i + 1);
        change.ops[change.count++].op = op;
    }
    raft_term term = 0;
    raft_index index = 0;
    enum raft_reason verdict = cluster_change(&t->scene.c, n, &change, &term, &index);
    if (verdict != RAFT_OK) {
        tell_verdict(t, "change", verdict);
        return;
    }
    (void)fprintf(t->out, "%s change is %llu/%llu\n", word(t, 1), ID(index), ID(term));
    scene_claim(&t->scene, n, "change", term, index);
}

static const struct {
    const char *name;
    enum raft_event_kind kind;
    bool has_number;
} plain_events[] = {
    { "campaign", RAFT_EVENT_CAMPAIGN, false },
    { "read", RAFT_EVENT_READ, true },
    { "transfer", RAFT_EVENT_TRANSFER, true },
    { "stepdown", RAFT_EVENT_STEP_DOWN, false },
    { "unreachable", RAFT_EVENT_UNREACHABLE, true },
    { "reachable", RAFT_EVENT_REACHABLE, true },
    { "clockjump", RAFT_EVENT_CLOCK_JUMP, false },
    { "wake", RAFT_EVENT_WAKE, false },
    { "timer", RAFT_EVENT_TIMER, false },
};
enum { PLAIN_EVENTS = sizeof plain_events / sizeof plain_events[0] };

static bool do_plain_event(struct script *t)
{
    for (int i = 0; i < PLAIN_EVENTS; i++) {
        if (!is_word(t, 0, plain_events[i].name))
            continue;
        uint64_t argument = plain_events[i].has_number ? number(t, 2) : 0;
        if (plain_events[i].kind == RAFT_EVENT_CLOCK_JUMP && t->count > 2)
            up_node(t, 1)->clock_offset_us += (int64_t)duration(t, 2);
        enum raft_reason verdict =
            cluster_event(&t->scene.c, up_node(t, 1), plain_events[i].kind, argument);
        if (verdict != RAFT_OK)
            tell_verdict(t, word(t, 0), verdict);
        return true;
    }
    return false;
}

static void do_disk(struct script *t)
{
    static const char *const words[] = { "ok", "low", "full", "failed" };
    for (uint64_t i = 0; i < 4; i++) {
        if (!is_word(t, 2, words[i]))
            continue;
        if (i == RAFT_DISK_IS_FAILED)
            cluster_disk_fail(&t->scene.c, up_node(t, 1));
        else
            (void)cluster_event(&t->scene.c, up_node(t, 1), RAFT_EVENT_DISK, i);
    }
}

static void do_lease(struct script *t)
{
    static const char *const words[] = { "free", "hold", "suspend" };
    for (uint64_t i = 0; i < 3; i++) {
        if (is_word(t, 2, words[i]))
            (void)cluster_event(&t->scene.c, up_node(t, 1), RAFT_EVENT_LEASE, i);
    }
}

static void do_elect(struct script *t)
{
    struct node *n = up_node(t, 1);
    bool was_silent = t->scene.is_silent;
    t->scene.is_silent = !has_word(t, "aloud");
    enum raft_reason verdict = cluster_event(&t->scene.c, n, RAFT_EVENT_CAMPAIGN, 0);
    scene_settle(&t->scene);
    t->scene.is_silent = was_silent;
    if (n->role != RAFT_LEADER)
        (void)fprintf(t->out, "%llu does not lead: %s\n", ID(n->id), raft_reason_name(verdict));
    else
        (void)fprintf(t->out, "%llu leads term %llu\n", ID(n->id), ID(n->term));
}

/* tick N: its clock comes to its deadline, alone. */
static void do_tick(struct script *t)
{
    struct node *n = up_node(t, 1);
    uint64_t deadline = t->scene.c.deadlines[n->id];
    if (deadline != RAFT_NEVER && deadline > t->scene.c.now)
        t->scene.c.now = deadline;
    (void)cluster_event(&t->scene.c, n, RAFT_EVENT_TIMER, 0);
}

/* ---- Network and disks -------------------------------------------------------------------- */

static void parse_link(const char *w, raft_id *out_from, raft_id *out_to)
{
    char *end;
    *out_from = strtoull(w, &end, 10);
    *out_to = *end == '>' ? strtoull(end + 1, NULL, 10) : 0;
}

/* deliver|drop|copy all|FROM>TO [kind] [count=] [newest]. */
static void do_held(struct script *t)
{
    raft_id from = 0;
    raft_id to = 0;
    if (!is_word(t, 1, "all"))
        parse_link(word(t, 1), &from, &to);
    uint32_t kind = message_kind(word(t, 2));
    uint32_t count = (uint32_t)option_number(t, "count", UINT32_MAX);
    struct packet *p = scene_take_held(&t->scene, from, to, kind, count, has_word(t, "newest"));
    if (p == NULL)
        (void)fputs("nothing held\n", t->out);
    while (p != NULL) {
        struct packet *next = p->next;
        p->next = NULL;
        if (is_word(t, 0, "copy")) {
            packet_ref(p);
            *t->scene.last_held = p;
            t->scene.last_held = &p->next;
        }
        if (is_word(t, 0, "drop")) {
            text_message(t->out, &p->m);
            (void)fputs(" (dropped)\n", t->out);
        } else {
            scene_deliver(&t->scene, p);
        }
        packet_unref(p);
        p = next;
    }
}

static void do_inflight(struct script *t)
{
    for (struct packet *p = t->scene.first_held; p != NULL; p = p->next) {
        (void)fputs("held ", t->out);
        text_message(t->out, &p->m);
        (void)fputc('\n', t->out);
    }
}

/* A CONF entry: "leave", "remove ID", or "?" for bytes that are no change. */
static struct raft_entry conf_entry(struct script *t, raft_index index, raft_term term,
                                    const char *what)
{
    struct raft_change change = { .count = *what == 'r', .ops[0].op = RAFT_CHANGE_REMOVE };
    uint8_t bytes[RAFT_CHANGE_MAX] = { 0xff };
    change.ops[0].id = strtoull(what + 1, NULL, 10);
    size_t size = *what == '?' ? 1 : raft_change_put(&change, bytes);
    struct raft_entry e = { .index = index, .term = term, .kind = RAFT_ENTRY_CONF };
    if (size > 0) {
        struct blob *b = blob_copy(&t->scene.c.blobs, bytes_of(bytes, size));
        e.blob = b;
        e.data = bytes_of(b->data, b->size);
    }
    return e;
}

/* entries=4/2,5/2: data that name themselves, so that equal entries have equal payloads. 4/2l,
 * 4/2r3 and 4/2? are changes: leave, remove 3, nonsense. */
static uint32_t parse_entries(struct script *t, struct raft_entry *entries)
{
    const char *w = option(t, "entries");
    uint32_t count = 0;
    while (w != NULL && *w != '\0' && count < INJECTED_MAX) {
        char *end;
        raft_index index = strtoull(w, &end, 10);
        raft_term term = *end == '/' ? strtoull(end + 1, &end, 10) : 0;
        bool is_change = *end != '\0' && *end != ',';
        entries[count++] =
            is_change ? conf_entry(t, index, term, end) : named_entry(t, index, term);
        w = strchr(end, ',') != NULL ? strchr(end, ',') + 1 : "";
    }
    return count;
}

/* conf=1v,2l,3i,4d or conf=none: as it stands there, whether it makes sense or not. */
static void parse_conf(struct script *t, struct raft_conf *conf)
{
    static const char letters[] = "?vlid";
    const char *w = option(t, "conf");
    if (w == NULL)
        return;
    *conf = (struct raft_conf) { .auto_leave = has_word(t, "auto") };
    while (*w >= '0' && *w <= '9') {
        char *end;
        raft_id id = strtoull(w, &end, 10);
        const char *letter = strchr(letters, *end);
        if (conf->count < RAFT_MEMBERS_MAX)
            conf->members[conf->count] = (struct raft_member) {
                .id = id, .role = (enum raft_member_role)(letter != NULL ? letter - letters : 9)
            };
        conf->count++;
        w = strchr(end, ',') != NULL ? strchr(end, ',') + 1 : "";
    }
}

/* snapshot=7/3: of that entry, with the conf that the group began with. */
static bool parse_snapshot(struct script *t, struct raft_snapshot *out_s)
{
    char *end;
    const char *w = option(t, "snapshot");
    if (w == NULL)
        return false;
    *out_s = (struct raft_snapshot) { .id = 999, .index = strtoull(w, &end, 10) };
    out_s->term = *end == '/' ? strtoull(end + 1, NULL, 10) : 0;
    out_s->conf_index = option_number(t, "conf_index", 0);
    out_s->conf = t->scene.c.nodes[1].disk.hard.conf;
    parse_conf(t, &out_s->conf);
    return true;
}

/* inject FROM>TO kind [term= index= log_term= commit= seq= hint= hint_term= reason= entries=
 * snapshot= reject force quiesce] [at=N]: at node N, if not at its receiver. */
static void do_inject(struct script *t)
{
    struct raft_message m = {
        .kind = (enum raft_message_kind)message_kind(word(t, 2)),
        .group = option_number(t, "group", GROUP),
        .term = option_number(t, "term", 0),
        .seq = option_number(t, "seq", 0),
        .read_seq = option_number(t, "read_seq", 0),
        .index = option_number(t, "index", 0),
        .log_term = option_number(t, "log_term", 0),
        .commit = option_number(t, "commit", 0),
        .hint_index = option_number(t, "hint", 0),
        .hint_term = option_number(t, "hint_term", 0),
        .reason = reason_option(t),
        .reject = has_word(t, "reject"),
        .force = has_word(t, "force"),
        .quiesce = has_word(t, "quiesce"),
    };
    struct raft_snapshot snapshot;
    if (parse_snapshot(t, &snapshot))
        m.snapshot = &snapshot;
    struct raft_entry entries[INJECTED_MAX];
    m.entry_count = parse_entries(t, entries);
    m.entries = entries;
    parse_link(word(t, 1), &m.from, &m.to);
    struct packet *p = packet_copy(&m);
    entries_unref(entries, m.entry_count);
    raft_id at = option_number(t, "at", 0);
    if (at == 0)
        scene_deliver(&t->scene, p);
    else
        scene_misdeliver(&t->scene, p, at);
    packet_unref(p);
}

/* report N WHAT ...: what a driver says though it is not so, or not asked for. */
static void do_report(struct script *t)
{
    static const struct {
        const char *name;
        enum raft_event_kind kind;
    } kinds[] = {
        { "persisted", RAFT_EVENT_PERSISTED }, { "applied", RAFT_EVENT_APPLIED },
        { "compacted", RAFT_EVENT_COMPACTED }, { "fetched", RAFT_EVENT_FETCHED },
        { "offered", RAFT_EVENT_OFFERED },     { "staged", RAFT_EVENT_STAGED },
        { "sent", RAFT_EVENT_SENT },           { "proposed", RAFT_EVENT_PROPOSE },
        { "changed", RAFT_EVENT_CHANGE },      { "nonsense", RAFT_EVENT_KIND_END },
    };
    struct raft_event ev = { .kind = RAFT_EVENT_DRAIN };
    struct raft_entry entries[INJECTED_MAX];
    struct raft_snapshot snapshot;
    uint32_t count = parse_entries(t, entries);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        ev.kind = is_word(t, 2, kinds[i].name) ? kinds[i].kind : ev.kind;
    raft_index index = option_number(t, "index", 0);
    raft_id peer = option_number(t, "peer", 0);
    uint64_t id = option_number(t, "id", 0);
    if (ev.kind == RAFT_EVENT_PERSISTED) {
        ev.u.persisted.seq = option_number(t, "seq", 0);
        ev.u.persisted.mark =
            (struct raft_mark) { .acc_term = option_number(t, "term", 0), .index = index };
    } else if (ev.kind == RAFT_EVENT_APPLIED || ev.kind == RAFT_EVENT_COMPACTED) {
        ev.u.index = index;
    } else if (ev.kind == RAFT_EVENT_FETCHED) {
        ev.u.fetched.peer = peer;
        ev.u.fetched.entries = entries;
        ev.u.fetched.entry_count = count;
    } else if (ev.kind == RAFT_EVENT_OFFERED) {
        ev.u.offered.peer = peer;
        ev.u.offered.snapshot = parse_snapshot(t, &snapshot) ? &snapshot : NULL;
    } else if (ev.kind == RAFT_EVENT_STAGED) {
        ev.u.staged.id = id;
        ev.u.staged.index = index;
    } else if (ev.kind == RAFT_EVENT_SENT) {
        ev.u.sent.peer = peer;
        ev.u.sent.id = id;
        ev.u.sent.has_failed = has_word(t, "failed");
    } else {
        ev.u.propose.entries = entries;
        ev.u.propose.entry_count = count;
    }
    tell_verdict(t, word(t, 2), cluster_step(&t->scene.c, up_node(t, 1), &ev));
    entries_unref(entries, count);
}

/* effects N: each step has room for so many from here on; 0: for as many as there were at first. */
static void do_effects(struct script *t)
{
    t->scene.c.effects_exact = (uint32_t)number(t, 1);
}

static void do_hold(struct script *t, bool value)
{
    raft_id id = is_word(t, 2, "") ? 0 : number(t, 2);
    if (is_word(t, 1, "disk"))
        t->scene.disk_held[id] = value;
    else if (is_word(t, 1, "apply"))
        t->scene.apply_held[id] = value;
    else if (is_word(t, 1, "snapshots"))
        t->scene.snapshots_held[id] = value;
    else
        each_link(t, 1, t->scene.held, value);
    if (value || id == 0 || !node_is_up(node_word(t, 2)))
        return;
    struct node *n = node_word(t, 2);
    if (is_word(t, 1, "disk"))
        cluster_disk_finish(&t->scene.c, n, UINT32_MAX);
    if (is_word(t, 1, "apply"))
        scene_apply(&t->scene, n);
}

static void do_persist(struct script *t)
{
    cluster_disk_finish(&t->scene.c, up_node(t, 1),
                        (uint32_t)option_number(t, "count", UINT32_MAX));
}

static void do_compact(struct script *t)
{
    struct node *n = up_node(t, 1);
    cluster_flush(&t->scene.c, n);
    cluster_compact(&t->scene.c, n, number(t, 2));
    (void)fprintf(t->out, "%s log begins behind %llu\n", word(t, 1), ID(n->disk.base_index));
}

/* offer N PEER | offer N PEER none. */
static void do_offer(struct script *t)
{
    struct node *n = up_node(t, 1);
    struct raft_event none = { .kind = RAFT_EVENT_OFFERED };
    none.u.offered.peer = number(t, 2);
    if (is_word(t, 3, "none"))
        (void)cluster_step(&t->scene.c, n, &none);
    else
        (void)cluster_offer(&t->scene.c, n, number(t, 2), is_word(t, 3, "saved"));
}

static void do_stage(struct script *t)
{
    scene_stage(&t->scene, up_node(t, 1), is_word(t, 2, "failed"));
}

/* ---- Looking ------------------------------------------------------------------------------ */

static void do_state(struct script *t)
{
    for (raft_id id = 1; id < CLUSTER_IDS; id++) {
        struct node *n = &t->scene.c.nodes[id];
        if (n->state == NODE_NONE || (t->count > 1 && number(t, 1) != id))
            continue;
        if (!node_is_up(n)) {
            (void)fprintf(t->out, "%llu is %s\n", ID(id), n->state == NODE_DOWN ? "down" : "gone");
            continue;
        }
        struct raft_view v;
        raft_view(n->raft, &v);
        text_view(t->out, &v);
        (void)fputs(v.lease_until_us > n->clock_us ? " lease\n" : "\n", t->out);
    }
}

static void do_log(struct script *t)
{
    struct node *n = up_node(t, 1);
    struct raft_view v;
    raft_view(n->raft, &v);
    (void)fprintf(t->out, "%s log:", word(t, 1));
    for (raft_index i = v.base_index + 1; i <= v.last; i++)
        (void)fprintf(t->out, " %llu/%llu", ID(i), ID(raft_term_at(n->raft, i)));
    (void)fputc('\n', t->out);
}

static void do_peers(struct script *t)
{
    struct node *n = up_node(t, 1);
    struct raft_view v;
    raft_view(n->raft, &v);
    for (uint32_t i = 0; i < v.peer_count; i++) {
        const struct raft_peer_view *p = &v.peers[i];
        (void)fprintf(t->out, "%s peer %llu %s", word(t, 1), ID(p->id),
                      raft_member_role_name(p->role));
        if (v.role == RAFT_LEADER)
            (void)fprintf(t->out, " %s match %llu next %llu in flight %u",
                          raft_progress_name(p->progress), ID(p->match), ID(p->next),
                          p->inflight_messages);
        else if (p->has_voted)
            (void)fprintf(t->out, " %s %s", p->granted ? "granted" : "refused:",
                          p->granted ? "" : raft_reason_name(p->refusal));
        (void)fputc('\n', t->out);
    }
}

static void do_show(struct script *t, bool value)
{
    if (has_word(t, "heartbeats"))
        t->scene.show_heartbeats = value;
    if (has_word(t, "writes"))
        t->scene.show_writes = value;
    if (has_word(t, "all"))
        t->scene.is_silent = !value;
}

static void do_same(struct script *t)
{
    struct node *first = NULL;
    for (raft_id id = 1; id < CLUSTER_IDS; id++) {
        struct node *n = &t->scene.c.nodes[id];
        if (!node_is_up(n))
            continue;
        if (first == NULL)
            first = n;
        if (first->fsm.digest != n->fsm.digest || first->fsm.index != n->fsm.index)
            (void)fprintf(t->out, "%llu applied %llu, %llu applied %llu\n", ID(first->id),
                          ID(first->fsm.index), ID(id), ID(n->fsm.index));
    }
    if (first != NULL)
        (void)fprintf(t->out, "%llu applied %llu\n", ID(first->id), ID(first->fsm.index));
}

/* ---- The language ------------------------------------------------------------------------- */

static void run_command(struct script *t)
{
    struct scene *s = &t->scene;
    if (is_word(t, 0, "nodes")) {
        do_nodes(t);
        return;
    }
    if (!t->has_scene) {
        complain(t, "%s before nodes", word(t, 0));
        return;
    }
    if (is_word(t, 0, "run"))
        scene_run(s, s->c.now + duration(t, 1));
    else if (is_word(t, 0, "pass"))
        s->c.now += duration(t, 1); /* Timers come late: after the next event. */
    else if (is_word(t, 0, "settle"))
        scene_settle(s);
    else if (is_word(t, 0, "cut"))
        each_link(t, 1, s->cut, true);
    else if (is_word(t, 0, "heal"))
        each_link(t, t->count > 1 ? 1 : t->count, s->cut, false);
    else if (is_word(t, 0, "hold"))
        do_hold(t, true);
    else if (is_word(t, 0, "release"))
        do_hold(t, false);
    else if (is_word(t, 0, "show"))
        do_show(t, true);
    else if (is_word(t, 0, "hide"))
        do_show(t, false);
    else if (is_word(t, 0, "violation"))
        s->may_break = s->checker.goes_on = true;
    else if (is_word(t, 0, "rate"))
        node_set_rate(node_word(t, 1), s->c.now, (int32_t)strtol(word(t, 2), NULL, 10));
    else
        complain(t, "no such command: %s", word(t, 0));
}

static const struct {
    const char *name;
    void (*run)(struct script *t);
} commands[] = {
    { "preset", do_preset },   { "start", do_start },     { "restart", do_start },
    { "crash", do_crash },     { "join", do_join },       { "destroy", do_destroy },
    { "propose", do_propose }, { "fill", do_fill },       { "change", do_change },
    { "leave", do_change },    { "disk", do_disk },       { "lease", do_lease },
    { "elect", do_elect },     { "tick", do_tick },       { "deliver", do_held },
    { "drop", do_held },       { "copy", do_held },       { "inflight", do_inflight },
    { "inject", do_inject },   { "persist", do_persist }, { "compact", do_compact },
    { "offer", do_offer },     { "stage", do_stage },     { "state", do_state },
    { "log", do_log },         { "peers", do_peers },     { "same", do_same },
    { "report", do_report },   { "effects", do_effects },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void run_line(struct script *t, const char *line)
{
    split(t, line);
    if (t->count == 0 || t->fault[0] != '\0')
        return;
    if (t->has_scene && do_plain_event(t))
        return;
    for (int i = 0; i < COMMANDS; i++) {
        if (t->has_scene && is_word(t, 0, commands[i].name)) {
            commands[i].run(t);
            return;
        }
    }
    run_command(t);
}

static void tell_violation(struct script *t)
{
    struct checker *k = &t->scene.checker;
    if (!t->has_scene || k->text[0] == '\0' || t->has_told)
        return;
    t->has_told = true;
    if (t->scene.may_break)
        (void)fprintf(t->out, "VIOLATION I%d: %s\n", k->invariant, k->text);
    else
        complain(t, "violation of I%d: %s", k->invariant, k->text);
}

/* The commands go to `page` as they are; the trace of a block follows its dashes. */
static void run_lines(struct script *t, const char *text, FILE *page)
{
    bool is_trace = false;
    size_t told = 0;
    while (*text != '\0') {
        char line[512];
        size_t size = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)size, text);
        text += size + (text[size] == '\n');
        if (is_trace && line[0] != '\0')
            continue;
        is_trace = strcmp(line, "----") == 0;
        (void)fprintf(page, "%s\n", line);
        if (is_trace) {
            tell_violation(t);
            (void)fflush(t->out);
            (void)fwrite(t->trace + told, 1, t->trace_size - told, page);
            told = t->trace_size;
        } else if (line[0] != '#') {
            run_line(t, line);
        }
    }
    tell_violation(t);
    (void)fflush(t->out);
    if (told < t->trace_size)
        complain(t, "the last commands are not followed by ----");
}

void script_run(const char *text, struct sights *seen, char **out_page, char **out_fault)
{
    size_t page_size = 0;
    struct script *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    FILE *page = open_memstream(out_page, &page_size);
    t->out = open_memstream(&t->trace, &t->trace_size);
    CHECK(page != NULL && t->out != NULL);
    run_lines(t, text, page);
    if (t->has_scene) {
        sights_add(seen, &t->scene.checker.seen);
        scene_deinit(&t->scene);
    }
    (void)fclose(page);
    (void)fclose(t->out);
    free(t->trace);
    *out_fault = t->fault[0] != '\0' ? strdup(t->fault) : NULL;
    free(t);
}
