/* test_pipe_transfer.c - bytes and handles through named pipes: the pollable, operations that belong
 * to threads, handles that travel as values, two processes and their deaths.
 */
#ifndef _WIN32
#include "support.h"

int main(void)
{
    puts("skipped: named pipes are Windows'");
    return 0;
}

#else
#include "pipe_rig.h"

/* ---- the pollable ---- */

struct sender {
    sill__conn *conns[2];
    int rounds;
};

static int send_in_turn(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < sender->rounds; i++) {
        size_t sent;
        int status;
        while ((status = send_some(sender->conns[i % 2], "p", 1, &sent)) == SILL_AGAIN)
            support_sleep_ms(1);
        if (status != SILL_OK)
            return 1;
    }
    return 0;
}

/* One pollable over two connections: a read that is issued on one must not hide what came on the
 * other. `collect`: the wait set is asked too, as a library would. */
static void pollable_never_sleeps_over(bool collect)
{
    struct sill__place place = place_make();
    struct pair pair;
    struct sender sender = {.rounds = 400};
    sill__conn *servers[2];
    sill_handle handle;
    struct sill__event events[4];
    size_t count;
    char buffer[64];
    listen_open(&pair, &place);
    for (int i = 0; i < 2; i++) {
        support_ok(ops->connect(&sender.conns[i], &place, patience()));
        support_ok(accept_one(pair.listen, pair.listen_wait, &servers[i]));
    }
    support_ok(sill__wait_create(&pair.server_wait));
    support_ok(ops->watch(servers[0], pair.server_wait, servers[0]));
    support_ok(sill__wait_pollable(pair.server_wait, &handle));
    support_ok(ops->watch(servers[1], pair.server_wait, servers[1]));
    struct support_thread *thread = support_thread(send_in_turn, &sender);
    for (int received = 0; received < sender.rounds;) {
        assert_int_equal(WaitForSingleObject((HANDLE)handle, SUPPORT_PATIENCE_MS), WAIT_OBJECT_0);
        if (collect)
            (void)sill__wait_for(pair.server_wait, 0, events, 4, &count);
        for (int i = 0; i < 2; i++) {
            int status;
            while ((status = ops->recv(servers[i], buffer, sizeof buffer, &count)) == SILL_OK)
                received += (int)count;
            support_status(SILL_AGAIN, status);
        }
    }
    assert_int_equal(support_join(thread), 0);
    while (sill__wait_for(pair.server_wait, 0, events, 4, &count) == SILL_OK)
        ;
    assert_int_equal(WaitForSingleObject((HANDLE)handle, 0), WAIT_TIMEOUT);
    ops->close(sender.conns[0]); /* its end is told too */
    assert_int_equal(WaitForSingleObject((HANDLE)handle, SUPPORT_PATIENCE_MS), WAIT_OBJECT_0);
    ops->close(sender.conns[1]);
    for (int i = 0; i < 2; i++)
        ops->close(servers[i]);
    pair_close(&pair);
}

static void pollable_with_the_wait_set(void **state)
{
    (void)state;
    pollable_never_sleeps_over(true);
}

static void pollable_by_itself(void **state)
{
    (void)state;
    pollable_never_sleeps_over(false);
}

/* ---- operations and threads ---- */

static int receive_nothing(void *arg)
{
    char byte;
    size_t got;
    return ops->recv(arg, &byte, 1, &got);
}

static int fill_and_end(void *arg)
{
    return (int)fill(arg);
}

static void end_of_a_thread_loses_nothing(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    struct support_thread *thread = support_thread(receive_nothing, pair.server);
    assert_int_equal(support_join(thread), SILL_AGAIN);
    thread = support_thread(fill_and_end, pair.client); /* its last write is under way */
    size_t filled = (size_t)support_join(thread);
    assert_true(filled >= BLOCK);
    assert_int_equal(drain(pair.server, pair.server_wait, filled, &status), filled);
    one_byte_goes(pair.client, pair.server, pair.server_wait);
    pair_close(&pair);
}

static int close_it(void *arg)
{
    ops->close(arg);
    return 0;
}

static void close_waits_for_the_reader(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    size_t filled = fill(pair.client);
    assert_true(filled >= BLOCK);
    struct support_thread *thread = support_thread(close_it, pair.client);
    pair.client = NULL;
    assert_int_equal(drain(pair.server, pair.server_wait, SIZE_MAX, &status), filled);
    support_status(SILL_DIED, status);
    support_join(thread);
    pair_close(&pair);
}

