/* sync_lock.c - mutex, reader-writer lock, condition variable, from cells that are locks.
 *
 * A lock cell comes back by itself when its owner dies; it does not say so. That the owner died is
 * told by the word `owner`: it is written after the cell is locked and zeroed before the cell is
 * unlocked, so whoever gets the cell and finds it not 0 comes after a death. `damaged` keeps that
 * until somebody says that it is mended, so a second death on the way there is no loss.
 *
 * Reader-writer lock: cell 0 is the gate, the others are one for each reader. A reader locks any of
 * them; a writer locks the gate and then all. `writers` is 1 while a writer has the gate: then a
 * reader passes through the gate first, and so comes after the writer. `owner` is set while a
 * writer has everything. So a reader that has its cell and finds `owner` set comes after a writer
 * that died, and while it has the cell no other writer can set the word again.
 *
 * Condition variable: `sequence` counts broadcasts, and the waiters of broadcast n sleep on event
 * n modulo 4, which is reset when broadcast n - 1 opens that generation. A waiter that is stopped
 * so long that three more broadcasts pass, and those for whom a broadcaster died before it had set
 * the event, sleep for a slice: nobody here sleeps longer.
 */
#include "sync_internal.h"

#include "status.h"
#include "step.h"
#include "thread.h"

#define GATE         0
#define EVENTS       4
#define BROADCAST_MS 1000
#define DEPTH_MAX    1000000

SILL__SYNC_FUNCTIONS(mutex, SILL__SYNC_MUTEX)
SILL__SYNC_FUNCTIONS(rwlock, SILL__SYNC_RWLOCK)
SILL__SYNC_FUNCTIONS(cond, SILL__SYNC_COND)

static bool holds(const struct sill__sync *sync, unsigned cell, uint32_t me)
{
    return atomic_load_explicit(&sync->holders[cell], memory_order_relaxed) == me;
}

static void set_holder(struct sill__sync *sync, unsigned cell, uint32_t me)
{
    atomic_store_explicit(&sync->holders[cell], me, memory_order_relaxed);
}

/* The cells of a writer are locked: notes who we are and finds out who was before. */
static int own(struct sill__sync *sync, uint32_t me)
{
    struct sill__sync_shared *shared = sync->shared;
    SILL__STEP(sync_locked);
    /* acquire, pairs with the store in disown: the locks of every family order memory by
     * themselves, but that is not written down for all of them */
    if (atomic_load_explicit(&shared->owner, memory_order_acquire) != 0)
        atomic_store_explicit(&shared->damaged, 1, memory_order_relaxed);
    atomic_store_explicit(&shared->owner, me, memory_order_relaxed);
    set_holder(sync, 0, me);
    sync->depth = 1;
    SILL__STEP(sync_owned);
    return atomic_load_explicit(&shared->damaged, memory_order_relaxed) != 0 ? SILL_DIED : 0;
}

static void disown(struct sill__sync *sync)
{
    sync->depth = 0;
    set_holder(sync, 0, 0);
    /* release: who dies behind this has left what it guards whole */
    atomic_store_explicit(&sync->shared->owner, 0, memory_order_release);
    SILL__STEP(sync_disowned);
}

static int not_ours(void)
{
    return sill__fail(SILL_INVALID, "This thread does not hold the lock.");
}

/* ---- mutex ---- */

static int mutex_lock(struct sill__sync *sync, int64_t deadline)
{
    uint32_t me = sill__thread_id();
    if (holds(sync, 0, me)) {
        if (!sync->recursive)
            return sill__fail(SILL_INVALID, "This thread holds the mutex already, and it is not "
                                            "recursive.");
        if (sync->depth == DEPTH_MAX)
            return sill__fail(SILL_LIMIT, "The mutex is locked %d times by its owner.", DEPTH_MAX);
        sync->depth++;
        return 0;
    }
    int rc = sync->cells.ops->lock(&sync->cells, 0, deadline);
    return rc == 0 ? own(sync, me) : rc;
}

static void mutex_unlock(struct sill__sync *sync)
{
    disown(sync);
    sync->cells.ops->unlock(&sync->cells, 0);
}

int sill_mutex_lock(sill_mutex *mutex, int timeout_ms)
{
    struct sill__sync *sync = (struct sill__sync *)mutex;
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    return sill__sync_status(mutex_lock(sync, sill__deadline(timeout_ms)), timeout_ms);
}

