/* segments.c - sets of segments: making, opening and removing them, and their lock. See segments.h.
 */
#include "segments.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define MAGIC              UINT64_C(0x746d6765736c6973) /* "silsegmt" */
#define LAYOUT             1
#define DEFAULT_SIZE       65536
#define DEFAULT_LEAST      4
#define DEFAULT_MOST       64
#define DEFAULT_TIMEOUT_MS 10000

/* ---- the lock ---- */

/* With the mutex, if `rc` is 0 or DIED. Nothing that a dead process left in the middle needs
 * repair, but a removal. */
int sill__segments_inside(sill_segments *set, int rc)
{
    if (rc == SILL_DIED) {
        rc = sill_mutex_repaired(set->mutex);
        if (set->shared->gone == SILL__SET_REMOVING)
            set->shared->gone = 0;
    }
    if (rc != 0 || set->shared->gone != SILL__SET_REMOVED)
        return rc;
    sill_mutex_unlock(set->mutex);
    return sill__fail(SILL_NOT_FOUND, "The set \"%s\" was removed.", set->name);
}

int sill__segments_lock(sill_segments *set)
{
    if (set == NULL)
        return sill__fail(SILL_INVALID, "The set of segments is NULL.");
    int rc = sill__segments_inside(set, sill_mutex_lock(set->mutex, set->timeout_ms));
    if (rc == SILL_TIMEOUT)
        return sill__fail(SILL_TIMEOUT,
                          "Another process has been inside the set \"%s\" for too "
                          "long; perhaps it is stopped.",
                          set->name);
    return rc;
}

int sill__segments_unlock(sill_segments *set, int rc)
{
    sill_mutex_unlock(set->mutex);
    return rc;
}

void sill__segment_name(const char *set, uint32_t index, char out[SILL__NAME_MAX + 1])
{
    snprintf(out, SILL__NAME_MAX + 1, "%.*s.%u", SILL__SEGMENTS_NAME_MAX, set,
             (unsigned)(index % 10000));
}

sill_region_options sill__segment_options(const char *directory, int timeout_ms)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    options.directory = directory;
    options.timeout_ms = timeout_ms;
    return options;
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
    if (rc == 0 && strlen(name) > SILL__SEGMENTS_NAME_MAX)
        rc = sill__fail(SILL_INVALID, "The name of a set of segments has at most %d bytes.",
                        SILL__SEGMENTS_NAME_MAX);
    return rc;
}

enum purpose { CREATE, OPEN, REMOVE };

/* With the mutex held. A maker that died on the way has stored no magic: the next one begins anew.
 * Who only opens does not, since it is for the maker to say how large everything is. */
static int begin(sill_segments *set, const sill_segments_options *options, enum purpose purpose)
{
    struct sill__segments_shared *shared = set->shared;
    if (shared->magic == MAGIC && shared->layout != LAYOUT)
        return sill__fail(SILL_VERSION, "The set \"%s\" has a layout that this sill does not know.",
                          set->name);
    if (shared->magic != MAGIC && shared->magic != 0)
        return sill__fail(SILL_FOREIGN, "The region \"%s\" is not a set of segments.", set->name);
    if (shared->magic == MAGIC && purpose == CREATE && !options->open_existing)
        return sill__fail(SILL_EXISTS, "Another process has just made the set \"%s\".", set->name);
    if (shared->magic == 0 && purpose == OPEN)
        return sill__fail(SILL_NOT_FOUND, "The set \"%s\" is not made yet.", set->name);
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

/* AGAIN: it was removed meanwhile. */
static int set_up(sill_segments *set, const sill_segments_options *options, enum purpose purpose)
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
    int rc = sill_mutex_place(&set->mutex, set->region,
                              offsetof(struct sill__segments_shared, mutex), &how);
    if (rc == 0)
        rc = sill_cond_place(&set->cond, set->region, offsetof(struct sill__segments_shared, cond),
                             &how);
    if (rc == 0)
        rc = sill__segments_lock(set);
    if (rc == SILL_NOT_FOUND && set->shared->gone == SILL__SET_REMOVED)
        return SILL_AGAIN;
    return rc == 0 ? sill__segments_unlock(set, begin(set, options, purpose)) : rc;
}

