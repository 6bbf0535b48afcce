/* wait_win32.h - how Windows backends bring the ends of overlapped operations into a wait set
 * (wait.h).
 *
 * A handle can be bound to one completion port, once and for ever, so the port is an object of its
 * own here, which waits and what is watched share (struct sill__completions): an accepted
 * connection is bound to the port of its listener, and the wait that it is watched in takes that
 * port over unless it watches something already. Waits that share a port take turns in sleeping in
 * it and tell each other what came.
 *
 * An operation has ended when its packet was taken from the port, and not before: only then does
 * Windows promise the bytes in the buffer, and only then may the memory be used again.
 */
#ifndef SILL__WAIT_WIN32_H
#define SILL__WAIT_WIN32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <windows.h>

#include "../wait.h"

struct sill__completions;
struct sill__watched;
struct sill__wait_set; /* of wait.c: a sill__wait */

/* One operation at a time: a read, a write, a connect. Nothing of it is touched by others than the
 * one who issues it, but for `outstanding`, `os` and the links, which the port's lock guards. */
struct sill__overlapped {
    OVERLAPPED os; /* first: a packet's address is the operation's */
    HANDLE handle;
    struct sill__watched *owner;
    unsigned event;                /* what its end reports: SILL__READABLE or SILL__WRITABLE */
    bool outstanding;              /* its packet has not been taken yet */
    struct sill__overlapped *next; /* of the same owner */
};

/* A thing that is watched: a connection or a listener. Zeroed before its first use. */
struct sill__watched {
    struct sill__completions *completions; /* NULL until it is bound */
    struct sill__overlapped *operations;
    /* guarded by the port's lock: */
    struct sill__wait_set *wait; /* NULL while it is not watched */
    void *key;
    unsigned events;                      /* seen and not yet reported */
    struct sill__watched *prev, *next;    /* the things in `wait` */
    struct sill__watched *before, *after; /* those of them that have events */
};

/* Binds the handle to the port of `watched`. If it has none it takes that of `wait`, or one of its
 * own if `wait` is NULL. */
int sill__watched_bind(struct sill__watched *watched, sill__wait *wait, HANDLE handle);
/* `watched` takes on a handle that is bound to the port of `other`. */
void sill__watched_share(struct sill__watched *watched, const struct sill__watched *other);
/* Reports the events of what is bound in `wait`. INVALID if the wait has another port and uses it.
 */
int sill__watched_add(struct sill__watched *watched, sill__wait *wait, void *key);
/* Nothing of it is reported from now on. */
void sill__watched_remove(struct sill__watched *watched);
/* Lets go of the port. No operation may be outstanding. */
void sill__watched_end(struct sill__watched *watched);
/* Reports `events` at the next sill__wait_for, or takes them back. */
void sill__watched_mark(struct sill__watched *watched, unsigned events);
void sill__watched_clear(struct sill__watched *watched, unsigned events);

/* Makes it one of the owner's operations. */
void sill__overlapped_init(struct sill__overlapped *op, struct sill__watched *owner,
                           unsigned event);
/* An operation is issued so: prepare; the call with &op->os on op->handle; started, with what the
 * call returned, before anything can change GetLastError(). It says 0 (has ended, well),
 * ERROR_IO_PENDING, or the code of the failure. */
void sill__overlapped_prepare(struct sill__overlapped *op);
DWORD sill__overlapped_started(struct sill__overlapped *op, BOOL ok);
/* Whether it has not ended yet. With `look`, its packet is looked for if nobody else does. */
bool sill__overlapped_pending(struct sill__overlapped *op, bool look);
/* Waits for its end; false if the deadline passes first. */
bool sill__overlapped_wait(struct sill__overlapped *op, int64_t deadline);
/* Cancels it if it is outstanding, and waits for its end. */
void sill__overlapped_cancel(struct sill__overlapped *op);
/* How it ended: 0 or the code, and the bytes moved. */
DWORD sill__overlapped_result(struct sill__overlapped *op, DWORD *bytes);

#endif
