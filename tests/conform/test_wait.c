/* test_wait.c - the contract of wait sets (wait.h), over every channel of the registry. */
#include "support.h"

#include "backends.h"
#include "clock.h"
#include "wait.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#endif

#define MANY 100 /* more than the 64 that some systems' waits take */

struct pair {
    const struct sill__channel_ops *ops;
    sill__conn *client, *server;
};

static struct sill__event events[2 * MANY];
static size_t event_count;

static void place_make(struct sill__place *place, char name[SUPPORT_NAME_SIZE])
{
    support_name(name, "wait");
    memset(place, 0, sizeof *place);
    place->name = name;
    place->directory = support_directory();
    snprintf(place->file, sizeof place->file, "t.%s", name);
}

/* `count` connections through one listener. */
static void connect_pairs(const struct sill__channel_ops *ops, struct pair *pairs, unsigned count)
{
    char name[SUPPORT_NAME_SIZE];
    struct sill__place place;
    struct sill__event event;
    sill__listen *listen;
    sill__wait *wait;
    size_t got;
    place_make(&place, name);
    support_ok(sill__wait_create(&wait));
    support_ok(ops->listen(&listen, &place));
    support_ok(ops->watch_listen(listen, wait, listen));
    for (unsigned i = 0; i < count; i++) {
        int status;
        pairs[i].ops = ops;
        support_ok(ops->connect(&pairs[i].client, &place, sill__deadline(SUPPORT_PATIENCE_MS)));
        while ((status = ops->accept(listen, &pairs[i].server)) == SILL_AGAIN)
            support_ok(sill__wait_for(wait, sill__deadline(SUPPORT_PATIENCE_MS), &event, 1, &got));
        support_ok(status);
    }
    ops->unwatch_listen(listen);
    ops->unlisten(listen, true);
    sill__wait_destroy(wait);
}

static void close_pair(struct pair *pair)
{
    pair->ops->close(pair->client);
    pair->ops->close(pair->server);
}

static int collect(sill__wait *wait, int timeout_ms)
{
    return sill__wait_for(wait, sill__deadline(timeout_ms), events,
                          sizeof events / sizeof events[0], &event_count);
}

/* Waits until `key` is reported with one of `wanted`. */
static bool reported(sill__wait *wait, const void *key, unsigned wanted, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    while (collect(wait, sill__timeout(deadline)) == SILL_OK)
        for (size_t i = 0; i < event_count; i++)
            if (events[i].key == key && (events[i].events & wanted) != 0)
                return true;
    return false;
}

/* Takes in whatever is reported at the start, such as "writable". */
static void settle(sill__wait *wait)
{
    while (collect(wait, 0) == SILL_OK)
        ;
}

static void send_byte(struct pair *pair)
{
    struct sill__bytes part = {"x", 1};
    size_t sent = 0;
    support_ok(pair->ops->send(pair->client, &part, 1, NULL, 0, &sent));
    assert_int_equal(sent, 1);
}

static void drain(struct pair *pair)
{
    char buffer[64];
    size_t got;
    int status;
    while ((status = pair->ops->recv(pair->server, buffer, sizeof buffer, &got)) == SILL_OK)
        ;
    support_status(SILL_AGAIN, status);
}

static void deadlines_are_kept(void **state)
{
    (void)state;
    sill__wait *wait;
    support_ok(sill__wait_create(&wait));
    support_status(SILL_TIMEOUT, collect(wait, 0));
    support_status(SILL_TIMEOUT, sill__wait_for(wait, 1, events, 1, &event_count));
    int64_t start = sill__now_ns();
    support_status(SILL_TIMEOUT, collect(wait, 30));
    assert_true(sill__now_ns() - start >= 30 * 1000000);
    sill__wait_destroy(wait);
}

static void wake_is_remembered_once(void **state)
{
    (void)state;
    sill__wait *wait;
    support_ok(sill__wait_create(&wait));
    sill__wait_wake(wait);
    support_ok(collect(wait, SUPPORT_PATIENCE_MS));
    assert_int_equal(event_count, 0);
    support_status(SILL_TIMEOUT, collect(wait, 0));
    sill__wait_wake(wait);
    sill__wait_wake(wait);
    support_ok(collect(wait, 0));
    support_status(SILL_TIMEOUT, collect(wait, 0));
    sill__wait_destroy(wait);
}

