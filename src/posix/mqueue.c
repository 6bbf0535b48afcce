/* mqueue.c - POSIX message queues.
 *
 * A queue's descriptor is one that can be polled (it is on Linux), so nothing here blocks in
 * mq_send or mq_receive, whose time limits follow the wall clock: they return at once, and poll
 * sleeps by the steady one.
 *
 * The system does not tell who else has a queue open. Two FIFOs beside the owner record do:
 *
 *   life.RECORD   the owner holds its writing end, the others read: a byte in it says that the
 * owner closed the queue, its end without one that it died. A forked child of the owner may hold
 * that end open, so the owner's process is watched too, by a pidfd. users.RECORD  the others hold
 * its writing end, the owner reads: its end says that the last of them has gone. Each writes a byte
 * when it comes and one before it goes, so the owner can tell whether one of them died. (Of more
 * than 32768 that come and go while the owner does not look, some may count as dead.)
 *
 * They are made before the queue and removed after it, under the owner record; who opens them finds
 * them complete, or no queue.
 *
 * A cancel is a byte in an eventfd, one for the sender and one for the receiver, so that each can
 * clear its own. The core looks at the count of cancels after it was cleared.
 *
 * Shared between processes: nothing but the queue and the FIFOs.
 */
#include "../queue_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../clock.h"
#include "../memory.h"
#include "../region_ops.h"
#include "../status.h"
#include "../step.h"
#include "fifo.h"

extern const struct sill__queue_ops sill__mqueue_ops;

#define CAME 'o'
#define GOES 'c'

struct mqueue {
    sill__mail mail;
    mqd_t queue;
    int life;      /* the owner's: writing and reading; others': reading */
    int users;     /* the owner's: reading; others': writing */
    int death;     /* others': a pidfd of the owner, or -1 */
    int cancel[2]; /* of the receiver, of the sender */
    int directory; /* the owner's, to remove the FIFOs; -1 */
    char object[64];
    char file[100];
};

static struct mqueue *mqueue_of(sill__mail *mail)
{
    return (struct mqueue *)mail;
}

/* ---- limits ---- */

