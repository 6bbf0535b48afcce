/* owner.c (POSIX) - owner records as files that their owners hold under flock. See owner.h.
 *
 * What holds here:
 * - Every judgement and every change of a record happens under the directory's lock.
 * - A stale record is taken over in place: its file stays the same, and nothing else is lost.
 * - As long as a process lives and holds its record, nobody takes that over.
 */
#include "owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "directory.h"
#include "memory.h"
#include "record.h"
#include "status.h"

struct sill__owner {
    int fd; /* the record, locked shared for as long as this lives */
    uint32_t generation;
    struct sill__owner_info info;
    char file[100];
    char directory[]; /* absolute path */
};

/* ---- claiming ---- */

static int still_owned(const struct sill__record *found, const struct sill__owner_info *info)
{
    const char *what = sill__owner_kind_noun(info->kind);
    if (found->parsed == SILL_OK && sill__record_judge(found) == SILL__OWNER_KEPT)
        return sill__fail(SILL_EXISTS, "The %s \"%s\" exists: it was made to be kept.", what,
                          info->name);
    if (found->parsed == SILL_OK)
        return sill__fail(SILL_EXISTS,
                          "The %s \"%s\" exists: process %u made it, and it is in use.", what,
                          info->name, (unsigned)found->info.process.pid);
    return sill__fail(SILL_EXISTS, "The %s \"%s\" exists, and it is in use.", what, info->name);
}

/* Rewrites a record that nobody stands behind. A short write cannot be taken back, but then the
 * checksum says so, and a damaged record is nobody's. */
static int take_over(const struct sill__record *found, const char *file,
                     const struct sill__owner_info *info)
{
    if (found->parsed == SILL_FOREIGN)
        return sill__fail(SILL_FOREIGN, "The file %s was not made by sill; it is left alone.",
                          file);
    if (found->parsed == SILL_VERSION && !found->locked)
        return sill__fail(SILL_VERSION,
                          "The record %s was written by a later sill; it is left alone.", file);
    if (sill__record_judge(found) != SILL__OWNER_STALE)
        return still_owned(found, info);
    if (found->parsed == SILL_OK && strcmp(found->info.name, info->name) != 0)
        return sill__fail(SILL_EXISTS, "The file name of \"%s\" is taken by \"%.40s\".", info->name,
                          found->info.name);
    int status = sill__record_hold(found->fd, file);
    return status == SILL_OK ? sill__record_write(found->fd, file, info) : status;
}

/* With the directory locked: makes the record or takes it over. */
static int claim_locked(const struct sill__directory *directory, sill__owner *owner,
                        struct sill__owner_info *previous)
{
    struct sill__record found;
    int status = sill__record_find(directory, owner->file, &found);
    if (status == SILL_NOT_FOUND)
        return sill__record_make(directory, owner->file, &owner->info, &owner->fd);
    if (status != SILL_OK)
        return status;
    status = take_over(&found, owner->file, &owner->info);
    if (status != SILL_OK) {
        close(found.fd);
        return status;
    }
    if (previous != NULL && found.parsed == SILL_OK)
        *previous = found.info;
    owner->fd = found.fd;
    return SILL_OK;
}

static sill__owner *new_owner(const struct sill__directory *directory, enum sill__owner_kind kind,
                              const char *name)
{
    size_t length = strlen(directory->path);
    sill__owner *owner = sill__alloc_zeroed(sizeof *owner + length + 1);
    if (owner == NULL) {
        sill__fail(SILL_NO_MEMORY, "Out of memory.");
        return NULL;
    }
    owner->fd = -1;
    owner->generation = sill__fork_generation();
    memcpy(owner->directory, directory->path, length + 1);
    sill__owner_file_name(kind, name, owner->file);
    return owner;
}

int sill__owner_claim(sill__owner **out, const char *directory, const struct sill__owner_info *info,
                      struct sill__owner_info *previous)
{
    struct sill__directory opened;
    int status = sill__directory_open(&opened, directory);
    if (status != SILL_OK)
        return status;
    struct sill__owner_info before;
    memset(&before, 0, sizeof before);
    sill__owner *owner = new_owner(&opened, info->kind, info->name);
    status = SILL_NO_MEMORY;
    if (owner == NULL)
        goto done;
    owner->info = *info;
    sill__process_self(&owner->info.process);
    if (owner->info.created == 0)
        owner->info.created = (int64_t)time(NULL);
    status = sill__directory_lock(&opened);
    if (status != SILL_OK)
        goto done;
    status = claim_locked(&opened, owner, &before);
    sill__directory_unlock(&opened);
done:
    sill__directory_close(&opened);
    if (status != SILL_OK) {
        sill__free(owner);
        return status;
    }
    if (previous != NULL)
        *previous = before;
    *out = owner;
    return SILL_OK;
}