static int wake_later(void *arg)
{
    support_sleep_ms(20);
    sill__wait_wake(arg);
    return 0;
}

static void another_thread_wakes(void **state)
{
    (void)state;
    sill__wait *wait;
    support_ok(sill__wait_create(&wait));
    struct support_thread *thread = support_thread(wake_later, wait);
    support_ok(collect(wait, -1));
    assert_int_equal(event_count, 0);
    support_join(thread);
    sill__wait_destroy(wait);
}

#ifdef _WIN32
static void signal_handler_wakes(void **state)
{
    (void)state;
    support_skip("there are no signals on Windows");
}
#else
static sill__wait *to_wake;

static void on_signal(int number)
{
    (void)number;
    sill__wait_wake(to_wake);
}

static int signal_later(void *arg)
{
    support_sleep_ms(20);
    return pthread_kill(*(pthread_t *)arg, SIGUSR1);
}

static void signal_handler_wakes(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal}, old;
    pthread_t self = pthread_self();
    support_ok(sill__wait_create(&to_wake));
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
    struct support_thread *thread = support_thread(signal_later, &self);
    support_ok(collect(to_wake, -1));
    assert_int_equal(event_count, 0);
    assert_int_equal(support_join(thread), 0);
    sigaction(SIGUSR1, &old, NULL);
    sill__wait_destroy(to_wake);
}
#endif

static void edges_are_reported(void **state)
{
    struct pair pair;
    sill__wait *wait;
    connect_pairs(*state, &pair, 1);
    support_ok(sill__wait_create(&wait));
    support_ok(pair.ops->watch(pair.server, wait, &pair));
    drain(&pair);
    settle(wait);
    for (int i = 0; i < 20; i++) {
        send_byte(&pair);
        assert_true(reported(wait, &pair, SILL__READABLE, SUPPORT_PATIENCE_MS));
        drain(&pair);
    }
    pair.ops->close(pair.client);
    assert_true(reported(wait, &pair, SILL__READABLE, SUPPORT_PATIENCE_MS));
    pair.ops->close(pair.server);
    sill__wait_destroy(wait);
}

/* What was there before the watch is reported too. */
static void watch_finds_what_is_there(void **state)
{
    struct pair pair;
    sill__wait *wait;
    connect_pairs(*state, &pair, 1);
    support_ok(sill__wait_create(&wait));
    send_byte(&pair);
    support_ok(pair.ops->watch(pair.server, wait, &pair));
    assert_true(reported(wait, &pair, SILL__READABLE, SUPPORT_PATIENCE_MS));
    close_pair(&pair);
    sill__wait_destroy(wait);
}

static void unwatched_is_never_reported(void **state)
{
    struct pair pairs[2];
    sill__wait *wait;
    connect_pairs(*state, pairs, 2);
    const struct sill__channel_ops *ops = pairs[0].ops;
    support_ok(sill__wait_create(&wait));
    for (int i = 0; i < 20; i++) {
        support_ok(ops->watch(pairs[0].server, wait, &pairs[0]));
        drain(&pairs[0]);
        send_byte(&pairs[0]); /* its report is under way */
        ops->unwatch(pairs[0].server);
        support_ok(ops->watch(pairs[1].server, wait, &pairs[1])); /* in its place, maybe */
        while (collect(wait, 5) == SILL_OK)
            for (size_t k = 0; k < event_count; k++)
                assert_ptr_equal(events[k].key, &pairs[1]);
        ops->unwatch(pairs[1].server);
        drain(&pairs[0]);
    }
    ops->unwatch(pairs[0].server); /* twice is fine */
    close_pair(&pairs[0]);
    close_pair(&pairs[1]);
    sill__wait_destroy(wait);
}

