/* echo_client.c - sends a text to a server, prints what comes back and how it came.
 *
 *     echo_client NAME TEXT
 */
#include <sill.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: echo_client NAME TEXT\n");
        return 2;
    }
    sill_port *port;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.wait_for_server = 1; /* for the usual 10 seconds */
    int status = sill_connect(&port, argv[1], &options);
    if (status == SILL_OK) {
        sill_message reply = SILL_MESSAGE_INIT;
        status = sill_call(port, argv[2], strlen(argv[2]), &reply, 5000);
        if (status == SILL_OK)
            printf("%.*s\npath %s, copied %u times\n", (int)reply.size,
                   reply.size > 0 ? (const char *)reply.data : "", sill_path_name(reply.path),
                   reply.copies);
        sill_release(&reply);
        sill_port_close(port);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
