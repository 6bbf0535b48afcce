/* port.c - ports: what both ends do, and connecting. See sill/port.h.
 *
 * A public function enters the port's hub (lock), holds a reference to the port and to the hub
 * while it is inside, and works on the link. References: one of the owner (until close, or for a
 * server's port until its last message is released), one of each message handed out, one of each
 * function under way. All are counted under the hub's lock.
 */
#include "link.h"

#include <string.h>

#include "backends.h"
#include "channel.h"
#include "family.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define LINGER_NS  INT64_C(1000000000)
#define RETRY_NS   INT64_C(5000000)  /* first pause while waiting for a server to appear */
#define RETRY_MAX  INT64_C(50000000) /* and the longest */

/* ---- references ---- */

void sill__port_bury(struct sill__source *source)
{
    sill_port *port = (sill_port *)source;
    sill__link_free(&port->link);
    sill__received_free(port->farewell);
    sill__free(port);
}

void sill__port_unref(sill_port *port)
{
    if (--port->references > 0)
        return;
    struct sill__hub *hub = port->link.hub;
    port->references = 1; /* ending takes and gives one */
    sill__link_end(&port->link, SILL_CLOSED);
    sill__hub_bury(hub, &port->link.source);
    sill__hub_unref(hub);
}

void sill__port_abandon(sill_port *port)
{
    sill__link_abandon(&port->link);
    port->server = NULL;
    sill__port_unref(port);
}

static int enter(sill_port *port)
{
    if (port == NULL)
        return sill__fail(SILL_INVALID, "there is no port");
    if (!sill__hub_is_ours(port->link.hub))
        return sill__fail(SILL_INVALID, "the port belongs to the parent process");
    sill__hub_enter(port->link.hub);
    sill__port_ref(port);
    return 0;
}

static int leave(sill_port *port, int rc)
{
    struct sill__hub *hub = port->link.hub;
    if (port->references > 1) {
        port->references--;
        sill__hub_leave(hub);
        return rc;
    }
    sill__hub_ref(hub); /* which may go with the port */
    sill__port_unref(port);
    sill__hub_leave(hub);
    sill__hub_unref(hub);
    return rc;
}

int sill__port_create(sill_port **out, struct sill__hub *hub, sill__conn *conn,
                      const sill_port_options *options, const sill_policy *policy)
{
    sill_port *port = sill__alloc_zeroed(sizeof *port);
    if (port == NULL) {
        conn->ops->close(conn);
        return sill__fail(SILL_NO_MEMORY, "no memory for a port");
    }
    int rc = sill__link_init(&port->link, hub, port, conn, options, policy);
    if (rc != 0) {
        sill__free(port);
        return rc;
    }
    sill__hub_ref(hub);
    port->references = 1;
    port->open = true;
    *out = port;
    return 0;
}

void sill__port_ready(sill_port *port)
{
    if (port->server != NULL)
        sill__server_ready(port->server, port);
}

/* ---- options ---- */

static int check_options(const sill_port_options *o)
{
    if (o->struct_size != sizeof *o)
        return sill__fail(SILL_INVALID, "the options are not set to SILL_PORT_OPTIONS_INIT");
    if (o->path < 0 || o->path >= SILL_PATH_COUNT)
        return sill__fail(SILL_INVALID, "there is no path number %d", o->path);
    if (o->size > SILL__DATA_MAX)
        return sill__fail(SILL_TOO_BIG, "connect data has %zu bytes, allowed are %d", o->size,
                          SILL__DATA_MAX);
    if (o->data == NULL && o->size > 0)
        return sill__fail(SILL_INVALID, "connect data of %zu bytes is NULL", o->size);
    return 0;
}

/* Which channel, and whether regions of the kind that is asked for go by it. */
static int choose_family(const sill_port_options *o, const sill_policy *policy,
                         const struct sill__channel_ops **channel)
{
    int rc = sill__family_choose(o->family, policy->family, channel);
    if (rc != 0 || o->region == SILL_REGION_AUTO)
        return rc;
    const struct sill__channel_ops *ops = *channel != NULL ? *channel : sill__channels[0];
    *channel = ops; /* other servers have other kinds */
    if (o->region == ops->region && (sill_region_capabilities(o->region) & SILL_REGION_PASSES) != 0)
        return 0;
    return sill__fail(SILL_UNSUPPORTED,
                      "regions of the kind %s cannot be passed to another process here",
                      sill_region_kind_name(o->region));
}

