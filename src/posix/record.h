/* record.h - one owner record as a file. Only for owner.c; every function expects that the caller
 * holds the directory's lock.
 */
#ifndef SILL__POSIX_RECORD_H
#define SILL__POSIX_RECORD_H

#include "directory.h"
#include "owner.h"

/* A record as it was found. */
struct sill__record {
    int fd;
    int parsed; /* what sill__owner_parse said: OK, TORN, VERSION or FOREIGN */
    bool locked;
    struct sill__owner_info info; /* if parsed is OK */
};

/* Opens the file, looks whether it is ours and locked, and reads it; record->fd is then open.
 * NOT_FOUND; DENIED (another user's, or no file). What it holds is for the caller to judge. */
int sill__record_find(const struct sill__directory *directory, const char *file,
                      struct sill__record *record);

/* The table in owner.h. A damaged record is somebody's only as long as it is locked. */
enum sill__owner_state sill__record_judge(const struct sill__record *record);

/* Writes the whole record by one call. */
int sill__record_write(int fd, const char *file, const struct sill__owner_info *info);

/* Makes a record where there is none: never seen but whole and locked. *fd then holds it. */
int sill__record_make(const struct sill__directory *directory, const char *file,
                      const struct sill__owner_info *info, int *fd);

/* Locks the record shared, until it is closed. */
int sill__record_hold(int fd, const char *file);

#endif
