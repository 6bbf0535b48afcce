/* hub_look.c - the memory that a hub looks at: hot sources, the spin, and the way to sleep.
 *
 * Hot sources stand in a list. A leader copies the addresses of their words and looks at them
 * without the lock, so that others can work meanwhile; what it sees there only makes it take the lock
 * and look properly. The words stay mapped while there is a leader: whoever ends a source buries it
 * (hub.h). A word that is not up to date any more, since somebody took the record, is other than 0
 * still, so the leader comes back at once and copies anew.
 *
 * A leader may wait for something else than messages, and then what it finds is for others. It tells
 * them all, once, and looks past it until somebody has dealt with it: it would only keep the lock from
 * them.
 *
 * The way to sleep is always the same: arm (a store to own memory that the peer reads), a barrier
 * (barrier.h), look once more. docs/model checks it.
 *
 * How long a leader looks adapts: looks that came to nothing several times in a row are shortened
 * by half, down to a sixteenth, and a message that would have come in time restores them. A peer that
 * is writing a large message says so when little of it is left; then it is worth while to look on,
 * for a sleep and a wake-up would take longer.
 */
#include "hub.h"

#include "barrier.h"
#include "memory.h"

#define ASK_NS      INT64_C(50000) /* between looks at the wait set while busy */
#define CLOCK_LOOKS 64             /* looks between looks at the clock */
#define POLL_LOOKS  16             /* looks between questions to `done` */
#define SOON_NS     INT64_C(100000) /* how long to look on, since something is about to come */
#define IN_VAIN_MAX 4
#define STREAM_RUN  8              /* messages at one go that make a stream of them */
#define STREAM_REST 64             /* and how long it is then left alone, in sill__relax */
#define COOL_NS     INT64_C(1000000) /* a source that is idle for so long beside busy ones */

void sill__hub_set_spin(struct sill__hub *hub, uint64_t spin_ns)
{
    hub->spin_ns = hub->spin_now = (int64_t)spin_ns;
}

static bool is_due(struct sill__source *source, bool all)
{
    const _Atomic uint32_t *words[SILL__LOOKS];
    unsigned count = source->looks(source, words, all);
    for (unsigned i = 0; i < count; i++)
        if (atomic_load_explicit(words[i], memory_order_relaxed) != 0)
            return true;
    return false;
}

/* ---- the list ---- */

void sill__hub_heat(struct sill__hub *hub, struct sill__source *source)
{
    if (source->looks == NULL || source->gone)
        return;
    source->touched = true;
    if (source->hot)
        return;
    source->arm(source, false);
    source->hot = true;
    source->hot_previous = NULL;
    source->hot_next = hub->hot;
    if (hub->hot != NULL)
        hub->hot->hot_previous = source;
    hub->hot = source;
    hub->hot_count++;
    if (hub->led) { /* whoever leads does not know of it, and may be asleep */
        atomic_store_explicit(&hub->poked, true, memory_order_relaxed);
        sill__wait_wake(hub->wait);
    }
}

void sill__hub_cool(struct sill__hub *hub, struct sill__source *source)
{
    if (!source->hot)
        return;
    source->hot = false;
    if (source->hot_previous != NULL)
        source->hot_previous->hot_next = source->hot_next;
    else
        hub->hot = source->hot_next;
    if (source->hot_next != NULL)
        source->hot_next->hot_previous = source->hot_previous;
    hub->hot_count--;
}

void sill__hub_look(struct sill__hub *hub)
{
    for (struct sill__source *source = hub->hot, *next; source != NULL; source = next) {
        next = source->hot_next; /* it may go */
        if (!is_due(source, true))
            continue;
        source->touched = true;
        source->work(source, SILL__LOOKED);
    }
}

/* Between arming and the last look. */
static void barrier(struct sill__hub *hub, const struct sill__until *until)
{
    /* seq_cst, pairs with the fence in link_ring.c: either the peer sees what we armed, or we see what
     * it published. A lazy peer makes none: it is made for it. */
    atomic_thread_fence(memory_order_seq_cst);
    bool lazy = until != NULL && until->arm != NULL && until->source->lazy(until->source);
    for (struct sill__source *s = hub->hot; s != NULL && !lazy; s = s->hot_next)
        lazy = s->lazy(s);
    hub->unsure = lazy && !sill__barrier_all();
}

