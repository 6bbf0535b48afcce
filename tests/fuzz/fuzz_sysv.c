/* fuzz_sysv.c - what a broken or hostile process of the same user can do to a server over System V
 * and to its clients: any value in any semaphore, anything in the message queues, segments under
 * the slots' keys, objects with other rights or without existence, and any key in a record.
 *
 * The input is a list of steps; those of the server and its clients (src/sysv) stand beside those
 * of the one that meddles. Nothing may crash, block or go round for ever; and if nobody meddled,
 * nothing may be left.
 *
 * All of it happens in an IPC namespace of this process; where there can be none, nothing is tried.
 */
#include "fuzz_sysv.h"

#include <sill/policy.h>
#include <sill/region.h>

#include "backends.h"
#include "channel.h"
#include "owner.h"
#include "region_internal.h"
#include "sysv/conn.h"
#include "sysv/table.h"

enum { CLIENTS = 3, ACCEPTED = 4, SLOTS = 40, STEPS = 200, EVENTS = 5 };

struct end {
    sill__conn *conn;
    sill__wait *wait; /* a client's own */
};

struct world {
    struct input in;
    struct sill__named_listen listen;
    sill__wait *wait;
    struct end clients[CLIENTS], accepted[ACCEPTED];
    key_t key;
    bool meddled;
};

static const struct sill__channel_ops *ops;

static struct end *next_end(struct world *w)
{
    unsigned n = next(&w->in) % (CLIENTS + ACCEPTED);
    return n < CLIENTS ? &w->clients[n] : &w->accepted[n - CLIENTS];
}

static struct sill__seat next_seat(struct world *w)
{
    unsigned slot = next(&w->in) % SLOTS;
    key_t block = w->key + (key_t)(slot / SILL__SLOTS_OF_BLOCK);
    return (struct sill__seat){w->key, semget(w->key, 0, 0), semget(block, 0, 0), slot};
}

/* ---- the server and its clients ---- */

static void dial(struct world *w)
{
    const struct sill__expect expect = {0};
    struct end *end = &w->clients[next(&w->in) % CLIENTS];
    if (end->conn != NULL || !succeeded(ops->wait->create(&end->wait)))
        return;
    if (!succeeded(sill__client_open(&end->conn, ops, "fuzz", directory, &expect, 1)) ||
        !succeeded(ops->watch(end->conn, end->wait, end))) {
        if (end->conn != NULL)
            ops->close(end->conn);
        end->conn = NULL;
        sill__wait_destroy(end->wait);
        end->wait = NULL;
    }
}

static void take(struct world *w)
{
    for (int i = 0; i < ACCEPTED; i++) {
        struct end *end = &w->accepted[i];
        if (end->conn != NULL)
            continue;
        if (succeeded(ops->accept(w->listen.listen, &end->conn)))
            require(succeeded(ops->watch(end->conn, w->wait, end)));
        return;
    }
}

static void look(struct world *w, sill__wait *wait)
{
    struct sill__event events[EVENTS];
    size_t count = 0;
    if (wait == NULL)
        return;
    succeeded(sill__wait_for(wait, 0, events, 1 + next(&w->in) % EVENTS, &count));
    require(count <= EVENTS);
    for (size_t i = 0; i < count; i++) {
        bool known = events[i].key == w;
        for (int j = 0; j < CLIENTS; j++)
            known = known || events[i].key == &w->clients[j];
        for (int j = 0; j < ACCEPTED; j++)
            known = known || events[i].key == &w->accepted[j];
        require(known);
    }
}

static void send_some(struct world *w, sill__conn *conn)
{
    struct sill__bytes part;
    size_t sent = 0;
    part.data = next_bytes(&w->in, &part.size);
    if (part.size > 0 && succeeded(ops->send(conn, &part, 1, NULL, 0, &sent)))
        require(sent > 0 && sent <= part.size);
}

static void receive_some(struct world *w, sill__conn *conn)
{
    size_t capacity = 1 + next(&w->in) * 40, got = 0;
    char *buffer = malloc(capacity);
    require(buffer != NULL);
    if (succeeded(ops->recv(conn, buffer, capacity, &got)))
        require(got > 0 && got <= capacity);
    free(buffer);
}

/* Opens what a handle's number leads to, as a link does. */
static void import(struct world *w, sill__conn *conn)
{
    uint64_t value = next(&w->in);
    sill_handle handle = SILL_NO_HANDLE;
    sill_region *region = NULL;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = ops->region;
    options.read_only = 1;
    value = value < 200 ? (uint64_t)shmget(w->key + (key_t)(value % 32), 0, 0)
                        : value << (next(&w->in) % 57);
    if (!succeeded(ops->import_handle(conn, value, &handle)))
        return;
    if (succeeded(sill_region_open_handle(&region, handle, &options)))
        sill_region_close(region);
    ops->imported(conn, &handle, 1);
}

