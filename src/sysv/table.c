/* table.c (System V) - a server's semaphore sets and message queues. See table.h.
 *
 * What holds here:
 * - Nothing blocks: every operation is IPC_NOWAIT.
 * - A set that has gone (the server has removed it, or a clean) is no failure of a caller's: its
 *   connection has ended.
 * - Only objects of this user, mode 0600, with the number of semaphores that a block has, are
 * touched.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include "../clock.h"
#include "../status.h"
#include "../step.h"

#define MAGIC     0x51e0 /* and the version of this layout */
#define VERSION   2
#define OPS       32 /* operations at once: as few as any system takes */
#define KEY_TRIES 64

/* POSIX leaves its definition to the program. */
union sem_argument {
    int value;
    struct semid_ds *info;
    unsigned short *array;
};

/* ---- one semaphore ---- */

int sill__sem_value(int set, unsigned number)
{
    return semctl(set, (int)number, GETVAL);
}

void sill__sem_set(int set, unsigned number, int value)
{
    semctl(set, (int)number, SETVAL, (union sem_argument){.value = value});
}

static struct sembuf change(unsigned number, int by, int flags)
{
    return (struct sembuf){(unsigned short)number, (short)by, (short)(flags | IPC_NOWAIT)};
}

/* 0 or -1 with errno. */
static int apply(int set, struct sembuf *operations, unsigned count)
{
    int rc;
    do
        rc = semop(set, operations, count);
    while (rc != 0 && errno == EINTR);
    return rc;
}

bool sill__sem_raise(int set, unsigned number)
{
    struct sembuf up = change(number, 1, 0);
    return apply(set, &up, 1) == 0 || errno == ERANGE || errno == EAGAIN;
}

int sill__sem_drain(int set, unsigned number)
{
    int value = sill__sem_value(set, number);
    if (value <= 0)
        return value;
    struct sembuf down = change(number, -value, 0);
    return apply(set, &down, 1) == 0 || errno == EAGAIN ? value : -1;
}

bool sill__block_values(int set, unsigned short values[SILL__BLOCK_SEMS])
{
    if (semctl(set, 0, GETALL, (union sem_argument){.array = values}) == 0)
        return true;
    memset(values, 0, SILL__BLOCK_SEMS * sizeof *values);
    for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++)
        values[sill__slot_sem(i, SILL__SLOT_CLIENT_END)] = SILL__END_DIED;
    return false;
}

/* Adds 1 and takes it away with SEM_UNDO: when this process ends, the kernel adds 1 for good. */
static unsigned prepay(struct sembuf *operations, unsigned count, unsigned number)
{
    operations[count] = change(number, 1, 0);
    operations[count + 1] = change(number, -1, SEM_UNDO);
    return count + 2;
}

/* Nothing will be added any more. */
static unsigned take_back(struct sembuf *operations, unsigned count, unsigned number)
{
    operations[count] = change(number, 1, SEM_UNDO);
    operations[count + 1] = change(number, -1, 0);
    return count + 2;
}

static int out_of(const char *call, int code, const char *what, const char *limit)
{
    if (code == ENOSPC)
        return sill__fail_os_as(
            SILL_LIMIT, call, code,
            "The system has no room for another %s; \"ipcs\" shows what takes it, "
            "and the limit %s can be raised with sysctl.",
            what, limit);
    if (code == E2BIG || code == EINVAL)
        return sill__fail_os_as(SILL_LIMIT, call, code,
                                "The system allows no %s as large as is needed; the limit %s can "
                                "be raised with sysctl.",
                                what, limit);
    if (code == ENOMEM)
        return sill__fail_os_as(SILL_NO_MEMORY, call, code, "There is no memory for a %s.", what);
    return sill__fail_os(call, code, "A %s cannot be made.", what);
}

static int undo_failed(int code)
{
    if (code == E2BIG)
        return out_of("semop", code, "group of operations", "kernel.sem (SEMOPM)");
    return out_of("semop", code, "undo entry of a semaphore", "SEMMNU");
}

/* ---- keys and names ---- */

