/* pipe_end.c (POSIX) - ends of byte streams: anonymous pipes and FIFOs. See ../pipe_ends.h.
 *
 * A named pipe is two FIFOs beside the creator's record:
 *
 *   fifo.RECORD  the bytes
 *   here.RECORD  the creator reads; the other process has it open for writing for as long as it has
 *                the pipe, and writes a byte once it has both. So anything that comes of it, a byte
 *                or the end, says that the pipe was opened.
 *
 * The second gets its name when the creator has both of them open: who finds it finds a pipe that
 * is complete. Who opens the pipe removes both names: a stream is used once. Until then a creator
 * that writes holds a reading end of its own, without which a writing one cannot be had, and says
 * AGAIN.
 *
 * A FIFO that nobody has opened yet and one that was left read alike; poll tells them apart. A
 * forked child of the peer may hold its end open after the peer's death, so the peer's process is
 * watched too, by a pidfd: when it has ended and nothing more is there, that is the end.
 *
 * SIGPIPE: a write may raise it in this thread. It is blocked meanwhile, and taken away if it came
 * by this write, so that neither the user's handler nor his mask sees anything of it.
 */
#include "../pipe_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../channel_ops.h"
#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "fifo.h"

struct sill__end {
    int fd;
    bool writer;
    bool creator;
    bool waits; /* creator: the other end has not been opened yet */
    int hold;   /* a creator's that writes, until then: a reading end; else -1 */
    int here;   /* -1: an anonymous one */
    int death;  /* pidfd of the peer, or -1 */
    int cancel;
    int directory; /* creator: to remove the names */
    char file[100];
};

/* ---- files ---- */

static void remove_both(int directory, const char *file)
{
    sill__fifo_remove(directory, file, "make");
    sill__fifo_remove(directory, file, "here");
    sill__fifo_remove(directory, file, "fifo");
}

/* ---- making ---- */

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void destroy(sill__end *end)
{
    close_fd(end->fd);
    close_fd(end->hold);
    close_fd(end->here);
    close_fd(end->death);
    close_fd(end->cancel);
    close_fd(end->directory);
    sill__free(end);
}

static int blank(sill__end **out, bool writer, const char *file)
{
    sill__end *end = sill__alloc_zeroed(sizeof *end);
    if (end == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a pipe.");
    end->writer = writer;
    end->fd = end->hold = end->here = end->death = end->directory = -1;
    snprintf(end->file, sizeof end->file, "%s", file);
    end->cancel = -1;
    int status = sill__fifo_event(&end->cancel);
    if (status != SILL_OK) {
        destroy(end);
        return status;
    }
    *out = end;
    return SILL_OK;
}

int sill__end_object(char object[64], bool writer)
{
    snprintf(object, 64, "%c", writer ? 'w' : 'r');
    return SILL_OK;
}

int sill__end_make(sill__end **out, const struct sill__pipe_place *place, bool writer)
{
    sill__end *end;
    int status = blank(&end, writer, place->file);
    if (status != SILL_OK)
        return status;
    end->creator = end->waits = true;
    status = sill__fifo_directory(place->directory, &end->directory);
    if (status != SILL_OK) {
        destroy(end);
        return status;
    }
    status = sill__fifo_make(end->directory, end->file, "fifo");
    if (status == SILL_OK)
        status = sill__fifo_open(end->directory, end->file, "fifo", O_RDONLY,
                                 writer ? &end->hold : &end->fd);
    if (status == SILL_OK && writer)
        status = sill__fifo_open(end->directory, end->file, "fifo", O_WRONLY, &end->fd);
    if (status == SILL_OK)
        status = sill__fifo_make(end->directory, end->file, "make");
    if (status == SILL_OK)
        status = sill__fifo_open(end->directory, end->file, "make", O_RDONLY, &end->here);
    if (status == SILL_OK)
        status = sill__fifo_rename(end->directory, end->file, "make", "here");
    if (status != SILL_OK) {
        remove_both(end->directory, end->file);
        destroy(end);
        return status;
    }
    *out = end;
    return SILL_OK;
}

bool sill__end_waits(const struct sill__pipe_place *place)
{
    int directory = -1;
    if (sill__fifo_directory(place->directory, &directory) != SILL_OK)
        return true; /* opening it will say why */
    bool there = sill__fifo_exists(directory, place->file, "here");
    close(directory);
    return there;
}

/* If only the first of the two can be had, the creator sees a peer that came and went. */
int sill__end_open(sill__end **out, const struct sill__pipe_place *place, bool writer)
{
    sill__end *end;
    int directory = -1;
    const char word = 'o';
    int status = blank(&end, writer, place->file);
    if (status == SILL_OK) {
        status = sill__fifo_directory(place->directory, &directory);
        /* Also for reading, so that there is no SIGPIPE if the creator has gone. */
        if (status == SILL_OK)
            status = sill__fifo_open(directory, end->file, "here", O_RDWR, &end->here);
        if (status == SILL_OK)
            status = sill__fifo_open(directory, end->file, "fifo", writer ? O_WRONLY : O_RDONLY,
                                     &end->fd);
        if (status == SILL_OK) {
            remove_both(directory, end->file);
            ssize_t done;
            do
                done = write(end->here, &word, 1);
            while (done < 0 && errno == EINTR);
        }
        close_fd(directory);
        if (status != SILL_OK)
            destroy(end);
    }
    if (status == SILL_OK)
        *out = end;
    return status;
}

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        return SILL_OK;
    return sill__fail_os("fcntl", errno, "A pipe cannot be set up");
}