static void pass(struct world *w, sill__conn *conn)
{
    char object[64];
    uint64_t value = 0;
    sill_region *region = NULL;
    sill_handle handle = SILL_NO_HANDLE;
    unsigned before = ops->untaken(conn);
    bool kept = ops->region_object(conn, object);
    size_t size = (size_t)next_number(&w->in) + 1;
    if (!succeeded(sill__region_create_passed(&region, ops->region, size, kept ? object : NULL)))
        return;
    require(succeeded(sill_region_handle(region, &handle)) &&
            succeeded(ops->export_handle(conn, handle, &value)));
    sill_region_close(region);
    if (next(&w->in) % 2 == 0)
        ops->unexport(conn, &value, 1);
    else
        succeeded(ops->taken(conn, next(&w->in) % 3));
    require(ops->untaken(conn) <= before + 1);
}

static void close_end(struct end *end)
{
    if (end->conn != NULL)
        ops->close(end->conn);
    if (end->wait != NULL)
        sill__wait_destroy(end->wait);
    memset(end, 0, sizeof *end);
}

static void use(struct world *w)
{
    struct end *end = next_end(w);
    if (end->conn == NULL)
        return;
    switch (next(&w->in) % 8) {
    case 0:
    case 1:
        send_some(w, end->conn);
        break;
    case 2:
    case 3:
        receive_some(w, end->conn);
        break;
    case 4:
        import(w, end->conn);
        break;
    case 5:
        pass(w, end->conn);
        break;
    case 6:
        require(ops->peer(end->conn) != NULL && ops->peer_alive(end->conn) <= 1);
        break;
    default:
        close_end(end);
        break;
    }
}

/* ---- the one that meddles ---- */

static void set_semaphore(struct world *w)
{
    struct sill__seat seat = next_seat(w);
    unsigned number = next(&w->in) % (SILL__SEM_HEADER + SILL__SLOT_SEMS);
    if (number >= SILL__SEM_HEADER)
        number = sill__slot_sem(seat.slot, (enum sill__slot_sem)(number - SILL__SEM_HEADER));
    int value = next_number(&w->in);
    if (next(&w->in) % 2 == 0) {
        semctl(seat.set, (int)number, SETVAL, value);
    } else {
        struct sembuf change = {(unsigned short)number, (short)value, IPC_NOWAIT};
        semop(seat.set, &change, 1);
    }
}

static void meddle_with_queue(struct world *w)
{
    struct sill__seat seat = next_seat(w);
    key_t key = w->key + (key_t)(2 * seat.slot + next(&w->in) % 2);
    unsigned what = next(&w->in) % 8;
    int queue = msgget(key, what == 0 ? IPC_CREAT | 0600 : 0);
    struct {
        long type;
        char bytes[10200];
    } message = {.type = 1 + next_number(&w->in)};
    struct msqid_ds info;
    size_t size;
    const char *bytes;
    if (queue < 0)
        return;
    switch (what) {
    case 1:
        msgctl(queue, IPC_RMID, NULL);
        break;
    case 2:
        if (msgctl(queue, IPC_STAT, &info) == 0) {
            info.msg_perm.mode = next(&w->in) % 2 == 0 ? 0600 : 0666;
            info.msg_qbytes = (msglen_t)next_number(&w->in);
            msgctl(queue, IPC_SET, &info);
        }
        break;
    case 3:
        (void)!msgrcv(queue, &message, sizeof message.bytes, 0, IPC_NOWAIT);
        break;
    default:
        bytes = next_bytes(&w->in, &size);
        memcpy(message.bytes, bytes, size);
        msgsnd(queue, &message, size, IPC_NOWAIT);
        break;
    }
}

static void meddle_with_segment(struct world *w)
{
    struct sill__seat seat = next_seat(w);
    enum sill__way way = next(&w->in) % 2 == 0 ? SILL__TO_SERVER : SILL__TO_CLIENT;
    key_t key = 0;
    if (!sill__seat_segment_key(&seat, way, &key))
        return;
    int id = shmget(key, (size_t)next_number(&w->in) + 1,
                    IPC_CREAT | (next(&w->in) % 4 == 0 ? 0644 : 0600));
    uint64_t header[8] = {UINT64_C(0x6e6f696765724c49), UINT64_C(5) << 32 | 1, next(&w->in)};
    void *at = shmat(id, NULL, 0);
    if (at == (void *)-1)
        return;
    struct shmid_ds info;
    if (shmctl(id, IPC_STAT, &info) == 0 && info.shm_segsz >= sizeof header &&
        next(&w->in) % 2 == 0)
        memcpy(at, header, sizeof header);
    shmdt(at);
    if (next(&w->in) % 4 == 0)
        sill__seat_segment_taken(&seat, way, id);
}

