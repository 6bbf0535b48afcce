/* segments_take.c - taking, getting and giving back segments. See segments.h.
 *
 * A region is made and opened without the lock, since that takes long: meanwhile the slot is MAKING
 * or TAKEN by this process, so that nobody else touches it.
 */
#include "segments.h"

#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define LOOK_NS INT64_C(50000000)

/* ---- words ---- */

static enum sill__slot_state state_of(const struct sill__slot *slot)
{
    return (enum sill__slot_state)(atomic_load_explicit(&slot->word, memory_order_acquire) &
                                   UINT32_MAX);
}

static uint32_t generation_of(const struct sill__slot *slot)
{
    return (uint32_t)(atomic_load_explicit(&slot->word, memory_order_acquire) >> 32);
}

static void set_state(struct sill__slot *slot, enum sill__slot_state state, uint32_t generation)
{
    /* release: the holder stands there first; pairs with the loads above */
    atomic_store_explicit(&slot->word, (uint64_t)generation << 32 | state, memory_order_release);
}

static uint32_t after(uint32_t generation)
{
    return generation + 1 != 0 ? generation + 1 : 1;
}

static void hold(const sill_segments *set, struct sill__slot *slot)
{
    slot->pid = set->self.pid;
    slot->start = set->self.start;
}

static bool holder_is_dead(const sill_segments *set, const struct sill__slot *slot)
{
    struct sill__process process = set->self;
    process.pid = slot->pid;
    process.start = slot->start;
    return sill__process_alive(&process) == 0;
}

/* ---- regions of segments ---- */

/* Opens segment `index`, or makes it where it is not (`make`); *fresh: it was made. */
static int open_segment(const sill_segments *set, uint32_t index, bool make, sill_region **out,
                        bool *fresh)
{
    char name[SILL__NAME_MAX + 1];
    sill_region *region;
    sill__segment_name(set->name, index, name);
    sill_region_options options = sill__segment_options(set->directory, set->timeout_ms);
    int rc = make ? sill_region_create(&region, name, set->segment_size, &options)
                  : sill_region_open(&region, name, &options);
    if (rc == SILL_WRONG_SIZE && make) { /* of a set that had the name before */
        sill_region_remove(name, &options);
        rc = sill_region_create(&region, name, set->segment_size, &options);
    }
    if (rc == 0 && sill_region_size(region) != set->segment_size) {
        sill_region_close(region);
        return sill__fail(SILL_PROTOCOL, "A segment of the set has another size than the set "
                                         "says.");
    }
    if (rc != 0)
        return rc;
    *fresh = region->creator;
    *out = region;
    return 0;
}

static void remove_segment(const sill_segments *set, uint32_t index)
{
    char name[SILL__NAME_MAX + 1];
    sill__segment_name(set->name, index, name);
    sill_region_options options = sill__segment_options(set->directory, set->timeout_ms);
    sill_region_remove(name, &options); /* UNSUPPORTED where it goes by itself */
}

/* Under the lock: makes `region` the one that is mapped here. */
static void keep(sill_segments *set, uint32_t index, sill_region *region)
{
    sill_region_close(set->mapped[index].region);
    set->mapped[index].region = region;
    set->mapped[index].made = set->shared->slots[index].made;
}

static bool is_mapped(const sill_segments *set, uint32_t index)
{
    const struct sill__mapped_segment *mapped = &set->mapped[index];
    return mapped->region != NULL && mapped->made == set->shared->slots[index].made;
}

/* ---- taking ---- */

/* The first slot in that state; `most`: none. */
static uint32_t find(const sill_segments *set, enum sill__slot_state state)
{
    uint32_t i = 0;
    while (i < set->most && state_of(&set->shared->slots[i]) != state)
        i++;
    return i;
}

/* Gives what the dead hold to the living. To look takes long, so holders of several are looked at
 * once, and all of them not more often than LOOK_NS says. */
static uint32_t reclaim(sill_segments *set)
{
    struct sill__slot last_holder = {.pid = 0};
    uint32_t count = 0;
    bool dead = false;
    int64_t now = sill__now_ns(), last = set->shared->looked;
    if (last <= now && now - last < LOOK_NS)
        return 0;
    set->shared->looked = now;
    for (uint32_t i = 0; i < set->most; i++) {
        struct sill__slot *slot = &set->shared->slots[i];
        enum sill__slot_state state = state_of(slot);
        if (state != SILL__TAKEN && state != SILL__MAKING)
            continue;
        if (last_holder.pid != slot->pid || last_holder.start != slot->start)
            dead = holder_is_dead(set, slot);
        last_holder.pid = slot->pid;
        last_holder.start = slot->start; /* a pid comes back for another process */
        if (!dead)
            continue;
        set_state(slot, state == SILL__TAKEN ? SILL__FREE : SILL__ABSENT,
                  after(generation_of(slot)));
        set->shared->reclaimed++;
        count++;
    }
    return count;
}

