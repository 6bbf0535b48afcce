/* test_process.c - who a process is, and that a pid alone is never believed. */
#include "process.h"
#include "status.h"

#include "support.h"

static int role_linger(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct sill__process self;
    sill__process_self(&self);
    support_say("%lu", (unsigned long)self.pid);
    support_linger();
    return 0;
}

static void same(const struct sill__process *a, const struct sill__process *b)
{
    assert_int_equal(a->pid, b->pid);
    assert_true(a->start == b->start);
    assert_true(a->pid_space == b->pid_space);
    assert_string_equal(a->boot, b->boot);
}

static void we_live(void **state)
{
    (void)state;
    struct sill__process self, found;
    sill__process_self(&self);
    assert_int_not_equal(self.pid, 0);
    assert_true(self.start != 0);
    assert_int_equal(sill__process_alive(&self), 1);
    support_ok(sill__process_of(self.pid, &found));
    same(&self, &found);
}

static void others_live_until_they_end(void **state)
{
    (void)state;
    char line[40];
    struct support_process *process = support_start("linger", NULL, NULL);
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    uint32_t pid = (uint32_t)strtoul(line, NULL, 10);
    struct sill__process other;
    support_ok(sill__process_of(pid, &other));
    assert_int_equal(other.pid, pid);
    assert_int_equal(sill__process_alive(&other), 1);
    support_kill(process);
    assert_int_equal(sill__process_alive(&other), 0);
    support_finish(process);
    assert_int_equal(sill__process_alive(&other), 0);
    assert_int_equal(sill__process_of(pid, &other), SILL_NOT_FOUND);
}

static void a_pid_that_came_back_is_another(void **state)
{
    (void)state;
    struct sill__process process;
    sill__process_self(&process);
    process.start++;
    assert_int_equal(sill__process_alive(&process), 0);
}

static void what_cannot_be_told_is_not_guessed(void **state)
{
    (void)state;
    struct sill__process process;
    sill__process_self(&process);
    if (process.boot[0] == '\0')
        support_skip("this system has neither boot ids nor pid namespaces");
    process.pid_space++;
    assert_int_equal(sill__process_alive(&process), -1);
    sill__process_self(&process);
    process.boot[0] = process.boot[0] == '0' ? '1' : '0';
    assert_int_equal(sill__process_alive(&process), 0);
    process.boot[0] = '\0';
    assert_int_equal(sill__process_alive(&process), -1);
}

static void impossible_pids_are_gone(void **state)
{
    (void)state;
    struct sill__process process, found;
    sill__process_self(&process);
    process.pid = 0;
    assert_int_equal(sill__process_alive(&process), 0);
    process.pid = UINT32_MAX - 3;
    assert_int_equal(sill__process_alive(&process), 0);
    support_status(SILL_NOT_FOUND, sill__process_of(UINT32_MAX - 3, &found));
}

static void no_handles_are_lost(void **state)
{
    (void)state;
    struct sill__process self, found;
    sill__process_self(&self);
    unsigned before = support_handles();
    for (int i = 0; i < 20; i++) {
        sill__process_self(&self);
        assert_int_equal(sill__process_alive(&self), 1);
        support_ok(sill__process_of(self.pid, &found));
    }
    assert_int_equal(support_handles(), before);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(we_live),
    SUPPORT_TEST(others_live_until_they_end),
    SUPPORT_TEST(a_pid_that_came_back_is_another),
    SUPPORT_TEST(what_cannot_be_told_is_not_guessed),
    SUPPORT_TEST(impossible_pids_are_gone),
    SUPPORT_TEST(no_handles_are_lost),
};
static const struct support_role roles[] = {
    {"linger", role_linger},
};
SUPPORT_MAIN(tests, roles)
