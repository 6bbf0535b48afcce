/* raw_peer.h - a peer that speaks the protocol by hand, on the seam below ports, and may break it.
 */
#ifndef RAW_PEER_H
#define RAW_PEER_H

#include "port_rig.h"

#include "channel.h"
#include "clock.h"
#include "ring.h"
#include "wire.h"

/* A connection that is used by hand, on the seam below ports. */
struct raw {
    sill__conn *conn;
    sill__wait *wait;
    sill_region *region;  /* control words and ring */
    sill_region *segment; /* the last that was announced */
    sill_region *older;   /* and the one before: the other side may be about to open it */
    sill_region *peer;   /* those of the other side; NULL: not mapped */
};

static inline void raw_open(struct raw *raw, sill__conn *conn)
{
    raw->conn = conn;
    raw->region = NULL;
    raw->segment = raw->older = raw->peer = NULL;
    support_ok(conn->ops->wait->create(&raw->wait));
    support_ok(conn->ops->watch(conn, raw->wait, raw));
}

static inline void raw_connect_to(struct raw *raw, const char *name)
{
    const struct sill__expect expect = {0};
    sill__conn *conn = NULL;
    support_ok(sill__client_open(&conn, rig_channel(), name, NULL, &expect,
                                 sill__deadline(SUPPORT_PATIENCE_MS)));
    raw_open(raw, conn);
}

static inline void raw_connect(struct raw *raw, const struct rig *rig)
{
    raw_connect_to(raw, rig->name);
}

static inline void raw_close(struct raw *raw)
{
    raw->conn->ops->close(raw->conn);
    sill__wait_destroy(raw->wait);
    sill_region_close(raw->region);
    sill_region_close(raw->segment);
    sill_region_close(raw->older);
    sill_region_close(raw->peer);
}

static inline void raw_sleep(struct raw *raw)
{
    struct sill__event events[4];
    size_t count;
    support_ok(sill__wait_for(raw->wait, sill__deadline(SUPPORT_PATIENCE_MS), events, 4, &count));
}

/* Sends it all, or finds that the other side has hung up already. */
static inline void raw_send(struct raw *raw, const void *data, size_t size,
                            const sill_handle *handles, unsigned count)
{
    for (size_t done = 0; done < size;) {
        const struct sill__bytes part = {(const char *)data + done, size - done};
        size_t sent = 0;
        int rc = raw->conn->ops->send(raw->conn, &part, 1, handles, done == 0 ? count : 0, &sent);
        if (rc == SILL_DIED)
            return;
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
        done += sent;
    }
}

/* A frame as it should be written, whatever it says. */
static inline void raw_frame(struct raw *raw, const struct sill__frame *head, const void *body,
                      const sill_handle *handles, unsigned count)
{
    unsigned char bytes[2048] = {0};
    size_t at = SILL__FRAME_HEAD;
    memcpy(bytes, head, SILL__FRAME_HEAD);
    for (unsigned i = 0; i < head->handles; i++, at += 8) {
        uint64_t value = 0;
        if (i < count)
            support_ok(raw->conn->ops->export_handle(raw->conn, handles[i], &value));
        memcpy(bytes + at, &value, 8);
    }
    assert_true(at + head->size + 1 <= sizeof bytes);
    if (head->size > 0)
        memcpy(bytes + at, body != NULL ? body : bytes, body != NULL ? head->size : 0);
    at += head->size;
    bytes[at++] = 1;
    raw_send(raw, bytes, at, handles, count);
}

/* Reads until the other side hangs up. */
static inline void raw_expect_end(struct raw *raw)
{
    char buffer[4096];
    size_t got;
    int rc;
    while ((rc = raw->conn->ops->recv(raw->conn, buffer, sizeof buffer, &got)) != SILL_DIED) {
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
    }
}

/* Reads at least so many bytes. */
static inline void raw_read_into(struct raw *raw, char *buffer, size_t capacity, size_t least)
{
    for (size_t have = 0, got = 0; have < least; have += got) {
        got = 0;
        int rc = raw->conn->ops->recv(raw->conn, buffer + have, capacity - have, &got);
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
    }
}

