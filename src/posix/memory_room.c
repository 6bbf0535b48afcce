/* memory_room.c - how much memory can still be committed.
 *
 * The kernel promises shared memory that it does not have and kills a process when the promise is
 * called in. So who reserves shared memory asks here first. The answer is a snapshot: it keeps an
 * honest mistake from bringing the machine down, it is no promise.
 */
#include "memory_room.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../status.h"

/* Less than this is not worth a look: it cannot be told from what changes anyhow. */
#define SMALL (UINT64_C(1) << 20)

/* Reads a small file as a string. False if it cannot be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t got = read(fd, out + used, size - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    close(fd);
    out[used] = '\0';
    return used > 0;
}

/* The number behind `key` at the beginning of a line; 0 if there is none. */
static uint64_t value_of(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0)
            return strtoull(line + length, NULL, 10);
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return 0;
}

static bool read_number(const char *directory, const char *file, uint64_t *out)
{
    char path[4300], text[64];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    if (!read_text(path, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false; /* "max": no limit */
    *out = strtoull(text, NULL, 10);
    return true;
}

/* What one control group leaves: its limit less what is used, but for file pages, which the kernel
 * drops when it needs them. */
static uint64_t room_in_group(const char *directory)
{
    uint64_t limit, used;
    char path[4300], stat[8192];
    if (!read_number(directory, "memory.max", &limit) ||
        !read_number(directory, "memory.current", &used))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (read_text(path, stat, sizeof stat)) {
        uint64_t drops = value_of(stat, "inactive_file ") + value_of(stat, "active_file ");
        used -= drops < used ? drops : used;
    }
    return used < limit ? limit - used : 0;
}

/* The group and all those that it lies in. */
static uint64_t room_in_groups(void)
{
    static const char top[] = "/sys/fs/cgroup";
    char text[4096], path[sizeof top + sizeof text];
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return UINT64_MAX;
    const char *line = text;
    while (line != NULL && strncmp(line, "0::/", 4) != 0) {
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    if (line == NULL)
        return UINT64_MAX;
    line += 3;
    int length = snprintf(path, sizeof path, "%s%.*s", top, (int)strcspn(line, "\n"), line);
    uint64_t room = UINT64_MAX;
    while (length >= (int)sizeof top - 1) {
        uint64_t here = room_in_group(path);
        room = here < room ? here : room;
        while (length > 0 && path[length - 1] != '/')
            length--;
        path[--length > 0 ? length : 0] = '\0';
    }
    return room;
}

uint64_t sill__memory_room(void)
{
    char text[4096];
    uint64_t room = UINT64_MAX;
    if (read_text("/proc/meminfo", text, sizeof text) && value_of(text, "MemAvailable:") != 0)
        room = (value_of(text, "MemAvailable:") + value_of(text, "SwapFree:")) * 1024;
    uint64_t group = room_in_groups();
    return group < room ? group : room;
}

int sill__memory_check(uint64_t size)
{
    if (size < SMALL)
        return 0;
    uint64_t room = sill__memory_room();
    if (size <= room)
        return 0;
    return sill__fail(SILL_NO_SPACE,
                      "There is no memory for %" PRIu64 " bytes: %" PRIu64 " can be had now "
                      "(MemAvailable and SwapFree in /proc/meminfo, or memory.max of the control "
                      "group).",
                      size, room);
}
