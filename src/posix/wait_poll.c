/* wait_poll.c - wait sets on poll, for POSIX systems without epoll.
 *
 * poll tells of levels, the contract is of edges: an event that was reported is not asked for
 * again until its operation has said AGAIN (sill__watch_again arms it anew). The waiter makes its
 * list of descriptors anew for each poll, with the generation of each slot, so what was taken out
 * while it slept is dropped.
 *
 * A byte in a pipe ends a sleep: for a wake-up, which is noted in `woken` first, or because
 * another thread has added, armed or removed something (a poll must not hold a descriptor that was
 * closed: its peer would not see the end). There is no handle for foreign event loops.
 *
 * Shared between threads: the slots, `spare` and `asleep` (under `lock`), `woken` (atomic). Only
 * the waiter touches `list`.
 */
#include "wait_posix.h"

#if !SILL__WAIT_EPOLL

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../clock.h"
#include "../memory.h"
#include "../process.h"
#include "../status.h"
#include "../thread.h"

#define NO_SLOT  UINT32_MAX
#define BRIEF_MS 10

struct slot {
    void *key;
    int fd;
    unsigned wanted;
    unsigned armed; /* what of it is to be reported */
    uint32_t generation;
    uint32_t next_free;
    bool used;
};

/* What one poll looks at; place 0 is the pipe. */
struct list {
    nfds_t count;
    nfds_t capacity;
    struct pollfd *fds;
    uint64_t *tags; /* generation << 32 | slot */
};

struct wait_set {
    sill__wait base;
    int pipe[2];
    atomic_bool woken;
    uint32_t fork_generation;
    sill__mutex lock;
    bool asleep; /* the waiter is in poll */
    struct slot *slots;
    uint32_t slot_count;
    uint32_t free_slot;
    uint32_t turn; /* slot that the list begins with */
    struct list list;
    struct list spare; /* larger, for the waiter to take; capacity 0: none */
};

static struct wait_set *set_of(sill__wait *wait)
{
    return (struct wait_set *)wait;
}

static int list_make(struct list *out, uint32_t slots)
{
    struct list list = {.capacity = (nfds_t)slots + 1};
    list.fds = sill__alloc(list.capacity * sizeof *list.fds);
    list.tags = sill__alloc(list.capacity * sizeof *list.tags);
    if (list.fds == NULL || list.tags == NULL) {
        sill__free(list.fds);
        sill__free(list.tags);
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a larger wait set.");
    }
    *out = list;
    return SILL_OK;
}

static void list_free(struct list *list)
{
    sill__free(list->fds);
    sill__free(list->tags);
    *list = (struct list){0};
}

