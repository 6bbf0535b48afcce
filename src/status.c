/* status.c - names and texts of statuses, and each thread's last error.
 *
 * The table in sill/status.h is the only list of statuses; everything here is made from it.
 */
#define SILL__STATUS_ITSELF
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local sill_error last_error = {0, "", 0, ""};

const char *sill_status_name(int status)
{
    switch (status) {
#define NAME(name, value, text)                                                                    \
    case value:                                                                                    \
        return "SILL_" #name;
        SILL_STATUS_TABLE(NAME)
#undef NAME
    default:
        return "SILL_?";
    }
}

const char *sill_status_text(int status)
{
    switch (status) {
#define TEXT(name, value, text)                                                                    \
    case value:                                                                                    \
        return text;
        SILL_STATUS_TABLE(TEXT)
#undef TEXT
    default:
        return "not a status of sill";
    }
}

const sill_error *sill_last_error(void)
{
    return &last_error;
}

#define TEXT_OF(number)         #number
#define VERSION_TEXT(a, b, c)   TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *sill_version(void)
{
    return VERSION_TEXT(SILL_VERSION_MAJOR, SILL_VERSION_MINOR, SILL_VERSION_PATCH);
}

SILL__PRINTF(4, 0)
static void set_error(int status, const char *call, int64_t code, const char *format, va_list args)
{
    last_error.status = status;
    last_error.call = call;
    last_error.code = code;
    vsnprintf(last_error.message, sizeof last_error.message, format, args);
    if (call[0] == '\0')
        return;
    char text[160];
    sill__os_text(code, text, sizeof text);
    size_t used = strlen(last_error.message);
    snprintf(last_error.message + used, sizeof last_error.message - used, " (%s: %s)", call, text);
}

int sill__fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(status, "", 0, format, args);
    va_end(args);
    return status;
}

int sill__fail_os(const char *call, int64_t code, const char *format, ...)
{
    int status = sill__os_status(code);
    va_list args;
    va_start(args, format);
    set_error(status, call, code, format, args);
    va_end(args);
    return status;
}

int sill__fail_os_as(int status, const char *call, int64_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(status, call, code, format, args);
    va_end(args);
    return status;
}

void sill__error_restore(const sill_error *error)
{
    last_error = *error;
}
