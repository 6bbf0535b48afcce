/* sync.c (Windows) - cells as the system's mutexes, semaphores and events.
 *
 * A kernel object is known to each process by a handle of its own, so what lies in shared memory
 * cannot be the object: only its name does, which each process that attaches opens. The name is a
 * random number that the object's maker has put there, and the number of the cell. (A handle that
 * is duplicated into each process would need a process that does it; a name needs nobody.) The
 * kernel objects go with the last handle and are made again by the next process that attaches,
 * which the memory may have outlived if it is a file: free, at the initial count. Whether a dead
 * owner left damage is told by the memory.
 *
 * A mutex of a dead owner is abandoned: the next one gets it. Wine passes it on a moment before the
 * owner, when that is terminated by another process, has really stopped: so who gets one waits for
 * that moment to pass.
 */
#include "../sync_ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "../clock.h"
#include "../status.h"
#include "security.h"

extern const struct sill__sync_ops sill__win32_sync_ops;

#define NAME_SIZE    64
#define LAST_GASP_MS 5

static HANDLE make_cell(const struct sill__cells *cells, unsigned cell,
                        SECURITY_ATTRIBUTES *security)
{
    wchar_t name[NAME_SIZE];
    swprintf(name, NAME_SIZE, L"Local\\sill.sync-%016" PRIx64 "-%u", cells->shared->serial, cell);
    switch (cells->kinds[cell]) {
    case SILL__CELL_COUNTER:
        return CreateSemaphoreW(security, (LONG)cells->initial, SILL_SEMAPHORE_MAX, name);
    case SILL__CELL_AUTO:
    case SILL__CELL_MANUAL:
        return CreateEventW(security, cells->kinds[cell] == SILL__CELL_MANUAL, cells->initial != 0,
                            name);
    default:
        return CreateMutexW(security, FALSE, name);
    }
}

static void detach(struct sill__cells *cells)
{
    for (unsigned i = 0; i < cells->count; i++)
        if (cells->handles[i] != NULL)
            CloseHandle(cells->handles[i]);
    memset(cells->handles, 0, sizeof cells->handles);
}

static int attach_cell(struct sill__cells *cells, unsigned cell, SECURITY_ATTRIBUTES *security)
{
    HANDLE handle = make_cell(cells, cell, security);
    DWORD code = GetLastError();
    if (handle == NULL && (code == ERROR_INVALID_HANDLE || code == ERROR_ACCESS_DENIED))
        return sill__fail_os_as(SILL_FOREIGN, "CreateMutex", code,
                                "Something else has the name of the object");
    if (handle == NULL)
        return sill__fail_os("CreateMutex", code, "A synchronisation object cannot be made");
    cells->handles[cell] = handle;
    return code == ERROR_ALREADY_EXISTS ? sill__security_check_kernel_object(handle, "the object")
                                        : 0;
}

static int attach(struct sill__cells *cells, bool make)
{
    (void)make; /* what is there is opened, what is not is made: the system does both at once */
    struct sill__security security;
    int rc = sill__security_make(&security, "");
    if (rc != 0)
        return rc;
    for (unsigned i = 0; rc == 0 && i < cells->count; i++)
        rc = attach_cell(cells, i, &security.attributes);
    sill__security_free(&security);
    if (rc != 0)
        detach(cells);
    return rc;
}

/* A longer wait than the system's largest is made of several. */
static int wait_for(struct sill__cells *cells, unsigned cell, int64_t deadline)
{
    for (;;) {
        DWORD left = deadline == 0 ? 0 : (DWORD)sill__timeout(deadline); /* -1 is INFINITE */
        switch (WaitForSingleObject(cells->handles[cell], left)) {
        case WAIT_OBJECT_0:
            return 0;
        case WAIT_ABANDONED:
            Sleep(LAST_GASP_MS);
            return 0;
        case WAIT_TIMEOUT:
            if (deadline == 0 || sill__now_ns() >= deadline)
                return SILL_TIMEOUT;
            break;
        default:
            return sill__fail_os("WaitForSingleObject", GetLastError(),
                                 "The object cannot be waited for");
        }
    }
}

static void unlock(struct sill__cells *cells, unsigned cell)
{
    ReleaseMutex(cells->handles[cell]);
}

static int post(struct sill__cells *cells, unsigned cell, uint32_t count)
{
    if (ReleaseSemaphore(cells->handles[cell], (LONG)count, NULL))
        return 0;
    DWORD code = GetLastError();
    return code == ERROR_TOO_MANY_POSTS
               ? SILL_LIMIT
               : sill__fail_os("ReleaseSemaphore", code, "The semaphore cannot be used");
}

static int set(struct sill__cells *cells, unsigned cell, bool on)
{
    HANDLE handle = cells->handles[cell];
    if (on ? SetEvent(handle) : ResetEvent(handle))
        return 0;
    return sill__fail_os("SetEvent", GetLastError(), "The event cannot be used");
}

const struct sill__sync_ops sill__win32_sync_ops = {
    .family = SILL_SYNC_WIN32,
    .caps = SILL_SYNC_NAMED | SILL_SYNC_PLACED | SILL_SYNC_THREADS,
    .region_kind = SILL_REGION_WIN32,
    .attach = attach,
    .detach = detach,
    .lock = wait_for,
    .unlock = unlock,
    .wait = wait_for,
    .post = post,
    .set = set,
};
