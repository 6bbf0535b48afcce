/* queue.h - an open queue, for queue.c and queue_rounds.c.
 *
 * A message in a queue is a head and a body. In a plain one the body is what the user sent. In one
 * that announces rounds it is the size of what the user sent and the name of a listener on which
 * the sender waits for the one who took the announcement:
 *
 *   receiver                      sender
 *   connects                      accepts one
 *                                 sends the bytes in frames of SILL__ROUND
 *   sends HAVE when it has all
 *                                 sends TAKE: from here on the message counts as sent
 *   hands it out
 *
 * If either ends or gives up before, the other sees the end of the channel. A sender that gives up
 * closes its listener, so whoever takes the announcement later finds nobody, and goes on as if
 * there had been nothing. What the receiver has so far stays with the queue when its time is over,
 * and the next receive goes on there.
 *
 * Shared between threads: `asked` and `told`. `out` is the sender's, the rest the receiver's.
 */
#ifndef SILL__QUEUE_H
#define SILL__QUEUE_H

#include "queue_ops.h"

#define SILL__QUEUE_MAGIC UINT32_C(0x31514c53) /* "SLQ1" */

enum { SILL__QUEUE_PLAIN = 1, SILL__QUEUE_ROUNDS = 2 };

struct sill__queue_head {
    uint32_t magic;
    uint32_t type;
};

struct sill__queue_announcement {
    struct sill__queue_head head;
    uint64_t size;
    char name[56]; /* of the listener, with a zero byte behind it */
};

_Static_assert(sizeof(struct sill__queue_head) == 8, "head");
_Static_assert(sizeof(struct sill__queue_announcement) == 72, "announcement");

struct sill_queue {
    const struct sill__queue_ops *ops;
    sill__mail *mail;
    sill__owner *owner; /* NULL: opened */
    uint32_t generation;
    char *directory; /* resolved */
    size_t receive_max;
    bool rounds;
    bool until_alone;
    atomic_uint asked, told; /* cancels: asked for, and told to a caller */

    unsigned char *out; /* SILL__QUEUE_FRONT bytes, then a message */
    unsigned char *in;

    /* What was taken and not handed out: `held` points into `in` or at `fetched`. */
    const unsigned char *held; /* NULL: nothing */
    size_t held_size;
    unsigned held_priority;

    /* A message in rounds that is on its way. */
    sill_channel *fetching; /* NULL: none */
    unsigned char *fetched;
    size_t fetched_size, fetched_room; /* bytes that came, and for which there is room */
    size_t fetch_size;                 /* bytes that it has */
    bool fetch_had;                    /* HAVE is sent */
};

/* Puts a message of queue->out: `size` bytes behind the head. Waits. */
int sill__queue_post(sill_queue *queue, uint32_t type, size_t size, unsigned priority,
                     int64_t deadline, unsigned seen);

/* CANCELED, TIMEOUT, the owner's end; or 0, and there is time left. */
int sill__queue_go_on(sill_queue *queue, int64_t deadline, unsigned seen);

/* ---- queue_rounds.c ---- */

int sill__rounds_send(sill_queue *queue, const void *data, size_t size, unsigned priority,
                      int64_t deadline, unsigned seen);
/* Begins to fetch what the announcement in queue->in (of `size` bytes) tells of. AGAIN: it is not
 * to be had, as if there had been none. PROTOCOL. */
int sill__rounds_begin(sill_queue *queue, size_t size);
/* Goes on. 0: it is held. AGAIN: the sender is gone and took it back. TIMEOUT, CANCELED: to be
 * called again. */
int sill__rounds_fetch(sill_queue *queue, int64_t deadline, unsigned seen);
/* Gives up what is on its way. */
void sill__rounds_drop(sill_queue *queue);

#endif
