/* segments.c - many small regions of one size, known by ids.
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
 * so an old id fits no more. `made` of a slot counts how often its region was made: a process that
 * has an older one mapped opens it again.
 *
 * The slots are checked as they are read: a state that is none is PROTOCOL, and no number from
 * there is an index.
 */
#include <sill/pool.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <sill/sync.h>

#include "clock.h"
#include "memory.h"
#include "owner.h"
#include "process.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"
#include "thread.h"

#define MAGIC              UINT64_C(0x746d6765736c6973) /* "silsegmt" */
#define LAYOUT             1
#define NAME_MAX_SET       190
#define DEFAULT_SIZE       65536
#define DEFAULT_LEAST      4
#define DEFAULT_MOST       64
#define DEFAULT_TIMEOUT_MS 10000
#define LOOK_NS            INT64_C(50000000)

enum state { ABSENT, FREE, MAKING, TAKEN };

struct slot {
    _Atomic uint64_t word; /* generation << 32 | state */
    uint32_t pid;          /* the holder */
    uint32_t made;
    uint64_t start; /* of the holder's process */
};

struct shared {
    _Alignas(64) unsigned char mutex[SILL_SYNC_SIZE];
    unsigned char cond[SILL_SYNC_SIZE];
    uint64_t magic; /* stored last */
    uint32_t layout;
    uint32_t least;
    uint32_t most;
    uint32_t reserved;
    uint64_t segment_size;
    uint64_t made, removed, reclaimed;
    int64_t looked; /* when the holders were last looked at */
    struct slot slots[SILL_SEGMENTS_MAX];
};
static_assert(offsetof(struct shared, slots) == 4096 + 64, "shared-layout.md");
static_assert(sizeof(struct slot) == 24, "shared-layout.md");

/* A segment as this process has it mapped. */
struct mapped {
    sill_region *region;
    uint32_t made;
};

struct sill_segments {
    sill_region *region;
    struct shared *shared;
    sill_mutex *mutex; /* of all processes; also guards everything below */
    sill_cond *cond;
    char name[NAME_MAX_SET + 1];
    char *directory; /* or NULL */
    int timeout_ms;
    uint32_t most; /* private: checked once */
    size_t segment_size;
    struct sill__process self;
    struct mapped *mapped; /* `most` of them */
};

/* ---- words ---- */

static enum state state_of(const struct slot *slot)
{
    return (enum state)(atomic_load_explicit(&slot->word, memory_order_acquire) & UINT32_MAX);
}

static uint32_t generation_of(const struct slot *slot)
{
    return (uint32_t)(atomic_load_explicit(&slot->word, memory_order_acquire) >> 32);
}

static void set_state(struct slot *slot, enum state state, uint32_t generation)
{
    /* release: the holder stands there first; pairs with the loads above */
    atomic_store_explicit(&slot->word, (uint64_t)generation << 32 | state, memory_order_release);
}

static uint32_t after(uint32_t generation)
{
    return generation + 1 != 0 ? generation + 1 : 1;
}

static void hold(const sill_segments *set, struct slot *slot)
{
    slot->pid = set->self.pid;
    slot->start = set->self.start;
}

static bool holder_is_dead(const sill_segments *set, const struct slot *slot)
{
    struct sill__process process = set->self;
    process.pid = slot->pid;
    process.start = slot->start;
    return slot->pid != set->self.pid && sill__process_alive(&process) == 0;
}

/* ---- the lock ---- */

/* Nothing that a dead process left in the middle needs repair. */
static int lock(sill_segments *set)
{
    if (set == NULL)
        return sill__fail(SILL_INVALID, "The set of segments is NULL.");
    int rc = sill_mutex_lock(set->mutex, set->timeout_ms);
    if (rc == SILL_DIED)
        rc = sill_mutex_repaired(set->mutex);
    if (rc == SILL_TIMEOUT)
        return sill__fail(SILL_TIMEOUT,
                          "Another process has been inside the set \"%s\" for too "
                          "long; perhaps it is stopped.",
                          set->name);
    return rc;
}

