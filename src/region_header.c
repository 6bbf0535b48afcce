/* region_header.c - the 64 bytes at the beginning of every region: pure functions.
 *
 * The layout is shared with other processes, compilers and word sizes, so every offset is asserted.
 * Only the creator writes the header: everything but `magic` before the region is published,
 * `magic` last and with release order, `size` again when it resizes. Everyone else copies it once
 * and judges the copy.
 */
#include "region_ops.h"

#include <stddef.h>

_Static_assert(sizeof(struct sill__region_header) == SILL__REGION_HEADER, "header size");
_Static_assert(offsetof(struct sill__region_header, magic) == 0, "magic");
_Static_assert(offsetof(struct sill__region_header, layout) == 8, "layout");
_Static_assert(offsetof(struct sill__region_header, kind) == 12, "kind");
_Static_assert(offsetof(struct sill__region_header, size) == 16, "size");
_Static_assert(offsetof(struct sill__region_header, creator) == 24, "creator");
_Static_assert(offsetof(struct sill__region_header, flags) == 32, "flags");
_Static_assert(offsetof(struct sill__region_header, name_hash) == 40, "name_hash");
_Static_assert(offsetof(struct sill__region_header, reserved) == 48, "reserved");

/* An OS may tell the size of an object rounded up: to pages, on Windows to at most this. */
#define SIZE_UNIT 65536u

uint64_t sill__region_name_hash(int kind, const char *name)
{
    if (name == NULL)
        return 0;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(unsigned)kind; /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (kind == SILL_REGION_WIN32 && byte >= 'A' && byte <= 'Z')
            byte = (unsigned char)(byte - 'A' + 'a'); /* names that differ in case are one there */
        hash = (hash ^ byte) * UINT64_C(0x100000001b3);
    }
    return hash != 0 ? hash : 1;
}

/* Half-made: the object has not even its size, or the size but no magic yet. Of the fields before
 * the magic any may be there already, and then they are such as only sill writes: a creator may be
 * between two stores, or may have been killed there. */
static bool half_made(const struct sill__region_header *header)
{
    return header->magic == 0 && (header->layout == 0 || header->layout == SILL__REGION_LAYOUT) &&
           header->kind <= SILL_REGION_WIN32 && header->creator <= UINT32_MAX &&
           (header->flags & ~SILL__REGION_RESIZABLE) == 0 && header->reserved[0] == 0 &&
           header->reserved[1] == 0;
}

int sill__region_header_check(const struct sill__region_header *header, uint64_t object_size,
                              int kind, uint64_t name_hash)
{
    if (half_made(header) || object_size == 0)
        return SILL_AGAIN;
    if (header->magic != SILL__REGION_MAGIC)
        return SILL_FOREIGN;
    if (header->layout != SILL__REGION_LAYOUT)
        return SILL_VERSION;
    if (header->kind != (uint32_t)kind)
        return SILL_WRONG_KIND;
    if (header->name_hash != name_hash)
        return SILL_FOREIGN;
    if (header->size == 0 || object_size < SILL__REGION_HEADER ||
        header->size > object_size - SILL__REGION_HEADER)
        return SILL_WRONG_SIZE;
    uint64_t rest = object_size - SILL__REGION_HEADER - header->size;
    if (rest >= SIZE_UNIT && (header->flags & SILL__REGION_RESIZABLE) == 0)
        return SILL_WRONG_SIZE;
    return 0;
}
