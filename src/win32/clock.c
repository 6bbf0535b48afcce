/* clock.c - monotonic time on Windows. See clock.h.
 *
 * The performance counter never goes back and counts alike on all cores. Its frequency is fixed
 * while the system runs, so it is read once; a thread that reads it a second time stores the same
 * value, which is why a relaxed atomic word is enough.
 */
#include "../clock.h"

#include <stdatomic.h>

#include <windows.h>

#define SECOND INT64_C(1000000000)

static atomic_llong frequency; /* counts a second; 0 until it is known */

int64_t sill__now_ns(void)
{
    LARGE_INTEGER value; /* neither call can fail on any Windows that sill runs on */
    int64_t per_second = atomic_load_explicit(&frequency, memory_order_relaxed);
    if (per_second == 0) {
        QueryPerformanceFrequency(&value);
        per_second = value.QuadPart;
        atomic_store_explicit(&frequency, per_second, memory_order_relaxed);
    }
    QueryPerformanceCounter(&value);
    /* Whole seconds apart from the rest, so that the product cannot overflow. */
    int64_t seconds = value.QuadPart / per_second, rest = value.QuadPart % per_second;
    return seconds * SECOND + rest * SECOND / per_second;
}

void sill__sleep_ns(int64_t ns)
{
    if (ns <= 0)
        return;
    int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    Sleep(ms < INT32_MAX ? (DWORD)ms : INT32_MAX);
}
