/* pipe_listen.c - listening on a named pipe and accepting its clients.
 *
 * A pipe serves one client with each instance, so a queue of them stands open. An instance becomes
 * the connection of the client that opened it, and the next one takes its place before that; if it
 * cannot be made, the client stays where it is. The file with the pipe's name is written when the
 * queue stands, and goes before it does.
 *
 * A client that came and went before it was accepted is accepted all the same: what it sent is
 * still to be read.
 *
 * Shared between threads: nothing; one thread accepts at a time.
 */
#include "pipe_win32.h"

#include <string.h>

#include "../memory.h"
#include "../status.h"
#include "../step.h"

#define QUEUE 16 /* clients that can be connected and not yet accepted */

struct instance {
    HANDLE handle;
    struct sill__overlapped connect;
    bool bound;
    bool issued; /* its outcome has not been looked at yet */
    bool taken;  /* a client is there */
};

struct pipe_listen {
    sill__listen base;
    wchar_t name[SILL__PIPE_NAME];
    struct sill__security security;
    int access;
    char sid[SILL__SID_TEXT];
    struct sill__watched watched;
    HANDLE file; /* tells clients the pipe's name; NULL until it listens */
    bool started;
    unsigned made; /* instances that exist: all of them once it listens */
    unsigned next; /* the one to look at first, so that all have their turn */
    struct instance queue[QUEUE];
};

static struct pipe_listen *listen_of(sill__listen *listen)
{
    return (struct pipe_listen *)listen;
}

static void give_up(struct pipe_listen *listen)
{
    if (listen->file != NULL)
        CloseHandle(listen->file);
    for (unsigned i = 0; i < listen->made; i++) {
        listen->queue[i].connect.handle = listen->queue[i].handle;
        sill__overlapped_cancel(&listen->queue[i].connect);
        CloseHandle(listen->queue[i].handle);
    }
    sill__watched_end(&listen->watched);
    sill__security_free(&listen->security);
    sill__free(listen);
}

static int open_queue(struct pipe_listen *listen, const struct sill__place *place)
{
    char token[SILL__PIPE_TOKEN + 1];
    int status = sill__pipe_token(token);
    if (status == SILL_OK)
        sill__pipe_name(place, token, listen->name);
    for (; status == SILL_OK && listen->made < QUEUE; listen->made += status == SILL_OK)
        status = sill__pipe_instance(listen->name, &listen->security, listen->made == 0,
                                     &listen->queue[listen->made].handle);
    return status == SILL_OK ? sill__pipe_publish(place, token, &listen->file) : status;
}