int sill__table_choose(char object[64])
{
    uint64_t x = (uint64_t)sill__now_ns() ^ (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL) << 20;
    for (int i = 0; i < KEY_TRIES; i++) {
        x += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
        uint64_t z = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        key_t key =
            (key_t)(SILL__KEY_FIRST + (uint32_t)(z >> 33) % (SILL__KEY_LAST - SILL__KEY_FIRST + 1));
        if (semget(key, 0, 0) >= 0 || errno != ENOENT)
            continue;
        snprintf(object, 64, "sysv-%08" PRIx32, (uint32_t)key);
        return SILL_OK;
    }
    return sill__fail(SILL_LIMIT, "No free key for a semaphore set was found in %d tries.",
                      KEY_TRIES);
}

bool sill__table_parse(const char *object, key_t *key)
{
    uint32_t number;
    char rest;
    if (sscanf(object, "sysv-%8" SCNx32 "%c", &number, &rest) != 1 || number < SILL__KEY_FIRST ||
        number > SILL__KEY_LAST)
        return false;
    *key = (key_t)number;
    return true;
}

static void hash_of(const char *name, int *low, int *high)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619;
    *low = (int)(hash & 0x7fff);
    *high = (int)(hash >> 15 & 0x7fff);
}

/* Whether the objects are the user's own and closed to others. */
static bool ours(const struct ipc_perm *perm)
{
    return perm->uid == geteuid() && perm->cuid == geteuid() && (perm->mode & 0777) == 0600;
}

/* 0; NOT_FOUND; DENIED. */
static int find_set(key_t key, int *out, struct semid_ds *info)
{
    int set = semget(key, 0, 0);
    if (set < 0 && errno == ENOENT)
        return SILL_NOT_FOUND;
    if (set < 0)
        return sill__fail_os("semget", errno,
                             "The semaphores with the key 0x%08lx cannot be opened.",
                             (unsigned long)key);
    if (semctl(set, 0, IPC_STAT, (union sem_argument){.info = info}) != 0)
        return errno == EIDRM || errno == EINVAL
                   ? SILL_NOT_FOUND
                   : sill__fail_os("semctl", errno,
                                   "The semaphores with the key 0x%08lx cannot be looked at.",
                                   (unsigned long)key);
    if (!ours(&info->sem_perm) || info->sem_nsems != SILL__BLOCK_SEMS)
        return sill__fail(SILL_DENIED,
                          "The semaphores with the key 0x%08lx are not this user's, or not a "
                          "server's (uid %lu).",
                          (unsigned long)key, (unsigned long)info->sem_perm.uid);
    *out = set;
    return SILL_OK;
}

/* ---- blocks ---- */

/* Prepays, for the server's death, the ends and bells of all slots. */
static int prepay_block(int set)
{
    struct sembuf operations[OPS];
    unsigned count = 0;
    for (unsigned slot = 0; slot < SILL__SLOTS_OF_BLOCK; slot++) {
        count = prepay(operations, count, sill__slot_sem(slot, SILL__SLOT_SERVER_END));
        count = prepay(operations, count, sill__slot_sem(slot, SILL__SLOT_CLIENT_BELL));
        if (count + 4 <= OPS && slot + 1 < SILL__SLOTS_OF_BLOCK)
            continue;
        if (apply(set, operations, count) != 0)
            return undo_failed(errno);
        count = 0;
    }
    count = prepay(operations, 0, SILL__SEM_ENDED);
    return apply(set, operations, count) == 0 ? SILL_OK : undo_failed(errno);
}

static int make_block(key_t key, const char *name, int *out)
{
    int low, high;
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    int set = semget(key, SILL__BLOCK_SEMS, IPC_CREAT | IPC_EXCL | 0600);
    if (set < 0 && errno == EEXIST)
        return sill__fail(SILL_LIMIT, "Something else has taken the key 0x%08lx just now.",
                          (unsigned long)key);
    if (set < 0)
        return out_of("semget", errno, "semaphore set", "kernel.sem (SEMMNI, SEMMNS, SEMMSL)");
    SILL__STEP(listen_block);
    hash_of(name, &low, &high);
    values[SILL__SEM_BLOCKS] = 1;
    values[SILL__SEM_HASH_LOW] = (unsigned short)low;
    values[SILL__SEM_HASH_HIGH] = (unsigned short)high;
    for (unsigned slot = 0; slot < SILL__SLOTS_OF_BLOCK; slot++)
        values[sill__slot_sem(slot, SILL__SLOT_FREE)] = 1;
    int status = semctl(set, 0, SETALL, (union sem_argument){.array = values}) == 0
                     ? prepay_block(set)
                     : sill__fail_os("semctl", errno, "Semaphores cannot be set.");
    if (status != SILL_OK) {
        semctl(set, 0, IPC_RMID);
        return status;
    }
    sill__sem_set(set, SILL__SEM_MAGIC, MAGIC + VERSION);
    *out = set;
    return SILL_OK;
}

