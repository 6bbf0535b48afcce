/* Ports over their rings: order between ways and lanes, messages in place, bells that are held back,
 * room that runs out and comes back, event loops, many clients.
 */
#include "port_rig.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <sys/resource.h>
#endif

static void send_numbered(sill_port *port, uint32_t number, size_t size, int path, unsigned flags)
{
    unsigned char *bytes = rig_bytes(size, number);
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = path;
    options.flags = flags;
    memcpy(bytes, &number, sizeof number);
    support_ok(sill_send_with(port, bytes, size, &options, SUPPORT_PATIENCE_MS));
    free(bytes);
}

/* The message is whole, and its number is told. */
static uint32_t number_of(const sill_message *m)
{
    uint32_t number;
    assert_in_range(m->size, sizeof number, 1 << 30);
    memcpy(&number, m->data, sizeof number);
    unsigned char *bytes = rig_bytes(m->size, number);
    memcpy(bytes, &number, sizeof number);
    assert_memory_equal(bytes, m->data, m->size);
    free(bytes);
    return number;
}

static uint32_t next_number(struct pair *p, int path)
{
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(p->rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_DATAGRAM, m.type);
    if (path != SILL_PATH_AUTO)
        assert_int_equal(path, m.path);
    uint32_t number = number_of(&m);
    sill_release(&m);
    return number;
}

static const struct way {
    size_t size;
    int path; /* asked for, and taken */
} ways[] = {{8, SILL_PATH_INLINE},       {3000, SILL_PATH_CHANNEL}, {100, SILL_PATH_INLINE},
            {5000, SILL_PATH_MAPPED},    {64, SILL_PATH_INLINE},    {200000, SILL_PATH_CHANNEL},
            {3000000, SILL_PATH_ROUNDS}, {4000, SILL_PATH_INLINE},  {100000, SILL_PATH_MAPPED},
            {20, SILL_PATH_CHANNEL}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static int send_all_ways(void *arg)
{
    struct pair *p = arg;
    for (uint32_t i = 0; i < 50; i++)
        send_numbered(p->client, i, ways[i % WAYS].size, ways[i % WAYS].path, 0);
    return 0;
}

/* One order for all messages, whatever way each goes. */
static void order_over_all_ways(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    struct support_thread *thread = support_thread(send_all_ways, &p);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(i, next_number(&p, ways[i % WAYS].path));
    assert_int_equal(0, support_join(thread));
    pair_close(&p);
}

/* Urgent messages overtake what waits, of whatever size, and keep their own order. */
static void urgent_overtakes(void **state)
{
    (void)state;
    static const struct way urgent[] = {{8, SILL_PATH_INLINE},     {100, SILL_PATH_INLINE},
                                        {1000, SILL_PATH_MAPPED},  {20, SILL_PATH_CHANNEL},
                                        {9000, SILL_PATH_CHANNEL}, {70000, SILL_PATH_MAPPED},
                                        {300000, SILL_PATH_ROUNDS}};
    enum { URGENT = sizeof urgent / sizeof urgent[0] };
    struct pair p;
    pair_open(&p, NULL);
    for (uint32_t i = 0; i < 5; i++)
        send_numbered(p.client, 100 + i, i % 2 == 0 ? 8 : 100000, SILL_PATH_AUTO, 0);
    for (uint32_t i = 0; i < URGENT; i++)
        send_numbered(p.client, i, urgent[i].size,
                      urgent[i].size == 1000 ? SILL_PATH_AUTO : urgent[i].path, SILL_SEND_URGENT);
    for (uint32_t i = 0; i < URGENT; i++)
        assert_int_equal(i, next_number(&p, urgent[i].path));
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(100 + i, next_number(&p, SILL_PATH_AUTO));
    pair_close(&p);
}

/* The same without shared memory: what was read already is overtaken. */
static void urgent_by_the_channel(void **state)
{
    (void)state;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    struct pair p;
    pair_open(&p, &options);
    send_numbered(p.client, 10, 8, SILL_PATH_AUTO, 0);
    send_numbered(p.client, 11, 8, SILL_PATH_AUTO, 0);
    send_numbered(p.client, 0, 8, SILL_PATH_AUTO, SILL_SEND_URGENT);
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_TIMEOUT, sill_call(p.server_end, "?", 1, &m, 20)); /* reads what came */
    assert_int_equal(0, next_number(&p, SILL_PATH_CHANNEL));
    assert_int_equal(10, next_number(&p, SILL_PATH_CHANNEL));
    assert_int_equal(11, next_number(&p, SILL_PATH_CHANNEL));
    pair_close(&p);
}

