/* test_channel.c - public channels: frames, deadlines, canceling, event loops, handles. */
#include "channel_rig.h"

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
};
static const struct support_role roles[] = {
    {"echo", run_echo}, {"client", run_client}, {"server", run_server}};
SUPPORT_MAIN(tests, roles)
