/* bench.c - sill bench: how long messages take between two processes.
 *
 * This process is the client and measures; it starts a second one, the server (bench_peer.c). Each
 * is kept on a core of its own. The further clients of --clients are idle ports of this process.
 * Ctrl-C cancels the port that is in use; everything is then closed in order, which ends the server
 * too.
 */
#include "bench_client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_os.h"
#include "cli.h"

enum { CLIENTS_MAX = 65536 };

/* clang-format off */
static const struct cli_option options[] = {
    {0, CLI_TEXT, "sizes", "LIST", offsetof(struct bench_options, sizes), 0,
     "sizes of the messages (default 8,64,512,4K,64K,1M,16M; with --compare 8 to 64M)"},
    {0, CLI_TEXT, "mode", "MODE", offsetof(struct bench_options, mode), 0,
     "latency (default), throughput or idle"},
    {0, CLI_FLAG, "compare", NULL, offsetof(struct bench_options, compare), 0,
     "latency of each path and of the policy's choice, and the regret"},
    {0, CLI_TEXT, "wait", "HOW", offsetof(struct bench_options, way.wait), 0,
     "receivers spin or block (default: the policy's way)"},
    {0, CLI_PATH, "path", "PATH", offsetof(struct bench_options, way.path), 0,
     "auto, channel, inline, mapped or rounds (default: the policy's)"},
    {0, CLI_FLAG, "loan", NULL, offsetof(struct bench_options, way.loan), 0,
     "messages are built in place; only their first 8 bytes are written"},
    {0, CLI_FLAG, "read", NULL, offsetof(struct bench_options, way.read), 0,
     "receivers read all of each message, not only its first 8 bytes"},
    {0, CLI_COUNT, "clients", "N", offsetof(struct bench_options, clients), 1,
     "so many clients are connected, all but one idle (default 1)"},
    {0, CLI_TEXT, "seconds", "S", offsetof(struct bench_options, seconds), 0,
     "time for each size (default 1)"},
    {0, CLI_FAMILY, "family", "F", offsetof(struct bench_options, way.family), 0,
     "auto (default), posix, win32 or sysv"},
    {0, CLI_TEXT, "region", "KIND", offsetof(struct bench_options, way.region), 0,
     "kind of the shared memory (default: the library's choice)"},
    {0, CLI_TEXT, "policy", "FILE", offsetof(struct bench_options, way.policy), 0,
     "the policy file to use"},
    {0, CLI_TEXT, "directory", "DIR", offsetof(struct bench_options, way.directory), 0,
     "runtime directory (default: the user's)"},
    {0, CLI_FLAG, "json", NULL, offsetof(struct bench_options, json), 0,
     "print a line of JSON for each measurement"},
    {0, CLI_TEXT, "policy-text", "JSON", offsetof(struct bench_options, way.policy_text), 0, NULL},
    {0, CLI_TEXT, "peer", "NAME", offsetof(struct bench_options, peer), 0, NULL},
    {0, CLI_COUNT, "core", "N", offsetof(struct bench_options, core), 0, NULL},
    {0, CLI_COUNT, "size-max", "N", offsetof(struct bench_options, size_max), 0, NULL},
    CLI_HELP_OPTION,
    CLI_END,
};
/* clang-format on */

static int run(int argc, char **argv);

const struct cli_command cli_bench = {
    "bench",
    "measure latency and throughput",
    "bench [--sizes LIST] [--mode MODE] [--wait HOW] [OPTION]...\n"
    "bench --compare [--sizes LIST] [--policy FILE] [OPTION]...",
    "Measures messages between two processes, each on a core of its own. Latency is half the "
    "round\n"
    "trip of a datagram and its answer; throughput is what the receiver gets, from the first to\n"
    "the last; idle is what clients cost that are connected and do nothing. A message is read in\n"
    "place, at its first 8 bytes only: with --loan too, so that what does not depend on the size\n"
    "shows. With --compare messages are read whole, and what the policy chooses is set beside "
    "every\n"
    "path: regret is its time divided by that of the best.\n",
    options,
    run,
    0,
};

/* The largest message of them. */
static uint64_t largest(const struct bench_sizes *sizes)
{
    uint64_t size = 0;
    unsigned i;

    for (i = 0; i < sizes->count; i++)
        size = sizes->list[i] > size ? sizes->list[i] : size;
    return size;
}