int sill__port_options(const sill_port_options *given, sill_port_options *out, sill_policy *policy,
                       const struct sill__channel_ops **channel)
{
    const sill_port_options none = SILL_PORT_OPTIONS_INIT;
    *out = given != NULL ? *given : none;
    int rc = check_options(out);
    if (rc != 0)
        return rc;
    const sill_policy unset = SILL_POLICY_INIT;
    *policy = unset;
    if (out->policy != NULL) {
        rc = sill_policy_validate(out->policy);
        if (rc == 0)
            *policy = *out->policy;
    } else {
        rc = sill_policy_load(policy, out->policy_file, NULL, 0);
    }
    if (rc == 0)
        rc = choose_family(out, policy, channel);
    if (rc != 0)
        return rc;
    if (out->path != SILL_PATH_AUTO)
        policy->path = out->path;
    const uint64_t most = sizeof(size_t) > 4 ? UINT64_C(1) << 32 : UINT64_C(1) << 30;
    if (out->message_max == 0 || out->message_max > SIZE_MAX / 2)
        out->message_max = most;
    if (out->queue_max == 0)
        out->queue_max = 64 << 20;
    if (out->reply_timeout_ms == 0)
        out->reply_timeout_ms = 10000;
    if (out->clients_max == 0)
        out->clients_max = 65536;
    if (out->handshake_timeout_ms <= 0)
        out->handshake_timeout_ms = 10000;
    if (out->timeout_ms == 0)
        out->timeout_ms = 10000;
    return 0;
}

/* ---- connecting ---- */

static int open_channel(sill__conn **out, const struct sill__channel_ops *ops, const char *name,
                        const sill_port_options *o, int64_t deadline)
{
    const struct sill__expect expect = {.any_server = o->any_server,
                                        .server_sid = o->server_sid,
                                        .server_uid = o->server_uid,
                                        .server_uid_set = o->server_uid_set};
    int64_t pause = RETRY_NS;
    for (;;) {
        int rc = sill__client_open(out, ops, name, o->directory, &expect, deadline);
        if (rc != SILL_NOT_FOUND || !o->wait_for_server)
            return rc;
        int64_t left = deadline == SILL__FOREVER ? pause : deadline - sill__now_ns();
        if (left <= 0)
            return sill__fail(SILL_TIMEOUT, "no server \"%s\" appeared in time", name);
        sill__sleep_ns(left < pause ? left : pause);
        pause = pause * 2 < RETRY_MAX ? pause * 2 : RETRY_MAX;
    }
}

static bool decided(void *arg)
{
    const struct sill__link *link = arg;
    return link->state != SILL__LINK_GREETING;
}

static int greet(sill_port *port, const sill_port_options *o, int64_t deadline)
{
    struct sill__link *link = &port->link;
    int rc = sill__link_hello(link, o->data, o->size, deadline);
    if (rc == SILL_DIED && link->state == SILL__LINK_ENDED)
        rc = link->end; /* it may have refused before it heard us */
    if (rc == 0)
        rc = sill__link_wait(link, decided, link, deadline, link->cancels.told);
    if (rc == 0 && link->state == SILL__LINK_ENDED)
        rc = sill__link_ended(link);
    if (rc == SILL_TIMEOUT)
        sill__fail(rc, "the server did not decide in time");
    if (rc == SILL_LIMIT && link->greeting != NULL)
        sill__fail(rc, "the server has as many clients as it may");
    return rc;
}

static bool client_pending(struct sill__hub *hub)
{
    sill_port *port = hub->owner;
    return port != NULL && (port->link.state == SILL__LINK_ENDED || sill__link_has(&port->link));
}

static void hand_answer(sill_port *port, const sill_port_options *o)
{
    if (o->answer == NULL || port->link.greeting == NULL)
        return;
    sill__received_hand(port->link.greeting, o->answer);
    port->link.greeting = NULL;
}

