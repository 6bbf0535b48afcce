/* fuzz_link.h - a link whose peer says whatever the fuzzer likes, without a system below it.
 *
 * The channel is made of memory: recv gives the input in uneven pieces, send swallows everything (or
 * nothing, or ten bytes until the peer is gone), each handle that is imported is one of a sealed
 * region of REGION_SIZE bytes. The input is taken as raw bytes, or (first byte odd) as a list of
 * recipes from which frames are built that get past the first checks, since a fuzzer seldom finds
 * 32 bytes that fit together.
 */
#ifndef FUZZ_LINK_H
#define FUZZ_LINK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "link.h"

#define REGION_SIZE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fake {
    sill__conn conn;
    const uint8_t *data;
    size_t size, at;
    sill_peer peer;
    bool open;   /* more is to come: no end behind the bytes */
    enum fake_way { WAY_FREE, WAY_JAMMED, WAY_HALF, WAY_FULL, WAY_GONE } way;
};

static sill_region *shared; /* made once, lives as long as the process */

static int fake_send(sill__conn *conn, const struct sill__bytes *parts, unsigned count,
                     const sill_handle *handles, unsigned handle_count, size_t *sent)
{
    struct fake *fake = (struct fake *)conn;
    (void)handles;
    (void)handle_count;
    if (fake->way == WAY_GONE)
        return SILL_DIED;
    if (fake->way == WAY_JAMMED || fake->way == WAY_FULL) {
        fake->way += fake->way == WAY_FULL;
        return SILL_AGAIN;
    }
    *sent = 0;
    for (unsigned i = 0; i < count; i++)
        *sent += parts[i].size;
    if (fake->way == WAY_HALF && *sent > 10) {
        fake->way = WAY_FULL;
        *sent = 10;
    }
    return 0;
}

static int fake_recv(sill__conn *conn, void *buffer, size_t capacity, size_t *got)
{
    struct fake *fake = (struct fake *)conn;
    size_t left = fake->size - fake->at, piece = 1 + (fake->at * 7) % 90;
    if (left == 0)
        return fake->open ? SILL_AGAIN : SILL_DIED;
    if (piece > left)
        piece = left;
    if (piece > capacity)
        piece = capacity;
    memcpy(buffer, fake->data + fake->at, piece);
    fake->at += piece;
    *got = piece;
    return 0;
}

static int fake_import(sill__conn *conn, uint64_t value, sill_handle *out)
{
    (void)conn;
    sill_handle handle;
    if (value == 99 || sill_region_handle(shared, &handle) != 0)
        return SILL_PROTOCOL;
    *out = dup((int)handle);
    return 0;
}

static int fake_export(sill__conn *conn, sill_handle handle, uint64_t *value)
{
    (void)conn;
    (void)handle;
    *value = 0;
    return 0;
}

static int fake_watch(sill__conn *conn, sill__wait *wait, void *key)
{
    (void)conn;
    (void)wait;
    (void)key;
    return 0;
}

static void fake_unwatch(sill__conn *conn)
{
    (void)conn;
}

static const sill_peer *fake_peer(const sill__conn *conn)
{
    return &((const struct fake *)conn)->peer;
}

static int fake_alive(const sill__conn *conn)
{
    (void)conn;
    return 1;
}

static const struct sill__channel_ops fake_ops = {
    .name = "fake",
    .caps = SILL__CHANNEL_HANDLES,
    .send = fake_send,
    .recv = fake_recv,
    .export_handle = fake_export,
    .import_handle = fake_import,
    .watch = fake_watch,
    .unwatch = fake_unwatch,
    .peer = fake_peer,
    .peer_alive = fake_alive,
    .close = fake_unwatch,
};

/* ---- input ---- */

struct recipe {
    uint8_t type, kind, flags, handles;
    uint8_t id, total, shift, word;
    uint8_t body, fill, commit, offset;
};

static size_t put(uint8_t *out, size_t room, size_t at, const void *data, size_t size)
{
    if (at + size > room)
        return at;
    memcpy(out + at, data, size);
    return at + size;
}

static void fill_body(uint8_t *body, size_t size, const struct recipe *r)
{
    memset(body, r->fill, size);
    const struct sill__hello hello = {.magic = SILL__HELLO_MAGIC,
                                      .version = (uint16_t)(r->offset & 3),
                                      .oldest = (uint16_t)(r->offset & 2),
                                      .features = r->handles & 1,
                                      .message_max = (uint64_t)r->total << 12};
    const struct sill__descriptor d = {.segment = r->word & 3,
                                       .slot = r->offset,
                                       .generation = r->fill,
                                       .offset = (uint64_t)r->offset * 64,
                                       .size = (uint64_t)r->body << (r->shift & 7)};
    if ((r->type == SILL__FRAME_HELLO || r->type == SILL__FRAME_WELCOME) && size >= sizeof hello)
        memcpy(body, &hello, sizeof hello);
    else if ((r->flags & SILL__FRAME_DESCRIBED) != 0 && size == sizeof d)
        memcpy(body, &d, sizeof d);
}

