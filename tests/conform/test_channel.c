/* test_channel.c - public channels: frames, deadlines, handles, ends, names, who the server is. */
#include "support.h"

#include <sill/channel.h>

#include "backends.h"
#include "clock.h"
#include "memory.h"
#include "object.h"

#ifndef _WIN32
#include <poll.h>
#endif

enum { MIB = 1024 * 1024 };

struct pair {
    char name[SUPPORT_NAME_SIZE];
    sill_listener *listener;
    sill_channel *client, *server;
};

static void listen_open(struct pair *pair, const sill_channel_options *options)
{
    memset(pair, 0, sizeof *pair);
    support_name(pair->name, "ch");
    support_ok(sill_channel_listen(&pair->listener, pair->name, options));
}

static void accept_client(struct pair *pair)
{
    support_ok(sill_channel_accept(pair->listener, &pair->server, SUPPORT_PATIENCE_MS));
}

static void pair_open(struct pair *pair)
{
    listen_open(pair, NULL);
    support_ok(sill_channel_connect(&pair->client, pair->name, NULL, SUPPORT_PATIENCE_MS));
    accept_client(pair);
}

static void pair_close(struct pair *pair)
{
    sill_channel_close(pair->client);
    sill_channel_close(pair->server);
    sill_listener_close(pair->listener);
}

static void send_text(sill_channel *channel, const char *text)
{
    support_ok(sill_channel_send(channel, text, strlen(text), NULL, 0, SUPPORT_PATIENCE_MS));
}

static void expect_text(sill_channel *channel, const char *text)
{
    char buffer[256];
    size_t size = 0;
    support_ok(sill_channel_receive(channel, buffer, sizeof buffer, &size, NULL, NULL,
                                    SUPPORT_PATIENCE_MS));
    assert_int_equal(size, strlen(text));
    assert_memory_equal(buffer, text, size);
}

/* What the next receive says instead of giving a frame. */
static int next_status(sill_channel *channel, int timeout_ms)
{
    char buffer[64];
    size_t size;
    return sill_channel_receive(channel, buffer, sizeof buffer, &size, NULL, NULL, timeout_ms);
}

static void fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((i * 7 + seed) ^ (i >> 8));
}

/* ---- helper processes ---- */

/* Connects and sends every frame back until the end. */
static int run_echo(int argc, char **argv)
{
    sill_channel *channel;
    static unsigned char buffer[MIB];
    size_t size;
    (void)argc;
    int status = sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS);
    if (status != SILL_OK)
        return 1;
    while ((status = sill_channel_receive(channel, buffer, MIB, &size, NULL, NULL, -1)) == SILL_OK)
        if (sill_channel_send(channel, buffer, size, NULL, 0, -1) != SILL_OK)
            return 2;
    sill_channel_close(channel);
    support_say("%s", sill_status_name(status));
    return 0;
}

/* Connects, sends three frames; told "close" it closes. */
static int run_client(int argc, char **argv)
{
    sill_channel *channel;
    char line[32];
    (void)argc;
    if (sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS) != SILL_OK)
        return 1;
    for (int i = 0; i < 3; i++)
        if (sill_channel_send(channel, &"abc"[i], 1, NULL, 0, SUPPORT_PATIENCE_MS) != SILL_OK)
            return 2;
    support_say("sent");
    if (support_listen(line, sizeof line, SUPPORT_PATIENCE_MS) && strcmp(line, "close") == 0) {
        sill_channel_close(channel);
        channel = NULL;
        support_say("closed");
        support_linger();
    }
    sill_channel_close(channel);
    return 0;
}

/* Listens and sits there. */
static int run_server(int argc, char **argv)
{
    sill_listener *listener;
    (void)argc;
    if (sill_channel_listen(&listener, argv[0], NULL) != SILL_OK)
        return 1;
    support_say("listening");
    support_linger();
    sill_listener_close(listener);
    return 0;
}

static struct support_process *start(const char *role, const char *name)
{
    const char *arguments[] = {name, NULL};
    return support_start(role, arguments, NULL);
}

/* ---- frames ---- */

