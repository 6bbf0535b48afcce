/* pair.c - the two sides of a baseline on POSIX systems: this process and one that it forks.
 *
 * Each ends with the other: side 1 is killed when its parent ends, and side 0 ends when its child
 * ends before its time, since it may be waiting for it for ever.
 */
#include "../baseline.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static pid_t child;
static struct side *own;

void *pair_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* The other side has ended, or this one is told to: what the baseline made goes too. */
static void on_signal(int number)
{
    siginfo_t info = {0};

    if (number == SIGCHLD) {
        if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
            return;
        if (info.si_code == CLD_EXITED && info.si_status == 0)
            return;
    }
    if (child > 0)
        kill(child, SIGKILL);
    if (baseline.end)
        baseline.end(own);
    _exit(number == SIGCHLD ? 1 : 128 + number);
}

static void handle_signals(void)
{
    static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    size_t i;

    sigfillset(&action.sa_mask);
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

static int become_child(struct side *side, pid_t parent)
{
    side->number = 1;
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    return getppid() == parent ? 0 : -1;
}

int pair_part(struct side *side, const char *peer, int argc, char **argv)
{
    static char token[32];
    pid_t parent = getpid();

    (void)peer;
    (void)argc;
    (void)argv;
    own = side;
    snprintf(token, sizeof token, "sill-bench-%ld", (long)parent);
    side->token = token;
    if (baseline.shared_size && !(side->shared = pair_memory(baseline.shared_size)))
        return baseline_fail("shared memory", errno);
    if (baseline.prepare && baseline.prepare(side) != 0)
        return -1;
    if (!baseline.alone) {
        child = fork();
        if (child < 0)
            return baseline_fail("fork", errno);
        if (child == 0 && become_child(side, parent) != 0)
            _exit(1);
        if (child > 0)
            handle_signals();
    }
    return 0;
}

int pair_join(struct side *side)
{
    int status = 0;

    if (side->number == 1 || child <= 0)
        return 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return baseline_fail("waiting for the other side", errno);
    child = 0;
    return status == 0 ? 0 : baseline_fail("the other side has failed", 0);
}
