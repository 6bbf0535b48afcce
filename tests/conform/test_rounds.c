/* test_rounds.c - messages in rounds through a region (sill/pool.h): both sides, their ends and
 * deaths. */
#include <sill/pool.h>

#include <stdatomic.h>

#include <sill/sync.h>

#include "process.h"
#include "regions.h"

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

#define PERSISTS ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0)

static void kill_at(const char *role, const char *name, const char *step)
{
    const char *const arguments[] = {name, NULL};
    support_kill_at(role, arguments, step);
}

#define ROUNDS_SIZE 20000

struct stream {
    uint64_t at;
    unsigned seed;
    uint64_t stop_at; /* ends there; 0: nowhere */
    bool right;
};

static int fill(void *arg, uint64_t offset, void *piece, size_t size, uint64_t total)
{
    struct stream *stream = arg;
    unsigned char *bytes = piece;
    (void)total;
    if (stream->stop_at != 0 && offset >= stream->stop_at)
        return 77;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((offset + i) * 7 + (offset + i) / 251 + stream->seed);
    return 0;
}

static int take(void *arg, uint64_t offset, const void *piece, size_t size, uint64_t total)
{
    struct stream *stream = arg;
    const unsigned char *bytes = piece;
    if (stream->stop_at != 0 && offset >= stream->stop_at)
        return 88;
    stream->right = stream->right && offset == stream->at && offset + size <= total;
    for (size_t i = 0; i < size; i++)
        stream->right =
            stream->right &&
            bytes[i] == (unsigned char)((offset + i) * 7 + (offset + i) / 251 + stream->seed);
    stream->at += size;
    return 0;
}

static void open_rounds(const char *name, sill_region **region, sill_rounds **rounds)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    support_ok(sill_region_create(region, name, ROUNDS_SIZE, &options));
    support_ok(sill_rounds_place(rounds, *region, 0, 0));
}

static void drop_rounds(const char *name, sill_region *region, sill_rounds *rounds)
{
    sill_rounds_close(rounds);
    sill_region_close(region);
    if (PERSISTS)
        support_ok(sill_region_remove(name, NULL));
    regions_nothing_left();
}

/* NAME: "send SIZE STOP" and "receive STOP", and tells the status, the size, and if it was right.
 */
static int role_carrier(int argc, char **argv)
{
    sill_region *region;
    sill_rounds *rounds;
    char line[100], verb[20];
    unsigned long long size = 0, stop = 0;
    open_rounds(argv[0], &region, &rounds);
    support_say("ready");
    while (support_listen(line, sizeof line, 10 * SUPPORT_PATIENCE_MS)) {
        uint64_t total = 0;
        if (sscanf(line, "%19s %llu %llu", verb, &size, &stop) != 3)
            return 2;
        struct stream stream = {.seed = 5, .stop_at = stop, .right = true};
        int rc = strcmp(verb, "send") == 0 ? sill_rounds_send(rounds, size, fill, &stream, -1)
                                           : sill_rounds_receive(rounds, &total, take, &stream, -1);
        support_say("%d %llu %d", rc, (unsigned long long)total, stream.right);
    }
    sill_rounds_close(rounds);
    sill_region_close(region);
    return argc == 1 ? 0 : 1;
}

static struct support_process *start_carrier(const char *name)
{
    const char *const arguments[] = {name, NULL};
    struct support_process *carrier = support_start("carrier", arguments, NULL);
    support_expect(carrier, "ready");
    return carrier;
}

static void messages_go_in_rounds(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 5000, 6848, 6849, 100000, 3000001};
    char name[SUPPORT_NAME_SIZE], line[80];
    sill_region *region;
    sill_rounds *rounds;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    struct support_process *carrier = start_carrier(name);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct stream stream = {.seed = 5, .right = true};
        support_tell(carrier, "receive 0 0");
        support_ok(sill_rounds_send(rounds, sizes[i], fill, &stream, SUPPORT_PATIENCE_MS));
        snprintf(line, sizeof line, "0 %llu 1", (unsigned long long)sizes[i]);
        support_expect(carrier, line);
        uint64_t total = 99;
        snprintf(line, sizeof line, "send %llu 0", (unsigned long long)sizes[i]);
        support_tell(carrier, line);
        support_ok(sill_rounds_receive(rounds, &total, take, &stream, SUPPORT_PATIENCE_MS));
        assert_int_equal(total, sizes[i]);
        assert_int_equal(stream.at, sizes[i]);
        assert_true(stream.right);
        support_expect(carrier, "0 0 1");
    }
    support_finish(carrier);
    drop_rounds(name, region, rounds);
}

/* Counts down the progress that another thread of execution could see. */
static int look(void *arg, uint64_t offset, const void *piece, size_t size, uint64_t total)
{
    sill_rounds *rounds = arg;
    sill_rounds_progress progress = SILL_ROUNDS_PROGRESS_INIT;
    (void)piece;
    if (sill_rounds_progress_get(rounds, &progress) != 0 || progress.total != total ||
        progress.received != offset || progress.sent < offset + size || progress.sent > total ||
        progress.sender == 0 || progress.receiver == 0)
        return 55;
    return 0;
}