static void drop_port(sill_port *port)
{
    struct sill__hub *hub = port->link.hub;
    port->open = false;
    hub->owner = NULL;
    sill__port_unref(port);
}

static int connect_with(sill_port **out, const struct sill__channel_ops *ops, const char *name,
                        const sill_port_options *o, const sill_policy *policy)
{
    int64_t deadline = sill__deadline(o->timeout_ms);
    sill__conn *conn = NULL;
    int rc = open_channel(&conn, ops, name, o, deadline);
    if (rc != 0)
        return rc;
    SILL__STEP(connect_opened);
    struct sill__hub *hub;
    rc = sill__hub_create(&hub, conn->ops->wait);
    if (rc != 0) {
        conn->ops->close(conn);
        return rc;
    }
    sill__hub_enter(hub);
    sill_port *port = NULL;
    rc = sill__port_create(&port, hub, conn, o, policy);
    if (rc == 0) {
        hub->owner = port;
        hub->pending = client_pending;
        rc = greet(port, o, deadline);
        if (rc == 0 || rc == SILL_REFUSED)
            hand_answer(port, o);
        if (rc != 0)
            drop_port(port);
    }
    sill__hub_leave(hub);
    sill__hub_unref(hub);
    if (rc == 0)
        *out = port;
    return rc;
}

int sill_connect(sill_port **port, const char *name, const sill_port_options *options)
{
    if (port == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the port");
    int rc = sill__name_check(name);
    if (rc != 0)
        return rc;
    sill_port_options o;
    sill_policy policy;
    const struct sill__channel_ops *channel = NULL;
    rc = sill__port_options(options, &o, &policy, &channel);
    if (rc == 0 && o.answer != NULL)
        sill_release(o.answer);
    return rc == 0 ? connect_with(port, channel, name, &o, &policy) : rc;
}

void sill_port_close(sill_port *port)
{
    if (port == NULL)
        return;
    struct sill__hub *hub = port->link.hub;
    if (!sill__hub_is_ours(hub)) {
        if (port->server == NULL)
            sill__port_abandon(port);
        return;
    }
    sill__hub_ref(hub);
    sill__hub_enter(hub);
    if (port->open) {
        sill__port_ref(port);
        sill__link_close(&port->link, LINGER_NS);
        if (port->server != NULL)
            sill__server_forget(port);
        else
            drop_port(port);
        sill__port_unref(port);
    }
    sill__hub_leave(hub);
    sill__hub_unref(hub);
}

/* ---- sending ---- */

int sill__check_send(const void *data, size_t size, const sill_send_options *options)
{
    if (data == NULL && size > 0)
        return sill__fail(SILL_INVALID, "%zu bytes at NULL cannot be sent", size);
    if (options == NULL)
        return 0;
    if (options->struct_size != sizeof *options)
        return sill__fail(SILL_INVALID, "the options are not set to SILL_SEND_OPTIONS_INIT");
    if ((options->flags & ~(unsigned)(SILL_SEND_LOAN | SILL_SEND_MORE | SILL_SEND_URGENT)) != 0 || options->path < 0 ||
        options->path >= SILL_PATH_COUNT)
        return sill__fail(SILL_INVALID, "the options have unknown flags or an unknown path");
    if (options->handle_count > SILL_HANDLES_MAX ||
        (options->handle_count > 0 && options->handles == NULL))
        return sill__fail(SILL_INVALID, "%u handles cannot be sent with a message, only %d",
                          options->handle_count, SILL_HANDLES_MAX);
    return 0;
}

int sill_send_with(sill_port *port, const void *data, size_t size,
                   const sill_send_options *options, int timeout_ms)
{
    int rc = sill__check_send(data, size, options);
    if (rc != 0)
        return rc;
    rc = enter(port);
    if (rc != 0)
        return rc;
    unsigned flags = options != NULL ? options->flags : 0;
    bool plain = options == NULL || (options->path == SILL_PATH_AUTO && options->handle_count == 0 &&
                                     (flags & ~(unsigned)SILL_SEND_MORE) == 0);
    if (plain && sill__link_send_small(&port->link, data, size, flags))
        return leave(port, 0);
    struct sill__outgoing out = {.type = SILL_DATAGRAM,
                                 .data = data,
                                 .size = size,
                                 .options = options,
                                 .timeout_ms = timeout_ms,
                                 .seen = port->link.cancels.told};
    return leave(port, sill__link_send(&port->link, &out));
}

int sill_send(sill_port *port, const void *data, size_t size, int timeout_ms)
{
    return sill_send_with(port, data, size, NULL, timeout_ms);
}

/* One that is not small, or for which there is no room. The peer is told later. */
static int send_one(struct sill__link *link, struct sill__outgoing *out, const sill_bytes *bytes)
{
    int rc = sill__check_send(bytes->data, bytes->size, NULL);
    out->data = bytes->data;
    out->size = bytes->size;
    return rc != 0 ? rc : sill__link_send(link, out);
}

int sill_send_many(sill_port *port, const sill_bytes *messages, size_t count, size_t *sent,
                   int timeout_ms)
{
    size_t done = 0;
    if (sent != NULL)
        *sent = 0;
    if (messages == NULL && count > 0)
        return sill__fail(SILL_INVALID, "%zu messages at NULL cannot be sent", count);
    int rc = enter(port);
    if (rc != 0)
        return rc;
    struct sill__link *link = &port->link;
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.flags = SILL_SEND_MORE;
    struct sill__outgoing out = {.type = SILL_DATAGRAM,
                                 .options = &options,
                                 .timeout_ms = timeout_ms,
                                 .seen = link->cancels.told};
    do {
        done += sill__link_send_smalls(link, messages + done, count - done);
        if (done < count && (rc = send_one(link, &out, &messages[done])) == 0)
            done++;
    } while (rc == 0 && done < count);
    if (link->source.held) {
        sill__hub_unhold(link->hub, &link->source);
        sill__link_ring_held(&link->source);
    }
    if (sent != NULL)
        *sent = done;
    return leave(port, rc);
}

int sill_send_loan(sill_port *port, void *block, size_t size, int timeout_ms)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.flags = SILL_SEND_LOAN;
    return sill_send_with(port, block, size, &options, timeout_ms);
}