static inline void raw_read(struct raw *raw, size_t least)
{
    char buffer[4096];
    raw_read_into(raw, buffer, sizeof buffer, least);
}

/* Reads frames up to the greeting (HELLO or WELCOME), and takes over the handle that comes with it.
 */
static inline void raw_read_greeting(struct raw *raw, uint8_t type)
{
    struct sill__frame head;
    char rest[4096];
    do {
        raw_read_into(raw, (char *)&head, sizeof head, sizeof head);
        assert_in_range(head.handles * 8 + head.size + 1, 1, sizeof rest);
        raw_read_into(raw, rest, head.handles * 8 + head.size + 1,
                      head.handles * 8 + head.size + 1);
    } while (head.type != type);
    assert_int_equal(1, head.handles);
    uint64_t value;
    sill_handle words = SILL_NO_HANDLE;
    memcpy(&value, rest, sizeof value);
    support_ok(raw->conn->ops->import_handle(raw->conn, value, &words));
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = raw->conn->ops->region;
    options.read_only = 1;
    support_ok(sill_region_open_handle(&raw->peer, words, &options));
    sill__conn_close_handle(raw->conn->ops, words);
}

struct greeting {
    struct sill__frame head;
    struct sill__hello hello;
};

static inline struct greeting good_hello(void)
{
    const struct greeting g = {
        {.size = sizeof(struct sill__hello), .type = SILL__FRAME_HELLO},
        {.magic = SILL__HELLO_MAGIC,
         .version = SILL__WIRE_VERSION,
         .oldest = SILL__WIRE_OLDEST,
         .message_max = 1 << 20}};
    return g;
}

enum { RAW_RING = 4096 }; /* bytes of our ring */

/* A region of the kind that can be passed. */
static inline sill_region *raw_region(const struct raw *raw, size_t size)
{
    sill_region *region = NULL;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = raw->conn->ops->region;
    support_ok(sill_region_create(&region, NULL, size, &options));
    return region;
}

static inline void make_words(struct raw *raw, uint32_t slots)
{
    raw->region = raw_region(raw, sizeof(struct sill__control) + RAW_RING);
    struct sill__control *words = sill_region_data(raw->region);
    words->slots = slots;
    words->ring_size = RAW_RING;
}

/* Writes a record into our plain ring, at a position in units, whatever it says; and rings. */
static inline void raw_record(struct raw *raw, uint32_t position, uint32_t word, const void *body,
                              uint32_t size)
{
    struct sill__control *words = sill_region_data(raw->region);
    unsigned char *at = words->ring + position % (RAW_RING / SILL__UNIT) * SILL__UNIT;
    struct sill__record_head *head = (struct sill__record_head *)(void *)at;
    const struct sill__frame bell = {.type = SILL__FRAME_BELL};
    head->size = size;
    if (body != NULL)
        memcpy(head + 1, body, size);
    atomic_store(&head->word, word);
    raw_frame(raw, &bell, NULL, NULL, 0);
}

static inline void raw_send_greeting(struct raw *raw, uint8_t type)
{
    struct greeting g = good_hello();
    sill_handle handle;
    make_words(raw, SILL__SLOTS);
    support_ok(sill_region_handle(raw->region, &handle));
    g.head.type = type;
    g.head.handles = 1;
    g.hello.features = SILL__FEATURE_MAP;
    g.hello.ring_size = RAW_RING;
    raw_frame(raw, &g.head, &g.hello, &handle, 1);
}

/* Shakes hands in order, with shared memory: as a client, and as a server. */
static inline void raw_greet(struct raw *raw)
{
    raw_send_greeting(raw, SILL__FRAME_HELLO);
    raw_read_greeting(raw, SILL__FRAME_WELCOME);
}

static inline void raw_welcome(struct raw *raw)
{
    raw_read_greeting(raw, SILL__FRAME_HELLO);
    raw_send_greeting(raw, SILL__FRAME_WELCOME);
}

static inline void others_are_served(sill_port *port)
{
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
}

#endif
