/* clock.h - monotonic time and deadlines. One file per OS: posix/clock.c, win32/clock.c.
 *
 * A timeout (milliseconds, -1 for ever, 0 do not wait) becomes a deadline once, at the entry of a
 * public call; everything inside works with the deadline, so that an interrupted wait never
 * becomes longer.
 */
#ifndef SILL__CLOCK_H
#define SILL__CLOCK_H

#include <stdint.h>

#define SILL__FOREVER INT64_MAX

/* Nanoseconds of a clock that never goes back and runs on during no suspension. */
int64_t sill__now_ns(void);

/* The deadline of a timeout: SILL__FOREVER for a negative one, 0, which has passed long ago, for
 * 0. Inline: in the portable part. */
static inline int64_t sill__deadline(int timeout_ms)
{
    if (timeout_ms == 0)
        return 0;
    return timeout_ms < 0 ? SILL__FOREVER : sill__now_ns() + (int64_t)timeout_ms * 1000000;
}

/* Milliseconds left until `deadline`, rounded up, never negative; -1 for SILL__FOREVER. */
static inline int sill__timeout(int64_t deadline)
{
    if (deadline == SILL__FOREVER)
        return -1;
    int64_t left = deadline - sill__now_ns();
    if (left <= 0)
        return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static inline int64_t sill__earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sleeps that long. For retry loops against other processes where nothing can be waited on. */
void sill__sleep_ns(int64_t ns);

#endif
