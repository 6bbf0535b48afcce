/* echo_server.c - answers each request with its own bytes, until its first client has gone.
 *
 *     echo_server NAME
 */
#include <sill.h>

#include <stdio.h>

static int serve(sill_server *server)
{
    sill_message m = SILL_MESSAGE_INIT;
    for (;;) {
        int status = sill_server_receive(server, &m, -1);
        if (status != SILL_OK)
            return status;
        switch (m.type) {
        case SILL_CONNECT:
            sill_accept(server, &m, NULL, NULL, 0, NULL);
            break;
        case SILL_REQUEST:
            sill_reply(&m, m.data, m.size);
            break;
        case SILL_DATAGRAM:
            break;
        default: /* SILL_CLOSED, SILL_DIED, SILL_PROTOCOL: the client's last message */
            sill_release(&m);
            return SILL_OK;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: echo_server NAME\n");
        return 2;
    }
    sill_server *server;
    int status = sill_listen(&server, argv[1], NULL);
    if (status == SILL_OK) {
        status = serve(server);
        sill_server_close(server);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
