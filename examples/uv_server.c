/* uv_server.c - a server within a libuv event loop, beside a timer; ends with its first client.
 *
 *     uv_server NAME
 *
 * The server's pollable handle is a descriptor that libuv watches. It says that something may be
 * there, so everything that is there is received, without waiting.
 *
 * For POSIX: on Windows the pollable is an event, and uv_poll_t takes sockets only. There a thread
 * of the system's pool can wait on it (RegisterWaitForSingleObject) and tell the loop by a
 * uv_async_t.
 */
#include <sill.h>

#include <stdio.h>

#include <uv.h>

struct service {
    sill_server *server;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned answered, ticks;
    int status;
};

static void stop(struct service *service, int status)
{
    service->status = status;
    uv_close((uv_handle_t *)&service->poll, NULL);
    uv_close((uv_handle_t *)&service->timer, NULL);
}

static void on_ready(uv_poll_t *poll, int failed, int events)
{
    struct service *service = poll->data;
    sill_message m = SILL_MESSAGE_INIT;
    int status = failed != 0 ? SILL_OS : SILL_OK;
    (void)events;
    while (status == SILL_OK && (status = sill_server_receive(service->server, &m, 0)) == SILL_OK) {
        switch (m.type) {
        case SILL_CONNECT:
            sill_accept(service->server, &m, NULL, NULL, 0, NULL);
            break;
        case SILL_REQUEST:
            sill_reply(&m, m.data, m.size);
            service->answered++;
            break;
        case SILL_DATAGRAM:
            break;
        default: /* SILL_CLOSED, SILL_DIED, SILL_PROTOCOL: the client's last message */
            sill_release(&m);
            stop(service, SILL_OK);
            return;
        }
    }
    sill_release(&m);
    if (status != SILL_AGAIN)
        stop(service, status);
}

static void on_tick(uv_timer_t *timer)
{
    struct service *service = timer->data;
    service->ticks++;
}

static int serve(struct service *service)
{
    uv_loop_t *loop = uv_default_loop();
    sill_handle handle;
    int status = sill_server_pollable(service->server, &handle);
    if (status != SILL_OK)
        return status;
    if (uv_poll_init(loop, &service->poll, (int)handle) != 0 ||
        uv_timer_init(loop, &service->timer) != 0)
        return SILL_OS;
    service->poll.data = service->timer.data = service;
    uv_poll_start(&service->poll, UV_READABLE, on_ready);
    uv_timer_start(&service->timer, on_tick, 0, 100);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return service->status;
}

int main(int argc, char **argv)
{
    static struct service service;
    if (argc != 2) {
        fprintf(stderr, "usage: uv_server NAME\n");
        return 2;
    }
    int status = sill_listen(&service.server, argv[1], NULL);
    if (status == SILL_OK) {
        status = serve(&service);
        sill_server_close(service.server);
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    else
        printf("answered %u, the timer ran %s\n", service.answered,
               service.ticks > 0 ? "too" : "not");
    return status == SILL_OK ? 0 : 1;
}