int sill_loan_wait(sill_port *port, size_t size, void **block, int timeout_ms)
{
    if (block == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the loan");
    int rc = enter(port);
    if (rc != 0)
        return rc;
    rc = sill__link_lend(&port->link, size, sill__deadline(timeout_ms), block);
    return leave(port, rc == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : rc);
}

int sill_loan(sill_port *port, size_t size, void **block)
{
    return sill_loan_wait(port, size, block, -1);
}

int sill_loan_cancel(sill_port *port, void *block)
{
    int rc = enter(port);
    return rc != 0 ? rc : leave(port, sill__link_unlend(&port->link, block));
}

/* ---- calling ---- */

struct call_wait {
    struct sill__link *link;
    struct sill__call call;
};

static bool replied(void *arg)
{
    struct call_wait *wait = arg;
    struct sill__link *link = wait->link;
    if (wait->call.reply == NULL && wait->call.in_place.lane == NULL)
        sill__link_pump(link);
    /* a dead peer's last words may lie behind a queue that nobody empties */
    return wait->call.reply != NULL || wait->call.in_place.lane != NULL || link->state == SILL__LINK_ENDED ||
           (link->peer_dead && link->stalled);
}

static void forget_call(struct sill__link *link, const struct sill__call *call)
{
    struct sill__call **at = &link->calls;
    while (*at != NULL && *at != call)
        at = &(*at)->next;
    if (*at != NULL)
        *at = call->next;
}

/* The reply that the call was given, if any: 0 or REFUSED. Otherwise `rc`, or how the link ended. */
static int call_result(struct sill__link *link, const struct sill__call *call, int rc)
{
    bool there = call->reply != NULL || call->in_place.lane != NULL;
    if (there && (call->reply != NULL ? call->reply->refused : call->in_place.refused))
        return sill__fail(SILL_REFUSED, "the peer refused the request");
    if (there || rc != 0)
        return there ? 0 : rc;
    return link->state == SILL__LINK_ENDED
               ? sill__link_ended(link)
               : sill__fail(SILL_DIED, "%s", sill_status_text(SILL_DIED));
}

static int call_and_wait(struct sill__link *link, struct sill__outgoing *out,
                         struct call_wait *wait, sill_message *old)
{
    struct sill__call *call = &wait->call;
    out->id = call->id = ++link->last_id;
    call->next = link->calls;
    link->calls = call;
    int rc = sill__link_send(link, out);
    if (rc == 0) {
        if (old->internal != NULL) { /* the peer may need its block for the reply */
            sill__hub_leave(link->hub);
            sill_release(old);
            sill__hub_enter(link->hub);
        }
        SILL__STEP(call_waiting);
        rc = sill__link_wait(link, replied, wait, sill__out_deadline(out), out->seen);
        if (rc == SILL_TIMEOUT || rc == SILL_CANCELED)
            sill__link_retract(link, out);
        if (rc == SILL_TIMEOUT)
            sill__fail(rc, "the reply did not come in time");
    }
    forget_call(link, call);
    return call_result(link, call, rc);
}

/* The same for a port that learns: where it is this call's turn, it is timed. Calls with something
 * of their own say nothing of others. */
static int call_and_learn(struct sill__link *link, struct sill__outgoing *out,
                          struct call_wait *wait, sill_message *old)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    if (out->options != NULL)
        options = *out->options;
    if (options.path != SILL_PATH_AUTO || options.flags != 0 || options.handle_count > 0 ||
        link->policy.path != SILL_PATH_AUTO || !sill__learn_due(link->learn))
        return call_and_wait(link, out, wait, old);
    const int path = sill__learn_path(link->learn, &link->policy, out->size, link->can);
    const int64_t begin = sill__now_ns();
    options.path = path;
    out->options = &options;
    int rc = call_and_wait(link, out, wait, old);
    if (rc == 0 && sill__learn_note(link->learn, &link->policy, out->size, path,
                                    sill__now_ns() - begin) && link->small_max >= 0)
        link->small_max = (int64_t)link->policy.inline_max;
    return rc;
}

