/* facts.c (POSIX) - what the system says about itself and its limits. See facts.h.
 *
 * Everything is read, nothing is changed. A limit that this kernel does not have is told as
 * missing where sill needs it and left out where it does not.
 */
#include "facts.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sill/region.h>

#include "status.h"

#define MIB        (UINT64_C(1) << 20)
#define SHM_ENOUGH (64 * MIB)

/* ---- system and cores ---- */

/* The number of cores that this process may run on; 0 if it cannot be told. The set of a large
 * machine does not fit into the usual one, so it grows until the kernel is content. */
static unsigned usable_cores(void)
{
    for (int room = 1024; room <= 1 << 20; room *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)room);
        if (set == NULL)
            return 0;
        size_t size = CPU_ALLOC_SIZE((size_t)room);
        int failed = sched_getaffinity(0, size, set) != 0 ? errno : 0;
        int count = failed == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (failed != EINVAL)
            return (unsigned)count;
    }
    return 0;
}

static void tell_cores(struct sill__facts *facts)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned usable = usable_cores();
    if (online > 0)
        sill__fact_number(facts, "cores", "online", (uint64_t)online, "cores", SILL_FACT_GOOD, "",
                          "");
    if (usable > 0)
        sill__fact_number(
            facts, "cores", "usable", usable, "cores", usable > 1 ? SILL_FACT_GOOD : SILL_FACT_LOW,
            usable > 1 ? ""
                       : "two processes take turns on one core: waiting by looking "
                         "cannot help, and every message costs a switch",
            online > 0 && usable < (unsigned long)online ? "taskset -c 0-N COMMAND" : "");
}

/* The value of RemoveIPC in one of logind's files, if it is there: "yes" or "no". */
static void read_remove_ipc(const char *path, const char **value)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        char word[16];
        if (sscanf(line, " RemoveIPC = %15[A-Za-z0-9]", word) != 1)
            continue;
        bool no = strcasecmp(word, "no") == 0 || strcasecmp(word, "false") == 0 ||
                  strcasecmp(word, "off") == 0 || strcmp(word, "0") == 0;
        *value = no ? "no" : "yes";
    }
    fclose(file);
}

/* logind removes the shared memory of a user whose last session ends, unless it is told not to;
 * system users are spared. What lies in a later folder counts more. */
static void tell_remove_ipc(struct sill__facts *facts)
{
    static const char *const patterns[] = {
        "/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf",
        "/usr/lib/systemd/logind.conf.d/*.conf", "/run/systemd/logind.conf.d/*.conf",
        "/etc/systemd/logind.conf.d/*.conf"};
    struct stat st;
    if (stat("/run/systemd/system", &st) != 0)
        return;
    const char *value = "yes";
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++)
            read_remove_ipc(found.gl_pathv[k], &value);
        globfree(&found);
    }
    bool harms = strcmp(value, "yes") == 0 && geteuid() >= 1000;
    sill__fact_text(facts, "system", "remove_ipc", value, harms ? SILL_FACT_LOW : SILL_FACT_GOOD,
                    harms ? "at the end of this user's last session systemd removes his shared "
                            "memory, also from under programs that still run"
                          : "",
                    harms ? "loginctl enable-linger, or RemoveIPC=no in /etc/systemd/logind.conf "
                            "and systemctl restart systemd-logind"
                          : "");
}

void sill__facts_system(struct sill__facts *facts)
{
    struct utsname name;
    if (uname(&name) == 0) {
        sill__fact_text(facts, "system", "name", name.sysname, SILL_FACT_GOOD, "", "");
        sill__fact_text(facts, "system", "version", name.release, SILL_FACT_GOOD, "", "");
        sill__fact_text(facts, "system", "machine", name.machine, SILL_FACT_GOOD, "", "");
    }
    tell_remove_ipc(facts);
    tell_cores(facts);
}

/* ---- limits ---- */

/* A larger value to propose: `usual` where that is more, else twice as much; 0 where `most` is in
 * the way, or where there is so much already that nobody wants more. */
static uint64_t larger(uint64_t value, uint64_t usual, uint64_t most)
{
    if (value < usual)
        return usual;
    return value > most / 2 ? 0 : value * 2;
}