static int unlock(sill_segments *set, int rc)
{
    sill_mutex_unlock(set->mutex);
    return rc;
}

/* ---- regions of segments ---- */

static void segment_name(const char *set, uint32_t index, char out[SILL__NAME_MAX + 1])
{
    snprintf(out, SILL__NAME_MAX + 1, "%.*s.%u", NAME_MAX_SET, set, (unsigned)(index % 10000));
}

static sill_region_options region_options(const char *directory, int timeout_ms)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    options.directory = directory;
    options.timeout_ms = timeout_ms;
    return options;
}

/* Opens segment `index`, or makes it where it is not (`make`); *fresh: it was made. */
static int open_segment(const sill_segments *set, uint32_t index, bool make, sill_region **out,
                        bool *fresh)
{
    char name[SILL__NAME_MAX + 1];
    segment_name(set->name, index, name);
    sill_region_options options = region_options(set->directory, set->timeout_ms);
    int rc = make ? sill_region_create(out, name, set->segment_size, &options)
                  : sill_region_open(out, name, &options);
    if (rc == SILL_WRONG_SIZE && make) { /* of a set that had the name before */
        sill_region_remove(name, &options);
        rc = sill_region_create(out, name, set->segment_size, &options);
    }
    if (rc == 0 && sill_region_size(*out) != set->segment_size) {
        sill_region_close(*out);
        return sill__fail(SILL_PROTOCOL, "A segment of the set has another size than the set "
                                         "says.");
    }
    if (rc == 0)
        *fresh = (*out)->creator;
    return rc;
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
    const struct mapped *mapped = &set->mapped[index];
    return mapped->region != NULL && mapped->made == set->shared->slots[index].made;
}

/* ---- making and opening the set ---- */

static int copy_options(sill_segments_options *out, const sill_segments_options *options)
{
    *out = (sill_segments_options)SILL_SEGMENTS_OPTIONS_INIT;
    if (options != NULL && options->struct_size != sizeof *out)
        return sill__fail(SILL_INVALID,
                          "The options are not initialised: struct_size is %zu and must be %zu "
                          "(SILL_SEGMENTS_OPTIONS_INIT).",
                          options->struct_size, sizeof *out);
    if (options != NULL)
        *out = *options;
    if (out->segment_size == 0)
        out->segment_size = DEFAULT_SIZE;
    if (out->most == 0)
        out->most = DEFAULT_MOST;
    if (out->least == 0)
        out->least = out->most < DEFAULT_LEAST ? out->most : DEFAULT_LEAST;
    if (out->timeout_ms == 0)
        out->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (out->most > SILL_SEGMENTS_MAX || out->least > out->most)
        return sill__fail(SILL_INVALID,
                          "A set has at most %d segments, and at least %u are not at "
                          "most %u.",
                          SILL_SEGMENTS_MAX, (unsigned)out->least, (unsigned)out->most);
    if (out->timeout_ms < -1)
        return sill__fail(SILL_INVALID, "The option timeout_ms is %d and must be -1 or more.",
                          out->timeout_ms);
    return 0;
}

static int check_name(const char *name)
{
    int rc = sill__name_check(name);
    if (rc == 0 && strlen(name) > NAME_MAX_SET)
        rc = sill__fail(SILL_INVALID, "The name of a set of segments has at most %d bytes.",
                        NAME_MAX_SET);
    return rc;
}

/* With the mutex held. A maker that died on the way has stored no magic: the next one begins anew.
 */
