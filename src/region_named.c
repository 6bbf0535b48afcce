/* region_named.c - regions that have an owner record: create, open and remove by name.
 *
 * A creator claims the record of the name, writes into it how the object will be called, makes the
 * object, publishes the header (magic last), writes the size into the record, and keeps the
 * record's lock for as long as it has the region open. Openers join the lock. An orderly close of
 * the creator says `kept` for kinds that persist; for the others the last user removes the record.
 * So a name is always in one of these states:
 *
 *   record          object      what it is                      create       open
 *   -----------------------------------------------------------------------------------------
 *   none            none        free                            makes it     NOT_FOUND
 *   none            whole       the record was lost             EXISTS (1)   opens it (1)
 *   none            half-made   and its creator died            makes it (2) NOT_FOUND (2)
 *   none            foreign     the OS name is taken            next name(3) FOREIGN, DENIED
 *   locked, size 0  none, half  a creator is at work            waits (4)    waits (4)
 *   locked, size 0  whole       the same, one write later (8)   EXISTS       opens it
 *   locked          whole       in use                          EXISTS       opens it
 *   locked          none        removed, but not the record     makes it (5) NOT_FOUND (5)
 *   free, size 0    none, half  the creator died half-way       makes it (2) NOT_FOUND (2)
 *   free            whole       the creator died, not closed    makes it (6) opens it
 *   free, kept      whole       nobody uses it now              EXISTS       opens it
 *   free, kept      none        removed by other means          makes it (5) NOT_FOUND (5)
 *   locked or kept  foreign     replaced by other means         EXISTS (7)   FOREIGN ...
 *
 * (1) The record is made again: whole and kept. (2) The remains are removed first. (3) Another
 * object name is used; the record tells openers. (4) Until the deadline, then TIMEOUT; the creator
 * dies: as if its lock had been free. (5) The record goes first. (6) The old object is removed;
 * with `open_existing` it is opened. (7) Until sill_region_remove, which drops the record and
 * leaves the foreign object alone. (8) Or its creator died just there, and others have opened it.
 *
 * A kill at any instruction leaves one of these states, since the record precedes the object, names
 * it, and outlives it. Two creators race for the claim, and only one gets it. Whoever finds a state
 * that must change first (waits, 5) starts over from the beginning, never in the middle.
 */
#include "region_internal.h"

#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "clock.h"
#include "memory.h"
#include "process.h"
#include "status.h"
#include "step.h"

#define RECORD_PATH 4200

/* How many object names are tried when others have taken the usual one. */
#define ATTEMPTS 8

/* A joined record says that the object is there, but what has its name is not it. Either it was
 * replaced, which stays so, or the name was removed and made anew between two looks of ours, and
 * the record was the old one. So it is believed after this many looks only. */
#define DOUBTFUL     (-1000)
#define DOUBTFUL_MAX 10

#define FIRST_PAUSE_NS   INT64_C(200000)
#define LONGEST_PAUSE_NS INT64_C(10000000)

/* ---- the record ---- */

static void fill_info(struct sill__owner_info *info, const struct sill__region_request *request)
{
    memset(info, 0, sizeof *info);
    info->kind = request->ops->owner;
    snprintf(info->name, sizeof info->name, "%s", request->name);
}

static int name_object(char object[64], const struct sill__region_request *request,
                       unsigned attempt)
{
    char path[RECORD_PATH], file[100];
    int rc = sill__runtime_directory(request->directory, path, sizeof path - sizeof file - 1);
    if (rc != 0)
        return rc;
    sill__owner_file_name(request->ops->owner, request->name, file);
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/%s", file);
    return request->ops->object_name(object, path, request->name, attempt);
}

/* Binds a region to the record that it was made or opened under. */
static void bind_record(sill_region *region, const struct sill__region_request *request,
                        sill__owner *owner, const struct sill__owner_info *claimed)
{
    region->owner = owner;
    region->claimed = claimed != NULL;
    if (claimed != NULL)
        region->info = *claimed;
    else
        fill_info(&region->info, request);
}

/* Removes the record and the object of a creator that died, if there are such. */
static int clear_stale(const struct sill__region_request *request)
{
    return sill__owner_remove_stale(request->directory, request->ops->owner, request->name,
                                    sill__region_remove_object, NULL);
}

