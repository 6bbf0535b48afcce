/* Frames queued for a peer that does not read: they stay in step, and they stay bounded. When it is
 * said that handles were taken.
 */
#include "support.h"

#include "status.h"
#include "stream.h"

/* A connection that takes what it is told to and keeps what it was given. */
struct sink {
    sill__conn base;
    size_t takes; /* bytes, then it says AGAIN */
    size_t have;
    unsigned char bytes[4096];
};

static int sink_send(sill__conn *conn, const struct sill__bytes *parts, unsigned count,
                     const sill_handle *handles, unsigned handle_count, size_t *sent)
{
    struct sink *sink = (struct sink *)conn;
    (void)count;
    (void)handles;
    (void)handle_count;
    if (sink->takes == 0)
        return SILL_AGAIN;
    size_t size = parts[0].size < sink->takes ? parts[0].size : sink->takes;
    for (size_t i = 0; i < size; i++)
        sink->bytes[sink->have++ % sizeof sink->bytes] = ((const unsigned char *)parts[0].data)[i];
    sink->takes -= size;
    *sent = size;
    return SILL_OK;
}

static void sink_close(sill__conn *conn)
{
    (void)conn;
}

static const struct sill__channel_ops sink_ops = {
    .name = "sink", .send = sink_send, .close = sink_close};

static void open_sink(struct sill__stream *stream, struct sink *sink)
{
    static const struct sill__stream_user nobody;
    memset(sink, 0, sizeof *sink);
    sink->base.ops = &sink_ops;
    sill__stream_init(stream, &sink->base, &nobody, 0);
}

/* A peer that calls for answers and reads none is cut off. */
static void nothing_is_read(void **state)
{
    (void)state;
    struct sill__stream stream;
    struct sink sink;
    open_sink(&stream, &sink);
    const struct sill__frame bell = {.type = SILL__FRAME_BELL};
    int rc;
    unsigned queued = 0;
    while ((rc = sill__stream_control(&stream, &bell, NULL, 0)) == SILL_AGAIN && queued < 1000000)
        queued++;
    support_status(SILL_PROTOCOL, rc);
    assert_in_range(queued, 1000, 100000);
    sill__stream_shut(&stream);
}

/* One that reads slowly, so that the queue is never empty, costs no more than what waits. */
static void always_a_little_behind(void **state)
{
    (void)state;
    struct sill__stream stream;
    struct sink sink;
    open_sink(&stream, &sink);
    const size_t frame = SILL__FRAME_HEAD + 1;
    struct sill__frame cancel = {.type = SILL__FRAME_CANCEL};
    for (uint64_t i = 0; i < 20000; i++) {
        cancel.id = i;
        sink.takes = i < 10 ? 0 : frame;
        support_status(SILL_AGAIN, sill__stream_control(&stream, &cancel, NULL, 0));
        assert_in_range(sill__stream_queued(&stream), frame, 11 * frame);
        assert_in_range(stream.out_capacity, frame, 4096);
        if (i < 10)
            continue;
        uint64_t id; /* of the frame that went out */
        for (size_t b = 0; b < sizeof id; b++)
            ((unsigned char *)&id)[b] = sink.bytes[(sink.have - frame + 8 + b) % sizeof sink.bytes];
        assert_true(id == i - 10);
    }
    sill__stream_shut(&stream);
}

/* ---- handles that are kept until the peer has taken them ---- */

static int hand_over(sill__conn *conn, uint64_t value, sill_handle *out)
{
    (void)conn;
    *out = (sill_handle)value;
    return SILL_OK;
}

/* Gives the one frame that lies in `bytes`, then says that the peer is gone. */
static int give_frame(sill__conn *conn, void *buffer, size_t capacity, size_t *got)
{
    struct sink *sink = (struct sink *)conn;
    if (sink->have == 0)
        return SILL_DIED;
    assert_in_range(sink->have, 1, capacity);
    memcpy(buffer, sink->bytes, sink->have);
    *got = sink->have;
    sink->have = 0;
    return SILL_OK;
}

struct opener {
    struct sill__stream *stream;
    const struct sink *sink;
    size_t answered; /* bytes, when the handles were handed over */
    unsigned handles;
};

static int begin_any(void *arg, const struct sill__frame *head, void **body)
{
    (void)arg;
    (void)head;
    (void)body;
    return SILL_OK;
}

static int open_handles(void *arg, const struct sill__frame *head, const sill_handle *handles,
                        bool good)
{
    struct opener *opener = arg;
    assert_true(good);
    assert_int_equal(4711, handles[0]);
    opener->handles += head->handles;
    opener->answered = opener->sink->have + sill__stream_queued(opener->stream);
    return SILL_OK;
}

/* Whoever passed a handle may be gone as soon as it hears TAKEN, and what was passed with it: it is
 * not told before whoever wants it has opened it. */
static void taken_is_said_last(void **state)
{
    (void)state;
    static const struct sill__channel_ops ops = {.name = "kept",
                                                 .caps = SILL__CHANNEL_TAKEN,
                                                 .send = sink_send,
                                                 .recv = give_frame,
                                                 .import_handle = hand_over,
                                                 .close = sink_close};
    struct sink sink = {.base = {&ops}, .takes = sizeof sink.bytes};
    struct sill__stream stream;
    struct opener opener = {.stream = &stream, .sink = &sink};
    const struct sill__stream_user user = {begin_any, open_handles, &opener};
    const struct sill__frame segment = {
        .type = SILL__FRAME_SEGMENT, .handles = 1, .total = 4096, .word = 1};
    const uint64_t value = 4711;
    unsigned char scratch[256];
    memcpy(sink.bytes, &segment, sizeof segment);
    memcpy(sink.bytes + sizeof segment, &value, sizeof value);
    sink.bytes[sizeof segment + sizeof value] = 1;
    sink.have = sizeof segment + sizeof value + 1;
    sill__stream_init(&stream, &sink.base, &user, 0);
    support_ok(sill__stream_read(&stream, 1, scratch, sizeof scratch));
    assert_int_equal(1, opener.handles);
    assert_int_equal(0, opener.answered);
    assert_int_equal(SILL__FRAME_HEAD + 1, sink.have);
    struct sill__frame answer;
    memcpy(&answer, sink.bytes, sizeof answer);
    assert_int_equal(SILL__FRAME_TAKEN, answer.type);
    assert_int_equal(1, answer.word);
    sill__stream_shut(&stream);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(taken_is_said_last),
        SUPPORT_TEST(nothing_is_read),
        SUPPORT_TEST(always_a_little_behind),
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
