#include "server/connection.h"

#include "base/check.h"

#include "resp/resp.h"

enum {
    INPUT_FIRST = 4 << 10,
    INPUT_IDLE = 8 << 10, /* What a connection may be silent with. */
    INPUT_ROOM = 512,
    INPUT_KEPT = 64 << 10,    /* For what comes in long pipelines, while it comes. */
    INPUT_BELIEVED = 1 << 20, /* An announced size up to this is made room for at once. */
    OUTPUT_KEPT = 64 << 10,   /* A larger buffer is given back when it is empty. */
    OUTPUT_FULL = 1 << 20,    /* More output than this, and commands wait: see full_bytes. */
    OUTPUT_MAX = 1 << 30,
};

struct status server_connection_create(struct server_client_memory *memory,
                                       struct io_socket *socket, uint64_t id, uint64_t now_ns,
                                       struct server_connection **out)
{
    struct server_connection *c = alloc_zeroed(&memory->requests.alloc, sizeof *c);

    if (c == NULL) {
        io_socket_close(socket);
        return status_of(ST_NO_MEMORY);
    }
    c->memory = memory;
    c->socket = socket;
    c->id = id;
    c->made_ns = now_ns;
    c->active_ns = now_ns;
    c->full_bytes = OUTPUT_FULL;
    buf_init(&c->sending, &memory->replies.alloc, OUTPUT_MAX);
    buf_init(&c->out, &memory->replies.alloc, OUTPUT_MAX);
    *out = c;
    return status_ok();
}

void server_connection_destroy(struct server_connection *c)
{
    CHECK(c->session == NULL && c->command == NULL && c->ahead == NULL);
    CHECK(!c->recv.is_pending && !c->send.is_pending && c->lists == 0);
    io_socket_close(c->socket);
    alloc_free(&c->memory->requests.alloc, c->in, c->in_capacity);
    buf_deinit(&c->sending);
    buf_deinit(&c->out);
    alloc_free(&c->memory->requests.alloc, c, sizeof *c);
}

/* ---- Input ------------------------------------------------------------------------------------
 */

static struct status resize_input(struct server_connection *c, size_t capacity)
{
    struct alloc *a = &c->memory->requests.alloc;
    uint8_t *in = alloc_bytes(a, capacity);

    if (in == NULL)
        return status_of(ST_NO_MEMORY);
    if (c->in_end > c->in_begin)
        memcpy(in, c->in + c->in_begin, c->in_end - c->in_begin);
    alloc_free(a, c->in, c->in_capacity);
    c->in = in;
    c->in_capacity = capacity;
    c->in_end -= c->in_begin;
    c->in_begin = 0;
    return status_ok();
}

static void move_to_front(struct server_connection *c)
{
    if (c->in_begin == 0)
        return;
    memmove(c->in, c->in + c->in_begin, c->in_end - c->in_begin);
    c->in_end -= c->in_begin;
    c->in_begin = 0;
}

/* Room for so many bytes more: of what is announced, no more than a few times what has come. */
static struct status make_room(struct server_connection *c, size_t missing)
{
    size_t held = connection_input(c);
    size_t believed = held < INPUT_BELIEVED / 3 ? INPUT_BELIEVED : 3 * held;
    size_t room = missing < believed ? missing : believed;
    /* A buffer that was filled in one go is too small for how this client pipelines. */
    bool was_filled = c->recv.size > 0 && c->recv.done_size == c->recv.size;

    if (room < INPUT_ROOM)
        room = INPUT_ROOM;
    if (was_filled && c->in_capacity < INPUT_KEPT && succeeded(resize_input(c, INPUT_KEPT)))
        return status_ok();
    if (c->in_capacity - c->in_end >= room && c->in_capacity > c->in_end)
        return status_ok();
    if (c->in_capacity - held >= room && c->in_capacity > held + held / 4) {
        move_to_front(c);
        return status_ok();
    }
    size_t capacity = c->in_capacity == 0 ? INPUT_FIRST : c->in_capacity;
    while (capacity < held + room || capacity == held)
        capacity = capacity < INPUT_BELIEVED ? 2 * capacity : align_up(held + room + 1, IO_ALIGN);
    /* A request of many short words announces little at a time: what has come is not copied for
     * each. */
    size_t ample = held < INPUT_BELIEVED ? 0 : align_up(held + held / 2, IO_ALIGN);
    if (ample > capacity && succeeded(resize_input(c, ample)))
        return status_ok();
    return resize_input(c, capacity);
}

