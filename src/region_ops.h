/* region_ops.h - the seam below regions.
 *
 * region.c does everything that is alike: arguments, the header, owner records, waiting for a
 * creator, choosing the kind. A backend makes, opens, maps and removes the bare object. Backends:
 * posix/region_memfd.c, posix/region_shm.c, posix/region_file.c, sysv/region.c,
 * win32/region.c (sections, anonymous and named), win32/region_file.c.
 *
 * The header is the first 64 bytes of the object and is written by region.c; `magic` is stored
 * last, with release order, so an object without it is half-made or foreign. An object
 * is made while its owner record is held (files: by making it without a name and linking it), so
 * an opener that finds no magic asks the record whether a living creator is at work. The table of
 * all states is in region_named.c.
 */
#ifndef SILL__REGION_OPS_H
#define SILL__REGION_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/region.h>

#include "owner.h"

#define SILL__REGION_MAGIC  UINT64_C(0x6e6f696765724c49) /* see docs/shared-layout.md */
#define SILL__REGION_LAYOUT 1
#define SILL__REGION_HEADER 64

#define SILL__REGION_RESIZABLE UINT64_C(1) /* a flag in the header */

struct sill__region_header {
    uint64_t magic;      /* SILL__REGION_MAGIC, stored last */
    uint32_t layout;     /* SILL__REGION_LAYOUT */
    uint32_t kind;       /* enum sill_region_kind */
    uint64_t size;       /* bytes of user data behind the header; changes only by resize */
    uint64_t creator;    /* pid, for people */
    uint64_t flags;      /* SILL__REGION_RESIZABLE */
    uint64_t name_hash;  /* sill__region_name_hash: tells an OS name or key that merely collides */
    uint64_t reserved[2];
};

typedef struct sill__memory sill__memory; /* a backend's open object; embeds this first */
struct sill__memory {
    const struct sill__region_ops *ops;
    size_t size; /* whole object in bytes, header included, as the OS says */
};

struct sill__region_ops {
    int kind;
    unsigned caps; /* enum sill_region_capability */
    enum sill__owner_kind owner; /* kind of owner record; 0: none (anonymous, private, files) */

    /* The name in the OS's own space, which the record keeps and every other operation gets as
     * `object`: for attempt 0 the usual one, for 1, 2... others, to be tried when something else
     * has taken the one before. `record` is the path of the owner record, which is distinct for
     * each directory and name. NULL without a record: `object` is then the path of the file, or
     * NULL for what has no name (or what a channel calls it until the peer has it, see
     * `region_object` in channel_ops.h). NOT_FOUND: no usual name can be told without a claimed
     * record. */
    int (*object_name)(char object[64], const char *record, const char *name, unsigned attempt);

    /* Makes the object, exclusively, with `size` bytes reserved and zero, mode 0600. EXISTS: there
     * is one of this user's, perhaps whole, perhaps half-made; region.c looks. FOREIGN: something
     * else has the name. NO_SPACE, LIMIT, DENIED. */
    int (*create)(sill__memory **out, const char *object, size_t size, bool resizable);
    /* Opens. NOT_FOUND, DENIED (also: owned by another user), FOREIGN (no object of this kind). */
    int (*open)(sill__memory **out, const char *object, bool read_only);
    /* From a passed handle (duplicates it). PROTOCOL if it may shrink. NULL: UNSUPPORTED */
    int (*open_handle)(sill__memory **out, sill_handle handle, bool read_only);
    int (*handle)(sill__memory *memory, sill_handle *out);
    /* Maps the whole object. */
    int (*map)(sill__memory *memory, bool read_only, void **out);
    void (*unmap)(sill__memory *memory, void *base);
    /* After the creator has filled the header: seals, links into place; NULL: nothing to do.
     * EXISTS when somebody else published under that name first. */
    int (*publish)(sill__memory *memory, const char *object);
    int (*resize)(sill__memory *memory, size_t size); /* NULL: UNSUPPORTED */
    /* Files, which outlive their creators: writes [from, to) of the object to the disk, or begins
     * to. NULL: UNSUPPORTED, and only the creator may resize. */
    int (*flush)(sill__memory *memory, void *base, size_t from, size_t to, bool wait);
    void (*close)(sill__memory *memory);
    /* Of what a channel has given a name: it is not passed after all, and goes with this process.
     * NULL: it does so in any case. */
    void (*discard)(sill__memory *memory);
    /* Removes the name: of a whole object with this name_hash, or of one that a dead creator left
     * half-made. NOT_FOUND; FOREIGN (not sill's, left alone); DENIED; UNSUPPORTED (such objects go
     * by themselves). */
    int (*remove)(const char *object, uint64_t name_hash);
};

/* Never 0 for a name; 0 for NULL (anonymous kinds, files). */
uint64_t sill__region_name_hash(int kind, const char *name);

/* What an object is from a private copy of its header and the size that the OS tells, which may be
 * rounded up by less than 64 KiB: 0; AGAIN (half-made); FOREIGN; VERSION; WRONG_KIND; WRONG_SIZE.
 * Pure; sets no last error. */
int sill__region_header_check(const struct sill__region_header *header, uint64_t object_size,
                              int kind, uint64_t name_hash);

/* For sill__owner_remove_stale: removes the object that a region's record names. What is not
 * sill's or cannot be touched is left alone and counts as done. `arg` is not used. */
int sill__region_remove_object(void *arg, const struct sill__owner_info *info);

#endif
