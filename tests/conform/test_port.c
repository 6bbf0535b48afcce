/* Ports: the semantics of LPC, over this platform's channel and regions. */
#include "port_rig.h"

static void echo(sill_port *port, size_t size, int timeout_ms, sill_message *reply)
{
    unsigned char *bytes = rig_bytes(size, (unsigned)size);
    support_ok(sill_call(port, size > 0 ? bytes : NULL, size, reply, timeout_ms));
    assert_int_equal(size, reply->size);
    assert_true(size == 0 || memcmp(bytes, reply->data, size) == 0);
    assert_int_equal(SILL_REPLY, reply->type);
    free(bytes);
}

static void connect_data(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_message answer = SILL_MESSAGE_INIT;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.answer = &answer;
    options.data = "yes";
    options.size = 3;
    sill_port *port = NULL;
    support_ok(sill_connect(&port, rig.name, &options));
    assert_int_equal(5, answer.size);
    assert_memory_equal("hello", answer.data, 5);
    sill_peer peer;
    support_ok(sill_port_peer(port, &peer));
    assert_true(peer.pid != 0);
    sill_release(&answer);
    sill_port *refused = NULL;
    options.data = "no";
    options.size = 2;
    support_status(SILL_REFUSED, sill_connect(&refused, rig.name, &options));
    assert_null(refused);
    assert_int_equal(7, answer.size);
    assert_memory_equal("go away", answer.data, 7);
    sill_release(&answer);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(2, rig.connects);
}

static void connect_fails(void **state)
{
    (void)state;
    sill_port *port = NULL;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "nobody");
    support_status(SILL_NOT_FOUND, sill_connect(&port, name, NULL));
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.wait_for_server = 1;
    options.timeout_ms = 30;
    support_status(SILL_TIMEOUT, sill_connect(&port, name, &options));
    support_status(SILL_INVALID, sill_connect(&port, "no/slash", NULL));
    support_status(SILL_INVALID, sill_connect(&port, "", NULL));
    options.struct_size = 3;
    support_status(SILL_INVALID, sill_connect(&port, name, &options));
    assert_null(port);

    sill_server *server = NULL, *second = NULL;
    support_ok(sill_listen(&server, name, NULL));
    support_status(SILL_EXISTS, sill_listen(&second, name, NULL));
    /* nobody receives: the server does not decide */
    sill_port_options brief = SILL_PORT_OPTIONS_INIT;
    brief.timeout_ms = 50;
    support_status(SILL_TIMEOUT, sill_connect(&port, name, &brief));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_AGAIN, sill_server_receive(server, &m, 0));
    sill_server_close(server);
    support_status(SILL_NOT_FOUND, sill_connect(&port, name, NULL));
}

/* Every size arrives as it was, by the path that the policy says, and says so. */
static void sizes_and_paths(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,      100,     4095,    4096,    65535,   65536,
                                   65537, 131072, 131073,  1 << 20, 3000000, 64 << 20};
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_port_traits traits = {.struct_size = sizeof traits};
    support_ok(sill_port_get_traits(port, &traits));
    assert_true((traits.can & SILL_CAN_MAP) != 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        sill_message reply = SILL_MESSAGE_INIT;
        echo(port, sizes[i], SUPPORT_PATIENCE_MS, &reply);
        assert_int_equal(sill_policy_pick(&traits.policy, sizes[i], traits.can, NULL), reply.path);
        assert_int_equal(reply.path == SILL_PATH_CHANNEL ? 2 : 1, reply.copies);
        sill_release(&reply);
    }
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    assert_int_equal(sizeof sizes / sizeof sizes[0],
                     s.sent[SILL_PATH_CHANNEL].messages + s.sent[SILL_PATH_INLINE].messages +
                         s.sent[SILL_PATH_MAPPED].messages);
    assert_int_equal(s.received[SILL_PATH_MAPPED].messages, s.sent[SILL_PATH_MAPPED].messages);
    assert_int_equal(s.sent[SILL_PATH_MAPPED].bytes, s.received[SILL_PATH_MAPPED].bytes);
    assert_int_equal(0, s.fallbacks);
    assert_int_equal(0, s.unreleased);
    assert_true(s.segments >= 1 && s.peer_segments >= 1);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(1, rig.closed);
}

