/* hub.c - leader and followers over one wait set. See hub.h.
 *
 * No wake-up is lost: a thread checks what it waits for with the lock held and then either becomes
 * the leader (events that come from then on are reported by the wait set, whose edges are sticky)
 * or sleeps on the condition variable (whoever changes anything under the lock broadcasts). The
 * leader broadcasts each time it returns from its sleep and when it leaves, so while anybody
 * waits, somebody leads. A cancel may come without the lock, from a signal handler: it wakes the
 * leader, which broadcasts.
 *
 * The leader's reports are keys without the lock: until it has the lock back, another thread may
 * end what they stand for. So a source that is forgotten is marked, and its memory stays until no
 * leader can hold its key any more.
 */
#include "hub.h"

#include "memory.h"
#include "process.h"
#include "status.h"

#define EVENTS_AT_ONCE 64
#define UNSURE_NS      INT64_C(5000000)

int sill__hub_create(struct sill__hub **out, const struct sill__wait_ops *wait)
{
    struct sill__hub *hub = sill__alloc_zeroed(sizeof *hub);
    if (hub == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a port");
    int rc = sill__mutex_init(&hub->lock);
    if (rc != 0)
        goto fail_memory;
    rc = sill__cond_init(&hub->cond);
    if (rc != 0)
        goto fail_mutex;
    rc = wait->create(&hub->wait);
    if (rc != 0)
        goto fail_cond;
    hub->alarm = SILL__FOREVER;
    hub->generation = sill__fork_generation();
    atomic_init(&hub->references, 1);
    *out = hub;
    return 0;

fail_cond:
    sill__cond_destroy(&hub->cond);
fail_mutex:
    sill__mutex_destroy(&hub->lock);
fail_memory:
    sill__free(hub);
    return rc;
}

void sill__hub_ref(struct sill__hub *hub)
{
    atomic_fetch_add_explicit(&hub->references, 1, memory_order_relaxed);
}

static void free_graves(struct sill__hub *hub)
{
    for (struct sill__source *source; (source = hub->graves) != NULL;) {
        hub->graves = source->next;
        source->bury(source);
    }
}

void sill__hub_unref(struct sill__hub *hub)
{
    /* acq_rel: what other threads did to the hub before their unref is seen by who frees */
    if (atomic_fetch_sub_explicit(&hub->references, 1, memory_order_acq_rel) != 1)
        return;
    free_graves(hub);
    sill__wait_destroy(hub->wait);
    sill__free(hub->words);
    if (sill__hub_is_ours(hub)) { /* a lock that a thread of the parent held stays held for ever */
        sill__cond_destroy(&hub->cond);
        sill__mutex_destroy(&hub->lock);
    }
    sill__free(hub);
}

/* Before the lock is released: whoever polls must see what this thread has taken in, and hears of
 * what lies in memory by the bell alone. */
static void tell_pollable(struct sill__hub *hub)
{
    if (!hub->pollable)
        return;
    hub->timed = sill__wait_alarm(hub->wait, hub->alarm);
    sill__wait_pending(hub->wait, hub->first != NULL || hub->pending(hub) ||
                                      !sill__hub_go_cold(hub, NULL));
}

void sill__hub_leave_with_news(struct sill__hub *hub)
{
    tell_pollable(hub);
    if (hub->first != NULL && hub->waiting > 0) {
        /* Work is left over and its edge is used up: the leader must not sleep on. */
        if (hub->led)
            sill__wait_wake(hub->wait);
        else
            sill__cond_broadcast(&hub->cond);
    }
    sill__unlock(&hub->lock);
}

void sill__hub_ready(struct sill__hub *hub, struct sill__source *source, unsigned events)
{
    if (source->gone)
        return;
    source->events |= events;
    if (source->queued)
        return;
    source->queued = true;
    source->next = NULL;
    if (hub->last != NULL)
        hub->last->next = source;
    else
        hub->first = source;
    hub->last = source;
}

static void take_out(struct sill__hub *hub, struct sill__source *source)
{
    struct sill__source **at = &hub->first, *before = NULL;
    while (*at != NULL && *at != source) {
        before = *at;
        at = &(*at)->next;
    }
    if (*at == NULL)
        return;
    *at = source->next;
    if (hub->last == source)
        hub->last = before;
    source->queued = false;
    source->events = 0;
}

void sill__hub_forget(struct sill__hub *hub, struct sill__source *source)
{
    take_out(hub, source);
    sill__hub_cool(hub, source);
    sill__hub_unhold(hub, source);
    source->gone = true;
}

void sill__hub_bury(struct sill__hub *hub, struct sill__source *source)
{
    if (!hub->led) {
        source->bury(source);
        return;
    }
    source->next = hub->graves;
    hub->graves = source;
}

void sill__hub_changed(struct sill__hub *hub)
{
    if (hub->led)
        atomic_store_explicit(&hub->poked, true, memory_order_relaxed);
    if (hub->followers > 0)
        sill__cond_broadcast(&hub->cond);
}

/* Lets every source that is ready now work once. */
static void take_turn(struct sill__hub *hub)
{
    size_t turns = 0;
    hub->fresh = false;
    for (struct sill__source *s = hub->first; s != NULL; s = s->next)
        turns++;
    for (; turns > 0 && hub->first != NULL; turns--) {
        struct sill__source *source = hub->first;
        unsigned events = source->events;
        take_out(hub, source); /* it may end itself */
        unsigned left = source->work(source, events);
        if (left != 0)
            sill__hub_ready(hub, source, left);
    }
}

/* Asks the wait set, for as long as `until`, and notes what is reported. The lock is released
 * meanwhile. */
static int ask(struct sill__hub *hub, int64_t until)
{
    struct sill__event events[EVENTS_AT_ONCE];
    size_t count = 0;
    hub->fresh = true;
    sill__unlock(&hub->lock);
    int rc = sill__wait_for(hub->wait, until, events, EVENTS_AT_ONCE, &count);
    sill__lock(&hub->lock);
    for (size_t i = 0; rc == 0 && i < count; i++)
        sill__hub_ready(hub, events[i].key, events[i].events);
    return rc == SILL_TIMEOUT ? 0 : rc;
}

/* Looks at what is hot, asks the wait set, sleeps: whatever is due. */
static int lead(struct sill__hub *hub, const struct sill__until *until,
                struct sill__patience *patience)
{
    int rc = 0;
    hub->led = true;
    enum sill__spun spun =
        hub->first != NULL ? SILL__SPUN_ASK : sill__hub_spin(hub, until, patience);
    if (spun == SILL__SPUN_OUT && !sill__hub_go_cold(hub, until))
        spun = SILL__SPUN_FOUND;
    if (spun == SILL__SPUN_OUT) {
        tell_pollable(hub);
        int64_t end = sill__earlier(until->deadline, hub->alarm);
        rc = ask(hub, hub->unsure ? sill__earlier(end, sill__now_ns() + UNSURE_NS) : end);
        if (patience->over && hub->first != NULL)
            sill__hub_slept(hub, patience->since);
    } else if (spun == SILL__SPUN_ASK) {
        rc = ask(hub, 0);
    } else {
        sill__hub_seen(hub);
    }
    hub->led = false;
    free_graves(hub);
    sill__hub_changed(hub);
    if (hub->alarm != SILL__FOREVER && spun != SILL__SPUN_FOUND && hub->alarm <= sill__now_ns())
        hub->on_alarm(hub);
    return rc;
}

/* Somebody else leads: sleeps until it has news. */
static int follow(struct sill__hub *hub, const struct sill__until *until)
{
    if (until->arm != NULL && sill__hub_arm(hub, until))
        return 0;
    tell_pollable(hub);
    hub->followers++;
    bool woken = sill__cond_wait(&hub->cond, &hub->lock, until->deadline);
    hub->followers--;
    if (woken)
        return SILL_AGAIN;
    return until->done(until->arg) ? 0 : SILL_TIMEOUT;
}

static int wait_step(struct sill__hub *hub, const struct sill__until *until, bool *looked,
                     struct sill__patience *patience)
{
    if (until->done(until->arg))
        return 0;
    unsigned asked = atomic_load(&until->cancels->asked);
    if (asked != until->seen) {
        until->cancels->told = asked;
        return sill__fail(SILL_CANCELED, "the waiting call was canceled");
    }
    if (hub->led)
        return follow(hub, until);
    if (hub->first != NULL && hub->fresh) {
        take_turn(hub);
        sill__hub_changed(hub);
        if (until->done(until->arg))
            return 0;
    }
    /* Between two turns the wait set is asked at least once: busy sources must not keep others'
     * reports, the alarm, or the deadline from being seen. */
    if (*looked && until->deadline != SILL__FOREVER && until->deadline <= sill__now_ns())
        return SILL_TIMEOUT;
    *looked = true;
    int rc = lead(hub, until, patience);
    return rc == 0 ? SILL_AGAIN : rc;
}

/* A stream of messages in memory must not keep what comes by the wait set from being seen. */
static int ask_in_between(struct sill__hub *hub)
{
    hub->led = true;
    int rc = ask(hub, 0);
    hub->led = false;
    free_graves(hub);
    sill__hub_cool_idle(hub, hub->asked);
    if (hub->first != NULL)
        take_turn(hub);
    sill__hub_changed(hub);
    return rc;
}

int sill__hub_wait(struct sill__hub *hub, const struct sill__until *until)
{
    bool looked = false;
    struct sill__patience patience = {0};
    int rc = 0;
    if (hub->held != NULL)
        sill__hub_ring_held(hub);
    hub->waiting++;
    if (hub->hot != NULL && !hub->led && sill__hub_overdue(hub))
        rc = ask_in_between(hub);
    if (rc == 0) {
        do
            rc = wait_step(hub, until, &looked, &patience);
        while (rc == SILL_AGAIN);
    }
    hub->waiting--;
    if (!hub->led)
        sill__hub_changed(hub); /* somebody else must lead now */
    return rc;
}

void sill__hub_cancel(struct sill__hub *hub, struct sill__cancels *cancels)
{
    atomic_fetch_add(&cancels->asked, 1);
    atomic_store_explicit(&hub->poked, true, memory_order_relaxed);
    sill__wait_wake(hub->wait);
}

int sill__hub_pollable(struct sill__hub *hub, sill_handle *out)
{
    int rc = sill__wait_pollable(hub->wait, out);
    if (rc == 0)
        hub->pollable = true;
    return rc;
}
