/* thread.c - lock, condition variable and once on Windows. See thread.h.
 *
 * thread.h keeps windows.h away from the portable part, so its types hold one pointer each, which
 * is what the three Windows types are. All of them are fine as zeros, need no destruction and
 * cannot fail.
 */
#include "../thread.h"

#include <assert.h>
#include <string.h>

#include <windows.h>

#include "../clock.h"

static_assert(sizeof(SRWLOCK) == sizeof(sill__mutex), "thread.h has room for an SRWLOCK");
static_assert(sizeof(CONDITION_VARIABLE) == sizeof(sill__cond), "and for a condition variable");
static_assert(sizeof(INIT_ONCE) == sizeof(sill__once), "and for an INIT_ONCE");

static PSRWLOCK lock_of(sill__mutex *mutex)
{
    return (PSRWLOCK)(void *)mutex;
}

static PCONDITION_VARIABLE variable_of(sill__cond *cond)
{
    return (PCONDITION_VARIABLE)(void *)cond;
}

int sill__mutex_init(sill__mutex *mutex)
{
    InitializeSRWLock(lock_of(mutex));
    return 0;
}

void sill__mutex_destroy(sill__mutex *mutex)
{
    (void)mutex;
}

void sill__lock(sill__mutex *mutex)
{
    AcquireSRWLockExclusive(lock_of(mutex));
}

void sill__unlock(sill__mutex *mutex)
{
    ReleaseSRWLockExclusive(lock_of(mutex));
}

int sill__cond_init(sill__cond *cond)
{
    InitializeConditionVariable(variable_of(cond));
    return 0;
}

void sill__cond_destroy(sill__cond *cond)
{
    (void)cond;
}

bool sill__cond_wait(sill__cond *cond, sill__mutex *mutex, int64_t deadline)
{
    /* -1, for ever, is INFINITE as it stands */
    DWORD timeout = (DWORD)sill__timeout(deadline);
    if (SleepConditionVariableSRW(variable_of(cond), lock_of(mutex), timeout, 0))
        return true;
    return deadline == SILL__FOREVER || sill__now_ns() < deadline;
}

void sill__cond_broadcast(sill__cond *cond)
{
    WakeAllConditionVariable(variable_of(cond));
}

uint32_t sill__thread_id(void)
{
    return GetCurrentThreadId();
}

static BOOL CALLBACK run_once(PINIT_ONCE once, PVOID argument, PVOID *context)
{
    void (*init)(void);
    (void)once;
    (void)context;
    /* A function's address does not fit a PVOID by the book, so its place is passed. */
    memcpy(&init, argument, sizeof init);
    init();
    return TRUE;
}

void sill__call_once(sill__once *once, void (*init)(void))
{
    InitOnceExecuteOnce((PINIT_ONCE)(void *)once, run_once, (PVOID)&init, NULL);
}