static void frames_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = {0,     1,      2,      31,     32,      33,      100,
                                   4095,  4096,   16383,  16384,  16385,   65535,   65536,
                                   65537, 131072, 262143, 524288, 3 << 18, MIB - 1, MIB};
    (void)state;
    struct pair pair;
    unsigned char *out = malloc(MIB), *in = malloc(MIB);
    assert_true(out != NULL && in != NULL);
    listen_open(&pair, NULL);
    struct support_process *echo = start("echo", pair.name);
    accept_client(&pair);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = 1;
        fill(out, sizes[i], i);
        support_ok(sill_channel_send(pair.server, sizes[i] > 0 ? out : NULL, sizes[i], NULL, 0,
                                     SUPPORT_PATIENCE_MS));
        support_ok(
            sill_channel_receive(pair.server, in, MIB, &size, NULL, NULL, SUPPORT_PATIENCE_MS));
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(in, out, size);
    }
    sill_channel_close(pair.server);
    pair.server = NULL;
    support_expect(echo, "SILL_CLOSED");
    assert_int_equal(support_finish(echo), 0);
    pair_close(&pair);
    free(out);
    free(in);
}

enum { MANY = 3000 };

static int send_many(void *arg)
{
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t words[64];
        for (unsigned k = 0; k < 64; k++)
            words[k] = i;
        if (sill_channel_send(arg, words, 4 + 4 * (i % 64), NULL, 0, SUPPORT_PATIENCE_MS) != 0)
            return 1;
    }
    return 0;
}

static int receive_many(void *arg)
{
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t words[64];
        size_t size;
        if (sill_channel_receive(arg, words, sizeof words, &size, NULL, NULL,
                                 SUPPORT_PATIENCE_MS) != 0)
            return 1;
        if (size != 4 + 4 * (i % 64) || words[0] != i || words[i % 64] != i)
            return 2;
    }
    return 0;
}

/* Both ends send and receive at once, each with two threads. */
static void frames_keep_their_order(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair);
    struct support_thread *threads[] = {
        support_thread(send_many, pair.client), support_thread(receive_many, pair.client),
        support_thread(send_many, pair.server), support_thread(receive_many, pair.server)};
    for (int i = 0; i < 4; i++)
        assert_int_equal(support_join(threads[i]), 0);
    pair_close(&pair);
}

static void too_big_keeps_the_frame(void **state)
{
    (void)state;
    struct pair pair;
    char buffer[16];
    size_t size = 0;
    pair_open(&pair);
    send_text(pair.client, "ten bytes.");
    send_text(pair.client, "next");
    for (int i = 0; i < 2; i++) {
        support_status(SILL_TOO_BIG, sill_channel_receive(pair.server, buffer, 9, &size, NULL, NULL,
                                                          SUPPORT_PATIENCE_MS));
        assert_int_equal(size, 10);
    }
    support_status(SILL_TOO_BIG, sill_channel_receive(pair.server, NULL, 0, &size, NULL, NULL, 0));
    expect_text(pair.server, "ten bytes.");
    expect_text(pair.server, "next");
    pair_close(&pair);
}

static void frame_max_is_kept(void **state)
{
    (void)state;
    struct pair pair;
    sill_channel_options small = SILL_CHANNEL_OPTIONS_INIT;
    small.frame_max = 10;
    listen_open(&pair, &small);
    support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
    accept_client(&pair);
    support_status(SILL_TOO_BIG, sill_channel_send(pair.server, "eleven byte", 11, NULL, 0, 0));
    send_text(pair.server, "ten bytes.");
    expect_text(pair.client, "ten bytes.");
    send_text(pair.client, "before");
    send_text(pair.client, "eleven byte");
    expect_text(pair.server, "before");
    support_status(SILL_PROTOCOL, next_status(pair.server, SUPPORT_PATIENCE_MS));
    support_status(SILL_PROTOCOL, next_status(pair.server, 0));
    support_status(SILL_PROTOCOL, sill_channel_send(pair.server, "x", 1, NULL, 0, 0));
    support_status(SILL_DIED, next_status(pair.client, SUPPORT_PATIENCE_MS));
    pair_close(&pair);
}

/* ---- time ---- */

