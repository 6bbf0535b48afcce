/* bench_peer.c - the second process of `sill bench`: answers messages, or takes their time.
 *
 * It ends when its last client has gone, in whatever way: no process is left when the first one is
 * killed. It says "ready" on its standard output once clients may come.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_os.h"
#include "cli.h"

/* How long the first client may take to come. */
enum { FIRST_MS = 30000, TOGETHER = 64 };

struct peer {
    const struct bench_way *way;
    sill_server *server;
    void *data;
    struct bench_told told;
    uint64_t first_ns;
    unsigned clients;
    int had_clients;
};

int bench_fill(sill_port_options *options, sill_policy *policy, const struct bench_way *way)
{
    int status = way->policy_text
                     ? sill_policy_parse(policy, way->policy_text, strlen(way->policy_text), NULL)
                     : sill_policy_load(policy, way->policy, NULL, 0);

    if (status != SILL_OK)
        return cli_fail_sill(status);
    if (strcmp(way->wait, "spin") == 0)
        policy->spin_ns = 1000000000;
    else if (strcmp(way->wait, "block") == 0)
        policy->spin_ns = 0;
    options->policy = policy;
    options->path = way->path;
    options->family = way->family;
    options->directory = way->directory;
    if (way->region)
        options->region = sill_region_kind_parse(way->region);
    return -1;
}

int bench_send(sill_port *port, const struct bench_way *way, void *data, size_t size,
               enum bench_word word, unsigned flags)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    uint64_t first = word;
    void *block = data;
    int status;

    if (way->loan && (status = sill_loan(port, size, &block)) != SILL_OK)
        return status;
    memcpy(block, &first, sizeof first);
    if (way->loan)
        return sill_send_loan(port, block, size, -1);
    if (!flags)
        return sill_send(port, data, size, -1);
    options.flags = flags;
    return sill_send_with(port, data, size, &options, -1);
}

uint64_t bench_look(const sill_message *message, const struct bench_way *way)
{
    const volatile uint64_t *line = message->data;
    uint64_t first = line[0];
    size_t i;

    if (way->read)
        for (i = 8; i < message->size / 8; i += 8)
            (void)line[i];
    return first;
}

/* ---- what comes in ---- */

static int stream(struct peer *peer, const sill_message *message, uint64_t word)
{
    if (peer->told.count++ == 0)
        peer->first_ns = os_now_ns();
    if (word != BENCH_LAST)
        return SILL_OK;
    peer->told.ns = os_now_ns() - peer->first_ns;
    peer->told.path = (uint64_t)message->path;
    memcpy(peer->data, &peer->told, sizeof peer->told);
    peer->told.count = 0;
    return sill_send(message->port, peer->data, sizeof peer->told, -1);
}

static int datagram(struct peer *peer, const sill_message *message)
{
    uint64_t word;

    if (message->size < sizeof word)
        return SILL_OK;
    word = bench_look(message, peer->way);
    if (word == BENCH_ECHO)
        return bench_send(message->port, peer->way, peer->data, message->size, BENCH_ECHO, 0);
    return stream(peer, message, word);
}

static int request(sill_message *message)
{
    struct bench_usage usage = {
        .process = os_process_number(),
        .cpu_ns = bench_os_cpu_ns(),
        .private_bytes = bench_os_private_bytes(),
    };

    return sill_reply(message, &usage, sizeof usage);
}

/* What a failure on one client's port means is told by that client's last message. */
static void take(struct peer *peer, sill_message *message)
{
    if (message->type == SILL_DATAGRAM) {
        (void)datagram(peer, message);
    } else if (message->type == SILL_REQUEST) {
        (void)request(message);
    } else if (message->type == SILL_CONNECT) {
        if (sill_accept(peer->server, message, NULL, NULL, 0, NULL) == SILL_OK)
            peer->clients++;
        peer->had_clients = 1;
    } else if (message->type < 0) {
        peer->clients--;
    }
}

/* Messages of a stream are taken as many at once as are there. */
static int serve(struct peer *peer)
{
    sill_message messages[TOGETHER] = {SILL_MESSAGE_INIT};
    int status = SILL_OK;

    while (status == SILL_OK && (peer->clients > 0 || !peer->had_clients)) {
        size_t most = peer->told.count > 0 ? TOGETHER : 1, count, i;

        status = sill_server_receive_many(peer->server, messages, most, &count,
                                          peer->had_clients ? -1 : FIRST_MS);
        for (i = 0; i < count; i++)
            take(peer, &messages[i]);
        if (most > 1 && peer->told.count == 0)
            sill_release_many(messages, TOGETHER);
    } /* the next receive releases the messages */
    sill_release_many(messages, TOGETHER);
    return status == SILL_OK ? CLI_FINE : cli_fail_sill(status);
}

int bench_serve(const char *name, const struct bench_way *way, uint64_t size_max)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    struct peer peer = {.way = way};
    sill_policy policy = SILL_POLICY_INIT;
    size_t size = (size_t)size_max < sizeof peer.told ? sizeof peer.told : (size_t)size_max;
    int status = bench_fill(&options, &policy, way);

    if (status >= 0)
        return status;
    peer.data = malloc(size);
    if (!peer.data)
        return cli_fail("out of memory");
    memset(peer.data, 1, size);
    bench_os_many_files();
    status = sill_listen(&peer.server, name, &options);
    if (status != SILL_OK) {
        free(peer.data);
        return cli_fail_sill(status);
    }
    cli_print("ready\n");
    status = cli_finish(CLI_FINE);
    if (status == CLI_FINE)
        status = serve(&peer);
    sill_server_close(peer.server);
    free(peer.data);
    return status;
}
