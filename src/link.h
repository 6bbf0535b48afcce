/* link.h - one end of a connection: the handshake, messages out, messages in, the end.
 *
 * A link is what a sill_port is made of. link.c keeps its life (creation, handshake, end),
 * link_send.c the way out, link_channel.c what goes by the channel,
 * link_blocks.c mapped blocks and loans, link_receive.c what comes by the
 * channel, link_ring.c what comes by the rings, received.c the messages that were received.
 * Everything here runs with the lock of the link's hub held unless it says otherwise; waiting
 * releases it.
 *
 * With shared memory every message has a place in one of the peer's two rings (lanes: plain and
 * urgent), and their order there is the order in which messages are handed out: records hold small
 * messages, describe mapped blocks, or say that the next message that came whole by the channel is
 * meant. Only replies that come by the channel have no place: their calls wait for them. Without
 * shared memory the channel's order is all.
 *
 * A user may hold a message in place, and then the ring behind it is not free, though all of it was
 * read. A writer that finds no room while the reader sleeps and has not been rung knows that this is
 * so, and sends by the channel, with the place in the frame; the next record is preceded by one that
 * says how many such messages there were, so that none is overtaken.
 *
 * Life: client   GREETING (HELLO sent) -> OPEN -> ENDED
 *       server   SILENT (nothing heard) -> DECIDING (SILL_CONNECT queued or handed out)
 *                -> OPEN -> ENDED
 * ENDED keeps `end`, why, and closes the channel at once; what was received before stays to be
 * handed out, and mappings stay while messages point into them.
 *
 * Shared words: those of `own` are written by this side only; those of `peer_words` are read only,
 * once each, atomically.
 */
#ifndef SILL__LINK_H
#define SILL__LINK_H

#include <sill/port.h>

#include "arena.h"
#include "copy.h"
#include "hub.h"
#include "learn.h"
#include "ring.h"
#include "step.h"
#include "stream.h"
#include "wire.h"

enum sill__link_state {
    SILL__LINK_SILENT,
    SILL__LINK_DECIDING,
    SILL__LINK_GREETING,
    SILL__LINK_OPEN,
    SILL__LINK_ENDED
};

/* A segment of the peer, mapped here for reading. Freed with its last user. */
struct sill__peer_segment {
    sill_region *region;
    uint64_t size;
    uint32_t serial; /* as announced */
    unsigned users;  /* the link's table, and messages in place */
};

/* A message that was received, or one that is coming. One heap block; small bytes lie behind it. */
struct sill__received {
    struct sill__received *next;
    sill_port *port; /* a reference once it is handed out */
    bool handed;     /* to the user */
    int type;
    int path;
    unsigned copies;
    bool refused; /* a reply that refuses */
    bool answered;
    uint64_t id;
    uint64_t size;
    uint64_t have;       /* bytes that have come */
    unsigned char *heap; /* private bytes, own allocation; or NULL */
    size_t heap_capacity;
    const void *data;    /* where the bytes are */
    struct sill__peer_segment *segment; /* mapped: in use until release */
    uint32_t slot, generation;
    uint32_t place; /* in the ring: of one that came with a place */
    bool placed;
    bool urgent;
    bool retracted; /* its caller has given up */
    sill_handle handles[SILL_HANDLES_MAX];
    unsigned handle_count;
    _Alignas(8) unsigned char bytes[]; /* private bytes of a small message */
};

/* Received messages in a row. */
struct sill__row {
    struct sill__received *first, *last;
};

/* A message that is read in place in a ring. In the user's sill_message it is `internal`, the lane's
 * address plus 1, and `internal_word`, the record's serial number. */
struct sill__in_ring {
    int type;
    bool refused;
    uint64_t id;
    const void *data;
    size_t size;
    uint32_t serial;
    struct sill__lane *lane; /* NULL: there is no message */
};
#define SILL__NO_SERIAL (UINT64_C(1) << 32) /* the record was released already */

