/* region.c (System V) - regions in System V shared memory: shmget, named and private.
 *
 * A named segment has the key that ftok makes of its owner record and a project number. Such a key
 * is short, so it may be taken by something else: then the next number is tried, and the record
 * keeps the key that it became, with the creator's pid. A segment belongs to a record if its header
 * says so (name_hash). One that is half-made has no header yet, but the system tells who made it:
 * it is that record's if the pid is the one in the record.
 *
 * A private segment has no name, and is marked for removal as soon as it is attached: it goes with
 * the last process that has it. It can therefore not be detached and attached again, so it is only
 * shut while it is "unmapped". Its id is a handle: whoever is told it can attach the segment, for
 * as long as somebody has it. (Linux allows that although it is marked.)
 *
 * One that a channel passes has a key that the channel chose, and is not marked here: it must
 * outlive its maker until the peer has attached it, and be found if both are killed (table.h).
 *
 * The kernel promises the memory of a segment but does not provide it; so each page is written once
 * before anybody relies on it.
 */
#include "../region_ops.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "../memory.h"
#include "../posix/memory_room.h"
#include "../status.h"
#include "../step.h"
#include "segment.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PROJECT 'S' /* the first project number for ftok */

extern const struct sill__region_ops sill__sysv_ops, sill__sysv_private_ops;

struct segment {
    sill__memory memory;
    int id;
    key_t key; /* named: as in the record */
    void *own; /* private: the mapping, which stays while it is "unmapped" */
};

static int new_segment(struct segment **out, const struct sill__region_ops *ops, int id,
                       size_t size)
{
    struct segment *segment = sill__alloc_zeroed(sizeof *segment);
    if (segment == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    segment->memory.ops = ops;
    segment->memory.size = size;
    segment->id = id;
    *out = segment;
    return 0;
}

/* ---- keys ---- */

/* "KEY-PID", both in hexadecimal. */
static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    (void)name;
    key_t key = ftok(record, PROJECT + (int)attempt);
    if (key == (key_t)-1)
        return sill__fail_os("ftok", errno, "There is no owner record %s", record);
    snprintf(object, 64, "%08x-%lx", (unsigned)key, (unsigned long)getpid());
    return 0;
}

static int parse_object(const char *object, key_t *key, pid_t *creator)
{
    unsigned number;
    unsigned long pid;
    if (sscanf(object, "%8x-%lx", &number, &pid) != 2 || number == IPC_PRIVATE)
        return sill__fail(SILL_FOREIGN, "\"%s\" is not the key of a segment.", object);
    *key = (key_t)number;
    *creator = (pid_t)pid;
    return 0;
}

/* ---- limits ---- */

#ifdef __linux__
/* shmget says little about why it fails; the limits say the rest. 0: they do not tell. */
static int explain_limit(int code, size_t size)
{
    struct shminfo limits;
    struct shm_info used;
    if (shmctl(0, IPC_INFO, (void *)&limits) < 0 || shmctl(0, SHM_INFO, (void *)&used) < 0)
        return 0;
    if (code == EINVAL && size > limits.shmmax)
        return sill__fail_os_as(SILL_LIMIT, "shmget", code,
                                "%zu bytes are more than a System V segment may have: the limit "
                                "kernel.shmmax is %lu; raise it with \"sysctl -w "
                                "kernel.shmmax=BYTES\"",
                                size, (unsigned long)limits.shmmax);
    if (code == ENOSPC && (unsigned long)used.used_ids >= limits.shmmni)
        return sill__fail_os_as(SILL_LIMIT, "shmget", code,
                                "There are %d System V segments already, as many as the limit "
                                "kernel.shmmni allows; raise it with \"sysctl -w "
                                "kernel.shmmni=COUNT\"",
                                used.used_ids);
    if (code == ENOSPC)
        return sill__fail_os_as(SILL_LIMIT, "shmget", code,
                                "%zu bytes more are too many for the limit kernel.shmall, which is "
                                "%lu pages for all System V segments together; raise it with "
                                "\"sysctl -w kernel.shmall=PAGES\"",
                                size, (unsigned long)limits.shmall);
    return 0;
}
#else
static int explain_limit(int code, size_t size)
{
    if (code != EINVAL && code != ENOSPC)
        return 0;
    return sill__fail_os_as(SILL_LIMIT, "shmget", code,
                            "A segment of %zu bytes is beyond the limits shmmax, shmmni or shmall "
                            "of this system",
                            size);
}
#endif

static int make_failed(int code, size_t size)
{
    int rc = explain_limit(code, size);
    if (rc != 0)
        return rc;
    if (code == ENOMEM)
        return sill__fail_os_as(SILL_NO_SPACE, "shmget", code,
                                "There is no memory for a segment of %zu bytes", size);
    return sill__fail_os("shmget", code, "A segment of %zu bytes cannot be made", size);
}

/* After an id was found: EINVAL says that it is none any more. */
static int gone_or_failed(const char *call)
{
    if (errno == EIDRM || errno == EINVAL)
        return sill__fail_os_as(SILL_NOT_FOUND, call, errno, "The segment has just been removed");
    return sill__fail_os(call, errno, "The segment cannot be used");
}

