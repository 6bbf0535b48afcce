/* channel_ops.h - the seam below channels: what an operating system's channel can do.
 *
 * A backend moves bytes and handles without blocking and says who the peer is. Frames, deadlines,
 * statuses of closing and everything a peer could lie about are the portable core's (stream.c).
 * Backends: posix/unix_socket.c, sysv/queue.c, win32/pipe.c. Each exports one table.
 *
 * Rules for every operation:
 * - The core has checked the arguments.
 * - Nothing blocks but `connect`, which keeps its deadline. EINTR is handled inside.
 * - On failure nothing is left behind and out-parameters are untouched.
 * - recv and send of one channel may be called by two threads at once; two recvs may not.
 * - A failure other than AGAIN sets sill_last_error() (sill__fail...).
 */
#ifndef SILL__CHANNEL_OPS_H
#define SILL__CHANNEL_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/channel.h>

#include "owner.h"
#include "wait.h"

typedef struct sill__conn sill__conn;   /* backends embed these as their first member */
typedef struct sill__listen sill__listen;

struct sill__conn {
    const struct sill__channel_ops *ops;
};
struct sill__listen {
    const struct sill__channel_ops *ops;
};

/* Where a channel lives: made by the core from name and options. */
struct sill__place {
    const char *name;      /* checked */
    const char *directory; /* the checked runtime directory */
    char file[100];        /* sill__owner_file_name(SILL__OWNER_SERVER, name) */
    int access;            /* enum sill_access */
    const char *object;    /* what the server's record says of it; for listen and remove_stale */
};

struct sill__bytes {
    const void *data;
    size_t size;
};

enum {
    SILL__CHANNEL_HANDLES = 1,   /* any handle can be passed. Without it only regions can, whose
                                    handles are numbers with nothing behind them to close */
    SILL__CHANNEL_TAKEN = 2,     /* exported handles are kept until the peer says TAKEN */
    SILL__CHANNEL_DIED_CODE = 4  /* reserved for backends that tell death by themselves */
};

struct sill__channel_ops {
    const char *name; /* "unix", "sysv", "pipe": a record's object is it, or begins with it and '-' */
    int family;       /* enum sill_family */
    int kind;         /* enum sill_channel_kind */
    uint32_t caps;
    int region;       /* enum sill_region_kind: of the regions that can be passed */
    const struct sill__wait_ops *wait; /* the kind of wait set that it can be watched in */

    /* What the record of a server that is about to listen is to say of its objects. NULL: `name`,
     * since everything can be found by the place alone. */
    int (*object)(char object[64], const struct sill__place *place);

    /* Creates the object at `place` and listens. The core holds the owner record of the name, so
     * whatever lies at the place is stale: it is removed if it is ours and of the right type
     * (never through a symlink), else DENIED. */
    int (*listen)(sill__listen **out, const struct sill__place *place);
    /* AGAIN when no client waits. */
    int (*accept)(sill__listen *listen, sill__conn **out);
    /* Stops listening and removes the object, if `remove` (a forked child only closes). False: some
     * of it must stay for the clients that there are, and therefore the record must. */
    bool (*unlisten)(sill__listen *listen, bool remove);
    /* Removes the object that a stale record (info->kind SERVER) left at `place`. May be called
     * with the directory locked. */
    int (*remove_stale)(const struct sill__place *place);

    /* NOT_FOUND when nobody listens; waits for room in the queue until the deadline. */
    int (*connect)(sill__conn **out, const struct sill__place *place, int64_t deadline);

    /* Sends a beginning of parts[0..count), at least one byte or AGAIN; *sent says how much. Behind
     * an AGAIN the wait set reports WRITABLE, whoever else has sent meanwhile.
     * `handles` travel with the first byte (a backend whose handles travel as values, by
     * export_handle, ignores them). Peer gone: DIED. Never SIGPIPE. */
    int (*send)(sill__conn *conn, const struct sill__bytes *parts, unsigned count,
                const sill_handle *handles, unsigned handle_count, size_t *sent);
    /* Reads at least one byte, or AGAIN, or DIED at the end of the stream (closed or died: the
     * core knows by the last frame). Handles that came are kept inside, in order, for
     * import_handle, close-on-exec; more than 2 * SILL_HANDLES_MAX unclaimed: PROTOCOL; lost for
     * want of descriptors: LIMIT. */
    int (*recv)(sill__conn *conn, void *buffer, size_t capacity, size_t *got);

    /* A handle as the 8 bytes that travel in the frame (0 where handles travel by themselves). */
    int (*export_handle)(sill__conn *conn, sill_handle handle, uint64_t *value);
    /* The handles last exported, with these values in this order, were not sent and will not be.
     * May be NULL. */
    void (*unexport)(sill__conn *conn, const uint64_t *values, unsigned count);
    /* The handle of the next value received; the caller owns it. PROTOCOL if there is none. */
    int (*import_handle)(sill__conn *conn, uint64_t value, sill_handle *out);
    /* The handles that came with a frame are dealt with: whoever wants what is behind them has it.
     * NULL: that need not be known. */
    void (*imported)(sill__conn *conn, const sill_handle *handles, unsigned count);
    /* The peer imported `count` more of the handles exported: forget them. (SILL__CHANNEL_TAKEN) */
    int (*taken)(sill__conn *conn, unsigned count);
    /* Whether bytes that `send` took would be lost if this process ended now; WRITABLE is reported
     * when they would not be any more. NULL: never. */
    bool (*under_way)(sill__conn *conn);
    /* How many exported handles would be lost if this process ended now; perhaps more than are.
     * NULL: never any. */
    unsigned (*untaken)(const sill__conn *conn);

    /* What a region is to be called that will be passed here, so that it outlives this process
     * until the peer has it. False: it would be lost. NULL: nothing need be done for that, or can
     * be. */
    bool (*region_object)(sill__conn *conn, char object[64]);

    /* Reports events of this connection (listener) with `key` in `wait`; one wait at most. Watch it
     * before its first send, recv or accept, in one wait for life. (A Windows handle is bound to
     * one completion port for good: a connection can go to another wait only if that one watches
     * nothing else, or shares the port; INVALID otherwise. One that was accepted can always be
     * watched in the wait of its listener, or in a new one.) */
    int (*watch)(sill__conn *conn, sill__wait *wait, void *key);
    void (*unwatch)(sill__conn *conn);
    int (*watch_listen)(sill__listen *listen, sill__wait *wait, void *key);
    void (*unwatch_listen)(sill__listen *listen);

    /* Who the peer is, asked once when the connection is made and kept. */
    const sill_peer *(*peer)(const sill__conn *conn);
    /* 1 the peer's process lives, 0 it has ended, -1 not known. */
    int (*peer_alive)(const sill__conn *conn);

    /* Unwatches and closes. Bytes that were sent still arrive. */
    void (*close)(sill__conn *conn);
};

/* Closes a handle of any kind that was passed. One per OS (posix/process.c, win32/process.c). */
void sill__handle_close(sill_handle handle);

/* Closes what import_handle gave, when it is of no more use. */
static inline void sill__conn_close_handle(const struct sill__channel_ops *ops, sill_handle handle)
{
    if ((ops->caps & SILL__CHANNEL_HANDLES) != 0)
        sill__handle_close(handle);
}

#endif
