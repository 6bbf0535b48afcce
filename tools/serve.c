/* serve.c - sill serve: answers requests with their own bytes, or with what a command makes of
 * them. One thread receives from every client; commands run elsewhere (runner.c). */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include <sill.h>

#include "ends.h"
#include "os.h"
#include "runner.h"

struct serve {
    struct ends ends;
    int echo;
    int once;
    uint64_t jobs;
    uint64_t reply_max;
    int quiet;
    int verbose;
};

static const struct cli_option options[] = {
    {0, CLI_FLAG, "echo", NULL, offsetof(struct serve, echo), 0,
     "answer each request with its own bytes (as without a command)"},
    {0, CLI_FLAG, "once", NULL, offsetof(struct serve, once), 0,
     "end when the first client has gone"},
    {'j', CLI_COUNT, "jobs", "N", offsetof(struct serve, jobs), 1,
     "run at most N commands at a time (default: the processors, at least 2)"},
    {0, CLI_SIZE, "reply-max", "SIZE", offsetof(struct serve, reply_max), 1,
     "stop a command whose output grows larger (default 1G)"},
    {'q', CLI_FLAG, "quiet", NULL, offsetof(struct serve, quiet), 0, "do not say that it listens"},
    {'v', CLI_FLAG, "verbose", NULL, offsetof(struct serve, verbose), 0,
     "say on standard error who comes and what is asked"},
    ENDS_SERVER_OPTIONS(struct serve),
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_serve = {
    "serve",
    "answer requests, as an echo or with a command's output",
    "serve NAME [--echo] [OPTION]...\nserve NAME [OPTION]... -- CMD [ARG]...",
    "Listens as NAME and answers each request with its own bytes; or gives it to the standard\n"
    "input of CMD and answers with its standard output. A command that fails makes a refused\n"
    "request. Ends at Ctrl-C.\n",
    options,
    run,
    1,
};

struct state {
    const struct serve *serve;
    sill_server *server;
    struct runner *runner; /* NULL: echo */
    const void *first;     /* the context of the first client; NULL before there was one */
    int finished;
};

static const char *type_name(int type)
{
    switch (type) {
    case SILL_CONNECT:
        return "connects";
    case SILL_REQUEST:
        return "requests";
    case SILL_DATAGRAM:
        return "sends a datagram";
    case SILL_CLOSED:
        return "has closed";
    case SILL_DIED:
        return "has died";
    default:
        return "broke the protocol";
    }
}

static void tell(const sill_message *message)
{
    sill_peer peer = {0};

    if (message->port)
        (void)sill_port_peer(message->port, &peer);
    if (message->type == SILL_REQUEST || message->type == SILL_DATAGRAM)
        cli_note("process %u %s: %zu bytes, %s, copies %u", (unsigned)peer.pid,
                 type_name(message->type), message->size, sill_path_name(message->path),
                 message->copies);
    else
        cli_note("process %u %s", (unsigned)peer.pid, type_name(message->type));
}

static void accept_client(struct state *state, sill_message *message)
{
    static char first_echo, other_echo;
    static const char no_memory[] = "the server is out of memory";
    sill_message none = SILL_MESSAGE_INIT;
    void *context = state->first ? &other_echo : &first_echo;

    if (state->runner)
        context = runner_client_new(state->runner);
    if (!context)
        sill_refuse(message, no_memory, sizeof no_memory - 1);
    else if (sill_accept(state->server, message, context, NULL, 0, NULL) == SILL_OK)
        state->first = state->first ? state->first : context;
    else if (state->runner)
        runner_client_gone(state->runner, context, &none);
}

static void lose_client(struct state *state, sill_message *message)
{
    if (state->serve->once && message->context == state->first)
        state->finished = 1;
    if (state->runner)
        runner_client_gone(state->runner, message->context, message);
}

static void handle(struct state *state, sill_message *message)
{
    int status = SILL_OK;

    if (state->serve->verbose)
        tell(message);
    switch (message->type) {
    case SILL_CONNECT:
        accept_client(state, message);
        break;
    case SILL_REQUEST:
        if (state->runner)
            runner_request(state->runner, message);
        else
            status = sill_reply(message, message->data, message->size);
        break;
    case SILL_DATAGRAM:
        break;
    default:
        lose_client(state, message);
        break;
    }
    if (status != SILL_OK && status != SILL_CLOSED && status != SILL_DIED)
        cli_fail_sill(status);
    sill_release(message);
}

static int serve_all(struct state *state)
{
    sill_message message = SILL_MESSAGE_INIT;
    int status = -1;

    while (!state->finished) {
        status = ends_receive(state->server, &message);
        if (status >= 0)
            break;
        handle(state, &message);
    }
    sill_release(&message);
    return status < 0 ? CLI_FINE : status;
}

/* Checks what there is to serve. -1, or an exit status after a message. */
static int check(const struct serve *serve, const struct cli_arguments *arguments)
{
    if (arguments->count < 1)
        return cli_wrong("the name to listen as is missing");
    if (arguments->count > 1)
        return cli_wrong("'%s' is one argument too many; a command follows after --",
                         arguments->given[1]);
    if (!cli_good_name(arguments->given[0]))
        return CLI_USAGE;
    if (!arguments->rest)
        return -1;
    if (arguments->rest_count == 0 || !arguments->rest[0][0])
        return cli_wrong("the command after -- is missing");
    if (serve->echo)
        return cli_wrong("--echo and a command exclude each other");
    if (os_process_find(arguments->rest[0]) != 0)
        return cli_fail("there is no program '%s' that can be run", arguments->rest[0]);
    return -1;
}

static int run(int argc, char **argv)
{
    struct serve serve = {.reply_max = (uint64_t)1 << 30};
    struct state state = {.serve = &serve};
    struct cli_arguments arguments;
    int status = cli_parse(argc, argv, &serve, &arguments);

    if (status >= 0)
        return status;
    if ((status = check(&serve, &arguments)) >= 0)
        return status;
    if (serve.jobs == 0)
        serve.jobs = os_processors() < 2 ? 2 : os_processors();
    if (serve.jobs > 1024)
        return cli_wrong("--jobs: at most 1024");
    status = ends_listen(&state.server, arguments.given[0], &serve.ends);
    if (status >= 0)
        return status;
    if (arguments.rest &&
        !(state.runner = runner_new(arguments.rest, (unsigned)serve.jobs, serve.reply_max))) {
        ends_close_server(state.server);
        return cli_fail("out of memory or threads");
    }
    if (!serve.quiet)
        cli_note("listening as %s", arguments.given[0]);
    status = serve_all(&state);
    runner_free(state.runner);
    ends_close_server(state.server);
    return status;
}