/* A port that learns delivers every size as any other, and its policy stays a policy. */
static void learning(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 8, 1000, 3000, 5000, 20000};
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.learn = 1;
    sill_port *port = NULL;
    support_ok(sill_connect(&port, rig.name, &options));
    sill_port_statistics s = {.struct_size = sizeof s};
    sill_port_traits traits = {.struct_size = sizeof traits};
    for (unsigned i = 0; i < 64 * 16 * 3; i++) {
        sill_message reply = SILL_MESSAGE_INIT;
        echo(port, sizes[i % 6], SUPPORT_PATIENCE_MS, &reply);
        sill_release(&reply);
    }
    support_ok(sill_port_get_statistics(port, &s));
    assert_true(s.sent[SILL_PATH_CHANNEL].messages >= 1); /* another path was tried */
    assert_int_equal(64 * 16 * 3, s.sent[SILL_PATH_CHANNEL].messages +
                                      s.sent[SILL_PATH_INLINE].messages +
                                      s.sent[SILL_PATH_MAPPED].messages);
    support_ok(sill_port_get_traits(port, &traits));
    support_ok(sill_policy_validate(&traits.policy));
    sill_port_close(port);
    rig_stop(&rig);
}

static void forced_paths(void **state)
{
    (void)state;
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_MAPPED, SILL_PATH_ROUNDS};
    static const size_t sizes[] = {2, 100, 70000, 5000000};
    for (size_t p = 0; p < 3; p++) {
        struct rig rig;
        sill_port_options options = SILL_PORT_OPTIONS_INIT;
        options.path = paths[p];
        rig_start(&rig, &options);
        sill_port *port = rig_client(&rig, paths[p]);
        for (size_t i = 0; i < 4; i++) {
            sill_message reply = SILL_MESSAGE_INIT;
            echo(port, sizes[i], SUPPORT_PATIENCE_MS, &reply);
            assert_int_equal(paths[p], reply.path);
            sill_release(&reply);
        }
        sill_port_statistics s = {.struct_size = sizeof s};
        support_ok(sill_port_get_statistics(port, &s));
        assert_int_equal(4, s.sent[paths[p]].messages);
        sill_port_close(port);
        rig_stop(&rig);
    }
}

/* More than may be mapped: in pieces, within the limit. */
static void beyond_the_limit(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.mapped_max = 1 << 20;
    policy.segment_size = 1 << 18;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    struct rig rig;
    rig_start(&rig, &options);
    sill_port *port = NULL;
    support_ok(sill_connect(&port, rig.name, &options));
    sill_message reply = SILL_MESSAGE_INIT;
    echo(port, 33333333, SUPPORT_PATIENCE_MS, &reply);
    assert_int_equal(SILL_PATH_ROUNDS, reply.path);
    assert_int_equal(2, reply.copies);
    sill_release(&reply);
    echo(port, 1 << 20, SUPPORT_PATIENCE_MS, &reply);
    assert_int_equal(SILL_PATH_MAPPED, reply.path);
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    assert_true(s.segment_bytes <= policy.mapped_max);
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
}

/* Segments are used again: a thousand large messages do not need a thousand segments. */
static void segments_are_reused(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    for (int i = 0; i < 200; i++) {
        echo(port, 200000 + (size_t)i * 11, SUPPORT_PATIENCE_MS, &reply);
        sill_release(&reply);
    }
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    assert_int_equal(1, s.segments);
    assert_int_equal(1, s.peer_segments);
    assert_int_equal(200, s.sent[SILL_PATH_MAPPED].messages);
    sill_port_close(port);
    rig_stop(&rig);
}