static void meddle_with_set(struct world *w)
{
    key_t key = w->key + (key_t)(next(&w->in) % 3);
    unsigned what = next(&w->in) % 4;
    int set = semget(key, SILL__BLOCK_SEMS - (int)(next(&w->in) % 8 == 0), IPC_CREAT | 0600);
    struct semid_ds info;
    if (what == 0) {
        semctl(set, 0, IPC_RMID);
    } else if (what == 1 && semctl(set, 0, IPC_STAT, &info) == 0) {
        info.sem_perm.mode = next(&w->in) % 2 == 0 ? 0600 : 0666;
        semctl(set, 0, IPC_SET, &info);
    } else if (what == 2) {
        unsigned short values[SILL__BLOCK_SEMS];
        for (int i = 0; i < SILL__BLOCK_SEMS; i++)
            values[i] = (unsigned short)(i < 4 ? next_number(&w->in) : (int)next(&w->in));
        semctl(set, 0, SETALL, values);
    }
}

/* What a record may say of a server's object, and what a clean makes of it. */
static void clean_record(struct world *w)
{
    char object[64] = "sysv-";
    key_t key = 0;
    size_t size;
    const char *bytes = next_bytes(&w->in, &size);
    if (next(&w->in) % 4 == 0)
        memcpy(object + 5, bytes, size < 50 ? size : 50);
    else
        snprintf(object + 5, 50, "%08x", (unsigned)(w->key + next_number(&w->in) - 300));
    struct sill__table table;
    struct sill__seat seat;
    const struct sill__place place = {
        .name = next(&w->in) % 2 == 0 ? "fuzz" : "other", .directory = directory, .object = object};
    if (sill__table_parse(object, &key)) {
        require(key >= SILL__KEY_FIRST && key <= SILL__KEY_LAST);
        if (succeeded(sill__table_open(&table, key, place.name)) &&
            succeeded(sill__table_take(&table, &seat)))
            sill__seat_give_back(&seat);
    }
    succeeded(ops->remove_stale(&place));
}

static void meddle(struct world *w)
{
    w->meddled = true;
    switch (next(&w->in) % 8) {
    case 0:
    case 1:
    case 2:
        set_semaphore(w);
        break;
    case 3:
    case 4:
        meddle_with_queue(w);
        break;
    case 5:
        meddle_with_segment(w);
        break;
    case 6:
        meddle_with_set(w);
        break;
    default:
        clean_record(w);
        break;
    }
}

/* ---- */

static void step(struct world *w)
{
    switch (next(&w->in) % 8) {
    case 0:
        dial(w);
        break;
    case 1:
        take(w);
        break;
    case 2:
        look(w, w->wait);
        break;
    case 3:
        look(w, w->clients[next(&w->in) % CLIENTS].wait);
        break;
    case 4:
    case 5:
        use(w);
        break;
    default:
        meddle(w);
        break;
    }
}

static key_t key_of_record(void)
{
    char path[200], file[100], text[SILL__OWNER_TEXT];
    struct sill__owner_info info;
    key_t key = 0;
    sill__owner_file_name(SILL__OWNER_SERVER, "fuzz", file);
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0);
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    require(size > 0 && sill__owner_parse(text, (size_t)size, &info) == SILL_OK &&
            sill__table_parse(info.object, &key));
    return key;
}

static int forget(void *arg, const struct sill__owner_info *info)
{
    (void)arg;
    (void)info;
    return SILL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.in = {data, size}};
    ops = sill__channel_of_family(SILL_FAMILY_SYSV);
    if (!succeeded(sill__listener_open(&w.listen, ops, "fuzz", directory, SILL_ACCESS_USER)))
        abort();
    w.key = key_of_record();
    require(succeeded(ops->wait->create(&w.wait)) &&
            succeeded(ops->watch_listen(w.listen.listen, w.wait, &w)));
    for (int i = 0; i < STEPS && w.in.size > 0; i++)
        step(&w);
    bool server_first = size % 2 == 0;
    if (server_first)
        sill__listener_shut(&w.listen, true);
    for (int i = 0; i < CLIENTS; i++)
        close_end(&w.clients[i]);
    for (int i = 0; i < ACCEPTED; i++)
        close_end(&w.accepted[i]);
    if (!server_first)
        sill__listener_shut(&w.listen, true);
    sill__wait_destroy(w.wait);
    require(sweep() == 0 || w.meddled);
    if (w.meddled) /* a record may be left where its objects could not be told to be its */
        succeeded(sill__owner_remove_stale(directory, SILL__OWNER_SERVER, "fuzz", forget, NULL));
    return 0;
}
