/* recv_channel.c - sill recv over a kind of channel.
 *
 * A message is written when it is complete; of a stream each piece as it comes, and a file in a
 * folder gets its name when the stream has ended in order.
 */
#include "channels.h"

#include <stdlib.h>

#include "os.h"

enum { PIECE = 65536, FRAME_MAX = 1 << 30 };

/* What is waited on, so that Ctrl-C can end it. */
struct source {
    sill_queue *queue;
    sill_listener *listener;
    sill_channel *socket;
    sill_pipe *pipe;
};

static void cancel(void *arg)
{
    struct source *source = arg;

    sill_queue_cancel(source->queue);
    sill_listener_cancel(source->listener);
    sill_channel_cancel(source->socket);
    sill_pipe_cancel(source->pipe);
}

static int wanted(const struct channel_recv *recv)
{
    return !os_interrupted() && (recv->count == 0 || recv->sink->number < recv->count);
}

static void say_listening(const struct channel_recv *recv, const char *name)
{
    if (!recv->quiet)
        cli_note("listening as %s (%s)", name, sill_channel_kind_name(recv->channel->kind));
}

/* ---- messages ---- */

struct buffer {
    char *data;
    size_t capacity;
};

/* One message, of a queue or a socket, in a buffer that grows to its size. */
static int receive(struct source *source, struct buffer *buffer, size_t *size, unsigned *priority)
{
    for (;;) {
        char *larger;
        int status = source->queue ? sill_queue_receive(source->queue, buffer->data,
                                                        buffer->capacity, size, priority, -1)
                                   : sill_channel_receive(source->socket, buffer->data,
                                                          buffer->capacity, size, NULL, NULL, -1);

        if (status != SILL_TOO_BIG)
            return status;
        if (!(larger = realloc(buffer->data, *size)))
            return SILL_NO_MEMORY;
        buffer->data = larger;
        buffer->capacity = *size;
    }
}

static void note_message(const struct channel_recv *recv, size_t size, unsigned priority)
{
    const char *kind = sill_channel_kind_name(recv->channel->kind);

    if (recv->verbose && (recv->channel->kind == SILL_CHANNEL_SOCKET ||
                          recv->channel->kind == SILL_CHANNEL_NAMED_PIPE))
        cli_note("message %zu bytes, %s", size, kind);
    else if (recv->verbose)
        cli_note("message %zu bytes, %s, priority %u", size, kind, priority);
}

/* Until there are enough (-1), the other side has gone (-1 too), or an exit status. What is no
 * message is told of and passed over. */
static int receive_messages(const struct channel_recv *recv, struct source *source)
{
    struct buffer buffer = {NULL, 0};
    int status = -1;

    while (status < 0 && wanted(recv)) {
        unsigned priority = 0;
        size_t size = 0;
        int got = receive(source, &buffer, &size, &priority);

        if (got == SILL_OK) {
            note_message(recv, size, priority);
            status = sink_put(recv->sink, buffer.data, size);
        } else if (got == SILL_CLOSED || got == SILL_DIED) {
            break;
        } else if (got == SILL_PROTOCOL) {
            cli_note("%s", sill_last_error()->message);
            if (source->socket) /* that sender's channel has ended with it */
                break;
        } else if (got != SILL_CANCELED) {
            status = channel_fail(got);
        }
    }
    free(buffer.data);
    return status;
}

static int recv_queue(const struct channel_recv *recv, const char *name)
{
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    struct source source = {NULL, NULL, NULL, NULL};
    int status;

    options.kind = recv->channel->kind;
    options.directory = recv->ends->directory;
    options.message_max = (size_t)recv->channel->message_max;
    options.depth = (unsigned)recv->channel->depth;
    options.receive_max = FRAME_MAX;
    status = sill_queue_create(&source.queue, name, &options);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    os_interrupt_begin(cancel, &source);
    say_listening(recv, name);
    status = receive_messages(recv, &source);
    os_interrupt_end();
    sill_queue_close(source.queue);
    return status;
}

