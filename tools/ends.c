/* ends.c - what a server and a client have in common.
 *
 * A server or port is known to the interruption from the moment it exists until just before it is
 * closed, so that Ctrl-C only ever cancels what is open.
 */
#include "ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "progress.h"
#include "table.h"

/* Between two tries where the process is out of descriptors or memory. */
enum { SHORTAGE_PAUSE_MS = 50 };

static void fill(sill_port_options *options, const struct ends *ends)
{
    options->policy_file = ends->policy;
    options->directory = ends->directory;
    options->path = ends->path;
    options->family = ends->family;
    options->access = ends->access;
    options->any_server = ends->any_server;
    options->require_mapped = ends->require_mapped;
}

/* ---- server ---- */

static void cancel_server(void *server)
{
    sill_server_cancel(server);
}

int ends_listen(sill_server **server, const char *name, const struct ends *ends)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    int status;

    if (!cli_good_name(name))
        return CLI_USAGE;
    fill(&options, ends);
    status = sill_listen(server, name, &options);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    os_interrupt_begin(cancel_server, *server);
    return -1;
}

int ends_receive(sill_server *server, sill_message *message)
{
    static int said;

    while (!os_interrupted()) {
        int status = sill_server_receive(server, message, -1);

        if (status == SILL_OK)
            return -1;
        if (status == SILL_CANCELED)
            continue;
        if (status != SILL_LIMIT && status != SILL_NO_MEMORY)
            return cli_fail_sill(status);
        if (!said)
            cli_fail_sill(status);
        said = 1;
        os_sleep_ms(SHORTAGE_PAUSE_MS);
    }
    return CLI_FINE;
}

void ends_close_server(sill_server *server)
{
    os_interrupt_end();
    sill_server_close(server);
}

/* ---- client ---- */

static void cancel_port(void *port)
{
    sill_port_cancel(port);
}

/* What a server said when it refused: as text, if it is text. */
static int fail_refused(const sill_message *data)
{
    char text[1200];
    json_t *clean;
    size_t size = data ? data->size : 0;
    size_t i;

    if (size == 0)
        return cli_fail("the server refused");
    if (size >= sizeof text)
        size = sizeof text - 1;
    memcpy(text, data->data, size);
    while (size > 0 && text[size - 1] == '\n')
        size--;
    for (i = 0; i < size; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
            text[i] = '?';
    text[size] = 0;
    clean = table_text(text);
    cli_fail("the server refused: %s", clean ? json_string_value(clean) : "");
    json_decref(clean);
    return CLI_FAILED;
}

int ends_fail(int status, const sill_message *data, int timeout_ms)
{
    progress_clear();
    if (os_interrupted())
        return CLI_INTERRUPTED;
    if (status == SILL_REFUSED)
        return fail_refused(data);
    if (status == SILL_TIMEOUT)
        return cli_fail("the server took longer than %d ms (--timeout) [SILL_TIMEOUT]", timeout_ms);
    return cli_fail_sill(status);
}

int ends_name_and_file(const struct cli_arguments *arguments, struct input *input)
{
    if (arguments->count < 1)
        return cli_wrong("the name of a server is missing");
    if (arguments->count > 2)
        return cli_wrong("'%s' is one argument too many", arguments->given[2]);
    if (!cli_good_name(arguments->given[0]))
        return CLI_USAGE;
    return input_read(input, arguments->count > 1 ? arguments->given[1] : NULL);
}

int ends_connect(sill_port **port, const char *name, const struct ends *ends, int wait_ms,
                 int timeout_ms)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_message answer = SILL_MESSAGE_INIT;
    int status;

    if (!cli_good_name(name))
        return CLI_USAGE;
    fill(&options, ends);
    options.answer = &answer;
    options.wait_for_server = wait_ms > 0;
    options.timeout_ms = wait_ms > 0 ? wait_ms : timeout_ms > 0 ? timeout_ms : -1;
    progress_begin(&options);
    status = sill_connect(port, name, &options);
    if (status == SILL_TIMEOUT && wait_ms > 0)
        status =
            cli_fail("no server '%s' answered within %d ms (--wait) [SILL_TIMEOUT]", name, wait_ms);
    else if (status != SILL_OK)
        status = ends_fail(status, &answer, timeout_ms);
    else
        status = -1;
    sill_release(&answer);
    if (status == -1)
        os_interrupt_begin(cancel_port, *port);
    return status;
}

void ends_close_port(sill_port *port)
{
    os_interrupt_end();
    sill_port_close(port);
}

int ends_statistics(sill_port *port, sill_port_statistics *statistics)
{
    int status;

    *statistics = (sill_port_statistics){.struct_size = sizeof *statistics};
    status = sill_port_get_statistics(port, statistics);
    return status == SILL_OK ? -1 : cli_fail_sill(status);
}

struct ends_sent ends_sent(const sill_port_statistics *before, const sill_port_statistics *after)
{
    struct ends_sent sent = {SILL_PATH_AUTO, 0};
    int path;

    for (path = 0; path < SILL_PATH_COUNT; path++) {
        if (after->sent[path].messages == before->sent[path].messages)
            continue;
        sent.path = path;
        sent.copies = (unsigned)(after->sent[path].copies - before->sent[path].copies);
    }
    return sent;
}