struct status server_connection_receive(struct server_connection *c, struct io_ring *ring,
                                        size_t missing)
{
    CHECK(!c->recv.is_pending);
    TRY(make_room(c, missing));
    c->recv = (struct io_op) { .opcode = IO_OP_RECV,
                               .socket = c->socket,
                               .data = c->in + c->in_end,
                               .size = c->in_capacity - c->in_end,
                               .owner = c,
                               .tag = CONNECTION_RECV_TAG };
    io_submit(ring, &c->recv);
    return status_ok();
}

/*
 * With nothing in it the buffer is what the connection may be silent with: the next RECV holds it,
 * for hours perhaps. A pipeline that is longer fills it and gets a larger one.
 */
static void shrink(struct server_connection *c)
{
    c->in_begin = 0;
    c->in_end = 0;
    if (c->in_capacity > INPUT_IDLE)
        status_ignore(resize_input(c, INPUT_IDLE), "the larger one does");
}

void server_connection_consume(struct server_connection *c, size_t size)
{
    CHECK(size <= connection_input(c));
    c->in_begin += size;
    if (c->in_begin == c->in_end)
        shrink(c);
}

/* ---- Output -----------------------------------------------------------------------------------
 */

bool server_connection_is_full(const struct server_connection *c)
{
    uint64_t waiting = connection_output(c);

    return waiting > c->full_bytes ||
           (waiting > CLIENT_BLOCK_FREE && server_client_memory_is_short(c->memory));
}

bool server_connection_bear(struct server_connection *c)
{
    if (!server_client_memory_is_patient(c->memory))
        return false;
    c->full_bytes = 2 * connection_output(c);
    return true;
}

static struct connection_segment *segment_at(struct server_connection *c, uint32_t i)
{
    return &c->segments[(c->segment_first + i) % CONNECTION_SEGMENTS];
}

void server_connection_close_output(struct server_connection *c, uint64_t ticket)
{
    uint64_t end = c->sending_end + c->out.size;

    if (c->segment_count == 0 && ticket == 0) {
        c->released = end;
        return;
    }
    struct connection_segment *last =
        c->segment_count == 0 ? NULL : segment_at(c, c->segment_count - 1);
    if (last != NULL && (ticket <= last->ticket || c->segment_count == CONNECTION_SEGMENTS)) {
        /* In order behind it; or, where there is no room for more, with it. */
        last->end = end;
        last->ticket = ticket > last->ticket ? ticket : last->ticket;
        return;
    }
    c->segment_count++;
    *segment_at(c, c->segment_count - 1) =
        (struct connection_segment) { .end = end, .ticket = ticket };
}

static void give_back(struct buf *b)
{
    struct alloc *a = b->alloc;

    buf_deinit(b);
    buf_init(b, a, OUTPUT_MAX);
}

/* The buffer that was sent changes places with the one that was filled. */
static void turn_buffers(struct server_connection *c)
{
    struct buf sent = c->sending;

    c->sending = c->out;
    c->out = sent;
    c->sending_end += c->sending.size;
    buf_reset(&c->out);
}

bool server_connection_release(struct server_connection *c, struct io_ring *ring, uint64_t applied)
{
    while (c->segment_count > 0 && segment_at(c, 0)->ticket <= applied) {
        c->released = segment_at(c, 0)->end;
        c->segment_first = (c->segment_first + 1) % CONNECTION_SEGMENTS;
        c->segment_count--;
    }
    if (c->send.is_pending || c->is_closed || c->released == c->sent)
        return c->segment_count > 0;
    if (c->sent == c->sending_end)
        turn_buffers(c);
    uint64_t end = c->released < c->sending_end ? c->released : c->sending_end;
    uint64_t begin = c->sending_end - c->sending.size;
    c->send = (struct io_op) { .opcode = IO_OP_SEND,
                               .socket = c->socket,
                               .data = c->sending.data + (c->sent - begin),
                               .size = end - c->sent,
                               .owner = c,
                               .tag = CONNECTION_SEND_TAG };
    io_submit(ring, &c->send);
    return c->segment_count > 0;
}

bool server_connection_sent(struct server_connection *c)
{
    if (failed(c->send.status))
        return false;
    c->sent += c->send.size;
    if (connection_output(c) <= OUTPUT_FULL)
        c->full_bytes = OUTPUT_FULL;
    bool is_short = server_client_memory_is_short(c->memory);
    if (c->sent == c->sending_end && (is_short || c->sending.capacity > OUTPUT_KEPT))
        give_back(&c->sending);
    return true;
}

void server_connection_trim(struct server_connection *c)
{
    if (connection_output(c) > 0 || c->command != NULL)
        return;
    give_back(&c->sending);
    give_back(&c->out);
    if (c->session != NULL && !c->has_request)
        resp_session_trim(c->session);
}

bool server_connection_has_lost(const struct server_connection *c, uint64_t applied)
{
    return connection_ticket(c) > applied;
}
