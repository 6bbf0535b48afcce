/* conn.c (System V) - channels on message queues: the bytes, and a client's end.
 *
 * A connection has a queue for each way. What is sent goes into messages of at most 8 KiB, which
 * are read one by one and are a stream of bytes again. Nothing is sent but by IPC_NOWAIT, so
 * neither a dead peer nor a stopped one holds anybody up.
 *
 * After each message the other side is rung (table.h). Who finds the queue full says so in its
 * "wants", tries once more, and is rung by the reader, who looks at it after each message that it
 * takes: whichever of the two comes second sees the other.
 *
 * The end: a queue that is empty, while the peer's end is over, and that is empty still when looked
 * at after that. A closed end leaves its messages to be read. A server removes the queues when both
 * ends are over; when it has ended before its clients, the last of them removes all that it left,
 * its record too, unless a new server or a clean has done so.
 *
 * Only regions are passed: their handles are System V ids, which are numbers for everybody. Such a
 * segment has a key of the slot until the peer has attached it (table.h). One that got none goes
 * with its sender, so what the peer has not taken yet is counted (channel_ops.h).
 *
 * Who the peer is says the kernel: the maker of the semaphores or queues, and the process that last
 * changed a semaphore that only the server, or only the client of that slot, changes. That a
 * process of the same user lies there cannot be ruled out; such a one could do worse.
 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sill/policy.h>
#include <sill/region.h>

#include "../clock.h"
#include "../memory.h"
#include "../process.h"
#include "../status.h"
#include "../step.h"
#include "wait_sysv.h"

#define FIRST_PAUSE INT64_C(500000) /* while all slots are taken: between tries */
#define LAST_PAUSE  INT64_C(20000000)
#define TIDY_TRIES  20 /* 1 ms apart: until an ending server has let go of its record */

/* A message in a queue. */
struct parcel {
    long type; /* 1 */
    char bytes[SILL__SYSV_CHUNK];
};

static struct sill__sysv_conn *conn_of(sill__conn *conn)
{
    return (struct sill__sysv_conn *)conn;
}

static bool is_server(const struct sill__sysv_conn *conn)
{
    return conn->house != NULL;
}

/* A semaphore of the slot: the first for the server's end, the second for the client's. */
static unsigned sem_of(const struct sill__sysv_conn *conn, enum sill__slot_sem at_server,
                       enum sill__slot_sem at_client)
{
    return sill__slot_sem(conn->seat.slot, is_server(conn) ? at_server : at_client);
}

static bool ring(const struct sill__sysv_conn *conn)
{
    return is_server(conn) ? sill__seat_ring_client(&conn->seat)
                           : sill__seat_ring_server(&conn->seat);
}

int sill__sysv_peer_end(const struct sill__sysv_conn *conn)
{
    int end =
        sill__sem_value(conn->seat.set, sem_of(conn, SILL__SLOT_CLIENT_END, SILL__SLOT_SERVER_END));
    return end < 0 ? SILL__END_DIED : end; /* the semaphores went with the server */
}

unsigned sill__sysv_events(struct sill__sysv_conn *conn, bool rang)
{
    unsigned events = rang ? SILL__READABLE | SILL__WRITABLE : 0U;
    int end = conn->told_end ? 0 : sill__sysv_peer_end(conn);
    if (end == 0)
        return events;
    conn->told_end = true;
    atomic_store(&conn->ended, true);
    return events | SILL__READABLE | SILL__WRITABLE |
           (end == SILL__END_DIED ? (unsigned)SILL__PEER_DEAD : 0U);
}

/* ---- bytes ---- */

/* Two messages at least must fit into the queue, or its two sides would work by turns. */
static size_t chunk_of(int queue)
{
    struct msqid_ds info;
    if (msgctl(queue, IPC_STAT, &info) != 0 || info.msg_qbytes / 2 > SILL__SYSV_CHUNK)
        return SILL__SYSV_CHUNK;
    return info.msg_qbytes / 2 > SILL__QUEUE_LEAST ? (size_t)info.msg_qbytes / 2
                                                   : SILL__QUEUE_LEAST;
}

