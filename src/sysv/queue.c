/* queue.c (System V) - message queues: msgget, and a set of semaphores beside each.
 *
 * msgrcv gives the lowest type first when it is asked for a negative one, so a message of priority
 * p has the type 32 - p. All types are asked for: one that is not ours would be in the way for
 * ever. msgsnd and msgrcv know no time limit and tell nothing of other processes, so they are
 * called without waiting, and whoever has to wait sleeps on the semaphores, which the system also
 * changes when a process ends, however it ends (SEM_UNDO):
 *
 *   ITEMS, ROOM   bells: 1 while somebody sleeps until there is a message, or room; 0 wakes all
 *   OWNER         1 as long as the owner lives
 *   USERS         how many times others have the queue open
 *   OPEN          the same, but no end of a process undoes it: more than USERS says that one died
 *   EVER          1 once somebody else has had it open
 *   MADE          1 once the message queue exists
 *   HASH, HASH+1  28 bits of a hash of the record's name: the set belongs to that record
 *   MAX, MAX+1    28 bits: how large a message may be
 *
 * To sleep: set the bell to 1, look at the queue once more, wait until the bell is 0. To wake: make
 * the change, then set the bell to 0 if it is 1. If the look finds something, the bell is rung,
 * since another may have set it to 1 before and relies on it. A process adds to each bell, at its
 * beginning, an undo of -1: its end, by a kill too, is a ring.
 *
 * A process that is killed between a change and its ring leaves sleepers that nobody wakes, but its
 * end is a ring by itself. Only one that is stopped just there makes others wait, and they look
 * again every LOOK_NS.
 *
 * The owner's close removes the queue and the set, which wakes everybody: CLOSED. If the owner dies
 * they stay, with OWNER at 0: DIED.
 *
 * Keys are ftok's of the owner record, as those of regions (region.c). The set is made first and
 * says whose it is; a queue under the same key is ours if MADE is 1, or if nobody has used it yet.
 */
#include "../queue_ops.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "../memory.h"
#include "../region_ops.h"
#include "../status.h"
#include "../step.h"

extern const struct sill__queue_ops sill__sysv_queue_ops;

#define PROJECT 'Q' /* the first project number for ftok */
#define LOOK_NS INT64_C(1000000000)
#define SIZE_28 ((size_t)0xfffffff)
#define TYPES   (SILL_PRIORITY_MAX + 1)

enum { ITEMS, ROOM, OWNER, USERS, OPEN, EVER, MADE, HASH, MAX = HASH + 2, SEMAPHORES = MAX + 2 };

union argument { /* semctl's, which the caller has to define */
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

struct queue {
    sill__mail mail;
    int queue;
    int set;
};

static struct queue *queue_of(sill__mail *mail)
{
    return (struct queue *)mail;
}

_Static_assert(sizeof(long) <= SILL__QUEUE_FRONT, "a message's type lies before it");

/* ---- keys ---- */

static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    (void)name;
    key_t key = ftok(record, PROJECT + (int)attempt);
    if (key == (key_t)-1)
        return sill__fail_os("ftok", errno, "There is no owner record %s", record);
    snprintf(object, 64, "%08x", (unsigned)key);
    return SILL_OK;
}

static int parse_key(const char *object, key_t *key)
{
    unsigned number;
    if (sscanf(object, "%8x", &number) != 1 || number == IPC_PRIVATE)
        return sill__fail(SILL_FOREIGN, "\"%s\" is not the key of a queue.", object);
    *key = (key_t)number;
    return SILL_OK;
}

/* 28 bits in two semaphores, of which the first is never 0, as new ones are. */
static void split(uint64_t bits, unsigned short out[2])
{
    out[0] = (unsigned short)((bits >> 14 & 0x3fff) << 1 | 1);
    out[1] = (unsigned short)(bits & 0x3fff);
}

static uint64_t joined(int set, int first)
{
    int high = semctl(set, first, GETVAL), low = semctl(set, first + 1, GETVAL);
    return high < 0 || low < 0 ? 0 : (uint64_t)(high >> 1) << 14 | (uint64_t)low;
}

