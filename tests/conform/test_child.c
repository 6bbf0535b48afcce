/* test_child.c - child processes: what they get, what they do not get, how they end. */
#include <sill.h>

#include "support.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

/* ---- helpers, in the children ---- */

/* Copies its input to its output, in capitals, and says on its error stream that it did. */
static int run_upper(int argc, char **argv)
{
    int c;
    (void)argc;
    (void)argv;
    while ((c = getchar()) != EOF)
        putchar(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    fflush(stdout);
    fputs("done", stderr);
    return 0;
}

static int run_reverse(int argc, char **argv)
{
    char text[256];
    size_t size = fread(text, 1, sizeof text, stdin);
    (void)argc;
    (void)argv;
    while (size > 0)
        putchar(text[--size]);
    return 0;
}

/* Says its arguments, each in brackets. */
static int run_arguments(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("[%s]", argv[i]);
    return 0;
}

static int run_exit(int argc, char **argv)
{
    (void)argc;
    return atoi(argv[0]);
}

static int run_environment(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("%s;", getenv(argv[i]) != NULL ? getenv(argv[i]) : "none");
    return 0;
}

static int run_folder(int argc, char **argv)
{
    FILE *file = fopen(argv[0], "r");
    (void)argc;
    printf("%s", file != NULL ? "there" : "not there");
    if (file != NULL)
        fclose(file);
    return 0;
}

/* Waits for the end of its input. */
static int run_sit(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    while (getchar() != EOF)
        ;
    return 0;
}

/* VALUE: writes to the handle of this value. */
static int run_write_to(int argc, char **argv)
{
    (void)argc;
#ifdef _WIN32
    DWORD done;
    return WriteFile((HANDLE)(intptr_t)atoll(argv[0]), "!", 1, &done, NULL) ? 0 : 1;
#else
    return write(atoi(argv[0]), "!", 1) == 1 ? 0 : 1;
#endif
}

/* ---- in the test ---- */

static void make_inheritable(sill_handle handle)
{
#ifdef _WIN32
    assert_true(SetHandleInformation((HANDLE)handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
#else
    assert_int_equal(fcntl((int)handle, F_SETFD, 0), 0);
#endif
}

/* Everything that comes, as text. */
static void expect_text(sill_pipe *pipe, const char *wanted)
{
    char text[512];
    size_t size, total = 0;
    int status;
    while ((status = sill_pipe_read(pipe, text + total, sizeof text - 1 - total, &size,
                                    SUPPORT_PATIENCE_MS)) == SILL_OK)
        total += size;
    support_status(SILL_CLOSED, status);
    text[total] = '\0';
    assert_string_equal(text, wanted);
    sill_pipe_close(pipe);
}

static void expect_code(sill_child *child, int wanted)
{
    int code = 77777;
    support_ok(sill_child_wait(child, &code, SUPPORT_PATIENCE_MS));
    assert_int_equal(code, wanted);
    sill_child_close(child);
}

static void streams(void **state)
{
    const char *const arguments[] = {support_self(), "--role", "upper", NULL};
    (void)state;
    for (int together = 0; together < 2; together++) {
        sill_child_options options = SILL_CHILD_OPTIONS_INIT;
        sill_child *child;
        options.in.how = options.out.how = SILL_CHILD_PIPE;
        options.err.how = together ? SILL_CHILD_TO_OUT : SILL_CHILD_PIPE;
        support_ok(sill_child_start(&child, arguments, &options));
        support_ok(sill_pipe_write(options.in.pipe, "good day", 8, NULL, SUPPORT_PATIENCE_MS));
        sill_pipe_close(options.in.pipe);
        expect_text(options.out.pipe, together ? "GOOD DAYdone" : "GOOD DAY");
        if (together)
            assert_null(options.err.pipe);
        else
            expect_text(options.err.pipe, "done");
        expect_code(child, 0);
    }
}

static void null_streams(void **state)
{
    const char *const arguments[] = {support_self(), "--role", "upper", NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    (void)state;
    options.in.how = options.err.how = SILL_CHILD_NULL;
    options.out.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, arguments, &options));
    expect_text(options.out.pipe, "");
    expect_code(child, 0);
}

static void arguments_arrive(void **state)
{
    const char *const arguments[] = {support_self(), "--role", "arguments", "plain",
                                     "two words",    "",       "a\"b\\",    "\\\\\"",
                                     "c\\\\ d\\",    NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    (void)state;
    options.out.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, arguments, &options));
    expect_text(options.out.pipe, "[plain][two words][][a\"b\\][\\\\\"][c\\\\ d\\]");
    expect_code(child, 0);
}

static void environment_and_folder(void **state)
{
    const char *const asks[] = {support_self(), "--role",      "environment", "SILL_TEST_A",
                                "SILL_TEST_B",  "SILL_TEST_C", NULL};
    const char *const looks[] = {support_self(), "--role", "folder", "mark", NULL};
    const char *const more[] = {"SILL_TEST_A=new", "SILL_TEST_B=", NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    char path[SUPPORT_PATH_SIZE];
    (void)state;
    support_setenv("SILL_TEST_A", "old");
    support_setenv("SILL_TEST_C", "kept");
    options.out.how = SILL_CHILD_PIPE;
    options.environment = more;
    support_ok(sill_child_start(&child, asks, &options));
    /* Windows does not tell an empty variable from none in every function. */
    char text[64];
    size_t size = 0, total = 0;
    while (sill_pipe_read(options.out.pipe, text + total, sizeof text - 1 - total, &size,
                          SUPPORT_PATIENCE_MS) == SILL_OK)
        total += size;
    text[total] = '\0';
    assert_true(strcmp(text, "new;;kept;") == 0 || strcmp(text, "new;none;kept;") == 0);
    sill_pipe_close(options.out.pipe);
    expect_code(child, 0);
    support_setenv("SILL_TEST_A", NULL);
    support_setenv("SILL_TEST_C", NULL);

    support_path(path, "mark");
    support_write_file(path, "x", 1);
    options.environment = NULL;
    options.folder = support_directory();
    support_ok(sill_child_start(&child, looks, &options));
    expect_text(options.out.pipe, "there");
    expect_code(child, 0);
    options.folder = path; /* a file */
    child = NULL;
    assert_true(sill_child_start(&child, looks, &options) < 0);
    assert_null(child);
    remove(path);
}

static void how_they_end(void **state)
{
    const char *const leaves[] = {support_self(), "--role", "exit", "7", NULL};
    const char *const sits[] = {support_self(), "--role", "sit", NULL};
    const char *const none[] = {"sill-no-such-program", NULL};
    const char *const empty[] = {NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child = NULL;
    int code = 0;
    (void)state;
    support_ok(sill_child_start(&child, leaves, NULL));
    expect_code(child, 7);

    options.in.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, sits, &options));
    support_status(SILL_TIMEOUT, sill_child_wait(child, &code, 5));
    support_ok(sill_child_kill(child));
    support_ok(sill_child_wait(child, &code, SUPPORT_PATIENCE_MS));
    assert_int_not_equal(code, 0);
    support_ok(sill_child_kill(child)); /* nothing is left to do */
    sill_child_close(child);
    sill_pipe_close(options.in.pipe);

    child = NULL;
    support_status(SILL_NOT_FOUND, sill_child_start(&child, none, NULL));
    support_status(SILL_INVALID, sill_child_start(&child, empty, NULL));
    support_status(SILL_INVALID, sill_child_start(NULL, leaves, NULL));
    options.in.how = SILL_CHILD_TO_OUT;
    support_status(SILL_INVALID, sill_child_start(&child, leaves, &options));
    assert_null(child);
    assert_int_equal(sill_child_pid(NULL), 0);
    sill_child_close(NULL);
}

static void writing_to_a_child_that_ended(void **state)
{
    const char *const leaves[] = {support_self(), "--role", "exit", "0", NULL};
    static char much[1000000];
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    (void)state;
    options.in.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, leaves, &options));
    support_status(SILL_CLOSED,
                   sill_pipe_write(options.in.pipe, much, sizeof much, NULL, SUPPORT_PATIENCE_MS));
    sill_pipe_close(options.in.pipe);
    expect_code(child, 0);
}

