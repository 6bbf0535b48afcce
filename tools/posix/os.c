/* os.c - what the command needs of a POSIX system: clock, interruption, files, threads.
 *
 * Invariants: descriptors 0, 1 and 2 are open, so that no other file is taken for them; all others
 * are close-on-exec; only the main thread runs signal handlers, the others block all signals.
 * `act` and `act_arg` are written by the main thread with signals blocked and read by the handler;
 * `last_signal` is written by the handler.
 */
#include "../os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int os_begin(int *argc, char ***argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int file;

    (void)argc;
    (void)argv;
    /* A stream that is closed becomes one that fails, as it would have. */
    for (file = 0; file <= 2; file++)
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY) != file)
            return -1;
    return sigaction(SIGPIPE, &ignore, NULL);
}

uint64_t os_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void os_sleep_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

unsigned os_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : (unsigned)count;
}

int os_terminal(int file)
{
    return isatty(file);
}

/* ---- interruption ---- */

static const int interrupting[] = {SIGINT, SIGTERM, SIGHUP};
enum { INTERRUPTING = sizeof interrupting / sizeof interrupting[0] };

static volatile sig_atomic_t last_signal;
static void (*act)(void *);
static void *act_arg;

/* What `act` cancels may not have begun to wait when the signal comes: it is told again each
 * second until os_interrupt_end. */
static void on_signal(int number)
{
    int saved = errno;

    if (number != SIGALRM)
        last_signal = number;
    if (act) {
        act(act_arg);
        alarm(1);
    }
    errno = saved;
}

static void set_action(void (*new_act)(void *), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    act = new_act;
    act_arg = arg;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void os_interrupt_begin(void (*new_act)(void *), void *arg)
{
    /* SA_RESETHAND: the second signal of the same kind ends the process. A hang-up that was ignored
     * when the process started (nohup) stays ignored. An interrupt does not: a shell's script
     * starts its background jobs with it ignored, and kill -INT is how it ends a server. */
    struct sigaction handle = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction again = {.sa_handler = on_signal};
    int i;

    sigfillset(&handle.sa_mask);
    sigfillset(&again.sa_mask);
    set_action(new_act, arg);
    sigaction(SIGALRM, &again, NULL);
    for (i = 0; i < INTERRUPTING; i++) {
        struct sigaction before;

        if (sigaction(interrupting[i], NULL, &before) == 0 &&
            (before.sa_handler != SIG_IGN || interrupting[i] != SIGHUP))
            sigaction(interrupting[i], &handle, NULL);
    }
}

void os_interrupt_end(void)
{
    set_action(NULL, NULL);
    alarm(0);
}

int os_interrupted(void)
{
    return last_signal != 0;
}

void os_interrupt_die(void)
{
    signal(last_signal, SIG_DFL);
    raise(last_signal);
}

/* ---- files ---- */

int os_open_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

int os_create_new(const char *path, unsigned mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)(mode ? mode : 0666));

    /* The process's mask took bits from a mode that was asked for. */
    if (file >= 0 && mode)
        (void)fchmod(file, (mode_t)mode);
    return file;
}

int os_open_write(const char *path)
{
    return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
}

long os_read(int file, void *buffer, size_t size)
{
    ssize_t n;

    do
        n = read(file, buffer, size > LONG_MAX ? LONG_MAX : size);
    while (n < 0 && errno == EINTR && !os_interrupted());
    return (long)n;
}

int os_write(int file, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = write(file, p, size > LONG_MAX ? LONG_MAX : size);

        if (n < 0 && errno == EINTR && !os_interrupted())
            continue;
        if (n < 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int os_close(int file)
{
    return close(file);
}

int os_rename(const char *from, const char *to)
{
    return rename(from, to);
}

int os_remove(const char *path)
{
    return unlink(path);
}

int64_t os_size(int file)
{
    struct stat info;

    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        return -1;
    return (int64_t)info.st_size;
}

enum os_kind os_kind_of(const char *path, unsigned *mode)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return OS_NOTHING;
    *mode = (unsigned)info.st_mode & 0777u;
    if (S_ISDIR(info.st_mode))
        return OS_DIRECTORY;
    return S_ISREG(info.st_mode) ? OS_REGULAR : OS_OTHER;
}

char *os_resolve(const char *path)
{
    return realpath(path, NULL);
}

unsigned os_process_number(void)
{
    return (unsigned)getpid();
}

/* ---- threads ---- */

struct os_mutex {
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

struct os_thread {
    pthread_t thread;
    void (*run)(void *);
    void *arg;
};

os_mutex *os_mutex_new(void)
{
    os_mutex *mutex = malloc(sizeof *mutex);

    if (mutex) {
        pthread_mutex_init(&mutex->lock, NULL);
        pthread_cond_init(&mutex->wake, NULL);
    }
    return mutex;
}

void os_mutex_free(os_mutex *mutex)
{
    if (!mutex)
        return;
    pthread_cond_destroy(&mutex->wake);
    pthread_mutex_destroy(&mutex->lock);
    free(mutex);
}

void os_lock(os_mutex *mutex)
{
    pthread_mutex_lock(&mutex->lock);
}

void os_unlock(os_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->lock);
}

void os_wait(os_mutex *mutex)
{
    pthread_cond_wait(&mutex->wake, &mutex->lock);
}

void os_wake_all(os_mutex *mutex)
{
    pthread_cond_broadcast(&mutex->wake);
}

static void *thread_main(void *arg)
{
    os_thread *thread = arg;

    thread->run(thread->arg);
    return NULL;
}

os_thread *os_thread_start(void (*run)(void *), void *arg)
{
    os_thread *thread = malloc(sizeof *thread);
    sigset_t all, before;
    int failed;

    if (!thread)
        return NULL;
    thread->run = run;
    thread->arg = arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread->thread, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(thread);
        return NULL;
    }
    return thread;
}

void os_thread_join(os_thread *thread)
{
    if (!thread)
        return;
    pthread_join(thread->thread, NULL);
    free(thread);
}
