/* wait.c - wait sets over I/O completion ports. See wait.h and wait_win32.h.
 *
 * Every handle skips packets for operations that end at once, so each operation that was pending
 * gives exactly one packet, and nothing else does but a wake-up (a packet without an operation,
 * which only makes sleepers look at their `woken`).
 *
 * A port's lock guards the lists and `outstanding` of everything that is bound to it. One thread at
 * a time sleeps in the port, without the lock (`led`); whoever else has to wait sleeps on the
 * condition variable, until a packet was taken or the sleeper has left and another must follow.
 *
 * The bell is a manual-reset event for foreign event loops. Once there is one, it is the hEvent of
 * every operation of the things in the wait, so Windows sets it as an operation ends. Issuing an
 * operation resets it, whatever ended just before: therefore, after each issue and each look,
 * everything that makes it ready is looked for again (bell_refresh) and it is set if there is any.
 * The order of that is reset, then look: an operation that ends after the look sets the event
 * itself, and one that ended before it is seen, since Windows stores the result before it sets the
 * event. The look walks all operations of the wait; without a bell there is none.
 *
 * Without an event, the end of a thread leaves its operations alone, as their handle is bound to a
 * completion port. With one, it may cancel them; see pipe.c for what comes of that.
 */
#include "wait_win32.h"

#include <stdatomic.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "../thread.h"

#define BATCH   64
#define PENDING 0x103 /* STATUS_PENDING: the operation runs */

struct sill__completions {
    HANDLE port;
    sill__mutex lock;
    sill__cond cond;
    bool led;         /* a thread sleeps in the port */
    unsigned waiting; /* threads on `cond` */
    unsigned references;
};

struct sill__wait_set {
    sill__wait base;
    sill__mutex lock; /* guards the next two; taken before a port's lock */
    struct sill__completions *completions;
    bool busy; /* a thread is in wait_for: the port must stay the same */
    atomic_bool woken;
    /* guarded by the port's lock: */
    struct sill__watched *things;
    struct sill__watched *first, *last; /* those with events */
    HANDLE bell;                        /* NULL until the pollable is asked for */
    bool pending;
};

static struct sill__wait_set *set_of(sill__wait *wait)
{
    return (struct sill__wait_set *)wait;
}

/* ---- ports ---- */

static int completions_create(struct sill__completions **out)
{
    struct sill__completions *made = sill__alloc_zeroed(sizeof *made);
    if (made == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a wait set.");
    made->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (made->port == NULL) {
        int status = sill__fail_os("CreateIoCompletionPort", GetLastError(),
                                   "A completion port cannot be made.");
        sill__free(made);
        return status;
    }
    sill__mutex_init(&made->lock); /* on Windows neither can fail */
    sill__cond_init(&made->cond);
    made->references = 1;
    *out = made;
    return SILL_OK;
}

static struct sill__completions *completions_ref(struct sill__completions *completions)
{
    sill__lock(&completions->lock);
    completions->references++;
    sill__unlock(&completions->lock);
    return completions;
}

static void completions_unref(struct sill__completions *completions)
{
    sill__lock(&completions->lock);
    bool last = --completions->references == 0;
    sill__unlock(&completions->lock);
    if (!last)
        return;
    CloseHandle(completions->port);
    sill__cond_destroy(&completions->cond);
    sill__mutex_destroy(&completions->lock);
    sill__free(completions);
}

/* ---- the bell ---- */

/* An operation that has ended and whose packet is still to be taken, or one that will end without
 * the bell's being told, since it was issued before there was one. */
static bool operation_calls(const struct sill__overlapped *op, HANDLE bell)
{
    return op->outstanding && (op->os.hEvent != bell || HasOverlappedIoCompleted(&op->os));
}

static bool bell_due(const struct sill__wait_set *wait)
{
    if (wait->pending || wait->first != NULL || atomic_load(&wait->woken))
        return true;
    for (const struct sill__watched *thing = wait->things; thing != NULL; thing = thing->next)
        for (const struct sill__overlapped *op = thing->operations; op != NULL; op = op->next)
            if (operation_calls(op, wait->bell))
                return true;
    return false;
}

static void bell_refresh(struct sill__wait_set *wait)
{
    if (wait == NULL || wait->bell == NULL)
        return;
    if (!bell_due(wait)) {
        ResetEvent(wait->bell);
        if (!bell_due(wait))
            return;
    }
    SetEvent(wait->bell);
}

/* Makes reads and connects that run without the bell end, so that they are issued again with it.
 * A write cannot be cut off: until it ends, the bell rings for it. */
static void bell_adopt(struct sill__wait_set *wait, struct sill__watched *thing)
{
    for (struct sill__overlapped *op = thing->operations; op != NULL; op = op->next)
        if (op->outstanding && op->os.hEvent != wait->bell && op->event == SILL__READABLE)
            CancelIoEx(op->handle, &op->os);
}

/* ---- events, under the port's lock ---- */

static void mark(struct sill__watched *watched, unsigned events)
{
    struct sill__wait_set *wait = watched->wait;
    if (wait == NULL)
        return;
    if (watched->events == 0) {
        watched->before = wait->last;
        watched->after = NULL;
        if (wait->last != NULL)
            wait->last->after = watched;
        else
            wait->first = watched;
        wait->last = watched;
    }
    watched->events |= events;
    if (wait->bell != NULL)
        SetEvent(wait->bell);
}

static void clear(struct sill__watched *watched, unsigned events)
{
    struct sill__wait_set *wait = watched->wait;
    if (wait == NULL || watched->events == 0)
        return;
    watched->events &= ~events;
    if (watched->events != 0)
        return;
    if (watched->before != NULL)
        watched->before->after = watched->after;
    else
        wait->first = watched->after;
    if (watched->after != NULL)
        watched->after->before = watched->before;
    else
        wait->last = watched->before;
}

static void take_packets(const OVERLAPPED_ENTRY *entries, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (entries[i].lpOverlapped == NULL)
            continue; /* a wake-up */
        struct sill__overlapped *op = (struct sill__overlapped *)(void *)entries[i].lpOverlapped;
        if (op->os.Internal == PENDING) {
            /* Never on Windows. Wine has the issuing thread store the outcome, and if that thread
             * is just ending, only the packet tells it: how the operation ended, though not what
             * it moved. So only operations of which that is not asked may be left pending: see
             * pipe.c for what that means for reads. */
            op->os.InternalHigh = entries[i].dwNumberOfBytesTransferred;
            op->os.Internal = entries[i].Internal;
        }
        op->outstanding = false;
        mark(op->owner, op->event);
    }
}