void sill__region_leave(sill_region *region)
{
    bool ours = region->generation == sill__fork_generation();
    bool persists = (region->ops->caps & SILL_REGION_PERSISTS) != 0;
    if (ours && region->claimed && persists) {
        region->info.kept = true;
        sill__owner_update(region->owner, &region->info);
    }
    /* The record of an object that goes with its last user goes with it. */
    sill__owner_release(region->owner, ours && !persists);
}

/* ---- removing objects ---- */

static const struct sill__region_ops *ops_of_owner(enum sill__owner_kind kind)
{
    for (int i = 0; sill__regions[i] != NULL; i++)
        if (sill__regions[i]->owner == kind)
            return sill__regions[i];
    return NULL;
}

int sill__region_remove_object(void *arg, const struct sill__owner_info *info)
{
    (void)arg;
    const struct sill__region_ops *ops = ops_of_owner(info->kind);
    if (ops == NULL || info->object[0] == '\0')
        return 0;
    int rc = ops->remove(info->object, sill__region_name_hash(ops->kind, info->name));
    if (rc == 0)
        SILL__STEP(region_removed);
    bool done =
        rc == SILL_NOT_FOUND || rc == SILL_FOREIGN || rc == SILL_DENIED || rc == SILL_UNSUPPORTED;
    return done ? 0 : rc;
}

/* ---- opening ---- */

/* The record's creator has not published anything. AGAIN while it lives. */
static int after_creator(const struct sill__region_request *request)
{
    int rc = clear_stale(request);
    if (rc == 0)
        return sill__fail(SILL_NOT_FOUND,
                          "There is no region \"%s\": its creator ended while it made it.",
                          request->name);
    if (rc == SILL_EXISTS || rc == SILL_NOT_FOUND || rc == SILL_TIMEOUT)
        return SILL_AGAIN;
    return rc;
}

/* Under a claim of ours: the object was there before, without a record. Gives it one. */
static int adopt_object(sill_region **out, const struct sill__region_request *request,
                        sill__owner *owner, struct sill__owner_info *info)
{
    sill_region *region;
    int rc = sill__region_attach(&region, request, info->object);
    if (rc != 0)
        return rc;
    info->size = region->size;
    info->kept = (request->ops->caps & SILL_REGION_PERSISTS) != 0;
    rc = sill__owner_update(owner, info);
    if (rc != 0) {
        sill_region_close(region);
        return rc;
    }
    bind_record(region, request, owner, info);
    *out = region;
    return 0;
}

/* There is no record, but perhaps an object that has lost it. */
static int open_unrecorded(sill_region **out, const struct sill__region_request *request)
{
    struct sill__owner_info info;
    fill_info(&info, request);
    sill__memory *memory;
    int rc = name_object(info.object, request, 0);
    if (rc == 0)
        rc = request->ops->open(&memory, info.object, true);
    if (rc == SILL_NOT_FOUND)
        return sill__fail(SILL_NOT_FOUND, "There is no region \"%s\".", request->name);
    if (rc != 0)
        return rc;
    request->ops->close(memory);
    sill__owner *owner;
    rc = sill__owner_claim(&owner, request->directory, &info, NULL);
    if (rc != 0)
        return rc == SILL_EXISTS ? SILL_AGAIN : rc;
    rc = adopt_object(out, request, owner, &info);
    if (rc == 0)
        return 0;
    if (rc == SILL_AGAIN) {
        sill__region_remove_object(NULL, &info);
        rc = sill__fail(SILL_NOT_FOUND, "There is no region \"%s\", only the remains of one.",
                        request->name);
    }
    sill__owner_release(owner, true);
    return rc;
}

/* One look. AGAIN: the state is about to change, look again. DOUBTFUL: look again, but not for
 * ever. */
static int open_once(sill_region **out, const struct sill__region_request *request)
{
    sill__owner *owner;
    struct sill__owner_info info;
    int rc =
        sill__owner_join(&owner, request->directory, request->ops->owner, request->name, &info);
    if (rc == SILL_NOT_FOUND)
        return open_unrecorded(out, request);
    if (rc != 0)
        return rc;
    sill_region *region;
    bool published = info.size != 0;
    rc = info.object[0] != '\0' ? sill__region_attach(&region, request, info.object)
                                : SILL_NOT_FOUND;
    if (rc == 0) {
        bind_record(region, request, owner, NULL);
        *out = region;
        return 0;
    }
    bool gone = published && rc == SILL_NOT_FOUND;
    sill__owner_release(owner, gone);
    if (gone)
        return SILL_AGAIN;
    if (rc == SILL_FOREIGN || (published && rc == SILL_AGAIN))
        return DOUBTFUL;
    return rc == SILL_AGAIN || rc == SILL_NOT_FOUND ? after_creator(request) : rc;
}