bool sill__hub_arm(struct sill__hub *hub, const struct sill__until *until)
{
    until->arm(until->arg);
    barrier(hub, until);
    return until->done(until->arg);
}

bool sill__hub_go_cold(struct sill__hub *hub, const struct sill__until *until)
{
    bool found = false;
    for (struct sill__source *s = hub->hot; s != NULL; s = s->hot_next)
        s->arm(s, true);
    if (until != NULL && until->arm != NULL)
        until->arm(until->arg);
    if (hub->hot == NULL && (until == NULL || until->arm == NULL))
        return true;
    barrier(hub, until);
    if (until != NULL && until->arm != NULL)
        found = until->done(until->arg);
    for (struct sill__source *s = hub->hot, *next; s != NULL; s = next) {
        next = s->hot_next;
        if (is_due(s, false)) {
            s->arm(s, false);
            found = true;
        } else if (!is_due(s, true)) { /* otherwise it must be found by those whom it is for */
            sill__hub_cool(hub, s);
        }
    }
    return !found;
}

void sill__hub_cool_idle(struct sill__hub *hub, int64_t now)
{
    bool any = false;
    if (hub->hot_count < 2)
        return;
    int64_t limit = hub->spin_ns > COOL_NS ? hub->spin_ns : COOL_NS;
    for (struct sill__source *s = hub->hot; s != NULL; s = s->hot_next) {
        if (s->touched)
            s->idle_since = now;
        s->touched = false;
        if (now - s->idle_since < limit)
            continue;
        s->arm(s, true);
        any = true;
    }
    if (!any)
        return;
    barrier(hub, NULL);
    for (struct sill__source *s = hub->hot, *next; s != NULL; s = next) {
        next = s->hot_next;
        if (now - s->idle_since < limit)
            continue;
        if (is_due(s, true))
            s->arm(s, false);
        else
            sill__hub_cool(hub, s);
    }
}

/* ---- looking ---- */

void sill__hub_seen(struct sill__hub *hub)
{
    for (struct sill__source *s = hub->hot; s != NULL; s = s->hot_next)
        s->seen(s);
}

/* The words of all hot sources, as the leader's copy. False: no memory for it. */
static bool copy_words(struct sill__hub *hub, unsigned *count)
{
    unsigned need = hub->hot_count * SILL__LOOKS;
    if (need > hub->words_capacity) {
        const _Atomic uint32_t **words =
            sill__realloc(hub->words, 2 * need * sizeof *words); /* NOLINT(bugprone-sizeof-*) */
        if (words == NULL)
            return false;
        hub->words = words;
        hub->words_capacity = 2 * need;
    }
    *count = 0;
    for (struct sill__source *s = hub->hot; s != NULL; s = s->hot_next)
        *count += s->looks(s, hub->words + *count, false);
    return true;
}

/* Looks at the words, without the lock, until one is not 0, somebody pokes, or `end`. */
static bool watch(struct sill__hub *hub, unsigned count, unsigned looks, int64_t end)
{
    for (unsigned i = 1;; i++) {
        for (unsigned k = 0; k < count; k++)
            if (atomic_load_explicit(hub->words[k], memory_order_relaxed) != 0)
                return true;
        if (atomic_load_explicit(&hub->poked, memory_order_relaxed))
            return true;
        if (i % looks == 0 && (looks < CLOCK_LOOKS || sill__now_ns() >= end))
            return false;
        sill__relax();
    }
}

static void in_vain(struct sill__hub *hub)
{
    if (++hub->vain < IN_VAIN_MAX)
        return;
    hub->vain = 0;
    if (hub->spin_now > hub->spin_ns / 16)
        hub->spin_now /= 2;
}

void sill__hub_slept(struct sill__hub *hub, int64_t since)
{
    if (hub->spin_now < hub->spin_ns && sill__now_ns() - since < hub->spin_ns)
        hub->spin_now = hub->spin_ns;
}