/* How many datagrams of 100 bytes fit until there is no more room. */
static unsigned fill(struct pair *p)
{
    unsigned char bytes[100] = {0};
    unsigned count = 0;
    while (sill_send(p->client, bytes, sizeof bytes, 0) == 0)
        count++;
    return count;
}

static unsigned drain_all(struct pair *p, sill_message *held, unsigned capacity)
{
    unsigned count = 0;
    while (count < capacity) {
        int rc = sill_server_receive(p->rig.server, &held[count], 0);
        if (rc == SILL_AGAIN)
            break;
        support_ok(rc);
        assert_int_equal(SILL_PATH_INLINE, held[count].path);
        assert_int_equal(1, held[count].copies);
        count++;
    }
    return count;
}

/* Messages are released in any order, and all of the ring comes back; what is held is not
 * overwritten. */
static void released_in_any_order(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    static sill_message held[MOST];
    struct pair p;
    pair_open(&p, NULL);
    unsigned fits = fill(&p);
    unsigned most = fits;
    assert_in_range(most, 50, MOST - 10);
    for (unsigned round = 0; round < 6; round++) {
        assert_int_equal(fits, drain_all(&p, held, MOST));
        sill_port_statistics s = {.struct_size = sizeof s};
        support_ok(sill_port_get_statistics(p.server_end, &s));
        assert_int_equal(fits, s.unreleased);
        assert_int_equal(0, fill(&p)); /* all of it is held */
        for (unsigned i = 0; i < fits; i++)
            sill_release(&held[round % 2 == 0 ? fits - 1 - i : (i * 7 + round) % fits]);
        for (unsigned i = 0; i < fits; i++)
            sill_release(&held[i]);
        unsigned again = fill(&p);
        /* padding lies elsewhere, and an eighth of the ring may not have been told yet */
        assert_in_range(again, most - most / 8 - 2, most + 2);
        fits = again;
    }
    pair_close(&p);
}

/* A message in place outlives its port, its server and its sender. */
static void in_place_after_the_end(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    send_numbered(p.client, 7, 1000, SILL_PATH_INLINE, 0);
    send_numbered(p.server_end, 8, 1000, SILL_PATH_INLINE, 0);
    sill_message up = SILL_MESSAGE_INIT, down = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(p.rig.server, &up, SUPPORT_PATIENCE_MS));
    support_ok(sill_receive(p.client, &down, SUPPORT_PATIENCE_MS));
    pair_close(&p);
    assert_int_equal(7, number_of(&up));
    assert_int_equal(8, number_of(&down));
    sill_release(&up);
    sill_release(&down);
}

static int call_numbered(void *arg)
{
    struct pair *p = arg;
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call(p->client, "question", 8, &reply, SUPPORT_PATIENCE_MS);
    if (rc == 0 && (reply.size != 6 || memcmp(reply.data, "answer", 6) != 0 || reply.copies != 1))
        rc = SILL_OS;
    sill_release(&reply);
    return rc;
}

/* A request that was copied out can still be answered, one that is let go is refused. */
static void request_copied_out(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    for (int answered = 1; answered >= 0; answered--) {
        struct support_thread *thread = support_thread(call_numbered, &p);
        sill_message m = SILL_MESSAGE_INIT;
        char copy[8];
        support_ok(sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
        support_status(SILL_TOO_BIG, sill_receive_into(&m, copy, 7));
        support_ok(sill_receive_into(&m, copy, sizeof copy));
        assert_int_equal(2, m.copies);
        assert_memory_equal("question", copy, 8);
        if (answered)
            support_ok(sill_reply(&m, "answer", 6));
        sill_release(&m);
        assert_int_equal(answered ? 0 : SILL_REFUSED, support_join(thread));
    }
    pair_close(&p);
}

/* Datagrams that come before a reply are kept for whoever receives. */
static void put_aside_for_others(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "D", 1, &m, SUPPORT_PATIENCE_MS));
    sill_release(&m);
    static const char *const expected[] = {"one", "two"};
    for (int i = 0; i < 2; i++) {
        support_ok(sill_receive(port, &m, SUPPORT_PATIENCE_MS));
        assert_memory_equal(expected[i], m.data, 3);
    }
    support_status(SILL_AGAIN, sill_receive(port, &m, 0));
    sill_port_close(port);
    rig_stop(&rig);
}

