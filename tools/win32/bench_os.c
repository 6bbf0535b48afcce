/* bench_os.c - what benchmarks need of Windows. Which sections a process maps is not told there, so
 * shared memory is not known. */
#include "../bench_os.h"
#include "wide.h"

#include <psapi.h>

int bench_os_self(char *path, size_t size)
{
    wchar_t wide[4096];
    DWORD length = GetModuleFileNameW(NULL, wide, sizeof wide / sizeof wide[0]);

    if (length == 0 || length >= sizeof wide / sizeof wide[0])
        return -1;
    return WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, (int)size, NULL, NULL) > 0 ? 0 : -1;
}

unsigned bench_os_cores(unsigned cores[2])
{
    DWORD_PTR mine, all;
    unsigned count = 0;
    unsigned i;

    if (!GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        return 0;
    for (i = 0; i < sizeof mine * 8 && count < 2; i++)
        if (mine >> i & 1)
            cores[count++] = i;
    return count;
}

int bench_os_pin(unsigned core)
{
    if (core >= sizeof(DWORD_PTR) * 8)
        return -1;
    return SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)1 << core) ? 0 : -1;
}

void bench_os_many_files(void)
{
}

static uint64_t in_ns(const FILETIME *time)
{
    return (((uint64_t)time->dwHighDateTime << 32) + time->dwLowDateTime) * 100;
}

uint64_t bench_os_page_size(void)
{
    SYSTEM_INFO info;

    GetSystemInfo(&info);
    return info.dwPageSize;
}

uint64_t bench_os_free_memory(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};

    if (!GlobalMemoryStatusEx(&status))
        return 0;
    return status.ullAvailPhys < status.ullAvailPageFile ? status.ullAvailPhys
                                                         : status.ullAvailPageFile;
}

uint64_t bench_os_cpu_ns(void)
{
    FILETIME begin, end, kernel, user;

    if (!GetProcessTimes(GetCurrentProcess(), &begin, &end, &kernel, &user))
        return 0;
    return in_ns(&kernel) + in_ns(&user);
}

int64_t bench_os_private_bytes(void)
{
    PROCESS_MEMORY_COUNTERS_EX counters = {.cb = sizeof counters};

    if (!K32GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&counters,
                                 sizeof counters))
        return -1;
    return (int64_t)counters.PrivateUsage;
}

int64_t bench_os_shared_bytes(const unsigned *processes, unsigned count)
{
    (void)processes;
    (void)count;
    return -1;
}
