/* posix.c - the tests' support on POSIX: fork and exec, poll, threads. */
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#define DESCRIPTORS 4096 /* both ends of hundreds of connections; the usual limit is 1024 */

struct support__child {
    pid_t pid;
    int in, out; /* our ends of its pipes, -1 when closed */
    bool ended;
    int status;
};

int64_t support_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void support_sleep_ms(int ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

bool support_under_wine(void)
{
    return false;
}

bool support_locks_come_back(void)
{
#ifdef __linux__
    void *list;
    size_t size;
    return syscall(SYS_get_robust_list, 0, &list, &size) == 0;
#else
    return true;
#endif
}

void support_setenv(const char *name, const char *value)
{
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

uint32_t support__own_pid(void)
{
    return (uint32_t)getpid();
}

bool support__own_path(char *path, size_t size, const char *argv0)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length > 0) {
        path[length] = '\0';
        return true;
    }
    char *real = realpath(argv0, NULL);
    bool fits = real != NULL && strlen(real) < size;
    if (fits)
        memcpy(path, real, strlen(real) + 1);
    free(real);
    return fits;
}

/* ---- files ---- */

bool support__make_directory(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] != '/' || strlen(base) > 50) /* sockets' paths are short */
        base = "/tmp";
    int length = snprintf(path, size, "%s/sill-test-XXXXXX", base);
    return length > 0 && (size_t)length < size && mkdtemp(path) != NULL;
}

static void remove_entry(int at, const char *name, unsigned depth)
{
    if (unlinkat(at, name, 0) == 0 || depth == 0)
        return;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    fchmod(fd, 0700);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_entry(fd, entry->d_name, depth - 1);
    closedir(dir);
    unlinkat(at, name, AT_REMOVEDIR);
}

void support__remove_directory(const char *path)
{
    remove_entry(AT_FDCWD, path, 4);
}

unsigned support__count_entries(const char *path, const char *but)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (but == NULL || strcmp(entry->d_name, but) != 0))
            count++;
    closedir(dir);
    return count;
}

unsigned support_handles(void)
{
    /* One for the directory itself, which is open while it is read. */
    return support__count_entries("/proc/self/fd", NULL) - 1;
}

