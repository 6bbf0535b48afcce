/* sill/channel.h - a channel: framed messages that the operating system keeps and copies through.
 *
 * A Unix stream socket on POSIX, a named pipe on Windows. Ports (sill/port.h) are built on the
 * same channels; use a channel by itself when you want nothing but frames, who the peer is, and
 * handles passed. What is sent is one frame and is received as one frame, whole and in order.
 *
 * Names are 1 to 200 bytes of letters, digits, '.', '_' and '-'. A channel name and a port name
 * are of one space: sill_listen and sill_channel_listen of one name exclude each other.
 *
 * Threads: one thread may send on a channel while another receives. Two threads that send at once
 * (or receive at once) need a lock of the caller's. After fork, the child's use of the parent's
 * channels and listeners is SILL_INVALID, except that it may close them, which tells the peer
 * nothing. No call here raises SIGPIPE or is cut short by a signal.
 */
#ifndef SILL_CHANNEL_H
#define SILL_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_channel sill_channel;
typedef struct sill_listener sill_listener;

/* At most this many handles travel with one frame or message. */
#define SILL_HANDLES_MAX 8

/* Who may connect. */
enum sill_access {
    SILL_ACCESS_USER = 0, /* processes of the same user, and the superuser or administrator */
    SILL_ACCESS_ALL = 1   /* every user of this machine; never another machine */
};

/* Who is at the other end, as the operating system says; a peer cannot lie about it. */
typedef struct sill_peer {
    uint32_t pid;  /* the process that connected, or that listens */
    uint32_t uid;  /* POSIX: its user; Windows: UINT32_MAX */
    uint32_t gid;  /* POSIX: its group; Windows: UINT32_MAX */
    int exact;     /* 1: a handle of that very process is held, so that a pid that is used again
                      cannot be taken for it. 0: the system could not give one. */
    char sid[192]; /* Windows: the user's SID as text, "S-1-..."; POSIX: "" */
} sill_peer;

typedef struct sill_channel_options {
    size_t struct_size;    /* set by SILL_CHANNEL_OPTIONS_INIT */
    int access;            /* enum sill_access; listen only */
    const char *directory; /* where the socket and the owner record lie (POSIX, Windows: record
                              only); NULL: SILL_RUNTIME_DIR, else the user's runtime directory.
                              It must exist. Both sides name the same one. */
    int any_server;        /* connect: 0 (default) believes only a server of the same user or of
                              the superuser; 1 believes any; else DENIED */
    const char *server_sid; /* connect, Windows: if set, the server must run as this SID */
    int64_t server_uid;    /* connect, POSIX: if server_uid_set, the server must run as it */
    int server_uid_set;
    size_t frame_max;      /* largest frame that is received; 0: 1 MiB; a larger one ends the
                              channel with SILL_TOO_BIG at the sender or PROTOCOL here */
} sill_channel_options;
#define SILL_CHANNEL_OPTIONS_INIT {sizeof(sill_channel_options), 0, 0, 0, 0, 0, 0, 0}

/* What carries bytes or messages between processes. X(constant, value, text): text is the name in
 * output and on command lines. SOCKET and NAMED_PIPE are the channels of this header, PIPE and FIFO
 * those of sill/pipe.h, MQUEUE, SYSV and QUEUE those of sill/queue.h. */
#define SILL_CHANNEL_KIND_TABLE(X)                                                                 \
    X(AUTO, 0, "auto")                                                                             \
    X(SOCKET, 1, "socket")         /* a Unix stream socket with frames */                          \
    X(NAMED_PIPE, 2, "named-pipe") /* Windows: a named pipe with frames */                         \
    X(PIPE, 3, "pipe")             /* an anonymous pipe: bytes, one way */                         \
    X(FIFO, 4, "fifo")             /* a FIFO, on Windows a byte-mode named pipe: bytes, one way */ \
    X(MQUEUE, 5, "mqueue")         /* a POSIX message queue */                                     \
    X(SYSV, 6, "sysv")             /* a System V message queue */                                  \
    X(QUEUE, 7, "queue")           /* Windows: a queue in shared memory */

enum sill_channel_kind {
#define SILL_CHANNEL_KIND_ENUM(name, value, text) SILL_CHANNEL_##name = (value),
    SILL_CHANNEL_KIND_TABLE(SILL_CHANNEL_KIND_ENUM)
#undef SILL_CHANNEL_KIND_ENUM
};

/* Priorities are 0 to this, on every system; the highest is received first. */
#define SILL_PRIORITY_MAX 31

/* What a kind can do on this system. */
typedef struct sill_channel_traits {
    size_t struct_size;    /* set by the caller */
    int available;         /* 1: this system has it; all else is 0 where it does not */
    int boundaries;        /* 1: what is sent is received as one message; 0: a stream of bytes */
    int duplex;            /* 1: both ends send */
    int priorities;        /* how many there are: 1, or SILL_PRIORITY_MAX + 1 */
    int handles;           /* 1: handles can be passed */
    int identity;          /* 1: the system says who the peer is */
    int death;             /* 1: a peer that died is told from one that closed */
    int pollable;          /* 1: there is a handle for event loops */
    int named;             /* 1: others find it by a name */
    uint64_t message_max;  /* largest message, in bytes, that the kind takes by default, or that the
                              options may ask for where the kind sets no bound; 0: boundless stream */
    uint64_t depth;        /* messages that wait at most by default; 0: counted in bytes */
    uint64_t bytes;        /* bytes that wait at most by default; 0: not fixed */
    uint64_t user_bytes;   /* for all of one user together; 0: not limited */
} sill_channel_traits;

