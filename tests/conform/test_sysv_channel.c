/* test_sysv_channel.c - the seam below channels (channel_ops.h) over System V: bytes, room, ends,
 * who the peer is, its wait set, and what a hostile peer can put into a queue.
 */
#include "support.h"

#ifdef _WIN32

int main(void)
{
    puts("skipped: System V IPC is not on Windows");
    return 0;
}

#else

#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sill/policy.h>
#include <sill/region.h>

#include "backends.h"
#include "channel.h"
#include "clock.h"
#include "status.h"
#include "sysv/conn.h"
#include "sysv/table.h"

enum { SEM_FULL = 32767 }; /* more no semaphore takes */

struct ends {
    char name[SUPPORT_NAME_SIZE];
    struct sill__named_listen listen;
    sill__wait *server_wait, *client_wait;
    sill__conn *server, *client;
};

static const struct sill__channel_ops *ops(void)
{
    return sill__channel_of_family(SILL_FAMILY_SYSV);
}

static int64_t patience(void)
{
    return sill__deadline(SUPPORT_PATIENCE_MS);
}

/* Waits until `key` is reported; its events. */
static unsigned hear(sill__wait *wait, const void *key, int timeout_ms)
{
    struct sill__event event;
    size_t count;
    int64_t deadline = sill__deadline(timeout_ms);
    while (sill__wait_for(wait, deadline, &event, 1, &count) == SILL_OK)
        if (count == 1 && event.key == key)
            return event.events;
    return 0;
}

static void ends_open(struct ends *e)
{
    const struct sill__expect expect = {0};
    memset(e, 0, sizeof *e);
    support_name(e->name, "seam");
    support_ok(sill__listener_open(&e->listen, ops(), e->name, NULL, SILL_ACCESS_USER));
    support_ok(ops()->wait->create(&e->server_wait));
    support_ok(ops()->wait->create(&e->client_wait));
    support_ok(ops()->watch_listen(e->listen.listen, e->server_wait, e));
    support_status(SILL_AGAIN, ops()->accept(e->listen.listen, &e->server));
    support_ok(sill__client_open(&e->client, ops(), e->name, NULL, &expect, patience()));
    support_ok(ops()->watch(e->client, e->client_wait, &e->client));
    assert_int_equal(SILL__READABLE, hear(e->server_wait, e, SUPPORT_PATIENCE_MS));
    support_ok(ops()->accept(e->listen.listen, &e->server));
    support_ok(ops()->watch(e->server, e->server_wait, &e->server));
}

static void ends_close(struct ends *e)
{
    if (e->client != NULL)
        ops()->close(e->client);
    if (e->server != NULL)
        ops()->close(e->server);
    sill__listener_shut(&e->listen, true);
    sill__wait_destroy(e->client_wait);
    sill__wait_destroy(e->server_wait);
    assert_int_equal(0, support_entries(".lock"));
}

static int send_bytes(sill__conn *conn, const void *data, size_t size, size_t *sent)
{
    const struct sill__bytes part = {data, size};
    return ops()->send(conn, &part, 1, NULL, 0, sent);
}

static int receive(sill__conn *conn, char *buffer, size_t capacity, size_t *got)
{
    *got = 0;
    return ops()->recv(conn, buffer, capacity, got);
}

/* More than the queue holds, read in pieces of `step` bytes: the writer is told of room. */
static void stream(struct ends *e, bool from_client, size_t step)
{
    enum { SIZE = 100000 };
    sill__conn *from = from_client ? e->client : e->server,
               *to = from_client ? e->server : e->client;
    sill__wait *wait = from_client ? e->client_wait : e->server_wait;
    void *key = from_client ? &e->client : &e->server;
    unsigned char *bytes = malloc(SIZE);
    char *back = malloc(SIZE);
    size_t sent = 0, have = 0, n = 0;
    unsigned waits = 0;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    while (have < SIZE) {
        int rc = sent < SIZE ? send_bytes(from, bytes + sent, SIZE - sent, &n) : SILL_AGAIN;
        if (rc == 0) {
            sent += n;
            continue;
        }
        assert_int_equal(SILL_AGAIN, rc);
        while (receive(to, back + have, SIZE - have < step ? SIZE - have : step, &n) == 0)
            have += n;
        if (sent < SIZE) {
            assert_true((hear(wait, key, SUPPORT_PATIENCE_MS) & SILL__WRITABLE) != 0);
            waits++;
        }
    }
    assert_memory_equal(bytes, back, SIZE);
    assert_in_range(waits, 1, 50);
    free(bytes);
    free(back);
}

