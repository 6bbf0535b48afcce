/* message.c - what a user does with a message that was received: reply, refuse, release, copy.
 *
 * A message that was handed out holds a reference to its port, so all of this works after the port
 * was closed or its peer has died; only sending then says so.
 */
#include "link.h"

#include <string.h>

#include "memory.h"
#include "status.h"
#include "step.h"

/* NULL: no message, or one that is read in place in a ring. */
static struct sill__received *received_of(const sill_message *message)
{
    return message != NULL && sill__lane_of(message) == NULL ? message->internal : NULL;
}

/* Where it came by; NULL: there is no message, or it is the parent process's. */
static sill_port *port_of(const sill_message *message)
{
    if (message == NULL || message->internal == NULL)
        return NULL;
    struct sill__lane *lane = sill__lane_of(message);
    const struct sill__received *r = message->internal;
    sill_port *port = lane != NULL ? lane->link->port : r->port;
    return sill__hub_is_ours(port->link.hub) ? port : NULL;
}

static void forget_message(sill_message *message)
{
    const sill_message empty = SILL_MESSAGE_INIT;
    *message = empty;
}

static void refuse_request(struct sill__link *link, uint64_t id)
{
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE,
                                     .kind = SILL_REPLY,
                                     .flags = SILL__FRAME_REFUSED,
                                     .id = id};
    sill__link_control(link, &head, NULL, 0);
}

/* An undecided client or an unanswered request that its user lets go is refused. */
static void settle(struct sill__received *r)
{
    struct sill__link *link = &r->port->link;
    if (r->type == SILL_CONNECT && !r->answered) {
        sill__link_refuse(link, SILL_REFUSED, NULL, 0);
        sill__server_forget(r->port);
    } else if (r->type == SILL_REQUEST && !r->answered) {
        refuse_request(link, r->id);
    } else if (r->type < 0) {
        sill__server_forget(r->port);
    }
}

/* With the lock. A message in place that is a request counts as unanswered unless `answered`. */
static void release(sill_message *message, bool answered)
{
    struct sill__lane *lane = sill__lane_of(message);
    if (lane == NULL) {
        settle(message->internal);
        sill__received_free(message->internal);
    } else {
        sill_port *port = lane->link->port;
        if (message->type == SILL_REQUEST && !answered)
            refuse_request(lane->link, message->id);
        sill__link_release_record(lane, message->internal_word);
        port->link.statistics.unreleased--;
        if (port->references > 1)
            port->references--;
        else
            sill__port_unref(port);
    }
    forget_message(message);
}

/* Takes the lock, releases the message, gives the lock back. */
static void enter_and_release(sill_port *port, sill_message *message)
{
    struct sill__hub *hub = port->link.hub;
    sill__hub_enter(hub);
    if (port->references > 1) {
        release(message, false);
        sill__hub_leave(hub);
        return;
    }
    sill__hub_ref(hub); /* which may go with the port */
    release(message, false);
    sill__hub_leave(hub);
    sill__hub_unref(hub);
}

void sill_release(sill_message *message)
{
    sill_port *port = port_of(message);
    if (port != NULL)
        enter_and_release(port, message);
    else if (message != NULL)
        forget_message(message);
}

static void release_of(struct sill__hub *hub, sill_message *message)
{
    sill_port *port = port_of(message);
    if (port != NULL && port->link.hub == hub) {
        release(message, false);
        return;
    }
    sill__hub_leave(hub);
    sill_release(message);
    sill__hub_enter(hub);
}

/* What most messages are: small, of this hub, not the last that refers to their port, and nothing is
 * owed for them. */
static bool release_quickly(struct sill__hub *hub, sill_message *message)
{
    struct sill__lane *lane = sill__lane_of(message);
    if (lane == NULL || message->type != SILL_DATAGRAM || lane->link->hub != hub)
        return false;
    sill_port *port = lane->link->port;
    if (port->references < 2)
        return false;
    sill__link_release_record(lane, message->internal_word);
    port->link.statistics.unreleased--;
    port->references--;
    forget_message(message);
    return true;
}

void sill__messages_release(struct sill__hub *hub, sill_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (messages[i].internal != NULL && !release_quickly(hub, &messages[i]))
            release_of(hub, &messages[i]);
}

void sill_release_many(sill_message *messages, size_t count)
{
    struct sill__hub *hub = NULL;
    for (size_t i = 0; i < count; i++) {
        if (hub != NULL && release_quickly(hub, &messages[i]))
            continue;
        sill_port *port = port_of(&messages[i]);
        if (port == NULL) {
            forget_message(&messages[i]);
            continue;
        }
        if (port->link.hub != hub) {
            if (hub != NULL) {
                sill__hub_leave(hub);
                sill__hub_unref(hub);
            }
            hub = port->link.hub;
            sill__hub_ref(hub); /* which may go with its last port */
            sill__hub_enter(hub);
        }
        release(&messages[i], false);
    }
    if (hub == NULL)
        return;
    sill__hub_leave(hub);
    sill__hub_unref(hub);
}