static uint64_t mark_of(const struct sill__queue_place *place)
{
    return sill__region_name_hash(SILL_CHANNEL_SYSV, place->file) & 0xfffffff;
}

static bool is_gone(int code)
{
    return code == EIDRM || code == EINVAL;
}

/* ---- limits ---- */

#ifdef __linux__
static bool read_limits(struct msginfo *out)
{
    return msgctl(0, IPC_INFO, (void *)out) >= 0;
}
#else
struct msginfo {
    int msgmax, msgmnb, msgmni;
};
static bool read_limits(struct msginfo *out)
{
    (void)out;
    return false;
}
#endif

static int bounds(struct sill__queue_bounds *out)
{
    struct msginfo limits = {.msgmax = SILL__QUEUE_MESSAGE, .msgmnb = 2 * SILL__QUEUE_MESSAGE};
    struct sill__queue_bounds found = {0};
    if (msgget(IPC_PRIVATE + 1, 0) < 0 && errno == ENOSYS)
        return sill__fail_os_as(SILL_UNSUPPORTED, "msgget", errno,
                                "This system has no System V message queues");
    (void)read_limits(&limits);
    found.message_max =
        (size_t)(limits.msgmax < SILL__QUEUE_MESSAGE ? limits.msgmax : SILL__QUEUE_MESSAGE);
    found.bytes = (uint64_t)limits.msgmnb;
    found.depth = found.bytes / found.message_max;
    *out = found;
    return SILL_OK;
}

static int make_failed(const char *call, int code)
{
    if (code == EEXIST)
        return sill__fail_os_as(SILL_FOREIGN, call, code, "Something else has the queue's key");
    if (code == ENOSPC)
        return sill__fail_os_as(SILL_LIMIT, call, code,
                                "There are as many System V queues or semaphores as the system "
                                "allows; raise kernel.msgmni or kernel.sem with \"sysctl -w\", or "
                                "see \"ipcs\" for what can go");
    if (code == ENOSYS)
        return sill__fail_os_as(SILL_UNSUPPORTED, call, code,
                                "This system has no System V message queues");
    return sill__fail_os(call, code, "A System V queue cannot be made");
}

/* The size of the queue that was made, which is msgmnb at first. */
static int set_size(struct queue *queue, size_t message_max, unsigned depth)
{
    struct msqid_ds info = {0};
    struct msginfo limits = {0};
    size_t size = message_max;
    bool known = read_limits(&limits);
    if (known && size > (size_t)limits.msgmax)
        return sill__fail(SILL_LIMIT,
                          "Messages of %zu bytes are more than this system allows: the limit "
                          "kernel.msgmax is %d; raise it with \"sysctl -w kernel.msgmax=BYTES\"",
                          size, limits.msgmax);
    if (msgctl(queue->queue, IPC_STAT, &info) != 0)
        return sill__fail_os("msgctl", errno, "The queue cannot be looked at");
    uint64_t bytes = depth > 0 ? (uint64_t)depth * size : info.msg_qbytes;
    if (bytes > info.msg_qbytes || size > info.msg_qbytes) {
        if (depth > 0)
            info.msg_qbytes = (msglen_t)bytes; /* a privileged process may */
        if (size > info.msg_qbytes || bytes != (msglen_t)bytes ||
            msgctl(queue->queue, IPC_SET, &info) != 0)
            return sill__fail(SILL_LIMIT,
                              "%u messages of %zu bytes are more than a queue may hold here: the "
                              "limit kernel.msgmnb is %d bytes; raise it with \"sysctl -w "
                              "kernel.msgmnb=BYTES\"",
                              depth > 0 ? depth : 1, size, limits.msgmnb);
    } else if (bytes < info.msg_qbytes) {
        info.msg_qbytes = (msglen_t)bytes;
        if (msgctl(queue->queue, IPC_SET, &info) != 0)
            return sill__fail_os("msgctl", errno, "The queue's size cannot be set");
    }
    queue->mail.message_max = size;
    queue->mail.bytes = bytes;
    queue->mail.depth = bytes / size;
    return SILL_OK;
}

/* ---- semaphores ---- */