static uint64_t read_limit(const char *path, uint64_t otherwise)
{
    uint64_t value = otherwise;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return otherwise;
    if (fscanf(file, "%" SCNu64, &value) != 1)
        value = otherwise;
    fclose(file);
    return value;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int bounds(struct sill__queue_bounds *out)
{
    struct rlimit user;
    struct sill__queue_bounds found = {0};
    mqd_t none = mq_open("/sill.none", O_RDONLY | O_CLOEXEC);
    if (none != (mqd_t)-1)
        mq_close(none);
    else if (errno == ENOSYS)
        return sill__fail_os_as(SILL_UNSUPPORTED, "mq_open", errno,
                                "This system has no POSIX message queues");
    found.depth = least(SILL__QUEUE_DEPTH, read_limit("/proc/sys/fs/mqueue/msg_max", 10));
    found.message_max =
        (size_t)least(SILL__QUEUE_MESSAGE, read_limit("/proc/sys/fs/mqueue/msgsize_max", 8192));
    if (getrlimit(RLIMIT_MSGQUEUE, &user) == 0 && user.rlim_cur != RLIM_INFINITY)
        found.user_bytes = user.rlim_cur;
    *out = found;
    return SILL_OK;
}

/* Why mq_open would not make a queue. */
static int make_failed(int code, const struct sill__queue_place *place, const struct mq_attr *want)
{
    if (code == EEXIST)
        return sill__fail_os_as(SILL_FOREIGN, "mq_open", code, "Something else has the name %s.",
                                place->object);
    if (code == EINVAL)
        return sill__fail_os_as(
            SILL_LIMIT, "mq_open", code,
            "A queue of %ld messages of %ld bytes is more than this system allows: at most "
            "%" PRIu64 " (fs.mqueue.msg_max) of %" PRIu64 " bytes (fs.mqueue.msgsize_max); raise "
            "them with \"sysctl -w\"",
            want->mq_maxmsg, want->mq_msgsize, read_limit("/proc/sys/fs/mqueue/msg_max", 10),
            read_limit("/proc/sys/fs/mqueue/msgsize_max", 8192));
    if (code == EMFILE)
        return sill__fail_os_as(
            SILL_LIMIT, "mq_open", code,
            "A queue of %ld messages of %ld bytes is more than this user's queues may take "
            "together, or no descriptor is left; see \"ulimit -q\" and \"ulimit -n\"",
            want->mq_maxmsg, want->mq_msgsize);
    if (code == ENOSPC)
        return sill__fail_os_as(SILL_LIMIT, "mq_open", code,
                                "There are as many POSIX message queues as fs.mqueue.queues_max "
                                "allows; raise it with \"sysctl -w fs.mqueue.queues_max=COUNT\"");
    if (code == ENOSYS)
        return sill__fail_os_as(SILL_UNSUPPORTED, "mq_open", code,
                                "This system has no POSIX message queues");
    return sill__fail_os("mq_open", code, "The queue \"%s\" cannot be made", place->name);
}

/* ---- the FIFOs ---- */

static int make_fifo(const struct mqueue *queue, const char *what, int flags, int *out)
{
    int status = sill__fifo_make(queue->directory, queue->file, what);
    return status == SILL_OK ? sill__fifo_open(queue->directory, queue->file, what, flags, out)
                             : status;
}

/* Nobody waits for the byte, and a full FIFO loses it. There is no SIGPIPE: whoever writes has the
 * FIFO open for reading as well. */
static void say(int fd, char word)
{
    ssize_t done;
    do
        done = write(fd, &word, 1);
    while (done < 0 && errno == EINTR);
}

/* ---- making and opening ---- */

static int blank(struct mqueue **out, const struct sill__queue_place *place)
{
    struct mqueue *queue = sill__alloc_zeroed(sizeof *queue);
    if (queue == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a queue.");
    queue->mail.ops = &sill__mqueue_ops;
    queue->queue = (mqd_t)-1;
    queue->life = queue->users = queue->death = queue->directory = -1;
    queue->cancel[0] = queue->cancel[1] = -1;
    memcpy(queue->object, place->object, sizeof queue->object);
    memcpy(queue->file, place->file, sizeof queue->file);
    *out = queue;
    int status = sill__fifo_event(&queue->cancel[0]);
    return status == SILL_OK ? sill__fifo_event(&queue->cancel[1]) : status;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void destroy(struct mqueue *queue)
{
    if (queue->queue != (mqd_t)-1)
        mq_close(queue->queue);
    close_fd(queue->life);
    close_fd(queue->users);
    close_fd(queue->death);
    close_fd(queue->cancel[0]);
    close_fd(queue->cancel[1]);
    close_fd(queue->directory);
    sill__free(queue);
}

static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    int length = snprintf(object, 64, "/sill.%016" PRIx64 "-%.15s",
                          sill__region_name_hash(SILL_CHANNEL_MQUEUE, record), name);
    if (attempt > 0) /* one that cannot be foreseen */
        snprintf(object + length, 64 - (size_t)length, "~%x",
                 (unsigned)((uint64_t)sill__now_ns() >> 4) + attempt);
    return SILL_OK;
}

static int take_attributes(struct mqueue *queue)
{
    struct mq_attr found;
    if (mq_getattr(queue->queue, &found) != 0)
        return sill__fail_os("mq_getattr", errno, "The queue's limits cannot be read");
    queue->mail.message_max = (size_t)found.mq_msgsize;
    queue->mail.depth = (uint64_t)found.mq_maxmsg;
    return SILL_OK;
}

static int make(struct mqueue *queue, const struct sill__queue_place *place, size_t message_max,
                unsigned depth)
{
    struct sill__queue_bounds usual = {0};
    int status = bounds(&usual);
    if (status != SILL_OK)
        return status;
    struct mq_attr want = {.mq_maxmsg = depth > 0 ? (long)depth : (long)usual.depth,
                           .mq_msgsize =
                               message_max > 0 ? (long)message_max : (long)usual.message_max};
    status = sill__fifo_directory(place->directory, &queue->directory);
    if (status == SILL_OK)
        status = make_fifo(queue, "life", O_RDWR, &queue->life);
    if (status == SILL_OK)
        status = make_fifo(queue, "users", O_RDONLY, &queue->users);
    if (status != SILL_OK)
        return status;
    SILL__STEP(queue_object);
    queue->queue =
        mq_open(place->object, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &want);
    if (queue->queue == (mqd_t)-1)
        return make_failed(errno, place, &want);
    return take_attributes(queue);
}

static void remove_all(struct mqueue *queue)
{
    if (queue->queue != (mqd_t)-1)
        mq_unlink(queue->object);
    if (queue->directory < 0)
        return;
    sill__fifo_remove(queue->directory, queue->file, "life");
    sill__fifo_remove(queue->directory, queue->file, "users");
}

static int create(sill__mail **out, const struct sill__queue_place *place, size_t message_max,
                  unsigned depth)
{
    struct mqueue *queue = NULL;
    int status = blank(&queue, place);
    if (status == SILL_OK)
        status = make(queue, place, message_max, depth);
    if (status != SILL_OK) {
        if (queue != NULL) {
            remove_all(queue);
            destroy(queue);
        }
        return status;
    }
    queue->mail.owner = true;
    *out = &queue->mail;
    return SILL_OK;
}

/* Another user may have made a queue of that name, which a file of the user's own would not show.
 */
static int check_queue(mqd_t queue)
{
    struct stat st;
    if (fstat((int)queue, &st) != 0)
        return sill__fail_os("fstat", errno, "The queue cannot be looked at");
    if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return sill__fail(SILL_DENIED, "The queue is another user's, or others may write to it.");
    return SILL_OK;
}

static int attach(struct mqueue *queue, const struct sill__queue_place *place)
{
    int directory;
    queue->queue = mq_open(place->object, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (queue->queue == (mqd_t)-1)
        return sill__fail_os("mq_open", errno, "The queue \"%s\" cannot be opened", place->name);
    int status = check_queue(queue->queue);
    if (status == SILL_OK)
        status = take_attributes(queue);
    if (status == SILL_OK)
        status = sill__fifo_directory(place->directory, &directory);
    if (status != SILL_OK)
        return status;
    status = sill__fifo_open(directory, queue->file, "life", O_RDONLY, &queue->life);
    if (status == SILL_OK)
        status = sill__fifo_open(directory, queue->file, "users", O_RDWR, &queue->users);
    close(directory);
    if (status != SILL_OK)
        return status;
    say(queue->users, CAME);
    queue->death = (int)syscall(SYS_pidfd_open, (pid_t)place->owner.pid, 0);
    /* Behind both: a pidfd of a later process of that number, and a FIFO whose writer had gone
     * before it was opened and that would never tell. */
    if (sill__process_alive(&place->owner) == 0)
        return sill__fail(SILL_NOT_FOUND, "The owner of the queue \"%s\" has ended.", place->name);
    return SILL_OK;
}

static int open_queue(sill__mail **out, const struct sill__queue_place *place)
{
    struct mqueue *queue = NULL;
    int status = blank(&queue, place);
    if (status == SILL_OK)
        status = attach(queue, place);
    if (status != SILL_OK) {
        if (queue != NULL)
            destroy(queue);
        return status;
    }
    *out = &queue->mail;
    return SILL_OK;
}

/* ---- messages ---- */

static int put(sill__mail *mail, unsigned char *message, size_t size, unsigned priority)
{
    int done;
    do
        done = mq_send(mqueue_of(mail)->queue, (const char *)message, size, priority);
    while (done != 0 && errno == EINTR);
    if (done == 0) {
        SILL__STEP(queue_put);
        return SILL_OK;
    }
    if (errno == EAGAIN)
        return SILL_AGAIN;
    return sill__fail_os("mq_send", errno, "A message cannot be sent");
}

static int take(sill__mail *mail, unsigned char *message, size_t *size, unsigned *priority)
{
    ssize_t got;
    do
        got = mq_receive(mqueue_of(mail)->queue, (char *)message, mail->message_max, priority);
    while (got < 0 && errno == EINTR);
    if (got >= 0) {
        *size = (size_t)got;
        SILL__STEP(queue_taken);
        return SILL_OK;
    }
    if (errno == EAGAIN)
        return SILL_AGAIN;
    return sill__fail_os("mq_receive", errno, "A message cannot be received");
}

/* ---- waiting ---- */

/* What the ends of the FIFOs say; `life` and `death` are what poll said of them. */
static int owner_end(short life, short death)
{
    if ((life & POLLIN) != 0)
        return SILL_CLOSED;
    return (life & (POLLHUP | POLLERR)) != 0 || (death & POLLIN) != 0 ? SILL_DIED : SILL_OK;
}

static int state(sill__mail *mail)
{
    struct mqueue *queue = mqueue_of(mail);
    if (mail->owner)
        return SILL_OK;
    struct pollfd fds[2] = {{queue->life, POLLIN, 0}, {queue->death, POLLIN, 0}};
    if (sill__fifo_poll(fds, 2, 0) < 0)
        return sill__fail_os("poll", errno, "The owner of the queue cannot be watched");
    int end = owner_end(fds[0].revents, fds[1].revents);
    /* It may have closed between the two looks. */
    if (end == SILL_DIED && sill__fifo_poll(fds, 1, 0) > 0)
        end = owner_end(fds[0].revents, POLLIN);
    return end;
}

/* The last of the others has gone: whether one of them died. */
static int users_end(struct mqueue *queue)
{
    char words[512];
    ssize_t got;
    long open = 0;
    while ((got = read(queue->users, words, sizeof words)) > 0 || (got < 0 && errno == EINTR))
        for (ssize_t i = 0; i < got; i++)
            open += words[i] == CAME ? 1 : -1;
    return open > 0 ? SILL_DIED : SILL_CLOSED;
}

static int wait_queue(sill__mail *mail, const struct sill__queue_wait *wait)
{
    struct mqueue *queue = mqueue_of(mail);
    int cancel = queue->cancel[wait->room ? 1 : 0];
    struct pollfd fds[4] = {{(int)queue->queue, wait->room ? POLLOUT : POLLIN, 0},
                            {cancel, POLLIN, 0},
                            {mail->owner ? -1 : queue->life, POLLIN, 0},
                            {queue->death, POLLIN, 0}};
    if (mail->owner && wait->alone)
        fds[2] = (struct pollfd){queue->users, 0, 0};
    int ready = sill__fifo_poll(fds, 4, wait->deadline);
    if (ready < 0)
        return sill__fail_os("poll", errno, "The queue cannot be waited for");
    if (ready == 0)
        return SILL_TIMEOUT;
    if (fds[1].revents != 0)
        sill__fifo_event_clear(cancel);
    if (fds[0].revents != 0 || fds[1].revents != 0)
        return SILL_OK;
    return mail->owner ? users_end(queue) : state(mail);
}

static void wake(sill__mail *mail)
{
    sill__fifo_event_set(mqueue_of(mail)->cancel[0]);
    sill__fifo_event_set(mqueue_of(mail)->cancel[1]);
}

static int pollable(sill__mail *mail, sill_handle *out)
{
    *out = (sill_handle)mqueue_of(mail)->queue;
    return SILL_OK;
}

static int count(sill__mail *mail, uint64_t *messages)
{
    struct mq_attr found;
    if (mq_getattr(mqueue_of(mail)->queue, &found) != 0)
        return sill__fail_os("mq_getattr", errno, "The queue cannot be looked at");
    *messages = (uint64_t)found.mq_curmsgs;
    return SILL_OK;
}

/* ---- closing ---- */

static void close_queue(sill__mail *mail, bool remove, bool ours)
{
    struct mqueue *queue = mqueue_of(mail);
    if (remove) {
        remove_all(queue);
        say(queue->life, GOES);
    } else if (ours && !mail->owner && state(mail) == SILL_OK) {
        say(queue->users, GOES);
    }
    destroy(queue);
}

static int remove_queue(const struct sill__queue_place *place)
{
    int directory = -1;
    int status = sill__fifo_directory(place->directory, &directory);
    if (status != SILL_OK)
        return status;
    if (place->object[0] == '/' && mq_unlink(place->object) != 0 && errno != ENOENT)
        status = sill__fail_os("mq_unlink", errno, "The queue %s cannot be removed", place->object);
    sill__fifo_remove(directory, place->file, "life");
    sill__fifo_remove(directory, place->file, "users");
    close(directory);
    return status;
}

const struct sill__queue_ops sill__mqueue_ops = {
    .kind = SILL_CHANNEL_MQUEUE,
    .owner = SILL__OWNER_QUEUE_MQUEUE,
    .pollable_kind = true,
    .bounds = bounds,
    .object_name = object_name,
    .create = create,
    .open = open_queue,
    .state = state,
    .put = put,
    .take = take,
    .wait = wait_queue,
    .wake = wake,
    .pollable = pollable,
    .count = count,
    .close = close_queue,
    .remove = remove_queue,
};