int sill_receive_into(sill_message *message, void *buffer, size_t capacity)
{
    sill_port *port = port_of(message);
    if (port == NULL || (buffer == NULL && message->size > 0))
        return sill__fail(SILL_INVALID, "there is no message, or no buffer for it");
    if (message->size > capacity)
        return sill__fail(SILL_TOO_BIG, "the message has %zu bytes, the buffer %zu",
                          message->size, capacity);
    if (message->size > 0)
        memcpy(buffer, message->data, message->size);
    struct sill__received *r = received_of(message);
    sill__hub_enter(port->link.hub);
    if (r == NULL) {
        sill__link_release_record(sill__lane_of(message), message->internal_word);
        message->internal_word = SILL__NO_SERIAL;
    } else {
        sill__received_release_block(r);
        sill__free(r->heap);
        r->heap = NULL;
        r->data = buffer;
    }
    sill__hub_leave(port->link.hub);
    message->data = message->size > 0 ? buffer : NULL;
    message->copies++;
    return 0;
}

int sill_message_handle(sill_message *message, unsigned index, sill_handle *handle)
{
    struct sill__received *r = received_of(message);
    if (port_of(message) == NULL || handle == NULL)
        return sill__fail(SILL_INVALID, "there is no message, or no place for the handle");
    if (r == NULL || index >= r->handle_count || r->handles[index] == SILL_NO_HANDLE)
        return sill__fail(SILL_NOT_FOUND, "the message has no handle %u, or it was taken", index);
    *handle = r->handles[index];
    r->handles[index] = SILL_NO_HANDLE;
    return 0;
}

/* ---- replies ---- */

static int check_reply(const sill_message *message, const void *data, size_t size,
                       const sill_send_options *options)
{
    const struct sill__received *r = received_of(message);
    if (port_of(message) == NULL)
        return sill__fail(SILL_INVALID, "there is no request to reply to");
    if (message->type != SILL_REQUEST || (r != NULL && (r->type != SILL_REQUEST || r->answered)))
        return sill__fail(SILL_INVALID, "the message is no request that waits for a reply");
    return sill__check_send(data, size, options);
}

static int send_reply(struct sill__link *link, uint64_t id, const void *data, size_t size,
                      const sill_send_options *options, bool refused)
{
    struct sill__outgoing out = {.type = SILL_REPLY,
                                 .id = id,
                                 .data = data,
                                 .size = size,
                                 .options = options,
                                 .refused = refused,
                                 .timeout_ms = link->reply_timeout_ms,
                                 .seen = link->cancels.told};
    SILL__STEP(reply_begin);
    return sill__link_send(link, &out);
}

static int reply(sill_message *message, const void *data, size_t size,
                 const sill_send_options *options, bool refused)
{
    int rc = check_reply(message, data, size, options);
    if (rc != 0) {
        sill_release(message);
        return rc;
    }
    sill_port *port = port_of(message);
    struct sill__hub *hub = port->link.hub;
    struct sill__received *r = received_of(message);
    sill__hub_enter(hub); /* the message holds the port, the port the hub */
    rc = send_reply(&port->link, r != NULL ? r->id : message->id, data, size, options, refused);
    if (r != NULL)
        r->answered = rc == 0; /* releasing it refuses the request otherwise */
    if (port->references > 1)
        release(message, rc == 0);
    sill__hub_leave(hub);
    if (message->internal != NULL)
        enter_and_release(port, message);
    return rc;
}

int sill_reply_with(sill_message *message, const void *data, size_t size,
                    const sill_send_options *options)
{
    return reply(message, data, size, options, false);
}

int sill_reply(sill_message *message, const void *data, size_t size)
{
    return reply(message, data, size, NULL, false);
}

static int refuse_client(sill_message *message, const void *data, size_t size)
{
    int rc = sill__check_send(data, size, NULL);
    if (rc == 0 && size > SILL__DATA_MAX)
        rc = sill__fail(SILL_TOO_BIG, "the refusal has %zu bytes, allowed are %d", size,
                        SILL__DATA_MAX);
    if (rc == 0) {
        struct sill__link *link = &port_of(message)->link;
        sill__hub_enter(link->hub);
        if (link->state == SILL__LINK_ENDED)
            rc = sill__link_ended(link);
        sill__link_refuse(link, SILL_REFUSED, data, size);
        sill__hub_leave(link->hub);
    }
    sill_release(message);
    return rc;
}

int sill_refuse(sill_message *message, const void *data, size_t size)
{
    const struct sill__received *r = received_of(message);
    if (port_of(message) != NULL && r != NULL && r->type == SILL_CONNECT && !r->answered)
        return refuse_client(message, data, size);
    return reply(message, data, size, NULL, true);
}
