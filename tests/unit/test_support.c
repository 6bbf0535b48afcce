/* test_support.c - the tests' own support, tested: what it says about processes must be true before
 * anything else is judged with it. */
#include "support.h"

static int role_echo(int argc, char **argv)
{
    char line[200];
    support_say("ready %d %s", argc, argc > 0 ? argv[0] : "-");
    while (support_listen(line, sizeof line, SUPPORT_PATIENCE_MS))
        support_say("%s", line);
    return 7;
}

static int role_linger(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const char *value = getenv("SUPPORT_PROBE");
    support_say("%s", value != NULL ? value : "-");
    support_linger();
    return 0;
}

static int role_copy(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (int c; (c = getchar()) != EOF;)
        putchar(c);
    fputs("copied", stderr);
    return 3;
}

static int role_silent(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    support_linger();
    return 0;
}

static void lines_go_both_ways(void **state)
{
    (void)state;
    const char *const arguments[] = {"a \"quoted\\\" one\\", NULL};
    struct support_process *process = support_start("echo", arguments, NULL);
    support_expect(process, "ready 1 a \"quoted\\\" one\\");
    support_tell(process, "one");
    support_tell(process, "two words");
    support_expect(process, "one");
    support_expect(process, "two words");
    assert_int_equal(support_finish(process), 7);
}

static void environment_is_added(void **state)
{
    (void)state;
    const char *const environment[] = {"SUPPORT_PROBE=a value", NULL};
    struct support_process *process = support_start("linger", NULL, environment);
    support_expect(process, "a value");
    assert_null(getenv("SUPPORT_PROBE"));
    assert_int_equal(support_finish(process), 0);
}

static void hearing_keeps_its_deadline(void **state)
{
    (void)state;
    char line[100];
    struct support_process *process = support_start("silent", NULL, NULL);
    int64_t begin = support_now_ms();
    assert_false(support_hear(process, line, sizeof line, 50));
    assert_in_range((uintmax_t)(support_now_ms() - begin), 40, SUPPORT_PATIENCE_MS / 2);
    assert_false(support_wait(process, 0, NULL));
    support_kill(process);
    assert_false(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    support_finish(process);
}

static void killed_is_gone(void **state)
{
    (void)state;
    struct support_process *process = support_start("linger", NULL, NULL);
    support_expect(process, "-");
    assert_int_not_equal(support_pid(process), 0);
    support_kill(process);
    assert_true(support_wait(process, 0, NULL));
    support_finish(process);
}

static void nothing_leaks(void **state)
{
    (void)state;
    unsigned before = 0;
    for (int round = 0; round < 3; round++) {
        struct support_process *process = support_start("echo", NULL, NULL);
        support_expect(process, "ready 0 -");
        support_finish(process);
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

static void programs_run_to_their_end(void **state)
{
    (void)state;
    const char *const arguments[] = {support_self(), "--role", "copy", NULL};
    char input[5000];
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)('a' + i % 26);
    struct support_result result;
    support_run(&result, arguments, NULL, input, sizeof input);
    assert_int_equal(result.status, 3);
    assert_int_equal(result.out_size, sizeof input);
    assert_memory_equal(result.out, input, sizeof input);
    assert_string_equal(result.error, "copied");
    support_result_free(&result);
    assert_int_equal(support_entries(NULL), 0);
}

static void files_are_written_and_read(void **state)
{
    (void)state;
    static const char input[] = "first\nsecond";
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "seen");
    support_write_file(path, input, sizeof input - 1);
    assert_int_equal(support_entries(NULL), 1);
    assert_int_equal(support_entries("seen"), 0);
    size_t size = 0;
    char *data = support_read_file(path, &size);
    assert_int_equal(size, sizeof input - 1);
    assert_memory_equal(data, input, size);
    free(data);
    assert_false(support_exists("no such file"));
}

static bool after(void *arg)
{
    return support_now_ms() >= *(int64_t *)arg;
}

static int add_one(void *arg)
{
    return *(int *)arg + 1;
}

static void conditions_and_threads(void **state)
{
    (void)state;
    int64_t when = support_now_ms() + 20;
    assert_true(support_until(after, &when, SUPPORT_PATIENCE_MS));
    when = INT64_MAX;
    assert_false(support_until(after, &when, 10));
    int value = 41;
    assert_int_equal(support_join(support_thread(add_one, &value)), 42);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(lines_go_both_ways),
    SUPPORT_TEST(environment_is_added),
    SUPPORT_TEST(hearing_keeps_its_deadline),
    SUPPORT_TEST(killed_is_gone),
    SUPPORT_TEST(nothing_leaks),
    SUPPORT_TEST(programs_run_to_their_end),
    SUPPORT_TEST(files_are_written_and_read),
    SUPPORT_TEST(conditions_and_threads),
};
static const struct support_role roles[] = {
    {"echo", role_echo},
    {"linger", role_linger},
    {"copy", role_copy},
    {"silent", role_silent},
};
SUPPORT_MAIN(tests, roles)
