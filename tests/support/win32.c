/* win32.c - the tests' support on Windows: CreateProcess, named pipes with overlapped reads.
 *
 * Helpers run in one job that ends with this process. What they inherit is listed: their standard
 * streams and nothing else.
 */
#include "system.h"

#include <windows.h>

#include <fcntl.h>
#include <io.h>

struct support__child {
    HANDLE process;
    DWORD pid;
    HANDLE in, out; /* our ends of its pipes, NULL when closed */
    OVERLAPPED read;
    bool reading; /* a read into `buffer` is under way */
    char buffer[1024];
};

static HANDLE job;

int64_t support_now_ms(void)
{
    return (int64_t)GetTickCount64();
}

void support_sleep_ms(int ms)
{
    Sleep((DWORD)ms);
}

bool support_under_wine(void)
{
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

bool support_locks_come_back(void)
{
    return true;
}

void support_setenv(const char *name, const char *value)
{
    assert_int_equal(_putenv_s(name, value != NULL ? value : ""), 0);
}

uint32_t support__own_pid(void)
{
    return GetCurrentProcessId();
}

bool support__own_path(char *path, size_t size, const char *argv0)
{
    (void)argv0;
    DWORD length = GetModuleFileNameA(NULL, path, (DWORD)size);
    return length > 0 && length < size;
}

/* ---- files ---- */

bool support__make_directory(char *path, size_t size)
{
    static unsigned count;
    char base[MAX_PATH + 1];
    DWORD length = GetTempPathA(sizeof base, base);
    if (length == 0 || length >= sizeof base)
        return false;
    for (int i = 0; i < 100; i++) {
        snprintf(path, size, "%ssill-test-%lu-%u", base, (unsigned long)GetCurrentProcessId(),
                 ++count);
        if (CreateDirectoryA(path, NULL))
            return true;
        if (GetLastError() != ERROR_ALREADY_EXISTS)
            return false;
    }
    return false;
}

/* Wide and prefixed, so that names beyond ASCII and paths of any length go too. */
static void remove_tree(const wchar_t *path, unsigned depth)
{
    wchar_t entry[2 * SUPPORT_PATH_SIZE];
    WIN32_FIND_DATAW found;
    _snwprintf(entry, 2 * SUPPORT_PATH_SIZE, L"%ls\\*", path);
    HANDLE find = FindFirstFileW(entry, &found);
    if (find != INVALID_HANDLE_VALUE) {
        do {
            if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
                continue;
            _snwprintf(entry, 2 * SUPPORT_PATH_SIZE, L"%ls\\%ls", path, found.cFileName);
            if (!(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY))
                DeleteFileW(entry);
            else if (depth > 0)
                remove_tree(entry, depth - 1);
        } while (FindNextFileW(find, &found));
        FindClose(find);
    }
    RemoveDirectoryW(path);
}

void support__remove_directory(const char *path)
{
    wchar_t wide[SUPPORT_PATH_SIZE + 4] = L"\\\\?\\";
    if (MultiByteToWideChar(CP_ACP, 0, path, -1, wide + 4, SUPPORT_PATH_SIZE) > 0)
        remove_tree(wide, 3);
}

unsigned support__count_entries(const char *path, const char *but)
{
    char pattern[SUPPORT_PATH_SIZE + 4];
    WIN32_FIND_DATAA found;
    unsigned count = 0;
    snprintf(pattern, sizeof pattern, "%.*s\\*", SUPPORT_PATH_SIZE, path);
    HANDLE find = FindFirstFileA(pattern, &found);
    assert_true(find != INVALID_HANDLE_VALUE);
    do {
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0 &&
            (but == NULL || strcmp(found.cFileName, but) != 0))
            count++;
    } while (FindNextFileA(find, &found));
    FindClose(find);
    return count;
}

