/* pair.c - the two sides of a baseline on Windows: this process and a second one of the same
 * program, which is told a token that both make their names of.
 *
 * Each ends with the other: side 1 lies in a job that ends with its creator's handle, and a thread
 * of side 0 waits for the end of side 1.
 */
#include "../baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static HANDLE process;

void *pair_memory(size_t size)
{
    HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
                                        (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);

    return section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, size) : NULL;
}

static void *named_memory(const char *token, size_t size)
{
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, (DWORD)size, token);

    return section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, size) : NULL;
}

static DWORD WINAPI watch(void *arg)
{
    DWORD code = 1;

    (void)arg;
    WaitForSingleObject(process, INFINITE);
    if (!GetExitCodeProcess(process, &code) || code != 0)
        ExitProcess(1);
    return 0;
}

static int start(const char *token, int argc, char **argv)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    STARTUPINFOA info = {.cb = sizeof info};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    char line[4096], self[2048];
    PROCESS_INFORMATION started;
    int n, i;

    if (!GetModuleFileNameA(NULL, self, sizeof self))
        return -1;
    n = snprintf(line, sizeof line, "\"%s\" --peer %s", self, token);
    for (i = 1; i < argc && n < (int)sizeof line - 1; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %s", argv[i]);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (n >= (int)sizeof line - 1 || !job ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) ||
        !CreateProcessA(self, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &info,
                        &started))
        return -1;
    process = started.hProcess;
    if (!AssignProcessToJobObject(job, process) || ResumeThread(started.hThread) == (DWORD)-1)
        return -1;
    CloseHandle(started.hThread);
    return CreateThread(NULL, 0, watch, NULL, 0, NULL) ? 0 : -1;
}

int pair_part(struct side *side, const char *peer, int argc, char **argv)
{
    static char token[64];

    snprintf(token, sizeof token, "sill-bench-%lu", (unsigned long)GetCurrentProcessId());
    side->token = peer ? peer : token;
    side->number = peer != NULL;
    if (baseline.shared_size && !(side->shared = named_memory(side->token, baseline.shared_size)))
        return baseline_fail("shared memory", 0);
    if (baseline.prepare && baseline.prepare(side) != 0)
        return -1;
    if (!peer && !baseline.alone && start(token, argc, argv) != 0)
        return baseline_fail("the second process cannot be started", 0);
    return 0;
}

int pair_join(struct side *side)
{
    DWORD code = 1;

    if (side->number == 1 || !process)
        return 0;
    WaitForSingleObject(process, INFINITE);
    if (GetExitCodeProcess(process, &code) && code == 0)
        return 0;
    return baseline_fail("the other side has failed", 0);
}