static void progress_is_seen(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_rounds *rounds;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    sill_rounds_progress progress = SILL_ROUNDS_PROGRESS_INIT;
    support_ok(sill_rounds_progress_get(rounds, &progress));
    assert_int_equal(progress.total, 0);
    struct support_process *carrier = start_carrier(name);
    support_tell(carrier, "send 200000 0");
    support_ok(sill_rounds_receive(rounds, NULL, look, rounds, SUPPORT_PATIENCE_MS));
    support_expect(carrier, "0 0 1");
    support_ok(sill_rounds_progress_get(rounds, &progress));
    assert_int_equal(progress.total, 0);
    assert_int_equal(progress.sender, 0);
    support_finish(carrier);
    drop_rounds(name, region, rounds);
}

static void either_side_may_end_it(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], line[80];
    sill_region *region;
    sill_rounds *rounds;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    struct support_process *carrier = start_carrier(name);
    struct stream stream = {.seed = 5, .right = true};
    for (int i = 0; i < 3; i++) {
        stream = (struct stream){.seed = 5, .right = true, .stop_at = 50000};
        support_tell(carrier, "receive 0 0");
        assert_int_equal(sill_rounds_send(rounds, 100000, fill, &stream, SUPPORT_PATIENCE_MS), 77);
        snprintf(line, sizeof line, "%d 0 1", SILL_CANCELED);
        support_expect(carrier, line);
        support_tell(carrier, "receive 0 50000");
        stream.stop_at = 0;
        support_status(SILL_CANCELED,
                       sill_rounds_send(rounds, 100000, fill, &stream, SUPPORT_PATIENCE_MS));
        support_expect(carrier, "88 0 1");
        support_status(SILL_TIMEOUT, sill_rounds_send(rounds, 10, fill, &stream, 30));
        support_status(SILL_AGAIN, sill_rounds_send(rounds, 10, fill, &stream, 0));
        support_status(SILL_TIMEOUT, sill_rounds_receive(rounds, NULL, take, &stream, 30));
        support_status(SILL_AGAIN, sill_rounds_receive(rounds, NULL, take, &stream, 0));
    }
    support_tell(carrier, "receive 0 0"); /* all of that has left nothing behind */
    support_ok(sill_rounds_send(rounds, 100000, fill, &stream, SUPPORT_PATIENCE_MS));
    support_expect(carrier, "0 100000 1");
    support_finish(carrier);
    drop_rounds(name, region, rounds);
}

struct slow {
    sill_rounds *rounds;
    atomic_bool taking, go_on;
};

static bool goes_on(void *arg)
{
    return atomic_load((atomic_bool *)arg);
}

static int take_slowly(void *arg, uint64_t offset, const void *piece, size_t size, uint64_t total)
{
    struct slow *slow = arg;
    (void)offset, (void)piece, (void)size, (void)total;
    atomic_store(&slow->taking, true);
    return support_until(goes_on, &slow->go_on, SUPPORT_PATIENCE_MS) ? 0 : 99;
}

static int receive_slowly(void *arg)
{
    struct slow *slow = arg;
    return sill_rounds_receive(slow->rounds, NULL, take_slowly, slow, SUPPORT_PATIENCE_MS);
}

/* A message is received if its sender says so, and only then: also if the receiver has the last
 * piece in hand when the sender's time is over. */
static void both_sides_say_the_same(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_rounds *rounds;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    struct slow slow = {.rounds = rounds};
    struct stream stream = {.seed = 5, .right = true};
    struct support_thread *thread = support_thread(receive_slowly, &slow);
    while (!atomic_load(&slow.taking))
        support_status(SILL_TIMEOUT, sill_rounds_send(rounds, 10, fill, &stream, 50));
    atomic_store(&slow.go_on, true);
    support_status(SILL_CANCELED, support_join(thread));
    drop_rounds(name, region, rounds);
}

/* What a process left that had our pid before us is not taken for our own. */
static void a_dead_one_may_have_had_our_pid(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_rounds *rounds;
    struct sill__process self;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    sill__process_self(&self);
    unsigned char *shared = sill_region_data(region); /* docs/shared-layout.md */
    const uint32_t offered = 1;
    const uint64_t total = 10, sent = 1, start = self.start - 1;
    memcpy(shared + 6168, &total, sizeof total);
    memcpy(shared + 6176, &sent, sizeof sent);
    memcpy(shared + 6208, &self.pid, sizeof self.pid);
    memcpy(shared + 6216, &start, sizeof start);
    memcpy(shared + 6156, &offered, sizeof offered);
    struct stream stream = {.seed = 5, .right = true};
    support_status(SILL_AGAIN, sill_rounds_receive(rounds, NULL, take, &stream, 0));
    drop_rounds(name, region, rounds);
}