int sill_mutex_unlock(sill_mutex *mutex)
{
    struct sill__sync *sync = (struct sill__sync *)mutex;
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    if (!holds(sync, 0, sill__thread_id()))
        return not_ours();
    if (sync->depth > 1)
        sync->depth--;
    else
        mutex_unlock(sync);
    return 0;
}

static int repaired(struct sill__sync *sync)
{
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    if (!holds(sync, 0, sill__thread_id()))
        return not_ours();
    atomic_store_explicit(&sync->shared->damaged, 0, memory_order_relaxed);
    return 0;
}

int sill_mutex_repaired(sill_mutex *mutex)
{
    return repaired((struct sill__sync *)mutex);
}

/* ---- reader-writer lock ---- */

/* The cell that this thread holds: 0 for a writer. -1: none. */
static int cell_of(const struct sill__sync *sync, uint32_t me)
{
    for (unsigned i = 0; i < sync->cells.count; i++)
        if (holds(sync, i, me))
            return (int)i;
    return -1;
}

static int check_free(const struct sill__sync *sync, uint32_t me)
{
    int rc = sill__sync_check(sync);
    if (rc == 0 && cell_of(sync, me) >= 0)
        rc = sill__fail(SILL_INVALID, "This thread holds the reader-writer lock already.");
    return rc;
}

/* Waits for a writer that came first. With the gate locked there is none: one that had it died. */
static int pass_gate(struct sill__sync *sync, int64_t deadline)
{
    if (atomic_load_explicit(&sync->shared->writers, memory_order_acquire) == 0)
        return 0;
    int rc = sync->cells.ops->lock(&sync->cells, GATE, deadline);
    if (rc != 0)
        return rc;
    atomic_store_explicit(&sync->shared->writers, 0, memory_order_relaxed);
    sync->cells.ops->unlock(&sync->cells, GATE);
    return 0;
}

static int lock_any(struct sill__sync *sync, uint32_t me, int64_t deadline, unsigned *cell)
{
    for (unsigned i = 0; i < SILL_RWLOCK_READERS; i++) {
        *cell = 1 + (me + i) % SILL_RWLOCK_READERS;
        int rc = sync->cells.ops->lock(&sync->cells, *cell, 0);
        if (rc != SILL_TIMEOUT)
            return rc;
    }
    return deadline == 0 ? SILL_TIMEOUT : sync->cells.ops->lock(&sync->cells, *cell, deadline);
}

static int read_lock(struct sill__sync *sync, uint32_t me, int64_t deadline)
{
    struct sill__sync_shared *shared = sync->shared;
    unsigned cell = 1;
    int rc = pass_gate(sync, deadline);
    if (rc == 0)
        rc = lock_any(sync, me, deadline, &cell);
    if (rc != 0)
        return rc;
    set_holder(sync, cell, me);
    SILL__STEP(sync_read);
    if (atomic_load_explicit(&shared->owner, memory_order_acquire) != 0) {
        atomic_store_explicit(&shared->damaged, 1, memory_order_relaxed);
        atomic_store_explicit(&shared->owner, 0, memory_order_release);
    }
    return atomic_load_explicit(&shared->damaged, memory_order_relaxed) != 0 ? SILL_DIED : 0;
}

int sill_rwlock_read(sill_rwlock *lock, int timeout_ms)
{
    struct sill__sync *sync = (struct sill__sync *)lock;
    uint32_t me = sill__thread_id();
    int rc = check_free(sync, me);
    if (rc != 0)
        return rc;
    return sill__sync_status(read_lock(sync, me, sill__deadline(timeout_ms)), timeout_ms);
}

/* Unlocks the readers' cells up to `last` and the gate. */
static void open_gate(struct sill__sync *sync, unsigned last)
{
    atomic_store_explicit(&sync->shared->writers, 0, memory_order_release);
    for (unsigned i = last; i > GATE; i--)
        sync->cells.ops->unlock(&sync->cells, i);
    sync->cells.ops->unlock(&sync->cells, GATE);
}