static size_t cook(const struct recipe *r, uint8_t *out, size_t room, size_t at)
{
    uint8_t body[256];
    const uint64_t value = r->word;
    size_t size = (r->flags & SILL__FRAME_DESCRIBED) != 0 ? sizeof(struct sill__descriptor)
                                                         : r->body;
    const struct sill__frame head = {
        .size = (uint32_t)size,
        .type = r->type % (SILL__FRAME_TYPES + 1),
        .kind = r->kind % 6,
        .flags = r->flags & 31,
        .handles = r->handles % 4,
        .id = r->type == SILL__FRAME_SEGMENT ? (uint64_t)(r->word & 3) : r->id,
        .total = r->type == SILL__FRAME_SEGMENT && r->total < 200 ? REGION_SIZE
                                                                  : (uint64_t)r->total
                                                                        << (r->shift % 40),
        .word = r->word};
    fill_body(body, size, r);
    at = put(out, room, at, &head, sizeof head);
    for (unsigned i = 0; i < head.handles; i++)
        at = put(out, room, at, &value, sizeof value);
    at = put(out, room, at, body, size);
    const uint8_t commit = r->commit < 200 ? 1 : r->commit & 3;
    return put(out, room, at, &commit, 1);
}

/* With `segment`, the peer has announced segment 0 already, so that descriptors find something. */
static inline size_t cook_all(bool segment, const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
    struct recipe r = {.type = SILL__FRAME_SEGMENT, .handles = 1};
    size_t at = segment ? cook(&r, out, room, 0) : 0;
    for (; size >= sizeof r; data += sizeof r, size -= sizeof r) {
        memcpy(&r, data, sizeof r);
        at = cook(&r, out, room, at);
    }
    return at;
}

/* ---- the link ---- */

static uint64_t sum;

/* Touches every byte that a user would read, then releases. */
static inline void use(struct sill__hub *hub, sill_message *m)
{
    for (size_t i = 0; i < m->size; i++)
        sum += ((const uint8_t *)m->data)[i];
    sill__messages_release(hub, m, 1);
}

static inline void drain(sill_port *port)
{
    struct sill__link *link = &port->link;
    struct sill__call call = {.id = 1};
    sill_message m = SILL_MESSAGE_INIT;
    link->last_id = 2;
    link->calls = &call;
    while (link->state != SILL__LINK_ENDED) {
        sill__link_work(&link->source, SILL__READABLE);
        while (sill__link_next(link, &m, 1) > 0)
            use(link->hub, &m);
    }
    link->calls = NULL;
    if (call.reply != NULL) {
        sill__received_hand(call.reply, &m);
        use(link->hub, &m);
    }
    while (sill__link_next(link, &m, 1) > 0)
        use(link->hub, &m);
}

/* A port of its own hub around the fake channel; the hub's lock is held from then on. */
static inline sill_port *begin_link(struct fake *fake, const sill_policy *wanted)
{
    if (shared == NULL && sill_region_create(&shared, NULL, REGION_SIZE, NULL) != 0)
        abort();
    sill_port_options options;
    sill_policy policy;
    const struct sill__channel_ops *channel;
    struct sill__hub *hub;
    sill_port *port;
    const sill_port_options given = {.struct_size = sizeof given,
                                     .policy = wanted,
                                     .message_max = 1 << 20,
                                     .queue_max = 1 << 16};
    if (sill__port_options(&given, &options, &policy, &channel) != 0 ||
        sill__hub_create(&hub, &sill__wait_system) != 0)
        abort();
    sill__hub_enter(hub);
    if (sill__port_create(&port, hub, &fake->conn, &options, &policy) != 0)
        abort();
    if (sill__link_hello(&port->link, NULL, 0, 0) != 0) /* makes our own control words */
        abort();
    return port;
}

/* Everything that was handed out has been released. */
static inline void end_link(sill_port *port)
{
    struct sill__hub *hub = port->link.hub;
    if (port->references != 1 || port->link.statistics.unreleased != 0)
        abort();
    sill__port_unref(port);
    sill__hub_leave(hub);
    sill__hub_unref(hub);
}

/* Runs a link that begins in `state` over the input, in a hub of its own. */
static inline void run_link(enum sill__link_state state, const uint8_t *data, size_t size)
{
    static uint8_t cooked[1 << 16];
    struct fake fake = {.conn = {&fake_ops}, .data = data, .size = size};
    sill_policy policy = SILL_POLICY_INIT;
    sill_policy_defaults(&policy);
    if (size > 0 && (data[0] & 1) != 0) {
        fake.size = cook_all(state == SILL__LINK_OPEN, data + 1, size - 1, cooked, sizeof cooked);
        fake.data = cooked;
    }
    sill_port *port = begin_link(&fake, &policy);
    port->link.state = state;
    drain(port);
    end_link(port);
}

#endif
