/* sync_wait.c - semaphore and event: one cell each, and a wait that hears of deaths.
 *
 * Neither has an owner, so nobody can tell who would have come to post. A wait that finds nothing
 * sleeps in slices, and between them looks whether a process that has the object open has ended.
 * The slices also bound what a killed waiter can do to the others: it may take the one wake-up of a
 * post with it, and then the next one finds the count at its next look.
 */
#include "sync_internal.h"

#include "status.h"

SILL__SYNC_FUNCTIONS(semaphore, SILL__SYNC_SEMAPHORE)
SILL__SYNC_FUNCTIONS(event, SILL__SYNC_EVENT)

static int wait_and_hear(struct sill__sync *sync, int64_t deadline)
{
    for (int64_t until = 0;; until = sill__sync_slice(deadline)) {
        int rc = sync->cells.ops->wait(&sync->cells, 0, until);
        if (rc != SILL_TIMEOUT)
            return rc;
        if (until != 0 && sill__sync_hear(sync))
            return SILL_DIED;
        if (sill__timeout(deadline) == 0)
            return SILL_TIMEOUT;
    }
}

static int wait_on(struct sill__sync *sync, int timeout_ms)
{
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    return sill__sync_status(wait_and_hear(sync, sill__deadline(timeout_ms)), timeout_ms);
}

int sill_semaphore_wait(sill_semaphore *semaphore, int timeout_ms)
{
    return wait_on((struct sill__sync *)semaphore, timeout_ms);
}

int sill_semaphore_post(sill_semaphore *semaphore, uint32_t count)
{
    struct sill__sync *sync = (struct sill__sync *)semaphore;
    int rc = sill__sync_check(sync);
    if (rc != 0)
        return rc;
    if (count == 0)
        return sill__fail(SILL_INVALID, "A post adds at least 1.");
    rc = count <= SILL_SEMAPHORE_MAX ? sync->cells.ops->post(&sync->cells, 0, count) : SILL_LIMIT;
    if (rc == SILL_LIMIT)
        return sill__fail(SILL_LIMIT, "The count of a semaphore is at most %d.",
                          SILL_SEMAPHORE_MAX);
    return rc;
}

static int set_event(sill_event *event, bool on)
{
    struct sill__sync *sync = (struct sill__sync *)event;
    int rc = sill__sync_check(sync);
    return rc == 0 ? sync->cells.ops->set(&sync->cells, 0, on) : rc;
}

int sill_event_set(sill_event *event)
{
    return set_event(event, true);
}

int sill_event_reset(sill_event *event)
{
    return set_event(event, false);
}

int sill_event_wait(sill_event *event, int timeout_ms)
{
    return wait_on((struct sill__sync *)event, timeout_ms);
}
