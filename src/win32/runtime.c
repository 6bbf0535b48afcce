/* runtime.c - the runtime directory and its lock file. See owner.h and runtime.h.
 *
 * Only a directory into which nobody else can write is used, so that what lies in it can be
 * believed. Administrators and the system are not "somebody else": nothing can be kept from them.
 */
#include "runtime.h"

#include <stdio.h>
#include <string.h>

#include <aclapi.h>

#include "../files.h"
#include "../memory.h"
#include "../owner.h"
#include "../status.h"
#include "path.h"
#include "security.h"

#define LOCK_FILE    ".lock"
#define LOCK_WAIT_MS 10000

/* Whoever has one of these can change what lies in a directory, or who can. */
#define CHANGING                                                                                   \
    (FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_DELETE_CHILD | DELETE | WRITE_DAC |              \
     WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL)

/* ---- which directory ---- */

static bool is_trusted(PSID sid)
{
    return sill__sid_is_self(sid) || IsWellKnownSid(sid, WinLocalSystemSid) ||
           IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
           IsWellKnownSid(sid, WinCreatorOwnerRightsSid);
}

/* An entry that lets somebody else change the directory itself. */
static bool is_open_entry(void *entry)
{
    const ACE_HEADER *header = entry;
    if ((header->AceFlags & INHERIT_ONLY_ACE) != 0)
        return false;
    if (header->AceType != ACCESS_ALLOWED_ACE_TYPE &&
        header->AceType != ACCESS_ALLOWED_CALLBACK_ACE_TYPE)
        return false; /* object entries do not occur on files */
    ACCESS_ALLOWED_ACE *allowed = entry;
    return (allowed->Mask & CHANGING) != 0 && !is_trusted(&allowed->SidStart);
}

static int check_entries(HANDLE directory, const char *path)
{
    PACL list = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    DWORD code = GetSecurityInfo(directory, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL,
                                 &list, NULL, &descriptor);
    if (code != ERROR_SUCCESS)
        return sill__fail_os("GetSecurityInfo", code, "The access list of %.200s cannot be read",
                             path);
    bool open = list == NULL; /* no list at all: everybody may do everything */
    for (DWORD i = 0; !open && i < list->AceCount; i++) {
        void *entry;
        open = !GetAce(list, i, &entry) || is_open_entry(entry);
    }
    LocalFree(descriptor);
    if (open)
        return sill__fail(SILL_DENIED,
                          "Others can write in %.200s: use a directory that only you can change, "
                          "or set SILL_RUNTIME_DIR to one.",
                          path);
    return 0;
}

