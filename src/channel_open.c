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
    sill__owner_file_name(SILL__OWNER_SERVER, name, place->file);
    return SILL_OK;
}

static int claim(sill__owner **out, const struct sill__place *place,
                 const struct sill__channel_ops *ops)
{
    struct sill__owner_info info = {.kind = SILL__OWNER_SERVER, .created = (int64_t)time(NULL)};
    snprintf(info.name, sizeof info.name, "%s", place->name);
    snprintf(info.object, sizeof info.object, "%s", ops->name);
    sill__process_self(&info.process);
    return sill__owner_claim(out, place->directory, &info, NULL);
}

int sill__listener_open(struct sill__named_listen *out, const char *name, const char *directory,
                        int access)
{
    const struct sill__channel_ops *ops = sill__channels[0];
    char path[DIRECTORY_SIZE];
    struct sill__place place;
    sill__owner *owner;
    sill__listen *listen;
    if (access != SILL_ACCESS_USER && access != SILL_ACCESS_ALL)
        return sill__fail(SILL_INVALID,
                          "The access %d is neither SILL_ACCESS_USER nor "
                          "SILL_ACCESS_ALL.",
                          access);
    int status = find_place(&place, path, name, directory, access);
    if (status == SILL_OK)
        status = claim(&owner, &place, ops);
    if (status != SILL_OK)
        return status;
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
    listen->ops->unlisten(listen->listen, remove);
    sill__owner_release(listen->owner, remove);
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

int sill__client_open(sill__conn **out, const char *name, const char *directory,
                      const struct sill__expect *expect, int64_t deadline)
{
    const struct sill__channel_ops *ops = sill__channels[0];
    char path[DIRECTORY_SIZE];
    struct sill__place place;
    sill__conn *conn = NULL;
    int status = find_place(&place, path, name, directory, SILL_ACCESS_USER);
    if (status == SILL_OK)
        status = ops->connect(&conn, &place, deadline);
    if (status != SILL_OK)
        return status;
    status = check_server(ops->peer(conn), name, expect);
    if (status != SILL_OK) {
        ops->close(conn);
        return status;
    }
    *out = conn;
    return SILL_OK;
}