/* One client after the other. */
static int recv_sockets(const struct channel_recv *recv, const char *name)
{
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    struct source source = {NULL, NULL, NULL, NULL};
    int status;

    options.directory = recv->ends->directory;
    options.access = recv->ends->access;
    options.frame_max = FRAME_MAX;
    status = sill_channel_listen(&source.listener, name, &options);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    say_listening(recv, name);
    status = -1;
    while (status < 0 && wanted(recv)) {
        int got;

        os_interrupt_begin(cancel, &source);
        got = sill_channel_accept(source.listener, &source.socket, -1);
        os_interrupt_end();
        if (got != SILL_OK) {
            status = got == SILL_CANCELED ? -1 : channel_fail(got);
            continue;
        }
        os_interrupt_begin(cancel, &source);
        status = receive_messages(recv, &source);
        os_interrupt_end();
        sill_channel_close(source.socket);
        source.socket = NULL;
    }
    sill_listener_close(source.listener);
    return status;
}

/* ---- streams ---- */

static int receive_stream(const struct channel_recv *recv, sill_pipe *pipe)
{
    static char piece[PIECE];
    uint64_t total = 0;
    size_t size;
    int status = sink_begin(recv->sink);
    int got = SILL_OK;

    if (status >= 0)
        return status;
    while (status < 0 && (got = sill_pipe_read(pipe, piece, sizeof piece, &size, -1)) == SILL_OK) {
        total += size;
        status = sink_write(recv->sink, piece, size);
    }
    if (status < 0 && got == SILL_CLOSED) {
        if (recv->verbose)
            cli_note("stream %llu bytes, %s", (unsigned long long)total,
                     sill_channel_kind_name(recv->channel->kind));
        return sink_end(recv->sink);
    }
    sink_drop(recv->sink);
    return status < 0 ? channel_fail(got) : status;
}

static int recv_fifos(const struct channel_recv *recv, const char *name)
{
    struct source source = {NULL, NULL, NULL, NULL};
    uint64_t count = recv->count ? recv->count : 1;
    int status = -1;

    while (status < 0 && !os_interrupted() && recv->sink->number < count) {
        int made = sill_pipe_create(&source.pipe, name, SILL_PIPE_READ, recv->ends->directory);

        if (made != SILL_OK)
            return cli_fail_sill(made);
        if (recv->sink->number == 0)
            say_listening(recv, name);
        os_interrupt_begin(cancel, &source);
        status = receive_stream(recv, source.pipe);
        os_interrupt_end();
        sill_pipe_close(source.pipe);
    }
    return status;
}

static int recv_from_command(const struct channel_recv *recv, const struct cli_arguments *arguments)
{
    struct source source = {NULL, NULL, NULL, NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    int status, ended;

    if (arguments->rest_count == 0)
        return cli_wrong("the command to receive from is missing: -- CMD [ARG]...");
    if (arguments->count > 0)
        return cli_wrong("'%s' is one argument too many", arguments->given[0]);
    options.out.how = SILL_CHILD_PIPE;
    status = sill_child_start(&child, (const char *const *)arguments->rest, &options);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    source.pipe = options.out.pipe;
    os_interrupt_begin(cancel, &source);
    status = receive_stream(recv, source.pipe);
    os_interrupt_end();
    sill_pipe_close(source.pipe);
    if (status >= 0)
        sill_child_kill(child);
    ended = status >= 0 ? (sill_child_wait(child, NULL, -1), status)
                        : channel_command_end(child, arguments->rest[0]);
    sill_child_close(child);
    return status >= 0 ? status : ended;
}

/* ---- all ---- */

int channel_recv(const struct channel_recv *recv, struct cli_arguments *arguments)
{
    const char *name;

    if (recv->channel->kind == SILL_CHANNEL_PIPE)
        return recv_from_command(recv, arguments);
    channel_join(arguments);
    if (arguments->count != 1)
        return arguments->count ? cli_wrong("'%s' is one argument too many", arguments->given[1])
                                : cli_wrong("the name to listen as is missing");
    name = arguments->given[0];
    if (!cli_good_name(name))
        return CLI_USAGE;
    if (recv->channel->kind == SILL_CHANNEL_FIFO)
        return recv_fifos(recv, name);
    if (recv->channel->kind == SILL_CHANNEL_SOCKET ||
        recv->channel->kind == SILL_CHANNEL_NAMED_PIPE)
        return recv_sockets(recv, name);
    return recv_queue(recv, name);
}
