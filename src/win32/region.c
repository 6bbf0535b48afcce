/* region.c - Win32 sections backed by the paging file: anonymous, and named in Local\.
 *
 * Windows commits the memory of a section when it is made, so there is nothing to reserve, and a
 * section can never shrink. It goes with its last handle and view; there is nothing to remove.
 * Its true size is told in whole pages only.
 *
 * The handle of an anonymous one that is passed on has the right to map for reading and no other,
 * and the section has an access list that lets nobody in, so that the receiver cannot make more
 * of it.
 *
 * What comes in by a handle is a peer's and not believed: it must be memory (a file under a mapping
 * may change or fail), and all of it committed (a view of what is only reserved faults).
 */
#include "../region_ops.h"

#include <inttypes.h>
#include <stdio.h>

#include <windows.h>

#include <psapi.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "../step.h"
#include "security.h"

extern const struct sill__region_ops sill__section_anonymous_ops;
extern const struct sill__region_ops sill__section_ops;

struct section {
    sill__memory memory;
    HANDLE handle;
    HANDLE passed; /* the same with fewer rights, for others; NULL until it is asked for */
};

#define OBJECT_NAME 80

/* The name in the system's space. Such names do tell case apart, but ours do not. */
static void full_name(const char *object, wchar_t out[OBJECT_NAME])
{
    char text[OBJECT_NAME];
    snprintf(text, sizeof text, "Local\\%.63s", object);
    for (size_t i = 0; i < sizeof text; i++) {
        bool upper = i >= sizeof "Local" && text[i] >= 'A' && text[i] <= 'Z';
        out[i] = (wchar_t)(upper ? text[i] - 'A' + 'a' : text[i]);
        if (text[i] == '\0')
            break;
    }
}

static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    int length = snprintf(object, 64, "sill.%016" PRIx64 "-%.15s",
                          sill__region_name_hash(SILL_REGION_WIN32, record), name);
    if (attempt > 0) /* one that cannot be foreseen */
        snprintf(object + length, 64 - (size_t)length, "~%x",
                 (unsigned)((uint64_t)sill__now_ns() >> 4) + attempt);
    return 0;
}

