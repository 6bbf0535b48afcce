/* hub.h - one lock, one wait set and the threads that sleep on it.
 *
 * A client's port has a hub of its own; a server and all its ports share one. The threads that
 * wait in calls on a hub agree among themselves, without a thread of ours: one of them, the
 * leader, sleeps in the wait set and does what comes in for everybody; the others sleep on the
 * condition variable until what they want has happened or the leader has left and one of them
 * becomes the leader.
 *
 * A source is what can have work: a connection, a listener. Reports of the wait set are edges
 * (wait.h), so a source that is not finished stays in the ready list; it is worked on a bounded
 * amount at a time, in turn with the others.
 *
 * Everything here but sill__hub_cancel is done with the lock held unless it says otherwise.
 */
#ifndef SILL__HUB_H
#define SILL__HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "thread.h"
#include "wait.h"

#define SILL__SCRATCH (64 * 1024)

struct sill__source {
    /* Does a bounded amount of the work that `events` (wait.h) tell of. Returns the events that
     * remain: not 0 keeps it in the ready list, and the hub from sleeping; one that cannot go on
     * for now returns 0 and calls sill__hub_ready when it can. The key that is watched is the
     * source. */
    unsigned (*work)(struct sill__source *source, unsigned events);
    unsigned events;
    bool queued;
    bool gone; /* forgotten: what is still reported of it is not heeded */
    struct sill__source *next; /* in the ready list, or in the list of those to be freed */
};

struct sill__hub {
    sill__mutex lock;
    sill__cond cond;
    sill__wait *wait;
    bool led;         /* a thread sleeps in the wait set */
    unsigned waiting; /* threads in sill__hub_wait */
    struct sill__source *first, *last; /* ready list */
    bool fresh; /* the wait set was asked since the last turn */
    struct sill__source *graves; /* to be freed when the leader is back */
    int64_t alarm;                     /* `on_alarm` is called when it has passed */
    void (*on_alarm)(struct sill__hub *hub);
    bool pollable;         /* somebody waits on the pollable handle */
    bool timed;            /* that handle keeps the alarm */
    bool (*pending)(struct sill__hub *hub); /* whether something waits to be received */
    void *owner; /* the port or server whose hub it is, for on_alarm and pending */
    uint32_t generation;   /* sill__fork_generation of the process it belongs to */
    atomic_uint references;
    unsigned char scratch[SILL__SCRATCH]; /* for reads, under the lock */
};

/* A hub with one reference. 0, NO_MEMORY, LIMIT, OS. No lock. */
int sill__hub_create(struct sill__hub **out);
void sill__hub_ref(struct sill__hub *hub);
/* The last reference frees it; its lock must not be held. In a forked child it frees memory only.
 */
void sill__hub_unref(struct sill__hub *hub);
/* False in a forked child: the hub is the parent's. No lock needed. */
bool sill__hub_is_ours(const struct sill__hub *hub);

void sill__hub_enter(struct sill__hub *hub);
/* Releases the lock; before that tells the pollable handle whether something is pending, and
 * wakes a thread to lead if work is left over. */
void sill__hub_leave(struct sill__hub *hub);

/* Puts a source into the ready list with these events, or adds them. */
void sill__hub_ready(struct sill__hub *hub, struct sill__source *source, unsigned events);
/* Takes it out for good. Call after it is unwatched. */
void sill__hub_forget(struct sill__hub *hub, struct sill__source *source);
/* Frees the heap block that begins with a source that was forgotten: at once, or, if a leader may
 * come back with a report of it, then. */
void sill__hub_bury(struct sill__hub *hub, struct sill__source *source);

/* Cancels of the calls on a port or server. Each ends the calls that wait at the time, or, so that
 * none is lost between two calls, the next one that would wait. */
struct sill__cancels {
    atomic_uint asked; /* counted up by sill__hub_cancel, without the lock */
    unsigned told;     /* its value when a call last returned SILL_CANCELED */
};

/* What a thread waits for. */
struct sill__until {
    bool (*done)(void *arg);
    void *arg;
    int64_t deadline;
    struct sill__cancels *cancels;
    unsigned seen; /* cancels->told when the call began */
};

/* Waits until done, doing the hub's work meanwhile; the lock is released while it sleeps. 0,
 * TIMEOUT, CANCELED or OS. Looks at what is there before it says TIMEOUT, also for a deadline in
 * the past. */
int sill__hub_wait(struct sill__hub *hub, const struct sill__until *until);

/* Tells waiting threads to look again. */
void sill__hub_changed(struct sill__hub *hub);

/* Cancels and wakes everybody. No lock; signal handlers may. */
void sill__hub_cancel(struct sill__hub *hub, struct sill__cancels *cancels);

int sill__hub_pollable(struct sill__hub *hub, sill_handle *out);

#endif
