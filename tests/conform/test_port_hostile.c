/* Hostile peers: what a program may send that speaks the protocol by hand. Whoever breaks it is cut
 * off with SILL_PROTOCOL, at once; the other clients notice nothing; nothing leaks.
 */
#include "raw_peer.h"

/* ---- attacks on an open connection ---- */

static void send_head(struct raw *raw, struct sill__frame head)
{
    unsigned char body[1024] = {0};
    raw_frame(raw, &head, body, NULL, 0);
}

static void attack_noise(struct raw *raw)
{
    unsigned char noise[1000];
    uint32_t x = 7;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    raw_send(raw, noise, sizeof noise, NULL, 0);
}

static void attack_huge_claim(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                        .size = 10, .total = UINT64_C(1) << 60});
}

static void attack_more_than_said(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                        .size = 10, .total = 9});
}

static void attack_frame_too_large(struct raw *raw)
{
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                     .size = SILL__CHUNK_MAX + 1, .total = 1 << 20};
    raw_send(raw, &head, sizeof head, NULL, 0);
}

static void attack_unasked_reply(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_REPLY, .id = 5});
}

static void attack_unknown_kind(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = 77});
}

static void attack_more_of_nothing(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MORE, .size = 5});
}

static void attack_message_in_message(struct raw *raw)
{
    for (int i = 0; i < 2; i++)
        send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                            .size = 10, .total = 1000});
}

static void attack_second_hello(struct raw *raw)
{
    struct greeting g = good_hello();
    raw_frame(raw, &g.head, &g.hello, NULL, 0);
}

static void attack_bad_commit(struct raw *raw)
{
    const struct sill__frame head = {.type = SILL__FRAME_BELL};
    unsigned char bytes[SILL__FRAME_HEAD + 1];
    memcpy(bytes, &head, sizeof head);
    bytes[SILL__FRAME_HEAD] = 2;
    raw_send(raw, bytes, sizeof bytes, NULL, 0);
}

static void attack_too_many_handles(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                        .handles = SILL_HANDLES_MAX + 1});
}

/* The head says that handles come, and none does. */
static void attack_missing_handles(struct raw *raw)
{
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                     .handles = 2};
    raw_frame(raw, &head, NULL, NULL, 0);
}

static void attack_drop_of_nothing(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_DROP, .id = 3});
}

static void describe(struct raw *raw, struct sill__descriptor d, uint64_t total)
{
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                     .flags = SILL__FRAME_DESCRIBED, .size = sizeof d,
                                     .total = total};
    raw_frame(raw, &head, &d, NULL, 0);
}

static void attack_unknown_segment(struct raw *raw)
{
    describe(raw, (struct sill__descriptor){.segment = 1, .size = 100}, 100);
}

static void attack_far_segment(struct raw *raw)
{
    describe(raw, (struct sill__descriptor){.segment = UINT32_MAX, .size = 100}, 100);
}

enum { SEGMENT_SIZE = 8192 };

/* Announces a segment of `size` bytes, and says that it has `claimed`. */
static void announce(struct raw *raw, uint64_t number, size_t size, uint64_t claimed)
{
    sill_region *region = raw_region(raw, size);
    sill_handle handle;
    support_ok(sill_region_handle(region, &handle));
    const struct sill__frame head = {.type = SILL__FRAME_SEGMENT, .id = number, .handles = 1,
                                     .total = claimed};
    raw_frame(raw, &head, NULL, &handle, 1);
    sill_region_close(raw->older);
    raw->older = raw->segment;
    raw->segment = region;
}

static void attack_smaller_segment(struct raw *raw)
{
    announce(raw, 0, SEGMENT_SIZE, SEGMENT_SIZE * 2);
}

static void attack_segment_number(struct raw *raw)
{
    announce(raw, SILL__SEGMENTS_LIMIT, SEGMENT_SIZE, SEGMENT_SIZE);
}

static void attack_segment_twice(struct raw *raw)
{
    announce(raw, 0, SEGMENT_SIZE, SEGMENT_SIZE);
    announce(raw, 0, SEGMENT_SIZE, SEGMENT_SIZE);
}

static void attack_bounds(struct raw *raw, struct sill__descriptor d, uint64_t total)
{
    announce(raw, 0, SEGMENT_SIZE, SEGMENT_SIZE);
    describe(raw, d, total);
}

static void attack_beyond_the_end(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.offset = SEGMENT_SIZE - 64, .size = 65}, 65);
}

