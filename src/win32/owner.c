/* owner.c - owner records on Windows. See owner.h for what they are, runtime.h for the locks.
 *
 * A record is a small file: a line "instance N" of our own and then the text that all systems
 * share. N is new for every claim. Whoever stands behind the record holds the byte N of the
 * directory's lock file shared; so "can byte N be locked exclusively" is "does nobody live", and a
 * record that was removed and made again under the same name has nothing to do with its forerunner.
 * Locks go with the process, so there is no "locked, but the owner is dead".
 *
 * Records are read, judged, replaced and removed only under the directory's lock. They are replaced
 * by renaming a complete file over them: a process that dies on the way leaves the old or the new
 * one, and at most the file NEW, which the next writer overwrites.
 *
 * Names that differ in case alone are one name, as with everything that has a name here.
 */
#include "../owner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <windows.h>

#include "../memory.h"
#include "../status.h"
#include "path.h"
#include "runtime.h"
#include "security.h"

#define NEW        ".new"
#define FILE_NAME  104
#define RECORD_MAX (SILL__OWNER_TEXT + 64)
#define INSTANCE   "instance "
#define BUSY_WAITS 1000 /* of a millisecond each, for scanners that keep a file open */

struct sill__owner {
    HANDLE lock;       /* holds `instance` shared, until release */
    uint64_t instance; /* the byte */
    wchar_t *directory;
    wchar_t *file;
    struct sill__owner_info info; /* the record as it was last read or written */
};

struct record {
    uint64_t instance;
    struct sill__owner_info info;
};

/* ---- a directory while its lock is held ---- */

static void leave(struct sill__owner *place)
{
    sill__lock_drop(place->lock, SILL__LOCK_DIRECTORY);
}

static void forget(struct sill__owner *place)
{
    if (place->lock != INVALID_HANDLE_VALUE)
        CloseHandle(place->lock);
    sill__free(place->directory);
    sill__free(place->file);
}

/* Opens and locks the runtime directory; on failure nothing is held. */
static int enter(struct sill__owner *place, const char *directory)
{
    char path[4096];
    memset(place, 0, sizeof *place);
    place->lock = INVALID_HANDLE_VALUE;
    int status = sill__runtime_directory(directory, path, sizeof path);
    if (status == 0)
        status = sill__path_wide(path, &place->directory);
    if (status == 0)
        status = sill__lock_open(place->directory, &place->lock);
    if (status == 0)
        status = sill__lock_directory(place->lock);
    if (status != 0)
        forget(place);
    return status;
}

/* The record's file name, which is the same for names that differ in case alone. */
static void file_name(enum sill__owner_kind kind, const char *name, char out[FILE_NAME])
{
    char folded[SILL__NAME_MAX + 1];
    size_t length = strlen(name);
    for (size_t i = 0; i <= length; i++)
        folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    sill__owner_file_name(kind, folded, out);
    length = strlen(out);
    if (out[length - 1] == '.') /* many programs of the system drop a last dot */
        strcpy(out + length, "%");
}

/* As enter, and sets place->file. */
static int enter_for(struct sill__owner *place, const char *directory, enum sill__owner_kind kind,
                     const char *name)
{
    char file[FILE_NAME];
    file_name(kind, name, file);
    int status = enter(place, directory);
    if (status != 0)
        return status;
    status = sill__path_join(place->directory, file, &place->file);
    if (status != 0) {
        leave(place);
        forget(place);
    }
    return status;
}

/* ---- records ---- */

/* A byte that nobody else has: the process and a counter are unique, the mixing spreads them. */
static uint64_t new_instance(void)
{
    static atomic_uint counter;
    struct sill__process self;
    sill__process_self(&self);
    uint64_t x = self.start ^ ((uint64_t)self.pid << 40) ^
                 ((uint64_t)atomic_fetch_add(&counter, 1u) * UINT64_C(0x9e3779b97f4a7c15));
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (x >> 2) + 1; /* within the range of a file offset, and never byte 0 */
}

/* As sill__owner_parse: sets no last error. */
static int parse(const char *text, size_t size, struct record *out)
{
    out->instance = 1; /* of a record without the line: a byte that nobody holds */
    if (size > strlen(INSTANCE) && memcmp(text, INSTANCE, strlen(INSTANCE)) == 0) {
        const char *end = memchr(text, '\n', size);
        if (end == NULL)
            return SILL__TORN;
        out->instance = strtoull(text + strlen(INSTANCE), NULL, 16);
        if (out->instance == 0 || out->instance > INT64_MAX)
            return SILL_FOREIGN;
        end++;
        size -= (size_t)(end - text);
        text = end;
    }
    return sill__owner_parse(text, size, &out->info);
}

