/* Ports at their limits: peers that do not read, do not release, say nothing; no shared memory; as
 * many clients as there may be.
 */
#include "raw_peer.h"

/* Nobody reads: a send ends in its time, nothing of it arrives later, and the stream is in step. */
static void nobody_reads(void **state)
{
    (void)state;
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_MAPPED, SILL_PATH_ROUNDS};
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.mapped_max = policy.segment_size;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    for (size_t p = 0; p < 3; p++) {
        options.path = paths[p];
        struct rig rig;
        rig_listen(&rig, &options);
        sill_port *client = NULL, *server_end = NULL;
        connect_by_hand(&rig, &options, &client, &server_end);
        size_t size = rig_is_narrow() ? 20000 : 300000; /* what is taken back must fit in, too */
        unsigned char *bytes = rig_bytes(size, 1);
        unsigned sent = 0;
        int rc;
        for (; sent < 1000; sent++) {
            memcpy(bytes, &sent, sizeof sent);
            int64_t before = support_now_ms();
            rc = sill_send(client, bytes, size, 40);
            if (rc != 0) {
                assert_true(support_now_ms() - before >= 40);
                break;
            }
        }
        assert_int_equal(SILL_TIMEOUT, rc);
        assert_in_range(sent, 0, 900);
        support_status(SILL_TIMEOUT, sill_send(client, bytes, size, 0));
        sill_message m = SILL_MESSAGE_INIT;
        for (unsigned i = 0; i < sent; i++) {
            support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
            assert_int_equal(SILL_DATAGRAM, m.type);
            assert_int_equal(size, m.size);
            assert_memory_equal(&i, m.data, sizeof i);
            assert_memory_equal(bytes + 4, (const unsigned char *)m.data + 4, size - 4);
        }
        support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
        support_ok(sill_send(client, "in step", 7, SUPPORT_PATIENCE_MS));
        support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
        assert_int_equal(7, m.size);
        sill_release(&m);
        free(bytes);
        sill_port_close(client);
        sill_server_close(rig.server);
    }
}

struct sender {
    sill_port *port;
    size_t size;
};

static int send_one(void *arg)
{
    const struct sender *s = arg;
    unsigned char *bytes = rig_bytes(s->size, 2);
    int rc = sill_send(s->port, bytes, s->size, SUPPORT_PATIENCE_MS);
    free(bytes);
    return rc;
}

/* A receiver that holds on to what it got: the sender waits for a release, which wakes it. */
static void nobody_releases(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.mapped_max = policy.segment_size;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    options.path = SILL_PATH_MAPPED;
    struct rig rig;
    rig_listen(&rig, &options);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, &options, &client, &server_end);
    size_t size = (size_t)policy.segment_size / 2;
    unsigned char *bytes = rig_bytes(size, 2);
    sill_message first = SILL_MESSAGE_INIT, second = SILL_MESSAGE_INIT, m = SILL_MESSAGE_INIT;
    support_ok(sill_send(client, bytes, size, SUPPORT_PATIENCE_MS));
    support_ok(sill_send(client, bytes, size, SUPPORT_PATIENCE_MS));
    support_ok(sill_server_receive(rig.server, &first, SUPPORT_PATIENCE_MS));
    support_ok(sill_server_receive(rig.server, &second, SUPPORT_PATIENCE_MS));
    support_status(SILL_TIMEOUT, sill_send(client, bytes, size, 30));
    for (int i = 0; i < 20; i++) {
        struct sender sender = {client, size};
        struct support_thread *thread = support_thread(send_one, &sender);
        sill_release(i % 2 ? &second : &first);
        support_ok(sill_server_receive(rig.server, i % 2 ? &second : &first,
                                       SUPPORT_PATIENCE_MS));
        assert_int_equal(0, support_join(thread));
    }
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(client, &s));
    assert_int_equal(1, s.segments);
    assert_int_equal(0, s.fallbacks);
    assert_int_equal(22, s.sent[SILL_PATH_MAPPED].messages);
    support_ok(sill_port_get_statistics(server_end, &s));
    assert_int_equal(2, s.unreleased);
    assert_memory_equal(bytes, first.data, size);
    sill_server_close(rig.server); /* what was received outlives its server */
    assert_memory_equal(bytes, second.data, size);
    sill_release(&first);
    sill_release(&second);
    support_status(SILL_CLOSED, sill_receive(client, &m, SUPPORT_PATIENCE_MS));
    free(bytes);
    sill_port_close(client);
}

