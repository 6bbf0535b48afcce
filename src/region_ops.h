/* region_ops.h - the seam below regions.
 *
 * region.c does everything that is alike: arguments, the header, owner records, waiting for a
 * creator, choosing the kind. A backend makes, opens, maps and removes the bare object. Backends:
 * posix/region_memfd.c, posix/region_shm.c, posix/region_file.c, sysv/region.c,
 * win32/region.c (sections, anonymous and named), win32/region_file.c.
 *
 * The header is the first 64 bytes of the object and is written by region.c; `magic` is stored
 * last, with release order, so an object without it is half-made or foreign. An object is made
 * while its owner record is held (files: by making it under a temporary name and linking it), so
 * an opener that finds no magic asks the record whether a living creator is at work.
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

struct sill__region_header {
    uint64_t magic;      /* SILL__REGION_MAGIC, stored last */
    uint32_t layout;     /* SILL__REGION_LAYOUT */
    uint32_t kind;       /* enum sill_region_kind */
    uint64_t size;       /* bytes of user data behind the header; changes only by resize */
    uint64_t creator;    /* pid, for people */
    uint64_t flags;      /* 1: resizable */
    uint64_t reserved[3];
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

    /* Makes the object, exclusively, with `size` bytes reserved and zero, mode 0600. `object` is
     * the name in the OS's own space (from the record, for sysv the record's path). EXISTS,
     * NO_SPACE, LIMIT, DENIED. */
    int (*create)(sill__memory **out, const char *object, size_t size, bool resizable);
    /* Opens. NOT_FOUND, DENIED (also: owned by another user). */
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
    void (*close)(sill__memory *memory);
    int (*remove)(const char *object);
};

#endif
