/* bench_process.c - starting and ending the second process of `sill bench`. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_os.h"
#include "cli.h"

enum { SELF_MAX = 4096 };

/* Passes on what it says on its standard error. */
static void pass_on(int file)
{
    char text[1024];
    long n;

    while ((n = os_read(file, text, sizeof text)) > 0)
        (void)os_write(2, text, (size_t)n);
}

/* Waits for its end and frees it. Its exit status. */
int bench_end_server(struct bench_server *server)
{
    int code = 0;
    int by_signal;

    os_close(server->in);
    pass_on(server->err);
    by_signal = os_process_wait(server->process, &code);
    os_close(server->out);
    os_close(server->err);
    os_process_free(server->process);
    return code == 0 && by_signal == 0 ? CLI_FINE : CLI_FAILED;
}

/* `argv` with what the second process is told, freed by the caller. */
static char **server_arguments(struct bench_client *client, int argc, char **argv, char *self,
                               char text[2][32])
{
    static char bench[] = "bench", peer[] = "--peer", core[] = "--core", most[] = "--size-max";
    char **all = calloc((size_t)argc + 9, sizeof(char *));
    uint64_t size = 0;
    unsigned i;

    if (!all)
        return NULL;
    for (i = 0; i < client->sizes.count; i++)
        size = client->sizes.list[i] > size ? client->sizes.list[i] : size;
    snprintf(text[0], 32, "%" PRIu64, size);
    memcpy(all, (char *[]){self, bench}, 2 * sizeof(char *));
    memcpy(all + 2, argv, (size_t)argc * sizeof(char *));
    memcpy(all + 2 + argc,
           (char *[]){peer, client->name, most, text[0], text[1][0] ? core : NULL, text[1]},
           6 * sizeof(char *));
    return all;
}

int bench_start_server(struct bench_client *client, struct bench_server *server, int argc,
                       char **argv, const unsigned cores[2], unsigned core_count)
{
    char self[SELF_MAX], text[2][32] = {"", ""};
    char line[8];
    char **arguments;

    if (bench_os_self(self, sizeof self) != 0)
        return cli_fail("this program's own file cannot be found");
    if (core_count == 2)
        snprintf(text[1], sizeof text[1], "%u", cores[1]);
    arguments = server_arguments(client, argc, argv, self, text);
    if (!arguments)
        return cli_fail("out of memory");
    server->process = os_process_start(arguments, &server->in, &server->out, &server->err);
    free(arguments);
    if (!server->process)
        return cli_fail("a second process of %s cannot be started", self);
    if (os_read(server->out, line, sizeof line) > 0)
        return -1;
    if (os_interrupted())
        os_process_kill(server->process);
    bench_end_server(server);
    return os_interrupted() ? CLI_INTERRUPTED : cli_fail("the second process has failed");
}