/* Whoever has just emptied a ring in which messages stream leaves it alone for a moment: each look
 * takes the line away from its writer, who could fill several meanwhile. Messages that come singly
 * are looked for eagerly. */
static void rest(unsigned run)
{
    if (run < STREAM_RUN)
        return;
    for (unsigned i = 0; i < STREAM_REST; i++)
        sill__relax();
}

/* The first looks are without the clock, whose reading would take as long as a message does. */
static bool begin(struct sill__hub *hub, unsigned count, struct sill__patience *patience)
{
    if (watch(hub, count, CLOCK_LOOKS, 0))
        return true;
    patience->since = sill__now_ns();
    patience->end = patience->since + hub->spin_now;
    patience->ask = patience->since + ASK_NS;
    return false;
}

/* The time to look is over. True: it goes on, since a peer says that something is about to come.
 * Peers may lie, so once, and not for long. */
static bool look_on(struct sill__hub *hub, struct sill__patience *patience)
{
    bool soon = false;
    for (struct sill__source *s = hub->hot; s != NULL && !soon; s = s->hot_next)
        soon = s->soon(s);
    if (!soon)
        return false;
    int64_t now = sill__now_ns();
    if (patience->last == 0)
        patience->last = now + SOON_NS;
    patience->end = sill__earlier(patience->last, now + hub->spin_ns);
    return now < patience->last;
}

enum sill__spun sill__hub_spin(struct sill__hub *hub, const struct sill__until *until,
                               struct sill__patience *patience)
{
    unsigned count = 0;
    bool polls = until->arm != NULL, found = false;
    if (hub->spin_ns == 0 || (hub->hot == NULL && !polls) ||
        (patience->over && !look_on(hub, patience)))
        return SILL__SPUN_OUT;
    if (until->deadline == 0)
        return SILL__SPUN_ASK;
    if (!copy_words(hub, &count))
        return SILL__SPUN_OUT;
    atomic_store_explicit(&hub->poked, false, memory_order_relaxed);
    unsigned run = hub->run;
    hub->run = 0;
    sill__unlock(&hub->lock);
    rest(run);
    if (patience->end == 0)
        found = begin(hub, count, patience);
    int64_t end = sill__earlier(sill__earlier(patience->end, patience->ask), until->deadline);
    if (!found)
        found = watch(hub, count, polls ? POLL_LOOKS : CLOCK_LOOKS, end);
    sill__lock(&hub->lock);
    if (found || atomic_load_explicit(&hub->poked, memory_order_relaxed)) {
        hub->vain = 0;
        return SILL__SPUN_FOUND;
    }
    int64_t now = sill__now_ns();
    if (now >= patience->end) {
        if (!patience->over)
            in_vain(hub);
        patience->over = true;
        return look_on(hub, patience) ? SILL__SPUN_FOUND : SILL__SPUN_OUT;
    }
    if (now < patience->ask)
        return SILL__SPUN_FOUND; /* `done` is to be asked, or it is too late */
    patience->ask = now + ASK_NS;
    return SILL__SPUN_ASK;
}

bool sill__hub_overdue_now(struct sill__hub *hub)
{
    hub->served = 0;
    int64_t now = sill__now_ns();
    if (now - hub->asked < ASK_NS)
        return false;
    hub->asked = now;
    return true;
}

/* ---- bells that are held back ---- */

void sill__hub_hold(struct sill__hub *hub, struct sill__source *source)
{
    if (source->held || source->gone)
        return;
    source->held = true;
    source->next_held = hub->held;
    hub->held = source;
}

void sill__hub_unhold(struct sill__hub *hub, struct sill__source *source)
{
    if (!source->held)
        return;
    struct sill__source **at = &hub->held;
    while (*at != source)
        at = &(*at)->next_held;
    *at = source->next_held;
    source->held = false;
}

void sill__hub_ring_held(struct sill__hub *hub)
{
    for (struct sill__source *source; (source = hub->held) != NULL;) {
        sill__hub_unhold(hub, source);
        source->ring(source);
    }
}
