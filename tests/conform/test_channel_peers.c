/* test_channel_peers.c - public channels: how a peer ends, names, who the server is, peers that break
 * the rules, many peers at once, and want of memory.
 */
#include "channel_rig.h"

/* ---- the end ---- */

static void close_is_told_from_death(void **state)
{
    (void)state;
    struct pair pair;
    for (int killed = 0; killed < 2; killed++) {
        listen_open(&pair, NULL);
        struct support_process *client = start("client", pair.name);
        accept_client(&pair);
        support_expect(client, "sent");
        if (killed) {
            support_kill(client);
        } else {
            support_tell(client, "close");
            support_expect(client, "closed");
        }
        int wanted = killed ? SILL_DIED : SILL_CLOSED;
        expect_text(pair.server, "a"); /* what was sent before comes first */
        expect_text(pair.server, "b");
        expect_text(pair.server, "c");
        support_status(wanted, next_status(pair.server, SUPPORT_PATIENCE_MS));
        support_status(wanted, next_status(pair.server, 0));
        support_status(wanted, sill_channel_send(pair.server, "x", 1, NULL, 0, 0));
        support_finish(client);
        pair_close(&pair);
    }
}

/* A send finds out how the peer went, and what the peer sent before is not lost. */
static void send_tells_the_end_too(void **state)
{
    (void)state;
    struct pair pair;
    for (int killed = 0; killed < 2; killed++) {
        listen_open(&pair, NULL);
        struct support_process *client = start("client", pair.name);
        accept_client(&pair);
        support_expect(client, "sent");
        if (killed) {
            support_kill(client);
        } else {
            support_tell(client, "close");
            support_expect(client, "closed");
        }
        int wanted = killed ? SILL_DIED : SILL_CLOSED;
        int status;
        while ((status = sill_channel_send(pair.server, "x", 1, NULL, 0, 1000)) == SILL_OK)
            ;
        support_status(wanted, status);
        expect_text(pair.server, "a");
        expect_text(pair.server, "b");
        expect_text(pair.server, "c");
        support_status(wanted, next_status(pair.server, SUPPORT_PATIENCE_MS));
        support_finish(client);
        pair_close(&pair);
    }
}

static int kill_later(void *arg)
{
    support_sleep_ms(30);
    support_kill(arg);
    return 0;
}

/* The death ends calls that wait at that moment. */
static void death_ends_waiting_calls(void **state)
{
    static char block[MIB];
    (void)state;
    struct pair pair;
    for (int sends = 0; sends < 2; sends++) {
        int status;
        listen_open(&pair, NULL);
        struct support_process *client = start("client", pair.name);
        accept_client(&pair);
        support_expect(client, "sent");
        for (int i = 0; i < 3 && !sends; i++)
            support_ok(next_status(pair.server, SUPPORT_PATIENCE_MS));
        struct support_thread *killer = support_thread(kill_later, client);
        if (sends)
            while ((status = sill_channel_send(pair.server, block, MIB, NULL, 0, -1)) == SILL_OK)
                ;
        else
            status = next_status(pair.server, -1);
        support_join(killer);
        support_status(SILL_DIED, status);
        support_finish(client);
        pair_close(&pair);
    }
}

/* ---- names ---- */

