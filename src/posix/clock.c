/* clock.c - monotonic time on POSIX.
 *
 * CLOCK_MONOTONIC everywhere: it never goes back and stands still while the machine is suspended,
 * and it is the clock on which thread.c's condition variables wait.
 */
#include "../clock.h"

#include <errno.h>
#include <time.h>

int64_t sill__now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sill__sleep_ns(int64_t ns)
{
    if (ns <= 0)
        return;
    struct timespec left = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}