static void bytes_and_room(void **state)
{
    (void)state;
    struct ends e;
    static const size_t steps[] = {1000000, 8192, 1000, 37};
    ends_open(&e);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        stream(&e, true, steps[i]);
        stream(&e, false, steps[i]);
    }
    ends_close(&e);
}

static void parts_are_joined(void **state)
{
    (void)state;
    struct ends e;
    char buffer[100];
    size_t n;
    const struct sill__bytes parts[] = {{"one", 3}, {NULL, 0}, {"two", 3}, {"!", 1}};
    ends_open(&e);
    support_status(SILL_AGAIN, receive(e.server, buffer, sizeof buffer, &n));
    support_ok(ops()->send(e.client, parts, 4, NULL, 0, &n));
    assert_int_equal(7, n);
    assert_true((hear(e.server_wait, &e.server, SUPPORT_PATIENCE_MS) & SILL__READABLE) != 0);
    support_ok(receive(e.server, buffer, sizeof buffer, &n));
    assert_int_equal(7, n);
    assert_memory_equal("onetwo!", buffer, 7);
    ends_close(&e);
}

/* What was sent before the end is read first, then the end is told; sending says so at once. */
static void ends_are_told(void **state)
{
    (void)state;
    for (int client_ends = 0; client_ends < 2; client_ends++) {
        struct ends e;
        char buffer[10];
        size_t n;
        ends_open(&e);
        sill__conn **ending = client_ends ? &e.client : &e.server;
        sill__conn *left = client_ends ? e.server : e.client;
        sill__wait *wait = client_ends ? e.server_wait : e.client_wait;
        void *key = client_ends ? (void *)&e.server : (void *)&e.client;
        assert_int_equal(1, ops()->peer_alive(left));
        support_ok(send_bytes(*ending, "bye", 3, &n));
        ops()->close(*ending);
        *ending = NULL;
        assert_true((hear(wait, key, SUPPORT_PATIENCE_MS) & SILL__READABLE) != 0);
        assert_int_equal(-1,
                         ops()->peer_alive(left)); /* closed: that says nothing of its process */
        support_status(SILL_DIED, send_bytes(left, "x", 1, &n));
        support_ok(receive(left, buffer, sizeof buffer, &n));
        assert_memory_equal("bye", buffer, 3);
        support_status(SILL_DIED, receive(left, buffer, sizeof buffer, &n));
        support_status(SILL_DIED, receive(left, buffer, sizeof buffer, &n));
        ends_close(&e);
    }
}

/* A client's process. */
static int play_client(int argc, char **argv)
{
    const struct sill__expect expect = {0};
    sill__conn *conn = NULL;
    size_t n;
    if (argc < 1 || sill__client_open(&conn, ops(), argv[0], NULL, &expect, patience()) != 0)
        return 1;
    int rc = send_bytes(conn, "here", 4, &n);
    support_say("%s %u", sill_status_name(rc), (unsigned)ops()->peer(conn)->pid);
    support_linger();
    ops()->close(conn);
    return 0;
}

static void death_and_identity(void **state)
{
    (void)state;
    struct ends e;
    char wanted[40], buffer[10];
    size_t n;
    ends_open(&e);
    sill__conn *conn = NULL;
    const char *arguments[] = {e.name, NULL};
    struct support_process *client = support_start("client", arguments, NULL);
    snprintf(wanted, sizeof wanted, "SILL_OK %u", (unsigned)getpid());
    support_expect(client, wanted);
    assert_int_equal(SILL__READABLE, hear(e.server_wait, &e, SUPPORT_PATIENCE_MS));
    support_ok(ops()->accept(e.listen.listen, &conn));
    support_ok(ops()->watch(conn, e.server_wait, &conn));
    assert_int_equal(support_pid(client), ops()->peer(conn)->pid);
    assert_int_equal(geteuid(), ops()->peer(conn)->uid);
    assert_int_equal(getegid(), ops()->peer(conn)->gid);
    assert_int_equal(getpid(), ops()->peer(e.client)->pid);
    assert_int_equal(1, ops()->peer_alive(conn));
    support_kill(client);
    while ((hear(e.server_wait, &conn, SUPPORT_PATIENCE_MS) & SILL__PEER_DEAD) == 0)
        ;
    assert_int_equal(0, ops()->peer_alive(conn));
    support_ok(receive(conn, buffer, sizeof buffer, &n));
    assert_memory_equal("here", buffer, 4);
    support_status(SILL_DIED, receive(conn, buffer, sizeof buffer, &n));
    ops()->close(conn);
    support_finish(client);
    ends_close(&e);
}

