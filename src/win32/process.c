/* process.c - process identity on Windows. See process.h.
 *
 * A process is told by its pid and its creation time (100 ns since 1601). A pid stays taken as
 * long as anybody holds a handle of the dead process, so an OpenProcess that succeeds proves
 * nothing: the handle is waited on with no timeout, and only one that is not signalled lives.
 * There is no fork, so the generation never changes.
 */
#include "../process.h"

#include <string.h>

#include <windows.h>

#include "../channel_ops.h"
#include "../status.h"

static uint64_t creation_time(HANDLE process)
{
    FILETIME created, ended, kernel, user;
    if (!GetProcessTimes(process, &created, &ended, &kernel, &user))
        return 0;
    return (uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

static void fill(struct sill__process *out, uint32_t pid, uint64_t start)
{
    memset(out, 0, sizeof *out);
    out->pid = pid;
    out->start = start;
}

void sill__process_self(struct sill__process *out)
{
    fill(out, GetCurrentProcessId(), creation_time(GetCurrentProcess()));
}

int sill__process_of(uint32_t pid, struct sill__process *out)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, pid);
    if (process == NULL) {
        DWORD code = GetLastError();
        if (code == ERROR_INVALID_PARAMETER) /* what Windows says of a pid that nobody has */
            return sill__fail(SILL_NOT_FOUND, "There is no process %lu.", (unsigned long)pid);
        return sill__fail_os("OpenProcess", code, "Process %lu cannot be opened",
                             (unsigned long)pid);
    }
    uint64_t start = creation_time(process);
    bool alive = WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    CloseHandle(process);
    if (!alive)
        return sill__fail(SILL_NOT_FOUND, "Process %lu has ended.", (unsigned long)pid);
    fill(out, pid, start);
    return 0;
}

int sill__process_alive(const struct sill__process *process)
{
    if (process->pid == 0)
        return 0; /* the idle process; OpenProcess refuses it with the code of a missing pid */
    HANDLE handle =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, process->pid);
    if (handle == NULL)
        return GetLastError() == ERROR_INVALID_PARAMETER ? 0 : -1;
    DWORD waited = WaitForSingleObject(handle, 0);
    uint64_t start = creation_time(handle);
    CloseHandle(handle);
    if (waited == WAIT_OBJECT_0)
        return 0;
    if (waited != WAIT_TIMEOUT || start == 0)
        return -1;
    return start == process->start;
}

atomic_uint sill__forks; /* always 0 */

void sill__handle_close(sill_handle handle)
{
    if (handle != SILL_NO_HANDLE && handle != 0)
        CloseHandle((HANDLE)handle);
}

/* The peer's own set of processors would need a right to ask it for that. */
bool sill__wakes_slowly(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    return ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;
}

bool sill__process_parallel(uint32_t pid)
{
    (void)pid;
    return GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) != 1;
}