/* Several changes at once, without waiting. 0 or an errno. */
static int change(int set, struct sembuf *changes, size_t count)
{
    while (semop(set, changes, count) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

static void ring(const struct queue *queue, unsigned short bell)
{
    struct sembuf down = {bell, -1, IPC_NOWAIT};
    (void)change(queue->set, &down, 1); /* 0 already, or gone: nobody sleeps */
}

static int arm(const struct queue *queue, unsigned short bell)
{
    struct sembuf up[2] = {{bell, 0, IPC_NOWAIT}, {bell, 1, IPC_NOWAIT}};
    int code = change(queue->set, up, 2);
    return code == EAGAIN ? 0 : code; /* another one has set it */
}

/* Enters this process into the set: `role` counts it, and its end rings both bells. */
static int enter(int set, unsigned short role)
{
    struct sembuf changes[] = {
        {ITEMS, 1, IPC_NOWAIT | SEM_UNDO}, {ITEMS, -1, IPC_NOWAIT},
        {ROOM, 1, IPC_NOWAIT | SEM_UNDO},  {ROOM, -1, IPC_NOWAIT},
        {role, 1, IPC_NOWAIT | SEM_UNDO},  {OPEN, 1, IPC_NOWAIT},
    };
    size_t count = sizeof changes / sizeof changes[0];
    int code = change(set, changes, role == USERS ? count : count - 1);
    if (code == ERANGE &&
        role == USERS) /* so many have died: OPEN is more than USERS all the same */
        code = change(set, changes, count - 1);
    if (code == ERANGE)
        return sill__fail_os("semop", code, "The queue is open in too many places");
    if (code == ENOSPC || code == ENOMEM)
        return sill__fail_os("semop", code, "The system can note no more undoing of semaphores");
    return code == 0 ? SILL_OK
                     : sill__fail_os_as(is_gone(code) ? SILL_NOT_FOUND : sill__os_status(code),
                                        "semop", code, "The queue has just gone");
}

/* Takes that back, in order. */
static void leave(const struct queue *queue)
{
    struct sembuf changes[] = {
        {OPEN, -1, IPC_NOWAIT}, {USERS, -1, IPC_NOWAIT | SEM_UNDO},
        {ITEMS, 1, IPC_NOWAIT}, {ITEMS, -1, IPC_NOWAIT | SEM_UNDO},
        {ROOM, 1, IPC_NOWAIT},  {ROOM, -1, IPC_NOWAIT | SEM_UNDO},
    };
    size_t count = sizeof changes / sizeof changes[0];
    if (change(queue->set, changes, count) == EAGAIN) /* OPEN was set back meanwhile */
        (void)change(queue->set, changes + 1, count - 1);
    ring(queue, ITEMS);
    ring(queue, ROOM);
}

static int value(int set, int which)
{
    return semctl(set, which, GETVAL);
}

/* ---- making and opening ---- */

static bool trusted(uid_t uid)
{
    return uid == geteuid() || uid == 0;
}

static bool trusted_permission(const struct ipc_perm *perm)
{
    return trusted(perm->uid) && trusted(perm->cuid) && (perm->mode & 022) == 0;
}

static int new_queue(struct queue **out, int set, int id)
{
    struct queue *queue = sill__alloc_zeroed(sizeof *queue);
    if (queue == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a queue.");
    queue->mail.ops = &sill__sysv_queue_ops;
    queue->set = set;
    queue->queue = id;
    *out = queue;
    return SILL_OK;
}

static int make_set(const struct sill__queue_place *place, key_t key, size_t message_max, int *out)
{
    unsigned short values[SEMAPHORES] = {0};
    union argument all = {.array = values};
    int set = semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0600);
    if (set < 0)
        return make_failed("semget", errno);
    split(mark_of(place), &values[HASH]);
    split(message_max, &values[MAX]);
    if (semctl(set, 0, SETALL, all) != 0) {
        int status = sill__fail_os("semctl", errno, "The queue's semaphores cannot be set");
        semctl(set, 0, IPC_RMID);
        return status;
    }
    *out = set;
    return SILL_OK;
}

static int create(sill__mail **out, const struct sill__queue_place *place, size_t message_max,
                  unsigned depth)
{
    struct queue *queue = NULL;
    int set = -1, id = -1;
    key_t key = IPC_PRIVATE;
    struct sill__queue_bounds usual = {0};
    int status = bounds(&usual);
    if (message_max == 0)
        message_max = usual.message_max;
    if (status == SILL_OK)
        status = parse_key(place->object, &key);
    if (status == SILL_OK && message_max > SIZE_28)
        status = sill__fail(
            SILL_LIMIT, "Messages of %zu bytes are more than a System V queue takes.", message_max);
    if (status == SILL_OK)
        status = make_set(place, key, message_max, &set);
    if (status != SILL_OK)
        return status;
    SILL__STEP(queue_object);
    id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    if (id < 0) {
        status = make_failed("msgget", errno);
        goto fail_set;
    }
    struct sembuf made = {MADE, 1, IPC_NOWAIT};
    status = new_queue(&queue, set, id);
    if (status == SILL_OK)
        status = set_size(queue, message_max, depth);
    if (status == SILL_OK)
        status = enter(set, OWNER);
    if (status == SILL_OK && change(set, &made, 1) != 0)
        status = sill__fail_os("semop", errno, "The queue has just gone");
    if (status != SILL_OK)
        goto fail_queue;
    queue->mail.owner = true;
    *out = &queue->mail;
    return SILL_OK;

fail_queue:
    sill__free(queue);
    msgctl(id, IPC_RMID, NULL);
fail_set:
    semctl(set, 0, IPC_RMID);
    return status;
}

/* The set of this record. FOREIGN: another one has the key. */
static int find_set(const struct sill__queue_place *place, key_t *key, int *out)
{
    struct semid_ds info = {0};
    union argument where = {.buf = &info};
    int status = parse_key(place->object, key);
    if (status != SILL_OK)
        return status;
    int set = semget(*key, 0, 0);
    if (set < 0 || semctl(set, 0, IPC_STAT, where) != 0)
        return sill__fail_os_as(errno == EIDRM ? SILL_NOT_FOUND : sill__os_status(errno), "semget",
                                errno, "The semaphores of the queue \"%s\" cannot be opened",
                                place->name);
    if (!trusted_permission(&info.sem_perm))
        return sill__fail(SILL_DENIED,
                          "The semaphores of the queue \"%s\" are another user's, or others may "
                          "change them.",
                          place->name);
    bool alike = info.sem_nsems == SEMAPHORES;
    bool marked = alike && value(set, HASH) > 0 && joined(set, HASH) == mark_of(place);
    bool new = alike &&info.sem_otime == 0 && value(set, HASH) == 0;
    if (!marked && !new)
        return sill__fail(SILL_FOREIGN, "The key %s belongs to other semaphores than sill's.",
                          place->object);
    *out = set;
    return SILL_OK;
}

static int find_queue(key_t key, struct msqid_ds *info, int *out)
{
    int id = msgget(key, 0);
    if (id < 0 || msgctl(id, IPC_STAT, info) != 0)
        return sill__fail_os_as(errno == EIDRM ? SILL_NOT_FOUND : sill__os_status(errno), "msgget",
                                errno, "The queue with the key 0x%08x cannot be opened",
                                (unsigned)key);
    if (!trusted_permission(&info->msg_perm))
        return sill__fail(SILL_DENIED,
                          "The queue with the key 0x%08x is another user's, or others may use it.",
                          (unsigned)key);
    *out = id;
    return SILL_OK;
}

static int open_queue(sill__mail **out, const struct sill__queue_place *place)
{
    struct queue *queue;
    struct msqid_ds info = {0};
    struct sembuf ever[2] = {{EVER, 0, IPC_NOWAIT}, {EVER, 1, IPC_NOWAIT}};
    key_t key = IPC_PRIVATE;
    int set = -1, id = -1;
    int status = find_set(place, &key, &set);
    if (status == SILL_OK && (value(set, MADE) != 1 || value(set, OWNER) != 1))
        status = sill__fail(SILL_NOT_FOUND, "The queue \"%s\" is not made yet, or its owner ended.",
                            place->name);
    if (status == SILL_OK)
        status = find_queue(key, &info, &id);
    if (status == SILL_OK)
        status = new_queue(&queue, set, id);
    if (status != SILL_OK)
        return status;
    queue->mail.message_max = (size_t)joined(set, MAX);
    if (queue->mail.message_max == 0)
        status = sill__fail(SILL_NOT_FOUND, "The queue \"%s\" has just gone.", place->name);
    else if (queue->mail.message_max > info.msg_qbytes)
        status = sill__fail(SILL_FOREIGN,
                            "The semaphores of the queue \"%s\" tell of messages of %zu bytes, and "
                            "it holds no more than %zu.",
                            place->name, queue->mail.message_max, (size_t)info.msg_qbytes);
    else
        status = enter(set, USERS);
    if (status != SILL_OK) {
        sill__free(queue);
        return status;
    }
    queue->mail.bytes = info.msg_qbytes;
    queue->mail.depth = queue->mail.bytes / queue->mail.message_max;
    (void)change(set, ever, 2);
    *out = &queue->mail;
    return SILL_OK;
}

/* ---- messages ---- */

static int gone(void)
{
    return SILL_CLOSED;
}

static int state(sill__mail *mail)
{
    struct queue *queue = queue_of(mail);
    if (mail->owner)
        return SILL_OK;
    int owners = value(queue->set, OWNER);
    if (owners < 0)
        return is_gone(errno) ? gone() : sill__fail_os("semctl", errno, "The queue is lost");
    return owners > 0 ? SILL_OK : SILL_DIED;
}

static int put(sill__mail *mail, unsigned char *message, size_t size, unsigned priority)
{
    struct queue *queue = queue_of(mail);
    long type = TYPES - (long)priority;
    unsigned char *from = message - sizeof type;
    memcpy(from, &type, sizeof type);
    while (msgsnd(queue->queue, from, size, IPC_NOWAIT) != 0) {
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return SILL_AGAIN;
        return is_gone(errno) ? gone() : sill__fail_os("msgsnd", errno, "A message cannot be sent");
    }
    SILL__STEP(queue_put);
    ring(queue, ITEMS);
    return SILL_OK;
}

static int take(sill__mail *mail, unsigned char *message, size_t *size, unsigned *priority)
{
    struct queue *queue = queue_of(mail);
    long type;
    unsigned char *to = message - sizeof type;
    ssize_t got;
    while ((got = msgrcv(queue->queue, to, mail->message_max, -LONG_MAX, IPC_NOWAIT)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == ENOMSG)
            return SILL_AGAIN;
        if (errno != E2BIG)
            return is_gone(errno) ? gone()
                                  : sill__fail_os("msgrcv", errno, "A message cannot be received");
        /* It would be in the way for ever: out with it, cut. */
        if (msgrcv(queue->queue, to, mail->message_max, -LONG_MAX, IPC_NOWAIT | MSG_NOERROR) < 0)
            continue;
        ring(queue, ROOM);
        return sill__fail(SILL_PROTOCOL,
                          "A message in the queue was larger than %zu bytes; it is "
                          "dropped.",
                          mail->message_max);
    }
    SILL__STEP(queue_taken);
    ring(queue, ROOM);
    memcpy(&type, to, sizeof type);
    if (type > TYPES)
        return sill__fail(SILL_PROTOCOL,
                          "A message in the queue has the type %ld, which no priority has; it is "
                          "dropped.",
                          type);
    *size = (size_t)got;
    *priority = (unsigned)(TYPES - type);
    return SILL_OK;
}

/* ---- waiting ---- */

/* The last of the others has gone: whether one of them died. */
static int users_end(struct queue *queue)
{
    int open = value(queue->set, OPEN);
    if (open <= 0)
        return SILL_CLOSED;
    struct sembuf back = {OPEN, (short)-open, IPC_NOWAIT};
    (void)change(queue->set, &back, 1);
    return SILL_DIED;
}

/* Whether the queue has what is waited for, there was a cancel, or the others are gone. AGAIN: none
 * of that. */
static int look(struct queue *queue, const struct sill__queue_wait *wait)
{
    struct msqid_ds info = {0};
    if (msgctl(queue->queue, IPC_STAT, &info) != 0)
        return is_gone(errno) ? gone()
                              : sill__fail_os("msgctl", errno, "The queue cannot be looked at");
    bool ready = wait->room ? info.msg_cbytes + wait->size <= info.msg_qbytes &&
                                  info.msg_qnum < info.msg_qbytes
                            : info.msg_qnum > 0;
    if (ready || atomic_load(wait->asked) != wait->seen)
        return SILL_OK;
    if (!queue->mail.owner) {
        int end = state(&queue->mail);
        return end == SILL_OK ? SILL_AGAIN : end;
    }
    bool ever = wait->alone && (value(queue->set, EVER) > 0 || value(queue->set, OPEN) > 0);
    return ever && value(queue->set, USERS) == 0 ? users_end(queue) : SILL_AGAIN;
}

static int wait_queue(sill__mail *mail, const struct sill__queue_wait *wait)
{
    struct queue *queue = queue_of(mail);
    unsigned short bell = wait->room ? ROOM : ITEMS;
    for (;;) {
        int code = arm(queue, bell);
        if (code != 0)
            return is_gone(code) ? gone() : sill__fail_os("semop", code, "Waiting failed");
        int status = look(queue, wait);
        if (status != SILL_AGAIN) {
            ring(queue, bell);
            return status;
        }
        int64_t left = LOOK_NS;
        if (wait->deadline != SILL__FOREVER && wait->deadline - sill__now_ns() < left)
            left = wait->deadline - sill__now_ns();
        if (left <= 0)
            return SILL_TIMEOUT;
        struct sembuf zero = {bell, 0, 0};
        struct timespec limit = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        if (semtimedop(queue->set, &zero, 1, &limit) == 0)
            return SILL_OK;
        if (errno != EAGAIN && errno != EINTR)
            return is_gone(errno) ? gone() : sill__fail_os("semtimedop", errno, "Waiting failed");
    }
}

static void wake(sill__mail *mail)
{
    int code = errno; /* a signal handler must leave it as it was */
    ring(queue_of(mail), ITEMS);
    ring(queue_of(mail), ROOM);
    errno = code;
}

static int pollable(sill__mail *mail, sill_handle *out)
{
    (void)mail;
    (void)out;
    return sill__fail(SILL_UNSUPPORTED, "A System V queue has no handle to wait on.");
}

static int count(sill__mail *mail, uint64_t *messages)
{
    struct msqid_ds info = {0};
    if (msgctl(queue_of(mail)->queue, IPC_STAT, &info) != 0)
        return is_gone(errno) ? gone()
                              : sill__fail_os("msgctl", errno, "The queue cannot be looked at");
    *messages = info.msg_qnum;
    return SILL_OK;
}

/* ---- closing ---- */

static void close_queue(sill__mail *mail, bool remove, bool ours)
{
    struct queue *queue = queue_of(mail);
    if (remove) {
        msgctl(queue->queue, IPC_RMID, NULL);
        semctl(queue->set, 0, IPC_RMID);
    } else if (ours && !mail->owner) {
        leave(queue);
    }
    sill__free(queue);
}

static int remove_queue(const struct sill__queue_place *place)
{
    struct msqid_ds info = {0};
    key_t key = IPC_PRIVATE;
    int set = -1, id = -1;
    if (place->object[0] == '\0')
        return SILL_NOT_FOUND;
    int status = find_set(place, &key, &set);
    if (status != SILL_OK)
        return status;
    bool made = value(set, MADE) == 1;
    status = find_queue(key, &info, &id);
    if (status == SILL_OK &&
        (made || (info.msg_qnum == 0 && info.msg_lspid == 0 && info.msg_lrpid == 0)))
        msgctl(id, IPC_RMID, NULL);
    if (semctl(set, 0, IPC_RMID) != 0 && !is_gone(errno))
        return sill__fail_os("semctl", errno, "The semaphores of a queue cannot be removed");
    return SILL_OK;
}

const struct sill__queue_ops sill__sysv_queue_ops = {
    .kind = SILL_CHANNEL_SYSV,
    .owner = SILL__OWNER_QUEUE_SYSV,
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