/* Takes the handle; on failure it stays the caller's. */
static int section_new(struct section **out, const struct sill__region_ops *ops, HANDLE handle,
                       size_t size)
{
    struct section *section = sill__alloc_zeroed(sizeof *section);
    if (section == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    section->memory.ops = ops;
    section->memory.size = size;
    section->handle = handle;
    *out = section;
    return 0;
}

/* ---- making ---- */

static int no_room(size_t size, DWORD code)
{
    MEMORYSTATUSEX state = {.dwLength = sizeof state};
    if (code != ERROR_COMMITMENT_LIMIT && code != ERROR_NOT_ENOUGH_MEMORY &&
        code != ERROR_OUTOFMEMORY && code != ERROR_DISK_FULL)
        return sill__fail_os("CreateFileMapping", code, "A section of %zu bytes cannot be made",
                             size);
    if (!GlobalMemoryStatusEx(&state))
        return sill__fail_os_as(SILL_NO_SPACE, "CreateFileMapping", code,
                                "There is no room for a section of %zu bytes", size);
    return sill__fail_os_as(SILL_NO_SPACE, "CreateFileMapping", code,
                            "There is no room for a section of %zu bytes: of the commit limit of "
                            "%" PRIu64 " bytes %" PRIu64 " are free; enlarge the paging file "
                            "(advanced system settings, virtual memory) or end programs",
                            size, (uint64_t)state.ullTotalPageFile,
                            (uint64_t)state.ullAvailPageFile);
}

/* With `name` NULL an anonymous one. *existed: it was there before. */
static int make_section(HANDLE *out, const wchar_t *name, size_t size, bool *existed)
{
    struct sill__security security;
    int rc =
        name != NULL ? sill__security_make(&security, "") : sill__security_make_closed(&security);
    if (rc != 0)
        return rc;
    HANDLE handle =
        CreateFileMappingW(INVALID_HANDLE_VALUE, &security.attributes, PAGE_READWRITE,
                           (DWORD)((uint64_t)size >> 32), (DWORD)(size & 0xffffffffu), name);
    DWORD code = GetLastError();
    sill__security_free(&security);
    if (handle == NULL && name != NULL &&
        (code == ERROR_INVALID_HANDLE || code == ERROR_ACCESS_DENIED))
        return sill__fail_os_as(SILL_FOREIGN, "CreateFileMapping", code,
                                "Something else has the name of the section");
    if (handle == NULL)
        return no_room(size, code);
    *existed = code == ERROR_ALREADY_EXISTS;
    *out = handle;
    return 0;
}

static int create(sill__memory **out, const char *object, size_t size, bool resizable)
{
    (void)resizable; /* not among the capabilities */
    const struct sill__region_ops *ops =
        object != NULL ? &sill__section_ops : &sill__section_anonymous_ops;
    wchar_t name[OBJECT_NAME];
    if (object != NULL)
        full_name(object, name);
    HANDLE handle = NULL;
    bool existed = false;
    int rc = make_section(&handle, object != NULL ? name : NULL, size, &existed);
    if (rc != 0)
        return rc;
    if (existed) {
        rc = sill__security_check_kernel_object(handle, object);
        CloseHandle(handle);
        return rc != 0 ? sill__fail(SILL_FOREIGN, "Somebody else has the name %s.", object)
                       : sill__fail(SILL_EXISTS, "The section %s exists.", object);
    }
    SILL__STEP(region_object);
    struct section *section = NULL;
    rc = section_new(&section, ops, handle, size);
    if (rc != 0) {
        CloseHandle(handle);
        return rc;
    }
    SILL__STEP(region_sized);
    *out = &section->memory;
    return 0;
}

/* ---- opening ---- */

/* How many bytes can be used, of memory that cannot change or fail; PROTOCOL if it is not such. */
static int measure(HANDLE handle, size_t *size)
{
    void *base = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
    if (base == NULL)
        return sill__fail_os_as(SILL_PROTOCOL, "MapViewOfFile", GetLastError(),
                                "What was passed is not a section that can be read");
    MEMORY_BASIC_INFORMATION range;
    wchar_t file[8];
    int rc = 0;
    if (VirtualQuery(base, &range, sizeof range) != sizeof range)
        rc = sill__fail_os("VirtualQuery", GetLastError(), "The size of a section cannot be told");
    else if (range.Type != MEM_MAPPED || range.State != MEM_COMMIT)
        rc = sill__fail(SILL_PROTOCOL, "A section has no memory committed.");
    else if (K32GetMappedFileNameW(GetCurrentProcess(), base, file, 8) != 0 ||
             GetLastError() == ERROR_INSUFFICIENT_BUFFER)
        rc = sill__fail(SILL_PROTOCOL, "What was passed is a file, which others can change.");
    UnmapViewOfFile(base);
    if (rc == 0)
        *size = range.RegionSize;
    return rc;
}

static int adopt(sill__memory **out, const struct sill__region_ops *ops, HANDLE handle)
{
    size_t size = 0;
    struct section *section = NULL;
    int rc = measure(handle, &size);
    if (rc == 0)
        rc = section_new(&section, ops, handle, size);
    if (rc != 0) {
        CloseHandle(handle);
        return rc;
    }
    *out = &section->memory;
    return 0;
}

static DWORD map_rights(bool read_only)
{
    return read_only ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE;
}

static int open_object(sill__memory **out, const char *object, bool read_only)
{
    wchar_t name[OBJECT_NAME];
    full_name(object, name);
    HANDLE handle = OpenFileMappingW(map_rights(read_only) | READ_CONTROL, FALSE, name);
    if (handle == NULL) {
        DWORD code = GetLastError();
        int status = code == ERROR_INVALID_HANDLE ? SILL_FOREIGN : sill__os_status(code);
        return sill__fail_os_as(status, "OpenFileMapping", code, "The section %s cannot be opened",
                                object);
    }
    int rc = sill__security_check_kernel_object(handle, object);
    if (rc != 0) {
        CloseHandle(handle);
        return rc;
    }
    rc = adopt(out, &sill__section_ops, handle);
    return rc == SILL_PROTOCOL ? sill__fail(SILL_FOREIGN, "The section %s is not sill's.", object)
                               : rc;
}

static int open_handle(sill__memory **out, sill_handle handle, bool read_only)
{
    HANDLE self = GetCurrentProcess(), copy;
    if (!DuplicateHandle(self, (HANDLE)handle, self, &copy, map_rights(read_only), FALSE, 0))
        return sill__fail_os("DuplicateHandle", GetLastError(),
                             read_only ? "A handle that was passed cannot be used"
                                       : "A handle that was passed cannot be used for writing");
    return adopt(out, &sill__section_anonymous_ops, copy);
}

/* ---- an open section ---- */

static int passed_handle(sill__memory *memory, sill_handle *out)
{
    struct section *section = (struct section *)memory;
    HANDLE self = GetCurrentProcess();
    if (section->passed == NULL &&
        !DuplicateHandle(self, section->handle, self, &section->passed, FILE_MAP_READ, FALSE, 0)) {
        section->passed = NULL;
        return sill__fail_os("DuplicateHandle", GetLastError(),
                             "A handle of the section cannot be made");
    }
    *out = (sill_handle)section->passed;
    return 0;
}

static int map(sill__memory *memory, bool read_only, void **out)
{
    struct section *section = (struct section *)memory;
    void *base = MapViewOfFile(section->handle, map_rights(read_only), 0, 0, 0);
    if (base == NULL)
        return sill__fail_os("MapViewOfFile", GetLastError(),
                             "A section of %zu bytes cannot be mapped", memory->size);
    *out = base;
    return 0;
}

static void unmap(sill__memory *memory, void *base)
{
    (void)memory;
    UnmapViewOfFile(base);
}

static void close_section(sill__memory *memory)
{
    struct section *section = (struct section *)memory;
    if (section->passed != NULL)
        CloseHandle(section->passed);
    CloseHandle(section->handle);
    sill__free(section);
}

static int remove_object(const char *object, uint64_t name_hash)
{
    (void)name_hash;
    return sill__fail(SILL_UNSUPPORTED, "The section %s goes by itself with its last user.",
                      object);
}

const struct sill__region_ops sill__section_anonymous_ops = {
    .kind = SILL_REGION_WIN32_ANONYMOUS,
    .caps = SILL_REGION_PASSES | SILL_REGION_SEALED | SILL_REGION_READ_ONLY,
    .create = create,
    .open_handle = open_handle,
    .handle = passed_handle,
    .map = map,
    .unmap = unmap,
    .close = close_section,
};

const struct sill__region_ops sill__section_ops = {
    .kind = SILL_REGION_WIN32,
    .caps = SILL_REGION_NAMED | SILL_REGION_READ_ONLY,
    .owner = SILL__OWNER_REGION_WIN32,
    .object_name = object_name,
    .create = create,
    .open = open_object,
    .map = map,
    .unmap = unmap,
    .close = close_section,
    .remove = remove_object,
};