/* A power cut may leave a file without its content. */
static bool is_void(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\0')
            return false;
    return true;
}

static int explain(int status)
{
    switch (status) {
    case SILL_FOREIGN:
        return sill__fail(status, "A file of the runtime directory that has the name of a record "
                                  "was not made by sill; it is left alone.");
    case SILL_VERSION:
        return sill__fail(status, "A record was written by a later sill; it is left alone.");
    case SILL__TORN:
        return sill__fail(SILL_NOT_FOUND, "A record is damaged; it counts as nobody's.");
    default:
        return status;
    }
}

/* 0; NOT_FOUND, also for what a power cut has damaged; FOREIGN; VERSION; DENIED; OS. */
static int read_record(const wchar_t *path, struct record *out)
{
    HANDLE file =
        CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFile", GetLastError(), "A record cannot be opened");
    char text[RECORD_MAX + 1];
    DWORD size = 0;
    BOOL fine = ReadFile(file, text, RECORD_MAX, &size, NULL);
    DWORD code = GetLastError();
    CloseHandle(file);
    if (!fine)
        return sill__fail_os("ReadFile", code, "A record cannot be read");
    text[size] = '\0';
    return explain(is_void(text, size) ? SILL__TORN : parse(text, size, out));
}

static int write_whole(const wchar_t *path, const char *text, DWORD size)
{
    struct sill__security security;
    int status = sill__security_make(&security, "");
    if (status != 0)
        return status;
    HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_DELETE,
                              &security.attributes, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD code = GetLastError();
    sill__security_free(&security);
    if (file == INVALID_HANDLE_VALUE)
        return sill__fail_os("CreateFile", code, "A record cannot be made");
    DWORD written = 0;
    if (!WriteFile(file, text, size, &written, NULL))
        status = sill__fail_os("WriteFile", GetLastError(), "A record cannot be written");
    else if (written != size)
        status = sill__fail(SILL_NO_SPACE, "A record cannot be written: the disk is full.");
    CloseHandle(file);
    return status;
}

static bool is_busy(DWORD code)
{
    return code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION;
}

static int write_record(const struct sill__owner *place, const struct record *record)
{
    char text[RECORD_MAX];
    int head =
        snprintf(text, sizeof text, INSTANCE "%016llx\n", (unsigned long long)record->instance);
    size_t length = sill__owner_format(&record->info, text + head, sizeof text - (size_t)head);
    if (length == 0)
        return sill__fail(SILL_INVALID, "The record of \"%s\" would hold what a record may not.",
                          record->info.name);
    wchar_t *fresh;
    int status = sill__path_join(place->directory, NEW, &fresh);
    if (status != 0)
        return status;
    status = write_whole(fresh, text, (DWORD)((size_t)head + length));
    DWORD code = ERROR_SUCCESS;
    for (int i = 0; status == 0 && i < BUSY_WAITS; i++) {
        if (MoveFileExW(fresh, place->file, MOVEFILE_REPLACE_EXISTING)) {
            sill__free(fresh);
            return 0;
        }
        code = GetLastError();
        if (!is_busy(code))
            break;
        Sleep(1);
    }
    if (status == 0)
        status = sill__fail_os("MoveFileEx", code, "The record of \"%s\" cannot be put in place",
                               record->info.name);
    DeleteFileW(fresh);
    sill__free(fresh);
    return status;
}

static int delete_record(const wchar_t *path)
{
    DWORD code = ERROR_SUCCESS;
    for (int i = 0; i < BUSY_WAITS; i++) {
        if (DeleteFileW(path))
            return 0;
        code = GetLastError();
        if (code == ERROR_FILE_NOT_FOUND)
            return 0;
        if (!is_busy(code))
            break;
        Sleep(1);
    }
    return sill__fail_os("DeleteFile", code, "A record cannot be removed");
}

/* Under the directory's lock. */
static enum sill__owner_state judge(HANDLE lock, const struct record *record)
{
    if (!sill__lock_try(lock, record->instance, true))
        return SILL__OWNER_LIVING;
    sill__lock_drop(lock, record->instance);
    return record->info.kept ? SILL__OWNER_KEPT : SILL__OWNER_STALE;
}

/* ---- claim, join, update, release ---- */

