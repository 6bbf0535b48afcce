/* test_byte_pipe.c - byte streams: with a name, anonymous, and how they end. */
#include <sill.h>

#include "support.h"

enum { MANY = 1000000 };

/* NAME r|w [bytes]: opens that end. A writer writes so many bytes (0 waits for the word to close),
 * a reader reads to the end and says how many came. */
static int run_peer(int argc, char **argv)
{
    static unsigned char bytes[MANY];
    char line[16];
    sill_pipe *pipe;
    size_t size, total = 0;
    bool writes = argv[1][0] == 'w';
    int status = sill_pipe_open(&pipe, argv[0], writes ? SILL_PIPE_WRITE : SILL_PIPE_READ, NULL);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 0;
    if (writes) {
        size_t count = argc > 2 ? (size_t)atol(argv[2]) : 0;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (unsigned char)(i % 251);
        status = sill_pipe_write(pipe, bytes, count, &total, SUPPORT_PATIENCE_MS);
        support_say("%s %zu", sill_status_name(status), total);
        support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    } else if (argc > 2) {
        support_listen(line, sizeof line, SUPPORT_PATIENCE_MS); /* holds it and does not read */
    } else {
        while ((status = sill_pipe_read(pipe, bytes, sizeof bytes, &size, SUPPORT_PATIENCE_MS)) ==
               SILL_OK)
            total += size;
        support_say("%s %zu", sill_status_name(status), total);
    }
    sill_pipe_close(pipe);
    support_say("closed");
    support_linger();
    return 0;
}

/* NAME r|w: creates and waits for the word to close. */
static int run_creator(int argc, char **argv)
{
    char line[16];
    sill_pipe *pipe;
    (void)argc;
    int status = sill_pipe_create(&pipe, argv[0],
                                  argv[1][0] == 'w' ? SILL_PIPE_WRITE : SILL_PIPE_READ, NULL);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 0;
    support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    sill_pipe_close(pipe);
    support_say("closed");
    support_linger();
    return 0;
}

static struct support_process *start(const char *role, const char *name, const char *end,
                                     const char *more)
{
    const char *const arguments[] = {name, end, more, NULL};
    return support_start(role, arguments, NULL);
}

static void creator_reads(void **state)
{
    static unsigned char bytes[MANY];
    char name[SUPPORT_NAME_SIZE];
    sill_pipe *pipe;
    size_t size, total = 0;
    int status;
    (void)state;
    support_name(name, "read");
    support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
    support_status(SILL_AGAIN, sill_pipe_read(pipe, bytes, MANY, &size, 0));
    support_status(SILL_TIMEOUT, sill_pipe_read(pipe, bytes, MANY, &size, 5));
    struct support_process *peer = start("peer", name, "w", "1000000");
    support_expect(peer, "SILL_OK");
    while (total < MANY && (status = sill_pipe_read(pipe, bytes + total, MANY - total, &size,
                                                    SUPPORT_PATIENCE_MS)) == SILL_OK)
        total += size;
    assert_int_equal(total, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(bytes[i], i % 251);
    support_expect(peer, "SILL_OK 1000000");
    support_status(SILL_AGAIN, sill_pipe_read(pipe, bytes, MANY, &size, 0));
    support_tell(peer, "close");
    support_status(SILL_CLOSED, sill_pipe_read(pipe, bytes, MANY, &size, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, sill_pipe_read(pipe, bytes, MANY, &size, 0));
    support_finish(peer);
    sill_pipe_close(pipe);
    assert_int_equal(support_entries(".lock"), 0);
}

static void creator_writes(void **state)
{
    static unsigned char bytes[MANY];
    char name[SUPPORT_NAME_SIZE];
    sill_pipe *pipe;
    size_t written = 7;
    (void)state;
    support_name(name, "write");
    support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_WRITE, NULL));
    support_status(SILL_AGAIN, sill_pipe_write(pipe, bytes, 1, &written, 0));
    assert_int_equal(written, 0);
    support_status(SILL_TIMEOUT, sill_pipe_write(pipe, bytes, 1, &written, 5));
    struct support_process *peer = start("peer", name, "r", NULL);
    support_expect(peer, "SILL_OK");
    support_ok(sill_pipe_write(pipe, bytes, MANY, &written, SUPPORT_PATIENCE_MS));
    assert_int_equal(written, MANY);
    sill_pipe_close(pipe);
    support_expect(peer, "SILL_CLOSED 1000000");
    support_finish(peer);
    assert_int_equal(support_entries(".lock"), 0);
}

