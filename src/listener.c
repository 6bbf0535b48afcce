/* listener.c - public listeners: a name, and channels accepted from it.
 *
 * The hub's lock guards `may_accept` and the calls on the backend's listener. The channel that an
 * accept will give is made before a client is taken out of the queue, so that want of memory or
 * descriptors leaves the client where it is.
 */
#include "channel.h"

#include "backends.h"
#include "hub.h"
#include "memory.h"
#include "status.h"

struct sill_listener {
    struct sill__hub *hub;
    struct sill__source source;
    struct sill__named_listen named;
    struct sill__cancels cancels;
    size_t frame_max;
    bool may_accept; /* reported, and accept has not said AGAIN since */
};

static unsigned listener_work(struct sill__source *source, unsigned events)
{
    sill_listener *listener =
        (sill_listener *)((char *)source - offsetof(struct sill_listener, source));
    (void)events;
    listener->may_accept = true;
    return 0;
}

static bool may_accept(void *arg)
{
    return ((const sill_listener *)arg)->may_accept;
}

int sill_channel_listen(sill_listener **listener, const char *name,
                        const sill_channel_options *options)
{
    sill_channel_options wanted;
    if (listener == NULL || name == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the listener, or no name.");
    int status = sill__channel_options(options, &wanted);
    if (status != SILL_OK)
        return status;
    sill_listener *made = sill__alloc_zeroed(sizeof *made);
    if (made == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a listener.");
    made->source.work = listener_work;
    made->frame_max = wanted.frame_max;
    status = sill__hub_create(&made->hub, sill__channels[0]->wait);
    if (status != SILL_OK)
        goto fail_memory;
    status = sill__listener_open(&made->named, sill__channels[0], name, wanted.directory,
                                 wanted.access);
    if (status != SILL_OK)
        goto fail_hub;
    status = made->named.ops->watch_listen(made->named.listen, made->hub->wait, &made->source);
    if (status != SILL_OK)
        goto fail_listen;
    *listener = made;
    return SILL_OK;

fail_listen:
    sill__listener_shut(&made->named, true);
fail_hub:
    sill__hub_unref(made->hub);
fail_memory:
    sill__free(made);
    return status;
}

static int take_client(sill_listener *listener, sill__conn **conn, int64_t deadline)
{
    const struct sill__until until = {may_accept, listener, deadline, &listener->cancels,
                                      listener->cancels.told, NULL, NULL};
    for (;;) {
        listener->may_accept = false;
        int status = listener->named.ops->accept(listener->named.listen, conn);
        if (status != SILL_AGAIN)
            return status;
        status = sill__hub_wait(listener->hub, &until);
        if (status != SILL_OK)
            return status;
    }
}

int sill_channel_accept(sill_listener *listener, sill_channel **channel, int timeout_ms)
{
    sill_channel *made;
    sill__conn *conn = NULL;
    if (listener == NULL || channel == NULL)
        return sill__fail(SILL_INVALID, "There is no listener, or no place for the channel.");
    if (!sill__hub_is_ours(listener->hub))
        return sill__fail(SILL_INVALID, "The listener belongs to the parent process.");
    int64_t deadline = sill__deadline(timeout_ms);
    int status = sill__channel_blank(&made, listener->frame_max);
    if (status != SILL_OK)
        return status;
    sill__hub_enter(listener->hub);
    status = take_client(listener, &conn, deadline);
    sill__hub_leave(listener->hub);
    if (status != SILL_OK) {
        sill__channel_drop(made);
        return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
    }
    status = sill__channel_attach(made, conn);
    if (status == SILL_OK)
        *channel = made;
    return status;
}

void sill_listener_cancel(sill_listener *listener)
{
    if (listener != NULL && sill__hub_is_ours(listener->hub))
        sill__hub_cancel(listener->hub, &listener->cancels);
}

void sill_listener_close(sill_listener *listener)
{
    if (listener == NULL)
        return;
    sill__listener_shut(&listener->named, sill__hub_is_ours(listener->hub));
    sill__hub_unref(listener->hub);
    sill__free(listener);
}