static int attach_once(sill_segments **out, const char *name, const sill_segments_options *options,
                       enum purpose purpose)
{
    sill_segments *set = sill__alloc_zeroed(sizeof *set);
    if (set == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    memcpy(set->name, name, strlen(name));
    sill_region_options how = sill__segment_options(options->directory, options->timeout_ms);
    how.open_existing = options->open_existing;
    int rc = purpose == CREATE ? sill_region_create(&set->region, name,
                                                    sizeof(struct sill__segments_shared), &how)
                               : sill_region_open(&set->region, name, &how);
    if (rc == 0 && sill_region_size(set->region) != sizeof(struct sill__segments_shared))
        rc = sill__fail(SILL_FOREIGN, "The region \"%s\" is not a set of segments.", name);
    if (rc == 0)
        rc = set_up(set, options, purpose);
    if (rc != 0) {
        sill_error first = *sill_last_error();
        bool ours = set->region != NULL && set->region->creator &&
                    (set->shared == NULL || set->shared->magic == 0);
        sill_segments_close(set);
        if (ours)
            sill_region_remove(name, &how);
        sill__error_restore(&first);
        return rc;
    }
    *out = set;
    return 0;
}

static int attach(sill_segments **out, const char *name, const sill_segments_options *options,
                  enum purpose purpose)
{
    sill_segments_options known;
    if (out == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the set of segments is NULL.");
    int rc = copy_options(&known, options);
    if (rc == 0)
        rc = check_name(name);
    if (rc != 0)
        return rc;
    int64_t deadline = sill__deadline(known.timeout_ms);
    while ((rc = attach_once(out, name, &known, purpose)) == SILL_AGAIN) {
        if (purpose != CREATE)
            return SILL_NOT_FOUND;
        if (sill__timeout(deadline) == 0)
            return sill__fail(SILL_TIMEOUT, "The set \"%s\" is made and removed again and again.",
                              name);
    }
    return rc;
}

int sill_segments_create(sill_segments **set, const char *name,
                         const sill_segments_options *options)
{
    return attach(set, name, options, CREATE);
}

int sill_segments_open(sill_segments **set, const char *name, const sill_segments_options *options)
{
    return attach(set, name, options, OPEN);
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

/* With the lock. All that may be there go, whatever the slots say: also what a process left that
 * died. */
static int remove_all(sill_segments *set)
{
    sill_region_options how = sill__segment_options(set->directory, set->timeout_ms);
    char segment[SILL__NAME_MAX + 1];
    set->shared->gone = SILL__SET_REMOVING;
    for (uint32_t i = 0; i < set->most; i++) {
        sill__segment_name(set->name, i, segment);
        int rc = sill_region_remove(segment, &how);
        if (rc != 0 && rc != SILL_NOT_FOUND) {
            set->shared->gone = 0;
            return rc;
        }
    }
    SILL__STEP(segments_removing);
    int rc = sill_region_remove(set->name, &how);
    set->shared->gone = rc == 0 ? SILL__SET_REMOVED : 0;
    sill_cond_broadcast(set->cond);
    return rc;
}

int sill_segments_remove(const char *name, const sill_segments_options *options)
{
    sill_segments *set;
    int rc = attach(&set, name, options, REMOVE);
    if (rc != 0)
        return rc;
    if ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) == 0)
        rc = sill__fail(SILL_UNSUPPORTED, "Sets of segments go by themselves on this system.");
    if (rc == 0)
        rc = sill__segments_lock(set);
    if (rc == 0)
        rc = sill__segments_unlock(set, remove_all(set));
    sill_error first = *sill_last_error();
    sill_segments_close(set);
    sill__error_restore(&first);
    return rc;
}
