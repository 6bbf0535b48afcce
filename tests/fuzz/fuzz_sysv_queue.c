/* fuzz_sysv_queue.c - what a broken or hostile process of the same user can do to a System V queue:
 * any value in its semaphores, messages of any type and size, objects that are removed or have
 * other rights, any key in a record. Nothing may crash, block or go round for ever.
 */
#include "fuzz_sysv.h"

#include "backends.h"
#include "queue_ops.h"

enum { USERS = 2, SEMAPHORES = 11, STEPS = 100, MOST = 8192 };

struct world {
    struct input in;
    struct sill__queue_place place;
    key_t key;
    sill__mail *mails[1 + USERS]; /* the owner's first */
    bool meddled;
};

static const struct sill__queue_ops *ops;
static unsigned char message[SILL__QUEUE_FRONT + (1 << 20)];

static void open_one(struct world *w)
{
    sill__mail **mail = &w->mails[1 + next(&w->in) % USERS];
    if (*mail != NULL || !succeeded(ops->open(mail, &w->place)))
        return;
    require((*mail)->message_max > 0 && ((*mail)->message_max <= MOST || w->meddled));
}

static void use(struct world *w)
{
    atomic_uint asked = 0;
    struct sill__queue_wait wait = {.deadline = 1, .asked = &asked};
    sill__mail *mail = w->mails[next(&w->in) % (1 + USERS)];
    size_t size;
    unsigned priority = next(&w->in) % (SILL_PRIORITY_MAX + 1);
    uint64_t count;
    const char *bytes;
    if (mail == NULL)
        return;
    switch (next(&w->in) % 6) {
    case 0:
    case 1:
        bytes = next_bytes(&w->in, &size);
        size = size < mail->message_max ? size : mail->message_max;
        memcpy(message + SILL__QUEUE_FRONT, bytes, size);
        succeeded(ops->put(mail, message + SILL__QUEUE_FRONT, size, priority));
        break;
    case 2:
    case 3:
        if (mail->message_max > sizeof message - SILL__QUEUE_FRONT)
            return;
        if (succeeded(ops->take(mail, message + SILL__QUEUE_FRONT, &size, &priority)))
            require(size <= mail->message_max && priority <= SILL_PRIORITY_MAX);
        else if (sill_last_error()->status == SILL_OK)
            abort();
        break;
    case 4:
        wait.room = next(&w->in) % 2 == 0;
        wait.size = wait.room ? next(&w->in) * 40 : 0;
        wait.alone = next(&w->in) % 2 == 0;
        succeeded(ops->wait(mail, &wait));
        break;
    default:
        succeeded(ops->count(mail, &count));
        succeeded(ops->state(mail));
        break;
    }
}

/* A wait that says "go on" is followed by one that finds something, or nothing would end. */
static void drain(struct world *w)
{
    atomic_uint asked = 0;
    const struct sill__queue_wait wait = {.deadline = 1, .asked = &asked};
    sill__mail *mail = w->mails[0];
    size_t size;
    unsigned priority;
    for (int i = 0; mail != NULL && i < 100000; i++) {
        int status = ops->take(mail, message + SILL__QUEUE_FRONT, &size, &priority);
        if (status == SILL_AGAIN)
            require(ops->wait(mail, &wait) != SILL_OK);
        if (status != SILL_OK && status != SILL_PROTOCOL)
            return;
    }
    require(mail == NULL);
}

static void close_one(struct world *w)
{
    sill__mail **mail = &w->mails[next(&w->in) % (1 + USERS)];
    if (*mail != NULL)
        ops->close(*mail, mail == w->mails, true);
    *mail = NULL;
}

static void meddle(struct world *w)
{
    int set = semget(w->key, 0, 0), queue = msgget(w->key, 0);
    struct {
        long type;
        char bytes[10200];
    } text;
    struct msqid_ds info;
    size_t size;
    const char *bytes;
    unsigned number = next(&w->in) % SEMAPHORES;
    w->meddled = true;
    switch (next(&w->in) % 8) {
    case 0:
    case 1:
    case 2:
        semctl(set, (int)number, SETVAL, next_number(&w->in));
        break;
    case 3:
    case 4:
        text.type = (long)next_number(&w->in) + 1;
        bytes = next_bytes(&w->in, &size);
        memcpy(text.bytes, bytes, size);
        msgsnd(queue, &text, size, IPC_NOWAIT);
        break;
    case 5:
        if (msgctl(queue, IPC_STAT, &info) == 0) {
            info.msg_perm.mode = next(&w->in) % 2 == 0 ? 0600 : 0666;
            info.msg_qbytes = (msglen_t)next_number(&w->in);
            msgctl(queue, IPC_SET, &info);
        }
        break;
    case 6:
        if (number % 2 == 0)
            semctl(set, 0, IPC_RMID);
        else
            msgctl(queue, IPC_RMID, NULL);
        break;
    default:
        semget(w->key, SEMAPHORES - (int)(number % 2), IPC_CREAT | 0600);
        msgget(w->key, IPC_CREAT | 0600);
        break;
    }
}

static void remove_any(struct world *w)
{
    struct sill__queue_place place = w->place;
    size_t size;
    const char *bytes = next_bytes(&w->in, &size);
    memset(place.object, 0, sizeof place.object);
    memcpy(place.object, bytes, size < sizeof place.object ? size : sizeof place.object - 1);
    succeeded(ops->remove(&place));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.in = {data, size}, .key = 0x51000001};
    ops = sill__queue_ops_of(SILL_CHANNEL_SYSV);
    w.place.name = "fuzz";
    w.place.directory = directory;
    snprintf(w.place.file, sizeof w.place.file, "queue-sysv.fuzz");
    snprintf(w.place.object, sizeof w.place.object, "%08x", (unsigned)w.key);
    size_t most = next(&w.in) % 2 == 0 ? 0 : 100;
    if (!succeeded(ops->create(&w.mails[0], &w.place, most, next(&w.in) % 4))) {
        require(sill_last_error()->status == SILL_LIMIT && sweep() == 0);
        return 0;
    }
    for (int i = 0; i < STEPS && w.in.size > 0; i++) {
        switch (next(&w.in) % 8) {
        case 0:
            open_one(&w);
            break;
        case 1:
            close_one(&w);
            break;
        case 2:
        case 3:
        case 4:
            use(&w);
            break;
        case 5:
            next(&w.in) % 8 == 0 ? remove_any(&w) : drain(&w);
            break;
        default:
            meddle(&w);
            break;
        }
    }
    bool removed = w.mails[0] != NULL;
    for (int i = USERS; i >= 0; i--)
        if (w.mails[i] != NULL)
            ops->close(w.mails[i], i == 0, true);
    if (!removed)
        succeeded(ops->remove(&w.place));
    require(sweep() == 0 || w.meddled);
    return 0;
}
