/* barrier.c - barriers in other processes, on Linux; elsewhere there are none. See barrier.h.
 *
 * The registration belongs to the process's memory and a forked child has to make its own, so it is
 * noted with the fork's number (process.h).
 */
#include "../barrier.h"

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

#include "../process.h"

#ifdef SYS_membarrier
static _Atomic uint64_t registered; /* (fork generation + 1) * 2, + 1 if it works; 0: not yet */

static bool try_register(void)
{
    long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    const long need =
        MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
    return can >= 0 && (can & need) == need &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool sill__barrier_register(void)
{
    uint64_t mine = ((uint64_t)sill__fork_generation() + 1) * 2;
    uint64_t known = atomic_load_explicit(&registered, memory_order_relaxed);
    if ((known & ~UINT64_C(1)) == mine)
        return (known & 1) != 0;
    bool works = try_register(); /* twice does no harm */
    atomic_store_explicit(&registered, mine | (works ? 1 : 0), memory_order_relaxed);
    return works;
}

bool sill__barrier_all(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}
#else
bool sill__barrier_register(void)
{
    return false;
}

bool sill__barrier_all(void)
{
    return false;
}
#endif
