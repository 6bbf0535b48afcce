/* directory.h - the runtime directory as an open, checked and locked thing. Only for owner.c. */
#ifndef SILL__POSIX_DIRECTORY_H
#define SILL__POSIX_DIRECTORY_H

#include <sys/types.h>

struct sill__directory {
    int fd;          /* the directory itself: everything in it is reached through this */
    int lock;        /* the lock file, -1 while not locked */
    uid_t uid;       /* whose the directory is */
    char path[1024]; /* absolute, for sentences and for later */
};

/* Opens `path` (NULL: the default), made and checked as sill__runtime_directory says. */
int sill__directory_open(struct sill__directory *out, const char *path);
void sill__directory_close(struct sill__directory *directory);

/* Takes the directory's lock, waiting for seconds at most: TIMEOUT. No fork happens in this
 * process while it is held; between the two calls only a bounded number of file operations. */
int sill__directory_lock(struct sill__directory *directory);
void sill__directory_unlock(struct sill__directory *directory);

/* The name under which a file is made while the lock is held, before it gets its real name. It is
 * free: taking the lock removes what a killed process left there. */
#define SILL__DIRECTORY_NAME 40
void sill__directory_new_name(const struct sill__directory *directory,
                              char out[SILL__DIRECTORY_NAME]);

#endif
