/* sill/port.h - ports: requests, replies and datagrams between processes of one machine.
 *
 * A server listens under a name and receives from all of its clients in one wait. A client
 * connects, which gives it a port. A connection has two ports, one at each end; both can send
 * datagrams and make calls. Small messages are copied, large ones are mapped; every message says
 * which path it took and how often it was copied. See sill/policy.h for the thresholds.
 *
 *     sill_server *server;
 *     sill_listen(&server, "store", NULL);
 *     sill_message m = SILL_MESSAGE_INIT;
 *     while (sill_server_receive(server, &m, -1) == SILL_OK) {
 *         switch (m.type) {
 *         case SILL_CONNECT: sill_accept(server, &m, my_context, NULL, 0, NULL); break;
 *         case SILL_REQUEST: sill_reply(&m, answer, answer_size); break;
 *         default:           sill_release(&m); break;
 *         }
 *     }
 *
 *     sill_port *port;
 *     sill_connect(&port, "store", NULL);
 *     sill_message reply = SILL_MESSAGE_INIT;
 *     if (sill_call(port, request, request_size, &reply, 1000) == SILL_OK)
 *         use(reply.data, reply.size);
 *     sill_release(&reply);
 *
 * Messages. What was received is read in place at m.data until sill_release (or sill_reply, which
 * releases). A message in place lies in memory that the peer can still write: check what you read
 * once you have copied it, or use sill_receive_into. An unreleased message keeps memory at the
 * sender in use; it stays valid when the port is closed or the peer dies.
 *
 * Threads. Every function may be called from any thread at any time on a port or server that is
 * open; several threads may call, send and receive on one port at once. One message object is used
 * by one thread at a time. Close a port or server when no other thread is in a call on it
 * (sill_port_cancel, sill_server_cancel help). There are no background threads: work is done
 * inside the calls, so a port on which requests or datagrams can come must be received from.
 *
 * Processes. After fork, the child's use of the parent's ports and servers is SILL_INVALID, except
 * closing, which frees memory and tells the peer nothing.
 *
 * Time. timeout_ms: -1 waits for ever, 0 does not wait. A call that returns SILL_TIMEOUT was not
 * delivered unless it says so here.
 *
 * Families. A port runs on the system's own parts, or, on POSIX, on System V alone: message queues,
 * shared memory, semaphores (`family` in the options). Everything here holds for both but what the
 * traits deny: System V ports pass no handles, have no handle for event loops, and serve one user.
 *
 * End. When the peer closes its port or its process ends in whatever way, everything that it sent
 * before is delivered first; then calls return SILL_CLOSED or SILL_DIED, and a server gets one last
 * message of that type for the client. A peer that breaks the protocol is cut off: PROTOCOL.
 */
#ifndef SILL_PORT_H
#define SILL_PORT_H

#include <stddef.h>
#include <stdint.h>

#include <sill/channel.h>
#include <sill/policy.h>
#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_server sill_server;
typedef struct sill_port sill_port;

/* What a message is. sill_server_receive gives one last message for each accepted client, whose
 * type is a status (sill/status.h, negative): SILL_CLOSED, SILL_DIED, SILL_PROTOCOL, or, rarely,
 * what went wrong on this side (SILL_NO_MEMORY, SILL_LIMIT). */
enum sill_message_type {
    SILL_CONNECT = 1,  /* a client wants to connect: sill_accept or sill_refuse */
    SILL_REQUEST = 2,  /* wants an answer: sill_reply or sill_refuse */
    SILL_REPLY = 3,    /* the answer to a call */
    SILL_DATAGRAM = 4  /* wants no answer */
};

/* A message that was received. Set to SILL_MESSAGE_INIT before its first use; release it before it
 * is used again (the receiving functions release what they find in it). */
typedef struct sill_message {
    int type;              /* enum sill_message_type, or the status of a last message */
    int path;              /* enum sill_path: how it travelled */
    unsigned copies;       /* how often its bytes were copied on the way to `data` */
    unsigned handle_count; /* handles that came with it: sill_message_handle */
    const void *data;      /* NULL if size is 0 */
    size_t size;           /* bytes */
    uint64_t id;           /* requests and replies: the number that matches them; else 0 */
    sill_port *port;       /* the connection it came by */
    void *context;         /* server: what sill_accept was given for the client */
    void *internal;        /* sill's, as the next */
    uint64_t internal_word;
} sill_message;
#define SILL_MESSAGE_INIT {0, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL, 0}