static int begin(sill_segments *set, const sill_segments_options *options)
{
    struct shared *shared = set->shared;
    if (shared->magic == MAGIC && shared->layout != LAYOUT)
        return sill__fail(SILL_VERSION, "The set \"%s\" has a layout that this sill does not know.",
                          set->name);
    if (shared->magic != MAGIC && shared->magic != 0)
        return sill__fail(SILL_FOREIGN, "The region \"%s\" is not a set of segments.", set->name);
    if (shared->magic == 0) {
        shared->layout = LAYOUT;
        shared->least = options->least;
        shared->most = options->most;
        shared->segment_size = options->segment_size;
        SILL__STEP(segments_begun);
        shared->magic = MAGIC;
    }
    set->most = shared->most;
    set->segment_size = (size_t)shared->segment_size;
    if (set->most == 0 || set->most > SILL_SEGMENTS_MAX || set->segment_size == 0 ||
        set->segment_size != shared->segment_size)
        return sill__fail(SILL_PROTOCOL, "Something has written over the set \"%s\".", set->name);
    set->mapped = sill__alloc_zeroed(set->most * sizeof *set->mapped);
    return set->mapped != NULL ? 0 : sill__fail(SILL_NO_MEMORY, "Out of memory.");
}

static int set_up(sill_segments *set, const sill_segments_options *options)
{
    set->shared = sill_region_data(set->region);
    set->timeout_ms = options->timeout_ms;
    sill__process_self(&set->self);
    if (options->directory != NULL) {
        set->directory = sill__strdup(options->directory);
        if (set->directory == NULL)
            return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    }
    sill_sync_options how = SILL_SYNC_OPTIONS_INIT;
    how.timeout_ms = options->timeout_ms;
    int rc = sill_mutex_place(&set->mutex, set->region, offsetof(struct shared, mutex), &how);
    if (rc == 0)
        rc = sill_cond_place(&set->cond, set->region, offsetof(struct shared, cond), &how);
    if (rc == 0)
        rc = lock(set);
    return rc == 0 ? unlock(set, begin(set, options)) : rc;
}