static void close_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    size_t filled = fill(pair.client);
    int64_t start = sill__now_ns();
    ops->close(pair.client);
    pair.client = NULL;
    assert_true(sill__now_ns() - start < INT64_C(10000000000));
    assert_true(drain(pair.server, pair.server_wait, SIZE_MAX, &status) <= filled);
    support_status(SILL_DIED, status);
    pair_close(&pair);
}

/* ---- handles ---- */

static void what_is_no_handle_is_a_breach(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    const uint64_t values[] = {
        0, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 5,    0xffffffff, 0xfffffffe,
        5, 0x7ffffffc, 0x80000004,     (uint64_t)1 << 40, 0x100000004};
    pair_open(&pair, &place);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        sill_handle handle = SILL_NO_HANDLE;
        support_status(SILL_PROTOCOL, ops->import_handle(pair.server, values[i], &handle));
        support_status(SILL_PROTOCOL, ops->import_handle(pair.client, values[i], &handle));
        assert_int_equal(handle, SILL_NO_HANDLE);
    }
    support_status(SILL_PROTOCOL, ops->taken(pair.client, 1));
    pair_close(&pair);
}

static void taken_handles_are_let_go(void **state)
{
    (void)state;
    enum { MANY = 2 * SILL_HANDLES_MAX };
    struct sill__place place = place_make();
    struct pair pair;
    uint64_t value = 0;
    sill_handle got;
    pair_open(&pair, &place);
    sill_handle event = (sill_handle)CreateEventW(NULL, TRUE, FALSE, NULL);
    for (int round = 0; round < 50; round++) { /* more than can be kept, in all */
        unsigned before = support_handles();
        for (int i = 0; i < MANY; i++) {
            support_ok(ops->export_handle(pair.client, event, &value));
            support_ok(ops->import_handle(pair.server, value, &got));
            assert_int_not_equal(got, value);
            sill__handle_close(got);
        }
        assert_int_equal(support_handles(), before + MANY);
        support_ok(ops->taken(pair.client, MANY));
        assert_int_equal(support_handles(), before);
    }
    sill__handle_close(event);
    pair_close(&pair);
}

/* A section handle that may only be read stays so at the other end. */
static void rights_travel_with_handles(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, NULL);
    HANDLE reader = NULL;
    assert_non_null(section);
    assert_true(DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(), &reader,
                                FILE_MAP_READ, FALSE, 0));
    pair_open(&pair, &place);
    for (int to_client = 0; to_client < 2; to_client++) {
        uint64_t value = 0;
        sill_handle got = SILL_NO_HANDLE;
        support_ok(
            ops->export_handle(to_client ? pair.server : pair.client, (sill_handle)reader, &value));
        support_ok(ops->import_handle(to_client ? pair.client : pair.server, value, &got));
        assert_null(MapViewOfFile((HANDLE)got, FILE_MAP_WRITE, 0, 0, 0));
        void *view = MapViewOfFile((HANDLE)got, FILE_MAP_READ, 0, 0, 0);
        assert_non_null(view);
        UnmapViewOfFile(view);
        sill__handle_close(got);
    }
    pair_close(&pair);
    CloseHandle(reader);
    CloseHandle(section);
}

/* ---- two processes ---- */

/* Connects and sends back what comes, both at once, until the other end is closed. */
static int run_echo(int argc, char **argv)
{
    static unsigned char block[BLOCK];
    struct sill__place place = place_of(argv[0]);
    sill__conn *conn;
    sill__wait *wait;
    size_t have = 0, sent = 0, count;
    (void)argc;
    if (ops->connect(&conn, &place, patience()) != SILL_OK || sill__wait_create(&wait) != SILL_OK ||
        ops->watch(conn, wait, conn) != SILL_OK)
        return 2;
    support_say("connected");
    for (;;) {
        int status = sent < have ? send_some(conn, block + sent, have - sent, &count)
                                 : ops->recv(conn, block, BLOCK, &count);
        if (status == SILL_DIED)
            break;
        if (status == SILL_AGAIN && !reported(wait, conn))
            return 3;
        if (status == SILL_OK && sent < have)
            sent += count;
        else if (status == SILL_OK)
            have = count, sent = 0;
    }
    ops->close(conn);
    sill__wait_destroy(wait);
    return 0;
}

