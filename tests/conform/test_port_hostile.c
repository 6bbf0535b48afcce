/* Hostile peers: what a program may send that speaks the protocol by hand. Whoever breaks it is cut
 * off with SILL_PROTOCOL, at once; the other clients notice nothing; nothing leaks.
 */
#include "port_rig.h"

#include "channel.h"
#include "clock.h"
#include "wire.h"

/* A connection that is used by hand, on the seam below ports. */
struct raw {
    sill__conn *conn;
    sill__wait *wait;
    sill_region *region; /* control words, or a segment */
};

static void raw_open(struct raw *raw, sill__conn *conn)
{
    raw->conn = conn;
    raw->region = NULL;
    support_ok(sill__wait_create(&raw->wait));
    support_ok(conn->ops->watch(conn, raw->wait, raw));
}

static void raw_connect(struct raw *raw, const struct rig *rig)
{
    const struct sill__expect expect = {0};
    sill__conn *conn = NULL;
    support_ok(sill__client_open(&conn, rig->name, NULL, &expect,
                                 sill__deadline(SUPPORT_PATIENCE_MS)));
    raw_open(raw, conn);
}

static void raw_close(struct raw *raw)
{
    raw->conn->ops->close(raw->conn);
    sill__wait_destroy(raw->wait);
    sill_region_close(raw->region);
}

static void raw_sleep(struct raw *raw)
{
    struct sill__event events[4];
    size_t count;
    support_ok(sill__wait_for(raw->wait, sill__deadline(SUPPORT_PATIENCE_MS), events, 4, &count));
}

/* Sends it all, or finds that the other side has hung up already. */
static void raw_send(struct raw *raw, const void *data, size_t size, const sill_handle *handles,
                     unsigned count)
{
    for (size_t done = 0; done < size;) {
        const struct sill__bytes part = {(const char *)data + done, size - done};
        size_t sent = 0;
        int rc = raw->conn->ops->send(raw->conn, &part, 1, handles, done == 0 ? count : 0, &sent);
        if (rc == SILL_DIED)
            return;
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
        done += sent;
    }
}

/* A frame as it should be written, whatever it says. */
static void raw_frame(struct raw *raw, const struct sill__frame *head, const void *body,
                      const sill_handle *handles, unsigned count)
{
    unsigned char bytes[2048] = {0};
    size_t at = SILL__FRAME_HEAD;
    memcpy(bytes, head, SILL__FRAME_HEAD);
    for (unsigned i = 0; i < head->handles; i++, at += 8) {
        uint64_t value = 0;
        if (i < count)
            support_ok(raw->conn->ops->export_handle(raw->conn, handles[i], &value));
        memcpy(bytes + at, &value, 8);
    }
    assert_true(at + head->size + 1 <= sizeof bytes);
    if (head->size > 0)
        memcpy(bytes + at, body, head->size);
    at += head->size;
    bytes[at++] = 1;
    raw_send(raw, bytes, at, handles, count);
}

/* Reads until the other side hangs up. */
static void raw_expect_end(struct raw *raw)
{
    char buffer[4096];
    size_t got;
    int rc;
    while ((rc = raw->conn->ops->recv(raw->conn, buffer, sizeof buffer, &got)) != SILL_DIED) {
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
    }
}

/* Reads at least so many bytes. */
static void raw_read_into(struct raw *raw, char *buffer, size_t capacity, size_t least)
{
    for (size_t have = 0, got = 0; have < least; have += got) {
        got = 0;
        int rc = raw->conn->ops->recv(raw->conn, buffer + have, capacity - have, &got);
        if (rc == SILL_AGAIN)
            raw_sleep(raw);
        else
            support_ok(rc);
    }
}

static void raw_read(struct raw *raw, size_t least)
{
    char buffer[4096];
    raw_read_into(raw, buffer, sizeof buffer, least);
}

/* Reads frames up to the WELCOME, and takes over the handle that comes with it, as a client does. */
static void raw_read_welcome(struct raw *raw)
{
    struct sill__frame head;
    char rest[4096];
    do {
        raw_read_into(raw, (char *)&head, sizeof head, sizeof head);
        assert_in_range(head.handles * 8 + head.size + 1, 1, sizeof rest);
        raw_read_into(raw, rest, head.handles * 8 + head.size + 1,
                      head.handles * 8 + head.size + 1);
    } while (head.type != SILL__FRAME_WELCOME);
    assert_int_equal(1, head.handles);
    uint64_t value;
    sill_handle words = SILL_NO_HANDLE;
    memcpy(&value, rest, sizeof value);
    support_ok(raw->conn->ops->import_handle(raw->conn, value, &words));
    sill__handle_close(words);
}

struct greeting {
    struct sill__frame head;
    struct sill__hello hello;
};

static struct greeting good_hello(void)
{
    const struct greeting g = {
        {.size = sizeof(struct sill__hello), .type = SILL__FRAME_HELLO},
        {.magic = SILL__HELLO_MAGIC, .version = 1, .oldest = 1, .message_max = 1 << 20}};
    return g;
}

