/* test_channel_ops.c - the seam below channels (channel_ops.h), over every channel of the
 * registry: bytes, handles, who the peer is, how its end is told. */
#include "support.h"

#include "backends.h"
#include "clock.h"
#include "object.h"
#include "wait.h"

struct pair {
    const struct sill__channel_ops *ops;
    sill__wait *wait;
    sill__listen *listen;
    sill__conn *client, *server;
    char name[SUPPORT_NAME_SIZE];
    struct sill__place place;
};

static void place_make(struct sill__place *place, const char *name)
{
    memset(place, 0, sizeof *place);
    place->name = name;
    place->directory = getenv("SILL_RUNTIME_DIR");
    snprintf(place->file, sizeof place->file, "t.%s", name);
}

static void listen_open(struct pair *pair, const struct sill__channel_ops *ops)
{
    memset(pair, 0, sizeof *pair);
    pair->ops = ops;
    support_name(pair->name, "ops");
    place_make(&pair->place, pair->name);
    support_ok(sill__wait_create(&pair->wait));
    support_ok(ops->listen(&pair->listen, &pair->place));
    support_ok(ops->watch_listen(pair->listen, pair->wait, pair->listen));
}

/* Waits until `key` is reported; what else is reported is dropped. */
static unsigned wait_for_key(struct pair *pair, const void *key, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    struct sill__event event;
    size_t count;
    while (sill__wait_for(pair->wait, deadline, &event, 1, &count) == SILL_OK)
        if (count == 1 && event.key == key)
            return event.events;
    return 0;
}

/* Accepts and watches the server's end. */
static void accept_client(struct pair *pair)
{
    int status;
    while ((status = pair->ops->accept(pair->listen, &pair->server)) == SILL_AGAIN)
        assert_int_not_equal(wait_for_key(pair, pair->listen, SUPPORT_PATIENCE_MS), 0);
    support_ok(status);
    support_ok(pair->ops->watch(pair->server, pair->wait, &pair->server));
}

static void pair_open(struct pair *pair, const struct sill__channel_ops *ops)
{
    listen_open(pair, ops);
    support_ok(ops->connect(&pair->client, &pair->place, sill__deadline(SUPPORT_PATIENCE_MS)));
    accept_client(pair);
    support_ok(ops->watch(pair->client, pair->wait, &pair->client));
}

static void pair_close(struct pair *pair)
{
    if (pair->client != NULL)
        pair->ops->close(pair->client);
    if (pair->server != NULL)
        pair->ops->close(pair->server);
    pair->ops->unlisten(pair->listen, true);
    sill__wait_destroy(pair->wait);
}

static void **end_of(struct pair *pair, bool client)
{
    return client ? (void **)&pair->client : (void **)&pair->server;
}

static void send_all(struct pair *pair, bool from_client, const void *data, size_t size)
{
    sill__conn *conn = from_client ? pair->client : pair->server;
    size_t done = 0;
    while (done < size) {
        struct sill__bytes part = {(const char *)data + done, size - done};
        size_t sent = 0;
        int status = pair->ops->send(conn, &part, 1, NULL, 0, &sent);
        if (status == SILL_AGAIN)
            assert_int_not_equal(wait_for_key(pair, end_of(pair, from_client), SUPPORT_PATIENCE_MS),
                                 0);
        else
            support_ok(status);
        done += sent;
    }
}

static void receive_all(struct pair *pair, bool at_client, void *buffer, size_t size)
{
    sill__conn *conn = at_client ? pair->client : pair->server;
    size_t done = 0;
    while (done < size) {
        size_t got = 0;
        int status = pair->ops->recv(conn, (char *)buffer + done, size - done, &got);
        if (status == SILL_AGAIN)
            assert_int_not_equal(wait_for_key(pair, end_of(pair, at_client), SUPPORT_PATIENCE_MS),
                                 0);
        else
            support_ok(status);
        done += got;
    }
}

/* Receives until something else than bytes comes; how many bytes came. */
static size_t receive_rest(struct pair *pair, bool at_client, int *status)
{
    sill__conn *conn = at_client ? pair->client : pair->server;
    static char buffer[65536];
    size_t all = 0, got = 0;
    for (;;) {
        *status = pair->ops->recv(conn, buffer, sizeof buffer, &got);
        if (*status == SILL_OK)
            all += got;
        else if (*status != SILL_AGAIN ||
                 wait_for_key(pair, end_of(pair, at_client), SUPPORT_PATIENCE_MS) == 0)
            return all;
    }
}

