/* pipe_place.c - where pipes are, who may open them, and opening them.
 *
 * A pipe's name stays in use as long as one of its instances does, connections included, so a name
 * that is always the same would keep the next listener out while connections of the last one live.
 * And all pipes of a machine lie in one flat directory in which anybody may take any name first.
 * So each listener draws a name that nobody can foresee and writes it to a small file in the
 * runtime directory, beside the owner record, where only those may write who may take the name
 * anyway. It is there that clients look. The file goes when its listener closes it or dies; what a
 * power failure leaves behind names no pipe, and is nobody's.
 */
#define _CRT_RAND_S /* rand_s: a good random generator, in spite of its name */
#include "pipe_win32.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "path.h"

#define QUOTA 131072 /* bytes that the system keeps for a reader, each way: two full writes */

/* Everybody else who may connect: everything that a client's handle needs, without the right to
 * make another instance of the pipe and so to pose as the server. */
#define EVERYBODY       "(A;;0x12018b;;;WD)"
#define EVERYBODY_READS "(A;;FR;;;WD)"
#define CLIENT          (FILE_GENERIC_READ | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)

/* How long a client sleeps at most before it looks again whether the server is still there. */
#define BUSY_MS 250

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* For how long a file that is there may be in the way: a client may be reading it. */
#define FILE_NS INT64_C(1000000000)
/* And for how long it may say "denied" for being on its way out, another client reading it. */
#define GOING_NS INT64_C(10000000)

/* ---- the file that tells the pipe's name ---- */

static int file_path(const struct sill__place *place, wchar_t **out)
{
    char name[sizeof place->file + 8];
    wchar_t *directory;
    snprintf(name, sizeof name, "%s~pipe", place->file);
    int status = sill__path_wide(place->directory, &directory);
    if (status != SILL_OK)
        return status;
    status = sill__path_join(directory, name, out);
    sill__free(directory);
    return status;
}

static HANDLE file_create(const wchar_t *path, struct sill__security *security)
{
    DeleteFileW(path); /* what a dead listener left; if it stays, the next call says why */
    return CreateFileW(path, GENERIC_WRITE | DELETE, SHARE_ALL, &security->attributes, CREATE_NEW,
                       FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
}

/* Makes the file, once whatever else has it open has let go of it. */
static int file_make(const struct sill__place *place, struct sill__security *security, HANDLE *out)
{
    wchar_t *path;
    int status = file_path(place, &path);
    if (status != SILL_OK)
        return status;
    int64_t deadline = sill__now_ns() + FILE_NS;
    HANDLE file;
    DWORD code = 0;
    while ((file = file_create(path, security)) == INVALID_HANDLE_VALUE) {
        code = GetLastError();
        /* What is deleted while a client has it open stays a moment longer. */
        if ((code != ERROR_ACCESS_DENIED && code != ERROR_SHARING_VIOLATION &&
             code != ERROR_FILE_EXISTS) ||
            sill__now_ns() >= deadline)
            break;
        sill__sleep_ns(1000000);
    }
    sill__free(path);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os_as(code == ERROR_FILE_EXISTS ? SILL_DENIED : sill__os_status(code),
                                "CreateFileW", code, "The file %s~pipe in %.200s cannot be made.",
                                place->file, place->directory);
    *out = file;
    return SILL_OK;
}

int sill__pipe_publish(const struct sill__place *place, const char token[SILL__PIPE_TOKEN + 1],
                       HANDLE *out)
{
    struct sill__security security;
    HANDLE file = NULL;
    DWORD written = 0;
    int status =
        sill__security_make(&security, place->access == SILL_ACCESS_ALL ? EVERYBODY_READS : "");
    if (status != SILL_OK)
        return status;
    status = file_make(place, &security, &file);
    sill__security_free(&security);
    if (status != SILL_OK)
        return status;
    if (!WriteFile(file, token, SILL__PIPE_TOKEN, &written, NULL)) {
        status = sill__fail_os("WriteFile", GetLastError(),
                               "The file %s~pipe in %.200s cannot be written.", place->file,
                               place->directory);
        CloseHandle(file);
        return status;
    }
    *out = file;
    return SILL_OK;
}

static bool is_token(const char *text, DWORD size)
{
    return size == SILL__PIPE_TOKEN && strspn(text, "0123456789abcdef") == SILL__PIPE_TOKEN;
}

static int nobody(const struct sill__place *place, const char *call, DWORD code)
{
    return sill__fail_os_as(SILL_NOT_FOUND, call, code, "Nobody listens as \"%s\".", place->name);
}

/* What the file says. NOT_FOUND if there is none, or one that is just being made or taken away. */
static int read_token(const struct sill__place *place, char token[SILL__PIPE_TOKEN + 1])
{
    wchar_t *path;
    int status = file_path(place, &path);
    if (status != SILL_OK)
        return status;
    int64_t deadline = sill__now_ns() + GOING_NS;
    HANDLE file;
    DWORD code = 0;
    while ((file = CreateFileW(path, GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL)) ==
           INVALID_HANDLE_VALUE) {
        code = GetLastError();
        if (code != ERROR_ACCESS_DENIED || sill__now_ns() >= deadline)
            break;
        sill__sleep_ns(1000000);
    }
    sill__free(path);
    if (file == INVALID_HANDLE_VALUE &&
        (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND))
        return nobody(place, "CreateFileW", code);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFileW", code, "The file %s~pipe in %.200s cannot be opened.",
                             place->file, place->directory);
    char text[SILL__PIPE_TOKEN + 2] = {0}; /* one more than it may have, and an end */
    DWORD size = 0;
    BOOL fine = ReadFile(file, text, SILL__PIPE_TOKEN + 1, &size, NULL);
    code = fine ? ERROR_INVALID_DATA : GetLastError();
    CloseHandle(file);
    if (!fine || !is_token(text, size))
        return nobody(place, "ReadFile", code);
    memcpy(token, text, SILL__PIPE_TOKEN + 1);
    return SILL_OK;
}

