/* pipe_place.c - names of pipes, who may open them, and opening them.
 *
 * All pipes of a machine lie in one flat directory in which case does not count. The name of a
 * channel's pipe has three parts: "sill.", a hash of what the file system says the runtime
 * directory is (its volume and file number, not one of its spellings), and the name of the owner
 * record in small letters. So two directories are two name spaces, as with sockets, and users do
 * not collide, since each has a runtime directory of their own.
 */
#include "pipe_win32.h"

#include <string.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "path.h"

#define QUOTA 65536 /* bytes that the system keeps for a reader, each way */

/* Everybody else who may connect: everything that a client's handle needs, without the right to
 * make another instance of the pipe and so to pose as the server. */
#define EVERYBODY "(A;;0x12018b;;;WD)"
#define CLIENT    (FILE_GENERIC_READ | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)

/* How long a client sleeps at most before it looks again whether the server is still there. */
#define BUSY_MS 250

static uint64_t hash(uint64_t value, uint64_t seed)
{
    for (unsigned i = 0; i < 8; i++)
        seed = (seed ^ (value >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3); /* FNV-1a */
    return seed;
}

static int directory_hash(const char *directory, uint64_t *out)
{
    wchar_t *wide;
    int status = sill__path_wide(directory, &wide);
    if (status != SILL_OK)
        return status;
    HANDLE handle = CreateFileW(wide, FILE_READ_ATTRIBUTES,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD code = handle == INVALID_HANDLE_VALUE ? GetLastError() : 0;
    sill__free(wide);
    if (handle == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFileW", code, "The directory %.200s cannot be opened.",
                             directory);
    BY_HANDLE_FILE_INFORMATION info;
    BOOL fine = GetFileInformationByHandle(handle, &info);
    code = fine ? 0 : GetLastError();
    CloseHandle(handle);
    if (!fine)
        return sill__fail_os("GetFileInformationByHandle", code,
                             "The directory %.200s cannot be told from others.", directory);
    uint64_t index = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    *out = hash(index, hash(info.dwVolumeSerialNumber, UINT64_C(0xcbf29ce484222325)));
    return SILL_OK;
}

int sill__pipe_name(const struct sill__place *place, wchar_t out[SILL__PIPE_NAME])
{
    uint64_t space = 0;
    int status = directory_hash(place->directory, &space);
    if (status != SILL_OK)
        return status;
    static const wchar_t start[] = L"\\\\.\\pipe\\sill.";
    wchar_t *at = out;
    for (const wchar_t *c = start; *c != L'\0'; c++)
        *at++ = *c;
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = L"0123456789abcdef"[space >> shift & 15];
    *at++ = L'.';
    for (const char *c = place->file; *c != '\0'; c++)
        *at++ = (wchar_t)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    *at = L'\0';
    return SILL_OK;
}

int sill__pipe_security(int access, struct sill__security *out)
{
    return sill__security_make(out, access == SILL_ACCESS_ALL ? EVERYBODY : "");
}

int sill__pipe_instance(const wchar_t *name, struct sill__security *security, bool first,
                        HANDLE *out)
{
    DWORD mode = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
    HANDLE made =
        CreateNamedPipeW(name, first ? mode | FILE_FLAG_FIRST_PIPE_INSTANCE : mode,
                         PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
                         PIPE_UNLIMITED_INSTANCES, QUOTA, QUOTA, 0, &security->attributes);
    if (made != INVALID_HANDLE_VALUE) {
        *out = made;
        return SILL_OK;
    }
    DWORD code = GetLastError();
    if (first && (code == ERROR_ACCESS_DENIED || code == ERROR_PIPE_BUSY))
        return sill__fail_os_as(SILL_DENIED, "CreateNamedPipeW", code,
                                "The pipe \"%ls\" is there already and is not of this server.",
                                name);
    return sill__fail_os("CreateNamedPipeW", code, "The pipe \"%ls\" cannot be made.", name);
}

/* Waits until an instance may be free. */
static int wait_for_instance(const wchar_t *name, const struct sill__place *place, int64_t deadline)
{
    int left = sill__timeout(deadline);
    if (left == 0)
        return sill__fail(SILL_TIMEOUT, "All the places in the queue of \"%s\" are taken.",
                          place->name);
    /* If the server goes, or another client is faster, the next attempt to open will tell. */
    WaitNamedPipeW(name, left < 0 || left > BUSY_MS ? BUSY_MS : (DWORD)left);
    return SILL_OK;
}

int sill__pipe_open(const struct sill__place *place, int64_t deadline, HANDLE *out)
{
    wchar_t name[SILL__PIPE_NAME];
    int status = sill__pipe_name(place, name);
    while (status == SILL_OK) {
        /* A server that turns out to be another's must not act in our name. */
        HANDLE pipe = CreateFileW(
            name, CLIENT, 0, NULL, OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
        if (pipe != INVALID_HANDLE_VALUE) {
            *out = pipe;
            return SILL_OK;
        }
        DWORD code = GetLastError();
        if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
            return sill__fail_os_as(SILL_NOT_FOUND, "CreateFileW", code,
                                    "Nobody listens as \"%s\".", place->name);
        if (code != ERROR_PIPE_BUSY)
            return sill__fail_os("CreateFileW", code, "The pipe of \"%s\" cannot be opened.",
                                 place->name);
        status = wait_for_instance(name, place, deadline);
    }
    return status;
}
