/* thread.c - lock, condition variable and once on POSIX threads.
 *
 * Condition variables wait on CLOCK_MONOTONIC, so that a change of the wall clock neither
 * lengthens nor shortens a wait.
 */
#include "../thread.h"

#include <stddef.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "../clock.h"
#include "../process.h"
#include "../status.h"

int sill__mutex_init(sill__mutex *mutex)
{
    int code = pthread_mutex_init(mutex, NULL);
    return code == 0 ? SILL_OK
                     : sill__fail_os("pthread_mutex_init", code, "A lock cannot be made.");
}

void sill__mutex_destroy(sill__mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

int sill__cond_init(sill__cond *cond)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code == 0) {
        code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (code == 0)
            code = pthread_cond_init(cond, &attributes);
        pthread_condattr_destroy(&attributes);
    }
    return code == 0
               ? SILL_OK
               : sill__fail_os("pthread_cond_init", code, "A condition variable cannot be made.");
}

void sill__cond_destroy(sill__cond *cond)
{
    pthread_cond_destroy(cond);
}

bool sill__cond_wait(sill__cond *cond, sill__mutex *mutex, int64_t deadline)
{
    if (deadline == SILL__FOREVER)
        return pthread_cond_wait(cond, mutex) == 0;
    if (deadline < 0)
        deadline = 0;
    struct timespec until = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    return pthread_cond_timedwait(cond, mutex, &until) == 0;
}

void sill__cond_broadcast(sill__cond *cond)
{
    pthread_cond_broadcast(cond);
}

static uint32_t new_thread_id(void)
{
#ifdef __linux__
    return (uint32_t)syscall(SYS_gettid);
#else /* unique where pids have 20 bits and a process starts 4095 threads at most */
    static atomic_uint count;
    return (uint32_t)getpid() << 12 | (atomic_fetch_add(&count, 1) % 4095 + 1);
#endif
}

uint32_t sill__thread_id(void)
{
    static _Thread_local uint32_t id, generation; /* a forked child's thread is another one */
    if (id == 0 || generation != sill__fork_generation()) {
        id = new_thread_id();
        generation = sill__fork_generation();
    }
    return id;
}

/* `state` of a once: NULL before, `running` while init runs, `done` afterwards. It is written under
 * once_lock, atomically: the store of `done` (release) pairs with the load outside the lock
 * (acquire). */
static pthread_mutex_t once_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t once_changed = PTHREAD_COND_INITIALIZER;
static char running, done;

void sill__call_once(sill__once *once, void (*init)(void))
{
    if (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) == &done)
        return;
    pthread_mutex_lock(&once_lock);
    while (once->state == &running)
        pthread_cond_wait(&once_changed, &once_lock);
    if (once->state == NULL) {
        __atomic_store_n(&once->state, &running, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&once_lock);
        init();
        pthread_mutex_lock(&once_lock);
        __atomic_store_n(&once->state, &done, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&once_changed);
    }
    pthread_mutex_unlock(&once_lock);
}