/* Wine 8 counts none. Its values are handed out from below, so they can be tried one by one. */
static unsigned count_handles(void)
{
    enum { GAP = 512 };
    unsigned count = 0, misses = 0;
    for (uintptr_t value = 4; misses < GAP; value += 4) {
        DWORD flags;
        bool open = GetHandleInformation((HANDLE)value, &flags) != 0;
        count += open;
        misses = open ? 0 : misses + 1;
    }
    return count;
}

unsigned support_handles(void)
{
    DWORD count = 0;
    assert_true(GetProcessHandleCount(GetCurrentProcess(), &count));
    return count != 0 ? count : count_handles();
}

/* ---- processes ---- */

static void close_handle(HANDLE *handle)
{
    if (*handle != NULL && *handle != INVALID_HANDLE_VALUE)
        CloseHandle(*handle);
    *handle = NULL;
}

static HANDLE open_inheritable(const char *path, DWORD access, DWORD creation)
{
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    HANDLE file = CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, creation,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    return file == INVALID_HANDLE_VALUE ? NULL : file;
}

/* A pipe of which the child's end is inheritable and synchronous, and ours is overlapped if we
 * read (to keep deadlines). Process ids come back soon, and a pipe lives as long as any end: so the
 * time is in the name as well. */
static bool open_pipe(bool child_reads, HANDLE *ours, HANDLE *theirs)
{
    static unsigned count;
    char name[80];
    LARGE_INTEGER now;
    QueryPerformanceCounter(&now);
    snprintf(name, sizeof name, "\\\\.\\pipe\\sill-test-%lu-%llx-%u",
             (unsigned long)GetCurrentProcessId(), (unsigned long long)now.QuadPart, ++count);
    DWORD direction =
        child_reads ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED;
    HANDLE end =
        CreateNamedPipeA(name, direction | FILE_FLAG_FIRST_PIPE_INSTANCE,
                         PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1, 65536, 65536, 0, NULL);
    if (end == INVALID_HANDLE_VALUE)
        return false;
    *ours = end;
    *theirs = open_inheritable(name, child_reads ? GENERIC_READ : GENERIC_WRITE, OPEN_EXISTING);
    return *theirs != NULL;
}

static bool open_streams(const struct support__streams *files, HANDLE ends[3], HANDLE ours[2])
{
    if (files == NULL)
        return open_pipe(true, &ours[0], &ends[0]) && open_pipe(false, &ours[1], &ends[1]);
    ends[0] = open_inheritable(files->in, GENERIC_READ, OPEN_EXISTING);
    ends[1] = open_inheritable(files->out, GENERIC_WRITE, CREATE_ALWAYS);
    if (files->error != NULL)
        ends[2] = open_inheritable(files->error, GENERIC_WRITE, CREATE_ALWAYS);
    return ends[0] != NULL && ends[1] != NULL && (files->error == NULL || ends[2] != NULL);
}

static void put(char *line, size_t size, char c, size_t times)
{
    size_t at = strlen(line);
    assert_true(at + times < size);
    memset(line + at, c, times);
    line[at + times] = '\0';
}

/* Appends one argument, quoted as the C runtime of the child takes it apart: backslashes count
 * double before a quote. */
static void quote(char *line, size_t size, const char *argument)
{
    size_t slashes = 0;
    if (line[0] != '\0')
        put(line, size, ' ', 1);
    put(line, size, '"', 1);
    for (const char *c = argument; *c != '\0'; c++) {
        if (*c == '"')
            put(line, size, '\\', slashes + 1);
        put(line, size, *c, 1);
        slashes = *c == '\\' ? slashes + 1 : 0;
    }
    put(line, size, '\\', slashes);
    put(line, size, '"', 1);
}

/* Sets or puts back what the list says; a child inherits the environment as it is meanwhile. */
static void swap_environment(const char *const *environment, char *old[16], bool set)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        char name[80];
        size_t length = strcspn(environment[i], "=");
        assert_true(i < 16 && length < sizeof name);
        memcpy(name, environment[i], length);
        name[length] = '\0';
        if (set) {
            const char *now = getenv(name);
            old[i] = now != NULL ? _strdup(now) : NULL;
            support_setenv(name, environment[i] + length + 1);
        } else {
            support_setenv(name, old[i]);
            free(old[i]);
        }
    }
}

