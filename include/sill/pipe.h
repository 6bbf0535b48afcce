/* sill/pipe.h - a pipe: a stream of bytes that goes one way between two processes, and child
 * processes with pipes at their standard streams.
 *
 *   anonymous   for a child: one end is an object here, the other a plain handle for the child
 *   by a name   a FIFO on POSIX, a byte-mode named pipe on Windows, between any two processes of one
 *               user: one creates it and takes one end, the other opens the other end
 *
 * There are no boundaries: what is written in one call may be read in several, and the other way
 * round. A pipe has two ends and is used once: when one is closed the stream is over.
 *
 * Names are those of channels (sill/channel.h) but have a space of their own.
 *
 * Threads: one thread at a time may read or write on an end, others may cancel it. A child is one
 * thread's at a time. After fork, the child's use of the parent's pipes and children is
 * SILL_INVALID, except that it may close them, which tells the peer nothing. Until it does, or
 * ends, it holds the parent's ends open with it: the peer sees a close only when both have closed,
 * but the parent's death at once, a writer as soon as it would have to wait. No call here raises
 * SIGPIPE or is cut short by a signal.
 */
#ifndef SILL_PIPE_H
#define SILL_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_pipe sill_pipe; /* one end */

/* What this process does with its end. */
enum sill_pipe_end { SILL_PIPE_READ = 1, SILL_PIPE_WRITE = 2 };

/* Creates the pipe `name` and takes one end of it. Does not wait for the peer: the first read or
 * write does. `directory` is where the owner record lies, as in sill_channel_options, or NULL.
 * 0; EXISTS (a living process has it); INVALID; DENIED; LIMIT; NO_SPACE; TIMEOUT (a stopped process
 * holds the lock of the directory); NO_MEMORY; OS. Close with sill_pipe_close. */
SILL_API int sill_pipe_create(sill_pipe **pipe, const char *name, int end, const char *directory);

/* Opens the other end of a pipe that a living process of this user created. Does not block, but for
 * the lock of the directory. 0; NOT_FOUND; DENIED (it has been opened already, or is another
 * user's); INVALID (also: the creator has that end itself); LIMIT; TIMEOUT; NO_MEMORY; OS. */
SILL_API int sill_pipe_open(sill_pipe **pipe, const char *name, int end, const char *directory);

/* An anonymous pipe: `end` of it is *pipe, the other end is the plain handle *other, which blocks,
 * is inherited by nobody until the caller makes it so (sill_child_start does), and is the caller's,
 * to be closed with sill_handle_close once the child has it. 0, INVALID, LIMIT, NO_MEMORY, OS. */
SILL_API int sill_pipe_anonymous(sill_pipe **pipe, int end, sill_handle *other);

/* Both ends as plain handles: to connect two children. As above. */
SILL_API int sill_pipe_pair(sill_handle *reader, sill_handle *writer);

/* Closes a plain handle: of sill_pipe_anonymous and sill_pipe_pair, or one that was passed. */
SILL_API void sill_handle_close(sill_handle handle);

/* Reads what there is, at least one byte and at most `capacity` (1 or more), and sets *size.
 * 0. TIMEOUT, or AGAIN for timeout_ms 0. CLOSED: everything was read, and the writer has closed its
 * end; of an anonymous pipe also if it died, which the system does not tell (sill_child_wait does).
 * DIED: the same, and it ended without closing. CANCELED; INVALID; NO_MEMORY; OS. */
SILL_API int sill_pipe_read(sill_pipe *pipe, void *buffer, size_t capacity, size_t *size,
                            int timeout_ms);

/* Writes all of `size` bytes. *written (may be NULL) is set to how many are with the system, after
 * a failure too; those will be read before the end.
 * (On Windows the system takes the last of them when the reader makes room; a write that succeeds
 * waits up to 1 second for that.)
 * 0. TIMEOUT, or AGAIN for timeout_ms 0. CLOSED, DIED: the reader is gone, as above. CANCELED;
 * INVALID; NO_MEMORY; OS. */
SILL_API int sill_pipe_write(sill_pipe *pipe, const void *data, size_t size, size_t *written,
                             int timeout_ms);

/* Ends a call on the pipe that waits in another thread, or the next one that would wait: it returns
 * SILL_CANCELED. May be called from a signal handler. */
