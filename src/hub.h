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
 * A source may also have memory to look at: the rings that its peer writes. Those that have been busy
 * lately are hot: the leader looks at their words itself, for as long as the policy says, before it
 * sleeps. Before it sleeps it arms them (each tells its peer to ring), makes a full barrier and looks
 * once more; from then on they are cold and come back with the peer's bell. So idle sources cost
 * nothing, and no word is missed.
 *
 * Everything here but sill__hub_cancel is done with the lock held unless it says otherwise.
 */
#ifndef SILL__HUB_H
#define SILL__HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "process.h"
#include "thread.h"
#include "wait.h"

#define SILL__SCRATCH (16 * 1024) /* bytes on the stack for reads of a channel */

#define SILL__LOOKED 8 /* an event beside those of wait.h: there is something in the memory */
#define SILL__SERVED 64 /* messages between looks at the clock */
#define SILL__LOOKS  2 /* words to look at in one source */

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
    void (*bury)(struct sill__source *source); /* frees it: sill__hub_bury */

    /* Of a source with memory to look at; `looks` is NULL for others. */
    /* The words that become other than 0 when there is something; returns how many. `all`: also
     * where what is there was seen by a leader that had no use for it. */
    unsigned (*looks)(struct sill__source *source, const _Atomic uint32_t *words[SILL__LOOKS],
                      bool all);
    /* A leader has seen what is there now and told everybody: it need not look at it again. */
    void (*seen)(struct sill__source *source);
    /* Tells the peer to ring from now on, or that it need not. */
    void (*arm)(struct sill__source *source, bool on);
    /* After arming and a fence: whether the peer makes none, so that it must be made for it. */
    bool (*lazy)(struct sill__source *source);
    /* Whether the peer says that something is about to come. */
    bool (*soon)(struct sill__source *source);
    /* Rings the bell that was held back (sill__hub_hold). */
    void (*ring)(struct sill__source *source);
    bool hot;
    bool held;
    bool touched;       /* something was taken from it since it was last seen to */
    int64_t idle_since; /* hot and not touched since then */
    struct sill__source *hot_next, *hot_previous;
    struct sill__source *next_held;
};

struct sill__hub {
    sill__mutex lock;
    sill__cond cond;
    sill__wait *wait;
    bool led;         /* a thread sleeps in the wait set */
    unsigned waiting; /* threads in sill__hub_wait */
    unsigned followers; /* those that sleep on the condition variable */
    struct sill__source *first, *last; /* ready list */
    bool fresh; /* the wait set was asked since the last turn */
    struct sill__source *graves; /* to be freed when the leader is back */
    struct sill__source *hot;    /* whose words are looked at */
    unsigned hot_count;
    struct sill__source *held;   /* with a bell that is held back */
    const _Atomic uint32_t **words; /* what a spinning leader looks at: its copy */
    unsigned words_capacity;
    atomic_bool poked;   /* ends a leader's spin */
    bool unsure;         /* a barrier could not be made: what a lazy peer published may come to be
                            seen without a bell, so sleeps are short */
    int64_t spin_ns;     /* how long a leader looks before it sleeps */
    int64_t spin_now;    /* what of that is worth while, as it has turned out */
    unsigned vain;       /* looks in a row that came to nothing */
    unsigned run;        /* messages taken since the last look */
    unsigned served;     /* waits that ended at once since the clock was last looked at */
    int64_t asked;       /* when the wait set was last asked */
    int64_t alarm;                     /* `on_alarm` is called when it has passed */
    void (*on_alarm)(struct sill__hub *hub);
    bool pollable;         /* somebody waits on the pollable handle */
    bool timed;            /* that handle keeps the alarm */
    bool (*pending)(struct sill__hub *hub); /* whether something waits to be received */
    void *owner; /* the port or server whose hub it is, for on_alarm and pending */
    uint32_t generation;   /* sill__fork_generation of the process it belongs to */
    atomic_uint references;
};

