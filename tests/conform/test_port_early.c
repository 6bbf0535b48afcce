/* Large messages wake their receiver while they are still being written: who asks for that by an
 * odd `want` is rung before the bytes are there, and who looks is told by `soon` not to go to
 * sleep. The peer is played by hand, so that each word and frame is seen.
 */
#include "raw_peer.h"

enum { LARGE = 1 << 20, OURS = 7 };

struct sides {
    struct rig rig;
    struct raw raw;
    sill_port *port; /* the server's end of the connection with `raw` */
};

static int dial_raw(void *arg)
{
    struct sides *s = arg;
    raw_connect(&s->raw, &s->rig);
    raw_greet(&s->raw);
    return 0;
}

static void sides_open(struct sides *s, uint64_t spin_ns)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_policy policy = SILL_POLICY_INIT;
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.spin_ns = spin_ns;
    options.policy = &policy;
    rig_listen(&s->rig, &options);
    struct support_thread *thread = support_thread(dial_raw, s);
    support_ok(sill_server_receive(s->rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_CONNECT, m.type);
    support_ok(sill_accept(s->rig.server, &m, NULL, NULL, 0, &s->port));
    assert_int_equal(0, support_join(thread));
}

static void sides_close(struct sides *s)
{
    raw_close(&s->raw);
    sill_server_close(s->rig.server);
}

static struct sill__control *words_of(const struct sides *s)
{
    return sill_region_data(s->raw.region);
}

static const struct sill__control *words_of_port(const struct sides *s)
{
    return sill_region_data(s->raw.peer);
}

/* The type of the next frame; its handles are dropped. */
static unsigned next_frame(struct raw *raw)
{
    struct sill__frame head;
    char rest[1024];
    sill_handle handle = SILL_NO_HANDLE;
    uint64_t value;
    raw_read_into(raw, (char *)&head, sizeof head, sizeof head);
    assert_in_range(head.handles * 8 + head.size + 1, 1, sizeof rest);
    raw_read_into(raw, rest, head.handles * 8 + head.size + 1, head.handles * 8 + head.size + 1);
    memcpy(&value, rest, sizeof value);
    if (head.handles > 0) {
        support_ok(raw->conn->ops->import_handle(raw->conn, value, &handle));
        sill__conn_close_handle(raw->conn->ops, handle);
    }
    return head.type;
}

/* The frames that a large message makes at a peer whose `want` is this: a new segment is announced
 * when its first block is full, so what comes before was sent earlier. */
static void expect_frames(uint64_t spin_ns, uint32_t want, unsigned flags, unsigned first,
                          unsigned second)
{
    struct sides s;
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    unsigned char *bytes = rig_bytes(LARGE, 1);
    sides_open(&s, spin_ns);
    atomic_store(&words_of(&s)->want, want);
    options.flags = flags;
    support_ok(sill_send_with(s.port, bytes, LARGE, &options, SUPPORT_PATIENCE_MS));
    assert_int_equal(0, atomic_load(&words_of_port(&s)->soon));
    assert_int_equal(first, next_frame(&s.raw));
    if (second != 0)
        assert_int_equal(second, next_frame(&s.raw));
    free(bytes);
    sides_close(&s);
}

static void rung_while_it_is_written(void **state)
{
    (void)state;
    expect_frames(1000, OURS, 0, SILL__FRAME_BELL, SILL__FRAME_SEGMENT);
}

static void rung_behind_it(void **state)
{
    (void)state;
    /* the receiver would not look; the sender is not to take its processor; more is coming */
    expect_frames(1000, OURS + 1, 0, SILL__FRAME_SEGMENT, SILL__FRAME_BELL);
    expect_frames(0, OURS, 0, SILL__FRAME_SEGMENT, SILL__FRAME_BELL);
    expect_frames(1000, OURS, SILL_SEND_MORE, SILL__FRAME_SEGMENT, 0);
}