static void handles_are_numbers(void **state)
{
    (void)state;
    struct ends e;
    uint64_t value = 0;
    sill_handle handle = SILL_NO_HANDLE;
    ends_open(&e);
    support_ok(ops()->export_handle(e.client, 4711, &value));
    assert_int_equal(4711, value);
    assert_int_equal(1, ops()->untaken(e.client));
    support_ok(ops()->import_handle(e.server, value, &handle));
    assert_int_equal(4711, handle);
    support_status(SILL_PROTOCOL, ops()->import_handle(e.server, UINT64_C(1) << 31, &handle));
    support_status(SILL_PROTOCOL, ops()->import_handle(e.server, UINT64_MAX, &handle));
    support_status(SILL_PROTOCOL, ops()->taken(e.client, 2));
    support_ok(ops()->taken(e.client, 1));
    support_status(SILL_PROTOCOL, ops()->taken(e.client, 1));
    support_ok(ops()->export_handle(e.client, 1, &value));
    ops()->unexport(e.client, &value, 1);
    assert_int_equal(0, ops()->untaken(e.client));
    ends_close(&e);
}

/* A segment that is opened by its number cannot be written there; it lives as long as the view, and
 * then nothing has that number. */
static void segments_are_read_only(void **state)
{
    (void)state;
    sill_region *region = NULL, *view = NULL;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    sill_handle handle = SILL_NO_HANDLE;
    options.kind = ops()->region;
    support_ok(sill_region_create(&region, NULL, 5000, &options));
    support_ok(sill_region_handle(region, &handle));
    options.read_only = 1;
    support_ok(sill_region_open_handle(&view, handle, &options));
    memset(sill_region_data(region), 'x', 5000);
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(SIGSEGV, &action, NULL);
        *(volatile char *)sill_region_data(view) = 'y';
        _exit(0);
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFSIGNALED(status));
    sill_region_close(region);
    assert_int_equal('x', ((const char *)sill_region_data(view))[4999]);
    sill_region_close(view);
    support_status(SILL_NOT_FOUND, sill_region_open_handle(&view, handle, &options));
}

/* Messages that no sill sends: none of them gets further than a status. */
static void hostile_messages(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        long type;
        int status;
    } rows[] = {{0, 1, SILL_PROTOCOL}, {5, 77, SILL_OK}, {8192, 1, SILL_OK}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ends e;
        struct {
            long type;
            char bytes[8192];
        } message = {rows[i].type, {0}};
        char buffer[8192];
        size_t n;
        ends_open(&e);
        const struct sill__sysv_conn *conn = (const struct sill__sysv_conn *)e.server;
        assert_int_equal(0, msgsnd(conn->in, &message, rows[i].size, IPC_NOWAIT));
        support_status(rows[i].status, receive(e.server, buffer, sizeof buffer, &n));
        assert_int_equal(rows[i].status == SILL_OK ? rows[i].size : 0, n);
        ends_close(&e);
    }
}

/* A server that does not look for long is rung until its bell takes no more. */
static void bell_is_full(void **state)
{
    (void)state;
    struct ends e;
    const struct sill__expect expect = {0};
    sill__conn *more = NULL, *accepted = NULL;
    ends_open(&e);
    int set = ((const struct sill__sysv_conn *)e.client)->seat.first;
    while (sill__sem_value(set, SILL__SEM_BELL) < SEM_FULL) {
        struct sembuf up = {SILL__SEM_BELL,
                            (short)(SEM_FULL - sill__sem_value(set, SILL__SEM_BELL)), IPC_NOWAIT};
        assert_int_equal(0, semop(set, &up, 1));
    }
    support_ok(sill__client_open(&more, ops(), e.name, NULL, &expect, patience()));
    assert_int_equal(SEM_FULL, sill__sem_value(set, SILL__SEM_BELL));
    assert_int_equal(SILL__READABLE, hear(e.server_wait, &e, SUPPORT_PATIENCE_MS));
    support_ok(ops()->accept(e.listen.listen, &accepted));
    ops()->close(accepted);
    ops()->close(more);
    ends_close(&e);
}

/* A client has found a server that ends before the client has a slot. */
static void server_ends_meanwhile(void **state)
{
    (void)state;
    struct sill__table server, client;
    struct sill__seat seat, other;
    char object[64];
    key_t key = 0;
    support_ok(sill__table_choose(object));
    assert_true(sill__table_parse(object, &key));
    support_ok(sill__table_create(&server, key, "meanwhile"));
    support_ok(sill__table_open(&client, key, "meanwhile"));
    support_ok(sill__table_take(&client, &other));
    sill__table_end(&server);
    support_status(SILL_NOT_FOUND, sill__table_take(&client, &seat));
    assert_true(sill__table_in_use(&server));
    sill__seat_end_client(&other);
    assert_false(sill__table_in_use(&server));
    support_ok(sill__table_remove(key, "meanwhile", true));
    assert_int_equal(-1, semget(key, 0, 0));
}

