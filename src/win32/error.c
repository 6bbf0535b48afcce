/* error.c - what Windows' error codes mean as statuses, and their text. See status.h. */
#include "../status.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

static const struct {
    DWORD code;
    int status;
} table[] = {
    {ERROR_IO_PENDING, SILL_AGAIN},
    {ERROR_IO_INCOMPLETE, SILL_AGAIN},
    {ERROR_NOT_READY, SILL_AGAIN},
    {WAIT_TIMEOUT, SILL_TIMEOUT},
    {ERROR_SEM_TIMEOUT, SILL_TIMEOUT},
    {ERROR_TIMEOUT, SILL_TIMEOUT},
    {ERROR_OPERATION_ABORTED, SILL_CANCELED},
    {ERROR_CANCELLED, SILL_CANCELED},

    {ERROR_BROKEN_PIPE, SILL_DIED},
    {ERROR_NO_DATA, SILL_DIED},
    {ERROR_PIPE_NOT_CONNECTED, SILL_DIED},

    {ERROR_INVALID_PARAMETER, SILL_INVALID},
    {ERROR_INVALID_HANDLE, SILL_INVALID},
    {ERROR_INVALID_NAME, SILL_INVALID},
    {ERROR_BAD_PATHNAME, SILL_INVALID},
    {ERROR_DIRECTORY, SILL_INVALID},
    {ERROR_NO_UNICODE_TRANSLATION, SILL_INVALID},

    {ERROR_ACCESS_DENIED, SILL_DENIED},
    {ERROR_PRIVILEGE_NOT_HELD, SILL_DENIED},
    {ERROR_WRITE_PROTECT, SILL_DENIED},
    {ERROR_SHARING_VIOLATION, SILL_DENIED},
    {ERROR_LOCK_VIOLATION, SILL_DENIED},
    {ERROR_INVALID_OWNER, SILL_DENIED},

    {ERROR_ALREADY_EXISTS, SILL_EXISTS},
    {ERROR_FILE_EXISTS, SILL_EXISTS},

    {ERROR_FILE_NOT_FOUND, SILL_NOT_FOUND},
    {ERROR_PATH_NOT_FOUND, SILL_NOT_FOUND},
    {ERROR_INVALID_DRIVE, SILL_NOT_FOUND},

    {ERROR_DISK_FULL, SILL_NO_SPACE},
    {ERROR_HANDLE_DISK_FULL, SILL_NO_SPACE},
    {ERROR_COMMITMENT_LIMIT, SILL_NO_SPACE},
    {ERROR_COMMITMENT_MINIMUM, SILL_NO_SPACE},
    {ERROR_PAGEFILE_QUOTA, SILL_NO_SPACE},

    {ERROR_TOO_MANY_OPEN_FILES, SILL_LIMIT},
    {ERROR_NO_MORE_USER_HANDLES, SILL_LIMIT},
    {ERROR_NO_SYSTEM_RESOURCES, SILL_LIMIT},
    {ERROR_NONPAGED_SYSTEM_RESOURCES, SILL_LIMIT},
    {ERROR_PAGED_SYSTEM_RESOURCES, SILL_LIMIT},
    {ERROR_WORKING_SET_QUOTA, SILL_LIMIT},
    {ERROR_NOT_ENOUGH_QUOTA, SILL_LIMIT},
    {ERROR_FILENAME_EXCED_RANGE, SILL_LIMIT},
    {ERROR_BUFFER_OVERFLOW, SILL_LIMIT},
    {ERROR_PIPE_BUSY, SILL_LIMIT},

    {ERROR_FILE_TOO_LARGE, SILL_TOO_BIG},

    {ERROR_NOT_SUPPORTED, SILL_UNSUPPORTED},
    {ERROR_INVALID_FUNCTION, SILL_UNSUPPORTED},
    {ERROR_CALL_NOT_IMPLEMENTED, SILL_UNSUPPORTED},

    {ERROR_NOT_ENOUGH_MEMORY, SILL_NO_MEMORY},
    {ERROR_OUTOFMEMORY, SILL_NO_MEMORY},
};

int sill__os_status(int64_t code)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == (uint64_t)code)
            return table[i].status;
    return SILL_OS;
}

/* Ends lines as a space, the whole without a full stop, and never within a UTF-8 character. */
static void tidy(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '.'))
        length--;
    text[length] = '\0';
}

void sill__os_text(int64_t code, char *out, unsigned size)
{
    WCHAR wide[256];
    char text[3 * sizeof wide / sizeof *wide]; /* no UTF-16 unit takes more than 3 bytes of UTF-8 */
    DWORD got = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                   FORMAT_MESSAGE_MAX_WIDTH_MASK,
                               NULL, (DWORD)code, 0, wide, sizeof wide / sizeof *wide, NULL);
    int length = got == 0 ? 0
                          : WideCharToMultiByte(CP_UTF8, 0, wide, (int)got, text,
                                                (int)sizeof text - 1, NULL, NULL);
    if (size == 0)
        return;
    if (length <= 0) {
        snprintf(out, size, "error %lld", (long long)code);
        return;
    }
    size_t used = (size_t)length;
    if (used >= size) {
        used = size - 1;
        while (used > 0 && ((unsigned char)text[used] & 0xC0) == 0x80)
            used--;
    }
    memcpy(out, text, used);
    tidy(out, used);
}
