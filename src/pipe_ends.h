/* pipe_ends.h - an end of a byte stream, and child processes: what differs between systems. One set
 * of files per OS: posix/pipe_end.c and posix/child.c, win32/pipe_end.c and win32/child.c.
 *
 * pipe.c has names, owner records, deadlines and cancels. Nothing here blocks but sill__end_wait,
 * sill__child_await and, for a moment, sill__end_close. On failure nothing is left behind.
 */
#ifndef SILL__PIPE_ENDS_H
#define SILL__PIPE_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/pipe.h>

#include "owner.h"

typedef struct sill__end sill__end;

/* Where a named pipe lies. */
struct sill__pipe_place {
    const char *name;
    const char *directory; /* resolved */
    char file[100];        /* of the creator's owner record */
    char object[64];       /* as the record says it: 'r' or 'w' for the creator's end first */
};

/* What the record is to say of a new pipe. */
int sill__end_object(char object[64], bool writer);

/* The creator's end. It holds the record of the place; what a dead one left goes. */
int sill__end_make(sill__end **out, const struct sill__pipe_place *place, bool writer);
/* Whether it can still be opened, as far as can be told from outside. */
bool sill__end_waits(const struct sill__pipe_place *place);
/* The other one. It holds the record of the peer. NOT_FOUND, DENIED (it has been opened before). */
int sill__end_open(sill__end **out, const struct sill__pipe_place *place, bool writer);
/* One end, and the other as a plain handle. */
int sill__end_anonymous(sill__end **out, bool writer, sill_handle *other);
/* Removes what a dead creator left. NOT_FOUND. */
int sill__end_remove(const struct sill__pipe_place *place);

/* At least one byte; AGAIN; CLOSED: the end. */
int sill__end_read(sill__end *end, void *buffer, size_t capacity, size_t *got);
/* A beginning of it, at least one byte; AGAIN; CLOSED: there is no reader any more. */
int sill__end_write(sill__end *end, const void *data, size_t size, size_t *put);
/* Whether bytes that were written would be lost if this process ended now. */
bool sill__end_under_way(sill__end *end);
/* 0: it may go on, nothing is under way any more, or sill__end_wake was called, also before.
 * TIMEOUT. */
int sill__end_wait(sill__end *end, int64_t deadline);
/* Creator: once the other end was opened, tells the process that did, from its record. From then on
 * its death ends the stream whoever else has that end. */
bool sill__end_wants_peer(const sill__end *end);
void sill__end_set_peer(sill__end *end, const struct sill__process *peer);
/* Signal handlers may. */
void sill__end_wake(sill__end *end);
int sill__end_pollable(sill__end *end, sill_handle *out);
/* Nobody is to find it any more; comes before the record is let go. Not in a forked child. */
void sill__end_unname(sill__end *end);
void sill__end_close(sill__end *end);

/* For sill__owner_remove_stale: removes the object of a pipe's record. */
int sill__pipe_remove_object(void *directory, const struct sill__owner_info *info);

/* ---- children ---- */

/* What a child gets: resolved by child.c from the options. */
struct sill__child_plan {
    const char *const *arguments;
    sill_handle stream[3]; /* SILL_NO_HANDLE: the null device */
    bool inherit[3];       /* this process's own; stream[] is not looked at */
    bool err_to_out;       /* errors go where the output goes, whatever the above says */
    const sill_handle *handles;
    unsigned handle_count;
    const char *const *environment;
    const char *folder;
};

struct sill__running {
    uint32_t pid;
    sill_handle process; /* POSIX: a pidfd, or SILL_NO_HANDLE */
};

/* Whether that is an open handle of this process. */
bool sill__child_has(sill_handle handle);
#ifdef SILL_STEPS
extern int sill__child_hear_ms; /* POSIX: how long a process may be silent while it starts */
#endif
int sill__child_run(struct sill__running *out, const struct sill__child_plan *plan);
/* 0 with *code; TIMEOUT; NOT_FOUND; OS. */
int sill__child_await(const struct sill__running *running, int64_t deadline, int *code);
int sill__child_end(const struct sill__running *running);
int sill__pipe_plain(sill_handle *reader, sill_handle *writer);

#endif
