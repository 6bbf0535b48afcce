/* bench_os.c - what benchmarks need of a POSIX system. Linux tells of cores and memory; elsewhere
 * nothing is pinned, and memory is not known. */
#include "../bench_os.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int bench_os_self(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);

    if (length <= 0 || (size_t)length >= size - 1)
        return -1;
    path[length] = 0;
    return 0;
}

/* A number from the core's folder in /sys, or -1. */
static long topology(unsigned core, const char *what)
{
    char path[128];
    long number = -1;
    FILE *file;

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/%s", core, what);
    file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

static int same_core(unsigned a, unsigned b)
{
    long core = topology(a, "core_id");

    return core >= 0 && core == topology(b, "core_id") &&
           topology(a, "physical_package_id") == topology(b, "physical_package_id");
}

unsigned bench_os_cores(unsigned cores[2])
{
#ifdef CPU_SETSIZE
    unsigned count = 0;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &set))
            continue;
        if (count < 2)
            cores[count++] = i;
        else if (same_core(cores[0], cores[1]) && !same_core(cores[0], i))
            cores[1] = i;
    }
    return count;
#else
    (void)cores;
    (void)same_core;
    return 0;
#endif
}

int bench_os_pin(unsigned core)
{
#ifdef CPU_SETSIZE
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set);
#else
    (void)core;
    return -1;
#endif
}

void bench_os_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t bench_os_page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A number in a file behind a word (may be empty), or -1. */
static int64_t number_in(const char *path, const char *word)
{
    char line[128];
    int64_t number = -1;
    FILE *file = fopen(path, "re");

    if (!file)
        return -1;
    while (number < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, word, strlen(word)) != 0 ||
            sscanf(line + strlen(word), "%" SCNd64, &number) != 1)
            number = -1;
    fclose(file);
    return number;
}

uint64_t bench_os_free_memory(void)
{
    int64_t kib = number_in("/proc/meminfo", "MemAvailable:");
    int64_t most = number_in("/sys/fs/cgroup/memory.max", "");
    int64_t used = number_in("/sys/fs/cgroup/memory.current", "");
    int64_t bytes = kib > 0 ? kib * 1024 : 0;

    if (most > 0 && used >= 0 && bytes > most - used)
        bytes = most > used ? most - used : 1; /* a container's */
    return (uint64_t)bytes;
}

uint64_t bench_os_cpu_ns(void)
{
    struct timespec spent = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * 1000000000u + (uint64_t)spent.tv_nsec;
}

int64_t bench_os_private_bytes(void)
{
    char line[256];
    int64_t kib = -1;
    FILE *file = fopen("/proc/self/status", "re");

    while (file && kib < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %" SCNd64, &kib) != 1)
            kib = -1;
    if (file)
        fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

/* ---- shared memory ---- */

struct object {
    unsigned long inode;
    uint64_t size;
};

struct objects {
    struct object *list;
    size_t count;
    size_t room;
};

static int add(struct objects *objects, unsigned long inode, uint64_t size)
{
    if (objects->count == objects->room) {
        size_t room = objects->room ? 2 * objects->room : 256;
        struct object *list = realloc(objects->list, room * sizeof *list);

        if (!list)
            return -1;
        objects->list = list;
        objects->room = room;
    }
    objects->list[objects->count++] = (struct object){inode, size};
    return 0;
}

/* Adds the shared mappings of one process; an object may come several times. */
static int add_process(struct objects *objects, unsigned process)
{
    unsigned long begin, end, inode;
    char path[64], line[1024], shared;
    int failed = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%u/maps", process);
    file = fopen(path, "re");
    if (!file)
        return -1;
    while (!failed && fgets(line, sizeof line, file))
        if (sscanf(line, "%lx-%lx %*c%*c%*c%c %*s %*s %lu", &begin, &end, &shared, &inode) == 4 &&
            shared == 's')
            failed = add(objects, inode, end - begin);
    fclose(file);
    return failed;
}

/* By inode, and of one inode the largest first. */
static int compare(const void *left, const void *right)
{
    const struct object *a = left, *b = right;

    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return a->size > b->size ? -1 : a->size < b->size;
}

int64_t bench_os_shared_bytes(const unsigned *processes, unsigned count)
{
    struct objects objects = {NULL, 0, 0};
    int64_t sum = 0;
    int failed = 0;

    for (unsigned i = 0; i < count && !failed; i++)
        failed = add_process(&objects, processes[i]);
    if (objects.count > 0)
        qsort(objects.list, objects.count, sizeof *objects.list, compare);
    for (size_t i = 0; i < objects.count; i++)
        if (i == 0 || objects.list[i].inode != objects.list[i - 1].inode)
            sum += (int64_t)objects.list[i].size;
    free(objects.list);
    return failed ? -1 : sum;
}
