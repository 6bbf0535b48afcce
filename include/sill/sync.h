/* sill/sync.h - what processes wait for each other with: mutex, reader-writer lock, counting
 * semaphore, event, condition variable.
 *
 * An object has a name (create, open) or lies in a region (place). Three families make them:
 *
 *   posix   robust process-shared mutexes and futexes, in shared memory
 *   sysv    a semaphore set with SEM_UNDO; named objects only, since a set without a name is what
 *           nobody finds after a crash
 *   win32   the system's mutexes, semaphores and events; what lies in a region is only what they
 *           are called
 *
 * A process that is killed leaves nobody waiting:
 *
 *   - Mutex, reader-writer lock: the system lets go what the dead one held. The next one gets the
 *     lock and SILL_DIED with it, since what the lock guards may be half-changed; and so does
 *     everybody after it until one has called the function that says that it is mended. Readers
 *     change nothing, so their death is not told.
 *   - Semaphore, event: what a process took and did not give back stays taken. But a wait that
 *     finds nothing ends with SILL_DIED within some tenths of a second after the death of a process
 *     that had the object open (up to 32 at a time are watched). Each handle tells each death once;
 *     nothing was taken, and who does not mind waits again.
 *   - Condition variable: the wait returns now and then without a reason, so its caller looks at
 *     what it waits for, and gets SILL_DIED with the mutex if that was a dead process's.
 *
 * TRUST. These objects are for processes that trust each other: what one can lock, one can lock for
 * ever, and whoever may write the memory can break everything in it. None of them holds against a
 * hostile process, and no lock in shared memory can. Between processes that do not trust each
 * other use a port (sill/port.h): each side writes only its own memory, every wait ends with the
 * peer's death, and what the peer says is checked.
 *
 * Threads and processes: a handle may be used by all threads of its process at once. One object is
 * opened once in a process: a thread that locks it by two handles waits for itself. A lock is given
 * back by the thread that took it. After fork, the child's use of the parent's handles is
 * SILL_INVALID; it may close them. Processes must be of one pid namespace (UNSUPPORTED otherwise)
 * and, for posix, share the C library and the size of a pointer (VERSION otherwise).
 *
 * Timeouts: milliseconds, 0 tries once (AGAIN), -1 for ever. Signals do not cut a wait short.
 *
 * All functions that make or open return 0, or INVALID (arguments, options), NO_MEMORY, OS, and
 * what stands with them. Options may be NULL; the first one to make an object decides about it.
 */
#ifndef SILL_SYNC_H
#define SILL_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include <sill/region.h>
#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_mutex sill_mutex;
typedef struct sill_rwlock sill_rwlock;
typedef struct sill_semaphore sill_semaphore;
typedef struct sill_event sill_event;
typedef struct sill_cond sill_cond;

/* Bytes that an object takes in a region, of whatever type. */
#define SILL_SYNC_SIZE 2048

/* So many readers hold a reader-writer lock at once; more wait. */
#define SILL_RWLOCK_READERS 16

/* The largest count of a semaphore. */
#define SILL_SEMAPHORE_MAX 32767

/* X(constant, value, text) */
#define SILL_SYNC_FAMILY_TABLE(X)                                                                  \
    X(AUTO, 0, "auto") /* the platform's: posix or win32 */                                        \
    X(POSIX, 1, "posix")                                                                           \
    X(SYSV, 2, "sysv")                                                                             \
    X(WIN32, 3, "win32")

enum sill_sync_family {
#define SILL_SYNC_FAMILY_ENUM(name, value, text) SILL_SYNC_##name = (value),
    SILL_SYNC_FAMILY_TABLE(SILL_SYNC_FAMILY_ENUM)
#undef SILL_SYNC_FAMILY_ENUM
};

/* What a family can do: sill_sync_capabilities. */
enum sill_sync_capability {
    SILL_SYNC_NAMED = 1,   /* create, open */
    SILL_SYNC_PLACED = 2,  /* place */
    SILL_SYNC_THREADS = 4, /* a thread that ends with a lock counts as dead; else only a process */
    SILL_SYNC_AVAILABLE = 64 /* exists on this system */
};