static void tell_shm(struct sill__facts *facts)
{
    struct statvfs fs;
    char remedy[80];
    if (statvfs("/dev/shm", &fs) != 0) {
        sill__fact_text(facts, "limit", "shm_size", "0", SILL_FACT_MISSING,
                        "there is no /dev/shm, so regions of the kind posix cannot be made",
                        "mount -t tmpfs -o mode=1777 tmpfs /dev/shm");
        return;
    }
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (size == 0) { /* mounted with size=0: no bound */
        sill__fact_text(facts, "limit", "shm_size", "unlimited", SILL_FACT_GOOD, "", "");
        return;
    }
    bool small = size < 256 * MIB;
    bool full = room < SHM_ENOUGH;
    snprintf(remedy, sizeof remedy, "mount -o remount,size=%" PRIu64 "M /dev/shm",
             larger(size, 1024 * MIB, UINT64_MAX) / MIB);
    sill__fact_number(facts, "limit", "shm_size", size, "bytes",
                      small ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      small ? "bounds all regions of the kind posix together; containers often "
                              "get 64 MiB only (docker run --shm-size=1g)"
                            : "",
                      remedy);
    sill__fact_number(facts, "limit", "shm_free", room, "bytes",
                      full ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      full ? "larger regions of the kind posix will fail; ls -l /dev/shm shows who "
                             "takes the space, sill clean removes what is stale"
                           : "",
                      remedy);
}

/* A number that the kernel keeps, under its name for sysctl, and what to do where it is small. */
struct kernel_limit {
    const char *name, *key, *unit;
    uint64_t enough;
    uint64_t usual, most; /* for a proposal: see larger() */
    const char *note;     /* said where it is not enough */
};

static const struct kernel_limit kernel_limits[] = {
    {"shmmax", "kernel.shmmax", "bytes", 1024 * MIB, 16384 * MIB, UINT64_C(1) << 62,
     "a System V region may not be larger"},
    {"shmall", "kernel.shmall", "pages", 1024 * MIB / 4096, 16384 * MIB / 4096, UINT64_C(1) << 50,
     "all System V regions together may not have more"},
    {"shmmni", "kernel.shmmni", "objects", 128, 4096, 32768,
     "there may not be more System V regions on this machine"},
    {"msgmax", "kernel.msgmax", "bytes", 8192, 65536, INT32_MAX,
     "a message of a System V queue may not be larger"},
    {"msgmnb", "kernel.msgmnb", "bytes", 16384, 1048576, INT32_MAX,
     "a System V queue does not hold more"},
    {"msgmni", "kernel.msgmni", "queues", 32, 32000, 32768,
     "there may not be more System V queues on this machine"},
    {"mqueue_msg_max", "fs.mqueue.msg_max", "messages", 10, 256, 65536,
     "a POSIX message queue does not hold more"},
    {"mqueue_msgsize_max", "fs.mqueue.msgsize_max", "bytes", 8192, 65536, 16 * MIB,
     "a message of a POSIX message queue may not be larger"},
    {"mqueue_queues_max", "fs.mqueue.queues_max", "queues", 64, 1024, INT32_MAX,
     "there may not be more POSIX message queues on this machine"},
    {"somaxconn", "net.core.somaxconn", "connections", 128, 4096, INT32_MAX,
     "more clients that connect at the same moment must wait"},
};

static bool read_number(const char *path, uint64_t *out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool found = fscanf(file, "%" SCNu64, out) == 1;
    fclose(file);
    return found;
}

static void tell_kernel_limit(struct sill__facts *facts, const struct kernel_limit *limit)
{
    uint64_t value;
    char path[80], note[160], remedy[80] = "";
    snprintf(path, sizeof path, "/proc/sys/%s", limit->key);
    for (char *at = path + strlen("/proc/sys/"); (at = strchr(at, '.')) != NULL;)
        *at = '/';
    if (!read_number(path, &value)) {
        snprintf(note, sizeof note, "%s cannot be read: this system may not have the facility",
                 path);
        sill__fact_text(facts, "limit", limit->name, "unknown", SILL_FACT_MISSING, note, "");
        return;
    }
    bool low = value < limit->enough;
    uint64_t proposal = larger(value, limit->usual, limit->most);
    if (proposal > 0)
        snprintf(remedy, sizeof remedy, "sysctl -w %s=%" PRIu64, limit->key, proposal);
    sill__fact_number(facts, "limit", limit->name, value, limit->unit,
                      low ? SILL_FACT_LOW : SILL_FACT_GOOD, low ? limit->note : "", remedy);
}

/* A limit of this process. One that is not set is good, whatever it limits. */
struct process_limit {
    const char *name, *unit;
    uint64_t enough;
    uint64_t usual;
    const char *note;
    char letter; /* of ulimit, which counts in units of `ulimit_unit` bytes */
    unsigned ulimit_unit;
    const char *word; /* of prlimit */
};