/* How a long transfer goes on: a call of a user's function between the pieces of a message that
 * travels in more than one (paths channel and rounds). */
typedef struct sill_progress {
    sill_port *port;
    int receiving; /* 1: a message that comes; 0: one that is sent */
    uint64_t done; /* bytes */
    uint64_t total;
} sill_progress;

typedef struct sill_port_options {
    size_t struct_size;         /* set by SILL_PORT_OPTIONS_INIT */
    const sill_policy *policy;  /* copied; NULL: what sill_policy_load(policy_file) finds */
    const char *policy_file;    /* NULL: environment, user, system, defaults */
    int path;                   /* enum sill_path: overrides the policy's forced path */
    int require_mapped;         /* 1: if shared memory cannot be had, fail with the reason instead
                                   of sending over the channel */
    uint64_t message_max;       /* largest message that is received; 0: 4 GiB (on 32-bit systems
                                   1 GiB). A larger one is TOO_BIG at its sender. */
    uint64_t queue_max;         /* bytes of received, not yet handed-out messages in private
                                   memory after which a port stops reading; 0: 64 MiB */
    int reply_timeout_ms;       /* how long sill_reply waits for a client that does not read; 0:
                                   10000; -1: for ever */
    void (*progress)(void *arg, const sill_progress *progress); /* may be NULL; must not call
                                   functions on the same port, a server's not on that server or any
                                   of its ports either (the cancels may be called) */
    void *progress_arg;
    const char *directory;      /* as in sill_channel_options */
    int region;                 /* enum sill_region_kind: what this side shares; AUTO: the best
                                   here. UNSUPPORTED if it cannot be passed to another process. */
    int learn;                  /* 1: the port corrects its policy's inline_max and mapped_min from
                                   what its own calls take, one in 64 of which is timed, and one in
                                   1024 takes another path; within a factor of 16, inline_max never
                                   upwards. sill_port_get_traits tells the policy as it has become,
                                   sill_policy_save keeps it. 0: the policy stays as it is. */
    /* listen only */
    int access;                 /* enum sill_access */
    unsigned clients_max;       /* 0: 65536; further clients are refused with LIMIT */
    int handshake_timeout_ms;   /* a client that connects and says nothing is dropped; 0: 10000 */
    /* connect only */
    const void *data;           /* handed to the server with SILL_CONNECT; at most 64 KiB */
    size_t size;
    sill_message *answer;       /* gets what the server gave to sill_accept or sill_refuse; release
                                   it; may be NULL */
    int timeout_ms;             /* for connecting and the server's decision; 0: 10000; -1: ever */
    int wait_for_server;        /* 1: wait (within timeout_ms) for a server to appear */
    int any_server;             /* as in sill_channel_options */
    const char *server_sid;
    int64_t server_uid;
    int server_uid_set;
    /* both */
    int family;                 /* enum sill_family: the parts that the port runs on. AUTO: what the
                                   policy says, else the environment variable SILL_FAMILY; else a
                                   server has the system's own, and a client takes the server's.
                                   UNSUPPORTED if this system has none such. */
} sill_port_options;
#define SILL_PORT_OPTIONS_INIT                                                                     \
    {sizeof(sill_port_options), NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL,  \
     0, NULL, 0, 0, 0, NULL, 0, 0, 0}

/* ---- server ---- */

/* Makes a server of that name. Does not block, but for the short time in which another process may
 * hold the lock of the directory.
 * 0; EXISTS (a living process listens); INVALID; DENIED; LIMIT; TIMEOUT (a stopped process holds
 * that lock); UNSUPPORTED (family, region, or a System V server for other users); NO_SPACE; NO_MEMORY;
 * OS; and what sill_policy_load returns. Close with sill_server_close. */
SILL_API int sill_listen(sill_server **server, const char *name, const sill_port_options *options);

/* Waits for the next message of any client, fair between them, and hands it out. What `message`
 * held is released first. When the process is out of descriptors, new clients wait and connected
 * ones are served on. 0; TIMEOUT, or AGAIN for timeout_ms 0; CANCELED; INVALID; OS. */
SILL_API int sill_server_receive(sill_server *server, sill_message *message, int timeout_ms);