/* Puts `place` on the heap with its instance's byte held. The directory's lock stays held. */
static int hold(struct sill__owner *place, uint64_t instance, struct sill__owner **out)
{
    struct sill__owner *owner = sill__alloc(sizeof *owner);
    if (owner == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    if (!sill__lock_try(place->lock, instance, false)) {
        DWORD code = GetLastError();
        sill__free(owner);
        return sill__fail_os("LockFileEx", code, "A record cannot be locked");
    }
    place->instance = instance;
    *owner = *place;
    *out = owner;
    return 0;
}

static int in_use(const struct record *record, enum sill__owner_state state)
{
    const char *what = sill__owner_kind_noun(record->info.kind);
    if (state == SILL__OWNER_KEPT)
        return sill__fail(SILL_EXISTS, "The %s \"%s\" exists: it was made to be kept.", what,
                          record->info.name);
    return sill__fail(SILL_EXISTS, "The %s \"%s\" exists: process %lu made it, and it is in use.",
                      what, record->info.name, (unsigned long)record->info.process.pid);
}

/* Whether the name is free; fills `previous` with what lay there. */
static int look(const struct sill__owner *place, struct sill__owner_info *previous)
{
    struct record old;
    int status = read_record(place->file, &old);
    if (status != 0)
        return status == SILL_NOT_FOUND ? 0 : status;
    enum sill__owner_state state = judge(place->lock, &old);
    if (state != SILL__OWNER_STALE)
        return in_use(&old, state);
    *previous = old.info;
    return 0;
}

/* Under the directory's lock: takes the name, writes the record. */
static int claim(struct sill__owner *place, struct sill__owner_info *previous, sill__owner **out)
{
    struct record record = {new_instance(), place->info};
    sill__owner *owner;
    int status = look(place, previous);
    if (status == 0)
        status = hold(place, record.instance, &owner);
    if (status != 0)
        return status;
    status = write_record(place, &record);
    if (status != 0) {
        sill__lock_drop(place->lock, record.instance);
        sill__free(owner);
        return status;
    }
    *out = owner;
    return 0;
}

int sill__owner_claim(sill__owner **out, const char *directory, const struct sill__owner_info *info,
                      struct sill__owner_info *previous)
{
    struct sill__owner place;
    struct sill__owner_info before;
    memset(&before, 0, sizeof before);
    sill_error error = *sill_last_error();
    int status = enter_for(&place, directory, info->kind, info->name);
    if (status != 0)
        return status;
    place.info = *info;
    sill__process_self(&place.info.process);
    if (place.info.created == 0)
        place.info.created = (int64_t)time(NULL);
    status = claim(&place, &before, out);
    leave(&place);
    if (status != 0) {
        forget(&place);
        return status;
    }
    sill__error_restore(&error); /* that there was no record is no failure */
    if (previous != NULL)
        *previous = before;
    return 0;
}

int sill__owner_join(sill__owner **out, const char *directory, enum sill__owner_kind kind,
                     const char *name, struct sill__owner_info *info)
{
    struct sill__owner place;
    int status = enter_for(&place, directory, kind, name);
    if (status != 0)
        return status;
    struct record record;
    status = read_record(place.file, &record);
    if (status == 0 && _stricmp(record.info.name, name) != 0)
        status = sill__fail(SILL_NOT_FOUND, "There is no record of \"%s\".", name);
    if (status == 0) {
        place.info = record.info;
        status = hold(&place, record.instance, out);
    }
    leave(&place);
    if (status != 0) {
        forget(&place);
        return status;
    }
    *info = record.info;
    return 0;
}

/* Whether the file is still the record of this claim, and not one that came after it. */
static bool is_ours(const sill__owner *owner)
{
    struct record now;
    return read_record(owner->file, &now) == 0 && now.instance == owner->instance;
}

int sill__owner_update(sill__owner *owner, const struct sill__owner_info *info)
{
    struct record record = {owner->instance, owner->info};
    record.info.size = info->size;
    record.info.kept = info->kept;
    memcpy(record.info.object, info->object, sizeof record.info.object);
    int status = sill__lock_directory(owner->lock);
    if (status != 0)
        return status;
    if (is_ours(owner)) /* else it was removed, and its place may be another's */
        status = write_record(owner, &record);
    leave(owner);
    if (status == 0)
        owner->info = record.info;
    return status;
}

/* A section lives as long as anybody has it open, and its record stays as long: that we could not
 * open it may only mean that we are in another session. */
static bool is_last(const sill__owner *owner)
{
    if (owner->info.kind != SILL__OWNER_REGION_WIN32)
        return true;
    if (!sill__lock_try(owner->lock, owner->instance, true))
        return false;
    sill__lock_drop(owner->lock, owner->instance);
    return true;
}

void sill__owner_release(sill__owner *owner, bool remove)
{
    if (owner == NULL)
        return;
    bool locked = remove && sill__lock_directory(owner->lock) == 0;
    sill__lock_drop(owner->lock, owner->instance);
    if (locked && is_ours(owner) && is_last(owner))
        delete_record(owner->file);
    if (locked)
        leave(owner);
    forget(owner);
    sill__free(owner);
}

/* ---- listing and cleaning ---- */

struct entry {
    char file[FILE_NAME];
    struct sill__owner_info info;
    enum sill__owner_state state;
};

struct listing {
    struct entry *entries;
    size_t count, room;
};

static int add(struct listing *list, const char *file, const struct sill__owner_info *info,
               enum sill__owner_state state)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 16 : 2 * list->room;
        struct entry *more = sill__realloc(list->entries, room * sizeof *more);
        if (more == NULL)
            return sill__fail(SILL_NO_MEMORY, "Out of memory.");
        list->entries = more;
        list->room = room;
    }
    struct entry *entry = &list->entries[list->count++];
    strcpy(entry->file, file);
    entry->info = *info;
    entry->state = state;
    return 0;
}