static void attack_offset_overflow(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.offset = UINT64_MAX & ~UINT64_C(63), .size = 128},
                  128);
}

static void attack_size_overflow(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.offset = 64, .size = UINT64_MAX - 63}, 1000);
}

static void attack_slot(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.slot = SILL__SLOTS, .size = 64}, 64);
}

/* ---- records in the ring ---- */

#define WORD(kind, flags, position) sill__record_word(kind, flags, position)

static void attack_record_kind(struct raw *raw)
{
    raw_record(raw, 0, WORD(99, 0, 0), NULL, 8);
}

static void attack_record_position(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_DATAGRAM, 0, 7), NULL, 8);
}

static void attack_record_beyond_the_ring(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_DATAGRAM, 0, 0), NULL, RAW_RING);
}

static void attack_record_size_overflow(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_DATAGRAM, 0, 0), NULL, UINT32_MAX - 4);
}

static void attack_record_pad(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL__RECORD_PAD, 0, 0), NULL, 24);
}

static void attack_record_whole_pad(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL__RECORD_PAD, 0, 0), NULL, RAW_RING - 8);
}

static void attack_record_without_id(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_REQUEST, 0, 0), NULL, 4);
}

static void attack_record_id_zero(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_REQUEST, 0, 0), "\0\0\0\0\0\0\0\0", 8);
}

static void attack_record_unasked_reply(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_REPLY, 0, 0), "\5\0\0\0\0\0\0\0", 8);
}

static void attack_record_flags(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_DATAGRAM, 128, 0), NULL, 8);
}

static void attack_record_more(struct raw *raw)
{
    const struct sill__described d = {.block = {.size = 64}};
    raw_record(raw, 0, WORD(SILL__RECORD_MORE, SILL__FRAME_DESCRIBED, 0), &d, sizeof d);
}

static void attack_record_abort(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL__RECORD_ABORT, 0, 0), NULL, 0);
}

static void attack_record_described(struct raw *raw)
{
    const struct sill__described d = {.total = 100, .block = {.segment = 1000, .size = 100}};
    raw_record(raw, 0, WORD(SILL_DATAGRAM, SILL__FRAME_DESCRIBED, 0), &d, sizeof d);
}

static void attack_record_huge(struct raw *raw)
{
    const struct sill__described d = {.total = UINT64_C(1) << 60, .block = {.size = 100}};
    raw_record(raw, 0, WORD(SILL_DATAGRAM, SILL__FRAME_DESCRIBED, 0), &d, sizeof d);
}

static void attack_record_old_segment(struct raw *raw)
{
    announce(raw, 0, SEGMENT_SIZE, SEGMENT_SIZE); /* its serial is 0 */
    const struct sill__described d = {.total = 100, .block = {.serial = UINT32_MAX, .size = 100}};
    raw_record(raw, 0, WORD(SILL_DATAGRAM, SILL__FRAME_DESCRIBED, 0), &d, sizeof d);
}

static void attack_record_reply_by_channel(struct raw *raw)
{
    raw_record(raw, 0, WORD(SILL_REPLY, SILL__RECORD_CHANNEL, 0), NULL, 0);
}

static void attack_odd_offset(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.offset = 8, .size = 64}, 64);
}

static void attack_after_close(struct raw *raw)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MORE, .size = 5});
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_CLOSE});
}

#ifndef _WIN32
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void announce_handle(struct raw *raw, int fd, uint64_t claimed)
{
    const sill_handle handle = fd;
    const struct sill__frame head = {.type = SILL__FRAME_SEGMENT, .handles = 1, .total = claimed};
    assert_true(fd >= 0);
    raw_frame(raw, &head, NULL, &handle, 1);
    close(fd);
}

/* Memory that the peer could truncate under us: whoever touched it then would get SIGBUS. */
static void attack_unsealed(struct raw *raw)
{
    int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(0, ftruncate(fd, 64 + SEGMENT_SIZE));
    announce_handle(raw, fd, SEGMENT_SIZE);
}

static void attack_pipe(struct raw *raw)
{
    int ends[2];
    assert_int_equal(0, pipe(ends));
    close(ends[1]);
    announce_handle(raw, ends[0], SEGMENT_SIZE);
}

static void attack_file(struct raw *raw)
{
    announce_handle(raw, open("/etc/passwd", O_RDONLY | O_CLOEXEC), SEGMENT_SIZE);
}

