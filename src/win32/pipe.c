/* pipe.c - named pipes as channels: bytes and handles.
 *
 * Pipes tell of completed operations and not of readiness. So a read of no bytes is always
 * outstanding: it ends when there is something to read, or the end. recv then reads what is there
 * into a buffer of the connection's own, which ends at once, empties the buffer and issues the next
 * read of nothing. send fills another buffer and issues a write of it; until that has ended the
 * channel is not writable. Both operations belong to the system until their packets are taken
 * (wait_win32.h).
 *
 * Why no bytes: Wine takes those of a pending read from the pipe and then has the thread that
 * issued it fetch them; if that thread is just ending, they are gone. A read of nothing loses
 * nothing: what counts is its packet, and that always comes. Should a system end one before there
 * are bytes, the read of bytes that follows it stays outstanding in its place.
 *
 * A read that is cancelled, as the end of a thread may do, moved nothing and is issued again. How
 * much of a cancelled write arrived nobody can say, so it ends the connection (DIED).
 *
 * Closing gives a write that is under way one second to be read. The pipe is not disconnected: what
 * the system has is still there for the peer to read, and then its end.
 *
 * Handles travel as values. The server does the copying both ways, since a client may not open the
 * process of a service: it copies its own into the client, and pulls the client's, which the client
 * holds as duplicates until it is told that they were taken. So a client must trust its server with
 * its table of handles; a server trusts nothing: a value that is none of the client's is PROTOCOL.
 *
 * Shared between threads: recv touches `read`, `in` and `end`, send touches `write`, `out` and
 * `broken`; both bind the handle at their first call, under `lock`.
 */
#include "pipe_win32.h"

#include <string.h>

#include <sill/policy.h>
#include <sill/region.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "../thread.h"

#define BUFFER   65536
#define CLOSE_NS INT64_C(1000000000)
#define KEPT_MAX (16 * SILL_HANDLES_MAX) /* handles that wait to be taken */

struct pipe_conn {
    sill__conn base;
    HANDLE handle;
    bool server;
    struct sill__pipe_peer peer;
    struct sill__watched watched;
    sill__mutex lock;
    bool bound;

    struct sill__overlapped read;
    bool reading; /* a read was issued and its outcome not looked at */
    bool noticed; /* a read of nothing has ended well: the next one, or this, is of bytes */
    unsigned char *in;
    size_t in_from, in_size;
    DWORD end; /* what ended reading; 0: nothing yet */

    struct sill__overlapped write;
    bool writing;
    unsigned char *out;
    DWORD broken; /* what ended writing; 0: nothing yet */

    HANDLE kept[KEPT_MAX]; /* exported and not yet taken: a ring */
    unsigned kept_first, kept_count;
};

static struct pipe_conn *conn_of(sill__conn *conn)
{
    return (struct pipe_conn *)conn;
}

static bool is_end(DWORD code)
{
    return code == ERROR_BROKEN_PIPE || code == ERROR_PIPE_NOT_CONNECTED || code == ERROR_NO_DATA;
}

/* ---- making ---- */

