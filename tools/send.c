/* send.c - sill send: sends a datagram, or over a kind of channel (send_channel.c). */
#include "cli.h"

#include <stdio.h>

#include <sill.h>

#include "channels.h"
#include "ends.h"
#include "files.h"
#include "progress.h"

struct send {
    struct ends ends;
    struct channel channel;
    int wait_ms;
    int timeout_ms;
    int verbose;
};

/* No priority was given. */
#define NO_PRIORITY UINT64_MAX

static const struct cli_option options[] = {
    {0, CLI_CHANNEL, "channel", "KIND", offsetof(struct send, channel.kind), 0,
     "socket, named-pipe, pipe, fifo, mqueue, sysv or queue (default: a port)"},
    {0, CLI_COUNT, "priority", "N", offsetof(struct send, channel.priority), 0,
     "queues: 0 (default) to 31, the highest is received first"},
    {0, CLI_FLAG, "rounds", NULL, offsetof(struct send, channel.rounds), 0,
     "queues: send a message over the limit in rounds"},
    {0, CLI_MS, "wait", "MS", offsetof(struct send, wait_ms), 0,
     "wait so long for the receiver to appear (default 0: not at all)"},
    {0, CLI_MS, "timeout", "MS", offsetof(struct send, timeout_ms), 0,
     "wait so long for room (default 30000; 0: no limit)"},
    {'v', CLI_FLAG, "verbose", NULL, offsetof(struct send, verbose), 0,
     "say size, path and copies on standard error"},
    ENDS_CLIENT_OPTIONS(struct send),
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_send = {
    "send",
    "send a datagram",
    "send NAME [FILE|-] [OPTION]...\n"
    "send [FILE|-] --channel pipe [OPTION]... -- CMD [ARG]...\n",
    "Sends the bytes of FILE (default: standard input) as a datagram to the server NAME, which\n"
    "is 'sill recv NAME' or any other. It does not tell what the server does with it.\n"
    "With --channel it goes to 'sill recv NAME --channel KIND', or to the input of CMD.\n",
    options,
    run,
    1,
};

static int send_one(const struct send *send, sill_port *port, const struct input *input)
{
    sill_port_statistics before, after;
    struct ends_sent sent;
    int timeout_ms = send->timeout_ms > 0 ? send->timeout_ms : -1;
    int status = ends_statistics(port, &before);

    if (status >= 0)
        return status;
    status = sill_send(port, input->data, input->size, timeout_ms);
    progress_clear();
    if (status != SILL_OK)
        return ends_fail(status, NULL, timeout_ms);
    if ((status = ends_statistics(port, &after)) >= 0)
        return status;
    sent = ends_sent(&before, &after);
    if (send->verbose)
        cli_note("datagram %zu bytes, %s, copies %u", input->size, sill_path_name(sent.path),
                 sent.copies);
    return CLI_FINE;
}

static int run_channel(struct send *send, struct cli_arguments *arguments)
{
    const struct channel_send how = {&send->channel, &send->ends, send->wait_ms,
                                     send->timeout_ms > 0 ? send->timeout_ms : -1, send->verbose};

    return channel_send(&how, arguments);
}

static int run(int argc, char **argv)
{
    struct send send = {.timeout_ms = 30000, .channel.priority = NO_PRIORITY};
    struct cli_arguments arguments;
    struct input input;
    sill_port *port;
    int status = cli_parse(argc, argv, &send, &arguments);

    if (status >= 0)
        return status;
    send.channel.has_priority = send.channel.priority != NO_PRIORITY;
    if (!send.channel.has_priority)
        send.channel.priority = 0;
    status = channel_check(&send.channel, &send.ends);
    if (status >= 0)
        return status;
    if (send.channel.kind != SILL_CHANNEL_AUTO)
        return run_channel(&send, &arguments);
    channel_join(&arguments);
    status = ends_name_and_file(&arguments, &input);
    if (status >= 0)
        return status;
    status = ends_connect(&port, arguments.given[0], &send.ends, send.wait_ms, send.timeout_ms);
    if (status < 0) {
        status = send_one(&send, port, &input);
        ends_close_port(port);
    }
    input_free(&input);
    return status;
}
