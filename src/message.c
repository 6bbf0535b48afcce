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

static struct sill__received *received_of(const sill_message *message)
{
    return message != NULL ? message->internal : NULL;
}

static bool is_ours(const struct sill__received *r)
{
    return sill__hub_is_ours(r->port->link.hub);
}

static void forget_message(sill_message *message)
{
    const sill_message empty = SILL_MESSAGE_INIT;
    *message = empty;
}

/* An undecided client or an unanswered request that its user lets go is refused. */
static void settle(struct sill__received *r)
{
    struct sill__link *link = &r->port->link;
    if (r->type == SILL_CONNECT && !r->answered) {
        sill__link_refuse(link, SILL_REFUSED, NULL, 0);
        sill__server_forget(r->port);
    } else if (r->type == SILL_REQUEST && !r->answered) {
        const struct sill__frame head = {.type = SILL__FRAME_MESSAGE,
                                         .kind = SILL_REPLY,
                                         .flags = SILL__FRAME_REFUSED,
                                         .id = r->id};
        sill__link_control(link, &head, NULL, 0);
    } else if (r->type < 0) {
        sill__server_forget(r->port);
    }
}

void sill_release(sill_message *message)
{
    struct sill__received *r = received_of(message);
    if (r != NULL && is_ours(r)) {
        struct sill__hub *hub = r->port->link.hub;
        sill__hub_ref(hub);
        sill__hub_enter(hub);
        settle(r);
        sill__received_free(r);
        sill__hub_leave(hub);
        sill__hub_unref(hub);
    }
    if (message != NULL)
        forget_message(message);
}

int sill_receive_into(sill_message *message, void *buffer, size_t capacity)
{
    struct sill__received *r = received_of(message);
    if (r == NULL || !is_ours(r) || (buffer == NULL && message->size > 0))
        return sill__fail(SILL_INVALID, "there is no message, or no buffer for it");
    if (message->size > capacity)
        return sill__fail(SILL_TOO_BIG, "the message has %zu bytes, the buffer %zu",
                          message->size, capacity);
    if (message->size > 0)
        memcpy(buffer, message->data, message->size);
    struct sill__hub *hub = r->port->link.hub;
    sill__hub_enter(hub);
    sill__received_release_block(r);
    sill__free(r->heap);
    r->heap = NULL;
    r->data = buffer;
    sill__hub_leave(hub);
    message->data = message->size > 0 ? buffer : NULL;
    message->copies = ++r->copies;
    return 0;
}

int sill_message_handle(sill_message *message, unsigned index, sill_handle *handle)
{
    struct sill__received *r = received_of(message);
    if (r == NULL || handle == NULL || !is_ours(r))
        return sill__fail(SILL_INVALID, "there is no message, or no place for the handle");
    if (index >= r->handle_count || r->handles[index] == SILL_NO_HANDLE)
        return sill__fail(SILL_NOT_FOUND, "the message has no handle %u, or it was taken", index);
    *handle = r->handles[index];
    r->handles[index] = SILL_NO_HANDLE;
    return 0;
}

/* ---- replies ---- */

static int check_reply(const struct sill__received *r, const void *data, size_t size,
                       const sill_send_options *options)
{
    if (r == NULL || !is_ours(r))
        return sill__fail(SILL_INVALID, "there is no request to reply to");
    if (r->type != SILL_REQUEST || r->answered)
        return sill__fail(SILL_INVALID, "the message is no request that waits for a reply");
    return sill__check_send(data, size, options);
}

static int send_reply(struct sill__received *r, const void *data, size_t size,
                      const sill_send_options *options, bool refused)
{
    struct sill__link *link = &r->port->link;
    const struct sill__outgoing out = {.type = SILL_REPLY,
                                       .id = r->id,
                                       .data = data,
                                       .size = size,
                                       .options = options,
                                       .refused = refused,
                                       .deadline = sill__deadline(link->reply_timeout_ms),
                                       .seen = link->cancels.told};
    SILL__STEP(reply_begin);
    return sill__link_send(link, &out);
}

static int reply(sill_message *message, const void *data, size_t size,
                 const sill_send_options *options, bool refused)
{
    struct sill__received *r = received_of(message);
    int rc = check_reply(r, data, size, options);
    if (rc == 0) {
        struct sill__hub *hub = r->port->link.hub;
        sill__hub_enter(hub); /* the message holds the port, the port the hub */
        rc = send_reply(r, data, size, options, refused);
        r->answered = rc == 0; /* releasing it below refuses the request otherwise */
        sill__hub_leave(hub);
    }
    sill_release(message);
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
    struct sill__received *r = received_of(message);
    int rc = sill__check_send(data, size, NULL);
    if (rc == 0 && size > SILL__DATA_MAX)
        rc = sill__fail(SILL_TOO_BIG, "the refusal has %zu bytes, allowed are %d", size,
                        SILL__DATA_MAX);
    if (rc == 0) {
        struct sill__hub *hub = r->port->link.hub;
        struct sill__link *link = &r->port->link;
        sill__hub_enter(hub);
        if (link->state == SILL__LINK_ENDED)
            rc = sill__link_ended(link);
        sill__link_refuse(link, SILL_REFUSED, data, size);
        sill__hub_leave(hub);
    }
    sill_release(message);
    return rc;
}

int sill_refuse(sill_message *message, const void *data, size_t size)
{
    struct sill__received *r = received_of(message);
    if (r != NULL && is_ours(r) && r->type == SILL_CONNECT && !r->answered)
        return refuse_client(message, data, size);
    return reply(message, data, size, NULL, true);
}
