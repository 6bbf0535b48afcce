/* send_channel.c - sill send over a kind of channel.
 *
 * A stream of bytes is written as it is read; a message is read whole first.
 */
#include "channels.h"

#include <errno.h>
#include <string.h>

#include "os.h"

enum { PIECE = 65536, PAUSE_MS = 10 };

/* ---- waiting for the receiver to appear ---- */

struct opening {
    const struct channel_send *send;
    const char *name;
    sill_queue *queue;
    sill_channel *socket;
    sill_pipe *pipe;
};

static int open_once(struct opening *opening)
{
    const struct channel_send *send = opening->send;
    sill_queue_options queue = SILL_QUEUE_OPTIONS_INIT;
    sill_channel_options socket = SILL_CHANNEL_OPTIONS_INIT;

    queue.kind = send->channel->kind;
    queue.directory = socket.directory = send->ends->directory;
    queue.rounds = send->channel->rounds;
    socket.any_server = send->ends->any_server;
    switch (send->channel->kind) {
    case SILL_CHANNEL_SOCKET:
    case SILL_CHANNEL_NAMED_PIPE:
        return sill_channel_connect(&opening->socket, opening->name, &socket, send->timeout_ms);
    case SILL_CHANNEL_FIFO:
        return sill_pipe_open(&opening->pipe, opening->name, SILL_PIPE_WRITE,
                              send->ends->directory);
    default:
        return sill_queue_open(&opening->queue, opening->name, &queue);
    }
}

/* -1, or an exit status. */
static int open_channel(struct opening *opening)
{
    uint64_t end = os_now_ns() + (uint64_t)opening->send->wait_ms * 1000000;
    int status;

    while ((status = open_once(opening)) == SILL_NOT_FOUND && os_now_ns() < end)
        os_sleep_ms(PAUSE_MS);
    return status == SILL_OK ? -1 : channel_fail(status);
}

static void cancel(void *arg)
{
    struct opening *opening = arg;

    sill_queue_cancel(opening->queue);
    sill_channel_cancel(opening->socket);
    sill_pipe_cancel(opening->pipe);
}

/* ---- messages ---- */

static int send_message(struct opening *opening, const struct input *input)
{
    const struct channel_send *send = opening->send;
    const struct channel *channel = send->channel;
    int status;

    if (opening->queue)
        status = sill_queue_send(opening->queue, input->data, input->size,
                                 (unsigned)channel->priority, send->timeout_ms);
    else
        status =
            sill_channel_send(opening->socket, input->data, input->size, NULL, 0, send->timeout_ms);
    if (status == SILL_TIMEOUT)
        return cli_fail("there was no room within %d ms (--timeout) [SILL_TIMEOUT]",
                        send->timeout_ms);
    if (status != SILL_OK)
        return channel_fail(status);
    if (send->verbose && opening->queue)
        cli_note("message %zu bytes, %s, priority %u", input->size,
                 sill_channel_kind_name(channel->kind), (unsigned)channel->priority);
    else if (send->verbose)
        cli_note("message %zu bytes, %s", input->size, sill_channel_kind_name(channel->kind));
    return CLI_FINE;
}

/* ---- streams ---- */

static int copy(const struct channel_send *send, sill_pipe *pipe, int file, uint64_t *total)
{
    static char piece[PIECE];
    long n;

    while ((n = os_read(file, piece, sizeof piece)) > 0) {
        int status = sill_pipe_write(pipe, piece, (size_t)n, NULL, send->timeout_ms);

        if (status == SILL_TIMEOUT)
            return cli_fail("there was no room within %d ms (--timeout) [SILL_TIMEOUT]",
                            send->timeout_ms);
        if (status != SILL_OK)
            return channel_fail(status);
        *total += (uint64_t)n;
    }
    if (os_interrupted())
        return CLI_INTERRUPTED;
    return n < 0 ? cli_fail("cannot read the input: %s", strerror(errno)) : CLI_FINE;
}

static int send_stream(const struct channel_send *send, sill_pipe *pipe, const char *path)
{
    int standard = !path || strcmp(path, "-") == 0;
    int file = standard ? 0 : os_open_read(path);
    uint64_t total = 0;
    int status;

    if (file < 0)
        return cli_fail("cannot open %s: %s", path, strerror(errno));
    status = copy(send, pipe, file, &total);
    if (!standard)
        os_close(file);
    if (status == CLI_FINE && send->verbose)
        cli_note("stream %llu bytes, %s", (unsigned long long)total,
                 sill_channel_kind_name(send->channel->kind));
    return status;
}

static int send_to_command(const struct channel_send *send, const struct cli_arguments *arguments)
{
    struct opening opening = {send, NULL, NULL, NULL, NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    int status, ended;

    if (arguments->rest_count == 0)
        return cli_wrong("the command to send to is missing: -- CMD [ARG]...");
    if (arguments->count > 1)
        return cli_wrong("'%s' is one argument too many", arguments->given[1]);
    options.in.how = SILL_CHILD_PIPE;
    status = sill_child_start(&child, (const char *const *)arguments->rest, &options);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    opening.pipe = options.in.pipe;
    os_interrupt_begin(cancel, &opening);
    status = send_stream(send, options.in.pipe, arguments->count ? arguments->given[0] : NULL);
    os_interrupt_end();
    sill_pipe_close(options.in.pipe);
    if (status == CLI_INTERRUPTED)
        sill_child_kill(child);
    ended = channel_command_end(child, arguments->rest[0]);
    sill_child_close(child);
    return status != CLI_FINE ? status : ended;
}

/* ---- all ---- */

int channel_send(const struct channel_send *send, struct cli_arguments *arguments)
{
    struct opening opening = {send, NULL, NULL, NULL, NULL};
    struct input input = {NULL, 0};
    const char *path;
    int status;

    if (send->channel->kind == SILL_CHANNEL_PIPE)
        return send_to_command(send, arguments);
    channel_join(arguments);
    if (arguments->count < 1)
        return cli_wrong("the name of a receiver is missing");
    if (arguments->count > 2)
        return cli_wrong("'%s' is one argument too many", arguments->given[2]);
    opening.name = arguments->given[0];
    path = arguments->count > 1 ? arguments->given[1] : NULL;
    if (!cli_good_name(opening.name))
        return CLI_USAGE;
    if (send->channel->kind != SILL_CHANNEL_FIFO && (status = input_read(&input, path)) >= 0)
        return status;
    status = open_channel(&opening);
    if (status < 0) {
        os_interrupt_begin(cancel, &opening);
        status =
            opening.pipe ? send_stream(send, opening.pipe, path) : send_message(&opening, &input);
        os_interrupt_end();
    }
    sill_queue_close(opening.queue);
    sill_channel_close(opening.socket);
    sill_pipe_close(opening.pipe);
    input_free(&input);
    return status;
}