/* Accepts the client of a SILL_CONNECT message and releases the message. `context` comes back in
 * each message of this client. `data` (at most 64 KiB) goes to the client as its `answer`. *port
 * (may be NULL) is the server's end: to send and call to the client; it belongs to the server and
 * lives until its last message (SILL_CLOSED, SILL_DIED, SILL_PROTOCOL) is released or it is closed.
 * 0; DIED, CLOSED (the client has gone meanwhile); TIMEOUT; INVALID; TOO_BIG; NO_MEMORY; OS. On
 * failure there is no last message. */
SILL_API int sill_accept(sill_server *server, sill_message *message, void *context,
                         const void *data, size_t size, sill_port **port);

/* Refuses a SILL_CONNECT or a SILL_REQUEST and releases the message: the peer's sill_connect or
 * sill_call returns SILL_REFUSED and finds `data` in its answer or reply. Other statuses as
 * sill_accept and sill_reply. Also releases when it fails. */
SILL_API int sill_refuse(sill_message *message, const void *data, size_t size);

/* sill_reply to `message`, then sill_server_receive into it. The status is that of the receive;
 * a reply that could not be sent shows as the client's last message, or in the statistics. */
SILL_API int sill_reply_receive(sill_server *server, sill_message *message, const void *data,
                                size_t size, int timeout_ms);

/* Ends the sill_server_receive that wait in other threads: they return SILL_CANCELED. If none waits
 * at the moment, the next one that would wait is ended, so a cancel is never lost. May be called
 * from a signal handler. */
SILL_API void sill_server_cancel(sill_server *server);

/* A handle for event loops: ready when sill_server_receive would return something else than AGAIN
 * (it may be ready once too often, never too seldom). A descriptor that is then readable, on
 * Windows a manual-reset event that is then set. Valid until close; the server's own. 0;
 * UNSUPPORTED (the family has none: see the traits); INVALID; LIMIT; OS. */
SILL_API int sill_server_pollable(sill_server *server, sill_handle *handle);

/* Closes every connection in order and removes the name. NULL is fine. */
SILL_API void sill_server_close(sill_server *server);

/* Waits as sill_server_receive, then takes what else is there at once, up to `capacity` (at least
 * 1): *count messages, at least one if it returns 0 and none otherwise. Each is a message as any
 * other, to be answered, accepted or released by itself; their order is that of as many single
 * receives. What any of the `capacity` messages held is released first. Many small messages cost less
 * so. Statuses as sill_server_receive. */
SILL_API int sill_server_receive_many(sill_server *server, sill_message *messages, size_t capacity,
                                      size_t *count, int timeout_ms);

/* ---- client ---- */

/* Connects to the server of that name and waits for its decision.
 * 0; NOT_FOUND (no such server, and not told to wait for one); REFUSED; TIMEOUT; CLOSED, DIED (the
 * server went away before it decided); DENIED (not the server that was asked for, or not allowed);
 * VERSION; PROTOCOL; INVALID; TOO_BIG; LIMIT; UNSUPPORTED (family, region); NO_MEMORY; OS; and what
 * sill_policy_load returns. Close with sill_port_close. */
SILL_API int sill_connect(sill_port **port, const char *name, const sill_port_options *options);

/* Closes a port in order: the peer receives what was sent before, then SILL_CLOSED. On a server's
 * port: ends that client, without a last message. Messages not yet released stay valid, loans do
 * not. NULL is fine. Waits at most 1 second for a full channel to take what was already sent. */
SILL_API void sill_port_close(sill_port *port);

/* ---- both ends ---- */

/* Sends a request and waits for its reply. What `reply` held is released first.
 * 0: the reply is in `reply`, to be released. REFUSED: refused by the peer, its data is in `reply`,
 * to be released. TIMEOUT: no reply came in time; the request may have been delivered, its reply
 * will be dropped. CLOSED, DIED, PROTOCOL: the connection has ended. CANCELED; INVALID; TOO_BIG
 * (over the peer's message_max); NO_SPACE, LIMIT (require_mapped only); NO_MEMORY; OS. */
SILL_API int sill_call(sill_port *port, const void *data, size_t size, sill_message *reply,
                       int timeout_ms);