static void many_are_reported(void **state)
{
    static struct pair pairs[MANY];
    static bool seen[MANY];
    sill__wait *wait;
    unsigned left = MANY;
    connect_pairs(*state, pairs, MANY);
    memset(seen, 0, sizeof seen);
    support_ok(sill__wait_create(&wait));
    for (unsigned i = 0; i < MANY; i++) {
        support_ok(pairs[i].ops->watch(pairs[i].server, wait, &pairs[i]));
        drain(&pairs[i]);
    }
    settle(wait);
    for (unsigned i = 0; i < MANY; i++)
        send_byte(&pairs[i]);
    while (left > 0) { /* a few at a time: what did not fit comes with the next call */
        support_ok(
            sill__wait_for(wait, sill__deadline(SUPPORT_PATIENCE_MS), events, 7, &event_count));
        assert_true(event_count <= 7);
        for (size_t i = 0; i < event_count; i++) {
            size_t index = (size_t)((struct pair *)events[i].key - pairs);
            if ((events[i].events & SILL__READABLE) == 0 || seen[index])
                continue;
            seen[index] = true;
            left--;
        }
    }
    for (unsigned i = 0; i < MANY; i++)
        close_pair(&pairs[i]);
    sill__wait_destroy(wait);
}

static bool ready(sill_handle handle)
{
#ifdef _WIN32
    return WaitForSingleObject((HANDLE)handle, 0) == WAIT_OBJECT_0;
#else
    struct pollfd look = {(int)handle, POLLIN, 0};
    return poll(&look, 1, 0) == 1;
#endif
}

static bool is_ready(void *arg)
{
    return ready(*(sill_handle *)arg);
}

static void pollable_tells_what_waits(void **state)
{
    struct pair pair;
    sill__wait *wait;
    sill_handle handle, again;
    connect_pairs(*state, &pair, 1);
    support_ok(sill__wait_create(&wait));
    sill__wait_pending(wait, true); /* before there is a handle */
    int status = sill__wait_pollable(wait, &handle);
    if (status == SILL_UNSUPPORTED) {
        sill__wait_destroy(wait);
        close_pair(&pair);
        support_skip("%s", sill_last_error()->message);
    }
    support_ok(status);
    support_ok(sill__wait_pollable(wait, &again));
    assert_int_equal(handle, again);
    assert_true(ready(handle));
    assert_true(ready(handle)); /* a level, not an edge */
    sill__wait_pending(wait, false);
    assert_false(ready(handle));

    support_ok(pair.ops->watch(pair.server, wait, &pair));
    drain(&pair);
    settle(wait);
    assert_false(ready(handle));
    send_byte(&pair);
    assert_true(support_until(is_ready, &handle, SUPPORT_PATIENCE_MS));
    assert_true(ready(handle));
    assert_true(reported(wait, &pair, SILL__READABLE, SUPPORT_PATIENCE_MS));
    sill__wait_pending(wait, true); /* taken from the wait set, not yet from the channel */
    assert_true(ready(handle));
    drain(&pair);
    settle(wait);
    sill__wait_pending(wait, false);
    assert_false(ready(handle));
    sill__wait_wake(wait);
    assert_true(support_until(is_ready, &handle, SUPPORT_PATIENCE_MS));
    support_ok(collect(wait, 0));
    assert_false(ready(handle));
    close_pair(&pair);
    sill__wait_destroy(wait);
}

static void nothing_is_left_open(void **state)
{
    const struct sill__channel_ops *ops = *state;
    unsigned before = 0;
    for (int round = 0; round < 4; round++) {
        struct pair pair;
        sill__wait *wait;
        sill_handle handle;
        connect_pairs(ops, &pair, 1);
        support_ok(sill__wait_create(&wait));
        support_ok(ops->watch(pair.server, wait, &pair));
        support_ok(ops->watch(pair.client, wait, &pair));
        (void)sill__wait_pollable(wait, &handle);
        send_byte(&pair);
        if (round % 2 == 0)
            ops->unwatch(pair.server); /* else close does it */
        close_pair(&pair);
        settle(wait);
        sill__wait_destroy(wait);
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

#define OVER_CHANNELS(function, ops) SUPPORT_TEST_WITH(#function, function, ops)

int main(int argc, char **argv)
{
    void *ops = (void *)(uintptr_t)sill__channels[0];
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(deadlines_are_kept),
        SUPPORT_TEST(wake_is_remembered_once),
        SUPPORT_TEST(another_thread_wakes),
        SUPPORT_TEST(signal_handler_wakes),
        OVER_CHANNELS(edges_are_reported, ops),
        OVER_CHANNELS(watch_finds_what_is_there, ops),
        OVER_CHANNELS(unwatched_is_never_reported, ops),
        OVER_CHANNELS(many_are_reported, ops),
        OVER_CHANNELS(pollable_tells_what_waits, ops),
        OVER_CHANNELS(nothing_is_left_open, ops),
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
