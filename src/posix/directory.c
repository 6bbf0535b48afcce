/* directory.c - the runtime directory: which one it is, whether it can be trusted, and its lock.
 *
 * What holds here:
 * - A directory is believed for what its open descriptor says, never for what its path said a
 *   moment ago; files in it are reached through the descriptor, and no symlink is followed.
 * - The lock is a flock on a file ".lock". It would be inherited by a forked child, which could
 *   then hold it for ever if we died: so a mutex lies around every locked section, and the
 *   handlers of pthread_atfork take that mutex, which means that no fork happens within one.
 * - In a directory that is not our own (root's, made for several users) each user has a lock file
 *   of his own; names of different users are kept apart by creating files exclusively.
 */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "owner.h"
#include "status.h"

#define LOCK_SECONDS 5

/* ---- which directory ---- */

/* A directory that is our own and that nobody else can change. */
static bool is_private(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0;
}

/* The default: the path, and whether the user named it himself. Where a program has more rights
 * than its caller, the caller's environment does not count. */
static void default_path(char *out, size_t size, bool *named)
{
    unsigned uid = (unsigned)geteuid();
    char user_run[40];
    const char *own = secure_getenv("SILL_RUNTIME_DIR");
    const char *xdg = secure_getenv("XDG_RUNTIME_DIR");
    snprintf(user_run, sizeof user_run, "/run/user/%u", uid);
    *named = own != NULL && own[0] != '\0';
    if (*named)
        snprintf(out, size, "%s", own);
    else if (xdg != NULL && xdg[0] == '/' && is_private(xdg))
        snprintf(out, size, "%s/sill", xdg);
    else if (is_private(user_run))
        snprintf(out, size, "%s/sill", user_run);
    else
        snprintf(out, size, "/tmp/sill-%u", uid);
}

/* `path` without '/' at its end (behind which a symlink would be followed) and absolute, so that
 * it means the same after a chdir. */
static int absolute_path(const char *path, char *out, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    size_t used = 0;
    if (path[0] != '/') {
        if (getcwd(out, size) == NULL)
            return sill__fail_os("getcwd", errno, "The current directory cannot be told.");
        used = strlen(out);
        if (used + 1 < size)
            out[used++] = '/';
    }
    if (length >= size - used)
        return sill__fail(SILL_LIMIT, "The directory's path \"%.40s...\" is longer than %zu bytes.",
                          path, size - 1);
    memcpy(out + used, path, length);
    out[used + length] = '\0';
    return SILL_OK;
}

/* ---- whether it can be trusted ---- */

static int check_directory(const char *path, const struct stat *st, bool named)
{
    bool roots = named && st->st_uid == 0;
    if (st->st_uid != geteuid() && !roots)
        return sill__fail(SILL_DENIED,
                          "The directory %s belongs to user %u, not to user %u who runs this; set "
                          "SILL_RUNTIME_DIR to a directory of your own.",
                          path, (unsigned)st->st_uid, (unsigned)geteuid());
    if ((st->st_mode & 022) == 0)
        return SILL_OK;
    bool safe = (st->st_mode & 02) == 0 || (st->st_mode & S_ISVTX) != 0;
    if (roots && safe)
        return SILL_OK;
    return sill__fail(SILL_DENIED,
                      "Others can write in the directory %s (mode %03o), so that nothing in it can "
                      "be trusted; chmod 700 mends it.",
                      path, (unsigned)(st->st_mode & 07777));
}

static int open_failed(const char *path, int code)
{
    if (code == ENOTDIR || code == ELOOP)
        return sill__fail_os_as(SILL_DENIED, "open", code,
                                "%s is not a directory, or a symbolic link.", path);
    return sill__fail_os("open", code, "The directory %s cannot be opened.", path);
}

/* Opens it; with `make` a missing one is made first. */
static int open_directory(const char *path, bool make, int *out)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT && make) {
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return sill__fail_os("mkdir", errno, "The runtime directory %s cannot be made.", path);
        fd = open(path, flags);
    }
    if (fd < 0)
        return open_failed(path, errno);
    *out = fd;
    return SILL_OK;
}

int sill__directory_open(struct sill__directory *out, const char *path)
{
    char wanted[sizeof out->path + 16];
    struct sill__directory directory = {.fd = -1, .lock = -1};
    bool named = true;
    if (path == NULL)
        default_path(wanted, sizeof wanted, &named);
    else
        snprintf(wanted, sizeof wanted, "%s", path);
    if (wanted[0] == '\0')
        return sill__fail(SILL_INVALID, "The name of the directory is empty.");
    int status = absolute_path(wanted, directory.path, sizeof directory.path);
    if (status != SILL_OK)
        return status;
    status = open_directory(directory.path, path == NULL, &directory.fd);
    if (status != SILL_OK)
        return status;
    struct stat st;
    if (fstat(directory.fd, &st) != 0)
        status =
            sill__fail_os("fstat", errno, "The directory %s cannot be looked at.", directory.path);
    else
        status = check_directory(directory.path, &st, named);
    if (status != SILL_OK) {
        close(directory.fd);
        return status;
    }
    directory.uid = st.st_uid;
    *out = directory;
    return SILL_OK;
}

