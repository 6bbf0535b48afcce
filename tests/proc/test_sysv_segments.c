/* test_sysv_segments.c - segments of ports over System V that are on their way: they outlive a
 * sender that is killed, whoever reads them when, and nothing of them is left.
 */
#include "support.h"

#ifdef _WIN32

int main(void)
{
    puts("skipped: System V IPC is not on Windows");
    return 0;
}

#else

#include <errno.h>

#include "../conform/port_rig.h"
#include "sysv_rig.h"

enum { SEGMENT = 65536 };

/* Each message is larger than those before it together, so it needs a segment of its own. */
static size_t size_of(unsigned number)
{
    return ((size_t)SEGMENT + 1000) << number;
}

static const sill_port_options *small_segments(uint64_t segments_max)
{
    static sill_port_options options;
    static sill_policy policy = SILL_POLICY_INIT;
    sill_policy_defaults(&policy);
    policy.segment_size = SEGMENT;
    policy.segments_max = segments_max;
    options = *sysv();
    options.policy = &policy;
    options.require_mapped = 1;
    return &options;
}

static int send_number(sill_port *port, unsigned number, int timeout_ms)
{
    size_t size = size_of(number);
    unsigned char *bytes = rig_bytes(size, number);
    int rc = sill_send(port, bytes, size, timeout_ms);
    free(bytes);
    return rc;
}

static void check_number(sill_message *m, unsigned number)
{
    unsigned char *bytes = rig_bytes(size_of(number), number);
    assert_int_equal(SILL_DATAGRAM, m->type);
    assert_int_equal(SILL_PATH_MAPPED, m->path);
    assert_int_equal(size_of(number), m->size);
    assert_memory_equal(bytes, m->data, m->size);
    sill_release(m);
    free(bytes);
}

/* ---- a killed sender ---- */

enum { SENT = 5 };

static int send_all(sill_port *port)
{
    int rc = 0;
    for (unsigned i = 0; i < SENT && rc == 0; i++)
        rc = send_number(port, i, SUPPORT_PATIENCE_MS);
    support_say("%s", sill_status_name(rc));
    support_linger();
    return rc;
}

static int play_client(int argc, char **argv)
{
    sill_port *port = NULL;
    if (argc < 1 || sill_connect(&port, argv[0], small_segments(32)) != 0)
        return 1;
    int rc = send_all(port);
    sill_port_close(port);
    return rc != 0;
}

static int play_server(int argc, char **argv)
{
    char line[8];
    sill_server *server = NULL;
    sill_port *port = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    if (argc < 1 || sill_listen(&server, argv[0], small_segments(32)) != 0)
        return 1;
    support_say("ready");
    int rc = sill_server_receive(server, &m, SUPPORT_PATIENCE_MS);
    if (rc == 0)
        rc = sill_accept(server, &m, NULL, NULL, 0, &port);
    if (rc == 0 &&
        support_listen(line, sizeof line,
                       SUPPORT_PATIENCE_MS)) /* the client has connected, and reads no more */
        rc = send_all(port);
    sill_server_close(server);
    return rc != 0;
}

static struct support_process *start(const char *role, const char *name)
{
    const char *arguments[] = {name, NULL};
    return support_start(role, arguments, NULL);
}

/* The server reads nothing before the client, which has sent new segments, is dead. */
static void client_is_killed(void **state)
{
    (void)state;
    struct rig rig;
    sill_message m = SILL_MESSAGE_INIT;
    rig_listen(&rig, sysv());
    key_t key = key_of(rig.name);
    struct support_process *client = start("client", rig.name);
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_accept(rig.server, &m, NULL, NULL, 0, NULL));
    support_expect(client, "SILL_OK");
    support_kill(client);
    support_finish(client);
    assert_int_equal(SENT, count_segments(key));
    for (unsigned i = 0; i < SENT; i++) {
        support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
        check_number(&m, i);
    }
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_DIED, m.type);
    sill_release(&m);
    assert_int_equal(0, count_segments(key));
    sill_server_close(rig.server);
    nothing_is_left(key);
}

static void server_is_killed(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_port *port = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    support_name(name, "segments");
    struct support_process *server = start("server", name);
    support_expect(server, "ready");
    key_t key = key_of(name);
    support_ok(sill_connect(&port, name, sysv()));
    support_tell(server, "send");
    support_expect(server, "SILL_OK");
    support_kill(server);
    support_finish(server);
    for (unsigned i = 0; i < SENT; i++) {
        support_ok(sill_receive(port, &m, SUPPORT_PATIENCE_MS));
        check_number(&m, i);
    }
    support_status(SILL_DIED, sill_receive(port, &m, SUPPORT_PATIENCE_MS));
    sill_port_close(port);
    nothing_is_left(key);
    assert_false(has_record(name));
}