/* The name's hash as the first block has it. */
static bool is_block(int set, const char *name)
{
    int low, high;
    hash_of(name, &low, &high);
    return sill__sem_value(set, SILL__SEM_MAGIC) == MAGIC + VERSION &&
           sill__sem_value(set, SILL__SEM_HASH_LOW) == low &&
           sill__sem_value(set, SILL__SEM_HASH_HIGH) == high;
}

int sill__table_create(struct sill__table *table, key_t key, const char *name)
{
    table->key = key;
    table->blocks = 0;
    int status = make_block(key, name, &table->sets[0]);
    if (status == SILL_OK)
        table->blocks = 1;
    return status;
}

int sill__table_grow(struct sill__table *table)
{
    unsigned next = table->blocks;
    if (next == SILL__BLOCKS)
        return sill__fail(SILL_LIMIT,
                          "The server has as many clients as it can have over System V: "
                          "%d.",
                          SILL__BLOCKS * SILL__SLOTS_OF_BLOCK);
    sill__sem_set(table->sets[0], SILL__SEM_BLOCKS, (int)next + 1); /* so that it can be found */
    int status = make_block(table->key + (key_t)next, "", &table->sets[next]);
    if (status == SILL_OK)
        table->blocks++;
    return status;
}

struct sill__seat sill__table_seat(const struct sill__table *table, unsigned slot)
{
    return (struct sill__seat){table->key, table->sets[0], table->sets[slot / SILL__SLOTS_OF_BLOCK],
                               slot};
}

/* ---- the server's end ---- */

void sill__seat_end_server(const struct sill__seat *seat)
{
    unsigned end = sill__slot_sem(seat->slot, SILL__SLOT_SERVER_END);
    struct sembuf operations[] = {change(end, 1, SEM_UNDO), change(end, 1, 0)};
    apply(seat->set, operations, 2);
    sill__seat_ring_client(seat);
}

void sill__seat_reclaim(const struct sill__seat *seat)
{
    unsigned server_end = sill__slot_sem(seat->slot, SILL__SLOT_SERVER_END);
    unsigned client_end = sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_END);
    struct sembuf operations[5];
    unsigned count = 0;
    sill__seat_remove(seat);
    SILL__STEP(slot_emptied);
    sill__sem_set(seat->set, sill__slot_sem(seat->slot, SILL__SLOT_RANG), 0);
    sill__sem_set(seat->set, sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_WANTS), 0);
    sill__sem_set(seat->set, sill__slot_sem(seat->slot, SILL__SLOT_SERVER_WANTS), 0);
    sill__sem_drain(seat->set, sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_BELL));
    /* Free and no longer ended in one: between the two a client would seem to use it. */
    int ended = sill__sem_value(seat->set, client_end);
    if (ended > 0)
        operations[count++] = change(client_end, -ended, 0);
    if (sill__sem_value(seat->set, server_end) > 0) {
        operations[count++] = change(server_end, -SILL__END_CLOSED, 0);
        count = prepay(operations, count, server_end);
    }
    operations[count++] = change(sill__slot_sem(seat->slot, SILL__SLOT_FREE), 1, 0);
    apply(seat->set, operations, count); /* if somebody has meddled: never to be used again */
}

void sill__table_end(const struct sill__table *table)
{
    struct sembuf up = change(SILL__SEM_ENDED, 1, SEM_UNDO);
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    apply(table->sets[0], &up, 1);
    for (unsigned block = 0; block < table->blocks; block++) {
        if (!sill__block_values(table->sets[block], values))
            continue;
        for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++) {
            struct sill__seat seat = sill__table_seat(table, block * SILL__SLOTS_OF_BLOCK + i);
            if (values[sill__slot_sem(i, SILL__SLOT_FREE)] == 0 &&
                values[sill__slot_sem(i, SILL__SLOT_SERVER_END)] == 0)
                sill__seat_end_server(&seat);
        }
    }
}

static bool block_in_use(int set)
{
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    if (!sill__block_values(set, values))
        return false;
    for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++)
        if (values[sill__slot_sem(i, SILL__SLOT_FREE)] == 0 &&
            values[sill__slot_sem(i, SILL__SLOT_CLIENT_END)] == 0)
            return true;
    return false;
}