int sill__pipe_plain(sill_handle *reader, sill_handle *writer)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return sill__fail_os("pipe2", errno, "A pipe cannot be made");
    *reader = fds[0];
    *writer = fds[1];
    return SILL_OK;
}

int sill__end_anonymous(sill__end **out, bool writer, sill_handle *other)
{
    sill__end *end;
    int fds[2];
    int status = blank(&end, writer, "");
    if (status != SILL_OK)
        return status;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        status = sill__fail_os("pipe2", errno, "A pipe cannot be made");
        destroy(end);
        return status;
    }
    end->fd = fds[writer ? 1 : 0];
    status = set_nonblocking(end->fd);
    if (status != SILL_OK) {
        close(fds[writer ? 0 : 1]);
        destroy(end);
        return status;
    }
    *other = fds[writer ? 0 : 1];
    *out = end;
    return SILL_OK;
}

int sill__end_remove(const struct sill__pipe_place *place)
{
    int directory = -1;
    int status = sill__fifo_directory(place->directory, &directory);
    if (status != SILL_OK)
        return status;
    remove_both(directory, place->file);
    close(directory);
    return SILL_OK;
}

/* ---- bytes ---- */

/* What poll says of a descriptor now. */
static short look(int fd, short events)
{
    struct pollfd one = {fd, events, 0};
    return fd >= 0 && sill__fifo_poll(&one, 1, 0) > 0 ? one.revents : 0;
}

/* Whether the other end has been opened; notes it. */
static void look_for_peer(sill__end *end)
{
    if (!end->waits || look(end->here, POLLIN) == 0)
        return;
    end->waits = false;
    close_fd(end->hold);
    end->hold = -1;
}

/* The peer's process has ended, or it went before it had opened both FIFOs. */
static bool peer_gone(sill__end *end)
{
    if (look(end->death, POLLIN) != 0)
        return true;
    if (!end->creator || end->waits)
        return false;
    short here = look(end->here, POLLIN);
    return (here & POLLHUP) != 0 && (here & POLLIN) == 0;
}

/* *code: why it failed, which what is asked of the system afterwards does not change. */
static ssize_t read_eintr(int fd, void *buffer, size_t capacity, int *code)
{
    ssize_t done;
    do
        done = read(fd, buffer, capacity);
    while (done < 0 && errno == EINTR);
    *code = errno;
    return done;
}

