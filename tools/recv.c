/* recv.c - sill recv: a server that writes the datagrams it gets, or what comes over a kind of
 * channel (recv_channel.c).
 */
#include "cli.h"

#include <sill.h>

#include "channels.h"
#include "ends.h"
#include "os.h"
#include "sink.h"

struct recv {
    struct ends ends;
    struct channel channel;
    struct sink sink;
    uint64_t count;
    int quiet;
    int verbose;
};

static const struct cli_option options[] = {
    {0, CLI_COUNT, "count", "N", offsetof(struct recv, count), 1,
     "end after N datagrams (default: at Ctrl-C)"},
    {'o', CLI_TEXT, "output", "DIR", offsetof(struct recv, sink.folder), 0,
     "write each to a file of its own in DIR: 000001, 000002, ..."},
    {'n', CLI_FLAG, "line", NULL, offsetof(struct recv, sink.line), 0,
     "a newline after each datagram"},
    {'0', CLI_FLAG, "null", NULL, offsetof(struct recv, sink.null), 0, "a zero byte after each"},
    {'q', CLI_FLAG, "quiet", NULL, offsetof(struct recv, quiet), 0, "do not say that it listens"},
    {'v', CLI_FLAG, "verbose", NULL, offsetof(struct recv, verbose), 0,
     "say size, path and copies of each on standard error"},
    {0, CLI_CHANNEL, "channel", "KIND", offsetof(struct recv, channel.kind), 0,
     "socket, named-pipe, pipe, fifo, mqueue, sysv or queue (default: a port)"},
    {0, CLI_SIZE, "message-max", "SIZE", offsetof(struct recv, channel.message_max), 1,
     "queues: the largest message that lies in the queue"},
    {0, CLI_COUNT, "depth", "N", offsetof(struct recv, channel.depth), 1,
     "queues: how many messages lie in it"},
    ENDS_SERVER_OPTIONS(struct recv),
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_recv = {
    "recv",
    "receive datagrams",
    "recv NAME [--count N] [-o DIR] [OPTION]...\n"
    "recv --channel pipe [OPTION]... -- CMD [ARG]...\n",
    "Listens as NAME and writes the bytes of each datagram to standard output as they come, with\n"
    "nothing between two unless -n or -0 asks for it. Refuses requests.\n"
    "With --channel it takes what 'sill send NAME --channel KIND' sends, or the output of CMD.\n",
    options,
    run,
    1,
};

static int write_datagram(struct recv *recv, const sill_message *datagram)
{
    if (recv->verbose)
        cli_note("datagram %zu bytes, %s, copies %u", datagram->size,
                 sill_path_name(datagram->path), datagram->copies);
    return sink_put(&recv->sink, datagram->data, datagram->size);
}

/* Until `count` have come: -1. An exit status if it ends before. */
static int receive_all(struct recv *recv, sill_server *server)
{
    static const char refusal[] = "this server takes datagrams, not requests";
    sill_message message = SILL_MESSAGE_INIT;
    int status = -1;

    while (status < 0 && (!recv->count || recv->sink.number < recv->count)) {
        if ((status = ends_receive(server, &message)) >= 0)
            break;
        if (message.type == SILL_CONNECT)
            sill_accept(server, &message, NULL, NULL, 0, NULL);
        else if (message.type == SILL_REQUEST)
            sill_refuse(&message, refusal, sizeof refusal - 1);
        else if (message.type == SILL_DATAGRAM)
            status = write_datagram(recv, &message);
        sill_release(&message);
    }
    sill_release(&message);
    return status;
}

static int run_port(struct recv *recv, const struct cli_arguments *arguments)
{
    sill_server *server;
    int status;

    if (arguments->count != 1)
        return arguments->count ? cli_wrong("'%s' is one argument too many", arguments->given[1])
                                : cli_wrong("the name to listen as is missing");
    status = ends_listen(&server, arguments->given[0], &recv->ends);
    if (status >= 0)
        return status;
    if (!recv->quiet)
        cli_note("listening as %s", arguments->given[0]);
    status = receive_all(recv, server);
    ends_close_server(server);
    return status;
}

static int run_channel(struct recv *recv, struct cli_arguments *arguments)
{
    const struct channel_recv how = {&recv->channel, &recv->ends, &recv->sink,
                                     recv->count,    recv->quiet, recv->verbose};

    return channel_recv(&how, arguments);
}

static int run(int argc, char **argv)
{
    struct recv recv = {0};
    struct cli_arguments arguments;
    unsigned mode;
    int status = cli_parse(argc, argv, &recv, &arguments);

    if (status < 0)
        status = channel_check(&recv.channel, &recv.ends);
    if (status >= 0)
        return status;
    if (recv.channel.kind == SILL_CHANNEL_AUTO)
        channel_join(&arguments);
    if (recv.sink.folder && os_kind_of(recv.sink.folder, &mode) != OS_DIRECTORY)
        return cli_fail("%s is no directory", recv.sink.folder);
    status = recv.channel.kind == SILL_CHANNEL_AUTO ? run_port(&recv, &arguments)
                                                    : run_channel(&recv, &arguments);
    if (status <= CLI_FINE && os_interrupted() && recv.sink.number != recv.count)
        status = CLI_INTERRUPTED;
    /* Without a count, Ctrl-C is the way to end it. */
    if (status == CLI_INTERRUPTED && !recv.count)
        status = CLI_FINE;
    return status < 0 ? CLI_FINE : status;
}