static void attack_flood_of_handles(struct raw *raw)
{
    sill_handle handles[SILL_HANDLES_MAX];
    const struct sill__frame head = {.type = SILL__FRAME_BELL};
    int fd = dup(0);
    for (int i = 0; i < SILL_HANDLES_MAX; i++)
        handles[i] = fd;
    for (int i = 0; i < 8; i++) {
        raw_send(raw, &head, sizeof head, handles, SILL_HANDLES_MAX);
        raw_send(raw, "\1", 1, NULL, 0);
    }
    close(fd);
}
#endif

typedef void attack(struct raw *raw);

static const struct attack_row {
    const char *name;
    attack *run;
    bool descriptors; /* passes them, or files in place of segments */
} attacks[] = {
#define ATTACK(name) {#name, attack_##name, false}
#define ATTACK_WITH_DESCRIPTORS(name) {#name, attack_##name, true}
    ATTACK(noise),           ATTACK(huge_claim),      ATTACK(more_than_said),
    ATTACK(frame_too_large), ATTACK(unasked_reply),   ATTACK(unknown_kind),
    ATTACK(more_of_nothing), ATTACK(message_in_message), ATTACK(second_hello),
    ATTACK(bad_commit),      ATTACK(too_many_handles), ATTACK(missing_handles),
    ATTACK(drop_of_nothing), ATTACK(unknown_segment), ATTACK(far_segment),
    ATTACK(smaller_segment), ATTACK(segment_number),  ATTACK(segment_twice),
    ATTACK(beyond_the_end),  ATTACK(offset_overflow), ATTACK(size_overflow),
    ATTACK(slot),            ATTACK(odd_offset),      ATTACK(after_close),
    ATTACK(record_kind),     ATTACK(record_position), ATTACK(record_beyond_the_ring),
    ATTACK(record_size_overflow), ATTACK(record_pad), ATTACK(record_whole_pad),
    ATTACK(record_without_id), ATTACK(record_id_zero), ATTACK(record_unasked_reply),
    ATTACK(record_flags),    ATTACK(record_more),     ATTACK(record_abort),
    ATTACK(record_described), ATTACK(record_huge),    ATTACK(record_old_segment),
    ATTACK(record_reply_by_channel),
#ifndef _WIN32
    ATTACK_WITH_DESCRIPTORS(unsealed), ATTACK_WITH_DESCRIPTORS(pipe),
    ATTACK_WITH_DESCRIPTORS(file),     ATTACK_WITH_DESCRIPTORS(flood_of_handles),
#endif
};

static bool one_is_broken(void *arg)
{
    struct rig *rig = arg;
    return rig->broken == 1;
}

static bool one_is_closed(void *arg)
{
    struct rig *rig = arg;
    return rig->closed == 1;
}

static void attack_a_server(void **state)
{
    const struct attack_row *row = *state;
    struct rig rig;
    if (row->descriptors)
        rig_needs_handles();
    rig_start(&rig, NULL);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    others_are_served(good);
    struct raw raw;
    raw_connect(&raw, &rig);
    raw_greet(&raw);
    row->run(&raw);
    raw_expect_end(&raw);
    assert_true(support_until(one_is_broken, &rig, SUPPORT_PATIENCE_MS));
    raw_close(&raw);
    others_are_served(good);
    sill_port_close(good);
    assert_true(support_until(one_is_closed, &rig, SUPPORT_PATIENCE_MS));
    rig_stop(&rig);
    assert_int_equal(0, rig.died);
}

static bool one_has_died(void *arg)
{
    struct rig *rig = arg;
    return rig->died == 1;
}

/* Where segments are passed as numbers: one that is none, or none any more, or passed with a message. */
static void numbers_of_segments(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0x7ffffff0, UINT64_MAX, UINT64_C(1) << 32};
    if (rig_passes_handles())
        support_skip("segments of this family are passed as handles");
    for (size_t i = 0; i <= sizeof numbers / sizeof numbers[0]; i++) {
        bool by_message = i == sizeof numbers / sizeof numbers[0];
        struct sill__frame head = {.type = SILL__FRAME_SEGMENT, .handles = 1, .total = SEGMENT_SIZE};
        if (by_message)
            head = (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                        .handles = 1};
        unsigned char bytes[SILL__FRAME_HEAD + 9] = {0};
        struct rig rig;
        struct raw raw;
        rig_start(&rig, NULL);
        raw_connect(&raw, &rig);
        raw_greet(&raw);
        memcpy(bytes, &head, SILL__FRAME_HEAD);
        memcpy(bytes + SILL__FRAME_HEAD, &numbers[by_message ? 0 : i], 8);
        bytes[sizeof bytes - 1] = 1;
        raw_send(&raw, bytes, sizeof bytes, NULL, 0);
        raw_expect_end(&raw);
        assert_true(support_until(i == 0 ? one_has_died : one_is_broken, &rig,
                                  SUPPORT_PATIENCE_MS));
        raw_close(&raw);
        rig_stop(&rig);
    }
}

