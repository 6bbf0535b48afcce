/* arena.h - the segments that one side owns, and the blocks in them: the sender's books.
 *
 * All books are private memory. The only thing that the peer tells is its release table
 * (struct sill__control.released, mapped read-only): the generation of the block it has last
 * released in each slot. A peer that lies there can only have its own messages overwritten.
 *
 * Nothing here blocks or is locked; link.c holds the hub's lock, announces new segments to the
 * peer and waits when there is no room.
 */
#ifndef SILL__ARENA_H
#define SILL__ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/policy.h>
#include <sill/region.h>

#include "wire.h"

/* Makes a region for a segment. */
struct sill__arena_maker {
    int (*make)(void *arg, sill_region **out, size_t size);
    void *arg;
};

struct sill__block {
    void *data; /* where the sender fills it, aligned to 64 bytes */
    uint32_t segment;
    uint32_t serial; /* of the segment: numbers are used again, serials not */
    uint32_t slot;
    uint32_t generation;
    uint64_t offset; /* in the segment's data */
    uint64_t size;   /* as asked for */
};

struct sill__arena;

/* `released` is the peer's table of SILL__SLOTS words, mapped as long as the arena lives. */
int sill__arena_create(struct sill__arena **out, const sill_policy *policy,
                       const struct sill__arena_maker *maker, const _Atomic uint32_t *released);
/* Unmaps everything. Blocks are gone. NULL is fine. */
void sill__arena_destroy(struct sill__arena *arena);

/* A block of `size` bytes (1 or more). 0; AGAIN: no room until the peer releases something;
 * TOO_BIG: larger than the policy's mapped_max; else why a new segment cannot be had (NO_SPACE,
 * LIMIT, DENIED, NO_MEMORY, OS). */
int sill__arena_take(struct sill__arena *arena, uint64_t size, struct sill__block *out);
/* The block was sent: it comes back when the peer says so. */
void sill__arena_sent(struct sill__arena *arena, const struct sill__block *block);
/* The peer said that it has released a block; if it is none that was sent, nothing happens. */
void sill__arena_released(struct sill__arena *arena, uint32_t slot, uint32_t generation);
/* The block comes back unsent. */
void sill__arena_give_back(struct sill__arena *arena, const struct sill__block *block);

/* Segments that the peer must be told of: NULL when it knows the block's segment. */
const sill_region *sill__arena_unannounced(const struct sill__arena *arena, uint32_t segment);
void sill__arena_announced(struct sill__arena *arena, uint32_t segment);
void sill__arena_unannounce(struct sill__arena *arena, uint32_t segment);
/* The number of a segment that was dropped and of which the peer must be told, once each; -1 if
 * there is none. Until it is told, the number is not used again. */
int sill__arena_dropped(struct sill__arena *arena);

/* Segments now held, and their bytes. */
unsigned sill__arena_segments(const struct sill__arena *arena, uint64_t *bytes);

#endif
