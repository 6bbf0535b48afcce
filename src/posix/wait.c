/* wait.c - wait sets on epoll.
 *
 * Every descriptor is registered edge-triggered and carries a slot number and that slot's
 * generation, never a pointer. What epoll reports is looked up under the lock, so an event of a
 * descriptor that was taken out meanwhile (and whose slot may serve another one by now) has an old
 * generation and is dropped.
 *
 * Room for writing is asked for only after a write that found none: a socket tells it whenever the peer
 * has read something, which would wake a thread that sleeps until the peer answers.
 *
 * `wake` is an eventfd in the set: a write to it is all that a wake-up does. The handle for
 * foreign event loops is a second epoll, level-triggered, over the first one (readable while it
 * has something to report), an eventfd that stands for `pending` and a timer for the alarm.
 *
 * Shared between threads: the slots and `pending` (under `lock`). The descriptors never change,
 * except `outer`, `pending_fd` and `timer`, which are made once, under the lock.
 */
#include "wait_posix.h"

#if SILL__WAIT_EPOLL

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "../memory.h"
#include "../process.h"
#include "../status.h"
#include "../thread.h"

#define NO_SLOT  UINT32_MAX
#define WAKE_TAG UINT64_MAX
#define BATCH    128

struct slot {
    void *key;
    int fd;
    unsigned events;
    bool room; /* SILL__WRITABLE is asked for */
    uint32_t generation; /* odd while in use */
    uint32_t next_free;
};

struct wait_set {
    sill__wait base;
    int epoll;
    int wake;
    int outer;      /* -1 until the pollable is asked for */
    int pending_fd; /* likewise */
    int timer;      /* likewise */
    int64_t alarm;  /* what the timer is set to; under the owner's lock, as `pending` */
    atomic_bool pending;
    uint32_t fork_generation;
    sill__mutex lock;
    struct slot *slots;
    uint32_t slot_count;
    uint32_t free_slot;
};

static struct wait_set *set_of(sill__wait *wait)
{
    return (struct wait_set *)wait;
}

static uint32_t mask_of(unsigned events)
{
    uint32_t mask = EPOLLET;
    if (events & (SILL__READABLE | SILL__PEER_DEAD))
        mask |= EPOLLIN | EPOLLRDHUP;
    if (events & SILL__WRITABLE)
        mask |= EPOLLOUT;
    return mask;
}

static int register_fd(int epoll, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events, .data.u64 = tag};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return SILL_OK;
    if (errno == ENOSPC)
        return sill__fail_os_as(SILL_LIMIT, "epoll_ctl", errno,
                                "This user may watch no more descriptors; "
                                "/proc/sys/fs/epoll/max_user_watches says how many.");
    return sill__fail_os("epoll_ctl", errno, "A descriptor cannot be waited on.");
}

static int make_epoll(int *out)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return sill__fail_os("epoll_create1", errno, "A wait set cannot be made.");
    *out = fd;
    return SILL_OK;
}

static int make_eventfd(int *out)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return sill__fail_os("eventfd", errno, "The wake-up of a wait set cannot be made.");
    *out = fd;
    return SILL_OK;
}