/* ---- connecting ---- */

static void nobody_listens(void **state)
{
    const struct sill__channel_ops *ops = *state;
    char name[SUPPORT_NAME_SIZE];
    struct sill__place place;
    sill__conn *conn = NULL;
    support_name(name, "ops");
    place_make(&place, name);
    support_status(SILL_NOT_FOUND, ops->connect(&conn, &place, sill__deadline(1000)));
    assert_null(conn);
    assert_int_equal(sill_last_error()->status, SILL_NOT_FOUND);
}

static void accept_says_again(void **state)
{
    struct pair pair;
    sill__conn *conn = NULL;
    listen_open(&pair, *state);
    support_status(SILL_AGAIN, pair.ops->accept(pair.listen, &conn));
    assert_null(conn);
    pair_close(&pair);
}

/* Clients are taken into the queue before anybody accepts them. */
static void clients_queue(void **state)
{
    struct pair pair;
    sill__conn *clients[3], *servers[3];
    listen_open(&pair, *state);
    for (int i = 0; i < 3; i++)
        support_ok(
            pair.ops->connect(&clients[i], &pair.place, sill__deadline(SUPPORT_PATIENCE_MS)));
    for (int i = 0; i < 3; i++) {
        int status;
        while ((status = pair.ops->accept(pair.listen, &servers[i])) == SILL_AGAIN)
            assert_int_not_equal(wait_for_key(&pair, pair.listen, SUPPORT_PATIENCE_MS), 0);
        support_ok(status);
    }
    for (int i = 0; i < 3; i++) {
        pair.ops->close(clients[i]);
        pair.ops->close(servers[i]);
    }
    pair_close(&pair);
}

static void name_is_free_after_unlisten(void **state)
{
    const struct sill__channel_ops *ops = *state;
    struct pair pair;
    sill__conn *conn;
    unsigned before = support_entries(NULL);
    listen_open(&pair, ops);
    ops->unlisten(pair.listen, true);
    assert_int_equal(support_entries(NULL), before);
    support_status(SILL_NOT_FOUND, ops->connect(&conn, &pair.place, sill__deadline(1000)));
    support_ok(ops->listen(&pair.listen, &pair.place));
    ops->unlisten(pair.listen, true);
    support_ok(ops->remove_stale(&pair.place)); /* nothing there is fine */
    sill__wait_destroy(pair.wait);
}

/* ---- bytes ---- */

static void bytes_go_both_ways(void **state)
{
    struct pair pair;
    char buffer[8];
    size_t got;
    pair_open(&pair, *state);
    for (int client = 0; client < 2; client++) {
        send_all(&pair, client == 0, "seven b", 7);
        receive_all(&pair, client == 1, buffer, 7);
        assert_memory_equal(buffer, "seven b", 7);
    }
    support_status(SILL_AGAIN, pair.ops->recv(pair.client, buffer, sizeof buffer, &got));
    support_status(SILL_AGAIN, pair.ops->recv(pair.server, buffer, sizeof buffer, &got));
    pair_close(&pair);
}

static void parts_are_gathered(void **state)
{
    enum { PARTS = 40 };
    struct pair pair;
    struct sill__bytes parts[PARTS];
    char text[PARTS * 3], buffer[sizeof text];
    size_t sent = 0;
    pair_open(&pair, *state);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = (struct sill__bytes){text + 3 * i, i == 1 ? 0 : 3};
    support_ok(pair.ops->send(pair.client, parts, PARTS, NULL, 0, &sent));
    assert_true(sent > 0 && sent <= sizeof text - 3);
    memmove(text + 3, text + 6, sizeof text - 6); /* what the empty part left out */
    send_all(&pair, true, text + sent, sizeof text - 3 - sent);
    receive_all(&pair, false, buffer, sizeof text - 3);
    assert_memory_equal(buffer, text, sizeof text - 3);
    pair_close(&pair);
}

enum { BLOCK = 100003, FILL_LIMIT = 64 << 20 };

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 >> 3);
}