static void datagrams_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    static const size_t sizes[] = {8, 100, 70000, 9, 300000, 64, 140000};
    unsigned char *bytes = rig_bytes(300000, 5);
    uint64_t total = 0;
    for (uint64_t i = 0; i < 700; i++) {
        size_t size = sizes[i % 7];
        memcpy(bytes, &i, sizeof i);
        support_ok(sill_send(port, bytes, size, SUPPORT_PATIENCE_MS));
        total += size;
    }
    free(bytes);
    sill_port_close(port); /* in order: everything arrives all the same */
    sill_port *other = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    while (sill_call(other, "?", 1, &reply, SUPPORT_PATIENCE_MS) == 0 && rig.closed == 0)
        sill_release(&reply);
    sill_release(&reply);
    sill_port_close(other);
    rig_stop(&rig);
    assert_int_equal(700, rig.datagrams);
    assert_int_equal(total, rig.datagram_bytes);
    assert_int_equal(0, rig.out_of_order);
    assert_int_equal(0, rig.died);
}

static int answer_calls(void *arg)
{
    sill_port *port = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc;
    while ((rc = sill_receive(port, &m, SUPPORT_PATIENCE_MS)) == 0)
        if (m.type == SILL_REQUEST)
            sill_reply(&m, "the client", 10);
    sill_release(&m);
    return rc;
}

static void calls_both_ways(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    struct support_thread *thread = support_thread(answer_calls, port);
    for (int i = 0; i < 50; i++) {
        sill_message reply = SILL_MESSAGE_INIT;
        support_ok(sill_call(port, "C", 1, &reply, SUPPORT_PATIENCE_MS));
        assert_int_equal(10, reply.size);
        assert_memory_equal("the client", reply.data, 10);
        sill_release(&reply);
    }
    sill_port_cancel(port);
    assert_int_equal(SILL_CANCELED, support_join(thread));
    sill_message m = SILL_MESSAGE_INIT, reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "D", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    support_ok(sill_receive(port, &m, 0)); /* came before the reply */
    assert_int_equal(SILL_DATAGRAM, m.type);
    assert_memory_equal("one", m.data, 3);
    support_ok(sill_receive(port, &m, 0));
    assert_memory_equal("two", m.data, 3);
    support_status(SILL_AGAIN, sill_receive(port, &m, 0));
    sill_port_close(port);
    rig_stop(&rig);
}

struct caller {
    sill_port *port;
    unsigned number;
    unsigned rounds;
};

static int call_many(void *arg)
{
    const struct caller *caller = arg;
    static const size_t sizes[] = {16, 3000, 100000, 200000};
    for (unsigned i = 0; i < caller->rounds; i++) {
        size_t size = sizes[(i + caller->number) % 4];
        unsigned char *bytes = malloc(size);
        memset(bytes, (int)(0x80 + (caller->number * 17 + i) % 0x7f), size);
        sill_message reply = SILL_MESSAGE_INIT;
        int rc = sill_call(caller->port, bytes, size, &reply, SUPPORT_PATIENCE_MS);
        int same = rc == 0 && reply.size == size && memcmp(bytes, reply.data, size) == 0;
        sill_release(&reply);
        free(bytes);
        if (!same)
            return 1;
    }
    return 0;
}

static void many_threads_one_port(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    struct caller callers[THREADS];
    struct support_thread *threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){port, i, 60};
        threads[i] = support_thread(call_many, &callers[i]);
    }
    int failed = 0;
    for (unsigned i = 0; i < THREADS; i++)
        failed += support_join(threads[i]);
    assert_int_equal(0, failed);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(THREADS * 60, rig.requests);
}

static void timeouts_and_late_replies(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    int64_t before = support_now_ms();
    support_status(SILL_TIMEOUT, sill_call(port, "H", 1, &reply, 60));
    assert_true(support_now_ms() - before >= 60);
    assert_int_equal(0, reply.type);
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS)); /* still in step */
    sill_release(&reply);
    rig_halt(&rig); /* the held request is refused: a reply that nobody waits for */
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_AGAIN, sill_receive(port, &m, 0));
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    assert_int_equal(1, s.late_replies);
    sill_port_close(port);
    rig_stop(&rig);
}

static int call_held(void *arg)
{
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call(arg, "H", 1, &reply, -1);
    sill_release(&reply);
    return rc;
}

static bool rig_holds(void *arg)
{
    struct rig *rig = arg;
    return rig->requests > 0;
}

static void cancel_a_call(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    struct support_thread *thread = support_thread(call_held, port);
    assert_true(support_until(rig_holds, &rig, SUPPORT_PATIENCE_MS));
    sill_port_cancel(port);
    assert_int_equal(SILL_CANCELED, support_join(thread));
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
}

