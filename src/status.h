/* status.h - how the inside of sill reports a failure.
 *
 * A failing function says what failed once, where it failed, and returns the status; its callers
 * pass the status on and add nothing, so that sill_last_error() tells the first cause.
 */
#ifndef SILL__STATUS_H
#define SILL__STATUS_H

#include <sill/status.h>

#if defined(__MINGW32__)
#include <stdio.h> /* knows which printf this build has */
#define SILL__PRINTF(f, a) __attribute__((format(__MINGW_PRINTF_FORMAT, f, a)))
#elif defined(__GNUC__)
#define SILL__PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define SILL__PRINTF(f, a)
#endif

/* Sets the thread's last error (no OS call involved) and returns `status`. */
int sill__fail(int status, const char *format, ...) SILL__PRINTF(2, 3);

/* The same after the OS call `call` failed with `code` (errno or GetLastError()). The status is
 * what sill__os_status makes of the code. The code's own text is put behind the sentence. */
int sill__fail_os(const char *call, int64_t code, const char *format, ...) SILL__PRINTF(3, 4);

/* The same with a status that the caller knows better. */
int sill__fail_os_as(int status, const char *call, int64_t code, const char *format, ...)
    SILL__PRINTF(4, 5);

/* Puts back what sill_last_error() said before a clean-up, whose own failures are of no interest.
 */
void sill__error_restore(const sill_error *error);

#if defined(__GNUC__) && !defined(SILL__STATUS_ITSELF)
/* What a compiler cannot see in a caller: these never return 0, so that it does not warn of what
 * would be uninitialized if they did. */
static inline int sill__failed(int status)
{
    if (status >= 0)
        __builtin_unreachable();
    return status;
}
#define sill__fail(...)       sill__failed(sill__fail(__VA_ARGS__))
#define sill__fail_os(...)    sill__failed(sill__fail_os(__VA_ARGS__))
#define sill__fail_os_as(...) sill__failed(sill__fail_os_as(__VA_ARGS__))
#endif

/* One file per OS: a native code as a status (SILL_OS where nothing fits), and as text. */
int sill__os_status(int64_t code);
void sill__os_text(int64_t code, char *out, unsigned size);

#endif