static void only_named_handles_are_inherited(void **state)
{
    const char *const sits[] = {support_self(), "--role", "sit", NULL};
    char value[24], byte;
    const char *const writes[] = {support_self(), "--role", "write_to", value, NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *child;
    sill_pipe *pipe;
    sill_handle other;
    size_t size;
    (void)state;
    support_ok(sill_pipe_anonymous(&pipe, SILL_PIPE_READ, &other));
    snprintf(value, sizeof value, "%lld", (long long)other);
    options.handles = &other;
    options.handle_count = 1;
    support_ok(sill_child_start(&child, writes, &options));
    expect_code(child, 0);
    support_ok(sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
    assert_int_equal(byte, '!');

    make_inheritable(other); /* as a careless program does */
    options.handle_count = 0;
    options.in.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, sits, &options));
    sill_handle_close(other);
    support_status(SILL_CLOSED, sill_pipe_read(pipe, &byte, 1, &size, SUPPORT_PATIENCE_MS));
    sill_pipe_close(options.in.pipe);
    expect_code(child, 0);
    sill_pipe_close(pipe);
}

/* A handle that is not open does not become one of those that are made for the child. */
static void closed_handles_are_refused(void **state)
{
    const char *const arguments[] = {support_self(), "--role", "upper", NULL};
    sill_handle closed[40];
    sill_child *child;
    (void)state;
    for (int i = 0; i < 40; i += 2)
        support_ok(sill_pipe_pair(&closed[i], &closed[i + 1]));
    for (int i = 0; i < 40; i++)
        sill_handle_close(closed[i]);
    for (int i = 0; i < 40; i++) {
        sill_child_options options = SILL_CHILD_OPTIONS_INIT;
        options.out.how = SILL_CHILD_PIPE;
        options.handles = &closed[i];
        options.handle_count = 1;
        support_status(SILL_INVALID, sill_child_start(&child, arguments, &options));
        options.handle_count = 0;
        options.in = (sill_child_io){SILL_CHILD_HANDLE, closed[i], NULL};
        support_status(SILL_INVALID, sill_child_start(&child, arguments, &options));
    }
}

