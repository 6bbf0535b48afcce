/* arena.c - an allocator over a few segments whose blocks another process gives back.
 *
 * Each block has a slot; a slot is free, taken (the sender fills the block), sent (the peer has
 * it) or back (the peer has said that it released it). A slot's generation counts its uses, so an
 * old release is never taken for a new one: a sent block is free again exactly when released[slot]
 * equals its generation. Before its first use a table is all zero and generations begin at 1.
 *
 * The blocks of a segment form a list in order of their offsets, linked by slot number. A small
 * block is placed in the first gap that fits: its lines are still in this processor's nearest
 * cache. A large one goes behind the large one before it, round and round: where the last one lay,
 * every line is in the reader's cache, and to get it from there takes longer than from the cache
 * that both share, where the lines of the block before the last few have gone by now. Few blocks
 * are out at a time, so a walk is short.
 *
 * A message that fits no segment makes a new one. Where the policy's limits stand against that,
 * empty segments go, the least recently used first.
 */
#include "arena.h"

#include <string.h>

#include "memory.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define NONE  UINT32_MAX
#define LARGE (32 * 1024) /* bytes; smaller blocks were measured to be faster in the same place */

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_SENT, SLOT_BACK };

struct slot {
    uint8_t state; /* enum slot_state */
    uint32_t segment;
    uint32_t generation;
    uint32_t next; /* the block behind this one in its segment; of a free slot: the next free */
    uint64_t offset;
    uint64_t room; /* size rounded up to 64 */
};

struct segment {
    sill_region *region; /* NULL: this number is not in use */
    uint64_t size;
    uint32_t serial;
    uint64_t last_use; /* arena's clock */
    uint32_t first;    /* block with the lowest offset, or NONE */
    uint64_t behind;   /* the end of the large block that was placed last */
    bool announced;
    bool dropped; /* the peer has to be told; the number is not free until then */
};

struct sill__arena {
    struct sill__arena_maker maker;
    uint64_t segment_size, mapped_max;
    uint32_t segments_max;
    uint32_t last_serial;
    const _Atomic uint32_t *released; /* the peer writes it */
    struct segment segments[SILL__SEGMENTS_LIMIT];
    struct slot slots[SILL__SLOTS];
    uint32_t free_slot;
    uint32_t used;    /* segments beyond this number were never made */
    uint64_t held;    /* bytes of all segments */
    uint32_t count;   /* segments in use */
    uint32_t dropped; /* segments of which the peer has to be told */
    uint64_t clock;
};

