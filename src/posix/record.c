/* record.c - one owner record as a file: looking at it, judging it, writing it. See record.h.
 *
 * What holds here:
 * - The directory is locked by the caller, so the exclusive lock that a judgement tries for a
 *   moment meets nobody else who tries.
 * - Owners and users hold the record's lock shared; "not locked" is "an exclusive one can be had".
 * - A record appears under its name whole (written and locked as ".new", then linked) and is
 *   rewritten in place by one write of its fixed length, with a checksum. So a kill or a full disk
 *   at any moment leaves the old record, the new one, or ".new", which the next one removes.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "status.h"

/* ---- looking at a record ---- */

static int open_record(const struct sill__directory *directory, const char *file, int *out)
{
    int fd = openat(directory->fd, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return sill__fail_os("openat", errno, "There is no record %s in %s.", file,
                             directory->path);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == EISDIR))
        return sill__fail_os_as(SILL_DENIED, "openat", errno,
                                "%s in %s is not a file, so sill did not make it.", file,
                                directory->path);
    if (fd < 0)
        return sill__fail_os("openat", errno, "The record %s in %s cannot be opened.", file,
                             directory->path);
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid()) {
        *out = fd;
        return SILL_OK;
    }
    close(fd);
    return sill__fail(SILL_DENIED, "The record %s in %s belongs to another user, or is not a file.",
                      file, directory->path);
}

static int read_record(int fd, const char *file, struct sill__record *found)
{
    char text[SILL__OWNER_TEXT + 1]; /* one more, to notice a longer file */
    size_t used = 0;
    while (used < sizeof text) {
        ssize_t got = pread(fd, text + used, sizeof text - used, (off_t)used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sill__fail_os("pread", errno, "The record %s cannot be read.", file);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    found->parsed = sill__owner_parse(text, used, &found->info);
    return SILL_OK;
}

/* Leaves the record unlocked by us. */
static int look_for_lock(int fd, const char *file, bool *locked)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        flock(fd, LOCK_UN);
        *locked = false;
        return SILL_OK;
    }
    if (errno != EWOULDBLOCK)
        return sill__fail_os("flock", errno, "The record %s cannot be locked.", file);
    *locked = true;
    return SILL_OK;
}

/* Opens and reads; the directory is locked. On success found->fd is open. */
int sill__record_find(const struct sill__directory *directory, const char *file,
                      struct sill__record *found)
{
    int fd = -1;
    int status = open_record(directory, file, &fd);
    if (status != SILL_OK)
        return status;
    memset(found, 0, sizeof *found);
    status = read_record(fd, file, found);
    if (status == SILL_OK)
        status = look_for_lock(fd, file, &found->locked);
    if (status != SILL_OK) {
        close(fd);
        return status;
    }
    found->fd = fd;
    return SILL_OK;
}

static bool other_boot(const struct sill__process *process)
{
    struct sill__process self;
    sill__process_self(&self);
    return self.boot[0] != '\0' && process->boot[0] != '\0' &&
           strcmp(self.boot, process->boot) != 0;
}

/* The table in owner.h. A lock that is held across another boot is held on another machine. */
enum sill__owner_state sill__record_judge(const struct sill__record *found)
{
    const struct sill__owner_info *info = &found->info;
    if (found->parsed != SILL_OK)
        return found->locked ? SILL__OWNER_LIVING : SILL__OWNER_STALE;
    if (!found->locked)
        return info->kept && !other_boot(&info->process) ? SILL__OWNER_KEPT : SILL__OWNER_STALE;
    if (!sill__owner_kind_is_region(info->kind) && !other_boot(&info->process) &&
        sill__process_alive(&info->process) == 0)
        return SILL__OWNER_STALE;
    return SILL__OWNER_LIVING;
}

/* ---- writing one ---- */

int sill__record_write(int fd, const char *file, const struct sill__owner_info *info)
{
    char text[SILL__OWNER_TEXT + 1];
    size_t length = sill__owner_format(info, text, sizeof text);
    if (length == 0)
        return sill__fail(SILL_INVALID, "The record of \"%s\" cannot be written as text.",
                          info->name);
    ssize_t wrote;
    do
        wrote = pwrite(fd, text, length, 0);
    while (wrote < 0 && errno == EINTR);
    if (wrote < 0)
        return sill__fail_os("pwrite", errno, "The record %s cannot be written.", file);
    if ((size_t)wrote != length)
        return sill__fail(SILL_NO_SPACE, "The file system is too full for the record %s.", file);
    return SILL_OK;
}

int sill__record_hold(int fd, const char *file)
{
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        return sill__fail_os("flock", errno, "The record %s cannot be locked.", file);
    return SILL_OK;
}

/* Gives the file its name, if that is free. Where there are no links it is moved, which is safe
 * since nobody else may write in such a directory without its lock. */
static int appear(const struct sill__directory *directory, const char *from, const char *file)
{
    if (linkat(directory->fd, from, directory->fd, file, 0) == 0)
        return SILL_OK;
    if (errno == EEXIST)
        return sill__fail_os("linkat", errno, "%s has just been made by somebody else.", file);
    if (directory->uid == geteuid() && renameat(directory->fd, from, directory->fd, file) == 0)
        return SILL_OK;
    return sill__fail_os("linkat", errno, "The record %s cannot be put into %s.", file,
                         directory->path);
}

/* Makes a record where there is none: never seen but whole and locked. */
int sill__record_make(const struct sill__directory *directory, const char *file,
                      const struct sill__owner_info *info, int *out)
{
    char temporary[SILL__DIRECTORY_NAME];
    sill__directory_new_name(directory, temporary);
    int fd =
        openat(directory->fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return sill__fail_os("openat", errno, "A file cannot be made in %s.", directory->path);
    int status = sill__record_write(fd, file, info);
    if (status == SILL_OK)
        status = sill__record_hold(fd, file);
    if (status == SILL_OK)
        status = appear(directory, temporary, file);
    unlinkat(directory->fd, temporary, 0);
    if (status != SILL_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    return SILL_OK;
}
