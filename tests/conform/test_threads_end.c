/* test_threads_end.c - threads that end while what they began goes on: nothing that is read,
 * written or accepted later may depend on them.
 *
 * A system that runs operations in the name of the thread that issued them (Windows, and Wine more
 * so) has a moment in which they can get lost: while that thread is ending. Where it lies nobody
 * knows, so the other side acts after pauses of all lengths up to PAUSES steps. */
#include <stdatomic.h>

#include "backends.h"
#include "clock.h"
#include "port_rig.h"
#include "wait.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#endif

enum { ROUNDS = 400, PAUSES = 50, STEP_NS = 5000, BLOCK = 65536 };

/* One connection, each end in a wait set of its own, and the listener in a third. */
struct ends {
    char name[SUPPORT_NAME_SIZE];
    struct sill__place place;
    sill__wait *client_wait, *server_wait, *listen_wait;
    sill__listen *listen;
    sill__conn *client, *server;
};

static const struct sill__channel_ops *ops;

static bool reported(sill__wait *wait, const void *key)
{
    int64_t deadline = sill__deadline(SUPPORT_PATIENCE_MS / 3);
    struct sill__event event;
    size_t count;
    while (sill__wait_for(wait, deadline, &event, 1, &count) == SILL_OK)
        if (count == 1 && event.key == key)
            return true;
    return false;
}

static int accept_one(struct ends *pair, sill__conn **out)
{
    int status;
    while ((status = ops->accept(pair->listen, out)) == SILL_AGAIN)
        if (!reported(pair->listen_wait, pair->listen))
            return SILL_TIMEOUT;
    return status;
}

static void pair_listen(struct ends *pair)
{
    memset(pair, 0, sizeof *pair);
    support_name(pair->name, "end");
    pair->place.name = pair->name;
    pair->place.directory = support_directory();
    snprintf(pair->place.file, sizeof pair->place.file, "t.%s", pair->name);
    support_ok(sill__wait_create(&pair->listen_wait));
    support_ok(sill__wait_create(&pair->client_wait));
    support_ok(sill__wait_create(&pair->server_wait));
    support_ok(ops->listen(&pair->listen, &pair->place));
    support_ok(ops->watch_listen(pair->listen, pair->listen_wait, pair->listen));
}

static void pair_connect(struct ends *pair)
{
    support_ok(ops->connect(&pair->client, &pair->place, sill__deadline(SUPPORT_PATIENCE_MS)));
    support_ok(accept_one(pair, &pair->server));
    support_ok(ops->watch(pair->client, pair->client_wait, pair->client));
    support_ok(ops->watch(pair->server, pair->server_wait, pair->server));
}

static void pair_hang_up(struct ends *pair)
{
    ops->close(pair->client);
    ops->close(pair->server);
}

static void pair_end(struct ends *pair)
{
    ops->unlisten(pair->listen, true);
    sill__wait_destroy(pair->client_wait);
    sill__wait_destroy(pair->server_wait);
    sill__wait_destroy(pair->listen_wait);
}

/* Something that a thread does before it ends at once. */
struct last {
    struct ends *pair;
    int status;
    atomic_bool done;
};

/* Begins it in a thread, and returns when the thread is ending, some steps later. */
static struct support_thread *begin(int (*run)(void *), struct last *last, unsigned pause)
{
    atomic_store(&last->done, false);
    struct support_thread *thread = support_thread(run, last);
    while (!atomic_load(&last->done))
        ;
    int64_t until = sill__now_ns() + (int64_t)pause * STEP_NS;
    while (sill__now_ns() < until)
        ;
    return thread;
}

/* ---- reads ---- */

/* Reads until there is nothing: so whatever comes next is read by what this thread began. */
static int read_last(void *arg)
{
    struct last *last = arg;
    char bytes[64];
    size_t got;
    do
        last->status = ops->recv(last->pair->server, bytes, sizeof bytes, &got);
    while (last->status == SILL_OK);
    atomic_store(&last->done, true);
    return 0;
}

