/* Out of memory, everywhere: a scenario of ports is played again and again, and each time the next
 * allocation fails, in whichever thread it comes, until none fails any more. Every call ends in its
 * time with a status, nothing is delivered wrongly, and the next scenario works.
 */
#ifdef SILL_FAULTS
#include "../conform/port_rig.h"

#include "memory.h"

/* A failure of memory on one side shows at the other as its end, as a refusal or as silence. */
static bool is_expected(int rc)
{
    return rc == 0 || rc == SILL_NO_MEMORY || rc == SILL_DIED || rc == SILL_CLOSED ||
           rc == SILL_REFUSED || rc == SILL_TIMEOUT || rc == SILL_PROTOCOL;
}

static void check(int rc, const char *what)
{
    if (!is_expected(rc))
        fail_msg("%s: %s: %s", what, sill_status_name(rc), sill_last_error()->message);
}

static void call_once(sill_port *port, size_t size, int path)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = path;
    unsigned char *bytes = rig_bytes(size, 7);
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call_with(port, bytes, size, &options, &reply, 300);
    check(rc, "sill_call");
    if (rc == 0) {
        assert_int_equal(size, reply.size);
        assert_memory_equal(bytes, reply.data, size);
    }
    sill_release(&reply);
    free(bytes);
}

static void lend_once(sill_port *port, size_t size)
{
    void *block = NULL;
    int rc = sill_loan_wait(port, size, &block, 300);
    check(rc, "sill_loan");
    if (rc != 0)
        return;
    memset(block, 0x81, size);
    uint64_t zero = 0;
    memcpy(block, &zero, sizeof zero);
    rc = sill_send_loan(port, block, size, 300);
    check(rc, "sill_send_loan");
    if (rc != 0)
        check(sill_loan_cancel(port, block), "sill_loan_cancel");
}

static void play(const struct rig *rig, int learn)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.timeout_ms = 300;
    options.learn = learn;
    options.data = "data";
    options.size = 4;
    sill_port *port = NULL;
    int rc = sill_connect(&port, rig->name, &options);
    if (rc !=
        SILL_NOT_FOUND) /* Windows: the server let go of the pipe before we could look at it */
        check(rc, "sill_connect");
    if (rc != 0) {
        assert_null(port);
        return;
    }
    call_once(port, 100, SILL_PATH_AUTO);
    call_once(port, 10000, SILL_PATH_AUTO);
    call_once(port, 100000, SILL_PATH_AUTO);
    call_once(port, 400000, SILL_PATH_CHANNEL);
    call_once(port, 400000, SILL_PATH_ROUNDS);
    lend_once(port, 70000);
    sill_message m = SILL_MESSAGE_INIT;
    sill_receive(port, &m, 0);
    sill_release(&m);
    sill_port_close(port);
}

/* The server's memory is as scarce as the client's: both live in this process. */
static void fail_each(int learn)
{
    struct rig rig;
    rig_start(&rig, NULL);
    play(&rig, learn);
    long nth = 1;
    for (;; nth++) {
        sill__fault_allocation(nth);
        play(&rig, learn);
        if (!sill__fault_happened())
            break;
        sill__fault_allocation(0);
        assert_true(nth < 5000);
    }
    sill__fault_allocation(0);
    assert_true(nth > 20); /* the scenario did meet the failures */
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    sill_port_close(port);
    rig_stop(&rig);
}

static void until_none_fails(void **state)
{
    (void)state;
    fail_each(0);
}

/* Connects with the nth allocation failing. False: it was not met. */
static bool connect_to_learn(const struct rig *rig, long nth, bool *met)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.timeout_ms = 300;
    options.learn = 1;
    sill_port *port = NULL;
    sill__fault_allocation(nth);
    int rc = sill_connect(&port, rig->name, &options);
    bool happened = sill__fault_happened();
    *met = rc == SILL_NO_MEMORY && strstr(sill_last_error()->message, "port learns") != NULL;
    sill__fault_allocation(0);
    if (rc != 0)
        assert_null(port);
    sill_port_close(port);
    return happened;
}

/* What a port learns into is one allocation more; which one differs with the other threads', so
 * that it is met is seen by the sentence, and it may take more than one way through. */
static void learning(void **state)
{
    (void)state;
    fail_each(1);
    struct rig rig;
    rig_start(&rig, NULL);
    bool met = false;
    for (int way = 0; way < 50 && !met; way++)
        for (long nth = 1; nth < 200 && !met && connect_to_learn(&rig, nth, &met);)
            nth++;
    assert_true(met);
    rig_stop(&rig);
}

static void listening(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "memory");
    for (long nth = 1;; nth++) {
        sill_server *server = NULL;
        sill__fault_allocation(nth);
        int rc = sill_listen(&server, name, NULL);
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        if (rc != 0) {
            support_check(SILL_NO_MEMORY, rc, "sill_listen", __FILE__, __LINE__);
            assert_null(server);
            assert_true(happened);
        }
        sill_server_close(server);
        if (!happened)
            break;
    }
    assert_int_equal(0, support_entries(".lock"));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(until_none_fails),
    SUPPORT_TEST(learning),
    SUPPORT_TEST(listening),
};
#else
#include "support.h"

static void without_faults(void **state)
{
    (void)state;
    support_skip("this build cannot order failures (SILL_FAULTS)");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(without_faults)};
#endif
SUPPORT_MAIN_ALONE(tests)
