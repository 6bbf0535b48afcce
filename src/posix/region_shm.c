/* region_shm.c - named regions in POSIX shared memory: shm_open.
 *
 * The object's name is made of the user's id, a hash of the owner record's path, and (for people)
 * the beginning of the region's name; so it is the same for each use of a name in one runtime
 * directory, and distinct otherwise. Anybody may make objects in /dev/shm: a name that somebody
 * else sits on is passed by with another one, which only the record tells.
 */
#include "region_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../clock.h"
#include "../status.h"
#include "../step.h"

extern const struct sill__region_ops sill__shm_ops;

static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    uint64_t hash = sill__region_name_hash(SILL_REGION_POSIX, record);
    int length = snprintf(object, 64, "/sill-%lu-%016" PRIx64 "-%.15s", (unsigned long)geteuid(),
                          hash, name);
    if (attempt > 0) /* one that cannot be foreseen */
        snprintf(object + length, 64 - (size_t)length, "~%x",
                 (unsigned)((uint64_t)sill__now_ns() >> 4) + attempt);
    return 0;
}

/* Whether what has the name is worth a look: a plain file of this user. */
static int taken(const char *object)
{
    int fd;
    struct stat st;
    int rc = sill__fd_open(&fd, object, SILL__FD_SHM, true, &st);
    if (rc == 0)
        close(fd);
    if (rc == 0 || rc == SILL_NOT_FOUND)
        return sill__fail(SILL_EXISTS, "The object %s exists in /dev/shm.", object);
    if (rc == SILL_DENIED || rc == SILL_FOREIGN)
        return sill__fail(SILL_FOREIGN, "Somebody else has the name %s in /dev/shm.", object);
    return rc;
}

static int create(sill__memory **out, const char *object, size_t size, bool resizable)
{
    int fd = shm_open(object, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 && errno == EEXIST)
        return taken(object);
    if (fd < 0 && errno == ENOENT)
        return sill__fail_os_as(SILL_UNSUPPORTED, "shm_open", errno,
                                "There is no /dev/shm; mount a tmpfs there");
    if (fd < 0)
        return sill__fail_os("shm_open", errno, "%s cannot be made in /dev/shm", object);
    SILL__STEP(region_object);
    struct sill__fd_memory *memory;
    int rc = 0;
    if (fchmod(fd, 0600) != 0) /* whatever the umask says */
        rc = sill__fail_os("fchmod", errno, "%s cannot be made in /dev/shm", object);
    if (rc == 0)
        rc = sill__fd_reserve(fd, 0, size, SILL__FD_SHM);
    if (rc == 0)
        rc = sill__fd_memory_new(&memory, &sill__shm_ops, fd, SILL__FD_SHM, size);
    if (rc != 0) {
        shm_unlink(object);
        close(fd);
        return rc;
    }
    SILL__STEP(region_sized);
    memory->fixed = !resizable;
    *out = &memory->memory;
    return 0;
}

static int open_object(sill__memory **out, const char *object, bool read_only)
{
    int fd;
    struct stat st;
    int rc = sill__fd_open(&fd, object, SILL__FD_SHM, read_only, &st);
    if (rc != 0)
        return rc;
    struct sill__fd_memory *memory;
    rc = sill__fd_memory_new(&memory, &sill__shm_ops, fd, SILL__FD_SHM, (size_t)st.st_size);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *out = &memory->memory;
    return 0;
}

static int remove_object(const char *object, uint64_t name_hash)
{
    return sill__fd_remove(object, SILL__FD_SHM, SILL_REGION_POSIX, name_hash, true);
}

const struct sill__region_ops sill__shm_ops = {
    .kind = SILL_REGION_POSIX,
    .caps = SILL_REGION_NAMED | SILL_REGION_PERSISTS | SILL_REGION_RESIZES | SILL_REGION_READ_ONLY,
    .owner = SILL__OWNER_REGION_POSIX,
    .object_name = object_name,
    .create = create,
    .open = open_object,
    .map = sill__fd_map,
    .unmap = sill__fd_unmap,
    .resize = sill__fd_resize,
    .close = sill__fd_close,
    .remove = remove_object,
};
