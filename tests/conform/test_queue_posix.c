/* test_queue_posix.c - POSIX and System V queues against what others put into them or in their
 * place, and what is left of them in the system.
 */
#ifdef _WIN32
#include "support.h"

static void other_system(void **state)
{
    (void)state;
    support_skip("POSIX and System V queues are not on Windows");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(other_system)};
SUPPORT_MAIN_ALONE(tests)

#else

#include "queue_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"
#include "queue.h"

#define POSIX_TEST(function)                                                                       \
    SUPPORT_TEST_WITH("mqueue: " #function, function, (void *)(uintptr_t)&queue_mqueue),           \
        SUPPORT_TEST_WITH("sysv: " #function, function, (void *)(uintptr_t)&queue_sysv)

/* What the owner record says of the object. */
static void object_of(char object[64], const char *name, int kind)
{
    struct sill__owner_info info;
    sill__owner *held;
    support_ok(sill__owner_join(
        &held, NULL, kind == SILL_CHANNEL_SYSV ? SILL__OWNER_QUEUE_SYSV : SILL__OWNER_QUEUE_MQUEUE,
        name, &info));
    sill__owner_release(held, false);
    memcpy(object, info.object, 64);
}

/* Whether the system still has anything of it. */
static bool object_exists(const char *object, int kind)
{
    if (kind == SILL_CHANNEL_MQUEUE) {
        mqd_t queue = mq_open(object, O_RDONLY);
        if (queue != (mqd_t)-1)
            mq_close(queue);
        return queue != (mqd_t)-1;
    }
    key_t key = (key_t)strtoul(object, NULL, 16);
    return msgget(key, 0) >= 0 || semget(key, 0, 0) >= 0;
}

/* The same into a System V queue, with any type. */
static void put_typed(const char *object, long type, const void *bytes, size_t size)
{
    struct {
        long type;
        char bytes[9000];
    } message = {type, {0}};
    memcpy(message.bytes, bytes, size);
    int id = msgget((key_t)strtoul(object, NULL, 16), 0);
    assert_int_equal(msgsnd(id, &message, size, IPC_NOWAIT), 0);
}

/* Puts raw bytes into the queue, as a program does that knows nothing of sill. */
static void put_raw(const char *object, int kind, const void *bytes, size_t size)
{
    if (kind == SILL_CHANNEL_MQUEUE) {
        mqd_t queue = mq_open(object, O_WRONLY);
        assert_true(queue != (mqd_t)-1);
        assert_int_equal(mq_send(queue, bytes, size, 31), 0);
        mq_close(queue);
        return;
    }
    put_typed(object, 1, bytes, size);
}

static void what_is_no_message_is_passed_over(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    sill_queue *queue;
    support_name(name, "garbage");
    options.message_max = 200;
    options.depth = 4;
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);

    put_raw(object, options.kind, "", 0);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    put_raw(object, options.kind, "hello, world", 12);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    struct sill__queue_head head = {SILL__QUEUE_MAGIC, 77};
    put_raw(object, options.kind, &head, sizeof head);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    struct sill__queue_announcement told = {{SILL__QUEUE_MAGIC, SILL__QUEUE_ROUNDS}, 100, "x"};
    put_raw(object, options.kind, &told, sizeof told - 1);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    memset(told.name, 'n', sizeof told.name); /* no end */
    put_raw(object, options.kind, &told, sizeof told);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    memcpy(told.name, "../../etc/passwd", 17); /* no name */
    told.name[sizeof told.name - 1] = '\0';
    put_raw(object, options.kind, &told, sizeof told);
    queue_expect_status(SILL_AGAIN, queue, 0); /* as one whose sender has gone */
    put_raw(object, options.kind, &(struct sill__queue_head){SILL__QUEUE_MAGIC, SILL__QUEUE_PLAIN},
            sizeof head);
    queue_expect(queue, "", 31);

    uint32_t random = 1;
    for (int i = 0; i < 2000; i++) {
        unsigned char bytes[200];
        size_t size = (size_t)i % sizeof bytes;
        for (size_t k = 0; k < size; k++)
            bytes[k] = (unsigned char)((random = random * 1664525u + 1013904223u) >> 24);
        if (i % 3 > 0 && size >= sizeof head) {
            head.type = i % 3 == 1 ? SILL__QUEUE_ROUNDS : (uint32_t)i;
            memcpy(bytes, &head, sizeof head);
        }
        put_raw(object, options.kind, bytes, size);
        char into[200];
        size_t got;
        int status = sill_queue_receive(queue, into, sizeof into, &got, NULL, 0);
        assert_true(status == SILL_PROTOCOL || status == SILL_AGAIN || status == SILL_OK);
    }
    queue_send_text(queue, "still good", 2);
    queue_expect(queue, "still good", 2);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static void too_large_a_message_is_dropped(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    char large[150] = {0};
    sill_queue *queue;
    if (options.kind == SILL_CHANNEL_MQUEUE)
        support_skip("a POSIX message queue takes no message that is too large");
    support_name(name, "large");
    options.message_max = 100;
    options.depth = 4;
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    put_raw(object, options.kind, large, sizeof large);
    queue_expect_status(SILL_PROTOCOL, queue, 0);
    queue_expect_status(SILL_AGAIN, queue, 0);
    sill_queue_close(queue);
}

/* Nobody asks for such a message by its priority, and yet it is one that is there. */
static void strange_types_are_dropped(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    sill_queue *queue;
    if (options.kind == SILL_CHANNEL_MQUEUE)
        support_skip("messages of a POSIX message queue have no types");
    support_name(name, "types");
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    put_typed(object, SILL_PRIORITY_MAX + 2, "strange", 7);
    put_typed(object, LONG_MAX, "strange", 7);
    queue_send_text(queue, "known", 0);
    queue_expect(queue, "known", 0);
    queue_expect_status(SILL_PROTOCOL, queue, SUPPORT_PATIENCE_MS);
    queue_expect_status(SILL_PROTOCOL, queue, SUPPORT_PATIENCE_MS);
    queue_expect_status(SILL_AGAIN, queue, 0);
    sill_queue_close(queue);
}

/* What the semaphores say of the size is no more than what the queue can hold. */
static void size_that_cannot_be(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    sill_queue *queue, *other = NULL;
    if (options.kind == SILL_CHANNEL_MQUEUE)
        support_skip("a POSIX message queue has no semaphores");
    support_name(name, "size");
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    int set = semget((key_t)strtoul(object, NULL, 16), 0, 0);
    assert_int_equal(0, semctl(set, 9, SETVAL, 32767));
    support_status(SILL_FOREIGN, sill_queue_open(&other, name, &options));
    sill_queue_close(queue);
}

/* An announcement that names a listener of somebody who keeps to nothing. */
static void liar_in_the_middle_of_rounds(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    static char bytes[65536];
    sill_queue *queue;
    support_name(name, "liar");
    options.message_max = 200;
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    for (int lie = 0; lie < 5; lie++) {
        struct sill__queue_announcement told = {
            {SILL__QUEUE_MAGIC, SILL__QUEUE_ROUNDS}, 100000, "liar"};
        sill_listener *listener;
        sill_channel *channel;
        if (lie == 4)
            told.size = UINT64_MAX;
        support_ok(sill_channel_listen(&listener, "liar", NULL));
        put_raw(object, options.kind, &told, sizeof told);
        queue_expect_status(lie == 4 ? SILL_PROTOCOL : SILL_AGAIN, queue, 0);
        support_ok(sill_channel_accept(listener, &channel, SUPPORT_PATIENCE_MS));
        if (lie < 2) /* nothing, or a frame of nothing */
            support_ok(sill_channel_send(channel, bytes, lie == 0 ? 65536 : 0, NULL, 0, 5000));
        if (lie == 2) { /* more than was announced */
            support_ok(sill_channel_send(channel, bytes, 65536, NULL, 0, 5000));
            support_ok(sill_channel_send(channel, bytes, 65536, NULL, 0, 5000));
        }
        if (lie == 0)
            sill_channel_close(channel);
        if (lie < 4)
            queue_expect_status(lie == 0 || lie == 3 ? SILL_TIMEOUT : SILL_PROTOCOL, queue, 100);
        if (lie != 0)
            sill_channel_close(channel);
        sill_listener_close(listener);
        if (lie == 3) /* it has said nothing all the time, and now it is gone */
            queue_expect_status(SILL_TIMEOUT, queue, 50);
    }
    queue_send_text(queue, "still good", 2);
    queue_expect(queue, "still good", 2);
    sill_queue_close(queue);
}

static void nothing_stays_in_the_system(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    support_name(name, "left");
    for (int dies = 0; dies < 2; dies++) {
        sill_queue *queue;
        pid_t child = -1;
        int gate[2];
        assert_int_equal(pipe(gate), 0);
        if (dies && (child = fork()) == 0) {
            char ready = sill_queue_create(&queue, name, &options) == SILL_OK ? 'y' : 'n';
            if (write(gate[1], &ready, 1) != 1)
                _exit(1);
            pause();
            _exit(0);
        }
        if (dies) {
            char ready = 0;
            assert_int_equal(read(gate[0], &ready, 1), 1);
            assert_int_equal(ready, 'y');
        } else {
            support_ok(sill_queue_create(&queue, name, &options));
        }
        object_of(object, name, options.kind);
        assert_true(object_exists(object, options.kind));
        if (dies) {
            kill(child, SIGKILL);
            assert_int_equal(waitpid(child, NULL, 0), child);
            assert_true(object_exists(object, options.kind));
            support_ok(sill_clean(NULL, 0, NULL, NULL));
        } else {
            sill_queue_close(queue);
        }
        assert_false(object_exists(object, options.kind));
        assert_int_equal(support_entries(".lock"), 0);
        close(gate[0]);
        close(gate[1]);
    }
}

/* A child that was forked shares descriptors with its parent, and none of its rights. */
static void forked_child_has_no_part(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue, *user;
    support_name(name, "fork");
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(sill_queue_open(&user, name, &options));
    pid_t child = fork();
    if (child == 0) {
        char byte;
        size_t size;
        int wrong = sill_queue_send(queue, "x", 1, 0, 0) != SILL_INVALID ||
                    sill_queue_receive(user, &byte, 1, &size, NULL, 0) != SILL_INVALID;
        sill_queue_cancel(queue);
        sill_queue_close(user);
        sill_queue_close(queue);
        _exit(wrong);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    queue_send_text(user, "lives", 4);
    queue_expect(queue, "lives", 4);
    sill_queue_close(user);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

static int receive_one(void *arg)
{
    char text[64];
    size_t size;
    return sill_queue_receive(arg, text, sizeof text, &size, NULL, SUPPORT_PATIENCE_MS);
}

/* The owner's forked child holds everything open, and the owner's death is seen all the same. */
static void death_is_seen_behind_a_forked_child(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *user;
    int gate[2], hold[2];
    support_name(name, "fork");
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t owner = fork();
    if (owner == 0) {
        sill_queue *queue;
        char ready = sill_queue_create(&queue, name, &options) == SILL_OK ? 'y' : 'n';
        close(hold[1]);
        if (fork() == 0) {
            char byte;
            _exit(read(hold[0], &byte, 1) != 0); /* until the test ends */
        }
        if (write(gate[1], &ready, 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(hold[0]);
    char ready = 0;
    assert_int_equal(read(gate[0], &ready, 1), 1);
    assert_int_equal(ready, 'y');
    support_ok(sill_queue_open(&user, name, &options));
    struct support_thread *thread = support_thread(receive_one, user);
    kill(owner, SIGKILL);
    assert_int_equal(waitpid(owner, NULL, 0), owner);
    support_status(SILL_DIED, support_join(thread));
    sill_queue_close(user);
    support_ok(sill_queue_create(&user, name, &options));
    sill_queue_close(user);
    close(hold[1]);
    close(gate[0]);
    close(gate[1]);
    assert_int_equal(support_entries(".lock"), 0);
}

/* One that closed in order has gone, whatever a forked child of its still holds open. */
static void close_is_seen_behind_a_forked_child(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    int hold[2];
    support_name(name, "fork");
    options.until_alone = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    assert_int_equal(pipe(hold), 0);
    pid_t user = fork();
    if (user == 0) {
        sill_queue *opened;
        close(hold[1]);
        if (sill_queue_open(&opened, name, &options) != SILL_OK)
            _exit(1);
        pid_t child = fork();
        if (child == 0) {
            char byte;
            _exit(read(hold[0], &byte, 1) != 0); /* until the test ends */
        }
        int wrong = child < 0 || sill_queue_send(opened, "x", 1, 3, 0) != SILL_OK;
        sill_queue_close(opened);
        _exit(wrong);
    }
    close(hold[0]);
    queue_expect(queue, "x", 3);
    queue_expect_status(SILL_CLOSED, queue, SUPPORT_PATIENCE_MS);
    int status;
    assert_int_equal(waitpid(user, &status, 0), user);
    assert_int_equal(status, 0);
    sill_queue_close(queue);
    close(hold[1]);
    assert_int_equal(support_entries(".lock"), 0);
}

static void anothers_object_is_left_alone(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    sill_queue *queue, *user;
    if (options.kind != SILL_CHANNEL_MQUEUE)
        support_skip("a System V key is free again when its record is made anew");
    support_name(name, "foreign");
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    sill_queue_close(queue);
    mqd_t other = mq_open(object, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    assert_true(other != (mqd_t)-1);
    support_ok(sill_queue_create(&queue, name, &options)); /* under another name */
    support_ok(sill_queue_open(&user, name, &options));
    queue_send_text(user, "x", 1);
    queue_expect(queue, "x", 1);
    sill_queue_close(user);
    sill_queue_close(queue);
    assert_true(object_exists(object, options.kind));
    mq_close(other);
    mq_unlink(object);
    assert_int_equal(support_entries(".lock"), 0);
}

/* Signals arrive all the time and cut nothing short. */
static void on_signal(int number)
{
    (void)number;
}

static void signals_cut_nothing_short(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue;
    struct sigaction act = {.sa_handler = on_signal}, old;
    support_name(name, "signals");
    support_ok(sill_queue_create(&queue, name, &options));
    sigaction(SIGUSR1, &act, &old);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < 2000; i++)
            kill(parent, SIGUSR1);
        _exit(0);
    }
    queue_expect_status(SILL_TIMEOUT, queue, 100);
    for (int i = 0; i < 100; i++) {
        queue_send_text(queue, "x", 1);
        queue_expect(queue, "x", 1);
    }
    while (waitpid(child, NULL, 0) != child)
        ; /* this one is cut short */
    sigaction(SIGUSR1, &old, NULL);
    sill_queue_close(queue);
}

/* More users have died, and the owner never asked, than a semaphore can count: others still open
 * the queue, and the owner is told that somebody has died. */
static void many_users_may_die(void **state)
{
    enum { OPEN = 4, MOST = 32767 };
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE], object[64];
    sill_queue *queue, *user;
    if (options.kind != SILL_CHANNEL_SYSV)
        support_skip("only System V queues count by semaphores");
    support_name(name, "dead");
    options.until_alone = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    object_of(object, name, options.kind);
    int set = semget((key_t)strtoul(object, NULL, 16), 0, 0);
    assert_int_equal(semctl(set, OPEN, SETVAL, MOST), 0);
    for (int i = 0; i < 3; i++) {
        support_ok(sill_queue_open(&user, name, &options));
        queue_send_text(user, "word", 1);
        queue_expect(queue, "word", 1);
        sill_queue_close(user);
    }
    queue_expect_status(SILL_DIED, queue, SUPPORT_PATIENCE_MS);
    support_ok(sill_queue_open(&user, name, &options));
    sill_queue_close(user);
    queue_expect_status(SILL_CLOSED, queue, SUPPORT_PATIENCE_MS);
    sill_queue_close(queue);
}

static void limits_of_the_system_are_named(void **state)
{
    sill_queue_options options = queue_options(state);
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue = NULL;
    support_name(name, "limits");
    options.message_max = (size_t)1 << 27;
    support_status(SILL_LIMIT, sill_queue_create(&queue, name, &options));
    assert_non_null(strstr(sill_last_error()->message, options.kind == SILL_CHANNEL_MQUEUE
                                                           ? "fs.mqueue.msgsize_max"
                                                           : "kernel.msgm"));
    assert_int_equal(support_entries(".lock"), 0);
}

static const struct CMUnitTest tests[] = {
    POSIX_TEST(what_is_no_message_is_passed_over),
    POSIX_TEST(too_large_a_message_is_dropped),
    POSIX_TEST(strange_types_are_dropped),
    POSIX_TEST(size_that_cannot_be),
    POSIX_TEST(liar_in_the_middle_of_rounds),
    POSIX_TEST(nothing_stays_in_the_system),
    POSIX_TEST(forked_child_has_no_part),
    POSIX_TEST(death_is_seen_behind_a_forked_child),
    POSIX_TEST(close_is_seen_behind_a_forked_child),
    POSIX_TEST(anothers_object_is_left_alone),
    POSIX_TEST(signals_cut_nothing_short),
    POSIX_TEST(many_users_may_die),
    POSIX_TEST(limits_of_the_system_are_named),
};
SUPPORT_MAIN_ALONE(tests)

#endif
