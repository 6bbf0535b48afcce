/* region_fd.h - what regions behind a file descriptor have in common: region_memfd.c, region_shm.c,
 * region_file.c. */
#ifndef SILL__POSIX_REGION_FD_H
#define SILL__POSIX_REGION_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "../region_ops.h"

/* Where the bytes lie, for the sentence that says that there is no room. */
enum sill__fd_place { SILL__FD_MEMORY, SILL__FD_SHM, SILL__FD_FILE };

struct sill__fd_memory {
    sill__memory memory;
    int fd;
    enum sill__fd_place place;
    bool fixed;      /* the size cannot change */
    bool sealed;     /* will be, or is, sealed: our writable mapping cannot be made again */
    size_t mapped;   /* bytes that are mapped now */
    void *own;       /* sealed: our writable mapping, which stays while it is "unmapped" */
    char *temporary; /* a name to be removed at close, or NULL */
};

/* Takes the descriptor; on failure it stays the caller's. */
int sill__fd_memory_new(struct sill__fd_memory **out, const struct sill__region_ops *ops, int fd,
                        enum sill__fd_place place, size_t size);

/* Gives the file [from, to) real space and makes it `to` bytes long. On failure it may be longer
 * than `from`. NO_SPACE, LIMIT, TOO_BIG with a sentence. */
int sill__fd_reserve(int fd, size_t from, size_t to, enum sill__fd_place place);

/* Opens what is under a name, never a link, without any effect if it is not a plain file. `path`
 * is for shm a name in /dev/shm. The file must be a plain one (FOREIGN), this user's or root's,
 * and not writable by others (DENIED). NOT_FOUND. */
int sill__fd_open(int *out, const char *path, enum sill__fd_place place, bool read_only,
                  struct stat *st);

/* Removes the name with `unlink_name` if sill__region_header_check says that it is a region (even
 * one of another layout, kind or size), or, if `remains` says so, a half-made one. */
int sill__fd_remove(const char *path, enum sill__fd_place place, int kind, uint64_t name_hash,
                    bool remains);

/* Operations of the tables. */
int sill__fd_map(sill__memory *memory, bool read_only, void **out);
void sill__fd_unmap(sill__memory *memory, void *base);
int sill__fd_resize(sill__memory *memory, size_t size);
void sill__fd_close(sill__memory *memory);

#endif
