/* test_pipe_kill.c - processes with a byte stream are stopped at each step and killed: the other
 * side learns it, the name is free again, nothing lies about that sill_clean does not find.
 */
#include "support.h"

#include <sill.h>

#ifdef SILL_STEPS

#include "stop_rig.h"

enum { MUCH = 1000000 };

/* ---- helpers: NAME r|w ---- */

static int end_of(char **argv)
{
    return argv[1][0] == 'w' ? SILL_PIPE_WRITE : SILL_PIPE_READ;
}

static int run_creator(int argc, char **argv)
{
    sill_pipe *pipe;
    (void)argc;
    if (sill_pipe_create(&pipe, argv[0], end_of(argv), NULL) != SILL_OK)
        return 1;
    support_linger();
    return 0;
}

static int run_opener(int argc, char **argv)
{
    static char bytes[MUCH];
    sill_pipe *pipe;
    (void)argc;
    if (sill_pipe_open(&pipe, argv[0], end_of(argv), NULL) != SILL_OK)
        return 1;
    if (end_of(argv) == SILL_PIPE_WRITE)
        sill_pipe_write(pipe, bytes, MUCH, NULL, SUPPORT_PATIENCE_MS);
    sill_pipe_close(pipe);
    support_linger();
    return 0;
}

/* ---- tests ---- */

static void killed_creator_frees_the_name(void **state)
{
    static const char *const steps[] = {"pipe_claimed", "pipe_made"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        char name[SUPPORT_NAME_SIZE];
        struct stop stop;
        sill_pipe *pipe = NULL, *other = NULL;
        size_t size;
        char byte;
        support_name(name, "kill");
        struct support_process *process =
            start_to_stop(&stop, "creator", steps[i / 2], name, i % 2 ? "w" : "r");
        await_stop(&stop);
        support_status(SILL_EXISTS, sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
        kill_when_stopped(&stop, process);
        support_status(SILL_NOT_FOUND, sill_pipe_open(&pipe, name, SILL_PIPE_READ, NULL));
        if (i % 2 == 0) {
            support_ok(sill_clean(NULL, 0, NULL, NULL));
            assert_int_equal(support_entries(".lock"), 0);
        }
        support_ok(sill_pipe_create(&pipe, name, SILL_PIPE_READ, NULL));
        support_ok(sill_pipe_open(&other, name, SILL_PIPE_WRITE, NULL));
        support_ok(sill_pipe_write(other, "x", 1, NULL, SUPPORT_PATIENCE_MS));
        support_ok(sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
        sill_pipe_close(other);
        sill_pipe_close(pipe);
        support_finish(process);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static int read_all(void *arg)
{
    static char bytes[MUCH];
    size_t size;
    int status;
    while ((status = sill_pipe_read(arg, bytes, sizeof bytes, &size, SUPPORT_PATIENCE_MS)) ==
           SILL_OK)
        ;
    return status;
}

static int write_much(void *arg)
{
    static char bytes[MUCH];
    return sill_pipe_write(arg, bytes, sizeof bytes, NULL, SUPPORT_PATIENCE_MS);
}

static void killed_peer_is_told(void **state)
{
    static const struct {
        const char *step;
        bool writes; /* the killed one */
        int end;
    } cases[] = {{"pipe_opened", true, SILL_DIED},
                 {"pipe_opened", false, SILL_DIED},
                 {"pipe_half", true, SILL_DIED},
                 {"pipe_close", true, SILL_CLOSED},
                 {"pipe_close", false, SILL_CLOSED}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool reads = cases[i].writes;
        char name[SUPPORT_NAME_SIZE];
        struct stop stop;
        sill_pipe *pipe;
        support_name(name, "kill");
        support_ok(sill_pipe_create(&pipe, name, reads ? SILL_PIPE_READ : SILL_PIPE_WRITE, NULL));
        struct support_thread *thread = support_thread(reads ? read_all : write_much, pipe);
        struct support_process *process =
            start_to_stop(&stop, "opener", cases[i].step, name, cases[i].writes ? "w" : "r");
        kill_when_stopped(&stop, process);
        support_status(cases[i].end, support_join(thread));
        support_finish(process);
        sill_pipe_close(pipe);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(killed_creator_frees_the_name),
    SUPPORT_TEST(killed_peer_is_told),
};
static const struct support_role roles[] = {{"creator", run_creator}, {"opener", run_opener}};
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