int sill__pipe_listen(sill__listen **out, const struct sill__place *place)
{
    struct pipe_listen *made = sill__alloc_zeroed(sizeof *made);
    if (made == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a listener.");
    made->base.ops = &sill__pipe_ops;
    made->access = place->access;
    int status = sill__pipe_security(place->access, &made->security);
    if (status != SILL_OK) {
        sill__free(made);
        return status;
    }
    for (unsigned i = 0; i < QUEUE; i++)
        sill__overlapped_init(&made->queue[i].connect, &made->watched, SILL__READABLE);
    status = sill__sid_self(made->sid);
    if (status == SILL_OK)
        status = open_queue(made, place);
    if (status != SILL_OK) {
        give_up(made);
        return status;
    }
    SILL__STEP(listen_bound);
    *out = &made->base;
    return SILL_OK;
}

bool sill__pipe_unlisten(sill__listen *base, bool remove)
{
    (void)remove; /* there is no fork, and the name goes with the last instance */
    sill__pipe_unwatch_listen(base);
    give_up(listen_of(base));
    return true;
}

/* ---- instances ---- */

static int connect_ended(struct instance *instance, DWORD code)
{
    switch (code) {
    case 0:
    case ERROR_PIPE_CONNECTED: /* before we asked */
    case ERROR_NO_DATA:        /* and it has closed its end already */
        instance->taken = true;
        return SILL_OK;
    case ERROR_IO_PENDING:
        instance->issued = true;
        return SILL_OK;
    case ERROR_OPERATION_ABORTED: /* by the end of the thread that asked */
        return SILL_OK;
    default:
        return sill__fail_os("ConnectNamedPipe", code, "Waiting for a client failed.");
    }
}

static int connect_issue(struct instance *instance)
{
    instance->connect.handle = instance->handle;
    sill__overlapped_prepare(&instance->connect);
    BOOL ok = ConnectNamedPipe(instance->handle, &instance->connect.os);
    return connect_ended(instance, sill__overlapped_started(&instance->connect, ok));
}

/* Looks whether a client is there; asks for one if nobody does. */
static int instance_look(struct instance *instance)
{
    if (instance->issued && !sill__overlapped_pending(&instance->connect, false)) {
        DWORD bytes;
        instance->issued = false;
        int status = connect_ended(instance, sill__overlapped_result(&instance->connect, &bytes));
        if (status != SILL_OK)
            return status;
    }
    return instance->taken || instance->issued ? SILL_OK : connect_issue(instance);
}

/* Binds the instances to a port, that of `wait` or an own one, and begins to wait for clients. */
static int start(struct pipe_listen *listen, sill__wait *wait)
{
    if (listen->started)
        return SILL_OK;
    for (unsigned i = 0; i < QUEUE; i++) {
        struct instance *instance = &listen->queue[i];
        int status = SILL_OK;
        if (!instance->bound)
            status = sill__watched_bind(&listen->watched, wait, instance->handle);
        instance->bound = status == SILL_OK;
        if (status == SILL_OK)
            status = instance_look(instance);
        if (status != SILL_OK)
            return status;
    }
    listen->started = true;
    return SILL_OK;
}

int sill__pipe_watch_listen(sill__listen *base, sill__wait *wait, void *key)
{
    struct pipe_listen *listen = listen_of(base);
    int status = start(listen, wait);
    if (status == SILL_OK)
        status = sill__watched_add(&listen->watched, wait, key);
    for (unsigned i = 0; status == SILL_OK && i < QUEUE; i++)
        if (listen->queue[i].taken || !sill__overlapped_pending(&listen->queue[i].connect, false))
            sill__watched_mark(&listen->watched, SILL__READABLE);
    return status;
}

void sill__pipe_unwatch_listen(sill__listen *base)
{
    sill__watched_remove(&listen_of(base)->watched);
}

/* ---- accepting ---- */

/* Makes the instance's client a connection and puts another instance into its place. */
static int take(struct pipe_listen *listen, struct instance *instance, sill__conn **out)
{
    HANDLE another;
    struct sill__pipe_peer peer;
    int status = sill__pipe_instance(listen->name, &listen->security, false, &another);
    if (status != SILL_OK)
        return status;
    status = sill__watched_bind(&listen->watched, NULL, another);
    if (status != SILL_OK) {
        CloseHandle(another);
        return status;
    }
    sill__pipe_peer(instance->handle, true, &peer);
    status = sill__pipe_conn(out, instance->handle, true, &peer, &listen->watched);
    if (status != SILL_OK) {
        if (peer.process != NULL)
            CloseHandle(peer.process);
        CloseHandle(another);
        return status;
    }
    instance->handle = another;
    instance->taken = false;
    connect_issue(instance); /* should it fail, the next accept tries again and tells */
    return SILL_OK;
}

/* The pipe's DACL keeps others away; not every system heeds it, so look as well. */
static bool welcome(const struct pipe_listen *listen, sill__conn *conn)
{
    const sill_peer *peer = sill__pipe_ops.peer(conn);
    return listen->access == SILL_ACCESS_ALL || peer->sid[0] == '\0' ||
           strcmp(peer->sid, listen->sid) == 0;
}

int sill__pipe_accept(sill__listen *base, sill__conn **out)
{
    struct pipe_listen *listen = listen_of(base);
    int status = start(listen, NULL);
    if (status != SILL_OK)
        return status;
    /* First, so that whoever comes while the others are looked at is reported. */
    sill__watched_clear(&listen->watched, SILL__READABLE);
    sill__overlapped_pending(&listen->queue[listen->next].connect, true);
    for (unsigned i = 0; i < QUEUE; i++) {
        struct instance *instance = &listen->queue[(listen->next + i) % QUEUE];
        status = instance_look(instance);
        if (status != SILL_OK)
            return status;
        if (!instance->taken)
            continue;
        sill__conn *conn;
        status = take(listen, instance, &conn);
        if (status != SILL_OK)
            return status;
        if (welcome(listen, conn)) {
            listen->next = (listen->next + i + 1) % QUEUE;
            *out = conn;
            return SILL_OK;
        }
        sill__pipe_ops.close(conn);
    }
    return SILL_AGAIN;
}
