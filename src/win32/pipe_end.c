/* pipe_end.c (Windows) - ends of byte streams. See ../pipe_ends.h.
 *
 * A pipe with a name is a named pipe in byte mode, and everything that is needed is there: the
 * listener and the connections of channels (pipe.c, pipe_listen.c) move bytes without frames. Here
 * they are used one way: the creator listens until somebody has connected, and then no longer. Who
 * has connected empties the listener's file, so that nobody comes after him before the creator
 * has looked.
 *
 * Windows' anonymous pipes cannot be waited for, so an anonymous one is a named pipe as well, with
 * a name that nobody can foresee; our end is overlapped, the other is a plain handle.
 *
 * A process that ends closes its end, and nobody has inherited it: the end of the stream is all
 * that there is to watch.
 */
#include "../pipe_ends.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "../memory.h"
#include "../status.h"
#include "pipe_win32.h"

struct sill__end {
    sill__wait *wait;
    sill__listen *listen; /* the creator's, until somebody has connected */
    sill__conn *conn;     /* NULL until then */
    bool creator;
};

static int blank(sill__end **out)
{
    sill__end *end = sill__alloc_zeroed(sizeof *end);
    if (end == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a pipe.");
    int status = sill__wait_create(&end->wait);
    if (status != SILL_OK) {
        sill__free(end);
        return status;
    }
    *out = end;
    return SILL_OK;
}

static struct sill__place place_of(const struct sill__pipe_place *place)
{
    struct sill__place out = {
        .name = place->name, .directory = place->directory, .access = SILL_ACCESS_USER};
    /* The files of the listener are told from the record by this. */
    snprintf(out.file, sizeof out.file, "end.%.90s", place->file);
    return out;
}

int sill__end_object(char object[64], bool writer)
{
    snprintf(object, 64, "%c", writer ? 'w' : 'r');
    return SILL_OK;
}

int sill__end_make(sill__end **out, const struct sill__pipe_place *place, bool writer)
{
    const struct sill__place where = place_of(place);
    sill__end *end;
    (void)writer;
    int status = blank(&end);
    if (status != SILL_OK)
        return status;
    end->creator = true;
    status = sill__pipe_ops.listen(&end->listen, &where);
    if (status == SILL_OK)
        status = sill__pipe_ops.watch_listen(end->listen, end->wait, end);
    if (status != SILL_OK) {
        sill__end_close(end);
        return status;
    }
    *out = end;
    return SILL_OK;
}

static int take_conn(sill__end *end, sill__conn *conn)
{
    int status = sill__pipe_ops.watch(conn, end->wait, end);
    if (status == SILL_OK)
        end->conn = conn;
    else
        sill__pipe_ops.close(conn);
    return status;
}

bool sill__end_waits(const struct sill__pipe_place *place)
{
    const struct sill__place where = place_of(place);
    return sill__pipe_published(&where);
}

int sill__end_open(sill__end **out, const struct sill__pipe_place *place, bool writer)
{
    const struct sill__place where = place_of(place);
    sill__conn *conn;
    sill__end *end;
    (void)writer;
    int status = blank(&end);
    if (status != SILL_OK)
        return status;
    status = sill__pipe_ops.connect(&conn, &where, 0);
    if (status == SILL_TIMEOUT) /* all the places of the queue are taken, by whom we do not know */
        status = sill__fail(SILL_DENIED, "The pipe \"%s\" has been opened already.", place->name);
    if (status == SILL_OK)
        status = take_conn(end, conn);
    if (status != SILL_OK) {
        sill__end_close(end);
        return status;
    }
    sill__pipe_unpublish(&where); /* the creator may have done it already */
    *out = end;
    return SILL_OK;
}

/* ---- anonymous ---- */

int sill__pipe_plain(sill_handle *reader, sill_handle *writer)
{
    HANDLE in, out;
    if (!CreatePipe(&in, &out, NULL, 0))
        return sill__fail_os("CreatePipe", GetLastError(), "A pipe cannot be made");
    *reader = (sill_handle)in;
    *writer = (sill_handle)out;
    return SILL_OK;
}

/* Two ends of a named pipe: ours, and a plain one. */
static int make_ends(HANDLE *ours, HANDLE *other, bool writer)
{
    struct sill__security security;
    char token[SILL__PIPE_TOKEN + 1];
    wchar_t name[SILL__PIPE_NAME];
    const struct sill__place place = {.name = "", .file = "anonymous"};
    int status = sill__pipe_token(token);
    if (status == SILL_OK)
        status = sill__pipe_security(SILL_ACCESS_USER, &security);
    if (status != SILL_OK)
        return status;
    sill__pipe_name(&place, token, name);
    status = sill__pipe_instance(name, &security, true, ours);
    sill__security_free(&security);
    if (status != SILL_OK)
        return status;
    *other = CreateFileW(name, writer ? GENERIC_READ : GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0,
                         NULL, OPEN_EXISTING, SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS, NULL);
    if (*other != INVALID_HANDLE_VALUE)
        return SILL_OK;
    status = sill__fail_os("CreateFileW", GetLastError(), "A pipe cannot be made");
    CloseHandle(*ours);
    return status;
}

int sill__end_anonymous(sill__end **out, bool writer, sill_handle *other)
{
    const struct sill__pipe_peer nobody = {.gone = false};
    HANDLE ours, theirs;
    sill__conn *conn;
    sill__end *end;
    int status = blank(&end);
    if (status != SILL_OK)
        return status;
    status = make_ends(&ours, &theirs, writer);
    if (status != SILL_OK)
        goto fail;
    status = sill__pipe_conn(&conn, ours, true, &nobody, NULL);
    if (status != SILL_OK) {
        CloseHandle(ours);
        goto fail_other;
    }
    status = take_conn(end, conn);
    if (status != SILL_OK)
        goto fail_other;
    *other = (sill_handle)theirs;
    *out = end;
    return SILL_OK;

fail_other:
    CloseHandle(theirs);
fail:
    sill__end_close(end);
    return status;
}

int sill__end_remove(const struct sill__pipe_place *place)
{
    const struct sill__place where = place_of(place);
    return sill__pipe_ops.remove_stale(&where);
}

/* ---- bytes ---- */

static void stop_listening(sill__end *end)
{
    if (end->listen != NULL)
        sill__pipe_ops.unlisten(end->listen, true);
    end->listen = NULL;
}

/* 0: there is a connection. AGAIN. */
static int connected(sill__end *end)
{
    sill__conn *conn;
    if (end->conn != NULL)
        return SILL_OK;
    int status = sill__pipe_ops.accept(end->listen, &conn);
    if (status != SILL_OK)
        return status;
    status = take_conn(end, conn);
    stop_listening(end);
    return status;
}

int sill__end_read(sill__end *end, void *buffer, size_t capacity, size_t *got)
{
    int status = connected(end);
    if (status == SILL_OK)
        status = sill__pipe_ops.recv(end->conn, buffer, capacity, got);
    sill__wait_pending(end->wait, status != SILL_AGAIN);
    return status == SILL_DIED ? SILL_CLOSED : status;
}

int sill__end_write(sill__end *end, const void *data, size_t size, size_t *put)
{
    const struct sill__bytes bytes = {data, size};
    int status = connected(end);
    if (status == SILL_OK)
        status = sill__pipe_ops.send(end->conn, &bytes, 1, NULL, 0, put);
    return status == SILL_DIED ? SILL_CLOSED : status;
}

bool sill__end_under_way(sill__end *end)
{
    return end->conn != NULL && sill__pipe_ops.under_way(end->conn);
}

/* ---- waiting ---- */

int sill__end_wait(sill__end *end, int64_t deadline)
{
    struct sill__event events[2];
    size_t count;
    return sill__wait_for(end->wait, deadline, events, 2, &count);
}

bool sill__end_wants_peer(const sill__end *end)
{
    return end->creator && end->conn != NULL;
}

void sill__end_set_peer(sill__end *end, const struct sill__process *peer)
{
    (void)end;
    (void)peer;
}

void sill__end_wake(sill__end *end)
{
    sill__wait_wake(end->wait);
}

int sill__end_pollable(sill__end *end, sill_handle *out)
{
    return sill__wait_pollable(end->wait, out);
}

void sill__end_unname(sill__end *end)
{
    stop_listening(end);
}

void sill__end_close(sill__end *end)
{
    stop_listening(end);
    if (end->conn != NULL)
        sill__pipe_ops.close(end->conn);
    sill__wait_destroy(end->wait);
    sill__free(end);
}