/* One lane of a link, both ways. */
struct sill__lane {
    struct sill__link *link;
    struct sill__ring_out out;
    struct sill__ring_in in;
    uint32_t limit;                /* once the link has ended: where reading ends */
    bool blocked; /* the next record cannot be dealt with until the channel has said more, or the
                     queue is shorter */
    bool seen;    /* by a leader that had no use for it: others were told, and deal with it */
    bool large;                    /* a thread sends a message of several pieces */
    struct sill__received *partial; /* a message of several records of which more is to come */
    struct sill__received *chunked; /* the same of frames */
    struct sill__row parked;       /* came whole by the channel, and wait for their record */
    struct sill__row placed;       /* likewise, and wait until the ring is read up to their place */
    uint32_t placed_sent, placed_taken; /* how many there were, each way */
    bool sync_due;                 /* the next record must say how many were sent */
    struct sill__row ready;        /* to be handed out, before what is in the ring */
};

/* A call that waits for its reply: lives on the caller's stack, in the link's list. */
struct sill__call {
    struct sill__call *next;
    uint64_t id;
    struct sill__received *reply;
    struct sill__in_ring in_place; /* or this, if it has a lane */
};

/* A loan: a block that the caller fills, or private memory where no block could be had. */
struct sill__loan {
    struct sill__loan *next;
    void *data;
    uint64_t size;
    bool mapped;
    bool sending; /* by a thread that may be asleep */
    struct sill__block block;
};

struct sill__link {
    struct sill__source source; /* first: the wait set's key */
    struct sill__hub *hub;
    struct sill__stream stream;
    enum sill__link_state state;
    int end;           /* ENDED: CLOSED, DIED, PROTOCOL or what else went wrong */
    char end_text[200]; /* and the sentence that told it */
    bool peer_closed;  /* CLOSE has come */
    bool peer_dead;    /* its process has ended: when all is read, it is over */
    sill_peer peer;
    const struct sill__channel_ops *channel;
    sill_port *port;   /* what it is a part of */

    sill_policy policy;
    struct sill__learn *learn; /* corrects it; NULL: it stays as it is */
    int64_t small_max; /* largest message that goes inline if nothing else is asked for; -1: none */
    unsigned can; /* enum sill_policy_can */
    bool require_mapped;
    int region_kind; /* of what this side shares: enum sill_region_kind */
    bool trusted_peer;
    uint64_t message_max, peer_message_max, queue_max;
    int reply_timeout_ms;
    void (*progress)(void *arg, const sill_progress *progress);
    void *progress_arg;
    sill_port_statistics statistics;
    struct sill__cancels cancels;

    /* out */
    bool writable; /* false after an AGAIN until the wait set says otherwise */
    bool busy;     /* a thread writes a frame, perhaps asleep in the middle */
    uint64_t last_id;
    struct sill__arena *arena; /* made with the first mapped message */
    struct sill__copy_choice copies; /* of what is copied into its blocks */
    sill_region *own_region;
    struct sill__control *own;         /* in own_region; NULL: no shared memory */
    sill_region *peer_region;
    const struct sill__control *peer_words; /* read-only mapping; NULL: none */
    struct sill__lane lanes[SILL__LANES];   /* their rings: only with own and peer_words */
    bool may_be_lazy;    /* both sides can have barriers made: barrier.h */
    bool lazy;           /* this side leaves its fences out, as own->lazy says */
    unsigned unrung;     /* looks in a row at the peer's words without having to ring */
    uint32_t want;       /* the last value given to own->want that was not 0 */
    uint32_t want_space; /* the same of own->want_space */
    unsigned space_waiters;
    struct sill__loan *loans, *spare_loan;
    unsigned spare_loans;

