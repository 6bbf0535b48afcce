/* region_memfd.c - anonymous regions: memfd_create, sealed.
 *
 * The memory has no name and goes with its last user. Whoever made it keeps one writable mapping;
 * then seals fix the size and forbid every further writable mapping, so that it can be passed to a
 * process that is not trusted. Whoever gets such a descriptor checks the seals before it maps: what
 * may shrink could become a SIGBUS under its reader, at a time of the other side's choosing.
 */
#include "region_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../memory.h"
#include "../status.h"
#include "../step.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

extern const struct sill__region_ops sill__memfd_ops;

/* Kernels before 6.3 do not know MFD_NOEXEC_SEAL and say EINVAL. */
static int make_memfd(void)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("sill", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("sill", flags);
    return fd;
}

static int create(sill__memory **out, const char *object, size_t size, bool resizable)
{
    (void)object;
    int fd = make_memfd();
    if (fd < 0)
        return sill__fail_os("memfd_create", errno, "Anonymous memory cannot be made");
    SILL__STEP(region_object);
    struct sill__fd_memory *memory;
    int rc = sill__fd_reserve(fd, 0, size, SILL__FD_MEMORY);
    if (rc == 0)
        rc = sill__fd_memory_new(&memory, &sill__memfd_ops, fd, SILL__FD_MEMORY, size);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    SILL__STEP(region_sized);
    memory->sealed = !resizable;
    memory->fixed = !resizable;
    *out = &memory->memory;
    return 0;
}

static int publish(sill__memory *base, const char *object)
{
    (void)object;
    struct sill__fd_memory *memory = (struct sill__fd_memory *)base;
    if (!memory->sealed)
        return 0;
    if (fcntl(memory->fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0)
        return 0;
    if (errno == EINVAL)
        return sill__fail_os_as(SILL_UNSUPPORTED, "fcntl", errno,
                                "This kernel cannot seal memory against writing by others; Linux "
                                "5.1 and later can");
    return sill__fail_os("fcntl", errno, "The memory cannot be sealed");
}

/* Seals first, size afterwards: a sealed size is the one that it keeps. The space must be there as
 * well, or reading a hole would take memory of ours. */
static int check_passed(int fd, size_t *size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 && errno == EBADF)
        return sill__fail_os_as(SILL_INVALID, "fcntl", errno, "The handle is not open");
    if (seals < 0)
        return sill__fail_os_as(SILL_PROTOCOL, "fcntl", errno,
                                "The handle that was passed is not one of sealed memory");
    if ((seals & F_SEAL_SHRINK) == 0)
        return sill__fail(SILL_PROTOCOL, "The memory that was passed is not sealed: it could "
                                         "shrink while it is read.");
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sill__fail_os("fstat", errno, "The size of the memory cannot be told");
    if (st.st_size <= 0 || (uint64_t)st.st_size > SIZE_MAX)
        return sill__fail(SILL_PROTOCOL, "The memory that was passed has an impossible size.");
    if ((uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size)
        return sill__fail(SILL_PROTOCOL, "The memory that was passed has holes.");
    *size = (size_t)st.st_size;
    return 0;
}

static int open_handle(sill__memory **out, sill_handle handle, bool read_only)
{
    (void)read_only;
    if (handle < 0 || handle > INT32_MAX)
        return sill__fail(SILL_INVALID, "The handle is not a file descriptor.");
    size_t size = 0;
    int rc = check_passed((int)handle, &size);
    if (rc != 0)
        return rc;
    int fd = fcntl((int)handle, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return sill__fail_os("fcntl", errno, "The handle cannot be duplicated");
    struct sill__fd_memory *memory;
    rc = sill__fd_memory_new(&memory, &sill__memfd_ops, fd, SILL__FD_MEMORY, size);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    memory->fixed = true;
    *out = &memory->memory;
    return 0;
}

static int handle_of(sill__memory *base, sill_handle *out)
{
    *out = ((struct sill__fd_memory *)base)->fd;
    return 0;
}

const struct sill__region_ops sill__memfd_ops = {
    .kind = SILL_REGION_POSIX_ANONYMOUS,
    .caps = SILL_REGION_RESIZES | SILL_REGION_PASSES | SILL_REGION_SEALED | SILL_REGION_READ_ONLY,
    .create = create,
    .open_handle = open_handle,
    .handle = handle_of,
    .map = sill__fd_map,
    .unmap = sill__fd_unmap,
    .publish = publish,
    .resize = sill__fd_resize,
    .close = sill__fd_close,
};