static void expect_word(struct ends *pair, const void *word)
{
    char bytes[4];
    for (size_t have = 0, got = 0; have < sizeof bytes; have += got) {
        got = 0;
        int status = ops->recv(pair->server, bytes + have, sizeof bytes - have, &got);
        if (status == SILL_AGAIN)
            assert_true(reported(pair->server_wait, pair->server));
        else
            support_ok(status);
    }
    assert_memory_equal(word, bytes, sizeof bytes);
}

static bool is_ready(void *handle)
{
#ifdef _WIN32
    return WaitForSingleObject(handle, 0) == WAIT_OBJECT_0;
#else
    struct pollfd look = {(int)(intptr_t)handle, POLLIN, 0};
    return poll(&look, 1, 0) == 1;
#endif
}

/* `handle`: for event loops, or none. It must be ready while there is something to read, whatever
 * made it be looked at in between. */
static void send_words(struct ends *pair, sill_handle handle)
{
    struct last last = {.pair = pair};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct sill__bytes part = {&round, sizeof round};
        size_t sent = 0;
        struct support_thread *thread = begin(read_last, &last, round % PAUSES);
        support_status(SILL_AGAIN, last.status);
        support_ok(ops->send(pair->client, &part, 1, NULL, 0, &sent));
        if (round % 2 == 0)
            support_join(thread);
        if (handle != SILL_NO_HANDLE) {
            sill__wait_pending(pair->server_wait, true);
            sill__wait_pending(pair->server_wait, false);
            assert_true(support_until(is_ready, (void *)(intptr_t)handle, SUPPORT_PATIENCE_MS / 3));
        }
        expect_word(pair, &round);
        if (round % 2 == 1)
            support_join(thread);
    }
}

static void bytes_come_as_their_reader_ends(void **state)
{
    struct ends pair;
    (void)state;
    pair_listen(&pair);
    pair_connect(&pair);
    send_words(&pair, SILL_NO_HANDLE);
    pair_hang_up(&pair);
    pair_end(&pair);
}

/* The same, with a handle for event loops. */
static void bytes_come_with_a_pollable(void **state)
{
    struct ends pair;
    sill_handle handle;
    (void)state;
    pair_listen(&pair);
    pair_connect(&pair);
    int status = sill__wait_pollable(pair.server_wait, &handle);
    if (status != SILL_UNSUPPORTED)
        send_words(&pair, SILL_NO_HANDLE);
    pair_hang_up(&pair);
    pair_end(&pair);
    if (status == SILL_UNSUPPORTED)
        support_skip("this system's wait sets have no handle for event loops");
}

/* The end of the stream comes instead of bytes; or nothing does and the channel is closed. */
static void streams_end_as_their_reader_ends(void **state)
{
    struct ends pair;
    struct last last = {.pair = &pair};
    (void)state;
    pair_listen(&pair);
    for (unsigned round = 0; round < ROUNDS / 4; round++) {
        char byte;
        size_t got;
        int status;
        pair_connect(&pair);
        struct support_thread *thread = begin(read_last, &last, round * 4 % PAUSES);
        support_status(SILL_AGAIN, last.status);
        if (round % 2 == 0) {
            ops->close(pair.client);
            while ((status = ops->recv(pair.server, &byte, 1, &got)) == SILL_AGAIN)
                assert_true(reported(pair.server_wait, pair.server));
            support_status(SILL_DIED, status);
            ops->close(pair.server);
        } else {
            ops->close(pair.server);
            ops->close(pair.client);
        }
        support_join(thread);
    }
    pair_end(&pair);
}

/* ---- writes ---- */

static size_t written;

/* Writes until the channel takes no more: what it took last may still be under way. */
static int write_last(void *arg)
{
    struct last *last = arg;
    static unsigned char block[BLOCK];
    size_t sent;
    do {
        sent = 0;
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = (unsigned char)((written + i) % 251);
        struct sill__bytes part = {block, BLOCK};
        last->status = ops->send(last->pair->client, &part, 1, NULL, 0, &sent);
        written += sent;
    } while (last->status == SILL_OK);
    atomic_store(&last->done, true);
    return 0;
}

