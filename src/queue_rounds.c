/* queue_rounds.c - messages that are larger than a queue takes. See queue.h for how.
 *
 * The bytes go through a channel of their own, which brings with it what is needed: who may
 * connect, deadlines, the death of the other side, and a record of the listener's name.
 *
 * A cancel, the owner's end and the deadline are looked at between waits of SLICE_MS: the channel
 * exists for one message only, so nobody else could cancel it without a lock.
 */
#include "queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define ROUND      65536
#define SLICE_MS   50
#define CONNECT_MS 1000

enum { HAVE = 1, TAKE = 2, REFUSE = 3 };

static int slice(int64_t deadline)
{
    int left = sill__timeout(deadline);
    return left < 0 || left > SLICE_MS ? SLICE_MS : left;
}

static bool is_over(int status)
{
    return status == SILL_TIMEOUT || status == SILL_AGAIN;
}

static void channel_options(const sill_queue *queue, sill_channel_options *options)
{
    *options = (sill_channel_options)SILL_CHANNEL_OPTIONS_INIT;
    options->directory = queue->directory;
    options->frame_max = ROUND;
}

/* ---- sending ---- */

static int await_receiver(sill_queue *queue, sill_listener *listener, sill_channel **channel,
                          int64_t deadline, unsigned seen)
{
    for (;;) {
        int status = sill_channel_accept(listener, channel, slice(deadline));
        if (!is_over(status))
            return status;
        status = sill__queue_go_on(queue, deadline, seen);
        if (status != SILL_OK)
            return status;
    }
}

static int send_frame(sill_queue *queue, sill_channel *channel, const void *data, size_t size,
                      int64_t deadline, unsigned seen)
{
    for (;;) {
        int status = sill_channel_send(channel, data, size, NULL, 0, slice(deadline));
        if (!is_over(status))
            return status;
        status = sill__queue_go_on(queue, deadline, seen);
        if (status != SILL_OK)
            return status;
    }
}

/* What the receiver says: HAVE or REFUSE. */
static int await_word(sill_queue *queue, sill_channel *channel, int64_t deadline, unsigned seen)
{
    for (;;) {
        unsigned char word = 0;
        size_t size = 0;
        int status = sill_channel_receive(channel, &word, 1, &size, NULL, NULL, slice(deadline));
        if (status == SILL_OK && size == 1 && word == HAVE)
            return SILL_OK;
        if (status == SILL_OK && size == 1 && word == REFUSE)
            return sill__fail(SILL_TOO_BIG, "The message is larger than the receiver takes.");
        if (status == SILL_CLOSED) /* before it had all: it gave up */
            return sill__fail(SILL_DIED, "The receiver gave up before it had all of the message.");
        if (status == SILL_OK)
            return sill__fail(SILL_DIED, "The receiver does not keep to the protocol.");
        if (!is_over(status))
            return status;
        status = sill__queue_go_on(queue, deadline, seen);
        if (status != SILL_OK)
            return status;
    }
}

static int send_rounds(sill_queue *queue, sill_channel *channel, const unsigned char *data,
                       size_t size, int64_t deadline, unsigned seen)
{
    const unsigned char take = TAKE;
    int status = SILL_OK;
    for (size_t at = 0; at < size && status == SILL_OK; at += ROUND) {
        size_t piece = size - at < ROUND ? size - at : ROUND;
        status = send_frame(queue, channel, data + at, piece, deadline, seen);
        SILL__STEP(queue_round);
    }
    /* One that refuses closes at once: its word says why. */
    if (status == SILL_OK || status == SILL_CLOSED || status == SILL_DIED)
        status = await_word(queue, channel, deadline, seen);
    return status == SILL_OK ? send_frame(queue, channel, &take, 1, deadline, seen) : status;
}

int sill__rounds_send(sill_queue *queue, const void *data, size_t size, unsigned priority,
                      int64_t deadline, unsigned seen)
{
    static atomic_uint counter;
    struct sill__queue_announcement told = {.size = size};
    const size_t body = sizeof told - sizeof told.head;
    sill_channel_options options;
    sill_listener *listener;
    sill_channel *channel = NULL;
    struct sill__process self;
    if (queue->mail->message_max < sizeof told)
        return sill__fail(SILL_TOO_BIG,
                          "The queue takes messages of %zu bytes, which is too little even to "
                          "announce a larger one.",
                          queue->mail->message_max - sizeof told.head);
    sill__process_self(&self);
    snprintf(told.name, sizeof told.name, "rounds-%" PRIu32 "-%u", self.pid,
             atomic_fetch_add(&counter, 1));
    channel_options(queue, &options);
    int status = sill_channel_listen(&listener, told.name, &options);
    if (status != SILL_OK)
        return status;
    memcpy(queue->out + SILL__QUEUE_FRONT + sizeof told.head, (char *)&told + sizeof told.head,
           body);
    status = sill__queue_post(queue, SILL__QUEUE_ROUNDS, body, priority, deadline, seen);
    if (status == SILL_OK)
        status = await_receiver(queue, listener, &channel, deadline, seen);
    sill_listener_close(listener);
    if (status == SILL_OK)
        status = send_rounds(queue, channel, data, size, deadline, seen);
    sill_channel_close(channel);
    return status;
}

