/* test_byte_pipe_posix.c - byte streams and the things of POSIX: forked children, signals, files.
 */
#ifdef _WIN32
#include "support.h"

static void other_system(void **state)
{
    (void)state;
    support_skip("there is no fork, no SIGPIPE and no FIFO on Windows");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(other_system)};
SUPPORT_MAIN_ALONE(tests)

#else

#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sill.h>

#include "pipe_ends.h"

static volatile sig_atomic_t broken_pipes;

static void on_broken_pipe(int number)
{
    (void)number;
    broken_pipes = broken_pipes + 1;
}

/* Neither the user's handler nor his mask sees a write to a pipe without a reader. */
static void no_signal_of_a_broken_pipe(void **state)
{
    struct sigaction act = {.sa_handler = on_broken_pipe}, old;
    sigset_t before, after, pending;
    sill_pipe *pipe;
    sill_handle other;
    (void)state;
    sigaction(SIGPIPE, &act, &old);
    for (int blocked = 0; blocked < 2; blocked++) {
        sigemptyset(&before);
        sigaddset(&before, SIGPIPE);
        pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &before, NULL);
        support_ok(sill_pipe_anonymous(&pipe, SILL_PIPE_WRITE, &other));
        sill_handle_close(other);
        support_status(SILL_CLOSED, sill_pipe_write(pipe, "x", 1, NULL, 0));
        sill_pipe_close(pipe);
        sigpending(&pending);
        assert_int_equal(sigismember(&pending, SIGPIPE), 0);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&after, SIGPIPE), blocked);
    }
    /* One that was pending before stays so. */
    raise(SIGPIPE);
    support_ok(sill_pipe_anonymous(&pipe, SILL_PIPE_WRITE, &other));
    sill_handle_close(other);
    support_status(SILL_CLOSED, sill_pipe_write(pipe, "x", 1, NULL, 0));
    sill_pipe_close(pipe);
    assert_int_equal(broken_pipes, 0);
    pthread_sigmask(SIG_UNBLOCK, &before, NULL);
    assert_int_equal(broken_pipes, 1);
    sigaction(SIGPIPE, &old, NULL);
}

static int read_one(void *arg)
{
    char byte;
    size_t size;
    return sill_pipe_read(arg, &byte, 1, &size, SUPPORT_PATIENCE_MS);
}

static int write_much(void *arg)
{
    static char much[1000000];
    return sill_pipe_write(arg, much, sizeof much, NULL, SUPPORT_PATIENCE_MS);
}