int sill__sysv_conn_make(struct sill__sysv_conn **out, const struct sill__seat *seat, int in,
                         int out_queue)
{
    struct sill__sysv_conn *conn = sill__alloc_zeroed(sizeof *conn);
    if (conn == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a connection.");
    conn->base.ops = &sill__sysv_channel_ops;
    conn->seat = *seat;
    conn->in = in;
    conn->out = out_queue;
    conn->chunk = chunk_of(out_queue);
    conn->generation = sill__fork_generation();
    *out = conn;
    return SILL_OK;
}

static size_t gather(struct parcel *parcel, size_t room, const struct sill__bytes *parts,
                     unsigned count)
{
    size_t have = 0;
    parcel->type = 1;
    for (unsigned i = 0; i < count && have < room; i++) {
        size_t take = parts[i].size < room - have ? parts[i].size : room - have;
        if (take > 0)
            memcpy(parcel->bytes + have, parts[i].data, take);
        have += take;
    }
    return have;
}

static int peer_gone(void)
{
    return sill__fail(SILL_DIED, "The peer's end of the connection is closed.");
}

static int send_failed(int code)
{
    if (code == EIDRM || code == EINVAL)
        return peer_gone();
    if (code == EMSGSIZE)
        return sill__fail_os_as(SILL_LIMIT, "msgsnd", EINVAL,
                                "The system allows no message of %d bytes; the limit kernel.msgmax "
                                "can be raised with sysctl.",
                                SILL__QUEUE_LEAST);
    if (code == ENOMEM)
        return sill__fail_os_as(SILL_NO_MEMORY, "msgsnd", code,
                                "There is no memory for a message.");
    return sill__fail_os("msgsnd", code, "Sending failed.");
}

/* 0 or the code. A limit of a message's size (kernel.msgmax) that is lower than usual is found
 * here: *size is then less. */
static int put(struct sill__sysv_conn *conn, const struct parcel *parcel, size_t *size)
{
    struct msqid_ds info;
    while (msgsnd(conn->out, parcel, *size, IPC_NOWAIT) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EINVAL)
            return errno;
        if (msgctl(conn->out, IPC_STAT, &info) != 0)
            return EIDRM;
        if (*size <= SILL__QUEUE_LEAST)
            return EMSGSIZE;
        conn->chunk = *size = *size / 2;
    }
    return 0;
}

static int queue_send(sill__conn *base, const struct sill__bytes *parts, unsigned count,
                      const sill_handle *handles, unsigned handle_count, size_t *sent)
{
    struct sill__sysv_conn *conn = conn_of(base);
    struct parcel parcel;
    (void)handles; /* they are in the frame, as numbers */
    (void)handle_count;
    if (atomic_load(&conn->ended) || sill__sysv_peer_end(conn) != 0)
        return peer_gone();
    size_t size = gather(&parcel, conn->chunk, parts, count);
    int code = put(conn, &parcel, &size);
    if (code == EAGAIN) {
        /* Pairs with the reader's look in `take`: it sees this, or we see the room that it made. */
        sill__sem_set(conn->seat.set,
                      sem_of(conn, SILL__SLOT_SERVER_WANTS, SILL__SLOT_CLIENT_WANTS), 1);
        code = put(conn, &parcel, &size);
    }
    if (code == EAGAIN)
        return SILL_AGAIN;
    if (code != 0)
        return send_failed(code);
    ring(conn); /* if that fails the server has gone, and the next send says so */
    *sent = size;
    return SILL_OK;
}

/* Tells a writer that waits for room. */
static void tell_room(struct sill__sysv_conn *conn)
{
    unsigned wants = sem_of(conn, SILL__SLOT_CLIENT_WANTS, SILL__SLOT_SERVER_WANTS);
    if (sill__sem_value(conn->seat.set, wants) <= 0)
        return;
    sill__sem_set(conn->seat.set, wants, 0);
    ring(conn);
}

/* The next message: 0, or the code; ENOMSG: there is none. */
static int take(struct sill__sysv_conn *conn, struct parcel *parcel, size_t *size)
{
    ssize_t got;
    do
        got = msgrcv(conn->in, parcel, sizeof parcel->bytes, 0, IPC_NOWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno;
    tell_room(conn);
    *size = (size_t)got;
    return 0;
}

static int take_failed(int code)
{
    if (code == ENOMSG)
        return SILL_AGAIN;
    if (code == EIDRM || code == EINVAL)
        return peer_gone();
    if (code == E2BIG)
        return sill__fail(SILL_PROTOCOL,
                          "The peer sent a message that is larger than any of ours.");
    return sill__fail_os("msgrcv", code, "Receiving failed.");
}

static int receive_parcel(struct sill__sysv_conn *conn, struct parcel *parcel, size_t *size)
{
    int code = take(conn, parcel, size);
    if (code == ENOMSG && sill__sysv_peer_end(conn) != 0) {
        atomic_store(&conn->ended, true);
        code = take(conn, parcel, size); /* it may have sent just before it ended */
        if (code == ENOMSG)
            return peer_gone();
    }
    if (code != 0)
        return take_failed(code);
    if (*size == 0)
        return sill__fail(SILL_PROTOCOL, "The peer sent a message without bytes.");
    return SILL_OK;
}

static int queue_recv(sill__conn *base, void *buffer, size_t capacity, size_t *got)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (conn->from == conn->size) {
        struct parcel parcel;
        size_t size = 0;
        int status = receive_parcel(conn, &parcel, &size);
        if (status != SILL_OK)
            return status;
        size_t given = size < capacity ? size : capacity;
        memcpy(buffer, parcel.bytes, given);
        conn->from = 0;
        conn->size = size - given;
        if (conn->size > 0)
            memcpy(conn->rest, parcel.bytes + given, conn->size);
        *got = given;
        return SILL_OK;
    }
    size_t left = conn->size - conn->from;
    size_t given = left < capacity ? left : capacity;
    memcpy(buffer, conn->rest + conn->from, given);
    conn->from += given;
    *got = given;
    return SILL_OK;
}