static bool create(struct support__child *child, char *line, HANDLE ends[3])
{
    bool done = false;
    DWORD code = ERROR_NOT_ENOUGH_MEMORY;
    SIZE_T size = 0;
    PROCESS_INFORMATION made;
    STARTUPINFOEXA startup = {0};
    HANDLE list[3] = {ends[0], ends[1], ends[2]};
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = malloc(size);
    if (attributes == NULL)
        return false;
    if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size))
        goto fail;
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = ends[0];
    startup.StartupInfo.hStdOutput = ends[1];
    startup.StartupInfo.hStdError = ends[2];
    startup.lpAttributeList = attributes;
    if (UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                  sizeof list, NULL, NULL) &&
        CreateProcessA(NULL, line, NULL, NULL, TRUE,
                       EXTENDED_STARTUPINFO_PRESENT | CREATE_SUSPENDED, NULL, NULL,
                       &startup.StartupInfo, &made)) {
        AssignProcessToJobObject(job, made.hProcess);
        ResumeThread(made.hThread);
        CloseHandle(made.hThread);
        child->process = made.hProcess;
        child->pid = made.dwProcessId;
        done = true;
    } else {
        code = GetLastError();
    }
    DeleteProcThreadAttributeList(attributes);
fail:
    free(attributes);
    SetLastError(code);
    return done;
}

static void make_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    if (job != NULL)
        return;
    job = CreateJobObjectA(NULL, NULL);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
}

static HANDLE own_error_stream(void)
{
    HANDLE copy = NULL, self = GetCurrentProcess();
    DuplicateHandle(self, GetStdHandle(STD_ERROR_HANDLE), self, &copy, 0, TRUE,
                    DUPLICATE_SAME_ACCESS);
    return copy;
}

struct support__child *support__spawn(const char *const *arguments, const char *const *environment,
                                      const struct support__streams *files, unsigned long *code)
{
    static char line[32768];
    char *old[16] = {NULL};
    HANDLE ends[3] = {NULL, NULL, NULL}, ours[2] = {NULL, NULL};
    struct support__child *child = calloc(1, sizeof *child);
    if (child == NULL)
        return NULL;
    make_job();
    line[0] = '\0';
    for (; *arguments != NULL; arguments++)
        quote(line, sizeof line, *arguments);
    fflush(NULL);
    bool done = open_streams(files, ends, ours);
    if (ends[2] == NULL)
        ends[2] = own_error_stream();
    *code = GetLastError();
    if (done) {
        swap_environment(environment, old, true);
        for (int tries = 0; tries < 3; tries++) {
            done = create(child, line, ends);
            *code = GetLastError();
            if (done ||
                *code != ERROR_INTERNAL_ERROR) /* Wine says that once in some 10,000 starts */
                break;
        }
        swap_environment(environment, old, false);
    }
    for (int i = 0; i < 3; i++)
        close_handle(&ends[i]);
    child->in = ours[0];
    child->out = ours[1];
    if (!done) {
        support__forget(child);
        return NULL;
    }
    return child;
}

bool support__write(struct support__child *child, const char *data, size_t size)
{
    while (size > 0) {
        DWORD written = 0;
        if (!WriteFile(child->in, data, (DWORD)size, &written, NULL))
            return false;
        data += written;
        size -= written;
    }
    return true;
}

void support__close_input(struct support__child *child)
{
    close_handle(&child->in);
}

