/* system.c - what lives under sill's names, and cleaning away what nobody stands behind.
 *
 * Everything is told by owner records (owner.h). Listing holds no lock while the caller's function
 * runs. Cleaning judges each record again under the directory's lock at the moment of removal, so
 * a name that came back to life in between is left alone.
 */
#include <sill/system.h>

#include <string.h>

#include "backends.h"
#include "owner.h"
#include "pipe_ends.h"
#include "status.h"

#define DIRECTORY_SIZE 1024

static const struct sill__region_ops *region_of(enum sill__owner_kind kind)
{
    for (int i = 0; sill__regions[i] != NULL; i++)
        if (sill__regions[i]->owner == kind)
            return sill__regions[i];
    return NULL;
}

static int public_state(enum sill__owner_state state)
{
    switch (state) {
    case SILL__OWNER_STALE:
        return SILL_OBJECT_STALE;
    case SILL__OWNER_KEPT:
        return SILL_OBJECT_KEPT;
    case SILL__OWNER_LIVING:
    default:
        return SILL_OBJECT_LIVING;
    }
}

/* False for a kind that this binary does not have: another system's, which cannot be judged. */
static bool describe(sill_object *object, const struct sill__owner_info *info,
                     enum sill__owner_state state)
{
    memset(object, 0, sizeof *object);
    object->struct_size = sizeof *object;
    const struct sill__region_ops *region = region_of(info->kind);
    const struct sill__queue_ops *queue = sill__queue_ops_of_owner(info->kind);
    object->type = sill__owner_kind_noun(info->kind);
    if (info->kind == SILL__OWNER_SERVER)
        object->kind = sill__channel_of_record(info)->name;
    else if (region != NULL)
        object->kind = sill_region_kind_name(region->kind);
    else if (queue != NULL)
        object->kind = sill_channel_kind_name(queue->kind);
    else if (info->kind == SILL__OWNER_PIPE)
        object->kind = sill_channel_kind_name(SILL_CHANNEL_FIFO);
    else if (info->kind == SILL__OWNER_PIPE_PEER)
        object->kind = "fifo-peer";
    else
        return false;
    object->name = info->name;
    object->state = public_state(state);
    object->pid = info->process.pid;
    object->size = info->size;
    object->created = info->created;
    return true;
}

/* ---- listing ---- */

struct listing {
    sill_object_each *each;
    void *arg;
};

static int list_one(void *arg, const struct sill__owner_info *info, enum sill__owner_state state)
{
    struct listing *listing = arg;
    sill_object object;
    return describe(&object, info, state) ? listing->each(listing->arg, &object) : 0;
}

int sill_list(const char *directory, sill_object_each *each, void *arg)
{
    if (each == NULL)
        return sill__fail(SILL_INVALID, "sill_list needs a function to call for each object.");
    struct listing listing = {each, arg};
    return sill__owner_list(directory, list_one, &listing);
}

/* ---- cleaning ---- */

struct cleaning {
    char *directory; /* resolved */
    bool dry_run;
    sill_object_each *each; /* may be NULL */
    void *arg;
    int failed; /* the first failure: one object that cannot be removed does not save the others */
};

static int remove_object(void *arg, const struct sill__owner_info *info)
{
    struct cleaning *cleaning = arg;
    if (info->kind == SILL__OWNER_PIPE || info->kind == SILL__OWNER_PIPE_PEER)
        return sill__pipe_remove_object(cleaning->directory, info);
    if (sill__queue_ops_of_owner(info->kind) != NULL)
        return sill__queue_remove_object(cleaning->directory, info);
    if (info->kind != SILL__OWNER_SERVER)
        return sill__region_remove_object(NULL, info);
    struct sill__place place = {.name = info->name,
                                .directory = cleaning->directory,
                                .access = SILL_ACCESS_USER,
                                .object = info->object};
    sill__owner_file_name(SILL__OWNER_SERVER, info->name, place.file);
    return sill__channel_of_record(info)->remove_stale(&place);
}

/* 0 when it was removed (or would be), EXISTS when it lives by now, NOT_FOUND when it is gone. */
static int remove_one(struct cleaning *cleaning, const struct sill__owner_info *info)
{
    if (cleaning->dry_run)
        return SILL_OK;
    return sill__owner_remove_stale(cleaning->directory, info->kind, info->name, remove_object,
                                    cleaning);
}

static int clean_one(void *arg, const struct sill__owner_info *info, enum sill__owner_state state)
{
    struct cleaning *cleaning = arg;
    sill_object object;
    if (state != SILL__OWNER_STALE || !describe(&object, info, state))
        return 0;
    int status = remove_one(cleaning, info);
    if (status == SILL_OK)
        return cleaning->each == NULL ? 0 : cleaning->each(cleaning->arg, &object);
    if (status != SILL_EXISTS && status != SILL_NOT_FOUND && cleaning->failed == SILL_OK)
        cleaning->failed = status;
    return 0;
}

int sill_clean(const char *directory, int dry_run, sill_object_each *each, void *arg)
{
    char path[DIRECTORY_SIZE];
    int status = sill__runtime_directory(directory, path, sizeof path);
    if (status != SILL_OK)
        return status;
    struct cleaning cleaning = {path, dry_run != 0, each, arg, SILL_OK};
    status = sill__owner_list(path, clean_one, &cleaning);
    return status != SILL_OK ? status : cleaning.failed;
}
