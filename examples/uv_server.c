/* uv_server.c - a server within a libuv event loop, beside a timer; ends with its first client.
 *
 *     uv_server NAME
 *
 * The server's pollable handle says that something may be there, so everything that is there is
 * received, without waiting. How a loop watches that handle is the only thing here that differs
 * between systems: `struct watch`, once for Windows and once for POSIX.
 */
#include <sill.h>

#include <stdio.h>

#include <uv.h>

/* ---- a handle of sill's, watched by a loop ---- */

/* Called in the loop's thread, again and again while the handle is ready. failed: 0, or libuv's
 * error, after which nothing is watched any more. */
typedef void watch_ready(void *arg, int failed);

#ifdef _WIN32

/* The handle is an event that stays set while something may be there. A thread of the system's pool
 * waits for it and tells the loop, once; when the loop has looked it is made to wait again. */
struct watch {
    uv_async_t async;
    PTP_WAIT wait; /* NULL: stopped */
    HANDLE event;
    watch_ready *ready;
    void *arg;
};

static void CALLBACK tell_loop(PTP_CALLBACK_INSTANCE instance, void *async, PTP_WAIT wait,
                               TP_WAIT_RESULT result)
{
    (void)instance, (void)wait, (void)result;
    uv_async_send(async);
}

static void on_told(uv_async_t *async)
{
    struct watch *watch = async->data;
    watch->ready(watch->arg, 0);
    if (watch->wait != NULL)
        SetThreadpoolWait(watch->wait, watch->event, NULL);
}

/* 0 or libuv's error. */
static int watch_start(struct watch *watch, uv_loop_t *loop, sill_handle handle, watch_ready *ready,
                       void *arg)
{
    PTP_WAIT wait = CreateThreadpoolWait(tell_loop, &watch->async, NULL);
    if (wait == NULL)
        return uv_translate_sys_error((int)GetLastError());
    int failed = uv_async_init(loop, &watch->async, on_told);
    if (failed != 0) {
        CloseThreadpoolWait(wait);
        return failed;
    }
    watch->async.data = watch;
    watch->wait = wait;
    watch->event = (HANDLE)handle;
    watch->ready = ready;
    watch->arg = arg;
    SetThreadpoolWait(wait, watch->event, NULL);
    return 0;
}

/* In the loop's thread, and before the handle's owner is closed. */
static void watch_stop(struct watch *watch)
{
    SetThreadpoolWait(watch->wait, NULL, NULL);
    WaitForThreadpoolWaitCallbacks(watch->wait, TRUE); /* after this none tells the loop */
    CloseThreadpoolWait(watch->wait);
    watch->wait = NULL;
    uv_close((uv_handle_t *)&watch->async, NULL);
}

#else

/* The handle is a descriptor, readable while something may be there: what libuv polls. */
struct watch {
    uv_poll_t poll;
    watch_ready *ready;
    void *arg;
};

static void on_poll(uv_poll_t *poll, int failed, int events)
{
    struct watch *watch = poll->data;
    (void)events;
    watch->ready(watch->arg, failed);
}

/* 0 or libuv's error. */
static int watch_start(struct watch *watch, uv_loop_t *loop, sill_handle handle, watch_ready *ready,
                       void *arg)
{
    int failed = uv_poll_init(loop, &watch->poll, (int)handle);
    if (failed != 0)
        return failed;
    watch->poll.data = watch;
    watch->ready = ready;
    watch->arg = arg;
    return uv_poll_start(&watch->poll, UV_READABLE, on_poll);
}

/* In the loop's thread, and before the handle's owner is closed. */
static void watch_stop(struct watch *watch)
{
    uv_close((uv_handle_t *)&watch->poll, NULL);
}

#endif

/* ---- the server ---- */

struct service {
    sill_server *server;
    struct watch watch;
    uv_timer_t timer;
    unsigned answered, ticks;
    int status;
};

static void stop(struct service *service, int status)
{
    service->status = status;
    watch_stop(&service->watch);
    uv_close((uv_handle_t *)&service->timer, NULL);
}

static void on_ready(void *arg, int failed)
{
    struct service *service = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int status = failed != 0 ? SILL_OS : SILL_OK;
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
    if (uv_timer_init(loop, &service->timer) != 0 ||
        watch_start(&service->watch, loop, handle, on_ready, service) != 0)
        return SILL_OS;
    service->timer.data = service;
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