static int attach(int id, bool read_only, void **out)
{
    void *at = shmat(id, NULL, read_only ? SHM_RDONLY : 0);
    if (at == (void *)-1)
        return gone_or_failed("shmat");
    *out = at;
    return 0;
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

/* Makes the kernel provide what it promised. */
static int populate(void *at, size_t size)
{
    int rc = sill__memory_check(size);
    if (rc != 0)
        return rc;
    int got;
    do
        got = madvise(at, whole_pages(size), MADV_POPULATE_WRITE);
    while (got != 0 && (errno == EINTR || errno == EAGAIN));
    if (got == 0)
        return 0;
    if (errno != EINVAL)
        return sill__fail_os_as(SILL_NO_SPACE, "madvise", errno,
                                "There is no memory for a segment of %zu bytes", size);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < size; i += page) /* Linux before 5.14 */
        ((volatile char *)at)[i] = 0;
    return 0;
}

/* ---- named ---- */

static int reserve(int id, size_t size)
{
    void *at = NULL;
    int rc = attach(id, false, &at);
    if (rc != 0)
        return rc;
    rc = populate(at, size);
    shmdt(at);
    return rc;
}

static int create(sill__memory **out, const char *object, size_t size, bool resizable)
{
    (void)resizable;
    key_t key = IPC_PRIVATE;
    pid_t creator = 0;
    int rc = parse_object(object, &key, &creator);
    if (rc != 0)
        return rc;
    int id = shmget(key, size, IPC_CREAT | IPC_EXCL | 0600);
    if (id < 0 && errno == EEXIST)
        return sill__fail(SILL_FOREIGN, "Something else has the key 0x%08x.", (unsigned)key);
    if (id < 0)
        return make_failed(errno, size);
    SILL__STEP(region_object);
    struct segment *segment = NULL;
    rc = reserve(id, size);
    if (rc == 0)
        rc = new_segment(&segment, &sill__sysv_ops, id, size);
    if (rc != 0) {
        shmctl(id, IPC_RMID, NULL);
        return rc;
    }
    SILL__STEP(region_sized);
    segment->key = key;
    *out = &segment->memory;
    return 0;
}

static bool trusted(uid_t uid)
{
    return uid == geteuid() || uid == 0;
}

key_t sill__segment_key(const sill__memory *memory)
{
    return ((const struct segment *)memory)->key;
}

/* Finds a segment of this user. */
static int find(const char *object, key_t *found, int *id, pid_t *creator, struct shmid_ds *info)
{
    key_t key = IPC_PRIVATE;
    int rc = parse_object(object, &key, creator);
    if (rc != 0)
        return rc;
    *found = key;
    *id = shmget(key, 0, 0);
    if (*id < 0)
        return sill__fail_os("shmget", errno, "The segment with the key 0x%08x cannot be opened",
                             (unsigned)key);
    if (shmctl(*id, IPC_STAT, info) != 0)
        return gone_or_failed("shmctl");
    if (!trusted(info->shm_perm.uid) || !trusted(info->shm_perm.cuid))
        return sill__fail(SILL_DENIED,
                          "The segment with the key 0x%08x belongs to another user (uid %lu).",
                          (unsigned)key, (unsigned long)info->shm_perm.uid);
    if ((info->shm_perm.mode & 022) != 0)
        return sill__fail(SILL_DENIED,
                          "The segment with the key 0x%08x can be written by other users.",
                          (unsigned)key);
    return 0;
}

static int open_segment(sill__memory **out, const char *object, bool read_only)
{
    (void)read_only;
    int id = -1;
    key_t key = IPC_PRIVATE;
    pid_t creator = 0;
    struct shmid_ds info;
    int rc = find(object, &key, &id, &creator, &info);
    if (rc != 0)
        return rc;
    struct segment *segment = NULL;
    rc = new_segment(&segment, &sill__sysv_ops, id, info.shm_segsz);
    if (rc != 0)
        return rc;
    segment->key = key;
    *out = &segment->memory;
    return 0;
}

/* 0 if the segment is a region of this name, or what is left of one that the creator in the record
 * was making; FOREIGN. */
static int check_whose(int id, const struct shmid_ds *info, pid_t creator, uint64_t name_hash)
{
    struct sill__region_header header;
    if (info->shm_segsz < sizeof header)
        return SILL_FOREIGN;
    void *at = NULL;
    int rc = attach(id, true, &at);
    if (rc != 0)
        return rc;
    memcpy(&header, at, sizeof header);
    shmdt(at);
    rc = sill__region_header_check(&header, info->shm_segsz, SILL_REGION_SYSV, name_hash);
    if (rc == SILL_AGAIN)
        return info->shm_cpid == creator ? 0 : SILL_FOREIGN;
    return rc == SILL_FOREIGN ? rc : 0;
}

