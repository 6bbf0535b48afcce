/* test_channel_memory.c - out of memory in queues, byte streams and child processes: each
 * allocation fails in turn. What fails says so, leaves nothing behind, and works the next time.
 */
#include "support.h"

#ifdef SILL_FAULTS
#include <sill.h>

#include "memory.h"

enum { LARGE = 200000 };

/* Plays a scenario with the nth allocation failing, until none fails any more. It returns a status:
 * 0, or NO_MEMORY, or what that makes of the other side. */
static void until_none_fails(int (*play)(int kind), int kind)
{
    unsigned handles = 0;
    for (long nth = 0; nth < 2000; nth++) {
        sill__fault_allocation(nth);
        int status = play(kind);
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
        assert_int_equal(support_entries(".lock"), 0);
        if (nth == 0)
            handles = support_handles();
        assert_int_equal(support_handles(), handles);
        if (nth == 0 || !happened) {
            if (status != SILL_OK)
                fail_msg("at %ld: %s", nth, sill_status_name(status));
        } else
            assert_true(status == SILL_OK || status == SILL_NO_MEMORY || status == SILL_DIED);
        if (nth > 0 && !happened)
            return;
    }
    fail_msg("the failures do not end");
}

struct sending {
    sill_queue *from, *to;
};

/* A sender that fails ends the receiver's wait, and the other way round. */
static int send_large(void *arg)
{
    static char large[LARGE];
    struct sending *sending = arg;
    int status = sill_queue_send(sending->from, large, sizeof large, 1, SUPPORT_PATIENCE_MS);
    if (status != SILL_OK)
        sill_queue_cancel(sending->to);
    return status;
}

static int play_queue(int kind)
{
    static char buffer[LARGE];
    char name[SUPPORT_NAME_SIZE];
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    sill_queue *queue, *user = NULL;
    size_t size;
    options.kind = kind;
    options.rounds = 1;
    support_name(name, "memory");
    int status = sill_queue_create(&queue, name, &options);
    if (status != SILL_OK)
        return status;
    status = sill_queue_open(&user, name, &options);
    if (status == SILL_OK)
        status = sill_queue_send(user, "x", 1, 1, 1000);
    if (status == SILL_OK)
        status = sill_queue_receive(queue, buffer, sizeof buffer, &size, NULL, 1000);
    if (status == SILL_OK) {
        struct sending sending = {user, queue};
        struct support_thread *sender = support_thread(send_large, &sending);
        status = sill_queue_receive(queue, buffer, sizeof buffer, &size, NULL, SUPPORT_PATIENCE_MS);
        if (status == SILL_OK)
            assert_int_equal(size, LARGE);
        else
            sill_queue_cancel(user);
        int sent = support_join(sender);
        if (status == SILL_CANCELED || status == SILL_OK)
            status = sent;
    }
    sill_queue_close(user);
    sill_queue_close(queue);
    return status;
}

static int play_pipe(int kind)
{
    char name[SUPPORT_NAME_SIZE], byte;
    sill_pipe *reader, *writer = NULL;
    size_t size;
    (void)kind;
    support_name(name, "memory");
    int status = sill_pipe_create(&reader, name, SILL_PIPE_READ, NULL);
    if (status != SILL_OK)
        return status;
    status = sill_pipe_open(&writer, name, SILL_PIPE_WRITE, NULL);
    if (status == SILL_OK)
        status = sill_pipe_write(writer, "x", 1, NULL, 1000);
    if (status == SILL_OK)
        status = sill_pipe_read(reader, &byte, 1, &size, 1000);
    sill_pipe_close(writer);
    if (status == SILL_OK) {
        status = sill_pipe_read(reader, &byte, 1, &size, 5000);
        if (status == SILL_CLOSED)
            status = SILL_OK;
    }
    sill_pipe_close(reader);
    return status;
}

static int run_leave(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static int play_children(int kind)
{
    const char *const leaves[] = {support_self(), "--role", "leave", NULL};
    const char *const *commands[] = {leaves, leaves};
    const char *const more[] = {"SILL_TEST_A=1", NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *children[2];
    (void)kind;
    options.in.how = options.out.how = SILL_CHILD_PIPE;
    options.environment = more;
    options.folder = support_directory();
    int status = sill_child_pipeline(children, commands, 2, &options);
    if (status != SILL_OK)
        return status;
    for (int i = 0; i < 2; i++) {
        support_ok(sill_child_wait(children[i], NULL, SUPPORT_PATIENCE_MS));
        sill_child_close(children[i]);
    }
    sill_pipe_close(options.in.pipe);
    sill_pipe_close(options.out.pipe);
    return SILL_OK;
}

static void queues(void **state)
{
    (void)state;
    for (int kind = SILL_CHANNEL_MQUEUE; kind <= SILL_CHANNEL_QUEUE; kind++) {
        sill_channel_traits traits = {.struct_size = sizeof traits};
        support_ok(sill_channel_get_traits(kind, &traits));
        if (traits.available)
            until_none_fails(play_queue, kind);
    }
}

static void byte_streams(void **state)
{
    (void)state;
    until_none_fails(play_pipe, SILL_CHANNEL_FIFO);
}

static void child_processes(void **state)
{
    (void)state;
    until_none_fails(play_children, SILL_CHANNEL_PIPE);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(queues),
    SUPPORT_TEST(byte_streams),
    SUPPORT_TEST(child_processes),
};
static const struct support_role roles[] = {{"leave", run_leave}};
SUPPORT_MAIN(tests, roles)

#else

static void without_faults(void **state)
{
    (void)state;
    support_skip("this build cannot order failures (SILL_FAULTS)");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(without_faults)};
SUPPORT_MAIN_ALONE(tests)
#endif