static int receive_one(void *arg)
{
    struct pair *p = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc = sill_server_receive(p->rig.server, &m, SUPPORT_PATIENCE_MS);
    sill_release(&m);
    return rc;
}

/* A bell that is held back rings when its sender waits, sends on, or closes. */
static void bell_is_held_back(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct pair p;
        pair_open(&p, NULL);
        struct support_thread *thread = support_thread(receive_one, &p);
        send_numbered(p.client, 1, 8, SILL_PATH_AUTO, SILL_SEND_MORE);
        sill_message m = SILL_MESSAGE_INIT;
        if (how == 0)
            support_status(SILL_AGAIN, sill_receive(p.client, &m, 0));
        else if (how == 1)
            send_numbered(p.client, 2, 8, SILL_PATH_AUTO, 0);
        else
            sill_port_close(p.client);
        assert_int_equal(0, support_join(thread));
        if (how == 2)
            p.client = NULL;
        pair_close(&p);
    }
}

static int send_stream(void *arg)
{
    struct pair *p = arg;
    for (uint32_t i = 0; i < 20000; i++) {
        unsigned char bytes[300] = {0};
        memcpy(bytes, &i, sizeof i);
        int rc = sill_send(p->client, bytes, 4 + i % 296, SUPPORT_PATIENCE_MS);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A full ring stops its sender and starts it again, many times round. */
static void many_rounds(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.ring_size = 4096;
    policy.inline_max = 1024;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    struct pair p;
    pair_open(&p, &options);
    struct support_thread *thread = support_thread(send_stream, &p);
    sill_message m = SILL_MESSAGE_INIT;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t number;
        support_ok(sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
        assert_int_equal(4 + i % 296, m.size);
        memcpy(&number, m.data, sizeof number);
        assert_int_equal(i, number);
    }
    sill_release(&m);
    assert_int_equal(0, support_join(thread));
    pair_close(&p);
}

/* A message that is held for long does not stop those behind it, though the ring cannot be used again
 * before it is released: they come by the channel, in order, and by the ring again afterwards. */
static void held_for_long(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, NULL);
    sill_message m = SILL_MESSAGE_INIT, held = SILL_MESSAGE_INIT;
    send_numbered(p.client, 7, 1000, SILL_PATH_INLINE, 0);
    support_ok(sill_server_receive(p.rig.server, &held, SUPPORT_PATIENCE_MS));
    struct support_thread *thread = support_thread(send_stream, &p);
    unsigned by_channel = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t number;
        support_ok(sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
        assert_int_equal(4 + i % 296, m.size);
        memcpy(&number, m.data, sizeof number);
        assert_int_equal(i, number);
        by_channel += m.path == SILL_PATH_CHANNEL;
        if (i == 15000) {
            assert_int_equal(7, number_of(&held));
            sill_release(&held);
        }
    }
    assert_int_equal(0, support_join(thread));
    assert_in_range(by_channel, 1, 19999);
    sill_release(&m);
    for (uint32_t i = 0; i < 50; i++) { /* all ways still have one order */
        send_numbered(p.client, i, 100, SILL_PATH_AUTO, 0);
        assert_int_equal(i, next_number(&p, i > 2 ? SILL_PATH_INLINE : SILL_PATH_AUTO));
    }
    pair_close(&p);
}

static bool is_ready(sill_handle handle, int timeout_ms)
{
#ifdef _WIN32
    return WaitForSingleObject((HANDLE)handle, (DWORD)timeout_ms) == WAIT_OBJECT_0;
#else
    struct pollfd look = {(int)handle, POLLIN, 0};
    return poll(&look, 1, timeout_ms) == 1;
#endif
}

/* In an event loop: whoever was told AGAIN is woken by what the ring gets next. */
static void event_loop(void **state)
{
    (void)state;
    struct pair p;
    sill_handle handle;
    sill_message m = SILL_MESSAGE_INIT;
    rig_needs_pollable();
    pair_open(&p, NULL);
    support_ok(sill_port_pollable(p.client, &handle));
    for (int i = 0; i < 200; i++) {
        int rc;
        while ((rc = sill_receive(p.client, &m, 0)) == 0)
            ;
        assert_int_equal(SILL_AGAIN, rc);
        support_ok(sill_send(p.server_end, "x", 1, SUPPORT_PATIENCE_MS));
        do
            assert_true(is_ready(handle, SUPPORT_PATIENCE_MS));
        while ((rc = sill_receive(p.client, &m, 0)) == SILL_AGAIN);
        support_ok(rc);
    }
    sill_release(&m);
    pair_close(&p);
}

/* Calls of many clients at once; most of them idle in between. */
static void a_crowd(void **state)
{
    (void)state;
    enum { CROWD = 150 };
#ifndef _WIN32
    struct rlimit limit;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur < CROWD * 12 + 100)
        support_skip("this process may not open enough descriptors");
#endif
    static sill_port *ports[CROWD];
    struct rig rig;
    sill_message m = SILL_MESSAGE_INIT;
    rig_start(&rig, NULL);
    for (int i = 0; i < CROWD; i++)
        ports[i] = rig_client(&rig, SILL_PATH_AUTO);
    for (int i = 0; i < 20 * CROWD; i++) {
        sill_port *port = ports[i % 3 == 0 ? i % CROWD : 5]; /* one is busier */
        support_ok(sill_call(port, "!", 1, &m, SUPPORT_PATIENCE_MS));
    }
    sill_release(&m);
    for (int i = 0; i < CROWD; i++)
        sill_port_close(ports[i]);
    rig_stop(&rig);
    assert_int_equal(20 * CROWD, rig.requests);
}