static void bad_names_are_refused(void **state)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n", "../x", NULL};
    (void)state;
    sill_listener *listener = NULL;
    sill_channel *channel = NULL;
    char longest[202];
    memset(longest, 'n', sizeof longest);
    longest[201] = '\0';
    for (int i = 0; bad[i] != NULL; i++) {
        support_status(SILL_INVALID, sill_channel_listen(&listener, bad[i], NULL));
        support_status(SILL_INVALID, sill_channel_connect(&channel, bad[i], NULL, 0));
    }
    support_status(SILL_INVALID, sill_channel_listen(&listener, NULL, NULL));
    support_status(SILL_INVALID, sill_channel_listen(NULL, "x", NULL));
    support_status(SILL_INVALID, sill_channel_connect(&channel, NULL, NULL, 0));
    support_status(SILL_INVALID, sill_channel_listen(&listener, longest, NULL));
    assert_true(listener == NULL && channel == NULL);

    longest[200] = '\0';
    support_ok(sill_channel_listen(&listener, longest, NULL));
    support_ok(sill_channel_connect(&channel, longest, NULL, SUPPORT_PATIENCE_MS));
    sill_channel_close(channel);
    sill_listener_close(listener);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    sill_listener *listener = NULL;
    options.struct_size = 4;
    support_status(SILL_INVALID, sill_channel_listen(&listener, "x", &options));
    options = (sill_channel_options)SILL_CHANNEL_OPTIONS_INIT;
    options.access = 7;
    support_status(SILL_INVALID, sill_channel_listen(&listener, "x", &options));
    options.access = 0;
    options.frame_max = (size_t)INT32_MAX + 1;
    support_status(SILL_INVALID, sill_channel_listen(&listener, "x", &options));
    options.frame_max = 0;
    options.directory = "/there/is/no/such/directory";
    assert_int_not_equal(sill_channel_listen(&listener, "x", &options), SILL_OK);
    assert_null(listener);
}

static void one_name_has_one_listener(void **state)
{
    (void)state;
    struct pair pair;
    sill_listener *second = NULL;
    sill_channel *channel = NULL;
    listen_open(&pair, NULL);
    support_status(SILL_EXISTS, sill_channel_listen(&second, pair.name, NULL));
    assert_null(second);
    sill_listener_close(pair.listener);
    support_status(SILL_NOT_FOUND, sill_channel_connect(&channel, pair.name, NULL, 1000));
    support_ok(sill_channel_listen(&pair.listener, pair.name, NULL));
    sill_listener_close(pair.listener);
}

/* A killed listener leaves its socket and record; the next one takes the name over at once. */
static void killed_listener_is_replaced(void **state)
{
    (void)state;
    struct pair pair = {.client = NULL};
    sill_listener *second = NULL;
    support_name(pair.name, "ch");
    struct support_process *server = start("server", pair.name);
    support_expect(server, "listening");
    support_status(SILL_EXISTS, sill_channel_listen(&second, pair.name, NULL));
    support_kill(server);
    support_status(SILL_NOT_FOUND, sill_channel_connect(&pair.client, pair.name, NULL, 1000));
    support_ok(sill_channel_listen(&pair.listener, pair.name, NULL));
    support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
    accept_client(&pair);
    send_text(pair.client, "here");
    expect_text(pair.server, "here");
    pair_close(&pair);
    support_finish(server);
}

/* ---- who is there ---- */

static void peers_are_known(void **state)
{
    (void)state;
    struct pair pair;
    sill_peer here, there;
    listen_open(&pair, NULL);
    struct support_process *client = start("client", pair.name);
    accept_client(&pair);
    support_ok(sill_channel_peer(pair.server, &there));
    assert_int_equal(there.pid, support_pid(client));
    support_expect(client, "sent");
    support_tell_end(client);
    assert_int_equal(support_finish(client), 0);
    support_ok(sill_channel_peer(pair.server, &here)); /* still, after its end */
    assert_int_equal(here.pid, there.pid);

    support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
    support_ok(sill_channel_peer(pair.client, &here));
    assert_int_not_equal(here.pid, there.pid);
    assert_int_equal(here.uid, there.uid);
    assert_string_equal(here.sid, there.sid);
    support_status(SILL_INVALID, sill_channel_peer(NULL, &here));
    support_status(SILL_INVALID, sill_channel_peer(pair.client, NULL));
    pair_close(&pair);
}

