/* test_queue.c - what every kind of queue does: order, limits, ends, large messages. */
#include "queue_rig.h"

enum { LARGE = 300000 };

/* ---- helpers ---- */

/* KIND NAME [messages]: sends them, each as PRIORITY:TEXT, and says when they lie there. */
static int run_sender(int argc, char **argv)
{
    sill_queue_options options = queue_helper_options(argv);
    sill_queue *queue;
    if (sill_queue_open(&queue, argv[1], &options) != SILL_OK)
        return 1;
    for (char *next = argc > 2 ? strtok(argv[2], ",") : NULL; next != NULL;
         next = strtok(NULL, ",")) {
        char *text = strchr(next, ':') + 1;
        int status =
            sill_queue_send(queue, text, strlen(text), (unsigned)atoi(next), SUPPORT_PATIENCE_MS);
        if (status != SILL_OK)
            support_say("%s: %s", sill_status_name(status), sill_last_error()->message);
    }
    support_say("sent");
    support_linger();
    sill_queue_close(queue);
    return 0;
}

/* KIND NAME: receives until the end and says what came. */
static int run_receiver(int argc, char **argv)
{
    sill_queue_options options = queue_helper_options(argv);
    static char buffer[LARGE];
    sill_queue *queue;
    size_t size;
    unsigned priority;
    int status;
    (void)argc;
    if (sill_queue_open(&queue, argv[1], &options) != SILL_OK)
        return 1;
    support_say("open");
    while ((status = sill_queue_receive(queue, buffer, sizeof buffer, &size, &priority,
                                        SUPPORT_PATIENCE_MS)) == SILL_OK)
        support_say("%u:%.*s", priority, size < 100 ? (int)size : 3, buffer);
    support_say("%s", sill_status_name(status));
    sill_queue_close(queue);
    return 0;
}

/* KIND NAME: owns the queue until it is told to close it. */
static int run_owner(int argc, char **argv)
{
    sill_queue_options options = queue_helper_options(argv);
    sill_queue *queue;
    char line[16];
    (void)argc;
    options.depth = 1;
    options.message_max = 64;
    if (sill_queue_create(&queue, argv[1], &options) != SILL_OK)
        return 1;
    support_say("made");
    support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    sill_queue_close(queue);
    support_say("closed");
    support_linger();
    return 0;
}

/* ---- order ---- */

static void highest_first_then_arrival(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "order");
    support_ok(sill_queue_create(&queue, name, &options));
    queue_send_text(queue, "a", 0);
    queue_send_text(queue, "b", 5);
    queue_send_text(queue, "c", 31);
    queue_send_text(queue, "d", 5);
    queue_send_text(queue, "", 0);
    queue_send_text(queue, "f", 31);
    queue_expect(queue, "c", 31);
    queue_expect(queue, "f", 31);
    queue_expect(queue, "b", 5);
    queue_send_text(queue, "late", 6);
    queue_expect(queue, "late", 6);
    queue_expect(queue, "d", 5);
    queue_expect(queue, "a", 0);
    queue_expect(queue, "", 0);
    queue_expect_status(SILL_AGAIN, queue, 0);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void order_across_processes(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "order");
    support_ok(sill_queue_create(&queue, name, &options));
    struct support_process *one =
        queue_helper("sender", &options, name, "1:one,30:two,0:three,30:four");
    support_expect(one, "sent");
    struct support_process *two = queue_helper("sender", &options, name, "30:five,1:six,31:seven");
    support_expect(two, "sent");
    queue_expect(queue, "seven", 31);
    queue_expect(queue, "two", 30);
    queue_expect(queue, "four", 30);
    queue_expect(queue, "five", 30);
    queue_expect(queue, "one", 1);
    queue_expect(queue, "six", 1);
    queue_expect(queue, "three", 0);
    queue_expect_status(SILL_AGAIN, queue, 0);
    support_finish(one);
    support_finish(two);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void waiting_receiver_gets_it(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "wait");
    support_ok(sill_queue_create(&queue, name, &options));
    struct support_process *receiver = queue_helper("receiver", &options, name, NULL);
    support_expect(receiver, "open");
    for (int i = 0; i < 50; i++) {
        char text[16], line[20];
        snprintf(text, sizeof text, "m%d", i);
        snprintf(line, sizeof line, "%d:%s", i % 32, text);
        queue_send_text(queue, text, (unsigned)(i % 32));
        support_expect(receiver, line);
    }
    sill_queue_close(queue);
    support_expect(receiver, "SILL_CLOSED");
    support_finish(receiver);
}