/* What waits in a ring for somebody who does not come must not keep a sender from hearing that the
 * channel has room again. */
static int send_20_mb(void *arg)
{
    unsigned char *bytes = rig_bytes(20000000, 3);
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    int rc = sill_send_with(arg, bytes, 20000000, &options, SUPPORT_PATIENCE_MS);
    free(bytes);
    return rc;
}

static void writer_beside_a_full_ring(void **state)
{
    (void)state;
    static const int spins[] = {0, 50000};
    for (size_t i = 0; i < 2; i++) {
        struct pair p;
        sill_policy policy = SILL_POLICY_INIT;
        sill_port_options options = SILL_PORT_OPTIONS_INIT;
        sill_message m = SILL_MESSAGE_INIT;
        support_ok(sill_policy_defaults(&policy));
        policy.spin_ns = (uint64_t)spins[i];
        options.policy = &policy;
        pair_open(&p, &options);
        for (uint32_t number = 0; number < 20; number++)
            send_numbered(p.server_end, number, 100, SILL_PATH_INLINE, 0);
        struct support_thread *thread = support_thread(send_20_mb, p.client);
        support_ok(sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
        assert_int_equal(20000000, m.size);
        sill_release(&m);
        assert_int_equal(0, support_join(thread));
        for (uint32_t number = 0; number < 20; number++) {
            support_ok(sill_receive(p.client, &m, SUPPORT_PATIENCE_MS));
            assert_int_equal(number, number_of(&m));
        }
        sill_release(&m);
        pair_close(&p);
    }
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(order_over_all_ways),    SUPPORT_TEST(urgent_overtakes),
    SUPPORT_TEST(urgent_by_the_channel),  SUPPORT_TEST(released_in_any_order),
    SUPPORT_TEST(in_place_after_the_end), SUPPORT_TEST(request_copied_out),
    SUPPORT_TEST(put_aside_for_others),   SUPPORT_TEST(bell_is_held_back),
    SUPPORT_TEST(many_rounds),            SUPPORT_TEST(held_for_long),
    SUPPORT_TEST(event_loop),
    SUPPORT_TEST(writer_beside_a_full_ring),
    SUPPORT_TEST(a_crowd),
};

SUPPORT_MAIN_ALONE(tests)
