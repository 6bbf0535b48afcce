/* port_rig.h - a server in a thread of the test's process, and what the port tests share.
 *
 * The server accepts every client (refuses those whose connect data is "no"), and answers a
 * request according to its first byte: see `serve`.
 */
#ifndef PORT_RIG_H
#define PORT_RIG_H

#include <stdatomic.h>

#include <sill.h>

#include "backends.h"
#include "family.h"
#include "support.h"

struct rig {
    char name[SUPPORT_NAME_SIZE];
    sill_server *server;
    struct support_thread *thread;
    sill_port_options options;
    /* what the server saw; read after rig_stop */
    atomic_uint connects, datagrams, requests, closed, died, broken;
    uint64_t datagram_bytes;
    uint64_t expected_sequence; /* datagrams of 8 bytes or more begin with a number */
    unsigned out_of_order;
    sill_message held; /* a request that is never answered, or a datagram that is never released */
    sill_handle sent_handle;
};

static inline void rig_datagram(struct rig *rig, sill_message *m)
{
    rig->datagrams++;
    rig->datagram_bytes += m->size;
    uint64_t number;
    if (m->size >= sizeof number) {
        memcpy(&number, m->data, sizeof number);
        if (number != rig->expected_sequence++)
            rig->out_of_order++;
    }
    sill_release(m);
}

/* 'H': held and never answered. 'R': released unanswered. 'N': refused with "not this". 'C': calls
 * the client back and answers with what that gave. 'D': two datagrams before the answer. 'F': the
 * handle that came is kept, and the answer carries it back. Anything else comes back as it is. */
static inline void rig_request(struct rig *rig, sill_message *m)
{
    rig->requests++;
    char first = m->size > 0 ? *(const char *)m->data : 0;
    sill_port *port = m->port;
    if (first == 'H') {
        sill_release(&rig->held);
        rig->held = *m;
        *m = (sill_message)SILL_MESSAGE_INIT;
    } else if (first == 'R') {
        sill_release(m);
    } else if (first == 'N') {
        sill_refuse(m, "not this", 8);
    } else if (first == 'C') {
        sill_message back = SILL_MESSAGE_INIT;
        int rc = sill_call(port, "who?", 4, &back, SUPPORT_PATIENCE_MS);
        sill_reply(m, rc == 0 ? back.data : "failed", rc == 0 ? back.size : 6);
        sill_release(&back);
    } else if (first == 'D') {
        sill_send(port, "one", 3, SUPPORT_PATIENCE_MS);
        sill_send(port, "two", 3, SUPPORT_PATIENCE_MS);
        sill_reply(m, "sent", 4);
    } else if (first == 'F') {
        sill_handle handle = SILL_NO_HANDLE;
        sill_message_handle(m, 0, &handle);
        sill_send_options options = SILL_SEND_OPTIONS_INIT;
        options.handles = &handle;
        options.handle_count = 1;
        sill_reply_with(m, "back", 4, &options);
        rig->sent_handle = handle;
    } else {
        sill_reply(m, m->data, m->size);
    }
}

static inline int rig_run(void *arg)
{
    struct rig *rig = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc;
    while ((rc = sill_server_receive(rig->server, &m, -1)) == 0) {
        switch (m.type) {
        case SILL_CONNECT:
            rig->connects++;
            if (m.size == 2 && memcmp(m.data, "no", 2) == 0)
                sill_refuse(&m, "go away", 7);
            else
                sill_accept(rig->server, &m, rig, "hello", 5, NULL);
            break;
        case SILL_REQUEST:
            rig_request(rig, &m);
            break;
        case SILL_DATAGRAM:
            rig_datagram(rig, &m);
            break;
        default:
            rig->closed += m.type == SILL_CLOSED;
            rig->died += m.type == SILL_DIED;
            rig->broken += m.type != SILL_CLOSED && m.type != SILL_DIED;
            sill_release(&m);
            break;
        }
    }
    sill_release(&rig->held);
    return rc;
}

static inline void rig_listen(struct rig *rig, const sill_port_options *options)
{
    memset(rig, 0, sizeof *rig);
    rig->sent_handle = SILL_NO_HANDLE;
    support_name(rig->name, "port");
    support_ok(sill_listen(&rig->server, rig->name, options));
}

static inline void rig_start(struct rig *rig, const sill_port_options *options)
{
    rig_listen(rig, options);
    rig->thread = support_thread(rig_run, rig);
}

/* The channel of the ports of this run: the tests run once more with SILL_FAMILY set. */
static inline const struct sill__channel_ops *rig_channel(void)
{
    const struct sill__channel_ops *ops = NULL;
    support_ok(sill__family_choose(SILL_FAMILY_AUTO, SILL_FAMILY_AUTO, &ops));
    return ops != NULL ? ops : sill__channels[0];
}

static inline bool rig_polls(void)
{
    return rig_channel()->wait->pollable != NULL;
}
static inline bool rig_passes_handles(void)
{
    return (rig_channel()->caps & SILL__CHANNEL_HANDLES) != 0;
}
static inline void rig_needs_pollable(void)
{
    if (!rig_polls())
        support_skip("ports of this family have no handle for event loops");
}
static inline void rig_needs_handles(void)
{
    if (!rig_passes_handles())
        support_skip("ports of this family pass no handles");
}
/* Whether the channel takes only some 16 KiB before somebody reads. */
static inline bool rig_is_narrow(void)
{
    return rig_channel()->family == SILL_FAMILY_SYSV;
}

/* Ends the server's thread, keeps the server. */
static inline void rig_halt(struct rig *rig)
{
    if (rig->thread == NULL)
        return;
    sill_server_cancel(rig->server);
    assert_int_equal(SILL_CANCELED, support_join(rig->thread));
    rig->thread = NULL;
}

static inline void rig_stop(struct rig *rig)
{
    rig_halt(rig);
    sill_server_close(rig->server);
    rig->server = NULL;
}

static inline sill_port *rig_client(const struct rig *rig, int path)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.path = path;
    sill_port *port = NULL;
    support_ok(sill_connect(&port, rig->name, &options));
    return port;
}

struct dial {
    const struct rig *rig;
    const sill_port_options *options;
    sill_port *port;
};

static inline int dial(void *arg)
{
    struct dial *d = arg;
    return sill_connect(&d->port, d->rig->name, d->options);
}

/* Both ends of a connection, with nobody receiving at either. */
static inline void connect_by_hand(struct rig *rig, const sill_port_options *options,
                                   sill_port **client, sill_port **server_end)
{
    struct dial d = {rig, options, NULL};
    struct support_thread *thread = support_thread(dial, &d);
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig->server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_CONNECT, m.type);
    support_ok(sill_accept(rig->server, &m, NULL, NULL, 0, server_end));
    assert_int_equal(0, support_join(thread));
    *client = d.port;
}

/* Both ends, and nobody receives by itself. */
struct pair {
    struct rig rig;
    sill_port *client, *server_end;
};

static inline void pair_open(struct pair *p, const sill_port_options *options)
{
    rig_listen(&p->rig, options);
    connect_by_hand(&p->rig, options, &p->client, &p->server_end);
}

static inline void pair_close(struct pair *p)
{
    sill_port_close(p->client);
    sill_server_close(p->rig.server);
}

static inline unsigned char *rig_bytes(size_t size, unsigned seed)
{
    unsigned char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(x >> 24) | 0x80; /* no letter: the server echoes it */
    }
    return bytes;
}

#endif
