/* wait.c (System V) - wait sets that sleep on a semaphore. See wait_sysv.h.
 *
 * Who has something to say makes it visible first and rings second; the sleeper takes all rings
 * away first and looks second. So nothing that is said is missed, and rings may run together.
 *
 * `asleep` is set under the lock, in which `bound` was looked at, before the thread sleeps on the
 * bell; so who unbinds knows whether somebody does, and leaves `after` to him. The sleep itself is
 * without the lock.
 *
 * A wake-up is a flag and a ring. It may come from a signal handler, so the bell that it rings is
 * in one atomic word, which stays when the set is unbound: a ring too much only makes somebody
 * look.
 *
 * Shared between threads: everything under `lock`, but for `woken` and `address`.
 */
#include "wait_sysv.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/sem.h>
#include <time.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "../thread.h"
#include "table.h"

#define AGAIN_NS INT64_C(5000000) /* until a second look: long past what a kernel does at an exit  \
                                   */
#define IDLE_NS INT64_C(1000000)  /* of a set without a bell, between looks */

struct wait_set {
    sill__wait base;
    atomic_bool woken;
    _Atomic uint64_t address; /* set + 1 << 16 | number of the last bell; 0: there was none */
    sill__mutex lock;
    bool bound;
    struct sill__bell bell;
    bool look;                /* collect without having been rung for */
    bool asleep;              /* a thread sleeps on the bell */
    int64_t again;            /* when to look once more */
    void (*after)(void *arg); /* for the sleeper to call, with `after_arg` */
    void *after_arg;
};

static struct wait_set *set_of(sill__wait *wait)
{
    return (struct wait_set *)wait;
}

static int create(sill__wait **out)
{
    struct wait_set *wait = sill__alloc_zeroed(sizeof *wait);
    if (wait == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a wait set.");
    int status = sill__mutex_init(&wait->lock);
    if (status != SILL_OK) {
        sill__free(wait);
        return status;
    }
    wait->base.ops = &sill__wait_sysv;
    wait->again = SILL__FOREVER;
    *out = &wait->base;
    return SILL_OK;
}

static void destroy(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    sill__mutex_destroy(&wait->lock);
    sill__free(wait);
}

static void wake(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    int saved = errno;
    atomic_store(&wait->woken, true);
    uint64_t address = atomic_load(&wait->address);
    if (address != 0)
        sill__sem_raise((int)(address >> 16) - 1, (unsigned)(address & 0xffff));
    errno = saved;
}

/* ---- bells ---- */

int sill__bell_bind(sill__wait *base, const struct sill__bell *bell)
{
    struct wait_set *wait = set_of(base);
    int status = SILL_OK;
    sill__lock(&wait->lock);
    if (wait->bound)
        status = sill__fail(SILL_INVALID, "A wait set over System V waits for one server with its "
                                          "clients, or for one connection.");
    if (status == SILL_OK) {
        wait->bound = wait->look = true;
        wait->bell = *bell;
        atomic_store(&wait->address, ((uint64_t)bell->set + 1) << 16 | bell->number);
    }
    sill__unlock(&wait->lock);
    return status;
}

void sill__bell_unbind(sill__wait *base, void (*after)(void *arg))
{
    struct wait_set *wait = set_of(base);
    sill__lock(&wait->lock);
    bool now = !wait->asleep;
    void *arg = wait->bell.arg;
    wait->bound = false;
    if (!now) {
        wait->after = after;
        wait->after_arg = arg;
    }
    sill__unlock(&wait->lock);
    if (!now) {
        wake(base);
        return;
    }
    atomic_store(&wait->woken, true); /* for whoever is just about to sleep */
    if (after != NULL)
        after(arg);
}

void sill__bell_look(sill__wait *base)
{
    struct wait_set *wait = set_of(base);
    sill__lock(&wait->lock);
    wait->look = true;
    if (wait->asleep)
        sill__sem_raise(wait->bell.set, wait->bell.number);
    sill__unlock(&wait->lock);
}

/* ---- waiting ---- */

/* Takes all rings away and asks, if there were any. The lock is held. */
static int collect(struct wait_set *wait, struct sill__event *events, size_t capacity,
                   size_t *count)
{
    if (!wait->bound)
        return SILL_OK;
    int rang = sill__sem_drain(wait->bell.set, wait->bell.number);
    int64_t now = wait->again != SILL__FOREVER ? sill__now_ns() : 0;
    if (rang == 0 && !wait->look && now < wait->again)
        return SILL_OK;
    wait->look = false;
    wait->again = SILL__FOREVER;
    switch (wait->bell.collect(wait->bell.arg, rang < 0, events, capacity, count)) {
    case SILL__COLLECT_FAILED:
        return sill_last_error()->status;
    case SILL__COLLECT_MORE:
        wait->look = true;
        wait->again = sill__now_ns() + AGAIN_NS;
        break;
    case SILL__COLLECT_AGAIN:
        if (rang > 0)
            wait->again = sill__now_ns() + AGAIN_NS;
        break;
    case SILL__COLLECTED_ALL:
    default:
        break;
    }
    return SILL_OK;
}

/* Sleeps until somebody rings or the time has come. */
static int sleep_on_bell(struct wait_set *wait, int64_t until)
{
    struct sembuf down = {(unsigned short)wait->bell.number, -1, 0};
    struct timespec *limit = NULL, left;
    if (until != SILL__FOREVER) {
        int64_t ns = until - sill__now_ns();
        ns = ns > 0 ? ns : 0;
        left = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
        limit = &left;
    }
    int rc = semtimedop(wait->bell.set, &down, 1, limit);
    int code = rc != 0 ? errno : 0;
    sill__lock(&wait->lock);
    wait->asleep = false;
    void (*after)(void *arg) = wait->after;
    void *arg = wait->after_arg;
    wait->after = NULL;
    if (code != EAGAIN && code != EINTR)
        wait->look = true; /* also if it has gone: collect is told */
    sill__unlock(&wait->lock);
    if (after != NULL)
        after(arg);
    if (code == EIDRM ||
        code == EINVAL) /* that was told; whoever has not dealt with it must wait */
        sill__sleep_ns(IDLE_NS);
    else if (code != 0 && code != EAGAIN && code != EINTR)
        return sill__fail_os("semtimedop", code, "Waiting for a semaphore failed.");
    return SILL_OK;
}

static int wait_for(sill__wait *base, int64_t deadline, struct sill__event *events, size_t capacity,
                    size_t *count)
{
    struct wait_set *wait = set_of(base);
    *count = 0;
    for (;;) {
        bool woken = atomic_exchange(&wait->woken, false);
        sill__lock(&wait->lock);
        int status = collect(wait, events, capacity, count);
        bool done = status != SILL_OK || *count > 0 || woken;
        bool late = !done && deadline != SILL__FOREVER && sill__now_ns() >= deadline;
        bool bound = wait->bound;
        int64_t until = wait->look ? 0 : sill__earlier(deadline, wait->again);
        if (!done && !late)
            wait->asleep = bound;
        sill__unlock(&wait->lock);
        if (done)
            return status;
        if (late)
            return SILL_TIMEOUT;
        if (bound)
            status = sleep_on_bell(wait, until);
        else
            sill__sleep_ns(IDLE_NS);
        if (status != SILL_OK)
            return status;
    }
}

const struct sill__wait_ops sill__wait_sysv = {
    .create = create,
    .destroy = destroy,
    .wait_for = wait_for,
    .wake = wake,
    .pollable = NULL,
    .pending = NULL,
    .alarm = NULL,
};
