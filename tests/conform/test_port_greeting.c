/* Hostile greetings: clients that break off or break the rules before they are clients, and servers
 * that answer with anything.
 */
#include "raw_peer.h"

static bool one_is_dead(void *arg)
{
    struct rig *rig = arg;
    return rig->died == 1;
}

/* ---- clients ---- */

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
            raw.region = raw_region(&raw, 100);
        support_ok(sill_region_handle(raw.region, &handle));
        g.head.handles = 1;
        g.hello.features = SILL__FEATURE_MAP;
        g.hello.ring_size = RAW_RING;
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

/* ---- servers ---- */

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
    struct raw raw = {.conn = conn};
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
        support_ok(sill__listener_open(&bad.listen, rig_channel(), name, NULL, SILL_ACCESS_USER));
        struct support_thread *thread = support_thread(answer_badly, &bad);
        sill_port *port = NULL;
        support_status(expected[what], sill_connect(&port, name, NULL));
        assert_null(port);
        assert_int_equal(0, support_join(thread));
        sill__listener_shut(&bad.listen, true);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(bad_greetings),  SUPPORT_TEST(wrong_control_words),
        SUPPORT_TEST(other_versions), SUPPORT_TEST(half_a_frame),
        SUPPORT_TEST(bad_servers),
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
