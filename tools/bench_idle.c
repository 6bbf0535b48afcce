/* bench_idle.c - what clients cost that are connected and do nothing: memory for each, and the
 * server's processor time for all. */
#include "bench_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench_os.h"
#include "cli.h"

enum { ANSWER_MS = 30000 };

struct cost {
    struct bench_usage server;
    int64_t own_bytes;
    int64_t shared_bytes;
};

static int look(struct bench_client *client, struct cost *cost)
{
    sill_message reply = SILL_MESSAGE_INIT;
    int status = sill_call(client->pair.port, "?", 1, &reply, ANSWER_MS);
    unsigned both[2];

    if (status != SILL_OK)
        return bench_fail(status);
    if (reply.size == sizeof cost->server)
        memcpy(&cost->server, reply.data, sizeof cost->server);
    sill_release(&reply);
    both[0] = os_process_number();
    both[1] = (unsigned)cost->server.process;
    cost->own_bytes = bench_os_private_bytes();
    cost->shared_bytes = bench_os_shared_bytes(both, 2);
    return -1;
}

static void print_bytes(const char *name, int64_t bytes, int json)
{
    if (json && bytes < 0)
        printf("\"%s\":null", name);
    else if (json)
        printf("\"%s\":%" PRId64, name, bytes);
    else if (bytes < 0)
        printf("  %-16s not known\n", name);
    else
        printf("  %-16s %.1f KiB\n", name, (double)bytes / 1024);
}

static void print_idle(const struct bench_client *client, double cpu_ns, double seconds,
                       const int64_t bytes[4])
{
    static const char *const names[4] = {"server", "client", "shared", "total"};
    int json = client->options->json;
    int i;

    if (json)
        printf("{\"mode\":\"idle\",\"wait\":\"%s\",\"clients\":%" PRIu64
               ",\"seconds\":%.3f,\"server_cpu_ns\":%.0f,\"bytes_per_client\":{",
               client->options->way.wait, client->options->clients, seconds, cpu_ns);
    else
        printf("%u idle clients\nserver's processor time in %.2f s: %.3f ms\nmemory for each:\n",
               client->idle_count, seconds, cpu_ns / 1e6);
    for (i = 0; i < 4; i++) {
        print_bytes(names[i], bytes[i], json);
        if (json)
            printf(i < 3 ? "," : "}}\n");
    }
}

static int64_t each(int64_t before, int64_t after, unsigned count)
{
    if (before < 0 || after < 0)
        return -1;
    return after > before && count > 0 ? (after - before) / count : 0;
}

static void report(const struct bench_client *client, const struct cost cost[3], double seconds)
{
    unsigned count = client->idle_count;
    int64_t bytes[4];

    bytes[0] = each(cost[0].server.private_bytes, cost[1].server.private_bytes, count);
    bytes[1] = each(cost[0].own_bytes, cost[1].own_bytes, count);
    bytes[2] = each(cost[0].shared_bytes, cost[1].shared_bytes, count);
    bytes[3] = bytes[0] < 0 || bytes[1] < 0 || bytes[2] < 0 ? -1 : bytes[0] + bytes[1] + bytes[2];
    print_idle(client, (double)(cost[2].server.cpu_ns - cost[1].server.cpu_ns), seconds, bytes);
}

/* The memory before and after the idle clients come, then the server's time while nothing is done.
 */
int bench_measure_idle(struct bench_client *client)
{
    struct cost cost[3] = {{{0}, 0, 0}};
    uint64_t begin = 0, end = 0;
    int status = look(client, &cost[0]);

    if (status < 0)
        status = bench_connect_idle(client);
    if (status < 0) {
        os_sleep_ms(200);
        status = look(client, &cost[1]);
    }
    begin = os_now_ns();
    end = begin + (uint64_t)(client->bench.seconds * 1e9);
    while (status < 0 && !os_interrupted() && os_now_ns() < end)
        os_sleep_ms(end - os_now_ns() > 100000000 ? 100 : 1);
    end = os_now_ns();
    if (status < 0)
        status = os_interrupted() ? CLI_INTERRUPTED : look(client, &cost[2]);
    if (status < 0)
        report(client, cost, (double)(end - begin) / 1e9);
    return status;
}
