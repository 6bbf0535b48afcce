/* thread.h - lock and condition variable within one process. One set per OS: posix/thread.c,
 * win32/thread.c. The types differ, so this header is the one place where they are chosen.
 *
 * Never in shared memory. Locks are not recursive.
 */
#ifndef SILL__THREAD_H
#define SILL__THREAD_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
typedef struct {
    void *srw; /* SRWLOCK */
} sill__mutex;
typedef struct {
    void *variable; /* CONDITION_VARIABLE */
} sill__cond;
#else
#include <pthread.h>
typedef pthread_mutex_t sill__mutex;
typedef pthread_cond_t sill__cond;
#endif

/* 0, or SILL_NO_MEMORY/SILL_OS. */
int sill__mutex_init(sill__mutex *mutex);
void sill__mutex_destroy(sill__mutex *mutex);
#ifdef _WIN32
void sill__lock(sill__mutex *mutex);
void sill__unlock(sill__mutex *mutex);
#else /* locking a valid lock cannot fail, so nothing is reported */
static inline void sill__lock(sill__mutex *mutex)
{
    pthread_mutex_lock(mutex);
}
static inline void sill__unlock(sill__mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}
#endif

int sill__cond_init(sill__cond *cond);
void sill__cond_destroy(sill__cond *cond);
/* Waits, with `mutex` released meanwhile. False once `deadline` (clock.h) has passed; spurious
 * true is possible. */
bool sill__cond_wait(sill__cond *cond, sill__mutex *mutex, int64_t deadline);
void sill__cond_broadcast(sill__cond *cond);

/* This thread, as no other one of the machine (POSIX: of the pid namespace) is called while it
 * lives. Never 0. Cheap. */
uint32_t sill__thread_id(void);

/* Runs `init` exactly once in the process, whichever thread comes first. */
typedef struct {
    void *state;
} sill__once;
#define SILL__ONCE_INIT {0}
void sill__call_once(sill__once *once, void (*init)(void));

#endif