/* Sends a datagram. Blocks while there is no room, until the peer makes some.
 * 0: all of it is with the operating system or in shared memory; the peer gets it unless its own
 * process ends. (On Windows a client's handles, and a mapped message's segment when it is new, are
 * safe from the client's death once the server has read on: a client waits up to a second for that,
 * within timeout_ms. Over System V both sides wait so when a message needs a new segment and the
 * peer has left eight unread.) TIMEOUT: the peer will never see it. Otherwise as sill_call. */
SILL_API int sill_send(sill_port *port, const void *data, size_t size, int timeout_ms);

/* Waits for the next request or datagram on a client's port. 0; TIMEOUT, or AGAIN for timeout_ms
 * 0; CLOSED, DIED or PROTOCOL once everything has been received; CANCELED; INVALID (also: a
 * server's port); NO_MEMORY; OS. */
SILL_API int sill_receive(sill_port *port, sill_message *message, int timeout_ms);

/* The same for up to `capacity` messages: see sill_server_receive_many. */
SILL_API int sill_receive_many(sill_port *port, sill_message *messages, size_t capacity,
                               size_t *count, int timeout_ms);

/* Bytes of the caller's. */
typedef struct sill_bytes {
    const void *data;
    size_t size; /* bytes */
} sill_bytes;

/* Sends `count` datagrams in this order, each as sill_send would, and wakes the peer once. *sent
 * (may be NULL) of them were sent: all of them if it returns 0, otherwise those before the one that
 * the status is about. timeout_ms is for all together. Other threads' messages may come between.
 * Statuses as sill_send. */
SILL_API int sill_send_many(sill_port *port, const sill_bytes *messages, size_t count,
                            size_t *sent, int timeout_ms);

/* Answers a SILL_REQUEST and releases it, also on failure. `data` may lie in the request itself.
 * Blocks at most for the port's reply_timeout_ms: TIMEOUT then. A reply that fails is lost, and the
 * caller's call is refused with no data. 0; CLOSED, DIED, PROTOCOL; INVALID; TOO_BIG; NO_SPACE,
 * LIMIT; NO_MEMORY; OS. */
SILL_API int sill_reply(sill_message *message, const void *data, size_t size);

/* Gives the message's memory back; handles that were not taken are closed. The message is then
 * SILL_MESSAGE_INIT. An unanswered request that is released is refused with no data, an undecided
 * SILL_CONNECT too. NULL and empty messages are fine. Does not block. */
SILL_API void sill_release(sill_message *message);
/* The same for `count` of them. */
SILL_API void sill_release_many(sill_message *messages, size_t count);

/* Copies the message into the caller's buffer and releases what it occupied at the sender: a
 * private copy that the peer can no longer change. m.data is then `buffer`; m.copies says one
 * more. A request can still be answered. 0; TOO_BIG: larger
 * than `capacity`, the message is as it was; INVALID. */
SILL_API int sill_receive_into(sill_message *message, void *buffer, size_t capacity);

/* Takes over the handle number `index` that came with the message: the caller closes it. 0;
 * NOT_FOUND (no such handle, or taken already); INVALID. */
SILL_API int sill_message_handle(sill_message *message, unsigned index, sill_handle *handle);

/* What sill_..._with can do beyond the plain call. */
typedef struct sill_send_options {
    size_t struct_size; /* set by SILL_SEND_OPTIONS_INIT */
    unsigned flags;     /* SILL_SEND_... */
    int path;           /* enum sill_path: for this message */
    const sill_handle *handles; /* to pass; they stay the caller's, the peer gets duplicates.
                                   UNSUPPORTED where the family passes none: see the traits */
    unsigned handle_count;      /* at most SILL_HANDLES_MAX */
} sill_send_options;
#define SILL_SEND_OPTIONS_INIT {sizeof(sill_send_options), 0, 0, NULL, 0}

enum sill_send_flag {
    SILL_SEND_LOAN = 1,    /* `data` came from sill_loan on this port. A send that returns 0 (a call:
                          or REFUSED, or TIMEOUT after sending) has taken it back; on any other
                          failure it stays the caller's, to send again or to cancel. */
    SILL_SEND_MORE = 2,    /* more is coming at once: the peer, if it sleeps, is not woken for this
                              message but for the next without the flag, or when this side next
                              waits or closes. A stream of small messages costs less so. Before
                              waiting in an event loop of your own, send one without the flag or
                              receive once with a timeout of 0. */
    SILL_SEND_URGENT = 4   /* overtakes the messages that wait at the receiver without this flag;
                              urgent messages keep their order among themselves */
};

