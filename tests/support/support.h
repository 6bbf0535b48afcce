/* support.h - what every test program is made of: a fresh runtime directory for each test, unique
 * names, helper processes, threads, deadlines. One interface on POSIX (posix.c) and Windows
 * (win32.c).
 *
 * A test program ends with
 *
 *     static const struct CMUnitTest tests[] = {SUPPORT_TEST(echo), ...};
 *     static const struct support_role roles[] = {{"server", run_server}, ...};
 *     SUPPORT_MAIN(tests, roles)           (SUPPORT_MAIN_ALONE(tests) without helper processes)
 *
 * A helper process is this same program started again in a role: support_start("server", ...).
 * It talks to the test in lines, through its standard input and output. Helpers end with the test:
 * one that still runs is killed and makes the test fail, and if the test program itself is killed
 * the system kills them too (so start them from the main thread).
 *
 * Everything here that fails makes the test fail (cmocka's fail_msg), unless it says otherwise.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__MINGW32__)
#define SUPPORT_PRINTF(f, a) __attribute__((format(__MINGW_PRINTF_FORMAT, f, a)))
#else
#define SUPPORT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif

/* Long enough never to pass on a busy machine unless something hangs; well below ctest's limit. */
#define SUPPORT_PATIENCE_MS 30000

/* ---- test programs ---- */

struct support_role {
    const char *name;
    int (*run)(int argc, char **argv); /* argv: what the test gave; returns the exit status */
};

int support_main(int argc, char **argv, const char *program, const struct CMUnitTest *tests,
                 size_t test_count, const struct support_role *roles, size_t role_count);
int support_setup(void **state);
int support_teardown(void **state);

#define SUPPORT_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, support_setup, support_teardown)

/* With a name and data of its own: one function run over several backends. The function finds
 * `data` in *state. */
#define SUPPORT_TEST_WITH(text, function, data)                                                    \
    {                                                                                              \
        text, function, support_setup, support_teardown, data                                      \
    }

#define SUPPORT_MAIN(tests, roles)                                                                 \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], roles,    \
                            sizeof roles / sizeof roles[0]);                                       \
    }
#define SUPPORT_MAIN_ALONE(tests)                                                                  \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0); \
    }

/* Ends the test as skipped, with the reason in the output. */
#define support_skip(...)                                                                          \
    do {                                                                                           \
        support_say_skipped(__VA_ARGS__);                                                          \
        skip();                                                                                    \
    } while (0)
void support_say_skipped(const char *format, ...) SUPPORT_PRINTF(1, 2);

/* Asserts that a sill function succeeded, or returned a certain status; says the names of the
 * statuses and the last error's sentence if not. */
#define support_ok(call)             support_check(0, (call), #call, __FILE__, __LINE__)
#define support_status(status, call) support_check((status), (call), #call, __FILE__, __LINE__)
void support_check(int wanted, int got, const char *call, const char *file, int line);

bool support_under_wine(void);

/* ---- names, directories, files ---- */

/* The runtime directory of this test: new, empty, in SILL_RUNTIME_DIR, removed afterwards.
 * Helpers share it. */
const char *support_directory(void);

/* A name that no other test, process or call uses: "echo-4711-1". */
#define SUPPORT_NAME_SIZE 80
void support_name(char name[SUPPORT_NAME_SIZE], const char *stem);

/* A path of a file in the runtime directory. */
#define SUPPORT_PATH_SIZE 512
void support_path(char path[SUPPORT_PATH_SIZE], const char *file);

void support_write_file(const char *path, const void *data, size_t size);
/* The whole file, with a zero byte behind it; free() it. NULL if there is none. */
void *support_read_file(const char *path, size_t *size);
bool support_exists(const char *path);

/* How many entries the runtime directory has, those not counted that are named `but` (or NULL). */
unsigned support_entries(const char *but);

/* Sets a variable of this process's environment, or removes it (NULL). */
void support_setenv(const char *name, const char *value);

/* ---- time, handles ---- */

int64_t support_now_ms(void);
void support_sleep_ms(int ms); /* for polling something that cannot be waited on, nothing else */

/* Looks until `ready` says true; false once `timeout_ms` has passed. */
bool support_until(bool (*ready)(void *arg), void *arg, int timeout_ms);

/* How many descriptors or handles this process has open: compare before and after, with one round
 * of the thing before the first look, so that what is made once does not count. */
unsigned support_handles(void);

/* ---- processes ---- */

struct support_process;

/* Starts this program in a role. `arguments` and `environment` ("NAME=VALUE") end with NULL and
 * may be NULL; the environment is added to this one. */
struct support_process *support_start(const char *role, const char *const *arguments,
                                      const char *const *environment);
/* The same, and it stops at a step (src/step.h), "name" or "name:n", of a build that has them; then
 * waits until it has. Kill: does so, and forgets it. One at a time. */
struct support_process *support_start_stopping(const char *role, const char *const *arguments,
                                               const char *step);
void support_wait_stopped(const char *step);
void support_kill_at(const char *role, const char *const *arguments, const char *step);
/* Starts another program: arguments[0] is its path. */
struct support_process *support_start_program(const char *const *arguments,
                                              const char *const *environment);

/* The path of this program. */
const char *support_self(void);
/* The command that was built with the tests ("sill"). */
const char *support_tool(void);

/* One line to its standard input (the newline is added). */
void support_tell(struct support_process *process, const char *line);
/* Closes its standard input: it sees the end of the file. */
void support_tell_end(struct support_process *process);
/* The next line of its standard output without the newline; false at the end or when the time is
 * over. */
bool support_hear(struct support_process *process, char *line, size_t size, int timeout_ms);
/* The next line is this one. */
void support_expect(struct support_process *process, const char *line);

uint32_t support_pid(const struct support_process *process);
/* kill -9, or TerminateProcess, and waits until it has ended. */
void support_kill(struct support_process *process);
/* Waits until it has ended; false when the time is over. *status (may be NULL) is its exit status;
 * negative for a signal on POSIX. */
bool support_wait(struct support_process *process, int timeout_ms, int *status);
/* Closes its standard input, waits until it has ended, forgets it; returns its exit status. Ends
 * the test if it does not end. After support_kill the status says nothing. */
int support_finish(struct support_process *process);

/* In a helper: a line to the test, and the next line from the test (false: end or time over). */
void support_say(const char *format, ...) SUPPORT_PRINTF(1, 2);
bool support_listen(char *line, size_t size, int timeout_ms);
/* In a helper: sits until the test closes its input or ends. */
void support_linger(void);

struct support_result {
    int status;
    char *out, *error; /* what it wrote, with a zero byte behind it */
    size_t out_size, error_size;
};

/* Runs a program to its end with `input` as its standard input. Free with support_result_free. */
void support_run(struct support_result *result, const char *const *arguments,
                 const char *const *environment, const void *input, size_t input_size);
void support_result_free(struct support_result *result);

/* ---- threads ---- */

struct support_thread;

/* cmocka's assertions work in the test's own thread only: a thread returns what it found. */
struct support_thread *support_thread(int (*run)(void *arg), void *arg);
/* Waits for its end; what it returned. */
int support_join(struct support_thread *thread);

#endif
