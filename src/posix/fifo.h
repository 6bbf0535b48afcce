/* fifo.h - FIFOs beside an owner record: of byte streams (pipe_end.c), and by which the users of a
 * POSIX queue learn of each other (mqueue.c). Only for those two.
 */
#ifndef SILL__POSIX_FIFO_H
#define SILL__POSIX_FIFO_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* The runtime directory `path`, to reach what lies in it. DENIED, OS. */
int sill__fifo_directory(const char *path, int *out);

/* The FIFO WHAT.RECORD in `directory`, opened without waiting and close-on-exec. NOT_FOUND: there
 * is none, or (for writing only) nobody has it open for reading. DENIED: it is something else, or
 * not this user's alone. */
int sill__fifo_open(int directory, const char *record, const char *what, int flags, int *out);
/* Makes it, mode 0600. The caller holds the record, so what lies in its place is nobody's. */
int sill__fifo_make(int directory, const char *record, const char *what);
bool sill__fifo_exists(int directory, const char *record, const char *what);
/* Gives it another WHAT. */
int sill__fifo_rename(int directory, const char *record, const char *from, const char *to);
void sill__fifo_remove(int directory, const char *record, const char *what);

/* poll until `deadline` (clock.h), signals or not: how many are ready, or -1. */
int sill__fifo_poll(struct pollfd *fds, nfds_t count, int64_t deadline);

/* An eventfd by which a thread that polls is woken: setting it is for signal handlers too. */
int sill__fifo_event(int *out);
void sill__fifo_event_set(int event);
void sill__fifo_event_clear(int event);

#endif
