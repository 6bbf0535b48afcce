/* Signals without end: a timer interrupts every wait many times over. No call fails for it, and no
 * wait becomes longer or shorter.
 */
#ifndef _WIN32
#include "../conform/port_rig.h"

#include <signal.h>
#include <sys/time.h>

static atomic_uint signals; /* the handler runs in any thread */

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void storm(long period_us)
{
    struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval timer = {{0, period_us}, {0, period_us}};
    assert_int_equal(0, setitimer(ITIMER_REAL, &timer, NULL));
}

static void calls_in_a_storm(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL);
    storm(200);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    static const size_t sizes[] = {10, 50000, 300000, 2000000};
    for (int i = 0; i < 200; i++) {
        size_t size = sizes[i % 4];
        unsigned char *bytes = rig_bytes(size, (unsigned)i);
        sill_send_options options = SILL_SEND_OPTIONS_INIT;
        options.path = i % 3 == 0 ? SILL_PATH_CHANNEL : SILL_PATH_AUTO;
        sill_message reply = SILL_MESSAGE_INIT;
        support_ok(sill_call_with(port, bytes, size, &options, &reply, SUPPORT_PATIENCE_MS));
        assert_memory_equal(bytes, reply.data, size);
        sill_release(&reply);
        free(bytes);
    }
    sill_message m = SILL_MESSAGE_INIT;
    int64_t before = support_now_ms();
    support_status(SILL_TIMEOUT, sill_receive(port, &m, 100));
    assert_true(support_now_ms() - before >= 100);
    sill_port_close(port);
    rig_stop(&rig);
    storm(0);
    assert_true(signals > 100);
}

static sill_server *to_cancel;

static void cancel_from_handler(int number)
{
    (void)number;
    sill_server_cancel(to_cancel);
}

/* What Ctrl-C does in a server with one thread. */
static void cancel_in_a_handler(void **state)
{
    (void)state;
    struct rig rig;
    rig_listen(&rig, NULL);
    to_cancel = rig.server;
    struct sigaction action = {.sa_handler = cancel_from_handler};
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval once = {{0, 0}, {0, 20000}};
    assert_int_equal(0, setitimer(ITIMER_REAL, &once, NULL));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_CANCELED, sill_server_receive(rig.server, &m, -1));
    support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
    sill_server_cancel(rig.server); /* between two calls: not lost */
    support_status(SILL_CANCELED, sill_server_receive(rig.server, &m, -1));
    sill_server_close(rig.server);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(calls_in_a_storm),
    SUPPORT_TEST(cancel_in_a_handler),
};
#else
#include "support.h"

static void no_signals(void **state)
{
    (void)state;
    support_skip("Windows has no signals that interrupt a call");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(no_signals)};
#endif
SUPPORT_MAIN_ALONE(tests)