/* Once for each value: early, and again if the receiver went back to sleep meanwhile. */
static void rung_once(void **state)
{
    (void)state;
    struct sides s;
    unsigned char *bytes = rig_bytes(LARGE, 2);
    sides_open(&s, 1000);
    atomic_store(&words_of(&s)->want, OURS);
    support_ok(sill_send(s.port, bytes, LARGE, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL__FRAME_BELL, next_frame(&s.raw));
    assert_int_equal(SILL__FRAME_SEGMENT, next_frame(&s.raw));
    support_ok(sill_send(s.port, "x", 1, SUPPORT_PATIENCE_MS)); /* not for this one */
    atomic_store(&words_of(&s)->want, OURS + 2);
    support_ok(sill_send(s.port, "y", 1, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL__FRAME_BELL, next_frame(&s.raw));
    char byte;
    size_t got;
    support_status(SILL_AGAIN, s.raw.conn->ops->recv(s.raw.conn, &byte, 1, &got));
    free(bytes);
    sides_close(&s);
}

static int receive_one(void *arg)
{
    struct sides *s = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int status = sill_server_receive(s->rig.server, &m, SUPPORT_PATIENCE_MS);
    if (status == SILL_OK && (m.type != SILL_DATAGRAM || m.size != 4))
        status = SILL_INVALID;
    sill_release(&m);
    return status;
}

static bool sleeps(void *arg)
{
    return atomic_load(&words_of_port(arg)->want) != 0;
}

static void send_record(struct sides *s)
{
    raw_record(&s->raw, 0, sill__record_word(SILL_DATAGRAM, 0, 0), "four", 4);
}

/* What a sleeper asks for, and that it is woken. */
static void expect_want(uint64_t spin_ns, bool odd)
{
    struct sides s;
    sides_open(&s, spin_ns);
    struct support_thread *thread = support_thread(receive_one, &s);
    assert_true(support_until(sleeps, &s, SUPPORT_PATIENCE_MS));
    assert_int_equal(odd, atomic_load(&words_of_port(&s)->want) % 2);
    send_record(&s);
    assert_int_equal(SILL_OK, support_join(thread));
    sides_close(&s);
}

static void who_looks_asks_for_it(void **state)
{
    (void)state;
    expect_want(1000, true);
    expect_want(0, false);
}

static void event_loops_do_not(void **state)
{
    (void)state;
    struct sides s;
    sill_handle handle;
    sill_message m = SILL_MESSAGE_INIT;
    rig_needs_pollable();
    sides_open(&s, 1000);
    support_ok(sill_server_pollable(s.rig.server, &handle));
    support_status(SILL_AGAIN, sill_server_receive(s.rig.server, &m, 0));
    assert_int_not_equal(0, atomic_load(&words_of_port(&s)->want));
    assert_int_equal(0, atomic_load(&words_of_port(&s)->want) % 2);
    sides_close(&s);
}

/* A peer that promises for ever, with bells, keeps nobody: times are kept, and what comes comes. */
static void promises_for_ever(void **state)
{
    (void)state;
    const struct sill__frame bell = {.type = SILL__FRAME_BELL};
    struct sides s;
    sill_message m = SILL_MESSAGE_INIT;
    sides_open(&s, 1000);
    atomic_store(&words_of(&s)->soon, UINT32_MAX);
    for (int i = 0; i < 20; i++) {
        raw_frame(&s.raw, &bell, NULL, NULL, 0);
        support_status(SILL_TIMEOUT, sill_server_receive(s.rig.server, &m, 1 + i % 3));
    }
    struct support_thread *thread = support_thread(receive_one, &s);
    assert_true(support_until(sleeps, &s, SUPPORT_PATIENCE_MS)); /* in spite of it */
    send_record(&s);
    assert_int_equal(SILL_OK, support_join(thread));
    sides_close(&s);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(rung_while_it_is_written),
    SUPPORT_TEST(rung_behind_it),
    SUPPORT_TEST(rung_once),
    SUPPORT_TEST(who_looks_asks_for_it),
    SUPPORT_TEST(event_loops_do_not),
    SUPPORT_TEST(promises_for_ever),
};
SUPPORT_MAIN_ALONE(tests)
