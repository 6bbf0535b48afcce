/* unix_place.c - the socket's file: making, reaching and removing it.
 *
 * All work is relative to the directory, which is held open, so that what was looked at is what is
 * used. A path longer than an address takes (108 bytes on Linux) goes through /proc/self/fd. A
 * client first opens the file without following links (O_PATH), looks at what it has opened, and
 * connects to that very file: nothing can be put in its place between the look and the connect.
 *
 * Until it listens nobody can connect to a bound socket, so its mode may be set after bind, which
 * needs no change of the umask (that would be seen by other threads).
 */
#include "unix_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../clock.h"
#include "../status.h"
#include "../step.h"

int sill__unix_file_open(struct sill__unix_file *out, const struct sill__place *place)
{
    struct sill__unix_file file;
    int length = snprintf(file.name, sizeof file.name, "%s~sock", place->file);
    if (length < 0 || (size_t)length >= sizeof file.name)
        return sill__fail(SILL_LIMIT, "The file name of the socket for \"%s\" is too long.",
                          place->name);
    file.directory = open(place->directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (file.directory < 0)
        return sill__fail_os("open", errno, "The directory %s cannot be opened.", place->directory);
    *out = file;
    return SILL_OK;
}

void sill__unix_file_close(struct sill__unix_file *file)
{
    close(file->directory);
    file->directory = -1;
}

/* DENIED unless what was looked at is a socket. */
static int check_socket(const struct stat *info, const struct sill__unix_file *file,
                        const struct sill__place *place)
{
    if (S_ISLNK(info->st_mode))
        return sill__fail(SILL_DENIED,
                          "%s/%s is a symbolic link; a socket is never reached through one.",
                          place->directory, file->name);
    if (!S_ISSOCK(info->st_mode))
        return sill__fail(SILL_DENIED,
                          "%s/%s is not a socket: something else lies where the socket of \"%s\" "
                          "belongs.",
                          place->directory, file->name, place->name);
    return SILL_OK;
}

int sill__unix_file_clear(const struct sill__unix_file *file, const struct sill__place *place)
{
    struct stat info;
    if (fstatat(file->directory, file->name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return SILL_OK;
        return sill__fail_os("fstatat", errno, "%s/%s cannot be looked at.", place->directory,
                             file->name);
    }
    int status = check_socket(&info, file, place);
    if (status != SILL_OK)
        return status;
    if (info.st_uid != geteuid())
        return sill__fail(SILL_DENIED, "The socket %s/%s belongs to another user (uid %lu).",
                          place->directory, file->name, (unsigned long)info.st_uid);
    if (unlinkat(file->directory, file->name, 0) != 0 && errno != ENOENT)
        return sill__fail_os("unlinkat", errno, "The stale socket %s/%s cannot be removed.",
                             place->directory, file->name);
    return SILL_OK;
}

/* ---- addresses ---- */

static bool address_set(struct sockaddr_un *address, int length)
{
    return length > 0 && (size_t)length < sizeof address->sun_path;
}

static bool direct_address(struct sockaddr_un *address, const struct sill__unix_file *file,
                           const struct sill__place *place)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return address_set(address, snprintf(address->sun_path, sizeof address->sun_path, "%s/%s",
                                         place->directory, file->name));
}

static bool proc_address(struct sockaddr_un *address, const struct sill__unix_file *file)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return address_set(address, snprintf(address->sun_path, sizeof address->sun_path,
                                         "/proc/self/fd/%d/%s", file->directory, file->name));
}

int sill__unix_file_bind(const struct sill__unix_file *file, const struct sill__place *place,
                         int fd)
{
    struct sockaddr_un address;
    mode_t mode = place->access == SILL_ACCESS_ALL ? 0666 : 0600;

    if (!direct_address(&address, file, place) && !proc_address(&address, file))
        return sill__fail(SILL_LIMIT,
                          "The path of the socket for \"%s\" is too long for a socket address; "
                          "choose a shorter name.",
                          place->name);
    fchmod(fd, 0600); /* on Linux the file starts with no more than this; elsewhere no harm */
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return sill__fail_os("bind", errno, "The socket %s/%s cannot be made.", place->directory,
                             file->name);
    SILL__STEP(listen_bound);
    if (fchmodat(file->directory, file->name, mode, 0) != 0) {
        int code = errno;
        unlinkat(file->directory, file->name, 0);
        return sill__fail_os("fchmodat", code, "The mode of the socket %s/%s cannot be set.",
                             place->directory, file->name);
    }
    return SILL_OK;
}

/* ---- connecting ---- */

/* What connect() said, in the caller's words. */
static int connect_failed(int code, const struct sill__unix_file *file,
                          const struct sill__place *place)
{
    if (code == ECONNREFUSED || code == ENOENT)
        return sill__fail_os_as(SILL_NOT_FOUND, "connect", code,
                                "Nobody listens under the name \"%s\" in %s.", place->name,
                                place->directory);
    if (code == EPROTOTYPE)
        return sill__fail_os_as(SILL_DENIED, "connect", code,
                                "%s/%s is a socket of another type, not one of sill's.",
                                place->directory, file->name);
    return sill__fail_os("connect", code, "Connecting to \"%s\" in %s failed.", place->name,
                         place->directory);
}

/* Makes connect() sleep in the kernel until the queue has room, at most until the deadline. */
static int connect_may_sleep(int fd, int64_t deadline)
{
    struct timeval limit = {0, 0}; /* for ever */
    if (deadline != SILL__FOREVER) {
        int64_t us = (deadline - sill__now_ns()) / 1000 + 1;
        limit.tv_sec = (time_t)(us / 1000000);
        limit.tv_usec = (suseconds_t)(us % 1000000);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        return errno;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 ? 0 : errno;
}

/* 0 or an errno; ETIMEDOUT when the queue stayed full. */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline)
{
    bool sleeps = false;
    int code = 0;
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        code = errno;
        if (code != EINTR && code != EAGAIN)
            break;
        if (deadline != SILL__FOREVER && sill__now_ns() >= deadline && code == EAGAIN) {
            code = ETIMEDOUT;
            break;
        }
        code = sleeps || code == EAGAIN ? connect_may_sleep(fd, deadline) : 0;
        if (code != 0)
            break;
        sleeps = true;
    }
    int flags = sleeps ? fcntl(fd, F_GETFL) : -1;
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 && code == 0)
        code = errno;
    return code;
}

int sill__unix_file_connect(const struct sill__unix_file *file, const struct sill__place *place,
                            int fd, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    int pin = openat(file->directory, file->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (pin < 0)
        return connect_failed(errno, file, place);
    int status = fstat(pin, &info) == 0
                     ? check_socket(&info, file, place)
                     : sill__fail_os("fstat", errno, "%s/%s cannot be looked at.", place->directory,
                                     file->name);
    if (status == SILL_OK) {
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", pin);
        int code = connect_until(fd, &address, deadline);
        /* The file exists, so this means that /proc is not mounted. */
        if (code == ENOENT && direct_address(&address, file, place))
            code = connect_until(fd, &address, deadline);
        if (code == ETIMEDOUT)
            status = sill__fail(SILL_TIMEOUT, "The queue of \"%s\" stayed full.", place->name);
        else if (code != 0)
            status = connect_failed(code, file, place);
    }
    close(pin);
    return status;
}
