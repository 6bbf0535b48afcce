/* channel.c - public channels: whole frames, sent and received with a deadline.
 *
 * A channel is a stream of frames (stream.h) and a hub (hub.h) on which its sender and its
 * receiver sleep. Bytes are read only inside a receive, or when a send finds the peer gone and
 * wants to know how, so what nobody receives stays with the operating system and slows the sender
 * down. One read may complete several frames: they wait in a list.
 *
 * `ended` is set once, to the status with which everything ends; the connection is closed at that
 * moment, frames that came before are still handed out first. Everything in the struct but the
 * peer and the limits is guarded by the hub's lock.
 */
#include "channel.h"

#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "hub.h"
#include "memory.h"
#include "status.h"
#include "step.h"
#include "stream.h"

#define FRAME_MAX_DEFAULT (1024 * 1024)
#define DRAIN_BYTES       (16 * 1024 * 1024) /* what a failed send reads at most to learn why */
#define DRAIN_ROUNDS      4096
#define LINGER_NS         INT64_C(1000000000)

/* A frame that came. */
struct frame {
    struct frame *next;
    size_t size;
    unsigned handle_count;
    sill_handle handles[SILL_HANDLES_MAX];
    unsigned char data[];
};

struct sill_channel {
    struct sill__hub *hub;
    struct sill__source source;
    struct sill__stream stream;
    struct sill__cancels cancels;
    sill_peer peer;
    size_t frame_max;
    struct frame *first, *last; /* complete, not handed out */
    size_t queued;              /* their bytes */
    struct frame *current;      /* being read */
    bool readable;              /* reported, and recv has not said AGAIN since */
    bool writable;              /* likewise, for send */
    bool sending;               /* a thread is in sill_channel_send */
    bool peer_dead;             /* its process has ended; what it sent may still be there */
    int ended;
    char end_text[sizeof((sill_error *)0)->message];
};

static void frame_free(struct frame *frame)
{
    if (frame == NULL)
        return;
    for (unsigned i = 0; i < frame->handle_count; i++)
        sill__handle_close(frame->handles[i]);
    sill__free(frame);
}

/* ---- the end ---- */

static int say_ended(const sill_channel *channel)
{
    return sill__fail(channel->ended, "%s", channel->end_text);
}

/* Ends the channel with the failure that was just told, and closes the connection. */
static int end_with(sill_channel *channel, int status)
{
    const char *text = sill_last_error()->message;
    if (status == SILL_CLOSED)
        text = "The peer closed the channel.";
    else if (status == SILL_DIED)
        text = "The peer is gone and has not closed the channel.";
    channel->ended = status;
    snprintf(channel->end_text, sizeof channel->end_text, "%s", text);
    sill__stream_shut(&channel->stream);
    sill__hub_forget(channel->hub, &channel->source);
    frame_free(channel->current);
    channel->current = NULL;
    sill__hub_changed(channel->hub);
    return say_ended(channel);
}

/* ---- frames that come (called by the stream) ---- */

static int frame_begin(void *arg, const struct sill__frame *head, void **body)
{
    sill_channel *channel = arg;
    if (head->type == SILL__FRAME_CLOSE || head->type == SILL__FRAME_TAKEN)
        return SILL_OK;
    if (head->type != SILL__FRAME_DATA)
        return sill__fail(SILL_PROTOCOL, "The peer speaks as a port (sill_connect, sill_listen), "
                                         "not as a channel.");
    struct frame *frame = sill__alloc(sizeof *frame + head->size);
    if (frame == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a frame of %lu bytes.",
                          (unsigned long)head->size);
    frame->next = NULL;
    frame->size = head->size;
    frame->handle_count = 0;
    channel->current = frame;
    *body = frame->data;
    return SILL_OK;
}

static int frame_end(void *arg, const struct sill__frame *head, const sill_handle *handles,
                     bool good)
{
    sill_channel *channel = arg;
    struct frame *frame = channel->current;
    if (head->type != SILL__FRAME_DATA)
        return head->type == SILL__FRAME_CLOSE && good ? SILL_CLOSED : SILL_OK;
    frame->handle_count = head->handles;
    memcpy(frame->handles, handles, head->handles * sizeof *handles);
    channel->current = NULL;
    if (!good) { /* its sender's time ran out in the middle */
        frame_free(frame);
        return SILL_OK;
    }
    if (channel->first == NULL)
        channel->first = frame;
    else
        channel->last->next = frame;
    channel->last = frame;
    channel->queued += frame->size;
    return SILL_OK;
}

