/* barrier.c - barriers in other processes: Windows has them within one process only
 * (FlushProcessWriteBuffers), so senders make a fence of their own. See barrier.h.
 */
#include "../barrier.h"

#include <stdatomic.h>

bool sill__barrier_register(void)
{
    return false;
}

void sill__barrier_all(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}