bool sill__pipe_published(const struct sill__place *place)
{
    char token[SILL__PIPE_TOKEN + 1];
    sill_error before = *sill_last_error();
    int status = read_token(place, token);
    sill__error_restore(&before);
    return status != SILL_NOT_FOUND;
}

/* The file stays its listener's, empty. */
void sill__pipe_unpublish(const struct sill__place *place)
{
    wchar_t *path;
    sill_error before = *sill_last_error();
    if (file_path(place, &path) == SILL_OK) {
        HANDLE file = CreateFileW(path, GENERIC_WRITE, SHARE_ALL, NULL, TRUNCATE_EXISTING, 0, NULL);
        if (file != INVALID_HANDLE_VALUE)
            CloseHandle(file);
        sill__free(path);
    }
    sill__error_restore(&before);
}

int sill__pipe_remove_stale(const struct sill__place *place)
{
    wchar_t *path;
    int status = file_path(place, &path);
    if (status != SILL_OK)
        return status;
    BOOL fine = DeleteFileW(path);
    DWORD code = fine ? 0 : GetLastError();
    sill__free(path);
    if (fine || code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        return SILL_OK;
    return sill__fail_os("DeleteFileW", code, "The file %s~pipe in %.200s cannot be removed.",
                         place->file, place->directory);
}

/* ---- names ---- */

int sill__pipe_token(char token[SILL__PIPE_TOKEN + 1])
{
    for (unsigned i = 0; i < SILL__PIPE_TOKEN / 8; i++) {
        unsigned value;
        if (rand_s(&value) != 0)
            return sill__fail(SILL_OS, "The system gives no random numbers.");
        snprintf(token + 8 * i, 9, "%08x", value);
    }
    return SILL_OK;
}

void sill__pipe_name(const struct sill__place *place, const char *token,
                     wchar_t out[SILL__PIPE_NAME])
{
    char text[SILL__PIPE_NAME];
    snprintf(text, sizeof text, "\\\\.\\pipe\\sill.%s.%s", place->file, token);
    size_t i = 0;
    do
        out[i] = (wchar_t)(unsigned char)text[i];
    while (text[i++] != '\0');
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

/* Opens the pipe `name`. AGAIN if all of its instances are taken. */
static int open_once(const struct sill__place *place, const wchar_t *name, HANDLE *out)
{
    /* A server that turns out to be another's must not act in our name. */
    HANDLE pipe =
        CreateFileW(name, CLIENT, 0, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    if (pipe != INVALID_HANDLE_VALUE) {
        *out = pipe;
        return SILL_OK;
    }
    DWORD code = GetLastError();
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        return nobody(place, "CreateFileW", code);
    if (code == ERROR_PIPE_BUSY)
        return SILL_AGAIN;
    return sill__fail_os("CreateFileW", code, "The pipe of \"%s\" cannot be opened.", place->name);
}

int sill__pipe_open(const struct sill__place *place, int64_t deadline, HANDLE *out)
{
    for (;;) {
        char token[SILL__PIPE_TOKEN + 1];
        wchar_t name[SILL__PIPE_NAME];
        int status = read_token(place, token); /* each time: the server may be another one now */
        if (status != SILL_OK)
            return status;
        sill__pipe_name(place, token, name);
        status = open_once(place, name, out);
        if (status != SILL_AGAIN)
            return status;
        int left = sill__timeout(deadline);
        if (left == 0)
            return sill__fail(SILL_TIMEOUT, "All the places in the queue of \"%s\" are taken.",
                              place->name);
        /* If the server goes, or another client is faster, the next round will tell. */
        WaitNamedPipeW(name, left < 0 || left > BUSY_MS ? BUSY_MS : (DWORD)left);
    }
}
