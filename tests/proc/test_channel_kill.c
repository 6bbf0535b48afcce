/* test_channel_kill.c - processes with a bare channel are stopped at each step and killed: the
 * other side learns it in time, the name is free again, nothing is left. */
#include "support.h"

#include <sill/channel.h>

#ifdef SILL_STEPS

#include "stop_rig.h"

enum { MIB = 1024 * 1024 };

static int run_listener(int argc, char **argv)
{
    sill_listener *listener;
    (void)argc;
    int status = sill_channel_listen(&listener, argv[0], NULL);
    support_say("%s", sill_status_name(status));
    support_linger();
    return 0;
}

/* Sends a small frame and one that is larger than any buffer, then closes. */
static int run_client(int argc, char **argv)
{
    static unsigned char large[MIB];
    sill_channel *channel;
    (void)argc;
    if (sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS) != SILL_OK)
        return 1;
    int status = sill_channel_send(channel, "small", 5, NULL, 0, SUPPORT_PATIENCE_MS);
    if (status == SILL_OK)
        status = sill_channel_send(channel, large, sizeof large, NULL, 0, SUPPORT_PATIENCE_MS);
    sill_channel_close(channel);
    support_say("%s", sill_status_name(status));
    support_linger();
    return 0;
}

static void killed_listener_frees_its_name(void **state)
{
    static const char *const steps[] = {"listen_claimed", "listen_bound"};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        struct stop stop;
        sill_listener *listener = NULL;
        sill_channel *channel = NULL;
        support_name(name, "kill");
        struct support_process *process = start_to_stop(&stop, "listener", steps[i], name, NULL);
        await_stop(&stop);
        support_status(SILL_EXISTS, sill_channel_listen(&listener, name, NULL));
        kill_when_stopped(&stop, process);
        support_status(SILL_NOT_FOUND, sill_channel_connect(&channel, name, NULL, 5000));
        support_ok(sill_channel_listen(&listener, name, NULL));
        support_ok(sill_channel_connect(&channel, name, NULL, SUPPORT_PATIENCE_MS));
        sill_channel_close(channel);
        sill_listener_close(listener);
        support_finish(process);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void killed_client_is_told(void **state)
{
    static const struct {
        const char *step;
        int frames; /* that arrive whole */
        int end;
    } cases[] = {{"frame_half", 1, SILL_DIED},
                 {"close_begin", 2, SILL_DIED},
                 {"close_sent", 2, SILL_CLOSED}};
    static unsigned char buffer[MIB];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        struct stop stop;
        sill_listener *listener;
        sill_channel *server;
        size_t size;
        support_name(name, "kill");
        support_ok(sill_channel_listen(&listener, name, NULL));
        struct support_process *process = start_to_stop(&stop, "client", cases[i].step, name, NULL);
        support_ok(sill_channel_accept(listener, &server, SUPPORT_PATIENCE_MS));
        for (int k = 0; k < cases[i].frames; k++)
            support_ok(sill_channel_receive(server, buffer, sizeof buffer, &size, NULL, NULL,
                                            SUPPORT_PATIENCE_MS));
        kill_when_stopped(&stop, process);
        support_status(cases[i].end, sill_channel_receive(server, buffer, sizeof buffer, &size,
                                                          NULL, NULL, SUPPORT_PATIENCE_MS));
        sill_channel_close(server);
        sill_listener_close(listener);
        support_finish(process);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(killed_listener_frees_its_name),
    SUPPORT_TEST(killed_client_is_told),
};
static const struct support_role roles[] = {{"listener", run_listener}, {"client", run_client}};
SUPPORT_MAIN(tests, roles)

#else

static void needs_steps(void **state)
{
    (void)state;
    support_skip("this build has no steps to stop at (SILL_STEPS)");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(needs_steps)};
SUPPORT_MAIN_ALONE(tests)

#endif
