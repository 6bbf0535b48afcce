/* child.c (Windows) - starting processes and waiting for their end. See ../pipe_ends.h.
 *
 * A child inherits the handles that are in a list (PROC_THREAD_ATTRIBUTE_HANDLE_LIST) and no other.
 * Those of the streams are duplicates made for it, so that what the caller has is never
 * inheritable; further handles keep their values and are inheritable while the child is started.
 */
#include "../pipe_ends.h"

#include <string.h>

#include <windows.h>

#include "../clock.h"
#include "../memory.h"
#include "../status.h"
#include "path.h"

#define LIST_MAX (3 + SILL_CHILD_HANDLES_MAX)

/* Everything for CreateProcess. */
struct start {
    wchar_t *program, *line, *environment, *folder;
    HANDLE stream[3]; /* duplicates that can be inherited; NULL: none */
    HANDLE list[LIST_MAX];
    DWORD count;
};

static int no_memory(void)
{
    return sill__fail(SILL_NO_MEMORY, "There is no memory to start a process.");
}

/* ---- texts ---- */

/* UTF-16 of `text` at `to`, which has room for `room`; returns the units without the end; -1. */
static int widen(const char *text, wchar_t *to, int room)
{
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, to, room);
    return count - 1;
}

static int not_text(void)
{
    return sill__fail(SILL_INVALID, "An argument or a variable is not valid UTF-8.");
}

/* Appends one argument, quoted so that the start-up code of C takes it apart again: backslashes are
 * doubled before a quote and at the end, a quote gets one more. */
static char *quote(char *to, const char *argument)
{
    size_t backslashes = 0;
    *to++ = '"';
    for (; *argument != '\0'; argument++) {
        if (*argument == '"')
            for (backslashes++; backslashes > 0; backslashes--)
                *to++ = '\\';
        backslashes = *argument == '\\' ? backslashes + 1 : 0;
        *to++ = *argument;
    }
    for (; backslashes > 0; backslashes--)
        *to++ = '\\';
    *to++ = '"';
    return to;
}

static int make_line(const char *const *arguments, wchar_t **out)
{
    size_t size = 1;
    for (size_t i = 0; arguments[i] != NULL; i++)
        size += 2 * strlen(arguments[i]) + 3;
    char *line = sill__alloc(size);
    wchar_t *wide = sill__alloc(size * sizeof *wide);
    int status = SILL_OK;
    if (line == NULL || wide == NULL) {
        status = no_memory();
    } else {
        char *to = line;
        for (size_t i = 0; arguments[i] != NULL; i++) {
            if (i > 0)
                *to++ = ' ';
            to = quote(to, arguments[i]);
        }
        *to = '\0';
        if (widen(line, wide, (int)size) < 0)
            status = not_text();
    }
    sill__free(line);
    if (status == SILL_OK)
        *out = wide;
    else
        sill__free(wide);
    return status;
}

/* The system would start cmd.exe for it, which takes a line apart by other rules than those of
 * quote: an argument could be a command then. Dots and blanks at the end of a name do not count. */
static bool is_batch_file(const wchar_t *path)
{
    size_t length = wcslen(path);
    while (length > 0 && (path[length - 1] == L'.' || path[length - 1] == L' '))
        length--;
    return length >= 4 && (_wcsnicmp(path + length - 4, L".bat", 4) == 0 ||
                           _wcsnicmp(path + length - 4, L".cmd", 4) == 0);
}

static int find_program(const char *name, wchar_t **out)
{
    size_t size = strlen(name) + 1;
    wchar_t *wide = sill__alloc(size * sizeof *wide);
    wchar_t *path = sill__alloc(32768 * sizeof *path);
    int status = SILL_OK;
    if (wide == NULL || path == NULL) {
        status = no_memory();
    } else if (widen(name, wide, (int)size) < 0) {
        status = not_text();
    } else {
        DWORD length = SearchPathW(NULL, wide, L".exe", 32768, path, NULL);
        if (length == 0 || length >= 32768)
            status = sill__fail_os_as(SILL_NOT_FOUND, "SearchPathW", GetLastError(),
                                      "There is no program \"%.200s\"", name);
        else if (is_batch_file(path))
            status = sill__fail(SILL_INVALID,
                                "\"%.200s\" is a batch file, of whose arguments cmd.exe could take "
                                "some for commands; start \"cmd.exe\" with \"/c\".",
                                name);
    }
    sill__free(wide);
    if (status == SILL_OK)
        *out = path;
    else
        sill__free(path);
    return status;
}