static void make_words(struct raw *raw, uint32_t slots)
{
    support_ok(sill_region_create(&raw->region, NULL, sizeof(struct sill__control), NULL));
    struct sill__control *words = sill_region_data(raw->region);
    words->slots = slots;
}

/* Shakes hands in order, with shared memory. */
static void raw_greet(struct raw *raw)
{
    struct greeting g = good_hello();
    sill_handle handle;
    make_words(raw, SILL__SLOTS);
    support_ok(sill_region_handle(raw->region, &handle));
    g.head.handles = 1;
    g.hello.features = SILL__FEATURE_MAP;
    raw_frame(raw, &g.head, &g.hello, &handle, 1);
    raw_read_welcome(raw);
}

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
    sill_region *region = NULL;
    sill_handle handle;
    support_ok(sill_region_create(&region, NULL, size, NULL));
    support_ok(sill_region_handle(region, &handle));
    const struct sill__frame head = {.type = SILL__FRAME_SEGMENT, .id = number, .handles = 1,
                                     .total = claimed};
    raw_frame(raw, &head, NULL, &handle, 1);
    sill_region_close(raw->region);
    raw->region = region;
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
    attack_bounds(raw,
                  (struct sill__descriptor){.offset = UINT64_MAX & ~UINT64_C(63), .size = 128}, 128);
}

static void attack_size_overflow(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.offset = 64, .size = UINT64_MAX - 63}, 1000);
}

static void attack_slot(struct raw *raw)
{
    attack_bounds(raw, (struct sill__descriptor){.slot = SILL__SLOTS, .size = 64}, 64);
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
} attacks[] = {
#define ATTACK(name) {#name, attack_##name}
    ATTACK(noise),           ATTACK(huge_claim),      ATTACK(more_than_said),
    ATTACK(frame_too_large), ATTACK(unasked_reply),   ATTACK(unknown_kind),
    ATTACK(more_of_nothing), ATTACK(message_in_message), ATTACK(second_hello),
    ATTACK(bad_commit),      ATTACK(too_many_handles), ATTACK(missing_handles),
    ATTACK(drop_of_nothing), ATTACK(unknown_segment), ATTACK(far_segment),
    ATTACK(smaller_segment), ATTACK(segment_number),  ATTACK(segment_twice),
    ATTACK(beyond_the_end),  ATTACK(offset_overflow), ATTACK(size_overflow),
    ATTACK(slot),            ATTACK(odd_offset),      ATTACK(after_close),
#ifndef _WIN32
    ATTACK(unsealed),        ATTACK(pipe),            ATTACK(file),
    ATTACK(flood_of_handles),
#endif
};

static void others_are_served(sill_port *port)
{
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
}

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

static bool one_is_dead(void *arg)
{
    struct rig *rig = arg;
    return rig->died == 1;
}

static void attack_a_server(void **state)
{
    const struct attack_row *row = *state;
    struct rig rig;
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

static void no_handles_are_left(void **state)
{
    for (int round = 0; round < 2; round++) {
        unsigned before = support_handles();
        for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
            *state = (void *)(uintptr_t)&attacks[i];
            attack_a_server(state);
        }
        if (round > 0)
            assert_int_equal(before, support_handles());
    }
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
    for (int i = 0; i < 5; i++) { /* the answers are mapped, into blocks "released" already */
        const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_REQUEST,
                                         .id = (uint64_t)i + 1, .size = 100000,
                                         .total = 100000};
        raw_send(&raw, &head, sizeof head, NULL, 0);
        raw_send(&raw, body, 100000, NULL, 0);
        raw_send(&raw, "\1", 1, NULL, 0);
        raw_read(&raw, SILL__FRAME_HEAD + sizeof(struct sill__descriptor) + 1);
    }
    free(body);
    raw_close(&raw);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    others_are_served(good);
    sill_port_close(good);
    rig_stop(&rig);
    assert_int_equal(5 + 1, rig.requests);
}

/* ---- greetings ---- */

static void greet_wrong_magic(struct greeting *g)
{
    g->hello.magic = 1;
}
static void greet_no_version(struct greeting *g)
{
    g->hello.version = 0;
}
static void greet_turned_versions(struct greeting *g)
{
    g->hello.oldest = 9;
}
static void greet_too_short(struct greeting *g)
{
    g->head.size = sizeof(struct sill__hello) - 1;
}
static void greet_map_without_handle(struct greeting *g)
{
    g->hello.features = SILL__FEATURE_MAP;
}
static void greet_with_message(struct greeting *g)
{
    g->head.type = SILL__FRAME_MESSAGE;
    g->head.kind = SILL_DATAGRAM;
    g->head.total = g->head.size;
}
static void greet_like_a_server(struct greeting *g)
{
    g->head.type = SILL__FRAME_WELCOME;
}

typedef void spoil(struct greeting *g);

static spoil *const spoils[] = {greet_wrong_magic,        greet_no_version,   greet_turned_versions,
                                greet_too_short,          greet_map_without_handle,
                                greet_with_message,       greet_like_a_server};

