/* path.c - UTF-8 to UTF-16 and back, for paths. See path.h. */
#include "path.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "../memory.h"
#include "../status.h"

#define PREFIX        L"\\\\?\\"
#define PREFIX_LENGTH 4u
#define UNC           L"\\\\?\\UNC\\"
#define UNC_LENGTH    8u
#define PATH_LIMIT    32767u /* characters that the system takes, with the end */

static int no_memory(void)
{
    return sill__fail(SILL_NO_MEMORY, "Out of memory for a path.");
}

/* UTF-16 as it stands; the caller frees. */
static int to_wide(const char *path, wchar_t **out)
{
    if (path[0] == '\0')
        return sill__fail(SILL_INVALID, "An empty path names nothing.");
    if (strlen(path) > (size_t)3 * PATH_LIMIT)
        return sill__fail(SILL_LIMIT, "A path of %zu bytes is too long.", strlen(path));
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (count <= 0)
        return sill__fail(SILL_INVALID, "The path \"%.200s\" is not valid UTF-8.", path);
    wchar_t *wide = sill__alloc((size_t)count * sizeof *wide);
    if (wide == NULL)
        return no_memory();
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, count);
    *out = wide;
    return 0;
}

static bool begins(const wchar_t *text, const wchar_t *with, size_t length)
{
    return wcsncmp(text, with, length) == 0;
}

/* Makes `given` absolute and puts the prefix before it. */
static int absolute(const wchar_t *given, const char *path, wchar_t **out)
{
    DWORD room = GetFullPathNameW(given, 0, NULL, NULL);
    if (room == 0)
        return sill__fail_os("GetFullPathName", GetLastError(), "The path \"%.200s\" is not valid",
                             path);
    wchar_t *full = sill__alloc(((size_t)room + UNC_LENGTH) * sizeof *full);
    if (full == NULL)
        return no_memory();
    wchar_t *end = full + UNC_LENGTH; /* where the plain path begins */
    DWORD length = GetFullPathNameW(given, room, end, NULL);
    wchar_t *start = end;
    int status = 0;
    if (length == 0 || length >= room)
        status =
            sill__fail(SILL_OS, "The working directory changed while \"%.200s\" was read.", path);
    else if (begins(end, L"\\\\.\\", 4))
        status = sill__fail(SILL_INVALID, "\"%.200s\" is a device, not a file.", path);
    else if (begins(end, PREFIX, PREFIX_LENGTH))
        start = end;
    else if (begins(end, L"\\\\", 2)) /* \\server\share: the prefix takes the two's place */
        start = memcpy(end + 2 - UNC_LENGTH, UNC, UNC_LENGTH * sizeof *full);
    else
        start = memcpy(end - PREFIX_LENGTH, PREFIX, PREFIX_LENGTH * sizeof *full);
    if (status == 0 && wcslen(start) >= PATH_LIMIT)
        status = sill__fail(SILL_LIMIT, "The path \"%.200s\" is too long.", path);
    if (status != 0) {
        sill__free(full);
        return status;
    }
    memmove(full, start, (wcslen(start) + 1) * sizeof *full);
    *out = full;
    return 0;
}

int sill__path_wide(const char *path, wchar_t **out)
{
    wchar_t *given = NULL;
    int status = to_wide(path, &given);
    if (status != 0)
        return status;
    status = absolute(given, path, out);
    sill__free(given);
    return status;
}

int sill__path_join(const wchar_t *directory, const char *name, wchar_t **out)
{
    size_t length = wcslen(directory), extra = strlen(name);
    wchar_t *path = sill__alloc((length + extra + 2) * sizeof *path);
    if (path == NULL)
        return no_memory();
    memcpy(path, directory, length * sizeof *path);
    if (length > 0 && path[length - 1] != L'\\')
        path[length++] = L'\\';
    for (size_t i = 0; i <= extra; i++)
        path[length + i] = (unsigned char)name[i];
    *out = path;
    return 0;
}

int sill__path_text(const wchar_t *path, char *out, size_t size)
{
    bool unc = begins(path, UNC, UNC_LENGTH);
    const wchar_t *plain = path;
    if (unc)
        plain = path + UNC_LENGTH - 1;
    else if (begins(path, PREFIX, PREFIX_LENGTH))
        plain = path + PREFIX_LENGTH;
    int count = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, plain, -1, NULL, 0, NULL, NULL);
    if (count <= 0)
        return sill__fail(SILL_INVALID, "A path is not valid UTF-16.");
    size_t before = unc ? 1 : 0; /* the second backslash of \\server */
    if ((size_t)count + before > size)
        return sill__fail(SILL_LIMIT, "A path of %d bytes is too long here.", count);
    if (unc)
        out[0] = '\\';
    WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, plain, -1, out + before, count, NULL, NULL);
    return 0;
}
