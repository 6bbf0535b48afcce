/* facts.c (Windows) - what the system says about itself and its limits. See facts.h.
 *
 * Everything is read, nothing is changed. Wine is told from Windows by a function that only its
 * ntdll has, and the version by ntdll as well, since the usual calls say what the program's
 * manifest wants to hear.
 */
#include "../facts.h"

#include <stdbool.h>
#include <stdio.h>

#include <windows.h>

#define MIB (UINT64_C(1) << 20)

#define ENLARGE "SystemPropertiesPerformance.exe, Advanced, Virtual memory: a larger paging file"

/* ---- system and cores ---- */

typedef void function(void);
typedef const char *CDECL wine_version(void);
typedef void CDECL wine_host(const char **system, const char **release);
typedef LONG WINAPI true_version(OSVERSIONINFOW *out);

static function *of_ntdll(const char *name)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    return ntdll != NULL ? (function *)GetProcAddress(ntdll, name) : NULL;
}

static void windows_version(char *out, size_t size)
{
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    true_version *ask = (true_version *)of_ntdll("RtlGetVersion");
    if (ask != NULL && ask(&version) == 0)
        snprintf(out, size, "%lu.%lu.%lu", version.dwMajorVersion, version.dwMinorVersion,
                 version.dwBuildNumber);
    else
        snprintf(out, size, "unknown");
}

static bool is_wine(void)
{
    return of_ntdll("wine_get_version") != NULL;
}

static void tell_wine(struct sill__facts *facts, const char *imitated)
{
    wine_version *ask = (wine_version *)of_ntdll("wine_get_version");
    wine_host *ask_host = (wine_host *)of_ntdll("wine_get_host_version");
    sill__fact_text(facts, "system", "name", "Wine", SILL_FACT_GOOD,
                    "times measured here say nothing about Windows", "");
    sill__fact_text(facts, "system", "version", ask != NULL ? ask() : "unknown", SILL_FACT_GOOD, "",
                    "");
    sill__fact_text(facts, "system", "windows_version", imitated, SILL_FACT_GOOD,
                    "the Windows that Wine is set to be like", "winecfg /v win10");
    if (ask_host == NULL)
        return;
    const char *system = "", *release = "";
    char host[160];
    ask_host(&system, &release);
    snprintf(host, sizeof host, "%s %s", system, release);
    sill__fact_text(facts, "system", "host", host, SILL_FACT_GOOD, "", "");
}

static const char *machine(void)
{
    SYSTEM_INFO info;
    GetNativeSystemInfo(&info);
    switch (info.wProcessorArchitecture) {
    case PROCESSOR_ARCHITECTURE_AMD64:
        return "x86_64";
    case PROCESSOR_ARCHITECTURE_INTEL:
        return "x86";
    case 12: /* PROCESSOR_ARCHITECTURE_ARM64, which not every header knows */
        return "arm64";
    default:
        return "unknown";
    }
}

/* How many cores this process may run on; 0 if it cannot be told, or spans groups of 64. */
static unsigned usable_cores(void)
{
    DWORD_PTR usable = 0, all = 0;
    unsigned count = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &usable, &all))
        return 0;
    for (; usable != 0; usable &= usable - 1)
        count++;
    return count;
}

static void tell_cores(struct sill__facts *facts)
{
    DWORD online = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    unsigned usable = usable_cores();
    if (online > 0)
        sill__fact_number(facts, "cores", "online", online, "cores", SILL_FACT_GOOD, "", "");
    if (usable == 0)
        usable = online;
    if (usable > 0)
        sill__fact_number(facts, "cores", "usable", usable, "cores",
                          usable > 1 ? SILL_FACT_GOOD : SILL_FACT_LOW,
                          usable > 1 ? ""
                                     : "two processes take turns on one core: waiting by looking "
                                       "cannot help, and every message costs a switch",
                          usable < online ? "start /affinity MASK COMMAND" : "");
}

