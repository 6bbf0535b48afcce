/* unix_socket.c - channels on Unix stream sockets.
 *
 * Every socket is non-blocking and close-on-exec. Handles travel as SCM_RIGHTS with the first byte
 * of the frame they belong to; received ones wait, in order, in a bounded queue of the connection.
 *
 * A forked child of the peer may keep its socket open after the peer has ended, so the end of the
 * stream alone would not tell of a death: the peer's process is watched too, through a pidfd in
 * the same wait set (SILL__PEER_DEAD).
 *
 * Out of descriptors, accept says LIMIT and the client stays in the queue. The listener's edge is
 * spent then, so a wait set does not spin; the caller tries again after it has closed something,
 * or after a while.
 *
 * Shared between threads: nothing. send touches only `fd` and `watch`, recv besides them the queue
 * of handles, and the core keeps two receivers apart.
 */
#include "../channel_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sill/policy.h>
#include <sill/region.h>

#include "../memory.h"
#include "../status.h"
#include "unix_peer.h"
#include "unix_place.h"
#include "wait_posix.h"

#define PARTS_MAX  16
#define QUEUE_SIZE (2 * SILL_HANDLES_MAX)

struct unix_conn {
    sill__conn base;
    int fd;
    int pidfd; /* -1: none (unix_peer.c) */
    sill__watch watch;
    sill__watch death;
    sill_peer peer;
    int handles[QUEUE_SIZE]; /* received, not yet claimed: a ring */
    unsigned first;
    unsigned count;
};

struct unix_listen {
    sill__listen base;
    int fd;
    int access;
    uid_t uid;
    struct sill__unix_file file;
    dev_t device; /* the file's identity, so that only our own is removed */
    ino_t inode;
    sill__watch watch;
};

extern const struct sill__channel_ops sill__unix_ops;

static struct unix_conn *conn_of(sill__conn *conn)
{
    return (struct unix_conn *)conn;
}

static struct unix_listen *listen_of(sill__listen *listen)
{
    return (struct unix_listen *)listen;
}

static int make_socket(int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sill__fail_os("socket", errno, "A socket cannot be made.");
    *out = fd;
    return SILL_OK;
}

/* ---- listeners ---- */