/* Puts the slot back as it was, after its segment could not be had. */
static int give_up(sill_segments *set, uint32_t index, enum sill__slot_state before, int rc)
{
    sill_error first = *sill_last_error();
    if (sill__segments_lock(set) == 0) { /* else the next reclaim after our end does it */
        struct sill__slot *slot = &set->shared->slots[index];
        set_state(slot, before, generation_of(slot));
        sill__segments_unlock(set, 0);
    }
    sill__error_restore(&first);
    return rc;
}

/* The slot is MAKING by us and was `before`: opens or makes its region. Takes and returns
 * without the lock. */
static int make_segment(sill_segments *set, uint32_t index, enum sill__slot_state before,
                        uint64_t *id)
{
    sill_region *region = NULL;
    bool fresh = false;
    SILL__STEP(segments_making);
    int rc = open_segment(set, index, true, &region, &fresh);
    SILL__STEP(segments_made);
    if (rc != 0)
        return give_up(set, index, before, rc);
    rc = sill__segments_lock(set);
    if (rc != 0) {
        sill_region_close(region);
        if (rc == SILL_NOT_FOUND && fresh) /* the set was removed, and nobody else knows of it */
            remove_segment(set, index);
        return rc;
    }
    struct sill__slot *slot = &set->shared->slots[index];
    slot->made += fresh && before == SILL__FREE ? 1 : 0;
    set->shared->made += fresh ? 1 : 0;
    keep(set, index, region);
    uint32_t generation = after(generation_of(slot));
    set_state(slot, SILL__TAKEN, generation);
    *id = (uint64_t)generation << 32 | (index + 1);
    return sill__segments_unlock(set, 0);
}

/* With the lock, which is given back. AGAIN, with the lock still held: all are taken. */
static int take_once(sill_segments *set, uint64_t *id)
{
    uint32_t index = find(set, SILL__FREE);
    enum sill__slot_state before = SILL__FREE;
    if (index == set->most) {
        index = find(set, SILL__ABSENT);
        before = SILL__ABSENT;
    }
    if (index == set->most)
        return SILL_AGAIN;
    struct sill__slot *slot = &set->shared->slots[index];
    hold(set, slot);
    if (before == SILL__ABSENT || !is_mapped(set, index)) {
        slot->made += before == SILL__ABSENT ? 1 : 0;
        set_state(slot, SILL__MAKING, generation_of(slot));
        sill__segments_unlock(set, 0);
        return make_segment(set, index, before, id);
    }
    uint32_t generation = after(generation_of(slot));
    set_state(slot, SILL__TAKEN, generation);
    SILL__STEP(segments_taken);
    *id = (uint64_t)generation << 32 | (index + 1);
    return sill__segments_unlock(set, 0);
}

