/* sync.c (POSIX) - cells in shared memory: robust process-shared mutexes, and words on which
 * futexes wait.
 *
 * The kernel gives a robust mutex of a dead thread to the next one that wants it. But if a waiter
 * is killed just when it was woken, and a third one has locked the mutex meanwhile, nothing says
 * any more that there are others: they would sleep for ever. So each sleeps for a slice and says it
 * again. Counters and events are a word, changed by compare-exchange; `waiters` counts who sleeps
 * or is about to, so that nobody makes a system call for nobody. A waiter that was killed stays
 * counted, which costs later posts a call and no more. (POSIX's own semaphores and condition
 * variables are of no use here: the former have no portable wait until a monotonic deadline, the
 * latter may hang on waiters that were killed.)
 *
 * A mutex is the C library's, so the cells mean something to processes with the same one only: abi.
 */
#include "../sync_ops.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "../clock.h"
#include "../status.h"

extern const struct sill__sync_ops sill__posix_sync_ops;

#define SLICE_NS INT64_C(100000000)

union cell {
    pthread_mutex_t mutex;
    struct {
        _Atomic uint32_t value;
        _Atomic uint32_t waiters;
    } word;
};
static_assert(sizeof(union cell) <= sizeof(struct sill__cell), "a cell has its place");

static union cell *cell_at(struct sill__cells *cells, unsigned cell)
{
    return (union cell *)(void *)&cells->shared->cells[cell];
}

/* ---- locks ---- */

static int make_lock(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);
    if (code != 0)
        return sill__fail_os("pthread_mutexattr_init", code, "A mutex cannot be made");
    code = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (code == 0)
        code = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (code == 0)
        code = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (code == 0)
        code = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return code == 0 ? 0 : sill__fail_os("pthread_mutex_init", code, "A mutex cannot be made");
}

/* The thread sanitizer of older compilers does not know of clocklock. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_CLOCKLOCK
#endif
#endif
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 30) && !defined(NO_CLOCKLOCK)
static int lock_until(pthread_mutex_t *mutex, int64_t deadline)
{
    struct timespec until = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}
#else
/* All that POSIX has goes by the wall clock, which somebody may set back by an hour: so a look now
 * and then. */
static int lock_until(pthread_mutex_t *mutex, int64_t deadline)
{
    int code;
    for (int64_t pause = 10000; (code = pthread_mutex_trylock(mutex)) == EBUSY;) {
        if (sill__now_ns() >= deadline)
            return ETIMEDOUT;
        sill__sleep_ns(pause);
        if (pause < 1000000)
            pause *= 2;
    }
    return code;
}
#endif

static int lock(struct sill__cells *cells, unsigned cell, int64_t deadline)
{
    pthread_mutex_t *mutex = &cell_at(cells, cell)->mutex;
    int code = pthread_mutex_trylock(mutex);
    while (code == EBUSY && deadline != 0) {
        code = lock_until(mutex, sill__earlier(deadline, sill__now_ns() + SLICE_NS));
        if (code == ETIMEDOUT && sill__now_ns() < deadline)
            code = EBUSY;
    }
    if (code == EOWNERDEAD)
        code = pthread_mutex_consistent(mutex);
    if (code == 0)
        return 0;
    if (code == EBUSY || code == ETIMEDOUT)
        return SILL_TIMEOUT;
    if (code == EDEADLK)
        return sill__fail_os_as(SILL_INVALID, "pthread_mutex_lock", code,
                                "This thread holds the lock already, by another handle");
    return sill__fail_os("pthread_mutex_lock", code, "The lock cannot be had");
}

static void unlock(struct sill__cells *cells, unsigned cell)
{
    pthread_mutex_unlock(&cell_at(cells, cell)->mutex);
}

/* ---- words ---- */

#ifdef __linux__
static void sleep_on(_Atomic uint32_t *word, int64_t deadline)
{
    int64_t left = deadline - sill__now_ns();
    if (left <= 0)
        return;
    struct timespec time = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT, 0, deadline == SILL__FOREVER ? NULL : &time, NULL, 0);
}

