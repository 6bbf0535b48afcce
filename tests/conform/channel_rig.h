/* channel_rig.h - what the tests of public channels share: a connected pair in one process, and
 * helper processes that echo, connect or listen.
 */
#ifndef CHANNEL_RIG_H
#define CHANNEL_RIG_H

#include "support.h"

#include <sill/channel.h>

#include "backends.h"
#include "clock.h"
#include "memory.h"
#include "object.h"

#ifndef _WIN32
#include <poll.h>
#endif

enum { MIB = 1024 * 1024 };

struct pair {
    char name[SUPPORT_NAME_SIZE];
    sill_listener *listener;
    sill_channel *client, *server;
};

static inline void listen_open(struct pair *pair, const sill_channel_options *options)
{
    memset(pair, 0, sizeof *pair);
    support_name(pair->name, "ch");
    support_ok(sill_channel_listen(&pair->listener, pair->name, options));
}

static inline void accept_client(struct pair *pair)
{
    support_ok(sill_channel_accept(pair->listener, &pair->server, SUPPORT_PATIENCE_MS));
}

static inline void pair_open(struct pair *pair)
{
    listen_open(pair, NULL);
    support_ok(sill_channel_connect(&pair->client, pair->name, NULL, SUPPORT_PATIENCE_MS));
    accept_client(pair);
}

static inline void pair_close(struct pair *pair)
{
    sill_channel_close(pair->client);
    sill_channel_close(pair->server);
    sill_listener_close(pair->listener);
}

static inline void send_text(sill_channel *channel, const char *text)
{
    support_ok(sill_channel_send(channel, text, strlen(text), NULL, 0, SUPPORT_PATIENCE_MS));
}

static inline void expect_text(sill_channel *channel, const char *text)
{
    char buffer[256];
    size_t size = 0;
    support_ok(sill_channel_receive(channel, buffer, sizeof buffer, &size, NULL, NULL,
                                    SUPPORT_PATIENCE_MS));
    assert_int_equal(size, strlen(text));
    assert_memory_equal(buffer, text, size);
}

/* What the next receive says instead of giving a frame. */
static inline int next_status(sill_channel *channel, int timeout_ms)
{
    char buffer[64];
    size_t size;
    return sill_channel_receive(channel, buffer, sizeof buffer, &size, NULL, NULL, timeout_ms);
}

static inline void fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((i * 7 + seed) ^ (i >> 8));
}

/* ---- helper processes ---- */

/* Connects and sends every frame back until the end. */
static inline int run_echo(int argc, char **argv)
{
    sill_channel *channel;
    static unsigned char buffer[MIB];
    size_t size;
    (void)argc;
    int status = sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS);
    if (status != SILL_OK)
        return 1;
    while ((status = sill_channel_receive(channel, buffer, MIB, &size, NULL, NULL, -1)) == SILL_OK)
        if (sill_channel_send(channel, buffer, size, NULL, 0, -1) != SILL_OK)
            return 2;
    sill_channel_close(channel);
    support_say("%s", sill_status_name(status));
    return 0;
}

/* Connects, sends three frames; told "close" it closes. */
static inline int run_client(int argc, char **argv)
{
    sill_channel *channel;
    char line[32];
    (void)argc;
    if (sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS) != SILL_OK)
        return 1;
    for (int i = 0; i < 3; i++)
        if (sill_channel_send(channel, &"abc"[i], 1, NULL, 0, SUPPORT_PATIENCE_MS) != SILL_OK)
            return 2;
    support_say("sent");
    if (support_listen(line, sizeof line, SUPPORT_PATIENCE_MS) && strcmp(line, "close") == 0) {
        sill_channel_close(channel);
        channel = NULL;
        support_say("closed");
        support_linger();
    }
    sill_channel_close(channel);
    return 0;
}

/* Listens and sits there. */
static inline int run_server(int argc, char **argv)
{
    sill_listener *listener;
    (void)argc;
    if (sill_channel_listen(&listener, argv[0], NULL) != SILL_OK)
        return 1;
    support_say("listening");
    support_linger();
    sill_listener_close(listener);
    return 0;
}

static inline struct support_process *start(const char *role, const char *name)
{
    const char *arguments[] = {name, NULL};
    return support_start(role, arguments, NULL);
}

#endif