/* As sill_call, sill_send and sill_reply, with options (NULL: none). */
SILL_API int sill_call_with(sill_port *port, const void *data, size_t size,
                            const sill_send_options *options, sill_message *reply, int timeout_ms);
SILL_API int sill_send_with(sill_port *port, const void *data, size_t size,
                            const sill_send_options *options, int timeout_ms);
SILL_API int sill_reply_with(sill_message *message, const void *data, size_t size,
                             const sill_send_options *options);

/* Lends memory of `size` bytes to build a message in, aligned to 64 bytes, which then crosses
 * without a copy. Where no shared memory can be had it is private memory and the message is
 * copied after all. Blocks while the peer has not released enough, for timeout_ms.
 * 0; TIMEOUT or AGAIN; CLOSED, DIED, PROTOCOL; TOO_BIG; INVALID; NO_MEMORY. */
SILL_API int sill_loan_wait(sill_port *port, size_t size, void **block, int timeout_ms);
/* The same, waiting for ever. */
SILL_API int sill_loan(sill_port *port, size_t size, void **block);
/* Sends `size` bytes (at most what was lent) of a loan as a datagram. See SILL_SEND_LOAN. */
SILL_API int sill_send_loan(sill_port *port, void *block, size_t size, int timeout_ms);
/* Gives a loan back unsent. 0 or INVALID (not a loan of this port). */
SILL_API int sill_loan_cancel(sill_port *port, void *block);

/* Ends the calls that wait on this port in other threads: they return SILL_CANCELED. If none waits
 * at the moment, the next one that would wait is ended, so a cancel is never lost. On a server's
 * port: the calls on that port only. May be called from a signal handler. */
SILL_API void sill_port_cancel(sill_port *port);

/* A handle for event loops: ready when sill_receive would return something else than AGAIN (it may
 * be ready once too often, never too seldom). INVALID for a server's port. UNSUPPORTED where the family
 * has none: see the traits. */
SILL_API int sill_port_pollable(sill_port *port, sill_handle *handle);

/* Who the peer is, as the operating system says. 0 or INVALID. Works on SILL_CONNECT messages'
 * ports too. */
SILL_API int sill_port_peer(const sill_port *port, sill_peer *peer);

/* What this connection can do. */
typedef struct sill_port_traits {
    size_t struct_size;        /* set by the caller to sizeof(sill_port_traits) */
    const char *family;        /* "posix", "sysv", "win32": sill_family_name */
    const char *channel;       /* "unix", "sysv", "pipe" */
    const char *region;        /* kind of its segments: sill_region_kind_name; "" if none */
    unsigned can;              /* enum sill_policy_can */
    int passes_handles;        /* 1: handles can be sent with a message */
    int pollable;              /* 1: there can be a handle for event loops */
    int trusted_peer;          /* 1: memory of the peer could be truncated by it, so the peer is
                                  trusted; 0: nothing that a peer does can harm this process */
    uint64_t peer_message_max; /* the largest message that the peer takes */
    sill_policy policy;        /* the policy in force */
} sill_port_traits;
SILL_API int sill_port_get_traits(const sill_port *port, sill_port_traits *traits);

typedef struct sill_path_count {
    uint64_t messages;
    uint64_t bytes;
    uint64_t copies;
} sill_path_count;

typedef struct sill_port_statistics {
    size_t struct_size;                        /* set by the caller */
    sill_path_count sent[SILL_PATH_COUNT];     /* by enum sill_path */
    sill_path_count received[SILL_PATH_COUNT];
    uint64_t fallbacks;     /* messages that went over the channel for want of shared memory */
    uint64_t timeouts;      /* sends and replies that found no room in time */
    uint64_t late_replies;  /* replies that came after their call had given up */
    uint64_t segments;      /* segments this side holds now */
    uint64_t segment_bytes; /* and their size */
    uint64_t peer_segments; /* segments of the peer that are mapped now */
    uint64_t unreleased;    /* messages of this port handed out and not yet released */
} sill_port_statistics;
SILL_API int sill_port_get_statistics(sill_port *port, sill_port_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
