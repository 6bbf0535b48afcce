/* queue_ops.h - the seam below queues: what an operating system's message queue can do.
 *
 * queue.c does what is alike: arguments, names and owner records, the head of a message, deadlines
 * and cancels, messages in rounds. A backend makes, opens and removes the object, puts and takes
 * whole messages without blocking, and sleeps until that may go on or until the others are gone.
 * Backends: posix/mqueue.c, sysv/queue.c, win32/queue.c. Each exports one table.
 *
 * Rules for every operation:
 * - The core has checked the arguments.
 * - Nothing blocks but `wait`, which keeps its deadline. EINTR is handled inside.
 * - On failure nothing is left behind and out-parameters are untouched.
 * - put and take of one object may be called by two threads at once; two puts, or two takes, may
 *   not. So may the waits for room and for a message.
 * - A failure other than AGAIN and TIMEOUT sets sill_last_error() (sill__fail...).
 */
#ifndef SILL__QUEUE_OPS_H
#define SILL__QUEUE_OPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/queue.h>

#include "owner.h"

/* The bytes before a message that is put or taken are the backend's to use. */
#define SILL__QUEUE_FRONT 16

#define SILL__QUEUE_DEPTH   10   /* messages, and */
#define SILL__QUEUE_MESSAGE 8192 /* bytes of each, where nothing else is asked for */

typedef struct sill__mail sill__mail; /* a backend's open object; embeds this first */
struct sill__mail {
    const struct sill__queue_ops *ops;
    bool owner;
    size_t message_max; /* bytes of one message, the head that queue.c puts before it included */
    uint64_t depth;     /* messages of that size */
    uint64_t bytes;     /* of all messages together; 0: depth is the only bound */
};

struct sill__queue_place {
    const char *name;           /* checked */
    const char *directory;      /* the checked runtime directory */
    char file[100];             /* of the owner record */
    char object[64];            /* as the record says it */
    struct sill__process owner; /* open: who made it */
};

/* What one queue has by default, and what all of a user's may take (0: no limit). */
struct sill__queue_bounds {
    size_t message_max; /* as in sill__mail */
    uint64_t depth, bytes, user_bytes;
};

/* What a thread waits for. */
struct sill__queue_wait {
    bool room;   /* for room, else for a message */
    size_t size; /* of the message that wants room */
    bool alone;  /* owner: also for the end of the last other process */
    int64_t deadline;
    const atomic_uint *asked; /* cancels; the wait is over when it is not `seen` */
    unsigned seen;
};

struct sill__queue_ops {
    int kind; /* enum sill_channel_kind */
    enum sill__owner_kind owner;
    bool pollable_kind;

    /* UNSUPPORTED where the system has no such queues. */
    int (*bounds)(struct sill__queue_bounds *out);
    /* The name in the system's own space: for attempt 0 the usual one, for others such as are tried
     * when something else has taken the one before. `record` is the path of the owner record. */
    int (*object_name)(char object[64], const char *record, const char *name, unsigned attempt);
    /* Makes the object, for this user alone. 0 stands for the default. The core holds the record,
     * and what a dead owner left is removed. FOREIGN: something else has the name. */
    int (*create)(sill__mail **out, const struct sill__queue_place *place, size_t message_max,
                  unsigned depth);
    /* NOT_FOUND: there is none, or its owner has ended. */
    int (*open)(sill__mail **out, const struct sill__queue_place *place);
    /* For those that are not the owner: 0, CLOSED or DIED. */
    int (*state)(sill__mail *mail);
    /* AGAIN: it is full. CLOSED: it is gone. */
    int (*put)(sill__mail *mail, unsigned char *message, size_t size, unsigned priority);
    /* Takes the first message, of at most mail->message_max bytes. AGAIN, CLOSED; PROTOCOL: it was
     * larger, and is gone. */
    int (*take)(sill__mail *mail, unsigned char *message, size_t *size, unsigned *priority);
    /* 0: it may go on now (look again), or there was a cancel. TIMEOUT. CLOSED, DIED: the owner is
     * gone, or (`alone`) all others. */
    int (*wait)(sill__mail *mail, const struct sill__queue_wait *wait);
    /* Ends the waits of this object, for a cancel. Signal handlers may. */
    void (*wake)(sill__mail *mail);
    int (*pollable)(sill__mail *mail, sill_handle *out);
    int (*count)(sill__mail *mail, uint64_t *messages);
    /* In order, and with `remove` (the owner) the object goes. `ours` is false in a forked child:
     * then nothing but memory and descriptors of this process is touched. */
    void (*close)(sill__mail *mail, bool remove, bool ours);
    /* Removes what a dead owner left. NOT_FOUND; FOREIGN: what lies there is something else. */
    int (*remove)(const struct sill__queue_place *place);
};

/* For sill__owner_remove_stale: removes the object that a queue's record names. `arg` is the
 * resolved runtime directory. What is not sill's or cannot be touched is left alone and counts as
 * done. */
int sill__queue_remove_object(void *arg, const struct sill__owner_info *info);

#endif