/* One turn of waiting, lock held at both ends: sleeps in the port, or, if another thread does, on
 * the condition variable. The caller looks at what it waits for, and at the time, and comes again.
 */
static int turn(struct sill__completions *completions, int64_t deadline)
{
    if (completions->led) {
        completions->waiting++;
        sill__cond_wait(&completions->cond, &completions->lock, deadline);
        completions->waiting--;
        return SILL_OK;
    }
    OVERLAPPED_ENTRY entries[BATCH];
    ULONG count = 0;
    completions->led = true;
    sill__unlock(&completions->lock);
    /* -1, for ever, is INFINITE as it stands */
    BOOL ok = GetQueuedCompletionStatusEx(completions->port, entries, BATCH, &count,
                                          (DWORD)sill__timeout(deadline), FALSE);
    DWORD code = ok ? 0 : GetLastError();
    sill__lock(&completions->lock);
    completions->led = false;
    if (ok)
        take_packets(entries, count);
    if (completions->waiting > 0)
        sill__cond_broadcast(&completions->cond);
    if (ok || code == WAIT_TIMEOUT)
        return SILL_OK;
    return sill__fail_os("GetQueuedCompletionStatusEx", code, "Waiting for channels failed.");
}

/* ---- things that are watched ---- */

int sill__watched_bind(struct sill__watched *watched, sill__wait *base, HANDLE handle)
{
    struct sill__wait_set *wait = base != NULL ? set_of(base) : NULL;
    if (watched->completions == NULL && wait != NULL) {
        sill__lock(&wait->lock);
        watched->completions = completions_ref(wait->completions);
        sill__unlock(&wait->lock);
    } else if (watched->completions == NULL) {
        int status = completions_create(&watched->completions);
        if (status != SILL_OK)
            return status;
    }
    if (CreateIoCompletionPort(handle, watched->completions->port, 0, 0) == NULL)
        return sill__fail_os("CreateIoCompletionPort", GetLastError(),
                             "A pipe cannot be bound to a completion port.");
    if (!SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        return sill__fail_os("SetFileCompletionNotificationModes", GetLastError(),
                             "A pipe cannot be told how to report its completions.");
    return SILL_OK;
}

void sill__watched_share(struct sill__watched *watched, const struct sill__watched *other)
{
    watched->completions = completions_ref(other->completions);
}

/* Sees to it that the wait has the port of what is to be watched in it. Wait's lock held. */
static int join_ports(struct sill__wait_set *wait, const struct sill__watched *watched)
{
    if (watched->completions == wait->completions)
        return SILL_OK;
    if (wait->things != NULL || wait->busy)
        return sill__fail(SILL_INVALID,
                          "A pipe is bound for life to the completion port of the wait set or "
                          "listener that had it first; only that wait set, or one that watches "
                          "nothing yet, can watch it.");
    completions_unref(wait->completions);
    wait->completions = completions_ref(watched->completions);
    return SILL_OK;
}

static void link_thing(struct sill__watched *watched, struct sill__wait_set *wait, void *key)
{
    watched->wait = wait;
    watched->key = key;
    watched->events = 0;
    watched->prev = NULL;
    watched->next = wait->things;
    if (wait->things != NULL)
        wait->things->prev = watched;
    wait->things = watched;
}

int sill__watched_add(struct sill__watched *watched, sill__wait *base, void *key)
{
    struct sill__wait_set *wait = set_of(base);
    sill__lock(&wait->lock);
    int status = join_ports(wait, watched);
    if (status == SILL_OK) {
        sill__lock(&watched->completions->lock);
        link_thing(watched, wait, key);
        if (wait->bell != NULL)
            bell_adopt(wait, watched);
        bell_refresh(wait);
        sill__unlock(&watched->completions->lock);
    }
    sill__unlock(&wait->lock);
    return status;
}

void sill__watched_remove(struct sill__watched *watched)
{
    if (watched->completions == NULL)
        return;
    sill__lock(&watched->completions->lock);
    struct sill__wait_set *wait = watched->wait;
    if (wait != NULL) {
        clear(watched, watched->events);
        if (watched->prev != NULL)
            watched->prev->next = watched->next;
        else
            wait->things = watched->next;
        if (watched->next != NULL)
            watched->next->prev = watched->prev;
        watched->wait = NULL;
        bell_refresh(wait);
    }
    sill__unlock(&watched->completions->lock);
}

void sill__watched_end(struct sill__watched *watched)
{
    if (watched->completions == NULL)
        return;
    sill__watched_remove(watched);
    completions_unref(watched->completions);
    watched->completions = NULL;
}

void sill__watched_mark(struct sill__watched *watched, unsigned events)
{
    sill__lock(&watched->completions->lock);
    mark(watched, events);
    sill__unlock(&watched->completions->lock);
}

void sill__watched_clear(struct sill__watched *watched, unsigned events)
{
    sill__lock(&watched->completions->lock);
    clear(watched, events);
    bell_refresh(watched->wait);
    sill__unlock(&watched->completions->lock);
}

/* ---- operations ---- */

void sill__overlapped_init(struct sill__overlapped *op, struct sill__watched *owner, unsigned event)
{
    op->owner = owner;
    op->event = event;
    op->outstanding = false;
    op->next = owner->operations;
    owner->operations = op;
}

void sill__overlapped_prepare(struct sill__overlapped *op)
{
    struct sill__watched *owner = op->owner;
    sill__lock(&owner->completions->lock);
    /* An event that was marked stays: somebody may sleep until it is reported. */
    op->os = (OVERLAPPED){.Internal = PENDING};
    op->os.hEvent = owner->wait != NULL ? owner->wait->bell : NULL;
    op->outstanding = true;
    sill__unlock(&owner->completions->lock);
}

DWORD sill__overlapped_started(struct sill__overlapped *op, BOOL ok)
{
    DWORD code = ok ? 0 : GetLastError();
    struct sill__completions *completions = op->owner->completions;
    sill__lock(&completions->lock);
    if (code != ERROR_IO_PENDING)
        op->outstanding = false;
    bell_refresh(op->owner->wait);
    sill__unlock(&completions->lock);
    return code;
}

bool sill__overlapped_pending(struct sill__overlapped *op, bool look)
{
    struct sill__completions *completions = op->owner->completions;
    sill__lock(&completions->lock);
    if (look && op->outstanding && !completions->led)
        turn(completions, 0);
    bool pending = op->outstanding;
    sill__unlock(&completions->lock);
    return pending;
}

bool sill__overlapped_wait(struct sill__overlapped *op, int64_t deadline)
{
    struct sill__completions *completions = op->owner->completions;
    if (completions == NULL)
        return true; /* nothing was ever issued */
    sill__lock(&completions->lock);
    while (op->outstanding && (deadline == SILL__FOREVER || sill__now_ns() < deadline) &&
           turn(completions, deadline) == SILL_OK)
        ;
    bool ended = !op->outstanding;
    if (completions->waiting > 0)
        sill__cond_broadcast(&completions->cond); /* another must sleep in the port now */
    sill__unlock(&completions->lock);
    return ended;
}

void sill__overlapped_cancel(struct sill__overlapped *op)
{
    if (!sill__overlapped_wait(op, 0)) {
        CancelIoEx(op->handle, &op->os);
        sill__overlapped_wait(op, SILL__FOREVER);
    }
}

DWORD sill__overlapped_result(struct sill__overlapped *op, DWORD *bytes)
{
    *bytes = 0;
    return GetOverlappedResult(op->handle, &op->os, bytes, FALSE) ? 0 : GetLastError();
}

/* ---- wait sets ---- */

static int create(sill__wait **out)
{
    struct sill__wait_set *wait = sill__alloc_zeroed(sizeof *wait);
    if (wait == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a wait set.");
    wait->base.ops = &sill__wait_system;
    int status = completions_create(&wait->completions);
    if (status != SILL_OK) {
        sill__free(wait);
        return status;
    }
    sill__mutex_init(&wait->lock); /* on Windows it cannot fail */
    *out = &wait->base;
    return SILL_OK;
}

static void destroy(sill__wait *base)
{
    struct sill__wait_set *wait = set_of(base);
    completions_unref(wait->completions);
    if (wait->bell != NULL)
        CloseHandle(wait->bell);
    sill__mutex_destroy(&wait->lock);
    sill__free(wait);
}

static size_t take_events(struct sill__wait_set *wait, struct sill__event *events, size_t capacity)
{
    size_t count = 0;
    while (count < capacity && wait->first != NULL) {
        struct sill__watched *thing = wait->first;
        events[count++] = (struct sill__event){thing->key, thing->events};
        clear(thing, thing->events);
    }
    return count;
}

static void busy(struct sill__wait_set *wait, bool on)
{
    sill__lock(&wait->lock);
    wait->busy = on;
    sill__unlock(&wait->lock);
}

static int wait_for(sill__wait *base, int64_t deadline, struct sill__event *events,
                    size_t capacity, size_t *count)
{
    struct sill__wait_set *wait = set_of(base);
    busy(wait, true);
    struct sill__completions *completions = wait->completions;
    sill__lock(&completions->lock);
    int status = SILL_OK;
    bool looked = false;
    while (!atomic_exchange(&wait->woken, false) && wait->first == NULL) {
        if (looked && deadline != SILL__FOREVER && sill__now_ns() >= deadline) {
            status = SILL_TIMEOUT;
            break;
        }
        status = turn(completions, deadline);
        looked = true;
        if (status != SILL_OK)
            break;
    }
    *count = status == SILL_OK ? take_events(wait, events, capacity) : 0;
    bell_refresh(wait);
    if (completions->waiting > 0 && !completions->led)
        sill__cond_broadcast(&completions->cond); /* another must sleep in the port now */
    sill__unlock(&completions->lock);
    busy(wait, false);
    return status;
}

/* A flag and a packet: whoever takes the packet makes all sleepers look at their flags. A console
 * handler runs in a thread of its own, so the lock is no danger to it. */
static void wake(sill__wait *base)
{
    struct sill__wait_set *wait = set_of(base);
    if (atomic_exchange(&wait->woken, true))
        return; /* its packet, or the sleeper that it woke, is under way */
    sill__lock(&wait->lock);
    PostQueuedCompletionStatus(wait->completions->port, 0, 0, NULL);
    if (wait->bell != NULL)
        SetEvent(wait->bell);
    sill__unlock(&wait->lock);
}

static int pollable(sill__wait *base, sill_handle *out)
{
    struct sill__wait_set *wait = set_of(base);
    int status = SILL_OK;
    sill__lock(&wait->lock);
    struct sill__completions *completions = wait->completions;
    sill__lock(&completions->lock);
    if (wait->bell == NULL) {
        wait->bell = CreateEventW(NULL, TRUE, FALSE, NULL);
        if (wait->bell == NULL)
            status = sill__fail_os("CreateEventW", GetLastError(),
                                   "The event for foreign event loops cannot be made.");
        for (struct sill__watched *thing = wait->things; status == SILL_OK && thing != NULL;
             thing = thing->next)
            bell_adopt(wait, thing);
        bell_refresh(wait);
    }
    if (status == SILL_OK)
        *out = (sill_handle)wait->bell;
    sill__unlock(&completions->lock);
    sill__unlock(&wait->lock);
    return status;
}

static void tell_pending(sill__wait *base, bool pending)
{
    struct sill__wait_set *wait = set_of(base);
    if (wait->pending == pending)
        return;
    sill__lock(&wait->lock);
    sill__lock(&wait->completions->lock);
    wait->pending = pending;
    bell_refresh(wait);
    sill__unlock(&wait->completions->lock);
    sill__unlock(&wait->lock);
}

const struct sill__wait_ops sill__wait_system = {
    .create = create,
    .destroy = destroy,
    .wait_for = wait_for,
    .wake = wake,
    .pollable = pollable,
    .pending = tell_pending,
    .alarm = NULL, /* the handle is one event, and a timer is another handle */
};