static void batch_files_are_refused(void **state)
{
    (void)state;
#ifdef _WIN32
    static const char *const names[] = {"b.bat", "b.BAT", "b.bat.", "b.bat. .", "c.cmd"};
    static const char text[] = "@exit 3\r\n";
    char path[SUPPORT_PATH_SIZE];
    sill_child *child;
    for (int i = 0; i < 5; i++) {
        support_path(path, i < 4 ? names[0] : names[4]);
        support_write_file(path, text, sizeof text - 1);
        char named[SUPPORT_PATH_SIZE];
        support_path(named, names[i]);
        const char *const arguments[] = {named, "\"&echo", NULL};
        support_status(SILL_INVALID, sill_child_start(&child, arguments, NULL));
        remove(path);
    }
#else
    support_skip("there are no batch files here");
#endif
}

static void line_of_children(void **state)
{
    const char *const upper[] = {support_self(), "--role", "upper", NULL};
    const char *const reverse[] = {support_self(), "--role", "reverse", NULL};
    const char *const none[] = {"sill-no-such-program", NULL};
    const char *const *good[] = {upper, reverse, upper};
    const char *const *bad[] = {upper, none, upper};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    sill_child *children[3] = {NULL, NULL, NULL};
    (void)state;
    options.in.how = options.out.how = SILL_CHILD_PIPE;
    options.err.how = SILL_CHILD_NULL;
    support_ok(sill_child_pipeline(children, good, 3, &options));
    support_ok(sill_pipe_write(options.in.pipe, "stressed", 8, NULL, SUPPORT_PATIENCE_MS));
    sill_pipe_close(options.in.pipe);
    expect_text(options.out.pipe, "DESSERTS");
    for (int i = 0; i < 3; i++) {
        expect_code(children[i], 0);
        children[i] = NULL;
    }
    unsigned before = support_handles();
    support_status(SILL_NOT_FOUND, sill_child_pipeline(children, bad, 3, &options));
    assert_int_equal(support_handles(), before);
    for (int i = 0; i < 3; i++)
        assert_null(children[i]);
    support_status(SILL_INVALID, sill_child_pipeline(children, good, 1, &options));
    options.err.how = SILL_CHILD_PIPE;
    support_status(SILL_INVALID, sill_child_pipeline(children, good, 3, &options));
}

static int read_to_the_end(void *arg)
{
    char text[64];
    size_t size;
    int status;
    while ((status = sill_pipe_read(arg, text, sizeof text, &size, SUPPORT_PATIENCE_MS)) == SILL_OK)
        ;
    return status;
}

