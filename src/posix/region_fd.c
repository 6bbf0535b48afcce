/* region_fd.c - regions behind a file descriptor: space, mapping, resizing, rights.
 *
 * Space is reserved before anything is mapped, so that no access to a mapping can run out of it.
 * The size of a mapping is the size that the file had when it was mapped, asked for again each
 * time, unless seals keep it from changing.
 */
#include "region_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "../memory.h"
#include "../status.h"
#include "../step.h"
#include "memory_room.h"

#define TMPFS_ID 0x01021994 /* f_type of tmpfs */

int sill__fd_memory_new(struct sill__fd_memory **out, const struct sill__region_ops *ops, int fd,
                        enum sill__fd_place place, size_t size)
{
    struct sill__fd_memory *memory = sill__alloc_zeroed(sizeof *memory);
    if (memory == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    memory->memory.ops = ops;
    memory->memory.size = size;
    memory->fd = fd;
    memory->place = place;
    *out = memory;
    return 0;
}

/* ---- space ---- */

static int no_room(int fd, const char *call, int code, size_t more, enum sill__fd_place place)
{
    struct statvfs fs;
    uint64_t free_bytes = 0;
    if (fstatvfs(fd, &fs) == 0)
        free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (code == EDQUOT)
        return sill__fail_os_as(SILL_NO_SPACE, call, code,
                                "The disk quota of this user has no room for %zu bytes.", more);
    switch (place) {
    case SILL__FD_SHM:
        return sill__fail_os_as(SILL_NO_SPACE, call, code,
                                "/dev/shm has no room for %zu bytes, %" PRIu64 " are free. Enlarge "
                                "it with \"mount -o remount,size=SIZE /dev/shm\", in a container "
                                "with its option for the size of shm",
                                more, free_bytes);
    case SILL__FD_FILE:
        return sill__fail_os_as(SILL_NO_SPACE, call, code,
                                "The file system of the file has no room for %zu bytes, %" PRIu64
                                " are free",
                                more, free_bytes);
    default:
        return sill__fail_os_as(SILL_NO_SPACE, call, code, "There is no memory for %zu bytes",
                                more);
    }
}

static int reserve_failed(int fd, const char *call, int code, size_t more,
                          enum sill__fd_place place)
{
    if (code == ENOSPC || code == EDQUOT || code == ENOMEM)
        return no_room(fd, call, code, more, place);
    if (code == EFBIG)
        return sill__fail_os_as(SILL_TOO_BIG, call, code,
                                "The file system cannot hold an object of that size");
    return sill__fail_os(call, code, "Space for %zu bytes cannot be reserved", more);
}

/* A larger file than RLIMIT_FSIZE would not only fail, it would bring a signal that kills. */
static int check_file_limit(size_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        size <= limit.rlim_cur)
        return 0;
    return sill__fail(SILL_LIMIT,
                      "%zu bytes are more than this process may write to a file: the limit "
                      "RLIMIT_FSIZE (ulimit -f) is %ju bytes.",
                      size, (uintmax_t)limit.rlim_cur);
}

/* Files in memory take memory that the kernel may not have. */
static int check_memory(int fd, size_t more)
{
#ifdef __linux__
    struct statfs fs;
    if (fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_ID)
        return 0;
#else
    (void)fd;
#endif
    return sill__memory_check(more);
}

/* Asked before reserving: to find out by itself, a file system would first fill itself up, to the
 * harm of everybody else. */
static int check_file_system(int fd, size_t more, enum sill__fd_place place)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0 || more / fs.f_frsize <= fs.f_bfree)
        return 0;
    return no_room(fd, "fallocate", ENOSPC, more, place);
}

/* Where the file system cannot reserve: by writing. */
static int write_zeros(int fd, size_t from, size_t to, enum sill__fd_place place)
{
    static const char zeros[65536];
    while (from < to) {
        size_t piece = to - from < sizeof zeros ? to - from : sizeof zeros;
        ssize_t wrote = pwrite(fd, zeros, piece, (off_t)from);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return reserve_failed(fd, "pwrite", wrote < 0 ? errno : ENOSPC, to - from, place);
        from += (size_t)wrote;
    }
    return 0;
}

static int reserve_piece(int fd, size_t from, size_t size)
{
#ifdef __linux__
    return fallocate(fd, 0, (off_t)from, (off_t)size) == 0 ? 0 : errno;
#else
    return posix_fallocate(fd, (off_t)from, (off_t)size);
#endif
}

/* In pieces, since tmpfs undoes a call that a signal interrupts: smaller ones then, so that even a
 * storm of signals lets it get on. */
#define LARGEST_PIECE  ((size_t)256 << 20)
#define SMALLEST_PIECE ((size_t)64 << 10)

int sill__fd_reserve(int fd, size_t from, size_t to, enum sill__fd_place place)
{
    int rc = check_file_limit(to);
    if (rc == 0)
        rc = check_memory(fd, to - from);
    if (rc == 0)
        rc = check_file_system(fd, to - from, place);
    if (rc != 0)
        return rc;
    size_t largest = LARGEST_PIECE;
    for (size_t at = from; at < to;) {
        size_t piece = to - at < largest ? to - at : largest;
        int code = reserve_piece(fd, at, piece);
        if (code == EINTR && largest > SMALLEST_PIECE)
            largest /= 2;
        else if (code == EOPNOTSUPP || code == ENOSYS)
            return write_zeros(fd, at, to, place);
        else if (code != 0 && code != EINTR)
            return reserve_failed(fd, "fallocate", code, to - from, place);
        if (code == 0)
            at += piece;
    }
    return 0;
}

