/* fifo.c - FIFOs beside an owner record, and sleeping on them. See fifo.h. */
#include "fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../clock.h"
#include "../status.h"

#define NAME 120

static void fifo_name(const char *record, const char *what, char out[NAME])
{
    snprintf(out, NAME, "%s.%s", what, record);
}

int sill__fifo_directory(const char *path, int *out)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sill__fail_os("open", errno, "The directory %s cannot be opened", path);
    *out = fd;
    return SILL_OK;
}

int sill__fifo_open(int directory, const char *record, const char *what, int flags, int *out)
{
    char name[NAME];
    struct stat st;
    fifo_name(record, what, name);
    int fd;
    do
        fd = openat(directory, name, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == ENOENT || errno == ENXIO))
        return sill__fail_os_as(SILL_NOT_FOUND, "openat", errno,
                                "There is no %s, or nobody at its other end any more", name);
    if (fd < 0)
        return sill__fail_os("openat", errno, "%s cannot be opened", name);
    if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022) != 0) {
        close(fd);
        return sill__fail(SILL_DENIED, "%s is not a FIFO of this user's alone.", name);
    }
    *out = fd;
    return SILL_OK;
}

void sill__fifo_remove(int directory, const char *record, const char *what)
{
    char name[NAME];
    fifo_name(record, what, name);
    unlinkat(directory, name, 0);
}

int sill__fifo_make(int directory, const char *record, const char *what)
{
    char name[NAME];
    fifo_name(record, what, name);
    unlinkat(directory, name, 0);
    if (mkfifoat(directory, name, 0600) != 0)
        return sill__fail_os("mkfifoat", errno, "%s cannot be made", name);
    return SILL_OK;
}

bool sill__fifo_exists(int directory, const char *record, const char *what)
{
    char name[NAME];
    struct stat st;
    fifo_name(record, what, name);
    return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int sill__fifo_rename(int directory, const char *record, const char *from, const char *to)
{
    char old[NAME], new[NAME];
    fifo_name(record, from, old);
    fifo_name(record, to, new);
    if (renameat(directory, old, directory, new) != 0)
        return sill__fail_os("renameat", errno, "%s cannot be made", new);
    return SILL_OK;
}

int sill__fifo_poll(struct pollfd *fds, nfds_t count, int64_t deadline)
{
    for (;;) {
        int ready = poll(fds, count, sill__timeout(deadline));
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

int sill__fifo_event(int *out)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return sill__fail_os("eventfd", errno, "A descriptor to be woken by cannot be made");
    *out = fd;
    return SILL_OK;
}

void sill__fifo_event_set(int event)
{
    const uint64_t one = 1;
    int code = errno; /* a signal handler must leave it as it was */
    while (write(event, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = code;
}

void sill__fifo_event_clear(int event)
{
    uint64_t count;
    while (read(event, &count, sizeof count) < 0 && errno == EINTR)
        ;
}
