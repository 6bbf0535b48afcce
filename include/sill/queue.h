/* sill/queue.h - a queue: messages with priorities that wait in the system until they are taken.
 *
 * One process creates the queue under a name and is its owner; any number of others open it. Each
 * may send and receive. The message of the highest priority is received first, and of those of one
 * priority the one that was sent first. One message goes to one receiver.
 *
 *   kind     what it is                                      where
 *   mqueue   a POSIX message queue (mq_open)                 POSIX
 *   sysv     a System V queue (msgget), and semaphores       POSIX
 *   queue    shared memory, a mutex and events               Windows
 *
 * A queue goes with its owner. What lies in it then can still be received by those that have it
 * open, except from a System V queue, which is gone at once. After that, and for senders at once,
 * calls say SILL_CLOSED if the owner closed it, or SILL_DIED if it ended without doing so. A queue
 * of a dead owner lies there until its name is used again or it is removed (sill_clean).
 *
 * On Windows a queue has a lock, which each call here takes for a moment. A process that is stopped
 * (suspended) just then keeps it: the calls of the others, those with timeout_ms 0 too, wait for it
 * and return SILL_OS after 5 seconds. All is well again when it goes on or ends. No call of a POSIX or
 * System V queue waits for a stopped process, but for the lock of the directory and for the rest of a
 * message in rounds.
 *
 * A message begins with 8 bytes of sill's own, so only sill_queue_receive reads what
 * sill_queue_send wrote.
 *
 * Names are those of channels (sill/channel.h); the queues of each kind have a space of their own.
 * Queues are the user's own: no other user can open them.
 *
 * Threads: one thread may send on a queue while another receives. Two threads that send at once (or
 * receive at once) need a lock of the caller's, or open the queue twice. After fork, the child's
 * use of the parent's queues is SILL_INVALID, except that it may close them, which changes nothing
 * for the parent. No call here is cut short by a signal.
 */
#ifndef SILL_QUEUE_H
#define SILL_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include <sill/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_queue sill_queue;

typedef struct sill_queue_options {
    size_t struct_size;    /* set by SILL_QUEUE_OPTIONS_INIT */
    int kind;              /* enum sill_channel_kind: MQUEUE, SYSV, QUEUE; AUTO: this system's
                              named one, which is MQUEUE, or QUEUE on Windows */
    const char *directory; /* where the owner record lies, as in sill_channel_options */
    size_t message_max;    /* create: largest message that lies in the queue itself, in bytes; 0:
                              8184, or less where the system allows less */
    unsigned depth;        /* create: how many messages of that size it holds at least; 0: 10, or
                              what a limit of the system leaves of that */
    int rounds;            /* send: what to do with a message over message_max. 0 (default): TOO_BIG.
                              1: it goes in rounds: a short message takes its place in the queue, and
                              whoever receives that fetches the rest, piece by piece, from the
                              sender, who waits for that until his deadline */
    size_t receive_max;    /* receive: the largest message that is taken in rounds; 0: 64 MiB. A
                              larger one is lost, with PROTOCOL */
    int until_alone;       /* owner: once another process has had the queue open, a call that would
                              wait while no other has it open any more returns CLOSED, or DIED if one
                              of them ended without closing it. 0 (default): it waits for the next */
} sill_queue_options;
#define SILL_QUEUE_OPTIONS_INIT {sizeof(sill_queue_options), 0, 0, 0, 0, 0, 0, 0}

/* Creates the queue and becomes its owner. Does not block, but for the short time in which another
 * process may hold the lock of the directory. `options` may be NULL.
 * 0; EXISTS (a living process owns it); INVALID; LIMIT (message_max, depth or their product is more
 * than the system allows, or there are too many queues: the sentence says which limit and how to
 * raise it); UNSUPPORTED (no such kind on this system); DENIED; FOREIGN (something else has its
 * place); NO_SPACE; TIMEOUT (a stopped process holds the lock of the directory); NO_MEMORY; OS.
 * Close with sill_queue_close. */
SILL_API int sill_queue_create(sill_queue **queue, const char *name,
                               const sill_queue_options *options);

/* Opens a queue that a living process owns. As sill_queue_create, and NOT_FOUND. (FOREIGN: also if it
 * tells of itself what cannot be.) */
SILL_API int sill_queue_open(sill_queue **queue, const char *name,
                             const sill_queue_options *options);

/* Sends `size` bytes (data may be NULL for 0) with a priority of 0 to SILL_PRIORITY_MAX. Blocks
 * while the queue is full.
 * 0: it lies in the queue, or (rounds) a receiver has all of it. TIMEOUT (AGAIN if timeout_ms is
 * 0), CANCELED: nobody will see it. CLOSED, DIED: the owner is gone; with rounds DIED also means
 * that the receiver ended while it fetched the message. TOO_BIG: over message_max, without
 * `rounds`; with them, more than the receiver takes. INVALID; LIMIT; NO_MEMORY; OS. */
SILL_API int sill_queue_send(sill_queue *queue, const void *data, size_t size, unsigned priority,
                             int timeout_ms);

/* Takes the first message and sets *size to its size, and *priority (may be NULL) to its priority.
 * 0. TOO_BIG: it is larger than `capacity`; *size says how large; it stays for the next call on
 * this object. TIMEOUT, or AGAIN for timeout_ms 0. CLOSED, DIED: see above. PROTOCOL: what was
 * taken is no message of sill's, or too large a one in rounds; it is gone, and the queue is still
 * good. NO_MEMORY, LIMIT: a message in rounds could not be fetched, and is gone; its sender is told
 * DIED, or waits until his deadline. CANCELED; INVALID; OS. */
SILL_API int sill_queue_receive(sill_queue *queue, void *buffer, size_t capacity, size_t *size,
                                unsigned *priority, int timeout_ms);

/* What the queue holds and allows. */
typedef struct sill_queue_limits {
    size_t struct_size;   /* set by the caller */
    int kind;             /* enum sill_channel_kind */
    size_t message_max;   /* bytes of a message that lies in the queue itself */
    uint64_t depth;       /* messages of that size */
    uint64_t bytes;       /* bytes of all messages together; 0: depth is the only bound */
    uint64_t user_bytes;  /* what all queues of this kind of one user may take together, in bytes,
                             for this process; 0: not limited */
    uint64_t messages;    /* that lie in it at this moment */
} sill_queue_limits;

/* 0, INVALID, CLOSED (it is gone), OS. Does not block. */
SILL_API int sill_queue_get_limits(sill_queue *queue, sill_queue_limits *limits);

/* Ends calls on this object that wait in other threads: they return SILL_CANCELED. If none waits,
 * the next one that would. May be called from a signal handler. */
SILL_API void sill_queue_cancel(sill_queue *queue);

/* A handle that event loops can wait on: it is ready when there is a message, valid until close and
 * never to be read or closed by the caller; it may be ready once too often. It does not tell of the
 * owner's end. 0, INVALID, UNSUPPORTED (sysv), OS. */
SILL_API int sill_queue_pollable(sill_queue *queue, sill_handle *handle);

/* Closes; the owner also removes the queue and its name. No other thread may be in a call on the
 * object. A message that was TOO_BIG for the last call is lost. NULL is fine. */
SILL_API void sill_queue_close(sill_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