/* ---- handles ---- */

static enum sill__way way_out(const struct sill__sysv_conn *conn)
{
    return is_server(conn) ? SILL__TO_CLIENT : SILL__TO_SERVER;
}

static bool queue_region_object(sill__conn *base, char object[64])
{
    const struct sill__sysv_conn *conn = conn_of(base);
    key_t key;
    if (!sill__seat_segment_key(&conn->seat, way_out(conn), &key))
        return false;
    snprintf(object, 64, "%08lx", (unsigned long)key);
    return true;
}

static int queue_export(sill__conn *base, sill_handle handle, uint64_t *value)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (!sill__seat_segment_kept(&conn->seat, way_out(conn), (int)handle))
        atomic_fetch_add(&conn->unkept, 1);
    atomic_fetch_add(&conn->untaken, 1);
    *value = (uint64_t)handle;
    return SILL_OK;
}

/* Which of them these were is not known, so the others count as unkept as long as they can be. */
static void fewer_untaken(struct sill__sysv_conn *conn, unsigned count)
{
    unsigned left = atomic_fetch_sub(&conn->untaken, count) - count;
    if (atomic_load(&conn->unkept) > left)
        atomic_store(&conn->unkept, left);
}

static void queue_unexport(sill__conn *base, const uint64_t *values, unsigned count)
{
    (void)values;
    fewer_untaken(conn_of(base), count);
}

static int queue_import(sill__conn *base, uint64_t value, sill_handle *out)
{
    (void)base;
    if (value > INT_MAX)
        return sill__fail(SILL_PROTOCOL, "The peer passed what is no id of a segment.");
    *out = (sill_handle)value;
    return SILL_OK;
}

static void queue_imported(sill__conn *base, const sill_handle *handles, unsigned count)
{
    const struct sill__sysv_conn *conn = conn_of(base);
    enum sill__way way = is_server(conn) ? SILL__TO_SERVER : SILL__TO_CLIENT;
    for (unsigned i = 0; i < count; i++)
        sill__seat_segment_taken(&conn->seat, way, (int)handles[i]);
}

static int queue_taken(sill__conn *base, unsigned count)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (count > atomic_load(&conn->untaken))
        return sill__fail(SILL_PROTOCOL, "The peer took more handles than it was passed.");
    fewer_untaken(conn, count);
    return SILL_OK;
}

static unsigned queue_untaken(const sill__conn *base)
{
    return atomic_load(&((const struct sill__sysv_conn *)base)->unkept);
}

/* ---- a client's end ---- */

/* The object of the server's record, whose writer may be at it: whole or not at all. NOT_FOUND;
 * DENIED. */
static int read_record(const struct sill__place *place, struct sill__owner_info *info)
{
    char path[1200], text[SILL__OWNER_TEXT + 1];
    struct stat stat;
    snprintf(path, sizeof path, "%s/%s", place->directory, place->file);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return sill__fail(SILL_NOT_FOUND, "There is no server \"%s\".", place->name);
    if (fd < 0)
        return sill__fail_os("open", errno, "The record %s cannot be opened.", path);
    ssize_t size = -1;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_uid == geteuid())
        do
            size = pread(fd, text, sizeof text, 0);
        while (size < 0 && errno == EINTR);
    close(fd);
    if (size < 0)
        return sill__fail(SILL_DENIED, "The record %s belongs to another user, or is no file.",
                          path);
    if (sill__owner_parse(text, (size_t)size, info) != SILL_OK ||
        strcmp(info->name, place->name) != 0)
        return sill__fail(SILL_NOT_FOUND, "There is no server \"%s\".", place->name);
    return SILL_OK;
}