static void refusals(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    support_status(SILL_REFUSED, sill_call(port, "N", 1, &reply, SUPPORT_PATIENCE_MS));
    assert_int_equal(8, reply.size);
    assert_memory_equal("not this", reply.data, 8);
    support_status(SILL_REFUSED, sill_call(port, "R", 1, &reply, SUPPORT_PATIENCE_MS));
    assert_int_equal(0, reply.size);
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
}

/* An answer that is too large for the caller is refused, and the server is told. */
static void too_big(void **state)
{
    (void)state;
    struct rig rig;
    sill_port_options small = SILL_PORT_OPTIONS_INIT;
    small.message_max = 1000;
    rig_start(&rig, &small);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    unsigned char *bytes = rig_bytes(1001, 1);
    sill_message reply = SILL_MESSAGE_INIT;
    support_status(SILL_TOO_BIG, sill_call(port, bytes, 1001, &reply, SUPPORT_PATIENCE_MS));
    support_ok(sill_call(port, bytes, 1000, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);

    rig_start(&rig, NULL);
    port = NULL;
    support_ok(sill_connect(&port, rig.name, &small));
    support_status(SILL_REFUSED, sill_call(port, bytes, 1001, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    free(bytes);
    sill_port_close(port);
    rig_stop(&rig);
}

static void close_is_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    unsigned char *bytes = rig_bytes(100000, 3);
    sill_message kept = SILL_MESSAGE_INIT, reply = SILL_MESSAGE_INIT, m = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, bytes, 100000, &kept, SUPPORT_PATIENCE_MS));
    support_ok(sill_call(port, "D", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    rig_stop(&rig);
    support_ok(sill_receive(port, &m, SUPPORT_PATIENCE_MS)); /* what was sent before */
    support_ok(sill_receive(port, &m, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, sill_receive(port, &m, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, sill_receive(port, &m, 0));
    support_status(SILL_CLOSED, sill_send(port, "x", 1, 0));
    support_status(SILL_CLOSED, sill_call(port, "x", 1, &reply, -1));
    sill_port_close(port);
    assert_memory_equal(bytes, kept.data, 100000); /* mapped, and still there */
    sill_release(&kept);
    free(bytes);
}

static void private_copies(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    static unsigned char buffer[200000];
    for (size_t size = 100; size <= 200000; size *= 2000) {
        unsigned char *bytes = rig_bytes(size, 9);
        sill_message reply = SILL_MESSAGE_INIT;
        support_ok(sill_call(port, bytes, size, &reply, SUPPORT_PATIENCE_MS));
        unsigned copies = reply.copies;
        support_status(SILL_TOO_BIG, sill_receive_into(&reply, buffer, size - 1));
        support_ok(sill_receive_into(&reply, buffer, sizeof buffer));
        assert_ptr_equal(buffer, reply.data);
        assert_int_equal(copies + 1, reply.copies);
        assert_memory_equal(bytes, buffer, size);
        sill_release(&reply);
        free(bytes);
    }
    sill_port_close(port);
    rig_stop(&rig);
}

static void loans(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.flags = SILL_SEND_LOAN;
    for (size_t size = 1; size <= 10000000; size *= 1000) {
        void *block = NULL;
        support_ok(sill_loan(port, size, &block));
        assert_int_equal(0, (uintptr_t)block % 64);
        memset(block, 0x91, size);
        support_ok(sill_call_with(port, block, size, &options, &reply, SUPPORT_PATIENCE_MS));
        assert_int_equal(size, reply.size);
        assert_int_equal(0x91, ((const unsigned char *)reply.data)[size - 1]);
        sill_release(&reply);
    }
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    assert_int_equal(0, s.sent[SILL_PATH_MAPPED].copies);
    assert_int_equal(3, s.sent[SILL_PATH_MAPPED].messages);
    void *block = NULL;
    support_ok(sill_loan(port, 5000, &block));
    support_status(SILL_INVALID, sill_send_loan(port, block, 5001, 0));
    support_status(SILL_INVALID, sill_send_loan(port, &reply, 1, 0));
    support_ok(sill_loan_cancel(port, block));
    support_status(SILL_INVALID, sill_loan_cancel(port, block));
    support_ok(sill_loan(port, 8, &block));
    memset(block, 0, 8);
    support_ok(sill_send_loan(port, block, 8, SUPPORT_PATIENCE_MS));
    support_ok(sill_loan(port, 8, &block)); /* and one that is never given back */
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(1, rig.datagrams);
}

#ifdef _WIN32
#include <windows.h>
static sill_handle some_handle(void)
{
    return (sill_handle)CreateEventW(NULL, TRUE, FALSE, NULL);
}
static void close_handle(sill_handle handle)
{
    CloseHandle((HANDLE)handle);
}
/* Whether two handles are of one object: what is done through one shows at the other. */
static bool same_object(sill_handle a, sill_handle b)
{
    SetEvent((HANDLE)a);
    return WaitForSingleObject((HANDLE)b, 0) == WAIT_OBJECT_0;
}
#else
#include <sys/stat.h>
#include <unistd.h>
static sill_handle some_handle(void)
{
    int ends[2];
    assert_int_equal(0, pipe(ends));
    close(ends[1]);
    return ends[0];
}
static void close_handle(sill_handle handle)
{
    close((int)handle);
}
static bool same_object(sill_handle a, sill_handle b)
{
    struct stat sa, sb;
    return fstat((int)a, &sa) == 0 && fstat((int)b, &sb) == 0 && sa.st_ino == sb.st_ino;
}
#endif

static void pass_handles(void)
{
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_handle mine = some_handle(), back = SILL_NO_HANDLE;
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.handles = &mine;
    options.handle_count = 1;
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call_with(port, "F", 1, &options, &reply, SUPPORT_PATIENCE_MS));
    assert_int_equal(1, reply.handle_count);
    support_status(SILL_NOT_FOUND, sill_message_handle(&reply, 1, &back));
    support_ok(sill_message_handle(&reply, 0, &back));
    support_status(SILL_NOT_FOUND, sill_message_handle(&reply, 0, &back));
    sill_release(&reply);
    assert_true(back != mine);
    assert_true(same_object(mine, back));
    close_handle(back);
    options.handle_count = SILL_HANDLES_MAX + 1;
    support_status(SILL_INVALID, sill_send_with(port, "x", 1, &options, 0));
    /* a datagram with handles that nobody takes: they are closed, see the count at the end */
    options.handle_count = 1;
    for (int i = 0; i < 20; i++)
        support_ok(sill_send_with(port, "x", 1, &options, SUPPORT_PATIENCE_MS));
    close_handle(mine);
    sill_port_close(port);
    rig_stop(&rig);
    close_handle(rig.sent_handle);
}

static void handles_travel(void **state)
{
    (void)state;
    rig_needs_handles();
    pass_handles();
}

/* Nothing stays open after everything was closed. */
static void nothing_leaks(void **state)
{
    if (rig_passes_handles())
        pass_handles();
    segments_are_reused(state);
    unsigned before = support_handles();
    if (rig_passes_handles())
        pass_handles();
    segments_are_reused(state);
    connect_data(state);
    assert_int_equal(before, support_handles());
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(connect_data),
        SUPPORT_TEST(connect_fails),
        SUPPORT_TEST(sizes_and_paths),
        SUPPORT_TEST(learning),
        SUPPORT_TEST(forced_paths),
        SUPPORT_TEST(beyond_the_limit),
        SUPPORT_TEST(segments_are_reused),
        SUPPORT_TEST(datagrams_in_order),
        SUPPORT_TEST(calls_both_ways),
        SUPPORT_TEST(many_threads_one_port),
        SUPPORT_TEST(timeouts_and_late_replies),
        SUPPORT_TEST(cancel_a_call),
        SUPPORT_TEST(refusals),
        SUPPORT_TEST(too_big),
        SUPPORT_TEST(close_is_told),
        SUPPORT_TEST(private_copies),
        SUPPORT_TEST(loans),
        SUPPORT_TEST(handles_travel),
        SUPPORT_TEST(nothing_leaks),
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