static void expected_server_is_checked(void **state)
{
    (void)state;
    struct pair pair;
    sill_peer self;
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    pair_open(&pair);
    support_ok(sill_channel_peer(pair.client, &self));
    bool by_sid = self.sid[0] != '\0';
    for (int right = 1; right >= 0; right--) {
        sill_channel *channel = NULL;
        if (by_sid) {
            options.server_sid = right ? self.sid : "S-1-5-21-1-2-3-4";
        } else {
            options.server_uid_set = 1;
            options.server_uid = right ? (int64_t)self.uid : (int64_t)self.uid + 1;
        }
        int status = sill_channel_connect(&channel, pair.name, &options, SUPPORT_PATIENCE_MS);
        support_status(right ? SILL_OK : SILL_DENIED, status);
        options.any_server = 1; /* changes nothing about what was asked for */
        sill_channel_close(channel);
    }
    pair_close(&pair);
}

/* ---- broken peers ---- */

/* A connection without a channel's manners. */
static sill__conn *raw_connect(const char *name)
{
    struct sill__place place = {.name = name, .directory = support_directory()};
    sill__conn *conn = NULL;
    sill__owner_file_name(SILL__OWNER_SERVER, name, place.file);
    support_ok(sill__channels[0]->connect(&conn, &place, sill__deadline(SUPPORT_PATIENCE_MS)));
    return conn;
}

static void raw_send(sill__conn *conn, const void *data, size_t size)
{
    struct sill__bytes part = {data, size};
    size_t sent = 0;
    support_ok(conn->ops->send(conn, &part, 1, NULL, 0, &sent));
    assert_int_equal(sent, size);
}

static void raw_close(sill__conn *conn)
{
    conn->ops->close(conn);
}

static void garbage_ends_the_channel(void **state)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\nHost: nobody\r\nAccept: everything\r\n\r\n",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    (void)state;
    struct pair good;
    pair_open(&good);
    for (int i = 0; i < 2; i++) {
        sill_channel *channel;
        sill__conn *raw = raw_connect(good.name);
        support_ok(sill_channel_accept(good.listener, &channel, SUPPORT_PATIENCE_MS));
        raw_send(raw, garbage[i], strlen(garbage[i]));
        support_status(SILL_PROTOCOL, next_status(channel, SUPPORT_PATIENCE_MS));
        assert_true(sill_last_error()->message[0] != '\0');
        support_status(SILL_PROTOCOL, next_status(channel, 0));
        sill_channel_close(channel);
        raw_close(raw);
    }
    send_text(good.client, "unharmed");
    expect_text(good.server, "unharmed");
    pair_close(&good);
}

static void half_a_frame_is_no_frame(void **state)
{
    (void)state;
    struct pair pair;
    unsigned char frame[32 + 40 + 1] = {40, 0, 0, 0, 1}; /* size 40, type DATA */
    const uint32_t size = 40;
    memcpy(frame, &size, sizeof size);
    frame[sizeof frame - 1] = 1;
    for (size_t half = 1; half < sizeof frame; half += 18) {
        listen_open(&pair, NULL);
        sill__conn *raw = raw_connect(pair.name);
        accept_client(&pair);
        raw_send(raw, frame, sizeof frame);
        raw_send(raw, frame, half);
        support_ok(next_status(pair.server, SUPPORT_PATIENCE_MS));
        support_status(SILL_TIMEOUT, next_status(pair.server, 10));
        support_status(SILL_AGAIN, next_status(pair.server, 0));
        if (half % 2 == 0) { /* the rest comes after all */
            raw_send(raw, frame + half, sizeof frame - half);
            support_ok(next_status(pair.server, SUPPORT_PATIENCE_MS));
        }
        raw_close(raw);
        support_status(SILL_DIED, next_status(pair.server, SUPPORT_PATIENCE_MS));
        pair_close(&pair);
    }
}

/* ---- crowds, and want of memory ---- */

enum { CROWD = 200, CROWD_THREADS = 4 };

struct crowd {
    const char *name;
    sill_channel *channels[CROWD / CROWD_THREADS];
};

static int crowd_connect(void *arg)
{
    struct crowd *crowd = arg;
    int failed = 0;
    for (int i = 0; i < CROWD / CROWD_THREADS; i++)
        if (sill_channel_connect(&crowd->channels[i], crowd->name, NULL, SUPPORT_PATIENCE_MS) !=
                SILL_OK ||
            sill_channel_send(crowd->channels[i], "hi", 2, NULL, 0, SUPPORT_PATIENCE_MS) != SILL_OK)
            failed++;
    return failed;
}