/* The client sends until the channel says AGAIN; how much. */
static size_t fill(struct pair *pair)
{
    unsigned char *block = malloc(BLOCK);
    size_t filled = 0;
    int status = SILL_OK;
    assert_non_null(block);
    while (filled < FILL_LIMIT) {
        size_t sent = 0;
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = pattern(filled + i);
        struct sill__bytes part = {block, BLOCK};
        status = pair->ops->send(pair->client, &part, 1, NULL, 0, &sent);
        if (status != SILL_OK)
            break;
        assert_true(sent > 0 && sent <= BLOCK);
        filled += sent;
    }
    free(block);
    support_status(SILL_AGAIN, status);
    assert_true(filled > 0);
    return filled;
}

/* And the server takes it all, without asking the wait set. */
static void drain(struct pair *pair, size_t filled)
{
    static unsigned char buffer[BLOCK];
    int64_t deadline = sill__deadline(SUPPORT_PATIENCE_MS);
    for (size_t taken = 0; taken < filled;) {
        size_t got = 0;
        int status = pair->ops->recv(pair->server, buffer, sizeof buffer, &got);
        assert_true(sill__now_ns() < deadline);
        if (status == SILL_AGAIN)
            continue;
        support_ok(status);
        for (size_t i = 0; i < got; i++)
            if (buffer[i] != pattern(taken + i))
                fail_msg("byte %zu is wrong", taken + i);
        taken += got;
    }
}

static void wait_writable(struct pair *pair)
{
    unsigned events = 0;
    while ((events & SILL__WRITABLE) == 0) {
        events = wait_for_key(pair, &pair->client, SUPPORT_PATIENCE_MS);
        assert_int_not_equal(events, 0);
    }
}

static void full_channel_says_again(void **state)
{
    struct pair pair;
    pair_open(&pair, *state);
    drain(&pair, fill(&pair));
    wait_writable(&pair); /* there is room again, and it is told */
    send_all(&pair, true, "x", 1);
    pair_close(&pair);
}

/* Whoever waits for room is told of it, though another thread has sent before the wait set was
 * asked. */
static void room_is_told_behind_a_send(void **state)
{
    struct pair pair;
    struct sill__bytes part = {"x", 1};
    size_t sent = 0;
    int status;
    int64_t deadline = sill__deadline(SUPPORT_PATIENCE_MS);
    pair_open(&pair, *state);
    drain(&pair, fill(&pair));
    while ((status = pair.ops->send(pair.client, &part, 1, NULL, 0, &sent)) == SILL_AGAIN)
        assert_true(sill__now_ns() < deadline);
    support_ok(status);
    wait_writable(&pair);
    pair_close(&pair);
}

/* ---- handles ---- */

/* Sends one byte with handles; their values go in `values`. */
static void send_handles(struct pair *pair, const sill_handle *handles, unsigned count,
                         uint64_t *values)
{
    struct sill__bytes part = {"h", 1};
    size_t sent = 0;
    for (unsigned i = 0; i < count; i++)
        support_ok(pair->ops->export_handle(pair->client, handles[i], &values[i]));
    support_ok(pair->ops->send(pair->client, &part, 1, handles, count, &sent));
    assert_int_equal(sent, 1);
}

static void handles_are_passed(void **state)
{
    struct pair pair;
    struct object objects[SILL_HANDLES_MAX];
    sill_handle handles[SILL_HANDLES_MAX];
    uint64_t values[SILL_HANDLES_MAX];
    pair_open(&pair, *state);
    if ((pair.ops->caps & SILL__CHANNEL_HANDLES) == 0) {
        pair_close(&pair);
        support_skip("the channel \"%s\" passes no handles", pair.ops->name);
    }
    for (unsigned i = 0; i < SILL_HANDLES_MAX; i++) {
        objects[i] = object_make();
        handles[i] = objects[i].pass;
    }
    for (int round = 0; round < 3; round++) {
        char byte = 0;
        send_handles(&pair, handles, SILL_HANDLES_MAX, values);
        receive_all(&pair, false, &byte, 1);
        for (unsigned i = 0; i < SILL_HANDLES_MAX; i++) {
            sill_handle got = SILL_NO_HANDLE;
            support_ok(pair.ops->import_handle(pair.server, values[i], &got));
            object_check(objects[i], got);
        }
        if ((pair.ops->caps & SILL__CHANNEL_TAKEN) != 0)
            support_ok(pair.ops->taken(pair.client, SILL_HANDLES_MAX));
    }
    for (unsigned i = 0; i < SILL_HANDLES_MAX; i++)
        object_close(objects[i]);
    pair_close(&pair);
}