static void bad_greetings(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        struct raw raw;
        struct greeting g = good_hello();
        raw_connect(&raw, &rig);
        spoils[i](&g);
        raw_frame(&raw, &g.head, &g.hello, NULL, 0);
        raw_expect_end(&raw);
        raw_close(&raw);
        others_are_served(good);
    }
    sill_port_close(good);
    rig_stop(&rig);
    assert_int_equal(1, rig.connects);
    assert_int_equal(0, rig.broken); /* none of them was a client */
}

static void wrong_control_words(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    for (int i = 0; i < 2; i++) {
        struct raw raw;
        struct greeting g = good_hello();
        sill_handle handle;
        raw_connect(&raw, &rig);
        if (i == 0)
            make_words(&raw, SILL__SLOTS - 1);
        else
            support_ok(sill_region_create(&raw.region, NULL, 100, NULL));
        support_ok(sill_region_handle(raw.region, &handle));
        g.head.handles = 1;
        g.hello.features = SILL__FEATURE_MAP;
        raw_frame(&raw, &g.head, &g.hello, &handle, 1);
        raw_expect_end(&raw);
        raw_close(&raw);
    }
    rig_stop(&rig);
    assert_int_equal(0, rig.connects);
}

/* A newer client is told which versions there are, and sees it as such. */
static void other_versions(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    struct raw raw;
    struct greeting g = good_hello();
    g.hello.version = g.hello.oldest = SILL__WIRE_VERSION + 1;
    raw_connect(&raw, &rig);
    raw_frame(&raw, &g.head, &g.hello, NULL, 0);
    raw_read(&raw, SILL__FRAME_HEAD + 1); /* a REFUSE */
    raw_expect_end(&raw);
    raw_close(&raw);
    rig_stop(&rig);
    assert_int_equal(0, rig.connects);
}

/* Half a frame and then nothing: it harms nobody, and its end is seen. */
static void half_a_frame(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *good = rig_client(&rig, SILL_PATH_AUTO);
    struct raw raw;
    raw_connect(&raw, &rig);
    raw_greet(&raw);
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE, .kind = SILL_DATAGRAM,
                                     .size = 100000, .total = 100000};
    raw_send(&raw, &head, sizeof head, NULL, 0);
    raw_send(&raw, "half", 4, NULL, 0);
    others_are_served(good);
    raw_close(&raw);
    sill_port_close(good);
    assert_true(support_until(one_is_dead, &rig, SUPPORT_PATIENCE_MS));
    rig_stop(&rig);
    assert_int_equal(0, rig.datagrams);
}

/* ---- hostile servers ---- */

struct bad_server {
    struct sill__named_listen listen;
    unsigned what;
};

static int answer_badly(void *arg)
{
    struct bad_server *bad = arg;
    sill__conn *conn = NULL;
    int64_t end = support_now_ms() + SUPPORT_PATIENCE_MS;
    while (bad->listen.ops->accept(bad->listen.listen, &conn) != 0)
        if (support_now_ms() > end)
            return 1;
        else
            support_sleep_ms(1);
    struct raw raw = {conn, NULL, NULL};
    const struct sill__frame welcome = {.type = SILL__FRAME_WELCOME,
                                        .size = sizeof(struct sill__hello)};
    unsigned char bytes[SILL__FRAME_HEAD + sizeof(struct sill__hello) + 1] = {0};
    memcpy(bytes, &welcome, sizeof welcome);
    bytes[sizeof bytes - 1] = 1;
    if (bad->what == 0)
        memset(bytes, 0xee, sizeof bytes);
    else if (bad->what == 2)
        memcpy(bytes, &(struct sill__frame){.type = SILL__FRAME_MESSAGE, .kind = SILL_REQUEST,
                                            .id = 1, .size = 32, .total = 32},
               SILL__FRAME_HEAD);
    size_t sent = 0;
    const struct sill__bytes part = {bytes, sizeof bytes};
    if (bad->what < 3)
        raw.conn->ops->send(raw.conn, &part, 1, NULL, 0, &sent);
    conn->ops->close(conn);
    return 0;
}

static void bad_servers(void **state)
{
    (void)state;
    static const int expected[] = {SILL_PROTOCOL, SILL_PROTOCOL, SILL_PROTOCOL, SILL_DIED};
    for (unsigned what = 0; what < 4; what++) {
        char name[SUPPORT_NAME_SIZE];
        support_name(name, "bad");
        struct bad_server bad = {.what = what};
        support_ok(sill__listener_open(&bad.listen, name, NULL, SILL_ACCESS_USER));
        struct support_thread *thread = support_thread(answer_badly, &bad);
        sill_port *port = NULL;
        support_status(expected[what], sill_connect(&port, name, NULL));
        assert_null(port);
        assert_int_equal(0, support_join(thread));
        sill__listener_shut(&bad.listen, true);
    }
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
        SUPPORT_TEST(no_handles_are_left), SUPPORT_TEST(false_releases),
        SUPPORT_TEST(bad_greetings),       SUPPORT_TEST(wrong_control_words),
        SUPPORT_TEST(other_versions),      SUPPORT_TEST(half_a_frame),
        SUPPORT_TEST(bad_servers),
    };
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        tests[count++] = more[i];
    return support_main(argc, argv, __FILE__, tests, count, NULL, 0);
}