/* ---- joining ---- */

static int join_locked(const struct sill__directory *directory, sill__owner *owner,
                       const char *name)
{
    struct sill__record found;
    int status = sill__record_find(directory, owner->file, &found);
    if (status != SILL_OK)
        return status;
    if (found.parsed == SILL_FOREIGN)
        status = sill__fail(SILL_FOREIGN, "The file %s was not made by sill.", owner->file);
    else if (found.parsed == SILL_VERSION)
        status =
            sill__fail(SILL_VERSION, "The record %s was written by a later sill.", owner->file);
    else if (found.parsed != SILL_OK || strcmp(found.info.name, name) != 0)
        status = sill__fail(SILL_NOT_FOUND, "There is no record of \"%s\".", name);
    else
        status = sill__record_hold(found.fd, owner->file);
    if (status != SILL_OK) {
        close(found.fd);
        return status;
    }
    owner->fd = found.fd;
    owner->info = found.info;
    return SILL_OK;
}

int sill__owner_join(sill__owner **out, const char *directory, enum sill__owner_kind kind,
                     const char *name, struct sill__owner_info *info)
{
    struct sill__directory opened;
    int status = sill__directory_open(&opened, directory);
    if (status != SILL_OK)
        return status;
    sill__owner *owner = new_owner(&opened, kind, name);
    status = SILL_NO_MEMORY;
    if (owner == NULL)
        goto done;
    status = sill__directory_lock(&opened);
    if (status != SILL_OK)
        goto done;
    status = join_locked(&opened, owner, name);
    sill__directory_unlock(&opened);
done:
    sill__directory_close(&opened);
    if (status != SILL_OK) {
        sill__free(owner);
        return status;
    }
    *info = owner->info;
    *out = owner;
    return SILL_OK;
}

/* ---- holding and letting go ---- */

int sill__owner_update(sill__owner *owner, const struct sill__owner_info *info)
{
    if (owner->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "The record of \"%s\" belongs to the parent process.",
                          owner->info.name);
    struct sill__owner_info changed = owner->info;
    changed.size = info->size;
    changed.kept = info->kept;
    memcpy(changed.object, info->object, sizeof changed.object);
    struct sill__directory opened;
    int status = sill__directory_open(&opened, owner->directory);
    if (status != SILL_OK)
        return status;
    status = sill__directory_lock(&opened);
    if (status == SILL_OK) {
        status = sill__record_write(owner->fd, owner->file, &changed);
        sill__directory_unlock(&opened);
    }
    sill__directory_close(&opened);
    if (status == SILL_OK)
        owner->info = changed;
    return status;
}

/* Removes the record's file if it is the one that we hold. Without the lock (out of descriptors,
 * its holder stopped) it is tried all the same: as long as we live and hold our record, nobody
 * takes it over. */
static void remove_file(const sill__owner *owner)
{
    struct sill__directory opened;
    if (sill__directory_open(&opened, owner->directory) != SILL_OK)
        opened.fd = -1;
    bool locked = opened.fd >= 0 && sill__directory_lock(&opened) == SILL_OK;
    char path[sizeof opened.path + sizeof owner->file + 1];
    snprintf(path, sizeof path, "%s/%s", owner->directory, owner->file);
    struct stat mine, found;
    if (fstat(owner->fd, &mine) == 0 && lstat(path, &found) == 0 && mine.st_dev == found.st_dev &&
        mine.st_ino == found.st_ino)
        unlink(path);
    if (locked)
        sill__directory_unlock(&opened);
    if (opened.fd >= 0)
        sill__directory_close(&opened);
}

void sill__owner_release(sill__owner *owner, bool remove)
{
    if (owner == NULL)
        return;
    if (owner->generation == sill__fork_generation()) {
        if (remove)
            remove_file(owner);
        /* A forked child shares a region's lock with its mapping, others for no reason. */
        if (!sill__owner_kind_is_region(owner->info.kind))
            flock(owner->fd, LOCK_UN);
    }
    close(owner->fd);
    sill__free(owner);
}

/* ---- all of them ---- */

struct names {
    char (*at)[100];
    size_t count, room;
};

static bool looks_like_record(const char *file)
{
    if (strlen(file) >= 100)
        return false;
    for (int kind = SILL__OWNER_SERVER;; kind++) {
        const char *word = sill__owner_kind_word((enum sill__owner_kind)kind);
        size_t length = strlen(word);
        if (strcmp(word, "?") == 0)
            return false;
        if (strncmp(file, word, length) == 0 && file[length] == '.')
            return true;
    }
}

