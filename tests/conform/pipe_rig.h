/* pipe_rig.h - what the tests of named pipes share: places, a connected pair, bytes. Windows only.
 */
#ifndef PIPE_RIG_H
#define PIPE_RIG_H

#include <windows.h>

#include <aclapi.h>
#include <sddl.h>

#include "backends.h"
#include "clock.h"
#include "wait.h"

#include "support.h"

extern const struct sill__channel_ops sill__pipe_ops;
static const struct sill__channel_ops *const ops = &sill__pipe_ops;

enum { TOKEN = 32, QUEUE = 16, BLOCK = 65536 };

static char place_name[SUPPORT_NAME_SIZE];
static char file_path[SUPPORT_PATH_SIZE];

static inline struct sill__place place_make(void)
{
    struct sill__place place = {.name = place_name, .directory = support_directory()};
    char file[sizeof place.file + 8];
    support_name(place_name, "Pipe");
    snprintf(place.file, sizeof place.file, "t.%s", place_name);
    snprintf(file, sizeof file, "%s~pipe", place.file);
    support_path(file_path, file);
    return place;
}

/* The same place, in a helper. */
static inline struct sill__place place_of(const char *name)
{
    struct sill__place place = {.name = name, .directory = getenv("SILL_RUNTIME_DIR")};
    snprintf(place.file, sizeof place.file, "t.%s", name);
    return place;
}

static inline int64_t patience(void)
{
    return sill__deadline(SUPPORT_PATIENCE_MS);
}

/* Waits until `key` is reported in `wait`. False when the time is over. */
static inline bool reported(sill__wait *wait, const void *key)
{
    int64_t deadline = patience();
    struct sill__event event;
    size_t count;
    while (sill__wait_for(wait, deadline, &event, 1, &count) == SILL_OK)
        if (count == 1 && event.key == key)
            return true;
    return false;
}

static inline int accept_one(sill__listen *listen, sill__wait *wait, sill__conn **out)
{
    int status;
    while ((status = ops->accept(listen, out)) == SILL_AGAIN)
        if (!reported(wait, listen))
            return SILL_TIMEOUT;
    return status;
}

/* A listener and its wait set, a client and the server's end of it, each end in a wait of its own.
 */
struct pair {
    sill__wait *listen_wait, *client_wait, *server_wait;
    sill__listen *listen;
    sill__conn *client, *server;
};

static inline void listen_open(struct pair *pair, const struct sill__place *place)
{
    memset(pair, 0, sizeof *pair);
    support_ok(sill__wait_create(&pair->listen_wait));
    support_ok(ops->listen(&pair->listen, place));
    support_ok(ops->watch_listen(pair->listen, pair->listen_wait, pair->listen));
}

static inline void accept_client(struct pair *pair)
{
    support_ok(sill__wait_create(&pair->server_wait));
    support_ok(accept_one(pair->listen, pair->listen_wait, &pair->server));
    support_ok(ops->watch(pair->server, pair->server_wait, pair->server));
}

static inline void pair_open(struct pair *pair, const struct sill__place *place)
{
    listen_open(pair, place);
    support_ok(ops->connect(&pair->client, place, patience()));
    support_ok(sill__wait_create(&pair->client_wait));
    support_ok(ops->watch(pair->client, pair->client_wait, pair->client));
    accept_client(pair);
}

static inline void pair_close(struct pair *pair)
{
    if (pair->client != NULL)
        ops->close(pair->client);
    if (pair->server != NULL)
        ops->close(pair->server);
    if (pair->listen != NULL)
        ops->unlisten(pair->listen, true);
    sill__wait *waits[] = {pair->client_wait, pair->server_wait, pair->listen_wait};
    for (int i = 0; i < 3; i++)
        if (waits[i] != NULL)
            sill__wait_destroy(waits[i]);
}

static inline int send_some(sill__conn *conn, const void *data, size_t size, size_t *sent)
{
    struct sill__bytes part = {data, size};
    return ops->send(conn, &part, 1, NULL, 0, sent);
}

/* Sends until the channel is full; how many bytes went. The bytes count up. */
static inline size_t fill(sill__conn *conn)
{
    static unsigned char block[BLOCK];
    size_t all = 0, sent = 0;
    int status;
    do {
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = (unsigned char)((all + i) % 251);
        status = send_some(conn, block, BLOCK, &sent);
        all += status == SILL_OK ? sent : 0;
    } while (status == SILL_OK);
    return status == SILL_AGAIN ? all : 0;
}

/* Receives until something else than bytes comes, or `most` of them have; checks that they count
 * up. */
static inline size_t drain(sill__conn *conn, sill__wait *wait, size_t most, int *status)
{
    static unsigned char block[BLOCK];
    size_t all = 0, got = 0;
    *status = SILL_OK;
    while (all < most) {
        *status = ops->recv(conn, block, most - all < BLOCK ? most - all : BLOCK, &got);
        if (*status == SILL_AGAIN && reported(wait, conn))
            continue;
        if (*status != SILL_OK)
            return all;
        for (size_t i = 0; i < got; i++, all++)
            if (block[i] != (unsigned char)(all % 251))
                fail_msg("byte %zu is wrong", all);
    }
    return all;
}

static inline void one_byte_goes(sill__conn *from, sill__conn *to, sill__wait *wait)
{
    size_t count = 0;
    char byte = 0;
    int status;
    support_ok(send_some(from, "b", 1, &count));
    assert_int_equal(count, 1);
    while ((status = ops->recv(to, &byte, 1, &count)) == SILL_AGAIN)
        assert_true(reported(wait, to));
    support_ok(status);
    assert_int_equal(byte, 'b');
}

#endif
