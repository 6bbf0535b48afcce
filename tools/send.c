/* send.c - sill send: sends a datagram. */
#include "cli.h"

#include <stdio.h>

#include <sill.h>

#include "ends.h"
#include "files.h"
#include "progress.h"

struct send {
    struct ends ends;
    int wait_ms;
    int timeout_ms;
    int verbose;
};

static const struct cli_option options[] = {
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
    "send NAME [FILE|-] [OPTION]...",
    "Sends the bytes of FILE (default: standard input) as a datagram to the server NAME, which\n"
    "is 'sill recv NAME' or any other. It does not tell what the server does with it.\n",
    options,
    run,
    0,
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

static int run(int argc, char **argv)
{
    struct send send = {.timeout_ms = 30000};
    struct cli_arguments arguments;
    struct input input;
    sill_port *port;
    int status = cli_parse(argc, argv, &send, &arguments);

    if (status >= 0)
        return status;
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
