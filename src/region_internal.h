/* region_internal.h - what region.c and region_named.c share.
 *
 * region.c has the public functions and everything that is alike with and without a name;
 * region_named.c has the part that needs owner records.
 */
#ifndef SILL__REGION_INTERNAL_H
#define SILL__REGION_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "owner.h"
#include "region_ops.h"

struct sill_region {
    const struct sill__region_ops *ops;
    sill__memory *memory;
    void *base;  /* NULL while unmapped */
    size_t size; /* bytes of user data; our own copy, checked against the object's size */
    uint64_t name_hash;
    uint32_t generation; /* sill__fork_generation() of the process that opened it */
    bool read_only;
    bool creator;
    bool resizable;

    sill__owner *owner; /* NULL: this kind has no record */
    bool claimed;       /* the record is ours: we made the object (or found it without a record) */
    struct sill__owner_info info; /* the record as we wrote it; only if claimed */
};

/* A request to create or open, checked: the arguments in the form in which they are worked with. */
struct sill__region_request {
    const struct sill__region_ops *ops;
    const char *name; /* NULL: anonymous */
    const char *directory;
    size_t size; /* create: bytes of user data; open: 0 or the size it must have */
    bool open_existing;
    bool read_only;
    bool resizable;
    int64_t deadline;
};

/* Makes the object, maps it, writes the header and publishes it. Fails with nothing left. */
int sill__region_make(sill_region **out, const struct sill__region_request *request,
                      const char *object);

/* Makes a region without a name that can be passed; `object` is what a channel says to call it
 * until the peer has it, or NULL. */
int sill__region_create_passed(sill_region **out, int kind, size_t size, const char *object);
/* It is not passed after all. */
void sill__region_discard(sill_region *region);

/* Opens the object, maps it and checks the header. AGAIN: the object is half-made. */
int sill__region_attach(sill_region **out, const struct sill__region_request *request,
                        const char *object);

/* Sets the last error for a status of sill__region_header_check (or of the want of another size)
 * and returns it. */
int sill__region_explain(int status, const char *name);

/* Kinds with owner records. */
int sill__region_create_named(sill_region **out, const struct sill__region_request *request);
int sill__region_open_named(sill_region **out, const struct sill__region_request *request);
int sill__region_remove_named(const struct sill__region_request *request);
/* Gives the record back as an orderly close does. */
void sill__region_leave(sill_region *region);

#endif