/* A hub with one reference and a wait set of that kind. 0, NO_MEMORY, LIMIT, OS. No lock. */
int sill__hub_create(struct sill__hub **out, const struct sill__wait_ops *wait);
/* Its leaders look for spin_ns before they sleep (0 at first). */
void sill__hub_set_spin(struct sill__hub *hub, uint64_t spin_ns);
void sill__hub_ref(struct sill__hub *hub);
/* The last reference frees it; its lock must not be held. In a forked child it frees memory only.
 */
void sill__hub_unref(struct sill__hub *hub);
/* False in a forked child: the hub is the parent's. No lock needed. */
static inline bool sill__hub_is_ours(const struct sill__hub *hub)
{
    return hub->generation == sill__fork_generation();
}

static inline void sill__hub_enter(struct sill__hub *hub)
{
    sill__lock(&hub->lock);
}
/* Releases the lock; before that tells the pollable handle whether something is pending, and
 * wakes a thread to lead if work is left over. */
void sill__hub_leave_with_news(struct sill__hub *hub);
static inline void sill__hub_leave(struct sill__hub *hub)
{
    if (hub->pollable || hub->first != NULL)
        sill__hub_leave_with_news(hub);
    else
        sill__unlock(&hub->lock);
}

/* Puts a source into the ready list with these events, or adds them. */
void sill__hub_ready(struct sill__hub *hub, struct sill__source *source, unsigned events);
/* Takes it out for good. Call after it is unwatched. */
void sill__hub_forget(struct sill__hub *hub, struct sill__source *source);
/* Calls `bury` of a source that was forgotten: at once, or, if a leader may come back with a report
 * of it or looks at its memory, then. */
void sill__hub_bury(struct sill__hub *hub, struct sill__source *source);
/* From now on its memory is looked at. Without memory for that it stays armed. */
void sill__hub_heat(struct sill__hub *hub, struct sill__source *source);
/* Lets every hot source with something in its memory work: they are due. */
void sill__hub_look(struct sill__hub *hub);
/* The bell of this source is rung when a thread of this hub next waits, or by sill__hub_unhold. */
void sill__hub_hold(struct sill__hub *hub, struct sill__source *source);
void sill__hub_unhold(struct sill__hub *hub, struct sill__source *source);

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
    void (*arm)(void *arg); /* not NULL: `done` looks at memory that nothing here looks at; it is
                               asked often, and before a sleep this tells the peer to ring */
    struct sill__source *source; /* with `arm`: whose peer that is */
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

/* ---- hub_look.c, for hub.c ---- */

/* How long one wait looks before it sleeps. Zero at its beginning. */
struct sill__patience {
    int64_t since, end, ask; /* end 0: it has not begun to look */
    int64_t last;            /* until when it looks on for what is about to come; 0: not needed yet */
    bool over;
};
enum sill__spun {
    SILL__SPUN_FOUND, /* there is something, or `done` is to be asked */
    SILL__SPUN_ASK,   /* nothing yet, and the wait set is to be asked */
    SILL__SPUN_OUT    /* nothing, and it is time to sleep */
};
/* The leader looks at what is hot; releases the lock meanwhile. */
enum sill__spun sill__hub_spin(struct sill__hub *hub, const struct sill__until *until,
                               struct sill__patience *patience);
/* What is there has been found: everybody is told, and it is looked past from now on. */
void sill__hub_seen(struct sill__hub *hub);
/* A sleep that began after looking from `since` on has ended with news. */
void sill__hub_slept(struct sill__hub *hub, int64_t since);
/* Arms everything, and `until` (may be NULL). False: there is something after all. */
bool sill__hub_go_cold(struct sill__hub *hub, const struct sill__until *until);
/* Arms `until` alone. True: there is something after all. */
bool sill__hub_arm(struct sill__hub *hub, const struct sill__until *until);
/* Takes out one, or those that have been idle beside busy ones. */
void sill__hub_cool(struct sill__hub *hub, struct sill__source *source);
void sill__hub_cool_idle(struct sill__hub *hub, int64_t now);
/* Whether so much was handed out without a sleep that the wait set must be asked. */
bool sill__hub_overdue_now(struct sill__hub *hub);
static inline bool sill__hub_overdue(struct sill__hub *hub)
{
    return ++hub->served >= SILL__SERVED && sill__hub_overdue_now(hub);
}
void sill__hub_ring_held(struct sill__hub *hub);

#endif