/* What nobody has read goes with the connection, or with what a clean removes. */
static void nobody_reads(void **state)
{
    (void)state;
    for (int clean = 0; clean < 2; clean++) {
        char name[SUPPORT_NAME_SIZE];
        sill_port *port = NULL;
        support_name(name, "unread");
        struct support_process *server = start("server", name);
        support_expect(server, "ready");
        key_t key = key_of(name);
        support_ok(sill_connect(&port, name, sysv()));
        support_tell(server, "send");
        support_expect(server, "SILL_OK");
        support_kill(server);
        support_finish(server);
        assert_int_equal(SENT, count_segments(key));
        if (clean)
            support_ok(sill_clean(NULL, 0, NULL, NULL));
        else
            sill_port_close(port);
        nothing_is_left(key);
        if (clean)
            sill_port_close(port);
        assert_false(has_record(name));
    }
}

/* ---- keys ---- */

/* More than there are keys for: those beyond go with their sender, which lives. */
static void more_than_keys(void **state)
{
    (void)state;
    enum { MANY = SILL__SEGMENT_KEYS + 2 };
    struct pair p;
    sill_message m = SILL_MESSAGE_INIT;
    pair_open(&p, small_segments(32));
    key_t key = key_of(p.rig.name);
    for (unsigned i = 0; i < MANY; i++)
        support_ok(send_number(p.client, i, 0));
    assert_int_equal(SILL__SEGMENT_KEYS, count_segments(key));
    for (unsigned i = 0; i < MANY; i++) {
        support_ok(sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
        check_number(&m, i);
    }
    assert_int_equal(0, count_segments(key));
    pair_close(&p);
    nothing_is_left(key);
}

/* Another's segments have the keys: they are passed over, and left alone. */
static void keys_are_taken(void **state)
{
    (void)state;
    struct rig rig;
    int foreign[2 * SILL__SEGMENT_KEYS];
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    for (int i = 0; i < 2 * SILL__SEGMENT_KEYS; i++) {
        foreign[i] = shmget(key + i, 100, IPC_CREAT | IPC_EXCL | 0640);
        assert_true(foreign[i] >= 0);
    }
    sill_port *port = NULL;
    sill_message reply = SILL_MESSAGE_INIT;
    unsigned char *bytes = rig_bytes(100000, 1);
    support_ok(sill_connect(&port, rig.name, small_segments(32)));
    support_ok(sill_call(port, bytes, 100000, &reply, SUPPORT_PATIENCE_MS));
    assert_memory_equal(bytes, reply.data, 100000);
    assert_int_equal(SILL_PATH_MAPPED, reply.path);
    sill_release(&reply);
    free(bytes);
    sill_port_close(port);
    rig_stop(&rig);
    for (int i = 0; i < 2 * SILL__SEGMENT_KEYS; i++) {
        assert_int_equal(foreign[i], shmget(key + i, 0, 0));
        assert_int_equal(0, shmctl(foreign[i], IPC_RMID, NULL));
    }
    nothing_is_left(key);
}

/* A segment that was made and never passed goes when another takes its place. */
static void dropped_unpassed(void **state)
{
    (void)state;
    struct pair p;
    void *block = NULL;
    pair_open(&p, small_segments(1));
    key_t key = key_of(p.rig.name);
    assert_int_equal(0, count_segments(key));
    for (unsigned i = 0; i < 3; i++) {
        support_ok(sill_loan(p.client, size_of(i), &block));
        assert_int_equal(1, count_segments(key));
        support_ok(sill_loan_cancel(p.client, block));
    }
    pair_close(&p);
    nothing_is_left(key);
}

/* ---- killed while one is made ---- */

static void killed_at_a_step(void **state)
{
    (void)state;
#ifndef SILL_STEPS
    support_skip("this build has no steps to stop at (SILL_STEPS)");
#else
    static const char *const steps[] = {"region_object",  "region_sized", "region_object:2",
                                        "region_sized:2", "segment_made", "segment_announced",
                                        "segment_made:2"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct rig rig;
        rig_start(&rig, sysv());
        key_t key = key_of(rig.name);
        const char *arguments[] = {rig.name, NULL};
        support_kill_at("client", arguments, steps[i]);
        rig_stop(&rig);
        nothing_is_left(key);
    }
#endif
}

static const struct support_role roles[] = {{"server", play_server}, {"client", play_client}};
static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(client_is_killed), SUPPORT_TEST(server_is_killed), SUPPORT_TEST(nobody_reads),
    SUPPORT_TEST(more_than_keys),   SUPPORT_TEST(keys_are_taken),   SUPPORT_TEST(dropped_unpassed),
    SUPPORT_TEST(killed_at_a_step),
};
SUPPORT_MAIN(tests, roles)

#endif