static int run_client(struct bench_client *client)
{
    int status, end;

    bench_pairs_begin();
    status = bench_pair_start(&client->pair, largest(&client->sizes));
    if (status < 0 && client->mode == BENCH_IDLE) {
        if ((status = bench_connect(client)) < 0)
            status = bench_measure_idle(client);
    } else if (status < 0) {
        status = bench_connect_idle(client);
        if (status < 0 && (status = bench_connect(client)) < 0)
            status = bench_measure(client);
    }
    bench_pairs_end();
    bench_close_idle(client);
    end = bench_pair_stop(&client->pair);
    if (end >= 0 && status < 0)
        status = cli_fail("the second process has failed");
    return status < 0 ? CLI_FINE : status;
}

static int check_texts(struct bench_client *client, const struct bench_options *o, double *seconds)
{
    static const char *const modes[] = {"latency", "throughput", "idle"};
    const char *why;
    unsigned i;

    if (strcmp(o->way.wait, "policy") != 0 && strcmp(o->way.wait, "spin") != 0 &&
        strcmp(o->way.wait, "block") != 0)
        return cli_wrong("--wait '%s': it must be spin or block", o->way.wait);
    for (i = 0; i < 3 && strcmp(o->mode, modes[i]) != 0; i++)
        continue;
    if (i == 3)
        return cli_wrong("--mode '%s': it must be latency, throughput or idle", o->mode);
    client->mode = (enum bench_mode)i;
    if ((why = bench_parse_sizes(o->sizes, &client->sizes)))
        return cli_wrong("--sizes '%s': %s", o->sizes, why);
    if ((why = bench_parse_seconds(o->seconds, seconds)))
        return cli_wrong("--seconds '%s': %s", o->seconds, why);
    if (o->compare && (client->mode != BENCH_LATENCY || o->way.loan || o->clients > 1))
        return cli_wrong("--compare measures latency: not with --mode, --loan or --clients");
    if (o->clients > CLIENTS_MAX)
        return cli_wrong("--clients: at most %d", CLIENTS_MAX);
    if (o->way.region && sill_region_kind_parse(o->way.region) < 0)
        return cli_wrong("--region '%s': there is no such kind", o->way.region);
    return -1;
}

static int prepare(struct bench_client *client, double seconds)
{
    size_t size = (size_t)largest(&client->sizes);

    client->pair.data = malloc(size + 1);
    if (!client->pair.data || bench_begin(&client->bench, seconds) != 0) {
        free(client->pair.data);
        return cli_fail("out of memory");
    }
    memset(client->pair.data, 1, size);
    client->pair.way = client->options->way;
    bench_os_many_files();
    return -1;
}

static const char compare_sizes[] = "8,16,32,64,128,256,512,1K,2K,4K,8K,16K,32K,64K,128K,256K,512K,"
                                    "1M,2M,4M,8M,16M,32M,64M";

static int run(int argc, char **argv)
{
    struct bench_options o = {.way = {.wait = "policy"},
                              .clients = 1,
                              .mode = "latency",
                              .seconds = "1",
                              .core = UINT64_MAX};
    struct bench_client client = {.options = &o, .pair = {.message = SILL_MESSAGE_INIT}};
    struct cli_arguments arguments;
    double seconds = 0;
    int status = cli_parse(argc, argv, &o, &arguments);

    if (status >= 0)
        return status;
    if (arguments.count > 0)
        return cli_wrong("'%s' is one argument too many", arguments.given[0]);
    if (o.peer) {
        if (o.core < UINT_MAX)
            (void)bench_os_pin((unsigned)o.core);
        return bench_serve(o.peer, &o.way, o.size_max);
    }
    if (!o.sizes)
        o.sizes = o.compare ? compare_sizes : "8,64,512,4K,64K,1M,16M";
    if ((status = check_texts(&client, &o, &seconds)) >= 0)
        return status;
    if (o.compare)
        return bench_compare(&o, &client.sizes, seconds);
    if ((status = prepare(&client, seconds)) >= 0)
        return status;
    status = run_client(&client);
    bench_end(&client.bench);
    free(client.pair.data);
    return status;
}
