/* The command table: bitmaps, which are strings taken bit by bit. */
#include "resp/table.h"

#define UNIT_ARG                                                                                   \
    ARG("unit", ONEOF, .flags = OPTIONAL, .since = "7.0.0",                                        \
        .args = ARGS(TOKEN("byte", "BYTE"), TOKEN("bit", "BIT")))

static const struct resp_command COMMANDS[] = {
    {
        .name = "setbit",
        .arity = 4,
        .flags = WRITE | DENYOOM,
        .acl = BITMAP,
        .keys = ONE_KEY(RESP_KEY_RW | RESP_KEY_ACCESS | RESP_KEY_UPDATE),
        DOC("bitmap", "2.2.0", "O(1)", "Sets or clears a bit of the string at a key."),
        .args = ARGS(ARG("key", KEY), ARG("offset", INTEGER), ARG("value", INTEGER)),
        .run = resp_cmd_setbit,
    },
    {
        .name = "getbit",
        .arity = 3,
        .flags = READONLY | FAST,
        .acl = BITMAP,
        .keys = ONE_KEY(RESP_KEY_RO | RESP_KEY_ACCESS),
        DOC("bitmap", "2.2.0", "O(1)", "Reads a bit of the string at a key."),
        .args = ARGS(ARG("key", KEY), ARG("offset", INTEGER)),
        .run = resp_cmd_getbit,
    },
    {
        .name = "bitfield",
        .arity = -2,
        .flags = WRITE | DENYOOM,
        .acl = BITMAP,
        .keys = ONE_KEY(RESP_KEY_RW | RESP_KEY_ACCESS | RESP_KEY_UPDATE | RESP_KEY_VARIABLE_FLAGS),
        DOC("bitmap", "3.2.0", "O(N), N operations",
            "Reads and writes numbers of any width within the string at a key."),
        .args = ARGS(
            ARG("key", KEY),
            ARG("operation", ONEOF, .flags = OPTIONAL | MULTIPLE,
                .args = ARGS(
                    ARG("get-block", BLOCK, .token = "GET",
                        .args = ARGS(ARG("encoding", STRING), ARG("offset", INTEGER))),
                    ARG("write", BLOCK,
                        .args = ARGS(
                            ARG("overflow-block", ONEOF, .flags = OPTIONAL, .token = "OVERFLOW",
                                .args = ARGS(TOKEN("wrap", "WRAP"), TOKEN("sat", "SAT"),
                                             TOKEN("fail", "FAIL"))),
                            ARG("write-operation", ONEOF,
                                .args = ARGS(ARG("set-block", BLOCK, .token = "SET",
                                                 .args = ARGS(ARG("encoding", STRING),
                                                              ARG("offset", INTEGER),
                                                              ARG("value", INTEGER))),
                                             ARG("incrby-block", BLOCK, .token = "INCRBY",
                                                 .args = ARGS(ARG("encoding", STRING),
                                                              ARG("offset", INTEGER),
                                                              ARG("increment", INTEGER)))))))))),
        .run = resp_cmd_bitfield,
    },
    {
        .name = "bitfield_ro",
        .arity = -2,
        .flags = READONLY | FAST,
        .acl = BITMAP,
        .keys = ONE_KEY(RESP_KEY_RO | RESP_KEY_ACCESS),
        DOC("bitmap", "6.0.0", "O(N), N operations",
            "Reads numbers of any width within the string at a key."),
        .args = ARGS(ARG("key", KEY),
                     ARG("get-block", BLOCK, .flags = OPTIONAL | MULTIPLE | RESP_ARG_MULTIPLE_TOKEN,
                         .token = "GET",
                         .args = ARGS(ARG("encoding", STRING), ARG("offset", INTEGER)))),
        .run = resp_cmd_bitfield_ro,
    },
};

const struct resp_command_group RESP_GROUP_BITMAP = GROUP(COMMANDS);
