/* region_file.c - regions in files on Windows: the name is a path.
 *
 * A file is made under a temporary name beside its path, marked to be deleted when it is closed,
 * filled, and renamed when its header is valid: under its path it is whole or not there at all, so
 * it needs no owner record, and a creator that is killed leaves nothing (but the temporary file, if
 * it dies between two system calls of publish; it is in nobody's way).
 *
 * Space is really taken: the end of a file on NTFS comes with its clusters, but not where files are
 * compressed or sparse by the folder's or the file system's will; there zeros are written.
 *
 * A section is made for each mapping and closed at once, since Windows does not change the size of
 * a file that has one. While somebody maps a file, nobody can cut it short, nor (on NTFS) delete
 * it.
 */
#include "../region_ops.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "../memory.h"
#include "../status.h"
#include "../step.h"
#include "path.h"
#include "security.h"

extern const struct sill__region_ops sill__win32_file_ops;

#define ZEROS          65536u
#define SIZE_LOOKS     20
#define TEMPORARY_ROOM 64
#define SHARED         (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

struct file_memory {
    sill__memory memory;
    HANDLE file;
    bool temporary; /* not published: to be deleted at close */
};

static int file_new(struct file_memory **out, HANDLE file, uint64_t size)
{
    if (size > SIZE_MAX)
        return sill__fail(SILL_TOO_BIG, "A file of %" PRIu64 " bytes cannot be mapped here.", size);
    struct file_memory *memory = sill__alloc_zeroed(sizeof *memory);
    if (memory == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    memory->memory.ops = &sill__win32_file_ops;
    memory->memory.size = (size_t)size;
    memory->file = file;
    *out = memory;
    return 0;
}

/* ---- space ---- */

static int no_space(const char *call, DWORD code, uint64_t size)
{
    return sill__fail_os(call, code, "A file of %" PRIu64 " bytes cannot be had", size);
}

static int set_end(HANDLE file, uint64_t size)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    if (SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end))
        return 0;
    DWORD code = GetLastError();
    if (code == ERROR_USER_MAPPED_FILE)
        return sill__fail_os_as(SILL_DENIED, "SetFileInformationByHandle", code,
                                "Another process maps the file, so it cannot get smaller");
    return no_space("SetFileInformationByHandle", code, size);
}

static int write_zeros(HANDLE file, uint64_t from, uint64_t to)
{
    static const unsigned char zeros[ZEROS];
    while (from < to) {
        OVERLAPPED place;
        memset(&place, 0, sizeof place);
        place.Offset = (DWORD)(from & 0xffffffffu);
        place.OffsetHigh = (DWORD)(from >> 32);
        DWORD piece = to - from < ZEROS ? (DWORD)(to - from) : ZEROS, written = 0;
        if (!WriteFile(file, zeros, piece, &written, &place))
            return no_space("WriteFile", GetLastError(), to);
        if (written == 0)
            return no_space("WriteFile", ERROR_DISK_FULL, to);
        from += written;
    }
    return 0;
}

/* Whether the file has clusters for all its bytes. */
static bool has_clusters(HANDLE file, uint64_t size)
{
    FILE_STANDARD_INFO standard;
    FILE_BASIC_INFO basic;
    return GetFileInformationByHandleEx(file, FileStandardInfo, &standard, sizeof standard) &&
           GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic) &&
           (basic.FileAttributes & (FILE_ATTRIBUTE_COMPRESSED | FILE_ATTRIBUTE_SPARSE_FILE)) == 0 &&
           (uint64_t)standard.AllocationSize.QuadPart >= size;
}

/* Whether the disk has room for so much more; a full disk harms others, so it is not filled to find
 * out. Where it cannot be told, the writing will tell. */
static bool has_room(HANDLE file, uint64_t more)
{
    enum { ROOM = 1024 };
    wchar_t path[ROOM];
    DWORD length = GetFinalPathNameByHandleW(file, path, ROOM, 0);
    wchar_t *last = length > 0 && length < ROOM ? wcsrchr(path, L'\\') : NULL;
    if (last == NULL)
        return true;
    last[1] = L'\0';
    ULARGE_INTEGER available;
    return !GetDiskFreeSpaceExW(path, &available, NULL, NULL) || available.QuadPart >= more;
}

/* Makes the file `to` bytes long; what lies behind `from` is zero and has real space. */
static int reserve(HANDLE file, uint64_t from, uint64_t to)
{
    if (to > INT64_MAX)
        return sill__fail(SILL_TOO_BIG, "%" PRIu64 " bytes are more than a file can have.", to);
    if (!has_room(file, to - from))
        return no_space("GetDiskFreeSpaceEx", ERROR_DISK_FULL, to);
    int rc = set_end(file, to);
    if (rc == 0 && !has_clusters(file, to))
        rc = write_zeros(file, from, to);
    return rc;
}