/* ---- sizes and limits ---- */

static void full_queue_waits_for_room(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    char text[100];
    sill_queue *queue, *other;
    sill_queue_limits limits = {.struct_size = sizeof limits};
    unsigned sent = 0;
    support_name(name, "full");
    options.depth = 4;
    options.message_max = sizeof text;
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(sill_queue_open(&other, name, &options));
    support_ok(sill_queue_get_limits(other, &limits));
    assert_int_equal(limits.kind, options.kind);
    assert_int_equal(limits.message_max, sizeof text);
    assert_true(limits.depth >= 4);
    memset(text, 'x', sizeof text);
    while (sill_queue_send(other, text, sizeof text, 1, 0) == SILL_OK)
        sent++;
    assert_int_equal(sent, limits.depth);
    support_status(SILL_AGAIN, sill_queue_send(other, text, sizeof text, 1, 0));
    support_status(SILL_TIMEOUT, sill_queue_send(other, text, sizeof text, 1, 10));
    support_ok(sill_queue_get_limits(queue, &limits));
    assert_int_equal(limits.messages, sent);
    struct support_process *sender = queue_helper("sender", &options, name, "0:last");
    for (unsigned i = 0; i < sent; i++) {
        size_t size;
        support_ok(sill_queue_receive(queue, text, sizeof text, &size, NULL, SUPPORT_PATIENCE_MS));
        assert_int_equal(size, sizeof text);
    }
    queue_expect(queue, "last", 0);
    support_expect(sender, "sent");
    support_finish(sender);
    sill_queue_close(other);
    sill_queue_close(queue);
}

static void sizes_are_checked(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    char text[64] = "0123456789";
    sill_queue *queue;
    size_t size = 0;
    unsigned priority = 0;
    support_name(name, "sizes");
    options.message_max = 32;
    support_ok(sill_queue_create(&queue, name, &options));
    support_status(SILL_TOO_BIG, sill_queue_send(queue, text, 33, 1, 0));
    support_ok(sill_queue_send(queue, text, 32, 1, 0));
    support_ok(sill_queue_send(queue, "next", 4, 0, 0));
    support_status(SILL_TOO_BIG, sill_queue_receive(queue, text, 31, &size, &priority, 0));
    assert_int_equal(size, 32);
    support_ok(sill_queue_receive(queue, text, 32, &size, &priority, 0));
    assert_memory_equal(text, "0123456789\0\0", 12);
    assert_int_equal(priority, 1);
    queue_expect(queue, "next", 0);
    support_status(SILL_INVALID, sill_queue_send(queue, text, 1, 32, 0));
    support_status(SILL_INVALID, sill_queue_send(queue, NULL, 1, 0, 0));
    support_status(SILL_INVALID, sill_queue_receive(queue, NULL, 1, &size, NULL, 0));
    support_status(SILL_INVALID, sill_queue_receive(queue, text, 1, NULL, NULL, 0));
    sill_queue_close(queue);
}