/* A port takes up to queue_max into private memory and then lets the sender wait. */
static void queue_is_bounded(void **state)
{
    (void)state;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    options.queue_max = 1 << 20;
    struct rig rig;
    rig_listen(&rig, &options);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, &options, &client, &server_end);
    unsigned char *bytes = rig_bytes(10000, 2);
    unsigned sent = 0, got = 0;
    sill_message m = SILL_MESSAGE_INIT;
    while (sill_send(client, bytes, 10000, 30) == 0) {
        sent++;
        /* work at the server, without taking anything: the server's end waits for its own calls */
        sill_message none = SILL_MESSAGE_INIT;
        if (sent % 4 == 0 || rig_is_narrow())
            support_status(SILL_TIMEOUT, sill_call(server_end, "H", 1, &none, 1));
        assert_true(sent < 2000);
    }
    assert_true(sent >= 100);
    while (sill_server_receive(rig.server, &m, 100) == 0)
        got++;
    assert_int_equal(sent, got);
    free(bytes);
    sill_port_close(client);
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_CLOSED, m.type);
    sill_release(&m);
    sill_server_close(rig.server);
}

/* Sends, and only then receives. */
struct exchange {
    struct sender sender;
    sill_server *server; /* NULL: receives at the port */
    sill_message m;
};

static int send_and_receive(void *arg)
{
    struct exchange *x = arg;
    int rc = send_one(&x->sender);
    if (rc != 0)
        return rc;
    return x->server != NULL ? sill_server_receive(x->server, &x->m, SUPPORT_PATIENCE_MS)
                             : sill_receive(x->sender.port, &x->m, SUPPORT_PATIENCE_MS);
}

/* Both sides send large messages at each other at once: each makes room for the other. */
static void both_send_at_once(void **state)
{
    (void)state;
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_ROUNDS};
    for (size_t p = 0; p < 2; p++) {
        sill_port_options options = SILL_PORT_OPTIONS_INIT;
        options.path = paths[p];
        struct rig rig;
        rig_listen(&rig, &options);
        sill_port *client = NULL, *server_end = NULL;
        connect_by_hand(&rig, &options, &client, &server_end);
        struct exchange up = {{client, 20000000}, NULL, SILL_MESSAGE_INIT};
        struct exchange down = {{server_end, 20000000}, rig.server, SILL_MESSAGE_INIT};
        struct support_thread *one = support_thread(send_and_receive, &up);
        struct support_thread *two = support_thread(send_and_receive, &down);
        assert_int_equal(0, support_join(one));
        assert_int_equal(0, support_join(two));
        assert_int_equal(20000000, up.m.size);
        assert_int_equal(20000000, down.m.size);
        assert_memory_equal(up.m.data, down.m.data, up.m.size);
        sill_release(&up.m);
        sill_release(&down.m);
        sill_port_close(client);
        sill_server_close(rig.server);
    }
}

static void clients_max(void **state)
{
    (void)state;
    struct rig rig;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.clients_max = 3;
    rig_start(&rig, &options);
    sill_port *ports[4] = {NULL};
    for (int i = 0; i < 3; i++)
        support_ok(sill_connect(&ports[i], rig.name, NULL));
    for (int i = 0; i < 20; i++)
        support_status(SILL_LIMIT, sill_connect(&ports[3], rig.name, NULL));
    sill_port_close(ports[1]);
    int rc = SILL_LIMIT;
    for (int64_t end = support_now_ms() + SUPPORT_PATIENCE_MS;
         rc == SILL_LIMIT && support_now_ms() < end;)
        rc = sill_connect(&ports[3], rig.name, NULL);
    assert_int_equal(0, rc);
    sill_port_close(ports[0]);
    sill_port_close(ports[2]);
    sill_port_close(ports[3]);
    rig_stop(&rig);
    assert_int_equal(4, rig.connects);
}

/* Who connects and says nothing is dropped after a while; others are not held up meanwhile. */
static void silent_clients(void **state)
{
    (void)state;
    struct rig rig;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.handshake_timeout_ms = 100;
    rig_start(&rig, &options);
    struct raw silent[3];
    for (int i = 0; i < 3; i++)
        raw_connect(&silent[i], &rig);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    for (int i = 0; i < 3; i++) {
        raw_expect_end(&silent[i]);
        raw_close(&silent[i]);
    }
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(1, rig.connects);
}

enum { CLIENTS = 200, DIALERS = 8 };

struct crowd {
    const struct rig *rig;
    sill_port *ports[CLIENTS / DIALERS];
};