/* ---- making ---- */

static bool mark_for_deletion(HANDLE file, bool on)
{
    FILE_DISPOSITION_INFO disposition = {on};
    return SetFileInformationByHandle(file, FileDispositionInfo, &disposition,
                                      sizeof disposition) != 0;
}

/* A path beside `path` that nobody has yet, unless a process that had our pid left one: then the
 * caller asks again. Free with sill__free. */
static int temporary_path(const wchar_t *path, wchar_t **out)
{
    static atomic_uint counter;
    const wchar_t *last = wcsrchr(path, L'\\');
    size_t length = last != NULL ? (size_t)(last - path) + 1 : 0;
    wchar_t *temporary = sill__alloc((length + TEMPORARY_ROOM) * sizeof *temporary);
    if (temporary == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    wmemcpy(temporary, path, length);
    swprintf(temporary + length, TEMPORARY_ROOM, L".sill-%lu-%u.tmp", GetCurrentProcessId(),
             atomic_fetch_add(&counter, 1u));
    *out = temporary;
    return 0;
}

static int open_temporary(const wchar_t *path, const char *name, SECURITY_ATTRIBUTES *security,
                          HANDLE *out)
{
    for (;;) {
        wchar_t *temporary;
        int rc = temporary_path(path, &temporary);
        if (rc != 0)
            return rc;
        *out = CreateFileW(temporary, GENERIC_READ | GENERIC_WRITE | DELETE, SHARED, security,
                           CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
        DWORD code = GetLastError();
        sill__free(temporary);
        if (*out != INVALID_HANDLE_VALUE)
            return 0;
        if (code != ERROR_FILE_EXISTS)
            return sill__fail_os("CreateFile", code,
                                 "A file cannot be made in the directory of \"%.200s\"", name);
    }
}

/* A new, empty file beside `path`, for the user alone, which goes when it is closed. */
static int make_temporary(const wchar_t *path, const char *name, HANDLE *out)
{
    struct sill__security security;
    int rc = sill__security_make(&security, "");
    if (rc != 0)
        return rc;
    HANDLE file = INVALID_HANDLE_VALUE;
    rc = open_temporary(path, name, &security.attributes, &file);
    sill__security_free(&security);
    if (rc == 0 && !mark_for_deletion(file, true)) {
        rc = sill__fail_os("SetFileInformationByHandle", GetLastError(),
                           "A file cannot be made in the directory of \"%.200s\"", name);
        CloseHandle(file);
    }
    if (rc == 0)
        *out = file;
    return rc;
}

static int create(sill__memory **out, const char *name, size_t size, bool resizable)
{
    (void)resizable; /* every file can be resized; region.c keeps to what was said */
    wchar_t *path;
    HANDLE file = INVALID_HANDLE_VALUE;
    int rc = sill__path_wide(name, &path);
    if (rc != 0)
        return rc;
    if (GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES) /* before space is taken */
        rc = sill__fail(SILL_EXISTS, "\"%.200s\" exists already.", name);
    if (rc == 0)
        rc = make_temporary(path, name, &file);
    sill__free(path);
    if (rc != 0)
        return rc;
    SILL__STEP(region_object);
    struct file_memory *memory = NULL;
    rc = reserve(file, 0, size);
    if (rc == 0)
        rc = file_new(&memory, file, size);
    if (rc != 0) {
        CloseHandle(file);
        return rc;
    }
    SILL__STEP(region_sized);
    memory->temporary = true;
    *out = &memory->memory;
    return 0;
}

/* Renames the open file to `path` if nothing is there. ERROR_SUCCESS or the system's code. */
static DWORD rename_open(HANDLE file, const wchar_t *path)
{
    size_t bytes = wcslen(path) * sizeof *path;
    size_t room = sizeof(FILE_RENAME_INFO) + bytes;
    FILE_RENAME_INFO *rename = sill__alloc_zeroed(room);
    if (rename == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    rename->FileNameLength = (DWORD)bytes;
    memcpy(rename->FileName, path, bytes);
    DWORD code = ERROR_SUCCESS;
    if (!SetFileInformationByHandle(file, FileRenameInfo, rename, (DWORD)room))
        code = GetLastError();
    sill__free(rename);
    return code;
}

static int publish(sill__memory *base, const char *name)
{
    struct file_memory *memory = (struct file_memory *)base;
    wchar_t *path;
    int rc = sill__path_wide(name, &path);
    if (rc != 0)
        return rc;
    if (!mark_for_deletion(memory->file, false)) {
        rc = sill__fail_os("SetFileInformationByHandle", GetLastError(),
                           "The file cannot be put in place as \"%.200s\"", name);
    } else {
        DWORD code = rename_open(memory->file, path);
        if (code != ERROR_SUCCESS) {
            mark_for_deletion(memory->file, true);
            rc = sill__fail_os("SetFileInformationByHandle", code,
                               "The file cannot be put in place as \"%.200s\"", name);
        }
    }
    memory->temporary = rc != 0;
    sill__free(path);
    return rc;
}

/* ---- opening ---- */

static int check_file(HANDLE file, const char *name, uint64_t *size)
{
    BY_HANDLE_FILE_INFORMATION information;
    if (GetFileType(file) != FILE_TYPE_DISK)
        return sill__fail(SILL_FOREIGN, "\"%.200s\" is not a file.", name);
    if (!GetFileInformationByHandle(file, &information))
        return sill__fail_os("GetFileInformationByHandle", GetLastError(),
                             "\"%.200s\" cannot be looked at", name);
    if ((information.dwFileAttributes &
         (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) != 0)
        return sill__fail(SILL_FOREIGN, "\"%.200s\" is a directory or a link.", name);
    *size = (uint64_t)information.nFileSizeHigh << 32 | information.nFileSizeLow;
    return sill__security_check_file(file, name);
}

static int open_file(const char *name, DWORD access, HANDLE *out, uint64_t *size)
{
    wchar_t *path;
    int rc = sill__path_wide(name, &path);
    if (rc != 0)
        return rc;
    HANDLE file =
        CreateFileW(path, access | READ_CONTROL | FILE_READ_ATTRIBUTES, SHARED, NULL, OPEN_EXISTING,
                    FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD code = GetLastError();
    sill__free(path);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFile", code, "\"%.200s\" cannot be opened", name);
    rc = check_file(file, name, size);
    if (rc != 0) {
        CloseHandle(file);
        return rc;
    }
    *out = file;
    return 0;
}

static int open_object(sill__memory **out, const char *name, bool read_only)
{
    HANDLE file = INVALID_HANDLE_VALUE;
    uint64_t size = 0;
    int rc = open_file(name, read_only ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE, &file, &size);
    if (rc != 0)
        return rc;
    struct file_memory *memory = NULL;
    rc = file_new(&memory, file, size);
    if (rc != 0) {
        CloseHandle(file);
        return rc;
    }
    *out = &memory->memory;
    return 0;
}

/* ---- an open file ---- */

/* A file that is to be deleted may be refused; then the mark comes off, and with it the promise
 * that a kill leaves nothing. */
static HANDLE make_section(struct file_memory *memory, DWORD protection)
{
    HANDLE section = CreateFileMappingW(memory->file, NULL, protection, 0, 0, NULL);
    DWORD code = GetLastError();
    if (section != NULL || !memory->temporary || !mark_for_deletion(memory->file, false)) {
        SetLastError(code);
        return section;
    }
    return CreateFileMappingW(memory->file, NULL, protection, 0, 0, NULL);
}

static int file_size(HANDLE file, size_t *out)
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size))
        return sill__fail_os("GetFileSizeEx", GetLastError(), "The file cannot be looked at");
    if ((uint64_t)size.QuadPart > SIZE_MAX)
        return sill__fail(SILL_TOO_BIG, "The file is too large to be mapped.");
    *out = (size_t)size.QuadPart;
    return 0;
}

/* A section of the file as it is, with its size, which others may be changing. While there is a
 * section the file does not shrink; that it has not before is looked at afterwards. */
static int section_of(struct file_memory *memory, bool read_only, HANDLE *out)
{
    for (int look = 0; look < SIZE_LOOKS; look++) {
        size_t after = 0;
        int rc = file_size(memory->file, &memory->memory.size);
        if (rc != 0)
            return rc;
        HANDLE section = make_section(memory, read_only ? PAGE_READONLY : PAGE_READWRITE);
        if (section == NULL)
            return sill__fail_os("CreateFileMapping", GetLastError(), "The file cannot be mapped");
        rc = file_size(memory->file, &after);
        if (rc == 0 && after == memory->memory.size) {
            *out = section;
            return 0;
        }
        CloseHandle(section);
        if (rc != 0)
            return rc;
    }
    return sill__fail(SILL_WRONG_SIZE, "The file changes its size again and again.");
}

static int map(sill__memory *base, bool read_only, void **out)
{
    HANDLE section = NULL;
    int rc = section_of((struct file_memory *)base, read_only, &section);
    if (rc != 0)
        return rc;
    void *view = MapViewOfFile(section, read_only ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE,
                               0, 0, base->size);
    DWORD code = GetLastError();
    CloseHandle(section);
    if (view == NULL)
        return sill__fail_os("MapViewOfFile", code, "A file of %zu bytes cannot be mapped",
                             base->size);
    *out = view;
    return 0;
}

static void unmap(sill__memory *base, void *view)
{
    (void)base;
    UnmapViewOfFile(view);
}

static int resize(sill__memory *base, size_t size)
{
    struct file_memory *memory = (struct file_memory *)base;
    uint64_t old = base->size;
    int rc = size < old ? set_end(memory->file, size) : reserve(memory->file, old, size);
    if (rc != 0) {
        if (size > old) {
            sill_error first = *sill_last_error();
            set_end(memory->file, old);
            sill__error_restore(&first);
        }
        return rc;
    }
    base->size = size;
    return 0;
}

/* A view's flush waits until the pages are written, but not for the disk's own memory. */
static int flush(sill__memory *base, void *view, size_t from, size_t to, bool wait)
{
    const struct file_memory *memory = (struct file_memory *)base;
    if (!FlushViewOfFile((char *)view + from, to - from))
        return sill__fail_os("FlushViewOfFile", GetLastError(),
                             "The file cannot be written to the disk");
    if (wait && !FlushFileBuffers(memory->file))
        return sill__fail_os("FlushFileBuffers", GetLastError(),
                             "The file cannot be written to the disk");
    return 0;
}

static void close_file(sill__memory *base)
{
    struct file_memory *memory = (struct file_memory *)base;
    if (memory->temporary) /* should the mark have come off */
        mark_for_deletion(memory->file, true);
    CloseHandle(memory->file);
    sill__free(memory);
}

/* ---- removing ---- */

/* Whether the file begins as a region does, of whatever kind, layout and size. */
static int check_region(HANDLE file, const char *name, uint64_t size)
{
    struct sill__region_header header;
    DWORD got = 0;
    if (!ReadFile(file, &header, sizeof header, &got, NULL))
        return sill__fail_os("ReadFile", GetLastError(), "\"%.200s\" cannot be read", name);
    int rc = got == sizeof header ? sill__region_header_check(&header, size, SILL_REGION_FILE, 0)
                                  : SILL_FOREIGN;
    if (rc == SILL_FOREIGN || rc == SILL_AGAIN)
        return sill__fail(SILL_FOREIGN, "\"%.200s\" was not made by sill; it is left alone.", name);
    return 0;
}

/* The name goes at once, also while others have the file open: where the system cannot do that by
 * itself, the file is given another name until it goes. A file that is mapped cannot go, and then
 * it gets its name back. Sets the last error like a call of the system. */
static bool remove_open(HANDLE file, const wchar_t *path, const wchar_t *other)
{
    enum { DISPOSITION_EX = 21, DELETE_AT_ONCE = 3 }; /* FileDispositionInfoEx, POSIX semantics */
    ULONG flags = DELETE_AT_ONCE;
    if (SetFileInformationByHandle(file, (FILE_INFO_BY_HANDLE_CLASS)DISPOSITION_EX, &flags,
                                   sizeof flags))
        return true;
    DWORD code = rename_open(file, other);
    if (code == ERROR_SUCCESS && !mark_for_deletion(file, true)) {
        code = GetLastError();
        if (rename_open(file, path) != ERROR_SUCCESS)
            code = ERROR_SUCCESS; /* the name is somebody else's by now, so it did go */
    }
    SetLastError(code);
    return code == ERROR_SUCCESS;
}

static int remove_object(const char *name, uint64_t name_hash)
{
    (void)name_hash; /* files have none */
    HANDLE file = INVALID_HANDLE_VALUE;
    uint64_t size = 0;
    wchar_t *path = NULL, *other = NULL;
    int rc = sill__path_wide(name, &path);
    if (rc == 0)
        rc = temporary_path(path, &other);
    if (rc == 0)
        rc = open_file(name, GENERIC_READ | DELETE, &file, &size);
    if (rc == 0) {
        rc = check_region(file, name, size);
        if (rc == 0 && !remove_open(file, path, other))
            rc = sill__fail_os("SetFileInformationByHandle", GetLastError(),
                               "\"%.200s\" cannot be removed; perhaps a process still maps it",
                               name);
        CloseHandle(file);
    }
    sill__free(other);
    sill__free(path);
    return rc;
}

const struct sill__region_ops sill__win32_file_ops = {
    .kind = SILL_REGION_FILE,
    .caps = SILL_REGION_NAMED | SILL_REGION_PERSISTS | SILL_REGION_RESIZES | SILL_REGION_READ_ONLY |
            SILL_REGION_FLUSHES,
    .create = create,
    .open = open_object,
    .map = map,
    .unmap = unmap,
    .publish = publish,
    .resize = resize,
    .flush = flush,
    .close = close_file,
    .remove = remove_object,
};