static int create(sill__wait **out)
{
    struct wait_set *wait = sill__alloc_zeroed(sizeof *wait);
    if (wait == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a wait set.");
    wait->base.ops = &sill__wait_system;
    wait->free_slot = NO_SLOT;
    wait->fork_generation = sill__fork_generation();
    int status = list_make(&wait->list, 0);
    if (status != SILL_OK)
        goto fail_memory;
    status = sill__mutex_init(&wait->lock);
    if (status != SILL_OK)
        goto fail_list;
    if (pipe2(wait->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        status = sill__fail_os("pipe2", errno, "The wake-up of a wait set cannot be made.");
        goto fail_lock;
    }
    *out = &wait->base;
    return SILL_OK;

fail_lock:
    sill__mutex_destroy(&wait->lock);
fail_list:
    list_free(&wait->list);
fail_memory:
    sill__free(wait);
    return status;
}

static void destroy(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    close(wait->pipe[0]);
    close(wait->pipe[1]);
    sill__mutex_destroy(&wait->lock);
    list_free(&wait->list);
    list_free(&wait->spare);
    sill__free(wait->slots);
    sill__free(wait);
}

/* A full pipe is as good as one more byte. */
static void nudge(struct wait_set *wait)
{
    while (write(wait->pipe[1], "", 1) < 0 && errno == EINTR)
        ;
}

static void drain(struct wait_set *wait)
{
    char bytes[64];
    ssize_t got;
    do
        got = read(wait->pipe[0], bytes, sizeof bytes);
    while (got > 0 || (got < 0 && errno == EINTR));
}

/* ---- watches ---- */

static int slots_grow(struct wait_set *wait)
{
    uint32_t count = wait->slot_count == 0 ? 8 : wait->slot_count * 2;
    struct list larger;
    int status = list_make(&larger, count);
    if (status != SILL_OK)
        return status;
    struct slot *slots = sill__realloc(wait->slots, count * sizeof *slots);
    if (slots == NULL) {
        list_free(&larger);
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a larger wait set.");
    }
    for (uint32_t i = wait->slot_count; i < count; i++)
        slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    list_free(&wait->spare);
    wait->spare = larger;
    wait->free_slot = wait->slot_count;
    wait->slots = slots;
    wait->slot_count = count;
    return SILL_OK;
}

int sill__watch_add(sill__watch *watch, sill__wait *base, int fd, unsigned events, void *key)
{
    struct wait_set *wait = set_of(base);
    sill__lock(&wait->lock);
    int status = wait->free_slot == NO_SLOT ? slots_grow(wait) : SILL_OK;
    if (status == SILL_OK) {
        uint32_t index = wait->free_slot;
        struct slot *slot = &wait->slots[index];
        wait->free_slot = slot->next_free;
        *slot = (struct slot){key, fd, events, events, slot->generation + 1, NO_SLOT, true};
        *watch = (sill__watch){base, index, slot->generation};
        if (wait->asleep)
            nudge(wait);
    }
    sill__unlock(&wait->lock);
    return status;
}

void sill__watch_remove(sill__watch *watch, int fd)
{
    (void)fd;
    if (watch->wait == NULL)
        return;
    struct wait_set *wait = set_of(watch->wait);
    uint32_t index = watch->slot;
    *watch = (sill__watch){0};
    if (wait->fork_generation != sill__fork_generation())
        return;
    sill__lock(&wait->lock);
    struct slot *slot = &wait->slots[index];
    slot->used = false;
    slot->generation++;
    slot->next_free = wait->free_slot;
    wait->free_slot = index;
    if (wait->asleep)
        nudge(wait);
    sill__unlock(&wait->lock);
}

void sill__watch_again(sill__watch *watch, unsigned events)
{
    if (watch->wait == NULL)
        return;
    struct wait_set *wait = set_of(watch->wait);
    sill__lock(&wait->lock);
    struct slot *slot = &wait->slots[watch->slot];
    unsigned more = events & slot->wanted & ~slot->armed;
    slot->armed |= more;
    if (more != 0 && wait->asleep)
        nudge(wait);
    sill__unlock(&wait->lock);
}

/* ---- waiting ---- */

static short mask_of(unsigned armed)
{
    short mask = 0;
    if (armed & (SILL__READABLE | SILL__PEER_DEAD))
        mask |= POLLIN;
    if (armed & SILL__WRITABLE)
        mask |= POLLOUT;
    return mask;
}

static unsigned events_of(short mask)
{
    unsigned events = 0;
    if (mask & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        events |= SILL__READABLE | SILL__PEER_DEAD;
    if (mask & (POLLOUT | POLLHUP | POLLERR | POLLNVAL))
        events |= SILL__WRITABLE;
    return events;
}

/* Lists what is armed, from another place each time, so that nobody is always last. */
static struct list *prepare(struct wait_set *wait)
{
    sill__lock(&wait->lock);
    if (wait->spare.capacity > 0) {
        list_free(&wait->list);
        wait->list = wait->spare;
        wait->spare = (struct list){0};
    }
    struct list *list = &wait->list;
    list->fds[0] = (struct pollfd){wait->pipe[0], POLLIN, 0};
    list->count = 1;
    wait->turn = wait->slot_count > 0 ? (wait->turn + 1) % wait->slot_count : 0;
    for (uint32_t i = 0; i < wait->slot_count; i++) {
        uint32_t index = (wait->turn + i) % wait->slot_count;
        const struct slot *slot = &wait->slots[index];
        if (!slot->used || slot->armed == 0)
            continue;
        list->fds[list->count] = (struct pollfd){slot->fd, mask_of(slot->armed), 0};
        list->tags[list->count++] = (uint64_t)slot->generation << 32 | index;
    }
    wait->asleep = true;
    sill__unlock(&wait->lock);
    return list;
}

/* Reports what was seen and disarms it; what finds no room stays armed. */
static void report(struct wait_set *wait, const struct list *list, struct sill__event *events,
                   size_t capacity, size_t *count)
{
    sill__lock(&wait->lock);
    wait->asleep = false;
    for (nfds_t i = 1; i < list->count && *count < capacity; i++) {
        struct slot *slot = &wait->slots[(uint32_t)list->tags[i]];
        unsigned seen = events_of(list->fds[i].revents) & slot->armed;
        if (slot->generation != (uint32_t)(list->tags[i] >> 32) || seen == 0)
            continue;
        slot->armed &= ~seen;
        events[(*count)++] = (struct sill__event){slot->key, seen};
    }
    sill__unlock(&wait->lock);
}

/* poll, or -1 with errno. It takes no more descriptors than the process may open, which may have
 * become fewer than are open: then it looks at some, briefly, and at others the next time. */
static int poll_list(struct list *list, int timeout)
{
    struct rlimit limit;
    int got = poll(list->fds, list->count, timeout);
    if (got >= 0 || errno != EINVAL)
        return got;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= list->count) {
        errno = EINVAL;
        return -1;
    }
    list->count = (nfds_t)limit.rlim_cur;
    return poll(list->fds, list->count, timeout >= 0 && timeout < BRIEF_MS ? timeout : BRIEF_MS);
}

static int wait_for(sill__wait *base, int64_t deadline, struct sill__event *events,
                    size_t capacity, size_t *count)
{
    struct wait_set *wait = set_of(base);
    *count = 0;
    for (;;) {
        struct list *list = prepare(wait);
        int got = poll_list(list, sill__timeout(deadline));
        int code = got < 0 ? errno : 0;
        if (got <= 0)
            for (nfds_t i = 0; i < list->count; i++)
                list->fds[i].revents = 0;
        report(wait, list, events, capacity, count);
        if (code != 0 && code != EINTR)
            return sill__fail_os("poll", code, "Waiting for channels failed.");
        if (list->fds[0].revents != 0)
            drain(wait);
        /* acquire: what the waking thread did before is seen. Pairs with sill__wait_wake. */
        if (atomic_exchange_explicit(&wait->woken, false, memory_order_acquire) || *count > 0)
            return SILL_OK;
        if (got <= 0 && deadline != SILL__FOREVER && sill__now_ns() >= deadline)
            return SILL_TIMEOUT;
    }
}

static void wake(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    int saved = errno;
    atomic_store_explicit(&wait->woken, true, memory_order_release);
    nudge(wait);
    errno = saved;
}

const struct sill__wait_ops sill__wait_system = {
    .create = create,
    .destroy = destroy,
    .wait_for = wait_for,
    .wake = wake,
};

#endif
