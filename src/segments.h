/* segments.h - many small regions of one size, known by ids: what segments.c (sets) and
 * segments_take.c (segments) share.
 *
 * The set is a named region with a mutex, a condition variable (a segment has come back), and a
 * slot for each segment that there may be; segment i is the named region NAME.i. A slot's word has
 * its state and its generation, and is changed by one store, under the mutex; who holds it is
 * written before. So a death at any instruction leaves slots that are one thing or the other:
 *
 *   ABSENT   there is no segment (or one that a process that died had made or not removed: it is
 *            used then)
 *   FREE     there is one, or it has gone with its last user, and is made again when it is taken
 *   MAKING   the holder makes it, without the lock, since that takes long
 *   TAKEN    the holder has it; only now is the generation an id's
 *
 * MAKING and TAKEN of a dead holder become ABSENT and FREE. The generation counts at each return,
 * so an old id fits no more. `made` of a slot counts how often its region may have been made: a
 * process that has an older one mapped opens it again. It counts before the region is made, since
 * who makes it may die before he has said so.
 *
 * A set is removed with the mutex held: `gone` is REMOVING meanwhile, and REMOVED when its name is
 * free. The names of its segments are a later set's then, so nothing is done with it any more. Of
 * who died REMOVING the next one takes it back.
 *
 * No number from the slots is an index, and one whose state is none is passed over.
 */
#ifndef SILL__SEGMENTS_H
#define SILL__SEGMENTS_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/pool.h>
#include <sill/sync.h>

#include "owner.h"
#include "process.h"

#define SILL__SEGMENTS_NAME_MAX 190

enum sill__slot_state { SILL__ABSENT, SILL__FREE, SILL__MAKING, SILL__TAKEN };
enum { SILL__SET_REMOVING = 1, SILL__SET_REMOVED = 2 };

struct sill__slot {
    _Atomic uint64_t word; /* generation << 32 | state */
    uint32_t pid;          /* the holder */
    uint32_t made;
    uint64_t start; /* of the holder's process */
};

struct sill__segments_shared {
    _Alignas(64) unsigned char mutex[SILL_SYNC_SIZE];
    unsigned char cond[SILL_SYNC_SIZE];
    uint64_t magic; /* stored last */
    uint32_t layout;
    uint32_t least;
    uint32_t most;
    uint32_t gone; /* 0, SILL__SET_... */
    uint64_t segment_size;
    uint64_t made, removed, reclaimed;
    int64_t looked; /* when the holders were last looked at */
    struct sill__slot slots[SILL_SEGMENTS_MAX];
};
static_assert(offsetof(struct sill__segments_shared, slots) == 4096 + 64, "shared-layout.md");
static_assert(sizeof(struct sill__slot) == 24, "shared-layout.md");

/* A segment as this process has it mapped. */
struct sill__mapped_segment {
    sill_region *region;
    uint32_t made;
};

struct sill_segments {
    sill_region *region;
    struct sill__segments_shared *shared;
    sill_mutex *mutex; /* of all processes; also guards everything below */
    sill_cond *cond;
    char name[SILL__SEGMENTS_NAME_MAX + 1];
    char *directory; /* or NULL */
    int timeout_ms;
    uint32_t most; /* private: checked once */
    size_t segment_size;
    struct sill__process self;
    struct sill__mapped_segment *mapped; /* `most` of them */
};

/* Locks the mutex. INVALID, also for NULL; TIMEOUT; NOT_FOUND: the set was removed; OS. */
int sill__segments_lock(sill_segments *set);
/* The rest of that, with what the mutex or the condition variable has returned. */
int sill__segments_inside(sill_segments *set, int rc);
/* Returns `rc`. */
int sill__segments_unlock(sill_segments *set, int rc);

/* The region of a segment: its name, and how it is made, opened and removed. */
void sill__segment_name(const char *set, uint32_t index, char out[SILL__NAME_MAX + 1]);
sill_region_options sill__segment_options(const char *directory, int timeout_ms);

#endif
