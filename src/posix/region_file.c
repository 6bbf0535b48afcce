/* region_file.c - regions in files: the name is a path.
 *
 * A file is made without a name (O_TMPFILE), filled, and linked into place when its header is
 * valid: under its path it is whole or not there at all, so it needs no owner record, and a creator
 * that is killed leaves nothing. Where the file system has no O_TMPFILE, or /proc is missing, it is
 * made under a temporary name beside its path; a kill can leave that one behind, and it is in
 * nobody's way. Links are never followed at the last part of a path.
 */
#include "region_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "../step.h"

extern const struct sill__region_ops sill__posix_file_ops;

#define TEMPORARY_ATTEMPTS 16

/* The directory of `path`, with a '/' at its end; "" for the present one. New memory. */
static char *directory_of(const char *path, size_t room)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    char *directory = sill__alloc(length + room + 1);
    if (directory == NULL) {
        sill__fail(SILL_NO_MEMORY, "Out of memory.");
        return NULL;
    }
    memcpy(directory, path, length);
    directory[length] = '\0';
    return directory;
}

static void own_link(int fd, char out[40])
{
    snprintf(out, 40, "/proc/self/fd/%d", fd);
}

/* A file without a name; -1 with errno if that does not work here, or if it could not be linked. */
static int open_unnamed(const char *directory)
{
    int fd = -1;
#ifdef O_TMPFILE
    fd = open(directory[0] != '\0' ? directory : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char link_path[40];
    own_link(fd, link_path);
    if (fd >= 0 && access(link_path, F_OK) != 0) {
        close(fd);
        fd = -1;
    }
#else
    (void)directory;
#endif
    return fd;
}

/* A file under a temporary name, which is appended to `directory`. */
static int open_temporary(char *directory, size_t room)
{
    size_t length = strlen(directory);
    int fd = -1;
    for (unsigned i = 0; i < TEMPORARY_ATTEMPTS; i++) {
        snprintf(directory + length, room, ".sill-%ld-%llx", (long)getpid(),
                 (unsigned long long)sill__now_ns());
        fd = open(directory, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 || errno != EEXIST)
            break;
    }
    return fd;
}

/* *temporary: the name that the file has meanwhile, or NULL. */
static int make_file(const char *path, int *out, char **temporary)
{
    enum { ROOM = 64 };
    char *directory = directory_of(path, ROOM);
    if (directory == NULL)
        return SILL_NO_MEMORY;
    int fd = open_unnamed(directory);
    bool named = fd < 0;
    if (named)
        fd = open_temporary(directory, ROOM);
    int code = errno;
    *temporary = directory;
    if (fd < 0 || !named) {
        sill__free(directory);
        *temporary = NULL;
    }
    if (fd < 0)
        return sill__fail_os("open", code, "A file cannot be made in the directory of \"%s\"",
                             path);
    *out = fd;
    return 0;
}

static int create(sill__memory **out, const char *path, size_t size, bool resizable)
{
    struct stat st;
    if (lstat(path, &st) == 0) /* before space is taken; publish decides */
        return sill__fail(SILL_EXISTS, "\"%s\" exists already.", path);
    int fd = -1;
    char *temporary = NULL;
    int rc = make_file(path, &fd, &temporary);
    if (rc != 0)
        return rc;
    SILL__STEP(region_object);
    struct sill__fd_memory *memory;
    if (fchmod(fd, 0600) != 0) /* whatever the umask says */
        rc = sill__fail_os("fchmod", errno, "The file for \"%s\" cannot be made", path);
    if (rc == 0)
        rc = sill__fd_reserve(fd, 0, size, SILL__FD_FILE);
    if (rc == 0)
        rc = sill__fd_memory_new(&memory, &sill__posix_file_ops, fd, SILL__FD_FILE, size);
    if (rc != 0) {
        if (temporary != NULL)
            unlink(temporary);
        sill__free(temporary);
        close(fd);
        return rc;
    }
    SILL__STEP(region_sized);
    memory->fixed = !resizable;
    memory->temporary = temporary;
    *out = &memory->memory;
    return 0;
}

/* Neither linkat nor link replaces what is there. */
static int publish(sill__memory *base, const char *path)
{
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    char link_path[40];
    own_link(memory->fd, link_path);
    int linked = memory->temporary != NULL
                     ? link(memory->temporary, path)
                     : linkat(AT_FDCWD, link_path, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    if (linked != 0)
        return sill__fail_os("linkat", errno, "The file cannot be put in place as \"%s\"", path);
    if (memory->temporary != NULL)
        unlink(memory->temporary);
    sill__free(memory->temporary);
    memory->temporary = NULL;
    return 0;
}

static int open_object(sill__memory **out, const char *path, bool read_only)
{
    int fd;
    struct stat st;
    int rc = sill__fd_open(&fd, path, SILL__FD_FILE, read_only, &st);
    if (rc != 0)
        return rc;
    struct sill__fd_memory *memory;
    rc = sill__fd_memory_new(&memory, &sill__posix_file_ops, fd, SILL__FD_FILE, (size_t)st.st_size);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *out = &memory->memory;
    return 0;
}

/* Linux does nothing for MS_ASYNC, since it knows which pages are dirty; it has a call that begins to
 * write them. What that cannot do is done later all the same. */
static int begin_flush(int fd, void *base, size_t from, size_t size)
{
#ifdef __linux__
    (void)base;
    sync_file_range(fd, (off_t)from, (off_t)size, SYNC_FILE_RANGE_WRITE);
    return 0;
#else
    (void)fd;
    return msync((char *)base + from, size, MS_ASYNC);
#endif
}

static int flush(sill__memory *base, void *at, size_t from, size_t to, bool wait)
{
    const struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    from = from / page * page;
    int failed = wait ? msync((char *)at + from, to - from, MS_SYNC)
                      : begin_flush(memory->fd, at, from, to - from);
    if (failed == 0 && wait) /* the size too, where msync leaves it */
        failed = fsync(memory->fd);
    return failed == 0 ? 0
                       : sill__fail_os("msync", errno, "The file cannot be written to the disk");
}

static int remove_object(const char *path, uint64_t name_hash)
{
    return sill__fd_remove(path, SILL__FD_FILE, SILL_REGION_FILE, name_hash, false);
}

const struct sill__region_ops sill__posix_file_ops = {
    .kind = SILL_REGION_FILE,
    .caps = SILL_REGION_NAMED | SILL_REGION_PERSISTS | SILL_REGION_RESIZES | SILL_REGION_READ_ONLY |
            SILL_REGION_FLUSHES,
    .create = create,
    .open = open_object,
    .map = sill__fd_map,
    .unmap = sill__fd_unmap,
    .publish = publish,
    .resize = sill__fd_resize,
    .flush = flush,
    .close = sill__fd_close,
    .remove = remove_object,
};