static void writes_go_on_when_their_writer_ends(void **state)
{
    struct ends pair;
    struct last last = {.pair = &pair};
    (void)state;
    pair_listen(&pair);
    pair_connect(&pair);
    written = 0;
    for (size_t round = 0, all = 0; round < ROUNDS / 2; round++) {
        static unsigned char block[BLOCK];
        struct support_thread *thread = begin(write_last, &last, (unsigned)round * 2 % PAUSES);
        support_status(SILL_AGAIN, last.status);
        while (all < written) {
            size_t got = 0;
            int status = ops->recv(pair.server, block, BLOCK, &got);
            if (status == SILL_AGAIN)
                assert_true(reported(pair.server_wait, pair.server));
            else
                support_ok(status);
            for (size_t i = 0; i < got; i++, all++)
                if (block[i] != (unsigned char)(all % 251))
                    fail_msg("byte %zu is wrong", all);
        }
        assert_true(reported(pair.client_wait, pair.client));
        support_join(thread);
    }
    pair_hang_up(&pair);
    pair_end(&pair);
}

/* ---- clients ---- */

static int accept_last(void *arg)
{
    struct last *last = arg;
    last->status = accept_one(last->pair, &last->pair->server);
    atomic_store(&last->done, true);
    return 0;
}

static void come_and_go(struct ends *pair)
{
    support_ok(ops->connect(&pair->client, &pair->place, sill__deadline(SUPPORT_PATIENCE_MS)));
    ops->close(pair->client);
}

/* Where clients queue for a limited number of places, all are taken but the one that the ending
 * thread, as it accepted a client, offered to the next. */
static void clients_come_as_the_acceptor_ends(void **state)
{
    enum { QUEUE = 16 };
    struct ends pair;
    struct last last = {.pair = &pair};
    (void)state;
    pair_listen(&pair);
    for (unsigned i = 0; i < QUEUE; i++)
        come_and_go(&pair);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct support_thread *thread = begin(accept_last, &last, round % PAUSES);
        support_ok(last.status);
        ops->close(pair.server);
        come_and_go(&pair);
        support_join(thread);
    }
    for (unsigned i = 0; i < QUEUE; i++) {
        support_ok(accept_one(&pair, &pair.server));
        ops->close(pair.server);
    }
    pair_end(&pair);
}

/* ---- ports ---- */

static int call_last(void *arg)
{
    static atomic_uint calls;
    unsigned char bytes[3000];
    size_t size = calls++ % 3 == 0 ? sizeof bytes : 16;
    memset(bytes, 0x80 + (int)(size % 100), size);
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call(arg, bytes, size, &reply, SUPPORT_PATIENCE_MS / 3);
    bool failed = rc != 0 || reply.size != size || memcmp(bytes, reply.data, size) != 0;
    sill_release(&reply);
    return failed;
}

static void callers_of_one_port_end(void **state)
{
    enum { THREADS = 6 };
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    struct support_thread *threads[THREADS] = {NULL};
    unsigned failed = 0;
    for (unsigned i = 0; i < ROUNDS * 2; i++) {
        if (threads[i % THREADS] != NULL)
            failed += (unsigned)support_join(threads[i % THREADS]);
        threads[i % THREADS] = failed == 0 ? support_thread(call_last, port) : NULL;
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (threads[i] != NULL)
            failed += (unsigned)support_join(threads[i]);
    assert_int_equal(0, failed);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(ROUNDS * 2, rig.requests);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(bytes_come_as_their_reader_ends),
        SUPPORT_TEST(bytes_come_with_a_pollable),
        SUPPORT_TEST(streams_end_as_their_reader_ends),
        SUPPORT_TEST(writes_go_on_when_their_writer_ends),
        SUPPORT_TEST(clients_come_as_the_acceptor_ends),
        SUPPORT_TEST(callers_of_one_port_end),
    };
    ops = sill__channels[0];
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