/* `file` looks like a record, so it is short enough. */
static int add_name(struct names *names, const char *file)
{
    if (names->count == names->room) {
        size_t room = names->room == 0 ? 32 : names->room * 2;
        void *at = sill__realloc(names->at, room * sizeof *names->at);
        if (at == NULL)
            return sill__fail(SILL_NO_MEMORY, "Out of memory.");
        names->at = at;
        names->room = room;
    }
    memcpy(names->at[names->count++], file, strlen(file) + 1);
    return SILL_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int collect_names(const struct sill__directory *directory, struct names *names)
{
    int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return sill__fail_os("fdopendir", code, "The directory %s cannot be read.",
                             directory->path);
    }
    int status = SILL_OK;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (entry == NULL && errno != 0)
            status = sill__fail_os("readdir", errno, "The directory %s cannot be read.",
                                   directory->path);
        if (entry == NULL || status != SILL_OK)
            break;
        if (looks_like_record(entry->d_name))
            status = add_name(names, entry->d_name);
    }
    closedir(stream);
    if (status == SILL_OK && names->count > 0)
        qsort(names->at, names->count, sizeof *names->at, compare_names);
    return status;
}

/* One record with its state. NOT_FOUND for everything that a list passes over. */
static int look_at(struct sill__directory *directory, const char *file,
                   struct sill__owner_info *info, enum sill__owner_state *state)
{
    struct stat st;
    if (fstatat(directory->fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
        st.st_uid != geteuid())
        return SILL_NOT_FOUND;
    int status = sill__directory_lock(directory);
    if (status != SILL_OK)
        return status;
    struct sill__record found;
    status = sill__record_find(directory, file, &found);
    if (status == SILL_OK) {
        *info = found.info;
        *state = sill__record_judge(&found);
        close(found.fd);
    }
    sill__directory_unlock(directory);
    if (status == SILL_DENIED || (status == SILL_OK && found.parsed != SILL_OK))
        return SILL_NOT_FOUND;
    if (status != SILL_OK)
        return status;
    char expected[100];
    sill__owner_file_name(info->kind, info->name, expected);
    return strcmp(expected, file) == 0 ? SILL_OK : SILL_NOT_FOUND;
}

int sill__owner_list(const char *directory, sill__owner_each *each, void *arg)
{
    struct sill__directory opened;
    int status = sill__directory_open(&opened, directory);
    if (status != SILL_OK)
        return status;
    struct names names = {NULL, 0, 0};
    status = collect_names(&opened, &names);
    for (size_t i = 0; status == SILL_OK && i < names.count; i++) {
        struct sill__owner_info info;
        enum sill__owner_state state;
        status = look_at(&opened, names.at[i], &info, &state);
        if (status == SILL_OK)
            status = each(arg, &info, state);
        else if (status == SILL_NOT_FOUND)
            status = SILL_OK;
    }
    sill__free(names.at);
    sill__directory_close(&opened);
    return status;
}

/* NOT_FOUND means that nothing is left to remove: of the object, or of the record. */
static int remove_found(const struct sill__directory *directory, const char *file,
                        const struct sill__record *found, bool any,
                        sill__owner_remove *remove_object, void *arg)
{
    if (!any && sill__record_judge(found) != SILL__OWNER_STALE)
        return still_owned(found, &found->info);
    int status = remove_object(arg, &found->info);
    if (status != SILL_OK && status != SILL_NOT_FOUND)
        return status;
    if (unlinkat(directory->fd, file, 0) != 0 && errno != ENOENT)
        return sill__fail_os("unlinkat", errno, "The record %s cannot be removed.", file);
    return SILL_OK;
}

static int remove_locked(const struct sill__directory *directory, const char *file,
                         const char *name, bool any, sill__owner_remove *remove_object, void *arg)
{
    struct sill__record found;
    int status = sill__record_find(directory, file, &found);
    if (status != SILL_OK)
        return status;
    if (found.parsed == SILL_OK && strcmp(found.info.name, name) == 0)
        status = remove_found(directory, file, &found, any, remove_object, arg);
    else
        status = sill__fail(SILL_NOT_FOUND, "There is no record of \"%s\".", name);
    close(found.fd);
    return status;
}

static int remove_record(const char *directory, enum sill__owner_kind kind, const char *name,
                         bool any, sill__owner_remove *remove_object, void *arg)
{
    char file[100];
    sill__owner_file_name(kind, name, file);
    struct sill__directory opened;
    int status = sill__directory_open(&opened, directory);
    if (status != SILL_OK)
        return status;
    status = sill__directory_lock(&opened);
    if (status == SILL_OK) {
        status = remove_locked(&opened, file, name, any, remove_object, arg);
        sill__directory_unlock(&opened);
    }
    sill__directory_close(&opened);
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