/* A read that outlasts its time stays under way, and the next call goes on with it. */
int support__read(struct support__child *child, char *buffer, size_t capacity, size_t *got,
                  int timeout_ms)
{
    DWORD size = 0;
    if (!child->reading) {
        if (child->read.hEvent == NULL)
            child->read.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
        DWORD wanted = (DWORD)(capacity < sizeof child->buffer ? capacity : sizeof child->buffer);
        if (!ReadFile(child->out, child->buffer, wanted, NULL, &child->read) &&
            GetLastError() != ERROR_IO_PENDING)
            return 0;
        child->reading = true;
    }
    if (WaitForSingleObject(child->read.hEvent, (DWORD)timeout_ms) != WAIT_OBJECT_0)
        return -1;
    child->reading = false;
    if (!GetOverlappedResult(child->out, &child->read, &size, FALSE) || size == 0)
        return 0;
    assert_true(size <= capacity);
    memcpy(buffer, child->buffer, size);
    *got = size;
    return 1;
}

/* Standard input is a synchronous pipe, on which nothing can be waited for with a deadline. */
int support__read_stdin(char *buffer, size_t capacity, size_t *got, int timeout_ms)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE);
    int64_t end = support_now_ms() + timeout_ms;
    DWORD ready = 0, size = 0;
    for (;;) {
        if (!PeekNamedPipe(in, NULL, 0, NULL, &ready, NULL))
            return 0;
        if (ready > 0)
            break;
        if (support_now_ms() >= end)
            return -1;
        Sleep(1);
    }
    if (!ReadFile(in, buffer, (DWORD)capacity, &size, NULL) || size == 0)
        return 0;
    *got = size;
    return 1;
}

/* A helper that faults ends at once, and no debugger writes into what it says. */
static LONG WINAPI end_at_fault(EXCEPTION_POINTERS *fault)
{
    TerminateProcess(GetCurrentProcess(), fault->ExceptionRecord->ExceptionCode);
    return EXCEPTION_EXECUTE_HANDLER;
}

void support__prepare_program(void)
{
}

void support__prepare_role(void)
{
    _setmode(_fileno(stdout), _O_BINARY);
    SetUnhandledExceptionFilter(end_at_fault);
}

bool support__wait(struct support__child *child, int timeout_ms, int *status)
{
    DWORD code = 0;
    if (WaitForSingleObject(child->process, (DWORD)timeout_ms) != WAIT_OBJECT_0)
        return false;
    GetExitCodeProcess(child->process, &code);
    if (status != NULL)
        *status = (int)code;
    return true;
}

void support__kill(struct support__child *child)
{
    TerminateProcess(child->process, 137);
    support__wait(child, SUPPORT_PATIENCE_MS, NULL);
}

uint32_t support__pid(const struct support__child *child)
{
    return child->pid;
}

void support__forget(struct support__child *child)
{
    DWORD size;
    if (child->reading && CancelIoEx(child->out, &child->read))
        GetOverlappedResult(child->out, &child->read, &size, TRUE);
    close_handle(&child->read.hEvent);
    close_handle(&child->in);
    close_handle(&child->out);
    close_handle(&child->process);
    free(child);
}

/* ---- threads ---- */

struct support_thread {
    HANDLE thread;
    int (*run)(void *arg);
    void *arg;
};

static DWORD WINAPI run_thread(void *arg)
{
    struct support_thread *thread = arg;
    return (DWORD)thread->run(thread->arg);
}

struct support_thread *support_thread(int (*run)(void *arg), void *arg)
{
    struct support_thread *thread = calloc(1, sizeof *thread);
    assert_non_null(thread);
    thread->run = run;
    thread->arg = arg;
    thread->thread = CreateThread(NULL, 0, run_thread, thread, 0, NULL);
    assert_non_null(thread->thread);
    return thread;
}

int support_join(struct support_thread *thread)
{
    DWORD result = 0;
    assert_int_equal(WaitForSingleObject(thread->thread, INFINITE), WAIT_OBJECT_0);
    GetExitCodeThread(thread->thread, &result);
    CloseHandle(thread->thread);
    free(thread);
    return (int)result;
}
