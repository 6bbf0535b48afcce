/* wait.c - the one thing that wait sets of every kind have in common: they may lack a pollable. */
#include "wait.h"

#include "status.h"

int sill__wait_pollable(sill__wait *wait, sill_handle *out)
{
    if (wait->ops->pollable == NULL)
        return sill__fail(SILL_UNSUPPORTED,
                          "There is no handle for event loops: what is waited on here (System V "
                          "semaphores, or poll) has none. Use a thread of your own that receives.");
    return wait->ops->pollable(wait, out);
}