static int check_directory(const wchar_t *wide, const char *path)
{
    HANDLE directory =
        CreateFileW(wide, READ_CONTROL | FILE_READ_ATTRIBUTES,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (directory == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFile", GetLastError(),
                             "The runtime directory %.200s cannot be opened", path);
    int status = 0;
    BY_HANDLE_FILE_INFORMATION information;
    if (!GetFileInformationByHandle(directory, &information))
        status = sill__fail_os("GetFileInformationByHandle", GetLastError(),
                               "The runtime directory %.200s cannot be read", path);
    else if ((information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
        status = sill__fail(SILL_DENIED, "The runtime directory %.200s is a link.", path);
    else if ((information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
        status = sill__fail(SILL_DENIED, "The runtime directory %.200s is not a directory.", path);
    if (status == 0)
        status = sill__security_check_file(directory, path);
    if (status == 0)
        status = check_entries(directory, path);
    CloseHandle(directory);
    return status;
}

/* Makes one directory; with `own`, for the user alone. One that exists is fine. */
static int make_directory(const char *path, bool own)
{
    wchar_t *wide;
    int status = sill__path_wide(path, &wide);
    if (status != 0)
        return status;
    struct sill__security security = {{0}};
    if (own)
        status = sill__security_make_directory(&security);
    if (status == 0 && !CreateDirectoryW(wide, own ? &security.attributes : NULL) &&
        GetLastError() != ERROR_ALREADY_EXISTS)
        status = sill__fail_os("CreateDirectory", GetLastError(),
                               "The runtime directory %.200s cannot be made: set SILL_RUNTIME_DIR "
                               "to one",
                               path);
    if (own)
        sill__security_free(&security);
    sill__free(wide);
    return status;
}

/* %LOCALAPPDATA%\sill\run, made if it is missing. */
static int default_directory(char **out)
{
    static const char *const middles[] = {"", "\\AppData\\Local"};
    const char *middle = middles[0];
    char *base = NULL;
    int status = sill__env("LOCALAPPDATA", &base);
    if (status == 0 && base == NULL) {
        middle = middles[1];
        status = sill__env("USERPROFILE", &base);
    }
    if (status != 0)
        return status;
    if (base == NULL)
        return sill__fail(SILL_NOT_FOUND, "There is no runtime directory: neither LOCALAPPDATA nor "
                                          "USERPROFILE is set; set SILL_RUNTIME_DIR.");
    size_t size = strlen(base) + strlen(middle) + sizeof "\\sill\\run";
    char *path = sill__alloc(size);
    if (path != NULL)
        snprintf(path, size, "%s%s\\sill", base, middle);
    sill__free(base);
    if (path == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    status = make_directory(path, false);
    strcat(path, "\\run");
    if (status == 0)
        status = make_directory(path, true);
    if (status != 0) {
        sill__free(path);
        return status;
    }
    *out = path;
    return 0;
}

/* From SILL_RUNTIME_DIR, or the default one. */
static int find_directory(char **out)
{
    char *path = NULL;
    int status = sill__env("SILL_RUNTIME_DIR", &path);
    if (status == 0 && path == NULL)
        status = default_directory(&path);
    if (status == 0)
        *out = path;
    return status;
}

int sill__runtime_directory(const char *directory, char *out, size_t size)
{
    char *found = NULL, *text = NULL;
    wchar_t *wide = NULL;
    int status = directory == NULL ? find_directory(&found) : 0;
    if (status == 0)
        status = sill__path_wide(directory != NULL ? directory : found, &wide);
    if (status == 0 && (text = sill__alloc(size)) == NULL)
        status = sill__fail(SILL_NO_MEMORY, "Out of memory.");
    if (status == 0)
        status = sill__path_text(wide, text, size);
    if (status == 0)
        status = check_directory(wide, text);
    if (status == 0)
        strcpy(out, text);
    sill__free(text);
    sill__free(wide);
    sill__free(found);
    return status;
}

/* ---- its locks ---- */

static OVERLAPPED place_of(uint64_t at)
{
    OVERLAPPED place;
    memset(&place, 0, sizeof place);
    place.Offset = (DWORD)(at & 0xffffffffu);
    place.OffsetHigh = (DWORD)(at >> 32);
    return place;
}

int sill__lock_open(const wchar_t *directory, HANDLE *out)
{
    wchar_t *path;
    struct sill__security security;
    int status = sill__path_join(directory, LOCK_FILE, &path);
    if (status != 0)
        return status;
    status = sill__security_make(&security, "");
    if (status != 0) {
        sill__free(path);
        return status;
    }
    /* Not shared for deletion: the file stays the same one for as long as anybody holds a lock. */
    HANDLE file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, &security.attributes, OPEN_ALWAYS,
                              FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    DWORD code = GetLastError();
    sill__security_free(&security);
    sill__free(path);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFile", code,
                             "The file %s of the runtime directory cannot be opened", LOCK_FILE);
    *out = file;
    return 0;
}

bool sill__lock_try(HANDLE file, uint64_t at, bool exclusive)
{
    OVERLAPPED place = place_of(at);
    DWORD flags = LOCKFILE_FAIL_IMMEDIATELY | (exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0u);
    return LockFileEx(file, flags, 0, 1, 0, &place) != 0;
}

void sill__lock_drop(HANDLE file, uint64_t at)
{
    OVERLAPPED place = place_of(at);
    UnlockFileEx(file, 0, 1, 0, &place);
}

int sill__lock_directory(HANDLE file)
{
    ULONGLONG begin = GetTickCount64();
    while (!sill__lock_try(file, SILL__LOCK_DIRECTORY, true)) {
        DWORD code = GetLastError();
        if (code != ERROR_LOCK_VIOLATION && code != ERROR_IO_PENDING)
            return sill__fail_os("LockFileEx", code, "The runtime directory cannot be locked");
        ULONGLONG waited = GetTickCount64() - begin;
        if (waited > LOCK_WAIT_MS)
            return sill__fail(SILL_TIMEOUT,
                              "Another process has held the runtime directory's lock "
                              "for more than %d seconds.",
                              LOCK_WAIT_MS / 1000);
        Sleep(waited < 2 ? 0 : 1);
    }
    return 0;
}