    /* in */
    struct sill__received *incoming;  /* what the frame that is coming belongs to */
    struct sill__descriptor descriptor;
    uint64_t queued;         /* private bytes that are ready or parked */
    unsigned queued_handles; /* and handles */
    bool stalled;            /* not reading: that is too much */
    bool reading;            /* a thread is in the stream */
    int doomed; /* a status that the next work ends the link with, or 0 */
    struct sill__call *calls;
    struct sill__received *spare; /* memory of one that was freed, for the next without bytes */
    uint32_t released_slot, released_generation; /* of the peer's block that was released last */
    uint32_t rung;       /* the last value of the peer's want for which a bell was sent */
    uint32_t rung_space; /* and of its want_space */
    struct sill__peer_segment *peer_segments[SILL__SEGMENTS_LIMIT];

    /* handshake */
    struct sill__received *greeting; /* client: the server's answer; OPEN or refused */
    int refusal;                     /* client: status of a REFUSE */
    int64_t handshake_deadline;      /* server */
};

/* Fills a link around a connection: takes over `conn` and watches it in the hub. `port` embeds it.
 * 0, or why; on failure `conn` is closed. */
int sill__link_init(struct sill__link *link, struct sill__hub *hub, sill_port *port,
                    sill__conn *conn, const sill_port_options *options, const sill_policy *policy);
/* Ends the link if it has not ended, with `why`: closes the channel, fails what waits. */
void sill__link_end(struct sill__link *link, int why);
/* Fails with the status and the sentence of a link's end. */
int sill__link_ended(const struct sill__link *link);
/* Frees everything that the link still holds. It has ended, and nobody refers to it any more; no
 * leader looks at its rings. */
void sill__link_free(struct sill__link *link);
/* Closes in order: sends CLOSE, waits at most `linger_ns` for the channel to take it, ends. */
void sill__link_close(struct sill__link *link, int64_t linger_ns);
/* In a forked child: lets go of descriptors and memory, tells nobody. No lock. */
void sill__link_abandon(struct sill__link *link);

/* A region that is to be passed to the peer: control words and rings, or a segment. Statuses as
 * sill_region_create. */
int sill__link_new_region(struct sill__link *link, sill_region **out, size_t size);

/* Handshake. hello: client; welcome and refuse: server, in DECIDING. Data at most SILL__DATA_MAX.
 */
int sill__link_hello(struct sill__link *link, const void *data, size_t size, int64_t deadline);
int sill__link_welcome(struct sill__link *link, const void *data, size_t size, int64_t deadline);
/* Messages may go both ways from now on. */
void sill__link_open(struct sill__link *link);
/* Queues the refusal, never blocks, and ends the link. `status`: REFUSED, LIMIT, VERSION. */
void sill__link_refuse(struct sill__link *link, int status, const void *data, size_t size);
/* What the peer's HELLO or WELCOME says: features, limits; maps its control region from `handle`
 * (SILL_NO_HANDLE: none). */
int sill__link_learn(struct sill__link *link, const struct sill__hello *hello, sill_handle handle);

/* A message to send. */
struct sill__outgoing {
    int type; /* SILL_REQUEST, SILL_REPLY, SILL_DATAGRAM */
    uint64_t id;
    const void *data;
    size_t size;
    const sill_send_options *options; /* may be NULL */
    bool refused;
    int timeout_ms;
    int64_t deadline; /* 0: not asked for yet, since the clock takes as long as a message */
    unsigned seen;    /* link->cancels.told when the call began */
    struct sill__lane *lane; /* set by sending: where its record is, NULL if it has none */
    uint32_t position;
};
static inline int64_t sill__out_deadline(struct sill__outgoing *out)
{
    if (out->deadline == 0)
        out->deadline = sill__deadline(out->timeout_ms);
    return out->deadline;
}
/* Sends: 0 when all of it is with the OS or in shared memory. TIMEOUT: the peer will not see it.
 * `out->options` NULL: none. A loan that was sent is gone. */
int sill__link_send(struct sill__link *link, struct sill__outgoing *out);
/* The same for what most messages are, small ones without options but the flag MORE: true if it was
 * sent. False says nothing: sill__link_send is to be asked. */