/* ---- events ---- */

static unsigned channel_work(struct sill__source *source, unsigned events)
{
    sill_channel *channel =
        (sill_channel *)((char *)source - offsetof(struct sill_channel, source));
    if (events & SILL__READABLE)
        channel->readable = true;
    if (events & SILL__PEER_DEAD)
        channel->peer_dead = true;
    if (events & SILL__WRITABLE) {
        channel->writable = true;
        if (!channel->sending)
            (void)sill__stream_flush(&channel->stream); /* a failure shows at the next call */
    }
    return 0;
}

static bool may_send(void *arg)
{
    const sill_channel *channel = arg;
    return channel->writable || channel->peer_dead || channel->ended != 0;
}

static bool may_receive(void *arg)
{
    const sill_channel *channel = arg;
    return channel->readable || channel->peer_dead || channel->first != NULL || channel->ended != 0;
}

/* For the pollable handle: a receive would say something else than AGAIN, as far as is known. */
static bool channel_pending(struct sill__hub *hub)
{
    return may_receive(hub->owner);
}

static int channel_wait(sill_channel *channel, bool (*done)(void *), void *arg, int64_t deadline,
                        unsigned seen)
{
    const struct sill__until until = {done, arg, deadline, &channel->cancels, seen, NULL, NULL};
    return sill__hub_wait(channel->hub, &until);
}

/* ---- making ---- */

int sill__channel_options(const sill_channel_options *options, sill_channel_options *out)
{
    sill_channel_options result = SILL_CHANNEL_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size != sizeof *options)
            return sill__fail(SILL_INVALID,
                              "The options are not set to SILL_CHANNEL_OPTIONS_INIT.");
        result = *options;
    }
    if (result.frame_max == 0)
        result.frame_max = FRAME_MAX_DEFAULT;
    if (result.frame_max > INT32_MAX)
        return sill__fail(SILL_INVALID, "frame_max is %zu bytes, allowed are 1 to %ld.",
                          result.frame_max, (long)INT32_MAX);
    *out = result;
    return SILL_OK;
}