static int dial_many(void *arg)
{
    struct crowd *crowd = arg;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    for (int i = 0; i < CLIENTS / DIALERS; i++) {
        int rc = sill_connect(&crowd->ports[i], crowd->rig->name, &options);
        if (rc != 0)
            return rc;
    }
    for (int i = 0; i < CLIENTS / DIALERS; i++) {
        sill_message reply = SILL_MESSAGE_INIT;
        int rc = sill_call(crowd->ports[i], "!!", 2, &reply, SUPPORT_PATIENCE_MS);
        sill_release(&reply);
        if (rc != 0)
            return rc;
    }
    for (int i = 0; i < CLIENTS / DIALERS; i++)
        sill_port_close(crowd->ports[i]);
    return 0;
}

static bool all_gone(void *arg)
{
    struct rig *rig = arg;
    return rig->closed == CLIENTS;
}

static void many_clients(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    struct crowd crowds[DIALERS];
    struct support_thread *threads[DIALERS];
    for (int i = 0; i < DIALERS; i++) {
        crowds[i].rig = &rig;
        threads[i] = support_thread(dial_many, &crowds[i]);
    }
    for (int i = 0; i < DIALERS; i++)
        assert_int_equal(0, support_join(threads[i]));
    assert_true(support_until(all_gone, &rig, SUPPORT_PATIENCE_MS));
    rig_stop(&rig);
    assert_int_equal(CLIENTS, rig.connects);
    assert_int_equal(CLIENTS, rig.requests);
    assert_int_equal(0, rig.died + rig.broken);
}

/* A flooding client gets its turn and no more. */
static int flood(void *arg)
{
    sill_port *port = arg;
    unsigned char bytes[1000] = {0x80};
    int rc;
    while ((rc = sill_send(port, bytes, sizeof bytes, SUPPORT_PATIENCE_MS)) == 0)
        ;
    return rc;
}

static bool floods(void *arg)
{
    struct rig *rig = arg;
    return rig->datagrams > 0;
}

static void fair_under_a_flood(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    sill_port *flooding = rig_client(&rig, SILL_PATH_CHANNEL);
    sill_port *quiet = rig_client(&rig, SILL_PATH_AUTO);
    struct support_thread *thread = support_thread(flood, flooding);
    assert_true(support_until(floods, &rig, SUPPORT_PATIENCE_MS));
    for (int i = 0; i < 100; i++) {
        sill_message reply = SILL_MESSAGE_INIT;
        support_ok(sill_call(quiet, "!", 1, &reply, SUPPORT_PATIENCE_MS));
        sill_release(&reply);
    }
    rig_stop(&rig);
    int rc = support_join(thread);
    if (rc != SILL_CLOSED && rc != SILL_DIED)
        fail_msg("the flood ended with %s", sill_status_name(rc));
    sill_port_close(flooding);
    sill_port_close(quiet);
}

/* One side cannot or will not share memory: everything goes over the channel, and is told. */
static void without_shared_memory(void **state)
{
    (void)state;
    struct rig rig;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    rig_start(&rig, &options);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_port_traits traits = {.struct_size = sizeof traits};
    support_ok(sill_port_get_traits(port, &traits));
    assert_int_equal(0, traits.can & SILL_CAN_MAP);
    unsigned char *bytes = rig_bytes(1000000, 4);
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, bytes, 1000000, &reply, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_PATH_CHANNEL, reply.path);
    assert_memory_equal(bytes, reply.data, 1000000);
    void *block = NULL;
    support_ok(sill_loan(port, 1000000, &block));
    memcpy(block, bytes, 1000000);
    support_ok(sill_send_loan(port, block, 1000000, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port *strict = NULL;
    sill_port_options must = SILL_PORT_OPTIONS_INIT;
    must.require_mapped = 1;
    support_status(SILL_UNSUPPORTED, sill_connect(&strict, rig.name, &must));
    free(bytes);
    sill_port_close(port);
    rig_stop(&rig);
}

#ifndef _WIN32
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Segments cannot be made because no descriptor is left: the channel takes over. */
static void segments_cannot_be_made(void **state)
{
    (void)state;
    struct rig rig;
    if (rig_channel()->family != SILL_FAMILY_POSIX)
        support_skip("segments of this family need no descriptors");
    rig_listen(&rig, NULL);
    sill_port *client = NULL, *server_end = NULL, *strict = NULL;
    connect_by_hand(&rig, NULL, &client, &server_end);
    sill_port_options must = SILL_PORT_OPTIONS_INIT;
    must.require_mapped = 1;
    sill_port *strict_end = NULL;
    connect_by_hand(&rig, &must, &strict, &strict_end);
    size_t size = 100000;
    unsigned char *bytes = rig_bytes(size, 6);
    struct rlimit old, none;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &old));
    none = old;
    none.rlim_cur = 3; /* those that are open stay open, nothing new can be opened */
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
    int rc = sill_send(client, bytes, size, SUPPORT_PATIENCE_MS);
    int strict_rc = sill_send(strict, bytes, size, SUPPORT_PATIENCE_MS);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &old));
    assert_int_equal(0, rc);
    assert_int_equal(SILL_LIMIT, strict_rc);
    assert_int_equal(SILL_LIMIT, sill_last_error()->status);
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(client, &s));
    assert_int_equal(1, s.fallbacks);
    assert_int_equal(1, s.sent[SILL_PATH_CHANNEL].messages);
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_PATH_CHANNEL, m.path);
    assert_memory_equal(bytes, m.data, size);
    sill_release(&m);
    free(bytes);
    sill_port_close(client);
    sill_port_close(strict);
    sill_server_close(rig.server);
}

