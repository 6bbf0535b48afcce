/* call.c - sill call: sends a request and writes the reply.
 *
 * The request is in memory before the server is asked, and the output file exists under a
 * temporary name before the request is sent, so that a wrong argument is told before anything
 * happens and an end by whatever failure leaves no half file.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>

#include <sill.h>

#include "ends.h"
#include "files.h"
#include "os.h"
#include "progress.h"
#include "table.h"

struct call {
    struct ends ends;
    const char *out;
    int wait_ms;
    int timeout_ms;
    uint64_t repeat;
    int verbose;
    int json;
};

static const struct cli_option options[] = {
    {'o', CLI_TEXT, "output", "OUT", offsetof(struct call, out), 0,
     "write the reply to OUT, which appears only when it is complete"},
    {0, CLI_MS, "wait", "MS", offsetof(struct call, wait_ms), 0,
     "wait so long for the server to appear (default 0: not at all)"},
    {0, CLI_MS, "timeout", "MS", offsetof(struct call, timeout_ms), 0,
     "wait so long for the reply (default 30000; 0: no limit)"},
    {0, CLI_COUNT, "repeat", "N", offsetof(struct call, repeat), 1,
     "send the request N times and write the last reply"},
    {'v', CLI_FLAG, "verbose", NULL, offsetof(struct call, verbose), 0,
     "say size, path, copies and time of each call on standard error"},
    {0, CLI_FLAG, "json", NULL, offsetof(struct call, json), 0, "say it as a line of JSON"},
    ENDS_CLIENT_OPTIONS(struct call),
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_call = {
    "call",
    "send a request and write the reply",
    "call NAME [FILE|-] [-o OUT] [OPTION]...",
    "Sends the bytes of FILE (default: standard input) as a request to the server NAME and\n"
    "writes the reply to OUT (default: standard output).\n",
    options,
    run,
    0,
};

/* One call that went well. */
struct trip {
    size_t request_size;
    size_t reply_size;
    struct ends_sent request;
    struct ends_sent reply;
    uint64_t ns;
};

static json_t *side_json(size_t size, struct ends_sent how)
{
    return json_pack("{s:I, s:s, s:I}", "size", (json_int_t)size, "path", sill_path_name(how.path),
                     "copies", (json_int_t)how.copies);
}

static int report(const struct call *call, const struct trip *trip)
{
    if (call->json) {
        json_t *line = json_pack(
            "{s:o, s:o, s:I}", "request", side_json(trip->request_size, trip->request), "reply",
            side_json(trip->reply_size, trip->reply), "round_trip_ns", (json_int_t)trip->ns);

        return table_print_json(line, 2) == 0 ? -1 : cli_fail("out of memory");
    }
    if (call->verbose)
        cli_note("request %zu bytes, %s, copies %u; reply %zu bytes, %s, copies %u; %.3f ms",
                 trip->request_size, sill_path_name(trip->request.path), trip->request.copies,
                 trip->reply_size, sill_path_name(trip->reply.path), trip->reply.copies,
                 (double)trip->ns / 1e6);
    return -1;
}

/* One round trip; `reply` is to be released. -1, or an exit status after a message. */
static int call_once(const struct call *call, sill_port *port, const struct input *input,
                     sill_message *reply)
{
    sill_port_statistics before, after;
    struct trip trip = {.request_size = input->size};
    int timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : -1;
    int status = ends_statistics(port, &before);

    if (status >= 0)
        return status;
    trip.ns = os_now_ns();
    status = sill_call(port, input->data, input->size, reply, timeout_ms);
    trip.ns = os_now_ns() - trip.ns;
    progress_clear();
    if (status != SILL_OK)
        return ends_fail(status, reply, timeout_ms);
    if ((status = ends_statistics(port, &after)) >= 0)
        return status;
    trip.request = ends_sent(&before, &after);
    trip.reply_size = reply->size;
    trip.reply = (struct ends_sent){reply->path, reply->copies};
    return report(call, &trip);
}

static int call_all(const struct call *call, sill_port *port, const struct input *input)
{
    sill_message reply = SILL_MESSAGE_INIT;
    struct output output;
    uint64_t i;
    int status = output_open(&output, call->out);

    if (status >= 0)
        return status;
    for (i = 0; i < call->repeat && status < 0; i++)
        status = call_once(call, port, input, &reply);
    if (status < 0)
        status = output_write(&output, reply.data, reply.size);
    if (status < 0)
        status = output_commit(&output);
    output_discard(&output);
    sill_release(&reply);
    return status < 0 ? CLI_FINE : status;
}

static int run(int argc, char **argv)
{
    struct call call = {.timeout_ms = 30000, .repeat = 1};
    struct cli_arguments arguments;
    struct input input;
    sill_port *port;
    int status = cli_parse(argc, argv, &call, &arguments);

    if (status >= 0)
        return status;
    status = ends_name_and_file(&arguments, &input);
    if (status >= 0)
        return status;
    status = ends_connect(&port, arguments.given[0], &call.ends, call.wait_ms, call.timeout_ms);
    if (status < 0) {
        status = call_all(&call, port, &input);
        ends_close_port(port);
    }
    input_free(&input);
    return status;
}