int sill__channel_blank(sill_channel **out, size_t frame_max)
{
    sill_channel *channel = sill__alloc_zeroed(sizeof *channel);
    if (channel == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a channel.");
    int status = sill__hub_create(&channel->hub, sill__channels[0]->wait);
    if (status != SILL_OK) {
        sill__free(channel);
        return status;
    }
    channel->hub->owner = channel;
    channel->hub->pending = channel_pending;
    channel->source.work = channel_work;
    channel->frame_max = frame_max;
    *out = channel;
    return SILL_OK;
}

int sill__channel_attach(sill_channel *channel, sill__conn *conn)
{
    const struct sill__stream_user user = {frame_begin, frame_end, channel};
    sill__stream_init(&channel->stream, conn, &user, channel->frame_max);
    channel->peer = *conn->ops->peer(conn);
    int status = conn->ops->watch(conn, channel->hub->wait, &channel->source);
    if (status != SILL_OK)
        sill__channel_drop(channel);
    return status;
}

void sill__channel_drop(sill_channel *channel)
{
    sill__stream_shut(&channel->stream);
    frame_free(channel->current);
    while (channel->first != NULL) {
        struct frame *next = channel->first->next;
        frame_free(channel->first);
        channel->first = next;
    }
    sill__hub_unref(channel->hub);
    sill__free(channel);
}

int sill_channel_connect(sill_channel **channel, const char *name,
                         const sill_channel_options *options, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    sill_channel_options wanted = SILL_CHANNEL_OPTIONS_INIT;
    sill_channel *made = NULL;
    sill__conn *conn;
    if (channel == NULL || name == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the channel, or no name.");
    int status = sill__channel_options(options, &wanted);
    if (status == SILL_OK)
        status = sill__channel_blank(&made, wanted.frame_max);
    if (status != SILL_OK)
        return status;
    const struct sill__expect expect = {wanted.any_server, wanted.server_sid, wanted.server_uid,
                                        wanted.server_uid_set};
    status = sill__client_open(&conn, sill__channels[0], name, wanted.directory, &expect, deadline);
    if (status != SILL_OK) {
        sill__channel_drop(made);
        return status;
    }
    status = sill__channel_attach(made, conn);
    if (status == SILL_OK)
        *channel = made;
    return status;
}

/* ---- calls ---- */

/* Takes the lock; INVALID without it where the channel cannot be used. */
static int channel_enter(sill_channel *channel)
{
    if (channel == NULL)
        return sill__fail(SILL_INVALID, "There is no channel.");
    if (!sill__hub_is_ours(channel->hub))
        return sill__fail(SILL_INVALID, "The channel belongs to the parent process.");
    sill__hub_enter(channel->hub);
    return SILL_OK;
}

static int read_frame(sill_channel *channel)
{
    unsigned char scratch[SILL__SCRATCH];
    return sill__stream_read(&channel->stream, 1, scratch, sizeof scratch);
}

/* A send found the peer gone: what it sent before, a CLOSE maybe, says how it went. */
static int end_send(sill_channel *channel, int status)
{
    for (int rounds = 0; status == SILL_DIED && rounds < DRAIN_ROUNDS; rounds++) {
        if (channel->queued > DRAIN_BYTES)
            break;
        int read = read_frame(channel);
        if (read == SILL_OK)
            continue;
        if (read != SILL_AGAIN)
            status = read;
        break;
    }
    return end_with(channel, status);
}

/* Failures of a send that has not begun and that leave the channel as it was. */
static bool is_harmless(int status)
{
    return status == SILL_INVALID || status == SILL_LIMIT || status == SILL_NO_MEMORY ||
           status == SILL_DENIED;
}

/* A frame has been written. That our death cannot take it back is waited for too. */
static void await_arrival(sill_channel *channel, bool handles, int64_t deadline, unsigned seen)
{
    struct sill__arrival arrival = {&channel->stream, &channel->peer_dead, handles};
    if (sill__stream_arrived(&arrival))
        return;
    deadline = sill__arrival_deadline(deadline);
    if (channel_wait(channel, sill__stream_arrived, &arrival, deadline, seen) == SILL_CANCELED)
        channel->cancels.told = seen; /* the next call is canceled */
}

static int send_frame(sill_channel *channel, struct sill__writing *writing, int64_t deadline)
{
    unsigned seen = channel->cancels.told;
    for (;;) {
        channel->writable = false;
        int status = sill__stream_push(&channel->stream, writing);
        if (status == SILL_OK) {
            await_arrival(channel, writing->handle_count > 0, deadline, seen);
            return SILL_OK;
        }
        if (status == SILL_AGAIN && channel->peer_dead)
            status = SILL_DIED;
        if (status != SILL_AGAIN)
            return writing->done == 0 && is_harmless(status) ? status : end_send(channel, status);
        status = channel_wait(channel, may_send, channel, deadline, seen);
        if (channel->ended != 0)
            return say_ended(channel);
        if (status == SILL_OK)
            continue;
        int taken_back = sill__stream_take_back(&channel->stream, writing);
        return taken_back == SILL_OK ? status : end_send(channel, taken_back);
    }
}

static int send_checked(sill_channel *channel, const void *data, size_t size,
                        const sill_handle *handles, unsigned count, int64_t deadline)
{
    const struct sill__frame head = {.type = SILL__FRAME_DATA};
    struct sill__writing writing;
    if (channel->ended != 0)
        return say_ended(channel);
    if (channel->sending)
        return sill__fail(SILL_INVALID, "Another thread is sending on this channel.");
    int status =
        sill__stream_prepare(&channel->stream, &writing, &head, data, size, handles, count);
    if (status != SILL_OK)
        return status;
    channel->sending = true;
    status = send_frame(channel, &writing, deadline);
    channel->sending = false;
    return status;
}

int sill_channel_send(sill_channel *channel, const void *data, size_t size,
                      const sill_handle *handles, unsigned count, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    if ((data == NULL && size > 0) || (handles == NULL && count > 0))
        return sill__fail(SILL_INVALID, "What is to be sent is NULL.");
    if (count > SILL_HANDLES_MAX)
        return sill__fail(SILL_INVALID, "%u handles cannot be passed with a frame, at most %d.",
                          count, SILL_HANDLES_MAX);
    int status = channel_enter(channel);
    if (status != SILL_OK)
        return status;
    status = size > channel->frame_max
                 ? sill__fail(SILL_TOO_BIG, "The frame has %zu bytes, frame_max allows %zu.", size,
                              channel->frame_max)
                 : send_checked(channel, data, size, handles, count, deadline);
    sill__hub_leave(channel->hub);
    return status;
}

static bool passed(int64_t deadline)
{
    return deadline != SILL__FOREVER && sill__now_ns() >= deadline;
}

/* Waits until a frame is at the head of the list. */
static int await_frame(sill_channel *channel, int64_t deadline)
{
    unsigned seen = channel->cancels.told;
    while (channel->first == NULL) {
        if (channel->ended != 0)
            return say_ended(channel);
        channel->readable = false;
        int status = read_frame(channel);
        if (status == SILL_AGAIN && channel->peer_dead)
            status = SILL_DIED;
        if (status == SILL_OK && channel->first == NULL && passed(deadline))
            return SILL_TIMEOUT; /* a peer that keeps sending what is nothing to hand out */
        if (status == SILL_OK)
            continue;
        if (status != SILL_AGAIN) {
            (void)end_with(channel, status); /* told above, behind the frames that came before */
            continue;
        }
        status = channel_wait(channel, may_receive, channel, deadline, seen);
        if (status != SILL_OK && channel->first == NULL && channel->ended == 0)
            return status;
    }
    return SILL_OK;
}

/* Hands the first frame out, or says TOO_BIG. */
static int take_frame(sill_channel *channel, void *buffer, size_t capacity, size_t *size,
                      sill_handle *handles, unsigned *count)
{
    struct frame *frame = channel->first;
    *size = frame->size;
    if (frame->size > capacity)
        return sill__fail(SILL_TOO_BIG, "The frame has %zu bytes, the buffer %zu.", frame->size,
                          capacity);
    if (frame->size > 0)
        memcpy(buffer, frame->data, frame->size);
    unsigned room = handles != NULL && count != NULL ? *count : 0;
    unsigned given = frame->handle_count < room ? frame->handle_count : room;
    if (given > 0)
        memcpy(handles, frame->handles, given * sizeof *handles);
    if (count != NULL)
        *count = frame->handle_count;
    frame->handle_count -= given;
    memmove(frame->handles, frame->handles + given, frame->handle_count * sizeof *handles);
    channel->first = frame->next;
    channel->queued -= frame->size;
    frame_free(frame);
    return SILL_OK;
}

int sill_channel_receive(sill_channel *channel, void *buffer, size_t capacity, size_t *size,
                         sill_handle *handles, unsigned *count, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    if (size == NULL || (buffer == NULL && capacity > 0))
        return sill__fail(SILL_INVALID, "There is no place for the frame or its size.");
    int status = channel_enter(channel);
    if (status != SILL_OK)
        return status;
    status = await_frame(channel, deadline);
    if (status == SILL_OK)
        status = take_frame(channel, buffer, capacity, size, handles, count);
    sill__hub_leave(channel->hub);
    return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
}

void sill_channel_cancel(sill_channel *channel)
{
    if (channel != NULL && sill__hub_is_ours(channel->hub))
        sill__hub_cancel(channel->hub, &channel->cancels);
}

int sill_channel_peer(const sill_channel *channel, sill_peer *peer)
{
    if (channel == NULL || peer == NULL)
        return sill__fail(SILL_INVALID, "There is no channel, or no place for the peer.");
    if (!sill__hub_is_ours(channel->hub))
        return sill__fail(SILL_INVALID, "The channel belongs to the parent process.");
    *peer = channel->peer;
    return SILL_OK;
}

int sill_channel_pollable(sill_channel *channel, sill_handle *handle)
{
    if (handle == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the handle.");
    int status = channel_enter(channel);
    if (status != SILL_OK)
        return status;
    status = sill__hub_pollable(channel->hub, handle);
    sill__hub_leave(channel->hub);
    return status;
}

/* Tells the peer, behind everything that was sent; waits a little if the channel is full. */
static void say_close(sill_channel *channel)
{
    const struct sill__frame head = {.type = SILL__FRAME_CLOSE};
    int64_t deadline = sill__now_ns() + LINGER_NS;
    channel->cancels.told = atomic_load(&channel->cancels.asked); /* canceled calls are over */
    SILL__STEP(close_begin);
    int status = sill__stream_control(&channel->stream, &head, NULL, 0);
    while (status == SILL_AGAIN && !channel->peer_dead && channel->ended == 0) {
        if (channel_wait(channel, may_send, channel, deadline, channel->cancels.told) != SILL_OK)
            break;
        channel->writable = false;
        status = sill__stream_flush(&channel->stream);
    }
    SILL__STEP(close_sent);
}

void sill_channel_close(sill_channel *channel)
{
    if (channel == NULL)
        return;
    if (sill__hub_is_ours(channel->hub)) {
        sill__hub_enter(channel->hub);
        if (channel->ended == 0)
            say_close(channel);
        sill__hub_leave(channel->hub);
    }
    sill__channel_drop(channel);
}
