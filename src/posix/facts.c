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

#include "status.h"

#define MIB (UINT64_C(1) << 20)

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

static void tell_shm(struct sill__facts *facts)
{
    struct statvfs fs;
    if (statvfs("/dev/shm", &fs) != 0) {
        sill__fact_text(facts, "limit", "shm_size", "0", SILL_FACT_MISSING,
                        "there is no /dev/shm, so regions of the kind posix cannot be made",
                        "mount -t tmpfs -o mode=1777 tmpfs /dev/shm");
        return;
    }
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool unbounded = size == 0; /* tmpfs mounted with size=0 */
    bool small = !unbounded && size < 256 * MIB;
    bool full = !unbounded && room < 64 * MIB;
    if (unbounded) {
        sill__fact_text(facts, "limit", "shm_size", "unlimited", SILL_FACT_GOOD, "", "");
        return;
    }
    sill__fact_number(facts, "limit", "shm_size", size, "bytes",
                      small ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      small ? "bounds all regions of the kind posix together; containers often "
                              "get 64 MiB only (docker run --shm-size=1g)"
                            : "",
                      "mount -o remount,size=1G /dev/shm");
    sill__fact_number(facts, "limit", "shm_free", room, "bytes",
                      full ? SILL_FACT_LOW : SILL_FACT_GOOD,
                      full ? "larger regions of the kind posix will fail; ls -l /dev/shm shows who "
                             "takes the space, sill clean removes what is stale"
                           : "",
                      full ? "mount -o remount,size=1G /dev/shm" : "");
}

/* A number that the kernel keeps in a file, and what to do where it is small. */
struct kernel_limit {
    const char *name, *file, *unit;
    uint64_t enough;
    const char *note;   /* said where it is not enough */
    const char *remedy; /* said always: it is what raises it */
};

static const struct kernel_limit kernel_limits[] = {
    {"shmmax", "/proc/sys/kernel/shmmax", "bytes", 1024 * MIB,
     "a System V region may not be larger", "sysctl -w kernel.shmmax=17179869184"},
    {"shmall", "/proc/sys/kernel/shmall", "pages", 1024 * MIB / 4096,
     "all System V regions together may not have more", "sysctl -w kernel.shmall=4194304"},
    {"shmmni", "/proc/sys/kernel/shmmni", "objects", 128,
     "there may not be more System V regions on this machine", "sysctl -w kernel.shmmni=4096"},
    {"msgmax", "/proc/sys/kernel/msgmax", "bytes", 8192,
     "a message of a System V queue may not be larger", "sysctl -w kernel.msgmax=65536"},
    {"msgmnb", "/proc/sys/kernel/msgmnb", "bytes", 16384, "a System V queue does not hold more",
     "sysctl -w kernel.msgmnb=1048576"},
    {"msgmni", "/proc/sys/kernel/msgmni", "queues", 32,
     "there may not be more System V queues on this machine", "sysctl -w kernel.msgmni=32000"},
    {"mqueue_msg_max", "/proc/sys/fs/mqueue/msg_max", "messages", 10,
     "a POSIX message queue does not hold more", "sysctl -w fs.mqueue.msg_max=256"},
    {"mqueue_msgsize_max", "/proc/sys/fs/mqueue/msgsize_max", "bytes", 8192,
     "a message of a POSIX message queue may not be larger",
     "sysctl -w fs.mqueue.msgsize_max=65536"},
    {"mqueue_queues_max", "/proc/sys/fs/mqueue/queues_max", "queues", 64,
     "there may not be more POSIX message queues on this machine",
     "sysctl -w fs.mqueue.queues_max=256"},
    {"somaxconn", "/proc/sys/net/core/somaxconn", "connections", 128,
     "more clients that connect at the same moment must wait", "sysctl -w net.core.somaxconn=4096"},
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
    if (!read_number(limit->file, &value)) {
        char note[160];
        snprintf(note, sizeof note, "%s cannot be read: this system may not have the facility",
                 limit->file);
        sill__fact_text(facts, "limit", limit->name, "unknown", SILL_FACT_MISSING, note, "");
        return;
    }
    bool low = value < limit->enough;
    sill__fact_number(facts, "limit", limit->name, value, limit->unit,
                      low ? SILL_FACT_LOW : SILL_FACT_GOOD, low ? limit->note : "", limit->remedy);
}

/* A limit of this process. One that is not set is good, whatever it limits. */
struct process_limit {
    const char *name;
    const char *unit;
    uint64_t enough;
    const char *note;
    const char *remedy;
};

static const struct process_limit descriptors = {"descriptors", "descriptors", 1024,
                                                 "a server takes several for each client",
                                                 "ulimit -n 65536"};
static const struct process_limit mqueue_bytes = {
    "mqueue_bytes", "bytes", 819200,
    "all POSIX message queues of this user together may not have more", "ulimit -q 8388608"};
static const struct process_limit file_size = {"file_size", "bytes", RLIM_INFINITY,
                                               "also bounds regions of the kinds posix and file",
                                               "ulimit -f unlimited"};
static const struct process_limit address_space = {"address_space", "bytes", RLIM_INFINITY,
                                                   "bounds everything that is mapped",
                                                   "ulimit -v unlimited"};

static void tell_process_limit(struct sill__facts *facts, const struct process_limit *limit,
                               const struct rlimit *value)
{
    if (value->rlim_cur == RLIM_INFINITY) {
        sill__fact_text(facts, "limit", limit->name, "unlimited", SILL_FACT_GOOD, "", "");
        return;
    }
    bool low = value->rlim_cur < limit->enough;
    sill__fact_number(facts, "limit", limit->name, value->rlim_cur, limit->unit,
                      low ? SILL_FACT_LOW : SILL_FACT_GOOD, low ? limit->note : "", limit->remedy);
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