/* ---- receiving ---- */

void sill__rounds_drop(sill_queue *queue)
{
    sill_channel_close(queue->fetching);
    queue->fetching = NULL;
    sill__free(queue->fetched);
    queue->fetched = NULL;
}

static int refuse(sill_queue *queue, uint64_t size)
{
    const unsigned char word = REFUSE;
    (void)sill_channel_send(queue->fetching, &word, 1, NULL, 0, 0);
    sill__rounds_drop(queue);
    return sill__fail(SILL_PROTOCOL,
                      "A message of %" PRIu64 " bytes is larger than receive_max, which is %zu; it "
                      "is refused.",
                      size, queue->receive_max);
}

int sill__rounds_begin(sill_queue *queue, size_t size)
{
    struct sill__queue_announcement told;
    sill_channel_options options;
    sill_error before = *sill_last_error();
    if (size != sizeof told)
        return sill__fail(SILL_PROTOCOL, "The announcement of a large message is damaged.");
    memcpy(&told, queue->in + SILL__QUEUE_FRONT, sizeof told);
    if (told.name[sizeof told.name - 1] != '\0')
        return sill__fail(SILL_PROTOCOL, "The announcement of a large message is damaged.");
    channel_options(queue, &options);
    int status = sill_channel_connect(&queue->fetching, told.name, &options, CONNECT_MS);
    if (status == SILL_NOT_FOUND || status == SILL_INVALID) {
        sill__error_restore(&before);
        return SILL_AGAIN; /* its sender has given up, or ended; or what it said is no name */
    }
    if (status != SILL_OK)
        return status;
    if (told.size > queue->receive_max || told.size > SIZE_MAX - ROUND)
        return refuse(queue, told.size);
    queue->fetch_size = (size_t)told.size;
    queue->fetched_size = queue->fetched_room = 0;
    queue->fetch_had = false;
    return SILL_OK;
}

/* Room for one more round. It grows with what came: a sender that only claims a large size costs
 * nothing. */
static int make_room(sill_queue *queue)
{
    if (queue->fetched_room - queue->fetched_size >= ROUND)
        return SILL_OK;
    size_t room = queue->fetched_size + queue->fetched_size / 2 + ROUND;
    unsigned char *fetched = sill__realloc(queue->fetched, room);
    if (fetched == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a message of %zu bytes.",
                          queue->fetch_size);
    queue->fetched = fetched;
    queue->fetched_room = room;
    return SILL_OK;
}

/* One frame, or HAVE. 0: go on. */
static int fetch_one(sill_queue *queue, int64_t deadline)
{
    const unsigned char have = HAVE;
    size_t size;
    int status;
    if (!queue->fetch_had && queue->fetched_size == queue->fetch_size) {
        status = sill_channel_send(queue->fetching, &have, 1, NULL, 0, slice(deadline));
        queue->fetch_had = status == SILL_OK;
        return status;
    }
    status = make_room(queue);
    if (status == SILL_OK)
        status = sill_channel_receive(queue->fetching, queue->fetched + queue->fetched_size, ROUND,
                                      &size, NULL, NULL, slice(deadline));
    if (status != SILL_OK)
        return status;
    if (!queue->fetch_had) {
        if (size == 0 || size > queue->fetch_size - queue->fetched_size)
            return sill__fail(SILL_PROTOCOL,
                              "A large message came with other bytes than announced.");
        queue->fetched_size += size;
        SILL__STEP(queue_fetched);
        return SILL_OK;
    }
    if (size != 1 || queue->fetched[queue->fetched_size] != TAKE)
        return sill__fail(SILL_PROTOCOL, "A large message did not end as it should.");
    queue->held = queue->fetched;
    queue->held_size = queue->fetched_size;
    return SILL_OK;
}

int sill__rounds_fetch(sill_queue *queue, int64_t deadline, unsigned seen)
{
    while (queue->held == NULL) {
        int status = fetch_one(queue, deadline);
        if (status == SILL_OK)
            continue;
        if (is_over(status)) {
            /* The owner may have gone meanwhile: the sender of this message has not. */
            status = sill__queue_go_on(queue, deadline, seen);
            if (status == SILL_TIMEOUT || status == SILL_CANCELED)
                return status;
            continue;
        }
        sill__rounds_drop(queue);
        return status == SILL_CLOSED || status == SILL_DIED ? SILL_AGAIN : status;
    }
    sill_channel_close(queue->fetching);
    queue->fetching = NULL;
    return SILL_OK;
}