static int attach(sill_segments **out, const char *name, const sill_segments_options *options,
                  bool create)
{
    sill_segments_options known;
    if (out == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the set of segments is NULL.");
    int rc = copy_options(&known, options);
    if (rc == 0)
        rc = check_name(name);
    if (rc != 0)
        return rc;
    sill_segments *set = sill__alloc_zeroed(sizeof *set);
    if (set == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    memcpy(set->name, name, strlen(name));
    sill_region_options how = region_options(known.directory, known.timeout_ms);
    how.open_existing = known.open_existing;
    rc = create ? sill_region_create(&set->region, name, sizeof(struct shared), &how)
                : sill_region_open(&set->region, name, &how);
    if (rc == 0 && sill_region_size(set->region) != sizeof(struct shared))
        rc = sill__fail(SILL_FOREIGN, "The region \"%s\" is not a set of segments.", name);
    if (rc == 0)
        rc = set_up(set, &known);
    if (rc != 0) {
        sill_error first = *sill_last_error();
        bool ours = set->region != NULL && set->region->creator;
        sill_segments_close(set);
        if (ours)
            sill_region_remove(name, &how);
        sill__error_restore(&first);
        return rc;
    }
    *out = set;
    return 0;
}

int sill_segments_create(sill_segments **set, const char *name,
                         const sill_segments_options *options)
{
    return attach(set, name, options, true);
}

int sill_segments_open(sill_segments **set, const char *name, const sill_segments_options *options)
{
    return attach(set, name, options, false);
}

void sill_segments_close(sill_segments *set)
{
    if (set == NULL)
        return;
    for (uint32_t i = 0; set->mapped != NULL && i < set->most; i++)
        sill_region_close(set->mapped[i].region);
    sill_mutex_close(set->mutex);
    sill_cond_close(set->cond);
    sill_region_close(set->region);
    sill__free(set->mapped);
    sill__free(set->directory);
    sill__free(set);
}

/* All that may be there go, whatever the slots say: also what a process left that died. */
int sill_segments_remove(const char *name, const sill_segments_options *options)
{
    sill_segments *set;
    sill_segments_options known;
    int rc = copy_options(&known, options);
    if (rc == 0)
        rc = sill_segments_open(&set, name, &known);
    if (rc != 0)
        return rc;
    uint32_t most = set->most;
    sill_segments_close(set);
    sill_region_options how = region_options(known.directory, known.timeout_ms);
    char segment[SILL__NAME_MAX + 1];
    for (uint32_t i = 0; i < most; i++) {
        segment_name(name, i, segment);
        rc = sill_region_remove(segment, &how);
        if (rc != 0 && rc != SILL_NOT_FOUND)
            return rc;
    }
    return sill_region_remove(name, &how);
}

/* ---- taking ---- */

/* The first slot in that state; `most`: none. */
static uint32_t find(const sill_segments *set, enum state state)
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
    uint32_t count = 0, pid = 0;
    bool dead = false;
    int64_t now = sill__now_ns(), last = set->shared->looked;
    if (last <= now && now - last < LOOK_NS)
        return 0;
    set->shared->looked = now;
    for (uint32_t i = 0; i < set->most; i++) {
        struct slot *slot = &set->shared->slots[i];
        enum state state = state_of(slot);
        if (state != TAKEN && state != MAKING)
            continue;
        if (pid != slot->pid)
            dead = holder_is_dead(set, slot);
        pid = slot->pid;
        if (!dead)
            continue;
        set_state(slot, state == TAKEN ? FREE : ABSENT, after(generation_of(slot)));
        set->shared->reclaimed++;
        count++;
    }
    return count;
}

/* Puts the slot back as it was, after its segment could not be had. */
static int give_up(sill_segments *set, uint32_t index, enum state before, int rc)
{
    sill_error first = *sill_last_error();
    if (lock(set) == 0) { /* else the next reclaim after our end does it */
        struct slot *slot = &set->shared->slots[index];
        set_state(slot, before, generation_of(slot));
        unlock(set, 0);
    }
    sill__error_restore(&first);
    return rc;
}

/* The slot is MAKING by us and was `before`: opens or makes its region. Takes and returns without
 * the lock. */
static int make_segment(sill_segments *set, uint32_t index, enum state before, uint64_t *id)
{
    sill_region *region = NULL;
    bool fresh = false;
    SILL__STEP(segments_making);
    int rc = open_segment(set, index, true, &region, &fresh);
    SILL__STEP(segments_made);
    if (rc != 0)
        return give_up(set, index, before, rc);
    rc = lock(set);
    if (rc != 0) {
        sill_region_close(region);
        return rc;
    }
    struct slot *slot = &set->shared->slots[index];
    if (fresh) {
        slot->made++;
        set->shared->made++;
    }
    keep(set, index, region);
    uint32_t generation = after(generation_of(slot));
    set_state(slot, TAKEN, generation);
    *id = (uint64_t)generation << 32 | (index + 1);
    return unlock(set, 0);
}

/* With the lock, which is given back. AGAIN, with the lock still held: all are taken. */
static int take_once(sill_segments *set, uint64_t *id)
{
    uint32_t index = find(set, FREE);
    enum state before = FREE;
    if (index == set->most) {
        index = find(set, ABSENT);
        before = ABSENT;
    }
    if (index == set->most)
        return SILL_AGAIN;
    struct slot *slot = &set->shared->slots[index];
    hold(set, slot);
    if (before == ABSENT || !is_mapped(set, index)) {
        set_state(slot, MAKING, generation_of(slot));
        unlock(set, 0);
        return make_segment(set, index, before, id);
    }
    uint32_t generation = after(generation_of(slot));
    set_state(slot, TAKEN, generation);
    SILL__STEP(segments_taken);
    *id = (uint64_t)generation << 32 | (index + 1);
    return unlock(set, 0);
}

int sill_segments_take(sill_segments *set, uint64_t *id, int timeout_ms)
{
    if (id == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the id of the segment.");
    int64_t deadline = sill__deadline(timeout_ms);
    int rc = lock(set);
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
            return unlock(set, timeout_ms == 0 ? SILL_AGAIN : SILL_TIMEOUT);
        rc = sill_cond_wait(set->cond, set->mutex, left);
        if (rc == SILL_DIED)
            rc = sill_mutex_repaired(set->mutex);
        if (rc != 0 && rc != SILL_TIMEOUT)
            return rc == SILL_INVALID ? unlock(set, rc) : rc;
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
    const struct slot *slot = &set->shared->slots[number - 1];
    if (state_of(slot) != TAKEN || generation_of(slot) != id >> 32)
        return sill__fail(SILL_NOT_FOUND, "The segment was given back, or has gone with the "
                                          "process that held it.");
    *index = number - 1;
    return 0;
}

/* Without the lock, the segment is ours. */
static int map_segment(sill_segments *set, uint64_t id, uint32_t index, void **data)
{
    sill_region *region = NULL;
    bool fresh = false;
    int rc = open_segment(set, index, false, &region, &fresh);
    if (rc == 0)
        rc = lock(set);
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
    return unlock(set, rc);
}

int sill_segments_get(sill_segments *set, uint64_t id, void **data)
{
    uint32_t index = 0;
    if (data == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the address of the segment.");
    int rc = lock(set);
    if (rc != 0)
        return rc;
    rc = slot_of(set, id, &index);
    if (rc != 0)
        return unlock(set, rc);
    hold(set, &set->shared->slots[index]);
    if (!is_mapped(set, index)) {
        unlock(set, 0);
        return map_segment(set, id, index, data);
    }
    *data = sill_region_data(set->mapped[index].region);
    return unlock(set, 0);
}

int sill_segments_give(sill_segments *set, uint64_t id)
{
    uint32_t index = 0;
    int rc = lock(set);
    if (rc != 0)
        return rc;
    rc = slot_of(set, id, &index);
    if (rc == 0) {
        struct slot *slot = &set->shared->slots[index];
        set_state(slot, FREE, generation_of(slot));
        SILL__STEP(segments_given);
        rc = sill_cond_broadcast(set->cond);
    }
    return unlock(set, rc);
}

int sill_segments_trim(sill_segments *set)
{
    int rc = lock(set);
    if (rc != 0)
        return rc;
    reclaim(set);
    uint32_t there = 0;
    for (uint32_t i = 0; i < set->most; i++)
        there += state_of(&set->shared->slots[i]) != ABSENT ? 1 : 0;
    for (uint32_t i = set->most; i-- > 0 && there > set->shared->least;) {
        struct slot *slot = &set->shared->slots[i];
        if (state_of(slot) != FREE)
            continue;
        char name[SILL__NAME_MAX + 1];
        segment_name(set->name, i, name);
        sill_region_options options = region_options(set->directory, set->timeout_ms);
        sill_region_close(set->mapped[i].region);
        set->mapped[i].region = NULL;
        set_state(slot, ABSENT, generation_of(slot));
        SILL__STEP(segments_absent);
        sill_region_remove(name, &options); /* UNSUPPORTED where it goes by itself */
        set->shared->removed++;
        there--;
    }
    return unlock(set, 0);
}

int sill_segments_statistics_get(sill_segments *set, sill_segments_statistics *statistics)
{
    if (statistics == NULL || statistics->struct_size != sizeof *statistics)
        return sill__fail(SILL_INVALID, "The statistics are not initialised "
                                        "(SILL_SEGMENTS_STATISTICS_INIT).");
    int rc = lock(set);
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
        enum state state = state_of(&set->shared->slots[i]);
        statistics->free += state == FREE ? 1 : 0;
        statistics->taken += state == TAKEN || state == MAKING ? 1 : 0;
    }
    return unlock(set, 0);
}