/* ---- rights ---- */

static int check_rights(const struct stat *st, const char *path)
{
    if (!S_ISREG(st->st_mode))
        return sill__fail(SILL_FOREIGN, "\"%s\" is not a file, so sill did not make it.", path);
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return sill__fail(SILL_DENIED, "\"%s\" belongs to another user (uid %lu).", path,
                          (unsigned long)st->st_uid);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return sill__fail(SILL_DENIED, "\"%s\" can be written by other users (mode %03o).", path,
                          (unsigned)(st->st_mode & 0777));
    return 0;
}

int sill__fd_open(int *out, const char *path, enum sill__fd_place place, bool read_only,
                  struct stat *st)
{
    int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd;
    do
        fd = place == SILL__FD_SHM ? shm_open(path, flags, 0) : open(path, flags);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO || errno == ENODEV))
        return sill__fail_os_as(SILL_FOREIGN, "open", errno,
                                "\"%s\" is not a file, so sill did not make it", path);
    if (fd < 0)
        return sill__fail_os("open", errno, "The region \"%s\" cannot be opened", path);
    int rc = fstat(fd, st) == 0
                 ? check_rights(st, path)
                 : sill__fail_os("fstat", errno, "The region \"%s\" cannot be opened", path);
    if (rc == 0 && (uint64_t)st->st_size > SIZE_MAX)
        rc = sill__fail(SILL_TOO_BIG, "\"%s\" is beyond the address space.", path);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

/* ---- mapping ---- */

static int map_failed(int code, size_t size)
{
    struct rlimit limit;
    if (code == ENOMEM && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return sill__fail_os_as(SILL_LIMIT, "mmap", code,
                                "%zu bytes cannot be mapped: the limit RLIMIT_AS (ulimit -v) is "
                                "%ju bytes",
                                size, (uintmax_t)limit.rlim_cur);
    return sill__fail_os("mmap", code, "%zu bytes cannot be mapped", size);
}

/* The size as it is now: others may have resized it. */
static int refresh_size(struct sill__fd_memory *memory)
{
    struct stat st;
    if (memory->fixed)
        return 0;
    if (fstat(memory->fd, &st) != 0)
        return sill__fail_os("fstat", errno, "The size of the region cannot be told");
    if (st.st_size < SILL__REGION_HEADER || (uint64_t)st.st_size > SIZE_MAX)
        return sill__fail(SILL_WRONG_SIZE, "The region's object has been cut to %jd bytes.",
                          (intmax_t)st.st_size);
    memory->memory.size = (size_t)st.st_size;
    return 0;
}

int sill__fd_map(sill__memory *base, bool read_only, void **out)
{
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    if (memory->own != NULL) {
        if (mprotect(memory->own, memory->mapped, PROT_READ | PROT_WRITE) != 0)
            return sill__fail_os("mprotect", errno, "The region cannot be mapped again");
        *out = memory->own;
        return 0;
    }
    int rc = refresh_size(memory);
    if (rc != 0)
        return rc;
    void *at = mmap(NULL, base->size, read_only ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
                    memory->fd, 0);
    if (at == MAP_FAILED)
        return map_failed(errno, base->size);
    memory->mapped = base->size;
    if (memory->sealed)
        memory->own = at;
    *out = at;
    return 0;
}

/* Sealed memory cannot be mapped for writing a second time: our mapping is only shut. */
void sill__fd_unmap(sill__memory *base, void *at)
{
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    if (memory->own != NULL)
        mprotect(at, memory->mapped, PROT_NONE);
    else
        munmap(at, memory->mapped);
}

int sill__fd_resize(sill__memory *base, size_t size)
{
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    int rc = 0;
    if (size > base->size)
        rc = sill__fd_reserve(memory->fd, base->size, size, memory->place);
    if (size < base->size || rc != 0) {
        int cut;
        do
            cut = ftruncate(memory->fd, (off_t)(rc != 0 ? base->size : size));
        while (cut != 0 && errno == EINTR);
        if (cut != 0 && rc == 0)
            rc = sill__fail_os("ftruncate", errno, "The region cannot be made smaller");
    }
    if (rc == 0)
        base->size = size;
    return rc;
}

void sill__fd_close(sill__memory *base)
{
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    if (memory->own != NULL)
        munmap(memory->own, memory->mapped);
    if (memory->temporary != NULL)
        unlink(memory->temporary);
    close(memory->fd);
    sill__free(memory->temporary);
    sill__free(memory);
}

/* ---- removing ---- */

static int read_header(int fd, struct sill__region_header *header)
{
    memset(header, 0, sizeof *header);
    ssize_t got;
    do
        got = pread(fd, header, sizeof *header, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? sill__fail_os("pread", errno, "The region's header cannot be read") : 0;
}

int sill__fd_remove(const char *path, enum sill__fd_place place, int kind, uint64_t name_hash,
                    bool remains)
{
    int fd;
    struct stat st;
    int rc = sill__fd_open(&fd, path, place, true, &st);
    if (rc != 0)
        return rc;
    struct sill__region_header header;
    rc = read_header(fd, &header);
    close(fd);
    if (rc != 0)
        return rc;
    rc = sill__region_header_check(&header, (uint64_t)st.st_size, kind, name_hash);
    if (rc == SILL_FOREIGN || (rc == SILL_AGAIN && !remains))
        return sill__fail(SILL_FOREIGN, "\"%s\" was not made by sill; it is left alone.", path);
    if ((place == SILL__FD_SHM ? shm_unlink(path) : unlink(path)) != 0)
        return sill__fail_os("unlink", errno, "The region \"%s\" cannot be removed", path);
    return 0;
}