static int write_lock(struct sill__sync *sync, uint32_t me, int64_t deadline)
{
    int rc = sync->cells.ops->lock(&sync->cells, GATE, deadline);
    if (rc != 0)
        return rc;
    atomic_store_explicit(&sync->shared->writers, 1, memory_order_release);
    SILL__STEP(sync_gate);
    for (unsigned i = 1; i <= SILL_RWLOCK_READERS; i++) {
        rc = sync->cells.ops->lock(&sync->cells, i, deadline);
        if (rc != 0) {
            open_gate(sync, i - 1);
            return rc;
        }
    }
    return own(sync, me);
}

int sill_rwlock_write(sill_rwlock *lock, int timeout_ms)
{
    struct sill__sync *sync = (struct sill__sync *)lock;
    uint32_t me = sill__thread_id();
    int rc = check_free(sync, me);
    if (rc != 0)
        return rc;
    return sill__sync_status(write_lock(sync, me, sill__deadline(timeout_ms)), timeout_ms);
}

int sill_rwlock_unlock(sill_rwlock *lock)
{
    struct sill__sync *sync = (struct sill__sync *)lock;
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    int cell = cell_of(sync, sill__thread_id());
    if (cell < 0)
        return not_ours();
    if (cell == GATE) {
        disown(sync);
        open_gate(sync, SILL_RWLOCK_READERS);
    } else {
        set_holder(sync, (unsigned)cell, 0);
        sync->cells.ops->unlock(&sync->cells, (unsigned)cell);
    }
    return 0;
}

int sill_rwlock_repaired(sill_rwlock *lock)
{
    return repaired((struct sill__sync *)lock);
}

void sill__sync_let_go(struct sill__sync *sync)
{
    int cell = cell_of(sync, sill__thread_id());
    if (cell == GATE && sync->type == SILL__SYNC_RWLOCK)
        open_gate(sync, SILL_RWLOCK_READERS);
    else if (cell >= 0)
        sync->cells.ops->unlock(&sync->cells, (unsigned)cell);
}

/* ---- condition variable ---- */

int sill_cond_wait(sill_cond *cond, sill_mutex *mutex, int timeout_ms)
{
    struct sill__sync *sync = (struct sill__sync *)cond, *lock = (struct sill__sync *)mutex;
    int rc = sill__sync_check(sync);
    if (rc == 0)
        rc = sill__sync_check(lock);
    if (rc != 0)
        return rc;
    if (!holds(lock, 0, sill__thread_id()) || lock->depth != 1)
        return sill__fail(SILL_INVALID, "The mutex of a condition variable must be locked once by "
                                        "the thread that waits.");
    int64_t deadline = sill__deadline(timeout_ms);
    /* With the mutex held: who broadcasts for what we wait for comes later, and sees us. */
    atomic_fetch_add(&sync->shared->waiters, 1);
    uint32_t sequence = atomic_load(&sync->shared->sequence);
    mutex_unlock(lock);
    rc = sync->cells.ops->wait(&sync->cells, 1 + sequence % EVENTS, sill__sync_slice(deadline));
    atomic_fetch_sub(&sync->shared->waiters, 1);
    bool over = sill__timeout(deadline) == 0;
    if (rc == SILL_TIMEOUT && (!over || atomic_load(&sync->shared->sequence) != sequence))
        rc = 0;
    sill_error first = *sill_last_error();
    int locked = mutex_lock(lock, SILL__FOREVER);
    if (locked != 0)
        return locked;
    if (rc != 0)
        sill__error_restore(&first);
    return sill__sync_status(rc, timeout_ms);
}

int sill_cond_broadcast(sill_cond *cond)
{
    struct sill__sync *sync = (struct sill__sync *)cond;
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    if (atomic_load(&sync->shared->waiters) == 0)
        return 0;
    const struct sill__sync_ops *ops = sync->cells.ops;
    rc = ops->lock(&sync->cells, GATE, sill__deadline(BROADCAST_MS));
    if (rc != 0)
        return rc;
    uint32_t sequence = atomic_load(&sync->shared->sequence);
    rc = ops->set(&sync->cells, 1 + (sequence + 1) % EVENTS, false);
    if (rc == 0) {
        atomic_store(&sync->shared->sequence, sequence + 1);
        SILL__STEP(sync_counted);
        rc = ops->set(&sync->cells, 1 + sequence % EVENTS, true);
    }
    ops->unlock(&sync->cells, GATE);
    return rc;
}