static void missing_handle_is_a_breach(void **state)
{
    struct pair pair;
    sill_handle got = SILL_NO_HANDLE;
    pair_open(&pair, *state);
    support_status(SILL_PROTOCOL, pair.ops->import_handle(pair.server, 0, &got));
    assert_int_equal(got, SILL_NO_HANDLE);
    pair_close(&pair);
}

/* Handles that nobody claimed, or that nobody received, go with the connection. */
static void unclaimed_handles_are_closed(void **state)
{
    const struct sill__channel_ops *ops = *state;
    unsigned before = 0;
    for (int round = 0; round < 4; round++) {
        struct pair pair;
        struct object object = object_make();
        uint64_t value;
        char byte;
        pair_open(&pair, ops);
        send_handles(&pair, &object.pass, 1, &value);
        if (round % 2 == 1)
            receive_all(&pair, false, &byte, 1);
        pair_close(&pair);
        object_close(object);
        if (round == 1)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

/* ---- the peer ---- */

/* A process that connects, sends six bytes and sits there; told "close", it closes in order. */
static int run_client(int argc, char **argv)
{
    const struct sill__channel_ops *ops = sill__channels[0];
    struct sill__place place;
    sill__conn *conn;
    char line[32];
    size_t sent = 0;
    (void)argc;
    place_make(&place, argv[0]);
    if (ops->connect(&conn, &place, sill__deadline(SUPPORT_PATIENCE_MS)) != SILL_OK)
        return 1;
    struct sill__bytes part = {"hello\n", 6};
    if (ops->send(conn, &part, 1, NULL, 0, &sent) != SILL_OK || sent != 6)
        return 2;
    support_say("sent");
    if (support_listen(line, sizeof line, SUPPORT_PATIENCE_MS) && strcmp(line, "close") == 0) {
        ops->close(conn);
        conn = NULL;
        support_say("closed");
    }
    support_linger();
    if (conn != NULL)
        ops->close(conn);
    return 0;
}

static struct support_process *client_start(struct pair *pair)
{
    const char *arguments[] = {pair->name, NULL};
    struct support_process *client = support_start("client", arguments, NULL);
    support_expect(client, "sent");
    return client;
}

static void peer_is_known(void **state)
{
    struct pair pair;
    sill_peer self;
    listen_open(&pair, *state);
    struct support_process *client = client_start(&pair);
    accept_client(&pair);
    const sill_peer *peer = pair.ops->peer(pair.server);
    assert_int_equal(peer->pid, support_pid(client));
    assert_int_not_equal(pair.ops->peer_alive(pair.server), 0);
    if (peer->exact)
        assert_int_equal(pair.ops->peer_alive(pair.server), 1);

    support_ok(pair.ops->connect(&pair.client, &pair.place, sill__deadline(SUPPORT_PATIENCE_MS)));
    self = *pair.ops->peer(pair.client);
    assert_int_not_equal(self.pid, peer->pid);
    assert_int_equal(self.uid, peer->uid);
    assert_int_equal(self.gid, peer->gid);
    assert_string_equal(self.sid, peer->sid);
    assert_int_not_equal(pair.ops->peer_alive(pair.client), 0);
    pair_close(&pair);
    assert_int_equal(support_finish(client), 0);
}

static void closing_ends_the_bytes(void **state)
{
    struct pair pair;
    int status;
    listen_open(&pair, *state);
    struct support_process *client = client_start(&pair);
    accept_client(&pair);
    support_tell(client, "close");
    support_expect(client, "closed");
    assert_int_equal(receive_rest(&pair, false, &status), 6);
    support_status(SILL_DIED, status);
    if (pair.ops->peer(pair.server)->exact) /* the process lives on */
        assert_int_equal(pair.ops->peer_alive(pair.server), 1);
    struct sill__bytes part = {"x", 1};
    size_t sent;
    support_status(SILL_DIED, pair.ops->send(pair.server, &part, 1, NULL, 0, &sent));
    pair_close(&pair);
    assert_int_equal(support_finish(client), 0);
}

static bool peer_is_gone(void *arg)
{
    struct pair *pair = arg;
    return pair->ops->peer_alive(pair->server) == 0;
}

static void killed_peer_is_told(void **state)
{
    struct pair pair;
    int status;
    listen_open(&pair, *state);
    struct support_process *client = client_start(&pair);
    accept_client(&pair);
    support_kill(client);
    assert_int_equal(receive_rest(&pair, false, &status), 6); /* what it sent comes first */
    support_status(SILL_DIED, status);
    if (pair.ops->peer(pair.server)->exact)
        assert_true(support_until(peer_is_gone, &pair, SUPPORT_PATIENCE_MS));
    pair_close(&pair);
    support_finish(client);
}

/* Bytes that were not read do not keep what came from being read. */
static void unread_bytes_lose_nothing(void **state)
{
    struct pair pair;
    int status;
    pair_open(&pair, *state);
    send_all(&pair, true, "from the client", 15);
    send_all(&pair, false, "never read", 10);
    pair.ops->close(pair.client);
    pair.client = NULL;
    assert_int_equal(receive_rest(&pair, false, &status), 15);
    support_status(SILL_DIED, status);
    pair_close(&pair);
}

/* 200 clients at once, from several threads, while the server accepts. */
enum { CROWD = 200, CROWD_THREADS = 4 };

struct crowd {
    struct pair *pair;
    sill__conn *conns[CROWD / CROWD_THREADS];
};

static int crowd_connect(void *arg)
{
    struct crowd *crowd = arg;
    int failed = 0;
    for (int i = 0; i < CROWD / CROWD_THREADS; i++)
        if (crowd->pair->ops->connect(&crowd->conns[i], &crowd->pair->place,
                                      sill__deadline(SUPPORT_PATIENCE_MS)) != SILL_OK)
            failed++;
    return failed;
}

static void crowd_of_clients(void **state)
{
    static sill__conn *accepted[CROWD];
    struct pair pair;
    struct crowd crowds[CROWD_THREADS];
    struct support_thread *threads[CROWD_THREADS];
    int failed = 0;
    listen_open(&pair, *state);
    memset(crowds, 0, sizeof crowds);
    for (int i = 0; i < CROWD_THREADS; i++) {
        crowds[i].pair = &pair;
        threads[i] = support_thread(crowd_connect, &crowds[i]);
    }
    for (int count = 0; count < CROWD;) {
        int status = pair.ops->accept(pair.listen, &accepted[count]);
        if (status == SILL_AGAIN) {
            assert_int_not_equal(wait_for_key(&pair, pair.listen, SUPPORT_PATIENCE_MS), 0);
            continue;
        }
        support_ok(status);
        count++;
    }
    for (int i = 0; i < CROWD_THREADS; i++)
        failed += support_join(threads[i]);
    assert_int_equal(failed, 0);
    for (int i = 0; i < CROWD_THREADS; i++)
        for (int k = 0; k < CROWD / CROWD_THREADS; k++)
            pair.ops->close(crowds[i].conns[k]);
    for (int i = 0; i < CROWD; i++)
        pair.ops->close(accepted[i]);
    pair_close(&pair);
}

static const struct support_role roles[] = {{"client", run_client}};

#define TEST(function) SUPPORT_TEST_WITH(#function, function, ops)

int main(int argc, char **argv)
{
    void *ops = (void *)(uintptr_t)sill__channels[0];
    const struct CMUnitTest tests[] = {
        TEST(nobody_listens),
        TEST(accept_says_again),
        TEST(clients_queue),
        TEST(name_is_free_after_unlisten),
        TEST(bytes_go_both_ways),
        TEST(parts_are_gathered),
        TEST(full_channel_says_again),
        TEST(room_is_told_behind_a_send),
        TEST(handles_are_passed),
        TEST(missing_handle_is_a_breach),
        TEST(unclaimed_handles_are_closed),
        TEST(peer_is_known),
        TEST(closing_ends_the_bytes),
        TEST(killed_peer_is_told),
        TEST(unread_bytes_lose_nothing),
        TEST(crowd_of_clients),
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], roles,
                        sizeof roles / sizeof roles[0]);
}