static bool same_variable(const wchar_t *a, const wchar_t *b)
{
    size_t length = wcscspn(a, L"=");
    return _wcsnicmp(a, b, length) == 0 && b[length] == L'=';
}

/* Whether one of the strings from `first` to `end` sets the variable that `text` sets. */
static bool is_set_in(const wchar_t *first, const wchar_t *end, const wchar_t *text)
{
    for (; first < end; first += wcslen(first) + 1)
        if (same_variable(first, text))
            return true;
    return false;
}

/* The variables in `more` and those of this process that they do not replace. Windows wants no
 * order of them, in spite of what is said. */
static int fill_environment(wchar_t *to, int room, const wchar_t *old, const char *const *more)
{
    wchar_t *at = to;
    for (size_t i = 0; more[i] != NULL; i++) {
        int count = widen(more[i], at, room - (int)(at - to));
        if (count < 0)
            return not_text();
        at += count + 1;
    }
    const wchar_t *end = at;
    for (; *old != L'\0'; old += wcslen(old) + 1)
        if (*old == L'=' || !is_set_in(to, end, old)) {
            size_t units = wcslen(old) + 1;
            memcpy(at, old, units * sizeof *at);
            at += units;
        }
    *at = L'\0';
    return SILL_OK;
}

static int make_environment(const char *const *more, wchar_t **out)
{
    if (more == NULL)
        return SILL_OK;
    wchar_t *old = GetEnvironmentStringsW();
    if (old == NULL)
        return no_memory();
    size_t room = 2;
    for (const wchar_t *at = old; *at != L'\0'; at += wcslen(at) + 1)
        room += wcslen(at) + 1;
    for (size_t i = 0; more[i] != NULL; i++)
        room += strlen(more[i]) + 1;
    wchar_t *all = sill__alloc(room * sizeof *all);
    int status = all == NULL ? no_memory() : fill_environment(all, (int)room, old, more);
    FreeEnvironmentStringsW(old);
    if (status == SILL_OK)
        *out = all;
    else
        sill__free(all);
    return status;
}

/* ---- handles ---- */

bool sill__child_has(sill_handle handle)
{
    DWORD flags;
    return GetHandleInformation((HANDLE)handle, &flags) != 0;
}

static int copy_stream(struct start *start, const struct sill__child_plan *plan, int i)
{
    static const DWORD standard[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    HANDLE self = GetCurrentProcess(), from = (HANDLE)plan->stream[i], null = NULL;
    if (i == 2 && plan->err_to_out) {
        from = start->stream[1];
    } else if (plan->inherit[i]) {
        from = GetStdHandle(standard[i]);
    } else if (plan->stream[i] == SILL_NO_HANDLE) {
        null = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                           NULL, OPEN_EXISTING, 0, NULL);
        from = null;
    }
    if (from == NULL || (from == INVALID_HANDLE_VALUE && plan->inherit[i]))
        return SILL_OK; /* a process without a console has no streams */
    BOOL fine =
        DuplicateHandle(self, from, self, &start->stream[i], 0, TRUE, DUPLICATE_SAME_ACCESS);
    DWORD code = GetLastError();
    if (null != NULL && null != INVALID_HANDLE_VALUE)
        CloseHandle(null);
    if (!fine) {
        start->stream[i] = NULL;
        return sill__fail_os("DuplicateHandle", code, "A stream for the child cannot be had");
    }
    start->list[start->count++] = start->stream[i];
    return SILL_OK;
}

static void add_handles(struct start *start, const struct sill__child_plan *plan)
{
    for (unsigned i = 0; i < plan->handle_count; i++) {
        HANDLE handle = (HANDLE)plan->handles[i];
        bool twice = false;
        for (DWORD k = 0; k < start->count; k++)
            twice = twice || start->list[k] == handle;
        if (!twice)
            start->list[start->count++] = handle;
    }
}

/* Makes the further handles inheritable, or takes that back. */
static int set_inheritable(const struct start *start, DWORD first, bool on)
{
    for (DWORD i = first; i < start->count; i++)
        if (!SetHandleInformation(start->list[i], HANDLE_FLAG_INHERIT,
                                  on ? HANDLE_FLAG_INHERIT : 0) &&
            on)
            return sill__fail_os("SetHandleInformation", GetLastError(),
                                 "One of the handles for the child is not open");
    return SILL_OK;
}

/* ---- starting ---- */