static int find_server(struct sill__table *table, const struct sill__place *place)
{
    struct sill__owner_info info;
    key_t key;
    int status = read_record(place, &info);
    if (status != SILL_OK)
        return status;
    if (!sill__table_parse(info.object, &key))
        return sill__fail(SILL_NOT_FOUND,
                          "The server \"%s\" does not listen over System V, but by "
                          "\"%.20s\".",
                          place->name, info.object);
    return sill__table_open(table, key, place->name);
}

/* A slot with its queues; waits for one. A key that something else has is passed over with the next
 * slot: ours is held meanwhile. */
static int take_slot(struct sill__table *table, struct sill__seat *seat, int queues[2])
{
    struct sill__seat held[4];
    unsigned count = 0;
    int status = SILL_EXISTS;
    while (status == SILL_EXISTS && count < sizeof held / sizeof held[0]) {
        status = sill__table_take(table, seat);
        if (status != SILL_OK)
            break;
        SILL__STEP(connect_slot);
        status = sill__seat_queues_make(seat, &queues[0], &queues[1]);
        if (status != SILL_OK)
            held[count++] = *seat;
    }
    while (count > 0)
        sill__seat_give_back(&held[--count]);
    return status == SILL_EXISTS
               ? sill__fail(SILL_LIMIT, "Message queues of others have the keys of "
                                        "this server's.")
               : status;
}

static int await_slot(struct sill__table *table, const struct sill__place *place, int64_t deadline,
                      struct sill__seat *seat, int queues[2])
{
    int64_t pause = FIRST_PAUSE;
    for (;;) {
        int status = take_slot(table, seat, queues);
        if (status != SILL_AGAIN)
            return status;
        int64_t left = deadline == SILL__FOREVER ? pause : deadline - sill__now_ns();
        if (left <= 0)
            return sill__fail(SILL_TIMEOUT,
                              "The server \"%s\" had no place for another client in "
                              "time.",
                              place->name);
        sill__sleep_ns(left < pause ? left : pause);
        pause = pause * 2 < LAST_PAUSE ? pause * 2 : LAST_PAUSE;
        if (sill__sem_value(table->sets[0], SILL__SEM_ENDED) != 0)
            return sill__fail(SILL_NOT_FOUND, "The server \"%s\" has just ended.", place->name);
    }
}

/* The queues are there: makes the connection and rings. */
static int begin(struct sill__sysv_conn **out, const struct sill__table *table,
                 const struct sill__seat *seat, const int queues[2],
                 const struct sill__place *place)
{
    struct sill__sysv_conn *conn;
    SILL__STEP(connect_queues);
    int status = sill__sysv_conn_make(&conn, seat, queues[1], queues[0]);
    if (status != SILL_OK)
        return status;
    size_t length = strlen(place->directory);
    conn->server.directory = sill__alloc(length + 1);
    if (conn->server.directory == NULL)
        status = sill__fail(SILL_NO_MEMORY, "There is no memory for a connection.");
    else
        status = sill__sem_peer(table->sets[0], SILL__SEM_MAGIC, &conn->peer);
    if (status == SILL_OK && (sill__sysv_peer_end(conn) != 0 || !ring(conn)))
        status = sill__fail(SILL_NOT_FOUND, "The server \"%s\" has just ended.", place->name);
    if (status != SILL_OK) {
        sill__free(conn->server.directory);
        sill__free(conn);
        return status;
    }
    memcpy(conn->server.directory, place->directory, length + 1);
    snprintf(conn->server.name, sizeof conn->server.name, "%s", place->name);
    conn->server.key = table->key;
    *out = conn;
    return SILL_OK;
}

static int queue_connect(sill__conn **out, const struct sill__place *place, int64_t deadline)
{
    struct sill__table table;
    struct sill__seat seat;
    struct sill__sysv_conn *conn;
    int queues[2];
    int status = find_server(&table, place);
    if (status == SILL_OK)
        status = await_slot(&table, place, deadline, &seat, queues);
    if (status != SILL_OK)
        return status;
    status = begin(&conn, &table, &seat, queues, place);
    if (status != SILL_OK) {
        sill__seat_remove(&seat);
        sill__seat_give_back(&seat);
        return status;
    }
    *out = &conn->base;
    return SILL_OK;
}

static enum sill__collected collect_client(void *arg, bool is_gone, struct sill__event *events,
                                           size_t capacity, size_t *count)
{
    struct sill__sysv_conn *conn = arg;
    unsigned seen = sill__sysv_events(conn, !is_gone);
    if (seen != 0 && *count < capacity)
        events[(*count)++] = (struct sill__event){conn->key, seen};
    return SILL__COLLECTED_ALL;
}