/* Waits before another look; each time longer. False once the deadline has passed. */
static bool pause_until(int64_t deadline, int64_t *pause)
{
    int64_t now = sill__now_ns();
    if (now >= deadline)
        return false;
    int64_t left = deadline - now;
    sill__sleep_ns(*pause < left ? *pause : left);
    if (*pause < LONGEST_PAUSE_NS)
        *pause *= 2;
    return true;
}

/* Looks until the state is one that has an answer. The way there may have failed now and then;
 * that is forgotten when the end is good. */
static int look_until(int (*once)(sill_region **, const struct sill__region_request *),
                      sill_region **out, const struct sill__region_request *request)
{
    sill_error before = *sill_last_error();
    int64_t pause = FIRST_PAUSE_NS;
    for (int doubts = 0;;) {
        int rc = once(out, request);
        if (rc == 0)
            sill__error_restore(&before);
        if (rc != SILL_AGAIN && rc != DOUBTFUL)
            return rc;
        if (rc == DOUBTFUL)
            doubts++;
        if (doubts < DOUBTFUL_MAX && pause_until(request->deadline, &pause))
            continue;
        if (rc == DOUBTFUL)
            return sill__region_explain(SILL_FOREIGN, request->name);
        return sill__fail(SILL_TIMEOUT,
                          "Another process has been creating the region \"%s\" for too long.",
                          request->name);
    }
}

int sill__region_open_named(sill_region **out, const struct sill__region_request *request)
{
    return look_until(open_once, out, request);
}

/* ---- creating ---- */

/* The name is in use: tells EXISTS from a creator that has not got so far. */
static int look_at_existing(const struct sill__region_request *request)
{
    struct sill__region_request look = *request;
    look.size = 0;
    sill_region *region = NULL;
    int rc = open_once(&region, &look);
    switch (rc) {
    case 0:
        sill_region_close(region);
        break;
    case DOUBTFUL:
    case SILL_DENIED:
    case SILL_FOREIGN:
    case SILL_VERSION:
    case SILL_WRONG_KIND:
    case SILL_WRONG_SIZE:
        break;
    case SILL_NOT_FOUND:
        return SILL_AGAIN;
    default:
        return rc;
    }
    return sill__fail(SILL_EXISTS, "The region \"%s\" exists already.", request->name);
}

/* Under our claim there is an object of this user under the object's name. 0: the name is free
 * now; FOREIGN: it is not; EXISTS: a whole region, which has a record again. */
static int settle_remains(const struct sill__region_request *request, sill__owner *owner,
                          struct sill__owner_info *info)
{
    struct sill__region_request look = *request;
    look.size = 0;
    sill_region *region;
    int rc = sill__region_attach(&region, &look, info->object);
    if (rc == 0) {
        info->size = region->size;
        info->kept = (request->ops->caps & SILL_REGION_PERSISTS) != 0;
        sill_region_close(region);
        rc = sill__owner_update(owner, info);
        return rc != 0
                   ? rc
                   : sill__fail(SILL_EXISTS, "The region \"%s\" exists already.", request->name);
    }
    if (rc == SILL_AGAIN)
        rc = request->ops->remove(info->object,
                                  sill__region_name_hash(request->ops->kind, request->name));
    return rc == 0 || rc == SILL_NOT_FOUND ? 0 : SILL_FOREIGN;
}

/* Makes the object under our claim, under the first name that nobody else has. */
static int make_object(sill_region **out, const struct sill__region_request *request,
                       sill__owner *owner, struct sill__owner_info *info)
{
    int rc = SILL_FOREIGN;
    for (unsigned attempt = 0; attempt < ATTEMPTS && rc == SILL_FOREIGN; attempt++) {
        rc = name_object(info->object, request, attempt);
        if (rc == 0)
            rc = sill__owner_update(owner, info);
        if (rc == 0)
            rc = sill__region_make(out, request, info->object);
        if (rc != SILL_EXISTS)
            continue;
        rc = settle_remains(request, owner, info);
        if (rc == 0)
            rc = sill__region_make(out, request, info->object);
        if (rc == SILL_EXISTS && info->size == 0)
            rc = SILL_FOREIGN;
    }
    return rc;
}