/* An eventfd's counter up or back to zero. It cannot overflow, and being zero already is fine. */
static void event_set(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void event_clear(int fd)
{
    uint64_t value;
    while (read(fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
}

static void destroy(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    int all[] = {wait->outer, wait->timer, wait->pending_fd, wait->wake, wait->epoll};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] >= 0)
            close(all[i]);
    sill__mutex_destroy(&wait->lock);
    sill__free(wait->slots);
    sill__free(wait);
}

static int create(sill__wait **out)
{
    int status;
    struct wait_set *wait = sill__alloc_zeroed(sizeof *wait);
    if (wait == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a wait set.");
    wait->base.ops = &sill__wait_system;
    wait->epoll = wait->wake = wait->outer = wait->pending_fd = wait->timer = -1;
    wait->alarm = SILL__FOREVER;
    wait->free_slot = NO_SLOT;
    wait->fork_generation = sill__fork_generation();
    status = sill__mutex_init(&wait->lock);
    if (status != SILL_OK) {
        sill__free(wait);
        return status;
    }
    if ((status = make_epoll(&wait->epoll)) != SILL_OK ||
        (status = make_eventfd(&wait->wake)) != SILL_OK ||
        (status = register_fd(wait->epoll, wait->wake, EPOLLIN, WAKE_TAG)) != SILL_OK) {
        destroy(&wait->base);
        return status;
    }
    *out = &wait->base;
    return SILL_OK;
}

/* ---- slots, under the lock ---- */

static int slots_grow(struct wait_set *wait)
{
    uint32_t count = wait->slot_count == 0 ? 8 : wait->slot_count * 2;
    struct slot *slots = sill__realloc(wait->slots, count * sizeof *slots);
    if (slots == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a larger wait set.");
    for (uint32_t i = wait->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    wait->free_slot = wait->slot_count;
    wait->slots = slots;
    wait->slot_count = count;
    return SILL_OK;
}

static int slot_take(struct wait_set *wait, int fd, unsigned events, void *key, sill__watch *out)
{
    int status = wait->free_slot == NO_SLOT ? slots_grow(wait) : SILL_OK;
    if (status != SILL_OK)
        return status;
    struct slot *slot = &wait->slots[wait->free_slot];
    *out = (sill__watch){&wait->base, wait->free_slot, ++slot->generation};
    wait->free_slot = slot->next_free;
    slot->key = key;
    slot->fd = fd;
    slot->events = events;
    slot->room = (events & SILL__WRITABLE) != 0;
    return SILL_OK;
}

static uint64_t tag_of(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | index;
}

/* Asks whether there is room for writing, or no more. What is there already is reported once more. */
static void slot_ask_room(struct wait_set *wait, uint32_t index, bool room)
{
    struct slot *slot = &wait->slots[index];
    unsigned events = room ? slot->events : slot->events & ~(unsigned)SILL__WRITABLE;
    struct epoll_event event = {.events = mask_of(events),
                                .data.u64 = tag_of(index, slot->generation)};
    if (epoll_ctl(wait->epoll, EPOLL_CTL_MOD, slot->fd, &event) == 0)
        slot->room = room;
}

static void slot_give(struct wait_set *wait, uint32_t index)
{
    struct slot *slot = &wait->slots[index];
    slot->generation++;
    slot->next_free = wait->free_slot;
    wait->free_slot = index;
}

/* ---- watches ---- */

int sill__watch_add(sill__watch *watch, sill__wait *base, int fd, unsigned events, void *key)
{
    struct wait_set *wait = set_of(base);
    sill__watch made;
    sill__lock(&wait->lock);
    int status = slot_take(wait, fd, events, key, &made);
    sill__unlock(&wait->lock);
    if (status != SILL_OK)
        return status;

    status = register_fd(wait->epoll, fd, mask_of(events), tag_of(made.slot, made.generation));
    if (status != SILL_OK) {
        sill__lock(&wait->lock);
        slot_give(wait, made.slot);
        sill__unlock(&wait->lock);
        return status;
    }
    *watch = made;
    return SILL_OK;
}

void sill__watch_remove(sill__watch *watch, int fd)
{
    if (watch->wait == NULL)
        return;
    struct wait_set *wait = set_of(watch->wait);
    uint32_t index = watch->slot;
    *watch = (sill__watch){0};
    if (wait->fork_generation != sill__fork_generation())
        return;
    epoll_ctl(wait->epoll, EPOLL_CTL_DEL, fd, NULL);
    sill__lock(&wait->lock);
    slot_give(wait, index);
    sill__unlock(&wait->lock);
}

void sill__watch_again(sill__watch *watch, unsigned events)
{
    if (watch->wait == NULL || (events & SILL__WRITABLE) == 0)
        return; /* epoll's edges need no arming */
    struct wait_set *wait = set_of(watch->wait);
    if (wait->fork_generation != sill__fork_generation())
        return;
    sill__lock(&wait->lock);
    if (!wait->slots[watch->slot].room)
        slot_ask_room(wait, watch->slot, true);
    sill__unlock(&wait->lock);
}

/* ---- waiting ---- */

static unsigned events_of(uint32_t mask, unsigned wanted)
{
    unsigned events = 0;
    if (mask & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        events |= SILL__READABLE | SILL__PEER_DEAD;
    if (mask & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        events |= SILL__WRITABLE;
    return events & wanted;
}

/* Turns what epoll said into events of keys that are still watched; true if a wake-up was among
 * it. */
static bool translate(struct wait_set *wait, const struct epoll_event *raw, int raw_count,
                      struct sill__event *events, size_t *count)
{
    bool woken = false;
    sill__lock(&wait->lock);
    for (int i = 0; i < raw_count; i++) {
        uint64_t tag = raw[i].data.u64;
        if (tag == WAKE_TAG) {
            event_clear(wait->wake);
            woken = true;
            continue;
        }
        const struct slot *slot = &wait->slots[(uint32_t)tag];
        unsigned seen = events_of(raw[i].events, slot->events);
        if (slot->generation != (uint32_t)(tag >> 32) || seen == 0)
            continue;
        events[(*count)++] = (struct sill__event){slot->key, seen};
        if (seen & SILL__WRITABLE && slot->room)
            slot_ask_room(wait, (uint32_t)tag, false);
    }
    sill__unlock(&wait->lock);
    return woken;
}

static int wait_for(sill__wait *base, int64_t deadline, struct sill__event *events,
                    size_t capacity, size_t *count)
{
    struct wait_set *wait = set_of(base);
    struct epoll_event raw[BATCH];
    int most = capacity < BATCH ? (int)capacity : BATCH;
    *count = 0;
    for (;;) {
        int timeout = sill__timeout(deadline);
        int got = epoll_wait(wait->epoll, raw, most, timeout);
        if (got < 0 && errno != EINTR)
            return sill__fail_os("epoll_wait", errno, "Waiting for channels failed.");
        if (got > 0 && (translate(wait, raw, got, events, count) || *count > 0))
            return SILL_OK;
        if (got <= 0 && deadline != SILL__FOREVER && sill__now_ns() >= deadline)
            return SILL_TIMEOUT;
    }
}

static void wake(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    int saved = errno;
    event_set(wait->wake);
    errno = saved;
}

/* ---- foreign event loops ---- */

static int make_timer(int *out)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return sill__fail_os("timerfd_create", errno, "The timer of a wait set cannot be made.");
    *out = fd;
    return SILL_OK;
}

static int pollable(sill__wait *base, sill_handle *out)
{
    struct wait_set *wait = set_of(base);
    int status = SILL_OK;
    int outer = -1;
    int pending = -1;
    int timer = -1;
    sill__lock(&wait->lock);
    if (wait->outer < 0) {
        if ((status = make_epoll(&outer)) != SILL_OK ||
            (status = make_eventfd(&pending)) != SILL_OK ||
            (status = make_timer(&timer)) != SILL_OK ||
            (status = register_fd(outer, wait->epoll, EPOLLIN, 0)) != SILL_OK ||
            (status = register_fd(outer, pending, EPOLLIN, 1)) != SILL_OK ||
            (status = register_fd(outer, timer, EPOLLIN, 2)) != SILL_OK)
            goto fail;
        if (atomic_load(&wait->pending))
            event_set(pending);
        wait->outer = outer;
        wait->pending_fd = pending;
        wait->timer = timer;
    }
    *out = wait->outer;
    sill__unlock(&wait->lock);
    return SILL_OK;

fail:
    sill__unlock(&wait->lock);
    if (timer >= 0)
        close(timer);
    if (pending >= 0)
        close(pending);
    if (outer >= 0)
        close(outer);
    return status;
}

static void tell_pending(sill__wait *base, bool pending)
{
    struct wait_set *wait = set_of(base);
    if (atomic_load_explicit(&wait->pending, memory_order_relaxed) == pending)
        return;
    sill__lock(&wait->lock);
    if (atomic_exchange(&wait->pending, pending) != pending && wait->pending_fd >= 0) {
        if (pending)
            event_set(wait->pending_fd);
        else
            event_clear(wait->pending_fd);
    }
    sill__unlock(&wait->lock);
}

static bool set_alarm(sill__wait *base, int64_t when)
{
    struct wait_set *wait = set_of(base);
    if (wait->timer < 0 || when == wait->alarm)
        return true;
    struct itimerspec at = {0}; /* all zero: not set, and what has passed is taken back */
    if (when != SILL__FOREVER) {
        at.it_value.tv_sec = (time_t)(when / 1000000000);
        at.it_value.tv_nsec = (long)(when % 1000000000);
    }
    if (timerfd_settime(wait->timer, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        return false;
    wait->alarm = when;
    return true;
}

const struct sill__wait_ops sill__wait_system = {
    .create = create,
    .destroy = destroy,
    .wait_for = wait_for,
    .wake = wake,
    .pollable = pollable,
    .pending = tell_pending,
    .alarm = set_alarm,
};

#endif