typedef struct sill_sync_options {
    size_t struct_size;    /* set by SILL_SYNC_OPTIONS_INIT */
    int family;            /* enum sill_sync_family; of placed objects and AUTO the platform's */
    int open_existing;     /* create: 1 opens what exists; 0 (default) fails with EXISTS */
    int recursive;         /* mutex: its owner may lock it again, and unlocks as often */
    int manual_reset;      /* event: stays set until it is reset; 0: the first wait resets it */
    uint32_t initial;      /* semaphore: the count (to SILL_SEMAPHORE_MAX); event: 1 is set */
    const char *directory; /* named: where the owner record lies; NULL: the runtime directory */
    int timeout_ms;        /* make, open: how long to wait for another process that is just making
                              it; 0: the default of 1000; -1 for ever */
} sill_sync_options;
#define SILL_SYNC_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(sill_sync_options), 0, 0, 0, 0, 0, 0, 0                                             \
    }

/* ---- making, opening, closing: the same for all five ----
 *
 * create: makes the object `name` (the rules and the name space are those of named regions:
 *   sill_region_create, which says the statuses too). It stays, and goes, as a region does, and
 *   is in `sill ls` and `sill clean` as one. EXISTS; UNSUPPORTED (the family is not here).
 * open: opens it. NOT_FOUND; WRONG_KIND (it is another type of object); FOREIGN (a region that is
 *   no such object); VERSION; UNSUPPORTED; TIMEOUT; and what sill_region_open returns.
 * place: the object at `offset` (a multiple of 64) of a region's data: makes it where the memory is
 *   zero, opens it where it is made; so all processes do the same. Half-made ones of a process that
 *   was killed are made anew. The region must be mapped for writing, keep SILL_SYNC_SIZE bytes
 *   there, and outlive the handle. A mapped file may hold objects: after a restart of the machine
 *   they are made anew, and locks say SILL_DIED once. FOREIGN (something else lies there);
 *   WRONG_KIND; VERSION; UNSUPPORTED; TIMEOUT.
 * close: lets go of the handle. A lock that the calling thread holds by it is lost, as if the thread
 *   had died with it; no other thread may hold one, or be in a call on the handle. A named object
 *   stays or goes as its region does. NULL is fine.
 *
 * Each blocks for timeout_ms of the options at most. */
SILL_API int sill_mutex_create(sill_mutex **mutex, const char *name,
                               const sill_sync_options *options);
SILL_API int sill_mutex_open(sill_mutex **mutex, const char *name,
                             const sill_sync_options *options);
SILL_API int sill_mutex_place(sill_mutex **mutex, const sill_region *region, size_t offset,
                              const sill_sync_options *options);
SILL_API void sill_mutex_close(sill_mutex *mutex);

SILL_API int sill_rwlock_create(sill_rwlock **lock, const char *name,
                                const sill_sync_options *options);
SILL_API int sill_rwlock_open(sill_rwlock **lock, const char *name,
                              const sill_sync_options *options);
SILL_API int sill_rwlock_place(sill_rwlock **lock, const sill_region *region, size_t offset,
                               const sill_sync_options *options);
SILL_API void sill_rwlock_close(sill_rwlock *lock);

SILL_API int sill_semaphore_create(sill_semaphore **semaphore, const char *name,
                                   const sill_sync_options *options);
SILL_API int sill_semaphore_open(sill_semaphore **semaphore, const char *name,
                                 const sill_sync_options *options);
SILL_API int sill_semaphore_place(sill_semaphore **semaphore, const sill_region *region,
                                  size_t offset, const sill_sync_options *options);
SILL_API void sill_semaphore_close(sill_semaphore *semaphore);

SILL_API int sill_event_create(sill_event **event, const char *name,
                               const sill_sync_options *options);
SILL_API int sill_event_open(sill_event **event, const char *name,
                             const sill_sync_options *options);
SILL_API int sill_event_place(sill_event **event, const sill_region *region, size_t offset,
                              const sill_sync_options *options);
SILL_API void sill_event_close(sill_event *event);

SILL_API int sill_cond_create(sill_cond **cond, const char *name, const sill_sync_options *options);
SILL_API int sill_cond_open(sill_cond **cond, const char *name, const sill_sync_options *options);
SILL_API int sill_cond_place(sill_cond **cond, const sill_region *region, size_t offset,
                             const sill_sync_options *options);
SILL_API void sill_cond_close(sill_cond *cond);

/* Removes a named object of any type, as sill_region_remove does, with its statuses. Of the posix
 * family those who have it open keep it; of sysv their calls end with NOT_FOUND. UNSUPPORTED for
 * win32: it goes by itself. */