int sill__end_read(sill__end *end, void *buffer, size_t capacity, size_t *got)
{
    int code;
    look_for_peer(end);
    ssize_t done = read_eintr(end->fd, buffer, capacity, &code);
    bool gone = done <= 0 && peer_gone(end);
    if (gone) /* what it wrote before is read */
        done = read_eintr(end->fd, buffer, capacity, &code);
    if (done > 0) {
        *got = (size_t)done;
        return SILL_OK;
    }
    if (done < 0 && code != EAGAIN && code != EWOULDBLOCK)
        return sill__fail_os("read", code, "Reading from the pipe failed");
    if (gone)
        return SILL_CLOSED;
    if (done < 0)
        return SILL_AGAIN;
    return end->here < 0 || (look(end->fd, POLLIN) & POLLHUP) != 0 ? SILL_CLOSED : SILL_AGAIN;
}

/* write() without SIGPIPE. */
static ssize_t quiet_write(int fd, const void *data, size_t size)
{
    sigset_t pipe_only, pending, before;
    const struct timespec none = {0, 0};
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    sigemptyset(&pending);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    ssize_t done;
    do
        done = write(fd, data, size);
    while (done < 0 && errno == EINTR);
    int code = errno;
    if (done < 0 && code == EPIPE && !was_pending)
        while (sigtimedwait(&pipe_only, NULL, &none) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return done;
}

int sill__end_write(sill__end *end, const void *data, size_t size, size_t *put)
{
    look_for_peer(end);
    if (end->waits)
        return SILL_AGAIN;
    ssize_t done = quiet_write(end->fd, data, size);
    if (done >= 0) {
        *put = (size_t)done;
        return SILL_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return peer_gone(end) ? SILL_CLOSED : SILL_AGAIN;
    if (errno == EPIPE)
        return SILL_CLOSED;
    return sill__fail_os("write", errno, "Writing to the pipe failed");
}

bool sill__end_under_way(sill__end *end)
{
    (void)end; /* the system has what was written */
    return false;
}

/* ---- waiting ---- */

int sill__end_wait(sill__end *end, int64_t deadline)
{
    bool idle = end->waits && end->writer; /* its own reading end makes it writable for ever */
    struct pollfd fds[4] = {{idle ? -1 : end->fd, end->writer ? POLLOUT : POLLIN, 0},
                            {end->cancel, POLLIN, 0},
                            {end->waits ? end->here : -1, POLLIN, 0},
                            {end->death, POLLIN, 0}};
    int ready = sill__fifo_poll(fds, 4, deadline);
    if (ready < 0)
        return sill__fail_os("poll", errno, "The pipe cannot be waited for");
    if (ready == 0)
        return SILL_TIMEOUT;
    if (fds[1].revents != 0)
        sill__fifo_event_clear(end->cancel);
    look_for_peer(end);
    return SILL_OK;
}

bool sill__end_wants_peer(const sill__end *end)
{
    return end->creator && !end->waits;
}

void sill__end_set_peer(sill__end *end, const struct sill__process *peer)
{
    end->death = (int)syscall(SYS_pidfd_open, (pid_t)peer->pid, 0);
    /* Asked behind it: it may have ended already, and the pid be free or a later process's. */
    if (sill__process_alive(peer) != 0)
        return;
    close_fd(end->death);
    end->death = eventfd(1, EFD_CLOEXEC); /* ready for ever */
}

void sill__end_wake(sill__end *end)
{
    sill__fifo_event_set(end->cancel);
}

int sill__end_pollable(sill__end *end, sill_handle *out)
{
    *out = end->fd;
    return SILL_OK;
}

void sill__end_unname(sill__end *end)
{
    if (end->creator && end->waits)
        remove_both(end->directory, end->file);
}

void sill__end_close(sill__end *end)
{
    destroy(end);
}
