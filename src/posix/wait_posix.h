/* wait_posix.h - how POSIX backends put descriptors into a wait set (wait.h).
 *
 * Two implementations of one contract: wait.c (epoll) on Linux, wait_poll.c (poll) elsewhere, and
 * on Linux too if SILL_WAIT_POLL is defined, so that it is tested.
 */
#ifndef SILL__WAIT_POSIX_H
#define SILL__WAIT_POSIX_H

#include "../wait.h"

#if defined(__linux__) && !defined(SILL_WAIT_POLL)
#define SILL__WAIT_EPOLL 1
#else
#define SILL__WAIT_EPOLL 0
#endif

/* One descriptor in one wait set; all zero: in none. */
typedef struct sill__watch {
    sill__wait *wait;
    uint32_t slot;
    uint32_t generation;
} sill__watch;

/* Reports `events` (SILL__READABLE | SILL__WRITABLE, or SILL__PEER_DEAD alone: reported when `fd`
 * becomes readable) of `fd` with `key`. LIMIT, NO_MEMORY, OS. */
int sill__watch_add(sill__watch *watch, sill__wait *wait, int fd, unsigned events, void *key);

/* Takes it out, before `fd` is closed. Nothing is reported for it afterwards. Fine if it is in no
 * wait set. In a forked child it only forgets: the kernel's set is still the parent's. */
void sill__watch_remove(sill__watch *watch, int fd);

/* The operation behind `events` has said AGAIN: report them anew. Cheap if it
 * is about reading; WRITABLE is not reported before, but for once after sill__watch_add. */
void sill__watch_again(sill__watch *watch, unsigned events);

#endif
