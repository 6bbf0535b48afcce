/* bench_client.c - the first process of `sill bench`: connects and measures.
 *
 * The port that is in use is known to the interruption from the moment it exists until just before
 * it is closed.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { CONNECT_MS = 30000 };

/* A stream's messages may be held back until more have come, where ports know how. */
static const unsigned stream_flags = SILL_SEND_MORE;

/* ---- interruption ---- */

static _Atomic(sill_port *) in_use;

void bench_cancel(void *arg)
{
    sill_port *port = atomic_load(&in_use);

    (void)arg;
    if (port)
        sill_port_cancel(port);
}

int bench_fail(int status)
{
    bench_progress(NULL);
    return os_interrupted() ? CLI_INTERRUPTED : cli_fail_sill(status);
}

/* ---- one measurement ---- */

static int send_echo(void *arg)
{
    struct bench_client *client = arg;

    return bench_send(client->port, &client->options->way, client->data, client->size, BENCH_ECHO,
                      0);
}

static int receive(void *arg)
{
    struct bench_client *client = arg;
    int status = sill_receive(client->port, &client->message, -1);

    if (status != SILL_OK)
        return status;
    if (client->message.size >= 8)
        (void)bench_look(&client->message, &client->options->way);
    client->told.path = (uint64_t)client->message.path;
    sill_release(&client->message);
    return SILL_OK;
}

static int send_stream(void *arg)
{
    struct bench_client *client = arg;

    return bench_send(client->port, &client->options->way, client->data, client->size, BENCH_STREAM,
                      stream_flags);
}

static int finish_stream(void *arg)
{
    struct bench_client *client = arg;
    int status =
        bench_send(client->port, &client->options->way, client->data, client->size, BENCH_LAST, 0);

    if (status == SILL_OK)
        status = sill_receive(client->port, &client->message, -1);
    if (status != SILL_OK)
        return status;
    if (client->message.size == sizeof client->told)
        memcpy(&client->told, client->message.data, sizeof client->told);
    sill_release(&client->message);
    return SILL_OK;
}

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
    client->size = (size_t)size;
    if (client->mode == BENCH_LATENCY)
        status = bench_latency(&client->bench, send_echo, receive, client);
    else
        status = bench_throughput(&client->bench, size, send_stream, finish_stream,
                                  &client->told.ns, client);
    if (status != SILL_OK)
        return bench_fail(status);
    if (client->mode == BENCH_LATENCY)
        bench_result_latency(&client->bench, 2, &row);
    else
        bench_result_throughput(&client->bench, &row);
    row.path = sill_path_name((int)client->told.path);
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
    status = sill_port_get_traits(client->port, &traits);
    if (status != SILL_OK)
        return bench_fail(status);
    if (strcmp(traits.region, wanted) == 0)
        return -1;
    return cli_fail("--region %s is not available for ports here, which use %s", wanted,
                    *traits.region ? traits.region : "none");
}

static int connect_one(struct bench_client *client, sill_port **port)
{
    sill_port_options port_options = SILL_PORT_OPTIONS_INIT;
    sill_policy policy = SILL_POLICY_INIT;
    int status = bench_fill(&port_options, &policy, &client->options->way);

    if (status >= 0)
        return status;
    port_options.timeout_ms = CONNECT_MS;
    status = os_interrupted() ? SILL_CANCELED : sill_connect(port, client->name, &port_options);
    return status == SILL_OK ? -1 : bench_fail(status);
}

int bench_connect(struct bench_client *client)
{
    int status = connect_one(client, &client->port);

    if (status < 0) {
        atomic_store(&in_use, client->port);
        status = check_region(client);
    }
    return status;
}

int bench_connect_idle(struct bench_client *client)
{
    unsigned count = (unsigned)client->options->clients - 1;
    int status = -1;

    client->idle = calloc(count + 1, sizeof(sill_port *));
    if (!client->idle)
        return cli_fail("out of memory");
    for (; client->idle_count < count && status < 0; client->idle_count += status < 0)
        status = connect_one(client, &client->idle[client->idle_count]);
    return status;
}

void bench_close(struct bench_client *client)
{
    atomic_store(&in_use, NULL);
    os_interrupt_end();
    sill_release(&client->message);
    sill_port_close(client->port);
    while (client->idle_count > 0)
        sill_port_close(client->idle[--client->idle_count]);
    free(client->idle);
}