int sill__pipe_conn(sill__conn **out, HANDLE handle, bool server,
                    const struct sill__pipe_peer *peer, const struct sill__watched *bound)
{
    struct pipe_conn *conn = sill__alloc_zeroed(sizeof *conn);
    int status = SILL_OK;
    if (conn == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a connection.");
    status = sill__mutex_init(&conn->lock);
    if (status != SILL_OK) {
        sill__free(conn);
        return status;
    }
    conn->base.ops = &sill__pipe_ops;
    conn->handle = conn->read.handle = conn->write.handle = handle;
    conn->server = server;
    conn->peer = *peer;
    sill__overlapped_init(&conn->read, &conn->watched, SILL__READABLE);
    sill__overlapped_init(&conn->write, &conn->watched, SILL__WRITABLE);
    if (bound != NULL) {
        sill__watched_share(&conn->watched, bound);
        conn->bound = true;
    }
    *out = &conn->base;
    return SILL_OK;
}

static int pipe_connect(sill__conn **out, const struct sill__place *place, int64_t deadline)
{
    HANDLE handle;
    struct sill__pipe_peer peer;
    int status = sill__pipe_open(place, deadline, &handle);
    if (status != SILL_OK)
        return status;
    sill__pipe_peer(handle, false, &peer);
    if (peer.gone) /* a server that is no more is not one that may not be believed */
        status = sill__fail(SILL_NOT_FOUND, "The server \"%s\" ended just now.", place->name);
    if (status == SILL_OK)
        status = sill__pipe_conn(out, handle, false, &peer, NULL);
    if (status != SILL_OK) {
        if (peer.process != NULL)
            CloseHandle(peer.process);
        CloseHandle(handle);
    }
    return status;
}

static int bind_to(struct pipe_conn *conn, sill__wait *wait)
{
    int status = SILL_OK;
    sill__lock(&conn->lock);
    if (!conn->bound)
        status = sill__watched_bind(&conn->watched, wait, conn->handle);
    conn->bound = conn->bound || status == SILL_OK;
    sill__unlock(&conn->lock);
    return status;
}

static int buffer_make(unsigned char **buffer)
{
    if (*buffer == NULL)
        *buffer = sill__alloc(BUFFER);
    if (*buffer == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a channel's buffer.");
    return SILL_OK;
}

/* ---- receiving ---- */

/* The outcome of a read: notice of bytes or of the end, bytes, the end, or nothing (it was
 * cancelled). A read of nothing that met the end says nothing of the bytes before it. */
static void read_ended(struct pipe_conn *conn, DWORD code, DWORD bytes)
{
    bool of_bytes = conn->noticed;
    conn->reading = false;
    if (code == ERROR_OPERATION_ABORTED)
        return;
    conn->noticed = !of_bytes;
    if (code == 0 && of_bytes) {
        conn->in_from = 0;
        conn->in_size = bytes;
    } else if (of_bytes) {
        conn->end = code;
    }
}

/* Issues a read, if the buffer is empty and none is under way: of what was noticed, or of nothing.
 */
static int read_issue(struct pipe_conn *conn)
{
    if (conn->reading || conn->end != 0 || conn->in_from < conn->in_size)
        return SILL_OK;
    int status = buffer_make(&conn->in);
    if (status != SILL_OK)
        return status;
    DWORD bytes = 0;
    sill__overlapped_prepare(&conn->read);
    BOOL ok = ReadFile(conn->handle, conn->in, conn->noticed ? BUFFER : 0, NULL, &conn->read.os);
    DWORD code = sill__overlapped_started(&conn->read, ok);
    if (code == ERROR_IO_PENDING) {
        conn->reading = true;
        return SILL_OK;
    }
    if (code == 0)
        code = sill__overlapped_result(&conn->read, &bytes);
    read_ended(conn, code, bytes);
    return SILL_OK;
}

static int end_of_stream(struct pipe_conn *conn)
{
    sill__watched_clear(&conn->watched, SILL__READABLE);
    if (is_end(conn->end))
        return sill__fail_os_as(SILL_DIED, "ReadFile", conn->end,
                                "The peer's end of the connection is closed.");
    return sill__fail_os("ReadFile", conn->end, "Receiving failed.");
}

static int pipe_recv(sill__conn *base, void *buffer, size_t capacity, size_t *got)
{
    struct pipe_conn *conn = conn_of(base);
    int status = bind_to(conn, NULL);
    if (status != SILL_OK)
        return status;
    bool fresh = false; /* the read was issued just now: no need to ask again at once */
    while (conn->in_from == conn->in_size) {
        if (conn->end != 0)
            return end_of_stream(conn);
        if (conn->reading) {
            DWORD bytes;
            if (fresh || sill__overlapped_pending(&conn->read, true))
                return SILL_AGAIN;
            DWORD code = sill__overlapped_result(&conn->read, &bytes);
            read_ended(conn, code, bytes);
        } else {
            status = read_issue(conn);
            if (status != SILL_OK)
                return status;
            fresh = true;
        }
    }
    size_t have = conn->in_size - conn->in_from;
    size_t taken = have < capacity ? have : capacity;
    memcpy(buffer, conn->in + conn->in_from, taken);
    conn->in_from += taken;
    *got = taken;
    return SILL_OK;
}

/* ---- sending ---- */

static int send_failed(struct pipe_conn *conn)
{
    if (is_end(conn->broken))
        return sill__fail_os_as(SILL_DIED, "WriteFile", conn->broken, "The peer is gone.");
    if (conn->broken == ERROR_OPERATION_ABORTED)
        return sill__fail_os_as(SILL_DIED, "WriteFile", conn->broken,
                                "What was being sent was cut off when its thread ended.");
    return sill__fail_os("WriteFile", conn->broken, "Sending failed.");
}

static DWORD gather(unsigned char *to, const struct sill__bytes *parts, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count && size < BUFFER; i++) {
        size_t piece = parts[i].size < BUFFER - size ? parts[i].size : BUFFER - size;
        if (piece > 0)
            memcpy(to + size, parts[i].data, piece);
        size += piece;
    }
    return (DWORD)size;
}

/* Whether the channel can take a write: OK, AGAIN, or why never again. */
static int send_ready(struct pipe_conn *conn)
{
    int status = bind_to(conn, NULL);
    if (status != SILL_OK)
        return status;
    if (conn->writing) {
        DWORD bytes;
        if (sill__overlapped_pending(&conn->write, true))
            return SILL_AGAIN;
        conn->writing = false;
        conn->broken = sill__overlapped_result(&conn->write, &bytes);
    }
    return conn->broken != 0 ? send_failed(conn) : buffer_make(&conn->out);
}

static int pipe_send(sill__conn *base, const struct sill__bytes *parts, unsigned count,
                     const sill_handle *handles, unsigned handle_count, size_t *sent)
{
    struct pipe_conn *conn = conn_of(base);
    (void)handles; /* their values are among the bytes */
    (void)handle_count;
    int status = send_ready(conn);
    if (status != SILL_OK)
        return status;
    DWORD size = gather(conn->out, parts, count);
    sill__overlapped_prepare(&conn->write);
    BOOL ok = WriteFile(conn->handle, conn->out, size, NULL, &conn->write.os);
    DWORD code = sill__overlapped_started(&conn->write, ok);
    conn->writing = code == ERROR_IO_PENDING;
    if (code != 0 && !conn->writing) {
        conn->broken = code;
        return send_failed(conn);
    }
    *sent = size;
    return SILL_OK;
}

/* ---- handles ---- */

/* What can be the value of a handle: not 0, none of the small negative numbers that stand for the
 * current process, thread or token, and a multiple of 4 in 31 bits. */
static bool is_value(uint64_t value)
{
    return value != 0 && value <= INT32_MAX && value % 4 == 0;
}

static int keep(struct pipe_conn *conn, HANDLE handle)
{
    if (conn->kept_count == KEPT_MAX)
        return sill__fail(SILL_LIMIT, "%d handles that were passed before still wait for the peer.",
                          KEPT_MAX);
    conn->kept[(conn->kept_first + conn->kept_count++) % KEPT_MAX] = handle;
    return SILL_OK;
}

static void let_go(struct pipe_conn *conn)
{
    CloseHandle(conn->kept[conn->kept_first]);
    conn->kept_first = (conn->kept_first + 1) % KEPT_MAX;
    conn->kept_count--;
}

static int pipe_export(sill__conn *base, sill_handle handle, uint64_t *value)
{
    struct pipe_conn *conn = conn_of(base);
    HANDLE self = GetCurrentProcess(), copy;
    if (conn->server && !conn->peer.may_duplicate)
        return sill__fail(SILL_DENIED,
                          "No handles can be passed to process %lu: it may not be opened for that.",
                          (unsigned long)conn->peer.peer.pid);
    if (!DuplicateHandle(self, (HANDLE)handle, conn->server ? conn->peer.process : self, &copy, 0,
                         FALSE, DUPLICATE_SAME_ACCESS)) {
        DWORD code = GetLastError();
        if (code == ERROR_INVALID_HANDLE)
            return sill__fail_os("DuplicateHandle", code, "The handle to pass is not open.");
        if (conn->server && WaitForSingleObject(conn->peer.process, 0) == WAIT_OBJECT_0)
            return sill__fail_os_as(SILL_DIED, "DuplicateHandle", code, "The peer has ended.");
        return sill__fail_os("DuplicateHandle", code, "A handle cannot be passed.");
    }
    if (!conn->server) {
        int status = keep(conn, copy);
        if (status != SILL_OK) {
            CloseHandle(copy);
            return status;
        }
    }
    *value = (uint64_t)(uintptr_t)copy;
    return SILL_OK;
}

static void pipe_unexport(sill__conn *base, const uint64_t *values, unsigned count)
{
    struct pipe_conn *conn = conn_of(base);
    while (count-- > 0) {
        HANDLE handle = (HANDLE)(uintptr_t)values[count];
        if (conn->server) { /* it is in the client already: out again */
            DuplicateHandle(conn->peer.process, handle, NULL, NULL, 0, FALSE,
                            DUPLICATE_CLOSE_SOURCE);
            continue;
        }
        conn->kept_count--; /* the last that was kept */
        CloseHandle(handle);
    }
}

static int pipe_import(sill__conn *base, uint64_t value, sill_handle *out)
{
    struct pipe_conn *conn = conn_of(base);
    HANDLE handle = (HANDLE)(uintptr_t)value;
    DWORD flags;
    if (!is_value(value))
        return sill__fail(SILL_PROTOCOL, "The peer passed a value that is no handle.");
    if (!conn->server) {
        /* The server has put it into this process. */
        if (!GetHandleInformation(handle, &flags) || handle == conn->handle)
            return sill__fail(SILL_PROTOCOL, "The server passed a handle that is not there.");
        *out = (sill_handle)handle;
        return SILL_OK;
    }
    if (!conn->peer.may_duplicate)
        return sill__fail(SILL_DENIED,
                          "The handle that process %lu passed cannot be had: the process may not "
                          "be opened for that.",
                          (unsigned long)conn->peer.peer.pid);
    if (!DuplicateHandle(conn->peer.process, handle, GetCurrentProcess(), &handle, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
        DWORD code = GetLastError();
        if (WaitForSingleObject(conn->peer.process, 0) == WAIT_OBJECT_0)
            return sill__fail_os_as(SILL_DIED, "DuplicateHandle", code,
                                    "The peer ended before the handle that it passed was taken.");
        if (code == ERROR_INVALID_HANDLE)
            return sill__fail_os_as(SILL_PROTOCOL, "DuplicateHandle", code,
                                    "The peer passed a handle that is not there.");
        return sill__fail_os("DuplicateHandle", code, "A handle that came cannot be taken.");
    }
    *out = (sill_handle)handle;
    return SILL_OK;
}

static int pipe_taken(sill__conn *base, unsigned count)
{
    struct pipe_conn *conn = conn_of(base);
    if (conn->server)
        return SILL_OK; /* its copies are the client's from the beginning */
    if (count > conn->kept_count)
        return sill__fail(SILL_PROTOCOL, "The peer took more handles than there are.");
    while (count-- > 0)
        let_go(conn);
    return SILL_OK;
}

/* What a pending write holds goes with the process; only what the pipe has buffered stays. */
static bool pipe_under_way(sill__conn *base)
{
    struct pipe_conn *conn = conn_of(base);
    return conn->writing && sill__overlapped_pending(&conn->write, true);
}

static unsigned pipe_untaken(const sill__conn *base)
{
    return ((const struct pipe_conn *)base)->kept_count;
}

/* ---- watching, closing ---- */

static void pipe_unwatch(sill__conn *base)
{
    sill__watched_remove(&conn_of(base)->watched);
}

static int pipe_watch(sill__conn *base, sill__wait *wait, void *key)
{
    struct pipe_conn *conn = conn_of(base);
    int status = bind_to(conn, wait);
    if (status == SILL_OK)
        status = sill__watched_add(&conn->watched, wait, key);
    if (status != SILL_OK)
        return status;
    status = read_issue(conn);
    if (status != SILL_OK) {
        pipe_unwatch(base);
        return status;
    }
    /* What ended while nobody watched. */
    if (!conn->reading || !sill__overlapped_pending(&conn->read, true))
        sill__watched_mark(&conn->watched, SILL__READABLE);
    if (conn->writing && !sill__overlapped_pending(&conn->write, false))
        sill__watched_mark(&conn->watched, SILL__WRITABLE);
    return SILL_OK;
}

static const sill_peer *pipe_peer(const sill__conn *base)
{
    return &((const struct pipe_conn *)base)->peer.peer;
}

static int pipe_peer_alive(const sill__conn *base)
{
    const struct pipe_conn *conn = (const struct pipe_conn *)base;
    if (conn->peer.process == NULL)
        return -1;
    switch (WaitForSingleObject(conn->peer.process, 0)) {
    case WAIT_TIMEOUT:
        return 1;
    case WAIT_OBJECT_0:
        return 0;
    default:
        return -1;
    }
}

static void pipe_close(sill__conn *base)
{
    struct pipe_conn *conn = conn_of(base);
    pipe_unwatch(base);
    if (conn->writing)
        sill__overlapped_wait(&conn->write, sill__now_ns() + CLOSE_NS);
    sill__overlapped_cancel(&conn->read);
    sill__overlapped_cancel(&conn->write);
    CloseHandle(conn->handle);
    sill__watched_end(&conn->watched);
    while (conn->kept_count > 0)
        let_go(conn);
    if (conn->peer.process != NULL)
        CloseHandle(conn->peer.process);
    sill__mutex_destroy(&conn->lock);
    sill__free(conn->in);
    sill__free(conn->out);
    sill__free(conn);
}

const struct sill__channel_ops sill__pipe_ops = {
    .name = "pipe",
    .kind = SILL_CHANNEL_NAMED_PIPE,
    .family = SILL_FAMILY_WIN32,
    .caps = SILL__CHANNEL_HANDLES | SILL__CHANNEL_TAKEN,
    .region = SILL_REGION_WIN32_ANONYMOUS,
    .wait = &sill__wait_system,
    .listen = sill__pipe_listen,
    .accept = sill__pipe_accept,
    .unlisten = sill__pipe_unlisten,
    .remove_stale = sill__pipe_remove_stale,
    .connect = pipe_connect,
    .send = pipe_send,
    .recv = pipe_recv,
    .export_handle = pipe_export,
    .unexport = pipe_unexport,
    .import_handle = pipe_import,
    .taken = pipe_taken,
    .under_way = pipe_under_way,
    .untaken = pipe_untaken,
    .watch = pipe_watch,
    .unwatch = pipe_unwatch,
    .watch_listen = sill__pipe_watch_listen,
    .unwatch_listen = sill__pipe_unwatch_listen,
    .peer = pipe_peer,
    .peer_alive = pipe_peer_alive,
    .close = pipe_close,
};