SILL_API void sill_pipe_cancel(sill_pipe *pipe);

/* A handle that event loops can wait on: of a reading end it is ready when there is something to
 * read or the end, valid until close and never to be read or closed by the caller; it may be ready
 * once too often. 0; INVALID; UNSUPPORTED (a writing end); NO_MEMORY; OS. */
SILL_API int sill_pipe_pollable(sill_pipe *pipe, sill_handle *handle);

/* Closes: the peer reads what was written before, then CLOSED. On Windows it waits up to 1 second
 * for the reader to take the rest. No other thread may be in a call on the pipe. NULL is fine. */
SILL_API void sill_pipe_close(sill_pipe *pipe);

/* ---- child processes ---- */

typedef struct sill_child sill_child;

enum sill_child_stream {
    SILL_CHILD_INHERIT = 0, /* the same as this process's */
    SILL_CHILD_NULL = 1,    /* nothing to read, and what is written is lost */
    SILL_CHILD_PIPE = 2,    /* a pipe, whose other end is this process's */
    SILL_CHILD_HANDLE = 3,  /* the handle that the caller names */
    SILL_CHILD_TO_OUT = 4   /* errors only: where the output goes */
};

/* One of a child's standard streams. */
typedef struct sill_child_io {
    int how;            /* enum sill_child_stream */
    sill_handle handle; /* HANDLE: stays the caller's; the child gets a duplicate */
    sill_pipe *pipe;    /* PIPE: set by sill_child_start; the caller closes it */
} sill_child_io;

typedef struct sill_child_options {
    size_t struct_size;       /* set by SILL_CHILD_OPTIONS_INIT */
    sill_child_io in, out, err;
    const sill_handle *handles; /* further handles that the child has under the same values */
    unsigned handle_count;      /* 0 to SILL_CHILD_HANDLES_MAX */
    const char *const *environment; /* "NAME=VALUE"s that are added to this process's, then NULL;
                                       NULL: none */
    const char *folder;       /* where the child starts; NULL: where this process is */
} sill_child_options;
#define SILL_CHILD_HANDLES_MAX 16
#define SILL_CHILD_OPTIONS_INIT {sizeof(sill_child_options), {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, 0, 0, 0, 0}

/* Starts a program: arguments[0] is its path or a name that is looked for on PATH (on Windows, before
 * that, beside this program, in the present folder and in those of the system); NULL ends the
 * arguments. It inherits its three standard streams and the handles named in the options, and no
 * other. `options` may be NULL. All text is UTF-8. On Windows a batch file is INVALID: cmd.exe, which
 * runs them, could take arguments for commands.
 * 0; NOT_FOUND (no such program, or folder); DENIED (it may not be run); INVALID; LIMIT; NO_MEMORY;
 * OS. Close with sill_child_close. */
SILL_API int sill_child_start(sill_child **child, const char *const *arguments,
                              sill_child_options *options);

/* Starts `count` programs (2 or more), the output of each connected to the input of the next. Of the
 * options, `in` is of the first, `out` of the last, the rest of all of them. On failure those that
 * were started are killed, and their places are NULL. As sill_child_start. `children` has room for `count`. */
SILL_API int sill_child_pipeline(sill_child **children, const char *const *const *commands,
                                 unsigned count, sill_child_options *options);

/* Waits for the end of the process and tells of it: *code (may be NULL) is its exit status, or on
 * POSIX the number of the signal that ended it, negative. 0, also if it was waited for before;
 * TIMEOUT (AGAIN if timeout_ms is 0); NOT_FOUND (somebody else has waited for it); INVALID; OS. */
SILL_API int sill_child_wait(sill_child *child, int *code, int timeout_ms);

/* Kills it (SIGKILL, TerminateProcess with 1), if it still runs. Wait afterwards. 0, INVALID, OS. */
SILL_API int sill_child_kill(sill_child *child);

/* Its process id; 0 for NULL. */
SILL_API uint32_t sill_child_pid(const sill_child *child);

/* Frees the object. The process runs on; one that has ended and was not waited for stays a zombie
 * on POSIX until this process ends. NULL is fine. */
SILL_API void sill_child_close(sill_child *child);

#ifdef __cplusplus
}
#endif

#endif