bool sill__link_send_small(struct sill__link *link, const void *data, size_t size, unsigned flags);
/* The same for many, with the flag MORE: how many, before the first that is left to sill__link_send. */
size_t sill__link_send_smalls(struct sill__link *link, const sill_bytes *messages, size_t count);
/* Its caller has given up: the request need not be handed out any more. */
void sill__link_retract(struct sill__link *link, const struct sill__outgoing *out);
/* A loan of `size` bytes. */
int sill__link_lend(struct sill__link *link, size_t size, int64_t deadline, void **block);
int sill__link_unlend(struct sill__link *link, const void *block);
/* Waits on the link's hub; a cancel of this link ends it. `done` sees the link. */
int sill__link_wait(struct sill__link *link, bool (*done)(void *arg), void *arg, int64_t deadline,
                    unsigned seen_cancels);
/* Writes one frame, waiting for room until the deadline. */
int sill__link_write(struct sill__link *link, const struct sill__frame *head, const void *body,
                     size_t size, const sill_handle *handles, unsigned count, int64_t deadline,
                     unsigned seen);
/* Queues a control frame; an error ends the link. */
void sill__link_control(struct sill__link *link, const struct sill__frame *head, const void *body,
                        size_t size);

/* Room for a record's body, waited for: 0, a status, or PINNED: the peer's user holds so much of what
 * it was handed that there is none, and the peer waits for more. */
enum { SILL__PINNED = 1 };
int sill__link_record_room(struct sill__link *link, struct sill__lane *lane,
                           struct sill__outgoing *out, size_t size, void **body);
struct sill__lane *sill__link_lane(struct sill__link *link, const struct sill__outgoing *out);
void sill__link_count_sent(struct sill__link *link, int path, uint64_t messages, uint64_t bytes,
                           uint64_t copies);
/* Waits until `attempt` says something else than AGAIN, and returns that. The peer is told that
 * room is waited for. */
int sill__link_wait_room(struct sill__link *link, int (*attempt)(void *arg), void *arg,
                         int64_t deadline, unsigned seen);

/* ---- link_channel.c ---- */

int sill__link_send_channel(struct sill__link *link, struct sill__outgoing *out);
/* In pieces: through blocks if `rounds`, or by the channel. */
int sill__link_send_large(struct sill__link *link, struct sill__outgoing *out, bool rounds);
/* What describes a block that is all of the message, as a frame. `flags`: LOANED, REFUSED. */
int sill__link_describe_by_channel(struct sill__link *link, struct sill__outgoing *out,
                                   const struct sill__descriptor *block, unsigned flags);

/* ---- link_blocks.c ---- */

int sill__link_send_mapped(struct sill__link *link, struct sill__outgoing *out);
/* A block of `size` bytes filled with `data`, whose segment the peer knows. Statuses as
 * sill__arena_take but for AGAIN, or sill__link_write. */
int sill__link_fill_block(struct sill__link *link, struct sill__outgoing *out,
                          const void *data, uint64_t size, struct sill__block *block);
void sill__link_give_back(struct sill__link *link, const struct sill__block *block);
/* Tells the peer of the block's segment, if it does not know it. (link_send.c) */
int sill__link_announce(struct sill__link *link, struct sill__outgoing *out,
                        const struct sill__block *block);
/* Sends what describes the block, by the ring, or with handles by the channel. `flags`: LOANED,
 * REFUSED. `more`: the next piece of a message that has begun. (link_send.c) */
int sill__link_describe(struct sill__link *link, struct sill__outgoing *out,
                        const struct sill__block *block, uint64_t size, unsigned flags, bool more);
/* Announces and describes a block that holds all of the message, which is then sent. `flags`:
 * LOANED. On failure the block stays the caller's. */
int sill__link_send_block(struct sill__link *link, struct sill__outgoing *out,
                          const struct sill__block *block, unsigned flags);
