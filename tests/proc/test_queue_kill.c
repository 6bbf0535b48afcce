/* test_queue_kill.c - processes with a queue are stopped at each step and killed: nobody is left
 * waiting, the name is free again, nothing lies about that sill_clean does not find.
 */
#include "support.h"

#include <sill.h>

#ifdef SILL_STEPS

#include "../conform/queue_rig.h"
#include "stop_rig.h"

enum { LARGE = 500000 };

static sill_queue_options small_queue(int kind)
{
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    options.kind = kind;
    options.message_max = 100;
    options.depth = 1;
    options.rounds = 1;
    return options;
}

/* Skips the test where the system does not have the kind. */
static sill_queue_options options_for(void **state)
{
    return small_queue(queue_options(state).kind);
}

/* ---- helpers: NAME KIND ---- */

static int run_owner(int argc, char **argv)
{
    sill_queue_options options = small_queue(sill_channel_kind_parse(argv[1]));
    sill_queue *queue;
    char line[16];
    (void)argc;
    if (sill_queue_create(&queue, argv[0], &options) != SILL_OK)
        return 1;
    support_say("made");
    support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    sill_queue_close(queue);
    support_say("closed");
    support_linger();
    return 0;
}

static int use(char **argv, bool sends, size_t size)
{
    static char bytes[LARGE];
    sill_queue_options options = small_queue(sill_channel_kind_parse(argv[1]));
    sill_queue *queue;
    if (sill_queue_open(&queue, argv[0], &options) != SILL_OK)
        return 1;
    int status = sends ? sill_queue_send(queue, bytes, size, 1, SUPPORT_PATIENCE_MS)
                       : sill_queue_receive(queue, bytes, LARGE, &size, NULL, SUPPORT_PATIENCE_MS);
    support_say("%s", sill_status_name(status));
    support_linger();
    sill_queue_close(queue);
    return 0;
}

static int run_sender(int argc, char **argv)
{
    (void)argc;
    return use(argv, true, 100);
}

static int run_large_sender(int argc, char **argv)
{
    (void)argc;
    return use(argv, true, LARGE);
}

static int run_receiver(int argc, char **argv)
{
    (void)argc;
    return use(argv, false, 0);
}

/* ---- threads of the test ---- */

static int receive_one(void *arg)
{
    static char bytes[LARGE];
    size_t size;
    return sill_queue_receive(arg, bytes, sizeof bytes, &size, NULL, SUPPORT_PATIENCE_MS);
}

static int send_one(void *arg)
{
    static char bytes[100];
    return sill_queue_send(arg, bytes, sizeof bytes, 1, SUPPORT_PATIENCE_MS);
}

static int send_large(void *arg)
{
    static char bytes[LARGE];
    return sill_queue_send(arg, bytes, sizeof bytes, 1, SUPPORT_PATIENCE_MS);
}

/* ---- tests ---- */

