/* wait.h - a set of channels and listeners on which one thread at a time sleeps.
 *
 * The system's own: posix/wait.c (epoll, poll elsewhere), win32/wait.c (an I/O completion port).
 * Beside it sysv/wait.c sleeps on a System V semaphore. A channel says which kind it can be watched
 * in (channel_ops.h), and a hub makes that; nothing that is done for each message comes by here.
 *
 * Contract (edges): after a watched channel goes from "would say AGAIN" to "has something", the
 * next sill__wait_for reports its key at least once. A reported channel is not reported again
 * until its operation (recv, send or accept) has said AGAIN once more; so whoever gets a report
 * works until AGAIN or remembers the channel. Extra reports are allowed. Backends register
 * themselves through their `watch` operation (channel_ops.h), which calls the OS's own functions
 * in posix/wait_posix.h or win32/wait_win32.h.
 */
#ifndef SILL__WAIT_H
#define SILL__WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

typedef struct sill__wait sill__wait;

enum {
    SILL__READABLE = 1, /* recv or accept may succeed, or the peer is gone */
    SILL__WRITABLE = 2, /* send may succeed */
    SILL__PEER_DEAD = 4 /* the peer's process has ended: read what is left, then treat AGAIN as
                           the end of the stream */
};

struct sill__event {
    void *key;       /* as given to `watch` */
    unsigned events; /* SILL__READABLE ... */
};

struct sill__wait { /* each kind embeds this as its first member */
    const struct sill__wait_ops *ops;
};

struct sill__wait_ops {
    int (*create)(sill__wait **out);
    void (*destroy)(sill__wait *wait);
    int (*wait_for)(sill__wait *wait, int64_t deadline, struct sill__event *events,
                    size_t capacity, size_t *count);
    void (*wake)(sill__wait *wait);
    /* The next three: NULL where foreign event loops can be given no handle. */
    int (*pollable)(sill__wait *wait, sill_handle *out);
    void (*pending)(sill__wait *wait, bool pending);
    bool (*alarm)(sill__wait *wait, int64_t when);
};

extern const struct sill__wait_ops sill__wait_system; /* one per OS */

/* A wait set of the system's own kind. */
static inline int sill__wait_create(sill__wait **out)
{
    return sill__wait_system.create(out);
}

/* Everything must be unwatched before. */
static inline void sill__wait_destroy(sill__wait *wait)
{
    wait->ops->destroy(wait);
}

/* Sleeps until something is reported, the deadline passes or sill__wait_wake was called.
 * 0 with *count events (0 of them after a wake-up); TIMEOUT; OS. A deadline in the past only
 * collects. One thread at a time. Keys that were unwatched are never reported afterwards. */
static inline int sill__wait_for(sill__wait *wait, int64_t deadline, struct sill__event *events,
                                 size_t capacity, size_t *count)
{
    return wait->ops->wait_for(wait, deadline, events, capacity, count);
}

/* Ends the present sill__wait_for, or the next one if none is under way. Any thread, and also a
 * signal handler: it only makes async-signal-safe calls. */
static inline void sill__wait_wake(sill__wait *wait)
{
    wait->ops->wake(wait);
}

/* A handle for foreign event loops: ready when sill__wait_for would report something, and as long
 * as `pending` was last set true. Made at the first call; owned by `wait`. UNSUPPORTED where there
 * is none. */
int sill__wait_pollable(sill__wait *wait, sill_handle *out);
/* Cheap when there is no pollable or nothing changes. */
static inline void sill__wait_pending(sill__wait *wait, bool pending)
{
    if (wait->ops->pending != NULL)
        wait->ops->pending(wait, pending);
}
/* Makes the pollable ready also once `when` has passed (SILL__FOREVER: never). One thread at a
 * time, as above cheap. False: this system's cannot, and something else must make its owner ask
 * again. */
static inline bool sill__wait_alarm(sill__wait *wait, int64_t when)
{
    return wait->ops->alarm != NULL && wait->ops->alarm(wait, when);
}

#endif
