/*
 * Which row a request that lies further back in the input will ask for: for having its memory
 * fetched while those before it run. Nothing here decides anything: a request that does not look
 * like the common ones is not understood, and one that is understood wrongly costs nothing.
 */
#include "resp/keys.h"
#include "resp/session.h"

enum { ARGS_MAX = 8, DIGITS_MAX = 7 };

/* Take a marker, a small number and a line's end off *rest. */
static bool take_header(struct bytes *rest, uint8_t marker, size_t *out_number)
{
    size_t i = 1;
    size_t number = 0;

    if (rest->size < 4 || rest->data[0] != marker)
        return false;
    while (i < rest->size && i <= DIGITS_MAX && rest->data[i] >= '0' && rest->data[i] <= '9')
        number = 10 * number + (size_t)(rest->data[i++] - '0');
    if (i == 1 || i + 1 >= rest->size || rest->data[i] != '\r')
        return false;
    *out_number = number;
    *rest = bytes_skip(*rest, i + 2);
    return true;
}

/* The first key of the request at the front of data, if it is whole and plain; its size or 0. */
static size_t find_key(struct bytes data, struct bytes *out_key)
{
    struct bytes rest = data;
    size_t args;
    size_t size;

    if (!take_header(&rest, '*', &args) || args < 2 || args > ARGS_MAX)
        return 0;
    for (size_t i = 0; i < args; i++) {
        if (!take_header(&rest, '$', &size) || rest.size < size + 2)
            return 0;
        if (i == 1)
            *out_key = bytes_of(rest.data, size);
        rest = bytes_skip(rest, size + 2);
    }
    return data.size - rest.size;
}

size_t resp_session_glance(const struct resp_session *s, struct store *store, struct bytes data,
                           uint8_t room[RESP_GLANCE_MAX], struct bytes *out_row_key)
{
    struct bytes key;
    size_t size = find_key(data, &key);

    *out_row_key = bytes_of(NULL, 0);
    if (size == 0 || key.size > RESP_GLANCE_MAX - RESP_META_PREFIX)
        return size;
    uint32_t database = store->ops->database_id(store, s->identity.database);
    struct resp_place place = resp_place_of(key, database, store->ops->hash_seed(store));
    *out_row_key = bytes_of(room, resp_place_meta(&place, room));
    return size;
}

bool resp_session_glance_reads(const struct resp_session *s, struct bytes data)
{
    size_t number;

    if (!take_header(&data, '*', &number) || !take_header(&data, '$', &number) ||
        data.size < number)
        return false;
    const struct resp_command *c =
        resp_command_find(&s->resp->commands, bytes_of(data.data, number));
    return c != NULL && (c->flags & RESP_CMD_READONLY) != 0;
}