static void killed_creator_frees_the_name(void **state)
{
    static const char *const steps[] = {"queue_claimed", "queue_object", "queue_made"};
    sill_queue_options options = options_for(state);
    for (size_t i = 0; i < 2 * sizeof steps / sizeof steps[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        struct stop stop;
        sill_queue *queue = NULL;
        support_name(name, "kill");
        struct support_process *process =
            start_to_stop(&stop, "owner", steps[i / 2], name, sill_channel_kind_name(options.kind));
        await_stop(&stop);
        support_status(SILL_EXISTS, sill_queue_create(&queue, name, &options));
        kill_when_stopped(&stop, process);
        support_status(SILL_NOT_FOUND, sill_queue_open(&queue, name, &options));
        if (i % 2 == 0) {
            support_ok(sill_clean(NULL, 0, NULL, NULL));
            assert_int_equal(support_entries(".lock"), 0);
        }
        support_ok(sill_queue_create(&queue, name, &options));
        support_ok(send_one(queue));
        support_ok(receive_one(queue));
        sill_queue_close(queue);
        support_finish(process);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void killed_while_it_closes(void **state)
{
    sill_queue_options options = options_for(state);
    char name[SUPPORT_NAME_SIZE];
    struct stop stop;
    sill_queue *queue;
    support_name(name, "kill");
    struct support_process *owner =
        start_to_stop(&stop, "owner", "queue_removed", name, sill_channel_kind_name(options.kind));
    support_expect(owner, "made");
    support_ok(sill_queue_open(&queue, name, &options));
    struct support_thread *receiver = support_thread(receive_one, queue);
    support_tell(owner, "close");
    support_status(SILL_CLOSED, support_join(receiver));
    kill_when_stopped(&stop, owner);
    sill_queue_close(queue);
    support_finish(owner);
    support_ok(sill_queue_create(&queue, name, &options));
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void killed_sender_leaves_no_receiver_waiting(void **state)
{
    sill_queue_options options = options_for(state);
    char name[SUPPORT_NAME_SIZE];
    struct stop stop;
    sill_queue *queue;
    support_name(name, "kill");
    support_ok(sill_queue_create(&queue, name, &options));
    struct support_thread *receiver = support_thread(receive_one, queue);
    struct support_process *sender =
        start_to_stop(&stop, "sender", "queue_put", name, sill_channel_kind_name(options.kind));
    if (options.kind != SILL_CHANNEL_QUEUE) { /* while it is stopped, too */
        await_stop(&stop);
        support_ok(support_join(receiver));
        kill_when_stopped(&stop, sender);
    } else { /* there it is stopped with the queue's lock */
        kill_when_stopped(&stop, sender);
        support_ok(support_join(receiver));
    }
    support_ok(send_one(queue));
    support_ok(receive_one(queue));
    support_finish(sender);
    sill_queue_close(queue);
}

static void killed_receiver_leaves_no_sender_waiting(void **state)
{
    sill_queue_options options = options_for(state);
    char name[SUPPORT_NAME_SIZE];
    struct stop stop;
    sill_queue *queue;
    support_name(name, "kill");
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(send_one(queue));
    struct support_thread *sender = support_thread(send_one, queue);
    struct support_process *receiver =
        start_to_stop(&stop, "receiver", "queue_taken", name, sill_channel_kind_name(options.kind));
    kill_when_stopped(&stop, receiver);
    support_ok(support_join(sender));
    support_ok(receive_one(queue));
    support_finish(receiver);
    sill_queue_close(queue);
}

static void killed_in_the_middle_of_rounds(void **state)
{
    sill_queue_options options = options_for(state);
    const char *kind = sill_channel_kind_name(options.kind);
    char name[SUPPORT_NAME_SIZE];
    struct stop stop;
    sill_queue *queue;
    support_name(name, "kill");
    support_ok(sill_queue_create(&queue, name, &options));
    struct support_thread *thread = support_thread(receive_one, queue);
    struct support_process *process =
        start_to_stop(&stop, "large_sender", "queue_round", name, kind);
    kill_when_stopped(&stop, process);
    support_finish(process);
    support_ok(send_one(queue)); /* is what the receiver gets instead */
    support_ok(support_join(thread));

    thread = support_thread(send_large, queue);
    process = start_to_stop(&stop, "receiver", "queue_fetched", name, kind);
    kill_when_stopped(&stop, process);
    support_status(SILL_DIED, support_join(thread));
    support_finish(process);
    sill_queue_close(queue);
    support_ok(sill_clean(NULL, 0, NULL, NULL)); /* of the killed sender's listener */
    assert_int_equal(support_entries(".lock"), 0);
}

static const struct CMUnitTest tests[] = {
    QUEUE_TEST(killed_creator_frees_the_name),
    QUEUE_TEST(killed_while_it_closes),
    QUEUE_TEST(killed_sender_leaves_no_receiver_waiting),
    QUEUE_TEST(killed_receiver_leaves_no_sender_waiting),
    QUEUE_TEST(killed_in_the_middle_of_rounds),
};
static const struct support_role roles[] = {{"owner", run_owner},
                                            {"sender", run_sender},
                                            {"large_sender", run_large_sender},
                                            {"receiver", run_receiver}};
SUPPORT_MAIN(tests, roles)

#else

static void needs_steps(void **state)
{
    (void)state;
    support_skip("this build has no steps to stop at (SILL_STEPS)");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(needs_steps)};
SUPPORT_MAIN_ALONE(tests)

#endif