/* What a record says may be anything. */
static void keys_of_records(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "sysv",
                                        "sysv-",
                                        "sysv-0",
                                        "sysv-00ffffff",
                                        "sysv-7e000000",
                                        "sysv-ffffffff",
                                        "sysv-01000000x",
                                        "unix-01000000"};
    key_t key = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(sill__table_parse(wrong[i], &key));
    assert_true(sill__table_parse("sysv-01000000", &key));
    assert_int_equal(SILL__KEY_FIRST, key);
    assert_true(sill__table_parse("sysv-7dffffff", &key));
    assert_int_equal(SILL__KEY_LAST, key);
}

/* A queue that somebody removes is the end of the connection. */
static void queue_is_removed(void **state)
{
    (void)state;
    struct ends e;
    char buffer[10];
    size_t n;
    ends_open(&e);
    const struct sill__sysv_conn *conn = (const struct sill__sysv_conn *)e.server;
    assert_int_equal(0, msgctl(conn->in, IPC_RMID, NULL));
    support_status(SILL_DIED, receive(e.server, buffer, sizeof buffer, &n));
    support_status(SILL_DIED, send_bytes(e.client, "x", 1, &n));
    ends_close(&e);
}

static int sleep_there(void *arg)
{
    struct sill__event event;
    size_t count;
    return sill__wait_for(arg, patience(), &event, 1, &count);
}

/* A wake-up ends a sleep, or the next one; and so does closing what is slept on. */
static void sleepers_are_woken(void **state)
{
    (void)state;
    struct ends e;
    ends_open(&e);
    sill__wait *waits[] = {e.server_wait, e.client_wait};
    for (int i = 0; i < 2; i++) {
        (void)hear(waits[i], NULL, 20); /* nothing is left to be reported */
        sill__wait_wake(waits[i]);
        assert_int_equal(SILL_OK, sleep_there(waits[i]));
        struct support_thread *thread = support_thread(sleep_there, waits[i]);
        sill__wait_wake(waits[i]);
        assert_int_equal(SILL_OK, support_join(thread));
        struct sill__event event;
        size_t count;
        int status;
        do /* the bell may have rung behind the sleep: then its owner is told to look */
            status = sill__wait_for(waits[i], 0, &event, 1, &count);
        while (status == SILL_OK && count > 0);
        support_status(SILL_TIMEOUT, status);
    }
    for (int i = 0; i < 20; i++) { /* the sleeper may be anywhere */
        const struct sill__expect expect = {0};
        struct support_thread *thread = support_thread(sleep_there, e.client_wait);
        if (i % 2 == 0)
            support_sleep_ms(1);
        ops()->close(e.client);
        assert_int_equal(SILL_OK, support_join(thread));
        support_ok(sill__client_open(&e.client, ops(), e.name, NULL, &expect, patience()));
        support_ok(ops()->watch(e.client, e.client_wait, &e.client));
        (void)hear(e.client_wait, NULL, 1);
    }
    ends_close(&e);
}

/* One wait set is for a server and its connections, or for one connection. */
static void one_bell_for_a_set(void **state)
{
    (void)state;
    struct ends e;
    sill__conn *second = NULL;
    const struct sill__expect expect = {0};
    ends_open(&e);
    support_ok(sill__client_open(&second, ops(), e.name, NULL, &expect, patience()));
    support_status(SILL_INVALID, ops()->watch(second, e.client_wait, &second));
    support_status(SILL_INVALID, ops()->watch(second, e.server_wait, &second));
    sill_handle handle;
    support_status(SILL_UNSUPPORTED, sill__wait_pollable(e.client_wait, &handle));
    ops()->close(second);
    ends_close(&e);
}

static const struct support_role roles[] = {{"client", play_client}};
static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(bell_is_full),           SUPPORT_TEST(server_ends_meanwhile),
    SUPPORT_TEST(keys_of_records),        SUPPORT_TEST(bytes_and_room),
    SUPPORT_TEST(parts_are_joined),       SUPPORT_TEST(ends_are_told),
    SUPPORT_TEST(death_and_identity),     SUPPORT_TEST(handles_are_numbers),
    SUPPORT_TEST(hostile_messages),       SUPPORT_TEST(queue_is_removed),
    SUPPORT_TEST(sleepers_are_woken),     SUPPORT_TEST(one_bell_for_a_set),
    SUPPORT_TEST(segments_are_read_only),
};
SUPPORT_MAIN(tests, roles)

#endif
