/* unix_place.h - where the sockets of channels lie in the file system. See unix_place.c. */
#ifndef SILL__UNIX_PLACE_H
#define SILL__UNIX_PLACE_H

#include <stdint.h>

#include "../channel_ops.h"

#define SILL__UNIX_FILE_MAX 108

/* A socket's file: the directory it is in, held open, and its name there. */
struct sill__unix_file {
    int directory;
    char name[SILL__UNIX_FILE_MAX];
};

/* NOT_FOUND, DENIED (the directory is a symbolic link), LIMIT. */
int sill__unix_file_open(struct sill__unix_file *out, const struct sill__place *place);
void sill__unix_file_close(struct sill__unix_file *file);

/* Removes the socket that lies there; nothing there is fine. DENIED if it is no socket, a symbolic
 * link, or not ours. */
int sill__unix_file_clear(const struct sill__unix_file *file, const struct sill__place *place);

/* Binds `fd`, not yet listening, to the file, with the mode that place->access asks for whatever
 * the umask is. LIMIT if the path is too long, EXISTS. */
int sill__unix_file_bind(const struct sill__unix_file *file, const struct sill__place *place,
                         int fd);

/* Connects `fd`, non-blocking before and after, to the very socket that was looked at: NOT_FOUND,
 * TIMEOUT, DENIED (a symbolic link, no socket, not permitted). */
int sill__unix_file_connect(const struct sill__unix_file *file, const struct sill__place *place,
                            int fd, int64_t deadline);

#endif
