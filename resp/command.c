#include "resp/command.h"

#include "base/check.h"

#include "resp/table.h"

#include <stdio.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool resp_text_equal(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

/* FNV-1a over the bytes with bit 5 set, which makes letters of both cases equal. */
static size_t slot_of(struct bytes name)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < name.size; i++)
        h = (h ^ (name.data[i] | 0x20u)) * 16777619u;
    return (h ^ h >> 16) % RESP_COMMAND_SLOTS;
}

/* Places in an index are eight bits wide. */
enum { GROUP_MAX = UINT8_MAX };

static const struct resp_command_group *const GROUPS[] = {
    &RESP_GROUP_CONNECTION, &RESP_GROUP_STRING,       &RESP_GROUP_BITMAP,    &RESP_GROUP_GENERIC,
    &RESP_GROUP_SERVER,     &RESP_GROUP_TRANSACTIONS, &RESP_GROUP_SCRIPTING, &RESP_GROUP_PUBSUB,
};
enum { GROUPS_COUNT = sizeof GROUPS / sizeof GROUPS[0] };

const struct resp_command *resp_command_at(size_t i)
{
    for (size_t g = 0; g < GROUPS_COUNT; g++) {
        if (i < GROUPS[g]->count)
            return &GROUPS[g]->commands[i];
        i -= GROUPS[g]->count;
    }
    return NULL;
}

static void index_add(struct resp_command_index *index, size_t group, size_t command)
{
    const char *name = GROUPS[group]->commands[command].name;
    size_t slot = slot_of(bytes_str(name));

    while (index->slots[slot].group != 0)
        slot = (slot + 1) % RESP_COMMAND_SLOTS;
    index->slots[slot].group = (uint8_t)(group + 1);
    index->slots[slot].command = (uint8_t)command;
    index->slots[slot].name_size = (uint8_t)strlen(name);
    index->count++;
}

void resp_command_index_init(struct resp_command_index *index)
{
    *index = (struct resp_command_index) { .count = 0 };
    for (size_t g = 0; g < GROUPS_COUNT; g++) {
        CHECK(GROUPS[g]->count <= GROUP_MAX);
        for (size_t i = 0; i < GROUPS[g]->count; i++)
            index_add(index, g, i);
    }
    CHECK(index->count < RESP_COMMAND_SLOTS / 2);
}

const struct resp_command *resp_command_find(const struct resp_command_index *index,
                                             struct bytes name)
{
    for (size_t slot = slot_of(name); index->slots[slot].group != 0;
         slot = (slot + 1) % RESP_COMMAND_SLOTS) {
        const struct resp_command *c =
            &GROUPS[index->slots[slot].group - 1]->commands[index->slots[slot].command];
        if (resp_text_equal(name, bytes_of(c->name, index->slots[slot].name_size)))
            return c;
    }
    return NULL;
}

/* The part of a subcommand's name behind the container's. */
static const char *sub_word(const struct resp_command *sub)
{
    return strchr(sub->name, '|') + 1;
}

const struct resp_command *resp_command_find_sub(const struct resp_command *container,
                                                 struct bytes word)
{
    for (const struct resp_command *s = container->subcommands; s != NULL && s->name != NULL; s++) {
        if (resp_text_is(word, sub_word(s)))
            return s;
    }
    return NULL;
}

const struct resp_command *resp_command_find_full(const struct resp_command_index *index,
                                                  struct bytes name)
{
    const uint8_t *bar = name.size == 0 ? NULL : memchr(name.data, '|', name.size);

    if (bar == NULL)
        return resp_command_find(index, name);
    size_t container_size = (size_t)(bar - name.data);
    const struct resp_command *c = resp_command_find(index, bytes_of(name.data, container_size));
    return c == NULL ? NULL : resp_command_find_sub(c, bytes_skip(name, container_size + 1));
}

uint32_t resp_command_acl(const struct resp_command *c)
{
    uint32_t acl = c->acl;

    if (c->flags & RESP_CMD_WRITE)
        acl |= RESP_ACL_WRITE;
    if (c->flags & RESP_CMD_READONLY)
        acl |= RESP_ACL_READ;
    if (c->flags & RESP_CMD_ADMIN)
        acl |= RESP_ACL_ADMIN | RESP_ACL_DANGEROUS;
    return acl | (c->flags & RESP_CMD_FAST ? RESP_ACL_FAST : RESP_ACL_SLOW);
}

/* Redis shows at most 128 bytes of the name, and arguments until 128 bytes are full. */
static void reply_unknown_command(const struct bytes *argv, size_t argc, struct resp_reply *reply)
{
    enum { SHOWN_MAX = 128, QUOTES = 3 };
    char args[SHOWN_MAX + QUOTES + 1];
    int size = 0;

    for (size_t i = 1; i < argc && size < SHOWN_MAX; i++) {
        int room = SHOWN_MAX - size;
        int shown = argv[i].size < (size_t)room ? (int)argv[i].size : room;
        size += snprintf(args + size, sizeof args - (size_t)size, "'%.*s' ", shown,
                         (const char *)argv[i].data);
    }
    resp_reply_error(reply, "ERR unknown command '%.*s', with args beginning with: %.*s",
                     argv[0].size < SHOWN_MAX ? (int)argv[0].size : SHOWN_MAX,
                     (const char *)argv[0].data, size, args);
}

static void reply_unknown_subcommand(const struct resp_command *container, struct bytes word,
                                     struct resp_reply *reply)
{
    enum { SHOWN_MAX = 128 };
    char name[32];
    size_t size = strlen(container->name);

    CHECK(size < sizeof name);
    for (size_t i = 0; i <= size; i++) {
        char c = container->name[i];
        name[i] = c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
    }
    resp_reply_error(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                     word.size < SHOWN_MAX ? (int)word.size : SHOWN_MAX, (const char *)word.data,
                     name);
}

void resp_command_reply_arity_error(const struct resp_command *c, struct resp_reply *reply)
{
    resp_reply_error(reply, "ERR wrong number of arguments for '%s' command", c->name);
}

const struct resp_command *resp_command_lookup(const struct resp_command_index *index,
                                               const struct bytes *argv, size_t argc)
{
    const struct resp_command *c = resp_command_find(index, argv[0]);

    return c == NULL || c->subcommands == NULL || argc == 1 ? c : resp_command_find_sub(c, argv[1]);
}

bool resp_command_may_be_called(const struct resp_command *c,
                                const struct resp_command_index *index, const struct bytes *argv,
                                size_t argc, struct resp_reply *reply)
{
    if (c == NULL) {
        const struct resp_command *container = resp_command_find(index, argv[0]);
        if (container == NULL)
            reply_unknown_command(argv, argc, reply);
        else
            reply_unknown_subcommand(container, argv[1], reply);
        return false;
    }
    if (c->arity >= 0 ? argc != (size_t)c->arity : argc < (size_t)-c->arity) {
        resp_command_reply_arity_error(c, reply);
        return false;
    }
    return true;
}

const struct resp_key_spec *resp_command_next_spec(const struct resp_command *c,
                                                   const struct resp_key_spec *spec)
{
    if (spec == NULL)
        return c->keys;
    return spec[1].first == 0 ? NULL : spec + 1;
}

struct resp_key_range resp_command_keys(const struct resp_key_spec *spec, size_t argc)
{
    size_t first = (size_t)spec->first;
    size_t last = spec->last >= 0 ? first + (size_t)spec->last : argc - (size_t)-spec->last;

    return (struct resp_key_range) { .first = first, .end = last + 1, .step = (size_t)spec->step };
}