static struct support_process *echo_start(struct pair *pair, const struct sill__place *place)
{
    const char *arguments[] = {place->name, NULL};
    listen_open(pair, place);
    struct support_process *echo = support_start("echo", arguments, NULL);
    accept_client(pair);
    support_expect(echo, "connected");
    return echo;
}

static void megabytes_go_both_ways(void **state)
{
    (void)state;
    enum { ALL = 8 << 20 };
    static unsigned char block[BLOCK], back[BLOCK];
    struct sill__place place = place_make();
    struct pair pair;
    struct support_process *echo = echo_start(&pair, &place);
    size_t sent = 0, received = 0, count = 0;
    while (received < ALL) {
        bool stuck = true;
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = (unsigned char)((sent + i) % 251);
        size_t left = ALL - sent < BLOCK ? ALL - sent : BLOCK;
        int status = left > 0 ? send_some(pair.server, block, left, &count) : SILL_AGAIN;
        if (status == SILL_OK)
            sent += count, stuck = false;
        else
            support_status(SILL_AGAIN, status);
        status = ops->recv(pair.server, back, BLOCK, &count);
        if (status == SILL_OK) {
            for (size_t i = 0; i < count; i++, received++)
                if (back[i] != (unsigned char)(received % 251))
                    fail_msg("byte %zu is wrong", received);
            stuck = false;
        } else {
            support_status(SILL_AGAIN, status);
        }
        if (stuck)
            assert_true(reported(pair.server_wait, pair.server));
    }
    pair_close(&pair);
    assert_int_equal(support_finish(echo), 0);
}

static void killed_in_the_middle(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    struct support_process *echo = echo_start(&pair, &place);
    int status = SILL_OK;
    size_t count = 0;
    assert_true(fill(pair.server) > 0); /* the echo may be sending, receiving or neither */
    support_kill(echo);
    drain(pair.server, pair.server_wait, SIZE_MAX, &status);
    support_status(SILL_DIED, status);
    while ((status = send_some(pair.server, "x", 1, &count)) == SILL_AGAIN)
        assert_true(reported(pair.server_wait, pair.server));
    support_status(SILL_DIED, status);
    assert_int_equal(ops->peer_alive(pair.server), 0);
    pair_close(&pair);
    support_finish(echo);
}

static int run_server(int argc, char **argv)
{
    struct sill__place place = place_of(argv[0]);
    sill__listen *listen;
    (void)argc;
    if (ops->listen(&listen, &place) != SILL_OK)
        return 2;
    support_say("listening");
    support_linger();
    ops->unlisten(listen, true);
    return 0;
}

static void killed_server_leaves_nothing(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    const char *arguments[] = {place.name, NULL};
    sill__conn *client = NULL, *nobody = NULL;
    sill__wait *wait;
    int status;
    struct support_process *server = support_start("server", arguments, NULL);
    support_expect(server, "listening");
    support_ok(ops->connect(&client, &place, patience()));
    assert_int_equal(ops->peer(client)->pid, support_pid(server));
    assert_int_equal(ops->peer(client)->exact, 1);
    support_ok(sill__wait_create(&wait));
    support_ok(ops->watch(client, wait, client));
    support_kill(server);
    assert_int_equal(drain(client, wait, SIZE_MAX, &status), 0);
    support_status(SILL_DIED, status);
    support_status(SILL_NOT_FOUND, ops->connect(&nobody, &place, patience()));
    assert_false(support_exists(file_path));
    ops->close(client);
    sill__wait_destroy(wait);
    struct pair pair; /* the name is free at once */
    pair_open(&pair, &place);
    pair_close(&pair);
    support_finish(server);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(pollable_with_the_wait_set),
    SUPPORT_TEST(pollable_by_itself),
    SUPPORT_TEST(end_of_a_thread_loses_nothing),
    SUPPORT_TEST(close_waits_for_the_reader),
    SUPPORT_TEST(close_does_not_wait_for_ever),
    SUPPORT_TEST(what_is_no_handle_is_a_breach),
    SUPPORT_TEST(taken_handles_are_let_go),
    SUPPORT_TEST(rights_travel_with_handles),
    SUPPORT_TEST(megabytes_go_both_ways),
    SUPPORT_TEST(killed_in_the_middle),
    SUPPORT_TEST(killed_server_leaves_nothing),
};
static const struct support_role roles[] = {{"echo", run_echo}, {"server", run_server}};
SUPPORT_MAIN(tests, roles)

#endif
