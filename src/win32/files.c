/* files.c (Windows) - small whole files, and where configuration lies. See files.h.
 *
 * Paths become what path.h makes of them: absolute, and as long as they like.
 */
#include "../files.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#include "../memory.h"
#include "../status.h"
#include "path.h"

static int no_memory(void)
{
    return sill__fail(SILL_NO_MEMORY, "There is not enough memory for a file's name or contents.");
}

static int to_utf8(const wchar_t *wide, char **out)
{
    int count = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = sill__alloc(count > 0 ? (size_t)count : 1);
    if (text == NULL)
        return no_memory();
    if (count <= 0 || WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, count, NULL, NULL) <= 0)
        text[0] = '\0';
    *out = text;
    return SILL_OK;
}

int sill__env(const char *name, char **out)
{
    wchar_t key[32];
    size_t length = 0;
    for (; name[length] != '\0' && length < 31; length++)
        key[length] = (wchar_t)name[length]; /* our own names are ASCII */
    key[length] = L'\0';
    DWORD size = GetEnvironmentVariableW(key, NULL, 0); /* with the end; 0: not set */
    if (size <= 1) {
        *out = NULL;
        return SILL_OK;
    }
    wchar_t *value = sill__alloc(size * sizeof *value);
    if (value == NULL)
        return no_memory();
    char *text = NULL;
    int status = SILL_OK;
    /* Another thread may change it between the calls: then it counts as not set. */
    DWORD got = GetEnvironmentVariableW(key, value, size);
    if (got > 0 && got < size)
        status = to_utf8(value, &text);
    sill__free(value);
    if (status == SILL_OK)
        *out = text;
    return status;
}

static int config(const char *variable, const char *file, char **out)
{
    static const char middle[] = "\\sill\\";
    char *folder = NULL;
    int status = sill__env(variable, &folder);
    if (status != SILL_OK || folder == NULL) {
        if (status == SILL_OK)
            *out = NULL;
        return status;
    }
    size_t size = strlen(folder) + sizeof middle + strlen(file);
    char *path = sill__alloc(size);
    if (path != NULL)
        snprintf(path, size, "%s%s%s", folder, middle, file);
    sill__free(folder);
    if (path == NULL)
        return no_memory();
    *out = path;
    return SILL_OK;
}

int sill__config_user(const char *file, char **out)
{
    return config("APPDATA", file, out);
}

int sill__config_system(const char *file, char **out)
{
    return config("PROGRAMDATA", file, out);
}

static int fail(const char *call, const char *path, const char *what)
{
    DWORD code = GetLastError();
    return sill__fail_os(call, code, "%.200s cannot be %s.", path, what);
}

static int check_folder(const wchar_t *wide, const char *path)
{
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES || (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
        return SILL_OK;
    return sill__fail(SILL_INVALID, "%.200s is a folder, not a regular file.", path);
}

static int read_all(HANDLE file, const char *path, char *data, size_t limit, size_t *size)
{
    size_t used = 0;
    DWORD got = 1;
    while (used <= limit && got > 0) {
        if (!ReadFile(file, data + used, (DWORD)(limit + 1 - used), &got, NULL))
            return fail("ReadFile", path, "read");
        used += got;
    }
    if (used > limit)
        return sill__fail(SILL_TOO_BIG, "%.200s is larger than %zu bytes.", path, limit);
    *size = used;
    return SILL_OK;
}

/* What turns out to be a pipe or a device may not act in this user's name. */
static int open_regular(const wchar_t *wide, const char *path, HANDLE *out)
{
    int status = check_folder(wide, path);
    if (status != SILL_OK)
        return status;
    HANDLE file =
        CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return fail("CreateFile", path, "read");
    if (GetFileType(file) == FILE_TYPE_DISK) {
        *out = file;
        return SILL_OK;
    }
    CloseHandle(file);
    return sill__fail(SILL_INVALID, "%.200s is a pipe or a device, not a regular file.", path);
}

int sill__file_read(const char *path, size_t limit, char **out, size_t *size)
{
    wchar_t *wide = NULL;
    HANDLE file = NULL;
    int status = sill__path_wide(path, &wide);
    if (status != SILL_OK)
        return status;
    status = open_regular(wide, path, &file);
    sill__free(wide);
    if (status != SILL_OK)
        return status;
    char *data = sill__alloc(limit + 1);
    status = data == NULL ? no_memory() : read_all(file, path, data, limit, size);
    CloseHandle(file);
    if (status != SILL_OK) {
        sill__free(data);
        return status;
    }
    *out = data;
    return SILL_OK;
}

/* A new file in the same folder; its name goes to `out`. */
static int create_beside(const wchar_t *target, const char *path, wchar_t **out, HANDLE *file)
{
    static atomic_uint counter;
    size_t folder = wcslen(target);
    while (folder > 0 && target[folder - 1] != L'\\')
        folder--;
    wchar_t *name = sill__alloc((folder + 64) * sizeof *name);
    if (name == NULL)
        return no_memory();
    wmemcpy(name, target, folder);
    do {
        _snwprintf(name + folder, 64, L".sill-%lu-%u.tmp", GetCurrentProcessId(),
                   atomic_fetch_add(&counter, 1));
        *file = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    } while (*file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_EXISTS);
    if (*file == INVALID_HANDLE_VALUE) {
        int status = fail("CreateFile", path, "written");
        sill__free(name);
        return status;
    }
    *out = name;
    return SILL_OK;
}

static int write_all(HANDLE file, const char *path, const char *data, size_t size)
{
    while (size > 0) {
        DWORD put, piece = size > 1 << 20 ? 1 << 20 : (DWORD)size;
        if (!WriteFile(file, data, piece, &put, NULL))
            return fail("WriteFile", path, "written");
        data += put;
        size -= put;
    }
    if (!FlushFileBuffers(file))
        return fail("FlushFileBuffers", path, "written");
    return SILL_OK;
}

int sill__file_replace(const char *path, const void *data, size_t size)
{
    wchar_t *target = NULL, *name = NULL;
    HANDLE file = NULL;
    int status = sill__path_wide(path, &target);
    if (status != SILL_OK)
        return status;
    status = check_folder(target, path);
    if (status == SILL_OK)
        status = create_beside(target, path, &name, &file);
    if (status != SILL_OK) {
        sill__free(target);
        return status;
    }
    status = write_all(file, path, data, size);
    CloseHandle(file);
    if (status == SILL_OK &&
        !MoveFileExW(name, target, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
        status = fail("MoveFileEx", path, "replaced");
    if (status != SILL_OK)
        DeleteFileW(name);
    sill__free(name);
    sill__free(target);
    return status;
}

int sill__file_make_folders(const char *path)
{
    wchar_t *folder = NULL;
    int status = sill__path_wide(path, &folder);
    if (status != SILL_OK)
        return status;
    /* Parts above may be no folders that can be asked for (\\?, a server): the last decides. */
    DWORD code = ERROR_SUCCESS;
    for (wchar_t *end = wcschr(folder, L'\\'); end != NULL; end = wcschr(end + 1, L'\\')) {
        *end = L'\0';
        bool there = end == folder || GetFileAttributesW(folder) != INVALID_FILE_ATTRIBUTES ||
                     CreateDirectoryW(folder, NULL) || GetLastError() == ERROR_ALREADY_EXISTS;
        code = there ? ERROR_SUCCESS : GetLastError();
        *end = L'\\';
    }
    if (code != ERROR_SUCCESS)
        status = sill__fail_os("CreateDirectory", code, "%.200s cannot be given a folder.", path);
    sill__free(folder);
    return status;
}