/* The loan that begins at `data`, or NULL; and its end, once the block is somebody else's. */
struct sill__loan *sill__link_loan_of(struct sill__link *link, const void *data);
void sill__link_forget_loan(struct sill__link *link, struct sill__loan *loan);
void sill__link_free_loans(struct sill__link *link);
/* Whether a block could not be had for a reason that the channel can make up for. */
bool sill__link_no_memory(int rc);

/* ---- link_receive.c ---- */

/* Reads what has come; the source's work. */
unsigned sill__link_work(struct sill__source *source, unsigned events);
extern const struct sill__stream_user sill__link_reader; /* `arg` is to be set to the link */
/* What frames and records do alike: finds the block's bytes and marks it as in use by `r`.
 * AGAIN: its segment is not known yet. */
int sill__link_block(struct sill__link *link, struct sill__received *r,
                     const struct sill__descriptor *d, const unsigned char **bytes);
/* The bytes of a block are all of `r`, or a piece that is copied to the end of what it has. */
int sill__link_described(struct sill__link *link, struct sill__received *r,
                         const struct sill__descriptor *d, bool loaned);
void sill__link_tell_progress(struct sill__link *link, const struct sill__received *r);
void sill__link_count_received(struct sill__link *link, const struct sill__received *r);
/* Gives a reply to the call that waits for it, or drops it. */
void sill__link_give_reply(struct sill__link *link, struct sill__received *r);
/* The call that waits for this reply, taken out of the list; NULL: none does. */
struct sill__call *sill__link_call_of(struct sill__link *link, uint64_t id);
void sill__link_append(struct sill__link *link, struct sill__row *row, struct sill__received *r);
struct sill__received *sill__link_take_first(struct sill__link *link, struct sill__row *row);

/* ---- link_ring.c ---- */

/* Makes the rings ready to use: both sides' regions are mapped. */
void sill__link_rings(struct sill__link *link, uint64_t own_size, uint64_t peer_size);
/* Hands out the next message, and small ones behind it, up to `capacity`: how many. A record that
 * cannot be ends the link. */
size_t sill__link_next(struct sill__link *link, sill_message *messages, size_t capacity);
/* Goes through the rings for replies; what else comes first is put aside. */
void sill__link_pump(struct sill__link *link);
/* Whether something is there that may be a message. A record that is blocked counts for nothing. */
bool sill__link_has(struct sill__link *link);
/* The link ends: what the rings hold by then can still be read, if `readable`. */
void sill__link_close_rings(struct sill__link *link, bool readable);
/* What blocked the rings may have gone. */
void sill__link_unblock(struct sill__link *link);
/* After publishing: rings if the peer sleeps. */
void sill__link_ring(struct sill__link *link);
/* Something will be published soon (or, false, it has been or will not be): the peer is woken now,
 * if it wants that, or does not go to sleep. It may miss that. */
void sill__link_soon(struct sill__link *link, bool soon);
/* After releasing: rings if the peer waits for room. */
void sill__link_ring_space(struct sill__link *link);
/* The user is done with a record. */
void sill__link_release_record(struct sill__lane *lane, uint64_t serial);
/* The lane of a message in place; NULL: it is none. */
static inline struct sill__lane *sill__lane_of(const sill_message *message)
{
    uintptr_t internal = (uintptr_t)message->internal;
    return (internal & 1) != 0 ? (struct sill__lane *)(internal - 1) : NULL;
}
/* Of the link's source (hub.h). */
unsigned sill__link_looks(struct sill__source *source, const _Atomic uint32_t *words[SILL__LOOKS],
                          bool all);
void sill__link_seen(struct sill__source *source);
void sill__link_arm(struct sill__source *source, bool on);
bool sill__link_peer_lazy(struct sill__source *source);
bool sill__link_peer_soon(struct sill__source *source);
void sill__link_ring_held(struct sill__source *source);

/* ---- received.c ---- */

/* A message of `size` bytes that will come. Memory for them grows as they come, so that a claim
 * alone costs nothing. `elsewhere`: all of them lie in a block. NULL: out of memory. */