/* Binds and listens; on failure nothing is left in the file system. */
static int listen_start(struct unix_listen *made, const struct sill__place *place)
{
    struct stat info;
    int status = sill__unix_file_clear(&made->file, place);
    if (status == SILL_OK)
        status = sill__unix_file_bind(&made->file, place, made->fd);
    if (status != SILL_OK)
        return status;
    if (fstatat(made->file.directory, made->file.name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        status = sill__fail_os("fstatat", errno, "The new socket in %s cannot be looked at.",
                               place->directory);
    else if (listen(made->fd, SOMAXCONN) != 0)
        status = sill__fail_os("listen", errno, "Listening as \"%s\" failed.", place->name);
    if (status != SILL_OK) {
        unlinkat(made->file.directory, made->file.name, 0);
        return status;
    }
    made->device = info.st_dev;
    made->inode = info.st_ino;
    return SILL_OK;
}

static int unix_listen_op(sill__listen **out, const struct sill__place *place)
{
    struct unix_listen *made = sill__alloc_zeroed(sizeof *made);
    if (made == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a listener.");
    made->base.ops = &sill__unix_ops;
    made->access = place->access;
    made->uid = geteuid();
    int status = sill__unix_file_open(&made->file, place);
    if (status != SILL_OK)
        goto fail;
    status = make_socket(&made->fd);
    if (status != SILL_OK)
        goto fail_file;
    status = listen_start(made, place);
    if (status != SILL_OK)
        goto fail_socket;
    *out = &made->base;
    return SILL_OK;

fail_socket:
    close(made->fd);
fail_file:
    sill__unix_file_close(&made->file);
fail:
    sill__free(made);
    return status;
}

static void unix_unwatch_listen(sill__listen *listen)
{
    sill__watch_remove(&listen_of(listen)->watch, listen_of(listen)->fd);
}

static bool unix_unlisten(sill__listen *listen, bool remove)
{
    struct unix_listen *made = listen_of(listen);
    struct stat info;
    unix_unwatch_listen(listen);
    if (remove && fstatat(made->file.directory, made->file.name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_dev == made->device && info.st_ino == made->inode)
        unlinkat(made->file.directory, made->file.name, 0);
    close(made->fd);
    sill__unix_file_close(&made->file);
    sill__free(made);
    return true;
}

static int unix_remove_stale(const struct sill__place *place)
{
    struct sill__unix_file file;
    int status = sill__unix_file_open(&file, place);
    if (status != SILL_OK)
        return status;
    status = sill__unix_file_clear(&file, place);
    sill__unix_file_close(&file);
    return status;
}

static int unix_watch_listen(sill__listen *listen, sill__wait *wait, void *key)
{
    struct unix_listen *made = listen_of(listen);
    return sill__watch_add(&made->watch, wait, made->fd, SILL__READABLE, key);
}

/* ---- connections ---- */

/* Makes a connection of a connected socket, which it owns afterwards, on failure too. */
static int conn_make(struct unix_conn **out, int fd)
{
    struct unix_conn *conn = sill__alloc_zeroed(sizeof *conn);
    int status = conn == NULL ? sill__fail(SILL_NO_MEMORY, "There is no memory for a connection.")
                              : sill__unix_peer(fd, &conn->peer, &conn->pidfd);
    if (status != SILL_OK) {
        sill__free(conn);
        close(fd);
        return status;
    }
    conn->base.ops = &sill__unix_ops;
    conn->fd = fd;
    *out = conn;
    return SILL_OK;
}

static void unix_unwatch(sill__conn *base)
{
    struct unix_conn *conn = conn_of(base);
    sill__watch_remove(&conn->watch, conn->fd);
    sill__watch_remove(&conn->death, conn->pidfd);
}

static void unix_close(sill__conn *base)
{
    struct unix_conn *conn = conn_of(base);
    unix_unwatch(base);
    for (; conn->count > 0; conn->count--)
        close(conn->handles[conn->first++ % QUEUE_SIZE]);
    if (conn->pidfd >= 0)
        close(conn->pidfd);
    close(conn->fd);
    sill__free(conn);
}

static int accept_failed(int code)
{
    if (code == EMFILE)
        return sill__fail_os_as(SILL_LIMIT, "accept4", code,
                                "This process has no descriptor left for another client; raise "
                                "its limit with ulimit -n.");
    if (code == ENFILE)
        return sill__fail_os_as(SILL_LIMIT, "accept4", code,
                                "The system has no descriptor left for another client; raise "
                                "/proc/sys/fs/file-max.");
    return sill__fail_os("accept4", code, "A client cannot be accepted.");
}

static int unix_accept(sill__listen *base, sill__conn **out)
{
    struct unix_listen *listen = listen_of(base);
    for (;;) {
        int fd = accept4(listen->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            sill__watch_again(&listen->watch, SILL__READABLE);
            return SILL_AGAIN;
        }
        if (fd < 0)
            return accept_failed(errno);
        struct unix_conn *conn;
        int status = conn_make(&conn, fd);
        if (status != SILL_OK)
            return status;
        /* The socket's mode keeps others away; not every system heeds it, so look as well. */
        if (listen->access == SILL_ACCESS_ALL || conn->peer.uid == listen->uid ||
            conn->peer.uid == 0) {
            *out = &conn->base;
            return SILL_OK;
        }
        unix_close(&conn->base);
    }
}

static int unix_connect(sill__conn **out, const struct sill__place *place, int64_t deadline)
{
    struct sill__unix_file file;
    struct unix_conn *conn = NULL;
    int fd = -1;
    int status = sill__unix_file_open(&file, place);
    if (status != SILL_OK)
        return status;
    status = make_socket(&fd);
    if (status == SILL_OK) {
        status = sill__unix_file_connect(&file, place, fd, deadline);
        if (status != SILL_OK)
            close(fd);
        else
            status = conn_make(&conn, fd);
    }
    sill__unix_file_close(&file);
    if (status == SILL_OK)
        *out = &conn->base;
    return status;
}

static int unix_watch(sill__conn *base, sill__wait *wait, void *key)
{
    struct unix_conn *conn = conn_of(base);
    int status =
        sill__watch_add(&conn->watch, wait, conn->fd, SILL__READABLE | SILL__WRITABLE, key);
    if (status != SILL_OK || conn->pidfd < 0)
        return status;
    status = sill__watch_add(&conn->death, wait, conn->pidfd, SILL__PEER_DEAD, key);
    if (status != SILL_OK)
        sill__watch_remove(&conn->watch, conn->fd);
    return status;
}

static const sill_peer *unix_peer(const sill__conn *base)
{
    return &((const struct unix_conn *)base)->peer;
}

static int unix_peer_alive(const sill__conn *base)
{
    const struct unix_conn *conn = (const struct unix_conn *)base;
    return sill__unix_peer_alive(&conn->peer, conn->pidfd);
}

/* ---- bytes and handles ---- */

/* Room for as many descriptors as the queue holds. */
union control {
    char bytes[CMSG_SPACE(QUEUE_SIZE * sizeof(int))];
    struct cmsghdr align;
};

static void control_fill(struct msghdr *message, union control *control, const sill_handle *handles,
                         unsigned count)
{
    int fds[SILL_HANDLES_MAX];
    for (unsigned i = 0; i < count; i++)
        fds[i] = (int)handles[i];
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
}

static int send_failed(int code)
{
    if (code == EPIPE || code == ECONNRESET)
        return sill__fail_os_as(SILL_DIED, "sendmsg", code, "The peer is gone.");
    if (code == EBADF)
        return sill__fail_os_as(SILL_INVALID, "sendmsg", code,
                                "One of the handles to pass is not open.");
    if (code == ETOOMANYREFS)
        return sill__fail_os("sendmsg", code,
                             "Too many passed handles wait to be received; the limit of open "
                             "descriptors (ulimit -n) counts for them too.");
    return sill__fail_os("sendmsg", code, "Sending failed.");
}

static int unix_send(sill__conn *base, const struct sill__bytes *parts, unsigned count,
                     const sill_handle *handles, unsigned handle_count, size_t *sent)
{
    struct unix_conn *conn = conn_of(base);
    struct iovec pieces[PARTS_MAX];
    struct msghdr message = {.msg_iov = pieces};
    union control control;
    uint8_t used = count < PARTS_MAX ? (uint8_t)count : PARTS_MAX;
    for (unsigned i = 0; i < used; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
    message.msg_iovlen = used;
    if (handle_count > 0)
        control_fill(&message, &control, handles, handle_count);

    ssize_t done;
    do
        done = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (done < 0 && errno == EINTR);
    if (done >= 0) {
        *sent = (size_t)done;
        return SILL_OK;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return send_failed(errno);
    sill__watch_again(&conn->watch, SILL__WRITABLE);
    return SILL_AGAIN;
}

/* Puts the descriptors that came into the queue. If they do not fit, or the kernel could not make
 * them all, closes them and says why. One recvmsg gives those of one sendmsg, in one header. */
static int take_handles(struct unix_conn *conn, struct msghdr *message)
{
    int fds[QUEUE_SIZE];
    unsigned count = 0;
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    }
    bool cut = (message->msg_flags & MSG_CTRUNC) != 0;
    if (!cut && conn->count + count <= QUEUE_SIZE) {
        for (unsigned i = 0; i < count; i++)
            conn->handles[(conn->first + conn->count++) % QUEUE_SIZE] = fds[i];
        return SILL_OK;
    }
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    if (cut && count < QUEUE_SIZE)
        return sill__fail(SILL_LIMIT, "Handles that the peer passed are lost: this process has no "
                                      "descriptor left; raise its limit with ulimit -n.");
    return sill__fail(SILL_PROTOCOL, "The peer passed more handles than a frame may carry.");
}

static int unix_recv(sill__conn *base, void *buffer, size_t capacity, size_t *got)
{
    struct unix_conn *conn = conn_of(base);
    union control control;
    struct iovec piece = {buffer, capacity};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t done;
    do {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        done = recvmsg(conn->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (done < 0 && errno == EINTR);

    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        sill__watch_again(&conn->watch, SILL__READABLE);
        return SILL_AGAIN;
    }
    /* ECONNRESET: the peer closed before it had read all of ours. The kernel says so only when
     * everything that it sent has been read. */
    if (done == 0 || (done < 0 && errno == ECONNRESET))
        return sill__fail(SILL_DIED, "The peer's end of the connection is closed.");
    if (done < 0)
        return sill__fail_os("recvmsg", errno, "Receiving failed.");
    int status = take_handles(conn, &message);
    if (status == SILL_OK)
        *got = (size_t)done;
    return status;
}

static int unix_export_handle(sill__conn *base, sill_handle handle, uint64_t *value)
{
    (void)base;
    (void)handle;
    *value = 0; /* the descriptor itself goes with send */
    return SILL_OK;
}

static int unix_import_handle(sill__conn *base, uint64_t value, sill_handle *out)
{
    struct unix_conn *conn = conn_of(base);
    (void)value;
    if (conn->count == 0)
        return sill__fail(SILL_PROTOCOL, "The peer announced a handle that did not come.");
    *out = conn->handles[conn->first];
    conn->first = (conn->first + 1) % QUEUE_SIZE;
    conn->count--;
    return SILL_OK;
}

static int unix_taken(sill__conn *base, unsigned count)
{
    (void)base;
    (void)count; /* nothing is kept for the peer */
    return SILL_OK;
}

const struct sill__channel_ops sill__unix_ops = {
    .name = "unix",
    .family = SILL_FAMILY_POSIX,
    .kind = SILL_CHANNEL_SOCKET,
    .caps = SILL__CHANNEL_HANDLES,
    .region = SILL_REGION_POSIX_ANONYMOUS,
    .wait = &sill__wait_system,
    .listen = unix_listen_op,
    .accept = unix_accept,
    .unlisten = unix_unlisten,
    .remove_stale = unix_remove_stale,
    .connect = unix_connect,
    .send = unix_send,
    .recv = unix_recv,
    .export_handle = unix_export_handle,
    .import_handle = unix_import_handle,
    .taken = unix_taken,
    .watch = unix_watch,
    .unwatch = unix_unwatch,
    .watch_listen = unix_watch_listen,
    .unwatch_listen = unix_unwatch_listen,
    .peer = unix_peer,
    .peer_alive = unix_peer_alive,
    .close = unix_close,
};