bool sill__table_in_use(const struct sill__table *table)
{
    for (unsigned block = 0; block < table->blocks; block++)
        if (block_in_use(table->sets[block]))
            return true;
    return false;
}

/* ---- removing ---- */

/* The sets there are, whole or half-made. 0; NOT_FOUND: none, or another's; OS. */
static int find_all(struct sill__table *table, key_t key, const char *name)
{
    struct semid_ds info = {0};
    table->key = key;
    table->blocks = 0;
    int status = find_set(key, &table->sets[0], &info);
    if (status != SILL_OK)
        return status == SILL_DENIED ? SILL_NOT_FOUND : status;
    /* A block that is being made has no magic yet; nobody else knows the key. */
    if (sill__sem_value(table->sets[0], SILL__SEM_MAGIC) != 0 && !is_block(table->sets[0], name))
        return SILL_NOT_FOUND;
    int blocks = sill__sem_value(table->sets[0], SILL__SEM_BLOCKS);
    table->blocks = 1;
    for (int i = 1; i < blocks && i < SILL__BLOCKS; i++)
        if (find_set(key + (key_t)i, &table->sets[i], &info) != SILL_OK ||
            (sill__sem_value(table->sets[i], SILL__SEM_MAGIC) != 0 &&
             !is_block(table->sets[i], "")))
            table->sets[i] = -1; /* not made yet, or another server's */
    if (blocks > 1)
        table->blocks = blocks < SILL__BLOCKS ? (unsigned)blocks : SILL__BLOCKS;
    return SILL_OK;
}

int sill__table_remove(key_t key, const char *name, bool unused)
{
    struct sill__table table;
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    int status = find_all(&table, key, name);
    if (status != SILL_OK)
        return status == SILL_NOT_FOUND ? SILL_OK : status;
    if (unused && sill__table_in_use(&table))
        return SILL_EXISTS;
    for (unsigned block = table.blocks;
         block-- > 0;) { /* the first one last: it tells of the others */
        if (table.sets[block] < 0)
            continue;
        if (sill__block_values(table.sets[block], values))
            for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++) {
                struct sill__seat seat = sill__table_seat(&table, block * SILL__SLOTS_OF_BLOCK + i);
                if (values[sill__slot_sem(i, SILL__SLOT_FREE)] == 0)
                    sill__seat_remove(&seat);
            }
        if (semctl(table.sets[block], 0, IPC_RMID) != 0 && errno != EIDRM && errno != EINVAL)
            return sill__fail_os("semctl", errno, "The semaphores of \"%s\" cannot be removed.",
                                 name);
    }
    return SILL_OK;
}

/* ---- the client's end ---- */

int sill__table_open(struct sill__table *table, key_t key, const char *name)
{
    struct semid_ds info = {0};
    table->key = key;
    table->blocks = 0;
    int status = find_set(key, &table->sets[0], &info);
    if (status != SILL_OK && status != SILL_NOT_FOUND)
        return status;
    if (status != SILL_OK || !is_block(table->sets[0], name) ||
        sill__sem_value(table->sets[0], SILL__SEM_ENDED) != 0)
        return sill__fail(SILL_NOT_FOUND, "No server \"%s\" listens over System V.", name);
    table->blocks = 1;
    return SILL_OK;
}

static int just_ended(void)
{
    return sill__fail(SILL_NOT_FOUND, "The server has just ended.");
}

/* Takes the first free slot of a block, prepaid. */
static int take_in(const struct sill__table *table, unsigned block, struct sill__seat *out)
{
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    if (!sill__block_values(table->sets[block], values))
        return SILL_AGAIN;
    for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++) {
        struct sembuf operations[3] = {change(sill__slot_sem(i, SILL__SLOT_FREE), -1, 0)};
        if (values[sill__slot_sem(i, SILL__SLOT_FREE)] != 1)
            continue;
        unsigned count = prepay(operations, 1, sill__slot_sem(i, SILL__SLOT_CLIENT_END));
        if (apply(table->sets[block], operations, count) == 0) {
            *out = sill__table_seat(table, block * SILL__SLOTS_OF_BLOCK + i);
            return SILL_OK;
        }
        if (errno == EIDRM || errno == EINVAL)
            return just_ended();
        if (errno != EAGAIN)
            return undo_failed(errno);
    }
    return SILL_AGAIN;
}