/* 0; INVALID: there is no such kind. AUTO: this system's channel. */
SILL_API int sill_channel_get_traits(int kind, sill_channel_traits *traits);

/* "fifo" for SILL_CHANNEL_FIFO and so on; "?" for none. And back: -1 if unknown. */
SILL_API const char *sill_channel_kind_name(int kind);
SILL_API int sill_channel_kind_parse(const char *text);

/* Makes a listener for `name`. Does not block, but for the short time in which another process may
 * hold the lock of the directory.
 * 0; INVALID (name, options); EXISTS (a living process listens there); DENIED (directory or name
 * belongs to somebody else, or is open to others); LIMIT (descriptors, path too long); TIMEOUT (a
 * stopped process holds the lock of the directory); NO_SPACE; NO_MEMORY; OS. The caller closes it
 * with sill_listener_close. */
SILL_API int sill_channel_listen(sill_listener **listener, const char *name,
                                 const sill_channel_options *options);

/* Waits for a client. 0; TIMEOUT (AGAIN if timeout_ms is 0); CANCELED; INVALID; LIMIT (out of
 * descriptors: the client stays in the queue); NO_MEMORY; OS. */
SILL_API int sill_channel_accept(sill_listener *listener, sill_channel **channel, int timeout_ms);

/* Ends a sill_channel_accept that waits in another thread, or the next one that would wait: it
 * returns SILL_CANCELED. May be called from a signal handler. */
SILL_API void sill_listener_cancel(sill_listener *listener);

/* Closes the listener and removes its name. Accepted channels live on. NULL is fine. */
SILL_API void sill_listener_close(sill_listener *listener);

/* Connects to the listener of that name. Waits until it accepts its connection into its queue,
 * not until it calls sill_channel_accept, and not for a listener that does not exist.
 * 0; NOT_FOUND (nobody listens); TIMEOUT; DENIED (not ours to use, or not the server that was
 * asked for); INVALID; LIMIT; NO_MEMORY; OS. */
SILL_API int sill_channel_connect(sill_channel **channel, const char *name,
                                  const sill_channel_options *options, int timeout_ms);

/* Sends one frame of `size` bytes (data may be NULL for 0) with `count` handles, which stay the
 * caller's; the peer gets duplicates. Blocks while the peer's buffer is full.
 * 0: all of it is with the operating system. TIMEOUT: the peer will never see it, and the channel
 * is still good. CLOSED, DIED: the peer is gone. CANCELED; TOO_BIG (over frame_max); INVALID;
 * LIMIT; NO_MEMORY; OS. */
SILL_API int sill_channel_send(sill_channel *channel, const void *data, size_t size,
                               const sill_handle *handles, unsigned count, int timeout_ms);

/* Receives one frame into `buffer` and sets *size to its size. `handles` (may be NULL) takes up to
 * *count handles, which are then the caller's; *count is set to how many came; handles that find
 * no place are closed.
 * 0. TOO_BIG: the frame is larger than `capacity`; *size says how large; it stays for the next
 * call. TIMEOUT, or AGAIN for timeout_ms 0. CLOSED, DIED: after everything sent before was
 * received. PROTOCOL: the peer sent what is no frame; the channel is ended. LIMIT: handles that
 * came are lost, for this process can open no more; the channel is ended. NO_MEMORY: likewise.
 * CANCELED; INVALID; OS. */
SILL_API int sill_channel_receive(sill_channel *channel, void *buffer, size_t capacity,
                                  size_t *size, sill_handle *handles, unsigned *count,
                                  int timeout_ms);

/* Ends calls on the channel that wait in other threads: they return SILL_CANCELED. If none waits,
 * the next one that would. May be called from a signal handler. */
SILL_API void sill_channel_cancel(sill_channel *channel);

/* Who the peer is. 0 or INVALID. Does not block. */
SILL_API int sill_channel_peer(const sill_channel *channel, sill_peer *peer);

/* A handle that event loops can wait on (poll, epoll, WaitForMultipleObjects): it is ready
 * whenever sill_channel_receive would return something else than AGAIN, valid until close and
 * never to be read or closed by the caller; it may be ready once too often. 0, INVALID, LIMIT,
 * NO_MEMORY, UNSUPPORTED (POSIX without epoll), OS. */
SILL_API int sill_channel_pollable(sill_channel *channel, sill_handle *handle);

/* Closes in order: the peer receives what was sent before, then SILL_CLOSED. Waits at most 1
 * second for a full channel to take the word of it; after that the peer sees SILL_DIED at the end.
 * No other thread may be in a call on the channel. NULL is fine. */
SILL_API void sill_channel_close(sill_channel *channel);

#ifdef __cplusplus
}
#endif

#endif