static bool lies_in(const void *data, const sill_message *message)
{
    uintptr_t at = (uintptr_t)data, start = (uintptr_t)message->data;
    return message->size > 0 && at >= start && at - start < message->size;
}

int sill_call_with(sill_port *port, const void *data, size_t size,
                   const sill_send_options *options, sill_message *reply, int timeout_ms)
{
    int rc = sill__check_send(data, size, options);
    if (rc != 0)
        return rc;
    if (reply == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the reply");
    const sill_message empty = SILL_MESSAGE_INIT;
    if (size == 0 || !lies_in(data, reply))
        sill_release(reply); /* otherwise as soon as it is sent */
    rc = enter(port);
    if (rc != 0)
        return rc;
    sill_message old = *reply;
    struct sill__outgoing out = {.type = SILL_REQUEST,
                                 .data = data,
                                 .size = size,
                                 .options = options,
                                 .timeout_ms = timeout_ms,
                                 .seen = port->link.cancels.told};
    struct call_wait wait = {.link = &port->link};
    *reply = empty;
    rc = port->link.learn == NULL ? call_and_wait(&port->link, &out, &wait, &old)
                                  : call_and_learn(&port->link, &out, &wait, &old);
    if (wait.call.reply != NULL)
        sill__received_hand(wait.call.reply, reply);
    else if (wait.call.in_place.lane != NULL)
        sill__in_ring_hand(&wait.call.in_place, reply);
    rc = leave(port, rc);
    sill_release(&old);
    return rc;
}

int sill_call(sill_port *port, const void *data, size_t size, sill_message *reply, int timeout_ms)
{
    return sill_call_with(port, data, size, NULL, reply, timeout_ms);
}

/* ---- receiving ---- */

struct receive_wait {
    struct sill__link *link;
    sill_message *message;
    bool handed;
};

static bool something_came(void *arg)
{
    struct receive_wait *wait = arg;
    wait->handed = wait->handed || sill__link_next(wait->link, wait->message, 1) > 0;
    return wait->handed || wait->link->state == SILL__LINK_ENDED;
}

/* Takes one, waiting for it, and then what is there. The lock is held. */
static int receive_some(struct sill__link *link, sill_message *messages, size_t capacity,
                        size_t *count, int timeout_ms)
{
    struct receive_wait wait = {link, messages, false};
    size_t done = 0, more;
    int rc = 0;
    if (link->hub->led || !sill__hub_overdue(link->hub))
        done = sill__link_next(link, messages, capacity);
    wait.handed = done > 0;
    if (!wait.handed)
        rc = sill__link_wait(link, something_came, &wait, sill__deadline(timeout_ms),
                             link->cancels.told);
    if (rc == 0 && !wait.handed)
        rc = sill__link_ended(link);
    else if (rc == SILL_TIMEOUT && timeout_ms == 0)
        rc = SILL_AGAIN;
    if (rc != 0)
        return rc;
    done = done > 0 ? done : 1;
    while (done < capacity && (more = sill__link_next(link, messages + done, capacity - done)) > 0)
        done += more;
    *count = done;
    return 0;
}

int sill_receive_many(sill_port *port, sill_message *messages, size_t capacity, size_t *count,
                      int timeout_ms)
{
    if (messages == NULL || capacity == 0 || count == NULL ||
        (port != NULL && port->server != NULL))
        return sill__fail(SILL_INVALID, port != NULL && port->server != NULL
                                            ? "a server's port is received from by its server"
                                            : "there is no place for the message");
    *count = 0;
    int rc = enter(port);
    if (rc != 0) {
        sill_release_many(messages, capacity);
        return rc;
    }
    struct sill__link *link = &port->link;
    sill__messages_release(link->hub, messages, capacity);
    return leave(port, receive_some(link, messages, capacity, count, timeout_ms));
}

int sill_receive(sill_port *port, sill_message *message, int timeout_ms)
{
    size_t count;
    return sill_receive_many(port, message, 1, &count, timeout_ms);
}

/* ---- the rest ---- */

void sill_port_cancel(sill_port *port)
{
    if (port != NULL && sill__hub_is_ours(port->link.hub))
        sill__hub_cancel(port->link.hub, &port->link.cancels);
}

int sill_port_pollable(sill_port *port, sill_handle *handle)
{
    if (handle == NULL || (port != NULL && port->server != NULL))
        return sill__fail(SILL_INVALID, "only a client's port has a handle to wait on");
    int rc = enter(port);
    return rc != 0 ? rc : leave(port, sill__hub_pollable(port->link.hub, handle));
}

int sill_port_peer(const sill_port *port, sill_peer *peer)
{
    if (port == NULL || peer == NULL || !sill__hub_is_ours(port->link.hub))
        return sill__fail(SILL_INVALID, "there is no port, or it belongs to the parent process");
    *peer = port->link.peer; /* written once, before anybody could ask */
    return 0;
}

int sill_port_get_traits(const sill_port *port, sill_port_traits *traits)
{
    if (port == NULL || traits == NULL || traits->struct_size != sizeof *traits ||
        !sill__hub_is_ours(port->link.hub))
        return sill__fail(SILL_INVALID, "there is no port, or struct_size is not set");
    struct sill__hub *hub = port->link.hub;
    sill__hub_enter(hub);
    const struct sill__link *link = &port->link;
    traits->family = sill_family_name(link->channel->family);
    traits->channel = link->channel->name;
    traits->region = link->own_region != NULL
                         ? sill_region_kind_name(sill_region_kind_of(link->own_region))
                         : "";
    traits->can = link->can;
    traits->passes_handles = (link->channel->caps & SILL__CHANNEL_HANDLES) != 0;
    traits->pollable = link->hub->wait->ops->pollable != NULL;
    traits->trusted_peer = link->trusted_peer;
    traits->peer_message_max = link->peer_message_max;
    traits->policy = link->policy;
    sill__hub_leave(hub);
    return 0;
}

int sill_port_get_statistics(sill_port *port, sill_port_statistics *statistics)
{
    if (statistics == NULL || statistics->struct_size != sizeof *statistics)
        return sill__fail(SILL_INVALID, "struct_size is not set");
    int rc = enter(port);
    if (rc != 0)
        return rc;
    *statistics = port->link.statistics;
    statistics->struct_size = sizeof *statistics;
    if (port->link.arena != NULL)
        statistics->segments =
            sill__arena_segments(port->link.arena, &statistics->segment_bytes);
    return leave(port, 0);
}