int sill__arena_create(struct sill__arena **out, const sill_policy *policy,
                       const struct sill__arena_maker *maker, const _Atomic uint32_t *released)
{
    struct sill__arena *arena = sill__alloc_zeroed(sizeof *arena);
    if (arena == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for the books of shared memory");
    arena->maker = *maker;
    arena->segment_size = policy->segment_size;
    arena->mapped_max = policy->mapped_max;
    arena->segments_max = policy->segments_max < SILL__SEGMENTS_LIMIT
                              ? (uint32_t)policy->segments_max
                              : SILL__SEGMENTS_LIMIT;
    arena->released = released;
    for (uint32_t i = 0; i < SILL__SLOTS; i++)
        arena->slots[i].next = i + 1 < SILL__SLOTS ? i + 1 : NONE;
    *out = arena;
    return 0;
}

void sill__arena_destroy(struct sill__arena *arena)
{
    if (arena == NULL)
        return;
    for (uint32_t i = 0; i < SILL__SEGMENTS_LIMIT; i++)
        sill_region_close(arena->segments[i].region);
    sill__free(arena);
}

static void free_slot(struct sill__arena *arena, uint32_t index)
{
    arena->slots[index].state = SLOT_FREE;
    arena->slots[index].next = arena->free_slot;
    arena->free_slot = index;
}

/* Looks which sent blocks the peer has released. */
static void reclaim(struct sill__arena *arena, struct segment *segment)
{
    uint32_t *link = &segment->first;
    while (*link != NONE) {
        uint32_t index = *link;
        struct slot *slot = &arena->slots[index];
        /* acquire, pairs with the release store in sill__link's release of a block: the peer has
         * read what it wanted before we write there again */
        if (slot->state == SLOT_BACK ||
            (slot->state == SLOT_SENT &&
             atomic_load_explicit(&arena->released[index], memory_order_acquire) ==
                 slot->generation)) {
            *link = slot->next;
            free_slot(arena, index);
        } else {
            link = &slot->next;
        }
    }
}

/* Finds the first gap of `room` bytes at `from` or behind; *link is where the new block goes into
 * the list. */
static bool find_gap(struct sill__arena *arena, struct segment *segment, uint64_t room,
                     uint64_t from, uint64_t *offset, uint32_t **link)
{
    uint64_t at = from;
    uint32_t *where = &segment->first;
    while (*where != NONE) {
        struct slot *slot = &arena->slots[*where];
        if (slot->offset >= at && slot->offset - at >= room)
            break;
        if (slot->offset + slot->room > at)
            at = slot->offset + slot->room;
        where = &slot->next;
    }
    if (at > segment->size || segment->size - at < room)
        return false;
    *offset = at;
    *link = where;
    return true;
}

static bool place(struct sill__arena *arena, uint32_t number, uint64_t size,
                  struct sill__block *out)
{
    struct segment *segment = &arena->segments[number];
    uint64_t room = (size + 63) & ~UINT64_C(63), offset;
    uint64_t from = room < LARGE ? 0 : segment->behind;
    uint32_t *link, index = arena->free_slot;
    if (room > segment->size || index == NONE ||
        (!find_gap(arena, segment, room, from, &offset, &link) &&
         (from == 0 || !find_gap(arena, segment, room, 0, &offset, &link))))
        return false;
    if (room >= LARGE)
        segment->behind = offset + room;
    struct slot *slot = &arena->slots[index];
    arena->free_slot = slot->next;
    slot->state = SLOT_TAKEN;
    slot->segment = number;
    slot->generation = slot->generation + 1 != 0 ? slot->generation + 1 : 1;
    slot->offset = offset;
    slot->room = room;
    slot->next = *link;
    *link = index;
    segment->last_use = ++arena->clock;
    out->data = (unsigned char *)sill_region_data(segment->region) + offset;
    out->segment = number;
    out->serial = segment->serial;
    out->slot = index;
    out->generation = slot->generation;
    out->offset = offset;
    out->size = size;
    return true;
}

static void drop_segment(struct sill__arena *arena, struct segment *segment)
{
    if (!segment->announced)
        sill__region_discard(segment->region);
    sill_region_close(segment->region);
    segment->region = NULL;
    segment->dropped = segment->announced;
    arena->dropped += segment->announced ? 1 : 0;
    arena->held -= segment->size;
    arena->count--;
}

/* Makes room for one more segment of `size` bytes by dropping empty ones. */
static bool make_way(struct sill__arena *arena, uint64_t size)
{
    if (arena->count >= arena->segments_max || arena->held + size > arena->mapped_max)
        for (uint32_t i = 0; i < arena->used; i++)
            if (arena->segments[i].region != NULL)
                reclaim(arena, &arena->segments[i]);
    while (arena->count >= arena->segments_max || arena->held + size > arena->mapped_max) {
        struct segment *oldest = NULL;
        for (uint32_t i = 0; i < SILL__SEGMENTS_LIMIT; i++) {
            struct segment *s = &arena->segments[i];
            if (s->region != NULL && s->first == NONE &&
                (oldest == NULL || s->last_use < oldest->last_use))
                oldest = s;
        }
        if (oldest == NULL)
            return false;
        drop_segment(arena, oldest);
    }
    return true;
}

/* The size of a new segment for a block: the ordinary size, or the next power of two, or what the
 * limit leaves. */
static uint64_t segment_size_for(const struct sill__arena *arena, uint64_t room)
{
    uint64_t size = arena->segment_size;
    while (size < room)
        size *= 2;
    if (size > arena->mapped_max)
        size = arena->mapped_max & ~UINT64_C(63);
    return size;
}

static int make_segment(struct sill__arena *arena, uint64_t room, uint32_t *number)
{
    uint64_t size = segment_size_for(arena, room);
    if (size < room || size > SIZE_MAX / 2)
        return sill__fail(SILL_TOO_BIG, "a block of %llu bytes is more than may be mapped (%llu)",
                          (unsigned long long)room, (unsigned long long)arena->mapped_max);
    if (!make_way(arena, size))
        return SILL_AGAIN;
    for (uint32_t i = 0; i < SILL__SEGMENTS_LIMIT; i++) {
        struct segment *s = &arena->segments[i];
        if (s->region != NULL || s->dropped)
            continue;
        int rc = arena->maker.make(arena->maker.arg, &s->region, (size_t)size);
        if (rc != 0) {
            s->region = NULL;
            return rc;
        }
        SILL__STEP(segment_made);
        s->size = size;
        s->first = NONE;
        s->behind = 0;
        s->announced = false;
        s->serial = ++arena->last_serial;
        arena->held += size;
        arena->count++;
        if (arena->used <= i)
            arena->used = i + 1;
        *number = i;
        return 0;
    }
    return SILL_AGAIN;
}

int sill__arena_take(struct sill__arena *arena, uint64_t size, struct sill__block *out)
{
    if (size > arena->mapped_max)
        return sill__fail(SILL_TOO_BIG, "a block of %llu bytes is more than may be mapped (%llu)",
                          (unsigned long long)size, (unsigned long long)arena->mapped_max);
    for (uint32_t i = 0; i < arena->used; i++) {
        if (arena->segments[i].region == NULL || arena->segments[i].size < size)
            continue;
        reclaim(arena, &arena->segments[i]);
        if (place(arena, i, size, out))
            return 0;
    }
    if (arena->free_slot == NONE)
        return SILL_AGAIN;
    uint32_t number = 0;
    int rc = make_segment(arena, (size + 63) & ~UINT64_C(63), &number);
    if (rc != 0)
        return rc;
    return place(arena, number, size, out) ? 0 : SILL_AGAIN;
}

void sill__arena_sent(struct sill__arena *arena, const struct sill__block *block)
{
    arena->slots[block->slot].state = SLOT_SENT;
}

void sill__arena_released(struct sill__arena *arena, uint32_t slot, uint32_t generation)
{
    if (slot < SILL__SLOTS && arena->slots[slot].state == SLOT_SENT &&
        arena->slots[slot].generation == generation)
        arena->slots[slot].state = SLOT_BACK;
}

void sill__arena_give_back(struct sill__arena *arena, const struct sill__block *block)
{
    uint32_t *link = &arena->segments[block->segment].first;
    while (*link != block->slot)
        link = &arena->slots[*link].next;
    *link = arena->slots[block->slot].next;
    free_slot(arena, block->slot);
}

const sill_region *sill__arena_unannounced(const struct sill__arena *arena, uint32_t segment)
{
    const struct segment *s = &arena->segments[segment];
    return s->announced ? NULL : s->region;
}

void sill__arena_announced(struct sill__arena *arena, uint32_t segment)
{
    arena->segments[segment].announced = true;
}

void sill__arena_unannounce(struct sill__arena *arena, uint32_t segment)
{
    arena->segments[segment].announced = false;
}

int sill__arena_dropped(struct sill__arena *arena)
{
    for (uint32_t i = 0; arena->dropped > 0 && i < arena->used; i++) {
        if (arena->segments[i].dropped) {
            arena->segments[i].dropped = false;
            arena->dropped--;
            return (int)i;
        }
    }
    return -1;
}

unsigned sill__arena_segments(const struct sill__arena *arena, uint64_t *bytes)
{
    *bytes = arena->held;
    return arena->count;
}