/* NAME: sends, or receives, for ever. */
static int role_sender(int argc, char **argv)
{
    sill_region *region;
    sill_rounds *rounds;
    struct stream stream = {.seed = 5, .right = true};
    open_rounds(argv[0], &region, &rounds);
    sill_rounds_send(rounds, 100000, fill, &stream, -1);
    return argc;
}

static int role_receiver(int argc, char **argv)
{
    sill_region *region;
    sill_rounds *rounds;
    struct stream stream = {.seed = 5, .right = true};
    open_rounds(argv[0], &region, &rounds);
    sill_rounds_receive(rounds, NULL, take, &stream, -1);
    return argc;
}

struct call {
    sill_rounds *rounds;
    bool send;
};

static int carry_in_thread(void *arg)
{
    const struct call *call = arg;
    struct stream stream = {.seed = 5, .right = true};
    return call->send ? sill_rounds_send(call->rounds, 100000, fill, &stream, -1)
                      : sill_rounds_receive(call->rounds, NULL, take, &stream, -1);
}

static void either_side_may_die(void **state)
{
    (void)state;
    static const struct {
        const char *role, *step;
    } rows[] = {{"sender", "rounds_filled:3"}, /* two are filled before anybody receives */
                {"sender", "rounds_filled:5"},
                {"receiver", "rounds_taken"},
                {"receiver", "rounds_taken:4"}};
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        sill_region *region;
        sill_rounds *rounds;
        support_name(name, "o");
        open_rounds(name, &region, &rounds);
        struct call call = {rounds, strcmp(rows[i].role, "receiver") == 0};
        struct support_thread *thread = support_thread(carry_in_thread, &call);
        kill_at(rows[i].role, name, rows[i].step);
        support_status(SILL_DIED, support_join(thread));
        struct support_process *carrier = start_carrier(name);
        struct stream stream = {.seed = 5, .right = true};
        support_tell(carrier, "receive 0 0");
        support_ok(sill_rounds_send(rounds, 50000, fill, &stream, SUPPORT_PATIENCE_MS));
        support_expect(carrier, "0 50000 1");
        support_finish(carrier);
        drop_rounds(name, region, rounds);
    }
}

/* A sender that died before anybody took its message is in nobody's way. */
static void an_offer_may_be_orphaned(void **state)
{
    (void)state;
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_rounds *rounds;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    kill_at("sender", name, "rounds_begun");
    struct stream stream = {.seed = 5, .right = true};
    support_status(SILL_AGAIN, sill_rounds_receive(rounds, NULL, take, &stream, 0));
    struct call call = {rounds, false};
    struct support_thread *thread = support_thread(carry_in_thread, &call);
    struct support_process *carrier = start_carrier(name);
    support_tell(carrier, "send 60000 0");
    support_ok(support_join(thread));
    support_expect(carrier, "0 0 1");
    support_finish(carrier);
    drop_rounds(name, region, rounds);
}

static void rounds_check_arguments(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_rounds *rounds, *other;
    support_name(name, "o");
    open_rounds(name, &region, &rounds);
    support_status(SILL_INVALID, sill_rounds_place(NULL, region, 0, 0));
    support_status(SILL_INVALID, sill_rounds_place(&other, NULL, 0, 0));
    support_status(SILL_INVALID, sill_rounds_place(&other, region, 1, 0));
    support_status(SILL_INVALID, sill_rounds_place(&other, region, 0, 4096));
    support_status(SILL_INVALID, sill_rounds_place(&other, region, ROUNDS_SIZE + 64, 0));
    support_status(SILL_INVALID, sill_rounds_place(&other, region, 0, ROUNDS_SIZE + 1));
    support_status(SILL_WRONG_SIZE, sill_rounds_place(&other, region, 0, 10000));
    support_status(SILL_INVALID, sill_rounds_send(rounds, 1, NULL, NULL, 0));
    support_status(SILL_INVALID, sill_rounds_send(NULL, 1, fill, NULL, 0));
    support_status(SILL_INVALID, sill_rounds_receive(rounds, NULL, NULL, NULL, 0));
    support_status(SILL_INVALID, sill_rounds_progress_get(rounds, NULL));
    sill_rounds_close(NULL);
    drop_rounds(name, region, rounds);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(rounds_check_arguments),  SUPPORT_TEST(messages_go_in_rounds),
    SUPPORT_TEST(progress_is_seen),        SUPPORT_TEST(either_side_may_end_it),
    SUPPORT_TEST(both_sides_say_the_same), SUPPORT_TEST(a_dead_one_may_have_had_our_pid),
    SUPPORT_TEST(either_side_may_die),     SUPPORT_TEST(an_offer_may_be_orphaned),
};
static const struct support_role roles[] = {
    {"carrier", role_carrier}, {"sender", role_sender}, {"receiver", role_receiver}};
SUPPORT_MAIN(tests, roles)
