/* recv.c - sill recv: a server that writes the datagrams it gets. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sill.h>

#include "ends.h"
#include "files.h"
#include "os.h"

struct recv {
    struct ends ends;
    uint64_t count;
    const char *folder;
    int line;
    int null;
    int quiet;
    int verbose;
};

static const struct cli_option options[] = {
    {0, CLI_COUNT, "count", "N", offsetof(struct recv, count), 1,
     "end after N datagrams (default: at Ctrl-C)"},
    {'o', CLI_TEXT, "output", "DIR", offsetof(struct recv, folder), 0,
     "write each to a file of its own in DIR: 000001, 000002, ..."},
    {'n', CLI_FLAG, "line", NULL, offsetof(struct recv, line), 0, "a newline after each datagram"},
    {'0', CLI_FLAG, "null", NULL, offsetof(struct recv, null), 0, "a zero byte after each"},
    {'q', CLI_FLAG, "quiet", NULL, offsetof(struct recv, quiet), 0, "do not say that it listens"},
    {'v', CLI_FLAG, "verbose", NULL, offsetof(struct recv, verbose), 0,
     "say size, path and copies of each on standard error"},
    ENDS_SERVER_OPTIONS(struct recv),
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_recv = {
    "recv",
    "receive datagrams",
    "recv NAME [--count N] [-o DIR] [OPTION]...",
    "Listens as NAME and writes the bytes of each datagram to standard output as they come, with\n"
    "nothing between two unless -n or -0 asks for it. Refuses requests.\n",
    options,
    run,
    0,
};

static int write_to(const struct recv *recv, const char *path, const sill_message *datagram)
{
    struct output output;
    int status = output_open(&output, path);

    if (status >= 0)
        return status;
    status = output_write(&output, datagram->data, datagram->size);
    if (status < 0 && recv->line)
        status = output_write(&output, "\n", 1);
    if (status < 0 && recv->null)
        status = output_write(&output, "", 1);
    if (status < 0)
        status = output_commit(&output);
    output_discard(&output);
    return status;
}

static int write_datagram(const struct recv *recv, const sill_message *datagram, uint64_t number)
{
    size_t size;
    char *path;
    int status;

    if (recv->verbose)
        cli_note("datagram %zu bytes, %s, copies %u", datagram->size,
                 sill_path_name(datagram->path), datagram->copies);
    if (!recv->folder)
        return write_to(recv, NULL, datagram);
    size = strlen(recv->folder) + 32;
    if (!(path = malloc(size)))
        return cli_fail("out of memory");
    snprintf(path, size, "%s/%06" PRIu64, recv->folder, number);
    status = write_to(recv, path, datagram);
    free(path);
    return status;
}

/* Until `count` have come: -1. An exit status if it ends before. */
static int receive_all(const struct recv *recv, sill_server *server)
{
    static const char refusal[] = "this server takes datagrams, not requests";
    sill_message message = SILL_MESSAGE_INIT;
    uint64_t number = 0;
    int status = -1;

    while (status < 0 && (!recv->count || number < recv->count)) {
        if ((status = ends_receive(server, &message)) >= 0)
            break;
        if (message.type == SILL_CONNECT)
            sill_accept(server, &message, NULL, NULL, 0, NULL);
        else if (message.type == SILL_REQUEST)
            sill_refuse(&message, refusal, sizeof refusal - 1);
        else if (message.type == SILL_DATAGRAM)
            status = write_datagram(recv, &message, ++number);
        sill_release(&message);
    }
    sill_release(&message);
    return status;
}

static int run(int argc, char **argv)
{
    struct recv recv = {0};
    struct cli_arguments arguments;
    sill_server *server;
    unsigned mode;
    int status = cli_parse(argc, argv, &recv, &arguments);

    if (status >= 0)
        return status;
    if (arguments.count != 1)
        return arguments.count ? cli_wrong("'%s' is one argument too many", arguments.given[1])
                               : cli_wrong("the name to listen as is missing");
    if (recv.folder && os_kind_of(recv.folder, &mode) != OS_DIRECTORY)
        return cli_fail("%s is no directory", recv.folder);
    status = ends_listen(&server, arguments.given[0], &recv.ends);
    if (status >= 0)
        return status;
    if (!recv.quiet)
        cli_note("listening as %s", arguments.given[0]);
    status = receive_all(&recv, server);
    /* Without a count, Ctrl-C is the way to end it. */
    if (status == CLI_INTERRUPTED && !recv.count)
        status = CLI_FINE;
    else if (status == CLI_FINE && recv.count)
        status = CLI_INTERRUPTED;
    ends_close_server(server);
    return status < 0 ? CLI_FINE : status;
}