static int remove_segment(const char *object, uint64_t name_hash)
{
    int id = -1;
    key_t key = IPC_PRIVATE;
    pid_t creator = 0;
    struct shmid_ds info;
    int rc = find(object, &key, &id, &creator, &info);
    if (rc == 0)
        rc = check_whose(id, &info, creator, name_hash);
    if (rc == SILL_FOREIGN)
        return sill__fail(rc, "The segment %s was not made by sill; it is left alone.", object);
    if (rc != 0)
        return rc;
    sill__set_remove(key);
    return shmctl(id, IPC_RMID, NULL) == 0 ? 0 : gone_or_failed("shmctl");
}

static int map(sill__memory *base, bool read_only, void **out)
{
    return attach(((struct segment *)base)->id, read_only, out);
}

static void unmap(sill__memory *base, void *at)
{
    (void)base;
    shmdt(at);
}

static void close_segment(sill__memory *base)
{
    struct segment *segment = (struct segment *)base;
    if (segment->own != NULL)
        shmdt(segment->own);
    sill__free(segment);
}

const struct sill__region_ops sill__sysv_ops = {
    .kind = SILL_REGION_SYSV,
    .caps = SILL_REGION_NAMED | SILL_REGION_PERSISTS | SILL_REGION_READ_ONLY,
    .owner = SILL__OWNER_REGION_SYSV,
    .object_name = object_name,
    .create = create,
    .open = open_segment,
    .map = map,
    .unmap = unmap,
    .close = close_segment,
    .remove = remove_segment,
};

/* ---- private ---- */

/* With the channel's key, which somebody else may have taken meanwhile. Without one there are a few
 * instructions from the first call to the mark for removal in which a kill leaves the segment
 * behind; the system has no call that does it at once. */
static int create_private(sill__memory **out, const char *object, size_t size, bool resizable)
{
    unsigned key = IPC_PRIVATE;
    int id = -1;
    (void)resizable;
    if (object != NULL && sscanf(object, "%8x", &key) == 1)
        id = shmget((key_t)key, size, IPC_CREAT | IPC_EXCL | 0600);
    bool kept = id >= 0;
    if (!kept && (key == IPC_PRIVATE || errno == EEXIST))
        id = shmget(IPC_PRIVATE, size, 0600);
    if (id < 0)
        return make_failed(errno, size);
    void *at = NULL;
    int rc = attach(id, false, &at);
    if (!kept || rc != 0)
        shmctl(id, IPC_RMID, NULL);
    if (rc != 0)
        return rc;
    SILL__STEP(region_object);
    struct segment *segment = NULL;
    rc = populate(at, size);
    if (rc == 0)
        rc = new_segment(&segment, &sill__sysv_private_ops, id, size);
    if (rc != 0) {
        shmctl(id, IPC_RMID, NULL);
        shmdt(at);
        return rc;
    }
    SILL__STEP(region_sized);
    segment->own = at;
    *out = &segment->memory;
    return 0;
}

/* By the id that was passed. It may be any number, and any segment of this user's: what it holds,
 * region.c looks at. */
static int open_private(sill__memory **out, sill_handle handle, bool read_only)
{
    struct shmid_ds info;
    (void)read_only;
    if (handle < 0 || handle > INT_MAX)
        return sill__fail(SILL_INVALID, "There is no segment with such an id.");
    if (shmctl((int)handle, IPC_STAT, &info) != 0)
        return gone_or_failed("shmctl");
    if (!trusted(info.shm_perm.uid) || !trusted(info.shm_perm.cuid))
        return sill__fail(SILL_DENIED, "The segment %d belongs to another user (uid %lu).",
                          (int)handle, (unsigned long)info.shm_perm.uid);
    struct segment *segment = NULL;
    int rc = new_segment(&segment, &sill__sysv_private_ops, (int)handle, info.shm_segsz);
    if (rc == 0)
        *out = &segment->memory;
    return rc;
}

static int private_handle(sill__memory *base, sill_handle *out)
{
    *out = ((struct segment *)base)->id;
    return 0;
}

static void discard_private(sill__memory *base)
{
    const struct segment *segment = (struct segment *)base;
    if (segment->own != NULL)
        shmctl(segment->id, IPC_RMID, NULL);
}

static int protect(const struct segment *segment, int rights)
{
    if (mprotect(segment->own, whole_pages(segment->memory.size), rights) != 0)
        return sill__fail_os("mprotect", errno, "The segment cannot be mapped again");
    return 0;
}

static int map_private(sill__memory *base, bool read_only, void **out)
{
    struct segment *segment = (struct segment *)base;
    if (segment->own == NULL) /* another's */
        return attach(segment->id, read_only, out);
    int rc = protect(segment, PROT_READ | PROT_WRITE);
    if (rc == 0)
        *out = segment->own;
    return rc;
}

static void unmap_private(sill__memory *base, void *at)
{
    if (((struct segment *)base)->own == NULL)
        shmdt(at);
    else
        protect((struct segment *)base, PROT_NONE);
}

const struct sill__region_ops sill__sysv_private_ops = {
    .kind = SILL_REGION_SYSV_PRIVATE,
    .caps = SILL_REGION_PASSES | SILL_REGION_READ_ONLY,
    .create = create_private,
    .open_handle = open_private,
    .handle = private_handle,
    .discard = discard_private,
    .map = map_private,
    .unmap = unmap_private,
    .close = close_segment,
};