static int create_claimed(sill_region **out, const struct sill__region_request *request,
                          sill__owner *owner, struct sill__owner_info *info)
{
    sill_region *region;
    int rc = make_object(&region, request, owner, info);
    if (rc != 0) {
        sill__owner_release(owner, rc != SILL_EXISTS);
        return rc;
    }
    info->size = request->size;
    rc = sill__owner_update(owner, info);
    if (rc != 0) {
        sill_error first = *sill_last_error();
        sill_region_close(region);
        sill__region_remove_object(NULL, info);
        sill__owner_release(owner, true);
        sill__error_restore(&first);
        return rc;
    }
    bind_record(region, request, owner, info);
    *out = region;
    return 0;
}

static int create_once(sill_region **out, const struct sill__region_request *request)
{
    int rc = SILL_NOT_FOUND;
    if (request->open_existing)
        rc = open_once(out, request);
    if (rc != SILL_NOT_FOUND)
        return rc;
    /* Before the claim, since a claim rewrites the record, which alone may lead to the remains.
     * What keeps this from succeeding, the claim will tell. */
    clear_stale(request);
    struct sill__owner_info info, previous;
    fill_info(&info, request);
    sill__owner *owner;
    rc = sill__owner_claim(&owner, request->directory, &info, &previous);
    if (rc == SILL_EXISTS)
        return request->open_existing ? SILL_AGAIN : look_at_existing(request);
    if (rc != 0)
        return rc;
    if (previous.kind != 0)
        sill__region_remove_object(NULL, &previous);
    rc = create_claimed(out, request, owner, &info);
    return rc == SILL_EXISTS && request->open_existing ? SILL_AGAIN : rc;
}

int sill__region_create_named(sill_region **out, const struct sill__region_request *request)
{
    return look_until(create_once, out, request);
}

/* ---- removing by name ---- */

/* What removal under the directory's lock found. */
struct removal {
    const struct sill__region_ops *ops;
    int status;
};

/* A published region goes; one that is being made by a living creator is not there yet. What a dead
 * creator has not said to be published may be in use by others all the same. */
static int remove_published(void *arg, const struct sill__owner_info *info)
{
    struct removal *removal = arg;
    if (info->size == 0 && sill__process_alive(&info->process) != 0)
        return SILL_AGAIN;
    removal->status =
        removal->ops->remove(info->object, sill__region_name_hash(removal->ops->kind, info->name));
    if (removal->status == 0)
        SILL__STEP(region_removed);
    /* A record of what is not there, or not sill's any more, is of no use. */
    bool record_goes = removal->status == SILL_NOT_FOUND || removal->status == SILL_FOREIGN;
    return record_goes ? 0 : removal->status;
}

/* An object that has lost its record. */
static int remove_unrecorded(const struct sill__region_request *request)
{
    struct sill__owner_info info;
    fill_info(&info, request);
    int rc = name_object(info.object, request, 0);
    if (rc != 0)
        return rc;
    sill__owner *owner;
    rc = sill__owner_claim(&owner, request->directory, &info, NULL);
    if (rc != 0)
        return rc == SILL_EXISTS ? SILL_NOT_FOUND : rc;
    rc = request->ops->remove(info.object,
                              sill__region_name_hash(request->ops->kind, request->name));
    sill_error first = *sill_last_error();
    sill__owner_release(owner, true);
    sill__error_restore(&first);
    return rc;
}

int sill__region_remove_named(const struct sill__region_request *request)
{
    int rc = clear_stale(request);
    if (rc == SILL_EXISTS) {
        struct removal removal = {request->ops, 0};
        rc = sill__owner_remove_any(request->directory, request->ops->owner, request->name,
                                    remove_published, &removal);
        if (rc == 0)
            rc = removal.status;
        else if (rc == SILL_AGAIN)
            rc = SILL_NOT_FOUND;
    } else if (rc == SILL_NOT_FOUND) {
        rc = remove_unrecorded(request);
    }
    if (rc == SILL_NOT_FOUND)
        return sill__fail(SILL_NOT_FOUND, "There is no region \"%s\".", request->name);
    return rc;
}
