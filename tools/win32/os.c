/* os.c - what the command needs of Windows: clock, interruption, files, threads.
 *
 * Invariants: all text outside of this folder is UTF-8 and is widened here; descriptors are binary
 * and not inherited. `act`, `act_arg` and `interrupted` are guarded by `act_lock`, since the
 * console calls its handler in a thread of its own.
 */
#include "../os.h"
#include "wide.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <process.h>
#include <shellapi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

wchar_t *os_widen(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = count > 0 ? malloc((size_t)count * sizeof *wide) : NULL;

    if (wide &&
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, count) != count) {
        free(wide);
        wide = NULL;
    }
    if (!wide)
        errno = EINVAL;
    return wide;
}

static char *narrow(const wchar_t *wide)
{
    int count = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = count > 0 ? malloc((size_t)count) : NULL;

    if (text)
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, count, NULL, NULL);
    return text;
}

/* The arguments are kept until the process ends. */
int os_begin(int *argc, char ***argv)
{
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
    char **text = wide ? calloc((size_t)*argc + 1, sizeof *text) : NULL;
    int i;

    for (i = 0; text && i < *argc; i++)
        if (!(text[i] = narrow(wide[i])))
            return -1;
    LocalFree(wide);
    if (!text)
        return -1;
    *argv = text;
    for (i = 0; i <= 2; i++)
        (void)_setmode(i, _O_BINARY);
    return 0;
}

uint64_t os_now_ns(void)
{
    LARGE_INTEGER frequency, count;
    uint64_t seconds, rest;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    seconds = (uint64_t)(count.QuadPart / frequency.QuadPart);
    rest = (uint64_t)(count.QuadPart % frequency.QuadPart);
    return seconds * 1000000000u + rest * 1000000000u / (uint64_t)frequency.QuadPart;
}

void os_sleep_ms(unsigned ms)
{
    Sleep(ms);
}

unsigned os_processors(void)
{
    SYSTEM_INFO info;

    GetSystemInfo(&info);
    return info.dwNumberOfProcessors ? (unsigned)info.dwNumberOfProcessors : 1;
}

int os_terminal(int file)
{
    DWORD mode;

    return GetConsoleMode((HANDLE)_get_osfhandle(file), &mode) != 0;
}

/* ---- interruption ---- */

static SRWLOCK act_lock = SRWLOCK_INIT;
static void (*act)(void *);
static void *act_arg;
static int interrupted;

/* Calls `act` until os_interrupt_end: what it cancels may not have begun to wait the first time. */
static void act_repeatedly(void)
{
    int more = 1;

    while (more) {
        AcquireSRWLockExclusive(&act_lock);
        more = act != NULL;
        if (more)
            act(act_arg);
        ReleaseSRWLockExclusive(&act_lock);
        if (more)
            Sleep(100);
    }
}

static BOOL WINAPI on_console(DWORD event)
{
    int before;

    AcquireSRWLockExclusive(&act_lock);
    before = interrupted;
    interrupted = 1;
    ReleaseSRWLockExclusive(&act_lock);
    if (before)
        return FALSE;
    act_repeatedly();
    /* The system ends the process as soon as this returns: give it the time to close in order. */
    if (event == CTRL_CLOSE_EVENT || event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT)
        Sleep(5000);
    return TRUE;
}

void os_interrupt_begin(void (*new_act)(void *), void *arg)
{
    AcquireSRWLockExclusive(&act_lock);
    act = new_act;
    act_arg = arg;
    ReleaseSRWLockExclusive(&act_lock);
    SetConsoleCtrlHandler(on_console, TRUE);
}

void os_interrupt_end(void)
{
    AcquireSRWLockExclusive(&act_lock);
    act = NULL;
    ReleaseSRWLockExclusive(&act_lock);
}

int os_interrupted(void)
{
    int result;

    AcquireSRWLockShared(&act_lock);
    result = interrupted;
    ReleaseSRWLockShared(&act_lock);
    return result;
}

/* Windows has no death by a signal: the caller ends with a status. */
void os_interrupt_die(void)
{
}

/* ---- files ---- */