int sill_segments_take(sill_segments *set, uint64_t *id, int timeout_ms)
{
    if (id == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the id of the segment.");
    int64_t deadline = sill__deadline(timeout_ms);
    int rc = sill__segments_lock(set);
    if (rc != 0)
        return rc;
    for (;;) {
        rc = take_once(set, id);
        if (rc != SILL_AGAIN)
            return rc;
        if (reclaim(set) > 0)
            continue;
        int left = sill__timeout(deadline);
        if (left == 0)
            return sill__segments_unlock(set, timeout_ms == 0 ? SILL_AGAIN : SILL_TIMEOUT);
        rc = sill_cond_wait(set->cond, set->mutex, left);
        if (rc != SILL_TIMEOUT)
            rc = sill__segments_inside(set, rc);
        if (rc != 0 && rc != SILL_TIMEOUT)
            return rc == SILL_INVALID ? sill__segments_unlock(set, rc) : rc;
    }
}

/* ---- ids ---- */

/* With the lock: the slot that an id means. */
static int slot_of(const sill_segments *set, uint64_t id, uint32_t *index)
{
    uint32_t number = (uint32_t)id;
    if (number == 0 || number > set->most || id >> 32 == 0)
        return sill__fail(SILL_INVALID, "%llx is not an id of the set \"%s\".",
                          (unsigned long long)id, set->name);
    const struct sill__slot *slot = &set->shared->slots[number - 1];
    if (state_of(slot) != SILL__TAKEN || generation_of(slot) != id >> 32)
        return sill__fail(SILL_NOT_FOUND, "The segment was given back, or has gone with the "
                                          "process that held it.");
    *index = number - 1;
    return 0;
}

/* The region of a segment that we hold has gone, with all who had it mapped or by other means:
 * another one is made when it is needed. */
static void note_absence(sill_segments *set, uint64_t id, uint32_t index)
{
    sill_error first = *sill_last_error();
    if (sill__segments_lock(set) == 0) {
        if (slot_of(set, id, &index) == 0) {
            set_state(&set->shared->slots[index], SILL__ABSENT, (uint32_t)(id >> 32));
            sill_cond_broadcast(set->cond);
        }
        sill__segments_unlock(set, 0);
    }
    sill__error_restore(&first);
}

/* Without the lock, the segment is ours. */
static int map_segment(sill_segments *set, uint64_t id, uint32_t index, void **data)
{
    sill_region *region = NULL;
    bool fresh = false;
    int rc = open_segment(set, index, false, &region, &fresh);
    if (rc == SILL_NOT_FOUND)
        note_absence(set, id, index);
    if (rc == 0)
        rc = sill__segments_lock(set);
    if (rc != 0) {
        sill_region_close(region);
        return rc;
    }
    rc = slot_of(set, id, &index);
    if (rc == 0 && !is_mapped(set, index)) /* else another thread was faster */
        keep(set, index, region);
    else
        sill_region_close(region);
    if (rc == 0)
        *data = sill_region_data(set->mapped[index].region);
    return sill__segments_unlock(set, rc);
}

int sill_segments_get(sill_segments *set, uint64_t id, void **data)
{
    uint32_t index = 0;
    if (data == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the address of the segment.");
    int rc = sill__segments_lock(set);
    if (rc != 0)
        return rc;
    rc = slot_of(set, id, &index);
    if (rc != 0)
        return sill__segments_unlock(set, rc);
    hold(set, &set->shared->slots[index]);
    if (!is_mapped(set, index)) {
        sill__segments_unlock(set, 0);
        return map_segment(set, id, index, data);
    }
    *data = sill_region_data(set->mapped[index].region);
    return sill__segments_unlock(set, 0);
}

int sill_segments_give(sill_segments *set, uint64_t id)
{
    uint32_t index = 0;
    int rc = sill__segments_lock(set);
    if (rc != 0)
        return rc;
    rc = slot_of(set, id, &index);
    if (rc == 0) {
        struct sill__slot *slot = &set->shared->slots[index];
        set_state(slot, SILL__FREE, generation_of(slot));
        SILL__STEP(segments_given);
        rc = sill_cond_broadcast(set->cond);
    }
    return sill__segments_unlock(set, rc);
}

int sill_segments_trim(sill_segments *set)
{
    int rc = sill__segments_lock(set);
    if (rc != 0)
        return rc;
    reclaim(set);
    uint32_t there = 0;
    for (uint32_t i = 0; i < set->most; i++)
        there += state_of(&set->shared->slots[i]) != SILL__ABSENT ? 1 : 0;
    for (uint32_t i = set->most; i-- > 0 && there > set->shared->least;) {
        struct sill__slot *slot = &set->shared->slots[i];
        if (state_of(slot) != SILL__FREE)
            continue;
        sill_region_close(set->mapped[i].region);
        set->mapped[i].region = NULL;
        set_state(slot, SILL__ABSENT, generation_of(slot));
        SILL__STEP(segments_absent);
        remove_segment(set, i);
        set->shared->removed++;
        there--;
    }
    return sill__segments_unlock(set, 0);
}

int sill_segments_statistics_get(sill_segments *set, sill_segments_statistics *statistics)
{
    if (statistics == NULL || statistics->struct_size != sizeof *statistics)
        return sill__fail(SILL_INVALID, "The statistics are not initialised "
                                        "(SILL_SEGMENTS_STATISTICS_INIT).");
    int rc = sill__segments_lock(set);
    if (rc != 0)
        return rc;
    *statistics = (sill_segments_statistics){
        .struct_size = sizeof *statistics,
        .segment_size = set->segment_size,
        .least = set->shared->least,
        .most = set->most,
        .made = set->shared->made,
        .removed = set->shared->removed,
        .reclaimed = set->shared->reclaimed,
    };
    for (uint32_t i = 0; i < set->most; i++) {
        enum sill__slot_state state = state_of(&set->shared->slots[i]);
        statistics->free += state == SILL__FREE ? 1 : 0;
        statistics->taken += state == SILL__TAKEN || state == SILL__MAKING ? 1 : 0;
    }
    return sill__segments_unlock(set, 0);
}
