/* files.h - small whole files, and where configuration lies. One file per OS: posix/files.c,
 * win32/files.c. Paths and values are UTF-8 on both.
 *
 * What is handed out is freed with sill__free. Failures set sill_last_error().
 */
#ifndef SILL__FILES_H
#define SILL__FILES_H

#include <stddef.h>

/* The value of an environment variable; NULL where it is unset or empty, or (POSIX) where the
 * process runs with more rights than its user has. 0 or NO_MEMORY. */
int sill__env(const char *name, char **out);

/* The path of `file` in sill's folder among the user's own settings, and among the machine's;
 * NULL where the environment knows of no such folder. Nothing needs to exist. 0 or NO_MEMORY. */
int sill__config_user(const char *file, char **out);
int sill__config_system(const char *file, char **out);

/* Reads a regular file of at most `limit` bytes. 0; NOT_FOUND; DENIED; INVALID (a folder, a pipe,
 * a device: these are not opened); TOO_BIG; NO_MEMORY; OS. */
int sill__file_read(const char *path, size_t limit, char **out, size_t *size);

/* Replaces the file, or makes it: through a new file beside it that is on the disk before it takes
 * the name. A symbolic link is followed. On failure the old file is as it was and nothing else is
 * left. A process killed in the middle leaves its new file, named .sill-PID-N.tmp. INVALID (what
 * has the name is no regular file); NOT_FOUND (no such folder); DENIED; NO_SPACE; OS. */
int sill__file_replace(const char *path, const void *data, size_t size);

/* Makes the missing folders above `path`, for the user alone. 0, or DENIED, NO_SPACE, NO_MEMORY,
 * OS. */
int sill__file_make_folders(const char *path);

#endif