/* Blocks that the server has made since. */
static void learn_blocks(struct sill__table *table)
{
    struct semid_ds info = {0};
    int blocks = sill__sem_value(table->sets[0], SILL__SEM_BLOCKS);
    while ((int)table->blocks < blocks && table->blocks < SILL__BLOCKS) {
        unsigned next = table->blocks;
        if (find_set(table->key + (key_t)next, &table->sets[next], &info) != SILL_OK ||
            !is_block(table->sets[next], ""))
            return;
        table->blocks++;
    }
}

/* A server that does not look may have been rung so often that its bell is full. 0 or an errno. */
static int prepay_bell(int set)
{
    struct sembuf up_first[2];
    unsigned count = prepay(up_first, 0, SILL__SEM_BELL);
    if (apply(set, up_first, count) == 0)
        return 0;
    struct sembuf down_first[2] = {up_first[1], up_first[0]};
    return errno == ERANGE && apply(set, down_first, count) == 0 ? 0 : errno;
}

int sill__table_take(struct sill__table *table, struct sill__seat *out)
{
    struct sembuf operations[2];
    int status = SILL_AGAIN;
    /* The bell first: where the kernel takes back set by set, the last one first, the server then
     * finds the reason when it wakes. (It looks twice in any case.) */
    int code = prepay_bell(table->sets[0]);
    if (code != 0)
        return code == EIDRM || code == EINVAL ? just_ended() : undo_failed(code);
    learn_blocks(table);
    for (unsigned block = 0; status == SILL_AGAIN && block < table->blocks; block++)
        status = take_in(table, block, out);
    if (status != SILL_OK)
        apply(table->sets[0], operations, take_back(operations, 0, SILL__SEM_BELL));
    /* A server that ends says so first and looks at the slots second: one of the two sees it. */
    if (status == SILL_OK && sill__sem_value(table->sets[0], SILL__SEM_ENDED) != 0) {
        sill__seat_give_back(out);
        return just_ended();
    }
    return status;
}

void sill__seat_give_back(const struct sill__seat *seat)
{
    struct sembuf operations[3];
    unsigned count = take_back(operations, 0, sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_END));
    operations[count++] = change(sill__slot_sem(seat->slot, SILL__SLOT_FREE), 1, 0);
    apply(seat->set, operations, count);
    apply(seat->first, operations, take_back(operations, 0, SILL__SEM_BELL));
}

void sill__seat_end_client(const struct sill__seat *seat)
{
    unsigned end = sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_END);
    struct sembuf operations[] = {change(end, 1, SEM_UNDO), change(end, 1, 0)};
    struct sembuf bell = change(SILL__SEM_BELL, 1, SEM_UNDO); /* what was prepaid rings now */
    apply(seat->set, operations, 2);
    if (apply(seat->first, &bell, 1) != 0 && errno == ERANGE) {
        struct sembuf back[2]; /* it is full, so it rings; only what was prepaid must go */
        struct sembuf down = change(SILL__SEM_BELL, -1, 0);
        apply(seat->first, &down, 1);
        back[0] = bell;
        apply(seat->first, back, 1);
    }
}

/* ---- ringing ---- */

bool sill__seat_ring_server(const struct sill__seat *seat)
{
    unsigned rang = sill__slot_sem(seat->slot, SILL__SLOT_RANG);
    if (seat->set == seat->first) {
        struct sembuf both[] = {change(rang, 1, 0), change(SILL__SEM_BELL, 1, 0)};
        if (apply(seat->set, both, 2) == 0)
            return true;
        if (errno != ERANGE)
            return false;
    }
    return sill__sem_raise(seat->set, rang) && sill__sem_raise(seat->first, SILL__SEM_BELL);
}

bool sill__seat_ring_client(const struct sill__seat *seat)
{
    return sill__sem_raise(seat->set, sill__slot_sem(seat->slot, SILL__SLOT_CLIENT_BELL));
}

int sill__sem_peer(int set, unsigned number, sill_peer *peer)
{
    struct semid_ds info = {0};
    int pid = semctl(set, (int)number, GETPID);
    if (pid < 0 || semctl(set, 0, IPC_STAT, (union sem_argument){.info = &info}) != 0)
        return sill__fail_os("semctl", errno, "The system does not say who the peer is.");
    memset(peer, 0, sizeof *peer);
    peer->pid = (uint32_t)pid;
    peer->uid = (uint32_t)info.sem_perm.cuid;
    peer->gid = (uint32_t)info.sem_perm.cgid;
    return SILL_OK;
}