/* A peer whose forked child keeps its end open dies, and that is seen. */
static void death_is_seen_behind_a_forked_child(void **state)
{
    (void)state;
    for (int writes = 0; writes < 2; writes++) {
        char name[SUPPORT_NAME_SIZE];
        sill_pipe *pipe;
        int gate[2], hold[2];
        support_name(name, "fork");
        assert_int_equal(0, pipe2(gate, O_CLOEXEC));
        assert_int_equal(0, pipe2(hold, O_CLOEXEC));
        support_ok(sill_pipe_create(&pipe, name, writes ? SILL_PIPE_READ : SILL_PIPE_WRITE, NULL));
        struct support_thread *thread = support_thread(writes ? read_one : write_much, pipe);
        pid_t peer = fork();
        if (peer == 0) {
            sill_pipe *mine;
            char ready = sill_pipe_open(&mine, name, writes ? SILL_PIPE_WRITE : SILL_PIPE_READ,
                                        NULL) == SILL_OK
                             ? 'y'
                             : 'n';
            close(hold[1]);
            if (fork() == 0) {
                char byte;
                _exit(read(hold[0], &byte, 1) != 0); /* until the test ends */
            }
            if (write(gate[1], &ready, 1) != 1)
                _exit(1);
            pause();
            _exit(0);
        }
        close(hold[0]);
        char ready = 0;
        assert_int_equal(read(gate[0], &ready, 1), 1);
        assert_int_equal(ready, 'y');
        kill(peer, SIGKILL);
        assert_int_equal(waitpid(peer, NULL, 0), peer);
        support_status(SILL_DIED, support_join(thread));
        sill_pipe_close(pipe);
        close(hold[1]);
        close(gate[0]);
        close(gate[1]);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void on_timer(int number)
{
    (void)number;
}

/* Signals that come all the time change nothing of what a read says. */
static void signals_do_not_fail_a_read(void **state)
{
    char name[SUPPORT_NAME_SIZE], byte;
    sill_pipe *reader, *writer;
    size_t size;
    (void)state;
    support_name(name, "signals");
    support_ok(sill_pipe_create(&reader, name, SILL_PIPE_READ, NULL));
    support_ok(sill_pipe_open(&writer, name, SILL_PIPE_WRITE, NULL));
    struct sigaction act = {.sa_handler = on_timer}, old;
    const struct itimerval often = {{0, 20}, {0, 20}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &act, &old);
    setitimer(ITIMER_REAL, &often, NULL);
    int status = SILL_AGAIN;
    for (int i = 0; i < 20000 && status == SILL_AGAIN; i++)
        status = sill_pipe_read(reader, &byte, 1, &size, 0);
    sill_error error = *sill_last_error();
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    if (status != SILL_AGAIN)
        fail_msg("%s: %s", sill_status_name(status), error.message);
    sill_pipe_close(writer);
    sill_pipe_close(reader);
}

static void forked_child_has_no_part(void **state)
{
    char name[SUPPORT_NAME_SIZE], byte;
    sill_pipe *reader, *writer;
    size_t size;
    (void)state;
    support_name(name, "fork");
    support_ok(sill_pipe_create(&reader, name, SILL_PIPE_READ, NULL));
    pid_t child = fork();
    if (child == 0) {
        int wrong = sill_pipe_read(reader, &byte, 1, &size, 0) != SILL_INVALID;
        sill_pipe_close(reader);
        _exit(wrong);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    support_ok(sill_pipe_open(&writer, name, SILL_PIPE_WRITE, NULL)); /* the name is still there */
    support_ok(sill_pipe_write(writer, "x", 1, NULL, 0));
    support_ok(sill_pipe_read(reader, &byte, 1, &size, SUPPORT_PATIENCE_MS));
    sill_pipe_close(writer);
    sill_pipe_close(reader);
    assert_int_equal(support_entries(".lock"), 0);
}

/* What lies in the place of a FIFO is not followed, not read and not written. */
static void something_else_in_its_place(void **state)
{
    char name[SUPPORT_NAME_SIZE], path[SUPPORT_PATH_SIZE], target[SUPPORT_PATH_SIZE];
    char file[SUPPORT_NAME_SIZE + 20];
    struct stat st;
    (void)state;
    for (int link = 0; link < 2; link++) {
        sill_pipe *creator, *other = NULL;
        support_name(name, "place");
        support_ok(sill_pipe_create(&creator, name, SILL_PIPE_READ, NULL));
        snprintf(file, sizeof file, "fifo.pipe.%s", name);
        support_path(path, file);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISFIFO(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0600);
        support_path(target, "target");
        support_write_file(target, "secret", 6);
        assert_int_equal(unlink(path), 0);
        if (link)
            assert_int_equal(symlink(target, path), 0);
        else
            support_write_file(path, "file", 4);
        int status = sill_pipe_open(&other, name, SILL_PIPE_WRITE, NULL);
        assert_true(status == SILL_DENIED || status == SILL_OS);
        assert_null(other);
        sill_pipe_close(creator);
        unlink(path);
        size_t size;
        char *text = support_read_file(target, &size);
        assert_string_equal(text, "secret");
        free(text);
        unlink(target);
        assert_int_equal(support_entries(".lock"), 0);
    }
}

static void child_gets_the_usual_signals(void **state)
{
    const char *const arguments[] = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", NULL};
    sill_child_options options = SILL_CHILD_OPTIONS_INIT;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigset_t blocked, before;
    sill_child *child;
    char text[256];
    size_t size, total = 0;
    (void)state;
    sigaction(SIGPIPE, &ignore, &old);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    options.out.how = SILL_CHILD_PIPE;
    support_ok(sill_child_start(&child, arguments, &options));
    while (sill_pipe_read(options.out.pipe, text + total, sizeof text - 1 - total, &size,
                          SUPPORT_PATIENCE_MS) == SILL_OK)
        total += size;
    text[total] = '\0';
    support_ok(sill_child_wait(child, NULL, SUPPORT_PATIENCE_MS));
    sill_child_close(child);
    sill_pipe_close(options.out.pipe);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGPIPE, &old, NULL);
    const char *block = strstr(text, "SigBlk:"), *ignored = strstr(text, "SigIgn:");
    assert_non_null(block);
    assert_non_null(ignored);
    assert_int_equal(strtoull(block + 7, NULL, 16) & (1u << (SIGUSR1 - 1)), 0);
    assert_int_equal(strtoull(ignored + 7, NULL, 16) & (1u << (SIGPIPE - 1)), 0);
}

#ifdef SILL_STEPS
static pid_t holder = -1;

/* At each fork of this process, another process comes first that has all its descriptors and runs
 * no program: what another thread does that forks at the wrong moment. */
static void fork_in_between(void)
{
    if (holder != 0)
        return;
    holder = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    while (holder == 0)
        pause();
}
#endif

/* Somebody else holds what a child says of its start through: the wait for its end is not for ever,
 * and what the child says is heard all the same. */
static void start_is_not_waited_for_without_end(void **state)
{
    (void)state;
#ifdef SILL_STEPS
    const char *const good[] = {"/bin/sh", "-c", "exit 3", NULL}, *const bad[] = {"/none/such",
                                                                                  NULL};
    sill_child *child;
    int code = 0, before = sill__child_hear_ms;
    assert_int_equal(pthread_atfork(fork_in_between, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        sill__child_hear_ms = i == 0 ? 50 : SUPPORT_PATIENCE_MS;
        holder = 0;
        int status = sill_child_start(&child, i == 0 ? good : bad, NULL);
        pid_t held = holder;
        holder = -1;
        assert_true(held > 0);
        assert_int_equal(kill(held, SIGKILL), 0); /* it was there all the time */
        assert_int_equal(waitpid(held, NULL, 0), held);
        support_status(i == 0 ? SILL_OK : SILL_NOT_FOUND, status);
        if (status != SILL_OK)
            continue;
        support_ok(sill_child_wait(child, &code, SUPPORT_PATIENCE_MS));
        assert_int_equal(code, 3);
        sill_child_close(child);
    }
    sill__child_hear_ms = before;
#else
    support_skip("this build has no steps (SILL_STEPS)");
#endif
}

/* Somebody else has waited for a child, and its number is another process's by now: that one is not
 * killed. */
static void number_of_a_child_is_used_again(void **state)
{
    (void)state;
    pid_t ended = fork();
    if (ended == 0)
        _exit(0);
    int fd = (int)syscall(SYS_pidfd_open, ended, 0);
    assert_int_equal(waitpid(ended, NULL, 0), ended);
    if (fd < 0)
        support_skip("this system has no pidfds");
    pid_t other = fork();
    if (other == 0) {
        pause();
        _exit(0);
    }
    const struct sill__running child = {.pid = (uint32_t)other, .process = fd};
    support_ok(sill__child_end(&child));
    kill(other, SIGTERM);
    int how = 0;
    assert_int_equal(waitpid(other, &how, 0), other);
    assert_int_equal(WTERMSIG(how), SIGTERM);
    close(fd);
}

static void child_that_somebody_else_waited_for(void **state)
{
    const char *const arguments[] = {"/bin/sh", "-c", "exit 4", NULL};
    sill_child *child;
    int code = 0;
    (void)state;
    support_ok(sill_child_start(&child, arguments, NULL));
    assert_int_equal(waitpid((pid_t)sill_child_pid(child), NULL, 0), sill_child_pid(child));
    support_status(SILL_NOT_FOUND, sill_child_wait(child, &code, SUPPORT_PATIENCE_MS));
    sill_child_close(child);
    const char *const kills[] = {"/bin/sh", "-c", "kill -TERM $$", NULL};
    support_ok(sill_child_start(&child, kills, NULL));
    support_ok(sill_child_wait(child, &code, SUPPORT_PATIENCE_MS));
    assert_int_equal(code, -SIGTERM);
    sill_child_close(child);
    const char *const denied[] = {"/", NULL};
    support_status(SILL_DENIED, sill_child_start(&child, denied, NULL));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(no_signal_of_a_broken_pipe),
    SUPPORT_TEST(death_is_seen_behind_a_forked_child),
    SUPPORT_TEST(signals_do_not_fail_a_read),
    SUPPORT_TEST(forked_child_has_no_part),
    SUPPORT_TEST(something_else_in_its_place),
    SUPPORT_TEST(child_gets_the_usual_signals),
    SUPPORT_TEST(child_that_somebody_else_waited_for),
    SUPPORT_TEST(number_of_a_child_is_used_again),
    SUPPORT_TEST(start_is_not_waited_for_without_end),
};
SUPPORT_MAIN_ALONE(tests)

#endif