/* A server without descriptors serves those who are connected, and lets new ones in later. */
static void server_out_of_descriptors(void **state)
{
    (void)state;
    struct rig rig;
    if (rig_channel()->family != SILL_FAMILY_POSIX)
        support_skip("connections of this family need no descriptors");
    rig_listen(&rig, NULL);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, NULL, &client, &server_end);
    struct rlimit old, none;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &old));
    none = old;
    sill_channel *waiting = NULL;
    support_ok(sill_channel_connect(&waiting, rig.name, NULL, SUPPORT_PATIENCE_MS));
    none.rlim_cur = 3;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
    sill_message m = SILL_MESSAGE_INIT;
    int sent = sill_send(client, "x", 1, SUPPORT_PATIENCE_MS);
    int rc = sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS);
    int type = m.type;
    sill_release(&m);
    int more = sill_server_receive(rig.server, &m, 30);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &old));
    assert_int_equal(0, sent);
    assert_int_equal(0, rc);
    assert_int_equal(SILL_DATAGRAM, type);
    assert_int_equal(SILL_TIMEOUT, more);
    sill_channel_close(waiting);
    sill_port *late = NULL, *late_end = NULL;
    connect_by_hand(&rig, NULL, &late, &late_end);
    sill_port_close(late);
    sill_port_close(client);
    sill_server_close(rig.server);
}

/* A forked child may not use what is the parent's, and closing it there changes nothing here. */
static int use_in_child(sill_server *server, sill_port *port, sill_message *held)
{
    sill_message m = SILL_MESSAGE_INIT;
    sill_handle handle;
    sill_peer peer;
    void *block;
    if (sill_send(port, "x", 1, 0) != SILL_INVALID ||
        sill_call(port, "x", 1, &m, 0) != SILL_INVALID ||
        sill_receive(port, &m, 0) != SILL_INVALID || sill_loan(port, 1, &block) != SILL_INVALID ||
        sill_port_pollable(port, &handle) != SILL_INVALID ||
        sill_port_peer(port, &peer) != SILL_INVALID ||
        sill_server_receive(server, &m, 0) != SILL_INVALID ||
        sill_server_pollable(server, &handle) != SILL_INVALID ||
        sill_reply(held, "x", 1) != SILL_INVALID)
        return 1;
    sill_port_cancel(port);
    sill_server_cancel(server);
    sill_port_close(port);
    sill_server_close(server);
    return 0;
}

static void forked_children(void **state)
{
    (void)state;
    struct rig rig;
    rig_listen(&rig, NULL);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, NULL, &client, &server_end);
    struct sender sender = {client, 200000};
    assert_int_equal(0, send_one(&sender));
    sill_message held = SILL_MESSAGE_INIT, m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &held, SUPPORT_PATIENCE_MS));
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(rig.server, client, &held));
    assert_true(child > 0);
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, status);
    assert_int_equal(200000, held.size);
    sill_release(&held);
    support_status(SILL_AGAIN, sill_receive(client, &m, 0));
    assert_int_equal(0, send_one(&sender));
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(200000, m.size);
    sill_release(&m);
    sill_server *second = NULL;
    support_status(SILL_EXISTS, sill_listen(&second, rig.name, NULL));
    sill_port_close(client);
    sill_server_close(rig.server);
}
#endif

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(nobody_reads),
        SUPPORT_TEST(nobody_releases),
        SUPPORT_TEST(queue_is_bounded),
        SUPPORT_TEST(both_send_at_once),
        SUPPORT_TEST(clients_max),
        SUPPORT_TEST(silent_clients),
        SUPPORT_TEST(many_clients),
        SUPPORT_TEST(fair_under_a_flood),
        SUPPORT_TEST(without_shared_memory),
#ifndef _WIN32
        SUPPORT_TEST(segments_cannot_be_made),
        SUPPORT_TEST(server_out_of_descriptors),
        SUPPORT_TEST(forked_children),
#endif
    };
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);
}
