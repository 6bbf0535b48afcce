/* files.c (POSIX) - small whole files, and where configuration lies. See files.h. */
#include "../files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../memory.h"
#include "../status.h"

static int no_memory(void)
{
    return sill__fail(SILL_NO_MEMORY, "There is not enough memory for a file's name or contents.");
}

int sill__env(const char *name, char **out)
{
    const char *value = secure_getenv(name);
    if (value == NULL || value[0] == '\0') {
        *out = NULL;
        return SILL_OK;
    }
    char *copy = sill__strdup(value);
    if (copy == NULL)
        return no_memory();
    *out = copy;
    return SILL_OK;
}

static int join(const char *folder, const char *middle, const char *file, char **out)
{
    size_t size = strlen(folder) + strlen(middle) + strlen(file) + 1;
    char *path = sill__alloc(size);
    if (path == NULL)
        return no_memory();
    snprintf(path, size, "%s%s%s", folder, middle, file);
    *out = path;
    return SILL_OK;
}

int sill__config_user(const char *file, char **out)
{
    const char *xdg = secure_getenv("XDG_CONFIG_HOME");
    if (xdg != NULL && xdg[0] == '/') /* a relative one is to be ignored, says its specification */
        return join(xdg, "/sill/", file, out);
    const char *home = secure_getenv("HOME");
    if (home != NULL && home[0] == '/')
        return join(home, "/.config/sill/", file, out);
    *out = NULL;
    return SILL_OK;
}

int sill__config_system(const char *file, char **out)
{
    return join("/etc/sill/", "", file, out);
}

static int check_regular(const char *path, const struct stat *st)
{
    if (S_ISREG(st->st_mode))
        return SILL_OK;
    return sill__fail(SILL_INVALID, "%.200s is %s, not a regular file.", path,
                      S_ISDIR(st->st_mode) ? "a folder" : "a pipe or a device");
}

/* Reads to the end; one byte more than `limit` says that the file is too large. */
static int read_all(int fd, const char *path, char *data, size_t limit, size_t *size)
{
    size_t used = 0;
    while (used <= limit) {
        ssize_t got = read(fd, data + used, limit + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sill__fail_os("read", errno, "%.200s cannot be read.", path);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    if (used > limit)
        return sill__fail(SILL_TOO_BIG, "%.200s is larger than %zu bytes.", path, limit);
    *size = used;
    return SILL_OK;
}

static int open_regular(const char *path, int *out)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return sill__fail_os("stat", errno, "%.200s cannot be read.", path);
    int status = check_regular(path, &st);
    if (status != SILL_OK)
        return status;
    int fd = -1;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return sill__fail_os("open", errno, "%.200s cannot be read.", path);
    /* Once more: the name may have changed hands between the two calls. */
    status = fstat(fd, &st) != 0 ? sill__fail_os("fstat", errno, "%.200s cannot be read.", path)
                                 : check_regular(path, &st);
    if (status != SILL_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    return SILL_OK;
}

int sill__file_read(const char *path, size_t limit, char **out, size_t *size)
{
    int fd = -1;
    int status = open_regular(path, &fd);
    if (status != SILL_OK)
        return status;
    char *data = sill__alloc(limit + 1);
    status = data == NULL ? no_memory() : read_all(fd, path, data, limit, size);
    close(fd);
    if (status != SILL_OK) {
        sill__free(data);
        return status;
    }
    *out = data;
    return SILL_OK;
}

/* The file that `path` means, through symbolic links, and its mode if it exists. */
static int resolve(const char *path, char out[PATH_MAX], mode_t *mode)
{
    struct stat st;
    *mode = 0666; /* less the umask, as for any new file */
    if (stat(path, &st) == 0) {
        int status = check_regular(path, &st);
        if (status != SILL_OK)
            return status;
        *mode = st.st_mode & 0777;
        if (realpath(path, out) != NULL)
            return SILL_OK;
    }
    if (errno != ENOENT)
        return sill__fail_os("stat", errno, "%.200s cannot be replaced.", path);
    if (strlen(path) >= PATH_MAX)
        return sill__fail_os("stat", ENAMETOOLONG, "%.200s cannot be replaced.", path);
    memcpy(out, path, strlen(path) + 1);
    return SILL_OK;
}

/* A new file in the same folder; its name goes to `out`. */
static int create_beside(const char *path, mode_t mode, char **out, int *fd)
{
    static atomic_uint counter;
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path + 1) : 0;
    size_t size = (size_t)folder + 64;
    char *name = sill__alloc(size);
    if (name == NULL)
        return no_memory();
    do {
        snprintf(name, size, "%.*s.sill-%ld-%u.tmp", folder, path, (long)getpid(),
                 atomic_fetch_add(&counter, 1));
        *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (*fd < 0 && (errno == EINTR || errno == EEXIST));
    if (*fd < 0) {
        int code = errno;
        sill__free(name);
        return sill__fail_os("open", code, "%.200s cannot be written.", path);
    }
    *out = name;
    return SILL_OK;
}

static int write_all(int fd, const char *path, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return sill__fail_os("write", errno, "%.200s cannot be written.", path);
        data += put;
        size -= (size_t)put;
    }
    if (fsync(fd) != 0)
        return sill__fail_os("fsync", errno, "%.200s cannot be written.", path);
    return SILL_OK;
}

/* Asks for the new name to be on the disk too. Not every file system can, and the old file and
 * the new one are both whole, so a failure changes nothing. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        slash[1] = '\0';
    int fd = open(slash != NULL ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int sill__file_replace(const char *path, const void *data, size_t size)
{
    char target[PATH_MAX];
    char *name = NULL;
    mode_t mode = 0;
    int fd = -1;
    int status = resolve(path, target, &mode);
    if (status != SILL_OK)
        return status;
    status = create_beside(target, mode, &name, &fd);
    if (status != SILL_OK)
        return status;
    status = write_all(fd, path, data, size);
    if (close(fd) != 0 && status == SILL_OK)
        status = sill__fail_os("close", errno, "%.200s cannot be written.", path);
    if (status == SILL_OK && rename(name, target) != 0)
        status = sill__fail_os("rename", errno, "%.200s cannot be replaced.", path);
    if (status != SILL_OK)
        unlink(name);
    else
        sync_folder(name);
    sill__free(name);
    return status;
}

int sill__file_make_folders(const char *path)
{
    char *folder = sill__strdup(path);
    if (folder == NULL)
        return no_memory();
    int status = SILL_OK;
    for (char *slash = strchr(folder + 1, '/'); slash != NULL && status == SILL_OK;
         slash = strchr(slash + 1, '/')) {
        struct stat st;
        *slash = '\0';
        /* What exists may lie where nothing may be made: look first. */
        if (stat(folder, &st) != 0 && mkdir(folder, 0700) != 0 && errno != EEXIST)
            status = sill__fail_os("mkdir", errno, "The folder %.200s cannot be made.", folder);
        *slash = '/';
    }
    sill__free(folder);
    return status;
}
