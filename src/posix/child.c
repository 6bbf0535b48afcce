/* child.c (POSIX) - starting processes and waiting for their end. See ../pipe_ends.h.
 *
 * Between fork and exec only async-signal-safe functions are called, and nothing is allocated: the
 * paths to try, the environment and all else are made before. What fails there comes back through a
 * pipe that exec closes.
 *
 * Every descriptor above the standard three is closed by exec (close_range, one by one where the
 * kernel has it not), but those that the plan names.
 */
#include "../pipe_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../channel_ops.h"
#include "../clock.h"
#include "../memory.h"
#include "../status.h"

extern char **environ;

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

#define PAUSE_FIRST_NS INT64_C(1000000) /* between looks, where there is no pidfd */
#define PAUSE_MOST_NS  INT64_C(50000000)
#define DESCRIPTORS    65536 /* closed one by one at most */
#define HEAR_MS        10000 /* until a process is taken to have started */

/* Only tests change it. */
#ifdef SILL_STEPS
int sill__child_hear_ms = HEAR_MS;
#else
enum { sill__child_hear_ms = HEAR_MS };
#endif

/* What the new process needs, all of it made beforehand. */
struct start {
    const struct sill__child_plan *plan;
    char *paths; /* strings to try in order, each with a zero byte, then an empty one */
    char **environment;
    int report; /* the writing end */
    int null;   /* /dev/null, or -1 */
};

/* What failed in the new process. */
struct failure {
    int code;
    int folder; /* 1: going to the folder did */
};

/* ---- before ---- */

bool sill__child_has(sill_handle handle)
{
    return handle >= 0 && handle <= INT_MAX && fcntl((int)handle, F_GETFD) >= 0;
}

/* The paths that the name may mean. */
static char *make_paths(const char *name)
{
    const char *list = getenv("PATH");
    if (strchr(name, '/') != NULL)
        list = "";
    else if (list == NULL)
        list = "/usr/local/bin:/bin:/usr/bin";
    size_t length = strlen(name), parts = 1;
    for (const char *c = list; *c != '\0'; c++)
        parts += *c == ':';
    char *paths = sill__alloc(strlen(list) + parts * (length + 2) + 2);
    char *at = paths;
    if (paths == NULL)
        return NULL;
    for (const char *part = list;; part++) {
        size_t size = strcspn(part, ":");
        memcpy(at, part, size);
        at += size;
        if (size > 0)
            *at++ = '/';
        memcpy(at, name, length + 1);
        at += length + 1;
        part += size;
        if (*part == '\0')
            break;
    }
    *at = '\0';
    return paths;
}

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length + 1) == 0;
}

/* This process's variables with those of `more` in place of or behind them. */
static char **make_environment(const char *const *more)
{
    size_t count = 0, added = 0, used = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    while (more != NULL && more[added] != NULL)
        added++;
    char **all = sill__alloc((count + added + 1) * sizeof *all);
    if (all == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;
        for (size_t k = 0; k < added && !replaced; k++)
            replaced = same_name(more[k], environ[i]);
        if (!replaced)
            all[used++] = environ[i];
    }
    for (size_t k = 0; k < added; k++)
        all[used++] = (char *)(uintptr_t)more[k];
    all[used] = NULL;
    return all;
}

/* ---- in the new process ---- */