static int open_wide(const char *path, int flags)
{
    wchar_t *wide = os_widen(path);
    int file;

    if (!wide)
        return -1;
    file = _wopen(wide, flags | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
    free(wide);
    return file;
}

int os_open_read(const char *path)
{
    return open_wide(path, _O_RDONLY | _O_SEQUENTIAL);
}

int os_create_new(const char *path, unsigned mode)
{
    (void)mode;
    return open_wide(path, _O_WRONLY | _O_CREAT | _O_EXCL);
}

int os_open_write(const char *path)
{
    return open_wide(path, _O_WRONLY | _O_TRUNC);
}

enum { PIECE = 1 << 24 };

long os_read(int file, void *buffer, size_t size)
{
    return _read(file, buffer, size > PIECE ? PIECE : (unsigned)size);
}

int os_write(int file, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        int n = _write(file, p, size > PIECE ? PIECE : (unsigned)size);

        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return -1;
        }
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int os_close(int file)
{
    return _close(file);
}

int os_rename(const char *from, const char *to)
{
    wchar_t *wide_from = os_widen(from);
    wchar_t *wide_to = os_widen(to);
    int good = 0;

    if (wide_from && wide_to) {
        good = MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING) != 0;
        if (!good)
            errno = GetLastError() == ERROR_FILE_NOT_FOUND ? ENOENT : EACCES;
    }
    free(wide_from);
    free(wide_to);
    return good ? 0 : -1;
}

int os_remove(const char *path)
{
    wchar_t *wide = os_widen(path);
    int result = wide ? _wunlink(wide) : -1;

    free(wide);
    return result;
}

int64_t os_size(int file)
{
    struct _stat64 info;

    if (_fstat64(file, &info) != 0 || (info.st_mode & _S_IFMT) != _S_IFREG)
        return -1;
    return (int64_t)info.st_size;
}

enum os_kind os_kind_of(const char *path, unsigned *mode)
{
    wchar_t *wide = os_widen(path);
    enum os_kind kind = OS_NOTHING;
    DWORD attributes;
    HANDLE file;

    *mode = 0;
    if (!wide)
        return OS_NOTHING;
    attributes = GetFileAttributesW(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY)) {
        free(wide);
        return OS_DIRECTORY;
    }
    file = CreateFileW(wide, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, 0, NULL);
    if (file != INVALID_HANDLE_VALUE) {
        kind = GetFileType(file) == FILE_TYPE_DISK ? OS_REGULAR : OS_OTHER;
        CloseHandle(file);
    }
    free(wide);
    return kind;
}

char *os_resolve(const char *path)
{
    return _strdup(path);
}

unsigned os_process_number(void)
{
    return (unsigned)GetCurrentProcessId();
}

/* ---- threads ---- */

struct os_mutex {
    SRWLOCK lock;
    CONDITION_VARIABLE wake;
};

struct os_thread {
    HANDLE thread;
    void (*run)(void *);
    void *arg;
};

os_mutex *os_mutex_new(void)
{
    os_mutex *mutex = malloc(sizeof *mutex);

    if (mutex) {
        InitializeSRWLock(&mutex->lock);
        InitializeConditionVariable(&mutex->wake);
    }
    return mutex;
}

void os_mutex_free(os_mutex *mutex)
{
    free(mutex);
}

void os_lock(os_mutex *mutex)
{
    AcquireSRWLockExclusive(&mutex->lock);
}

void os_unlock(os_mutex *mutex)
{
    ReleaseSRWLockExclusive(&mutex->lock);
}

void os_wait(os_mutex *mutex)
{
    SleepConditionVariableSRW(&mutex->wake, &mutex->lock, INFINITE, 0);
}

void os_wake_all(os_mutex *mutex)
{
    WakeAllConditionVariable(&mutex->wake);
}

static unsigned __stdcall thread_main(void *arg)
{
    os_thread *thread = arg;

    thread->run(thread->arg);
    return 0;
}

os_thread *os_thread_start(void (*run)(void *), void *arg)
{
    os_thread *thread = malloc(sizeof *thread);

    if (!thread)
        return NULL;
    thread->run = run;
    thread->arg = arg;
    thread->thread = (HANDLE)_beginthreadex(NULL, 0, thread_main, thread, 0, NULL);
    if (!thread->thread) {
        free(thread);
        return NULL;
    }
    return thread;
}

void os_thread_join(os_thread *thread)
{
    if (!thread)
        return;
    WaitForSingleObject(thread->thread, INFINITE);
    CloseHandle(thread->thread);
    free(thread);
}
