/* test_port_loops.c - ports and servers in event loops, and a server that answers and waits in one.
 */
#include "port_rig.h"

#ifdef _WIN32
#include <windows.h>
static int ready(sill_handle handle, int timeout_ms)
{
    return WaitForSingleObject((HANDLE)handle, (DWORD)timeout_ms) == WAIT_OBJECT_0;
}
#else
#include <poll.h>
static int ready(sill_handle handle, int timeout_ms)
{
    struct pollfd p = {.fd = (int)handle, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}
#endif

static void event_loops(void **state)
{
    (void)state;
    struct rig rig;
    rig_needs_pollable();
    rig_start(&rig, NULL);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_port_pollable(port, &handle));
    sill_message m = SILL_MESSAGE_INIT, reply = SILL_MESSAGE_INIT;
    support_status(SILL_AGAIN, sill_receive(port, &m, 0));
    assert_int_equal(0, ready(handle, 0));
    support_ok(sill_call(port, "D", 1, &reply, SUPPORT_PATIENCE_MS));
    sill_release(&reply);
    for (int i = 0; i < 2; i++) { /* the datagrams came while the call waited */
        assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
        support_ok(sill_receive(port, &m, 0));
    }
    support_status(SILL_AGAIN, sill_receive(port, &m, 0));
    assert_int_equal(0, ready(handle, 0));
    rig_stop(&rig);
    assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, sill_receive(port, &m, 0));
    assert_int_equal(1, ready(handle, 0)); /* the end stays */
    sill_port_close(port);
}

static int connect_quietly(void *arg)
{
    const struct rig *rig = arg;
    sill_port *port = NULL;
    int rc = sill_connect(&port, rig->name, NULL);
    sill_message reply = SILL_MESSAGE_INIT;
    if (rc == 0)
        rc = sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS);
    sill_release(&reply);
    sill_port_close(port);
    return rc;
}

static void server_in_event_loop(void **state)
{
    (void)state;
    struct rig rig;
    rig_needs_pollable();
    rig_listen(&rig, NULL);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_server_pollable(rig.server, &handle));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
    struct support_thread *thread = support_thread(connect_quietly, &rig);
    bool over = false;
    while (!over) {
        assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
        while (!over && sill_server_receive(rig.server, &m, 0) == 0) {
            over = m.type < 0;
            if (m.type == SILL_CONNECT)
                support_ok(sill_accept(rig.server, &m, NULL, NULL, 0, NULL));
            else if (m.type == SILL_REQUEST)
                support_ok(sill_reply(&m, "!", 1));
        }
    }
    assert_int_equal(SILL_CLOSED, m.type);
    sill_release(&m);
    assert_int_equal(0, support_join(thread));
    sill_server_close(rig.server);
}

static void reply_receive(void **state)
{
    (void)state;
    struct rig rig;
    rig_listen(&rig, NULL);
    struct support_thread *thread = support_thread(connect_quietly, &rig);
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    sill_port *port = NULL;
    int context = 0;
    support_ok(sill_accept(rig.server, &m, &context, NULL, 0, &port));
    assert_non_null(port);
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_REQUEST, m.type);
    assert_ptr_equal(&context, m.context);
    assert_ptr_equal(port, m.port);
    support_ok(sill_reply_receive(rig.server, &m, "!", 1, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_CLOSED, m.type);
    assert_ptr_equal(&context, m.context);
    sill_release(&m);
    assert_int_equal(0, support_join(thread));
    sill_server_close(rig.server);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(event_loops),
    SUPPORT_TEST(server_in_event_loop),
    SUPPORT_TEST(reply_receive),
};
SUPPORT_MAIN_ALONE(tests)