static void wake(_Atomic uint32_t *word, uint32_t count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count < INT_MAX ? (int)count : INT_MAX, NULL, NULL, 0);
}
#else /* a look now and then is all that POSIX has */
static void sleep_on(_Atomic uint32_t *word, int64_t deadline)
{
    (void)word;
    (void)deadline;
    sill__sleep_ns(1000000);
}

static void wake(_Atomic uint32_t *word, uint32_t count)
{
    (void)word;
    (void)count;
}
#endif

/* Takes one, or finds the event set. */
static bool take(_Atomic uint32_t *value, enum sill__cell_kind kind)
{
    uint32_t seen = atomic_load(value);
    while (seen != 0 && kind != SILL__CELL_MANUAL &&
           !atomic_compare_exchange_weak(value, &seen, seen - 1))
        ;
    return seen != 0;
}

static int wait_word(struct sill__cells *cells, unsigned cell, int64_t deadline)
{
    union cell *at = cell_at(cells, cell);
    enum sill__cell_kind kind = cells->kinds[cell];
    if (take(&at->word.value, kind))
        return 0;
    if (deadline == 0)
        return SILL_TIMEOUT;
    /* Sequentially consistent, as the load in wake_some: one of the two sees the other. */
    atomic_fetch_add(&at->word.waiters, 1);
    bool taken;
    while (!(taken = take(&at->word.value, kind)) && sill__now_ns() < deadline)
        sleep_on(&at->word.value, deadline);
    atomic_fetch_sub(&at->word.waiters, 1);
    return taken ? 0 : SILL_TIMEOUT;
}

static void wake_some(union cell *at, uint32_t count)
{
    if (atomic_load(&at->word.waiters) != 0)
        wake(&at->word.value, count);
}

static int post(struct sill__cells *cells, unsigned cell, uint32_t count)
{
    union cell *at = cell_at(cells, cell);
    uint32_t seen = atomic_load(&at->word.value);
    do {
        if (seen > SILL_SEMAPHORE_MAX - count)
            return SILL_LIMIT;
    } while (!atomic_compare_exchange_weak(&at->word.value, &seen, seen + count));
    wake_some(at, count);
    return 0;
}

static int set(struct sill__cells *cells, unsigned cell, bool on)
{
    union cell *at = cell_at(cells, cell);
    atomic_store(&at->word.value, on ? 1 : 0);
    if (on)
        wake_some(at, cells->kinds[cell] == SILL__CELL_MANUAL ? UINT32_MAX : 1);
    return 0;
}

/* ---- making ---- */

static int attach(struct sill__cells *cells, bool make)
{
    for (unsigned i = 0; make && i < cells->count; i++) {
        union cell *at = cell_at(cells, i);
        if (cells->kinds[i] == SILL__CELL_LOCK) {
            int rc = make_lock(&at->mutex);
            if (rc != 0)
                return rc;
        } else {
            atomic_init(&at->word.value, cells->initial);
            atomic_init(&at->word.waiters, 0);
        }
    }
    return 0;
}

/* Nothing: what is shared stays, and a mutex is nothing but its memory. */
static void detach(struct sill__cells *cells)
{
    (void)cells;
}

#ifdef __GLIBC__
#define C_LIBRARY 1
#else
#define C_LIBRARY 2
#endif

const struct sill__sync_ops sill__posix_sync_ops = {
    .family = SILL_SYNC_POSIX,
    .caps = SILL_SYNC_NAMED | SILL_SYNC_PLACED | SILL_SYNC_THREADS,
    .region_kind = SILL_REGION_POSIX,
    .abi = C_LIBRARY << 16 | (uint32_t)sizeof(void *) << 8 | (uint32_t)sizeof(pthread_mutex_t),
    .attach = attach,
    .detach = detach,
    .lock = lock,
    .unlock = unlock,
    .wait = wait_word,
    .post = post,
    .set = set,
};
