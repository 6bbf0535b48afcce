/* channel_open.c - names, owner records and server identity of channels. See channel.h.
 *
 * Nothing is shared here. On failure everything that was claimed or made is given back.
 */
#include "channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends.h"
#include "status.h"
#include "step.h"

#define DIRECTORY_SIZE 1024

/* The place of `name`: checked, with its directory in `directory`. */
static int find_place(struct sill__place *place, char directory[DIRECTORY_SIZE], const char *name,
                      const char *wanted, int access)
{
    int status = sill__name_check(name);
    if (status != SILL_OK)
        return status;
    status = sill__runtime_directory(wanted, directory, DIRECTORY_SIZE);
    if (status != SILL_OK)
        return status;
    place->name = name;
    place->directory = directory;
    place->access = access;
    place->object = NULL;
    sill__owner_file_name(SILL__OWNER_SERVER, name, place->file);
    return SILL_OK;
}

/* What an ended server of the same name left: it is found by its record alone, or lies where ours
 * will be; that is for `listen` to see to, and the record may be taken over. */
struct remains {
    const struct sill__channel_ops *ops;
    struct sill__place place;
};

static int remove_remains(void *arg, const struct sill__owner_info *info)
{
    struct remains *remains = arg;
    const struct sill__channel_ops *ops = sill__channel_of_record(info);
    if (ops == remains->ops && ops->object == NULL)
        return SILL_EXISTS;
    remains->place.object = info->object;
    return ops->remove_stale(&remains->place);
}

static int clear(const struct sill__place *place, const struct sill__channel_ops *ops)
{
    if (sill__channels[1] == NULL)
        return SILL_OK;
    struct remains remains = {ops, *place};
    int status = sill__owner_remove_stale(place->directory, SILL__OWNER_SERVER, place->name,
                                          remove_remains, &remains);
    /* Anything else is for the claim to judge and to tell. */
    return status == SILL_DENIED || status == SILL_OS ? status : SILL_OK;
}

/* `info` is the record; its object says where that which `listen` makes will be. */
static int claim(sill__owner **out, struct sill__owner_info *info, const struct sill__place *place,
                 const struct sill__channel_ops *ops)
{
    *info = (struct sill__owner_info){.kind = SILL__OWNER_SERVER, .created = (int64_t)time(NULL)};
    snprintf(info->name, sizeof info->name, "%s", place->name);
    snprintf(info->object, sizeof info->object, "%s", ops->name);
    int status = ops->object != NULL ? ops->object(info->object, place) : SILL_OK;
    if (status != SILL_OK)
        return status;
    sill__process_self(&info->process);
    return sill__owner_claim(out, place->directory, info, NULL);
}

int sill__listener_open(struct sill__named_listen *out, const struct sill__channel_ops *ops,
                        const char *name, const char *directory, int access)
{
    char path[DIRECTORY_SIZE];
    struct sill__place place;
    struct sill__owner_info info;
    sill__owner *owner;
    sill__listen *listen;
    if (access != SILL_ACCESS_USER && access != SILL_ACCESS_ALL)
        return sill__fail(SILL_INVALID,
                          "The access %d is neither SILL_ACCESS_USER nor "
                          "SILL_ACCESS_ALL.",
                          access);
    int status = find_place(&place, path, name, directory, access);
    if (status == SILL_OK)
        status = clear(&place, ops);
    if (status == SILL_OK)
        status = claim(&owner, &info, &place, ops);
    if (status != SILL_OK)
        return status;
    place.object = info.object;
    SILL__STEP(listen_claimed);
    status = ops->listen(&listen, &place);
    if (status != SILL_OK) {
        sill__owner_release(owner, true);
        return status;
    }
    *out = (struct sill__named_listen){ops, listen, owner};
    return SILL_OK;
}

void sill__listener_shut(struct sill__named_listen *listen, bool remove)
{
    bool gone = listen->ops->unlisten(listen->listen, remove);
    sill__owner_release(listen->owner, remove && gone);
    *listen = (struct sill__named_listen){0};
}

static int check_server(const sill_peer *peer, const char *name, const struct sill__expect *expect)
{
    if (expect->server_uid_set && (int64_t)peer->uid != expect->server_uid)
        return sill__fail(SILL_DENIED,
                          "The server \"%s\" runs as uid %" PRIu32 ", not as %" PRId64
                          " as was asked for.",
                          name, peer->uid, expect->server_uid);
    if (expect->server_sid != NULL && strcmp(peer->sid, expect->server_sid) != 0)
        return sill__fail(SILL_DENIED,
                          "The server \"%s\" runs as \"%s\", not as \"%s\" as was asked for.", name,
                          peer->sid, expect->server_sid);
    if (expect->any_server || expect->server_uid_set || expect->server_sid != NULL ||
        sill__peer_trusted(peer))
        return SILL_OK;
    return sill__fail(SILL_DENIED,
                      "The server \"%s\" (process %" PRIu32 ") is run by another user; set "
                      "any_server to talk to it all the same.",
                      name, peer->pid);
}

/* By `ops`, or, if that is NULL, by the first channel by which somebody listens. Where nobody does,
 * the default's failure is told. */
static int connect_by(sill__conn **out, const struct sill__channel_ops *ops,
                      const struct sill__place *place, int64_t deadline)
{
    if (ops != NULL)
        return ops->connect(out, place, deadline);
    int status = sill__channels[0]->connect(out, place, deadline);
    sill_error first = *sill_last_error();
    for (int i = 1; status == SILL_NOT_FOUND && sill__channels[i] != NULL; i++)
        status = sill__channels[i]->connect(out, place, deadline);
    if (status == SILL_NOT_FOUND)
        sill__error_restore(&first);
    return status;
}

int sill__client_open(sill__conn **out, const struct sill__channel_ops *ops, const char *name,
                      const char *directory, const struct sill__expect *expect, int64_t deadline)
{
    char path[DIRECTORY_SIZE];
    struct sill__place place;
    sill__conn *conn = NULL;
    int status = find_place(&place, path, name, directory, SILL_ACCESS_USER);
    if (status == SILL_OK)
        status = connect_by(&conn, ops, &place, deadline);
    if (status != SILL_OK)
        return status;
    status = check_server(conn->ops->peer(conn), name, expect);
    if (status != SILL_OK) {
        conn->ops->close(conn);
        return status;
    }
    *out = conn;
    return SILL_OK;
}
