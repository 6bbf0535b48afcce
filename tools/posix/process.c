/* process.c - running a program with pipes, on POSIX systems.
 *
 * The program leads a process group of its own: os_process_kill ends it with everything that it
 * started. Its pid stays taken (it is not reaped) until os_process_free, so that a kill can never
 * meet another process.
 */
#include "../os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct os_process {
    pid_t pid;
};

static int can_run(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

int os_process_find(const char *name)
{
    const char *path = getenv("PATH");
    size_t name_length = strlen(name);

    if (strchr(name, '/'))
        return can_run(name) ? 0 : -1;
    if (!path)
        path = "/usr/local/bin:/bin:/usr/bin";
    while (name_length > 0) {
        size_t length = strcspn(path, ":");
        char *file = malloc(length + name_length + 3);
        int good;

        if (!file)
            return -1;
        memcpy(file, length ? path : ".", length ? length : 1);
        length += length == 0;
        file[length] = '/';
        memcpy(file + length + 1, name, name_length + 1);
        good = can_run(file);
        free(file);
        if (good)
            return 0;
        path += strcspn(path, ":");
        if (!*path++)
            break;
    }
    errno = ENOENT;
    return -1;
}

/* Starts it with `ends` as its standard streams. 0 or an errno. */
static int spawn(pid_t *pid, char **argv, const int ends[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, broken_pipe;
    int error;

    sigemptyset(&none);
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    if ((error = posix_spawn_file_actions_init(&actions)) != 0)
        return error;
    if ((error = posix_spawnattr_init(&attributes)) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    for (int i = 0; i < 3 && !error; i++)
        error = posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    if (!error)
        error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

os_process *os_process_start(char **argv, int *in, int *out, int *err)
{
    int pairs[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    os_process *process = malloc(sizeof *process);
    int error = process ? 0 : ENOMEM;

    for (int i = 0; i < 3 && !error; i++)
        if (pipe2(pairs[i], O_CLOEXEC) != 0)
            error = errno;
    if (!error)
        error = spawn(&process->pid, argv, (int[]){pairs[0][0], pairs[1][1], pairs[2][1]});
    if (error) {
        for (int i = 0; i < 3; i++)
            close_pair(pairs[i]);
        free(process);
        errno = error;
        return NULL;
    }
    close(pairs[0][0]);
    close(pairs[1][1]);
    close(pairs[2][1]);
    *in = pairs[0][1];
    *out = pairs[1][0];
    *err = pairs[2][0];
    return process;
}

void os_process_kill(os_process *process)
{
    kill(-process->pid, SIGKILL);
}

int os_process_wait(os_process *process, int *code)
{
    siginfo_t info;

    while (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT) != 0)
        if (errno != EINTR)
            return -1;
    *code = info.si_status;
    return info.si_code != CLD_EXITED;
}

void os_process_free(os_process *process)
{
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(process);
}