/* Whoever waits for a child that is killed is told, and so is everybody in a line of children. */
static void killed_child_leaves_nobody_waiting(void **state)
{
    static char much[1000000];
    const char *const upper[] = {support_self(), "--role", "upper", NULL};
    const char *const *commands[] = {upper, upper, upper};
    (void)state;
    for (int which = 0; which < 3; which++) {
        sill_child_options options = SILL_CHILD_OPTIONS_INIT;
        sill_child *children[3];
        int code = 0;
        options.in.how = options.out.how = SILL_CHILD_PIPE;
        options.err.how = SILL_CHILD_NULL;
        support_ok(sill_child_pipeline(children, commands, 3, &options));
        struct support_thread *reader = support_thread(read_to_the_end, options.out.pipe);
        support_ok(sill_child_kill(children[which]));
        support_ok(sill_child_wait(children[which], &code, SUPPORT_PATIENCE_MS));
        assert_int_not_equal(code, 0);
        if (which == 0)
            support_status(SILL_CLOSED, sill_pipe_write(options.in.pipe, much, sizeof much, NULL,
                                                        SUPPORT_PATIENCE_MS));
        sill_pipe_close(options.in.pipe);
        support_status(SILL_CLOSED, support_join(reader));
        for (int i = 0; i < 3; i++) {
            support_ok(sill_child_wait(children[i], NULL, SUPPORT_PATIENCE_MS));
            sill_child_close(children[i]);
        }
        sill_pipe_close(options.out.pipe);
    }
}

static void one_process_to_the_next_by_hand(void **state)
{
    const char *const says[] = {support_self(), "--role", "arguments", "abc", NULL};
    const char *const upper[] = {support_self(), "--role", "upper", NULL};
    sill_child_options first = SILL_CHILD_OPTIONS_INIT, second = SILL_CHILD_OPTIONS_INIT;
    sill_handle reader, writer;
    sill_child *a, *b;
    (void)state;
    support_ok(sill_pipe_pair(&reader, &writer));
    first.out = (sill_child_io){SILL_CHILD_HANDLE, writer, NULL};
    second.in = (sill_child_io){SILL_CHILD_HANDLE, reader, NULL};
    second.out.how = SILL_CHILD_PIPE;
    second.err.how = SILL_CHILD_NULL;
    support_ok(sill_child_start(&b, upper, &second));
    support_ok(sill_child_start(&a, says, &first));
    sill_handle_close(reader);
    sill_handle_close(writer);
    expect_text(second.out.pipe, "[ABC]");
    expect_code(a, 0);
    expect_code(b, 0);
}

static void nothing_is_left_open(void **state)
{
    const char *const arguments[] = {support_self(), "--role", "upper", NULL};
    unsigned before = 0;
    (void)state;
    for (int i = 0; i < 4; i++) {
        sill_child_options options = SILL_CHILD_OPTIONS_INIT;
        sill_child *child;
        options.in.how = options.out.how = options.err.how = SILL_CHILD_PIPE;
        support_ok(sill_child_start(&child, arguments, &options));
        sill_pipe_close(options.in.pipe);
        expect_text(options.out.pipe, "");
        expect_text(options.err.pipe, "done");
        expect_code(child, 0);
        if (i == 1)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(streams),
    SUPPORT_TEST(null_streams),
    SUPPORT_TEST(arguments_arrive),
    SUPPORT_TEST(environment_and_folder),
    SUPPORT_TEST(how_they_end),
    SUPPORT_TEST(writing_to_a_child_that_ended),
    SUPPORT_TEST(only_named_handles_are_inherited),
    SUPPORT_TEST(closed_handles_are_refused),
    SUPPORT_TEST(batch_files_are_refused),
    SUPPORT_TEST(line_of_children),
    SUPPORT_TEST(killed_child_leaves_nobody_waiting),
    SUPPORT_TEST(one_process_to_the_next_by_hand),
    SUPPORT_TEST(nothing_is_left_open),
};
static const struct support_role roles[] = {
    {"upper", run_upper}, {"reverse", run_reverse},         {"arguments", run_arguments},
    {"exit", run_exit},   {"environment", run_environment}, {"folder", run_folder},
    {"sit", run_sit},     {"write_to", run_write_to},
};
SUPPORT_MAIN(tests, roles)