static void readers_end_is_told(void **state)
{
    static unsigned char bytes[MANY];
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        char name[SUPPORT_NAME_SIZE];
        sill_pipe *pipe;
        size_t written;
        support_name(name, "write");
        support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_WRITE, NULL));
        struct support_process *peer = start("peer", name, "r", "hold");
        support_expect(peer, "SILL_OK");
        support_status(SILL_TIMEOUT, sill_pipe_write(pipe, bytes, MANY, &written, 50));
        assert_true(written > 0 && written < MANY);
        if (dies)
            support_kill(peer);
        else
            support_tell(peer, "close");
        support_status(dies ? SILL_DIED : SILL_CLOSED,
                       sill_pipe_write(pipe, bytes, MANY, &written, SUPPORT_PATIENCE_MS));
        support_finish(peer);
        sill_pipe_close(pipe);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void writers_death_is_told(void **state)
{
    char name[SUPPORT_NAME_SIZE];
    unsigned char bytes[100];
    sill_pipe *pipe;
    size_t size, total = 0;
    int status;
    (void)state;
    support_name(name, "death");
    support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
    struct support_process *peer = start("peer", name, "w", "1000");
    support_expect(peer, "SILL_OK");
    support_expect(peer, "SILL_OK 1000");
    support_kill(peer);
    while ((status = sill_pipe_read(pipe, bytes, sizeof bytes, &size, SUPPORT_PATIENCE_MS)) ==
           SILL_OK)
        total += size;
    support_status(SILL_DIED, status);
    assert_int_equal(total, 1000); /* what it wrote is read first */
    support_finish(peer);
    sill_pipe_close(pipe);
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    assert_int_equal(support_entries(".lock"), 0);
}