_Noreturn static void give_up(const struct start *start, int code, int folder)
{
    struct failure failure = {code, folder};
    while (write(start->report, &failure, sizeof failure) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* Everything above the standard streams goes at exec. */
static void close_others(void)
{
    struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    int most = limit.rlim_cur > DESCRIPTORS ? DESCRIPTORS : (int)limit.rlim_cur;
    for (int fd = 3; fd < most; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void place_streams(const struct start *start)
{
    const struct sill__child_plan *plan = start->plan;
    int from[3];
    /* Out of the way of 0 to 2 first, so that none is overwritten before it is used. */
    for (int i = 0; i < 3; i++) {
        int fd = plan->stream[i] == SILL_NO_HANDLE ? start->null : (int)plan->stream[i];
        from[i] = plan->inherit[i] ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0 && !plan->inherit[i])
            give_up(start, errno, 0);
    }
    for (int i = 0; i < 3; i++)
        if (from[i] >= 0 && dup2(from[i], i) < 0)
            give_up(start, errno, 0);
    if (plan->err_to_out && dup2(1, 2) < 0)
        give_up(start, errno, 0);
}

/* Signals are blocked since before the fork. What this process ignores stays ignored, but for the
 * signal of a broken pipe, by which programs in a line end. */
static void reset_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, old;
    sigset_t none;
    for (int signal = 1; signal < NSIG; signal++)
        if (sigaction(signal, NULL, &old) == 0 &&
            (old.sa_handler != SIG_IGN || signal == SIGPIPE) && old.sa_handler != SIG_DFL)
            sigaction(signal, &usual, NULL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void become(const struct start *start)
{
    const struct sill__child_plan *plan = start->plan;
    place_streams(start);
    if (plan->folder != NULL && chdir(plan->folder) != 0)
        give_up(start, errno, 1);
    close_others();
    for (unsigned i = 0; i < plan->handle_count; i++)
        if (fcntl((int)plan->handles[i], F_SETFD, 0) != 0)
            give_up(start, errno, 0);
    reset_signals();
    int code = ENOENT;
    for (const char *path = start->paths; *path != '\0'; path += strlen(path) + 1) {
        execve(path, (char *const *)(uintptr_t)plan->arguments, start->environment);
        if (errno != ENOENT && errno != ENOTDIR)
            code = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    give_up(start, code, 0);
}

/* ---- starting ---- */

static int start_failed(const struct failure *failure, const struct sill__child_plan *plan)
{
    if (failure->folder)
        return sill__fail_os("chdir", failure->code, "The folder %.200s cannot be entered",
                             plan->folder);
    return sill__fail_os("execve", failure->code, "The program %.200s cannot be started",
                         plan->arguments[0]);
}

/* Reads what the new process says of itself: nothing, if exec was done. Another thread's child may
 * hold the writing end for as long as it lives, if it was forked meanwhile and has not called exec:
 * so the wait has an end, and what fails after it is seen by how the process ends. */
static int hear(int report, pid_t pid, const struct sill__child_plan *plan)
{
    struct failure failure;
    struct pollfd look = {.fd = report, .events = POLLIN};
    int64_t deadline = sill__deadline(sill__child_hear_ms);
    ssize_t got;
    while (poll(&look, 1, sill__timeout(deadline)) < 0 && errno == EINTR)
        ;
    if (look.revents == 0)
        return SILL_OK;
    do
        got = read(report, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof failure)
        return SILL_OK;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return start_failed(&failure, plan);
}

static int run(struct sill__running *out, struct start *start)
{
    int report[2];
    sigset_t all, before;
    if (pipe2(report, O_CLOEXEC) != 0)
        return sill__fail_os("pipe2", errno, "A process cannot be started");
    start->report = report[1];
    /* No handler of this process may run in the new one, which shares nothing of its state. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become(start);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    int status = pid < 0 ? sill__fail_os("fork", code, "A process cannot be started")
                         : hear(report[0], pid, start->plan);
    close(report[0]);
    if (status != SILL_OK)
        return status;
    out->pid = (uint32_t)pid;
    out->process = (sill_handle)syscall(SYS_pidfd_open, pid, 0);
    return SILL_OK;
}

int sill__child_run(struct sill__running *out, const struct sill__child_plan *plan)
{
    struct start start = {.plan = plan, .null = -1};
    int status = SILL_OK;
    start.paths = make_paths(plan->arguments[0]);
    start.environment = make_environment(plan->environment);
    start.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (start.paths == NULL || start.environment == NULL)
        status = sill__fail(SILL_NO_MEMORY, "There is no memory to start a process.");
    else if (start.null < 0)
        status = sill__fail_os("open", errno, "/dev/null cannot be opened");
    else
        status = run(out, &start);
    if (start.null >= 0)
        close(start.null);
    sill__free(start.environment);
    sill__free(start.paths);
    return status;
}

/* ---- its end ---- */

/* 0, AGAIN while it runs, or why that cannot be told. */
static int collect(const struct sill__running *running, int *code)
{
    int status;
    pid_t got;
    do
        got = waitpid((pid_t)running->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return SILL_AGAIN;
    if (got < 0)
        return sill__fail_os_as(SILL_NOT_FOUND, "waitpid", errno,
                                "Somebody else has waited for process %lu",
                                (unsigned long)running->pid);
    *code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return SILL_OK;
}

/* Sleeps until it may have ended. TIMEOUT. */
static int sleep_on(const struct sill__running *running, int64_t deadline, int64_t *pause)
{
    if (sill__timeout(deadline) == 0)
        return SILL_TIMEOUT;
    if (running->process >= 0) {
        struct pollfd one = {(int)running->process, POLLIN, 0};
        if (poll(&one, 1, sill__timeout(deadline)) < 0 && errno != EINTR)
            return sill__fail_os("poll", errno, "A process cannot be waited for");
        return SILL_OK;
    }
    int64_t left = deadline == SILL__FOREVER ? *pause : deadline - sill__now_ns();
    sill__sleep_ns(left < *pause ? left : *pause);
    *pause = *pause * 2 < PAUSE_MOST_NS ? *pause * 2 : PAUSE_MOST_NS;
    return SILL_OK;
}

int sill__child_await(const struct sill__running *running, int64_t deadline, int *code)
{
    int64_t pause = PAUSE_FIRST_NS;
    for (;;) {
        int status = collect(running, code);
        if (status == SILL_AGAIN)
            status = sleep_on(running, deadline, &pause);
        else
            return status;
        if (status != SILL_OK)
            return status;
    }
}

/* Where there is a pidfd, it alone means the process: somebody else may have waited for it, and the
 * number be another's by now. */
static int send_kill(const struct sill__running *running)
{
#ifdef SYS_pidfd_send_signal
    if (running->process >= 0) {
        long done = syscall(SYS_pidfd_send_signal, (int)running->process, SIGKILL, NULL, 0);
        if (done == 0 || errno != ENOSYS)
            return (int)done;
    }
#endif
    return kill((pid_t)running->pid, SIGKILL);
}

int sill__child_end(const struct sill__running *running)
{
    if (send_kill(running) != 0 && errno != ESRCH)
        return sill__fail_os("kill", errno, "Process %lu cannot be killed",
                             (unsigned long)running->pid);
    return SILL_OK;
}