/* ---- queues ---- */

static key_t queue_key(const struct sill__seat *seat, enum sill__way way)
{
    return seat->key + (key_t)(2 * seat->slot + (unsigned)way);
}

static int make_queue(key_t key, int *out)
{
    struct msqid_ds info;
    int queue = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    if (queue < 0 && errno == EEXIST)
        return SILL_EXISTS;
    if (queue < 0)
        return out_of("msgget", errno, "message queue", "kernel.msgmni");
    if (msgctl(queue, IPC_STAT, &info) == 0 && info.msg_qbytes < SILL__QUEUE_LEAST) {
        msgctl(queue, IPC_RMID, NULL);
        return out_of("msgget", E2BIG, "message queue", "kernel.msgmnb");
    }
    *out = queue;
    return SILL_OK;
}

int sill__seat_queues_make(const struct sill__seat *seat, int *to_server, int *to_client)
{
    int first = -1;
    int status = make_queue(queue_key(seat, SILL__TO_SERVER), &first);
    if (status != SILL_OK)
        return status;
    status = make_queue(queue_key(seat, SILL__TO_CLIENT), to_client);
    if (status == SILL_OK)
        *to_server = first;
    else
        msgctl(first, IPC_RMID, NULL);
    return status;
}

/* A queue of this user's. */
static int find_queue(key_t key, int *out)
{
    struct msqid_ds info = {0};
    int queue = msgget(key, 0);
    if (queue < 0 || msgctl(queue, IPC_STAT, &info) != 0)
        return sill__fail_os("msgget", errno,
                             "The message queue with the key 0x%08lx cannot be opened.",
                             (unsigned long)key);
    if (!ours(&info.msg_perm))
        return sill__fail(
            SILL_DENIED,
            "The message queue with the key 0x%08lx belongs to another user (uid %lu).",
            (unsigned long)key, (unsigned long)info.msg_perm.uid);
    *out = queue;
    return SILL_OK;
}

int sill__seat_queues_open(const struct sill__seat *seat, int *to_server, int *to_client)
{
    int status = find_queue(queue_key(seat, SILL__TO_SERVER), to_server);
    return status == SILL_OK ? find_queue(queue_key(seat, SILL__TO_CLIENT), to_client) : status;
}

/* ---- segments ---- */

static key_t segment_key(const struct sill__seat *seat, enum sill__way way, unsigned number)
{
    return seat->key + (key_t)((2 * seat->slot + (unsigned)way) * SILL__SEGMENT_KEYS + number);
}

bool sill__seat_segment_key(const struct sill__seat *seat, enum sill__way way, key_t *key)
{
    for (unsigned i = 0; i < SILL__SEGMENT_KEYS; i++) {
        *key = segment_key(seat, way, i);
        if (shmget(*key, 0, 0) < 0 && errno == ENOENT)
            return true;
    }
    return false;
}

bool sill__seat_segment_kept(const struct sill__seat *seat, enum sill__way way, int id)
{
    for (unsigned i = 0; i < SILL__SEGMENT_KEYS; i++)
        if (shmget(segment_key(seat, way, i), 0, 0) == id)
            return true;
    return false;
}

void sill__seat_segment_taken(const struct sill__seat *seat, enum sill__way way, int id)
{
    if (sill__seat_segment_kept(seat, way, id))
        shmctl(id, IPC_RMID, NULL);
}

static void remove_segments(const struct sill__seat *seat, enum sill__way way)
{
    struct shmid_ds info;
    for (unsigned i = 0; i < SILL__SEGMENT_KEYS; i++) {
        int id = shmget(segment_key(seat, way, i), 0, 0);
        if (id >= 0 && shmctl(id, IPC_STAT, &info) == 0 && ours(&info.shm_perm))
            shmctl(id, IPC_RMID, NULL);
    }
}

void sill__seat_remove(const struct sill__seat *seat)
{
    int queue;
    for (enum sill__way way = SILL__TO_SERVER; way <= SILL__TO_CLIENT; way++) {
        if (find_queue(queue_key(seat, way), &queue) == SILL_OK)
            msgctl(queue, IPC_RMID, NULL);
        remove_segments(seat, way);
    }
}