static void deadlines_are_kept(void **state)
{
    (void)state;
    struct pair pair;
    sill_channel *none = NULL;
    pair_open(&pair);
    support_status(SILL_AGAIN, next_status(pair.server, 0));
    support_status(SILL_AGAIN, sill_channel_accept(pair.listener, &none, 0));
    int64_t start = sill__now_ns();
    support_status(SILL_TIMEOUT, next_status(pair.server, 30));
    support_status(SILL_TIMEOUT, sill_channel_accept(pair.listener, &none, 30));
    assert_true(sill__now_ns() - start >= 60 * 1000000);
    assert_null(none);
    pair_close(&pair);
}

/* What timed out, even in the middle of a frame, never arrives; the channel stays good. */
static void send_that_times_out_is_not_delivered(void **state)
{
    (void)state;
    struct pair pair;
    unsigned char *data = malloc(MIB), *in = malloc(MIB);
    unsigned sent = 0, received = 0;
    int status;
    assert_true(data != NULL && in != NULL);
    pair_open(&pair);
    fill(data, MIB, 5);
    while ((status = sill_channel_send(pair.client, data, 100000 + sent, NULL, 0,
                                       sent % 2 == 0 ? 0 : 10)) == SILL_OK)
        assert_true(++sent < 1000);
    support_status(SILL_TIMEOUT, status);
    support_status(SILL_TIMEOUT, sill_channel_send(pair.client, data, 7, NULL, 0, 0));
    for (; received < sent; received++) {
        size_t size = 0;
        support_ok(
            sill_channel_receive(pair.server, in, MIB, &size, NULL, NULL, SUPPORT_PATIENCE_MS));
        assert_int_equal(size, 100000 + received);
        assert_memory_equal(in, data, size);
    }
    support_status(SILL_AGAIN, next_status(pair.server, 0));
    send_text(pair.client, "still good");
    expect_text(pair.server, "still good");
    support_status(SILL_AGAIN, next_status(pair.server, 0));
    pair_close(&pair);
    free(data);
    free(in);
}

static int cancel_later(void *arg)
{
    support_sleep_ms(20);
    sill_channel_cancel(arg);
    return 0;
}

static int cancel_listener_later(void *arg)
{
    support_sleep_ms(20);
    sill_listener_cancel(arg);
    return 0;
}

static int send_good(void *arg)
{
    return sill_channel_send(arg, "still good", 10, NULL, 0, SUPPORT_PATIENCE_MS);
}

static void waiting_calls_are_canceled(void **state)
{
    static char block[MIB];
    (void)state;
    struct pair pair;
    sill_channel *none = NULL;
    int status;
    pair_open(&pair);
    struct support_thread *thread = support_thread(cancel_later, pair.server);
    support_status(SILL_CANCELED, next_status(pair.server, -1));
    support_join(thread);
    thread = support_thread(cancel_listener_later, pair.listener);
    support_status(SILL_CANCELED, sill_channel_accept(pair.listener, &none, -1));
    support_join(thread);
    thread = support_thread(cancel_later, pair.client);
    while ((status = sill_channel_send(pair.client, block, MIB, NULL, 0, -1)) == SILL_OK)
        ;
    support_status(SILL_CANCELED, status);
    support_join(thread);

    sill_channel_cancel(pair.server); /* none waits: the next one that would */
    while ((status = sill_channel_receive(pair.server, block, MIB, &(size_t){0}, NULL, NULL,
                                          SUPPORT_PATIENCE_MS)) == SILL_OK)
        ;
    support_status(SILL_CANCELED, status);
    support_status(SILL_AGAIN, next_status(pair.server, 0));
    /* The rest of the frame that was taken back still has to go, so somebody must receive. */
    thread = support_thread(send_good, pair.client);
    expect_text(pair.server, "still good");
    assert_int_equal(support_join(thread), SILL_OK);
    pair_close(&pair);
}

static bool ready(void *arg)
{
    sill_handle handle = *(sill_handle *)arg;
#ifdef _WIN32
    return WaitForSingleObject((HANDLE)handle, 0) == WAIT_OBJECT_0;
#else
    struct pollfd look = {(int)handle, POLLIN, 0};
    return poll(&look, 1, 0) == 1;
#endif
}

