/* barrier.h - who pays for the order of "publish, then look whether the peer sleeps".
 *
 * A sender stores a record and then loads the peer's `want`; a receiver stores its `want` and then
 * loads the record's word. One of them must see the other's store, which takes a full barrier at
 * both. Where the system lets one process make all others execute a barrier (Linux: membarrier,
 * global expedited), a sender may turn lazy: it only keeps the compiler from changing the order, says
 * so in its control words, and the one who goes to sleep has the barrier made. That takes some
 * microseconds, so only senders that have not had to ring for a while are lazy. Both processes must
 * have registered; the greeting says so (SILL__FEATURE_BARRIER). One file per OS: posix/barrier.c, win32/barrier.c.
 */
#ifndef SILL__BARRIER_H
#define SILL__BARRIER_H

#include <stdbool.h>

/* Registers this process, once. Whether sill__barrier_all works between registered ones. */
bool sill__barrier_register(void);
/* A full barrier here and in every running thread of every registered process. False if the system
 * refuses that now (a filter of system calls that came later). */
bool sill__barrier_all(void);

/* Tells the processor that this is a loop that waits for another one. */
static inline void sill__relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