static int queue_watch(sill__conn *base, sill__wait *wait, void *key)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (is_server(conn))
        return sill__house_watch(conn, wait, key);
    const struct sill__bell bell = {conn->seat.set,
                                    sill__slot_sem(conn->seat.slot, SILL__SLOT_CLIENT_BELL),
                                    collect_client, conn};
    conn->key = key;
    int status = sill__bell_bind(wait, &bell);
    if (status == SILL_OK)
        conn->wait = wait;
    return status;
}

/* ---- closing ---- */

struct tidying {
    const struct sill__sysv_server *server;
    bool over; /* others are still there, or a new server is */
};

static int remove_ended(void *arg, const struct sill__owner_info *info)
{
    struct tidying *tidying = arg;
    key_t key;
    int status = SILL_EXISTS;
    if (sill__table_parse(info->object, &key) && key == tidying->server->key)
        status = sill__table_remove(key, tidying->server->name, true);
    tidying->over = status != SILL_OK;
    return status;
}

/* The server has ended: if no other client is left, all that it had goes. */
static void tidy(const struct sill__sysv_server *server)
{
    struct tidying tidying = {server, false};
    for (int tries = 0; tries < TIDY_TRIES && !tidying.over; tries++) {
        int status = sill__owner_remove_stale(server->directory, SILL__OWNER_SERVER, server->name,
                                              remove_ended, &tidying);
        if (status == SILL_NOT_FOUND) /* nobody's any more, not even the next listen's */
            sill__table_remove(server->key, server->name, true);
        if (status != SILL_EXISTS)
            return;
        if (!tidying.over)
            sill__sleep_ns(1000000); /* it has not quite let go of its record */
    }
}

/* The last of a client's end: nobody sleeps on its bell. */
static void leave(void *arg)
{
    struct sill__sysv_conn *conn = arg;
    if (conn->generation == sill__fork_generation()) {
        sill_error before = *sill_last_error();
        sill__seat_end_client(&conn->seat);
        if (sill__sem_value(conn->seat.first, SILL__SEM_ENDED) > 0)
            tidy(&conn->server);
        sill__error_restore(&before);
    }
    sill__free(conn->server.directory);
    sill__free(conn);
}

static void queue_unwatch(sill__conn *base)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (is_server(conn)) {
        sill__house_unwatch(conn);
    } else if (conn->wait != NULL && conn->generation == sill__fork_generation()) {
        sill__bell_unbind(conn->wait, NULL);
        conn->wait = NULL;
    }
}

static void queue_close(sill__conn *base)
{
    struct sill__sysv_conn *conn = conn_of(base);
    if (is_server(conn))
        sill__house_close(conn);
    else if (conn->wait != NULL && conn->generation == sill__fork_generation())
        sill__bell_unbind(conn->wait, leave);
    else
        leave(conn);
}

static const sill_peer *queue_peer(const sill__conn *base)
{
    return &((const struct sill__sysv_conn *)base)->peer;
}

/* What was prepaid tells of the very process, but only that it has ended, not by a handle of it. */
static int queue_peer_alive(const sill__conn *base)
{
    const struct sill__sysv_conn *conn = (const struct sill__sysv_conn *)base;
    switch (sill__sysv_peer_end(conn)) {
    case 0:
        return 1;
    case SILL__END_DIED:
        return 0;
    default:
        return -1;
    }
}

const struct sill__channel_ops sill__sysv_channel_ops = {
    .name = "sysv",
    .family = SILL_FAMILY_SYSV,
    .kind = SILL_CHANNEL_SYSV,
    .caps = SILL__CHANNEL_TAKEN,
    .region = SILL_REGION_SYSV_PRIVATE,
    .wait = &sill__wait_sysv,
    .object = sill__house_object,
    .listen = sill__house_listen,
    .accept = sill__house_accept,
    .unlisten = sill__house_unlisten,
    .remove_stale = sill__house_remove_stale,
    .connect = queue_connect,
    .send = queue_send,
    .recv = queue_recv,
    .export_handle = queue_export,
    .unexport = queue_unexport,
    .import_handle = queue_import,
    .imported = queue_imported,
    .taken = queue_taken,
    .under_way = NULL,
    .untaken = queue_untaken,
    .region_object = queue_region_object,
    .watch = queue_watch,
    .unwatch = queue_unwatch,
    .watch_listen = sill__house_watch_listen,
    .unwatch_listen = sill__house_unwatch_listen,
    .peer = queue_peer,
    .peer_alive = queue_peer_alive,
    .close = queue_close,
};
