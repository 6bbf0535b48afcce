/* process.c - running a program with pipes, on Windows.
 *
 * The program starts suspended and is put into a job object before it runs, so that
 * os_process_kill ends it with everything that it started. Only its three pipe ends are inherited,
 * by list, so that programs started at the same time keep no ends of each other open.
 */
#include "../os.h"
#include "wide.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

struct os_process {
    HANDLE process;
    HANDLE job;
};

/* The program's full path, freed by the caller, or NULL. */
static wchar_t *find(const char *name)
{
    wchar_t *wide = os_widen(name);
    wchar_t *path = NULL;
    DWORD size;

    if (!wide)
        return NULL;
    size = SearchPathW(NULL, wide, L".exe", 0, NULL, NULL);
    if (size > 0 && (path = malloc((size_t)size * sizeof *path))) {
        if (SearchPathW(NULL, wide, L".exe", size, path, NULL) >= size) {
            free(path);
            path = NULL;
        }
    }
    free(wide);
    if (!path)
        errno = ENOENT;
    return path;
}

int os_process_find(const char *name)
{
    wchar_t *path = find(name);
    int found = path != NULL;

    free(path);
    return found ? 0 : -1;
}

/* Appends one argument, quoted so that the program's own start-up code takes it apart again:
 * backslashes are doubled before a quote and at the end, a quote gets one more. */
static char *quote(char *to, const char *argument)
{
    size_t backslashes = 0;

    *to++ = '"';
    for (; *argument; argument++) {
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

/* The command line for `argv`; freed by the caller. */
static wchar_t *command_line(char **argv)
{
    size_t size = 1;
    wchar_t *wide;
    char *line, *to;
    int i;

    for (i = 0; argv[i]; i++)
        size += 2 * strlen(argv[i]) + 3;
    to = line = malloc(size);
    if (!line)
        return NULL;
    for (i = 0; argv[i]; i++) {
        if (i > 0)
            *to++ = ' ';
        to = quote(to, argv[i]);
    }
    *to = 0;
    wide = os_widen(line);
    free(line);
    return wide;
}

/* ours[] and theirs[] get the ends of the three pipes; theirs can be inherited. */
static int make_pipes(HANDLE ours[3], HANDLE theirs[3])
{
    int i;

    for (i = 0; i < 3; i++) {
        HANDLE *reading = i == 0 ? &theirs[i] : &ours[i];
        HANDLE *writing = i == 0 ? &ours[i] : &theirs[i];

        if (!CreatePipe(reading, writing, NULL, 0))
            return -1;
        if (!SetHandleInformation(theirs[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
            return -1;
    }
    return 0;
}

static void close_handles(HANDLE handles[3])
{
    int i;

    for (i = 0; i < 3; i++)
        if (handles[i])
            CloseHandle(handles[i]);
}

/* Creates it, suspended, with exactly `theirs` inherited. */
static int create(const wchar_t *path, wchar_t *line, HANDLE theirs[3], PROCESS_INFORMATION *info)
{
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof start}};
    SIZE_T size = 0;
    BOOL good = FALSE;

    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = malloc(size);
    if (!start.lpAttributeList)
        return -1;
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    start.StartupInfo.hStdInput = theirs[0];
    start.StartupInfo.hStdOutput = theirs[1];
    start.StartupInfo.hStdError = theirs[2];
    if (InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size)) {
        if (UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                      theirs, 3 * sizeof *theirs, NULL, NULL))
            good = CreateProcessW(path, line, NULL, NULL, TRUE,
                                  CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP |
                                      EXTENDED_STARTUPINFO_PRESENT,
                                  NULL, NULL, &start.StartupInfo, info);
        DeleteProcThreadAttributeList(start.lpAttributeList);
    }
    free(start.lpAttributeList);
    return good ? 0 : -1;
}

/* Puts the new process into a job and lets it run. */
static int start_in_job(os_process *process, const PROCESS_INFORMATION *info)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};

    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    process->process = info->hProcess;
    process->job = CreateJobObjectW(NULL, NULL);
    if (process->job &&
        SetInformationJobObject(process->job, JobObjectExtendedLimitInformation, &limits,
                                sizeof limits) &&
        AssignProcessToJobObject(process->job, info->hProcess) &&
        ResumeThread(info->hThread) != (DWORD)-1)
        return 0;
    TerminateProcess(info->hProcess, 1);
    if (process->job)
        CloseHandle(process->job);
    CloseHandle(info->hProcess);
    return -1;
}

/* A descriptor for a handle, which it then owns. */
static int descriptor(HANDLE *handle, int flags)
{
    int file = _open_osfhandle((intptr_t)*handle, flags | _O_BINARY | _O_NOINHERIT);

    if (file >= 0)
        *handle = NULL;
    return file;
}

os_process *os_process_start(char **argv, int *in, int *out, int *err)
{
    HANDLE ours[3] = {NULL, NULL, NULL}, theirs[3] = {NULL, NULL, NULL};
    os_process *process = malloc(sizeof *process);
    wchar_t *path = find(argv[0]);
    wchar_t *line = command_line(argv);
    int files[3] = {-1, -1, -1};
    PROCESS_INFORMATION info;
    int i;

    if (!process || !path || !line || make_pipes(ours, theirs) != 0)
        goto fail;
    for (i = 0; i < 3; i++)
        if ((files[i] = descriptor(&ours[i], i == 0 ? _O_WRONLY : _O_RDONLY)) < 0)
            goto fail;
    if (create(path, line, theirs, &info) != 0)
        goto fail;
    i = start_in_job(process, &info);
    CloseHandle(info.hThread);
    if (i != 0)
        goto fail;
    close_handles(theirs);
    free(path);
    free(line);
    *in = files[0];
    *out = files[1];
    *err = files[2];
    return process;
fail:
    for (i = 0; i < 3; i++)
        if (files[i] >= 0)
            _close(files[i]);
    close_handles(ours);
    close_handles(theirs);
    free(path);
    free(line);
    free(process);
    errno = path ? EAGAIN : ENOENT;
    return NULL;
}

void os_process_kill(os_process *process)
{
    TerminateJobObject(process->job, 1);
}

int os_process_wait(os_process *process, int *code)
{
    DWORD status;

    WaitForSingleObject(process->process, INFINITE);
    if (!GetExitCodeProcess(process->process, &status))
        return -1;
    *code = (int)status;
    return 0;
}

void os_process_free(os_process *process)
{
    CloseHandle(process->job);
    CloseHandle(process->process);
    free(process);
}