static void pollable_follows_receive(void **state)
{
    (void)state;
    struct pair pair;
    sill_handle handle;
    pair_open(&pair);
    int status = sill_channel_pollable(pair.server, &handle);
    if (status == SILL_UNSUPPORTED) {
        pair_close(&pair);
        support_skip("%s", sill_last_error()->message);
    }
    support_ok(status);
    for (int i = 0; i < 3; i++) {
        support_status(SILL_AGAIN, next_status(pair.server, 0));
        assert_false(ready(&handle));
        send_text(pair.client, "one");
        send_text(pair.client, "two");
        assert_true(support_until(ready, &handle, SUPPORT_PATIENCE_MS));
        expect_text(pair.server, "one");
        assert_true(support_until(ready, &handle, SUPPORT_PATIENCE_MS));
        expect_text(pair.server, "two");
    }
    support_status(SILL_AGAIN, next_status(pair.server, 0));
    assert_false(ready(&handle));
    sill_channel_close(pair.client);
    pair.client = NULL;
    assert_true(support_until(ready, &handle, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, next_status(pair.server, 0));
    assert_true(ready(&handle));
    pair_close(&pair);
}

/* ---- handles ---- */

static void handles_come_with_their_frame(void **state)
{
    (void)state;
    struct pair pair;
    struct object objects[SILL_HANDLES_MAX];
    sill_handle handles[SILL_HANDLES_MAX + 1], got[SILL_HANDLES_MAX];
    char buffer[16];
    size_t size;
    unsigned count;
    pair_open(&pair);
    for (unsigned i = 0; i < SILL_HANDLES_MAX; i++) {
        objects[i] = object_make();
        handles[i] = objects[i].pass;
    }
    handles[SILL_HANDLES_MAX] = handles[0];
    support_status(SILL_INVALID, sill_channel_send(pair.client, "x", 1, handles,
                                                   SILL_HANDLES_MAX + 1, SUPPORT_PATIENCE_MS));
    unsigned before = 0;
    for (unsigned round = 0; round < 3; round++) {
        send_text(pair.client, "plain");
        support_ok(sill_channel_send(pair.client, "all", 3, handles, SILL_HANDLES_MAX,
                                     SUPPORT_PATIENCE_MS));
        support_ok(sill_channel_send(pair.client, "", 0, handles, 3, SUPPORT_PATIENCE_MS));
        support_ok(sill_channel_send(pair.client, "none", 4, handles, 2, SUPPORT_PATIENCE_MS));
        count = 5;
        support_ok(sill_channel_receive(pair.server, buffer, sizeof buffer, &size, got, &count,
                                        SUPPORT_PATIENCE_MS));
        assert_int_equal(count, 0);
        count = SILL_HANDLES_MAX; /* a frame that stays keeps its handles */
        support_status(SILL_TOO_BIG, sill_channel_receive(pair.server, buffer, 2, &size, got,
                                                          &count, SUPPORT_PATIENCE_MS));
        count = SILL_HANDLES_MAX;
        support_ok(sill_channel_receive(pair.server, buffer, sizeof buffer, &size, got, &count,
                                        SUPPORT_PATIENCE_MS));
        assert_int_equal(count, SILL_HANDLES_MAX);
        for (unsigned i = 0; i < count; i++)
            object_check(objects[i], got[i]);
        count = 1; /* room for one of three */
        support_ok(sill_channel_receive(pair.server, buffer, sizeof buffer, &size, got, &count,
                                        SUPPORT_PATIENCE_MS));
        assert_int_equal(count, 3);
        object_check(objects[0], got[0]);
        expect_text(pair.server, "none"); /* no room at all */
        send_text(pair.server, "taken");  /* what it says of the handles comes before this */
        expect_text(pair.client, "taken");
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
    for (unsigned i = 0; i < SILL_HANDLES_MAX; i++)
        object_close(objects[i]);
    pair_close(&pair);
}

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
    SUPPORT_TEST(frames_of_every_size_come_back),
    SUPPORT_TEST(frames_keep_their_order),
    SUPPORT_TEST(too_big_keeps_the_frame),
    SUPPORT_TEST(frame_max_is_kept),
    SUPPORT_TEST(deadlines_are_kept),
    SUPPORT_TEST(send_that_times_out_is_not_delivered),
    SUPPORT_TEST(waiting_calls_are_canceled),
    SUPPORT_TEST(pollable_follows_receive),
    SUPPORT_TEST(handles_come_with_their_frame),
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
