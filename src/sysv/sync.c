/* sync.c (System V) - cells as semaphores of one set.
 *
 * The set has the key of the segment in which the object lies (segment.h), so an object is found,
 * judged and removed by its segment's owner record. A lock is a semaphore of 1 that is taken with
 * SEM_UNDO: the kernel gives it back when the process ends, however it ends. It knows processes and
 * not threads: a thread that ends with a lock keeps it. A counter is a semaphore, an event one of 0
 * or 1; to wait for a manual one, a single call takes and gives back at once.
 *
 * The last semaphore holds a mark, so that a set of somebody else's who has the same key is told
 * from ours and left alone. A set without a mark whose semaphores are all 0 and were never used is
 * one that its maker did not live to fill.
 */
#include "../sync_ops.h"

#include <errno.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "../region_internal.h"
#include "../status.h"
#include "../step.h"
#include "segment.h"

extern const struct sill__sync_ops sill__sysv_sync_ops;

#define SEMAPHORES (SILL__SYNC_CELLS + 1)
#define MARK       0x5179

union argument { /* semctl wants it, and leaves it to the caller */
    int value;
    struct semid_ds *buffer;
    unsigned short *array;
};

static int failed(const char *call)
{
    if (errno == EIDRM || errno == EINVAL)
        return sill__fail_os_as(SILL_NOT_FOUND, call, errno, "The object was removed");
    return sill__fail_os(call, errno, "The semaphore set cannot be used");
}

/* ---- the set ---- */

/* Whether the set is this user's and has our mark, or nothing at all. */
static bool is_ours(int set)
{
    struct semid_ds info = {.sem_nsems = 0};
    union argument argument = {.buffer = &info};
    unsigned short values[SEMAPHORES] = {0};
    if (semctl(set, 0, IPC_STAT, argument) != 0 || info.sem_nsems != SEMAPHORES ||
        info.sem_perm.uid != geteuid() || (info.sem_perm.mode & 0777) != 0600)
        return false;
    argument.array = values;
    if (semctl(set, 0, GETALL, argument) != 0)
        return false;
    if (values[SEMAPHORES - 1] == MARK)
        return true;
    for (unsigned i = 0; i < SEMAPHORES; i++)
        if (values[i] != 0)
            return false;
    return info.sem_otime == 0;
}

void sill__set_remove(key_t key)
{
    int set = semget(key, 0, 0);
    if (set >= 0 && is_ours(set))
        semctl(set, 0, IPC_RMID);
    SILL__STEP(sync_set_removed);
}

static int make_failed(void)
{
    if (errno == ENOSPC)
        return sill__fail_os_as(SILL_LIMIT, "semget", errno,
                                "There are as many System V semaphores as kernel.sem allows; raise "
                                "it with \"sysctl -w kernel.sem='32000 1024000000 500 COUNT'\"");
    return sill__fail_os("semget", errno, "A semaphore set cannot be made");
}

static int make_set(struct sill__cells *cells, key_t key)
{
    unsigned short values[SEMAPHORES] = {0};
    for (unsigned i = 0; i < cells->count; i++)
        values[i] = cells->kinds[i] == SILL__CELL_LOCK ? 1 : (unsigned short)cells->initial;
    values[SEMAPHORES - 1] = MARK;
    sill__set_remove(key); /* one whose maker died, or whose segment went without it */
    int set = semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0600);
    if (set < 0 && errno == EEXIST)
        return sill__fail_os_as(SILL_FOREIGN, "semget", errno, "Something else has the key 0x%08x",
                                (unsigned)key);
    if (set < 0)
        return make_failed();
    SILL__STEP(sync_set_made);
    union argument argument = {.array = values};
    if (semctl(set, 0, SETALL, argument) != 0) {
        int rc = failed("semctl");
        semctl(set, 0, IPC_RMID);
        return rc;
    }
    cells->set = set;
    return 0;
}

static int attach(struct sill__cells *cells, bool make)
{
    key_t key = sill__segment_key(cells->region->memory);
    if (make)
        return make_set(cells, key);
    int set = semget(key, 0, 0);
    if (set < 0)
        return sill__fail_os_as(errno == ENOENT ? SILL_NOT_FOUND : sill__os_status(errno), "semget",
                                errno, "The semaphore set of the object cannot be opened");
    if (!is_ours(set))
        return sill__fail(SILL_FOREIGN, "Something else has the key 0x%08x.", (unsigned)key);
    cells->set = set;
    return 0;
}

static void detach(struct sill__cells *cells)
{
    (void)cells; /* a set is not opened and not closed */
}

/* ---- operations ---- */

/* Until it is done or the deadline has passed. */
static int operate(struct sill__cells *cells, struct sembuf *operations, size_t count,
                   int64_t deadline)
{
    for (;;) {
        int64_t left = deadline == 0 ? 0 : deadline - sill__now_ns();
        if (left < 0)
            left = 0;
        struct timespec time = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        int done =
            semtimedop(cells->set, operations, count, deadline == SILL__FOREVER ? NULL : &time);
        if (done == 0)
            return 0;
        if (errno == EAGAIN)
            return SILL_TIMEOUT;
        if (errno == ERANGE)
            return SILL_LIMIT;
        if (errno == ENOSPC || errno == ENOMEM)
            return sill__fail_os_as(SILL_LIMIT, "semtimedop", errno,
                                    "The system has no room to note what is undone at a death");
        if (errno != EINTR)
            return failed("semtimedop");
    }
}

static int lock(struct sill__cells *cells, unsigned cell, int64_t deadline)
{
    struct sembuf take = {(unsigned short)cell, -1, SEM_UNDO};
    return operate(cells, &take, 1, deadline);
}

static void unlock(struct sill__cells *cells, unsigned cell)
{
    struct sembuf give = {(unsigned short)cell, 1, SEM_UNDO};
    operate(cells, &give, 1, SILL__FOREVER);
}

static int wait_for(struct sill__cells *cells, unsigned cell, int64_t deadline)
{
    struct sembuf both[2] = {{(unsigned short)cell, -1, 0}, {(unsigned short)cell, 1, 0}};
    return operate(cells, both, cells->kinds[cell] == SILL__CELL_MANUAL ? 2 : 1, deadline);
}

static int post(struct sill__cells *cells, unsigned cell, uint32_t count)
{
    struct sembuf give = {(unsigned short)cell, (short)count, 0};
    return operate(cells, &give, 1, SILL__FOREVER);
}

static int set_value(struct sill__cells *cells, unsigned cell, bool on)
{
    union argument argument = {.value = on ? 1 : 0};
    return semctl(cells->set, (int)cell, SETVAL, argument) == 0 ? 0 : failed("semctl");
}

const struct sill__sync_ops sill__sysv_sync_ops = {
    .family = SILL_SYNC_SYSV,
    .caps = SILL_SYNC_NAMED,
    .region_kind = SILL_REGION_SYSV,
    .attach = attach,
    .detach = detach,
    .lock = lock,
    .unlock = unlock,
    .wait = wait_for,
    .post = post,
    .set = set_value,
};