static void no_handles_are_left(void **state)
{
    for (int round = 0; round < 2; round++) {
        unsigned before = support_handles();
        for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
            *state = (void *)(uintptr_t)&attacks[i];
            if (!attacks[i].descriptors || rig_passes_handles())
                attack_a_server(state);
        }
        if (round > 0)
            assert_int_equal(before, support_handles());
    }
}

static bool has_record(void *arg)
{
    return atomic_load(sill__ring_watch(arg)) != 0;
}

/* A broken reader of our memory harms nobody: it may release what was never sent. */
static void false_releases(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    struct raw raw;
    raw_connect(&raw, &rig);
    raw_greet(&raw);
    struct sill__control *words = sill_region_data(raw.region);
    unsigned char *body = rig_bytes(100000, 3);
    for (uint32_t i = 0; i < SILL__SLOTS; i++)
        atomic_store(&words->released[i], 1);
    const struct sill__control *peer = sill_region_data(raw.peer);
    struct sill__ring_in answers;
    sill__ring_in_init(&answers, peer->ring, peer->ring_size, &words->consumed[0]);
    for (uint32_t i = 0; i < 5; i++) { /* the answers are mapped, into blocks "released" already */
        const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_REQUEST,
                                         .id = i + 1, .size = 100000, .total = 100000};
        raw_send(&raw, &head, sizeof head, NULL, 0);
        raw_send(&raw, body, 100000, NULL, 0);
        raw_send(&raw, "\1", 1, NULL, 0);
        raw_record(&raw, i, WORD(SILL_REQUEST, SILL__RECORD_CHANNEL, i), NULL, 0);
        struct sill__record record;
        assert_true(support_until(has_record, &answers, SUPPORT_PATIENCE_MS));
        support_ok(sill__ring_look(&answers, &record));
        assert_int_equal(SILL__FRAME_DESCRIBED, record.flags);
        sill__ring_skip(&answers, &record);
    }
    free(body);
    raw_close(&raw);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    others_are_served(good);
    sill_port_close(good);
    rig_stop(&rig);
    assert_int_equal(5 + 1, rig.requests);
}

static void send_without_record(struct raw *raw, uint32_t size)
{
    send_head(raw, (struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                        .size = size, .total = size});
}

static void start_with_small_queue(struct rig *rig, struct raw *raw)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.queue_max = 500;
    rig_start(rig, &options);
    raw_connect(raw, rig);
    raw_greet(raw);
}

/* The queue is full of messages that nobody can be given: that ends, whatever the peer does. */
static void messages_without_records(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    start_with_small_queue(&rig, &raw);
    for (int i = 0; i < 3; i++)
        send_without_record(&raw, 1000);
    raw_expect_end(&raw);
    assert_true(support_until(one_is_broken, &rig, SUPPORT_PATIENCE_MS));
    raw_close(&raw);
    rig_stop(&rig);
}

/* One, as a sender leaves behind that dies before it has published the record. */
static void message_without_record(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    start_with_small_queue(&rig, &raw);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    send_without_record(&raw, 1000);
    for (int i = 0; i < 3; i++) /* so the server has read it before the end is there */
        others_are_served(good);
    raw_close(&raw);
    assert_true(support_until(one_has_died, &rig, SUPPORT_PATIENCE_MS));
    sill_port_close(good);
    rig_stop(&rig);
    assert_int_equal(0, rig.broken);
}

enum { ATTACKS = sizeof attacks / sizeof attacks[0] };

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ATTACKS + 8];
    size_t count = 0;
    for (size_t i = 0; i < ATTACKS; i++)
        tests[count++] = (struct CMUnitTest)SUPPORT_TEST_WITH(attacks[i].name, attack_a_server,
                                                             (void *)(uintptr_t)&attacks[i]);
    const struct CMUnitTest more[] = {
        SUPPORT_TEST(numbers_of_segments),
        SUPPORT_TEST(no_handles_are_left),
        SUPPORT_TEST(false_releases),
        SUPPORT_TEST(messages_without_records),
        SUPPORT_TEST(message_without_record),
    };
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        tests[count++] = more[i];
    return support_main(argc, argv, __FILE__, tests, count, NULL, 0);
}
