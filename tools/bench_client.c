/* bench_client.c - the first process of `sill bench`: connects and measures. */
#include "bench_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- one measurement ---- */

/* -1, or an exit status. */
static int measure(struct bench_client *client, uint64_t size)
{
    const struct bench_options *o = client->options;
    struct bench_row row = {.size = size,
                            .wait = o->way.wait,
                            .clients = (unsigned long)o->clients,
                            .loan = o->way.loan};
    char text[80];
    int status;

    snprintf(text, sizeof text, "%s, %" PRIu64 " bytes ...", o->mode, size);
    bench_progress(text);
    client->pair.size = (size_t)size;
    if (client->mode == BENCH_LATENCY)
        status = bench_latency(&client->bench, bench_pair_send, bench_pair_receive, &client->pair);
    else
        status = bench_throughput(&client->bench, size, bench_pair_stream, bench_pair_finish,
                                  &client->pair.told.ns, &client->pair);
    if (status != SILL_OK)
        return bench_fail(status);
    if (client->mode == BENCH_LATENCY)
        bench_result_latency(&client->bench, 2, &row);
    else
        bench_result_throughput(&client->bench, &row);
    row.path = sill_path_name((int)client->pair.told.path);
    bench_progress(NULL);
    bench_print(&row, o->json);
    return -1;
}

int bench_measure(struct bench_client *client)
{
    int status = -1;
    unsigned i;

    bench_print_heading(client->options->json, client->mode == BENCH_THROUGHPUT);
    for (i = 0; i < client->sizes.count && status < 0; i++)
        status = measure(client, client->sizes.list[i]);
    return status;
}

/* ---- connecting ---- */

/* Is the shared memory of the kind that was asked for? -1, or an exit status. */
static int check_region(const struct bench_client *client)
{
    sill_port_traits traits = {.struct_size = sizeof traits};
    const char *wanted = client->options->way.region;
    int status;

    if (!wanted || strcmp(wanted, "auto") == 0)
        return -1;
    status = sill_port_get_traits(client->pair.port, &traits);
    if (status != SILL_OK)
        return bench_fail(status);
    if (strcmp(traits.region, wanted) == 0)
        return -1;
    return cli_fail("--region %s is not available for ports here, which use %s", wanted,
                    *traits.region ? traits.region : "none");
}

int bench_connect(struct bench_client *client)
{
    int status = bench_pair_connect(&client->pair);

    return status < 0 ? check_region(client) : status;
}

int bench_connect_idle(struct bench_client *client)
{
    unsigned count = (unsigned)client->options->clients - 1;
    int status = -1;

    client->idle = calloc(count + 1, sizeof(sill_port *));
    if (!client->idle)
        return cli_fail("out of memory");
    for (; client->idle_count < count && status < 0; client->idle_count += status < 0)
        status = bench_pair_open(&client->pair, &client->idle[client->idle_count]);
    return status;
}

void bench_close_idle(struct bench_client *client)
{
    while (client->idle_count > 0)
        sill_port_close(client->idle[--client->idle_count]);
    free(client->idle);
}