static const struct process_limit descriptors = {
    "descriptors", "descriptors", 1024, 65536, "a server takes several for each client", 'n', 1,
    "nofile"};
static const struct process_limit mqueue_bytes = {
    "mqueue_bytes",
    "bytes",
    819200,
    8 * MIB,
    "all POSIX message queues of this user together may not have more",
    'q',
    1,
    "msgqueue"};
static const struct process_limit file_size = {"file_size",
                                               "bytes",
                                               RLIM_INFINITY,
                                               16384 * MIB,
                                               "also bounds regions of the kinds posix and file",
                                               'f',
                                               1024,
                                               "fsize"};
static const struct process_limit address_space = {"address_space",
                                                   "bytes",
                                                   RLIM_INFINITY,
                                                   65536 * MIB,
                                                   "bounds everything that is mapped",
                                                   'v',
                                                   1024,
                                                   "as"};

/* What raises it: up to the hard limit anybody may, beyond that the superuser. */
static void raise_process_limit(const struct process_limit *limit, const struct rlimit *value,
                                char *out, size_t size)
{
    uint64_t proposal = larger(value->rlim_cur, limit->usual, INT64_MAX);
    if (value->rlim_max == RLIM_INFINITY)
        snprintf(out, size, "ulimit -S%c unlimited", limit->letter);
    else if (value->rlim_cur < value->rlim_max)
        snprintf(out, size, "ulimit -S%c %" PRIu64, limit->letter,
                 (uint64_t)value->rlim_max / limit->ulimit_unit);
    else if (proposal > 0)
        snprintf(out, size, "prlimit --pid $$ --%s=%" PRIu64, limit->word, proposal);
    else
        out[0] = '\0';
}

static void tell_process_limit(struct sill__facts *facts, const struct process_limit *limit,
                               const struct rlimit *value)
{
    char remedy[80];
    if (value->rlim_cur == RLIM_INFINITY) {
        sill__fact_text(facts, "limit", limit->name, "unlimited", SILL_FACT_GOOD, "", "");
        return;
    }
    bool low = value->rlim_cur < limit->enough;
    raise_process_limit(limit, value, remedy, sizeof remedy);
    sill__fact_number(facts, "limit", limit->name, value->rlim_cur, limit->unit,
                      low ? SILL_FACT_LOW : SILL_FACT_GOOD, low ? limit->note : "", remedy);
}

void sill__facts_limited_region(int kind, struct sill__limited *out)
{
    struct statvfs fs;
    uint64_t most;
    if (kind == SILL_REGION_POSIX && statvfs("/dev/shm", &fs) == 0 && fs.f_blocks > 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize < SHM_ENOUGH) {
        snprintf(out->note, sizeof out->note,
                 "only %" PRIu64 " bytes are free in /dev/shm for all regions of the kind posix",
                 (uint64_t)fs.f_bavail * fs.f_frsize);
        snprintf(out->remedy, sizeof out->remedy, "mount -o remount,size=1024M /dev/shm");
    } else if ((kind == SILL_REGION_SYSV || kind == SILL_REGION_SYSV_PRIVATE) &&
               read_number("/proc/sys/kernel/shmmax", &most) && most < SHM_ENOUGH) {
        snprintf(out->note, sizeof out->note, "a segment may have %" PRIu64 " bytes only", most);
        snprintf(out->remedy, sizeof out->remedy, "sysctl -w kernel.shmmax=17179869184");
    }
}

void sill__facts_limits(struct sill__facts *facts)
{
    tell_shm(facts);
    for (size_t i = 0; i < sizeof kernel_limits / sizeof kernel_limits[0]; i++)
        tell_kernel_limit(facts, &kernel_limits[i]);
    struct rlimit value; /* the resources' type differs between C libraries, so no table of them */
    if (getrlimit(RLIMIT_NOFILE, &value) == 0)
        tell_process_limit(facts, &descriptors, &value);
    if (getrlimit(RLIMIT_MSGQUEUE, &value) == 0)
        tell_process_limit(facts, &mqueue_bytes, &value);
    if (getrlimit(RLIMIT_FSIZE, &value) == 0)
        tell_process_limit(facts, &file_size, &value);
    if (getrlimit(RLIMIT_AS, &value) == 0)
        tell_process_limit(facts, &address_space, &value);
}