void sill__directory_close(struct sill__directory *directory)
{
    close(directory->fd);
    directory->fd = -1;
}

int sill__runtime_directory(const char *directory, char *out, size_t size)
{
    struct sill__directory opened;
    int status = sill__directory_open(&opened, directory);
    if (status != SILL_OK)
        return status;
    sill__directory_close(&opened);
    size_t length = strlen(opened.path);
    if (length >= size)
        return sill__fail(SILL_LIMIT,
                          "The runtime directory's path is longer than %zu bytes: %.200s", size - 1,
                          opened.path);
    memcpy(out, opened.path, length + 1);
    return SILL_OK;
}

/* ---- its lock ---- */

static pthread_mutex_t section = PTHREAD_MUTEX_INITIALIZER;

static void enter_section(void)
{
    pthread_mutex_lock(&section);
}

static void leave_section(void)
{
    pthread_mutex_unlock(&section);
}

__attribute__((constructor)) static void keep_forks_out(void)
{
    pthread_atfork(enter_section, leave_section, leave_section);
}

static void own_name(const struct sill__directory *directory, const char *stem,
                     char out[SILL__DIRECTORY_NAME])
{
    if (directory->uid == geteuid())
        snprintf(out, SILL__DIRECTORY_NAME, "%s", stem);
    else
        snprintf(out, SILL__DIRECTORY_NAME, "%s.%u", stem, (unsigned)geteuid());
}

void sill__directory_new_name(const struct sill__directory *directory,
                              char out[SILL__DIRECTORY_NAME])
{
    own_name(directory, ".new", out);
}

/* Opens the lock file, and makes it first where it is missing: exclusively, since opening it with
 * O_CREAT alone is refused for files of others in sticky directories. */
static int open_lock(const struct sill__directory *directory, const char *name)
{
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = openat(directory->fd, name, flags);
    if (fd < 0 && errno == ENOENT)
        fd = openat(directory->fd, name, flags | O_CREAT | O_EXCL, 0600);
    return fd;
}

/* Whether the file that `fd` locks is still the one that others find under its name. */
static bool is_current(const struct sill__directory *directory, const char *name, int fd)
{
    struct stat mine, found;
    return fstat(fd, &mine) == 0 &&
           fstatat(directory->fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == found.st_dev && mine.st_ino == found.st_ino;
}

static int lock_failed(const struct sill__directory *directory, const char *call, int code)
{
    if (code == ELOOP)
        return sill__fail_os_as(SILL_DENIED, call, code,
                                "The lock file of %s is a symbolic link, which sill did not make.",
                                directory->path);
    return sill__fail_os(call, code, "The lock file of %s cannot be used.", directory->path);
}

/* AGAIN: somebody else has it. */
static int try_lock(struct sill__directory *directory, const char *name)
{
    int fd = open_lock(directory, name);
    if (fd < 0)
        return errno == EEXIST || errno == EINTR ? SILL_AGAIN
                                                 : lock_failed(directory, "openat", errno);
    struct stat st;
    int status = SILL_OK;
    if (fstat(fd, &st) != 0)
        status = lock_failed(directory, "fstat", errno);
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        status =
            sill__fail(SILL_DENIED, "The lock file of %s is not a file of ours.", directory->path);
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK || errno == EINTR ? SILL_AGAIN
                                                        : lock_failed(directory, "flock", errno);
    else if (!is_current(directory, name, fd))
        status = SILL_AGAIN;
    if (status != SILL_OK) {
        close(fd);
        return status;
    }
    directory->lock = fd;
    return SILL_OK;
}

/* Who was killed while he made a file left it under its temporary name, or under both. */
static void remove_remains(const struct sill__directory *directory)
{
    char name[SILL__DIRECTORY_NAME];
    sill__directory_new_name(directory, name);
    unlinkat(directory->fd, name, 0);
}

int sill__directory_lock(struct sill__directory *directory)
{
    char name[SILL__DIRECTORY_NAME];
    own_name(directory, ".lock", name);
    int64_t deadline = sill__deadline(LOCK_SECONDS * 1000);
    int64_t pause = 50000;
    for (;;) {
        enter_section();
        int status = try_lock(directory, name);
        if (status == SILL_OK) {
            remove_remains(directory);
            return SILL_OK; /* in the section until unlock */
        }
        leave_section();
        if (status != SILL_AGAIN)
            return status;
        if (sill__now_ns() >= deadline)
            return sill__fail(SILL_TIMEOUT,
                              "Another process has held the lock file of %s for %d seconds; it may "
                              "be stopped.",
                              directory->path, LOCK_SECONDS);
        sill__sleep_ns(pause);
        pause = pause < 2000000 ? pause * 2 : pause;
    }
}

void sill__directory_unlock(struct sill__directory *directory)
{
    flock(directory->lock, LOCK_UN); /* by itself: a child of vfork may hold a duplicate */
    close(directory->lock);
    directory->lock = -1;
    leave_section();
}