/* Also the smallest messages find a queue that others can open. */
static void small_messages(void **state)
{
    sill_queue_options options = queue_options(state);
    for (size_t most = 1; most <= 16; most += 5) {
        char name[SUPPORT_NAME_SIZE];
        sill_queue *queue, *second;
        support_name(name, "small");
        options.message_max = most;
        support_ok(sill_queue_create(&queue, name, &options));
        support_ok(sill_queue_open(&second, name, &options));
        support_status(SILL_TOO_BIG, sill_queue_send(second, "0123456789abcdefg", most + 1, 1, 0));
        support_ok(sill_queue_send(second, "0123456789abcdefg", most, 1, 0));
        char text[17] = "";
        size_t size = 0;
        support_ok(sill_queue_receive(queue, text, sizeof text, &size, NULL, 0));
        assert_int_equal(size, most);
        assert_memory_equal(text, "0123456789abcdefg", most);
        sill_queue_close(second);
        sill_queue_close(queue);
    }
}

static void beyond_the_systems_limits(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue = NULL;
    support_name(name, "limits");
    options.message_max = INT32_MAX - 100;
    options.depth = UINT32_MAX / 2;
    int status = sill_queue_create(&queue, name, &options);
    if (status != SILL_NO_SPACE)
        support_status(SILL_LIMIT, status);
    assert_true(strlen(sill_last_error()->message) > 20);
    assert_null(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void names_and_options(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue = NULL, *second = NULL;
    support_name(name, "names");
    support_status(SILL_NOT_FOUND, sill_queue_open(&queue, name, &options));
    support_status(SILL_INVALID, sill_queue_create(&queue, "a/b", &options));
    support_status(SILL_INVALID, sill_queue_create(&queue, "", &options));
    support_status(SILL_INVALID, sill_queue_create(NULL, name, &options));
    support_ok(sill_queue_create(&queue, name, &options));
    support_status(SILL_EXISTS, sill_queue_create(&second, name, &options));
    options.kind = SILL_CHANNEL_FIFO;
    support_status(SILL_INVALID, sill_queue_create(&second, name, &options));
    options.struct_size = 1;
    support_status(SILL_INVALID, sill_queue_create(&second, name, &options));
    sill_queue_close(queue);
    sill_queue_close(NULL);
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- ends ---- */

static int receive_one(void *arg)
{
    char text[64];
    size_t size;
    return sill_queue_receive(arg, text, sizeof text, &size, NULL, SUPPORT_PATIENCE_MS);
}

static int send_one(void *arg)
{
    return sill_queue_send(arg, "0123456789", 10, 0, SUPPORT_PATIENCE_MS);
}

static void cancel_ends_waits(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "cancel");
    options.depth = 1;
    options.message_max = 40;
    support_ok(sill_queue_create(&queue, name, &options));
    for (int i = 0; i < 50; i++) {
        struct support_thread *thread = support_thread(receive_one, queue);
        sill_queue_cancel(queue);
        support_status(SILL_CANCELED, support_join(thread));
    }
    while (sill_queue_send(queue, "0123456789", 10, 0, 0) == SILL_OK)
        ;
    struct support_thread *thread = support_thread(send_one, queue);
    sill_queue_cancel(queue);
    support_status(SILL_CANCELED, support_join(thread));
    queue_expect(queue, "0123456789", 0);
    sill_queue_close(queue);
}

static void owners_close_is_told(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *in, *out;
    support_name(name, "close");
    struct support_process *owner = queue_helper("owner", &options, name, NULL);
    support_expect(owner, "made");
    support_ok(sill_queue_open(&in, name, &options));
    support_ok(sill_queue_open(&out, name, &options));
    struct support_thread *receiver = support_thread(receive_one, in);
    support_tell(owner, "close");
    support_expect(owner, "closed");
    support_status(SILL_CLOSED, support_join(receiver));
    support_status(SILL_CLOSED, sill_queue_send(out, "x", 1, 0, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, send_one(in));
    support_finish(owner);
    sill_queue_close(in);
    sill_queue_close(out);
    support_status(SILL_NOT_FOUND, sill_queue_open(&in, name, &options));
    assert_int_equal(support_entries(".lock"), 0);
}

static void owners_death_is_told(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *in, *out;
    support_name(name, "death");
    struct support_process *owner = queue_helper("owner", &options, name, NULL);
    support_expect(owner, "made");
    support_ok(sill_queue_open(&in, name, &options));
    support_ok(sill_queue_open(&out, name, &options));
    while (sill_queue_send(out, "0123456789", 10, 0, 0) == SILL_OK)
        ;
    struct support_thread *sender = support_thread(send_one, out);
    support_kill(owner);
    support_status(SILL_DIED, support_join(sender));
    /* What lies there can still be received. */
    queue_expect(in, "0123456789", 0);
    while (receive_one(in) == SILL_OK)
        ;
    support_status(SILL_DIED, receive_one(in));
    support_status(SILL_NOT_FOUND, sill_queue_open(&(sill_queue *){NULL}, name, &options));
    support_finish(owner);
    sill_queue_close(in);
    sill_queue_close(out);
    /* The next owner finds the name free and nothing of the old one. */
    support_ok(sill_queue_create(&in, name, &options));
    queue_expect_status(SILL_AGAIN, in, 0);
    sill_queue_close(in);
    assert_int_equal(support_entries(".lock"), 0);
}

static void waiting_receiver_learns_of_death(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *in;
    support_name(name, "death");
    struct support_process *owner = queue_helper("owner", &options, name, NULL);
    support_expect(owner, "made");
    support_ok(sill_queue_open(&in, name, &options));
    struct support_thread *receiver = support_thread(receive_one, in);
    support_kill(owner);
    support_status(SILL_DIED, support_join(receiver));
    support_finish(owner);
    sill_queue_close(in);
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    assert_int_equal(support_entries(".lock"), 0);
}

static void owner_is_told_when_alone(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "alone");
    options.until_alone = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    queue_expect_status(SILL_AGAIN, queue, 0); /* nobody was there yet */
    struct support_process *one = queue_helper("sender", &options, name, "1:one");
    struct support_process *two = queue_helper("sender", &options, name, "2:two");
    support_expect(one, "sent");
    support_expect(two, "sent");
    support_finish(one);
    queue_expect(queue, "two", 2);
    queue_expect(queue, "one", 1);
    queue_expect_status(SILL_AGAIN, queue, 0);
    struct support_thread *receiver = support_thread(receive_one, queue);
    support_finish(two);
    support_status(SILL_CLOSED, support_join(receiver));
    struct support_process *three = queue_helper("sender", &options, name, "3:three");
    support_expect(three, "sent");
    queue_expect(queue, "three", 3);
    queue_expect_status(SILL_AGAIN, queue, 0);
    receiver = support_thread(receive_one, queue);
    support_kill(three);
    support_status(SILL_DIED, support_join(receiver));
    support_finish(three);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- large messages ---- */

static int send_large(void *arg)
{
    static char large[LARGE];
    memset(large, 'L', sizeof large);
    return sill_queue_send(arg, large, sizeof large, 7, SUPPORT_PATIENCE_MS);
}

static void large_message_in_rounds(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "rounds");
    options.rounds = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    struct support_process *receiver = queue_helper("receiver", &options, name, NULL);
    support_expect(receiver, "open");
    support_ok(send_large(queue));
    support_expect(receiver, "7:LLL");
    queue_send_text(queue, "small", 3);
    support_expect(receiver, "3:small");
    sill_queue_close(queue);
    support_finish(receiver);
    assert_int_equal(support_entries(".lock"), 0);
}

static void large_message_keeps_its_place(void **state)
{
    sill_queue_options options = queue_options(state);
    static char buffer[LARGE];
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue, *out;
    size_t size;
    unsigned priority;
    support_name(name, "rounds");
    options.rounds = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(sill_queue_open(&out, name, &options));
    queue_send_text(queue, "low", 0);
    struct support_thread *sender = support_thread(send_large, out);
    sill_queue_limits limits = {.struct_size = sizeof limits};
    while (limits.messages < 2)
        support_ok(sill_queue_get_limits(queue, &limits));
    queue_send_text(queue, "high", 9);
    queue_expect(queue, "high", 9);
    support_status(SILL_TOO_BIG,
                   sill_queue_receive(queue, buffer, 100, &size, &priority, SUPPORT_PATIENCE_MS));
    assert_int_equal(size, LARGE);
    support_ok(support_join(sender));
    support_ok(sill_queue_receive(queue, buffer, sizeof buffer, &size, &priority, 0));
    assert_int_equal(size, LARGE);
    assert_int_equal(priority, 7);
    for (size_t i = 0; i < LARGE; i++)
        assert_int_equal(buffer[i], 'L');
    queue_expect(queue, "low", 0);
    sill_queue_close(out);
    sill_queue_close(queue);
}

static void large_message_that_nobody_fetches(void **state)
{
    sill_queue_options options = queue_options(state);
    static char large[LARGE];
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_name(name, "rounds");
    options.rounds = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    support_status(SILL_TIMEOUT, sill_queue_send(queue, large, sizeof large, 31, 10));
    queue_send_text(queue, "small", 0);
    queue_expect(queue, "small", 0); /* what was taken back is not seen */
    queue_expect_status(SILL_AGAIN, queue, 0);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void large_message_is_refused(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue, *out;
    support_name(name, "rounds");
    options.rounds = 1;
    options.receive_max = LARGE - 1;
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(sill_queue_open(&out, name, &options));
    struct support_thread *sender = support_thread(send_large, out);
    queue_expect_status(SILL_PROTOCOL, queue, SUPPORT_PATIENCE_MS);
    support_status(SILL_TOO_BIG, support_join(sender));
    queue_send_text(out, "goes on", 0);
    queue_expect(queue, "goes on", 0);
    sill_queue_close(out);
    sill_queue_close(queue);
}

/* ---- together ---- */

static void each_message_to_one_receiver(void **state)
{
    enum { COUNT = 200, SENDERS = 3 };
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    struct support_process *receivers[2];
    sill_queue *queue;
    bool seen[COUNT] = {false};
    support_name(name, "shared");
    options.depth = 3;
    options.message_max = 40;
    support_ok(sill_queue_create(&queue, name, &options));
    for (int i = 0; i < 2; i++) {
        receivers[i] = queue_helper("receiver", &options, name, NULL);
        support_expect(receivers[i], "open");
    }
    for (int i = 0; i < COUNT; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        queue_send_text(queue, text, (unsigned)i % 32);
    }
    sill_queue_limits limits = {.struct_size = sizeof limits, .messages = 1};
    while (limits.messages > 0)
        support_ok(sill_queue_get_limits(queue, &limits));
    sill_queue_close(queue);
    for (int i = 0; i < 2; i++) {
        char line[64];
        while (support_hear(receivers[i], line, sizeof line, SUPPORT_PATIENCE_MS) &&
               strcmp(line, "SILL_CLOSED") != 0) {
            int number = atoi(strchr(line, ':') + 1);
            assert_in_range(number, 0, COUNT - 1);
            assert_false(seen[number]);
            seen[number] = true;
        }
        support_finish(receivers[i]);
    }
    for (int i = 0; i < COUNT; i++)
        assert_true(seen[i]);
}

static int note_object(void *arg, const sill_object *object)
{
    char *text = arg;
    snprintf(text + strlen(text), 200 - strlen(text), "%s %s %s %d;", object->type, object->kind,
             object->name, object->state);
    return 0;
}

static void listed_and_cleaned(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    char text[200] = "", wanted[200];
    support_name(name, "clean");
    struct support_process *owner = queue_helper("owner", &options, name, NULL);
    support_expect(owner, "made");
    support_ok(sill_list(NULL, note_object, text));
    snprintf(wanted, sizeof wanted, "queue %s %s %d;", sill_channel_kind_name(options.kind), name,
             SILL_OBJECT_LIVING);
    assert_string_equal(text, wanted);
    text[0] = '\0';
    support_ok(sill_clean(NULL, 0, note_object, text));
    assert_string_equal(text, "");
    support_kill(owner);
    support_ok(sill_clean(NULL, 0, note_object, text));
    snprintf(wanted, sizeof wanted, "queue %s %s %d;", sill_channel_kind_name(options.kind), name,
             SILL_OBJECT_STALE);
    assert_string_equal(text, wanted);
    assert_int_equal(support_entries(".lock"), 0);
    support_finish(owner);
}

static void nothing_is_left_open(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    unsigned before = 0;
    support_name(name, "handles");
    for (int i = 0; i < 4; i++) {
        sill_queue *queue, *other;
        support_ok(sill_queue_create(&queue, name, &options));
        support_ok(sill_queue_open(&other, name, &options));
        queue_send_text(other, "x", 1);
        queue_expect(queue, "x", 1);
        support_status(SILL_EXISTS, sill_queue_create(&(sill_queue *){NULL}, name, &options));
        sill_queue_close(other);
        sill_queue_close(queue);
        support_status(SILL_NOT_FOUND, sill_queue_open(&other, name, &options));
        if (i == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

static void traits_tell(void **state)
{
    sill_queue_options options = queue_options(state);
    sill_channel_traits traits = {.struct_size = sizeof traits};
    sill_handle handle;
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    support_ok(sill_channel_get_traits(options.kind, &traits));
    assert_int_equal(traits.boundaries, 1);
    assert_int_equal(traits.priorities, SILL_PRIORITY_MAX + 1);
    assert_int_equal(traits.handles, 0);
    assert_int_equal(traits.identity, 0);
    assert_true(traits.message_max > 0 && traits.depth > 0);
    support_name(name, "traits");
    support_ok(sill_queue_create(&queue, name, &options));
    sill_queue_limits limits = {.struct_size = sizeof limits};
    support_ok(sill_queue_get_limits(queue, &limits));
    assert_int_equal(limits.message_max, traits.message_max);
    assert_int_equal(limits.depth, traits.depth);
    support_status(traits.pollable ? SILL_OK : SILL_UNSUPPORTED,
                   sill_queue_pollable(queue, &handle));
    sill_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    QUEUE_TEST(highest_first_then_arrival),
    QUEUE_TEST(order_across_processes),
    QUEUE_TEST(waiting_receiver_gets_it),
    QUEUE_TEST(full_queue_waits_for_room),
    QUEUE_TEST(sizes_are_checked),
    QUEUE_TEST(small_messages),
    QUEUE_TEST(beyond_the_systems_limits),
    QUEUE_TEST(names_and_options),
    QUEUE_TEST(cancel_ends_waits),
    QUEUE_TEST(owners_close_is_told),
    QUEUE_TEST(owners_death_is_told),
    QUEUE_TEST(waiting_receiver_learns_of_death),
    QUEUE_TEST(owner_is_told_when_alone),
    QUEUE_TEST(large_message_in_rounds),
    QUEUE_TEST(large_message_keeps_its_place),
    QUEUE_TEST(large_message_that_nobody_fetches),
    QUEUE_TEST(large_message_is_refused),
    QUEUE_TEST(each_message_to_one_receiver),
    QUEUE_TEST(listed_and_cleaned),
    QUEUE_TEST(nothing_is_left_open),
    QUEUE_TEST(traits_tell),
};
static const struct support_role roles[] = {
    {"sender", run_sender}, {"receiver", run_receiver}, {"owner", run_owner}};
SUPPORT_MAIN(tests, roles)
