/* process.c (POSIX) - who we are, and whether another process still lives. See process.h.
 *
 * What is told about a process comes from /proc; where /proc is missing, hides other users or
 * shows another pid namespace than ours, the answer is "cannot be told", never a guess: a name is
 * only taken from a process that is certainly gone.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel_ops.h"
#include "status.h"

/* Written in a forked child before any code of the caller runs there, by its only thread. */
atomic_uint sill__forks;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&sill__forks, 1, memory_order_relaxed);
}

/* At load time, so that no object can be older than the handler and the load below stays plain. */
__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

void sill__handle_close(sill_handle handle)
{
    if (handle >= 0 && handle <= INT32_MAX)
        close((int)handle);
}

/* Reads a small file of /proc as a string. False if it cannot be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got = 0;
    while (used < size - 1) {
        got = read(fd, out + used, size - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    out[used] = '\0';
    return got >= 0 && used > 0;
}

struct stat_line {
    char state;
    uint64_t threads;
    uint64_t start;
};

/* The fields behind the process's name, which is in parentheses and may itself hold blanks and
 * parentheses: so they are counted from the last one. State is field 3. */
static bool parse_stat(const char *text, struct stat_line *out)
{
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    at += 2;
    out->state = *at;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
        if (field + 1 == 20)
            out->threads = strtoull(at, NULL, 10);
    }
    if (*at < '0' || *at > '9')
        return false;
    out->start = strtoull(at, NULL, 10);
    return true;
}

/* The line of the process's first thread, whose start is the process's. Not that of the process: an
 * emulator of programs (qemu-user) makes up the one of its own process, with a start that others do
 * not see. */
static bool read_stat(uint32_t pid, struct stat_line *out)
{
    char path[60], text[1024];
    snprintf(path, sizeof path, "/proc/%u/task/%u/stat", (unsigned)pid, (unsigned)pid);
    return read_text(path, text, sizeof text) && parse_stat(text, out);
}

/* A process that ended and was not waited for yet. A leader whose threads still run looks the
 * same but for their number. */
static bool is_ended(const struct stat_line *line)
{
    return (line->state == 'Z' || line->state == 'X' || line->state == 'x') && line->threads <= 1;
}

/* The pid namespace, in which the pid counts, and the time namespace, in which the start time
 * counts, as one number. 0 if it cannot be told. */
static uint64_t own_space(void)
{
    struct stat pid_space, time_space;
    if (stat("/proc/self/ns/pid", &pid_space) != 0)
        return 0;
    uint64_t high = stat("/proc/self/ns/time", &time_space) == 0 ? (uint64_t)time_space.st_ino : 0;
    return (uint64_t)pid_space.st_ino ^ (high << 32);
}

static void own_boot(char out[40])
{
    char text[64];
    out[0] = '\0';
    if (!read_text("/proc/sys/kernel/random/boot_id", text, sizeof text))
        return;
    size_t length = strspn(text, "0123456789abcdef-");
    if (length >= 40)
        return;
    memcpy(out, text, length);
    out[length] = '\0';
}

/* Whether the pids of /proc are those that we see: it may show another namespace's. */
static bool proc_is_ours(void)
{
    char text[32];
    ssize_t length = readlink("/proc/self", text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return strtoll(text, NULL, 10) == (long long)getpid();
}

void sill__process_self(struct sill__process *out)
{
    struct stat_line line;
    memset(out, 0, sizeof *out);
    out->pid = (uint32_t)getpid();
    out->start = proc_is_ours() && read_stat(out->pid, &line) ? line.start : 0;
    out->pid_space = own_space();
    own_boot(out->boot);
}

enum look { LOOK_GONE, LOOK_HIDDEN, LOOK_SEEN };

/* Looks for a process of our own namespace. HIDDEN: it exists, its start time cannot be told. */
static enum look look_at(uint32_t pid, uint64_t *start)
{
    if (pid == 0 || pid > INT32_MAX)
        return LOOK_GONE;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return LOOK_GONE;
    struct stat_line line;
    if (!proc_is_ours() || !read_stat(pid, &line))
        return kill((pid_t)pid, 0) != 0 && errno == ESRCH ? LOOK_GONE : LOOK_HIDDEN;
    if (is_ended(&line))
        return LOOK_GONE;
    *start = line.start;
    return LOOK_SEEN;
}

int sill__process_of(uint32_t pid, struct sill__process *out)
{
    uint64_t start = 0;
    if (look_at(pid, &start) == LOOK_GONE)
        return sill__fail(SILL_NOT_FOUND, "There is no process %u.", (unsigned)pid);
    memset(out, 0, sizeof *out);
    out->pid = pid;
    out->start = start;
    out->pid_space = own_space();
    own_boot(out->boot);
    return SILL_OK;
}

int sill__process_alive(const struct sill__process *process)
{
    char boot[40];
    own_boot(boot);
    if (boot[0] == '\0' || process->boot[0] == '\0')
        return -1;
    if (strcmp(boot, process->boot) != 0)
        return 0;
    uint64_t space = own_space();
    if (space == 0 || space != process->pid_space)
        return -1;
    uint64_t start;
    switch (look_at(process->pid, &start)) {
    case LOOK_GONE:
        return 0;
    case LOOK_SEEN:
        return process->start == 0 ? -1 : start == process->start;
    case LOOK_HIDDEN:
    default:
        return -1;
    }
}

/* ---- processors ---- */

bool sill__wakes_slowly(void)
{
    return false;
}

bool sill__process_parallel(uint32_t pid)
{
#ifdef __linux__
    cpu_set_t ours, theirs, both;
    if (sched_getaffinity(0, sizeof ours, &ours) == 0 &&
        sched_getaffinity((pid_t)pid, sizeof theirs, &theirs) == 0) {
        CPU_OR(&both, &ours, &theirs);
        return CPU_COUNT(&both) > 1;
    }
#else
    (void)pid;
#endif
    return sysconf(_SC_NPROCESSORS_ONLN) != 1;
}
