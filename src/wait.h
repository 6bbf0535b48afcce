/* wait.h - a set of channels and listeners on which one thread at a time sleeps. One file per OS:
 * posix/wait.c (epoll, poll elsewhere), win32/wait.c (an I/O completion port).
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

int sill__wait_create(sill__wait **out);
/* Everything must be unwatched before. */
void sill__wait_destroy(sill__wait *wait);

/* Sleeps until something is reported, the deadline passes or sill__wait_wake was called.
 * 0 with *count events (0 of them after a wake-up); TIMEOUT; OS. A deadline in the past only
 * collects. One thread at a time. Keys that were unwatched are never reported afterwards. */
int sill__wait_for(sill__wait *wait, int64_t deadline, struct sill__event *events, size_t capacity,
                   size_t *count);

/* Ends the present sill__wait_for, or the next one if none is under way. Any thread, and also a
 * signal handler: it only makes async-signal-safe calls. */
void sill__wait_wake(sill__wait *wait);

/* A handle for foreign event loops: ready when sill__wait_for would report something, and as long
 * as `pending` was last set true. Made at the first call; owned by `wait`. */
int sill__wait_pollable(sill__wait *wait, sill_handle *out);
/* Cheap when there is no pollable or nothing changes. */
void sill__wait_pending(sill__wait *wait, bool pending);
/* Makes the pollable ready also once `when` has passed (SILL__FOREVER: never). One thread at a
 * time, as above cheap. False: this system's cannot, and something else must make its owner ask
 * again. */
bool sill__wait_alarm(sill__wait *wait, int64_t when);

#endif