static void creators_end_is_told(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        char name[SUPPORT_NAME_SIZE], byte;
        sill_pipe *reader, *writer;
        size_t size;
        support_name(name, "creator");
        struct support_process *creator = start("creator", name, "w", NULL);
        support_expect(creator, "SILL_OK");
        support_ok(sill_pipe_open(&reader, name, SILL_PIPE_READ, NULL));
        if (dies)
            support_kill(creator);
        else
            support_tell(creator, "close");
        support_status(dies ? SILL_DIED : SILL_CLOSED,
                       sill_pipe_read(reader, &byte, 1, &size, SUPPORT_PATIENCE_MS));
        sill_pipe_close(reader);
        support_finish(creator);
        support_status(SILL_NOT_FOUND, sill_pipe_open(&reader, name, SILL_PIPE_READ, NULL));
        /* One that nobody opened leaves nothing in the way. */
        creator = start("creator", name, "r", NULL);
        support_expect(creator, "SILL_OK");
        support_kill(creator);
        support_finish(creator);
        support_ok(sill_pipe_create(&writer, name, SILL_PIPE_WRITE, NULL));
        sill_pipe_close(writer);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void names_and_ends(void **state)
{
    char name[SUPPORT_NAME_SIZE], byte;
    sill_pipe *pipe = NULL, *other = NULL, *third = NULL;
    sill_handle handle;
    size_t size;
    (void)state;
    support_name(name, "names");
    support_status(SILL_NOT_FOUND, sill_pipe_open(&pipe, name, SILL_PIPE_READ, NULL));
    support_status(SILL_INVALID, sill_pipe_create(&pipe, "a/b", SILL_PIPE_READ, NULL));
    support_status(SILL_INVALID, sill_pipe_create(&pipe, name, 3, NULL));
    support_status(SILL_INVALID, sill_pipe_create(NULL, name, SILL_PIPE_READ, NULL));
    support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
    support_status(SILL_EXISTS, sill_pipe_create(&other, name, SILL_PIPE_READ, NULL));
    support_status(SILL_INVALID, sill_pipe_open(&other, name, SILL_PIPE_READ, NULL));
    support_ok(sill_pipe_open(&other, name, SILL_PIPE_WRITE, NULL));
    support_status(SILL_DENIED, sill_pipe_open(&third, name, SILL_PIPE_WRITE, NULL));
    support_status(SILL_INVALID, sill_pipe_write(pipe, "x", 1, NULL, 0));
    support_status(SILL_INVALID, sill_pipe_read(other, &byte, 1, &size, 0));
    support_status(SILL_INVALID, sill_pipe_read(pipe, &byte, 0, &size, 0));
    support_status(SILL_UNSUPPORTED, sill_pipe_pollable(other, &handle));
    support_ok(sill_pipe_pollable(pipe, &handle));
    support_ok(sill_pipe_write(other, "x", 1, NULL, 0));
    support_ok(sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
    assert_int_equal(byte, 'x');
    sill_pipe_close(other);
    /* A stream is used once. */
    assert_int_not_equal(sill_pipe_open(&third, name, SILL_PIPE_WRITE, NULL), SILL_OK);
    support_status(SILL_CLOSED, sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
    sill_pipe_close(pipe);
    sill_pipe_close(NULL);
    assert_int_equal(support_entries(".lock"), 0);
}

/* The creator has not looked yet when the one who opened the pipe has gone again: nobody comes
 * after him, and what he did is told. */
static void used_before_the_creator_looks(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        char name[SUPPORT_NAME_SIZE], byte;
        sill_pipe *pipe, *late;
        size_t size;
        support_name(name, "used");
        support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
        struct support_process *peer = start("peer", name, "w", "1");
        support_expect(peer, "SILL_OK");
        support_expect(peer, "SILL_OK 1");
        if (dies) {
            support_kill(peer);
        } else {
            support_tell(peer, "close");
            support_expect(peer, "closed");
        }
        support_status(dies ? SILL_DENIED : SILL_NOT_FOUND,
                       sill_pipe_open(&late, name, SILL_PIPE_WRITE, NULL));
        support_ok(sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
        support_status(dies ? SILL_DIED : SILL_CLOSED,
                       sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
        sill_pipe_close(pipe);
        support_finish(peer);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static int read_one(void *arg)
{
    char byte;
    size_t size;
    return sill_pipe_read(arg, &byte, 1, &size, SUPPORT_PATIENCE_MS);
}

static int write_much(void *arg)
{
    static char much[MANY];
    return sill_pipe_write(arg, much, sizeof much, NULL, SUPPORT_PATIENCE_MS);
}

static void cancel_ends_waits(void **state)
{
    char name[SUPPORT_NAME_SIZE];
    sill_pipe *pipe, *other;
    (void)state;
    support_name(name, "cancel");
    support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
    for (int i = 0; i < 20; i++) {
        struct support_thread *thread = support_thread(read_one, pipe);
        sill_pipe_cancel(pipe);
        support_status(SILL_CANCELED, support_join(thread));
    }
    support_ok(sill_pipe_open(&other, name, SILL_PIPE_WRITE, NULL));
    struct support_thread *thread = support_thread(write_much, other);
    sill_pipe_cancel(other);
    support_status(SILL_CANCELED, support_join(thread));
    sill_pipe_close(other);
    sill_pipe_close(pipe);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(creator_reads),
    SUPPORT_TEST(creator_writes),
    SUPPORT_TEST(readers_end_is_told),
    SUPPORT_TEST(writers_death_is_told),
    SUPPORT_TEST(creators_end_is_told),
    SUPPORT_TEST(names_and_ends),
    SUPPORT_TEST(used_before_the_creator_looks),
    SUPPORT_TEST(cancel_ends_waits),
};
static const struct support_role roles[] = {{"peer", run_peer}, {"creator", run_creator}};
SUPPORT_MAIN(tests, roles)
