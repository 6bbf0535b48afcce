/* process.h - who we are, and whether another process still lives. One file per OS:
 * posix/process.c, win32/process.c.
 *
 * A pid alone is never believed: it comes back for another process. A process is told by its pid,
 * its start time, the boot it lives in, and (Linux) the pid namespace in which the pid counts.
 */
#ifndef SILL__PROCESS_H
#define SILL__PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sill__process {
    uint32_t pid;
    uint64_t start;     /* start time; unit of the OS, only compared for equality */
    uint64_t pid_space; /* Linux: made of the inodes of the pid namespace, in which the pid counts,
                           and of the time namespace, in which the start counts; 0: not known */
    char boot[40];      /* boot id; "" where the OS drops all objects at shutdown by itself */
};

void sill__process_self(struct sill__process *out);

/* Fills `out` for a living process `pid` of our own pid namespace; SILL_NOT_FOUND if there is none,
 * or if it has ended and was only not waited for yet. */
int sill__process_of(uint32_t pid, struct sill__process *out);

/* 1 alive, 0 certainly gone (its pid is free or another's, or it lived in another boot), -1 cannot
 * be told from here (another pid namespace, no /proc). */
int sill__process_alive(const struct sill__process *process);

/* Whether that process and this one may run at the same time: there are two processors for them.
 * Also true if it cannot be told. */
bool sill__process_parallel(uint32_t pid);

/* Whether to wake another process takes several times as long as usual: under Wine, where a third
 * process comes between. */
bool sill__wakes_slowly(void);

/* Changes in a child made by fork() and nowhere else; compare with the value noted at an object's
 * creation to tell that the object belongs to the parent. A plain load, cheap. */
extern atomic_uint sill__forks;
static inline uint32_t sill__fork_generation(void)
{
    return atomic_load_explicit(&sill__forks, memory_order_relaxed);
}

#endif