/* ---- processes ---- */

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* In the child, after fork: only async-signal-safe calls, or the exit. */
static void become(const char *const *arguments, const char *const *environment, const int ends[3],
                   pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(98);
#else
    (void)parent;
#endif
    for (int i = 0; i < 3; i++)
        if (ends[i] >= 0 && dup2(ends[i], i) < 0)
            _exit(98);
    for (; environment != NULL && *environment != NULL; environment++) {
        char *pair = strdup(*environment);
        if (pair == NULL || putenv(pair) != 0)
            _exit(98);
    }
    char *argv[64];
    size_t count = 0;
    while (arguments[count] != NULL && count < 63) {
        argv[count] = strdup(arguments[count]);
        count++;
    }
    argv[count] = NULL;
    execv(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(98);
}

/* ends: what becomes the child's standard streams; ours: our ends of the pipes. */
static bool open_streams(const struct support__streams *files, int ends[3], int ours[2])
{
    if (files != NULL) {
        ends[0] = open(files->in, O_RDONLY | O_CLOEXEC);
        ends[1] = open(files->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (files->error != NULL)
            ends[2] = open(files->error, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        return ends[0] >= 0 && ends[1] >= 0 && (files->error == NULL || ends[2] >= 0);
    }
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return false;
    ends[0] = pair[0];
    ours[0] = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return false;
    ends[1] = pair[1];
    ours[1] = pair[0];
    return true;
}

struct support__child *support__spawn(const char *const *arguments, const char *const *environment,
                                      const struct support__streams *files, unsigned long *code)
{
    int ends[3] = {-1, -1, -1}, ours[2] = {-1, -1};
    struct support__child *child = calloc(1, sizeof *child);
    pid_t pid = -1, parent = getpid();
    if (child != NULL && open_streams(files, ends, ours)) {
        fflush(NULL);
        pid = fork();
        if (pid == 0)
            become(arguments, environment, ends, parent);
    }
    *code = (unsigned long)errno;
    for (int i = 0; i < 3; i++)
        close_end(&ends[i]);
    if (pid < 0) {
        close_end(&ours[0]);
        close_end(&ours[1]);
        free(child);
        return NULL;
    }
    child->pid = pid;
    child->in = ours[0];
    child->out = ours[1];
    return child;
}

/* write() to a pipe whose reader may be gone, without SIGPIPE. The signal's action stays as it is
 * for the process, so that a library that raises it is noticed. */
static ssize_t write_quietly(int fd, const char *data, size_t size)
{
    sigset_t pipe_only, old;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
    ssize_t written = write(fd, data, size);
    int code = errno;
    if (written < 0 && code == EPIPE)
        sigtimedwait(&pipe_only, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    return written;
}

bool support__write(struct support__child *child, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write_quietly(child->in, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

void support__close_input(struct support__child *child)
{
    close_end(&child->in);
}

static int read_within(int fd, char *buffer, size_t capacity, size_t *got, int timeout_ms)
{
    int64_t end = support_now_ms() + timeout_ms;
    for (;;) {
        int64_t left = end - support_now_ms();
        struct pollfd poller = {fd, POLLIN, 0};
        int ready = poll(&poller, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return -1;
        ssize_t size = read(fd, buffer, capacity);
        if (size < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        *got = size > 0 ? (size_t)size : 0;
        return size > 0 ? 1 : 0;
    }
}

int support__read(struct support__child *child, char *buffer, size_t capacity, size_t *got,
                  int timeout_ms)
{
    return read_within(child->out, buffer, capacity, got, timeout_ms);
}

int support__read_stdin(char *buffer, size_t capacity, size_t *got, int timeout_ms)
{
    return read_within(STDIN_FILENO, buffer, capacity, got, timeout_ms);
}

void support__prepare_program(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void support__prepare_role(void)
{
    signal(SIGPIPE,
           SIG_DFL); /* as any program starts, so that the library is seen not to raise it */
}

bool support__wait(struct support__child *child, int timeout_ms, int *status)
{
    int64_t end = support_now_ms() + timeout_ms;
    while (!child->ended) {
        int raw = 0;
        pid_t pid = waitpid(child->pid, &raw, WNOHANG);
        if (pid == child->pid) {
            child->ended = true;
            child->status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
        } else if (support_now_ms() >= end) {
            return false;
        } else {
            support_sleep_ms(1);
        }
    }
    if (status != NULL)
        *status = child->status;
    return true;
}

void support__kill(struct support__child *child)
{
    if (!child->ended)
        kill(child->pid, SIGKILL);
    support__wait(child, SUPPORT_PATIENCE_MS, NULL);
}

uint32_t support__pid(const struct support__child *child)
{
    return (uint32_t)child->pid;
}

void support__forget(struct support__child *child)
{
    close_end(&child->in);
    close_end(&child->out);
    free(child);
}

/* ---- threads ---- */

struct support_thread {
    pthread_t thread;
    int (*run)(void *arg);
    void *arg;
    int result;
};

static void *run_thread(void *arg)
{
    struct support_thread *thread = arg;
    thread->result = thread->run(thread->arg);
    return NULL;
}

struct support_thread *support_thread(int (*run)(void *arg), void *arg)
{
    struct support_thread *thread = calloc(1, sizeof *thread);
    assert_non_null(thread);
    thread->run = run;
    thread->arg = arg;
    assert_int_equal(pthread_create(&thread->thread, NULL, run_thread, thread), 0);
    return thread;
}

int support_join(struct support_thread *thread)
{
    assert_int_equal(pthread_join(thread->thread, NULL), 0);
    int result = thread->result;
    free(thread);
    return result;
}