static void tell_session(struct sill__facts *facts)
{
    DWORD session;
    if (!ProcessIdToSessionId(GetCurrentProcessId(), &session))
        return;
    char text[16];
    snprintf(text, sizeof text, "%lu", session);
    sill__fact_text(facts, "system", "session", text, SILL_FACT_GOOD,
                    "regions of the kind win32 are seen within one session only; services are in "
                    "session 0",
                    "");
}

void sill__facts_system(struct sill__facts *facts)
{
    char version[48];
    windows_version(version, sizeof version);
    if (is_wine()) {
        tell_wine(facts, version);
    } else {
        sill__fact_text(facts, "system", "name", "Windows", SILL_FACT_GOOD, "", "");
        sill__fact_text(facts, "system", "version", version, SILL_FACT_GOOD, "", "");
    }
    sill__fact_text(facts, "system", "machine", machine(), SILL_FACT_GOOD, "", "");
    tell_session(facts);
    tell_cores(facts);
}

/* ---- limits ---- */

static void tell_memory(struct sill__facts *facts)
{
    MEMORYSTATUSEX state = {.dwLength = sizeof state};
    if (!GlobalMemoryStatusEx(&state)) {
        sill__fact_text(facts, "limit", "commit_limit", "unknown", SILL_FACT_MISSING,
                        "the system does not tell its memory", "");
        return;
    }
    bool small = state.ullTotalPageFile < 1024 * MIB;
    bool full = state.ullAvailPageFile < 256 * MIB;
    const char *full_note = "sections take memory when they are made: larger regions will fail";
    if (is_wine())
        full_note = "sections are files of the temporary folder under Wine, and memory only as far "
                    "as they are used";
    sill__fact_number(facts, "limit", "memory", state.ullTotalPhys, "bytes", SILL_FACT_GOOD, "",
                      "");
    sill__fact_number(facts, "limit", "memory_free", state.ullAvailPhys, "bytes", SILL_FACT_GOOD,
                      "", "");
    sill__fact_number(facts, "limit", "commit_limit", state.ullTotalPageFile, "bytes",
                      small ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      small ? "bounds the memory of all programs and all sections together" : "",
                      ENLARGE);
    sill__fact_number(facts, "limit", "commit_free", state.ullAvailPageFile, "bytes",
                      full ? SILL_FACT_LOW : SILL_FACT_GOOD, full ? full_note : "", ENLARGE);
    sill__fact_number(facts, "limit", "address_space", state.ullTotalVirtual, "bytes",
                      sizeof(void *) < 8 ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      sizeof(void *) < 8 ? "bounds everything that is mapped" : "",
                      sizeof(void *) < 8 ? "use the 64-bit build" : "");
}

/* A job, such as a container or a service's, may bound what its processes commit. */
static void tell_job(struct sill__facts *facts)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION job;
    if (!QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation, &job, sizeof job, NULL))
        return; /* no job */
    DWORD flags = job.BasicLimitInformation.LimitFlags;
    if ((flags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) != 0)
        sill__fact_number(facts, "limit", "job_process_memory", job.ProcessMemoryLimit, "bytes",
                          job.ProcessMemoryLimit < 1024 * MIB ? SILL_FACT_LOW : SILL_FACT_GOOD,
                          "a process of this job may not commit more", "");
    if ((flags & JOB_OBJECT_LIMIT_JOB_MEMORY) != 0)
        sill__fact_number(facts, "limit", "job_memory", job.JobMemoryLimit, "bytes",
                          job.JobMemoryLimit < 1024 * MIB ? SILL_FACT_LOW : SILL_FACT_GOOD,
                          "the processes of this job together may not commit more", "");
}

/* What bounds sections bounds all of them, and is told among the limits. */
void sill__facts_limited_region(int kind, struct sill__limited *out)
{
    (void)kind;
    (void)out;
}

void sill__facts_limits(struct sill__facts *facts)
{
    tell_memory(facts);
    tell_job(facts);
}