struct sill__received *sill__received_new(sill_port *port, int type, uint64_t size,
                                          bool elsewhere);
/* Room for `more` bytes behind those that have come; NULL: out of memory. */
void *sill__received_room(struct sill__received *r, size_t more);
/* Gives its block back to the peer and closes its handles; frees it and its reference. */
void sill__received_free(struct sill__received *r);
/* Releases the mapped block only. */
void sill__received_release_block(struct sill__received *r);
/* Hands it to the user: fills the public form, and holds the port from now on. */
void sill__received_hand(struct sill__received *r, sill_message *message);
void sill__peer_segment_unref(struct sill__peer_segment *segment);

/* ---- port.c ---- */

struct sill_port {
    struct sill__link link; /* first: the port is buried by its source */
    sill_server *server;    /* NULL: a client's port */
    unsigned references;    /* under the hub's lock: the owner, and each received message */
    bool open;              /* the owner's reference */
    /* a server's port */
    void *context;
    bool asked;    /* its SILL_CONNECT was handed to the user */
    bool accepted;
    bool listed; /* in the server's list of ports with something to hand out */
    struct sill_port *next, *previous; /* the server's list of all its ports */
    struct sill_port *next_ready;
    struct sill__received *farewell; /* the last message, made in advance */
};

static inline void sill__port_ref(sill_port *port)
{
    port->references++;
}
/* Frees a port by its source. */
void sill__port_bury(struct sill__source *source);
/* The last reference frees the port and its link, and drops its reference to the hub; so whoever
 * calls this holds another reference to the hub until it has released the lock. */
void sill__port_unref(sill_port *port);

/* In a forked child: the owner's reference goes, the peer is told nothing. No lock. */
void sill__port_abandon(sill_port *port);

/* A port around a new connection, with one reference, open. Takes `conn` over also on failure. */
int sill__port_create(sill_port **out, struct sill__hub *hub, sill__conn *conn,
                      const sill_port_options *options, const sill_policy *policy);
/* Options checked and completed with defaults, the policy they mean, and the channel; *channel NULL:
 * none was asked for. 0, INVALID, UNSUPPORTED, and what sill_policy_load returns. */
int sill__port_options(const sill_port_options *given, sill_port_options *out, sill_policy *policy,
                       const struct sill__channel_ops **channel);

/* Checks what a user wants to send. 0 or INVALID. `options` may be NULL. */
int sill__check_send(const void *data, size_t size, const sill_send_options *options);

/* What the link has to hand out has changed, or it has ended: a server puts its port into line, or
 * takes it out. */
void sill__port_ready(sill_port *port);

/* Hands a message in place to the user. */
/* Without the message's reference to its port, and without its count. */
static inline void sill__in_ring_fill(const struct sill__in_ring *in, sill_port *port,
                                      sill_message *message)
{
    message->type = in->type;
    message->path = SILL_PATH_INLINE;
    message->copies = 1;
    message->handle_count = 0;
    message->data = in->size > 0 ? in->data : NULL;
    message->size = in->size;
    message->id = in->id;
    message->port = port;
    message->context = port->context;
    message->internal = (char *)in->lane + 1;
    message->internal_word = in->serial;
    SILL__STEP(receive_taken);
}

static inline void sill__in_ring_hand(const struct sill__in_ring *in, sill_message *message)
{
    sill_port *port = in->lane->link->port;
    sill__port_ref(port);
    port->link.statistics.unreleased++;
    sill__in_ring_fill(in, port, message);
}

/* ---- message.c ---- */

/* sill_release_many with the lock of `hub` held, which is released and taken again for a message of
 * another. */
void sill__messages_release(struct sill__hub *hub, sill_message *messages, size_t count);

/* ---- server.c ---- */

void sill__server_ready(sill_server *server, sill_port *port);
/* The owner's reference of a server's port goes: it is out of every list. */
void sill__server_forget(sill_port *port);

#endif