static void crowd_of_clients(void **state)
{
    static sill_channel *accepted[CROWD];
    (void)state;
    struct pair pair;
    struct crowd crowds[CROWD_THREADS];
    struct support_thread *threads[CROWD_THREADS];
    int failed = 0;
    listen_open(&pair, NULL);
    memset(crowds, 0, sizeof crowds);
    for (int i = 0; i < CROWD_THREADS; i++) {
        crowds[i].name = pair.name;
        threads[i] = support_thread(crowd_connect, &crowds[i]);
    }
    for (int i = 0; i < CROWD; i++)
        support_ok(sill_channel_accept(pair.listener, &accepted[i], SUPPORT_PATIENCE_MS));
    for (int i = 0; i < CROWD_THREADS; i++)
        failed += support_join(threads[i]);
    assert_int_equal(failed, 0);
    for (int i = 0; i < CROWD; i++) {
        expect_text(accepted[i], "hi");
        sill_channel_close(accepted[i]);
    }
    for (int i = 0; i < CROWD_THREADS; i++)
        for (int k = 0; k < CROWD / CROWD_THREADS; k++)
            sill_channel_close(crowds[i].channels[k]);
    pair_close(&pair);
}

#ifdef SILL_FAULTS
/* One whole conversation; the first failure ends it. */
static int converse(const char *name)
{
    sill_listener *listener = NULL;
    sill_channel *client = NULL, *server = NULL;
    char buffer[16];
    size_t size;
    int status = sill_channel_listen(&listener, name, NULL);
    if (status == SILL_OK)
        status = sill_channel_connect(&client, name, NULL, SUPPORT_PATIENCE_MS);
    if (status == SILL_OK)
        status = sill_channel_accept(listener, &server, SUPPORT_PATIENCE_MS);
    if (status == SILL_OK)
        status = sill_channel_send(client, "hello", 5, NULL, 0, SUPPORT_PATIENCE_MS);
    if (status == SILL_OK)
        status = sill_channel_receive(server, buffer, sizeof buffer, &size, NULL, NULL,
                                      SUPPORT_PATIENCE_MS);
    sill_channel_close(client);
    sill_channel_close(server);
    sill_listener_close(listener);
    return status;
}

static void want_of_memory_leaves_nothing(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "ch");
    support_ok(converse(name));
    unsigned handles = support_handles(), entries = support_entries(NULL);
    long nth = 1;
    for (;; nth++) {
        sill__fault_allocation(nth);
        int status = converse(name);
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        if (!happened) {
            support_ok(status);
            break;
        }
        if (status != SILL_OK) /* a failure that only costs the orderly close is no failure */
            support_status(SILL_NO_MEMORY, status);
        assert_int_equal(support_handles(), handles);
        assert_int_equal(support_entries(NULL), entries);
    }
    assert_true(nth > 5);
}
#else
static void want_of_memory_leaves_nothing(void **state)
{
    (void)state;
    support_skip("this build orders no failures (SILL_FAULTS)");
}
#endif

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(close_is_told_from_death),
    SUPPORT_TEST(send_tells_the_end_too),
    SUPPORT_TEST(death_ends_waiting_calls),
    SUPPORT_TEST(bad_names_are_refused),
    SUPPORT_TEST(bad_options_are_refused),
    SUPPORT_TEST(one_name_has_one_listener),
    SUPPORT_TEST(killed_listener_is_replaced),
    SUPPORT_TEST(peers_are_known),
    SUPPORT_TEST(expected_server_is_checked),
    SUPPORT_TEST(garbage_ends_the_channel),
    SUPPORT_TEST(half_a_frame_is_no_frame),
    SUPPORT_TEST(crowd_of_clients),
    SUPPORT_TEST(want_of_memory_leaves_nothing),
};
static const struct support_role roles[] = {
    {"echo", run_echo}, {"client", run_client}, {"server", run_server}};
SUPPORT_MAIN(tests, roles)