SILL_API int sill_sync_remove(const char *name, const sill_sync_options *options);

/* ---- mutex ---- */

/* 0: the lock is this thread's. DIED: it is too, but the one that held it before died, and nobody
 * has called sill_mutex_repaired since. TIMEOUT, AGAIN (timeout_ms 0). INVALID: this thread has it
 * already, and it is not recursive. LIMIT: locked too often by its owner. NOT_FOUND: it was removed
 * (sysv). OS. */
SILL_API int sill_mutex_lock(sill_mutex *mutex, int timeout_ms);

/* By the owner. 0; INVALID: this thread does not hold it. Never blocks. */
SILL_API int sill_mutex_unlock(sill_mutex *mutex);

/* By the owner: what the mutex guards is whole again, so the next one is not told SILL_DIED.
 * 0; INVALID: this thread does not hold it. Never blocks. */
SILL_API int sill_mutex_repaired(sill_mutex *mutex);

/* ---- reader-writer lock ---- */

/* Many readers or one writer. A writer that waits goes before readers that come later. Not
 * recursive, and a reader cannot become a writer: INVALID. Otherwise as sill_mutex_lock; DIED after
 * the death of a writer. */
SILL_API int sill_rwlock_read(sill_rwlock *lock, int timeout_ms);
SILL_API int sill_rwlock_write(sill_rwlock *lock, int timeout_ms);

/* As sill_mutex_unlock, for both ways to hold it. */
SILL_API int sill_rwlock_unlock(sill_rwlock *lock);

/* As sill_mutex_repaired, by a writer: INVALID for a reader. */
SILL_API int sill_rwlock_repaired(sill_rwlock *lock);

/* ---- semaphore ---- */

/* Takes one of the count, waiting while it is 0. 0; TIMEOUT, AGAIN (timeout_ms 0); DIED (see at
 * the top; nothing was taken); NOT_FOUND (removed, sysv); INVALID; OS. */
SILL_API int sill_semaphore_wait(sill_semaphore *semaphore, int timeout_ms);

/* Adds `count` (1 or more) and wakes as many. 0; LIMIT: the count would pass SILL_SEMAPHORE_MAX,
 * and nothing was added; NOT_FOUND; INVALID; OS. Never blocks. */
SILL_API int sill_semaphore_post(sill_semaphore *semaphore, uint32_t count);

/* ---- event ---- */

/* Sets it: with manual_reset all waits end until it is reset; otherwise one does, which resets it.
 * Setting what is set changes nothing. 0, NOT_FOUND, INVALID, OS. Never blocks. */
SILL_API int sill_event_set(sill_event *event);
SILL_API int sill_event_reset(sill_event *event);

/* Waits until it is set. Statuses as sill_semaphore_wait. */
SILL_API int sill_event_wait(sill_event *event, int timeout_ms);

/* ---- condition variable ---- */

/* Gives the mutex back, waits for a broadcast, and locks the mutex again whatever it returns, but
 * for the statuses at the end. The mutex must be locked once by this thread.
 * 0: there was a broadcast, or none (it also returns after some tenths of a second, so that what a
 * dead process could not tell is found): look at what you wait for, and wait again. DIED: the
 * mutex's owner died, as sill_mutex_lock. TIMEOUT, AGAIN (timeout_ms 0): the mutex is locked; its
 * locking may take longer than the timeout, as long as others hold it. Without the mutex: INVALID
 * (it is not this thread's, or locked several times: it stays as it is); NOT_FOUND, OS. */
SILL_API int sill_cond_wait(sill_cond *cond, sill_mutex *mutex, int timeout_ms);

/* Wakes all that wait. There is no call that wakes one: the one could be killed before it has done
 * what it was woken for, and the others would sleep on. 0, NOT_FOUND, INVALID, OS. Waits for
 * another broadcast that is under way, for a second at most: TIMEOUT. */
SILL_API int sill_cond_broadcast(sill_cond *cond);

/* ---- families ---- */

/* What a family can do on this system, a set of enum sill_sync_capability; 0 if it is not here. */
SILL_API unsigned sill_sync_capabilities(int family);
/* "posix" for SILL_SYNC_POSIX; "?" for none. And back: -1 if unknown. */
SILL_API const char *sill_sync_family_name(int family);
SILL_API int sill_sync_family_parse(const char *text);

#ifdef __cplusplus
}
#endif

#endif