/* Adds the file `name` if it is a record; everything else in the directory is passed over. */
static int add_file(struct listing *list, const struct sill__owner *place, const wchar_t *name)
{
    char file[FILE_NAME], expected[FILE_NAME];
    size_t length = wcslen(name);
    if (name[0] == L'.' || length >= sizeof file)
        return 0;
    for (size_t i = 0; i <= length; i++) {
        if (name[i] > 0x7e)
            return 0;
        file[i] = (char)name[i];
    }
    wchar_t *path;
    int status = sill__path_join(place->directory, file, &path);
    if (status != 0)
        return status;
    struct record record;
    bool found = read_record(path, &record) == 0;
    sill__free(path);
    if (!found)
        return 0;
    file_name(record.info.kind, record.info.name, expected);
    if (_stricmp(file, expected) != 0)
        return 0;
    return add(list, file, &record.info, judge(place->lock, &record));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->file, ((const struct entry *)b)->file);
}

static int gather(struct listing *list, const struct sill__owner *place)
{
    wchar_t *pattern;
    int status = sill__path_join(place->directory, "*", &pattern);
    if (status != 0)
        return status;
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(pattern, &found);
    DWORD code = GetLastError();
    sill__free(pattern);
    if (search == INVALID_HANDLE_VALUE)
        return code == ERROR_FILE_NOT_FOUND
                   ? 0
                   : sill__fail_os("FindFirstFile", code, "The runtime directory cannot be listed");
    do {
        if ((found.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) ==
            0)
            status = add_file(list, place, found.cFileName);
    } while (status == 0 && FindNextFileW(search, &found));
    FindClose(search);
    return status;
}

/* The callbacks run without the lock, so that they may call anything here. */
int sill__owner_list(const char *directory, sill__owner_each *each, void *arg)
{
    struct sill__owner place;
    struct listing list = {NULL, 0, 0};
    sill_error error = *sill_last_error();
    int status = enter(&place, directory);
    if (status != 0)
        return status;
    status = gather(&list, &place);
    leave(&place);
    forget(&place);
    if (status == 0)
        sill__error_restore(&error); /* what was passed over is no failure */
    if (list.count > 0)
        qsort(list.entries, list.count, sizeof *list.entries, compare);
    for (size_t i = 0; status == 0 && i < list.count; i++)
        status = each(arg, &list.entries[i].info, list.entries[i].state);
    sill__free(list.entries);
    return status;
}

/* Under the directory's lock. */
static int remove_found(const struct sill__owner *place, const char *name, bool any,
                        sill__owner_remove *remove_object, void *arg)
{
    struct record record;
    int status = read_record(place->file, &record);
    bool other = status == 0 && _stricmp(record.info.name, name) != 0;
    if (other || status == SILL_NOT_FOUND || status == SILL_FOREIGN || status == SILL_VERSION)
        return sill__fail(SILL_NOT_FOUND, "There is no record of \"%s\".", name);
    if (status != 0)
        return status;
    enum sill__owner_state state = judge(place->lock, &record);
    if (!any && state != SILL__OWNER_STALE)
        return in_use(&record, state);
    status = remove_object(arg, &record.info);
    if (status != 0 && status != SILL_NOT_FOUND)
        return status;
    return delete_record(place->file);
}

static int remove_record(const char *directory, enum sill__owner_kind kind, const char *name,
                         bool any, sill__owner_remove *remove_object, void *arg)
{
    struct sill__owner place;
    int status = enter_for(&place, directory, kind, name);
    if (status != 0)
        return status;
    status = remove_found(&place, name, any, remove_object, arg);
    leave(&place);
    forget(&place);
    return status;
}

int sill__owner_remove_stale(const char *directory, enum sill__owner_kind kind, const char *name,
                             sill__owner_remove *remove_object, void *arg)
{
    return remove_record(directory, kind, name, false, remove_object, arg);
}

int sill__owner_remove_any(const char *directory, enum sill__owner_kind kind, const char *name,
                           sill__owner_remove *remove_object, void *arg)
{
    return remove_record(directory, kind, name, true, remove_object, arg);
}