static int create(const struct start *start, const char *name, PROCESS_INFORMATION *info)
{
    STARTUPINFOEXW with = {.StartupInfo = {.cb = sizeof with, .dwFlags = STARTF_USESTDHANDLES}};
    SIZE_T size = 0;
    with.StartupInfo.hStdInput = start->stream[0];
    with.StartupInfo.hStdOutput = start->stream[1];
    with.StartupInfo.hStdError = start->stream[2];
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    with.lpAttributeList = sill__alloc(size);
    if (with.lpAttributeList == NULL)
        return no_memory();
    BOOL ready = InitializeProcThreadAttributeList(with.lpAttributeList, 1, 0, &size);
    BOOL fine = ready;
    if (ready) {
        if (start->count > 0)
            fine = UpdateProcThreadAttribute(
                with.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                (void *)(uintptr_t)start->list, start->count * sizeof start->list[0], NULL, NULL);
        fine = fine && CreateProcessW(start->program, start->line, NULL, NULL, start->count > 0,
                                      EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT,
                                      start->environment, start->folder, &with.StartupInfo, info);
    }
    DWORD code = GetLastError();
    if (ready)
        DeleteProcThreadAttributeList(with.lpAttributeList);
    sill__free(with.lpAttributeList);
    if (fine)
        return SILL_OK;
    return sill__fail_os_as(code == ERROR_DIRECTORY ? SILL_NOT_FOUND : sill__os_status(code),
                            "CreateProcessW", code, "The program \"%.200s\" cannot be started",
                            name);
}

static int prepare(struct start *start, const struct sill__child_plan *plan)
{
    int status = find_program(plan->arguments[0], &start->program);
    if (status == SILL_OK)
        status = make_line(plan->arguments, &start->line);
    if (status == SILL_OK)
        status = make_environment(plan->environment, &start->environment);
    if (status == SILL_OK && plan->folder != NULL) {
        size_t size = strlen(plan->folder) + 1;
        start->folder = sill__alloc(size * sizeof *start->folder);
        if (start->folder == NULL)
            status = no_memory();
        else if (widen(plan->folder, start->folder, (int)size) < 0)
            status = not_text();
    }
    for (int i = 0; i < 3 && status == SILL_OK; i++)
        status = copy_stream(start, plan, i);
    return status;
}

int sill__child_run(struct sill__running *out, const struct sill__child_plan *plan)
{
    struct start start = {0};
    PROCESS_INFORMATION info;
    int status = prepare(&start, plan);
    DWORD first = start.count;
    if (status == SILL_OK) {
        add_handles(&start, plan);
        status = set_inheritable(&start, first, true);
        if (status == SILL_OK)
            status = create(&start, plan->arguments[0], &info);
        set_inheritable(&start, first, false);
    }
    for (int i = 0; i < 3; i++)
        if (start.stream[i] != NULL)
            CloseHandle(start.stream[i]);
    sill__free(start.program);
    sill__free(start.line);
    sill__free(start.environment);
    sill__free(start.folder);
    if (status != SILL_OK)
        return status;
    CloseHandle(info.hThread);
    out->pid = info.dwProcessId;
    out->process = (sill_handle)info.hProcess;
    return SILL_OK;
}

/* ---- its end ---- */

int sill__child_await(const struct sill__running *running, int64_t deadline, int *code)
{
    DWORD ended;
    int left = sill__timeout(deadline);
    switch (WaitForSingleObject((HANDLE)running->process, left < 0 ? INFINITE : (DWORD)left)) {
    case WAIT_OBJECT_0:
        break;
    case WAIT_TIMEOUT:
        return SILL_TIMEOUT;
    default:
        return sill__fail_os("WaitForSingleObject", GetLastError(),
                             "A process cannot be waited for");
    }
    if (!GetExitCodeProcess((HANDLE)running->process, &ended))
        return sill__fail_os("GetExitCodeProcess", GetLastError(), "A process cannot be asked");
    *code = (int)ended;
    return SILL_OK;
}

int sill__child_end(const struct sill__running *running)
{
    if (TerminateProcess((HANDLE)running->process, 1))
        return SILL_OK;
    DWORD code = GetLastError();
    if (WaitForSingleObject((HANDLE)running->process, 0) == WAIT_OBJECT_0)
        return SILL_OK; /* it ended by itself */
    return sill__fail_os("TerminateProcess", code, "Process %lu cannot be killed",
                         (unsigned long)running->pid);
}
